/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Mounts as descriptors: made apart from every tree, then put somewhere. */
#ifndef COMMON_MOUNTFD_H
#define COMMON_MOUNTFD_H

/* One new file system: "tmpfs", "proc", ...; key, value pairs end with NULL.
 * Detached mount, or -1.  attr: MOUNT_ATTR_*. */
int	 fs_new(const char *type, unsigned int attr, const char *const *opt);
/* Puts a detached mount at path. */
int	 fs_place(int fd, int dirfd, const char *path);

#endif
