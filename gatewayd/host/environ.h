/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The environment of the supervisor, as gatewayd-config will see it.  Secrets
 * may be in it, so the process's own copy is wiped once the parcel is sealed;
 * the parcel itself is kept unread for reloads.
 */
#ifndef GATEWAYD_HOST_ENVIRON_H
#define GATEWAYD_HOST_ENVIRON_H

/* The environment as it was at the first call, as a parcel: a new descriptor
 * each time, or -1 with errno. */
int	 environ_seal(void);
/* Overwrites the values of the process's own copy, but for HOME, PATH, TZ
 * and the service manager's socket. */
void	 environ_wipe(void);
/* Around an exec of itself: the sealed parcel survives, then fills the
 * environment of the next image. */
void	 environ_keep(void);
void	 environ_restore(void);

#endif
