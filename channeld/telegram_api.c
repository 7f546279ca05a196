/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "channeld/telegram_api.h"
#include "common/log.h"

#define CONNS		6	/* the poll, four sends, a typing action */
#define KEEP_MS		20000	/* shorter than the server keeps: a kept
				 * connection that the server ends while we
				 * write makes a message `unknown` */

struct telegram_call {
	struct http_request	*rq;	/* NULL: it could not be started */
	struct event		*fail;
	struct dbuf		 body, answer;
	telegram_done_cb	*done;
	void			*arg;
	struct telegram_result	 r;
};

static struct http_client	*client;
static struct tls_config	*tls;
static struct telegram_self	 self;

static void	 call_body(struct http_request *, const void *, size_t,
		    void *);
static void	 call_done(struct http_request *, enum http_error,
		    const char *, void *);
static void	 fail_cb(evutil_socket_t, short, void *);

static const struct http_request_ops call_ops = { NULL, call_body, call_done };

const struct telegram_self *
telegram_self(void)
{
	return &self;
}

void
telegram_self_set(const struct telegram_self *s)
{
	self = *s;
}

int
telegram_configure(const struct chan_conf *c, char *why, size_t size)
{
	struct http_client_config	 hc = { 0 };

	if (!telegram_token_ok((struct str){ chan_token()->p,
	    chan_token()->n }, self.id)) {
		(void)strlcpy(why, "the bot token does not look like one",
		    size);
		return -1;
	}
	if (c->tls && (tls = tls_client_new(c->ca_file[0] != '\0' ?
	    c->ca_file : NULL, why, size)) == NULL)
		return -1;
	hc.host = c->host;
	hc.port = c->port;
	hc.dest = 0;
	hc.tls = tls;
	hc.max_conns = CONNS;
	hc.max_idle = 2;
	hc.keep_ms = KEEP_MS;
	if ((client = http_client_new(worker_base(), chan_connector(),
	    &hc)) == NULL) {
		(void)strlcpy(why, strerror(errno), size);
		return -1;
	}
	return 0;
}

static void
call_free(struct telegram_call *c)
{
	if (c->fail != NULL)
		event_free(c->fail);
	dbuf_clear(&c->body);
	dbuf_clear(&c->answer);
	free(c);
}

static struct http_request *
call_request(struct telegram_call *c, const char *method)
{
	struct http_request	*rq;
	struct dbuf		 path;

	dbuf_init_secret(&path, 4096);
	(void)dbuf_puts(&path, chan_conf()->prefix);
	(void)dbuf_puts(&path, "/bot");
	(void)dbuf_put(&path, chan_token()->p, chan_token()->n);
	(void)dbuf_puts(&path, "/");
	(void)dbuf_puts(&path, method);
	rq = dbuf_err(&path) ? NULL : http_request_new(client, "POST",
	    dbuf_str(&path), &call_ops, c);
	dbuf_clear(&path);
	if (rq == NULL)
		return NULL;
	if (http_request_header(rq, "content-type",
	    "application/json") == -1 || http_request_body(rq, c->body.p,
	    c->body.n, NULL, NULL) == -1) {
		http_request_cancel(rq);
		return NULL;
	}
	return rq;
}

struct telegram_call *
telegram_call(const char *method, struct dbuf *body, uint32_t timeout_ms,
    size_t max_answer, telegram_done_cb *done, void *arg)
{
	static const struct timeval	 zero;
	struct telegram_call		*c;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		dbuf_clear(body);
		return NULL;
	}
	c->body = *body;
	dbuf_init(body, body->max);
	c->done = done;
	c->arg = arg;
	dbuf_init(&c->answer, max_answer);
	if ((c->rq = call_request(c, method)) != NULL) {
		http_request_timeouts(c->rq, timeout_ms, 15000);
		http_request_max_body(c->rq, max_answer);
		if (http_request_send(c->rq) == 0)
			return c;
		c->rq = NULL;	/* freed */
	}
	/* The caller hears of it as of any other failure. */
	c->fail = evtimer_new(worker_base(), fail_cb, c);
	if (c->fail == NULL) {
		call_free(c);
		return NULL;
	}
	evtimer_add(c->fail, &zero);
	return c;
}

void
telegram_cancel(struct telegram_call *c)
{
	if (c == NULL)
		return;
	if (c->rq != NULL)
		http_request_cancel(c->rq);
	call_free(c);
}

static void
fail_cb(evutil_socket_t fd, short what, void *arg)
{
	struct telegram_call	*c = arg;

	(void)fd;
	(void)what;
	c->r.err = HTTP_E_NOMEM;
	(void)strlcpy(c->r.reason, "the request could not be made",
	    sizeof(c->r.reason));
	c->done(&c->r, c->arg);
	call_free(c);
}

static void
call_body(struct http_request *rq, const void *p, size_t n, void *arg)
{
	struct telegram_call	*c = arg;

	(void)rq;
	(void)dbuf_put(&c->answer, p, n);
}

static void
call_done(struct http_request *rq, enum http_error err, const char *reason,
    void *arg)
{
	struct telegram_call	*c = arg;
	struct telegram_answer	*a = &c->r.answer;

	c->r.err = err;
	c->r.started = http_request_started(rq);
	if (err == HTTP_OK) {
		telegram_answer_read(a, http_request_status(rq),
		    (struct str){ c->answer.p, c->answer.n });
		c->r.retry_after_ms = a->retry_after_ms != 0 ?
		    a->retry_after_ms : http_request_retry_after_ms(rq);
		(void)snprintf(c->r.reason, sizeof(c->r.reason),
		    "HTTP %u: %s", a->code, a->description[0] != '\0' ?
		    a->description : telegram_class_name(a->class));
	} else
		(void)snprintf(c->r.reason, sizeof(c->r.reason), "%s: %s",
		    http_error_name(err), reason);
	c->rq = NULL;
	c->done(&c->r, c->arg);
	telegram_answer_clear(a);
	call_free(c);
}
