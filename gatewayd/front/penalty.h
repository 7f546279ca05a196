/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Addresses that have to wait (T17).  Store decides who; the table is small, and when it is full the penalty that ends first gives way. */
#ifndef GATEWAYD_FRONT_PENALTY_H
#define GATEWAYD_FRONT_PENALTY_H

#include <stdint.h>

/* An IPv6 address counts as its /64, which one host can have to itself.  0, or
 * -1 when it is no address. */
int	 penalty_add(const char *addr, uint32_t seconds);
/* Seconds left for this address, 0 when free. */
uint32_t penalty_left(const char *addr);

#endif
