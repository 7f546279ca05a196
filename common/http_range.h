/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What a request says about a part of a file, or about the copy that a client
 * has already (RFC 9110, 13 and 14).  Pure functions over header values.
 */
#ifndef COMMON_HTTP_RANGE_H
#define COMMON_HTTP_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

enum http_range {
	HTTP_RANGE_WHOLE,	/* none, another unit, several, or malformed:
				 * the whole file is a right answer to all */
	HTTP_RANGE_PART,	/* *first to *last, both included, both < size */
	HTTP_RANGE_BEYOND,	/* 416 */
};
enum http_range http_range_parse(struct str range, uint64_t size,
	    uint64_t *first, uint64_t *last);

/* Is the tag (with its quotes) in a list of If-None-Match, or is that "*"?
 * Weakly compared. */
bool	 http_etag_listed(struct str list, const char *etag);
/* Does If-Range let a part be sent?  Only for this very tag, or for exactly
 * this time; empty lets it. */
bool	 http_if_range(struct str value, const char *etag, uint64_t mtime_s);
/* Is a file of that time not newer than If-Modified-Since says? */
bool	 http_not_modified_since(struct str value, uint64_t mtime_s);

#define HTTP_DATE_MAX	32
/* "Sun, 06 Nov 1994 08:49:37 GMT"; "" when out of range. */
void	 http_date_text(uint64_t wall_s, char out[HTTP_DATE_MAX]);
/* The same form only: 0 or -1. */
int	 http_date_parse(struct str, uint64_t *wall_s);

#endif
