/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What nodes tell (spec 5.5, 6.5): words for an agent, and which
 * conversations they want to see.  As the protocol has it, what cannot be read
 * is answered like what can; the log says more.
 */
#include "common/compat.h"

#include "common/log.h"
#include "common/session_key.h"
#include "gatewayd/router/router.h"

#define EVENT_BYTES	1048576		/* of a payload */
#define TEXT_CHARS	20000		/* of words for an agent */
#define SUBS_MAX	64		/* of one node */
#define OPTIONS_MAX	16384

struct node_sub {
	TAILQ_ENTRY(node_sub)	 entry;
	char			 key[SESSION_KEY_MAX + 1];	/* canonical */
};
static size_t	 nsubs;		/* of all nodes */

/* --- subscriptions ---------------------------------------------------------------- */

static int
canonical(struct str key, const char *agent, char out[SESSION_KEY_MAX + 1])
{
	return session_key_canon(key, agent, rt.cf->scope_global, out,
	    SESSION_KEY_MAX + 1);
}

static struct node_sub *
sub_find(const struct client *c, const char *key)
{
	struct node_sub	*s;

	TAILQ_FOREACH(s, &c->subs, entry)
		if (strcmp(s->key, key) == 0)
			return s;
	return NULL;
}

static void
sub_free(struct client *c, struct node_sub *s)
{
	TAILQ_REMOVE(&c->subs, s, entry);
	c->nsubs--;
	nsubs--;
	free(s);
}

static void
subscribe(struct client *c, struct str key, bool on)
{
	struct node_sub	*s;
	char		 canon[SESSION_KEY_MAX + 1];

	if (canonical(key, rt.cf->routes.default_agent, canon) == -1)
		return;
	s = sub_find(c, canon);
	if (!on && s != NULL)
		sub_free(c, s);
	if (!on || s != NULL)
		return;
	if (c->nsubs == SUBS_MAX || (s = calloc(1, sizeof(*s))) == NULL) {
		log_warnx("node %.16s: too many subscriptions", rt_node_id(c));
		return;
	}
	strlcpy(s->key, canon, sizeof(s->key));
	TAILQ_INSERT_TAIL(&c->subs, s, entry);
	c->nsubs++;
	nsubs++;
}

void
rt_node_unsubscribe_all(struct client *c)
{
	struct node_sub	*s;

	while ((s = TAILQ_FIRST(&c->subs)) != NULL)
		sub_free(c, s);
}

void
rt_node_event_copy(enum gw_event ev, const struct rt_agent *a,
    const struct str *key, const char *payload, size_t n)
{
	struct client	*c, *next;
	char		 canon[SESSION_KEY_MAX + 1];

	if (nsubs == 0)
		return;
	if (key != NULL && canonical(*key, a != NULL ? a->id :
	    rt.cf->routes.default_agent, canon) == -1)
		return;
	for (c = TAILQ_FIRST(&rt_clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		/* The broadcast has its own word for those who do not read. */
		if (c->nsubs == 0 || c->closing ||
		    (key != NULL && sub_find(c, canon) == NULL) ||
		    rt_client_backlog(c) > RT_MAX_BUFFERED)
			continue;
		rt_event_one(c, gw_event_name(ev), payload, n);
	}
}

/* --- words for an agent ------------------------------------------------------------- */

/* A text of the payload, trimmed, in memory of its own; NULL: it has none. */
static char *
text_of(const struct skim_val *payload, const char *key, size_t chars)
{
	struct skim_val	 v;
	struct str	 s;
	char		*buf;
	ssize_t		 n;

	if (!skim_get(payload, key, &v) || v.kind != SKIM_STRING ||
	    (buf = malloc(v.n)) == NULL)
		return NULL;
	n = skim_unescape(&v, buf, v.n);
	s = str_trim((struct str){ buf, n > 0 ? (size_t)n : 0 });
	if (s.n == 0 || utf8_count(s.p, s.n) > chars) {
		free(buf);
		return NULL;
	}
	memmove(buf, s.p, s.n);
	buf[s.n] = '\0';
	return buf;
}

static void
start(struct request *r, const char *run, const char *session,
    const char *text, struct dbuf *options)
{
	const char	*why;

	if (strlen(session) > ROUTE_KEY_MAX || dbuf_err(options))
		why = "the request is too long";
	else
		why = rt_turn_start(r->client, r->method, str_of(run),
		    str_of(session), str_of(text),
		    (struct str){ options->p, options->n });
	if (why != NULL)
		log_warnx("node %.16s: request for an agent: %s",
		    rt_node_id(r->client), why);
	dbuf_clear(options);
}

/* Spoken words: an answer that is short, and is not sent on. */
static void
on_voice(struct request *r, const struct skim_val *payload)
{
	struct dbuf	 options;
	char		*text, *key, run[64] = "voice-";

	if ((text = text_of(payload, "text", TEXT_CHARS)) == NULL)
		return;
	key = text_of(payload, "sessionKey", ROUTE_KEY_MAX);
	uuid_v4(run + 6);
	dbuf_init(&options, OPTIONS_MAX);
	dbuf_puts(&options, "{\"thinking\":\"low\",\"deliver\":false}");
	start(r, run, key != NULL ? key : rt.cf->main_key, text, &options);
	free(key);
	free(text);
}

static void
option(struct jw *w, const struct skim_val *payload, const char *key,
    enum skim_kind kind, const char *name)
{
	struct skim_val	 v;

	if (skim_get(payload, key, &v) && v.kind == kind && v.n > 2)
		jw_kraw(w, name, v.p, v.n);
}

static void
on_agent(struct request *r, const struct skim_val *payload)
{
	struct skim_val	 v;
	struct dbuf	 options;
	struct jw	 w;
	char		 own[ROUTE_KEY_MAX + 1], run[37];
	char		*text, *key, *channel;
	int64_t		 seconds;
	bool		 known;

	if ((text = text_of(payload, "message", TEXT_CHARS)) == NULL)
		return;
	key = text_of(payload, "sessionKey", ROUTE_KEY_MAX);
	channel = text_of(payload, "channel", 64);
	known = channel != NULL && rt_known_channel(channel);
	snprintf(own, sizeof(own), "node-%s", rt_node_id(r->client));
	uuid_v4(run);
	dbuf_init(&options, OPTIONS_MAX);
	jw_init(&w, &options);
	jw_obj(&w);
	jw_kbool(&w, "deliver", known && skim_get(payload, "deliver", &v) &&
	    v.kind == SKIM_BOOL && v.p[0] == 't');
	if (known)
		jw_ks(&w, "channel", channel);
	option(&w, payload, "to", SKIM_STRING, "to");
	option(&w, payload, "thinking", SKIM_STRING, "thinking");
	if (skim_get(payload, "timeoutSeconds", &v) &&
	    v.kind == SKIM_NUMBER && skim_int(&v, &seconds) && seconds >= 0)
		jw_kint(&w, "timeout", seconds);
	jw_obj_end(&w);
	start(r, run, key != NULL ? key : own, text, &options);
	free(channel);
	free(key);
	free(text);
}

static void
on_subscribe(struct request *r, const struct skim_val *payload, bool on)
{
	char	*key;

	if ((key = text_of(payload, "sessionKey", ROUTE_KEY_MAX)) == NULL)
		return;
	subscribe(r->client, str_of(key), on);
	free(key);
}

/* --- the request --------------------------------------------------------------------- */

static void
event(struct request *r, const struct skim_val *payload)
{
	const struct skim_val	*name = &r->p.NODE_EVENT.event;

	if (skim_is(name, "voice.transcript"))
		on_voice(r, payload);
	else if (skim_is(name, "agent.request"))
		on_agent(r, payload);
	else if (skim_is(name, "chat.subscribe"))
		on_subscribe(r, payload, true);
	else if (skim_is(name, "chat.unsubscribe"))
		on_subscribe(r, payload, false);
	else if (skim_is(name, "exec.started"))
		rt_node_run_report(r->client, REPORT_STARTED, payload);
	else if (skim_is(name, "exec.finished"))
		rt_node_run_report(r->client, REPORT_FINISHED, payload);
	else if (skim_is(name, "exec.denied"))
		rt_node_run_report(r->client, REPORT_DENIED, payload);
}

void
rt_do_node_event(struct request *r)
{
	const struct p_NODE_EVENT	*v = &r->p.NODE_EVENT;
	struct skim_val			 payload = v->payload;
	char				*copy = NULL;
	ssize_t				 n;

	/* Mostly it is text within text. */
	if (v->payloadJSON.kind == SKIM_STRING) {
		payload.kind = SKIM_ABSENT;
		if (v->payloadJSON.n <= EVENT_BYTES &&
		    (copy = malloc(v->payloadJSON.n)) != NULL &&
		    (n = skim_unescape(&v->payloadJSON, copy,
		    v->payloadJSON.n)) != -1 &&
		    skim_text(copy, (size_t)n, &payload) == SKIM_OK)
			skim_repair(copy, (size_t)n);
		else
			payload.kind = SKIM_ABSENT;
	}
	if (payload.kind == SKIM_OBJECT && payload.n <= EVENT_BYTES &&
	    r->client->node != NULL)
		event(r, &payload);
	free(copy);
	rt_answer_raw(r->client, r->id, "{\"ok\":true}", 11);
}
