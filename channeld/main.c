/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * channeld: one account of one chat platform.  It holds that account's token
 * and speaks to that platform's hosts over descriptors that `connect` gives
 * it; it writes to its own folder and to nothing else.  It knows no agent, no
 * other account and no provider key.  What strangers send is parsed here, so
 * assume that it is hostile one day: it can then forge messages of this
 * account, and nothing more.
 */

#include "common/compat.h"

#include "channeld/chan.h"
#include "common/log.h"

static struct http_connector	*connector;
static struct link		*router, *connect_link;
static struct chan_conf		*next_conf;	/* accepted, not in force */
static struct event		*drain_ev;
static bool			 draining;

struct http_connector *
chan_connector(void)
{
	return connector;
}

bool
chan_draining(void)
{
	return draining;
}

static int
chan_configure(const struct parcel *pc, bool reload, char *why, size_t size)
{
	struct chan_conf	*c;
	struct str		 token;
	const char		*fixed;

	if (pc == NULL) {
		(void)strlcpy(why, "there is no parcel", size);
		return -1;
	}
	token = parcel_get_str(pc, "token");
	if (token.n == 0) {
		(void)strlcpy(why, "token is missing", size);
		return -1;
	}
	if ((c = chan_conf_load(pc, why, size)) == NULL)
		return -1;
	if (!reload) {
		if (chan_token_set(token) == -1) {
			(void)strlcpy(why, "out of memory", size);
			chan_conf_free(c);
			return -1;
		}
		chan_conf_use(c);
		return 0;
	}
	fixed = secret_eq(chan_token(), token) ?
	    chan_conf_fixed(chan_conf(), c) : "token";
	if (fixed != NULL) {
		/* These very words make the parent start a new process
		 * instead of refusing the configuration. */
		log_info("%s changed: a new process is needed", fixed);
		(void)strlcpy(why, "needs a restart", size);
		chan_conf_free(c);
		return -1;
	}
	chan_conf_free(next_conf);
	next_conf = c;
	return 0;
}

static void
chan_commit(void)
{
	if (next_conf == NULL)
		return;
	worker_parcel_forget();
	chan_conf_use(next_conf);
	next_conf = NULL;
	log_info("configuration is in force: dmPolicy %s",
	    dm_policy_name(chan_conf()->dm));
	chan_in_pump();
}

static int
chan_setup(void)
{
	char	 why[256] = "";

	worker_parcel_forget();		/* it holds the token */
	if ((connector = http_connector_new(worker_base())) == NULL)
		return -1;
	chan_state_init();
	chan_in_init();
	chan_out_init();
	chan_typing_init();
	if (chan_conf()->kind->configure(chan_conf(), why,
	    sizeof(why)) == -1)
		fatalx("%s", why);
	return 0;
}

static void
chan_start(void)
{
	if (chan_db_open(chan_conf()->state_dir) == -1) {
		chan_state_disk("open");
		return;
	}
	chan_out_load();
	if (chan_state_disk_bad())
		return;
	chan_conf()->kind->start();
	chan_in_pump();
}

static void
router_set(struct link *l)
{
	router = l;
	chan_state_router(l);
	chan_out_router(l);
	chan_in_router(l);
	if (l == NULL)
		chan_typing_stop();
}

/* A new sibling may come before the end of the old one is seen. */
static void
chan_peer(struct link *l)
{
	if (link_peer(l) == ROLE_CONNECT) {
		connect_link = l;
		http_connector_set_link(connector, l);
	} else if (link_peer(l) == ROLE_ROUTER) {
		if (router != NULL)
			router_set(NULL);
		router_set(l);
	}
}

static void
chan_peer_gone(struct link *l)
{
	if (l == connect_link) {
		connect_link = NULL;
		http_connector_set_link(connector, NULL);
	} else if (l == router)
		router_set(NULL);
}

static void
chan_peer_drained(struct link *l)
{
	if (link_peer(l) == ROLE_ROUTER)
		chan_in_pump();
}

/* --- channels.status with a probe ---------------------------------------- */

#define PROBES_MAX	8	/* at once; each is two requests */
#define PROBE_MS_MAX	120000

struct asked {
	uint64_t	 corr;
	uint32_t	 router;	/* its endpoint: another has not asked */
};
static unsigned int		 nprobes;

static void
probe_refuse(struct link *l, uint64_t corr, const char *why)
{
	struct m_rpc_res	 res = { 0 };

	res.code = STR_LIT("UNAVAILABLE");
	res.message = str_of(why);
	(void)send_rpc_res(l, &res, corr, MSG_F_REPLY);
}

static void
probe_done(json_t *result, void *arg)
{
	struct asked		*q = arg;
	struct m_rpc_res	 res = { .ok = 1 };
	char			*text = json_dumps(result, JSON_COMPACT);

	nprobes--;
	if (router != NULL && link_endpoint(router) == q->router &&
	    text != NULL) {
		res.result = str_of(text);
		(void)send_rpc_res(router, &res, q->corr, MSG_F_REPLY);
	}
	free(text);
	free(q);
}

static void
probe(struct link *l, uint64_t corr, const struct m_rpc_req *req)
{
	struct asked	*q;
	json_t		*params = json_loadb(req->params.p, req->params.n, 0,
			    NULL);
	json_int_t	 ms = json_integer_value(json_object_get(params,
			    "timeoutMs"));

	json_decref(params);
	if (!str_eqs(req->method, "channels.status")) {
		probe_refuse(l, corr, "channels answer no such method");
		return;
	}
	if (nprobes >= PROBES_MAX || draining ||
	    (q = calloc(1, sizeof(*q))) == NULL) {
		probe_refuse(l, corr, "too many probes at once; try again");
		return;
	}
	q->corr = corr;
	q->router = link_endpoint(l);
	nprobes++;
	if (chan_conf()->kind->probe((uint32_t)(ms < 1 ? 1 : ms > PROBE_MS_MAX ?
	    PROBE_MS_MAX : ms), probe_done, q) == -1) {
		nprobes--;
		free(q);
		probe_refuse(l, corr, "out of memory");
	}
}

static enum msg_err
router_message(struct link *l, struct msg *m)
{
	struct m_ch_inbound_ack	 in;
	struct m_ch_deliver	 out;
	struct m_ch_typing	 typing;
	struct m_ch_pair_res	 pair;
	struct m_ch_allow	 allow;
	struct m_rpc_req	 req;
	enum msg_err		 err;

	switch (m->h.type) {
	case MSG_CH_INBOUND_ACK:
		if ((err = get_ch_inbound_ack(m, &in)) == MSG_OK)
			chan_in_ack(&in);
		return err;
	case MSG_CH_DELIVER:
		if ((err = get_ch_deliver(m, &out)) == MSG_OK)
			chan_out_deliver(&out, m->h.corr);
		return err;
	case MSG_CH_TYPING:
		if ((err = get_ch_typing(m, &typing)) == MSG_OK)
			chan_typing(typing.chat.p, typing.thread.p, typing.on);
		return err;
	case MSG_CH_PAIR_RES:
		if ((err = get_ch_pair_res(m, &pair)) == MSG_OK)
			chan_in_paired(&pair);
		return err;
	case MSG_CH_ALLOW:
		if ((err = get_ch_allow(m, &allow)) == MSG_OK)
			chan_in_allow(&allow);
		return err;
	case MSG_RPC_REQ:
		if ((err = get_rpc_req(m, &req)) == MSG_OK)
			probe(l, m->h.corr, &req);
		return err;
	}
	return MSG_DIRECTION;
}

static enum msg_err
chan_message(struct link *l, struct msg *m)
{
	if (l != router && l != connect_link)
		return MSG_OK;		/* last words of a sibling's old self */
	switch (link_peer(l)) {
	case ROLE_ROUTER:
		return router_message(l, m);
	case ROLE_CONNECT:
		return http_connector_message(connector, m);
	default:
		return MSG_DIRECTION;
	}
}

static void
drain_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timeval	 tv = { 0, 50000 };

	(void)fd;
	(void)what;
	(void)arg;
	if (chan_out_busy())
		evtimer_add(drain_ev, &tv);
	else
		worker_drained();
}

/* What flies may land; everything else is in the database. */
static void
chan_drain(uint32_t deadline_ms)
{
	(void)deadline_ms;
	draining = true;
	chan_conf()->kind->stop();
	chan_out_drain();
	chan_typing_stop();
	if ((drain_ev = evtimer_new(worker_base(), drain_cb, NULL)) == NULL) {
		worker_drained();
		return;
	}
	drain_cb(-1, 0, NULL);
}

static void
chan_stop(void)
{
	chan_db_close();
}

static void
chan_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	(void)snprintf(detail, size, "%lld waiting, %u to send",
	    chan_db_is_open() ? (long long)chan_db_events_waiting() : -1LL,
	    chan_out_depth());
}

int
main(int argc, char *argv[])
{
	static const struct worker	 w = {
		WORKER_ROLE(CHAN),
		.configure = chan_configure,
		.commit = chan_commit,
		.setup = chan_setup,
		.peer = chan_peer,
		.peer_gone = chan_peer_gone,
		.peer_drained = chan_peer_drained,
		.message = chan_message,
		.start = chan_start,
		.drain = chan_drain,
		.stop = chan_stop,
		.stat = chan_stat,
	};

	return worker_main(argc, argv, &w);
}
