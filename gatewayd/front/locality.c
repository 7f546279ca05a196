/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/text.h"
#include "gatewayd/front/locality.h"

#define USER_MAX	256	/* AUTH_REQ.user */

void
locality_addr(const struct sockaddr_storage *ss, char out[ADDR_TEXT])
{
	const struct sockaddr_in6	*in6 = (const void *)ss;
	const struct sockaddr_in	*in4 = (const void *)ss;

	out[0] = '\0';
	if (ss->ss_family == AF_INET)
		inet_ntop(AF_INET, &in4->sin_addr, out, ADDR_TEXT);
	else if (ss->ss_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out,
		    ADDR_TEXT);
	else if (ss->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, out, ADDR_TEXT);
}

uint16_t
locality_port(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in6	*in6 = (const void *)ss;
	const struct sockaddr_in	*in4 = (const void *)ss;

	return ss->ss_family == AF_INET ? ntohs(in4->sin_port) :
	    ss->ss_family == AF_INET6 ? ntohs(in6->sin6_port) : 0;
}

static bool
is_loopback(const char *addr)
{
	struct in_addr	in4;

	if (strcmp(addr, "::1") == 0)
		return true;
	return inet_pton(AF_INET, addr, &in4) == 1 &&
	    (ntohl(in4.s_addr) >> 24) == 127;
}

bool
locality_is_shared(const char *addr)
{
	return strcmp(addr, "127.0.0.1") == 0 || strcmp(addr, "::1") == 0;
}

static bool
in_list(char **list, size_t n, const char *s)
{
	size_t	i;

	for (i = 0; i < n; i++)
		if (ascii_casecmp(list[i], s) == 0)
			return true;
	return false;
}

/* "1.2.3.4", "1.2.3.4:567", "::1", "[::1]:567" in its one form; false when it
 * is no address ("unknown", "_hidden"). */
static bool
forwarded_addr(struct str s, char out[ADDR_TEXT])
{
	struct sockaddr_storage	 ss = { 0 };
	struct sockaddr_in6	*in6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in	*in4 = (struct sockaddr_in *)&ss;
	const char		*p;
	char			 buf[64];

	s = str_trim(s);
	if (s.n > 0 && s.p[0] == '[') {
		s.p++;
		s.n--;
		if ((p = memchr(s.p, ']', s.n)) == NULL)
			return false;
		s.n = (size_t)(p - s.p);
	} else if ((p = memchr(s.p, ':', s.n)) != NULL &&
	    memchr(p + 1, ':', s.n - (size_t)(p + 1 - s.p)) == NULL) {
		s.n = (size_t)(p - s.p);
	}
	if (str_copy(s, buf, sizeof(buf)) == -1)
		return false;
	if (inet_pton(AF_INET, buf, &in4->sin_addr) == 1)
		ss.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, buf, &in6->sin6_addr) == 1)
		ss.ss_family = AF_INET6;
	else
		return false;
	locality_addr(&ss, out);
	return true;
}

/*
 * The nearest hop in X-Forwarded-For that is no trusted proxy, read from its
 * end: what stands before it was written by that hop and proves nothing (the
 * original took the first entry, which any client can send).
 */
static bool
forwarded_for(const struct http_head *h, const struct origin_policy *op,
    char out[ADDR_TEXT])
{
	struct str	 v, item;
	const char	*p;
	size_t		 i, end;

	for (i = h->n; i-- > 0;) {
		if (!str_ieqs(h->h[i].name, "X-Forwarded-For"))
			continue;
		v = h->h[i].value;
		while (v.n > 0) {
			end = v.n;
			for (p = v.p + end; p > v.p && p[-1] != ','; p--)
				;
			item = (struct str){ p, end - (size_t)(p - v.p) };
			if (!forwarded_addr(item, out))
				return false;
			if (!in_list(op->proxies, op->nproxies, out))
				return true;
			if (p == v.p)
				break;
			v.n = (size_t)(p - v.p) - 1;
		}
	}
	return false;
}

static bool
has_forwarding(const struct http_head *h)
{
	static const char	prefix[] = "x-forwarded-";
	struct str		n;
	size_t			i;

	for (i = 0; i < h->n; i++) {
		n = h->h[i].name;
		if (str_ieqs(n, "Forwarded") || str_ieqs(n, "X-Real-IP") ||
		    (n.n >= sizeof(prefix) - 1 && ascii_ncasecmp(n.p, prefix,
		    sizeof(prefix) - 1) == 0))
			return true;
	}
	return false;
}

/* Host or authority without its port, brackets kept off; port as text. */
static struct str
host_part(struct str s, struct str *port)
{
	const char	*p;

	*port = (struct str){ "", 0 };
	if (s.n > 0 && s.p[0] == '[') {
		if ((p = memchr(s.p, ']', s.n)) == NULL)
			return (struct str){ s.p, 0 };
		if ((size_t)(p - s.p) + 2 < s.n && p[1] == ':')
			*port = (struct str){ p + 2,
			    s.n - (size_t)(p - s.p) - 2 };
		return (struct str){ s.p + 1, (size_t)(p - s.p) - 1 };
	}
	if ((p = memchr(s.p, ':', s.n)) != NULL) {
		*port = (struct str){ p + 1, s.n - (size_t)(p - s.p) - 1 };
		s.n = (size_t)(p - s.p);
	}
	return s;
}

static bool
host_is_local(struct str host)
{
	static const char	ts[] = ".ts.net";
	struct str		port, name = host_part(host, &port);

	return str_ieqs(name, "localhost") || str_eqs(name, "127.0.0.1") ||
	    str_eqs(name, "::1") || (name.n > sizeof(ts) - 1 &&
	    ascii_ncasecmp(name.p + name.n - (sizeof(ts) - 1), ts,
	    sizeof(ts) - 1) == 0);
}

void
locality_judge(struct locality *l, const struct http_head *h,
    const char *peer, const struct origin_policy *op)
{
	struct str	v;
	bool		forwarded = has_forwarding(h), trusted;

	/* peer may be l->peer: nothing is cleared before it was copied. */
	if (peer != l->peer)
		(void)strlcpy(l->peer, peer, sizeof(l->peer));
	(void)strlcpy(l->client, l->peer, sizeof(l->client));
	l->remote[0] = '\0';
	trusted = in_list(op->proxies, op->nproxies, l->peer);
	if (trusted && forwarded && !forwarded_for(h, op, l->client)) {
		v = http_header_get(h, "X-Real-IP");
		if (v.p == NULL || !forwarded_addr(v, l->client))
			(void)strlcpy(l->client, l->peer, sizeof(l->client));
	}
	/* Whoever came through something else is not here, whatever it says
	 * about itself; and a proxy that names users need not say more. */
	l->local = !forwarded && !(trusted && op->user_header != NULL) &&
	    is_loopback(l->peer) && h->host.p != NULL &&
	    host_is_local(h->host);
	if (!l->local && !is_loopback(l->client))
		(void)strlcpy(l->remote, l->client, sizeof(l->remote));
}

/* May be sent on as a user's name. */
static bool
user_is_plain(struct str user)
{
	size_t	i;

	if (user.n > USER_MAX || !utf8_valid(user.p, user.n))
		return false;
	for (i = 0; i < user.n; i++)
		if ((unsigned char)user.p[i] < 0x20 || user.p[i] == 0x7f)
			return false;
	return true;
}

struct str
locality_user(const struct http_head *h, const char *peer,
    const struct origin_policy *op)
{
	struct str	none = { "", 0 }, user;
	size_t		i;

	if (op->user_header == NULL ||
	    !in_list(op->proxies, op->nproxies, peer))
		return none;
	for (i = 0; i < op->nrequired; i++)
		if (str_trim(http_header_get(h, op->required[i])).n == 0)
			return none;
	/* Two of them: one is not the proxy's. */
	if (http_header_count(h, op->user_header) != 1)
		return none;
	user = str_trim(http_header_get(h, op->user_header));
	return user_is_plain(user) ? user : none;
}

/* tailscaled sets each of these once, in place of what a client sent. */
struct str
locality_tailnet(const struct http_head *h, const char *peer,
    char address[ADDR_TEXT])
{
	static const char *const headers[] = { "Tailscale-User-Login",
	    "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host" };
	struct str	none = { "", 0 }, user;
	size_t		i;

	if (!locality_is_shared(peer))
		return none;
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (http_header_count(h, headers[i]) != 1 ||
		    str_trim(http_header_get(h, headers[i])).n == 0)
			return none;
	user = str_trim(http_header_get(h, headers[0]));
	if (!user_is_plain(user) ||
	    !forwarded_addr(http_header_get(h, headers[1]), address))
		return none;
	return user;
}

/* Could a foreign page make a browser send this Host to us?  Not an address,
 * for a page of that origin came from it; a name can be rebound. */
static bool
host_is_fixed(struct str host)
{
	struct in6_addr	in6;
	struct str	port, name = host_part(host, &port);
	char		buf[64];

	if (host_is_local(host))
		return true;
	return str_copy(name, buf, sizeof(buf)) == 0 &&
	    (inet_pton(AF_INET, buf, &in6) == 1 ||
	    inet_pton(AF_INET6, buf, &in6) == 1);
}

static bool
port_same(struct str a, struct str b, const char *fallback)
{
	if (a.n == 0)
		a = str_of(fallback);
	if (b.n == 0)
		b = str_of(fallback);
	return str_eq(a, b);
}

static bool
str_ieq(struct str a, struct str b)
{
	return a.n == b.n && ascii_ncasecmp(a.p, b.p, a.n) == 0;
}

bool
origin_allowed(const struct http_head *h, const struct origin_policy *op)
{
	struct str	o, oport, ohost, hport, hhost;
	const char	*fallback;
	size_t		i;

	if (http_header_count(h, "Origin") == 0)
		return true;
	if (http_header_count(h, "Origin") > 1)
		return false;
	o = http_header_get(h, "Origin");
	for (i = 0; i < op->norigins; i++)
		if (strcmp(op->origins[i], "*") == 0 ||
		    str_ieqs(o, op->origins[i]))
			return true;
	if (str_prefix(o, "http://")) {
		o.p += 7;
		o.n -= 7;
		fallback = "80";
	} else if (str_prefix(o, "https://")) {
		o.p += 8;
		o.n -= 8;
		fallback = "443";
	} else {
		return false;	/* null, file:, an extension */
	}
	if (h->host.p == NULL || memchr(o.p, '/', o.n) != NULL ||
	    !host_is_fixed(h->host))
		return false;
	ohost = host_part(o, &oport);
	hhost = host_part(h->host, &hport);
	return ohost.n > 0 && str_ieq(ohost, hhost) &&
	    port_same(oport, hport, fallback);
}

bool
host_allowed(const struct http_head *h, const char *peer,
    const struct origin_policy *op)
{
	struct str	o, name, port, host;
	const char	*p;
	size_t		i;

	/* A proxy that we trust sends what it was made for. */
	if (h->host.p == NULL || host_is_fixed(h->host) ||
	    in_list(op->proxies, op->nproxies, peer))
		return true;
	host = host_part(h->host, &port);
	for (i = 0; i < op->norigins; i++) {
		o = str_of(op->origins[i]);
		if (str_eqs(o, "*"))
			return true;
		if ((p = memmem(o.p, o.n, "://", 3)) == NULL)
			continue;
		o = str_of(p + 3);
		name = host_part(o, &port);
		if (host.n > 0 && str_ieq(name, host))
			return true;
	}
	return false;
}
