/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * HTTP/1.1 message heads and bodies, both directions, strictly by RFC 9112 and
 * without its leniencies: no bare LF, no folded headers, no blank before the
 * colon, no message whose length two readers could see differently.  Nothing
 * is copied and nothing allocated; a head is parsed when all of it is there.
 */
#ifndef COMMON_HTTP_PARSE_H
#define COMMON_HTTP_PARSE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

#define HTTP_HEAD_MAX		16384	/* bytes, with the empty line */
#define HTTP_HEADERS_MAX	96
#define HTTP_TARGET_MAX		4096
#define HTTP_LENGTH_MAX		((uint64_t)1 << 50)

enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,
	HTTP_BODY_CHUNKED,
	HTTP_BODY_CLOSE,	/* responses only: up to the end of stream */
};

enum http_bad {
	HTTP_BAD_NONE,
	HTTP_BAD_BYTE,		/* control byte, bare CR or LF, 8-bit token */
	HTTP_BAD_LINE,		/* request or status line */
	HTTP_BAD_VERSION,
	HTTP_BAD_HEADER,	/* no colon, blank in name, folding */
	HTTP_BAD_TOO_LARGE,	/* head, or number of headers */
	HTTP_BAD_TARGET,	/* too long or not visible ASCII */
	HTTP_BAD_HOST,		/* missing, doubled, malformed */
	HTTP_BAD_LENGTH,	/* Content-Length doubled, malformed, huge */
	HTTP_BAD_CODING,	/* Transfer-Encoding: other than "chunked", or
				 * together with Content-Length */
	HTTP_BAD_MAX
};
const char *http_bad_name(enum http_bad);

struct http_header {
	struct str name, value;		/* value without outer blanks */
};

/* Points into the bytes it was parsed from. */
struct http_head {
	struct str	 method, target;	/* request */
	struct str	 host;			/* request */
	unsigned int	 status;		/* response */
	unsigned int	 minor;			/* HTTP/1.minor */
	bool		 keep_alive;
	bool		 upgrade;	/* Connection names upgrade */
	enum http_body_kind body;
	uint64_t	 length;		/* HTTP_BODY_LENGTH */
	enum http_bad	 bad;
	size_t		 n;
	struct http_header h[HTTP_HEADERS_MAX];
};

/*
 * Looks for a whole head in the n bytes at p.  Its length; 0 when there must be
 * more; -1 with head->bad set.  *scan is 0 at first and remembers what has been
 * looked at, so that a slowly growing buffer is not read again and again; bad
 * bytes are found as soon as they are there.  max bounds the head's bytes.
 */
ssize_t	 http_request_parse(struct http_head *, const char *p, size_t n,
	    size_t *scan, size_t max);
/* to_head: the request was HEAD, so there is no body whatever it says. */
ssize_t	 http_response_parse(struct http_head *, const char *p, size_t n,
	    size_t *scan, size_t max, bool to_head);

/* The first header of that name; p is NULL when there is none. */
struct str http_header_get(const struct http_head *, const char *name);
size_t	 http_header_count(const struct http_head *, const char *name);
/* Is the word in any comma-separated list of that header? (case folded) */
bool	 http_header_has(const struct http_head *, const char *name,
	    const char *word);
/* May be sent as it is: a token; a field value without control bytes. */
bool	 http_token_ok(struct str);
bool	 http_value_ok(struct str);

/* retry-after-ms, Retry-After in seconds or as a date, in milliseconds from
 * now_ms (wall clock); 0 when absent or nonsense; never above max_ms. */
uint32_t http_retry_after_ms(const struct http_head *, uint64_t now_ms,
	    uint32_t max_ms);

/* A body as it comes in. */
struct http_body {
	enum http_body_kind	 kind;
	uint64_t		 left;	/* of the length or of this chunk */
	uint8_t			 state;
	uint8_t			 digits;
	uint16_t		 extra;	/* extension and trailer bytes */
};
enum http_body_result { HTTP_BODY_MORE, HTTP_BODY_DONE, HTTP_BODY_BAD };

void	 http_body_init(struct http_body *, const struct http_head *);
/*
 * Takes up to n bytes of p: *used says how many, data is the run of body bytes
 * among them (possibly empty).  Call again with the rest until MORE with
 * *used == n, or DONE: then what is behind *used is the next message.
 */
enum http_body_result http_body_feed(struct http_body *, const char *p,
	    size_t n, size_t *used, struct str *data);

/*
 * The one normal form of a request target (T09): path without query, decoded
 * once, NUL-terminated in out; *query as sent, without '?'.  Refused (-1) is
 * what has no form that all readers agree on: anything but an absolute path,
 * "." and ".." and empty segments however spelled, encoded slash, percent or
 * NUL, backslash, ';', control bytes, bytes that are not UTF-8.
 */
int	 http_path_canon(struct str target, char *out, size_t size,
	    struct str *query);

#endif
