/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What one run of the configuration reader gave: sealed, never opened here. */
#ifndef GATEWAYD_HOST_RESULTS_H
#define GATEWAYD_HOST_RESULTS_H

#include "common/msg.h"

/* 0, or -1 when there is no room; then the descriptor stays the caller's. */
int	 results_add(enum role, struct str instance, int fd);
void	 results_put(enum cf_text, int fd);
/* The descriptor, now the caller's; -1: none. */
int	 results_parcel(enum role, const char *instance);
int	 results_text(enum cf_text);
void	 results_clear(void);

#endif
