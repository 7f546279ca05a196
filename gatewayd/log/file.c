/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/json_write.h"
#include "gatewayd/log/file.h"

#define NAME_LEN	48
#define RETRY_S		1	/* between attempts to open a file */

static time_t
logfile_now(void)
{
	return time(NULL);
}

struct logfile_sys logfile_sys = { write, logfile_now };

struct logfile {
	char		*dir;
	char		*fixed;
	int		 dir_fd;
	int		 fd;
	char		 name[256];	/* of the open file */
	char		 day[11];	/* its date; "" for a fixed one */
	uint64_t	 size;
	bool		 torn;		/* the last line was cut */
	uint64_t	 lost, untold;
	int		 why;
	time_t		 retry;
};

/* Is this "openclaw-YYYY-MM-DD.log", or its turned form with ".1"? */
static bool
is_dated(const char *name)
{
	static const char	 form[] = "openclaw-dddd-dd-dd";
	size_t			 i;

	for (i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? !ascii_isdigit((unsigned char)name[i]) :
		    name[i] != form[i])
			return false;
	return strcmp(name + i, ".log") == 0 ||
	    strcmp(name + i, ".1.log") == 0;
}

static void
today(char day[11])
{
	struct tm	 tm;
	time_t		 now = logfile_sys.now();

	if (localtime_r(&now, &tm) == NULL ||
	    strftime(day, 11, "%Y-%m-%d", &tm) != 10)
		strlcpy(day, "0000-00-00", 11);
}

/* Removes dated files that nobody has written for LOGFILE_DAYS. */
static void
expire(struct logfile *lf)
{
	struct dirent	*de;
	struct stat	 st;
	DIR		*d;
	int		 fd;
	time_t		 now = logfile_sys.now();

	fd = openat(lf->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return;
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (!is_dated(de->d_name) || fstatat(lf->dir_fd, de->d_name,
		    &st, AT_SYMLINK_NOFOLLOW) == -1 || !S_ISREG(st.st_mode))
			continue;
		if (st.st_mtime < now - LOGFILE_DAYS * 86400)
			unlinkat(lf->dir_fd, de->d_name, 0);
	}
	closedir(d);
}

static int
open_name(struct logfile *lf, const char *name)
{
	struct stat	 st;
	int		 fd;

	fd = openat(lf->dir_fd, name, O_WRONLY | O_APPEND | O_CREAT |
	    O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	/* Others may have put a pipe or a device there. */
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	lf->fd = fd;
	lf->size = (uint64_t)st.st_size;
	lf->torn = false;
	return 0;
}

/* The file for now is open: 0, or -1 with errno. */
static int
ready(struct logfile *lf)
{
	char	 day[11] = "", old[sizeof(lf->name) + 8];
	size_t	 n;

	if (lf->fixed == NULL)
		today(day);
	if (lf->fd != -1 && strcmp(day, lf->day) == 0 &&
	    lf->size < LOGFILE_MAX)
		return 0;
	if (lf->fd == -1 && logfile_sys.now() < lf->retry) {
		errno = lf->why != 0 ? lf->why : EIO;
		return -1;
	}
	if (lf->fd != -1) {
		close(lf->fd);
		lf->fd = -1;
		if (strcmp(day, lf->day) == 0) {
			/* Full: it turns, and the one before it goes. */
			n = strlen(lf->name);
			if (n > 4 && strcmp(lf->name + n - 4, ".log") == 0)
				n -= 4;
			snprintf(old, sizeof(old), "%.*s.1%s", (int)n,
			    lf->name, lf->name + n);
			renameat(lf->dir_fd, lf->name, lf->dir_fd, old);
		} else
			expire(lf);
	}
	strlcpy(lf->day, day, sizeof(lf->day));
	if (lf->fixed != NULL)
		strlcpy(lf->name, lf->fixed, sizeof(lf->name));
	else
		snprintf(lf->name, sizeof(lf->name), "openclaw-%s.log", day);
	if (open_name(lf, lf->name) == -1) {
		lf->retry = logfile_sys.now() + RETRY_S;
		return -1;
	}
	return 0;
}

struct logfile *
logfile_open(const char *dir, const char *file)
{
	struct logfile	*lf;

	if ((lf = calloc(1, sizeof(*lf))) == NULL)
		return NULL;
	lf->fd = lf->dir_fd = -1;
	lf->dir = strdup(dir);
	lf->fixed = file != NULL ? strdup(file) : NULL;
	if (lf->dir == NULL || (file != NULL && lf->fixed == NULL))
		goto fail;
	lf->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lf->dir_fd == -1)
		goto fail;
	if (file == NULL)
		expire(lf);
	return lf;
fail:
	logfile_close(lf);
	return NULL;
}

void
logfile_close(struct logfile *lf)
{
	int	 saved = errno;

	if (lf == NULL)
		return;
	if (lf->fd != -1)
		close(lf->fd);
	if (lf->dir_fd != -1)
		close(lf->dir_fd);
	free(lf->dir);
	free(lf->fixed);
	free(lf);
	errno = saved;
}

static void
lose(struct logfile *lf, int why)
{
	lf->lost++;
	lf->untold++;
	lf->why = why;
}

void
logfile_write(struct logfile *lf, const char *p, size_t n)
{
	ssize_t	 w;

	if (ready(lf) == -1) {
		lose(lf, errno);
		return;
	}
	/* A reader must not take half a line and ours for one. */
	if (lf->torn) {
		if (logfile_sys.write(lf->fd, "\n", 1) != 1) {
			lose(lf, errno);
			return;
		}
		lf->torn = false;
		lf->size++;
	}
	while ((w = logfile_sys.write(lf->fd, p, n)) == -1 && errno == EINTR)
		;
	if (w > 0)
		lf->size += (uint64_t)w;
	if (w == (ssize_t)n)
		return;
	lf->torn = w > 0;
	lose(lf, w == -1 ? errno : ENOSPC);
	/* A file system that came back read-only or went away: open anew. */
	if (w == -1 && errno != ENOSPC && errno != EDQUOT) {
		close(lf->fd);
		lf->fd = -1;
		lf->retry = logfile_sys.now() + RETRY_S;
	}
}

uint64_t
logfile_lost(const struct logfile *lf, int *why)
{
	*why = lf->why;
	return lf->lost;
}

uint64_t
logfile_untold(struct logfile *lf, int *why)
{
	uint64_t	 n = lf->untold;

	*why = lf->why;
	lf->untold = 0;
	return n;
}

/* --- logs.tail -------------------------------------------------------------------- */

/* Name of the file to read: today's, else the newest dated one. */
static int
tail_name(struct logfile *lf, char *name, size_t size)
{
	struct dirent	*de;
	struct stat	 st;
	DIR		*d;
	char		 day[11];
	int		 fd;

	if (lf->fixed != NULL)
		return strlcpy(name, lf->fixed, size) < size ? 0 : -1;
	today(day);
	snprintf(name, size, "openclaw-%s.log", day);
	if (fstatat(lf->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	fd = openat(lf->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return -1;
	}
	day[0] = '\0';
	/* The date in the name orders them. */
	while ((de = readdir(d)) != NULL) {
		if (!is_dated(de->d_name) || strstr(de->d_name, ".1.") != NULL ||
		    strncmp(de->d_name + 9, day, 10) <= 0)
			continue;
		memcpy(day, de->d_name + 9, 10);
		day[10] = '\0';
	}
	closedir(d);
	if (day[0] != '\0')
		snprintf(name, size, "openclaw-%s.log", day);
	return 0;
}

static void
tail_lines(struct jw *w, const char *p, size_t n, size_t limit)
{
	size_t	 i, lines = 0, skip, end;

	for (i = 0; i < n; i++)
		lines += p[i] == '\n';
	if (n > 0 && p[n - 1] != '\n')
		lines++;
	skip = lines > limit ? lines - limit : 0;
	for (i = 0; i < n; i = end + 1) {
		for (end = i; end < n && p[end] != '\n'; end++)
			;
		if (skip > 0)
			skip--;
		else
			jw_str(w, (struct str){ p + i, end - i });
	}
}

int
logfile_tail(struct logfile *lf, const struct logtail *t, struct dbuf *out)
{
	struct stat	 st;
	struct jw	 w;
	char		 name[256], path[4096];
	char		*text = NULL;
	uint64_t	 size = 0, start = 0;
	size_t		 n = 0, from = 0;
	ssize_t		 r;
	bool		 reset = false, cut = false;
	int		 fd, saved;

	if (tail_name(lf, name, sizeof(name)) == -1)
		return -1;
	fd = openat(lf->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd == -1 && errno != ENOENT)
		return -1;
	if (fd != -1) {
		if (fstat(fd, &st) == -1)
			goto fail;
		if (!S_ISREG(st.st_mode)) {
			errno = EINVAL;
			goto fail;
		}
		size = (uint64_t)st.st_size;
	}
	start = size > t->max_bytes ? size - t->max_bytes : 0;
	if (t->cursor == UINT64_MAX)
		cut = start > 0;
	else if (t->cursor > size) {
		reset = true;
		cut = start > 0;
	} else if (size - t->cursor > t->max_bytes)
		reset = cut = true;
	else
		start = t->cursor;
	if (size > start) {
		/* One byte more tells whether a line begins at start. */
		from = start > 0;
		if ((text = malloc((size_t)(size - start) + 1)) == NULL)
			goto fail;
		while (n < size - start + from) {
			r = pread(fd, text + n, (size_t)(size - start) + from -
			    n, (off_t)(start - from + n));
			if (r == -1 && errno == EINTR)
				continue;
			if (r == -1)
				goto fail;
			if (r == 0)
				break;
			n += (size_t)r;
		}
		if (from > 0 && n > 0 && text[0] != '\n')
			while (from < n && text[from - 1] != '\n')
				from++;
		if (from > n)
			from = n;
	}
	if (fd != -1)
		close(fd);
	snprintf(path, sizeof(path), "%s/%s", lf->dir, name);
	jw_init(&w, out);
	jw_obj(&w);
	jw_ks(&w, "file", path);
	jw_kuint(&w, "cursor", size);
	jw_kuint(&w, "size", size);
	jw_karr(&w, "lines");
	tail_lines(&w, text != NULL ? text + from : "", n - from, t->limit);
	jw_arr_end(&w);
	jw_kbool(&w, "truncated", cut);
	jw_kbool(&w, "reset", reset);
	jw_obj_end(&w);
	free(text);
	if (dbuf_err(out)) {
		errno = EMSGSIZE;
		return -1;
	}
	return 0;
fail:
	saved = errno;
	free(text);
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}
