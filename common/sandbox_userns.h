/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Internal to the sandbox: entering a user namespace made by root. */
#ifndef COMMON_SANDBOX_USERNS_H
#define COMMON_SANDBOX_USERNS_H

#include <sys/types.h>

/* One user and one group of the namespace, and who they are outside. */
struct userns_id {
	uid_t	 uid, out_uid;
	gid_t	 gid, out_gid;
};
#define USERNS_IDS_MAX	2

/* Into a new user namespace that has only these; all are different.  Needs
 * CAP_SETUID and CAP_SETGID outside.  0, or -1 with errno. */
int	 userns_enter(const struct userns_id *, size_t n);

#endif
