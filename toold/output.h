/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What one command printed, as readable text.  Up to `keep` bytes stay in
 * memory; more goes to a spill file, of which `spill_max` bytes are kept, and
 * the end of the text is always at hand.  Lines count from 1.
 */
#ifndef TOOLD_OUTPUT_H
#define TOOLD_OUTPUT_H

#include "common/dbuf.h"

struct output_mark {
	uint64_t offset, line;		/* a line that begins at offset */
};

struct output {
	size_t		 keep;
	struct dbuf	 head;		/* all of it, or its first part */
	char		*tail;		/* ring, once head is not all */
	size_t		 tail_size, tail_n, tail_at;
	uint64_t	 total;		/* bytes put */
	uint64_t	 lines;		/* newlines put */
	uint64_t	 line_at;	/* where the last line begins */
	int		 dir_fd;	/* of the spool folder, lent; or -1 */
	int		 spill_fd;
	char		 spill_name[64];
	uint64_t	 spilled, spill_max;
	struct output_mark *marks;	/* for finding lines in the spill */
	size_t		 nmarks;
	bool		 spill_failed;
};

/* name: of the spill file below dir_fd, made when needed. */
void	 output_init(struct output *, size_t keep, int dir_fd,
	    const char *name, uint64_t spill_max);
/* Frees all and removes the spill file. */
void	 output_clear(struct output *);
/* Text must be valid UTF-8 (text_clean.h).  -1: some of it was lost. */
int	 output_put(struct output *, const char *, size_t n);
bool	 output_cut(const struct output *);	/* more than fits in memory */
/* All of it, or beginning and end with a line between that says how much is
 * missing and, when hint is not NULL, that. */
void	 output_text(const struct output *, struct dbuf *, const char *hint);
/* The last max bytes at most, from a line's or at least a letter's begin. */
void	 output_tail(const struct output *, size_t max, struct dbuf *);
/* At most max bytes from *offset, which is moved on; what was not kept is
 * left out with a notice. */
void	 output_since(const struct output *, uint64_t *offset, size_t max,
	    struct dbuf *);
/* Lines from..from+n-1, at most max bytes: how many lines were given. */
size_t	 output_lines(const struct output *, uint64_t from, size_t n,
	    size_t max, struct dbuf *);
uint64_t output_line_count(const struct output *);

#endif
