/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "common/memfd.h"
#include "gatewayd/host/confile.h"

#define TEXT_MAX	(8u << 20)

void
confile_seen(struct stat *st, int fd)
{
	if (fd == -1 || fstat(fd, st) == -1)
		memset(st, 0, sizeof(*st));
}

bool
confile_changed(const char *path, const struct stat *seen)
{
	struct stat	 st;

	if (stat(path, &st) == -1)
		return errno != ENOENT || seen->st_ino != 0;
	return st.st_ino != seen->st_ino || st.st_dev != seen->st_dev ||
	    st.st_size != seen->st_size ||
	    st.st_mtim.tv_sec != seen->st_mtim.tv_sec ||
	    st.st_mtim.tv_nsec != seen->st_mtim.tv_nsec;
}

/* The file itself, when the path is a link to it. */
int
confile_real(const char *path, char *real)
{
	if (realpath(path, real) != NULL)
		return 0;
	if (errno != ENOENT)
		return -1;
	if (strlcpy(real, path, PATH_MAX) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int
confile_put(int fd, const char *p, size_t n)
{
	ssize_t	 w;

	while (n > 0) {
		if ((w = write(fd, p, n)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += w;
		n -= (size_t)w;
	}
	return fsync(fd);
}

static int
confile_sync_dir(const char *real)
{
	char	 copy[PATH_MAX];
	int	 fd, r;

	strlcpy(copy, real, sizeof(copy));
	if ((fd = open(dirname(copy), O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC)) == -1)
		return -1;
	r = fsync(fd);
	close(fd);
	return r;
}

/* The old file gets a second name before the first is taken from it; a file
 * system without links has no backups, but still a whole file. */
static void
confile_rotate(const char *real)
{
	char		 from[PATH_MAX + 16], to[PATH_MAX + 16];
	unsigned int	 i;

	for (i = CONFILE_BACKUPS - 1; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.bak.%u", real, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.bak.%u", real,
			    i - 1);
		else
			snprintf(from, sizeof(from), "%s.bak", real);
		rename(from, to);
	}
	snprintf(to, sizeof(to), "%s.bak", real);
	if (link(real, to) == 0)
		chmod(to, 0600);
}

int
confile_write(const char *path, const struct stat *seen, const void *p,
    size_t n)
{
	char	 real[PATH_MAX], tmp[PATH_MAX + 16];
	int	 fd, saved;

	if (confile_real(path, real) == -1)
		return -1;
	snprintf(tmp, sizeof(tmp), "%s.tmp", real);
	/* Of a writer that was killed; there is one supervisor only. */
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return -1;
	if ((seen != NULL && seen->st_ino != 0 && geteuid() == 0 &&
	    fchown(fd, seen->st_uid, seen->st_gid) == -1) ||
	    confile_put(fd, p, n) == -1)
		goto fail;
	close(fd);
	fd = -1;
	if (seen != NULL && confile_changed(path, seen)) {
		errno = ESTALE;
		goto fail;
	}
	if (seen != NULL && seen->st_ino != 0)
		confile_rotate(real);
	if (rename(tmp, real) == -1)
		goto fail;
	return confile_sync_dir(real);
fail:
	saved = errno;
	if (fd != -1)
		close(fd);
	unlink(tmp);
	errno = saved;
	return -1;
}

const char *
confile_good(const char *state)
{
	static char	 path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/openclaw.json.last-good", state);
	return path;
}

int
confile_write_fd(const char *path, const struct stat *seen, int fd)
{
	const void	*p;
	size_t		 n;
	int		 r, saved;

	if (memfd_map(fd, TEXT_MAX, &p, &n) == -1)
		return -1;
	r = confile_write(path, seen, p != NULL ? p : "", n);
	saved = errno;
	memfd_unmap(p, n);
	errno = saved;
	return r;
}
