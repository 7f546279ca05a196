/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * First byte: 0 request, 1 response, 2 chunked body, 3 target.  However the
 * bytes are cut, head and body must come out the same.
 */

#include "common/compat.h"

#include "common/http_parse.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
head(bool request, const char *p, size_t n)
{
	static struct http_head	 a, b;
	ssize_t			 whole, r = 0;
	size_t			 scan = 0, i;

	whole = request ? http_request_parse(&a, p, n, &scan, 4096) :
	    http_response_parse(&a, p, n, &scan, 4096, false);
	scan = 0;
	for (i = 0; i <= n && r == 0; i++)
		r = request ? http_request_parse(&b, p, i, &scan, 4096) :
		    http_response_parse(&b, p, i, &scan, 4096, false);
	if (r != whole || a.bad != b.bad || (whole > 0 && (a.n != b.n ||
	    a.body != b.body || a.length != b.length)))
		abort();
	if (whole > 0) {
		if (a.body == HTTP_BODY_LENGTH && a.length > HTTP_LENGTH_MAX)
			abort();
		for (i = 0; i < a.n; i++)
			if (!http_token_ok(a.h[i].name) ||
			    !http_value_ok(a.h[i].value))
				abort();
		(void)http_header_has(&a, "Connection", "upgrade");
		(void)http_retry_after_ms(&a, 784111775000ULL, 60000);
	}
}

static enum http_body_result
body(const char *p, size_t n, size_t step, uint64_t *sum, size_t *taken)
{
	struct http_head	 h = { .body = HTTP_BODY_CHUNKED };
	struct http_body	 b;
	struct str		 data;
	enum http_body_result	 r = HTTP_BODY_MORE;
	size_t			 i = 0, end = 0, used, j;

	http_body_init(&b, &h);
	*sum = 0;
	while (r == HTTP_BODY_MORE && i < n) {
		if (i == end)
			end = n - i < step ? n : i + step;
		r = http_body_feed(&b, p + i, end - i, &used, &data);
		if (used > end - i || data.n > used)
			abort();
		for (j = 0; j < data.n; j++)
			*sum = *sum * 31 + (uint8_t)data.p[j];
		if (r == HTTP_BODY_MORE && used == 0)
			abort();
		i += used;
	}
	*taken = i;
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	const char	*p = (const char *)in + 1;
	struct str	 q;
	char		 out[512], again[1024];
	uint64_t	 s1, s2;
	size_t		 t1, t2, len;
	enum http_body_result r1;

	if (n-- == 0 || n > 8192)
		return 0;
	switch (in[0] % 4) {
	case 0:
	case 1:
		head(in[0] % 4 == 0, p, n);
		break;
	case 2:
		r1 = body(p, n, n + 1, &s1, &t1);
		if (body(p, n, 1, &s2, &t2) != r1)
			abort();
		if (r1 != HTTP_BODY_BAD && (s1 != s2 || t1 != t2))
			abort();
		break;
	case 3:
		if (http_path_canon((struct str){ p, n }, out, sizeof(out),
		    &q) == -1)
			break;
		len = strlen(out);
		if (out[0] != '/' || strstr(out, "//") != NULL ||
		    strstr(out, "/../") != NULL || strchr(out, '%') != NULL ||
		    !utf8_valid(out, len))
			abort();
		/* Normal means that nothing changes any more. */
		if (strchr(out, '?') != NULL || http_path_canon(
		    (struct str){ out, len }, again, sizeof(again), &q) == -1 ||
		    strcmp(out, again) != 0)
			abort();
		break;
	}
	return 0;
}
