/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Methods of the public protocol that this agent answers: agent.wait,
 * chat.history, chat.abort, sessions.list, sessions.preview (spec
 * gateway-protocol 4.3, 4.5, 4.6).  The router has checked the parameters
 * against the method table; types are looked at again, because the router is
 * another process.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define RESULT_MAX	(8u << 20)
#define HISTORY_BYTES	(6u << 20)
#define LIST_BYTES	(7u << 20)
#define PREVIEW_KEYS	64
#define WAITERS_MAX	4096
#define TITLES_MAX	200	/* rows for which a transcript is opened */

struct waiter {
	LIST_ENTRY(waiter)	 entry;
	char			 run_id[257];
	uint64_t		 corr;
	struct event		*timer;
};
static LIST_HEAD(, waiter)	 waiters = LIST_HEAD_INITIALIZER(waiters);
static size_t			 nwaiters;

struct request {
	struct link	*link;
	uint64_t	 corr;
	const char	*method;
	json_t		*params;
};

static void
answer(struct request *r, struct dbuf *b)
{
	struct m_rpc_res	 m;

	memset(&m, 0, sizeof(m));
	m.ok = !dbuf_err(b);
	if (m.ok)
		m.result = (struct str){ dbuf_str(b), b->n };
	else {
		m.code = STR_LIT("UNAVAILABLE");
		m.message = STR_LIT("the result is too large");
	}
	if (send_rpc_res(r->link, &m, r->corr, MSG_F_REPLY) == -1)
		log_warn("%s: answer", r->method);
	dbuf_clear(b);
}

static void
refuse(struct request *r, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void
refuse(struct request *r, const char *code, const char *fmt, ...)
{
	struct m_rpc_res	 m;
	va_list			 ap;
	char			 text[1024];

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(&m, 0, sizeof(m));
	m.code = str_of(code);
	m.message = str_of(text);
	m.message.n = utf8_cut(text, m.message.n, sizeof(text));
	if (send_rpc_res(r->link, &m, r->corr, MSG_F_REPLY) == -1)
		log_warn("%s: answer", r->method);
}

static bool
integer_param(struct request *r, const char *key, int64_t def, int64_t min,
    int64_t max, int64_t *out)
{
	json_t	*v = json_object_get(r->params, key);

	*out = def;
	if (v == NULL)
		return true;
	if (!json_is_integer(v)) {
		refuse(r, "INVALID_REQUEST", "invalid %s params: at /%s: must "
		    "be integer", r->method, key);
		return false;
	}
	*out = json_integer_value(v);
	if (*out < min) {
		refuse(r, "INVALID_REQUEST", "invalid %s params: at /%s: must "
		    "be >= %lld", r->method, key, (long long)min);
		return false;
	}
	if (*out > max)
		*out = max;
	return true;
}

static const char *
text_param(struct request *r, const char *key)
{
	const char	*s = json_string_value(json_object_get(r->params,
			    key));

	if (s == NULL)
		refuse(r, "INVALID_REQUEST", "invalid %s params: must have "
		    "required property '%s'", r->method, key);
	return s;
}

/* --- agent.wait ---------------------------------------------------------- */

static void
wait_answer(struct link *l, uint64_t corr, const char *run_id,
    const char *status, uint64_t started, uint64_t ended, const char *error)
{
	struct request	 r = { .link = l, .corr = corr,
	    .method = "agent.wait" };
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 65536);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "runId", run_id);
	jw_ks(&w, "status", status);
	if (started != 0)
		jw_kuint(&w, "startedAt", started);
	if (ended != 0)
		jw_kuint(&w, "endedAt", ended);
	if (error != NULL)
		jw_ks(&w, "error", error);
	jw_obj_end(&w);
	answer(&r, &b);
}

static void
waiter_free(struct waiter *w)
{
	LIST_REMOVE(w, entry);
	nwaiters--;
	event_free(w->timer);
	free(w);
}

static void
waiter_cb(evutil_socket_t fd, short what, void *arg)
{
	struct waiter	*w = arg;

	(void)fd;
	(void)what;
	if (router != NULL)
		wait_answer(router, w->corr, w->run_id, "timeout", 0, 0,
		    NULL);
	waiter_free(w);
}

void
rpc_run_ended(const char *run_id, enum run_status status,
    uint64_t started_at, uint64_t ended_at, const char *error)
{
	struct waiter	*w, *next;

	for (w = LIST_FIRST(&waiters); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		if (strcmp(w->run_id, run_id) != 0)
			continue;
		if (router != NULL)
			wait_answer(router, w->corr, run_id, status ==
			    RUN_ERROR ? "error" : "ok", started_at, ended_at,
			    error);
		waiter_free(w);
	}
}

void
rpc_router_gone(void)
{
	struct waiter	*w;

	while ((w = LIST_FIRST(&waiters)) != NULL)
		waiter_free(w);
}

struct finished {
	bool	 done;
	int	 status;
	uint64_t started, ended;
	char	 error[1024];
};

static void
note_finished(const struct sessdb_turn *t, void *arg)
{
	struct finished	*f = arg;

	f->done = t->state == TURN_ST_DONE;
	f->status = t->status;
	f->started = t->started_at;
	f->ended = t->ended_at;
	strlcpy(f->error, t->summary, sizeof(f->error));
	f->error[utf8_cut(f->error, strlen(f->error), sizeof(f->error))] =
	    '\0';
}

static void
do_wait(struct request *r)
{
	struct finished	 f = { .done = false };
	struct waiter	*w;
	struct timeval	 tv;
	const char	*run_id;
	int64_t		 ms;

	if ((run_id = text_param(r, "runId")) == NULL ||
	    !integer_param(r, "timeoutMs", 30000, 0, 24ll * 3600 * 1000, &ms))
		return;
	if (db != NULL && run_find(run_id) == NULL &&
	    sessdb_find_run(db, run_id, note_finished, &f) == 1 && f.done &&
	    wall_ms() - f.ended < 10 * 60 * 1000) {
		wait_answer(r->link, r->corr, run_id, f.status == RUN_ERROR ?
		    "error" : "ok", f.started, f.ended, f.status ==
		    RUN_ERROR ? f.error : NULL);
		return;
	}
	if (ms == 0 || nwaiters >= WAITERS_MAX || strlen(run_id) > 256 ||
	    (w = calloc(1, sizeof(*w))) == NULL) {
		wait_answer(r->link, r->corr, run_id, "timeout", 0, 0, NULL);
		return;
	}
	strlcpy(w->run_id, run_id, sizeof(w->run_id));
	w->corr = r->corr;
	if ((w->timer = evtimer_new(worker_base(), waiter_cb, w)) == NULL) {
		free(w);
		refuse(r, "UNAVAILABLE", "out of memory");
		return;
	}
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	event_add(w->timer, &tv);
	LIST_INSERT_HEAD(&waiters, w, entry);
	nwaiters++;
}

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
static json_t *
history_view(json_t *m)
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

static bool
canon_param(struct request *r, const char *raw, char *key)
{
	if (session_key_canon(str_of(raw), cfg->agent_id, cfg->scope_global,
	    key, SESSION_KEY_MAX + 1) == 0)
		return true;
	refuse(r, "INVALID_REQUEST", "invalid %s params: at /sessionKey: "
	    "invalid session key", r->method);
	return false;
}

/* The session if it exists; it is not made by asking. */
static struct session *
existing(const char *key)
{
	struct session	*s;
	char		*entry;

	if ((s = session_find(key)) != NULL)
		return s;
	if (db == NULL || sessdb_get_entry(db, key, &entry) != 1)
		return NULL;
	free(entry);
	return session_get(key);
}

static struct transcript *
read_transcript(struct session *s)
{
	char	 name[256];

	session_file(s, name, sizeof(name));
	return transcript_open_read(sessions_fd, name);
}

static const char *
thinking_of(struct session *s)
{
	const char	*level = s != NULL ? session_text(s, "thinkingLevel",
			    cfg->thinking) : cfg->thinking;
	struct provider_model m;
	char		 why[256];

	if (level != NULL)
		return level;
	return config_model(cfg, cfg->candidates[0], &m, why,
	    sizeof(why)) == 0 && m.reasoning ? "low" : "off";
}

static void
do_history(struct request *r)
{
	struct transcript *t = NULL;
	struct session	*s;
	struct dbuf	 b;
	struct jw	 w;
	json_t		*list = NULL, *m, *view;
	const char	*raw;
	char		 key[SESSION_KEY_MAX + 1], *text;
	int64_t		 limit;
	size_t		 i;

	if ((raw = text_param(r, "sessionKey")) == NULL ||
	    !integer_param(r, "limit", 200, 1, 1000, &limit) ||
	    !canon_param(r, raw, key))
		return;
	if ((s = existing(key)) != NULL && (t = read_transcript(s)) != NULL)
		list = transcript_history(t, (size_t)limit, HISTORY_BYTES);
	transcript_close(t);
	dbuf_init(&b, RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "sessionKey", raw);
	if (s != NULL)
		jw_ks(&w, "sessionId", session_id(s));
	jw_karr(&w, "messages");
	json_array_foreach(list, i, m) {
		view = history_view(m);
		text = json_dumps(view, JSON_COMPACT);
		if (text != NULL)
			jw_raw(&w, text, strlen(text));
		free(text);
		json_decref(view);
	}
	jw_arr_end(&w);
	jw_ks(&w, "thinkingLevel", thinking_of(s));
	jw_obj_end(&w);
	json_decref(list);
	answer(r, &b);
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
rpc_abort_session(struct session *s, const char *reason, bool only_chat,
    unsigned int *n)
{
	json_t	*ids = json_array();

	turn_drop_queued(s, reason, ids);
	if (s->run != NULL && s->run->state != RUN_ST_ENDING &&
	    !s->run->aborted && (!only_chat ||
	    s->run->turn->row.source == TURN_CHAT)) {
		json_array_insert_new(ids, 0,
		    json_string(s->run->turn->row.run_id));
		run_abort(s->run, reason);
	}
	if (n != NULL)
		*n = (unsigned int)json_array_size(ids);
	return abort_text(ids);
}

static void
do_abort(struct request *r)
{
	struct session	*s;
	struct run	*run;
	struct turn	*t = NULL;
	struct dbuf	 b;
	json_t		*ids;
	const char	*raw, *run_id, *reason;
	char		 key[SESSION_KEY_MAX + 1], *text;

	if ((raw = text_param(r, "sessionKey")) == NULL ||
	    !canon_param(r, raw, key))
		return;
	run_id = json_text(r->params, "runId", NULL);
	reason = strcmp(json_text(r->params, "stopReason", ""), "stop") == 0 ?
	    "stop" : "rpc";
	if (run_id != NULL) {
		ids = json_array();
		run = run_find(run_id);
		if (run == NULL)
			t = turn_find_queued(run_id);
		s = run != NULL ? run->session : t != NULL ? t->session :
		    NULL;
		if (s != NULL && strcmp(s->key, key) != 0) {
			json_decref(ids);
			refuse(r, "INVALID_REQUEST",
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
		text = rpc_abort_session(s, reason, true, NULL);
	else
		text = abort_text(json_array());
	dbuf_init(&b, RESULT_MAX);
	dbuf_puts(&b, text);
	free(text);
	answer(r, &b);
}

/* --- sessions.list ------------------------------------------------------- */

struct list_walk {
	struct jw	*w;
	size_t		 n;
	bool		 titles, last;
};

/* Text of a message, folded to one line, cut at max bytes; false when none. */
static bool
message_text(json_t *m, char *out, size_t max)
{
	json_t		*content = json_object_get(m, "content"), *block;
	const char	*p = NULL;
	size_t		 i, n = 0;
	bool		 blank = true;

	if (json_is_string(content))
		p = json_string_value(content);
	json_array_foreach(content, i, block)
		if (p == NULL && strcmp(json_text(block, "type", ""),
		    "text") == 0 && json_text(block, "text", "")[0] != '\0')
			p = json_text(block, "text", "");
	if (p == NULL)
		return false;
	for (; *p != '\0' && n + 1 < max; p++) {
		bool space = ascii_isspace((unsigned char)*p);

		if (space && blank)
			continue;
		out[n++] = space ? ' ' : *p;
		blank = space;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	n = utf8_cut(out, n, n);
	/* The cut may have split the last code point. */
	while (n > 0 && !utf8_valid(out, n))
		n--;
	out[n] = '\0';
	return n > 0;
}

/* First user text within the first 8 KiB. */
static bool
first_user_text(struct session *s, char *out, size_t max)
{
	char	 name[256], buf[8192], *p, *nl;
	json_t	*e, *m, *view;
	ssize_t	 n;
	int	 fd, lines = 0;
	bool	 found = false;

	session_file(s, name, sizeof(name));
	fd = openat(sessions_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd == -1)
		return false;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	for (p = buf; n > 0 && !found && lines < 10 &&
	    (nl = memchr(p, '\n', (size_t)(buf + n - p))) != NULL;
	    p = nl + 1, lines++) {
		e = transcript_parse_line(p, (size_t)(nl - p));
		m = json_object_get(e, "message");
		if (strcmp(json_text(m, "role", ""), "user") == 0) {
			view = history_view(m);
			found = message_text(view, out, max);
			json_decref(view);
		}
		json_decref(e);
	}
	return found;
}

static void
put_titles(struct list_walk *lw, const char *key)
{
	struct transcript *t;
	struct session	*s;
	json_t		*list, *view;
	const char	*title;
	char		 text[256], date[25];
	size_t		 i;

	if ((s = session_get(key)) == NULL)
		return;
	if (lw->titles) {
		title = session_text(s, "displayName", session_text(s,
		    "subject", NULL));
		if (title == NULL && first_user_text(s, text, 61))
			title = text;
		if (title == NULL) {
			iso_time((uint64_t)json_integer_value(json_object_get(
			    s->entry, "updatedAt")), date);
			snprintf(text, sizeof(text), "%.8s (%.10s)",
			    session_id(s), date);
			title = text;
		}
		dbuf_puts(lw->w->b, ",\"derivedTitle\":");
		json_quote(lw->w->b, title, strlen(title));
	}
	if (lw->last && (t = read_transcript(s)) != NULL) {
		list = transcript_history(t, 20, 16384);
		for (i = json_array_size(list); i-- > 0; ) {
			view = history_view(json_array_get(list, i));
			if (strcmp(json_text(view, "role", ""),
			    "toolResult") != 0 &&
			    message_text(view, text, 200)) {
				dbuf_puts(lw->w->b,
				    ",\"lastMessagePreview\":");
				json_quote(lw->w->b, text, strlen(text));
				i = 0;
			}
			json_decref(view);
		}
		json_decref(list);
		transcript_close(t);
	}
}

static bool
list_row(const struct sessdb_session *v, void *arg)
{
	struct list_walk *lw = arg;
	struct dbuf	*b = lw->w->b;
	size_t		 n = strlen(v->row);

	if (n < 2 || b->n > LIST_BYTES - (n < 65536 ? n : 65536))
		return false;
	if (lw->n++ > 0)
		dbuf_putc(b, ',');
	dbuf_put(b, v->row, n - 1);
	if ((lw->titles || lw->last) && lw->n <= TITLES_MAX)
		put_titles(lw, v->key);
	dbuf_putc(b, '}');
	return true;
}

static void
do_list(struct request *r)
{
	struct sessdb_filter	 f = { .limit = 0 };
	struct list_walk	 lw = { .n = 0 };
	struct provider_model	 m;
	struct dbuf		 b, rows;
	struct jw		 w, rw;
	const char		*s;
	char			 path[4200], why[256], low[512], want[65];
	int64_t			 minutes;
	size_t			 i;

	if (!integer_param(r, "limit", 0, 1, 1000000, &f.limit) ||
	    !integer_param(r, "activeMinutes", 0, 1, 1000000000, &minutes))
		return;
	if (db == NULL) {
		refuse(r, "UNAVAILABLE", "%s", journal_trouble());
		return;
	}
	if (minutes > 0 && wall_ms() > (uint64_t)minutes * 60000)
		f.since_ms = wall_ms() - (uint64_t)minutes * 60000;
	f.global = json_is_true(json_object_get(r->params, "includeGlobal"));
	f.unknown = json_is_true(json_object_get(r->params,
	    "includeUnknown"));
	f.label = json_text(r->params, "label", NULL);
	f.spawned_by = json_text(r->params, "spawnedBy", NULL);
	if ((s = json_text(r->params, "search", NULL)) != NULL &&
	    str_trim(str_of(s)).n > 0 && strlen(s) < sizeof(low)) {
		struct str t = str_trim(str_of(s));

		for (i = 0; i < t.n; i++)
			low[i] = (char)ascii_tolower((unsigned char)t.p[i]);
		low[i] = '\0';
		f.search = low;
	}
	dbuf_init(&rows, RESULT_MAX);
	jw_init(&rw, &rows);
	lw.w = &rw;
	lw.titles = json_is_true(json_object_get(r->params,
	    "includeDerivedTitles"));
	lw.last = json_is_true(json_object_get(r->params,
	    "includeLastMessage"));
	if ((s = json_text(r->params, "agentId", NULL)) != NULL)
		agent_id_normalise(str_of(s), want);
	if (s != NULL && strcmp(want, cfg->agent_id) != 0)
		;	/* another agent's: none of ours */
	else if (sessdb_each_session(db, &f, list_row, &lw) == -1) {
		dbuf_clear(&rows);
		refuse(r, "UNAVAILABLE", "Error: %s", sessdb_error(db));
		return;
	}
	dbuf_init(&b, RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kuint(&w, "ts", wall_ms());
	snprintf(path, sizeof(path), "%s/sessions/sessions.json",
	    cfg->state_dir);
	jw_ks(&w, "path", path);
	jw_kuint(&w, "count", lw.n);
	jw_kobj(&w, "defaults");
	if (config_model(cfg, cfg->candidates[0], &m, why, sizeof(why)) ==
	    0) {
		jw_ks(&w, "modelProvider", m.provider);
		jw_ks(&w, "model", m.id);
		jw_kuint(&w, "contextTokens", m.context_window);
	} else {
		jw_knull(&w, "modelProvider");
		jw_knull(&w, "model");
		jw_knull(&w, "contextTokens");
	}
	jw_obj_end(&w);
	jw_karr(&w, "sessions");
	jw_raw(&w, dbuf_str(&rows), rows.n);
	jw_arr_end(&w);
	jw_obj_end(&w);
	if (dbuf_err(&rows))
		b.err = true;
	dbuf_clear(&rows);
	answer(r, &b);
}

/* --- sessions.preview ---------------------------------------------------- */

static const char *
preview_role(const char *role)
{
	if (strcmp(role, "user") == 0 || strcmp(role, "assistant") == 0 ||
	    strcmp(role, "system") == 0)
		return role;
	if (strcmp(role, "toolResult") == 0)
		return "tool";
	return "other";
}

static void
put_preview(struct jw *w, const char *raw, int64_t limit, int64_t max_chars)
{
	struct transcript *t = NULL;
	struct session	*s = NULL;
	json_t		*list = NULL, *view;
	const char	*status = "missing";
	char		 key[SESSION_KEY_MAX + 1], *text;
	struct dbuf	 items;
	struct jw	 iw;
	size_t		 i, n = 0;

	dbuf_init(&items, 1u << 20);
	jw_init(&iw, &items);
	if (session_key_canon(str_of(raw), cfg->agent_id, cfg->scope_global,
	    key, sizeof(key)) == 0)
		s = existing(key);
	if (s != NULL) {
		status = "empty";
		if ((t = read_transcript(s)) != NULL)
			list = transcript_history(t, (size_t)limit * 2,
			    1u << 20);
		else if (errno != ENOENT)
			status = "error";
		text = malloc((size_t)max_chars * 4 + 1);
		i = json_array_size(list);
		i = i > (size_t)limit ? i - (size_t)limit : 0;
		for (; text != NULL && i < json_array_size(list); i++) {
			view = history_view(json_array_get(list, i));
			if (message_text(view, text, (size_t)max_chars * 4 +
			    1)) {
				size_t cut = 0, chars = 0;

				while (text[cut] != '\0' &&
				    chars < (size_t)max_chars) {
					cut++;
					while (((unsigned char)text[cut] &
					    0xc0) == 0x80)
						cut++;
					chars++;
				}
				jw_obj(&iw);
				jw_ks(&iw, "role", preview_role(json_text(
				    view, "role", "")));
				jw_kstr(&iw, "text", (struct str){ text,
				    cut });
				jw_obj_end(&iw);
				n++;
			}
			json_decref(view);
		}
		free(text);
		if (n > 0)
			status = "ok";
	}
	jw_obj(w);
	jw_ks(w, "key", raw);
	jw_ks(w, "status", status);
	jw_karr(w, "items");
	jw_raw(w, dbuf_str(&items), items.n);
	jw_arr_end(w);
	jw_obj_end(w);
	dbuf_clear(&items);
	json_decref(list);
	transcript_close(t);
}

static void
do_preview(struct request *r)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*keys, *k;
	int64_t		 limit, max_chars;
	size_t		 i;

	keys = json_object_get(r->params, "keys");
	if (!json_is_array(keys) || json_array_size(keys) == 0) {
		refuse(r, "INVALID_REQUEST", "invalid sessions.preview "
		    "params: must have required property 'keys'");
		return;
	}
	if (!integer_param(r, "limit", 12, 1, 50, &limit) ||
	    !integer_param(r, "maxChars", 240, 20, 2000, &max_chars))
		return;
	dbuf_init(&b, RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kuint(&w, "ts", wall_ms());
	jw_karr(&w, "previews");
	json_array_foreach(keys, i, k)
		if (i < PREVIEW_KEYS && json_is_string(k))
			put_preview(&w, json_string_value(k), limit,
			    max_chars);
	jw_arr_end(&w);
	jw_obj_end(&w);
	answer(r, &b);
}

/* --- dispatch ------------------------------------------------------------ */

enum msg_err
rpc_message(struct link *l, struct msg *m)
{
	static const struct {
		const char	*name;
		void		(*fn)(struct request *);
	} methods[] = {
		{ "agent.wait", do_wait },
		{ "chat.history", do_history },
		{ "chat.abort", do_abort },
		{ "sessions.list", do_list },
		{ "sessions.preview", do_preview },
	};
	struct m_rpc_req	 q;
	struct request		 r = { .link = l, .corr = m->h.corr };
	enum msg_err		 err;
	size_t			 i;

	if ((err = get_rpc_req(m, &q)) != MSG_OK)
		return err;
	r.method = q.method.p;
	r.params = q.params.n == 0 ? json_object() :
	    json_load_bounded(q.params.p, q.params.n, 64);
	if (!json_is_object(r.params))
		refuse(&r, "INVALID_REQUEST", "invalid %s params: must be "
		    "object", r.method);
	else {
		for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
			if (str_eqs(q.method, methods[i].name))
				break;
		if (i < sizeof(methods) / sizeof(methods[0]))
			methods[i].fn(&r);
		else
			refuse(&r, "INVALID_REQUEST", "unknown method: %s",
			    r.method);
	}
	json_decref(r.params);
	return MSG_OK;
}
