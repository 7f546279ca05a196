/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "common/beneath.h"

int
beneath_open(int dirfd, const char *path, int flags, mode_t mode, bool links)
{
	struct open_how	 how;

	memset(&how, 0, sizeof(how));
	how.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC);
	if (flags & (O_CREAT | O_TMPFILE))
		how.mode = mode;
	how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
	if (!links)
		how.resolve |= RESOLVE_NO_SYMLINKS;
	return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

int
beneath_open_file(const char *dir, const char *path)
{
	struct stat	 st;
	size_t		 n = strlen(dir);
	int		 dirfd, fd, saved;

	if (path[0] == '/') {
		if (strncmp(path, dir, n) != 0 || path[n] != '/') {
			errno = EACCES;
			return -1;
		}
		path += n + 1;
	}
	if ((dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	/* O_NONBLOCK: a planted fifo must not make us wait. */
	fd = beneath_open(dirfd, path, O_RDONLY | O_NONBLOCK, 0, true);
	saved = errno;
	close(dirfd);
	if (fd != -1 && (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))) {
		close(fd);
		fd = -1;
		saved = EINVAL;
	}
	errno = saved;
	return fd;
}
