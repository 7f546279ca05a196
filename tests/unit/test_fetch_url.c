/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Addresses of pages, as models and pages write them. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "toold/fetch/fetch_url.h"

static void
test_forms(void **state)
{
	static const struct { const char *in, *out; } good[] = {
		{ "http://Example.COM", "http://example.com/" },
		{ " https://example.com/a b\n", "https://example.com/a%20b" },
		{ "https://example.com:443/x", "https://example.com/x" },
		{ "http://example.com:443/x", "http://example.com:443/x" },
		{ "http://example.com./", "http://example.com/" },
		{ "http://[::1]:8080/", "http://[::1]:8080/" },
		{ "http://h?q=1#frag", "http://h/?q=1" },
		{ "http://h/a/../b/./c//d", "http://h/b/c//d" },
		{ "http://h/../../etc", "http://h/etc" },
		{ "http://h/a/..", "http://h/" },
		{ "http://h/a/.?x=/../y", "http://h/a/?x=/../y" },
		{ "http://h\\a\\b?c\\d", "http://h/a/b?c%5Cd" },
		{ "http://h/\xc3\xa4\"<>`{}|^", "http://h/%C3%A4%22%3C%3E%60"
		    "%7B%7D%7C%5E" },
		{ "http://h/%41%2e", "http://h/%41%2e" },
		{ "http://h/a@b", "http://h/a@b" },
	};
	static const char *const bad[] = {
		"", "h", "//h/", "ftp://h/", "file:///etc/passwd",
		"javascript:alert(1)", "http://", "http:///x", "http://u@h/",
		"http://u:p@h/", "http://u:p@h:80@evil/", "http://h:0/",
		"http://h:65536/", "http://h:/", "http://h:8a/", "http://a b/",
		"http://\xc3\xa4.example/", "http://a%2eb/", "http://[::1/",
		"http://.", "http://../", "http://a..b/", "data:text/html,x", "http:/h/", "gopher://h",
	};
	struct fetch_url	 u;
	char			 text[FETCH_URL_MAX];
	const char		*why;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		why = "";
		if (fetch_url_parse(str_of(good[i].in), &u, &why) == -1)
			fail_msg("%s: %s", good[i].in, why);
		fetch_url_text(&u, text);
		assert_string_equal(text, good[i].out);
		/* What came out is its own form. */
		assert_int_equal(fetch_url_parse(str_of(text), &u, &why), 0);
		fetch_url_text(&u, text);
		assert_string_equal(text, good[i].out);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why = "";
		if (fetch_url_parse(str_of(bad[i]), &u, &why) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_true(why[0] != '\0');
	}
}

static void
test_relative(void **state)
{
	static const struct { const char *ref, *out; } refs[] = {
		{ "", "https://h/a/b?q" }, { "#x", "https://h/a/b?q" },
		{ "c", "https://h/a/c" }, { "./c?d", "https://h/a/c?d" },
		{ "../c", "https://h/c" }, { "../../../c", "https://h/c" },
		{ "/c", "https://h/c" }, { "?z", "https://h/a/b?z" },
		{ "//i/c", "https://i/c" }, { "\\\\i\\c", "https://i/c" },
		{ "http://i", "http://i/" }, { "c:d", NULL },
		{ "mailto:x@y", NULL }, { "JavaScript:x", NULL },
		{ "//u@i/", NULL }, { "http:c", NULL },
	};
	struct fetch_url	 base, u;
	char			 text[FETCH_URL_MAX];
	const char		*why;
	size_t			 i;

	(void)state;
	assert_int_equal(fetch_url_parse(STR_LIT("https://h/a/b?q"), &base,
	    &why), 0);
	for (i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		if (refs[i].out == NULL) {
			if (fetch_url_resolve(&base, str_of(refs[i].ref), &u,
			    &why) == 0)
				fail_msg("%s was taken", refs[i].ref);
			continue;
		}
		assert_int_equal(fetch_url_resolve(&base, str_of(refs[i].ref),
		    &u, &why), 0);
		fetch_url_text(&u, text);
		assert_string_equal(text, refs[i].out);
	}
}

static void
test_limits(void **state)
{
	static char		 big[3 * FETCH_URL_MAX];
	struct fetch_url	 base, u;
	const char		*why;
	size_t			 i;

	(void)state;
	assert_int_equal(fetch_url_parse(STR_LIT("http://h/"), &base, &why), 0);
	/* Whatever the length: in bounds, or refused. */
	for (i = 2000; i < sizeof(big); i += 131) {
		memset(big, 'a', sizeof(big));
		memcpy(big, "http://h/", 9);
		if (fetch_url_parse((struct str){ big, i }, &u, &why) == 0)
			assert_true(strlen(u.target) < FETCH_TARGET_MAX);
		else
			assert_string_equal(why, "is too long");
		memset(big, 0xe4, sizeof(big));
		if (fetch_url_resolve(&base, (struct str){ big, i }, &u,
		    &why) == 0)
			assert_true(strlen(u.target) < FETCH_TARGET_MAX);
		else
			assert_string_equal(why, "is too long");
	}
	memset(big, 'h', 600);
	memcpy(big, "http://", 7);
	assert_int_equal(fetch_url_parse((struct str){ big, 600 }, &u, &why),
	    -1);
	assert_int_equal(fetch_url_parse((struct str){ "http://h/\0x", 11 },
	    &u, &why), -1);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
