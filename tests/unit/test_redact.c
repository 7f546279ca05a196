/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* T38: shapes of secrets leave no trace; plain words stay. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/redact.h"

static void
test_T38_secret_shapes(void **state)
{
	static const struct { const char *in, *out; } t[] = {
		{ "plain text, session key: agent:main:main",
		  "plain text, session key: agent:main:main" },
		{ "sk-abcdefgh", "***" },
		{ "key sk-ant-api03-CANARYCANARYCANARY end",
		  "key sk-ant…NARY end" },
		{ "task-list is not a key", "task-list is not a key" },
		{ "ghp_0123456789012345678901", "ghp_01…8901" },
		{ "https://api.telegram.org/bot1234567:AAEcanaryCANARYcanaryCAN/getMe",
		  "https://api.telegram.org/bot123456…yCAN/getMe" },
		{ "Authorization: Bearer abcdefghijklmnopqrstuvwxyz",
		  "Authorization: Bearer abcdef…wxyz" },
		{ "OPENAI_API_KEY=canary", "OPENAI_API_KEY=***" },
		{ "export MY_TOKEN=\"can ary\" x", "export MY_TOKEN=\"***\" x" },
		{ "{\"token\": \"canary\", \"a\":1}",
		  "{\"token\": \"***\", \"a\":1}" },
		{ "{\\\"password\\\":\\\"canary\\\"}",
		  "{\\\"password\\\":\\\"***\\\"}" },
		{ "run --token canary --x", "run --token *** --x" },
		{ "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\nz",
		  "-----BEGIN PRIVATE KEY-----…-----END PRIVATE KEY-----\nz" },
		{ "12:30:45 123456: short", "12:30:45 123456: short" },
		{ "monkey=3", "monkey=3" },
	};
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		dbuf_init(&b, 4096);
		assert_int_equal(redact(t[i].in, strlen(t[i].in), &b),
		    strcmp(t[i].in, t[i].out) != 0);
		assert_string_equal(dbuf_str(&b), t[i].out);
		assert_null(strstr(dbuf_str(&b), "canary"));
		dbuf_clear(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_T38_secret_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
