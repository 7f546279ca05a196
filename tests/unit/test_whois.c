/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What gatewayd-whois reads in the answer of tailscaled, and what it takes for
 * the same name. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gatewayd/whois/whois.h"

static void
test_T10_names_in_answers(void **state)
{
	static const struct {
		const char	*text, *login;
	} t[] = {
		{ "{\"UserProfile\":{\"LoginName\":\"a@b\"}}", "a@b" },
		{ "{\"UserProfile\":{\"LoginName\":\"\\u0061\"}}", "a" },
		{ "{\"Node\":{\"LoginName\":\"x\"},\"UserProfile\":"
		    "{\"ID\":1,\"LoginName\":\"a\",\"Groups\":[]}}", "a" },
		{ "{\"UserProfile\":{\"LoginName\":\" \"}}", NULL },
		{ "{\"UserProfile\":{\"LoginName\":\"\"}}", NULL },
		{ "{\"UserProfile\":{\"LoginName\":null}}", NULL },
		{ "{\"UserProfile\":{\"loginname\":\"a\"}}", NULL },
		{ "{\"UserProfile\":{\"LoginName\":\"a\"}", NULL },
		{ "{\"UserProfile\":{\"LoginName\":\"a\"}} x", NULL },
		{ "{\"UserProfile\":\"a\"}", NULL },
		{ "[]", NULL }, { "null", NULL }, { "", NULL },
	};
	char	 login[LOGIN_MAX], text[600];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(login_parse(t[i].text, strlen(t[i].text),
		    login), t[i].login != NULL);
		if (t[i].login != NULL)
			assert_string_equal(login, t[i].login);
	}
	/* As long as a header may be, and no longer. */
	for (i = 256; i <= 257; i++) {
		snprintf(text, sizeof(text), "{\"UserProfile\":{\"LoginName\":"
		    "\"%0*d\"}}", (int)i, 0);
		assert_int_equal(login_parse(text, strlen(text), login),
		    i == 256);
	}
}

static void
test_T10_same_names(void **state)
{
	(void)state;
	assert_true(login_same(str_of("A@b"), str_of(" a@B\t")));
	assert_false(login_same(str_of(""), str_of("")));
	assert_false(login_same(str_of(" "), str_of("")));
	assert_false(login_same(str_of("a"), str_of("ab")));
	assert_false(login_same(str_of("ab"), str_of("a")));
	assert_false(login_same(str_of("a"), str_of("b")));
	assert_false(login_same((struct str){ "a\0b", 3 }, str_of("a")));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T10_names_in_answers),
		cmocka_unit_test(test_T10_same_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
