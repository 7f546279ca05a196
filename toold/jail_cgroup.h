/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One control group (version 2) per job below a folder that was delegated to
 * the jailer.  Where there is none, or a controller is missing, the rlimits of
 * the job are what is left.
 */
#ifndef TOOLD_JAIL_CGROUP_H
#define TOOLD_JAIL_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct jail_cgroup {
	int	 parent_fd;	/* lent */
	int	 fd;		/* -1: none */
	char	 name[24];
	bool	 memory, pids, cpu;	/* limits that are in force */
};

struct jail_cgroup_use {
	bool	 oom;		/* something was ended for memory */
	bool	 oom_above;	/* and this group had not reached its limit */
	bool	 pids;		/* a fork was refused */
	uint64_t memory_peak;	/* bytes; 0: unknown */
	uint64_t cpu_us;
};

/* Opens the delegated folder, puts this process into "jailer" below it and
 * asks for the controllers, *have: enum cgroup_controller.  fd, or -1 with
 * errno (also when it is not writable). */
int	 jail_cgroup_open(const char *path, uint32_t *have);
/* Makes "job-<n>" with these limits (0: none).  A left-over of that name is
 * emptied and used.  0, or -1 with errno; without a controller no failure. */
int	 jail_cgroup_begin(struct jail_cgroup *, int parent_fd, uint32_t n,
	    uint64_t memory_bytes, uint32_t pids);
/* Ends all that is in it. */
void	 jail_cgroup_kill(const struct jail_cgroup *);
void	 jail_cgroup_use(const struct jail_cgroup *, struct jail_cgroup_use *);
/* Kills, removes, closes. */
void	 jail_cgroup_end(struct jail_cgroup *);

#endif
