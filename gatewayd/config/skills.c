/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See skills.h.  A folder that an agent can write is never mounted by its
 * name: whoever writes there could put a link in the place of any part of it.
 * The agent whose workspace it is in finds it below that; others do not get it.
 */
#include "common/compat.h"

#include <math.h>

#include "common/parcel.h"
#include "gatewayd/config/page.h"
#include "gatewayd/config/skills.h"
#include "gatewayd/host/places.h"

static const char *
managed_dir(struct cf *cf)
{
	char	 path[CF_PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/skills",
	    cf->state_dir) >= sizeof(path))
		return NULL;
	return cf_expand_keep(cf, path);
}

/* Beside the web chat when installed, in etc/ of a build tree. */
static const char *
bundled_dir(struct cf *cf)
{
	static const char	 installed[] = "/share/gatewayd/webchat";
	const char		*s = cf_env(cf, "OPENCLAW_BUNDLED_SKILLS_DIR");
	char			 path[CF_PATH_MAX];
	size_t			 n, k = sizeof(installed) - 1;

	if (s != NULL)
		return cf_expand_keep(cf, s);
	if ((s = cf_env(cf, "GATEWAYD_UI_DIR")) == NULL)
		return GW_PREFIX "/share/gatewayd/skills";
	n = strlen(s);
	if (n >= k && strcmp(s + n - k, installed) == 0)
		(void)snprintf(path, sizeof(path), "%s/../skills", s);
	else
		(void)snprintf(path, sizeof(path), "%s/../../etc/skills", s);
	return cf_expand_keep(cf, path);
}

/* NULL: in no workspace. */
static const struct cf_agent *
whose(const char *path, const struct cf_agent *all, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (cf_is_below(path, all[i].workspace))
			return &all[i];
	return NULL;
}

/* Why nobody reads that folder, or NULL. */
static const char *
refused(struct cf *cf, const char *path, const struct cf_agent *all, size_t n)
{
	const struct cf_agent	*a = whose(path, all, n);
	const char		*managed = managed_dir(cf);

	if (a != NULL)
		return strcmp(path, a->workspace) == 0 ? "it is a whole "
		    "workspace" : NULL;
	if (!places_mountable(path))
		return "it belongs to the system";
	if (cf_is_below(cf->state_dir, path) || cf_is_below(cf->path, path))
		return "it holds the state or the configuration of the "
		    "gateway";
	if (cf_is_below(path, cf->state_dir) && (managed == NULL ||
	    !cf_is_below(path, managed)))
		return "it is part of the state of the gateway";
	return NULL;
}

static void
add(struct cf_skills_dirs *d, enum cf_skills_kind kind, const char *path,
    const char *mode)
{
	size_t	 i;

	for (i = 0; i < d->n; i++)
		if (strcmp(d->v[i].path, path) == 0)
			return;
	if (d->n == sizeof(d->v) / sizeof(d->v[0]))
		return;
	d->v[d->n].kind = kind;
	d->v[d->n].path = path;
	d->v[d->n++].mode = mode;
}

void
cf_skills_dirs(struct cf *cf, const struct cf_agent *a,
    const struct cf_agent *all, size_t n, struct cf_skills_dirs *d)
{
	const struct json5	*m;
	const char		*path;
	size_t			 extra = 0;

	d->n = 0;
	path = managed_dir(cf);
	if (path != NULL && whose(path, all, n) == NULL)
		add(d, CF_SKILLS_MANAGED, path, "ro,idmap,opt");
	else if (path != NULL && cf_is_below(path, a->workspace))
		add(d, CF_SKILLS_MANAGED, path, NULL);
	path = bundled_dir(cf);
	if (path != NULL && places_mountable(path) && whose(path, all, n) ==
	    NULL)
		add(d, CF_SKILLS_BUNDLED, path, "ro,opt");
	m = json5_path(cf->root, "skills.load.extraDirs");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		if (str_trim(m->s).n == 0 ||
		    (path = cf_expand_keep(cf, m->s.p)) == NULL)
			continue;
		if (refused(cf, path, all, n) != NULL ||
		    extra++ >= CF_SKILLS_EXTRA_MAX)
			continue;
		if (cf_is_below(path, a->workspace))
			add(d, CF_SKILLS_EXTRA, path, NULL);
		else if (whose(path, all, n) == NULL)
			add(d, CF_SKILLS_EXTRA, path, "ro,opt");
	}
}

void
cf_skills_check(struct cf *cf, const struct cf_agent *all, size_t n)
{
	const struct json5	*m;
	const struct cf_agent	*a;
	const char		*path, *why;
	size_t			 extra = 0;

	m = json5_path(cf->root, "skills.load.extraDirs");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		if (str_trim(m->s).n == 0 ||
		    (path = cf_expand_keep(cf, m->s.p)) == NULL)
			continue;
		if ((why = refused(cf, path, all, n)) != NULL)
			cf_warn(cf, m, "skills.load.extraDirs", "%s is not "
			    "read: %s; name a folder that has nothing but "
			    "skills", path, why);
		else if (++extra > CF_SKILLS_EXTRA_MAX)
			cf_warn(cf, m, "skills.load.extraDirs", "%s is not "
			    "read: there are more than %d folders", path,
			    CF_SKILLS_EXTRA_MAX);
		else if ((a = whose(path, all, n)) != NULL && n > 1)
			cf_warn(cf, m, "skills.load.extraDirs", "%s is in the "
			    "workspace of agent \"%s\", who alone gets the "
			    "skills there", path, a->id);
	}
}

/* --- what is set -------------------------------------------------------------- */

static struct json5 *
str_node(struct cf *cf, struct str s)
{
	return json5_new_str(cf->pool, s, NULL);
}

static bool
is_truthy(const struct json5 *v)
{
	switch (v->type) {
	case JSON5_NULL:
		return false;
	case JSON5_BOOL:
		return v->b;
	case JSON5_NUMBER:
		return v->num != 0 && !isnan(v->num);
	case JSON5_STRING:
		return str_trim(v->s).n > 0;
	case JSON5_ARRAY:
	case JSON5_OBJECT:
		break;
	}
	return true;
}

/* Under a key that the object does not have yet: of many, none is compared
 * with all. */
static int
append(struct json5 *o, struct str key, struct json5 *v)
{
	if (v != NULL)
		v->key = key;
	return json5_push(o, v);
}

/* The tree with true and false in the place of every value. */
static struct json5 *
outline(struct cf *cf, const struct json5 *v)
{
	const struct json5	*m;
	struct json5		*o;

	if (v->type != JSON5_OBJECT)
		return json5_new_bool(cf->pool, is_truthy(v), NULL);
	if ((o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL)
		return NULL;
	for (m = v->child; m != NULL; m = m->next)
		if (append(o, m->key, outline(cf, m)) == -1)
			return NULL;
	return o;
}

static struct json5 *
entry(struct cf *cf, const struct json5 *from)
{
	const struct json5	*m = json5_get(from, "env");
	struct json5		*o = json5_new(cf->pool, JSON5_OBJECT, NULL);
	struct json5		*env = json5_new(cf->pool, JSON5_ARRAY, NULL);

	if (o == NULL || env == NULL)
		return NULL;
	if (!json5_bool(from, "enabled", true))
		json5_set(cf->pool, o, "disabled", json5_new_bool(cf->pool,
		    true, NULL));
	if (json5_text(from, "apiKey", "")[0] != '\0')
		json5_set(cf->pool, o, "apiKey", json5_new_bool(cf->pool,
		    true, NULL));
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
		if (m->type == JSON5_STRING && m->s.n > 0)
			json5_push(env, str_node(cf, m->key));
	json5_set(cf->pool, o, "env", env);
	return o;
}

static struct json5 *
entries(struct cf *cf)
{
	const struct json5	*m = json5_path(cf->root, "skills.entries");
	struct json5		*o = json5_new(cf->pool, JSON5_OBJECT, NULL);

	for (m = m != NULL ? m->child : NULL; m != NULL && o != NULL;
	    m = m->next)
		if (append(o, m->key, entry(cf, m)) == -1)
			return NULL;
	return o;
}

/* Names of variables that have a value. */
static struct json5 *
environ_names(struct cf *cf)
{
	const struct cf_var	*lists[2] = { cf->dotenv, cf->vars }, *v;
	struct json5		*o = json5_new(cf->pool, JSON5_ARRAY, NULL);
	struct str		 key, value;
	size_t			 iter = 0, i;

	while (o != NULL && cf->env != NULL && parcel_each(cf->env, &iter,
	    &key, &value))
		if (value.n > 0 && utf8_valid(key.p, key.n))
			json5_push(o, str_node(cf, key));
	for (i = 0; i < 2 && o != NULL; i++)
		for (v = lists[i]; v != NULL; v = v->next)
			if (v->value[0] != '\0')
				json5_push(o, str_node(cf, str_of(v->name)));
	return o;
}

struct json5 *
cf_json_skills(struct cf *cf, const struct cf_agent *a,
    const struct cf_agent *all, size_t n)
{
	struct cf_skills_dirs	 d;
	const struct json5	*allow;
	struct json5		*o, *extra;
	const char		*manager;
	size_t			 i;

	if ((o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    (extra = json5_new(cf->pool, JSON5_ARRAY, NULL)) == NULL)
		return NULL;
	cf_skills_dirs(cf, a, all, n, &d);
	for (i = 0; i < d.n; i++)
		switch (d.v[i].kind) {
		case CF_SKILLS_MANAGED:
			json5_set(cf->pool, o, "managed", str_node(cf,
			    str_of(d.v[i].path)));
			break;
		case CF_SKILLS_BUNDLED:
			json5_set(cf->pool, o, "bundled", str_node(cf,
			    str_of(d.v[i].path)));
			break;
		case CF_SKILLS_EXTRA:
			json5_push(extra, str_node(cf, str_of(d.v[i].path)));
			break;
		}
	json5_set(cf->pool, o, "extra", extra);
	allow = json5_path(cf->root, "skills.allowBundled");
	if (allow != NULL)
		json5_set(cf->pool, o, "allowBundled", json5_copy(cf->pool,
		    allow));
	json5_set(cf->pool, o, "preferBrew", json5_new_bool(cf->pool,
	    json5_bool(cf->root, "skills.install.preferBrew", true), NULL));
	manager = json5_text(cf->root, "skills.install.nodeManager", "npm");
	json5_set(cf->pool, o, "nodeManager", str_node(cf, str_of(manager)));
	json5_set(cf->pool, o, "entries", entries(cf));
	json5_set(cf->pool, o, "environ", environ_names(cf));
	json5_set(cf->pool, o, "config", outline(cf, cf->root));
	return o;
}
