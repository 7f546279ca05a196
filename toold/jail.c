/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The jailer's side of a job: making it, signalling it, collecting it. */
#include "common/compat.h"

#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <unistd.h>

#include "toold/jail.h"
#include "toold/jail_child.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

void
jail_init(struct jail *j)
{
	memset(j, 0, sizeof(*j));
	j->uid = getuid();
	j->gid = getgid();
	/* The call says nothing of failure; it is asked twice. */
	if (j->uid == 0) {
		(void)setfsuid(1);
		j->uid = setfsuid(0) == 1 ? 1 : 0;
	}
	if (j->gid == 0) {
		(void)setfsgid(1);
		j->gid = setfsgid(0) == 1 ? 1 : 0;
	}
	j->tmp_bytes = 64u << 20;
	j->cgroup_fd = -1;
}

const char *
jail_ready(void)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];

	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	if (syscall(SYS_capget, &h, d) == -1 ||
	    (d[0].effective & (1u << CAP_SYS_ADMIN)) == 0)
		return "this host lets the jailer make no namespaces";
	return NULL;
}

int
jail_spawn(const struct jail *j, const struct jail_job *job,
    struct jail_proc *proc)
{
	struct clone_args a;
	sigset_t all, old;
	int fd[2], pidfd, save;
	long pid;

	proc->pid = -1;
	proc->pidfd = proc->status_fd = -1;
	if (pipe2(fd, O_CLOEXEC) == -1)
		return -1;
	pidfd = -1;
	memset(&a, 0, sizeof(a));
	a.flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
	    CLONE_NEWIPC | CLONE_NEWUTS;	/* cgroup: jail_child() */
	a.pidfd = (uint64_t)(uintptr_t)&pidfd;
	a.exit_signal = SIGCHLD;
	if (job->cgroup_fd != -1) {
		a.flags |= CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)job->cgroup_fd;
	}
	/* No handler of the jailer's event loop may run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0) {
		close(fd[0]);
		jail_child(j, job, fd[1]);
	}
	save = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(fd[1]);
	if (pid == -1) {
		close(fd[0]);
		errno = save;
		return -1;
	}
	proc->pid = (pid_t)pid;
	proc->pidfd = pidfd;
	proc->status_fd = fd[0];
	return 0;
}

int
jail_signal(const struct jail_proc *proc, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, proc->pidfd, sig, NULL, 0);
}

int
jail_collect(struct jail_proc *proc, struct jail_result *res)
{
	struct jail_status st;
	struct rusage ru;
	siginfo_t si;
	ssize_t n;

	memset(res, 0, sizeof(*res));
	memset(&si, 0, sizeof(si));
	memset(&ru, 0, sizeof(ru));
	while (syscall(SYS_waitid, P_PIDFD, proc->pidfd, &si, WEXITED,
	    &ru) == -1)
		if (errno != EINTR)
			return -1;
	/* The whole tree has gone, so the pipe holds all there will be. */
	n = read(proc->status_fd, &st, sizeof(st));
	close(proc->status_fd);
	close(proc->pidfd);
	proc->status_fd = proc->pidfd = -1;
	proc->pid = -1;
	if (n == (ssize_t)sizeof(st)) {
		st.step[sizeof(st.step) - 1] = '\0';
		res->how = st.kind == JAIL_ST_FAILED ? JAIL_FAILED :
		    WIFSIGNALED(st.status) ? JAIL_SIGNALED : JAIL_EXITED;
		res->code = st.kind == JAIL_ST_FAILED ? (uint32_t)st.status :
		    WIFSIGNALED(st.status) ?
		    (uint32_t)WTERMSIG(st.status) :
		    (uint32_t)WEXITSTATUS(st.status);
		res->cpu_us = st.cpu_us;
		res->rss_kib = st.rss_kib;
		strlcpy(res->step, st.step, sizeof(res->step));
		return 0;
	}
	/* Process 1 was ended from outside, before it could say anything. */
	res->how = JAIL_SIGNALED;
	res->code = si.si_code == CLD_EXITED ? SIGKILL :
	    (uint32_t)si.si_status;
	res->cpu_us = (uint64_t)ru.ru_utime.tv_sec * 1000000u +
	    (uint64_t)ru.ru_utime.tv_usec +
	    (uint64_t)ru.ru_stime.tv_sec * 1000000u +
	    (uint64_t)ru.ru_stime.tv_usec;
	res->rss_kib = (uint64_t)ru.ru_maxrss;
	return 0;
}

ssize_t
jail_vector(const char *p, size_t n, char **vec, size_t max)
{
	const char *end;
	size_t count, len;

	if (n > 0 && p[n - 1] != '\0') {
		errno = EINVAL;
		return -1;
	}
	for (count = 0, end = p + n; p < end; p += len + 1) {
		len = strlen(p);
		if (count == max) {
			errno = E2BIG;
			return -1;
		}
		vec[count++] = (char *)(uintptr_t)p;
	}
	vec[count] = NULL;
	return (ssize_t)count;
}

const char *
jail_env_refused(char *const *envp)
{
	/* A star stands for the rest of the name. */
	static const char *const refused[] = { "LD_*", "DYLD_*", "BASH_ENV",
	    "BASH_FUNC_*", "BASHOPTS", "SHELLOPTS", "ENV", "IFS", "PS4",
	    "PROMPT_COMMAND", "NODE_OPTIONS", "NODE_PATH", "PYTHONSTARTUP",
	    "PYTHONPATH", "PYTHONHOME", "PYTHONINSPECT", "PERL5LIB",
	    "PERL5OPT", "PERL5DB", "PERLLIB", "RUBYLIB", "RUBYOPT", "GIT_SSH*",
	    "GIT_EXTERNAL_DIFF", "GIT_CONFIG*", "GIT_EXEC_PATH",
	    "GIT_TEMPLATE_DIR", "GIT_PROXY_COMMAND", "GLIBC_TUNABLES",
	    "GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "RES_OPTIONS",
	    "MALLOC_*", "OPENSSL_CONF", "OPENSSL_MODULES", "JAVA_TOOL_OPTIONS",
	    "_JAVA_OPTIONS" };
	const char *eq, *name;
	size_t i, k, n;

	for (i = 0; envp[i] != NULL; i++) {
		if ((eq = strchr(envp[i], '=')) == NULL || eq == envp[i])
			return envp[i][0] == '\0' ? "(empty)" : envp[i];
		n = (size_t)(eq - envp[i]);
		if (memchr(envp[i], '\n', n) != NULL)
			return "(a name with a line feed)";
		for (k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
			name = refused[k];
			if (name[strlen(name) - 1] == '*' ?
			    strncmp(envp[i], name, strlen(name) - 1) == 0 :
			    strlen(name) == n &&
			    strncmp(envp[i], name, n) == 0)
				return name;
		}
		for (k = 0; k < i; k++)
			if (strncmp(envp[k], envp[i], n + 1) == 0)
				return "(a name twice)";
	}
	return NULL;
}
