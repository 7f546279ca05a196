/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The one normal form of a request target; see http_parse.h. */

#include "common/compat.h"

#include "common/http_parse.h"

static int
percent_value(const char *p, size_t left)
{
	char	c;

	if (left < 3 || hex_decode((struct str){ p + 1, 2 }, &c, 1) != 1)
		return -1;
	return (unsigned char)c;
}

/* Is the segment that ends at out + n, after its slash, one we take? */
static bool
segment_ok(const char *seg, size_t n, bool last)
{
	if (n == 0)
		return last;	/* "/ui/" is a folder, "//" nothing */
	return !(n == 1 && seg[0] == '.') &&
	    !(n == 2 && seg[0] == '.' && seg[1] == '.');
}

int
http_path_canon(struct str target, char *out, size_t size, struct str *query)
{
	const char	*q;
	size_t		 i, n = 0, seg = 1;
	int		 c;

	*query = (struct str){ NULL, 0 };
	if ((q = memchr(target.p, '?', target.n)) != NULL) {
		query->p = q + 1;
		query->n = target.n - (size_t)(q - target.p) - 1;
		target.n = (size_t)(q - target.p);
	}
	if (target.n == 0 || target.p[0] != '/')
		return -1;
	for (i = 0; i < target.n; i++) {
		c = (unsigned char)target.p[i];
		if (c == '%') {
			c = percent_value(target.p + i, target.n - i);
			/* A second reader may decode once more or once less. */
			if (c == -1 || c == '/' || c == '%' || c == '?' ||
			    c == '#')
				return -1;
			i += 2;
		} else if (c == '/' && i > 0) {
			if (!segment_ok(out + seg, n - seg, false))
				return -1;
			seg = n + 1;
		}
		if (c < 0x20 || c == 0x7f || c == '\\' || c == ';')
			return -1;
		if (n + 1 >= size)
			return -1;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	if (!segment_ok(out + seg, n - seg, true) || !utf8_valid(out, n))
		return -1;
	return 0;
}
