/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Restart policy of processes. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gatewayd/host/backoff.h"

static void
test_doubles_and_holds(void **state)
{
	struct backoff	 b;
	uint64_t	 now = 1000000;
	uint32_t	 want = 0, ms;
	unsigned int	 i;

	(void)state;
	backoff_reset(&b);
	for (i = 0; i < BACKOFF_FAILURES - 1; i++) {
		ms = backoff_ended(&b, now, 0, false);
		assert_in_range(ms, want, want + want / 5);
		want = want == 0 ? BACKOFF_FIRST_MS : want * 2;
		if (want > BACKOFF_MAX_MS)
			want = BACKOFF_MAX_MS;
		now += 10000;
	}
	assert_int_equal(backoff_ended(&b, now, 0, false), BACKOFF_HELD);
	backoff_reset(&b);
	assert_int_equal(backoff_ended(&b, now, 0, false), 0);
}

static void
test_healthy_time_forgives(void **state)
{
	struct backoff	 b;
	uint64_t	 now = 1000000;

	(void)state;
	backoff_reset(&b);
	backoff_ended(&b, now, 0, false);
	assert_true(backoff_ended(&b, now + 1, 0, false) > 0);
	/* READY for a minute: at once; a second less: not. */
	assert_true(backoff_ended(&b, now + BACKOFF_HEALTHY_MS, now + 1,
	    false) > 0);
	assert_int_equal(backoff_ended(&b, now + 1 + BACKOFF_HEALTHY_MS,
	    now + 1, false), 0);
}

static void
test_old_failures_do_not_count(void **state)
{
	struct backoff	 b;
	uint64_t	 now = 1000000;
	unsigned int	 i;

	(void)state;
	backoff_reset(&b);
	for (i = 0; i < 50; i++) {
		assert_true(backoff_ended(&b, now, 0, false) != BACKOFF_HELD);
		now += BACKOFF_WINDOW_MS / (BACKOFF_FAILURES - 1) + 1;
	}
}

static void
test_violations_wait_longer_and_hold_sooner(void **state)
{
	struct backoff	 b;
	uint64_t	 now = 1000000;

	(void)state;
	backoff_reset(&b);
	assert_true(backoff_ended(&b, now, now - BACKOFF_HEALTHY_MS, true) >=
	    BACKOFF_VIOLATION_MS);
	assert_true(backoff_ended(&b, now + 1000000, now, true) >=
	    BACKOFF_VIOLATION_MS);
	assert_int_equal(backoff_ended(&b, now + 2000000, now, true),
	    BACKOFF_HELD);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_doubles_and_holds),
		cmocka_unit_test(test_healthy_time_forgives),
		cmocka_unit_test(test_old_failures_do_not_count),
		cmocka_unit_test(test_violations_wait_longer_and_hold_sooner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
