/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-log: writes the lines of every process to one file a day, each a
 * JSON object, escaped and redacted.  Who a line is from is told by the socket
 * it came through, never by its text.
 */
#ifndef GATEWAYD_LOG_LOGD_H
#define GATEWAYD_LOG_LOGD_H

#include "common/dbuf.h"
#include "common/link.h"
#include "common/log.h"
#include "common/text.h"

#define LOGD_FILE_MAX	(100u << 20)	/* then it goes on in a new file */
#define LOGD_KEEP_S	(7 * 86400)	/* older files go at start */
#define LOGD_RATE	2000		/* lines a second of one process */

/* file.c */
int	 file_init(const char *dir, const char *fixed);	/* 0, or -1, errno */
void	 file_write(const char *subsystem, enum log_level, struct str text);
uint64_t file_drops(void);		/* lines that found no place */
/* logs.tail: the whole result object in JSON.  0, or -1 with a message. */
struct tail_args { bool cursor_given; uint64_t cursor, limit, max_bytes; };
int	 file_tail(const struct tail_args *, struct dbuf *, char *why, size_t);

#endif
