/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Control groups (version 2): single files of a group's folder, and the tree
 * that the supervisor makes of a group that was delegated to it:
 *
 *	supervisor	the supervisor and every worker but the jailers
 *	jobs/<agent>	handed to that agent's jailer, which is born in it and
 *			makes further groups below (toold/jail_cgroup.c)
 *
 * A jailer starts inside its folder because the kernel lets a process clone
 * into a group only when it may write the nearest one above both.
 */
#ifndef COMMON_CGROUP_H
#define COMMON_CGROUP_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

enum cgroup_controller {
	CGROUP_MEMORY	= 1,
	CGROUP_PIDS	= 2,
	CGROUP_CPU	= 4,
};

/* One write(2) to, one read(2) of, a file that is there.  0 or a count, or -1
 * with errno.  Links are not followed; what was read ends in NUL. */
int	 cgroup_put(int dirfd, const char *name, const char *text);
ssize_t	 cgroup_get(int dirfd, const char *name, char *, size_t);
/* The enum cgroup_controller that this group may give to those below. */
uint32_t cgroup_controllers(int dirfd);
/* Gives them all: which, or 0 with errno (EBUSY: processes are in it). */
uint32_t cgroup_enable(int dirfd);
/* The folder `name` below dirfd, made when missing: fd, or -1 with errno. */
int	 cgroup_make(int dirfd, const char *name);
/* This process into that group.  0, or -1 with errno. */
int	 cgroup_enter(int dirfd);

struct cgroup_tree {
	int	 fd, jobs_fd;		/* -1: none is ours */
	char	 path[2048];
	char	 text[512];		/* what limits commands, for people */
};

/* Where this process is, from the texts of /proc/self/cgroup and
 * /proc/self/mountinfo.  0, or -1 with errno ENOENT, ENAMETOOLONG. */
int	 cgroup_locate(const char *self, const char *mounts, char *, size_t);
/* Takes the group of this process, when it was delegated to us.  0, or -1;
 * text has the reason. */
int	 cgroup_tree_start(struct cgroup_tree *);
/* The same with a group that is known to be ours; need: controllers without
 * which it is of no use. */
int	 cgroup_tree_open(struct cgroup_tree *, const char *path,
	    uint32_t need);
/* Makes jobs/<agent> anew, for the user of its jailer (-1: ours), and puts its
 * path into the buffer: fd for clone3, or -1 with errno. */
int	 cgroup_tree_agent(const struct cgroup_tree *, const char *agent,
	    uid_t, gid_t, char *, size_t);
/* Leaves the group as it was found; every other process has ended. */
void	 cgroup_tree_close(struct cgroup_tree *);

#endif
