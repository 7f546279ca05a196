/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The users of the processes of a gateway that root starts. */
#ifndef GATEWAYD_HOST_USERS_H
#define GATEWAYD_HOST_USERS_H

#include <stdint.h>

#include "common/sandbox.h"

/* As sandbox_ids_load(); when some of the service users are there and one is
 * not, so that none counts, a warning has its name. */
int	 users_load(struct sandbox_ids *, int64_t base);

#endif
