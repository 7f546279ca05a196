/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A private root: trees are cloned from the present root while they can still
 * be named (and, in root mode, while ids can still be mapped), then placed in
 * a small read-only tmpfs which becomes the root.  Internal to the sandbox and
 * the jailer.  All functions: 0, or -1 with errno.
 */
#ifndef COMMON_SANDBOX_ROOT_H
#define COMMON_SANDBOX_ROOT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/sandbox.h"

#define TREES_MAX	(SANDBOX_MOUNTS_MAX + 40)
#define LINK_TARGET_MAX	256

struct tree {
	char	 path[SANDBOX_PATH_MAX];
	uint32_t flags;			/* enum sandbox_mount_flag */
	int	 fd;			/* detached mount; -1: a link */
	bool	 dir;
	bool	 device;		/* a node below /dev */
	char	 target[LINK_TARGET_MAX];
};
struct trees {
	struct tree	*tree;
	size_t		 n;
	char		 why[256];	/* of the last failure */
};

enum tree_flag {
	TREE_EXEC	= 1 << 16,	/* programs may run from it */
	TREE_LINKS	= 1 << 17,	/* a relative link stays a link */
	TREE_DEVICE	= 1 << 18,
	TREE_RECURSE	= 1 << 19,	/* with what is mounted below */
};

int	 trees_init(struct trees *);
/* Clones what is at path.  map_uid, map_gid: with MNT_IDMAP, as whom its owner
 * shall appear; *mapped is set when that was done.  A missing path is no
 * failure with MNT_OPT.  When the file system cannot map ids the reason is in
 * ->why and the plain tree is taken. */
int	 trees_add(struct trees *, const char *path, uint32_t flags,
	    uid_t map_uid, gid_t map_gid, bool *mapped);
/* A detached procfs of this pid namespace (of process folders only), to be
 * placed at /proc; a private devpts for /dev/pts. */
int	 trees_add_proc(struct trees *);
int	 trees_add_devpts(struct trees *);
void	 trees_clear(struct trees *);

/* In the mount namespace that is to have it: makes the new root (tmpfs of
 * size bytes), places every tree, returns the root's descriptor.  The caller
 * may add files of its own before root_enter(). */
int	 root_build(struct trees *, uint64_t size);
/* Folder inside the new root, with its parents. */
int	 root_mkdir(int root, const char *path, mode_t);
int	 root_file(int root, const char *path, const char *text);
/* Makes it read-only and the root of this process, lets go of the old one,
 * closes root. */
int	 root_enter(int root);

/* User namespace in which uid and gid `from` outside stand for `to`; only for
 * id-mapped mounts.  fd or -1. */
int	 userns_for_map(uid_t from_uid, uid_t to_uid, gid_t from_gid,
	    gid_t to_gid);

#endif
