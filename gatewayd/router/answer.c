/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Response frames (spec 3.1).  The id goes back as it came. */
#include "common/compat.h"

#include "gatewayd/router/router.h"

static void
res_head(struct dbuf *b, struct str id, bool ok)
{
	dbuf_put(b, "{\"type\":\"res\",\"id\":", 19);
	dbuf_put(b, id.p, id.n);
	dbuf_puts(b, ok ? ",\"ok\":true" : ",\"ok\":false");
}

void
rt_answer_raw(struct client *c, struct str id, const char *p, size_t n)
{
	struct dbuf	*b = rt_client_begin(c);

	res_head(b, id, true);
	dbuf_put(b, ",\"payload\":", 11);
	dbuf_put(b, p, n);
	dbuf_putc(b, '}');
	rt_client_end(c);
}

struct jw *
rt_answer_begin(struct client *c, struct str id)
{
	static struct jw	 w;
	struct dbuf		*b = rt_client_begin(c);

	res_head(b, id, true);
	dbuf_put(b, ",\"payload\":", 11);
	jw_init(&w, b);
	return &w;
}

void
rt_answer_end(struct client *c)
{
	struct dbuf	*b;

	/* The writer's buffer is the client's: only close the frame. */
	b = rt_client_buffer();
	dbuf_putc(b, '}');
	rt_client_end(c);
}

static void
answer_error(struct client *c, struct str id, struct str payload,
    struct str code, struct str message, struct str details, uint64_t ms)
{
	struct dbuf	*b = rt_client_begin(c);
	struct jw	 w;

	res_head(b, id, false);
	if (payload.n > 0) {
		dbuf_put(b, ",\"payload\":", 11);
		dbuf_put(b, payload.p, payload.n);
	}
	dbuf_put(b, ",\"error\":", 9);
	jw_init(&w, b);
	jw_obj(&w);
	jw_kstr(&w, "code", code);
	jw_kstr(&w, "message", message);
	if (details.n > 0)
		jw_kraw(&w, "details", details.p, details.n);
	if (ms > 0) {
		jw_kbool(&w, "retryable", true);
		jw_kuint(&w, "retryAfterMs", ms);
	}
	jw_obj_end(&w);
	dbuf_putc(b, '}');
	rt_client_end(c);
}

void
rt_answer_error_full(struct client *c, struct str id, struct str payload,
    struct str code, struct str message, struct str details)
{
	answer_error(c, id, payload, code, message, details, 0);
}

void
rt_answer_later(struct client *c, struct str id, const char *message,
    const char *details, uint64_t ms)
{
	answer_error(c, id, (struct str){ "", 0 }, STR_LIT("UNAVAILABLE"),
	    str_of(message), str_of(details), ms);
}

void
rt_answer_error(struct client *c, struct str id, const char *code,
    const char *message)
{
	struct str	 none = { "", 0 };

	rt_answer_error_full(c, id, none, str_of(code), str_of(message), none);
}
