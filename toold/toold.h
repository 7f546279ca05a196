/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The tool monitor of one agent: what its files share.  It judges calls and
 * hands them on: commands to the jailer, file operations to the file worker.
 * It never executes anything, opens no file of the workspace, and owns only
 * its spool folder.
 */
#ifndef TOOLD_TOOLD_H
#define TOOLD_TOOLD_H

#include <sys/queue.h>

#include <event2/event.h>
#include <jansson.h>

#include "common/dbuf.h"
#include "common/link.h"
#include "common/parcel.h"
#include "toold/execlist.h"
#include "toold/output.h"
#include "toold/text_clean.h"
#include "toold/toolpolicy.h"
#include "toold/tools.h"
#include "toold/wpath.h"

#define TOOLD_CALLS_MAX		64	/* in flight */
#define TOOLD_ARGS_MAX		(64u << 20)	/* bytes of their arguments */
#define TOOLD_JOBS_MAX		32	/* running and finished, kept */
#define TOOLD_RUNNING_MAX	16
#define TOOLD_FILEOPS_MAX	128	/* in flight */
#define TOOLD_QUESTIONS_MAX	32	/* that wait for an operator */
#define TOOLD_SPILL_MAX		(64u << 20)	/* bytes of one job's file */
#define TOOLD_RESULT_MAX	(9u << 20)	/* TL_DONE.result */
#define TOOLD_OUT_MAX		(256u << 10)	/* bytes of TL_OUT per call */
#define TOOLD_ABORT_MS		4000	/* a cancelled call ends within 5 s */

struct job;
struct fileop;
struct fetchop;
struct selftest;
struct question;

/* One TL_CALL until its TL_DONE. */
struct call {
	LIST_ENTRY(call)	 entry;
	struct toold		*t;
	struct link		*link;
	uint64_t		 corr;
	char			*id, *run_id, *session;
	const struct tool	*tool;
	json_t			*args;		/* checked */
	size_t			 args_bytes;
	struct dbuf		 notes;		/* lines above the result */
	struct event		*timer;		/* the tool's limit_ms */
	uint64_t		 start_ms;
	size_t			 out_bytes;	/* TL_OUT so far */
	bool			 cancelled;
	bool			 accepted, denied;	/* TL_ACCEPT was sent */
	/* The tool's own: freed by its cleanup(). cancel() asks it to end
	 * soon, and may end the call at once. */
	void			*state;
	void			(*cancel)(struct call *);
	void			(*cleanup)(struct call *);
};
LIST_HEAD(call_list, call);

struct toold {
	struct event_base	*base;
	char			 agent[128];
	char			 workspace[WPATH_MAX];
	char			 spool[WPATH_MAX];
	char			 tz[128];
	int			 spool_fd;
	struct toolpolicy	 policy, next_policy;
	bool			 reload;	/* next_policy waits */
	const char		*no_jobs;	/* why none here; NULL: some */
	struct execlist		 execlist;

	struct link		*jailer, *files, *router, *agentd;
	struct link		*fetcher;	/* NULL: not wanted, or not yet */
	struct call_list	 calls;
	size_t			 ncalls, args_bytes;
	LIST_HEAD(, job)	 jobs;
	size_t			 njobs, nrunning;
	uint32_t		 last_job;
	LIST_HEAD(, fileop)	 fileops;
	size_t			 nfileops;
	uint32_t		 last_fileop;
	TAILQ_HEAD(, fetchop)	 fetchops;
	size_t			 nfetchops;
	struct event		*fetcher_idle;
	/* Asks the supervisor to start or end it; NULL: there is none. */
	void			(*want_fetcher)(bool);
	LIST_HEAD(, selftest)	 selftests;
	LIST_HEAD(, question)	 questions;
	size_t			 nquestions;
	bool			 draining;
	void			(*drained)(void);	/* once, or NULL */
	uint64_t		 ncalls_total, ndenied;
};

/* toold.c: configuration, links, messages.  What main.c wires to the worker
 * runtime, and tests to a harness. */
int	 toold_configure(struct toold *, const struct parcel *, bool reload,
	    char *why, size_t size);
void	 toold_commit(struct toold *);
int	 toold_open(struct toold *);	/* 0, or -1 with errno */
void	 toold_peer(struct toold *, struct link *);
void	 toold_peer_gone(struct toold *, struct link *);
enum msg_err toold_message(struct toold *, struct link *, struct msg *);
/* Ends jobs and calls; drained is called once nothing is left. */
void	 toold_drain(struct toold *, void (*drained)(void));
void	 toold_close(struct toold *);

/* calls.c */
enum msg_err tcall_start(struct toold *, struct link *, struct msg *);
enum msg_err tcall_cancel(struct toold *, struct link *, struct msg *);
/* Is it offered here?  Policy, and what this host can do; else why not. */
bool	 tcall_offers(const struct toold *, const struct tool *, char *why,
	    size_t size);
enum msg_err tcall_list(struct toold *, struct link *, struct msg *);
/* How the call goes on: see enum tool_accept. */
void	 tcall_accept(struct call *, enum tool_accept, struct str reason);
/* What may be called now; also sent unasked when that has changed. */
void	 tcall_send_list(struct toold *, struct link *, uint64_t corr);
void	 tcall_link_gone(struct toold *, struct link *);
void	 tcall_cancel_all(struct toold *);
/* Text that the command printed just now, for whoever watches. */
void	 tcall_out(struct call *, unsigned int stream, const char *, size_t);
/* The one result of the call, which is freed.  Takes result and details. */
void	 tcall_done(struct call *, json_t *result);
void	 tcall_done_text(struct call *, struct str text, json_t *details);
/* An error result; the text is for the model. */
void	 tcall_fail(struct call *, const char *, ...)
	    __attribute__((format(printf, 2, 3)));
void	 tcall_fail_details(struct call *, struct str text, json_t *details);

/* result.c: {content, details, isError}; new references. */
json_t	*tresult_text(struct str text, json_t *details, bool is_error);
json_t	*tresult_json(json_t *value, bool is_error);
json_t	*tresult_image(const char *mime, struct str bytes, json_t *details);
/* A string that json takes: bad UTF-8 and control bytes are mended, what
 * looks like a credential is masked. */
json_t	*tresult_string(struct str);
/* The same as text, in a buffer that this makes. */
void	 tresult_clean(struct str, struct dbuf *);
void	 tresult_mask(bool on);		/* on, unless configured otherwise */
/* Puts a text in front of the first text block. */
void	 tresult_prepend(json_t *result, struct str text);

/* fileop.c: operations of the file worker.  res is NULL when there will be no
 * answer (the worker ended); why then says so. */
typedef void (*fileop_cb)(void *arg, const struct m_fw_res *res,
	    const char *why);
struct fileop *fileop_start(struct toold *, const struct m_fw_op *, fileop_cb,
	    void *arg, const char **why);	/* NULL: refused, why */
void	 fileop_forget(struct fileop *);	/* cb will not be called */
enum msg_err fileop_result(struct toold *, struct msg *);
void	 fileop_link_gone(struct toold *);
/* fetchop.c: pages of the fetcher.  res is NULL when there will be no answer;
 * why then says so.  A forgotten one is given up. */
typedef void (*fetchop_cb)(void *arg, const struct m_ft_res *res,
	    const char *why);
struct fetchop *fetchop_start(struct toold *, const char *url,
	    enum fetch_form, uint32_t max_chars, fetchop_cb, void *arg,
	    const char **why);
void	 fetchop_forget(struct fetchop *);
enum msg_err fetchop_result(struct toold *, struct msg *);
void	 fetchop_peer(struct toold *, struct link *);
void	 fetchop_link_gone(struct toold *, struct link *);
void	 fetchop_clear(struct toold *);
/* What an errno of a file operation means to a model. */
const char *fileop_strerror(uint32_t err);

/* job.c: commands in the jail, from start until they are forgotten. */
enum job_state { JOB_STARTING, JOB_RUNNING, JOB_ENDED };
struct job {
	LIST_ENTRY(job)		 entry;
	struct toold		*t;
	uint32_t		 num;		/* of JL_ messages */
	char			 id[16];	/* sessionId */
	char			*session;	/* who may see it */
	char			*command, *name, *cwd;
	enum job_state		 state;
	bool			 background;
	bool			 pty;
	uint32_t		 pid;		/* as the jailer sees it */
	uint64_t		 start_ms, start_wall_ms, end_ms;
	uint32_t		 timeout_s;
	enum job_end		 how;
	uint32_t		 code;
	uint64_t		 cpu_us, rss_kib;
	char			 reason[513];
	bool			 timed_out, aborted;	/* by us */
	bool			 exited;	/* JL_EXIT has come */
	bool			 forgotten;	/* freed when it has ended */
	int			 in_fd, out_fd, err_fd;	/* -1: closed */
	struct event		*in_ev, *out_ev, *err_ev;
	struct dbuf		 in;		/* to be written */
	bool			 in_eof;	/* close when written */
	struct text_clean	 clean[2];
	struct output		 out;
	struct dbuf		 held[2];	/* not yet shown, see mask.h */
	uint64_t		 polled;	/* offset of the next poll */
	uint64_t		 raw_bytes;	/* read from it */
	struct event		*timeout_ev, *kill_ev, *linger_ev, *forget_ev;
	struct call		*call;		/* exec in the foreground */
	void			(*call_end)(struct job *);
	struct call		*waiter;	/* process poll with timeout */
	void			(*waiter_news)(struct job *);
};

struct job_spec {
	struct str	 session, command, name;
	struct str	 argv;		/* each text with its NUL; empty: a
					 * shell gets the command */
	const char	*cwd;
	struct str	 env;		/* NAME=value NUL ... */
	uint32_t	 timeout_s;	/* 0: none */
	bool		 pty, input;	/* a terminal; standard input open */
};
/* NULL: not started, why (lent) says so. */
struct job *tjob_start(struct toold *, const struct job_spec *,
	    const char **why);
struct job *tjob_find(struct toold *, struct str session, struct str id);
/* Queues input: 0, or -1 when it is closed or full. */
int	 tjob_input(struct job *, const char *, size_t, bool eof);
/* TERM now, KILL after grace_ms. */
void	 tjob_end(struct job *, uint32_t grace_ms);
/* Ends it if it runs, frees it when it has ended. */
void	 tjob_forget(struct job *);
void	 tjob_link_gone(struct toold *);
void	 tjob_free_all(struct toold *);
enum msg_err tjob_started(struct toold *, struct msg *);
enum msg_err tjob_exit(struct toold *, struct msg *);
/* "exit code 1", "signal 9 (killed)", "timed out after 5 s", ... */
void	 tjob_reason(const struct job *, char *, size_t);
bool	 tjob_ok(const struct job *);
uint64_t tjob_runtime_ms(const struct job *);

/* selftest.c: the jailer's probe, for diagnose and for the method
 * sandbox.selftest.  escaped: attempts that got out.  report is NULL when
 * there is none, why says so. */
typedef void (*selftest_cb)(void *arg, uint32_t tried, uint32_t escaped,
	    json_t *report, const char *why);
struct selftest *selftest_start(struct toold *, selftest_cb, void *arg,
	    const char **why);
void	 selftest_forget(struct selftest *);
enum msg_err selftest_result(struct toold *, struct msg *);
void	 selftest_link_gone(struct toold *);
void	 selftest_rpc(struct toold *, uint64_t corr);

/* question.c: an operator is asked about a command.  The callback comes at
 * most once, and never from within question_ask(). */
enum question_answer { QUESTION_ONCE, QUESTION_ALWAYS, QUESTION_DENIED,
	QUESTION_TIMED_OUT };
typedef void (*question_cb)(void *arg, enum question_answer, const char *by);
struct question_spec {
	struct str		 command, session;
	const char		*cwd, *digest;
	const char		*path;		/* of the program, or "" */
	const char		*reason;	/* why it is asked */
	enum exec_security	 security;
	enum exec_ask		 ask;
	bool			 always;	/* may be allowed for good */
	uint32_t		 ms;
};
struct question *question_ask(struct toold *, const struct question_spec *,
	    question_cb, void *arg, const char **why);
const char *question_id(const struct question *);
uint64_t question_expires(const struct question *);
void	 question_withdraw(struct question *);	/* cb will not be called */
void	 question_router_up(struct toold *);
enum msg_err question_decision(struct toold *, struct link *, struct msg *);

/* rpc.c: requests of clients, through the router. */
enum msg_err trpc_request(struct toold *, struct link *, struct msg *);
/* The one answer; takes result, which is NULL for an error. */
void	 trpc_answer(struct toold *, uint64_t corr, json_t *result,
	    const char *code, const char *message);

/* One per tool: starts it; ends with tcall_done or one of its kin. */
void	 tool_read(struct call *);
void	 tool_write(struct call *);
void	 tool_edit(struct call *);
void	 tool_ls(struct call *);
void	 tool_exec(struct call *);
void	 tool_process(struct call *);
void	 tool_web_fetch(struct call *);
void	 tool_diagnose(struct call *);

/* Where a path leads; false when the call has failed with a reason. */
bool	 tool_path(struct call *, char *buf, size_t size);

#endif
