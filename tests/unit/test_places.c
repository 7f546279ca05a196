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

#include "common/sandbox.h"
#include "gatewayd/host/places.h"

static void
test_modes(void **state)
{
	uint32_t	 f;
	bool		 own, make;

	(void)state;
	assert_true(places_mode("own", &f, &own, &make));
	assert_true(own && !make && f == MNT_RW);
	assert_true(places_mode("ro,opt", &f, &own, &make));
	assert_true(!own && f == (MNT_RO | MNT_OPT));
	assert_true(places_mode("rw,idmap,make", &f, &own, &make));
	assert_true(!own && make && f == (MNT_RW | MNT_IDMAP));
	assert_false(places_mode("", &f, &own, &make));
	assert_false(places_mode("owner", &f, &own, &make));
	assert_false(places_mode("rw,", &f, &own, &make));
	assert_false(places_mode("ro,exec", &f, &own, &make));
	assert_false(places_mode(",opt", &f, &own, &make));
}

static void
test_ours(void **state)
{
	struct paths	 ps = { .state = "/home/u/.openclaw" };

	(void)state;
	assert_true(places_ours(&ps, "/home/u/.openclaw/logs"));
	assert_false(places_ours(&ps, "/home/u/.openclaw"));
	assert_false(places_ours(&ps, "/home/u/.openclawx/logs"));
	assert_false(places_ours(&ps, "/var/log/openclaw"));
	assert_false(places_ours(&ps, "/etc/ssh"));
	strlcpy(ps.state, PATHS_SERVICE_STATE, sizeof(ps.state));
	assert_true(places_ours(&ps, "/var/log/openclaw"));
	assert_false(places_ours(&ps, "/var/log"));
}

static void
test_mountable(void **state)
{
	static const char *const bad[] = { "", "x", "/", "/etc", "/usr",
		"/proc", "/proc/1", "/sys/kernel", "/dev/mem", "/home", "/tmp",
		"/a/../etc", "/a/..", "/var/lib", "/root" };
	static const char *const good[] = { "/home/u/ws", "/srv/x",
		"/etc/resolv.conf", "/devel", "/tmp/x" };
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (places_mountable(bad[i]))
			fail_msg("%s", bad[i]);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!places_mountable(good[i]))
			fail_msg("%s", good[i]);
}

static void
test_read(void **state)
{
	static const char *const bad[][2] = { { "/etc", "ro" },
		{ "/srv/x", "rx" }, { "/srv/x", "own" }, { "/s/../etc", "rw" } };
	struct parcel_writer	*w;
	struct parcel		*ix;
	struct paths		 ps = { .state = "/s" };
	struct places		 a, b;
	char			 why[128];
	size_t			 i;

	(void)state;
	w = parcel_writer_new();
	for (i = 0; i < 2; i++) {
		parcel_puts(w, "/s/x", "proc.%zu.mount.0.path", i);
		parcel_puts(w, "own", "proc.%zu.mount.0.mode", i);
		parcel_puts(w, "/w", "proc.%zu.mount.1.path", i);
		parcel_puts(w, i == 0 ? "rw" : "ro", "proc.%zu.mount.1.mode",
		    i);
	}
	/* one more than there may be */
	for (i = 0; i <= PLACES_MAX; i++) {
		parcel_puts(w, "/w", "proc.2.mount.%zu.path", i);
		parcel_puts(w, "ro", "proc.2.mount.%zu.mode", i);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		parcel_puts(w, "/w", "proc.%zu.mount.0.path", 3 + i);
		parcel_puts(w, "ro", "proc.%zu.mount.0.mode", 3 + i);
		parcel_puts(w, bad[i][0], "proc.%zu.mount.1.path", 3 + i);
		parcel_puts(w, bad[i][1], "proc.%zu.mount.1.mode", 3 + i);
	}
	assert_non_null(ix = parcel_open(parcel_writer_seal(w)));
	assert_int_equal(places_read(&a, &ps, ix, 0, why, sizeof(why)), 0);
	assert_int_equal(a.n, 2);
	assert_string_equal(a.v[1].path, "/w");
	assert_true(a.v[0].own && !a.v[1].own && a.v[1].flags == MNT_RW);
	assert_int_equal(places_read(&b, &ps, ix, 0, why, sizeof(why)), 0);
	assert_true(places_same(&a, &b));
	places_clear(&b);
	assert_false(places_same(&a, &b));
	assert_int_equal(places_read(&b, &ps, ix, 1, why, sizeof(why)), 0);
	assert_false(places_same(&a, &b));
	places_clear(&a);
	places_clear(&b);
	for (i = 2; i < 7; i++) {
		assert_int_equal(places_read(&a, &ps, ix, i, why,
		    sizeof(why)), -1);
		assert_int_equal(a.n, 0);
		assert_non_null(strstr(why, "may be given"));
	}
	parcel_close(ix);
}

static void
touch(const char *dir, const char *name)
{
	char	 path[256];
	int	 fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd != -1);
	close(fd);
}

static void
test_T21_files_of_the_configuration(void **state)
{
	static const char *const dirs[] = { "c", "s", "s/credentials",
		"s/agents" };
	static const char *const files[] = { "c/openclaw.json", "c/inc",
		"s/.env", "s/credentials/tok", "s/agents/secret", "outside" };
	static const struct { const char *path; int err; } t[] = {
		{ "c/inc", 0 }, { "s/.env", 0 }, { "s/credentials/tok", 0 },
		{ "s/agents/secret", EACCES }, { "outside", EACCES },
		{ "c/link", EXDEV }, { "c/../outside", EXDEV },
		{ "s/credentials/../agents/secret", EACCES },
		{ "c/none", ENOENT }, { "c/fifo", EINVAL }, { "c", EACCES },
	};
	struct paths	 ps;
	char		 dir[64] = "/tmp/gwplacesXXXXXX", path[256];
	size_t		 i;
	int		 fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		touch(dir, files[i]);
	snprintf(path, sizeof(path), "%s/c/link", dir);
	assert_int_equal(symlink("../outside", path), 0);
	snprintf(path, sizeof(path), "%s/c/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(ps.config, sizeof(ps.config), "%s/c/openclaw.json", dir);
	snprintf(ps.state, sizeof(ps.state), "%s/s", dir);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, t[i].path);
		errno = 0;
		fd = places_open_config(&ps, path);
		if ((fd == -1) != (t[i].err != 0) ||
		    (fd == -1 && errno != t[i].err))
			fail_msg("%s: fd %d, %s", t[i].path, fd,
			    strerror(errno));
		if (fd != -1)
			close(fd);
	}
	for (i = sizeof(files) / sizeof(files[0]); i > 0; i--) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i - 1]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/c/link", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/c/fifo", dir);
	unlink(path);
	for (i = sizeof(dirs) / sizeof(dirs[0]); i > 0; i--) {
		snprintf(path, sizeof(path), "%s/%s", dir, dirs[i - 1]);
		rmdir(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_mountable),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_T21_files_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
