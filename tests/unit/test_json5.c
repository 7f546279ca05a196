/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gatewayd/config/json5.h"

static struct json5_pool *pool;
static struct json5_error err;

static int
setup(void **state)
{
	(void)state;
	pool = json5_pool_new(64 << 20);
	return pool == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	json5_pool_free(pool);
	return 0;
}

static struct json5 *
parse(const char *s)
{
	return json5_parse(pool, 0, s, strlen(s), &err);
}

/* Parses and prints as JSON; NULL text when it does not parse. */
static void
expect(const char *text, const char *json)
{
	struct dbuf	 b;
	struct json5	*v = parse(text);

	if (v == NULL)
		fail_msg("%s: %s", text, err.text);
	dbuf_init(&b, 1 << 20);
	assert_int_equal(json5_write(&b, v, 0), 0);
	assert_string_equal(dbuf_str(&b), json);
	dbuf_clear(&b);
}

static void
refuse(const char *text, const char *why)
{
	if (parse(text) != NULL)
		fail_msg("accepted: %s", text);
	assert_string_equal(err.text, why);
}

static void
test_values(void **state)
{
	(void)state;
	expect("null", "null");
	expect(" true ", "true");
	expect("false//x", "false");
	expect("'a\"b'", "\"a\\\"b\"");
	expect("[]", "[]");
	expect("{}", "{}");
	expect("\xef\xbb\xbf{}", "{}");
	expect("[1,2,]", "[1,2]");
	expect("{a:1,'b-c':2,\"d\":3,}", "{\"a\":1,\"b-c\":2,\"d\":3}");
	expect("/* a */ { // b\n $x_1 : /**/ [ ] }", "{\"$x_1\":[]}");
	expect("{\\u0061b: 1, \xc3\xa4\xc3\xb6: 2}",
	    "{\"ab\":1,\"\xc3\xa4\xc3\xb6\":2}");
	expect("{null: 1, true: 2, Infinity: 3}",
	    "{\"null\":1,\"true\":2,\"Infinity\":3}");
}

static void
test_strings(void **state)
{
	(void)state;
	expect("'\\b\\f\\n\\r\\t\\v\\\\\\''",
	    "\"\\u0008\\u000c\\n\\r\\t\\u000b\\\\'\"");
	expect("'\\x41\\u00e4\\ud83d\\ude00'",
	    "\"A\xc3\xa4\xf0\x9f\x98\x80\"");
	expect("'a\\\nb\\\r\nc\\\xe2\x80\xa8""d'", "\"abcd\"");
	expect("'\\a\\q\\/'", "\"aq/\"");
	refuse("'a", "JSON5: invalid end of input at 1:3");
	refuse("'a\nb'", "JSON5: invalid character '\\u000a' at 1:3");
	refuse("'\\1'", "JSON5: invalid character '1' at 1:3");
	refuse("'\\0'", "JSON5: NUL character in a string at 1:4");
	refuse("'\\u0000'", "JSON5: NUL character in a string at 1:8");
	refuse("'\\ud800'", "JSON5: lone surrogate in a string at 1:8");
	refuse("'\\xg0'", "JSON5: invalid character 'g' at 1:4");
	refuse("'\xff'", "JSON5: text is not valid UTF-8 at 1:2");
}

static void
test_numbers(void **state)
{
	struct json5	*v;

	(void)state;
	expect("[0,-0,+1,12,-12]", "[0,0,1,12,-12]");
	expect("[.5,5.,0.25,-.5,1e3,1E-2,+.1e1]",
	    "[0.5,5,0.25,-0.5,1000,0.01,1]");
	expect("[0x10,0xDEADbeef,-0xff]", "[16,3735928559,-255]");
	expect("9007199254740993", "9007199254740993");
	expect("9223372036854775807", "9223372036854775807");
	expect("9223372036854775808", "9.223372036854776e+18");
	expect("0xffffffffffffffffff", "4.722366482869645e+21");
	v = parse("[Infinity,-Infinity,+Infinity,NaN,1e999]");
	assert_non_null(v);
	assert_true(isinf(json5_at(v, 0)->num) && json5_at(v, 0)->num > 0);
	assert_true(isinf(json5_at(v, 1)->num) && json5_at(v, 1)->num < 0);
	assert_true(isnan(json5_at(v, 3)->num));
	assert_true(isinf(json5_at(v, 4)->num));
	assert_false(json5_at(v, 0)->isint);
	refuse("01", "JSON5: invalid character '1' at 1:2");
	refuse(".", "JSON5: invalid end of input at 1:2");
	refuse("-", "JSON5: invalid end of input at 1:2");
	refuse("1e", "JSON5: invalid end of input at 1:3");
	refuse("0x", "JSON5: invalid end of input at 1:3");
	refuse("0xg", "JSON5: invalid character 'g' at 1:3");
	refuse("1a", "JSON5: invalid character 'a' at 1:2");
	refuse("--1", "JSON5: invalid character '-' at 1:2");
}

static void
test_errors(void **state)
{
	(void)state;
	refuse("", "JSON5: invalid end of input at 1:1");
	refuse("{", "JSON5: invalid end of input at 1:2");
	refuse("{a", "JSON5: invalid end of input at 1:3");
	refuse("{a:1 b:2}", "JSON5: invalid character 'b' at 1:6");
	refuse("{a:1,,}", "JSON5: invalid character ',' at 1:6");
	refuse("[,]", "JSON5: invalid character ',' at 1:2");
	refuse("{1:2}", "JSON5: invalid character '1' at 1:2");
	refuse("{}x", "JSON5: invalid character 'x' at 1:3");
	refuse("\n\n  {\n\ta: tru }", "JSON5: invalid character 't' at 4:5");
	refuse("/* x", "JSON5: invalid end of input at 1:5");
	refuse("/", "JSON5: invalid end of input at 1:2");
	refuse("/x", "JSON5: invalid character 'x' at 1:2");
	refuse("# x", "JSON5: invalid character '#' at 1:1");
	refuse("{a:1}\xe2\x82\xac", "JSON5: invalid character '\xe2\x82\xac'"
	    " at 1:6");
}

static void
test_places(void **state)
{
	struct json5	*v = parse("{\n // c\n a: 1,\r\n b:\n  [ 1,\n 2 ] }");

	(void)state;
	assert_non_null(v);
	assert_int_equal(v->line, 1);
	assert_int_equal(json5_get(v, "a")->line, 3);
	assert_int_equal(json5_get(v, "b")->line, 4);	/* of its key */
	assert_int_equal(json5_at(json5_get(v, "b"), 1)->line, 6);
	assert_int_equal(json5_get(v, "a")->off, 12);
	assert_int_equal(json5_get(v, "a")->len, 1);
	assert_null(json5_get(v, "c"));
	assert_null(json5_at(v, 2));
}

static int	ndups;
static uint32_t	dup_lines[4][2];

static void
on_dup(void *arg, const struct json5 *a, const struct json5 *b)
{
	(void)arg;
	if (ndups < 4) {
		dup_lines[ndups][0] = a->line;
		dup_lines[ndups][1] = b->line;
	}
	ndups++;
}

static void
test_duplicates(void **state)
{
	(void)state;
	ndups = 0;
	json5_pool_ondup(pool, on_dup, NULL);
	expect("{a:1,\nb:2,\n'a':3,\nc:4,\n\"a\":5}",
	    "{\"b\":2,\"c\":4,\"a\":5}");
	assert_int_equal(ndups, 2);
	assert_int_equal(dup_lines[0][0], 1);
	assert_int_equal(dup_lines[0][1], 3);
	assert_int_equal(dup_lines[1][1], 5);
}

/* Each of these is small on the wire and would be large or slow inside. */
static void
test_R05_hostile_sizes(void **state)
{
	size_t	 n = 100000, i;
	char	*s = malloc(8 * n + 16);
	char	 deep[] = "JSON5: nesting is too deep at 1:65";

	(void)state;
	assert_non_null(s);
	memset(s, '[', n);
	s[n] = '\0';
	refuse(s, deep);
	memset(s + n, ']', n);
	s[2 * n] = '\0';
	refuse(s, deep);
	for (i = 0; i < n; i++)
		memcpy(s + 5 * i, "{\"a\":", 5);
	s[5 * n] = '\0';
	assert_null(parse(s));
	assert_non_null(strstr(err.text, "nesting is too deep"));
	/* Exactly the limit is fine. */
	memset(s, '[', 64);
	memset(s + 64, ']', 64);
	s[128] = '\0';
	assert_non_null(parse(s));
	/* A member per seven bytes, all alike, takes no quadratic time. */
	s[0] = '{';
	for (i = 0; i < n; i++)
		memcpy(s + 1 + 4 * i, "a:1,", 4);
	memcpy(s + 1 + 4 * n, "}", 2);
	json5_pool_ondup(pool, NULL, NULL);
	expect(s, "{\"a\":1}");
	/* A key of 600 bytes. */
	memset(s, 'k', 602);
	s[0] = '{';
	memcpy(s + 601, ":1}", 4);
	refuse(s, "JSON5: key is too long at 1:602");
	free(s);
	/* More text than the limit. */
	n = JSON5_TEXT_MAX + 1;
	s = calloc(1, n);
	assert_non_null(s);
	memset(s, ' ', n);
	assert_null(json5_parse(pool, 0, s, n, &err));
	assert_string_equal(err.text, "JSON5: document is too large at 1:1");
	/* More memory than the pool has. */
	json5_pool_free(pool);
	pool = json5_pool_new(1 << 20);
	memset(s, '[', 1);
	for (i = 0; i < 1000000; i++)
		memcpy(s + 1 + 2 * i, "1,", 2);
	assert_null(json5_parse(pool, 0, s, 2000001, &err));
	assert_non_null(strstr(err.text, "document is too large"));
	free(s);
}

static void
test_tree(void **state)
{
	struct json5	*v = parse("{a:{b:1},c:[1,2],d:'x'}"), *w;
	struct dbuf	 b;

	(void)state;
	assert_non_null(v);
	assert_int_equal(json5_path(v, "a.b")->i, 1);
	assert_null(json5_path(v, "a.b.c"));
	assert_null(json5_path(v, "d.e"));
	assert_string_equal(json5_text(v, "d", "y"), "x");
	assert_string_equal(json5_text(v, "a.b", "y"), "y");
	w = json5_copy(pool, v);
	assert_int_equal(json5_set(pool, v, "d",
	    json5_new_int(pool, 7, NULL)), 0);
	assert_non_null(json5_remove(v, "c"));
	assert_null(json5_remove(v, "zz"));
	assert_int_equal(json5_set(pool, v, "e",
	    json5_new_bool(pool, true, NULL)), 0);
	assert_non_null(json5_mkpath(pool, v, "f.g"));
	assert_null(json5_mkpath(pool, v, "d.g"));
	dbuf_init(&b, 4096);
	json5_write(&b, v, 0);
	assert_string_equal(dbuf_str(&b),
	    "{\"a\":{\"b\":1},\"d\":7,\"e\":true,\"f\":{\"g\":{}}}");
	dbuf_reset(&b);
	json5_write(&b, w, 2);
	assert_string_equal(dbuf_str(&b), "{\n  \"a\": {\n    \"b\": 1\n  },\n"
	    "  \"c\": [\n    1,\n    2\n  ],\n  \"d\": \"x\"\n}");
	dbuf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_duplicates, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_R05_hostile_sizes, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
