/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See users.h. */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/host/users.h"

int
users_load(struct sandbox_ids *ids, int64_t base)
{
	if (sandbox_ids_load(ids, base) == -1)
		return -1;
	/* A host without any has chosen so; a version that came with one more
	 * is weaker than the one before, which nobody has chosen. */
	if (ids->lacking != NULL)
		log_warnx("service user %s: does not exist, so all processes "
		    "share user %u; `systemd-sysusers` makes it, then restart",
		    ids->lacking, (unsigned int)ids->uid[1]);
	return 0;
}
