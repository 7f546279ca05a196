/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One destination: requests wait in order, connections take the next one when
 * they are ready.  A connection carries one request at a time; nothing is
 * pipelined.  Objects that a callback may free are marked and freed when the
 * last function that stands on them has returned.
 */

#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/http_request.h"

#define RESPONSE_HEAD_MAX	65536
#define INTERIM_MAX		8	/* 1xx answers to one request */
#define BODY_BUFFER		(128u << 10)

#define DEFAULT_CONNS		4
#define DEFAULT_IDLE		2
#define DEFAULT_WAITING		64
#define DEFAULT_KEEP_MS		50000
#define DEFAULT_CONNECT_MS	15000

static void	 client_schedule(struct http_client *);
static void	 conn_read_cb(struct stream *, struct evbuffer *, void *);
static void	 conn_open_cb(struct stream *, void *);
static void	 conn_drained_cb(struct stream *, void *);
static void	 conn_end_cb(struct stream *, enum stream_end, void *);

static const struct stream_ops conn_ops = {
	.open = conn_open_cb,
	.read = conn_read_cb,
	.drained = conn_drained_cb,
	.end = conn_end_cb,
};

static const char *const error_names[HTTP_E_MAX] = {
	"ok", "connect", "policy", "proxy", "tls", "timeout", "protocol", "closed",
	"too large", "cancelled", "out of memory",
};

const char *
http_error_name(enum http_error e)
{
	return (unsigned int)e < HTTP_E_MAX ? error_names[e] : "?";
}

/* --- connections --------------------------------------------------------- */

static void
conn_timer(struct http_conn *c, uint32_t ms)
{
	struct timeval	tv = { ms / 1000, (ms % 1000) * 1000 };

	c->since_ms = mono_ms();
	c->limit_ms = ms;
	event_add(c->timer, &tv);
}

static void
conn_enter(struct http_conn *c)
{
	c->busy++;
}

/* Is the connection still there? */
static bool
conn_leave(struct http_conn *c)
{
	c->busy--;
	if (!c->dead)
		return true;
	if (c->busy == 0)
		free(c);
	return false;
}

/* Closes it; its request, if any, has been taken off. */
static void
conn_close(struct http_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	TAILQ_REMOVE(&c->client->conns, c, entry);
	c->client->nconns--;
	if (c->state == CONN_IDLE)
		c->client->nidle--;
	else if (c->state != CONN_BUSY)
		c->client->nopening--;
	if (c->open != NULL)
		http_connector_cancel(c->open);
	stream_free(c->stream);
	event_free(c->timer);
	if (c->busy == 0)
		free(c);
}

/* Takes the request off, so that what follows cannot reach it any more. */
static struct http_request *
conn_detach(struct http_conn *c)
{
	struct http_request	*rq = c->rq;

	c->rq = NULL;
	if (rq != NULL)
		rq->conn = NULL;
	return rq;
}

/* The connection did not come about: the request that waits longest pays. */
static void
conn_fail_opening(struct http_conn *c, enum http_error err, const char *reason)
{
	struct http_client	*client = c->client;
	struct http_request	*rq;

	conn_close(c);
	if ((rq = TAILQ_FIRST(&client->waiting)) != NULL)
		http_request_unwait(rq);
	client_schedule(client);
	if (rq != NULL)
		http_request_done(rq, err, reason);
}

static void
conn_fail(struct http_conn *c, enum http_error err, const char *reason)
{
	struct http_client	*client = c->client;
	struct http_request	*rq;

	if (c->state < CONN_IDLE) {
		conn_fail_opening(c, err, reason);
		return;
	}
	rq = conn_detach(c);
	/* The server ended a kept connection while we wrote: nobody knows
	 * whether it saw the request, so only a harmless one goes out again. */
	if (rq != NULL && err == HTTP_E_CLOSED && c->reused && !c->got_bytes &&
	    rq->idempotent && !rq->retried) {
		rq->retried = true;
		conn_close(c);
		http_client_drop_idle(client);
		http_request_wait(rq, true);
		client_schedule(client);
		return;
	}
	conn_close(c);
	client_schedule(client);
	if (rq != NULL)
		http_request_done(rq, err, reason);
}

static void
conn_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn	*c = arg;
	uint64_t		 now = mono_ms(), past;
	size_t			 queued;

	(void)fd;
	(void)what;
	past = now - c->since_ms;
	if (past < c->limit_ms) {
		/* since_ms moved on without the timer. */
		struct timeval	tv = { (c->limit_ms - past) / 1000,
		    (c->limit_ms - past) % 1000 * 1000 };

		event_add(c->timer, &tv);
		return;
	}
	switch (c->state) {
	case CONN_OPENING:
		conn_fail(c, HTTP_E_TIMEOUT, "no connection in time");
		return;
	case CONN_TUNNEL:
		conn_fail(c, HTTP_E_TIMEOUT, "no answer from proxy in time");
		return;
	case CONN_TLS:
		conn_fail(c, HTTP_E_TIMEOUT, "no TLS handshake in time");
		return;
	case CONN_IDLE:
		conn_close(c);
		return;
	case CONN_BUSY:
		break;
	}
	/* A slow upload is no silence, and a reader who pauses waits for
	 * himself. */
	queued = stream_queued(c->stream);
	if (c->rq->paused || (queued > 0 && queued < c->queued)) {
		c->queued = queued;
		conn_timer(c, c->limit_ms);
		return;
	}
	conn_fail(c, HTTP_E_TIMEOUT, c->rq->status == 0 ?
	    "no answer in time" : "answer stalled");
}

/* Takes the next request or waits for one. */
static void
conn_ready(struct http_conn *c)
{
	struct http_client	*client = c->client;
	struct http_request	*rq;
	struct evbuffer		*out;

	if ((rq = TAILQ_FIRST(&client->waiting)) == NULL) {
		if (client->nidle > client->max_idle) {
			conn_close(c);
			return;
		}
		conn_timer(c, c->keep_ms < client->keep_ms ? c->keep_ms :
		    client->keep_ms);
		return;
	}
	http_request_unwait(rq);
	c->rq = rq;
	rq->conn = c;
	c->state = CONN_BUSY;
	client->nidle--;
	c->got_bytes = false;
	c->interim = 0;
	c->scan = 0;
	out = stream_out(c->stream);
	/* Lent, not copied: a credential stays in the one place that is
	 * zeroed.  Both live until the request is freed, and a connection with
	 * unsent bytes is closed before that. */
	if (evbuffer_add_reference(out, rq->head.p, rq->head.n, NULL,
	    NULL) == -1 || (rq->body_n > 0 && evbuffer_add_reference(out,
	    rq->body_p, rq->body_n, NULL, NULL) == -1)) {
		c->rq = NULL;
		rq->conn = NULL;
		conn_close(c);
		http_request_wait(rq, true);
		http_client_later(client);
		return;
	}
	c->queued = evbuffer_get_length(out);
	conn_timer(c, rq->head_ms);
	if (rq->paused)
		stream_pause(c->stream);
	rq->started = true;
	stream_flush(c->stream);
}

/* Connected and, where asked for, encrypted. */
static void
conn_up(struct http_conn *c)
{
	c->state = CONN_IDLE;
	c->client->nopening--;
	c->client->nidle++;
	conn_ready(c);
}

static void
conn_start_tls(struct http_conn *c)
{
	struct http_client	*client = c->client;

	if (client->tls == NULL) {
		conn_up(c);
		return;
	}
	c->state = CONN_TLS;
	if (tls_stream_start(c->stream, client->tls, client->host) == -1)
		conn_fail(c, HTTP_E_TLS, strerror(errno));
}

static void
conn_fd_cb(int fd, enum http_error err, const char *reason, void *arg)
{
	struct http_conn	*c = arg;
	struct http_client	*client = c->client;

	c->open = NULL;
	if (fd == -1) {
		conn_fail(c, err, reason);
		return;
	}
	if ((c->stream = stream_new(client->base, fd, &conn_ops, c)) == NULL) {
		conn_fail(c, HTTP_E_CONNECT, strerror(errno));
		return;
	}
	stream_set_marks(c->stream, BODY_BUFFER, 0);
	if (!client->proxy) {
		conn_start_tls(c);
		return;
	}
	c->state = CONN_TUNNEL;
	if (evbuffer_add_printf(stream_out(c->stream),
	    "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", client->authority,
	    client->authority,
	    client->proxy_auth != NULL ? "Proxy-Authorization: " : "",
	    client->proxy_auth != NULL ? client->proxy_auth : "",
	    client->proxy_auth != NULL ? "\r\n" : "") == -1) {
		conn_fail(c, HTTP_E_NOMEM, "out of memory");
		return;
	}
	stream_flush(c->stream);
}

static int
conn_new(struct http_client *client)
{
	struct http_conn	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return -1;
	c->client = client;
	c->state = CONN_OPENING;
	c->keep_ms = client->keep_ms;
	if ((c->timer = evtimer_new(client->base, conn_timer_cb, c)) == NULL) {
		free(c);
		return -1;
	}
	if ((c->open = http_connector_open(client->connector, client->dest,
	    client->named ? client->host : NULL, client->port,
	    client->connect_ms, conn_fd_cb, c)) == NULL) {
		event_free(c->timer);
		free(c);
		return -1;
	}
	TAILQ_INSERT_HEAD(&client->conns, c, entry);
	client->nconns++;
	client->nopening++;
	conn_timer(c, client->connect_ms);
	return 0;
}

/* --- answers ------------------------------------------------------------- */

static void
conn_open_cb(struct stream *s, void *arg)
{
	struct http_conn	*c = arg;

	(void)s;
	conn_enter(c);
	conn_up(c);
	(void)conn_leave(c);
}

static void
conn_drained_cb(struct stream *s, void *arg)
{
	struct http_conn	*c = arg;

	(void)s;
	if (c->state == CONN_BUSY && c->rq->status == 0)
		c->since_ms = mono_ms();
}

/* The head at the front of in: 1 when there, 0 when not yet, -1 when bad. */
static int
conn_head(struct http_conn *c, struct evbuffer *in, bool to_head,
    struct http_head *h)
{
	size_t	n = evbuffer_get_length(in);
	ssize_t	r;
	char	*p;

	if (n > RESPONSE_HEAD_MAX)
		n = RESPONSE_HEAD_MAX;
	if ((p = (char *)evbuffer_pullup(in, (ev_ssize_t)n)) == NULL)
		return 0;
	r = http_response_parse(h, p, n, &c->scan, RESPONSE_HEAD_MAX, to_head);
	if (r > 0)
		c->head_n = (size_t)r;
	return r > 0 ? 1 : (int)r;
}

static void
conn_tunnel(struct http_conn *c, struct evbuffer *in)
{
	struct http_head	h;
	char			text[64];
	int			r;

	/* To HEAD: what a proxy that refuses has to say is not read. */
	if ((r = conn_head(c, in, true, &h)) == 0)
		return;
	if (r == -1) {
		conn_fail(c, HTTP_E_PROXY, http_bad_name(h.bad));
		return;
	}
	if (h.status < 200 || h.status > 299) {
		(void)snprintf(text, sizeof(text), "proxy answered %u",
		    h.status);
		conn_fail(c, HTTP_E_PROXY, text);
		return;
	}
	evbuffer_drain(in, c->head_n);
	if (evbuffer_get_length(in) > 0) {
		conn_fail(c, HTTP_E_PROXY, "proxy spoke before we did");
		return;
	}
	c->scan = 0;
	conn_start_tls(c);
}

/* "timeout=5" in Keep-Alive: leave well before the server does. */
static void
conn_keep(struct http_conn *c, const struct http_head *h)
{
	struct str	 s = http_header_get(h, "Keep-Alive");
	uint64_t	 v;
	const char	*p;
	size_t		 n;

	if (s.p == NULL || (p = memmem(s.p, s.n, "timeout=", 8)) == NULL)
		return;
	p += 8;
	for (n = 0; n < s.n - (size_t)(p - s.p) && ascii_isdigit(p[n]); n++)
		;
	if (num_parse_u64((struct str){ p, n }, 86400, &v) == 0)
		c->keep_ms = v > 1 ? (uint32_t)(v - 1) * 1000 : 1;
}

static void
conn_complete(struct http_conn *c)
{
	struct http_client	*client = c->client;
	struct http_request	*rq;

	rq = conn_detach(c);
	c->reused = true;
	if (c->keep_alive && stream_queued(c->stream) == 0 &&
	    evbuffer_get_length(stream_in(c->stream)) == 0 &&
	    !client->dead) {
		stream_resume(c->stream);
		c->state = CONN_IDLE;
		client->nidle++;
		conn_ready(c);
	} else {
		conn_close(c);
		client_schedule(client);
	}
	http_request_done(rq, HTTP_OK, "");
}

/* A final head came; false when the connection or the request is gone. */
static bool
conn_response(struct http_conn *c, const struct http_head *h,
    struct evbuffer *in)
{
	struct http_request	*rq = c->rq;

	rq->status = h->status;
	rq->retry_after_ms = http_retry_after_ms(h, wall_ms(), UINT32_MAX);
	c->keep_alive = h->keep_alive;
	conn_keep(c, h);
	http_body_init(&c->body, h);
	conn_timer(c, rq->idle_ms);
	if (rq->ops->head != NULL)
		rq->ops->head(rq, h, rq->arg);
	if (c->dead || c->rq != rq)
		return false;
	evbuffer_drain(in, c->head_n);
	if (h->body == HTTP_BODY_NONE) {
		conn_complete(c);
		return false;
	}
	return true;
}

/* One step of reading: true while there may be another. */
static bool
conn_step(struct http_conn *c, struct evbuffer *in)
{
	struct http_request	*rq = c->rq;
	struct http_head	 h;
	enum http_body_result	 r;
	struct str		 data;
	size_t			 n, used;
	char			*p;
	int			 got;

	if (rq->status == 0) {
		if ((got = conn_head(c, in, rq->to_head, &h)) == 0)
			return false;
		if (got == -1 || h.status == 101 ||
		    (h.status < 200 && ++c->interim > INTERIM_MAX)) {
			conn_fail(c, HTTP_E_PROTOCOL, got == -1 ?
			    http_bad_name(h.bad) : "unexpected 1xx answer");
			return false;
		}
		if (h.status < 200) {
			evbuffer_drain(in, c->head_n);
			c->since_ms = mono_ms();
			return true;
		}
		return conn_response(c, &h, in);
	}
	n = evbuffer_get_contiguous_space(in);
	if (n == 0 || (p = (char *)evbuffer_pullup(in, (ev_ssize_t)n)) == NULL)
		return false;
	r = http_body_feed(&c->body, p, n, &used, &data);
	if (r == HTTP_BODY_BAD) {
		conn_fail(c, HTTP_E_PROTOCOL, "malformed chunk");
		return false;
	}
	c->since_ms = mono_ms();
	if (data.n > 0) {
		if (data.n > rq->max_body - rq->body_got) {
			conn_fail(c, HTTP_E_TOO_LARGE, "answer too large");
			return false;
		}
		rq->body_got += data.n;
		if (rq->ops->body != NULL)
			rq->ops->body(rq, data.p, data.n, rq->arg);
		if (c->dead || c->rq != rq)
			return false;
	}
	evbuffer_drain(in, used);
	if (r == HTTP_BODY_DONE) {
		conn_complete(c);
		return false;
	}
	return !rq->paused;
}

static void
conn_read_cb(struct stream *s, struct evbuffer *in, void *arg)
{
	struct http_conn	*c = arg;

	(void)s;
	conn_enter(c);
	if (c->state == CONN_TUNNEL)
		conn_tunnel(c, in);
	else if (c->state != CONN_BUSY)
		/* Nobody asked. */
		conn_fail(c, HTTP_E_PROTOCOL, "answer without request");
	else {
		c->got_bytes = true;
		while (!c->dead && c->rq != NULL && !c->rq->paused &&
		    evbuffer_get_length(in) > 0 && conn_step(c, in))
			;
	}
	(void)conn_leave(c);
}

static void
conn_end_cb(struct stream *s, enum stream_end why, void *arg)
{
	struct http_conn	*c = arg;

	conn_enter(c);
	if (why == STREAM_TLS)
		conn_fail(c, HTTP_E_TLS, stream_reason(s));
	else if (c->state == CONN_TLS)
		conn_fail(c, HTTP_E_TLS, "closed during handshake");
	else if (c->state == CONN_OPENING || c->state == CONN_TUNNEL)
		conn_fail(c, c->state == CONN_TUNNEL ? HTTP_E_PROXY :
		    HTTP_E_CONNECT, why == STREAM_EOF ? "closed" :
		    stream_reason(s));
	else if (c->state == CONN_IDLE)
		conn_close(c);
	else if (why == STREAM_EOF && c->rq->status != 0 &&
	    c->body.kind == HTTP_BODY_CLOSE) {
		c->keep_alive = false;
		conn_complete(c);
	} else
		conn_fail(c, HTTP_E_CLOSED, why == STREAM_ERROR ?
		    stream_reason(s) : c->rq->status == 0 ?
		    "closed before an answer" : "answer cut short");
	(void)conn_leave(c);
}

/* --- the destination ----------------------------------------------------- */

static void
client_schedule(struct http_client *client)
{
	struct http_conn	*c, *next;

	if (client->dead)
		return;
	/* The one used last is the least likely to be closing. */
	for (c = TAILQ_FIRST(&client->conns); c != NULL &&
	    !TAILQ_EMPTY(&client->waiting); c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->state == CONN_IDLE && c->rq == NULL)
			conn_ready(c);
	}
	while (client->nopening < client->nwaiting &&
	    client->nconns < client->max_conns)
		if (conn_new(client) == -1)
			break;
	/* Without memory for a first connection nothing would ever move on. */
	if (client->nconns == 0 && client->nwaiting > 0)
		http_client_later(client);
}

static void
client_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_schedule(arg);
}

void
http_client_later(struct http_client *client)
{
	static const struct timeval	second = { 1, 0 };

	event_add(client->timer, &second);
}

void
http_client_kick(struct http_client *client)
{
	client_schedule(client);
}

void
http_conn_give_up(struct http_conn *c)
{
	struct http_client	*client = c->client;

	(void)conn_detach(c);
	conn_close(c);
	client_schedule(client);
}

struct http_client *
http_client_new(struct event_base *base, struct http_connector *connector,
    const struct http_client_config *cf)
{
	struct http_client	*client;
	bool			 literal, port;
	int			 n;

	if (cf->host == NULL || cf->port == 0 ||
	    !http_value_ok(str_of(cf->host)) || (cf->proxy_auth != NULL &&
	    !http_value_ok(str_of(cf->proxy_auth)))) {
		errno = EINVAL;
		return NULL;
	}
	if ((client = calloc(1, sizeof(*client))) == NULL)
		return NULL;
	TAILQ_INIT(&client->conns);
	TAILQ_INIT(&client->waiting);
	client->base = base;
	client->connector = connector;
	client->dest = cf->dest;
	client->named = cf->named;
	client->port = cf->port;
	client->tls = cf->tls;
	client->proxy = cf->proxy;
	client->max_conns = cf->max_conns != 0 ? cf->max_conns : DEFAULT_CONNS;
	client->max_idle = cf->max_idle != 0 ? cf->max_idle : DEFAULT_IDLE;
	client->max_waiting = cf->max_waiting != 0 ? cf->max_waiting :
	    DEFAULT_WAITING;
	client->keep_ms = cf->keep_ms != 0 ? cf->keep_ms : DEFAULT_KEEP_MS;
	client->connect_ms = cf->connect_ms != 0 ? cf->connect_ms :
	    DEFAULT_CONNECT_MS;
	literal = strchr(cf->host, ':') != NULL;
	/* A proxy is always told the port; Host leaves out the usual one. */
	port = cf->port != (cf->tls != NULL ? 443 : 80);
	client->host = strdup(cf->host);
	if (asprintf(&client->authority, "%s%s%s:%u", literal ? "[" : "",
	    cf->host, literal ? "]" : "", cf->port) == -1)
		client->authority = NULL;
	n = port ? asprintf(&client->host_header, "%s", client->authority) :
	    asprintf(&client->host_header, "%s%s%s", literal ? "[" : "",
	    cf->host, literal ? "]" : "");
	if (n == -1)
		client->host_header = NULL;
	if (cf->proxy_auth != NULL)
		client->proxy_auth = strdup(cf->proxy_auth);
	client->timer = evtimer_new(base, client_timer_cb, client);
	if (client->host == NULL || client->authority == NULL ||
	    client->host_header == NULL || client->timer == NULL ||
	    (cf->proxy_auth != NULL && client->proxy_auth == NULL)) {
		http_client_free(client);
		errno = ENOMEM;
		return NULL;
	}
	return client;
}

void
http_client_free(struct http_client *client)
{
	struct http_request	*rq;
	struct http_conn	*c;

	if (client == NULL || client->dead)
		return;
	client->dead = true;
	while ((rq = TAILQ_FIRST(&client->waiting)) != NULL) {
		http_request_unwait(rq);
		http_request_done(rq, HTTP_E_CANCELLED, "cancelled");
	}
	while ((c = TAILQ_FIRST(&client->conns)) != NULL) {
		/* The analyzer does not see that closing takes it off.
		 * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		rq = conn_detach(c);
		conn_close(c);
		if (rq != NULL)
			http_request_done(rq, HTTP_E_CANCELLED, "cancelled");
	}
	if (client->timer != NULL)
		event_free(client->timer);
	if (client->proxy_auth != NULL)
		freezero(client->proxy_auth, strlen(client->proxy_auth));
	free(client->host);
	free(client->authority);
	free(client->host_header);
	free(client);
}

void
http_client_drop_idle(struct http_client *client)
{
	struct http_conn	*c, *next;

	for (c = TAILQ_FIRST(&client->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->state == CONN_IDLE)
			conn_close(c);
	}
}
