/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A worker names a destination by number; host, port and whether it may be in
 * the own network come from our parcel, looked up by the name of the link that
 * the parent made.  Nothing that a worker sends chooses an address.
 *
 * The fetcher alone names hosts, and gets public addresses only: 80 and 443,
 * unless its list has that host with that port.
 */

#include "common/compat.h"

#include <sys/queue.h>

#include <errno.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/text.h"
#include "gatewayd/connect/addr_policy.h"
#include "gatewayd/connect/broker.h"
#include "gatewayd/connect/dial.h"

#define WORKERS_MAX	1024
#define DESTS_MAX	64
#define PENDING_MAX	32	/* requests of one worker at a time */
#define BURST		60	/* and how many it may make at once, */
#define RATE_MS		250	/* one more every so often */

struct dest {
	char		*host;
	uint16_t	 port;
	bool		 private;
};

struct client {
	char		*name;
	struct dest	*dests;
	size_t		 ndests;
	bool		 public;	/* may name public hosts itself */
};

struct table {
	struct client	*clients;
	size_t		 n;
};

/* Of a link, kept as its data. */
struct account {
	unsigned int	pending;
	unsigned int	tokens;
	uint64_t	since_ms;
};

struct request {
	TAILQ_ENTRY(request)	 entry;
	struct broker		*b;
	struct link		*link;
	uint64_t		 corr;
	struct resolve		*resolve;
	struct dial		*dial;
	struct event		*limit;
	uint64_t		 deadline_ms;
	char			 host[DNS_NAME_MAX + 1];
	uint16_t		 port;
	bool			 private;
	bool			 named;		/* by the worker */
};

struct broker {
	struct event_base	*base;
	struct resolver		*resolver;
	struct table		 now, next;
	TAILQ_HEAD(, request)	 requests;
	struct broker_stats	 stats;
};

static void
table_clear(struct table *t)
{
	struct client	*c;
	size_t		 i;

	for (c = t->clients; c < t->clients + t->n; c++) {
		for (i = 0; i < c->ndests; i++)
			free(c->dests[i].host);
		free(c->dests);
		free(c->name);
	}
	free(t->clients);
	memset(t, 0, sizeof(*t));
}

static const char *
client_load(struct client *c, const struct parcel *p, unsigned int w)
{
	const char	*host;
	struct dest	*d;
	size_t		 n = 0;

	c->public = parcel_get_bool(p, false, "worker.%u.public", w);
	while (parcel_get(p, "worker.%u.dest.%zu.host", w, n) != NULL)
		if (++n > DESTS_MAX)
			return "too many destinations";
	if ((c->dests = calloc(n > 0 ? n : 1, sizeof(*d))) == NULL)
		return "out of memory";
	for (; c->ndests < n; c->ndests++) {
		d = &c->dests[c->ndests];
		host = parcel_get(p, "worker.%u.dest.%zu.host", w, c->ndests);
		d->port = (uint16_t)parcel_get_num(p, 0, 1, 65535,
		    "worker.%u.dest.%zu.port", w, c->ndests);
		d->private = parcel_get_bool(p, false,
		    "worker.%u.dest.%zu.private", w, c->ndests);
		if (d->port == 0 || *host == '\0' ||
		    strlen(host) > DNS_NAME_MAX)
			return "destination without host or port";
		if ((d->host = strdup(host)) == NULL)
			return "out of memory";
	}
	return NULL;
}

int
broker_load(struct broker *b, const struct parcel *p, char *why, size_t size)
{
	struct table	*t = &b->next;
	const char	*name, *reason;
	size_t		 n = 0;

	table_clear(t);
	while (parcel_get(p, "worker.%zu.name", n) != NULL)
		n++;
	if (n > WORKERS_MAX || (t->clients = calloc(n > 0 ? n : 1,
	    sizeof(*t->clients))) == NULL) {
		(void)snprintf(why, size, "too many workers");
		return -1;
	}
	for (; t->n < n; t->n++) {
		name = parcel_get(p, "worker.%zu.name", t->n);
		if ((t->clients[t->n].name = strdup(name)) == NULL)
			reason = "out of memory";
		else
			reason = client_load(&t->clients[t->n], p,
			    (unsigned int)t->n);
		if (reason != NULL) {
			(void)snprintf(why, size, "%s: %s", name, reason);
			t->n++;
			table_clear(t);
			return -1;
		}
	}
	return 0;
}

void
broker_commit(struct broker *b)
{
	table_clear(&b->now);
	b->now = b->next;
	memset(&b->next, 0, sizeof(b->next));
}

struct broker *
broker_new(struct event_base *base, struct resolver *rs)
{
	struct broker	*b;

	if ((b = calloc(1, sizeof(*b))) == NULL)
		return NULL;
	b->base = base;
	b->resolver = rs;
	TAILQ_INIT(&b->requests);
	return b;
}

const struct broker_stats *
broker_stats(const struct broker *b)
{
	return &b->stats;
}

static const struct client *
client_find(const struct broker *b, const char *worker)
{
	size_t	i;

	for (i = 0; i < b->now.n; i++)
		if (strcmp(b->now.clients[i].name, worker) == 0)
			return &b->now.clients[i];
	return NULL;
}

/* Where a worker that names hosts may go: NULL with d filled, or why not. */
static const char *
dest_named(const struct client *c, struct dest *d)
{
	const char	*why;
	size_t		 i;

	for (i = 0; i < c->ndests; i++)
		if (c->dests[i].port == d->port &&
		    ascii_casecmp(c->dests[i].host, d->host) == 0) {
			d->private = c->dests[i].private;
			return NULL;
		}
	if ((why = name_refused(d->host)) != NULL)
		return why;
	return d->port == 80 || d->port == 443 ? NULL :
	    "port other than 80 and 443";
}

static void
send_err(struct broker *b, struct link *l, uint64_t corr, enum cn_err kind,
    const char *reason)
{
	struct m_cn_err	m = { 0 };

	m.kind = kind;
	m.reason = str_of(reason);
	if (kind == CN_ERR_POLICY || kind == CN_ERR_LIMIT)
		b->stats.refused++;
	else
		b->stats.failed++;
	if (send_cn_err(l, &m, corr, MSG_F_REPLY) == -1)
		log_warn("%s: cannot answer", link_name(l));
}

static void
request_free(struct request *rq)
{
	struct account	*a = link_data(rq->link);

	a->pending--;
	rq->b->stats.pending--;
	TAILQ_REMOVE(&rq->b->requests, rq, entry);
	if (rq->resolve != NULL)
		resolve_cancel(rq->resolve);
	if (rq->dial != NULL)
		dial_cancel(rq->dial);
	if (rq->limit != NULL)
		event_free(rq->limit);
	free(rq);
}

static void
request_fail(struct request *rq, enum cn_err kind, const char *reason)
{
	struct link	*l = rq->link;
	struct broker	*b = rq->b;
	uint64_t	 corr = rq->corr;
	char		 text[512];

	/* A reason about a literal already begins with it. */
	if (strncmp(reason, rq->host, strlen(rq->host)) == 0)
		(void)strlcpy(text, reason, sizeof(text));
	else
		(void)snprintf(text, sizeof(text), "%s:%u: %s", rq->host,
		    rq->port, reason);
	if (kind == CN_ERR_POLICY)
		log_warnx("%s: %s", link_name(l), text);
	else
		log_info("%s: %s", link_name(l), text);
	request_free(rq);
	send_err(b, l, corr, kind, text);
}

static void
request_dialled_cb(int fd, const char *address, enum cn_err kind,
    const char *reason, void *arg)
{
	struct request	*rq = arg;
	struct m_cn_fd	 m = { 0 };
	struct link	*l = rq->link;
	uint64_t	 corr = rq->corr;

	rq->dial = NULL;
	if (fd == -1) {
		request_fail(rq, kind, reason);
		return;
	}
	log_debug("%s: %s:%u: connected to %s", link_name(l), rq->host,
	    rq->port, address);
	rq->b->stats.opened++;
	request_free(rq);
	m.address = str_of(address);
	/* Takes the descriptor, also when it fails. */
	if (link_send_fds(l, MSG_CN_FD, &m, corr, MSG_F_REPLY, &fd, 1) == -1)
		log_warn("%s: cannot hand over", link_name(l));
}

static void
request_resolved_cb(const struct sockaddr_storage *addrs, size_t n,
    const char *reason, void *arg)
{
	struct request	*rq = arg;
	const char	*why;
	uint64_t	 now = mono_ms();
	size_t		 i;
	char		 text[128];

	rq->resolve = NULL;
	if (n == 0 && strcmp(reason, RESOLVE_NO_SERVER) == 0)
		rq->b->stats.unanswered++;
	else
		rq->b->stats.unanswered = 0;
	if (n == 0) {
		request_fail(rq, CN_ERR_DNS, reason);
		return;
	}
	if (now >= rq->deadline_ms) {
		request_fail(rq, CN_ERR_TIMEOUT, "no address in time");
		return;
	}
	/* A name with one address outside and one inside is a trap. */
	for (i = 0; rq->named && i < n; i++)
		if ((why = addr_refused((const struct sockaddr *)&addrs[i],
		    rq->private)) != NULL) {
			(void)snprintf(text, sizeof(text),
			    "%s is not allowed", why);
			request_fail(rq, CN_ERR_POLICY, text);
			return;
		}
	/* These addresses and no others: the name is not asked again. */
	rq->dial = dial_start(rq->b->base, addrs, n, rq->port, rq->private,
	    (uint32_t)(rq->deadline_ms - now), request_dialled_cb, rq);
	if (rq->dial == NULL)
		request_fail(rq, CN_ERR_OTHER, "out of memory");
}

static void
request_limit_cb(evutil_socket_t fd, short what, void *arg)
{
	struct request	*rq = arg;

	(void)fd;
	(void)what;
	if (rq->dial != NULL)
		return;
	rq->b->stats.unanswered++;
	request_fail(rq, CN_ERR_TIMEOUT, "no address in time");
}

/* May this worker make one more request now? */
static bool
account_take(struct account *a)
{
	uint64_t	now = mono_ms(), more;

	more = (now - a->since_ms) / RATE_MS;
	if (more > 0) {
		a->since_ms += more * RATE_MS;
		a->tokens = more >= BURST - a->tokens ? BURST :
		    a->tokens + (unsigned int)more;
	}
	if (a->tokens == 0 || a->pending >= PENDING_MAX)
		return false;
	a->tokens--;
	return true;
}

static struct account *
account_of(struct link *l)
{
	struct account	*a;

	if ((a = link_data(l)) == NULL &&
	    (a = calloc(1, sizeof(*a))) != NULL) {
		a->tokens = BURST;
		a->since_ms = mono_ms();
		link_setdata(l, a);
	}
	return a;
}

static int
request_start(struct broker *b, struct link *l, uint64_t corr,
    const struct dest *d, bool named, uint32_t timeout_ms)
{
	struct timeval	 tv = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct account	*a = link_data(l);
	struct request	*rq;

	if ((rq = calloc(1, sizeof(*rq))) == NULL)
		return -1;
	rq->b = b;
	rq->link = l;
	rq->corr = corr;
	rq->port = d->port;
	rq->private = d->private;
	rq->named = named;
	rq->deadline_ms = mono_ms() + timeout_ms;
	(void)strlcpy(rq->host, d->host, sizeof(rq->host));
	TAILQ_INSERT_TAIL(&b->requests, rq, entry);
	a->pending++;
	b->stats.pending++;
	if ((rq->limit = evtimer_new(b->base, request_limit_cb, rq)) == NULL ||
	    event_add(rq->limit, &tv) == -1 ||
	    (rq->resolve = resolve_start(b->resolver, rq->host,
	    request_resolved_cb, rq)) == NULL) {
		request_free(rq);
		return -1;
	}
	return 0;
}

enum msg_err
broker_open(struct broker *b, struct link *l, struct msg *m)
{
	struct m_cn_open	 v;
	const struct client	*c;
	const struct dest	*d = NULL;
	struct dest		 one = { 0 };
	struct account		*a;
	const char		*why;
	enum msg_err		 err;
	bool			 named = link_peer(l) == ROLE_FETCH;
	char			 host[DNS_NAME_MAX + 1], text[512];

	if ((err = get_cn_open(m, &v)) != MSG_OK)
		return err;
	if (named ? v.dest != 0 || v.port == 0 || str_copy(v.host, host,
	    sizeof(host)) == -1 : v.host.n != 0 || v.port != 0)
		return MSG_MEANING;
	if ((a = account_of(l)) == NULL)
		return MSG_NOMEM;
	c = client_find(b, link_name(l));
	if (named && c != NULL && c->public) {
		one.host = host;
		one.port = v.port;
		if ((why = dest_named(c, &one)) != NULL) {
			(void)snprintf(text, sizeof(text),
			    "%s:%u: %s is not allowed", host, v.port, why);
			log_info("%s: %s", link_name(l), text);
			send_err(b, l, m->h.corr, CN_ERR_POLICY, text);
			return MSG_OK;
		}
		d = &one;
	} else if (!named && c != NULL && v.dest < c->ndests)
		d = &c->dests[v.dest];
	if (d == NULL) {
		log_warnx("%s: destination %u is not in its list",
		    link_name(l), v.dest);
		send_err(b, l, m->h.corr, CN_ERR_POLICY,
		    "destination is not configured");
		return MSG_OK;
	}
	if (!account_take(a)) {
		send_err(b, l, m->h.corr, CN_ERR_LIMIT,
		    "too many connections asked for");
		return MSG_OK;
	}
	if (request_start(b, l, m->h.corr, d, named, v.timeout_ms) == -1)
		send_err(b, l, m->h.corr, CN_ERR_OTHER, "out of memory");
	return MSG_OK;
}

void
broker_forget(struct broker *b, struct link *l)
{
	struct request	*rq, *next;

	for (rq = TAILQ_FIRST(&b->requests); rq != NULL; rq = next) {
		next = TAILQ_NEXT(rq, entry);
		if (rq->link == l)
			request_free(rq);
	}
	free(link_data(l));
	link_setdata(l, NULL);
}
