/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One connection of a client: a WebSocket that front handed over, or a line of
 * JSON per frame on the control socket.  Everything read here is hostile; what
 * it may cost is one connection.
 *
 * Writing: answers gather in `out` and leave with one system call at the end
 * of the turn.  A client is never freed inside its own callbacks; it is marked
 * dead and reaped by an event of its own.
 */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <event2/buffer.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

#define READ_MAX	65536	/* bytes of one turn */
#define WS_ROOM		10	/* longest header that a server sends */
#define SHARE_MIN	2048	/* below this a copy is cheaper than a reference */
#define CLOSE_MS	2000	/* for the peer to answer our close */
#define BUCKETS		1024

struct client_list rt_clients = TAILQ_HEAD_INITIALIZER(rt_clients);
static TAILQ_HEAD(, client) dirty = TAILQ_HEAD_INITIALIZER(dirty);
static TAILQ_HEAD(, client) dead = TAILQ_HEAD_INITIALIZER(dead);
static struct client	*by_id[BUCKETS];	/* chained by id_next */
static size_t		 nclients;
static size_t		 held;			/* of all: unfinished input */
static struct event	*late_ev;		/* flushes and reaps */
static struct dbuf	 obuf;
static uint8_t		 rbuf[READ_MAX];

static void	 client_read_cb(evutil_socket_t, short, void *);
static void	 client_write_cb(evutil_socket_t, short, void *);
static void	 client_late_cb(evutil_socket_t, short, void *);
static void	 client_flush(struct client *);
static void	 client_end(struct client *);
static void	 client_dirty(struct client *);
static void	 client_process(struct client *, uint8_t *, size_t);

struct client *
rt_client_new(int fd, enum client_door door)
{
	static uint64_t	 last;
	struct client	*c;

	if (late_ev == NULL && (late_ev = event_new(rt.base, -1, 0,
	    client_late_cb, NULL)) == NULL)
		goto fail_fd;
	if (nclients >= RT_CLIENTS_MAX || fd_nonblock(fd) == -1 ||
	    (c = calloc(1, sizeof(*c))) == NULL)
		goto fail_fd;
	if ((c->out = evbuffer_new()) == NULL) {
		free(c);
		goto fail_fd;
	}
	c->fd = fd;
	c->door = door;
	c->id = ++last;
	c->ping_at = mono_ms() + RT_PING_MS;
	TAILQ_INIT(&c->subs);
	SLIST_INIT(&c->watches);
	uuid_v4(c->conn_id);
	ws_reader_init(&c->ws, true, RT_MAX_PAYLOAD);
	c->ws.binary_text = true;
	dbuf_init(&c->in, RT_LINE_MAX + READ_MAX + 16);
	event_assign(&c->rev, rt.base, fd, EV_READ | EV_PERSIST,
	    client_read_cb, c);
	event_assign(&c->wev, rt.base, fd, EV_WRITE, client_write_cb, c);
	TAILQ_INSERT_TAIL(&rt_clients, c, entry);
	c->id_next = by_id[c->id % BUCKETS];
	by_id[c->id % BUCKETS] = c;
	nclients++;
	return c;
fail_fd:
	close(fd);
	return NULL;
}

void
rt_client_start(struct client *c, struct str unread)
{
	event_add(&c->rev, NULL);
	if (unread.n > 0) {
		if (dbuf_put(&c->in, unread.p, unread.n) == -1)
			client_end(c);
		else
			client_process(c, NULL, 0);
	}
	client_dirty(c);
}

struct client *
rt_client_find(uint64_t id)
{
	struct client	*c;

	for (c = by_id[id % BUCKETS]; c != NULL; c = c->id_next)
		if (c->id == id)
			return c->closing ? NULL : c;
	return NULL;
}

size_t
rt_clients_count(void)
{
	return nclients;
}

size_t
rt_client_backlog(const struct client *c)
{
	return evbuffer_get_length(c->out);
}

/* --- the end --------------------------------------------------------------- */

static void
client_free(struct client *c)
{
	struct client	**p;

	for (p = &by_id[c->id % BUCKETS]; *p != c; p = &(*p)->id_next)
		;
	*p = c->id_next;
	nclients--;
	held -= c->held;
	evbuffer_free(c->out);
	ws_reader_clear(&c->ws);
	dbuf_clear(&c->in);
	close(c->fd);
	free(c->principal);
	free(c->device_id);
	free(c);
}

/* Others hear that it is not here any more. */
static void
client_leaves(struct client *c)
{
	if (c->hello)
		rt_presence_disconnect(c);
	c->hello = false;
	if (c->node != NULL)
		rt_node_gone(c);
	rt_watch_gone(c);
	if (c->pending > 0)
		rt_invokes_client_gone(c);
}

/* No more of it; memory goes when no callback of it can be running. */
static void
client_end(struct client *c)
{
	if (c->dead)
		return;
	c->dead = true;
	c->closing = true;
	event_del(&c->rev);
	event_del(&c->wev);
	if (c->dirty)
		TAILQ_REMOVE(&dirty, c, dirty_entry);
	c->dirty = false;
	TAILQ_REMOVE(&rt_clients, c, entry);
	TAILQ_INSERT_TAIL(&dead, c, entry);
	client_leaves(c);
	if (c->door != DOOR_WS)
		rt_control_gone(c);
	event_active(late_ev, EV_TIMEOUT, 0);
}

void
rt_client_close(struct client *c, unsigned int code, const char *reason)
{
	if (c->closing)
		return;
	if (c->door == DOOR_WS)
		ws_send_close(c->out, code, reason, false);
	c->closing = true;
	c->close_at = mono_ms() + CLOSE_MS;
	if (!c->busy)
		dbuf_clear(&c->in);
	client_leaves(c);
	client_dirty(c);
}

void
rt_client_settled(struct client *c)
{
	if (c->eof && c->pending == 0)
		rt_client_close(c, WS_CLOSE_NORMAL, "");
}

void
rt_clients_close_all(unsigned int code, const char *reason)
{
	struct client	*c;

	TAILQ_FOREACH(c, &rt_clients, entry)
		rt_client_close(c, code, reason);
	rt_clients_flush();
}

/* Keeps the way open for clients that know it; others have their ticks.  That
 * it is not answered is no reason to end anybody: TCP finds out who is gone. */
static void
client_ping(struct client *c, uint64_t now)
{
	if (c->door != DOOR_WS || !c->hello || c->protocol < 4 ||
	    now < c->ping_at)
		return;
	c->ping_at = now + RT_PING_MS;
	/* Who has bytes to read needs no more of them. */
	if (evbuffer_get_length(c->out) > 0)
		return;
	if (ws_send(c->out, WS_OP_PING, NULL, 0, false) == -1)
		client_end(c);
	else
		client_dirty(c);
}

void
rt_clients_sweep(uint64_t now)
{
	struct client	*c, *next;

	for (c = TAILQ_FIRST(&rt_clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->closing)
			client_ping(c, now);
		else if (now >= c->close_at)
			client_end(c);
	}
}

/* By the code alone later clients know that to come again is of no use. */
static unsigned int
credential_code(const struct client *c)
{
	return c->protocol >= 4 ? WS_CLOSE_CREDENTIAL : WS_CLOSE_POLICY;
}

void
rt_clients_revoked(struct str device_id, enum client_role role,
    uint64_t before)
{
	struct client	*c;

	TAILQ_FOREACH(c, &rt_clients, entry)
		if (c->issued_at > before)
			continue;
		else if (device_id.n == 0 && c->shared)
			rt_client_close(c, credential_code(c), "gateway auth "
			    "changed");
		else if (c->device_id != NULL && c->role == role &&
		    str_eqs(device_id, c->device_id))
			rt_client_close(c, credential_code(c), "revoked");
}

static void
client_late_cb(evutil_socket_t fd, short what, void *arg)
{
	struct client	*c;

	(void)fd;
	(void)what;
	(void)arg;
	rt_clients_flush();
	while ((c = TAILQ_FIRST(&dead)) != NULL) {
		TAILQ_REMOVE(&dead, c, entry);
		client_free(c);
	}
}

/* --- writing ---------------------------------------------------------------- */

static void
client_dirty(struct client *c)
{
	if (c->dirty || c->dead)
		return;
	c->dirty = true;
	TAILQ_INSERT_TAIL(&dirty, c, dirty_entry);
	event_active(late_ev, EV_TIMEOUT, 0);
}

void
rt_clients_flush(void)
{
	struct client	*c;

	while ((c = TAILQ_FIRST(&dirty)) != NULL) {
		TAILQ_REMOVE(&dirty, c, dirty_entry);
		c->dirty = false;
		client_flush(c);
	}
}

static void
client_flush(struct client *c)
{
	struct evbuffer_iovec	 v[32];
	struct msghdr		 mh;
	size_t			 left;
	ssize_t			 r;
	int			 n, turn;

	if (c->dead || c->writing)
		return;		/* the event of the socket goes on */
	for (turn = 0; (left = evbuffer_get_length(c->out)) > 0; turn++) {
		n = evbuffer_peek(c->out, -1, NULL, v, 32);
		memset(&mh, 0, sizeof(mh));
		mh.msg_iov = v;
		mh.msg_iovlen = (size_t)(n > 32 ? 32 : n);
		r = turn < 4 ? sendmsg(c->fd, &mh, MSG_DONTWAIT |
		    MSG_NOSIGNAL) : -1;
		if (turn == 4 || (r == -1 && (errno == EAGAIN ||
		    errno == EINTR))) {
			c->writing = true;
			event_add(&c->wev, NULL);
			break;
		}
		if (r == -1) {
			client_end(c);
			return;
		}
		evbuffer_drain(c->out, (size_t)r);
	}
	if (left == 0 && c->closing && !c->shut) {
		if (c->eof) {
			client_end(c);
			return;
		}
		c->shut = true;
		/* What we sent must not be lost to a reset: let the peer see
		 * the end first. */
		if (shutdown(c->fd, SHUT_WR) == -1) {
			client_end(c);
			return;
		}
	}
	if (c->blocked && left < RT_MAX_BUFFERED / 2 && !c->closing) {
		c->blocked = false;
		if (!c->eof)
			event_add(&c->rev, NULL);
		client_process(c, NULL, 0);
	}
}

static void
client_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct client	*c = arg;

	(void)fd;
	(void)what;
	c->writing = false;
	client_flush(c);
}

struct dbuf *
rt_client_begin(struct client *c)
{
	if (obuf.max == 0)
		dbuf_init(&obuf, RT_OUT_HARD);
	if (obuf.cap > 1u << 20)
		dbuf_clear(&obuf);	/* a rare large answer */
	dbuf_reset(&obuf);
	if (c->door == DOOR_WS)
		dbuf_put(&obuf, "          ", WS_ROOM);
	return &obuf;
}

struct dbuf *
rt_client_buffer(void)
{
	return &obuf;
}

static bool
client_too_far_behind(struct client *c, size_t more)
{
	if (more <= RT_OUT_HARD - evbuffer_get_length(c->out))
		return false;
	log_warnx("client %s: too many unsent bytes", c->conn_id);
	rt_client_close(c, WS_CLOSE_POLICY, "slow consumer");
	return true;
}

void
rt_client_end(struct client *c)
{
	uint8_t	 head[WS_HEADER_MAX];
	size_t	 n;
	char	*start;

	if (c->closing)
		return;
	if (dbuf_err(&obuf)) {
		/* Nobody builds that much; without memory the client goes. */
		log_warnx("client %s: answer does not fit", c->conn_id);
		rt_client_close(c, WS_CLOSE_ERROR, "answer too large");
		return;
	}
	if (c->door == DOOR_WS) {
		n = ws_header_encode(head, WS_OP_TEXT, true,
		    obuf.n - WS_ROOM, NULL);
		start = obuf.p + WS_ROOM - n;
		memcpy(start, head, n);
	} else {
		dbuf_putc(&obuf, '\n');
		start = obuf.p;		/* it may have moved just now */
	}
	n = (size_t)(obuf.p + obuf.n - start);
	if (client_too_far_behind(c, n))
		return;
	if (dbuf_err(&obuf) || evbuffer_add(c->out, start, n) == -1) {
		client_end(c);
		return;
	}
	client_dirty(c);
}

static void
payload_done_cb(const void *data, size_t n, void *arg)
{
	(void)data;
	(void)n;
	rt_payload_unref(arg);
}

void
rt_client_send_shared(struct client *c, const char *text, size_t n,
    struct payload *tail)
{
	uint8_t	 head[WS_HEADER_MAX];
	size_t	 hn = 0;

	if (c->closing || client_too_far_behind(c, n + tail->n))
		return;
	if (c->door == DOOR_WS)
		hn = ws_header_encode(head, WS_OP_TEXT, true, n + tail->n,
		    NULL);
	if (evbuffer_add(c->out, head, hn) == -1 ||
	    evbuffer_add(c->out, text, n) == -1)
		goto fail;
	if (tail->n < SHARE_MIN) {
		if (evbuffer_add(c->out, tail->p, tail->n) == -1)
			goto fail;
	} else {
		rt_payload_ref(tail);
		if (evbuffer_add_reference(c->out, tail->p, tail->n,
		    payload_done_cb, tail) == -1) {
			rt_payload_unref(tail);
			goto fail;
		}
	}
	if (c->door != DOOR_WS && evbuffer_add(c->out, "\n", 1) == -1)
		goto fail;
	client_dirty(c);
	return;
fail:
	/* Half a frame may be queued: this socket is of no use any more. */
	client_end(c);
}

/* --- reading ---------------------------------------------------------------- */

static void
client_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct client	*c = arg;
	ssize_t		 r;

	(void)what;
	r = recv(fd, rbuf, sizeof(rbuf), MSG_DONTWAIT);
	if (r == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r == 0 && c->door != DOOR_WS && !c->closing) {
		/* `echo ... | socat - control.sock` still wants its answer. */
		c->eof = true;
		event_del(&c->rev);
		rt_client_settled(c);
		return;
	}
	if (r <= 0) {
		client_end(c);
		return;
	}
	if (c->closing)
		return;		/* read and forgotten until the peer ends */
	client_process(c, rbuf, (size_t)r);
	/* Not through the list: these answers need not wait for others. */
	if (c->dirty) {
		TAILQ_REMOVE(&dirty, c, dirty_entry);
		c->dirty = false;
		client_flush(c);
	}
}

/* May this client be served further now? */
static bool
client_goes_on(struct client *c)
{
	if (c->closing)
		return false;
	if (evbuffer_get_length(c->out) <= RT_MAX_BUFFERED)
		return true;
	/* It asks faster than it reads: no more until it has read. */
	if (!c->blocked) {
		c->blocked = true;
		event_del(&c->rev);
	}
	return false;
}

static size_t
client_lines(struct client *c, char *p, size_t n)
{
	char	*nl;
	size_t	 pos = 0, len;

	while (client_goes_on(c) &&
	    (nl = memchr(p + pos, '\n', n - pos)) != NULL) {
		len = (size_t)(nl - (p + pos));
		if (len > RT_LINE_MAX) {
			client_end(c);
			return n;
		}
		if (len > 0 && !(len == 1 && p[pos] == '\r'))
			rt_dispatch(c, p + pos, len);
		pos += len + 1;
	}
	if (n - pos > RT_LINE_MAX && !c->blocked) {
		client_end(c);
		return n;
	}
	return pos;
}

static size_t
client_frames(struct client *c, uint8_t *p, size_t n)
{
	struct str	 data;
	size_t		 pos = 0, used;

	while (client_goes_on(c)) {
		switch (ws_read(&c->ws, p + pos, n - pos, &used, &data)) {
		case WS_MORE:
			return pos + used;
		case WS_MESSAGE:
			rt_dispatch(c, (char *)(uintptr_t)data.p, data.n);
			break;
		case WS_PING:
			if (ws_send(c->out, WS_OP_PONG, data.p, data.n,
			    false) == -1)
				client_end(c);
			else
				client_dirty(c);
			break;
		case WS_PONG:
			break;
		case WS_CLOSE:
			rt_client_close(c, c->ws.close_code, "");
			break;
		case WS_ERROR:
			log_info("client %s: WebSocket error %u", c->conn_id,
			    c->ws.close_code);
			rt_client_close(c, c->ws.close_code, "");
			return n;
		}
		pos += used;
	}
	return pos;
}

/* One large message is allowed to each; begun and not ended by thousands at
 * once they would be all memory there is.  Who goes over that starts anew. */
static void
client_account(struct client *c)
{
	size_t	 now = c->in.cap + c->ws.buf.cap;

	held += now - c->held;
	c->held = now;
	if (held <= RT_IN_ALL || c->closing)
		return;
	log_warnx("client %s: too many bytes of unfinished messages",
	    c->conn_id);
	rt_client_close(c, WS_CLOSE_TRY_LATER, "try again later");
	ws_reader_clear(&c->ws);
	held -= c->held;
	c->held = 0;
}

/* New bytes, behind those that were kept. */
static void
client_take(struct client *c, uint8_t *p, size_t n)
{
	bool	 kept = c->in.n > 0;
	size_t	 used;

	if (c->busy)
		return;		/* cannot be: no handler reads */
	if (kept) {
		if (n > 0 && dbuf_put(&c->in, p, n) == -1) {
			client_end(c);
			return;
		}
		p = (uint8_t *)c->in.p;
		n = c->in.n;
	}
	if (n == 0)
		return;
	c->busy = true;
	used = c->door == DOOR_WS ? client_frames(c, p, n) :
	    client_lines(c, (char *)p, n);
	c->busy = false;
	if (c->closing) {
		dbuf_clear(&c->in);
		return;
	}
	if (kept) {
		dbuf_consume(&c->in, used);
		if (c->in.n == 0)
			dbuf_clear(&c->in);	/* idle clients hold nothing */
	} else if (used < n && dbuf_put(&c->in, p + used, n - used) == -1)
		client_end(c);
}

static void
client_process(struct client *c, uint8_t *p, size_t n)
{
	client_take(c, p, n);
	client_account(c);
}
