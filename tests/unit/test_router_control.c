/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Control sockets: the same methods in lines, and what the supervisor answers.
 */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/router_rig.h"

static struct sockaddr_un	 control_addr;

/* As the supervisor does: looks at the peer, gives the connection back. */
static void
judge(enum peer_right right, const char *reason)
{
	struct m_sup_peer_res	 r = { .uid = 4711, .pid = 815,
				    .right = (uint8_t)right };
	struct msg		*m = take(&parent, MSG_SUP_PEER);
	int			 fd;

	assert_non_null(m);
	assert_int_equal(m->nfds, 1);
	fd = msg_take_fd(m, 0);
	r.reason = str_of(reason);
	assert_int_equal(link_send_fds(parent.far, MSG_SUP_PEER_RES, &r,
	    m->h.corr, MSG_F_REPLY, &fd, 1), 0);
	pump();
}

static void
knock(struct peer *p)
{
	memset(p, 0, sizeof(*p));
	p->line = true;
	dbuf_init(&p->in, 16u << 20);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&control_addr,
	    sizeof(control_addr)), 0);
	pump();
}

static void
control(struct peer *p)
{
	knock(p);
	judge(PEER_ADMIN, "");
}

static void
listen_at(char *dir)
{
	int	 fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(&control_addr, 0, sizeof(control_addr));
	control_addr.sun_family = AF_UNIX;
	snprintf(control_addr.sun_path, sizeof(control_addr.sun_path),
	    "%s/s", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&control_addr,
	    sizeof(control_addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	rt_worker.listener(LISTENER_CONTROL, fd, "control");
}

/* The buffer of answers grows at the last byte of one: nothing of it is read
 * from where it was before. */
static void
answers_of_every_length(void)
{
	static char	 id[RT_ID_MAX - 1], line[4096];
	struct peer	 p;
	const char	*got;
	size_t		 n;

	control(&p);
	for (n = 1; n < sizeof(id); n++) {
		id[n - 1] = 'i';
		snprintf(line, sizeof(line), "{\"type\":\"req\",\"id\":\"%s\","
		    "\"method\":\"no.such\"}", id);
		say(&p, line);
		snprintf(line, sizeof(line), "{\"type\":\"res\",\"id\":\"%s\","
		    "\"ok\":false,", id);
		got = frame(&p);
		assert_non_null(got);
		assert_int_equal(strncmp(got, line, strlen(line)), 0);
		assert_int_equal(got[strlen(got) - 1], '}');
	}
	leave(&p);
}

static void
test_control(void **state)
{
	char			 dir[] = "/tmp/gw-router-XXXXXX";
	struct m_sup_req	 q;
	struct m_sup_proc	 row;
	struct m_sup_res	 res;
	struct m_sup_event	 ev;
	struct peer		 p, many[RT_CONTROL_UID + 1];
	struct msg		*m;
	char			*big;
	size_t			 i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	listen_at(dir);
	answers_of_every_length();	/* first: nothing has grown it yet */
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"config.get\"}");
	expect(&p, "{\"type\":\"res\",\"id\":\"1\",\"ok\":true,\"payload\":{"
	    "\"path\":\"/c\",\"exists\":true}}");
	/* no events before a connect */
	ag_event(&agent, EVENT_CHAT, false, "r", "{\"n\":1}", 7);
	assert_null(frame(&p));
	say(&p, "{\"type\":\"req\",\"id\":\"2\",\"method\":"
	    "\"gateway.processes\",\"params\":{}}");
	m = take(&parent, MSG_SUP_REQ);
	assert_int_equal(get_sup_req(m, &q), MSG_OK);
	assert_int_equal(q.verb, SUP_LIST);
	memset(&row, 0, sizeof(row));
	row.name = STR_LIT("router");
	row.state = PROC_ST_RUNNING;
	row.pid = 7;
	send_sup_proc(parent.far, &row, m->h.corr, 0);
	row.name = STR_LIT("channeld/telegram:default");
	send_sup_proc(parent.far, &row, m->h.corr, 0);
	memset(&res, 0, sizeof(res));
	send_sup_res(parent.far, &res, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"payload\":{\"processes\":[{\"name\":\"router\",\"state\":"
	    "\"running\",\"pid\":7");
	say(&p, "{\"type\":\"req\",\"id\":\"3\",\"method\":"
	    "\"gateway.restart\",\"params\":{\"process\":\"agentd/main\"}}");
	m = take(&parent, MSG_SUP_REQ);
	assert_int_equal(get_sup_req(m, &q), MSG_OK);
	assert_int_equal(q.verb, SUP_RESTART);
	assert_true(str_eqs(q.arg, "agentd/main"));
	memset(&ev, 0, sizeof(ev));
	ev.name = STR_LIT("agentd/main");
	ev.state = PROC_ST_DRAINING;
	send_sup_event(parent.far, &ev, 0, 0);
	expect(&p, "{\"type\":\"event\",\"event\":\"process\",\"payload\":{"
	    "\"name\":\"agentd/main\",\"state\":\"draining\"}}");
	res.status = SUP_UNKNOWN;
	res.text = STR_LIT("no such process");
	send_sup_res(parent.far, &res, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"ok\":false,\"error\":{\"code\":\"INVALID_REQUEST\","
	    "\"message\":\"no such process\"}");
	send_sup_event(parent.far, &ev, 0, 0);
	assert_null(frame(&p));
	/* connect narrows and brings events */
	say(&p, "{\"type\":\"req\",\"id\":\"4\",\"method\":\"connect\","
	    "\"params\":{\"minProtocol\":3,\"maxProtocol\":3,\"client\":{"
	    "\"id\":\"cli\",\"version\":\"1\",\"platform\":\"l\",\"mode\":"
	    "\"cli\"},\"scopes\":[\"operator.read\"]}}");
	expect(&p, "hello-ok");
	ag_event(&agent, EVENT_CHAT, false, "r", "{\"n\":1}", 7);
	expect(&p, "{\"n\":1}");
	say(&p, "{\"type\":\"req\",\"id\":\"5\",\"method\":\"config.get\"}");
	expect(&p, "missing scope");
	say(&p, "{\"type\":\"req\",\"id\":\"6\",\"method\":\"connect\"}");
	expect(&p, "only valid as the first");
	leave(&p);
	/* a scope that nobody knows is no right, and no list asks for all */
	for (i = 0; i < 3; i++) {
		static const char *const lists[] = { "\"operator.none\"", "",
		    "\"operator.admin\"" };
		char	 buf[512];

		control(&p);
		snprintf(buf, sizeof(buf), "{\"type\":\"req\",\"id\":\"4\","
		    "\"method\":\"connect\",\"params\":{\"minProtocol\":3,"
		    "\"maxProtocol\":3,\"client\":{\"id\":\"cli\",\"version\":"
		    "\"1\",\"platform\":\"l\",\"mode\":\"cli\"},\"scopes\":[%s]}}",
		    lists[i]);
		say(&p, buf);
		expect(&p, "hello-ok");
		say(&p, "{\"type\":\"req\",\"id\":\"5\",\"method\":"
		    "\"config.get\"}");
		expect(&p, i == 0 ? "missing scope" : "\"ok\":true");
		leave(&p);
	}
	/* a restart that was refused is none, also when nobody hears it */
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"r\",\"method\":"
	    "\"gateway.restart\",\"params\":{}}");
	m = take(&parent, MSG_SUP_REQ);
	assert_non_null(m);
	assert_true(rt_sup_restarting);
	leave(&p);
	memset(&res, 0, sizeof(res));
	res.status = SUP_FAILED;
	send_sup_res(parent.far, &res, m->h.corr, MSG_F_REPLY);
	pump();
	assert_false(rt_sup_restarting);
	control(&p);
	/* bad input costs this connection */
	big = malloc(RT_LINE_MAX + 70000);
	memset(big, 'x', RT_LINE_MAX + 70000);
	send_all(p.fd, big, RT_LINE_MAX + 70000);
	free(big);
	assert_true(at_end(&p));
	leave(&p);
	/* half-closed: still answered */
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"7\",\"method\":"
	    "\"logs.tail\"}");
	shutdown(p.fd, SHUT_WR);
	assert_null(frame(&p));
	m = take(&logd, MSG_RPC_REQ);
	assert_non_null(m);
	{
		struct m_rpc_res r = { .ok = 1, .result = STR_LIT("{}") };

		send_rpc_res(logd.far, &r, m->h.corr, MSG_F_REPLY);
	}
	expect(&p, "\"id\":\"7\",\"ok\":true");
	assert_true(at_end(&p));
	leave(&p);
	/* so many for one user */
	for (i = 0; i < RT_CONTROL_UID + 1; i++)
		control(&many[i]);
	assert_false(at_end(&many[0]));
	expect(&many[RT_CONTROL_UID], "{\"type\":\"res\",\"id\":"
	    "\"invalid\",\"ok\":false,\"error\":{\"code\":\"UNAVAILABLE\"");
	assert_true(at_end(&many[RT_CONTROL_UID]));
	for (i = 0; i < RT_CONTROL_UID + 1; i++)
		leave(&many[i]);
	/* a reader reads */
	knock(&p);
	judge(PEER_READER, "");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"config.get\"}");
	expect(&p, "missing scope: operator.admin");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	leave(&p);
	/* a stranger is told why, whatever he says; the next one is served */
	knock(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	assert_null(frame(&p));
	judge(PEER_STRANGER, "user 4711 may \"not\"");
	assert_string_equal(frame(&p), "{\"type\":\"res\",\"id\":\"invalid\","
	    "\"ok\":false,\"error\":{\"code\":\"INVALID_REQUEST\","
	    "\"message\":\"user 4711 may \\\"not\\\"\"}}");
	assert_null(frame(&p));
	leave(&p);
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	leave(&p);
	unlink(control_addr.sun_path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
