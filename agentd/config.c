/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The agent's part of the configuration.  The parcel comes from
 * gatewayd-config, which has checked it; this file still bounds every number.
 * A run keeps the configuration it began with.
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "common/log.h"

struct config	*cfg;

static int	 read_lists(struct config *, const struct parcel *);
static uint64_t	 number(const struct config *, const char *path, uint64_t def,
		    uint64_t min, uint64_t max);
static json_t	*find_model(json_t *provider, const char *id);

struct config *
config_read(const struct parcel *p, char *why, size_t size)
{
	struct config	*c;
	struct str	 json;
	const char	*s;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		strlcpy(why, "out of memory", size);
		return NULL;
	}
	c->refs = 1;
	s = parcel_get(p, "agent.id");
	agent_id_normalise(str_of(s), c->agent_id);
	s = parcel_get(p, "state.dir");
	if (s == NULL || s[0] != '/') {
		strlcpy(why, "state.dir is missing", size);
		goto fail;
	}
	c->state_dir = xstrdup(s);
	s = parcel_get(p, "workspace");
	c->workspace = xstrdup(s != NULL ? s : "");
	json = parcel_get_str(p, "json.config");
	c->root = json.p == NULL ? json_object() :
	    json_load_bounded(json.p, json.n, 64);
	if (!json_is_object(c->root)) {
		strlcpy(why, "json.config is no object", size);
		goto fail;
	}
	c->agent = json_object_get(c->root, "agent");
	if (read_lists(c, p) == -1) {
		strlcpy(why, "out of memory", size);
		goto fail;
	}
	c->timeout_ms = number(c, "timeoutSeconds", 600, 0, 7 * 86400) * 1000;
	c->max_concurrent = (unsigned int)number(c, "maxConcurrent", 4, 1,
	    64);
	c->max_iterations = (unsigned int)number(c, "maxToolIterations", 200,
	    1, 10000);
	c->retry_max = (unsigned int)number(c, "retry.maxAttempts", 3, 0, 10);
	c->retry_base_ms = number(c, "retry.baseMs", 1000, 1, 60000);
	c->retry_cap_ms = number(c, "retry.maxMs", 30000, 1, 600000);
	c->retry_server_max_ms = number(c, "retry.maxServerDelayMs", 60000, 0,
	    600000);
	c->head_timeout_ms = number(c, "modelTimeoutMs", 120000, 100,
	    3600000);
	c->idle_timeout_ms = c->head_timeout_ms;
	c->bootstrap_max = number(c, "bootstrapMaxChars", 20000, 100,
	    1u << 20);
	c->loop_detection = !json_is_false(config_at(c->root,
	    "tools.loopDetection.enabled"));
	s = json_string_value(config_at(c->root, "session.scope"));
	c->scope_global = s != NULL && strcmp(s, "global") == 0;
	c->thinking = json_text(c->agent, "thinkingDefault", NULL);
	c->verbose = json_text(c->agent, "verboseDefault", NULL);
	c->typing_mode = json_text(c->agent, "typingMode", NULL);
	c->time_zone = json_text(c->agent, "userTimezone", "");
	return c;
fail:
	config_unref(c);
	return NULL;
}

struct config *
config_ref(struct config *c)
{
	c->refs++;
	return c;
}

void
config_unref(struct config *c)
{
	size_t	 i;

	if (c == NULL || --c->refs > 0)
		return;
	for (i = 0; i < c->ncandidates; i++)
		free(c->candidates[i]);
	for (i = 0; i < c->nproviders; i++) {
		free(c->providers[i].name);
		free(c->providers[i].instance);
	}
	free(c->candidates);
	free(c->providers);
	free(c->state_dir);
	free(c->workspace);
	json_decref(c->root);
	free(c);
}

json_t *
config_at(json_t *j, const char *path)
{
	const char	*dot;

	while (j != NULL && path[0] != '\0') {
		dot = strchr(path, '.');
		if (dot == NULL)
			return json_object_get(j, path);
		j = json_object_getn(j, path, (size_t)(dot - path));
		path = dot + 1;
	}
	return j;
}

const char *
config_instance(const struct config *c, const char *provider)
{
	size_t	 i;

	for (i = 0; i < c->nproviders; i++)
		if (strcmp(c->providers[i].name, provider) == 0)
			return c->providers[i].instance;
	return NULL;
}

int
config_model(struct config *c, const char *ref, struct provider_model *m,
    char *why, size_t size)
{
	static const struct {
		const char	*provider, *api, *base;
		uint64_t	 window, max;
	} known[] = {
		{ "builtin", "builtin", "", 32768, 4096 },
		{ "anthropic", "anthropic-messages",
		    "https://api.anthropic.com", 200000, 8192 },
		{ "openai", "openai-completions",
		    "https://api.openai.com/v1", 128000, 16384 },
		{ NULL, "openai-completions", "", 128000, 8192 },
	};
	json_t		*prov, *entry, *cost, *inputs, *v;
	const char	*slash;
	size_t		 i, k;

	memset(m, 0, sizeof(*m));
	if ((slash = strchr(ref, '/')) == NULL || slash == ref ||
	    slash[1] == '\0') {
		snprintf(why, size, "%s is no provider/model", ref);
		return -1;
	}
	m->id = slash + 1;
	for (i = 0; known[i].provider != NULL; i++)
		if (strlen(known[i].provider) == (size_t)(slash - ref) &&
		    strncmp(ref, known[i].provider, (size_t)(slash - ref)) ==
		    0)
			break;
	/* The provider's name must live as long as the configuration. */
	m->provider = known[i].provider;
	for (k = 0; k < c->nproviders && m->provider == NULL; k++)
		if (strlen(c->providers[k].name) == (size_t)(slash - ref) &&
		    strncmp(c->providers[k].name, ref,
		    (size_t)(slash - ref)) == 0)
			m->provider = c->providers[k].name;
	if (m->provider == NULL) {
		snprintf(why, size, "provider of %s is not configured", ref);
		return -1;
	}
	prov = json_object_get(config_at(c->root, "models.providers"),
	    m->provider);
	entry = find_model(prov, m->id);
	m->provider_config = prov;
	m->config = entry;
	m->api = json_text(entry, "api", json_text(prov, "api",
	    known[i].api));
	m->base_url = json_text(prov, "baseUrl", known[i].base);
	v = json_object_get(entry, "contextWindow");
	m->context_window = json_is_integer(v) && json_integer_value(v) >=
	    1024 ? (uint64_t)json_integer_value(v) : known[i].window;
	v = json_object_get(entry, "maxTokens");
	m->max_tokens = json_is_integer(v) && json_integer_value(v) > 0 ?
	    (uint64_t)json_integer_value(v) : known[i].max;
	m->reasoning = json_is_true(json_object_get(entry, "reasoning"));
	/* The two whose models all see; others say so themselves. */
	m->images = entry == NULL && m->provider != NULL &&
	    (strcmp(m->provider, "anthropic") == 0 ||
	    strcmp(m->provider, "openai") == 0);
	inputs = json_object_get(entry, "input");
	json_array_foreach(inputs, k, v)
		if (json_is_string(v) &&
		    strcmp(json_string_value(v), "image") == 0)
			m->images = true;
	cost = json_object_get(entry, "cost");
	m->cost_input = json_number_value(json_object_get(cost, "input"));
	m->cost_output = json_number_value(json_object_get(cost, "output"));
	m->cost_cache_read = json_number_value(json_object_get(cost,
	    "cacheRead"));
	m->cost_cache_write = json_number_value(json_object_get(cost,
	    "cacheWrite"));
	return 0;
}

/* Is ref one of agents.defaults.models?  Without any, all are. */
static bool
is_allowed(struct config *c, const char *ref)
{
	json_t		*models = json_object_get(c->agent, "models");
	const char	*key;
	json_t		*v;

	if (json_object_size(models) == 0 ||
	    strcmp(ref, c->candidates[0]) == 0)
		return true;
	json_object_foreach(models, key, v)
		if (ascii_casecmp(key, ref) == 0)
			return true;
	return false;
}

enum model_choice
config_choose(struct config *c, struct str raw, char *ref, size_t size,
    struct provider_model *m)
{
	json_t		*models = json_object_get(c->agent, "models"), *v;
	const char	*key, *alias, *found = NULL, *slash;
	char		 why[256];
	int		 n;

	if (memchr(raw.p, '/', raw.n) == NULL)
		json_object_foreach(models, key, v) {
			alias = json_text(v, "alias", "");
			if (alias[0] != '\0' && str_ieqs(raw, alias))
				found = key;
		}
	if (found != NULL)
		n = snprintf(ref, size, "%s", found);
	else if (memchr(raw.p, '/', raw.n) != NULL)
		n = snprintf(ref, size, "%.*s", (int)raw.n, raw.p);
	else
		n = snprintf(ref, size, "%.*s/%.*s", (int)strcspn(
		    c->candidates[0], "/"), c->candidates[0], (int)raw.n,
		    raw.p);
	slash = n > 0 && (size_t)n < size ? strchr(ref, '/') : NULL;
	if (slash == NULL || slash == ref || slash[1] == '\0' ||
	    raw.n > size)
		return MODEL_INVALID;
	/* A provider that is not configured could never answer. */
	if (!is_allowed(c, ref) ||
	    config_model(c, ref, m, why, sizeof(why)) == -1)
		return MODEL_NOT_ALLOWED;
	return MODEL_OK;
}

static int
read_lists(struct config *c, const struct parcel *p)
{
	const char	*s;
	size_t		 n, i;

	for (n = 0; n < 32 && parcel_get(p, "model.fallback.%zu", n) != NULL;
	    n++)
		;
	if ((c->candidates = calloc(n + 1, sizeof(char *))) == NULL)
		return -1;
	s = parcel_get(p, "model.primary");
	c->candidates[c->ncandidates++] = xstrdup(s != NULL && s[0] != '\0' ?
	    s : "builtin/assistant");
	for (i = 0; i < n; i++)
		c->candidates[c->ncandidates++] =
		    xstrdup(parcel_get(p, "model.fallback.%zu", i));
	for (n = 0; n < 256 && parcel_get(p, "provider.%zu.name", n) != NULL;
	    n++)
		;
	if ((c->providers = calloc(n + 1, sizeof(*c->providers))) == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		c->providers[i].name = xstrdup(parcel_get(p,
		    "provider.%zu.name", i));
		s = parcel_get(p, "provider.%zu.instance", i);
		c->providers[i].instance = xstrdup(s != NULL ? s : "");
		c->nproviders++;
	}
	return 0;
}

static uint64_t
number(const struct config *c, const char *path, uint64_t def, uint64_t min,
    uint64_t max)
{
	json_t		*v = config_at(c->agent, path);
	json_int_t	 n;

	if (!json_is_integer(v))
		return def;
	n = json_integer_value(v);
	if (n < 0 || (uint64_t)n < min)
		return min;
	return (uint64_t)n > max ? max : (uint64_t)n;
}

static json_t *
find_model(json_t *provider, const char *id)
{
	json_t	*models = json_object_get(provider, "models"), *m;
	size_t	 i;

	json_array_foreach(models, i, m)
		if (strcmp(json_text(m, "id", ""), id) == 0)
			return m;
	return NULL;
}
