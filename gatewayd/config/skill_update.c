/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * skills.update as a change of the configuration: what it names of
 * skills.entries.<skillKey>, and nothing else.  Texts are trimmed, and a blank
 * one takes out what is there.  A client that shows secrets as they were shown
 * to it means to leave them.
 */
#include "common/compat.h"

#include "common/json_write.h"
#include "gatewayd/config/config.h"
#include "gatewayd/config/write.h"

static const struct json5 *
entry_of(const struct json5 *root, const struct json5 *params)
{
	return json5_get(json5_path(root, "skills.entries"), json5_text(params,
	    "skillKey", ""));
}

/* key: s below o, when that changes it: 0 or -1. */
static int
put_text(struct cf *cf, struct json5 *o, const struct json5 *old,
    struct str key, struct str s)
{
	s = str_trim(s);
	if (str_eqs(s, CF_REDACTED) || (s.n == 0 && json5_gets(old, key) ==
	    NULL))
		return 0;
	return json5_sets(cf->pool, o, key, s.n == 0 ? json5_new(cf->pool,
	    JSON5_NULL, NULL) : json5_new_str(cf->pool, s, NULL));
}

static int
put_env(struct cf *cf, struct json5 *o, const struct json5 *old,
    const struct json5 *env)
{
	const struct json5	*m;
	struct json5		*to = json5_new(cf->pool, JSON5_OBJECT, NULL);
	struct str		 key;

	if (to == NULL || json5_set(cf->pool, o, "env", to) == -1)
		return -1;
	for (m = env->child; m != NULL; m = m->next) {
		key = str_trim(m->key);
		if (key.n > 0 && m->type == JSON5_STRING && put_text(cf, to,
		    json5_get(old, "env"), key, m->s) == -1)
			return -1;
	}
	return 0;
}

static struct json5 *
below(struct cf *cf, struct json5 *o, const char *key)
{
	struct json5	*v = json5_new(cf->pool, JSON5_OBJECT, NULL);

	return o == NULL || v == NULL || json5_set(cf->pool, o, key, v) == -1 ?
	    NULL : v;
}

struct json5 *
cf_skill_patch(struct cf *cf, const struct json5 *params)
{
	const struct json5	*old = entry_of(cf->source, params), *v;
	struct json5		*patch = json5_new(cf->pool, JSON5_OBJECT,
				    NULL), *o;

	o = below(cf, below(cf, below(cf, patch, "skills"), "entries"),
	    json5_text(params, "skillKey", ""));
	if (o == NULL)
		return NULL;
	if ((v = json5_get(params, "enabled")) != NULL &&
	    v->type == JSON5_BOOL && json5_set(cf->pool, o, "enabled",
	    json5_new_bool(cf->pool, v->b, NULL)) == -1)
		return NULL;
	if ((v = json5_get(params, "apiKey")) != NULL &&
	    v->type == JSON5_STRING && put_text(cf, o, old,
	    STR_LIT("apiKey"), v->s) == -1)
		return NULL;
	if ((v = json5_get(params, "env")) != NULL &&
	    v->type == JSON5_OBJECT && put_env(cf, o, old, v) == -1)
		return NULL;
	return patch;
}

void
cf_skill_answer(const struct json5 *shown, const struct json5 *params,
    struct dbuf *b)
{
	const struct json5	*entry = entry_of(shown, params);
	struct jw		 w;

	jw_init(&w, b);
	jw_obj(&w);
	jw_kbool(&w, "ok", true);
	jw_ks(&w, "skillKey", json5_text(params, "skillKey", ""));
	jw_key(&w, "config");
	if (entry != NULL)
		json5_write(b, entry, 0);
	else
		dbuf_puts(b, "{}");
	dbuf_putc(b, '}');
}
