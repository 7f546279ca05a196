/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "agentd/sessdb.h"
#include "common/dbuf.h"
#include "proto/enums.h"

static char	 dir[64], path[96];

static int
setup(void **state)
{
	(void)state;
	strlcpy(dir, "/tmp/gw-sessdb-XXXXXX", sizeof(dir));
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/agent.sqlite", dir);
	return 0;
}

static int
teardown(void **state)
{
	char	 name[120];
	size_t	 i;
	static const char *const tails[] = { "", "-wal", "-journal", "-shm" };

	(void)state;
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
	return rmdir(dir);
}

static struct sessdb *
open_db(void)
{
	char		 why[256] = "";
	struct sessdb	*s = sessdb_open(path, why, sizeof(why));

	if (s == NULL)
		fail_msg("%s", why);
	return s;
}

static struct sessdb_turn
turn_of(int64_t id, const char *dedupe)
{
	struct sessdb_turn	 t = { .id = id, .dedupe_key = dedupe,
	    .run_id = dedupe, .session_key = "agent:main:main",
	    .raw_key = "main", .text = "hello", .accepted_at = 5 };

	return t;
}

static void
count_turn(const struct sessdb_turn *t, void *arg)
{
	int	*n = arg;

	assert_string_equal(t->session_key, "agent:main:main");
	(*n)++;
}

static void
expect_done(const struct sessdb_turn *t, void *arg)
{
	(void)arg;
	assert_int_equal(t->state, TURN_ST_DONE);
	assert_string_equal(t->text, "");
	assert_string_equal(t->result, "{}");
	assert_string_equal(t->user_entry, "0a");
}

static void
test_turns(void **state)
{
	struct sessdb		*s = open_db();
	struct sessdb_turn	 t = turn_of(1, "agent:k1");
	int			 n = 0;

	(void)state;
	assert_int_equal(sessdb_max_turn(s), 0);
	assert_int_equal(sessdb_begin(s), 0);
	assert_int_equal(sessdb_put_turn(s, &t), 0);
	t = turn_of(2, "k2");
	assert_int_equal(sessdb_put_turn(s, &t), 0);
	assert_int_equal(sessdb_commit(s), 0);
	/* The same key again: refused by the table itself (R08). */
	assert_int_equal(sessdb_begin(s), 0);
	t = turn_of(3, "agent:k1");
	assert_int_equal(sessdb_put_turn(s, &t), -1);
	assert_int_equal(errno, EEXIST);
	sessdb_rollback(s);
	assert_int_equal(sessdb_begin(s), 0);
	t = turn_of(1, "agent:k1");
	t.session_id = "sid";
	t.user_entry = "0a";
	t.started_at = 7;
	assert_int_equal(sessdb_start_turn(s, &t), 0);
	t.ended_at = 9;
	t.result = "{}";
	assert_int_equal(sessdb_end_turn(s, &t), 0);
	assert_int_equal(sessdb_commit(s), 0);
	sessdb_close(s);
	s = open_db();
	assert_int_equal(sessdb_max_turn(s), 2);
	assert_int_equal(sessdb_each_open_turn(s, count_turn, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(sessdb_find_dedupe(s, "agent:k1", expect_done, NULL), 1);
	assert_int_equal(sessdb_find_run(s, "k1", expect_done, NULL), 1);
	assert_int_equal(sessdb_find_dedupe(s, "k9", expect_done, NULL), 0);
	/* A channel's key says nothing of its run. */
	t = turn_of(3, "telegram:main:7");
	t.source = TURN_CHANNEL;
	t.run_id = "r3";
	assert_int_equal(sessdb_begin(s), 0);
	assert_int_equal(sessdb_put_turn(s, &t), 0);
	assert_int_equal(sessdb_commit(s), 0);
	assert_int_equal(sessdb_find_run(s, "r3", count_turn, &n), 1);
	assert_int_equal(sessdb_find_run(s, "k2", count_turn, &n), 0);
	assert_int_equal(sessdb_prune(s, 0, 10, 1000), 1);
	assert_int_equal(sessdb_find_dedupe(s, "agent:k1", expect_done, NULL), 0);
	assert_int_equal(sessdb_find_dedupe(s, "k2", count_turn, &n), 1);
	sessdb_close(s);
}

static bool
collect(const struct sessdb_session *v, void *arg)
{
	char	*out = arg;

	strlcat(out, v->key, 256);
	strlcat(out, " ", 256);
	return true;
}

static void
test_sessions(void **state)
{
	struct sessdb		*s = open_db();
	struct sessdb_session	 v = { .key = "a", .session_id = "s1",
	    .search = "alpha", .updated_at = 10, .entry = "{\"x\":1}",
	    .row = "{}" };
	struct sessdb_filter	 f = { .limit = 0 };
	char			 out[256] = "", *entry;

	(void)state;
	assert_int_equal(sessdb_begin(s), 0);
	assert_int_equal(sessdb_put_session(s, &v), 0);
	v.key = "b";
	v.search = "beta";
	v.label = "L";
	v.updated_at = 20;
	assert_int_equal(sessdb_put_session(s, &v), 0);
	v.key = "global";
	assert_int_equal(sessdb_put_session(s, &v), 0);
	assert_int_equal(sessdb_commit(s), 0);
	assert_int_equal(sessdb_count_sessions(s), 3);
	sessdb_each_session(s, &f, collect, out);
	assert_string_equal(out, "b a ");
	out[0] = '\0';
	f.global = true;
	f.label = "L";
	sessdb_each_session(s, &f, collect, out);
	assert_string_equal(out, "b global ");
	out[0] = '\0';
	f = (struct sessdb_filter){ .search = "lph" };
	sessdb_each_session(s, &f, collect, out);
	assert_string_equal(out, "a ");
	out[0] = '\0';
	f = (struct sessdb_filter){ .since_ms = 15, .limit = 1 };
	sessdb_each_session(s, &f, collect, out);
	assert_string_equal(out, "b ");
	out[0] = '\0';
	sessdb_page_sessions(s, "a", 1, collect, out);
	assert_string_equal(out, "b ");
	assert_int_equal(sessdb_get_entry(s, "a", &entry), 1);
	assert_string_equal(entry, "{\"x\":1}");
	free(entry);
	assert_int_equal(sessdb_get_entry(s, "zz", &entry), 0);
	sessdb_close(s);
}

static void
test_R06_second_owner_is_refused_until_the_first_dies(void **state)
{
	struct sessdb	*s;
	char		 why[256];
	int		 fds[2], status;
	pid_t		 pid;
	char		 c;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	if ((pid = fork()) == 0) {
		s = open_db();
		c = 'x';
		(void)!write(fds[1], &c, 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_null(sessdb_open(path, why, sizeof(why)));
	assert_int_equal(errno, EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	s = open_db();
	assert_non_null(s);
	sessdb_close(s);
	close(fds[0]);
	close(fds[1]);
}

static void
count_delivery(const struct sessdb_delivery *d, void *arg)
{
	strlcat(arg, d->id, 64);
}

static void
test_outbox(void **state)
{
	struct sessdb		*s = open_db();
	struct sessdb_delivery	 d = { .id = "2", .channel = "telegram",
	    .account = "main", .chat = "1", .thread = "", .reply_to = "",
	    .text = "hi" };
	char			 ids[64] = "";

	(void)state;
	sessdb_begin(s);
	assert_int_equal(sessdb_put_delivery(s, &d), 0);
	d.id = "1";
	assert_int_equal(sessdb_put_delivery(s, &d), 0);
	sessdb_commit(s);
	sessdb_each_delivery(s, count_delivery, ids);
	assert_string_equal(ids, "21");
	sessdb_begin(s);
	assert_int_equal(sessdb_drop_delivery(s, "2"), 0);
	sessdb_commit(s);
	ids[0] = '\0';
	sessdb_each_delivery(s, count_delivery, ids);
	assert_string_equal(ids, "1");
	sessdb_close(s);
}

static void
test_R15_full_disk_loses_nothing_committed(void **state)
{
	struct sessdb		*s = open_db();
	struct sessdb_turn	 t;
	struct rlimit		 old, lim;
	char			 key[32];
	int			 i, ok = 0, n = 0, before = 0;
	bool			 failed = false;

	(void)state;
	sessdb_each_open_turn(s, count_turn, &before);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	lim = old;
	lim.rlim_cur = 200000;
	setrlimit(RLIMIT_FSIZE, &lim);
	for (i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "full%d", i);
		t = turn_of(100 + i, key);
		if (sessdb_begin(s) == 0 &&
		    sessdb_put_turn(s, &t) == 0 && sessdb_commit(s) == 0) {
			ok++;
		} else {
			failed = true;
			sessdb_rollback(s);
		}
	}
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(failed && ok > 0);
	t = turn_of(900, "room again");
	assert_int_equal(sessdb_begin(s), 0);
	assert_int_equal(sessdb_put_turn(s, &t), 0);
	assert_int_equal(sessdb_commit(s), 0);
	sessdb_close(s);
	s = open_db();
	sessdb_each_open_turn(s, count_turn, &n);
	assert_int_equal(n, before + ok + 1);
	sessdb_tidy(s, true);
	sessdb_close(s);
}

static void
take_tail(int64_t at, const char *p, size_t n, void *arg)
{
	dbuf_printf(arg, "%d:%.*s ", (int)at, (int)n, p);
}

static void
test_tails(void **state)
{
	struct sessdb	*s = open_db();
	struct dbuf	 b;
	char		 file[32];
	int64_t		 last;

	(void)state;
	dbuf_init(&b, 1000);
	assert_int_equal(sessdb_tail_file(s, file, sizeof(file), &last), 0);
	assert_int_equal(sessdb_tail_end(s, "a"), -1);
	assert_int_equal(sessdb_begin(s), 0);
	assert_int_equal(sessdb_put_tail(s, "a", 0, "one", 3), 0);
	assert_int_equal(sessdb_put_tail(s, "b", 7, "x", 1), 0);
	assert_int_equal(sessdb_put_tail(s, "a", 3, "\xc3\xa4", 2), 0);
	assert_int_equal(sessdb_commit(s), 0);
	sessdb_close(s);
	s = open_db();
	assert_int_equal(sessdb_tail_end(s, "a"), 5);	/* bytes */
	assert_int_equal(sessdb_tail_file(s, file, sizeof(file), &last), 1);
	assert_string_equal(file, "a");
	assert_int_equal(sessdb_each_tail(s, "a", take_tail, &b), 0);
	assert_string_equal(dbuf_str(&b), "0:one 3:\xc3\xa4 ");
	/* What came after the file was looked at stays. */
	assert_int_equal(sessdb_begin(s), 0);
	assert_int_equal(sessdb_put_tail(s, "a", 5, "new", 3), 0);
	assert_int_equal(sessdb_commit(s), 0);
	assert_int_equal(sessdb_drop_tail(s, "a", last), 0);
	assert_int_equal(sessdb_tail_end(s, "a"), 8);
	assert_int_equal(sessdb_tail_file(s, file, sizeof(file), &last), 1);
	assert_string_equal(file, "b");
	assert_int_equal(sessdb_drop_tail(s, "b", last), 0);
	assert_int_equal(sessdb_tail_file(s, file, sizeof(file), &last), 1);
	assert_string_equal(file, "a");
	dbuf_clear(&b);
	sessdb_close(s);
}

static void
count_any(const struct sessdb_turn *t, void *arg)
{
	(void)t;
	(*(int *)arg)++;
}

static void
expect_result(const struct sessdb_turn *t, void *arg)
{
	assert_string_equal(t->result, arg);
}

/* What is forgotten is forgotten step by step, and an open turn is found
 * however much of that there was before it. */
static void
test_R01_turns_are_forgotten_in_steps(void **state)
{
	struct sessdb		*s;
	struct sessdb_turn	 t;
	char			 key[32];
	int			 i, n, steps = 0;

	(void)state;
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	s = open_db();
	assert_int_equal(sessdb_begin(s), 0);
	for (i = 1; i <= 1000; i++) {
		snprintf(key, sizeof(key), "agent:p%d", i);
		t = turn_of(i, key);
		assert_int_equal(sessdb_put_turn(s, &t), 0);
		t.ended_at = (uint64_t)i;
		t.result = "{}";
		if (i != 700)
			assert_int_equal(sessdb_end_turn(s, &t), 0);
	}
	assert_int_equal(sessdb_commit(s), 0);
	while (sessdb_prune(s, 501, 101, 100000) == 1)
		steps++;
	assert_true(steps >= 2);
	assert_int_equal(sessdb_find_run(s, "p100", expect_result, NULL), 0);
	assert_int_equal(sessdb_find_run(s, "p101", expect_result, (char []){ "" }), 1);
	assert_int_equal(sessdb_find_run(s, "p500", expect_result, (char []){ "" }), 1);
	assert_int_equal(sessdb_find_run(s, "p501", expect_result, (char []){ "{}" }), 1);
	n = 0;
	assert_int_equal(sessdb_each_open_turn(s, count_any, &n), 0);
	assert_int_equal(n, 1);
	/* All but the newest ten and what is open. */
	while (sessdb_prune(s, 501, 101, 10) == 1)
		;
	assert_int_equal(sessdb_find_run(s, "p990", expect_result, (char []){ "" }), 0);
	assert_int_equal(sessdb_find_run(s, "p991", expect_result, (char []){ "{}" }), 1);
	assert_int_equal(sessdb_find_run(s, "p700", expect_result, (char []){ "" }), 1);
	t = turn_of(700, "agent:p700");
	assert_int_equal(sessdb_end_turn(s, &t), 0);
	while (sessdb_prune(s, 5000, 5000, 10) == 1)
		;
	assert_int_equal(sessdb_find_run(s, "p1000", expect_result, (char []){ "" }), 0);
	sessdb_close(s);
	/* Nothing is left, and no number comes again all the same. */
	s = open_db();
	assert_int_equal(sessdb_max_turn(s), 1001);
	t = turn_of(1002, "agent:new");
	assert_int_equal(sessdb_put_turn(s, &t), 0);
	n = 0;
	assert_int_equal(sessdb_each_open_turn(s, count_any, &n), 0);
	assert_int_equal(n, 1);
	sessdb_close(s);
}

/* A file of the last version: sessions keep their rows, open turns too. */
static void
test_R14_older_file_is_taken_over(void **state)
{
	struct sessdb	*s;
	sqlite3		*db;
	char		 out[256] = "";
	struct sessdb_filter f = { .limit = 0 };
	int		 n = 0;

	(void)state;
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
	s = open_db();
	sessdb_close(s);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE session;"
	    "DROP TABLE mark; DROP INDEX turn_channel;"
	    "CREATE TABLE session (key TEXT PRIMARY KEY, session_id TEXT NOT "
	    "NULL, updated_at INTEGER NOT NULL, label TEXT, spawned_by TEXT, "
	    "search TEXT NOT NULL, entry TEXT NOT NULL, row TEXT NOT NULL) "
	    "WITHOUT ROWID;"
	    "CREATE INDEX session_find ON session (updated_at DESC, key, "
	    "search, label, spawned_by, session_id);"
	    "CREATE INDEX turn_run ON turn (run_id);"
	    "CREATE INDEX turn_open ON turn (id) WHERE state < 2;"
	    "CREATE INDEX turn_ended ON turn (ended_at) WHERE state = 2;"
	    "INSERT INTO session VALUES ('a', 's1', 5, NULL, NULL, 'x', '{}', "
	    "'{}'), ('b', 's2', 6, 'L', NULL, 'y', '{}', '{}');"
	    "INSERT INTO turn VALUES (1, 0, 'agent:q', 'q', "
	    "'agent:main:main', '', 0, 0, '', '', '', '', '', '', '', '', "
	    "'', 0, 0, 0, 0, '', '', 0, '', '');"
	    "PRAGMA user_version=4;", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	s = open_db();
	sessdb_each_session(s, &f, collect, out);
	assert_string_equal(out, "b a ");
	assert_int_equal(sessdb_each_open_turn(s, count_turn, &n), 0);
	assert_int_equal(n, 1);
	sessdb_close(s);
}

/* The log goes back into the database; without that it grows for ever. */
static void
test_R01_log_is_copied_back(void **state)
{
	struct sessdb		*s = open_db();
	struct sessdb_turn	 t;
	struct stat		 db, wal;
	char			 key[32];
	int			 i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "log%d", i);
		t = turn_of(10000 + i, key);
		assert_int_equal(sessdb_begin(s), 0);
		assert_int_equal(sessdb_put_turn(s, &t), 0);
		assert_int_equal(sessdb_commit(s), 0);
		sessdb_tidy(s, true);
	}
	assert_int_equal(fstat(sessdb_wal_fd(s), &wal), 0);
	assert_int_equal(stat(path, &db), 0);
	assert_true(wal.st_size < 8 << 20);	/* 1,000 pages are 4 MB */
	assert_true(db.st_size > 100000);
	sessdb_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_sessions),
		cmocka_unit_test(
		    test_R06_second_owner_is_refused_until_the_first_dies),
		cmocka_unit_test(test_outbox),
		cmocka_unit_test(test_tails),
		cmocka_unit_test(test_R01_log_is_copied_back),
		cmocka_unit_test(test_R01_turns_are_forgotten_in_steps),
		cmocka_unit_test(test_R14_older_file_is_taken_over),
		cmocka_unit_test(test_R15_full_disk_loses_nothing_committed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
