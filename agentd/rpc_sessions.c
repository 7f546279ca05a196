/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One session as a thing (spec gateway-protocol 4.6): sessions.resolve finds
 * its key, sessions.reset begins it anew, sessions.delete ends it and
 * sessions.compact cuts its transcript.  What changes a session waits until
 * nothing of it runs: a transcript has one writer.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"
#include "common/log.h"

#define IDLE_MS		15000	/* for a run to end after it was aborted */
#define CHANGES_MAX	256
#define RESOLVE_MAX	8	/* that are named when several fit */

/* A reset or delete that waits for its session's run to end. */
struct change {
	LIST_ENTRY(change)	 entry;
	struct session		*session;
	struct event		*ev;
	uint64_t		 deadline;
	struct rpc		 rpc;
	bool			 remove, archive;
};
static LIST_HEAD(, change)	 changes = LIST_HEAD_INITIALIZER(changes);
static size_t			 nchanges;

/* --- what the methods share ---------------------------------------------- */

/* The key that the client means, canonical; false: it was refused. */
static bool
key_param(struct rpc *r, char key[SESSION_KEY_MAX + 1])
{
	const char	*raw = rpc_text(r, "key");

	if (raw == NULL)
		return false;
	if (db == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "%s", journal_trouble());
		return false;
	}
	if (str_trim(str_of(raw)).n == 0) {
		rpc_refuse(r, "INVALID_REQUEST", "key required");
		return false;
	}
	if (session_key_canon(str_of(raw), cfg->agent_id, cfg->scope_global,
	    key, SESSION_KEY_MAX + 1) == -1) {
		rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: at /key: "
		    "invalid session key", r->method);
		return false;
	}
	return true;
}

struct session *
rpc_session(struct rpc *r, bool create)
{
	struct session	*s;
	struct str	 agent, rest;
	char		 key[SESSION_KEY_MAX + 1];

	if (!key_param(r, key))
		return NULL;
	if (session_key_split(str_of(key), &agent, &rest) &&
	    !str_eqs(agent, cfg->agent_id)) {
		/* The router asks the default agent for what is nobody's. */
		rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: unknown "
		    "agent id \"%.*s\"", r->method, (int)agent.n, agent.p);
		return NULL;
	}
	s = create ? session_get(key) : session_existing(key);
	if (s == NULL && create)
		rpc_refuse(r, "UNAVAILABLE", "%s: %s", key, strerror(errno));
	return s;
}

void
rpc_session_answer(struct rpc *r, struct session *s, bool with_path)
{
	struct dbuf	 b;
	struct jw	 w;
	char		 path[4200], *entry;

	dbuf_init(&b, RPC_RESULT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", true);
	if (with_path) {
		snprintf(path, sizeof(path), "%s/sessions/sessions.json",
		    cfg->state_dir);
		jw_ks(&w, "path", path);
	}
	jw_ks(&w, "key", s->key);
	entry = json_dumps(s->entry, JSON_COMPACT);
	if (entry != NULL)
		jw_kraw(&w, "entry", entry, strlen(entry));
	else
		b.err = true;
	free(entry);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}

/* "<name>.<what>.2026-01-29T12-00-00.000Z" */
static int
archive_name(const char *name, const char *what, char *out, size_t size)
{
	char	 stamp[25];
	size_t	 i;
	int	 n;

	iso_time(wall_ms(), stamp);
	for (i = 0; stamp[i] != '\0'; i++)
		if (stamp[i] == ':')
			stamp[i] = '-';
	n = snprintf(out, size, "%s.%s.%s", name, what, stamp);
	return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* --- sessions.resolve ---------------------------------------------------- */

struct found {
	struct dbuf	 keys;		/* joined by ", " */
	size_t		 n;
};

static bool
note_found(const struct sessdb_session *v, void *arg)
{
	struct found	*f = arg;

	if (f->n++ > 0)
		dbuf_puts(&f->keys, ", ");
	dbuf_puts(&f->keys, v->key);
	return true;
}

static void
resolved(struct rpc *r, const char *key)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 65536);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", true);
	jw_ks(&w, "key", key);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}

static void
resolve_key(struct rpc *r, struct str raw)
{
	char	 key[SESSION_KEY_MAX + 1];

	if (session_key_canon(raw, cfg->agent_id, cfg->scope_global, key,
	    sizeof(key)) == -1 || session_existing(key) == NULL)
		rpc_refuse(r, "INVALID_REQUEST", "No session found: %.*s",
		    (int)utf8_cut(raw.p, raw.n, 512), raw.p);
	else
		resolved(r, key);
}

void
rpc_sessions_resolve(struct rpc *r)
{
	struct sessdb_filter	 f = { .limit = RESOLVE_MAX };
	struct found		 found = { .n = 0 };
	struct str		 key, id, label;
	char			 text[1024];
	bool			 by_id;

	key = str_trim(str_of(json_text(r->params, "key", "")));
	id = str_trim(str_of(json_text(r->params, "sessionId", "")));
	label = str_trim(str_of(json_text(r->params, "label", "")));
	if ((key.n > 0) + (id.n > 0) + (label.n > 0) > 1) {
		rpc_refuse(r, "INVALID_REQUEST", "Provide either key, "
		    "sessionId, or label (not multiple)");
		return;
	}
	if (key.n + id.n + label.n == 0) {
		rpc_refuse(r, "INVALID_REQUEST", "Either key, sessionId, or "
		    "label is required");
		return;
	}
	if (db == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "%s", journal_trouble());
		return;
	}
	if (key.n > 0) {
		resolve_key(r, key);
		return;
	}
	by_id = id.n > 0;
	if (str_copy(by_id ? id : label, text, sizeof(text)) == -1)
		text[0] = '\0';		/* nothing is called that */
	f.id = by_id ? text : NULL;
	f.label = by_id ? NULL : text;
	f.spawned_by = json_text(r->params, "spawnedBy", NULL);
	f.global = json_is_true(json_object_get(r->params, "includeGlobal"));
	f.unknown = json_is_true(json_object_get(r->params,
	    "includeUnknown"));
	dbuf_init(&found.keys, 65536);
	if (rpc_own_agent(r) && text[0] != '\0' &&
	    session_each(&f, note_found, &found) == -1)
		rpc_refuse(r, "UNAVAILABLE", "Error: %s", sessdb_error(db));
	else if (found.n == 0)
		rpc_refuse(r, "INVALID_REQUEST", by_id ?
		    "No session found: %s" : "No session found with label: %s",
		    text);
	else if (found.n > 1)
		rpc_refuse(r, "INVALID_REQUEST", "Multiple sessions found "
		    "%s: %s (%s)", by_id ? "for sessionId" : "with label",
		    text, dbuf_str(&found.keys));
	else
		resolved(r, dbuf_str(&found.keys));
	dbuf_clear(&found.keys);
}

/* --- sessions.reset ------------------------------------------------------ */

/* A new entry: what the user set stays, what a conversation left goes. */
static void
do_reset(struct change *c)
{
	static const char *const kept[] = { "thinkingLevel", "verboseLevel",
	    "reasoningLevel", "responseUsage", "model", "contextTokens",
	    "sendPolicy", "label", "origin", "lastChannel", "lastTo",
	    "skillsSnapshot" };
	static const char *const zero[] = { "inputTokens", "outputTokens",
	    "totalTokens" };
	struct session	*s = c->session;
	json_t		*next = json_object(), *v;
	char		 uuid[37];
	size_t		 i;

	uuid_v4(uuid);
	json_object_set_new(next, "sessionId", json_string(uuid));
	json_object_set_new(next, "updatedAt", json_integer(
	    (json_int_t)wall_ms()));
	json_object_set_new(next, "systemSent", json_false());
	json_object_set_new(next, "abortedLastRun", json_false());
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if ((v = json_object_get(s->entry, kept[i])) != NULL)
			json_object_set(next, kept[i], v);
	for (i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		json_object_set_new(next, zero[i], json_integer(0));
	session_close(s);
	if (session_replace(s, next) == -1)
		rpc_refuse_disk(&c->rpc);
	else
		rpc_session_answer(&c->rpc, s, false);
	json_decref(next);
}

/* --- sessions.delete ----------------------------------------------------- */

/* {"ok":true,"key":<key>, and whether it was what it says */
static void
answer_begin(struct jw *w, struct dbuf *b, const char *key, const char *what,
    bool done)
{
	dbuf_init(b, 65536);
	jw_init(w, b);
	jw_obj(w);
	jw_kbool(w, "ok", true);
	jw_ks(w, "key", key);
	jw_kbool(w, what, done);
}

static const char *
archive_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/sessions/%s", cfg->state_dir, name);
	return path;
}

static void
answer_deleted(struct rpc *r, const char *key, bool deleted,
    const char *archived)
{
	struct dbuf	 b;
	struct jw	 w;
	char		 path[4600];

	answer_begin(&w, &b, key, "deleted", deleted);
	jw_karr(&w, "archived");
	if (archived != NULL)
		jw_s(&w, archive_path(archived, path, sizeof(path)));
	jw_arr_end(&w);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}

static void
do_delete(struct change *c)
{
	struct session	*s = c->session;
	char		 name[256], away[320], key[SESSION_KEY_MAX + 1];
	bool		 archived = false;

	session_file(s, name, sizeof(name));
	session_close(s);
	strlcpy(key, s->key, sizeof(key));
	s->pins--;
	c->session = NULL;
	if (session_drop(s) == -1) {
		rpc_refuse_disk(&c->rpc);
		return;
	}
	if (c->archive && archive_name(name, "deleted", away, sizeof(away)) ==
	    0) {
		archived = renameat(sessions_fd, name, sessions_fd, away) == 0;
		if (!archived && errno != ENOENT)
			log_warn("session %s: transcript %s", key, name);
	}
	log_info("session %s: deleted", key);
	answer_deleted(&c->rpc, key, true, archived ? away : NULL);
}

/* --- a change waits for its session -------------------------------------- */

static void
change_free(struct change *c)
{
	LIST_REMOVE(c, entry);
	nchanges--;
	if (c->session != NULL)
		c->session->pins--;
	if (c->ev != NULL)
		event_free(c->ev);
	free(c);
}

static void
change_cb(evutil_socket_t fd, short what, void *arg)
{
	struct change	*c = arg;
	struct session	*s = c->session;
	uint64_t	 now = mono_ms();
	struct timeval	 tv;

	(void)fd;
	(void)what;
	if (router == NULL) {	/* nobody waits for it any more */
		change_free(c);
		return;
	}
	c->rpc.link = router;
	free(rpc_abort_session(s, "rpc", TURN_SOURCE_MAX, NULL));
	/* Our own pin, and nothing else that would write to it. */
	if (s->run == NULL && TAILQ_EMPTY(&s->turns) && s->pins == 1) {
		if (c->remove)
			do_delete(c);
		else
			do_reset(c);
		change_free(c);
		return;
	}
	if (now >= c->deadline) {
		rpc_refuse(&c->rpc, "UNAVAILABLE", "Session %s is still "
		    "active; try again in a moment.", s->key);
		change_free(c);
		return;
	}
	tv.tv_sec = (time_t)((c->deadline - now) / 1000);
	tv.tv_usec = (suseconds_t)((c->deadline - now) % 1000 * 1000);
	event_add(c->ev, &tv);
}

static void
change_start(struct rpc *r, struct session *s, bool remove, bool archive)
{
	struct change	*c;

	LIST_FOREACH(c, &changes, entry)
		if (c->session == s) {
			rpc_refuse(r, "UNAVAILABLE", "Session %s is still "
			    "active; try again in a moment.", s->key);
			return;
		}
	if (nchanges >= CHANGES_MAX || (c = calloc(1, sizeof(*c))) == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "too many sessions are being "
		    "changed; try again");
		return;
	}
	LIST_INSERT_HEAD(&changes, c, entry);
	nchanges++;
	c->session = s;
	s->pins++;
	c->remove = remove;
	c->archive = archive;
	c->deadline = mono_ms() + IDLE_MS;
	c->rpc = *r;
	c->rpc.params = NULL;		/* lent */
	c->rpc.method = remove ? "sessions.delete" : "sessions.reset";
	if ((c->ev = evtimer_new(worker_base(), change_cb, c)) == NULL) {
		rpc_refuse(r, "UNAVAILABLE", "out of memory");
		change_free(c);
		return;
	}
	change_cb(-1, 0, c);
}

void
rpc_session_idle(struct session *s)
{
	struct change	*c;

	LIST_FOREACH(c, &changes, entry)
		if (c->session == s)
			event_active(c->ev, EV_TIMEOUT, 0);
}

void
rpc_changes_gone(void)
{
	struct change	*c;

	while ((c = LIST_FIRST(&changes)) != NULL)
		change_free(c);
}

void
rpc_sessions_reset(struct rpc *r)
{
	struct session	*s;

	if ((s = rpc_session(r, true)) != NULL)
		change_start(r, s, false, false);
}

void
rpc_sessions_delete(struct rpc *r)
{
	struct session	*s;
	char		 key[SESSION_KEY_MAX + 1];
	char		 main_key[SESSION_KEY_MAX + 1];

	if (!key_param(r, key))
		return;
	if (session_key_canon(STR_LIT("main"), cfg->agent_id,
	    cfg->scope_global, main_key, sizeof(main_key)) == 0 &&
	    strcmp(key, main_key) == 0)
		rpc_refuse(r, "INVALID_REQUEST", "Cannot delete the main "
		    "session (%s).", main_key);
	else if ((s = session_existing(key)) == NULL)
		answer_deleted(r, key, false, NULL);
	else
		change_start(r, s, true, !json_is_false(json_object_get(
		    r->params, "deleteTranscript")));
}

/* --- sessions.compact ---------------------------------------------------- */

static void
answer_compact(struct rpc *r, const char *key, const char *reason,
    const char *archived, int64_t kept)
{
	struct dbuf	 b;
	struct jw	 w;
	char		 path[4600];

	answer_begin(&w, &b, key, "compacted", archived != NULL);
	if (reason != NULL)
		jw_ks(&w, "reason", reason);
	if (archived != NULL)
		jw_ks(&w, "archived", archive_path(archived, path,
		    sizeof(path)));
	if (kept >= 0)
		jw_kint(&w, "kept", kept);
	jw_obj_end(&w);
	rpc_answer(r, &b);
}

void
rpc_sessions_compact(struct rpc *r)
{
	static const char *const gone[] = { "inputTokens", "outputTokens",
	    "totalTokens" };
	struct session	*s;
	json_t		*next;
	char		 name[256], away[320], key[SESSION_KEY_MAX + 1];
	int64_t		 lines, kept;
	size_t		 i;

	if (!key_param(r, key) ||
	    !rpc_integer(r, "maxLines", 400, 1, 100000000, &lines))
		return;
	if ((s = session_existing(key)) == NULL) {
		answer_compact(r, key, "no sessionId", NULL, -1);
		return;
	}
	if (s->run != NULL || s->pins > 0 || !TAILQ_EMPTY(&s->turns) ||
	    json_array_size(s->unsaved) > 0) {
		rpc_refuse(r, "UNAVAILABLE", "Session %s is still active; try "
		    "again in a moment.", s->key);
		return;
	}
	session_file(s, name, sizeof(name));
	session_close(s);
	/* It is on the disk; copies of what is cut must not be put back. */
	if (tails_forget(name) == -1) {
		rpc_refuse_disk(r);
		return;
	}
	if (archive_name(name, "bak", away, sizeof(away)) == -1) {
		rpc_refuse(r, "UNAVAILABLE", "the transcript's name is too "
		    "long");
		return;
	}
	switch (transcript_cut(sessions_fd, name, away, lines, &kept)) {
	case 0:
		answer_compact(r, key, NULL, NULL, kept);
		return;
	case -1:
		if (errno == ENOENT)
			answer_compact(r, key, "no transcript", NULL, -1);
		else
			rpc_refuse(r, "UNAVAILABLE", "Error: %s: %s", name,
			    strerror(errno));
		return;
	}
	if ((next = json_copy(s->entry)) != NULL) {
		for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
			json_object_del(next, gone[i]);
		json_object_set_new(next, "updatedAt", json_integer(
		    (json_int_t)wall_ms()));
		if (session_replace(s, next) == -1)
			log_warn("session %s", key);
	}
	json_decref(next);
	answer_compact(r, key, NULL, away, kept);
}
