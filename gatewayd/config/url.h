/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Addresses of remote services as the configuration writes them. */
#ifndef GATEWAYD_CONFIG_URL_H
#define GATEWAYD_CONFIG_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_url {
	bool	 tls;
	char	 host[256];	/* lower case; an IPv6 literal without [] */
	uint16_t port;
	char	 prefix[512];	/* "" or "/v1": no slash at its end */
	char	 origin[300];	/* "https://host[:port]" */
	bool	 private;	/* the host is named as private or loopback */
	bool	 loopback;
};

/* http and https only; no user, query or fragment.  0, or -1 with what is
 * wrong (without quoting the address, which may hold a password). */
int	 cf_url_parse(const char *, struct cf_url *, const char **why);
/* Does a NO_PROXY list name this host? */
bool	 cf_no_proxy(const char *list, const char *host);

#endif
