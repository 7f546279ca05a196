/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Addresses that have to wait (T17).  Store and router decide who; the table
 * is small, and when it is full the penalty that ends first gives way. */
#ifndef GATEWAYD_FRONT_PENALTY_H
#define GATEWAYD_FRONT_PENALTY_H

#include <stdint.h>

/* prefix: "1.2.3.4", "1.2.3.0/24", "2001:db8::/64"; a bare IPv6 address
 * counts as its /64, which one host can have to itself.  0, or -1 when it is
 * none of these. */
int	 penalty_add(const char *prefix, uint32_t seconds);
/* Seconds left for this address, 0 when free. */
uint32_t penalty_left(const char *addr);

#endif
