/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Clients of the router: tickets, hello, frames, scopes, presence, the end.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "tests/unit/router_rig.h"

static void
test_hello(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p;
	struct skim_frame	 f;
	struct skim_val		 payload, v, w;
	const char		*s;

	(void)state;
	t.device_id = STR_LIT("abcd");
	t.device_token = STR_LIT("0123");
	t.issued_at = 7;
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	s = frame(&p);
	assert_int_equal(skim_frame(s, strlen(s), &f), SKIM_OK);
	assert_true(skim_is(&f.id, "c\"1"));
	assert_true(skim_get(&f.root, "payload", &payload));
	assert_true(skim_get(&payload, "protocol", &v));
	assert_memory_equal(v.p, "3", v.n);
	assert_true(skim_get(&payload, "auth", &v));
	assert_true(skim_get(&v, "deviceToken", &w));
	assert_true(skim_is(&w, "0123"));
	assert_true(skim_get(&v, "issuedAtMs", &w));
	assert_true(skim_get(&payload, "policy", &v));
	assert_memory_equal(v.p, "{\"maxPayload\":26214400,\"maxBufferedBytes\":"
	    "1572864,\"tickIntervalMs\":30000}", v.n);
	assert_true(skim_get(&payload, "snapshot", &v));
	assert_true(skim_get(&v, "sessionDefaults", &w));
	assert_memory_equal(w.p, "{\"defaultAgentId\":\"main\",\"mainKey\":"
	    "\"main\",\"mainSessionKey\":\"agent:main:main\",\"scope\":"
	    "\"per-sender\"}", w.n);
	assert_true(skim_get(&v, "configPath", &w));
	assert_non_null(strstr(s, "\"health\",\"status\",\"logs.tail\""));
	assert_null(strstr(s, "\"cron.list\""));
	assert_non_null(strstr(s, "\"connect.challenge\",\"agent\",\"chat\""));
	leave(&p);
}

static void
test_T15_low_scope_hello(void **state)
{
	struct m_auth_ticket	 t = ticket("");
	struct peer		 p;
	const char		*s;

	(void)state;
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	s = frame(&p);
	assert_null(strstr(s, "/secret"));
	assert_null(strstr(s, "192.0.2.7"));
	assert_non_null(strstr(s, "\"presence\":[]"));
	assert_non_null(strstr(s, "\"health\":{}"));
	leave(&p);
}

static void
test_T05_no_ticket_no_client(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p, q;

	(void)state;
	/* the hand-over may come first, and waits a moment */
	hand_over(&p, t.ticket, NULL, 0);
	assert_null(frame(&p));
	send_auth_ticket(store.far, &t, 0, 0);
	expect(&p, "hello-ok");
	/* a ticket is good once */
	hand_over(&q, t.ticket, NULL, 0);
	assert_null(frame(&q));
	rt_tickets_sweep(mono_ms() + 60000);
	assert_true(at_end(&q));
	leave(&q);
	/* and not for ever */
	t = ticket(ADMIN);
	send_auth_ticket(store.far, &t, 0, 0);
	pump();
	rt_tickets_sweep(mono_ms() + 60000);
	hand_over(&q, t.ticket, NULL, 0);
	assert_null(frame(&q));
	rt_tickets_sweep(mono_ms() + 60000);
	assert_true(at_end(&q));
	leave(&q);
	leave(&p);
}

static void
test_unread_bytes(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p;
	static const char	 text[] = "{\"type\":\"req\",\"id\":\"1\","
				    "\"method\":\"last-heartbeat\"}";
	uint8_t			 buf[256];
	size_t			 n;

	(void)state;
	n = ws_frame(buf, 0x81, text, sizeof(text) - 1);
	n += ws_frame(buf + n, 0x81, text, sizeof(text) - 1) - 5;
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, (char *)buf, n);
	expect(&p, "hello-ok");
	expect(&p, "{\"type\":\"res\",\"id\":\"1\",\"ok\":true,\"payload\":"
	    "null}");
	assert_null(frame(&p));
	send_all(p.fd, buf + n, 5);
	expect(&p, "null");
	leave(&p);
}

static void
test_local_methods(void **state)
{
	static const char *const t[][2] = {
		{ "health", "\"payload\":{\"ok\":true,\"ts\":" },
		{ "status", "\"defaultAgentId\":\"main\"" },
		{ "channels.status", "\"channelOrder\":[\"telegram\"]" },
		{ "config.get", "\"payload\":{\"path\":\"/c\",\"exists\":true}}" },
		{ "models.list", "{\"models\":[{\"id\":\"assistant\"}]}" },
		{ "agents.list", "\"payload\":{\"agents\":[]}}" },
		{ "system-presence", "\"mode\":\"gateway\"" },
		{ "last-heartbeat", "\"ok\":true,\"payload\":null}" },
	};
	struct skim_frame	 f;
	struct peer		 p;
	char			 buf[128];
	const char		*s;
	size_t			 i;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(buf, sizeof(buf), "{\"type\":\"req\",\"id\":\"x\","
		    "\"method\":\"%s\"}", t[i][0]);
		say(&p, buf);
		s = frame(&p);
		if (s == NULL || strstr(s, t[i][1]) == NULL)
			fail_msg("%s: %s", t[i][0], s);
		assert_int_equal(skim_frame(s, strlen(s), &f), SKIM_OK);
	}
	leave(&p);
}

/* The newest of all agents, not of the default one alone. */
static void
test_status_joins_the_agents(void **state)
{
	struct m_ag_state	 st = { 0 };
	struct peer		 p;

	(void)state;
	st.sessions = STR_LIT("{\"path\":\"/m\",\"count\":2,\"recent\":[{"
	    "\"key\":\"m1\",\"updatedAt\":40},{\"key\":\"m2\","
	    "\"updatedAt\":20}]}");
	send_ag_state(agent.far, &st, 0, 0);
	st.sessions = STR_LIT("{\"path\":\"/w\",\"count\":2,\"recent\":[{"
	    "\"key\":\"w1\",\"updatedAt\":30},{\"key\":\"w2\","
	    "\"updatedAt\":null}]}");
	send_ag_state(work.far, &st, 0, 0);
	pump();
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"x\",\"method\":\"status\"}");
	expect(&p, "\"paths\":[\"/m\",\"/w\"],\"count\":4,\"defaults\":{"
	    "\"model\":null,\"contextTokens\":null},\"recent\":[{\"key\":"
	    "\"m1\",\"updatedAt\":40},{\"key\":\"w1\",\"updatedAt\":30},{"
	    "\"key\":\"m2\",\"updatedAt\":20},{\"key\":\"w2\","
	    "\"updatedAt\":null}]");
	leave(&p);
}

static void
test_malformed(void **state)
{
	static const char *const t[][2] = {
		{ "not json", NULL },
		{ "{\"type\":\"req\"", NULL },
		{ "[]", "\"id\":\"invalid\",\"ok\":false,\"error\":{\"code\":"
		    "\"INVALID_REQUEST\",\"message\":\"invalid request frame: "
		    "must be object\"}" },
		{ "{\"id\":\"7\"}", "\"id\":\"7\",\"ok\":false" },
		{ "{\"id\":7,\"type\":\"req\",\"method\":\"health\"}",
		    "\"id\":7,\"ok\":false,\"error\":{\"code\":"
		    "\"INVALID_REQUEST\",\"message\":\"invalid request frame: "
		    "at /id: must be string\"}" },
		{ "{\"type\":\"event\",\"event\":\"x\"}", "invalid request "
		    "frame: at root: unexpected property 'event'" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"connect\"}",
		    "\"connect is only valid as the first request\"" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"no.such\"}",
		    "\"unknown method: no.such\"" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"cron.list\"}",
		    "\"unknown method: cron.list\"" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":"
		    "\"chat.history\"}", "\"invalid chat.history params: must "
		    "have required property 'sessionKey'\"" },
		{ "{\"type\":\"req\",\"id\":\"\\u0000\",\"method\":"
		    "\"last-heartbeat\"}", "\"id\":\"\\ufffd\",\"ok\":true" },
	};
	struct peer	 p;
	const char	*s;
	size_t		 i;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		say(&p, t[i][0]);
		s = frame(&p);
		if (t[i][1] == NULL ? s != NULL :
		    s == NULL || strstr(s, t[i][1]) == NULL)
			fail_msg("%s\n%s", t[i][0], s);
	}
	leave(&p);
}

static void
test_T47_hostile_frames(void **state)
{
	struct peer	 p, good;
	char		*big = malloc(100001);
	uint8_t		 head[16];

	(void)state;
	join(&good, ADMIN);
	join(&p, ADMIN);
	memset(big, '[', 100000);
	strlcpy(big, "{\"type\":\"req\",\"id\":\"d\",\"method\":\"health\","
	    "\"params\":", 100001);
	big[strlen(big)] = '[';
	big[100000] = '\0';
	say(&p, big);
	expect(&p, "\"id\":\"d\",\"ok\":false,\"error\":{\"code\":"
	    "\"INVALID_REQUEST\",\"message\":\"invalid request frame: nesting "
	    "too deep\"}");
	/* announced 100 MB: refused at the head */
	memcpy(head, "\x81\xff\0\0\0\0\x06\0\0\0\1\2\3\4", 14);
	send_all(p.fd, head, 14);
	expect(&p, "close 1009 ");
	leave(&p);

	join(&p, ADMIN);
	/* one byte too many: 26214401 */
	send_all(p.fd, "\x81\xff\0\0\0\0\x01\x90\0\1\1\2\3\4", 14);
	expect(&p, "close 1009 ");
	leave(&p);

	join(&p, ADMIN);
	say(&p, "{\"a\":\"\xff\"}");
	expect(&p, "close 1007 ");
	leave(&p);

	join(&p, ADMIN);
	send_all(p.fd, "\x81\x02hi", 4);	/* not masked */
	expect(&p, "close 1002 ");
	leave(&p);

	say(&good, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	while (strstr(frame(&good), "\"id\":\"1\",\"ok\":true") == NULL)
		;
	leave(&good);
	free(big);
}

/* A frame may be large; what an agent is sent may not, and says so. */
static void
test_long_messages(void **state)
{
	static const char	 head[] = "{\"type\":\"req\",\"id\":\"l\","
	    "\"method\":\"chat.send\",\"params\":{\"sessionKey\":\"main\","
	    "\"idempotencyKey\":\"long%d\",\"message\":\"";
	size_t			 sizes[] = { RT_TEXT_MAX, RT_TEXT_MAX + 1 };
	struct m_ag_turn	 t;
	struct peer		 p;
	struct msg		*m;
	struct dbuf		 b;
	size_t			 i;
	int			 escaped;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < 4; i++) {
		escaped = i >= 2;
		dbuf_init(&b, 16u << 20);
		dbuf_printf(&b, head, (int)i);
		while (b.n < sizes[i % 2] + (escaped ? 5 : 0) + sizeof(head) -
		    2)
			dbuf_putc(&b, 'x');
		if (escaped)	/* one character of six bytes */
			memcpy(b.p + b.n - 6, "\\u0041", 6);
		dbuf_puts(&b, "\"}}");
		say(&p, dbuf_str(&b));
		dbuf_clear(&b);
		if (i % 2 == 1) {
			expect(&p, "\"invalid chat.send params: at /message: "
			    "must NOT have more than 1048576 bytes\"");
			continue;
		}
		m = take(&agent, MSG_AG_TURN);
		assert_non_null(m);
		assert_int_equal(get_ag_turn(m, &t), MSG_OK);
		assert_int_equal(t.text.n, RT_TEXT_MAX);
	}
	leave(&p);
}

/* T47: each may begin a large message, all together may not. */
static void
test_T47_begun_and_not_ended(void **state)
{
	static uint8_t	 part[1u << 20];
	struct peer	 p[16], good;
	const char	*s = NULL;
	size_t		 i, k, n = 0;

	(void)state;
	join(&good, ADMIN);
	for (i = 0; i < 16 && s == NULL; i++, n++) {
		join(&p[i], ADMIN);
		send_all(p[i].fd, "\x81\xff\0\0\0\0\x01\x90\0\0\0\0\0\0", 14);
		for (k = 0; k < 24 && s == NULL; k++) {
			send_all(p[i].fd, part, sizeof(part));
			s = frame(&p[i]);
		}
	}
	assert_non_null(s);
	assert_non_null(strstr(s, "close 1013 "));
	assert_true(n >= 8);
	say(&good, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&good, "\"ok\":true");
	/* what they held is given back */
	for (i = 0; i < n; i++)
		leave(&p[i]);
	join(&p[0], ADMIN);
	send_all(p[0].fd, "\x81\xff\0\0\0\0\x01\x90\0\0\0\0\0\0", 14);
	for (k = 0; k < 24; k++)
		send_all(p[0].fd, part, sizeof(part));
	assert_null(frame(&p[0]));
	leave(&p[0]);
	leave(&good);
}

static void
test_fragments_and_ping(void **state)
{
	static const char a[] = "{\"type\":\"req\",\"id\":\"1\",";
	static const char b[] = "\"method\":\"last-heartbeat\"}";
	struct peer	 p;
	uint8_t		 buf[256];
	size_t		 n, i;

	(void)state;
	join(&p, ADMIN);
	n = ws_frame(buf, 0x01, a, sizeof(a) - 1);
	n += ws_frame(buf + n, 0x89, "hi", 2);
	n += ws_frame(buf + n, 0x00, b, 5);
	n += ws_frame(buf + n, 0x80, b + 5, sizeof(b) - 6);
	for (i = 0; i < n; i++)
		send_all(p.fd, buf + i, 1);
	expect(&p, "pong hi");
	expect(&p, "\"id\":\"1\",\"ok\":true,\"payload\":null");
	/* binary is read as text */
	n = ws_frame(buf, 0x82, "{\"type\":\"req\",\"id\":\"2\",\"method\":"
	    "\"last-heartbeat\"}", 49);
	send_all(p.fd, buf, n);
	expect(&p, "\"id\":\"2\"");
	n = ws_frame(buf, 0x88, "\x03\xe8", 2);
	send_all(p.fd, buf, n);
	expect(&p, "close 1000");
	assert_true(at_end(&p));
	leave(&p);
}

static void
test_pipelined(void **state)
{
	struct peer	 p;
	struct dbuf	 b;
	uint8_t		 f[128];
	char		 t[96];
	int		 i;

	(void)state;
	join(&p, ADMIN);
	dbuf_init(&b, 1 << 20);
	for (i = 0; i < 2000; i++) {
		snprintf(t, sizeof(t), "{\"type\":\"req\",\"id\":\"%d\","
		    "\"method\":\"last-heartbeat\"}", i);
		dbuf_put(&b, f, ws_frame(f, 0x81, t, strlen(t)));
	}
	send_all(p.fd, b.p, b.n);
	for (i = 0; i < 2000; i++) {
		snprintf(t, sizeof(t), "\"id\":\"%d\"", i);
		expect(&p, t);
	}
	dbuf_clear(&b);
	leave(&p);
}

static void
test_R02_asks_but_does_not_read(void **state)
{
	struct peer	 p;
	struct dbuf	 b;
	uint8_t		 f[128];
	int		 i, n = 0;
	static const char t[] = "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"status\"}";

	(void)state;
	join(&p, ADMIN);
	dbuf_init(&b, 1 << 20);
	for (i = 0; i < 8000; i++)
		dbuf_put(&b, f, ws_frame(f, 0x81, t, sizeof(t) - 1));
	/* without reading: the router stops serving at its mark */
	for (i = 0; (size_t)i < b.n;) {
		ssize_t r = send(p.fd, b.p + i, b.n - (size_t)i,
		    MSG_DONTWAIT);
		pump();
		if (r > 0)
			i += (int)r;
		else if (++n > 50)
			break;
	}
	assert_true(rt_client_backlog(TAILQ_LAST(&rt_clients, client_list)) <
	    2 * RT_MAX_BUFFERED);
	/* and serves all of it when it is read */
	for (n = 0; n < 8000; n++) {
		if ((size_t)i < b.n) {
			ssize_t r = send(p.fd, b.p + i, b.n - (size_t)i,
			    MSG_DONTWAIT);
			if (r > 0)
				i += (int)r;
		}
		expect(&p, "\"id\":\"1\",\"ok\":true");
	}
	dbuf_clear(&b);
	leave(&p);
}

static void
test_T05_scopes(void **state)
{
	struct peer	 p;

	(void)state;
	join(&p, "operator.read");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"config.get\"}");
	expect(&p, "missing scope: operator.admin");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"nope\"}");
	expect(&p, "missing scope: operator.admin");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"chat.send\"}");
	expect(&p, "missing scope: operator.write");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"gateway.stop\"}");
	expect(&p, "missing scope: operator.admin");
	assert_null(take(&parent, MSG_SUP_REQ));
	leave(&p);
}

static void
test_T07_revoked(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct m_st_revoked	 r;
	struct peer		 p, q;

	(void)state;
	t.device_id = STR_LIT("dev1");
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	expect(&p, "hello-ok");
	join(&q, ADMIN);
	memset(&r, 0, sizeof(r));
	r.device_id = STR_LIT("dev1");
	r.before = t.issued_at;
	send_st_revoked(store.far, &r, 0, 0);
	expect(&p, "close 1008 revoked");
	leave(&p);
	say(&q, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"last-heartbeat\"}");
	expect(&q, "null");
	leave(&q);
}

/* What ended between the login and the hand-over lets nobody in; a login
 * after the end is not meant. */
static void
test_T07_ticket_revoked(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN), later;
	struct m_st_revoked	 r;
	struct peer		 p, q;
	uint64_t		 old = t.ticket;

	(void)state;
	t.device_id = STR_LIT("dev1");
	t.issued_at = 1000;
	later = ticket(ADMIN);
	later.device_id = t.device_id;
	later.issued_at = 1001;
	send_auth_ticket(store.far, &t, 0, 0);
	send_auth_ticket(store.far, &later, 0, 0);
	memset(&r, 0, sizeof(r));
	r.device_id = STR_LIT("dev1");
	r.before = 1000;
	send_st_revoked(store.far, &r, 0, 0);
	pump();
	hand_over(&p, old, NULL, 0);
	hand_over(&q, later.ticket, NULL, 0);
	expect(&q, "hello-ok");
	say(&q, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"last-heartbeat\"}");
	expect(&q, "null");
	assert_null(frame(&p));
	leave(&p);
	leave(&q);
}

static void
test_presence(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p, q;
	const char		*s;
	int			 i;

	(void)state;
	join(&q, ADMIN);
	t.display_name = STR_LIT("Phone");
	t.instance_id = STR_LIT("INST");
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	expect(&p, "hello-ok");
	say(&q, "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"system-presence\"}");
	expect(&q, "{\"host\":\"Phone\",\"ip\":\"192.0.2.7\",\"version\":\"1\","
	    "\"platform\":\"linux\",\"mode\":\"ui\",\"text\":\"Node: Phone · "
	    "mode ui\",\"roles\":[\"operator\"],\"scopes\":[\"operator.admin\"]"
	    ",\"instanceId\":\"INST\",\"reason\":\"connect\"");
	leave(&p);
	want_presence = true;
	wait_ms(150);
	for (i = 0; (s = frame(&q)) != NULL && strstr(s,
	    "\"event\":\"presence\"") == NULL && i < 10; i++)
		;
	assert_non_null(s);
	assert_non_null(strstr(s, "\"reason\":\"disconnect\""));
	assert_non_null(strstr(s, "\"stateVersion\":{\"presence\":"));
	want_presence = false;
	leave(&q);
}

static void
test_stop(void **state)
{
	struct peer	 p;

	(void)state;
	join(&p, ADMIN);
	rt_broadcast_shutdown(false);
	expect(&p, "\"event\":\"shutdown\",\"seq\":") ;
	rt_clients_close_all(WS_CLOSE_RESTART, "service restart");
	expect(&p, "close 1012 service restart");
	leave(&p);
	rt_pending_sweep(mono_ms() + 3600000);
	assert_int_equal(rt_pending_count(), 0);
	assert_int_equal(rt_clients_count(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_T15_low_scope_hello),
		cmocka_unit_test(test_T05_no_ticket_no_client),
		cmocka_unit_test(test_unread_bytes),
		cmocka_unit_test(test_local_methods),
		cmocka_unit_test(test_status_joins_the_agents),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_T47_hostile_frames),
		cmocka_unit_test(test_long_messages),
		cmocka_unit_test(test_T47_begun_and_not_ended),
		cmocka_unit_test(test_fragments_and_ping),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_R02_asks_but_does_not_read),
		cmocka_unit_test(test_T05_scopes),
		cmocka_unit_test(test_T07_revoked),
		cmocka_unit_test(test_T07_ticket_revoked),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
