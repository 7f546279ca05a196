/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Logins as store judges them: order and texts of spec 2.4, and the disk. */
#include "common/compat.h"

#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "common/dbuf.h"
#include "common/log.h"
#include "gatewayd/store/store.h"

#define NOW	1769688000000ull

static char			 dir[] = "/tmp/gw-store-XXXXXX";
static struct auth_verdict	 v;

/* A device: its key, and a request with its signature. */
struct device {
	EVP_PKEY	*key;
	char		 pub[64], id[65], sig[128], pem[256];
	struct dbuf	 text;
};

static void
device_new(struct device *d)
{
	unsigned char	 raw[32], hash[32];
	size_t		 n = sizeof(raw);
	EVP_PKEY_CTX	*c = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
	BIO		*b;
	int		 len;

	memset(d, 0, sizeof(*d));
	assert_int_equal(EVP_PKEY_keygen_init(c), 1);
	assert_int_equal(EVP_PKEY_keygen(c, &d->key), 1);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_get_raw_public_key(d->key, raw, &n);
	base64url_encode(raw, n, d->pub);
	SHA256(raw, n, hash);
	hex_encode(hash, sizeof(hash), d->id);
	b = BIO_new(BIO_s_mem());
	PEM_write_bio_PUBKEY(b, d->key);
	len = BIO_read(b, d->pem, sizeof(d->pem) - 1);
	d->pem[len] = '\0';
	BIO_free(b);
	dbuf_init(&d->text, 16384);
}

static void
device_free(struct device *d)
{
	EVP_PKEY_free(d->key);
	dbuf_clear(&d->text);
}

static struct m_auth_req
request(const char *token)
{
	struct m_auth_req	 q;

	memset(&q, 0, sizeof(q));
	q.conn = 1;
	q.protocol = 3;
	q.client_id = STR_LIT("cli");
	q.client_mode = STR_LIT("ui");
	q.display_name = STR_LIT("");
	q.version = STR_LIT("1");
	q.platform = STR_LIT("Linux ");
	q.device_family = STR_LIT("PC");
	q.scopes = STR_LIT("");
	q.have_token = token != NULL;
	q.token = str_of(token != NULL ? token : "");
	q.password = STR_LIT("");
	q.challenge = STR_LIT("n-1");
	q.nonce = STR_LIT("");
	q.remote = STR_LIT("192.0.2.1");
	q.user = STR_LIT("");
	q.local = 0;
	q.device_id = q.device_key = q.signature = STR_LIT("");
	return q;
}

static void
sign(struct device *d, struct m_auth_req *q, int version)
{
	EVP_MD_CTX	*c = EVP_MD_CTX_new();
	unsigned char	 sig[64];
	size_t		 n = sizeof(sig);

	q->have_device = 1;
	q->device_id = str_of(d->id);
	q->device_key = str_of(d->pub);
	q->signed_at = NOW;
	dbuf_reset(&d->text);
	dbuf_printf(&d->text, "v%d|%s|%s|%s|%s|%s|%llu|%s", version,
	    q->device_id.p, q->client_id.p, q->client_mode.p,
	    q->role == CLIENT_NODE ? "node" : "operator", q->scopes.p,
	    (unsigned long long)q->signed_at, q->token.p);
	if (version > 1) {
		q->nonce = q->challenge;
		dbuf_printf(&d->text, "|%s", q->nonce.p);
	}
	if (version > 2)
		dbuf_puts(&d->text, "|linux|pc");
	assert_int_equal(EVP_DigestSignInit(c, NULL, NULL, NULL, d->key), 1);
	assert_int_equal(EVP_DigestSign(c, sig, &n,
	    (unsigned char *)d->text.p, d->text.n), 1);
	EVP_MD_CTX_free(c);
	base64url_encode(sig, n, d->sig);
	q->signature = str_of(d->sig);
}

static void
refused(const struct m_auth_req *q, uint64_t now, const char *code,
    const char *message)
{
	auth_check(q, now, &v);
	if (v.verdict != VERDICT_REFUSED || strcmp(v.message, message) != 0)
		fail_msg("wanted %s\n   got %d %s", message, v.verdict,
		    v.message);
	assert_string_equal(v.code, code);
}

static void
accepted(const struct m_auth_req *q, uint64_t now)
{
	auth_check(q, now, &v);
	if (v.verdict != VERDICT_OK)
		fail_msg("refused: %s", v.message);
}

static void
restart(void)
{
	db_close();
	lockout_forget();
	assert_int_equal(db_open(dir), 0);
}

static int
setup(void **state)
{
	(void)state;
	log_setlevel(LOG_LEVEL_FATAL);
	assert_non_null(mkdtemp(dir));
	return db_open(dir);
}

static int
teardown(void **state)
{
	char		 path[256];
	static const char *const names[] = { "", "-wal", "-shm", "-journal" };
	size_t		 i;

	(void)state;
	db_close();
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/store.sqlite%s", dir,
		    names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static int
fresh(void **state)
{
	(void)state;
	memset(&store_cfg, 0, sizeof(store_cfg));
	store_cfg.mode = AUTH_TOKEN;
	store_cfg.token = STR_LIT("right");
	store_cfg.password = STR_LIT("");
	db_run("DELETE FROM device", "");
	db_run("DELETE FROM device_token", "");
	db_run("DELETE FROM device_pending", "");
	db_run("DELETE FROM lockout", "");
	lockout_forget();
	return 0;
}

#define IR	"INVALID_REQUEST"

static void
test_T04_shared_texts(void **state)
{
	struct m_auth_req	 q = request(NULL);

	(void)state;
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	q = request("");
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	q = request("wrong");
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (provide "
	    "gateway auth token)");
	q.client_mode = STR_LIT("cli");
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (set "
	    "gateway.remote.token to match gateway.auth.token)");
	q.client_mode = STR_LIT("webchat");
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (open a "
	    "tokenized dashboard URL or paste token in Control UI settings)");
	q = request("right");
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.admin");
	assert_string_equal(v.token, "");
	/* a password alone does not exempt from a device */
	store_cfg.mode = AUTH_PASSWORD;
	store_cfg.password = STR_LIT("pw");
	q = request(NULL);
	q.have_password = 1;
	q.password = STR_LIT("pw");
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	q.have_token = 1;
	q.token = STR_LIT("x");
	accepted(&q, NOW);
	q.password = STR_LIT("");
	refused(&q, NOW, IR, "unauthorized: gateway password missing (provide "
	    "gateway auth password)");
	store_cfg.password = STR_LIT("");
	refused(&q, NOW, IR, "unauthorized: gateway password not configured "
	    "on gateway (set gateway.auth.password)");
	store_cfg.mode = AUTH_TOKEN;
	store_cfg.token = STR_LIT("");
	refused(&q, NOW, IR, "unauthorized: gateway token not configured on "
	    "gateway (set gateway.auth.token)");
}

/* In place of libcrypto's: what was compared, and how much of it. */
static unsigned int	 compared, odd;

int
CRYPTO_memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char	*x = a, *y = b;
	unsigned char		 diff = 0;
	size_t			 i;

	compared++;
	odd += n != 32 || memcmp(x, "right", 5) == 0 ||
	    memcmp(y, "right", 5) == 0;
	for (i = 0; i < n; i++)
		diff |= x[i] ^ y[i];
	return diff;
}

/* However much of a token is right, and however long it is: digests of one
 * length are compared, once, and whole. */
static void
test_T08_digests(void **state)
{
	static const char *const	 tries[] = { "w", "r", "righ", "righu",
		"rightx", "RIGHT", "right right right right right right right" };
	struct m_auth_req	 q;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		compared = odd = 0;
		q = request(tries[i]);
		refused(&q, NOW, IR, "unauthorized: gateway token mismatch "
		    "(provide gateway auth token)");
		assert_int_equal(compared, 1);
		assert_int_equal(odd, 0);
		lockout_forget();
	}
	compared = 0;
	q = request("right");
	accepted(&q, NOW);
	assert_int_equal(compared, 1);
	assert_int_equal(odd, 0);
}

static void
test_control_ui(void **state)
{
	struct m_auth_req	 q = request(NULL);
	struct device		 d;

	(void)state;
	q.client_id = STR_LIT("openclaw-control-ui");
	refused(&q, NOW, IR, "control ui requires HTTPS or localhost (secure "
	    "context)");
	store_cfg.insecure_ui = true;
	q = request("right");
	q.client_id = STR_LIT("openclaw-control-ui");
	accepted(&q, NOW);
	q.token = STR_LIT("wrong");
	auth_check(&q, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	/* a device that is to be ignored is not named to the router either */
	store_cfg.no_device_ui = true;
	device_new(&d);
	q.token = STR_LIT("right");
	sign(&d, &q, 2);
	q.signature = STR_LIT("AAAA");
	accepted(&q, NOW);
	assert_false(v.device);
	device_free(&d);
}

static void
test_device_checks(void **state)
{
	struct m_auth_req	 q = request("right"), w;
	struct device		 d, other;
	char			 id[65];
	int			 i;

	(void)state;
	device_new(&d);
	device_new(&other);
	sign(&d, &q, 2);
	w = q;
	w.device_key = STR_LIT("AAAA");
	refused(&w, NOW, IR, "device identity mismatch");
	w = q;
	w.device_key = str_of(other.pub);
	refused(&w, NOW, IR, "device identity mismatch");
	memcpy(id, d.id, 65);
	for (i = 0; id[i] != '\0'; i++)
		id[i] = (char)ascii_toupper(id[i]);
	w = q;
	w.device_id = str_of(id);
	refused(&w, NOW, IR, "device identity mismatch");
	refused(&q, NOW + 600001, IR, "device signature expired");
	refused(&q, NOW - 600001, IR, "device signature expired");
	w = q;
	w.signed_at = UINT64_MAX;
	refused(&w, NOW, IR, "device signature expired");
	w = q;
	w.nonce = STR_LIT(" ");
	refused(&w, NOW, IR, "device nonce required");
	w = q;
	w.nonce = STR_LIT("other");
	refused(&w, NOW, IR, "device nonce mismatch");
	w = q;
	w.signature = STR_LIT("AAAA");
	refused(&w, NOW, IR, "device signature invalid");
	/* each part is under the signature */
	w = q;
	w.scopes = STR_LIT("operator.read");
	refused(&w, NOW, IR, "device signature invalid");
	w = q;
	w.token = STR_LIT("right2");
	refused(&w, NOW, IR, "device signature invalid");
	w = q;
	w.role = CLIENT_NODE;
	refused(&w, NOW, IR, "device signature invalid");
	w = q;
	w.client_id = STR_LIT("test");
	refused(&w, NOW, IR, "device signature invalid");
	/* v1 only where the nonce may be missing */
	sign(&d, &q, 1);
	q.nonce = STR_LIT("");
	refused(&q, NOW, IR, "device nonce required");
	q.local = 1;
	accepted(&q, NOW);
	assert_true(v.device);
	assert_int_equal(strlen(v.token), 32);
	/* v3, and the key as PEM: the same device */
	sign(&d, &q, 3);
	q.device_key = str_of(d.pem);
	accepted(&q, NOW);
	q.local = 0;
	accepted(&q, NOW);
	device_free(&d);
	device_free(&other);
}

static void
test_pairing_of_devices(void **state)
{
	struct m_auth_req	 q = request("right");
	struct device		 d;
	char			 first[64];

	(void)state;
	device_new(&d);
	q.scopes = STR_LIT("operator.read");
	sign(&d, &q, 2);
	refused(&q, NOW, "NOT_PAIRED", "pairing required");
	assert_non_null(strstr(v.details, "{\"requestId\":\""));
	strlcpy(first, v.details, sizeof(first));
	/* the request stays the same while it is pending */
	refused(&q, NOW + 1000, "NOT_PAIRED", "pairing required");
	assert_string_equal(v.details, first);
	restart();
	refused(&q, NOW + 2000, "NOT_PAIRED", "pairing required");
	assert_string_equal(v.details, first);
	refused(&q, NOW + 300001, "NOT_PAIRED", "pairing required");
	assert_string_not_equal(v.details, first);
	/* its owner at the machine is let in, and then from afar too */
	q.local = 1;
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.read");
	q.local = 0;
	accepted(&q, NOW);
	/* T06: more scopes, another role: asked again */
	q.scopes = STR_LIT("operator.read,operator.write");
	sign(&d, &q, 2);
	refused(&q, NOW, "NOT_PAIRED", "pairing required");
	q.scopes = STR_LIT("operator.read");
	q.role = CLIENT_NODE;
	sign(&d, &q, 2);
	refused(&q, NOW, "NOT_PAIRED", "pairing required");
	device_free(&d);
}

/* Who has no device has the scopes it asked for on this machine alone. */
static void
test_T05_scopes_need_a_device(void **state)
{
	static const struct {
		unsigned int	 protocol;
		const char	*id, *mode;
		bool		 local, browser, kept;
	} t[] = {
		{ 3, "test", "test", false, false, true },
		{ 4, "test", "test", false, false, false },
		{ 4, "test", "test", true, false, false },
		{ 4, "cli", "cli", true, false, true },
		{ 4, "cli", "cli", true, true, false },
		{ 4, "cli", "cli", false, false, false },
		{ 4, "cli", "backend", true, false, false },
		{ 4, "gateway-client", "backend", true, false, true },
		{ 4, "gateway-client", "backend", true, true, false },
		{ 4, "gateway-client", "backend", false, false, false },
		{ 4, "gateway-client", "cli", true, false, false },
		{ 4, "openclaw-control-ui", "ui", true, true, false },
	};
	struct m_auth_req	 q = request("right");
	struct device		 d;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		q.protocol = t[i].protocol;
		q.client_id = str_of(t[i].id);
		q.client_mode = str_of(t[i].mode);
		q.local = t[i].local;
		q.browser = t[i].browser;
		q.scopes = STR_LIT("operator.admin");
		accepted(&q, NOW);
		if (strcmp(v.scopes, t[i].kept ? "operator.admin" : "") != 0)
			fail_msg("%zu: scopes %s", i, v.scopes);
	}
	/* by the owner's settings */
	store_cfg.insecure_ui = true;
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.admin");
	store_cfg.insecure_ui = false;
	q.client_id = q.client_mode = STR_LIT("test");
	q.local = 0;
	store_cfg.mode = AUTH_NONE;
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.admin");
	store_cfg.mode = AUTH_PROXY;
	q.user = STR_LIT("nick@example.org");
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.admin");
	store_cfg.mode = AUTH_TOKEN;
	q.user = STR_LIT("");
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "");
	/* with one they are the device's */
	device_new(&d);
	q.local = q.browser = 1;
	sign(&d, &q, 2);
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.admin");
	device_free(&d);
}

static void
test_T05_device_token(void **state)
{
	struct m_auth_req	 q = request("right");
	struct device		 d, other;
	char			 token[64];

	(void)state;
	device_new(&d);
	device_new(&other);
	q.local = 1;
	q.scopes = STR_LIT("operator.write,operator.read");
	sign(&d, &q, 1);
	accepted(&q, NOW);
	strlcpy(token, v.token, sizeof(token));
	/* alone it opens, from afar, after a restart, within its scopes */
	restart();
	q = request(token);
	q.scopes = STR_LIT("operator.read");
	sign(&d, &q, 2);
	accepted(&q, NOW);
	assert_string_equal(v.scopes, "operator.read");
	assert_string_equal(v.token, token);
	/* T06: not for more, and not for what nobody asked (admin) */
	q.scopes = STR_LIT("operator.admin");
	sign(&d, &q, 2);
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (provide "
	    "gateway auth token)");
	q.scopes = STR_LIT("");
	sign(&d, &q, 2);
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (provide "
	    "gateway auth token)");
	/* not in another role, not for another device, not without one */
	q.scopes = STR_LIT("operator.read");
	q.role = CLIENT_NODE;
	sign(&d, &q, 2);
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (provide "
	    "gateway auth token)");
	q.role = CLIENT_OPERATOR;
	sign(&other, &q, 2);
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (provide "
	    "gateway auth token)");
	q = request(token);
	refused(&q, NOW, IR, "unauthorized: gateway token mismatch (provide "
	    "gateway auth token)");
	device_free(&d);
	device_free(&other);
}

static void
test_T10_user_of_a_proxy(void **state)
{
	struct m_auth_req	 q = request(NULL), d1;
	struct device		 d;

	(void)state;
	store_cfg.token = STR_LIT("");
	/* a name without the mode is nothing */
	q.user = STR_LIT("nick");
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	store_cfg.mode = AUTH_PROXY;
	accepted(&q, NOW);
	assert_false(v.device);
	store_cfg.users[0] = STR_LIT("nick@example.org");
	store_cfg.users[1] = STR_LIT("root");
	store_cfg.nusers = 2;
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	q.have_token = 1;
	q.token = STR_LIT("nick@example.org");
	refused(&q, NOW, IR, "unauthorized");
	q = request(NULL);
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	q.user = STR_LIT("root");
	accepted(&q, NOW);
	/* its web chat needs no pairing; another device does, once */
	device_new(&d);
	q.scopes = STR_LIT("operator.read");
	sign(&d, &q, 2);
	d1 = q;
	refused(&q, NOW, "NOT_PAIRED", "pairing required");
	q = request(NULL);
	q.user = STR_LIT("root");
	q.client_id = STR_LIT("openclaw-control-ui");
	sign(&d, &q, 2);
	accepted(&q, NOW);
	assert_string_equal(v.token, "");
	d1.user = STR_LIT("");
	sign(&d, &d1, 2);
	refused(&d1, NOW, IR, "unauthorized");
	device_free(&d);
}

/* Who it is stands for the shared secret: where that is configured, and for
 * nothing that the device must prove. */
static void
test_T10_tailscale(void **state)
{
	struct m_auth_req	 q = request(NULL);
	struct m_http_auth	 h;
	struct device		 d;

	(void)state;
	device_new(&d);
	q.whois = 1;
	q.scopes = STR_LIT("operator.read");
	sign(&d, &q, 2);
	refused(&q, NOW, IR, "unauthorized: gateway token missing (provide "
	    "gateway auth token)");
	memset(&h, 0, sizeof(h));
	h.whois = 1;
	auth_http(&h, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	store_cfg.tailscale = true;
	auth_http(&h, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_OK);
	refused(&q, NOW, "NOT_PAIRED", "pairing required");
	/* neither without a device nor for the web chat */
	q = request(NULL);
	q.whois = 1;
	refused(&q, NOW, "NOT_PAIRED", "device identity required");
	q.client_id = STR_LIT("openclaw-control-ui");
	refused(&q, NOW, IR, "control ui requires HTTPS or localhost (secure "
	    "context)");
	/* and what is not confirmed is nothing */
	q.whois = h.whois = 0;
	q.user = STR_LIT("nick");
	refused(&q, NOW, IR, "control ui requires HTTPS or localhost (secure "
	    "context)");
	auth_http(&h, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	device_free(&d);
}

static void
test_T17_lockout(void **state)
{
	static const char	 wrong[] = "unauthorized: gateway token "
	    "mismatch (provide gateway auth token)";
	struct m_auth_req	 q = request("wrong"), good = request("right");
	struct m_auth_req	 other = request("right");
	struct device		 d;
	int			 i;

	(void)state;
	other.remote = STR_LIT("192.0.2.2");
	/* showing nothing is no guess */
	device_new(&d);
	q.token = STR_LIT("");
	sign(&d, &q, 2);
	for (i = 0; i < 30; i++)
		refused(&q, NOW, IR, "unauthorized: gateway token missing "
		    "(provide gateway auth token)");
	device_free(&d);
	q = request("wrong");
	for (i = 0; i < 9; i++)
		refused(&q, NOW + i, IR, wrong);
	accepted(&good, NOW + 9);	/* begins anew */
	for (i = 0; i < 10; i++)
		refused(&q, NOW + i, IR, wrong);
	assert_int_equal(v.penalty_s, 300);
	auth_check(&good, NOW + 20, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	assert_non_null(strstr(v.message, "too many failed"));
	accepted(&other, NOW + 20);
	restart();
	auth_check(&good, NOW + 20, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	accepted(&good, NOW + 310000);
	/* slow guesses are no flood */
	for (i = 0; i < 30; i++)
		refused(&q, NOW + 400000 + (uint64_t)i * 10000, IR, wrong);
	/* behind a proxy that nobody announced: one entry for all */
	q.remote = STR_LIT("");
	good.remote = STR_LIT("");
	for (i = 0; i < 10; i++)
		refused(&q, NOW + i, IR, wrong);
	auth_check(&good, NOW + 20, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	/* the machine's own clients are not shut out */
	q.local = good.local = 1;
	for (i = 0; i < 50; i++)
		refused(&q, NOW + i, IR, wrong);
	accepted(&good, NOW + 50);
}

/* A new address for every guess, as anybody with IPv6 has them. */
static void
test_T17_addresses_of_one_network(void **state)
{
	static const char	 wrong[] = "unauthorized: gateway token "
	    "mismatch (provide gateway auth token)";
	struct m_auth_req	 q = request("wrong"), good = request("right");
	char			 addr[64];
	int			 i;

	(void)state;
	for (i = 0; i < 10; i++) {
		snprintf(addr, sizeof(addr), "2001:db8:1:2:%x::%x", i * 77, i);
		q.remote = str_of(addr);
		refused(&q, NOW + (uint64_t)i, IR, wrong);
	}
	assert_int_equal(v.penalty_s, 300);
	good.remote = STR_LIT("2001:db8:1:2:ffff:ffff:ffff:ffff");
	auth_check(&good, NOW + 20, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	assert_non_null(strstr(v.message, "too many failed"));
	restart();
	auth_check(&good, NOW + 20, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	/* the neighbour has nothing to do with it */
	good.remote = STR_LIT("2001:db8:1:3::1");
	accepted(&good, NOW + 20);
	/* of IPv4 each is one */
	for (i = 0; i < 10; i++) {
		snprintf(addr, sizeof(addr), "192.0.2.%d", i + 10);
		q.remote = str_of(addr);
		refused(&q, NOW + (uint64_t)i, IR, wrong);
		assert_int_equal(v.penalty_s, 0);
	}
}

/* Over HTTP one text stands for token and password, and counts like them. */
static void
test_T17_http(void **state)
{
	struct m_http_auth	 h = { .conn = 1, .secret = STR_LIT("right"),
				    .remote = STR_LIT("192.0.2.9"),
				    .user = STR_LIT("") };
	struct m_auth_req	 good = request("right");
	enum auth_mode		 mode = store_cfg.mode;
	struct str		 password = store_cfg.password;
	int			 i;

	(void)state;
	auth_http(&h, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_OK);
	h.secret = STR_LIT("");
	for (i = 0; i < 30; i++) {
		auth_http(&h, NOW, &v);
		assert_int_equal(v.verdict, VERDICT_REFUSED);
		assert_int_equal(v.penalty_s, 0);
	}
	h.secret = STR_LIT("wrong");
	for (i = 0; i < 10; i++) {
		auth_http(&h, NOW, &v);
		assert_int_equal(v.verdict, VERDICT_REFUSED);
		assert_int_equal(v.penalty_s, i == 9 ? 300 : 0);
	}
	/* Shut out here and at connect. */
	h.secret = STR_LIT("right");
	auth_http(&h, NOW + 1, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	assert_int_equal(v.penalty_s, 300);
	good.remote = h.remote;
	auth_check(&good, NOW + 1, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	auth_http(&h, NOW + 310000, &v);
	assert_int_equal(v.verdict, VERDICT_OK);

	store_cfg.mode = AUTH_PASSWORD;
	store_cfg.password = STR_LIT("pass");
	auth_http(&h, NOW + 400000, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	h.secret = STR_LIT("pass");
	auth_http(&h, NOW + 400000, &v);
	assert_int_equal(v.verdict, VERDICT_OK);

	/* A secret is nothing where a proxy lets people in. */
	store_cfg.mode = AUTH_PROXY;
	auth_http(&h, NOW + 400000, &v);
	assert_int_equal(v.verdict, VERDICT_REFUSED);
	h.user = STR_LIT("ann");
	auth_http(&h, NOW + 400000, &v);
	assert_int_equal(v.verdict, VERDICT_OK);

	store_cfg.mode = AUTH_NONE;
	h.user = h.secret = STR_LIT("");
	auth_http(&h, NOW + 400000, &v);
	assert_int_equal(v.verdict, VERDICT_OK);
	store_cfg.mode = mode;
	store_cfg.password = password;
}

static void
test_T17_token_holder_guesses(void **state)
{
	struct m_auth_req	 q = request("right"), bad = request("guess");
	struct device		 d;
	char			 token[64];
	int			 i;

	(void)state;
	device_new(&d);
	q.local = 1;
	q.scopes = STR_LIT("operator.read");
	sign(&d, &q, 1);
	accepted(&q, NOW);
	strlcpy(token, v.token, sizeof(token));
	q = request(token);
	q.scopes = STR_LIT("operator.read");
	sign(&d, &q, 2);
	for (i = 0; i < 10; i++) {
		auth_check(&bad, NOW + i, &v);
		if (i == 8)
			accepted(&q, NOW + i);
	}
	auth_check(&bad, NOW + 10, &v);
	assert_non_null(strstr(v.message, "too many failed"));
	device_free(&d);
}

static void
test_R15_no_disk(void **state)
{
	struct m_auth_req	 q = request("right"), s = request("right");
	struct device		 d;

	(void)state;
	device_new(&d);
	q.local = 1;
	sign(&d, &q, 1);
	/* the file cannot grow: the disk is full as far as SQLite knows */
	assert_int_equal(db_run("PRAGMA query_only=ON", ""), 0);
	auth_check(&q, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_UNAVAILABLE);
	accepted(&s, NOW);
	assert_int_equal(db_run("PRAGMA query_only=OFF", ""), 0);
	accepted(&q, NOW);
	/* no file at all */
	db_close();
	auth_check(&q, NOW, &v);
	assert_int_equal(v.verdict, VERDICT_UNAVAILABLE);
	accepted(&s, NOW);
	assert_int_equal(db_open("/nonexistent"), -1);
	accepted(&s, NOW);
	assert_int_equal(db_open(dir), 0);
	accepted(&q, NOW);
	device_free(&d);
}

static void
test_R02_devices_are_bounded(void **state)
{
	struct m_auth_req	 q = request("right");
	struct device		 d;
	sqlite3_stmt		*st;
	int64_t			 n = 0;

	(void)state;
	assert_int_equal(db_run("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL "
	    "SELECT x + 1 FROM c WHERE x < 2500) INSERT INTO device SELECT "
	    "'d' || x, 'k', '', '', '', '', '', '', '', x, x FROM c", ""), 0);
	device_new(&d);
	q.local = 1;
	sign(&d, &q, 1);
	accepted(&q, NOW);
	st = db_query("SELECT count(*) FROM device", "");
	while (db_step(st))
		n = sqlite3_column_int64(st, 0);
	assert_int_equal(n, DEVICES_MAX);
	accepted(&q, NOW);
	device_free(&d);
}

static void
test_T41_modes(void **state)
{
	struct stat	 st;
	char		 path[256];

	(void)state;
	umask(077);
	snprintf(path, sizeof(path), "%s/store.sqlite", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0177, 0);
}

static void
test_T17_counts_survive(void **state)
{
	static const char	 wrong[] = "unauthorized: gateway token "
	    "mismatch (provide gateway auth token)";
	struct m_auth_req	 q = request("wrong"), good = request("right");
	int			 i;

	(void)state;
	assert_false(lockout_dirty());
	for (i = 0; i < 9; i++)
		refused(&q, NOW + (uint64_t)i, IR, wrong);
	assert_true(lockout_dirty());
	lockout_flush(NOW + 9);
	assert_false(lockout_dirty());
	restart();
	refused(&q, NOW + 10, IR, wrong);
	assert_int_equal(v.penalty_s, 300);
	/* a success forgets what is on the disk too */
	db_run("DELETE FROM lockout", "");
	restart();
	for (i = 0; i < 9; i++)
		refused(&q, NOW + (uint64_t)i, IR, wrong);
	lockout_flush(NOW + 9);
	restart();
	accepted(&good, NOW + 10);
	restart();
	for (i = 0; i < 9; i++)
		refused(&q, NOW + 11 + (uint64_t)i, IR, wrong);
	assert_int_equal(v.penalty_s, 0);
	/* and so does time */
	lockout_flush(NOW + 20);
	restart();
	refused(&q, NOW + 80000, IR, wrong);
	assert_int_equal(v.penalty_s, 0);
	lockout_flush(NOW + 80000 + LOCK_WINDOW_MS + 1);
}

static void
test_T07_shared_secret_changes(void **state)
{
	struct m_auth_req	 q = request("right");
	struct device		 d;

	(void)state;
	db_run("DELETE FROM secret", "");
	shared_changed(NOW);
	assert_false(shared_changed(NOW));
	restart();
	assert_false(shared_changed(NOW));
	store_cfg.password = STR_LIT("of no interest");
	assert_false(shared_changed(NOW));
	store_cfg.token = STR_LIT("another");
	assert_true(shared_changed(NOW));
	assert_false(shared_changed(NOW));
	store_cfg.mode = AUTH_PASSWORD;
	assert_true(shared_changed(NOW));
	/* also when nobody lived to see it */
	db_run("UPDATE secret SET hash = salt", "");
	restart();
	assert_true(shared_changed(NOW));
	assert_false(shared_changed(NOW));
	/* without the disk, at least what this process saw */
	db_close();
	store_cfg.mode = AUTH_NONE;
	assert_true(shared_changed(NOW));
	assert_false(shared_changed(NOW));
	assert_int_equal(db_open(dir), 0);
	/* who is meant */
	store_cfg.mode = AUTH_TOKEN;
	store_cfg.token = STR_LIT("right");
	device_new(&d);
	q.local = 1;
	sign(&d, &q, 2);
	accepted(&q, NOW);
	assert_true(v.shared);
	assert_int_equal(v.issued_at, NOW);
	device_free(&d);
}

static void
test_scopes_within(void **state)
{
	(void)state;
	assert_true(scopes_within("", ""));
	assert_true(scopes_within("a", "b,a"));
	assert_true(scopes_within("b,a", "a,b"));
	assert_false(scopes_within("a,c", "a,b"));
	assert_false(scopes_within("a", "ab"));
	assert_false(scopes_within("ab", "a"));
	assert_false(scopes_within("a", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_T04_shared_texts, fresh),
		cmocka_unit_test_setup(test_T08_digests, fresh),
		cmocka_unit_test_setup(test_control_ui, fresh),
		cmocka_unit_test_setup(test_device_checks, fresh),
		cmocka_unit_test_setup(test_pairing_of_devices, fresh),
		cmocka_unit_test_setup(test_T05_scopes_need_a_device, fresh),
		cmocka_unit_test_setup(test_T05_device_token, fresh),
		cmocka_unit_test_setup(test_T10_user_of_a_proxy, fresh),
		cmocka_unit_test_setup(test_T10_tailscale, fresh),
		cmocka_unit_test_setup(test_T17_lockout, fresh),
		cmocka_unit_test_setup(test_T17_addresses_of_one_network, fresh),
		cmocka_unit_test_setup(test_T17_http, fresh),
		cmocka_unit_test_setup(test_T17_token_holder_guesses, fresh),
		cmocka_unit_test_setup(test_T17_counts_survive, fresh),
		cmocka_unit_test_setup(test_T07_shared_secret_changes, fresh),
		cmocka_unit_test_setup(test_R15_no_disk, fresh),
		cmocka_unit_test_setup(test_R02_devices_are_bounded, fresh),
		cmocka_unit_test_setup(test_T41_modes, fresh),
		cmocka_unit_test(test_scopes_within),
	};

	umask(077);
	return cmocka_run_group_tests(tests, setup, teardown);
}
