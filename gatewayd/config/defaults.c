/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Values that the document gets when it is loaded (spec/config.md 12). */

#include "common/compat.h"

#include "gatewayd/config/config.h"

static void
put_str(struct cf *cf, const char *path, const char *key, const char *value)
{
	struct json5	*o = json5_mkpath(cf->pool, cf->root, path);

	if (o != NULL && json5_get(o, key) == NULL)
		json5_set(cf->pool, o, key, json5_new_str(cf->pool,
		    str_of(value), NULL));
}

static void
put_int(struct cf *cf, struct json5 *o, const char *key, int64_t value)
{
	if (o != NULL && o->type == JSON5_OBJECT && json5_get(o, key) == NULL)
		json5_set(cf->pool, o, key, json5_new_int(cf->pool, value,
		    NULL));
}

static void
default_models(struct cf *cf)
{
	static const char *const costs[] = { "input", "output", "cacheRead",
	    "cacheWrite" };
	struct json5	*p = json5_path(cf->root, "models.providers"), *m, *v;
	int64_t		 window;
	size_t		 i;

	for (p = p != NULL ? p->child : NULL; p != NULL; p = p->next) {
		m = json5_get(p, "models");
		for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
			if (json5_get(m, "reasoning") == NULL)
				json5_set(cf->pool, m, "reasoning",
				    json5_new_bool(cf->pool, false, m));
			if (json5_get(m, "input") == NULL &&
			    (v = json5_new(cf->pool, JSON5_ARRAY, m)) !=
			    NULL) {
				json5_push(v, json5_new_str(cf->pool,
				    STR_LIT("text"), m));
				json5_set(cf->pool, m, "input", v);
			}
			v = json5_mkpath(cf->pool, m, "cost");
			for (i = 0; i < 4; i++)
				put_int(cf, v, costs[i], 0);
			put_int(cf, m, "contextWindow", 200000);
			v = json5_get(m, "contextWindow");
			window = v != NULL && v->isint ? v->i : 200000;
			put_int(cf, m, "maxTokens", window < 8192 ? window :
			    8192);
		}
	}
}

static void
default_aliases(struct cf *cf)
{
	static const char *const alias[][2] = {
		{ "opus", "anthropic/claude-opus-4-5" },
		{ "sonnet", "anthropic/claude-sonnet-4-5" },
		{ "gpt", "openai/gpt-5.2" },
		{ "gpt-mini", "openai/gpt-5-mini" },
		{ "gemini", "google/gemini-3-pro-preview" },
		{ "gemini-flash", "google/gemini-3-flash-preview" },
	};
	struct json5	*models, *m;
	size_t		 i;

	models = json5_path(cf->root, "agents.defaults.models");
	for (i = 0; i < sizeof(alias) / sizeof(alias[0]); i++) {
		m = json5_get(models, alias[i][1]);
		if (m != NULL && m->type == JSON5_OBJECT &&
		    json5_get(m, "alias") == NULL)
			json5_set(cf->pool, m, "alias", json5_new_str(cf->pool,
			    str_of(alias[i][0]), m));
	}
}

/* Kind of credential for Anthropic: 'o' oauth or token, 'k' key, 0 none. */
static char
anthropic_auth(const struct cf *cf)
{
	const struct json5	*p = json5_path(cf->root, "auth.profiles");
	char			 kind = 0;

	for (p = p != NULL ? p->child : NULL; p != NULL; p = p->next) {
		if (strcmp(json5_text(p, "provider", ""), "anthropic") != 0)
			continue;
		if (strcmp(json5_text(p, "mode", ""), "api_key") != 0)
			return 'o';
		kind = 'k';
	}
	if (kind == 0 && cf_env(cf, "ANTHROPIC_OAUTH_TOKEN") != NULL)
		kind = 'o';
	if (kind == 0 && cf_env(cf, "ANTHROPIC_API_KEY") != NULL)
		kind = 'k';
	return kind;
}

static void
default_anthropic(struct cf *cf)
{
	struct json5	*models, *m, *p;
	char		 kind = anthropic_auth(cf);

	if (kind == 0)
		return;
	if (json5_path(cf->root, "agents.defaults.contextPruning.mode") ==
	    NULL) {
		put_str(cf, "agents.defaults.contextPruning", "mode",
		    "cache-ttl");
		put_str(cf, "agents.defaults.contextPruning", "ttl", "1h");
	}
	put_str(cf, "agents.defaults.heartbeat", "every", kind == 'o' ? "1h" :
	    "30m");
	models = json5_path(cf->root, "agents.defaults.models");
	for (m = kind == 'k' && models != NULL ? models->child : NULL;
	    m != NULL; m = m->next) {
		if (!str_prefix(m->key, "anthropic/") ||
		    (p = json5_mkpath(cf->pool, m, "params")) == NULL ||
		    json5_get(p, "cacheControlTtl") != NULL)
			continue;
		json5_set(cf->pool, p, "cacheControlTtl", json5_new_str(
		    cf->pool, STR_LIT("1h"), m));
	}
}

/* Account settings that OpenClaw's schema fills in by itself. */
static void
default_channels(struct cf *cf)
{
	static const char *const flat[] = { "telegram", "whatsapp", "signal",
	    "imessage", "bluebubbles", "msteams" };
	struct json5	*c;
	char		 path[64];
	size_t		 i;

	for (i = 0; i < sizeof(flat) / sizeof(flat[0]); i++) {
		snprintf(path, sizeof(path), "channels.%s", flat[i]);
		if ((c = json5_path(cf->root, path)) == NULL ||
		    c->type != JSON5_OBJECT)
			continue;
		put_str(cf, path, "dmPolicy", "pairing");
		put_str(cf, path, "groupPolicy", json5_text(cf->root,
		    "channels.defaults.groupPolicy", "allowlist"));
		if (i == 0)
			put_str(cf, path, "streamMode", "partial");
	}
}

/* "~/" in values of keys that hold paths. */
static void
expand_paths(struct cf *cf, struct json5 *v, const struct key_node *node)
{
	const struct key_node	*c;
	struct json5		*m, *neu;
	const char		*s;

	if (node == NULL)
		return;
	for (m = v->child; m != NULL; m = m->next) {
		if (m->type == JSON5_STRING && str_prefix(m->s, "~/")) {
			c = v->type == JSON5_OBJECT ?
			    keys_child(node, m->key) : node;
			if (c == NULL || (c->flags & K_PATH) == 0 ||
			    (s = cf_expand_keep(cf, m->s.p)) == NULL ||
			    (neu = json5_new_str(cf->pool, str_of(s), m)) ==
			    NULL)
				continue;
			m->s = neu->s;
		} else if (m->type >= JSON5_ARRAY) {
			if (v->type == JSON5_OBJECT)
				c = keys_child(node, m->key);
			else
				c = keys_child(node, STR_LIT("[]"));
			expand_paths(cf, m, c);
		}
	}
}

int
cf_defaults(struct cf *cf)
{
	struct json5	*v, *at;

	put_str(cf, "commands", "native", "auto");
	put_str(cf, "commands", "nativeSkills", "auto");
	put_str(cf, "messages", "ackReactionScope", "group-mentions");
	if ((v = json5_mkpath(cf->pool, cf->root, "agents.defaults")) == NULL)
		return -1;
	put_int(cf, v, "maxConcurrent", 4);
	put_int(cf, json5_mkpath(cf->pool, v, "subagents"), "maxConcurrent",
	    8);
	put_str(cf, "agents.defaults.compaction", "mode", "safeguard");
	if (json5_get(cf->root, "logging") != NULL)
		put_str(cf, "logging", "redactSensitive", "tools");
	v = json5_get(cf->root, "session");
	if ((at = json5_get(v, "mainKey")) != NULL) {
		if (at->type != JSON5_STRING || !str_eqs(at->s, "main"))
			cf_warn(cf, at, "session.mainKey", "session.mainKey is "
			    "ignored; main session is always \"main\".");
		json5_set(cf->pool, v, "mainKey", json5_new_str(cf->pool,
		    STR_LIT("main"), at));
	}
	default_models(cf);
	default_aliases(cf);
	default_anthropic(cf);
	default_channels(cf);
	expand_paths(cf, cf->root, keys_root());
	return 0;
}
