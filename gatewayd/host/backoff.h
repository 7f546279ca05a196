/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * When a process that ended may start again: at once if it had been healthy,
 * else after 0.25 s doubled to 60 s with jitter; never again by itself when it
 * fails too often.  One that broke the protocol waits longer and is held
 * sooner.  Pure: time comes from the caller.
 */
#ifndef GATEWAYD_HOST_BACKOFF_H
#define GATEWAYD_HOST_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_FIRST_MS	250
#define BACKOFF_MAX_MS		60000
#define BACKOFF_HEALTHY_MS	60000	/* READY so long: restart at once */
#define BACKOFF_FAILURES	10	/* within ... */
#define BACKOFF_WINDOW_MS	600000	/* ... this: held */
#define BACKOFF_VIOLATION_MS	5000	/* least wait after a violation */
#define BACKOFF_VIOLATIONS	3	/* within ... */
#define BACKOFF_VIOLATION_WINDOW_MS 3600000	/* ... this: held */
#define BACKOFF_HELD		UINT32_MAX

struct backoff {
	uint64_t	 failures[BACKOFF_FAILURES];	/* when; rings */
	uint64_t	 violations[BACKOFF_VIOLATIONS];
	unsigned int	 nfailures, nviolations;
	uint32_t	 wait_ms;		/* without jitter, the next */
};

/* It ended at now_ms; it was READY since ready_ms (0: never).  Milliseconds to
 * wait, or BACKOFF_HELD. */
uint32_t backoff_ended(struct backoff *, uint64_t now_ms, uint64_t ready_ms,
	    bool violated);
/* An operator acted: forget everything. */
void	 backoff_reset(struct backoff *);

#endif
