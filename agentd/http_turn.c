/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A request over HTTP as a turn of the agent: the conversation that a client
 * sends along as one prompt, and the run's text and end as the client's
 * interface words them.  The run belongs to its session: it goes on when the
 * client leaves.
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define MESSAGE_MAX	1048576u	/* as RT_TEXT_MAX */
#define EXTRA_MAX	2097152u
#define NOTHING		"No response from OpenClaw."

void
http_turn_init(struct http_turn *t)
{
	memset(t, 0, sizeof(*t));
	dbuf_init(&t->message, ROUTE_BODY_MAX);
	dbuf_init(&t->extra, ROUTE_BODY_MAX);
}

void
http_turn_clear(struct http_turn *t)
{
	dbuf_clear(&t->message);
	dbuf_clear(&t->extra);
	json_decref(t->media);
	json_decref(t->tools);
}

/* --- the prompt -------------------------------------------------------------- */

void
http_talk_add(struct http_talk *k, const char *who, struct str text, bool ask)
{
	if (k->lines == NULL)
		k->lines = json_array();
	json_array_append_new(k->lines, json_pack("{s:s,s:o,s:b}", "who", who,
	    "text", json_stringn(text.p, text.n), "ask", ask));
}

void
http_talk_write(struct http_talk *k, struct dbuf *b)
{
	json_t	*line;
	size_t	 i, last, n = json_array_size(k->lines);

	/* The last thing that somebody else than the assistant said. */
	for (last = n; last > 0 && !json_is_true(json_object_get(
	    json_array_get(k->lines, last - 1), "ask")); last--)
		;
	last = last > 0 ? last - 1 : n > 0 ? n - 1 : 0;
	if (last > 0)
		dbuf_puts(b, "[Chat messages since your last reply - for "
		    "context]\n");
	json_array_foreach(k->lines, i, line) {
		if (i > last)
			break;
		if (i == last && last > 0)
			dbuf_puts(b, "\n[Current message - respond to "
			    "this]\n");
		if (last > 0)
			dbuf_printf(b, "%s: ", json_text(line, "who", ""));
		dbuf_puts(b, json_text(line, "text", ""));
		if (i < last)
			dbuf_putc(b, '\n');
	}
	json_decref(k->lines);
	k->lines = NULL;
}

/* --- the turn ------------------------------------------------------------------ */

static char *
options_of(const struct http_turn *t)
{
	json_t	*o = json_object();
	char	*p;

	/* Without it the model would do something else than it was asked. */
	if (t->extra.n > 0 && json_object_set_new(o, "extraSystemPrompt",
	    json_stringn(t->extra.p, t->extra.n)) == -1) {
		json_decref(o);
		return NULL;
	}
	if (t->max_tokens > 0)
		json_object_set_new(o, "maxTokens", json_integer(
		    t->max_tokens));
	if (json_array_size(t->tools) > 0)
		json_object_set(o, "clientTools", t->tools);
	p = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return p;
}

void
http_turn_begin(struct http_call *c, const struct m_http_req *q,
    struct http_turn *t)
{
	struct m_ag_turn	 in = { 0 };
	char			*options, *media = NULL, dedupe[80];
	enum msg_err		 err;

	if (dbuf_err(&t->message) || t->message.n > MESSAGE_MAX ||
	    dbuf_err(&t->extra) || t->extra.n > EXTRA_MAX) {
		http_error(c, 400, "invalid_request_error", NULL,
		    "the conversation is longer than %u bytes, or its system "
		    "messages and files than %u", MESSAGE_MAX, EXTRA_MAX);
		return;
	}
	if ((options = options_of(t)) == NULL || (t->media != NULL &&
	    (media = json_dumps(t->media, JSON_COMPACT)) == NULL)) {
		free(options);
		http_error(c, 503, "unavailable", NULL, "out of memory");
		return;
	}
	snprintf(dedupe, sizeof(dedupe), "http:%s", c->id);
	in.run_id = str_of(c->id);
	in.session_key = q->session_key;
	in.source = TURN_AGENT;
	in.channel = in.account = in.chat = in.thread = in.sender =
	    in.sender_name = in.msg_id = STR_LIT("");
	in.dedupe_key = str_of(dedupe);
	in.ts_ms = wall_ms();
	in.options = str_of(options);
	in.text = (struct str){ dbuf_str(&t->message), t->message.n };
	in.media = str_of(media != NULL ? media : "");
	err = turn_offer(NULL, 0, &in, c);
	free(options);
	free(media);
	/* c is gone if it was refused. */
	if (err != MSG_OK)
		http_error(c, 500, "api_error", NULL, "the turn could not be "
		    "begun");
}

void
http_turn_answered(const char *run_id, enum turn_status status,
    const char *code, const char *reason)
{
	struct http_call	*c = http_call_find(run_id);

	if (c == NULL)
		return;
	if (status == TURN_REFUSED) {
		if (strcmp(code, "INVALID_REQUEST") == 0)
			http_error(c, 400, "invalid_request_error", NULL, "%s",
			    reason);
		else
			http_error(c, 503, "unavailable", NULL, "%s", reason);
	} else if (c->stream)
		c->shape->start(c);
}

/* --- the run ------------------------------------------------------------------- */

static void
pass(struct http_call *c, struct str text)
{
	if (text.n == 0)
		return;
	dbuf_put(&c->text, text.p, text.n);
	if (c->stream)
		c->shape->delta(c, text);
}

void
http_turn_delta(struct run *run, struct str delta, bool first)
{
	struct http_call	*c = run->turn->http;

	if (c == NULL || delta.n == 0)
		return;
	/* As between the texts of an answer that comes whole. */
	if (first && c->said)
		dbuf_puts(&c->held, "\n\n");
	c->said = true;
	dbuf_put(&c->held, delta.p, delta.n);
	if (!c->slow)
		http_turn_drained(c);
}

void
http_turn_drained(struct http_call *c)
{
	struct str	 text = { dbuf_str(&c->held), c->held.n };

	if (dbuf_err(&c->held)) {
		http_cut(c, "the answer is longer than can be kept for who "
		    "reads slowly");
		return;
	}
	pass(c, text);
	dbuf_reset(&c->held);
	if (c->stream)
		(void)http_flush(c);
}

void
http_turn_ended(struct run *run)
{
	struct http_call	*c = run->turn->http;
	struct dbuf		 all;
	json_t			*t;
	size_t			 i;
	char			 why[1024];

	if (c == NULL)
		return;
	run->turn->http = NULL;
	c->turn = NULL;
	if (run->status != RUN_OK) {
		if (run->status == RUN_ERROR)
			snprintf(why, sizeof(why), "%s", run->failure != NULL ?
			    run->failure : "failed");
		else
			snprintf(why, sizeof(why), "the run was stopped%s",
			    run->stop_reason != NULL && strcmp(
			    run->stop_reason, "timeout") == 0 ?
			    ": its time was up" : "");
		utf8_mend(why);
		if (c->stream && c->held.n > 0 && !dbuf_err(&c->held))
			pass(c, (struct str){ c->held.p, c->held.n });
		c->shape->fail(c, 500, "api_error", why);
		return;
	}
	dbuf_init(&all, RESULT_TEXT_MAX);
	if (c->stream && c->said) {
		if (c->held.n > 0)
			pass(c, (struct str){ c->held.p, c->held.n });
		dbuf_put(&all, dbuf_str(&c->text), c->text.n);
		all.err = all.err || dbuf_err(&c->held) || dbuf_err(&c->text);
	} else {
		json_array_foreach(run->texts, i, t) {
			if (json_string_length(t) == 0)
				continue;
			if (all.n > 0)
				dbuf_puts(&all, "\n\n");
			dbuf_put(&all, json_string_value(t),
			    json_string_length(t));
		}
		if (all.n == 0 && run->handed == NULL)
			dbuf_puts(&all, NOTHING);
	}
	if (dbuf_err(&all))
		http_cut(c, "the answer is too long");
	else {
		/* An answer that did not come from a model has no deltas. */
		if (c->stream && !c->said)
			pass(c, (struct str){ dbuf_str(&all), all.n });
		c->shape->end(c, run, (struct str){ dbuf_str(&all), all.n });
	}
	dbuf_clear(&all);
}

void
http_usage(const struct run *run, uint64_t *in, uint64_t *out,
    uint64_t *total)
{
	static const char *const	 names[] = { "input", "cacheRead",
					    "cacheWrite", "output" };
	json_int_t			 v[4];
	size_t				 i;

	for (i = 0; i < 4; i++) {
		v[i] = json_integer_value(json_object_get(run->usage,
		    names[i]));
		v[i] = v[i] < 0 ? 0 : v[i];
	}
	*in = (uint64_t)(v[0] + v[1] + v[2]);
	*out = (uint64_t)v[3];
	*total = *in + *out;
}

/* --- tools that the client has ---------------------------------------------------- */

static json_t *
clients(struct run *run)
{
	return json_object_get(run->turn->options, "clientTools");
}

static bool
is_clients(struct run *run, const char *name)
{
	json_t	*t;
	size_t	 i;

	json_array_foreach(clients(run), i, t)
		if (strcmp(json_text(t, "name", ""), name) == 0)
			return true;
	return false;
}

json_t *
http_turn_tools(struct run *run)
{
	json_t	*all, *t;
	size_t	 i;

	if (json_array_size(clients(run)) == 0)
		return json_incref(toolcall_list());
	/* The agent's list may have come after the request was judged. */
	all = json_array();
	json_array_foreach(toolcall_list(), i, t)
		if (!is_clients(run, json_text(t, "name", "")))
			json_array_append(all, t);
	json_array_extend(all, clients(run));
	return all;
}

json_t *
http_turn_clients(struct run *run, json_t *content)
{
	json_t	*block;
	size_t	 i;

	json_array_foreach(content, i, block)
		if (strcmp(json_text(block, "type", ""), "toolCall") == 0 &&
		    is_clients(run, json_text(block, "name", "")))
			return block;
	return NULL;
}

void
http_turn_hand(struct run *run, json_t *content, json_t *first)
{
	json_t	*block, *fields, *m;
	size_t	 i;

	/* Every call gets a result; what the client makes of the first comes
	 * as its next message. */
	json_array_foreach(content, i, block) {
		if (strcmp(json_text(block, "type", ""), "toolCall") != 0)
			continue;
		fields = json_pack("{s:[{s:s,s:s}],s:{},s:b}", "content",
		    "type", "text", "text", block == first ? "Handed to the "
		    "client, which has this tool. Its result follows in the "
		    "next message." : "Not run: another call was handed to "
		    "the client first.", "details", "isError",
		    block != first);
		m = toolcall_message_of(json_text(block, "id", ""),
		    json_text(block, "name", ""), fields);
		if (m != NULL)
			session_append(run->session, m, true, NULL);
		json_decref(m);
		json_decref(fields);
	}
	run->handed = json_incref(first);
}
