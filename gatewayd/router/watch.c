/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What clients of protocol 4 ask of the router beside the methods that all
 * versions have: to be told when a conversation changed, and what a page of a
 * conversation shows around it.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

static const struct { const char *method, *reason; } changes[] = {
#define CHANGES(method, reason)	{ method, reason },
#include "proto/protocol4.def"
};

void
rt_do_sessions_subscribe(struct request *r)
{
	struct jw	*w;

	r->client->watches_sessions =
	    r->method->id == METHOD_SESSIONS_SUBSCRIBE;
	w = rt_answer_begin(r->client, r->id);
	jw_obj(w);
	jw_kbool(w, "subscribed", r->client->watches_sessions);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

/* Runs, events and histories of one conversation come to whoever may read, so
 * that there is nothing to remember of it. */
void
rt_do_sessions_messages_subscribe(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);

	jw_obj(w);
	jw_kbool(w, "subscribed",
	    r->method->id == METHOD_SESSIONS_MESSAGES_SUBSCRIBE);
	jw_kraw(w, "key", r->p.SESSIONS_MESSAGES_SUBSCRIBE.key.p,
	    r->p.SESSIONS_MESSAGES_SUBSCRIBE.key.n);
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
