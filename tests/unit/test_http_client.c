/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The HTTP client against a server of canned answers in the same loop. */

#include "common/compat.h"

#include <sys/socket.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/event.h>

#include "common/dbuf.h"
#include "common/http_client.h"
#include "common/stream.h"
#include "tests/unit/test_certs.h"

#define OK_HEAD	"HTTP/1.1 200 OK\r\n"

static struct event_base	*base;
static struct test_certs	 certs;
static struct tls_config	*client_tls, *server_tls;
static struct http_connector	*connector;
static struct http_client	*client;

/* --- the server ---------------------------------------------------------- */

struct server {
	struct stream	*s;
	int		 requests;
};

static int		 opens, open_errno;
static bool		 use_tls;
static const char	*proxy_answer;		/* to CONNECT */
static struct dbuf	 seen;			/* heads of all requests */
static size_t		 body_seen;
static struct server	*servers[64];

static void
server_answer(struct server *sv, const char *path)
{
	char	*big;

	if (strcmp(path, "/len") == 0)
		stream_write(sv->s, OK_HEAD "Content-Length: 5\r\n\r\nhello",
		    strlen(OK_HEAD) + 26);
	else if (strcmp(path, "/chunk") == 0) {
		const char *p = "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD
		    "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
		    "2;x=y\r\nde\r\n0\r\n\r\n";

		/* One byte at a time: every border is met. */
		for (; *p != '\0'; p++)
			stream_write(sv->s, p, 1);
	} else if (strcmp(path, "/close") == 0) {
		stream_write(sv->s, OK_HEAD "\r\nuntil end",
		    strlen(OK_HEAD) + 11);
		stream_shutdown(sv->s);
	} else if (strcmp(path, "/cut") == 0) {
		stream_write(sv->s, OK_HEAD "Content-Length: 50\r\n\r\nhel",
		    strlen(OK_HEAD) + 25);
		stream_shutdown(sv->s);
	} else if (strcmp(path, "/drop") == 0)
		stream_shutdown(sv->s);
	else if (strcmp(path, "/once") == 0 && sv->requests > 1)
		stream_shutdown(sv->s);	/* a kept connection that ends */
	else if (strcmp(path, "/once") == 0)
		stream_write(sv->s, OK_HEAD "Content-Length: 0\r\n\r\n",
		    strlen(OK_HEAD) + 21);
	else if (strcmp(path, "/429") == 0) {
		const char *p = "HTTP/1.1 429 Slow down\r\nRetry-After: 3\r\n"
		    "Content-Length: 2\r\n\r\n{}";

		stream_write(sv->s, p, strlen(p));
	} else if (strcmp(path, "/smuggle") == 0) {
		const char *p = OK_HEAD "Content-Length: 2\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

		stream_write(sv->s, p, strlen(p));
	} else if (strcmp(path, "/early") == 0) {
		const char *p = "HTTP/1.1 413 Large\r\nContent-Length: 0\r\n"
		    "\r\n";

		stream_write(sv->s, p, strlen(p));
	} else if (strcmp(path, "/stall") == 0)
		stream_write(sv->s, OK_HEAD "Content-Length: 50\r\n\r\nhel",
		    strlen(OK_HEAD) + 25);
	else if (strcmp(path, "/big") == 0) {
		big = calloc(1, 1000000);
		stream_write(sv->s, OK_HEAD "Content-Length: 1000000\r\n\r\n",
		    strlen(OK_HEAD) + 27);
		stream_write(sv->s, big, 1000000);
		free(big);
	}
	/* "/silent" says nothing. */
}

static void
server_read(struct stream *s, struct evbuffer *in, void *arg)
{
	static struct http_head	 h;
	struct server		*sv = arg;
	size_t			 scan, n;
	ssize_t			 r;
	char			*p, path[64];

	while ((n = evbuffer_get_length(in)) > 0) {
		p = (char *)evbuffer_pullup(in, -1);
		scan = 0;
		r = http_request_parse(&h, p, n, &scan, 65536);
		assert_int_not_equal(r, -1);
		if (r == 0)
			return;
		if (str_copy(h.target, path, sizeof(path)) == -1)
			fail();
		if (strcmp(path, "/early") == 0)
			h.length = 0;
		if (n - (size_t)r < h.length)
			return;
		dbuf_put(&seen, p, (size_t)r);
		body_seen += h.length;
		sv->requests++;
		if (str_eqs(h.method, "CONNECT")) {
			evbuffer_drain(in, (size_t)r);
			/* Not through the queue, which TLS would encrypt. */
			assert_true(send(stream_fd(s), proxy_answer,
			    strlen(proxy_answer), 0) > 0);
			if (use_tls)
				tls_stream_start(s, server_tls, NULL);
			return;
		}
		n = (size_t)r + h.length;
		server_answer(sv, path);
		if (strcmp(path, "/early") == 0) {
			stream_pause(s);
			return;
		}
		evbuffer_drain(in, n);
	}
}

static void
server_end(struct stream *s, enum stream_end why, void *arg)
{
	struct server	*sv = arg;

	(void)why;
	stream_free(s);
	sv->s = NULL;
}

static const struct stream_ops server_ops = {
	.read = server_read, .end = server_end,
};

static int
open_cb(uint32_t dest, void *arg)
{
	struct server	*sv;
	int		 sp[2];

	(void)arg;
	assert_int_equal(dest, 7);
	if (open_errno != 0) {
		errno = open_errno;
		return -1;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    sp), 0);
	sv = calloc(1, sizeof(*sv));
	servers[opens++] = sv;
	sv->s = stream_new(base, sp[1], &server_ops, sv);
	stream_set_marks(sv->s, 16 << 20, 0);
	if (use_tls && proxy_answer == NULL)
		tls_stream_start(sv->s, server_tls, NULL);
	return sp[0];
}

/* --- the asker ----------------------------------------------------------- */

struct ask {
	struct http_request *rq;
	struct dbuf	 body;
	unsigned int	 status;
	uint32_t	 retry_after;
	enum http_error	 err;
	char		 reason[128];
	int		 heads, dones;
	bool		 started;
	enum { NOTHING, CANCEL_HEAD, CANCEL_BODY, FREE_BODY, PAUSE, AGAIN } act;
};

static uint32_t	 limit_ms;	/* of the next requests */

static void ask_start(struct ask *, const char *, const char *);

static void
ask_head(struct http_request *rq, const struct http_head *h, void *arg)
{
	struct ask	*a = arg;

	a->heads++;
	a->status = h->status;
	assert_int_equal(h->status, http_request_status(rq));
	if (a->act == CANCEL_HEAD)
		http_request_cancel(rq);
}

static void
ask_body(struct http_request *rq, const void *p, size_t n, void *arg)
{
	struct ask	*a = arg;

	assert_true(n > 0);
	dbuf_put(&a->body, p, n);
	if (a->act == CANCEL_BODY)
		http_request_cancel(rq);
	else if (a->act == FREE_BODY) {
		http_client_free(client);
		client = NULL;
	} else if (a->act == PAUSE)
		http_request_pause(rq);
}

static void
ask_done(struct http_request *rq, enum http_error err, const char *reason,
    void *arg)
{
	struct ask	*a = arg;

	a->dones++;
	a->err = err;
	a->retry_after = http_request_retry_after_ms(rq);
	a->started = http_request_started(rq);
	(void)snprintf(a->reason, sizeof(a->reason), "%s", reason);
	if (a->act == AGAIN) {
		a->act = NOTHING;
		ask_start(a, "GET", "/len");
	}
}

static const struct http_request_ops ask_ops = {
	.head = ask_head, .body = ask_body, .done = ask_done,
};

static struct http_request *
ask_new(struct ask *a, const char *method, const char *path)
{
	memset(a, 0, sizeof(*a));
	dbuf_init(&a->body, 8 << 20);
	a->rq = http_request_new(client, method, path, &ask_ops, a);
	assert_non_null(a->rq);
	http_request_timeouts(a->rq, limit_ms, limit_ms);
	return a->rq;
}

static void
ask_start(struct ask *a, const char *method, const char *path)
{
	dbuf_clear(&a->body);
	assert_int_equal(http_request_send(ask_new(a, method, path)), 0);
	assert_int_equal(a->dones, 0);
}

static void
quiet_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

static void
run_for(struct ask *a, long ms)
{
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };
	struct event	*quiet;
	bool		 is_quiet = false;
	int		 i;

	quiet = evtimer_new(base, quiet_cb, &is_quiet);
	event_add(quiet, &tv);
	while (!is_quiet && !(a != NULL && a->dones > 0))
		event_base_loop(base, EVLOOP_ONCE);
	event_free(quiet);
	/* Both ends are in here: what can happen does, however little of that
	 * time we were given. */
	for (i = 0; i < 1000 && !(a != NULL && a->dones > 0); i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
run(struct ask *a)
{
	run_for(a, 60000);
}

static void
get(struct ask *a, const char *path)
{
	ask_start(a, "GET", path);
	run(a);
	assert_int_equal(a->dones, 1);
}

static void
configure(struct http_client_config *cf)
{
	http_client_free(client);
	cf->host = "gw.example";
	if (cf->port == 0)
		cf->port = 80;
	cf->dest = 7;
	client = http_client_new(base, connector, cf);
	assert_non_null(client);
}

static int
setup(void **state)
{
	struct http_client_config	cf = { 0 };

	(void)state;
	opens = open_errno = 0;
	use_tls = false;
	proxy_answer = NULL;
	body_seen = 0;
	limit_ms = 60000;
	dbuf_init(&seen, 1 << 20);
	configure(&cf);
	return 0;
}

static int
teardown(void **state)
{
	int	i;

	(void)state;
	http_client_free(client);
	client = NULL;
	run_for(NULL, 20);
	for (i = 0; i < opens; i++) {
		stream_free(servers[i]->s);
		free(servers[i]);
	}
	dbuf_clear(&seen);
	return 0;
}

/* --- tests --------------------------------------------------------------- */

static void
test_kinds_of_body(void **state)
{
	struct ask	a;

	(void)state;
	get(&a, "/len");
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.status, 200);
	assert_string_equal(dbuf_str(&a.body), "hello");
	dbuf_clear(&a.body);
	get(&a, "/chunk");
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.heads, 1);
	assert_string_equal(dbuf_str(&a.body), "abcde");
	dbuf_clear(&a.body);
	get(&a, "/close");
	assert_int_equal(a.err, HTTP_OK);
	assert_string_equal(dbuf_str(&a.body), "until end");
	dbuf_clear(&a.body);
	/* The first two shared a connection; the third ended it. */
	assert_int_equal(opens, 1);
	ask_start(&a, "HEAD", "/len");
	run(&a);
	/* A body to HEAD is bytes that nobody asked for. */
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.body.n, 0);
	assert_int_equal(opens, 2);
	assert_non_null(strstr(dbuf_str(&seen), "Host: gw.example\r\n"));
}

static void
test_post_and_headers(void **state)
{
	struct ask	 a;
	char		*big = calloc(1, 1000000);

	(void)state;
	ask_new(&a, "POST", "/len");
	assert_int_equal(http_request_header(a.rq, "X-A", "b\r\nX-C: d"), -1);
	assert_int_equal(http_request_header(a.rq, "X A", "b"), -1);
	assert_int_equal(http_request_header(a.rq, "Content-Length", "1"), -1);
	assert_int_equal(http_request_header(a.rq, "host", "evil"), -1);
	assert_int_equal(http_request_header(a.rq, "X-A", "b"), 0);
	assert_int_equal(http_request_body(a.rq, big, 1000000, free, big), 0);
	assert_int_equal(http_request_send(a.rq), 0);
	run(&a);
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(body_seen, 1000000);
	assert_non_null(strstr(dbuf_str(&seen),
	    "X-A: b\r\nAccept-Encoding: identity\r\nContent-Length: 1000000"));
	dbuf_clear(&a.body);
	assert_null(http_request_new(client, "GET", "nope", &ask_ops, &a));
	assert_null(http_request_new(client, "GET", "/a b", &ask_ops, &a));
	assert_null(http_request_new(client, "GET", "/a\r\nX: y", &ask_ops,
	    &a));
	assert_null(http_request_new(client, "G T", "/", &ask_ops, &a));
}

static void
expect_error(const char *path, enum http_error err)
{
	struct ask	a;

	get(&a, path);
	if (a.err != err)
		fail_msg("%s: %s (%s)", path, http_error_name(a.err),
		    a.reason);
	/* Only what never got a connection is surely unseen. */
	assert_int_equal(a.started, err != HTTP_E_CONNECT);
	dbuf_clear(&a.body);
}

static void
test_failures(void **state)
{
	struct ask	a;

	(void)state;
	expect_error("/cut", HTTP_E_CLOSED);
	expect_error("/drop", HTTP_E_CLOSED);
	expect_error("/smuggle", HTTP_E_PROTOCOL);
	limit_ms = 300;
	expect_error("/silent", HTTP_E_TIMEOUT);
	expect_error("/stall", HTTP_E_TIMEOUT);
	limit_ms = 60000;
	open_errno = ECONNREFUSED;
	expect_error("/len", HTTP_E_CONNECT);
	open_errno = 0;
	get(&a, "/429");
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.status, 429);
	assert_int_equal(a.retry_after, 3000);
	dbuf_clear(&a.body);
	ask_new(&a, "GET", "/len");
	http_request_max_body(a.rq, 4);
	assert_int_equal(http_request_send(a.rq), 0);
	run(&a);
	assert_int_equal(a.err, HTTP_E_TOO_LARGE);
	dbuf_clear(&a.body);
}

static void
test_stale_connection(void **state)
{
	struct ask	a;

	(void)state;
	get(&a, "/once");
	assert_int_equal(a.err, HTTP_OK);
	get(&a, "/once");
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(opens, 2);
	/* A request that may have had an effect is not sent twice. */
	ask_start(&a, "POST", "/once");
	run(&a);
	assert_int_equal(a.err, HTTP_E_CLOSED);
	assert_int_equal(opens, 2);
}

static void
test_answer_before_upload(void **state)
{
	struct ask	 a;
	char		*big = calloc(1, 8000000);

	(void)state;
	ask_new(&a, "POST", "/early");
	assert_int_equal(http_request_body(a.rq, big, 8000000, free, big), 0);
	assert_int_equal(http_request_send(a.rq), 0);
	run(&a);
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.status, 413);
	get(&a, "/len");
	assert_int_equal(opens, 2);
	dbuf_clear(&a.body);
}

static void
test_queue(void **state)
{
	struct http_client_config	cf = { .max_conns = 2,
	    .max_waiting = 6 };
	struct ask			a[6], b;
	int				i;

	(void)state;
	configure(&cf);
	for (i = 0; i < 6; i++) {
		memset(&a[i], 0, sizeof(a[i]));
		ask_start(&a[i], "GET", "/len");
	}
	ask_new(&b, "GET", "/len");
	assert_int_equal(http_request_send(b.rq), -1);
	assert_int_equal(errno, ENOBUFS);
	http_request_cancel(a[3].rq);
	run(&a[5]);
	run_for(NULL, 50);
	assert_int_equal(opens, 2);
	for (i = 0; i < 6; i++) {
		assert_int_equal(a[i].dones, i != 3);
		dbuf_clear(&a[i].body);
	}
}

static void
test_cancel(void **state)
{
	struct ask	a;

	(void)state;
	ask_start(&a, "GET", "/len");
	http_request_cancel(a.rq);
	run_for(NULL, 30);
	assert_int_equal(a.dones, 0);
	ask_start(&a, "GET", "/len");
	a.act = CANCEL_HEAD;
	run_for(NULL, 30);
	assert_int_equal(a.heads, 1);
	assert_int_equal(a.dones, 0);
	ask_start(&a, "GET", "/chunk");
	a.act = CANCEL_BODY;
	run_for(NULL, 30);
	assert_true(a.body.n > 0);
	assert_int_equal(a.dones, 0);
	dbuf_clear(&a.body);
	ask_new(&a, "GET", "/len");
	http_request_cancel(a.rq);
	dbuf_clear(&a.body);
	ask_start(&a, "GET", "/once");
	a.act = AGAIN;
	run(&a);
	dbuf_clear(&a.body);
	ask_start(&a, "GET", "/big");
	a.act = FREE_BODY;
	run(&a);
	assert_int_equal(a.dones, 1);
	assert_int_equal(a.err, HTTP_E_CANCELLED);
	dbuf_clear(&a.body);
}

static void
test_pause(void **state)
{
	struct ask	a;
	size_t		n;

	(void)state;
	limit_ms = 2000;
	ask_start(&a, "GET", "/big");
	a.act = PAUSE;
	run_for(&a, 50);
	n = a.body.n;
	assert_in_range(n, 1, 300000);
	/* Paused time is no idle time. */
	run_for(&a, 2500);
	assert_int_equal(a.body.n, n);
	assert_int_equal(a.dones, 0);
	a.act = NOTHING;
	http_request_resume(a.rq);
	run(&a);
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.body.n, 1000000);
	dbuf_clear(&a.body);
}

static void
test_tls_and_proxy(void **state)
{
	struct http_client_config	cf = { .tls = NULL };
	struct ask			a;

	(void)state;
	use_tls = true;
	cf.tls = client_tls;
	cf.port = 443;
	configure(&cf);
	get(&a, "/big");
	assert_int_equal(a.err, HTTP_OK);
	assert_int_equal(a.body.n, 1000000);
	dbuf_clear(&a.body);
	get(&a, "/chunk");
	assert_string_equal(dbuf_str(&a.body), "abcde");
	assert_int_equal(opens, 1);
	assert_null(strstr(dbuf_str(&seen), ":443"));

	cf.proxy = true;
	cf.proxy_auth = "Basic Zm9v";
	cf.port = 8443;
	proxy_answer = "HTTP/1.1 200 Connection established\r\n\r\n";
	configure(&cf);
	get(&a, "/len");
	assert_int_equal(a.err, HTTP_OK);
	assert_non_null(strstr(dbuf_str(&seen), "CONNECT gw.example:8443 "
	    "HTTP/1.1\r\nHost: gw.example:8443\r\n"
	    "Proxy-Authorization: Basic Zm9v\r\n\r\n"));
	assert_non_null(strstr(dbuf_str(&seen),
	    "GET /len HTTP/1.1\r\nHost: gw.example:8443\r\n"));
	dbuf_clear(&a.body);
	http_client_drop_idle(client);
	proxy_answer = "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n";
	use_tls = false;
	get(&a, "/len");
	assert_int_equal(a.err, HTTP_E_PROXY);
	assert_string_equal(a.reason, "proxy answered 407");

	/* Not the host that was asked for. */
	proxy_answer = NULL;
	use_tls = true;
	cf.proxy = false;
	configure(&cf);
	http_client_free(client);
	cf.host = "other.example";
	client = http_client_new(base, connector, &cf);
	get(&a, "/len");
	assert_int_equal(a.err, HTTP_E_TLS);
	assert_non_null(strstr(a.reason, "ostname mismatch"));
}

static int
group_setup(void **state)
{
	char	why[128];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if ((base = event_base_new()) == NULL || test_certs_make(&certs) == -1)
		return -1;
	connector = http_connector_new(base);
	http_connector_set_open(connector, open_cb, NULL);
	client_tls = tls_client_new_pem(certs.bundle, why, sizeof(why));
	server_tls = tls_server_new(certs.leaf, certs.leaf_key, why,
	    sizeof(why));
	return client_tls == NULL || server_tls == NULL ? -1 : 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	http_connector_free(connector);
	tls_config_free(client_tls);
	tls_config_free(server_tls);
	test_certs_clear(&certs);
	event_base_free(base);
	return 0;
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest	tests[] = {
		T(test_kinds_of_body),
		T(test_post_and_headers),
		T(test_failures),
		T(test_stale_connection),
		T(test_answer_before_upload),
		T(test_queue),
		T(test_cancel),
		T(test_pause),
		T(test_tls_and_proxy),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
