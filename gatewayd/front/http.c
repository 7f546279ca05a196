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

struct response {
	unsigned int	 status;
	const char	*type;
	const void	*body;
	size_t		 n;
	const char	*extra;		/* header lines with CRLF */
	const char	*etag;
	bool		 lent;		/* body lives as long as we do */
	bool		 head_only, close;
};

static const char *
status_text(unsigned int status)
{
	static const struct { unsigned int status; const char *text; } t[] = {
		{ 200, "OK" }, { 302, "Found" }, { 304, "Not Modified" },
		{ 400, "Bad Request" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 408, "Request Timeout" }, { 426, "Upgrade Required" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 503, "Service Unavailable" },
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

static void
respond(struct conn *c, const struct response *r)
{
	struct evbuffer	*out = stream_out(c->s);
	char		 date[64];

	date_text(date, sizeof(date));
	evbuffer_add_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n"
	    "Content-Security-Policy: " CSP "\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "X-Frame-Options: DENY\r\n"
	    "Referrer-Policy: no-referrer\r\n"
	    "Cross-Origin-Opener-Policy: same-origin\r\n"
	    "Cross-Origin-Resource-Policy: same-origin\r\n"
	    "Cache-Control: %s\r\n%s%s%s%s", r->status,
	    status_text(r->status), date, r->etag != NULL ? "no-cache" :
	    "no-store", r->etag != NULL ? "ETag: " : "",
	    r->etag != NULL ? r->etag : "", r->etag != NULL ? "\r\n" : "",
	    r->extra != NULL ? r->extra : "");
	if (r->status != 304)
		evbuffer_add_printf(out, "Content-Type: %s\r\n"
		    "Content-Length: %zu\r\n", r->type, r->n);
	evbuffer_add_printf(out, "%s\r\n", r->close ? "Connection: close\r\n" :
	    "");
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

static void
respond_text(struct conn *c, unsigned int status, const char *text,
    const char *extra, bool head_only, bool close)
{
	struct response	r = { .status = status, .body = text,
	    .n = strlen(text), .type = "text/plain; charset=utf-8",
	    .extra = extra, .head_only = head_only, .close = close };

	respond(c, &r);
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

	if (http_header_has(h, "If-None-Match", a->etag))
		r.status = 304;
	respond(c, &r);
}

static bool
serve_probe(struct conn *c, const char *path, bool head_only, bool close)
{
	struct response	r = { .type = "application/json; charset=utf-8",
	    .head_only = head_only, .close = close };

	/* Nothing about versions or state: nobody has said who asks. */
	if (strcmp(path, "/health") == 0 || strcmp(path, "/healthz") == 0) {
		r.status = 200;
		r.body = "{\"ok\":true,\"status\":\"live\"}";
	} else if (strcmp(path, "/ready") != 0 &&
	    strcmp(path, "/readyz") != 0) {
		return false;
	} else if (front_router != NULL && front_store != NULL) {
		r.status = 200;
		r.body = "{\"ready\":true}";
	} else {
		r.status = 503;
		r.body = "{\"ready\":false}";
	}
	r.n = strlen(r.body);
	respond(c, &r);
	return true;
}

static void
route(struct conn *c, const struct http_head *h, const char *path,
    struct str query)
{
	const struct asset	*a = NULL;
	const char		*name;
	char			 location[256];
	bool			 get, head_only, close, probe;

	/* A body is not read here, so what follows it cannot be found. */
	close = !h->keep_alive || h->body != HTTP_BODY_NONE ||
	    c->requests >= REQUESTS_MAX;
	head_only = str_eqs(h->method, "HEAD");
	get = head_only || str_eqs(h->method, "GET");
	probe = strcmp(path, "/health") == 0 || strcmp(path, "/ready") == 0 ||
	    strcmp(path, "/healthz") == 0 || strcmp(path, "/readyz") == 0;
	name = below_base(path);
	if (name != NULL && !probe)
		a = asset_find(name);
	if (!get && (probe || a != NULL)) {
		respond_text(c, 405, "Method Not Allowed",
		    "Allow: GET, HEAD\r\n", false, close);
		return;
	}
	if (get && serve_probe(c, path, head_only, close))
		return;
	if (!host_allowed(h, c->from.peer, &front_conf.origin)) {
		respond_text(c, 403, "host not allowed", NULL, head_only,
		    close);
		return;
	}
	if (a != NULL) {
		serve_asset(c, h, a, head_only, close);
		return;
	}
	if (get && front_conf.base_path[0] != '\0' &&
	    strcmp(path, front_conf.base_path) == 0) {
		(void)snprintf(location, sizeof(location),
		    "Location: %s/\r\n", front_conf.base_path);
		respond_text(c, 302, "", location, head_only, close);
		return;
	}
	if (get && name != NULL && *name == '\0') {
		respond_text(c, 503, "Control UI assets not found", NULL,
		    head_only, close);
		return;
	}
	(void)query;
	respond_text(c, 404, "Not Found", NULL, head_only, close);
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
	} else if (http_path_canon(h->target, path, sizeof(path),
	    &query) == -1) {
		http_refuse(c, 400, "Bad Request");
	} else if (http_header_has(h, "Upgrade", "websocket")) {
		if (strcmp(path, "/__openclaw__/ws") == 0)
			http_refuse(c, 404, "Not Found");
		else
			upgrade_request(c, h);
	} else {
		route(c, h, path, query);
	}
	evbuffer_drain(in, head_n);
	/* What came with it is looked at in a turn of its own. */
	if (evbuffer_get_length(in) > 0) {
		stream_pause(c->s);
		stream_resume(c->s);
	}
}
