/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/sandbox.h"
#include "common/sandbox_profiles.h"

static void
test_round_trip(void **state)
{
	struct sandbox_ids ids;
	struct sandbox_spec a, b;
	uint8_t buf[4096];
	ssize_t n;

	(void)state;
	assert_int_equal(sandbox_ids_load(&ids, 610000), 0);
	assert_true(ids.separate);
	sandbox_spec_init(&a, ROLE_JAILER, SANDBOX_ROOT, SANDBOX_STRICT, &ids);
	assert_int_equal(a.uid, 610000 + ROLE_JAILER);
	assert_int_equal(a.job_uid, 610000 + ROLE_FILES);
	a.nofile = 77;
	a.as_bytes = 1ull << 40;
	assert_int_equal(sandbox_spec_mount(&a, "/home/a/w", MNT_RW |
	    MNT_IDMAP), 0);
	assert_int_equal(sandbox_spec_mount(&a, "/etc/x", MNT_RO | MNT_OPT),
	    0);
	n = sandbox_spec_encode(&a, buf, sizeof(buf));
	assert_true(n > 0);
	assert_int_equal(sandbox_spec_decode(&b, buf, (size_t)n), 0);
	assert_int_equal(b.mode, SANDBOX_ROOT);
	assert_int_equal(b.flags, SANDBOX_STRICT);
	assert_int_equal(b.uid, a.uid);
	assert_int_equal(b.job_gid, a.job_gid);
	assert_int_equal(b.nofile, 77);
	assert_true(b.as_bytes == 1ull << 40);
	assert_int_equal(b.nmounts, 2);
	assert_string_equal(b.mounts[0].path, "/home/a/w");
	assert_int_equal(b.mounts[0].flags, MNT_RW | MNT_IDMAP);
	assert_string_equal(b.mounts[1].path, "/etc/x");
	sandbox_spec_clear(&a);
	sandbox_spec_clear(&b);
}

static void
test_every_cut_and_every_flip_is_refused_or_valid(void **state)
{
	struct sandbox_spec a, b;
	uint8_t buf[512], bad[512];
	size_t i;
	ssize_t n;
	int bit;

	(void)state;
	sandbox_spec_init(&a, ROLE_AGENT, SANDBOX_USER, 0, NULL);
	assert_int_equal(sandbox_spec_mount(&a, "/a/b", MNT_RW), 0);
	assert_int_equal(sandbox_spec_mount(&a, "/c", MNT_RO), 0);
	n = sandbox_spec_encode(&a, buf, sizeof(buf));
	assert_true(n > 0);
	for (i = 0; i < (size_t)n; i++) {
		assert_int_equal(sandbox_spec_decode(&b, buf, i), -1);
		assert_int_equal(errno, EBADMSG);
		assert_int_equal(sandbox_spec_encode(&a, bad, i), -1);
		assert_int_equal(errno, ENOSPC);
		for (bit = 0; bit < 8; bit++) {
			memcpy(bad, buf, (size_t)n);
			bad[i] ^= (uint8_t)(1 << bit);
			if (sandbox_spec_decode(&b, bad, (size_t)n) == 0)
				sandbox_spec_clear(&b);
		}
	}
	buf[n] = 0;
	assert_int_equal(sandbox_spec_decode(&b, buf, (size_t)n + 1), -1);
	sandbox_spec_clear(&a);
}

static void
test_T30_paths(void **state)
{
	static const char *const bad[] = { "", "/", "a", "a/b", "./a", "//",
	    "/a//b", "/a/", "/a/../b", "/..", "/.", "/a/./b", "/../a" };
	struct sandbox_spec s;
	char path[SANDBOX_PATH_MAX + 2];
	size_t i;

	(void)state;
	sandbox_spec_init(&s, ROLE_LOG, SANDBOX_USER, 0, NULL);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(sandbox_spec_mount(&s, bad[i], MNT_RO), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(sandbox_spec_mount(&s, "/a", 0), -1);
	assert_int_equal(sandbox_spec_mount(&s, "/a", MNT_RO | MNT_RW), -1);
	assert_int_equal(sandbox_spec_mount(&s, "/a", MNT_RO | 0x100), -1);
	assert_int_equal(sandbox_spec_mount(&s, "/..a/.b/c..", MNT_RO), 0);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[SANDBOX_PATH_MAX] = '\0';
	assert_int_equal(sandbox_spec_mount(&s, path, MNT_RO), -1);
	path[SANDBOX_PATH_MAX - 1] = '\0';
	assert_int_equal(sandbox_spec_mount(&s, path, MNT_RO), 0);
	for (i = s.nmounts; i < SANDBOX_MOUNTS_MAX; i++)
		assert_int_equal(sandbox_spec_mount(&s, "/x", MNT_RO), 0);
	assert_int_equal(sandbox_spec_mount(&s, "/x", MNT_RO), -1);
	assert_int_equal(errno, ENOSPC);
	sandbox_spec_clear(&s);
}

static void
test_ids(void **state)
{
	struct sandbox_ids ids;
	struct sandbox_spec s;
	unsigned int r;

	(void)state;
	assert_int_equal(sandbox_ids_load(&ids, -2), -1);
	assert_int_equal(sandbox_ids_load(&ids, SANDBOX_IDS_SHARED), 0);
	assert_false(ids.separate);
	for (r = 1; r < ROLE_MAX; r++)
		assert_int_equal(ids.uid[r], 65534);
	assert_int_equal(sandbox_ids_load(&ids, 5000), 0);
	for (r = 1; r < ROLE_MAX; r++)
		assert_true(ids.uid[r] > 5000 && ids.gid[r] > 5000);
	assert_int_equal(ids.uid[ROLE_FETCH], ids.uid[ROLE_FILES]);
	assert_int_not_equal(ids.uid[ROLE_JAILER], ids.uid[ROLE_FILES]);
	sandbox_spec_init(&s, ROLE_STORE, SANDBOX_ROOT, SANDBOX_STRICT, &ids);
	assert_int_equal(s.flags, SANDBOX_STRICT);
	/* One user for all of them: a user namespace for each. */
	ids.separate = false;
	sandbox_spec_init(&s, ROLE_STORE, SANDBOX_ROOT, SANDBOX_STRICT, &ids);
	assert_int_equal(s.flags, SANDBOX_STRICT | SANDBOX_USERNS);
	/* by name, or nobody: never root, whatever this host has */
	assert_int_equal(sandbox_ids_load(&ids, 0), 0);
	for (r = 1; r < ROLE_MAX; r++)
		assert_int_not_equal(ids.uid[r], 0);
}

static void
test_names(void **state)
{
	const struct sandbox_profile *p;
	uint32_t bit;
	unsigned int id;

	(void)state;
	for (bit = 1; bit < FACT_MAX; bit <<= 1)
		assert_non_null(sandbox_fact_name(bit));
	assert_null(sandbox_fact_name(FACT_MAX));
	assert_null(sandbox_fact_name(3));
	for (id = 0; id < PROFILE_MAX; id++) {
		p = sandbox_profile_get(id);
		assert_non_null(p);
		if (id < ROLE_MAX)
			assert_string_equal(p->name, role_name(id));
		for (bit = 1; bit != 0; bit <<= 1)
			if (p->sets & bit)
				assert_non_null(call_set_name(bit));
	}
	assert_null(sandbox_profile_get(PROFILE_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(
		    test_every_cut_and_every_flip_is_refused_or_valid),
		cmocka_unit_test(test_T30_paths),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
