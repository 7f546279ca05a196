/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* HTTP/1.1 heads; bodies and targets are in http_body.c and http_path.c. */

#include "common/compat.h"

#include "common/http_parse.h"

#define METHOD_MAX	32
#define HOST_MAX	255

static const char *const bad_names[HTTP_BAD_MAX] = {
	"none",
	"control byte or bare line end",
	"malformed first line",
	"unsupported HTTP version",
	"malformed header line",
	"head too large",
	"malformed request target",
	"malformed Host",
	"malformed Content-Length",
	"unsupported Transfer-Encoding",
};

const char *
http_bad_name(enum http_bad bad)
{
	return (unsigned int)bad < HTTP_BAD_MAX ? bad_names[bad] : "?";
}

static bool
is_tchar(unsigned char c)
{
	if (ascii_isalnum(c))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool
http_token_ok(struct str s)
{
	size_t	i;

	for (i = 0; i < s.n; i++)
		if (!is_tchar((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

bool
http_value_ok(struct str s)
{
	unsigned char	c;
	size_t		i;

	for (i = 0; i < s.n; i++) {
		c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static struct str
trim_ows(struct str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/*
 * Finds the empty line and refuses on the way what no head may hold, so that
 * a TLS hello or a binary protocol costs one look and no wait.
 */
static ssize_t
head_scan(struct http_head *h, const char *p, size_t n, size_t *scan,
    size_t max)
{
	unsigned char	c;
	size_t		i, end = n < max ? n : max;

	for (i = *scan; i < end; i++) {
		c = (unsigned char)p[i];
		if (c == '\n') {
			if (i == 0 || p[i - 1] != '\r')
				goto bad;
			if (i >= 3 && p[i - 2] == '\n') {
				*scan = 0;
				return (ssize_t)(i + 1);
			}
			/* An empty line before the first one. */
			if (i == 1)
				goto bad;
		} else if (i > 0 && p[i - 1] == '\r') {
			goto bad;
		} else if ((c < 0x20 && c != '\r' && c != '\t') || c == 0x7f) {
			goto bad;
		}
	}
	*scan = i;
	if (n >= max) {
		h->bad = HTTP_BAD_TOO_LARGE;
		return -1;
	}
	return 0;
bad:
	h->bad = HTTP_BAD_BYTE;
	return -1;
}

/* The next line without its CRLF, which head_scan saw. */
static struct str
line_next(const char **p, const char *end)
{
	struct str	 s;
	const char	*nl;

	nl = memchr(*p, '\n', (size_t)(end - *p));
	if (nl == NULL)
		nl = end - 1;	/* cannot be: the head ends in one */
	s.p = *p;
	s.n = (size_t)(nl - *p) - 1;
	*p = nl + 1;
	return s;
}

static int
version_parse(struct http_head *h, struct str s)
{
	if (str_eqs(s, "HTTP/1.1"))
		h->minor = 1;
	else if (str_eqs(s, "HTTP/1.0"))
		h->minor = 0;
	else {
		h->bad = s.n == 8 && str_prefix(s, "HTTP/") ?
		    HTTP_BAD_VERSION : HTTP_BAD_LINE;
		return -1;
	}
	return 0;
}

static int
request_line(struct http_head *h, struct str s)
{
	const char	*sp;
	size_t		 i;

	if ((sp = memchr(s.p, ' ', s.n)) == NULL)
		goto bad;
	h->method = (struct str){ s.p, (size_t)(sp - s.p) };
	if (h->method.n > METHOD_MAX || !http_token_ok(h->method))
		goto bad;
	s.n -= h->method.n + 1;
	s.p = sp + 1;
	if ((sp = memchr(s.p, ' ', s.n)) == NULL)
		goto bad;
	h->target = (struct str){ s.p, (size_t)(sp - s.p) };
	s.n -= h->target.n + 1;
	s.p = sp + 1;
	if (h->target.n == 0 || h->target.n > HTTP_TARGET_MAX)
		goto bad_target;
	for (i = 0; i < h->target.n; i++)
		if ((unsigned char)h->target.p[i] <= 0x20 ||
		    (unsigned char)h->target.p[i] >= 0x7f ||
		    h->target.p[i] == '#')
			goto bad_target;
	return version_parse(h, s);
bad:
	h->bad = HTTP_BAD_LINE;
	return -1;
bad_target:
	h->bad = HTTP_BAD_TARGET;
	return -1;
}

static int
status_line(struct http_head *h, struct str s)
{
	unsigned int	i;

	/* "HTTP/1.1 200" and a reason, which nobody needs; the blank before an
	 * empty reason is often left out. */
	if (s.n < 12 || s.p[8] != ' ' || (s.n > 12 && s.p[12] != ' ')) {
		h->bad = HTTP_BAD_LINE;
		return -1;
	}
	if (version_parse(h, (struct str){ s.p, 8 }) == -1)
		return -1;
	for (i = 9; i < 12; i++) {
		if (!ascii_isdigit(s.p[i])) {
			h->bad = HTTP_BAD_LINE;
			return -1;
		}
		h->status = h->status * 10 + (unsigned int)(s.p[i] - '0');
	}
	if (h->status < 100 || h->status > 599) {
		h->bad = HTTP_BAD_LINE;
		return -1;
	}
	return 0;
}

static int
header_lines(struct http_head *h, const char *p, const char *end)
{
	struct str	 s;
	const char	*colon;

	for (;;) {
		s = line_next(&p, end);
		if (s.n == 0)
			return 0;
		if (h->n == HTTP_HEADERS_MAX) {
			h->bad = HTTP_BAD_TOO_LARGE;
			return -1;
		}
		/* A blank in front is a folded line: its blank is no token. */
		if ((colon = memchr(s.p, ':', s.n)) == NULL)
			goto bad;
		h->h[h->n].name = (struct str){ s.p, (size_t)(colon - s.p) };
		if (!http_token_ok(h->h[h->n].name))
			goto bad;
		h->h[h->n].value = trim_ows((struct str){ colon + 1,
		    s.n - h->h[h->n].name.n - 1 });
		h->n++;
	}
bad:
	h->bad = HTTP_BAD_HEADER;
	return -1;
}

struct str
http_header_get(const struct http_head *h, const char *name)
{
	size_t	i;

	for (i = 0; i < h->n; i++)
		if (str_ieqs(h->h[i].name, name))
			return h->h[i].value;
	return (struct str){ NULL, 0 };
}

size_t
http_header_count(const struct http_head *h, const char *name)
{
	size_t	i, n = 0;

	for (i = 0; i < h->n; i++)
		if (str_ieqs(h->h[i].name, name))
			n++;
	return n;
}

bool
http_header_has(const struct http_head *h, const char *name, const char *word)
{
	struct str	 v, item;
	const char	*comma;
	size_t		 i;

	for (i = 0; i < h->n; i++) {
		if (!str_ieqs(h->h[i].name, name))
			continue;
		v = h->h[i].value;
		while (v.n > 0) {
			comma = memchr(v.p, ',', v.n);
			item.p = v.p;
			item.n = comma == NULL ? v.n : (size_t)(comma - v.p);
			if (str_ieqs(trim_ows(item), word))
				return true;
			if (comma == NULL)
				break;
			v.n -= item.n + 1;
			v.p = comma + 1;
		}
	}
	return false;
}

/* A name, an address literal in brackets, and perhaps a port. */
static bool
host_ok(struct str s)
{
	size_t	i = 0, port;

	if (s.n == 0 || s.n > HOST_MAX)
		return false;
	if (s.p[0] == '[') {
		for (i = 1; i < s.n && s.p[i] != ']'; i++)
			if (!ascii_isxdigit(s.p[i]) && s.p[i] != ':' &&
			    s.p[i] != '.')
				return false;
		if (i < 3 || i == s.n)
			return false;
		i++;
	} else {
		for (; i < s.n && s.p[i] != ':'; i++)
			if (!ascii_isalnum(s.p[i]) && s.p[i] != '-' &&
			    s.p[i] != '.' && s.p[i] != '_')
				return false;
		if (i == 0)
			return false;
	}
	if (i == s.n)
		return true;
	if (s.p[i++] != ':')
		return false;
	for (port = i; i < s.n; i++)
		if (!ascii_isdigit(s.p[i]))
			return false;
	return s.n - port <= 5;
}

static int
length_parse(struct http_head *h, struct str s)
{
	if (s.n == 0 || s.n > 16 || !ascii_isdigit(s.p[0]) ||
	    num_parse_u64(s, HTTP_LENGTH_MAX, &h->length) == -1) {
		h->bad = HTTP_BAD_LENGTH;
		return -1;
	}
	return 0;
}

/* How long the message is, with one possible answer or none at all. */
static int
framing(struct http_head *h)
{
	struct str	te;
	size_t		ncl, nte;

	ncl = http_header_count(h, "Content-Length");
	nte = http_header_count(h, "Transfer-Encoding");
	if (ncl > 1) {
		h->bad = HTTP_BAD_LENGTH;
		return -1;
	}
	if (nte > 0) {
		te = http_header_get(h, "Transfer-Encoding");
		if (nte > 1 || ncl > 0 || h->minor == 0 ||
		    !str_ieqs(te, "chunked")) {
			h->bad = HTTP_BAD_CODING;
			return -1;
		}
		h->body = HTTP_BODY_CHUNKED;
	} else if (ncl == 1) {
		if (length_parse(h, http_header_get(h,
		    "Content-Length")) == -1)
			return -1;
		h->body = h->length == 0 ? HTTP_BODY_NONE : HTTP_BODY_LENGTH;
	}
	if (http_header_has(h, "Connection", "close"))
		h->keep_alive = false;
	else
		h->keep_alive = h->minor == 1 ||
		    http_header_has(h, "Connection", "keep-alive");
	h->upgrade = http_header_has(h, "Connection", "upgrade");
	return 0;
}

static void
head_init(struct http_head *h)
{
	/* Not the table of headers: 3 KiB per request for nothing. */
	memset(h, 0, offsetof(struct http_head, h));
}

ssize_t
http_request_parse(struct http_head *h, const char *p, size_t n, size_t *scan,
    size_t max)
{
	const char	*pos = p;
	ssize_t		 len;
	size_t		 hosts;

	head_init(h);
	if ((len = head_scan(h, p, n, scan, max)) <= 0)
		return len;
	if (request_line(h, line_next(&pos, p + len)) == -1 ||
	    header_lines(h, pos, p + len) == -1 || framing(h) == -1)
		return -1;
	hosts = http_header_count(h, "Host");
	h->host = http_header_get(h, "Host");
	if (hosts > 1 || (hosts == 0 && h->minor == 1) ||
	    (hosts == 1 && !host_ok(h->host))) {
		h->bad = HTTP_BAD_HOST;
		return -1;
	}
	return len;
}

ssize_t
http_response_parse(struct http_head *h, const char *p, size_t n, size_t *scan,
    size_t max, bool to_head)
{
	const char	*pos = p;
	ssize_t		 len;

	head_init(h);
	if ((len = head_scan(h, p, n, scan, max)) <= 0)
		return len;
	if (status_line(h, line_next(&pos, p + len)) == -1 ||
	    header_lines(h, pos, p + len) == -1 || framing(h) == -1)
		return -1;
	if (to_head || h->status < 200 || h->status == 204 ||
	    h->status == 304) {
		h->body = HTTP_BODY_NONE;
	} else if (h->body == HTTP_BODY_NONE &&
	    http_header_count(h, "Content-Length") == 0) {
		h->body = HTTP_BODY_CLOSE;
		h->keep_alive = false;
	}
	return len;
}

uint32_t
http_retry_after_ms(const struct http_head *h, uint64_t now_ms,
    uint32_t max_ms)
{
	struct str	 s;
	struct tm	 tm;
	uint64_t	 v;
	char		 buf[64], *end;
	time_t		 t;

	s = http_header_get(h, "retry-after-ms");
	if (s.p != NULL && num_parse_u64(s, UINT32_MAX, &v) == 0)
		return v < max_ms ? (uint32_t)v : max_ms;
	s = http_header_get(h, "Retry-After");
	if (s.p == NULL)
		return 0;
	if (num_parse_u64(s, UINT32_MAX, &v) == 0) {
		v *= 1000;
		return v < max_ms ? (uint32_t)v : max_ms;
	}
	if (str_copy(s, buf, sizeof(buf)) == -1)
		return 0;
	memset(&tm, 0, sizeof(tm));
	end = strptime(buf, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (end == NULL || *end != '\0' || (t = timegm(&tm)) < 0)
		return 0;
	v = (uint64_t)t;
	if (v >= UINT64_MAX / 1000 || v * 1000 <= now_ms)
		return 0;
	v = v * 1000 - now_ms;
	return v < max_ms ? (uint32_t)v : max_ms;
}
