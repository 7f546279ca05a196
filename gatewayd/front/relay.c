/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A TLS client after its hand-over: its records end here, the router has the
 * other end of a socket pair.  Bytes are moved and not looked at; each side is
 * read only as fast as the other takes.
 */

#include "common/compat.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "gatewayd/front/front.h"

#define QUEUE_HIGH	65536
#define QUEUE_LOW	16384
#define LINGER_MS	3000

struct relay;
struct side {
	struct relay	*r;
	struct stream	*s;
	bool		 ended;
};

struct relay {
	struct side	 client, router;
	struct event	*timer;
};

static unsigned int	nrelays;

unsigned int
relay_count(void)
{
	return nrelays;
}

static void
relay_free(struct relay *r)
{
	stream_free(r->client.s);
	stream_free(r->router.s);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r);
	nrelays--;
}

static struct side *
other(struct side *a)
{
	return a == &a->r->client ? &a->r->router : &a->r->client;
}

static void
side_read_cb(struct stream *s, struct evbuffer *in, void *arg)
{
	struct side	*a = arg, *b = other(a);

	if (evbuffer_add_buffer(stream_out(b->s), in) == -1) {
		relay_free(a->r);
		return;
	}
	stream_flush(b->s);
	if (stream_queued(b->s) > QUEUE_HIGH)
		stream_pause(s);
}

static void
side_drained_cb(struct stream *s, void *arg)
{
	struct side	*a = arg;

	(void)s;
	stream_resume(other(a)->s);
}

static void
relay_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	relay_free(arg);
}

static void
side_end_cb(struct stream *s, enum stream_end why, void *arg)
{
	static const struct timeval	linger = { LINGER_MS / 1000, 0 };
	struct side			*a = arg, *b = other(a);

	(void)s;
	(void)why;
	a->ended = true;
	if (b->ended) {
		relay_free(a->r);
		return;
	}
	/* What is queued still goes out; then the other side learns of it. */
	stream_shutdown(b->s);
	event_add(a->r->timer, &linger);
}

static const struct stream_ops side_ops = {
	.read = side_read_cb,
	.drained = side_drained_cb,
	.end = side_end_cb,
};

int
relay_new(struct stream *client)
{
	struct relay	*r;
	int		 sv[2] = { -1, -1 };

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    sv) == -1)
		goto fail;
	r->timer = evtimer_new(worker_base(), relay_timer_cb, r);
	if (r->timer == NULL)
		goto fail;
	r->client.r = r->router.r = r;
	r->router.s = stream_new(worker_base(), sv[0], &side_ops, &r->router);
	sv[0] = -1;
	if (r->router.s == NULL)
		goto fail;
	nrelays++;
	r->client.s = client;
	stream_set_marks(r->router.s, QUEUE_HIGH, QUEUE_LOW);
	stream_set_marks(client, QUEUE_HIGH, QUEUE_LOW);
	stream_set_ops(client, &side_ops, &r->client);
	stream_resume(client);
	return sv[1];
fail:
	if (sv[0] != -1)
		close(sv[0]);
	if (sv[1] != -1)
		close(sv[1]);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r);
	return -1;
}
