/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Who is here (spec 2.12, 5.6): a bounded table, newest first.  An entry of a
 * client that is connected stays; others go after five minutes.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "gatewayd/router/router.h"

#define PRESENCE_MAX	200
#define PRESENCE_TTL_MS	300000

struct presence {
	TAILQ_ENTRY(presence)	 entry;
	char			*key;
	unsigned int		 connected;
	uint64_t		 ts;		/* wall */
	char			*fields;	/* JSON members without ts */
	char			*reason;
};

static TAILQ_HEAD(presence_list, presence) entries =
    TAILQ_HEAD_INITIALIZER(entries);
static size_t nentries;

static void
presence_free(struct presence *p)
{
	TAILQ_REMOVE(&entries, p, entry);
	nentries--;
	free(p->key);
	free(p->fields);
	free(p->reason);
	free(p);
}

static void
presence_prune(void)
{
	struct presence	*p, *prev;
	uint64_t	 now = wall_ms();

	/* The list is newest first: the tail holds the oldest. */
	for (p = TAILQ_LAST(&entries, presence_list); p != NULL; p = prev) {
		prev = TAILQ_PREV(p, presence_list, entry);
		if (p->connected == 0 && (nentries > PRESENCE_MAX ||
		    p->ts + PRESENCE_TTL_MS < now))
			presence_free(p);
	}
}

static struct presence *
presence_get(const char *key)
{
	struct presence	*p;

	TAILQ_FOREACH(p, &entries, entry)
		if (strcmp(p->key, key) == 0)
			return p;
	presence_prune();
	if (nentries >= PRESENCE_MAX || (p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	if ((p->key = strdup(key)) == NULL) {
		free(p);
		return NULL;
	}
	TAILQ_INSERT_HEAD(&entries, p, entry);
	nentries++;
	return p;
}

static void
presence_touch(struct presence *p, const char *reason)
{
	free(p->reason);
	p->reason = strdup(reason);
	p->ts = wall_ms();
	TAILQ_REMOVE(&entries, p, entry);
	TAILQ_INSERT_HEAD(&entries, p, entry);
	rt_version_presence++;
}

static char *
take_members(struct dbuf *b)
{
	char	*s;

	/* "{...}" to its members */
	if (dbuf_err(b) || b->n < 2) {
		dbuf_clear(b);
		return NULL;
	}
	b->p[b->n - 1] = '\0';
	s = strdup(b->p + 1);
	dbuf_clear(b);
	return s;
}

void
rt_presence_self(void)
{
	struct presence	*p;
	struct dbuf	 b;
	struct jw	 w;

	if ((p = presence_get("gateway")) == NULL)
		return;
	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "host", "gateway");
	jw_ks(&w, "version", GW_VERSION);
	jw_ks(&w, "platform", "linux");
	jw_ks(&w, "mode", "gateway");
	jw_ks(&w, "text", "Gateway: gateway · app " GW_VERSION
	    " · mode gateway · reason self");
	jw_obj_end(&w);
	free(p->fields);
	p->fields = take_members(&b);
	p->connected = 1;
	presence_touch(p, "self");
	rt_version_presence = 1;
}

static void
write_scopes(struct jw *w, struct str names)
{
	size_t	 i;

	jw_karr(w, "scopes");
	while (names.n > 0) {
		for (i = 0; i < names.n && names.p[i] != ',' &&
		    names.p[i] != ' '; i++)
			;
		if (i > 0)
			jw_str(w, (struct str){ names.p, i });
		if (i < names.n)
			i++;
		names.p += i;
		names.n -= i;
	}
	jw_arr_end(w);
}

void
rt_presence_connect(struct client *c, const struct m_auth_ticket *t)
{
	struct presence	*p;
	struct dbuf	 b;
	struct jw	 w;
	struct str	 key, host;
	char		*k;
	char		 text[640];
	size_t		 i;

	if (str_eqs(t->client_mode, "cli"))
		return;
	key = t->device_id.n > 0 ? t->device_id : t->instance_id.n > 0 ?
	    t->instance_id : str_of(c->conn_id);
	if ((k = str_dup(key)) == NULL)
		return;
	for (i = 0; k[i] != '\0'; i++)
		k[i] = (char)ascii_tolower((unsigned char)k[i]);
	p = presence_get(k);
	free(k);
	if (p == NULL)
		return;
	host = t->display_name.n > 0 ? t->display_name : t->client_id;
	dbuf_init(&b, 16384);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "host", host);
	if (!t->local)
		jw_kstr_opt(&w, "ip", t->remote);
	jw_kstr(&w, "version", t->version);
	jw_kstr(&w, "platform", t->platform);
	jw_kstr_opt(&w, "deviceFamily", t->device_family);
	jw_kstr_opt(&w, "modelIdentifier", t->model_identifier);
	jw_kstr(&w, "mode", t->client_mode);
	snprintf(text, sizeof(text), "Node: %.*s · mode %.*s", (int)host.n,
	    host.p, (int)t->client_mode.n, t->client_mode.p);
	jw_ks(&w, "text", text);
	jw_kstr_opt(&w, "deviceId", t->device_id);
	jw_karr(&w, "roles");
	jw_s(&w, t->role == CLIENT_NODE ? "node" : "operator");
	jw_arr_end(&w);
	write_scopes(&w, t->scopes);
	jw_kstr_opt(&w, "instanceId", t->device_id.n > 0 ? t->device_id :
	    t->instance_id);
	jw_obj_end(&w);
	free(p->fields);
	p->fields = take_members(&b);
	p->connected++;
	presence_touch(p, "connect");
	c->presence = p;
}

void
rt_presence_disconnect(struct client *c)
{
	struct presence	*p = c->presence;

	c->presence = NULL;
	if (p == NULL)
		return;
	p->connected--;
	presence_touch(p, "disconnect");
	rt_broadcast_presence_wish();
}

void
rt_presence_write(struct jw *w)
{
	struct presence	*p;

	presence_prune();
	jw_arr(w);
	TAILQ_FOREACH(p, &entries, entry) {
		if (p->fields == NULL)
			continue;
		jw_obj(w);
		dbuf_puts(w->b, p->fields);
		w->comma = true;
		jw_ks(w, "reason", p->reason != NULL ? p->reason : "");
		jw_kuint(w, "ts", p->ts);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

/* --- what a client tells of somebody -------------------------------------------- */

static const char *const seen_names[SEEN_MAX] = { "host", "ip", "version",
    "platform", "deviceFamily", "modelIdentifier", "mode", "lastInputSeconds",
    "text", "deviceId", "roles", "scopes", "instanceId", "tags", "reason" };

void
rt_seen_init(struct rt_seen *s)
{
	memset(s, 0, sizeof(*s));
}

void
rt_seen_clear(struct rt_seen *s)
{
	size_t	 i;

	for (i = 0; i < SEEN_MAX; i++)
		free(s->v[i]);
	rt_seen_init(s);
}

void
rt_seen_raw(struct rt_seen *s, enum rt_field f, struct str json)
{
	free(s->v[f]);
	s->v[f] = str_dup(json);
}

void
rt_seen_set(struct rt_seen *s, enum rt_field f, struct str text)
{
	struct dbuf	 b;

	dbuf_init(&b, 8192);
	json_quote(&b, text.p, text.n);
	if (!dbuf_err(&b))
		rt_seen_raw(s, f, (struct str){ b.p, b.n });
	dbuf_clear(&b);
}

void
rt_seen_get(const struct rt_seen *s, enum rt_field f, char *buf, size_t size)
{
	struct skim_val	 v;

	buf[0] = '\0';
	if (s->v[f] == NULL || skim_text(s->v[f], strlen(s->v[f]), &v) !=
	    SKIM_OK || rt_text_of(&v, buf, size) == -1)
		buf[0] = '\0';
}

/* The texts of both lists, each once. */
static void
seen_join(struct rt_seen *s, enum rt_field f, const struct skim_val *old)
{
	struct skim_val		 lists[2], one, other;
	struct skim_iter	 it, known;
	struct dbuf		 b;
	struct jw		 w;
	size_t			 i;
	bool			 again;

	if (skim_text(s->v[f], strlen(s->v[f]), &lists[1]) != SKIM_OK)
		return;
	lists[0] = *old;
	dbuf_init(&b, 8192);
	jw_init(&w, &b);
	jw_arr(&w);
	for (i = 0; i < 2; i++) {
		skim_iter_init(&it, &lists[i]);
		while (skim_next(&it, NULL, &one)) {
			skim_iter_init(&known, &lists[0]);
			again = false;
			while (i == 1 && !again &&
			    skim_next(&known, NULL, &other))
				again = one.n == other.n && memcmp(one.p,
				    other.p, one.n) == 0;
			if (!again)
				jw_raw(&w, one.p, one.n);
		}
	}
	jw_arr_end(&w);
	if (!dbuf_err(&b))
		rt_seen_raw(s, f, (struct str){ b.p, b.n });
	dbuf_clear(&b);
}

/* Fills s with what was known before; bits of what that changes. */
static unsigned int
seen_merge(struct rt_seen *s, const struct presence *p)
{
	struct skim_val	 root, v;
	struct dbuf	 b;
	struct rt_seen	 old;
	unsigned int	 changed = 0;
	size_t		 i;

	rt_seen_init(&old);
	if (p->reason != NULL)
		rt_seen_set(&old, SEEN_REASON, str_of(p->reason));
	dbuf_init(&b, 65536);
	dbuf_printf(&b, "{%s}", p->fields != NULL ? p->fields : "");
	if (!dbuf_err(&b) && skim_text(b.p, b.n, &root) == SKIM_OK)
		for (i = 0; i < SEEN_REASON; i++)
			if (skim_get(&root, seen_names[i], &v)) {
				rt_seen_raw(&old, (enum rt_field)i,
				    (struct str){ v.p, v.n });
				if (s->v[i] != NULL && (i == SEEN_ROLES ||
				    i == SEEN_SCOPES))
					seen_join(s, (enum rt_field)i, &v);
			}
	dbuf_clear(&b);
	for (i = 0; i < SEEN_MAX; i++) {
		if (s->v[i] == NULL) {
			s->v[i] = old.v[i];
			old.v[i] = NULL;
		} else if (old.v[i] == NULL || strcmp(s->v[i], old.v[i]) != 0)
			changed |= 1u << i;
	}
	rt_seen_clear(&old);
	return changed;
}

unsigned int
rt_presence_update(const char *key, struct rt_seen *s)
{
	struct presence	*p = presence_get(key);
	struct dbuf	 b;
	struct jw	 w;
	char		*fields, reason[513];
	unsigned int	 changed;
	size_t		 i;

	if (p == NULL)
		return 0;
	changed = seen_merge(s, p);
	dbuf_init(&b, 65536);
	jw_init(&w, &b);
	jw_obj(&w);
	for (i = 0; i < SEEN_REASON; i++)
		if (s->v[i] != NULL)
			jw_kraw(&w, seen_names[i], s->v[i], strlen(s->v[i]));
	jw_obj_end(&w);
	if ((fields = take_members(&b)) != NULL) {
		free(p->fields);
		p->fields = fields;
	}
	rt_seen_get(s, SEEN_REASON, reason, sizeof(reason));
	presence_touch(p, reason);
	return changed;
}
