/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The control socket: a stream of JSON lines, judged by the same dispatcher as
 * WebSocket frames.  The file's mode decides who can connect at all, and the
 * supervisor what a connection may: from in here, behind namespaces, every
 * peer would look the same.  So each one goes there unread and comes back with
 * a name and a right.  No `connect` frame is needed; with one the connection
 * also receives events, and may narrow its scopes.  Bad input costs that
 * connection.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

#define ACCEPT_BATCH	16

static struct event	*accept_ev, *again_ev;
static int		 listen_fd = -1;
static size_t		 ncontrol;	/* connections that were let in */
static size_t		 nasked;	/* those that the supervisor has */

static void
again_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_add(accept_ev, NULL);
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

/* One line that says why, then the end; it takes no place among clients. */
static void
refuse(int fd, const char *code, const char *why)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "type", "res");
	jw_ks(&w, "id", "invalid");
	jw_kbool(&w, "ok", false);
	jw_kobj(&w, "error");
	jw_ks(&w, "code", code);
	jw_ks(&w, "message", why);
	jw_obj_end(&w);
	jw_obj_end(&w);
	dbuf_putc(&b, '\n');
	if (!dbuf_err(&b) && send(fd, b.p, b.n, MSG_DONTWAIT |
	    MSG_NOSIGNAL) == -1)
		log_debug("control: a refusal was not read");
	dbuf_clear(&b);
	close(fd);
}

static void
accept_cb(evutil_socket_t lfd, short what, void *arg)
{
	struct m_sup_peer	 ask = { 0 };
	struct timeval		 second = { 1, 0 };
	int			 fd, i;

	(void)what;
	(void)arg;
	for (i = 0; i < ACCEPT_BATCH; i++) {
		fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM) {
				event_del(accept_ev);
				event_add(again_ev, &second);
			}
			return;
		}
		if (rt.stopping || rt.ctl == NULL)
			close(fd);
		else if (nasked == RT_CONTROL_MAX)
			refuse(fd, "UNAVAILABLE", "too many connections to "
			    "the control socket at once; try again");
		else if (link_send_fds(rt.ctl, MSG_SUP_PEER, &ask,
		    link_corr(), 0, &fd, 1) == 0)
			nasked++;
	}
}

enum msg_err
rt_on_sup_peer_res(struct msg *m)
{
	struct m_sup_peer_res	 v;
	struct client		*c;
	enum msg_err		 err;
	char			 name[64];
	int			 fd;

	if ((err = get_sup_peer_res(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1)
		return MSG_FD;
	fd = msg_take_fd(m, 0);
	if (nasked > 0)
		nasked--;
	if (rt.stopping) {
		close(fd);
		return MSG_OK;
	}
	if (v.right == PEER_STRANGER) {
		log_info("control: uid %u, pid %u refused", v.uid, v.pid);
		refuse(fd, "INVALID_REQUEST", v.reason.p);
		return MSG_OK;
	}
	if (ncontrol >= RT_CONTROL_MAX || count_uid(v.uid) >=
	    RT_CONTROL_UID) {
		log_info("control: uid %u has too many connections", v.uid);
		refuse(fd, "UNAVAILABLE", "too many connections to the "
		    "control socket; close some of yours, or try again");
		return MSG_OK;
	}
	if ((c = rt_client_new(fd, DOOR_CONTROL)) == NULL)
		return MSG_OK;
	ncontrol++;
	c->uid = v.uid;
	c->pid = v.pid;
	c->role = CLIENT_OPERATOR;
	c->protocol = 3;
	c->scopes = v.right == PEER_ADMIN ? SCOPE_READ | SCOPE_WRITE |
	    SCOPE_ADMIN | SCOPE_APPROVALS | SCOPE_PAIRING : SCOPE_READ;
	snprintf(name, sizeof(name), "uid %u", c->uid);
	if ((c->principal = strdup(name)) == NULL)
		rt_client_close(c, WS_CLOSE_ERROR, "");
	rt_client_start(c, (struct str){ "", 0 });
	return MSG_OK;
}

void
rt_control_listen(enum listener_kind kind, int fd, const char *name)
{
	if (kind != LISTENER_CONTROL || listen_fd != -1 ||
	    fd_nonblock(fd) == -1) {
		log_warnx("listener %s: not taken", name);
		close(fd);
		return;
	}
	listen_fd = fd;
	accept_ev = event_new(rt.base, fd, EV_READ | EV_PERSIST, accept_cb,
	    NULL);
	again_ev = event_new(rt.base, -1, 0, again_cb, NULL);
	if (accept_ev == NULL || again_ev == NULL ||
	    event_add(accept_ev, NULL) == -1)
		fatal("listener %s", name);
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
	if (listen_fd == -1)
		return;
	event_free(accept_ev);
	event_free(again_ev);
	close(listen_fd);
	listen_fd = -1;
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
	int64_t			 least = 0, most = 0;
	uint32_t		 version;
	char			 mismatch[PROTOCOL_MISMATCH_MAX];

	dbuf_init(&why, METHOD_ERROR_MAX);
	if (method_params(method_get(METHOD_CONNECT), 3, &f->params,
	    (struct skim_val *)&p, &why) == -1) {
		dbuf_init(&text, METHOD_ERROR_MAX + 64);
		dbuf_printf(&text, "invalid connect params: %s",
		    dbuf_str(&why));
		rt_answer_error(c, id, "INVALID_REQUEST", dbuf_str(&text));
		dbuf_clear(&text);
		goto done;
	}
	(void)skim_int(&p.minProtocol, &least);
	(void)skim_int(&p.maxProtocol, &most);
	if ((version = protocol_choose(least, most)) == 0) {
		protocol_mismatch(least, most, mismatch);
		rt_answer_error_full(c, id, (struct str){ "", 0 },
		    STR_LIT("INVALID_REQUEST"), STR_LIT("protocol mismatch"),
		    str_of(mismatch));
		goto done;
	}
	c->protocol = version;
	asked = asked_scopes(&p.scopes);
	if (!(asked & SCOPE_ADMIN))
		c->scopes &= asked;
	rt_hello_write(c, id, NULL, NULL);
	c->hello = true;
done:
	dbuf_clear(&why);
}
