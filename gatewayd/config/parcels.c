/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One parcel per process and the index of the supervisor.  Keys by role:
 *
 * log		dir level file
 * store	state.dir auth.mode auth.token auth.password auth.user.N
 *		auth.tailscale controlUi.allowInsecureAuth
 *		controlUi.dangerouslyDisableDeviceAuth
 * front	tls.enabled tls.cert tls.key ui.enabled ui.dir ui.basePath
 *		ui.assistantName ui.assistantAvatar trustedProxy.N
 *		allowedOrigin.N userHeader requiredHeader.N auth.mode
 *		limit.handshake_ms
 *		limit.preauth_bytes limit.connections route.<key>
 *		route.<key>.body (keys of routes.def)
 *		canvas.{port,liveReload}
 * router	agent.N.{id,name,default} channel.N.{kind,account,label}
 *		binding.N.{agent,channel,account,peerKind,peerId}
 *		identityLink.N.{name,peer} session.mainKey
 *		session.scope session.dmScope paths.config paths.state
 *		gateway.port canvas.enabled default.model default.provider
 *		default.contextTokens json.config json.models json.agents
 *		node.allow.N node.deny.N ui.basePath
 * agentd	agent.id state.dir workspace json.config model.primary
 *		model.fallback.N provider.N.{name,instance}
 * modeld	see providers.c		channeld	see accounts.c
 * connect	worker.N.name worker.N.public worker.N.dest.M.{host,port,private}
 * toold	agent.id workspace spool.dir json.tools tz
 * jailer	workspace tmp_bytes	files	workspace
 * fetch	maxRedirects timeout_ms cache_ms maxBytes userAgent readability
 *		ca.file
 * canvas	root.N.{path,nolink} pages.dir liveReload
 * whois	socket gateway.port limit.{fresh,answer}_ms (only tests)
 * parent	listen.N.{kind,host,port,path,optional,tls}
 *		proc.N.{role,instance,hash} proc.N.mount.M.{path,mode}
 *		proc.N.model.M state.dir run.dir log.level auth.mode
 *		auth.env_token reload.debounceMs
 *
 * A mount's mode is "own", "rw" or "ro", then ",opt" (may be missing), ",idmap"
 * (its owner appears as the role's user), ",make" (made when missing, for the
 * user of the file worker), ",nolink" (an agent can write where it is: no link,
 * or it counts as missing).
 */

#include "common/compat.h"

#include <unistd.h>

#include "gatewayd/config/accounts.h"
#include "gatewayd/config/bindings.h"
#include "gatewayd/config/canvas.h"
#include "gatewayd/config/documents.h"
#include "gatewayd/config/fetch.h"
#include "gatewayd/config/model_ref.h"
#include "gatewayd/config/page.h"
#include "gatewayd/config/skills.h"
#include "common/sha256.h"

#define JSON_MAX	(16u << 20)
#define TMP_BYTES	(256u << 20)	/* private /tmp of a job */

struct build {
	struct cf		*cf;
	struct parcel_writer	*index;
	size_t			 nprocs;
	size_t			 nmounts;	/* of the process added last */
	bool			 failed;
	struct cf_agent		 agents[CF_AGENTS_MAX];
	struct cf_provider	 providers[CF_PROVIDERS_MAX];
	struct cf_account	 accounts[CF_ACCOUNTS_MAX];
	struct cf_models	 models;
	size_t			 nagents, nproviders, naccounts;
};

static struct parcel_writer *
parcel_new(struct build *b)
{
	struct parcel_writer	*pw = parcel_writer_new();

	if (pw == NULL)
		b->failed = true;
	return pw;
}

static void
put_json(struct build *b, struct parcel_writer *pw, const char *key,
    const struct json5 *v)
{
	struct dbuf	 d;

	dbuf_init(&d, JSON_MAX);
	if (v == NULL || json5_write(&d, v, 0) == -1)
		b->failed = true;
	else
		parcel_put(pw, (struct str){ dbuf_str(&d), d.n }, "%s", key);
	dbuf_clear(&d);
}

/* Names the process in the index and gives its parcel away. */
static void
add_proc(struct build *b, enum role role, const char *instance,
    struct parcel_writer *pw)
{
	struct str	 bytes;
	char		 hash[65];
	size_t		 i = b->nprocs;

	if (pw == NULL)
		return;
	bytes = parcel_writer_bytes(pw);
	sha256_hex(bytes.p, bytes.n, hash);
	parcel_puts(b->index, role_name(role), "proc.%zu.role", i);
	parcel_puts(b->index, instance, "proc.%zu.instance", i);
	parcel_puts(b->index, hash, "proc.%zu.hash", i);
	b->nprocs++;
	b->nmounts = 0;
	if (b->cf->put_parcel(b->cf->arg, role, instance, pw) == -1)
		b->failed = true;
}

static void
add_mount(struct build *b, const char *path, const char *mode)
{
	parcel_puts(b->index, path, "proc.%zu.mount.%zu.path", b->nprocs - 1,
	    b->nmounts);
	parcel_puts(b->index, mode, "proc.%zu.mount.%zu.mode", b->nprocs - 1,
	    b->nmounts++);
}

/* Other authorities than the system's, for those who speak TLS. */
static void
add_ca(struct build *b)
{
	const char	*ca = cf_env(b->cf, "SSL_CERT_FILE");

	if (ca != NULL && ca[0] == '/')
		add_mount(b, ca, "ro,opt");
}

static const char *
state_path(struct build *b, const char *name, const char *more)
{
	char		 path[CF_PATH_MAX];
	const char	*s;

	if (snprintf(path, sizeof(path), "%s/%s%s", b->cf->state_dir, name,
	    more) >= (int)sizeof(path) ||
	    (s = cf_expand_keep(b->cf, path)) == NULL) {
		b->failed = true;
		return "/";
	}
	return s;
}

/* --- the single ones --------------------------------------------------------------- */

static void
build_log(struct build *b)
{
	struct parcel_writer	*pw;
	const char		*dir, *file, *given;
	char			*slash, *d = NULL;

	if ((pw = parcel_new(b)) == NULL)
		return;
	dir = strcmp(b->cf->state_dir, "/var/lib/openclaw") == 0 ?
	    "/var/log/openclaw" : state_path(b, "logs", "");
	given = json5_text(b->cf->root, "logging.file", NULL);
	file = given != NULL ? cf_expand_keep(b->cf, given) : NULL;
	if (file != NULL && (d = strdup(file)) != NULL &&
	    (slash = strrchr(d, '/')) != NULL && slash != d) {
		*slash = '\0';
		dir = d;
		parcel_puts(pw, file, "file");
	}
	parcel_puts(pw, dir, "dir");
	parcel_puts(pw, json5_text(b->cf->root, "logging.level", "info"),
	    "level");
	add_proc(b, ROLE_LOG, "", pw);
	/* A folder that we did not choose is not ours to take. */
	add_mount(b, dir, d != NULL ? "rw" : "own");
	free(d);
	if (json5_path(b->cf->root, "logging.redactPatterns") != NULL)
		cf_warn(b->cf, json5_path(b->cf->root,
		    "logging.redactPatterns"), "logging.redactPatterns",
		    "own patterns are not supported; the built-in ones mask "
		    "every known kind of secret");
}

/* The texts of a list as key.0, key.1 and so on. */
static void
put_texts(struct parcel_writer *pw, const struct json5 *root,
    const char *path, const char *key)
{
	const struct json5	*m = json5_path(root, path);
	size_t			 i = 0;

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
		parcel_put(pw, str_trim(m->s), "%s.%zu", key, i++);
}

static void
build_whois(struct build *b)
{
	struct parcel_writer	*pw;
	const char		*path = cf_expand_keep(b->cf, json5_text(
				    b->cf->root, "gateway.tailscale.socket",
				    "/run/tailscale/tailscaled.sock"));

	if (path == NULL || (pw = parcel_new(b)) == NULL)
		return;
	parcel_puts(pw, path, "socket");
	parcel_put_num(pw, cf_port(b->cf), "gateway.port");
	add_proc(b, ROLE_WHOIS, "", pw);
	add_mount(b, path, "ro,opt");
}

static void
build_store(struct build *b)
{
	struct parcel_writer	*pw;
	const struct json5	*gw = json5_get(b->cf->root, "gateway");
	struct cf_auth		 a;
	const char		*dir = state_path(b, "store", "");

	if ((pw = parcel_new(b)) == NULL)
		return;
	cf_auth(b->cf, &a);
	parcel_puts(pw, dir, "state.dir");
	parcel_puts(pw, a.mode, "auth.mode");
	parcel_put_bool(pw, a.tailscale, "auth.tailscale");
	if (a.token != NULL && strcmp(a.mode, "token") == 0)
		parcel_puts(pw, a.token, "auth.token");
	if (a.password != NULL && strcmp(a.mode, "password") == 0)
		parcel_puts(pw, a.password, "auth.password");
	if (strcmp(a.mode, "trusted-proxy") == 0)
		put_texts(pw, b->cf->root,
		    "gateway.auth.trustedProxy.allowUsers", "auth.user");
	parcel_put_bool(pw, json5_bool(gw, "controlUi.allowInsecureAuth",
	    false), "controlUi.allowInsecureAuth");
	parcel_put_bool(pw, json5_bool(gw,
	    "controlUi.dangerouslyDisableDeviceAuth", false),
	    "controlUi.dangerouslyDisableDeviceAuth");
	add_proc(b, ROLE_STORE, "", pw);
	add_mount(b, dir, "own");
	if (a.tailscale)
		build_whois(b);
}

/* Certificate and key as text; false after a complaint. */
static bool
read_pem(struct build *b, const char *key, const char *dflt, const char *what,
    struct dbuf *out)
{
	struct cf		*cf = b->cf;
	const struct json5	*at = json5_path(cf->root, key);
	const char		*path;
	char			*text = NULL, *marker;
	size_t			 n = 0;
	int			 e;

	path = json5_text(cf->root, key, NULL);
	path = path != NULL ? cf_expand_keep(cf, path) : state_path(b, dflt,
	    "");
	if (path == NULL)
		return false;
	if ((e = cf->read_file(cf->arg, path, &text, &n)) != 0) {
		cf_error(cf, at != NULL ? at : json5_path(cf->root,
		    "gateway.tls"), key, "%s: %s", path, strerror(e));
		return false;
	}
	marker = memmem(text, n, what, strlen(what));
	if (marker == NULL)
		cf_error(cf, at, key, "%s: no PEM text with \"%s\"", path,
		    what);
	else
		dbuf_put(out, text, n);
	freezero(text, n);
	return marker != NULL;
}

static bool
tls_on(const struct cf *cf)
{
	return json5_bool(cf->root, "gateway.tls.enabled", false);
}

static int64_t
number(const struct cf *cf, const char *key, int64_t dflt)
{
	const struct json5	*v = json5_path(cf->root, key);

	return v != NULL && v->isint ? v->i : dflt;
}

/* What of routes.def is turned on. */
static void
put_routes(struct parcel_writer *pw, const struct cf *cf)
{
	static const char	 at[] = "gateway.http.endpoints.";
	char			 key[128];
	bool			 chat, responses;
	int64_t			 files, images, most;

	snprintf(key, sizeof(key), "%schatCompletions.enabled", at);
	chat = json5_bool(cf->root, key, false);
	snprintf(key, sizeof(key), "%sresponses.enabled", at);
	responses = json5_bool(cf->root, key, false);
	parcel_put_bool(pw, chat, "route.chatCompletions");
	parcel_put_bool(pw, responses, "route.responses");
	parcel_put_bool(pw, chat, "route.embeddings");
	parcel_put_bool(pw, chat || responses, "route.models");
	snprintf(key, sizeof(key), "%sresponses.files.maxBytes", at);
	files = number(cf, key, 5242880);
	snprintf(key, sizeof(key), "%sresponses.images.maxBytes", at);
	images = number(cf, key, 10485760);
	/* In base64, and with what stands around it. */
	most = (files > images ? files : images) * 2;
	most = most < 20971520 ? 20971520 : most;
	snprintf(key, sizeof(key), "%sresponses.maxBodyBytes", at);
	most = number(cf, key, most);
	parcel_put_num(pw, most < ROUTE_BODY_MAX ? most : ROUTE_BODY_MAX,
	    "route.responses.body");
}

static void
build_front(struct build *b)
{
	struct parcel_writer	*pw;
	struct cf		*cf = b->cf;
	struct cf_auth		 a;
	struct dbuf		 cert, key;
	const char		*ui;

	if ((pw = parcel_new(b)) == NULL)
		return;
	dbuf_init(&cert, 1u << 20);
	dbuf_init_secret(&key, 1u << 20);
	parcel_put_bool(pw, tls_on(cf), "tls.enabled");
	if (tls_on(cf) && read_pem(b, "gateway.tls.certPath",
	    "gateway/tls/gateway-cert.pem", "-----BEGIN CERTIFICATE-----",
	    &cert) && read_pem(b, "gateway.tls.keyPath",
	    "gateway/tls/gateway-key.pem", "PRIVATE KEY-----", &key)) {
		parcel_put(pw, (struct str){ dbuf_str(&cert), cert.n },
		    "tls.cert");
		parcel_put(pw, (struct str){ dbuf_str(&key), key.n },
		    "tls.key");
	}
	dbuf_clear(&cert);
	dbuf_clear(&key);
	ui = cf_page(cf, &b->agents[0], pw);
	put_texts(pw, cf->root, "gateway.trustedProxies", "trustedProxy");
	put_texts(pw, cf->root, "gateway.controlUi.allowedOrigins",
	    "allowedOrigin");
	cf_auth(cf, &a);
	if (strcmp(a.mode, "trusted-proxy") == 0) {
		parcel_puts(pw, json5_text(cf->root, "gateway.auth."
		    "trustedProxy.userHeader", ""), "userHeader");
		put_texts(pw, cf->root, "gateway.auth.trustedProxy."
		    "requiredHeaders", "requiredHeader");
	}
	put_routes(pw, cf);
	parcel_puts(pw, a.mode, "auth.mode");
	parcel_put_num(pw, 10000, "limit.handshake_ms");
	parcel_put_num(pw, 65536, "limit.preauth_bytes");
	parcel_put_num(pw, 8192, "limit.connections");
	parcel_put_bool(pw, cf_canvas_on(cf), "route.canvas");
	parcel_put_bool(pw, ui != NULL, "route.avatar");
	parcel_put_bool(pw, cf_canvas_live(cf), "canvas.liveReload");
	parcel_put_num(pw, cf_canvas_port(cf), "canvas.port");
	add_proc(b, ROLE_FRONT, "", pw);
	if (ui != NULL)
		add_mount(b, ui, "ro,opt");
}

/* --- canvas ------------------------------------------------------------------------- */

static void
put_canvas_root(struct parcel_writer *pw, size_t i, const char *path,
    bool nolink)
{
	parcel_puts(pw, path, "root.%zu.path", i);
	parcel_put_bool(pw, nolink, "root.%zu.nolink", i);
}

/* The folder that is named; or that of the state folder if it has an index,
 * and else the one that the first agent can write. */
static void
build_canvas(struct build *b)
{
	struct parcel_writer	*pw;
	struct cf		*cf = b->cf;
	const char		*root = cf_canvas_root(cf), *own, *pages;
	char			 path[CF_PATH_MAX];

	if (!cf_canvas_on(cf) || (pw = parcel_new(b)) == NULL)
		return;
	(void)snprintf(path, sizeof(path), "%s/canvas",
	    b->agents[0].workspace);
	own = cf_expand_keep(cf, path);
	pages = cf_canvas_pages(cf);
	if (root != NULL)
		put_canvas_root(pw, 0, root, false);
	else {
		put_canvas_root(pw, 0, state_path(b, "canvas", ""), false);
		put_canvas_root(pw, 1, own, true);
	}
	parcel_puts(pw, pages, "pages.dir");
	parcel_put_bool(pw, cf_canvas_live(cf), "liveReload");
	add_proc(b, ROLE_CANVAS, "", pw);
	if (root != NULL)
		add_mount(b, root, "ro,idmap,make");
	else {
		add_mount(b, state_path(b, "canvas", ""), "ro,idmap,opt");
		add_mount(b, own, "ro,idmap,make,nolink");
	}
	add_mount(b, pages, "ro,opt");
}

/* --- who has a network --------------------------------------------------------------- */

static void
build_fetch(struct build *b, const struct cf_agent *a)
{
	struct parcel_writer	*pw;

	if ((pw = parcel_new(b)) == NULL)
		return;
	cf_fetch_parcel(b->cf, pw);
	add_proc(b, ROLE_FETCH, a->id, pw);
	add_ca(b);
}

/* One line of connect's list: what worker `name` may ask for as 0. */
static void
put_dest(struct parcel_writer *pw, size_t i, enum role role,
    const char *instance, const char *host, uint16_t port, bool private)
{
	char	 name[160];

	snprintf(name, sizeof(name), "%s/%s", role_name(role), instance);
	parcel_puts(pw, name, "worker.%zu.name", i);
	parcel_puts(pw, host, "worker.%zu.dest.0.host", i);
	parcel_put_num(pw, port, "worker.%zu.dest.0.port", i);
	parcel_put_bool(pw, private, "worker.%zu.dest.0.private", i);
}

static void
build_connect(struct build *b)
{
	struct parcel_writer	*pw;
	const char		*host;
	char			 name[160];
	uint16_t		 port;
	size_t			 i, n = 0;
	bool			 private;

	if ((pw = parcel_new(b)) == NULL)
		return;
	for (i = 0; i < b->nproviders; i++) {
		if (!b->providers[i].usable)
			continue;
		cf_provider_dest(b->cf, &b->providers[i], &host, &port,
		    &private);
		put_dest(pw, n++, ROLE_MODEL, b->providers[i].instance, host,
		    port, private);
	}
	for (i = 0; i < b->naccounts; i++)
		put_dest(pw, n++, ROLE_CHAN, b->accounts[i].instance,
		    b->accounts[i].api.host, b->accounts[i].api.port,
		    b->accounts[i].api.private);
	for (i = 0; cf_fetch_on(b->cf) && i < b->nagents; i++) {
		snprintf(name, sizeof(name), "%s/%s", role_name(ROLE_FETCH),
		    b->agents[i].id);
		parcel_puts(pw, name, "worker.%zu.name", n);
		parcel_put_bool(pw, true, "worker.%zu.public", n);
		cf_fetch_dests(b->cf, pw, n++);
	}
	add_proc(b, ROLE_CONNECT, "", pw);
}

/* --- per agent ------------------------------------------------------------------------ */

static void
build_agent(struct build *b, const struct cf_agent *a)
{
	struct parcel_writer	*pw;
	struct cf_skills_dirs	 dirs;
	const struct json5	*m, *v;
	const char		*ref;
	char			 buf[512];
	size_t			 i, n;

	if ((pw = parcel_new(b)) == NULL)
		return;
	parcel_puts(pw, a->id, "agent.id");
	parcel_puts(pw, a->dir, "state.dir");
	parcel_puts(pw, a->workspace, "workspace");
	put_json(b, pw, "json.config", cf_json_agent(b->cf, a, b->agents,
	    b->nagents, b->providers, b->nproviders));
	v = json5_get(a->entry, "model");
	if (v == NULL)
		v = json5_path(b->cf->root, "agents.defaults.model");
	ref = cf_model_primary(&b->models, a, buf, sizeof(buf));
	cf_model_check(&b->models, v, ref);
	parcel_puts(pw, ref, "model.primary");
	m = json5_get(v, "fallbacks");
	for (n = 0, m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		ref = cf_model_ref(&b->models, m->s.p, buf, sizeof(buf));
		cf_model_check(&b->models, m, ref);
		parcel_puts(pw, ref, "model.fallback.%zu", n++);
	}
	for (i = 0, n = 0; i < b->nproviders; i++) {
		if (!b->providers[i].usable)
			continue;
		parcel_puts(pw, b->providers[i].id, "provider.%zu.name", n);
		parcel_puts(pw, b->providers[i].instance,
		    "provider.%zu.instance", n++);
	}
	add_proc(b, ROLE_AGENT, a->id, pw);
	add_mount(b, a->dir, "own");
	add_mount(b, a->workspace, "ro,idmap,make");
	cf_skills_dirs(b->cf, a, b->agents, b->nagents, &dirs);
	for (i = 0; i < dirs.n; i++)
		if (dirs.v[i].mode != NULL)
			add_mount(b, dirs.v[i].path, dirs.v[i].mode);
	for (i = 0, n = 0; i < b->nproviders; i++)
		if (b->providers[i].usable)
			parcel_puts(b->index, b->providers[i].instance,
			    "proc.%zu.model.%zu", b->nprocs - 1, n++);
}

static void
build_tools(struct build *b, const struct cf_agent *a)
{
	struct parcel_writer	*pw;
	const char		*dir = state_path(b, "toold/", a->id), *tz;

	if ((pw = parcel_new(b)) == NULL)
		return;
	parcel_puts(pw, a->id, "agent.id");
	parcel_puts(pw, a->workspace, "workspace");
	parcel_puts(pw, dir, "spool.dir");
	put_json(b, pw, "json.tools", cf_json_tools(b->cf, a));
	tz = json5_text(b->cf->root, "agents.defaults.userTimezone", NULL);
	if (tz == NULL)
		tz = cf_env(b->cf, "TZ");
	if (tz != NULL)
		parcel_puts(pw, tz, "tz");
	add_proc(b, ROLE_TOOL, a->id, pw);
	add_mount(b, dir, "own");

	if ((pw = parcel_new(b)) == NULL)
		return;
	parcel_puts(pw, a->workspace, "workspace");
	parcel_put_num(pw, TMP_BYTES, "tmp_bytes");
	add_proc(b, ROLE_JAILER, a->id, pw);
	add_mount(b, a->workspace, "rw,idmap,make");

	if ((pw = parcel_new(b)) == NULL)
		return;
	parcel_puts(pw, a->workspace, "workspace");
	add_proc(b, ROLE_FILES, a->id, pw);
	add_mount(b, a->workspace, "rw,idmap,make");

	if (cf_fetch_on(b->cf))
		build_fetch(b, a);
}

/* --- the router -------------------------------------------------------------------------- */

static void
build_router(struct build *b)
{
	struct parcel_writer	*pw;
	struct cf		*cf = b->cf;
	const struct json5	*v, *text;
	const char		*ref, *slash;
	char			 buf[512], page[CF_PAGE_PATH];
	size_t			 i;

	if ((pw = parcel_new(b)) == NULL)
		return;
	for (i = 0; i < b->nagents; i++) {
		parcel_puts(pw, b->agents[i].id, "agent.%zu.id", i);
		parcel_puts(pw, b->agents[i].name != NULL ?
		    b->agents[i].name : b->agents[i].id, "agent.%zu.name", i);
		parcel_put_bool(pw, b->agents[i].isdefault,
		    "agent.%zu.default", i);
	}
	for (i = 0; i < b->naccounts; i++) {
		parcel_puts(pw, b->accounts[i].kind, "channel.%zu.kind", i);
		parcel_puts(pw, b->accounts[i].id, "channel.%zu.account", i);
		parcel_puts(pw, b->accounts[i].label != NULL ?
		    b->accounts[i].label : "Telegram", "channel.%zu.label",
		    i);
	}
	cf_bindings_put(cf, b->agents[0].id, pw);
	cf_identities_put(cf, pw);
	put_texts(pw, cf->root, "gateway.nodes.allowCommands", "node.allow");
	put_texts(pw, cf->root, "gateway.nodes.denyCommands", "node.deny");
	parcel_puts(pw, "main", "session.mainKey");
	parcel_puts(pw, json5_text(cf->root, "session.scope", "per-sender"),
	    "session.scope");
	parcel_puts(pw, json5_text(cf->root, "session.dmScope", "main"),
	    "session.dmScope");
	parcel_puts(pw, cf->path, "paths.config");
	parcel_puts(pw, cf->state_dir, "paths.state");
	parcel_put_num(pw, cf_port(cf), "gateway.port");
	parcel_put_bool(pw, cf_canvas_on(cf), "canvas.enabled");
	if (cf_page_path(cf, page, sizeof(page)))
		parcel_puts(pw, page, "ui.basePath");
	ref = cf_model_primary(&b->models, &b->agents[0], buf, sizeof(buf));
	slash = strchr(ref, '/');
	parcel_puts(pw, slash != NULL ? slash + 1 : ref, "default.model");
	parcel_put(pw, (struct str){ ref, slash != NULL ?
	    (size_t)(slash - ref) : 0 }, "default.provider");
	v = json5_path(cf->root, "agents.defaults.contextTokens");
	parcel_put_num(pw, v != NULL && v->isint ? v->i : cf_model_window(
	    b->providers, b->nproviders, ref), "default.contextTokens");
	put_json(b, pw, "json.models", cf_models_json(cf, b->providers,
	    b->nproviders));
	for (i = 0; i < b->nagents; i++) {
		text = json5_new_str(cf->pool, str_of(cf_model_primary(
		    &b->models, &b->agents[i], buf, sizeof(buf))), NULL);
		b->agents[i].model = text != NULL ? text->s.p : NULL;
	}
	put_json(b, pw, "json.agents", cf_json_agents(cf, b->agents,
	    b->nagents));
	/* Last, so that it names every problem found so far. */
	put_json(b, pw, "json.config", cf_json_snapshot(cf));
	add_proc(b, ROLE_ROUTER, "", pw);
}

/* --- the supervisor ------------------------------------------------------------------------ */

static void
put_listener(struct build *b, size_t *n, const char *host, int64_t port,
    bool optional)
{
	parcel_puts(b->index, "public", "listen.%zu.kind", *n);
	parcel_puts(b->index, host, "listen.%zu.host", *n);
	parcel_put_num(b->index, port, "listen.%zu.port", *n);
	parcel_put_bool(b->index, tls_on(b->cf), "listen.%zu.tls", *n);
	if (optional)
		parcel_put_bool(b->index, true, "listen.%zu.optional", *n);
	(*n)++;
}

static void
build_index(struct build *b)
{
	struct cf	*cf = b->cf;
	const char	*bind = cf_bind(cf), *host = NULL, *run;
	const struct json5 *quiet;
	struct cf_auth	 a;
	char		 path[CF_PATH_MAX];
	size_t		 n = 0;

	if (strcmp(bind, "lan") == 0)
		host = "0.0.0.0";
	else if (strcmp(bind, "custom") == 0)
		host = json5_text(cf->root, "gateway.customBindHost",
		    "0.0.0.0");
	else if (strcmp(bind, "tailnet") == 0)
		cf_warn(cf, json5_path(cf->root, "gateway.bind"),
		    "gateway.bind", "tailnet addresses are not looked "
		    "up; bind custom with gateway.customBindHost "
		    "names one, until then it is loopback");
	put_listener(b, &n, host != NULL ? host : "127.0.0.1", cf_port(cf),
	    false);
	if (host == NULL)
		put_listener(b, &n, "::1", cf_port(cf), true);
	/* The canvas has a second door; without it the first one does. */
	if (cf_canvas_port(cf) != 0) {
		put_listener(b, &n, host != NULL ? host : "127.0.0.1",
		    cf_canvas_port(cf), true);
		if (host == NULL)
			put_listener(b, &n, "::1", cf_canvas_port(cf), true);
	}
	run = strcmp(cf->state_dir, "/var/lib/openclaw") == 0 ?
	    "/run/openclaw" : state_path(b, "run", "");
	snprintf(path, sizeof(path), "%s/control.sock", run);
	parcel_puts(b->index, "control", "listen.%zu.kind", n);
	parcel_puts(b->index, path, "listen.%zu.path", n);
	parcel_puts(b->index, cf->state_dir, "state.dir");
	parcel_puts(b->index, json5_text(cf->root, "logging.level", "info"),
	    "log.level");
	parcel_puts(b->index, run, "run.dir");
	quiet = json5_path(cf->root, "gateway.reload.debounceMs");
	if (quiet != NULL && quiet->isint)
		parcel_put_num(b->index, quiet->i, "reload.debounceMs");
	cf_auth(cf, &a);
	parcel_puts(b->index, a.mode, "auth.mode");
	/* Whether the token that the supervisor made is the one that counts. */
	parcel_put_bool(b->index, strcmp(a.mode, "token") == 0 &&
	    a.token_from_env, "auth.env_token");
}

/* What agents can write must not be configuration (threat T21). */
static void
check_includes(struct build *b)
{
	struct json5	 place = { 0 };
	size_t		 i, k, n;

	for (i = 1; i < b->cf->nfiles; i++)
		for (k = 0; k < b->nagents; k++) {
			n = strlen(b->agents[k].workspace);
			if (strncmp(b->cf->files[i], b->agents[k].workspace,
			    n) != 0 || b->cf->files[i][n] != '/')
				continue;
			place.file = (uint16_t)i;
			place.line = 1;
			cf_error(b->cf, &place, "$include", "this file is in "
			    "the workspace of agent \"%s\", who could change "
			    "the configuration there", b->agents[k].id);
		}
}

int
cf_parcels(struct cf *cf)
{
	static struct build	 b;
	struct parcel_writer	*pw;
	size_t			 i;

	memset(&b, 0, sizeof(b));
	b.cf = cf;
	b.nagents = cf_agents(cf, b.agents);
	b.nproviders = cf_providers(cf, b.providers);
	b.models = (struct cf_models){ cf, b.providers, b.nproviders };
	b.naccounts = cf_accounts(cf, b.accounts);
	check_includes(&b);
	cf_fetch_check(cf);
	cf_canvas_check(cf);
	cf_page_check(cf, b.agents, b.nagents);
	cf_skills_check(cf, b.agents, b.nagents);
	cf_collect_secrets(cf);
	for (i = 0; i < b.nproviders; i++)
		if (b.providers[i].secret != NULL &&
		    strlen(b.providers[i].secret) >= 6 &&
		    cf->nsecrets < CF_SECRETS_MAX)
			cf->secrets[cf->nsecrets++] =
			    str_of(b.providers[i].secret);
	if (b.nagents == 0 || cf->nerrors > 0)
		return -1;
	if ((b.index = parcel_writer_new()) == NULL)
		return -1;
	build_index(&b);
	build_log(&b);
	build_store(&b);
	build_connect(&b);
	build_front(&b);
	build_canvas(&b);
	for (i = 0; i < b.nproviders; i++) {
		if (!b.providers[i].usable || (pw = parcel_new(&b)) == NULL)
			continue;
		cf_provider_parcel(cf, &b.providers[i], pw);
		add_proc(&b, ROLE_MODEL, b.providers[i].instance, pw);
		add_ca(&b);
	}
	for (i = 0; i < b.naccounts; i++) {
		if ((pw = parcel_new(&b)) == NULL)
			continue;
		cf_account_parcel(cf, &b.accounts[i], pw);
		add_proc(&b, ROLE_CHAN, b.accounts[i].instance, pw);
		add_mount(&b, b.accounts[i].dir, "own");
		add_ca(&b);
	}
	for (i = 0; i < b.nagents; i++) {
		build_agent(&b, &b.agents[i]);
		build_tools(&b, &b.agents[i]);
	}
	build_router(&b);
	if (b.failed && cf->nerrors == 0)
		cf_error(cf, NULL, "", "out of memory");
	if (cf->nerrors == 0)
		return cf->put_parcel(cf->arg, ROLE_PARENT, "", b.index);
	i = (size_t)parcel_writer_seal(b.index);	/* frees it */
	if (i != SIZE_MAX)
		close((int)i);
	return -1;
}
