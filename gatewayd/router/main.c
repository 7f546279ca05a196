/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The router's role: who is linked, which message goes where, the clock. */
#include "common/compat.h"

#include "gatewayd/router/router.h"

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &rt_worker);
}
