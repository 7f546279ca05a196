/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Replacing passages of a text by exact or nearly exact match, for the tool
 * edit.  Byte order mark and line endings of the file are kept; the search
 * sees only LF.  Pure: no I/O, no JSON.
 */
#ifndef TOOLD_EDIT_H
#define TOOLD_EDIT_H

#include "common/dbuf.h"
#include "common/text.h"

#define EDIT_MAX	64		/* replacements of one call */
#define EDIT_FILE_MAX	(8u << 20)	/* bytes of a file before and after */
#define EDIT_DIFF_MAX	(64u << 10)

enum edit_err {
	EDIT_OK,
	EDIT_EMPTY,	/* nothing to search for */
	EDIT_NONE,	/* not found */
	EDIT_SEVERAL,	/* found more than once: count */
	EDIT_SAME,	/* the result would be the same file */
	EDIT_OVERLAP,	/* two replacements touch the same text */
	EDIT_TOO_LARGE,
	EDIT_NOMEM,
	EDIT_ERR_MAX
};

struct edit {
	struct str	old_text, new_text;
};

struct edit_result {
	size_t		 which;		/* the edit that failed, from 0 */
	size_t		 count;		/* EDIT_SEVERAL: matches */
	size_t		 first_line;	/* first changed line, from 1 */
	bool		 fuzzy;		/* some match was not exact */
};

/* All edits are looked for in the file as it is.  text gets the new file,
 * diff (may be NULL) a unified diff of it, cut at its maximum. */
enum edit_err edit_apply(struct str file, const struct edit *, size_t n,
	    struct dbuf *text, struct dbuf *diff, struct edit_result *);

#endif
