/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See landlock.h.  Numbers are the kernel's, include/uapi/linux/landlock.h. */
#include "common/compat.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/landlock.h"

#define NR_CREATE_RULESET	444
#define NR_ADD_RULE		445
#define NR_RESTRICT_SELF	446

#define CREATE_VERSION		1u
#define RULE_PATH_BENEATH	1

#define FS_EXECUTE		(1ULL << 0)
#define FS_WRITE_FILE		(1ULL << 1)
#define FS_READ_FILE		(1ULL << 2)
#define FS_READ_DIR		(1ULL << 3)
#define FS_REMOVE_DIR		(1ULL << 4)
#define FS_REMOVE_FILE		(1ULL << 5)
#define FS_MAKE_DIR		(1ULL << 7)
#define FS_MAKE_REG		(1ULL << 8)
#define FS_MAKE_SOCK		(1ULL << 9)
#define FS_MAKE_FIFO		(1ULL << 10)
#define FS_MAKE_SYM		(1ULL << 12)
#define FS_ABI1			((1ULL << 13) - 1)
#define FS_REFER		(1ULL << 13)	/* ABI 2 */
#define FS_TRUNCATE		(1ULL << 14)	/* ABI 3 */
#define FS_IOCTL_DEV		(1ULL << 15)	/* ABI 5 */
/* What applies to a file that is no folder. */
#define FS_ON_FILE		(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | \
	FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_BIND_TCP		(1ULL << 0)	/* ABI 4 */
#define NET_CONNECT_TCP		(1ULL << 1)
#define SCOPE_ABSTRACT_UNIX	(1ULL << 0)	/* ABI 6 */
#define SCOPE_SIGNAL		(1ULL << 1)

struct ruleset_attr {
	uint64_t	 fs;
	uint64_t	 net;
	uint64_t	 scoped;
};
struct path_attr {
	uint64_t	 allowed;
	int32_t		 fd;
} __attribute__((packed));

int
landlock_abi(void)
{
	long v;

	v = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_VERSION);
	return v < 0 ? 0 : (int)v;
}

int
landlock_begin(struct landlock *l, uint32_t what)
{
	struct ruleset_attr attr = { 0, 0, 0 };
	size_t size;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	if ((l->abi = landlock_abi()) == 0) {
		errno = ENOSYS;
		return -1;
	}
	if (what & LANDLOCK_FS) {
		attr.fs = FS_ABI1;
		if (l->abi >= 2)
			attr.fs |= FS_REFER;
		if (l->abi >= 3)
			attr.fs |= FS_TRUNCATE;
		if (l->abi >= 5)
			attr.fs |= FS_IOCTL_DEV;
		l->what |= LANDLOCK_FS;
	}
	size = sizeof(attr.fs);
	if (l->abi >= 4) {
		size = offsetof(struct ruleset_attr, scoped);
		if (what & (LANDLOCK_NET | LANDLOCK_BIND)) {
			attr.net = NET_BIND_TCP;
			if (what & LANDLOCK_NET)
				attr.net |= NET_CONNECT_TCP;
			l->what |= what & (LANDLOCK_NET | LANDLOCK_BIND);
		}
	}
	if (l->abi >= 6) {
		size = sizeof(attr);
		if (what & LANDLOCK_SCOPE) {
			attr.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
			l->what |= LANDLOCK_SCOPE;
		}
	}
	l->handled = attr.fs;
	if (l->what == 0)
		return 0;	/* nothing that this ABI could hold back */
	l->fd = (int)syscall(NR_CREATE_RULESET, &attr, size, 0);
	return l->fd == -1 ? -1 : 0;
}

int
landlock_allow_fd(struct landlock *l, int fd, uint32_t rights)
{
	struct path_attr attr;
	struct stat st;
	uint64_t a;

	if ((l->what & LANDLOCK_FS) == 0)
		return 0;
	a = 0;
	if (rights & LANDLOCK_READ)
		a |= FS_READ_FILE | FS_READ_DIR;
	if (rights & LANDLOCK_EXEC)
		a |= FS_EXECUTE;
	if (rights & LANDLOCK_WRITE)
		a |= FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR |
		    FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |
		    FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER;
	if (rights & LANDLOCK_DEVICE)
		a |= FS_READ_FILE | FS_WRITE_FILE | FS_IOCTL_DEV | FS_TRUNCATE;
	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISDIR(st.st_mode))
		a &= FS_ON_FILE;
	attr.allowed = a & l->handled;
	attr.fd = fd;
	if (attr.allowed == 0)
		return 0;
	return (int)syscall(NR_ADD_RULE, l->fd, RULE_PATH_BENEATH, &attr, 0);
}

int
landlock_allow_path(struct landlock *l, const char *path, uint32_t rights)
{
	int fd, r, save;

	if ((l->what & LANDLOCK_FS) == 0)
		return 0;
	if ((fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return -1;
	r = landlock_allow_fd(l, fd, rights);
	save = errno;
	close(fd);
	errno = save;
	return r;
}

int
landlock_enforce(struct landlock *l)
{
	long r;
	int save;

	if (l->fd == -1)
		return 0;
	r = syscall(NR_RESTRICT_SELF, l->fd, 0);
	save = errno;
	landlock_drop(l);
	errno = save;
	return r == 0 ? 0 : -1;
}

void
landlock_drop(struct landlock *l)
{
	if (l->fd != -1)
		close(l->fd);
	l->fd = -1;
}
