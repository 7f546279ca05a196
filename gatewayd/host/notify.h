/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tells a service manager that waits for it, as systemd does for a unit of
 * Type=notify, that clients are served: whoever is started after this gateway,
 * and whoever typed the start, finds it answering.
 */
#ifndef GATEWAYD_HOST_NOTIFY_H
#define GATEWAYD_HOST_NOTIFY_H

#define NOTIFY_VAR	"NOTIFY_SOCKET"	/* of sd_notify(3) */

/* Does nothing when nobody waits. */
void	 notify_ready(void);

#endif
