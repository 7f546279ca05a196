/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * `prog -T`: locks the process down as its role is and then tries what the
 * role must not do.  One line per attempt on standard output.  A success of an
 * attempt is a failure of the test.
 */
#ifndef COMMON_SELFTEST_H
#define COMMON_SELFTEST_H

#include "common/seccomp.h"

/* 0 when nothing forbidden succeeded, 1 otherwise.  Runs without a supervisor,
 * as root or as an ordinary user. */
int	 selftest_main(const struct seccomp_made *);

#endif
