/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "agentd/sse.h"

#define SSE_NAME_MAX	1024	/* bytes of an event's name, and of an id */
#define SSE_RETRY_MAX	86400000
#define KEEP_MAX	65536	/* memory kept between events */

void
sse_init(struct sse *s, sse_event_cb *cb, void *arg)
{
	memset(s, 0, sizeof(*s));
	dbuf_init(&s->line, SSE_LINE_MAX);
	dbuf_init(&s->data, SSE_EVENT_MAX);
	dbuf_init(&s->event, SSE_NAME_MAX);
	dbuf_init(&s->id, SSE_NAME_MAX);
	s->cb = cb;
	s->arg = arg;
}

void
sse_clear(struct sse *s)
{
	dbuf_clear(&s->line);
	dbuf_clear(&s->data);
	dbuf_clear(&s->event);
	dbuf_clear(&s->id);
}

static int
sse_dispatch(struct sse *s)
{
	struct sse_event	ev;
	int			r = 0;

	if (s->has_data) {
		ev.event = s->event.n == 0 ? STR_LIT("message") :
		    (struct str){ dbuf_str(&s->event), s->event.n };
		ev.data = (struct str){ dbuf_str(&s->data), s->data.n };
		ev.id = (struct str){ dbuf_str(&s->id), s->id.n };
		ev.retry_ms = s->retry_ms;
		r = s->cb(&ev, s->arg);
	}
	s->has_data = false;
	s->retry_ms = 0;
	dbuf_reset(&s->event);
	if (s->data.cap > KEEP_MAX)
		dbuf_clear(&s->data);
	else
		dbuf_reset(&s->data);
	if (r != 0) {
		errno = ECANCELED;
		return -1;
	}
	return 0;
}

static int
dbuf_set(struct dbuf *b, struct str s)
{
	dbuf_reset(b);
	return s.n == 0 ? 0 : dbuf_put(b, s.p, s.n);
}

static int
sse_field(struct sse *s, struct str name, struct str value)
{
	uint64_t	v;
	int		r = 0;

	if (str_eqs(name, "data")) {
		if (s->has_data)
			r = dbuf_putc(&s->data, '\n');
		if (r == 0 && value.n > 0)
			r = dbuf_put(&s->data, value.p, value.n);
		s->has_data = true;
	} else if (str_eqs(name, "event")) {
		r = dbuf_set(&s->event, value);
	} else if (str_eqs(name, "id")) {
		if (value.n == 0 || memchr(value.p, '\0', value.n) == NULL)
			r = dbuf_set(&s->id, value);
	} else if (str_eqs(name, "retry")) {
		if (num_parse_u64(value, SSE_RETRY_MAX, &v) == 0)
			s->retry_ms = (uint32_t)v;
	}
	if (r == -1)
		errno = EMSGSIZE;
	return r;
}

static int
sse_line(struct sse *s, struct str line)
{
	struct str	 value = { "", 0 };
	const char	*colon;

	if (s->bom == 0) {
		s->bom = 1;
		if (line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0) {
			line.p += 3;
			line.n -= 3;
		}
	}
	if (line.n == 0)
		return sse_dispatch(s);
	if ((colon = memchr(line.p, ':', line.n)) == line.p)
		return 0;
	if (colon != NULL) {
		value.p = colon + 1;
		value.n = line.n - (size_t)(colon - line.p) - 1;
		line.n = (size_t)(colon - line.p);
		if (value.n > 0 && value.p[0] == ' ') {
			value.p++;
			value.n--;
		}
	}
	return sse_field(s, line, value);
}

int
sse_feed(struct sse *s, const char *p, size_t n)
{
	struct str	line;
	size_t		i;
	int		r;

	while (n > 0) {
		if (s->cr) {
			s->cr = false;
			if (*p == '\n') {
				p++;
				n--;
				continue;
			}
		}
		for (i = 0; i < n && p[i] != '\n' && p[i] != '\r'; i++)
			;
		if (i > SSE_LINE_MAX - s->line.n ||
		    ((i == n || s->line.n > 0) && i > 0 &&
		    dbuf_put(&s->line, p, i) == -1)) {
			errno = EMSGSIZE;
			return -1;
		}
		if (i == n)
			return 0;
		s->cr = p[i] == '\r';
		/* A line that came in one piece is not copied. */
		line = s->line.n > 0 ?
		    (struct str){ dbuf_str(&s->line), s->line.n } :
		    (struct str){ p, i };
		r = sse_line(s, line);
		if (s->line.cap > KEEP_MAX)
			dbuf_clear(&s->line);
		else
			dbuf_reset(&s->line);
		if (r == -1)
			return -1;
		p += i + 1;
		n -= i + 1;
	}
	return 0;
}

int
sse_finish(struct sse *s)
{
	int	r = 0;

	if (s->line.n > 0) {
		r = sse_line(s, (struct str){ dbuf_str(&s->line), s->line.n });
		dbuf_reset(&s->line);
	}
	return r == -1 ? -1 : sse_dispatch(s);
}
