/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>

#include "common/text.h"
#include "common/url.h"
#include "gatewayd/config/url.h"

/* RFC 1918, loopback, link-local, shared and unique-local addresses, and the
 * names that mean this machine or this network.  169.254.169.254 and kin
 * (cloud metadata) are private too, and connect refuses them even so. */
static void
url_private(struct cf_url *u)
{
	struct in6_addr	 a6;
	struct in_addr	 a4;
	const char	*dot = strrchr(u->host, '.');
	uint32_t	 a;

	if (inet_pton(AF_INET, u->host, &a4) == 1) {
		a = ntohl(a4.s_addr);
		u->loopback = a >> 24 == 127;
		u->private = u->loopback || a >> 24 == 10 ||
		    a >> 20 == 0xac1 || a >> 16 == 0xc0a8 ||
		    a >> 16 == 0xa9fe || a >> 22 == 0x191;
	} else if (inet_pton(AF_INET6, u->host, &a6) == 1) {
		u->loopback = IN6_IS_ADDR_LOOPBACK(&a6);
		u->private = u->loopback || IN6_IS_ADDR_LINKLOCAL(&a6) ||
		    (a6.s6_addr[0] & 0xfe) == 0xfc;
	} else {
		u->loopback = strcmp(u->host, "localhost") == 0 ||
		    (dot != NULL && strcmp(dot, ".localhost") == 0);
		u->private = u->loopback || dot == NULL ||
		    strcmp(dot, ".local") == 0 ||
		    strcmp(dot, ".internal") == 0 ||
		    strcmp(dot, ".lan") == 0 ||
		    (dot - u->host >= 5 && strcmp(dot - 5, ".home.arpa") == 0);
	}
}

int
cf_url_parse(const char *s, struct cf_url *u, const char **why)
{
	struct url_origin	 o;
	const char		*p = s;
	size_t			 n;

	memset(u, 0, sizeof(*u));
	if (url_origin_parse(&p, &o, why) == -1)
		return -1;
	if (strpbrk(p, "@?#\\ \t\r\n") != NULL) {
		*why = "may hold neither user, query nor fragment";
		return -1;
	}
	n = strlen(p);
	while (n > 0 && p[n - 1] == '/')
		n--;
	if (str_copy((struct str){ p, n }, u->prefix, sizeof(u->prefix)) ==
	    -1) {
		*why = "is too long";
		return -1;
	}
	u->tls = o.tls;
	u->port = o.port;
	(void)strlcpy(u->host, o.host, sizeof(u->host));
	url_origin_text(&o, u->origin);
	url_private(u);
	return 0;
}

bool
cf_no_proxy(const char *list, const char *host)
{
	size_t		 n, hn = strlen(host);
	struct str	 e;

	for (; list != NULL && *list != '\0'; list += n + (list[n] != '\0')) {
		n = strcspn(list, ", ");
		e = (struct str){ list, n };
		if (str_eqs(e, "*"))
			return true;
		if (e.n > 1 && e.p[0] == '*')
			e = (struct str){ e.p + 1, e.n - 1 };
		if (e.n > 0 && e.p[0] == '.')
			e = (struct str){ e.p + 1, e.n - 1 };
		if (e.n == 0 || e.n > hn || ascii_ncasecmp(host + hn - e.n,
		    e.p, e.n) != 0)
			continue;
		if (hn == e.n || host[hn - e.n - 1] == '.')
			return true;
	}
	return false;
}
