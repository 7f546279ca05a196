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
		  "-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----\nz" },
		{ "12:30:45 123456: short", "12:30:45 123456: short" },
		{ "monkey=3", "monkey=3" },
	};
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		dbuf_init(&b, 4096);
		assert_int_equal(redact_text(str_of(t[i].in), REDACT_LOG,
		    &b), 0);
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
	redact_text(str_of(in), REDACT_LOG, &b);
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
	    "-----BEGIN RSA PRIVATE KEY-----***"
	    "-----END RSA PRIVATE KEY-----\nrest");
	masks("-----BEGIN PRIVATE KEY-----\nMIIE",
	    "-----BEGIN PRIVATE KEY-----***");
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

static void
model(const char *in, const char *want)
{
	struct dbuf	 d;

	dbuf_init(&d, 65536);
	assert_int_equal(redact_text(str_of(in), REDACT_MODEL, &d), 0);
	assert_string_equal(dbuf_str(&d), want);
	dbuf_clear(&d);
}

static void
test_T38_nothing_kept_for_models(void **state)
{
	(void)state;
	model("ANTHROPIC_API_KEY=abcdef123456\nx", "ANTHROPIC_API_KEY=[redacted]"
	    "\nx");
	model("export DB_PASSWORD = 'a b c d'", "export DB_PASSWORD = '[redacted]'"
	    );
	model("cc -DAPI_KEY=abcdef env.DB_SECRET=abcdef",
	    "cc -DAPI_KEY=[redacted] env.DB_SECRET=[redacted]");
	model("GITHUB_TOKEN: abcd, next", "GITHUB_TOKEN: [redacted], next");
	model("{\"apiKey\": \"v4lue\", \"a\":1}",
	    "{\"apiKey\": \"[redacted]\", \"a\":1}");
	model("{\"password\":\"pa ss, word\"}", "{\"password\":\"[redacted]\"}");
	model("curl --token abcdef -v", "curl --token [redacted] -v");
	model("x --api-key=abcdef", "x --api-key=[redacted]");
	model("Authorization: Bearer abcdefghijklmnopqrstuv.wx",
	    "Authorization: Bearer [redacted]");
	model("key sk-ant-REDACTED!", "key [redacted]!");
	model("ghp_abcdefghijklmnopqrstuvwxyz012345",
	    "[redacted]");
	model("(xoxb-1234-5678-abcd)", "([redacted])");
	model("AKIAABCDEFGHIJKLMNOP", "[redacted]");
	model("bot 123456789:AAabcdefghijklmnopqrstuv", "bot [redacted]");
	model("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc_def-123",
	    "[redacted]");
	model("a\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n"
	    "-----END OPENSSH PRIVATE KEY-----\nb", "a\n[redacted]\nb");
	model("-----BEGIN PRIVATE KEY-----\nno end", "[redacted]");
}

static void
test_harmless_for_models(void **state)
{
	static const char *const same[] = { "", "plain text", "KEY=1",
		"MONKEY: see", "API_KEY=$OTHER", "API_KEY=<your key>",
		"keyboard=qwerty", "task-sk-12345678901", "Bearer of news",
		"a:b:c", "12:34:56", "12345:67890", "sk-short",
		"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
		"http://localhost:18789/x", "eyJ", "token", "\"token\": 5", "token = next(lexer);",
		"\"nextPageToken\": \"abcdef\"",
		"--token --other", "hf_x" };
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		model(same[i], same[i]);
	/* twice is the same as once */
	model("API_KEY=[redacted] --token [redacted]",
	    "API_KEY=[redacted] --token [redacted]");
}

static void
test_T38_streams(void **state)
{
	char	 line[5000];

	(void)state;
	assert_int_equal(redact_safe(STR_LIT("a\nb\nAPI_K")), 4);
	assert_int_equal(redact_safe(STR_LIT("a\n")), 2);
	assert_int_equal(redact_safe(STR_LIT("abc")), 0);
	memset(line, 'x', sizeof(line));
	assert_int_equal(redact_safe((struct str){line, sizeof(line)}), 5000);
}

/* Text that is all beginnings must not cost more than its length. */
static void
test_linear(void **state)
{
	struct dbuf	 d;
	clock_t		 at = clock();
	size_t		 n = 2 << 20, i;
	char		*p = malloc(n);
	static const char *const bad[] = { "A_KEY=", "\"token\":", "=:",
		"-----BEGIN ", "1", "Bearer ", "sk-", "A", "A_KEY=$", "--token=-",
		"eyJ.", "sk-a.", "A_KEY= ", "-----BEGIN PRIVATE "
		"KEY-----", "'\"", "a=", "://u:", "key=\"" };

	(void)state;
	assert_non_null(p);
	dbuf_init(&d, 16 << 20);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t	 len = strlen(bad[i]), k;

		for (k = 0; k + len <= n; k += len)
			memcpy(p + k, bad[i], len);
		dbuf_reset(&d);
		assert_int_equal(redact_text((struct str){p, k},
		    REDACT_MODEL, &d), 0);
		dbuf_reset(&d);
		assert_int_equal(redact_text((struct str){p, k},
		    REDACT_LOG, &d), 0);
	}
	/* Quadratic would be hours; of our own time, not of others'. */
	assert_true(clock() - at < 120 * CLOCKS_PER_SEC);
	dbuf_clear(&d);
	free(p);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_T38_secret_shapes),
		cmocka_unit_test(test_T38_more_shapes),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_T38_nothing_kept_for_models),
		cmocka_unit_test(test_harmless_for_models),
		cmocka_unit_test(test_T38_streams),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
