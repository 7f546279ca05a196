/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "agentd/modeld.h"

static int
read_config(struct modeld_config *c, const char *origin, const char *prefix,
    const char *style, const char *secret, char *why)
{
	struct parcel_writer	*w = parcel_writer_new();
	struct parcel		*p;
	struct str		 b;
	int			 rc;

	parcel_puts(w, "fake", "provider");
	parcel_puts(w, origin, "origin");
	if (prefix != NULL)
		parcel_puts(w, prefix, "path_prefix");
	parcel_puts(w, style, "auth.style");
	parcel_puts(w, secret, "auth.secret");
	parcel_puts(w, "x-extra", "header.0.name");
	parcel_puts(w, "one", "header.0.value");
	b = parcel_writer_bytes(w);
	p = parcel_of(b.p, b.n);
	assert_non_null(p);
	rc = modeld_config_read(c, p, why, 256);
	parcel_close(p);
	close(parcel_writer_seal(w));
	return rc;
}

static void
test_config(void **state)
{
	struct modeld_config	 c;
	char			 why[256] = "";

	(void)state;
	assert_int_equal(read_config(&c, "https://api.example.com", "/v1/",
	    "bearer", "key-0123456789", why), 0);
	assert_string_equal(c.host, "api.example.com");
	assert_int_equal(c.port, 443);
	assert_true(c.tls);
	assert_string_equal(c.prefix, "/v1");
	assert_int_equal(c.nheaders, 1);
	assert_int_equal(c.secret.n, 14);
	modeld_config_clear(&c);
	assert_int_equal(read_config(&c, "http://127.0.0.1:11434", NULL,
	    "bearer", "x", why), 0);
	assert_int_equal(c.port, 11434);
	modeld_config_clear(&c);
	assert_int_equal(read_config(&c, "http://[::1]:8080", "", "x-api-key",
	    "x", why), 0);
	assert_string_equal(c.host, "::1");
	modeld_config_clear(&c);
	assert_int_equal(read_config(&c, "http://gpu:8000", "", "bearer", "x",
	    why), 0);
	modeld_config_clear(&c);
}

static void
test_T39_bad_origins(void **state)
{
	static const char *const bad[] = { "", "ftp://x", "https://",
	    "https://a/b", "https://u@a", "https://a.", "https://a:0",
	    "https://a:99999", "https://a?x", "https://[::1", "//a", NULL };
	struct modeld_config	 c;
	char			 why[256];
	size_t			 i;

	(void)state;
	for (i = 0; bad[i] != NULL; i++)
		if (read_config(&c, bad[i], "", "none", "", why) == 0)
			fail_msg("%s", bad[i]);
	/* A key in clear text stays near. */
	assert_int_equal(read_config(&c, "http://api.example.com", "",
	    "bearer", "key-secret", why), -1);
	assert_null(strstr(why, "key-secret"));
	assert_int_equal(read_config(&c, "http://169.254.169.254", "",
	    "bearer", "key", why), -1);
	assert_int_equal(read_config(&c, "https://a", "", "bearer",
	    "line\nbreak", why), -1);
	assert_null(strstr(why, "break"));
	assert_int_equal(read_config(&c, "https://a", "/v1/../x", "none", "",
	    why), -1);
	assert_int_equal(read_config(&c, "https://a", "", "basic", "", why),
	    -1);
}

static void
test_T39_path_stays_below_prefix(void **state)
{
	static const char *const bad[] = { "", "x", "/../x", "/a/../../x",
	    "/%2e%2e/x", "/a/%2e%2e/b", "//evil.example/x", "/a//b",
	    "/a%2fb", "/a\\b", "/a;b", "/a b", "/a\r\nHost: x", "@evil/x",
	    NULL };
	struct modeld_config	 c;
	char			 why[256], out[2048];
	size_t			 i;

	(void)state;
	assert_int_equal(read_config(&c, "https://a", "/base/v1", "none", "",
	    why), 0);
	assert_int_equal(modeld_path(&c, str_of("/messages?beta=true"), out,
	    sizeof(out)), 0);
	assert_string_equal(out, "/base/v1/messages?beta=true");
	for (i = 0; bad[i] != NULL; i++)
		if (modeld_path(&c, str_of(bad[i]), out, sizeof(out)) == 0)
			fail_msg("%s -> %s", bad[i], out);
	modeld_config_clear(&c);
}

static void
test_T40_headers(void **state)
{
	static const char *const no[] = { "Authorization", "x-api-key",
	    "X-Goog-Api-Key", "api-key", "proxy-authorization", "Cookie",
	    "x-auth-token", "Host", "Content-Length", "Transfer-Encoding",
	    "connection", "x-forwarded-for", "X-Amz-Security-Token",
	    "bad name", "", NULL };
	static const char *const yes[] = { "content-type", "accept",
	    "anthropic-version", "anthropic-beta", "OpenAI-Beta", "x-title",
	    "http-referer", "user-agent", NULL };
	size_t	 i;

	(void)state;
	for (i = 0; no[i] != NULL; i++)
		if (modeld_header_allowed(str_of(no[i])))
			fail_msg("%s", no[i]);
	for (i = 0; yes[i] != NULL; i++)
		if (!modeld_header_allowed(str_of(yes[i])))
			fail_msg("%s", yes[i]);
	assert_true(modeld_header_told(str_of("Retry-After")));
	assert_true(modeld_header_told(str_of(
	    "anthropic-ratelimit-requests-limit")));
	assert_false(modeld_header_told(str_of("set-cookie")));
	assert_false(modeld_header_told(str_of("location")));
	assert_false(modeld_header_told(str_of("www-authenticate")));
}

static void
test_T40_redact(void **state)
{
	struct modeld_config	 c;
	char			 why[256];
	char			 t[] = "bad key key-0123456789, key-012345678"
				    " and key-0123456789";

	(void)state;
	assert_int_equal(read_config(&c, "https://a", "", "bearer",
	    "key-0123456789", why), 0);
	modeld_redact(&c, t, strlen(t));
	assert_string_equal(t, "bad key **************, key-012345678 and "
	    "**************");
	modeld_config_clear(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_T39_bad_origins),
		cmocka_unit_test(test_T39_path_stays_below_prefix),
		cmocka_unit_test(test_T40_headers),
		cmocka_unit_test(test_T40_redact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
