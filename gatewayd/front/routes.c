/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The table of routes, and which of them the configuration has turned on. */

#include "common/compat.h"

#include "common/parcel.h"
#include "gatewayd/front/front.h"

static const struct route routes[] = {
#define ROUTE(id, path, match, methods, owner, handler, door, body, key) \
	{ HTTP_ROUTE_##id, path, ROUTE_##match, ROUTE_##methods, \
	    ROUTE_##owner, ROUTE_##door, body, key, SERVE_##owner(handler) },
#define SERVE_FRONT(handler)	front_serve_##handler
#define SERVE_ROUTER(handler)	NULL
#define SERVE_AGENT(handler)	NULL
#include "proto/routes.def"
#undef ROUTE
#undef SERVE_FRONT
#undef SERVE_ROUTER
#undef SERVE_AGENT
};
#define NROUTES	(sizeof(routes) / sizeof(routes[0]))

void
routes_load(struct route_conf *rc, const struct parcel *p)
{
	const struct route	*r;

	for (r = routes; r < routes + NROUTES; r++) {
		rc->on[r->id] = r->key[0] == '\0' ||
		    parcel_get_bool(p, false, "route.%s", r->key);
		rc->body_max[r->id] = r->key[0] == '\0' ? r->body_max :
		    (size_t)parcel_get_num(p, (int64_t)r->body_max, 0,
		    ROUTE_BODY_MAX, "route.%s.body", r->key);
	}
}

const struct route *
route_at(size_t i)
{
	return i < NROUTES ? &routes[i] : NULL;
}

/* What is behind the route's own path, NULL when path is not of it. */
static const char *
route_rest(const struct route *r, const char *path)
{
	size_t	n;

	if (r->match == ROUTE_UI_BELOW) {
		n = strlen(front_conf.base_path);
		if (strncmp(path, front_conf.base_path, n) != 0)
			return NULL;
		path += n;
	}
	n = strlen(r->path);
	if (strncmp(path, r->path, n) != 0)
		return NULL;
	path += n;
	if (*path == '\0' || (*path == '/' && r->match != ROUTE_EXACT))
		return path;
	return NULL;
}

const struct route *
route_find(const char *path, const char **rest)
{
	const struct route	*r;

	for (r = routes; r < routes + NROUTES; r++)
		if (front_conf.routes.on[r->id] &&
		    (*rest = route_rest(r, path)) != NULL)
			return r;
	return NULL;
}
