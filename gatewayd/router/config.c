/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The parcel as tables: agents, accounts, bindings, and the ready answers of
 * config.get, models.list and agents.list.  A reload builds a second set and
 * swaps it at commit, when links and live state move over.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

#define LIST_MAX	1024	/* entries of any list of the parcel */

/* A reload may fail for want of memory; then the old set stays. */
static char *
text_dup(const char *s)
{
	return s != NULL ? strdup(s) : NULL;
}

static bool
known_agent(struct str id)
{
	return rt_agent_find(id) != NULL;
}

static char *
get_dup(const struct parcel *p, const char *key, size_t i, const char *sub,
    const char *def)
{
	const char	*v;

	v = sub != NULL ? parcel_get(p, "%s.%zu.%s", key, i, sub) :
	    parcel_get(p, "%s", key);
	return text_dup(v != NULL ? v : def);
}

static size_t
list_count(const struct parcel *p, const char *key, const char *sub)
{
	size_t	 n;

	for (n = 0; n < LIST_MAX; n++)
		if ((sub != NULL ? parcel_get(p, "%s.%zu.%s", key, n, sub) :
		    parcel_get(p, "%s.%zu", key, n)) == NULL)
			break;
	return n;
}

/* key.0, key.1, ... */
static int
read_texts(const struct parcel *p, const char *key, char ***list, size_t *n)
{
	size_t	 i, all = list_count(p, key, NULL);

	*n = 0;
	if (all == 0)
		return 0;
	if ((*list = calloc(all, sizeof(**list))) == NULL)
		return -1;
	*n = all;
	for (i = 0; i < all; i++)
		if (((*list)[i] = text_dup(parcel_get(p, "%s.%zu", key,
		    i))) == NULL)
			return -1;
	return 0;
}

static int
read_agents(struct rt_config *cf, const struct parcel *p)
{
	size_t	 i;

	cf->nagents = list_count(p, "agent", "id");
	cf->agents = calloc(cf->nagents > 0 ? cf->nagents : 1,
	    sizeof(*cf->agents));
	if (cf->agents == NULL)
		return -1;
	if (cf->nagents == 0) {
		cf->nagents = 1;
		cf->agents[0].id = text_dup("main");
		cf->agents[0].name = text_dup("");
		cf->agents[0].is_default = true;
	} else for (i = 0; i < cf->nagents; i++) {
		cf->agents[i].id = get_dup(p, "agent", i, "id", "");
		cf->agents[i].name = get_dup(p, "agent", i, "name", "");
		if (parcel_get_bool(p, false, "agent.%zu.default", i) &&
		    cf->default_agent == 0)
			cf->default_agent = i;
	}
	cf->agents[cf->default_agent].is_default = true;
	for (i = 0; i < cf->nagents; i++)
		if (cf->agents[i].id == NULL || cf->agents[i].name == NULL)
			return -1;
	return 0;
}

static int
read_accounts(struct rt_config *cf, const struct parcel *p)
{
	struct rt_account	*a;
	size_t			 i;

	cf->naccounts = list_count(p, "channel", "kind");
	if (cf->naccounts == 0)
		return 0;
	if ((cf->accounts = calloc(cf->naccounts,
	    sizeof(*cf->accounts))) == NULL)
		return -1;
	for (i = 0; i < cf->naccounts; i++) {
		a = &cf->accounts[i];
		a->kind = get_dup(p, "channel", i, "kind", "");
		a->account = get_dup(p, "channel", i, "account", "default");
		a->label = get_dup(p, "channel", i, "label", a->kind);
		a->detail = text_dup("");
		a->state = CH_DOWN;
		if (a->kind == NULL || a->account == NULL ||
		    a->label == NULL || a->detail == NULL)
			return -1;
	}
	return 0;
}

static enum route_peer_kind
peer_kind_parse(const char *s)
{
	if (strcmp(s, "dm") == 0 || strcmp(s, "direct") == 0)
		return PEER_DM;
	if (strcmp(s, "group") == 0)
		return PEER_GROUP;
	if (strcmp(s, "channel") == 0)
		return PEER_CHANNEL;
	return PEER_ANY;
}

static int
read_routes(struct rt_config *cf, const struct parcel *p)
{
	struct route_table	*t = &cf->routes;
	struct route_binding	*b;
	const char		*s;
	size_t			 i, n;

	n = list_count(p, "binding", "agent");
	if (n > 0 && (t->bindings = calloc(n, sizeof(*b))) == NULL)
		return -1;
	t->nbindings = n;
	for (i = 0; i < n; i++) {
		b = &t->bindings[i];
		b->agent = get_dup(p, "binding", i, "agent", "");
		b->channel = get_dup(p, "binding", i, "channel", "");
		b->account = get_dup(p, "binding", i, "account", "");
		b->peer = get_dup(p, "binding", i, "peerId", "");
		if (b->agent == NULL || b->channel == NULL ||
		    b->account == NULL || b->peer == NULL)
			return -1;
		s = parcel_get(p, "binding.%zu.peerKind", i);
		b->peer_kind = s != NULL ? peer_kind_parse(s) : PEER_ANY;
	}
	n = list_count(p, "identityLink", "peer");
	if (n > 0 && (t->identities = calloc(n,
	    sizeof(*t->identities))) == NULL)
		return -1;
	t->nidentities = n;
	for (i = 0; i < n; i++) {
		t->identities[i].name = get_dup(p, "identityLink", i, "name",
		    "");
		t->identities[i].peer = get_dup(p, "identityLink", i, "peer",
		    "");
		if (t->identities[i].name == NULL ||
		    t->identities[i].peer == NULL)
			return -1;
	}
	s = parcel_get(p, "session.dmScope");
	if (s != NULL && route_dm_scope_parse(s, &t->dm_scope) == -1)
		t->dm_scope = DM_MAIN;
	s = parcel_get(p, "session.scope");
	cf->scope_global = s != NULL && strcmp(s, "global") == 0;
	t->scope_global = cf->scope_global;
	t->default_agent = cf->agents[cf->default_agent].id;
	t->known = known_agent;
	return 0;
}

/* Ready JSON is checked once here and then only copied. */
static int
read_json(struct rt_config *cf, const struct parcel *p, size_t slot,
    const char *key, const char *def, struct str *out, char *why, size_t size)
{
	struct str	 s = parcel_get_str(p, "%s", key);
	struct skim_val	 v;

	if (s.p == NULL)
		s = str_of(def);
	if (skim_text(s.p, s.n, &v) != SKIM_OK) {
		snprintf(why, size, "%s is no JSON", key);
		return -1;
	}
	if ((cf->json_copy[slot] = malloc(v.n + 1)) == NULL)
		return -1;
	memcpy(cf->json_copy[slot], v.p, v.n);
	cf->json_copy[slot][v.n] = '\0';
	*out = (struct str){ cf->json_copy[slot], v.n };
	return 0;
}

struct rt_config *
rt_config_new(const struct parcel *p, char *why, size_t size)
{
	struct rt_config	*cf;

	strlcpy(why, "out of memory", size);
	if ((cf = calloc(1, sizeof(*cf))) == NULL)
		return NULL;
	if (read_agents(cf, p) == -1 || read_accounts(cf, p) == -1 ||
	    read_routes(cf, p) == -1 || read_texts(p, "node.allow",
	    &cf->nodes.allow, &cf->nodes.nallow) == -1 || read_texts(p,
	    "node.deny", &cf->nodes.deny, &cf->nodes.ndeny) == -1)
		goto fail;
	cf->main_key = get_dup(p, "session.mainKey", 0, NULL, "main");
	cf->path_config = get_dup(p, "paths.config", 0, NULL, "");
	cf->path_state = get_dup(p, "paths.state", 0, NULL, "");
	cf->model = get_dup(p, "default.model", 0, NULL, "");
	cf->provider = get_dup(p, "default.provider", 0, NULL, "");
	cf->context_tokens = parcel_get_num(p, 0, 0, INT32_MAX,
	    "default.contextTokens");
	cf->port = parcel_get_num(p, 18789, 0, 65535, "gateway.port");
	cf->canvas = parcel_get_bool(p, false, "canvas.enabled");
	cf->path_page = get_dup(p, "ui.basePath", 0, NULL, "");
	if (cf->main_key == NULL || cf->path_config == NULL ||
	    cf->path_state == NULL || cf->path_page == NULL ||
	    cf->model == NULL ||
	    cf->provider == NULL)
		goto fail;
	if (read_json(cf, p, 0, "json.config", "{}", &cf->json_config, why,
	    size) == -1 || read_json(cf, p, 1, "json.models", "[]",
	    &cf->json_models, why, size) == -1 || read_json(cf, p, 2,
	    "json.agents", "{\"agents\":[]}", &cf->json_agents, why,
	    size) == -1)
		goto fail;
	return cf;
fail:
	rt_config_free(cf);
	return NULL;
}

void
rt_config_free(struct rt_config *cf)
{
	size_t	 i;

	if (cf == NULL)
		return;
	for (i = 0; i < cf->nagents && cf->agents != NULL; i++) {
		free(cf->agents[i].id);
		free(cf->agents[i].name);
		rt_payload_unref(cf->agents[i].sessions);
	}
	for (i = 0; i < cf->naccounts && cf->accounts != NULL; i++) {
		free(cf->accounts[i].kind);
		free(cf->accounts[i].account);
		free(cf->accounts[i].label);
		free(cf->accounts[i].detail);
		rt_payload_unref(cf->accounts[i].snapshot);
		rt_payload_unref(cf->accounts[i].probe);
	}
	free(cf->agents);
	free(cf->accounts);
	route_table_clear(&cf->routes);
	node_policy_clear(&cf->nodes);
	free(cf->main_key);
	free(cf->path_config);
	free(cf->path_page);
	free(cf->path_state);
	free(cf->model);
	free(cf->provider);
	rt_payload_unref(cf->file);
	for (i = 0; i < 3; i++)
		free(cf->json_copy[i]);
	free(cf);
}

void
rt_config_replace(struct rt_config *cf)
{
	struct rt_config	*old = rt.cf;
	struct rt_agent		*a, *oa;
	struct rt_account	*c, *oc;
	size_t			 i;

	for (i = 0; old != NULL && i < cf->nagents; i++) {
		a = &cf->agents[i];
		if ((oa = rt_agent_find(str_of(a->id))) == NULL)
			continue;
		a->link = oa->link;
		a->tool = oa->tool;
		a->running = oa->running;
		a->queued = oa->queued;
		a->sessions = oa->sessions;
		oa->sessions = NULL;
	}
	for (i = 0; old != NULL && i < cf->naccounts; i++) {
		c = &cf->accounts[i];
		if ((oc = rt_account_find(str_of(c->kind),
		    str_of(c->account))) == NULL)
			continue;
		c->link = oc->link;
		c->state = oc->state;
		free(c->detail);
		c->detail = oc->detail;
		oc->detail = NULL;
		c->snapshot = oc->snapshot;
		oc->snapshot = NULL;
	}
	rt.cf = cf;
	rt_config_free(old);
}

struct rt_agent *
rt_agent_find(struct str id)
{
	size_t	 i;

	for (i = 0; rt.cf != NULL && i < rt.cf->nagents; i++)
		if (str_ieqs(id, rt.cf->agents[i].id))
			return &rt.cf->agents[i];
	return NULL;
}

struct rt_agent *
rt_agent_of_key(struct str key)
{
	struct str	 id = route_key_agent(key);

	if (id.n == 0)
		return &rt.cf->agents[rt.cf->default_agent];
	return rt_agent_find(id);
}

struct rt_agent *
rt_agent_of_link(const struct link *l)
{
	size_t	 i;

	for (i = 0; i < rt.cf->nagents; i++)
		if (rt.cf->agents[i].link == l || rt.cf->agents[i].tool == l)
			return &rt.cf->agents[i];
	return NULL;
}

struct rt_account *
rt_account_find(struct str kind, struct str account)
{
	size_t	 i;

	for (i = 0; rt.cf != NULL && i < rt.cf->naccounts; i++)
		if (str_ieqs(kind, rt.cf->accounts[i].kind) &&
		    str_eqs(account, rt.cf->accounts[i].account))
			return &rt.cf->accounts[i];
	return NULL;
}

struct rt_account *
rt_account_of_link(const struct link *l)
{
	size_t	 i;

	for (i = 0; i < rt.cf->naccounts; i++)
		if (rt.cf->accounts[i].link == l)
			return &rt.cf->accounts[i];
	return NULL;
}
