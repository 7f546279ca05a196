/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gatewayd-store: its links and messages; see store.h for what it is. */
#include "common/compat.h"

#include <errno.h>

#include "common/log.h"
#include "common/worker.h"
#include "gatewayd/store/store.h"

#define REOPEN_S	10
#define COUNTS_MS	200	/* failures are together on the disk */

static struct link		*router;
static struct event		*reopen_ev, *counts_ev;
static struct store_config	 next_cfg;
static bool			 reloading;

static int
store_configure(const struct parcel *pc, bool reload, char *why, size_t size)
{
	struct store_config	*c = reload ? &next_cfg : &store_cfg;
	const char		*mode = parcel_get(pc, "auth.mode");

	memset(c, 0, sizeof(*c));
	if (mode == NULL || strcmp(mode, "token") == 0)
		c->mode = AUTH_TOKEN;
	else if (strcmp(mode, "password") == 0)
		c->mode = AUTH_PASSWORD;
	else if (strcmp(mode, "none") == 0)
		c->mode = AUTH_NONE;
	else if (strcmp(mode, "trusted-proxy") == 0)
		c->mode = AUTH_PROXY;
	else {
		snprintf(why, size, "gateway.auth.mode: %s is not known here",
		    mode);
		return -1;
	}
	while (parcel_get(pc, "auth.user.%zu", c->nusers) != NULL) {
		if (c->nusers == USERS_MAX) {
			snprintf(why, size, "gateway.auth.trustedProxy."
			    "allowUsers: more than %d", USERS_MAX);
			return -1;
		}
		c->users[c->nusers] = parcel_get_str(pc, "auth.user.%zu",
		    c->nusers);
		c->nusers++;
	}
	c->token = parcel_get_str(pc, "auth.token");
	c->password = parcel_get_str(pc, "auth.password");
	c->tailscale = parcel_get_bool(pc, false, "auth.tailscale");
	c->insecure_ui = parcel_get_bool(pc, false,
	    "controlUi.allowInsecureAuth");
	c->no_device_ui = parcel_get_bool(pc, false,
	    "controlUi.dangerouslyDisableDeviceAuth");
	reloading = reload;
	return 0;
}

static void
store_commit(void)
{
	if (reloading)
		store_cfg = next_cfg;
	if (reloading && shared_changed(wall_ms()) && router != NULL)
		shared_tell(router, wall_ms());
	reloading = false;
}

/* What ended while nobody could tell the router. */
static void
store_sync(struct link *l)
{
	device_sync(l, wall_ms());
	shared_tell(l, wall_ms());
}

static void
store_reopen_cb(evutil_socket_t fd, short what, void *arg)
{
	const char	*dir = parcel_get(worker_parcel(), "state.dir");

	(void)fd;
	(void)what;
	(void)arg;
	if (dir == NULL || db_open(dir) == -1)
		return;
	log_info("store: the database is open now");
	event_del(reopen_ev);
	(void)shared_changed(wall_ms());
	if (router != NULL)
		store_sync(router);
}

static void
store_counts_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	lockout_flush(wall_ms());
}

/* Somebody failed, perhaps. */
static void
store_counted(void)
{
	static const struct timeval	 tv = { 0, COUNTS_MS * 1000 };

	if (lockout_dirty() && !evtimer_pending(counts_ev, NULL))
		evtimer_add(counts_ev, &tv);
}

static void
store_stop(void)
{
	if (lockout_dirty())
		lockout_flush(wall_ms());
	db_close();
}

static int
store_setup(void)
{
	const char	*dir = parcel_get(worker_parcel(), "state.dir");
	struct timeval	 tv = { REOPEN_S, 0 };

	if (dir == NULL) {
		log_errorx("no state directory in the parcel");
		errno = EINVAL;
		return -1;
	}
	if ((reopen_ev = event_new(worker_base(), -1, EV_PERSIST,
	    store_reopen_cb, NULL)) == NULL ||
	    (counts_ev = evtimer_new(worker_base(), store_counts_cb,
	    NULL)) == NULL)
		return -1;
	/* Without its file the store goes on with what needs none: the shared
	 * secret still opens the door, so that the owner can look. */
	if (db_open(dir) == -1) {
		log_errorx("store: no database; devices and pairing are not "
		    "available");
		event_add(reopen_ev, &tv);
	} else
		(void)shared_changed(wall_ms());
	return 0;
}

static void
store_peer(struct link *l)
{
	if (link_peer(l) == ROLE_ROUTER)
		router = l;
}

static void
store_peer_gone(struct link *l)
{
	if (l == router)
		router = NULL;
}

/* The router learns of the client before front may hand it over. */
static int
store_ticket(const struct m_auth_req *q, const struct auth_verdict *v,
    uint64_t ticket)
{
	struct m_auth_ticket	 t;

	memset(&t, 0, sizeof(t));
	t.ticket = ticket;
	t.protocol = q->protocol;
	t.client_id = q->client_id;
	t.client_mode = q->client_mode;
	t.display_name = q->display_name;
	t.version = q->version;
	t.platform = q->platform;
	t.device_family = q->device_family;
	t.model_identifier = q->model_identifier;
	t.instance_id = q->instance_id;
	t.role = q->role;
	t.scopes = str_of(v->scopes);
	t.device_id = v->device ? q->device_id : STR_LIT("");
	t.device_token = str_of(v->token);
	t.issued_at = v->issued_at;
	t.shared = v->shared;
	t.remote = q->remote;
	t.local = q->local;
	t.node = q->node;
	return send_auth_ticket(router, &t, 0, 0);
}

static enum msg_err
store_on_auth(struct link *from, struct msg *m)
{
	static struct auth_verdict	 v;	/* 5 KiB, off the stack */
	struct m_auth_req		 q;
	struct m_auth_res		 res;
	uint64_t			 ticket = 0, now = wall_ms();
	enum msg_err			 err;

	if ((err = get_auth_req(m, &q)) != MSG_OK)
		return err;
	auth_check(&q, now, &v);
	auth_explain(&q, &v);
	store_counted();
	if (router != NULL)
		device_tell(router, &q, &v, now);
	if (v.verdict == VERDICT_OK) {
		do
			arc4random_buf(&ticket, sizeof(ticket));
		while (ticket == 0);
		if (router == NULL || store_ticket(&q, &v, ticket) == -1) {
			v.verdict = VERDICT_UNAVAILABLE;
			v.code = "UNAVAILABLE";
			strlcpy(v.message, "the gateway is starting; try "
			    "again", sizeof(v.message));
			ticket = 0;
		} else if (q.role == CLIENT_NODE)
			node_connected(&q, v.device, now);
	}
	memset(&res, 0, sizeof(res));
	res.conn = q.conn;
	res.verdict = (uint8_t)v.verdict;
	res.ticket = ticket;
	if (v.verdict != VERDICT_OK) {
		res.code = str_of(v.code);
		res.message = str_of(v.message);
		res.details = str_of(v.details);
		res.penalty_s = v.penalty_s;
		res.retry_s = v.retry_s;
		log_debug("connect of %s refused: %s", q.client_id.p,
		    v.message);
	}
	send_auth_res(from, &res, m->h.corr, MSG_F_REPLY);
	explicit_bzero(&v, sizeof(v));
	return MSG_OK;
}

/* The same for a request that is no client: there is nothing to hand over. */
static enum msg_err
store_on_http(struct link *from, struct msg *m)
{
	static struct auth_verdict	 v;
	struct m_http_auth		 q;
	struct m_auth_res		 res;
	enum msg_err			 err;

	if ((err = get_http_auth(m, &q)) != MSG_OK)
		return err;
	auth_http(&q, wall_ms(), &v);
	store_counted();
	memset(&res, 0, sizeof(res));
	res.conn = q.conn;
	res.verdict = (uint8_t)v.verdict;
	res.message = str_of(v.message);
	res.penalty_s = v.penalty_s;
	send_auth_res(from, &res, m->h.corr, MSG_F_REPLY);
	return MSG_OK;
}

static enum msg_err
store_message(struct link *l, struct msg *m)
{
	struct m_st_pair	 pair;
	struct m_st_sync	 sync;
	struct m_rpc_req	 rpc;
	enum msg_err		 err;

	switch (m->h.type) {
	case MSG_AUTH_REQ:
		return store_on_auth(l, m);
	case MSG_HTTP_AUTH:
		return store_on_http(l, m);
	case MSG_ST_PAIR:
		if ((err = get_st_pair(m, &pair)) != MSG_OK)
			return err;
		pairing_request(l, &pair, m->h.corr, wall_ms());
		return MSG_OK;
	case MSG_ST_SYNC:
		if ((err = get_st_sync(m, &sync)) != MSG_OK)
			return err;
		if (sync.channel.n == 0)
			store_sync(l);
		else
			pairing_sync(l, sync.channel, sync.account);
		return MSG_OK;
	case MSG_RPC_REQ:
		if ((err = get_rpc_req(m, &rpc)) != MSG_OK)
			return err;
		if (str_eqs(rpc.method, "pairing.list"))
			pairing_list(l, rpc.params, m->h.corr, wall_ms());
		else if (str_eqs(rpc.method, "pairing.approve"))
			pairing_approve(l, rpc.params, m->h.corr, wall_ms());
		else if (!device_rpc(l, &rpc, m->h.corr, wall_ms()) &&
		    !node_rpc(l, &rpc, m->h.corr, wall_ms()))
			store_refuse(l, m->h.corr, "INVALID_REQUEST",
			    "unknown method");
		return MSG_OK;
	default:
		return MSG_DIRECTION;
	}
}

int
main(int argc, char *argv[])
{
	static const struct worker	 w = {
		WORKER_ROLE(STORE),
		.configure = store_configure,
		.commit = store_commit,
		.setup = store_setup,
		.peer = store_peer,
		.peer_gone = store_peer_gone,
		.message = store_message,
		.stop = store_stop,
	};

	return worker_main(argc, argv, &w);
}
