/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The values of enumerated message fields; names for logs and JSON. */
#ifndef PROTO_ENUMS_H
#define PROTO_ENUMS_H

/* SUP_REQ.verb */
enum sup_verb {
	SUP_LIST,	/* rows SUP_PROC, then SUP_RES */
	SUP_RESTART,	/* arg: "" for all, or "role/instance" */
	SUP_STOP,	/* the whole gateway */
	SUP_RELOAD,
	SUP_VERBOSE,	/* arg: level name */
	SUP_VERB_MAX
};
/* SUP_RES.status */
enum sup_status { SUP_OK, SUP_FAILED, SUP_UNKNOWN, SUP_STATUS_MAX };
/* SUP_PROC.state, SUP_EVENT.state */
enum proc_state {
	PROC_ST_STOPPED,	/* not started, or ended on request */
	PROC_ST_STARTING,	/* spawned, READY awaited */
	PROC_ST_RUNNING,
	PROC_ST_DRAINING,
	PROC_ST_BACKOFF,	/* ended, will start again at next_start_ms */
	PROC_ST_HELD,		/* failed too often; an operator must act */
	PROC_ST_MAX
};
const char *proc_state_name(unsigned int);
/* SUP_PEER_RES.right: of a control connection */
enum peer_right { PEER_STRANGER, PEER_READER, PEER_ADMIN, PEER_RIGHT_MAX };

/* CF_START.flags */
enum cf_flag {
	CF_ALLOW_UNCONFIGURED	= 1,
	CF_CHECK_ONLY		= 2,	/* report problems, write no parcel */
	CF_DEV			= 4,
	CF_WRITE		= 8,	/* CF_WISH follows: judge a change */
	CF_WATCHED		= 16,	/* the file changed, nobody asked; the
					 * last descriptor is CF_TEXT_STATE */
};
/* CF_WISH.verb, SUP_CONFIG_PUT.verb: the method; only without a gateway, the
 * file is shown in the same way */
enum cf_verb { CF_SET, CF_PATCH, CF_APPLY, CF_EDIT, CF_LOGOUT, CF_SKILL,
	CF_VERB_MAX,
	CF_SHOW = CF_VERB_MAX };
/* CF_TEXT.kind */
enum cf_text {
	CF_TEXT_FILE,		/* main file: as read, or as to be written */
	CF_TEXT_ANSWER,		/* for the client who asked: payload or error */
	CF_TEXT_SENTINEL,
	CF_TEXT_SNAPSHOT,	/* payload of config.get */
	CF_TEXT_STATE,		/* resolved, to compare the next one with */
	CF_TEXT_MAX
};
/* CF_DONE.reload: what gateway.reload.mode makes of a change */
enum cf_reload { CF_RELOAD_HOT, CF_RELOAD_RESTART, CF_RELOAD_OFF,
	CF_RELOAD_MAX };
/* CF_PROBLEM.severity */
enum cf_severity { CF_WARNING, CF_ERROR };

/* HTTP_REQ.route: row of routes.def */
enum http_route {
#define ROUTE(id, path, match, methods, owner, handler, door, body, key) \
	HTTP_ROUTE_##id,
#include "proto/routes.def"
#undef ROUTE
	ROUTE_MAX
};
/* HTTP_RES.form */
enum http_form {
	HTTP_JSON, HTTP_SSE, HTTP_TEXT,
	HTTP_PNG, HTTP_JPEG, HTTP_GIF, HTTP_WEBP, HTTP_SVG,
	HTTP_FORM_MAX
};
/* HTTP_RES.end */
enum http_end {
	HTTP_MORE,
	HTTP_DONE,
	HTTP_CUT,	/* no more will come, and it is not whole */
};
#define ROUTE_BODY_MAX	26214400	/* HTTP_REQ.body */
#define HTTP_WINDOW	262144	/* bytes of an answer without HTTP_CREDIT */

/* AUTH_REQ.role, AUTH_TICKET.role */
enum client_role { CLIENT_OPERATOR, CLIENT_NODE };
/* AUTH_RES.verdict */
enum verdict {
	VERDICT_OK,
	VERDICT_REFUSED,	/* error response, close 1008 */
	VERDICT_UNAVAILABLE,
};
/* Scopes as bits: AUTH_TICKET carries names, RPC_REQ.scopes bits. */
enum scope {
	SCOPE_READ	= 1,
	SCOPE_WRITE	= 2,
	SCOPE_ADMIN	= 4,
	SCOPE_APPROVALS	= 8,
	SCOPE_PAIRING	= 16,
};

/* CV_GET.tree */
enum cv_tree {
	CV_CANVAS,	/* the folder that is served */
	CV_A2UI,	/* the pages that come with the gateway */
	CV_TREE_MAX
};
/* CV_RES.status */
enum cv_status {
	CV_OK,
	CV_NONE,	/* no such file, or none that may be seen */
	CV_NO_INDEX,	/* a folder without index.html */
	CV_FOLDER,	/* a folder, and the path has no slash at its end */
	CV_NO_TREE,	/* the tree itself is not there */
	CV_STATUS_MAX
};

/* CH_INBOUND.kind */
enum ch_kind { CH_KIND_TEXT, CH_KIND_COMMAND, CH_KIND_EDIT, CH_KIND_MAX };
/* CH_INBOUND.chat_type, AG_TURN.chat_type */
enum chat_type { CHAT_DIRECT, CHAT_GROUP, CHAT_CHANNEL, CHAT_TYPE_MAX };
/* CH_INBOUND_ACK.status */
enum inbound_status {
	INBOUND_ACCEPTED,
	INBOUND_DUPLICATE,
	INBOUND_REFUSED,	/* do not send again; reason says why */
	INBOUND_RETRY,		/* send again later */
};
/* CH_DELIVER.format */
enum text_format {
	FORMAT_PLAIN,
	FORMAT_MARKDOWN,
	FORMAT_POLL,		/* {question, options, maxSelections?,
				 * durationHours?}; never from an agent */
	FORMAT_MAX
};
/* CH_DELIVER_ACK.status, AG_DELIVER_ACK.status */
enum delivery_status {
	DELIVERY_SENT,
	DELIVERY_FAILED,	/* for good */
	DELIVERY_UNKNOWN,	/* the remote may or may not have it */
	DELIVERY_RETRY,		/* not taken; offer it again */
};
/* CH_STATE.state */
enum ch_state {
	CH_CONNECTING, CH_UP, CH_AUTH_FAILED, CH_RATE_LIMITED, CH_DOWN,
	CH_STATE_MAX
};
/* CH_ALLOW.op, ST_ALLOW.op; RESET empties the list before ADDs */
/* A whole list is RESET, ADD of each, END; without its END it removes nobody.
 * WELCOME is an ADD of which the sender is told. */
enum allow_op { ALLOW_ADD, ALLOW_REMOVE, ALLOW_RESET, ALLOW_END, ALLOW_WELCOME,
	ALLOW_OP_MAX };

/* AG_TURN.source */
enum turn_source {
	TURN_AGENT,	/* method agent */
	TURN_CHAT,	/* method chat.send */
	TURN_CHANNEL,
	TURN_SOURCE_MAX
};
/* AG_TURN_ACK.status */
enum turn_status { TURN_ACCEPTED, TURN_DUPLICATE, TURN_QUEUED, TURN_REFUSED };
/* AG_RUN_END.status */
enum run_status { RUN_OK, RUN_ERROR, RUN_ABORTED };
/* AG_EVENT.event and the router's own broadcasts: index into the names of
 * features.events, in that order (spec 5.1) */
enum gw_event {
	EVENT_CONNECT_CHALLENGE, EVENT_AGENT, EVENT_CHAT, EVENT_PRESENCE,
	EVENT_TICK, EVENT_TALK_MODE, EVENT_SHUTDOWN, EVENT_HEALTH,
	EVENT_HEARTBEAT, EVENT_CRON, EVENT_NODE_PAIR_REQUESTED,
	EVENT_NODE_PAIR_RESOLVED, EVENT_NODE_INVOKE_REQUEST,
	EVENT_DEVICE_PAIR_REQUESTED, EVENT_DEVICE_PAIR_RESOLVED,
	EVENT_VOICEWAKE_CHANGED, EVENT_EXEC_APPROVAL_REQUESTED,
	EVENT_EXEC_APPROVAL_RESOLVED,
	/* of protocol 4 */
	EVENT_SESSIONS_CHANGED, EVENT_SESSION_MESSAGE, EVENT_SESSION_TOOL,
	EVENT_MAX
};
const char *gw_event_name(unsigned int);

/* AP_DECISION.verdict */
enum ap_verdict { AP_ALLOW_ONCE, AP_ALLOW_ALWAYS, AP_DENY, AP_VERDICT_MAX };
/* AP_EXPIRE.end */
enum ap_end {
	AP_TIMED_OUT,
	AP_WITHDRAWN,	/* whoever wanted the command has gone */
};

/* TL_ACCEPT.status; WAITING (for an operator) is followed by another one */
enum tool_accept { TOOL_RUNNING, TOOL_WAITING, TOOL_DENIED };
/* JL_EXIT.how */
enum job_end {
	JOB_EXITED,	/* code: exit status */
	JOB_SIGNALED,	/* code: signal */
	JOB_TIMEOUT,
	JOB_KILLED,	/* JL_KILL */
	JOB_FAILED,	/* was never started; reason says why */
	JOB_OOM,	/* its own limit */
	JOB_OOM_ABOVE,	/* that of the gateway, or all of the host */
	JOB_END_MAX
};
/* FW_OP.verb */
enum file_verb {
	FILE_READ,	/* bytes offset.., at most limit; total: file size */
	FILE_WRITE,	/* data replaces the file; parents are made */
	FILE_STAT,
	FILE_LIST,	/* data: one name per line, folders end in / */
	FILE_MKDIR,
	FILE_VERB_MAX
};
/* FT_REQ.form */
enum fetch_form { FETCH_MARKDOWN, FETCH_TEXT };
/* FT_RES.status */
enum fetch_status {
	FETCH_OK,
	FETCH_HTTP,	/* an answer that is not 2xx; text: its beginning */
	FETCH_URL,	/* no address that can be fetched */
	FETCH_POLICY,	/* an address that may not be fetched */
	FETCH_CONNECT,	/* no connection */
	FETCH_TLS,
	FETCH_TIMEOUT,
	FETCH_PROTOCOL,	/* not HTTP, or cut short */
	FETCH_REDIRECT,	/* too many, or to where we do not go */
	FETCH_TYPE,	/* nothing that can be shown as text */
	FETCH_BUSY,	/* too much at once, or memory is short */
	FETCH_STATUS_MAX
};
/* FT_RES.how */
enum fetch_how { FETCH_RAW, FETCH_JSON, FETCH_READABLE };
/* MD_END.class */
enum md_class {
	MD_OK,		/* the answer is whole, whatever its status */
	MD_CONNECT,	/* no connection */
	MD_TLS,
	MD_TIMEOUT,
	MD_PROTOCOL,	/* not HTTP, or cut short */
	MD_CANCELLED,
	MD_REFUSED,	/* this process will not send that */
};
/* CN_ERR.kind */
enum cn_err {
	CN_ERR_DNS, CN_ERR_REFUSED, CN_ERR_TIMEOUT, CN_ERR_POLICY,
	CN_ERR_LIMIT, CN_ERR_OTHER
};

#endif
