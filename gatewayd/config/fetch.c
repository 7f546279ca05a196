/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See fetch.h. */
#include "common/compat.h"

#include "gatewayd/config/fetch.h"
#include "gatewayd/config/url.h"

bool
cf_fetch_on(const struct cf *cf)
{
	return json5_bool(cf->root, "tools.web.fetch.enabled", false);
}

static int64_t
fetch_num(const struct cf *cf, const char *key, int64_t dflt, int64_t min,
    int64_t max)
{
	const struct json5	*v = json5_get(json5_path(cf->root,
				    "tools.web.fetch"), key);

	if (v == NULL || !v->isint)
		return dflt;
	return v->i < min ? min : v->i > max ? max : v->i;
}

static bool
fetch_origin(const struct json5 *m, struct cf_url *u, const char **why)
{
	if (cf_url_parse(m->s.p, u, why) == -1)
		return false;
	*why = "has a path";
	return u->prefix[0] == '\0';
}

void
cf_fetch_check(struct cf *cf)
{
	const struct json5	*f = json5_path(cf->root,
				    "tools.web.fetch"), *v;
	struct cf_url		 u;
	const char		*why;

	v = json5_get(f, "allowOrigins");
	for (v = v != NULL ? v->child : NULL; v != NULL; v = v->next)
		if (!fetch_origin(v, &u, &why))
			cf_error(cf, v, "tools.web.fetch.allowOrigins",
			    "this %s; an origin is http or https, a host and "
			    "maybe a port", why);
	if (f != NULL && json5_get(f, "enabled") == NULL)
		cf_warn(cf, f, "tools.web.fetch", "web_fetch is off unless "
		    "tools.web.fetch.enabled is true");
	if ((v = json5_path(cf->root,
	    "tools.web.fetch.firecrawl.enabled")) != NULL &&
	    json5_bool(f, "firecrawl.enabled", false))
		cf_warn(cf, v, "tools.web.fetch.firecrawl.enabled",
		    "pages are read here and by no service of others");
}

/* Where it may go besides public addresses. */
void
cf_fetch_dests(const struct cf *cf, struct parcel_writer *pw, size_t worker)
{
	const struct json5	*m = json5_path(cf->root,
				    "tools.web.fetch.allowOrigins");
	struct cf_url		 u;
	const char		*why;
	size_t			 n = 0;

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		if (!fetch_origin(m, &u, &why))
			continue;	/* said before */
		parcel_puts(pw, u.host, "worker.%zu.dest.%zu.host", worker, n);
		parcel_put_num(pw, u.port, "worker.%zu.dest.%zu.port", worker,
		    n);
		parcel_put_bool(pw, true, "worker.%zu.dest.%zu.private",
		    worker, n++);
	}
}

void
cf_fetch_parcel(struct cf *cf, struct parcel_writer *pw)
{
	const struct json5	*v;
	const char		*ca;
	double			 minutes;

	parcel_put_num(pw, fetch_num(cf, "maxRedirects", 3, 0, 20),
	    "maxRedirects");
	parcel_put_num(pw, 1000 * fetch_num(cf, "timeoutSeconds", 30, 1, 600),
	    "timeout_ms");
	v = json5_path(cf->root, "tools.web.fetch.cacheTtlMinutes");
	minutes = v == NULL ? 15 : v->isint ? (double)v->i : v->num;
	minutes = minutes < 0 ? 0 : minutes > 1440 ? 1440 : minutes;
	parcel_put_num(pw, (int64_t)(minutes * 60000), "cache_ms");
	parcel_put_num(pw, fetch_num(cf, "maxResponseBytes", 2000000, 1024,
	    10000000), "maxBytes");
	parcel_puts(pw, json5_text(cf->root, "tools.web.fetch.userAgent", ""),
	    "userAgent");
	parcel_put_bool(pw, json5_bool(cf->root,
	    "tools.web.fetch.readability", true), "readability");
	if ((ca = cf_env(cf, "SSL_CERT_FILE")) != NULL && ca[0] == '/')
		parcel_puts(pw, ca, "ca.file");
}
