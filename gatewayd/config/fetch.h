/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* tools.web.fetch: whether pages are fetched, and what the fetcher may do. */
#ifndef GATEWAYD_CONFIG_FETCH_H
#define GATEWAYD_CONFIG_FETCH_H

#include "gatewayd/config/config.h"

/* Off unless somebody wants it: with it, what an agent knows can leave in an
 * address, and tools have no network by default (product.md 8). */
bool	 cf_fetch_on(const struct cf *);
/* Complains of origins that are none, and of what has no effect. */
void	 cf_fetch_check(struct cf *);
/* Where that worker of connect's list may go besides public addresses. */
void	 cf_fetch_dests(const struct cf *, struct parcel_writer *,
	    size_t worker);
void	 cf_fetch_parcel(struct cf *, struct parcel_writer *);

#endif
