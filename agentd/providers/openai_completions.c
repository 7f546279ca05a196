/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * openai-completions (spec providers 4 and 5): POST {base}/chat/completions,
 * for the vendor and the many servers that speak alike.  What differs between
 * them is in struct quirks, from compat keys over what the provider's name and
 * host tell.  The stream is in openai_stream.c.
 */

#include "common/compat.h"

#include "agentd/json_load.h"
#include "agentd/providers/openai_stream.h"
#include "agentd/providers/providers.h"
#include "agentd/providers/wire.h"

#define VENDOR_HOST	"api.openai.com"
#define ID_MAX		40

struct quirks {
	bool		 store;			/* send store: false */
	bool		 developer;
	bool		 effort;
	bool		 stream_usage;
	bool		 tools, temperature, strict;
	bool		 max_tokens_old;	/* the field max_tokens */
	bool		 result_name;
	bool		 assistant_after_result;
	bool		 thinking_as_text;
	bool		 replay_reasoning;
	bool		 string_content;
	bool		 mistral_ids;
	bool		 cache_points;		/* anthropic/ at OpenRouter */
	const char	*thinking_format;
};
struct builder {
	const struct provider_model	*m;
	const struct provider_context	*ctx;
	const struct provider_options	*o;
	struct quirks			 q;
	int				 level;
};

/* --- quirks ---------------------------------------------------------------- */

static bool
is_local(const char *host)
{
	size_t	 n = strlen(host);

	return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0
	    || strcmp(host, "::1") == 0 || strcmp(host, "[::1") == 0 ||
	    strncmp(host, "10.", 3) == 0 || strncmp(host, "192.168.", 8) == 0
	    || (n > 6 && strcmp(host + n - 6, ".local") == 0) ||
	    (n > 0 && strchr(host, '.') == NULL && strchr(host, ':') == NULL);
}

static bool
is_at(const struct builder *b, const char *host, const char *provider,
    const char *domain)
{
	size_t	 n = strlen(host), d = strlen(domain);

	return strcmp(b->m->provider, provider) == 0 ||
	    (n >= d && strcmp(host + n - d, domain) == 0 &&
	    (n == d || host[n - d - 1] == '.'));
}

static void
read_quirks(struct builder *b)
{
	static const struct { const char *provider, *domain; } odd[] = {
		{ "cerebras", "cerebras.ai" }, { "xai", "x.ai" },
		{ "chutes", "chutes.ai" }, { "zai", "z.ai" },
		{ "opencode", "opencode.ai" }, { "groq", "groq.com" },
		{ "together", "together.xyz" },
		{ "fireworks", "fireworks.ai" },
	};
	struct quirks			*q = &b->q;
	const struct provider_model	*m = b->m;
	char				 host[256];
	bool				 vendor, local, mistral, deepseek, zai;
	bool				 strange, xai, chutes, openrouter;
	size_t				 i;

	wire_host(m, host, sizeof(host));
	vendor = strcmp(host, VENDOR_HOST) == 0;
	local = is_local(host);
	mistral = is_at(b, host, "mistral", "mistral.ai");
	deepseek = is_at(b, host, "deepseek", "deepseek.com");
	zai = is_at(b, host, "zai", "z.ai");
	xai = is_at(b, host, "xai", "x.ai");
	chutes = is_at(b, host, "chutes", "chutes.ai");
	openrouter = is_at(b, host, "openrouter", "openrouter.ai");
	strange = local || mistral || deepseek;
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		strange = strange || is_at(b, host, odd[i].provider,
		    odd[i].domain);

	q->store = wire_compat_bool(m, "supportsStore", vendor);
	q->developer = wire_compat_bool(m, "supportsDeveloperRole",
	    vendor && !strange) && m->reasoning;
	q->effort = wire_compat_bool(m, "supportsReasoningEffort",
	    !xai && !zai && !deepseek);
	q->stream_usage = wire_compat_bool(m, "supportsUsageInStreaming",
	    true);
	q->tools = wire_compat_bool(m, "supportsTools", true);
	q->strict = wire_compat_bool(m, "supportsStrictMode", vendor);
	q->temperature = wire_compat_bool(m, "supportsTemperature", true);
	q->max_tokens_old = strcmp(wire_compat_text(m, "maxTokensField",
	    mistral || chutes || local || deepseek || openrouter ?
	    "max_tokens" : "max_completion_tokens"), "max_tokens") == 0;
	q->result_name = wire_compat_bool(m, "requiresToolResultName",
	    mistral);
	q->assistant_after_result = wire_compat_bool(m,
	    "requiresAssistantAfterToolResult", mistral);
	q->thinking_as_text = wire_compat_bool(m, "requiresThinkingAsText",
	    mistral);
	q->replay_reasoning = wire_compat_bool(m,
	    "requiresReasoningContentOnAssistantMessages", deepseek);
	q->string_content = wire_compat_bool(m, "requiresStringContent",
	    false);
	q->mistral_ids = wire_compat_bool(m, "requiresMistralToolIds",
	    mistral);
	q->cache_points = openrouter && strncmp(m->id, "anthropic/", 10) == 0;
	q->thinking_format = wire_compat_text(m, "thinkingFormat",
	    zai ? "zai" : deepseek ? "deepseek" : openrouter ? "openrouter" :
	    "openai");
}

/* --- ids ------------------------------------------------------------------- */

/* Exactly nine letters and digits: what is there, or where that is not enough
 * or too much, a digest of it, so that different ids stay different. */
static void
mistral_id(const char *id, char *out)
{
	static const char	 digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTU"
				    "VWXYZabcdefghijklmnopqrstuvwxyz";
	uint64_t		 h = 1469598103934665603ull;
	size_t			 i, n = 0;

	for (i = 0; id[i] != '\0'; i++) {
		h = (h ^ (unsigned char)id[i]) * 1099511628211ull;
		if (ascii_isalnum((unsigned char)id[i])) {
			if (n < 9)
				out[n] = id[i];
			n++;
		}
	}
	if (n != 9 || i != 9)
		for (n = 0; n < 9; n++, h /= 62)
			out[n] = digits[h % 62];
	out[9] = '\0';
}

static void
put_id(const struct builder *b, json_t *o, const char *key, const char *id)
{
	char	 buf[ID_MAX + 1];
	size_t	 n;

	if (b->q.mistral_ids) {
		mistral_id(id, buf);
	} else {
		/* A joined id (call|item): only the call's part. */
		n = strcspn(id, "|");
		if (n > ID_MAX)
			n = utf8_cut(id, n, ID_MAX);
		memcpy(buf, id, n);
		buf[n] = '\0';
	}
	wire_put_text(o, key, buf);
}

/* --- messages -------------------------------------------------------------- */

static json_t *
image_part(const json_t *b)
{
	const json_t	*data = json_object_get(b, "data");
	struct dbuf	 d;
	json_t		*o;

	dbuf_init(&d, PROVIDER_BODY_MAX);
	dbuf_printf(&d, "data:%s;base64,", json_text(b, "mimeType",
	    "image/png"));
	dbuf_put(&d, json_is_string(data) ? json_string_value(data) : "",
	    json_string_length(data));
	o = json_pack("{s:s,s:{s:s%}}", "type", "image_url", "image_url",
	    "url", dbuf_str(&d), d.n);
	dbuf_clear(&d);
	return o;
}

static json_t *
text_part(const char *p, size_t n)
{
	return json_pack("{s:s,s:s%}", "type", "text", "text", p, n);
}

static void
add_user(const struct builder *b, json_t *msgs, const json_t *m)
{
	const json_t	*content = json_object_get(m, "content"), *e, *t;
	json_t		*parts, *o;
	struct dbuf	 d;
	size_t		 i;

	dbuf_init(&d, PROVIDER_BODY_MAX);
	wire_text(content, &d);
	o = json_pack("{s:s}", "role", "user");
	if (wire_count_images(content) == 0 || !b->m->images ||
	    b->q.string_content) {
		if (wire_count_images(content) > 0)
			dbuf_puts(&d, d.n > 0 ? "\n(an image was left out)" :
			    "(an image was left out)");
		if (str_trim((struct str){ dbuf_str(&d), d.n }).n == 0) {
			json_decref(o);
			dbuf_clear(&d);
			return;
		}
		wire_put(o, "content", json_stringn(dbuf_str(&d), d.n));
	} else {
		parts = json_array();
		for (i = 0; i < json_array_size(content); i++) {
			e = json_array_get(content, i);
			t = json_object_get(e, "text");
			if (strcmp(json_text(e, "type", ""), "image") == 0)
				json_array_append_new(parts, image_part(e));
			else if (json_is_string(t) && !wire_blank(t))
				json_array_append_new(parts, text_part(
				    json_string_value(t),
				    json_string_length(t)));
		}
		wire_put(o, "content", parts);
	}
	dbuf_clear(&d);
	json_array_append_new(msgs, o);
}

static json_t *
tool_calls(const struct builder *b, const json_t *content)
{
	json_t		*out = json_array(), *o;
	const json_t	*e, *args;
	char		*s;
	size_t		 i;

	for (i = 0; i < json_array_size(content); i++) {
		e = json_array_get(content, i);
		if (strcmp(json_text(e, "type", ""), "toolCall") != 0)
			continue;
		args = json_object_get(e, "arguments");
		s = json_is_object(args) ? json_dumps(args, JSON_COMPACT) :
		    strdup("{}");
		o = json_object();
		put_id(b, o, "id", json_text(e, "id", ""));
		wire_put_text(o, "type", "function");
		if (strcmp(wire_compat_text(b->m, "toolCallArgumentsEncoding",
		    "string"), "object") == 0)
			wire_put(o, "function", json_pack("{s:s,s:o}", "name",
			    json_text(e, "name", ""), "arguments",
			    json_is_object(args) ?
			    json_incref((json_t *)(uintptr_t)args) :
			    json_object()));
		else
			wire_put(o, "function", json_pack("{s:s,s:s}", "name",
			    json_text(e, "name", ""), "arguments",
			    s == NULL ? "{}" : s));
		free(s);
		json_array_append_new(out, o);
	}
	return out;
}

/* Thoughts go back in the field they came in, or as text, or not at all
 * (PR-15). */
static void
put_thoughts(const struct builder *b, json_t *o, const json_t *m,
    struct dbuf *text)
{
	const json_t	*content = json_object_get(m, "content"), *e, *t;
	const char	*field = "reasoning_content";
	struct dbuf	 d;
	size_t		 i;
	bool		 same = wire_same_model(m, b->m);

	dbuf_init(&d, PROVIDER_BODY_MAX);
	for (i = 0; i < json_array_size(content); i++) {
		e = json_array_get(content, i);
		t = json_object_get(e, "thinking");
		if (strcmp(json_text(e, "type", ""), "thinking") != 0 ||
		    wire_blank(t) || json_is_true(json_object_get(e,
		    "redacted")))
			continue;
		if (!same || b->q.thinking_as_text) {
			if (text->n > 0)
				dbuf_putc(text, '\n');
			dbuf_put(text, json_string_value(t),
			    json_string_length(t));
			continue;
		}
		field = json_text(e, "thinkingSignature", field);
		if (d.n > 0)
			dbuf_putc(&d, '\n');
		dbuf_put(&d, json_string_value(t), json_string_length(t));
	}
	if (strcmp(field, "reasoning_content") != 0 &&
	    strcmp(field, "reasoning") != 0 &&
	    strcmp(field, "reasoning_text") != 0)
		field = "reasoning_content";
	if (b->q.replay_reasoning && (d.n > 0 || wire_has_calls(m)) && same)
		wire_put(o, field, json_stringn(dbuf_str(&d), d.n));
	dbuf_clear(&d);
}

static void
add_assistant(const struct builder *b, json_t *msgs, const json_t *m)
{
	json_t		*o, *calls;
	struct dbuf	 d;

	o = json_pack("{s:s}", "role", "assistant");
	dbuf_init(&d, PROVIDER_BODY_MAX);
	calls = tool_calls(b, json_object_get(m, "content"));
	wire_put(o, "content", json_null());	/* its place in the order */
	put_thoughts(b, o, m, &d);
	if (d.n > 0)
		dbuf_putc(&d, '\n');
	wire_text(json_object_get(m, "content"), &d);
	while (d.n > 0 && d.p[d.n - 1] == '\n')
		d.n--;
	if (d.n > 0)
		wire_put(o, "content", json_stringn(dbuf_str(&d), d.n));
	else if (b->q.string_content)
		wire_put(o, "content", json_string(""));
	if (json_array_size(calls) > 0)
		wire_put(o, "tool_calls", calls);
	else
		json_decref(calls);
	if (d.n == 0 && !wire_has_calls(m))
		json_decref(o);
	else
		json_array_append_new(msgs, o);
	dbuf_clear(&d);
}

/* A group of results from *i on, and their images behind it (PR-14). */
static void
add_results(const struct builder *b, json_t *msgs, size_t *i)
{
	const json_t	*m, *content, *e;
	json_t		*o, *parts = json_array();
	struct dbuf	 d;
	size_t		 k, n = json_array_size(b->ctx->messages);

	for (; *i < n; (*i)++) {
		m = json_array_get(b->ctx->messages, *i);
		if (strcmp(json_text(m, "role", ""), "toolResult") != 0)
			break;
		content = json_object_get(m, "content");
		dbuf_init(&d, PROVIDER_BODY_MAX);
		wire_text(content, &d);
		if (wire_count_images(content) > 0 && b->m->images) {
			if (d.n == 0)
				dbuf_puts(&d, "(see attached image)");
			for (k = 0; k < json_array_size(content); k++) {
				e = json_array_get(content, k);
				if (strcmp(json_text(e, "type", ""), "image")
				    == 0)
					json_array_append_new(parts,
					    image_part(e));
			}
		}
		o = json_pack("{s:s}", "role", "tool");
		put_id(b, o, "tool_call_id", json_text(m, "toolCallId", ""));
		if (b->q.result_name)
			wire_put_text(o, "name", json_text(m, "toolName", ""));
		wire_put(o, "content", json_stringn(dbuf_str(&d), d.n));
		json_array_append_new(msgs, o);
		dbuf_clear(&d);
	}
	/* Does something of the user follow, which this server wants to have
	 * an assistant's message before? */
	m = json_array_get(b->ctx->messages, *i);
	if (b->q.assistant_after_result && (json_array_size(parts) > 0 ||
	    strcmp(json_text(m, "role", ""), "user") == 0))
		json_array_append_new(msgs, json_pack("{s:s,s:s}", "role",
		    "assistant", "content", "I have the tool results."));
	if (json_array_size(parts) > 0) {
		static const char lead[] = "Attached image(s) from tool "
		    "result:";

		json_array_insert_new(parts, 0, text_part(lead,
		    sizeof(lead) - 1));
		json_array_append_new(msgs, json_pack("{s:s,s:o}", "role",
		    "user", "content", parts));
	} else
		json_decref(parts);
}

/* OpenRouter passes cache points on to one vendor: on the last text part of
 * the last message of user or assistant. */
static void
add_cache_point(json_t *msgs)
{
	json_t		*m, *content, *part;
	const char	*role;
	size_t		 i;

	for (i = json_array_size(msgs); i > 0; i--) {
		m = json_array_get(msgs, i - 1);
		role = json_text(m, "role", "");
		content = json_object_get(m, "content");
		if (strcmp(role, "user") != 0 && strcmp(role, "assistant") !=
		    0)
			continue;
		if (!json_is_string(content))
			continue;
		part = text_part(json_string_value(content),
		    json_string_length(content));
		wire_put(part, "cache_control", json_pack("{s:s}", "type",
		    "ephemeral"));
		wire_put(m, "content", json_pack("[o]", part));
		return;
	}
}

static json_t *
build_messages(const struct builder *b, bool *calls)
{
	json_t		*msgs = json_array();
	const json_t	*m;
	const char	*role;
	size_t		 i, n = json_array_size(b->ctx->messages);

	*calls = false;
	if (b->ctx->system[0] != '\0')
		json_array_append_new(msgs, json_pack("{s:s,s:s}", "role",
		    b->q.developer ? "developer" : "system", "content",
		    b->ctx->system));
	for (i = 0; i < n; i++) {
		m = json_array_get(b->ctx->messages, i);
		role = json_text(m, "role", "");
		if (strcmp(role, "user") == 0)
			add_user(b, msgs, m);
		else if (strcmp(role, "assistant") == 0) {
			add_assistant(b, msgs, m);
			*calls = *calls || wire_has_calls(m);
		} else if (strcmp(role, "toolResult") == 0) {
			add_results(b, msgs, &i);
			i--;
		}
	}
	if (b->q.cache_points)
		add_cache_point(msgs);
	return msgs;
}

/* --- request --------------------------------------------------------------- */

static json_t *
build_tools(const struct builder *b)
{
	json_t	*out = json_array(), *f, *o;
	size_t	 i;

	for (i = 0; i < json_array_size(b->ctx->tools); i++) {
		f = wire_tool(json_array_get(b->ctx->tools, i), "parameters");
		if (b->q.strict)
			wire_put(f, "strict", json_false());
		o = json_object();
		wire_put_text(o, "type", "function");
		wire_put(o, "function", f);
		json_array_append_new(out, o);
	}
	return out;
}

static void
build_thinking(const struct builder *b, json_t *body)
{
	static const char *const names[] = { "none", "minimal", "low",
	    "medium", "high", "xhigh" };
	const char	*f = b->q.thinking_format, *effort = names[b->level];
	const json_t	*map = wire_compat(b->m, "reasoningEffortMap");
	bool		 on = b->level > 0;

	if (!b->m->reasoning)
		return;
	if (on && json_is_string(json_object_get(map, effort)))
		effort = json_text(map, effort, effort);
	else if (b->level == 5 && !wire_compat_bool(b->m, "supportsXhigh",
	    false))
		effort = "high";
	if (strcmp(f, "zai") == 0 || strcmp(f, "deepseek") == 0)
		wire_put(body, "thinking", json_pack("{s:s}", "type", on ?
		    "enabled" : "disabled"));
	else if (strcmp(f, "qwen") == 0)
		wire_put(body, "enable_thinking", json_boolean(on));
	else if (strcmp(f, "qwen-chat-template") == 0)
		wire_put(body, "chat_template_kwargs", json_pack("{s:b}",
		    "enable_thinking", on));
	else if (strcmp(f, "openrouter") == 0) {
		if (on)
			wire_put(body, "reasoning", json_pack("{s:s}", "effort",
			    effort));
	} else if (on && b->q.effort)
		wire_put_text(body, "reasoning_effort", effort);
}

static int
openai_build(const struct provider_model *m,
    const struct provider_context *ctx, const struct provider_options *o,
    struct provider_request *rq, struct provider_error *err)
{
	struct builder	 b;
	json_t		*body, *extra;
	const json_t	*v;
	const char	*key;
	bool		 calls;
	double		 t = o->temperature;

	memset(&b, 0, sizeof(b));
	b.m = m;
	b.ctx = ctx;
	b.o = o;
	b.level = wire_thinking_level(o);
	read_quirks(&b);

	body = json_object();
	wire_put_text(body, "model", m->id);
	wire_put(body, "stream", json_true());
	if (b.q.stream_usage)
		wire_put(body, "stream_options", json_pack("{s:b}",
		    "include_usage", 1));
	if (b.q.store)
		wire_put(body, "store", json_false());
	wire_put(body, "messages", build_messages(&b, &calls));
	if (b.q.tools && (json_array_size(ctx->tools) > 0 || calls)) {
		/* PR-12: empty when only the history has calls. */
		wire_put(body, "tools", build_tools(&b));
		v = json_object_get(o->params, "toolChoice");
		if (v == NULL)
			v = json_object_get(o->params, "tool_choice");
		if (v != NULL && json_array_size(ctx->tools) > 0)
			wire_put(body, "tool_choice", json_incref(
			    (json_t *)(uintptr_t)v));
	}
	wire_put(body, b.q.max_tokens_old ? "max_tokens" :
	    "max_completion_tokens",
	    json_integer((json_int_t)wire_max_tokens(m, o)));
	v = json_object_get(o->params, "temperature");
	if (t < 0 && json_is_number(v))
		t = json_number_value(v);
	if (t >= 0 && b.q.temperature)
		wire_put(body, "temperature", json_real(t));
	build_thinking(&b, body);
	v = wire_compat(m, "openRouterRouting");
	if (json_is_object(v))
		wire_put(body, "provider", json_incref((json_t *)(uintptr_t)v));
	/* R9 extra_body: what this server understands beyond. */
	extra = json_incref(json_object_get(o->params, "extra_body"));
	json_object_foreach(extra, key, v)
		if (strcmp(key, "messages") != 0 && strcmp(key, "model") != 0
		    && strcmp(key, "stream") != 0)
			wire_put(body, key,
			    json_incref((json_t *)(uintptr_t)v));
	json_decref(extra);

	strlcpy(rq->method, "POST", sizeof(rq->method));
	strlcpy(rq->path, "/chat/completions", sizeof(rq->path));
	dbuf_puts(&rq->headers, "content-type: application/json\n"
	    "accept: application/json\n");
	return wire_body(rq, body, err);
}

const struct provider provider_openai_completions = {
	.api = "openai-completions",
	.build = openai_build,
	.parser_new = openai_parser_new,
	.feed = wire_parser_feed,
	.finish = wire_parser_finish,
	.parser_free = openai_parser_free,
	.classify = openai_classify,
};
