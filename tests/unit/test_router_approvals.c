/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Questions of toold on their way to operators, and answers on their way
 * back. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/router_rig.h"

#define DIGEST	"0123456789abcdef0123456789abcdef" \
		"0123456789abcdef0123456789abcdef"

static void
question(struct sibling *s, const char *id, bool always)
{
	struct m_ap_req	 q;

	memset(&q, 0, sizeof(q));
	q.id = str_of(id);
	q.digest = STR_LIT(DIGEST);
	q.created_at = wall_ms();
	q.expires_at = q.created_at + 60000;
	q.always = always;
	q.security = STR_LIT("allowlist");
	q.ask = STR_LIT("on-miss");
	q.cwd = STR_LIT("/w");
	q.reason = STR_LIT("it uses $");
	q.command = STR_LIT("touch \"x\"");
	assert_int_equal(send_ap_req(s->far, &q, link_corr(), 0), 0);
	pump();
}

static void
end_of(struct sibling *s, const char *id, enum ap_end end)
{
	struct m_ap_expire	 e = { .id = str_of(id), .end = (uint8_t)end };

	assert_int_equal(send_ap_expire(s->far, &e, link_corr(), 0), 0);
	pump();
}

/* A request, and a part of its answer. */
static void
ask(struct peer *p, const char *method, const char *params, const char *want)
{
	char		 text[512];
	const char	*f;

	snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":\"q\",\"method\""
	    ":\"%s\",\"params\":%s}", method, params);
	say(p, text);
	do {
		f = frame(p);
		assert_non_null(f);
	} while (strstr(f, "\"type\":\"res\"") == NULL);
	if (strstr(f, want) == NULL)
		print_message("%s\n", f);
	assert_non_null(strstr(f, want));
}

static void
see(struct peer *p, const char *one, const char *two)
{
	const char	*f = frame(p);

	assert_non_null(f);
	if (strstr(f, one) == NULL || strstr(f, two) == NULL)
		print_message("%s\n", f);
	assert_non_null(strstr(f, one));
	assert_non_null(strstr(f, two));
}

static void
test_T25_scope_and_single_use(void **state)
{
	struct m_ap_decision	 d;
	struct peer		 op, low;
	struct msg		*m;

	(void)state;
	join(&op, "operator.approvals");
	join(&low, "operator.read,operator.write");
	question(&tool, "a-1", false);
	see(&op, "\"event\":\"exec.approval.requested\"", "\"payload\":{\"id\":"
	    "\"a-1\",\"request\":{\"command\":\"touch \\\"x\\\"\",\"cwd\":"
	    "\"/w\",\"host\":\"sandbox\",\"security\":\"allowlist\",\"ask\":"
	    "\"on-miss\",\"agentId\":\"main\",\"resolvedPath\":null,"
	    "\"sessionKey\":null}");
	ask(&low, "exec.approval.resolve", "{\"id\":\"a-1\",\"decision\":"
	    "\"allow-once\"}", "missing scope: operator.approvals");
	ask(&low, "exec.approval.list", "{}", "missing scope");
	ask(&op, "exec.approval.list", "{}", "{\"approvals\":[{\"id\":\"a-1\"");
	ask(&op, "exec.approval.resolve", "{\"id\":\"a-2\",\"decision\":"
	    "\"deny\"}", "unknown approval id");
	ask(&op, "exec.approval.resolve", "{\"id\":\"a-1\",\"decision\":"
	    "\"allow\"}", "invalid decision");
	/* what was not offered */
	ask(&op, "exec.approval.resolve", "{\"id\":\"a-1\",\"decision\":"
	    "\"allow-always\"}", "once only");
	assert_null(take(&tool, MSG_AP_DECISION));
	ask(&op, "exec.approval.resolve", "{\"id\":\"a-1\",\"decision\":"
	    "\"allow-once\"}", "\"ok\":true");
	m = take(&tool, MSG_AP_DECISION);
	assert_non_null(m);
	assert_int_equal(get_ap_decision(m, &d), MSG_OK);
	assert_true(str_eqs(d.id, "a-1"));
	assert_true(str_eqs(d.digest, DIGEST));
	assert_int_equal(d.verdict, AP_ALLOW_ONCE);
	assert_true(d.resolved_by.n > 0);
	/* once */
	ask(&op, "exec.approval.resolve", "{\"id\":\"a-1\",\"decision\":"
	    "\"allow-once\"}", "unknown approval id");
	assert_null(take(&tool, MSG_AP_DECISION));
	/* too late to end it, and no harm */
	end_of(&tool, "a-1", AP_TIMED_OUT);
	assert_false(tool.is_gone);
	leave(&op);
	leave(&low);
}

/* One toold cannot end, repeat or take over the question of another. */
static void
test_T25_another_toold(void **state)
{
	struct sibling	 other;
	struct peer	 op;

	(void)state;
	memset(&other, 0, sizeof(other));
	sibling_up(&other, ROLE_TOOL, "work");
	join(&op, ADMIN);
	question(&tool, "b-1", true);
	see(&op, "exec.approval.requested", "\"agentId\":\"main\"");
	end_of(&other, "b-1", AP_WITHDRAWN);
	assert_true(other.is_gone);
	assert_int_equal(other.gone, MSG_MEANING);
	sibling_down(&other);
	memset(&other, 0, sizeof(other));
	sibling_up(&other, ROLE_TOOL, "work");
	question(&other, "b-1", true);
	assert_true(other.is_gone);
	sibling_down(&other);
	ask(&op, "exec.approval.list", "{}", "\"id\":\"b-1\"");
	/* its toold ends: nobody would run it */
	sibling_down(&tool);
	pump();
	see(&op, "exec.approval.resolved", "\"id\":\"b-1\",\"decision\":"
	    "\"deny\",\"resolvedBy\":null");
	ask(&op, "exec.approval.list", "{}", "{\"approvals\":[]}");
	leave(&op);
}

static void
test_ends(void **state)
{
	struct peer	 op, waiting;

	(void)state;
	sibling_up(&tool, ROLE_TOOL, "main");
	join(&op, ADMIN);
	join(&waiting, ADMIN);
	question(&tool, "c-1", true);
	see(&op, "requested", "c-1");
	see(&waiting, "requested", "c-1");
	say(&waiting, "{\"type\":\"req\",\"id\":\"w\",\"method\":"
	    "\"exec.approval.waitDecision\",\"params\":{\"id\":\"c-1\"}}");
	/* at its expiry nothing is broadcast; who waits hears of it */
	end_of(&tool, "c-1", AP_TIMED_OUT);
	see(&waiting, "\"id\":\"w\"", "\"decision\":null");
	ask(&op, "exec.approval.list", "{}", "{\"approvals\":[]}");
	question(&tool, "c-2", true);
	see(&op, "requested", "c-2");
	end_of(&tool, "c-2", AP_WITHDRAWN);
	see(&op, "resolved", "\"id\":\"c-2\",\"decision\":\"deny\"");
	/* ids that could not be typed */
	question(&tool, "c 3", true);
	assert_true(tool.is_gone);
	sibling_down(&tool);
	leave(&op);
	leave(&waiting);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T25_scope_and_single_use),
		cmocka_unit_test(test_T25_another_toold),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
