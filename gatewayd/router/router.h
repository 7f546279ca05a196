/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The router: a switch between clients, agents and channels.  It has no file,
 * no way to make a socket, no secret.  Clients are hostile, siblings are
 * distrusted; nothing that either sends may end this process, and every queue
 * has a bound.
 */
#ifndef GATEWAYD_ROUTER_H
#define GATEWAYD_ROUTER_H

#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/dbuf.h"
#include "common/json_skim.h"
#include "common/json_write.h"
#include "common/link.h"
#include "common/methods.h"
#include "common/parcel.h"
#include "common/worker.h"
#include "common/ws.h"
#include "gatewayd/router/node_policy.h"
#include "gatewayd/router/route.h"

struct evbuffer;
struct request;
struct node_sub;
struct watch;

/* The published policy (spec 1.3, and advice 2 of section 10 on payloads); a
 * client is told what is enforced. */
#define RT_MAX_PAYLOAD		26214400
#define RT_MAX_BUFFERED		1572864
#define RT_TICK_MS		30000
#define RT_HEALTH_MS		60000
#define RT_PING_MS		25000

#define RT_STRANGE_MAX	10		/* calls of the other role in a row */
#define RT_LINE_MAX	524288		/* bytes of one on the control socket */
#define RT_IN_ALL	(256u << 20)	/* of begun messages, all clients */
#define RT_TEXT_MAX	1048576		/* AG_TURN.text */
#define RT_PARAMS_MAX	6291456		/* RPC_REQ.params */
#define RT_OUT_HARD	(16u << 20)	/* unsent bytes that end any client */
#define RT_CLIENTS_MAX	12288
#define RT_CONTROL_MAX	256		/* control connections */
#define RT_CONTROL_UID	32		/* of them, per user */
#define RT_PENDING_MAX	16384		/* requests out to siblings */
#define RT_PENDING_CLIENT 256		/* of them, per client */
#define RT_ID_MAX	1024		/* bytes of a request id that waits */
#define RT_RPC_MS	30000
#define RT_RUNS_MAX	4096
#define RT_WATCH_CLIENT	64		/* conversations that one watches */
#define RT_WATCH_MAX	65536		/* of all clients */
#define RT_CACHE_MAX	1000		/* finished runs kept (3.4) */
#define RT_CACHE_MS	300000
#define RT_CACHE_BYTES	(32u << 20)	/* of their results */

/* --- payload.c: bytes shared by many sockets ------------------------------ */

struct payload {
	unsigned int	 refs;
	size_t		 n;
	char		 p[];
};
struct payload *rt_payload_new(size_t n);	/* NULL: no memory */
struct payload *rt_payload_of(const char *, size_t);
struct payload *rt_payload_ref(struct payload *);
void	 rt_payload_unref(struct payload *);

/* --- config.c: what the parcel says -------------------------------------- */

struct rt_agent {
	char		*id, *name;
	bool		 is_default;
	struct link	*link, *tool;
	uint32_t	 running, queued;
	struct payload	*sessions;	/* {path, count, recent}, JSON */
};

struct rt_account {
	char		*kind, *account, *label;
	struct link	*link;
	uint8_t		 state;		/* enum ch_state */
	char		*detail;
	struct payload	*snapshot;	/* row of channels.status, JSON */
	struct payload	*probe;		/* of the last probe, JSON */
	uint64_t	 probed_at;	/* wall */
};

struct rt_config {
	struct rt_agent		*agents;
	size_t			 nagents, default_agent;
	struct rt_account	*accounts;
	size_t			 naccounts;
	struct route_table	 routes;
	struct node_policy	 nodes;
	bool			 scope_global;
	char			*main_key, *path_config, *path_state;
	char			*path_page;	/* "" when there is none */
	char			*model, *provider;
	int64_t			 context_tokens, port;
	bool			 canvas;	/* its pages are served */
	struct payload		*file;	/* config.get; NULL: json_config */
	struct str		 json_config, json_models, json_agents;
	char			*json_copy[3];
};
/* NULL with a reason in why. */
struct rt_config *rt_config_new(const struct parcel *, char *why, size_t);
/* Moves links and state from the old one, which is freed. */
void	 rt_config_replace(struct rt_config *);
void	 rt_config_free(struct rt_config *);
struct rt_agent *rt_agent_find(struct str id);	/* NULL */
/* Of a session key as a client wrote it; NULL when there is no such agent. */
struct rt_agent *rt_agent_of_key(struct str key);
struct rt_agent *rt_agent_of_link(const struct link *);
struct rt_account *rt_account_find(struct str kind, struct str account);
struct rt_account *rt_account_of_link(const struct link *);

/* --- presence.c ---------------------------------------------------------- */

struct client;
struct presence;
void	 rt_presence_self(void);
void	 rt_presence_connect(struct client *, const struct m_auth_ticket *);
void	 rt_presence_disconnect(struct client *);
void	 rt_presence_write(struct jw *);	/* the array */
/* What is told of one entry: JSON of each member, NULL when it is not said. */
enum rt_field {
	SEEN_HOST, SEEN_IP, SEEN_VERSION, SEEN_PLATFORM, SEEN_FAMILY,
	SEEN_MODEL, SEEN_MODE, SEEN_INPUT, SEEN_TEXT, SEEN_DEVICE, SEEN_ROLES,
	SEEN_SCOPES, SEEN_INSTANCE, SEEN_TAGS,
	SEEN_REASON,		/* the last: presence keeps it apart */
	SEEN_MAX
};
struct rt_seen {
	char	*v[SEEN_MAX];
};
void	 rt_seen_init(struct rt_seen *);
void	 rt_seen_clear(struct rt_seen *);
void	 rt_seen_set(struct rt_seen *, enum rt_field, struct str text);
void	 rt_seen_raw(struct rt_seen *, enum rt_field, struct str json);
/* Its text, "" when there is none. */
void	 rt_seen_get(const struct rt_seen *, enum rt_field, char *, size_t);
/* Puts it over what is known of that key, and fills it with the rest: bits of
 * the members that are new. */
unsigned int rt_presence_update(const char *key, struct rt_seen *);

/* --- client.c: one connection -------------------------------------------- */

enum client_door { DOOR_WS, DOOR_CONTROL };

struct client {
	TAILQ_ENTRY(client)	 entry;
	TAILQ_ENTRY(client)	 dirty_entry;
	struct client		*id_next;
	uint64_t		 id;		/* never used twice */
	int			 fd;
	enum client_door	 door;
	struct event		 rev, wev;
	struct evbuffer		*out;
	struct ws_reader	 ws;
	struct dbuf		 in;		/* bytes not yet judged */
	size_t			 held;		/* by them and by ws */
	uint64_t		 seq;		/* of its broadcasts */
	enum client_role	 role;
	unsigned int		 scopes;	/* enum scope */
	unsigned int		 pending;	/* requests that wait */
	unsigned int		 watching;	/* of them, verbs of the host */
	uint32_t		 uid, pid;	/* control */
	uint32_t		 protocol;
	char			 conn_id[37];
	char			*principal;	/* display name or client id */
	char			*device_id;
	uint64_t		 issued_at;	/* of its credential, wall */
	bool			 shared;	/* that is the shared secret */
	struct presence		*presence;
	struct node		*node;		/* in that role */
	TAILQ_HEAD(, node_sub)	 subs;		/* of a node */
	size_t			 nsubs;
	bool			 hello;		/* receives broadcasts */
	bool			 watches_sessions, tool_events;
	unsigned int		 strange;	/* calls of the other role */
	SLIST_HEAD(, watch)	 watches;	/* conversations */
	unsigned int		 nwatches;
	bool			 dirty, writing, blocked, busy, dead;
	bool			 eof;		/* control: sends no more */
	bool			 closing;	/* takes nothing more */
	bool			 shut;		/* our side is closed */
	uint64_t		 close_at;	/* when it is ended anyway */
	uint64_t		 ping_at;	/* the next one */
};

/* Takes fd.  unread: bytes that came behind the connect frame. */
struct client *rt_client_new(int fd, enum client_door);
void	 rt_client_start(struct client *, struct str unread);
struct client *rt_client_find(uint64_t id);
/* Sends what is queued, then closes; reason for WebSocket clients. */
void	 rt_client_close(struct client *, unsigned int code,
	    const char *reason);
/* A request of it was answered: one that sends no more may go now. */
void	 rt_client_settled(struct client *);
void	 rt_clients_close_all(unsigned int code, const char *reason);
/* Every second: ends those whose close was not answered, and pings. */
void	 rt_clients_sweep(uint64_t now);
void	 rt_clients_flush(void);		/* all that are dirty, once */
/* Ends those of a device and role that were let in up to then; of no device:
 * those of the shared secret. */
void	 rt_clients_revoked(struct str device_id, enum client_role,
	    uint64_t before);
size_t	 rt_clients_count(void);
extern TAILQ_HEAD(client_list, client) rt_clients;

/* A message to one client: begin, write into the buffer, end. */
struct dbuf *rt_client_begin(struct client *);
void	 rt_client_end(struct client *);
struct dbuf *rt_client_buffer(void);	/* of the message that was begun */
/* head and a shared tail as one message. */
void	 rt_client_send_shared(struct client *, const char *head, size_t n,
	    struct payload *tail);
/* Unsent bytes. */
size_t	 rt_client_backlog(const struct client *);

/* --- control.c: the Unix socket ------------------------------------------ */

void	 rt_control_listen(enum listener_kind, int fd, const char *name);
/* A connection that came back from the supervisor. */
enum msg_err rt_on_sup_peer_res(struct msg *);
void	 rt_control_gone(struct client *);
void	 rt_control_stop(void);
/* `connect` on the control socket: narrows, and answers hello-ok. */
void	 rt_control_connect(struct client *, const struct skim_frame *);

/* --- nodes.c: who is connected in that role --------------------------------- */

/* Enters or leaves the table; a second socket of a node takes its place, and
 * the first is not addressed any more. */
void	 rt_node_connect(struct client *, const struct m_auth_ticket *);
void	 rt_node_gone(struct client *);
/* The one that is addressed by that id, NULL when there is none. */
struct client *rt_node_find(struct str id);
const char *rt_node_id(const struct client *);
/* May that command be sent to it?  NULL, or the reason why not. */
const char *rt_node_refusal(const struct client *, const char *command);
/* Answers node.list and node.describe: what store said of the devices that may
 * be nodes, joined with what is connected. */
void	 rt_nodes_answer(struct client *, struct str id, const struct method *,
	    const struct skim_val *known);

/* --- invoke.c: commands for nodes -------------------------------------------- */

void	 rt_do_node_invoke(struct request *);
void	 rt_do_node_invoke_result(struct request *);
void	 rt_do_node_approvals_get(struct request *);
void	 rt_do_node_approvals_set(struct request *);
/* What it was asked fails; what it has asked is called off. */
void	 rt_invokes_node_gone(const struct client *);
void	 rt_invokes_client_gone(const struct client *);

/* --- node_run.c: the command system.run -------------------------------------- */

/* A client's own question (payload of its event) was answered: allowed. */
void	 rt_node_run_decided(uint64_t client, const struct payload *asked,
	    bool always);
/* May it be sent, for that client?  NULL, or why not. */
const char *rt_node_run_refusal(const struct client *,
	    const struct skim_val *params);
/* It was sent: an approval that it speaks of is used up, and the node may
 * report on it. */
void	 rt_node_run_sent(const struct client *, const struct client *node,
	    const struct skim_val *params);
enum node_report { REPORT_STARTED, REPORT_FINISHED, REPORT_DENIED };
/* Told to the agent of the conversation that the run was sent for. */
void	 rt_node_run_report(const struct client *node, enum node_report,
	    const struct skim_val *payload);

/* --- node_event.c: what nodes say ---------------------------------------------- */

void	 rt_do_node_event(struct request *);
/* A copy, without seq, for nodes that subscribed to the session, or, when key
 * is NULL, to any. */
void	 rt_node_event_copy(enum gw_event, const struct rt_agent *,
	    const struct str *key, const char *payload, size_t n);
void	 rt_node_unsubscribe_all(struct client *);

/* --- hello.c: tickets, hand-over, hello-ok ------------------------------- */

enum msg_err rt_on_auth_ticket(struct link *, struct msg *);
enum msg_err rt_on_client_handoff(struct link *, struct msg *);
void	 rt_tickets_sweep(uint64_t now);
void	 rt_tickets_revoked(struct str device_id, enum client_role,
	    uint64_t before);
/* t may be NULL (control). */
void	 rt_hello_write(struct client *, struct str id,
	    const struct m_auth_ticket *, const struct m_client_handoff *);

/* --- answer.c: responses -------------------------------------------------- */

/* id is the raw JSON of the request's id. */
void	 rt_answer_raw(struct client *, struct str id, const char *, size_t);
/* Begins {"type":"res",...,"payload": and lends the writer; then _end. */
struct jw *rt_answer_begin(struct client *, struct str id);
void	 rt_answer_end(struct client *);
/* payload, details: JSON or empty */
void	 rt_answer_error_full(struct client *, struct str id, struct str payload,
	    struct str code, struct str message, struct str details);
void	 rt_answer_error(struct client *, struct str id, const char *code,
	    const char *message);
/* UNAVAILABLE, and when to try again. */
void	 rt_answer_later(struct client *, struct str id, const char *message,
	    const char *details, uint64_t ms);

/* --- budget.c: calls that are counted ---------------------------------------- */

/* Counts one; true: it was one too many, and is answered. */
bool	 rt_budget_spent(struct request *);

/* --- waiters.c: requests that get the same answer -------------------------- */

struct request;
struct waiter;
STAILQ_HEAD(waiters, waiter);
/* false: this client waits for too much, or no memory. */
bool	 rt_waiters_add(struct waiters *, struct request *);
/* Takes the next one out, NULL at the end; *c is NULL when that client has
 * left. */
struct waiter *rt_waiters_next(struct waiters *, struct client **c,
	    struct str *id);
void	 rt_waiter_free(struct waiter *, struct client *);
void	 rt_waiters_drop(struct waiters *);	/* without an answer */

/* --- dispatch.c: a client's frame ----------------------------------------- */

/* text may be mended in place. */
void	 rt_dispatch(struct client *, char *text, size_t n);
/* Text of a parameter in buf with a NUL, "" when absent; -1: too long. */
int	 rt_text_of(const struct skim_val *, char *buf, size_t size);

struct request {
	struct client		*client;
	const struct method	*method;
	struct str		 id;		/* raw JSON */
	struct skim_val		 params;	/* whole; absent possible */
	union {
		struct skim_val	 v[METHOD_PARAMS_MAX];
#define SCHEMA(id, judging, params)
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params) \
		struct p_##id id;
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
	} p;
};

/* --- local.c: answered from state ----------------------------------------- */

void	 rt_do_health(struct request *);
void	 rt_do_status(struct request *);
void	 rt_channels_status(struct client *, struct str id, bool probed);
void	 rt_do_usage_status(struct request *);
void	 rt_do_models_list(struct request *);
void	 rt_do_agents_list(struct request *);
void	 rt_do_system_presence(struct request *);
/* A health event soon; many wishes make one event. */
void	 rt_health_wish(void);
void	 rt_health_write(struct jw *);

struct pending;

/* --- sysevent.c: system-event, heartbeats ----------------------------------- */

void	 rt_do_system_event(struct request *);
void	 rt_system_ack(struct pending *, const struct m_ag_turn_ack *);
void	 rt_do_set_heartbeats(struct request *);
void	 rt_do_last_heartbeat(struct request *);
/* An agent had one: false when they are switched off. */
bool	 rt_heartbeat_note(const char *json, size_t n);

/* --- pending.c: questions to siblings ------------------------------------- */

enum pending_kind {
	PEND_RPC,	/* RPC_REQ of a client */
	PEND_TURN,	/* AG_TURN of a client; run is set */
	PEND_INBOUND,	/* AG_TURN for a channel; name: event id */
	PEND_DELIVER,	/* CH_DELIVER for an agent; name: delivery id */
	PEND_SEND,	/* CH_DELIVER for clients; outgoing is set */
	PEND_PAIR,	/* ST_PAIR for a channel; name: sender */
	PEND_SUP,	/* SUP_REQ of a client */
	PEND_DECISION,	/* a client waits for an operator's decision */
	PEND_SENTINEL,	/* AG_SYSTEM of the restart */
	PEND_SYSTEM,	/* AG_SYSTEM of a client */
	PEND_PROBE	/* of a channel; probing is set, name: the account */
};

struct approval;
struct run;
struct gather;
struct outgoing;
struct probing;

struct pending {
	TAILQ_ENTRY(pending)	 entry;		/* of the hash chain */
	uint64_t		 corr;
	enum pending_kind	 kind;
	struct link		*to;		/* whom we asked */
	struct link		*from;		/* sibling who waits, or NULL */
	uint64_t		 client;	/* client who waits, or 0 */
	uint64_t		 from_corr;
	uint64_t		 deadline;	/* mono_ms */
	const struct method	*method;
	struct run		*run;
	struct gather		*gather;	/* several agents answer */
	struct approval		*approval;	/* PEND_DECISION */
	struct outgoing		*outgoing;	/* PEND_SEND */
	struct probing		*probing;	/* PEND_PROBE */
	size_t			 part;
	struct dbuf		 rows;		/* PEND_SUP */
	bool			 watching;	/* sees process events */
	size_t			 nrows;
	char			*name;
	size_t			 id_n;
	char			 id[];		/* raw JSON of the request id */
};

/* NULL: too many. */
struct pending *rt_pending_new(enum pending_kind, struct link *to,
	    struct client *, struct str id, uint32_t ms);
struct pending *rt_pending_find(uint64_t corr, enum pending_kind,
	    const struct link *to);
void	 rt_pending_free(struct pending *);
/* A link ended: what waited for it fails, what it waited for is forgotten. */
void	 rt_pending_link_gone(struct link *);
void	 rt_pending_sweep(uint64_t now);
size_t	 rt_pending_count(void);

/* --- rpc.c ---------------------------------------------------------------- */

void	 rt_do_forward(struct request *);	/* to the method's owner */
enum msg_err rt_on_rpc_res(struct link *, struct msg *);
void	 rt_rpc_fail(struct pending *, const char *why);
/* Asks one process; -1: it is not there, or too much waits. */
int	 rt_ask(struct request *, struct link *, struct str params, uint32_t ms,
	    struct gather *, size_t part);

/* --- gather.c: the same question to every agent ---------------------------- */

void	 rt_gather(struct request *, struct str params);
void	 rt_gather_part(struct pending *, const struct m_rpc_res *);

/* --- approvals.c: who decides about commands ------------------------------- */

void	 rt_do_approval_request(struct request *);
void	 rt_do_approval_resolve(struct request *);
void	 rt_do_approval_list(struct request *);
void	 rt_do_approval_wait(struct request *);
enum msg_err rt_on_ap_req(struct link *, struct msg *);
enum msg_err rt_on_ap_expire(struct link *, struct msg *);
void	 rt_approvals_link_gone(struct link *);
void	 rt_approvals_sweep(uint64_t now_wall);
void	 rt_decision_fail(struct pending *);

/* --- sup.c ---------------------------------------------------------------- */

void	 rt_do_sup(struct request *);
enum msg_err rt_on_sup(struct link *, struct msg *);
void	 rt_sup_fail(struct pending *, const char *why);
/* An operator asked for a restart of the whole gateway. */
extern bool rt_sup_restarting;

/* --- configure.c: config.* -------------------------------------------------- */

void	 rt_do_config_get(struct request *);
void	 rt_do_config_schema(struct request *);
void	 rt_do_config_write(struct request *);
void	 rt_do_channels_logout(struct request *);
void	 rt_do_skills_update(struct request *);
/* A change was written, and is in force when ok: answers who asked for it. */
void	 rt_sup_written(struct pending *, bool ok, struct str why);
enum msg_err rt_on_sup_config_res(struct link *, struct msg *);
/* The file is not what runs: config.get tells how it is. */
enum msg_err rt_on_sup_snapshot(struct msg *);

/* --- sentinel.c: what the restart was for ----------------------------------- */

enum msg_err rt_on_sup_sentinel(struct msg *);
void	 rt_sentinel_try(void);		/* once more, if it is still to be told */
void	 rt_sentinel_ack(struct pending *, const struct m_ag_turn_ack *);
void	 rt_sentinel_fail(struct pending *);

/* --- runs.c: agent and chat.send ------------------------------------------ */

void	 rt_do_agent(struct request *);
void	 rt_do_chat_send(struct request *);
/* A turn that no request waits for: NULL, or why it cannot be.  options: JSON
 * object or empty. */
const char *rt_turn_start(struct client *, const struct method *,
	    struct str run_id, struct str session, struct str text,
	    struct str options);
bool	 rt_known_channel(const char *);
enum msg_err rt_on_turn_ack(struct link *, struct msg *);
enum msg_err rt_on_run_end(struct link *, struct msg *);
void	 rt_turn_fail(struct pending *, const char *why);
/* The agent that works on a run; NULL when it is not known. */
struct rt_agent *rt_run_agent(struct str run_id);
void	 rt_runs_sweep(uint64_t now);
/* The process of that agent ended; it is there again (asks about its runs). */
void	 rt_runs_agent_gone(const struct rt_agent *);
void	 rt_runs_agent_up(const struct rt_agent *);
/* The agent said the last of this run's chat events. */
void	 rt_run_chat_told(struct str run_id);
size_t	 rt_runs_count(void);

/* --- probe.c: channels.status -------------------------------------------------- */

void	 rt_do_channels_status(struct request *);
void	 rt_probe_res(struct pending *, const struct m_rpc_res *);
void	 rt_probe_fail(struct pending *, const char *why);

/* --- send.c: send and poll -------------------------------------------------- */

void	 rt_do_send(struct request *);
void	 rt_do_poll(struct request *);
void	 rt_send_ack(struct pending *, const struct m_ch_deliver_ack *);
void	 rt_send_fail(struct pending *);
void	 rt_sends_sweep(uint64_t now);

/* --- events.c: broadcasts -------------------------------------------------- */

/* payload: whole JSON value.  guard: scopes of which one is needed, 0 none. */
void	 rt_broadcast(enum gw_event, const char *payload, size_t n,
	    bool droppable, unsigned int guard);
void	 rt_broadcast_shutdown(bool restart);
void	 rt_broadcast_presence_wish(void);
void	 rt_broadcast_health(void);
/* An event for one client; no seq. */
void	 rt_event_one(struct client *, const char *name, const char *payload,
	    size_t n);
enum msg_err rt_on_ag_event(struct link *, struct msg *);
enum msg_err rt_on_st_event(struct msg *);
extern uint64_t rt_version_presence, rt_version_health;

/* --- watch.c: what clients of protocol 4 watch ------------------------------ */

void	 rt_do_sessions_subscribe(struct request *);
void	 rt_do_sessions_messages_subscribe(struct request *);
void	 rt_do_chat_metadata(struct request *);
/* What it can do, as its connect frame says. */
void	 rt_watch_caps(struct client *, const struct m_auth_ticket *);
void	 rt_watch_gone(struct client *);
/* Tells it whether anybody hears what is written into its conversations. */
void	 rt_watch_agent_up(const struct rt_agent *);
/* Has it asked for the messages of that conversation of that agent?  key is
 * canonical. */
bool	 rt_watches(const struct client *, const struct rt_agent *,
	    struct str key);
/* An agent has done this. */
void	 rt_watch_answered(const struct method *, const struct skim_val *result);
/* A run has told its last. */
void	 rt_watch_chat_ended(const struct skim_val *payload);

/* --- channels.c ------------------------------------------------------------ */

enum msg_err rt_on_chan(struct link *, struct msg *);
enum msg_err rt_on_ag_deliver(struct link *, struct msg *);
enum msg_err rt_on_ag_typing(struct link *, struct msg *);
enum msg_err rt_on_st_pair_res(struct link *, struct msg *);
enum msg_err rt_on_st_allow(struct link *, struct msg *);
void	 rt_inbound_ack(struct pending *, const struct m_ag_turn_ack *);
void	 rt_inbound_fail(struct pending *);
void	 rt_deliver_fail(struct pending *);
void	 rt_pair_fail(struct pending *);
void	 rt_chan_up(struct link *);
void	 rt_store_up(struct link *);
void	 rt_chan_gone(struct link *);

/* --- http.c: requests that are no client ------------------------------------- */

enum msg_err rt_on_http_req(struct msg *);
enum msg_err rt_on_http_res(struct link *, struct msg *);
enum msg_err rt_on_http_gone(struct msg *);
enum msg_err rt_on_http_credit(struct msg *);
void	 rt_http_link_gone(struct link *);

/* --- main.c ----------------------------------------------------------------- */

struct router {
	struct event_base	*base;
	struct rt_config	*cf;
	struct link		*front, *store, *log, *ctl;
	uint64_t		 started_ms;	/* mono */
	char			 boot_id[37];	/* what runs knows no runs
						 * of another */
	bool			 stopping;	/* nothing new is taken */
	uint64_t		 drops;		/* droppable events skipped */
};
extern struct router rt;
extern const struct worker rt_worker;
/* Before anything else runs; tests give their own base. */
int	 rt_start(struct event_base *, struct link *ctl);

#endif
