/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The log of the sessions' database while it grows ahead of its use. */
#include "common/compat.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "agentd/sessdb_file.h"

#define FRAME		4120	/* a page and its head, in the log */
#define HEAD		32	/* of the log */
#define STEP		(4 << 20)

static char	 dir[64], path[96], wal[112];

static int
setup(void **state)
{
	(void)state;
	strlcpy(dir, "/tmp/gw-sesslog-XXXXXX", sizeof(dir));
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/agent.sqlite", dir);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	signal(SIGXFSZ, SIG_IGN);	/* as agentd has it */
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(wal);
	return rmdir(dir);
}

static void
start(struct sessdb_file *s)
{
	char	 why[256] = "";

	if (sessdb_file_open(s, path, why, sizeof(why)) == -1)
		fail_msg("%s", why);
}

/* One row of about a page, as sessdb_commit() does it: 0, or what SQLite said.
 */
static int
put(struct sessdb_file *s, int i)
{
	char	 sql[256];
	int	 r;

	snprintf(sql, sizeof(sql), "BEGIN IMMEDIATE;INSERT INTO tail (file, at, "
	    "text) VALUES ('%d', %d, zeroblob(4000));COMMIT;", i % 7, i);
	r = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		sessdb_file_reserve(s);
	else if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return r;
}

static int
ask(struct sessdb_file *s, const char *sql)
{
	sqlite3_stmt	*st;
	int		 n;

	assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* The rows 0 to n - 1, each once, in a database that is whole. */
static void
expect_rows(struct sessdb_file *s, int n)
{
	assert_int_equal(ask(s, "SELECT count(*) FROM tail"), n);
	assert_int_equal(ask(s, "SELECT count(DISTINCT at) FROM tail"), n);
	assert_int_equal(ask(s, "SELECT max(at) FROM tail"), n - 1);
	assert_int_equal(ask(s, "SELECT count(*) FROM pragma_integrity_check "
	    "WHERE integrity_check = 'ok'"), 1);
}

static int64_t
wal_size(void)
{
	struct stat	 st;

	assert_int_equal(stat(wal, &st), 0);
	return st.st_size;
}

/* Until the log was lengthened by a step: how many rows that took. */
static int
fill_until_reserved(struct sessdb_file *s)
{
	int	 i;

	for (i = 0; i < 20000; i++) {
		assert_int_equal(put(s, i), SQLITE_OK);
		if (wal_size() > HEAD + (int64_t)s->wal_pages * FRAME)
			return i + 1;
	}
	fail_msg("the log was never lengthened");
	return -1;
}

/* How many bytes of the log behind what is used are not zero. */
static int64_t
behind_end(const struct sessdb_file *s)
{
	char	 buf[65536];
	off_t	 at = HEAD + (off_t)s->wal_pages * FRAME;
	int64_t	 odd = 0;
	ssize_t	 n, i;
	int	 fd = open(wal, O_RDONLY | O_CLOEXEC);

	assert_true(fd != -1);
	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		for (i = 0; i < n; i++)
			odd += buf[i] != 0;
		at += n;
	}
	close(fd);
	return odd;
}

static void
test_log_that_is_in_use_grows_by_steps(void **state)
{
	struct sessdb_file	 s;
	int64_t			 size, before;
	int			 rows, steps = 0;

	(void)state;
	start(&s);
	/* Nothing is taken for an agent that hardly writes. */
	assert_int_equal(put(&s, 0), SQLITE_OK);
	assert_int_equal(wal_size(), HEAD + (int64_t)s.wal_pages * FRAME);
	assert_int_equal(sqlite3_exec(s.db, "DELETE FROM tail", NULL, NULL,
	    NULL), SQLITE_OK);
	rows = fill_until_reserved(&s);
	assert_in_range(s.wal_pages, 1000, 1010);
	size = before = wal_size();
	assert_true(size >= (int64_t)s.wal_pages * FRAME + STEP);
	assert_true(size < (int64_t)s.wal_pages * FRAME + STEP + (128 << 10));
	assert_int_equal(behind_end(&s), 0);
	/* A commit that writes over it does not lengthen it, up to the next. */
	for (; steps < 3; rows++) {
		assert_int_equal(put(&s, rows), SQLITE_OK);
		if (wal_size() == size)
			continue;
		assert_true(wal_size() - size > (3 << 20));
		size = wal_size();
		steps++;
	}
	assert_true(size - before <= 3 * STEP + (256 << 10));
	expect_rows(&s, rows);
	/* All of it goes when there is time, and it begins anew. */
	sessdb_file_tidy(&s, true);
	assert_int_equal(wal_size(), 0);
	assert_int_equal(put(&s, rows), SQLITE_OK);
	assert_true(wal_size() < 100 * FRAME);
	expect_rows(&s, rows + 1);
	sessdb_file_close(&s);
}

/* Copied back while busy, the log is written over from its beginning: what is
 * behind the end is now old frames, then zeros. */
static void
test_log_is_written_over_when_busy(void **state)
{
	struct sessdb_file	 s;
	int64_t			 size;
	int			 rows, before;

	(void)state;
	start(&s);
	rows = fill_until_reserved(&s);
	size = wal_size();
	before = s.wal_pages;
	assert_int_equal(sqlite3_wal_checkpoint_v2(s.db, NULL,
	    SQLITE_CHECKPOINT_PASSIVE, NULL, NULL), SQLITE_OK);
	while (assert_int_equal(put(&s, rows++), SQLITE_OK),
	    s.wal_pages < 500)
		;
	assert_true(s.wal_pages < before);
	assert_int_equal(wal_size(), size);
	assert_true(behind_end(&s) > 0);
	sessdb_file_close(&s);
	start(&s);
	expect_rows(&s, rows);
	sessdb_file_close(&s);
}

/* In another process: fills, says how many rows, and is killed before anything
 * is written behind the step; `more` rows are written over its beginning. */
static void
die_after_step(int more)
{
	struct sessdb_file	 s;
	int			 fds[2], rows = 0, i, status;
	pid_t			 pid;

	assert_int_equal(pipe(fds), 0);
	if ((pid = fork()) == 0) {
		start(&s);
		rows = fill_until_reserved(&s);
		for (i = 0; i < more; i++, rows++)
			if (put(&s, rows) != SQLITE_OK)
				_exit(1);
		/* One that is open is no row. */
		if (sqlite3_exec(s.db, "BEGIN IMMEDIATE; INSERT INTO tail "
		    "(file, at, text) VALUES ('x', 1000000, '')", NULL, NULL,
		    NULL) != SQLITE_OK)
			_exit(1);
		if (write(fds[1], &rows, sizeof(rows)) != sizeof(rows))
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &rows, sizeof(rows)), sizeof(rows));
	close(fds[0]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_true(wal_size() > (int64_t)rows * FRAME + (1 << 20));
	start(&s);
	expect_rows(&s, rows);
	/* And it is one to write to. */
	for (i = 0; i < 50; i++, rows++)
		assert_int_equal(put(&s, rows), SQLITE_OK);
	sessdb_file_close(&s);
	start(&s);
	expect_rows(&s, rows);
	sessdb_file_close(&s);
}

static void
test_R07_death_after_a_step(void **state)
{
	(void)state;
	die_after_step(0);
}

static void
test_R07_death_within_a_step(void **state)
{
	(void)state;
	die_after_step(300);
}

/* The machine dies: of a step only some of the zeros are there, and the frame
 * that was being written over them is cut off. */
static void
test_R07_zeros_that_are_not_whole(void **state)
{
	struct sessdb_file	 s;
	int			 rows, fds[2], status, i, fd;
	int64_t			 end = 0;
	pid_t			 pid;
	static const char	 torn[FRAME / 2] = { 0, 0, 0, 1, 0, 0, 0, 9 };
	static const int64_t	 tails[] = { FRAME / 2, FRAME, 70001, 1 << 20 };

	(void)state;
	assert_int_equal(pipe(fds), 0);
	if ((pid = fork()) == 0) {
		start(&s);
		rows = fill_until_reserved(&s);
		end = HEAD + (int64_t)s.wal_pages * FRAME;
		if (write(fds[1], &rows, sizeof(rows)) != sizeof(rows) ||
		    write(fds[1], &end, sizeof(end)) != sizeof(end))
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &rows, sizeof(rows)), sizeof(rows));
	assert_int_equal(read(fds[0], &end, sizeof(end)), sizeof(end));
	close(fds[0]);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	for (i = 3; i >= 0; i--) {
		fd = open(wal, O_WRONLY | O_CLOEXEC);
		assert_true(fd != -1);
		assert_int_equal(ftruncate(fd, end + tails[i]), 0);
		assert_int_equal(pwrite(fd, torn, sizeof(torn), end),
		    sizeof(torn));
		close(fd);
		/* Looked at by a process that dies without closing it. */
		if ((pid = fork()) == 0) {
			start(&s);
			expect_rows(&s, rows);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	start(&s);
	expect_rows(&s, rows);
	sessdb_file_close(&s);
}

/* A file may be no longer than `limit` bytes: the step finds no room, what
 * fits without it is written, then writing fails by name and nothing of what
 * was said to be written is lost. */
static void
test_R15_no_room_for_a_step(void **state)
{
	struct sessdb_file	 s;
	struct rlimit		 old, lim;
	int			 rows = 0, r;

	(void)state;
	start(&s);
	while (s.wal_pages < 990)
		assert_int_equal(put(&s, rows++), SQLITE_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	lim = old;
	/* Not a whole page, and less than a step. */
	lim.rlim_cur = HEAD + 1300 * FRAME + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
	while ((r = put(&s, rows)) == SQLITE_OK)
		rows++;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	errno = 0;
	assert_int_equal(sessdb_file_error(r), -1);
	assert_true(errno == ENOSPC || errno == EIO);
	assert_in_range(s.wal_pages, 1290, 1300);
	expect_rows(&s, rows);
	assert_int_equal(put(&s, rows++), SQLITE_OK);	/* room again */
	expect_rows(&s, rows);
	sessdb_file_close(&s);
	start(&s);
	expect_rows(&s, rows);
	sessdb_file_close(&s);
}

static bool
tell(const char *file, const char *text)
{
	ssize_t	 n = (ssize_t)strlen(text);
	int	 fd = open(file, O_WRONLY | O_CLOEXEC);
	bool	 ok;

	ok = fd != -1 && write(fd, text, (size_t)n) == n;
	if (fd != -1)
		close(fd);
	return ok;
}

/* A disk of this process alone, as root or in a name space of users. */
static bool
mount_disk(const char *options)
{
	char	 uid[40], gid[40];

	snprintf(uid, sizeof(uid), "%1$u %1$u 1", getuid());
	snprintf(gid, sizeof(gid), "%1$u %1$u 1", getgid());
	if (unshare(CLONE_NEWNS) == -1 &&
	    (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1 ||
	    !tell("/proc/self/setgroups", "deny") ||
	    !tell("/proc/self/uid_map", uid) ||
	    !tell("/proc/self/gid_map", gid)))
		return false;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", dir, "tmpfs", 0, options) == 0;
}

/* In a process of its own, on a disk of 7 MB: 0, 77 where no disk can be had,
 * or what went wrong. */
static int
on_small_disk(void)
{
	struct sessdb_file	 s;
	struct statfs		 fs;
	int			 rows = 0, r, fd, given;
	int64_t			 free_before, free_after;
	static const char	 more[8192];

	if (!mount_disk("size=7m"))
		return 77;
	start(&s);
	while (s.wal_pages < 990)
		assert_int_equal(put(&s, rows++), SQLITE_OK);
	/* The step wants 4 MB, there are little more than 3. */
	assert_int_equal(statfs(dir, &fs), 0);
	free_before = (int64_t)fs.f_bavail * fs.f_bsize;
	assert_in_range(free_before, 1 << 20, STEP - 1);
	for (given = 0; given < 20; given++)
		assert_int_equal(put(&s, rows++), SQLITE_OK);
	/* What cannot be had whole is given back: others write here too. */
	assert_int_equal(statfs(dir, &fs), 0);
	free_after = (int64_t)fs.f_bavail * fs.f_bsize;
	assert_true(free_before - free_after < 200 * FRAME);
	/* Now others do take all of it. */
	snprintf(wal, sizeof(wal), "%s/other", dir);
	assert_true((fd = open(wal, O_WRONLY | O_CREAT, 0600)) != -1);
	while (write(fd, more, sizeof(more)) > 0)
		;
	close(fd);
	while ((r = put(&s, rows)) == SQLITE_OK)
		rows++;
	sessdb_file_error(r);
	assert_int_equal(errno, ENOSPC);
	expect_rows(&s, rows);
	assert_int_equal(unlink(wal), 0);
	assert_int_equal(put(&s, rows++), SQLITE_OK);
	expect_rows(&s, rows);
	sessdb_file_close(&s);
	start(&s);
	expect_rows(&s, rows);
	sessdb_file_close(&s);
	return 0;
}

static void
test_R15_step_leaves_room_on_a_full_disk(void **state)
{
	int	 status;
	pid_t	 pid;

	(void)state;
	if ((pid = fork()) == 0)
		_exit(on_small_disk());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_log_that_is_in_use_grows_by_steps),
		T(test_log_is_written_over_when_busy),
		T(test_R07_death_after_a_step),
		T(test_R07_death_within_a_step),
		T(test_R07_zeros_that_are_not_whole),
		T(test_R15_no_room_for_a_step),
		T(test_R15_step_leaves_room_on_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
