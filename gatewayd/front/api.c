/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests that other processes answer.  Store is asked about whoever sends
 * one before a byte of its body is read; the body is held within the limit of
 * its route, must be JSON, and goes to the router whole.  The answer comes in
 * pieces, each granted when the client has taken the ones before: who reads
 * slowly holds up nobody and fills no queue.  A response that is not whole
 * never looks as if it were.
 */

#include "common/compat.h"

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/http_error.h"
#include "common/json_skim.h"
#include "common/log.h"
#include "gatewayd/front/front.h"

#define BODY_MS		30000	/* for each BODY_STEP bytes of a body */
#define BODY_STEP	65536
#define JUDGE_MS	30000
#define STALL_MS	60000	/* a client that takes nothing */
#define BODIES_ALL	(64u << 20)	/* bytes of all bodies being read */
#define API_MAX		1024	/* requests at once */
#define OPEN_MAX	64	/* of those that nobody logs in for */
#define BUCKETS		256

enum api_state {
	API_JUDGED,		/* store was asked */
	API_BODY,
	API_ASKED,		/* the router has it */
	API_SENDING,		/* the answer is whole, or was ended */
};

struct api {
	LIST_ENTRY(api)		 entry;		/* of asked */
	struct conn		*conn;
	const struct route	*route;
	enum api_state		 state;
	struct http_body	 reader;
	struct dbuf		 body;
	size_t			 step;		/* bytes since the deadline */
	size_t			 max;		/* bytes of the body */
	uint64_t		 length;	/* as announced, or 0 */
	bool			 chunked_in, expect, head_only, old, last;
	bool			 whole;		/* all of the body is read */
	bool			 headed, chunked, answered;
	enum http_form		 form;
	uint64_t		 corr;
	uint32_t		 owed;		/* taken, not granted anew */
	size_t			 queued;	/* at the last look */
	char			*agent, *session, *channel, *account, *wish;
	char			*rest;
	char			*secret, *user;	/* while whois is asked */
};

static LIST_HEAD(, api)	asked[BUCKETS];	/* by corr */
static unsigned int	napis;
static size_t		bodies;

static void	 api_error(struct conn *, unsigned int, const char *type,
		    const char *message, const char *extra);
static void	 api_ask(struct conn *);

bool
api_admitted(const struct conn *c)
{
	return c->api != NULL && c->api->state != API_JUDGED;
}

static void
body_clear(struct api *a)
{
	bodies -= a->body.n;
	dbuf_clear(&a->body);
}

static void
secret_clear(struct api *a)
{
	if (a->secret != NULL)
		freezero(a->secret, strlen(a->secret));
	free(a->user);
	a->secret = a->user = NULL;
}

/* Nobody waits for what the router still says about it. */
static void
api_give_up(struct api *a)
{
	struct m_http_gone	 m = { 0 };

	if (a->state == API_ASKED && !a->answered && front_router != NULL)
		(void)send_http_gone(front_router, &m, a->corr, 0);
	if (a->state == API_ASKED)
		LIST_REMOVE(a, entry);
	a->state = API_SENDING;
}

void
api_free(struct conn *c)
{
	struct api	*a = c->api;

	if (a == NULL)
		return;
	api_give_up(a);
	body_clear(a);
	free(a->agent);
	free(a->session);
	free(a->channel);
	free(a->account);
	free(a->wish);
	free(a->rest);
	secret_clear(a);
	free(a);
	c->api = NULL;
	napis--;
}

/* --- what came in with the head ------------------------------------------- */

/* A header's value in *out, "" when there is none; false: it cannot be. */
static bool
take_header(const struct http_head *h, const char *name, size_t max,
    char **out)
{
	struct str	v = str_trim(http_header_get(h, name));

	if (*out != NULL && **out != '\0')
		return true;
	free(*out);
	if (v.p == NULL)
		v = STR_LIT("");
	*out = NULL;
	return v.n <= max && utf8_valid(v.p, v.n) &&
	    (*out = str_dup(v)) != NULL;
}

/* The text behind "Bearer"; empty when there is none, or two. */
static struct str
bearer(const struct http_head *h)
{
	struct str	v = str_trim(http_header_get(h, "Authorization"));

	if (http_header_count(h, "Authorization") != 1 || v.n < 7 ||
	    ascii_ncasecmp(v.p, "Bearer ", 7) != 0)
		return STR_LIT("");
	v.p += 7;
	v.n -= 7;
	v = str_trim(v);
	return v.n <= 4096 && utf8_valid(v.p, v.n) ? v : STR_LIT("");
}

static bool
ask_store(struct conn *c, struct str secret, struct str user)
{
	struct m_http_auth	 m = { 0 };

	if (front_store == NULL || front_router == NULL ||
	    link_full(front_store))
		return false;
	m.conn = c->id;
	m.secret = secret;
	m.remote = str_of(c->from.remote);
	m.local = c->from.local;
	m.user = user;
	m.whois = c->whois;
	return send_http_auth(front_store, &m, link_corr(), 0) == 0;
}

/* Who sends this: is it known, or somebody asked? */
static bool
ask_who(struct conn *c, const struct http_head *h)
{
	struct api	*a = c->api;
	struct str	 user = locality_user(h, c->from.peer,
			    &front_conf.origin);

	if (!whois_ask(c, h))
		return ask_store(c, bearer(h), user);
	a->secret = str_dup(bearer(h));
	a->user = str_dup(user);
	return a->secret != NULL && a->user != NULL;
}

static void
refuse_busy(struct conn *c)
{
	api_error(c, 503, "unavailable", "the gateway is busy or starting; "
	    "try again", "Retry-After: 1\r\n");
}

void
api_whois(struct conn *c)
{
	struct api	*a = c->api;

	if (a->state != API_JUDGED || a->secret == NULL || a->user == NULL)
		return;
	if (!ask_store(c, str_of(a->secret), str_of(a->user)))
		refuse_busy(c);
	secret_clear(a);
}

static struct api *
api_new(struct conn *c, const struct http_ask *ask)
{
	const struct http_head	*h = ask->h;
	struct api		*a;

	if ((a = calloc(1, sizeof(*a))) == NULL) {
		http_refuse(c, 503, "Service Unavailable");
		return NULL;
	}
	c->api = a;
	a->conn = c;
	napis++;
	c->state = CONN_API;
	a->state = API_JUDGED;
	a->route = ask->route;
	a->head_only = ask->head_only;
	a->last = ask->last;
	a->old = h->minor == 0;
	a->length = h->body == HTTP_BODY_LENGTH ? h->length : 0;
	a->chunked_in = h->body == HTTP_BODY_CHUNKED;
	http_body_init(&a->reader, h);
	a->max = front_conf.routes.body_max[a->route->id];
	dbuf_init(&a->body, a->max + 3);
	return a;
}

void
api_request(struct conn *c, const struct http_ask *ask)
{
	const struct http_head	*h = ask->h;
	struct api		*a;
	bool			 good;

	if ((a = api_new(c, ask)) == NULL)
		return;
	a->expect = !a->old && http_header_has(h, "Expect", "100-continue");
	good = take_header(h, "X-OpenClaw-Agent-Id", 128, &a->agent) &&
	    take_header(h, "X-OpenClaw-Agent", 128, &a->agent) &&
	    take_header(h, "X-OpenClaw-Session-Key", 512, &a->session) &&
	    take_header(h, "X-OpenClaw-Message-Channel", 64, &a->channel) &&
	    take_header(h, "X-OpenClaw-Account-Id", 64, &a->account) &&
	    take_header(h, "X-OpenClaw-Model", 256, &a->wish) &&
	    strlen(ask->rest) <= 512 && (a->rest = strdup(ask->rest)) != NULL;
	if (!good)
		api_error(c, 400, "invalid_request_error",
		    "an X-OpenClaw header is too long or no UTF-8", NULL);
	else if (napis > API_MAX || !ask_who(c, h))
		refuse_busy(c);
	else
		conn_timer(c, JUDGE_MS);
}

/* "/main": an agent's id, and nothing else of the path. */
static bool
agent_of_rest(const char *rest)
{
	size_t	i;

	if (*rest++ != '/' || !ascii_isalnum((unsigned char)*rest))
		return false;
	for (i = 0; rest[i] != '\0'; i++)
		if (i == 64 || (!ascii_isalnum((unsigned char)rest[i]) &&
		    rest[i] != '_' && rest[i] != '-'))
			return false;
	return true;
}

/* Is "name=1" a member of the query? */
static bool
query_has(struct str q, const char *member)
{
	const char	*end;
	size_t		 n;

	while (q.n > 0) {
		end = memchr(q.p, '&', q.n);
		n = end != NULL ? (size_t)(end - q.p) : q.n;
		if (str_eqs((struct str){ q.p, n }, member))
			return true;
		n += end != NULL;
		q.p += n;
		q.n -= n;
	}
	return false;
}

void
api_open(struct conn *c, const struct http_ask *ask)
{
	struct api	*a;

	if (!agent_of_rest(ask->rest)) {
		http_respond_text(c, ask, 404, "Not Found");
		return;
	}
	if (napis >= OPEN_MAX) {
		http_respond_text(c, ask, 503, "Service Unavailable");
		return;
	}
	if ((a = api_new(c, ask)) == NULL)
		return;
	a->last = ask->close;
	a->agent = strdup(ask->rest + 1);
	a->wish = strdup(query_has(ask->query, "meta=1") ? "meta" : "");
	a->session = strdup("");
	a->channel = strdup("");
	a->account = strdup("");
	a->rest = strdup("");
	if (a->agent == NULL || a->wish == NULL || a->session == NULL ||
	    a->channel == NULL || a->account == NULL || a->rest == NULL) {
		conn_free(c);
		return;
	}
	a->state = API_BODY;
	api_ask(c);
}

void
api_auth_res(struct conn *c, const struct m_auth_res *v)
{
	struct api	*a = c->api;
	char		 retry[64];

	if (a->state != API_JUDGED)
		return;
	if (v->verdict == VERDICT_UNAVAILABLE) {
		api_error(c, 503, "unavailable", v->message.p, NULL);
		return;
	}
	if (v->verdict != VERDICT_OK) {
		upgrade_log_refused(c, v->message.p);
		(void)snprintf(retry, sizeof(retry), "Retry-After: %u\r\n",
		    v->penalty_s);
		if (v->penalty_s > 0)
			api_error(c, 429, "rate_limit_error", "too many failed "
			    "authentication attempts; try again later", retry);
		else
			api_error(c, 401, "unauthorized", "Unauthorized",
			    "WWW-Authenticate: Bearer\r\n");
		return;
	}
	a->state = API_BODY;
	if (a->length > a->max) {
		api_error(c, 400, "invalid_request_error", "payload too large",
		    NULL);
		return;
	}
	if (a->length == 0 && !a->chunked_in) {
		api_ask(c);
		return;
	}
	if (a->expect) {
		evbuffer_add_printf(stream_out(c->s),
		    "HTTP/1.1 100 Continue\r\n\r\n");
		stream_flush(c->s);
	}
	conn_timer(c, BODY_MS);
	/* What came with the head. */
	stream_pause(c->s);
	stream_resume(c->s);
}

/* --- the body ---------------------------------------------------------------- */

void
api_read(struct conn *c, struct evbuffer *in)
{
	enum http_body_result	 r = HTTP_BODY_MORE;
	struct api		*a = c->api;
	struct str		 data;
	size_t			 n, used;
	char			*p;

	/* Before and behind the body it waits in the stream, which reads no
	 * more than its mark. */
	while (a->state == API_BODY && r == HTTP_BODY_MORE &&
	    (n = evbuffer_get_length(in)) > 0) {
		if ((p = (char *)evbuffer_pullup(in, -1)) == NULL) {
			conn_free(c);
			return;
		}
		r = http_body_feed(&a->reader, p, n, &used, &data);
		if (r != HTTP_BODY_BAD && data.n > 0) {
			if (data.n > a->max - a->body.n) {
				api_error(c, 400, "invalid_request_error",
				    "payload too large", NULL);
				return;
			}
			if (data.n > BODIES_ALL - bodies ||
			    dbuf_put(&a->body, data.p, data.n) == -1) {
				api_error(c, 503, "unavailable", "the gateway "
				    "is busy; try again",
				    "Retry-After: 1\r\n");
				return;
			}
			bodies += data.n;
			a->step += data.n;
		}
		evbuffer_drain(in, used);
		if (a->step >= BODY_STEP) {
			a->step = 0;
			conn_timer(c, BODY_MS);
		}
	}
	if (r == HTTP_BODY_BAD)
		api_error(c, 400, "invalid_request_error",
		    "the body's chunks are malformed", NULL);
	else if (r == HTTP_BODY_DONE)
		api_ask(c);
}

/* A member of the body as text: false when it is longer than size. */
static bool
body_text(const struct skim_val *root, const char *name, char *buf,
    size_t size)
{
	struct skim_val	v;

	buf[0] = '\0';
	if (root->kind != SKIM_OBJECT || !skim_get(root, name, &v) ||
	    v.kind != SKIM_STRING)
		return true;
	if (skim_unescape(&v, buf, size) != -1)
		return true;
	buf[0] = '\0';
	return false;
}

/* The body is whole. */
static void
api_ask(struct conn *c)
{
	struct api		*a = c->api;
	struct m_http_req	 m = { 0 };
	struct skim_frame	 f;
	enum skim_err		 err;
	char			 model[257], user[401], key[513], text[128];

	a->whole = true;
	if (str_trim((struct str){ dbuf_str(&a->body), a->body.n }).n == 0) {
		body_clear(a);
		dbuf_puts(&a->body, "{}");
		bodies += a->body.n;
	}
	if (dbuf_err(&a->body)) {
		api_error(c, 503, "unavailable", "out of memory; try again",
		    NULL);
		return;
	}
	if ((err = skim_frame(a->body.p, a->body.n, &f)) != SKIM_OK) {
		(void)snprintf(text, sizeof(text), "the body is no JSON: %s",
		    skim_err_name(err));
		api_error(c, 400, "invalid_request_error", text, NULL);
		return;
	}
	if (f.odd)
		skim_repair(a->body.p, a->body.n);
	/* A model that no agent can have names none. */
	(void)body_text(&f.root, "model", model, sizeof(model));
	if (!body_text(&f.root, "user", user, sizeof(user)) ||
	    !body_text(&f.root, "sessionKey", key, sizeof(key))) {
		api_error(c, 400, "invalid_request_error", "user or sessionKey "
		    "is too long", NULL);
		return;
	}
	if (front_router == NULL || link_full(front_router)) {
		refuse_busy(c);
		return;
	}
	m.route = (uint8_t)a->route->id;
	m.agent = str_of(a->agent);
	m.session_key = str_of(a->session[0] != '\0' ? a->session : key);
	m.model = str_of(model);
	m.user = str_trim(str_of(user));
	m.channel = str_of(a->channel);
	m.account = str_of(a->account);
	m.wish = str_of(a->wish);
	m.rest = str_of(a->rest);
	m.body = (struct str){ a->body.p, a->body.n };
	a->corr = link_corr();
	if (send_http_req(front_router, &m, a->corr, 0) == -1) {
		log_warn("front: a request cannot be handed on");
		api_error(c, 503, "unavailable", "the gateway is busy; try "
		    "again", "Retry-After: 1\r\n");
		return;
	}
	body_clear(a);
	a->state = API_ASKED;
	LIST_INSERT_HEAD(&asked[a->corr % BUCKETS], a, entry);
	event_del(c->timer);	/* who answers has its own limits */
}

/* --- the answer ------------------------------------------------------------ */

/* All of it is queued; api_drained() goes on. */
static void
api_end(struct conn *c)
{
	struct api	*a = c->api;

	api_give_up(a);
	body_clear(a);
	a->queued = stream_queued(c->s);
	conn_timer(c, STALL_MS);
	stream_flush(c->s);
}

static void
api_error(struct conn *c, unsigned int status, const char *type,
    const char *message, const char *extra)
{
	struct api	*a = c->api;
	struct response	 r = { .status = status, .extra = extra };
	struct dbuf	 b;

	/* What of the body was not read is thrown away with the rest. */
	a->last = a->last || !a->whole;
	r.close = a->last;
	dbuf_init(&b, HTTP_ERROR_BYTES);
	http_error_puts(&b, type, message);
	http_begin(c, &r);
	evbuffer_add_printf(stream_out(c->s), "Content-Type: application/json; "
	    "charset=utf-8\r\nContent-Length: %zu\r\n\r\n", b.n);
	if (!a->head_only)
		evbuffer_add(stream_out(c->s), dbuf_str(&b), b.n);
	dbuf_clear(&b);
	a->headed = true;
	api_end(c);
}

static void
put_data(struct conn *c, const void *p, size_t n)
{
	struct evbuffer	*out = stream_out(c->s);

	if (n == 0 || c->api->head_only)
		return;
	if (c->api->chunked)
		evbuffer_add_printf(out, "%zx\r\n", n);
	evbuffer_add(out, p, n);
	if (c->api->chunked)
		evbuffer_add(out, "\r\n", 2);
}

static void
put_head(struct conn *c, const struct m_http_res *v)
{
	/* A picture may be a document with scripts of its own. */
	static const char	 csp[] = "default-src 'none'; style-src "
				    "'unsafe-inline'; sandbox";
	static const char *const types[HTTP_FORM_MAX] = {
		"application/json; charset=utf-8",
		"text/event-stream; charset=utf-8",
		"text/plain; charset=utf-8", "image/png", "image/jpeg",
		"image/gif", "image/webp", "image/svg+xml" };
	struct api	*a = c->api;
	struct response	 r = { .status = v->status };
	struct evbuffer	*out = stream_out(c->s);

	a->headed = true;
	a->form = (enum http_form)v->form;
	if (v->end == HTTP_MORE) {
		a->chunked = !a->old;
		a->last = a->last || a->old;
	}
	r.close = a->last;
	if (a->form == HTTP_SSE || a->form >= HTTP_PNG)
		r.cache = "no-cache";
	if (a->form >= HTTP_PNG)
		r.csp = csp;
	http_begin(c, &r);
	evbuffer_add_printf(out, "Content-Type: %s\r\n", types[a->form]);
	if (!r.close && a->form == HTTP_SSE)
		evbuffer_add_printf(out, "Connection: keep-alive\r\n");
	if (a->chunked)
		evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
	else if (v->end != HTTP_MORE)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", v->data.n);
	evbuffer_add(out, "\r\n", 2);
}

/* The response ends here although it is not whole. */
static void
api_break(struct conn *c, const char *message)
{
	struct api	*a = c->api;
	struct dbuf	 b;

	if (!a->headed) {
		api_error(c, 503, "unavailable", message, NULL);
		return;
	}
	if (a->form == HTTP_SSE) {
		/* The form that clients of both interfaces raise for. */
		dbuf_init(&b, HTTP_ERROR_BYTES);
		http_error_puts(&b, "api_error", message);
		dbuf_puts(&b, "\n\n");
		put_data(c, "data: ", 6);
		put_data(c, dbuf_str(&b), b.n);
		dbuf_clear(&b);
	}
	/* Without the last chunk, so that nobody takes it for an end. */
	a->last = true;
	api_end(c);
}

enum msg_err
api_res(struct msg *m)
{
	struct m_http_res	 v;
	struct conn		*c;
	struct api		*a;
	enum msg_err		 err;
	char			 why[512];

	if ((err = get_http_res(m, &v)) != MSG_OK)
		return err;
	LIST_FOREACH(a, &asked[m->h.corr % BUCKETS], entry)
		if (a->corr == m->h.corr)
			break;
	if (a == NULL)
		return MSG_OK;		/* gone meanwhile */
	c = a->conn;
	if (v.end == HTTP_CUT) {
		a->answered = true;
		(void)snprintf(why, sizeof(why), "%.*s", (int)utf8_cut(
		    v.data.p, v.data.n, sizeof(why) - 1), v.data.p);
		api_break(c, why);
		return MSG_OK;
	}
	if ((a->headed ? v.status != 0 : v.status < 200) ||
	    v.form >= HTTP_FORM_MAX)
		return MSG_MEANING;
	if (!a->headed)
		put_head(c, &v);
	put_data(c, v.data.p, v.data.n);
	if (v.end == HTTP_DONE) {
		if (a->chunked && !a->head_only)
			evbuffer_add_printf(stream_out(c->s), "0\r\n\r\n");
		a->answered = true;
		api_end(c);
		return MSG_OK;
	}
	a->owed += (uint32_t)v.data.n;
	a->queued = stream_queued(c->s);
	conn_timer(c, STALL_MS);
	stream_flush(c->s);
	return MSG_OK;
}

/* The client has taken all that was said. */
void
api_drained(struct conn *c)
{
	struct m_http_credit	 m = { 0 };
	struct api		*a = c->api;
	bool			 last = a->last;

	switch (a->state) {
	case API_JUDGED:
	case API_BODY:
		break;		/* it was told to continue */
	case API_ASKED:
		event_del(c->timer);
		if (a->owed > 0 && front_router != NULL) {
			m.bytes = a->owed;
			a->owed = 0;
			(void)send_http_credit(front_router, &m, a->corr, 0);
		}
		break;
	case API_SENDING:
		api_free(c);
		if (last)
			conn_linger(c);
		else
			http_next(c);
		break;
	}
}

void
api_timeout(struct conn *c)
{
	struct api	*a = c->api;
	size_t		 n;

	switch (a->state) {
	case API_JUDGED:
		api_error(c, 503, "unavailable", "the gateway is busy; try "
		    "again", NULL);
		break;
	case API_BODY:
		api_error(c, 408, "invalid_request_error", "the body came too "
		    "slowly", NULL);
		break;
	case API_ASKED:
	case API_SENDING:
		n = stream_queued(c->s);
		if (n >= a->queued) {
			conn_free(c);
			return;
		}
		a->queued = n;
		conn_timer(c, STALL_MS);
		break;
	}
}

void
api_lost(struct conn *c)
{
	/* The router goes on without store, and store without the router. */
	if (c->state == CONN_API && (c->api->state == API_JUDGED ||
	    (c->api->state == API_ASKED && front_router == NULL)))
		api_stop(c);
}

void
api_stop(struct conn *c)
{
	if (c->api->state != API_SENDING)
		api_break(c, c->api->state == API_ASKED ? "the gateway lost "
		    "the process that answers; whether the request had an "
		    "effect is not known" : "the gateway is stopping");
}
