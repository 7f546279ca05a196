/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests for canvas pages and for the A2UI page.  The files are read by
 * gatewayd-canvas, piece by piece and as fast as the client takes them; what
 * comes from there is bytes and numbers, never text of a header.
 *
 * An agent writes these pages.  On the port of the gateway they would share an
 * origin with the web chat and what it keeps in the browser, so there each
 * page is sandboxed into an origin of its own; on the canvas's own port there
 * is nothing else to be had.
 */
#include "common/compat.h"

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/http_range.h"
#include "common/log.h"
#include "gatewayd/canvas/mime.h"
#include "gatewayd/front/canvas.h"

#define PIECE		61440	/* CV_GET.limit */
#define QUEUE_MAX	131072	/* read ahead of a client */
#define ANSWER_MS	30000	/* until there is a first answer */
#define STALL_MS	30000	/* for a client that takes nothing */
#define IDLE_MS		30000	/* that nobody looks at a page */
#define LOCATION_MAX	2048

/* Scripts and styles in the page itself are what such pages are made of; what
 * is not of this host they cannot reach, so nothing can be carried out. */
#define POLICY_PAGE	"default-src 'self' 'unsafe-inline' 'unsafe-eval' " \
	"data: blob:; connect-src 'self' data: blob:; object-src 'none'; " \
	"base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
#define POLICY_A2UI	"default-src 'none'; script-src 'self'; " \
	"style-src 'self'; img-src 'self' data:; media-src 'self' data:; " \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; " \
	"frame-ancestors 'self'"
#define SANDBOX		"; sandbox allow-scripts allow-forms allow-modals " \
	"allow-popups allow-downloads allow-pointer-lock"

static const struct {
	const char	*csp[CV_TREE_MAX];
	const char	*corp;
} policies[2] = {
	/* A page without an origin is foreign to its own pictures. */
	{ { POLICY_PAGE SANDBOX, POLICY_A2UI SANDBOX }, "cross-origin" },
	{ { POLICY_PAGE, POLICY_A2UI }, "same-origin" },
};

struct canvas_req {
	TAILQ_ENTRY(canvas_req)	 entry;
	struct conn		*c;
	struct link		*link;		/* who was asked; NULL not yet */
	uint64_t		 corr;
	enum cv_tree		 tree;
	bool			 head_only, close;
	bool			 begun;		/* the head is out */
	bool			 again;		/* was asked before */
	bool			 full;		/* waits for the client */
	uint64_t		 offset, left, tag;
	char			*path, *target;
	char			*range, *if_range, *none_match, *since;
};

static TAILQ_HEAD(, canvas_req) reqs = TAILQ_HEAD_INITIALIZER(reqs);
static struct link	*canvas;
static struct event	*idle;

static void	 body_more(struct canvas_req *);

/* --- its life -------------------------------------------------------------- */

static void
want(bool on)
{
	struct m_proc_want	 m = { ROLE_CANVAS, on };

	if (send_proc_want(worker_ctl(), &m, 0, 0) == -1)
		log_warn("front: canvas: the supervisor cannot be asked");
}

void
canvas_wanted(void)
{
	/* Asked once more, one that is there stays there. */
	if (canvas == NULL)
		want(true);
	if (idle != NULL)
		evtimer_del(idle);
}

static void
idle_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (canvas == NULL || !TAILQ_EMPTY(&reqs) || live_count() > 0)
		return;
	/* What comes from here on is for the next one. */
	canvas = NULL;
	want(false);
}

void
canvas_rest(void)
{
	struct timeval	 tv = { IDLE_MS / 1000, 0 };

	if (canvas == NULL || !TAILQ_EMPTY(&reqs) || live_count() > 0)
		return;
	if (idle == NULL && (idle = evtimer_new(worker_base(), idle_cb,
	    NULL)) == NULL)
		return;
	evtimer_add(idle, &tv);
}

static void
req_free(struct canvas_req *r)
{
	TAILQ_REMOVE(&reqs, r, entry);
	r->c->canvas = NULL;
	free(r->path);
	free(r->target);
	free(r->range);
	free(r->if_range);
	free(r->none_match);
	free(r->since);
	free(r);
	canvas_rest();
}

void
canvas_forget(struct conn *c)
{
	if (c->canvas != NULL)
		req_free(c->canvas);
}

/* --- answers --------------------------------------------------------------- */

static void
policy(const struct conn *c, enum cv_tree tree, struct response *res)
{
	res->csp = policies[c->canvas_port].csp[tree];
	res->corp = policies[c->canvas_port].corp;
	res->framed = true;
	res->cache = "no-store";
}

/* A whole answer. */
static void
answer(struct canvas_req *r, struct response *res)
{
	struct conn	*c = r->c;

	policy(c, r->tree, res);
	res->head_only = r->head_only;
	res->close = r->close;
	req_free(r);
	http_respond(c, res);
	if (c->state == CONN_FETCHING)
		http_next(c);
}

static void
answer_text(struct canvas_req *r, unsigned int status, const char *text)
{
	struct response	 res = { .status = status, .body = text,
	    .n = strlen(text), .type = "text/plain; charset=utf-8" };

	answer(r, &res);
}

static void
answer_none(struct canvas_req *r, enum cv_status status)
{
	static const char	 page[] = "<!doctype html><meta charset=utf-8>"
	    "<title>Canvas</title><p>There is no index.html in this folder.";
	struct response		 res = { .status = 404, .body = page,
	    .n = sizeof(page) - 1, .type = "text/html; charset=utf-8" };
	char			 where[LOCATION_MAX + 32];
	size_t			 n;

	if (status == CV_FOLDER) {
		/* The target has its normal form, so this is our own host. */
		n = strcspn(r->target, "?");
		(void)snprintf(where, sizeof(where), "Location: %.*s/%s\r\n",
		    (int)n, r->target, r->target + n);
		res = (struct response){ .status = 302, .body = "",
		    .type = "text/plain; charset=utf-8", .extra = where };
		answer(r, &res);
	} else if (status == CV_NO_TREE && r->tree == CV_A2UI)
		answer_text(r, 503, "A2UI assets not found");
	else if (status == CV_NO_INDEX || status == CV_NO_TREE)
		answer(r, &res);
	else
		answer_text(r, 404, "not found");
}

/* The head, and as much of the body as has come with it. */
static void
answer_file(struct canvas_req *r, const struct m_cv_res *v)
{
	struct response	 res = { .status = 200 };
	struct str	 none;
	const char	*type = mime_type(v->type);
	char		 etag[24], date[HTTP_DATE_MAX], extra[256];
	uint64_t	 first = 0, last = 0, mtime = v->mtime_ms / 1000;

	(void)snprintf(etag, sizeof(etag), "\"%016llx\"",
	    (unsigned long long)v->tag);
	http_date_text(mtime, date);
	res.type = type != NULL ? type : mime_type(0);
	res.etag = etag;
	r->tag = v->tag;
	r->left = v->size;
	(void)snprintf(extra, sizeof(extra), "Accept-Ranges: bytes\r\n"
	    "Last-Modified: %s\r\n", date);
	none = str_of(r->none_match);
	if (none.n > 0 ? http_etag_listed(none, etag) :
	    http_not_modified_since(str_of(r->since), mtime)) {
		res.status = 304;
		answer(r, &res);
		return;
	}
	if (r->range != NULL && http_if_range(str_of(r->if_range), etag,
	    mtime))
		switch (http_range_parse(str_of(r->range), v->size, &first,
		    &last)) {
		case HTTP_RANGE_WHOLE:
			break;
		case HTTP_RANGE_PART:
			res.status = 206;
			r->offset = first;
			r->left = last - first + 1;
			(void)snprintf(extra, sizeof(extra),
			    "Accept-Ranges: bytes\r\nLast-Modified: %s\r\n"
			    "Content-Range: bytes %llu-%llu/%llu\r\n", date,
			    (unsigned long long)first,
			    (unsigned long long)last,
			    (unsigned long long)v->size);
			break;
		case HTTP_RANGE_BEYOND:
			(void)snprintf(extra, sizeof(extra), "Content-Range: "
			    "bytes */%llu\r\n", (unsigned long long)v->size);
			res = (struct response){ .status = 416, .body =
			    "range not satisfiable", .n = 21, .type =
			    "text/plain; charset=utf-8", .extra = extra };
			answer(r, &res);
			return;
		}
	res.extra = extra;
	res.n = r->left;
	if (r->head_only || r->left == 0) {
		answer(r, &res);
		return;
	}
	policy(r->c, r->tree, &res);
	res.close = r->close;
	r->begun = true;
	http_begin(r->c, &res);
	evbuffer_add_printf(stream_out(r->c->s), "Content-Type: %s\r\n"
	    "Content-Length: %llu\r\n\r\n", res.type,
	    (unsigned long long)res.n);
}

/* --- asking ---------------------------------------------------------------- */

/* False when it cannot be sent; then it is up to the deadline. */
static bool
ask(struct canvas_req *r)
{
	struct m_cv_get	 q = { 0 };

	if (canvas == NULL)
		return false;
	q.tree = (uint8_t)r->tree;
	q.path = str_of(r->path);
	q.offset = r->offset;
	/* How long it is must be known before a part of it can be asked for,
	 * and a head needs no more. */
	if (r->begun)
		q.limit = r->left < PIECE ? (uint32_t)r->left : PIECE;
	else
		q.limit = r->head_only || r->range != NULL ? 0 : PIECE;
	r->link = canvas;
	r->corr = link_corr();
	return send_cv_get(canvas, &q, r->corr, 0) == 0;
}

static void
body_more(struct canvas_req *r)
{
	struct conn	*c = r->c;
	bool		 close;

	if (r->left == 0) {
		close = r->close;
		req_free(r);
		if (close)
			conn_linger(c);
		else
			http_next(c);
		return;
	}
	if (stream_queued(c->s) > QUEUE_MAX) {
		r->full = true;
		return;
	}
	r->full = false;
	if (!ask(r))
		conn_free(c);
}

void
canvas_drained(struct conn *c)
{
	if (c->canvas == NULL || !c->canvas->full)
		return;
	conn_timer(c, STALL_MS);
	body_more(c->canvas);
}

static void
on_res(struct canvas_req *r, const struct m_cv_res *v)
{
	struct conn	*c = r->c;

	if (!r->begun) {
		if (v->status != CV_OK) {
			answer_none(r, (enum cv_status)v->status);
			return;
		}
		answer_file(r, v);
		/* What was asked for from its start came with the answer. */
		if (c->canvas != r || c->state != CONN_FETCHING)
			return;
	} else if (v->status != CV_OK || v->tag != r->tag ||
	    v->data.n == 0) {
		/* Another file by now.  The length has been told, so a short
		 * answer is the one way to say that it is not whole. */
		conn_free(c);
		return;
	}
	if (v->data.n > r->left) {
		conn_free(c);
		return;
	}
	evbuffer_add(stream_out(c->s), v->data.p, v->data.n);
	r->left -= v->data.n;
	r->offset += v->data.n;
	conn_timer(c, STALL_MS);
	stream_flush(c->s);
	body_more(r);
}

enum msg_err
canvas_message(struct link *l, struct msg *m)
{
	struct canvas_req	*r;
	struct m_cv_changed	 ch;
	struct m_cv_res		 v;
	enum msg_err		 err;

	if (m->h.type == MSG_CV_CHANGED) {
		if ((err = get_cv_changed(m, &ch)) != MSG_OK)
			return err;
		if (ch.moved && l == canvas) {
			/* Stopped and started it sees the folder that is in
			 * that place now. */
			canvas = NULL;
			want(false);
			want(true);
		}
		live_reload();
		return MSG_OK;
	}
	if ((err = get_cv_res(m, &v)) != MSG_OK)
		return err;
	if (v.status >= CV_STATUS_MAX)
		return MSG_MEANING;
	TAILQ_FOREACH(r, &reqs, entry)
		if (r->link == l && r->corr == m->h.corr)
			break;
	/* Gone meanwhile is no fault of the one who answers. */
	if (r != NULL)
		on_res(r, &v);
	return MSG_OK;
}

void
canvas_peer(struct link *l)
{
	struct canvas_req	*r, *next;

	canvas = l;
	for (r = TAILQ_FIRST(&reqs); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->link == NULL && !ask(r))
			answer_text(r, 503, "canvas is not available");
	}
	canvas_rest();
}

void
canvas_peer_gone(struct link *l)
{
	struct canvas_req	*r, *next;
	bool			 waiting = live_count() > 0;

	/* The next one may have come before this end was seen. */
	if (canvas == l)
		canvas = NULL;
	for (r = TAILQ_FIRST(&reqs); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->link != l) {
			waiting = waiting || r->link == NULL;
		} else if (r->begun) {
			conn_free(r->c);
		} else if (r->again) {
			/* It may be this request that it ends of. */
			answer_text(r, 503, "canvas is not available");
		} else {
			r->again = true;
			r->link = NULL;
			waiting = true;
			if (canvas != NULL && !ask(r))
				answer_text(r, 503, "canvas is not available");
		}
	}
	if (waiting && canvas == NULL)
		want(true);
}

void
canvas_late(struct conn *c)
{
	if (c->canvas == NULL || c->canvas->begun) {
		conn_free(c);
		return;
	}
	c->canvas->close = true;
	answer_text(c->canvas, 503, "canvas is not available");
}

/* --- requests --------------------------------------------------------------- */

/* NULL when there is none; a value that is too long is one we do not know. */
static char *
header_keep(const struct http_head *h, const char *name)
{
	struct str	 v = http_header_get(h, name);

	return v.p == NULL || v.n == 0 || v.n > 1024 ||
	    http_header_count(h, name) > 1 ? NULL : str_dup(v);
}

static bool
begin(struct conn *c, const struct http_head *h, enum cv_tree tree,
    const char *path, bool close)
{
	struct canvas_req	*r;

	if (h->target.n > LOCATION_MAX ||
	    (r = calloc(1, sizeof(*r))) == NULL)
		return false;
	r->c = c;
	c->canvas = r;
	TAILQ_INSERT_TAIL(&reqs, r, entry);
	r->tree = tree;
	r->close = close;
	r->head_only = str_eqs(h->method, "HEAD");
	r->path = strdup(path);
	r->target = str_dup(h->target);
	if (!r->head_only) {
		r->range = header_keep(h, "Range");
		r->if_range = header_keep(h, "If-Range");
	}
	r->none_match = header_keep(h, "If-None-Match");
	r->since = header_keep(h, "If-Modified-Since");
	if (r->path == NULL || r->target == NULL) {
		req_free(r);
		return false;
	}
	c->state = CONN_FETCHING;
	conn_timer(c, ANSWER_MS);
	canvas_wanted();
	if (canvas != NULL && !ask(r))
		answer_text(r, 503, "canvas is not available");
	return true;
}

/* A path that lacks the slash at its end: what the page names is below it. */
static void
redirect(struct conn *c, const struct http_ask *a, const char *to)
{
	char		 where[LOCATION_MAX];
	struct response	 res = { .status = 302, .body = "", .extra = where,
	    .type = "text/plain; charset=utf-8", .head_only = a->head_only,
	    .close = a->close };

	if ((size_t)snprintf(where, sizeof(where), "Location: %s%s%.*s\r\n",
	    to, a->query.p != NULL ? "?" : "", (int)a->query.n,
	    a->query.p != NULL ? a->query.p : "") >= sizeof(where))
		http_respond_text(c, a, 404, "not found");
	else
		http_respond(c, &res);
}

static void
serve(struct conn *c, const struct http_ask *a, enum cv_tree tree)
{
	char	 to[64];

	if (*a->rest == '\0') {
		(void)snprintf(to, sizeof(to), "%s/", a->route->path);
		redirect(c, a, to);
	} else if (!begin(c, a->h, tree, a->rest + 1, a->close))
		http_respond_text(c, a, 503, "canvas is not available");
}

void
front_serve_canvas(struct conn *c, const struct http_ask *a)
{
	serve(c, a, CV_CANVAS);
}

void
front_serve_a2ui(struct conn *c, const struct http_ask *a)
{
	serve(c, a, CV_A2UI);
}

void
front_serve_live(struct conn *c, const struct http_ask *a)
{
	struct response	 res = { .status = 426, .body = "upgrade required",
	    .n = 16, .type = "text/plain; charset=utf-8", .extra =
	    "Upgrade: websocket\r\n", .head_only = a->head_only,
	    .close = a->close };

	if (front_conf.canvas_live)
		http_respond(c, &res);
	else
		http_respond_text(c, a, 404, "not found");
}

bool
canvas_has(const struct http_ask *a)
{
	return a->route != NULL && (a->route->id == HTTP_ROUTE_CANVAS ||
	    a->route->id == HTTP_ROUTE_A2UI ||
	    a->route->id == HTTP_ROUTE_LIVE);
}

void
canvas_other(struct conn *c, const struct http_ask *a)
{
	struct http_ask	 plain = *a;

	plain.query = (struct str){ NULL, 0 };
	if (!host_allowed(a->h, c->from.peer, &front_conf.origin))
		http_respond_text(c, a, 403, "host not allowed");
	else if (strcmp(a->path, "/") == 0)
		redirect(c, &plain, "/__openclaw__/canvas/");
	else
		http_respond_text(c, a, 404, "Not Found");
}
