/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Opening a file by a name from outside: never above the folder it is meant
 * for, neither by "..", nor by a link, nor by an absolute name. */
#ifndef COMMON_BENEATH_H
#define COMMON_BENEATH_H

#include <sys/types.h>

#include <stdbool.h>

/* As openat(2) with RESOLVE_BENEATH and without magic links; `links`: links
 * that stay below the folder may be followed.  fd (CLOEXEC), or -1 with errno
 * (EXDEV: it led out, ELOOP: a link). */
int	 beneath_open(int dirfd, const char *path, int flags, mode_t mode,
	    bool links);
/* A regular file below the folder `dir`, for reading; path is relative, or
 * absolute and below dir.  fd, or -1 with errno (EACCES: not below, EINVAL:
 * not a regular file). */
int	 beneath_open_file(const char *dir, const char *path);

#endif
