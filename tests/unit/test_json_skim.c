/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/json_skim.h"
#include "common/json_write.h"

/* On a heap copy of exactly that size, so that sanitizers see overreads. */
static enum skim_err
check(const char *s, size_t n)
{
	struct skim_frame	 f;
	struct skim_val		 v;
	char			*p = malloc(n == 0 ? 1 : n);
	enum skim_err		 a, b;

	memcpy(p, s, n);
	a = skim_text(p, n, &v);
	b = skim_frame(p, n, &f);
	free(p);
	assert_int_equal(a, b);
	return a;
}

static void
test_accepts(void **state)
{
	static const char *const good[] = {
		"{}", "[]", " {} ", "0", "-0", "1.5", "1e3", "-1.5E+10",
		"true", "false", "null", "\"\"", "\"a\\u0041\\n\"",
		"[1,[2,[3,{}]],{\"a\":[]}]", "{\"a\":1,\"a\":2}",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"\"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"",
		"\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\u0000\"",
		"{ \"a\" : [ 1 , 2 ] , \"b\" : { } }", "\t\r\n[\n1\t]\r",
		"\"0123456789abcdef0123456789abcdef\x7f\"",
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (check(good[i], strlen(good[i])) != SKIM_OK)
			fail_msg("refused: %s", good[i]);
}

static void
test_refuses(void **state)
{
	static const struct {
		const char	*s;
		enum skim_err	 err;
	} bad[] = {
		{ "", SKIM_SHORT }, { " ", SKIM_SHORT }, { "{", SKIM_SHORT },
		{ "[", SKIM_SHORT }, { "[1", SKIM_SHORT },
		{ "[1,", SKIM_SHORT }, { "{\"a\"", SKIM_SHORT },
		{ "{\"a\":", SKIM_SHORT }, { "{\"a\":1", SKIM_SHORT },
		{ "{\"a\":1,", SKIM_SHORT }, { "\"abc", SKIM_SHORT },
		{ "\"abc\\", SKIM_SHORT }, { "\"\\u00", SKIM_SHORT },
		{ "-", SKIM_SHORT }, { "1.", SKIM_SHORT }, { "1e", SKIM_SHORT },
		{ "[1,]", SKIM_SYNTAX }, { "{\"a\":1,}", SKIM_SYNTAX },
		{ "{a:1}", SKIM_SYNTAX }, { "{\"a\" 1}", SKIM_SYNTAX },
		{ "[1 2]", SKIM_SYNTAX }, { "01", SKIM_TRAILING },
		{ "+1", SKIM_SYNTAX }, { ".5", SKIM_SYNTAX },
		{ "1.e3", SKIM_SYNTAX }, { "tru", SKIM_SYNTAX },
		{ "nul", SKIM_SYNTAX }, { "True", SKIM_SYNTAX },
		{ "NaN", SKIM_SYNTAX }, { "'a'", SKIM_SYNTAX },
		{ "\"a\nb\"", SKIM_SYNTAX }, { "\"\\x\"", SKIM_SYNTAX },
		{ "\"\\u00g0\"", SKIM_SYNTAX }, { "{}}", SKIM_TRAILING },
		{ "{} x", SKIM_TRAILING }, { "[1]]", SKIM_TRAILING },
		{ "[}", SKIM_SYNTAX }, { "{]", SKIM_SYNTAX },
		{ "[1}", SKIM_SYNTAX }, { "{\"a\":1]", SKIM_SYNTAX },
		{ "\"\xff\"", SKIM_UTF8 }, { "\"\xc0\x80\"", SKIM_UTF8 },
		{ "\"\xc3\"", SKIM_UTF8 }, { "\"\xed\xa0\x80\"", SKIM_UTF8 },
		{ "\"\xe0\x80\x80\"", SKIM_UTF8 },
		{ "\"\xf0\x80\x80\x80\"", SKIM_UTF8 },
		{ "\"\xf4\x90\x80\x80\"", SKIM_UTF8 },
		{ "\"\xf5\x80\x80\x80\"", SKIM_UTF8 },
		{ "{\"\xff\":1}", SKIM_UTF8 }, { "\xef\xbb\xbf{}", SKIM_SYNTAX },
		{ "/**/1", SKIM_SYNTAX }, { "{\"a\":1 \"b\":2}", SKIM_SYNTAX },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (check(bad[i].s, strlen(bad[i].s)) != bad[i].err)
			fail_msg("%s: %s", bad[i].s, skim_err_name(
			    check(bad[i].s, strlen(bad[i].s))));
	assert_int_equal(check("[\0]", 3), SKIM_SYNTAX);
}

static void
test_T47_depth(void **state)
{
	size_t	 n = 100000;
	char	*p = malloc(2 * n + 64);
	struct skim_frame f;

	(void)state;
	memset(p, '[', n);
	memset(p + n, ']', n);
	assert_int_equal(check(p, 2 * n), SKIM_DEPTH);
	assert_int_equal(check(p, n), SKIM_DEPTH);
	assert_int_equal(check(p + n - 64, 128), SKIM_OK);
	assert_int_equal(check(p + n - 65, 130), SKIM_DEPTH);
	/* the id that stood before it is there for the answer */
	memcpy(p, "{\"type\":\"req\",\"id\":\"7\",\"params\":", 32);
	assert_int_equal(skim_frame(p, n, &f), SKIM_DEPTH);
	assert_true(skim_is(&f.id, "7"));
	free(p);
}

static void
test_every_prefix_ends_early(void **state)
{
	static const char t[] = "{\"type\":\"req\",\"id\":\"\\u00e9\\ud83d\\ude00"
	    "\xe2\x82\xac\",\"params\":{\"a\":[1.5e3,true,null,{\"b\":\"c\"}]}}";
	size_t	 i;

	(void)state;
	assert_int_equal(check(t, sizeof(t) - 1), SKIM_OK);
	for (i = 0; i < sizeof(t) - 1; i++)
		assert_int_not_equal(check(t, i), SKIM_OK);
}

static void
test_frame(void **state)
{
	static const char t[] = " {\"type\":\"req\",\"id\":\"a\\\"b\", "
	    "\"meth\\u006fd\" : \"health\",\"params\":{\"x\":[1,{\"y\":2}]}} ";
	struct skim_frame	 f;
	struct skim_val		 v;
	char			 buf[16];

	(void)state;
	assert_int_equal(skim_frame(t, sizeof(t) - 1, &f), SKIM_OK);
	assert_true(skim_is(&f.type, "req"));
	assert_int_equal(f.id.kind, SKIM_STRING);
	assert_int_equal(skim_unescape(&f.id, buf, sizeof(buf)), 3);
	assert_string_equal(buf, "a\"b");
	assert_true(skim_is(&f.method, "health"));
	assert_int_equal(f.params.kind, SKIM_OBJECT);
	assert_memory_equal(f.params.p, "{\"x\":[1,{\"y\":2}]}", f.params.n);
	assert_false(f.other);
	assert_false(f.odd);
	assert_true(skim_get(&f.params, "x", &v));
	assert_int_equal(v.kind, SKIM_ARRAY);
	assert_false(skim_get(&f.params, "y", &v));
	assert_int_equal(v.kind, SKIM_ABSENT);

	assert_int_equal(skim_frame("{\"z\":1,\"id\":1,\"id\":\"b\"}", 23, &f),
	    SKIM_OK);
	assert_true(f.other);
	assert_true(skim_is(&f.id, "b"));
	assert_int_equal(skim_frame("[1]", 3, &f), SKIM_OK);
	assert_int_equal(f.root.kind, SKIM_ARRAY);
}

static void
test_odd(void **state)
{
	static const char *const odd[][2] = {
		{ "{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\ufffdy\"}" },
		{ "{\"a\":\"\\ud83d\"}", "{\"a\":\"\\ufffd\"}" },
		{ "{\"a\":\"\\uDE00\\ud83d\\ude00\"}",
		    "{\"a\":\"\\ufffd\\ud83d\\ude00\"}" },
		{ "{\"a\":\"\\ud83d\\ud83d\\ude00\"}",
		    "{\"a\":\"\\ufffd\\ud83d\\ude00\"}" },
		{ "{\"a\":\"\\ud83d\\\\ude00\"}",
		    "{\"a\":\"\\ufffd\\\\ude00\"}" },
		{ "{\"\\u0000\":\"\\\\u0000\"}", "{\"\\ufffd\":\"\\\\u0000\"}" },
	};
	struct skim_frame	 f;
	struct skim_val		 v;
	char			 buf[64], out[64];
	size_t			 i, n;

	(void)state;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		n = strlen(odd[i][0]);
		memcpy(buf, odd[i][0], n + 1);
		assert_int_equal(skim_frame(buf, n, &f), SKIM_OK);
		assert_true(f.odd);
		skim_repair(buf, n);
		assert_string_equal(buf, odd[i][1]);
		assert_int_equal(skim_frame(buf, n, &f), SKIM_OK);
		assert_false(f.odd);
	}
	/* "\\u0000" with an escaped backslash is six plain characters */
	assert_int_equal(skim_frame("{\"a\":\"\\\\u0000\"}", 15, &f), SKIM_OK);
	assert_false(f.odd);
	assert_int_equal(skim_text("\"\\u0000\\ud800x\"", 15, &v), SKIM_OK);
	assert_int_equal(skim_unescape(&v, out, sizeof(out)), 7);
	assert_string_equal(out, "\xef\xbf\xbd\xef\xbf\xbdx");
}

static void
test_walk(void **state)
{
	static const char	 t[] = "{\"a\": 1 ,\"b\":\"x,}\\\"]\",\"c\":"
	    "[true,null,[\"]\"],{\"k\":\"}\"}],\"d\":-1.5e3}";
	struct skim_iter	 it, in;
	struct skim_val		 root, k, v;
	static const char *const keys[] = { "a", "b", "c", "d" };
	static const enum skim_kind kinds[] = { SKIM_NUMBER, SKIM_STRING,
	    SKIM_ARRAY, SKIM_NUMBER };
	static const enum skim_kind inner[] = { SKIM_BOOL, SKIM_NULL,
	    SKIM_ARRAY, SKIM_OBJECT };
	size_t			 n = 0, m;

	(void)state;
	assert_int_equal(skim_text(t, sizeof(t) - 1, &root), SKIM_OK);
	skim_iter_init(&it, &root);
	while (skim_next(&it, &k, &v)) {
		assert_true(skim_is(&k, keys[n]));
		assert_int_equal(v.kind, kinds[n]);
		if (n == 1) {
			assert_true(v.escaped);
			assert_true(skim_is(&v, "x,}\"]"));
		}
		if (n == 2) {
			skim_iter_init(&in, &v);
			for (m = 0; skim_next(&in, NULL, &k); m++)
				assert_int_equal(k.kind, inner[m]);
			assert_int_equal(m, 4);
		}
		n++;
	}
	assert_int_equal(n, 4);
	assert_false(skim_next(&it, &k, &v));
	assert_int_equal(skim_text("[]", 2, &root), SKIM_OK);
	skim_iter_init(&it, &root);
	assert_false(skim_next(&it, &k, &v));
	assert_int_equal(skim_text("1", 1, &root), SKIM_OK);
	skim_iter_init(&it, &root);
	assert_false(skim_next(&it, &k, &v));
}

static void
test_int(void **state)
{
	static const struct {
		const char	*s;
		bool		 ok;
		int64_t		 v;
	} t[] = {
		{ "0", true, 0 }, { "-0", true, 0 }, { "3", true, 3 },
		{ "3.0", true, 3 }, { "3e0", true, 3 }, { "30e-1", true, 3 },
		{ "3.5", false, 0 }, { "1e2", true, 100 },
		{ "9007199254740992", true, 9007199254740992 },
		{ "-9007199254740992", true, -9007199254740992 },
		{ "9007199254740994", false, 0 }, { "1e400", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "1e-400", true, 0 }, { "\"3\"", false, 0 },
		{ "1769688000000", true, 1769688000000 },
	};
	struct skim_val	 v;
	int64_t		 r;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(skim_text(t[i].s, strlen(t[i].s), &v),
		    SKIM_OK);
		if (skim_int(&v, &r) != t[i].ok ||
		    (t[i].ok && r != t[i].v))
			fail_msg("%s", t[i].s);
	}
}

static void
test_chars(void **state)
{
	static const struct { const char *s; size_t n; } t[] = {
		{ "\"\"", 0 }, { "\"abc\"", 3 }, { "\"\xe2\x82\xac\"", 1 },
		{ "\"\\n\\u20ac\xe2\x82\xac\"", 3 },
		{ "\"\\ud83d\\ude00\"", 1 }, { "\"\\ud83dx\"", 2 },
	};
	struct skim_val	 v;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(skim_text(t[i].s, strlen(t[i].s), &v),
		    SKIM_OK);
		assert_int_equal(skim_chars(&v), t[i].n);
	}
}

static void
test_unescape_bound(void **state)
{
	struct skim_val	 v;
	char		 buf[8];

	(void)state;
	assert_int_equal(skim_text("\"1234567\"", 9, &v), SKIM_OK);
	assert_int_equal(skim_unescape(&v, buf, 8), 7);
	assert_int_equal(skim_unescape(&v, buf, 7), -1);
	assert_int_equal(skim_unescape(&v, buf, 0), -1);
	assert_int_equal(skim_text("\"12345\\n\"", 9, &v), SKIM_OK);
	assert_int_equal(skim_unescape(&v, buf, 7), 6);
	assert_int_equal(skim_unescape(&v, buf, 6), -1);
}

static void
test_writer(void **state)
{
	struct dbuf	 b;
	struct jw	 w;
	struct skim_val	 v;
	unsigned int	 c;
	char		 raw[256], back[2048];

	(void)state;
	dbuf_init(&b, 1 << 16);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "a", "x\"y\\z\n\x01\x7f");
	jw_kint(&w, "b", INT64_MIN);
	jw_kuint(&w, "c", UINT64_MAX);
	jw_karr(&w, "d");
	jw_bool(&w, true);
	jw_null(&w);
	jw_obj(&w);
	jw_obj_end(&w);
	jw_arr_end(&w);
	jw_kstr_opt(&w, "e", (struct str){ "", 0 });
	jw_kraw(&w, "f", "[1]", 3);
	jw_keystr(&w, STR_LIT("g\""));
	jw_s(&w, "\xff\xc3\xa9");
	jw_obj_end(&w);
	assert_false(dbuf_err(&b));
	assert_string_equal(dbuf_str(&b), "{\"a\":\"x\\\"y\\\\z\\n\\u0001\x7f\","
	    "\"b\":-9223372036854775808,\"c\":18446744073709551615,"
	    "\"d\":[true,null,{}],\"f\":[1],\"g\\\"\":"
	    "\"\xef\xbf\xbd\xc3\xa9\"}");
	assert_int_equal(skim_text(b.p, b.n, &v), SKIM_OK);

	/* whatever goes in is read back, or was replaced */
	for (c = 0; c < 128; c++)
		raw[c] = (char)(c == 0 ? 1 : c);
	dbuf_reset(&b);
	json_quote(&b, raw, 128);
	assert_int_equal(skim_text(b.p, b.n, &v), SKIM_OK);
	assert_int_equal(skim_unescape(&v, back, sizeof(back)), 128);
	assert_memory_equal(raw, back, 128);
	for (c = 0; c < 256; c++)
		raw[c] = (char)c;
	dbuf_reset(&b);
	json_quote(&b, raw, 256);
	assert_int_equal(skim_text(b.p, b.n, &v), SKIM_OK);
	dbuf_clear(&b);

	dbuf_init(&b, 8);
	jw_init(&w, &b);
	jw_s(&w, "longer than that");
	assert_true(dbuf_err(&b));
	dbuf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_T47_depth),
		cmocka_unit_test(test_every_prefix_ends_early),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_odd),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_chars),
		cmocka_unit_test(test_unescape_bound),
		cmocka_unit_test(test_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
