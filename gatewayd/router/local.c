/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Methods answered from what the router holds (spec 4.2, 4.8, 4.10, 4.14):
 * ready JSON of the parcel, states that agents and channels reported.  JSON
 * from siblings was checked when it came.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

#define HEALTH_SOON_MS	20
#define HEALTH_GAP_MS	1000
#define AGENTS_JOINED	64

static struct event	*health_ev;
static uint64_t		 health_last;

/* --- health ----------------------------------------------------------------- */

/* {path, count, recent}: the newest n rows, whole or in short. */
static void
write_sessions(struct jw *w, const struct rt_agent *a, size_t most, bool whole,
    bool named)
{
	struct skim_val		 root = { 0 }, v, row, part;
	struct skim_iter	 it;
	int64_t			 count = 0;
	size_t			 n = 0;

	if (a->sessions != NULL)
		root = (struct skim_val){ a->sessions->p, a->sessions->n,
		    SKIM_OBJECT, false };
	jw_obj(w);
	if (named)
		jw_ks(w, "agentId", a->id);
	if (skim_get(&root, "path", &v) && v.kind == SKIM_STRING)
		jw_kraw(w, "path", v.p, v.n);
	else
		jw_ks(w, "path", "");
	if (skim_get(&root, "count", &v))
		skim_int(&v, &count);
	jw_kint(w, "count", count);
	jw_karr(w, "recent");
	if (skim_get(&root, "recent", &v)) {
		skim_iter_init(&it, &v);
		while (n++ < most && skim_next(&it, NULL, &row)) {
			if (whole) {
				jw_raw(w, row.p, row.n);
				continue;
			}
			jw_obj(w);
			if (skim_get(&row, "key", &part))
				jw_kraw(w, "key", part.p, part.n);
			jw_key(w, "updatedAt");
			if (skim_get(&row, "updatedAt", &part))
				jw_raw(w, part.p, part.n);
			else
				jw_null(w);
			jw_key(w, "age");
			if (skim_get(&row, "age", &part))
				jw_raw(w, part.p, part.n);
			else
				jw_null(w);
			jw_obj_end(w);
		}
	}
	jw_arr_end(w);
	jw_obj_end(w);
}

/* Each channel kind once, in the order of the configuration. */
static bool
first_of_kind(size_t i)
{
	size_t	 k;

	for (k = 0; k < i; k++)
		if (strcmp(rt.cf->accounts[k].kind,
		    rt.cf->accounts[i].kind) == 0)
			return false;
	return true;
}

/* What an account says of itself, with what the router knows in any case. */
static void
write_account_keys(struct jw *w, const struct rt_account *a, bool probed)
{
	static const char *const states[] = { "connecting", "up",
	    "auth failed", "rate limited", "down" };
	struct skim_val		 root = { 0 }, key, v;
	struct skim_iter	 it;
	bool			 running = a->link != NULL;

	jw_ks(w, "accountId", a->account);
	jw_kbool(w, "enabled", true);
	jw_kbool(w, "configured", true);
	jw_kbool(w, "running", running);
	jw_kbool(w, "connected", running && a->state == CH_UP);
	jw_ks(w, "state", running && a->state < CH_STATE_MAX ?
	    states[a->state] : "down");
	if (a->snapshot != NULL)
		root = (struct skim_val){ a->snapshot->p, a->snapshot->n,
		    SKIM_OBJECT, false };
	skim_iter_init(&it, &root);
	while (skim_next(&it, &key, &v)) {
		if (skim_is(&key, "accountId") || skim_is(&key, "enabled") ||
		    skim_is(&key, "configured") || skim_is(&key, "running") ||
		    skim_is(&key, "connected") || skim_is(&key, "state") ||
		    (probed && (skim_is(&key, "probe") ||
		    skim_is(&key, "lastProbeAt"))))
			continue;
		if (w->comma)
			dbuf_putc(w->b, ',');
		dbuf_put(w->b, key.p, key.n);
		dbuf_putc(w->b, ':');
		w->comma = false;
		jw_raw(w, v.p, v.n);
	}
	if (root.kind == SKIM_ABSENT && a->detail[0] != '\0')
		jw_ks(w, "lastError", a->detail);
	if (probed && a->probe != NULL) {
		jw_kuint(w, "lastProbeAt", a->probed_at);
		jw_kraw(w, "probe", a->probe->p, a->probe->n);
	}
}

static void
write_account(struct jw *w, const struct rt_account *a, bool probed)
{
	jw_obj(w);
	write_account_keys(w, a, probed);
	jw_obj_end(w);
}

static void
write_order(struct jw *w, const char *key)
{
	size_t	 i;

	jw_karr(w, key);
	for (i = 0; i < rt.cf->naccounts; i++)
		if (first_of_kind(i))
			jw_s(w, rt.cf->accounts[i].kind);
	jw_arr_end(w);
}

static void
write_labels(struct jw *w, const char *key)
{
	size_t	 i;

	jw_kobj(w, key);
	for (i = 0; i < rt.cf->naccounts; i++)
		if (first_of_kind(i)) {
			jw_keystr(w, str_of(rt.cf->accounts[i].kind));
			jw_s(w, rt.cf->accounts[i].label);
		}
	jw_obj_end(w);
}

static void
write_channel_map(struct jw *w)
{
	const struct rt_account	*a;
	size_t			 i, k;

	jw_kobj(w, "channels");
	for (i = 0; i < rt.cf->naccounts; i++) {
		a = &rt.cf->accounts[i];
		if (!first_of_kind(i))
			continue;
		jw_keystr(w, str_of(a->kind));
		jw_obj(w);
		/* Pages show a channel by its first account's keys. */
		write_account_keys(w, a, false);
		jw_kobj(w, "accounts");
		for (k = i; k < rt.cf->naccounts; k++)
			if (strcmp(rt.cf->accounts[k].kind, a->kind) == 0) {
				jw_keystr(w,
				    str_of(rt.cf->accounts[k].account));
				write_account(w, &rt.cf->accounts[k],
				    false);
			}
		jw_obj_end(w);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

void
rt_health_write(struct jw *w)
{
	const struct rt_agent	*a;
	size_t			 i;

	jw_obj(w);
	jw_kbool(w, "ok", true);
	jw_kuint(w, "ts", wall_ms());
	jw_kuint(w, "durationMs", 0);
	write_channel_map(w);
	write_order(w, "channelOrder");
	write_labels(w, "channelLabels");
	jw_kuint(w, "heartbeatSeconds", 0);
	jw_ks(w, "defaultAgentId", rt.cf->routes.default_agent);
	jw_karr(w, "agents");
	for (i = 0; i < rt.cf->nagents; i++) {
		a = &rt.cf->agents[i];
		jw_obj(w);
		jw_ks(w, "agentId", a->id);
		jw_kstr_opt(w, "name", str_of(a->name));
		jw_kbool(w, "isDefault", a->is_default);
		jw_kobj(w, "heartbeat");
		jw_kbool(w, "enabled", false);
		jw_ks(w, "every", "disabled");
		jw_knull(w, "everyMs");
		jw_ks(w, "prompt", "");
		jw_ks(w, "target", "last");
		jw_kuint(w, "ackMaxChars", 300);
		jw_obj_end(w);
		jw_key(w, "sessions");
		write_sessions(w, a, 5, false, false);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_key(w, "sessions");
	write_sessions(w, &rt.cf->agents[rt.cf->default_agent], 5, false,
	    false);
	jw_obj_end(w);
}

static void
health_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	health_last = mono_ms();
	rt_broadcast_health();
}

void
rt_health_wish(void)
{
	uint64_t	 now = mono_ms(), wait = HEALTH_SOON_MS;
	struct timeval	 tv;

	if (health_ev == NULL && (health_ev = event_new(rt.base, -1, 0,
	    health_cb, NULL)) == NULL)
		return;
	if (event_pending(health_ev, EV_TIMEOUT, NULL))
		return;
	if (health_last != 0 && now - health_last < HEALTH_GAP_MS)
		wait = HEALTH_GAP_MS - (now - health_last);
	tv.tv_sec = (time_t)(wait / 1000);
	tv.tv_usec = (suseconds_t)(wait % 1000 * 1000);
	event_add(health_ev, &tv);
}

void
rt_do_health(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);

	rt_health_write(w);
	rt_answer_end(r->client);
}

/* --- status ----------------------------------------------------------------- */

/* The newest rows of all agents; each agent's own come newest first. */
static void
write_recent(struct jw *w, size_t most)
{
	struct {
		struct skim_iter	 it;
		struct skim_val		 row;
		int64_t			 at;
		bool			 any;
	} from[AGENTS_JOINED], *best;
	struct skim_val	 root, v;
	size_t		 i, n = 0, agents = 0;

	for (i = 0; i < rt.cf->nagents && agents < AGENTS_JOINED; i++) {
		if (rt.cf->agents[i].sessions == NULL)
			continue;
		root = (struct skim_val){ rt.cf->agents[i].sessions->p,
		    rt.cf->agents[i].sessions->n, SKIM_OBJECT, false };
		if (!skim_get(&root, "recent", &v))
			continue;
		skim_iter_init(&from[agents].it, &v);
		from[agents++].any = false;
	}
	jw_karr(w, "recent");
	while (n++ < most) {
		best = NULL;
		for (i = 0; i < agents; i++) {
			if (!from[i].any) {
				if (!skim_next(&from[i].it, NULL,
				    &from[i].row))
					continue;
				from[i].any = true;
				from[i].at = INT64_MIN;
				if (skim_get(&from[i].row, "updatedAt", &v))
					skim_int(&v, &from[i].at);
			}
			if (best == NULL || from[i].at > best->at)
				best = &from[i];
		}
		if (best == NULL)
			break;
		jw_raw(w, best->row.p, best->row.n);
		best->any = false;
	}
	jw_arr_end(w);
}

static int64_t
session_count(const struct rt_agent *a)
{
	struct skim_val	 root, v;
	int64_t		 n = 0;

	if (a->sessions == NULL)
		return 0;
	root = (struct skim_val){ a->sessions->p, a->sessions->n, SKIM_OBJECT,
	    false };
	if (skim_get(&root, "count", &v))
		skim_int(&v, &n);
	return n;
}

void
rt_do_status(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);
	const struct rt_agent *a;
	struct skim_val	 root, v;
	char		 line[256];
	int64_t		 count = 0;
	size_t		 i;

	jw_obj(w);
	jw_kobj(w, "heartbeat");
	jw_ks(w, "defaultAgentId", rt.cf->routes.default_agent);
	jw_karr(w, "agents");
	for (i = 0; i < rt.cf->nagents; i++) {
		jw_obj(w);
		jw_ks(w, "agentId", rt.cf->agents[i].id);
		jw_kbool(w, "enabled", false);
		jw_ks(w, "every", "disabled");
		jw_knull(w, "everyMs");
		jw_obj_end(w);
		count += session_count(&rt.cf->agents[i]);
	}
	jw_arr_end(w);
	jw_obj_end(w);
	jw_karr(w, "channelSummary");
	for (i = 0; i < rt.cf->naccounts; i++) {
		snprintf(line, sizeof(line), "%s (%s): %s",
		    rt.cf->accounts[i].label, rt.cf->accounts[i].account,
		    rt.cf->accounts[i].link == NULL ? "not running" :
		    rt.cf->accounts[i].state == CH_UP ? "up" :
		    rt.cf->accounts[i].detail[0] != '\0' ?
		    rt.cf->accounts[i].detail : "not connected");
		jw_s(w, line);
	}
	jw_arr_end(w);
	a = &rt.cf->agents[rt.cf->default_agent];
	v = (struct skim_val){ NULL, 0, SKIM_ABSENT, false };
	if (a->sessions != NULL) {
		root = (struct skim_val){ a->sessions->p, a->sessions->n,
		    SKIM_OBJECT, false };
		skim_get(&root, "events", &v);
	}
	if (v.kind == SKIM_ARRAY)
		jw_kraw(w, "queuedSystemEvents", v.p, v.n);
	else {
		jw_karr(w, "queuedSystemEvents");
		jw_arr_end(w);
	}
	jw_kobj(w, "sessions");
	jw_karr(w, "paths");
	for (i = 0; i < rt.cf->nagents; i++) {
		if (rt.cf->agents[i].sessions == NULL)
			continue;
		root = (struct skim_val){ rt.cf->agents[i].sessions->p,
		    rt.cf->agents[i].sessions->n, SKIM_OBJECT, false };
		if (skim_get(&root, "path", &v) && v.kind == SKIM_STRING)
			jw_raw(w, v.p, v.n);
	}
	jw_arr_end(w);
	jw_kint(w, "count", count);
	jw_kobj(w, "defaults");
	if (rt.cf->model[0] != '\0')
		jw_ks(w, "model", rt.cf->model);
	else
		jw_knull(w, "model");
	if (rt.cf->context_tokens > 0)
		jw_kint(w, "contextTokens", rt.cf->context_tokens);
	else
		jw_knull(w, "contextTokens");
	jw_obj_end(w);
	write_recent(w, 10);
	jw_karr(w, "byAgent");
	for (i = 0; i < rt.cf->nagents; i++)
		write_sessions(w, &rt.cf->agents[i], 10, true, true);
	jw_arr_end(w);
	jw_obj_end(w);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

/* --- channels.status ---------------------------------------------------------- */

void
rt_channels_status(struct client *c, struct str id, bool probed)
{
	struct jw		*w = rt_answer_begin(c, id);
	const struct rt_account	*a;
	size_t			 i, k;

	jw_obj(w);
	jw_kuint(w, "ts", wall_ms());
	write_order(w, "channelOrder");
	write_labels(w, "channelLabels");
	write_labels(w, "channelDetailLabels");
	jw_kobj(w, "channelSystemImages");
	jw_obj_end(w);
	jw_karr(w, "channelMeta");
	for (i = 0; i < rt.cf->naccounts; i++) {
		if (!first_of_kind(i))
			continue;
		a = &rt.cf->accounts[i];
		jw_obj(w);
		jw_ks(w, "id", a->kind);
		jw_ks(w, "label", a->label);
		jw_ks(w, "detailLabel", a->label);
		jw_obj_end(w);
	}
	jw_arr_end(w);
	write_channel_map(w);
	jw_kobj(w, "channelAccounts");
	for (i = 0; i < rt.cf->naccounts; i++) {
		if (!first_of_kind(i))
			continue;
		jw_keystr(w, str_of(rt.cf->accounts[i].kind));
		jw_arr(w);
		for (k = i; k < rt.cf->naccounts; k++)
			if (strcmp(rt.cf->accounts[k].kind,
			    rt.cf->accounts[i].kind) == 0)
				write_account(w, &rt.cf->accounts[k],
				    probed);
		jw_arr_end(w);
	}
	jw_obj_end(w);
	jw_kobj(w, "channelDefaultAccountId");
	for (i = 0; i < rt.cf->naccounts; i++)
		if (first_of_kind(i)) {
			jw_keystr(w, str_of(rt.cf->accounts[i].kind));
			jw_s(w, rt.cf->accounts[i].account);
		}
	jw_obj_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
}

/* --- ready answers ------------------------------------------------------------- */

/* What subscriptions have left.  Keys, which is all that this gateway knows of
 * a provider, have nothing of the kind. */
void
rt_do_usage_status(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);

	jw_obj(w);
	jw_kuint(w, "updatedAt", wall_ms());
	jw_karr(w, "providers");
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

void
rt_do_models_list(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);

	jw_obj(w);
	jw_kraw(w, "models", rt.cf->json_models.p, rt.cf->json_models.n);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

void
rt_do_agents_list(struct request *r)
{
	rt_answer_raw(r->client, r->id, rt.cf->json_agents.p,
	    rt.cf->json_agents.n);
}

void
rt_do_system_presence(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);

	rt_presence_write(w);
	rt_answer_end(r->client);
}
