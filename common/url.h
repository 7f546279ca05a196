/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Where an http or https address leads: scheme, host and port. */
#ifndef COMMON_URL_H
#define COMMON_URL_H

#include <stdbool.h>
#include <stdint.h>

#define URL_HOST_MAX	256

struct url_origin {
	bool	 tls;
	uint16_t port;
	char	 host[URL_HOST_MAX];	/* lower case; IPv6 without [] */
};

/* Reads up to the path, where *pp then points.  No user, no password.  0, or
 * -1 with what is wrong (without quoting the address, which may hold one). */
int	 url_origin_parse(const char **pp, struct url_origin *,
	    const char **why);
/* "https://host[:port]", without a usual port; buf has URL_ORIGIN_MAX. */
#define URL_ORIGIN_MAX	(URL_HOST_MAX + 24)
void	 url_origin_text(const struct url_origin *, char *buf);

#endif
