/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Folders that are known by a descriptor; nothing is followed out of them. */
#include "common/compat.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/folder.h"

void
folder_sweep(int dir_fd, const char *prefix, int flags)
{
	struct dirent	*d;
	DIR		*dir;
	int		 fd;

	/* Its own: the place in the folder belongs to the descriptor. */
	if ((fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ==
	    -1)
		return;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.' && strncmp(d->d_name, prefix,
		    strlen(prefix)) == 0)
			(void)unlinkat(dir_fd, d->d_name, flags);
	closedir(dir);
}
