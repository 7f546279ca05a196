/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Makes text of a model or a tool fit for the transcript (spec agent-runtime
 * AR-20): what is not UTF-8 becomes U+FFFD, control characters other than tab,
 * LF and CR are dropped.  Works in pieces: a code point that is cut by the end
 * of a piece waits in the state for the next one.
 */
#ifndef AGENTD_SANITIZE_H
#define AGENTD_SANITIZE_H

#include <jansson.h>

#include "common/dbuf.h"

struct sanitize {
	char	 held[4];
	size_t	 nheld;
};

/* 0, or -1 when out is full. */
int	 sanitize_put(struct sanitize *, struct dbuf *out, const char *,
	    size_t);
/* The end: what is still held was cut short. */
int	 sanitize_end(struct sanitize *, struct dbuf *out);
/* A whole text as JSON string; NULL when out of memory. */
json_t	*sanitize_json(const char *, size_t);

#endif
