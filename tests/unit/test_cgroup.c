/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The supervisor's part of the control groups: on a tree of plain files, and
 * for what needs no controller on a real one where there is one to write.
 */
#include "common/compat.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/cgroup.h"

static void
test_locate(void **state)
{
	static const char pure[] =
	    "22 1 0:20 / / rw - ext4 /dev/vda rw\n"
	    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 "
	    "rw,nsdelegate\n";
	static const char hybrid[] =
	    "31 22 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
	    "32 22 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
	static const char part[] =
	    "33 22 0:28 /kube/pod7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
	static const char odd[] =
	    "34 22 0:28 / /mnt/a\\040b rw - cgroup2 cgroup2 rw\n"
	    "35 22 0:28 / - cgroup2\n - cgroup2 \n";
	static const struct {
		const char *self, *mounts, *path;
	} t[] = {
		{ "0::/system.slice/gw.service\n", pure,
		    "/sys/fs/cgroup/system.slice/gw.service" },
		{ "0::/", pure, "/sys/fs/cgroup" },
		{ "9:pids:/a\n1:name=systemd:/b\n0::/c/d\n", hybrid,
		    "/sys/fs/cgroup/unified/c/d" },
		{ "0::/kube/pod7/x\n", part, "/sys/fs/cgroup/x" },
		{ "0::/kube/pod7\n", part, "/sys/fs/cgroup" },
		{ "0::/kube/pod77\n", part, NULL },
		{ "0::/elsewhere\n", part, NULL },
		{ "0::/../other\n", pure, NULL },
		{ "9:pids:/a\n", hybrid, NULL },
		{ "", pure, NULL },
		{ "0::/a\n", "", NULL },
		{ "0::/a\n", odd, NULL },
	};
	char path[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		errno = 0;
		if (t[i].path == NULL) {
			assert_int_equal(cgroup_locate(t[i].self, t[i].mounts,
			    path, sizeof(path)), -1);
			assert_int_equal(errno, ENOENT);
			continue;
		}
		assert_int_equal(cgroup_locate(t[i].self, t[i].mounts, path,
		    sizeof(path)), 0);
		assert_string_equal(path, t[i].path);
	}
	assert_int_equal(cgroup_locate("0::/a\n", pure, path, 8), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

/* --- plain files ---------------------------------------------------------- */

static void
fake(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_non_null(f = fopen(path, "we"));
	fputs(text, f);
	fclose(f);
}

static void
expect(const char *dir, const char *name, const char *text)
{
	char buf[256];
	int fd;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(fd, -1);
	assert_true(cgroup_get(fd, name, buf, sizeof(buf)) >= 0);
	close(fd);
	assert_string_equal(buf, text);
}

static void
fake_group(const char *dir, const char *controllers)
{
	assert_true(mkdir(dir, 0755) == 0 || errno == EEXIST);
	fake(dir, "cgroup.controllers", controllers);
	fake(dir, "cgroup.type", "domain\n");
	fake(dir, "cgroup.procs", "");
	fake(dir, "cgroup.threads", "");
	fake(dir, "cgroup.subtree_control", "");
}

/* As the kernel's own files go with their folder. */
static void
fake_gone(const char *dir)
{
	static const char *const names[] = { "cgroup.controllers",
	    "cgroup.type", "cgroup.procs", "cgroup.threads",
	    "cgroup.subtree_control" };
	char path[256];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void
test_tree_on_plain_files(void **state)
{
	static const char *const bad[] = { "", ".", "..", "a/b", "cgroup.kill",
	    "a b", "a\nb", "\xc3\xa4" };
	static const char all[] = "cpuset cpu io memory hugetlb pids\n";
	char agent[160], base[64] = "/tmp/gwcgtree.XXXXXX", jobs[96];
	char leaf[96], path[2200];
	struct cgroup_tree t;
	struct stat st;
	size_t i;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(base));
	snprintf(leaf, sizeof(leaf), "%s/supervisor", base);
	snprintf(jobs, sizeof(jobs), "%s/jobs", base);
	snprintf(agent, sizeof(agent), "%s/main", jobs);
	fake_group(base, all);
	fake_group(leaf, all);
	fake_group(jobs, all);
	fake_group(agent, all);
	assert_int_equal(cgroup_tree_open(&t, base, CGROUP_MEMORY |
	    CGROUP_PIDS), 0);
	assert_non_null(strstr(t.text, "cgroups below /tmp/gwcgtree."));
	assert_null(strstr(t.text, "without"));
	expect(leaf, "cgroup.procs", "0");
	expect(base, "cgroup.procs", "");
	expect(base, "cgroup.subtree_control", "+memory +pids +cpu");
	expect(jobs, "cgroup.subtree_control", "+memory +pids +cpu");
	/* Controllers of an agent's group are its jailer's to give. */
	fd = cgroup_tree_agent(&t, "main", geteuid() == 0 ? 610011 :
	    (uid_t)-1, 610012, path, sizeof(path));
	assert_int_not_equal(fd, -1);
	close(fd);
	assert_string_equal(path, agent);
	expect(agent, "cgroup.subtree_control", "");
	if (geteuid() == 0) {
		assert_int_equal(stat(agent, &st), 0);
		assert_int_equal(st.st_uid, 610011);
		snprintf(path, sizeof(path), "%s/cgroup.procs", agent);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, 610011);
		assert_int_equal(st.st_gid, 610012);
		/* limits of the whole agent stay the supervisor's */
		snprintf(path, sizeof(path), "%s/cgroup.type", agent);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(stat(jobs, &st), 0);
		assert_int_equal(st.st_uid, 0);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cgroup_tree_agent(&t, bad[i], (uid_t)-1,
		    (gid_t)-1, path, sizeof(path)), -1);
	fake_gone(agent);
	cgroup_tree_close(&t);
	assert_int_equal(t.fd, -1);
	expect(base, "cgroup.procs", "0");
	assert_int_equal(cgroup_tree_agent(&t, "main", (uid_t)-1, (gid_t)-1,
	    path, sizeof(path)), -1);
	cgroup_tree_close(&t);		/* again: nothing */

	/* No controller for processors is said; none for memory is none. */
	fake_group(base, "memory pids\n");
	fake_group(jobs, "memory pids\n");
	assert_int_equal(cgroup_tree_open(&t, base, CGROUP_MEMORY |
	    CGROUP_PIDS), 0);
	assert_non_null(strstr(t.text, "without the controller cpu"));
	expect(base, "cgroup.subtree_control", "+memory +pids");
	cgroup_tree_close(&t);
	fake_group(base, "memory_ pids memor\n");
	assert_int_equal(cgroup_tree_open(&t, base, CGROUP_MEMORY |
	    CGROUP_PIDS), -1);
	assert_int_equal(t.fd, -1);
	assert_non_null(strstr(t.text, "rlimits only"));
	assert_non_null(strstr(t.text, "lacks the controllers"));

	/* Half way is the way back: the process is not left in a leaf. */
	fake_group(base, all);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", jobs);
	assert_int_equal(unlink(path), 0);
	fake_group(jobs, all);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(cgroup_tree_open(&t, base, CGROUP_MEMORY), -1);
	assert_non_null(strstr(t.text, "rlimits only"));
	expect(base, "cgroup.procs", "0");

	/* The root of all groups is nobody's. */
	snprintf(path, sizeof(path), "%s/cgroup.type", base);
	unlink(path);
	assert_int_equal(cgroup_tree_open(&t, base, 0), -1);
	assert_non_null(strstr(t.text, "root of all groups"));
	fake_gone(leaf);
	fake_gone(jobs);
	fake_gone(base);
	assert_int_equal(cgroup_tree_open(&t, base, 0), -1);
	assert_non_null(strstr(t.text, "No such file"));
}

/* --- the kernel's --------------------------------------------------------- */

static pid_t
born_into(int group)
{
	struct clone_args a;
	pid_t pid;

	memset(&a, 0, sizeof(a));
	a.flags = CLONE_INTO_CGROUP;
	a.cgroup = (uint64_t)group;
	a.exit_signal = SIGCHLD;
	if ((pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a))) == 0)
		for (;;)
			pause();
	return pid;
}

/* In a process of its own, as it is moved about: 0, or the failed step. */
static int
real_tree(const char *base)
{
	char path[2200], procs[64], want[64];
	struct cgroup_tree t;
	int fd, i, status;
	pid_t pid;

	if ((fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    cgroup_enter(fd) == -1)
		return 1;
	close(fd);
	if (cgroup_tree_open(&t, base, 0) == -1)
		return 2;
	if (cgroup_get(t.fd, "cgroup.procs", procs, sizeof(procs)) != 0)
		return 3;		/* all have moved out */
	snprintf(want, sizeof(want), "%d\n", (int)getpid());
	if (cgroup_get(t.fd, "supervisor/cgroup.procs", procs,
	    sizeof(procs)) <= 0 || strcmp(procs, want) != 0)
		return 4;
	/* A jailer twice: the second finds a group that was killed. */
	for (i = 0; i < 2; i++) {
		fd = cgroup_tree_agent(&t, "main", 610011, 610012, path,
		    sizeof(path));
		if (fd == -1 || (pid = born_into(fd)) == -1)
			return 5;
		snprintf(want, sizeof(want), "%d\n", (int)pid);
		if (cgroup_get(fd, "cgroup.procs", procs,
		    sizeof(procs)) <= 0 || strcmp(procs, want) != 0)
			return 6;
		if (cgroup_put(fd, "cgroup.kill", "1") == -1 ||
		    waitpid(pid, &status, 0) != pid ||
		    !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			return 7;
		/* what a jailer leaves behind */
		if (mkdirat(fd, "jailer", 0755) == -1 ||
		    mkdirat(fd, "job-3", 0755) == -1)
			return 8;
		close(fd);
	}
	cgroup_tree_close(&t);
	if ((fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1 ||
	    faccessat(fd, "jobs", F_OK, 0) == 0 ||
	    faccessat(fd, "supervisor", F_OK, 0) == 0)
		return 9;
	snprintf(want, sizeof(want), "%d\n", (int)getpid());
	if (cgroup_get(fd, "cgroup.procs", procs, sizeof(procs)) <= 0 ||
	    strcmp(procs, want) != 0)
		return 10;
	return 0;
}

static void
test_tree_of_the_kernel(void **state)
{
	static const char *const at[] = { "/sys/fs/cgroup",
	    "/sys/fs/cgroup/unified" };
	char base[96], probe[64];
	size_t i;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (i = 0; i < 2; i++) {
		snprintf(probe, sizeof(probe), "%s/cgroup.controllers", at[i]);
		snprintf(base, sizeof(base), "%s/gwunit-%d", at[i],
		    (int)getpid());
		if (access(probe, F_OK) == 0 && mkdir(base, 0755) == 0)
			break;
	}
	if (i == 2)
		skip();
	if ((pid = fork()) == 0)
		_exit(real_tree(base));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(base);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(access(base, F_OK), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locate),
		cmocka_unit_test(test_tree_on_plain_files),
		cmocka_unit_test(test_tree_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
