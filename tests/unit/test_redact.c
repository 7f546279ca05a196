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

#define E	"\xe2\x80\xa6"

static void
masks(const char *in, const char *want)
{
	struct dbuf	 b;

	dbuf_init(&b, 1 << 20);
	redact(in, strlen(in), &b);
	assert_string_equal(dbuf_str(&b), want);
	dbuf_clear(&b);
}

static void
test_T38_more_shapes(void **state)
{
	(void)state;
	masks("key sk-ant-api03-abcdefghijklmnop used",
	    "key sk-ant" E "mnop used");
	masks("sk-abcdefgh", "***");
	masks("ghp_abcdefghijklmnopqrstuv", "ghp_ab" E "stuv");
	masks("xoxb-1234567890-abc", "xoxb-1" E "-abc");
	masks("AIzaSyA1234567890123456789", "AIzaSy" E "6789");
	masks("/bot123456789:AAabcdefghijklmnopqrstuvwx/getMe",
	    "/bot123456" E "uvwx/getMe");
	masks("token 123456:ABCDEFGHIJKLMNOPQRSTU here",
	    "token 123456" E "RSTU here");
	masks("Authorization: Bearer abcdefghijklmnopqrstuv",
	    "Authorization: Bearer abcdef" E "stuv");
	masks("bearer abcdefghijklmnopqrst x", "bearer abcdef" E "qrst x");
	masks("Authorization: Basic dXNlcjpwYXNzd29yZA==",
	    "Authorization: Basic dXNlcj" E "ZA==");
	masks("x-api-key: short", "x-api-key: ***");
	masks("Cookie: a=b; c=d", "Cookie: ***");
	masks("OPENAI_API_KEY=abc def", "OPENAI_API_KEY=*** def");
	masks("MY_TOKEN: abc", "MY_TOKEN: ***");
	masks("password=hunter2&x=1", "password=***&x=1");
	masks("#token=0123456789abcdef0123", "#token=012345" E "0123");
	masks("{\"apiKey\": \"abcdef\", \"x\": 1}",
	    "{\"apiKey\": \"***\", \"x\": 1}");
	masks("{\"accessToken\":\"abc\\\"def\",\"n\":2}",
	    "{\"accessToken\":\"***\",\"n\":2}");
	masks("{\\\"token\\\":\\\"abcdef\\\",\\\"n\\\":2}",
	    "{\\\"token\\\":\\\"***\\\",\\\"n\\\":2}");
	masks("run --api-key abc --password=def end",
	    "run --api-key *** --password=*** end");
	masks("https://user:secret@host/x", "https://user:***@host/x");
	masks("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n"
	    "-----END RSA PRIVATE KEY-----\nrest",
	    "-----BEGIN RSA PRIVATE KEY-----" E
	    "-----END RSA PRIVATE KEY-----\nrest");
	masks("-----BEGIN PRIVATE KEY-----\nMIIE",
	    "-----BEGIN PRIVATE KEY-----" E);
}

static void
test_harmless(void **state)
{
	static const char *const same[] = {
		"", "a", "gateway.auth.token: Gateway auth is set to token",
		"token: 5", "risk-averse asterisk-like", "12:34:56",
		"\"token\": 5", "\"token\": null", "maxTokens=5",
		"http://host:80/a@b", "sk-", "eyJ", "bearer of bad news",
		"-----BEGIN CERTIFICATE-----\nMIIE", "channel telegram: up",
		"monkey: see", "mainKey=main",
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		masks(same[i], same[i]);
}

/* Text that is all beginnings must not cost more than its length. */
static void
test_linear(void **state)
{
	static const char *const unit[] = { "sk-", "-----BEGIN ", "a=",
	    "://u:", "1", "bearer ", "\"token\":\"", "key=\"", "A_KEY:" };
	struct dbuf	 in, out;
	size_t		 i;
	uint64_t	 t0 = mono_ms();

	(void)state;
	for (i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		dbuf_init(&in, 1 << 20);
		dbuf_init(&out, 4 << 20);
		while (in.n + 16 < 8192)
			dbuf_puts(&in, unit[i]);
		redact(in.p, in.n, &out);
		assert_false(dbuf_err(&out));
		dbuf_clear(&in);
		dbuf_clear(&out);
	}
	assert_true(mono_ms() - t0 < 5000);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_T38_secret_shapes),
		cmocka_unit_test(test_T38_more_shapes),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
