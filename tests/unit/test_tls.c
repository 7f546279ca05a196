/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* stream.c and tls.c against each other over a socket pair. */

#include "common/compat.h"

#include <sys/socket.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/event.h>

#include "common/dbuf.h"
#include "common/stream.h"
#include "common/tls.h"
#include "tests/unit/test_certs.h"

struct side {
	struct stream	*s;
	struct dbuf	 got;
	bool		 open, ended, hold;
	enum stream_end	 end;
	char		 reason[160];
	size_t		 send_more;
};

static struct event_base	*base;
static struct test_certs	 certs;

static void
side_open(struct stream *s, void *arg)
{
	struct side	*d = arg;

	(void)s;
	d->open = true;
}

static void
side_read(struct stream *s, struct evbuffer *in, void *arg)
{
	struct side	*d = arg;
	size_t		 n = evbuffer_get_length(in);

	if (d->hold) {
		stream_pause(s);
		return;
	}
	assert_int_equal(dbuf_put(&d->got, evbuffer_pullup(in, -1), n), 0);
	evbuffer_drain(in, n);
}

static void
side_drained(struct stream *s, void *arg)
{
	struct side	*d = arg;
	char		 buf[10000];
	size_t		 n;

	memset(buf, 'x', sizeof(buf));
	if ((n = d->send_more) > sizeof(buf))
		n = sizeof(buf);
	if (n > 0) {
		d->send_more -= n;
		assert_int_equal(stream_write(s, buf, n), 0);
		if (d->send_more == 0)
			stream_shutdown(s);
	}
}

static void
side_end(struct stream *s, enum stream_end why, void *arg)
{
	struct side	*d = arg;

	d->ended = true;
	d->end = why;
	(void)snprintf(d->reason, sizeof(d->reason), "%s", stream_reason(s));
}

static const struct stream_ops ops = {
	.open = side_open, .read = side_read, .drained = side_drained,
	.end = side_end,
};

static void
pair(struct side *a, struct side *b)
{
	int	sv[2];

	memset(a, 0, sizeof(*a));
	memset(b, 0, sizeof(*b));
	dbuf_init(&a->got, 8 << 20);
	dbuf_init(&b->got, 8 << 20);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	a->s = stream_new(base, sv[0], &ops, a);
	b->s = stream_new(base, sv[1], &ops, b);
	assert_non_null(a->s);
	assert_non_null(b->s);
}

static void
side_clear(struct side *d)
{
	stream_free(d->s);
	dbuf_clear(&d->got);
}

/* Runs the loop until *done or nothing can happen any more: both ends are in
 * here, so that is a matter of turns of the loop and not of time. */
static void
run(const bool *done)
{
	unsigned int	 i;

	for (i = 0; i < 20000 && !(done != NULL && *done); i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
test_plain(void **state)
{
	struct side	a, b;

	(void)state;
	pair(&a, &b);
	assert_int_equal(stream_write(a.s, "hello", 5), 0);
	stream_shutdown(a.s);
	run(&b.ended);
	assert_string_equal(dbuf_str(&b.got), "hello");
	assert_int_equal(b.end, STREAM_EOF);
	/* The other direction is still open. */
	assert_int_equal(stream_write(b.s, "bye", 3), 0);
	stream_shutdown(b.s);
	run(&a.ended);
	assert_string_equal(dbuf_str(&a.got), "bye");
	side_clear(&a);
	side_clear(&b);
}

static void
handshake(struct side *a, struct side *b, struct str cert, struct str key,
    struct str roots, const char *host)
{
	struct tls_config	*c, *s;
	char			 why[256];

	c = tls_client_new_pem(roots, why, sizeof(why));
	assert_non_null(c);
	s = tls_server_new(cert, key, why, sizeof(why));
	assert_non_null(s);
	pair(a, b);
	assert_int_equal(tls_stream_start(a->s, c, host), 0);
	assert_int_equal(tls_stream_start(b->s, s, NULL), 0);
	run(&a->ended);
	tls_config_free(c);
	tls_config_free(s);
}

static void
test_handshake(void **state)
{
	static const char *const hosts[] = { "gw.example", "127.0.0.1", "::1",
	    "a.wild.example" };
	struct side	a, b;
	size_t		i;

	(void)state;
	for (i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		handshake(&a, &b, certs.leaf, certs.leaf_key, certs.bundle,
		    hosts[i]);
		if (!a.open || !b.open)
			fail_msg("%s: %s / %s", hosts[i], a.reason, b.reason);
		assert_int_equal(stream_write(a.s, "ping", 4), 0);
		assert_int_equal(stream_write(b.s, "pong", 4), 0);
		stream_shutdown(b.s);
		run(&a.ended);
		assert_int_equal(a.end, STREAM_EOF);
		assert_string_equal(dbuf_str(&a.got), "pong");
		assert_string_equal(dbuf_str(&b.got), "ping");
		side_clear(&a);
		side_clear(&b);
	}
}

static void
refused(struct str cert, struct str key, struct str roots, const char *host,
    const char *reason)
{
	struct side	a, b;

	handshake(&a, &b, cert, key, roots, host);
	if (a.open)
		fail_msg("%s accepted, not \"%s\"", host, reason);
	assert_true(a.ended);
	assert_int_equal(a.end, STREAM_TLS);
	if (strstr(a.reason, reason) == NULL)
		fail_msg("%s: \"%s\", not \"%s\"", host, a.reason, reason);
	side_clear(&a);
	side_clear(&b);
}

static void
test_certificates_refused(void **state)
{
	(void)state;
	refused(certs.leaf, certs.leaf_key, certs.bundle, "other.example",
	    "ostname mismatch");
	refused(certs.leaf, certs.leaf_key, certs.bundle, "gw.example.",
	    "ostname mismatch");
	refused(certs.leaf, certs.leaf_key, certs.bundle, "a.b.wild.example",
	    "ostname mismatch");
	refused(certs.leaf, certs.leaf_key, certs.bundle, "127.0.0.2",
	    "IP address mismatch");
	refused(certs.leaf, certs.leaf_key, certs.other_root, "gw.example",
	    "unable to get local issuer");
	refused(certs.expired, certs.leaf_key, certs.bundle, "gw.example",
	    "expired");
	/* A server that is its own root is not ours. */
	refused(certs.other_root, certs.other_key, certs.root, "gw.example",
	    "self-signed");
}

static void
test_bad_pem(void **state)
{
	char	why[256];

	(void)state;
	assert_null(tls_server_new(STR_LIT("x"), certs.leaf_key, why,
	    sizeof(why)));
	assert_null(tls_server_new(certs.leaf, STR_LIT("x"), why,
	    sizeof(why)));
	assert_null(tls_server_new(certs.leaf, certs.other_key, why,
	    sizeof(why)));
	assert_non_null(strstr(why, "does not fit"));
	assert_null(tls_client_new_pem(STR_LIT("nothing"), why, sizeof(why)));
	assert_null(tls_client_new("/nonexistent/ca.pem", why, sizeof(why)));
	assert_non_null(strstr(why, "/nonexistent/ca.pem"));
}

static void
test_plain_peer_and_truncation(void **state)
{
	struct tls_config	*c, *s;
	struct side		 a, b;
	char			 why[256];

	(void)state;
	c = tls_client_new_pem(certs.bundle, why, sizeof(why));
	s = tls_server_new(certs.leaf, certs.leaf_key, why, sizeof(why));
	pair(&a, &b);
	assert_int_equal(tls_stream_start(a.s, c, "gw.example"), 0);
	assert_int_equal(stream_write(b.s, "HTTP/1.1 400 no\r\n\r\n", 19), 0);
	run(&a.ended);
	assert_int_equal(a.end, STREAM_TLS);
	side_clear(&a);
	side_clear(&b);

	/* A FIN that no close_notify announces may be an attacker's. */
	handshake(&a, &b, certs.leaf, certs.leaf_key, certs.bundle,
	    "gw.example");
	assert_true(a.open);
	assert_int_equal(stream_write(b.s, "half", 4), 0);
	run(NULL);
	assert_int_equal(shutdown(stream_fd(b.s), SHUT_WR), 0);
	run(&a.ended);
	assert_int_equal(a.end, STREAM_TRUNCATED);
	assert_string_equal(dbuf_str(&a.got), "half");
	side_clear(&a);
	side_clear(&b);
	tls_config_free(c);
	tls_config_free(s);
}

static void
bulk(bool tls)
{
	struct side	a, b;

	if (tls)
		handshake(&a, &b, certs.leaf, certs.leaf_key, certs.bundle,
		    "gw.example");
	else
		pair(&a, &b);
	stream_set_marks(b.s, 20000, 0);
	stream_set_marks(a.s, 20000, 5000);
	b.hold = true;
	a.send_more = 3000000;
	side_drained(a.s, &a);
	run(NULL);
	/* The reader holds: the socket is full, the queue stays short. */
	assert_true(a.send_more > 1000000);
	assert_true(stream_queued(a.s) <= 15000);
	assert_true(evbuffer_get_length(stream_in(b.s)) <= 20000 + 16384);
	b.hold = false;
	stream_resume(b.s);
	run(&b.ended);
	assert_int_equal(b.end, STREAM_EOF);
	assert_int_equal(b.got.n, 3000000);
	side_clear(&a);
	side_clear(&b);
}

static void
test_back_pressure(void **state)
{
	(void)state;
	bulk(false);
	bulk(true);
}

static void
test_release_fd(void **state)
{
	struct side	a, b;
	int		fd;

	(void)state;
	pair(&a, &b);
	fd = stream_release_fd(a.s);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "raw", 3), 3);
	close(fd);
	run(&b.ended);
	assert_string_equal(dbuf_str(&b.got), "raw");
	dbuf_clear(&a.got);
	side_clear(&b);
}

static int
group_setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	return base == NULL ? -1 : test_certs_make(&certs);
}

static int
group_teardown(void **state)
{
	(void)state;
	test_certs_clear(&certs);
	event_base_free(base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_certificates_refused),
		cmocka_unit_test(test_bad_pem),
		cmocka_unit_test(test_plain_peer_and_truncation),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_release_fd),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
