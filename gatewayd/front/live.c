/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * WebSockets of pages that want to know when to load again.  Nobody has said
 * who they are and they live long, so there are few of them, they may say
 * nothing, and the one word that they get carries no secret.
 */
#include "common/compat.h"

#include <event2/buffer.h>

#include "gatewayd/front/canvas.h"

#define LIVE_MAX	256	/* at all */
#define PER_ADDRESS	32	/* of one foreign address */
#define SAY_MAX		1024	/* bytes of one message, which is not read */
#define QUEUE_MAX	4096	/* that a client leaves unread */
#define PING_MS		55000

static unsigned int	nlive;

unsigned int
live_count(void)
{
	return nlive;
}

/* A page in a sandbox has no origin to name. */
static bool
allowed(const struct http_head *h)
{
	return origin_allowed(h, &front_conf.origin) ||
	    (http_header_count(h, "Origin") == 1 &&
	    str_eqs(http_header_get(h, "Origin"), "null"));
}

void
live_request(struct conn *c, const struct http_head *h)
{
	if (!host_allowed(h, c->from.peer, &front_conf.origin) ||
	    !allowed(h)) {
		http_refuse(c, 403, "origin not allowed");
		return;
	}
	if (nlive >= LIVE_MAX || (!locality_is_shared(c->from.peer) &&
	    conn_count_live(c->from.peer) >= PER_ADDRESS)) {
		http_refuse(c, 503, "too many pages are open");
		return;
	}
	if (!upgrade_answer(c, h))
		return;
	c->state = CONN_LIVE;
	c->live = true;
	nlive++;
	ws_reader_init(&c->ws, true, SAY_MAX);
	conn_timer(c, PING_MS);
	stream_flush(c->s);
	canvas_wanted();
}

void
live_gone(struct conn *c)
{
	(void)c;
	nlive--;
	canvas_rest();
}

void
live_read(struct conn *c, struct evbuffer *in)
{
	struct str	 data;

	while (c->state == CONN_LIVE) {
		switch (ws_read_evbuffer(&c->ws, in, &data)) {
		case WS_MORE:
			stream_flush(c->s);
			return;
		case WS_MESSAGE:
			break;
		case WS_PING:
			if (stream_queued(c->s) < QUEUE_MAX)
				(void)ws_send(stream_out(c->s), WS_OP_PONG,
				    data.p, data.n, false);
			break;
		case WS_PONG:
			c->controls = 0;
			break;
		case WS_CLOSE:
		case WS_ERROR:
			upgrade_close(c, c->ws.close_code, "");
			break;
		}
	}
}

/* Who is gone without a word does not answer. */
void
live_timer(struct conn *c)
{
	if (c->controls > 0 || stream_queued(c->s) >= QUEUE_MAX) {
		conn_free(c);
		return;
	}
	c->controls = 1;
	(void)ws_send(stream_out(c->s), WS_OP_PING, "", 0, false);
	conn_timer(c, PING_MS);
	stream_flush(c->s);
}

static void
tell(struct conn *c)
{
	if (c->state != CONN_LIVE || stream_queued(c->s) >= QUEUE_MAX)
		return;
	(void)ws_send(stream_out(c->s), WS_OP_TEXT, "reload", 6, false);
	stream_flush(c->s);
}

void
live_reload(void)
{
	conn_each(tell);
}
