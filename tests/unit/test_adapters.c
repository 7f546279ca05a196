/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The network adapters: requests, streams cut anywhere, failures. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agentd/json_load.h"
#include "agentd/provider.h"

static const char anthropic_stream[] =
#include "tests/unit/stream_anthropic.inc"
;
static const char openai_stream[] =
#include "tests/unit/stream_openai.inc"
;

struct seen {
	struct dbuf	 log;		/* what the loop would be told */
	json_t		*message;
	int		 ends;
	enum provider_class class;
	struct provider_usage usage;
	char		 error[1024];
};
static struct provider_model model;
static struct provider_context ctx;
static struct provider_options opts;

static void
on_event(const struct pstream_event *ev, void *arg)
{
	struct seen	*s = arg;

	switch (ev->type) {
	case PS_TEXT:
	case PS_THINKING:
		dbuf_put(&s->log, ev->delta.p, ev->delta.n);
		break;
	case PS_TOOLCALL:
		dbuf_printf(&s->log, "<%s %s>", json_text(ev->block, "id",
		    ""), json_text(ev->block, "name", ""));
		break;
	case PS_DONE:
	case PS_ERROR:
		s->ends++;
		json_decref(s->message);
		s->message = json_incref(ev->message);
		s->usage = *ev->usage;
		s->class = ev->error == NULL ? PROVIDER_OK : ev->error->class;
		strlcpy(s->error, ev->error == NULL ? "" : ev->error->message,
		    sizeof(s->error));
		break;
	}
}

static void
seen_clear(struct seen *s)
{
	dbuf_clear(&s->log);
	json_decref(s->message);
}

/* Feeds n bytes of t, cut at each of the sizes in turn (0: not at all). */
static void
play(const char *api, const char *headers, const char *t, size_t n, size_t cut,
    struct seen *s)
{
	const struct provider	*p = provider_find(api, "m");
	struct pstream		*ps;
	void			*parser;
	size_t			 at, k;

	memset(s, 0, sizeof(*s));
	dbuf_init(&s->log, 1u << 20);
	model.api = api;
	ps = pstream_new(&model, 1, on_event, s);
	parser = p->parser_new(&model, str_of(headers), ps);
	assert_non_null(parser);
	for (at = 0; at < n; at += k) {
		k = cut == 0 ? n : at == 0 ? cut : n - at;
		if (cut == SIZE_MAX)
			k = 1;
		if (k > n - at)
			k = n - at;
		p->feed(parser, t + at, k);
	}
	p->finish(parser);
	assert_true(pstream_ended(ps));
	assert_int_equal(s->ends, 1);
	p->parser_free(parser);
	pstream_free(ps);
}

static void
setup_model(const char *provider, const char *base, bool reasoning)
{
	memset(&model, 0, sizeof(model));
	model.provider = provider;
	model.id = "m";
	model.base_url = base;
	model.context_window = 200000;
	model.max_tokens = 8192;
	model.reasoning = reasoning;
	model.images = true;
	memset(&opts, 0, sizeof(opts));
	opts.temperature = -1;
	opts.thinking = "off";
	opts.session_id = "s";
	opts.time_zone = "";
	opts.workspace = "/w";
}

static void
check_reference(const struct seen *s, const char *sig, uint64_t cw)
{
	json_t	*c = json_object_get(s->message, "content");

	assert_string_equal(s->error, "");
	assert_int_equal(json_array_size(c), 3);
	assert_string_equal(json_text(json_array_get(c, 0), "thinking", ""),
	    "hm");
	assert_string_equal(json_text(json_array_get(c, 0),
	    "thinkingSignature", ""), sig);
	assert_string_equal(json_text(json_array_get(c, 1), "text", ""),
	    "Hi");
	assert_string_equal(json_text(json_array_get(c, 2), "name", ""),
	    "exec");
	assert_string_equal(json_text(json_object_get(json_array_get(c, 2),
	    "arguments"), "command", ""), "df");
	assert_string_equal(json_text(s->message, "stopReason", ""),
	    "toolUse");
	assert_int_equal(s->usage.input, 10);
	assert_int_equal(s->usage.output, 20);
	assert_int_equal(s->usage.cache_read, 3);
	assert_int_equal(s->usage.cache_write, cw);
}

static void
test_reference_streams_at_every_cut(void **state)
{
	struct seen	 s, whole;
	size_t		 i;
	static const struct { const char *api, *t; size_t n; const char *sig;
	    uint64_t cw; } c[] = {
		{ "anthropic-messages", anthropic_stream,
		    sizeof(anthropic_stream) - 1, "c2ln", 2 },
		{ "openai-completions", openai_stream,
		    sizeof(openai_stream) - 1, "reasoning_content", 0 },
	};
	size_t		 k;

	(void)state;
	setup_model("p", "https://example.com", true);
	for (k = 0; k < 2; k++) {
		play(c[k].api, "content-type: text/event-stream\n", c[k].t,
		    c[k].n, 0, &whole);
		check_reference(&whole, c[k].sig, c[k].cw);
		for (i = 1; i <= c[k].n; i++) {
			play(c[k].api, "", c[k].t, c[k].n, i == c[k].n ?
			    SIZE_MAX : i, &s);
			assert_string_equal(dbuf_str(&s.log),
			    dbuf_str(&whole.log));
			assert_true(json_equal(s.message, whole.message));
			seen_clear(&s);
		}
		seen_clear(&whole);
	}
}

/* Cut after every byte: one terminal event, and never a success that leaves
 * out what was coming. */
static void
test_truncated_streams(void **state)
{
	struct seen	 s;
	size_t		 i, n, ok_from;

	(void)state;
	setup_model("p", "https://example.com", true);
	n = sizeof(anthropic_stream) - 1;
	ok_from = (size_t)(strstr(anthropic_stream, "\"stop_reason\":\"tool")
	    - anthropic_stream);
	for (i = 0; i < n; i++) {
		play("anthropic-messages", "", anthropic_stream, i, 0, &s);
		if (i < ok_from)
			assert_int_equal(s.class, PROVIDER_TRANSIENT);
		seen_clear(&s);
	}
	n = sizeof(openai_stream) - 1;
	ok_from = (size_t)(strstr(openai_stream, "tool_calls\":[") -
	    openai_stream);
	for (i = 0; i < n; i++) {
		play("openai-completions", "", openai_stream, i, 0, &s);
		/* Once a call has begun, only a whole one counts. */
		if (i > ok_from + 150 && s.class == PROVIDER_OK)
			assert_string_equal(json_text(s.message, "stopReason",
			    ""), "toolUse");
		seen_clear(&s);
	}
}

static void
test_anthropic_variants(void **state)
{
	struct seen	 s;
	const char	*t;
	json_t		*c;

	(void)state;
	setup_model("anthropic", "https://api.anthropic.com", true);
	/* Usage in message_delta that names only one number; unknown events,
	 * deltas and blocks; a redacted thought. */
	t = "event: message_start\ndata: {\"type\":\"message_start\",\"message"
	    "\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1,"
	    "\"cache_read_input_tokens\":3}}}\n\n"
	    "data: {\"type\":\"ping\"}\n\ndata: {\"type\":\"novelty\"}\n\n"
	    ": comment\n\n"
	    "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block"
	    "\":{\"type\":\"redacted_thinking\",\"data\":\"T1BR\"}}\n\n"
	    "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
	    "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block"
	    "\":{\"type\":\"server_tool_use\",\"id\":\"x\"}}\n\n"
	    "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
	    "data: {\"type\":\"content_block_start\",\"index\":2,\"content_block"
	    "\":{\"type\":\"text\",\"text\":\"a\"}}\n\n"
	    "data: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":"
	    "{\"type\":\"mystery\",\"x\":1}}\n\n"
	    "data: {\"type\":\"content_block_stop\",\"index\":2}\n\n"
	    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
	    "\"max_tokens\"},\"usage\":{\"output_tokens\":7,\"input_tokens\":"
	    "null}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
	play("anthropic-messages", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_OK);
	assert_int_equal(s.usage.input, 10);
	assert_int_equal(s.usage.output, 7);
	assert_int_equal(s.usage.cache_read, 3);
	assert_string_equal(json_text(s.message, "stopReason", ""), "length");
	c = json_object_get(s.message, "content");
	assert_int_equal(json_array_size(c), 2);
	assert_true(json_is_true(json_object_get(json_array_get(c, 0),
	    "redacted")));
	seen_clear(&s);
	/* In mid-stream: an error. */
	t = "data: {\"type\":\"error\",\"error\":{\"type\":"
	    "\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
	play("anthropic-messages", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_OVERLOADED);
	seen_clear(&s);
	/* A refusal. */
	t = "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
	    "\"refusal\",\"stop_details\":{\"category\":\"c\","
	    "\"explanation\":\"no\"}}}\n\ndata: {\"type\":\"message_stop\"}"
	    "\n\n";
	play("anthropic-messages", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_REFUSAL);
	assert_non_null(strstr(s.error, "no"));
	seen_clear(&s);
	/* A whole message instead of a stream. */
	t = "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"hi\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"ls\","
	    "\"input\":{\"path\":\".\"}}],\"stop_reason\":\"tool_use\","
	    "\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}";
	play("anthropic-messages", "content-type: application/json\n", t,
	    strlen(t), 5, &s);
	assert_string_equal(dbuf_str(&s.log), "hi<t ls>");
	seen_clear(&s);
	/* Nonsense. */
	t = "data: {\"type\":\"content_block_start\",\"index\":-1}\n\n";
	play("anthropic-messages", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_FORMAT);
	seen_clear(&s);
	t = "data: [1,2\n\n";
	play("anthropic-messages", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_FORMAT);
	seen_clear(&s);
	t = "<html>gateway error</html>";
	play("anthropic-messages", "content-type: text/html\n", t, strlen(t),
	    0, &s);
	assert_int_equal(s.class, PROVIDER_TRANSIENT);
	seen_clear(&s);
}

#define CHUNK(delta, rest) "data: {\"id\":\"c\",\"choices\":[{\"index\":0," \
	"\"delta\":" delta "," rest "}]}\n\n"

static void
test_openai_variants(void **state)
{
	struct seen	 s;
	const char	*t;
	json_t		*c;

	(void)state;
	setup_model("p", "http://127.0.0.1:1/v1", false);
	/* Two interleaved calls; the name comes late; no ids; stop although
	 * there are calls; no [DONE]. */
	t = CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
	    "\"{\\\"a\\\":\"}}]}", "\"finish_reason\":null")
	    CHUNK("{\"tool_calls\":[{\"index\":1,\"function\":{\"name\":\"ls\","
	    "\"arguments\":\"{}\"}}]}", "\"finish_reason\":null")
	    CHUNK("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":"
	    "\"read\",\"arguments\":\"1}\"}}]}", "\"finish_reason\":null")
	    CHUNK("{}", "\"finish_reason\":\"stop\"");
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_OK);
	c = json_object_get(s.message, "content");
	assert_int_equal(json_array_size(c), 2);
	assert_string_equal(json_text(json_array_get(c, 0), "name", ""), "ls");
	assert_string_equal(json_text(json_array_get(c, 1), "name", ""),
	    "read");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    json_array_get(c, 1), "arguments"), "a")), 1);
	assert_string_not_equal(json_text(json_array_get(c, 0), "id", ""),
	    json_text(json_array_get(c, 1), "id", ""));
	assert_string_equal(json_text(s.message, "stopReason", ""),
	    "toolUse");
	seen_clear(&s);
	/* The same index for two calls. */
	t = CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{"
	    "\"name\":\"x\",\"arguments\":\"{}\"}},{\"index\":0,\"id\":\"b\","
	    "\"function\":{\"name\":\"y\",\"arguments\":\"{}\"}}]}",
	    "\"finish_reason\":\"tool_calls\"") "data: [DONE]\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_string_equal(dbuf_str(&s.log), "<a x><b y>");
	seen_clear(&s);
	/* Arguments as an object; no index. */
	t = CHUNK("{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":"
	    "\"x\",\"arguments\":{\"k\":\"v\"}}}]}",
	    "\"finish_reason\":\"tool_calls\"") "data: [DONE]\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	c = json_array_get(json_object_get(s.message, "content"), 0);
	assert_string_equal(json_text(json_object_get(c, "arguments"), "k",
	    ""), "v");
	seen_clear(&s);
	/* Mistral's list of parts; a field of reasoning; EOF with text. */
	t = CHUNK("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{"
	    "\"type\":\"text\",\"text\":\"um\"}]},{\"type\":\"text\","
	    "\"text\":\"ok\"}]}", "\"finish_reason\":null")
	    CHUNK("{\"reasoning\":\"x\"}", "\"finish_reason\":null")
	    CHUNK("{\"content\":\"y\"}", "\"finish_reason\":null");
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_OK);
	c = json_object_get(s.message, "content");
	assert_int_equal(json_array_size(c), 4);
	assert_string_equal(json_text(json_array_get(c, 2),
	    "thinkingSignature", ""), "reasoning");
	seen_clear(&s);
	/* An error inside a stream, with its details. */
	t = ": OPENROUTER PROCESSING\n\ndata: {\"error\":{\"code\":429,"
	    "\"message\":\"Provider returned error\",\"metadata\":{\"raw\":"
	    "\"slow down\"}}}\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_RATE_LIMIT);
	assert_non_null(strstr(s.error, "slow down"));
	seen_clear(&s);
	t = CHUNK("{\"content\":\"a\"}", "\"finish_reason\":\"content_filter\"")
	    "data: [DONE]\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_REFUSAL);
	seen_clear(&s);
	/* Nothing at all. */
	play("openai-completions", "", "data: [DONE]\n\n", 14, 0, &s);
	assert_int_equal(s.class, PROVIDER_TRANSIENT);
	seen_clear(&s);
	/* A whole completion, from a server that knows no streams. */
	t = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
	    "\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{"
	    "\"prompt_tokens\":5,\"completion_tokens\":2}}";
	play("openai-completions", "Content-Type: application/json\n", t,
	    strlen(t), 0, &s);
	assert_string_equal(dbuf_str(&s.log), "hi");
	assert_int_equal(s.usage.input, 5);
	seen_clear(&s);
	/* Usage in every chunk, of Groq, and of DeepSeek; the last wins. */
	t = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,"
	    "\"completion_tokens\":1}}\n\n"
	    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},"
	    "\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{"
	    "\"prompt_tokens\":10,\"prompt_cache_hit_tokens\":4,"
	    "\"completion_tokens\":3,\"total_tokens\":20,"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":7}}}}\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_int_equal(s.usage.input, 6);
	assert_int_equal(s.usage.cache_read, 4);
	assert_int_equal(s.usage.output, 10);
	seen_clear(&s);
}

/* --- requests -------------------------------------------------------------- */

static json_t *
build(const char *api, const char *messages, struct provider_request *rq)
{
	const struct provider	*p = provider_find(api, "m");
	struct provider_error	 err;
	json_t			*j;

	model.api = api;
	memset(&err, 0, sizeof(err));
	ctx.system = "be brief";
	ctx.messages = json_loads(messages, 0, NULL);
	assert_non_null(ctx.messages);
	ctx.tools = json_loads("[{\"name\":\"exec\",\"description\":\"run\","
	    "\"parameters\":{\"type\":\"object\",\"properties\":{\"command\":"
	    "{\"type\":\"string\"}},\"required\":[\"command\"]}}]", 0, NULL);
	provider_request_init(rq);
	assert_int_equal(p->build(&model, &ctx, &opts, rq, &err), 0);
	j = json_loadb(rq->body.p, rq->body.n, 0, NULL);
	assert_non_null(j);
	json_decref(ctx.messages);
	json_decref(ctx.tools);
	return j;
}

#define assert_body(j, want) do {					\
	json_t *w_ = json_loads(want, 0, NULL);				\
	char *got_;							\
	assert_non_null(w_);						\
	got_ = json_dumps(j, JSON_COMPACT);				\
	if (!json_equal(j, w_))						\
		fail_msg("got %s\nwanted %s", got_, want);		\
	free(got_);							\
	json_decref(w_);						\
} while (0)

#define HISTORY "[{\"role\":\"user\",\"content\":\"how full?\"},"	\
	"{\"role\":\"assistant\",\"api\":\"%s\",\"provider\":\"p\","	\
	"\"model\":\"m\",\"content\":[{\"type\":\"thinking\",\"thinking\":" \
	"\"hm\",\"thinkingSignature\":\"%s\"},{\"type\":\"text\",\"text\":" \
	"\" \"},{\"type\":\"toolCall\",\"id\":\"call 1|fc\",\"name\":"	\
	"\"exec\",\"arguments\":{\"command\":\"df\"}}]},"		\
	"{\"role\":\"toolResult\",\"toolCallId\":\"call 1|fc\","	\
	"\"toolName\":\"exec\",\"isError\":false,\"content\":[{\"type\":"	\
	"\"text\",\"text\":\"28%%\"},{\"type\":\"image\",\"data\":\"QUJD\"," \
	"\"mimeType\":\"image/png\"}]}]"

static void
test_anthropic_request(void **state)
{
	struct provider_request	 rq;
	char			 h[2048];
	json_t			*j;

	(void)state;
	setup_model("p", "https://example.com/", true);
	snprintf(h, sizeof(h), HISTORY, "anthropic-messages", "c2ln");
	j = build("anthropic-messages", h, &rq);
	assert_string_equal(rq.method, "POST");
	assert_string_equal(rq.path, "/v1/messages");
	assert_non_null(strstr(dbuf_str(&rq.headers),
	    "anthropic-version: 2023-06-01\n"));
	assert_null(strstr(dbuf_str(&rq.headers), "anthropic-beta"));
	assert_body(j, "{\"model\":\"m\",\"max_tokens\":8192,\"stream\":true,"
	    "\"system\":[{\"type\":\"text\",\"text\":\"be brief\"}],"
	    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"how full?\"}]},"
	    "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"hm\",\"signature\":\"c2ln\"},{\"type\":"
	    "\"tool_use\",\"id\":\"call_1_fc\",\"name\":\"exec\",\"input\":"
	    "{\"command\":\"df\"}}]},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
	    "\"tool_use_id\":\"call_1_fc\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"28%\"},{\"type\":\"image\",\"source\":{\"type\":"
	    "\"base64\",\"media_type\":\"image/png\",\"data\":\"QUJD\"}}]}]}],"
	    "\"tools\":[{\"name\":\"exec\",\"description\":\"run\","
	    "\"input_schema\":{\"type\":\"object\",\"properties\":{"
	    "\"command\":{\"type\":\"string\"}},\"required\":[\"command\"]}}]"
	    "}");
	json_decref(j);
	provider_request_clear(&rq);

	/* At the vendor: cache points and betas; thinking leaves out the
	 * temperature and makes room. */
	setup_model("anthropic", "https://api.anthropic.com/v1", true);
	opts.thinking = "low";
	opts.temperature = 0.5;
	j = build("anthropic-messages", "[{\"role\":\"user\",\"content\":"
	    "\"hi\"},{\"role\":\"assistant\",\"model\":\"other\",\"content\":"
	    "[{\"type\":\"thinking\",\"thinking\":\"foreign\","
	    "\"thinkingSignature\":\"x\"}]},{\"role\":\"user\",\"content\":[]}"
	    ",{\"role\":\"assistant\",\"content\":[]}]", &rq);
	assert_string_equal(rq.path, "/messages");
	assert_non_null(strstr(dbuf_str(&rq.headers), "interleaved-thinking"));
	assert_body(json_object_get(j, "messages"), "[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"text\",\"text\":\"hi\","
	    "\"cache_control\":{\"type\":\"ephemeral\"}}]}]");
	assert_body(json_object_get(j, "thinking"), "{\"type\":\"enabled\","
	    "\"budget_tokens\":2048}");
	assert_int_equal(json_integer_value(json_object_get(j,
	    "max_tokens")), 8192);
	assert_null(json_object_get(j, "temperature"));
	assert_non_null(json_object_get(json_array_get(json_object_get(j,
	    "tools"), 0), "cache_control"));
	json_decref(j);
	provider_request_clear(&rq);

	/* Which kind of thinking a model takes is in its name. */
	static const struct { const char *id, *type; } ids[] = {
		{ "claude-3-7-sonnet-20250219", "enabled" },
		{ "claude-opus-4-5", "enabled" },
		{ "claude-sonnet-4-20250514", "enabled" },
		{ "claude-opus-4-6", "adaptive" },
		{ "claude-opus-4-7-20260401", "adaptive" },
		{ "claude-opus-5", "adaptive" },
		{ "claude-sonnet-5-5", "adaptive" }, { "m", "enabled" },
	};
	size_t	 i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		model.id = ids[i].id;
		j = build("anthropic-messages", "[{\"role\":\"user\","
		    "\"content\":\"hi\"}]", &rq);
		assert_string_equal(json_text(json_object_get(j, "thinking"),
		    "type", ""), ids[i].type);
		json_decref(j);
		provider_request_clear(&rq);
	}
}

static void
test_openai_request(void **state)
{
	struct provider_request	 rq;
	char			 h[2048];
	json_t			*j, *m;

	(void)state;
	setup_model("p", "https://example.com/v1", false);
	snprintf(h, sizeof(h), HISTORY, "openai-completions",
	    "reasoning_content");
	j = build("openai-completions", h, &rq);
	assert_string_equal(rq.path, "/chat/completions");
	assert_body(j, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{"
	    "\"include_usage\":true},\"messages\":["
	    "{\"role\":\"system\",\"content\":\"be brief\"},"
	    "{\"role\":\"user\",\"content\":\"how full?\"},"
	    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
	    "\"id\":\"call 1\",\"type\":\"function\",\"function\":{\"name\":"
	    "\"exec\",\"arguments\":\"{\\\"command\\\":\\\"df\\\"}\"}}]},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"call 1\",\"content\":"
	    "\"28%\"},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
	    "\"Attached image(s) from tool result:\"},{\"type\":\"image_url\","
	    "\"image_url\":{\"url\":\"data:image/png;base64,QUJD\"}}]}],"
	    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
	    "\"exec\",\"description\":\"run\",\"parameters\":{\"type\":"
	    "\"object\",\"properties\":{\"command\":{\"type\":\"string\"}},"
	    "\"required\":[\"command\"]}}}],\"max_completion_tokens\":8192}");
	json_decref(j);
	provider_request_clear(&rq);

	/* The vendor itself. */
	setup_model("openai", "https://api.openai.com/v1", true);
	opts.thinking = "medium";
	j = build("openai-completions", h, &rq);
	assert_true(json_is_false(json_object_get(j, "store")));
	assert_string_equal(json_text(j, "reasoning_effort", ""), "medium");
	m = json_array_get(json_object_get(j, "messages"), 0);
	assert_string_equal(json_text(m, "role", ""), "developer");
	json_decref(j);
	provider_request_clear(&rq);

	/* Mistral: ids of nine, names, an assistant in between. */
	setup_model("mistral", "https://api.mistral.ai/v1", false);
	j = build("openai-completions", h, &rq);
	m = json_array_get(json_object_get(j, "messages"), 3);
	assert_string_equal(json_text(m, "name", ""), "exec");
	assert_int_equal(strlen(json_text(m, "tool_call_id", "")), 9);
	assert_string_equal(json_text(m, "tool_call_id", ""), json_text(
	    json_array_get(json_object_get(json_array_get(json_object_get(j,
	    "messages"), 2), "tool_calls"), 0), "id", "x"));
	m = json_array_get(json_object_get(j, "messages"), 4);
	assert_string_equal(json_text(m, "role", ""), "assistant");
	assert_non_null(json_object_get(j, "max_tokens"));
	json_decref(j);
	provider_request_clear(&rq);

	/* DeepSeek wants its reasoning back. */
	setup_model("p", "https://api.deepseek.com/v1", true);
	j = build("openai-completions", h, &rq);
	m = json_array_get(json_object_get(j, "messages"), 2);
	assert_string_equal(json_text(m, "reasoning_content", ""), "hm");
	assert_string_equal(json_text(json_object_get(j, "thinking"), "type",
	    ""), "disabled");
	json_decref(j);
	provider_request_clear(&rq);

	/* A local server. */
	setup_model("ollama", "http://127.0.0.1:11434/v1", false);
	j = build("openai-completions", "[{\"role\":\"user\",\"content\":"
	    "\"x\"}]", &rq);
	assert_null(json_object_get(j, "store"));
	assert_non_null(json_object_get(j, "max_tokens"));
	json_decref(j);
	provider_request_clear(&rq);
}

/* The same history, one turn longer, begins with the same bytes. */
static void
test_prefix_is_stable(void **state)
{
	static const char *const apis[] = { "anthropic-messages",
	    "openai-completions" };
	struct provider_request	 a, b;
	size_t			 i;
	const char		*at;

	(void)state;
	setup_model("p", "https://example.com/v1", false);
	for (i = 0; i < 2; i++) {
		json_decref(build(apis[i], "[{\"role\":\"user\",\"content\":"
		    "\"one\"}]", &a));
		json_decref(build(apis[i], "[{\"role\":\"user\",\"content\":"
		    "\"one\"},{\"role\":\"assistant\",\"content\":[{\"type\":"
		    "\"text\",\"text\":\"two\"}]}]", &b));
		at = strstr(a.body.p, "one");
		assert_non_null(at);
		assert_memory_equal(a.body.p, b.body.p, (size_t)(at -
		    a.body.p) + 3);
		provider_request_clear(&a);
		provider_request_clear(&b);
	}
}

/* --- failures -------------------------------------------------------------- */

static void
test_failures(void **state)
{
	static const struct {
		const char	*api;
		unsigned int	 status;
		const char	*body;
		enum provider_class class;
	} c[] = {
#define A "anthropic-messages"
#define O "openai-completions"
#define AE(t, m) "{\"type\":\"error\",\"error\":{\"type\":\"" t		\
	"\",\"message\":\"" m "\"},\"request_id\":\"r\"}"
#define OE(t, code, m) "{\"error\":{\"message\":\"" m "\",\"type\":\"" t	\
	"\",\"code\":" code ",\"param\":null}}"
	{ A, 400, AE("invalid_request_error", "bad"), PROVIDER_FORMAT },
	{ A, 400, AE("invalid_request_error", "prompt is too long: 201000 "
	    "tokens > 200000 maximum"), PROVIDER_OVERFLOW },
	{ A, 400, AE("invalid_request_error", "Your credit balance is too "
	    "low"), PROVIDER_BILLING },
	{ A, 401, AE("authentication_error", "invalid x-api-key"),
	    PROVIDER_AUTH },
	{ A, 402, AE("billing_error", "pay"), PROVIDER_BILLING },
	{ A, 403, AE("permission_error", "no"), PROVIDER_AUTH },
	{ A, 404, AE("not_found_error", "model: x"), PROVIDER_NOT_FOUND },
	{ A, 413, AE("request_too_large", "big"), PROVIDER_OVERFLOW },
	{ A, 429, AE("rate_limit_error", "slow"), PROVIDER_RATE_LIMIT },
	{ A, 500, AE("api_error", "oops"), PROVIDER_TRANSIENT },
	{ A, 504, AE("timeout_error", "late"), PROVIDER_TIMEOUT },
	{ A, 529, AE("overloaded_error", "Overloaded"), PROVIDER_OVERLOADED },
	{ A, 529, "", PROVIDER_OVERLOADED },
	{ A, 502, "<html>bad gateway</html>", PROVIDER_TRANSIENT },
	{ A, 302, "", PROVIDER_FORMAT },
	{ A, 400, "", PROVIDER_OVERFLOW },
	{ A, 418, "{", PROVIDER_FORMAT },
	{ O, 400, OE("invalid_request_error", "\"context_length_exceeded\"",
	    "too long"), PROVIDER_OVERFLOW },
	{ O, 400, OE("x", "null", "maximum context length is 8192 tokens"),
	    PROVIDER_OVERFLOW },
	{ O, 400, OE("exceed_context_size_error", "400", "n_ctx"),
	    PROVIDER_OVERFLOW },
	{ O, 400, OE("x", "null", "bad"), PROVIDER_FORMAT },
	{ O, 422, "{\"detail\":[{\"msg\":\"field required\"}]}",
	    PROVIDER_FORMAT },
	{ O, 401, OE("invalid_request_error", "\"invalid_api_key\"",
	    "Incorrect API key"), PROVIDER_AUTH },
	{ O, 402, OE("x", "402", "credits"), PROVIDER_BILLING },
	{ O, 403, OE("x", "null", "region"), PROVIDER_AUTH },
	{ O, 404, OE("x", "\"model_not_found\"", "no such model"),
	    PROVIDER_NOT_FOUND },
	{ O, 408, "", PROVIDER_TIMEOUT },
	{ O, 413, OE("tokens", "\"rate_limit_exceeded\"", "TPM: Limit 6000, "
	    "Requested 9000"), PROVIDER_OVERFLOW },
	{ O, 413, OE("tokens", "\"rate_limit_exceeded\"", "TPM: Limit 6000, "
	    "Requested 900"), PROVIDER_RATE_LIMIT },
	{ O, 413, OE("x", "null", "big"), PROVIDER_OVERFLOW },
	{ O, 429, OE("insufficient_quota", "\"insufficient_quota\"",
	    "You exceeded your current quota"), PROVIDER_BILLING },
	{ O, 429, OE("tokens", "\"rate_limit_exceeded\"", "slow"),
	    PROVIDER_RATE_LIMIT },
	{ O, 429, "slow down", PROVIDER_RATE_LIMIT },
	{ O, 500, OE("server_error", "null", "oops"), PROVIDER_TRANSIENT },
	{ O, 503, OE("x", "503", "Loading model"), PROVIDER_OVERLOADED },
	{ O, 503, "", PROVIDER_TRANSIENT },
	{ O, 504, "", PROVIDER_TIMEOUT },
	{ O, 400, "", PROVIDER_OVERFLOW },
	{ O, 500, "{\"error\":\"plain\"}", PROVIDER_TRANSIENT },
	{ O, 400, "{\"message\":\"plain\"}", PROVIDER_FORMAT },
	{ O, 301, "", PROVIDER_FORMAT },
	};
	struct provider_error	 err;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		memset(&err, 0, sizeof(err));
		provider_find(c[i].api, "m")->classify(c[i].status,
		    str_of("retry-after: 7\nx-should-retry: false\n"),
		    str_of(c[i].body), &err);
		if (err.class != c[i].class)
			fail_msg("%s %u %s: %s", c[i].api, c[i].status,
			    c[i].body, provider_class_name(err.class));
		assert_int_equal(err.retry_after_ms, 7000);
		assert_true(err.no_retry);
		assert_true(strlen(err.message) > 5);
	}
}

/* AR-6: arguments that are no JSON never become a call with other ones. */
static void
test_T52_bad_arguments(void **state)
{
	struct seen	 s;
	const char	*t;
	json_t		*c;

	(void)state;
	setup_model("p", "http://127.0.0.1:1/v1", false);
	t = CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{"
	    "\"name\":\"exec\",\"arguments\":\"{\\\"command\\\":\"}}]}",
	    "\"finish_reason\":\"tool_calls\"") "data: [DONE]\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	c = json_array_get(json_object_get(s.message, "content"), 0);
	assert_int_equal(json_object_size(json_object_get(c, "arguments")),
	    0);
	seen_clear(&s);
	/* A name with nothing to it. */
	t = CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{"
	    "\"arguments\":\"{}\"}}]}", "\"finish_reason\":\"tool_calls\"")
	    "data: [DONE]\n\n";
	play("openai-completions", "", t, strlen(t), 0, &s);
	assert_int_equal(s.class, PROVIDER_FORMAT);
	seen_clear(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_streams_at_every_cut),
		cmocka_unit_test(test_truncated_streams),
		cmocka_unit_test(test_anthropic_variants),
		cmocka_unit_test(test_openai_variants),
		cmocka_unit_test(test_anthropic_request),
		cmocka_unit_test(test_openai_request),
		cmocka_unit_test(test_prefix_is_stable),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_T52_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
