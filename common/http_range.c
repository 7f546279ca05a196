/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <time.h>

#include "common/http_range.h"

#define SECONDS_MAX	253402300799u	/* the end of the year 9999 */

enum http_range
http_range_parse(struct str s, uint64_t size, uint64_t *first, uint64_t *last)
{
	struct str	 a, b;
	const char	*dash;
	uint64_t	 from, to;

	if (s.n < 6 || ascii_ncasecmp(s.p, "bytes=", 6) != 0)
		return HTTP_RANGE_WHOLE;
	s = str_trim((struct str){ s.p + 6, s.n - 6 });
	if ((dash = memchr(s.p, '-', s.n)) == NULL ||
	    memchr(s.p, ',', s.n) != NULL)
		return HTTP_RANGE_WHOLE;
	a = (struct str){ s.p, (size_t)(dash - s.p) };
	b = (struct str){ dash + 1, s.n - a.n - 1 };
	if (a.n == 0) {
		/* The last so many bytes. */
		if (num_parse_u64(b, UINT64_MAX, &to) == -1)
			return HTTP_RANGE_WHOLE;
		if (to == 0 || size == 0)
			return HTTP_RANGE_BEYOND;
		*first = to < size ? size - to : 0;
		*last = size - 1;
		return HTTP_RANGE_PART;
	}
	to = UINT64_MAX;
	if (num_parse_u64(a, UINT64_MAX, &from) == -1 || (b.n > 0 &&
	    (num_parse_u64(b, UINT64_MAX, &to) == -1 || to < from)))
		return HTTP_RANGE_WHOLE;
	if (from >= size)
		return HTTP_RANGE_BEYOND;
	*first = from;
	*last = to < size ? to : size - 1;
	return HTTP_RANGE_PART;
}

bool
http_etag_listed(struct str list, const char *etag)
{
	struct str	 s = str_trim(list);
	const char	*end;
	size_t		 n;

	if (str_eqs(s, "*"))
		return true;
	while (s.n > 0) {
		if (s.p[0] == ',' || s.p[0] == ' ' || s.p[0] == '\t') {
			s = (struct str){ s.p + 1, s.n - 1 };
			continue;
		}
		if (str_prefix(s, "W/"))
			s = (struct str){ s.p + 2, s.n - 2 };
		if (s.n < 2 || s.p[0] != '"' || (end = memchr(s.p + 1, '"',
		    s.n - 1)) == NULL)
			return false;
		n = (size_t)(end - s.p) + 1;
		if (str_eqs((struct str){ s.p, n }, etag))
			return true;
		s = (struct str){ s.p + n, s.n - n };
	}
	return false;
}

bool
http_if_range(struct str v, const char *etag, uint64_t mtime_s)
{
	uint64_t	 t;

	if (v.n == 0 || str_eqs(v, etag))
		return true;
	return http_date_parse(v, &t) == 0 && t == mtime_s;
}

bool
http_not_modified_since(struct str v, uint64_t mtime_s)
{
	uint64_t	 t;

	return v.n > 0 && http_date_parse(v, &t) == 0 && mtime_s <= t;
}

void
http_date_text(uint64_t wall_s, char out[HTTP_DATE_MAX])
{
	struct tm	 tm;
	time_t		 t = (time_t)wall_s;

	if (wall_s > SECONDS_MAX || gmtime_r(&t, &tm) == NULL ||
	    strftime(out, HTTP_DATE_MAX, "%a, %d %b %Y %H:%M:%S GMT", &tm) ==
	    0)
		out[0] = '\0';
}

int
http_date_parse(struct str s, uint64_t *wall_s)
{
	struct tm	 tm;
	char		 buf[HTTP_DATE_MAX], again[HTTP_DATE_MAX], *end;
	time_t		 t;

	if (str_copy(s, buf, sizeof(buf)) == -1)
		return -1;
	memset(&tm, 0, sizeof(tm));
	end = strptime(buf, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (end == NULL || *end != '\0' || (t = timegm(&tm)) < 0)
		return -1;
	/* A day that is none, a wrong weekday. */
	http_date_text((uint64_t)t, again);
	if (strcmp(again, buf) != 0)
		return -1;
	*wall_s = (uint64_t)t;
	return 0;
}
