/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-store: the small durable state of the gateway as a whole: who may
 * connect (devices, their tokens, lock-outs) and who may write (channel
 * pairing).  It decides, front and router obey: scopes come from here only.
 * It sees clear-text credentials for the time of one check and keeps none.
 */
#ifndef GATEWAYD_STORE_STORE_H
#define GATEWAYD_STORE_STORE_H

#include <sqlite3.h>

#include "common/dbuf.h"
#include "common/json_skim.h"
#include "common/link.h"
#include "common/parcel.h"

#define TOKEN_HEX		32	/* a device token */
#define PAIR_CODE_LEN		8
#define PAIR_TTL_MS		3600000
#define PAIR_PENDING_MAX	3	/* per channel account */
#define PAIR_WRONG_MAX		5	/* codes per hour and channel */
#define DEVICE_PENDING_TTL_MS	300000
#define DEVICE_PENDING_MAX	64
#define SCOPES_MAX		4097	/* a list of them, joined by commas */
#define DEVICE_TOKENS_MAX	4	/* live ones of a device and role */
#define DEVICES_MAX		2000	/* the oldest approval gives way */
#define USERS_MAX		256	/* of a trusted proxy */
#define LOCK_FAILURES		10	/* in LOCK_WINDOW_MS ... */
#define LOCK_WINDOW_MS		60000
#define LOCK_TIME_MS		300000	/* ... shut out for so long */

enum auth_mode { AUTH_TOKEN, AUTH_PASSWORD, AUTH_NONE, AUTH_PROXY };

struct store_config {
	enum auth_mode	 mode;
	struct str	 token, password;	/* in the parcel */
	struct str	 users[USERS_MAX];	/* of a proxy; none: all */
	size_t		 nusers;
	bool		 tailscale;	/* auth.allowTailscale */
	bool		 insecure_ui;	/* controlUi.allowInsecureAuth */
	bool		 no_device_ui;	/* ...dangerouslyDisableDeviceAuth */
};
extern struct store_config store_cfg;

/* What a check came to. */
struct auth_verdict {
	enum verdict	 verdict;
	const char	*code;		/* of the protocol's error */
	char		 message[512];
	char		 details[256];	/* JSON, "" for none */
	uint32_t	 penalty_s;
	uint32_t	 retry_s;	/* of it, what the client is told */
	/* Refused in spite of the token of its device, or before it showed
	 * that; only for the words of explain.c. */
	bool		 token_tried, token_untried;
	char		 scopes[SCOPES_MAX];	/* granted, joined by commas */
	bool		 device;	/* proved, and not to be ignored */
	bool		 shared;	/* by what everybody shares, no token */
	char		 token[TOKEN_HEX + 1];	/* device token to hand out */
	uint64_t	 issued_at;
	/* What clients who may pair are told of: request is its id. */
	enum { PAIR_QUIET, PAIR_ASKED, PAIR_LET_IN } pair;
	char		 request[37];
};

/* db.c: one SQLite file, WAL, synchronous FULL.  0, or -1 with errno. */
int	 db_open(const char *dir);
void	 db_close(void);
/* A prepared statement with its values bound by fmt: s struct str *, t char *,
 * i int64_t, n NULL.  NULL after a logged error. */
sqlite3_stmt *db_query(const char *sql, const char *fmt, ...);
/* Runs one to its end: 0, or -1 (disk full, read-only, corrupt). */
int	 db_run(const char *sql, const char *fmt, ...);
/* A column as text that lives until the next step. */
struct str db_text(sqlite3_stmt *, int col);
/* True on a row, false at the end or on an error (db_failed() tells). */
bool	 db_step(sqlite3_stmt *);
bool	 db_failed(void);	/* since the last call; then cleared */

/* auth.c: steps 8 to 11 of a connect, in the protocol's order. */
void	 auth_check(const struct m_auth_req *, uint64_t now_ms,
	    struct auth_verdict *);
/* explain.c: error.details of a refusal, for clients that read them. */
void	 auth_explain(const struct m_auth_req *, struct auth_verdict *);
/* The shared secret alone, for a request over HTTP. */
void	 auth_http(const struct m_http_auth *, uint64_t now_ms,
	    struct auth_verdict *);

/* device.c */
/* Steps 9a to 9f: NULL when the identity holds, else the error text. */
const char *device_verify(const struct m_auth_req *, const char *scopes,
	    uint64_t now_ms);
/* Does this token open this device in this role, for these scopes? */
bool	 device_token_ok(const struct m_auth_req *, struct str token,
	    const char *scopes, uint64_t now_ms);
/* Step 11.  May fill v with NOT_PAIRED; true when the connect may go on. */
bool	 device_pairing(const struct m_auth_req *, const char *scopes,
	    uint64_t now_ms, struct auth_verdict *v);
/* A token for a paired device; keep: the one it came with. */
int	 device_token_issue(const struct m_auth_req *, const char *scopes,
	    const char *keep, uint64_t now_ms, struct auth_verdict *v);
/* A fresh token of that device and role into token: 0, or -1. */
int	 device_token_make(struct str device, const char *role,
	    const char *scopes, bool rotated, uint64_t now_ms,
	    char token[TOKEN_HEX + 1]);
/* Room for one more device: those approved longest ago give way. */
void	 device_make_room(struct str device);
/* Is every name of `want` among `have`?  Lists joined by commas. */
bool	 scopes_within(const char *want, const char *have);
/* Appends what of `more` is not yet in list; what has no room is left out. */
void	 scopes_merge(char *list, size_t size, const char *more);

/* device_admin.c: what operators do with devices. */
/* Answers device.*; false when the method is none of these. */
bool	 device_rpc(struct link *router, const struct m_rpc_req *,
	    uint64_t corr, uint64_t now_ms);
/* Tells clients of what a login came to (v->pair). */
void	 device_tell(struct link *router, const struct m_auth_req *,
	    const struct auth_verdict *v, uint64_t now_ms);
/* Names every credential that ended lately: the router may have missed it. */
void	 device_sync(struct link *router, uint64_t now_ms);

/* node.c: devices that are nodes, and the older approvals of them. */
/* Answers node.*; false when the method is none of these. */
bool	 node_rpc(struct link *router, const struct m_rpc_req *,
	    uint64_t corr, uint64_t now_ms);
/* One was let in: noted with its approval, when it has one. */
void	 node_connected(const struct m_auth_req *, bool device,
	    uint64_t now_ms);

/* shared.c: the secret that everybody shares. */
/* Is it another one than the last time (a new one never is)? */
bool	 shared_changed(uint64_t now_ms);
/* Tells when that was, if it was lately. */
void	 shared_tell(struct link *router, uint64_t now_ms);

/* lockout.c: failures per address and credential class; survives restarts. */
/* Seconds that this client's address is still shut out, 0 when it is not. */
uint32_t lockout_check(const struct m_auth_req *, const char *class,
	    uint64_t now_ms);
uint32_t lockout_failed(const struct m_auth_req *, const char *class,
	    uint64_t now_ms);
void	 lockout_passed(const struct m_auth_req *, const char *class);
/* Counts that are not on the disk yet; puts them there, all at once. */
bool	 lockout_dirty(void);
void	 lockout_flush(uint64_t now_ms);
void	 lockout_forget(void);	/* what a restart does to memory; for tests */

/* pairing.c: strangers on chat channels. */
void	 pairing_request(struct link *router, const struct m_st_pair *,
	    uint64_t corr, uint64_t now_ms);
void	 pairing_sync(struct link *router, struct str channel,
	    struct str account);
void	 pairing_list(struct link *router, struct str params, uint64_t corr,
	    uint64_t now_ms);
void	 pairing_approve(struct link *router, struct str params, uint64_t corr,
	    uint64_t now_ms);

/* answer.c: of an RPC. */
/* A request of a client. */
struct store_ask {
	struct link	*router;
	uint64_t	 corr, now;
	struct str	 params;
	unsigned int	 scopes;	/* of who asks */
};
struct store_method {
	const char	*name;
	void		(*run)(const struct store_ask *);
};
/* Runs the method that is asked for: false when it is none of these. */
bool	 ask_dispatch(const struct store_method *, size_t n, struct link *,
	    const struct m_rpc_req *, uint64_t corr, uint64_t now_ms);
void	 ask_refuse(const struct store_ask *, const char *message);
/* As store_answer_buf(). */
void	 ask_answer(const struct store_ask *, struct dbuf *);
bool	 store_param(struct str params, const char *name, struct skim_val *);
/* A string parameter; "" when it is absent or does not fit. */
void	 store_param_text(struct str params, const char *name, char *buf,
	    size_t size);
void	 store_answer(struct link *, uint64_t corr, struct str json);
void	 store_refuse(struct link *, uint64_t corr, const char *code,
	    const char *message);
void	 store_broken(struct link *, uint64_t corr);	/* the database */
/* Sends what was written and clears it, unless the database or memory failed
 * meanwhile. */
void	 store_answer_buf(struct link *, uint64_t corr, struct dbuf *);
/* An event for clients who may pair; clears the buffer. */
void	 store_tell(struct link *router, enum gw_event, struct dbuf *);

#endif
