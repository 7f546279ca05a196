/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A WebSocket from its upgrade to its hand-over: challenge, connect frame,
 * question to store, answer.  Front decides nothing about credentials and
 * keeps none: what a client presented is zeroed as soon as store was asked.
 */

#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/json_write.h"
#include "common/log.h"
#include "gatewayd/front/connect_frame.h"
#include "gatewayd/front/front.h"
#include "gatewayd/front/penalty.h"

#define CONTROLS_MAX	16	/* pings and pongs before the connect frame */
#define ANSWER_MAX	16384
#define SAY_MAX		30	/* refusals told one by one, */
#define SAY_MS		60000	/* in this time */

static void	 hand_over(struct conn *);

void
upgrade_log_refused(const struct conn *c, const char *reason)
{
	static uint64_t		since;
	static unsigned int	said, more;
	uint64_t		now = mono_ms();

	if (now - since >= SAY_MS) {
		if (more > 0)
			log_warnx("front: %u more clients were refused", more);
		since = now;
		said = more = 0;
	}
	if (said < SAY_MAX) {
		said++;
		log_info("front: %s: refused: %s", c->from.client, reason);
	} else
		more++;
}

static void
send_text(struct conn *c, const struct dbuf *b)
{
	/* Out of memory shows as a client that waits: its deadline ends it. */
	(void)ws_send(stream_out(c->s), WS_OP_TEXT, dbuf_str(b), b->n, false);
}

void
upgrade_close(struct conn *c, unsigned int code, const char *reason)
{
	(void)ws_send_close(stream_out(c->s), code, reason, false);
	conn_linger(c);
}

static void
send_challenge(struct conn *c)
{
	struct dbuf	b;
	struct jw	w;

	uuid_v4(c->nonce);
	dbuf_init(&b, 512);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "type", "event");
	jw_ks(&w, "event", "connect.challenge");
	jw_kobj(&w, "payload");
	jw_ks(&w, "nonce", c->nonce);
	jw_kuint(&w, "ts", wall_ms());
	jw_obj_end(&w);
	jw_obj_end(&w);
	send_text(c, &b);
	dbuf_clear(&b);
}

bool
upgrade_answer(struct conn *c, const struct http_head *h)
{
	char		accept[29];

	if (!str_eqs(h->method, "GET") || h->minor != 1 || !h->upgrade ||
	    h->body != HTTP_BODY_NONE) {
		http_refuse(c, 400, "Bad Request");
		return false;
	}
	if (http_header_count(h, "Sec-WebSocket-Version") != 1 ||
	    !str_eqs(http_header_get(h, "Sec-WebSocket-Version"), "13")) {
		http_refuse(c, 426, "Upgrade Required");
		return false;
	}
	if (http_header_count(h, "Sec-WebSocket-Key") != 1 ||
	    ws_accept_key(http_header_get(h, "Sec-WebSocket-Key"),
	    accept) == -1) {
		http_refuse(c, 400, "Bad Request");
		return false;
	}
	evbuffer_add_printf(stream_out(c->s),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
	return true;
}

void
upgrade_request(struct conn *c, const struct http_head *h)
{
	struct str	proto;

	if (!origin_allowed(h, &front_conf.origin)) {
		upgrade_log_refused(c, "origin not allowed");
		http_refuse(c, 403, "origin not allowed");
		return;
	}
	if (!upgrade_answer(c, h))
		return;
	proto = http_header_get(h, "X-Forwarded-Proto");
	c->user = str_dup(locality_user(h, c->from.peer, &front_conf.origin));
	c->browser = http_header_count(h, "Origin") > 0;
	c->host = h->host.p == NULL ? NULL : str_dup(h->host);
	c->proto = proto.p == NULL || proto.n > 16 ? NULL : str_dup(proto);
	c->state = CONN_CHALLENGED;
	if (c->requests > 1)
		conn_timer(c, front_conf.handshake_ms);
	ws_reader_init(&c->ws, true, front_conf.preauth_bytes);
	c->ws.binary_text = true;
	send_challenge(c);
	if (whois_ask(c, h))
		stream_pause(c->s);
	stream_flush(c->s);
}

/* --- the connect frame --------------------------------------------------- */

static void
refuse(struct conn *c, struct str id, const char *code, const char *message,
    struct str details, uint32_t retry_s, unsigned int close_code)
{
	struct dbuf	b;
	char		reason[128];
	size_t		n;

	dbuf_init(&b, ANSWER_MAX);
	connect_error(&b, id, code, message, details, retry_s);
	if (!dbuf_err(&b))
		send_text(c, &b);
	dbuf_clear(&b);
	n = utf8_cut(message, strlen(message), 120);
	memcpy(reason, message, n);
	reason[n] = '\0';
	upgrade_close(c, close_code, reason);
}

static void
refuse_starting(struct conn *c, struct str id)
{
	refuse(c, id, "UNAVAILABLE", "gateway starting", (struct str){ "", 0 },
	    0, WS_CLOSE_TRY_LATER);
}

static void
ask_store(struct conn *c, struct connect_frame *cf)
{
	struct m_auth_req	*rq = &cf->req;

	if (front_store == NULL || front_router == NULL ||
	    link_full(front_store)) {
		refuse_starting(c, cf->id);
		return;
	}
	rq->conn = c->id;
	rq->challenge = str_of(c->nonce);
	rq->remote = str_of(c->from.remote);
	rq->local = c->from.local;
	rq->browser = c->browser;
	rq->host = str_of(c->host);
	rq->user = str_of(c->user);
	rq->whois = c->whois;
	if ((c->request_id = str_dup(cf->id)) == NULL ||
	    send_auth_req(front_store, rq, link_corr(), 0) == -1) {
		log_warn("front: store cannot be asked");
		refuse_starting(c, cf->id);
		return;
	}
	c->state = CONN_JUDGED;
	stream_pause(c->s);
}

static void
connect_message(struct conn *c, struct str data)
{
	struct connect_frame	cf;

	/* In the reader's own memory or the input's, which are ours to mend. */
	if (connect_frame_parse(&cf, (char *)(uintptr_t)data.p, data.n)) {
		ask_store(c, &cf);
	} else {
		if (cf.answer.n > 0 && !dbuf_err(&cf.answer))
			send_text(c, &cf.answer);
		upgrade_log_refused(c, cf.close_reason[0] != '\0' ?
		    cf.close_reason : "first frame is not JSON");
		upgrade_close(c, cf.close_code, cf.close_reason);
	}
	connect_frame_clear(&cf);
	explicit_bzero((void *)(uintptr_t)data.p, data.n);
}

void
upgrade_read(struct conn *c, struct evbuffer *in)
{
	struct str	data;

	while (c->state == CONN_CHALLENGED) {
		switch (ws_read_evbuffer(&c->ws, in, &data)) {
		case WS_MORE:
			return;
		case WS_MESSAGE:
			connect_message(c, data);
			ws_reader_settle(&c->ws, in);
			ws_reader_clear(&c->ws);
			break;
		case WS_PING:
			if (++c->controls > CONTROLS_MAX)
				upgrade_close(c, WS_CLOSE_POLICY, "");
			else
				(void)ws_send(stream_out(c->s), WS_OP_PONG,
				    data.p, data.n, false);
			break;
		case WS_PONG:
			if (++c->controls > CONTROLS_MAX)
				upgrade_close(c, WS_CLOSE_POLICY, "");
			break;
		case WS_CLOSE:
			upgrade_close(c, c->ws.close_code, "");
			break;
		case WS_ERROR:
			upgrade_close(c, c->ws.close_code, "");
			break;
		}
	}
}

/* --- the verdict --------------------------------------------------------- */

enum msg_err
upgrade_auth_res(struct msg *m)
{
	struct m_auth_res	 v;
	struct conn		*c;
	enum msg_err		 err;

	if ((err = get_auth_res(m, &v)) != MSG_OK)
		return err;
	c = conn_find(v.conn);
	/* Store refuses the next try of a shared address by itself. */
	if (v.penalty_s > 0 && c != NULL && !locality_is_shared(
	    c->from.client))
		(void)penalty_add(c->from.client, v.penalty_s);
	if (c != NULL && c->state == CONN_API) {
		api_auth_res(c, &v);
		return MSG_OK;
	}
	/* Gone meanwhile: the router forgets the ticket by itself. */
	if (c == NULL || c->state != CONN_JUDGED)
		return MSG_OK;
	if (v.verdict == VERDICT_OK) {
		if (v.ticket == 0)
			return MSG_MEANING;
		c->ticket = v.ticket;
		c->state = CONN_LEAVING;
		if (stream_queued(c->s) == 0)
			hand_over(c);
		return MSG_OK;
	}
	upgrade_log_refused(c, v.message.p);
	refuse(c, str_of(c->request_id), v.code.n > 0 ? v.code.p :
	    v.verdict == VERDICT_UNAVAILABLE ? "UNAVAILABLE" :
	    "INVALID_REQUEST", v.message.p, v.details, v.retry_s,
	    v.verdict == VERDICT_UNAVAILABLE ? WS_CLOSE_TRY_LATER :
	    WS_CLOSE_POLICY);
	return MSG_OK;
}

static void
hand_over(struct conn *c)
{
	struct m_client_handoff	 m = { 0 };
	struct evbuffer		*in = stream_in(c->s);
	struct dbuf		 unread;
	size_t			 n;
	int			 fd;

	if (front_router == NULL) {
		refuse_starting(c, str_of(c->request_id));
		return;
	}
	dbuf_init(&unread, 49152);
	n = evbuffer_get_length(in);
	if (n > 0 && (dbuf_reserve(&unread, n) == -1 ||
	    evbuffer_remove(in, unread.p, n) != (int)n)) {
		dbuf_clear(&unread);
		conn_free(c);
		return;
	}
	unread.n = n;
	m.ticket = c->ticket;
	m.request_id = str_of(c->request_id);
	m.tls = front_conf.origin.tls;
	m.host = str_of(c->host);
	m.proto_header = str_of(c->proto);
	m.unread = (struct str){ n > 0 ? unread.p : "", n };
	if (m.tls) {
		if ((fd = relay_new(c->s)) != -1)
			c->s = NULL;
	} else if ((fd = stream_release_fd(c->s)) != -1)
		c->s = NULL;
	if (fd == -1)
		log_warn("front: %s: cannot hand over", c->from.client);
	/* Takes the descriptor, also when it fails. */
	else if (link_send_fds(front_router, MSG_CLIENT_HANDOFF, &m,
	    link_corr(), 0, &fd, 1) == -1)
		log_warn("front: %s: router cannot be told", c->from.client);
	dbuf_clear(&unread);
	conn_free(c);
}

void
upgrade_drained(struct conn *c)
{
	hand_over(c);
}

void
upgrade_lost(struct conn *c)
{
	/* The question is lost, or the ticket is: the client asks again. */
	if (c->state == CONN_JUDGED || c->state == CONN_LEAVING)
		refuse_starting(c, str_of(c->request_id));
}
