/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Bodies as they come in: none, by length, chunked, up to the end. */

#include "common/compat.h"

#include "common/http_parse.h"

#define CHUNK_EXT_MAX	256	/* bytes behind one chunk's size */
#define TRAILER_MAX	4096	/* bytes of all trailers, which are dropped */
#define CHUNK_DIGITS	12	/* 2^48 bytes */

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXT,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER,		/* at the start of a line */
	CHUNK_TRAILER_LINE,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_DONE,
};

void
http_body_init(struct http_body *b, const struct http_head *h)
{
	memset(b, 0, sizeof(*b));
	b->kind = h->body;
	b->left = h->body == HTTP_BODY_LENGTH ? h->length : 0;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte outside of chunk data: 0, or -1 when it may not stand there. */
static int
chunk_byte(struct http_body *b, char c)
{
	int	v;

	switch ((enum chunk_state)b->state) {
	case CHUNK_SIZE:
		if ((v = hex_value(c)) != -1) {
			if (b->digits++ == CHUNK_DIGITS)
				return -1;
			b->left = b->left << 4 | (unsigned int)v;
			return 0;
		}
		if (b->digits == 0)
			return -1;
		b->extra = 0;
		if (c == '\r') {
			b->state = CHUNK_SIZE_LF;
			return 0;
		}
		b->state = CHUNK_EXT;
		return c == ';' || c == ' ' || c == '\t' ? 0 : -1;
	case CHUNK_EXT:
		if (c == '\r') {
			b->state = CHUNK_SIZE_LF;
			return 0;
		}
		if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
			return -1;
		return b->extra++ < CHUNK_EXT_MAX ? 0 : -1;
	case CHUNK_SIZE_LF:
		if (c != '\n')
			return -1;
		b->extra = 0;
		b->digits = 0;
		b->state = b->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		return 0;
	case CHUNK_DATA_CR:
		b->state = CHUNK_DATA_LF;
		return c == '\r' ? 0 : -1;
	case CHUNK_DATA_LF:
		b->state = CHUNK_SIZE;
		return c == '\n' ? 0 : -1;
	case CHUNK_TRAILER:
		if (c == '\r') {
			b->state = CHUNK_END_LF;
			return 0;
		}
		if (c == ' ' || c == '\t' || c == ':')
			return -1;
		b->state = CHUNK_TRAILER_LINE;
		/* FALLTHROUGH */
	case CHUNK_TRAILER_LINE:
		if (c == '\r') {
			b->state = CHUNK_TRAILER_LF;
			return 0;
		}
		if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f)
			return -1;
		return b->extra++ < TRAILER_MAX ? 0 : -1;
	case CHUNK_TRAILER_LF:
		b->state = CHUNK_TRAILER;
		return c == '\n' ? 0 : -1;
	case CHUNK_END_LF:
		b->state = CHUNK_DONE;
		return c == '\n' ? 0 : -1;
	case CHUNK_DATA:
	case CHUNK_DONE:
		break;
	}
	return -1;
}

static enum http_body_result
chunked_feed(struct http_body *b, const char *p, size_t n, size_t *used,
    struct str *data)
{
	size_t	i, run;

	for (i = 0; i < n && b->state != CHUNK_DONE;) {
		if (b->state == CHUNK_DATA) {
			run = n - i < b->left ? n - i : (size_t)b->left;
			*data = (struct str){ p + i, run };
			b->left -= run;
			if (b->left == 0)
				b->state = CHUNK_DATA_CR;
			*used = i + run;
			return HTTP_BODY_MORE;
		}
		if (chunk_byte(b, p[i++]) == -1)
			return HTTP_BODY_BAD;
	}
	*used = i;
	return b->state == CHUNK_DONE ? HTTP_BODY_DONE : HTTP_BODY_MORE;
}

enum http_body_result
http_body_feed(struct http_body *b, const char *p, size_t n, size_t *used,
    struct str *data)
{
	size_t	run;

	*used = 0;
	*data = (struct str){ NULL, 0 };
	switch (b->kind) {
	case HTTP_BODY_NONE:
		return HTTP_BODY_DONE;
	case HTTP_BODY_LENGTH:
		run = n < b->left ? n : (size_t)b->left;
		*data = (struct str){ p, run };
		*used = run;
		b->left -= run;
		return b->left == 0 ? HTTP_BODY_DONE : HTTP_BODY_MORE;
	case HTTP_BODY_CHUNKED:
		return chunked_feed(b, p, n, used, data);
	case HTTP_BODY_CLOSE:
		*data = (struct str){ p, n };
		*used = n;
		return HTTP_BODY_MORE;
	}
	return HTTP_BODY_BAD;
}
