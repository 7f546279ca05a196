/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One worker: clone3 with its namespaces, descriptors 0 to 5, exec.  Between
 * clone3 and exec only async-signal-safe calls are made.
 */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/child_exit.h"
#include "common/log.h"
#include "gatewayd/gatewayd.h"

#define FD_SAFE	16	/* sources above every number that a worker gets */

static int
fd_high(int fd)
{
	int	 high = fcntl(fd, F_DUPFD_CLOEXEC, FD_SAFE), saved = errno;

	close(fd);
	errno = saved;
	return high;
}

static void __attribute__((noreturn))
spawn_child(const char *path, char *const argv[], char *const envp[],
    const int *fds, uid_t uid, gid_t gid)
{
	int	 i;

	if (sandbox_child_prepare(sup.mode, uid, gid) == -1)
		_exit(CHILD_EXIT_PREPARE);
	for (i = 0; i < WORKER_FD_FIRST; i++)
		if (fds[i] == -1)
			close(i);
		else if (dup2(fds[i], i) == -1)
			_exit(CHILD_EXIT_PREPARE);
	close_range(WORKER_FD_FIRST, ~0U, 0);
	execve(path, argv, envp);
	_exit(CHILD_EXIT_EXEC);
}

int
spawn_path(enum role role, char *path, size_t size)
{
	if ((size_t)snprintf(path, size, "%s/%s", sup.libexec,
	    role_program(role)) < size)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

/* What the worker may see of the file system, told before anything else. */
static int
spawn_sandbox(struct proc *p, const char *cgroup)
{
	static uint8_t		 buf[60000];
	struct sandbox_spec	 spec;
	struct m_proc_sandbox	 m;
	const struct place	*pl;
	enum role		 owner;
	ssize_t			 n = -1;
	size_t			 i;
	int			 fd = -1, r = -1;

	sandbox_spec_init(&spec, p->role, sup.mode, sup.sandbox_flags,
	    sup.mode == SANDBOX_ROOT ? &sup.ids : NULL);
	for (i = 0; i < p->mounts.n; i++) {
		pl = &p->mounts.v[i];
		owner = pl->own ? p->role : ROLE_FILES;
		if ((pl->own || (pl->make && faccessat(AT_FDCWD, pl->path,
		    F_OK, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT)) &&
		    paths_own(pl->path, sup.ids.uid[owner],
		    sup.ids.gid[owner]) == -1) {
			log_warn("%s: %s", p->name, pl->path);
			goto out;
		}
		if (sandbox_spec_mount(&spec, pl->path, pl->flags) == -1) {
			log_warn("%s: mount %s", p->name, pl->path);
			goto out;
		}
	}
	if (cgroup != NULL && sandbox_spec_mount(&spec, cgroup, MNT_RW |
	    MNT_CGROUP) == -1)
		goto out;
	if ((n = sandbox_spec_encode(&spec, buf, sizeof(buf))) == -1)
		goto out;
	memset(&m, 0, sizeof(m));
	m.spec = (struct str){ (const char *)buf, (size_t)n };
	if (sup.netns_fd != -1 && (fd = dup(sup.netns_fd)) == -1)
		goto out;
	r = link_send_fds(p->ctl, MSG_PROC_SANDBOX, &m, 0, 0, &fd,
	    fd != -1 ? 1 : 0);
out:
	sandbox_spec_clear(&spec);
	return r;
}

int
spawn_start(struct proc *p)
{
	struct clone_args		 ca;
	char				 path[4096], tz[128], group[4096];
	char				*argv[4], *envp[3];
	int				 ctl[2] = { -1, -1 };
	int				 err[2] = { -1, -1 };
	int				 fds[WORKER_FD_FIRST], i, saved;
	int				 pidfd = -1, group_fd = -1;
	long				 pid;
	uid_t				 uid = geteuid();
	gid_t				 gid = getegid();

	for (i = 0; i < WORKER_FD_FIRST; i++)
		fds[i] = -1;
	if (spawn_path(p->role, path, sizeof(path)) == -1)
		return -1;
	argv[0] = (char *)(uintptr_t)role_program(p->role);
	argv[1] = p->instance[0] != '\0' ? (char *)(uintptr_t)"-i" : NULL;
	argv[2] = p->instance;
	argv[3] = NULL;
	/* The environment is built from nothing; a zone is all they need. */
	i = 0;
	envp[i++] = (char *)(uintptr_t)"PATH=/usr/bin:/bin";
	if (getenv("TZ") != NULL && (size_t)snprintf(tz, sizeof(tz), "TZ=%s",
	    getenv("TZ")) < sizeof(tz))
		envp[i++] = tz;
	envp[i] = NULL;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) == -1 ||
	    (fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    (fds[0] = fd_high(fds[0])) == -1)
		goto fail;
	fds[1] = fds[0];
	if (p->role == ROLE_LOG || p->role == ROLE_CONFIG)
		fds[2] = STDERR_FILENO;
	else {
		/* Full, it refuses: no worker ever waits for the logger. */
		if (pipe2(err, O_CLOEXEC | O_NONBLOCK) == -1 ||
		    (err[1] = fd_high(err[1])) == -1)
			goto fail;
		fds[2] = err[1];
	}
	if (fds[2] == STDERR_FILENO &&
	    (fds[2] = err[1] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC,
	    FD_SAFE)) == -1)
		goto fail;
	if ((ctl[1] = fd_high(ctl[1])) == -1)
		goto fail;
	fds[WORKER_FD_CTL] = ctl[1];
	fds[WORKER_FD_PARCEL] = p->parcel_fd;	/* kept high, see reload.c */

	memset(&ca, 0, sizeof(ca));
	ca.flags = sandbox_clone_flags(p->role, sup.mode) | CLONE_PIDFD;
	ca.pidfd = (uint64_t)(uintptr_t)&pidfd;
	ca.exit_signal = SIGCHLD;
	if (p->role == ROLE_JAILER && (group_fd = cgroup_tree_agent(
	    &sup.cgroup, p->instance, sup.mode == SANDBOX_ROOT ?
	    sup.ids.uid[p->role] : (uid_t)-1, sup.ids.gid[p->role], group,
	    sizeof(group))) != -1) {
		ca.flags |= CLONE_INTO_CGROUP;
		ca.cgroup = (uint64_t)group_fd;
	} else if (p->role == ROLE_JAILER && sup.cgroup.fd != -1)
		log_warn("%s: no cgroup", p->name);
	pid = syscall(SYS_clone3, &ca, sizeof(ca));
	if (group_fd != -1)
		close(group_fd);
	if (pid == -1)
		goto fail;
	if (pid == 0)
		spawn_child(path, argv, envp, fds, uid, gid);

	p->pid = (pid_t)pid;
	p->pidfd = pidfd;
	close(ctl[1]);
	close(fds[0]);
	if (err[1] != -1)
		close(err[1]);
	p->stderr_fd = err[0];
	p->ctl = link_new(sup.base, ctl[0], ROLE_PARENT, p->role, p->instance,
	    1, &proc_ctl_ops, p);
	if (p->ctl == NULL) {
		close(ctl[0]);
		return -1;	/* the caller kills it through the pidfd */
	}
	return spawn_sandbox(p, group_fd != -1 ? group : NULL);
fail:
	saved = errno;
	for (i = 0; i < 2; i++) {
		if (ctl[i] != -1)
			close(ctl[i]);
		if (err[i] != -1)
			close(err[i]);
	}
	if (fds[0] != -1)
		close(fds[0]);
	errno = saved;
	return -1;
}
