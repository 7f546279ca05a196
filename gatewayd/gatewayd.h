/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The supervisor: starts every other process, owns the listening sockets and
 * the configuration file, restarts what ends.  It reads no byte from any
 * network, parses no JSON and never looks into a parcel but its own.
 */
#ifndef GATEWAYD_GATEWAYD_H
#define GATEWAYD_GATEWAYD_H

#include <sys/queue.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "common/cgroup.h"
#include "common/link.h"
#include "common/log.h"
#include "common/parcel.h"
#include "common/paths.h"
#include "common/peer.h"
#include "common/sandbox.h"
#include "common/worker.h"
#include "gatewayd/host/backoff.h"
#include "gatewayd/host/environ.h"
#include "gatewayd/host/places.h"
#include "gatewayd/host/results.h"

#define PING_INTERVAL_S		10	/* three unanswered: hung */
#define PING_MISSED_MAX		3
#define READY_TIMEOUT_S		15	/* spawn to READY */
#define DRAIN_DEADLINE_MS	20000	/* of agents; others take less */
#define KILL_AFTER_MS		5000	/* PROC_QUIT to SIGKILL */

struct proc {
	TAILQ_ENTRY(proc)	 entry;
	enum role		 role;
	char			 instance[129];
	char			 name[192];	/* "channeld/telegram:main" */
	enum proc_state		 state;
	pid_t			 pid;
	int			 pidfd;
	struct event		*pidev;		/* readable: it ended */
	struct link		*ctl;
	struct event		*timer;		/* READY, back-off or kill */
	int			 parcel_fd;	/* ours; each start gets a dup */
	int			 next_parcel_fd; /* of a reload under way */
	char			 hash[65], next_hash[65];	/* hex SHA-256 */
	struct places		 mounts;
	int			 stderr_fd;	/* read end, for the logger */
	uint64_t		 started_ms, ready_ms;	/* wall clock */
	uint64_t		 ready_mono;
	struct backoff		 backoff;
	unsigned int		 restarts;
	uint64_t		 next_start_ms;	/* wall clock */
	unsigned int		 pings_missed;
	struct m_proc_ready	 ready;		/* facts; its text is below */
	char			 ready_detail[513];
	char			 stat_detail[513];
	char			 last_exit[512];
	bool			 violated;	/* killed for misbehaviour */
	size_t			 index;		/* proc.N of the index */
	bool			 wanted;	/* in the current generation */
	bool			 was_wanted;	/* while the next one is judged */
	bool			 fresh;		/* new in the one being read */
	bool			 anew;		/* that one needs another life */
	bool			 stopping;	/* its end is our wish */
	bool			 restart_after;	/* start again once ended */
	bool			 ack_awaited;	/* of a reload */
};
TAILQ_HEAD(proc_list, proc);

struct supervisor {
	struct event_base	*base;
	struct proc_list	 procs;
	enum sandbox_mode	 mode;
	uint32_t		 sandbox_flags;
	struct sandbox_ids	 ids;
	int			 netns_fd;
	struct cgroup_tree	 cgroup;
	uint32_t		 generation;
	struct paths		 paths;
	char			 libexec[2048];
	char			**argv;
	uint32_t		 conf_flags;	/* enum cf_flag */
	const char		*groups;	/* of -g; NULL: not given */
	struct peer_policy	 peers;		/* of the control socket */
	bool			 started;	/* first generation runs */
	bool			 stopping;
	bool			 reexec;
	int			 status;
};
extern struct supervisor sup;

/* listen.c */
int	 listen_open(const struct parcel *index, char *why, size_t);
void	 listen_give(struct proc *);	/* to front and router, at spawn */
/* Looks the groups of the control socket up again. */
void	 listen_allow(void);
void	 listen_close(void);		/* removes the control socket */
const char *listen_url(void);		/* "http://127.0.0.1:18789/" */

/* spawn.c: clone3, descriptors, exec.  The process is then STARTING and has
 * its PROC_SANDBOX queued.  0, or -1 with errno. */
int	 spawn_start(struct proc *);
int	 spawn_path(enum role, char *, size_t);	/* of its program */

/* proc.c: the table and the life of each entry. */
struct proc *proc_new(enum role, const char *instance);
struct proc *proc_find(enum role, const char *instance);
struct proc *proc_by_name(const char *name);
void	 proc_free(struct proc *);
void	 proc_start(struct proc *);
/* Orderly: QUIT, then SIGKILL after KILL_AFTER_MS. */
void	 proc_stop(struct proc *, bool restart_after);
void	 proc_kill(struct proc *, const char *why);	/* at once */
void	 proc_setstate(struct proc *, enum proc_state, const char *reason);
void	 proc_timer(struct proc *, uint32_t ms);
void	 proc_init(void);		/* the ping timer */
extern const struct link_ops proc_ctl_ops;

/* topology.c: who is joined to whom. */
void	 topology_join(struct proc *);	/* to every living sibling */
void	 topology_leave(struct proc *);
struct proc *topology_peer(const struct proc *, uint32_t endpoint);

/* conf.c: the one-shot reader; done(ok) is called once, from the loop. */
int	 conf_run(uint32_t flags, void (*done)(bool ok));
/* Judges a change (enum cf_verb) with these parameters, sealed; they stay the
 * caller's.  What is to be written is conf_text() then. */
int	 conf_write(uint8_t verb, int params, void (*done)(bool ok));
/* Reads this file instead, as if it were the configuration. */
void	 conf_from(const char *path);
bool	 conf_busy(void);
const struct stat *conf_seen(void);	/* the file, when it was read last */
const struct m_cf_done *conf_result(void);	/* but for its text */
void	 conf_tell(void);		/* the router, if the file is not what runs */
const struct parcel *conf_index(void);	/* of the running generation */
const struct parcel *conf_next(void);	/* of the one that was just read */
void	 conf_commit(void);
void	 conf_discard(void);
void	 conf_drop(void);		/* not used; config.get shows it */
const char *conf_problem(void);		/* first error, "" when none */
enum msg_err conf_message(struct proc *, struct msg *);
void	 conf_gone(struct proc *);

/* reload.c: from a new index to the running processes. */
int	 reload_first(char *why, size_t);	/* builds the table */
/* Answers SUP_RES when corr != 0.  watched: nobody asked, the file changed;
 * gateway.reload.mode says what to do about it. */
void	 reload_start(uint64_t corr, bool watched);
bool	 reload_busy(void);
void	 reload_again(void);	/* what was asked for meanwhile */
void	 reload_ack(struct proc *, bool ok, const char *reason);
void	 reload_gone(struct proc *);

/* host/configure.c: changes of the configuration file. */
enum msg_err configure_message(struct msg *);
void	 configure_next(void);		/* takes the next change that waits */
void	 configure_init(struct event_base *, const struct paths *,
	    const bool *stopping);
void	 configure_watch(void);
void	 configure_tell(void);		/* the router, which is there again */
void	 configure_good(void);		/* what was just read does run */
bool	 configure_restarts(void);	/* a change asked for it, soon */
/* Writes what was just judged; -1 with why. */
int	 configure_store(char *why, size_t);

/* control.c: requests of the router. */
enum msg_err control_message(struct proc *, struct msg *);
void	 control_event(const struct proc *, const char *reason);
void	 control_reply(uint64_t corr, enum sup_status, const char *text);

/* shutdown.c */
void	 shutdown_start(bool reexec);
void	 shutdown_gone(void);		/* some process ended */
void	 shutdown_drained(struct proc *);

/* --- lines.c -------------------------------------------------------------- */
/* To the logger; -1 when there is none. */
int	 lines_send(enum log_level, const char *text);
/* p is RUNNING: tells it how much to say, and the logger what was said. */
void	 lines_ready(struct proc *);

#endif
