/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See files.h.  The peer (toold) is believed about nothing but what it wants:
 * sizes are checked before memory is taken, and containment is the kernel's.
 */
#include "common/compat.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <linux/openat2.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/random.h>
#include <unistd.h>

#include "toold/files.h"

#define FILES_RESOLVE	(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | \
			    RESOLVE_NO_MAGICLINKS)
#define FILES_TRIES	16	/* EAGAIN: something was renamed meanwhile */
/* A private umask is for the gateway's own state; what an agent makes is the
 * owner's to read, and the folder above decides who else comes near. */
#define FILES_MODE	0644
#define FILES_DIR_MODE	0755

int
files_open(struct files *f, const char *root)
{
	f->root_fd = -1;
	if (strlcpy(f->root, root, sizeof(f->root)) >= sizeof(f->root)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	f->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->root_fd == -1 ? -1 : 0;
}

void
files_close(struct files *f)
{
	if (f->root_fd != -1)
		close(f->root_fd);
	f->root_fd = -1;
}

/* The one place where a name becomes a descriptor. */
static int
files_openat(int dir_fd, const char *path, uint64_t flags, mode_t mode)
{
	struct open_how	 how;
	int		 fd, tries = 0;

	memset(&how, 0, sizeof(how));
	/* No O_NOFOLLOW: with O_PATH it would open a link itself. */
	how.flags = flags | O_CLOEXEC;
	how.mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0;
	how.resolve = FILES_RESOLVE;
	do {
		fd = (int)syscall(SYS_openat2, dir_fd, path, &how,
		    sizeof(how));
	} while (fd == -1 && (errno == EINTR ||
	    (errno == EAGAIN && ++tries < FILES_TRIES)));
	return fd;
}

/* The folder that holds the last name of path (which is lent in *leaf); with
 * make, missing folders on the way are made. */
static int
files_parent(struct files *f, char *path, bool make, const char **leaf)
{
	char	*name = path, *slash;
	int	 dir, next, saved;

	if ((dir = files_openat(f->root_fd, ".", O_PATH | O_DIRECTORY, 0)) ==
	    -1)
		return -1;
	while ((slash = strchr(name, '/')) != NULL) {
		*slash = '\0';
		/* Relative to the folder just opened: its name may be gone
		 * or changed by now, the descriptor is still the one. */
		next = files_openat(dir, name, O_PATH | O_DIRECTORY, 0);
		if (next == -1 && errno == ENOENT && make) {
			if (mkdirat(dir, name, FILES_DIR_MODE) == 0 ||
			    errno == EEXIST) {
				next = files_openat(dir, name,
				    O_RDONLY | O_DIRECTORY, 0);
				if (next != -1)
					fchmod(next, FILES_DIR_MODE);
			}
		}
		saved = errno;
		close(dir);
		if (next == -1) {
			errno = saved;
			return -1;
		}
		dir = next;
		name = slash + 1;
	}
	*leaf = name;
	return dir;
}

/* Opens for reading and refuses what is no plain file. */
static int
files_open_read(int dir, const char *path, struct stat *st)
{
	int	 fd, saved;

	/* Not blocking on a FIFO, not taking a terminal. */
	if ((fd = files_openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
	    0)) == -1)
		return -1;
	if (fstat(fd, st) == -1)
		goto fail;
	if (S_ISREG(st->st_mode))
		return fd;
	errno = S_ISDIR(st->st_mode) ? EISDIR : ENXIO;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* n bytes from offset into buf: bytes had, or -1. */
static ssize_t
files_pread(int fd, char *buf, size_t n, uint64_t offset)
{
	ssize_t	 got;
	size_t	 done = 0;

	while (done < n) {
		got = pread(fd, buf + done, n - done, (off_t)(offset + done));
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			break;
		done += got;
	}
	return done;
}

static int
files_read(struct files *f, const char *path, const struct m_fw_op *op,
    struct m_fw_res *res, struct dbuf *data)
{
	struct stat	 st;
	uint64_t	 n, size;
	ssize_t		 got;
	int		 fd, saved;

	if ((fd = files_open_read(f->root_fd, path, &st)) == -1)
		return -1;
	size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	res->total = size;
	n = op->offset < size ? size - op->offset : 0;
	if (n > op->limit)
		n = op->limit;
	if (n > FILES_DATA_MAX)
		n = FILES_DATA_MAX;
	errno = ENOMEM;
	if (n > 0 && dbuf_reserve(data, n) == -1)
		goto fail;
	if (n > 0) {
		if ((got = files_pread(fd, data->p, n, op->offset)) == -1)
			goto fail;
		data->n = got;
		data->p[got] = '\0';
	}
	res->n = data->n;
	close(fd);
	return 0;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Does the file hold exactly these bytes?  0, or -1 with errno. */
static int
files_compare(int dir, const char *name, struct str want)
{
	struct stat	 st;
	char		 buf[16384];
	size_t		 at, n;
	ssize_t		 got;
	int		 fd, err = 0;

	if ((fd = files_open_read(dir, name, &st)) == -1)
		return -1;
	if ((uint64_t)st.st_size != want.n)
		err = ESTALE;
	for (at = 0; err == 0 && at < want.n; at += got) {
		n = want.n - at < sizeof(buf) ? want.n - at : sizeof(buf);
		if ((got = files_pread(fd, buf, n, at)) == -1)
			err = errno;
		else if ((size_t)got != n || memcmp(buf, want.p + at, n) != 0)
			err = ESTALE;
	}
	close(fd);
	errno = err;
	return err == 0 ? 0 : -1;
}

static int
files_write_all(int fd, const char *p, size_t n)
{
	ssize_t	 put;

	while (n > 0) {
		if ((put = write(fd, p, n)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += put;
		n -= put;
	}
	return 0;
}

/*
 * The new content in a file of the same folder: without a name until it is
 * whole, where kernel and file system can do that, so that an end of this
 * process leaves nothing behind.  tmp gets its name ("": none to remove).
 */
static int
files_write_new(int dir, const struct m_fw_op *op, mode_t mode, char *tmp,
    size_t size)
{
	uint64_t	 r;
	int		 fd, saved;
	bool		 named;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		return -1;
	fd = files_openat(dir, ".", O_WRONLY | O_TMPFILE, 0600);
	for (named = fd == -1;; named = true) {
		if (named) {
			snprintf(tmp, size, ".%016" PRIx64 ".tmp", r);
			fd = files_openat(dir, tmp, O_WRONLY | O_CREAT |
			    O_EXCL, 0600);
			if (fd == -1) {
				tmp[0] = '\0';
				return -1;
			}
		}
		if (files_write_all(fd, op->data.p, op->data.n) == -1 ||
		    fchmod(fd, mode) == -1 || fdatasync(fd) == -1)
			break;
		if (named)
			return fd;
		snprintf(tmp, size, ".%016" PRIx64 ".tmp", r);
		if (linkat(fd, "", dir, tmp, AT_EMPTY_PATH) == 0)
			return fd;
		/* Before Linux 6.10 that takes a capability. */
		tmp[0] = '\0';
		close(fd);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
files_write(struct files *f, char *path, const struct m_fw_op *op,
    struct m_fw_res *res, struct dbuf *text)
{
	struct stat	 st;
	const char	*leaf;
	char		 tmp[32];
	mode_t		 mode = FILES_MODE;
	bool		 exists = false;
	int		 dir, fd = -1, saved;

	tmp[0] = '\0';
	if ((dir = files_parent(f, path, true, &leaf)) == -1)
		return -1;
	if (fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		exists = true;
		mode = st.st_mode & 0777;
		errno = 0;
		if (S_ISLNK(st.st_mode))
			errno = ELOOP;
		else if (S_ISDIR(st.st_mode))
			errno = EISDIR;
		else if (!S_ISREG(st.st_mode))
			errno = ENXIO;
		else if (st.st_nlink > 1)
			errno = EMLINK;
		else if (faccessat(dir, leaf, W_OK, AT_EACCESS) == -1)
			errno = EACCES;	/* rename would not care */
		if (errno != 0)
			goto fail;
	} else if (errno != ENOENT)
		goto fail;
	if (op->offset == 1 && files_compare(dir, leaf, op->data2) == -1)
		goto fail;
	if ((fd = files_write_new(dir, op, mode, tmp, sizeof(tmp))) == -1)
		goto fail;
	/* A link or folder that took the name meanwhile is replaced as a name
	 * or refused; rename() follows nothing. */
	if (renameat(dir, tmp, dir, leaf) == -1)
		goto fail;
	close(fd);
	close(dir);
	res->n = op->data.n;
	res->total = op->data.n;
	dbuf_puts(text, exists ? "replaced" : "created");
	return 0;
fail:
	saved = errno;
	if (fd != -1)
		close(fd);
	if (tmp[0] != '\0')
		unlinkat(dir, tmp, 0);
	close(dir);
	errno = saved;
	return -1;
}

static const char *
files_type(mode_t mode)
{
	if (S_ISREG(mode))
		return "file";
	if (S_ISDIR(mode))
		return "dir";
	return S_ISLNK(mode) ? "link" : "other";
}

static int
files_stat(struct files *f, const char *path, struct m_fw_res *res,
    struct dbuf *text)
{
	struct statvfs	 vfs;
	struct stat	 st;
	int		 fd, rv, saved;

	if ((fd = files_openat(f->root_fd, path, O_PATH, 0)) == -1)
		return -1;
	rv = fstat(fd, &st);
	if (rv == 0) {
		res->total = st.st_size > 0 ? (uint64_t)st.st_size : 0;
		dbuf_printf(text, "type=%s size=%" PRIu64
		    " mode=%04o mtime=%" PRId64 " links=%" PRIu64,
		    files_type(st.st_mode), res->total,
		    (unsigned int)st.st_mode & 07777,
		    (int64_t)st.st_mtim.tv_sec * 1000 +
		    st.st_mtim.tv_nsec / 1000000, (uint64_t)st.st_nlink);
	}
	if (rv == 0 && S_ISDIR(st.st_mode) && fstatvfs(fd, &vfs) == 0)
		dbuf_printf(text, " free=%" PRIu64 " total=%" PRIu64,
		    (uint64_t)vfs.f_bavail * vfs.f_frsize,
		    (uint64_t)vfs.f_blocks * vfs.f_frsize);
	saved = errno;
	close(fd);
	errno = saved;
	return rv;
}

static int
files_name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One name for a list: no byte in it may look like the end of a line. */
static void
files_put_name(struct dbuf *out, const char *name)
{
	const unsigned char	*p = (const unsigned char *)name;
	bool			 ok = utf8_valid(name, strlen(name));

	for (; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f || *p == '\\' ||
		    (*p >= 0x80 && !ok))
			dbuf_printf(out, "\\x%02x", *p);
		else
			dbuf_putc(out, (char)*p);
	}
}

static int
files_list(struct files *f, const char *path, const struct m_fw_op *op,
    struct m_fw_res *res, struct dbuf *data)
{
	struct dirent	*d;
	struct stat	 st;
	DIR		*dir;
	char		**names = NULL, *name;
	size_t		 i, n = 0, limit;
	int		 fd, rv = -1, saved;
	const char	*suffix;

	if ((fd = files_openat(f->root_fd, path, O_RDONLY | O_DIRECTORY,
	    0)) == -1)
		return -1;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return -1;
	}
	if ((names = calloc(FILES_LIST_MAX, sizeof(*names))) == NULL)
		goto out;
	while (errno = 0, (d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		res->total++;
		if (n == FILES_LIST_MAX) {
			/* Enough seen; the total is then a lower bound. */
			break;
		}
		suffix = "";
		if (d->d_type == DT_DIR || (d->d_type == DT_UNKNOWN &&
		    fstatat(dirfd(dir), d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)))
			suffix = "/";
		else if (d->d_type == DT_LNK)
			suffix = "@";
		if (asprintf(&name, "%s%s", d->d_name, suffix) == -1)
			goto out;
		names[n++] = name;
	}
	if (d == NULL && errno != 0)
		goto out;
	qsort(names, n, sizeof(*names), files_name_cmp);
	limit = op->limit < n ? (size_t)op->limit : n;
	for (i = 0; i < limit; i++) {
		files_put_name(data, names[i]);
		dbuf_putc(data, '\n');
	}
	res->n = limit;
	rv = 0;
out:
	saved = errno;
	if (names != NULL) {
		for (i = 0; i < n; i++)
			free(names[i]);
		free(names);
	}
	closedir(dir);
	errno = saved;
	return rv;
}

static int
files_mkdir(struct files *f, char *path)
{
	struct stat	 st;
	const char	*leaf;
	int		 dir, fd, rv, saved;

	if (strcmp(path, ".") == 0)
		return 0;
	if ((dir = files_parent(f, path, true, &leaf)) == -1)
		return -1;
	if ((rv = mkdirat(dir, leaf, FILES_DIR_MODE)) == 0) {
		if ((fd = files_openat(dir, leaf, O_RDONLY | O_DIRECTORY,
		    0)) != -1) {
			fchmod(fd, FILES_DIR_MODE);
			close(fd);
		}
	} else if (errno == EEXIST &&
	    fstatat(dir, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			rv = 0;
		else
			errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
	}
	saved = errno;
	close(dir);
	errno = saved;
	return rv;
}

void
files_run(struct files *f, const struct m_fw_op *op, struct m_fw_res *res,
    struct dbuf *text, struct dbuf *data)
{
	char	 path[WPATH_MAX];
	int	 rv = -1;

	memset(res, 0, sizeof(*res));
	res->op = op->op;
	switch (wpath_resolve(op->path, f->root, path, sizeof(path))) {
	case WPATH_OK:
		rv = 0;
		break;
	case WPATH_OUTSIDE:
		errno = EXDEV;
		break;
	case WPATH_TOO_LONG:
		errno = ENAMETOOLONG;
		break;
	default:
		errno = EINVAL;
		break;
	}
	if (rv == 0) {
		errno = EOPNOTSUPP;
		rv = -1;
		switch ((enum file_verb)op->verb) {
		case FILE_READ:
			rv = files_read(f, path, op, res, data);
			break;
		case FILE_WRITE:
			errno = EISDIR;
			if (strcmp(path, ".") != 0)
				rv = files_write(f, path, op, res, text);
			break;
		case FILE_STAT:
			rv = files_stat(f, path, res, text);
			break;
		case FILE_LIST:
			rv = files_list(f, path, op, res, data);
			break;
		case FILE_MKDIR:
			rv = files_mkdir(f, path);
			break;
		case FILE_VERB_MAX:
			break;
		}
	}
	if (rv == -1) {
		res->err = errno > 0 && errno <= 4095 ? (uint32_t)errno : EIO;
		dbuf_reset(data);
		dbuf_reset(text);
		return;
	}
	if (dbuf_err(data) || dbuf_err(text))
		res->err = EFBIG;
	res->text = (struct str){dbuf_str(text), dbuf_err(text) ? 0 : text->n};
	res->data = (struct str){dbuf_str(data), dbuf_err(data) ? 0 : data->n};
}
