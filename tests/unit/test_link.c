/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Links and message coding: what a peer may do, and what ends it. */
#include "common/compat.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/link.h"

struct side {
	struct link	*l;
	unsigned int	 got, gone;
	enum msg_err	 why;
	size_t		 body;
};

static struct event_base	*base;
static char			 big[300000];
static uint8_t			 buf[LINK_INLINE_MAX];

static enum msg_err
on_message(struct link *l, struct msg *m, void *arg)
{
	struct side		*s = arg;
	struct m_ag_turn	 t;
	struct m_ag_turn_ack	 a;
	enum msg_err		 err;

	(void)l;
	s->got++;
	if (m->h.type == MSG_AG_TURN_ACK)
		return get_ag_turn_ack(m, &a);
	if ((err = get_ag_turn(m, &t)) != MSG_OK)
		return err;
	s->body = t.text.n;
	if (t.text.n > 0)
		assert_int_equal(t.text.p[t.text.n - 1], 'z');
	return MSG_OK;
}

static void
on_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct side	*s = arg;

	(void)l;
	(void)type;
	s->gone++;
	s->why = why;
}

static const struct link_ops ops = { on_message, on_gone, NULL };

static void
pair(struct side *router, struct side *agent)
{
	int	 sv[2];

	memset(router, 0, sizeof(*router));
	memset(agent, 0, sizeof(*agent));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	router->l = link_new(base, sv[0], ROLE_ROUTER, ROLE_AGENT, "main", 7,
	    &ops, router);
	agent->l = link_new(base, sv[1], ROLE_AGENT, ROLE_ROUTER, "", 8, &ops,
	    agent);
	link_setstate(router->l, LINK_RUN);
	link_setstate(agent->l, LINK_RUN);
}

static void
spin(void)
{
	int	 i;

	for (i = 0; i < 50; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static struct m_ag_turn
turn(size_t n)
{
	struct m_ag_turn	 t;

	memset(&t, 0, sizeof(t));
	t.run_id = STR_LIT("r1");
	t.session_key = STR_LIT("agent:main:main");
	t.dedupe_key = STR_LIT("d1");
	t.text = (struct str){ big, n };
	return t;
}

static void
test_inline_and_memfd_bodies(void **state)
{
	static const size_t	 sizes[] = { 0, 5, 60000, 70000, 300000 };
	struct side		 r, a;
	struct m_ag_turn	 t;
	size_t			 i;

	(void)state;
	pair(&r, &a);
	for (i = 0; i < 5; i++) {
		t = turn(sizes[i]);
		assert_int_equal(send_ag_turn(r.l, &t, 1, 0), 0);
		spin();
		assert_int_equal(a.got, i + 1);
		assert_int_equal(a.body, sizes[i]);
	}
	link_free(r.l);
	spin();
	assert_int_equal(a.gone, 1);
	assert_int_equal(a.why, MSG_OK);
	spin();
}

static void
test_sender_refuses_bad_values(void **state)
{
	struct side		 r, a;
	struct m_ag_turn	 t;
	struct m_ch_typing	 ty;

	(void)state;
	pair(&r, &a);
	t = turn(1);
	t.run_id = STR_LIT("");
	assert_int_equal(send_ag_turn(r.l, &t, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	t = turn(1);
	t.session_key = STR_LIT("a\xff");
	assert_int_equal(send_ag_turn(r.l, &t, 1, 0), -1);
	memset(&ty, 0, sizeof(ty));
	ty.chat = STR_LIT("1");
	assert_int_equal(send_ch_typing(r.l, &ty, 1, 0), -1);
	assert_int_equal(errno, EINVAL);
	link_free(r.l);
	link_free(a.l);
	spin();
}

/* Sends raw bytes as an agent would and tells what the router made of it. */
static enum msg_err
hostile(size_t n, int fd)
{
	struct side	 r;
	int		 sv[2];
	char		 cbuf[CMSG_SPACE(sizeof(int))];
	struct iovec	 iov = { buf, n };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*c;

	memset(&r, 0, sizeof(r));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	r.l = link_new(base, sv[0], ROLE_ROUTER, ROLE_AGENT, "main", 7, &ops,
	    &r);
	link_setstate(r.l, LINK_RUN);
	if (fd != -1) {
		mh.msg_control = cbuf;
		mh.msg_controllen = sizeof(cbuf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	assert_true(sendmsg(sv[1], &mh, 0) == (ssize_t)n);
	spin();
	close(sv[1]);
	if (!r.gone) {
		link_free(r.l);
		r.why = MSG_OK;
	}
	spin();
	return r.why;
}

static void
rehead(uint32_t length, uint16_t type, uint32_t seq, uint8_t version)
{
	struct msg_header	 h = { .length = length, .type = type,
				    .seq = seq, .version = version };

	msg_header_put(buf, &h);
}

static size_t
frame(uint8_t status)
{
	struct m_ag_turn_ack	 a;
	int			 fds[2];
	size_t			 nfds;
	ssize_t			 n;

	memset(&a, 0, sizeof(a));
	a.run_id = STR_LIT("r1");
	a.status = status;
	n = msg_encode(MSG_AG_TURN_ACK, &a, buf, sizeof(buf), fds, &nfds);
	assert_true(n > 0);
	rehead((uint32_t)n, MSG_AG_TURN_ACK, 1, MSG_PROTOCOL);
	return (size_t)n;
}

static void
test_every_wrong_direction_and_state(void **state)
{
	const struct msg_desc	*d;
	enum msg_err		 why;
	size_t			 i;

	(void)state;
	for (i = 0; (d = msg_desc_at(i)) != NULL; i++) {
		memset(buf, 0, sizeof(buf));
		rehead(MSG_HEADER, d->type, 1, MSG_PROTOCOL);
		why = hostile(MSG_HEADER, -1);
		if (msg_allowed(d->type, ROLE_AGENT, ROLE_ROUTER, LINK_RUN) !=
		    MSG_OK)
			assert_true(why == MSG_DIRECTION || why == MSG_STATE);
		else		/* legal here, but with no content at all */
			assert_true(why != MSG_DIRECTION && why != MSG_STATE);
	}
	assert_true(i > 60);
}

static void
test_malformed_datagrams_end_the_sender(void **state)
{
	size_t	 n, cut;
	int	 fd;

	(void)state;
	n = frame(0);
	assert_int_equal(hostile(n, -1), MSG_OK);
	for (cut = 1; cut < n; cut++) {
		frame(0);
		if (cut >= MSG_HEADER)
			rehead((uint32_t)cut, MSG_AG_TURN_ACK, 1,
			    MSG_PROTOCOL);
		assert_true(hostile(cut, -1) != MSG_OK);
	}
	frame(0);
	rehead((uint32_t)n + 1, MSG_AG_TURN_ACK, 1, MSG_PROTOCOL);
	assert_int_equal(hostile(n + 1, -1), MSG_TRAILING);
	rehead((uint32_t)n, MSG_AG_TURN_ACK, 2, MSG_PROTOCOL);
	assert_int_equal(hostile(n, -1), MSG_SEQUENCE);
	rehead((uint32_t)n, MSG_AG_TURN_ACK, 1, 9);
	assert_int_equal(hostile(n, -1), MSG_RANGE);
	rehead((uint32_t)n, 0x0a5f, 1, MSG_PROTOCOL);
	assert_int_equal(hostile(n, -1), MSG_UNKNOWN);
	rehead((uint32_t)n, 0xffff, 1, MSG_PROTOCOL);
	assert_int_equal(hostile(n, -1), MSG_UNKNOWN);
	/* a descriptor that nobody asked for */
	n = frame(0);
	fd = open("/dev/null", O_RDONLY);
	assert_int_equal(hostile(n, fd), MSG_FD);
	close(fd);
	/* a status above its bound; a text that is not UTF-8 */
	n = frame(3);
	buf[MSG_HEADER + 4 + 2 + 1] = 4;
	assert_int_equal(hostile(n, -1), MSG_RANGE);
	buf[MSG_HEADER + 4 + 2 + 1] = 3;
	buf[MSG_HEADER + 4] = 0xff;
	assert_int_equal(hostile(n, -1), MSG_TEXT);
	assert_int_equal(hostile(sizeof(buf), -1), MSG_TRUNCATED);
}

static void
test_unsealed_body_is_refused(void **state)
{
	struct msg		 m = { .nfds = 0 };
	struct m_rpc_res	 v, got;
	int			 fds[2], fd;
	size_t			 nfds;
	ssize_t			 n;

	(void)state;
	memset(&v, 0, sizeof(v));
	v.result = (struct str){ big, 100000 };
	n = msg_encode(MSG_RPC_RES, &v, buf, sizeof(buf), fds, &nfds);
	assert_true(n > 0);
	assert_int_equal(nfds, 1);
	m.h.type = MSG_RPC_RES;
	m.payload = buf + MSG_HEADER;
	m.len = (size_t)n - MSG_HEADER;
	m.fds[0] = fds[0];
	m.nfds = 1;
	assert_int_equal(get_rpc_res(&m, &got), MSG_OK);
	assert_int_equal(got.result.n, 100000);
	assert_int_equal(get_rpc_res(&m, &got), MSG_OK);
	msg_clear(&m);
	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(write(fd, big, 100000), 100000);
	m.fds[0] = fd;
	m.nfds = 1;
	assert_int_equal(get_rpc_res(&m, &got), MSG_FD);
	msg_clear(&m);
	assert_int_equal(get_rpc_res(&m, &got), MSG_FD);
	msg_clear(&m);
}

static void
test_queue_marks(void **state)
{
	struct side		 r, a;
	struct m_ag_turn	 t;
	unsigned int		 sent = 0;

	(void)state;
	pair(&r, &a);
	/* The loop does not run: nothing is read. */
	t = turn(30000);
	while (send_ag_turn(r.l, &t, 1, 0) == 0)
		sent++;
	assert_int_equal(errno, ENOBUFS);
	assert_true(link_full(r.l));
	assert_true(link_queued(r.l) <= LINK_MAX);
	while (a.got < sent)
		event_base_loop(base, EVLOOP_NONBLOCK);
	spin();
	assert_false(link_full(r.l));
	assert_int_equal(link_queued(r.l), 0);
	assert_int_equal(a.gone, 0);
	link_free(r.l);
	link_free(a.l);
	spin();
}

/* Whoever ends has been heard, however much it said in one go. */
static void
test_what_was_said_before_the_end_counts(void **state)
{
	struct side		 r, a;
	struct m_ag_turn_ack	 ack;
	unsigned int		 i;

	(void)state;
	pair(&r, &a);
	memset(&ack, 0, sizeof(ack));
	ack.run_id = STR_LIT("r1");
	for (i = 0; i < 200; i++)
		assert_int_equal(send_ag_turn_ack(a.l, &ack, 1, MSG_F_REPLY),
		    0);
	link_free(a.l);
	assert_int_equal(r.got, 0);
	link_finish(r.l);
	assert_int_equal(r.got, 200);
	assert_int_equal(r.gone, 1);
	assert_int_equal(r.why, MSG_OK);
	spin();

	/* The socket is still open elsewhere: it stays a link. */
	pair(&r, &a);
	assert_int_equal(send_ag_turn_ack(a.l, &ack, 1, MSG_F_REPLY), 0);
	link_finish(r.l);
	assert_int_equal(r.got, 1);
	assert_int_equal(r.gone, 0);
	link_free(r.l);
	link_free(a.l);
	spin();
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_inline_and_memfd_bodies),
		cmocka_unit_test(test_sender_refuses_bad_values),
		cmocka_unit_test(test_every_wrong_direction_and_state),
		cmocka_unit_test(test_malformed_datagrams_end_the_sender),
		cmocka_unit_test(test_unsealed_body_is_refused),
		cmocka_unit_test(test_queue_marks),
		cmocka_unit_test(test_what_was_said_before_the_end_counts),
	};

	memset(big, 'z', sizeof(big));
	base = event_base_new();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
