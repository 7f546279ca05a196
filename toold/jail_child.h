/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Inside a job, before its command runs. */
#ifndef TOOLD_JAIL_CHILD_H
#define TOOLD_JAIL_CHILD_H

#include <stdint.h>

#include "toold/jail.h"

/* From one process of ours to another of the same program, over a pipe. */
enum { JAIL_ST_ENDED, JAIL_ST_FAILED };
struct jail_status {
	uint32_t	 kind;
	int32_t		 status;	/* of wait(2), or errno */
	uint64_t	 cpu_us;
	uint64_t	 rss_kib;
	char		 step[48];
};

/* Process 1 of a new job; status_fd is where it reports. */
void	 jail_child(const struct jail *, const struct jail_job *,
	    int status_fd) __attribute__((noreturn));

#endif
