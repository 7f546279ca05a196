/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The lock-down of every process: what is taken away, in which order, and the
 * report of what the kernel really did.  Who gets what is data, in
 * sandbox_profiles.c; this file has the verbs.
 *
 * A worker is spawned by the supervisor so:
 *
 *	flags = sandbox_clone_flags(role, mode) | CLONE_PIDFD;
 *	clone3(...)
 *	child:	sandbox_child_prepare(mode, uid, gid)	(of the supervisor,
 *		dup2s, close_range, execve		 asked before clone3)
 *	parent:	PROC_SANDBOX with sandbox_spec_encode()'s bytes, and in root
 *		mode the descriptor of sandbox_netns_new()
 *
 * After its exec (so that dynamic linking is over) the worker calls
 * sandbox_enter_early() and, when its set-up is done, sandbox_enter_late().
 * Every step that fails is fatal in strict mode; otherwise it is left out and
 * named in the report.  After an error return the process must end: a half
 * locked process is in no state that anybody has thought about.
 *
 * Modes.  ROOT: the supervisor is root; workers have real uids, namespaces
 * that init's user namespace owns, one shared empty network namespace; the
 * jailer makes itself a user namespace in which 0 is _gwjail and 1 is _gwjob.
 * Where all roles have to share one uid, every worker makes itself one, in
 * which there is only that uid, so that none has a right over another.
 * USER: an ordinary user; each worker is born in a user namespace of its own
 * in which only that user exists, under its own number (so SO_PEERCRED and
 * file owners read as outside), and has its own network namespace.  NONE:
 * neither is possible; what is left is rlimits, no_new_privs, Landlock and
 * seccomp.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/msg.h"

struct seccomp_made;

enum sandbox_mode { SANDBOX_ROOT, SANDBOX_USER, SANDBOX_NONE,
	SANDBOX_MODE_MAX };

/* sandbox_spec.flags */
enum sandbox_flag {
	SANDBOX_STRICT	= 1,	/* what cannot be had is fatal */
	SANDBOX_USERNS	= 2,	/* root mode: a user namespace each */
	SANDBOX_AUDIT	= 4,	/* filters log and stop nothing; not strict */
};

/* What -A is, wherever it is shown. */
#define SANDBOX_AUDIT_TEXT "AUDIT ONLY: system calls outside of the profiles " \
	"are logged by the kernel and NOT stopped"

/* What was done to a process, as bits of PROC_READY.sandbox; of those that
 * were wanted and not had, PROC_READY.failed. */
enum sandbox_fact {
	FACT_RLIMITS	= 1 << 0,
	FACT_USERNS	= 1 << 1,
	FACT_MNTNS	= 1 << 2,
	FACT_PIDNS	= 1 << 3,
	FACT_NETNS	= 1 << 4,	/* without any device but lo, down */
	FACT_IPCNS	= 1 << 5,
	FACT_UTSNS	= 1 << 6,
	FACT_CGROUPNS	= 1 << 7,
	FACT_ROOT	= 1 << 8,	/* private root, old one detached */
	FACT_UID	= 1 << 9,	/* own uid, no way back */
	FACT_CAPS	= 1 << 10,	/* permitted, ambient: none */
	FACT_BOUNDING	= 1 << 11,	/* bounding set empty, bits locked */
	FACT_NNP	= 1 << 12,
	FACT_NODUMP	= 1 << 13,
	FACT_PDEATH	= 1 << 14,	/* ends with the supervisor */
	FACT_LL_FS	= 1 << 15,	/* Landlock: files */
	FACT_LL_NET	= 1 << 16,	/* Landlock: TCP (ABI 4) */
	FACT_LL_SCOPE	= 1 << 17,	/* Landlock: signals, abstract (6) */
	FACT_SECCOMP	= 1 << 18,
	FACT_MDWE	= 1 << 19,	/* no memory both written and run */
	FACT_IDMAP	= 1 << 20,	/* id-mapped workspace */
	FACT_CGROUP	= 1 << 21,	/* jobs in cgroups (jailer only) */
	FACT_JOBUID	= 1 << 22,	/* jobs have their own uid (jailer) */
	FACT_MAX	= 1 << 23
};
/* "userns" of one bit; NULL when it is none. */
const char *sandbox_fact_name(uint32_t bit);
const char *sandbox_mode_name(enum sandbox_mode);

/* sandbox_mount.flags; all are nosuid, and noexec but for the jailer's */
enum sandbox_mount_flag {
	MNT_RO		= 1,
	MNT_RW		= 2,
	MNT_OPT		= 4,	/* may be missing */
	MNT_IDMAP	= 8,	/* root mode: its owner appears as this role */
	MNT_CGROUP	= 16,	/* appears as SANDBOX_CGROUP */
	/* Its last part is in a folder that a job can write: it counts as
	 * missing unless it is a folder itself, and no link to one. */
	MNT_NOLINK	= 32,
};
#define SANDBOX_CGROUP		"/cgroup"

#define SANDBOX_MOUNTS_MAX	64
#define SANDBOX_PATH_MAX	4096

struct sandbox_mount {
	char		*path;		/* absolute; the same inside */
	uint32_t	 flags;
};

struct sandbox_spec {
	enum sandbox_mode	 mode;
	uint32_t		 flags;		/* enum sandbox_flag */
	uid_t			 uid;		/* of this role (root mode) */
	gid_t			 gid;
	uid_t			 job_uid;	/* for the jailer: of its jobs, */
	gid_t			 job_gid;	/* may be uid (then no map) */
	uint32_t		 nofile;	/* RLIMIT_NOFILE; 0: of profile */
	uint64_t		 as_bytes;	/* RLIMIT_AS; 0: none */
	struct sandbox_mount	 mounts[SANDBOX_MOUNTS_MAX];
	size_t			 nmounts;
};

/* uid and gid of every role.  base > 0: role r is base + r.  Otherwise the
 * service users of /etc/passwd when all of them exist, or else 65534 for all,
 * as always with SANDBOX_IDS_SHARED.
 * Reads only the local files.  0, or -1 with errno. */
struct sandbox_ids {
	uid_t	 uid[ROLE_MAX];
	gid_t	 gid[ROLE_MAX];
	bool	 separate;	/* one uid per role */
	const char *lacking;	/* service user that others exist without */
};
#define SANDBOX_IDS_SHARED	(-1)
int	 sandbox_ids_load(struct sandbox_ids *, int64_t base);

/* Fills a spec; ids is NULL but in root mode.  Adds SANDBOX_USERNS when the
 * roles have no uids of their own. */
void	 sandbox_spec_init(struct sandbox_spec *, enum role,
	    enum sandbox_mode, uint32_t flags, const struct sandbox_ids *);
/* 0, or -1 with errno (EINVAL: not absolute, or a "." or ".." in it). */
int	 sandbox_spec_mount(struct sandbox_spec *, const char *path,
	    uint32_t flags);
void	 sandbox_spec_clear(struct sandbox_spec *);
/* Bytes written, or -1 with errno ENOSPC. */
ssize_t	 sandbox_spec_encode(const struct sandbox_spec *, void *, size_t);
/* 0, or -1 with errno EBADMSG, ENOMEM. */
int	 sandbox_spec_decode(struct sandbox_spec *, const void *, size_t);

/* --- supervisor ------------------------------------------------------- */

/* ROOT when this process can (uid 0, SYS_ADMIN), else USER when a trial user
 * namespace could be made and mounted in, else NONE with the reason in why. */
enum sandbox_mode sandbox_mode_probe(char *why, size_t);
/* CLONE_NEW* for clone3. */
uint64_t sandbox_clone_flags(enum role, enum sandbox_mode);
/* In the child, first thing after clone3; async-signal-safe.  User mode:
 * writes the maps and keeps the namespace's capabilities over the exec.  uid,
 * gid: what geteuid() and getegid() were before clone3.  0, or -1, errno. */
int	 sandbox_child_prepare(enum sandbox_mode, uid_t, gid_t);
/* Root mode: a network namespace with nothing in it; fd (CLOEXEC) or -1. */
int	 sandbox_netns_new(void);
/* Root or not: the supervisor's own deny-list (S0) and no_new_privs; call
 * once everything it needs is open.  0, or -1 with errno. */
int	 sandbox_supervisor_lock(void);

/* --- worker ----------------------------------------------------------- */

struct sandbox_report {
	uint32_t facts;		/* enum sandbox_fact */
	uint32_t failed;	/* wanted by the profile, not had */
	uint32_t landlock_abi;
	uint32_t syscalls;	/* size of the allow-list; 0: deny-list */
	uint32_t start_syscalls; /* of that before READY */
	char	 detail[512];	/* why, when something failed */
};

/* First half: rlimits, session, namespaces, private root, uid, capabilities,
 * no_new_privs, undumpable, death signal, filter of the start.  netns_fd: network namespace to
 * join, or -1; closed.  ctl_fd: its hang-up tells that the parent is gone, or
 * -1.  0, or -1 with errno and the step in report->detail. */
int	 sandbox_enter_early(const struct sandbox_spec *,
	    const struct seccomp_made *, int netns_fd, int ctl_fd,
	    struct sandbox_report *);
/* Second half: Landlock over the same mounts, W^X, final filter.  Fills what the
 * first half left open in the same report.  Single-threaded callers only. */
int	 sandbox_enter_late(const struct sandbox_spec *,
	    const struct seccomp_made *, struct sandbox_report *);

#endif
