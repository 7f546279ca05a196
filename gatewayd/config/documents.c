/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/config/documents.h"
#include "gatewayd/config/skills.h"

/* --- config.get ---------------------------------------------------------------- */

static struct json5 *
str_node(struct cf *cf, const char *s)
{
	return json5_new_str(cf->pool, str_of(s), NULL);
}

static struct json5 *
issue_list(struct cf *cf, enum cf_severity sev, bool legacy)
{
	struct json5	*list, *o;
	struct dbuf	 b;
	size_t		 i;

	list = json5_new(cf->pool, JSON5_ARRAY, NULL);
	for (i = 0; i < cf->nproblems && list != NULL; i++) {
		if (cf->problems[i].severity != sev ||
		    cf->problems[i].legacy != legacy)
			continue;
		if ((o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL)
			return NULL;
		json5_set(cf->pool, o, "path", str_node(cf,
		    cf->problems[i].key));
		dbuf_init(&b, 8192);
		dbuf_puts(&b, cf->problems[i].text);
		if (cf->problems[i].line > 0)
			dbuf_printf(&b, " (%s:%u)", cf_file_name(cf,
			    cf->problems[i].file), cf->problems[i].line);
		json5_set(cf->pool, o, "message", str_node(cf, dbuf_str(&b)));
		dbuf_clear(&b);
		json5_push(list, o);
	}
	return list;
}

struct json5 *
cf_json_snapshot(struct cf *cf)
{
	struct json5	*o = json5_new(cf->pool, JSON5_OBJECT, NULL), *raw;
	struct json5	*empty = json5_new(cf->pool, JSON5_OBJECT, NULL);
	struct dbuf	 b;

	if (o == NULL || empty == NULL)
		return NULL;
	raw = json5_new(cf->pool, JSON5_NULL, NULL);
	dbuf_init(&b, 2 * JSON5_TEXT_MAX);
	/* A text that cannot be parsed cannot be cleaned of secrets. */
	if (cf->exists && cf->parsed != NULL && cf_redact_raw(cf, &b) == 0)
		raw = json5_new_str(cf->pool, (struct str){ dbuf_str(&b),
		    b.n }, NULL);
	dbuf_clear(&b);
	json5_set(cf->pool, o, "path", str_node(cf, cf->path));
	json5_set(cf->pool, o, "exists", json5_new_bool(cf->pool, cf->exists,
	    NULL));
	json5_set(cf->pool, o, "raw", raw);
	json5_set(cf->pool, o, "parsed", cf_redact(cf,
	    cf->parsed != NULL ? cf->parsed : empty, keys_root()));
	json5_set(cf->pool, o, "valid", json5_new_bool(cf->pool,
	    cf->nerrors == 0, NULL));
	json5_set(cf->pool, o, "config", cf_redact(cf,
	    cf->root != NULL ? cf->root : empty, keys_root()));
	json5_set(cf->pool, o, "hash", str_node(cf, cf->hash));
	json5_set(cf->pool, o, "issues", issue_list(cf, CF_ERROR, false));
	json5_set(cf->pool, o, "warnings", issue_list(cf, CF_WARNING, false));
	json5_set(cf->pool, o, "legacyIssues", issue_list(cf, CF_WARNING,
	    true));
	return o;
}

/* --- agents ---------------------------------------------------------------------- */

struct json5 *
cf_json_agents(struct cf *cf, const struct cf_agent *v, size_t n)
{
	static const char *const keys[] = { "name", "theme", "emoji",
	    "avatar" };
	struct json5		*o, *list, *a, *id;
	const struct json5	*ident;
	const char		*s;
	size_t			 i, k;

	if ((o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    (list = json5_new(cf->pool, JSON5_ARRAY, NULL)) == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if ((a = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL)
			return NULL;
		json5_set(cf->pool, a, "id", str_node(cf, v[i].id));
		if (v[i].name != NULL)
			json5_set(cf->pool, a, "name", str_node(cf,
			    v[i].name));
		/* Later clients send nothing to an agent without one. */
		if (v[i].model != NULL && (id = json5_new(cf->pool,
		    JSON5_OBJECT, NULL)) != NULL) {
			json5_set(cf->pool, id, "primary", str_node(cf,
			    v[i].model));
			json5_set(cf->pool, a, "model", id);
		}
		ident = json5_get(v[i].entry, "identity");
		id = json5_new(cf->pool, JSON5_OBJECT, NULL);
		for (k = 0; k < 4 && id != NULL; k++) {
			s = json5_text(ident, keys[k], NULL);
			if (s == NULL || s[0] == '\0')
				continue;
			json5_set(cf->pool, id, keys[k], str_node(cf, s));
			/* A file of the workspace has no address yet. */
			if (k == 3 && (strncmp(s, "http", 4) == 0 ||
			    strncmp(s, "data:", 5) == 0))
				json5_set(cf->pool, id, "avatarUrl",
				    str_node(cf, s));
		}
		if (id != NULL && id->child != NULL)
			json5_set(cf->pool, a, "identity", id);
		json5_push(list, a);
	}
	json5_set(cf->pool, o, "defaultId", str_node(cf, v[0].id));
	json5_set(cf->pool, o, "mainKey", str_node(cf, "main"));
	json5_set(cf->pool, o, "scope", str_node(cf, json5_text(cf->root,
	    "session.scope", "per-sender")));
	json5_set(cf->pool, o, "agents", list);
	return o;
}

/* b over a: objects by key, anything else replaces. */
static struct json5 *
overlay(struct cf *cf, struct json5 *a, const struct json5 *b)
{
	const struct json5	*m;
	struct json5		*old, *v;

	for (m = b != NULL ? b->child : NULL; m != NULL; m = m->next) {
		old = json5_gets(a, m->key);
		if (old != NULL && old->type == JSON5_OBJECT &&
		    m->type == JSON5_OBJECT)
			v = overlay(cf, json5_copy(cf->pool, old), m);
		else
			v = json5_copy(cf->pool, m);
		if (json5_sets(cf->pool, a, m->key, v) == -1)
			return NULL;
	}
	return a;
}

struct json5 *
cf_agent_merged(struct cf *cf, const struct cf_agent *a)
{
	struct json5	*o;

	o = json5_path(cf->root, "agents.defaults");
	o = o != NULL ? json5_copy(cf->pool, o) :
	    json5_new(cf->pool, JSON5_OBJECT, NULL);
	if (o == NULL || (o = overlay(cf, o, a->entry)) == NULL)
		return NULL;
	json5_set(cf->pool, o, "id", str_node(cf, a->id));
	return o;
}

/* Redacted at both places of the table: defaults and entries differ. */
static struct json5 *
redacted_agent(struct cf *cf, const struct json5 *merged)
{
	const struct key_node	*agents, *list;
	struct json5		*o;

	agents = keys_child(keys_root(), STR_LIT("agents"));
	list = keys_child(keys_child(agents, STR_LIT("list")), STR_LIT("[]"));
	o = cf_redact(cf, merged, keys_child(agents, STR_LIT("defaults")));
	return o != NULL ? cf_redact(cf, o, list) : NULL;
}

static struct json5 *
section(struct cf *cf, const char *name)
{
	struct json5	*v = json5_get(cf->root, name);

	return v != NULL ? cf_redact(cf, v, keys_child(keys_root(),
	    str_of(name))) : json5_new(cf->pool, JSON5_OBJECT, NULL);
}

struct json5 *
cf_json_tools(struct cf *cf, const struct cf_agent *a)
{
	struct json5	*t = json5_get(cf->root, "tools");

	t = t != NULL ? json5_copy(cf->pool, t) :
	    json5_new(cf->pool, JSON5_OBJECT, NULL);
	if (t == NULL || (t = overlay(cf, t, json5_get(a->entry, "tools"))) ==
	    NULL)
		return NULL;
	return cf_redact(cf, t, keys_child(keys_root(), STR_LIT("tools")));
}

struct json5 *
cf_json_agent(struct cf *cf, const struct cf_agent *a,
    const struct cf_agent *all, size_t n, const struct cf_provider *pv,
    size_t pn)
{
	struct json5	*o, *models, *paths, *v;

	if ((o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    (models = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    (paths = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    (v = cf_agent_merged(cf, a)) == NULL)
		return NULL;
	json5_set(cf->pool, o, "agent", redacted_agent(cf, v));
	json5_set(cf->pool, o, "session", section(cf, "session"));
	json5_set(cf->pool, o, "messages", section(cf, "messages"));
	/* How clients show the assistant, and where its picture is. */
	if ((v = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL)
		return NULL;
	if (json5_path(cf->root, "ui.assistant") != NULL)
		json5_set(cf->pool, v, "assistant", json5_copy(cf->pool,
		    json5_path(cf->root, "ui.assistant")));
	json5_set(cf->pool, v, "basePath", str_node(cf, json5_text(cf->root,
	    "gateway.controlUi.basePath", "")));
	json5_set(cf->pool, o, "ui", v);
	json5_set(cf->pool, o, "tools", cf_json_tools(cf, a));
	/* What is said of requests over HTTP. */
	if ((v = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL)
		return NULL;
	if (json5_path(cf->root, "gateway.http.endpoints.responses") != NULL)
		json5_set(cf->pool, v, "responses", json5_copy(cf->pool,
		    json5_path(cf->root, "gateway.http.endpoints.responses")));
	if (json5_path(cf->root, "gateway.tools") != NULL)
		json5_set(cf->pool, v, "tools", json5_copy(cf->pool,
		    json5_path(cf->root, "gateway.tools")));
	json5_set(cf->pool, o, "http", v);
	json5_set(cf->pool, o, "skills", cf_json_skills(cf, a, all, n));
	json5_set(cf->pool, models, "providers", cf_providers_json(cf, pv,
	    pn));
	if ((v = json5_path(cf->root, "models.builtin")) != NULL)
		json5_set(cf->pool, models, "builtin", json5_copy(cf->pool,
		    v));
	json5_set(cf->pool, o, "models", models);
	json5_set(cf->pool, paths, "config", str_node(cf, cf->path));
	json5_set(cf->pool, paths, "state", str_node(cf, cf->state_dir));
	json5_set(cf->pool, paths, "workspace", str_node(cf, a->workspace));
	json5_set(cf->pool, paths, "agentDir", str_node(cf, a->dir));
	json5_set(cf->pool, o, "paths", paths);
	return o;
}
