/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What a changed file asks for (spec/gateway-protocol.md 8.3): every changed
 * path belongs to the first rule that it falls under.  Most changes reach the
 * processes as new parcels; some need the whole gateway to start anew, and
 * gateway.reload.mode says whether that may happen by itself.
 */

#include "common/compat.h"

#include "gatewayd/config/config.h"

static const struct {
	const char	*prefix;
	bool		 restart;
} rules[] = {
	{ "gateway.remote", false },
	{ "gateway.reload", false },
	{ "hooks", false },
	{ "agents", false },
	{ "cron", false },
	{ "browser", false },
	{ "channels.defaults", true },
	{ "channels", false },
	{ "web", false },
	{ "identity", false },
	{ "wizard", false },
	{ "meta", false },	/* stamped by every writer */
	{ "$schema", false },
	{ "logging", false },
	{ "models", false },
	{ "tools", false },
	{ "bindings", false },
	{ "audio", false },
	{ "routing", false },
	{ "messages", false },
	{ "session", false },
	{ "talk", false },
	{ "skills", false },
	{ "ui", false },
	{ "", true },
};

static bool
needs_restart(const char *path)
{
	size_t	 i, n;

	for (i = 0;; i++) {
		n = strlen(rules[i].prefix);
		if (n == 0 || (strncmp(path, rules[i].prefix, n) == 0 &&
		    (path[n] == '\0' || path[n] == '.')))
			return rules[i].restart;
	}
}

/* Does anything below o, which stands at path, need one? */
static bool
any_restart(const struct json5 *o, struct dbuf *path)
{
	const struct json5	*m;
	size_t			 n = path->n;
	bool			 r = false;

	if (o->type != JSON5_OBJECT || o->child == NULL)
		return needs_restart(dbuf_str(path));
	for (m = o->child; m != NULL && !r; m = m->next) {
		dbuf_printf(path, ".%s", m->key.p);
		r = any_restart(m, path);
		path->n = n;
		path->p[n] = '\0';
	}
	return r;
}

struct differ {
	struct cf	*cf;
	struct dbuf	 path;
	bool		 keep;		/* put back what needs a restart */
	bool		 restart;
};

static bool
equal(const struct json5 *a, const struct json5 *b)
{
	struct dbuf	 x, y;
	bool		 same;

	dbuf_init_secret(&x, 2 * JSON5_TEXT_MAX);
	dbuf_init_secret(&y, 2 * JSON5_TEXT_MAX);
	same = json5_write(&x, a, 0) == 0 && json5_write(&y, b, 0) == 0 &&
	    x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0);
	dbuf_clear(&x);
	dbuf_clear(&y);
	return same;
}

static void	 changed(struct differ *, struct json5 *, struct str,
		    const struct json5 *, const struct json5 *);

static void
diff(struct differ *d, struct json5 *now, const struct json5 *was)
{
	struct json5		*m, *next;
	const struct json5	*o;

	for (m = now->child; m != NULL; m = next) {
		next = m->next;
		changed(d, now, m->key, m, json5_gets(was, m->key));
	}
	for (o = was->child; o != NULL; o = o->next)
		if (json5_gets(now, o->key) == NULL)
			changed(d, now, o->key, NULL, o);
}

/* Member key of the object in; one of now and was may be NULL. */
static void
changed(struct differ *d, struct json5 *in, struct str key,
    const struct json5 *now, const struct json5 *was)
{
	size_t	 n = d->path.n;

	dbuf_printf(&d->path, "%s%s", n > 0 ? "." : "", key.p);
	if (now != NULL && was != NULL && now->type == JSON5_OBJECT &&
	    was->type == JSON5_OBJECT)
		diff(d, json5_gets(in, key), was);
	else if (now == NULL || was == NULL ? any_restart(now != NULL ? now :
	    was, &d->path) : !equal(now, was) &&
	    needs_restart(dbuf_str(&d->path))) {
		d->restart = true;
		if (d->cf->restart_paths.n > 0)
			dbuf_puts(&d->cf->restart_paths, ", ");
		dbuf_puts(&d->cf->restart_paths, dbuf_str(&d->path));
		if (d->keep && was != NULL)
			json5_sets(d->cf->pool, in, key,
			    json5_copy(d->cf->pool, was));
		else if (d->keep)
			json5_remove(in, key.p);
	}
	d->path.n = n;
	if (d->path.p != NULL)
		d->path.p[n] = '\0';
}

void
cf_reload_class(struct cf *cf)
{
	struct differ		 d = { .cf = cf };
	struct json5_error	 err;
	struct json5		*was;
	const char		*mode;

	cf->reload = CF_RELOAD_HOT;
	mode = json5_text(cf->root, "gateway.reload.mode", "hybrid");
	if (cf->before.p == NULL || (was = json5_parse(cf->pool, 0,
	    cf->before.p, cf->before.n, &err)) == NULL ||
	    was->type != JSON5_OBJECT)
		return;
	dbuf_init(&d.path, 65536);
	d.keep = strcmp(mode, "hot") == 0;
	diff(&d, cf->root, was);
	dbuf_clear(&d.path);
	if (strcmp(mode, "off") == 0)
		cf->reload = CF_RELOAD_OFF;
	else if (strcmp(mode, "restart") == 0 ? !equal(cf->root, was) :
	    d.restart && !d.keep)
		cf->reload = CF_RELOAD_RESTART;
}
