/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The ready-made filters: look one up, load it.  They are compiled at build
 * time from sandbox_profiles.c.
 */
#ifndef COMMON_SECCOMP_H
#define COMMON_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

struct seccomp_filter {
	const struct sock_filter	*insn;
	size_t				 n;
	uint32_t			 calls;	/* that can succeed; 0: deny */
};

/* Of one role or enum profile_id: its filter, and that before READY (insn NULL
 * where there is none).  No table holds them all: together they are larger than
 * most programs, and each needs its own. */
struct seccomp_made {
	unsigned int		 id;
	struct seccomp_filter	 filter, start;
};
#define ROLE(num, ID, name, exe, user, many)				\
	extern const struct seccomp_made seccomp_of_##ID;
#include "proto/roles.def"
#undef ROLE
extern const struct seccomp_made seccomp_of_JOB, seccomp_of_REAPER;

/* Onto this process with all its threads, for ever; no_new_privs must be set.
 * Async-signal-safe.  0, or -1 with errno. */
int	 seccomp_filter_load(const struct seccomp_filter *);
/* For development: the same, but what is not in an allow-list happens and is
 * logged by the kernel; another ABI still ends the process.  Copies what is to
 * be loaded into out, of SECCOMP_INSNS_MAX.  Not async-signal-safe. */
#define SECCOMP_INSNS_MAX	4096
void	 seccomp_filter_audit(const struct seccomp_filter *,
	    struct sock_filter *out, struct seccomp_filter *);

#endif
