/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gateway.controlUi: which page is served, where, and for whom it speaks. */
#ifndef GATEWAYD_CONFIG_PAGE_H
#define GATEWAYD_CONFIG_PAGE_H

#include "gatewayd/config/agents.h"

/* Front's keys below "ui."; the folder of the page, NULL when there is none.
 * The agent is the default one. */
const char *cf_page(struct cf *, const struct cf_agent *,
	    struct parcel_writer *);

#endif
