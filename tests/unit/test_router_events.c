/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Events from agents to clients: fan-out, numbers, slow clients, forgeries.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/router_rig.h"

static void
test_fan_out(void **state)
{
	struct peer	 a, b, c;
	char		*big = malloc(30001);
	int		 i;

	(void)state;
	join(&a, ADMIN);
	join(&b, "operator.read");
	ag_event(&agent, EVENT_CHAT, true, "r1", "{\"n\":1}", 7);
	/* seq is per socket; health events took numbers before it or not */
	expect(&a, "\"payload\":{\"n\":1}}");
	expect(&b, "\"payload\":{\"n\":1}}");
	join(&c, ADMIN);
	wait_ms(50);
	frame(&c);
	/* a large payload is shared */
	memset(big, 'y', 30000);
	memcpy(big, "{\"t\":\"", 6);
	memcpy(big + 29998, "\"}", 3);
	for (i = 0; i < 3; i++)
		ag_event(&agent, EVENT_AGENT, false, "r1", big, 30000);
	for (i = 0; i < 3; i++) {
		expect(&a, big);
		expect(&b, big);
		expect(&c, big);
	}
	leave(&a);
	leave(&b);
	leave(&c);
	free(big);
}

static uint64_t
seq_of(const char *s)
{
	const char	*q = strstr(s, "\"seq\":");

	return q == NULL ? 0 : strtoull(q + 6, NULL, 10);
}

static void
test_seq(void **state)
{
	struct peer	 a;
	const char	*s;
	uint64_t	 last = 0, n;
	int		 i;

	(void)state;
	join(&a, ADMIN);
	wait_ms(30);
	for (i = 0; i < 20; i++)
		ag_event(&agent, EVENT_AGENT, false, "r", "{}", 2);
	for (i = 0; i < 20; i++) {
		assert_non_null(s = frame(&a));
		n = seq_of(s);
		/* health events, which frame() drops, may stand between */
		assert_true(n > last && n <= last + 4);
		last = n;
	}
	leave(&a);
}

static void
test_slow_consumer(void **state)
{
	struct peer	 slow, good;
	char		*big = malloc(1 << 16);
	uint64_t	 last = 0, n;
	const char	*s;
	bool		 gap = false;
	int		 i;

	(void)state;
	join(&slow, ADMIN);
	join(&good, ADMIN);
	memset(big, 'z', 60000);
	memcpy(big, "{\"t\":\"", 6);
	memcpy(big + 59998, "\"}", 2);
	for (i = 0; i < 60; i++) {
		ag_event(&agent, EVENT_CHAT, true, "r", big, 60000);
		expect(&good, "\"event\":\"chat\"");
	}
	assert_true(rt.drops > 0);
	/* what was left out took its number */
	while ((s = frame(&slow)) != NULL) {
		n = seq_of(s);
		assert_true(n > last);
		last = n;
	}
	ag_event(&agent, EVENT_CHAT, true, "r", "{}", 2);
	assert_non_null(s = frame(&slow));
	gap = seq_of(s) > last + 4;
	assert_true(gap);
	/* what may not be dropped ends it */
	for (i = 0; i < 60; i++) {
		ag_event(&agent, EVENT_CHAT, false, "r", big, 60000);
		expect(&good, "\"event\":\"chat\"");
	}
	while ((s = frame(&slow)) != NULL && strncmp(s, "close", 5) != 0)
		;
	assert_non_null(s);
	assert_string_equal(s, "close 1008 slow consumer");
	leave(&slow);
	leave(&good);
	free(big);
}

static void
test_T26_forged_events(void **state)
{
	static const struct { enum gw_event ev; const char *payload; } bad[] = {
		{ EVENT_CHAT, "{},\"event\":\"exec.approval.requested\"" },
		{ EVENT_CHAT, "" }, { EVENT_CHAT, "[]" },
		{ EVENT_CHAT, "{\"a\":\"\xff\"}" },
		{ EVENT_PRESENCE, "{}" }, { EVENT_SHUTDOWN, "{}" },
		{ EVENT_EXEC_APPROVAL_REQUESTED, "{}" },
	};
	struct peer	 p;
	struct msg	*m;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ag_event(&work, bad[i].ev, false, "r", bad[i].payload,
		    strlen(bad[i].payload));
		assert_true(work.is_gone);
		assert_int_equal(work.gone, MSG_MEANING);
		sibling_down(&work);
		sibling_up(&work, ROLE_AGENT, "work");
	}
	/* one agent may not speak of another's run */
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"x\",\"idempotencyKey\":\"mine\","
	    "\"sessionKey\":\"main\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("mine"), TURN_ACCEPTED, "", "");
	expect(&p, "started");
	ag_event(&work, EVENT_CHAT, false, "mine", "{}", 2);
	assert_int_equal(work.gone, MSG_MEANING);
	sibling_down(&work);
	sibling_up(&work, ROLE_AGENT, "work");
	run_end(&work, "mine", RUN_OK, "", "");
	assert_int_equal(work.gone, MSG_MEANING);
	sibling_down(&work);
	sibling_up(&work, ROLE_AGENT, "work");
	assert_null(frame(&p));
	leave(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fan_out),
		cmocka_unit_test(test_seq),
		cmocka_unit_test(test_slow_consumer),
		cmocka_unit_test(test_T26_forged_events),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
