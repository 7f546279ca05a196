/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * fdatasync(2) beside the event loop.  A wait for the disk is milliseconds, and
 * everybody else's message would wait too; so the kernel is asked to do it and
 * says when it is done.  Where it does not do that (or not for this kind of
 * file), the wait happens at once and the answer still comes from the loop.
 */
#ifndef AGENTD_DISKSYNC_H
#define AGENTD_DISKSYNC_H

#include <event2/event.h>

#define DISKSYNC_MAX	4	/* at once */

/* err is 0 or an errno. */
typedef void disksync_fn(int err, void *arg);

/* 0, or -1 with errno. */
int	 disksync_open(struct event_base *);
/* What was written to fd before this call is on the disk once fn is called; fn
 * is never called from in here.  fd may be closed at once.  -1 with errno
 * (EAGAIN: DISKSYNC_MAX are under way). */
int	 disksync_start(int fd, disksync_fn *fn, void *arg);
/* For tests: what was started is never told. */
void	 disksync_close(void);

#endif
