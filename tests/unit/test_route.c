/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "gatewayd/router/route.h"

static bool
known(struct str id)
{
	return str_ieqs(id, "main") || str_ieqs(id, "work") ||
	    str_ieqs(id, "home");
}

static struct route_binding bindings[] = {
	{ "work", "telegram", "", PEER_ANY, "" },	/* account default */
	{ "home", "telegram", "", PEER_DM, "123" },
	{ "home", "telegram", "biz", PEER_ANY, "" },
	{ "work", "telegram", "biz", PEER_GROUP, "-100" },
	{ "home", "telegram", "biz", PEER_GROUP, "-100:topic:7" },
	{ "home", "whatsapp", "*", PEER_ANY, "" },
	{ "gone", "signal", "*", PEER_ANY, "" },
};
static struct route_identity links[] = {
	{ "alice", "telegram:123" }, { "Bob", "+155" },
};

static struct route_table
table(void)
{
	struct route_table	 t;

	memset(&t, 0, sizeof(t));
	t.bindings = bindings;
	t.nbindings = sizeof(bindings) / sizeof(bindings[0]);
	t.identities = links;
	t.nidentities = 2;
	t.default_agent = "main";
	t.known = known;
	return t;
}

static struct route_from
from(const char *channel, const char *account, enum chat_type type,
    const char *chat, const char *thread)
{
	return (struct route_from){ str_of(channel), str_of(account),
	    str_of(chat), str_of(thread), STR_LIT("1"), type };
}

static void
test_T45_bindings(void **state)
{
	static const struct {
		const char	*channel, *account;
		enum chat_type	 type;
		const char	*chat, *thread, *agent, *by;
	} t[] = {
		{ "telegram", "default", CHAT_DIRECT, "9", "", "work",
		    "binding.account" },
		{ "Telegram", "default", CHAT_DIRECT, "123", "", "home",
		    "binding.peer" },
		{ "telegram", "default", CHAT_GROUP, "123", "", "work",
		    "binding.account" },
		{ "telegram", "biz", CHAT_DIRECT, "123", "", "home",
		    "binding.account" },
		{ "telegram", "biz", CHAT_GROUP, "-100", "", "work",
		    "binding.peer" },
		{ "telegram", "biz", CHAT_GROUP, "-100", "7", "home",
		    "binding.peer" },
		{ "telegram", "biz", CHAT_GROUP, "-100", "8", "work",
		    "binding.peer" },
		{ "telegram", "Biz", CHAT_DIRECT, "1", "", "main", "default" },
		{ "telegram", "other", CHAT_DIRECT, "123", "", "main",
		    "default" },
		{ "whatsapp", "x", CHAT_DIRECT, "1", "", "home",
		    "binding.channel" },
		{ "discord", "default", CHAT_CHANNEL, "1", "", "main",
		    "default" },
		{ "signal", "x", CHAT_DIRECT, "1", "", "main",
		    "binding.channel" },
	};
	struct route_table	 rt = table();
	struct route_from	 f;
	const char		*by, *agent;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		f = from(t[i].channel, t[i].account, t[i].type, t[i].chat,
		    t[i].thread);
		agent = route_agent(&rt, &f, &by);
		if (strcmp(agent, t[i].agent) != 0 ||
		    strcmp(by, t[i].by) != 0)
			fail_msg("row %zu: %s by %s", i, agent, by);
	}
}

static void
test_keys(void **state)
{
	static const struct {
		enum route_dm_scope scope;
		const char	*channel, *account;
		enum chat_type	 type;
		const char	*chat, *thread, *key;
	} t[] = {
		{ DM_MAIN, "telegram", "x", CHAT_DIRECT, "123", "",
		    "agent:main:main" },
		{ DM_MAIN, "telegram", "x", CHAT_DIRECT, "123", "5",
		    "agent:main:main:thread:5" },
		{ DM_ACCOUNT_PEER, "telegram", "biz", CHAT_DIRECT, "77", "",
		    "agent:main:telegram:biz:dm:77" },
		{ DM_CHANNEL_PEER, "Telegram", "biz", CHAT_DIRECT, "AB", "",
		    "agent:main:telegram:dm:ab" },
		{ DM_PEER, "telegram", "x", CHAT_DIRECT, "123", "",
		    "agent:main:dm:alice" },
		{ DM_PEER, "whatsapp", "x", CHAT_DIRECT, "123", "",
		    "agent:main:dm:123" },
		{ DM_PEER, "whatsapp", "x", CHAT_DIRECT, "+155", "",
		    "agent:main:dm:bob" },
		{ DM_MAIN, "whatsapp", "x", CHAT_GROUP, "120363@g.us", "",
		    "agent:main:whatsapp:group:120363@g.us" },
		{ DM_PEER, "telegram", "x", CHAT_GROUP, "-100", "7",
		    "agent:main:telegram:group:-100:topic:7" },
		{ DM_MAIN, "discord", "x", CHAT_CHANNEL, "C1", "T2",
		    "agent:main:discord:channel:c1:thread:t2" },
	};
	struct route_table	 rt = table();
	struct route_from	 f;
	char			 key[ROUTE_KEY_MAX + 1], big[600], small[16];
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rt.dm_scope = t[i].scope;
		f = from(t[i].channel, t[i].account, t[i].type, t[i].chat,
		    t[i].thread);
		assert_int_equal(route_key(&rt, &f, "main", key, sizeof(key)),
		    0);
		assert_string_equal(key, t[i].key);
	}
	rt.scope_global = true;
	assert_int_equal(route_key(&rt, &f, "main", key, sizeof(key)), 0);
	assert_string_equal(key, "global");
	rt.scope_global = false;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	f = from("telegram", "x", CHAT_GROUP, big, "");
	assert_int_equal(route_key(&rt, &f, "main", key, sizeof(key)), -1);
	f = from("telegram", "x", CHAT_GROUP, "1", "");
	assert_int_equal(route_key(&rt, &f, "main", small, sizeof(small)), -1);
}

static void
test_key_agent(void **state)
{
	static const char *const t[][2] = {
		{ "agent:work:main", "work" }, { "Agent:X:y:z", "X" },
		{ "main", "" }, { "agent:", "" }, { "agent:x", "" },
		{ "agent::x", "" }, { "agent:x:", "" }, { "", "" },
		{ "agentx:y:z", "" },
	};
	struct str	 s;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		s = route_key_agent(str_of(t[i][0]));
		assert_true(str_eqs(s, t[i][1]));
	}
}

static void
test_may_deliver(void **state)
{
	struct route_table	 rt = table();

	(void)state;
	assert_true(route_may_deliver(&rt, "main", STR_LIT("telegram"),
	    STR_LIT("x")));
	assert_true(route_may_deliver(&rt, "work", STR_LIT("telegram"),
	    STR_LIT("default")));
	assert_true(route_may_deliver(&rt, "work", STR_LIT("telegram"),
	    STR_LIT("biz")));
	assert_false(route_may_deliver(&rt, "work", STR_LIT("telegram"),
	    STR_LIT("other")));
	assert_false(route_may_deliver(&rt, "work", STR_LIT("whatsapp"),
	    STR_LIT("x")));
	assert_true(route_may_deliver(&rt, "home", STR_LIT("whatsapp"),
	    STR_LIT("x")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T45_bindings),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_key_agent),
		cmocka_unit_test(test_may_deliver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
