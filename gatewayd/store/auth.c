/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Is this client who it says, and what may it do?  The order of the checks and
 * their texts are the protocol's; clients match on them.  A wrong secret and
 * none at all differ in the text only (T04), scopes come from the credential's
 * record and never from the asking (T05).
 */
#include "common/compat.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "gatewayd/store/store.h"

struct store_config	 store_cfg;

/* Whole hashes are compared, so neither content nor length leaks by time. */
static bool
auth_same(struct str a, struct str b)
{
	unsigned char	 x[SHA256_DIGEST_LENGTH], y[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)a.p, a.n, x);
	SHA256((const unsigned char *)b.p, b.n, y);
	return CRYPTO_memcmp(x, y, sizeof(x)) == 0;
}

static void
auth_refuse(struct auth_verdict *v, const char *code, const char *message)
{
	v->verdict = VERDICT_REFUSED;
	v->code = code;
	strlcpy(v->message, message, sizeof(v->message));
}

static bool
auth_is_ui(const struct m_auth_req *q)
{
	return str_eqs(q->client_id, "openclaw-control-ui");
}

static const char *
auth_hint(const struct m_auth_req *q, bool password)
{
	if (str_eqs(q->client_mode, "cli"))
		return password ? "set gateway.remote.password to match "
		    "gateway.auth.password" :
		    "set gateway.remote.token to match gateway.auth.token";
	if (auth_is_ui(q) || str_eqs(q->client_mode, "webchat") ||
	    str_eqs(q->client_id, "webchat-ui"))
		return password ? "enter the password in Control UI settings" :
		    "open a tokenized dashboard URL or paste token in "
		    "Control UI settings";
	return password ? "provide gateway auth password" :
	    "provide gateway auth token";
}

/* Did a proxy whom we trust let somebody in who may come? */
static bool
auth_by_proxy(const struct m_auth_req *q)
{
	size_t	 i;

	if (store_cfg.mode != AUTH_PROXY || q->user.n == 0)
		return false;
	for (i = 0; i < store_cfg.nusers; i++)
		if (str_eq(q->user, store_cfg.users[i]))
			return true;
	return store_cfg.nusers == 0;
}

/* Is it known already who this is, so that no secret is needed?  Front has
 * asked tailscaled, if it may. */
static bool
auth_known(const struct m_auth_req *q)
{
	return auth_by_proxy(q) || (store_cfg.tailscale && q->whois);
}

/* The shared secret: true, or false with the text in v. */
static bool
auth_shared(const struct m_auth_req *q, struct auth_verdict *v)
{
	bool		 password = store_cfg.mode == AUTH_PASSWORD;
	const char	*what = password ? "password" : "token";
	struct str	 have, want;
	char		 text[256];

	if (store_cfg.mode == AUTH_NONE || auth_known(q))
		return true;
	if (store_cfg.mode == AUTH_PROXY) {
		auth_refuse(v, "INVALID_REQUEST", "unauthorized");
		return false;
	}
	have = password ? q->password : q->token;
	want = password ? store_cfg.password : store_cfg.token;
	if (want.n == 0) {
		snprintf(text, sizeof(text), "unauthorized: gateway %s not "
		    "configured on gateway (set gateway.auth.%s)", what, what);
		auth_refuse(v, "INVALID_REQUEST", text);
		return false;
	}
	if (have.n == 0) {
		snprintf(text, sizeof(text), "unauthorized: gateway %s "
		    "missing (%s)", what, auth_hint(q, password));
		auth_refuse(v, "INVALID_REQUEST", text);
		return false;
	}
	if (auth_same(have, want))
		return true;
	snprintf(text, sizeof(text), "unauthorized: gateway %s mismatch (%s)",
	    what, auth_hint(q, password));
	auth_refuse(v, "INVALID_REQUEST", text);
	return false;
}

/* Pairing and the token, as one transaction: one wait for the disk. */
static bool
auth_device(const struct m_auth_req *q, const char *scopes, const char *own,
    uint64_t now, struct auth_verdict *v)
{
	bool	 ok;

	if (db_run("BEGIN", "") == -1)
		goto broken;
	ok = device_pairing(q, scopes, now, v);
	if (ok && device_token_issue(q, scopes, own, now, v) == -1)
		goto rollback;
	if (!ok && v->verdict == VERDICT_UNAVAILABLE)
		goto rollback;
	if (db_run("COMMIT", "") == 0)
		return ok;
rollback:
	db_run("ROLLBACK", "");
broken:
	v->pair = PAIR_QUIET;
	v->verdict = VERDICT_UNAVAILABLE;
	v->code = "UNAVAILABLE";
	v->details[0] = '\0';
	strlcpy(v->message, "the gateway's store cannot be written; see the "
	    "log", sizeof(v->message));
	return false;
}

/*
 * Since protocol 4 the shared secret alone gives no rights: it names nobody whom
 * an operator could turn out again.  Those have them all the same who sit on
 * this machine and are no page in a browser, and whom a proxy, Tailscale or the
 * owner's settings let in without a device.
 */
static bool
auth_needs_device(const struct m_auth_req *q, bool bypass)
{
	if (q->protocol < 4 || q->role != CLIENT_OPERATOR || bypass ||
	    auth_known(q) || store_cfg.mode == AUTH_NONE)
		return false;
	return !q->local || q->browser ||
	    !((str_eqs(q->client_id, "cli") &&
	    str_eqs(q->client_mode, "cli")) ||
	    (str_eqs(q->client_id, "gateway-client") &&
	    str_eqs(q->client_mode, "backend")));
}

void
auth_check(const struct m_auth_req *q, uint64_t now, struct auth_verdict *v)
{
	const char	*error, *class;
	struct str	 shown;
	char		 scopes[SCOPES_MAX], text[256];
	const char	*own = NULL;	/* the device's token that was good */
	bool		 device = q->have_device, bypass, shared;
	bool		 proxied = auth_by_proxy(q), known = auth_known(q);
	uint32_t	 wait;

	memset(v, 0, sizeof(*v));
	v->verdict = VERDICT_REFUSED;
	v->code = "INVALID_REQUEST";
	/* A node has none, whatever it asks for: they would else stand in the
	 * device's record when it asks to be an operator too (T06). */
	str_copy(q->role == CLIENT_NODE ? (struct str){ "", 0 } : q->scopes,
	    scopes, sizeof(scopes));
	if (scopes[0] == '\0' && q->role == CLIENT_OPERATOR && q->protocol < 4)
		strlcpy(scopes, "operator.admin", sizeof(scopes));

	/* Whom the proxy let in need not let each browser in once more. */
	bypass = auth_is_ui(q) && (proxied || ((store_cfg.insecure_ui ||
	    store_cfg.no_device_ui) && (q->token.n > 0 ||
	    q->password.n > 0)));
	if (auth_is_ui(q) && store_cfg.no_device_ui)
		device = false;
	if (!device && !bypass && !proxied && store_cfg.mode != AUTH_NONE &&
	    q->token.n == 0) {
		if (auth_is_ui(q))
			auth_refuse(v, "INVALID_REQUEST", "control ui requires "
			    "HTTPS or localhost (secure context)");
		else
			auth_refuse(v, "NOT_PAIRED",
			    "device identity required");
		return;
	}
	if (device && (error = device_verify(q, q->scopes.p, now)) != NULL) {
		auth_refuse(v, "INVALID_REQUEST", error);
		return;
	}
	class = store_cfg.mode == AUTH_PASSWORD ? "password" : "token";
	wait = known ? 0 : lockout_check(q, class, now);
	if (wait > 0) {
		snprintf(text, sizeof(text), "unauthorized: too many failed "
		    "authentication attempts (retry in %u s)", wait);
		auth_refuse(v, "INVALID_REQUEST", text);
		v->penalty_s = wait;
		return;
	}
	shared = auth_shared(q, v);
	if (!shared) {
		/* Failed with the shared secret's words, as clients expect. */
		if (device && q->token.n > 0 &&
		    device_token_ok(q, q->token, scopes, now))
			own = q->token.p;
		else if (device && q->protocol >= 4 &&
		    q->device_token.n > 0 &&
		    device_token_ok(q, q->device_token, scopes, now))
			own = q->device_token.p;
		if (own == NULL) {
			v->token_tried = device && q->device_token.n > 0;
			/* Then the refusal is that of a wrong token. */
			v->token_untried = device && !v->token_tried &&
			    store_cfg.mode == AUTH_TOKEN && q->token.n > 0 &&
			    store_cfg.token.n > 0;
			/* Showing nothing is no guess. */
			shown = store_cfg.mode == AUTH_PASSWORD ?
			    q->password : q->token;
			if (shown.n > 0)
				v->penalty_s = lockout_failed(q, class, now);
			return;
		}
	} else if (!known)
		/* Not for a device's token: its holder could else guess the
		 * shared secret for ever, nine tries and one success. */
		lockout_passed(q, class);
	v->device = device;
	v->shared = shared;
	if (shared)
		v->issued_at = now;
	if (!device && auth_needs_device(q, bypass))
		scopes[0] = '\0';
	/* Without a shared secret there is no record that could grant. */
	strlcpy(v->scopes, scopes, sizeof(v->scopes));
	if (device && !bypass && !auth_device(q, scopes, own, now, v))
		return;
	v->verdict = VERDICT_OK;
	v->message[0] = '\0';
}

void
auth_http(const struct m_http_auth *h, uint64_t now, struct auth_verdict *v)
{
	struct m_auth_req	 q;
	const char		*class;

	memset(v, 0, sizeof(*v));
	memset(&q, 0, sizeof(q));
	/* Whichever of both is asked for. */
	q.token = q.password = h->secret;
	q.client_id = q.client_mode = STR_LIT("http");
	q.remote = h->remote;
	q.local = h->local;
	q.user = h->user;
	q.whois = h->whois;
	class = store_cfg.mode == AUTH_PASSWORD ? "password" : "token";
	if (!auth_known(&q) &&
	    (v->penalty_s = lockout_check(&q, class, now)) > 0) {
		auth_refuse(v, "INVALID_REQUEST", "unauthorized: too many "
		    "failed authentication attempts");
		return;
	}
	if (!auth_shared(&q, v)) {
		/* Showing nothing is no guess. */
		if (h->secret.n > 0)
			v->penalty_s = lockout_failed(&q, class, now);
		return;
	}
	if (!auth_known(&q))
		lockout_passed(&q, class);
	v->verdict = VERDICT_OK;
}
