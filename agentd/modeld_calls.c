/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One call is one MD_REQ of one agent: an HTTP request whose answer flows back
 * as MD_HEAD, MD_DATA as far as the agent gave credit, MD_END.  The body of an
 * answer that is no success is held back until it is whole and any secret that
 * the server repeated in it has been blotted out.
 */

#include "common/compat.h"

#include <sys/queue.h>

#include <errno.h>

#include "agentd/modeld.h"
#include "common/dbuf.h"
#include "common/log.h"
#include "common/memfd.h"

#define CALLS_PER_LINK	64
#define CREDIT_MAX	(64u << 20)
#define CHUNK_MAX	32768	/* MD_DATA.bytes */
#define ERRBODY_MAX	65536
#define BODY_MAX	((uint64_t)256 << 20)	/* of an answer */

struct call {
	LIST_ENTRY(call)	 entry;
	struct link		*link;
	uint64_t		 corr;
	struct http_request	*rq;		/* NULL once done */
	uint64_t		 credit;
	struct dbuf		 pending;	/* not yet sent */
	unsigned int		 status;
	bool			 paused;
	bool			 ended;
	enum md_class		 class;
	uint32_t		 retry_ms;
	char			 reason[512];
};

/* A body that came as memfd stays mapped until it is sent. */
struct body_map {
	const void	*p;
	size_t		 n;
};

static LIST_HEAD(call_list, call) calls = LIST_HEAD_INITIALIZER(calls);
static const struct modeld_config *config;
static struct http_client	*client;
static struct modeld_stats	 stats;
static void			(*on_end)(void);

static void	 call_head(struct http_request *, const struct http_head *,
		    void *);
static void	 call_body(struct http_request *, const void *, size_t,
		    void *);
static void	 call_done(struct http_request *, enum http_error,
		    const char *, void *);
static void	 call_push(struct call *);

static const struct http_request_ops ops = { call_head, call_body, call_done };

void
modeld_calls_init(const struct modeld_config *c, struct http_client *cl)
{
	config = c;
	client = cl;
}

void
modeld_calls_on_end(void (*fn)(void))
{
	on_end = fn;
}

size_t
modeld_calls_running(void)
{
	struct call	*c;
	size_t		 n = 0;

	LIST_FOREACH(c, &calls, entry)
		n++;
	return n;
}

void
modeld_calls_stats(struct modeld_stats *s)
{
	*s = stats;
}

static struct call *
call_find(struct link *l, uint64_t corr)
{
	struct call	*c;

	LIST_FOREACH(c, &calls, entry)
		if (c->link == l && c->corr == corr)
			return c;
	return NULL;
}

static void
call_free(struct call *c)
{
	LIST_REMOVE(c, entry);
	if (c->rq != NULL)
		http_request_cancel(c->rq);
	dbuf_clear(&c->pending);
	free(c);
	if (on_end != NULL)
		on_end();
}

static void
send_end(struct link *l, uint64_t corr, enum md_class class,
    const char *reason, uint32_t retry_ms)
{
	struct m_md_end	 m;

	memset(&m, 0, sizeof(m));
	m.class = (uint8_t)class;
	m.reason = str_of(reason);
	if (!utf8_valid(m.reason.p, m.reason.n))
		m.reason = str_of("the reason is not text");
	m.retry_after_ms = retry_ms;
	if (send_md_end(l, &m, corr, MSG_F_REPLY) == -1)
		log_warn("%s: answer lost", link_name(l));
}

/* --- from the server ------------------------------------------------------- */

static void
call_head(struct http_request *rq, const struct http_head *h, void *arg)
{
	struct call	*c = arg;
	struct m_md_head m;
	struct dbuf	 d;
	size_t		 i;

	(void)rq;
	c->status = h->status;
	stats.last_status = h->status;
	dbuf_init(&d, 16384);
	for (i = 0; i < h->n; i++) {
		if (!modeld_header_told(h->h[i].name) ||
		    d.n + h->h[i].name.n + h->h[i].value.n + 3 > 16000)
			continue;
		dbuf_put(&d, h->h[i].name.p, h->h[i].name.n);
		dbuf_puts(&d, ": ");
		dbuf_put(&d, h->h[i].value.p, h->h[i].value.n);
		dbuf_putc(&d, '\n');
	}
	if (d.p != NULL)
		modeld_redact(config, d.p, d.n);
	memset(&m, 0, sizeof(m));
	m.status = (uint16_t)h->status;
	m.headers = (struct str){ dbuf_str(&d), d.n };
	if (send_md_head(c->link, &m, c->corr, 0) == -1)
		log_warn("%s: head lost", link_name(c->link));
	dbuf_clear(&d);
}

static void
call_body(struct http_request *rq, const void *p, size_t n, void *arg)
{
	struct call	*c = arg;

	if (c->status / 100 != 2) {
		if (n > ERRBODY_MAX - c->pending.n)
			n = ERRBODY_MAX - c->pending.n;
		dbuf_put(&c->pending, p, n);
		return;
	}
	if (dbuf_put(&c->pending, p, n) == -1) {
		log_warnx("%s: answer dropped: no memory",
		    link_name(c->link));
		send_end(c->link, c->corr, MD_PROTOCOL, "out of memory", 0);
		stats.failed++;
		c->rq = NULL;
		http_request_cancel(rq);
		call_free(c);
		return;
	}
	call_push(c);
}

static enum md_class
class_of(enum http_error e)
{
	switch (e) {
	case HTTP_OK:
		return MD_OK;
	case HTTP_E_CONNECT:
	case HTTP_E_POLICY:
	case HTTP_E_PROXY:
		return MD_CONNECT;
	case HTTP_E_TLS:
		return MD_TLS;
	case HTTP_E_TIMEOUT:
		return MD_TIMEOUT;
	case HTTP_E_CANCELLED:
		return MD_CANCELLED;
	case HTTP_E_PROTOCOL:
	case HTTP_E_CLOSED:
	case HTTP_E_TOO_LARGE:
	case HTTP_E_NOMEM:
	case HTTP_E_MAX:
		break;
	}
	return MD_PROTOCOL;
}

static void
call_done(struct http_request *rq, enum http_error e, const char *reason,
    void *arg)
{
	struct call	*c = arg;

	c->retry_ms = c->status != 0 ? http_request_retry_after_ms(rq) : 0;
	c->rq = NULL;
	c->ended = true;
	c->class = class_of(e);
	if (e != HTTP_OK) {
		stats.failed++;
		snprintf(c->reason, sizeof(c->reason), "%s: %s",
		    http_error_name(e), reason == NULL ? "" : reason);
		modeld_redact(config, c->reason, strlen(c->reason));
		log_warnx("%s: %s", config->provider, c->reason);
	} else if (c->status / 100 != 2) {
		stats.failed++;
		log_info("%s: HTTP %u", config->provider, c->status);
		if (c->pending.p != NULL)
			modeld_redact(config, c->pending.p, c->pending.n);
	}
	call_push(c);
}

/* --- to the agent ---------------------------------------------------------- */

/* Sends what credit and link allow; ends the call when all is said. */
static void
call_push(struct call *c)
{
	struct m_md_data m;
	size_t		 n;
	bool		 hold;

	if (c->status != 0 && c->status / 100 != 2 && !c->ended)
		return;
	while (c->pending.n > 0 && c->credit > 0 && !link_full(c->link)) {
		n = c->pending.n;
		if (n > CHUNK_MAX)
			n = CHUNK_MAX;
		if (n > c->credit)
			n = (size_t)c->credit;
		memset(&m, 0, sizeof(m));
		m.bytes = (struct str){ c->pending.p, n };
		if (send_md_data(c->link, &m, c->corr, 0) == -1)
			break;
		c->credit -= n;
		dbuf_consume(&c->pending, n);
	}
	if (c->ended) {
		if (c->pending.n > 0)
			return;
		send_end(c->link, c->corr, c->class, c->reason, c->retry_ms);
		call_free(c);
		return;
	}
	hold = c->pending.n > 0 || c->credit == 0;
	if (hold != c->paused && c->rq != NULL) {
		c->paused = hold;
		if (hold)
			http_request_pause(c->rq);
		else
			http_request_resume(c->rq);
	}
}

static void
body_unmap(void *arg)
{
	struct body_map	*b = arg;

	memfd_unmap(b->p, b->n);
	free(b);
}

static int
add_header(struct http_request *rq, const char *name, const char *lead,
    const struct secret *s)
{
	struct dbuf	 d;
	int		 rc;

	dbuf_init_secret(&d, SECRET_MAX + 64);
	dbuf_puts(&d, lead);
	dbuf_put(&d, s->p, s->n);
	rc = dbuf_err(&d) ? -1 : http_request_header(rq, name, dbuf_str(&d));
	dbuf_clear(&d);
	return rc;
}

static bool
configured(struct str name)
{
	size_t	 i;

	for (i = 0; i < config->nheaders; i++)
		if (str_ieqs(name, config->header[i].name))
			return true;
	return false;
}

/* What the agent wants to have sent along, then what only we may add. */
static int
add_headers(struct http_request *rq, struct str lines)
{
	struct str	 line, name, value;
	const char	*nl, *colon;
	char		 n[128], *v;
	size_t		 i;
	int		 rc;

	while (lines.n > 0) {
		nl = memchr(lines.p, '\n', lines.n);
		line.p = lines.p;
		line.n = nl == NULL ? lines.n : (size_t)(nl - lines.p);
		lines.p += line.n + (nl != NULL);
		lines.n -= line.n + (nl != NULL);
		if (line.n == 0)
			continue;
		if ((colon = memchr(line.p, ':', line.n)) == NULL)
			return -1;
		name = (struct str){ line.p, (size_t)(colon - line.p) };
		value = str_trim((struct str){ colon + 1,
		    (size_t)(line.p + line.n - colon - 1) });
		/* Not a violation: adapters may pass on what a user wrote. */
		if (!modeld_header_allowed(name) || configured(name))
			continue;
		if (str_copy(name, n, sizeof(n)) == -1 ||
		    (v = str_dup(value)) == NULL)
			return -1;
		rc = http_request_header(rq, n, v);
		free(v);
		if (rc == -1)
			return -1;
	}
	for (i = 0; i < config->nheaders; i++)
		if (add_header(rq, config->header[i].name, "",
		    &config->header[i].value) == -1)
			return -1;
	switch (config->auth) {
	case AUTH_NONE:
		return 0;
	case AUTH_API_KEY:
		return configured(STR_LIT("x-api-key")) ? 0 :
		    add_header(rq, "x-api-key", "", &config->secret);
	case AUTH_BEARER:
		return configured(STR_LIT("authorization")) ? 0 :
		    add_header(rq, "authorization", "Bearer ",
		    &config->secret);
	}
	return 0;
}

static enum msg_err
on_req(struct link *l, struct msg *m)
{
	struct m_md_req	 v;
	struct call	*c;
	struct body_map	*map;
	char		 path[2048], method[9];
	enum msg_err	 err;
	size_t		 n = 0;
	const char	*why = NULL;

	if ((err = get_md_req(m, &v)) != MSG_OK)
		return err;
	if (m->h.corr == 0 || call_find(l, m->h.corr) != NULL)
		return MSG_MEANING;
	stats.calls++;
	LIST_FOREACH(c, &calls, entry)
		n += c->link == l;
	c = NULL;
	if (n >= CALLS_PER_LINK)
		why = "too many calls at once";
	else if (!str_eqs(v.method, "POST") && !str_eqs(v.method, "GET"))
		why = "only GET and POST are sent";
	else if (modeld_path(config, v.path, path, sizeof(path)) == -1)
		why = "the path leads out of the configured base URL";
	if (why != NULL)
		goto refuse;
	str_copy(v.method, method, sizeof(method));
	if ((c = calloc(1, sizeof(*c))) == NULL)
		return MSG_NOMEM;
	c->link = l;
	c->corr = m->h.corr;
	dbuf_init(&c->pending, 8u << 20);
	LIST_INSERT_HEAD(&calls, c, entry);
	why = "the request cannot be made";
	if ((c->rq = http_request_new(client, method, path, &ops, c)) == NULL)
		goto refuse;
	if (add_headers(c->rq, v.headers) == -1) {
		why = "the headers are malformed";
		goto refuse;
	}
	if (m->nmaps == 1 && v.body.p == m->map[0].p && v.body.n > 0 &&
	    (map = calloc(1, sizeof(*map))) != NULL) {
		map->p = m->map[0].p;
		map->n = m->map[0].n;
		if (http_request_body(c->rq, map->p, map->n, body_unmap, map)
		    == -1) {
			free(map);
			goto refuse;
		}
		m->nmaps = 0;
	} else if (v.body.n > 0 && http_request_body(c->rq, v.body.p,
	    v.body.n, NULL, NULL) == -1)
		goto refuse;
	http_request_timeouts(c->rq, v.head_timeout_ms, v.idle_timeout_ms);
	http_request_max_body(c->rq, BODY_MAX);
	if (http_request_send(c->rq) == -1) {
		c->rq = NULL;
		why = errno == ENOBUFS ? "too many calls wait" :
		    "the request cannot be sent";
		goto refuse;
	}
	return MSG_OK;
refuse:
	stats.failed++;
	log_warnx("%s: %s: refused: %s", config->provider, link_name(l), why);
	send_end(l, m->h.corr, MD_REFUSED, why, 0);
	if (c != NULL)
		call_free(c);
	return MSG_OK;
}

enum msg_err
modeld_calls_message(struct link *l, struct msg *m)
{
	struct m_md_credit	 credit;
	struct m_md_cancel	 cancel;
	struct call		*c;
	enum msg_err		 err;

	switch (m->h.type) {
	case MSG_MD_REQ:
		return on_req(l, m);
	case MSG_MD_CREDIT:
		if ((err = get_md_credit(m, &credit)) != MSG_OK)
			return err;
		/* Unknown: ended a moment ago. */
		if ((c = call_find(l, m->h.corr)) == NULL)
			return MSG_OK;
		c->credit += credit.bytes;
		if (c->credit > CREDIT_MAX)
			c->credit = CREDIT_MAX;
		call_push(c);
		return MSG_OK;
	case MSG_MD_CANCEL:
		if ((err = get_md_cancel(m, &cancel)) != MSG_OK)
			return err;
		if ((c = call_find(l, m->h.corr)) == NULL)
			return MSG_OK;
		send_end(l, c->corr, MD_CANCELLED, "", 0);
		call_free(c);
		return MSG_OK;
	default:
		return MSG_UNKNOWN;
	}
}

void
modeld_calls_drained(struct link *l)
{
	struct call	*c, *next;

	for (c = LIST_FIRST(&calls); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->link == l)
			call_push(c);
	}
}

void
modeld_calls_gone(struct link *l)
{
	struct call	*c, *next;

	for (c = LIST_FIRST(&calls); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (c->link == l)
			call_free(c);
	}
}
