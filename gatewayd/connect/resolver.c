/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One resolve asks for both address types at once, each on a socket of its own
 * with a port of the kernel's choice and a random id, connected, so that a
 * forger must guess both.  Every socket lives for one question.
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <event2/event.h>

#include "gatewayd/connect/resolver.h"

#define FILE_MAX	(256u << 10)
#define LATE_MS		50	/* for the other type, once one has come */
#define TCP_MAX		16384
#define STRAY_MAX	32	/* foreign datagrams before we give up */

struct query {
	struct resolve		*r;
	enum dns_type		 type;
	struct event		*ev;
	int			 fd;
	uint16_t		 id;
	unsigned int		 try, stray;	/* server = try % nservers */
	bool			 tcp, done, sent;
	uint8_t			 out[2 + DNS_QUERY_MAX];
	size_t			 nout, pos;
	uint8_t			*in;		/* TCP answer */
	size_t			 nin;
	enum dns_result		 result;
	struct dns_answer	 answer;
};

struct resolve {
	struct resolver		*rs;
	resolve_cb		*cb;
	void			*arg;
	struct event		*timer;
	bool			 local;		/* the answer is already here */
	struct sockaddr_storage	 addrs[RESOLVE_MAX];
	size_t			 naddrs;
	unsigned int		 candidate;	/* of the search list */
	char			 name[DNS_NAME_MAX + 1];
	char			 full[DNS_NAME_MAX + 1];
	struct query		 q[2];
};

struct resolver {
	struct event_base	*base;
	char			*resolv_path, *hosts_path;
	uint16_t		 dns_port;
	struct timespec		 conf_mtime;
	bool			 have_conf;
	struct resolv_conf	 conf;
};

static void	 query_send(struct query *);
static void	 resolve_candidate(struct resolve *);

/* --- files --------------------------------------------------------------- */

/* A small file as text; the caller frees p.  Empty when it cannot be read. */
static struct str
file_text(int fd)
{
	struct str	 s = { NULL, 0 };
	struct stat	 st;
	ssize_t		 n;
	char		*p;

	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    (size_t)st.st_size > FILE_MAX ||
	    (p = malloc((size_t)st.st_size)) == NULL)
		return s;
	n = read(fd, p, (size_t)st.st_size);
	if (n <= 0) {
		free(p);
		return s;
	}
	return (struct str){ p, (size_t)n };
}

static void
resolver_conf(struct resolver *rs)
{
	struct stat	st;
	struct str	text = { NULL, 0 };
	int		fd;

	fd = open(rs->resolv_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd != -1 && fstat(fd, &st) == 0) {
		if (rs->have_conf &&
		    st.st_mtim.tv_sec == rs->conf_mtime.tv_sec &&
		    st.st_mtim.tv_nsec == rs->conf_mtime.tv_nsec) {
			close(fd);
			return;
		}
		rs->conf_mtime = st.st_mtim;
		text = file_text(fd);
	}
	resolv_conf_parse(&rs->conf, text.p == NULL ?
	    (struct str){ "", 0 } : text);
	free((void *)(uintptr_t)text.p);
	rs->have_conf = fd != -1;
	if (fd != -1)
		close(fd);
}

static size_t
resolver_hosts(struct resolver *rs, const char *name,
    struct sockaddr_storage *out, size_t max)
{
	struct str	text;
	size_t		n = 0;
	int		fd;

	fd = open(rs->hosts_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return 0;
	text = file_text(fd);
	if (text.n > 0)
		n = hosts_find(text, name, out, max);
	free((void *)(uintptr_t)text.p);
	close(fd);
	return n;
}

struct resolver *
resolver_new(struct event_base *base, const char *resolv_path,
    const char *hosts_path, uint16_t dns_port)
{
	struct resolver	*rs;

	if ((rs = calloc(1, sizeof(*rs))) == NULL)
		return NULL;
	rs->base = base;
	rs->dns_port = dns_port;
	rs->resolv_path = strdup(resolv_path);
	rs->hosts_path = strdup(hosts_path);
	if (rs->resolv_path == NULL || rs->hosts_path == NULL) {
		resolver_free(rs);
		return NULL;
	}
	return rs;
}

void
resolver_free(struct resolver *rs)
{
	if (rs == NULL)
		return;
	free(rs->resolv_path);
	free(rs->hosts_path);
	free(rs);
}

/* --- one resolve --------------------------------------------------------- */

static void
query_close(struct query *q)
{
	if (q->ev != NULL)
		event_free(q->ev);
	if (q->fd != -1)
		close(q->fd);
	free(q->in);
	q->ev = NULL;
	q->fd = -1;
	q->in = NULL;
	q->nin = 0;
}

void
resolve_cancel(struct resolve *r)
{
	query_close(&r->q[0]);
	query_close(&r->q[1]);
	if (r->timer != NULL)
		event_free(r->timer);
	free(r);
}

static void
resolve_give(struct resolve *r, const char *reason)
{
	struct sockaddr_storage	 addrs[RESOLVE_MAX];
	resolve_cb		*cb = r->cb;
	void			*arg = r->arg;
	size_t			 n = r->naddrs;

	memcpy(addrs, r->addrs, n * sizeof(addrs[0]));
	resolve_cancel(r);
	cb(addrs, n, reason, arg);
}

/* IPv6 first, then in turns, as RFC 8305 wants them tried. */
static void
resolve_merge(struct resolve *r)
{
	struct sockaddr_in6	*in6;
	struct sockaddr_in	*in4;
	size_t			 i;

	for (i = 0; i < DNS_ADDRS_MAX; i++) {
		if (i < r->q[1].answer.n) {
			in6 = (struct sockaddr_in6 *)&r->addrs[r->naddrs++];
			in6->sin6_family = AF_INET6;
			memcpy(&in6->sin6_addr, r->q[1].answer.addr[i], 16);
		}
		if (i < r->q[0].answer.n) {
			in4 = (struct sockaddr_in *)&r->addrs[r->naddrs++];
			in4->sin_family = AF_INET;
			memcpy(&in4->sin_addr, r->q[0].answer.addr[i], 4);
		}
	}
}

static const char *
result_reason(enum dns_result a, enum dns_result b)
{
	/* What a server said counts more than that another said nothing. */
	if (a == DNS_NXDOMAIN || b == DNS_NXDOMAIN)
		return "no such host";
	if (a == DNS_NODATA || b == DNS_NODATA)
		return "host has no address";
	return RESOLVE_NO_SERVER;
}

static void
resolve_progress(struct resolve *r)
{
	static const struct timeval	late = { 0, LATE_MS * 1000 };
	struct query			*a = &r->q[0], *b = &r->q[1];

	if (!a->done || !b->done) {
		/* A fast IPv4 answer waits a moment for IPv6, not for ever. */
		if ((a->done && a->result == DNS_OK) ||
		    (b->done && b->result == DNS_OK))
			event_add(r->timer, &late);
		return;
	}
	if (a->result != DNS_OK && b->result != DNS_OK) {
		if (a->result == DNS_NXDOMAIN || b->result == DNS_NXDOMAIN ||
		    a->result == DNS_NODATA) {
			r->candidate++;
			resolve_candidate(r);
			return;
		}
		resolve_give(r, result_reason(a->result, b->result));
		return;
	}
	resolve_merge(r);
	resolve_give(r, "");
}

static void
resolve_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct resolve	*r = arg;

	(void)fd;
	(void)what;
	if (!r->local)
		resolve_merge(r);
	resolve_give(r, r->naddrs > 0 ? "" : "no such host");
}

static void
query_done(struct query *q, enum dns_result result)
{
	query_close(q);
	q->done = true;
	q->result = result;
	resolve_progress(q->r);
}

/* This server did not help: the next, until all were asked often enough. */
static void
query_next(struct query *q)
{
	struct resolv_conf	*c = &q->r->rs->conf;

	query_close(q);
	q->tcp = false;
	if (++q->try >= c->attempts * c->nservers) {
		query_done(q, DNS_FAILED);
		return;
	}
	query_send(q);
	if (q->done)
		resolve_progress(q->r);
}

static void
query_answer(struct query *q, const uint8_t *p, size_t n)
{
	enum dns_result	res;

	res = dns_answer_parse(p, n, q->id, q->r->full, q->type, &q->answer);
	switch (res) {
	case DNS_OK:
	case DNS_NODATA:
	case DNS_NXDOMAIN:
		query_done(q, res);
		return;
	case DNS_TRUNCATED:
		if (q->tcp)
			break;
		query_close(q);
		q->tcp = true;
		query_send(q);
		if (q->done)
			resolve_progress(q->r);
		return;
	case DNS_NOT_OURS:
		if (!q->tcp && ++q->stray < STRAY_MAX)
			return;
		break;
	case DNS_FAILED:
	case DNS_MALFORMED:
		break;
	}
	query_next(q);
}

static void
query_udp(struct query *q)
{
	uint8_t	buf[DNS_UDP_MAX];
	ssize_t	n;

	n = recv(q->fd, buf, sizeof(buf), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		query_next(q);	/* ECONNREFUSED: nobody listens there */
	else
		query_answer(q, buf, (size_t)n);
}

static void
query_tcp(struct query *q)
{
	struct event	*ev;
	ssize_t		 n;
	size_t		 want;

	if (q->pos < q->nout) {
		n = send(q->fd, q->out + q->pos, q->nout - q->pos,
		    MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			query_next(q);
			return;
		}
		if ((q->pos += (size_t)n) < q->nout)
			return;
		/* From now on it reads. */
		ev = q->ev;
		event_del(ev);
		if (event_assign(ev, q->r->rs->base, q->fd, EV_READ |
		    EV_PERSIST, event_get_callback(ev), q) == -1 ||
		    event_add(ev, &(struct timeval){
		    q->r->rs->conf.timeout_s, 0 }) == -1)
			query_next(q);
		return;
	}
	if (q->in == NULL && (q->in = malloc(TCP_MAX)) == NULL) {
		query_next(q);
		return;
	}
	n = recv(q->fd, q->in + q->nin, TCP_MAX - q->nin, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		query_next(q);
		return;
	}
	q->nin += (size_t)n;
	if (q->nin < 2)
		return;
	want = (size_t)q->in[0] << 8 | q->in[1];
	if (want > TCP_MAX - 2)
		query_next(q);
	else if (q->nin >= want + 2)
		query_answer(q, q->in + 2, want);
}

static void
query_event_cb(evutil_socket_t fd, short what, void *arg)
{
	struct query	*q = arg;

	(void)fd;
	if (what & EV_TIMEOUT)
		query_next(q);
	else if (q->tcp)
		query_tcp(q);
	else
		query_udp(q);
}

static int
query_open(struct query *q)
{
	struct resolver		*rs = q->r->rs;
	struct sockaddr_storage	 ss;
	struct timeval		 tv = { rs->conf.timeout_s, 0 };
	socklen_t		 len;

	ss = rs->conf.servers[q->try % rs->conf.nservers];
	if (ss.ss_family == AF_INET) {
		((struct sockaddr_in *)&ss)->sin_port = htons(rs->dns_port);
		len = sizeof(struct sockaddr_in);
	} else {
		((struct sockaddr_in6 *)&ss)->sin6_port = htons(rs->dns_port);
		len = sizeof(struct sockaddr_in6);
	}
	q->fd = socket(ss.ss_family, (q->tcp ? SOCK_STREAM : SOCK_DGRAM) |
	    SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (q->fd == -1)
		return -1;
	if (connect(q->fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS)
		return -1;
	if (!q->tcp && send(q->fd, q->out + 2, q->nout - 2,
	    MSG_NOSIGNAL) == -1)
		return -1;
	q->ev = event_new(rs->base, q->fd, (q->tcp ? EV_WRITE : EV_READ) |
	    EV_PERSIST, query_event_cb, q);
	return q->ev == NULL ? -1 : event_add(q->ev, &tv);
}

static void
query_send(struct query *q)
{
	static const struct timeval	zero;
	ssize_t				n;

	arc4random_buf(&q->id, sizeof(q->id));
	q->pos = 0;
	n = dns_query_encode(q->out + 2, q->id, q->r->full, q->type);
	if (n == -1) {
		q->done = true;
		q->result = DNS_NXDOMAIN;
		return;
	}
	q->out[0] = (uint8_t)(n >> 8);
	q->out[1] = (uint8_t)n;
	q->nout = (size_t)n + 2;
	if (query_open(q) == 0)
		return;
	/* The next server from the loop, not from here: no recursion and no
	 * callback before resolve_start() has returned. */
	if (q->ev != NULL)
		event_free(q->ev);
	q->ev = evtimer_new(q->r->rs->base, query_event_cb, q);
	if (q->ev == NULL || event_add(q->ev, &zero) == -1) {
		q->done = true;
		q->result = DNS_FAILED;
	}
}

/* Name number r->candidate in the order of resolv.conf(5); false at the end. */
static bool
candidate_name(struct resolve *r)
{
	struct resolv_conf	*c = &r->rs->conf;
	unsigned int		 i, dots = 0, plain;
	const char		*p;
	int			 n;

	for (p = r->name; *p != '\0'; p++)
		dots += *p == '.';
	if (p > r->name && p[-1] == '.')
		return r->candidate == 0 && strlcpy(r->full, r->name,
		    sizeof(r->full)) < sizeof(r->full);
	/* The name as it is comes first when it has dots enough. */
	plain = dots >= c->ndots ? 0 : (unsigned int)c->nsearch;
	i = r->candidate;
	if (i == plain)
		return strlcpy(r->full, r->name, sizeof(r->full)) <
		    sizeof(r->full);
	/* A name with a dot is whole; it does not go to the search list, where
	 * somebody else might answer for it. */
	if (dots > 0 && dots >= c->ndots)
		return false;
	if (i > plain)
		i--;
	if (i >= c->nsearch)
		return false;
	n = snprintf(r->full, sizeof(r->full), "%s.%s", r->name, c->search[i]);
	return n > 0 && (size_t)n < sizeof(r->full);
}

static void
resolve_candidate(struct resolve *r)
{
	static const struct timeval	zero;
	int				i;

	if (r->candidate > RESOLV_SEARCH_MAX || !candidate_name(r)) {
		r->local = true;
		event_add(r->timer, &zero);
		return;
	}
	for (i = 0; i < 2; i++) {
		query_close(&r->q[i]);
		r->q[i] = (struct query){ .r = r, .fd = -1,
		    .type = i == 0 ? DNS_A : DNS_AAAA };
		query_send(&r->q[i]);
	}
	if (r->q[0].done && r->q[1].done) {
		r->local = true;
		event_add(r->timer, &zero);
	}
}

static bool
is_localhost(const char *name)
{
	size_t	n = strlen(name);

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n == 9)
		return ascii_ncasecmp(name, "localhost", 9) == 0;
	return n > 10 && ascii_ncasecmp(name + n - 10, ".localhost", 10) == 0;
}

struct resolve *
resolve_start(struct resolver *rs, const char *name, resolve_cb *cb, void *arg)
{
	static const struct timeval	 zero;
	struct resolve			*r;

	if ((r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	r->rs = rs;
	r->cb = cb;
	r->arg = arg;
	r->q[0].fd = r->q[1].fd = -1;
	if ((r->timer = evtimer_new(rs->base, resolve_timer_cb, r)) == NULL ||
	    strlcpy(r->name, name, sizeof(r->name)) >= sizeof(r->name)) {
		resolve_cancel(r);
		return NULL;
	}
	r->local = true;
	if (addr_parse(name, &r->addrs[0]) == 0)
		r->naddrs = 1;
	else
		r->naddrs = resolver_hosts(rs, name, r->addrs, RESOLVE_MAX);
	if (r->naddrs == 0 && is_localhost(name)) {
		/* RFC 6761: never a question to a server. */
		addr_parse("127.0.0.1", &r->addrs[0]);
		addr_parse("::1", &r->addrs[1]);
		r->naddrs = 2;
	}
	if (r->naddrs > 0) {
		event_add(r->timer, &zero);
		return r;
	}
	r->local = false;
	resolver_conf(rs);
	resolve_candidate(r);
	return r;
}
