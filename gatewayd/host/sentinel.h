/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * restart-sentinel.json: what the restart was for.  It is read once, at the
 * start, and goes when an agent knows of it; what a change writes meanwhile is
 * for the next start and stays.
 */
#ifndef GATEWAYD_HOST_SENTINEL_H
#define GATEWAYD_HOST_SENTINEL_H

#include <stddef.h>

void	 sentinel_path(const char *state, char *, size_t);
void	 sentinel_open(const char *state);
int	 sentinel_text(void);	/* sealed, the caller's; -1: there is none */
void	 sentinel_told(void);

#endif
