/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "agentd/json_load.h"
#include "agentd/providers/wire.h"

#define MAX_TOKENS_DEFAULT	8192
#define MAX_TOKENS_CAP		32000

bool
wire_blank(const json_t *s)
{
	return str_trim((struct str){ json_is_string(s) ?
	    json_string_value(s) : "", json_string_length(s) }).n == 0;
}

bool
wire_same_model(const json_t *msg, const struct provider_model *m)
{
	return strcmp(json_text(msg, "model", ""), m->id) == 0 &&
	    strcmp(json_text(msg, "provider", ""), m->provider) == 0 &&
	    strcmp(json_text(msg, "api", ""), m->api) == 0;
}

bool
wire_has_calls(const json_t *msg)
{
	const json_t	*content = json_object_get(msg, "content");
	size_t		 i;

	for (i = 0; i < json_array_size(content); i++)
		if (strcmp(json_text(json_array_get(content, i), "type", ""),
		    "toolCall") == 0)
			return true;
	return false;
}

int
wire_text(const json_t *content, struct dbuf *out)
{
	const json_t	*b, *t;
	size_t		 i;
	bool		 any = false;

	if (json_is_string(content))
		return dbuf_put(out, json_string_value(content),
		    json_string_length(content));
	for (i = 0; i < json_array_size(content); i++) {
		b = json_array_get(content, i);
		t = json_object_get(b, "text");
		if (strcmp(json_text(b, "type", ""), "text") != 0 ||
		    wire_blank(t))
			continue;
		if (any)
			dbuf_putc(out, '\n');
		any = true;
		dbuf_put(out, json_string_value(t), json_string_length(t));
	}
	return dbuf_err(out) ? -1 : 0;
}

size_t
wire_count_images(const json_t *content)
{
	size_t	 i, n = 0;

	for (i = 0; i < json_array_size(content); i++)
		if (strcmp(json_text(json_array_get(content, i), "type", ""),
		    "image") == 0)
			n++;
	return n;
}

void
wire_put(json_t *o, const char *key, json_t *v)
{
	json_object_set_new_nocheck(o, key, v);
}

void
wire_put_text(json_t *o, const char *key, const char *v)
{
	wire_put(o, key, json_string(v));
}

json_t *
wire_tool(const json_t *tool, const char *schema_key)
{
	json_t	*o = json_object(), *schema = json_object_get(tool,
		    "parameters");

	wire_put_text(o, "name", json_text(tool, "name", ""));
	wire_put_text(o, "description", json_text(tool, "description", ""));
	wire_put(o, schema_key, json_is_object(schema) ? json_incref(schema) :
	    json_pack("{s:s,s:{}}", "type", "object", "properties"));
	return o;
}

uint64_t
wire_max_tokens(const struct provider_model *m,
    const struct provider_options *o)
{
	const json_t	*p = json_object_get(o->params, "maxTokens");

	if (o->max_tokens > 0)
		return o->max_tokens;
	if (json_is_integer(p) && json_integer_value(p) > 0)
		return (uint64_t)json_integer_value(p);
	if (m->max_tokens == 0)
		return MAX_TOKENS_DEFAULT;
	return m->max_tokens < MAX_TOKENS_CAP ? m->max_tokens :
	    MAX_TOKENS_CAP;
}

int
wire_thinking_level(const struct provider_options *o)
{
	static const char *const names[] = { "off", "minimal", "low",
	    "medium", "high", "xhigh" };
	int	 i;

	for (i = 0; o->thinking != NULL && i < 6; i++)
		if (strcmp(o->thinking, names[i]) == 0)
			return i;
	return 0;
}

const json_t *
wire_compat(const struct provider_model *m, const char *key)
{
	const json_t	*v;

	v = json_object_get(json_object_get(m->config, "compat"), key);
	if (v == NULL)
		v = json_object_get(json_object_get(m->provider_config,
		    "compat"), key);
	return v;
}

bool
wire_compat_bool(const struct provider_model *m, const char *key, bool def)
{
	const json_t	*v = wire_compat(m, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

const char *
wire_compat_text(const struct provider_model *m, const char *key,
    const char *def)
{
	const json_t	*v = wire_compat(m, key);

	return json_is_string(v) ? json_string_value(v) : def;
}

/* The host, and what is behind it, of the base URL. */
static struct str
base_split(const struct provider_model *m, struct str *path)
{
	struct str	 h = str_of(m->base_url);
	const char	*p;
	size_t		 i;

	if ((p = h.n == 0 ? NULL : memmem(h.p, h.n, "://", 3)) != NULL) {
		h.n -= (size_t)(p + 3 - h.p);
		h.p = p + 3;
	}
	for (i = 0; i < h.n && h.p[i] != '/'; i++)
		;
	path->p = h.p + i;
	path->n = h.n - i;
	h.n = i;
	return h;
}

const char *
wire_host(const struct provider_model *m, char *buf, size_t size)
{
	struct str	 path, h = base_split(m, &path);
	size_t		 i;

	if (h.n > 0 && h.p[0] == '[')
		for (i = 0; i < h.n && h.p[i] != ']'; i++)
			;
	else
		for (i = 0; i < h.n && h.p[i] != ':'; i++)
			;
	h.n = i;
	if (str_copy(h, buf, size) == -1)
		buf[0] = '\0';
	for (i = 0; buf[i] != '\0'; i++)
		buf[i] = (char)ascii_tolower((unsigned char)buf[i]);
	return buf;
}

bool
wire_base_ends(const struct provider_model *m, const char *tail)
{
	struct str	 path;
	size_t		 n = strlen(tail);

	base_split(m, &path);
	while (path.n > 0 && path.p[path.n - 1] == '/')
		path.n--;
	return path.n >= n && memcmp(path.p + path.n - n, tail, n) == 0;
}

static int
dump_put(const char *p, size_t n, void *arg)
{
	return dbuf_put(arg, p, n);
}

int
wire_body(struct provider_request *rq, json_t *body,
    struct provider_error *err)
{
	int	 rc;

	rc = body == NULL ? -1 : json_dump_callback(body, dump_put, &rq->body,
	    JSON_COMPACT);
	json_decref(body);
	if (rc == -1) {
		err->class = body == NULL ? PROVIDER_TRANSIENT :
		    PROVIDER_OVERFLOW;
		snprintf(err->message, sizeof(err->message),
		    "the request is larger than %u MiB or memory is out",
		    PROVIDER_BODY_MAX >> 20);
	}
	return rc;
}

json_t *
wire_error_json(struct str body)
{
	json_t	*j;

	j = json_load_bounded(body.p == NULL ? "" : body.p, body.n,
	    WIRE_JSON_DEPTH);
	/* FastAPI and others wrap one object into a list. */
	if (json_is_array(j) && json_array_size(j) > 0) {
		json_t *first = json_incref(json_array_get(j, 0));

		json_decref(j);
		j = first;
	}
	if (!json_is_object(j)) {
		json_decref(j);
		return NULL;
	}
	return j;
}

void
wire_error_message(struct provider_error *err, unsigned int status,
    const char *type, const char *text)
{
	char	 head[128] = "";

	if (status != 0)
		snprintf(head, sizeof(head), "HTTP %u%s%s: ", status,
		    type[0] != '\0' ? " " : "", type);
	else if (type[0] != '\0')
		snprintf(head, sizeof(head), "%s: ", type);
	snprintf(err->message, sizeof(err->message), "%s%s", head,
	    text[0] != '\0' ? text : "no reason was given");
	err->message[utf8_cut(err->message, strlen(err->message),
	    sizeof(err->message) - 1)] = '\0';
}

bool
wire_is_json(struct str headers)
{
	struct str	 v = provider_header(headers, "content-type");

	return v.n >= 16 && ascii_ncasecmp(v.p, "application/json", 16) == 0;
}

void
wire_error_excerpt(struct str body, char *out, size_t size)
{
	size_t	 i, n = 0;
	bool	 blank = true;

	for (i = 0; i < body.n && n + 1 < size && n < 300; i++) {
		unsigned char c = (unsigned char)body.p[i];

		if (c <= 0x20) {
			if (!blank)
				out[n++] = ' ';
			blank = true;
		} else if (c < 0x7f) {
			out[n++] = (char)c;
			blank = false;
		}
	}
	out[n] = '\0';
}

/* --- the shell of a parser ------------------------------------------------- */

static void
malformed(struct wire_parser *w)
{
	pstream_errorf(w->ps, PROVIDER_FORMAT, 0,
	    "the provider's answer is not what its interface says");
}

static int
on_sse(const struct sse_event *ev, void *arg)
{
	struct wire_parser	*w = arg;
	struct str		 d = str_trim(ev->data);
	json_t			*j;

	if (pstream_ended(w->ps))
		return -1;
	if (d.n == 0)
		return 0;
	if (str_eqs(d, "[DONE]")) {
		if (w->done != NULL)
			w->done(w);
		return pstream_ended(w->ps) ? -1 : 0;
	}
	if ((j = json_load_bounded(d.p, d.n, WIRE_JSON_DEPTH)) == NULL ||
	    !json_is_object(j)) {
		json_decref(j);
		malformed(w);
		return -1;
	}
	w->event(w, j);
	json_decref(j);
	return pstream_ended(w->ps) ? -1 : 0;
}

void
wire_parser_init(struct wire_parser *w, struct str headers,
    struct pstream *ps)
{
	w->ps = ps;
	w->json = wire_is_json(headers);
	sse_init(&w->sse, on_sse, w);
	dbuf_init(&w->whole, PROVIDER_TEXT_MAX);
}

void
wire_parser_clear(struct wire_parser *w)
{
	sse_clear(&w->sse);
	dbuf_clear(&w->whole);
}

void
wire_parser_feed(void *parser, const char *p, size_t n)
{
	struct wire_parser	*w = parser;

	if (pstream_ended(w->ps))
		return;
	if (w->json) {
		if (dbuf_put(&w->whole, p, n) == -1)
			pstream_errorf(w->ps, PROVIDER_FORMAT, 0,
			    "the answer is longer than %u bytes",
			    PROVIDER_TEXT_MAX);
		return;
	}
	if (sse_feed(&w->sse, p, n) == -1 && errno != ECANCELED)
		pstream_errorf(w->ps, PROVIDER_FORMAT, 0,
		    "an event of the answer is too long");
}

/* What no empty line closed counts when it is whole. */
static int
on_last(const struct sse_event *ev, void *arg)
{
	struct wire_parser	*w = arg;
	struct str		 d = str_trim(ev->data);
	json_t			*j;

	if (str_eqs(d, "[DONE]"))
		return on_sse(ev, arg);
	if ((j = json_load_bounded(d.p == NULL ? "" : d.p, d.n,
	    WIRE_JSON_DEPTH)) == NULL)
		return 0;
	if (json_is_object(j) && !pstream_ended(w->ps))
		w->event(w, j);
	json_decref(j);
	return 0;
}

void
wire_parser_finish(void *parser)
{
	struct wire_parser	*w = parser;
	json_t			*j;

	if (pstream_ended(w->ps))
		return;
	if (w->json) {
		j = json_load_bounded(dbuf_str(&w->whole), w->whole.n,
		    WIRE_JSON_DEPTH);
		if (json_is_object(j))
			w->body(w, j);
		else
			malformed(w);
		json_decref(j);
	} else {
		w->sse.cb = on_last;
		sse_finish(&w->sse);
	}
	if (!pstream_ended(w->ps))
		w->eof(w);
}
