/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Rules between keys.  They run only on a document whose structure is valid,
 * so that types need no second look.
 */

#include "common/compat.h"

#include "gatewayd/config/agents.h"
#include "gatewayd/config/config.h"

static bool
has_star(const struct json5 *list)
{
	const struct json5	*m;

	for (m = list != NULL ? list->child : NULL; m != NULL; m = m->next)
		if (m->type == JSON5_STRING && str_eqs(str_trim(m->s), "*"))
			return true;
	return false;
}

/* --- channels -------------------------------------------------------------- */

static const struct {
	const char	*id;
	bool		 dm;	/* policy and list stand below "dm" */
} channels[] = {
	{ "telegram", false }, { "whatsapp", false }, { "signal", false },
	{ "imessage", false }, { "bluebubbles", false }, { "msteams", false },
	{ "discord", true }, { "slack", true }, { "googlechat", true },
};

static void
open_policy(struct cf *cf, const char *id, bool dm, const struct json5 *acc,
    const struct json5 *top, bool account)
{
	const char		*policy = dm ? "dm.policy" : "dmPolicy";
	const char		*list = dm ? "dm.allowFrom" : "allowFrom";
	const struct json5	*p = json5_path(acc, policy), *l;
	char			 key[192];

	if (p == NULL || p->type != JSON5_STRING || !str_eqs(p->s, "open"))
		return;
	if ((l = json5_path(acc, list)) == NULL)
		l = json5_path(top, list);
	if (has_star(l))
		return;
	snprintf(key, sizeof(key), "channels.%s.%s%.*s%s%s", id, account ?
	    "accounts." : "", account ? (int)acc->key.n : 0, account ?
	    acc->key.p : "", account ? "." : "", list);
	if (account && (strcmp(id, "whatsapp") == 0 ||
	    strcmp(id, "bluebubbles") == 0))
		cf_error(cf, p, key, "channels.%s.accounts.*.dmPolicy=\"open\""
		    " requires allowFrom to include \"*\"", id);
	else
		cf_error(cf, p, key, "channels.%s.%s=\"open\" requires "
		    "channels.%s.%s to include \"*\"", id, policy, id, list);
}

static void
telegram_menu(struct cf *cf, const struct json5 *acc)
{
	const struct json5	*m = json5_get(acc, "customCommands");
	const char		*c, *d;
	size_t			 i;

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		c = json5_text(m, "command", "");
		d = json5_text(m, "description", "");
		c += *c == '/';
		for (i = 0; c[i] != '\0'; i++)
			if (!(c[i] >= 'a' && c[i] <= 'z') && !ascii_isdigit(
			    (unsigned char)c[i]) && c[i] != '_')
				break;
		if (c[0] == '\0')
			cf_error(cf, m, "channels.telegram.customCommands",
			    "Telegram custom command is missing a command "
			    "name.");
		else if (c[i] != '\0' || i > 32)
			cf_error(cf, m, "channels.telegram.customCommands",
			    "Telegram custom command \"/%s\" is invalid (use "
			    "a-z, 0-9, underscore; max 32 chars).", c);
		else if (d[0] == '\0')
			cf_error(cf, m, "channels.telegram.customCommands",
			    "Telegram custom command \"/%s\" is missing a "
			    "description.", c);
	}
}

static void
slack_http(struct cf *cf, const struct json5 *slack)
{
	const struct json5	*m = json5_get(slack, "accounts");
	bool			 secret = json5_get(slack, "signingSecret");

	if (strcmp(json5_text(slack, "mode", ""), "http") == 0 && !secret)
		cf_error(cf, slack, "channels.slack.signingSecret",
		    "channels.slack.mode=\"http\" requires "
		    "channels.slack.signingSecret");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
		if (strcmp(json5_text(m, "mode", ""), "http") == 0 &&
		    !secret && json5_get(m, "signingSecret") == NULL)
			cf_error(cf, m, "channels.slack.accounts",
			    "channels.slack.accounts.*.mode=\"http\" requires "
			    "channels.slack.signingSecret or "
			    "channels.slack.accounts.*.signingSecret");
}

static void
check_channels(struct cf *cf)
{
	const struct json5	*top, *acc;
	size_t			 i;
	char			 path[64];

	for (i = 0; i < sizeof(channels) / sizeof(channels[0]); i++) {
		snprintf(path, sizeof(path), "channels.%s", channels[i].id);
		if ((top = json5_path(cf->root, path)) == NULL)
			continue;
		open_policy(cf, channels[i].id, channels[i].dm, top, top,
		    false);
		acc = json5_get(top, "accounts");
		for (acc = acc != NULL ? acc->child : NULL; acc != NULL;
		    acc = acc->next) {
			open_policy(cf, channels[i].id, channels[i].dm, acc,
			    top, true);
			if (i == 0)
				telegram_menu(cf, acc);
		}
		if (i == 0)
			telegram_menu(cf, top);
		if (strcmp(channels[i].id, "slack") == 0)
			slack_http(cf, top);
		if (i > 0 && json5_bool(top, "enabled", true))
			cf_warn(cf, top, path, "this channel is not supported "
			    "yet; it is not started");
	}
}

/* --- tools ------------------------------------------------------------------ */

static void
policy(struct cf *cf, const struct json5 *p, const char *key, const char *what)
{
	const struct json5	*a = json5_get(p, "allow");
	const struct json5	*b = json5_get(p, "alsoAllow");

	if (a != NULL && a->child != NULL && b != NULL && b->child != NULL)
		cf_error(cf, b, key, "%s cannot set both allow and alsoAllow "
		    "in the same scope (merge alsoAllow into allow, or remove "
		    "allow and use profile + alsoAllow)", what);
}

static void
tools(struct cf *cf, const struct json5 *t, const char *key, const char *what)
{
	const struct json5	*m;

	policy(cf, t, key, what);
	policy(cf, json5_path(t, "sandbox.tools"), key, "tools policy");
	policy(cf, json5_path(t, "subagents.tools"), key, "tools policy");
	m = json5_get(t, "byProvider");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next)
		policy(cf, m, key, "tools.byProvider policy");
}

/* --- agents ------------------------------------------------------------------ */

static void
check_avatar(struct cf *cf, const struct json5 *agent, size_t i)
{
	const struct json5	*v = json5_path(agent, "identity.avatar");
	const char		*p;
	char			 key[64];

	if (v == NULL || v->type != JSON5_STRING || v->s.n == 0)
		return;
	p = v->s.p;
	snprintf(key, sizeof(key), "agents.list.%zu.identity.avatar", i);
	if (strncmp(p, "http://", 7) == 0 || strncmp(p, "https://", 8) == 0 ||
	    strncmp(p, "data:", 5) == 0)
		return;
	if (p[0] == '/' || p[0] == '~' || strstr(p, "://") != NULL)
		cf_error(cf, v, key, "identity.avatar must be a "
		    "workspace-relative path, http(s) URL, or data URI.");
	else if (strcmp(p, "..") == 0 || strncmp(p, "../", 3) == 0 ||
	    strstr(p, "/../") != NULL ||
	    (v->s.n > 3 && strcmp(p + v->s.n - 3, "/..") == 0))
		cf_error(cf, v, key, "identity.avatar must stay within the "
		    "agent workspace.");
}

static void
check_agents(struct cf *cf)
{
	const struct json5	*list = json5_path(cf->root, "agents.list");
	const struct json5	*m, *o;
	char			 key[64], a[CF_AGENT_ID_MAX + 1];
	char			 b[CF_AGENT_ID_MAX + 1];
	const char		*da, *db;
	size_t			 i = 0;
	int			 defaults = 0;

	for (m = list != NULL ? list->child : NULL; m != NULL;
	    m = m->next, i++) {
		check_avatar(cf, m, i);
		snprintf(key, sizeof(key), "agents.list.%zu", i);
		tools(cf, json5_get(m, "tools"), key, "agent tools");
		cf_agent_id(json5_text(m, "id", ""), a);
		if (json5_bool(m, "default", false) && ++defaults == 2)
			cf_warn(cf, m, key, "more than one agent is marked "
			    "default; the first one is it");
		da = json5_text(m, "agentDir", NULL);
		for (o = list->child; o != m; o = o->next) {
			cf_agent_id(json5_text(o, "id", ""), b);
			if (strcmp(a, b) == 0)
				cf_error(cf, m, key, "agent id \"%s\" is "
				    "taken by line %u", a,
				    (unsigned int)o->line);
			db = json5_text(o, "agentDir", NULL);
			if (da != NULL && db != NULL && strcmp(da, db) == 0)
				cf_error(cf, m, "agents.list", "Duplicate "
				    "agentDir detected (multi-agent config).\n"
				    "- %s: \"%s\", \"%s\"", da, b, a);
		}
	}
}

static void
check_routing(struct cf *cf)
{
	const struct json5	*list = json5_path(cf->root, "agents.list");
	const struct json5	*m, *id;
	char			 key[64];
	size_t			 i = 0;

	if (list == NULL || list->child == NULL)
		return;
	m = json5_get(cf->root, "bindings");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next, i++) {
		if (cf_agent_find(cf, json5_text(m, "agentId", "")) != NULL)
			continue;
		snprintf(key, sizeof(key), "bindings.%zu.agentId", i);
		cf_warn(cf, m, key, "Unknown agent id \"%s\" (not in "
		    "agents.list); the default agent answers.",
		    json5_text(m, "agentId", ""));
	}
	m = json5_get(cf->root, "broadcast");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		if (m->type != JSON5_ARRAY)
			continue;
		for (id = m->child; id != NULL; id = id->next)
			if (id->type == JSON5_STRING &&
			    cf_agent_find(cf, id->s.p) == NULL)
				cf_error(cf, id, "broadcast", "Unknown agent "
				    "id \"%s\" (not in agents.list).",
				    id->s.p);
	}
}

/* --- the rest ----------------------------------------------------------------- */

static void
check_browser(struct cf *cf)
{
	const struct json5	*m = json5_path(cf->root, "browser.profiles");
	size_t			 i;

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		for (i = 0; i < m->key.n; i++)
			if (!(m->key.p[i] >= 'a' && m->key.p[i] <= 'z') &&
			    !ascii_isdigit((unsigned char)m->key.p[i]) &&
			    m->key.p[i] != '-')
				break;
		if (i < m->key.n || i == 0)
			cf_error(cf, m, "browser.profiles", "Profile names "
			    "must be alphanumeric with hyphens only");
		if (json5_get(m, "cdpPort") == NULL &&
		    json5_get(m, "cdpUrl") == NULL)
			cf_error(cf, m, "browser.profiles", "Profile must set "
			    "cdpPort or cdpUrl");
	}
}

static const char *const	 heartbeat_targets[] = {
	"last", "none", "telegram", "whatsapp", "discord", "slack", "signal",
	"imessage", "googlechat", "bluebubbles", "msteams", "mattermost",
	"matrix", "line", "nostr", "twitch", "zalo", "zalouser", "tlon",
	"nextcloud-talk", "feishu", "webchat"
};

static void
heartbeat(struct cf *cf, const struct json5 *hb, const char *key)
{
	const struct json5	*t = json5_get(hb, "target");
	struct str		 s;
	size_t			 i;

	if (t == NULL || t->type != JSON5_STRING)
		return;
	s = str_trim(t->s);
	if (s.n == 0) {
		cf_error(cf, t, key, "heartbeat target must not be empty");
		return;
	}
	for (i = 0; i < sizeof(heartbeat_targets) /
	    sizeof(heartbeat_targets[0]); i++)
		if (str_ieqs(s, heartbeat_targets[i]))
			return;
	cf_error(cf, t, key, "unknown heartbeat target: %s", t->s.p);
}

void
cf_cross_check(struct cf *cf)
{
	const struct json5	*m;
	char			 key[64];
	size_t			 i = 0;

	check_channels(cf);
	tools(cf, json5_get(cf->root, "tools"), "tools", "tools");
	check_agents(cf);
	check_routing(cf);
	check_browser(cf);
	heartbeat(cf, json5_path(cf->root, "agents.defaults.heartbeat"),
	    "agents.defaults.heartbeat.target");
	m = json5_path(cf->root, "agents.list");
	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next, i++) {
		snprintf(key, sizeof(key), "agents.list.%zu.heartbeat.target",
		    i);
		heartbeat(cf, json5_get(m, "heartbeat"), key);
	}
	m = json5_get(cf->root, "hooks");
	if (json5_bool(m, "enabled", false) &&
	    json5_text(m, "token", "")[0] == '\0')
		cf_error(cf, m, "hooks.token",
		    "hooks.enabled requires hooks.token");
	if (strcmp(json5_text(m, "path", "/hooks"), "/") == 0)
		cf_error(cf, m, "hooks.path", "hooks.path may not be '/'");
	if (json5_bool(cf->root, "env.shellEnv.enabled", false))
		cf_warn(cf, json5_path(cf->root, "env.shellEnv"),
		    "env.shellEnv", "the login shell is not asked for "
		    "variables; put them into the environment or %s/.env",
		    cf->state_dir);
}
