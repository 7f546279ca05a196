/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * agentd: one agent's conversations.  It takes turns from the router, keeps
 * transcripts and index, asks models, has tools called, and answers.  It opens
 * no socket, executes nothing and holds no credential; files below its own
 * folder are written, bootstrap files of the workspace are read.
 *
 * The way of a turn:
 *	turn.c		AG_TURN -> struct turn, commands, queues
 *	turn_seen.c	duplicates, ends that are told again
 *	journal.c	one transaction for all that happened in a turn of the
 *			event loop; what others are told is told after it
 *	run.c		the state machine: model, tools, model ... end
 *	model.c		one model call: engine in here, or a modeld
 *	toolcall.c	the calls of one assistant message, through toold
 *	event.c		what watchers see; outbox.c what a channel gets
 */
#ifndef AGENTD_AGENTD_H
#define AGENTD_AGENTD_H

#include <sys/queue.h>

#include <event2/event.h>
#include <jansson.h>

#include "agentd/provider.h"
#include "agentd/sessdb.h"
#include "common/session_key.h"
#include "agentd/transcript.h"
#include "agentd/visible.h"
#include "common/dbuf.h"
#include "common/json_write.h"
#include "common/link.h"
#include "common/parcel.h"
#include "common/worker.h"

#define EVENT_TEXT_MAX		(2u << 20)	/* cumulative text in events */
#define RESULT_TEXT_MAX		(4u << 20)
#define DELIVERY_TEXT_MAX	262144u		/* AG_DELIVER.text */
#define CHAT_DELTA_MS		150
#define TOOL_UPDATE_MS		250
#define TOOL_ABORT_MS		5000

/* --- config.c ------------------------------------------------------------ */

struct config {
	unsigned int	 refs;
	char		 agent_id[AGENT_ID_MAX + 1];
	char		*state_dir, *workspace;
	json_t		*root;		/* json.config */
	json_t		*agent;		/* borrowed from root */
	char		**candidates;	/* "provider/model", first is primary */
	size_t		 ncandidates;
	struct { char *name, *instance; } *providers;
	size_t		 nproviders;
	uint64_t	 timeout_ms;
	unsigned int	 max_concurrent, max_iterations;
	unsigned int	 retry_max;
	uint64_t	 retry_base_ms, retry_cap_ms, retry_server_max_ms;
	uint64_t	 head_timeout_ms, idle_timeout_ms;
	size_t		 bootstrap_max;
	bool		 loop_detection;
	bool		 scope_global;
	const char	*thinking, *verbose, *typing_mode;
	const char	*time_zone;
};
extern struct config *cfg;		/* the one in force */

struct config *config_read(const struct parcel *, char *why, size_t);
struct config *config_ref(struct config *);
void	 config_unref(struct config *);
/* Fills *m (pointers into c): 0, or -1 with a reason. */
int	 config_model(struct config *c, const char *ref,
	    struct provider_model *m, char *why, size_t);
/* What a user calls a model (an alias, provider/model, or a model of the
 * default provider) as "provider/model" in ref; *m points into it. */
enum model_choice { MODEL_OK, MODEL_INVALID, MODEL_NOT_ALLOWED };
enum model_choice config_choose(struct config *, struct str raw, char *ref,
	    size_t size, struct provider_model *m);
/* The modeld instance for a provider, NULL when none is configured. */
const char *config_instance(const struct config *, const char *provider);
/* Value at a dotted path below an object; NULL when absent. */
json_t	*config_at(json_t *, const char *path);

/* --- session.c ----------------------------------------------------------- */

struct turn;
struct run;
struct http_call;
TAILQ_HEAD(turn_list, turn);
TAILQ_HEAD(session_list, session);

struct session {
	LIST_ENTRY(session)	 hash;
	TAILQ_ENTRY(session)	 lru;
	TAILQ_ENTRY(session)	 dirty_entry;
	TAILQ_ENTRY(session)	 ready;		/* has turns, runs none */
	bool			 in_ready;
	char			 key[SESSION_KEY_MAX + 1];
	json_t			*entry;		/* its object in sessions.json */
	bool			 stored;	/* has a row ... */
	bool			 placed;	/* ... with this session id */
	bool			 dirty;		/* row must be written */
	struct transcript	*transcript;
	json_t			*history;	/* for models; NULL: not read */
	size_t			 history_bytes;	/* images as IMAGE_WEIGHT */
	size_t			 media_bytes;	/* images in it, as they are */
	bool			 reload;	/* history lacks what was put in
						 * while a run used it */
	json_t			*unsaved;	/* messages the disk refused */
	struct turn_list	 turns;		/* waiting */
	size_t			 nturns;
	struct run		*run;
	unsigned int		 pins;		/* turns in the journal */
	uint64_t		 used_ms;
};

/* NULL with errno when it cannot be read. */
struct session *session_get(const char *key);
struct session *session_find(const char *key);	/* only if in memory */
/* NULL too when there is none yet: it is not made by asking. */
struct session *session_existing(const char *key);
const char *session_id(struct session *);
/* "provider/model" that was set for it; false: none was. */
bool	 session_wish(struct session *, char *ref, size_t size);
/* Name of its transcript in the sessions folder. */
void	 session_file(struct session *, char *name, size_t size);
/* Its transcript, to be read by itself; NULL with errno. */
struct transcript *session_read(struct session *);
/* The next session_load() reads it again. */
void	 session_forget_history(struct session *);
/* Opens transcript and history when they are not in memory: 0 or -1. */
int	 session_load(struct session *, size_t max_bytes);
/* Its row is to be written with the next commit; activity sets updatedAt. */
void	 session_dirty(struct session *, bool activity);
/* Another entry for it, durably; -1 with errno, and it has the old one. */
int	 session_replace(struct session *, json_t *entry);
/* No part of it stays open; what the disk refused is given up. */
void	 session_close(struct session *);
/* Forgets it, durably and from memory; its file stays.  Nothing may run or
 * wait in it.  -1 with errno. */
int	 session_drop(struct session *);
/* A new transcript (spec sessions 7). */
void	 session_reset(struct session *);
/* Would a message now begin a new session? */
bool	 session_stale(struct session *, const char *channel,
	    enum chat_type, uint64_t now_ms);
/* Appends to the transcript; in_context: to the history as well.  A message
 * that the disk refuses is kept and tried again (-1, errno). */
int	 session_append(struct session *, json_t *message, bool in_context,
	    char id[9]);
/* Writes what is unsaved, and syncs where tails_put() cannot do without: 0,
 * or -1 with errno. */
int	 session_save(struct session *);
/* Keeps the history within max_bytes, cut before a question. */
void	 session_trim(struct session *, size_t max_bytes);
/* Frees what nobody needs beyond the limits of the cache. */
void	 session_shrink(void);
/* The row of sessions.list and the text for its search. */
int	 session_put(struct session *);
/* sessdb_each_session() of an index that has what is in memory, too. */
int	 session_each(const struct sessdb_filter *, sessdb_session_fn *,
	    void *arg);
const char *session_text(struct session *, const char *field,
	    const char *def);
void	 session_set(struct session *, const char *field, json_t *);
/* sendpolicy.c: is it not to be answered? */
bool	 session_send_denied(struct session *);
struct session *session_first(void);	/* walks those in memory */
struct session *session_next(struct session *);

/* --- turn.c -------------------------------------------------------------- */

struct turn {
	TAILQ_ENTRY(turn)	 entry;		/* queue of its session */
	TAILQ_ENTRY(turn)	 journal;
	struct session		*session;
	struct sessdb_turn	 row;		/* strings are owned here */
	json_t			*options;
	struct run		*run;
	uint64_t		 corr;		/* of AG_TURN, */
	uint32_t		 asker;		/* and of the router that sent it */
	bool			 ack_due;
	bool			 queued;
	bool			 in_starts;
	bool			 stale;		/* it begins a new session */
	char			*media;		/* its images, until it runs */
	size_t			 media_n;
	bool			 has_media;	/* the journal has some of it */
	size_t			 held;		/* bytes of its texts */
	struct http_call	*http;		/* who waits for it, or NULL */
};
enum msg_err turn_message(struct link *, struct msg *);
/* One that did not come as AG_TURN: l is NULL, and http_turn_answered() gets
 * what AG_TURN_ACK would say.  Unless it is MSG_OK nothing was said. */
enum msg_err turn_offer(struct link *l, uint64_t corr,
	    const struct m_ag_turn *, struct http_call *);
/* turn_seen.c: was it seen before?  Then it is acknowledged there (1); 0 no,
 * -1 errno. */
int	 turn_seen(struct link *, uint64_t corr, const struct m_ag_turn *);
enum msg_err turn_asked(struct link *, struct msg *);	/* AG_RUN_ASK */
void	 turn_ack(struct link *, uint64_t corr, const char *run_id,
	    enum turn_status, uint64_t at, const char *code,
	    const char *reason);
void	 turn_free(struct turn *);
/* Recreates what was not done when the process ended. */
void	 turn_recover(void);
/* The journal has it: acknowledge, then run or wait. */
void	 turn_committed(struct turn *);
/* The journal could not take it. */
void	 turn_refused(struct turn *, int err);
/* Starts waiting turns as far as the limits allow. */
void	 turn_schedule(void);
void	 turn_session_idle(struct session *);
/* Drops the waiting turns of a session, as aborted: those of that source, or
 * all (TURN_SOURCE_MAX). */
void	 turn_drop_queued(struct session *, enum turn_source,
	    const char *stop_reason, json_t *run_ids);
/* The session goes: it has no turns. */
void	 turn_session_gone(struct session *);
/* One of them. */
void	 turn_drop_one(struct turn *, const char *stop_reason);
/* One that waits, or is on its way in. */
struct turn *turn_find_queued(const char *run_id);
size_t	 turn_count_queued(void);
bool	 turn_is_stop_word(struct str text);
/* What the chat will get of a run that ends: run->delivery_id and text. */
void	 turn_plan_delivery(struct run *);
void	 turn_delivery(struct run *, struct sessdb_delivery *);
const char *turn_option(const struct turn *, const char *key,
	    const char *def);

/* command.c: the answer (free it) when text is a command that needs no model;
 * *text_rest is what is left for the model after a reset. */
enum command { COMMAND_NONE, COMMAND_STOP, COMMAND_RESET, COMMAND_STATUS,
	COMMAND_HELP };
enum command command_parse(struct str text, struct str *rest);
char	*command_status(struct session *);
char	*command_help(void);

/* --- journal.c ----------------------------------------------------------- */

extern struct sessdb *db;		/* NULL: cannot be opened now */

int	 journal_open(void);
void	 journal_close(void);
void	 journal_accept(struct turn *);
void	 journal_start(struct turn *);
int	 journal_began(struct turn *);
void	 journal_end(struct run *);
/* Its turn was refused. */
void	 journal_forget(struct run *);
void	 journal_session(struct session *);
/* Rows of sessions that wait are written now, for the index is to be read:
 * 0 or -1. */
int	 journal_sessions(void);
/* The session goes: its row is written no more. */
void	 journal_session_gone(struct session *);
/* notice: what its chat is told in its place, or NULL; its id is ignored. */
void	 journal_drop_delivery(const char *id,
	    const struct sessdb_delivery *notice);
/* Everything now, with the wait for the disk; 0 or -1. */
int	 journal_flush(void);
/* Is a turn with that dedupe key on its way in? */
struct turn *journal_find_accepting(const char *dedupe_key);
/* A turn of the session (of that source; TURN_SOURCE_MAX: of any) that is on
 * its way in and not ended yet. */
struct turn *journal_next_accepting(const struct session *,
	    enum turn_source);
struct turn *journal_find_accepting_run(const char *run_id);
/* "" when all is well, else why new turns are refused. */
const char *journal_trouble(void);

/* --- tails.c ------------------------------------------------------------- */

/* Within a transaction: the session's new lines. */
int	 tails_put(struct session *);
/* That transaction is on the disk, or not. */
void	 tails_committed(struct session *, bool);
/* A transcript was opened. */
void	 tails_opened(struct transcript *, const char *name);
/* A file that is on the disk is cut or goes; -1 with errno. */
int	 tails_forget(const char *name);
/* After a start: puts back what a power failure took; -1 with errno when that
 * can be done only later. */
int	 tails_recover(void);

/* --- run.c --------------------------------------------------------------- */

enum run_state { RUN_ST_START, RUN_ST_MODEL, RUN_ST_RETRY, RUN_ST_TOOLS,
	RUN_ST_ENDING };

enum call_state { CALL_WAITING, CALL_RUNNING, CALL_DONE };
struct toolcall {
	struct run	*run;
	enum call_state	 state;
	json_t		*block;		/* the toolCall block */
	const char	*name, *id;	/* of the model; borrowed from block */
	char		 call_id[32];	/* ours */
	uint64_t	 corr;
	bool		 shared;
	bool		 waiting;	/* an operator is asked about it */
	char		*bad_args;
	struct dbuf	 out;		/* tail of its output */
	uint64_t	 last_update_ms;
	bool		 unshown;	/* output since then */
	json_t		*result;	/* {content, details, isError} */
};

#define LOOP_WINDOW	30

struct run {
	LIST_ENTRY(run)		 entry;
	TAILQ_ENTRY(run)	 journal;
	struct turn		*turn;
	struct session		*session;
	struct config		*cfg;
	enum run_state		 state;
	uint32_t		 seq;
	uint64_t		 started_at, ended_at;
	struct event		*timer;		/* next step, retry, wait */
	struct event		*deadline;
	uint64_t		 deadline_ms;	/* mono; 0: none */
	uint64_t		 held_ms;	/* mono, since when; 0: it runs */
	unsigned int		 nheld;
	struct event		*typing;
	uint64_t		 typing_until;
	bool			 announced;	/* lifecycle start was sent */

	/* model call: model.c */
	char			*wish;		/* model of the session, or NULL */
	size_t			 candidate;
	unsigned int		 attempt;
	struct provider_model	 model;
	const struct provider	*provider;
	struct provider_options	 options;
	char			 thinking[16];	/* what options point to; */
	char			 session_id[64]; /* the entry may change */
	struct provider_context	 context;
	char			*system;
	struct pstream		*ps;
	void			*parser, *engine;
	struct link		*md;
	uint64_t		 md_corr;
	uint32_t		 md_owed;	/* bytes taken, not granted anew */
	unsigned int		 md_status;
	struct dbuf		 md_headers, md_errbody;
	uint64_t		 waiting_since;
	json_t			*message;	/* finished one */
	struct provider_error	 error;

	/* text of the current assistant message */
	struct visible		 visible;
	struct dbuf		 text;
	size_t			 published;
	uint64_t		 last_delta_ms;
	size_t			 told;	/* of text, in chat deltas */
	bool			 told_any;	/* there was one, of any text */
	char			*last_text;	/* of the last message with any */
	json_t			*texts;		/* of all messages with any */
	bool			 shown;		/* some text left this process */

	/* tools: toolcall.c */
	struct toolcall		*calls;
	size_t			 ncalls;
	unsigned int		 iterations;
	uint64_t		 loop_hash[LOOP_WINDOW];
	unsigned int		 loop_n, loop_criticals;
	bool			 loop_block;	/* the next batch */
	bool			 loop_blocking;	/* this batch */
	bool			 after_abort;	/* of the run before */

	/* outcome */
	bool			 aborted;
	const char		*stop_reason;	/* rpc, stop, timeout, shutdown */
	enum run_status		 status;
	char			*failure;
	bool			 injected;	/* answered without a model */
	bool			 interrupted;	/* by the end of the process */
	json_t			*handed;	/* a call for the client */
	json_t			*usage;
	struct sessdb_usage	 spent;		/* by all its calls */
	char			*delivery_id;
	char			*delivery_text;
	char			*delivery_to[4]; /* channel account chat thread */
	char			*result;	/* JSON */
	bool			 events_off;	/* the chat was told its end */
	char			*notice;	/* sent instead of an answer */
};
LIST_HEAD(run_list, run);
extern struct run_list runs;
extern unsigned int nactive;		/* runs that are not ending */

void	 run_start(struct turn *);
/* Ends a turn that needs no model with that text. */
void	 run_inject(struct turn *, const char *text);
/* A turn that was running when the process ended. */
void	 run_interrupted(struct turn *, const char *answer);
/* A turn that never ran. */
void	 run_drop(struct turn *, const char *stop_reason);
void	 run_abort(struct run *, const char *stop_reason);
void	 run_fail(struct run *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* Next model call, from the event loop. */
void	 run_continue(struct run *);
/* Called by model.c when run->message or run->error is there. */
void	 run_model_done(struct run *);
/* Called by toolcall.c when every call has its result. */
void	 run_tools_done(struct run *);
/* An assistant message that says why there is no answer. */
void	 run_write_failure(struct session *, const char *stop,
	    const char *text);
/* The journal has its end. */
void	 run_committed(struct run *);
/* Forgets one whose turn was refused. */
void	 run_discard(struct run *);
struct run *run_find(const char *run_id);
/* Models that may answer, in order: that of the session, the configured one,
 * its fallbacks; NULL behind the last. */
const char *run_model_ref(const struct run *, size_t i);
/* UINT32_MAX: none. */
void	 run_timer(struct run *, uint32_t ms);
/* The time limit of the run stands still while a human is asked. */
void	 run_hold(struct run *);
void	 run_unhold(struct run *);

/* --- model.c ------------------------------------------------------------- */

void	 model_call(struct run *);
void	 model_cancel(struct run *);
void	 model_timer(struct run *);
size_t	 model_budget(const struct provider_model *);
void	 model_peer(struct link *);
void	 model_peer_gone(struct link *);
enum msg_err model_message(struct link *, struct msg *);
void	 model_router_drained(void);
/* The modeld for a provider; NULL when it is not there. */
struct link *model_link(const char *provider);

/* --- toolcall.c ---------------------------------------------------------- */

/* Takes note of the calls in a message's content. */
void	 toolcall_collect(struct run *, json_t *content);
void	 toolcall_start(struct run *);
void	 toolcall_cancel(struct run *);
void	 toolcall_timer(struct run *);
void	 toolcall_free(struct run *);
void	 toolcall_peer(struct link *);
void	 toolcall_peer_gone(struct link *);
enum msg_err toolcall_message(struct link *, struct msg *);
json_t	*toolcall_list(void);		/* what toold offers; borrowed */
bool	 toolcall_ready(void);
/* A toolResult message (new reference) around a result. */
json_t	*toolcall_message_of(const char *id, const char *name,
	    json_t *result);
size_t	 toolcall_cap(const struct provider_model *);

/* --- prompt.c, history.c ------------------------------------------------- */

/* The system prompt (free it); NULL when out of memory. */
char	*prompt_system(struct run *);
void	 prompt_open(void);		/* the workspace folder */
/* A file of the workspace as clean text (free it); NULL when there is none. */
char	*prompt_file(const char *name);

/* --- identity.c ------------------------------------------------------------ */

/* What is named as this agent's picture: an address, or a file. */
bool	 identity_avatar(char *buf, size_t size);
/* Where clients get a file from: "/ui/avatar/main". */
void	 identity_avatar_path(char *buf, size_t size);
/* What the model is to read of a turn. */
json_t	*prompt_user(struct turn *);

/* --- sysevent.c ---------------------------------------------------------- */

enum msg_err sysevent_message(struct link *, struct msg *);	/* AG_SYSTEM */
/* What waits for this session, a line each, for the next message. */
void	 sysevent_put(const struct session *, struct dbuf *);
void	 sysevent_seen(struct session *);
struct jw;
void	 sysevent_write(struct jw *);	/* "events" of AG_STATE */	/* the transcript has them */

/* A stored message as the model may see it: NULL when not at all. */
json_t	*history_convert(json_t *message);
/* The images of the newest messages stay, about max_bytes of them. */
void	 history_limit_images(json_t *messages, size_t max_bytes);
/* Every call has one result behind it, nothing is orphaned; in place. */
void	 history_repair(json_t *messages);

/* --- event.c ------------------------------------------------------------- */

void	 event_lifecycle_start(struct run *);
void	 event_lifecycle_end(struct run *);
/* What is new in run->text, as agent and chat events. */
void	 event_assistant(struct run *);
void	 event_tool_start(struct run *, struct toolcall *);
void	 event_tool_update(struct run *, struct toolcall *);
void	 event_tool_result(struct run *, struct toolcall *);
/* chat final, error or aborted. */
void	 event_chat_end(struct run *);
/* A copy of a result or message without what is too much for an event: the
 * data of images, and of long texts the rest. */
json_t	*event_copy(json_t *);

/* --- announce.c ---------------------------------------------------------- */

/* A message was written into the transcript as the entry of that id. */
void	 announce_message(struct session *, json_t *message, const char *id);
enum msg_err announce_watch(struct msg *);
void	 announce_router_gone(void);

/* --- outbox.c ------------------------------------------------------------ */

void	 outbox_load(void);
/* Rows that the journal has: send them. */
void	 outbox_add(const struct sessdb_delivery *);
void	 outbox_router(struct link *);
enum msg_err outbox_ack(struct link *, struct msg *);
size_t	 outbox_count(void);
/* Text as a channel gets it (free it): tags and silent tokens handled; NULL
 * when nothing is to be sent. */
char	*outbox_text(const char *);
void	 outbox_typing(struct run *, bool on);

/* --- rpc.c, rpc_chat.c, state.c, view.c ----------------------------------- */

enum msg_err rpc_message(struct link *, struct msg *);
/* Waiters of agent.wait. */
void	 rpc_run_ended(const char *run_id, enum run_status,
	    uint64_t started_at, uint64_t ended_at, const char *error);
void	 rpc_router_gone(void);
/* Aborts what the session runs and what waits, of turns from that source
 * (TURN_SOURCE_MAX: all); the answer's JSON. */
char	*rpc_abort_session(struct session *, const char *stop_reason,
	    enum turn_source only, unsigned int *n);
/* A run of it ended. */
void	 rpc_session_idle(struct session *);

/* rpc_usage.c: what a message took, for its run; the day of a time. */
void	 usage_note(struct run *, const json_t *message);
void	 usage_add(struct sessdb_usage *, const struct sessdb_usage *);
void	 usage_day(uint64_t wall, char day[11]);

void	 state_changed(void);		/* AG_STATE is due */
void	 state_now(void);	/* before a turn is told as ended */
void	 view_changed(void);		/* sessions.json is due */
void	 view_flush(void);

/* --- import.c ------------------------------------------------------------- */

/* Takes sessions.json over into an index that never had anything: all of it,
 * or -1 with errno and nothing has changed. */
int	 import_sessions(void);

/* --- agent.c -------------------------------------------------------------- */

extern const struct worker agent_worker;
extern struct link *router, *tools;
extern int state_fd, sessions_fd;	/* folders */
extern bool draining;
/* Opens (makes) what state_fd and sessions_fd are: 0, or -1 with errno. */
int	 agent_open_folders(void);

#endif
