/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/host/backoff.h"

static unsigned int
backoff_recent(const uint64_t *when, unsigned int n, uint64_t now,
    uint64_t window)
{
	unsigned int	 i, count = 0;

	for (i = 0; i < n; i++)
		if (when[i] != 0 && now - when[i] < window)
			count++;
	return count;
}

uint32_t
backoff_ended(struct backoff *b, uint64_t now, uint64_t ready, bool violated)
{
	uint32_t	 ms;

	b->failures[b->nfailures++ % BACKOFF_FAILURES] = now;
	if (violated)
		b->violations[b->nviolations++ % BACKOFF_VIOLATIONS] = now;
	if (backoff_recent(b->failures, BACKOFF_FAILURES, now,
	    BACKOFF_WINDOW_MS) >= BACKOFF_FAILURES ||
	    (violated && backoff_recent(b->violations, BACKOFF_VIOLATIONS, now,
	    BACKOFF_VIOLATION_WINDOW_MS) >= BACKOFF_VIOLATIONS))
		return BACKOFF_HELD;
	if (ready != 0 && now - ready >= BACKOFF_HEALTHY_MS)
		b->wait_ms = 0;
	ms = b->wait_ms;
	b->wait_ms = ms == 0 ? BACKOFF_FIRST_MS :
	    ms > BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS : ms * 2;
	if (violated && ms < BACKOFF_VIOLATION_MS)
		ms = BACKOFF_VIOLATION_MS;
	/* Jitter, so that what fell together does not rise together. */
	return ms > 0 ? ms + arc4random_uniform(ms / 5 + 1) : 0;
}

void
backoff_reset(struct backoff *b)
{
	memset(b, 0, sizeof(*b));
}
