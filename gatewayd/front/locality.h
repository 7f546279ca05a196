/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Where a request comes from, and whether a browser may send it (T10, T11).
 * Pure: heads and addresses in, verdicts out. */
#ifndef GATEWAYD_FRONT_LOCALITY_H
#define GATEWAYD_FRONT_LOCALITY_H

#include <sys/socket.h>

#include "common/http_parse.h"

#define ADDR_TEXT	46

struct origin_policy {
	char	**proxies;	/* addresses that may speak for others */
	size_t	  nproxies;
	char	**origins;	/* that may connect besides our own */
	size_t	  norigins;
	char	 *user_header;	/* in which a proxy names who logged in */
	char	**required;	/* headers that it sends with that */
	size_t	  nrequired;
	bool	  tls;
};

struct locality {
	char	peer[ADDR_TEXT];	/* of the socket */
	char	client[ADDR_TEXT];	/* whom it speaks for; peer if nobody */
	char	remote[ADDR_TEXT];	/* for records; "" when local */
	bool	local;			/* spec 2.6: local direct */
};

/* "127.0.0.1" of ::ffff:127.0.0.1; "" when it is no Internet address. */
void	 locality_addr(const struct sockaddr_storage *, char out[ADDR_TEXT]);
uint16_t locality_port(const struct sockaddr_storage *);
/* Everybody on this host, and everybody behind a proxy on it that is not
 * trusted, has this address: what one of them did is not held against all. */
bool	 locality_is_shared(const char *addr);
void	 locality_judge(struct locality *, const struct http_head *,
	    const char *peer, const struct origin_policy *);
/* Whom a trusted proxy, known by the address of its socket, says it has let
 * in; "" when nobody is named, or not as agreed. */
struct str locality_user(const struct http_head *, const char *peer,
	    const struct origin_policy *);
/* Whom `tailscale serve` names, by the headers of a request from this host
 * alone, and the address that is to be his: "" when it names nobody, or not in
 * the one way that it has.  Proves nothing by itself. */
struct str locality_tailnet(const struct http_head *, const char *peer,
	    char address[ADDR_TEXT]);
/* May this upgrade be made?  Only browsers send Origin, and they do not let a
 * page choose it. */
bool	 origin_allowed(const struct http_head *, const struct origin_policy *);
/* The same for what a page asks of its own origin, which has no Origin: false
 * for a name that anybody could have bound to our address. */
bool	 host_allowed(const struct http_head *, const char *peer,
	    const struct origin_policy *);

#endif
