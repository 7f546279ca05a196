/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The profile of a role is data: which system calls, which files, which
 * limits.  The filter compiler, the lock-down, `openclaw sandbox profiles`,
 * the manual and the tests read the same tables.
 */
#ifndef COMMON_SANDBOX_PROFILES_H
#define COMMON_SANDBOX_PROFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/msg.h"

/* A profile for each role (the parent's is S0), and two that are no roles. */
enum profile_id {
	PROFILE_JOB = ROLE_MAX,		/* a command in the jail */
	PROFILE_REAPER,			/* process 1 of that jail */
	PROFILE_MAX
};

/* Named sets of system calls; a profile is a union of them. */
enum call_set {
	SET_BASE	= 1 << 0,	/* memory, time, signals, exit */
	SET_EVENT	= 1 << 1,	/* event loop */
	SET_LINK	= 1 << 2,	/* messages and descriptors to siblings */
	SET_NET		= 1 << 3,	/* sockets that somebody else made */
	SET_PAIR	= 1 << 4,	/* unnamed socket pairs */
	SET_FILES	= 1 << 5,	/* files below the mounts, to read */
	SET_DB		= 1 << 6,	/* what SQLite asks on top of that */
	SET_CONNECT	= 1 << 7,	/* outgoing TCP and DNS */
	SET_THREADS	= 1 << 8,
	SET_PTY		= 1 << 9,	/* terminals for jobs */
	SET_SECRET	= 1 << 10,	/* memory that is not readable twice */
	SET_NEVER	= 1 << 11,	/* refused even where all else is free */
	SET_JAILER	= 1 << 12,	/* refused to the jailer on top of it */
	SET_JOB		= 1 << 13,	/* general programs */
	SET_REAPER	= 1 << 14,
	SET_SANITIZER	= 1 << 15,	/* only in sanitizer builds */
	SET_WRITE	= 1 << 16,	/* files, to change */
	SET_AIO		= 1 << 17,	/* waiting for a disk beside the loop */
	SET_START	= 1 << 18,	/* only until a worker is READY */
	SET_LIST	= 1 << 19,	/* names in folders */
	SET_TREE	= 1 << 20,	/* files by links; free space */
	SET_MKDIR	= 1 << 21,	/* folders, to make */
	SET_RESOLVE	= 1 << 22,	/* where names of files lead */
	SET_WATCH	= 1 << 23,	/* changes below the mounts */
	SET_WHOIS	= 1 << 24,	/* Unix sockets, whose a socket is */
};
const char *call_set_name(uint32_t set);	/* "base"; NULL: none */

enum call_action { CALL_ALLOW, CALL_ERRNO, CALL_KILL };

/* On the low 32 bits of an argument, which is all the kernel reads of it:
 * comparing 64 would let ioctl(fd, TIOCSTI | 1 << 32) through. */
enum call_op {
	OP_NONE,
	OP_EQ,		/* (arg & mask) == value */
	OP_NE,
	OP_NULL,	/* all 64 bits are 0: a pointer */
};
struct call_cond {
	uint8_t		 op;
	uint8_t		 arg;
	uint32_t	 mask;
	uint32_t	 value;
};

#define CALL_CONDS	2

/* A worker has two filters.  The first goes on with its first half of the
 * lock-down, before it reads its parcel, and allows its sets, those of its
 * start and SET_START, which every worker has; the second one, before READY,
 * takes the latter away. */

/* Rows of one call are tried in the order of the table, those of SET_BASE last
 * (so that a set can widen what all have); the first whose conditions all hold
 * decides; behind the last one the profile's default. */
struct sandbox_call {
	uint32_t		 sets;
	const char		*name;
	uint8_t			 action;	/* enum call_action */
	uint16_t		 err;		/* for CALL_ERRNO */
	struct call_cond	 cond[CALL_CONDS];
};
extern const struct sandbox_call sandbox_calls[];
extern const size_t sandbox_ncalls;

enum profile_flag {
	PROF_HOSTNET	= 1,	/* keeps the host's network namespace */
	PROF_USERNS	= 2,	/* root mode: makes its own user namespace */
	PROF_EXEC	= 4,	/* mounts keep programs runnable (jail) */
	PROF_DEVPTS	= 8,	/* a private devpts: makes terminals */
	PROF_NO_LL_FS	= 16,	/* no Landlock on files: it must mount */
	PROF_SKELETON	= 32,	/* root holds what jobs will see */
	PROF_THREADS	= 64,
	PROF_JIT	= 128,	/* may make memory runnable */
};

struct profile_mount {
	const char	*path;
	uint32_t	 flags;		/* enum sandbox_mount_flag */
};

struct sandbox_profile {
	const char	*name;		/* "front", "job" */
	const char	*class;		/* "S2" */
	const char	*text;		/* one line for people */
	uint32_t	 sets;
	uint32_t	 start;		/* sets that only its start needs */
	uint8_t		 miss;		/* enum call_action, by default */
	uint16_t	 miss_err;
	uint32_t	 flags;
	uint32_t	 nofile;
	uint32_t	 calls_max;	/* promise of SPECIFICATION.md; 0 none */
	const struct profile_mount *mounts;	/* besides the spec's */
};
/* NULL when there is none of that number. */
const struct sandbox_profile *sandbox_profile_get(unsigned int id);

#endif
