/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Takes a command line apart into programs and their arguments, as far as
 * that can be done without a shell: words, quotes, "|", "&&", "||" and ";".
 * Everything a shell would expand, redirect or nest is refused by name, so
 * that what is left means to the caller exactly what it would to a shell.
 * Pure; knows nothing of files.
 */
#ifndef TOOLD_CMDLINE_H
#define TOOLD_CMDLINE_H

#include "common/dbuf.h"
#include "common/text.h"

#define CMDLINE_SEGMENTS_MAX	32
#define CMDLINE_WORDS_MAX	512

enum cmdline_err {
	CMDLINE_OK,
	CMDLINE_EMPTY,
	CMDLINE_CONTROL,	/* NUL, CR, escape ... */
	CMDLINE_LINES,		/* more than one line, or a continued one */
	CMDLINE_QUOTE,		/* one is not closed, or "\" ends it */
	CMDLINE_REDIRECT,	/* < > and here-documents */
	CMDLINE_EXPANSION,	/* $ and ` */
	CMDLINE_GROUP,		/* ( ) { } */
	CMDLINE_BACKGROUND,	/* & alone, |& */
	CMDLINE_PATTERN,	/* * ? [ ] */
	CMDLINE_HOME,		/* ~ */
	CMDLINE_COMMENT,	/* # */
	CMDLINE_ASSIGNMENT,	/* NAME=value in front of the program */
	CMDLINE_RESERVED,	/* if, !, while ... */
	CMDLINE_OPERATOR,	/* nothing before or behind an operator */
	CMDLINE_TOO_MANY,
	CMDLINE_MEMORY,
	CMDLINE_ERR_MAX
};
/* "it redirects input or output" */
const char *cmdline_err_text(enum cmdline_err);

/* What stands behind a segment. */
enum cmdline_op { CMDLINE_END, CMDLINE_AND, CMDLINE_OR, CMDLINE_SEQ,
	CMDLINE_PIPE };

struct cmdline_segment {
	char			**argv;		/* argc words */
	size_t			  argc;		/* at least 1 */
	enum cmdline_op		  op;
};

struct cmdline {
	struct cmdline_segment	 seg[CMDLINE_SEGMENTS_MAX];
	size_t			 nseg;
	char			*word[CMDLINE_WORDS_MAX];
	size_t			 nwords;
	char			*text;		/* of all words */
};

/* On an error there is nothing to clear. */
enum cmdline_err cmdline_parse(struct cmdline *, struct str command);
void	 cmdline_clear(struct cmdline *);
/* The word as a shell reads it back, whatever it holds. */
void	 cmdline_quote(struct dbuf *, const char *);
/* May this text be shown to somebody who has to decide on it?  False when it
 * holds what is not seen, or turns the order of what is (T23). */
bool	 cmdline_visible(struct str);

#endif
