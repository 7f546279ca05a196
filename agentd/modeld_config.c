/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>

#include "agentd/modeld.h"

/* "https://host:port" without path, user or query. */
static int
read_origin(struct modeld_config *c, const char *origin)
{
	struct str	 rest = str_of(origin), port = { NULL, 0 };
	const char	*colon;
	int64_t		 n;

	if (str_prefix(rest, "https://")) {
		c->tls = true;
		rest.p += 8;
		rest.n -= 8;
	} else if (str_prefix(rest, "http://")) {
		rest.p += 7;
		rest.n -= 7;
	} else
		return -1;
	c->port = c->tls ? 443 : 80;
	if (rest.n > 0 && rest.p[0] == '[') {
		if ((colon = memchr(rest.p, ']', rest.n)) == NULL)
			return -1;
		port.p = colon + 1;
		port.n = (size_t)(rest.p + rest.n - port.p);
		rest.p++;
		rest.n = (size_t)(colon - rest.p);
	} else if ((colon = memchr(rest.p, ':', rest.n)) != NULL) {
		port.p = colon;
		port.n = (size_t)(rest.p + rest.n - colon);
		rest.n = (size_t)(colon - rest.p);
	}
	if (port.n > 0) {
		if (port.p[0] != ':')
			return -1;
		port.p++;
		port.n--;
		if (num_parse(port, 1, 65535, &n) == -1)
			return -1;
		c->port = (uint16_t)n;
	}
	if (rest.n == 0 || rest.p[rest.n - 1] == '.' ||
	    memchr(rest.p, '/', rest.n) != NULL ||
	    memchr(rest.p, '@', rest.n) != NULL ||
	    memchr(rest.p, '?', rest.n) != NULL)
		return -1;
	return str_copy(rest, c->host, sizeof(c->host));
}

/* May a credential go to this host without TLS?  Loopback and private
 * addresses, and names that no public zone has. */
static bool
host_is_near(const char *host)
{
	struct in6_addr	 a6;
	struct in_addr	 a;
	uint32_t	 v;
	size_t		 n = strlen(host);

	if (inet_pton(AF_INET, host, &a) == 1) {
		v = ntohl(a.s_addr);
		return v >> 24 == 127 || v >> 24 == 10 || v >> 20 == 0xac1 ||
		    v >> 16 == 0xc0a8 || v >> 22 == (100u << 2 | 1);
	}
	if (inet_pton(AF_INET6, host, &a6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&a6) ||
		    (a6.s6_addr[0] & 0xfe) == 0xfc;
	if (strchr(host, '.') == NULL)
		return true;
	return (n > 6 && ascii_casecmp(host + n - 6, ".local") == 0) ||
	    (n > 4 && ascii_casecmp(host + n - 4, ".lan") == 0) ||
	    (n > 9 && ascii_casecmp(host + n - 9, ".internal") == 0) ||
	    (n > 10 && ascii_casecmp(host + n - 10, ".localhost") == 0);
}

static int
read_headers(struct modeld_config *c, const struct parcel *p, char *why,
    size_t size)
{
	const char	*name;
	struct str	 value;

	for (;;) {
		name = parcel_get(p, "header.%zu.name", c->nheaders);
		if (name == NULL)
			return 0;
		value = parcel_get_str(p, "header.%zu.value", c->nheaders);
		if (c->nheaders == MODELD_HEADERS_MAX || value.p == NULL ||
		    !http_token_ok(str_of(name)) || !http_value_ok(value) ||
		    strlcpy(c->header[c->nheaders].name, name,
		    sizeof(c->header[0].name)) >= sizeof(c->header[0].name)) {
			snprintf(why, size, "header %zu is malformed",
			    c->nheaders);
			return -1;
		}
		if (secret_set(&c->header[c->nheaders].value, value) == -1) {
			snprintf(why, size, "header %zu cannot be kept",
			    c->nheaders);
			return -1;
		}
		c->nheaders++;
	}
}

int
modeld_config_read(struct modeld_config *c, const struct parcel *p, char *why,
    size_t size)
{
	const char	*origin, *prefix, *style, *ca;
	struct str	 secret;
	char		 canon[512];
	struct str	 query;
	size_t		 n;

	memset(c, 0, sizeof(*c));
	if (p == NULL) {
		strlcpy(why, "there is no configuration", size);
		return -1;
	}
	origin = parcel_get(p, "provider");
	strlcpy(c->provider, origin == NULL ? "?" : origin,
	    sizeof(c->provider));
	if ((origin = parcel_get(p, "origin")) == NULL ||
	    read_origin(c, origin) == -1) {
		snprintf(why, size, "provider %s: the origin must be "
		    "https://host or http://host, with a port or without",
		    c->provider);
		goto fail;
	}
	if ((prefix = parcel_get(p, "path_prefix")) == NULL)
		prefix = "";
	n = strlen(prefix);
	while (n > 0 && prefix[n - 1] == '/')
		n--;
	if (n > 0 && (str_copy((struct str){ prefix, n }, c->prefix,
	    sizeof(c->prefix)) == -1 || http_path_canon(str_of(c->prefix),
	    canon, sizeof(canon), &query) == -1 || query.n > 0)) {
		snprintf(why, size, "provider %s: the path of the base URL "
		    "is malformed", c->provider);
		goto fail;
	}
	if ((ca = parcel_get(p, "ca.file")) != NULL &&
	    strlcpy(c->ca_file, ca, sizeof(c->ca_file)) >=
	    sizeof(c->ca_file)) {
		strlcpy(why, "ca.file is too long", size);
		goto fail;
	}
	c->proxy = parcel_get(p, "proxy.host") != NULL;
	secret = parcel_get_str(p, "auth.secret");
	if ((style = parcel_get(p, "auth.style")) == NULL)
		style = "none";
	if (strcmp(style, "x-api-key") == 0)
		c->auth = AUTH_API_KEY;
	else if (strcmp(style, "bearer") == 0)
		c->auth = AUTH_BEARER;
	else if (strcmp(style, "none") == 0)
		c->auth = AUTH_NONE;
	else {
		snprintf(why, size, "provider %s: auth.style is unknown",
		    c->provider);
		goto fail;
	}
	if (secret.n == 0)
		c->auth = AUTH_NONE;
	if (c->auth != AUTH_NONE) {
		if (!http_value_ok(secret)) {
			snprintf(why, size, "provider %s: the key has bytes "
			    "that no header can carry", c->provider);
			goto fail;
		}
		if (!c->tls && !host_is_near(c->host)) {
			snprintf(why, size, "provider %s: a key goes to %s "
			    "over https only", c->provider, c->host);
			goto fail;
		}
		if (secret_set(&c->secret, secret) == -1) {
			snprintf(why, size, "provider %s: the key cannot be "
			    "kept", c->provider);
			goto fail;
		}
	}
	if (read_headers(c, p, why, size) == -1)
		goto fail;
	return 0;
fail:
	modeld_config_clear(c);
	return -1;
}

void
modeld_config_clear(struct modeld_config *c)
{
	size_t	 i;

	secret_clear(&c->secret);
	for (i = 0; i < c->nheaders; i++)
		secret_clear(&c->header[i].value);
	memset(c, 0, sizeof(*c));
}

bool
modeld_config_same_place(const struct modeld_config *a,
    const struct modeld_config *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port &&
	    a->tls == b->tls && a->proxy == b->proxy &&
	    strcmp(a->ca_file, b->ca_file) == 0;
}

int
modeld_path(const struct modeld_config *c, struct str path, char *out,
    size_t size)
{
	char		 canon[2048];
	struct str	 query;
	size_t		 i;
	int		 n;

	if (path.n == 0 || path.p[0] != '/' || path.n > 1024)
		return -1;
	for (i = 0; i < path.n; i++)
		if (path.p[i] <= 0x20 || path.p[i] >= 0x7f)
			return -1;
	n = snprintf(out, size, "%s%.*s", c->prefix, (int)path.n, path.p);
	if (n < 0 || (size_t)n >= size)
		return -1;
	/* Refuses "..", doubled and encoded slashes, and what else servers
	 * read in different ways; so what is below the prefix stays there. */
	return http_path_canon(str_of(out), canon, sizeof(canon), &query);
}

static bool
contains(struct str s, const char *part)
{
	size_t	 i, n = strlen(part);

	for (i = 0; i + n <= s.n; i++)
		if (ascii_ncasecmp(s.p + i, part, n) == 0)
			return true;
	return false;
}

bool
modeld_header_allowed(struct str name)
{
	static const char *const parts[] = { "auth", "key", "token", "secret",
	    "cookie", "credential", "session", NULL };
	static const char *const names[] = { "host", "connection",
	    "content-length", "transfer-encoding", "upgrade", "te", "trailer",
	    "expect", "keep-alive", "via", "forwarded", NULL };
	size_t	 i;

	if (!http_token_ok(name))
		return false;
	for (i = 0; parts[i] != NULL; i++)
		if (contains(name, parts[i]))
			return false;
	for (i = 0; names[i] != NULL; i++)
		if (str_ieqs(name, names[i]))
			return false;
	return !(name.n >= 6 && ascii_ncasecmp(name.p, "proxy-", 6) == 0) &&
	    !(name.n >= 12 && ascii_ncasecmp(name.p, "x-forwarded-", 12) ==
	    0);
}

bool
modeld_header_told(struct str name)
{
	static const char *const names[] = { "content-type", "retry-after",
	    "retry-after-ms", "x-should-retry", "request-id", "x-request-id",
	    "openai-processing-ms", "date", NULL };
	size_t	 i;

	for (i = 0; names[i] != NULL; i++)
		if (str_ieqs(name, names[i]))
			return true;
	return (name.n > 20 && ascii_ncasecmp(name.p, "anthropic-ratelimit-",
	    20) == 0) || (name.n > 12 && ascii_ncasecmp(name.p,
	    "x-ratelimit-", 12) == 0);
}

static void
redact_one(const struct secret *s, char *p, size_t n)
{
	char	*at;

	/* Shorter ones are no secrets, and would spoil every text. */
	if (s->p == NULL || s->n < 6)
		return;
	while (n >= s->n && (at = memmem(p, n, s->p, s->n)) != NULL) {
		memset(at, '*', s->n);
		n -= (size_t)(at - p) + s->n;
		p = at + s->n;
	}
}

void
modeld_redact(const struct modeld_config *c, char *p, size_t n)
{
	size_t	 i;

	redact_one(&c->secret, p, n);
	for (i = 0; i < c->nheaders; i++)
		redact_one(&c->header[i].value, p, n);
}
