/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "toold/edit.h"

static struct dbuf		 text, diff;
static struct edit_result	 res;

static enum edit_err
one(const char *file, const char *old, const char *new)
{
	struct edit	 e = {str_of(old), str_of(new)};

	dbuf_reset(&text);
	dbuf_reset(&diff);
	return edit_apply(str_of(file), &e, 1, &text, &diff, &res);
}

static void
test_exact(void **state)
{
	(void)state;
	assert_int_equal(one("a\nb\nc\n", "b\n", "B\nBB\n"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "a\nB\nBB\nc\n");
	assert_int_equal(res.first_line, 2);
	assert_false(res.fuzzy);
	assert_string_equal(dbuf_str(&diff),
	    "@@ -1 +1 @@\n a\n-b\n+B\n+BB\n c\n");
	assert_int_equal(one("hello world", "world", "you"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "hello you");
	assert_string_equal(dbuf_str(&diff), "@@ -1 +1 @@\n-hello world\n"
	    "\\ no newline at the end\n+hello you\n"
	    "\\ no newline at the end\n");
	/* deletion of a whole line */
	assert_int_equal(one("1\n2\n3\n", "2\n", ""), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "1\n3\n");
	assert_string_equal(dbuf_str(&diff), "@@ -1 +1 @@\n 1\n-2\n 3\n");
	/* joined lines */
	assert_int_equal(one("1\n2\n3\n", "\n2", " 2"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "1 2\n3\n");
	/* all of it */
	assert_int_equal(one("x", "x", ""), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "");
}

static void
test_errors(void **state)
{
	struct edit	 e[2];

	(void)state;
	assert_int_equal(one("a b a", "a", "c"), EDIT_SEVERAL);
	assert_int_equal(res.count, 2);
	assert_int_equal(one("abc", "x", "y"), EDIT_NONE);
	assert_int_equal(one("abc", "", "y"), EDIT_EMPTY);
	assert_int_equal(one("abc", "b", "b"), EDIT_SAME);
	assert_int_equal(one("", "b", "c"), EDIT_NONE);
	e[0] = (struct edit){str_of("abc"), str_of("1")};
	e[1] = (struct edit){str_of("cde"), str_of("2")};
	dbuf_reset(&text);
	assert_int_equal(edit_apply(str_of("abcdef"), e, 2, &text, NULL, &res),
	    EDIT_OVERLAP);
	e[1].old_text = str_of("zz");
	assert_int_equal(edit_apply(str_of("abcdef"), e, 2, &text, NULL, &res),
	    EDIT_NONE);
	assert_int_equal(res.which, 1);
}

static void
test_several_edits(void **state)
{
	struct edit	 e[2] = {
		{ STR_LIT("nine\n"), STR_LIT("9\n9a\n") },
		{ STR_LIT("two\n"), STR_LIT("2\n") },
	};

	(void)state;
	dbuf_reset(&text);
	dbuf_reset(&diff);
	assert_int_equal(edit_apply(STR_LIT("one\ntwo\nthree\nfour\nfive\n"
	    "six\nseven\neight\nnine\nten\n"), e, 2, &text, &diff, &res),
	    EDIT_OK);
	assert_string_equal(dbuf_str(&text), "one\n2\nthree\nfour\nfive\nsix\n"
	    "seven\neight\n9\n9a\nten\n");
	assert_int_equal(res.first_line, 2);
	assert_string_equal(dbuf_str(&diff), "@@ -1 +1 @@\n one\n-two\n+2\n"
	    " three\n four\n five\n@@ -6 +6 @@\n six\n seven\n eight\n-nine\n"
	    "+9\n+9a\n ten\n");
}

static void
test_line_endings(void **state)
{
	(void)state;
	/* CR LF stays, also in what is new */
	assert_int_equal(one("a\r\nb\r\nc\r\n", "b\nc\n", "x\ny\nz\n"),
	    EDIT_OK);
	assert_string_equal(dbuf_str(&text), "a\r\nx\r\ny\r\nz\r\n");
	/* the passage may have either */
	assert_int_equal(one("a\nb\n", "a\r\nb\r\n", "c\r\n"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "c\n");
	/* a mixed file keeps what is not touched */
	assert_int_equal(one("a\r\nb\nc\r\n", "b\n", "B\n"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "a\r\nB\nc\r\n");
	/* byte order mark */
	assert_int_equal(one("\xef\xbb\xbf" "one\n", "one", "two"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "\xef\xbb\xbf" "two\n");
}

static void
test_fuzzy(void **state)
{
	(void)state;
	/* blanks at line ends */
	assert_int_equal(one("if (x)  \n\treturn;\t\nend\n",
	    "if (x)\n\treturn;\n", "y\n"), EDIT_OK);
	assert_true(res.fuzzy);
	assert_string_equal(dbuf_str(&text), "y\nend\n");
	/* typographic quotes, dashes and spaces, on either side */
	assert_int_equal(one("say \xe2\x80\x9chi\xe2\x80\x9d \xe2\x80\x93 "
	    "it\xe2\x80\x99s\xc2\xa0ok \xe2\x80\x9crest\xe2\x80\x9d\n",
	    "\"hi\" - it's ok", "bye"), EDIT_OK);
	assert_string_equal(dbuf_str(&text),
	    "say bye \xe2\x80\x9crest\xe2\x80\x9d\n");
	assert_int_equal(one("a - \"b\"\n", "a \xe2\x80\x94 \xe2\x80\x9c" "b",
	    "c"), EDIT_OK);
	assert_string_equal(dbuf_str(&text), "c\"\n");
	/* twice is still twice */
	assert_int_equal(one("x \ny\nx\t\ny\n", "x\ny\n", "z"), EDIT_SEVERAL);
	/* exact wins over fuzzy */
	assert_int_equal(one("x \ny\nx\ny\n", "x\ny\n", "z\n"), EDIT_OK);
	assert_false(res.fuzzy);
	assert_string_equal(dbuf_str(&text), "x \ny\nz\n");
}

static void
test_large(void **state)
{
	struct edit	 e = {STR_LIT("needle"), STR_LIT("thread")};
	char		*p;
	size_t		 n = EDIT_FILE_MAX, i;

	(void)state;
	p = malloc(n + 1);
	assert_non_null(p);
	for (i = 0; i < n; i++)
		p[i] = i % 64 == 63 ? '\n' : 'x';
	memcpy(p + n / 2, "needle", 6);
	dbuf_reset(&text);
	dbuf_reset(&diff);
	assert_int_equal(edit_apply((struct str){p, n}, &e, 1, &text, &diff,
	    &res), EDIT_OK);
	assert_int_equal(text.n, n);
	assert_true(diff.n < 1024);
	e.new_text = STR_LIT("longer than before");
	dbuf_reset(&text);
	assert_int_equal(edit_apply((struct str){p, n}, &e, 1, &text, NULL,
	    &res), EDIT_TOO_LARGE);
	assert_int_equal(edit_apply((struct str){p, n + 1}, &e, 1, &text, NULL,
	    &res), EDIT_TOO_LARGE);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_several_edits),
		cmocka_unit_test(test_line_endings),
		cmocka_unit_test(test_fuzzy),
		cmocka_unit_test(test_large),
	};
	int	 rv;

	dbuf_init(&text, EDIT_FILE_MAX);
	dbuf_init(&diff, EDIT_DIFF_MAX);
	rv = cmocka_run_group_tests(tests, NULL, NULL);
	dbuf_clear(&text);
	dbuf_clear(&diff);
	return rv;
}
