/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The control socket: a stream of JSON lines, judged by the same dispatcher as
 * WebSocket frames.  The file's mode decides who can connect at all; which of
 * the two sockets it was decides the rights, and SO_PEERCRED who is named in
 * the log.  No `connect` frame is needed; with one the connection also
 * receives events, and may narrow its scopes.  Bad input costs that
 * connection.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

#define ACCEPT_BATCH	16
#define LISTENERS	4

static struct door {
	struct event		*ev, *again;
	enum listener_kind	 kind;
	int			 fd;
} doors[LISTENERS];
static size_t	 ndoors, ncontrol;

static void
again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct door	*d = arg;

	(void)fd;
	(void)what;
	event_add(d->ev, NULL);
}

static size_t
count_uid(uint32_t uid)
{
	struct client	*c;
	size_t		 n = 0;

	TAILQ_FOREACH(c, &rt_clients, entry)
		n += c->door != DOOR_WS && c->uid == uid;
	return n;
}

static void
control_client(struct door *d, int fd)
{
	struct ucred	 cred;
	struct client	*c;
	socklen_t	 n = sizeof(cred);
	char		 name[64];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == -1 ||
	    rt.stopping) {
		close(fd);
		return;
	}
	if (ncontrol >= RT_CONTROL_MAX || count_uid(cred.uid) >=
	    RT_CONTROL_UID) {
		log_info("control: uid %u has too many connections",
		    (unsigned int)cred.uid);
		close(fd);
		return;
	}
	if ((c = rt_client_new(fd, d->kind == LISTENER_CONTROL_RO ?
	    DOOR_CONTROL_RO : DOOR_CONTROL)) == NULL)
		return;
	ncontrol++;
	c->uid = (uint32_t)cred.uid;
	c->pid = (uint32_t)cred.pid;
	c->role = CLIENT_OPERATOR;
	c->protocol = 3;
	c->scopes = d->kind == LISTENER_CONTROL_RO ? SCOPE_READ :
	    SCOPE_READ | SCOPE_WRITE | SCOPE_ADMIN | SCOPE_APPROVALS |
	    SCOPE_PAIRING;
	snprintf(name, sizeof(name), "uid %u", (unsigned int)cred.uid);
	if ((c->principal = strdup(name)) == NULL)
		rt_client_close(c, WS_CLOSE_ERROR, "");
	rt_client_start(c, (struct str){ "", 0 });
}

static void
accept_cb(evutil_socket_t lfd, short what, void *arg)
{
	struct door	*d = arg;
	struct timeval	 second = { 1, 0 };
	int		 fd, i;

	(void)what;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM) {
				event_del(d->ev);
				event_add(d->again, &second);
			}
			return;
		}
		control_client(d, fd);
	}
}

void
rt_control_listen(enum listener_kind kind, int fd, const char *name)
{
	struct door	*d;

	if ((kind != LISTENER_CONTROL && kind != LISTENER_CONTROL_RO) ||
	    ndoors == LISTENERS || fd_nonblock(fd) == -1) {
		log_warnx("listener %s: not taken", name);
		close(fd);
		return;
	}
	d = &doors[ndoors];
	d->fd = fd;
	d->kind = kind;
	d->ev = event_new(rt.base, fd, EV_READ | EV_PERSIST, accept_cb, d);
	d->again = event_new(rt.base, -1, 0, again_cb, d);
	if (d->ev == NULL || d->again == NULL || event_add(d->ev, NULL) == -1)
		fatal("listener %s", name);
	ndoors++;
}

void
rt_control_gone(struct client *c)
{
	(void)c;
	ncontrol--;
}

void
rt_control_stop(void)
{
	size_t	 i;

	for (i = 0; i < ndoors; i++) {
		event_del(doors[i].ev);
		event_del(doors[i].again);
		close(doors[i].fd);
	}
	ndoors = 0;
}

/* As on the other door: no list asks for everything, and a name that is not
 * known asks for nothing. */
static unsigned int
asked_scopes(const struct skim_val *list)
{
	struct skim_iter	 it;
	struct skim_val		 v;
	unsigned int		 bits = 0;
	size_t			 n = 0;

	if (list->kind != SKIM_ARRAY)
		return SCOPE_ADMIN;
	skim_iter_init(&it, list);
	for (; skim_next(&it, NULL, &v); n++)
		if (!v.escaped)
			bits |= scopes_parse(skim_raw(&v));
	return n == 0 ? SCOPE_ADMIN : bits;
}

void
rt_control_connect(struct client *c, const struct skim_frame *f)
{
	struct p_CONNECT	 p;
	struct dbuf		 why, text;
	struct str		 id = { f->id.p, f->id.n };
	unsigned int		 asked;
	int64_t			 least, most;

	dbuf_init(&why, METHOD_ERROR_MAX);
	if (method_params(method_get(METHOD_CONNECT), &f->params,
	    (struct skim_val *)&p, &why) == -1) {
		dbuf_init(&text, METHOD_ERROR_MAX + 64);
		dbuf_printf(&text, "invalid connect params: %s",
		    dbuf_str(&why));
		rt_answer_error(c, id, "INVALID_REQUEST", dbuf_str(&text));
		dbuf_clear(&text);
		goto done;
	}
	if (!skim_int(&p.minProtocol, &least) ||
	    !skim_int(&p.maxProtocol, &most) || least > 4 || least > most) {
		rt_answer_error(c, id, "INVALID_REQUEST", "protocol mismatch");
		goto done;
	}
	c->protocol = most >= 3 ? 3 : (uint32_t)most;
	asked = asked_scopes(&p.scopes);
	if (!(asked & SCOPE_ADMIN))
		c->scopes &= asked;
	rt_hello_write(c, id, NULL);
	c->hello = true;
done:
	dbuf_clear(&why);
}
