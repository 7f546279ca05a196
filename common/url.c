/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/text.h"
#include "common/url.h"

static int
url_host(const char **pp, char host[URL_HOST_MAX], const char **why)
{
	const char	*p = *pp;
	size_t		 n, i;
	bool		 six = *p == '[';

	p += six;
	n = strcspn(p, six ? "]" : ":/?#\\");
	if (n == 0 || n >= URL_HOST_MAX || (six && p[n] != ']')) {
		*why = "has no usable host";
		return -1;
	}
	for (i = 0; i < n; i++) {
		host[i] = (char)ascii_tolower((unsigned char)p[i]);
		if (!ascii_isalnum((unsigned char)p[i]) && p[i] != '-' &&
		    p[i] != '.' && p[i] != '_' && !(six && p[i] == ':')) {
			*why = "has a strange host";
			return -1;
		}
	}
	host[n] = '\0';
	/* A dot at the end names the same host and would not compare equal. */
	if (host[n - 1] == '.')
		host[n - 1] = '\0';
	*pp = p + n + six;
	*why = "has no usable host";
	n = strlen(host);
	return n == 0 || host[0] == '.' || host[n - 1] == '.' ||
	    strstr(host, "..") != NULL ? -1 : 0;
}

int
url_origin_parse(const char **pp, struct url_origin *u, const char **why)
{
	const char	*p = *pp;
	int64_t		 port;
	size_t		 n;

	memset(u, 0, sizeof(*u));
	*why = "is no http or https address";
	if (ascii_ncasecmp(p, "https://", 8) == 0) {
		u->tls = true;
		p += 8;
	} else if (ascii_ncasecmp(p, "http://", 7) == 0)
		p += 7;
	else
		return -1;
	/* A user may hold anything but these. */
	n = strcspn(p, "/?#\\");
	if (memchr(p, '@', n) != NULL) {
		*why = "may not hold a user";
		return -1;
	}
	if (url_host(&p, u->host, why) == -1)
		return -1;
	u->port = u->tls ? 443 : 80;
	if (*p == ':') {
		n = strcspn(++p, "/?#\\");
		if (num_parse((struct str){ p, n }, 1, 65535, &port) == -1) {
			*why = "has a strange port";
			return -1;
		}
		u->port = (uint16_t)port;
		p += n;
	}
	if (*p != '\0' && strchr("/?#\\", *p) == NULL) {
		*why = "has a strange host";
		return -1;
	}
	*pp = p;
	return 0;
}

void
url_origin_text(const struct url_origin *u, char *buf)
{
	bool	 six = strchr(u->host, ':') != NULL;
	char	 port[8] = "";

	if (u->port != (u->tls ? 443 : 80))
		snprintf(port, sizeof(port), ":%u", u->port);
	snprintf(buf, URL_ORIGIN_MAX, "%s://%s%s%s%s", u->tls ? "https" :
	    "http", six ? "[" : "", u->host, six ? "]" : "", port);
}
