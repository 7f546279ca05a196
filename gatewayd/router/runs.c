/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * agent and chat.send: a client's turn, from the request to its last answer,
 * and the idempotency cache of spec 3.4.  The run id is the idempotency key,
 * so one table serves both: a run that is known is the cache's entry.  What
 * this table forgets (a restart, five minutes), agentd still knows: it answers
 * DUPLICATE.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define BUCKETS		1024
#define RUN_ID_MAX	256	/* AG_TURN.run_id */
#define ORPHAN_MS	600000	/* a run whose agent stays away */
#define OPTIONS_MAX	16384	/* AG_TURN.options */

enum run_state {
	RUN_ASKED,		/* AG_TURN is out */
	RUN_RUNNING,
	RUN_DONE		/* kept as the answer to repeats */
};

struct run {
	TAILQ_ENTRY(run)	 entry;		/* by age, of done or live */
	struct run		*next;		/* of the bucket */
	enum turn_source	 source;	/* TURN_AGENT or TURN_CHAT */
	enum run_state		 state;
	char			*run_id;
	char			*agent;
	uint64_t		 accepted_at;	/* wall */
	uint64_t		 since;		/* mono: of this state */
	uint64_t		 lost;		/* mono: its agent is away since */
	uint64_t		 client;	/* who gets the last answer, or 0 */
	char			*id;		/* raw JSON of its request */
	struct waiters		 repeats;	/* asked: they wait for whether
						 * the agent takes it */
	bool			 unsure;	/* its agent ended since */
	bool			 chat_told;	/* its last chat event came */
	bool			 ok;
	struct payload		*result;	/* done: payload of the answer */
	char			*error;		/* done and not ok */
};
TAILQ_HEAD(run_list, run);

static struct run_list	 live = TAILQ_HEAD_INITIALIZER(live);
static struct run_list	 done = TAILQ_HEAD_INITIALIZER(done);
static struct run	*buckets[BUCKETS];
static size_t		 nlive, ndone, done_bytes;
static struct dbuf	 text_buf, options_buf;

/* --- the table ---------------------------------------------------------------- */

static unsigned int
run_hash(struct str id)
{
	uint32_t	 h = 2166136261u;
	size_t		 i;

	for (i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 16777619u;
	return (h ^ h >> 15) % BUCKETS;
}

static struct run *
run_find(enum turn_source source, struct str id)
{
	struct run	*r;

	for (r = buckets[run_hash(id)]; r != NULL; r = r->next)
		if (r->source == source && str_eqs(id, r->run_id))
			return r;
	return NULL;
}

/* By id alone, as agents speak of runs: the one that is not done first. */
static struct run *
run_any(struct str id)
{
	struct run	*r, *found = NULL;

	for (r = buckets[run_hash(id)]; r != NULL; r = r->next)
		if (str_eqs(id, r->run_id)) {
			if (r->state != RUN_DONE)
				return r;
			found = r;
		}
	return found;
}

static void
run_settle(struct run *r)
{
	struct client	*c;

	if (r->client != 0 && (c = rt_client_find(r->client)) != NULL) {
		c->pending--;
		rt_client_settled(c);
	}
	r->client = 0;
	free(r->id);
	r->id = NULL;
}

static void
run_free(struct run *r)
{
	struct run	**p;

	rt_waiters_drop(&r->repeats);
	for (p = &buckets[run_hash(str_of(r->run_id))]; *p != r;
	    p = &(*p)->next)
		;
	*p = r->next;
	if (r->state == RUN_DONE) {
		TAILQ_REMOVE(&done, r, entry);
		ndone--;
		done_bytes -= r->result != NULL ? r->result->n : 0;
	} else {
		TAILQ_REMOVE(&live, r, entry);
		nlive--;
	}
	run_settle(r);
	rt_payload_unref(r->result);
	free(r->run_id);
	free(r->agent);
	free(r->error);
	free(r);
}

static struct run *
run_new(enum turn_source source, struct str id, const struct rt_agent *a)
{
	struct run	*r;
	unsigned int	 h = run_hash(id);

	if (nlive >= RT_RUNS_MAX || (r = calloc(1, sizeof(*r))) == NULL)
		return NULL;
	STAILQ_INIT(&r->repeats);
	r->source = source;
	r->state = RUN_ASKED;
	r->since = mono_ms();
	r->accepted_at = wall_ms();
	r->run_id = str_dup(id);
	r->agent = strdup(a->id);
	if (r->run_id == NULL || r->agent == NULL) {
		free(r->run_id);
		free(r->agent);
		free(r);
		return NULL;
	}
	r->next = buckets[h];
	buckets[h] = r;
	TAILQ_INSERT_TAIL(&live, r, entry);
	nlive++;
	return r;
}

static void
run_dedupe(const struct run *r, char *buf, size_t size)
{
	snprintf(buf, size, "%s:%s", r->source == TURN_AGENT ? "agent" :
	    "chat", r->run_id);
}

/* Its agent may have ended the run and died before it could say so. */
static void
run_ask(struct run *r, struct link *l)
{
	struct m_ag_run_ask	 v;
	char			 dedupe[RUN_ID_MAX + 16];

	run_dedupe(r, dedupe, sizeof(dedupe));
	v.run_id = str_of(r->run_id);
	v.dedupe_key = str_of(dedupe);
	v.chat_told = r->chat_told;
	if (!link_full(l) && send_ag_run_ask(l, &v, 0, 0) == 0)
		r->unsure = false;	/* else the next sweep asks */
}

void
rt_runs_agent_gone(const struct rt_agent *a)
{
	struct run	*r;

	TAILQ_FOREACH(r, &live, entry)
		if (r->state == RUN_RUNNING && strcmp(r->agent, a->id) == 0)
			r->unsure = true;
}

void
rt_runs_agent_up(const struct rt_agent *a)
{
	struct run	*r;

	TAILQ_FOREACH(r, &live, entry)
		if (r->unsure && strcmp(r->agent, a->id) == 0)
			run_ask(r, a->link);
}

void
rt_run_chat_told(struct str run_id)
{
	struct run	*r = run_any(run_id);

	if (r != NULL && r->state != RUN_DONE)
		r->chat_told = true;
}

static void
run_done(struct run *r)
{
	struct run	*old;

	TAILQ_REMOVE(&live, r, entry);
	nlive--;
	r->state = RUN_DONE;
	r->since = mono_ms();
	TAILQ_INSERT_TAIL(&done, r, entry);
	ndone++;
	done_bytes += r->result != NULL ? r->result->n : 0;
	while ((ndone > RT_CACHE_MAX || done_bytes > RT_CACHE_BYTES) &&
	    (old = TAILQ_FIRST(&done)) != r)
		run_free(old);
}

struct rt_agent *
rt_run_agent(struct str run_id)
{
	struct run	*r = run_any(run_id);

	return r != NULL ? rt_agent_find(str_of(r->agent)) : NULL;
}

size_t
rt_runs_count(void)
{
	return nlive;
}

/* --- answers ------------------------------------------------------------------ */

static void
answer_status(struct client *c, struct str id, const struct run *r,
    const char *status, bool accepted_at)
{
	struct jw	*w = rt_answer_begin(c, id);

	jw_obj(w);
	jw_ks(w, "runId", r->run_id);
	jw_ks(w, "status", status);
	if (accepted_at)
		jw_kuint(w, "acceptedAt", r->accepted_at);
	jw_obj_end(w);
	rt_answer_end(c);
}

/* Of a run that is done. */
static void
answer_final(struct client *c, struct str id, const struct run *r)
{
	struct str	 none = { "", 0 };
	struct str	 payload = r->result != NULL ?
			    (struct str){ r->result->p, r->result->n } : none;

	if (r->ok)
		rt_answer_raw(c, id, payload.p, payload.n);
	else
		rt_answer_error_full(c, id, payload, STR_LIT("UNAVAILABLE"),
		    str_of(r->error != NULL ? r->error : "failed"), none);
}

/* A repeat of a run that is known. */
static void
answer_repeat(struct request *q, struct run *r)
{
	if (r->state == RUN_DONE)
		answer_final(q->client, q->id, r);
	else if (r->state == RUN_ASKED) {
		if (!rt_waiters_add(&r->repeats, q))
			rt_answer_error(q->client, q->id, "UNAVAILABLE",
			    "too many requests; try again");
	} else if (r->source == TURN_AGENT)
		answer_status(q->client, q->id, r, "accepted", true);
	else
		answer_status(q->client, q->id, r, "in_flight", false);
}

/* --- requests ----------------------------------------------------------------- */

static void
refuse(struct request *q, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
refuse(struct request *q, const char *fmt, ...)
{
	char	 text[512];
	va_list	 ap;

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	rt_answer_error(q->client, q->id, "INVALID_REQUEST", text);
}

/* The message: in the frame itself when nothing in it is escaped.  false, and
 * the client was told: it is longer than agents take. */
static bool
message_of(struct request *q, const struct skim_val *v, struct str *out)
{
	ssize_t	 n;

	*out = (struct str){ "", 0 };
	if (!v->escaped)
		*out = skim_raw(v);
	else if (v->n <= 6 * RT_TEXT_MAX + 2) {
		if (text_buf.cap > RT_TEXT_MAX)
			dbuf_clear(&text_buf);	/* a rare long one */
		if (text_buf.max == 0)
			dbuf_init(&text_buf, 6 * RT_TEXT_MAX + 16);
		dbuf_reset(&text_buf);
		if (dbuf_reserve(&text_buf, v->n) == -1 ||
		    (n = skim_unescape(v, text_buf.p, v->n)) == -1) {
			rt_answer_error(q->client, q->id, "UNAVAILABLE",
			    "out of memory; try again");
			return false;
		}
		*out = (struct str){ text_buf.p, (size_t)n };
	} else
		out->n = SIZE_MAX;
	if (out->n <= RT_TEXT_MAX)
		return true;
	refuse(q, "invalid %s params: at /message: must NOT have more than "
	    "%d bytes", q->method->name, RT_TEXT_MAX);
	return false;
}

static void
option(struct jw *w, const char *name, const struct skim_val *v)
{
	if (v->kind != SKIM_ABSENT)
		jw_kraw(w, name, v->p, v->n);
}

static struct jw *
options_begin(void)
{
	static struct jw	 w;

	if (options_buf.max == 0)
		dbuf_init(&options_buf, OPTIONS_MAX);
	dbuf_reset(&options_buf);
	jw_init(&w, &options_buf);
	jw_obj(&w);
	return &w;
}

/* The attachments as they came, empty when none of them has any content. */
static struct str
media_of(const struct skim_val *v)
{
	struct skim_iter	 it;
	struct skim_val		 one, content;

	skim_iter_init(&it, v);
	while (v->kind == SKIM_ARRAY && skim_next(&it, NULL, &one))
		if (one.kind == SKIM_OBJECT &&
		    skim_get(&one, "content", &content) &&
		    content.kind == SKIM_STRING && content.n > 2)
			return (struct str){ v->p, v->n };
	return (struct str){ "", 0 };
}

/* Sends the turn of r, whose acknowledgement c and id wait for, when there is
 * one: NULL, or why it cannot be; then r is gone. */
static const char *
turn_put(struct run *r, struct rt_agent *a, struct client *c,
    struct str id, const struct method *m, struct m_ag_turn *t)
{
	struct pending	*p;
	char		 dedupe[RUN_ID_MAX + 16];

	if ((p = rt_pending_new(PEND_TURN, a->link, c, id,
	    RT_RPC_MS)) == NULL) {
		run_free(r);
		return "too many requests; try again";
	}
	p->run = r;
	p->method = m;
	run_dedupe(r, dedupe, sizeof(dedupe));
	t->run_id = str_of(r->run_id);
	t->source = (uint8_t)r->source;
	t->ts_ms = wall_ms();
	t->dedupe_key = str_of(dedupe);
	if (send_ag_turn(a->link, t, p->corr, 0) == 0)
		return NULL;
	rt_pending_free(p);
	run_free(r);
	return "the agent is busy; try again";
}

/* May that agent be given a turn now? */
static const char *
turn_refusal(const struct rt_agent *a)
{
	if (rt.stopping)
		return "the gateway is stopping";
	if (a->link == NULL)
		return "the agent is not running; try again";
	return link_full(a->link) ? "the agent is busy; try again" : NULL;
}

const char *
rt_turn_start(struct client *c, const struct method *m, struct str run_id,
    struct str session, struct str text, struct str options)
{
	struct rt_agent	*a = rt_agent_of_key(session);
	struct m_ag_turn t;
	struct run	*r;
	const char	*why;

	if (a == NULL)
		return "unknown agent";
	if ((why = turn_refusal(a)) != NULL)
		return why;
	if ((r = run_new(TURN_AGENT, run_id, a)) == NULL)
		return "too many runs; try again";
	memset(&t, 0, sizeof(t));
	t.session_key = session;
	t.channel = STR_LIT("node");
	t.sender = str_of(c->device_id != NULL ? c->device_id : "");
	t.sender_name = str_of(c->principal);
	t.options = options;
	t.text = text;
	return turn_put(r, a, NULL, (struct str){ "", 0 }, m, &t);
}

/* Sends the turn; the answer comes with AG_TURN_ACK. */
static void
turn_send(struct request *q, struct rt_agent *a, enum turn_source source,
    const char *key, const char *session, struct str text, struct str media)
{
	struct m_ag_turn	 t;
	struct run		*r;
	const char		*why;

	/* Run ids are seen by everybody, and agents tell the end of a run by its
	 * id alone: another's must not be taken for it. */
	r = run_find(source == TURN_AGENT ? TURN_CHAT : TURN_AGENT,
	    str_of(key));
	if (r != NULL && r->state != RUN_DONE) {
		refuse(q, "idempotencyKey is that of a run of %s",
		    source == TURN_AGENT ? "chat.send" : "agent");
		return;
	}
	if ((why = turn_refusal(a)) != NULL) {
		rt_answer_error(q->client, q->id, "UNAVAILABLE", why);
		return;
	}
	if ((r = run_new(source, str_of(key), a)) == NULL) {
		rt_answer_error(q->client, q->id, "UNAVAILABLE",
		    "too many runs; try again");
		return;
	}
	memset(&t, 0, sizeof(t));
	t.session_key = str_of(session);
	t.channel = STR_LIT("webchat");
	t.sender = str_of(q->client->device_id != NULL ?
	    q->client->device_id : "");
	t.sender_name = str_of(q->client->principal);
	t.options = (struct str){ options_buf.p, options_buf.n };
	t.text = text;
	t.media = media;
	if ((why = turn_put(r, a, q->client, q->id, q->method, &t)) != NULL)
		rt_answer_error(q->client, q->id, "UNAVAILABLE", why);
}

bool
rt_known_channel(const char *s)
{
	static const char *const names[] = { "last", "webchat", "telegram",
	    "whatsapp", "discord", "slack", "signal", "imessage", "googlechat",
	    "msteams", "mattermost", "matrix", "line", "nostr",
	    "nextcloud-talk", "bluebubbles", "zalo", "zalouser", "tlon",
	    "twitch" };
	size_t	 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (ascii_casecmp(s, names[i]) == 0)
			return true;
	return false;
}

void
rt_do_agent(struct request *q)
{
	struct p_AGENT	*v = &q->p.AGENT;
	struct rt_agent	*a, *named = NULL;
	struct run	*r;
	struct str	 text;
	struct jw	*w;
	char		 key[RUN_ID_MAX + 1], session[ROUTE_KEY_MAX + 1];
	char		 id[128], channel[64];
	size_t		 i;
	const struct skim_val *chans[2] = { &v->channel, &v->replyChannel };

	if (rt_text_of(&v->idempotencyKey, key, sizeof(key)) == -1) {
		refuse(q, "invalid agent params: at /idempotencyKey: must NOT "
		    "have more than %d characters", RUN_ID_MAX);
		return;
	}
	if ((r = run_find(TURN_AGENT, str_of(key))) != NULL) {
		answer_repeat(q, r);
		return;
	}
	for (i = 0; i < 2; i++)
		if (rt_text_of(chans[i], channel, sizeof(channel)) == -1 ||
		    (channel[0] != '\0' && !rt_known_channel(channel))) {
			refuse(q, "invalid agent params: unknown channel: %s",
			    channel[0] != '\0' ? channel : "(too long)");
			return;
		}
	if (rt_text_of(&v->agentId, id, sizeof(id)) == -1 || (id[0] != '\0' &&
	    (named = rt_agent_find(str_of(id))) == NULL)) {
		refuse(q, "invalid agent params: unknown agent id \"%s\"", id);
		return;
	}
	if (rt_text_of(&v->sessionKey, session, sizeof(session)) == -1) {
		refuse(q, "invalid agent params: at /sessionKey: must NOT "
		    "have more than %d characters", ROUTE_KEY_MAX);
		return;
	}
	if (session[0] == '\0') {
		a = named != NULL ? named :
		    &rt.cf->agents[rt.cf->default_agent];
		if (named != NULL)
			snprintf(session, sizeof(session), "agent:%s:%s",
			    a->id, rt.cf->main_key);
		else
			strlcpy(session, rt.cf->main_key, sizeof(session));
	} else if ((a = rt_agent_of_key(str_of(session))) == NULL) {
		text = route_key_agent(str_of(session));
		refuse(q, "invalid agent params: unknown agent id \"%.*s\"",
		    (int)text.n, text.p);
		return;
	}
	if (named != NULL && named != a) {
		refuse(q, "invalid agent params: agent \"%s\" does not match "
		    "session key agent \"%s\"", named->id, a->id);
		return;
	}
	w = options_begin();
	/* The key decides; without one, the session of that id is meant. */
	if (v->sessionKey.kind == SKIM_ABSENT && named == NULL)
		option(w, "sessionId", &v->sessionId);
	option(w, "to", &v->to);
	option(w, "replyTo", &v->replyTo);
	option(w, "thinking", &v->thinking);
	option(w, "deliver", &v->deliver);
	option(w, "channel", &v->channel);
	option(w, "replyChannel", &v->replyChannel);
	option(w, "accountId", &v->accountId);
	option(w, "replyAccountId", &v->replyAccountId);
	option(w, "threadId", &v->threadId);
	option(w, "groupId", &v->groupId);
	option(w, "groupChannel", &v->groupChannel);
	option(w, "groupSpace", &v->groupSpace);
	option(w, "timeout", &v->timeout);
	option(w, "lane", &v->lane);
	option(w, "extraSystemPrompt", &v->extraSystemPrompt);
	option(w, "label", &v->label);
	option(w, "spawnedBy", &v->spawnedBy);
	jw_obj_end(w);
	if (!message_of(q, &v->message, &text))
		return;
	if (dbuf_err(&options_buf)) {
		refuse(q, "invalid agent params: the optional parameters are "
		    "longer than %d bytes", OPTIONS_MAX);
		return;
	}
	turn_send(q, a, TURN_AGENT, key, session, text,
	    media_of(&v->attachments));
}

void
rt_do_chat_send(struct request *q)
{
	struct p_CHAT_SEND	*v = &q->p.CHAT_SEND;
	struct rt_agent		*a;
	struct run		*r;
	struct str		 text, media;
	struct jw		*w;
	char			 key[RUN_ID_MAX + 1];
	char			 session[ROUTE_KEY_MAX + 1];

	if (rt_text_of(&v->idempotencyKey, key, sizeof(key)) == -1) {
		refuse(q, "invalid chat.send params: at /idempotencyKey: must "
		    "NOT have more than %d characters", RUN_ID_MAX);
		return;
	}
	if (rt_text_of(&v->sessionKey, session, sizeof(session)) == -1) {
		refuse(q, "invalid chat.send params: at /sessionKey: must NOT "
		    "have more than %d characters", ROUTE_KEY_MAX);
		return;
	}
	if (!message_of(q, &v->message, &text))
		return;
	media = media_of(&v->attachments);
	if (str_trim(text).n == 0 && media.n == 0) {
		refuse(q, "message or attachment required");
		return;
	}
	if ((r = run_find(TURN_CHAT, str_of(key))) != NULL) {
		answer_repeat(q, r);
		return;
	}
	if ((a = rt_agent_of_key(str_of(session))) == NULL) {
		text = route_key_agent(str_of(session));
		refuse(q, "unknown agent id \"%.*s\"", (int)text.n, text.p);
		return;
	}
	w = options_begin();
	option(w, "thinking", &v->thinking);
	option(w, "deliver", &v->deliver);
	option(w, "timeoutMs", &v->timeoutMs);
	jw_obj_end(w);
	if (dbuf_err(&options_buf)) {
		refuse(q, "invalid chat.send params: the optional parameters "
		    "are longer than %d bytes", OPTIONS_MAX);
		return;
	}
	turn_send(q, a, TURN_CHAT, key, session, text, media);
}

/* --- what the agent says ------------------------------------------------------- */

/* The client of this request gets the last answer of the run as well. */
static void
run_wait(struct run *r, const struct pending *p, struct client *c)
{
	if (c == NULL || r->client != 0 ||
	    (r->id = strndup(p->id, p->id_n)) == NULL)
		return;
	r->client = c->id;
	c->pending++;
}

/* One of those who asked for a turn hears what the agent said; json: of an
 * answer that needed no run. */
static void
ack_tell(struct client *c, struct str id, const struct run *r,
    const struct m_ag_turn_ack *v, struct str json, bool first)
{
	struct str	 none = { "", 0 };
	bool		 agent = r->source == TURN_AGENT;

	if (c == NULL)
		return;
	if (v->status == TURN_REFUSED)
		rt_answer_error_full(c, id, none, v->code.n > 0 ? v->code :
		    STR_LIT("UNAVAILABLE"), v->reason, none);
	else if (json.n > 0)
		rt_answer_raw(c, id, json.p, json.n);
	else
		answer_status(c, id, r, agent ? "accepted" : first &&
		    v->status != TURN_DUPLICATE ? "started" : "in_flight",
		    agent);
}

enum msg_err
rt_on_turn_ack(struct link *l, struct msg *m)
{
	struct m_ag_turn_ack	 v;
	struct pending		*p;
	struct client		*c;
	struct waiter		*rp;
	struct run		*r;
	struct skim_val		 root;
	struct str		 id, json = { "", 0 };
	bool			 over;
	enum msg_err		 err;

	if ((err = get_ag_turn_ack(m, &v)) != MSG_OK)
		return err;
	if ((p = rt_pending_find(m->h.corr, PEND_INBOUND, l)) != NULL) {
		rt_inbound_ack(p, &v);
		return MSG_OK;
	}
	if ((p = rt_pending_find(m->h.corr, PEND_SYSTEM, l)) != NULL) {
		rt_system_ack(p, &v);
		return MSG_OK;
	}
	if ((p = rt_pending_find(m->h.corr, PEND_SENTINEL, l)) != NULL) {
		rt_sentinel_ack(p, &v);
		return MSG_OK;
	}
	if ((p = rt_pending_find(m->h.corr, PEND_TURN, l)) == NULL)
		return MSG_OK;		/* too late */
	c = rt_client_find(p->client);
	r = p->run;
	id = (struct str){ p->id, p->id_n };
	over = v.status == TURN_REFUSED;
	if (v.status == TURN_ACCEPTED && str_eqs(v.code, "RESULT")) {
		over = true;
		if (skim_text(v.reason.p, v.reason.n, &root) == SKIM_OK)
			json = (struct str){ root.p, root.n };
		else {
			v.status = TURN_REFUSED;
			v.code = STR_LIT("UNAVAILABLE");
			v.reason = STR_LIT("the agent's answer was no JSON");
			err = MSG_MEANING;
		}
	}
	if (!over) {
		r->state = RUN_RUNNING;
		r->since = mono_ms();
		if (v.accepted_at != 0)
			r->accepted_at = v.accepted_at;
	}
	if (v.status == TURN_DUPLICATE && str_eqs(v.code, "done")) {
		/* Only the last answer, which follows. */
		run_wait(r, p, c);
	} else {
		if (!over && r->source == TURN_AGENT)
			run_wait(r, p, c);
		ack_tell(c, id, r, &v, json, true);
	}
	while ((rp = rt_waiters_next(&r->repeats, &c, &id)) != NULL) {
		ack_tell(c, id, r, &v, json, false);
		rt_waiter_free(rp, c);
	}
	if (over)
		run_free(r);
	rt_pending_free(p);
	return err;
}

void
rt_turn_fail(struct pending *p, const char *why)
{
	struct client	*c = rt_client_find(p->client);
	struct waiter	*rp;
	struct str	 id;
	char		 text[256];

	/* The agent may have taken it; the same key asks for it again. */
	snprintf(text, sizeof(text), "%s: %s", p->method->name, why);
	if (c != NULL)
		rt_answer_error(c, (struct str){ p->id, p->id_n },
		    "UNAVAILABLE", text);
	while ((rp = rt_waiters_next(&p->run->repeats, &c, &id)) != NULL) {
		if (c != NULL)
			rt_answer_error(c, id, "UNAVAILABLE", text);
		rt_waiter_free(rp, c);
	}
	run_free(p->run);
	rt_pending_free(p);
}

static struct payload *
final_payload(const struct run *r, const struct m_ag_run_end *v, bool ok)
{
	struct dbuf	 b;
	struct jw	 w;
	struct payload	*p = NULL;

	dbuf_init(&b, v->result.n + 16384);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "runId", r->run_id);
	jw_ks(&w, "status", ok ? "ok" : "error");
	if (r->source == TURN_AGENT || !ok) {
		if (v->summary.n > 0)
			jw_kstr(&w, "summary", v->summary);
		else
			jw_ks(&w, "summary", ok ? "completed" : "failed");
	}
	if (r->source == TURN_AGENT && ok && v->result.n > 0)
		jw_kraw(&w, "result", v->result.p, v->result.n);
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		p = rt_payload_of(b.p, b.n);
	dbuf_clear(&b);
	return p;
}

enum msg_err
rt_on_run_end(struct link *l, struct msg *m)
{
	struct m_ag_run_end	 v;
	struct rt_agent		*a = rt_agent_of_link(l);
	struct client		*c;
	struct skim_val		 json;
	struct run		*r;
	enum msg_err		 err;

	if ((err = get_ag_run_end(m, &v)) != MSG_OK)
		return err;
	if (v.result.n > 0 && skim_text(v.result.p, v.result.n, &json) !=
	    SKIM_OK)
		return MSG_MEANING;
	r = run_any(v.run_id);
	if (r == NULL || r->state == RUN_DONE || r->state == RUN_ASKED)
		return MSG_OK;		/* a channel's, or forgotten */
	if (a == NULL || strcmp(a->id, r->agent) != 0)
		return MSG_MEANING;
	r->ok = v.status != RUN_ERROR;
	r->result = final_payload(r, &v, r->ok);
	if (!r->ok)
		r->error = str_dup(v.summary.n > 0 ? v.summary :
		    STR_LIT("failed"));
	if (r->result == NULL) {
		r->ok = false;
		if (r->error == NULL)
			r->error = strdup("the result did not fit");
	}
	if (r->client != 0 && (c = rt_client_find(r->client)) != NULL)
		answer_final(c, str_of(r->id), r);
	run_settle(r);
	run_done(r);
	return MSG_OK;
}

void
rt_runs_sweep(uint64_t now)
{
	struct client	*c;
	struct run	*r, *next;
	struct rt_agent	*a;

	while ((r = TAILQ_FIRST(&done)) != NULL && r->since + RT_CACHE_MS <=
	    now)
		run_free(r);
	for (r = TAILQ_FIRST(&live); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		a = rt_agent_find(str_of(r->agent));
		if (r->state != RUN_RUNNING || (a != NULL && a->link != NULL)) {
			if (r->unsure && r->state == RUN_RUNNING)
				run_ask(r, a->link);
			r->lost = 0;
			continue;
		}
		if (r->lost == 0)
			r->lost = now;
		if (now - r->lost < ORPHAN_MS)
			continue;
		if (r->client != 0 && (c = rt_client_find(r->client)) != NULL)
			rt_answer_error(c, str_of(r->id), "UNAVAILABLE",
			    "the agent went away during the run");
		run_free(r);
	}
}
