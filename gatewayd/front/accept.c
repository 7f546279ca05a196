/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Who is let in.  A flood must not lock out others: one address gets a share,
 * and when all places are taken the connection that has said nothing for
 * longest makes room (T47).
 */

#include "common/compat.h"

#include <sys/socket.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "gatewayd/front/front.h"
#include "gatewayd/front/penalty.h"

#define BATCH		64	/* accepted in one turn */
#define LISTENERS_MAX	16
#define PER_ADDRESS	64	/* unauthenticated, of one foreign address */
#define SAY_MS		60000	/* the same complaint once a minute */

static struct event	*listeners[LISTENERS_MAX], *resume_ev;
static bool		 canvas_ports[LISTENERS_MAX];
static size_t		 nlisteners;
static bool		 stopped, paused;

static bool
say_now(uint64_t *last)
{
	uint64_t	now = mono_ms();

	if (*last != 0 && now - *last < SAY_MS)
		return false;
	*last = now;
	return true;
}

static void
listeners_enable(bool on)
{
	size_t	i;

	for (i = 0; i < nlisteners; i++)
		if (on)
			event_add(listeners[i], NULL);
		else
			event_del(listeners[i]);
}

static void
resume_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	paused = false;
	if (!stopped)
		listeners_enable(true);
}

void
accept_pause(void)
{
	static const struct timeval	second = { 1, 0 };
	static uint64_t			said;

	if (paused || stopped)
		return;
	if (say_now(&said))
		log_warn("front: cannot accept for a moment");
	if (resume_ev == NULL && (resume_ev = evtimer_new(worker_base(),
	    resume_cb, NULL)) == NULL)
		return;
	paused = true;
	listeners_enable(false);
	event_add(resume_ev, &second);
}

/* A word to a peer that is turned away, if it can be said at once. */
static void
turn_away(int fd, uint32_t retry_s)
{
	char	buf[256];

	if (!front_conf.origin.tls)
		(void)send(fd, buf, http_busy(buf, sizeof(buf), retry_s),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
accept_one(int fd, const struct sockaddr_storage *ss, bool canvas_port)
{
	static uint64_t	said_full, said_share;
	char		peer[ADDR_TEXT];
	uint32_t	left;
	int		one = 1;

	locality_addr(ss, peer);
	if ((left = penalty_left(peer)) > 0) {
		turn_away(fd, left);
		return;
	}
	if (conn_count() + relay_count() >= front_conf.max_conns &&
	    !conn_evict()) {
		if (say_now(&said_full))
			log_warnx("front: %u connections: no more",
			    front_conf.max_conns);
		turn_away(fd, 1);
		return;
	}
	/* There the limit over all must do. */
	if (!locality_is_shared(peer) && conn_count_of(peer) >=
	    PER_ADDRESS) {
		if (say_now(&said_share))
			log_warnx("front: %s: too many connections that did "
			    "not log in", peer);
		turn_away(fd, 1);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	conn_accepted(fd, ss, canvas_port);
}

static void
accept_cb(evutil_socket_t ls, short what, void *arg)
{
	struct sockaddr_storage	ss;
	const bool		*canvas_port = arg;
	socklen_t		len;
	int			fd, i;

	(void)what;
	for (i = 0; i < BATCH && !paused && !stopped; i++) {
		len = sizeof(ss);
		memset(&ss, 0, sizeof(ss));
		fd = accept4(ls, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			accept_one(fd, &ss, *canvas_port);
			continue;
		}
		switch (errno) {
		case EINTR:
		case ECONNABORTED:
		case EPROTO:
			continue;
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			/* Someone silent gives a descriptor back; the loop
			 * must not spin on a listener it cannot serve. */
			(void)conn_evict();
			accept_pause();
			return;
		case EAGAIN:
			return;
		default:
			accept_pause();
			return;
		}
	}
}

/* "127.0.0.1:18793": the port tells which door it is. */
static bool
is_canvas(const char *name)
{
	const char	*colon = strrchr(name, ':');
	int64_t		 port;

	return front_conf.canvas_port != 0 && colon != NULL &&
	    num_parse(str_of(colon + 1), 1, 65535, &port) == 0 &&
	    port == front_conf.canvas_port;
}

void
accept_listener(int fd, const char *name)
{
	struct event	*ev;

	if (nlisteners == LISTENERS_MAX || fd_nonblock(fd) == -1 ||
	    (ev = event_new(worker_base(), fd, EV_READ | EV_PERSIST, accept_cb,
	    &canvas_ports[nlisteners])) == NULL || event_add(ev, NULL) == -1) {
		log_warn("front: listener %s", name);
		close(fd);
		return;
	}
	canvas_ports[nlisteners] = is_canvas(name);
	listeners[nlisteners++] = ev;
	log_debug("front: listening on %s", name);
}

void
accept_stop(void)
{
	stopped = true;
	while (nlisteners > 0) {
		nlisteners--;
		close(event_get_fd(listeners[nlisteners]));
		event_free(listeners[nlisteners]);
	}
}
