/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/text.h"
#include "gatewayd/connect/addr_policy.h"

struct net {
	uint8_t		 addr[16];
	unsigned int	 bits;
	bool		 always;	/* closed to private destinations too */
	const char	*why;
};

/* The special-purpose registries of IANA, and what clouds put elsewhere. */
static const struct net nets4[] = {
	{ { 0 }, 8, true, "this-host address" },
	{ { 10 }, 8, false, "private address" },
	{ { 100, 100, 100, 200 }, 32, true, "metadata service" },
	{ { 100, 64 }, 10, false, "carrier-grade NAT address" },
	{ { 127 }, 8, false, "loopback address" },
	{ { 168, 63, 129, 16 }, 32, true, "metadata service" },
	{ { 169, 254 }, 16, true, "link-local address" },
	{ { 172, 16 }, 12, false, "private address" },
	{ { 192, 0, 0, 192 }, 32, true, "metadata service" },
	{ { 192, 0, 0 }, 24, false, "protocol assignment address" },
	{ { 192, 0, 2 }, 24, false, "documentation address" },
	{ { 192, 88, 99 }, 24, false, "6to4 relay address" },
	{ { 192, 168 }, 16, false, "private address" },
	{ { 198, 18 }, 15, false, "benchmark address" },
	{ { 198, 51, 100 }, 24, false, "documentation address" },
	{ { 203, 0, 113 }, 24, false, "documentation address" },
	{ { 224 }, 4, true, "multicast address" },
	{ { 240 }, 4, true, "reserved address" },
};
static const struct net nets6[] = {
	/* An IPv4 address in disguise is judged by nobody else: never. */
	{ { [10] = 0xff, [11] = 0xff }, 96, true, "mapped IPv4 address" },
	{ { [15] = 1 }, 128, false, "loopback address" },
	{ { 0 }, 96, true, "this-host address" },
	{ { 0x01 }, 64, true, "discard-only address" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, false, "documentation address" },
	{ { 0x20, 0x01 }, 23, false, "protocol assignment address" },
	{ { 0x20, 0x02 }, 16, false, "6to4 address" },
	{ { 0x3f, 0xff }, 20, false, "documentation address" },
	{ { 0xfd, 0x00, 0x0e, 0xc2 }, 32, true, "metadata service" },
	{ { 0xfc }, 7, false, "private address" },
	{ { 0xfe, 0x80 }, 10, true, "link-local address" },
	{ { 0xfe, 0xc0 }, 10, false, "site-local address" },
	{ { 0xff }, 8, true, "multicast address" },
};
static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

static bool
in_net(const uint8_t *addr, const struct net *n)
{
	unsigned int	bytes = n->bits / 8, rest = n->bits % 8;

	if (memcmp(addr, n->addr, bytes) != 0)
		return false;
	return rest == 0 ||
	    ((addr[bytes] ^ n->addr[bytes]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static const char *
refused(const uint8_t *addr, const struct net *nets, size_t count,
    bool private)
{
	size_t	i;

	for (i = 0; i < count; i++)
		if (in_net(addr, &nets[i]))
			return nets[i].always || !private ? nets[i].why : NULL;
	return NULL;
}

const char *
addr_refused(const struct sockaddr *sa, bool private)
{
	const struct sockaddr_in	*in4;
	const struct sockaddr_in6	*in6;
	const uint8_t			*a;
	const char			*why;

	if (sa->sa_family == AF_INET) {
		in4 = (const struct sockaddr_in *)sa;
		return refused((const uint8_t *)&in4->sin_addr, nets4,
		    sizeof(nets4) / sizeof(nets4[0]), private);
	}
	if (sa->sa_family != AF_INET6)
		return "unknown address family";
	in6 = (const struct sockaddr_in6 *)sa;
	a = in6->sin6_addr.s6_addr;
	/* Networks without IPv4 reach it through this prefix (RFC 6052). */
	if (memcmp(a, nat64, sizeof(nat64)) == 0)
		return refused(a + 12, nets4, sizeof(nets4) / sizeof(nets4[0]),
		    false);
	why = refused(a, nets6, sizeof(nets6) / sizeof(nets6[0]), private);
	if (why != NULL)
		return why;
	/* Only 2000::/3 has been given out. */
	if ((a[0] & 0xe0) != 0x20 && !private)
		return "unassigned address";
	return NULL;
}

static bool
name_below(const char *host, size_t n, const char *domain)
{
	size_t	d = strlen(domain);

	return n >= d && ascii_ncasecmp(host + n - d, domain, d) == 0 &&
	    (n == d || host[n - d - 1] == '.');
}

const char *
name_refused(const char *host)
{
	static const char *const	local[] = { "localhost", "local",
	    "internal", "localdomain", "home.arpa", "onion" };
	size_t				i, n = strlen(host);

	for (i = 0; i < n; i++)
		if (!ascii_isalnum((unsigned char)host[i]) &&
		    strchr("-._:", host[i]) == NULL)
			return "not a host name";
	/* The dot at the end of a whole name changes nothing. */
	while (n > 0 && host[n - 1] == '.')
		n--;
	if (n == 0)
		return "not a host name";
	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (name_below(host, n, local[i]))
			return "name of this machine or network";
	return NULL;
}
