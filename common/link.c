/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * SEQPACKET links between processes; see link.h for the contract.  This file
 * trusts nothing that it receives: whatever is not in the tables ends the link
 * before a handler runs.
 */
#include "common/compat.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "common/link.h"
#include "common/log.h"

#define LINK_BATCH	32		/* messages per turn of the loop */
#define LINK_LAST	16384		/* messages of a peer that ended */
#define LINK_SNDBUF	(1 << 20)	/* default stops at 93 of 1 KiB */
#define LINK_FDS	(MSG_FDS_MAX + 2)

struct packet {
	STAILQ_ENTRY(packet)	 entry;
	size_t			 n;
	int			 fds[LINK_FDS];
	size_t			 nfds;
	uint8_t			 data[];
};

struct link {
	int			 fd;
	enum role		 self, peer;
	enum link_state		 state;
	uint32_t		 endpoint;
	char			*instance;
	char			*name;
	void			*data;
	const struct link_ops	*ops;
	void			*arg;
	struct event_base	*base;
	struct event		*rev, *wev;
	STAILQ_HEAD(, packet)	 queue;
	size_t			 queued;
	uint32_t		 seq_in, seq_out;
	bool			 full;		/* drained() is owed */
	bool			 closing;	/* freed by a zero timer */
};

static uint8_t link_inbuf[LINK_INLINE_MAX + 1];	/* one read at a time */
static uint8_t link_outbuf[LINK_INLINE_MAX];
static struct link_stats link_totals;

static void	 link_read_cb(evutil_socket_t, short, void *);
static void	 link_write_cb(evutil_socket_t, short, void *);
static void	 link_reap_cb(evutil_socket_t, short, void *);
static void	 link_gone(struct link *, enum msg_err, uint16_t);

struct link *
link_new(struct event_base *base, int fd, enum role self, enum role peer,
    const char *instance, uint32_t endpoint, const struct link_ops *ops,
    void *arg)
{
	struct link	*l;
	int		 size = LINK_SNDBUF;

	if (fd_nonblock(fd) == -1 || (l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	/* Above the system's limit this is cut, which only queues earlier. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	l->fd = fd;
	l->self = self;
	l->peer = peer;
	l->state = LINK_SETUP;
	l->endpoint = endpoint;
	l->ops = ops;
	l->arg = arg;
	l->base = base;
	STAILQ_INIT(&l->queue);
	if ((l->instance = strdup(instance)) == NULL ||
	    asprintf(&l->name, "%s%s%s", role_name(peer),
	    instance[0] != '\0' ? "/" : "", instance) == -1) {
		l->name = NULL;
		goto fail;
	}
	l->rev = event_new(base, fd, EV_READ | EV_PERSIST, link_read_cb, l);
	l->wev = event_new(base, fd, EV_WRITE, link_write_cb, l);
	if (l->rev == NULL || l->wev == NULL || event_add(l->rev, NULL) == -1)
		goto fail;
	return l;
fail:
	if (l->rev != NULL)
		event_free(l->rev);
	if (l->wev != NULL)
		event_free(l->wev);
	free(l->instance);
	free(l->name);
	free(l);
	errno = ENOMEM;
	return NULL;
}

enum role
link_peer(const struct link *l)
{
	return l->peer;
}

const char *
link_instance(const struct link *l)
{
	return l->instance;
}

uint32_t
link_endpoint(const struct link *l)
{
	return l->endpoint;
}

const char *
link_name(const struct link *l)
{
	return l->name;
}

void
link_setstate(struct link *l, enum link_state s)
{
	l->state = s;
}

void
link_setdata(struct link *l, void *data)
{
	l->data = data;
}

void *
link_data(const struct link *l)
{
	return l->data;
}

uint64_t
link_corr(void)
{
	static uint64_t	 last;

	return ++last;
}

void
link_stats(struct link_stats *st)
{
	*st = link_totals;
}

/* --- sending ------------------------------------------------------------ */

static void
fds_close(const int *fds, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (fds[i] != -1)
			close(fds[i]);
}

/* 1 sent, 0 the socket is full, -1 the link is dead. */
static int
link_write(struct link *l, const void *p, size_t n, const int *fds,
    size_t nfds)
{
	union {
		struct cmsghdr	 align;
		char		 buf[CMSG_SPACE(sizeof(int) * LINK_FDS)];
	}		 control;
	struct iovec	 iov = { (void *)(uintptr_t)p, n };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*c;
	ssize_t		 r;

	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
	}
	do
		r = sendmsg(l->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r == -1 && errno == EINTR);
	if (r == -1) {
		/* ETOOMANYREFS: too many descriptors in flight; they drain. */
		if (errno == EAGAIN || errno == ENOBUFS ||
		    errno == ETOOMANYREFS)
			return 0;
		return -1;
	}
	fds_close(fds, nfds);
	link_totals.msgs_out++;
	link_totals.bytes_out += n;
	return 1;
}

static int
link_enqueue(struct link *l, const void *p, size_t n, const int *fds,
    size_t nfds)
{
	struct packet	*pk;

	if (n > LINK_MAX - l->queued) {
		errno = ENOBUFS;
		return -1;
	}
	if ((pk = malloc(sizeof(*pk) + n)) == NULL)
		return -1;
	pk->n = n;
	pk->nfds = nfds;
	memcpy(pk->data, p, n);
	if (nfds > 0)
		memcpy(pk->fds, fds, sizeof(int) * nfds);
	STAILQ_INSERT_TAIL(&l->queue, pk, entry);
	l->queued += n;
	if (l->queued >= LINK_HIGH)
		l->full = true;
	event_add(l->wev, NULL);
	return 0;
}

/* Numbers the datagram in buf and sends or queues it; takes the fds. */
static int
link_put(struct link *l, uint8_t *buf, size_t n, struct msg_header *h,
    const int *fds, size_t nfds)
{
	int	 r, saved;

	if (l->closing || l->fd == -1) {
		fds_close(fds, nfds);
		errno = EPIPE;
		return -1;
	}
	h->length = (uint32_t)n;
	h->version = MSG_PROTOCOL;
	h->dst = l->endpoint;
	h->src = 0;
	h->seq = l->seq_out + 1;
	if (nfds > 0)
		h->flags |= MSG_F_FDS;
	else
		h->flags &= (uint8_t)~MSG_F_FDS;
	msg_header_put(buf, h);
	r = STAILQ_EMPTY(&l->queue) ? link_write(l, buf, n, fds, nfds) : 0;
	if (r == 0 && link_enqueue(l, buf, n, fds, nfds) == -1) {
		saved = errno;
		fds_close(fds, nfds);
		errno = saved;
		return -1;
	}
	if (r == -1) {
		/* The reader sees the end and reports it; here only refuse. */
		saved = errno;
		fds_close(fds, nfds);
		errno = saved == ECONNRESET ? EPIPE : saved;
		return -1;
	}
	l->seq_out++;
	return 0;
}

int
link_send_fds(struct link *l, uint16_t type, const void *value, uint64_t corr,
    unsigned int flags, const int *fds, size_t nfds)
{
	struct msg_header	 h = { .type = type, .corr = corr };
	const struct msg_desc	*d = msg_desc(type);
	int			 all[LINK_FDS];
	size_t			 nbody = 0;
	ssize_t			 n;
	int			 saved;

	if (d == NULL || nfds > d->fds || nfds > MSG_FDS_MAX ||
	    msg_allowed(type, l->self, l->peer, l->state) == MSG_DIRECTION) {
		fds_close(fds, nfds);
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0)
		memcpy(all, fds, sizeof(int) * nfds);
	n = msg_encode(type, value, link_outbuf, sizeof(link_outbuf),
	    all + nfds, &nbody);
	if (n == -1) {
		saved = errno;
		fds_close(fds, nfds);
		errno = saved;
		return -1;
	}
	h.flags = (uint8_t)(flags & (MSG_F_REPLY | MSG_F_MORE));
	return link_put(l, link_outbuf, (size_t)n, &h, all, nfds + nbody);
}

static void
packet_free(struct packet *pk, bool close_fds)
{
	if (close_fds)
		fds_close(pk->fds, pk->nfds);
	explicit_bzero(pk->data, pk->n);
	free(pk);
}

/* Writes queued packets, at most `batch` of them; -1 when the link is dead. */
static int
link_write_queue(struct link *l, unsigned int batch)
{
	struct packet	*pk;
	int		 r;

	while (batch-- > 0 && (pk = STAILQ_FIRST(&l->queue)) != NULL) {
		if ((r = link_write(l, pk->data, pk->n, pk->fds,
		    pk->nfds)) != 1)
			return r;
		STAILQ_REMOVE_HEAD(&l->queue, entry);
		l->queued -= pk->n;
		packet_free(pk, false);
	}
	return 0;
}

static void
link_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct link	*l = arg;

	if (link_write_queue(l, LINK_BATCH) == -1)
		return;		/* the reader reports the end */
	if (!STAILQ_EMPTY(&l->queue))
		event_add(l->wev, NULL);
	if (l->full && l->queued < LINK_LOW) {
		l->full = false;
		if (l->ops->drained != NULL && !l->closing)
			l->ops->drained(l, l->arg);
	}
}

bool
link_full(const struct link *l)
{
	return l->full;
}

size_t
link_queued(const struct link *l)
{
	return l->queued;
}

void
link_flush(struct link *l)
{
	if (l->fd != -1)
		link_write_queue(l, UINT32_MAX);
}

/* --- receiving ---------------------------------------------------------- */

/* Collects every descriptor that came, also the surplus, so that none stays
 * open unseen. */
static enum msg_err
link_take_fds(struct msghdr *mh, struct msg *m)
{
	struct cmsghdr	*c;
	size_t		 i, n;
	int		 fd;
	enum msg_err	 err = MSG_OK;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET ||
		    c->cmsg_type != SCM_RIGHTS) {
			err = MSG_FD;
			continue;
		}
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(int));
			if (m->nfds < LINK_FDS)
				m->fds[m->nfds++] = fd;
			else {
				close(fd);
				err = MSG_FD;
			}
		}
	}
	return err;
}

static enum msg_err
link_check(struct link *l, struct msg *m, size_t n, int flags)
{
	const struct msg_desc	*d;
	enum msg_err		 err;

	if (flags & MSG_TRUNC)
		return MSG_TOO_LARGE;
	if (flags & MSG_CTRUNC)
		return MSG_FD;
	if ((err = msg_header_get(link_inbuf, n, &m->h)) != MSG_OK)
		return err;
	m->h.src = l->endpoint;
	if ((d = msg_desc(m->h.type)) == NULL)
		return MSG_UNKNOWN;
	err = msg_allowed(m->h.type, l->peer, l->self, l->state);
	/* What was sent before the peer could know that we drain. */
	if (err == MSG_STATE && l->state == LINK_DRAIN)
		err = msg_allowed(m->h.type, l->peer, l->self, LINK_RUN);
	if (err != MSG_OK)
		return err;
	if (n > d->max)
		return MSG_TOO_LARGE;
	if (m->h.seq != l->seq_in + 1)
		return MSG_SEQUENCE;
	if (m->nfds > (size_t)d->fds + 2)
		return MSG_FD;
	return MSG_OK;
}

/* 1 one message was handled, 0 nothing there, -1 the link is gone. */
static int
link_read(struct link *l)
{
	union {
		struct cmsghdr	 align;
		char		 buf[CMSG_SPACE(sizeof(int) * LINK_FDS)];
	}		 control;
	struct iovec	 iov = { link_inbuf, sizeof(link_inbuf) };
	struct msghdr	 mh = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	struct msg	 m = { .nfds = 0 };
	ssize_t		 n;
	enum msg_err	 err;

	do
		n = recvmsg(l->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return 0;
	if (n <= 0) {
		link_gone(l, MSG_OK, 0);
		return -1;
	}
	err = link_take_fds(&mh, &m);
	m.payload = link_inbuf + MSG_HEADER;
	m.len = (size_t)n >= MSG_HEADER ? (size_t)n - MSG_HEADER : 0;
	if (err == MSG_OK)
		err = link_check(l, &m, (size_t)n, mh.msg_flags);
	if (err == MSG_OK) {
		l->seq_in++;
		link_totals.msgs_in++;
		link_totals.bytes_in += (size_t)n;
		err = l->ops->message(l, &m, l->arg);
	}
	msg_clear(&m);
	if (err == MSG_NOMEM) {
		log_warnx("link %s: message %04x: out of memory, dropped",
		    l->name, m.h.type);
		err = MSG_OK;
	}
	if (err != MSG_OK) {
		if (!l->closing)
			link_gone(l, err, m.h.type);
		return -1;
	}
	return l->closing ? -1 : 1;
}

static void
link_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct link	*l = arg;
	int		 i;

	for (i = 0; i < LINK_BATCH; i++)
		if (link_read(l) != 1)
			return;
}

void
link_finish(struct link *l)
{
	int	 i;

	/* A copy of the socket in another process must not hold us here. */
	for (i = 0; i < LINK_LAST && link_read(l) == 1; i++)
		;
}

/* --- the end ------------------------------------------------------------ */

static void
link_gone(struct link *l, enum msg_err why, uint16_t type)
{
	if (l->closing)
		return;
	l->ops->gone(l, why, type, l->arg);
	link_free(l);
}

void
link_free(struct link *l)
{
	static const struct timeval	 now = { 0, 0 };

	if (l == NULL || l->closing)
		return;
	l->closing = true;
	event_del(l->rev);
	event_del(l->wev);
	link_write_queue(l, UINT32_MAX);
	close(l->fd);
	l->fd = -1;
	/* A handler further up the stack may still hold the pointer. */
	if (event_base_once(l->base, -1, EV_TIMEOUT, link_reap_cb, l,
	    &now) == -1)
		log_warnx("link %s: cannot be freed now", l->name);
}

static void
link_reap_cb(evutil_socket_t fd, short what, void *arg)
{
	struct link	*l = arg;
	struct packet	*pk;

	while ((pk = STAILQ_FIRST(&l->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->queue, entry);
		packet_free(pk, true);
	}
	event_free(l->rev);
	event_free(l->wev);
	free(l->instance);
	free(l->name);
	free(l);
}
