/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agentd/provider.h"
#include "agentd/sanitize.h"

struct seen {
	struct dbuf	 text;
	unsigned int	 calls, dones, errors;
	json_t		*message;
	struct provider_error error;
	enum stop_reason stop;
};

static void
on_event(const struct pstream_event *ev, void *arg)
{
	struct seen	*seen = arg;

	switch (ev->type) {
	case PS_TEXT:
	case PS_THINKING:
		assert_true(utf8_valid(ev->delta.p, ev->delta.n));
		dbuf_put(&seen->text, ev->delta.p, ev->delta.n);
		break;
	case PS_TOOLCALL:
		seen->calls++;
		break;
	case PS_DONE:
		seen->dones++;
		seen->stop = ev->stop;
		seen->message = json_incref(ev->message);
		break;
	case PS_ERROR:
		seen->errors++;
		seen->stop = ev->stop;
		seen->error = *ev->error;
		seen->message = json_incref(ev->message);
		break;
	}
}

static const struct provider_model model = {
	.provider = "p", .api = "a", .id = "m", .base_url = "",
	.cost_output = 2.0,
};

static struct pstream *
start(struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	dbuf_init(&seen->text, 1 << 20);
	return pstream_new(&model, 1769936403000, on_event, seen);
}

static void
finish(struct pstream *s, struct seen *seen)
{
	pstream_free(s);
	dbuf_clear(&seen->text);
	json_decref(seen->message);
}

static const char *
dump(json_t *j)
{
	static char	 buf[4096];
	char		*p = json_dumps(j, JSON_COMPACT);

	strlcpy(buf, p, sizeof(buf));
	free(p);
	return buf;
}

static void
test_whole_message(void **state)
{
	struct provider_usage	 u = { .input = 10, .output = 500000 };
	struct seen		 seen;
	struct pstream		*s = start(&seen);

	(void)state;
	pstream_thinking(s, 0, "hm", 2);
	pstream_signature(s, 0, "c2ln", 4, false);
	pstream_text(s, 1, "caf\xc3", 4);
	pstream_text(s, 1, "\xa9!", 2);
	pstream_toolcall(s, 7, "call_1", "exec");
	pstream_toolargs(s, 7, "{\"command\":", 11);
	pstream_toolargs(s, 7, "\"df\"}", 5);
	pstream_usage(s, &u);
	pstream_done(s, STOP_STOP);
	pstream_done(s, STOP_STOP);
	pstream_text(s, 1, "late", 4);
	assert_string_equal(dbuf_str(&seen.text), "hmcaf\xc3\xa9!");
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.dones, 1);
	assert_int_equal(seen.stop, STOP_TOOL_USE);
	assert_string_equal(dump(seen.message),
	    "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"hm\",\"thinkingSignature\":\"c2ln\"},"
	    "{\"type\":\"text\",\"text\":\"caf\xc3\xa9!\"},"
	    "{\"type\":\"toolCall\",\"id\":\"call_1\",\"name\":\"exec\","
	    "\"arguments\":{\"command\":\"df\"}}],\"api\":\"a\","
	    "\"provider\":\"p\",\"model\":\"m\",\"usage\":{\"input\":10,"
	    "\"output\":500000,\"cacheRead\":0,\"cacheWrite\":0,"
	    "\"totalTokens\":500010,\"cost\":{\"input\":0.0,\"output\":1.0,"
	    "\"cacheRead\":0.0,\"cacheWrite\":0.0,\"total\":1.0}},"
	    "\"stopReason\":\"toolUse\",\"timestamp\":1769936403000}");
	finish(s, &seen);
}

static void
test_bad_arguments_are_kept(void **state)
{
	struct seen		 seen;
	struct pstream		*s = start(&seen);

	(void)state;
	pstream_text(s, 0, "x", 1);
	pstream_toolcall(s, 1, "c", "exec");
	pstream_toolargs(s, 1, "{\"command\":", 11);
	pstream_end(s, 1);
	pstream_toolcall(s, 2, "d", "exec");
	pstream_done(s, STOP_TOOL_USE);
	assert_string_equal(pstream_bad_args(s, 1), "{\"command\":");
	assert_null(pstream_bad_args(s, 2));
	assert_null(pstream_bad_args(s, 0));
	finish(s, &seen);
}

static void
test_bounds(void **state)
{
	struct seen	 seen;
	struct pstream	*s = start(&seen);
	static char	 big[1 << 20];
	unsigned int	 i;

	(void)state;
	for (i = 0; i <= PROVIDER_CALLS_MAX; i++) {
		pstream_toolcall(s, i, "c", "t");
		if (i < PROVIDER_CALLS_MAX)
			assert_false(pstream_ended(s));
	}
	assert_true(pstream_ended(s));
	assert_int_equal(seen.error.class, PROVIDER_FORMAT);
	finish(s, &seen);

	s = start(&seen);
	pstream_text(s, PROVIDER_BLOCKS_MAX, "x", 1);
	assert_int_equal(seen.errors, 1);
	finish(s, &seen);

	s = start(&seen);
	memset(big, 'a', sizeof(big));
	pstream_toolcall(s, 0, "c", "t");
	pstream_toolargs(s, 0, big, sizeof(big));
	pstream_toolargs(s, 0, "b", 1);
	assert_int_equal(seen.errors, 1);
	finish(s, &seen);

	s = start(&seen);
	for (i = 0; i < 17; i++)
		pstream_text(s, i % 3, big, sizeof(big));
	assert_int_equal(seen.errors, 1);
	assert_int_equal(seen.stop, STOP_ERROR);
	finish(s, &seen);

	s = start(&seen);
	pstream_text(s, 0, "x", 1);
	pstream_toolcall(s, 0, "c", "t");
	assert_int_equal(seen.errors, 1);
	finish(s, &seen);
}

static void
test_partial(void **state)
{
	struct seen	 seen;
	struct pstream	*s = start(&seen);
	json_t		*m;

	(void)state;
	pstream_text(s, 0, "half", 4);
	pstream_toolcall(s, 1, "c", "t");
	pstream_toolargs(s, 1, "{\"a\"", 4);
	m = pstream_partial(s, STOP_ABORTED, "cut off");
	assert_int_equal(json_array_size(json_object_get(m, "content")), 1);
	assert_string_equal(json_string_value(json_object_get(m,
	    "errorMessage")), "cut off");
	json_decref(m);
	finish(s, &seen);
}

static void
test_sanitize(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "plain\ttext\r\n", "plain\ttext\r\n" },
		{ "a\001b\033[31mc\177", "ab[31mc" },
		{ "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xe2\x82", "\xef\xbf\xbd" },
		{ "\xe2\x82x", "\xef\xbf\xbd\xef\xbf\xbdx" },
		{ "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\x98\x80!", "\xf0\x9f\x98\x80!" },
	};
	struct sanitize	 st;
	struct dbuf	 b;
	size_t		 i, k;
	json_t		*j;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		j = sanitize_json(rows[i].in, strlen(rows[i].in));
		if (strcmp(rows[i].in, "\xe2\x82x") != 0)
			assert_string_equal(json_string_value(j), rows[i].out);
		json_decref(j);
		/* Byte by byte: valid, and the same where nothing is cut. */
		memset(&st, 0, sizeof(st));
		dbuf_init(&b, 256);
		for (k = 0; rows[i].in[k] != '\0'; k++)
			assert_int_equal(sanitize_put(&st, &b, &rows[i].in[k],
			    1), 0);
		assert_int_equal(sanitize_end(&st, &b), 0);
		assert_true(utf8_valid(dbuf_str(&b), b.n));
		if (utf8_valid(rows[i].in, strlen(rows[i].in)))
			assert_string_equal(dbuf_str(&b), rows[i].out);
		dbuf_clear(&b);
	}
}

static void
test_class_of_text(void **state)
{
	(void)state;
	assert_int_equal(provider_class_of_text("429 Rate limit reached: "
	    "tokens per min (TPM), too many tokens"), PROVIDER_RATE_LIMIT);
	assert_int_equal(provider_class_of_text("prompt is too long: 9 > 8"),
	    PROVIDER_OVERFLOW);
	assert_int_equal(provider_class_of_text("Overloaded"),
	    PROVIDER_OVERLOADED);
	assert_int_equal(provider_class_of_text("hello"), PROVIDER_OK);
}

static void
test_headers(void **state)
{
	struct provider_error	 e = { .class = PROVIDER_OK };
	struct str		 h;

	(void)state;
	h = str_of("content-type: text/event-stream\nRetry-After: 7\n"
	    "x-should-retry: False");
	assert_true(str_eqs(provider_header(h, "Content-Type"),
	    "text/event-stream"));
	assert_null(provider_header(h, "content").p);
	provider_retry_headers(h, &e);
	assert_int_equal(e.retry_after_ms, 7000);
	assert_true(e.no_retry);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_message),
		cmocka_unit_test(test_bad_arguments_are_kept),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_sanitize),
		cmocka_unit_test(test_class_of_text),
		cmocka_unit_test(test_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
