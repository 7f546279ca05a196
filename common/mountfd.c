/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/mount.h>

#include <errno.h>
#include <unistd.h>

#include "common/mountfd.h"

int
fs_new(const char *type, unsigned int attr, const char *const *opt)
{
	int fs, fd, save;
	long r;

	if ((fs = fsopen(type, FSOPEN_CLOEXEC)) == -1)
		return -1;
	fd = -1;
	for (; opt != NULL && opt[0] != NULL; opt += 2) {
		if (opt[1][0] == '\0')
			r = fsconfig(fs, FSCONFIG_SET_FLAG, opt[0], NULL, 0);
		else
			r = fsconfig(fs, FSCONFIG_SET_STRING, opt[0], opt[1],
			    0);
		if (r == -1)
			goto out;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == -1)
		goto out;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);
out:
	save = errno;
	close(fs);
	errno = save;
	return fd;
}

int
fs_place(int fd, int dirfd, const char *path)
{
	return move_mount(fd, "", dirfd, path, MOVE_MOUNT_F_EMPTY_PATH);
}
