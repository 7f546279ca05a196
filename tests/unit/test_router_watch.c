/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What clients of protocol 4 get because they asked for it, or said that they
 * can do with it: tool calls, messages of conversations, pings.
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/router_rig.h"

#define TOOL	"{\"stream\":\"tool\",\"data\":{\"n\":%d}}"

static void
tell(enum gw_event ev, bool quiet, const char *key, const char *payload)
{
	struct m_ag_event	 e;

	memset(&e, 0, sizeof(e));
	e.event = (uint8_t)ev;
	e.quiet = quiet;
	e.run_id = STR_LIT("run");
	e.session_key = str_of(key);
	e.payload = str_of(payload);
	assert_int_equal(send_ag_event(agent.far, &e, 0, 0), 0);
	pump();
}

static void
ask(struct peer *p, const char *method, const char *params, const char *want)
{
	char	 text[2048];

	snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":\"q\","
	    "\"method\":\"%s\",\"params\":%s}", method, params);
	say(p, text);
	expect(p, want);
}

/* What each agent was told last, of those that were told since. */
static void
watched(struct sibling *s, int on)
{
	struct m_ag_watch	 v;
	struct msg		*m = take(s, MSG_AG_WATCH);

	if (on == -1) {
		assert_null(m);
		return;
	}
	assert_non_null(m);
	assert_int_equal(get_ag_watch(m, &v), MSG_OK);
	assert_int_equal(v.on, on);
	assert_null(take(s, MSG_AG_WATCH));
}

/* Agents say what is written while anybody hears it, and know it from the
 * first who listens to the last. */
static void
test_agents_know_who_listens(void **state)
{
	struct peer	 all, one;

	(void)state;
	join4(&all, "operator.read", "[]");
	join4(&one, "operator.read", "[]");
	ask(&one, "sessions.messages.subscribe", "{\"key\":\"page\"}",
	    "\"subscribed\":true");
	watched(&agent, 1);
	watched(&work, 1);
	ask(&all, "sessions.subscribe", "{}", "\"subscribed\":true");
	ask(&all, "sessions.subscribe", "{}", "\"subscribed\":true");
	ask(&one, "sessions.messages.unsubscribe", "{\"key\":\"page\"}",
	    "\"subscribed\":false");
	watched(&agent, -1);
	sibling_down(&work);
	sibling_up(&work, ROLE_AGENT, "work");
	watched(&work, 1);
	leave(&one);
	watched(&agent, -1);
	leave(&all);
	watched(&agent, 0);
	watched(&work, 0);
}

static void
test_tool_calls(void **state)
{
	struct peer	 able, watcher, both, neither, old, deaf;
	char		 text[64];

	(void)state;
	join4(&able, "operator.read", "[\"x\",7,\"tool-events\"]");
	join4(&watcher, "operator.read", "[]");
	join4(&both, "operator.read", "[\"tool-events\"]");
	join4(&neither, "operator.read", "{}");
	join4(&deaf, "operator.pairing", "[\"tool-events\"]");
	join(&old, "operator.read");
	ask(&watcher, "sessions.subscribe", "{}", "\"subscribed\":true");
	ask(&both, "sessions.subscribe", "{}", "\"subscribed\":true");
	snprintf(text, sizeof(text), TOOL, 1);
	tell(EVENT_AGENT, false, "main", text);
	snprintf(text, sizeof(text), TOOL, 2);
	tell(EVENT_AGENT, true, "main", text);
	tell(EVENT_AGENT, false, "main", "{\"stream\":\"lifecycle\"}");
	/* once each, whatever they asked for */
	expect(&able, "\"event\":\"agent\"");
	expect(&able, "\"n\":2");
	expect(&able, "lifecycle");
	expect(&both, "\"event\":\"agent\"");
	expect(&both, "\"n\":2");
	expect(&both, "lifecycle");
	expect(&watcher, "\"event\":\"session.tool\"");
	expect(&watcher, "\"n\":2");
	expect(&watcher, "lifecycle");
	expect(&neither, "lifecycle");
	/* what the conversation does not show, older ones do not see */
	expect(&old, "\"n\":1");
	expect(&old, "lifecycle");
	assert_null(frame(&deaf));
	leave(&able);
	leave(&watcher);
	leave(&both);
	leave(&neither);
	leave(&old);
	leave(&deaf);
}

static void
test_messages(void **state)
{
	struct peer	 all, one, other, none, old;

	(void)state;
	join4(&all, "operator.read", "[]");
	join4(&one, "operator.read", "[]");
	join4(&other, "operator.read", "[]");
	join4(&none, "operator.read", "[]");
	join(&old, "operator.admin");
	ask(&all, "sessions.subscribe", "{}", "\"subscribed\":true");
	/* as the client writes it; the canonical key comes back */
	ask(&one, "sessions.messages.subscribe", "{\"key\":\" Page \"}",
	    "\"subscribed\":true,\"key\":\"agent:main:page\"");
	ask(&one, "sessions.messages.subscribe",
	    "{\"key\":\"agent:main:page\"}", "\"subscribed\":true");
	/* that of another agent is another */
	ask(&other, "sessions.messages.subscribe",
	    "{\"key\":\"page\",\"agentId\":\"work\"}", "agent:work:page");
	tell(EVENT_SESSION_MESSAGE, false, "agent:main:page", "{\"m\":1}");
	tell(EVENT_SESSION_MESSAGE, false, "agent:main:main", "{\"m\":2}");
	expect(&all, "\"event\":\"session.message\"");
	expect(&all, "\"m\":2");
	expect(&one, "\"m\":1");
	ask(&one, "sessions.messages.unsubscribe", "{\"key\":\"page\"}",
	    "\"subscribed\":false,\"key\":\"agent:main:page\"");
	ask(&all, "sessions.unsubscribe", "{}", "\"subscribed\":false");
	tell(EVENT_SESSION_MESSAGE, false, "agent:main:page", "{\"m\":3}");
	ask(&all, "health", "{}", "\"ok\":true");
	ask(&one, "health", "{}", "\"ok\":true");
	ask(&other, "health", "{}", "\"ok\":true");
	ask(&none, "health", "{}", "\"ok\":true");
	ask(&old, "health", "{}", "\"ok\":true");
	leave(&all);
	leave(&one);
	leave(&other);
	leave(&none);
	leave(&old);
}

static void
test_R02_watches_have_a_bound(void **state)
{
	struct peer	 p;
	char		 text[64];
	int		 i;

	(void)state;
	join4(&p, "operator.read", "[]");
	for (i = 0; i < RT_WATCH_CLIENT; i++) {
		snprintf(text, sizeof(text), "{\"key\":\"k%d\"}", i);
		ask(&p, "sessions.messages.subscribe", text,
		    "\"subscribed\":true");
	}
	ask(&p, "sessions.messages.subscribe", "{\"key\":\"more\"}",
	    "too many conversations");
	ask(&p, "sessions.messages.subscribe", "{\"key\":\"k3\"}",
	    "\"subscribed\":true");
	ask(&p, "sessions.messages.unsubscribe", "{\"key\":\"k3\"}",
	    "\"subscribed\":false");
	ask(&p, "sessions.messages.subscribe", "{\"key\":\"more\"}",
	    "\"subscribed\":true");
	ask(&p, "sessions.messages.subscribe", "{\"key\":\"a\\u0001b\"}",
	    "at /key: invalid session key");
	ask(&p, "sessions.messages.subscribe",
	    "{\"key\":\"agent:nobody:main\"}", "no such agent");
	ask(&p, "sessions.messages.subscribe",
	    "{\"key\":\"main\",\"agentId\":\"nobody\"}", "no such agent");
	leave(&p);
}

static void
test_T26_quiet_is_for_tools(void **state)
{
	(void)state;
	tell(EVENT_CHAT, true, "main", "{}");
	assert_int_equal(agent.gone, MSG_MEANING);
	sibling_down(&agent);
	sibling_up(&agent, ROLE_AGENT, "main");
	tell(EVENT_SESSION_TOOL, false, "main", "{}");
	assert_int_equal(agent.gone, MSG_MEANING);
	sibling_down(&agent);
	sibling_up(&agent, ROLE_AGENT, "main");
}

static void
test_ping(void **state)
{
	struct peer	 p, old;
	uint64_t	 now = mono_ms();

	(void)state;
	join4(&p, ADMIN, "[]");
	join(&old, ADMIN);
	assert_null(frame(&p));
	rt_clients_sweep(now + RT_PING_MS / 2);
	assert_null(frame(&p));
	rt_clients_sweep(now + RT_PING_MS + 5000);
	expect(&p, "ping");
	rt_clients_sweep(now + RT_PING_MS + 6000);
	assert_null(frame(&p));
	rt_clients_sweep(now + RT_PING_MS * 2 + 5000);
	expect(&p, "ping");
	assert_null(frame(&old));
	leave(&p);
	leave(&old);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agents_know_who_listens),
		cmocka_unit_test(test_tool_calls),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_R02_watches_have_a_bound),
		cmocka_unit_test(test_T26_quiet_is_for_tools),
		cmocka_unit_test(test_ping),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
