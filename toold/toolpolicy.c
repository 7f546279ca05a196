/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See toolpolicy.h.  Pure; the configuration was checked by the config
 * process, but is read as if it had not been. */
#include "common/compat.h"

#include "toold/toolpolicy.h"

#define EXEC_YIELD_MS	10000
#define EXEC_TIMEOUT_S	1800
#define EXEC_CLEANUP_MS	1800000
#define EXEC_OUTPUT	200000
#define FETCH_CHARS	50000
#define FETCH_CHARS_MAX	1000000
#define FETCH_CACHE_MIN	15
#define EXEC_ASK_S	120

/* What a profile offers of the tools here; a group is "group:<name>". */
static const struct {
	const char *profile, *entry;
} profile_tools[] = {
	{ "minimal", "diagnose" },
	{ "coding", "group:fs" },
	{ "coding", "group:runtime" },
	{ "coding", "group:web" },
	{ "coding", "diagnose" },
	{ "messaging", "diagnose" },
	{ "full", "*" },
};

/* Every group of spec/tools.md 3.1, so that an unknown name can be told from
 * one whose tools live elsewhere. */
static const char *const known_groups[] = { "memory", "web", "fs", "runtime",
	"sessions", "ui", "automation", "messaging", "nodes", "agents",
	"media", "openclaw", "plugins" };

/* '*' stands for any run of characters, nothing else is special. */
static bool
policy_glob(const char *pat, const char *s)
{
	const char	*star = NULL, *back = NULL;

	while (*s != '\0') {
		if (*pat == '*') {
			star = ++pat;
			back = s;
		} else if (ascii_tolower((unsigned char)*pat) ==
		    ascii_tolower((unsigned char)*s) && *pat != '\0') {
			pat++;
			s++;
		} else if (star != NULL) {
			pat = star;
			s = ++back;
		} else
			return false;
	}
	while (*pat == '*')
		pat++;
	return *pat == '\0';
}

static bool
policy_entry_matches(const char *entry, const struct tool *t)
{
	char	 pat[128];

	if (str_copy(str_trim(str_of(entry)), pat, sizeof(pat)) == -1)
		return false;
	if (ascii_ncasecmp(pat, "group:", 6) == 0)
		return policy_glob(pat + 6, t->group);
	if (ascii_casecmp(pat, "bash") == 0)
		return t->id == TOOL_EXEC;
	return policy_glob(pat, t->name);
}

/* The entry of a list that matches, or NULL. */
static const char *
policy_list_match(const json_t *list, const struct tool *t)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(list, i, v) {
		if (json_is_string(v) &&
		    policy_entry_matches(json_string_value(v), t))
			return json_string_value(v);
	}
	return NULL;
}

/* Does the list name at least one tool that a core build knows?  A list of
 * nothing but tools of a missing plugin must not take all others away. */
static bool
policy_list_counts(const json_t *list)
{
	static const char *const elsewhere[] = { "session_status", "image",
		"browser", "canvas", "nodes", "cron", "message", "gateway",
		"agents_list", "sessions_list", "sessions_history",
		"sessions_send", "sessions_spawn", "memory_search",
		"memory_get", "web_search", "apply_patch", "tts", "grep",
		"find" };
	json_t		*v;
	const char	*s;
	size_t		 i, k;

	json_array_foreach(list, i, v) {
		if ((s = json_string_value(v)) == NULL)
			continue;
		for (k = 0; k < TOOL_ID_MAX; k++)
			if (policy_entry_matches(s, tools_get(k)))
				return true;
		for (k = 0; k < sizeof(elsewhere) / sizeof(elsewhere[0]); k++)
			if (policy_glob(s, elsewhere[k]))
				return true;
		if (ascii_ncasecmp(s, "group:", 6) != 0)
			continue;
		for (k = 0; k < sizeof(known_groups) / sizeof(known_groups[0]);
		    k++)
			if (policy_glob(s + 6, known_groups[k]))
				return true;
	}
	return false;
}

/* One step: deny wins; an empty allow list allows all. */
static bool
policy_scope(const json_t *scope, const char *where, const struct tool *t,
    char *why, size_t size)
{
	const json_t	*allow = json_object_get(scope, "allow");
	const char	*hit;

	if ((hit = policy_list_match(json_object_get(scope, "deny"), t)) !=
	    NULL) {
		snprintf(why, size, "%s.deny has \"%.64s\"", where, hit);
		return false;
	}
	if (json_array_size(allow) > 0 && policy_list_counts(allow) &&
	    policy_list_match(allow, t) == NULL) {
		snprintf(why, size, "%s.allow does not have it", where);
		return false;
	}
	return true;
}

static bool
policy_profile(const json_t *config, const struct tool *t, char *why,
    size_t size)
{
	const char	*profile;
	size_t		 i;
	bool		 known = false;

	profile = json_string_value(json_object_get(config, "profile"));
	if (profile == NULL)
		return true;
	for (i = 0; i < sizeof(profile_tools) / sizeof(profile_tools[0]); i++) {
		if (strcmp(profile_tools[i].profile, profile) != 0)
			continue;
		known = true;
		if (policy_entry_matches(profile_tools[i].entry, t))
			return true;
	}
	if (!known || policy_list_match(json_object_get(config, "alsoAllow"),
	    t) != NULL)
		return true;
	snprintf(why, size, "the profile \"%.32s\" does not have it", profile);
	return false;
}

bool
toolpolicy_allows(const struct toolpolicy *p, const struct tool *t, char *why,
    size_t size)
{
	const json_t	*sandbox;

	if (size > 0)
		why[0] = '\0';
	if (t->id == TOOL_WEB_FETCH && !p->fetch) {
		snprintf(why, size, "tools.web.fetch.enabled is not true");
		return false;
	}
	sandbox = json_object_get(json_object_get(p->config, "sandbox"),
	    "tools");
	return policy_profile(p->config, t, why, size) &&
	    policy_scope(p->config, "tools", t, why, size) &&
	    policy_scope(sandbox, "tools.sandbox.tools", t, why, size);
}

bool
toolpolicy_security(const char *s, enum exec_security *out)
{
	if (s == NULL)
		return false;
	if (strcmp(s, "deny") == 0)
		*out = EXEC_DENY;
	else if (strcmp(s, "allowlist") == 0)
		*out = EXEC_ALLOWLIST;
	else if (strcmp(s, "full") == 0)
		*out = EXEC_FULL;
	else
		return false;
	return true;
}

bool
toolpolicy_ask(const char *s, enum exec_ask *out)
{
	if (s == NULL)
		return false;
	if (strcmp(s, "off") == 0)
		*out = ASK_OFF;
	else if (strcmp(s, "on-miss") == 0)
		*out = ASK_ON_MISS;
	else if (strcmp(s, "always") == 0)
		*out = ASK_ALWAYS;
	else
		return false;
	return true;
}

const char *
toolpolicy_security_name(enum exec_security s)
{
	return s == EXEC_DENY ? "deny" : s == EXEC_ALLOWLIST ? "allowlist" :
	    "full";
}

const char *
toolpolicy_ask_name(enum exec_ask a)
{
	return a == ASK_OFF ? "off" : a == ASK_ON_MISS ? "on-miss" : "always";
}

static uint32_t
policy_num(const json_t *o, const char *name, uint32_t def, uint32_t min,
    uint32_t max)
{
	const json_t	*v = json_object_get(o, name);
	json_int_t	 n;

	if (!json_is_integer(v))
		return def;
	n = json_integer_value(v);
	return n < (json_int_t)min ? min : n > (json_int_t)max ? max :
	    (uint32_t)n;
}

/* Folders put before PATH: absolute, and free of what would split one. */
static int
policy_path(struct toolpolicy *p, const json_t *list, char *why, size_t size)
{
	json_t		*v;
	const char	*s;
	size_t		 i;

	json_array_foreach(list, i, v) {
		if ((s = json_string_value(v)) == NULL || *s != '/' ||
		    strpbrk(s, ":\n\r") != NULL) {
			snprintf(why, size, "tools.exec.pathPrepend: entry "
			    "%zu is not an absolute path", i + 1);
			return -1;
		}
		if ((p->path_prepend[0] != '\0' && strlcat(p->path_prepend,
		    ":", sizeof(p->path_prepend)) >=
		    sizeof(p->path_prepend)) ||
		    strlcat(p->path_prepend, s, sizeof(p->path_prepend)) >=
		    sizeof(p->path_prepend)) {
			snprintf(why, size,
			    "tools.exec.pathPrepend: too long");
			return -1;
		}
	}
	return 0;
}

/* One word for both, as newer files have it; "auto" wants a reviewer that is
 * not there, so a human is asked. */
static void
policy_mode(struct toolpolicy *p, const char *mode)
{
	if (mode == NULL)
		return;
	if (strcmp(mode, "ask") == 0 || strcmp(mode, "auto") == 0) {
		p->security = EXEC_ALLOWLIST;
		p->ask = ASK_ON_MISS;
	} else if (toolpolicy_security(mode, &p->security))
		p->ask = ASK_OFF;
}

int
toolpolicy_init(struct toolpolicy *p, struct str json, char *why, size_t size)
{
	json_error_t	 je;
	const json_t	*exec, *fetch, *minutes;

	memset(p, 0, sizeof(*p));
	if (str_trim(json).n == 0)
		json = STR_LIT("{}");
	p->config = json_loadb(json.p, json.n, 0, &je);
	if (!json_is_object(p->config)) {
		snprintf(why, size, "json.tools: not a JSON object");
		toolpolicy_clear(p);
		return -1;
	}
	exec = json_object_get(p->config, "exec");
	fetch = json_object_get(json_object_get(p->config, "web"), "fetch");
	p->fetch = json_is_true(json_object_get(fetch, "enabled"));
	p->fetch_chars = policy_num(fetch, "maxChars", FETCH_CHARS, 100,
	    FETCH_CHARS_MAX);
	minutes = json_object_get(fetch, "cacheTtlMinutes");
	p->fetch_cache_ms = (uint32_t)(60000 * (!json_is_number(minutes) ?
	    FETCH_CACHE_MIN : json_number_value(minutes) < 0 ? 0 :
	    json_number_value(minutes) > 1440 ? 1440 :
	    json_number_value(minutes)));
	/* Not configured: what the allow-list covers runs, the rest asks. */
	p->security = EXEC_ALLOWLIST;
	p->ask = ASK_ON_MISS;
	toolpolicy_security(json_string_value(json_object_get(exec,
	    "security")), &p->security);
	toolpolicy_ask(json_string_value(json_object_get(exec, "ask")), &p->ask);
	policy_mode(p, json_string_value(json_object_get(exec, "mode")));
	p->ask_ms = 1000 * policy_num(exec, "askTimeoutSec", EXEC_ASK_S, 1,
	    86400);
	p->safe_bins = json_object_get(exec, "safeBins");
	p->yield_ms = policy_num(exec, "backgroundMs", EXEC_YIELD_MS, 10,
	    120000);
	p->timeout_s = policy_num(exec, "timeoutSec", EXEC_TIMEOUT_S, 1,
	    604800);
	p->cleanup_ms = policy_num(exec, "cleanupMs", EXEC_CLEANUP_MS, 60000,
	    10800000);
	p->output_chars = policy_num(exec, "maxOutputChars", EXEC_OUTPUT, 1000,
	    EXEC_OUTPUT);
	if (policy_path(p, json_object_get(exec, "pathPrepend"), why, size) ==
	    -1) {
		toolpolicy_clear(p);
		return -1;
	}
	return 0;
}

void
toolpolicy_clear(struct toolpolicy *p)
{
	json_decref(p->config);
	p->config = NULL;
}

bool
toolpolicy_exec(const struct toolpolicy *p, const json_t *args,
    enum exec_security *sec, enum exec_ask *ask, char *why, size_t size)
{
	enum exec_security	 want_sec;
	enum exec_ask		 want_ask;
	const char		*host;

	*sec = p->security;
	*ask = p->ask;
	if (toolpolicy_security(json_string_value(json_object_get(args,
	    "security")), &want_sec) && want_sec < *sec)
		*sec = want_sec;
	if (toolpolicy_ask(json_string_value(json_object_get(args, "ask")),
	    &want_ask) && want_ask > *ask)
		*ask = want_ask;
	host = json_string_value(json_object_get(args, "host"));
	if (tools_arg_bool(args, "elevated", false)) {
		snprintf(why, size, "Denied: commands run in the jail only; "
		    "elevated is not available.");
		return false;
	}
	if ((host != NULL && strcmp(host, "auto") != 0 &&
	    strcmp(host, "sandbox") != 0) ||
	    json_object_get(args, "node") != NULL) {
		snprintf(why, size, "Denied: commands run in the jail only "
		    "(host \"sandbox\").");
		return false;
	}
	if (*sec == EXEC_DENY) {
		snprintf(why, size, "Denied: running commands is switched off "
		    "(%s).", p->security == EXEC_DENY ?
		    "tools.exec.security is \"deny\"" :
		    "the call asked for security \"deny\"");
		return false;
	}
	return true;
}
