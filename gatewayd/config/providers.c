/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/config/providers.h"

static const struct {
	const char	*id, *api, *base, *vars;
} known[] = {
#define PROVIDER(id, api, base, vars)	{ id, api, base, vars },
#define MODEL(provider, id, name, window, max, reasoning, pictures)
#include "gatewayd/config/providers.def"
#undef PROVIDER
#undef MODEL
};

static const struct {
	const char	*provider, *id, *name;
	int64_t		 window, max;
	bool		 reasoning, pictures;
} models[] = {
#define PROVIDER(id, api, base, vars)
#define MODEL(provider, id, name, window, max, reasoning, pictures) \
	{ provider, id, name, window, max, reasoning, pictures },
#include "gatewayd/config/providers.def"
#undef PROVIDER
#undef MODEL
};

#define NKNOWN	(sizeof(known) / sizeof(known[0]))
#define NMODELS	(sizeof(models) / sizeof(models[0]))

/* Spellings that mean the same provider; lower case. */
static int
provider_id(struct str s, char id[65])
{
	static const char *const alias[][2] = {
		{ "z.ai", "zai" }, { "z-ai", "zai" },
		{ "opencode-zen", "opencode" }, { "qwen", "qwen-portal" },
	};
	size_t	 i;

	s = str_trim(s);
	if (s.n == 0 || s.n > 64)
		return -1;
	for (i = 0; i < s.n; i++) {
		id[i] = (char)ascii_tolower((unsigned char)s.p[i]);
		/* It becomes part of process names and paths. */
		if (!ascii_isalnum((unsigned char)s.p[i]) &&
		    strchr("._-", s.p[i]) == NULL)
			return -1;
	}
	id[s.n] = '\0';
	for (i = 0; i < sizeof(alias) / sizeof(alias[0]); i++)
		if (strcmp(id, alias[i][0]) == 0)
			strlcpy(id, alias[i][1], 65);
	return id[0] == '.' || id[0] == '-' ? -1 : 0;
}

static size_t
known_find(const char *id)
{
	size_t	 i;

	for (i = 0; i < NKNOWN; i++)
		if (strcmp(known[i].id, id) == 0)
			break;
	return i;
}

/* First of the variables that is set; its name in *name. */
static const char *
env_key(const struct cf *cf, const char *vars, char *name, size_t size)
{
	const char	*v;
	size_t		 n;

	for (; *vars != '\0'; vars += n + (vars[n] == ' ')) {
		n = strcspn(vars, " ");
		if (str_copy((struct str){ vars, n }, name, size) == 0 &&
		    (v = cf_env(cf, name)) != NULL)
			return v;
	}
	return NULL;
}

/* "OPENAI_API_KEY" given as a key is the name of a variable. */
static bool
is_var_name(const char *s)
{
	size_t	 i;

	for (i = 0; s[i] != '\0'; i++)
		if (!(s[i] >= 'A' && s[i] <= 'Z') && s[i] != '_' &&
		    !ascii_isdigit((unsigned char)s[i]))
			return false;
	return i > 4 && strchr(s, '_') != NULL &&
	    keys_name_is_secret(str_of(s));
}

static void
provider_secret(struct cf *cf, struct cf_provider *p, const char *path)
{
	const struct json5	*e = json5_get(p->entry, "apiKey");
	const char		*auth = json5_text(p->entry, "auth", "api-key");
	const char		*s = NULL;
	char			 var[64] = "", key[512];
	size_t			 i = known_find(p->id);

	if (i < NKNOWN)
		s = env_key(cf, known[i].vars, var, sizeof(var));
	if (s == NULL && e != NULL && e->type == JSON5_STRING && e->s.n > 0) {
		s = e->s.p;
		if (is_var_name(s)) {
			snprintf(key, sizeof(key), "%s.apiKey", path);
			if ((s = cf_env(cf, e->s.p)) == NULL)
				cf_warn(cf, e, key, "variable %s is not set",
				    e->s.p);
		}
	}
	p->secret = s;
	if (s == NULL) {
		p->style = "none";
		return;
	}
	if (strpbrk(s, "\r\n") != NULL) {
		snprintf(key, sizeof(key), "%s.apiKey", path);
		cf_error(cf, e, key, "the key holds a line break");
		p->usable = false;
	}
	p->style = "bearer";
	if (strcmp(p->api, "anthropic-messages") == 0 &&
	    strcmp(var, "ANTHROPIC_OAUTH_TOKEN") != 0 &&
	    strcmp(auth, "oauth") != 0 && strcmp(auth, "token") != 0)
		p->style = "x-api-key";
}

/* baseUrl, with what must hold of it (spec/providers.md 2.1). */
static void
provider_url(struct cf *cf, struct cf_provider *p, const char *base,
    const struct json5 *at, const char *path)
{
	const char	*why;
	char		 key[512];
	size_t		 n;

	snprintf(key, sizeof(key), "%s.baseUrl", path);
	if (cf_url_parse(base, &p->url, &why) == -1) {
		cf_error(cf, at, key, "baseUrl %s", why);
		p->usable = false;
		return;
	}
	p->private = p->url.private || json5_bool(p->entry,
	    "request.allowPrivateNetwork", false);
	if (!p->url.tls && !p->url.loopback && !(p->private &&
	    json5_bool(p->entry, "request.allowPrivateNetwork", false))) {
		cf_error(cf, at, key, "http would send the key in clear: use "
		    "https, a loopback address, or set "
		    "request.allowPrivateNetwork for a private one");
		p->usable = false;
	}
	/* Anthropic's path begins with /v1 by itself. */
	n = strlen(p->url.prefix);
	if (strcmp(p->api, "anthropic-messages") == 0 && n >= 3 &&
	    strcmp(p->url.prefix + n - 3, "/v1") == 0)
		p->url.prefix[n - 3] = '\0';
}

static void
provider_api(struct cf *cf, struct cf_provider *p, const char *path)
{
	static const char *const supported[] = { "anthropic-messages",
	    "openai-completions" };
	char	 key[512];
	size_t	 i;

	for (i = 0; i < sizeof(supported) / sizeof(supported[0]); i++)
		if (strcmp(p->api, supported[i]) == 0)
			return;
	snprintf(key, sizeof(key), "%s.api", path);
	cf_warn(cf, p->entry, key, "%s is not supported yet; this provider "
	    "cannot be used", p->api);
	p->usable = false;
}

size_t
cf_providers(struct cf *cf, struct cf_provider v[CF_PROVIDERS_MAX])
{
	const struct json5	*m = json5_path(cf->root, "models.providers");
	struct cf_provider	*p;
	char			 path[256], id[65], var[64];
	size_t			 n = 0, i;

	memset(v, 0, CF_PROVIDERS_MAX * sizeof(*v));
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		snprintf(path, sizeof(path), "models.providers.%.*s",
		    m->key.n > 128 ? 128 : (int)m->key.n, m->key.p);
		if (provider_id(m->key, id) == -1) {
			cf_error(cf, m, path, "a provider's name has letters, "
			    "digits, \".\", \"_\" and \"-\" only");
			continue;
		}
		if (n == CF_PROVIDERS_MAX ||
		    cf_provider_find(v, n, str_of(id)) != NULL) {
			cf_error(cf, m, path, n == CF_PROVIDERS_MAX ?
			    "too many providers" : "provider stands twice");
			continue;
		}
		if (strcmp(id, "builtin") == 0)
			continue;
		p = &v[n++];
		p->entry = m;
		p->usable = true;
		strlcpy(p->id, id, sizeof(p->id));
		i = known_find(id);
		p->api = json5_text(m, "api", i < NKNOWN ? known[i].api :
		    "openai-completions");
		provider_api(cf, p, path);
		provider_url(cf, p, json5_text(m, "baseUrl", ""),
		    json5_get(m, "baseUrl"), path);
		provider_secret(cf, p, path);
	}
	for (i = 0; i < NKNOWN; i++) {
		if (cf_provider_find(v, n, str_of(known[i].id)) != NULL ||
		    env_key(cf, known[i].vars, var, sizeof(var)) == NULL ||
		    n == CF_PROVIDERS_MAX)
			continue;
		p = &v[n++];
		p->usable = true;
		strlcpy(p->id, known[i].id, sizeof(p->id));
		p->api = known[i].api;
		provider_url(cf, p, known[i].base, NULL, known[i].id);
		provider_secret(cf, p, known[i].id);
	}
	for (i = 0; i < n; i++)
		snprintf(v[i].instance, sizeof(v[i].instance), "%s:default",
		    v[i].id);
	return n;
}

const struct cf_provider *
cf_provider_find(const struct cf_provider *v, size_t n, struct str name)
{
	char	 id[65];
	size_t	 i;

	if (provider_id(name, id) == -1)
		return NULL;
	for (i = 0; i < n; i++)
		if (strcmp(v[i].id, id) == 0)
			return &v[i];
	return NULL;
}

/* --- how to reach one ------------------------------------------------------- */

/* The proxy of the environment, when it is to be used. */
static bool
provider_proxy(struct cf *cf, const struct cf_provider *p, struct cf_url *proxy)
{
	static const char *const https[] = { "https_proxy", "HTTPS_PROXY",
	    "all_proxy", "ALL_PROXY", "" };
	static const char *const none[] = { "no_proxy", "NO_PROXY", "" };
	const char	*s, *why;

	/* In clear there is no CONNECT; private hosts are reached directly. */
	if (!p->url.tls || p->private || (s = cf_env_first(cf, https)) == NULL ||
	    cf_no_proxy(cf_env_first(cf, none), p->url.host))
		return false;
	if (cf_url_parse(s, proxy, &why) == -1 || proxy->tls) {
		cf_warn(cf, NULL, "HTTPS_PROXY", "the proxy %s; it is not used",
		    proxy->tls ? "is reached by https, which is not supported" :
		    why);
		return false;
	}
	return true;
}

void
cf_provider_dest(struct cf *cf, const struct cf_provider *p, const char **host,
    uint16_t *port, bool *private)
{
	static struct cf_url	 proxy;

	*host = p->url.host;
	*port = p->url.port;
	*private = p->private;
	if (provider_proxy(cf, p, &proxy)) {
		*host = proxy.host;
		*port = proxy.port;
		*private = proxy.private;
	}
}

static void
provider_headers(struct cf *cf, const struct cf_provider *p,
    struct parcel_writer *pw)
{
	static const char *const from[] = { "headers", "request.headers" };
	const struct json5	*m;
	char			 path[256];
	size_t			 i, k, n = 0;

	for (i = 0; i < 2; i++) {
		m = json5_path(p->entry, from[i]);
		for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
			for (k = 0; k < m->key.n; k++)
				if (!ascii_isalnum((unsigned char)
				    m->key.p[k]) && strchr("!#$%&'*+-.^_`|~",
				    m->key.p[k]) == NULL)
					break;
			if (m->type != JSON5_STRING || m->key.n == 0 ||
			    k < m->key.n || strpbrk(m->s.p, "\r\n") != NULL) {
				snprintf(path, sizeof(path),
				    "models.providers.%s.headers", p->id);
				cf_error(cf, m, path, "this is no header");
				continue;
			}
			parcel_put(pw, m->key, "header.%zu.name", n);
			parcel_put(pw, m->s, "header.%zu.value", n++);
		}
	}
	if (json5_bool(p->entry, "authHeader", false) && p->secret != NULL &&
	    strcmp(p->style, "bearer") != 0) {
		struct dbuf	 b;

		dbuf_init_secret(&b, 65536);
		dbuf_printf(&b, "Bearer %s", p->secret);
		parcel_puts(pw, "Authorization", "header.%zu.name", n);
		parcel_puts(pw, dbuf_str(&b), "header.%zu.value", n);
		dbuf_clear(&b);
	}
}

void
cf_provider_parcel(struct cf *cf, const struct cf_provider *p,
    struct parcel_writer *pw)
{
	struct cf_url	 proxy;
	const char	*ca;

	parcel_puts(pw, p->id, "provider");
	parcel_puts(pw, p->api, "api");
	parcel_puts(pw, p->url.origin, "origin");
	parcel_puts(pw, p->url.prefix, "path_prefix");
	parcel_puts(pw, p->style, "auth.style");
	if (p->secret != NULL)
		parcel_puts(pw, p->secret, "auth.secret");
	provider_headers(cf, p, pw);
	if ((ca = cf_env(cf, "SSL_CERT_FILE")) != NULL && ca[0] == '/')
		parcel_puts(pw, ca, "ca.file");
	if (provider_proxy(cf, p, &proxy)) {
		parcel_puts(pw, proxy.host, "proxy.host");
		parcel_put_num(pw, proxy.port, "proxy.port");
		parcel_puts(pw, proxy.host, "dest.0.host");
		parcel_put_num(pw, proxy.port, "dest.0.port");
	} else {
		parcel_puts(pw, p->url.host, "dest.0.host");
		parcel_put_num(pw, p->url.port, "dest.0.port");
	}
}

/* --- models ------------------------------------------------------------------- */

static void
model_row(struct cf *cf, struct json5 *list, const char *provider,
    const char *id, const char *name, int64_t window, bool reasoning,
    bool pictures)
{
	struct json5	*o, *in;

	if ((o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    (in = json5_new(cf->pool, JSON5_ARRAY, NULL)) == NULL)
		return;
	json5_set(cf->pool, o, "id", json5_new_str(cf->pool, str_of(id),
	    NULL));
	json5_set(cf->pool, o, "name", json5_new_str(cf->pool, str_of(name),
	    NULL));
	json5_set(cf->pool, o, "provider", json5_new_str(cf->pool,
	    str_of(provider), NULL));
	json5_set(cf->pool, o, "contextWindow", json5_new_int(cf->pool, window,
	    NULL));
	json5_set(cf->pool, o, "reasoning", json5_new_bool(cf->pool, reasoning,
	    NULL));
	json5_push(in, json5_new_str(cf->pool, STR_LIT("text"), NULL));
	if (pictures)
		json5_push(in, json5_new_str(cf->pool, STR_LIT("image"),
		    NULL));
	json5_set(cf->pool, o, "input", in);
	json5_push(list, o);
}

static bool
takes_pictures(const struct json5 *model)
{
	const struct json5	*m = json5_get(model, "input");

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
		if (m->type == JSON5_STRING && str_eqs(m->s, "image"))
			return true;
	return false;
}

static const struct json5 *
entry_model(const struct json5 *entry, const char *id)
{
	const struct json5	*m = json5_get(entry, "models");

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
		if (strcmp(json5_text(m, "id", ""), id) == 0)
			return m;
	return NULL;
}

static int64_t
entry_window(const struct json5 *m)
{
	const struct json5	*w = json5_get(m, "contextWindow");

	return w != NULL && w->isint ? w->i : 200000;
}

static int
cmp_rows(const void *a, const void *b)
{
	const struct json5	*x = *(struct json5 *const *)a;
	const struct json5	*y = *(struct json5 *const *)b;
	int			 c;

	c = strcmp(json5_text(x, "provider", ""), json5_text(y, "provider",
	    ""));
	return c != 0 ? c : strcmp(json5_text(x, "name", ""),
	    json5_text(y, "name", ""));
}

/* By provider, then name. */
static struct json5 *
sorted(struct cf *cf, struct json5 *list)
{
	struct json5	**v, *m, *out;
	size_t		  i = 0;

	if (list->count == 0)
		return list;
	if ((v = calloc(list->count, sizeof(*v))) == NULL)
		return NULL;
	for (m = list->child; m != NULL; m = m->next)
		v[i++] = m;
	qsort(v, list->count, sizeof(*v), cmp_rows);
	if ((out = json5_new(cf->pool, JSON5_ARRAY, NULL)) != NULL)
		for (i = 0; i < list->count; i++)
			json5_push(out, v[i]);
	free(v);
	return out;
}

struct json5 *
cf_models_json(struct cf *cf, const struct cf_provider *v, size_t n)
{
	struct json5		*list;
	const struct json5	*m;
	bool			 replace;
	size_t			 i, k;

	if ((list = json5_new(cf->pool, JSON5_ARRAY, NULL)) == NULL)
		return NULL;
	replace = strcmp(json5_text(cf->root, "models.mode", "merge"),
	    "replace") == 0;
	for (i = 0; i < n; i++) {
		if (!v[i].usable)
			continue;
		m = json5_get(v[i].entry, "models");
		for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
			model_row(cf, list, v[i].id, json5_text(m, "id", ""),
			    json5_text(m, "name", ""), entry_window(m),
			    json5_bool(m, "reasoning", false),
			    takes_pictures(m));
		for (k = 0; k < NMODELS && !replace; k++)
			if (strcmp(models[k].provider, v[i].id) == 0 &&
			    entry_model(v[i].entry, models[k].id) == NULL)
				model_row(cf, list, v[i].id, models[k].id,
				    models[k].name, models[k].window,
				    models[k].reasoning, models[k].pictures);
	}
	for (k = 0; k < NMODELS && json5_bool(cf->root,
	    "models.builtin.enabled", true); k++)
		if (strcmp(models[k].provider, "builtin") == 0)
			model_row(cf, list, "builtin", models[k].id,
			    models[k].name, models[k].window,
			    models[k].reasoning, models[k].pictures);
	return sorted(cf, list);
}

/* Models that only the catalogue knows, in the form of the configuration. */
static void
add_known(struct cf *cf, struct json5 *list, const struct cf_provider *p)
{
	struct json5	*o, *in;
	size_t		 k;

	for (k = 0; k < NMODELS && list != NULL; k++) {
		if (strcmp(models[k].provider, p->id) != 0 ||
		    entry_model(p->entry, models[k].id) != NULL ||
		    (o = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
		    (in = json5_new(cf->pool, JSON5_ARRAY, NULL)) == NULL)
			continue;
		json5_set(cf->pool, o, "id", json5_new_str(cf->pool,
		    str_of(models[k].id), NULL));
		json5_set(cf->pool, o, "name", json5_new_str(cf->pool,
		    str_of(models[k].name), NULL));
		json5_set(cf->pool, o, "reasoning", json5_new_bool(cf->pool,
		    models[k].reasoning, NULL));
		json5_set(cf->pool, o, "contextWindow", json5_new_int(cf->pool,
		    models[k].window, NULL));
		json5_set(cf->pool, o, "maxTokens", json5_new_int(cf->pool,
		    models[k].max, NULL));
		json5_push(in, json5_new_str(cf->pool, STR_LIT("text"),
		    NULL));
		if (models[k].pictures)
			json5_push(in, json5_new_str(cf->pool,
			    STR_LIT("image"), NULL));
		json5_set(cf->pool, o, "input", in);
		json5_push(list, o);
	}
}

struct json5 *
cf_providers_json(struct cf *cf, const struct cf_provider *v, size_t n)
{
	const struct key_node	*node = keys_root();
	struct json5		*all, *o, *list;
	size_t			 i;

	node = keys_child(node, STR_LIT("models"));
	node = keys_child(node, STR_LIT("providers"));
	if ((all = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (!v[i].usable)
			continue;
		o = v[i].entry != NULL ? cf_redact(cf, v[i].entry, keys_child(
		    node, v[i].entry->key)) : json5_new(cf->pool, JSON5_OBJECT,
		    NULL);
		if (o == NULL)
			return NULL;
		/* Not even a placeholder: agents have no use for it. */
		json5_remove(o, "apiKey");
		json5_remove(o, "headers");
		json5_remove(o, "request");
		json5_set(cf->pool, o, "api", json5_new_str(cf->pool,
		    str_of(v[i].api), NULL));
		json5_set(cf->pool, o, "baseUrl", json5_new_str(cf->pool,
		    str_of(v[i].url.origin), NULL));
		if ((list = json5_get(o, "models")) == NULL) {
			list = json5_new(cf->pool, JSON5_ARRAY, NULL);
			json5_set(cf->pool, o, "models", list);
		}
		add_known(cf, list, &v[i]);
		json5_set(cf->pool, all, v[i].id, o);
	}
	return all;
}

int64_t
cf_model_window(const struct cf_provider *v, size_t n, const char *ref)
{
	const struct cf_provider *p;
	const struct json5	*m;
	const char		*slash = strchr(ref, '/');
	size_t			 k;

	if (slash == NULL)
		return 200000;
	p = cf_provider_find(v, n, (struct str){ ref,
	    (size_t)(slash - ref) });
	if (p != NULL && (m = entry_model(p->entry, slash + 1)) != NULL)
		return entry_window(m);
	for (k = 0; k < NMODELS; k++)
		if (strlen(models[k].provider) == (size_t)(slash - ref) &&
		    strncmp(models[k].provider, ref, (size_t)(slash - ref)) ==
		    0 && strcmp(models[k].id, slash + 1) == 0)
			return models[k].window;
	return 200000;
}

const char *
cf_model_default(const struct cf_provider *v, size_t n, char *buf, size_t size)
{
	const struct json5	*m;
	size_t			 i, k;

	/* In the order of the table, so that a file and an environment with
	 * the same keys choose alike; then what only the file knows. */
	for (k = 0; k < NMODELS; k++)
		for (i = 0; i < n; i++)
			if (v[i].usable && strcmp(models[k].provider,
			    v[i].id) == 0) {
				m = json5_at(json5_get(v[i].entry, "models"),
				    0);
				snprintf(buf, size, "%s/%s", v[i].id,
				    m != NULL ? json5_text(m, "id", "") :
				    models[k].id);
				return buf;
			}
	for (i = 0; i < n; i++) {
		m = json5_at(json5_get(v[i].entry, "models"), 0);
		if (v[i].usable && m != NULL) {
			snprintf(buf, size, "%s/%s", v[i].id, json5_text(m,
			    "id", ""));
			return buf;
		}
	}
	strlcpy(buf, "builtin/assistant", size);
	return buf;
}
