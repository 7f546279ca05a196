/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Keys of older versions, moved to where they live now: in memory, at every
 * load, with one warning each.  The file itself is never rewritten here.
 */

#include "common/compat.h"

#include <stdarg.h>

#include "gatewayd/config/config.h"

static void
said(struct cf *cf, const struct json5 *at, const char *key, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

static void
said(struct cf *cf, const struct json5 *at, const char *key, const char *fmt,
    ...)
{
	char	 text[512];
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cf_warn(cf, at, key, "%s", text);
	if (cf->nproblems > 0 && cf->problems[cf->nproblems - 1].severity ==
	    CF_WARNING)
		cf->problems[cf->nproblems - 1].legacy = true;
}

/* Adds what b has and a lacks. */
static void
fill(struct cf *cf, struct json5 *a, struct json5 *b)
{
	struct json5	*m, *next, *old;

	for (m = b->child; m != NULL; m = next) {
		next = m->next;
		old = json5_gets(a, m->key);
		if (old == NULL)
			json5_sets(cf->pool, a, m->key, m);
		else if (old->type == JSON5_OBJECT && m->type == JSON5_OBJECT)
			fill(cf, old, m);
	}
}

/* Moves o.from to root.to; what is there already wins. */
static void
move(struct cf *cf, struct json5 *o, const char *from, const char *shown,
    const char *to)
{
	struct json5	*v = json5_remove(o, from), *dir, *old;
	const char	*dot = strrchr(to, '.');
	char		 head[128] = "";

	if (v == NULL)
		return;
	if (dot != NULL)
		str_copy((struct str){ to, (size_t)(dot - to) }, head,
		    sizeof(head));
	dir = dot != NULL ? json5_mkpath(cf->pool, cf->root, head) : cf->root;
	if (dir == NULL)
		return;
	dot = dot != NULL ? dot + 1 : to;
	if ((old = json5_get(dir, dot)) == NULL) {
		json5_set(cf->pool, dir, dot, v);
		said(cf, v, shown, "Moved %s \xe2\x86\x92 %s.", shown, to);
	} else if (old->type == JSON5_OBJECT && v->type == JSON5_OBJECT) {
		fill(cf, old, v);
		said(cf, v, shown, "Merged %s \xe2\x86\x92 %s.", shown, to);
	} else
		said(cf, v, shown, "Removed %s (%s already set).", shown, to);
}

/* agent.model as text, with its companions, as an object. */
static void
migrate_model(struct cf *cf, struct json5 *d, const char *key,
    const char *fallbacks)
{
	struct json5	*v = json5_get(d, key), *o, *f;

	f = json5_remove(d, fallbacks);
	if (v == NULL && f == NULL)
		return;
	if (v != NULL && v->type == JSON5_OBJECT)
		o = v;
	else {
		o = json5_new(cf->pool, JSON5_OBJECT, v != NULL ? v : f);
		if (o == NULL)
			return;
		if (v != NULL && v->type == JSON5_STRING) {
			json5_remove(d, key);
			json5_set(cf->pool, o, "primary", v);
		}
		json5_set(cf->pool, d, key, o);
	}
	if (f != NULL && json5_get(o, "fallbacks") == NULL)
		json5_set(cf->pool, o, "fallbacks", f);
}

static void
migrate_agent(struct cf *cf)
{
	struct json5	*a = json5_get(cf->root, "agent"), *d, *v, *m;
	static const char *const moves[][3] = {
		{ "bash", "agent.bash", "tools.exec" },
		{ "elevated", "agent.elevated", "tools.elevated" },
	};
	size_t		 i;

	if (a == NULL || a->type != JSON5_OBJECT)
		return;
	for (i = 0; i < 2; i++)
		move(cf, a, moves[i][0], moves[i][1], moves[i][2]);
	v = json5_get(a, "tools");
	move(cf, v, "allow", "agent.tools.allow", "tools.allow");
	move(cf, v, "deny", "agent.tools.deny", "tools.deny");
	if (v != NULL && v->child == NULL)
		json5_remove(a, "tools");
	v = json5_get(a, "sandbox");
	move(cf, v, "tools", "agent.sandbox.tools", "tools.sandbox.tools");
	v = json5_get(a, "subagents");
	move(cf, v, "tools", "agent.subagents.tools", "tools.subagents.tools");
	migrate_model(cf, a, "model", "modelFallbacks");
	migrate_model(cf, a, "imageModel", "imageModelFallbacks");
	if ((v = json5_remove(a, "thinkingLevel")) != NULL &&
	    json5_get(a, "thinkingDefault") == NULL)
		json5_set(cf->pool, a, "thinkingDefault", v);
	v = json5_remove(a, "allowedModels");
	if (v != NULL && v->type == JSON5_ARRAY &&
	    (d = json5_mkpath(cf->pool, a, "models")) != NULL)
		for (m = v->child; m != NULL; m = m->next)
			if (m->type == JSON5_STRING && json5_gets(d, m->s) ==
			    NULL)
				json5_sets(cf->pool, d, m->s, json5_new(
				    cf->pool, JSON5_OBJECT, m));
	v = json5_remove(a, "modelAliases");
	if (v != NULL && v->type == JSON5_OBJECT)
		for (m = v->child; m != NULL; m = m->next) {
			if (m->type != JSON5_STRING || (d = json5_mkpath(
			    cf->pool, a, "models")) == NULL)
				continue;
			if (json5_gets(d, m->s) == NULL)
				json5_sets(cf->pool, d, m->s, json5_new(
				    cf->pool, JSON5_OBJECT, m));
			d = json5_gets(d, m->s);
			if (d != NULL && d->type == JSON5_OBJECT)
				json5_set(cf->pool, d, "alias", json5_new_str(
				    cf->pool, m->key, m));
		}
	move(cf, cf->root, "agent", "agent", "agents.defaults");
}

static void
migrate_routing(struct cf *cf)
{
	static const char *const moves[][2] = {
		{ "bindings", "bindings" },
		{ "agentToAgent", "tools.agentToAgent" },
		{ "queue", "messages.queue" },
		{ "transcribeAudio", "audio.transcription" },
	};
	static const char *const groups[] = { "telegram", "whatsapp",
	    "imessage" };
	struct json5	*r = json5_get(cf->root, "routing"), *g, *v, *d;
	char		 path[64];
	size_t		 i;

	if (r == NULL || r->type != JSON5_OBJECT)
		return;
	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		snprintf(path, sizeof(path), "routing.%s", moves[i][0]);
		move(cf, r, moves[i][0], path, moves[i][1]);
	}
	if (json5_path(cf->root, "channels.whatsapp") != NULL)
		move(cf, r, "allowFrom", "routing.allowFrom",
		    "channels.whatsapp.allowFrom");
	else if ((v = json5_remove(r, "allowFrom")) != NULL)
		said(cf, v, "routing.allowFrom", "Removed routing.allowFrom "
		    "(channels.whatsapp not configured).");
	g = json5_get(r, "groupChat");
	move(cf, g, "mentionPatterns", "routing.groupChat.mentionPatterns",
	    "messages.groupChat.mentionPatterns");
	move(cf, g, "historyLimit", "routing.groupChat.historyLimit",
	    "messages.groupChat.historyLimit");
	v = json5_remove(g, "requireMention");
	for (i = 0; v != NULL && i < 3; i++) {
		snprintf(path, sizeof(path), "channels.%s", groups[i]);
		if (json5_path(cf->root, path) == NULL)
			continue;
		strlcat(path, ".groups.*", sizeof(path));
		if ((d = json5_mkpath(cf->pool, cf->root, path)) != NULL &&
		    json5_get(d, "requireMention") == NULL)
			json5_set(cf->pool, d, "requireMention",
			    json5_copy(cf->pool, v));
		said(cf, v, "routing.groupChat.requireMention", "Moved "
		    "routing.groupChat.requireMention \xe2\x86\x92 "
		    "channels.%s.groups.\"*\".requireMention.", groups[i]);
	}
	if (g != NULL && g->child == NULL)
		json5_remove(r, "groupChat");
	/* routing.agents was a map by id, agents.list is a list. */
	v = json5_remove(r, "agents");
	d = json5_remove(r, "defaultAgentId");
	if (v != NULL && v->type == JSON5_OBJECT &&
	    json5_path(cf->root, "agents.list") == NULL &&
	    (g = json5_mkpath(cf->pool, cf->root, "agents")) != NULL) {
		struct json5	*list, *m, *next;

		list = json5_new(cf->pool, JSON5_ARRAY, v);
		for (m = v->child; m != NULL && list != NULL; m = next) {
			next = m->next;
			if (m->type != JSON5_OBJECT)
				continue;
			json5_set(cf->pool, m, "id", json5_new_str(cf->pool,
			    m->key, m));
			if (d != NULL && d->type == JSON5_STRING &&
			    str_eq(d->s, m->key))
				json5_set(cf->pool, m, "default",
				    json5_new_bool(cf->pool, true, m));
			json5_push(list, m);
		}
		json5_set(cf->pool, g, "list", list);
		said(cf, v, "routing.agents", "Moved routing.agents "
		    "\xe2\x86\x92 agents.list.");
	}
	if (r->child == NULL)
		json5_remove(cf->root, "routing");
}

static void
rename_key(struct cf *cf, struct json5 *o, const char *from, const char *to,
    const char *shown)
{
	struct json5	*v = json5_remove(o, from);

	if (v == NULL)
		return;
	if (json5_get(o, to) == NULL)
		json5_set(cf->pool, o, to, v);
	said(cf, v, shown, "Moved %s.%s \xe2\x86\x92 %s.%s.", shown, from,
	    shown, to);
}

/* The list form of WhatsApp accounts (spec/config.md 16). */
static void
accounts_map(struct cf *cf)
{
	struct json5	*w = json5_path(cf->root, "channels.whatsapp");
	struct json5	*v = json5_get(w, "accounts"), *o, *m, *next, *id;

	if (v == NULL || v->type != JSON5_ARRAY ||
	    (o = json5_new(cf->pool, JSON5_OBJECT, v)) == NULL)
		return;
	for (m = v->child; m != NULL; m = next) {
		next = m->next;
		id = json5_remove(m, "id");
		if (id != NULL && id->type == JSON5_STRING)
			json5_sets(cf->pool, o, id->s, m);
	}
	json5_set(cf->pool, w, "accounts", o);
}

int
cf_migrate(struct cf *cf)
{
	static const char *const channels[] = { "whatsapp", "telegram",
	    "discord", "slack", "signal", "imessage", "msteams" };
	struct json5	*v, *m, *d;
	char		 to[64];
	size_t		 i;

	for (i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		snprintf(to, sizeof(to), "channels.%s", channels[i]);
		move(cf, cf->root, channels[i], channels[i], to);
	}
	accounts_map(cf);
	migrate_routing(cf);
	migrate_agent(cf);
	v = json5_get(cf->root, "gateway");
	if (json5_get(v, "token") != NULL) {
		move(cf, v, "token", "gateway.token", "gateway.auth.token");
		d = json5_get(v, "auth");
		if (d != NULL && json5_get(d, "mode") == NULL)
			json5_set(cf->pool, d, "mode", json5_new_str(cf->pool,
			    STR_LIT("token"), d));
	}
	v = json5_get(cf->root, "tools");
	rename_key(cf, v, "bash", "exec", "tools");
	v = json5_path(cf->root, "messages.queue");
	rename_key(cf, v, "byProvider", "byChannel", "messages.queue");
	v = json5_get(cf->root, "bindings");
	for (m = v != NULL && v->type == JSON5_ARRAY ? v->child : NULL;
	    m != NULL; m = m->next) {
		d = json5_get(m, "match");
		rename_key(cf, d, "provider", "channel", "bindings[].match");
		rename_key(cf, d, "accountID", "accountId",
		    "bindings[].match");
	}
	v = json5_path(cf->root, "session.sendPolicy.rules");
	for (m = v != NULL && v->type == JSON5_ARRAY ? v->child : NULL;
	    m != NULL; m = m->next)
		rename_key(cf, json5_get(m, "match"), "provider", "channel",
		    "session.sendPolicy.rules[].match");
	v = json5_path(cf->root, "channels.telegram");
	if ((m = json5_remove(v, "requireMention")) != NULL) {
		d = json5_mkpath(cf->pool, v, "groups.*");
		if (d != NULL && json5_get(d, "requireMention") == NULL)
			json5_set(cf->pool, d, "requireMention", m);
		said(cf, m, "channels.telegram.requireMention", "Moved "
		    "channels.telegram.requireMention \xe2\x86\x92 "
		    "channels.telegram.groups.\"*\".requireMention.");
	}
	if ((v = json5_remove(cf->root, "identity")) != NULL) {
		d = json5_mkpath(cf->pool, cf->root, "agents");
		m = json5_path(cf->root, "agents.list");
		if (m == NULL && d != NULL) {
			m = json5_new(cf->pool, JSON5_ARRAY, v);
			json5_set(cf->pool, d, "list", m);
		}
		if (m != NULL && m->type == JSON5_ARRAY && m->child == NULL) {
			d = json5_new(cf->pool, JSON5_OBJECT, v);
			if (d == NULL)
				return -1;
			json5_set(cf->pool, d, "id", json5_new_str(cf->pool,
			    STR_LIT("main"), v));
			json5_push(m, d);
		}
		d = m != NULL ? m->child : NULL;
		if (d != NULL && d->type == JSON5_OBJECT &&
		    json5_get(d, "identity") == NULL)
			json5_set(cf->pool, d, "identity", v);
		said(cf, v, "identity", "Moved identity \xe2\x86\x92 "
		    "agents.list (id \"main\").identity.");
	}
	return 0;
}
