/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "gatewayd/host/sentinel.h"

#define SENTINEL_MAX	(1u << 20)

static char		 path[PATH_MAX];
static struct stat	 seen;
static int		 text_fd = -1;

void
sentinel_path(const char *state, char *buf, size_t size)
{
	snprintf(buf, size, "%s/restart-sentinel.json", state);
}

/* The file as it was read, when it is still there. */
static void
sentinel_remove(void)
{
	struct stat	 st;

	if (lstat(path, &st) == 0 && st.st_ino == seen.st_ino &&
	    st.st_dev == seen.st_dev &&
	    st.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == seen.st_mtim.tv_nsec && unlink(path) == -1)
		log_warn("%s", path);
}

void
sentinel_open(const char *state)
{
	static char	 text[SENTINEL_MAX];
	size_t		 n = 0;
	ssize_t		 r = 0;
	int		 fd;

	sentinel_path(state, path, sizeof(path));
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd == -1) {
		if (errno != ENOENT)
			log_warn("%s", path);
		return;
	}
	if (fstat(fd, &seen) == -1 || !S_ISREG(seen.st_mode)) {
		log_warnx("%s: not a file", path);
		close(fd);
		return;
	}
	while (n < sizeof(text) && (r = read(fd, text + n, sizeof(text) -
	    n)) > 0)
		n += (size_t)r;
	close(fd);
	if (r == -1 || n == sizeof(text) ||
	    (text_fd = memfd_sealed("sentinel", text, n)) == -1) {
		log_warnx("%s: cannot be read, or too long", path);
		sentinel_remove();
	}
	explicit_bzero(text, n);
}

int
sentinel_text(void)
{
	return text_fd == -1 ? -1 : fcntl(text_fd, F_DUPFD_CLOEXEC, 16);
}

void
sentinel_told(void)
{
	if (text_fd == -1)
		return;
	close(text_fd);
	text_fd = -1;
	sentinel_remove();
}
