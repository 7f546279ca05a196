/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* bindings and session.identityLinks, as the router wants them. */
#ifndef GATEWAYD_CONFIG_BINDINGS_H
#define GATEWAYD_CONFIG_BINDINGS_H

#include "gatewayd/config/config.h"

/* What is bound to an agent that does not exist goes to the first one. */
void	 cf_bindings_put(const struct cf *, const char *first,
	    struct parcel_writer *);
void	 cf_identities_put(const struct cf *, struct parcel_writer *);

#endif
