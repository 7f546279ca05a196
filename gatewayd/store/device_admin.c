/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Devices as operators see them: list, approve, reject, rotate, revoke.  Who
 * asks gives away no more than it has itself, and a device never gets more
 * than it was approved for (T06).  An answer leaves when it is on disk; the
 * end of a credential is told behind the answer, because who asked may end
 * with it, and told again whenever the router comes anew (T07).
 */
#include "common/compat.h"

#include "common/json_write.h"
#include "common/log.h"
#include "common/methods.h"
#include "gatewayd/store/store.h"

#define LIST_BYTES	(8u << 20)	/* RPC_RES.result */
#define EVENT_BYTES	60000		/* ST_EVENT.payload */
#define ENDED_MS	3600000		/* device_sync looks that far back */
#define UNKNOWN_REQUEST	"unknown requestId"
#define UNKNOWN_ROLE	"unknown deviceId/role"
#define NEEDS_ADMIN	"missing scope: operator.admin"

/* Reads all of the statement's only row: its columns to texts of that size. */
static bool
row_texts(sqlite3_stmt *st, int n, ...)
{
	va_list	 ap;
	char	*buf;
	bool	 found = false;
	int	 i;

	va_start(ap, n);
	if (db_step(st)) {
		found = true;
		for (i = 0; i < n; i++) {
			buf = va_arg(ap, char *);
			if (str_copy(db_text(st, i), buf,
			    va_arg(ap, size_t)) == -1)
				found = false;
		}
		while (db_step(st))
			;
	}
	va_end(ap);
	return found;
}

static bool
scopes_givable(const char *scopes, unsigned int caller)
{
	unsigned int	 bit;
	size_t		 n;

	if (caller & SCOPE_ADMIN)
		return true;
	if (caller & SCOPE_WRITE)
		caller |= SCOPE_READ;	/* as for methods */
	for (; *scopes != '\0'; scopes += n + (scopes[n] == ',')) {
		n = strcspn(scopes, ",");
		bit = scopes_parse((struct str){ scopes, n });
		if (n > 0 && (bit == 0 || (bit & ~caller) != 0 ||
		    memchr(scopes, ' ', n) != NULL))
			return false;
	}
	return true;
}

static void
write_list(struct jw *w, const char *key, struct str s)
{
	const char	*p;
	size_t		 n;

	jw_karr(w, key);
	while (s.n > 0) {
		p = memchr(s.p, ',', s.n);
		n = p != NULL ? (size_t)(p - s.p) : s.n;
		if (n > 0)
			jw_str(w, (struct str){ s.p, n });
		n += p != NULL;
		s.p += n;
		s.n -= n;
	}
	jw_arr_end(w);
}

/* --- as JSON ---------------------------------------------------------------- */

#define PENDING_COLUMNS	"request, device, key, display_name, platform, " \
	"client_id, client_mode, role, scopes, remote, silent, repair, ts"
#define DEVICE_COLUMNS	"id, key, display_name, platform, client_id, " \
	"client_mode, roles, scopes, remote, created_ms, approved_ms"

static void
write_pending(struct jw *w, sqlite3_stmt *st)
{
	jw_obj(w);
	jw_kstr(w, "requestId", db_text(st, 0));
	jw_kstr(w, "deviceId", db_text(st, 1));
	jw_kstr(w, "publicKey", db_text(st, 2));
	jw_kstr_opt(w, "displayName", db_text(st, 3));
	jw_kstr(w, "platform", db_text(st, 4));
	jw_kstr(w, "clientId", db_text(st, 5));
	jw_kstr(w, "clientMode", db_text(st, 6));
	jw_kstr(w, "role", db_text(st, 7));
	write_list(w, "roles", db_text(st, 7));
	write_list(w, "scopes", db_text(st, 8));
	jw_kstr_opt(w, "remoteIp", db_text(st, 9));
	jw_kbool(w, "silent", sqlite3_column_int64(st, 10) != 0);
	jw_kbool(w, "isRepair", sqlite3_column_int64(st, 11) != 0);
	jw_kint(w, "ts", sqlite3_column_int64(st, 12));
	jw_obj_end(w);
}

static void
write_time(struct jw *w, const char *key, sqlite3_stmt *st, int col)
{
	if (sqlite3_column_type(st, col) != SQLITE_NULL)
		jw_kint(w, key, sqlite3_column_int64(st, col));
}

/* One entry for each role: the newest good token of it, else the newest. */
static void
write_tokens(struct jw *w, struct str device)
{
	sqlite3_stmt	*st;
	char		 last[16] = "";

	jw_karr(w, "tokens");
	st = db_query("SELECT role, scopes, created_ms, rotated_ms, "
	    "revoked_ms, max(used_ms) OVER (PARTITION BY role) FROM "
	    "device_token WHERE device = ? ORDER BY role, revoked_ms IS NOT "
	    "NULL, created_ms DESC", "s", &device);
	while (db_step(st)) {
		if (str_eqs(db_text(st, 0), last))
			continue;
		str_copy(db_text(st, 0), last, sizeof(last));
		jw_obj(w);
		jw_kstr(w, "role", db_text(st, 0));
		write_list(w, "scopes", db_text(st, 1));
		write_time(w, "createdAtMs", st, 2);
		write_time(w, "rotatedAtMs", st, 3);
		write_time(w, "revokedAtMs", st, 4);
		write_time(w, "lastUsedAtMs", st, 5);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void
write_device(struct jw *w, sqlite3_stmt *st)
{
	struct str	 role = db_text(st, 6);
	const char	*comma = memchr(role.p, ',', role.n);

	jw_obj(w);
	jw_kstr(w, "deviceId", db_text(st, 0));
	jw_kstr(w, "publicKey", db_text(st, 1));
	jw_kstr_opt(w, "displayName", db_text(st, 2));
	jw_kstr_opt(w, "platform", db_text(st, 3));
	jw_kstr_opt(w, "clientId", db_text(st, 4));
	jw_kstr_opt(w, "clientMode", db_text(st, 5));
	if (comma != NULL)
		role.n = (size_t)(comma - role.p);
	jw_kstr_opt(w, "role", role);
	write_list(w, "roles", db_text(st, 6));
	write_list(w, "scopes", db_text(st, 7));
	jw_kstr_opt(w, "remoteIp", db_text(st, 8));
	write_tokens(w, db_text(st, 0));
	jw_kint(w, "createdAtMs", sqlite3_column_int64(st, 9));
	jw_kint(w, "approvedAtMs", sqlite3_column_int64(st, 10));
	jw_obj_end(w);
}

static void
device_list(const struct store_ask *a)
{
	struct dbuf	 b;
	struct jw	 w;
	sqlite3_stmt	*st;

	dbuf_init(&b, LIST_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_karr(&w, "pending");
	st = db_query("SELECT " PENDING_COLUMNS " FROM device_pending WHERE "
	    "ts >= ? ORDER BY ts DESC", "i",
	    (int64_t)a->now - DEVICE_PENDING_TTL_MS);
	while (db_step(st))
		write_pending(&w, st);
	jw_arr_end(&w);
	jw_karr(&w, "paired");
	st = db_query("SELECT " DEVICE_COLUMNS " FROM device ORDER BY "
	    "approved_ms DESC", "");
	while (db_step(st))
		write_device(&w, st);
	jw_arr_end(&w);
	jw_obj_end(&w);
	ask_answer(a, &b);
}

/* --- events ------------------------------------------------------------------- */

static void
tell_resolved(struct link *router, const char *request, struct str device,
    const char *decision, uint64_t now)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "requestId", request);
	jw_kstr(&w, "deviceId", device);
	jw_ks(&w, "decision", decision);
	jw_kuint(&w, "ts", now);
	jw_obj_end(&w);
	store_tell(router, EVENT_DEVICE_PAIR_RESOLVED, &b);
}

void
device_tell(struct link *router, const struct m_auth_req *q,
    const struct auth_verdict *v, uint64_t now)
{
	struct dbuf	 b;
	struct jw	 w;
	sqlite3_stmt	*st;

	if (v->pair == PAIR_LET_IN)
		tell_resolved(router, v->request, q->device_id, "approved",
		    now);
	if (v->pair != PAIR_ASKED)
		return;
	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	st = db_query("SELECT " PENDING_COLUMNS " FROM device_pending WHERE "
	    "request = ?", "t", v->request);
	while (db_step(st))
		write_pending(&w, st);
	store_tell(router, EVENT_DEVICE_PAIR_REQUESTED, &b);
}

static void
tell_ended(struct link *router, struct str device, const char *role,
    uint64_t before)
{
	struct m_st_revoked	 m;

	memset(&m, 0, sizeof(m));
	m.device_id = device;
	m.role = strcmp(role, "node") == 0 ? CLIENT_NODE : CLIENT_OPERATOR;
	m.before = before;
	send_st_revoked(router, &m, 0, 0);
}

void
device_sync(struct link *router, uint64_t now)
{
	sqlite3_stmt	*st;
	char		 role[16];

	st = db_query("SELECT device, role, max(revoked_ms) FROM device_token "
	    "WHERE revoked_ms > ? GROUP BY device, role", "i",
	    (int64_t)now - ENDED_MS);
	while (db_step(st)) {
		str_copy(db_text(st, 1), role, sizeof(role));
		tell_ended(router, db_text(st, 0), role,
		    (uint64_t)sqlite3_column_int64(st, 2));
	}
}

/* --- requests of devices --------------------------------------------------------- */

struct asked {
	char	 request[37], device[129], role[16], scopes[SCOPES_MAX];
};

static bool
asked_find(const struct store_ask *a, struct asked *p)
{
	store_param_text(a->params, "requestId", p->request,
	    sizeof(p->request));
	if (row_texts(db_query("SELECT device, role, scopes FROM "
	    "device_pending WHERE request = ? AND ts >= ?", "ti", p->request,
	    (int64_t)a->now - DEVICE_PENDING_TTL_MS), 3, p->device,
	    sizeof(p->device), p->role, sizeof(p->role), p->scopes,
	    sizeof(p->scopes)))
		return true;
	if (db_failed())
		store_broken(a->router, a->corr);
	else
		ask_refuse(a, UNKNOWN_REQUEST);
	return false;
}

/* All of it or nothing. */
static int
approve_write(const struct store_ask *a, const struct asked *p)
{
	char	 roles[64] = "", scopes[SCOPES_MAX] = "";

	if (db_run("BEGIN", "") == -1)
		return -1;
	(void)row_texts(db_query("SELECT roles, scopes FROM device WHERE id = "
	    "?", "t", p->device), 2, roles, sizeof(roles), scopes,
	    sizeof(scopes));
	scopes_merge(roles, sizeof(roles), p->role);
	scopes_merge(scopes, sizeof(scopes), p->scopes);
	device_make_room(str_of(p->device));
	if (!db_failed() && db_run("INSERT INTO device SELECT device, key, "
	    "display_name, platform, client_id, client_mode, ?1, ?2, remote, "
	    "?3, ?3 FROM device_pending WHERE request = ?4 ON CONFLICT (id) "
	    "DO UPDATE SET key = excluded.key, display_name = "
	    "excluded.display_name, platform = excluded.platform, client_id = "
	    "excluded.client_id, client_mode = excluded.client_mode, roles = "
	    "excluded.roles, scopes = excluded.scopes, remote = "
	    "excluded.remote, approved_ms = excluded.approved_ms", "ttit",
	    roles, scopes, (int64_t)a->now, p->request) == 0 &&
	    db_run("DELETE FROM device_pending WHERE request = ?", "t",
	    p->request) == 0 && db_run("COMMIT", "") == 0)
		return 0;
	db_run("ROLLBACK", "");
	return -1;
}

static void
device_approve_asked(const struct store_ask *a)
{
	static struct asked	 p;
	struct dbuf		 b;
	struct jw		 w;
	sqlite3_stmt		*st;

	if (!asked_find(a, &p))
		return;
	if (!scopes_givable(p.scopes, a->scopes)) {
		ask_refuse(a, NEEDS_ADMIN);
		return;
	}
	if (approve_write(a, &p) == -1) {
		store_broken(a->router, a->corr);
		return;
	}
	log_info("device %.16s approved, %s", p.device, p.role);
	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "requestId", p.request);
	jw_key(&w, "device");
	st = db_query("SELECT " DEVICE_COLUMNS " FROM device WHERE id = ?",
	    "t", p.device);
	while (db_step(st))
		write_device(&w, st);
	jw_obj_end(&w);
	ask_answer(a, &b);
	tell_resolved(a->router, p.request, str_of(p.device), "approved",
	    a->now);
}

static void
device_reject_asked(const struct store_ask *a)
{
	static struct asked	 p;
	struct dbuf		 b;
	struct jw		 w;

	if (!asked_find(a, &p))
		return;
	if (db_run("DELETE FROM device_pending WHERE request = ?", "t",
	    p.request) == -1) {
		store_broken(a->router, a->corr);
		return;
	}
	log_info("device %.16s rejected", p.device);
	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "requestId", p.request);
	jw_ks(&w, "deviceId", p.device);
	jw_obj_end(&w);
	ask_answer(a, &b);
	tell_resolved(a->router, p.request, str_of(p.device), "rejected",
	    a->now);
}

/* --- tokens ---------------------------------------------------------------------- */

struct token_of {
	char	 device[129], role[16];
	char	 roles[64], approved[SCOPES_MAX];	/* of the device */
	bool	 exists;				/* a token of the role */
	char	 scopes[SCOPES_MAX];			/* of that token */
};

static bool
token_find(const struct store_ask *a, struct token_of *t)
{
	bool	 known;

	memset(t, 0, sizeof(*t));
	store_param_text(a->params, "deviceId", t->device, sizeof(t->device));
	store_param_text(a->params, "role", t->role, sizeof(t->role));
	known = row_texts(db_query("SELECT roles, scopes FROM device WHERE id "
	    "= ?", "t", t->device), 2, t->roles, sizeof(t->roles), t->approved,
	    sizeof(t->approved)) && t->role[0] != '\0' &&
	    scopes_within(t->role, t->roles);
	t->exists = known && row_texts(db_query("SELECT scopes FROM "
	    "device_token WHERE device = ? AND role = ? ORDER BY revoked_ms "
	    "IS NOT NULL, created_ms DESC LIMIT 1", "tt", t->device, t->role),
	    1, t->scopes, sizeof(t->scopes));
	if (db_failed())
		store_broken(a->router, a->corr);
	else if (!known)
		ask_refuse(a, UNKNOWN_ROLE);
	else
		return true;
	return false;
}

/* The parameter scopes joined by commas: 1, 0 when it is absent, -1 when it is
 * longer than any record's. */
static int
param_scopes(struct str params, char list[SCOPES_MAX])
{
	struct skim_iter	 it;
	struct skim_val		 v, one;
	char			 name[256];

	list[0] = '\0';
	if (!store_param(params, "scopes", &v) || v.kind != SKIM_ARRAY)
		return 0;
	skim_iter_init(&it, &v);
	while (skim_next(&it, NULL, &one)) {
		if (skim_unescape(&one, name, sizeof(name)) == -1 ||
		    strlen(list) + strlen(name) + 2 > SCOPES_MAX)
			return -1;
		if (list[0] != '\0')
			strlcat(list, ",", SCOPES_MAX);
		strlcat(list, name, SCOPES_MAX);
	}
	return 1;
}

static int
rotate_write(const struct store_ask *a, const struct token_of *t,
    const char *scopes, bool narrow, char token[TOKEN_HEX + 1])
{
	if (db_run("BEGIN", "") == -1)
		return -1;
	if (db_run("UPDATE device_token SET revoked_ms = ? WHERE device = ? "
	    "AND role = ? AND revoked_ms IS NULL", "itt", (int64_t)a->now,
	    t->device, t->role) == 0 &&
	    device_token_make(str_of(t->device), t->role, scopes, true, a->now,
	    token) == 0 &&
	    (!narrow || db_run("UPDATE device SET scopes = ? WHERE id = ?",
	    "tt", scopes, t->device) == 0) && db_run("COMMIT", "") == 0)
		return 0;
	db_run("ROLLBACK", "");
	return -1;
}

static void
device_rotate(const struct store_ask *a)
{
	static struct token_of	 t;
	static char		 given[SCOPES_MAX];
	const char		*scopes = given;
	struct dbuf		 b;
	struct jw		 w;
	char			 token[TOKEN_HEX + 1];
	bool			 node;
	int			 has;

	if (!token_find(a, &t))
		return;
	node = strcmp(t.role, "node") == 0;
	if ((has = param_scopes(a->params, given)) == 0 && !node)
		scopes = t.exists ? t.scopes : t.approved;
	if (has == -1 || !scopes_within(scopes, node ? "" : t.approved)) {
		ask_refuse(a, "invalid device.token.rotate params: at /scopes: "
		    "must be among those that the device was approved for");
		return;
	}
	if (!scopes_givable(scopes, a->scopes)) {
		ask_refuse(a, NEEDS_ADMIN);
		return;
	}
	if (rotate_write(a, &t, scopes, has == 1 && !node, token) == -1) {
		store_broken(a->router, a->corr);
		return;
	}
	log_info("device %.16s: token of %s rotated", t.device, t.role);
	dbuf_init_secret(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "deviceId", t.device);
	jw_ks(&w, "role", t.role);
	jw_ks(&w, "token", token);
	write_list(&w, "scopes", str_of(scopes));
	jw_kuint(&w, "rotatedAtMs", a->now);
	jw_obj_end(&w);
	explicit_bzero(token, sizeof(token));
	ask_answer(a, &b);
	tell_ended(a->router, str_of(t.device), t.role, a->now);
}

static void
device_revoke(const struct store_ask *a)
{
	static struct token_of	 t;
	struct dbuf		 b;
	struct jw		 w;

	if (!token_find(a, &t))
		return;
	if (!t.exists) {
		ask_refuse(a, UNKNOWN_ROLE);
		return;
	}
	if (db_run("UPDATE device_token SET revoked_ms = ? WHERE device = ? "
	    "AND role = ?", "itt", (int64_t)a->now, t.device, t.role) == -1) {
		store_broken(a->router, a->corr);
		return;
	}
	log_info("device %.16s: token of %s revoked", t.device, t.role);
	dbuf_init(&b, EVENT_BYTES);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "deviceId", t.device);
	jw_ks(&w, "role", t.role);
	jw_kuint(&w, "revokedAtMs", a->now);
	jw_obj_end(&w);
	ask_answer(a, &b);
	tell_ended(a->router, str_of(t.device), t.role, a->now);
}

bool
device_rpc(struct link *router, const struct m_rpc_req *q, uint64_t corr,
    uint64_t now)
{
	static const struct store_method	 methods[] = {
		{ "device.pair.list", device_list },
		{ "device.pair.approve", device_approve_asked },
		{ "device.pair.reject", device_reject_asked },
		{ "device.token.rotate", device_rotate },
		{ "device.token.revoke", device_revoke },
	};

	return ask_dispatch(methods, sizeof(methods) / sizeof(methods[0]),
	    router, q, corr, now);
}
