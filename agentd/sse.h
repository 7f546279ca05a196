/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * text/event-stream as it comes in, in pieces of any size: lines end in LF,
 * CRLF or CR, a leading BOM is dropped, comments are skipped, several data
 * lines are joined by LF.
 */
#ifndef AGENTD_SSE_H
#define AGENTD_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dbuf.h"
#include "common/text.h"

#define SSE_LINE_MAX	(1u << 20)
#define SSE_EVENT_MAX	(4u << 20)

struct sse_event {
	struct str event;	/* "message" when not named */
	struct str data;	/* NUL-terminated */
	struct str id;		/* last one seen, "" when none */
	uint32_t retry_ms;	/* 0: not in this event */
};

/* Anything but 0 stops the feeding; sse_feed then returns -1, ECANCELED. */
typedef int sse_event_cb(const struct sse_event *, void *arg);

struct sse {
	struct dbuf	 line, data, event, id;
	uint32_t	 retry_ms;
	uint8_t		 bom;
	bool		 cr, has_data;
	sse_event_cb	*cb;
	void		*arg;
};

void	 sse_init(struct sse *, sse_event_cb *cb, void *arg);
void	 sse_clear(struct sse *);
/* 0, or -1 with errno: EMSGSIZE (a line or an event over its limit), ENOMEM,
 * ECANCELED.  Do not feed further after -1.  The callback may not clear it. */
int	 sse_feed(struct sse *, const char *, size_t);
/* At the end of the stream: an event that no empty line closed is given to the
 * callback all the same; whoever wants only whole ones checks the data. */
int	 sse_finish(struct sse *);

#endif
