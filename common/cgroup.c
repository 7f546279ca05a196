/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See cgroup.h.  Runs in the supervisor and the jailer; names no file outside
 * of the one group it was given. */
#include "common/compat.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/folder.h"
#include "common/text.h"

#define LEAF		"supervisor"
#define JOBS		"jobs"
#define FILE_MAX	4096
#define MOUNTS_MAX	65536

static const struct {
	const char	*name;
	uint32_t	 bit;
} controllers[] = {
	{ "memory", CGROUP_MEMORY },
	{ "pids", CGROUP_PIDS },
	{ "cpu", CGROUP_CPU },
};

/* --- single files --------------------------------------------------------- */

int
cgroup_put(int dirfd, const char *name, const char *text)
{
	ssize_t n, w;
	int fd, save;

	if ((fd = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)) ==
	    -1)
		return -1;
	n = (ssize_t)strlen(text);
	w = write(fd, text, (size_t)n);
	save = errno;
	close(fd);
	errno = save;
	return w == n ? 0 : -1;
}

ssize_t
cgroup_get(int dirfd, const char *name, char *buf, size_t size)
{
	ssize_t n;
	int fd, save;

	buf[0] = '\0';
	if ((fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)) ==
	    -1)
		return -1;
	n = read(fd, buf, size - 1);
	save = errno;
	close(fd);
	errno = save;
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

uint32_t
cgroup_controllers(int dirfd)
{
	char buf[FILE_MAX];
	const char *p;
	uint32_t bits;
	size_t i, n;

	if (cgroup_get(dirfd, "cgroup.controllers", buf, sizeof(buf)) == -1)
		return 0;
	bits = 0;
	for (p = buf; *p != '\0'; p += n) {
		p += strspn(p, " \n");
		n = strcspn(p, " \n");
		for (i = 0; i < sizeof(controllers) / sizeof(controllers[0]);
		    i++)
			if (strlen(controllers[i].name) == n &&
			    memcmp(p, controllers[i].name, n) == 0)
				bits |= controllers[i].bit;
	}
	return bits;
}

/* "+memory +pids": one write, which the kernel takes whole or not at all. */
static int
subtree(int dirfd, char sign, uint32_t bits)
{
	char text[64];
	size_t i, n;

	n = 0;
	text[0] = '\0';
	for (i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
		if (bits & controllers[i].bit)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    "%s%c%s", n > 0 ? " " : "", sign,
			    controllers[i].name);
	return n == 0 ? 0 : cgroup_put(dirfd, "cgroup.subtree_control", text);
}

uint32_t
cgroup_enable(int dirfd)
{
	uint32_t bits;

	bits = cgroup_controllers(dirfd);
	return subtree(dirfd, '+', bits) == 0 ? bits : 0;
}

int
cgroup_make(int dirfd, const char *name)
{
	if (mkdirat(dirfd, name, 0755) == -1 && errno != EEXIST)
		return -1;
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
}

int
cgroup_enter(int dirfd)
{
	return cgroup_put(dirfd, "cgroup.procs", "0");
}

/* --- where we are --------------------------------------------------------- */

/* Field `want` of a line of words, the first is 0. */
static struct str
word(const char *line, size_t n, size_t want)
{
	const char *end = line + n;
	size_t len;

	for (;; want--) {
		for (len = 0; line + len < end && line[len] != ' '; len++)
			;
		if (want == 0)
			return (struct str){ line, len };
		line += len;
		if (line == end)
			return (struct str){ line, 0 };
		line++;
	}
}

/* mountinfo: 3 is the root within the file system, 4 the mount point, and
 * behind " - " comes the type.  Names with a space or worse are written with
 * a backslash; no cgroup tree is mounted so, and we do not take it then. */
int
cgroup_locate(const char *self, const char *mounts, char *path, size_t size)
{
	struct str at, root, ours;
	const char *dash, *line, *p;
	size_t n;

	for (p = self; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, "0::/", 4) == 0)
			break;
	}
	if (p == NULL) {
		errno = ENOENT;
		return -1;
	}
	ours = (struct str){ p + 3, strcspn(p + 3, "\n") };
	for (line = mounts; *line != '\0'; line += n + (line[n] == '\n')) {
		n = strcspn(line, "\n");
		dash = memmem(line, n, " - cgroup2 ", 11);
		if (dash == NULL)
			continue;
		root = word(line, n, 3);
		at = word(line, n, 4);
		if (memchr(at.p, '\\', at.n) != NULL || at.n == 0 ||
		    memchr(root.p, '\\', root.n) != NULL)
			continue;
		if (root.n == 1)
			root.n = 0;
		/* A mount of some other part of the tree does not show us. */
		if (root.n > ours.n || memcmp(root.p, ours.p, root.n) != 0 ||
		    (root.n < ours.n && ours.p[root.n] != '/'))
			continue;
		ours.p += root.n;
		ours.n -= root.n;
		if (ours.n == 1)
			ours.n = 0;
		if (memmem(ours.p, ours.n, "/..", 3) != NULL)
			break;		/* outside of what we may see */
		if ((size_t)snprintf(path, size, "%.*s%.*s", (int)at.n, at.p,
		    (int)ours.n, ours.p) < size)
			return 0;
		errno = ENAMETOOLONG;
		return -1;
	}
	errno = ENOENT;
	return -1;
}

/* --- the supervisor's tree ------------------------------------------------ */

static int
tree_none(struct cgroup_tree *t, const char *what, const char *why, int err)
{
	snprintf(t->text, sizeof(t->text), "commands are limited by "
	    "rlimits only: %.300s%s%s%s", what, why, err != 0 ? ": " : "",
	    err != 0 ? strerrordesc_np(err) : "");
	if (t->jobs_fd != -1)
		close(t->jobs_fd);
	if (t->fd != -1)
		close(t->fd);
	t->fd = t->jobs_fd = -1;
	return -1;
}

/* For root every group is writable; that it is for us somebody has to say.
 * systemd does so by an attribute of a unit with Delegate=yes, and where there
 * is no systemd there is nobody whose group it could be. */
static bool
tree_delegated(const char *path)
{
	static const char *const names[] = { "trusted.delegate",
	    "user.delegate" };
	char v[4];
	size_t i;

	if (geteuid() != 0 || access("/run/systemd/system", F_OK) == -1)
		return true;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getxattr(path, names[i], v, sizeof(v)) == 1 && v[0] == '1')
			return true;
	return false;
}

int
cgroup_tree_start(struct cgroup_tree *t)
{
	static char mounts[MOUNTS_MAX];
	char path[sizeof(t->path)], self[FILE_MAX];
	size_t n;
	FILE *f;

	t->fd = t->jobs_fd = -1;
	/* Longer than one read(2) gives. */
	n = 0;
	if ((f = fopen("/proc/self/mountinfo", "re")) != NULL) {
		n = fread(mounts, 1, sizeof(mounts) - 1, f);
		fclose(f);
	}
	mounts[n] = '\0';
	if (cgroup_get(AT_FDCWD, "/proc/self/cgroup", self,
	    sizeof(self)) == -1 ||
	    cgroup_locate(self, mounts, path, sizeof(path)) == -1)
		return tree_none(t, "no cgroup v2 here", "", 0);
	if (!tree_delegated(path))
		return tree_none(t, path, " is not delegated to this "
		    "service (Delegate=yes)", 0);
	return cgroup_tree_open(t, path, CGROUP_MEMORY | CGROUP_PIDS);
}

int
cgroup_tree_open(struct cgroup_tree *t, const char *path, uint32_t need)
{
	uint32_t got;
	int err, leaf;

	t->fd = t->jobs_fd = -1;
	if (strlcpy(t->path, path, sizeof(t->path)) >= sizeof(t->path))
		return tree_none(t, "group", "", ENAMETOOLONG);
	if ((t->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC)) == -1)
		return tree_none(t, path, "", errno);
	if (faccessat(t->fd, ".", W_OK, AT_EACCESS) == -1 ||
	    faccessat(t->fd, "cgroup.procs", W_OK, AT_EACCESS) == -1 ||
	    faccessat(t->fd, "cgroup.subtree_control", W_OK,
	    AT_EACCESS) == -1)
		return tree_none(t, path, " is not ours", errno);
	/* Only the root of the whole hierarchy has no type. */
	if (faccessat(t->fd, "cgroup.type", F_OK, 0) == -1)
		return tree_none(t, path, " is the root of all groups", 0);
	if ((cgroup_controllers(t->fd) & need) != need)
		return tree_none(t, path, " lacks the controllers memory "
		    "and pids", 0);
	/* Groups with groups below may hold no process (the kernel's rule). */
	if ((leaf = cgroup_make(t->fd, LEAF)) == -1)
		return tree_none(t, path, "/" LEAF, errno);
	err = 0;
	if (cgroup_enter(leaf) == -1)
		err = errno;
	close(leaf);
	if (err != 0) {
		(void)unlinkat(t->fd, LEAF, AT_REMOVEDIR);
		return tree_none(t, path, "/" LEAF, err);
	}
	got = cgroup_enable(t->fd);
	if ((got & need) != need ||
	    (t->jobs_fd = cgroup_make(t->fd, JOBS)) == -1 ||
	    (cgroup_enable(t->jobs_fd) & need) != need) {
		err = errno;
		cgroup_tree_close(t);
		return tree_none(t, path, err == EBUSY ? " has other "
		    "processes, too" : "", err == EBUSY ? 0 : err);
	}
	snprintf(t->text, sizeof(t->text), "commands are limited by cgroups "
	    "below %.400s%s", path, got & CGROUP_CPU ? "" :
	    " (without the controller cpu)");
	return 0;
}

static void
tree_remove(int jobs_fd, const char *agent)
{
	int fd;

	if ((fd = openat(jobs_fd, agent, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC)) == -1)
		return;
	folder_sweep(fd, "", AT_REMOVEDIR);
	close(fd);
	(void)unlinkat(jobs_fd, agent, AT_REMOVEDIR);
}

static bool
agent_valid(const char *s)
{
	size_t i;

	for (i = 0; s[i] != '\0'; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') ||
		    (s[i] >= 'A' && s[i] <= 'Z') ||
		    (s[i] >= '0' && s[i] <= '9') || s[i] == '_' ||
		    s[i] == '-'))
			return false;
	return i > 0;
}

int
cgroup_tree_agent(const struct cgroup_tree *t, const char *agent, uid_t uid,
    gid_t gid, char *path, size_t size)
{
	/* What the kernel's text on delegation says a delegate must own. */
	static const char *const owned[] = { "cgroup.procs",
	    "cgroup.subtree_control", "cgroup.threads" };
	size_t i;
	int fd, save;

	if (t->jobs_fd == -1 || !agent_valid(agent)) {
		errno = ENOENT;
		return -1;
	}
	if ((size_t)snprintf(path, size, "%s/" JOBS "/%s", t->path, agent) >=
	    size) {
		errno = ENAMETOOLONG;
		return -1;
	}
	/* Anew: the last jailer has given its controllers away, and into such
	 * a group nobody can be born. */
	tree_remove(t->jobs_fd, agent);
	if ((fd = cgroup_make(t->jobs_fd, agent)) == -1)
		return -1;
	if (uid == (uid_t)-1)
		return fd;
	for (i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		if (fchownat(fd, owned[i], uid, gid, AT_SYMLINK_NOFOLLOW) ==
		    -1)
			goto fail;
	if (fchown(fd, uid, gid) == -1)
		goto fail;
	return fd;
fail:
	save = errno;
	close(fd);
	errno = save;
	return -1;
}

void
cgroup_tree_close(struct cgroup_tree *t)
{
	struct dirent *d;
	DIR *dir;
	int fd;

	if (t->fd == -1)
		return;
	if (t->jobs_fd != -1 && (fd = dup(t->jobs_fd)) != -1) {
		if ((dir = fdopendir(fd)) != NULL) {
			while ((d = readdir(dir)) != NULL)
				if (d->d_type == DT_DIR &&
				    d->d_name[0] != '.')
					tree_remove(t->jobs_fd, d->d_name);
			closedir(dir);
		} else
			close(fd);
		close(t->jobs_fd);
		t->jobs_fd = -1;
		(void)unlinkat(t->fd, JOBS, AT_REMOVEDIR);
	}
	(void)subtree(t->fd, '-', cgroup_controllers(t->fd));
	(void)cgroup_enter(t->fd);
	(void)unlinkat(t->fd, LEAF, AT_REMOVEDIR);
	close(t->fd);
	t->fd = -1;
}
