/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The log file: one per day in a folder, or one fixed file.  A full or
 * read-only disk loses lines, never more: they are counted, and the count is
 * written once there is room again (threat R15).
 */
#ifndef GATEWAYD_LOG_FILE_H
#define GATEWAYD_LOG_FILE_H

#include "common/dbuf.h"

#define LOGFILE_MAX	(100u << 20)	/* bytes of one file; then it turns */
#define LOGFILE_DAYS	7		/* dated files are kept */

struct logfile;

/* file: name in dir of a fixed file, or NULL for one per day.  The folder must
 * exist.  NULL with errno. */
struct logfile *logfile_open(const char *dir, const char *file);
void	 logfile_close(struct logfile *);
/* One whole line with its newline. */
void	 logfile_write(struct logfile *, const char *, size_t);
/* Lines lost since the start, and why the last one was (0: none). */
uint64_t logfile_lost(const struct logfile *, int *why);
/* Lines that were lost and not yet told of; sets it to 0 when it could be
 * written (the caller writes the line). */
uint64_t logfile_untold(struct logfile *, int *why);

struct logtail {
	uint64_t	 cursor;	/* UINT64_MAX: none */
	size_t		 limit, max_bytes;
};
/* Answers logs.tail: JSON into out, which has room for it.  0, or -1 with
 * errno. */
int	 logfile_tail(struct logfile *, const struct logtail *, struct dbuf *);

/* For tests: calls that can be made to fail, and the clock. */
struct logfile_sys {
	ssize_t	(*write)(int, const void *, size_t);
	time_t	(*now)(void);
};
extern struct logfile_sys logfile_sys;

#endif
