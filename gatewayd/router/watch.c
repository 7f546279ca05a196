/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What clients of protocol 4 ask of the router beside the methods that all
 * versions have: to be told when a conversation changed and what is written into
 * it, and what a page of a conversation shows around it.
 */
#include "common/compat.h"

#include "common/log.h"
#include "common/session_key.h"
#include "gatewayd/router/router.h"

/* A conversation whose messages a client wants. */
struct watch {
	SLIST_ENTRY(watch)	 entry;
	char			 key[SESSION_KEY_MAX + 1];	/* canonical */
	char			 agent[];
};
static size_t	 nwatches;
static size_t	 nlisteners;	/* clients that hear of all conversations */
static bool	 heard;

static const struct { const char *method, *reason; } changes[] = {
#define CHANGES(method, reason)	{ method, reason },
#include "proto/protocol4.def"
};

static void
tell_agent(const struct rt_agent *a)
{
	struct m_ag_watch	 m = { .on = heard };

	if (a->link != NULL && send_ag_watch(a->link, &m, 0, 0) == -1)
		log_warn("agent %s: watchers", a->id);
}

/* A message costs an agent a copy: it is made only while somebody hears it. */
static void
watch_count(void)
{
	bool	 on = nwatches + nlisteners > 0;
	size_t	 i;

	if (on == heard)
		return;
	heard = on;
	for (i = 0; i < rt.cf->nagents; i++)
		tell_agent(&rt.cf->agents[i]);
}

void
rt_watch_agent_up(const struct rt_agent *a)
{
	if (heard)
		tell_agent(a);
}

static void
listen_to_all(struct client *c, bool on)
{
	if (c->watches_sessions != on)
		nlisteners += on ? 1 : (size_t)-1;
	c->watches_sessions = on;
	watch_count();
}

void
rt_do_sessions_subscribe(struct request *r)
{
	struct jw	*w;

	listen_to_all(r->client, r->method->id == METHOD_SESSIONS_SUBSCRIBE);
	w = rt_answer_begin(r->client, r->id);
	jw_obj(w);
	jw_kbool(w, "subscribed", r->client->watches_sessions);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

static struct watch *
watch_find(const struct client *c, const struct rt_agent *a, struct str key)
{
	struct watch	*w;

	SLIST_FOREACH(w, &c->watches, entry)
		if (str_eqs(key, w->key) && strcmp(w->agent, a->id) == 0)
			return w;
	return NULL;
}

bool
rt_watches(const struct client *c, const struct rt_agent *a, struct str key)
{
	return watch_find(c, a, key) != NULL;
}

static void
watch_free(struct client *c, struct watch *w)
{
	SLIST_REMOVE(&c->watches, w, watch, entry);
	c->nwatches--;
	nwatches--;
	free(w);
}

void
rt_watch_gone(struct client *c)
{
	while (!SLIST_EMPTY(&c->watches))
		watch_free(c, SLIST_FIRST(&c->watches));
	listen_to_all(c, false);
}

static bool
watch_add(struct client *c, const struct rt_agent *a, const char *key)
{
	size_t		 n = strlen(a->id) + 1;
	struct watch	*w;

	if (watch_find(c, a, str_of(key)) != NULL)
		return true;
	if (c->nwatches >= RT_WATCH_CLIENT || nwatches >= RT_WATCH_MAX ||
	    (w = malloc(sizeof(*w) + n)) == NULL)
		return false;
	strlcpy(w->key, key, sizeof(w->key));
	memcpy(w->agent, a->id, n);
	SLIST_INSERT_HEAD(&c->watches, w, entry);
	c->nwatches++;
	nwatches++;
	return true;
}

void
rt_watch_caps(struct client *c, const struct m_auth_ticket *t)
{
	struct skim_val		 root, caps, one;
	struct skim_iter	 it;

	if (skim_text(t->node.p, t->node.n, &root) != SKIM_OK ||
	    !skim_get(&root, "caps", &caps) || caps.kind != SKIM_ARRAY)
		return;
	skim_iter_init(&it, &caps);
	while (skim_next(&it, NULL, &one))
		if (skim_is(&one, "tool-events"))
			c->tool_events = true;
}

void
rt_do_sessions_messages_subscribe(struct request *r)
{
	const struct p_SESSIONS_MESSAGES_SUBSCRIBE *p =
	    &r->p.SESSIONS_MESSAGES_SUBSCRIBE;
	bool			 on = r->method->id ==
				    METHOD_SESSIONS_MESSAGES_SUBSCRIBE;
	struct rt_agent		*a;
	struct watch		*old;
	struct jw		*w;
	char			 raw[SESSION_KEY_MAX * 2 + 1];
	char			 id[AGENT_ID_MAX * 2 + 1];
	char			 key[SESSION_KEY_MAX + 1], text[256];

	if (rt_text_of(&p->key, raw, sizeof(raw)) == -1 ||
	    rt_text_of(&p->agentId, id, sizeof(id)) == -1)
		a = NULL;
	else if ((a = rt_agent_of_key(str_of(raw))) != NULL && id[0] != '\0' &&
	    route_key_agent(str_of(raw)).n == 0)
		a = rt_agent_find(str_of(id));
	if (a == NULL || session_key_canon(str_of(raw), a->id,
	    rt.cf->scope_global, key, sizeof(key)) == -1) {
		snprintf(text, sizeof(text), "invalid %s params: %s",
		    r->method->name, a == NULL ? "no such agent" :
		    "at /key: invalid session key");
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
		return;
	}
	if (!on && (old = watch_find(r->client, a, str_of(key))) != NULL)
		watch_free(r->client, old);
	if (on && !watch_add(r->client, a, key)) {
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many conversations are watched; leave one with "
		    "sessions.messages.unsubscribe");
		return;
	}
	watch_count();
	w = rt_answer_begin(r->client, r->id);
	jw_obj(w);
	jw_kbool(w, "subscribed", on);
	jw_ks(w, "key", key);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

void
rt_do_chat_metadata(struct request *r)
{
	const struct skim_val	*agent = &r->p.CHAT_METADATA.agentId;
	struct jw		*w = rt_answer_begin(r->client, r->id);

	jw_obj(w);
	if (agent->kind == SKIM_STRING)
		jw_kraw(w, "agentId", agent->p, agent->n);
	else
		jw_ks(w, "agentId", rt.cf->routes.default_agent);
	jw_karr(w, "commands");
	jw_arr_end(w);
	jw_kraw(w, "models", rt.cf->json_models.p, rt.cf->json_models.n);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

static void
tell(const struct skim_val *key, const char *reason)
{
	struct dbuf	 b;
	struct jw	 w;

	if (key->kind != SKIM_STRING)
		return;
	dbuf_init(&b, key->n + 256);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kraw(&w, "sessionKey", key->p, key->n);
	jw_ks(&w, "reason", reason);
	jw_kuint(&w, "ts", wall_ms());
	jw_obj_end(&w);
	/* Who misses one asks for the list as often as before. */
	if (!dbuf_err(&b))
		rt_broadcast(EVENT_SESSIONS_CHANGED, b.p, b.n, true, 0);
	dbuf_clear(&b);
}

void
rt_watch_answered(const struct method *m, const struct skim_val *result)
{
	struct skim_val	 key;
	size_t		 i;

	for (i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		if (strcmp(changes[i].method, m->name) == 0 &&
		    skim_get(result, "key", &key)) {
			tell(&key, changes[i].reason);
			return;
		}
}

void
rt_watch_chat_ended(const struct skim_val *payload)
{
	struct skim_val	 key;

	if (skim_get(payload, "sessionKey", &key))
		tell(&key, "message");
}
