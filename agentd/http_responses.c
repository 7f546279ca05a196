/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * POST /v1/responses (spec gateway-protocol 7.5): how its answers are worded.
 * http_responses_read.c reads the request.
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/http_responses.h"
#include "agentd/json_load.h"
#include "common/log.h"

static void
object_begin(struct jw *w, struct dbuf *b)
{
	dbuf_init(b, 32u << 20);
	jw_init(w, b);
	jw_obj(w);
}

/* An event of that type; http_event() closes it. */
static void
event_begin(struct jw *w, struct dbuf *b, const char *type)
{
	object_begin(w, b);
	jw_ks(w, "type", type);
}

static void
event_end(struct http_call *c, struct jw *w, struct dbuf *b, const char *type)
{
	jw_obj_end(w);
	http_event(c, type, b);
}

static void
put_part(struct jw *w, struct str text)
{
	jw_obj(w);
	jw_ks(w, "type", "output_text");
	jw_kstr(w, "text", text);
	jw_karr(w, "annotations");
	jw_arr_end(w);
	jw_obj_end(w);
}

static void
put_message(struct http_call *c, struct jw *w, const struct str *text,
    const char *status)
{
	jw_obj(w);
	jw_ks(w, "type", "message");
	jw_ks(w, "id", c->item);
	jw_ks(w, "role", "assistant");
	jw_karr(w, "content");
	if (text != NULL)
		put_part(w, *text);
	jw_arr_end(w);
	jw_ks(w, "status", status);
	jw_obj_end(w);
}

/* The call that the client is to make; status may be NULL. */
static void
put_call(struct http_call *c, struct jw *w, const json_t *call,
    const char *status)
{
	char	*args = json_dumps(json_object_get(call, "arguments"),
		    JSON_COMPACT);

	jw_obj(w);
	jw_ks(w, "type", "function_call");
	/* One for each response, so its number serves. */
	dbuf_puts(w->b, w->comma ? "," : "");
	dbuf_printf(w->b, "\"id\":\"call_%s\"", c->item + 4);
	w->comma = true;
	jw_ks(w, "call_id", json_text(call, "id", ""));
	jw_ks(w, "name", json_text(call, "name", ""));
	jw_ks(w, "arguments", args != NULL ? args : "{}");
	if (status != NULL)
		jw_ks(w, "status", status);
	jw_obj_end(w);
	free(args);
}

/* What is in output: nothing, the text, the call, or both. */
struct output {
	const struct str	*text;
	const json_t		*call;
};

static void
put_response(struct http_call *c, struct jw *w, const char *status,
    const struct output *out, const struct run *run, const char *error)
{
	uint64_t	 in = 0, made = 0, total = 0;

	if (run != NULL)
		http_usage(run, &in, &made, &total);
	jw_obj(w);
	jw_ks(w, "id", c->id);
	jw_ks(w, "object", "response");
	jw_kuint(w, "created_at", c->created);
	jw_ks(w, "status", status);
	jw_ks(w, "model", c->model);
	jw_karr(w, "output");
	if (out->text != NULL)
		put_message(c, w, out->text, "completed");
	if (out->call != NULL)
		put_call(c, w, out->call, NULL);
	jw_arr_end(w);
	jw_kobj(w, "usage");
	jw_kuint(w, "input_tokens", in);
	jw_kuint(w, "output_tokens", made);
	jw_kuint(w, "total_tokens", total);
	jw_obj_end(w);
	if (error != NULL) {
		jw_kobj(w, "error");
		jw_ks(w, "code", "api_error");
		jw_ks(w, "message", error);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

static void
say_response(struct http_call *c, const char *type, const char *status,
    const struct output *out, const struct run *run, const char *error)
{
	struct dbuf	 b;
	struct jw	 w;

	event_begin(&w, &b, type);
	jw_key(&w, "response");
	put_response(c, &w, status, out, run, error);
	event_end(c, &w, &b, type);
}

/* response.output_item.added and .done */
static void
say_item(struct http_call *c, const char *type, const struct str *text,
    const json_t *call, const char *status)
{
	struct dbuf	 b;
	struct jw	 w;

	event_begin(&w, &b, type);
	jw_kint(&w, "output_index", call != NULL);
	jw_key(&w, "item");
	if (call != NULL)
		put_call(c, &w, call, status);
	else
		put_message(c, &w, text, status);
	event_end(c, &w, &b, type);
}

/* Events of the one text; key is "delta", "text", or "part" for a whole one. */
static void
say_text(struct http_call *c, const char *type, const char *key,
    struct str text)
{
	struct dbuf	 b;
	struct jw	 w;

	event_begin(&w, &b, type);
	jw_ks(&w, "item_id", c->item);
	jw_kint(&w, "output_index", 0);
	jw_kint(&w, "content_index", 0);
	if (strcmp(key, "part") == 0) {
		jw_key(&w, key);
		put_part(&w, text);
	} else
		jw_kstr(&w, key, text);
	event_end(c, &w, &b, type);
}

static void
responses_start(struct http_call *c)
{
	const struct output	 none = { NULL, NULL };

	say_response(c, "response.created", "in_progress", &none, NULL, NULL);
	say_response(c, "response.in_progress", "in_progress", &none, NULL,
	    NULL);
	say_item(c, "response.output_item.added", NULL, NULL, "in_progress");
	say_text(c, "response.content_part.added", "part", STR_LIT(""));
	(void)http_flush(c);
}

static void
responses_delta(struct http_call *c, struct str text)
{
	say_text(c, "response.output_text.delta", "delta", text);
}

static void
responses_end(struct http_call *c, const struct run *run, struct str text)
{
	struct output	 out = { &text, run->handed };
	const char	*status = out.call != NULL ? "incomplete" :
			    "completed";
	struct dbuf	 b;
	struct jw	 w;

	if (!c->stream) {
		if (out.call != NULL && text.n == 0)
			out.text = NULL;
		dbuf_init(&b, 32u << 20);
		jw_init(&w, &b);
		put_response(c, &w, status, &out, run, NULL);
		http_json(c, 200, &b);
		return;
	}
	say_text(c, "response.output_text.done", "text", text);
	say_text(c, "response.content_part.done", "part", text);
	say_item(c, "response.output_item.done", &text, NULL, "completed");
	if (out.call != NULL) {
		say_item(c, "response.output_item.added", NULL, out.call,
		    NULL);
		say_item(c, "response.output_item.done", NULL, out.call,
		    "completed");
	}
	say_response(c, "response.completed", status, &out, run, NULL);
	http_put(c, "data: [DONE]\n\n", 14);
	http_done(c);
}

static void
responses_fail(struct http_call *c, unsigned int status, const char *type,
    const char *message)
{
	const struct output	 none = { NULL, NULL };
	struct dbuf		 b;
	struct jw		 w;

	(void)type;
	if (!c->stream) {
		dbuf_init(&b, 65536);
		jw_init(&w, &b);
		put_response(c, &w, "failed", &none, NULL, message);
		http_json(c, status, &b);
		return;
	}
	/* Nothing is said to be complete after that. */
	say_response(c, "response.failed", "failed", &none, NULL, message);
	http_put(c, "data: [DONE]\n\n", 14);
	http_done(c);
}

static const struct http_shape responses_shape = {
	.start = responses_start,
	.delta = responses_delta,
	.end = responses_end,
	.fail = responses_fail,
};

void
http_responses(struct http_call *c, const struct m_http_req *q, json_t *body)
{
	struct http_turn	 t;
	char			 uuid[37], why[512] = "";

	http_turn_init(&t);
	if (http_responses_read(body, &t, why, sizeof(why)) == -1)
		http_error(c, 400, "invalid_request_error", NULL, "%s", why);
	else {
		uuid_v4(uuid);
		snprintf(c->id, sizeof(c->id), "resp_%s", uuid);
		uuid_v4(uuid);
		snprintf(c->item, sizeof(c->item), "msg_%s", uuid);
		c->shape = &responses_shape;
		c->stream = json_is_true(json_object_get(body, "stream"));
		c->model = xstrdup(json_text(body, "model", "openclaw"));
		http_turn_begin(c, q, &t);
	}
	http_turn_clear(&t);
}
