/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The list of keys of openclaw.json(5), in mdoc, from the table of keys. */
#ifndef GATEWAYD_CONFIG_MANUAL_H
#define GATEWAYD_CONFIG_MANUAL_H

#include "common/dbuf.h"

int	 cf_manual(struct dbuf *);

#endif
