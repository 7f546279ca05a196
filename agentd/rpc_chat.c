/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * chat.history, chat.abort and chat.inject (spec gateway-protocol 4.5): what
 * was said, as clients see it, stopping what is being said, and saying
 * something in the assistant's place.
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"
#include "common/log.h"

#define HISTORY_BYTES	(6u << 20)

/* --- chat.history -------------------------------------------------------- */

/* Is the bracket that a message begins with our own envelope? */
static bool
is_envelope(const char *p, size_t n)
{
	static const char *const names[] = { "WebChat ", "WhatsApp ",
	    "Telegram ", "Signal ", "Slack ", "Discord ", "Google Chat ",
	    "iMessage ", "Teams ", "Matrix ", "Zalo ", "Zalo Personal ",
	    "BlueBubbles " };
	size_t	 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (n >= strlen(names[i]) &&
		    strncmp(p, names[i], strlen(names[i])) == 0)
			return true;
	/* 2026-01-29T10:00Z or 2026-01-29 10:00 somewhere inside */
	for (i = 0; i + 16 <= n; i++) {
		static const char form[] = "dddd-dd-dd?dd:dd";
		size_t k;

		for (k = 0; k < 16; k++) {
			char c = p[i + k];

			if (form[k] == 'd' ? !ascii_isdigit((unsigned char)c) :
			    form[k] == '?' ? c != 'T' && c != ' ' :
			    c != form[k])
				break;
		}
		if (k == 16)
			return true;
	}
	return false;
}

static json_t *
stripped_text(const char *text)
{
	struct dbuf	 b;
	const char	*end, *nl, *p = text;
	json_t		*j;
	size_t		 n;

	if (p[0] == '[' && (end = strchr(p, ']')) != NULL &&
	    is_envelope(p + 1, (size_t)(end - p - 1))) {
		p = end + 1;
		while (*p == ' ')
			p++;
	}
	if (p == text && strstr(p, "[message_id:") == NULL)
		return json_string(text);
	dbuf_init(&b, 16u << 20);
	for (; *p != '\0'; p = nl) {
		nl = strchr(p, '\n');
		n = nl != NULL ? (size_t)(nl - p) : strlen(p);
		nl = p + n + (nl != NULL);
		if (n > 13 && strncmp(p, "[message_id:", 12) == 0 &&
		    p[n - 1] == ']') {
			/* with the line end before it */
			if (*nl == '\0' && b.n > 0 && b.p[b.n - 1] == '\n')
				b.n--;
			continue;
		}
		dbuf_put(&b, p, (size_t)(nl - p));
	}
	j = json_stringn(dbuf_str(&b), b.n);
	dbuf_clear(&b);
	return j;
}

/* A stored message as clients see it (new reference). */
json_t *
rpc_chat_view(json_t *m)
{
	json_t		*out, *content, *block, *list;
	size_t		 i;

	if (strcmp(json_text(m, "role", ""), "user") != 0)
		return json_incref(m);
	content = json_object_get(m, "content");
	if ((out = json_copy(m)) == NULL)
		return NULL;
	list = json_array();
	if (json_is_string(content))
		json_array_append_new(list, json_pack("{s:s,s:o}", "type",
		    "text", "text", stripped_text(json_string_value(
		    content))));
	json_array_foreach(content, i, block) {
		if (json_text(block, "text", NULL) == NULL) {
			json_array_append(list, block);
			continue;
		}
		json_array_append_new(list, json_pack("{s:s,s:o}", "type",
		    "text", "text", stripped_text(json_text(block, "text",
		    ""))));
	}
	json_object_set_new(out, "content", list);
	return out;
}

/* One message of a history as JSON (free it).  Images that alone are more than
 * a history may be go without their data. */
static char *
view_text(json_t *m)
{
	json_t	*view = rpc_chat_view(m), *small;
	char	*text;

	if (transcript_images(view) > HISTORY_BYTES &&
	    (small = event_copy(view)) != NULL) {
		json_decref(view);
		view = small;
	}
	text = json_dumps(view, JSON_COMPACT);
	json_decref(view);
	return text;
}

static bool
canon_param(struct rpc *r, const char *raw, char *key)
{
	if (session_key_canon(str_of(raw), cfg->agent_id, cfg->scope_global,
	    key, SESSION_KEY_MAX + 1) == 0)
		return true;
	rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: at /sessionKey: "
	    "invalid session key", r->method);
	return false;
}

static const char *
thinking_of(struct session *s)
{
	const char	*level = s != NULL ? session_text(s, "thinkingLevel",
			    cfg->thinking) : cfg->thinking;
	struct provider_model m;
	char		 why[256], ref[512];

	if (level != NULL)
		return level;
	return config_model(cfg, s != NULL && session_wish(s, ref,
	    sizeof(ref)) ? ref : cfg->candidates[0], &m, why,
	    sizeof(why)) == 0 && m.reasoning ? "low" : "off";
}

void
rpc_chat_history(struct rpc *r)
{
	struct transcript *t = NULL;
	struct session	*s;
	struct dbuf	 b;
	struct jw	 w;
	json_t		*list = NULL, *m;
	const char	*raw;
	char		 key[SESSION_KEY_MAX + 1], *text;
	int64_t		 limit;
	size_t		 i;

	if ((raw = rpc_text(r, "sessionKey")) == NULL ||
	    !rpc_integer(r, "limit", 200, 1, 1000, &limit) ||
	    !canon_param(r, raw, key))
		return;
	if ((s = session_existing(key)) != NULL &&
	    (t = session_read(s)) != NULL)
		list = transcript_history(t, (size_t)limit, HISTORY_BYTES);
	transcript_close(t);
	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "sessionKey", raw);
	if (s != NULL)
		jw_ks(&w, "sessionId", session_id(s));
	jw_karr(&w, "messages");
	json_array_foreach(list, i, m) {
		text = view_text(m);
		if (text != NULL)
			jw_raw(&w, text, strlen(text));
		free(text);
	}
	jw_arr_end(&w);
	jw_ks(&w, "thinkingLevel", thinking_of(s));
	jw_obj_end(&w);
	json_decref(list);
	rpc_answer(r, &b);
}

/* --- chat.abort ---------------------------------------------------------- */

static char *
abort_text(json_t *ids)
{
	json_t	*j = json_pack("{s:b,s:b,s:O}", "ok", 1, "aborted",
		    json_array_size(ids) > 0, "runIds", ids);
	char	*p = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	json_decref(ids);
	return p != NULL ? p : strdup("{}");
}

char *
rpc_abort_session(struct session *s, const char *reason, enum turn_source only,
    unsigned int *n)
{
	json_t	*ids = json_array();

	turn_drop_queued(s, only, reason, ids);
	if (s->run != NULL && s->run->state != RUN_ST_ENDING &&
	    !s->run->aborted && (only == TURN_SOURCE_MAX ||
	    s->run->turn->row.source == (int)only)) {
		json_array_insert_new(ids, 0,
		    json_string(s->run->turn->row.run_id));
		run_abort(s->run, reason);
	}
	if (n != NULL)
		*n = (unsigned int)json_array_size(ids);
	return abort_text(ids);
}

void
rpc_chat_abort(struct rpc *r)
{
	struct session	*s;
	struct run	*run;
	struct turn	*t = NULL;
	struct dbuf	 b;
	json_t		*ids;
	const char	*raw, *run_id, *reason;
	char		 key[SESSION_KEY_MAX + 1], *text;

	if ((raw = rpc_text(r, "sessionKey")) == NULL ||
	    !canon_param(r, raw, key))
		return;
	run_id = json_text(r->params, "runId", NULL);
	reason = strcmp(json_text(r->params, "stopReason", ""), "stop") == 0 ?
	    "stop" : "rpc";
	if (run_id != NULL) {
		ids = json_array();
		/* Runs of `agent` and of channels are not the chat's. */
		run = run_find(run_id);
		if (run != NULL && run->turn->row.source != TURN_CHAT)
			run = NULL;
		else if (run == NULL && (t = turn_find_queued(run_id)) !=
		    NULL && t->row.source != TURN_CHAT)
			t = NULL;
		s = run != NULL ? run->session : t != NULL ? t->session :
		    NULL;
		if (s != NULL && strcmp(s->key, key) != 0) {
			json_decref(ids);
			rpc_refuse(r, "INVALID_REQUEST",
			    "runId does not match sessionKey");
			return;
		}
		if (run != NULL && run->state != RUN_ST_ENDING &&
		    !run->aborted) {
			json_array_append_new(ids, json_string(run_id));
			run_abort(run, reason);
		} else if (t != NULL) {
			json_array_append_new(ids, json_string(run_id));
			turn_drop_one(t, reason);
		}
		text = abort_text(ids);
	} else if ((s = session_find(key)) != NULL)
		text = rpc_abort_session(s, reason, TURN_CHAT, NULL);
	else
		text = abort_text(json_array());
	dbuf_init(&b, RPC_RESULT_MAX);
	dbuf_puts(&b, text);
	free(text);
	rpc_answer(r, &b);
}

/* --- chat.inject --------------------------------------------------------- */

static void
tell_injected(const char *raw, const char *id, const char *message)
{
	struct m_ag_event	 ev;
	struct dbuf		 b;
	struct jw		 w;
	char			 run_id[32];

	snprintf(run_id, sizeof(run_id), "inject-%s", id);
	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "runId", run_id);
	jw_ks(&w, "sessionKey", raw);
	jw_kuint(&w, "seq", 0);
	jw_ks(&w, "state", "final");
	jw_kraw(&w, "message", message, strlen(message));
	jw_obj_end(&w);
	memset(&ev, 0, sizeof(ev));
	ev.event = EVENT_CHAT;
	ev.run_id = str_of(run_id);
	ev.session_key = str_of(raw);
	ev.payload = (struct str){ dbuf_str(&b), b.n };
	if (router != NULL && !dbuf_err(&b) &&
	    send_ag_event(router, &ev, 0, 0) == -1)
		log_warn("run %s: event", run_id);
	dbuf_clear(&b);
}

static json_t *
injected_message(const char *text, const char *label)
{
	struct dbuf	 b;
	json_t		*m;

	dbuf_init(&b, RPC_RESULT_MAX);
	if (label != NULL && label[0] != '\0')
		dbuf_printf(&b, "[%s]\n\n", label);
	dbuf_puts(&b, text);
	m = dbuf_err(&b) ? NULL : json_pack("{s:s,s:[{s:s,s:s}],s:I,s:s,"
	    "s:{s:i,s:i,s:i}}", "role", "assistant", "content", "type", "text",
	    "text", dbuf_str(&b), "timestamp", (json_int_t)wall_ms(),
	    "stopReason", "injected", "usage", "input", 0, "output", 0,
	    "totalTokens", 0);
	dbuf_clear(&b);
	return m;
}

static bool
transcript_exists(struct session *s)
{
	struct transcript	*t = session_read(s);

	transcript_close(t);
	return t != NULL;
}

void
rpc_chat_inject(struct rpc *r)
{
	struct session	*s;
	struct dbuf	 b;
	struct jw	 w;
	json_t		*m;
	const char	*raw, *text;
	char		 key[SESSION_KEY_MAX + 1], id[9], *json;

	if ((raw = rpc_text(r, "sessionKey")) == NULL ||
	    (text = rpc_text(r, "message")) == NULL ||
	    !canon_param(r, raw, key))
		return;
	if ((s = session_existing(key)) == NULL) {
		rpc_refuse(r, "INVALID_REQUEST", "session not found");
		return;
	}
	if (!transcript_exists(s)) {
		rpc_refuse(r, "INVALID_REQUEST", "transcript file not found");
		return;
	}
	if ((m = injected_message(text, json_text(r->params, "label",
	    NULL))) == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "failed to write transcript: out "
		    "of memory");
		return;
	}
	if (rpc_transcript_put(s, m, id) == -1) {
		rpc_refuse(r, "UNAVAILABLE", "failed to write transcript: %s",
		    strerror(errno));
		json_decref(m);
		return;
	}
	json = json_dumps(m, JSON_COMPACT);
	json_decref(m);
	if (json != NULL)
		tell_injected(raw, id, json);
	free(json);
	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", true);
	jw_ks(&w, "messageId", id);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}
