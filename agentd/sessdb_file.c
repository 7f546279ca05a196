/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/sessdb_file.h"

#define SCHEMA_VERSION	5
#define PAGE_BYTES	4096	/* SQLite's own, and what it adds in the log */
#define WAL_PAGE_BYTES	(PAGE_BYTES + 24)
#define WAL_SOFT_PAGES	1000	/* copied back when there is time */
#define WAL_HARD_PAGES	32000	/* copied back in any case: 128 MB */
/* Under load the log grows by so much at once (sessdb_file_reserve). */
#define WAL_STEP_BYTES	(4 << 20)
#define WAL_AHEAD_BYTES	(512 << 10)

/*
 * Each turn writes to all of this, so an index costs every turn a page of the
 * log and the disk: there is none for what is asked once a start or a minute.
 * Rows are long, so sessions have a rowid: without, SQLite moves what is over
 * 1,000 bytes to a page of its own.
 */
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS session (key TEXT NOT NULL UNIQUE, "
    "session_id TEXT NOT NULL, updated_at INTEGER NOT NULL, label TEXT, "
    "spawned_by TEXT, search TEXT NOT NULL, entry TEXT NOT NULL, "
    "row TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS session_find ON session "
    "(updated_at DESC, key, search, label, spawned_by, session_id);"
    "CREATE TABLE IF NOT EXISTS turn (id INTEGER PRIMARY KEY, "
    "state INTEGER NOT NULL, dedupe_key TEXT NOT NULL UNIQUE, "
    "run_id TEXT NOT NULL, session_key TEXT NOT NULL, "
    "raw_key TEXT NOT NULL, source INTEGER NOT NULL, "
    "chat_type INTEGER NOT NULL, channel TEXT NOT NULL, "
    "account TEXT NOT NULL, chat TEXT NOT NULL, thread TEXT NOT NULL, "
    "sender TEXT NOT NULL, sender_name TEXT NOT NULL, "
    "msg_id TEXT NOT NULL, options TEXT NOT NULL, text TEXT NOT NULL, "
    "ts_ms INTEGER NOT NULL, accepted_at INTEGER NOT NULL, "
    "started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, "
    "session_id TEXT NOT NULL, user_entry TEXT NOT NULL, "
    "status INTEGER NOT NULL, summary TEXT NOT NULL, "
    "result TEXT NOT NULL);"
    "CREATE INDEX IF NOT EXISTS turn_channel ON turn (run_id) "
    "WHERE source=2;"
    /* name 'open': no turn before this number is open. */
    "CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, "
    "value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY, "
    "id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, "
    "account TEXT NOT NULL, chat TEXT NOT NULL, thread TEXT NOT NULL, "
    "reply_to TEXT NOT NULL, format INTEGER NOT NULL, "
    "text TEXT NOT NULL, created_at INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS tail (id INTEGER PRIMARY KEY, "
    "file TEXT NOT NULL, at INTEGER NOT NULL, text BLOB NOT NULL);"
    "CREATE INDEX IF NOT EXISTS tail_file ON tail (file);"
    "CREATE TABLE IF NOT EXISTS media (turn INTEGER PRIMARY KEY, "
    "blocks BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS usage (day TEXT PRIMARY KEY, "
    "input INTEGER NOT NULL, output INTEGER NOT NULL, "
    "cache_read INTEGER NOT NULL, cache_write INTEGER NOT NULL, "
    "total INTEGER NOT NULL, cost REAL NOT NULL, "
    "unpriced INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS once (what TEXT PRIMARY KEY);";

/* What versions 1 to 4 had otherwise: before the schema, and behind it. */
static const char old_away[] =
    "DROP INDEX IF EXISTS session_updated;"
    "DROP INDEX IF EXISTS session_find;"
    "ALTER TABLE session RENAME TO session_old;"
    "DROP INDEX IF EXISTS turn_run;"
    "DROP INDEX IF EXISTS turn_open;"
    "DROP INDEX IF EXISTS turn_ended;";
static const char old_taken[] =
    "INSERT INTO session (key, session_id, updated_at, label, spawned_by, "
    "search, entry, row) SELECT key, session_id, updated_at, label, "
    "spawned_by, search, entry, row FROM session_old;"
    "DROP TABLE session_old;";

static int	 read_version(struct sessdb_file *, int *);
static int	 make_schema(struct sessdb_file *, int version);
static int	 wal_grew(void *, sqlite3 *, const char *, int);

int
sessdb_file_open(struct sessdb_file *s, const char *path, char *why,
    size_t size)
{
	char		 wal[4300];
	int		 r, version = 0, saved;

	*s = (struct sessdb_file){ .wal_fd = -1 };
	/* Pages one by one as they are used, not twenty (86 KB) at once. */
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	r = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
	    SQLITE_OPEN_PRIVATECACHE, NULL);
	if (r != SQLITE_OK)
		goto fail;
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_busy_timeout(s->db, 0);
	/* Exclusive before WAL: then no shared memory file is needed. */
	r = sqlite3_exec(s->db, "PRAGMA locking_mode=EXCLUSIVE;"
	    "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
	    "PRAGMA temp_store=MEMORY;PRAGMA trusted_schema=OFF;"
	    "PRAGMA wal_autocheckpoint=0;PRAGMA cache_size=-2000;"
	    "PRAGMA journal_size_limit=-1;"
	    "PRAGMA cell_size_check=ON;", NULL, NULL, NULL);
	/* After wal_autocheckpoint, which takes away whatever hook there is. */
	sqlite3_wal_hook(s->db, wal_grew, s);
	if (r != SQLITE_OK || (r = read_version(s, &version)) != SQLITE_OK)
		goto fail;
	if (version > SCHEMA_VERSION) {
		snprintf(why, size, "%s: made by a newer version (%d)", path,
		    version);
		errno = EINVAL;
		return -1;
	}
	if (version < SCHEMA_VERSION && (r = make_schema(s, version)) !=
	    SQLITE_OK)
		goto fail;
	/* Takes the lock now, and shows whether the disk can be written. */
	r = sqlite3_exec(s->db, "BEGIN IMMEDIATE;"
	    "PRAGMA application_id=1735868740;COMMIT;", NULL, NULL, NULL);
	if (r != SQLITE_OK)
		goto fail;
	/* SQLite keeps this file as long as the database is open. */
	snprintf(wal, sizeof(wal), "%s-wal", path);
	s->wal_fd = open(wal, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->wal_fd == -1) {
		snprintf(why, size, "%s", wal);
		return -1;
	}
	return 0;
fail:
	sessdb_file_error(r);
	saved = errno;
	snprintf(why, size, "%s: %s", path, s->db != NULL ?
	    sqlite3_errmsg(s->db) : sqlite3_errstr(r));
	errno = saved;
	return -1;
}

void
sessdb_file_close(struct sessdb_file *s)
{
	sqlite3_close(s->db);
	if (s->wal_fd != -1)
		close(s->wal_fd);
}

void
sessdb_file_tidy(struct sessdb_file *s, bool idle)
{
	if (s->wal_pages < (idle ? WAL_SOFT_PAGES : WAL_HARD_PAGES))
		return;
	/* Busy, the log keeps its size and is written over. */
	if (sqlite3_wal_checkpoint_v2(s->db, NULL, idle ?
	    SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL,
	    NULL) == SQLITE_OK) {
		s->wal_pages = 0;
		if (idle)
			s->wal_bytes = 0;
	}
}

/*
 * While the log is synced (disksync.c) commits go on.  One that makes the file
 * longer then waits for the file system's own journal, up to tens of
 * milliseconds, and everybody with it; one that writes over what is there does
 * not.  So a log that is in use grows by a large step, of zeros, which SQLite
 * takes for the end when it reads the log after a crash.  (Space from
 * fallocate(2) is no help: its first use is such a change again.)
 *
 * Where there is no room for a step, what was taken of it is given back: the
 * transcripts are on that disk too.  The log then grows with each commit, for
 * as long as a step would have lasted, and SQLite says when the disk is full.
 */
void
sessdb_file_reserve(struct sessdb_file *s)
{
	static char		 zeros[65536];	/* in no file, unlike a const */
	struct stat		 st;
	int64_t			 used, end;
	ssize_t			 n;

	if (s->wal_pages < WAL_SOFT_PAGES)
		return;
	used = (int64_t)s->wal_pages * WAL_PAGE_BYTES;
	if (used + WAL_AHEAD_BYTES <= s->wal_bytes)
		return;
	if (fstat(s->wal_fd, &st) == -1 || st.st_size < used)
		return;
	s->wal_bytes = st.st_size;
	for (end = used + WAL_STEP_BYTES; s->wal_bytes < end;
	    s->wal_bytes += n) {
		n = pwrite(s->wal_fd, zeros, sizeof(zeros), s->wal_bytes);
		if (n <= 0) {
			if (ftruncate(s->wal_fd, st.st_size) == 0)
				s->wal_bytes = end;
			return;
		}
	}
}

static int
wal_grew(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct sessdb_file *s = arg;

	(void)db;
	(void)name;
	s->wal_pages = pages;
	return SQLITE_OK;
}

int
sessdb_file_error(int r)
{
	switch (r & 0xff) {
	case SQLITE_FULL:
		errno = ENOSPC;
		break;
	case SQLITE_READONLY:
		errno = EROFS;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		errno = EBUSY;
		break;
	case SQLITE_NOMEM:
		errno = ENOMEM;
		break;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		errno = EACCES;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		errno = EBADMSG;
		break;
	case SQLITE_CONSTRAINT:
		errno = EEXIST;
		break;
	default:
		errno = EIO;
	}
	return -1;
}

static int
read_version(struct sessdb_file *s, int *version)
{
	sqlite3_stmt	*st;
	int		 r;

	if ((r = sqlite3_prepare_v2(s->db, "PRAGMA user_version", -1, &st,
	    NULL)) != SQLITE_OK)
		return r;
	if ((r = sqlite3_step(st)) == SQLITE_ROW) {
		*version = sqlite3_column_int(st, 0);
		r = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return r;
}

/* All in one transaction; a failure leaves it open for sqlite3_close(). */
static int
make_schema(struct sessdb_file *s, int version)
{
	const char	*const steps[] = { "BEGIN IMMEDIATE;",
			    version > 0 ? old_away : "", schema,
			    version > 0 ? old_taken : "",
			    "PRAGMA user_version=5;COMMIT;" };
	size_t		 i;
	int		 r = SQLITE_OK;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == SQLITE_OK;
	    i++)
		r = sqlite3_exec(s->db, steps[i], NULL, NULL, NULL);
	return r;
}
