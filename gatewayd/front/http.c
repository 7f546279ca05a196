/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests that are no WebSocket: the page, and whether we live.  A path is
 * brought to its one normal form first and then looked up in tables (T09);
 * nothing here opens a file.
 */

#include "common/compat.h"

#include <event2/buffer.h>

#include "gatewayd/front/assets.h"
#include "gatewayd/front/canvas.h"
#include "gatewayd/front/foreign.h"
#include "gatewayd/front/front.h"
#include "gatewayd/front/penalty.h"

#define REQUESTS_MAX	100	/* on one connection */
#define KEEP_MS		15000	/* between them */
#define PATH_MAX_BYTES	1024

/* Nothing from elsewhere, nothing inline, in no frame. */
#define CSP	"default-src 'none'; script-src 'self'; style-src 'self'; " \
	"img-src 'self' data:; font-src 'self'; connect-src 'self'; " \
	"manifest-src 'self'; base-uri 'none'; form-action 'none'; " \
	"frame-ancestors 'none'"

const char *
http_status_text(unsigned int status)
{
	static const struct { unsigned int status; const char *text; } t[] = {
		{ 200, "OK" }, { 206, "Partial Content" },
		{ 302, "Found" }, { 304, "Not Modified" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" }, { 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};
	size_t	i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (t[i].status == status)
			return t[i].text;
	return "Error";
}

static void
date_text(char *buf, size_t size)
{
	struct tm	tm;
	time_t		now = time(NULL);

	if (gmtime_r(&now, &tm) == NULL || strftime(buf, size,
	    "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
		buf[0] = '\0';
}

void
http_begin(struct conn *c, const struct response *r)
{
	char	 date[64];

	date_text(date, sizeof(date));
	evbuffer_add_printf(stream_out(c->s), "HTTP/1.1 %u %s\r\n"
	    "Date: %s\r\nContent-Security-Policy: %s\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "X-Frame-Options: %s\r\n"
	    "Referrer-Policy: no-referrer\r\n"
	    "%sCross-Origin-Resource-Policy: %s\r\n"
	    "Cache-Control: %s\r\n%s%s%s%s%s", r->status,
	    http_status_text(r->status), date, r->csp != NULL ? r->csp : CSP,
	    r->framed ? "SAMEORIGIN" : "DENY", r->corp != NULL ? "" :
	    "Cross-Origin-Opener-Policy: same-origin\r\n",
	    r->corp != NULL ? r->corp : "same-origin", r->cache != NULL ? r->cache :
	    r->etag != NULL ? "no-cache" : "no-store",
	    r->etag != NULL ? "ETag: " : "",
	    r->etag != NULL ? r->etag : "", r->etag != NULL ? "\r\n" : "",
	    r->extra != NULL ? r->extra : "",
	    r->close ? "Connection: close\r\n" : "");
}

void
http_respond(struct conn *c, const struct response *r)
{
	struct evbuffer	*out = stream_out(c->s);

	http_begin(c, r);
	if (r->status != 304)
		evbuffer_add_printf(out, "Content-Type: %s\r\n"
		    "Content-Length: %zu\r\n", r->type, r->n);
	evbuffer_add(out, "\r\n", 2);
	if (!r->head_only && r->status != 304 && r->n > 0) {
		if (r->lent)
			evbuffer_add_reference(out, r->body, r->n, NULL, NULL);
		else
			evbuffer_add(out, r->body, r->n);
	}
	if (r->close) {
		conn_linger(c);
		return;
	}
	conn_timer(c, KEEP_MS);
	stream_flush(c->s);
}

/* What came with the last request is looked at in a turn of its own. */
static void
offer_again(struct conn *c)
{
	if (evbuffer_get_length(stream_in(c->s)) > 0) {
		stream_pause(c->s);
		stream_resume(c->s);
	}
}

void
http_next(struct conn *c)
{
	c->state = CONN_HEAD;
	conn_timer(c, KEEP_MS);
	offer_again(c);
}

static void
respond_text(struct conn *c, unsigned int status, const char *text,
    const char *extra, bool head_only, bool close)
{
	struct response	r = { .status = status, .body = text,
	    .n = strlen(text), .type = "text/plain; charset=utf-8",
	    .extra = extra, .head_only = head_only, .close = close };

	http_respond(c, &r);
}

void
http_respond_text(struct conn *c, const struct http_ask *a,
    unsigned int status, const char *text)
{
	respond_text(c, status, text, NULL, a->head_only, a->close);
}

void
http_refuse(struct conn *c, unsigned int status, const char *text)
{
	respond_text(c, status, text, status == 426 ?
	    "Sec-WebSocket-Version: 13\r\n" : NULL, false, true);
}

size_t
http_busy(char *buf, size_t size, uint32_t retry_s)
{
	int	n;

	n = snprintf(buf, size, "HTTP/1.1 429 Too Many Requests\r\n"
	    "Retry-After: %u\r\nContent-Length: 0\r\nConnection: close\r\n"
	    "\r\n", retry_s);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* The name below the page's folder, NULL when path is elsewhere. */
static const char *
below_base(const char *path)
{
	size_t	n = strlen(front_conf.base_path);

	if (strncmp(path, front_conf.base_path, n) != 0 || path[n] != '/')
		return NULL;
	return path + n + 1;
}

static void
serve_asset(struct conn *c, const struct http_head *h, const struct asset *a,
    bool head_only, bool close)
{
	struct response	r = { .status = 200, .type = a->type, .body = a->data,
	    .n = a->n, .lent = true, .etag = a->etag, .head_only = head_only,
	    .close = close };

	if (front_foreign.csp != NULL && a == asset_find("")) {
		/* A reload replaces it. */
		r.lent = false;
		r.body = front_foreign.html;
		r.n = front_foreign.n;
		r.etag = front_foreign.etag;
		r.csp = front_foreign.csp;
	}
	if (http_header_has(h, "If-None-Match", r.etag))
		r.status = 304;
	http_respond(c, &r);
}

static void
serve_probe(struct conn *c, const struct http_ask *a, bool good,
    const char *body)
{
	/* Nothing about versions or state: nobody has said who asks. */
	struct response	r = { .status = good ? 200 : 503, .body = body,
	    .n = strlen(body), .type = "application/json; charset=utf-8",
	    .head_only = a->head_only, .close = a->close };

	http_respond(c, &r);
}

void
front_serve_health(struct conn *c, const struct http_ask *a)
{
	serve_probe(c, a, true, "{\"ok\":true,\"status\":\"live\"}");
}

void
front_serve_ready(struct conn *c, const struct http_ask *a)
{
	bool	 ready = front_router != NULL && front_store != NULL &&
		    front_ready;

	serve_probe(c, a, ready, ready ? "{\"ready\":true}" :
	    "{\"ready\":false}");
}

/* A row of routes.def. */
static void
serve_route(struct conn *c, const struct http_ask *a, unsigned int method)
{
	const struct route	*r = a->route;

	if ((method & r->methods) == 0)
		respond_text(c, 405, "Method Not Allowed", r->methods ==
		    ROUTE_POST ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n",
		    false, a->close);
	else if (r->door != ROUTE_OPEN && !host_allowed(a->h, c->from.peer,
	    &front_conf.origin))
		respond_text(c, 403, "host not allowed", NULL, a->head_only,
		    a->close);
	else if (r->owner == ROUTE_FRONT)
		r->serve(c, a);
	else if (r->door != ROUTE_SECRET)
		api_open(c, a);
	else if (!origin_allowed(a->h, &front_conf.origin)) {
		upgrade_log_refused(c, "origin not allowed");
		respond_text(c, 403, "origin not allowed", NULL, a->head_only,
		    a->close);
	} else
		api_request(c, a);
}

/*
 * The page behind its base path.  Its router makes paths of its own, which end
 * here when somebody loads one anew: what is no file of it is its index; and
 * below such a path its files are named as if they lay there.
 */
static const struct asset *
page_asset(const char *name)
{
	const struct asset	*a = asset_find(name);
	const char		*p;

	if (a == NULL && (p = strstr(name, "/assets/")) != NULL)
		a = asset_find(p + 1);
	if (a == NULL && (p = strrchr(name, '/')) != NULL && p[1] != '\0')
		a = asset_find(p + 1);
	return a != NULL ? a : asset_find("");
}

/* What programs ask for and is not there is not there: a page of HTML would
 * only be taken for the answer. */
static bool
is_for_programs(const char *path)
{
	static const char *const below[] = { "/v1", "/tools", "/hooks",
	    "/__openclaw__" };
	size_t	i, n;

	for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		n = strlen(below[i]);
		if (ascii_ncasecmp(path, below[i], n) == 0 &&
		    (path[n] == '\0' || path[n] == '/'))
			return true;
	}
	return false;
}

static void
serve_page(struct conn *c, const struct http_ask *ask, bool get)
{
	const struct asset	*a = NULL;
	const char		*name = below_base(ask->path);
	char			 location[256];

	if (name == NULL && get && front_conf.base_path[0] != '\0' &&
	    strcmp(ask->path, front_conf.base_path) == 0) {
		(void)snprintf(location, sizeof(location),
		    "Location: %s/\r\n", front_conf.base_path);
		respond_text(c, 302, "", location, ask->head_only, ask->close);
		return;
	}
	/* Without a base path this one is what somebody mistakes for it. */
	if (name == NULL || !front_conf.ui || is_for_programs(ask->path) ||
	    (!get && *name != '\0' && asset_find(name) == NULL) ||
	    (front_conf.base_path[0] == '\0' && (strcmp(name, "ui") == 0 ||
	    strncmp(name, "ui/", 3) == 0)))
		http_respond_text(c, ask, 404, "Not Found");
	else if (!get)
		respond_text(c, 405, "Method Not Allowed",
		    "Allow: GET, HEAD\r\n", false, ask->close);
	else if ((a = page_asset(name)) == NULL)
		http_respond_text(c, ask, 503, "Control UI assets not found");
	else
		serve_asset(c, ask->h, a, ask->head_only, ask->close);
}

static void
route(struct conn *c, const struct http_head *h, const char *path,
    struct str query)
{
	struct http_ask	 ask = { .h = h, .path = path, .query = query };
	unsigned int	 method;
	bool		 get;

	/* Who does not read its body cannot find what follows it. */
	ask.last = !h->keep_alive || c->requests >= REQUESTS_MAX;
	ask.close = ask.last || h->body != HTTP_BODY_NONE;
	ask.head_only = str_eqs(h->method, "HEAD");
	get = ask.head_only || str_eqs(h->method, "GET");
	method = get ? ROUTE_GET : str_eqs(h->method, "POST") ? ROUTE_POST : 0;
	ask.route = route_find(path, &ask.rest);
	if (c->canvas_port && !canvas_has(&ask)) {
		canvas_other(c, &ask);
		return;
	}
	if (ask.route != NULL) {
		serve_route(c, &ask, method);
		return;
	}
	if (!host_allowed(h, c->from.peer, &front_conf.origin))
		http_respond_text(c, &ask, 403, "host not allowed");
	else
		serve_page(c, &ask, get);
}

/*
 * The normal form of a target.  Below /v1/models/ stands the id of a model,
 * whose slashes clients of OpenAI's interface encode: there, and nowhere else,
 * they are slashes, before anything is decided by the path.
 */
static int
path_of(struct str target, char *path, size_t size, struct str *query)
{
	static const char	 below[] = "/v1/models/";
	static char		 plain[HTTP_TARGET_MAX];	/* query's */
	size_t			 i, n = 0;
	bool			 in_query = false;

	if (http_path_canon(target, path, size, query) == 0)
		return 0;
	if (!str_prefix(target, below) || target.n > sizeof(plain))
		return -1;
	for (i = 0; i < target.n; i++) {
		in_query = in_query || target.p[i] == '?';
		if (!in_query && target.n - i >= 3 &&
		    ascii_ncasecmp(target.p + i, "%2f", 3) == 0) {
			plain[n++] = '/';
			i += 2;
		} else
			plain[n++] = target.p[i];
	}
	return http_path_canon((struct str){ plain, n }, path, size, query);
}

void
http_request(struct conn *c, const struct http_head *h, size_t head_n,
    struct evbuffer *in)
{
	struct str	query;
	char		path[PATH_MAX_BYTES], retry[64];
	uint32_t	left;

	locality_judge(&c->from, h, c->from.peer, &front_conf.origin);
	if (strcmp(c->from.client, c->from.peer) != 0 &&
	    (left = penalty_left(c->from.client)) > 0) {
		(void)snprintf(retry, sizeof(retry), "Retry-After: %u\r\n",
		    left);
		respond_text(c, 429, "Too Many Requests", retry, false, true);
	} else if (path_of(h->target, path, sizeof(path), &query) == -1) {
		http_refuse(c, 400, "Bad Request");
	} else if (http_header_has(h, "Upgrade", "websocket")) {
		if (strcmp(path, CANVAS_LIVE) == 0 && front_conf.canvas_live)
			live_request(c, h);
		else if (c->canvas_port)
			http_refuse(c, 404, "Not Found");
		else
			upgrade_request(c, h);
	} else {
		route(c, h, path, query);
	}
	evbuffer_drain(in, head_n);
	offer_again(c);
}
