/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See sandbox_root.h.  Runs with privilege (of root, or of a fresh user
 * namespace) and reads nothing from outside; paths come from the supervisor. */
#include "common/compat.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "common/mountfd.h"
#include "common/sandbox_root.h"

#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP	0x00100000
#endif

static struct tree	*trees_new(struct trees *, const char *);
static void		 trees_why(struct trees *, const char *, const char *);
static int		 tree_attr(struct trees *, struct tree *, uint32_t);
static int		 tree_idmap(struct trees *, struct tree *, uid_t,
			    gid_t);
static int		 tree_place(int, dev_t, const struct tree *);
static int		 root_walk(int, dev_t, const char *, mode_t,
			    char *, size_t);

int
trees_init(struct trees *t)
{
	memset(t, 0, sizeof(*t));
	t->tree = calloc(TREES_MAX, sizeof(*t->tree));
	return t->tree == NULL ? -1 : 0;
}

void
trees_clear(struct trees *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (t->tree[i].fd != -1)
			close(t->tree[i].fd);
	free(t->tree);
	t->tree = NULL;
	t->n = 0;
}

static struct tree *
trees_new(struct trees *t, const char *path)
{
	struct tree *tr;

	if (t->n == TREES_MAX) {
		errno = ENOSPC;
		return NULL;
	}
	tr = &t->tree[t->n];
	memset(tr, 0, sizeof(*tr));
	tr->fd = -1;
	if (strlcpy(tr->path, path, sizeof(tr->path)) >= sizeof(tr->path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return tr;
}

/* Keeps errno. */
static void
trees_why(struct trees *t, const char *path, const char *what)
{
	int save = errno;

	snprintf(t->why, sizeof(t->why), "%.160s: %s: %s", path, what,
	    strerrordesc_np(save));
	errno = save;
}

int
trees_add(struct trees *t, const char *path, uint32_t flags, uid_t map_uid,
    gid_t map_gid, bool *mapped)
{
	struct stat st;
	struct tree *tr;
	ssize_t n;
	unsigned int how;

	if (mapped != NULL)
		*mapped = false;
	if ((tr = trees_new(t, path)) == NULL)
		return -1;
	tr->flags = flags;
	if ((flags & TREE_LINKS) && lstat(path, &st) == 0 &&
	    S_ISLNK(st.st_mode) &&
	    (n = readlink(path, tr->target, sizeof(tr->target) - 1)) > 0 &&
	    tr->target[0] != '/') {
		tr->target[n] = '\0';
		t->n++;
		return 0;
	}
	tr->target[0] = '\0';
	how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	if (flags & TREE_RECURSE)
		how |= AT_RECURSIVE;
	if (flags & MNT_NOLINK)
		how |= AT_SYMLINK_NOFOLLOW;
	if ((tr->fd = open_tree(AT_FDCWD, path, how)) == -1) {
		if ((errno == ENOENT || errno == ENOTDIR) &&
		    (flags & (MNT_OPT | MNT_NOLINK)))
			return 0;
		trees_why(t, path, "cloning its tree");
		return -1;
	}
	if (fstat(tr->fd, &st) == -1)
		goto fail;
	tr->dir = S_ISDIR(st.st_mode);
	if ((flags & MNT_NOLINK) && !tr->dir) {
		close(tr->fd);
		tr->fd = -1;
		return 0;
	}
	if (tree_attr(t, tr, flags) == -1)
		goto fail;
	if ((flags & MNT_IDMAP) &&
	    (st.st_uid != map_uid || st.st_gid != map_gid)) {
		if (tree_idmap(t, tr, map_uid, map_gid) == 0 &&
		    mapped != NULL)
			*mapped = true;
	}
	t->n++;
	return 0;
fail:
	close(tr->fd);
	tr->fd = -1;
	return -1;
}

static int
tree_attr(struct trees *t, struct tree *tr, uint32_t flags)
{
	struct mount_attr a;
	unsigned int how;

	memset(&a, 0, sizeof(a));
	a.attr_set = MOUNT_ATTR_NOSUID;
	if ((flags & TREE_DEVICE) == 0)
		a.attr_set |= MOUNT_ATTR_NODEV;
	if ((flags & TREE_EXEC) == 0)
		a.attr_set |= MOUNT_ATTR_NOEXEC;
	if (flags & MNT_RO)
		a.attr_set |= MOUNT_ATTR_RDONLY;
	a.propagation = MS_PRIVATE;
	how = AT_EMPTY_PATH;
	if (flags & TREE_RECURSE)
		how |= AT_RECURSIVE;
	if (mount_setattr(tr->fd, "", how, &a, sizeof(a)) == -1) {
		trees_why(t, tr->path, "mount_setattr");
		return -1;
	}
	return 0;
}

static int
tree_idmap(struct trees *t, struct tree *tr, uid_t uid, gid_t gid)
{
	struct mount_attr a;
	struct stat st;
	int r, save;

	if (fstat(tr->fd, &st) == -1)
		return -1;
	memset(&a, 0, sizeof(a));
	a.attr_set = MOUNT_ATTR_IDMAP;
	a.userns_fd = 0;
	if ((r = userns_for_map(st.st_uid, uid, st.st_gid, gid)) == -1)
		goto fail;
	a.userns_fd = (uint64_t)r;
	r = mount_setattr(tr->fd, "", AT_EMPTY_PATH, &a, sizeof(a));
	save = errno;
	close((int)a.userns_fd);
	errno = save;
	if (r == 0)
		return 0;
fail:
	save = errno;
	snprintf(t->why, sizeof(t->why), "%.120s: %s; files there must belong "
	    "to uid %u", tr->path, save == EINVAL || save == EOPNOTSUPP ?
	    "this file system cannot map ids" : strerrordesc_np(save),
	    (unsigned int)uid);
	errno = save;
	return -1;
}

int
trees_add_proc(struct trees *t)
{
	static const char *const opt[] = { "subset", "pid", "hidepid",
	    "invisible", NULL };
	struct tree *tr;

	if ((tr = trees_new(t, "/proc")) == NULL)
		return -1;
	if ((tr->fd = fs_new("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
	    MOUNT_ATTR_NOEXEC, opt)) == -1) {
		trees_why(t, "/proc", "procfs");
		return -1;
	}
	tr->dir = true;
	t->n++;
	return 0;
}

int
trees_add_devpts(struct trees *t)
{
	static const char *const opt[] = { "mode", "0600", "ptmxmode", "0666",
	    "newinstance", "", NULL };
	struct tree *tr;

	if ((tr = trees_new(t, "/dev/pts")) == NULL)
		return -1;
	if ((tr->fd = fs_new("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
	    opt)) == -1) {
		trees_why(t, "/dev/pts", "devpts");
		return -1;
	}
	tr->dir = true;
	t->n++;
	if ((tr = trees_new(t, "/dev/ptmx")) == NULL)
		return -1;
	strlcpy(tr->target, "pts/ptmx", sizeof(tr->target));
	t->n++;
	return 0;
}

/*
 * Opens the folder that holds the last part of path, making what is missing,
 * and puts that part in last.  What is missing is only ever made in our own
 * tmpfs (dev), never in something of the host that is already placed.
 */
static int
root_walk(int root, dev_t dev, const char *path, mode_t mode, char *last,
    size_t size)
{
	char part[NAME_MAX + 1];
	const char *p, *slash;
	struct stat st;
	size_t n;
	int at, next, save;

	if ((at = dup(root)) == -1)
		return -1;
	for (p = path + 1;; p = slash + 1) {
		slash = strchr(p, '/');
		n = slash == NULL ? strlen(p) : (size_t)(slash - p);
		if (n == 0 || n >= sizeof(part)) {
			errno = ENAMETOOLONG;
			goto fail;
		}
		memcpy(part, p, n);
		part[n] = '\0';
		if (slash == NULL)
			break;
		next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW |
		    O_CLOEXEC);
		if (next == -1 && errno == ENOENT) {
			if (fstat(at, &st) == -1)
				goto fail;
			if (st.st_dev != dev) {
				errno = ENOENT;
				goto fail;
			}
			if (mkdirat(at, part, mode) == -1)
				goto fail;
			next = openat(at, part, O_PATH | O_DIRECTORY |
			    O_NOFOLLOW | O_CLOEXEC);
		}
		if (next == -1)
			goto fail;
		close(at);
		at = next;
	}
	if (strlcpy(last, part, size) >= size) {
		errno = ENAMETOOLONG;
		goto fail;
	}
	return at;
fail:
	save = errno;
	close(at);
	errno = save;
	return -1;
}

static int
tree_place(int root, dev_t dev, const struct tree *tr)
{
	char name[NAME_MAX + 1];
	int at, fd, r, save;

	if ((at = root_walk(root, dev, tr->path, 0755, name, sizeof(name))) ==
	    -1)
		return -1;
	r = -1;
	if (tr->target[0] != '\0') {
		r = symlinkat(tr->target, at, name);
		goto out;
	}
	if (tr->dir) {
		if (mkdirat(at, name, 0755) == -1 && errno != EEXIST &&
		    errno != EROFS)
			goto out;
	} else {
		fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0444);
		if (fd == -1 && errno != EEXIST && errno != EROFS)
			goto out;
		if (fd != -1)
			close(fd);
	}
	r = fs_place(tr->fd, at, name);
out:
	save = errno;
	close(at);
	errno = save;
	return r;
}

int
root_build(struct trees *t, uint64_t size)
{
	char text[32];
	const char *opt[] = { "mode", "0755", "size", text, "nr_inodes",
	    "1024", NULL };
	struct mount_attr a;
	struct stat st;
	size_t i, j, *order;
	mode_t mask;
	int fd, save;

	/* systemd makes every mount of a host shared, and a namespace without
	 * users of its own starts with what it was copied from: the root could
	 * not be changed, and what happens to mounts here, their end as well,
	 * would happen on the host. */
	memset(&a, 0, sizeof(a));
	a.propagation = MS_PRIVATE;
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &a, sizeof(a)) == -1) {
		trees_why(t, "/", "making mounts private");
		return -1;
	}
	snprintf(text, sizeof(text), "%llu", (unsigned long long)size);
	if ((fd = fs_new("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
	    MOUNT_ATTR_NOEXEC, opt)) == -1) {
		trees_why(t, "/", "tmpfs");
		return -1;
	}
	/* Over the present root: it must be somewhere to be built upon. */
	if (fs_place(fd, AT_FDCWD, "/") == -1 || fstat(fd, &st) == -1) {
		save = errno;
		trees_why(t, "/", "new root");
		close(fd);
		errno = save;
		return -1;
	}
	/* Outer folders first, whatever the order of the list. */
	if ((order = calloc(TREES_MAX, sizeof(*order))) == NULL) {
		close(fd);
		return -1;
	}
	for (i = 0; i < t->n; i++) {
		for (j = i; j > 0 && strlen(t->tree[order[j - 1]].path) >
		    strlen(t->tree[i].path); j--)
			order[j] = order[j - 1];
		order[j] = i;
	}
	mask = umask(0);
	for (i = 0; i < t->n; i++)
		if (tree_place(fd, st.st_dev, &t->tree[order[i]]) == -1) {
			save = errno;
			trees_why(t, t->tree[order[i]].path, "placing it");
			close(fd);
			fd = -1;
			errno = save;
			break;
		}
	save = errno;
	umask(mask);
	free(order);
	errno = save;
	return fd;
}

int
root_mkdir(int root, const char *path, mode_t mode)
{
	char name[NAME_MAX + 1];
	struct stat st;
	mode_t mask;
	int at, r, save;

	if (fstat(root, &st) == -1)
		return -1;
	mask = umask(0);
	r = -1;
	if ((at = root_walk(root, st.st_dev, path, 0755, name,
	    sizeof(name))) != -1) {
		r = mkdirat(at, name, mode);
		if (r == -1 && errno == EEXIST)
			r = 0;
		save = errno;
		close(at);
		errno = save;
	}
	umask(mask);
	return r;
}

int
root_file(int root, const char *path, const char *text)
{
	char name[NAME_MAX + 1];
	struct stat st;
	size_t n;
	int at, fd, r, save;

	if (fstat(root, &st) == -1 ||
	    (at = root_walk(root, st.st_dev, path, 0755, name,
	    sizeof(name))) == -1)
		return -1;
	r = -1;
	n = strlen(text);
	fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (fd != -1) {
		if (write(fd, text, n) == (ssize_t)n && fchmod(fd, 0444) == 0)
			r = 0;
		save = errno;
		close(fd);
		errno = save;
	}
	save = errno;
	close(at);
	errno = save;
	return r;
}

int
root_enter(int root)
{
	struct mount_attr a;
	int r, save;

	memset(&a, 0, sizeof(a));
	a.attr_set = MOUNT_ATTR_RDONLY;
	r = -1;
	if (mount_setattr(root, "", AT_EMPTY_PATH, &a, sizeof(a)) == -1)
		goto out;
	if (fchdir(root) == -1)
		goto out;
	/* The old root ends up mounted over the new one, and is let go. */
	if (syscall(SYS_pivot_root, ".", ".") == -1)
		goto out;
	if (umount2(".", MNT_DETACH) == -1 || chdir("/") == -1)
		goto out;
	r = 0;
out:
	save = errno;
	close(root);
	errno = save;
	return r;
}
