/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A connection from accept to hand-over.  One deadline covers TLS, the
 * upgrade and the connect frame together, so that slowness in each does not
 * add up.  All of it is hostile until store says otherwise.
 */

#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/log.h"
#include "gatewayd/front/canvas.h"

#define IN_MAX		16384	/* unread bytes that a connection may hold */
#define LINGER_MS	2000
#define EVICT_MS	1000	/* nobody younger makes room for others */

static TAILQ_HEAD(conn_list, conn) conns = TAILQ_HEAD_INITIALIZER(conns);
static unsigned int	 nconns;
static uint64_t		 last_id;

static void	 conn_open_cb(struct stream *, void *);
static void	 conn_read_cb(struct stream *, struct evbuffer *, void *);
static void	 conn_drained_cb(struct stream *, void *);
static void	 conn_end_cb(struct stream *, enum stream_end, void *);

static const struct stream_ops conn_ops = {
	.open = conn_open_cb,
	.read = conn_read_cb,
	.drained = conn_drained_cb,
	.end = conn_end_cb,
};

void
conn_timer(struct conn *c, uint32_t ms)
{
	struct timeval	tv = { ms / 1000, ms % 1000 * 1000 };

	event_add(c->timer, &tv);
}

void
conn_free(struct conn *c)
{
	TAILQ_REMOVE(&conns, c, entry);
	nconns--;
	api_free(c);
	canvas_forget(c);
	if (c->live)
		live_gone(c);
	stream_free(c->s);
	event_free(c->timer);
	ws_reader_clear(&c->ws);
	free(c->host);
	free(c->proto);
	free(c->user);
	free(c->request_id);
	free(c);
}

void
conn_linger(struct conn *c)
{
	c->state = CONN_CLOSING;
	conn_timer(c, LINGER_MS);
	stream_resume(c->s);
	stream_shutdown(c->s);
}

static void
conn_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct conn	*c = arg;

	(void)fd;
	(void)what;
	switch (c->state) {
	case CONN_HEAD:
		/* A word only to those who have begun to speak. */
		if (evbuffer_get_length(stream_in(c->s)) > 0) {
			http_refuse(c, 408, "Request Timeout");
			return;
		}
		break;
	case CONN_CHALLENGED:
	case CONN_JUDGED:
		upgrade_close(c, WS_CLOSE_NORMAL, "");
		return;
	case CONN_API:
		api_timeout(c);
		return;
	case CONN_FETCHING:
		canvas_late(c);
		return;
	case CONN_LIVE:
		live_timer(c);
		return;
	case CONN_TLS:
	case CONN_LEAVING:
	case CONN_CLOSING:
		break;
	}
	conn_free(c);
}

void
conn_accepted(int fd, const struct sockaddr_storage *ss, bool canvas_port)
{
	struct conn	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		accept_pause();
		return;
	}
	locality_addr(ss, c->from.peer);
	c->port = locality_port(ss);
	c->state = CONN_HEAD;
	c->canvas_port = canvas_port;
	c->born_ms = mono_ms();
	c->timer = evtimer_new(worker_base(), conn_timer_cb, c);
	if (c->timer == NULL) {
		close(fd);
		goto fail;
	}
	if ((c->s = stream_new(worker_base(), fd, &conn_ops, c)) == NULL)
		goto fail;
	stream_set_marks(c->s, IN_MAX, 0);
	if (front_conf.origin.tls) {
		c->state = CONN_TLS;
		if (front_tls->start(c->s) == -1)
			goto fail;
	}
	c->id = ++last_id;
	TAILQ_INSERT_TAIL(&conns, c, entry);
	nconns++;
	conn_timer(c, front_conf.handshake_ms);
	return;
fail:
	stream_free(c->s);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c);
	accept_pause();
}

struct conn *
conn_find(uint64_t id)
{
	struct conn	*c;

	/* Who is asked about came lately; who is old is silent. */
	TAILQ_FOREACH_REVERSE(c, &conns, conn_list, entry)
		if (c->id == id)
			return c;
	return NULL;
}

unsigned int
conn_count(void)
{
	return nconns;
}

unsigned int
conn_count_of(const char *peer)
{
	struct conn	*c;
	unsigned int	 n = 0;

	TAILQ_FOREACH(c, &conns, entry)
		if (strcmp(c->from.peer, peer) == 0 && !api_admitted(c))
			n++;
	return n;
}

bool
conn_evict(void)
{
	struct conn	*c;
	uint64_t	 now = mono_ms();

	/* The list is by age: the first that may go is the oldest. */
	for (c = TAILQ_FIRST(&conns); c != NULL; c = TAILQ_NEXT(c, entry))
		if (c->state != CONN_JUDGED && c->state != CONN_LEAVING &&
		    !api_admitted(c))
			break;
	if (c == NULL || c->born_ms + EVICT_MS > now)
		return false;
	conn_free(c);
	return true;
}

void
conn_each(void (*fn)(struct conn *))
{
	struct conn	*c, *next;

	for (c = TAILQ_FIRST(&conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		fn(c);
	}
}

unsigned int
conn_count_live(const char *peer)
{
	struct conn	*c;
	unsigned int	 n = 0;

	TAILQ_FOREACH(c, &conns, entry)
		if (c->state == CONN_LIVE && strcmp(c->from.peer, peer) == 0)
			n++;
	return n;
}

void
conn_free_all(void)
{
	struct conn	*c, *next;

	for (c = TAILQ_FIRST(&conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->state == CONN_CHALLENGED || c->state == CONN_JUDGED ||
		    c->state == CONN_LIVE) {
			upgrade_close(c, WS_CLOSE_RESTART, "service restart");
			continue;
		}
		if (c->state == CONN_API)
			api_stop(c);
		else if (c->state != CONN_LEAVING)
			conn_free(c);
	}
}

/* --- what the stream says ------------------------------------------------ */

static void
conn_open_cb(struct stream *s, void *arg)
{
	struct conn	*c = arg;

	(void)s;
	if (c->state == CONN_TLS)
		c->state = CONN_HEAD;
}

static void
conn_head(struct conn *c, struct evbuffer *in)
{
	static struct http_head	 h;	/* 3 KiB that no connection keeps */
	size_t			 n = evbuffer_get_length(in);
	ssize_t			 r;
	char			*p;

	if ((p = (char *)evbuffer_pullup(in, -1)) == NULL) {
		conn_free(c);
		return;
	}
	r = http_request_parse(&h, p, n, &c->scan, HTTP_HEAD_MAX);
	if (r == 0)
		return;
	c->scan = 0;
	if (r == -1) {
		log_debug("front: %s: %s", c->from.peer, http_bad_name(h.bad));
		if (h.bad == HTTP_BAD_TOO_LARGE)
			http_refuse(c, 431,
			    "Request Header Fields Too Large");
		else if (h.bad == HTTP_BAD_VERSION)
			http_refuse(c, 505, "HTTP Version Not Supported");
		else
			http_refuse(c, 400, "Bad Request");
		return;
	}
	c->requests++;
	http_request(c, &h, (size_t)r, in);
}

static void
conn_read_cb(struct stream *s, struct evbuffer *in, void *arg)
{
	struct conn	*c = arg;

	/* Each of these may free c. */
	switch (c->state) {
	case CONN_HEAD:
		conn_head(c, in);
		break;
	case CONN_CHALLENGED:
		if (c->whois_asked != 0)
			stream_pause(s);
		else
			upgrade_read(c, in);
		break;
	case CONN_API:
		api_read(c, in);
		break;
	case CONN_LIVE:
		live_read(c, in);
		break;
	case CONN_CLOSING:
		evbuffer_drain(in, evbuffer_get_length(in));
		break;
	case CONN_TLS:
	case CONN_JUDGED:
	case CONN_LEAVING:
	case CONN_FETCHING:
		/* What follows the connect frame is for the router; what
		 * follows a request waits for its answer. */
		stream_pause(s);
		break;
	}
}

static void
conn_drained_cb(struct stream *s, void *arg)
{
	struct conn	*c = arg;

	(void)s;
	if (c->state == CONN_LEAVING)
		upgrade_drained(c);
	else if (c->state == CONN_API)
		api_drained(c);
	else if (c->state == CONN_FETCHING)
		canvas_drained(c);
}

static void
conn_end_cb(struct stream *s, enum stream_end why, void *arg)
{
	struct conn	*c = arg;

	if (why == STREAM_TLS)
		log_debug("front: %s: TLS: %s", c->from.peer,
		    stream_reason(s));
	conn_free(c);
}
