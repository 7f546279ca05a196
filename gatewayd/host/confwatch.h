/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tells when the configuration file may have changed and has come to rest,
 * however an editor writes it.  Whether it did change is for the listener.
 */
#ifndef GATEWAYD_HOST_CONFWATCH_H
#define GATEWAYD_HOST_CONFWATCH_H

#include <stdint.h>

struct event_base;

/* settled() is called once soon, for what changed before.  -1: the kernel does
 * not tell of changes, and settled() is called every few seconds. */
int	 confwatch_start(struct event_base *, const char *path,
	    void (*settled)(void));
void	 confwatch_again(void);		/* call settled() once more */
/* How long it must be quiet, from now on. */
void	 confwatch_quiet(uint32_t ms);

#endif
