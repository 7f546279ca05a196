/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Facts about processes, from /proc. */
#ifndef GATEWAYD_HOST_PROCFS_H
#define GATEWAYD_HOST_PROCFS_H

#include <sys/types.h>

#include <stdint.h>

/* Proportional share of memory in KiB: a shared page counts by how many share
 * it.  0 when it cannot be read. */
uint64_t procfs_pss_kib(pid_t);

#endif
