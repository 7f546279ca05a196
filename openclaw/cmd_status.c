/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw health, status, sessions, channels status, pairing. */
#include "common/compat.h"

#include "openclaw/openclaw.h"

static void
line(const char *label, const char *text)
{
	printf("%-12s ", label);
	print_text(text);
	putchar('\n');
}

static void
show_health(json_t *h)
{
	json_t		*v, *accounts, *acc;
	const char	*id, *name;
	char		 text[256], age[32];
	size_t		 i;

	line("Gateway:", json_is_true(json_object_get(h, "ok")) ? "ok" :
	    "not ok");
	json_array_foreach(json_object_get(h, "agents"), i, v) {
		json_t	*s = json_object_get(v, "sessions");
		json_t	*r = json_array_get(json_object_get(s, "recent"), 0);

		snprintf(text, sizeof(text), "%s%s, %lld sessions, last %s",
		    jtext(v, "agentId", "?"),
		    json_is_true(json_object_get(v, "isDefault")) ?
		    " (default)" : "", (long long)jnum(s, "count", 0),
		    r != NULL ? age_text(jnum(r, "age", -1), age) : "never");
		line("Agent:", text);
	}
	json_object_foreach(json_object_get(h, "channels"), id, v) {
		accounts = json_object_get(v, "accounts");
		json_object_foreach(accounts, name, acc) {
			snprintf(text, sizeof(text), "%s/%s: %s%s%s", id, name,
			    json_is_true(json_object_get(acc, "connected")) ?
			    "connected" : jtext(acc, "state", "not connected"),
			    jtext(acc, "lastError", "")[0] != '\0' ? ", " : "",
			    jtext(acc, "lastError", ""));
			line("Channel:", text);
		}
	}
}

int
cmd_health(struct args *a)
{
	return print_answer(a, rpc_once(a, "health", NULL), show_health);
}

static void
session_table(json_t *rows)
{
	static const char *const heads[] = { "Kind", "Key", "Age", "Model",
		"Tokens", "Flags" };
	struct table	*t = table_new(heads, 6);
	char		 age[32];
	json_t		*s;
	size_t		 i;

	json_array_foreach(rows, i, s) {
		int64_t	 updated = jnum(s, "updatedAt", 0);
		int64_t	 total = jnum(s, "totalTokens", -1);
		int64_t	 window = jnum(s, "contextTokens", 0);

		table_row(t);
		table_add(t, 0, "%s", jtext(s, "kind", "?"));
		table_add(t, 1, "%s", jtext(s, "key", "?"));
		table_add(t, 2, "%s", updated > 0 ? age_text(
		    (int64_t)wall_ms() - updated, age) : "-");
		table_add(t, 3, "%s", jtext(s, "model", "-"));
		if (total < 0)
			table_add(t, 4, "-");
		else if (window > 0)
			table_add(t, 4, "%lld/%lld (%lld%%)", (long long)total,
			    (long long)window, (long long)(total * 100 /
			    window));
		else
			table_add(t, 4, "%lld", (long long)total);
		table_add(t, 5, "%s%s",
		    json_is_true(json_object_get(s, "systemSent")) ?
		    "system " : "",
		    json_is_true(json_object_get(s, "abortedLastRun")) ?
		    "aborted" : "");
	}
	table_print(t);
}

static void
show_status(json_t *s)
{
	json_t	*sessions = json_object_get(s, "sessions");
	json_t	*defaults = json_object_get(sessions, "defaults");
	char	 text[128];

	line("Model:", jtext(defaults, "model", "-"));
	snprintf(text, sizeof(text), "%lld", (long long)jnum(sessions, "count",
	    0));
	line("Sessions:", text);
	if (json_array_size(json_object_get(sessions, "recent")) > 0)
		session_table(json_object_get(sessions, "recent"));
}

/* What a process lacks, as bits of young[]; false when it lacks more than a
 * kernel's age explains. */
static bool
lacks_by_age(json_t *missing, const char *const young[], unsigned int *bits)
{
	json_t	*v;
	size_t	 i, n;

	json_array_foreach(missing, i, v) {
		for (n = 0; young[n] != NULL; n++)
			if (strcmp(json_string_value(v) != NULL ?
			    json_string_value(v) : "", young[n]) == 0)
				break;
		if (young[n] == NULL)
			return false;
		*bits |= 1u << n;
	}
	return true;
}

/* What the supervisor says of the sandboxes in force, in one line.  What is
 * told of every process of an older kernel that is in use everywhere would
 * hide the one that is really weaker. */
static void
sandbox_text(json_t *procs, char *buf, size_t size)
{
	static const char *const young[] = { "landlock-net", "landlock-scope",
		"mdwe", NULL };
	unsigned int	 old = 0;
	json_t		*p;
	size_t		 i, n = 0;

	json_array_foreach(json_object_get(procs, "processes"), i, p) {
		if (i == 0) {
			snprintf(buf, size, "%s mode; %s", jtext(procs, "mode",
			    "?"), jtext(p, "detail", ""));
			continue;
		}
		if (lacks_by_age(json_object_get(p, "missing"), young, &old))
			continue;
		if (n++ < 8)
			strlcat(buf, n == 1 ? "; WEAKER than profile: " : " ",
			    size);
		if (n <= 8)
			strlcat(buf, n == 8 ? "..." : jtext(p, "name", "?"),
			    size);
	}
	if (old != 0)
		strlcat(buf, "; this kernel is too old for", size);
	for (n = 0; young[n] != NULL; n++)
		if (old & 1u << n) {
			strlcat(buf, " ", size);
			strlcat(buf, young[n], size);
		}
}

/*
 * What sessions used: of the last turn of each, which is what is stored.  No
 * provider that can be configured tells a quota, so the list of those that do
 * is empty.
 */
static json_t *
usage_of(struct rpc *r, int64_t timeout)
{
	static const char *const keys[] = { "key", "modelProvider", "model",
		"inputTokens", "outputTokens", "totalTokens",
		"contextTokens" };
	json_t	*res, *rows = json_array(), *row, *s;
	int64_t	 in = 0, out = 0;
	size_t	 i, k;

	res = rpc_call(r, "sessions.list", json_pack("{s:b, s:b}",
	    "includeGlobal", 1, "includeUnknown", 1), false, timeout);
	if (res == NULL) {
		json_decref(rows);
		return NULL;
	}
	json_array_foreach(json_object_get(res, "sessions"), i, s) {
		if (jnum(s, "totalTokens", 0) <= 0)
			continue;
		row = json_object();
		for (k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			if (json_object_get(s, keys[k]) != NULL)
				json_object_set(row, keys[k],
				    json_object_get(s, keys[k]));
		json_array_append_new(rows, row);
		in += jnum(s, "inputTokens", 0);
		out += jnum(s, "outputTokens", 0);
	}
	json_decref(res);
	return json_pack("{s:I, s:[], s:{s:I, s:I, s:o}}", "updatedAt",
	    (json_int_t)wall_ms(), "providers", "tokens", "input",
	    (json_int_t)in, "output", (json_int_t)out, "sessions", rows);
}

static void
show_usage(json_t *u)
{
	static const char *const heads[] = { "Session", "Model", "In", "Out",
		"Context" };
	struct table	*t;
	json_t		*tokens = json_object_get(u, "tokens"), *s;
	char		 text[128];
	size_t		 i;

	line("Quota:", "no configured provider tells one");
	snprintf(text, sizeof(text), "%lld in, %lld out, in the last turn of "
	    "each of %zu", (long long)jnum(tokens, "input", 0),
	    (long long)jnum(tokens, "output", 0),
	    json_array_size(json_object_get(tokens, "sessions")));
	line("Tokens:", text);
	if (json_array_size(json_object_get(tokens, "sessions")) == 0)
		return;
	t = table_new(heads, 5);
	json_array_foreach(json_object_get(tokens, "sessions"), i, s) {
		table_row(t);
		table_add(t, 0, "%s", jtext(s, "key", "?"));
		table_add(t, 1, "%s/%s", jtext(s, "modelProvider", "?"),
		    jtext(s, "model", "?"));
		table_add(t, 2, "%lld", (long long)jnum(s, "inputTokens", 0));
		table_add(t, 3, "%lld", (long long)jnum(s, "outputTokens", 0));
		table_add(t, 4, "%lld/%lld", (long long)jnum(s, "totalTokens",
		    0), (long long)jnum(s, "contextTokens", 0));
	}
	table_print(t);
}

int
cmd_status(struct args *a)
{
	struct rpc	*r;
	json_t		*st, *health = NULL, *procs = NULL, *err = NULL;
	json_t		*usage = NULL;
	char		 sandbox[1024] = "";
	int64_t		 timeout = rpc_timeout(a);

	if ((r = rpc_open(a)) == NULL)
		return 1;
	st = rpc_call(r, "status", NULL, false, timeout);
	if (st != NULL && (a->opt[OPT_ALL] != NULL || a->opt[OPT_DEEP] !=
	    NULL)) {
		health = rpc_call(r, "health", json_pack("{s:b}", "probe",
		    a->opt[OPT_DEEP] != NULL), false, timeout);
	}
	if (st != NULL && a->opt[OPT_USAGE] != NULL && (usage = usage_of(r,
	    timeout)) == NULL) {
		json_decref(st);
		st = NULL;
	}
	if (st == NULL) {
		rpc_close(r);
		json_decref(health);
		return 1;
	}
	/* Not everybody who may ask for the status may see processes. */
	procs = rpc_try(r, "gateway.processes", NULL, false, timeout, &err);
	json_decref(err);
	sandbox_text(procs, sandbox, sizeof(sandbox));
	if (a->opt[OPT_JSON] != NULL) {
		json_object_set_new(st, "gateway", json_pack("{s:s, s:s, s:b}",
		    "mode", "local", "url", rpc_target(r), "reachable", 1));
		if (health != NULL)
			json_object_set(st, "health", health);
		if (usage != NULL)
			json_object_set(st, "usage", usage);
		if (sandbox[0] != '\0')
			json_object_set_new(st, "sandbox",
			    json_string(sandbox));
		if (procs != NULL && a->opt[OPT_ALL] != NULL)
			json_object_set(st, "processes",
			    json_object_get(procs, "processes"));
		print_json(st);
	} else {
		line("Target:", rpc_target(r));
		if (sandbox[0] != '\0')
			line("Sandbox:", sandbox);
		if (health != NULL)
			show_health(health);
		show_status(st);
		if (usage != NULL)
			show_usage(usage);
		if (procs != NULL && a->opt[OPT_ALL] != NULL)
			print_json(json_object_get(procs, "processes"));
	}
	rpc_close(r);
	json_decref(st);
	json_decref(health);
	json_decref(procs);
	json_decref(usage);
	return 0;
}

static void
show_sessions(json_t *s)
{
	if (json_array_size(json_object_get(s, "sessions")) == 0) {
		printf("No conversations yet; `openclaw agent -m hello` begins "
		    "one.\n");
		return;
	}
	session_table(json_object_get(s, "sessions"));
}

int
cmd_sessions(struct args *a)
{
	json_t	*params = json_object(), *res, *row;
	int64_t	 active = options_num(a, OPT_ACTIVE, 0, 1, 10000000), now;
	size_t	 i;

	if (active > 0)
		json_object_set_new(params, "activeMinutes",
		    json_integer(active));
	json_object_set_new(params, "includeGlobal", json_true());
	json_object_set_new(params, "includeUnknown", json_true());
	res = rpc_once(a, "sessions.list", params);
	if (res != NULL) {
		now = (int64_t)wall_ms();
		json_object_set_new(res, "activeMinutes", active > 0 ?
		    json_integer(active) : json_null());
		json_array_foreach(json_object_get(res, "sessions"), i, row)
			if (jnum(row, "updatedAt", 0) > 0)
				json_object_set_new(row, "ageMs", json_integer(
				    now - jnum(row, "updatedAt", 0)));
	}
	return print_answer(a, res, show_sessions);
}

static void
show_channels(json_t *c)
{
	static const char *const heads[] = { "Channel", "Account", "State",
		"Policy", "Last message", "Error" };
	struct table	*t;
	const char	*id;
	char		 age[32];
	json_t		*rows, *r;
	size_t		 i;

	if (json_object_size(json_object_get(c, "channelAccounts")) == 0) {
		printf("No channel is configured; openclaw.json(5) tells how, "
		    "below channels.\n");
		return;
	}
	t = table_new(heads, 6);
	json_object_foreach(json_object_get(c, "channelAccounts"), id, rows) {
		json_array_foreach(rows, i, r) {
			int64_t	 last = jnum(r, "lastInboundAt", 0);

			table_row(t);
			table_add(t, 0, "%s", id);
			table_add(t, 1, "%s", jtext(r, "accountId", "?"));
			table_add(t, 2, "%s",
			    json_is_true(json_object_get(r, "connected")) ?
			    "connected" :
			    json_is_true(json_object_get(r, "running")) ?
			    "running" : "stopped");
			table_add(t, 3, "%s", jtext(r, "dmPolicy", "-"));
			table_add(t, 4, "%s", last > 0 ? age_text(
			    (int64_t)wall_ms() - last, age) : "-");
			table_add(t, 5, "%s", jtext(r, "lastError", ""));
		}
	}
	table_print(t);
}

int
cmd_channels_status(struct args *a)
{
	return print_answer(a, rpc_once(a, "channels.status", json_pack("{s:b}",
	    "probe", a->opt[OPT_PROBE] != NULL)), show_channels);
}

static void
show_logout(json_t *res)
{
	print_text(jtext(res, "channel", "?"));
	printf(" account ");
	print_text(jtext(res, "accountId", "?"));
	printf(json_is_true(json_object_get(res, "cleared")) ?
	    ": its token is out of the configuration\n" :
	    ": the configuration held no token of it\n");
	if (!json_is_true(json_object_get(res, "loggedOut")))
		printf("A token of it is left%s, and it goes on with that.\n",
		    json_is_true(json_object_get(res, "envToken")) ?
		    " in the environment" : "");
}

int
cmd_channels_logout(struct args *a)
{
	json_t	*params;

	/* Which one loses its token is nothing to guess. */
	if (a->opt[OPT_CHANNEL] == NULL) {
		fprintf(stderr, "error: required option '--channel <name>' "
		    "not specified\n");
		return 1;
	}
	params = json_pack("{s:s}", "channel", a->opt[OPT_CHANNEL]);
	if (a->opt[OPT_ACCOUNT] != NULL)
		json_object_set_new(params, "accountId",
		    json_string(a->opt[OPT_ACCOUNT]));
	return print_answer(a, rpc_once(a, "channels.logout", params),
	    show_logout);
}

static void
show_pairing(json_t *p)
{
	static const char *const heads[] = { "Code", "Sender", "Channel",
		"Asked", "Name" };
	struct table	*t;
	char		 age[32];
	json_t		*r, *meta;
	size_t		 i;

	if (json_array_size(json_object_get(p, "requests")) == 0) {
		printf("Nobody waits for approval.\n");
		return;
	}
	t = table_new(heads, 5);
	json_array_foreach(json_object_get(p, "requests"), i, r) {
		meta = json_object_get(r, "meta");
		table_row(t);
		table_add(t, 0, "%s", jtext(r, "code", "?"));
		table_add(t, 1, "%s", jtext(r, "id", "?"));
		table_add(t, 2, "%s", jtext(r, "channel", jtext(p, "channel",
		    "")));
		table_add(t, 3, "%s", age_text((int64_t)wall_ms() - jnum(r,
		    "createdAtMs", (int64_t)wall_ms()), age));
		table_add(t, 4, "%s", jtext(meta, "name", jtext(meta,
		    "username", "")));
	}
	table_print(t);
}

int
cmd_pairing_list(struct args *a)
{
	const char	*channel = a->opt[OPT_CHANNEL];
	json_t		*params = json_object();

	if (channel == NULL && a->noperands > 0)
		channel = a->operand[0];
	if (channel != NULL)
		json_object_set_new(params, "channel", json_string(channel));
	return print_answer(a, rpc_once(a, "pairing.list", params),
	    show_pairing);
}

static void
show_approved(json_t *p)
{
	printf("Approved ");
	print_text(jtext(p, "channel", ""));
	printf(" sender ");
	print_text(jtext(p, "id", "?"));
	printf(".\n");
}

/* Says so when the account of p cannot tell its sender now. */
static void
check_notified(const struct args *a, struct rpc *r, json_t *p)
{
	json_t	*res, *err = NULL, *rows, *row;
	size_t	 i;
	bool	 up = false;

	res = rpc_try(r, "channels.status", NULL, false, rpc_timeout(a), &err);
	rows = json_object_get(json_object_get(res, "channelAccounts"),
	    jtext(p, "channel", ""));
	json_array_foreach(rows, i, row)
		if (strcmp(jtext(row, "accountId", ""), jtext(p, "accountId",
		    "")) == 0 && json_is_true(json_object_get(row, "running")))
			up = true;
	if (!up)
		fprintf(stderr, "Not notified: %s account %s does not run; "
		    "`openclaw channels status` tells more\n", jtext(p,
		    "channel", "?"), jtext(p, "accountId", "?"));
	json_decref(res);
	json_decref(err);
}

int
cmd_pairing_approve(struct args *a)
{
	const char	*channel = a->opt[OPT_CHANNEL];
	struct rpc	*r;
	json_t		*params, *res;

	if (a->noperands == 0) {
		fprintf(stderr, "error: missing required argument 'code'\n");
		return 1;
	}
	if (channel == NULL && a->noperands > 1)
		channel = a->operand[0];
	params = json_pack("{s:s}", "code", a->operand[a->noperands - 1]);
	if (channel != NULL)
		json_object_set_new(params, "channel", json_string(channel));
	if (a->opt[OPT_NOTIFY] != NULL)
		json_object_set_new(params, "notify", json_true());
	if ((r = rpc_open(a)) == NULL) {
		json_decref(params);
		return 1;
	}
	res = rpc_call(r, "pairing.approve", params, false, rpc_timeout(a));
	if (res != NULL && a->opt[OPT_NOTIFY] != NULL)
		check_notified(a, r, res);
	rpc_close(r);
	return print_answer(a, res, show_approved);
}
