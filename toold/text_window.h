/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The part of a text file that the tool read shows: some lines from a given
 * one, with a limit of lines and of bytes, fed in pieces.  Lines end at LF.
 */
#ifndef TOOLD_TEXT_WINDOW_H
#define TOOLD_TEXT_WINDOW_H

#include "common/dbuf.h"
#include "toold/text_clean.h"

#define TEXT_WINDOW_LINES	2000
#define TEXT_WINDOW_BYTES	(50u << 10)

enum text_window_end {
	TEXT_WINDOW_OPEN,	/* the file ended first */
	TEXT_WINDOW_WANTED,	/* as many lines as asked for */
	TEXT_WINDOW_FULL_LINES,
	TEXT_WINDOW_FULL_BYTES,
	TEXT_WINDOW_LONG,	/* not even the first line fits */
};

struct text_window {
	uint64_t		 from;		/* first line, from 1 */
	uint64_t		 want;		/* lines, 0: as many as go */
	uint64_t		 line;		/* being read, from 1 */
	uint64_t		 shown;
	uint64_t		 line_bytes;	/* of the line being read */
	uint64_t		 long_bytes;	/* TEXT_WINDOW_LONG: so far */
	enum text_window_end	 end;
	struct text_clean	 clean;
	struct dbuf		 cur, out;
};

void	 text_window_init(struct text_window *, uint64_t from, uint64_t want);
void	 text_window_clear(struct text_window *);
void	 text_window_put(struct text_window *, const char *, size_t);
/* The file ended: how many lines it has. */
uint64_t text_window_finish(struct text_window *);

/* What the first bytes of a file say that it is: "image/png", "PDF document",
 * ...; NULL when it looks like text.  *image: is it one to be shown? */
const char *text_sniff(const void *, size_t n, bool *image);

#endif
