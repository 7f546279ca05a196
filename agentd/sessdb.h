/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What agentd must remember besides the transcripts: the index of sessions,
 * every turn it accepted (which is also the memory against duplicates), and
 * the outbox.  One SQLite file in WAL mode, locked by this process for as long
 * as it lives; no lock files (threats R06).
 *
 * Writing happens inside sessdb_begin() and sessdb_commit().  A failure of any
 * statement spoils the transaction: roll it back, keep the objects, try again
 * later.  errno is ENOSPC, EROFS, EIO or the like.
 */
#ifndef AGENTD_SESSDB_H
#define AGENTD_SESSDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sessdb;

/* Makes the file and its tables when missing.  NULL with errno and a reason. */
struct sessdb *sessdb_open(const char *path, char *why, size_t size);
void	 sessdb_close(struct sessdb *);

/* A commit is safe against the death of this process; against that of the
 * machine once sessdb_wal_fd() was synced after it. */
int	 sessdb_begin(struct sessdb *);
int	 sessdb_commit(struct sessdb *);
int	 sessdb_wal_fd(const struct sessdb *);
void	 sessdb_rollback(struct sessdb *);
/* Copies the log back into the database when it has grown; idle: nothing else
 * is to be done now, so do it early. */
void	 sessdb_tidy(struct sessdb *, bool idle);
/* What the last failure was, for the log. */
const char *sessdb_error(struct sessdb *);

struct sessdb_session {
	const char	*key;
	const char	*session_id;
	const char	*label;		/* or NULL */
	const char	*spawned_by;	/* or NULL */
	const char	*search;	/* what sessions.list searches in */
	uint64_t	 updated_at;
	const char	*entry;		/* JSON as in sessions.json */
	const char	*row;		/* JSON as in sessions.list */
};
int	 sessdb_put_session(struct sessdb *, const struct sessdb_session *);
/* The entry (free it): 1, 0 when there is none, -1. */
int	 sessdb_get_entry(struct sessdb *, const char *key, char **entry);
int64_t	 sessdb_count_sessions(struct sessdb *);
/* Was this done before?  1: no, and now it is noted; 0: yes; -1. */
int	 sessdb_once(struct sessdb *, const char *what);
int	 sessdb_drop_session(struct sessdb *, const char *key);
/* Newest first, at most limit (0: all), no older than since_ms; a text that is
 * NULL lets all through; id is a session id or a key.  Until fn says false. */
struct sessdb_filter {
	const char	*search, *label, *spawned_by, *id;
	uint64_t	 since_ms;
	int64_t		 limit;
	bool		 global, unknown;	/* include these keys */
};
typedef bool sessdb_session_fn(const struct sessdb_session *, void *arg);
int	 sessdb_each_session(struct sessdb *, const struct sessdb_filter *,
	    sessdb_session_fn *, void *arg);
/* In the order of keys, behind `after`, at most n rows; only key, entry. */
int	 sessdb_page_sessions(struct sessdb *, const char *after, int n,
	    sessdb_session_fn *, void *arg);

/* What the models' answers took, by day ("2026-01-29"). */
struct sessdb_usage {
	const char	*day;
	int64_t		 input, output, cache_read, cache_write, total;
	double		 cost;
	int64_t		 unpriced;	/* answers without a price */
};
typedef void sessdb_usage_fn(const struct sessdb_usage *, void *arg);
/* Adds to that day's. */
int	 sessdb_add_usage(struct sessdb *, const struct sessdb_usage *);
/* From that day on. */
int	 sessdb_each_usage(struct sessdb *, const char *since,
	    sessdb_usage_fn *, void *arg);

enum turn_state { TURN_ST_QUEUED, TURN_ST_RUNNING, TURN_ST_DONE };

/* Strings are borrowed from the caller, or from the row until fn returns. */
struct sessdb_turn {
	int64_t		 id;
	enum turn_state	 state;
	const char	*dedupe_key, *run_id, *session_key, *raw_key;
	int		 source, chat_type;
	const char	*channel, *account, *chat, *thread;
	const char	*sender, *sender_name, *msg_id;
	const char	*options, *text;
	uint64_t	 ts_ms, accepted_at, started_at, ended_at;
	const char	*session_id;	/* transcript in which it runs */
	const char	*user_entry;	/* its user message there */
	int		 status;	/* enum run_status once done */
	const char	*summary, *result;
};
typedef void sessdb_turn_fn(const struct sessdb_turn *, void *arg);
int64_t	 sessdb_max_turn(struct sessdb *);
int	 sessdb_put_turn(struct sessdb *, const struct sessdb_turn *);
/* The images of a turn that waits, as blocks of a message; _get: 1 (free it),
 * 0 when it has none, -1. */
int	 sessdb_put_media(struct sessdb *, int64_t turn, const char *, size_t);
int	 sessdb_get_media(struct sessdb *, int64_t turn, char **, size_t *);
int	 sessdb_drop_media(struct sessdb *, int64_t turn);
/* By id: state, started_at, session_id, user_entry. */
int	 sessdb_start_turn(struct sessdb *, const struct sessdb_turn *);
/* By id: ended_at, status, summary, result; forgets text and options. */
int	 sessdb_end_turn(struct sessdb *, const struct sessdb_turn *);
/* 1 and fn called, 0 when there is none, -1. */
int	 sessdb_find_dedupe(struct sessdb *, const char *dedupe_key,
	    sessdb_turn_fn *, void *arg);
int	 sessdb_find_run(struct sessdb *, const char *run_id,
	    sessdb_turn_fn *, void *arg);
/* Turns that are not done, oldest first. */
int	 sessdb_each_open_turn(struct sessdb *, sessdb_turn_fn *, void *arg);
/* One step: forgets results of turns that ended before result_before, whole
 * turns before turn_before, and the oldest beyond max turns.  1: there is more
 * to be forgotten, 0, -1. */
int	 sessdb_prune(struct sessdb *, uint64_t result_before,
	    uint64_t turn_before, int64_t max);

struct sessdb_delivery {
	const char	*id;
	const char	*channel, *account, *chat, *thread, *reply_to;
	int		 format;
	const char	*text;
	uint64_t	 created_at;
};
typedef void sessdb_delivery_fn(const struct sessdb_delivery *, void *arg);
int	 sessdb_put_delivery(struct sessdb *, const struct sessdb_delivery *);
int	 sessdb_drop_delivery(struct sessdb *, const char *id);
int	 sessdb_each_delivery(struct sessdb *, sessdb_delivery_fn *,
	    void *arg);

/* Copies of the ends of transcripts, until these are synced (tails.c). */
typedef void sessdb_tail_fn(int64_t at, const char *, size_t, void *arg);
int	 sessdb_put_tail(struct sessdb *, const char *file, int64_t at,
	    const char *, size_t);
/* Where the newest copy ends; -1 when there is none. */
int64_t	 sessdb_tail_end(struct sessdb *, const char *file);
/* A file that has some, and the number of its newest: 1, 0 when there is none,
 * -1. */
int	 sessdb_tail_file(struct sessdb *, char *file, size_t, int64_t *last);
int	 sessdb_each_tail(struct sessdb *, const char *file, sessdb_tail_fn *,
	    void *arg);
/* Those up to that number. */
int	 sessdb_drop_tail(struct sessdb *, const char *file, int64_t last);

#endif
