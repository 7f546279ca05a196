/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/agentd.h"

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &agent_worker);
}
