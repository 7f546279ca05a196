/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * System events: what the gateway tells an agent without anybody having
 * written.  They wait in the session's row, so that a restart loses none, and
 * stand before the next message there; or, when the session was on a channel
 * and the event is worth it, are a turn whose answer goes to that place.
 */
#include "common/compat.h"

#include "agentd/agentd.h"

#define FIELD		"systemEvents"
#define LAST		"systemEventId"	/* of the newest one */
#define EVENTS_MAX	20
#define SHOWN_MAX	300	/* bytes of each, of those that wait */

static enum msg_err
ack(struct link *l, uint64_t corr, const struct m_ag_system *v,
    enum turn_status status, const char *code, const char *reason)
{
	struct m_ag_turn_ack	 a;

	memset(&a, 0, sizeof(a));
	a.run_id = v->dedupe_key;
	a.status = (uint8_t)status;
	a.accepted_at = wall_ms();
	a.code = str_of(code);
	a.reason = str_of(reason);
	send_ag_turn_ack(l, &a, corr, MSG_F_REPLY);
	return MSG_OK;
}

/* Where an answer would go. */
static bool
has_place(const struct session *s)
{
	const json_t	*route = json_object_get(s->entry, "deliveryContext");
	const char	*channel;

	channel = json_string_value(json_object_get(route, "channel"));
	return channel != NULL && strcmp(channel, "webchat") != 0 &&
	    json_string_length(json_object_get(route, "to")) > 0;
}

/* Taken as if the router had sent it as a turn. */
static enum msg_err
as_turn(struct link *l, uint64_t corr, const char *key,
    const struct m_ag_system *v)
{
	static uint8_t	 buf[LINK_INLINE_MAX];
	struct m_ag_turn t;
	struct msg	 m;
	enum msg_err	 err;
	char		 dedupe[256];
	ssize_t		 n;

	memset(&t, 0, sizeof(t));
	memset(&m, 0, sizeof(m));
	snprintf(dedupe, sizeof(dedupe), "system:%s", v->dedupe_key.p);
	t.run_id = v->dedupe_key;
	t.session_key = str_of(key);
	t.source = TURN_AGENT;
	t.ts_ms = wall_ms();
	t.dedupe_key = str_of(dedupe);
	t.options = STR_LIT("{\"deliver\":true}");
	t.text = v->text;
	if ((n = msg_encode(MSG_AG_TURN, &t, buf, sizeof(buf), m.fds,
	    &m.nfds)) == -1)
		return ack(l, corr, v, TURN_REFUSED, "UNAVAILABLE",
		    "out of memory");
	m.h.type = MSG_AG_TURN;
	m.h.corr = corr;
	m.payload = buf + MSG_HEADER;
	m.len = (size_t)n - MSG_HEADER;
	err = turn_message(l, &m);
	msg_clear(&m);
	return err;
}

static int
queue(struct session *s, const struct m_ag_system *v)
{
	json_t	*list = json_object_get(s->entry, FIELD), *last, *one;

	if (list == NULL) {
		list = json_array();
		session_set(s, FIELD, list);
	}
	last = json_array_get(list, json_array_size(list) - 1);
	if (str_eqs(v->text, json_string_value(json_object_get(last,
	    "text")) != NULL ? json_string_value(json_object_get(last,
	    "text")) : ""))
		return 0;
	one = json_pack("{s:s#,s:I}", "text", v->text.p, (int)v->text.n, "ts",
	    (json_int_t)wall_ms());
	if (one == NULL || json_array_append_new(list, one) == -1)
		return -1;
	while (json_array_size(list) > EVENTS_MAX)
		json_array_remove(list, 0);
	return 0;
}

enum msg_err
sysevent_message(struct link *l, struct msg *m)
{
	struct m_ag_system	 v;
	struct session		*s;
	struct str		 agent, rest;
	enum msg_err		 err;
	char			 key[SESSION_KEY_MAX + 1];
	uint64_t		 corr = m->h.corr;

	if ((err = get_ag_system(m, &v)) != MSG_OK)
		return err;
	if (session_key_canon(v.session_key, cfg->agent_id, cfg->scope_global,
	    key, sizeof(key)) == -1 || (session_key_split(str_of(key), &agent,
	    &rest) && !str_eqs(agent, cfg->agent_id)))
		return ack(l, corr, &v, TURN_REFUSED, "INVALID_REQUEST",
		    "invalid session key");
	if (db == NULL || draining)
		return ack(l, corr, &v, TURN_REFUSED, "UNAVAILABLE", draining ?
		    "the agent is shutting down" : journal_trouble());
	if ((s = session_get(key)) == NULL)
		return ack(l, corr, &v, TURN_REFUSED, "UNAVAILABLE",
		    "the session cannot be read");
	if (v.wake && has_place(s))
		return as_turn(l, corr, key, &v);
	if (str_eqs(v.dedupe_key, json_string_value(json_object_get(s->entry,
	    LAST)) != NULL ? json_string_value(json_object_get(s->entry,
	    LAST)) : "")) {
		/* It may have been refused: it is known when it is written. */
		if (!s->dirty)
			return ack(l, corr, &v, TURN_DUPLICATE, "done", "");
	} else if (queue(s, &v) == -1)
		return ack(l, corr, &v, TURN_REFUSED, "UNAVAILABLE",
		    "out of memory");
	session_set(s, LAST, json_stringn(v.dedupe_key.p, v.dedupe_key.n));
	session_dirty(s, false);
	/* Rare, so it may wait for the disk. */
	if (journal_flush() == -1)
		return ack(l, corr, &v, TURN_REFUSED, "UNAVAILABLE",
		    journal_trouble());
	state_changed();
	return ack(l, corr, &v, TURN_ACCEPTED, "", "");
}

/* What waits in the main session: "events" of AG_STATE. */
void
sysevent_write(struct jw *w)
{
	struct session	*s = NULL;
	json_t		*one;
	const char	*p;
	size_t		 i;
	char		 key[SESSION_KEY_MAX + 1];

	if (session_key_canon(STR_LIT("main"), cfg->agent_id,
	    cfg->scope_global, key, sizeof(key)) == 0)
		s = session_existing(key);
	jw_karr(w, "events");
	json_array_foreach(s == NULL ? NULL : json_object_get(s->entry, FIELD),
	    i, one) {
		/* In short: AG_STATE has a bound. */
		p = json_string_value(json_object_get(one, "text"));
		jw_str(w, (struct str){ p, p == NULL ? 0 : utf8_cut(p,
		    strlen(p), SHOWN_MAX) });
	}
	jw_arr_end(w);
}

void
sysevent_put(const struct session *s, struct dbuf *b)
{
	json_t	*one;
	size_t	 i;
	char	 stamp[25];

	json_array_foreach(json_object_get(s->entry, FIELD), i, one) {
		iso_time((uint64_t)json_integer_value(json_object_get(one,
		    "ts")), stamp);
		dbuf_printf(b, "System: [%.19sZ] ", stamp);
		dbuf_puts(b, json_string_value(json_object_get(one, "text")));
		dbuf_puts(b, "\n\n");
	}
}

void
sysevent_seen(struct session *s)
{
	if (json_object_get(s->entry, FIELD) == NULL)
		return;
	session_set(s, FIELD, NULL);
	session_dirty(s, false);
	state_changed();
}
