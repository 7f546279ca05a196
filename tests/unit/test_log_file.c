/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayd/log/file.h"

static char		 dir[64];
static time_t		 clock_now;
static int		 fail_errno;
static ssize_t		 short_by;
static struct logfile_sys real;

static time_t
fake_now(void)
{
	return clock_now;
}

static ssize_t
fake_write(int fd, const void *p, size_t n)
{
	if (fail_errno != 0) {
		errno = fail_errno;
		return -1;
	}
	if (short_by > 0 && (ssize_t)n > short_by)
		return write(fd, p, n - (size_t)short_by);
	return write(fd, p, n);
}

static int
setup(void **state)
{
	(void)state;
	real = logfile_sys;
	logfile_sys.now = fake_now;
	logfile_sys.write = fake_write;
	clock_now = 1769690096;		/* 2026-01-29 12:34:56 UTC */
	fail_errno = 0;
	short_by = 0;
	setenv("TZ", "UTC", 1);
	tzset();
	strlcpy(dir, "/tmp/gwlogXXXXXX", sizeof(dir));
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	char	 cmd[128];
	static const char *const names[] = { "openclaw-2026-01-29.log",
	    "openclaw-2026-01-30.log", "openclaw-2026-01-10.log",
	    "openclaw-2026-01-29.1.log", "x.log", "x.1.log", "other" };
	size_t	 i;

	(void)state;
	logfile_sys = real;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(cmd, sizeof(cmd), "%s/%s", dir, names[i]);
		unlink(cmd);
	}
	return rmdir(dir);
}

static void
expect_file(const char *name, const char *want)
{
	char	 path[128], buf[4096];
	ssize_t	 n;
	int	 fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	assert_true(fd != -1);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, want);
}

static void
expect_tail(struct logfile *lf, uint64_t cursor, size_t limit, size_t max,
    const char *name, const char *want)
{
	struct logtail	 t = { cursor, limit, max };
	struct dbuf	 b, w;

	dbuf_init(&b, 1 << 20);
	dbuf_init(&w, 1 << 20);
	assert_int_equal(logfile_tail(lf, &t, &b), 0);
	dbuf_printf(&w, "{\"file\":\"%s/%s\",%s}", dir, name, want);
	assert_string_equal(dbuf_str(&b), dbuf_str(&w));
	dbuf_clear(&b);
	dbuf_clear(&w);
}

static void
test_days(void **state)
{
	struct logfile	*lf = logfile_open(dir, NULL);
	struct stat	 st;
	char		 path[128];

	(void)state;
	assert_non_null(lf);
	logfile_write(lf, "a\n", 2);
	logfile_write(lf, "b\n", 2);
	clock_now += 86400;
	logfile_write(lf, "c\n", 2);
	logfile_close(lf);
	expect_file("openclaw-2026-01-29.log", "a\nb\n");
	expect_file("openclaw-2026-01-30.log", "c\n");
	snprintf(path, sizeof(path), "%s/openclaw-2026-01-30.log", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* A new logger goes on in the same file. */
	lf = logfile_open(dir, NULL);
	logfile_write(lf, "d\n", 2);
	logfile_close(lf);
	expect_file("openclaw-2026-01-30.log", "c\nd\n");
}

static void
test_expire(void **state)
{
	struct timespec	 old[2] = { { 1768000000, 0 }, { 1768000000, 0 } };
	char		 path[128];
	struct logfile	*lf;
	int		 fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/openclaw-2026-01-10.log", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	futimens(fd, old);
	close(fd);
	snprintf(path, sizeof(path), "%s/other", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	futimens(fd, old);
	close(fd);
	lf = logfile_open(dir, NULL);
	assert_non_null(lf);
	logfile_close(lf);
	assert_int_equal(access(path, F_OK), 0);	/* not ours */
	snprintf(path, sizeof(path), "%s/openclaw-2026-01-10.log", dir);
	assert_int_equal(access(path, F_OK), -1);
}

static void
test_R15_full_disk(void **state)
{
	struct logfile	*lf = logfile_open(dir, "x.log");
	int		 why;

	(void)state;
	assert_non_null(lf);
	logfile_write(lf, "one\n", 4);
	fail_errno = ENOSPC;
	logfile_write(lf, "two\n", 4);
	logfile_write(lf, "three\n", 6);
	fail_errno = 0;
	assert_int_equal(logfile_lost(lf, &why), 2);
	assert_int_equal(why, ENOSPC);
	assert_int_equal(logfile_untold(lf, &why), 2);
	assert_int_equal(logfile_untold(lf, &why), 0);
	/* Half a line, then room again: the next one begins its own. */
	short_by = 3;
	logfile_write(lf, "four\n", 5);
	short_by = 0;
	logfile_write(lf, "five\n", 5);
	expect_file("x.log", "one\nfo\nfive\n");
	/* Read-only: closed, tried again a second later. */
	fail_errno = EROFS;
	logfile_write(lf, "six\n", 4);
	fail_errno = 0;
	logfile_write(lf, "seven\n", 6);
	assert_int_equal(logfile_lost(lf, &why), 5);
	assert_int_equal(why, EROFS);
	clock_now += 2;
	logfile_write(lf, "eight\n", 6);
	expect_file("x.log", "one\nfo\nfive\neight\n");
	logfile_close(lf);
}

static void
test_turn(void **state)
{
	struct logfile	*lf;
	char		 path[128];
	int		 fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/x.log", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(ftruncate(fd, LOGFILE_MAX), 0);
	close(fd);
	lf = logfile_open(dir, "x.log");
	logfile_write(lf, "a\n", 2);	/* opens, sees the size afterwards */
	logfile_write(lf, "b\n", 2);
	logfile_write(lf, "c\n", 2);
	logfile_close(lf);
	expect_file("x.log", "b\nc\n");
}

static void
test_not_a_file(void **state)
{
	struct logfile	*lf;
	char		 path[128];
	int		 why;

	(void)state;
	snprintf(path, sizeof(path), "%s/x.log", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	lf = logfile_open(dir, "x.log");
	logfile_write(lf, "a\n", 2);
	assert_int_equal(logfile_lost(lf, &why), 1);
	assert_int_equal(why, ELOOP);
	logfile_close(lf);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	lf = logfile_open(dir, "x.log");
	logfile_write(lf, "a\n", 2);
	assert_int_equal(logfile_lost(lf, &why), 1);
	logfile_close(lf);
	assert_null(logfile_open("/nonexistent", NULL));
}

static void
test_tail(void **state)
{
	struct logfile	*lf = logfile_open(dir, NULL);
	const char	*f = "openclaw-2026-01-29.log";

	(void)state;
	expect_tail(lf, UINT64_MAX, 500, 1000, f, "\"cursor\":0,\"size\":0,"
	    "\"lines\":[],\"truncated\":false,\"reset\":false");
	logfile_write(lf, "{\"a\":1}\n", 8);
	logfile_write(lf, "two\n", 4);
	logfile_write(lf, "three\n", 6);
	expect_tail(lf, UINT64_MAX, 500, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"{\\\"a\\\":1}\",\"two\",\"three\"],"
	    "\"truncated\":false,\"reset\":false");
	expect_tail(lf, UINT64_MAX, 1, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"three\"],\"truncated\":false,\"reset\":false");
	expect_tail(lf, 12, 500, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"three\"],\"truncated\":false,\"reset\":false");
	expect_tail(lf, 18, 500, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[],\"truncated\":false,\"reset\":false");
	/* beyond the end: the tail again */
	expect_tail(lf, 99, 500, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"{\\\"a\\\":1}\",\"two\",\"three\"],"
	    "\"truncated\":false,\"reset\":true");
	/* in the middle of a line: it goes */
	expect_tail(lf, 9, 500, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"three\"],\"truncated\":false,\"reset\":false");
	/* more than maxBytes behind */
	expect_tail(lf, 0, 500, 10, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"two\",\"three\"],\"truncated\":true,"
	    "\"reset\":true");
	expect_tail(lf, UINT64_MAX, 500, 9, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"three\"],\"truncated\":true,\"reset\":false");
	/* today's is not there yet: the newest */
	clock_now += 86400;
	expect_tail(lf, 12, 500, 1000, f, "\"cursor\":18,\"size\":18,"
	    "\"lines\":[\"three\"],\"truncated\":false,\"reset\":false");
	logfile_close(lf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_days, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expire, setup, teardown),
		cmocka_unit_test_setup_teardown(test_R15_full_disk, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_a_file, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_tail, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
