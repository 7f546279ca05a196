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
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/text.h"
#include "gatewayd/gatewayd.h"

#define LOCK_TRIES	40		/* of 50 ms */

static int	 lock_fd = -1;

int
places_make(char *why, size_t size)
{
	if (paths_own(sup.paths.state, geteuid(), getegid()) == -1 ||
	    paths_own(sup.paths.run, geteuid(), getegid()) == -1 ||
	    /* Workers with uids of their own pass through; names stay private. */
	    (geteuid() == 0 && (chmod(sup.paths.state, 0711) == -1 ||
	    chmod(sup.paths.run, 0711) == -1))) {
		snprintf(why, size, "%s: %s", sup.paths.state,
		    strerror(errno));
		return -1;
	}
	return 0;
}

int
places_lock(char *why, size_t size)
{
	static const struct timespec	 wait = { 0, 50000000 };
	char		 path[4096], pid[24];
	ssize_t		 n;
	int64_t		 holder;
	unsigned int	 tries = 0;

	snprintf(path, sizeof(path), "%s/gatewayd.lock", sup.paths.run);
	lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock_fd == -1) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		return -1;
	}
	/* The kernel drops the lock with its holder: it is never stale.  Only
	 * what a killed gateway was about to start may hold it for a moment
	 * longer, until it has read its end. */
	while (flock(lock_fd, LOCK_EX | LOCK_NB) == -1) {
		n = pread(lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		if (tries++ < LOCK_TRIES && num_parse(str_of(pid), 2, INT32_MAX,
		    &holder) == 0 && kill((pid_t)holder, 0) == -1 &&
		    errno == ESRCH) {
			nanosleep(&wait, NULL);
			continue;
		}
		snprintf(why, size, "a gateway already runs on %s (pid %s); "
		    "`openclaw gateway stop` ends it", sup.paths.state,
		    pid[0] != '\0' ? pid : "unknown");
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
