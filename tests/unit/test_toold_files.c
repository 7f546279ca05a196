/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* File operations beneath a folder, and races against them (T29, T30). */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "toold/files.h"

#define RACE_MS		2500

static struct files	 files;
static struct dbuf	 text, data;
static struct m_fw_res	 res;
static char		 base[64], root[96], outside[96];

static uint32_t
run(enum file_verb verb, const char *path, const char *content)
{
	struct m_fw_op	 op;

	memset(&op, 0, sizeof(op));
	op.op = 1;
	op.verb = verb;
	op.path = str_of(path);
	op.limit = UINT64_MAX;
	op.data = str_of(content);
	dbuf_reset(&text);
	dbuf_reset(&data);
	files_run(&files, &op, &res, &text, &data);
	return res.err;
}

static uint32_t
swap(const char *path, const char *old, const char *new)
{
	struct m_fw_op	 op;

	memset(&op, 0, sizeof(op));
	op.op = 1;
	op.verb = FILE_WRITE;
	op.path = str_of(path);
	op.offset = 1;
	op.data = str_of(new);
	op.data2 = str_of(old);
	files_run(&files, &op, &res, &text, &data);
	return res.err;
}

/* Host side, without any check. */
static void
put(const char *dir, const char *name, const char *content)
{
	char	 path[256];
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(content, f);
	fclose(f);
}

static void
holds(const char *dir, const char *name, const char *content)
{
	char	 path[256], buf[256];
	size_t	 n;
	FILE	*f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	fclose(f);
	assert_string_equal(buf, content);
}

static mode_t
mode_of(const char *name)
{
	struct stat	 st;
	char		 path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
link_to(const char *target, const char *name)
{
	char	 path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

static void
remove_all(const char *dir)
{
	pid_t	 pid = fork();

	if (pid == 0) {
		execl("/bin/rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

static int
group_setup(void **state)
{
	(void)state;
	strlcpy(base, "/tmp/toold-files-XXXXXX", sizeof(base));
	if (mkdtemp(base) == NULL)
		return -1;
	snprintf(root, sizeof(root), "%s/ws", base);
	snprintf(outside, sizeof(outside), "%s/out", base);
	if (mkdir(root, 0755) == -1 || mkdir(outside, 0755) == -1)
		return -1;
	umask(077);
	dbuf_init(&text, 4096);
	dbuf_init(&data, FILES_DATA_MAX + 1);
	put(outside, "secret", "canary");
	return files_open(&files, root);
}

static int
group_teardown(void **state)
{
	(void)state;
	files_close(&files);
	dbuf_clear(&text);
	dbuf_clear(&data);
	remove_all(base);
	return 0;
}

static void
test_write_read(void **state)
{
	char	 path[256];

	(void)state;
	assert_int_equal(run(FILE_WRITE, "a.txt", "hello"), 0);
	assert_string_equal(dbuf_str(&text), "created");
	assert_int_equal(res.n, 5);
	assert_int_equal(mode_of("a.txt"), 0644);
	assert_int_equal(run(FILE_READ, "a.txt", ""), 0);
	assert_true(str_eqs(res.data, "hello"));
	assert_int_equal(res.total, 5);
	/* the mode is kept, never more than it was */
	snprintf(path, sizeof(path), "%s/a.txt", root);
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(run(FILE_WRITE, "a.txt", "again"), 0);
	assert_string_equal(dbuf_str(&text), "replaced");
	assert_int_equal(mode_of("a.txt"), 0750);
	/* folders are made */
	assert_int_equal(run(FILE_WRITE, "x/y/z.txt", "deep"), 0);
	assert_int_equal(mode_of("x/y"), 0755);
	assert_int_equal(run(FILE_READ, "./x//y/../y/z.txt", ""), 0);
	assert_true(str_eqs(res.data, "deep"));
	/* absolute inside the workspace */
	snprintf(path, sizeof(path), "%s/x/y/z.txt", root);
	assert_int_equal(run(FILE_READ, path, ""), 0);
	assert_int_equal(run(FILE_WRITE, "empty", ""), 0);
	assert_int_equal(run(FILE_READ, "empty", ""), 0);
	assert_int_equal(res.n, 0);
}

static void
test_part(void **state)
{
	struct m_fw_op	 op;

	(void)state;
	run(FILE_WRITE, "part", "0123456789");
	memset(&op, 0, sizeof(op));
	op.verb = FILE_READ;
	op.path = STR_LIT("part");
	op.offset = 3;
	op.limit = 4;
	dbuf_reset(&data);
	files_run(&files, &op, &res, &text, &data);
	assert_true(str_eqs(res.data, "3456"));
	assert_int_equal(res.total, 10);
	op.offset = UINT64_MAX;
	op.limit = UINT64_MAX;
	dbuf_reset(&data);
	files_run(&files, &op, &res, &text, &data);
	assert_int_equal(res.err, 0);
	assert_int_equal(res.n, 0);
}

static void
test_errors(void **state)
{
	char	 path[256], other[256];

	(void)state;
	assert_int_equal(run(FILE_READ, "none", ""), ENOENT);
	assert_int_equal(run(FILE_READ, ".", ""), EISDIR);
	assert_int_equal(run(FILE_WRITE, ".", "x"), EISDIR);
	run(FILE_MKDIR, "dir/sub", "");
	assert_int_equal(res.err, 0);
	assert_int_equal(run(FILE_WRITE, "dir", "x"), EISDIR);
	run(FILE_WRITE, "plain", "x");
	assert_int_equal(run(FILE_WRITE, "plain/x", "x"), ENOTDIR);
	assert_int_equal(run(FILE_LIST, "plain", ""), ENOTDIR);
	assert_int_equal(run(FILE_MKDIR, "plain", ""), ENOTDIR);
	assert_int_equal(run(FILE_MKDIR, "dir", ""), 0);
	/* a FIFO neither blocks nor is read */
	snprintf(path, sizeof(path), "%s/fifo", root);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(run(FILE_READ, "fifo", ""), ENXIO);
	assert_int_equal(run(FILE_WRITE, "fifo", "x"), ENXIO);
	/* a second name elsewhere */
	snprintf(path, sizeof(path), "%s/secret", outside);
	snprintf(other, sizeof(other), "%s/hard", root);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(run(FILE_WRITE, "hard", "x"), EMLINK);
	holds(outside, "secret", "canary");
	unlink(other);
}

static void
test_compare_and_swap(void **state)
{
	(void)state;
	run(FILE_WRITE, "cas", "old");
	assert_int_equal(swap("cas", "other", "new"), ESTALE);
	assert_int_equal(swap("cas", "olx", "new"), ESTALE);
	assert_int_equal(swap("cas", "old", "new"), 0);
	holds(root, "cas", "new");
	assert_int_equal(swap("missing", "old", "new"), ENOENT);
}

static void
test_list_stat(void **state)
{
	(void)state;
	run(FILE_WRITE, "l/b", "1");
	run(FILE_WRITE, "l/a\x01", "1");
	run(FILE_MKDIR, "l/d", "");
	link_to("b", "l/s");
	assert_int_equal(run(FILE_LIST, "l", ""), 0);
	assert_true(str_eqs(res.data, "a\\x01\nb\nd/\ns@\n"));
	assert_int_equal(res.total, 4);
	assert_int_equal(run(FILE_STAT, "l/b", ""), 0);
	assert_true(str_prefix(res.text, "type=file size=1 mode=0644 mtime="));
	assert_int_equal(run(FILE_STAT, ".", ""), 0);
	assert_non_null(strstr(dbuf_str(&text), " free="));
}

static void
test_T30_leaving(void **state)
{
	char	 path[256];

	(void)state;
	assert_int_equal(run(FILE_READ, "../out/secret", ""), EXDEV);
	assert_int_equal(run(FILE_READ, "/etc/passwd", ""), EXDEV);
	assert_int_equal(run(FILE_WRITE, "/etc/x", "x"), EXDEV);
	snprintf(path, sizeof(path), "%s/secret", outside);
	assert_int_equal(run(FILE_READ, path, ""), EXDEV);
	snprintf(path, sizeof(path), "%s/../out/secret", root);
	assert_int_equal(run(FILE_READ, path, ""), EXDEV);
	assert_int_equal(run(FILE_READ, "~/x", ""), EINVAL);
	assert_int_equal(run(FILE_READ, "/proc/self/environ", ""), EXDEV);
}

static void
test_T29_links(void **state)
{
	char	 target[128];

	(void)state;
	snprintf(target, sizeof(target), "%s/secret", outside);
	link_to(target, "leak");
	assert_int_equal(run(FILE_READ, "leak", ""), ELOOP);
	assert_int_equal(run(FILE_WRITE, "leak", "x"), ELOOP);
	link_to(outside, "door");
	assert_int_equal(run(FILE_READ, "door/secret", ""), ELOOP);
	assert_int_equal(run(FILE_WRITE, "door/new", "x"), ELOOP);
	assert_int_equal(run(FILE_LIST, "door", ""), ELOOP);
	assert_int_equal(run(FILE_MKDIR, "door/d", ""), ELOOP);
	link_to("../out", "up");
	assert_int_equal(run(FILE_READ, "up/secret", ""), ELOOP);
	link_to("/proc/self/root", "magic");
	assert_int_equal(run(FILE_READ, "magic/etc/passwd", ""), ELOOP);
	/* also one that stays inside: links are not followed, T29 */
	run(FILE_WRITE, "inside", "x");
	link_to("inside", "alias");
	assert_int_equal(run(FILE_READ, "alias", ""), ELOOP);
	/* a missing target is not made */
	snprintf(target, sizeof(target), "%s/planted", outside);
	link_to(target, "dangling");
	assert_int_equal(run(FILE_WRITE, "dangling", "x"), ELOOP);
	assert_int_equal(access(target, F_OK), -1);
	holds(outside, "secret", "canary");
}

static atomic_bool	 racing;
static atomic_ulong	 swaps;

/* Swaps a folder with a link out of the workspace, and a file with a link, as
 * fast as it can. */
static void *
racer(void *arg)
{
	char	 a[128], b[128], c[128], d[128];

	(void)arg;
	snprintf(a, sizeof(a), "%s/race", root);
	snprintf(b, sizeof(b), "%s/race-link", root);
	snprintf(c, sizeof(c), "%s/leaf", root);
	snprintf(d, sizeof(d), "%s/leaf-link", root);
	while (racing) {
		syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b,
		    2 /* RENAME_EXCHANGE */);
		syscall(SYS_renameat2, AT_FDCWD, c, AT_FDCWD, d, 2);
		swaps += 2;
	}
	return NULL;
}

static void
test_T29_race(void **state)
{
	char		 target[128];
	pthread_t	 thread;
	uint64_t	 end;
	unsigned long	 tries = 0, inside = 0;
	uint32_t	 err;

	(void)state;
	run(FILE_WRITE, "race/secret", "inside");
	run(FILE_WRITE, "leaf", "inside");
	link_to(outside, "race-link");
	snprintf(target, sizeof(target), "%s/secret", outside);
	link_to(target, "leaf-link");
	racing = true;
	swaps = 0;
	assert_int_equal(pthread_create(&thread, NULL, racer, NULL), 0);
	end = mono_ms() + RACE_MS;
	/* At least so long, and so often, whoever else uses the machine. */
	while (mono_ms() < end || ((tries <= 1000 || swaps <= 1000) &&
	    mono_ms() < end + 100000)) {
		tries += 4;
		/* Whatever it says, it never reads or writes outside. */
		if ((err = run(FILE_READ, "race/secret", "")) == 0) {
			assert_true(str_eqs(res.data, "inside"));
			inside++;
		} else
			assert_true(err == ELOOP || err == ENOTDIR ||
			    err == ENOENT || err == EAGAIN);
		run(FILE_WRITE, "race/secret", "inside");
		if (run(FILE_READ, "leaf", "") == 0) {
			assert_true(str_eqs(res.data, "inside"));
			inside++;
		}
		/* write to a name that flips between a file and a link: may
		 * replace either name, never what the link leads to */
		if (tries % 64 == 0) {
			run(FILE_WRITE, "race/new", "inside");
			run(FILE_LIST, "race", "");
			if (res.err == 0)
				assert_null(strstr(dbuf_str(&data), "canary"));
		}
	}
	racing = false;
	pthread_join(thread, NULL);
	print_message("%lu operations against %lu swaps, %lu went through\n",
	    tries, (unsigned long)swaps, inside);
	assert_true(swaps > 1000);
	assert_true(tries > 1000);
	holds(outside, "secret", "canary");
	snprintf(target, sizeof(target), "%s/new", outside);
	assert_int_equal(access(target, F_OK), -1);
}

static void
test_sizes(void **state)
{
	struct m_fw_op	 op;
	char		 path[256];
	char		*p = calloc(1, FILES_DATA_MAX);
	int		 fd;

	(void)state;
	assert_non_null(p);
	memset(&op, 0, sizeof(op));
	op.verb = FILE_WRITE;
	op.path = STR_LIT("big");
	op.data = (struct str){p, FILES_DATA_MAX};
	files_run(&files, &op, &res, &text, &data);
	assert_int_equal(res.err, 0);
	/* a sparse file of a terabyte takes no memory */
	snprintf(path, sizeof(path), "%s/sparse", root);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_true(fd >= 0);
	if (ftruncate(fd, (off_t)1 << 40) == 0) {
		assert_int_equal(run(FILE_READ, "sparse", ""), 0);
		assert_int_equal(res.total, (uint64_t)1 << 40);
		assert_int_equal(res.n, FILES_DATA_MAX);
	}
	close(fd);
	free(p);
}

/* In a child with a small file system of its own over the workspace. */
static int
small_disk(void)
{
	struct files	 f;
	struct m_fw_op	 op;
	char		 path[256], map[64], *p = calloc(1, 1 << 20);
	uid_t		 uid = geteuid();
	gid_t		 gid = getegid();
	int		 fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1)
		return 77;
	if ((fd = open("/proc/self/setgroups", O_WRONLY)) != -1) {
		if (write(fd, "deny", 4) != 4)
			return 77;
		close(fd);
	}
	snprintf(map, sizeof(map), "0 %u 1", (unsigned int)uid);
	fd = open("/proc/self/uid_map", O_WRONLY);
	if (fd == -1 || write(fd, map, strlen(map)) == -1)
		return 77;
	close(fd);
	snprintf(map, sizeof(map), "0 %u 1", (unsigned int)gid);
	fd = open("/proc/self/gid_map", O_WRONLY);
	if (fd == -1 || write(fd, map, strlen(map)) == -1)
		return 77;
	close(fd);
	if (mount("none", root, "tmpfs", 0, "size=256k") == -1)
		return 77;
	if (files_open(&f, root) == -1)
		return 1;
	files = f;
	if (run(FILE_WRITE, "keep", "old") != 0)
		return 2;
	memset(&op, 0, sizeof(op));
	op.verb = FILE_WRITE;
	op.path = STR_LIT("keep");
	op.data = (struct str){p, 1 << 20};
	files_run(&files, &op, &res, &text, &data);
	if (res.err != ENOSPC)
		return 3;
	if (run(FILE_READ, "keep", "") != 0 || !str_eqs(res.data, "old"))
		return 4;
	/* nothing half-written stays, and there is room again */
	if (run(FILE_LIST, ".", "") != 0 || !str_eqs(res.data, "keep\n"))
		return 5;
	if (run(FILE_WRITE, "keep", "new") != 0)
		return 6;
	snprintf(path, sizeof(path), "%s", root);
	if (mount("none", path, NULL, MS_REMOUNT | MS_RDONLY, NULL) == -1)
		return 77;
	if (run(FILE_WRITE, "keep", "newer") != EROFS &&
	    res.err != EACCES)
		return 7;
	if (run(FILE_MKDIR, "d", "") != EROFS)
		return 8;
	if (run(FILE_READ, "keep", "") != 0 || !str_eqs(res.data, "new"))
		return 9;
	return 0;
}

static void
test_R15_disk_full_and_read_only(void **state)
{
	pid_t	 pid;
	int	 st;

	(void)state;
	if ((pid = fork()) == 0)
		_exit(small_disk());
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	if (WEXITSTATUS(st) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(st), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_read),
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_compare_and_swap),
		cmocka_unit_test(test_list_stat),
		cmocka_unit_test(test_T30_leaving),
		cmocka_unit_test(test_T29_links),
		cmocka_unit_test(test_T29_race),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_R15_disk_full_and_read_only),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
