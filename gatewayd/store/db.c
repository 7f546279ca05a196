/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The store's SQLite file: schema, statements, and what a full disk means. */
#include "common/compat.h"

#include <errno.h>
#include <stdarg.h>

#include "common/log.h"
#include "gatewayd/store/store.h"

#define STATEMENTS_MAX	96
#define SCHEMA_VERSION	4

static sqlite3	*db;
static bool	 failed;
static struct {
	const char	*sql;	/* literal: compared by address */
	sqlite3_stmt	*st;
} statements[STATEMENTS_MAX];

#define NODE_TABLES							\
    "CREATE TABLE node_pending (request TEXT PRIMARY KEY,"		\
    " node TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"			\
    " about TEXT NOT NULL, silent INTEGER, repair INTEGER NOT NULL,"	\
    " ts INTEGER NOT NULL) WITHOUT ROWID;"				\
    "CREATE TABLE node_paired (node TEXT PRIMARY KEY,"			\
    " hash BLOB NOT NULL, name TEXT NOT NULL, about TEXT NOT NULL,"	\
    " created_ms INTEGER NOT NULL, approved_ms INTEGER NOT NULL,"	\
    " connected_ms INTEGER) WITHOUT ROWID;"

/* One row: a hash of the shared secret, and when it changed last. */
#define SECRET_TABLE							\
    "CREATE TABLE secret (one INTEGER PRIMARY KEY, salt BLOB NOT NULL,"	\
    " hash BLOB NOT NULL, changed_ms INTEGER NOT NULL);"

static const char schema[] =
    "CREATE TABLE device (id TEXT PRIMARY KEY, key TEXT NOT NULL,"
    " display_name TEXT, platform TEXT, client_id TEXT, client_mode TEXT,"
    " roles TEXT NOT NULL, scopes TEXT NOT NULL, remote TEXT,"
    " created_ms INTEGER NOT NULL, approved_ms INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE device_token (hash BLOB PRIMARY KEY, device TEXT NOT NULL,"
    " role TEXT NOT NULL, scopes TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " used_ms INTEGER, revoked_ms INTEGER, rotated_ms INTEGER)"
    " WITHOUT ROWID;"
    "CREATE INDEX device_token_by ON device_token (device, role);"
    "CREATE TABLE device_pending (request TEXT PRIMARY KEY,"
    " device TEXT NOT NULL UNIQUE, key TEXT NOT NULL, display_name TEXT,"
    " platform TEXT, client_id TEXT, client_mode TEXT, role TEXT NOT NULL,"
    " scopes TEXT NOT NULL, remote TEXT, silent INTEGER NOT NULL,"
    " repair INTEGER NOT NULL, ts INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE lockout (key TEXT PRIMARY KEY, failures INTEGER NOT NULL,"
    " first_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE pairing (channel TEXT NOT NULL, account TEXT NOT NULL,"
    " sender TEXT NOT NULL, code TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " seen_ms INTEGER NOT NULL, name TEXT, username TEXT,"
    " PRIMARY KEY (channel, account, sender)) WITHOUT ROWID;"
    "CREATE TABLE allow (channel TEXT NOT NULL, account TEXT NOT NULL,"
    " sender TEXT NOT NULL, created_ms INTEGER NOT NULL,"
    " PRIMARY KEY (channel, account, sender)) WITHOUT ROWID;"
    NODE_TABLES SECRET_TABLE;

static int
db_exec(const char *sql)
{
	char	*err = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &err) == SQLITE_OK)
		return 0;
	log_warnx("store: %s", err != NULL ? err : "?");
	sqlite3_free(err);
	return -1;
}

static int64_t
db_user_version(void)
{
	sqlite3_stmt	*st;
	int64_t		 v = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) !=
	    SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return v;
}

static int
db_open_file(const char *dir)
{
	char	 path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/store.sqlite", dir) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	/* Pages one by one as they are used, not twenty (86 KB) at once. */
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	sqlite3_soft_heap_limit64(1 << 20);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		log_warnx("store: %s: %s", path, sqlite3_errmsg(db));
		errno = EIO;
		return -1;
	}
	/* One process has it open, so the index of the WAL needs no shared
	 * memory, which the sandbox would not map. */
	if (db_exec("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
	    "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
	    "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-256;") == -1) {
		errno = EIO;
		return -1;
	}
	switch (db_user_version()) {
	case 0:
		if (db_exec("BEGIN EXCLUSIVE") == 0 && db_exec(schema) == 0 &&
		    db_exec("PRAGMA user_version=4; COMMIT") == 0)
			return 0;
		break;
	case 1:
		if (db_exec("BEGIN EXCLUSIVE; ALTER TABLE device_token ADD "
		    "COLUMN rotated_ms INTEGER; " NODE_TABLES SECRET_TABLE
		    "PRAGMA user_version=4; COMMIT") == 0)
			return 0;
		break;
	case 2:
		if (db_exec("BEGIN EXCLUSIVE; " NODE_TABLES SECRET_TABLE
		    "PRAGMA user_version=4; COMMIT") == 0)
			return 0;
		break;
	case 3:
		if (db_exec("BEGIN EXCLUSIVE; " SECRET_TABLE
		    "PRAGMA user_version=4; COMMIT") == 0)
			return 0;
		break;
	case SCHEMA_VERSION:
		return 0;
	default:
		log_warnx("store: %s is of another version", path);
		break;
	}
	errno = EIO;
	return -1;
}

int
db_open(const char *dir)
{
	int	 saved;

	if (db_open_file(dir) == 0)
		return 0;
	saved = errno;
	db_close();
	errno = saved;
	return -1;
}

void
db_close(void)
{
	size_t	 i;

	for (i = 0; i < STATEMENTS_MAX && statements[i].sql != NULL; i++)
		sqlite3_finalize(statements[i].st);
	memset(statements, 0, sizeof(statements));
	sqlite3_close(db);
	db = NULL;
}

static void
db_complain(const char *what)
{
	static uint64_t	 last;
	uint64_t	 now = mono_ms();

	failed = true;
	if (db == NULL)
		return;		/* said when it could not be opened */
	/* A full disk fails often: once a minute is enough to know. */
	if (last != 0 && now - last < 60000)
		return;
	last = now;
	log_errorx("store: %s: %s", what, sqlite3_errmsg(db));
}

static sqlite3_stmt *
db_bind(const char *sql, const char *fmt, va_list ap)
{
	const struct str	*s;
	sqlite3_stmt		*st = NULL;
	const char		*t;
	size_t			 i;
	int			 at = 1;

	if (db == NULL) {
		db_complain("open");
		return NULL;
	}
	for (i = 0; i < STATEMENTS_MAX && statements[i].sql != NULL; i++)
		if (statements[i].sql == sql) {
			st = statements[i].st;
			break;
		}
	if (st == NULL) {
		if (i == STATEMENTS_MAX || sqlite3_prepare_v3(db, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK) {
			db_complain("prepare");
			return NULL;
		}
		statements[i].sql = sql;
		statements[i].st = st;
	}
	sqlite3_reset(st);
	for (; *fmt != '\0'; fmt++, at++) {
		switch (*fmt) {
		case 's':
			s = va_arg(ap, const struct str *);
			sqlite3_bind_text(st, at, s->p != NULL ? s->p : "",
			    (int)s->n, SQLITE_TRANSIENT);
			break;
		case 't':
			t = va_arg(ap, const char *);
			sqlite3_bind_text(st, at, t, -1, SQLITE_TRANSIENT);
			break;
		case 'h':	/* 32 bytes of a hash */
			sqlite3_bind_blob(st, at, va_arg(ap, const void *),
			    32, SQLITE_TRANSIENT);
			break;
		case 'i':
			sqlite3_bind_int64(st, at, va_arg(ap, int64_t));
			break;
		default:
			sqlite3_bind_null(st, at);
			break;
		}
	}
	return st;
}

sqlite3_stmt *
db_query(const char *sql, const char *fmt, ...)
{
	sqlite3_stmt	*st;
	va_list		 ap;

	va_start(ap, fmt);
	st = db_bind(sql, fmt, ap);
	va_end(ap);
	return st;
}

bool
db_step(sqlite3_stmt *st)
{
	int	 r;

	if (st == NULL)
		return false;
	if ((r = sqlite3_step(st)) == SQLITE_ROW)
		return true;
	if (r != SQLITE_DONE)
		db_complain("step");
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return false;
}

int
db_run(const char *sql, const char *fmt, ...)
{
	sqlite3_stmt	*st;
	va_list		 ap;
	int		 r;

	va_start(ap, fmt);
	st = db_bind(sql, fmt, ap);
	va_end(ap);
	if (st == NULL)
		return -1;
	r = sqlite3_step(st);
	if (r != SQLITE_DONE && r != SQLITE_ROW)
		db_complain("write");
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : -1;
}

struct str
db_text(sqlite3_stmt *st, int col)
{
	const char	*p = (const char *)sqlite3_column_text(st, col);

	return (struct str){ p != NULL ? p : "", p != NULL ?
	    (size_t)sqlite3_column_bytes(st, col) : 0 };
}

bool
db_failed(void)
{
	bool	 f = failed;

	failed = false;
	return f;
}
