/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Channels and the router: messages in, deliveries out, pairing, state.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/router_rig.h"

static struct m_ch_inbound
inbound(const char *event)
{
	struct m_ch_inbound	 v;

	memset(&v, 0, sizeof(v));
	v.event_id = str_of(event);
	v.chat = STR_LIT("123");
	v.sender = STR_LIT("123");
	v.msg_id = STR_LIT("9");
	v.text = STR_LIT("hello");
	return v;
}

static void
test_R07_inbound(void **state)
{
	static const struct {
		enum turn_status st; const char *code; enum inbound_status in;
	} acks[] = {
		{ TURN_ACCEPTED, "", INBOUND_ACCEPTED },
		{ TURN_QUEUED, "", INBOUND_ACCEPTED },
		{ TURN_DUPLICATE, "done", INBOUND_DUPLICATE },
		{ TURN_REFUSED, "INVALID_REQUEST", INBOUND_REFUSED },
		{ TURN_REFUSED, "UNAVAILABLE", INBOUND_RETRY },
	};
	struct m_ch_inbound	 v = inbound("e1");
	struct m_ch_inbound_ack	 a;
	struct m_ag_turn	 t;
	struct msg		*m;
	size_t			 i;
	int			 fds[2], *pass = fds;
	uint8_t			 buf[4096];
	struct msg		 one;
	size_t			 nbody;
	ssize_t			 n;

	(void)state;
	for (i = 0; i < sizeof(acks) / sizeof(acks[0]); i++) {
		assert_int_equal(pipe(fds), 0);
		assert_int_equal(link_send_fds(chan.far, MSG_CH_INBOUND, &v,
		    77 + i, 0, pass, 1), 0);
		close(fds[1]);
		m = take(&agent, MSG_AG_TURN);
		assert_non_null(m);
		assert_int_equal(m->nfds, 1);
		assert_int_equal(get_ag_turn(m, &t), MSG_OK);
		assert_true(str_eqs(t.session_key, "agent:main:main"));
		assert_true(str_eqs(t.dedupe_key, "telegram:default:e1"));
		assert_int_equal(t.source, TURN_CHANNEL);
		assert_null(take(&chan, MSG_CH_INBOUND_ACK));
		turn_ack(&agent, m->h.corr, t.run_id, acks[i].st,
		    acks[i].code, "why");
		m = take(&chan, MSG_CH_INBOUND_ACK);
		assert_non_null(m);
		assert_int_equal(m->h.corr, 77 + i);
		assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
		assert_true(str_eqs(a.event_id, "e1"));
		assert_int_equal(a.status, acks[i].in);
	}
	/* the agent ends before it has committed */
	send_ch_inbound(chan.far, &v, 5, 0);
	assert_non_null(take(&agent, MSG_AG_TURN));
	sibling_down(&agent);
	m = take(&chan, MSG_CH_INBOUND_ACK);
	assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, INBOUND_RETRY);
	/* and is not there */
	send_ch_inbound(chan.far, &v, 6, 0);
	m = take(&chan, MSG_CH_INBOUND_ACK);
	assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, INBOUND_RETRY);
	sibling_up(&agent, ROLE_AGENT, "main");
	/* it ends, and that is not seen before the message is passed on */
	link_free(agent.far);
	agent.far = NULL;
	memset(&one, 0, sizeof(one));
	one.h.type = MSG_CH_INBOUND;
	one.h.corr = 8;
	n = msg_encode(MSG_CH_INBOUND, &v, buf, sizeof(buf), fds, &nbody);
	assert_true(n > MSG_HEADER);
	one.payload = buf + MSG_HEADER;
	one.len = (size_t)n - MSG_HEADER;
	assert_int_equal(rt_on_chan(chan.near, &one), MSG_OK);
	m = take(&chan, MSG_CH_INBOUND_ACK);
	assert_int_equal(m->h.corr, 8);
	assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, INBOUND_RETRY);
	sibling_down(&agent);
	sibling_up(&agent, ROLE_AGENT, "main");
}

static void
test_deliver(void **state)
{
	struct m_ag_deliver	 v;
	struct m_ag_deliver_ack	 a;
	struct m_ch_deliver	 d;
	struct m_ch_deliver_ack	 c;
	struct msg		*m;

	(void)state;
	memset(&v, 0, sizeof(v));
	v.delivery_id = STR_LIT("d1");
	v.channel = STR_LIT("telegram");
	v.chat = STR_LIT("123");
	v.text = STR_LIT("reply");
	send_ag_deliver(agent.far, &v, 31, 0);
	m = take(&chan, MSG_CH_DELIVER);
	assert_non_null(m);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	assert_true(str_eqs(d.text, "reply"));
	memset(&c, 0, sizeof(c));
	c.delivery_id = STR_LIT("d1");
	c.status = DELIVERY_SENT;
	c.remote_ids = STR_LIT("[\"5\"]");
	send_ch_deliver_ack(chan.far, &c, m->h.corr, MSG_F_REPLY);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_non_null(m);
	assert_int_equal(m->h.corr, 31);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_SENT);
	assert_true(str_eqs(a.remote_ids, "[\"5\"]"));
	/* the channel ends with it */
	send_ag_deliver(agent.far, &v, 32, 0);
	assert_non_null(take(&chan, MSG_CH_DELIVER));
	sibling_down(&chan);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_RETRY);
	send_ag_deliver(agent.far, &v, 33, 0);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_RETRY);
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
}

#define SEND(key, more)	"{\"type\":\"req\",\"id\":\"s\",\"method\":\"send\"," \
	"\"params\":{\"to\":\"123\",\"message\":\"hi\",\"idempotencyKey\":\"" \
	key "\"" more "}}"

/* A client's message: offered again under the same id as long as its end is
 * not known, and never called unsent when it may not be. */
static void
test_R07_send(void **state)
{
	struct m_ch_deliver	 d;
	struct m_ch_deliver_ack	 c;
	struct m_rpc_req	 q;
	struct peer		 p;
	struct msg		*m;
	char			 id[129];

	(void)state;
	join(&p, "operator.write");
	say(&p, SEND("k0", ",\"accountId\":\"biz\""));
	expect(&p, "\"not sent: telegram account biz is not running");
	say(&p, SEND("k1", ""));
	m = take(&chan, MSG_CH_DELIVER);
	assert_non_null(m);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	assert_true(str_eqs(d.text, "hi"));
	assert_int_equal(str_copy(d.delivery_id, id, sizeof(id)), 0);
	/* it ends; the next one is asked under the same id */
	sibling_down(&chan);
	assert_null(frame(&p));
	rt_sends_sweep(mono_ms());
	assert_null(frame(&p));
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	rt_sends_sweep(mono_ms());
	pump();
	m = take(&chan, MSG_CH_DELIVER);
	assert_non_null(m);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	assert_true(str_eqs(d.delivery_id, id));
	/* another's word for it is none */
	memset(&c, 0, sizeof(c));
	c.delivery_id = d.delivery_id;
	c.status = DELIVERY_SENT;
	c.remote_ids = STR_LIT("4,5");
	send_ch_deliver_ack(chan.far, &c, m->h.corr + 1000, MSG_F_REPLY);
	pump();
	assert_null(frame(&p));
	send_ch_deliver_ack(chan.far, &c, m->h.corr, MSG_F_REPLY);
	expect(&p, "{\"runId\":\"k1\",\"messageId\":\"5\",\"channel\":"
	    "\"telegram\",\"chatId\":\"123\"}");
	m = take(&agent, MSG_RPC_REQ);
	assert_non_null(m);
	assert_int_equal(get_rpc_req(m, &q), MSG_OK);
	assert_true(str_eqs(q.method, "transcript.mirror"));
	say(&p, SEND("k1", ""));
	expect(&p, "\"messageId\":\"5\"");
	assert_null(take(&chan, MSG_CH_DELIVER));
	/* silence: not known, and then asked again by the same key */
	say(&p, SEND("k2", ""));
	m = take(&chan, MSG_CH_DELIVER);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	assert_int_equal(str_copy(d.delivery_id, id, sizeof(id)), 0);
	rt_pending_sweep(mono_ms() + 61000);
	rt_sends_sweep(mono_ms() + 61000);
	expect(&p, "it is not known yet whether the message was sent");
	say(&p, SEND("k2", ""));
	m = take(&chan, MSG_CH_DELIVER);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	assert_true(str_eqs(d.delivery_id, id));
	c.delivery_id = d.delivery_id;
	c.status = DELIVERY_RETRY;
	c.reason = STR_LIT("full");
	send_ch_deliver_ack(chan.far, &c, m->h.corr, MSG_F_REPLY);
	expect(&p, "does not take it now: full; try again with the same");
	/* an answer about something else is a lie */
	say(&p, SEND("k3", ""));
	m = take(&chan, MSG_CH_DELIVER);
	assert_non_null(m);
	c.delivery_id = STR_LIT("other");
	send_ch_deliver_ack(chan.far, &c, m->h.corr, MSG_F_REPLY);
	pump();
	assert_int_equal(chan.gone, MSG_MEANING);
	sibling_down(&chan);
	rt_sends_sweep(mono_ms() + 61000);
	expect(&p, "it is not known yet");
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	/* whoever asked may have left */
	say(&p, SEND("k4", ""));
	m = take(&chan, MSG_CH_DELIVER);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	leave(&p);
	pump();
	c.delivery_id = d.delivery_id;
	c.status = DELIVERY_FAILED;
	send_ch_deliver_ack(chan.far, &c, m->h.corr, MSG_F_REPLY);
	pump();
	assert_int_equal(chan.is_gone, 0);
	rt_sends_sweep(mono_ms() + 600000);	/* the cache forgets */
}

static void
test_T45_deliver_elsewhere(void **state)
{
	struct m_ag_deliver	 v;
	struct m_ag_deliver_ack	 a;
	struct msg		*m;

	(void)state;
	memset(&v, 0, sizeof(v));
	v.delivery_id = STR_LIT("d1");
	v.channel = STR_LIT("telegram");
	v.account = STR_LIT("default");
	v.chat = STR_LIT("123");
	v.text = STR_LIT("x");
	send_ag_deliver(work.far, &v, 1, 0);	/* bound to biz only */
	m = take(&work, MSG_AG_DELIVER_ACK);
	assert_non_null(m);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_FAILED);
	assert_null(take(&chan, MSG_CH_DELIVER));
	v.account = STR_LIT("nowhere");
	send_ag_deliver(agent.far, &v, 1, 0);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_FAILED);
}

static void
test_pairing(void **state)
{
	struct m_ch_pair	 v;
	struct m_ch_pair_res	 r;
	struct m_st_pair	 q;
	struct m_st_pair_res	 s;
	struct m_st_allow	 al;
	struct m_st_sync	 sy;
	struct m_ch_allow	 ca;
	struct msg		*m;

	(void)state;
	/* a channel that comes up gets its list */
	sibling_down(&chan);
	take(&store, MSG_RPC_REQ);
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	m = take(&store, MSG_ST_SYNC);
	assert_non_null(m);
	assert_int_equal(get_st_sync(m, &sy), MSG_OK);
	assert_true(str_eqs(sy.channel, "telegram"));
	assert_true(str_eqs(sy.account, "default"));

	memset(&v, 0, sizeof(v));
	v.sender = STR_LIT("77");
	v.sender_name = STR_LIT("Eve");
	send_ch_pair(chan.far, &v, 9, 0);
	m = take(&store, MSG_ST_PAIR);
	assert_non_null(m);
	assert_int_equal(get_st_pair(m, &q), MSG_OK);
	assert_true(str_eqs(q.account, "default"));
	memset(&s, 0, sizeof(s));
	s.channel = q.channel;
	s.account = q.account;
	s.sender = q.sender;
	s.code = STR_LIT("ABCDEFGH");
	s.created = 1;
	send_st_pair_res(store.far, &s, m->h.corr, MSG_F_REPLY);
	m = take(&chan, MSG_CH_PAIR_RES);
	assert_non_null(m);
	assert_int_equal(m->h.corr, 9);
	assert_int_equal(get_ch_pair_res(m, &r), MSG_OK);
	assert_true(str_eqs(r.code, "ABCDEFGH"));
	assert_int_equal(r.created, 1);
	memset(&al, 0, sizeof(al));
	al.op = ALLOW_ADD;
	al.channel = STR_LIT("telegram");
	al.account = STR_LIT("default");
	al.sender = STR_LIT("77");
	send_st_allow(store.far, &al, 0, 0);
	m = take(&chan, MSG_CH_ALLOW);
	assert_non_null(m);
	assert_int_equal(get_ch_allow(m, &ca), MSG_OK);
	assert_true(str_eqs(ca.sender, "77"));
	/* store away: no code, not silence */
	sibling_down(&store);
	send_ch_pair(chan.far, &v, 10, 0);
	m = take(&chan, MSG_CH_PAIR_RES);
	assert_int_equal(get_ch_pair_res(m, &r), MSG_OK);
	assert_int_equal(r.code.n, 0);
	sibling_up(&store, ROLE_STORE, "");
	assert_non_null(take(&store, MSG_ST_SYNC));
}

static void
test_channel_state(void **state)
{
	struct m_ch_state	 v;
	struct peer		 p;

	(void)state;
	join(&p, ADMIN);
	memset(&v, 0, sizeof(v));
	v.state = CH_UP;
	v.snapshot = STR_LIT("{\"accountId\":\"lie\",\"mode\":\"polling\"}");
	send_ch_state(chan.far, &v, 0, 0);
	pump();
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"channels.status\"}");
	expect(&p, "\"channelAccounts\":{\"telegram\":[{\"accountId\":"
	    "\"default\",\"enabled\":true,\"configured\":true,\"running\":true,"
	    "\"connected\":true,\"state\":\"up\",\"mode\":\"polling\"},"
	    "{\"accountId\":\"biz\",\"enabled\":true,\"configured\":true,"
	    "\"running\":false,\"connected\":false,\"state\":\"down\"}]}");
	v.snapshot = STR_LIT("{\"a\":1},\"x\":{}");
	send_ch_state(chan.far, &v, 0, 0);
	pump();
	assert_int_equal(chan.gone, MSG_MEANING);
	sibling_down(&chan);
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	leave(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_R07_inbound),
		cmocka_unit_test(test_deliver),
		cmocka_unit_test(test_R07_send),
		cmocka_unit_test(test_T45_deliver_elsewhere),
		cmocka_unit_test(test_pairing),
		cmocka_unit_test(test_channel_state),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
