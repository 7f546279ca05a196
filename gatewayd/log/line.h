/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* One log line in the shape that readers of OpenClaw's log expect. */
#ifndef GATEWAYD_LOG_LINE_H
#define GATEWAYD_LOG_LINE_H

#include "common/dbuf.h"
#include "common/log.h"
#include "common/text.h"

/* Masked, escaped, with its newline.  subsystem is who speaks, as the link
 * says; text what they say. */
void	 line_format(struct dbuf *, enum log_level, const char *subsystem,
	    struct str text, uint64_t wall_ms, const char *hostname);

/* Appends text without anything that leaves its line or drives a terminal. */
void	 line_escape(struct dbuf *, struct str);

/* Lines per second of one speaker: a bucket. */
struct line_rate {
	uint64_t	 last_ms;
	uint32_t	 tokens;
	uint64_t	 dropped;	/* since it was last told */
};
#define LINE_BURST	1000
#define LINE_PER_S	200
/* May one more line pass?  Counts it as dropped otherwise. */
bool	 line_allowed(struct line_rate *, uint64_t mono_ms);

#endif
