/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See skills.h: whether a skill may be used here.  No value of the
 * configuration or of the environment comes into this process for it: only
 * which names are set (gatewayd/config/skills.c).
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/skills.h"
#include "toold/jobenv.h"	/* JOBENV_PATH alone */

static bool
has_text(json_t *list, const char *s)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), s) == 0)
			return true;
	return false;
}

static bool
in_folder(struct str dir, const char *name)
{
	struct stat	 st;
	char		 path[PATH_MAX];

	return dir.n > 0 && dir.p[0] == '/' && (size_t)snprintf(path,
	    sizeof(path), "%.*s/%s", (int)dir.n, dir.p, name) <
	    sizeof(path) && fstatat(AT_FDCWD, path, &st, 0) == 0 &&
	    S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0;
}

bool
skill_has_program(const char *name)
{
	const char	*p = JOBENV_PATH;
	json_t		*v;
	size_t		 i, n;

	if (name[0] == '\0' || strchr(name, '/') != NULL ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	json_array_foreach(config_at(cfg->root, "tools.exec.pathPrepend"), i,
	    v)
		if (json_is_string(v) && in_folder(str_of(json_string_value(
		    v)), name))
			return true;
	for (; *p != '\0'; p += n + (p[n] == ':')) {
		n = strcspn(p, ":");
		if (in_folder((struct str){ p, n }, name))
			return true;
	}
	return false;
}

json_t *
skill_config_at(json_t *settings, const char *path)
{
	json_t	*at = json_object_get(settings, "config");
	size_t	 n;

	for (; *path != '\0' && at != NULL; path += n) {
		path += strspn(path, ".");
		n = strcspn(path, ".");
		if (n > 0)
			at = json_object_getn(at, path, n);
	}
	/* An object that is there counts, whatever is in it. */
	return json_is_object(at) ? json_true() : at;
}

bool
skill_config_is_set(json_t *settings, const char *path)
{
	json_t	*v = skill_config_at(settings, path);

	if (v == NULL)
		return strcmp(path, "browser.enabled") == 0 ||
		    strcmp(path, "browser.evaluateEnabled") == 0;
	return json_is_true(v);
}

static bool
env_is_set(const struct skill *sk, json_t *settings, json_t *entry,
    const char *name)
{
	return has_text(json_object_get(settings, "environ"), name) ||
	    has_text(json_object_get(entry, "env"), name) ||
	    (json_is_true(json_object_get(entry, "apiKey")) &&
	    sk->primary_env != NULL && strcmp(sk->primary_env, name) == 0);
}

static bool
is_blocked(const struct skill *sk, json_t *settings)
{
	json_t	*allow = json_object_get(settings, "allowBundled");

	return sk->source == SKILL_BUNDLED && json_array_size(allow) > 0 &&
	    !has_text(allow, sk->key) && !has_text(allow, sk->name);
}

/* Every bit of a list that long. */
static uint64_t
every(const struct json5 *list)
{
	return list->count >= 64 ? UINT64_MAX : ((uint64_t)1 << list->count) -
	    1;
}

void
skill_judge(const struct skill *sk, json_t *settings, struct skill_verdict *v)
{
	json_t			*entry;
	const struct json5	*m;
	uint64_t		 bit;
	bool			 any = sk->any_bins->count == 0;
	bool			 os = sk->os->count == 0;

	memset(v, 0, sizeof(*v));
	entry = json_object_get(json_object_get(settings, "entries"),
	    sk->key);
	v->disabled = json_is_true(json_object_get(entry, "disabled"));
	v->blocked = is_blocked(sk, settings);
	for (m = sk->any_bins->child; m != NULL && !any; m = m->next)
		any = skill_has_program(m->s.p);
	for (m = sk->os->child; m != NULL && !os; m = m->next)
		os = strcmp(m->s.p, "linux") == 0;
	if (!sk->always) {
		v->any_bins = any ? 0 : every(sk->any_bins);
		v->os = os ? 0 : every(sk->os);
		for (m = sk->bins->child, bit = 1; m != NULL; m = m->next,
		    bit <<= 1)
			if (!skill_has_program(m->s.p))
				v->bins |= bit;
		for (m = sk->env->child, bit = 1; m != NULL; m = m->next,
		    bit <<= 1)
			if (!env_is_set(sk, settings, entry, m->s.p))
				v->env |= bit;
		for (m = sk->config->child, bit = 1; m != NULL; m = m->next,
		    bit <<= 1)
			if (!skill_config_is_set(settings, m->s.p))
				v->config |= bit;
	}
	v->eligible = !v->disabled && !v->blocked && (v->bins | v->any_bins |
	    v->env | v->config | v->os) == 0;
}
