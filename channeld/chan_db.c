/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The account's database: the journal of what came in, the cursors of the
 * platform, the pairing store's allow list, the outbox.  One file, one writer:
 * this process, which holds it locked for as long as it lives, so that a
 * second one for the same account gets nowhere.  WAL with synchronous FULL:
 * what was committed survives power loss.
 *
 * Any failure takes the transaction back and leaves its reason in
 * chan_db_error(); callers stop and wait for chan_db_probe() to succeed.
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>

#include <sqlite3.h>

#include "channeld/chan.h"

#define DB_NAME		"channel.sqlite"
#define DB_VERSION	2
#define KEEP_MS		(UINT64_C(30) * 24 * 3600 * 1000)
#define HEAP_MAX	(32u << 20)

/* Events: state 0 waits, 1 was delivered, 2 was refused.  raw is emptied when
 * it is finished; id and msgkey stay, so that a repeat is known. */
static const char schema[] =
"CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
"CREATE TABLE event(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
" id TEXT NOT NULL UNIQUE, msgkey TEXT NOT NULL UNIQUE, chat TEXT NOT NULL,"
" state INTEGER NOT NULL DEFAULT 0, received INTEGER NOT NULL, raw BLOB,"
" reason TEXT);"
"CREATE INDEX event_waiting ON event(chat, seq) WHERE state = 0;"
"CREATE TABLE allow(sender TEXT PRIMARY KEY, generation INTEGER NOT NULL)"
" WITHOUT ROWID;"
"CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT,"
" id TEXT NOT NULL UNIQUE, chat TEXT NOT NULL, thread TEXT NOT NULL,"
" reply_to TEXT NOT NULL, npieces INTEGER NOT NULL,"
" status INTEGER NOT NULL DEFAULT -1, created INTEGER NOT NULL,"
" finished INTEGER, remote_ids TEXT, reason TEXT,"
" format INTEGER NOT NULL DEFAULT 1);"
"CREATE INDEX outbox_working ON outbox(seq) WHERE status = -1;"
"CREATE TABLE piece(id TEXT NOT NULL, idx INTEGER NOT NULL,"
" state INTEGER NOT NULL DEFAULT 0, remote_id TEXT, rich BLOB, plain BLOB,"
" PRIMARY KEY(id, idx)) WITHOUT ROWID;"
"CREATE INDEX piece_sending ON piece(id) WHERE state = 1;"
"PRAGMA user_version = 2;";
static const char to_2[] =
"ALTER TABLE outbox ADD COLUMN format INTEGER NOT NULL DEFAULT 1;"
"PRAGMA user_version = 2;";

#define STATEMENTS(X)							\
X(BEGIN, "BEGIN IMMEDIATE")						\
X(COMMIT, "COMMIT")							\
X(META_GET, "SELECT value FROM meta WHERE name = ?1")			\
X(META_SET, "INSERT INTO meta VALUES(?1, ?2) "				\
    "ON CONFLICT(name) DO UPDATE SET value = ?2")			\
X(EVENT_ADD, "INSERT INTO event(id, msgkey, chat, received, raw) "	\
    "VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")		\
X(EVENT_HEADS, "SELECT min(seq), id, chat, raw FROM event "		\
    "WHERE state = 0 GROUP BY chat ORDER BY 1 LIMIT 256")		\
X(EVENT_HEAD, "SELECT seq, id, chat, raw FROM event "			\
    "WHERE state = 0 AND chat = ?1 ORDER BY seq LIMIT 1")		\
X(EVENT_DONE, "UPDATE event SET state = iif(?2 IS NULL, 1, 2), "	\
    "raw = NULL, reason = ?2 WHERE seq = ?1 AND state = 0")		\
X(EVENT_COUNT, "SELECT count(*) FROM event WHERE state = 0")		\
X(EVENT_OLD, "DELETE FROM event WHERE state != 0 AND received < ?1")	\
X(EVENT_MANY, "DELETE FROM event WHERE state != 0 AND seq <= ("		\
    "SELECT seq FROM event WHERE state != 0 ORDER BY seq DESC "		\
    "LIMIT 1 OFFSET ?1)")						\
X(ALLOW_HAS, "SELECT 1 FROM allow WHERE sender = ?1")			\
X(ALLOW_ADD, "INSERT INTO allow VALUES(?1, ?2) "			\
    "ON CONFLICT(sender) DO UPDATE SET generation = ?2")		\
X(ALLOW_REMOVE, "DELETE FROM allow WHERE sender = ?1")			\
X(ALLOW_SWEEP, "DELETE FROM allow WHERE generation < ?1")		\
X(OUT_GET, "SELECT id, chat, thread, reply_to, npieces, status, reason, "	\
    "remote_ids, (SELECT min(idx) FROM piece WHERE piece.id = outbox.id "	\
    "AND state = 0), format FROM outbox WHERE id = ?1")			\
X(OUT_EACH, "SELECT id, chat, thread, reply_to, npieces, status, reason, "	\
    "remote_ids, (SELECT min(idx) FROM piece WHERE piece.id = outbox.id "	\
    "AND state = 0), format FROM outbox WHERE status = -1 ORDER BY seq")	\
X(OUT_ADD, "INSERT INTO outbox(id, chat, thread, reply_to, npieces, "	\
    "created, format) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")		\
X(OUT_SUM, "SELECT state, remote_id FROM piece WHERE id = ?1 "		\
    "ORDER BY idx")							\
X(OUT_FINISH, "UPDATE outbox SET status = ?2, remote_ids = ?3, "		\
    "reason = ?4, finished = ?5 WHERE id = ?1")				\
X(OUT_OLD, "DELETE FROM outbox WHERE status != -1 AND finished < ?1")	\
X(OUT_MANY, "DELETE FROM outbox WHERE status != -1 AND seq <= ("		\
    "SELECT seq FROM outbox WHERE status != -1 ORDER BY seq DESC "	\
    "LIMIT 1 OFFSET ?1)")						\
X(OUT_CRASHED, "UPDATE piece SET state = 4 WHERE state = 1")		\
X(PIECE_ADD, "INSERT INTO piece(id, idx, rich, plain) "			\
    "VALUES(?1, ?2, ?3, ?4)")						\
X(PIECE_TEXT, "SELECT rich, plain FROM piece WHERE id = ?1 AND idx = ?2")	\
X(PIECE_SET, "UPDATE piece SET state = ?3, remote_id = ?4 "		\
    "WHERE id = ?1 AND idx = ?2")					\
X(PIECE_DROP, "DELETE FROM piece WHERE id = ?1")

enum statement {
#define X(name, sql) ST_##name,
	STATEMENTS(X)
#undef X
	ST_MAX
};
static const char *const sql[] = {
#define X(name, text) text,
	STATEMENTS(X)
#undef X
};

static sqlite3		*db;
static sqlite3_stmt	*stmts[ST_MAX];
static char		 error[256];
static bool		 in_tx;

const char *
chan_db_error(void)
{
	return error;
}

bool
chan_db_is_open(void)
{
	return db != NULL;
}

static int
fail(int rc)
{
	int	 sys = db == NULL ? 0 : sqlite3_system_errno(db);

	(void)snprintf(error, sizeof(error), "%s%s%s",
	    sqlite3_errstr(rc & 0xff), sys != 0 ? ": " : "",
	    sys != 0 ? strerror(sys) : "");
	if (in_tx)
		chan_db_rollback();
	return -1;
}

/* The statement with its text and number arguments bound; -1 ends a text. */
static sqlite3_stmt *
prepare(enum statement st)
{
	int	 rc;

	if (db == NULL) {
		(void)strlcpy(error, "the database is not open",
		    sizeof(error));
		return NULL;
	}
	if (stmts[st] == NULL && (rc = sqlite3_prepare_v3(db, sql[st], -1,
	    SQLITE_PREPARE_PERSISTENT, &stmts[st], NULL)) != SQLITE_OK) {
		(void)fail(rc);
		return NULL;
	}
	return stmts[st];
}

static void
bind_str(sqlite3_stmt *s, int i, const char *text)
{
	if (text == NULL)
		(void)sqlite3_bind_null(s, i);
	else
		(void)sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

static void
bind_blob(sqlite3_stmt *s, int i, struct str b)
{
	(void)sqlite3_bind_blob64(s, i, b.n == 0 ? "" : b.p, b.n,
	    SQLITE_STATIC);
}

static void
finish(sqlite3_stmt *s)
{
	(void)sqlite3_reset(s);
	(void)sqlite3_clear_bindings(s);
}

/* One that gives no rows. */
static int
run(sqlite3_stmt *s)
{
	int	 rc = sqlite3_step(s);

	finish(s);
	return rc == SQLITE_DONE ? 0 : fail(rc);
}

/* One that gives at most one row: 1, 0, or -1.  finish() is the caller's. */
static int
row(sqlite3_stmt *s)
{
	int	 rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	finish(s);
	return rc == SQLITE_DONE ? 0 : fail(rc);
}

static void
column(sqlite3_stmt *s, int i, char *buf, size_t size)
{
	const char	*p = (const char *)sqlite3_column_text(s, i);

	(void)strlcpy(buf, p == NULL ? "" : p, size);
}

static struct str
column_blob(sqlite3_stmt *s, int i)
{
	const char	*p = sqlite3_column_blob(s, i);

	return (struct str){ p, p == NULL ? 0 :
	    (size_t)sqlite3_column_bytes(s, i) };
}

/* --- opening ------------------------------------------------------------ */

static int
exec(const char *text)
{
	int	 rc = sqlite3_exec(db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(rc);
}

static int
user_version(int *v)
{
	sqlite3_stmt	*s = NULL;
	int		 rc;

	rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	*v = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
	(void)sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 0 : fail(rc);
}

int
chan_db_open(const char *dir)
{
	char	 path[2048];
	int	 rc, v;

	if (db != NULL)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/" DB_NAME, dir) >=
	    sizeof(path)) {
		(void)strlcpy(error, "its path is too long", sizeof(error));
		return -1;
	}
	/* Pages one by one as they are used, not twenty (86 KB) at once. */
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	(void)sqlite3_hard_heap_limit64(HEAP_MAX);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_PRIVATECACHE, NULL);
	if (rc != SQLITE_OK) {
		(void)fail(rc);
		goto close;
	}
	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	/* Exclusive before WAL: the index is then in our memory and no
	 * shared file is needed. */
	if (exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
	    "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
	    "PRAGMA cache_size = -512; PRAGMA cell_size_check = ON;"
	    "PRAGMA secure_delete = FAST;"	/* what people wrote */
	    "PRAGMA journal_size_limit = 1048576") == -1 ||
	    user_version(&v) == -1)
		goto close;
	if (v < DB_VERSION) {
		if (chan_db_begin() == -1 || exec(v == 0 ? schema :
		    to_2) == -1 || chan_db_commit() == -1)
			goto close;
	} else if (v != DB_VERSION) {
		(void)snprintf(error, sizeof(error), "made by another version "
		    "of channeld (%d)", v);
		goto close;
	}
	if (chan_db_probe() == -1)
		goto close;
	return 0;
close:
	chan_db_close();
	return -1;
}

void
chan_db_close(void)
{
	size_t	 i;

	for (i = 0; i < ST_MAX; i++) {
		(void)sqlite3_finalize(stmts[i]);
		stmts[i] = NULL;
	}
	(void)sqlite3_close_v2(db);
	db = NULL;
	in_tx = false;
}

int
chan_db_begin(void)
{
	sqlite3_stmt	*s = prepare(ST_BEGIN);

	if (s == NULL || run(s) == -1)
		return -1;
	in_tx = true;
	return 0;
}

int
chan_db_commit(void)
{
	sqlite3_stmt	*s = prepare(ST_COMMIT);

	if (s == NULL || run(s) == -1)
		return -1;
	in_tx = false;
	return 0;
}

void
chan_db_rollback(void)
{
	in_tx = false;
	/* An error may have ended it already. */
	if (db != NULL && sqlite3_get_autocommit(db) == 0)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

int
chan_db_probe(void)
{
	char	 now[32];

	(void)snprintf(now, sizeof(now), "%llu",
	    (unsigned long long)wall_ms());
	return chan_db_cursor_set("probe", now);
}

/* --- cursors ------------------------------------------------------------ */

int
chan_db_cursor_get(const char *name, char *out, size_t size)
{
	sqlite3_stmt	*s = prepare(ST_META_GET);
	int		 r;

	if (s == NULL)
		return -1;
	bind_str(s, 1, name);
	if ((r = row(s)) == 1) {
		column(s, 0, out, size);
		finish(s);
	}
	return r;
}

int
chan_db_cursor_set(const char *name, const char *value)
{
	sqlite3_stmt	*s = prepare(ST_META_SET);

	if (s == NULL)
		return -1;
	bind_str(s, 1, name);
	bind_str(s, 2, value);
	return run(s);
}

/* --- events ------------------------------------------------------------- */

int
chan_db_event_add(const struct chan_event *ev, struct str raw, uint64_t now,
    bool *added)
{
	sqlite3_stmt	*s = prepare(ST_EVENT_ADD);

	if (s == NULL)
		return -1;
	bind_str(s, 1, ev->id);
	bind_str(s, 2, ev->key);
	bind_str(s, 3, ev->chat);
	(void)sqlite3_bind_int64(s, 4, (sqlite3_int64)now);
	bind_blob(s, 5, raw);
	if (run(s) == -1)
		return -1;
	*added = sqlite3_changes(db) != 0;
	return 0;
}

/* fn may change rows and send; so the rows are read before it is called. */
int
chan_db_event_heads(const char *chat, bool (*fn)(const struct chan_row *,
    void *), void *arg)
{
	sqlite3_stmt	*s;
	struct chan_row	*rows = NULL, *more;
	struct str	 raw;
	size_t		 n = 0, cap = 0, i;
	int		 r;

	s = prepare(chat == NULL ? ST_EVENT_HEADS : ST_EVENT_HEAD);
	if (s == NULL)
		return -1;
	if (chat != NULL)
		bind_str(s, 1, chat);
	while ((r = row(s)) == 1) {
		if (n == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			if ((more = reallocarray(rows, cap,
			    sizeof(*rows))) == NULL)
				break;
			rows = more;
		}
		rows[n].seq = sqlite3_column_int64(s, 0);
		column(s, 1, rows[n].id, sizeof(rows[n].id));
		column(s, 2, rows[n].chat, sizeof(rows[n].chat));
		raw = column_blob(s, 3);
		dbuf_init(&rows[n].raw, raw.n + 1);
		(void)dbuf_put(&rows[n].raw, raw.p, raw.n);
		n++;
	}
	if (r == 1)
		finish(s);
	for (i = 0; r != -1 && i < n; i++)
		if (!fn(&rows[i], arg))
			break;
	for (i = 0; i < n; i++)
		dbuf_clear(&rows[i].raw);
	free(rows);
	return r == -1 ? -1 : 0;
}

int
chan_db_event_done(int64_t seq, const char *reason)
{
	sqlite3_stmt	*s = prepare(ST_EVENT_DONE);

	if (s == NULL)
		return -1;
	(void)sqlite3_bind_int64(s, 1, seq);
	bind_str(s, 2, reason);
	return run(s);
}

int64_t
chan_db_events_waiting(void)
{
	sqlite3_stmt	*s = prepare(ST_EVENT_COUNT);
	int64_t		 n = -1;

	if (s != NULL && row(s) == 1) {
		n = sqlite3_column_int64(s, 0);
		finish(s);
	}
	return n;
}

int
chan_db_prune(uint64_t now, unsigned int keep)
{
	static const enum statement	 old[] = { ST_EVENT_OLD, ST_OUT_OLD };
	static const enum statement	 many[] = { ST_EVENT_MANY, ST_OUT_MANY };
	sqlite3_stmt			*s;
	size_t				 i;

	if (chan_db_begin() == -1)
		return -1;
	for (i = 0; i < 2; i++) {
		if ((s = prepare(old[i])) == NULL)
			return -1;
		(void)sqlite3_bind_int64(s, 1, now > KEEP_MS ?
		    (sqlite3_int64)(now - KEEP_MS) : 0);
		if (run(s) == -1 || (s = prepare(many[i])) == NULL)
			return -1;
		(void)sqlite3_bind_int64(s, 1, keep);
		if (run(s) == -1)
			return -1;
	}
	return chan_db_commit();
}

/* --- allow list --------------------------------------------------------- */

int
chan_db_allowed(const char *sender)
{
	sqlite3_stmt	*s = prepare(ST_ALLOW_HAS);
	int		 r;

	if (s == NULL)
		return -1;
	bind_str(s, 1, sender);
	if ((r = row(s)) == 1)
		finish(s);
	return r;
}

int
chan_db_allow(enum allow_op op, const char *sender, int64_t generation)
{
	sqlite3_stmt	*s;

	s = prepare(op == ALLOW_ADD ? ST_ALLOW_ADD : ST_ALLOW_REMOVE);
	if (s == NULL)
		return -1;
	bind_str(s, 1, sender);
	if (op == ALLOW_ADD)
		(void)sqlite3_bind_int64(s, 2, generation);
	return run(s);
}

int
chan_db_allow_sweep(int64_t generation)
{
	sqlite3_stmt	*s = prepare(ST_ALLOW_SWEEP);

	if (s == NULL)
		return -1;
	(void)sqlite3_bind_int64(s, 1, generation);
	return run(s);
}

/* --- outbox ------------------------------------------------------------- */

static void
out_row(sqlite3_stmt *s, struct chan_out_row *r)
{
	struct str	 ids;

	memset(r, 0, sizeof(*r));
	column(s, 0, r->id, sizeof(r->id));
	column(s, 1, r->chat, sizeof(r->chat));
	column(s, 2, r->thread, sizeof(r->thread));
	column(s, 3, r->reply_to, sizeof(r->reply_to));
	r->npieces = (unsigned int)sqlite3_column_int(s, 4);
	r->status = sqlite3_column_int(s, 5);
	column(s, 6, r->reason, sizeof(r->reason));
	ids = column_blob(s, 7);
	dbuf_init(&r->remote_ids, ids.n + 1);
	(void)dbuf_put(&r->remote_ids, ids.p, ids.n);
	r->next = sqlite3_column_type(s, 8) == SQLITE_NULL ? r->npieces :
	    (unsigned int)sqlite3_column_int(s, 8);
	r->format = sqlite3_column_int(s, 9);
}

int
chan_db_out_get(const char *id, struct chan_out_row *r)
{
	sqlite3_stmt	*s = prepare(ST_OUT_GET);
	int		 found;

	if (s == NULL)
		return -1;
	bind_str(s, 1, id);
	if ((found = row(s)) == 1) {
		out_row(s, r);
		finish(s);
	}
	return found;
}

int
chan_db_out_each(void (*fn)(const struct chan_out_row *, void *), void *arg)
{
	sqlite3_stmt		*s = prepare(ST_OUT_EACH);
	struct chan_out_row	 r;
	int			 more;

	if (s == NULL)
		return -1;
	while ((more = row(s)) == 1) {
		out_row(s, &r);
		fn(&r, arg);
		dbuf_clear(&r.remote_ids);
	}
	return more;
}

int
chan_db_out_add(const struct chan_out_row *r, uint64_t now)
{
	sqlite3_stmt	*s = prepare(ST_OUT_ADD);

	if (s == NULL)
		return -1;
	bind_str(s, 1, r->id);
	bind_str(s, 2, r->chat);
	bind_str(s, 3, r->thread);
	bind_str(s, 4, r->reply_to);
	(void)sqlite3_bind_int64(s, 5, r->npieces);
	(void)sqlite3_bind_int64(s, 6, (sqlite3_int64)now);
	(void)sqlite3_bind_int64(s, 7, r->format);
	return run(s);
}

int
chan_db_piece_add(const char *id, unsigned int idx, struct str rich,
    struct str plain)
{
	sqlite3_stmt	*s = prepare(ST_PIECE_ADD);

	if (s == NULL)
		return -1;
	bind_str(s, 1, id);
	(void)sqlite3_bind_int64(s, 2, idx);
	bind_blob(s, 3, rich);
	bind_blob(s, 4, plain);
	return run(s);
}

int
chan_db_piece_text(const char *id, unsigned int idx, struct dbuf *rich,
    struct dbuf *plain)
{
	sqlite3_stmt	*s = prepare(ST_PIECE_TEXT);
	struct str	 b;
	int		 r;

	if (s == NULL)
		return -1;
	bind_str(s, 1, id);
	(void)sqlite3_bind_int64(s, 2, idx);
	if ((r = row(s)) == 1) {
		b = column_blob(s, 0);
		(void)dbuf_put(rich, b.p, b.n);
		b = column_blob(s, 1);
		(void)dbuf_put(plain, b.p, b.n);
		finish(s);
	}
	return r;
}

int
chan_db_piece_set(const char *id, unsigned int idx, enum piece_state state,
    const char *remote_id)
{
	sqlite3_stmt	*s = prepare(ST_PIECE_SET);

	if (s == NULL)
		return -1;
	bind_str(s, 1, id);
	(void)sqlite3_bind_int64(s, 2, idx);
	(void)sqlite3_bind_int64(s, 3, state);
	bind_str(s, 4, remote_id);
	return run(s);
}

int
chan_db_out_sum(const char *id, unsigned int *n, struct dbuf *ids)
{
	sqlite3_stmt	*s = prepare(ST_OUT_SUM);
	const char	*remote;
	int		 r, state;

	if (s == NULL)
		return -1;
	memset(n, 0, (PIECE_UNKNOWN + 1) * sizeof(*n));
	bind_str(s, 1, id);
	while ((r = row(s)) == 1) {
		state = sqlite3_column_int(s, 0);
		if (state < 0 || state > PIECE_UNKNOWN)
			state = PIECE_FAILED;
		n[state]++;
		remote = (const char *)sqlite3_column_text(s, 1);
		if (state == PIECE_SENT && remote != NULL)
			(void)dbuf_printf(ids, "%s%s", ids->n != 0 ? "," : "",
			    remote);
	}
	return r;
}

int
chan_db_out_finish(const char *id, int status, const char *ids,
    const char *reason, uint64_t now)
{
	sqlite3_stmt	*s = prepare(ST_OUT_FINISH);

	if (s == NULL)
		return -1;
	bind_str(s, 1, id);
	(void)sqlite3_bind_int64(s, 2, status);
	bind_str(s, 3, ids);
	bind_str(s, 4, reason);
	(void)sqlite3_bind_int64(s, 5, (sqlite3_int64)now);
	if (run(s) == -1 || (s = prepare(ST_PIECE_DROP)) == NULL)
		return -1;
	bind_str(s, 1, id);
	return run(s);
}

int
chan_db_out_crashed(unsigned int *n)
{
	sqlite3_stmt	*s = prepare(ST_OUT_CRASHED);

	if (s == NULL || run(s) == -1)
		return -1;
	*n = (unsigned int)sqlite3_changes(db);
	return 0;
}
