/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/parcel.h"
#include "gatewayd/host/environ.h"

static void
test_sealed_then_wiped(void **state)
{
	struct parcel	*p;
	char		*key;

	(void)state;
	clearenv();
	setenv("HOME", "/home/u", 1);
	setenv("SOME_KEY", "canary", 1);
	key = getenv("SOME_KEY");
	assert_non_null(p = parcel_open(environ_seal()));
	assert_string_equal(parcel_get(p, "SOME_KEY"), "canary");
	assert_string_equal(parcel_get(p, "HOME"), "/home/u");
	parcel_close(p);
	environ_wipe();
	assert_memory_equal(key, "\0\0\0\0\0\0", 6);
	assert_string_equal(getenv("HOME"), "/home/u");
	/* a reload reads what was there at the start */
	assert_non_null(p = parcel_open(environ_seal()));
	assert_string_equal(parcel_get(p, "SOME_KEY"), "canary");
	parcel_close(p);
	/* and so does the next image */
	environ_keep();
	environ_restore();
	assert_string_equal(getenv("SOME_KEY"), "canary");
	assert_string_equal(getenv("HOME"), "/home/u");
	assert_null(getenv("GATEWAYD_ENVIRON_FD"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sealed_then_wiped),
	};

	/* Asked here: the test wipes the variable that says so. */
	if (getenv("CMOCKA_MESSAGE_OUTPUT") != NULL)
		cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
