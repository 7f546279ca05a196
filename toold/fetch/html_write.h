/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Lines of text out of characters and breaks: blanks are made one, empty lines
 * at most one, quotations and lists get what stands in front of them. */
#ifndef TOOLD_FETCH_HTML_WRITE_H
#define TOOLD_FETCH_HTML_WRITE_H

#include "common/dbuf.h"

#define HTML_LISTS_MAX	8
#define HTML_QUOTES_MAX	4

struct html_writer {
	struct dbuf	*out;
	unsigned int	 lines;		/* line ends that are owed */
	bool		 blank;		/* a blank is owed */
	bool		 cell;		/* a border between cells is owed */
	bool		 begun;		/* something has been written */
	bool		 flat;		/* a break is a blank */
	unsigned int	 quotes, lists;
	char		 lead[24];	/* in front of the next line */
};

void	 html_writer_init(struct html_writer *, struct dbuf *);
/* A character that is seen, with what is owed in front of it. */
void	 html_write(struct html_writer *, const char *, size_t);
/* Behind what stands there, whatever is owed. */
void	 html_write_tail(struct html_writer *, const char *, size_t);
void	 html_write_blank(struct html_writer *);
/* At least so many line ends; one more, up to an empty line. */
void	 html_write_break(struct html_writer *, unsigned int);
void	 html_write_newline(struct html_writer *);

#endif
