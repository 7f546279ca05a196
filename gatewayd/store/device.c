/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Devices: their ed25519 identity, pairing, and tokens (kept as hashes). */
#include "common/compat.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <string.h>

#include "common/dbuf.h"
#include "common/log.h"
#include "gatewayd/store/store.h"

#define KEY_LEN		32
#define SIG_LEN		64
#define SKEW_MS		600000
#define SKEW4_MS	120000	/* since protocol 4 */

static const char *
role_text(const struct m_auth_req *q)
{
	return q->role == CLIENT_NODE ? "node" : "operator";
}

bool
scopes_within(const char *want, const char *have)
{
	size_t		 n, m;
	const char	*h;

	for (; *want != '\0'; want += n + (want[n] == ',')) {
		n = strcspn(want, ",");
		for (h = have; *h != '\0'; h += m + (h[m] == ',')) {
			m = strcspn(h, ",");
			if (m == n && memcmp(h, want, n) == 0)
				break;
		}
		if (*h == '\0' && n > 0)
			return false;
	}
	return true;
}

/* 32 raw bytes from base64url, or from an SPKI PEM. */
static int
device_key(struct str text, unsigned char raw[KEY_LEN])
{
	EVP_PKEY	*pkey;
	BIO		*bio;
	size_t		 n = KEY_LEN;
	int		 r = -1;

	if (memmem(text.p, text.n, "BEGIN", 5) == NULL)
		return base64_decode(text, raw, KEY_LEN) == KEY_LEN ? 0 : -1;
	if ((bio = BIO_new_mem_buf(text.p, (int)text.n)) == NULL)
		return -1;
	pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	if (pkey != NULL && EVP_PKEY_get_raw_public_key(pkey, raw, &n) == 1 &&
	    n == KEY_LEN && EVP_PKEY_get_id(pkey) == EVP_PKEY_ED25519)
		r = 0;
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	return r;
}

static bool
device_signed(const unsigned char raw[KEY_LEN], struct str signature,
    const char *text, size_t n)
{
	unsigned char	 sig[SIG_LEN];
	EVP_PKEY	*pkey = NULL;
	EVP_MD_CTX	*ctx = NULL;
	bool		 ok = false;

	if (base64_decode(signature, sig, sizeof(sig)) != SIG_LEN)
		return false;
	pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw,
	    KEY_LEN);
	ctx = EVP_MD_CTX_new();
	if (pkey != NULL && ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1)
		ok = EVP_DigestVerify(ctx, sig, sizeof(sig),
		    (const unsigned char *)text, n) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

static void
put_lower(struct dbuf *b, struct str s)
{
	size_t	 i;

	s = str_trim(s);
	for (i = 0; i < s.n; i++)
		dbuf_putc(b, (char)ascii_tolower((unsigned char)s.p[i]));
}

/* What was signed: scopes as they were asked for, token as sent. */
static bool
device_text_signed(const struct m_auth_req *q,
    const unsigned char raw[KEY_LEN], const char *scopes, int version)
{
	struct dbuf	 b;
	bool		 ok;

	dbuf_init_secret(&b, 16384);
	dbuf_printf(&b, "v%d|%s|%s|%s|%s|%s|%llu|%s", version, q->device_id.p,
	    q->client_id.p, q->client_mode.p, role_text(q), scopes,
	    (unsigned long long)q->signed_at, q->token.p);
	if (version >= 2)
		dbuf_printf(&b, "|%s", q->challenge.p);
	if (version >= 3) {
		dbuf_putc(&b, '|');
		put_lower(&b, q->platform);
		dbuf_putc(&b, '|');
		put_lower(&b, q->device_family);
	}
	ok = !dbuf_err(&b) && device_signed(raw, q->signature, b.p, b.n);
	dbuf_clear(&b);
	return ok;
}

const char *
device_verify(const struct m_auth_req *q, const char *scopes, uint64_t now)
{
	unsigned char	 raw[KEY_LEN], digest[SHA256_DIGEST_LENGTH];
	char		 id[65];
	struct str	 nonce = str_trim(q->nonce);
	uint64_t	 skew = q->protocol >= 4 ? SKEW4_MS : SKEW_MS;
	int		 v;

	if (device_key(q->device_key, raw) == -1)
		return "device identity mismatch";
	SHA256(raw, sizeof(raw), digest);
	hex_encode(digest, sizeof(digest), id);
	if (!str_eqs(q->device_id, id))
		return "device identity mismatch";
	if (q->signed_at > now + skew || q->signed_at + skew < now)
		return "device signature expired";
	if (nonce.n == 0 && (!q->local || q->protocol >= 4))
		return "device nonce required";
	if (nonce.n > 0 && !str_eq(nonce, q->challenge))
		return "device nonce mismatch";
	/* 1 without a nonce; 2, or what later clients sign, with one. */
	for (v = nonce.n > 0 ? 2 : 1; v <= (nonce.n > 0 ? 3 : 1); v++)
		if (device_text_signed(q, raw, scopes, v))
			return NULL;
	return "device signature invalid";
}

bool
device_token_ok(const struct m_auth_req *q, struct str token,
    const char *scopes, uint64_t now)
{
	unsigned char	 hash[SHA256_DIGEST_LENGTH];
	sqlite3_stmt	*st;
	bool		 ok = false, stale = false;

	/* The hash is the look-up key: there is no text to compare by time. */
	SHA256((const unsigned char *)token.p, token.n, hash);
	st = db_query("SELECT t.scopes, coalesce(t.used_ms, 0) FROM "
	    "device_token t JOIN device d ON d.id = t.device WHERE t.hash = ? "
	    "AND t.device = ? AND t.role = ? AND t.revoked_ms IS NULL",
	    "hst", hash, &q->device_id, role_text(q));
	if (db_step(st)) {
		ok = scopes_within(scopes, db_text(st, 0).p);
		stale = (uint64_t)sqlite3_column_int64(st, 1) + 60000 < now;
		while (db_step(st))
			;
	}
	if (ok && stale)
		db_run("UPDATE device_token SET used_ms = ? WHERE hash = ?",
		    "ih", (int64_t)now, hash);
	return ok;
}

void
scopes_merge(char *list, size_t size, const char *more)
{
	char	 one[256];
	size_t	 n;

	for (; *more != '\0'; more += n + (more[n] == ',')) {
		n = strcspn(more, ",");
		if (n == 0 || n >= sizeof(one))
			continue;
		memcpy(one, more, n);
		one[n] = '\0';
		/* A name cut short would be another one. */
		if (scopes_within(one, list) || strlen(list) + n + 2 > size)
			continue;
		if (list[0] != '\0')
			strlcat(list, ",", size);
		strlcat(list, one, size);
	}
}

void
device_make_room(struct str device)
{
	db_run("DELETE FROM device WHERE id IN (SELECT id FROM device WHERE "
	    "id <> ? ORDER BY approved_ms DESC LIMIT -1 OFFSET ?)", "si",
	    &device, (int64_t)DEVICES_MAX - 1);
	db_run("DELETE FROM device_token WHERE device NOT IN (SELECT id FROM "
	    "device) AND device <> ?", "s", &device);
}

static int
device_approve(const struct m_auth_req *q, const char *roles,
    const char *scopes, uint64_t now)
{
	struct str	 remote = q->local ? (struct str){ "", 0 } : q->remote;

	device_make_room(q->device_id);
	return db_run("INSERT INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
	    "?, ?) ON CONFLICT (id) DO UPDATE SET key = excluded.key, "
	    "display_name = excluded.display_name, platform = "
	    "excluded.platform, client_id = excluded.client_id, client_mode = "
	    "excluded.client_mode, roles = excluded.roles, scopes = "
	    "excluded.scopes, remote = excluded.remote, approved_ms = "
	    "excluded.approved_ms", "ssssssttsii", &q->device_id,
	    &q->device_key, &q->display_name, &q->platform, &q->client_id,
	    &q->client_mode, roles, scopes, &remote, (int64_t)now,
	    (int64_t)now);
}

/* It may have another name or address than last time. */
static void
device_refresh(const struct m_auth_req *q)
{
	struct str	 remote = q->local ? (struct str){ "", 0 } : q->remote;

	db_run("UPDATE device SET display_name = ?1, platform = ?2, client_id "
	    "= ?3, client_mode = ?4, remote = ?5 WHERE id = ?6 AND "
	    "(display_name, platform, client_id, client_mode, remote) IS NOT "
	    "(?1, ?2, ?3, ?4, ?5)", "ssssss", &q->display_name, &q->platform,
	    &q->client_id, &q->client_mode, &remote, &q->device_id);
}

static bool
device_ask_refused(struct auth_verdict *v)
{
	v->verdict = VERDICT_REFUSED;
	v->code = "NOT_PAIRED";
	return false;
}

/* On the machine itself a device is let in, also when it knocked from afar
 * before: that request is answered with it. */
static int
device_let_in(const struct m_auth_req *q, const char *roles,
    const char *scopes, uint64_t now, struct auth_verdict *v)
{
	if (device_approve(q, roles, scopes, now) == -1 ||
	    db_run("DELETE FROM device_pending WHERE device = ?", "s",
	    &q->device_id) == -1)
		return -1;
	if (v->request[0] == '\0')
		uuid_v4(v->request);
	v->pair = PAIR_LET_IN;
	log_info("device %.16s paired, %s", q->device_id.p, roles);
	return 0;
}

bool
device_pairing(const struct m_auth_req *q, const char *scopes, uint64_t now,
    struct auth_verdict *v)
{
	sqlite3_stmt	*st;
	char		 roles[64] = "", have[SCOPES_MAX] = "";
	bool		 known = false;
	int64_t		 pending = 0;

	/* The id is the key's hash, so a record of that id has that key, in
	 * whichever of its two forms it was sent. */
	db_failed();
	st = db_query("SELECT roles, scopes FROM device WHERE id = ?", "s",
	    &q->device_id);
	if (db_step(st)) {
		known = true;
		str_copy(db_text(st, 0), roles, sizeof(roles));
		str_copy(db_text(st, 1), have, sizeof(have));
		while (db_step(st))
			;
	}
	if (db_failed())
		goto broken;
	if (known && scopes_within(role_text(q), roles) &&
	    scopes_within(scopes, have)) {
		device_refresh(q);
		return true;
	}
	db_run("DELETE FROM device_pending WHERE ts < ?", "i",
	    (int64_t)now - DEVICE_PENDING_TTL_MS);
	st = db_query("SELECT request, (SELECT count(*) FROM device_pending) "
	    "FROM (SELECT 1) LEFT JOIN device_pending ON device = ?", "s",
	    &q->device_id);
	if (db_step(st)) {
		str_copy(db_text(st, 0), v->request, sizeof(v->request));
		pending = sqlite3_column_int64(st, 1);
		while (db_step(st))
			;
	}
	if (q->local) {
		scopes_merge(roles, sizeof(roles), role_text(q));
		scopes_merge(have, sizeof(have), scopes);
		if (device_let_in(q, roles, have, now, v) == -1)
			goto broken;
		return true;
	}
	if (v->request[0] == '\0' && pending >= DEVICE_PENDING_MAX) {
		strlcpy(v->message, "pairing required; too many devices wait "
		    "to be paired, try again later", sizeof(v->message));
		return device_ask_refused(v);
	}
	if (v->request[0] == '\0') {
		uuid_v4(v->request);
		if (db_run("INSERT INTO device_pending VALUES (?, ?, ?, ?, ?, ?, "
		    "?, ?, ?, ?, 0, ?, ?)", "tssssssttsii", v->request,
		    &q->device_id, &q->device_key, &q->display_name,
		    &q->platform, &q->client_id, &q->client_mode,
		    role_text(q), scopes, &q->remote, (int64_t)known,
		    (int64_t)now) == -1)
			goto broken;
		v->pair = PAIR_ASKED;
		log_info("device %.16s asks to be paired", q->device_id.p);
	}
	strlcpy(v->message, "pairing required", sizeof(v->message));
	if (q->protocol < 4)
		snprintf(v->details, sizeof(v->details),
		    "{\"requestId\":\"%s\"}", v->request);
	else
		snprintf(v->details, sizeof(v->details), "{\"code\":"
		    "\"PAIRING_REQUIRED\",\"requestId\":\"%s\",\"reason\":"
		    "\"%s\"}", v->request, !known ? "not-paired" :
		    !scopes_within(role_text(q), roles) ? "role-upgrade" :
		    "scope-upgrade");
	return device_ask_refused(v);
broken:
	v->verdict = VERDICT_UNAVAILABLE;
	return false;
}

static int
text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted and unique, as tokens keep them. */
static void
scopes_sort(const char *in, char *out, size_t size)
{
	char	 copy[4097], *names[256], *save, *s;
	size_t	 n = 0, i;

	strlcpy(copy, in, sizeof(copy));
	for (s = strtok_r(copy, ",", &save); s != NULL && n < 256;
	    s = strtok_r(NULL, ",", &save))
		names[n++] = s;
	qsort(names, n, sizeof(names[0]), text_cmp);
	out[0] = '\0';
	for (i = 0; i < n; i++) {
		if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
			continue;
		if (out[0] != '\0')
			strlcat(out, ",", size);
		strlcat(out, names[i], size);
	}
}

int
device_token_make(struct str device, const char *role, const char *scopes,
    bool rotated, uint64_t now, char token[TOKEN_HEX + 1])
{
	unsigned char	 raw[TOKEN_HEX / 2], hash[SHA256_DIGEST_LENGTH];
	char		 sorted[SCOPES_MAX];
	int		 r;

	arc4random_buf(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), token);
	explicit_bzero(raw, sizeof(raw));
	SHA256((const unsigned char *)token, TOKEN_HEX, hash);
	scopes_sort(scopes, sorted, sizeof(sorted));
	r = db_run("INSERT INTO device_token (hash, device, role, scopes, "
	    "created_ms, rotated_ms) VALUES (?1, ?2, ?3, ?4, ?5, CASE ?6 WHEN "
	    "1 THEN ?5 END)", "hsttii", hash, &device, role, sorted,
	    (int64_t)now, (int64_t)rotated);
	/* Only hashes are kept, so a token that was given cannot be given
	 * again: each login with the shared secret makes one, and the last
	 * few stay good, because one device may run several programs. */
	db_run("DELETE FROM device_token WHERE device = ?1 AND role = ?2 AND "
	    "hash NOT IN (SELECT hash FROM device_token WHERE device = ?1 AND "
	    "role = ?2 ORDER BY revoked_ms IS NOT NULL, created_ms DESC "
	    "LIMIT 4)", "st", &device, role);
	return r;
}

int
device_token_issue(const struct m_auth_req *q, const char *scopes,
    const char *keep, uint64_t now, struct auth_verdict *v)
{
	v->issued_at = now;
	if (keep == NULL)
		return device_token_make(q->device_id, role_text(q), scopes,
		    false, now, v->token);
	strlcpy(v->token, keep, sizeof(v->token));
	return 0;
}
