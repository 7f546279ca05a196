/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agentd/sse.h"

static struct dbuf	 seen;
static int		 stop_after;

static int
event_cb(const struct sse_event *ev, void *arg)
{
	(void)arg;
	dbuf_printf(&seen, "[%.*s|%.*s|%.*s]", (int)ev->event.n, ev->event.p,
	    (int)ev->data.n, ev->data.p, (int)ev->id.n, ev->id.p);
	return stop_after > 0 && --stop_after == 0;
}

/* Every way to cut the text gives the same events. */
static void
expect(const char *text, size_t n, const char *events, bool finish)
{
	struct sse	s;
	size_t		step, i;

	for (step = 1; step <= n; step++) {
		dbuf_init(&seen, 1 << 20);
		sse_init(&s, event_cb, NULL);
		for (i = 0; i < n; i += step)
			assert_int_equal(sse_feed(&s, text + i,
			    n - i < step ? n - i : step), 0);
		if (finish)
			assert_int_equal(sse_finish(&s), 0);
		assert_string_equal(dbuf_str(&seen), events);
		sse_clear(&s);
		dbuf_clear(&seen);
	}
}
#define EXPECT(t, e) expect(t, sizeof(t) - 1, e, false)

static void
test_events(void **state)
{
	(void)state;
	EXPECT("data: a\n\n", "[message|a|]");
	EXPECT("event: e\r\ndata: a\r\n\r\ndata:b\r\n\r\n",
	    "[e|a|][message|b|]");
	EXPECT("data: a\r\rdata: b\r\r", "[message|a|][message|b|]");
	EXPECT("\xef\xbb\xbf" "data: a\n\n", "[message|a|]");
	EXPECT(": ping\n\ndata: a\ndata\ndata:  b\n\n", "[message|a\n\n b|]");
	EXPECT("event: x\n\ndata: a\n\n", "[message|a|]");
	EXPECT("id: 7\ndata: a\n\ndata: b\n\n", "[message|a|7][message|b|7]");
	EXPECT("id: 7\0\ndata: a\n\n", "[message|a|]");
	EXPECT("foo: bar\ndatax: y\ndata: a\n\n", "[message|a|]");
	EXPECT("data: [DONE]\n\n", "[message|[DONE]|]");
	EXPECT("data: a\n", "");
	expect("data: a", 7, "[message|a|]", true);
	expect("data: a\n", 8, "[message|a|]", true);
	expect("data: a\n\n", 9, "[message|a|]", true);
}

static void
test_limits(void **state)
{
	struct sse	 s;
	char		*big = malloc(SSE_LINE_MAX + 16);
	int		 i, r = 0;

	(void)state;
	assert_non_null(big);
	memset(big, 'x', SSE_LINE_MAX + 16);
	memcpy(big, "data:", 5);
	sse_init(&s, event_cb, NULL);
	assert_int_equal(sse_feed(&s, big, SSE_LINE_MAX + 1), -1);
	assert_int_equal(errno, EMSGSIZE);
	sse_clear(&s);
	sse_init(&s, event_cb, NULL);
	for (i = 0; i < 5 && r == 0; i++) {
		r = sse_feed(&s, big, SSE_LINE_MAX);
		if (r == 0)
			r = sse_feed(&s, "\n", 1);
	}
	assert_int_equal(r, -1);
	assert_int_equal(i, 5);
	sse_clear(&s);
	free(big);
}

static void
test_stop(void **state)
{
	struct sse	s;

	(void)state;
	dbuf_init(&seen, 1024);
	stop_after = 1;
	sse_init(&s, event_cb, NULL);
	assert_int_equal(sse_feed(&s, "data: a\n\ndata: b\n\n", 18), -1);
	assert_int_equal(errno, ECANCELED);
	assert_string_equal(dbuf_str(&seen), "[message|a|]");
	sse_clear(&s);
	dbuf_clear(&seen);
	stop_after = 0;
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
