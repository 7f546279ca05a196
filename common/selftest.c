/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tries, as a locked-down process of a role, what that role must not do.  A
 * filter may end the process at the first try, so each attempt gets a process
 * of its own, born and locked as the supervisor would have it, with a few
 * descriptors from outside in its hands that it should have no use for.
 */
#include "common/compat.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "common/sandbox_profiles.h"
#include "common/selftest.h"

#define EXIT_BREACH	250	/* what was tried worked */
#define EXIT_SETUP	251	/* the lock-down failed: see the shared page */
#define EXIT_NOERRNO	249

/* Held by every attempt; made before the lock-down. */
static struct {
	char	 dir[64];
	char	 secret[96];	/* readable by all outside */
	char	 own[96];	/* the one folder the role gets */
	char	 planted[128];	/* in there */
	int	 root_fd;	/* "/" of the host, as if it had leaked */
	int	 exe_fd;
	int	 ns_fd;
	int	 pidfd;		/* of the driver of the test */
	int	 tty_fd;
	pid_t	 driver;
} held;

enum attempt_flag {
	NOT_JAILER	= 1,	/* the jailer has that right, in its box */
	NOT_CONNECT	= 2,
	READY_ONLY	= 4,	/* its start has that right */
	NEEDS_ROOT	= 8,	/* or has, where there is no private root */
};

struct attempt {
	const char	*name;
	int		(*try)(void);	/* 0: it worked */
	uint32_t	 except;
	uint32_t	 sets;		/* who has one of these may, too */
};

/* How far the lock-down goes before the attempt. */
enum stage { STAGE_START, STAGE_READY };

static int
try_open_secret(void)
{
	return open(held.secret, O_RDONLY | O_CLOEXEC) == -1 ? -1 : 0;
}

static int
try_open_shadow(void)
{
	return open("/etc/shadow", O_RDONLY | O_CLOEXEC) == -1 ? -1 : 0;
}

static int
try_open_environ(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)held.driver);
	return open(path, O_RDONLY | O_CLOEXEC) == -1 ? -1 : 0;
}

static int
try_openat_leaked(void)
{
	return openat(held.root_fd, "etc/passwd", O_RDONLY | O_CLOEXEC) == -1 ?
	    -1 : 0;
}

static int
try_open_dotdot(void)
{
	return openat(AT_FDCWD, "/../../../../../../etc/hostname",
	    O_WRONLY | O_CLOEXEC) == -1 ? -1 : 0;
}

static int
try_create(void)
{
	return open("/escape", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 ?
	    -1 : 0;
}

static int
try_create_tmp(void)
{
	return open("/tmp/escape", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) ==
	    -1 ? -1 : 0;
}

static int
try_exec(void)
{
	char *argv[] = { (char *)(uintptr_t)"true", NULL };

	execve("/bin/true", argv, NULL);
	return -1;
}

static int
try_exec_fd(void)
{
	char *argv[] = { (char *)(uintptr_t)"true", NULL };

	syscall(SYS_execveat, held.exe_fd, "", argv, NULL, AT_EMPTY_PATH);
	return -1;
}

static int
try_fork(void)
{
	long pid;

	if ((pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int
try_clone3_userns(void)
{
	struct clone_args a;
	long pid;

	memset(&a, 0, sizeof(a));
	a.flags = CLONE_NEWUSER;
	a.exit_signal = SIGCHLD;
	if ((pid = syscall(SYS_clone3, &a, sizeof(a))) == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int
try_unshare_user(void)
{
	return unshare(CLONE_NEWUSER);
}

static int
try_unshare_net(void)
{
	return unshare(CLONE_NEWNET);
}

static int
try_setns(void)
{
	return setns(held.ns_fd, 0);
}

static int
try_socket_inet(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) == -1 ? -1 : 0;
}

static int
try_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) == -1 ? -1 : 0;
}

static int
try_socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0) == -1 ? -1 : 0;
}

static int
try_socket_packet(void)
{
	return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0) == -1 ? -1 : 0;
}

static int
try_socket_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0) == -1 ? -1 : 0;
}

static int
try_listen(void)
{
	struct sockaddr_in sin;
	int fd;

	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons(48765);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		return -1;
	return listen(fd, 1);
}

static int
try_socketpair(void)
{
	int sv[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
}

static int
try_kill(void)
{
	return kill(held.driver, 0);
}

static int
try_kill_all(void)
{
	return kill(-1, 0);
}

static int
try_pidfd_signal(void)
{
	return (int)syscall(SYS_pidfd_send_signal, held.pidfd, 0, NULL, 0);
}

static int
try_pidfd_getfd(void)
{
	return syscall(SYS_pidfd_getfd, held.pidfd, 0, 0) == -1 ? -1 : 0;
}

static int
try_ptrace(void)
{
	return (int)ptrace(PTRACE_ATTACH, held.driver, NULL, NULL);
}

static int
try_ptrace_me(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int
try_vm_readv(void)
{
	char buf[8];
	struct iovec l = { buf, sizeof(buf) }, r = { &held, sizeof(buf) };

	return process_vm_readv(held.driver, &l, 1, &r, 1, 0) == -1 ? -1 : 0;
}

static int
try_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static int
try_open_tree(void)
{
	return open_tree(held.root_fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE) ==
	    -1 ? -1 : 0;
}

static int
try_chroot(void)
{
	if (fchdir(held.root_fd) == -1)
		return -1;
	return chroot(".");
}

static int
try_setuid(void)
{
	return setuid(0) == -1 || getuid() != 0 ? -1 : 0;
}

static int
try_bpf(void)
{
	return syscall(SYS_bpf, 0, NULL, 0) == -1 && errno != EFAULT &&
	    errno != EINVAL && errno != E2BIG ? -1 : 0;
}

static int
try_io_uring(void)
{
	char params[256];

	memset(params, 0, sizeof(params));
	return syscall(SYS_io_uring_setup, 1, params) == -1 ? -1 : 0;
}

static int
try_userfaultfd(void)
{
	return syscall(SYS_userfaultfd, 1) == -1 ? -1 : 0;
}

static int
try_keyctl(void)
{
	return syscall(SYS_keyctl, 0, -3, 1) == -1 ? -1 : 0;
}

static int
try_perf(void)
{
	char attr[128];

	memset(attr, 0, sizeof(attr));
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0) == -1 ? -1 : 0;
}

static int
try_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int
try_mprotect_exec(void)
{
	void *p;

	if ((p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED)
		return -1;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int
try_map_file(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE,
	    held.exe_fd, 0) == MAP_FAILED ? -1 : 0;
}

/* As the dynamic linker would with a library that somebody planted. */
static int
map_planted(const char *path)
{
	void *p;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	close(fd);
	return p == MAP_FAILED ? -1 : 0;
}

static int
try_map_planted(void)
{
	return map_planted(held.planted);
}

static int
try_tiocsti(void)
{
	return ioctl(held.tty_fd, TIOCSTI, "x");
}

static int
try_tiocsti_high(void)
{
	return (int)syscall(SYS_ioctl, held.tty_fd,
	    (unsigned long)TIOCSTI | 1UL << 32, "x");
}

static int
try_x32(void)
{
#ifdef __x86_64__
	return syscall(0x40000000 | SYS_getpid) == -1 ? -1 : 0;
#else
	errno = ENOSYS;
	return -1;
#endif
}

static int
try_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int
try_suid_file(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/suid", held.own);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700)) == -1)
		return -1;
	return fchmod(fd, 04755);
}

#ifndef GW_SANITIZED
static int
try_mprotect(void)
{
	void *p;

	if ((p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED)
		return -1;
	return mprotect(p, 4096, PROT_READ);
}
#endif

static int
try_seccomp(void)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct sock_fprog prog = { 1, &all };

	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
}

static int
try_landlock(void)
{
	/* asks for the version */
	return syscall(SYS_landlock_create_ruleset, NULL, 0, 1) == -1 ? -1 : 0;
}

static int
try_list(void)
{
	char buf[1024];
	int fd;

	if ((fd = open(held.own, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return -1;
	return syscall(SYS_getdents64, fd, buf, sizeof(buf)) == -1 ? -1 : 0;
}

static int
try_mkdir(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/folder", held.own);
	return mkdir(path, 0700);
}

static const struct attempt attempts[] = {
	{ "open a file of another user", try_open_secret,
	    NEEDS_ROOT, 0 },
	{ "open /etc/shadow", try_open_shadow, 0, 0 },
	{ "open the environment of another process", try_open_environ,
	    NEEDS_ROOT, 0 },
	{ "open below a leaked descriptor of /", try_openat_leaked,
	    NOT_JAILER | READY_ONLY, 0 },
	{ "write above the root", try_open_dotdot, 0, 0 },
	{ "make a file in /", try_create, 0, 0 },
	{ "make a file in /tmp", try_create_tmp,
	    NEEDS_ROOT, 0 },
	{ "exec a program", try_exec, NOT_JAILER, 0 },
	{ "exec from a descriptor", try_exec_fd, NOT_JAILER, 0 },
	{ "fork", try_fork, NOT_JAILER, 0 },
	{ "clone3 into a user namespace", try_clone3_userns, NOT_JAILER, 0 },
	{ "unshare a user namespace", try_unshare_user, 0, 0 },
	{ "unshare a network namespace", try_unshare_net, 0, 0 },
	{ "join a namespace", try_setns, 0, 0 },
	{ "make an Internet socket", try_socket_inet, NOT_CONNECT, 0 },
	{ "make a Unix socket", try_socket_unix, 0, SET_WHOIS },
	{ "make a netlink socket", try_socket_netlink, 0, 0 },
	{ "make a packet socket", try_socket_packet, 0, 0 },
	{ "make a vsock socket", try_socket_vsock, 0, 0 },
	{ "listen on a port", try_listen, 0, 0 },
	{ "make a socket pair", try_socketpair, NOT_JAILER, SET_PAIR },
	{ "signal the parent by number", try_kill, 0, 0 },
	{ "signal all", try_kill_all, 0, 0 },
	{ "signal through a leaked pidfd", try_pidfd_signal, 0, 0 },
	{ "take a descriptor of the parent", try_pidfd_getfd, 0, 0 },
	{ "trace the parent", try_ptrace, 0, 0 },
	{ "be traced", try_ptrace_me, 0, 0 },
	{ "read the memory of the parent", try_vm_readv, 0, 0 },
	{ "mount", try_mount, NOT_JAILER, 0 },
	{ "clone a leaked tree", try_open_tree, 0, 0 },
	{ "chroot to a leaked descriptor", try_chroot, 0, 0 },
	{ "become root", try_setuid, NOT_JAILER, 0 },
	{ "bpf", try_bpf, 0, 0 },
	{ "io_uring", try_io_uring, 0, 0 },
	{ "userfaultfd", try_userfaultfd, 0, 0 },
	{ "keyring", try_keyctl, 0, 0 },
	{ "perf events", try_perf, 0, 0 },
	{ "map memory to write and run", try_mmap_exec, NOT_JAILER, 0 },
	{ "make memory runnable", try_mprotect_exec, NOT_JAILER, 0 },
	{ "map a file to run it", try_map_file, NOT_JAILER, 0 },
	{ "load a planted library", try_map_planted, NOT_JAILER, 0 },
	{ "put input into a terminal", try_tiocsti, 0, 0 },
	{ "the same behind a long number", try_tiocsti_high, 0, 0 },
	{ "a call of another ABI", try_x32, 0, 0 },
	{ "become dumpable", try_dumpable, NOT_JAILER, 0 },
	{ "make a set-user-id file", try_suid_file, NOT_JAILER, 0 },
	{ "put on another filter", try_seccomp, NOT_JAILER | READY_ONLY, 0 },
	{ "ask for Landlock", try_landlock, NOT_JAILER | READY_ONLY, 0 },
#ifndef GW_SANITIZED
	{ "change how a page is protected", try_mprotect, NOT_JAILER |
	    READY_ONLY, SET_SECRET },
#endif
	{ "list a folder", try_list, NOT_JAILER, SET_LIST },
	{ "make a folder", try_mkdir, NOT_JAILER, SET_MKDIR },
};

static pid_t
clone_locked(uint64_t flags)
{
	struct clone_args a;

	memset(&a, 0, sizeof(a));
	a.flags = flags;
	a.exit_signal = SIGCHLD;
	return (pid_t)syscall(SYS_clone3, &a, sizeof(a));
}

/* Locks down as the role, then tries; never returns. */
static void
attempt_child(const struct attempt *at, const struct sandbox_spec *spec,
    const struct seccomp_made *made, enum stage stage, int netns, uid_t uid, gid_t gid,
    struct sandbox_report *rep)
{
	errno = 0;
	if (sandbox_child_prepare(spec->mode, uid, gid) == -1) {
		strlcpy(rep->detail, "maps of the user namespace",
		    sizeof(rep->detail));
		_exit(EXIT_SETUP);
	}
	if (sandbox_enter_early(spec, made, netns == -1 ? -1 :
	    fcntl(netns, F_DUPFD_CLOEXEC, 3), -1, rep) == -1 ||
	    (stage == STAGE_READY &&
	    sandbox_enter_late(spec, made, rep) == -1))
		_exit(EXIT_SETUP);
	if (at == NULL)
		_exit(0);
	errno = 0;
	if (at->try() == 0)
		_exit(EXIT_BREACH);
	_exit(errno > 0 && errno < EXIT_NOERRNO ? errno : EXIT_NOERRNO);
}

static int
held_open(void)
{
	int fd;

	memset(&held, 0, sizeof(held));
	strlcpy(held.dir, "/tmp/gwselftest.XXXXXX", sizeof(held.dir));
	if (mkdtemp(held.dir) == NULL || chmod(held.dir, 0755) == -1)
		return -1;
	snprintf(held.secret, sizeof(held.secret), "%s/secret", held.dir);
	snprintf(held.own, sizeof(held.own), "%s/own", held.dir);
	if ((fd = open(held.secret, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0644)) == -1 || fchmod(fd, 0644) == -1)
		return -1;
	close(fd);
	if (mkdir(held.own, 0777) == -1 || chmod(held.own, 0777) == -1)
		return -1;
	snprintf(held.planted, sizeof(held.planted), "%s/planted.so",
	    held.own);
	if ((fd = open(held.planted, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0755)) == -1 || fchmod(fd, 0755) == -1)
		return -1;
	close(fd);
	/* That it could be done but for the lock-down. */
	if (map_planted(held.planted) == -1)
		printf("# %s: nothing can be run from there anyway\n",
		    held.dir);
	held.driver = getpid();
	held.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	held.exe_fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
	held.ns_fd = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	held.pidfd = (int)syscall(SYS_pidfd_open, held.driver, 0);
	held.tty_fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	return 0;
}

static void
held_close(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/suid", held.own);
	unlink(path);
	snprintf(path, sizeof(path), "%s/folder", held.own);
	rmdir(path);
	unlink(held.planted);
	rmdir(held.own);
	unlink(held.secret);
	rmdir(held.dir);
}

/* One attempt in a process of its own; its wait status, or -1. */
static int
attempt_run(const struct attempt *at, const struct sandbox_spec *spec,
    const struct seccomp_made *made, enum stage stage, int netns,
    struct sandbox_report *rep)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int status;
	pid_t pid;

	if ((pid = clone_locked(sandbox_clone_flags(made->id,
	    spec->mode))) == -1)
		return -1;
	if (pid == 0)
		attempt_child(at, spec, made, stage, netns, uid, gid, rep);
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return status;
}

static bool
attempt_fits(const struct attempt *at, const struct sandbox_profile *pr,
    enum role role, enum stage stage, uint32_t facts)
{
	uint32_t sets;

	sets = pr->sets | (stage == STAGE_START ? pr->start : 0);
	return !((at->except & NOT_JAILER) && role == ROLE_JAILER) &&
	    !((at->except & NOT_CONNECT) && role == ROLE_CONNECT) &&
	    !((at->except & READY_ONLY) && stage == STAGE_START) &&
	    !((at->except & NEEDS_ROOT) && stage == STAGE_START &&
	    (facts & FACT_ROOT) == 0) &&
	    (at->sets & sets) == 0;
}

/* One line; was it stopped? */
static bool
attempt_tell(const struct attempt *at, enum stage stage, size_t n, int status,
    const struct sandbox_report *rep)
{
	const char *how, *when;
	bool ok;

	when = stage == STAGE_START ? "start: " : "";
	ok = true;
	if (status != -1 && WIFSIGNALED(status))
		how = WTERMSIG(status) == SIGSYS ? "ended by the filter" :
		    strsignal(WTERMSIG(status));
	else if (status != -1 && WIFEXITED(status) &&
	    WEXITSTATUS(status) != 0 && WEXITSTATUS(status) < EXIT_NOERRNO)
		how = strerrorname_np(WEXITSTATUS(status));
	else {
		ok = false;
		how = status == -1 || !WIFEXITED(status) ||
		    WEXITSTATUS(status) == EXIT_SETUP ? rep->detail :
		    "it worked";
	}
	printf("%sok %zu - %s%s: %s\n", ok ? "" : "not ", n, when, at->name,
	    how);
	return ok;
}

int
selftest_main(const struct seccomp_made *made)
{
	enum role role = made->id;
	const struct sandbox_profile *pr;
	const struct attempt *at;
	struct sandbox_ids ids;
	struct sandbox_spec spec;
	struct sandbox_report *rep;
	enum sandbox_mode mode;
	enum stage stage;
	char why[256];
	uint32_t bit, facts;
	size_t bad, i, tried;
	int netns, r, status;

	if ((pr = sandbox_profile_get(role)) == NULL)
		return 1;
	rep = mmap(NULL, sizeof(*rep), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rep == MAP_FAILED || sandbox_ids_load(&ids, 0) == -1 ||
	    held_open() == -1) {
		printf("Bail out! %s\n", strerrordesc_np(errno));
		return 1;
	}
	memset(&spec, 0, sizeof(spec));
	bad = tried = 0;
	r = 1;
	netns = -1;
	mode = sandbox_mode_probe(why, sizeof(why));
	if (mode == SANDBOX_NONE)
		printf("# weaker: %s\n", why);
	if (mode == SANDBOX_ROOT && (netns = sandbox_netns_new()) == -1) {
		printf("Bail out! network namespace: %s\n",
		    strerrordesc_np(errno));
		goto out;
	}
	sandbox_spec_init(&spec, role, mode, 0,
	    mode == SANDBOX_ROOT ? &ids : NULL);
	if (sandbox_spec_mount(&spec, held.own, MNT_RW) == -1)
		goto out;
	status = attempt_run(NULL, &spec, made, STAGE_READY, netns, rep);
	if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("Bail out! lock-down of %s: %s\n", role_name(role),
		    status != -1 && WIFSIGNALED(status) ?
		    strsignal(WTERMSIG(status)) : rep->detail);
		goto out;
	}
	printf("# %s, mode %s, class %s, landlock ABI %u, %u calls, "
	    "%u until ready\n# has:", role_name(role),
	    sandbox_mode_name(mode), pr->class, rep->landlock_abi,
	    rep->syscalls, rep->start_syscalls);
	for (bit = 1; bit < FACT_MAX; bit <<= 1)
		if (rep->facts & bit)
			printf(" %s", sandbox_fact_name(bit));
	printf("\n");
	if (rep->failed != 0 || rep->detail[0] != '\0')
		printf("# lacks: %s\n", rep->detail);
	facts = rep->facts;
	if ((facts & FACT_ROOT) == 0)
		printf("# until ready it can open what its user can\n");
	/* A deny-list is the same from its first moment to its last. */
	for (stage = pr->start != 0 ? STAGE_START : STAGE_READY;
	    stage <= STAGE_READY; stage++)
		for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
			at = &attempts[i];
			if (!attempt_fits(at, pr, role, stage, facts))
				continue;
			tried++;
			status = attempt_run(at, &spec, made, stage, netns,
			    rep);
			if (!attempt_tell(at, stage, tried, status, rep))
				bad++;
		}
	printf("1..%zu\n# %s: %zu tried, %zu worked\n", tried,
	    role_name(role), tried, bad);
	r = bad == 0 ? 0 : 1;
out:
	fflush(stdout);
	sandbox_spec_clear(&spec);
	held_close();
	if (netns != -1)
		close(netns);
	return r;
}
