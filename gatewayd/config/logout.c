/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * channels.logout as a change of the configuration: the account's token is
 * taken out of the main file, and nothing else.  A token of the environment or
 * of a file of its own stays where it is; the answer says whether one is left.
 */
#include "common/compat.h"

#include "common/json_write.h"
#include "gatewayd/config/config.h"
#include "gatewayd/config/json5.h"
#include "gatewayd/config/write.h"

static bool
has_text(const struct json5 *o, const char *key)
{
	const char	*s = json5_text(o, key, NULL);

	return s != NULL && s[0] != '\0';
}

static const struct json5 *
channel_of(const struct json5 *root, const struct json5 *params)
{
	return json5_get(json5_get(root, "channels"), json5_text(params,
	    "channel", ""));
}

static const struct json5 *
account_of(const struct json5 *root, const struct json5 *params)
{
	return json5_get(json5_get(channel_of(root, params), "accounts"),
	    json5_text(params, "accountId", ""));
}

static bool
is_default(const struct json5 *params)
{
	return strcmp(json5_text(params, "accountId", ""), "default") == 0;
}

/* {botToken: null} below that object. */
static int
drop(struct json5_pool *pool, struct json5 *o)
{
	struct json5	*null = json5_new(pool, JSON5_NULL, NULL);

	return o == NULL || null == NULL ? -1 : json5_set(pool, o, "botToken",
	    null);
}

static struct json5 *
below(struct json5_pool *pool, struct json5 *o, const char *key)
{
	struct json5	*v = json5_new(pool, JSON5_OBJECT, NULL);

	return o == NULL || v == NULL || json5_set(pool, o, key, v) == -1 ?
	    NULL : v;
}

struct json5 *
cf_logout_patch(struct cf *cf, const struct json5 *params)
{
	struct json5	*patch = json5_new(cf->pool, JSON5_OBJECT, NULL);
	struct json5	*top, *acc;
	const char	*id = json5_text(params, "accountId", "");
	bool		 of_top, of_account;

	of_top = is_default(params) && json5_get(channel_of(cf->source,
	    params), "botToken") != NULL;
	of_account = json5_get(account_of(cf->source, params), "botToken") !=
	    NULL;
	if (patch == NULL || (!of_top && !of_account))
		return patch;
	top = below(cf->pool, below(cf->pool, patch, "channels"),
	    json5_text(params, "channel", ""));
	if (of_top && drop(cf->pool, top) == -1)
		return NULL;
	if (!of_account)
		return patch;
	acc = below(cf->pool, below(cf->pool, top, "accounts"), id);
	return drop(cf->pool, acc) == -1 ? NULL : patch;
}

void
cf_logout_answer(const struct cf *old, const struct cf *new,
    const struct json5 *params, struct dbuf *b)
{
	const struct json5	*top = channel_of(new->root, params);
	const struct json5	*acc = account_of(new->root, params);
	struct jw		 w;
	bool			 cleared, env, left;

	cleared = has_text(account_of(old->source, params), "botToken") ||
	    (is_default(params) && has_text(channel_of(old->source, params),
	    "botToken"));
	env = is_default(params) && cf_env(new, "TELEGRAM_BOT_TOKEN") != NULL;
	left = env || has_text(acc, "botToken") || has_text(acc,
	    "tokenFile") || has_text(top, "botToken") || has_text(top,
	    "tokenFile");
	jw_init(&w, b);
	jw_obj(&w);
	jw_ks(&w, "channel", json5_text(params, "channel", ""));
	jw_ks(&w, "accountId", json5_text(params, "accountId", ""));
	jw_kbool(&w, "cleared", cleared);
	jw_kbool(&w, "envToken", env);
	jw_kbool(&w, "loggedOut", !left);
	jw_obj_end(&w);
}
