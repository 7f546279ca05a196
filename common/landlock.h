/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Landlock, with our own constants: Debian 12's headers end at ABI 2 while the
 * running kernel may know more.  The ABI is asked of the kernel, never guessed
 * from its version; every right it knows is handled, and few are given back.
 * Nothing here allocates; all of it may run between clone and exec.
 */
#ifndef COMMON_LANDLOCK_H
#define COMMON_LANDLOCK_H

#include <stdint.h>

enum landlock_what {
	LANDLOCK_FS	= 1,	/* ABI 1: files */
	LANDLOCK_NET	= 2,	/* ABI 4: TCP bind and connect */
	LANDLOCK_BIND	= 4,	/* ABI 4: TCP bind only */
	LANDLOCK_SCOPE	= 8,	/* ABI 6: signals and abstract sockets out */
};

enum landlock_right {
	LANDLOCK_READ	= 1,	/* files and folders */
	LANDLOCK_EXEC	= 2,
	LANDLOCK_WRITE	= 4,	/* and make, remove, rename; no devices */
	LANDLOCK_DEVICE	= 8,	/* read, write, ioctl of one device */
};

struct landlock {
	int		 fd;
	int		 abi;
	uint32_t	 what;		/* that this kernel can */
	uint64_t	 handled;
};

/* 0 when the kernel has none. */
int	 landlock_abi(void);
/* A rule set that refuses all of what (as far as the ABI goes: see ->what).
 * 0, or -1 with errno (ENOSYS: no Landlock). */
int	 landlock_begin(struct landlock *, uint32_t what);
/* Gives rights beneath a file or folder (an O_PATH fd, or a path). */
int	 landlock_allow_fd(struct landlock *, int fd, uint32_t rights);
int	 landlock_allow_path(struct landlock *, const char *, uint32_t rights);
/* Onto this process; closes the set. */
int	 landlock_enforce(struct landlock *);
void	 landlock_drop(struct landlock *);

#endif
