/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "gatewayd/config/accounts.h"
#include "gatewayd/config/agents.h"

#define TOKEN_MAX	512
#define TELEGRAM_API	"https://api.telegram.org"

/* First line of a file, owned by the pool; NULL after a complaint. */
static const char *
token_file(struct cf *cf, const struct json5 *at, const char *key)
{
	struct json5	*v;
	struct str	 s;
	char		*text = NULL, *path;
	size_t		 n = 0;
	int		 e;

	if ((path = cf_expand(cf, at->s.p)) == NULL)
		return NULL;
	e = cf->read_file(cf->arg, path, &text, &n);
	free(path);
	if (e != 0) {
		cf_error(cf, at, key, "token file: %s", strerror(e));
		return NULL;
	}
	s = str_trim((struct str){ text, n });
	v = NULL;
	if (s.n == 0 || s.n > TOKEN_MAX || memchr(s.p, '\0', s.n) != NULL ||
	    !utf8_valid(s.p, s.n))
		cf_error(cf, at, key, "token file: holds no token");
	else
		v = json5_new_str(cf->pool, s, at);
	freezero(text, n);
	if (v == NULL)
		return NULL;
	if (cf->nsecrets < CF_SECRETS_MAX)
		cf->secrets[cf->nsecrets++] = v->s;
	return v->s.p;
}

/* Of the account's own level, or of the channel's. */
static const char *
level_token(struct cf *cf, const struct json5 *o, const char *path)
{
	const struct json5	*f = json5_get(o, "tokenFile");
	const char		*s;
	char			 key[192];

	if (f != NULL && f->type == JSON5_STRING && f->s.n > 0) {
		snprintf(key, sizeof(key), "%s.tokenFile", path);
		return token_file(cf, f, key);
	}
	s = json5_text(o, "botToken", NULL);
	return s != NULL && s[0] != '\0' ? s : NULL;
}

/* A token goes into a URL: digits, colon, URL-safe letters, nothing else. */
static bool
token_ok(const char *s)
{
	size_t	 n = strlen(s);

	return n > 0 && n <= TOKEN_MAX &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789:_-") == n;
}

/* Shallow: a key of the account hides the channel's. */
static struct json5 *
merged(struct cf *cf, const struct json5 *top, const struct json5 *acc)
{
	struct json5		*o;
	const struct json5	*m;

	if ((o = json5_new(cf->pool, JSON5_OBJECT, acc != NULL ? acc : top)) ==
	    NULL)
		return NULL;
	for (m = top != NULL ? top->child : NULL; m != NULL; m = m->next)
		if (!str_eqs(m->key, "accounts") &&
		    !str_eqs(m->key, "defaultAccount"))
			json5_sets(cf->pool, o, m->key, json5_copy(cf->pool,
			    m));
	for (m = acc != NULL ? acc->child : NULL; m != NULL; m = m->next)
		json5_sets(cf->pool, o, m->key, json5_copy(cf->pool, m));
	return o;
}

static void
telegram_account(struct cf *cf, const struct json5 *top,
    const struct json5 *acc, const char *id, struct cf_account *v, size_t *n)
{
	struct cf_account	*a = &v[*n];
	const struct json5	*at = acc != NULL ? acc : top;
	const char		*why, *root;
	char			 path[160], dir[CF_PATH_MAX];
	size_t			 i;

	if (!json5_bool(acc, "enabled", json5_bool(top, "enabled", true)) ||
	    !json5_bool(top, "enabled", true))
		return;
	snprintf(path, sizeof(path), "channels.telegram%s%s", acc != NULL ?
	    ".accounts." : "", acc != NULL ? id : "");
	if (*n == CF_ACCOUNTS_MAX) {
		cf_error(cf, at, path, "more than %d accounts",
		    CF_ACCOUNTS_MAX);
		return;
	}
	memset(a, 0, sizeof(*a));
	a->kind = "telegram";
	strlcpy(a->id, id, sizeof(a->id));
	snprintf(a->instance, sizeof(a->instance), "telegram:%s", id);
	if (acc != NULL)
		a->token = level_token(cf, acc, path);
	if (a->token == NULL && top != NULL)
		a->token = level_token(cf, top, "channels.telegram");
	if (a->token == NULL && strcmp(id, "default") == 0)
		a->token = cf_env(cf, "TELEGRAM_BOT_TOKEN");
	if (a->token == NULL) {
		cf_warn(cf, at, path, "no botToken; this account is not "
		    "started");
		return;
	}
	if (!token_ok(a->token)) {
		cf_error(cf, at, path, "botToken has characters that no token "
		    "of Telegram has");
		return;
	}
	for (i = 0; i < *n; i++) {
		if (strcmp(v[i].id, id) == 0) {
			cf_error(cf, at, path, "account \"%s\" stands twice",
			    id);
			return;
		}
		if (strcmp(v[i].token, a->token) == 0) {
			cf_warn(cf, at, path, "has the token of account "
			    "\"%s\"; not started a second time", v[i].id);
			return;
		}
	}
	if ((a->merged = merged(cf, top, acc)) == NULL)
		return;
	root = json5_text(a->merged, "apiRoot", TELEGRAM_API);
	if (cf_url_parse(root, &a->api, &why) == -1) {
		cf_error(cf, at, path, "apiRoot %s", why);
		return;
	}
	if (!a->api.tls && !a->api.loopback) {
		cf_error(cf, at, path, "apiRoot: http would send the token in "
		    "clear; only a loopback address may do that");
		return;
	}
	if (json5_text(a->merged, "proxy", NULL) != NULL)
		cf_warn(cf, at, path, "proxy is not supported yet; Telegram "
		    "is reached directly");
	if (json5_text(a->merged, "webhookUrl", NULL) != NULL)
		cf_warn(cf, at, path, "webhooks are not supported yet; "
		    "updates are polled");
	a->label = json5_text(acc != NULL ? acc : top, "name", NULL);
	snprintf(dir, sizeof(dir), "%s/channels/telegram/%s", cf->state_dir,
	    id);
	if ((a->dir = cf_expand_keep(cf, dir)) != NULL)
		(*n)++;
}

size_t
cf_accounts(struct cf *cf, struct cf_account v[CF_ACCOUNTS_MAX])
{
	static const char *const skip[] = { "OPENCLAW_SKIP_CHANNELS",
	    "OPENCLAW_SKIP_PROVIDERS", "" };
	const struct json5	*top, *acc;
	const char		*s = cf_env_first(cf, skip);
	char			 id[CF_AGENT_ID_MAX + 1];
	size_t			 n = 0;
	bool			 any = false;

	if (s != NULL && (strcmp(s, "1") == 0 || ascii_casecmp(s, "true") ==
	    0 || ascii_casecmp(s, "yes") == 0 || ascii_casecmp(s, "on") == 0))
		return 0;
	top = json5_path(cf->root, "channels.telegram");
	acc = json5_get(top, "accounts");
	for (acc = acc != NULL ? acc->child : NULL; acc != NULL;
	    acc = acc->next) {
		cf_agent_id(acc->key.p, id);
		any = true;
		telegram_account(cf, top, acc, id, v, &n);
	}
	/* The top level is an account of its own when it has a token, or when
	 * there is no other. */
	if (any ? json5_path(top, "accounts.default") == NULL &&
	    (json5_get(top, "botToken") != NULL ||
	    json5_get(top, "tokenFile") != NULL) : top != NULL ||
	    cf_env(cf, "TELEGRAM_BOT_TOKEN") != NULL)
		telegram_account(cf, top, NULL, "default", v, &n);
	return n;
}

void
cf_account_parcel(struct cf *cf, const struct cf_account *a,
    struct parcel_writer *pw)
{
	const struct key_node	*node = keys_root();
	const struct json5	*m;
	struct json5		*o;
	struct dbuf		 b;
	const char		*ca;
	size_t			 i = 0;

	parcel_puts(pw, a->kind, "kind");
	parcel_puts(pw, a->id, "account");
	parcel_puts(pw, a->token, "token");
	parcel_puts(pw, a->api.host, "apiRoot.host");
	parcel_put_num(pw, a->api.port, "apiRoot.port");
	parcel_put_bool(pw, a->api.tls, "apiRoot.tls");
	parcel_puts(pw, a->api.prefix, "apiRoot.prefix");
	parcel_puts(pw, json5_text(a->merged, "dmPolicy", "pairing"),
	    "dmPolicy");
	m = json5_get(a->merged, "allowFrom");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		if (m->type == JSON5_STRING)
			parcel_put(pw, str_trim(m->s), "allowFrom.%zu", i++);
		else if (m->isint)
			parcel_put_num(pw, m->i, "allowFrom.%zu", i++);
	}
	parcel_puts(pw, a->dir, "state.dir");
	if ((ca = cf_env(cf, "SSL_CERT_FILE")) != NULL && ca[0] == '/')
		parcel_puts(pw, ca, "ca.file");
	parcel_puts(pw, a->api.host, "dest.0.host");
	parcel_put_num(pw, a->api.port, "dest.0.port");
	m = json5_get(a->merged, "textChunkLimit");
	parcel_put_num(pw, m != NULL && m->isint ? m->i : 4000, "textLimit");
	node = keys_child(node, STR_LIT("channels"));
	node = keys_child(node, str_of(a->kind));
	o = cf_redact(cf, a->merged, node);
	dbuf_init(&b, 4u << 20);
	if (o != NULL && json5_write(&b, o, 0) == 0)
		parcel_put(pw, (struct str){ dbuf_str(&b), b.n },
		    "json.config");
	dbuf_clear(&b);
}
