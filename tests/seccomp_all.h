/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Every filter there is, by role or enum profile_id; a program has its own. */
#ifndef TESTS_SECCOMP_ALL_H
#define TESTS_SECCOMP_ALL_H

#include "common/sandbox_profiles.h"
#include "common/seccomp.h"

static const struct seccomp_made *const seccomp_all[PROFILE_MAX] = {
#define ROLE(num, ID, name, exe, user, many)	[num] = &seccomp_of_##ID,
#include "proto/roles.def"
#undef ROLE
	[PROFILE_JOB] = &seccomp_of_JOB,
	[PROFILE_REAPER] = &seccomp_of_REAPER,
};

#endif
