/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One job in its jail: fresh mount, pid, network, IPC, UTS and cgroup
 * namespaces made inside the jailer's user namespace; process 1 of them is a
 * reaper of ours that does nothing but wait, the command is its child.  When
 * the reaper ends, the kernel ends all that is left.  No event loop here, no
 * messages; toold/jailer_main.c has those.
 */
#ifndef TOOLD_JAIL_H
#define TOOLD_JAIL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JAIL_ARGS_MAX	1024
#define JAIL_RW_MAX	8
#define JAIL_PATH	"/usr/local/bin:/usr/bin:/bin"

/* What all jobs of this jailer have in common. */
struct jail {
	uid_t		 uid;		/* of jobs, inside */
	gid_t		 gid;
	uint64_t	 tmp_bytes;	/* size of /tmp */
	const char	*rw[JAIL_RW_MAX];	/* writable: the workspace */
	size_t		 nrw;
	int		 cgroup_fd;	/* delegated v2 folder, or -1 */
};

struct jail_job {
	char *const	*argv;		/* NULL-terminated */
	char *const	*envp;
	int		(*run)(void *);	/* instead of argv: our own code */
	void		*run_arg;
	const char	*cwd;
	int		 fd[3];		/* stdin, stdout, stderr; kept */
	bool		 pty;		/* fd[0] is to be its terminal */
	uint64_t	 memory_bytes;	/* 0: no limit, as below */
	uint64_t	 file_bytes;
	uint32_t	 cpu_s;
	uint32_t	 pids;		/* of this user: see jail_spawn */
	int		 cgroup_fd;	/* of this job, or -1 */
};

/* A job that runs, or has not been collected. */
struct jail_proc {
	pid_t		 pid;		/* of its process 1 */
	int		 pidfd;
	int		 status_fd;	/* what process 1 says at the end */
};

enum jail_end { JAIL_EXITED, JAIL_SIGNALED, JAIL_FAILED };
struct jail_result {
	enum jail_end	 how;
	uint32_t	 code;		/* status, signal or errno */
	uint64_t	 cpu_us;
	uint64_t	 rss_kib;	/* of its largest process */
	char		 step[48];	/* where it failed */
};

/* Fills uid and gid from what this process is: the jailer is 0 in a
 * namespace of two and jobs are 1, or it and its jobs are one user. */
void	 jail_init(struct jail *);
/* Can jobs be made here?  NULL, or why not. */
const char *jail_ready(void);
/* pids counts all processes of the job's user, in every job of this jailer.
 * 0, or -1 with errno. */
int	 jail_spawn(const struct jail *, const struct jail_job *,
	    struct jail_proc *);
/* Sends a signal: SIGKILL ends everything in the jail at once, others go to
 * the command's process group.  0, or -1 with errno (ESRCH: it has ended). */
int	 jail_signal(const struct jail_proc *, int sig);
/* Collects a job whose pidfd has become readable; closes both descriptors. */
int	 jail_collect(struct jail_proc *, struct jail_result *);

/* Splits texts that each end in NUL: number of texts, or -1 (EINVAL: the last
 * one is open, or there are none and none are not allowed; E2BIG).  vec has
 * room for max + 1 pointers, into p. */
ssize_t	 jail_vector(const char *p, size_t n, char **vec, size_t max);
/* A name of an environment that no job may get (T20), or NULL. */
const char *jail_env_refused(char *const *envp);

#endif
