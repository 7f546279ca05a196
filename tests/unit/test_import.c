/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * R12: sessions.json of an older installation becomes the index, whatever
 * happens on the way.  A child takes it over and is killed before each of its
 * system calls in turn; the next one must find everything.
 */
#include "common/compat.h"

#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "agentd/agentd.h"
#include "common/dbuf.h"

static char		 dir[64], path[96];
static struct config	 conf;
static size_t		 read_max;	/* 0: as much as asked for */
static unsigned int	 reads;

ssize_t	 __read_chk(int, void *, size_t, size_t);

/* In the place of libc's: a read may fall short at any byte. */
ssize_t
read(int fd, void *p, size_t n)
{
	reads++;
	return syscall(SYS_read, fd, p, read_max > 0 && n > read_max ?
	    read_max : n);
}

/* What read() is in a fortified build. */
ssize_t
__read_chk(int fd, void *p, size_t n, size_t size)
{
	return read(fd, p, n < size ? n : size);
}

static void
in_dir(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s/%s", dir, name);
}

static void
empty_dir(void)
{
	struct dirent	*e;
	DIR		*d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' &&
		    unlinkat(dirfd(d), e->d_name, 0) == -1)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	closedir(d);
}

static int
setup(void **state)
{
	(void)state;
	strlcpy(dir, "/tmp/gw-import-XXXXXX", sizeof(dir));
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/agent.sqlite", dir);
	strlcpy(conf.agent_id, "main", sizeof(conf.agent_id));
	cfg = &conf;
	sessions_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return sessions_fd == -1 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	empty_dir();
	close(sessions_fd);
	cfg = NULL;
	return rmdir(dir);
}

static int
fresh(void **state)
{
	(void)state;
	empty_dir();
	read_max = 0;
	return 0;
}

static void
give(const char *name, const char *text, size_t n)
{
	char	 file[160];
	FILE	*f;

	in_dir(file, sizeof(file), name);
	if ((f = fopen(file, "w")) == NULL ||
	    fwrite(text, 1, n, f) != n || fclose(f) != 0)
		fail_msg("%s: %s", file, strerror(errno));
}

static void
assert_file(const char *name, const char *text, size_t n)
{
	struct dbuf	 b;
	char		 file[160], part[4096];
	FILE		*f;
	size_t		 got;

	in_dir(file, sizeof(file), name);
	if ((f = fopen(file, "r")) == NULL)
		fail_msg("%s: %s", file, strerror(errno));
	dbuf_init(&b, 64u << 20);
	while ((got = fread(part, 1, sizeof(part), f)) > 0)
		dbuf_put(&b, part, got);
	fclose(f);
	assert_int_equal(b.n, n);
	assert_memory_equal(dbuf_str(&b), text, n);
	dbuf_clear(&b);
}

static void
assert_no_file(const char *name)
{
	char	 file[160];

	in_dir(file, sizeof(file), name);
	assert_int_equal(access(file, F_OK), -1);
}

static void
open_db(void)
{
	char	 why[256] = "";

	if ((db = sessdb_open(path, why, sizeof(why))) == NULL)
		fail_msg("%s", why);
}

static void
close_db(void)
{
	sessdb_close(db);
	db = NULL;
}

/* Takes over once more from nothing but what is on the disk. */
static void
import_again(void)
{
	open_db();
	assert_int_equal(import_sessions(), 0);
}

static json_t *
entry_of(const char *key)
{
	json_t	*j;
	char	*text;

	if (sessdb_get_entry(db, key, &text) != 1)
		fail_msg("%s: no such session", key);
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	free(text);
	return j;
}

static const char small[] =
    "{\n"
    "  \"agent:main:main\": {\"sessionId\": \"a\", \"updatedAt\": 1,"
    " \"future\": {\"kept\": [1, 2.5, null, \"\\u00e4\"]}},\n"
    "  \"main2\": {\"updatedAt\": 2, \"provider\": \"telegram\"},\n"
    "  \"bad\": 7\n"
    "}";

static void
assert_small(void)
{
	json_t	*e;

	assert_int_equal(sessdb_count_sessions(db), 2);
	e = entry_of("agent:main:main");
	assert_string_equal(json_string_value(json_object_get(e,
	    "sessionId")), "a");
	assert_int_equal(json_array_size(json_object_get(json_object_get(e,
	    "future"), "kept")), 4);
	json_decref(e);
	e = entry_of("agent:main:main2");
	assert_string_equal(json_string_value(json_object_get(e, "channel")),
	    "telegram");
	assert_null(json_object_get(e, "provider"));
	assert_int_equal(strlen(json_string_value(json_object_get(e,
	    "sessionId"))), 36);
	json_decref(e);
	assert_file("sessions.json.imported", small, strlen(small));
	assert_no_file("sessions.json.imported.1");
	assert_no_file("sessions.json.imported.tmp");
}

static void
test_R12_taken_over_once(void **state)
{
	(void)state;
	give("sessions.json", small, strlen(small));
	import_again();
	assert_small();
	/* A session that is gone stays gone. */
	assert_int_equal(sessdb_begin(db), 0);
	assert_int_equal(sessdb_drop_session(db, "agent:main:main"), 0);
	assert_int_equal(sessdb_drop_session(db, "agent:main:main2"), 0);
	assert_int_equal(sessdb_commit(db), 0);
	close_db();
	import_again();
	assert_int_equal(sessdb_count_sessions(db), 0);
	close_db();
}

static void
test_R12_reads_that_fall_short(void **state)
{
	static const size_t	 sizes[] = { 1, 2, 7, 100, sizeof(small) - 2,
				    sizeof(small) - 1, sizeof(small) };
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		empty_dir();
		give("sessions.json", small, strlen(small));
		read_max = sizes[i];
		reads = 0;
		import_again();
		assert_true(reads > 1);
		read_max = 0;
		assert_small();
		close_db();
	}
}

/* Runs the import in a child that dies before its n-th system call; whether it
 * got to its end before that. */
static bool
killed_at(unsigned int n)
{
	unsigned int	 calls = 0;
	pid_t		 pid;
	bool		 entry = true;
	int		 status;

	fflush(NULL);
	if ((pid = fork()) == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
			_exit(77);
		raise(SIGSTOP);
		open_db();
		_exit(import_sessions() == 0 ? 0 : 1);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		fail_msg("fork: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();		/* nobody may trace here */
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 &&
	    waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		if (entry && calls++ == n)
			break;
		entry = !entry;
	}
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		assert_true(WIFSIGNALED(status));
		return false;
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

static void
test_R12_killed_at_every_system_call(void **state)
{
	unsigned int	 n, empty = 0, full = 0;
	char		 file[160];
	bool		 done = false;

	(void)state;
	for (n = 0; !done; n++) {
		empty_dir();
		give("sessions.json", small, strlen(small));
		done = killed_at(n);
		assert_file("sessions.json", small, strlen(small));
		open_db();
		if (sessdb_count_sessions(db) == 0)
			empty++;
		else {
			/* All or nothing, and the copy before anything. */
			full++;
			assert_small();
			in_dir(file, sizeof(file), "sessions.json");
			unlink(file);
		}
		assert_int_equal(import_sessions(), 0);
		assert_small();
		close_db();
	}
	assert_true(empty > 20 && full > 0);
}

static void
test_R12_full_disk(void **state)
{
	struct rlimit	 old, lim;
	struct dbuf	 b;
	json_t		*e;
	rlim_t		 room;
	unsigned int	 refused = 0, i;

	(void)state;
	dbuf_init(&b, 1u << 20);
	dbuf_putc(&b, '{');
	for (i = 0; i < 500; i++)
		dbuf_printf(&b, "%s\"agent:main:s%u\": {\"sessionId\": "
		    "\"id%u\", \"updatedAt\": %u, \"pad\": \"%0100u\"}",
		    i > 0 ? ",\n" : "", i, i, i + 1, i);
	dbuf_putc(&b, '}');
	give("sessions.json", dbuf_str(&b), b.n);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	lim = old;
	/* The folder gets room step by step. */
	for (room = 4096; room < 16u << 20; room += 16384) {
		lim.rlim_cur = room;
		setrlimit(RLIMIT_FSIZE, &lim);
		db = sessdb_open(path, (char[256]){ 0 }, 256);
		if (db != NULL && import_sessions() == 0)
			break;
		refused++;
		if (db != NULL) {
			assert_int_equal(sessdb_count_sessions(db), 0);
			close_db();
		}
		setrlimit(RLIMIT_FSIZE, &old);
		assert_file("sessions.json", dbuf_str(&b), b.n);
		assert_no_file("sessions.json.imported.tmp");
	}
	setrlimit(RLIMIT_FSIZE, &old);
	assert_non_null(db);
	assert_true(refused > 3);
	assert_int_equal(sessdb_count_sessions(db), 500);
	e = entry_of("agent:main:s499");
	assert_int_equal(json_integer_value(json_object_get(e, "updatedAt")),
	    500);
	json_decref(e);
	assert_file("sessions.json.imported", dbuf_str(&b), b.n);
	assert_no_file("sessions.json.imported.1");
	close_db();
	dbuf_clear(&b);
}

static void
test_R12_damaged_files_are_kept(void **state)
{
	static const char deep[] = "{\"agent:main:main\": ";
	static const char *const bad[] = { "{\"agent:main:main\": {",
	    "[]", "7", "{} {}", "{\"a\": {\"b\": \"\xff\"}}", "\xef\xbb\xbf{}",
	    "{'a': 1}" };
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		empty_dir();
		give("sessions.json", bad[i], strlen(bad[i]));
		import_again();
		assert_int_equal(sessdb_count_sessions(db), 0);
		assert_file("sessions.json.imported", bad[i], strlen(bad[i]));
		close_db();
	}
	/* Cut anywhere: all of it counts or nothing. */
	for (i = 1; i < strlen(small); i += 9) {
		empty_dir();
		give("sessions.json", small, i);
		import_again();
		assert_int_equal(sessdb_count_sessions(db), 0);
		assert_file("sessions.json.imported", small, i);
		close_db();
	}
	empty_dir();
	dbuf_init(&b, 1u << 20);
	dbuf_puts(&b, deep);
	for (i = 0; i < 100000; i++)
		dbuf_putc(&b, '[');
	give("sessions.json", dbuf_str(&b), b.n);
	import_again();
	assert_int_equal(sessdb_count_sessions(db), 0);
	assert_file("sessions.json.imported", dbuf_str(&b), b.n);
	dbuf_clear(&b);
	close_db();
	/* Nothing in it: nothing to keep. */
	empty_dir();
	give("sessions.json", "", 0);
	import_again();
	assert_no_file("sessions.json.imported");
	close_db();
}

static void
test_R12_what_is_no_file_is_kept(void **state)
{
	char	 file[160], target[16];

	(void)state;
	in_dir(file, sizeof(file), "sessions.json");
	give("sessions.json.imported", "of another day", 14);
	assert_int_equal(symlink("elsewhere", file), 0);
	import_again();
	close_db();
	assert_no_file("sessions.json");
	assert_file("sessions.json.imported", "of another day", 14);
	in_dir(file, sizeof(file), "sessions.json.imported.1");
	assert_int_equal(readlink(file, target, sizeof(target)), 9);
}

static void
test_R12_an_older_copy_stays(void **state)
{
	(void)state;
	give("sessions.json.imported", "of another day", 14);
	give("sessions.json", small, strlen(small));
	import_again();
	assert_file("sessions.json.imported", "of another day", 14);
	assert_file("sessions.json.imported.1", small, strlen(small));
	close_db();
	/* The index is lost, then made again from the same file. */
	unlink(path);
	import_again();
	assert_int_equal(sessdb_count_sessions(db), 2);
	assert_no_file("sessions.json.imported.2");
	close_db();
}

static void
test_R12_unusable_entries(void **state)
{
	struct dbuf	 b;
	json_t		*e;
	size_t		 i;

	(void)state;
	dbuf_init(&b, 65536);
	dbuf_puts(&b, "{\"\": {}, \" : : \": {}, \"a\\nb\": {}, "
	    "\"null\": null, \"list\": [], \"text\": \"x\", "
	    "\"up\": {\"sessionId\": \"../../x\"}, "
	    "\"dot\": {\"sessionId\": \".x\"}, "
	    "\"num\": {\"sessionId\": 5}, "
	    "\"big\": {\"n\": 99999999999999999999999}, \"");
	for (i = 0; i < 600; i++)
		dbuf_putc(&b, 'k');
	dbuf_puts(&b, "\": {}, "
	    /* Half a pair, and a NUL: JavaScript writes them. */
	    "\"odd\": {\"sessionId\": \"o\", \"label\": \"x\\ud83d\", "
	    "\"nul\\u0000\": \"\\u0000\"}, "
	    "\"noid\": {\"sessionId\": null}, "
	    /* One session under three names: the newest. */
	    "\"Main\": {\"sessionId\": \"old\", \"updatedAt\": 5}, "
	    "\"agent:main:main\": {\"sessionId\": \"new\", \"updatedAt\": 9},"
	    "\"main\": {\"sessionId\": \"mid\", \"updatedAt\": 7}}");
	assert_false(dbuf_err(&b));
	give("sessions.json", dbuf_str(&b), b.n);
	import_again();
	assert_int_equal(sessdb_count_sessions(db), 3);
	e = entry_of("agent:main:main");
	assert_string_equal(json_string_value(json_object_get(e,
	    "sessionId")), "new");
	json_decref(e);
	e = entry_of("agent:main:odd");
	assert_string_equal(json_string_value(json_object_get(e, "label")),
	    "x\xef\xbf\xbd");
	json_decref(e);
	e = entry_of("agent:main:noid");
	assert_int_equal(strlen(json_string_value(json_object_get(e,
	    "sessionId"))), 36);
	json_decref(e);
	assert_file("sessions.json.imported", dbuf_str(&b), b.n);
	close_db();
	dbuf_clear(&b);
}

static void
test_R12_too_large_is_refused_and_stays(void **state)
{
	char	 file[160];

	(void)state;
	in_dir(file, sizeof(file), "sessions.json");
	give("sessions.json", "{}", 2);
	assert_int_equal(truncate(file, (256 << 20) + 1), 0);
	open_db();
	assert_int_equal(import_sessions(), -1);
	assert_int_equal(errno, EFBIG);
	close_db();
	/* Tried again: the refusal has left no mark. */
	give("sessions.json", small, strlen(small));
	import_again();
	assert_small();
	close_db();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f)	cmocka_unit_test_setup(f, fresh)
		TEST(test_R12_taken_over_once),
		TEST(test_R12_reads_that_fall_short),
		TEST(test_R12_killed_at_every_system_call),
		TEST(test_R12_full_disk),
		TEST(test_R12_damaged_files_are_kept),
		TEST(test_R12_what_is_no_file_is_kept),
		TEST(test_R12_an_older_copy_stays),
		TEST(test_R12_unusable_entries),
		TEST(test_R12_too_large_is_refused_and_stays),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
