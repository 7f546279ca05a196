/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * config.set, config.apply, config.patch and config.edit (which is a patch
 * without a restart): from the parameters of the method to the text of the
 * file and the answer of the client (spec/gateway-protocol.md 4.7, 8.4).
 */

#include "common/compat.h"

#include <time.h>

#include "common/json_write.h"
#include "gatewayd/config/edit.h"
#include "gatewayd/config/write.h"

#define RESTART_MS	2000
#define RESTART_MS_MAX	60000

static const char *const names[CF_VERB_MAX] = { "config.set", "config.patch",
	"config.apply", "config.edit", "channels.logout", "skills.update" };

void
cf_verdict_init(struct cf_verdict *v)
{
	dbuf_init_secret(&v->text, 2 * JSON5_TEXT_MAX);
	dbuf_init_secret(&v->answer, 4 * JSON5_TEXT_MAX);
	dbuf_init_secret(&v->sentinel, JSON5_TEXT_MAX);
	v->restart_ms = UINT32_MAX;
}

void
cf_verdict_clear(struct cf_verdict *v)
{
	dbuf_clear(&v->text);
	dbuf_clear(&v->answer);
	dbuf_clear(&v->sentinel);
}

/* --- refusals --------------------------------------------------------------- */

static int
refuse(struct cf_verdict *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int
refuse(struct cf_verdict *v, const char *fmt, ...)
{
	struct dbuf	 b;
	struct jw	 w;
	va_list		 ap;

	dbuf_init(&b, 8192);
	va_start(ap, fmt);
	dbuf_vprintf(&b, fmt, ap);
	va_end(ap);
	dbuf_reset(&v->answer);
	jw_init(&w, &v->answer);
	jw_obj(&w);
	jw_ks(&w, "code", "INVALID_REQUEST");
	jw_ks(&w, "message", dbuf_str(&b));
	jw_obj_end(&w);
	dbuf_clear(&b);
	return -1;
}

/* With every reason. */
static int
refuse_issues(struct cf_verdict *v, const struct cf *cf)
{
	struct jw	 w;
	size_t		 i;

	dbuf_reset(&v->answer);
	jw_init(&w, &v->answer);
	jw_obj(&w);
	jw_ks(&w, "code", "INVALID_REQUEST");
	jw_ks(&w, "message", "invalid config");
	jw_kobj(&w, "details");
	jw_karr(&w, "issues");
	for (i = 0; i < cf->nproblems; i++) {
		if (cf->problems[i].severity != CF_ERROR)
			continue;
		jw_obj(&w);
		jw_ks(&w, "path", cf->problems[i].key);
		jw_ks(&w, "message", cf->problems[i].text);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	jw_obj_end(&w);
	return -1;
}

/* --- the new text ----------------------------------------------------------- */

/* {meta: {lastTouchedVersion, lastTouchedAt}} into a patch. */
static int
stamp(struct json5_pool *pool, struct json5 *patch, const char *at)
{
	struct json5	*meta = json5_get(patch, "meta");

	if (meta == NULL || meta->type != JSON5_OBJECT) {
		if ((meta = json5_new(pool, JSON5_OBJECT, NULL)) == NULL ||
		    json5_set(pool, patch, "meta", meta) == -1)
			return -1;
	}
	return json5_set(pool, meta, "lastTouchedVersion", json5_new_str(pool,
	    STR_LIT(GW_VERSION), NULL)) == -1 || json5_set(pool, meta,
	    "lastTouchedAt", json5_new_str(pool, str_of(at), NULL)) == -1 ?
	    -1 : 0;
}

static int
check_base(const struct cf *cf, const struct json5 *params,
    struct cf_verdict *v)
{
	const char	*base = json5_text(params, "baseHash", "");

	if (!cf->exists)
		return 0;
	if (base[0] == '\0')
		return refuse(v, "config base hash required; re-run config.get "
		    "and retry");
	if (strcmp(base, cf->hash) != 0)
		return refuse(v, "config changed since last load; re-run "
		    "config.get and retry");
	return 0;
}

/* A patch of the main file: *want is what the whole has to mean then. */
static int
patched(struct cf *cf, struct json5 *patch, const char *at,
    struct json5 **want, struct cf_verdict *v)
{
	struct str	 src = STR_LIT("{}\n");
	struct json5	*doc = cf->parsed;

	if (stamp(cf->pool, patch, at) == -1)
		return refuse(v, "out of memory");
	if (cf->exists)
		src = (struct str){ cf->raw, cf->rawlen };
	else if ((doc = json5_parse(cf->pool, 0, src.p, src.n,
	    &(struct json5_error){ 0 })) == NULL)
		return refuse(v, "out of memory");
	if (edit_text(cf->pool, src, doc, patch, &v->text) == -1 ||
	    (*want = edit_merge(cf->pool, cf->source, patch)) == NULL)
		return refuse(v, "the configuration would be too large");
	return 0;
}

/* A whole new document. */
static int
replaced(struct cf *cf, struct json5 *doc, struct str raw, const char *at,
    struct cf_verdict *v)
{
	struct json5_error	 err;
	struct json5		*patch;
	struct dbuf		 text, why;
	int			 r = -1;

	dbuf_init_secret(&text, 2 * JSON5_TEXT_MAX);
	dbuf_init(&why, 4096);
	if (!cf_restore(cf, doc, raw, &text, &why))
		refuse(v, "%s", dbuf_str(&why));
	else if (doc->type != JSON5_OBJECT) {
		/* It is told what is wrong with it by the reader. */
		dbuf_put(&v->text, raw.p, raw.n);
		r = 0;
	} else if ((patch = json5_new(cf->pool, JSON5_OBJECT, NULL)) == NULL ||
	    stamp(cf->pool, patch, at) == -1 || (doc = json5_parse(cf->pool, 0,
	    dbuf_str(&text), text.n, &err)) == NULL || edit_text(cf->pool,
	    (struct str){ dbuf_str(&text), text.n }, doc, patch, &v->text) ==
	    -1)
		refuse(v, "the configuration would be too large");
	else
		r = 0;
	dbuf_clear(&text);
	dbuf_clear(&why);
	return r;
}

/* --- the answer ------------------------------------------------------------- */

static void
put_opt(struct jw *w, const struct json5 *params, const char *from,
    const char *key, bool null)
{
	const struct json5	*s = json5_get(params, from);

	if (s != NULL && s->type == JSON5_STRING && s->s.n > 0)
		jw_kstr(w, key, s->s);
	else if (null)
		jw_knull(w, key);
}

static void
put_sentinel(struct jw *w, const struct cf *cf, const struct cf_wish *wish,
    const struct json5 *params)
{
	jw_obj(w);
	jw_ks(w, "kind", "config-apply");
	jw_ks(w, "status", "ok");
	jw_kuint(w, "ts", wish->now_ms);
	put_opt(w, params, "sessionKey", "sessionKey", false);
	put_opt(w, params, "note", "message", true);
	jw_ks(w, "doctorHint", "Run: openclaw config validate");
	jw_kobj(w, "stats");
	jw_ks(w, "mode", names[wish->verb]);
	jw_ks(w, "root", cf->state_dir);
	jw_obj_end(w);
	jw_obj_end(w);
}

static int
answer(const struct cf *old, struct cf *cf, const struct cf_wish *wish,
    const struct json5 *params, struct cf_verdict *v)
{
	const struct json5	*delay = json5_get(params, "restartDelayMs");
	struct json5		*shown;
	struct dbuf		 path;
	struct jw		 w, s;

	/* The secrets of the new text are known from its parcels. */
	if ((shown = cf_redact(cf, cf->root, keys_root())) == NULL)
		return refuse(v, "out of memory");
	dbuf_reset(&v->answer);
	if (wish->verb == CF_LOGOUT) {
		cf_logout_answer(old, cf, params, &v->answer);
		return dbuf_err(&v->answer) ? refuse(v, "out of memory") : 0;
	}
	if (wish->verb == CF_SKILL) {
		cf_skill_answer(shown, params, &v->answer);
		return dbuf_err(&v->answer) ? refuse(v, "out of memory") : 0;
	}
	jw_init(&w, &v->answer);
	jw_obj(&w);
	jw_kbool(&w, "ok", true);
	jw_ks(&w, "path", cf->path);
	jw_key(&w, "config");
	json5_write(&v->answer, shown, 0);
	w.comma = true;
	if (wish->verb == CF_PATCH || wish->verb == CF_APPLY) {
		v->restart_ms = RESTART_MS;
		if (delay != NULL && delay->isint && delay->i >= 0)
			v->restart_ms = delay->i < RESTART_MS_MAX ?
			    (uint32_t)delay->i : RESTART_MS_MAX;
		jw_kobj(&w, "restart");
		jw_kbool(&w, "ok", true);
		jw_kuint(&w, "pid", wish->pid);
		jw_ks(&w, "signal", "SIGUSR1");
		jw_kuint(&w, "delayMs", v->restart_ms);
		jw_ks(&w, "reason", names[wish->verb]);
		jw_ks(&w, "mode", "emit");
		jw_obj_end(&w);
		jw_kobj(&w, "sentinel");
		dbuf_init(&path, 8192);
		dbuf_printf(&path, "%s/restart-sentinel.json", cf->state_dir);
		jw_ks(&w, "path", dbuf_str(&path));
		dbuf_clear(&path);
		jw_key(&w, "payload");
		put_sentinel(&w, cf, wish, params);
		jw_obj_end(&w);
		jw_init(&s, &v->sentinel);
		jw_obj(&s);
		jw_kuint(&s, "version", 1);
		jw_key(&s, "payload");
		put_sentinel(&s, cf, wish, params);
		jw_obj_end(&s);
		dbuf_putc(&v->sentinel, '\n');
	}
	jw_obj_end(&w);
	return dbuf_err(&v->answer) || dbuf_err(&v->sentinel) ?
	    refuse(v, "the configuration is too large to be shown") : 0;
}

/* What a method other than those of config.* means to change. */
static int
as_meant(struct cf *cf, enum cf_verb verb, const struct json5 *params,
    const char *at, struct json5 **want, struct cf_verdict *v)
{
	struct json5	*patch;

	if (!cf->sound)
		return refuse(v, "config invalid; fix it before %s", verb ==
		    CF_LOGOUT ? "logging out" : "changing a skill");
	/* Names of keys have a limit, in this text and in the file. */
	if (params == NULL || (verb == CF_SKILL && strlen(json5_text(params,
	    "skillKey", "")) > JSON5_KEY_MAX))
		return refuse(v, "invalid %s params: a name in it has more "
		    "than %d bytes", names[verb], JSON5_KEY_MAX);
	patch = verb == CF_LOGOUT ? cf_logout_patch(cf, params) :
	    cf_skill_patch(cf, params);
	return patch == NULL ? refuse(v, "out of memory") : patched(cf, patch,
	    at, want, v);
}

/* The client's own text, whole or as a patch. */
static int
as_told(struct cf *cf, const struct cf_wish *wish, const struct json5 *params,
    const char *at, struct json5 **want, struct cf_verdict *v)
{
	struct json5_error	 err;
	struct json5		*doc;
	const struct json5	*raw;
	struct dbuf		 path;
	bool			 same;

	raw = json5_get(params, "raw");
	if (raw == NULL || raw->type != JSON5_STRING)
		return refuse(v, "invalid %s params: raw (string) required",
		    names[wish->verb]);
	if (check_base(cf, params, v) == -1)
		return -1;
	if ((wish->verb == CF_PATCH || wish->verb == CF_EDIT) &&
	    !cf->sound)
		return refuse(v, "invalid config; fix before patching");
	if ((doc = json5_parse(cf->pool, 0, raw->s.p, raw->s.n, &err)) == NULL)
		return refuse(v, "SyntaxError: %s", err.text);
	if (wish->verb == CF_PATCH || wish->verb == CF_EDIT) {
		if (doc->type != JSON5_OBJECT)
			return refuse(v, "%s raw must be an object",
			    names[wish->verb]);
		dbuf_init(&path, 4096);
		same = cf_restore(cf, doc, raw->s, NULL, &path);
		if (!same)
			refuse(v, "%s", dbuf_str(&path));
		dbuf_clear(&path);
		if (!same || patched(cf, doc, at, want, v) == -1)
			return -1;
	} else if (replaced(cf, doc, raw->s, at, v) == -1)
		return -1;
	return 0;
}

int
cf_write(struct cf *cf, struct cf *fresh, const struct cf_wish *wish,
    struct cf_verdict *v)
{
	struct json5_error	 err;
	struct json5		*params, *want = NULL;
	struct dbuf		 path;
	char			 at[32], ms[8];
	time_t			 now = (time_t)(wish->now_ms / 1000);
	struct tm		 tm;
	bool			 same;

	memset(&tm, 0, sizeof(tm));
	if (cf->pool == NULL || gmtime_r(&now, &tm) == NULL)
		return refuse(v, "out of memory");
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ms, sizeof(ms), ".%03uZ", (unsigned int)(wish->now_ms %
	    1000));
	strlcat(at, ms, sizeof(at));
	params = json5_parse(cf->pool, 0, wish->params, wish->n, &err);
	if ((wish->verb == CF_LOGOUT || wish->verb == CF_SKILL ? as_meant(cf,
	    wish->verb, params, at, &want, v) : as_told(cf, wish, params, at,
	    &want, v)) == -1)
		return -1;
	if (v->text.n > JSON5_TEXT_MAX)
		return refuse(v, "the configuration would be too large");
	if (cf_run(fresh, dbuf_str(&v->text), v->text.n) == -1 ||
	    fresh->nerrors > 0)
		return refuse_issues(v, fresh);
	if (want != NULL) {
		dbuf_init(&path, 65536);
		same = edit_same(want, fresh->source, &path);
		if (!same)
			refuse(v, "%s: an included file says otherwise; change "
			    "it there", dbuf_str(&path));
		dbuf_clear(&path);
		if (!same)
			return -1;
	}
	return answer(cf, fresh, wish, params, v);
}
