/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The routes of proto/routes.def, and what a request is to those who answer
 * it in this process.
 */
#ifndef GATEWAYD_FRONT_ROUTES_H
#define GATEWAYD_FRONT_ROUTES_H

#include "common/http_parse.h"
#include "proto/enums.h"

struct conn;
struct parcel;

enum route_match { ROUTE_EXACT, ROUTE_BELOW, ROUTE_UI_BELOW };
enum route_owner { ROUTE_FRONT, ROUTE_ROUTER, ROUTE_AGENT };
enum route_door { ROUTE_OPEN, ROUTE_HOST, ROUTE_SECRET };
#define ROUTE_GET	1	/* and HEAD */
#define ROUTE_POST	2

/* One request, valid while it is being answered. */
struct http_ask {
	const struct http_head	*h;
	const struct route	*route;
	const char		*path;	/* canonical */
	const char		*rest;	/* behind the route's path: "" or "/x" */
	struct str		 query;
	bool			 head_only;
	bool			 close;	/* no request can follow this one, */
	bool			 last;	/* nor if its body is read */
};

struct route {
	enum http_route		 id;
	const char		*path;
	enum route_match	 match;
	unsigned int		 methods;
	enum route_owner	 owner;
	enum route_door		 door;
	size_t			 body_max;
	const char		*key;
	void			(*serve)(struct conn *,	/* FRONT, else NULL */
				    const struct http_ask *);
};

/* What a configuration says of each. */
struct route_conf {
	bool	 on[ROUTE_MAX];
	size_t	 body_max[ROUTE_MAX];
};

void	 routes_load(struct route_conf *, const struct parcel *);
/* Row i, NULL behind the last. */
const struct route *route_at(size_t i);
/* The route of a canonical path that is there, whatever its method; NULL when
 * there is none. */
const struct route *route_find(const char *path, const char **rest);

/* An answer from memory. */
struct response {
	unsigned int	 status;
	const char	*type;
	const void	*body;
	size_t		 n;
	const char	*extra;		/* header lines with CRLF */
	const char	*etag;
	const char	*csp;		/* NULL: that of our page */
	const char	*corp;		/* who may load it; NULL: this origin,
					 * which then is alone in its window */
	const char	*cache;		/* Cache-Control; NULL: by etag */
	bool		 lent;		/* body lives as long as we do */
	bool		 framed;	/* may be shown within our own pages */
	bool		 head_only, close;
};
void	 http_respond(struct conn *, const struct response *);
void	 http_respond_text(struct conn *, const struct http_ask *,
	    unsigned int status, const char *text);
const char *http_status_text(unsigned int status);
/* The head of an answer up to, but without, Content-Type. */
void	 http_begin(struct conn *, const struct response *);

#define ROUTE(id, path, match, methods, owner, handler, door, body, key) \
	ROUTE_PROTO_##owner(handler)
#define ROUTE_PROTO_FRONT(handler)	\
	void front_serve_##handler(struct conn *, const struct http_ask *);
#define ROUTE_PROTO_ROUTER(handler)
#define ROUTE_PROTO_AGENT(handler)
#include "proto/routes.def"
#undef ROUTE
#undef ROUTE_PROTO_FRONT
#undef ROUTE_PROTO_ROUTER
#undef ROUTE_PROTO_AGENT

#endif
