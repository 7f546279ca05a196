/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What watchers of a run see: payloads of the gateway events agent and chat
 * (spec gateway-protocol 5.2 to 5.4, agent-runtime 11).  Every produced event
 * takes a number of the run, also one that is then not sent.
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define TOOL_TEXT_MAX	8000	/* characters of a result's copy */
#define PAYLOAD_MAX	(8u << 20)

static void
emit(struct run *run, enum gw_event event, bool droppable, bool quiet,
    struct dbuf *b)
{
	struct m_ag_event	 ev;

	if (router == NULL)
		return;		/* nobody watches; the run goes on */
	if (dbuf_err(b)) {
		log_warnx("run %s: an event is too long and not sent",
		    run->turn->row.run_id);
		return;
	}
	if (droppable && link_full(router))
		return;
	/* A turn that is not known to have begun is run again after a crash.
	 * Whoever was shown more than its start has seen it begin; if the
	 * disk refuses, its end says so. */
	if (run->seq > 1)
		(void)journal_began(run->turn);
	memset(&ev, 0, sizeof(ev));
	ev.event = (uint8_t)event;
	ev.droppable = droppable;
	ev.quiet = quiet;
	ev.run_id = str_of(run->turn->row.run_id);
	ev.session_key = str_of(run->turn->row.raw_key);
	ev.payload = (struct str){ dbuf_str(b), b->n };
	if (send_ag_event(router, &ev, 0, 0) == -1)
		log_warn("run %s: event", run->turn->row.run_id);
}

/* {runId, seq, stream, ts, sessionKey, data: { ... of an agent event. */
static void
agent_begin(struct run *run, struct jw *w, struct dbuf *b, const char *stream)
{
	dbuf_init(b, PAYLOAD_MAX);
	jw_init(w, b);
	jw_obj(w);
	jw_ks(w, "runId", run->turn->row.run_id);
	jw_kuint(w, "seq", ++run->seq);
	jw_ks(w, "stream", stream);
	jw_kuint(w, "ts", wall_ms());
	jw_ks(w, "sessionKey", run->turn->row.raw_key);
	jw_kobj(w, "data");
}

static void
agent_end(struct run *run, struct jw *w, struct dbuf *b)
{
	jw_obj_end(w);
	jw_obj_end(w);
	emit(run, EVENT_AGENT, false, false, b);
	dbuf_clear(b);
}

/*
 * Who sees tool calls unasked: the session's level, else the configured
 * default.  When neither says anything they are shown for turns of clients,
 * whose page has a place for them, and not for those of channels.  "full"
 * counts as on.
 */
static bool
tools_visible(struct run *run)
{
	const char	*level;

	level = session_text(run->session, "verboseLevel", run->cfg->verbose);
	if (level == NULL)
		return run->turn->row.source != TURN_CHANNEL;
	return strcmp(level, "off") != 0;
}

static void
tool_begin(struct run *run, struct jw *w, struct dbuf *b, const char *phase,
    const struct toolcall *c)
{
	agent_begin(run, w, b, "tool");
	jw_ks(w, "phase", phase);
	jw_ks(w, "name", c->name);
	jw_ks(w, "toolCallId", c->id);
}

static void
tool_end(struct run *run, struct jw *w, struct dbuf *b)
{
	jw_obj_end(w);
	jw_obj_end(w);
	emit(run, EVENT_AGENT, false, !tools_visible(run), b);
	dbuf_clear(b);
}

/* {runId, sessionKey, seq, state ... of a chat event. */
static void
chat_begin(struct run *run, struct jw *w, struct dbuf *b, const char *state)
{
	dbuf_init(b, PAYLOAD_MAX);
	jw_init(w, b);
	jw_obj(w);
	jw_ks(w, "runId", run->turn->row.run_id);
	jw_ks(w, "sessionKey", run->turn->row.raw_key);
	jw_kuint(w, "seq", run->seq);
	jw_ks(w, "state", state);
}

static void
chat_message(struct jw *w, struct str text, bool injected)
{
	jw_kobj(w, "message");
	jw_ks(w, "role", "assistant");
	jw_karr(w, "content");
	jw_obj(w);
	jw_ks(w, "type", "text");
	jw_kstr(w, "text", text);
	jw_obj_end(w);
	jw_arr_end(w);
	jw_kuint(w, "timestamp", wall_ms());
	if (injected) {
		jw_ks(w, "stopReason", "injected");
		jw_kobj(w, "usage");
		jw_kint(w, "input", 0);
		jw_kint(w, "output", 0);
		jw_kint(w, "totalTokens", 0);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

static void
chat_end(struct run *run, struct jw *w, struct dbuf *b, bool droppable)
{
	jw_obj_end(w);
	emit(run, EVENT_CHAT, droppable, false, b);
	dbuf_clear(b);
}

void
event_lifecycle_start(struct run *run)
{
	struct dbuf	 b;
	struct jw	 w;

	agent_begin(run, &w, &b, "lifecycle");
	jw_ks(&w, "phase", "start");
	jw_kuint(&w, "startedAt", run->started_at);
	agent_end(run, &w, &b);
	run->announced = true;
}

void
event_lifecycle_end(struct run *run)
{
	struct dbuf	 b;
	struct jw	 w;

	agent_begin(run, &w, &b, "lifecycle");
	jw_ks(&w, "phase", run->status == RUN_ERROR ? "error" : "end");
	if (run->status == RUN_ERROR)
		jw_ks(&w, "error", run->failure != NULL ? run->failure :
		    "failed");
	jw_kuint(&w, "endedAt", run->ended_at);
	if (run->started_at != 0)
		jw_kuint(&w, "startedAt", run->started_at);
	if (run->status == RUN_ABORTED)
		jw_kbool(&w, "aborted", true);
	agent_end(run, &w, &b);
}

void
event_assistant(struct run *run)
{
	struct dbuf	 b;
	struct jw	 w;
	struct str	 all, delta;
	uint64_t	 now;

	if (run->published >= run->text.n || run->events_off)
		return;
	all = (struct str){ dbuf_str(&run->text), run->text.n };
	delta = (struct str){ all.p + run->published,
	    all.n - run->published };
	run->published = all.n;
	run->shown = true;
	http_turn_delta(run, delta, delta.p == all.p);
	/* Cumulative text makes the sum of events quadratic; beyond this only
	 * the final tells the rest. */
	if (all.n > EVENT_TEXT_MAX)
		return;
	agent_begin(run, &w, &b, "assistant");
	jw_kstr(&w, "text", all);
	jw_kstr(&w, "delta", delta);
	agent_end(run, &w, &b);
	now = mono_ms();
	if (run->last_delta_ms != 0 &&
	    now - run->last_delta_ms < CHAT_DELTA_MS)
		return;
	run->last_delta_ms = now;
	chat_begin(run, &w, &b, "delta");
	chat_message(&w, all, false);
	/* For clients of protocol 4, which add up; older ones do not look. */
	jw_kstr(&w, "deltaText", (struct str){ all.p + run->told,
	    all.n - run->told });
	if (run->told == 0 && run->told_any)
		jw_kbool(&w, "replace", true);
	run->told = all.n;
	run->told_any = true;
	chat_end(run, &w, &b, true);
}

static void
kjson(struct jw *w, const char *key, const json_t *j)
{
	char	*text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text == NULL)
		jw_knull(w, key);
	else
		jw_kraw(w, key, text, strlen(text));
	free(text);
}

json_t *
event_copy(json_t *result)
{
	json_t		*copy = json_deep_copy(result), *content, *block;
	const char	*text;
	struct dbuf	 b;
	size_t		 i, n;

	content = json_object_get(copy, "content");
	json_array_foreach(content, i, block) {
		if (strcmp(json_text(block, "type", ""), "image") == 0) {
			n = json_string_length(json_object_get(block, "data"));
			json_object_del(block, "data");
			json_object_set_new(block, "bytes",
			    json_integer((json_int_t)(n / 4 * 3)));
			json_object_set_new(block, "omitted", json_true());
			continue;
		}
		text = json_text(block, "text", "");
		n = strlen(text);
		if (n <= TOOL_TEXT_MAX)
			continue;
		dbuf_init(&b, TOOL_TEXT_MAX + 64);
		dbuf_put(&b, text, utf8_cut(text, n, TOOL_TEXT_MAX));
		dbuf_puts(&b, "\n\xe2\x80\xa6(truncated)\xe2\x80\xa6");
		json_object_set_new(block, "text", json_string(dbuf_str(&b)));
		dbuf_clear(&b);
	}
	return copy;
}

/* A short hint for people: the path, the command. */
static void
put_meta(struct jw *w, json_t *args)
{
	static const char *const keys[] = { "command", "path", "file_path",
	    "query", "url", "pattern", "action" };
	const char	*s = NULL;
	size_t		 i, n;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]) && s == NULL; i++)
		s = json_text(args, keys[i], NULL);
	if (s == NULL)
		return;
	for (n = 0; s[n] != '\0' && s[n] != '\n'; n++)
		;
	jw_kstr(w, "meta", (struct str){ s, utf8_cut(s, n, 120) });
}

void
event_tool_start(struct run *run, struct toolcall *c)
{
	struct dbuf	 b;
	struct jw	 w;

	event_assistant(run);
	tool_begin(run, &w, &b, "start", c);
	kjson(&w, "args", json_object_get(c->block, "arguments"));
	tool_end(run, &w, &b);
}

void
event_tool_update(struct run *run, struct toolcall *c)
{
	struct dbuf	 b;
	struct jw	 w;

	tool_begin(run, &w, &b, "update", c);
	jw_kobj(&w, "partialResult");
	jw_karr(&w, "content");
	jw_obj(&w);
	jw_ks(&w, "type", "text");
	jw_kstr(&w, "text", (struct str){ dbuf_str(&c->out), c->out.n });
	jw_obj_end(&w);
	jw_arr_end(&w);
	jw_obj_end(&w);
	tool_end(run, &w, &b);
}

void
event_tool_result(struct run *run, struct toolcall *c)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*copy;
	const char	*status;
	bool		 is_error;

	status = json_text(json_object_get(c->result, "details"), "status",
	    "");
	is_error = json_is_true(json_object_get(c->result, "isError")) ||
	    strcmp(status, "error") == 0 || strcmp(status, "timeout") == 0;
	copy = event_copy(c->result);
	json_object_del(copy, "isError");
	tool_begin(run, &w, &b, "result", c);
	put_meta(&w, json_object_get(c->block, "arguments"));
	jw_kbool(&w, "isError", is_error);
	kjson(&w, "result", copy);
	tool_end(run, &w, &b);
	json_decref(copy);
}

void
event_chat_end(struct run *run)
{
	struct dbuf	 b;
	struct jw	 w;
	struct str	 text;

	if (run->events_off)
		return;
	switch (run->status) {
	case RUN_OK:
		chat_begin(run, &w, &b, "final");
		text = str_trim(str_of(run->last_text));
		if (text.n > RESULT_TEXT_MAX)
			text.n = utf8_cut(text.p, text.n, RESULT_TEXT_MAX);
		if (text.n > 0)
			chat_message(&w, text, run->injected);
		break;
	case RUN_ERROR:
		chat_begin(run, &w, &b, "error");
		jw_ks(&w, "errorMessage", run->failure != NULL ?
		    run->failure : "failed");
		break;
	case RUN_ABORTED:
		run->seq++;
		chat_begin(run, &w, &b, "aborted");
		if (run->stop_reason != NULL)
			jw_ks(&w, "stopReason", run->stop_reason);
		break;
	}
	chat_end(run, &w, &b, false);
	run->events_off = true;
}
