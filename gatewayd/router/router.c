/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The role itself: which sibling is linked, which message goes to which
 * handler, and the clock.  It may lose everything it holds at any moment; the
 * ends that commit will offer it again.
 */
#include "common/compat.h"

#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

struct router		 rt;
static struct rt_config	*next_config;
static struct event	*clock_ev;

static void	 attach(struct link *);

/* --- links -------------------------------------------------------------------- */

/* "telegram:main" as kind and account */
static struct rt_account *
account_of_instance(const char *instance)
{
	const char	*colon = strchr(instance, ':');

	if (colon == NULL)
		return NULL;
	return rt_account_find((struct str){ instance,
	    (size_t)(colon - instance) }, str_of(colon + 1));
}

static void
attach(struct link *l)
{
	struct rt_account	*acc;
	struct rt_agent		*a;

	switch (link_peer(l)) {
	case ROLE_FRONT:
		rt.front = l;
		break;
	case ROLE_STORE:
		rt.store = l;
		rt_store_up(l);
		break;
	case ROLE_LOG:
		rt.log = l;
		break;
	case ROLE_AGENT:
	case ROLE_TOOL:
		if ((a = rt_agent_find(str_of(link_instance(l)))) == NULL)
			break;
		if (link_peer(l) == ROLE_AGENT) {
			a->link = l;
			rt_watch_agent_up(a);
			rt_runs_agent_up(a);
			rt_sentinel_try();
		} else
			a->tool = l;
		break;
	case ROLE_CHAN:
		if ((acc = account_of_instance(link_instance(l))) == NULL)
			break;
		acc->link = l;
		rt_chan_up(l);
		break;
	default:
		log_warnx("%s: unexpected peer", link_name(l));
		break;
	}
}

/* Links whose agent or account only the next configuration names are kept
 * here until it is in force. */
struct known {
	TAILQ_ENTRY(known)	 entry;
	struct link		*link;
	bool			 spoke;		/* an agent: it is up */
};
static TAILQ_HEAD(, known) links = TAILQ_HEAD_INITIALIZER(links);

static struct known *
known_find(const struct link *l)
{
	struct known	*k;

	TAILQ_FOREACH(k, &links, entry)
		if (k->link == l)
			return k;
	return NULL;
}

/* A link is there before the one behind it is: the agent that unnamed
 * messages go to must have spoken.  For those who watch over the gateway. */
static void
tell_ready(void)
{
	static const struct link	*to;
	static bool			 told;
	struct m_front_state		 m = { 0 };
	const struct known		*k;

	if (rt.front == NULL || rt.cf == NULL) {
		to = NULL;
		return;
	}
	k = rt.cf->nagents > 0 ? known_find(
	    rt.cf->agents[rt.cf->default_agent].link) : NULL;
	m.ready = !rt.stopping && rt.store != NULL && k != NULL && k->spoke;
	if (to == rt.front && told == m.ready)
		return;
	if (send_front_state(rt.front, &m, 0, 0) == 0) {
		to = rt.front;
		told = m.ready;
	}
}

static void
router_peer(struct link *l)
{
	struct known	*k = xcalloc(1, sizeof(*k));

	k->link = l;
	TAILQ_INSERT_TAIL(&links, k, entry);
	attach(l);
	tell_ready();
}

static void
router_peer_gone(struct link *l)
{
	struct rt_agent	*a;
	struct known	*k;

	if ((k = known_find(l)) == NULL)
		return;
	TAILQ_REMOVE(&links, k, entry);
	free(k);
	/* First the tables, so that nothing is sent there by what fails. */
	if (rt.front == l)
		rt.front = NULL;
	if (rt.store == l)
		rt.store = NULL;
	if (rt.log == l)
		rt.log = NULL;
	if ((a = rt_agent_of_link(l)) != NULL) {
		if (a->link == l) {
			a->link = NULL;
			rt_runs_agent_gone(a);
		}
		if (a->tool == l)
			a->tool = NULL;
	}
	rt_http_link_gone(l);
	tell_ready();
	if (link_peer(l) == ROLE_CHAN)
		rt_chan_gone(l);
	if (link_peer(l) == ROLE_TOOL)
		rt_approvals_link_gone(l);
	rt_pending_link_gone(l);
}

/* --- messages ------------------------------------------------------------------ */

static enum msg_err
on_ag_state(struct link *l, struct msg *m)
{
	struct m_ag_state	 v;
	struct known		*k;
	struct rt_agent		*a = rt_agent_of_link(l);
	struct skim_val		 json;
	struct payload		*p;
	enum msg_err		 err;

	if ((err = get_ag_state(m, &v)) != MSG_OK)
		return err;
	if (v.sessions.n > 0 && (skim_text(v.sessions.p, v.sessions.n,
	    &json) != SKIM_OK || json.kind != SKIM_OBJECT))
		return MSG_MEANING;
	if ((k = known_find(l)) != NULL)
		k->spoke = true;
	tell_ready();
	if (a == NULL)
		return MSG_OK;
	a->running = v.running;
	a->queued = v.queued;
	if (v.sessions.n > 0 &&
	    (p = rt_payload_of(json.p, json.n)) != NULL) {
		rt_payload_unref(a->sessions);
		a->sessions = p;
	}
	return MSG_OK;
}

static enum msg_err
on_revoked(struct msg *m)
{
	struct m_st_revoked	 v;
	enum msg_err		 err;

	if ((err = get_st_revoked(m, &v)) != MSG_OK)
		return err;
	rt_tickets_revoked(v.device_id, (enum client_role)v.role, v.before);
	rt_clients_revoked(v.device_id, (enum client_role)v.role, v.before);
	return MSG_OK;
}

static enum msg_err
router_message(struct link *l, struct msg *m)
{
	if (link_peer(l) == ROLE_CHAN)
		return rt_on_chan(l, m);
	switch (m->h.type) {
	case MSG_AUTH_TICKET:
		return rt_on_auth_ticket(l, m);
	case MSG_CLIENT_HANDOFF:
		return rt_on_client_handoff(l, m);
	case MSG_AG_TURN_ACK:
		return rt_on_turn_ack(l, m);
	case MSG_AG_EVENT:
		return rt_on_ag_event(l, m);
	case MSG_AG_RUN_END:
		return rt_on_run_end(l, m);
	case MSG_AG_DELIVER:
		return rt_on_ag_deliver(l, m);
	case MSG_AG_TYPING:
		return rt_on_ag_typing(l, m);
	case MSG_AG_STATE:
		return on_ag_state(l, m);
	case MSG_ST_PAIR_RES:
		return rt_on_st_pair_res(l, m);
	case MSG_ST_ALLOW:
		return rt_on_st_allow(l, m);
	case MSG_ST_REVOKED:
		return on_revoked(m);
	case MSG_ST_EVENT:
		return rt_on_st_event(m);
	case MSG_RPC_RES:
		return rt_on_rpc_res(l, m);
	case MSG_HTTP_REQ:
		return rt_on_http_req(m);
	case MSG_HTTP_RES:
		return rt_on_http_res(l, m);
	case MSG_HTTP_GONE:
		return rt_on_http_gone(m);
	case MSG_HTTP_CREDIT:
		return rt_on_http_credit(m);
	case MSG_AP_REQ:
		return rt_on_ap_req(l, m);
	case MSG_AP_EXPIRE:
		return rt_on_ap_expire(l, m);
	default:
		return MSG_DIRECTION;
	}
}

/* --- life ---------------------------------------------------------------------- */

static void
clock_cb(evutil_socket_t fd, short what, void *arg)
{
	static uint64_t	 tick_at, health_at;
	uint64_t	 now = mono_ms();
	char		 tick[64];
	int		 n;

	(void)fd;
	(void)what;
	(void)arg;
	if (tick_at == 0) {
		tick_at = now + RT_TICK_MS;
		health_at = now + RT_HEALTH_MS;
	}
	if (now >= tick_at) {
		tick_at = now + RT_TICK_MS;
		n = snprintf(tick, sizeof(tick), "{\"ts\":%llu}",
		    (unsigned long long)wall_ms());
		rt_broadcast(EVENT_TICK, tick, (size_t)n, true, 0);
		rt_node_event_copy(EVENT_TICK, NULL, NULL, tick, (size_t)n);
	}
	if (now >= health_at) {
		health_at = now + RT_HEALTH_MS;
		rt_health_wish();
	}
	rt_tickets_sweep(now);
	rt_pending_sweep(now);
	rt_runs_sweep(now);
	rt_sends_sweep(now);
	rt_approvals_sweep(wall_ms());
	rt_clients_sweep(now);
	rt_sentinel_try();
}

static int
router_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	struct rt_config	*cf;

	if (p == NULL) {
		strlcpy(why, "no parcel", size);
		return -1;
	}
	if ((cf = rt_config_new(p, why, size)) == NULL)
		return -1;
	if (!reload) {
		rt_config_replace(cf);
		return 0;
	}
	rt_config_free(next_config);
	next_config = cf;
	return 0;
}

static void
router_commit(void)
{
	struct known	*k;

	if (next_config == NULL)
		return;
	rt_config_replace(next_config);
	next_config = NULL;
	TAILQ_FOREACH(k, &links, entry)
		attach(k->link);
	tell_ready();
	rt_health_wish();
}

int
rt_start(struct event_base *base, struct link *ctl)
{
	struct timeval	 second = { 1, 0 };

	rt.base = base;
	rt.ctl = ctl;
	rt.started_ms = mono_ms();
	uuid_v4(rt.boot_id);
	rt_presence_self();
	if ((clock_ev = event_new(rt.base, -1, EV_PERSIST, clock_cb,
	    NULL)) == NULL || event_add(clock_ev, &second) == -1)
		return -1;
	return 0;
}

static int
router_setup(void)
{
	return rt_start(worker_base(), worker_ctl());
}

static void
router_drain(uint32_t deadline_ms)
{
	(void)deadline_ms;
	/* Nothing new; what runs may still report until we are told to go. */
	rt.stopping = true;
	tell_ready();
	rt_broadcast_shutdown(rt_sup_restarting);
	rt_clients_flush();
	worker_drained();
}

static void
router_stop(void)
{
	if (!rt.stopping)
		rt_broadcast_shutdown(rt_sup_restarting);
	rt.stopping = true;
	rt_control_stop();
	rt_clients_close_all(WS_CLOSE_RESTART, "service restart");
}

static void
router_stat(struct m_proc_stat_res *st, char *detail, size_t size)
{
	st->drops = rt.drops;
	st->queued = rt_pending_count();
	snprintf(detail, size, "%zu clients, %zu runs", rt_clients_count(),
	    rt_runs_count());
}

static enum msg_err
router_control(struct link *l, struct msg *m)
{
	return rt_on_sup(l, m);
}

const struct worker rt_worker = {
	WORKER_ROLE(ROUTER),
	.configure = router_configure,
	.commit = router_commit,
	.setup = router_setup,
	.listener = rt_control_listen,
	.peer = router_peer,
	.peer_gone = router_peer_gone,
	.message = router_message,
	.drain = router_drain,
	.stop = router_stop,
	.stat = router_stat,
	.control = router_control,
};
