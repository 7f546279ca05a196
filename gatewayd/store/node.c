/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Nodes: which devices may be one, and the older list of approvals that
 * node.pair.* keeps (spec 4.11).  That list lets nobody in; it names nodes and
 * gives them a token that others may ask about.  Tokens are kept as hashes.
 */
#include "common/compat.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "common/json_write.h"
#include "common/log.h"
#include "gatewayd/store/store.h"

#define LIST_BYTES	(8u << 20)	/* RPC_RES.result */
#define EVENT_BYTES	60000		/* ST_EVENT.payload */
#define TTL_MS		300000		/* of a request */
#define PENDING_MAX	64
#define PAIRED_MAX	500		/* the oldest approval gives way */
#define ABOUT_BYTES	8192		/* what a node says of itself */
#define ID_MAX		512
#define PENDING_COLUMNS	"request, node, name, about, silent, repair, ts"
#define PAIRED_COLUMNS	"node, name, about, created_ms, approved_ms, " \
	"connected_ms"

/* A parameter, trimmed; false: it does not fit. */
static bool
param_trimmed(const struct store_ask *a, const char *name, char *buf,
    size_t size)
{
	struct skim_val	 v;
	struct str	 s;

	buf[0] = '\0';
	if (!store_param(a->params, name, &v))
		return true;
	if (skim_unescape(&v, buf, size) == -1)
		return false;
	s = str_trim(str_of(buf));
	memmove(buf, s.p, s.n);
	buf[s.n] = '\0';
	return true;
}

/* --- as JSON -------------------------------------------------------------------- */

/* about is the inside of an object. */
static void
write_about(struct jw *w, struct str name, struct str about)
{
	jw_kstr_opt(w, "displayName", name);
	if (about.n == 0)
		return;
	if (w->comma)
		dbuf_putc(w->b, ',');
	dbuf_put(w->b, about.p, about.n);
	w->comma = true;
}

static void
write_pending(struct jw *w, sqlite3_stmt *st)
{
	jw_obj(w);
	jw_kstr(w, "requestId", db_text(st, 0));
	jw_kstr(w, "nodeId", db_text(st, 1));
	write_about(w, db_text(st, 2), db_text(st, 3));
	if (sqlite3_column_type(st, 4) != SQLITE_NULL)
		jw_kbool(w, "silent", sqlite3_column_int64(st, 4) != 0);
	jw_kbool(w, "isRepair", sqlite3_column_int64(st, 5) != 0);
	jw_kint(w, "ts", sqlite3_column_int64(st, 6));
	jw_obj_end(w);
}

static void
write_paired(struct jw *w, sqlite3_stmt *st, const char *token)
{
	jw_obj(w);
	jw_kstr(w, "nodeId", db_text(st, 0));
	if (token != NULL)
		jw_ks(w, "token", token);
	write_about(w, db_text(st, 1), db_text(st, 2));
	jw_kint(w, "createdAtMs", sqlite3_column_int64(st, 3));
	jw_kint(w, "approvedAtMs", sqlite3_column_int64(st, 4));
	if (sqlite3_column_type(st, 5) != SQLITE_NULL)
		jw_kint(w, "lastConnectedAtMs", sqlite3_column_int64(st, 5));
	jw_obj_end(w);
}

/* "node": the approved one of that id. */
static void
write_node(struct jw *w, const char *node, const char *token)
{
	sqlite3_stmt	*st;

	jw_key(w, "node");
	st = db_query("SELECT " PAIRED_COLUMNS " FROM node_paired WHERE node "
	    "= ?", "t", node);
	while (db_step(st))
		write_paired(w, st, token);
}

static void
tell_resolved(const struct store_ask *a, const char *request, const char *node,
    const char *decision)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "requestId", request);
	jw_ks(&w, "nodeId", node);
	jw_ks(&w, "decision", decision);
	jw_kuint(&w, "ts", a->now);
	jw_obj_end(&w);
	store_tell(a->router, EVENT_NODE_PAIR_RESOLVED, &b);
}

/* --- devices that may be nodes -------------------------------------------------- */

/* For the router, which joins it with those that are connected. */
static void
node_list(const struct store_ask *a)
{
	sqlite3_stmt	*st;
	struct dbuf	 b;
	struct jw	 w;
	char		 id[ID_MAX + 1];
	bool		 one = store_param(a->params, "nodeId",
			    &(struct skim_val){ 0 });

	param_trimmed(a, "nodeId", id, sizeof(id));
	if (one && id[0] == '\0') {
		ask_refuse(a, "nodeId required");
		return;
	}
	dbuf_init(&b, LIST_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "nodeId", id);
	jw_karr(&w, "nodes");
	st = db_query("SELECT id, display_name, platform, remote FROM device "
	    "WHERE (?1 = '' OR id = ?1) AND ',' || roles || ',' LIKE "
	    "'%,node,%'", "t", id);
	while (db_step(st)) {
		jw_obj(&w);
		jw_kstr(&w, "nodeId", db_text(st, 0));
		jw_kstr_opt(&w, "displayName", db_text(st, 1));
		jw_kstr_opt(&w, "platform", db_text(st, 2));
		jw_kstr_opt(&w, "remoteIp", db_text(st, 3));
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	ask_answer(a, &b);
}

/* --- requests ------------------------------------------------------------------------ */

static void
pair_list(const struct store_ask *a)
{
	sqlite3_stmt	*st;
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, LIST_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_karr(&w, "pending");
	st = db_query("SELECT " PENDING_COLUMNS " FROM node_pending WHERE ts "
	    ">= ? ORDER BY ts DESC", "i", (int64_t)a->now - TTL_MS);
	while (db_step(st))
		write_pending(&w, st);
	jw_arr_end(&w);
	jw_karr(&w, "paired");
	st = db_query("SELECT " PAIRED_COLUMNS " FROM node_paired ORDER BY "
	    "approved_ms DESC", "");
	while (db_step(st))
		write_paired(&w, st, NULL);
	jw_arr_end(&w);
	jw_obj_end(&w);
	ask_answer(a, &b);
}

/* What is kept of the parameters besides the name, as members of an object. */
static void
about_read(const struct store_ask *a, struct dbuf *b)
{
	static const char *const keys[] = { "platform", "version",
	    "coreVersion", "uiVersion", "deviceFamily", "modelIdentifier",
	    "caps", "commands", "remoteIp" };
	struct skim_val	 v;
	size_t		 i;

	dbuf_init(b, ABOUT_BYTES);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!store_param(a->params, keys[i], &v))
			continue;
		dbuf_printf(b, "%s\"%s\":", b->n > 0 ? "," : "", keys[i]);
		dbuf_put(b, v.p, v.n);
	}
}

/* The request of that node into request: 1, 0 when there is none, -1. */
static int
pending_of(const struct store_ask *a, const char *node, char request[37],
    int64_t *others)
{
	sqlite3_stmt	*st;

	request[0] = '\0';
	*others = 0;
	if (db_run("DELETE FROM node_pending WHERE ts < ?", "i",
	    (int64_t)a->now - TTL_MS) == -1)
		return -1;
	st = db_query("SELECT coalesce(max(request) FILTER (WHERE node = ?), "
	    "''), count(*) FROM node_pending", "t", node);
	if (db_step(st)) {
		str_copy(db_text(st, 0), request, 37);
		*others = sqlite3_column_int64(st, 1);
		while (db_step(st))
			;
	}
	return db_failed() ? -1 : request[0] != '\0';
}

static int
pending_new(const struct store_ask *a, const char *node, const char *name,
    struct str about, char request[37])
{
	struct skim_val	 v;
	int64_t		 silent = -1;

	if (store_param(a->params, "silent", &v) && v.kind == SKIM_BOOL)
		silent = v.p[0] == 't';
	uuid_v4(request);
	return db_run("INSERT INTO node_pending (request, node, name, about, "
	    "silent, repair, ts) VALUES (?1, ?2, ?3, ?4, nullif(?5, -1), "
	    "EXISTS (SELECT 1 FROM node_paired WHERE node = ?2), ?6)",
	    "tttsii", request, node, name, &about, silent, (int64_t)a->now);
}

/* The request as JSON; NULL-terminated, the caller's. */
static void
write_request(struct jw *w, const char *request)
{
	sqlite3_stmt	*st;

	st = db_query("SELECT " PENDING_COLUMNS " FROM node_pending WHERE "
	    "request = ?", "t", request);
	while (db_step(st))
		write_pending(w, st);
}

static void
pair_request(const struct store_ask *a)
{
	struct dbuf	 about, b;
	struct jw	 w;
	char		 node[ID_MAX + 1], name[ID_MAX + 1], request[37];
	int64_t		 others;
	int		 r;

	if (!param_trimmed(a, "nodeId", node, sizeof(node)) ||
	    !param_trimmed(a, "displayName", name, sizeof(name))) {
		ask_refuse(a, "invalid node.pair.request params: nodeId and "
		    "displayName must NOT have more than 512 bytes");
		return;
	}
	if (node[0] == '\0') {
		store_refuse(a->router, a->corr, "UNAVAILABLE",
		    "Error: nodeId required");
		return;
	}
	about_read(a, &about);
	r = pending_of(a, node, request, &others);
	if (dbuf_err(&about))
		ask_refuse(a, "invalid node.pair.request params: too long "
		    "together");
	else if (r == 0 && others >= PENDING_MAX)
		store_refuse(a->router, a->corr, "UNAVAILABLE", "too many "
		    "nodes wait to be paired; try again later");
	else if (r == -1 || (r == 0 && pending_new(a, node, name,
	    (struct str){ about.p != NULL ? about.p : "", about.n },
	    request) == -1))
		store_broken(a->router, a->corr);
	else {
		dbuf_init(&b, EVENT_BYTES);
		jw_init(&w, &b);
		jw_obj(&w);
		jw_ks(&w, "status", "pending");
		jw_key(&w, "request");
		write_request(&w, request);
		jw_kbool(&w, "created", r == 0);
		jw_obj_end(&w);
		ask_answer(a, &b);
		if (r == 0) {
			dbuf_init(&b, EVENT_BYTES);
			jw_init(&w, &b);
			write_request(&w, request);
			store_tell(a->router, EVENT_NODE_PAIR_REQUESTED, &b);
		}
	}
	dbuf_clear(&about);
}

/* The node of the request that is named; false after the answer. */
static bool
asked_find(const struct store_ask *a, char request[37], char node[ID_MAX + 1])
{
	sqlite3_stmt	*st;
	bool		 found = false;

	node[0] = '\0';
	store_param_text(a->params, "requestId", request, 37);
	st = db_query("SELECT node FROM node_pending WHERE request = ? AND ts "
	    ">= ?", "ti", request, (int64_t)a->now - TTL_MS);
	while (db_step(st))
		found = str_copy(db_text(st, 0), node, ID_MAX + 1) == 0;
	if (found)
		return true;
	if (db_failed())
		store_broken(a->router, a->corr);
	else
		ask_refuse(a, "unknown requestId");
	return false;
}

static int
approve_write(const struct store_ask *a, const char *request, const char *node,
    const char *token)
{
	unsigned char	 hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)token, TOKEN_HEX, hash);
	if (db_run("BEGIN", "") == -1)
		return -1;
	if (db_run("INSERT INTO node_paired (node, hash, name, about, "
	    "created_ms, approved_ms) SELECT node, ?1, name, about, ?2, ?2 "
	    "FROM node_pending WHERE request = ?3 ON CONFLICT (node) DO "
	    "UPDATE SET hash = excluded.hash, name = excluded.name, about = "
	    "excluded.about, approved_ms = excluded.approved_ms", "hit", hash,
	    (int64_t)a->now, request) == 0 &&
	    db_run("DELETE FROM node_pending WHERE request = ?", "t",
	    request) == 0 &&
	    db_run("DELETE FROM node_paired WHERE node <> ?1 AND node NOT IN "
	    "(SELECT node FROM node_paired WHERE node <> ?1 ORDER BY "
	    "approved_ms DESC LIMIT ?2)", "ti", node,
	    (int64_t)PAIRED_MAX - 1) == 0 && db_run("COMMIT", "") == 0)
		return 0;
	db_run("ROLLBACK", "");
	return -1;
}

static void
pair_approve(const struct store_ask *a)
{
	struct dbuf	 b;
	struct jw	 w;
	unsigned char	 raw[TOKEN_HEX / 2];
	char		 request[37], node[ID_MAX + 1], token[TOKEN_HEX + 1];

	if (!asked_find(a, request, node))
		return;
	arc4random_buf(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), token);
	explicit_bzero(raw, sizeof(raw));
	if (approve_write(a, request, node, token) == -1) {
		store_broken(a->router, a->corr);
		explicit_bzero(token, sizeof(token));
		return;
	}
	log_info("node %.16s approved", node);
	dbuf_init_secret(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "requestId", request);
	write_node(&w, node, token);
	jw_obj_end(&w);
	explicit_bzero(token, sizeof(token));
	ask_answer(a, &b);
	tell_resolved(a, request, node, "approved");
}

static void
pair_reject(const struct store_ask *a)
{
	struct dbuf	 b;
	struct jw	 w;
	char		 request[37], node[ID_MAX + 1];

	if (!asked_find(a, request, node))
		return;
	if (db_run("DELETE FROM node_pending WHERE request = ?", "t",
	    request) == -1) {
		store_broken(a->router, a->corr);
		return;
	}
	log_info("node %.16s rejected", node);
	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "requestId", request);
	jw_ks(&w, "nodeId", node);
	jw_obj_end(&w);
	ask_answer(a, &b);
	tell_resolved(a, request, node, "rejected");
}

static void
pair_verify(const struct store_ask *a)
{
	unsigned char	 hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt	*st;
	struct dbuf	 b;
	struct jw	 w;
	char		 node[ID_MAX + 1], token[128];
	bool		 ok = false;

	param_trimmed(a, "nodeId", node, sizeof(node));
	store_param_text(a->params, "token", token, sizeof(token));
	SHA256((const unsigned char *)token, strlen(token), hash);
	st = db_query("SELECT hash FROM node_paired WHERE node = ?", "t",
	    node);
	while (db_step(st))
		ok = sqlite3_column_bytes(st, 0) == sizeof(hash) &&
		    CRYPTO_memcmp(sqlite3_column_blob(st, 0), hash,
		    sizeof(hash)) == 0;
	dbuf_init_secret(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", ok);
	if (ok)
		write_node(&w, node, token);
	jw_obj_end(&w);
	explicit_bzero(token, sizeof(token));
	ask_answer(a, &b);
}

static void
node_rename(const struct store_ask *a)
{
	sqlite3_stmt	*st;
	struct dbuf	 b;
	struct jw	 w;
	char		 node[ID_MAX + 1], name[ID_MAX + 1];
	bool		 known = false;

	if (!param_trimmed(a, "displayName", name, sizeof(name))) {
		ask_refuse(a, "invalid node.rename params: at /displayName: "
		    "must NOT have more than 512 bytes");
		return;
	}
	if (name[0] == '\0') {
		ask_refuse(a, "displayName required");
		return;
	}
	param_trimmed(a, "nodeId", node, sizeof(node));
	st = db_query("SELECT 1 FROM node_paired WHERE node = ?", "t", node);
	while (db_step(st))
		known = true;
	if (db_failed() || (known && db_run("UPDATE node_paired SET name = ? "
	    "WHERE node = ?", "tt", name, node) == -1)) {
		store_broken(a->router, a->corr);
		return;
	}
	if (!known) {
		ask_refuse(a, "unknown nodeId");
		return;
	}
	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "nodeId", node);
	jw_ks(&w, "displayName", name);
	jw_obj_end(&w);
	ask_answer(a, &b);
}

bool
node_rpc(struct link *router, const struct m_rpc_req *q, uint64_t corr,
    uint64_t now)
{
	static const struct store_method	 methods[] = {
		{ "node.list", node_list },
		{ "node.describe", node_list },
		{ "node.rename", node_rename },
		{ "node.pair.request", pair_request },
		{ "node.pair.list", pair_list },
		{ "node.pair.approve", pair_approve },
		{ "node.pair.reject", pair_reject },
		{ "node.pair.verify", pair_verify },
	};

	return ask_dispatch(methods, sizeof(methods) / sizeof(methods[0]),
	    router, q, corr, now);
}

void
node_connected(const struct m_auth_req *q, bool device, uint64_t now)
{
	const struct str	*id = device ? &q->device_id : &q->client_id;

	db_run("UPDATE node_paired SET connected_ms = ? WHERE node = ? OR "
	    "node = ?", "iss", (int64_t)now, id, q->instance_id.n > 0 ?
	    &q->instance_id : id);
}
