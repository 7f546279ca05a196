/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * First byte: bit 0 server or client side, the rest the size of the pieces of
 * the second run.  Events are the same however the bytes are cut, no message
 * is over its limit, text is UTF-8.
 */

#include "common/compat.h"

#include <event2/buffer.h>

#include "common/ws.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MAX	6000

static uint64_t
run(const uint8_t *p, size_t n, size_t step, bool server)
{
	struct evbuffer		*eb = evbuffer_new();
	struct ws_reader	 r;
	struct str		 data;
	enum ws_event		 ev = WS_MORE;
	uint64_t		 sum = 17;
	size_t			 i, j;

	ws_reader_init(&r, server, MAX);
	for (i = 0; i < n && ev != WS_ERROR && ev != WS_CLOSE; i += step) {
		evbuffer_add(eb, p + i, n - i < step ? n - i : step);
		while ((ev = ws_read_evbuffer(&r, eb, &data)) != WS_MORE) {
			sum = sum * 31 + ev;
			if (ev == WS_ERROR || ev == WS_CLOSE) {
				sum = sum * 31 + r.close_code;
				break;
			}
			if (data.n > (ev == WS_MESSAGE ? MAX : WS_CONTROL_MAX))
				abort();
			if (ev == WS_MESSAGE &&
			    r.message_opcode == WS_OP_TEXT &&
			    !utf8_valid(data.p, data.n))
				abort();
			for (j = 0; j < data.n; j++)
				sum = sum * 31 + (uint8_t)data.p[j];
		}
		if (r.buf.cap > 2 * (i + step) + 8192)
			abort();
	}
	ws_reader_clear(&r);
	evbuffer_free(eb);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	if (n-- == 0)
		return 0;
	if (run(in + 1, n, n + 1, in[0] & 1) !=
	    run(in + 1, n, (in[0] >> 1) + 1u, in[0] & 1))
		abort();
	return 0;
}
