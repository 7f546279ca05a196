/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * How clients prove themselves and where the gateway listens, from command
 * line, file and environment in the order of spec/config.md 6, and what of it
 * refuses to start (spec/gateway-protocol.md 1.1).  The command line comes as
 * OPENCLAW_GATEWAY_PORT, OPENCLAW_GATEWAY_BIND and, where it must win over the
 * file, GATEWAYD_CLI_TOKEN, GATEWAYD_CLI_PASSWORD and GATEWAYD_CLI_AUTH.
 */

#include "common/compat.h"

#include "gatewayd/config/config.h"

#define PORT_DEFAULT	18789

static const char *
text_at(const struct cf *cf, const char *path)
{
	const char	*s = json5_text(cf->root, path, NULL);

	return s != NULL && s[0] != '\0' ? s : NULL;
}

void
cf_auth(const struct cf *cf, struct cf_auth *a)
{
	static const char *const tokens[] = { "OPENCLAW_GATEWAY_TOKEN",
	    "CLAWDBOT_GATEWAY_TOKEN", "" };
	static const char *const passwords[] = { "OPENCLAW_GATEWAY_PASSWORD",
	    "CLAWDBOT_GATEWAY_PASSWORD", "" };

	memset(a, 0, sizeof(*a));
	if ((a->token = cf_env(cf, "GATEWAYD_CLI_TOKEN")) == NULL &&
	    (a->token = text_at(cf, "gateway.auth.token")) == NULL) {
		a->token = cf_env_first(cf, tokens);
		a->token_from_env = a->token != NULL;
	}
	if ((a->password = cf_env(cf, "GATEWAYD_CLI_PASSWORD")) == NULL &&
	    (a->password = text_at(cf, "gateway.auth.password")) == NULL)
		a->password = cf_env_first(cf, passwords);
	if ((a->mode = cf_env(cf, "GATEWAYD_CLI_AUTH")) == NULL &&
	    (a->mode = text_at(cf, "gateway.auth.mode")) == NULL)
		a->mode = a->password != NULL ? "password" : "token";
	a->tailscale = json5_bool(cf->root, "gateway.auth.allowTailscale",
	    strcmp(json5_text(cf->root, "gateway.tailscale.mode", "off"),
	    "serve") == 0 && strcmp(a->mode, "password") != 0);
}

int64_t
cf_port(const struct cf *cf)
{
	static const char *const names[] = { "OPENCLAW_GATEWAY_PORT",
	    "CLAWDBOT_GATEWAY_PORT", "" };
	const struct json5	*v;
	const char		*s;
	int64_t			 port;

	if ((s = cf_env_first(cf, names)) != NULL &&
	    num_parse(str_of(s), 0, 65535, &port) == 0)
		return port;
	v = json5_path(cf->root, "gateway.port");
	return v != NULL && v->isint ? v->i : PORT_DEFAULT;
}

const char *
cf_bind(const struct cf *cf)
{
	const char	*b;

	if ((b = cf_env(cf, "OPENCLAW_GATEWAY_BIND")) == NULL &&
	    (b = text_at(cf, "gateway.bind")) == NULL)
		b = "loopback";
	return b;
}

static bool
one_of(const char *s, const char *choices)
{
	size_t	 n = strlen(s);
	const char *p;

	for (p = choices; *p != '\0'; p += strcspn(p, "|") +
	    (p[strcspn(p, "|")] != '\0'))
		if (strcspn(p, "|") == n && strncmp(p, s, n) == 0)
			return true;
	return false;
}

/* In the order of the reference, all of them at once. */
void
cf_start_gates(struct cf *cf)
{
	struct cf_auth	 a;
	enum cf_severity sev;
	const struct json5 *gw = json5_get(cf->root, "gateway"), *at, *list;
	const char	*s, *bind = cf_bind(cf), *ts;
	int64_t		 port;

	/* Asked only whether the file is right, it is not wrong to say so. */
	sev = cf->flags & CF_CHECK_ONLY ? CF_WARNING : CF_ERROR;
	cf_auth(cf, &a);
	if ((s = cf_env(cf, "OPENCLAW_GATEWAY_PORT")) != NULL &&
	    num_parse(str_of(s), 0, 65535, &port) == -1)
		cf_complain(cf, sev, NULL, "gateway.port", "Invalid port");
	s = json5_text(gw, "mode", NULL);
	if ((s == NULL || strcmp(s, "local") != 0) &&
	    (cf->flags & CF_ALLOW_UNCONFIGURED) == 0) {
		at = gw != NULL ? gw : cf->exists ? cf->root : NULL;
		if (!cf->exists)
			cf_complain(cf, sev, NULL, "gateway.mode", "Missing "
			    "config. There is no %s. Put {\"gateway\": "
			    "{\"mode\": \"local\"}} into it, or start on the "
			    "embedded defaults with `openclaw gateway run "
			    "--allow-unconfigured` or `gatewayd -a`.",
			    cf->path != NULL ? cf->path : "openclaw.json");
		else
			cf_complain(cf, sev, at, "gateway.mode", "Gateway "
			    "start blocked: set gateway.mode=local (current: "
			    "%s) or pass --allow-unconfigured.",
			    s != NULL ? s : "unset");
	}
	at = json5_path(cf->root, "gateway.bind");
	if (!one_of(bind, "auto|lan|loopback|custom|tailnet"))
		cf_complain(cf, sev, at, "gateway.bind", "Invalid --bind (use "
		    "\"loopback\", \"lan\", \"tailnet\", \"auto\", or "
		    "\"custom\")");
	if (!one_of(a.mode, "token|password|none|trusted-proxy"))
		cf_complain(cf, sev, NULL, "gateway.auth.mode", "Invalid "
		    "--auth (use \"token\" or \"password\")");
	at = json5_path(cf->root, "gateway.auth");
	if (at == NULL)
		at = gw;
	if (strcmp(a.mode, "token") == 0 && a.token == NULL && !a.tailscale)
		cf_complain(cf, sev, at, "gateway.auth.token", "Gateway auth "
		    "is set to token, but no token is configured. Set "
		    "gateway.auth.token (or OPENCLAW_GATEWAY_TOKEN).");
	if (strcmp(a.mode, "password") == 0 && a.password == NULL)
		cf_complain(cf, sev, at, "gateway.auth.password", "Gateway "
		    "auth is set to password, but no password is configured. "
		    "Set gateway.auth.password (or "
		    "OPENCLAW_GATEWAY_PASSWORD).");
	if (strcmp(a.mode, "trusted-proxy") == 0) {
		if (text_at(cf, "gateway.auth.trustedProxy.userHeader") ==
		    NULL)
			cf_complain(cf, sev, at, "gateway.auth.trustedProxy."
			    "userHeader", "Gateway auth is set to "
			    "trusted-proxy, but no header is configured. Set "
			    "gateway.auth.trustedProxy.userHeader.");
		list = json5_path(cf->root, "gateway.trustedProxies");
		if (list == NULL || list->child == NULL)
			cf_complain(cf, sev, at, "gateway.trustedProxies",
			    "Gateway auth is set to trusted-proxy, but no "
			    "proxy is configured. Set gateway.trustedProxies "
			    "to its addresses.");
	}
	if (strcmp(bind, "loopback") != 0 && strcmp(a.mode, "none") == 0)
		cf_complain(cf, sev, at, "gateway.bind", "Refusing to bind "
		    "gateway to %s without auth.", bind);
	ts = json5_text(gw, "tailscale.mode", "off");
	at = json5_path(cf->root, "gateway.tailscale.mode");
	if (strcmp(ts, "funnel") == 0 && strcmp(a.mode, "password") != 0)
		cf_complain(cf, sev, at, "gateway.tailscale.mode", "tailscale "
		    "funnel requires gateway auth mode=password");
	if (strcmp(ts, "off") != 0 && strcmp(bind, "loopback") != 0)
		cf_complain(cf, sev, at, "gateway.tailscale.mode", "tailscale "
		    "serve/funnel requires gateway bind=loopback (127.0.0.1)");
	if (strcmp(ts, "off") != 0)
		cf_warn(cf, at, "gateway.tailscale.mode", "gatewayd does not "
		    "run tailscale itself; start `tailscale %s` beside it",
		    ts);
}
