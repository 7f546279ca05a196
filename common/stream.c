/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * An idle stream owns two empty evbuffers and two events; bytes are read into
 * the stack and then added, because space that is reserved in an evbuffer stays
 * there when nothing comes.
 */

#include "common/compat.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/stream_transport.h"

#define READ_SIZE	16384
#define TURN_MAX	65536	/* bytes in one callback, then others' turn */
#define READ_HIGH	(256u << 10)
#define REASON_MAX	160

struct stream {
	struct event_base	*base;
	struct event		*ev_read, *ev_write;
	struct evbuffer		*in, *out;
	const struct stream_ops	*ops;
	void			*arg;
	const struct stream_transport *t;
	void			*tctx;
	size_t			 read_high, write_low;
	int			 fd;
	int			 busy;		/* callbacks on the stack */
	bool			 dead, open, paused, offer;
	bool			 read_ended, write_ended, end_due;
	bool			 shutting, shut;
	bool			 was_above;	/* queue passed the low mark */
	enum stream_io		 read_wants, write_wants;
	enum stream_end		 end;
	int			 end_errno;
	char			 reason[REASON_MAX];
};

static void	 stream_run(struct stream *);

/* --- plain --------------------------------------------------------------- */

static enum stream_io
plain_read(void *ctx, int fd, void *p, size_t size, size_t *n, char *reason,
    size_t reason_size)
{
	ssize_t	r;

	(void)ctx;
	(void)reason;
	(void)reason_size;
	r = recv(fd, p, size, 0);
	if (r > 0) {
		*n = (size_t)r;
		return STREAM_IO_OK;
	}
	if (r == 0)
		return STREAM_IO_EOF;
	if (errno == EAGAIN || errno == EINTR)
		return STREAM_IO_READ;
	return STREAM_IO_ERROR;
}

static enum stream_io
plain_write(void *ctx, int fd, struct evbuffer *out, char *reason,
    size_t reason_size)
{
	struct evbuffer_iovec	 iov[16];
	struct msghdr		 mh = { 0 };
	ssize_t			 r;
	int			 n;

	(void)ctx;
	(void)reason;
	(void)reason_size;
	n = evbuffer_peek(out, TURN_MAX, NULL, iov, 16);
	mh.msg_iov = iov;	/* evbuffer_iovec is iovec where writev is */
	mh.msg_iovlen = (size_t)(n > 16 ? 16 : n);
	r = sendmsg(fd, &mh, MSG_NOSIGNAL);
	if (r >= 0) {
		evbuffer_drain(out, (size_t)r);
		return STREAM_IO_OK;
	}
	if (errno == EAGAIN || errno == EINTR)
		return STREAM_IO_WRITE;
	return STREAM_IO_ERROR;
}

static const struct stream_transport plain = {
	.read = plain_read,
	.write = plain_write,
};

/* --- life ---------------------------------------------------------------- */

static void
stream_event_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stream_run(arg);
}

static void
stream_destroy(struct stream *s)
{
	if (s->ev_read != NULL)
		event_free(s->ev_read);
	if (s->ev_write != NULL)
		event_free(s->ev_write);
	if (s->t->free != NULL)
		s->t->free(s->tctx);
	if (s->in != NULL)
		evbuffer_free(s->in);
	if (s->out != NULL)
		evbuffer_free(s->out);
	if (s->fd != -1)
		close(s->fd);
	free(s);
}

struct stream *
stream_new(struct event_base *base, int fd, const struct stream_ops *ops,
    void *arg)
{
	struct stream	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		close(fd);
		return NULL;
	}
	s->base = base;
	s->fd = fd;
	s->ops = ops;
	s->arg = arg;
	s->t = &plain;
	s->open = true;
	s->read_high = READ_HIGH;
	s->read_wants = STREAM_IO_READ;
	s->write_wants = STREAM_IO_WRITE;
	s->in = evbuffer_new();
	s->out = evbuffer_new();
	s->ev_read = event_new(base, fd, EV_READ | EV_PERSIST,
	    stream_event_cb, s);
	s->ev_write = event_new(base, fd, EV_WRITE | EV_PERSIST,
	    stream_event_cb, s);
	if (s->in == NULL || s->out == NULL || s->ev_read == NULL ||
	    s->ev_write == NULL || fd_nonblock(fd) == -1 ||
	    event_add(s->ev_read, NULL) == -1) {
		stream_destroy(s);
		return NULL;
	}
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL || s->dead)
		return;
	s->dead = true;
	event_del(s->ev_read);
	event_del(s->ev_write);
	if (s->busy == 0)
		stream_destroy(s);
}

void
stream_set_ops(struct stream *s, const struct stream_ops *ops, void *arg)
{
	s->ops = ops;
	s->arg = arg;
}

void
stream_set_marks(struct stream *s, size_t read_high, size_t write_low)
{
	s->read_high = read_high;
	s->write_low = write_low;
}

void
stream_set_transport(struct stream *s, const struct stream_transport *t,
    void *ctx)
{
	if (s->t->free != NULL)
		s->t->free(s->tctx);
	s->t = t;
	s->tctx = ctx;
	s->open = t->handshake == NULL;
	s->read_wants = STREAM_IO_READ;
	s->write_wants = STREAM_IO_WRITE;
	/* The first flight is ours, or already waits in the socket. */
	event_active(s->ev_read, EV_READ, 1);
}

struct evbuffer *
stream_in(struct stream *s)
{
	return s->in;
}

struct evbuffer *
stream_out(struct stream *s)
{
	return s->out;
}

size_t
stream_queued(const struct stream *s)
{
	return evbuffer_get_length(s->out);
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

const char *
stream_reason(const struct stream *s)
{
	if (s->reason[0] == '\0' && s->end_errno != 0)
		return strerror(s->end_errno);
	return s->reason;
}

int
stream_release_fd(struct stream *s)
{
	int	fd = s->fd;

	if (s->t != &plain || evbuffer_get_length(s->out) > 0 || s->dead)
		return -1;
	event_del(s->ev_read);
	event_del(s->ev_write);
	s->fd = -1;
	stream_free(s);
	return fd;
}

/* --- work ---------------------------------------------------------------- */

static void
stream_ended(struct stream *s, enum stream_io why)
{
	s->read_ended = true;
	s->end_due = true;
	switch (why) {
	case STREAM_IO_EOF:
		s->end = STREAM_EOF;
		return;
	case STREAM_IO_TRUNCATED:
		s->end = STREAM_TRUNCATED;
		break;
	case STREAM_IO_FAILED:
		s->end = STREAM_TLS;
		break;
	case STREAM_IO_OK:
	case STREAM_IO_READ:
	case STREAM_IO_WRITE:
	case STREAM_IO_ERROR:
		s->end = STREAM_ERROR;
		s->end_errno = errno;
		break;
	}
	s->write_ended = true;
}

static bool
may_read(const struct stream *s)
{
	return s->open && !s->paused && !s->read_ended &&
	    evbuffer_get_length(s->in) < s->read_high;
}

/* Reads for one turn.  The buffer is apart from stream_run's frame: 16 KiB of
 * stack that a callback below should not stand on. */
static bool __attribute__((noinline))
read_some(struct stream *s)
{
	uint8_t		buf[READ_SIZE];
	enum stream_io	io = STREAM_IO_OK;
	size_t		n, total = 0, room;
	bool		got = false;

	while (may_read(s) && total < TURN_MAX) {
		room = s->read_high - evbuffer_get_length(s->in);
		if (room > sizeof(buf))
			room = sizeof(buf);
		n = 0;
		io = s->t->read(s->tctx, s->fd, buf, room, &n, s->reason,
		    sizeof(s->reason));
		if (io != STREAM_IO_OK)
			break;
		if (evbuffer_add(s->in, buf, n) == -1) {
			errno = ENOMEM;
			io = STREAM_IO_ERROR;
			break;
		}
		total += n;
		got = true;
		/* A short read has emptied the socket. */
		if (s->t == &plain && n < room)
			break;
	}
	if (io == STREAM_IO_READ || io == STREAM_IO_WRITE)
		s->read_wants = io;
	else if (io != STREAM_IO_OK)
		stream_ended(s, io);
	else
		s->read_wants = STREAM_IO_READ;
	return got;
}

static void
write_some(struct stream *s)
{
	enum stream_io	io;
	size_t		before, total = 0;

	if (evbuffer_get_length(s->out) > s->write_low)
		s->was_above = true;
	while (s->open && !s->write_ended && total < TURN_MAX &&
	    (before = evbuffer_get_length(s->out)) > 0) {
		io = s->t->write(s->tctx, s->fd, s->out, s->reason,
		    sizeof(s->reason));
		total += before - evbuffer_get_length(s->out);
		if (io == STREAM_IO_READ || io == STREAM_IO_WRITE) {
			s->write_wants = io;
			return;
		}
		if (io != STREAM_IO_OK) {
			/* What the peer sent before may still wait (an
			 * answer such as 413 before a reset): reading tells
			 * the end. */
			s->write_ended = true;
			evbuffer_drain(s->out, evbuffer_get_length(s->out));
			if (s->read_ended || io == STREAM_IO_FAILED)
				stream_ended(s, io);
			return;
		}
		s->write_wants = STREAM_IO_WRITE;
	}
	if (s->shutting && !s->shut && s->open &&
	    evbuffer_get_length(s->out) == 0) {
		s->shut = true;
		if (s->t->shutdown != NULL)
			s->t->shutdown(s->tctx);
		shutdown(s->fd, SHUT_WR);
	}
}

static void
handshake(struct stream *s)
{
	enum stream_io	io;

	io = s->t->handshake(s->tctx, s->reason, sizeof(s->reason));
	if (io == STREAM_IO_OK) {
		s->open = true;
		s->read_wants = STREAM_IO_READ;
		if (s->ops->open != NULL)
			s->ops->open(s, s->arg);
	} else if (io == STREAM_IO_READ || io == STREAM_IO_WRITE) {
		s->read_wants = io;
	} else {
		stream_ended(s, io == STREAM_IO_EOF ? STREAM_IO_TRUNCATED : io);
	}
}

static bool
is_drained(const struct stream *s)
{
	return s->was_above && s->ops->drained != NULL && s->open &&
	    !s->write_ended && evbuffer_get_length(s->out) <= s->write_low;
}

static void
want(struct event *ev, bool on)
{
	if (on && !event_pending(ev, EV_READ | EV_WRITE, NULL))
		event_add(ev, NULL);
	else if (!on && event_pending(ev, EV_READ | EV_WRITE, NULL))
		event_del(ev);
}

static void
stream_events(struct stream *s)
{
	bool	r, w, reading, writing;

	reading = !s->read_ended && (!s->open || may_read(s));
	writing = s->open && !s->write_ended && evbuffer_get_length(s->out) > 0;
	r = (reading && s->read_wants == STREAM_IO_READ) ||
	    (writing && s->write_wants == STREAM_IO_READ);
	w = (reading && s->read_wants == STREAM_IO_WRITE) ||
	    (writing && s->write_wants == STREAM_IO_WRITE);
	want(s->ev_read, r);
	want(s->ev_write, w);
	/* Bytes that no socket event will announce. */
	if ((may_read(s) && s->t->pending != NULL && s->t->pending(s->tctx)) ||
	    (!s->paused && (s->offer || s->end_due)) ||
	    (s->shutting && !s->shut && s->open &&
	    evbuffer_get_length(s->out) == 0) || is_drained(s))
		event_active(s->ev_read, EV_READ, 1);
}

static void
stream_run(struct stream *s)
{
	bool	got;

	if (s->dead)
		return;
	s->busy++;
	if (!s->open && !s->read_ended)
		handshake(s);
	if (!s->dead) {
		got = read_some(s) || (s->offer && !s->paused);
		if (got) {
			s->offer = false;
			s->ops->read(s, s->in, s->arg);
		}
	}
	if (!s->dead)
		write_some(s);
	if (!s->dead && is_drained(s)) {
		s->was_above = false;
		s->ops->drained(s, s->arg);
	}
	if (!s->dead && s->end_due && !s->paused && !s->offer) {
		s->end_due = false;
		s->ops->end(s, s->end, s->arg);
	}
	s->busy--;
	if (!s->dead)
		stream_events(s);
	else if (s->busy == 0)
		stream_destroy(s);
}

void
stream_flush(struct stream *s)
{
	if (s->dead)
		return;
	if (s->busy == 0) {
		s->busy++;
		write_some(s);
		s->busy--;
		stream_events(s);
	}
}

int
stream_write(struct stream *s, const void *p, size_t n)
{
	if (evbuffer_add(s->out, p, n) == -1)
		return -1;
	stream_flush(s);
	return 0;
}

void
stream_pause(struct stream *s)
{
	s->paused = true;
	if (s->busy == 0 && !s->dead)
		stream_events(s);
}

void
stream_resume(struct stream *s)
{
	if (s->paused)
		s->offer = evbuffer_get_length(s->in) > 0;
	s->paused = false;
	if (s->busy == 0 && !s->dead)
		stream_events(s);
}

void
stream_shutdown(struct stream *s)
{
	s->shutting = true;
	stream_flush(s);
}
