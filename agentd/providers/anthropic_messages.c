/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * anthropic-messages (spec providers 3): POST {base}/v1/messages.  The request
 * keeps its prefix byte-stable from call to call, so that the provider's cache
 * can work; nothing in it says that we are another program than we are.
 */

#include "common/compat.h"

#include "agentd/json_load.h"
#include "agentd/providers/providers.h"
#include "agentd/providers/wire.h"

#define VENDOR_HOST	"api.anthropic.com"
#define ID_MAX		64

/* --- request --------------------------------------------------------------- */

struct builder {
	const struct provider_model	*m;
	const struct provider_context	*ctx;
	const struct provider_options	*o;
	bool				 vendor;
	bool				 cache;
	const char			*ttl;	/* "1h" or NULL */
	bool				 thinking;
};

/* Ids of calls are [a-zA-Z0-9_-]{1,64} here. */
static void
put_id(json_t *o, const char *key, const char *id)
{
	char	 buf[ID_MAX + 1];
	size_t	 n;

	for (n = 0; n < ID_MAX && id[n] != '\0'; n++)
		buf[n] = ascii_isalnum((unsigned char)id[n]) || id[n] == '-'
		    ? id[n] : '_';
	if (n == 0)
		buf[n++] = '_';
	buf[n] = '\0';
	wire_put_text(o, key, buf);
}

static void
put_cache_point(const struct builder *b, json_t *block)
{
	json_t	*c;

	if (!b->cache || !json_is_object(block))
		return;
	c = json_pack("{s:s}", "type", "ephemeral");
	if (b->ttl != NULL)
		wire_put_text(c, "ttl", b->ttl);
	wire_put(block, "cache_control", c);
}

static json_t *
text_block(const json_t *text)
{
	json_t	*o = json_object();

	wire_put_text(o, "type", "text");
	wire_put(o, "text", json_incref((json_t *)(uintptr_t)text));
	return o;
}

static json_t *
image_block(const json_t *b)
{
	return json_pack("{s:s,s:{s:s,s:s,s:O?}}", "type", "image", "source",
	    "type", "base64", "media_type", json_text(b, "mimeType",
	    "image/png"), "data", json_object_get(b, "data"));
}

/* Text and image blocks of a user message or a tool result. */
static json_t *
plain_blocks(const struct builder *b, const json_t *content)
{
	json_t		*out = json_array();
	const json_t	*e;
	const char	*type;
	size_t		 i;

	if (json_is_string(content)) {
		if (!wire_blank(content))
			json_array_append_new(out, text_block(content));
		return out;
	}
	for (i = 0; i < json_array_size(content); i++) {
		e = json_array_get(content, i);
		type = json_text(e, "type", "");
		if (strcmp(type, "text") == 0) {
			if (!wire_blank(json_object_get(e, "text")))
				json_array_append_new(out, text_block(
				    json_object_get(e, "text")));
		} else if (strcmp(type, "image") == 0) {
			if (b->m->images)
				json_array_append_new(out, image_block(e));
			else
				json_array_append_new(out, json_pack(
				    "{s:s,s:s}", "type", "text", "text",
				    "(an image, which this model cannot see)"));
		}
	}
	return out;
}

static void
add_user(const struct builder *b, json_t *msgs, const json_t *m)
{
	json_t	*blocks = plain_blocks(b, json_object_get(m, "content"));
	json_t	*o;

	if (json_array_size(blocks) == 0) {
		json_decref(blocks);
		return;
	}
	o = json_pack("{s:s}", "role", "user");
	wire_put(o, "content", blocks);
	json_array_append_new(msgs, o);
}

/* A thinking block as it may be replayed (PR-7). */
static json_t *
thinking_block(const json_t *e, bool same)
{
	const json_t	*sig = json_object_get(e, "thinkingSignature");
	const json_t	*text = json_object_get(e, "thinking");
	json_t		*o;

	if (same && json_string_length(sig) > 0) {
		o = json_object();
		if (json_is_true(json_object_get(e, "redacted"))) {
			wire_put_text(o, "type", "redacted_thinking");
			wire_put(o, "data",
			    json_incref((json_t *)(uintptr_t)sig));
		} else {
			wire_put_text(o, "type", "thinking");
			wire_put(o, "thinking", text == NULL ? json_string("") :
			    json_incref((json_t *)(uintptr_t)text));
			wire_put(o, "signature",
			    json_incref((json_t *)(uintptr_t)sig));
		}
		return o;
	}
	/* From another model, or cut short: as plain text. */
	return wire_blank(text) ? NULL : text_block(text);
}

static void
add_assistant(const struct builder *b, json_t *msgs, const json_t *m)
{
	const json_t	*content = json_object_get(m, "content"), *e, *args;
	json_t		*blocks = json_array(), *o;
	const char	*type;
	bool		 same = wire_same_model(m, b->m);
	size_t		 i;

	if (json_is_string(content) && !wire_blank(content))
		json_array_append_new(blocks, text_block(content));
	for (i = 0; i < json_array_size(content); i++) {
		e = json_array_get(content, i);
		type = json_text(e, "type", "");
		o = NULL;
		if (strcmp(type, "text") == 0) {
			if (!wire_blank(json_object_get(e, "text")))
				o = text_block(json_object_get(e, "text"));
		} else if (strcmp(type, "thinking") == 0) {
			o = thinking_block(e, same);
		} else if (strcmp(type, "toolCall") == 0) {
			o = json_object();
			wire_put_text(o, "type", "tool_use");
			put_id(o, "id", json_text(e, "id", ""));
			wire_put_text(o, "name", json_text(e, "name", ""));
			args = json_object_get(e, "arguments");
			wire_put(o, "input", json_is_object(args) ?
			    json_incref((json_t *)(uintptr_t)args) :
			    json_object());
		}
		if (o != NULL)
			json_array_append_new(blocks, o);
	}
	if (json_array_size(blocks) == 0) {
		json_decref(blocks);
		return;
	}
	o = json_pack("{s:s}", "role", "assistant");
	wire_put(o, "content", blocks);
	json_array_append_new(msgs, o);
}

static json_t *
result_block(const struct builder *b, const json_t *m)
{
	const json_t	*content = json_object_get(m, "content");
	json_t		*o = json_object(), *blocks;
	struct dbuf	 d;

	wire_put_text(o, "type", "tool_result");
	put_id(o, "tool_use_id", json_text(m, "toolCallId", ""));
	dbuf_init(&d, PROVIDER_BODY_MAX);
	wire_text(content, &d);
	if (wire_count_images(content) == 0 || !b->m->images) {
		wire_put(o, "content", json_stringn(dbuf_str(&d), d.n));
	} else {
		blocks = plain_blocks(b, content);
		if (d.n == 0)
			json_array_insert_new(blocks, 0, json_pack(
			    "{s:s,s:s}", "type", "text", "text",
			    "(see attached image)"));
		wire_put(o, "content", blocks);
	}
	dbuf_clear(&d);
	if (json_is_true(json_object_get(m, "isError")))
		wire_put(o, "is_error", json_true());
	return o;
}

/* Results that follow each other become one user message (PR-6), and what the
 * user said right behind them joins it. */
static json_t *
build_messages(const struct builder *b)
{
	json_t		*msgs = json_array(), *o, *blocks, *last;
	const json_t	*m;
	const char	*role;
	size_t		 i, n = json_array_size(b->ctx->messages);

	for (i = 0; i < n; i++) {
		m = json_array_get(b->ctx->messages, i);
		role = json_text(m, "role", "");
		if (strcmp(role, "user") == 0)
			add_user(b, msgs, m);
		else if (strcmp(role, "assistant") == 0)
			add_assistant(b, msgs, m);
		else if (strcmp(role, "toolResult") == 0) {
			blocks = json_array();
			for (; i < n; i++) {
				m = json_array_get(b->ctx->messages, i);
				if (strcmp(json_text(m, "role", ""),
				    "toolResult") != 0)
					break;
				json_array_append_new(blocks,
				    result_block(b, m));
			}
			i--;
			o = json_pack("{s:s}", "role", "user");
			wire_put(o, "content", blocks);
			json_array_append_new(msgs, o);
		}
	}
	/* No prefill while thinking (PR-8). */
	n = json_array_size(msgs);
	if (b->thinking && n > 0 && strcmp(json_text(json_array_get(msgs,
	    n - 1), "role", ""), "assistant") == 0)
		json_array_remove(msgs, n - 1);
	/* The cache point of the last user message. */
	for (i = json_array_size(msgs); i > 0; i--) {
		last = json_array_get(msgs, i - 1);
		if (strcmp(json_text(last, "role", ""), "user") != 0)
			continue;
		blocks = json_object_get(last, "content");
		put_cache_point(b, json_array_get(blocks,
		    json_array_size(blocks) - 1));
		break;
	}
	return msgs;
}

static json_t *
build_tools(const struct builder *b)
{
	json_t	*out = json_array();
	size_t	 i;

	for (i = 0; i < json_array_size(b->ctx->tools); i++)
		json_array_append_new(out, wire_tool(json_array_get(
		    b->ctx->tools, i), "input_schema"));
	put_cache_point(b, json_array_get(out, json_array_size(out) - 1));
	return out;
}

/* Models of the vendor from 4.6 on think adaptively, and from 4.7 on refuse a
 * budget: claude-<name>-<major>[-<minor>][-<date>]. */
static bool
is_adaptive(const char *id)
{
	unsigned int	 v[2] = { 0, 0 };
	size_t		 n, k = 0;

	if (strncmp(id, "claude-", 7) != 0)
		return false;
	for (id += 7; *id != '\0' && k < 2; id += n + (id[n] == '-')) {
		n = strcspn(id, "-");
		if (n > 0 && n <= 2 && strspn(id, "0123456789") == n)
			v[k++] = (unsigned int)strtoul(id, NULL, 10);
		else if (k > 0)
			break;
	}
	return v[0] > 4 || (v[0] == 4 && v[1] >= 6);
}

static void
build_thinking(struct builder *b, json_t *body, uint64_t max_tokens)
{
	static const uint64_t	 budgets[] = { 0, 1024, 2048, 8192, 16384,
	    16384 };
	static const char *const efforts[] = { "low", "low", "low", "medium",
	    "high", "xhigh" };
	int			 level = wire_thinking_level(b->o);
	uint64_t		 budget = budgets[level];

	if (level > 0 && b->m->reasoning && strcmp(wire_compat_text(b->m,
	    "thinking", is_adaptive(b->m->id) ? "adaptive" : "budget"),
	    "adaptive") == 0) {
		wire_put(body, "max_tokens",
		    json_integer((json_int_t)max_tokens));
		wire_put(body, "thinking", json_pack("{s:s,s:s}", "type",
		    "adaptive", "display", "summarized"));
		wire_put(body, "output_config", json_pack("{s:s}", "effort",
		    efforts[level]));
		b->thinking = true;
		return;
	}
	if (level > 0 && b->m->reasoning) {
		/* PR-9: the answer's own room on top of the budget. */
		max_tokens += budget;
		if (b->m->max_tokens > 0 && max_tokens > b->m->max_tokens)
			max_tokens = b->m->max_tokens;
		if (max_tokens <= budget)
			budget = max_tokens > 2048 ? max_tokens - 1024 :
			    1024;
		b->thinking = budget >= 1024 && budget < max_tokens;
	}
	wire_put(body, "max_tokens", json_integer((json_int_t)max_tokens));
	if (b->thinking)
		wire_put(body, "thinking", json_pack("{s:s,s:I}", "type",
		    "enabled", "budget_tokens", (json_int_t)budget));
}

static void
build_headers(const struct builder *b, struct provider_request *rq)
{
	const json_t	*extra = wire_compat(b->m, "betas");
	const char	*sep = "anthropic-beta: ";
	size_t		 i;

	dbuf_puts(&rq->headers, "content-type: application/json\n"
	    "accept: application/json\nanthropic-version: 2023-06-01\n");
	if (b->vendor) {
		dbuf_printf(&rq->headers, "%s%s", sep,
		    "fine-grained-tool-streaming-2025-05-14");
		sep = ",";
		if (b->thinking)
			dbuf_printf(&rq->headers, "%s%s", sep,
			    "interleaved-thinking-2025-05-14");
	}
	for (i = 0; i < json_array_size(extra); i++) {
		const char *v = json_string_value(json_array_get(extra, i));

		if (v == NULL || v[strspn(v, "abcdefghijklmnopqrstuvwxyz"
		    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] != '\0')
			continue;
		dbuf_printf(&rq->headers, "%s%s", sep, v);
		sep = ",";
	}
	if (sep[0] == ',')
		dbuf_putc(&rq->headers, '\n');
}

static void
read_cache_options(struct builder *b)
{
	const char	*keep, *ttl;

	b->cache = wire_compat_bool(b->m, "cacheControl", b->vendor);
	keep = json_text(b->o->params, "cacheRetention", "short");
	ttl = json_text(b->o->params, "cacheControlTtl", "");
	if (strcmp(keep, "none") == 0)
		b->cache = false;
	if (strcmp(keep, "long") == 0 || strcmp(ttl, "1h") == 0)
		b->ttl = "1h";
}

static int
anthropic_build(const struct provider_model *m,
    const struct provider_context *ctx, const struct provider_options *o,
    struct provider_request *rq, struct provider_error *err)
{
	struct builder	 b;
	json_t		*body, *system, *block;
	const json_t	*v;
	char		 host[256];
	double		 t = o->temperature;

	memset(&b, 0, sizeof(b));
	b.m = m;
	b.ctx = ctx;
	b.o = o;
	b.vendor = strcmp(wire_host(m, host, sizeof(host)), VENDOR_HOST) == 0;
	read_cache_options(&b);

	body = json_object();
	wire_put_text(body, "model", m->id);
	build_thinking(&b, body, wire_max_tokens(m, o));
	wire_put(body, "stream", json_true());
	if (ctx->system[0] != '\0') {
		system = json_array();
		block = json_object();
		wire_put_text(block, "type", "text");
		wire_put_text(block, "text", ctx->system);
		put_cache_point(&b, block);
		json_array_append_new(system, block);
		wire_put(body, "system", system);
	}
	wire_put(body, "messages", build_messages(&b));
	if (json_array_size(ctx->tools) > 0) {
		wire_put(body, "tools", build_tools(&b));
		v = json_object_get(o->params, "toolChoice");
		if (json_is_string(v))
			wire_put(body, "tool_choice", json_pack("{s:O}",
			    "type", v));
		else if (json_is_object(v))
			wire_put(body, "tool_choice", json_incref(
			    (json_t *)(uintptr_t)v));
	}
	v = json_object_get(o->params, "temperature");
	if (t < 0 && json_is_number(v))
		t = json_number_value(v);
	if (t >= 0 && !b.thinking)
		wire_put(body, "temperature", json_real(t));

	strlcpy(rq->method, "POST", sizeof(rq->method));
	strlcpy(rq->path, wire_base_ends(m, "/v1") ? "/messages" :
	    "/v1/messages", sizeof(rq->path));
	build_headers(&b, rq);
	return wire_body(rq, body, err);
}

/* --- stream ---------------------------------------------------------------- */

struct parser {
	struct wire_parser	 w;	/* first */
	struct provider_usage	 usage;
	enum stop_reason	 stop;
	bool			 has_stop;
	bool			 refusal;
	char			 why[512];	/* of a refusal */
};

static const struct { const char *type; unsigned int status;
	enum provider_class class; } error_types[] = {
	{ "invalid_request_error", 400, PROVIDER_FORMAT },
	{ "authentication_error", 401, PROVIDER_AUTH },
	{ "billing_error", 402, PROVIDER_BILLING },
	{ "permission_error", 403, PROVIDER_AUTH },
	{ "not_found_error", 404, PROVIDER_NOT_FOUND },
	{ "request_too_large", 413, PROVIDER_OVERFLOW },
	{ "rate_limit_error", 429, PROVIDER_RATE_LIMIT },
	{ "api_error", 500, PROVIDER_TRANSIENT },
	{ "timeout_error", 504, PROVIDER_TIMEOUT },
	{ "overloaded_error", 529, PROVIDER_OVERLOADED },
};
#define NTYPES	(sizeof(error_types) / sizeof(error_types[0]))

static enum provider_class
class_of(unsigned int status, const char *type, const char *text,
    size_t body_bytes)
{
	enum provider_class	 by_text, class = PROVIDER_OK;
	size_t			 i;

	for (i = 0; i < NTYPES && class == PROVIDER_OK; i++)
		if (strcmp(error_types[i].type, type) == 0)
			class = error_types[i].class;
	for (i = 0; i < NTYPES && class == PROVIDER_OK; i++)
		if (error_types[i].status == status)
			class = error_types[i].class;
	if (class == PROVIDER_OK)
		class = status >= 500 ? PROVIDER_TRANSIENT :
		    status == 408 ? PROVIDER_TIMEOUT : PROVIDER_FORMAT;
	if (status >= 300 && status < 400)
		return PROVIDER_FORMAT;
	by_text = provider_class_of_text(text);
	if (class == PROVIDER_FORMAT && (by_text == PROVIDER_OVERFLOW ||
	    by_text == PROVIDER_BILLING))
		return by_text;
	if ((status == 400 || status == 413) && body_bytes == 0)
		return PROVIDER_OVERFLOW;
	return class;
}

static uint64_t
count(const json_t *o, const char *key, uint64_t old)
{
	const json_t	*v = json_object_get(o, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ?
	    (uint64_t)json_integer_value(v) : old;
}

/* Numbers that are there replace those of before (unlike R1). */
static void
merge_usage(struct parser *p, const json_t *u)
{
	if (!json_is_object(u))
		return;
	p->usage.known = true;
	p->usage.input = count(u, "input_tokens", p->usage.input);
	p->usage.output = count(u, "output_tokens", p->usage.output);
	p->usage.cache_read = count(u, "cache_read_input_tokens",
	    p->usage.cache_read);
	p->usage.cache_write = count(u, "cache_creation_input_tokens",
	    p->usage.cache_write);
	pstream_usage(p->w.ps, &p->usage);
}

static void
take_stop(struct parser *p, const json_t *delta)
{
	const char	*r = json_text(delta, "stop_reason", "");
	const json_t	*d = json_object_get(delta, "stop_details");

	if (r[0] == '\0')
		return;
	p->has_stop = true;
	if (strcmp(r, "max_tokens") == 0 ||
	    strcmp(r, "model_context_window_exceeded") == 0)
		p->stop = STOP_LENGTH;
	else if (strcmp(r, "tool_use") == 0)
		p->stop = STOP_TOOL_USE;
	else
		p->stop = STOP_STOP;	/* pause_turn and unknown ones too */
	if (strcmp(r, "refusal") == 0) {
		p->refusal = true;
		snprintf(p->why, sizeof(p->why), "the model refused%s%s%s%s",
		    d != NULL ? ": " : "", json_text(d, "category", ""),
		    json_text(d, "explanation", "")[0] != '\0' ? ", " : "",
		    json_text(d, "explanation", ""));
	}
}

static void
end(struct parser *p)
{
	if (p->refusal)
		pstream_errorf(p->w.ps, PROVIDER_REFUSAL, 0, "%s", p->why);
	else
		pstream_done(p->w.ps, p->has_stop ? p->stop : STOP_STOP);
}

static void
report_text(struct pstream *ps, unsigned int i, const json_t *t, bool think)
{
	if (json_string_length(t) == 0)
		return;
	if (think)
		pstream_thinking(ps, i, json_string_value(t),
		    json_string_length(t));
	else
		pstream_text(ps, i, json_string_value(t),
		    json_string_length(t));
}

static void
report_signature(struct pstream *ps, unsigned int i, const json_t *t,
    bool redacted)
{
	if (json_string_length(t) > 0)
		pstream_signature(ps, i, json_string_value(t),
		    json_string_length(t), redacted);
}

static void
block_start(struct parser *p, unsigned int i, const json_t *b)
{
	struct pstream	*ps = p->w.ps;
	const char	*type = json_text(b, "type", "");
	const json_t	*input;
	char		*s;

	if (strcmp(type, "text") == 0) {
		report_text(ps, i, json_object_get(b, "text"), false);
	} else if (strcmp(type, "thinking") == 0) {
		report_text(ps, i, json_object_get(b, "thinking"), true);
		report_signature(ps, i, json_object_get(b, "signature"),
		    false);
	} else if (strcmp(type, "redacted_thinking") == 0) {
		report_signature(ps, i, json_object_get(b, "data"), true);
	} else if (strcmp(type, "tool_use") == 0) {
		pstream_toolcall(ps, i, json_text(b, "id", ""),
		    json_text(b, "name", ""));
		/* Usually {}, and the arguments follow; whole ones come in
		 * answers that are no stream. */
		input = json_object_get(b, "input");
		if (json_object_size(input) > 0 &&
		    (s = json_dumps(input, JSON_COMPACT)) != NULL) {
			pstream_toolargs(ps, i, s, strlen(s));
			free(s);
		}
	}
}

static void
block_delta(struct parser *p, unsigned int i, const json_t *d)
{
	struct pstream	*ps = p->w.ps;
	const char	*type = json_text(d, "type", "");
	const json_t	*t;

	if (strcmp(type, "text_delta") == 0)
		report_text(ps, i, json_object_get(d, "text"), false);
	else if (strcmp(type, "thinking_delta") == 0)
		report_text(ps, i, json_object_get(d, "thinking"), true);
	else if (strcmp(type, "signature_delta") == 0)
		report_signature(ps, i, json_object_get(d, "signature"),
		    false);
	else if (strcmp(type, "input_json_delta") == 0) {
		t = json_object_get(d, "partial_json");
		if (json_string_length(t) > 0)
			pstream_toolargs(ps, i, json_string_value(t),
			    json_string_length(t));
	}
}

static void
stream_error(struct parser *p, const json_t *e)
{
	struct provider_error	 err;
	const char		*type = json_text(e, "type", "error");
	const char		*text = json_text(e, "message", "");

	memset(&err, 0, sizeof(err));
	err.class = class_of(0, type, text, 1);
	wire_error_message(&err, 0, type, text);
	pstream_error(p->w.ps, &err);
}

static void
on_event(struct wire_parser *w, json_t *e)
{
	struct parser	*p = (struct parser *)w;
	const char	*type = json_text(e, "type", "");
	const json_t	*j = json_object_get(e, "index");
	unsigned int	 i = 0;

	if (strncmp(type, "content_block_", 14) == 0) {
		if (!json_is_integer(j) || json_integer_value(j) < 0 ||
		    json_integer_value(j) >= PROVIDER_BLOCKS_MAX) {
			pstream_errorf(w->ps, PROVIDER_FORMAT, 0,
			    "a block of the answer has no proper number");
			return;
		}
		i = (unsigned int)json_integer_value(j);
		type += 14;
		if (strcmp(type, "start") == 0)
			block_start(p, i, json_object_get(e,
			    "content_block"));
		else if (strcmp(type, "delta") == 0)
			block_delta(p, i, json_object_get(e, "delta"));
		else if (strcmp(type, "stop") == 0)
			pstream_end(w->ps, i);
	} else if (strcmp(type, "message_start") == 0)
		merge_usage(p, json_object_get(json_object_get(e, "message"),
		    "usage"));
	else if (strcmp(type, "message_delta") == 0) {
		take_stop(p, json_object_get(e, "delta"));
		merge_usage(p, json_object_get(e, "usage"));
	} else if (strcmp(type, "message_stop") == 0)
		end(p);
	else if (strcmp(type, "error") == 0)
		stream_error(p, json_object_get(e, "error"));
}

static void
on_body(struct wire_parser *w, json_t *m)
{
	struct parser	*p = (struct parser *)w;
	const json_t	*content = json_object_get(m, "content");
	size_t		 i;

	if (strcmp(json_text(m, "type", ""), "error") == 0) {
		stream_error(p, json_object_get(m, "error"));
		return;
	}
	if (!json_is_array(content)) {
		pstream_errorf(w->ps, PROVIDER_FORMAT, 0,
		    "the provider's answer is no message");
		return;
	}
	for (i = 0; i < json_array_size(content) && i < PROVIDER_BLOCKS_MAX;
	    i++) {
		block_start(p, (unsigned int)i, json_array_get(content, i));
		pstream_end(w->ps, (unsigned int)i);
	}
	merge_usage(p, json_object_get(m, "usage"));
	take_stop(p, m);
	end(p);
}

static void
on_eof(struct wire_parser *w)
{
	struct parser	*p = (struct parser *)w;

	/* PR-11: with a reason to stop it was whole. */
	if (p->has_stop)
		end(p);
	else
		pstream_errorf(w->ps, PROVIDER_TRANSIENT, 0,
		    "the stream ended before the message did");
}

static void *
anthropic_parser_new(const struct provider_model *m, struct str headers,
    struct pstream *ps)
{
	struct parser	*p;

	(void)m;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	wire_parser_init(&p->w, headers, ps);
	p->w.event = on_event;
	p->w.body = on_body;
	p->w.eof = on_eof;
	return p;
}

static void
anthropic_parser_free(void *parser)
{
	struct parser	*p = parser;

	if (p == NULL)
		return;
	wire_parser_clear(&p->w);
	free(p);
}

static void
anthropic_classify(unsigned int status, struct str headers, struct str body,
    struct provider_error *err)
{
	json_t		*j = wire_error_json(body);
	const json_t	*e = json_object_get(j, "error");
	char		 excerpt[320];
	const char	*type, *text;

	wire_error_excerpt(body, excerpt, sizeof(excerpt));
	type = json_text(e, "type", "");
	text = json_text(e, "message", json_is_string(e) ?
	    json_string_value(e) : j == NULL ? excerpt :
	    json_text(j, "message", excerpt));
	err->class = class_of(status, type, text, body.n);
	if (status >= 300 && status < 400)
		text = "redirects are not followed: the base URL is not "
		    "where this provider is";
	wire_error_message(err, status, type, text);
	provider_retry_headers(headers, err);
	json_decref(j);
}

const struct provider provider_anthropic_messages = {
	.api = "anthropic-messages",
	.build = anthropic_build,
	.parser_new = anthropic_parser_new,
	.feed = wire_parser_feed,
	.finish = wire_parser_finish,
	.parser_free = anthropic_parser_free,
	.classify = anthropic_classify,
};
