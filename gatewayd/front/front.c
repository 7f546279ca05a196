/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The front worker: accepts clients, speaks TLS and HTTP with them, and hands
 * those whom store accepts to the router.  It reads unauthenticated bytes and
 * may do nothing else: no file after set-up, no outgoing connection, no way to
 * another process but router, store, canvas and whois.
 */

#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/front/canvas.h"

struct link	*front_router, *front_store;
bool		 front_ready;

static void
front_listener(enum listener_kind kind, int fd, const char *name)
{
	(void)kind;
	accept_listener(fd, name);
}

static void
front_peer(struct link *l)
{
	if (link_peer(l) == ROLE_ROUTER)
		front_router = l;
	else if (link_peer(l) == ROLE_STORE)
		front_store = l;
	else if (link_peer(l) == ROLE_CANVAS)
		canvas_peer(l);
	else if (link_peer(l) == ROLE_WHOIS)
		whois_peer(l);
}

static void
front_peer_gone(struct link *l)
{
	if (link_peer(l) == ROLE_CANVAS) {
		canvas_peer_gone(l);
		return;
	}
	if (link_peer(l) == ROLE_WHOIS) {
		whois_peer_gone();
		return;
	}
	if (l == front_router) {
		front_router = NULL;
		front_ready = false;
	} else if (l == front_store)
		front_store = NULL;
	else
		return;
	conn_each(upgrade_lost);
	conn_each(api_lost);
}

static enum msg_err
front_message(struct link *l, struct msg *m)
{
	struct m_front_state	 v;
	enum msg_err		 err;

	if (m->h.type == MSG_AUTH_RES && l == front_store)
		return upgrade_auth_res(m);
	if (m->h.type == MSG_HTTP_RES && l == front_router)
		return api_res(m);
	if (link_peer(l) == ROLE_CANVAS)
		return canvas_message(l, m);
	if (m->h.type == MSG_WH_RES)
		return whois_message(m);
	if (m->h.type == MSG_FRONT_STATE && l == front_router) {
		if ((err = get_front_state(m, &v)) == MSG_OK)
			front_ready = v.ready != 0;
		return err;
	}
	/* An answer to what was never asked. */
	return MSG_MEANING;
}

static void
front_drain(uint32_t deadline_ms)
{
	(void)deadline_ms;
	accept_stop();
	conn_free_all();
	worker_drained();
}

static void
front_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	(void)snprintf(detail, size, "%u waiting, %u relays, %u live pages",
	    conn_count(), relay_count(), live_count());
}

static const struct worker front = {
	WORKER_ROLE(FRONT),
	.configure = front_configure,
	.commit = front_commit,
	.setup = front_setup,
	.listener = front_listener,
	.peer = front_peer,
	.peer_gone = front_peer_gone,
	.message = front_message,
	.drain = front_drain,
	.stat = front_stat,
};

int
front_main(int argc, char *argv[])
{
	return worker_main(argc, argv, &front);
}
