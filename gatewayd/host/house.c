/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The folders of the gateway, and the lock that makes
 * it the only one of its state directory. */
#include "common/compat.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/host/house.h"
#include "gatewayd/host/token_file.h"

/* As long as OpenClaw waits: a gateway that is ending may still have it. */
#define LOCK_WAIT_MS	5000
#define LOCK_POLL_MS	100

static int	 lock_fd = -1;

/* For skills of all agents: made at once, since a process that reads them can
 * only see a folder that was there when it began. */
static int
house_skills(const struct paths *ps)
{
	char	 path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/skills", ps->state) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return mkdir(path, 0755) == -1 && errno != EEXIST ? -1 : 0;
}

static int
house_make(const struct paths *ps, char *why, size_t size)
{
	if (paths_own(ps->state, geteuid(), getegid()) == -1 ||
	    paths_own(ps->run, geteuid(), getegid()) == -1 ||
	    /* Workers with uids of their own pass through; names stay private. */
	    (geteuid() == 0 && (chmod(ps->state, 0711) == -1 ||
	    chmod(ps->run, 0711) == -1)) || house_skills(ps) == -1) {
		snprintf(why, size, "%s: %s", ps->state,
		    strerror(errno));
		return -1;
	}
	return 0;
}

static int
house_lock(const struct paths *ps, char *why, size_t size)
{
	static const struct timespec	 wait = { 0, LOCK_POLL_MS * 1000000 };
	char		 path[4096], pid[24];
	ssize_t		 n;
	unsigned int	 waited = 0;

	snprintf(path, sizeof(path), "%s/gatewayd.lock", ps->run);
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock_fd == -1) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		return -1;
	}
	/* The kernel drops the lock with its holder: it is never stale. */
	while (flock(lock_fd, LOCK_EX | LOCK_NB) == -1) {
		if (waited < LOCK_WAIT_MS) {
			waited += LOCK_POLL_MS;
			nanosleep(&wait, NULL);
			continue;
		}
		n = pread(lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		snprintf(why, size, "Gateway failed to start: gateway already "
		    "running (pid %s); lock timeout after %dms; state "
		    "directory %s; `openclaw gateway stop` ends it, `openclaw "
		    "gateway status` tells who has the port", pid[0] != '\0' ?
		    pid : "unknown", LOCK_WAIT_MS, ps->state);
		close(lock_fd);
		lock_fd = -1;
		return -1;
	}
	n = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (ftruncate(lock_fd, 0) == -1 || pwrite(lock_fd, pid, (size_t)n,
	    0) != n)
		log_warn("%s", path);
	return 0;
}

int
house_enter(const struct paths *ps, bool check, bool write, char *why,
    size_t size)
{
	/* The file may count on the token that a start would make. */
	if (check)
		setenv("OPENCLAW_GATEWAY_TOKEN", "made at the start", 0);
	if (check && !write)
		return 0;	/* it may run beside a running gateway */
	if (house_make(ps, why, size) == -1 || house_lock(ps, why, size) == -1)
		return -1;
	return check ? 0 : gateway_token_load(ps->state, why, size);
}
