/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Every message in every wrong direction and state, between all pairs of roles
 * that have a link: the receiver drops the sender and nothing else happens, no
 * handler runs, no descriptor stays.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/link.h"

static const struct {
	enum role	 a, b;
} links[] = {
#define LINK(x, y)		{ ROLE_##x, ROLE_##y },
#define ALLOW(m, from, to, st)
#include "proto/links.def"
#undef LINK
#undef ALLOW
};

static const enum link_state	 states[] = { LINK_SETUP, LINK_RUN, LINK_DRAIN };

static struct event_base	*base;
static unsigned int		 handled, gone;
static enum msg_err		 why;
static uint16_t			 gone_type;

static enum msg_err
on_message(struct link *l, struct msg *m, void *arg)
{
	(void)l;
	(void)m;
	(void)arg;
	handled++;
	return MSG_MEANING;
}

static void
on_gone(struct link *l, enum msg_err err, uint16_t type, void *arg)
{
	(void)l;
	(void)arg;
	gone++;
	why = err;
	gone_type = type;
}

static const struct link_ops	 ops = { on_message, on_gone, NULL };

static unsigned int
count_fds(void)
{
	struct dirent	*e;
	unsigned int	 n = 0;
	DIR		*d;

	assert_non_null(d = opendir("/proc/self/fd"));
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* One datagram of that type as `from` would send it, with nfds descriptors. */
static void
hostile(enum role from, enum role to, enum link_state st, uint16_t type,
    size_t len, size_t nfds)
{
	struct msg_header	 h = { .type = type, .seq = 1,
				    .version = MSG_PROTOCOL };
	uint8_t			 buf[MSG_HEADER + 256];
	char			 cbuf[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec		 iov = { buf, MSG_HEADER + len };
	struct msghdr		 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr		*c;
	struct pollfd		 pfd = { .events = POLLIN };
	struct link		*l;
	char			 end;
	ssize_t			 n;
	int			 sv[2], fds[4] = { 0, 0, 0, 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    sv), 0);
	l = link_new(base, sv[0], to, from, "x", 9, &ops, NULL);
	assert_non_null(l);
	link_setstate(l, st);
	arc4random_buf(buf, sizeof(buf));
	h.length = (uint32_t)(MSG_HEADER + len);
	h.flags = nfds > 0 ? MSG_F_FDS : 0;
	msg_header_put(buf, &h);
	if (nfds > 0) {
		mh.msg_control = cbuf;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	handled = gone = 0;
	assert_true(sendmsg(sv[1], &mh, 0) == (ssize_t)(MSG_HEADER + len));
	event_base_loop(base, EVLOOP_NONBLOCK);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (gone > 0) {
		/* dropped: the sender sees the end */
		assert_int_equal(gone, 1);
		assert_int_equal(gone_type, type);
		pfd.fd = sv[1];
		assert_int_equal(poll(&pfd, 1, 60000), 1);
		n = recv(sv[1], &end, 1, MSG_DONTWAIT);
		assert_true(n == 0 || (n == -1 && errno == ECONNRESET));
	} else
		link_free(l);
	event_base_loop(base, EVLOOP_NONBLOCK);
	close(sv[1]);
}

static unsigned int
pair(enum role from, enum role to)
{
	const struct msg_desc	*d;
	enum msg_err		 legal;
	unsigned int		 refused = 0;
	size_t			 i, s, v;
	static const struct { size_t len, fds; } form[] = {
		{ 0, 0 }, { 256, 0 }, { 8, 3 } };

	for (i = 0; (d = msg_desc_at(i)) != NULL; i++)
		for (s = 0; s < 3; s++)
			for (v = 0; v < 3; v++) {
				legal = msg_allowed(d->type, from, to,
				    states[s]);
				/* sent before it could know of the drain */
				if (legal == MSG_STATE &&
				    states[s] == LINK_DRAIN)
					legal = msg_allowed(d->type, from, to,
					    LINK_RUN);
				hostile(from, to, states[s], d->type,
				    form[v].len, form[v].fds);
				if (legal == MSG_OK)
					continue;
				refused++;
				assert_int_equal(gone, 1);
				assert_int_equal(handled, 0);
				assert_true(why == MSG_DIRECTION ||
				    why == MSG_STATE);
			}
	return refused;
}

static void
test_R14_every_wrong_direction_and_state(void **state)
{
	unsigned int	 before, refused = 0, role;
	size_t		 i;

	(void)state;
	before = count_fds();
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		refused += pair(links[i].a, links[i].b);
		refused += pair(links[i].b, links[i].a);
	}
	for (role = ROLE_PARENT + 1; role < ROLE_MAX; role++) {
		refused += pair((enum role)role, ROLE_PARENT);
		refused += pair(ROLE_PARENT, (enum role)role);
		refused += pair((enum role)role, ROLE_LOG);
	}
	assert_true(refused > 30000);
	assert_int_equal(count_fds(), before);
}

/* Whatever the table allows, nobody who is no parent may speak as one. */
static void
test_R14_nobody_but_the_parent_is_one(void **state)
{
	const struct msg_desc	*d;
	unsigned int		 from, to;
	size_t			 i, s;

	(void)state;
	for (i = 0; (d = msg_desc_at(i)) != NULL; i++) {
		if ((d->type & 0xff00) != 0 || d->type >= 0x30)
			continue;
		for (from = ROLE_PARENT + 1; from < ROLE_MAX; from++)
			for (to = ROLE_PARENT + 1; to < ROLE_MAX; to++)
				for (s = 0; s < 3; s++)
					assert_int_equal(msg_allowed(d->type,
					    (enum role)from, (enum role)to,
					    states[s]), MSG_DIRECTION);
	}
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_R14_every_wrong_direction_and_state),
		cmocka_unit_test(test_R14_nobody_but_the_parent_is_one),
	};

	base = event_base_new();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
