/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * system-event (spec 4.10): somebody tells that he is there, or what happened.
 * The first goes into the presence table, the second to the main conversation
 * of the default agent; a line of the form "Node: ..." is both, and the
 * conversation hears only what has changed.  Also the switch of heartbeats.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

#define FIELD_MAX	512
#define TEXT_MAX	16384
#define KEY_CHARS	64
#define DOT		" \xc2\xb7 "

static bool		 heartbeats = true;	/* until the next restart */
static struct payload	*last_heartbeat;

/* --- heartbeats -------------------------------------------------------------- */

void
rt_do_set_heartbeats(struct request *q)
{
	const struct skim_val	*v = &q->p.SET_HEARTBEATS.enabled;
	struct jw		*w;

	if (v->kind != SKIM_BOOL) {
		rt_answer_error(q->client, q->id, "INVALID_REQUEST", "invalid "
		    "set-heartbeats params: enabled (boolean) required");
		return;
	}
	heartbeats = v->p[0] == 't';
	w = rt_answer_begin(q->client, q->id);
	jw_obj(w);
	jw_kbool(w, "ok", true);
	jw_kbool(w, "enabled", heartbeats);
	jw_obj_end(w);
	rt_answer_end(q->client);
}

void
rt_do_last_heartbeat(struct request *q)
{
	if (last_heartbeat == NULL)
		rt_answer_raw(q->client, q->id, "null", 4);
	else
		rt_answer_raw(q->client, q->id, last_heartbeat->p,
		    last_heartbeat->n);
}

bool
rt_heartbeat_note(const char *json, size_t n)
{
	struct payload	*p;

	if (!heartbeats)
		return false;
	if ((p = rt_payload_of(json, n)) != NULL) {
		rt_payload_unref(last_heartbeat);
		last_heartbeat = p;
	}
	return true;
}

/* --- a line about a node ------------------------------------------------------- */

struct line {
	struct str	 host, ip, version, input, mode, reason;
};

/* What stands before the next dot in the middle, without blanks around. */
static bool
part(struct str *s, const char *lead, struct str *out)
{
	const char	*end;
	size_t		 n = strlen(lead);

	*s = str_trim(*s);
	if (s->n < n || ascii_ncasecmp(s->p, lead, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	end = memmem(s->p, s->n, "\xc2\xb7", 2);
	*out = (struct str){ s->p, end != NULL ? (size_t)(end - s->p) : s->n };
	s->n -= out->n;
	s->p += out->n;
	if (s->n >= 2) {
		s->p += 2;
		s->n -= 2;
	}
	*out = str_trim(*out);
	return out->n > 0;
}

/* Node: <host> (<ip>) · app <v> · last input <n>s ago · mode <m> · reason <r> */
static bool
line_parse(struct str s, struct line *l)
{
	struct str	 who;
	const char	*open, *end;
	size_t		 i;

	memset(l, 0, sizeof(*l));
	if (!part(&s, "node:", &who) || !part(&s, "app ", &l->version) ||
	    !part(&s, "last input ", &l->input) ||
	    !part(&s, "mode ", &l->mode) || !part(&s, "reason ", &l->reason))
		return false;
	if ((open = memchr(who.p, '(', who.n)) == NULL || (end = memchr(open,
	    ')', who.n - (size_t)(open - who.p))) == NULL)
		return false;
	l->host = str_trim((struct str){ who.p, (size_t)(open - who.p) });
	l->ip = str_trim((struct str){ open + 1, (size_t)(end - open - 1) });
	for (i = 0; i < l->input.n && ascii_isdigit((unsigned char)
	    l->input.p[i]); i++)
		;
	if (i == 0 || i > 9 || !str_eqs((struct str){ l->input.p + i,
	    l->input.n - i }, "s ago"))
		return false;
	l->input.n = i;
	return l->host.n > 0 && l->ip.n > 0 &&
	    memchr(l->host.p, ' ', l->host.n) == NULL;
}

/* --- the request ---------------------------------------------------------------- */

/* A parameter of the right type, else what the line says. */
static void
field(struct rt_seen *s, enum rt_field f, const struct skim_val *v,
    struct str else_)
{
	char	 text[FIELD_MAX + 1];

	if (v != NULL && v->kind == SKIM_STRING && v->n > 2 &&
	    rt_text_of(v, text, sizeof(text)) == 0)
		rt_seen_set(s, f, str_of(text));
	else if (else_.n > 0 && else_.n <= FIELD_MAX)
		rt_seen_set(s, f, else_);
}

static void
list(struct rt_seen *s, enum rt_field f, const struct skim_val *v)
{
	struct skim_iter	 it;
	struct skim_val		 one;

	if (v->kind != SKIM_ARRAY || v->n > 4096)
		return;
	skim_iter_init(&it, v);
	while (skim_next(&it, NULL, &one))
		if (one.kind != SKIM_STRING)
			return;
	rt_seen_raw(s, f, (struct str){ v->p, v->n });
}

static void
key_of(const struct p_SYSTEM_EVENT *v, const struct line *l, struct str text,
    char *key, size_t size)
{
	struct str	 s;
	size_t		 i;

	if (rt_text_of(&v->deviceId, key, size) == 0 &&
	    str_trim(str_of(key)).n > 0)
		s = str_trim(str_of(key));
	else if (rt_text_of(&v->instanceId, key, size) == 0 &&
	    str_trim(str_of(key)).n > 0)
		s = str_trim(str_of(key));
	else if (l->host.n > 0)
		s = l->host;
	else
		s = (struct str){ text.p, utf8_cut(text.p, text.n,
		    KEY_CHARS) };
	if (s.n >= size)
		s.n = utf8_cut(s.p, s.n, size - 1);
	memmove(key, s.p, s.n);
	key[s.n] = '\0';
	for (i = 0; key[i] != '\0'; i++)
		key[i] = (char)ascii_tolower((unsigned char)key[i]);
}

/* " · mode x · reason y": what of it is new. */
static void
put_changes(struct dbuf *b, const struct rt_seen *s, unsigned int changed)
{
	static const struct { enum rt_field f; const char *word, *none; } parts[] = {
		{ SEEN_VERSION, "app", "unknown" },
		{ SEEN_MODE, "mode", "unknown" },
		{ SEEN_REASON, "reason", "event" },
	};
	char	 text[FIELD_MAX + 1];
	size_t	 i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if ((changed & 1u << parts[i].f) == 0)
			continue;
		rt_seen_get(s, parts[i].f, text, sizeof(text));
		dbuf_printf(b, DOT "%s %s", parts[i].word,
		    text[0] != '\0' ? text : parts[i].none);
	}
}

/* Said too often to be worth a model's time. */
static bool
is_noise(struct str text)
{
	static const char *const words[] = { "reason periodic",
		"heartbeat poll", "heartbeat wake" };
	size_t	 i, at, n;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		n = strlen(words[i]);
		for (at = 0; at + n <= text.n; at++)
			if (ascii_ncasecmp(text.p + at, words[i], n) == 0)
				return true;
	}
	return false;
}

static void
answer_ok(struct client *c, struct str id)
{
	rt_answer_raw(c, id, "{\"ok\":true}", 11);
}

/* Hands the line to the default agent: answered when it is on the disk. */
static void
tell(struct request *q, struct str text)
{
	struct rt_agent		*a = &rt.cf->agents[rt.cf->default_agent];
	struct m_ag_system	 v;
	struct pending		*p;
	char			 id[37];

	if (is_noise(text)) {
		answer_ok(q->client, q->id);
		return;
	}
	p = a->link == NULL || link_full(a->link) ? NULL :
	    rt_pending_new(PEND_SYSTEM, a->link, q->client, q->id, RT_RPC_MS);
	if (p != NULL) {
		p->method = q->method;
		uuid_v4(id);
		memset(&v, 0, sizeof(v));
		v.session_key = str_of(rt.cf->main_key);
		v.dedupe_key = str_of(id);
		v.text = text;
		if (send_ag_system(a->link, &v, p->corr, 0) == 0)
			return;
		rt_pending_free(p);
	}
	rt_answer_error(q->client, q->id, "UNAVAILABLE", a->link == NULL ?
	    "system-event: the agent is not running; try again" :
	    "system-event: too many requests; try again");
}

void
rt_system_ack(struct pending *p, const struct m_ag_turn_ack *v)
{
	struct client	*c = rt_client_find(p->client);
	struct str	 none = { "", 0 }, id = { p->id, p->id_n };

	if (c != NULL && v->status == TURN_REFUSED)
		rt_answer_error_full(c, id, none, v->code, v->reason, none);
	else if (c != NULL)
		answer_ok(c, id);
	rt_pending_free(p);
}

static void
tell_node(struct request *q, const struct rt_seen *s, unsigned int changed)
{
	struct dbuf	 b;
	char		 host[FIELD_MAX + 1], ip[FIELD_MAX + 1];
	char		 reason[FIELD_MAX + 1];

	rt_seen_get(s, SEEN_REASON, reason, sizeof(reason));
	if (ascii_ncasecmp(reason, "periodic", 8) == 0 ||
	    ascii_casecmp(reason, "heartbeat") == 0)
		changed &= ~(1u << SEEN_REASON);
	if ((changed & (1u << SEEN_HOST | 1u << SEEN_IP | 1u << SEEN_VERSION |
	    1u << SEEN_MODE | 1u << SEEN_REASON)) == 0) {
		answer_ok(q->client, q->id);
		return;
	}
	rt_seen_get(s, SEEN_HOST, host, sizeof(host));
	rt_seen_get(s, SEEN_IP, ip, sizeof(ip));
	dbuf_init(&b, 8 * FIELD_MAX);
	dbuf_printf(&b, "Node: %s%s%s%s", host[0] != '\0' ? host : "Unknown",
	    ip[0] != '\0' ? " (" : "", ip, ip[0] != '\0' ? ")" : "");
	put_changes(&b, s, changed);
	tell(q, (struct str){ dbuf_str(&b), b.n });
	dbuf_clear(&b);
}

void
rt_do_system_event(struct request *q)
{
	struct p_SYSTEM_EVENT	*v = &q->p.SYSTEM_EVENT;
	struct rt_seen		 s;
	struct line		 l;
	struct str		 text, none = { "", 0 };
	char			*buf, key[FIELD_MAX + 1], num[24];
	int64_t			 input;
	ssize_t			 n;
	unsigned int		 changed;

	if (v->text.kind != SKIM_STRING || v->text.n <= 2) {
		rt_answer_error(q->client, q->id, "INVALID_REQUEST",
		    "text required");
		return;
	}
	if (v->text.n > 6 * TEXT_MAX + 2 || (buf = malloc(v->text.n)) ==
	    NULL) {
		rt_answer_error(q->client, q->id, "INVALID_REQUEST", "invalid "
		    "system-event params: at /text: must NOT have more than "
		    "16384 bytes");
		return;
	}
	n = skim_unescape(&v->text, buf, v->text.n);
	text = str_trim((struct str){ buf, n < 0 ? 0 : (size_t)n });
	if (text.n == 0 || text.n > TEXT_MAX) {
		rt_answer_error(q->client, q->id, "INVALID_REQUEST", text.n ==
		    0 ? "text required" : "invalid system-event params: at "
		    "/text: must NOT have more than 16384 bytes");
		free(buf);
		return;
	}
	if (!line_parse(text, &l))
		memset(&l, 0, sizeof(l));
	key_of(v, &l, text, key, sizeof(key));
	rt_seen_init(&s);
	field(&s, SEEN_HOST, &v->host, l.host);
	field(&s, SEEN_IP, &v->ip, l.ip);
	field(&s, SEEN_VERSION, &v->version, l.version);
	field(&s, SEEN_PLATFORM, &v->platform, none);
	field(&s, SEEN_FAMILY, &v->deviceFamily, none);
	field(&s, SEEN_MODEL, &v->modelIdentifier, none);
	field(&s, SEEN_MODE, &v->mode, l.mode);
	field(&s, SEEN_REASON, &v->reason, l.reason);
	field(&s, SEEN_DEVICE, &v->deviceId, none);
	field(&s, SEEN_INSTANCE, &v->instanceId, none);
	if (v->lastInputSeconds.kind == SKIM_NUMBER &&
	    skim_int(&v->lastInputSeconds, &input)) {
		snprintf(num, sizeof(num), "%lld", (long long)input);
		rt_seen_raw(&s, SEEN_INPUT, str_of(num));
	} else if (l.input.n > 0)
		rt_seen_raw(&s, SEEN_INPUT, l.input);
	list(&s, SEEN_ROLES, &v->roles);
	list(&s, SEEN_SCOPES, &v->scopes);
	list(&s, SEEN_TAGS, &v->tags);
	rt_seen_set(&s, SEEN_TEXT, (struct str){ text.p, utf8_cut(text.p,
	    text.n, 2 * FIELD_MAX) });
	changed = rt_presence_update(key, &s);
	rt_broadcast_presence_wish();
	if (str_prefix(text, "Node:"))
		tell_node(q, &s, changed);
	else
		tell(q, text);
	rt_seen_clear(&s);
	free(buf);
}
