/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * POST /tools/invoke (spec gateway-protocol 7.3): one call of one tool, by a
 * client in the model's place.  toold judges it as it judges any call; on top
 * of that, what runs commands, touches files or speaks in the agent's name is
 * out of reach here unless gateway.tools.allow names it (T14).
 */
#include "common/compat.h"

#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/http_error.h"

#define ACCEPT_MS	30000
/* Longer than a question to an operator may stand. */
#define CALL_MS		3600000

static const char *const denied[] = { "exec", "bash", "process", "spawn",
    "shell", "read", "write", "edit", "ls", "grep", "find", "apply_patch",
    "sessions_spawn", "sessions_send", "cron", "gateway", "nodes",
    "whatsapp_login" };

static bool
has(json_t *list, const char *name)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && ascii_casecmp(json_string_value(v),
		    name) == 0)
			return true;
	return false;
}

static bool
open_here(const char *name)
{
	size_t	 i;

	if (has(config_at(cfg->root, "http.tools.deny"), name))
		return false;
	if (has(config_at(cfg->root, "http.tools.allow"), name))
		return true;
	for (i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		if (ascii_casecmp(denied[i], name) == 0)
			return false;
	return true;
}

/* {"ok":false,"error":{type, message}} */
static void
refuse(struct http_call *c, unsigned int status, const char *type,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void
refuse(struct http_call *c, unsigned int status, const char *type,
    const char *fmt, ...)
{
	struct dbuf	 b;
	va_list		 ap;

	dbuf_init(&b, HTTP_ERROR_BYTES);
	va_start(ap, fmt);
	http_error_put(&b, true, type, NULL, fmt, ap);
	va_end(ap);
	http_json(c, status, &b);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct http_call	*c = arg;
	struct m_tl_cancel	 m = { 0 };

	(void)fd;
	(void)what;
	if (c->sub != NULL) {
		m.call_id = str_of(c->sub_id);
		(void)send_tl_cancel(c->sub, &m, c->sub_corr, 0);
	}
	refuse(c, 504, "timeout", "the tool did not answer in time; the call "
	    "was cancelled");
}

static bool
wait_for(struct http_call *c, uint32_t ms)
{
	struct timeval	tv = { ms / 1000, 0 };

	if (c->timer == NULL && (c->timer = evtimer_new(worker_base(),
	    timer_cb, c)) == NULL)
		return false;
	return event_add(c->timer, &tv) == 0;
}

void
http_tools(struct http_call *c, const struct m_http_req *q, json_t *body)
{
	static uint64_t		 number;
	struct m_tl_call	 m = { 0 };
	struct str		 name, action;
	json_t			*tool = NULL, *t, *args;
	char			 buf[65], key[SESSION_KEY_MAX + 1], *text;
	size_t			 i;

	name = str_trim(str_of(json_text(body, "tool", json_text(body, "name",
	    ""))));
	if (name.n == 0) {
		http_error(c, 400, "invalid_request_error", NULL,
		    "tools.invoke requires body.tool");
		return;
	}
	/* Which there are is not known until toold has said so. */
	if (str_copy(name, buf, sizeof(buf)) == 0 && open_here(buf) &&
	    !toolcall_ready()) {
		refuse(c, 503, "unavailable", "tools are not available at the "
		    "moment; try again");
		return;
	}
	if (name.n < sizeof(buf) && open_here(buf))
		json_array_foreach(toolcall_list(), i, t)
			if (strcmp(json_text(t, "name", ""), buf) == 0)
				tool = t;
	if (tool == NULL) {
		refuse(c, 404, "not_found", "Tool not available: %.*s",
		    (int)utf8_cut(name.p, name.n, 200), name.p);
		return;
	}
	if (session_key_canon(q->session_key, cfg->agent_id,
	    cfg->scope_global, key, sizeof(key)) == -1) {
		http_error(c, 400, "invalid_request_error", NULL,
		    "invalid session key");
		return;
	}
	if (tools == NULL || link_full(tools)) {
		refuse(c, 503, "unavailable", "tools are not available at the "
		    "moment; try again");
		return;
	}
	args = json_is_object(json_object_get(body, "args")) ? json_copy(
	    json_object_get(body, "args")) : json_object();
	action = str_trim(str_of(json_text(body, "action", "")));
	if (action.n > 0 && json_object_get(args, "action") == NULL &&
	    json_object_get(json_object_get(json_object_get(tool,
	    "parameters"), "properties"), "action") != NULL)
		json_object_set_new(args, "action", json_stringn(action.p,
		    action.n));
	text = json_dumps(args, JSON_COMPACT);
	json_decref(args);
	snprintf(c->sub_id, sizeof(c->sub_id), "h%llu",
	    (unsigned long long)++number);
	c->sub_corr = link_corr();
	m.call_id = str_of(c->sub_id);
	m.tool = str_of(buf);
	m.run_id = STR_LIT("");
	m.session_key = str_of(key);
	m.args = str_of(text);
	if (text == NULL || !wait_for(c, ACCEPT_MS) || send_tl_call(tools, &m,
	    c->sub_corr, 0) == -1)
		refuse(c, 503, "unavailable", "the call could not be handed "
		    "on; try again");
	else
		c->sub = tools;
	free(text);
}

static void
finish(struct http_call *c, const struct m_tl_done *done)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*j, *block;
	char		*text;
	size_t		 i;

	c->sub = NULL;
	j = json_load_bounded(done->result.p, done->result.n,
	    JSON_LOAD_DEPTH);
	if (!json_is_object(j)) {
		json_decref(j);
		refuse(c, 502, "tool_error", "the tool's result could not be "
		    "understood");
		return;
	}
	if (done->is_error || json_is_true(json_object_get(j, "isError"))) {
		dbuf_init(&b, 2000);
		json_array_foreach(json_object_get(j, "content"), i, block)
			dbuf_puts(&b, json_text(block, "text", ""));
		refuse(c, 400, "tool_error", "%s", b.n > 0 ? dbuf_str(&b) :
		    "the tool failed");
		dbuf_clear(&b);
		json_decref(j);
		return;
	}
	json_object_del(j, "isError");
	text = json_dumps(j, JSON_COMPACT);
	json_decref(j);
	dbuf_init(&b, 32u << 20);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", true);
	if (text != NULL)
		jw_kraw(&w, "result", text, strlen(text));
	else
		b.err = true;
	jw_obj_end(&w);
	free(text);
	http_json(c, 200, &b);
}

bool
http_tools_message(struct link *l, struct msg *m)
{
	struct http_call	*c = http_call_of_sub(l, m->h.corr);
	struct m_tl_accept	 acc;
	struct m_tl_done	 done;

	if (c == NULL)
		return false;
	/* A message that is malformed is for the others to judge. */
	if (m->h.type == MSG_TL_ACCEPT) {
		if (get_tl_accept(m, &acc) != MSG_OK)
			return false;
		(void)wait_for(c, CALL_MS);
	} else if (m->h.type == MSG_TL_DONE) {
		if (get_tl_done(m, &done) != MSG_OK ||
		    !str_eqs(done.call_id, c->sub_id))
			return false;
		finish(c, &done);
	}
	return true;
}
