/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Merge patches on trees and on text. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "gatewayd/config/edit.h"

static struct json5_pool	*pool;

static struct json5 *
parse(const char *s)
{
	struct json5_error	 err;
	struct json5		*v = json5_parse(pool, 0, s, strlen(s), &err);

	if (v == NULL)
		fail_msg("%s: %s", s, err.text);
	return v;
}

static void
expect(const char *src, const char *patch, const char *want)
{
	struct dbuf	 out;

	pool = json5_pool_new(1u << 20);
	dbuf_init(&out, 1u << 20);
	assert_int_equal(edit_text(pool, str_of(src), parse(src), parse(patch),
	    &out), 0);
	assert_string_equal(dbuf_str(&out), want);
	dbuf_clear(&out);
	json5_pool_free(pool);
}

static void
test_text(void **state)
{
	/* replace, add, remove; on one line */
	expect("{a: 1, b: 2}", "{a: 3}", "{a: 3, b: 2}");
	expect("{a: 1, b: 2}", "{c: 3}", "{a: 1, b: 2, \"c\": 3}");
	expect("{a: 1, b: 2}", "{a: null}", "{ b: 2}");
	expect("{a: 1, b: 2}", "{b: null}", "{a: 1}");
	expect("{a: 1, b: 2}", "{b: null, c: {d: [1]}}",
	    "{a: 1, \"c\": {\"d\":[1]}}");
	expect("{a: 1}", "{a: null}", "{}");
	expect("{a: 1,}", "{a: null}", "{}");
	expect("{a: 1}", "{b: null}", "{a: 1}");
	expect("{}", "{a: {b: 1}}", "{\n  \"a\": {\n    \"b\": 1\n  }\n}");
	/* objects are gone into, anything else is replaced */
	expect("{a: {b: 1 /* c */, d: 2}}", "{a: {d: null}}",
	    "{a: {b: 1 /* c */}}");
	expect("{a: [1, 2]}", "{a: [3]}", "{a: [3]}");
	expect("{a: 1}", "{a: {b: null, c: 2}}", "{a: {\"c\":2}}");
	/* lines and comments */
	expect("// head\n{\n  a: 1, // of a\n  // above b\n  b: 2, // of b\n"
	    "  c: 3 // of c\n}\n// tail\n", "{b: null}",
	    "// head\n{\n  a: 1, // of a\n  c: 3 // of c\n}\n// tail\n");
	expect("{\n\ta: 1, // of a\n\tc: 3 // of c\n\t// last\n}\n",
	    "{d: {e: 1}}", "{\n\ta: 1, // of a\n\tc: 3, // of c\n"
	    "\t\"d\": {\n\t  \"e\": 1\n\t}\n\t// last\n}\n");
	expect("{\n  a: 1,\n  b: 2, /* x, y */\n}\n", "{b: null}",
	    "{\n  a: 1,\n}\n");
	expect("{ 'a,b': \"},{\", /* , } */ c: 1 }", "{c: 2, d: 3}",
	    "{ 'a,b': \"},{\", /* , } */ c: 2, \"d\": 3 }");
}

static void
test_what_cannot_be_kept(void **state)
{
	/* A key twice: the first would come back. */
	expect("{a: 1, a: 2, b: 3 /* lost */}", "{a: null}",
	    "{\n  \"b\": 3\n}\n");
	expect("[1]", "{a: 1}", "{\n  \"a\": 1\n}\n");
}

static void
test_same(void **state)
{
	static const struct {
		const char	*a, *b, *path;
	} t[] = {
		{ "{a: 1, b: {c: [1, 'x', null]}}",
		    "{b: {c: [1.0, \"x\", null]}, a: 1}", NULL },
		{ "{a: {b: 1}}", "{a: {b: 2}}", "a.b" },
		{ "{a: [1, {b: 1}]}", "{a: [1, {b: true}]}", "a.1.b" },
		{ "{a: {}}", "{a: {c: 1}}", "a.c" },
		{ "{a: {c: 1}}", "{a: {}}", "a.c" },
		{ "{a: [1]}", "{a: [1, 2]}", "a" },
		{ "{a: [1, 2]}", "{a: [1]}", "a.1" },
	};
	struct dbuf	 path;
	size_t		 i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		pool = json5_pool_new(1u << 20);
		dbuf_init(&path, 256);
		assert_int_equal(edit_same(parse(t[i].a), parse(t[i].b),
		    &path), t[i].path == NULL);
		if (t[i].path != NULL) {
			assert_int_equal(path.n, strlen(t[i].path));
			assert_memory_equal(path.p, t[i].path, path.n);
		}
		dbuf_clear(&path);
		json5_pool_free(pool);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_what_cannot_be_kept),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
