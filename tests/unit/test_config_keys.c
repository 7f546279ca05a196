/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "gatewayd/config/agents.h"
#include "gatewayd/config/config.h"
#include "gatewayd/config/url.h"

/* Every type of keys.def parses, every shape exists, no path stands twice. */
static void
test_table(void **state)
{
	const char	*path, *type, *dflt, *help;
	unsigned int	 flags;
	size_t		 i, n = 0;

	(void)state;
	if (keys_check() != NULL)
		fail_msg("keys.def: %s", keys_check());
	for (i = 0; keys_row(i, &path, &type, &flags, &dflt, &help); i++) {
		n += (flags & K_SECRET) != 0;
		assert_non_null(help);
		/* A name that says secret must be one, or be listed here. */
		if ((flags & K_SECRET) == 0 && strrchr(path, '.') != NULL &&
		    keys_name_is_secret(str_of(strrchr(path, '.') + 1)))
			fail_msg("%s is not marked secret", path);
	}
	assert_true(i > 700);
	assert_true(n > 50);
}

static const struct key_node *
at(const char *path)
{
	const struct key_node	*n = keys_root();
	size_t			 len;

	for (; *path != '\0' && n != NULL; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		n = keys_child(n, (struct str){ path, len });
	}
	return n;
}

static void
test_walk(void **state)
{
	(void)state;
	assert_non_null(at("gateway/auth/token"));
	assert_true(at("gateway/auth/token")->flags & K_SECRET);
	assert_non_null(at("channels/telegram/botToken"));
	assert_non_null(at("channels/telegram/accounts/x/groups/y/topics/z/"
	    "systemPrompt"));
	assert_non_null(at("agents/list/[]/memorySearch/remote/apiKey"));
	assert_true(at("env/ANY_NAME")->flags & K_SECRET);
	assert_non_null(at("messages/inbound/byChannel/telegram"));
	assert_null(at("gateway/nothing"));
	assert_null(at("@telegram"));
	assert_null(at("gateway/*"));
	assert_null(at(""  "nothing"));
	assert_string_equal(keys_nearest(keys_root(), STR_LIT("gatway")),
	    "gateway");
	assert_string_equal(keys_nearest(at("channels/telegram"),
	    STR_LIT("bottoken")), "botToken");
	assert_null(keys_nearest(keys_root(), STR_LIT("xyzzyplugh")));
	assert_null(keys_nearest(keys_root(), STR_LIT("")));
}

static void
test_agent_ids(void **state)
{
	static const char *const t[][2] = {
		{ "main", "main" }, { "My Agent!", "my-agent" }, { "", "main" },
		{ "!!!", "main" }, { "a--b", "a--b" }, { "--x--", "x" },
		{ "\xc3\xa4" "b", "b" }, { "A_b-9", "a_b-9" },
		{ "../../etc", "etc" },
	};
	char	 id[CF_AGENT_ID_MAX + 1], longer[200];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		cf_agent_id(t[i][0], id);
		assert_string_equal(id, t[i][1]);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cf_agent_id(longer, id);
	assert_int_equal(strlen(id), CF_AGENT_ID_MAX);
}

static void
test_urls(void **state)
{
	static const struct {
		const char	*in, *origin, *prefix, *host;
		int		 port;
		bool		 private, loopback;
	} good[] = {
		{ "https://api.openai.com/v1", "https://api.openai.com", "/v1",
		    "api.openai.com", 443, false, false },
		{ "HTTPS://Host.Example.:8443//", "https://host.example:8443",
		    "", "host.example", 8443, false, false },
		{ "http://127.0.0.1:80/a/b/", "http://127.0.0.1", "/a/b",
		    "127.0.0.1", 80, true, true },
		{ "http://[::1]:9000", "http://[::1]:9000", "", "::1", 9000,
		    true, true },
		{ "http://localhost", "http://localhost", "", "localhost", 80,
		    true, true },
		{ "https://10.1.2.3", "https://10.1.2.3", "", "10.1.2.3", 443,
		    true, false },
		{ "https://172.32.0.1", "https://172.32.0.1", "", "172.32.0.1",
		    443, false, false },
		{ "https://100.64.0.1", "https://100.64.0.1", "", "100.64.0.1",
		    443, true, false },
		{ "https://169.254.169.254", "https://169.254.169.254", "",
		    "169.254.169.254", 443, true, false },
		{ "https://nas.lan", "https://nas.lan", "", "nas.lan", 443,
		    true, false },
		{ "https://localhost.evil.com", "https://localhost.evil.com",
		    "", "localhost.evil.com", 443, false, false },
		{ "https://[fd00::1]", "https://[fd00::1]", "", "fd00::1", 443,
		    true, false },
	};
	static const char *const bad[] = {
		"", "ftp://x", "https://", "https:///x", "https://u@h",
		"https://u:p@h", "https://h?x", "https://h#x", "https://h:0",
		"https://h:65536", "https://h:", "https://h:x", "https://h x",
		"https://h\\x", "https://[::1", "https://a%2eb", "//h",
		"https://h\n",
	};
	struct cf_url	 u;
	const char	*why;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (cf_url_parse(good[i].in, &u, &why) == -1)
			fail_msg("%s: %s", good[i].in, why);
		assert_string_equal(u.origin, good[i].origin);
		assert_string_equal(u.prefix, good[i].prefix);
		assert_string_equal(u.host, good[i].host);
		assert_int_equal(u.port, good[i].port);
		assert_int_equal(u.private, good[i].private);
		assert_int_equal(u.loopback, good[i].loopback);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cf_url_parse(bad[i], &u, &why) == 0)
			fail_msg("accepted %s", bad[i]);
	assert_true(cf_no_proxy("a.b, .example.com", "x.example.com"));
	assert_true(cf_no_proxy("example.com", "example.com"));
	assert_true(cf_no_proxy("*", "anything"));
	assert_true(cf_no_proxy("*.example.com", "x.Example.com"));
	assert_false(cf_no_proxy("example.com", "badexample.com"));
	assert_false(cf_no_proxy(NULL, "x"));
	assert_false(cf_no_proxy("", "x"));
}

static void
test_paths(void **state)
{
	static const char *const t[][2] = {
		{ "a", "/d/a" }, { "./a/../b", "/d/b" }, { "/x//y/.", "/x/y" },
		{ "../../..", "/" }, { "", "/d" }, { "/", "/" },
	};
	size_t	 i;
	char	*s;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		s = cf_normalise("/d", str_of(t[i][0]));
		assert_non_null(s);
		assert_string_equal(s, t[i][1]);
		free(s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_agent_ids),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
