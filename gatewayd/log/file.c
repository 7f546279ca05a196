/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The dated file: one line a write, so that a reader sees whole lines; a full
 * disk drops lines, counts them and says so when there is room again. */
#include "common/compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/json_write.h"
#include "common/redact.h"
#include "gatewayd/log/logd.h"

#define LINE_MAX_BYTES	(64u << 10)

static int	 dir_fd = -1, out_fd = -1;
static char	 dir_path[4096], fixed_name[256], cur_name[256];
static char	 host[65];
static uint64_t	 drops, told;
static off_t	 out_size;

uint64_t
file_drops(void)
{
	return drops;
}

static void
file_today(char *name, size_t size)
{
	struct tm	 tm;
	time_t		 t = time(NULL);

	if (fixed_name[0] != '\0')
		strlcpy(name, fixed_name, size);
	else if (localtime_r(&t, &tm) == NULL ||
	    strftime(name, size, "openclaw-%Y-%m-%d.log", &tm) == 0)
		strlcpy(name, "openclaw.log", size);
}

static bool
is_dated(const char *name)
{
	size_t	 n = strlen(name);

	return n >= 23 && strncmp(name, "openclaw-", 9) == 0 &&
	    strstr(name, ".log") != NULL;
}

static void
file_prune(void)
{
	struct dirent	*d;
	struct stat	 st;
	DIR		*dir;
	int		 fd = dup(dir_fd);

	if (fd == -1 || (dir = fdopendir(fd)) == NULL)
		return;
	while ((d = readdir(dir)) != NULL)
		if (is_dated(d->d_name) && fstatat(dir_fd, d->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
		    st.st_mtime + LOGD_KEEP_S < time(NULL))
			unlinkat(dir_fd, d->d_name, 0);
	closedir(dir);
}

int
file_init(const char *dir, const char *fixed)
{
	struct stat	 st;

	strlcpy(dir_path, dir, sizeof(dir_path));
	if (fixed != NULL)
		strlcpy(fixed_name, fixed, sizeof(fixed_name));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd == -1 || fstat(dir_fd, &st) == -1)
		return -1;
	if (gethostname(host, sizeof(host) - 1) == -1)
		strlcpy(host, "localhost", sizeof(host));
	file_prune();
	return 0;
}

/* Opens today's file when the day or the size asks for it. */
static int
file_ready(void)
{
	struct stat	 st;
	char		 name[256], old[300];

	file_today(name, sizeof(name));
	if (out_fd != -1 && strcmp(name, cur_name) == 0 &&
	    out_size < (off_t)LOGD_FILE_MAX)
		return 0;
	if (out_fd != -1) {
		close(out_fd);
		out_fd = -1;
		if (strcmp(name, cur_name) == 0) {
			snprintf(old, sizeof(old), "%s.1", name);
			renameat(dir_fd, name, dir_fd, old);
		}
	}
	out_fd = openat(dir_fd, name, O_WRONLY | O_APPEND | O_CREAT |
	    O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out_fd == -1)
		return -1;
	strlcpy(cur_name, name, sizeof(cur_name));
	out_size = fstat(out_fd, &st) == 0 ? st.st_size : 0;
	return 0;
}

static void
file_put(const char *p, size_t n)
{
	ssize_t	 w = -1;

	if (file_ready() == 0)
		w = write(out_fd, p, n);
	if (w == (ssize_t)n) {
		out_size += w;
		return;
	}
	/* Half a line would spoil the next one too. */
	if (w > 0 && ftruncate(out_fd, out_size) == -1)
		(void)!write(out_fd, "\n", 1);
	if (drops++ == told)
		dprintf(STDERR_FILENO, "log: %s/%s: %s; lines are being "
		    "lost\n", dir_path, cur_name, w == -1 ? strerror(errno) :
		    "disk full");
}

void
file_write(const char *subsystem, enum log_level level, struct str text)
{
	static const char *const names[LOG_LEVEL_MAX] = { "FATAL", "ERROR",
		"WARN", "INFO", "DEBUG", "TRACE" };
	struct dbuf	 line, clean, sub;
	struct jw	 w;
	char		 iso[25];
	char		 note[64];

	if (drops > told) {
		told = drops;	/* before the call below comes back here */
		snprintf(note, sizeof(note), "%llu lines were lost",
		    (unsigned long long)drops);
		file_write("log", LOG_LEVEL_WARN, str_of(note));
		if (drops > told)
			return;
	}
	dbuf_init(&clean, LINE_MAX_BYTES);
	dbuf_init(&line, LINE_MAX_BYTES * 2);
	dbuf_init(&sub, 1024);
	redact(text.p, text.n, &clean);
	dbuf_puts(&sub, "{\"subsystem\":");
	json_quote(&sub, subsystem, strlen(subsystem));
	dbuf_putc(&sub, '}');
	iso_time(wall_ms(), iso);
	jw_init(&w, &line);
	jw_obj(&w);
	jw_kstr(&w, "0", (struct str){ sub.p, sub.n });
	jw_kstr(&w, "1", (struct str){ dbuf_str(&clean), clean.n });
	jw_kobj(&w, "_meta");
	jw_ks(&w, "runtime", "gatewayd");
	jw_ks(&w, "hostname", host);
	jw_ks(&w, "name", "openclaw");
	jw_ks(&w, "date", iso);
	jw_kint(&w, "logLevelId", 6 - (int)level);
	jw_ks(&w, "logLevelName", names[level]);
	jw_obj_end(&w);
	jw_ks(&w, "time", iso);
	jw_obj_end(&w);
	dbuf_putc(&line, '\n');
	if (!dbuf_err(&line) && !dbuf_err(&sub))
		file_put(line.p, line.n);
	else
		drops++;
	dbuf_clear(&clean);
	dbuf_clear(&line);
	dbuf_clear(&sub);
}

/* Today's file, or else the newest of its kind. */
static int
file_newest(char *name, size_t size)
{
	struct dirent	*d;
	struct stat	 st;
	DIR		*dir;
	char		 best[256] = "";
	int		 fd;

	file_today(name, size);
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd != -1 || errno != ENOENT || fixed_name[0] != '\0')
		return fd;
	if ((fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) ==
	    -1 || (dir = fdopendir(fd)) == NULL)
		return -1;
	while ((d = readdir(dir)) != NULL)
		/* Dates sort as text. */
		if (is_dated(d->d_name) && strcmp(d->d_name, best) > 0 &&
		    fstatat(dir_fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		    0 && S_ISREG(st.st_mode))
			strlcpy(best, d->d_name, sizeof(best));
	closedir(dir);
	if (best[0] == '\0') {
		errno = ENOENT;
		return -1;
	}
	strlcpy(name, best, size);
	return openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static void
tail_lines(const char *p, size_t n, uint64_t limit, struct jw *w)
{
	const char	*end = p + n, *at = end, *nl;
	uint64_t	 lines = 0;

	/* Back from the end over at most `limit` line ends. */
	if (n > 0 && end[-1] == '\n')
		at = end - 1;
	while (at > p && lines < limit) {
		nl = memrchr(p, '\n', (size_t)(at - p));
		lines++;
		if (nl == NULL) {
			at = p;
			break;
		}
		at = nl;
	}
	if (at < end && *at == '\n' && lines == limit)
		at++;
	for (; at < end; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(end - at));
		if (nl == NULL)
			nl = end;
		if (nl > at)
			jw_str(w, (struct str){ at, (size_t)(nl - at) });
		if (nl == end)
			break;
	}
}

int
file_tail(const struct tail_args *a, struct dbuf *out, char *why, size_t size)
{
	struct stat	 st;
	struct jw	 w;
	char		 name[256], path[4400], before;
	char		*buf = NULL;
	uint64_t	 from = 0, total = 0, n = 0;
	ssize_t		 r;
	size_t		 skip = 0;
	int		 fd;
	bool		 truncated = false, reset = false;

	fd = file_newest(name, sizeof(name));
	if (fd == -1 && errno != ENOENT) {
		snprintf(why, size, "log read failed: %s", strerror(errno));
		return -1;
	}
	if (fd != -1 && fstat(fd, &st) == 0)
		total = (uint64_t)st.st_size;
	if (!a->cursor_given || a->cursor > total) {
		reset = a->cursor_given;
		from = total > a->max_bytes ? total - a->max_bytes : 0;
		truncated = from > 0;
	} else if (total - a->cursor > a->max_bytes) {
		reset = truncated = true;
		from = total - a->max_bytes;
	} else
		from = a->cursor;
	if (total > from && (buf = malloc(total - from)) != NULL) {
		r = pread(fd, buf, total - from, (off_t)from);
		n = r > 0 ? (uint64_t)r : 0;
		/* A read that starts inside a line drops its rest. */
		if (from > 0 && n > 0 && pread(fd, &before, 1,
		    (off_t)from - 1) == 1 && before != '\n') {
			while (skip < n && buf[skip] != '\n')
				skip++;
			skip = skip < n ? skip + 1 : n;
		}
	}
	if (fd != -1)
		close(fd);
	snprintf(path, sizeof(path), "%s/%s", dir_path, name);
	jw_init(&w, out);
	jw_obj(&w);
	jw_ks(&w, "file", path);
	jw_kuint(&w, "cursor", total);
	jw_kuint(&w, "size", total);
	jw_karr(&w, "lines");
	if (n > skip)
		tail_lines(buf + skip, n - skip, a->limit, &w);
	jw_arr_end(&w);
	jw_kbool(&w, "truncated", truncated);
	jw_kbool(&w, "reset", reset);
	jw_obj_end(&w);
	free(buf);
	if (dbuf_err(out)) {
		snprintf(why, size, "log read failed: too large");
		return -1;
	}
	return 0;
}
