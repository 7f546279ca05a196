/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The folders of a gateway, and that it is the only one in them. */
#ifndef GATEWAYD_HOST_HOUSE_H
#define GATEWAYD_HOST_HOUSE_H

#include <stdbool.h>

#include "common/paths.h"

/* Makes the folders, holds the instance lock for as long as this process lives
 * and has the token: 0, or -1 with why, naming the process that holds the lock.
 * check: no gateway will run; without write, nothing is made. */
int	 house_enter(const struct paths *, bool check, bool write, char *why,
	    size_t);

#endif
