/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <unistd.h>

#include <event2/event.h>

#include "gatewayd/connect/addr_policy.h"
#include "gatewayd/connect/dial.h"

#define NEXT_MS		250
#define REASON_MAX	160

struct try {
	struct dial	*d;
	struct event	*ev;
	int		 fd;
	struct sockaddr_storage addr;
};

struct dial {
	struct event_base	*base;
	struct event		*next;		/* start another try */
	struct event		*limit;
	dial_cb			*cb;
	void			*arg;
	struct try		 tries[DIAL_ADDRS_MAX];
	size_t			 ntries, started, failed;
	enum cn_err		 kind;
	char			 reason[REASON_MAX];
};

static void	 dial_next(struct dial *);

static void
addr_text(const struct sockaddr_storage *ss, char *buf, size_t size)
{
	const struct sockaddr_in6	*in6 = (const void *)ss;
	const struct sockaddr_in	*in4 = (const void *)ss;
	char				 a[INET6_ADDRSTRLEN];

	if (ss->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, a, sizeof(a));
		(void)snprintf(buf, size, "[%s]:%u", a,
		    ntohs(in6->sin6_port));
	} else {
		inet_ntop(AF_INET, &in4->sin_addr, a, sizeof(a));
		(void)snprintf(buf, size, "%s:%u", a, ntohs(in4->sin_port));
	}
}

static void
try_close(struct try *t)
{
	if (t->ev != NULL)
		event_free(t->ev);
	if (t->fd != -1)
		close(t->fd);
	t->ev = NULL;
	t->fd = -1;
}

void
dial_cancel(struct dial *d)
{
	size_t	i;

	for (i = 0; i < d->ntries; i++)
		try_close(&d->tries[i]);
	if (d->next != NULL)
		event_free(d->next);
	if (d->limit != NULL)
		event_free(d->limit);
	free(d);
}

static void
dial_give(struct dial *d, int fd, const char *address)
{
	dial_cb		*cb = d->cb;
	void		*arg = d->arg;
	enum cn_err	 kind = d->kind;
	char		 reason[REASON_MAX];

	memcpy(reason, d->reason, sizeof(reason));
	dial_cancel(d);
	cb(fd, address, kind, reason, arg);
}

static void
try_failed(struct try *t, int err)
{
	struct dial	*d = t->d;
	char		 a[80];

	addr_text(&t->addr, a, sizeof(a));
	try_close(t);
	d->failed++;
	/* The first reason is the one about the preferred address. */
	if (d->reason[0] == '\0' || d->kind == CN_ERR_OTHER) {
		d->kind = err == ECONNREFUSED ? CN_ERR_REFUSED :
		    err == ETIMEDOUT ? CN_ERR_TIMEOUT : CN_ERR_OTHER;
		(void)snprintf(d->reason, sizeof(d->reason), "%s: %s", a,
		    strerror(err));
	}
	/* Straight on to the next, from the loop. */
	event_active(d->next, EV_TIMEOUT, 1);
}

static void
try_cb(evutil_socket_t fd, short what, void *arg)
{
	struct try	*t = arg;
	socklen_t	 len = sizeof(int);
	int		 err = 0;
	char		 a[80];

	(void)what;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == -1)
		err = errno;
	if (err != 0) {
		try_failed(t, err);
		return;
	}
	addr_text(&t->addr, a, sizeof(a));
	t->fd = -1;
	dial_give(t->d, fd, a);
}

/* A connection that is silent is either idle or dead: ask the other side. */
static void
socket_options(int fd)
{
	const struct { int level, name, value; } opts[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 20 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
	};
	size_t	i;

	for (i = 0; i < sizeof(opts) / sizeof(opts[0]); i++)
		(void)setsockopt(fd, opts[i].level, opts[i].name,
		    &opts[i].value, sizeof(int));
}

static void
try_start(struct try *t)
{
	socklen_t	len;

	len = t->addr.ss_family == AF_INET ? sizeof(struct sockaddr_in) :
	    sizeof(struct sockaddr_in6);
	t->fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (t->fd == -1) {
		try_failed(t, errno);
		return;
	}
	socket_options(t->fd);
	if (connect(t->fd, (struct sockaddr *)&t->addr, len) == -1 &&
	    errno != EINPROGRESS) {
		try_failed(t, errno);
		return;
	}
	t->ev = event_new(t->d->base, t->fd, EV_WRITE, try_cb, t);
	if (t->ev == NULL || event_add(t->ev, NULL) == -1)
		try_failed(t, ENOMEM);
}

static void
dial_next_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dial_next(arg);
}

static void
dial_next(struct dial *d)
{
	static const struct timeval	moment = { 0, NEXT_MS * 1000 };

	if (d->failed == d->ntries) {
		dial_give(d, -1, "");
		return;
	}
	if (d->started == d->ntries)
		return;		/* the others are still on their way */
	/* try_failed() makes this run at once, whatever the timer says. */
	event_add(d->next, &moment);
	try_start(&d->tries[d->started++]);
}

static void
dial_limit_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dial	*d = arg;

	(void)fd;
	(void)what;
	d->kind = CN_ERR_TIMEOUT;
	(void)snprintf(d->reason, sizeof(d->reason), "no connection in time");
	dial_give(d, -1, "");
}

struct dial *
dial_start(struct event_base *base, const struct sockaddr_storage *addrs,
    size_t n, uint16_t port, bool private, uint32_t timeout_ms, dial_cb *cb,
    void *arg)
{
	struct timeval	 tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct dial	*d;
	struct try	*t;
	const char	*why;
	char		 a[80];
	size_t		 i;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	d->base = base;
	d->cb = cb;
	d->arg = arg;
	d->kind = CN_ERR_OTHER;
	for (i = 0; i < n && d->ntries < DIAL_ADDRS_MAX; i++) {
		t = &d->tries[d->ntries];
		t->d = d;
		t->fd = -1;
		t->addr = addrs[i];
		if (t->addr.ss_family == AF_INET)
			((struct sockaddr_in *)&t->addr)->sin_port =
			    htons(port);
		else
			((struct sockaddr_in6 *)&t->addr)->sin6_port =
			    htons(port);
		why = addr_refused((struct sockaddr *)&t->addr, private);
		if (why == NULL) {
			d->ntries++;
			continue;
		}
		if (d->reason[0] == '\0') {
			addr_text(&t->addr, a, sizeof(a));
			(void)snprintf(d->reason, sizeof(d->reason),
			    "%s: %s is not allowed", a, why);
		}
	}
	/* A refusal is the answer only when nothing else is left to try. */
	if (d->ntries > 0)
		d->reason[0] = '\0';
	else
		d->kind = CN_ERR_POLICY;
	d->next = evtimer_new(base, dial_next_cb, d);
	d->limit = evtimer_new(base, dial_limit_cb, d);
	if (d->next == NULL || d->limit == NULL ||
	    event_add(d->limit, &tv) == -1) {
		dial_cancel(d);
		return NULL;
	}
	event_active(d->next, EV_TIMEOUT, 1);
	return d;
}
