/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Makes text that a model may read of bytes that a command or a file gave:
 * valid UTF-8, no control characters but tab and newline, no terminal escape
 * sequences.  Works on a stream, so a sequence may be cut anywhere.
 */
#ifndef TOOLD_TEXT_CLEAN_H
#define TOOLD_TEXT_CLEAN_H

#include "common/dbuf.h"

struct text_clean {
	unsigned char	 part[4];	/* an unfinished UTF-8 sequence */
	uint8_t		 npart;
	uint8_t		 need;
	uint8_t		 esc;		/* enum in text_clean.c */
	uint16_t	 nesc;		/* bytes in this escape sequence */
	bool		 cr;		/* the last byte was CR */
	bool		 terminal;	/* what a program printed */
};

void	 text_clean_init(struct text_clean *, bool terminal);
/* Appends what is readable of the n bytes: 0, or -1 when out is full. */
int	 text_clean_put(struct text_clean *, const void *, size_t n,
	    struct dbuf *out);
/* The stream ended: an unfinished sequence becomes U+FFFD. */
int	 text_clean_end(struct text_clean *, struct dbuf *out);

#endif
