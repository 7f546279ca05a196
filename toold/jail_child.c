/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From the clone of a job to the exec of its command.  Starts with the
 * jailer's capabilities and a copy of its memory; takes both away step by
 * step.  Every step that fails ends the job with its name; nothing is skipped
 * but /proc, where a host does not let a user namespace have one.
 *
 * Process 1: /proc and /tmp anew, capabilities off, child, own filter, wait.
 * Its child: session, user, limits, Landlock, filter, exec.
 */
#include "common/compat.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/mountfd.h"
#include "common/sandbox_profiles.h"
#include "common/sandbox_root.h"
#include "common/seccomp.h"
#include "toold/jail_child.h"

#define STATUS_FD	3		/* after fds_arrange() */
#define PROC_SLACK	2		/* the reaper, and the jailer itself */
#define NOFILE_MAX	1024
#define OOM_SCORE	"500"		/* of -1000 (never) to 1000 */

static int	 status_fd;
static pid_t	 command_pid;

static void	 fail(const char *, int) __attribute__((noreturn));
static void	 fds_arrange(const struct jail_job *, int);
static int	 folders_make(const char *);
static void	 mounts_private(const struct jail *);
static void	 score_raise(void);
static void	 caps_empty(void);
static void	 reaper_loop(void) __attribute__((noreturn));
static void	 command_start(const struct jail *, const struct jail_job *)
		    __attribute__((noreturn));
static void	 command_limits(const struct jail_job *);
static void	 command_landlock(const struct jail *);
static void	 command_exec(const struct jail_job *)
		    __attribute__((noreturn));

static void
fail(const char *step, int err)
{
	struct jail_status st;

	memset(&st, 0, sizeof(st));
	st.kind = JAIL_ST_FAILED;
	st.status = err;
	strlcpy(st.step, step, sizeof(st.step));
	(void)!write(status_fd, &st, sizeof(st));
	_exit(127);
}

/* 0, 1, 2 from the job, 3 the status pipe, nothing else. */
static void
fds_arrange(const struct jail_job *job, int st)
{
	int fd[4], i;

	/* Out of the way first, so that no dup2 lands on one still needed. */
	for (i = 0; i < 4; i++) {
		fd[i] = fcntl(i == 3 ? st : job->fd[i], F_DUPFD, 10);
		if (fd[i] == -1) {
			status_fd = st;
			fail("descriptors", errno);
		}
	}
	for (i = 0; i < 4; i++)
		if (dup2(fd[i], i) == -1) {
			status_fd = fd[3];
			fail("descriptors", errno);
		}
	status_fd = STATUS_FD;
	if (fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC) == -1 ||
	    syscall(SYS_close_range, STATUS_FD + 1, ~0U, 0) == -1)
		fail("descriptors", errno);
}

/* Every folder of an absolute path that is not there yet. */
static int
folders_make(const char *path)
{
	char part[PATH_MAX];
	size_t i;

	if (strlcpy(part, path, sizeof(part)) >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (i = 1; part[i] != '\0'; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0755) == -1 && errno != EEXIST)
			return -1;
		part[i] = '/';
	}
	return mkdir(part, 0755) == -1 && errno != EEXIST ? -1 : 0;
}

/* What is new in this job's copy of the jailer's tree. */
static void
mounts_private(const struct jail *j)
{
	static const char *const proc_opt[] = { "subset", "pid", "hidepid",
	    "invisible", NULL };
	char gid[16], size[24], uid[16];
	const char *tmp_opt[] = { "size", size, "uid", uid, "gid", gid, "mode",
	    "1777", "nr_inodes", "65536", NULL };
	int below[JAIL_RW_MAX], fd;
	size_t i;

	/* A workspace below /tmp is carried over into the private one. */
	for (i = 0; i < j->nrw; i++) {
		below[i] = -1;
		if (strncmp(j->rw[i], "/tmp/", 5) == 0 &&
		    (below[i] = open_tree(AT_FDCWD, j->rw[i],
		    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)) == -1)
			fail("workspace", errno);
	}
	snprintf(size, sizeof(size), "%llu", (unsigned long long)j->tmp_bytes);
	snprintf(uid, sizeof(uid), "%u", (unsigned int)j->uid);
	snprintf(gid, sizeof(gid), "%u", (unsigned int)j->gid);
	if ((fd = fs_new("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	    tmp_opt)) == -1 || fs_place(fd, AT_FDCWD, "/tmp") == -1)
		fail("/tmp", errno);
	close(fd);
	for (i = 0; i < j->nrw; i++) {
		if (below[i] == -1)
			continue;
		if (folders_make(j->rw[i]) == -1 ||
		    fs_place(below[i], AT_FDCWD, j->rw[i]) == -1)
			fail("workspace", errno);
		close(below[i]);
	}
	/* Over the jailer's, which would show the other jobs. */
	fd = fs_new("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
	    MOUNT_ATTR_NOEXEC, proc_opt);
	if (fd != -1) {
		if (fs_place(fd, AT_FDCWD, "/proc") == -1)
			fail("/proc", errno);
		close(fd);
	} else if (umount2("/proc", MNT_DETACH) == -1 && errno != EINVAL &&
	    errno != ENOENT)
		fail("/proc", errno);
}

/*
 * When memory runs out above a job, in the unit or on a host without groups,
 * it goes before the gateway, whose processes are larger than a shell that
 * fills its /tmp.  Inherited; Landlock keeps the command from taking it back.
 */
static void
score_raise(void)
{
	int fd;

	/* The files of who may not be dumped are root's; nobody in here can
	 * use the moment. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1)
		fail("score", errno);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd != -1) {		/* else no /proc: as before */
		(void)!write(fd, OOM_SCORE, sizeof(OOM_SCORE) - 1);
		close(fd);
	}
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fail("score", errno);
}

static void
caps_empty(void)
{
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];

	memset(&h, 0, sizeof(h));
	h.version = _LINUX_CAPABILITY_VERSION_3;
	memset(d, 0, sizeof(d));
	if (syscall(SYS_capset, &h, d) == -1)
		fail("capabilities", errno);
}

static void
forward_signal(int sig)
{
	int save = errno;

	/* The command is leader of its own group. */
	if (command_pid > 0)
		kill(-command_pid, sig);
	errno = save;
}

void
jail_child(const struct jail *j, const struct jail_job *job, int st)
{
	struct sigaction sa;
	sigset_t none;
	size_t i;
	int cap, sig;
	static const int forwarded[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT,
	    SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM };

	fds_arrange(job, st);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		fail("death signal", errno);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	/* Here and not with the clone, where the namespace would have the
	 * jailer's group as its root and show the job its own name. */
	if (unshare(CLONE_NEWCGROUP) == -1)
		fail("cgroup namespace", errno);
	mounts_private(j);
	score_raise();
	/* Bounding set: five are left of what the jailer was born with. */
	for (cap = 0; cap < 41; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == -1)
			fail("bounding set", errno);
	/* EPERM: an ordinary user's namespace has no groups to set. */
	if ((setgroups(0, NULL) == -1 && errno != EPERM) ||
	    setresgid(j->gid, j->gid, j->gid) == -1 ||
	    setresuid(j->uid, j->uid, j->uid) == -1)
		fail("user", errno);
	caps_empty();
	/* The change of user cleared it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
		fail("no_new_privs", errno);
	for (i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
		sa.sa_handler = forward_signal;
		sa.sa_flags = SA_RESTART;
		sigaction(forwarded[i], &sa, NULL);
	}
	if ((command_pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) ==
	    -1)
		fail("fork", errno);
	if (command_pid == 0)
		command_start(j, job);
	/* The command's output must not stay open in here. */
	close(0);
	close(1);
	close(2);
	if (seccomp_filter_load(&seccomp_of_REAPER.filter) == -1)
		fail("filter of process 1", errno);
	reaper_loop();
}

static void
reaper_loop(void)
{
	struct jail_status st;
	struct rusage ru;
	int status;
	pid_t pid;

	memset(&st, 0, sizeof(st));
	st.kind = JAIL_ST_ENDED;
	for (;;) {
		pid = wait4(-1, &status, 0, &ru);
		if (pid == -1) {
			if (errno == EINTR)
				continue;
			_exit(126);
		}
		st.cpu_us += (uint64_t)ru.ru_utime.tv_sec * 1000000u +
		    (uint64_t)ru.ru_utime.tv_usec +
		    (uint64_t)ru.ru_stime.tv_sec * 1000000u +
		    (uint64_t)ru.ru_stime.tv_usec;
		if ((uint64_t)ru.ru_maxrss > st.rss_kib)
			st.rss_kib = (uint64_t)ru.ru_maxrss;
		if (pid == command_pid)
			break;
	}
	/* When the start failed its own report came first and is what the
	 * jailer reads; this one is then left in the pipe. */
	st.status = status;
	(void)!write(STATUS_FD, &st, sizeof(st));
	/* Whatever the command left running ends with us. */
	_exit(0);
}

/* --- the command --------------------------------------------------------- */

static void
limit_set(int what, uint64_t v)
{
	struct rlimit l;

	if (getrlimit(what, &l) == -1)
		fail("limits", errno);
	if (l.rlim_max != RLIM_INFINITY && v > l.rlim_max)
		v = l.rlim_max;
	l.rlim_cur = l.rlim_max = (rlim_t)v;
	if (setrlimit(what, &l) == -1)
		fail("limits", errno);
}

static void
command_limits(const struct jail_job *job)
{
	limit_set(RLIMIT_CORE, 0);
	limit_set(RLIMIT_NOFILE, NOFILE_MAX);
	limit_set(RLIMIT_MEMLOCK, 64u << 10);
	limit_set(RLIMIT_MSGQUEUE, 0);
	limit_set(RLIMIT_SIGPENDING, 1024);
	limit_set(RLIMIT_RTPRIO, 0);
	if (job->file_bytes != 0)
		limit_set(RLIMIT_FSIZE, job->file_bytes);
	if (job->cpu_s != 0)
		limit_set(RLIMIT_CPU, job->cpu_s);
	if (job->pids != 0)
		limit_set(RLIMIT_NPROC, (uint64_t)job->pids + PROC_SLACK);
	if (job->memory_bytes != 0) {
		/* Private memory is what is meant; address space is only kept
		 * from growing without end, for runtimes reserve much more of
		 * it than they use. */
		limit_set(RLIMIT_DATA, job->memory_bytes);
		if (job->memory_bytes < UINT64_MAX / 8)
			limit_set(RLIMIT_AS, job->memory_bytes * 4);
	}
}

static void
command_landlock(const struct jail *j)
{
	struct landlock ll;
	size_t i;

	if (landlock_begin(&ll, LANDLOCK_FS | LANDLOCK_NET |
	    LANDLOCK_SCOPE) == -1) {
		if (errno == ENOSYS || errno == EOPNOTSUPP)
			return;	/* the self-test says that it is missing */
		fail("landlock", errno);
	}
	if (landlock_allow_path(&ll, "/", LANDLOCK_READ | LANDLOCK_EXEC) ==
	    -1 || landlock_allow_path(&ll, "/tmp", LANDLOCK_READ |
	    LANDLOCK_EXEC | LANDLOCK_WRITE) == -1 ||
	    landlock_allow_path(&ll, "/dev", LANDLOCK_READ |
	    LANDLOCK_DEVICE) == -1)
		fail("landlock", errno);
	for (i = 0; i < j->nrw; i++)
		if (landlock_allow_path(&ll, j->rw[i], LANDLOCK_READ |
		    LANDLOCK_EXEC | LANDLOCK_WRITE) == -1)
			fail("landlock", errno);
	if (landlock_enforce(&ll) == -1)
		fail("landlock", errno);
}

static void
command_start(const struct jail *j, const struct jail_job *job)
{
	struct sigaction sa;
	int sig;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	if (setsid() == -1)
		fail("session", errno);
	if (job->pty && ioctl(0, TIOCSCTTY, 0) == -1)
		fail("terminal", errno);
	command_limits(job);
	if (chdir(job->cwd) == -1)
		fail("cwd", errno);
	command_landlock(j);
	if (seccomp_filter_load(&seccomp_of_JOB.filter) == -1)
		fail("filter", errno);
	if (job->run != NULL) {
		close(STATUS_FD);	/* it gets what a command gets */
		_exit(job->run(job->run_arg));
	}
	command_exec(job);
}

/*
 * By path, or by name along PATH of the job's own environment.  Not execvp:
 * that hands a file without a known format to a shell.
 */
static void
command_exec(const struct jail_job *job)
{
	char path[PATH_MAX];
	const char *dir, *end, *name;
	size_t i, n;
	int err, r;

	name = job->argv[0];
	if (strchr(name, '/') != NULL) {
		execve(name, job->argv, job->envp);
		fail("exec", errno);
	}
	dir = JAIL_PATH;
	for (i = 0; job->envp[i] != NULL; i++)
		if (strncmp(job->envp[i], "PATH=", 5) == 0)
			dir = job->envp[i] + 5;
	err = ENOENT;
	for (;; dir = end + 1) {
		end = strchrnul(dir, ':');
		n = (size_t)(end - dir);
		r = snprintf(path, sizeof(path), "%.*s/%s", (int)n, dir, name);
		if (n > 0 && dir[0] == '/' && r > 0 &&
		    (size_t)r < sizeof(path)) {
			execve(path, job->argv, job->envp);
			if (errno != ENOENT && errno != ENOTDIR)
				err = errno;
		}
		if (*end == '\0')
			break;
	}
	fail("exec", err);
}
