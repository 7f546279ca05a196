/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Internal to the sandbox: entering a user namespace made by root. */
#ifndef COMMON_SANDBOX_USERNS_H
#define COMMON_SANDBOX_USERNS_H

#include <sys/types.h>

/* Needs CAP_SETUID and CAP_SETGID outside.  0, or -1 with errno. */
int	 userns_enter(uid_t uid, gid_t gid, uid_t job_uid, gid_t job_gid);

#endif
