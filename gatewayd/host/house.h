/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The folders of a gateway, and that it is the only one in them. */
#ifndef GATEWAYD_HOST_HOUSE_H
#define GATEWAYD_HOST_HOUSE_H

#include "common/paths.h"

int	 house_make(const struct paths *, char *why, size_t);
/* Holds the instance lock for as long as this process lives; 0, or -1 with
 * why naming the process that holds it. */
int	 house_lock(const struct paths *, char *why, size_t);

#endif
