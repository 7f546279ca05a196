/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The configuration file on disk: whole at any time, backed up, not lost. */
#include "common/compat.h"

#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memfd.h"
#include "gatewayd/host/confile.h"

static char	 dir[] = "/tmp/confile.XXXXXX";
static char	 path[PATH_MAX];

static const char *
at(const char *name)
{
	static char	 buf[PATH_MAX];

	snprintf(buf, sizeof(buf), "%s/%s", dir, name);
	return buf;
}

static void
expect(const char *name, const char *text)
{
	char	 buf[256];
	ssize_t	 n;
	int	 fd = open(at(name), O_RDONLY | O_CLOEXEC);

	if (text == NULL) {
		assert_int_equal(fd, -1);
		return;
	}
	assert_int_not_equal(fd, -1);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static struct stat
seen(void)
{
	struct stat	 st;
	int		 fd = open(path, O_RDONLY | O_CLOEXEC);

	confile_seen(&st, fd);
	if (fd != -1)
		close(fd);
	return st;
}

static void
put(const char *text)
{
	struct stat	 st = seen();

	assert_int_equal(confile_write(path, &st, text, strlen(text)), 0);
}

static void
test_write_and_backups(void **state)
{
	struct stat	 st;
	char		 text[] = "0";

	for (; text[0] <= '7'; text[0]++)
		put(text);
	expect("c", "7");
	expect("c.bak", "6");
	expect("c.bak.1", "5");
	expect("c.bak.4", "2");
	expect("c.bak.5", NULL);
	expect("c.tmp", NULL);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(at("c.bak"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
test_another_text_by_now(void **state)
{
	struct stat	 st = seen(), none;

	assert_false(confile_changed(path, &st));
	put("newer");
	assert_true(confile_changed(path, &st));
	assert_int_equal(confile_write(path, &st, "mine", 4), -1);
	assert_int_equal(errno, ESTALE);
	confile_seen(&none, -1);
	assert_int_equal(confile_write(path, &none, "mine", 4), -1);
	assert_int_equal(errno, ESTALE);
	expect("c", "newer");
	expect("c.tmp", NULL);
	/* gone meanwhile */
	st = seen();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(confile_write(path, &st, "mine", 4), -1);
	assert_int_equal(errno, ESTALE);
	expect("c", NULL);
	put("again");
}

/* A full disk, as far as write(2) tells. */
static void
test_R05_no_room(void **state)
{
	struct rlimit	 old, small;
	struct stat	 st = seen();
	char		 big[65536];
	int		 fd;

	memset(big, 'x', sizeof(big));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 4096;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(confile_write(path, &st, big, sizeof(big)), -1);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	expect("c", "again");
	expect("c.tmp", NULL);
	assert_false(confile_changed(path, &st));
	/* What a killed writer left is no obstacle; what is not sealed is not
	 * written. */
	fd = open(at("c.tmp"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(confile_write_fd(path, &st, fd), -1);
	expect("c", "again");
	close(fd);
	put("after");
	expect("c.tmp", NULL);
	fd = memfd_sealed("t", "sealed", 6);
	st = seen();
	assert_int_equal(confile_write_fd(path, &st, fd), 0);
	close(fd);
	expect("c", "sealed");
}

static void
test_link_is_followed(void **state)
{
	struct stat	 st;

	assert_int_equal(mkdir(at("real"), 0700), 0);
	assert_int_equal(rename(path, at("real/c")), 0);
	assert_int_equal(symlink("real/c", path), 0);
	put("through");
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	expect("real/c", "through");
	expect("real/c.bak", "sealed");
	assert_string_equal(confile_good(dir), at("openclaw.json.last-good"));
}

static int
clean(void **state)
{
	static const char *const names[] = { "c", "c.bak", "c.bak.1",
		"c.bak.2", "c.bak.3", "c.bak.4", "real/c", "real/c.bak" };
	size_t	 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(at(names[i]));
	rmdir(at("real"));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_and_backups),
		cmocka_unit_test(test_another_text_by_now),
		cmocka_unit_test(test_R05_no_room),
		cmocka_unit_test(test_link_is_followed),
	};

	if (mkdtemp(dir) == NULL)
		return 1;
	strlcpy(path, at("c"), sizeof(path));
	return cmocka_run_group_tests(tests, NULL, clean);
}
