/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One FT_REQ from its address to its FT_RES: connect, ask, follow redirects,
 * each through the process connect again, read, make text of it.  Every request
 * gets one answer, also when it is cancelled.
 */
#include "common/compat.h"

#include <sys/queue.h>

#include <stdarg.h>

#include "common/log.h"
#include "toold/fetch/fetch.h"

#define ERROR_CHARS	1000	/* of the page of a failure */

struct fcall {
	LIST_ENTRY(fcall)	 entry;
	struct link		*link;
	uint64_t		 corr;
	enum fetch_form		 form;
	uint32_t		 max_chars;
	char			*asked;		/* the address, in our form */
	struct fetch_url	 url;		/* where we are now */
	unsigned int		 hops;
	struct http_client	*client;
	struct http_request	*rq;
	struct event		*timer;
	struct dbuf		 body;
	bool			 cut;
	uint16_t		 http;
	char			 type[128];
	char			*location;	/* of a redirect */
};

static LIST_HEAD(, fcall)	 calls = LIST_HEAD_INITIALIZER(calls);
static struct event_base	*base;
static struct http_connector	*connector;
static const struct fetch_config *config;
static struct tls_config	*tls;
static const char		*tls_why;
static struct fetch_stats	 stats;

static void	 fcall_ask(struct fcall *);

void
fetch_calls_init(struct event_base *b, struct http_connector *c,
    const struct fetch_config *cf, struct tls_config *t, const char *why)
{
	base = b;
	connector = c;
	config = cf;
	tls = t;
	tls_why = why;
}

const struct fetch_stats *
fetch_stats(void)
{
	return &stats;
}

static void
fcall_hang_up(struct fcall *c)
{
	if (c->rq != NULL)
		http_request_cancel(c->rq);
	c->rq = NULL;
	http_client_free(c->client);
	c->client = NULL;
	dbuf_clear(&c->body);
	free(c->location);
	c->location = NULL;
}

static void
fcall_free(struct fcall *c)
{
	LIST_REMOVE(c, entry);
	stats.running--;
	fcall_hang_up(c);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c->asked);
	free(c);
}

static void
answer(struct link *l, uint64_t corr, struct m_ft_res *m)
{
	if (m->status != FETCH_OK)
		stats.failed++;
	if (m->reason.n > 512)
		m->reason.n = utf8_cut(m->reason.p, m->reason.n, 512);
	if (send_ft_res(l, m, corr, MSG_F_REPLY) == 0)
		return;
	log_warn("ft_res of %zu bytes", m->text.n);
	memset(m, 0, sizeof(*m));
	m->status = FETCH_BUSY;
	m->reason = STR_LIT("the page could not be passed on");
	send_ft_res(l, m, corr, MSG_F_REPLY);
}

static void __attribute__((format(printf, 3, 4)))
fcall_fail(struct fcall *c, enum fetch_status st, const char *fmt, ...)
{
	struct m_ft_res	 m = { 0 };
	struct link	*l = c->link;
	uint64_t	 corr = c->corr;
	char		 url[FETCH_URL_MAX], why[600];
	va_list		 ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	fetch_url_text(&c->url, url);
	m.status = (uint8_t)st;
	m.http = c->http;
	m.url = str_of(url);
	m.reason = (struct str){ why, utf8_cut(why, strlen(why), 500) };
	log_info("fetch: %s", why);
	fcall_free(c);
	answer(l, corr, &m);
}

/* A page, whole or not, cut to what was asked for. */
static void
answer_page(struct link *l, uint64_t corr, uint32_t max_chars,
    const struct fetch_result *r, bool cached)
{
	struct m_ft_res	 m = { 0 };
	size_t		 n = 0, k;
	uint32_t	 chars, cp;
	char		 why[128] = "";

	for (chars = 0; n < r->page.n && chars < max_chars; chars++) {
		k = utf8_decode(r->page.text + n, r->page.n - n, &cp);
		n += k > 0 ? k : 1;
	}
	m.status = r->http >= 200 && r->http < 300 ? FETCH_OK : FETCH_HTTP;
	m.http = r->http;
	m.url = str_of(r->url);
	m.type = str_of(r->type);
	m.title = str_of(r->page.title);
	m.how = (uint8_t)r->page.how;
	m.truncated = n < r->page.n || r->page.cut;
	m.cached = cached;
	m.length = r->page.chars;
	m.fetched_at = r->fetched_at;
	m.text = (struct str){ r->page.text, n };
	if (r->page.cut)
		(void)snprintf(why, sizeof(why), "The page is larger than "
		    "the limit of %zu bytes; what came after that was not "
		    "read.", config->max_bytes);
	else if (r->page.n == 0 && m.status == FETCH_OK)
		(void)snprintf(why, sizeof(why), "The page has no text. It "
		    "may be made by scripts, which are not run.");
	m.reason = str_of(why);
	answer(l, corr, &m);
}

/* The body is here, or as much of it as we take. */
static void
fcall_finish(struct fcall *c)
{
	static struct fetch_result	 r;	/* too large for the stack */
	struct page_source		 src = { 0 };
	enum fetch_status		 st;
	char				 why[256];
	bool				 ok = c->http >= 200 && c->http < 300;

	src.body = (struct str){ dbuf_str(&c->body), c->body.n };
	src.type = str_of(c->type);
	src.cut = c->cut;
	src.form = ok ? c->form : FETCH_TEXT;
	src.main_only = config->main_only;
	src.url = &c->url;
	st = page_make(&r.page, &src, why, sizeof(why));
	if (st != FETCH_OK && ok) {
		fcall_fail(c, st, "%s", why);
		return;
	}
	fetch_url_text(&c->url, r.url);
	(void)strlcpy(r.type, c->type, sizeof(r.type));
	r.http = c->http;
	r.fetched_at = wall_ms();
	log_debug("%s: HTTP %u, %zu bytes, %u characters", c->url.o.host,
	    c->http, c->body.n, r.page.chars);
	answer_page(c->link, c->corr, ok ? c->max_chars : c->max_chars <
	    ERROR_CHARS ? c->max_chars : ERROR_CHARS, &r, false);
	if (ok)
		fetch_cache_put(c->asked, c->form, &r, config->cache_ms);
	else
		page_clear(&r.page);
	fcall_free(c);
}

/* --- answers of servers ---------------------------------------------------- */

static bool
is_redirect(unsigned int status)
{
	return status == 301 || status == 302 || status == 303 ||
	    status == 307 || status == 308;
}

static void
fcall_redirect(struct fcall *c)
{
	struct fetch_url	 to;
	const char		*why;
	struct str		 where = str_of(c->location);

	if (fetch_url_resolve(&c->url, where, &to, &why) == -1) {
		fcall_fail(c, FETCH_REDIRECT, "the server redirects to an "
		    "address that %s", why);
		return;
	}
	if (c->url.o.tls && !to.o.tls) {
		fcall_fail(c, FETCH_REDIRECT, "the server redirects from "
		    "https to http (%s), which is not followed", to.o.host);
		return;
	}
	if (c->hops >= config->max_redirects) {
		fcall_fail(c, FETCH_REDIRECT, "more than %u redirect%s "
		    "(tools.web.fetch.maxRedirects); the next would lead to "
		    "%s", config->max_redirects, config->max_redirects == 1 ?
		    "" : "s", to.o.host);
		return;
	}
	c->hops++;
	c->url = to;
	fcall_hang_up(c);
	fcall_ask(c);
}

static void
fcall_head_cb(struct http_request *rq, const struct http_head *h, void *arg)
{
	struct fcall	*c = arg;
	struct str	 v;
	size_t		 i;

	c->http = (uint16_t)(h->status <= 599 ? h->status : 599);
	v = http_header_get(h, "content-type");
	c->type[0] = '\0';
	/* Other bytes have no business in a type. */
	for (i = 0; i < v.n && i < sizeof(c->type) - 1 && v.p[i] >= 0x20 &&
	    v.p[i] < 0x7f; i++)
		c->type[i] = (char)ascii_tolower((unsigned char)v.p[i]);
	c->type[i] = '\0';
	v = http_header_get(h, "location");
	if (is_redirect(h->status) && v.n > 0) {
		if ((c->location = str_dup(v)) == NULL) {
			fcall_fail(c, FETCH_BUSY, "out of memory");
			return;
		}
		fcall_redirect(c);
		return;
	}
	v = http_header_get(h, "content-encoding");
	if (v.n > 0 && !str_ieqs(v, "identity"))
		fcall_fail(c, FETCH_TYPE, "the server sends it compressed "
		    "although it was asked not to");
	(void)rq;
}

static void
fcall_body_cb(struct http_request *rq, const void *p, size_t n, void *arg)
{
	struct fcall	*c = arg;
	size_t		 room = config->max_bytes > c->body.n ?
			    config->max_bytes - c->body.n : 0;

	(void)rq;
	if (dbuf_put(&c->body, p, n < room ? n : room) == -1) {
		fcall_fail(c, FETCH_BUSY, "out of memory");
		return;
	}
	if (n > room) {
		c->cut = true;
		fcall_finish(c);
	}
}

static void
fcall_done_cb(struct http_request *rq, enum http_error err,
    const char *reason, void *arg)
{
	static const enum fetch_status	map[HTTP_E_MAX] = {
		[HTTP_E_CONNECT] = FETCH_CONNECT,
		[HTTP_E_POLICY] = FETCH_POLICY,
		[HTTP_E_PROXY] = FETCH_CONNECT,
		[HTTP_E_TLS] = FETCH_TLS,
		[HTTP_E_TIMEOUT] = FETCH_TIMEOUT,
		[HTTP_E_PROTOCOL] = FETCH_PROTOCOL,
		[HTTP_E_CLOSED] = FETCH_PROTOCOL,
		[HTTP_E_TOO_LARGE] = FETCH_PROTOCOL,
		[HTTP_E_CANCELLED] = FETCH_BUSY,
		[HTTP_E_NOMEM] = FETCH_BUSY,
	};
	struct fcall			*c = arg;

	(void)rq;
	c->rq = NULL;
	if (err == HTTP_OK)
		fcall_finish(c);
	else if (err == HTTP_E_PROTOCOL)
		fcall_fail(c, FETCH_PROTOCOL, "the answer is not HTTP as it "
		    "should be: %s", reason);
	else
		fcall_fail(c, map[err], "%s", reason);
}

static void
fcall_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fcall_fail(arg, FETCH_TIMEOUT, "not all of it came within %u seconds "
	    "(tools.web.fetch.timeoutSeconds)", config->timeout_ms / 1000);
}

static const struct http_request_ops	 rq_ops = { fcall_head_cb,
	fcall_body_cb, fcall_done_cb };

/* Asks the server of c->url. */
static void
fcall_ask(struct fcall *c)
{
	struct http_client_config	 cf = { 0 };
	struct http_request		*rq;

	c->http = 0;
	dbuf_init(&c->body, config->max_bytes + 1);
	if (c->url.o.tls && tls == NULL) {
		fcall_fail(c, FETCH_TLS, "https is not possible here: %s",
		    tls_why);
		return;
	}
	cf.host = c->url.o.host;
	cf.port = c->url.o.port;
	cf.named = true;
	cf.tls = c->url.o.tls ? tls : NULL;
	cf.max_conns = 1;
	cf.connect_ms = config->timeout_ms;
	if ((c->client = http_client_new(base, connector, &cf)) == NULL ||
	    (rq = http_request_new(c->client, "GET", c->url.target, &rq_ops,
	    c)) == NULL) {
		fcall_fail(c, FETCH_BUSY, "%s", strerror(errno));
		return;
	}
	http_request_header(rq, "User-Agent", config->agent);
	http_request_header(rq, "Accept", "text/markdown, text/html;q=0.9, "
	    "text/plain;q=0.8, application/json;q=0.8, */*;q=0.1");
	http_request_header(rq, "Accept-Language", "en;q=0.9, *;q=0.5");
	http_request_timeouts(rq, config->timeout_ms, config->timeout_ms);
	http_request_max_body(rq, UINT64_MAX);
	if (http_request_send(rq) == -1) {
		fcall_fail(c, FETCH_BUSY, "%s", strerror(errno));
		return;
	}
	c->rq = rq;
}

/* --- toold ----------------------------------------------------------------- */

static struct fcall *
fcall_find(const struct link *l, uint64_t corr)
{
	struct fcall	*c;

	LIST_FOREACH(c, &calls, entry)
		if (c->link == l && c->corr == corr)
			return c;
	return NULL;
}

static void
refuse(struct link *l, uint64_t corr, enum fetch_status st, const char *what,
    const char *is)
{
	struct m_ft_res	 m = { 0 };
	char		 why[256];

	(void)snprintf(why, sizeof(why), "%s%s", what, is);
	m.status = (uint8_t)st;
	m.reason = str_of(why);
	answer(l, corr, &m);
}

static enum msg_err
fcall_start(struct link *l, struct msg *m)
{
	const struct fetch_result	*known;
	struct timeval			 tv;
	struct fetch_url		 u;
	struct m_ft_req			 in;
	struct fcall			*c;
	const char			*why;
	char				 text[FETCH_URL_MAX];
	enum msg_err			 err;

	if ((err = get_ft_req(m, &in)) != MSG_OK)
		return err;
	if (m->h.corr == 0 || fcall_find(l, m->h.corr) != NULL)
		return MSG_MEANING;
	stats.calls++;
	if (fetch_url_parse(in.url, &u, &why) == -1) {
		refuse(l, m->h.corr, FETCH_URL, "the address ", why);
		return MSG_OK;
	}
	fetch_url_text(&u, text);
	if ((known = fetch_cache_get(text, in.form)) != NULL) {
		stats.cached++;
		answer_page(l, m->h.corr, in.max_chars, known, true);
		return MSG_OK;
	}
	if (stats.running >= FETCH_CALLS_MAX) {
		refuse(l, m->h.corr, FETCH_BUSY,
		    "too many pages are being fetched at once", "");
		return MSG_OK;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return MSG_NOMEM;
	c->link = l;
	c->corr = m->h.corr;
	c->form = in.form;
	c->max_chars = in.max_chars;
	c->url = u;
	c->asked = strdup(text);
	c->timer = evtimer_new(base, fcall_timer_cb, c);
	LIST_INSERT_HEAD(&calls, c, entry);
	stats.running++;
	if (c->asked == NULL || c->timer == NULL) {
		fcall_fail(c, FETCH_BUSY, "out of memory");
		return MSG_OK;
	}
	tv.tv_sec = config->timeout_ms / 1000;
	tv.tv_usec = config->timeout_ms % 1000 * 1000;
	evtimer_add(c->timer, &tv);
	fcall_ask(c);
	return MSG_OK;
}

enum msg_err
fetch_calls_message(struct link *l, struct msg *m)
{
	struct m_ft_cancel	 in;
	struct fcall		*c;
	enum msg_err		 err;

	if (m->h.type == MSG_FT_REQ)
		return fcall_start(l, m);
	if (m->h.type != MSG_FT_CANCEL)
		return MSG_UNKNOWN;
	if ((err = get_ft_cancel(m, &in)) != MSG_OK)
		return err;
	/* Unknown: its answer is on the way. */
	if ((c = fcall_find(l, m->h.corr)) != NULL)
		fcall_fail(c, FETCH_BUSY, "cancelled");
	return MSG_OK;
}

void
fetch_calls_gone(struct link *l)
{
	struct fcall	*c, *next;

	for (c = LIST_FIRST(&calls); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->link == l)
			fcall_free(c);
	}
}

void
fetch_calls_clear(void)
{
	while (!LIST_EMPTY(&calls))
		fcall_free(LIST_FIRST(&calls));
}
