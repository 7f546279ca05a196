/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gatewayd/log/line.h"

static void
test_controls(void **state)
{
	struct dbuf	 b;

	(void)state;
	dbuf_init(&b, 4096);
	line_escape(&b, STR_LIT("a\nb\x1b[31m\r\t\x7f\xff\0\xc2\x9b"
	    "\xe2\x80\xae\xc3\xa4"));
	assert_string_equal(dbuf_str(&b), "a\\nb\\x1b[31m\\x0d \\x7f\\xff"
	    "\\x00\\u009b\\u202e\xc3\xa4");
	dbuf_clear(&b);
}

static void
test_line(void **state)
{
	struct dbuf	 b;

	(void)state;
	dbuf_init(&b, 1 << 20);
	line_format(&b, LOG_LEVEL_WARN, "channeld/telegram:main",
	    STR_LIT("poll failed\n\"x\""), 1769690096789, "host");
	assert_string_equal(dbuf_str(&b),
	    "{\"0\":\"{\\\"subsystem\\\":\\\"channeld/telegram:main\\\"}\","
	    "\"1\":\"poll failed\\\\n\\\"x\\\"\",\"_meta\":{\"runtime\":"
	    "\"gatewayd\",\"runtimeVersion\":\"" GW_VERSION "\",\"hostname\":"
	    "\"host\",\"name\":\"{\\\"subsystem\\\":"
	    "\\\"channeld/telegram:main\\\"}\",\"parentNames\":[\"openclaw\"],"
	    "\"date\":\"2026-01-29T12:34:56.789Z\",\"logLevelId\":4,"
	    "\"logLevelName\":\"WARN\"},\"time\":"
	    "\"2026-01-29T12:34:56.789Z\"}\n");
	dbuf_clear(&b);
}

static void
test_rate(void **state)
{
	struct line_rate	 r = { 0 };
	int			 i;

	(void)state;
	for (i = 0; i < LINE_BURST; i++)
		assert_true(line_allowed(&r, 1000));
	assert_false(line_allowed(&r, 1000));
	assert_false(line_allowed(&r, 1001));
	assert_int_equal(r.dropped, 2);
	for (i = 0; i < LINE_PER_S; i++)
		assert_true(line_allowed(&r, 2000));
	assert_false(line_allowed(&r, 2000));
	for (i = 0; i < LINE_BURST; i++)	/* never more than the burst */
		assert_true(line_allowed(&r, 2000000));
	assert_false(line_allowed(&r, 2000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_controls),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
