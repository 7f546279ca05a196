/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The way of HTTP requests in and of their answers out.  An answer is one
 * piece, or a stream of which no more leaves than the client's side has
 * granted.
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/http_error.h"
#include "common/log.h"

#define CALLS_MAX	256
#define BODY_DEPTH	64	/* as front has it */
#define PIECE		32768
#define OUT_MAX		(32u << 20)
#define SLOW		262144	/* unsent bytes that let text wait */

static LIST_HEAD(, http_call)	calls = LIST_HEAD_INITIALIZER(calls);
static size_t			ncalls;

struct http_call *
http_call_find(const char *id)
{
	struct http_call	*c;

	LIST_FOREACH(c, &calls, entry)
		if (strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

struct http_call *
http_call_of_sub(const struct link *l, uint64_t corr)
{
	struct http_call	*c;

	LIST_FOREACH(c, &calls, entry)
		if (c->sub == l && c->sub_corr == corr && corr != 0)
			return c;
	return NULL;
}

struct http_call *
http_call_waiting(const struct link *l)
{
	struct http_call	*c;

	LIST_FOREACH(c, &calls, entry)
		if (c->sub == l)
			return c;
	return NULL;
}

void
http_call_free(struct http_call *c)
{
	LIST_REMOVE(c, entry);
	ncalls--;
	if (c->turn != NULL)
		c->turn->http = NULL;	/* it goes on by itself */
	if (c->timer != NULL)
		event_free(c->timer);
	dbuf_clear(&c->out);
	dbuf_clear(&c->held);
	dbuf_clear(&c->text);
	dbuf_clear(&c->got);
	free(c->model);
	free(c);
}

/* --- answers ------------------------------------------------------------------ */

static int
send_piece(struct http_call *c, unsigned int status, enum http_form form,
    enum http_end end, struct str data)
{
	struct m_http_res	 m = { 0 };

	m.status = (uint16_t)(c->headed ? 0 : status);
	m.form = (uint8_t)form;
	m.end = (uint8_t)end;
	m.data = data;
	c->headed = true;
	if (router != NULL && send_http_res(router, &m, c->corr,
	    MSG_F_REPLY | (end == HTTP_MORE ? MSG_F_MORE : 0)) == 0)
		return 0;
	log_warn("http: a piece of an answer");
	return -1;
}

void
http_json(struct http_call *c, unsigned int status, struct dbuf *b)
{
	bool	 bad = dbuf_err(b);

	dbuf_puts(b, "\n");
	if (bad || dbuf_err(b))
		http_cut(c, "the answer is too long");
	else {
		(void)send_piece(c, status, HTTP_JSON, HTTP_DONE,
		    (struct str){ dbuf_str(b), b->n });
		http_call_free(c);
	}
	dbuf_clear(b);
}

void
http_bytes(struct http_call *c, unsigned int status, enum http_form form,
    struct str data)
{
	(void)send_piece(c, status, form, HTTP_DONE, data);
	http_call_free(c);
}

void
http_error(struct http_call *c, unsigned int status, const char *type,
    const char *code, const char *fmt, ...)
{
	struct dbuf	 b;
	va_list		 ap;

	dbuf_init(&b, HTTP_ERROR_BYTES);
	va_start(ap, fmt);
	http_error_put(&b, false, type, code, fmt, ap);
	va_end(ap);
	http_json(c, status, &b);
}

void
http_cut(struct http_call *c, const char *why)
{
	(void)send_piece(c, 200, HTTP_JSON, HTTP_CUT, str_of(why));
	http_call_free(c);
}

bool
http_flush(struct http_call *c)
{
	size_t	 n;
	bool	 last;

	while (router != NULL && !link_full(router) && c->out.n > 0 &&
	    c->credit > 0) {
		n = c->out.n < PIECE ? c->out.n : PIECE;
		n = n < c->credit ? n : c->credit;
		last = c->over && n == c->out.n;
		if (send_piece(c, 200, HTTP_SSE, last ? HTTP_DONE : HTTP_MORE,
		    (struct str){ c->out.p, n }) == -1) {
			http_cut(c, "the answer was cut short");
			return true;
		}
		c->credit -= n;
		dbuf_consume(&c->out, n);
		if (last) {
			http_call_free(c);
			return true;
		}
	}
	c->slow = c->out.n > SLOW;
	return false;
}

void
http_put(struct http_call *c, const char *p, size_t n)
{
	dbuf_put(&c->out, p, n);
	c->slow = c->out.n > SLOW;
}

void
http_event(struct http_call *c, const char *event, struct dbuf *b)
{
	if (event != NULL)
		dbuf_printf(&c->out, "event: %s\n", event);
	dbuf_puts(&c->out, "data: ");
	if (dbuf_err(b))
		c->out.err = true;
	http_put(c, dbuf_str(b), b->n);
	dbuf_puts(&c->out, "\n\n");
	dbuf_clear(b);
}

void
http_done(struct http_call *c)
{
	if (dbuf_err(&c->out)) {
		http_cut(c, "the answer is longer than can be kept for who "
		    "reads slowly");
		return;
	}
	c->over = true;
	(void)http_flush(c);
}

/* --- requests ------------------------------------------------------------------- */

static enum msg_err
on_req(struct link *l, struct msg *m)
{
	static const struct {
		void	(*fn)(struct http_call *, const struct m_http_req *,
			    json_t *);
	} handlers[ROUTE_MAX] = {
#define ROUTE(id, path, match, methods, owner, handler, door, body, key) \
		[HTTP_ROUTE_##id] = { HTTP_FN_##owner(handler) },
#define HTTP_FN_FRONT(handler)	NULL
#define HTTP_FN_ROUTER(handler)	NULL
#define HTTP_FN_AGENT(handler)	http_##handler
#include "proto/routes.def"
#undef ROUTE
#undef HTTP_FN_FRONT
#undef HTTP_FN_ROUTER
#undef HTTP_FN_AGENT
	};
	struct m_http_req	 q;
	struct http_call	*c;
	enum msg_err		 err;
	json_t			*body;

	(void)l;
	if ((err = get_http_req(m, &q)) != MSG_OK)
		return err;
	if (q.route >= ROUTE_MAX || handlers[q.route].fn == NULL)
		return MSG_MEANING;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return MSG_NOMEM;
	LIST_INSERT_HEAD(&calls, c, entry);
	ncalls++;
	c->corr = m->h.corr;
	c->route = (enum http_route)q.route;
	c->credit = HTTP_WINDOW;
	c->created = wall_ms() / 1000;
	dbuf_init(&c->out, OUT_MAX);
	dbuf_init(&c->held, RESULT_TEXT_MAX);
	dbuf_init(&c->text, RESULT_TEXT_MAX);
	dbuf_init(&c->got, OUT_MAX);
	if (ncalls > CALLS_MAX || draining) {
		http_error(c, 503, "unavailable", NULL, draining ? "the agent "
		    "is shutting down; try again" : "too many requests to "
		    "this agent at once; try again");
		return MSG_OK;
	}
	body = json_load_bounded(q.body.p, q.body.n, BODY_DEPTH);
	if (body == NULL)
		http_error(c, 400, "invalid_request_error", NULL,
		    "the body is no JSON, or a number in it is too large");
	else
		handlers[q.route].fn(c, &q, body);
	json_decref(body);
	return MSG_OK;
}

static struct http_call *
call_of(uint64_t corr)
{
	struct http_call	*c;

	LIST_FOREACH(c, &calls, entry)
		if (c->corr == corr)
			return c;
	return NULL;
}

static void
abandon(struct http_call *c)
{
	struct m_tl_cancel	 tl = { 0 };
	struct m_md_cancel	 md = { 0 };

	/* Who asked was the only one who would have read it. */
	if (c->sub != NULL && c->route == HTTP_ROUTE_TOOLS) {
		tl.call_id = str_of(c->sub_id);
		(void)send_tl_cancel(c->sub, &tl, c->sub_corr, 0);
	} else if (c->sub != NULL)
		(void)send_md_cancel(c->sub, &md, c->sub_corr, 0);
	http_call_free(c);
}

enum msg_err
http_message(struct link *l, struct msg *m)
{
	struct m_http_gone	 gone;
	struct m_http_credit	 credit;
	struct http_call	*c = call_of(m->h.corr);
	enum msg_err		 err;

	if (m->h.type == MSG_HTTP_REQ)
		return c != NULL ? MSG_MEANING : on_req(l, m);
	if (m->h.type == MSG_HTTP_GONE) {
		if ((err = get_http_gone(m, &gone)) == MSG_OK && c != NULL)
			abandon(c);
		return err;
	}
	if ((err = get_http_credit(m, &credit)) != MSG_OK || c == NULL)
		return err;
	c->credit += credit.bytes;
	if (c->credit > HTTP_WINDOW)
		return MSG_MEANING;	/* more than was ever taken */
	if (!http_flush(c) && !c->slow && c->held.n > 0)
		http_turn_drained(c);
	return MSG_OK;
}

void
http_router_gone(void)
{
	struct http_call	*c;

	while ((c = LIST_FIRST(&calls)) != NULL)
		abandon(c);
}

void
http_router_drained(void)
{
	struct http_call	*c, *next;

	for (c = LIST_FIRST(&calls); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->out.n > 0 && !http_flush(c) && !c->slow && c->held.n > 0)
			http_turn_drained(c);
	}
}

void
http_sub_gone(struct link *l)
{
	struct http_call	*c;

	while ((c = http_call_waiting(l)) != NULL) {
		c->sub = NULL;
		http_error(c, 503, "unavailable", NULL, "the process that "
		    "worked on this ended; whether it had an effect is not "
		    "known");
	}
}
