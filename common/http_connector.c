/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Asks the process `connect` for descriptors and gives each to who waits. */

#include "common/compat.h"

#include <sys/queue.h>

#include <errno.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/http_connector.h"

struct http_open {
	TAILQ_ENTRY(http_open)	 entry;
	struct http_connector	*c;
	uint64_t		 corr;		/* 0: not asked yet */
	uint32_t		 dest, timeout_ms;
	const char		*host;		/* lent; NULL: by dest */
	uint16_t		 port;
	int			 err;		/* to be told from the timer */
	http_open_cb		*cb;
	void			*arg;
};

struct http_connector {
	struct event_base	*base;
	struct event		*timer;
	struct link		*link;
	int			(*open)(uint32_t, void *);
	void			*open_arg;
	TAILQ_HEAD(, http_open)	 opens;
};

static void
open_done(struct http_open *o, int fd, enum http_error err, const char *reason)
{
	http_open_cb	*cb = o->cb;
	void		*arg = o->arg;

	http_connector_cancel(o);
	cb(fd, err, reason, arg);
}

static void
open_ask(struct http_open *o)
{
	static const struct timeval	zero;
	struct m_cn_open		m = { 0 };
	struct http_connector		*c = o->c;

	if (c->open != NULL) {
		event_add(c->timer, &zero);
		return;
	}
	if (c->link == NULL)
		return;		/* asked when the link is there */
	m.dest = o->host == NULL ? o->dest : 0;
	m.host = str_of(o->host == NULL ? "" : o->host);
	m.port = o->host == NULL ? 0 : o->port;
	m.timeout_ms = o->timeout_ms;
	o->corr = link_corr();
	if (send_cn_open(c->link, &m, o->corr, 0) == -1) {
		o->err = errno;
		event_add(c->timer, &zero);
	}
}

/* One that has failed, or, in tests, can be opened now. */
static struct http_open *
open_due(struct http_connector *c)
{
	struct http_open	*o;

	/* The analyzer does not see that a request that is done is off the
	 * list. */
	TAILQ_FOREACH(o, &c->opens, entry)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (o->err != 0 || c->open != NULL)
			return o;
	return NULL;
}

static void
connector_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http_connector	*c = arg;
	struct http_open	*o;
	int			 s, e;

	(void)fd;
	(void)what;
	/* A callback may open and cancel: from the start each time. */
	while ((o = open_due(c)) != NULL) {
		s = -1;
		if ((e = o->err) == 0) {
			s = c->open(o->dest, c->open_arg);
			e = errno;
		}
		open_done(o, s, s == -1 ? HTTP_E_CONNECT : HTTP_OK,
		    s == -1 ? strerror(e) : "");
	}
}

struct http_connector *
http_connector_new(struct event_base *base)
{
	struct http_connector	*c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		return NULL;
	c->base = base;
	TAILQ_INIT(&c->opens);
	if ((c->timer = evtimer_new(base, connector_timer_cb, c)) == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

void
http_connector_free(struct http_connector *c)
{
	struct http_open	*o;

	if (c == NULL)
		return;
	while ((o = TAILQ_FIRST(&c->opens)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): see above */
		http_connector_cancel(o);
	event_free(c->timer);
	free(c);
}

void
http_connector_set_link(struct http_connector *c, struct link *l)
{
	struct http_open	*o;

	c->link = l;
	TAILQ_FOREACH(o, &c->opens, entry) {
		o->corr = 0;
		if (l != NULL)
			open_ask(o);
	}
}

void
http_connector_set_open(struct http_connector *c,
    int (*fn)(uint32_t, void *), void *arg)
{
	c->open = fn;
	c->open_arg = arg;
}

struct http_open *
http_connector_open(struct http_connector *c, uint32_t dest,
    const char *host, uint16_t port, uint32_t timeout_ms, http_open_cb *cb,
    void *arg)
{
	struct http_open	*o;

	if ((o = calloc(1, sizeof(*o))) == NULL)
		return NULL;
	o->c = c;
	o->dest = dest;
	o->host = host;
	o->port = port;
	o->timeout_ms = timeout_ms;
	o->cb = cb;
	o->arg = arg;
	TAILQ_INSERT_TAIL(&c->opens, o, entry);
	open_ask(o);
	return o;
}

void
http_connector_cancel(struct http_open *o)
{
	TAILQ_REMOVE(&o->c->opens, o, entry);
	free(o);
}

enum msg_err
http_connector_message(struct http_connector *c, struct msg *m)
{
	struct http_open	*o;
	struct m_cn_fd		 ok;
	struct m_cn_err		 bad;
	enum msg_err		 e;
	int			 fd;

	TAILQ_FOREACH(o, &c->opens, entry)
		if (o->corr == m->h.corr && o->corr != 0)
			break;
	if (m->h.type == MSG_CN_FD) {
		if ((e = get_cn_fd(m, &ok)) != MSG_OK)
			return e;
		if ((fd = msg_take_fd(m, 0)) == -1)
			return MSG_FD;
		if (o == NULL)
			close(fd);
		else
			open_done(o, fd, HTTP_OK, "");
		return MSG_OK;
	}
	if ((e = get_cn_err(m, &bad)) != MSG_OK)
		return e;
	if (o != NULL)
		open_done(o, -1, bad.kind == CN_ERR_TIMEOUT ? HTTP_E_TIMEOUT :
		    bad.kind == CN_ERR_POLICY ? HTTP_E_POLICY :
		    HTTP_E_CONNECT, bad.reason.p);
	return MSG_OK;
}
