/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See jail_cgroup.h.  Only files below the one delegated folder are named. */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/text.h"
#include "toold/jail_cgroup.h"

#define CPU_MAX		"200000 100000"	/* two processors */
#define FILE_MAX	2048

static uint64_t	 get_key(const char *, const char *);

/* Value of a "key value" line; 0 when there is none. */
static uint64_t
get_key(const char *text, const char *key)
{
	struct str v;
	const char *p;
	uint64_t r;
	size_t n;

	n = strlen(key);
	for (p = text; p != NULL && *p != '\0'; p = strchr(p, '\n')) {
		p += strspn(p, "\n");
		if (strncmp(p, key, n) != 0 || p[n] != ' ')
			continue;
		v.p = p + n + 1;
		v.n = strcspn(v.p, "\n");
		return num_parse_u64(v, UINT64_MAX, &r) == 0 ? r : 0;
	}
	return 0;
}

int
jail_cgroup_open(const char *path, uint32_t *have)
{
	int fd, leaf, r, save;

	*have = 0;
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	/* A group that gives controllers away may hold no process: this one
	 * moves below first.  Where that is not allowed nothing else is. */
	r = -1;
	if ((leaf = cgroup_make(fd, "jailer")) != -1) {
		r = cgroup_enter(leaf);
		save = errno;
		close(leaf);
		errno = save;
	}
	if (r == -1) {
		save = errno;
		close(fd);
		errno = save;
		return -1;
	}
	*have = cgroup_enable(fd);
	return fd;
}

int
jail_cgroup_begin(struct jail_cgroup *cg, int parent_fd, uint32_t n,
    uint64_t memory_bytes, uint32_t pids)
{
	char text[32];

	memset(cg, 0, sizeof(*cg));
	cg->parent_fd = parent_fd;
	cg->fd = -1;
	snprintf(cg->name, sizeof(cg->name), "job-%u", n);
	if (mkdirat(parent_fd, cg->name, 0700) == -1) {
		if (errno != EEXIST)
			return -1;
		/* Made anew: a clone into a group that was once killed is
		 * killed as well (seen on Linux 6.18). */
		cg->fd = openat(parent_fd, cg->name, O_RDONLY | O_DIRECTORY |
		    O_NOFOLLOW | O_CLOEXEC);
		jail_cgroup_end(cg);
		if (mkdirat(parent_fd, cg->name, 0700) == -1 &&
		    errno != EEXIST)
			return -1;
	}
	cg->fd = openat(parent_fd, cg->name, O_RDONLY | O_DIRECTORY |
	    O_NOFOLLOW | O_CLOEXEC);
	if (cg->fd == -1)
		return -1;
	if (memory_bytes != 0) {
		snprintf(text, sizeof(text), "%llu",
		    (unsigned long long)memory_bytes);
		cg->memory = cgroup_put(cg->fd, "memory.max", text) == 0;
		(void)cgroup_put(cg->fd, "memory.swap.max", "0");
		(void)cgroup_put(cg->fd, "memory.oom.group", "1");
	}
	if (pids != 0) {
		snprintf(text, sizeof(text), "%u", pids);
		cg->pids = cgroup_put(cg->fd, "pids.max", text) == 0;
	}
	cg->cpu = cgroup_put(cg->fd, "cpu.max", CPU_MAX) == 0;
	return 0;
}

void
jail_cgroup_kill(const struct jail_cgroup *cg)
{
	if (cg->fd != -1)
		(void)cgroup_put(cg->fd, "cgroup.kill", "1");
}

void
jail_cgroup_use(const struct jail_cgroup *cg, struct jail_cgroup_use *use)
{
	char buf[FILE_MAX];
	uint64_t v;

	memset(use, 0, sizeof(*use));
	if (cg->fd == -1)
		return;
	if (cgroup_get(cg->fd, "memory.events", buf, sizeof(buf)) > 0) {
		use->oom = get_key(buf, "oom_kill") > 0 ||
		    get_key(buf, "oom_group_kill") > 0;
		/* "oom" is counted where the limit is, and above. */
		use->oom_above = use->oom && get_key(buf, "oom") == 0;
	}
	if (cgroup_get(cg->fd, "pids.events", buf, sizeof(buf)) > 0)
		use->pids = get_key(buf, "max") > 0;
	if (cgroup_get(cg->fd, "cpu.stat", buf, sizeof(buf)) > 0)
		use->cpu_us = get_key(buf, "usage_usec");
	if (cgroup_get(cg->fd, "memory.peak", buf, sizeof(buf)) > 0 &&
	    num_parse_u64(str_trim(str_of(buf)), UINT64_MAX, &v) == 0)
		use->memory_peak = v;
}

void
jail_cgroup_end(struct jail_cgroup *cg)
{
	if (cg->fd == -1)
		return;
	jail_cgroup_kill(cg);
	close(cg->fd);
	cg->fd = -1;
	(void)unlinkat(cg->parent_fd, cg->name, AT_REMOVEDIR);
}
