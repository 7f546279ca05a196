/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The tables: profiles by role, and system calls by set.  Data only.  This
 * file is compiled twice: into libcommon, and into the build tool that makes
 * the filters, so it depends on no other module.
 *
 * Allow-lists end the process on a miss; calls that libraries probe with get
 * an errno instead.  Deny-lists (parent, jailer) are those that pass to jobs
 * by inheritance, and may therefore refuse only what no job may have.
 */
#include "common/compat.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <signal.h>

#include "common/sandbox.h"
#include "common/sandbox_profiles.h"

static const struct profile_mount mounts_none[] = {
	{ NULL, 0 }
};
/* Certificates that the clients of TLS trust; one of these exists. */
static const struct profile_mount mounts_tls[] = {
	{ "/etc/ssl/certs/ca-certificates.crt", MNT_RO | MNT_OPT },
	{ "/etc/pki/tls/certs/ca-bundle.crt", MNT_RO | MNT_OPT },
	{ "/etc/ssl/cert.pem", MNT_RO | MNT_OPT },
	{ NULL, 0 }
};
static const struct profile_mount mounts_dns[] = {
	{ "/etc/resolv.conf", MNT_RO | MNT_OPT },
	{ "/etc/hosts", MNT_RO | MNT_OPT },
	{ NULL, 0 }
};
/* agentd tells whether the programs that skills need are where jobs look, and
 * toold which one a command names. */
static const struct profile_mount mounts_tool[] = {
	{ "/usr", MNT_RO },
	{ "/bin", MNT_RO | MNT_OPT },
	{ "/sbin", MNT_RO | MNT_OPT },
	{ "/etc/alternatives", MNT_RO | MNT_OPT },
	{ "/etc/localtime", MNT_RO | MNT_OPT },
	{ NULL, 0 }
};
/* What jobs see of the system, read-only.  /etc/passwd and group are made. */
static const struct profile_mount mounts_jail[] = {
	{ "/usr", MNT_RO },
	{ "/bin", MNT_RO | MNT_OPT },
	{ "/sbin", MNT_RO | MNT_OPT },
	{ "/lib", MNT_RO | MNT_OPT },
	{ "/lib32", MNT_RO | MNT_OPT },
	{ "/lib64", MNT_RO | MNT_OPT },
	{ "/libx32", MNT_RO | MNT_OPT },
	{ "/etc/alternatives", MNT_RO | MNT_OPT },
	{ "/etc/ld.so.cache", MNT_RO | MNT_OPT },
	{ "/etc/ld.so.conf", MNT_RO | MNT_OPT },
	{ "/etc/ld.so.conf.d", MNT_RO | MNT_OPT },
	{ "/etc/localtime", MNT_RO | MNT_OPT },
	{ "/etc/mime.types", MNT_RO | MNT_OPT },
	{ "/etc/services", MNT_RO | MNT_OPT },
	{ "/etc/protocols", MNT_RO | MNT_OPT },
	{ "/etc/magic", MNT_RO | MNT_OPT },
	{ "/etc/ssl/certs", MNT_RO | MNT_OPT },
	{ "/etc/ssl/openssl.cnf", MNT_RO | MNT_OPT },
	{ "/etc/pki/tls/certs", MNT_RO | MNT_OPT },
	{ "/etc/python3", MNT_RO | MNT_OPT },
	{ "/etc/perl", MNT_RO | MNT_OPT },
	{ NULL, 0 }
};

#define SETS_WORKER	(SET_BASE | SET_EVENT | SET_LINK)
#define SET_DISK	(SET_FILES | SET_WRITE)

static const struct sandbox_profile profiles[PROFILE_MAX] = {
[ROLE_PARENT] = { "gatewayd", "S0",
	"starts and watches all others; reads no network byte",
	SET_NEVER, 0, CALL_ALLOW, 0, PROF_HOSTNET | PROF_NO_LL_FS, 4096, 0,
	mounts_none },
[ROLE_LOG] = { "log", "S3", "writes lines of all others to the log folder",
	SETS_WORKER | SET_DISK | SET_LIST, SET_START, CALL_KILL, 0, 0, 256, 80,
	mounts_none },
[ROLE_CONFIG] = { "config", "S7",
	"turns the configuration into parcels, once, and ends",
	SETS_WORKER, SET_START, CALL_KILL, 0, 0, 512, 70, mounts_none },
[ROLE_STORE] = { "store", "S3",
	"devices, pairing and idempotency in SQLite; checks credentials",
	SETS_WORKER | SET_DISK | SET_DB, SET_START, CALL_KILL, 0, 0, 256, 80,
	mounts_none },
[ROLE_CONNECT] = { "connect", "S4",
	"resolves and connects, and hands the socket over",
	SETS_WORKER | SET_CONNECT, SET_START, CALL_KILL, 0, PROF_HOSTNET, 1024,
	70, mounts_dns },
[ROLE_ROUTER] = { "router", "S1",
	"switches messages between clients, channels and agents",
	SETS_WORKER | SET_NET, SET_START, CALL_KILL, 0, 0, 16384, 70,
	mounts_none },
/* The page of the web chat is read into memory before READY. */
[ROLE_FRONT] = { "front", "S2",
	"TLS, HTTP and WebSocket up to the accepted connect",
	SETS_WORKER | SET_NET | SET_PAIR, SET_START | SET_FILES | SET_LIST,
	CALL_KILL, 0, 0, 16384, 70, mounts_none },
/* A new token is a new process. */
[ROLE_CHAN] = { "channeld", "S2+S3",
	"one account of one chat platform",
	SETS_WORKER | SET_DISK | SET_DB, SET_START | SET_SECRET, CALL_KILL, 0,
	0, 256, 80, mounts_tls },
[ROLE_AGENT] = { "agentd", "S3",
	"the loop of one agent: transcripts, context, tool calls",
	SETS_WORKER | SET_DISK | SET_DB | SET_MKDIR | SET_AIO | SET_LIST,
	SET_START, CALL_KILL, 0, 0, 512, 80, mounts_tool },
/* A reload brings new credentials; the list of trust stays. */
[ROLE_MODEL] = { "modeld", "S2",
	"holds one provider credential and speaks to that provider",
	SETS_WORKER | SET_SECRET, SET_START | SET_FILES, CALL_KILL, 0, 0, 256,
	80, mounts_tls },
[ROLE_TOOL] = { "toold", "S3",
	"judges tool calls of one agent and hands them to the jail",
	SETS_WORKER | SET_DISK | SET_PTY | SET_RESOLVE, SET_START | SET_LIST,
	CALL_KILL, 0, PROF_DEVPTS, 512, 80, mounts_tool },
[ROLE_JAILER] = { "jailer", "S5",
	"starts jobs; has capabilities in its own user namespace only",
	SET_NEVER | SET_JAILER, 0, CALL_ALLOW, 0,
	PROF_USERNS | PROF_EXEC | PROF_NO_LL_FS | PROF_SKELETON | PROF_JIT,
	1024, 0, mounts_jail },
[ROLE_FILES] = { "files", "S3",
	"reads and writes files below the workspace",
	SETS_WORKER | SET_DISK | SET_LIST | SET_TREE | SET_MKDIR, SET_START,
	CALL_KILL, 0, 0, 256, 80, mounts_none },
[ROLE_FETCH] = { "fetch", "S2", "fetches public web pages",
	SETS_WORKER, SET_START | SET_FILES, CALL_KILL, 0, 0, 256, 80,
	mounts_tls },
[ROLE_CANVAS] = { "canvas", "S3",
	"reads the folder of canvas pages, and sees when it changes",
	SETS_WORKER | SET_FILES | SET_LIST | SET_WATCH, SET_START, CALL_KILL,
	0, 0, 256, 80, mounts_none },
[ROLE_WHOIS] = { "whois", "S4",
	"asks tailscaled who has an address, the kernel whose a socket is",
	SETS_WORKER | SET_WHOIS, SET_START, CALL_KILL, 0, PROF_HOSTNET, 256,
	70, mounts_none },
[PROFILE_JOB] = { "job", "S6", "a command that an agent asked for",
	SET_JOB, 0, CALL_ERRNO, ENOSYS, PROF_SKELETON | PROF_EXEC | PROF_JIT |
	PROF_THREADS, 1024, 180, mounts_none },
[PROFILE_REAPER] = { "reaper", "S7", "process 1 of a job: waits, ends",
	SET_REAPER, 0, CALL_KILL, 0, 0, 16, 20, mounts_none },
};

const struct sandbox_profile *
sandbox_profile_get(unsigned int id)
{
	return id < PROFILE_MAX && profiles[id].name != NULL ?
	    &profiles[id] : NULL;
}

const char *
call_set_name(uint32_t set)
{
	static const char *const names[] = { "base", "event", "link", "net",
	    "pair", "files", "db", "connect", "threads", "pty", "secret",
	    "never", "jailer", "job", "reaper", "sanitizer", "write",
	    "aio", "start", "list", "tree", "mkdir", "resolve", "watch",
	    "whois" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (set == (uint32_t)1 << i)
			return names[i];
	return NULL;
}

#define OK(set, name)		{ set, #name, CALL_ALLOW, 0, { { 0 } } }
#define OK_IF(set, name, ...)	{ set, #name, CALL_ALLOW, 0, { __VA_ARGS__ } }
#define ERR(set, name, e)	{ set, #name, CALL_ERRNO, e, { { 0 } } }
#define ERR_IF(set, name, e, ...) { set, #name, CALL_ERRNO, e, { __VA_ARGS__ } }
#define KILL(set, name)		{ set, #name, CALL_KILL, 0, { { 0 } } }
#define EQ(arg, v)		{ OP_EQ, arg, 0xffffffff, v }
#define NE(arg, v)		{ OP_NE, arg, 0xffffffff, v }
#define NONE_OF(arg, mask)	{ OP_EQ, arg, mask, 0 }
#define IS(arg, mask, v)	{ OP_EQ, arg, mask, v }
#define NIL(arg)		{ OP_NULL, arg, 0, 0 }

#define SUID_SGID	(S_ISUID | S_ISGID)
#define CLONE_NEW_ANY	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | \
	CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	0x00000080 /* CLONE_NEWTIME */)
#define CLONE_THREAD_ALL (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | \
	CLONE_THREAD)
#ifndef PR_SET_MDWE
#define PR_SET_MDWE	65
#endif
#define OPEN_TMPFILE	020000000 /* without O_DIRECTORY */
#define SOCK_KIND	0xf	/* type without its flags */
#define FD_ADD_SEALS	1033	/* F_ADD_SEALS, F_GET_SEALS: linux/fcntl.h */
#define FD_GET_SEALS	1034

/* Newer than libseccomp 2.5.4 has names for; not in any list: the default
 * (kill, or ENOSYS for jobs) is the answer to them. */
const struct sandbox_call sandbox_calls[] = {

/* base: memory without W^X, time, signals to oneself, exit */
OK(SET_BASE, read),
OK(SET_BASE, write),
OK(SET_BASE, readv),
OK(SET_BASE, writev),
OK(SET_BASE, close),
OK(SET_BASE, lseek),
OK(SET_BASE, fstat),
OK(SET_BASE, brk),
OK_IF(SET_BASE, mmap, NONE_OF(2, PROT_EXEC)),
OK(SET_BASE, munmap),
OK(SET_BASE, mremap),
OK(SET_BASE, madvise),
OK(SET_BASE, futex),
OK(SET_BASE, rt_sigaction),
OK(SET_BASE, rt_sigprocmask),
OK(SET_BASE, rt_sigreturn),
OK(SET_BASE, restart_syscall),
OK(SET_BASE, exit),
OK(SET_BASE, exit_group),
OK_IF(SET_BASE, tgkill, EQ(2, SIGABRT)),	/* abort(3) */
OK(SET_BASE, gettid),
OK(SET_BASE, getpid),
OK(SET_BASE, geteuid),
OK(SET_BASE, getuid),
OK(SET_BASE, clock_gettime),
OK(SET_BASE, gettimeofday),
OK(SET_BASE, clock_nanosleep),
OK(SET_BASE, getrandom),
OK(SET_BASE, getrusage),
OK(SET_BASE, sched_yield),
OK_IF(SET_BASE, prlimit64, NIL(2)),		/* asks only */
ERR_IF(SET_BASE, newfstatat, EBADF, NE(3, 0x1000)), /* AT_EMPTY_PATH: fstat */
OK(SET_BASE, newfstatat),
OK_IF(SET_BASE, fcntl, EQ(1, F_GETFD)),
OK_IF(SET_BASE, fcntl, EQ(1, F_SETFD)),
OK_IF(SET_BASE, fcntl, EQ(1, F_GETFL)),
OK_IF(SET_BASE, fcntl, EQ(1, F_SETFL)),
OK_IF(SET_BASE, fcntl, EQ(1, F_DUPFD_CLOEXEC)),
OK_IF(SET_BASE, fcntl, EQ(1, FD_ADD_SEALS)),
OK_IF(SET_BASE, fcntl, EQ(1, FD_GET_SEALS)),
/* Libraries probe with these; refused, not punished. */
ERR(SET_BASE, openat, EACCES),
ERR(SET_BASE, open, EACCES),
ERR(SET_BASE, readlink, EACCES),
ERR(SET_BASE, readlinkat, EACCES),
ERR(SET_BASE, access, EACCES),
ERR(SET_BASE, faccessat, EACCES),
ERR(SET_BASE, faccessat2, EACCES),
ERR(SET_BASE, stat, EACCES),
ERR(SET_BASE, lstat, EACCES),
ERR(SET_BASE, statx, ENOSYS),
ERR(SET_BASE, getdents64, EACCES),
ERR(SET_BASE, uname, EPERM),
ERR(SET_BASE, sysinfo, EPERM),
ERR(SET_BASE, prctl, EINVAL),
ERR(SET_BASE, sched_getaffinity, EPERM),
ERR(SET_BASE, sigaltstack, EPERM),
ERR(SET_BASE, memfd_secret, ENOSYS),
ERR(SET_BASE, mlock, EPERM),
ERR(SET_BASE, getppid, EPERM),

/* event loop */
OK(SET_EVENT, epoll_wait),
OK(SET_EVENT, epoll_pwait),
OK(SET_EVENT, epoll_pwait2),
OK(SET_EVENT, epoll_ctl),
OK(SET_EVENT, poll),
OK(SET_EVENT, ppoll),
OK_IF(SET_EVENT, ioctl, EQ(1, FIONREAD)),
OK_IF(SET_EVENT, ioctl, EQ(1, FIONBIO)),

/* links to siblings: datagrams, sealed memory, descriptors */
OK(SET_LINK, recvmsg),
OK(SET_LINK, sendmsg),
OK(SET_LINK, recvfrom),
OK_IF(SET_LINK, sendto, NIL(4)),
OK(SET_LINK, getsockopt),
OK(SET_LINK, setsockopt),
OK(SET_LINK, shutdown),
OK(SET_LINK, memfd_create),
OK(SET_LINK, ftruncate),

/* listeners that the supervisor opened */
OK(SET_NET, accept4),

/* relay pairs under TLS */
OK_IF(SET_PAIR, socketpair, EQ(0, AF_UNIX)),

/* files, to look at and then to change; which ones is up to the mounts and to
 * Landlock */
OK(SET_FILES, openat),
OK(SET_FILES, openat2),
OK(SET_FILES, newfstatat),
OK(SET_FILES, pread64),
OK(SET_WRITE, pwrite64),
OK(SET_WRITE, fsync),
OK(SET_WRITE, fdatasync),
OK(SET_WRITE, renameat),
OK(SET_WRITE, unlinkat),
ERR_IF(SET_WRITE, fchmod, EPERM, IS(1, S_ISUID, S_ISUID)),
ERR_IF(SET_WRITE, fchmod, EPERM, IS(1, S_ISGID, S_ISGID)),
OK(SET_WRITE, fchmod),
OK(SET_LIST, getdents64),
OK(SET_RESOLVE, readlink),
OK(SET_WATCH, inotify_init1),
OK(SET_WATCH, inotify_add_watch),
OK(SET_WATCH, inotify_rm_watch),
OK(SET_MKDIR, mkdir),
OK(SET_MKDIR, mkdirat),
OK(SET_TREE, linkat),
OK(SET_TREE, faccessat2),
OK(SET_TREE | SET_PTY, fstatfs),		/* of both, for diagnose */

/* SQLite: byte-range locks, its shared memory file, its temporary names */
OK_IF(SET_DB, fcntl, EQ(1, F_SETLK)),
OK_IF(SET_DB, fcntl, EQ(1, F_GETLK)),
OK_IF(SET_DB, fcntl, EQ(1, F_OFD_SETLK)),
OK_IF(SET_DB, fcntl, EQ(1, F_OFD_GETLK)),
OK(SET_DB, access),
OK(SET_DB, readlink),
OK(SET_DB, unlink),
ERR(SET_DB, getcwd, EACCES),			/* all its paths are whole */
ERR(SET_DB, fchown, EPERM),

/* a disk that is waited for beside the event loop.  It can read, write, sync
 * and poll what is open, which the rest of the list allows as well */
OK(SET_AIO, eventfd2),
OK(SET_AIO, io_setup),
OK(SET_AIO, io_submit),
OK(SET_AIO, io_getevents),

/* Until READY: the second half of the lock-down, and a page's protection, for
 * libraries that seal what they have set up. */
OK(SET_START, landlock_create_ruleset),
OK(SET_START, landlock_add_rule),
OK(SET_START, landlock_restrict_self),
OK(SET_START, seccomp),
OK_IF(SET_START, prctl, EQ(0, PR_SET_MDWE)),
OK(SET_START, openat),
OK(SET_START, newfstatat),
OK_IF(SET_START | SET_SECRET, mprotect, NONE_OF(2, PROT_EXEC)),

/* outgoing connections and name service */
OK_IF(SET_CONNECT, socket, EQ(0, AF_INET)),
OK_IF(SET_CONNECT, socket, EQ(0, AF_INET6)),
ERR(SET_CONNECT, socket, EAFNOSUPPORT),
OK(SET_CONNECT, connect),
OK(SET_CONNECT, openat),

/* a daemon by its socket below the mounts; the kernel's list of sockets */
OK_IF(SET_WHOIS, socket, EQ(0, AF_UNIX)),
OK_IF(SET_WHOIS, socket, EQ(0, AF_NETLINK), EQ(2, NETLINK_SOCK_DIAG)),
ERR(SET_WHOIS, socket, EAFNOSUPPORT),
OK(SET_WHOIS, connect),

/* threads, and nothing else that clone can make */
OK_IF(SET_THREADS, clone, IS(0, CLONE_THREAD_ALL | CLONE_NEW_ANY,
    CLONE_THREAD_ALL)),
ERR(SET_THREADS, clone3, ENOSYS),		/* glibc falls back */
OK(SET_THREADS, set_robust_list),
OK(SET_THREADS, rseq),
OK(SET_THREADS, sched_getaffinity),
OK(SET_THREADS, sigaltstack),
OK_IF(SET_THREADS, prctl, EQ(0, PR_SET_NAME)),
ERR(SET_THREADS, prctl, EINVAL),

/* terminals for jobs: master side, and the size */
OK_IF(SET_PTY, ioctl, EQ(1, TIOCGPTN)),
OK_IF(SET_PTY, ioctl, EQ(1, TIOCSPTLCK)),
OK_IF(SET_PTY, ioctl, EQ(1, TIOCGPTPEER)),
OK_IF(SET_PTY, ioctl, EQ(1, TIOCSWINSZ)),
OK_IF(SET_PTY, ioctl, EQ(1, TCGETS)),
OK_IF(SET_PTY, ioctl, EQ(1, TCSETS)),
OK(SET_PTY, pipe2),

/* a stdio stream asks whether it is a terminal */
ERR_IF(SET_EVENT, ioctl, ENOTTY, EQ(1, TCGETS)),

/* one credential, in memory that only this process can map and not change */
OK(SET_SECRET, memfd_secret),
OK(SET_SECRET, mlock),

/* Refused everywhere, also to root and to the jailer. */
ERR(SET_NEVER, bpf, EPERM),
ERR(SET_NEVER, perf_event_open, EPERM),
ERR(SET_NEVER, userfaultfd, EPERM),
ERR(SET_NEVER, io_uring_setup, ENOSYS),
ERR(SET_NEVER, io_uring_enter, ENOSYS),
ERR(SET_NEVER, io_uring_register, ENOSYS),
ERR(SET_NEVER, keyctl, EPERM),
ERR(SET_NEVER, add_key, EPERM),
ERR(SET_NEVER, request_key, EPERM),
ERR(SET_NEVER, ptrace, EPERM),
ERR(SET_NEVER, process_vm_readv, EPERM),
ERR(SET_NEVER, process_vm_writev, EPERM),
ERR(SET_NEVER, kcmp, EPERM),
ERR(SET_NEVER, pidfd_getfd, EPERM),
ERR(SET_NEVER, kexec_load, EPERM),
ERR(SET_NEVER, kexec_file_load, EPERM),
ERR(SET_NEVER, init_module, EPERM),
ERR(SET_NEVER, finit_module, EPERM),
ERR(SET_NEVER, delete_module, EPERM),
ERR(SET_NEVER, swapon, EPERM),
ERR(SET_NEVER, swapoff, EPERM),
ERR(SET_NEVER, reboot, EPERM),
ERR(SET_NEVER, acct, EPERM),
ERR(SET_NEVER, quotactl, EPERM),
ERR(SET_NEVER, quotactl_fd, EPERM),
ERR(SET_NEVER, syslog, EPERM),
ERR(SET_NEVER, open_by_handle_at, EPERM),
ERR(SET_NEVER, iopl, EPERM),
ERR(SET_NEVER, ioperm, EPERM),
ERR(SET_NEVER, modify_ldt, EPERM),
ERR(SET_NEVER, settimeofday, EPERM),
ERR(SET_NEVER, clock_settime, EPERM),
ERR(SET_NEVER, clock_adjtime, EPERM),
ERR(SET_NEVER, adjtimex, EPERM),
ERR(SET_NEVER, fanotify_init, EPERM),
ERR(SET_NEVER, lookup_dcookie, EPERM),
ERR(SET_NEVER, vhangup, EPERM),
ERR(SET_NEVER, move_pages, EPERM),
ERR(SET_NEVER, migrate_pages, EPERM),
ERR_IF(SET_NEVER, ioctl, EPERM, EQ(1, TIOCSTI)),
ERR_IF(SET_NEVER, ioctl, EPERM, EQ(1, TIOCLINUX)),

/* The jailer gets its sockets made and joins nothing. */
ERR(SET_JAILER, socket, EPERM),
ERR(SET_JAILER, connect, EPERM),
ERR(SET_JAILER, bind, EPERM),
ERR(SET_JAILER, listen, EPERM),
ERR(SET_JAILER, setns, EPERM),
/* A job is born in its group, and the view of it is cut there. */
ERR_IF(SET_JAILER, unshare, EPERM, NE(0, CLONE_NEWCGROUP)),
ERR(SET_JAILER, chroot, EPERM),

/* Jobs.  Never legitimate: the program is not what it says it is. */
KILL(SET_JOB, kexec_load),
KILL(SET_JOB, kexec_file_load),
KILL(SET_JOB, init_module),
KILL(SET_JOB, finit_module),
KILL(SET_JOB, delete_module),
KILL(SET_JOB, swapon),
KILL(SET_JOB, swapoff),
KILL(SET_JOB, reboot),
KILL(SET_JOB, acct),
KILL(SET_JOB, iopl),
KILL(SET_JOB, ioperm),
KILL(SET_JOB, open_by_handle_at),
KILL(SET_JOB, pivot_root),
KILL(SET_JOB, bpf),
/* Programs ask, and can say what they were refused. */
ERR(SET_JOB, ptrace, EPERM),
ERR(SET_JOB, mount, EPERM),
ERR(SET_JOB, umount2, EPERM),
ERR(SET_JOB, chroot, EPERM),
ERR(SET_JOB, setns, EPERM),
ERR(SET_JOB, unshare, EPERM),
ERR(SET_JOB, keyctl, EPERM),
ERR(SET_JOB, add_key, EPERM),
ERR(SET_JOB, request_key, EPERM),
ERR(SET_JOB, perf_event_open, EPERM),
ERR(SET_JOB, socket, EPERM),
ERR(SET_JOB, connect, EPERM),
ERR(SET_JOB, bind, EPERM),
ERR(SET_JOB, listen, EPERM),
ERR(SET_JOB, accept, EPERM),
ERR(SET_JOB, accept4, EPERM),
ERR(SET_JOB, settimeofday, EPERM),
ERR(SET_JOB, clock_settime, EPERM),
ERR(SET_JOB, sethostname, EPERM),
ERR(SET_JOB, setxattr, ENOTSUP),
ERR(SET_JOB, lsetxattr, ENOTSUP),
ERR(SET_JOB, fsetxattr, ENOTSUP),
ERR(SET_JOB, getxattr, ENOTSUP),
ERR(SET_JOB, lgetxattr, ENOTSUP),
ERR(SET_JOB, fgetxattr, ENOTSUP),
ERR(SET_JOB, listxattr, ENOTSUP),
ERR(SET_JOB, llistxattr, ENOTSUP),
ERR(SET_JOB, flistxattr, ENOTSUP),
ERR(SET_JOB, removexattr, ENOTSUP),
ERR(SET_JOB, lremovexattr, ENOTSUP),
ERR(SET_JOB, fremovexattr, ENOTSUP),
ERR(SET_JOB, clone3, ENOSYS),		/* its flags are behind a pointer */
ERR(SET_JOB, openat2, ENOSYS),		/* so is its mode */
ERR_IF(SET_JOB, clone, EPERM, IS(0, CLONE_NEWUSER, CLONE_NEWUSER)),
OK_IF(SET_JOB, clone, NONE_OF(0, CLONE_NEW_ANY)),
ERR(SET_JOB, clone, EPERM),
/* Unnamed pairs; a datagram pair could still send to a path. */
OK_IF(SET_JOB, socketpair, EQ(0, AF_UNIX), IS(1, SOCK_KIND, SOCK_STREAM)),
OK_IF(SET_JOB, socketpair, EQ(0, AF_UNIX), IS(1, SOCK_KIND, SOCK_SEQPACKET)),
ERR(SET_JOB, socketpair, EPERM),
OK_IF(SET_JOB, sendto, NIL(4)),
ERR(SET_JOB, sendto, EPERM),
OK(SET_JOB, sendmsg),
OK(SET_JOB, recvmsg),
OK(SET_JOB, recvfrom),
OK(SET_JOB, shutdown),
OK(SET_JOB, getsockname),
OK(SET_JOB, getpeername),
OK(SET_JOB, getsockopt),
OK(SET_JOB, setsockopt),
/* No terminal injection, whatever the upper half of the number says. */
ERR_IF(SET_JOB, ioctl, EPERM, EQ(1, TIOCSTI)),
ERR_IF(SET_JOB, ioctl, EPERM, EQ(1, TIOCLINUX)),
ERR_IF(SET_JOB, ioctl, EPERM, EQ(1, TIOCSETD)),
OK(SET_JOB, ioctl),
/* The workspace's owner may be root outside: no set-id files. */
OK_IF(SET_JOB, chmod, NONE_OF(1, SUID_SGID)),
ERR(SET_JOB, chmod, EPERM),
OK_IF(SET_JOB, fchmod, NONE_OF(1, SUID_SGID)),
ERR(SET_JOB, fchmod, EPERM),
OK_IF(SET_JOB, fchmodat, NONE_OF(2, SUID_SGID)),
ERR(SET_JOB, fchmodat, EPERM),
OK_IF(SET_JOB, creat, NONE_OF(1, SUID_SGID)),
ERR(SET_JOB, creat, EPERM),
OK_IF(SET_JOB, open, NONE_OF(1, O_CREAT | OPEN_TMPFILE)),
OK_IF(SET_JOB, open, NONE_OF(2, SUID_SGID)),
ERR(SET_JOB, open, EPERM),
OK_IF(SET_JOB, openat, NONE_OF(2, O_CREAT | OPEN_TMPFILE)),
OK_IF(SET_JOB, openat, NONE_OF(3, SUID_SGID)),
ERR(SET_JOB, openat, EPERM),
OK_IF(SET_JOB, mknod, IS(1, S_IFMT | SUID_SGID, S_IFIFO)),
OK_IF(SET_JOB, mknod, IS(1, S_IFMT | SUID_SGID, S_IFREG)),
ERR(SET_JOB, mknod, EPERM),
OK_IF(SET_JOB, mknodat, IS(2, S_IFMT | SUID_SGID, S_IFIFO)),
OK_IF(SET_JOB, mknodat, IS(2, S_IFMT | SUID_SGID, S_IFREG)),
ERR(SET_JOB, mknodat, EPERM),
OK_IF(SET_JOB, personality, EQ(0, 0)),
OK_IF(SET_JOB, personality, EQ(0, 0xffffffff)),
ERR(SET_JOB, personality, EPERM),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_NAME)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_NAME)),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_PDEATHSIG)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_PDEATHSIG)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_DUMPABLE)),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_DUMPABLE)),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_NO_NEW_PRIVS)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_NO_NEW_PRIVS)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_SECCOMP)),
OK_IF(SET_JOB, prctl, EQ(0, PR_CAPBSET_READ)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_KEEPCAPS)),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_TIMERSLACK)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_TIMERSLACK)),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_CHILD_SUBREAPER)),
OK_IF(SET_JOB, prctl, EQ(0, PR_GET_CHILD_SUBREAPER)),
OK_IF(SET_JOB, prctl, EQ(0, PR_SET_THP_DISABLE)),
OK_IF(SET_JOB, prctl, EQ(0, 0x53564d41)),	/* PR_SET_VMA: names */
ERR(SET_JOB, prctl, EINVAL),
OK(SET_JOB, read),
OK(SET_JOB, write),
OK(SET_JOB, close),
OK(SET_JOB, stat),
OK(SET_JOB, fstat),
OK(SET_JOB, lstat),
OK(SET_JOB, newfstatat),
OK(SET_JOB, statx),
OK(SET_JOB, poll),
OK(SET_JOB, ppoll),
OK(SET_JOB, select),
OK(SET_JOB, pselect6),
OK(SET_JOB, lseek),
OK(SET_JOB, mmap),
OK(SET_JOB, mprotect),
OK(SET_JOB, munmap),
OK(SET_JOB, mremap),
OK(SET_JOB, msync),
OK(SET_JOB, madvise),
OK(SET_JOB, brk),
OK(SET_JOB, rt_sigaction),
OK(SET_JOB, rt_sigprocmask),
OK(SET_JOB, rt_sigreturn),
OK(SET_JOB, rt_sigsuspend),
OK(SET_JOB, rt_sigtimedwait),
OK(SET_JOB, sigaltstack),
OK(SET_JOB, pread64),
OK(SET_JOB, pwrite64),
OK(SET_JOB, readv),
OK(SET_JOB, writev),
OK(SET_JOB, preadv),
OK(SET_JOB, pwritev),
OK(SET_JOB, access),
OK(SET_JOB, faccessat),
OK(SET_JOB, faccessat2),
OK(SET_JOB, pipe),
OK(SET_JOB, pipe2),
OK(SET_JOB, dup),
OK(SET_JOB, dup2),
OK(SET_JOB, dup3),
OK(SET_JOB, pause),
OK(SET_JOB, nanosleep),
OK(SET_JOB, clock_nanosleep),
OK(SET_JOB, alarm),
OK(SET_JOB, setitimer),
OK(SET_JOB, getpid),
OK(SET_JOB, getppid),
OK(SET_JOB, gettid),
OK(SET_JOB, sendfile),
OK(SET_JOB, splice),
OK(SET_JOB, copy_file_range),
OK(SET_JOB, fork),
OK(SET_JOB, vfork),
OK(SET_JOB, execve),
OK(SET_JOB, execveat),
OK(SET_JOB, exit),
OK(SET_JOB, exit_group),
OK(SET_JOB, wait4),
OK(SET_JOB, waitid),
OK(SET_JOB, kill),
OK(SET_JOB, tgkill),
OK(SET_JOB, pidfd_open),
OK(SET_JOB, pidfd_send_signal),
OK(SET_JOB, uname),
OK(SET_JOB, sysinfo),
OK(SET_JOB, fcntl),
OK(SET_JOB, flock),
OK(SET_JOB, fsync),
OK(SET_JOB, fdatasync),
OK(SET_JOB, truncate),
OK(SET_JOB, ftruncate),
OK(SET_JOB, fallocate),
OK(SET_JOB, fadvise64),
OK(SET_JOB, getdents64),
OK(SET_JOB, getcwd),
OK(SET_JOB, chdir),
OK(SET_JOB, fchdir),
OK(SET_JOB, rename),
OK(SET_JOB, renameat),
OK(SET_JOB, renameat2),
OK(SET_JOB, mkdir),
OK(SET_JOB, mkdirat),
OK(SET_JOB, rmdir),
OK(SET_JOB, link),
OK(SET_JOB, linkat),
OK(SET_JOB, unlink),
OK(SET_JOB, unlinkat),
OK(SET_JOB, symlink),
OK(SET_JOB, symlinkat),
OK(SET_JOB, readlink),
OK(SET_JOB, readlinkat),
OK(SET_JOB, chown),
OK(SET_JOB, fchown),
OK(SET_JOB, lchown),
OK(SET_JOB, fchownat),
OK(SET_JOB, umask),
OK(SET_JOB, utimensat),
OK(SET_JOB, statfs),
OK(SET_JOB, fstatfs),
OK(SET_JOB, gettimeofday),
OK(SET_JOB, time),
OK(SET_JOB, clock_gettime),
OK(SET_JOB, clock_getres),
OK(SET_JOB, times),
OK(SET_JOB, getrusage),
OK(SET_JOB, getrlimit),
OK(SET_JOB, setrlimit),
OK(SET_JOB, prlimit64),
OK(SET_JOB, getuid),
OK(SET_JOB, getgid),
OK(SET_JOB, geteuid),
OK(SET_JOB, getegid),
OK(SET_JOB, getresuid),
OK(SET_JOB, getresgid),
OK(SET_JOB, getgroups),
OK(SET_JOB, setuid),
OK(SET_JOB, setgid),
OK(SET_JOB, setresuid),
OK(SET_JOB, setresgid),
OK(SET_JOB, capget),
OK(SET_JOB, setpgid),
OK(SET_JOB, getpgid),
OK(SET_JOB, getpgrp),
OK(SET_JOB, setsid),
OK(SET_JOB, getsid),
OK(SET_JOB, getpriority),
OK(SET_JOB, setpriority),
OK(SET_JOB, sched_yield),
OK(SET_JOB, sched_getaffinity),
OK(SET_JOB, sched_setaffinity),
OK(SET_JOB, getcpu),
OK(SET_JOB, arch_prctl),
OK(SET_JOB, futex),
OK(SET_JOB, set_robust_list),
OK(SET_JOB, set_tid_address),
OK(SET_JOB, rseq),
OK(SET_JOB, membarrier),
OK(SET_JOB, restart_syscall),
OK(SET_JOB, epoll_create1),
OK(SET_JOB, epoll_ctl),
OK(SET_JOB, epoll_wait),
OK(SET_JOB, epoll_pwait),
OK(SET_JOB, eventfd2),
OK(SET_JOB, signalfd4),
OK(SET_JOB, timerfd_create),
OK(SET_JOB, timerfd_settime),
OK(SET_JOB, inotify_init1),
OK(SET_JOB, inotify_add_watch),
OK(SET_JOB, inotify_rm_watch),
OK(SET_JOB, timer_create),
OK(SET_JOB, timer_settime),
OK(SET_JOB, timer_delete),
OK(SET_JOB, getrandom),
OK(SET_JOB, memfd_create),
OK(SET_JOB, close_range),

/* process 1 of a job: reaps until its child has ended, says how */
OK(SET_REAPER, wait4),
OK(SET_REAPER, waitid),
OK(SET_REAPER, write),
OK(SET_REAPER, kill),				/* passes signals on, inside only */
OK(SET_REAPER, exit_group),
OK(SET_REAPER, rt_sigreturn),
OK(SET_REAPER, restart_syscall),

/* What the runtimes of the sanitizers do on top, to find and tell. */
OK(SET_SANITIZER, openat),
OK(SET_SANITIZER, open),
OK(SET_SANITIZER, readlink),
OK(SET_SANITIZER, sigaltstack),
OK(SET_SANITIZER, sched_getaffinity),
OK_IF(SET_SANITIZER, prctl, EQ(0, PR_SET_NAME)),
OK_IF(SET_SANITIZER, prctl, EQ(0, PR_GET_NAME)),
OK_IF(SET_SANITIZER, prctl, EQ(0, PR_GET_NO_NEW_PRIVS)), /* leak check */
OK_IF(SET_SANITIZER, prctl, EQ(0, 0x53564d41)),	/* PR_SET_VMA: names */
OK(SET_SANITIZER, uname),
OK(SET_SANITIZER, getppid),
OK(SET_SANITIZER, ioctl),
OK(SET_SANITIZER, tgkill),
OK(SET_SANITIZER, newfstatat),
OK(SET_SANITIZER, stat),
OK(SET_SANITIZER, access),
OK(SET_SANITIZER, getcwd),
OK(SET_SANITIZER, prlimit64),
OK(SET_SANITIZER, pipe2),
OK(SET_SANITIZER, mincore),
OK(SET_SANITIZER, set_robust_list),
OK_IF(SET_SANITIZER, mprotect, NONE_OF(2, PROT_EXEC)),
};
const size_t sandbox_ncalls = sizeof(sandbox_calls) / sizeof(sandbox_calls[0]);
