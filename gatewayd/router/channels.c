/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Between channels and agents.  Nothing is kept here that must survive: a
 * channel offers an event again until it is acknowledged, an agent a delivery.
 * An acknowledgement goes out only when the end that commits has spoken.  Who
 * a channel is comes from its link, never from a field.
 */
#include "common/compat.h"

#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

#define INBOUND_MS	60000
#define DELIVER_MS	600000	/* the channel may wait for its platform */
#define PAIR_MS		10000

static struct link *
live(struct link *l)
{
	return l;
}

static void
inbound_answer(struct link *to, uint64_t corr, struct str event_id,
    enum inbound_status status, struct str reason)
{
	struct m_ch_inbound_ack	 a;

	memset(&a, 0, sizeof(a));
	a.event_id = event_id;
	a.status = (uint8_t)status;
	a.reason = reason;
	if (live(to) != NULL &&
	    send_ch_inbound_ack(to, &a, corr, MSG_F_REPLY) == -1)
		log_warn("%s: acknowledgement", link_name(to));
}

static enum msg_err
on_inbound(struct link *l, struct msg *m)
{
	static char		 key[ROUTE_KEY_MAX + 1];
	struct m_ch_inbound	 v;
	struct m_ag_turn	 t;
	struct rt_account	*acc = rt_account_of_link(l);
	struct route_from	 from;
	struct rt_agent		*a;
	struct pending		*p;
	const char		*by;
	char			 dedupe[512], run_id[37];
	int			 fds[MSG_FDS_MAX];
	size_t			 i, nfds = 0;
	enum msg_err		 err;

	if ((err = get_ch_inbound(m, &v)) != MSG_OK)
		return err;
	if (acc == NULL) {
		/* Not in this configuration any more; it will be stopped. */
		inbound_answer(l, m->h.corr, v.event_id, INBOUND_RETRY,
		    STR_LIT("no such account"));
		return MSG_OK;
	}
	memset(&from, 0, sizeof(from));
	from.channel = str_of(acc->kind);
	from.account = str_of(acc->account);
	from.chat = v.chat;
	from.thread = v.thread;
	from.sender = v.sender;
	from.type = (enum chat_type)v.chat_type;
	a = rt_agent_find(str_of(route_agent(&rt.cf->routes, &from, &by)));
	if (a == NULL || route_key(&rt.cf->routes, &from, a->id, key,
	    sizeof(key)) == -1) {
		inbound_answer(l, m->h.corr, v.event_id, INBOUND_REFUSED,
		    STR_LIT("no route for this chat"));
		return MSG_OK;
	}
	if (rt.stopping || a->link == NULL || link_full(a->link) ||
	    (p = rt_pending_new(PEND_INBOUND, a->link, NULL,
	    (struct str){ "", 0 }, INBOUND_MS)) == NULL) {
		inbound_answer(l, m->h.corr, v.event_id, INBOUND_RETRY,
		    STR_LIT("the agent does not take it now"));
		return MSG_OK;
	}
	p->from = l;
	p->from_corr = m->h.corr;
	if ((p->name = str_dup(v.event_id)) == NULL) {
		rt_pending_free(p);
		return MSG_NOMEM;
	}
	snprintf(dedupe, sizeof(dedupe), "%s:%s:%s", acc->kind, acc->account,
	    p->name);
	uuid_v4(run_id);
	memset(&t, 0, sizeof(t));
	t.run_id = str_of(run_id);
	t.session_key = str_of(key);
	t.source = TURN_CHANNEL;
	t.channel = from.channel;
	t.account = from.account;
	t.chat = v.chat;
	t.thread = v.thread;
	t.chat_type = v.chat_type;
	t.sender = v.sender;
	t.sender_name = v.sender_name;
	t.msg_id = v.msg_id;
	t.ts_ms = v.ts_ms;
	t.dedupe_key = str_of(dedupe);
	t.options = STR_LIT("{}");
	t.text = v.text;
	for (i = 0; i < m->nfds && nfds < MSG_FDS_MAX; i++)
		fds[nfds++] = msg_take_fd(m, i);
	if (link_send_fds(a->link, MSG_AG_TURN, &t, p->corr, 0, fds,
	    nfds) == -1) {
		log_warn("%s: turn", link_name(a->link));
		rt_inbound_fail(p);
		return MSG_OK;
	}
	log_debug("%s: event %s to agent %s by %s", link_name(l), p->name,
	    a->id, by);
	return MSG_OK;
}

void
rt_inbound_ack(struct pending *p, const struct m_ag_turn_ack *v)
{
	enum inbound_status	 st = INBOUND_ACCEPTED;

	if (v->status == TURN_DUPLICATE)
		st = INBOUND_DUPLICATE;
	else if (v->status == TURN_REFUSED)
		st = str_eqs(v->code, "UNAVAILABLE") ? INBOUND_RETRY :
		    INBOUND_REFUSED;
	inbound_answer(p->from, p->from_corr, str_of(p->name), st,
	    (struct str){ v->reason.p, utf8_cut(v->reason.p, v->reason.n,
	    512) });
	rt_pending_free(p);
}

void
rt_inbound_fail(struct pending *p)
{
	inbound_answer(p->from, p->from_corr, str_of(p->name), INBOUND_RETRY,
	    STR_LIT("the agent does not answer"));
	rt_pending_free(p);
}

/* --- replies ------------------------------------------------------------------ */

static void
deliver_answer(struct link *to, uint64_t corr, struct str id,
    enum delivery_status status, struct str remote_ids, struct str reason)
{
	struct m_ag_deliver_ack	 a;

	memset(&a, 0, sizeof(a));
	a.delivery_id = id;
	a.status = (uint8_t)status;
	a.remote_ids = remote_ids;
	a.reason = reason;
	if (to != NULL && send_ag_deliver_ack(to, &a, corr, MSG_F_REPLY) == -1)
		log_warn("%s: acknowledgement", link_name(to));
}

enum msg_err
rt_on_ag_deliver(struct link *l, struct msg *m)
{
	struct m_ag_deliver	 v;
	struct m_ch_deliver	 d;
	struct rt_agent		*a = rt_agent_of_link(l);
	struct rt_account	*acc;
	struct pending		*p;
	struct str		 none = { "", 0 };
	int			 fds[MSG_FDS_MAX];
	size_t			 i, nfds = 0;
	enum msg_err		 err;

	if ((err = get_ag_deliver(m, &v)) != MSG_OK)
		return err;
	if (v.account.n == 0)
		v.account = STR_LIT("default");
	/* A reply goes where a message could have come from; an agent that
	 * names another account is told so, not obeyed. */
	if (a == NULL || !route_may_deliver(&rt.cf->routes, a->id, v.channel,
	    v.account)) {
		log_warnx("%s: delivery to %.*s:%.*s is not in its bindings",
		    link_name(l), (int)v.channel.n, v.channel.p,
		    (int)v.account.n, v.account.p);
		deliver_answer(l, m->h.corr, v.delivery_id, DELIVERY_FAILED,
		    none, STR_LIT("this agent has no binding there"));
		return MSG_OK;
	}
	acc = rt_account_find(v.channel, v.account);
	if (acc == NULL) {
		deliver_answer(l, m->h.corr, v.delivery_id, DELIVERY_FAILED,
		    none, STR_LIT("no such account"));
		return MSG_OK;
	}
	if (acc->link == NULL || link_full(acc->link) || rt.stopping ||
	    (p = rt_pending_new(PEND_DELIVER, acc->link, NULL, none,
	    DELIVER_MS)) == NULL) {
		deliver_answer(l, m->h.corr, v.delivery_id, DELIVERY_RETRY,
		    none, STR_LIT("the channel does not take it now"));
		return MSG_OK;
	}
	p->from = l;
	p->from_corr = m->h.corr;
	if ((p->name = str_dup(v.delivery_id)) == NULL) {
		rt_pending_free(p);
		return MSG_NOMEM;
	}
	memset(&d, 0, sizeof(d));
	d.delivery_id = v.delivery_id;
	d.chat = v.chat;
	d.thread = v.thread;
	d.reply_to = v.reply_to;
	d.format = v.format;
	d.text = v.text;
	for (i = 0; i < m->nfds && nfds < MSG_FDS_MAX; i++)
		fds[nfds++] = msg_take_fd(m, i);
	if (link_send_fds(acc->link, MSG_CH_DELIVER, &d, p->corr, 0, fds,
	    nfds) == -1)
		rt_deliver_fail(p);
	return MSG_OK;
}

static enum msg_err
on_deliver_ack(struct link *l, struct msg *m)
{
	struct m_ch_deliver_ack	 v;
	struct pending		*p;
	enum msg_err		 err;

	if ((err = get_ch_deliver_ack(m, &v)) != MSG_OK)
		return err;
	if ((p = rt_pending_find(m->h.corr, PEND_SEND, l)) != NULL) {
		if (!str_eqs(v.delivery_id, p->name))
			return MSG_MEANING;
		rt_send_ack(p, &v);
		return MSG_OK;
	}
	if ((p = rt_pending_find(m->h.corr, PEND_DELIVER, l)) == NULL)
		return MSG_OK;
	if (!str_eqs(v.delivery_id, p->name))
		return MSG_MEANING;
	deliver_answer(p->from, p->from_corr, v.delivery_id,
	    (enum delivery_status)v.status, v.remote_ids, v.reason);
	rt_pending_free(p);
	return MSG_OK;
}

/* The channel ended or is silent: it may or may not have sent; its own outbox
 * knows the delivery id, so offering it again is right. */
void
rt_deliver_fail(struct pending *p)
{
	deliver_answer(p->from, p->from_corr, str_of(p->name), DELIVERY_RETRY,
	    (struct str){ "", 0 }, STR_LIT("the channel does not answer"));
	rt_pending_free(p);
}

enum msg_err
rt_on_ag_typing(struct link *l, struct msg *m)
{
	struct m_ag_typing	 v;
	struct m_ch_typing	 t;
	struct rt_agent		*a = rt_agent_of_link(l);
	struct rt_account	*acc;
	enum msg_err		 err;

	if ((err = get_ag_typing(m, &v)) != MSG_OK)
		return err;
	if (v.account.n == 0)
		v.account = STR_LIT("default");
	if (a == NULL || !route_may_deliver(&rt.cf->routes, a->id, v.channel,
	    v.account) || (acc = rt_account_find(v.channel, v.account)) ==
	    NULL || acc->link == NULL || link_full(acc->link))
		return MSG_OK;
	memset(&t, 0, sizeof(t));
	t.chat = v.chat;
	t.thread = v.thread;
	t.on = v.on;
	send_ch_typing(acc->link, &t, 0, 0);
	return MSG_OK;
}

/* --- state and pairing --------------------------------------------------------- */

static enum msg_err
on_state(struct link *l, struct msg *m)
{
	struct m_ch_state	 v;
	struct rt_account	*acc = rt_account_of_link(l);
	struct skim_val		 json;
	struct payload		*snap = NULL;
	char			*detail;
	enum msg_err		 err;

	if ((err = get_ch_state(m, &v)) != MSG_OK)
		return err;
	if (v.snapshot.n > 0) {
		if (skim_text(v.snapshot.p, v.snapshot.n, &json) != SKIM_OK ||
		    json.kind != SKIM_OBJECT)
			return MSG_MEANING;
		if ((snap = rt_payload_of(json.p, json.n)) == NULL)
			return MSG_NOMEM;
	}
	if (acc == NULL || (detail = str_dup(v.detail)) == NULL) {
		rt_payload_unref(snap);
		return MSG_OK;
	}
	if (acc->state != v.state)
		rt_health_wish();
	acc->state = v.state;
	free(acc->detail);
	acc->detail = detail;
	if (snap != NULL) {
		rt_payload_unref(acc->snapshot);
		acc->snapshot = snap;
	}
	return MSG_OK;
}

static void
pair_answer(struct link *to, uint64_t corr, struct str sender, struct str code,
    bool created)
{
	struct m_ch_pair_res	 a;

	memset(&a, 0, sizeof(a));
	a.sender = sender;
	a.code = code;
	a.created = created;
	if (to != NULL)
		send_ch_pair_res(to, &a, corr, MSG_F_REPLY);
}

static enum msg_err
on_pair(struct link *l, struct msg *m)
{
	struct m_ch_pair	 v;
	struct m_st_pair	 q;
	struct rt_account	*acc = rt_account_of_link(l);
	struct pending		*p;
	struct str		 none = { "", 0 };
	enum msg_err		 err;

	if ((err = get_ch_pair(m, &v)) != MSG_OK)
		return err;
	if (acc == NULL || rt.store == NULL || link_full(rt.store) ||
	    (p = rt_pending_new(PEND_PAIR, rt.store, NULL, none,
	    PAIR_MS)) == NULL) {
		pair_answer(l, m->h.corr, v.sender, none, false);
		return MSG_OK;
	}
	p->from = l;
	p->from_corr = m->h.corr;
	if ((p->name = str_dup(v.sender)) == NULL) {
		rt_pending_free(p);
		return MSG_NOMEM;
	}
	memset(&q, 0, sizeof(q));
	q.channel = str_of(acc->kind);
	q.account = str_of(acc->account);
	q.sender = v.sender;
	q.sender_name = v.sender_name;
	q.sender_username = v.sender_username;
	if (send_st_pair(rt.store, &q, p->corr, 0) == -1)
		rt_pair_fail(p);
	return MSG_OK;
}

void
rt_pair_fail(struct pending *p)
{
	pair_answer(p->from, p->from_corr, str_of(p->name),
	    (struct str){ "", 0 }, false);
	rt_pending_free(p);
}

enum msg_err
rt_on_st_pair_res(struct link *l, struct msg *m)
{
	struct m_st_pair_res	 v;
	struct pending		*p;
	enum msg_err		 err;

	if ((err = get_st_pair_res(m, &v)) != MSG_OK)
		return err;
	if ((p = rt_pending_find(m->h.corr, PEND_PAIR, l)) == NULL)
		return MSG_OK;
	pair_answer(p->from, p->from_corr, str_of(p->name), v.code, v.created);
	rt_pending_free(p);
	return MSG_OK;
}

enum msg_err
rt_on_st_allow(struct link *l, struct msg *m)
{
	struct m_st_allow	 v;
	struct m_ch_allow	 a;
	struct rt_account	*acc;
	enum msg_err		 err;

	(void)l;
	if ((err = get_st_allow(m, &v)) != MSG_OK)
		return err;
	if ((acc = rt_account_find(v.channel, v.account)) == NULL ||
	    acc->link == NULL) {
		if (v.op == ALLOW_WELCOME)
			log_warnx("%s/%s: does not run: a sender that was "
			    "approved is not told of it", v.channel.p,
			    v.account.p);
		return MSG_OK;
	}
	memset(&a, 0, sizeof(a));
	a.op = v.op;
	a.sender = v.sender;
	send_ch_allow(acc->link, &a, 0, 0);
	return MSG_OK;
}

static void
sync_allow(const struct rt_account *acc)
{
	struct m_st_sync	 s;

	if (rt.store == NULL || acc->link == NULL)
		return;
	memset(&s, 0, sizeof(s));
	s.channel = str_of(acc->kind);
	s.account = str_of(acc->account);
	send_st_sync(rt.store, &s, 0, 0);
}

void
rt_chan_up(struct link *l)
{
	struct rt_account	*acc = rt_account_of_link(l);

	if (acc != NULL)
		sync_allow(acc);
}

void
rt_store_up(struct link *l)
{
	struct m_st_sync	 m = { .channel = { "", 0 },
				    .account = { "", 0 } };
	size_t			 i;

	/* Whose credentials ended while nobody could tell us? */
	send_st_sync(l, &m, 0, 0);
	for (i = 0; i < rt.cf->naccounts; i++)
		sync_allow(&rt.cf->accounts[i]);
}

void
rt_chan_gone(struct link *l)
{
	struct rt_account	*acc = rt_account_of_link(l);

	if (acc == NULL)
		return;
	acc->link = NULL;
	acc->state = CH_DOWN;
	rt_health_wish();
}

enum msg_err
rt_on_chan(struct link *l, struct msg *m)
{
	switch (m->h.type) {
	case MSG_CH_INBOUND:
		return on_inbound(l, m);
	case MSG_CH_DELIVER_ACK:
		return on_deliver_ack(l, m);
	case MSG_CH_STATE:
		return on_state(l, m);
	case MSG_CH_PAIR:
		return on_pair(l, m);
	case MSG_RPC_RES:
		return rt_on_rpc_res(l, m);
	default:
		return MSG_DIRECTION;
	}
}
