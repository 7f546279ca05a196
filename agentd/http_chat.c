/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* POST /v1/chat/completions (spec gateway-protocol 7.4). */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/log.h"

/* The text of a message: one, or the texts among its parts. */
static void
put_content(struct dbuf *b, const json_t *content)
{
	json_t		*part;
	const char	*type, *text;
	size_t		 i;

	if (json_is_string(content)) {
		dbuf_puts(b, json_string_value(content));
		return;
	}
	if (!json_is_array(content))
		return;
	json_array_foreach(content, i, part) {
		type = json_text(part, "type", "");
		text = json_text(part, "input_text", "");
		if (strcmp(type, "text") == 0 ||
		    strcmp(type, "input_text") == 0)
			text = json_text(part, "text", text);
		if (text[0] == '\0')
			continue;
		if (b->n > 0)
			dbuf_putc(b, '\n');
		dbuf_puts(b, text);
	}
}

void
http_chat_read(const json_t *messages, struct http_turn *t)
{
	struct http_talk	 talk = { NULL };
	struct dbuf		 b;
	struct str		 text, name;
	json_t			*m;
	const char		*role;
	char			 who[160];
	size_t			 i;

	if (!json_is_array(messages))
		return;
	dbuf_init(&b, ROUTE_BODY_MAX);
	json_array_foreach(messages, i, m) {
		role = json_text(m, "role", "");
		dbuf_reset(&b);
		put_content(&b, json_object_get(m, "content"));
		text = str_trim((struct str){ dbuf_str(&b), b.n });
		if (text.n == 0)
			continue;
		if (strcmp(role, "system") == 0 ||
		    strcmp(role, "developer") == 0) {
			if (t->extra.n > 0)
				dbuf_puts(&t->extra, "\n\n");
			dbuf_put(&t->extra, text.p, text.n);
		} else if (strcmp(role, "user") == 0)
			http_talk_add(&talk, "User", text, true);
		else if (strcmp(role, "assistant") == 0)
			http_talk_add(&talk, "Assistant", text, false);
		else if (strcmp(role, "tool") == 0 ||
		    strcmp(role, "function") == 0) {
			name = str_trim(str_of(json_text(m, "name", "")));
			snprintf(who, sizeof(who), "Tool%s%.*s", name.n > 0 ?
			    ":" : "", (int)utf8_cut(name.p, name.n, 128),
			    name.p);
			http_talk_add(&talk, who, text, true);
		}
	}
	dbuf_clear(&b);
	http_talk_write(&talk, &t->message);
}

static void
begin(struct http_call *c, struct jw *w, struct dbuf *b, const char *object)
{
	dbuf_init(b, 32u << 20);
	jw_init(w, b);
	jw_obj(w);
	jw_ks(w, "id", c->id);
	jw_ks(w, "object", object);
	jw_kuint(w, "created", c->created);
	jw_ks(w, "model", c->model);
}

static void
put_usage(struct jw *w, const struct run *run)
{
	uint64_t	 in, out, total;

	http_usage(run, &in, &out, &total);
	jw_kobj(w, "usage");
	jw_kuint(w, "prompt_tokens", in);
	jw_kuint(w, "completion_tokens", out);
	jw_kuint(w, "total_tokens", total);
	jw_obj_end(w);
}

/* One chunk: role or content, either may be NULL. */
static void
put_chunk(struct http_call *c, const char *role, struct str content,
    const char *finish)
{
	struct dbuf	 b;
	struct jw	 w;

	begin(c, &w, &b, "chat.completion.chunk");
	jw_karr(&w, "choices");
	jw_obj(&w);
	jw_kint(&w, "index", 0);
	jw_kobj(&w, "delta");
	if (role != NULL)
		jw_ks(&w, "role", role);
	if (content.p != NULL)
		jw_kstr(&w, "content", content);
	jw_obj_end(&w);
	if (finish != NULL)
		jw_ks(&w, "finish_reason", finish);
	else
		jw_knull(&w, "finish_reason");
	jw_obj_end(&w);
	jw_arr_end(&w);
	jw_obj_end(&w);
	http_event(c, NULL, &b);
}

static void
chat_start(struct http_call *c)
{
	put_chunk(c, "assistant", (struct str){ NULL, 0 }, NULL);
	(void)http_flush(c);
}

static void
chat_delta(struct http_call *c, struct str text)
{
	put_chunk(c, NULL, text, NULL);
}

static void
chat_end(struct http_call *c, const struct run *run, struct str text)
{
	struct dbuf	 b;
	struct jw	 w;

	if (c->stream) {
		put_chunk(c, NULL, (struct str){ NULL, 0 }, "stop");
		if (c->usage) {
			begin(c, &w, &b, "chat.completion.chunk");
			jw_karr(&w, "choices");
			jw_arr_end(&w);
			put_usage(&w, run);
			jw_obj_end(&w);
			http_event(c, NULL, &b);
		}
		http_put(c, "data: [DONE]\n\n", 14);
		http_done(c);
		return;
	}
	begin(c, &w, &b, "chat.completion");
	jw_karr(&w, "choices");
	jw_obj(&w);
	jw_kint(&w, "index", 0);
	jw_kobj(&w, "message");
	jw_ks(&w, "role", "assistant");
	jw_kstr(&w, "content", text);
	jw_obj_end(&w);
	jw_ks(&w, "finish_reason", "stop");
	jw_obj_end(&w);
	jw_arr_end(&w);
	put_usage(&w, run);
	jw_obj_end(&w);
	http_json(c, 200, &b);
}

static void
chat_fail(struct http_call *c, unsigned int status, const char *type,
    const char *message)
{
	char	 text[1100];

	if (!c->stream) {
		http_error(c, status, type, NULL, "%s", message);
		return;
	}
	snprintf(text, sizeof(text), "Error: %s", message);
	put_chunk(c, NULL, str_of(text), "stop");
	http_put(c, "data: [DONE]\n\n", 14);
	http_done(c);
}

static const struct http_shape chat_shape = {
	.start = chat_start,
	.delta = chat_delta,
	.end = chat_end,
	.fail = chat_fail,
};

void
http_chat(struct http_call *c, const struct m_http_req *q, json_t *body)
{
	struct http_turn	 t;
	char			 uuid[37];

	uuid_v4(uuid);
	snprintf(c->id, sizeof(c->id), "chatcmpl_%s", uuid);
	c->shape = &chat_shape;
	c->stream = json_is_true(json_object_get(body, "stream"));
	c->usage = json_is_true(json_object_get(json_object_get(body,
	    "stream_options"), "include_usage"));
	c->model = xstrdup(json_text(body, "model", "openclaw"));
	http_turn_init(&t);
	http_chat_read(json_object_get(body, "messages"), &t);
	if (t.message.n == 0 && !dbuf_err(&t.message))
		http_error(c, 400, "invalid_request_error", NULL,
		    "Missing user message in `messages`.");
	else
		http_turn_begin(c, q, &t);
	http_turn_clear(&t);
}
