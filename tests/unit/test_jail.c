/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The parts of the jail that need no jail; control groups on a fake tree. */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

#include "toold/jail.h"
#include "common/cgroup.h"
#include "toold/jail_cgroup.h"

static void
test_vector(void **state)
{
	char *v[4];

	(void)state;
	assert_int_equal(jail_vector("a\0bc\0", 5, v, 3), 2);
	assert_string_equal(v[0], "a");
	assert_string_equal(v[1], "bc");
	assert_null(v[2]);
	assert_int_equal(jail_vector("\0\0", 2, v, 3), 2);
	assert_string_equal(v[1], "");
	assert_int_equal(jail_vector("", 0, v, 3), 0);
	assert_null(v[0]);
	assert_int_equal(jail_vector("ab", 2, v, 3), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(jail_vector("a\0b\0c\0", 6, v, 3), 3);
	assert_int_equal(jail_vector("a\0b\0c\0d\0", 8, v, 3), -1);
	assert_int_equal(errno, E2BIG);
}

static const char *
env1(const char *text)
{
	char *envp[3] = { (char *)(uintptr_t)"PATH=/bin",
	    (char *)(uintptr_t)text, NULL };

	return jail_env_refused(envp);
}

static void
test_T20_environment(void **state)
{
	static const char *const bad[] = { "LD_PRELOAD=/x", "LD_LIBRARY_PATH=",
	    "LD_AUDIT=x", "BASH_ENV=x", "ENV=x", "IFS=x", "PROMPT_COMMAND=x",
	    "NODE_OPTIONS=x", "PYTHONPATH=x", "PYTHONSTARTUP=x", "PERL5LIB=x",
	    "PERL5OPT=x", "RUBYOPT=x", "GIT_SSH=x", "GIT_SSH_COMMAND=x",
	    "GIT_EXTERNAL_DIFF=x", "GIT_CONFIG_COUNT=1", "BASH_FUNC_ls%%=x",
	    "GLIBC_TUNABLES=x", "SHELLOPTS=x", "=x", "x", "", "a\nb=c",
	    "PATH=/twice", "DYLD_INSERT_LIBRARIES=x", "GCONV_PATH=x" };
	static const char *const good[] = { "HOME=/w", "LANG=C.UTF-8",
	    "ENVIRONMENT=x", "IFSX=1", "GITHUB=x", "OPENCLAW_SHELL=exec",
	    "A=", "OLD_X=1", "PATHX=1", "TZ=Europe/Berlin" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (env1(bad[i]) == NULL)
			fail_msg("%s passed", bad[i]);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (env1(good[i]) != NULL)
			fail_msg("%s was refused", good[i]);
}

static void
fake(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, strlen(text)),
	    (ssize_t)strlen(text));
	close(fd);
}

static void
expect(const char *dir, const char *name, const char *text)
{
	char buf[128], path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_not_equal(fd, -1);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static const char *const files[] = { "memory.max", "memory.swap.max",
    "memory.oom.group", "pids.max", "cpu.max", "cgroup.kill",
    "memory.events", "pids.events", "cpu.stat", "memory.peak" };

static void
test_cgroup_on_a_fake_tree(void **state)
{
	struct jail_cgroup cg;
	struct jail_cgroup_use use;
	char dir[64] = "/tmp/gwcgroup.XXXXXX", job[96], path[160];
	uint32_t have;
	size_t i;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fake(dir, "cgroup.subtree_control", "");
	fake(dir, "cgroup.controllers", "cpuset cpu io memory pids\n");
	snprintf(path, sizeof(path), "%s/jailer", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	fake(path, "cgroup.procs", "");
	snprintf(job, sizeof(job), "%s/job-7", dir);
	assert_int_equal(mkdir(job, 0700), 0);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		fake(job, files[i], "");
	fake(job, "memory.events", "low 0\nhigh 0\noom 2\noom_kill 1\n");
	fake(job, "pids.events", "max 3\n");
	fake(job, "cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
	fake(job, "memory.peak", "1048576\n");
	fd = jail_cgroup_open(dir, &have);
	assert_int_not_equal(fd, -1);
	assert_int_equal(have, CGROUP_MEMORY | CGROUP_PIDS | CGROUP_CPU);
	snprintf(path, sizeof(path), "%s/jailer", dir);
	expect(path, "cgroup.procs", "0");
	expect(dir, "cgroup.subtree_control", "+memory +pids +cpu");
	assert_int_equal(jail_cgroup_begin(&cg, fd, 7, 1 << 20, 12), 0);
	assert_true(cg.memory && cg.pids && cg.cpu);
	expect(job, "memory.max", "1048576");
	expect(job, "memory.swap.max", "0");
	expect(job, "memory.oom.group", "1");
	expect(job, "pids.max", "12");
	expect(job, "cpu.max", "200000 100000");
	jail_cgroup_use(&cg, &use);
	assert_true(use.oom && !use.oom_above && use.pids);
	assert_int_equal(use.cpu_us, 1234);
	assert_int_equal(use.memory_peak, 1048576);
	fake(job, "memory.events", "oom 0\noom_kill 1\n");
	jail_cgroup_use(&cg, &use);
	assert_true(use.oom && use.oom_above);
	fake(job, "memory.events", "oom_kill 0\n");
	fake(job, "pids.events", "max 0\n");
	jail_cgroup_use(&cg, &use);
	assert_false(use.oom || use.pids);
	fake(job, "cgroup.kill", "");
	jail_cgroup_kill(&cg);
	expect(job, "cgroup.kill", "1");
	/* a real one would be empty of files; here rmdir fails, harmlessly */
	jail_cgroup_end(&cg);
	assert_int_equal(cg.fd, -1);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", job, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(job), 0);
	/* No controller: made all the same, nothing in force, and removed. */
	assert_int_equal(jail_cgroup_begin(&cg, fd, 8, 1 << 20, 12), 0);
	assert_false(cg.memory || cg.pids || cg.cpu);
	jail_cgroup_use(&cg, &use);
	assert_false(use.oom);
	jail_cgroup_end(&cg);
	snprintf(path, sizeof(path), "%s/job-8", dir);
	assert_int_equal(access(path, F_OK), -1);
	/* A link in place of the folder is not followed. */
	snprintf(path, sizeof(path), "%s/job-9", dir);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(jail_cgroup_begin(&cg, fd, 9, 0, 0), -1);
	unlink(path);
	close(fd);
	/* A group that this process may not enter is none. */
	snprintf(path, sizeof(path), "%s/jailer/cgroup.procs", dir);
	unlink(path);
	assert_int_equal(jail_cgroup_open(dir, &have), -1);
	snprintf(path, sizeof(path), "%s/jailer", dir);
	assert_int_equal(rmdir(path), 0);
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(jail_cgroup_open(dir, &have), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_T20_environment),
		cmocka_unit_test(test_cgroup_on_a_fake_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
