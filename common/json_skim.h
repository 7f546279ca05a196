/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * JSON without a tree.  One pass checks structure, strings and UTF-8 and finds
 * the parts of a frame; after that, values are walked in place.  Nothing is
 * allocated and nothing recurses; nesting deeper than SKIM_DEPTH_MAX is an
 * error.  As in JavaScript the last of several equal keys counts: walkers take
 * the last they see.
 */
#ifndef COMMON_JSON_SKIM_H
#define COMMON_JSON_SKIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

#define SKIM_DEPTH_MAX	64

enum skim_kind {
	SKIM_ABSENT,		/* no such value */
	SKIM_NULL,
	SKIM_BOOL,
	SKIM_NUMBER,
	SKIM_STRING,
	SKIM_ARRAY,
	SKIM_OBJECT
};

enum skim_err {
	SKIM_OK,
	SKIM_SYNTAX,
	SKIM_UTF8,
	SKIM_DEPTH,
	SKIM_SHORT,		/* ends before its end */
	SKIM_TRAILING,		/* something follows the value */
	SKIM_ERR_MAX
};
const char *skim_err_name(enum skim_err);	/* "nesting too deep" */

/* A value as it stands in the text, quotes and brackets included. */
struct skim_val {
	const char	*p;
	size_t		 n;
	enum skim_kind	 kind;
	bool		 escaped;	/* a string with backslashes */
};

/* The parts of a client's frame.  Filled as far as the scan got, so that an
 * error can be answered with the id. */
struct skim_frame {
	struct skim_val	 root;		/* kind tells whether it is an object */
	struct skim_val	 type, id, method, params;
	bool		 other;		/* has a further key */
	/* A string holds \u0000 or half a surrogate pair: what other parsers
	 * refuse.  skim_repair() mends the text in place. */
	bool		 odd;
};

/* Checks that the n bytes of p are exactly one JSON value. */
enum skim_err skim_text(const char *p, size_t n, struct skim_val *);
/* The same, and finds the parts of a frame. */
enum skim_err skim_frame(const char *p, size_t n, struct skim_frame *);
/* Replaces \u0000 and unpaired surrogate escapes by \ufffd.  Only for text
 * that was checked. */
void	 skim_repair(char *p, size_t n);

/* Walks the members or elements of a checked object or array. */
struct skim_iter {
	const char	*p, *end;
	bool		 object;
};
void	 skim_iter_init(struct skim_iter *, const struct skim_val *);
/* key (may be NULL) is a string value, absent in arrays; false at the end. */
bool	 skim_next(struct skim_iter *, struct skim_val *key, struct skim_val *);
/* The last member of that name: false and SKIM_ABSENT when there is none. */
bool	 skim_get(const struct skim_val *object, const char *name,
	    struct skim_val *);

/* Does this string value, unescaped, equal s? */
bool	 skim_is(const struct skim_val *, const char *s);
/* What stands between the quotes, when nothing in it is escaped; otherwise
 * use skim_unescape. */
struct str skim_raw(const struct skim_val *);
/* Unescapes a string value into buf and adds a NUL.  The result never holds a
 * NUL or half a surrogate pair (U+FFFD stands there) and is never longer than
 * the raw text; its length, or -1 when it does not fit. */
ssize_t	 skim_unescape(const struct skim_val *, char *buf, size_t size);
/* Code points of a string value. */
size_t	 skim_chars(const struct skim_val *);
/* 3, 3.0 and 3e0 are integers; false for anything else or beyond 2^53. */
bool	 skim_int(const struct skim_val *, int64_t *);

#endif
