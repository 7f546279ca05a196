/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Credentials in texts: what is taken out, and what must stay (T38). */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/mask.h"

static void
is(const char *in, const char *want)
{
	struct dbuf	 d;

	dbuf_init(&d, 65536);
	assert_int_equal(mask_text(str_of(in), &d), 0);
	assert_string_equal(dbuf_str(&d), want);
	dbuf_clear(&d);
}

static void
test_T38_taken_out(void **state)
{
	(void)state;
	is("ANTHROPIC_API_KEY=abcdef123456\nx", "ANTHROPIC_API_KEY=[redacted]"
	    "\nx");
	is("export DB_PASSWORD = 'a b c d'", "export DB_PASSWORD = '[redacted]'"
	    );
	is("GITHUB_TOKEN: abcd, next", "GITHUB_TOKEN: [redacted], next");
	is("{\"apiKey\": \"v4lue\", \"a\":1}",
	    "{\"apiKey\": \"[redacted]\", \"a\":1}");
	is("{\"password\":\"pa ss, word\"}", "{\"password\":\"[redacted]\"}");
	is("curl --token abcdef -v", "curl --token [redacted] -v");
	is("x --api-key=abcdef", "x --api-key=[redacted]");
	is("Authorization: Bearer abcdefghijklmnopqrstuv.wx",
	    "Authorization: Bearer [redacted]");
	is("key sk-ant-REDACTED!", "key [redacted]!");
	is("ghp_abcdefghijklmnopqrstuvwxyz012345",
	    "[redacted]");
	is("(xoxb-1234-5678-abcd)", "([redacted])");
	is("AKIAABCDEFGHIJKLMNOP", "[redacted]");
	is("bot 123456789:AAabcdefghijklmnopqrstuv", "bot [redacted]");
	is("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc_def-123",
	    "[redacted]");
	is("a\n-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n"
	    "-----END OPENSSH PRIVATE KEY-----\nb", "a\n[redacted]\nb");
	is("-----BEGIN PRIVATE KEY-----\nno end", "[redacted]");
}

static void
test_kept(void **state)
{
	static const char *const same[] = { "", "plain text", "KEY=1",
		"MONKEY: see", "API_KEY=$OTHER", "API_KEY=<your key>",
		"keyboard=qwerty", "task-sk-12345678901", "Bearer of news",
		"a:b:c", "12:34:56", "12345:67890", "sk-short",
		"-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
		"http://localhost:18789/x", "eyJ", "token", "\"token\": 5",
		"--token --other", "hf_x" };
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		is(same[i], same[i]);
	/* twice is the same as once */
	is("API_KEY=[redacted] --token [redacted]",
	    "API_KEY=[redacted] --token [redacted]");
}

static void
test_linear(void **state)
{
	struct dbuf	 d;
	uint64_t	 at = mono_ms();
	size_t		 n = 2 << 20, i;
	char		*p = malloc(n);
	static const char *const bad[] = { "A_KEY=", "\"token\":", "=:",
		"-----BEGIN ", "1", "Bearer ", "sk-", "A", "A_KEY=$", "--token=-",
		"eyJ.", "sk-a.", "A_KEY= ", "-----BEGIN PRIVATE "
		"KEY-----", "'\"" };

	(void)state;
	assert_non_null(p);
	dbuf_init(&d, 16 << 20);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t	 len = strlen(bad[i]), k;

		for (k = 0; k + len <= n; k += len)
			memcpy(p + k, bad[i], len);
		dbuf_reset(&d);
		assert_int_equal(mask_text((struct str){p, k}, &d), 0);
	}
	/* Quadratic would be hours. */
	assert_true(mono_ms() - at < 60000);
	dbuf_clear(&d);
	free(p);
}

static void
test_T38_streams(void **state)
{
	char	 line[5000];

	(void)state;
	assert_int_equal(mask_safe(STR_LIT("a\nb\nAPI_K")), 4);
	assert_int_equal(mask_safe(STR_LIT("a\n")), 2);
	assert_int_equal(mask_safe(STR_LIT("abc")), 0);
	memset(line, 'x', sizeof(line));
	assert_int_equal(mask_safe((struct str){line, sizeof(line)}), 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T38_taken_out),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_T38_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
