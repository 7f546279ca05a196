/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "agentd/sessdb.h"
#include "agentd/sessdb_file.h"

#define PRUNE_ROWS	200	/* looked at, or forgotten, in one step */

enum stmt {
	S_BEGIN, S_COMMIT, S_ROLLBACK,
	S_SESSION_PUT, S_SESSION_GET, S_SESSION_COUNT,
	S_SESSION_LIST, S_SESSION_PAGE, S_SESSION_DROP, S_ONCE,
	S_TURN_MAX, S_TURN_PUT, S_TURN_START, S_TURN_END, S_TURN_DEDUPE,
	S_TURN_RUN, S_TURN_OPEN, S_MARK_OPEN, S_CLEAR_RESULT, S_CLEAR_NEXT,
	S_TURN_PRUNE,
	S_OUT_PUT, S_OUT_DROP, S_OUT_EACH,
	S_MEDIA_PUT, S_MEDIA_GET, S_MEDIA_DROP, S_USAGE_ADD, S_USAGE_EACH,
	S_TAIL_PUT, S_TAIL_END, S_TAIL_FILE, S_TAIL_EACH, S_TAIL_DROP,
	S_MAX
};

#define TURN_COLUMNS	"id, state, dedupe_key, run_id, session_key, "	\
	"raw_key, source, chat_type, channel, account, chat, thread, "	\
	"sender, sender_name, msg_id, options, text, ts_ms, "		\
	"accepted_at, started_at, ended_at, session_id, user_entry, "	\
	"status, summary, result"

static const char *const sql[S_MAX] = {
	[S_BEGIN] = "BEGIN IMMEDIATE",
	[S_COMMIT] = "COMMIT",
	[S_ROLLBACK] = "ROLLBACK",
	[S_SESSION_PUT] = "INSERT INTO session (key, session_id, updated_at, "
	    "label, spawned_by, search, entry, row) VALUES "
	    "(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT (key) DO UPDATE SET "
	    "session_id=?2, updated_at=?3, label=?4, spawned_by=?5, "
	    "search=?6, entry=?7, row=?8",
	[S_SESSION_GET] = "SELECT entry FROM session WHERE key=?1",
	[S_SESSION_COUNT] = "SELECT count(*) FROM session",
	/* What is asked for is found in the index alone; rows are long. */
	[S_SESSION_LIST] = "SELECT s.key, s.session_id, s.updated_at, "
	    "s.entry, s.row FROM (SELECT key AS k, updated_at AS u, rowid AS r FROM "
	    "session INDEXED BY session_find WHERE updated_at >= ?1 AND "
	    "(?2 IS NULL OR instr(search, ?2) > 0) AND "
	    "(?3 IS NULL OR label = ?3) AND "
	    "(?4 IS NULL OR spawned_by = ?4) AND "
	    "(?8 IS NULL OR session_id = ?8 OR key = ?8) AND "
	    "(?5 OR key <> 'global') AND (?6 OR key <> 'unknown') "
	    "ORDER BY updated_at DESC, key LIMIT ?7) CROSS JOIN session AS s "
	    "ON s.rowid = r ORDER BY u DESC, k",
	[S_SESSION_PAGE] = "SELECT key, session_id, updated_at, entry, row "
	    "FROM session WHERE key > ?1 ORDER BY key LIMIT ?2",
	[S_SESSION_DROP] = "DELETE FROM session WHERE key=?1",
	[S_ONCE] = "INSERT INTO once (what) VALUES (?1) ON CONFLICT DO "
	    "NOTHING",
	/* No number comes twice, or the mark would hide a new turn. */
	[S_TURN_MAX] = "SELECT max((SELECT coalesce(max(id), 0) FROM turn), "
	    "(SELECT coalesce(max(value), 0) FROM mark WHERE name='open'))",
	[S_TURN_PUT] = "INSERT INTO turn (" TURN_COLUMNS ") VALUES (?1,?2,?3,"
	    "?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,"
	    "?21,?22,?23,?24,?25,?26)",
	[S_TURN_START] = "UPDATE turn SET state=1, started_at=?2, "
	    "session_id=?3, user_entry=?4 WHERE id=?1",
	[S_TURN_END] = "UPDATE turn SET state=2, ended_at=?2, status=?3, "
	    "summary=?4, result=?5, started_at=?6, text='', options='' "
	    "WHERE id=?1",
	[S_TURN_DEDUPE] = "SELECT " TURN_COLUMNS " FROM turn WHERE "
	    "dedupe_key=?1",
	/* The router makes the keys of what clients ask of their run ids. */
	[S_TURN_RUN] = "SELECT * FROM (SELECT " TURN_COLUMNS " FROM turn "
	    "WHERE dedupe_key IN ('agent:' || ?1, 'chat:' || ?1) UNION ALL "
	    "SELECT " TURN_COLUMNS " FROM turn INDEXED BY turn_channel WHERE "
	    "source=2 AND run_id=?1) ORDER BY id DESC LIMIT 1",
	[S_TURN_OPEN] = "SELECT " TURN_COLUMNS " FROM turn WHERE id >= "
	    "(SELECT coalesce(max(value), 0) FROM mark WHERE name='open') "
	    "AND state<2 ORDER BY id",
	[S_MARK_OPEN] = "INSERT INTO mark (name, value) SELECT 'open', "
	    "coalesce((SELECT id FROM turn WHERE id >= (SELECT "
	    "coalesce(max(value), 0) FROM mark WHERE name='open') AND "
	    "state<2 ORDER BY id LIMIT 1), (SELECT max(id) + 1 FROM turn)) "
	    "AS v WHERE v IS NOT NULL ON CONFLICT (name) DO UPDATE SET "
	    "value=excluded.value",
	[S_CLEAR_RESULT] = "UPDATE turn SET result='' WHERE id IN (SELECT id "
	    "FROM turn WHERE id >= ?1 ORDER BY id LIMIT ?2) AND state=2 AND "
	    "ended_at < ?3 AND result <> ''",
	/* The first that must be looked at again, the last looked at, how
	 * many were. */
	[S_CLEAR_NEXT] = "SELECT min(CASE WHEN state<2 OR ended_at >= ?3 "
	    "THEN id END), max(id), count(*) FROM (SELECT id, state, ended_at "
	    "FROM turn WHERE id >= ?1 ORDER BY id LIMIT ?2)",
	[S_TURN_PRUNE] = "DELETE FROM turn WHERE id IN (SELECT id FROM turn "
	    "ORDER BY id LIMIT ?1) AND state=2 AND (ended_at < ?2 OR id <= "
	    "(SELECT max(id) FROM turn) - ?3)",
	[S_MEDIA_PUT] = "INSERT INTO media (turn, blocks) VALUES (?1,?2)",
	[S_MEDIA_GET] = "SELECT blocks FROM media WHERE turn=?1",
	[S_MEDIA_DROP] = "DELETE FROM media WHERE turn=?1",
	[S_USAGE_ADD] = "INSERT INTO usage (day, input, output, cache_read, "
	    "cache_write, total, cost, unpriced) VALUES "
	    "(?1,?2,?3,?4,?5,?6,?7,?8) ON CONFLICT (day) DO UPDATE SET "
	    "input=input+?2, output=output+?3, cache_read=cache_read+?4, "
	    "cache_write=cache_write+?5, total=total+?6, cost=cost+?7, "
	    "unpriced=unpriced+?8",
	[S_USAGE_EACH] = "SELECT day, input, output, cache_read, "
	    "cache_write, total, cost, unpriced FROM usage WHERE day >= ?1 "
	    "ORDER BY day",
	[S_OUT_PUT] = "INSERT INTO outbox (id, channel, account, chat, "
	    "thread, reply_to, format, text, created_at) VALUES "
	    "(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
	[S_OUT_DROP] = "DELETE FROM outbox WHERE id=?1",
	[S_OUT_EACH] = "SELECT id, channel, account, chat, thread, reply_to, "
	    "format, text, created_at FROM outbox ORDER BY seq",
	[S_TAIL_PUT] = "INSERT INTO tail (file, at, text) VALUES (?1,?2,?3)",
	[S_TAIL_END] = "SELECT at + length(text) FROM tail WHERE file=?1 "
	    "ORDER BY id DESC LIMIT 1",
	[S_TAIL_FILE] = "SELECT file, (SELECT max(id) FROM tail AS t WHERE "
	    "t.file = tail.file) FROM tail ORDER BY id LIMIT 1",
	[S_TAIL_EACH] = "SELECT at, text FROM tail WHERE file=?1 ORDER BY id",
	[S_TAIL_DROP] = "DELETE FROM tail WHERE file=?1 AND id <= ?2",
};

struct sessdb {
	struct sessdb_file file;
	sqlite3_stmt	*stmt[S_MAX];
	bool		 in_tx;
	int64_t		 cleared;	/* before it no turn has a result */
};

static int	 run(struct sessdb *, enum stmt);
static sqlite3_stmt *prepare(struct sessdb *, enum stmt);
static void	 text(sqlite3_stmt *, int, const char *);
static const char *column(sqlite3_stmt *, int);
static void	 turn_row(sqlite3_stmt *, struct sessdb_turn *);

struct sessdb *
sessdb_open(const char *path, char *why, size_t size)
{
	struct sessdb	*s;
	int		 i, r, saved;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	if (sessdb_file_open(&s->file, path, why, size) == -1)
		goto fail;
	for (i = 0; i < S_MAX; i++) {
		r = sqlite3_prepare_v3(s->file.db, sql[i], -1,
		    SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
		if (r != SQLITE_OK) {
			sessdb_file_error(r);
			saved = errno;
			snprintf(why, size, "%s: %s", path,
			    sqlite3_errmsg(s->file.db));
			errno = saved;
			goto fail;
		}
	}
	return s;
fail:
	saved = errno;
	sessdb_close(s);
	errno = saved;
	return NULL;
}

void
sessdb_close(struct sessdb *s)
{
	int	 i;

	if (s == NULL)
		return;
	for (i = 0; i < S_MAX; i++)
		sqlite3_finalize(s->stmt[i]);
	sessdb_file_close(&s->file);
	free(s);
}

int
sessdb_begin(struct sessdb *s)
{
	if (s->in_tx)
		return 0;
	if (run(s, S_BEGIN) == -1)
		return -1;
	s->in_tx = true;
	return 0;
}

int
sessdb_commit(struct sessdb *s)
{
	if (!s->in_tx)
		return 0;
	if (run(s, S_COMMIT) == -1)
		return -1;
	s->in_tx = false;
	sessdb_file_reserve(&s->file);
	return 0;
}

int
sessdb_wal_fd(const struct sessdb *s)
{
	return s->file.wal_fd;
}

void
sessdb_rollback(struct sessdb *s)
{
	/* A full disk may have rolled back already. */
	if (!sqlite3_get_autocommit(s->file.db))
		run(s, S_ROLLBACK);
	s->in_tx = false;
	s->cleared = 0;		/* it may have been told too much */
}

void
sessdb_tidy(struct sessdb *s, bool idle)
{
	if (!s->in_tx)
		sessdb_file_tidy(&s->file, idle);
}

const char *
sessdb_error(struct sessdb *s)
{
	return sqlite3_errmsg(s->file.db);
}

int
sessdb_put_session(struct sessdb *s, const struct sessdb_session *v)
{
	sqlite3_stmt	*st = prepare(s, S_SESSION_PUT);

	text(st, 1, v->key);
	text(st, 2, v->session_id);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)v->updated_at);
	text(st, 4, v->label);
	text(st, 5, v->spawned_by);
	text(st, 6, v->search);
	text(st, 7, v->entry);
	text(st, 8, v->row);
	return run(s, S_SESSION_PUT);
}

int
sessdb_get_entry(struct sessdb *s, const char *key, char **entry)
{
	sqlite3_stmt	*st = prepare(s, S_SESSION_GET);
	int		 r;

	*entry = NULL;
	text(st, 1, key);
	if ((r = sqlite3_step(st)) == SQLITE_ROW) {
		*entry = strdup(column(st, 0));
		r = *entry == NULL ? SQLITE_NOMEM : SQLITE_DONE;
	}
	sqlite3_reset(st);
	if (r != SQLITE_DONE)
		return sessdb_file_error(r);
	return *entry != NULL;
}

int64_t
sessdb_count_sessions(struct sessdb *s)
{
	sqlite3_stmt	*st = prepare(s, S_SESSION_COUNT);
	int64_t		 n = 0;

	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return n;
}

static int
each_session(sqlite3_stmt *st, sessdb_session_fn *fn, void *arg)
{
	struct sessdb_session	 v;
	int			 r;

	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		memset(&v, 0, sizeof(v));
		v.key = column(st, 0);
		v.session_id = column(st, 1);
		v.updated_at = (uint64_t)sqlite3_column_int64(st, 2);
		v.entry = column(st, 3);
		v.row = column(st, 4);
		if (!fn(&v, arg)) {
			r = SQLITE_DONE;
			break;
		}
	}
	sqlite3_reset(st);
	return r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

int
sessdb_each_session(struct sessdb *s, const struct sessdb_filter *f,
    sessdb_session_fn *fn, void *arg)
{
	sqlite3_stmt	*st = prepare(s, S_SESSION_LIST);

	sqlite3_bind_int64(st, 1, (sqlite3_int64)f->since_ms);
	text(st, 2, f->search);
	text(st, 3, f->label);
	text(st, 4, f->spawned_by);
	sqlite3_bind_int(st, 5, f->global);
	sqlite3_bind_int(st, 6, f->unknown);
	sqlite3_bind_int64(st, 7, f->limit == 0 ? -1 : f->limit);
	text(st, 8, f->id);
	return each_session(st, fn, arg);
}

int
sessdb_once(struct sessdb *s, const char *what)
{
	text(prepare(s, S_ONCE), 1, what);
	if (run(s, S_ONCE) == -1)
		return -1;
	return sqlite3_changes(s->file.db) > 0;
}

int
sessdb_drop_session(struct sessdb *s, const char *key)
{
	text(prepare(s, S_SESSION_DROP), 1, key);
	return run(s, S_SESSION_DROP);
}

int
sessdb_page_sessions(struct sessdb *s, const char *after, int n,
    sessdb_session_fn *fn, void *arg)
{
	sqlite3_stmt	*st = prepare(s, S_SESSION_PAGE);

	text(st, 1, after);
	sqlite3_bind_int(st, 2, n);
	return each_session(st, fn, arg);
}

int64_t
sessdb_max_turn(struct sessdb *s)
{
	sqlite3_stmt	*st = prepare(s, S_TURN_MAX);
	int64_t		 n = 0;

	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return n;
}

int
sessdb_put_turn(struct sessdb *s, const struct sessdb_turn *t)
{
	sqlite3_stmt	*st = prepare(s, S_TURN_PUT);
	const char	*const texts[] = { t->channel, t->account, t->chat,
			    t->thread, t->sender, t->sender_name, t->msg_id,
			    t->options, t->text };
	size_t		 i;

	sqlite3_bind_int64(st, 1, t->id);
	sqlite3_bind_int(st, 2, (int)t->state);
	text(st, 3, t->dedupe_key);
	text(st, 4, t->run_id);
	text(st, 5, t->session_key);
	text(st, 6, t->raw_key);
	sqlite3_bind_int(st, 7, t->source);
	sqlite3_bind_int(st, 8, t->chat_type);
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		text(st, (int)i + 9, texts[i] != NULL ? texts[i] : "");
	sqlite3_bind_int64(st, 18, (sqlite3_int64)t->ts_ms);
	sqlite3_bind_int64(st, 19, (sqlite3_int64)t->accepted_at);
	sqlite3_bind_int64(st, 20, (sqlite3_int64)t->started_at);
	sqlite3_bind_int64(st, 21, (sqlite3_int64)t->ended_at);
	text(st, 22, t->session_id != NULL ? t->session_id : "");
	text(st, 23, t->user_entry != NULL ? t->user_entry : "");
	sqlite3_bind_int(st, 24, t->status);
	text(st, 25, t->summary != NULL ? t->summary : "");
	text(st, 26, t->result != NULL ? t->result : "");
	return run(s, S_TURN_PUT);
}

int
sessdb_start_turn(struct sessdb *s, const struct sessdb_turn *t)
{
	sqlite3_stmt	*st = prepare(s, S_TURN_START);

	sqlite3_bind_int64(st, 1, t->id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)t->started_at);
	text(st, 3, t->session_id);
	text(st, 4, t->user_entry);
	return run(s, S_TURN_START);
}

int
sessdb_end_turn(struct sessdb *s, const struct sessdb_turn *t)
{
	sqlite3_stmt	*st = prepare(s, S_TURN_END);

	sqlite3_bind_int64(st, 1, t->id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)t->ended_at);
	sqlite3_bind_int(st, 3, t->status);
	text(st, 4, t->summary != NULL ? t->summary : "");
	text(st, 5, t->result != NULL ? t->result : "");
	sqlite3_bind_int64(st, 6, (sqlite3_int64)t->started_at);
	return run(s, S_TURN_END);
}

int
sessdb_put_media(struct sessdb *s, int64_t turn, const char *p, size_t n)
{
	sqlite3_stmt	*st = prepare(s, S_MEDIA_PUT);

	sqlite3_bind_int64(st, 1, turn);
	sqlite3_bind_blob64(st, 2, p, n, SQLITE_STATIC);
	return run(s, S_MEDIA_PUT);
}

int
sessdb_get_media(struct sessdb *s, int64_t turn, char **p, size_t *n)
{
	sqlite3_stmt	*st = prepare(s, S_MEDIA_GET);
	int		 r;

	*p = NULL;
	sqlite3_bind_int64(st, 1, turn);
	if ((r = sqlite3_step(st)) == SQLITE_ROW) {
		*n = (size_t)sqlite3_column_bytes(st, 0);
		r = SQLITE_NOMEM;
		if ((*p = malloc(*n + 1)) != NULL) {
			if (*n > 0)
				memcpy(*p, sqlite3_column_blob(st, 0), *n);
			(*p)[*n] = '\0';
			r = SQLITE_DONE;
		}
	}
	sqlite3_reset(st);
	return r != SQLITE_DONE ? sessdb_file_error(r) : *p != NULL;
}

int
sessdb_drop_media(struct sessdb *s, int64_t turn)
{
	sqlite3_bind_int64(prepare(s, S_MEDIA_DROP), 1, turn);
	return run(s, S_MEDIA_DROP);
}

int
sessdb_add_usage(struct sessdb *s, const struct sessdb_usage *u)
{
	sqlite3_stmt	*st = prepare(s, S_USAGE_ADD);

	text(st, 1, u->day);
	sqlite3_bind_int64(st, 2, u->input);
	sqlite3_bind_int64(st, 3, u->output);
	sqlite3_bind_int64(st, 4, u->cache_read);
	sqlite3_bind_int64(st, 5, u->cache_write);
	sqlite3_bind_int64(st, 6, u->total);
	sqlite3_bind_double(st, 7, u->cost);
	sqlite3_bind_int64(st, 8, u->unpriced);
	return run(s, S_USAGE_ADD);
}

int
sessdb_each_usage(struct sessdb *s, const char *since, sessdb_usage_fn *fn,
    void *arg)
{
	struct sessdb_usage	 u;
	sqlite3_stmt		*st = prepare(s, S_USAGE_EACH);
	int			 r;

	text(st, 1, since);
	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		u.day = column(st, 0);
		u.input = sqlite3_column_int64(st, 1);
		u.output = sqlite3_column_int64(st, 2);
		u.cache_read = sqlite3_column_int64(st, 3);
		u.cache_write = sqlite3_column_int64(st, 4);
		u.total = sqlite3_column_int64(st, 5);
		u.cost = sqlite3_column_double(st, 6);
		u.unpriced = sqlite3_column_int64(st, 7);
		fn(&u, arg);
	}
	sqlite3_reset(st);
	return r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

static int
find_turn(sqlite3_stmt *st, const char *key, sessdb_turn_fn *fn, void *arg)
{
	struct sessdb_turn	 t;
	int			 r, found = 0;

	text(st, 1, key);
	if ((r = sqlite3_step(st)) == SQLITE_ROW) {
		found = 1;
		turn_row(st, &t);
		fn(&t, arg);
		r = SQLITE_DONE;
	}
	sqlite3_reset(st);
	return r == SQLITE_DONE ? found : sessdb_file_error(r);
}

int
sessdb_find_dedupe(struct sessdb *s, const char *key, sessdb_turn_fn *fn,
    void *arg)
{
	return find_turn(prepare(s, S_TURN_DEDUPE), key, fn, arg);
}

int
sessdb_find_run(struct sessdb *s, const char *run_id, sessdb_turn_fn *fn,
    void *arg)
{
	return find_turn(prepare(s, S_TURN_RUN), run_id, fn, arg);
}

int
sessdb_each_open_turn(struct sessdb *s, sessdb_turn_fn *fn, void *arg)
{
	struct sessdb_turn	 t;
	sqlite3_stmt		*st = prepare(s, S_TURN_OPEN);
	int			 r;

	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		turn_row(st, &t);
		fn(&t, arg);
	}
	sqlite3_reset(st);
	return r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

int
sessdb_prune(struct sessdb *s, uint64_t result_before, uint64_t turn_before,
    int64_t max)
{
	sqlite3_stmt	*st = prepare(s, S_CLEAR_RESULT);
	bool		 more = false;
	int		 r;

	sqlite3_bind_int64(st, 1, s->cleared);
	sqlite3_bind_int(st, 2, PRUNE_ROWS);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)result_before);
	if (run(s, S_CLEAR_RESULT) == -1)
		return -1;
	st = prepare(s, S_CLEAR_NEXT);
	sqlite3_bind_int64(st, 1, s->cleared);
	sqlite3_bind_int(st, 2, PRUNE_ROWS);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)result_before);
	if ((r = sqlite3_step(st)) == SQLITE_ROW) {
		if (sqlite3_column_type(st, 0) != SQLITE_NULL)
			s->cleared = sqlite3_column_int64(st, 0);
		else if (sqlite3_column_int(st, 2) > 0) {
			s->cleared = sqlite3_column_int64(st, 1) + 1;
			more = sqlite3_column_int(st, 2) == PRUNE_ROWS;
		}
	}
	sqlite3_reset(st);
	if (r != SQLITE_ROW)
		return sessdb_file_error(r);
	prepare(s, S_MARK_OPEN);
	if (run(s, S_MARK_OPEN) == -1)
		return -1;
	st = prepare(s, S_TURN_PRUNE);
	sqlite3_bind_int(st, 1, PRUNE_ROWS);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)turn_before);
	sqlite3_bind_int64(st, 3, max);
	if (run(s, S_TURN_PRUNE) == -1)
		return -1;
	return more || sqlite3_changes(s->file.db) > 0;
}

int
sessdb_put_delivery(struct sessdb *s, const struct sessdb_delivery *d)
{
	sqlite3_stmt	*st = prepare(s, S_OUT_PUT);

	text(st, 1, d->id);
	text(st, 2, d->channel);
	text(st, 3, d->account);
	text(st, 4, d->chat);
	text(st, 5, d->thread);
	text(st, 6, d->reply_to);
	sqlite3_bind_int(st, 7, d->format);
	text(st, 8, d->text);
	sqlite3_bind_int64(st, 9, (sqlite3_int64)d->created_at);
	return run(s, S_OUT_PUT);
}

int
sessdb_drop_delivery(struct sessdb *s, const char *id)
{
	text(prepare(s, S_OUT_DROP), 1, id);
	return run(s, S_OUT_DROP);
}

int
sessdb_each_delivery(struct sessdb *s, sessdb_delivery_fn *fn, void *arg)
{
	struct sessdb_delivery	 d;
	sqlite3_stmt		*st = prepare(s, S_OUT_EACH);
	int			 r;

	while ((r = sqlite3_step(st)) == SQLITE_ROW) {
		d.id = column(st, 0);
		d.channel = column(st, 1);
		d.account = column(st, 2);
		d.chat = column(st, 3);
		d.thread = column(st, 4);
		d.reply_to = column(st, 5);
		d.format = sqlite3_column_int(st, 6);
		d.text = column(st, 7);
		d.created_at = (uint64_t)sqlite3_column_int64(st, 8);
		fn(&d, arg);
	}
	sqlite3_reset(st);
	return r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

int
sessdb_put_tail(struct sessdb *s, const char *file, int64_t at, const char *p,
    size_t n)
{
	sqlite3_stmt	*st = prepare(s, S_TAIL_PUT);

	text(st, 1, file);
	sqlite3_bind_int64(st, 2, at);
	sqlite3_bind_blob64(st, 3, p, n, SQLITE_STATIC);
	return run(s, S_TAIL_PUT);
}

int64_t
sessdb_tail_end(struct sessdb *s, const char *file)
{
	sqlite3_stmt	*st = prepare(s, S_TAIL_END);
	int64_t		 end = -1;

	text(st, 1, file);
	if (sqlite3_step(st) == SQLITE_ROW)
		end = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return end;
}

int
sessdb_tail_file(struct sessdb *s, char *file, size_t size, int64_t *last)
{
	sqlite3_stmt	*st = prepare(s, S_TAIL_FILE);
	int		 r = sqlite3_step(st);

	if (r == SQLITE_ROW) {
		strlcpy(file, column(st, 0), size);
		*last = sqlite3_column_int64(st, 1);
	}
	sqlite3_reset(st);
	return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

int
sessdb_each_tail(struct sessdb *s, const char *file, sessdb_tail_fn *fn,
    void *arg)
{
	sqlite3_stmt	*st = prepare(s, S_TAIL_EACH);
	int		 r;

	text(st, 1, file);
	while ((r = sqlite3_step(st)) == SQLITE_ROW)
		fn(sqlite3_column_int64(st, 0), sqlite3_column_blob(st, 1),
		    (size_t)sqlite3_column_bytes(st, 1), arg);
	sqlite3_reset(st);
	return r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

int
sessdb_drop_tail(struct sessdb *s, const char *file, int64_t last)
{
	sqlite3_stmt	*st = prepare(s, S_TAIL_DROP);

	text(st, 1, file);
	sqlite3_bind_int64(st, 2, last);
	return run(s, S_TAIL_DROP);
}

/* Steps a bound statement that has no rows. */
static int
run(struct sessdb *s, enum stmt which)
{
	int	 r = sqlite3_step(s->stmt[which]);

	sqlite3_reset(s->stmt[which]);
	return r == SQLITE_DONE ? 0 : sessdb_file_error(r);
}

static sqlite3_stmt *
prepare(struct sessdb *s, enum stmt which)
{
	sqlite3_reset(s->stmt[which]);
	sqlite3_clear_bindings(s->stmt[which]);
	return s->stmt[which];
}

/* The text must live until the statement has run. */
static void
text(sqlite3_stmt *st, int i, const char *p)
{
	if (p == NULL)
		sqlite3_bind_null(st, i);
	else
		sqlite3_bind_text(st, i, p, -1, SQLITE_STATIC);
}

static const char *
column(sqlite3_stmt *st, int i)
{
	const char	*p = (const char *)sqlite3_column_text(st, i);

	return p != NULL ? p : "";
}

static void
turn_row(sqlite3_stmt *st, struct sessdb_turn *t)
{
	memset(t, 0, sizeof(*t));
	t->id = sqlite3_column_int64(st, 0);
	t->state = (enum turn_state)sqlite3_column_int(st, 1);
	t->dedupe_key = column(st, 2);
	t->run_id = column(st, 3);
	t->session_key = column(st, 4);
	t->raw_key = column(st, 5);
	t->source = sqlite3_column_int(st, 6);
	t->chat_type = sqlite3_column_int(st, 7);
	t->channel = column(st, 8);
	t->account = column(st, 9);
	t->chat = column(st, 10);
	t->thread = column(st, 11);
	t->sender = column(st, 12);
	t->sender_name = column(st, 13);
	t->msg_id = column(st, 14);
	t->options = column(st, 15);
	t->text = column(st, 16);
	t->ts_ms = (uint64_t)sqlite3_column_int64(st, 17);
	t->accepted_at = (uint64_t)sqlite3_column_int64(st, 18);
	t->started_at = (uint64_t)sqlite3_column_int64(st, 19);
	t->ended_at = (uint64_t)sqlite3_column_int64(st, 20);
	t->session_id = column(st, 21);
	t->user_entry = column(st, 22);
	t->status = sqlite3_column_int(st, 23);
	t->summary = column(st, 24);
	t->result = column(st, 25);
}
