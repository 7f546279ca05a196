/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "agentd/disksync.h"

static struct event_base	*base;
static char			 name[] = "/tmp/disksync.XXXXXX";
static int			 file, told, last_err;

static int
setup(void **state)
{
	(void)state;
	if ((file = mkstemp(name)) == -1 ||
	    (base = event_base_new()) == NULL)
		return -1;
	return disksync_open(base);
}

static int
teardown(void **state)
{
	(void)state;
	disksync_close();
	event_base_free(base);
	close(file);
	return unlink(name);
}

static void
count_cb(int err, void *arg)
{
	last_err = err;
	told += *(int *)arg;
}

/* Starts the next from within: more than fit at once, one after the other. */
static void
again_cb(int err, void *arg)
{
	int	*left = arg;

	last_err = err;
	told++;
	if (--*left > 0)
		assert_int_equal(disksync_start(file, again_cb, left), 0);
}

static void
wait_for(int n)
{
	while (told < n)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void
test_told_from_the_loop(void **state)
{
	int	 one = 1, i;

	(void)state;
	told = 0;
	assert_int_equal(write(file, "x", 1), 1);
	for (i = 0; i < DISKSYNC_MAX; i++)
		assert_int_equal(disksync_start(file, count_cb, &one), 0);
	assert_int_equal(disksync_start(file, count_cb, &one), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(told, 0);
	wait_for(DISKSYNC_MAX);
	assert_int_equal(last_err, 0);
	assert_int_equal(told, DISKSYNC_MAX);
}

static void
test_descriptor_may_be_closed(void **state)
{
	int	 one = 1, fd = dup(file);

	(void)state;
	told = 0;
	assert_int_equal(disksync_start(fd, count_cb, &one), 0);
	close(fd);
	wait_for(1);
	assert_int_equal(last_err, 0);
}

static void
test_one_starts_the_next(void **state)
{
	int	 left = 3 * DISKSYNC_MAX;

	(void)state;
	told = 0;
	assert_int_equal(disksync_start(file, again_cb, &left), 0);
	wait_for(3 * DISKSYNC_MAX);
	assert_int_equal(left, 0);
}

/* What the kernel does not take is waited for, with the same way to be told. */
static void
test_failure_is_told_too(void **state)
{
	int	 one = 1, fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	told = 0;
	assert_int_equal(disksync_start(fd, count_cb, &one), 0);
	assert_int_equal(told, 0);
	wait_for(1);
	assert_int_equal(last_err, EINVAL);
	assert_int_equal(disksync_start(file, count_cb, &one), 0);
	close(fd);
	wait_for(2);
	assert_int_equal(last_err, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_from_the_loop),
		cmocka_unit_test(test_descriptor_may_be_closed),
		cmocka_unit_test(test_one_starts_the_next),
		cmocka_unit_test(test_failure_is_told_too),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
