/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * sessions.list and sessions.preview (spec gateway-protocol 4.6): which
 * conversations there are, and the beginning or end of each as one line.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"

#define LIST_BYTES	(7u << 20)
#define PREVIEW_KEYS	64
#define TITLES_MAX	200	/* rows for which a transcript is opened */
#define TITLE_CHARS	60
#define PREVIEW_CHARS	200
#define TEXT_SIZE(chars) ((chars) * 4 + 1)	/* as UTF-8, with its NUL */

/* --- sessions.list ------------------------------------------------------- */

struct list_walk {
	struct jw	*w;
	size_t		 n;
	bool		 titles, last;
	const char	*only;		/* NULL, or the one key */
};

/* Text of a message, folded to one line, cut at that many characters, in
 * TEXT_SIZE of them; false when there is none. */
static bool
message_text(json_t *m, char *out, size_t chars)
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
	for (; *p != '\0' && chars > 0; p++) {
		bool space = ascii_isspace((unsigned char)*p);

		if (space && blank)
			continue;
		out[n++] = space ? ' ' : *p;
		while (((unsigned char)p[1] & 0xc0) == 0x80)
			out[n++] = *++p;
		blank = space;
		chars--;
	}
	if (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return n > 0;
}

/* At most TITLE_CHARS, between words when there is a place for it. */
static void
cut_title(char *s, size_t size)
{
	size_t	 i = 0, chars = 0, space = 0;

	if (utf8_count(s, strlen(s)) <= TITLE_CHARS)
		return;
	while (chars < TITLE_CHARS - 1) {
		if (s[i] == ' ' && chars > TITLE_CHARS * 6 / 10)
			space = i;
		i++;
		while (((unsigned char)s[i] & 0xc0) == 0x80)
			i++;
		chars++;
	}
	if (space > 0)
		i = space;
	strlcpy(s + i, "\xe2\x80\xa6", size - i);
}

/* First user text within the first 8 KiB. */
static bool
first_user_text(struct session *s, char *out, size_t chars)
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
			view = rpc_chat_view(m);
			found = message_text(view, out, chars);
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
	char		 text[TEXT_SIZE(PREVIEW_CHARS)], date[25];
	size_t		 i;

	if ((s = session_get(key)) == NULL)
		return;
	if (lw->titles) {
		title = session_text(s, "displayName", session_text(s,
		    "subject", NULL));
		if (title == NULL && first_user_text(s, text,
		    TITLE_CHARS + 2)) {
			cut_title(text, sizeof(text));
			title = text;
		}
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
	if (lw->last && (t = session_read(s)) != NULL) {
		list = transcript_history(t, 20, 16384);
		for (i = json_array_size(list); i-- > 0; ) {
			view = rpc_chat_view(json_array_get(list, i));
			if (strcmp(json_text(view, "role", ""),
			    "toolResult") != 0 &&
			    message_text(view, text, PREVIEW_CHARS)) {
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

	if (lw->only != NULL && strcmp(v->key, lw->only) != 0)
		return true;
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

void
rpc_sessions_list(struct rpc *r)
{
	struct sessdb_filter	 f = { .limit = 0 };
	struct list_walk	 lw = { .n = 0 };
	struct provider_model	 m;
	struct dbuf		 b, rows;
	struct jw		 w, rw;
	const char		*s;
	char			 path[4200], why[256], low[512];
	int64_t			 minutes;
	size_t			 i;

	if (!rpc_integer(r, "limit", 0, 1, 1000000, &f.limit) ||
	    !rpc_integer(r, "activeMinutes", 0, 1, 1000000000, &minutes))
		return;
	if (db == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "%s", journal_trouble());
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
	dbuf_init(&rows, RPC_RESULT_MAX);
	jw_init(&rw, &rows);
	lw.w = &rw;
	lw.titles = json_is_true(json_object_get(r->params,
	    "includeDerivedTitles"));
	lw.last = json_is_true(json_object_get(r->params,
	    "includeLastMessage"));
	if (!rpc_own_agent(r))
		;	/* another agent's: none of ours */
	else if (session_each(&f, list_row, &lw) == -1) {
		dbuf_clear(&rows);
		rpc_refuse(r, "UNAVAILABLE", "Error: %s", sessdb_error(db));
		return;
	}
	dbuf_init(&b, RPC_RESULT_MAX);
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
	rpc_answer(r, &b);
}

/* --- sessions.describe --------------------------------------------------- */

/* One row of the list; null when there is no such conversation. */
void
rpc_sessions_describe(struct rpc *r)
{
	struct sessdb_filter	 f = { .limit = 0, .global = true,
				    .unknown = true };
	struct list_walk	 lw = { .titles = true, .last = true };
	struct dbuf		 rows, b;
	struct jw		 rw, w;
	const char		*raw;
	char			 key[SESSION_KEY_MAX + 1];

	if ((raw = rpc_text(r, "key")) == NULL)
		return;
	if (db == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "%s", journal_trouble());
		return;
	}
	dbuf_init(&rows, RPC_RESULT_MAX);
	jw_init(&rw, &rows);
	lw.w = &rw;
	lw.only = f.search = key;	/* the index finds it, rows are few */
	if (session_key_canon(str_of(raw), cfg->agent_id, cfg->scope_global,
	    key, sizeof(key)) == 0 && sessdb_each_session(db, &f, list_row,
	    &lw) == -1) {
		dbuf_clear(&rows);
		rpc_refuse(r, "UNAVAILABLE", "Error: %s", sessdb_error(db));
		return;
	}
	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_key(&w, "session");
	if (lw.n > 0)
		jw_raw(&w, dbuf_str(&rows), rows.n);
	else
		jw_null(&w);
	jw_obj_end(&w);
	dbuf_clear(&rows);
	rpc_answer(r, &b);
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
		s = session_existing(key);
	if (s != NULL) {
		status = "empty";
		if ((t = session_read(s)) != NULL)
			list = transcript_history(t, (size_t)limit * 2,
			    1u << 20);
		else if (errno != ENOENT)
			status = "error";
		text = malloc(TEXT_SIZE((size_t)max_chars));
		i = json_array_size(list);
		i = i > (size_t)limit ? i - (size_t)limit : 0;
		for (; text != NULL && i < json_array_size(list); i++) {
			view = rpc_chat_view(json_array_get(list, i));
			if (message_text(view, text, (size_t)max_chars)) {
				jw_obj(&iw);
				jw_ks(&iw, "role", preview_role(json_text(
				    view, "role", "")));
				jw_ks(&iw, "text", text);
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

void
rpc_sessions_preview(struct rpc *r)
{
	struct dbuf	 b;
	struct jw	 w;
	json_t		*keys, *k;
	int64_t		 limit, max_chars;
	size_t		 i;

	keys = json_object_get(r->params, "keys");
	if (!json_is_array(keys) || json_array_size(keys) == 0) {
		rpc_refuse(r, "INVALID_REQUEST", "invalid sessions.preview "
		    "params: must have required property 'keys'");
		return;
	}
	if (!rpc_integer(r, "limit", 12, 1, 50, &limit) ||
	    !rpc_integer(r, "maxChars", 240, 20, 2000, &max_chars))
		return;
	dbuf_init(&b, RPC_RESULT_MAX);
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
	rpc_answer(r, &b);
}
