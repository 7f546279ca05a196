/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests that others answer: runs of agents, forwarded methods, lists
 * gathered from all agents.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/router_rig.h"

static void
test_agent_answers_twice(void **state)
{
	static const char req[] = "{\"type\":\"req\",\"id\":\"a1\",\"method\":"
	    "\"agent\",\"params\":{\"message\":\"h\\u00e9\\n\","
	    "\"idempotencyKey\":\"k1\",\"sessionKey\":\"main\",\"thinking\":"
	    "\"low\",\"timeout\":5}}";
	struct m_ag_turn	 t;
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, req);
	m = take(&agent, MSG_AG_TURN);
	assert_non_null(m);
	assert_int_equal(get_ag_turn(m, &t), MSG_OK);
	assert_true(str_eqs(t.run_id, "k1"));
	assert_true(str_eqs(t.session_key, "main"));
	assert_true(str_eqs(t.text, "h\xc3\xa9\n"));
	assert_true(str_eqs(t.dedupe_key, "agent:k1"));
	assert_true(str_eqs(t.options, "{\"thinking\":\"low\",\"timeout\":5}"));
	assert_int_equal(t.source, TURN_AGENT);
	assert_null(frame(&p));
	/* a repeat meanwhile starts nothing, and waits for what the agent says:
	 * it may be no */
	say(&p, req);
	assert_null(frame(&p));
	assert_null(take(&agent, MSG_AG_TURN));
	turn_ack(&agent, m->h.corr, STR_LIT("k1"), TURN_ACCEPTED, "", "");
	expect(&p, "{\"type\":\"res\",\"id\":\"a1\",\"ok\":true,\"payload\":"
	    "{\"runId\":\"k1\",\"status\":\"accepted\",\"acceptedAt\":42}}");
	expect(&p, "\"status\":\"accepted\",\"acceptedAt\":42}}");
	say(&p, req);
	expect(&p, "\"status\":\"accepted\",\"acceptedAt\":42}}");
	run_end(&agent, "k1", RUN_OK, "", "{\"payloads\":[]}");
	expect(&p, "{\"type\":\"res\",\"id\":\"a1\",\"ok\":true,\"payload\":"
	    "{\"runId\":\"k1\",\"status\":\"ok\",\"summary\":\"completed\","
	    "\"result\":{\"payloads\":[]}}}");
	/* afterwards only the last answer */
	say(&p, req);
	expect(&p, "\"status\":\"ok\",\"summary\":\"completed\"");
	assert_null(frame(&p));
	assert_null(take(&agent, MSG_AG_TURN));
	leave(&p);
	/* and after five minutes it is asked again; agentd still knows */
	rt_runs_sweep(mono_ms() + RT_CACHE_MS + 1);
	join(&p, ADMIN);
	say(&p, req);
	m = take(&agent, MSG_AG_TURN);
	assert_non_null(m);
	turn_ack(&agent, m->h.corr, STR_LIT("k1"), TURN_DUPLICATE, "done", "");
	assert_null(frame(&p));
	run_end(&agent, "k1", RUN_ERROR, "boom", "");
	expect(&p, "\"id\":\"a1\",\"ok\":false,\"payload\":{\"runId\":\"k1\","
	    "\"status\":\"error\",\"summary\":\"boom\"},\"error\":{\"code\":"
	    "\"UNAVAILABLE\",\"message\":\"boom\"}");
	leave(&p);
}

static void
test_agent_refusals(void **state)
{
	static const char *const t[][2] = {
		{ "\"agentId\":\"nope\"", "invalid agent params: unknown agent "
		    "id \\\"nope\\\"" },
		{ "\"agentId\":\"work\",\"sessionKey\":\"agent:main:x\"",
		    "agent \\\"work\\\" does not match session key agent "
		    "\\\"main\\\"" },
		{ "\"sessionKey\":\"agent:zzz:x\"", "unknown agent id" },
		{ "\"channel\":\"pigeon\"", "unknown channel: pigeon" },
	};
	struct m_ag_turn turn;
	struct peer	 p;
	struct msg	*m;
	char		 buf[512];
	size_t		 i;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(buf, sizeof(buf), "{\"type\":\"req\",\"id\":\"1\","
		    "\"method\":\"agent\",\"params\":{\"message\":\"m\","
		    "\"idempotencyKey\":\"r%zu\",%s}}", i, t[i][0]);
		say(&p, buf);
		expect(&p, t[i][1]);
	}
	assert_null(take(&agent, MSG_AG_TURN));
	/* the named agent gets it under its own main session */
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"agent\",\"params\":"
	    "{\"message\":\"m\",\"idempotencyKey\":\"w\",\"agentId\":"
	    "\"work\",\"attachments\":[{\"content\":\"AA==\"}]}}");
	m = take(&work, MSG_AG_TURN);
	assert_non_null(m);
	assert_int_equal(get_ag_turn(m, &turn), MSG_OK);
	assert_true(str_eqs(turn.media, "[{\"content\":\"AA==\"}]"));
	/* what has no content is none */
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"\",\"idempotencyKey\":\"n\","
	    "\"sessionKey\":\"main\",\"attachments\":[{\"content\":\"\"},7]}}");
	expect(&p, "message or attachment required");
	leave(&p);
}

static void
test_chat_send(void **state)
{
	static const char req[] = "{\"type\":\"req\",\"id\":\"s\",\"method\":"
	    "\"chat.send\",\"params\":{\"message\":\"hi\",\"idempotencyKey\":"
	    "\"ck\",\"sessionKey\":\"agent:work:main\"}}";
	struct peer	 p;
	struct msg	*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\" \",\"idempotencyKey\":\"e\","
	    "\"sessionKey\":\"main\"}}");
	expect(&p, "message or attachment required");
	say(&p, req);
	m = take(&work, MSG_AG_TURN);
	assert_non_null(m);
	turn_ack(&work, m->h.corr, STR_LIT("ck"), TURN_QUEUED, "", "");
	expect(&p, "{\"runId\":\"ck\",\"status\":\"started\"}");
	say(&p, req);
	expect(&p, "{\"runId\":\"ck\",\"status\":\"in_flight\"}");
	/* nobody takes its place under another method */
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"agent\","
	    "\"params\":{\"message\":\"x\",\"idempotencyKey\":\"ck\","
	    "\"sessionKey\":\"main\"}}");
	expect(&p, "\"idempotencyKey is that of a run of chat.send\"");
	run_end(&work, "ck", RUN_OK, "", "");
	assert_null(frame(&p));
	say(&p, req);
	expect(&p, "{\"runId\":\"ck\",\"status\":\"ok\"}");
	/* stop words: the agent's answer is the answer, and is not kept */
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"stop\",\"idempotencyKey\":\"st\","
	    "\"sessionKey\":\"main\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("st"), TURN_ACCEPTED, "RESULT",
	    "{\"ok\":true,\"aborted\":false,\"runIds\":[]}");
	expect(&p, "\"payload\":{\"ok\":true,\"aborted\":false,\"runIds\":"
	    "[]}}");
	/* refused */
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"x\",\"idempotencyKey\":\"rf\","
	    "\"sessionKey\":\"main\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("rf"), TURN_REFUSED,
	    "INVALID_REQUEST", "send blocked by session policy");
	expect(&p, "\"code\":\"INVALID_REQUEST\",\"message\":\"send blocked");
	leave(&p);
}

/* The same request of several clients while the agent has not spoken: what it
 * says holds for all, and one that leaves costs nothing. */
static void
test_R07_repeats_share_the_answer(void **state)
{
	static const char req[] = "{\"type\":\"req\",\"id\":\"%s\",\"method\":"
	    "\"chat.send\",\"params\":{\"message\":\"hi\",\"idempotencyKey\":"
	    "\"%s\",\"sessionKey\":\"main\"}}";
	static const char *const ids[] = { "one", "two" };
	struct peer	 p, q, gone;
	struct msg	*m;
	char		 buf[512];
	size_t		 i;

	(void)state;
	for (i = 0; i < 3; i++) {
		join(&p, ADMIN);
		join(&q, ADMIN);
		join(&gone, ADMIN);
		snprintf(buf, sizeof(buf), req, ids[0], i == 0 ? "s0" :
		    i == 1 ? "s1" : "s2");
		say(&p, buf);
		say(&gone, buf);
		snprintf(buf, sizeof(buf), req, ids[1], i == 0 ? "s0" :
		    i == 1 ? "s1" : "s2");
		say(&q, buf);
		m = take(&agent, MSG_AG_TURN);
		assert_non_null(m);
		assert_null(frame(&p));
		assert_null(frame(&q));
		leave(&gone);
		if (i == 0) {
			turn_ack(&agent, m->h.corr, STR_LIT("s0"),
			    TURN_REFUSED, "UNAVAILABLE", "disk full");
			expect(&p, "\"id\":\"one\",\"ok\":false");
			expect(&q, "\"id\":\"two\",\"ok\":false,\"error\":{"
			    "\"code\":\"UNAVAILABLE\",\"message\":"
			    "\"disk full\"");
			/* and nothing is remembered */
			say(&q, buf);
			assert_non_null(take(&agent, MSG_AG_TURN));
		} else if (i == 1) {
			turn_ack(&agent, m->h.corr, STR_LIT("s1"),
			    TURN_ACCEPTED, "", "");
			expect(&p, "\"id\":\"one\",\"ok\":true,\"payload\":{"
			    "\"runId\":\"s1\",\"status\":\"started\"}");
			expect(&q, "\"id\":\"two\",\"ok\":true,\"payload\":{"
			    "\"runId\":\"s1\",\"status\":\"in_flight\"}");
			run_end(&agent, "s1", RUN_OK, "", "");
		} else {
			sibling_down(&agent);
			expect(&p, "\"id\":\"one\",\"ok\":false");
			expect(&q, "\"id\":\"two\",\"ok\":false");
			sibling_up(&agent, ROLE_AGENT, "main");
		}
		leave(&p);
		leave(&q);
	}
}

static void
test_forwarded(void **state)
{
	struct m_rpc_req	 q;
	struct m_rpc_res	 r;
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"h\",\"method\":\"chat.history\","
	    "\"params\":{\"sessionKey\":\"agent:work:main\",\"limit\":3.0}}");
	m = take(&work, MSG_RPC_REQ);
	assert_non_null(m);
	assert_int_equal(get_rpc_req(m, &q), MSG_OK);
	assert_true(str_eqs(q.method, "chat.history"));
	assert_true(str_eqs(q.params, "{\"sessionKey\":\"agent:work:main\","
	    "\"limit\":3.0}"));
	assert_int_equal(q.scopes, SCOPE_ADMIN);
	memset(&r, 0, sizeof(r));
	r.ok = 1;
	r.result = STR_LIT("{\"messages\":[]}");
	/* somebody else's answer does not count */
	send_rpc_res(agent.far, &r, m->h.corr, MSG_F_REPLY);
	assert_null(frame(&p));
	send_rpc_res(work.far, &r, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"id\":\"h\",\"ok\":true,\"payload\":{\"messages\":[]}}");
	/* twice is once */
	send_rpc_res(work.far, &r, m->h.corr, MSG_F_REPLY);
	assert_null(frame(&p));

	say(&p, "{\"type\":\"req\",\"id\":\"l\",\"method\":\"logs.tail\"}");
	m = take(&logd, MSG_RPC_REQ);
	memset(&r, 0, sizeof(r));
	r.code = STR_LIT("UNAVAILABLE");
	r.message = STR_LIT("log read failed: x");
	r.details = STR_LIT("{\"a\":1}");
	send_rpc_res(logd.far, &r, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"ok\":false,\"error\":{\"code\":\"UNAVAILABLE\","
	    "\"message\":\"log read failed: x\",\"details\":{\"a\":1}}");

	/* An agent that does not exist: the default one has no such session
	 * either, and says so in the method's own words. */
	say(&p, "{\"type\":\"req\",\"id\":\"h\",\"method\":\"chat.history\","
	    "\"params\":{\"sessionKey\":\"agent:none:main\"}}");
	assert_non_null(take(&agent, MSG_RPC_REQ));
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":"
	    "\"sandbox.selftest\",\"params\":{\"agentId\":\"none\"}}");
	expect(&p, "unknown agent id \\\"none\\\"");
	say(&p, "{\"type\":\"req\",\"id\":\"p\",\"method\":\"pairing.list\"}");
	assert_non_null(take(&store, MSG_RPC_REQ));
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":"
	    "\"sandbox.selftest\"}");
	assert_non_null(take(&tool, MSG_RPC_REQ));
	leave(&p);
}

static void
test_all_agents_list(void **state)
{
	struct m_rpc_res	 r;
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"l\",\"method\":\"sessions.list\","
	    "\"params\":{\"limit\":3}}");
	memset(&r, 0, sizeof(r));
	r.ok = 1;
	r.result = STR_LIT("{\"defaults\":{\"model\":\"m\"},\"sessions\":["
	    "{\"key\":\"a\",\"updatedAt\":30},{\"key\":\"b\",\"updatedAt\":10}"
	    "]}");
	m = take(&agent, MSG_RPC_REQ);
	send_rpc_res(agent.far, &r, m->h.corr, MSG_F_REPLY);
	assert_null(frame(&p));
	r.result = STR_LIT("{\"sessions\":[{\"key\":\"c\",\"updatedAt\":20},"
	    "{\"key\":\"d\",\"updatedAt\":null}]}");
	m = take(&work, MSG_RPC_REQ);
	send_rpc_res(work.far, &r, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"path\":\"(multiple)\",\"count\":3,\"defaults\":{"
	    "\"model\":\"m\"},\"sessions\":[{\"key\":\"a\",\"updatedAt\":30},"
	    "{\"key\":\"c\",\"updatedAt\":20},{\"key\":\"b\",\"updatedAt\":"
	    "10}]");
	say(&p, "{\"type\":\"req\",\"id\":\"v\",\"method\":"
	    "\"sessions.preview\",\"params\":{\"keys\":[\"main\","
	    "\"agent:work:main\"],\"limit\":2}}");
	memset(&r, 0, sizeof(r));
	r.ok = 1;
	r.result = STR_LIT("{\"previews\":[{\"key\":\"main\"}]}");
	m = take(&agent, MSG_RPC_REQ);
	send_rpc_res(agent.far, &r, m->h.corr, MSG_F_REPLY);
	sibling_down(&work);	/* its part stays empty */
	expect(&p, "\"previews\":[{\"key\":\"main\"},{\"key\":"
	    "\"agent:work:main\",\"status\":\"error\",\"items\":[]}]");
	sibling_up(&work, ROLE_AGENT, "work");
	leave(&p);
}

/* Both agents answer; what becomes of it. */
static void
joined(struct peer *p, const char *req, const char *one, const char *two,
    const char *want)
{
	const char	*answers[2] = { one, two };
	struct sibling	*s[2] = { &agent, &work };
	struct m_rpc_res r;
	struct msg	*m;
	size_t		 i;

	say(p, req);
	for (i = 0; i < 2; i++) {
		m = take(s[i], MSG_RPC_REQ);
		assert_non_null(m);
		memset(&r, 0, sizeof(r));
		r.ok = answers[i][0] == '{';
		if (r.ok)
			r.result = str_of(answers[i]);
		else {
			r.code = STR_LIT("INVALID_REQUEST");
			r.message = str_of(answers[i]);
		}
		send_rpc_res(s[i]->far, &r, m->h.corr, MSG_F_REPLY);
	}
	expect(p, want);
}

static void
test_all_agents_resolve_and_cost(void **state)
{
	static const char label[] = "{\"type\":\"req\",\"id\":\"r\","
	    "\"method\":\"sessions.resolve\",\"params\":{\"label\":\"L\"}}";
	static const char id[] = "{\"type\":\"req\",\"id\":\"r\",\"method\":"
	    "\"sessions.resolve\",\"params\":{\"sessionId\":\"S\"}}";
	static const char cost[] = "{\"type\":\"req\",\"id\":\"c\","
	    "\"method\":\"usage.cost\"}";
	static const char none[] = "No session found with label: L";
	struct peer	 p;

	(void)state;
	join(&p, ADMIN);
	joined(&p, label, none, "{\"ok\":true,\"key\":\"agent:work:a\"}",
	    "\"ok\":true,\"payload\":{\"ok\":true,\"key\":\"agent:work:a\"}");
	joined(&p, label, none, none, "\"message\":\"No session found with "
	    "label: L\"");
	joined(&p, label, "{\"key\":\"a\"}", "{\"key\":\"b\"}", "\"message\":"
	    "\"Multiple sessions found with label: L (a, b)\"");
	joined(&p, id, "{\"key\":\"a\"}", "{\"key\":\"b\"}", "\"message\":"
	    "\"Multiple sessions found for sessionId: S (a, b)\"");
	joined(&p, label, "{\"key\":\"a\"}", "Multiple sessions found with "
	    "label: L (x, y)", "\"message\":\"Multiple sessions found with "
	    "label: L (x, y)\"");
	joined(&p, cost, "{\"days\":30,\"daily\":[{\"date\":\"2026-01-02\","
	    "\"input\":1,\"totalCost\":0.5}],\"totals\":{\"input\":1,"
	    "\"totalCost\":0.5}}", "{\"days\":30,\"daily\":[{\"date\":"
	    "\"2026-01-01\",\"output\":4},{\"date\":\"2026-01-02\",\"input\":"
	    "2,\"totalCost\":0.25},{\"date\":\"a very long date\"}],"
	    "\"totals\":{\"input\":2,\"output\":4,\"totalCost\":0.25}}",
	    "\"days\":30,\"daily\":[{\"date\":\"2026-01-01\",\"input\":0,"
	    "\"output\":4,\"cacheRead\":0,\"cacheWrite\":0,\"totalTokens\":0,"
	    "\"totalCost\":0,\"missingCostEntries\":0},{\"date\":"
	    "\"2026-01-02\",\"input\":3,\"output\":0,\"cacheRead\":0,"
	    "\"cacheWrite\":0,\"totalTokens\":0,\"totalCost\":0.75,"
	    "\"missingCostEntries\":0}],\"totals\":{\"input\":3,\"output\":4,"
	    "\"cacheRead\":0,\"cacheWrite\":0,\"totalTokens\":0,"
	    "\"totalCost\":0.75,\"missingCostEntries\":0}}");
	/* nobody is there to ask */
	sibling_down(&agent);
	sibling_down(&work);
	say(&p, label);
	expect(&p, "\"UNAVAILABLE\",\"message\":\"sessions.resolve: the process "
	    "that answers is not running\"");
	sibling_up(&agent, ROLE_AGENT, "main");
	sibling_up(&work, ROLE_AGENT, "work");
	leave(&p);
}

static void
test_R14_agent_dies(void **state)
{
	struct peer	 p;
	struct msg	*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"r\",\"method\":\"agent\",\"params\":"
	    "{\"message\":\"m\",\"idempotencyKey\":\"live\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("live"), TURN_ACCEPTED, "", "");
	expect(&p, "accepted");
	say(&p, "{\"type\":\"req\",\"id\":\"h\",\"method\":\"chat.history\","
	    "\"params\":{\"sessionKey\":\"main\"}}");
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":\"chat.send\","
	    "\"params\":{\"sessionKey\":\"main\",\"message\":\"m\","
	    "\"idempotencyKey\":\"asked\"}}");
	sibling_down(&agent);
	expect(&p, "\"UNAVAILABLE\"");
	expect(&p, "\"UNAVAILABLE\"");
	assert_null(frame(&p));
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":\"chat.send\","
	    "\"params\":{\"sessionKey\":\"main\",\"message\":\"m\","
	    "\"idempotencyKey\":\"asked\"}}");
	expect(&p, "the agent is not running");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	/* it comes back and reports the run that it was at */
	sibling_up(&agent, ROLE_AGENT, "main");
	run_end(&agent, "live", RUN_ERROR, "the turn was interrupted", "");
	expect(&p, "\"id\":\"r\",\"ok\":false");
	/* one that never comes back is given up */
	say(&p, "{\"type\":\"req\",\"id\":\"r\",\"method\":\"agent\",\"params\":"
	    "{\"message\":\"m\",\"idempotencyKey\":\"lost\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("lost"), TURN_ACCEPTED, "", "");
	expect(&p, "accepted");
	sibling_down(&agent);
	rt_runs_sweep(mono_ms());
	assert_null(frame(&p));
	rt_runs_sweep(mono_ms() + 3600000);
	expect(&p, "the agent went away");
	sibling_up(&agent, ROLE_AGENT, "main");
	leave(&p);
}

/* Asked about a run after its agent's process ended; told: its chat event. */
static bool
asked(const char *run, const char *dedupe, bool told)
{
	struct m_ag_run_ask	 v;
	struct msg		*m = take(&agent, MSG_AG_RUN_ASK);

	if (m == NULL)
		return false;
	assert_int_equal(get_ag_run_ask(m, &v), MSG_OK);
	assert_true(str_eqs(v.run_id, run));
	assert_true(str_eqs(v.dedupe_key, dedupe));
	assert_int_equal(v.chat_told, told);
	return true;
}

static void
test_R07_end_that_nobody_was_told(void **state)
{
	static const char	 agent_req[] = "{\"type\":\"req\",\"id\":\"u1\","
	    "\"method\":\"agent\",\"params\":{\"message\":\"x\","
	    "\"idempotencyKey\":\"u\",\"sessionKey\":\"main\"}}";
	static const char	 chat_req[] = "{\"type\":\"req\",\"id\":\"v1\","
	    "\"method\":\"chat.send\",\"params\":{\"message\":\"x\","
	    "\"idempotencyKey\":\"v\",\"sessionKey\":\"main\"}}";
	static const char	 last[] = "{\"runId\":\"v\",\"state\":\"final\"}";
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, agent_req);
	assert_non_null(m = take(&agent, MSG_AG_TURN));
	turn_ack(&agent, m->h.corr, STR_LIT("u"), TURN_ACCEPTED, "", "");
	expect(&p, "\"status\":\"accepted\"");
	/* nothing to ask while the agent is there */
	rt_runs_sweep(mono_ms());
	assert_false(asked("u", "agent:u", false));
	sibling_down(&agent);
	sibling_up(&agent, ROLE_AGENT, "main");
	pump();
	assert_true(asked("u", "agent:u", false));
	rt_runs_sweep(mono_ms());
	assert_false(asked("u", "agent:u", false));
	run_end(&agent, "u", RUN_OK, "", "{\"payloads\":[]}");
	expect(&p, "\"id\":\"u1\",\"ok\":true");
	/* its last chat event was told: only the end is missing */
	say(&p, chat_req);
	assert_non_null(m = take(&agent, MSG_AG_TURN));
	turn_ack(&agent, m->h.corr, STR_LIT("v"), TURN_ACCEPTED, "", "");
	expect(&p, "\"status\":\"started\"");
	ag_event(&agent, EVENT_CHAT, true, "v", "{\"state\":\"delta\"}", 17);
	expect(&p, "delta");
	ag_event(&agent, EVENT_CHAT, false, "v", last, sizeof(last) - 1);
	expect(&p, "final");
	sibling_down(&agent);
	sibling_up(&agent, ROLE_AGENT, "main");
	pump();
	assert_true(asked("v", "chat:v", true));
	run_end(&agent, "v", RUN_OK, "", "{\"payloads\":[]}");
	/* what is over is not asked about */
	sibling_down(&agent);
	sibling_up(&agent, ROLE_AGENT, "main");
	pump();
	assert_null(take(&agent, MSG_AG_RUN_ASK));
	leave(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent_answers_twice),
		cmocka_unit_test(test_R07_end_that_nobody_was_told),
		cmocka_unit_test(test_agent_refusals),
		cmocka_unit_test(test_chat_send),
		cmocka_unit_test(test_R07_repeats_share_the_answer),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_all_agents_list),
		cmocka_unit_test(test_all_agents_resolve_and_cost),
		cmocka_unit_test(test_R14_agent_dies),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
