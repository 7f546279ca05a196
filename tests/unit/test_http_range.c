/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Parts of files and copies of clients. */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/http_range.h"
#include "gatewayd/canvas/mime.h"

static void
test_range(void **state)
{
	static const struct {
		const char	*v;
		uint64_t	 size;
		enum http_range	 want;
		uint64_t	 first, last;
	} t[] = {
		{ "bytes=0-0", 1, HTTP_RANGE_PART, 0, 0 },
		{ "bytes=0-", 10, HTTP_RANGE_PART, 0, 9 },
		{ "BYTES=2-5", 10, HTTP_RANGE_PART, 2, 5 },
		{ "bytes= 2-5 ", 10, HTTP_RANGE_PART, 2, 5 },
		{ "bytes=2-50", 10, HTTP_RANGE_PART, 2, 9 },
		{ "bytes=-3", 10, HTTP_RANGE_PART, 7, 9 },
		{ "bytes=-30", 10, HTTP_RANGE_PART, 0, 9 },
		{ "bytes=0-18446744073709551615", UINT64_MAX, HTTP_RANGE_PART,
		    0, UINT64_MAX - 1 },
		{ "bytes=10-", 10, HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=-0", 10, HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=0-0", 0, HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=-1", 0, HTTP_RANGE_BEYOND, 0, 0 },
		{ "bytes=5-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=0-1,3-4", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=18446744073709551616-", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=-", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=1", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "bytes=0x1-2", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "items=0-1", 10, HTTP_RANGE_WHOLE, 0, 0 },
		{ "", 10, HTTP_RANGE_WHOLE, 0, 0 },
	};
	uint64_t	 first, last;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		first = last = 0;
		assert_int_equal(http_range_parse(str_of(t[i].v), t[i].size,
		    &first, &last), t[i].want);
		assert_true(first == t[i].first && last == t[i].last);
	}
}

static void
test_tags(void **state)
{
	(void)state;
	assert_true(http_etag_listed(str_of("\"a\""), "\"a\""));
	assert_true(http_etag_listed(str_of("W/\"a\""), "\"a\""));
	assert_true(http_etag_listed(str_of("\"b\" ,\"a\""), "\"a\""));
	/* A comma may be part of a tag. */
	assert_true(http_etag_listed(str_of("\"x,y\",\"a\""), "\"a\""));
	assert_true(http_etag_listed(str_of(" * "), "\"a\""));
	assert_false(http_etag_listed(str_of("\"x,\"a\""), "\"a\""));
	assert_false(http_etag_listed(str_of("a"), "\"a\""));
	assert_false(http_etag_listed(str_of("\"A\""), "\"a\""));
	assert_false(http_etag_listed(str_of("\"a"), "\"a\""));
	assert_false(http_etag_listed(str_of(""), "\"a\""));
	assert_true(http_if_range(str_of(""), "\"a\"", 0));
	assert_true(http_if_range(str_of("\"a\""), "\"a\"", 0));
	/* What is only alike has no parts. */
	assert_false(http_if_range(str_of("W/\"a\""), "\"a\"", 0));
}

static void
test_dates(void **state)
{
	char		 text[HTTP_DATE_MAX];
	uint64_t	 t;

	(void)state;
	http_date_text(784111777, text);
	assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_int_equal(http_date_parse(str_of(text), &t), 0);
	assert_true(t == 784111777);
	assert_int_equal(http_date_parse(str_of(
	    "Mon, 06 Nov 1994 08:49:37 GMT"), &t), -1);
	assert_int_equal(http_date_parse(str_of(
	    "Thu, 31 Feb 1994 08:49:37 GMT"), &t), -1);
	assert_int_equal(http_date_parse(str_of(
	    "Sunday, 06-Nov-94 08:49:37 GMT"), &t), -1);
	assert_int_equal(http_date_parse(str_of(""), &t), -1);
	http_date_text(UINT64_MAX, text);
	assert_string_equal(text, "");
	assert_true(http_not_modified_since(str_of(
	    "Sun, 06 Nov 1994 08:49:37 GMT"), 784111777));
	assert_false(http_not_modified_since(str_of(
	    "Sun, 06 Nov 1994 08:49:37 GMT"), 784111778));
	assert_false(http_not_modified_since(str_of("now"), 0));
	assert_true(http_if_range(str_of("Sun, 06 Nov 1994 08:49:37 GMT"),
	    "\"a\"", 784111777));
	assert_false(http_if_range(str_of("Sun, 06 Nov 1994 08:49:37 GMT"),
	    "\"a\"", 784111776));
}

static void
test_types(void **state)
{
	unsigned int	 i;

	(void)state;
	assert_string_equal(mime_type(mime_of("a/b.HTML")),
	    "text/html; charset=utf-8");
	assert_true(mime_is_html(mime_of("x.htm")));
	assert_false(mime_is_html(mime_of("x.txt")));
	/* The end of a folder's name is not that of the file. */
	assert_int_equal(mime_of("a.html/b"), 0);
	assert_int_equal(mime_of("html"), 0);
	assert_int_equal(mime_of("a."), 0);
	assert_int_equal(mime_of(""), 0);
	for (i = 0; mime_type(i) != NULL; i++)
		assert_true(strpbrk(mime_type(i), "\r\n") == NULL);
	/* All of them fit the message. */
	assert_true(i <= 64);
	assert_null(mime_type(UINT32_MAX));
	assert_false(mime_is_html(UINT32_MAX));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
