/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/secret.h"

static void
test_set_and_clear(void **state)
{
	struct secret	 s = { 0 };
	char		 big[5000];

	(void)state;
	assert_int_equal(secret_set(&s, STR_LIT("12:abc")), 0);
	assert_string_equal(s.p, "12:abc");
	assert_true(secret_eq(&s, STR_LIT("12:abc")));
	assert_false(secret_eq(&s, STR_LIT("12:abd")));
	assert_false(secret_eq(&s, STR_LIT("12:ab")));
	memset(big, 'x', sizeof(big));
	assert_int_equal(secret_set(&s, (struct str){ big, sizeof(big) }), 0);
	assert_int_equal(s.n, sizeof(big));
	assert_int_equal(s.p[sizeof(big)], '\0');
	secret_clear(&s);
	assert_null(s.p);
	assert_false(secret_eq(&s, STR_LIT("")));
	assert_int_equal(secret_set(&s, (struct str){ big, SECRET_MAX + 1 }),
	    -1);
}

/* What memfd_secret promises: not readable even through our own /proc. */
static void
test_T40_not_in_proc_mem(void **state)
{
	struct secret	 s = { 0 };
	char		 buf[8];
	int		 fd;

	(void)state;
	assert_int_equal(secret_set(&s, STR_LIT("12:abc")), 0);
	if (!s.sealed) {
		secret_clear(&s);
		skip();
	}
	if ((fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)) != -1) {
		assert_int_equal(pread(fd, buf, 6, (off_t)(uintptr_t)s.p), -1);
		close(fd);
	}
	secret_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_set_and_clear),
		cmocka_unit_test(test_T40_not_in_proc_mem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
