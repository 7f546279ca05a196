/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See model_ref.h. */
#include "common/compat.h"

#include "gatewayd/config/model_ref.h"

/* The model that an agent asks first, as the file has it. */
static const char *
primary(const struct cf_models *ms, const struct cf_agent *a, char *buf,
    size_t size)
{
	const struct json5	*v = json5_get(a->entry, "model");
	const char		*s = NULL;

	if (v == NULL)
		v = json5_path(ms->cf->root, "agents.defaults.model");
	if (v != NULL && v->type == JSON5_STRING)
		s = v->s.p;
	else if (v != NULL)
		s = json5_text(v, "primary", NULL);
	if (s != NULL && s[0] != '\0')
		return s;
	return cf_model_default(ms->providers, ms->nproviders, buf, size);
}

const char *
cf_model_ref(const struct cf_models *ms, const char *s, char *buf, size_t size)
{
	const struct json5	*m;
	const char		*alias;

	if (strchr(s, '/') != NULL)
		return s;
	m = json5_path(ms->cf->root, "agents.defaults.models");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		alias = json5_text(m, "alias", NULL);
		if (alias != NULL && ascii_casecmp(alias, s) == 0)
			return m->key.p;
	}
	if (strcmp(s, "assistant") == 0 || strcmp(s, "echo") == 0)
		snprintf(buf, size, "builtin/%s", s);
	else
		snprintf(buf, size, "anthropic/%s", s);
	return buf;
}

void
cf_model_check(const struct cf_models *ms, const struct json5 *at,
    const char *ref)
{
	const char			*slash = strchr(ref, '/');
	const struct cf_provider	*p;

	if (slash == NULL || strncmp(ref, "builtin/", 8) == 0)
		return;
	p = cf_provider_find(ms->providers, ms->nproviders, (struct str){ ref,
	    (size_t)(slash - ref) });
	if (p == NULL)
		cf_warn(ms->cf, at, "agents.defaults.model", "model %s: no "
		    "provider \"%.*s\" is configured and no key for it is "
		    "set", ref, (int)(slash - ref), ref);
	else if (p->secret == NULL && p->entry == NULL)
		cf_warn(ms->cf, at, "agents.defaults.model", "model %s: no "
		    "key for its provider", ref);
}

const char *
cf_model_primary(const struct cf_models *ms, const struct cf_agent *a,
    char *buf, size_t size)
{
	/* What stands in buf then has a provider, and stays as it is. */
	return cf_model_ref(ms, primary(ms, a, buf, size), buf, size);
}
