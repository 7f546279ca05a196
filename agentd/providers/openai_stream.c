/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <inttypes.h>

#include "agentd/json_load.h"
#include "agentd/providers/openai_stream.h"
#include "agentd/providers/wire.h"

enum kind { KIND_NONE, KIND_TEXT, KIND_THINKING };

/* A call that is being received.  It opens towards the stream when its name is
 * known; what came of its arguments before waits in args. */
struct tool {
	int64_t		 index;		/* of the wire; -1: none given */
	char		*id, *name;
	struct dbuf	 args;
	unsigned int	 block;
	bool		 open;
};
struct parser {
	struct wire_parser	 w;	/* first */
	struct provider_usage	 usage;
	enum kind		 kind;
	unsigned int		 block;		/* of text or thinking */
	unsigned int		 nblocks;
	const char		*field;		/* of the thinking */
	struct tool		 tools[PROVIDER_CALLS_MAX];
	size_t			 ntools;
	uint32_t		 seed;		/* for ids that are missing */
	enum stop_reason	 stop;
	bool			 has_stop, refused;
};

/* --- blocks ---------------------------------------------------------------- */

static void
close_block(struct parser *p)
{
	if (p->kind == KIND_NONE)
		return;
	if (p->kind == KIND_THINKING && p->field != NULL)
		pstream_signature(p->w.ps, p->block, p->field,
		    strlen(p->field), false);
	pstream_end(p->w.ps, p->block);
	p->kind = KIND_NONE;
}

static void
open_block(struct parser *p, enum kind kind)
{
	if (p->kind == kind)
		return;
	close_block(p);
	p->kind = kind;
	p->block = p->nblocks++;
}

static void
put_text(struct parser *p, enum kind kind, const json_t *t)
{
	if (json_string_length(t) == 0)
		return;
	open_block(p, kind);
	if (kind == KIND_TEXT)
		pstream_text(p->w.ps, p->block, json_string_value(t),
		    json_string_length(t));
	else
		pstream_thinking(p->w.ps, p->block, json_string_value(t),
		    json_string_length(t));
}

/* content: text, or (Mistral) a list of text and thinking parts. */
static void
take_content(struct parser *p, const json_t *c)
{
	const json_t	*part, *list;
	const char	*type;
	size_t		 i, k;

	if (json_is_string(c)) {
		put_text(p, KIND_TEXT, c);
		return;
	}
	for (i = 0; i < json_array_size(c); i++) {
		part = json_array_get(c, i);
		type = json_text(part, "type", "");
		if (strcmp(type, "text") == 0)
			put_text(p, KIND_TEXT, json_object_get(part, "text"));
		else if (strcmp(type, "thinking") == 0) {
			list = json_object_get(part, "thinking");
			for (k = 0; k < json_array_size(list); k++)
				put_text(p, KIND_THINKING, json_object_get(
				    json_array_get(list, k), "text"));
		}
	}
}

static void
take_reasoning(struct parser *p, const json_t *delta)
{
	static const char *const fields[] = { "reasoning_content",
	    "reasoning", "reasoning_text" };
	const json_t	*t;
	size_t		 i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		t = json_object_get(delta, fields[i]);
		if (json_string_length(t) == 0)
			continue;
		p->field = fields[i];
		put_text(p, KIND_THINKING, t);
		return;		/* some servers send two fields alike */
	}
}

/* --- tool calls ------------------------------------------------------------ */

static struct tool *
add_tool(struct parser *p, int64_t index)
{
	struct tool	*t;

	if (p->ntools == PROVIDER_CALLS_MAX) {
		pstream_errorf(p->w.ps, PROVIDER_FORMAT, 0,
		    "the answer has more than %d tool calls",
		    PROVIDER_CALLS_MAX);
		return NULL;
	}
	t = &p->tools[p->ntools++];
	memset(t, 0, sizeof(*t));
	t->index = index;
	dbuf_init(&t->args, PROVIDER_ARGS_MAX);
	return t;
}

/* By index; without one by id; without both the last one (PR-17).  An index
 * that comes again with another id is another call: some servers send 0 for
 * all. */
static struct tool *
find_tool(struct parser *p, const json_t *f)
{
	const json_t	*ix = json_object_get(f, "index");
	const char	*id = json_text(f, "id", "");
	struct tool	*t;
	size_t		 i;

	for (i = p->ntools; i > 0; i--) {
		t = &p->tools[i - 1];
		if (json_is_integer(ix)) {
			if (t->index == json_integer_value(ix))
				return id[0] != '\0' && t->id != NULL &&
				    strcmp(t->id, id) != 0 ?
				    add_tool(p, json_integer_value(ix)) : t;
		} else if (id[0] == '\0' || (t->id != NULL &&
		    strcmp(t->id, id) == 0))
			return t;
	}
	return add_tool(p, json_is_integer(ix) ? json_integer_value(ix) : -1);
}

static void
open_tool(struct parser *p, struct tool *t)
{
	char	 id[40];

	close_block(p);
	/* Some servers give no id at all. */
	snprintf(id, sizeof(id), "call_%08" PRIx32 "_%zu", p->seed,
	    (size_t)(t - p->tools));
	t->block = p->nblocks++;
	t->open = true;
	pstream_toolcall(p->w.ps, t->block, t->id != NULL ? t->id : id,
	    t->name);
	if (t->args.n > 0)
		pstream_toolargs(p->w.ps, t->block, t->args.p, t->args.n);
	dbuf_clear(&t->args);
}

static void
take_args(struct parser *p, struct tool *t, const json_t *a)
{
	char	*s = NULL;
	const char *v;
	size_t	 n;

	if (json_is_object(a)) {	/* toolCallArgumentsEncoding: object */
		if ((s = json_dumps(a, JSON_COMPACT)) == NULL)
			return;
		v = s;
		n = strlen(s);
	} else {
		v = json_string_value(a);
		n = json_string_length(a);
	}
	if (n > 0) {
		if (t->open)
			pstream_toolargs(p->w.ps, t->block, v, n);
		else if (dbuf_put(&t->args, v, n) == -1)
			pstream_errorf(p->w.ps, PROVIDER_FORMAT, 0,
			    "the arguments of a tool call are too long");
	}
	free(s);
}

static void
take_tool_calls(struct parser *p, const json_t *list)
{
	const json_t	*f, *fn;
	const char	*id, *name;
	struct tool	*t;
	size_t		 i;

	for (i = 0; i < json_array_size(list); i++) {
		f = json_array_get(list, i);
		fn = json_object_get(f, "function");
		if ((t = find_tool(p, f)) == NULL)
			return;
		id = json_text(f, "id", "");
		name = json_text(fn, "name", "");
		if (t->id == NULL && id[0] != '\0')
			t->id = strdup(id);
		if (t->name == NULL && name[0] != '\0')
			t->name = strdup(name);
		if (!t->open && t->name != NULL)
			open_tool(p, t);
		take_args(p, t, json_object_get(fn, "arguments"));
		if (pstream_ended(p->w.ps))
			return;
	}
}

/* The form before tools: one function, without an id. */
static void
take_function_call(struct parser *p, const json_t *fn)
{
	json_t	*list;

	if (!json_is_object(fn))
		return;
	list = json_pack("[{s:i,s:O}]", "index", 0, "function", fn);
	take_tool_calls(p, list);
	json_decref(list);
}

/* --- usage ----------------------------------------------------------------- */

static uint64_t
count(const json_t *o, const char *key)
{
	const json_t	*v = json_object_get(o, key);

	return json_is_integer(v) && json_integer_value(v) > 0 ?
	    (uint64_t)json_integer_value(v) : 0;
}

static void
take_usage(struct parser *p, const json_t *u)
{
	const json_t	*in, *out;
	uint64_t	 prompt, cached, wrote, output, reasoning, total;

	if (!json_is_object(u) || json_object_get(u, "prompt_tokens") == NULL)
		return;
	in = json_object_get(u, "prompt_tokens_details");
	out = json_object_get(u, "completion_tokens_details");
	prompt = count(u, "prompt_tokens");
	cached = count(in, "cached_tokens");
	if (cached == 0)
		cached = count(u, "prompt_cache_hit_tokens");
	wrote = count(in, "cache_write_tokens");
	output = count(u, "completion_tokens");
	reasoning = count(out, "reasoning_tokens");
	total = count(u, "total_tokens");
	/* PR-18: the vendor counts thoughts as output already. */
	if (reasoning > 0 && (reasoning > output ||
	    total >= prompt + output + reasoning))
		output += reasoning;
	if (cached > prompt)
		cached = prompt;
	if (wrote > prompt - cached)
		wrote = prompt - cached;
	p->usage.known = true;
	p->usage.input = prompt - cached - wrote;
	p->usage.cache_read = cached;
	p->usage.cache_write = wrote;
	p->usage.output = output;
	pstream_usage(p->w.ps, &p->usage);
}

/* --- failures -------------------------------------------------------------- */

/* "... Limit 6000, Requested 9000 ...": can it never fit? */
static bool
never_fits(const char *text)
{
	const char	*l = strstr(text, "Limit "), *r = strstr(text,
			    "Requested ");
	unsigned long	 limit, wanted;

	if (l == NULL || r == NULL)
		return true;
	limit = strtoul(l + 6, NULL, 10);
	wanted = strtoul(r + 10, NULL, 10);
	return limit == 0 || wanted > limit;
}

static enum provider_class
class_of(unsigned int status, const char *code, const char *type,
    const char *text, size_t body_bytes)
{
	enum provider_class	 by_text = provider_class_of_text(text);

	if (strcmp(code, "context_length_exceeded") == 0 ||
	    strcmp(type, "exceed_context_size_error") == 0)
		return PROVIDER_OVERFLOW;
	if (strcmp(code, "insufficient_quota") == 0 ||
	    strcmp(type, "insufficient_quota") == 0)
		return PROVIDER_BILLING;
	if (strcmp(code, "invalid_api_key") == 0)
		return PROVIDER_AUTH;
	if (strcmp(code, "model_not_found") == 0)
		return PROVIDER_NOT_FOUND;
	if (status == 413 && body_bytes > 0)
		return never_fits(text) ? PROVIDER_OVERFLOW :
		    PROVIDER_RATE_LIMIT;
	if (strcmp(code, "rate_limit_exceeded") == 0 ||
	    strcmp(type, "rate_limit_exceeded") == 0)
		return PROVIDER_RATE_LIMIT;
	if ((status == 400 || status == 413) && body_bytes == 0)
		return PROVIDER_OVERFLOW;
	switch (status) {
	case 0:
		/* Inside a stream: the code may be a status. */
		if (strcmp(code, "429") == 0)
			return PROVIDER_RATE_LIMIT;
		if (strcmp(code, "401") == 0 || strcmp(code, "403") == 0)
			return PROVIDER_AUTH;
		if (strcmp(code, "402") == 0)
			return PROVIDER_BILLING;
		return by_text != PROVIDER_OK ? by_text : PROVIDER_TRANSIENT;
	case 401:
	case 403:
		return PROVIDER_AUTH;
	case 402:
		return PROVIDER_BILLING;
	case 404:
		return PROVIDER_NOT_FOUND;
	case 408:
	case 504:
		return PROVIDER_TIMEOUT;
	case 429:
		return by_text == PROVIDER_OVERFLOW ||
		    by_text == PROVIDER_BILLING ? by_text :
		    PROVIDER_RATE_LIMIT;
	case 503:
		return by_text == PROVIDER_OVERLOADED ||
		    strstr(text, "oading model") != NULL ?
		    PROVIDER_OVERLOADED : PROVIDER_TRANSIENT;
	case 529:
		return PROVIDER_OVERLOADED;
	}
	if (status >= 500)
		return PROVIDER_TRANSIENT;
	if (status < 400)
		return PROVIDER_FORMAT;
	return by_text == PROVIDER_OVERFLOW || by_text == PROVIDER_BILLING ?
	    by_text : PROVIDER_FORMAT;
}

/* code may be a text or a number. */
static const char *
code_text(const json_t *e, char *buf, size_t size)
{
	const json_t	*c = json_object_get(e, "code");

	if (json_is_string(c))
		return json_string_value(c);
	if (json_is_integer(c)) {
		snprintf(buf, size, "%" JSON_INTEGER_FORMAT,
		    json_integer_value(c));
		return buf;
	}
	return "";
}

static void
stream_error(struct parser *p, const json_t *e)
{
	struct provider_error	 err;
	char			 num[24], text[900];
	const char		*raw, *code, *type;

	memset(&err, 0, sizeof(err));
	if (json_is_string(e)) {
		strlcpy(text, json_string_value(e), sizeof(text));
		code = type = "";
	} else {
		code = code_text(e, num, sizeof(num));
		type = json_text(e, "type", "");
		raw = json_text(json_object_get(e, "metadata"), "raw", "");
		snprintf(text, sizeof(text), "%s%s%s", json_text(e, "message",
		    ""), raw[0] != '\0' ? ": " : "", raw);
	}
	err.class = class_of(0, code, type, text, 1);
	wire_error_message(&err, 0, type[0] != '\0' ? type : code, text);
	pstream_error(p->w.ps, &err);
}

void
openai_classify(unsigned int status, struct str headers, struct str body,
    struct provider_error *err)
{
	json_t		*j = wire_error_json(body);
	const json_t	*e = json_object_get(j, "error");
	char		 excerpt[320], num[24], text[700];
	const char	*code = "", *type = "", *t, *raw;

	wire_error_excerpt(body, excerpt, sizeof(excerpt));
	if (json_is_object(e)) {
		code = code_text(e, num, sizeof(num));
		type = json_text(e, "type", "");
		t = json_text(e, "message", excerpt);
		raw = json_text(json_object_get(e, "metadata"), "raw", "");
		snprintf(text, sizeof(text), "%s%s%s", t,
		    raw[0] != '\0' ? ": " : "", raw);
	} else {
		/* {"error": text}, {"message": ..}, {"detail": ..}, [..] */
		t = json_is_string(e) ? json_string_value(e) :
		    json_text(j, "message", json_text(j, "detail",
		    json_text(j, "msg", excerpt)));
		strlcpy(text, t, sizeof(text));
		code = code_text(j, num, sizeof(num));
		type = json_text(j, "type", "");
	}
	utf8_mend(text);
	err->class = class_of(status, code, type, text, body.n);
	if (status >= 300 && status < 400)
		strlcpy(text, "redirects are not followed: the base URL is "
		    "not where this provider is", sizeof(text));
	wire_error_message(err, status, code[0] != '\0' ? code : type, text);
	provider_retry_headers(headers, err);
	json_decref(j);
}

/* --- stream ---------------------------------------------------------------- */

static void
take_finish(struct parser *p, const json_t *reason)
{
	const char	*r = json_string_value(reason);

	if (r == NULL || r[0] == '\0')
		return;
	p->has_stop = true;
	p->stop = STOP_STOP;
	if (strcmp(r, "length") == 0)
		p->stop = STOP_LENGTH;
	else if (strcmp(r, "tool_calls") == 0 ||
	    strcmp(r, "function_call") == 0)
		p->stop = STOP_TOOL_USE;
	else if (strcmp(r, "content_filter") == 0)
		p->refused = true;
}

static void
end(struct parser *p)
{
	size_t	 i;

	if (pstream_ended(p->w.ps))
		return;
	close_block(p);
	for (i = 0; i < p->ntools; i++) {
		if (!p->tools[i].open) {
			pstream_errorf(p->w.ps, PROVIDER_FORMAT, 0,
			    "a tool call of the answer has no name");
			return;
		}
		pstream_end(p->w.ps, p->tools[i].block);
	}
	if (p->refused)
		pstream_errorf(p->w.ps, PROVIDER_REFUSAL, 0,
		    "the provider's filter stopped the answer");
	else
		pstream_done(p->w.ps, p->has_stop ? p->stop : STOP_STOP);
}

static void
take_message(struct parser *p, const json_t *d)
{
	take_reasoning(p, d);
	take_content(p, json_object_get(d, "content"));
	put_text(p, KIND_TEXT, json_object_get(d, "refusal"));
	take_tool_calls(p, json_object_get(d, "tool_calls"));
	take_function_call(p, json_object_get(d, "function_call"));
}

static void
on_event(struct wire_parser *w, json_t *e)
{
	struct parser	*p = (struct parser *)w;
	const json_t	*c, *err = json_object_get(e, "error");
	const char	*id = json_text(e, "id", "");
	size_t		 i;

	if (err != NULL && !json_is_null(err)) {
		stream_error(p, err);
		return;
	}
	if (p->seed == 0)
		for (p->seed = 2166136261u; *id != '\0'; id++)
			p->seed = (p->seed ^ (unsigned char)*id) * 16777619u;
	for (i = 0; i < json_array_size(json_object_get(e, "choices")); i++) {
		c = json_array_get(json_object_get(e, "choices"), i);
		if (count(c, "index") != 0)
			continue;
		take_message(p, json_object_get(c, "delta"));
		take_finish(p, json_object_get(c, "finish_reason"));
		take_usage(p, json_object_get(c, "usage"));
	}
	take_usage(p, json_object_get(e, "usage"));
	take_usage(p, json_object_get(json_object_get(e, "x_groq"), "usage"));
}

static void
on_done(struct wire_parser *w)
{
	struct parser	*p = (struct parser *)w;

	if (!p->has_stop && p->nblocks == 0 && p->ntools == 0)
		pstream_errorf(w->ps, PROVIDER_TRANSIENT, 0,
		    "the answer is empty");
	else
		end(p);
}

static void
on_body(struct wire_parser *w, json_t *e)
{
	struct parser	*p = (struct parser *)w;
	const json_t	*err = json_object_get(e, "error"), *c;

	if (err != NULL && !json_is_null(err)) {
		stream_error(p, err);
		return;
	}
	c = json_array_get(json_object_get(e, "choices"), 0);
	if (!json_is_object(c)) {
		pstream_errorf(w->ps, PROVIDER_FORMAT, 0,
		    "the provider's answer is no completion");
		return;
	}
	take_message(p, json_object_get(c, "message"));
	take_finish(p, json_object_get(c, "finish_reason"));
	take_usage(p, json_object_get(e, "usage"));
	if (!pstream_ended(w->ps))
		end(p);
}

/* Servers that leave out [DONE], or even the reason, are taken at their word
 * when there is text; calls are not, they might be cut. */
static void
on_eof(struct wire_parser *w)
{
	struct parser	*p = (struct parser *)w;

	if (p->has_stop || (p->nblocks > 0 && p->ntools == 0))
		end(p);
	else
		pstream_errorf(w->ps, PROVIDER_TRANSIENT, 0,
		    "the stream ended before the message did");
}

void *
openai_parser_new(const struct provider_model *m, struct str headers,
    struct pstream *ps)
{
	struct parser	*p;

	(void)m;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	wire_parser_init(&p->w, headers, ps);
	p->w.event = on_event;
	p->w.done = on_done;
	p->w.body = on_body;
	p->w.eof = on_eof;
	return p;
}

void
openai_parser_free(void *parser)
{
	struct parser	*p = parser;
	size_t		 i;

	if (p == NULL)
		return;
	for (i = 0; i < p->ntools; i++) {
		free(p->tools[i].id);
		free(p->tools[i].name);
		dbuf_clear(&p->tools[i].args);
	}
	wire_parser_clear(&p->w);
	free(p);
}
