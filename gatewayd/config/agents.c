/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/config/agents.h"

void
cf_agent_id(const char *s, char id[CF_AGENT_ID_MAX + 1])
{
	size_t	 n = 0;
	int	 c;

	for (; *s != '\0' && n < CF_AGENT_ID_MAX; s++) {
		c = ascii_tolower((unsigned char)*s);
		if (ascii_isalnum(c) || c == '_' || c == '-')
			id[n++] = (char)c;
		else if (n > 0 && id[n - 1] != '-')
			id[n++] = '-';
	}
	while (n > 0 && id[n - 1] == '-')
		n--;
	id[n] = '\0';
	while (id[0] == '-')
		memmove(id, id + 1, n--);
	if (id[0] == '\0')
		strlcpy(id, "main", CF_AGENT_ID_MAX + 1);
}

const struct json5 *
cf_agent_find(const struct cf *cf, const char *name)
{
	const struct json5	*m = json5_path(cf->root, "agents.list");
	char			 a[CF_AGENT_ID_MAX + 1];
	char			 b[CF_AGENT_ID_MAX + 1];

	cf_agent_id(name, a);
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		cf_agent_id(json5_text(m, "id", ""), b);
		if (strcmp(a, b) == 0)
			return m;
	}
	return NULL;
}

/* Where an agent works: its own setting; for the default agent that of all;
 * else a folder beside it. */
static const char *
workspace(struct cf *cf, const struct cf_agent *a)
{
	const char	*w = json5_text(a->entry, "workspace", NULL);
	char		 path[CF_PATH_MAX];

	if (w == NULL && a->isdefault)
		w = json5_text(cf->root, "agents.defaults.workspace", NULL);
	if (w == NULL) {
		if (snprintf(path, sizeof(path), "%s/workspace%s%s",
		    cf->state_dir, a->isdefault ? "" : "-",
		    a->isdefault ? "" : a->id) >= (int)sizeof(path))
			return NULL;
		w = path;
	}
	return cf_expand_keep(cf, w);
}

static int
agent_fill(struct cf *cf, struct cf_agent *a)
{
	char	 path[CF_PATH_MAX];

	a->name = json5_text(a->entry, "name", NULL);
	a->workspace = workspace(cf, a);
	if (snprintf(path, sizeof(path), "%s/agents/%s", cf->state_dir,
	    a->id) >= (int)sizeof(path))
		return -1;
	a->dir = cf_expand_keep(cf, path);
	return a->workspace == NULL || a->dir == NULL ? -1 : 0;
}

size_t
cf_agents(struct cf *cf, struct cf_agent v[CF_AGENTS_MAX])
{
	const struct json5	*list = json5_path(cf->root, "agents.list");
	const struct json5	*m, *def = NULL;
	size_t			 n = 0, i;

	memset(v, 0, CF_AGENTS_MAX * sizeof(*v));
	for (m = list != NULL ? list->child : NULL; m != NULL; m = m->next)
		if (def == NULL && json5_bool(m, "default", false))
			def = m;
	if (def == NULL && list != NULL)
		def = list->child;
	v[n].isdefault = true;
	v[n].entry = def;
	cf_agent_id(json5_text(def, "id", "main"), v[n++].id);
	for (m = list != NULL ? list->child : NULL; m != NULL; m = m->next) {
		if (m == def)
			continue;
		if (n == CF_AGENTS_MAX) {
			cf_error(cf, m, "agents.list", "more than %d agents",
			    CF_AGENTS_MAX);
			return 0;
		}
		v[n].entry = m;
		cf_agent_id(json5_text(m, "id", ""), v[n++].id);
	}
	for (i = 0; i < n; i++)
		if (agent_fill(cf, &v[i]) == -1)
			return 0;
	return n;
}
