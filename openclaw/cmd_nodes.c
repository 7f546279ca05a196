/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw nodes: who offers commands, and asking them. */
#include "common/compat.h"

#include "common/text.h"
#include "openclaw/openclaw.h"

#define INVOKE_MS	15000
#define PREFIX_MIN	6	/* of a node's id */

/* --- which node ------------------------------------------------------------------ */

/* "My Phone!" and "my-phone" are one name. */
static void
name_key(const char *s, char *buf, size_t size)
{
	size_t	 n = 0;

	for (; *s != '\0' && n + 2 < size; s++) {
		if (ascii_isalnum((unsigned char)*s))
			buf[n++] = (char)ascii_tolower((unsigned char)*s);
		else if (n > 0 && buf[n - 1] != '-')
			buf[n++] = '-';
	}
	while (n > 0 && buf[n - 1] == '-')
		n--;
	buf[n] = '\0';
}

static const char *
shown(json_t *node)
{
	const char	*s = jtext(node, "displayName", "");

	if (s[0] == '\0')
		s = jtext(node, "remoteIp", "");
	return s[0] != '\0' ? s : jtext(node, "nodeId", "?");
}

static bool
matches(json_t *node, const char *query)
{
	const char	*id = jtext(node, "nodeId", "");
	char		 a[256], b[256];

	if (strcmp(id, query) == 0 ||
	    strcmp(jtext(node, "remoteIp", ""), query) == 0)
		return true;
	name_key(jtext(node, "displayName", ""), a, sizeof(a));
	name_key(query, b, sizeof(b));
	if (a[0] != '\0' && strcmp(a, b) == 0)
		return true;
	return strlen(query) >= PREFIX_MIN &&
	    strncmp(id, query, strlen(query)) == 0;
}

static void
say_nodes(const char *what, const char *query, const char *label,
    json_t *nodes, bool only)
{
	json_t	*n;
	size_t	 i, told = 0;

	fprintf(stderr, "Error: %s node: ", what);
	print_text_to(stderr, query);
	json_array_foreach(nodes, i, n) {
		if (only && !matches(n, query))
			continue;
		fprintf(stderr, told++ == 0 ? " (%s: " : ", ", label);
		print_text_to(stderr, shown(n));
	}
	fprintf(stderr, told > 0 ? ")\n" : "\n");
}

/* By id, name, address or the beginning of its id. */
const char *
node_named(const struct args *a, struct rpc *r, json_t **list)
{
	const char	*query = a->opt[OPT_NODE], *id = NULL;
	json_t		*nodes, *n;
	size_t		 i, found = 0;

	*list = rpc_call(r, "node.list", NULL, false, rpc_timeout(a));
	if (*list == NULL)
		return NULL;
	nodes = json_object_get(*list, "nodes");
	json_array_foreach(nodes, i, n)
		if (matches(n, query)) {
			id = jtext(n, "nodeId", NULL);
			found++;
		}
	if (found == 1)
		return id;
	if (found == 0)
		say_nodes("unknown", query, "known", nodes, false);
	else
		say_nodes("ambiguous", query, "matches", nodes, true);
	return NULL;
}

/* Is that option given?  false after a message. */
static bool
needed(const struct args *a, enum option o, const char *name)
{
	if (a->opt[o] != NULL && str_trim(str_of(a->opt[o])).n > 0)
		return true;
	fprintf(stderr, "error: required option '--%s' not specified\n", name);
	return false;
}

/* --- lists ------------------------------------------------------------------------ */

static bool
flag(json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void
show_status(json_t *d)
{
	static const char *const heads[] = { "Node", "ID", "Address",
		"Platform", "Status", "Since", "Caps" };
	struct table	*t;
	json_t		*nodes = json_object_get(d, "nodes"), *n;
	char		 caps[256], age[32];
	size_t		 i, paired = 0, connected = 0;

	json_array_foreach(nodes, i, n) {
		paired += flag(n, "paired");
		connected += flag(n, "connected");
	}
	printf("Known: %zu, paired: %zu, connected: %zu\n",
	    json_array_size(nodes), paired, connected);
	if (json_array_size(nodes) == 0)
		return;
	t = table_new(heads, 7);
	json_array_foreach(nodes, i, n) {
		jjoin(json_object_get(n, "caps"), caps, sizeof(caps));
		table_row(t);
		table_add(t, 0, "%s", shown(n));
		table_add(t, 1, "%s", jtext(n, "nodeId", "?"));
		table_add(t, 2, "%s", jtext(n, "remoteIp", ""));
		table_add(t, 3, "%s", jtext(n, "platform", ""));
		table_add(t, 4, "%s, %s", flag(n, "paired") ? "paired" :
		    "not paired", flag(n, "connected") ? "connected" : "away");
		table_add(t, 5, "%s", flag(n, "connected") ?
		    age_text((int64_t)wall_ms() - jnum(n, "connectedAtMs",
		    (int64_t)wall_ms()), age) : "");
		table_add(t, 6, "%s", caps);
	}
	table_print(t);
}

/* Leaves in the array only those with a connection, or one within since ms. */
static void
keep(json_t *rows, json_t *live, bool connected, int64_t since)
{
	json_t	*row, *n, *hit;
	int64_t	 at;
	size_t	 i, k;

	for (i = json_array_size(rows); i-- > 0;) {
		row = json_array_get(rows, i);
		hit = NULL;
		json_array_foreach(live, k, n)
			if (strcmp(jtext(n, "nodeId", ""), jtext(row,
			    "nodeId", "")) == 0)
				hit = n;
		at = jnum(row, "lastConnectedAtMs", jnum(hit,
		    "lastConnectedAtMs", jnum(row, "connectedAtMs", jnum(hit,
		    "connectedAtMs", -1))));
		if ((connected && !flag(row, "connected") &&
		    !flag(hit, "connected")) || (since >= 0 && (at < 0 ||
		    (int64_t)wall_ms() - at > since)))
			json_array_remove(rows, i);
	}
}

/* --last-connected in ms, -1 when it is not given; exits 1 on nonsense. */
static int64_t
since_of(const struct args *a)
{
	uint64_t	 ms;

	if (a->opt[OPT_LAST_CONNECTED] == NULL)
		return -1;
	if (num_parse_duration_ms(str_of(a->opt[OPT_LAST_CONNECTED]),
	    INT64_MAX, &ms) == -1) {
		fprintf(stderr, "Error: --last-connected takes a duration, "
		    "such as 30m or 24h\n");
		exit(1);
	}
	return (int64_t)ms;
}

/* The method's answer, its rows cut as --connected and --last-connected say
 * with what the other list knows of them. */
static json_t *
list_of(const struct args *a, const char *method, const char *rows,
    const char *other, const char *other_rows)
{
	int64_t		 since = since_of(a);
	bool		 connected = a->opt[OPT_CONNECTED] != NULL;
	struct rpc	*r;
	json_t		*res, *more;

	if ((r = rpc_open(a)) == NULL)
		return NULL;
	res = rpc_call(r, method, NULL, false, rpc_timeout(a));
	if (res != NULL && (connected || since >= 0)) {
		more = rpc_call(r, other, NULL, false, rpc_timeout(a));
		if (more == NULL) {
			json_decref(res);
			res = NULL;
		} else
			keep(json_object_get(res, rows),
			    json_object_get(more, other_rows), connected,
			    since);
		json_decref(more);
	}
	rpc_close(r);
	return res;
}

int
cmd_nodes_status(struct args *a)
{
	return print_answer(a, a->opt[OPT_LAST_CONNECTED] != NULL ?
	    list_of(a, "node.list", "nodes", "node.pair.list", "paired") :
	    list_of(a, "node.list", "nodes", "node.list", "nodes"),
	    show_status);
}

static void
show_pending(json_t *rows)
{
	static const char *const heads[] = { "Request", "Node", "Address",
		"Asked", "Flags" };
	struct table	*t;
	char		 age[32];
	json_t		*r;
	size_t		 i;

	if (json_array_size(rows) == 0) {
		printf("No node waits for approval.\n");
		return;
	}
	printf("Waiting (%zu)\n", json_array_size(rows));
	t = table_new(heads, 5);
	json_array_foreach(rows, i, r) {
		table_row(t);
		table_add(t, 0, "%s", jtext(r, "requestId", "?"));
		table_add(t, 1, "%s", jtext(r, "displayName", jtext(r,
		    "nodeId", "?")));
		table_add(t, 2, "%s", jtext(r, "remoteIp", ""));
		table_add(t, 3, "%s", age_text((int64_t)wall_ms() - jnum(r,
		    "ts", (int64_t)wall_ms()), age));
		table_add(t, 4, "%s", flag(r, "isRepair") ? "known" : "");
	}
	table_print(t);
}

static void
show_list(json_t *d)
{
	static const char *const heads[] = { "Node", "ID", "Address",
		"Last connection" };
	json_t		*rows = json_object_get(d, "paired"), *r;
	struct table	*t;
	char		 age[32];
	int64_t		 at;
	size_t		 i;

	if (json_array_size(json_object_get(d, "pending")) > 0)
		show_pending(json_object_get(d, "pending"));
	printf("Approved (%zu)\n", json_array_size(rows));
	if (json_array_size(rows) == 0)
		return;
	t = table_new(heads, 4);
	json_array_foreach(rows, i, r) {
		at = jnum(r, "lastConnectedAtMs", -1);
		table_row(t);
		table_add(t, 0, "%s", shown(r));
		table_add(t, 1, "%s", jtext(r, "nodeId", "?"));
		table_add(t, 2, "%s", jtext(r, "remoteIp", ""));
		table_add(t, 3, "%s", at < 0 ? "unknown" :
		    age_text((int64_t)wall_ms() - at, age));
	}
	table_print(t);
}

int
cmd_nodes_list(struct args *a)
{
	json_t	*res = list_of(a, "node.pair.list", "paired", "node.list",
	    "nodes");

	/* Requests have no connection to be chosen by. */
	if (res != NULL && (a->opt[OPT_CONNECTED] != NULL ||
	    a->opt[OPT_LAST_CONNECTED] != NULL))
		json_array_clear(json_object_get(res, "pending"));
	return print_answer(a, res, show_list);
}

int
cmd_nodes_pending(struct args *a)
{
	json_t	*res = rpc_once(a, "node.pair.list", NULL), *rows = NULL;

	if (res != NULL)
		rows = json_incref(json_object_get(res, "pending"));
	json_decref(res);
	return print_answer(a, rows, show_pending);
}

/* --- one node ----------------------------------------------------------------------- */

static void
line(const char *label, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("%-12s ", label);
	print_text(text);
	putchar('\n');
}

static void
show_node(json_t *d)
{
	char		 text[1024];
	const char	*key;
	json_t		*v;
	size_t		 i;

	line("Node", jtext(d, "displayName", ""));
	line("ID", jtext(d, "nodeId", "?"));
	line("Address", jtext(d, "remoteIp", ""));
	line("Platform", jtext(d, "platform", ""));
	line("Version", jtext(d, "version", ""));
	line("Device", jtext(d, "deviceFamily", ""));
	line("Model", jtext(d, "modelIdentifier", ""));
	line("PATH", jtext(d, "pathEnv", ""));
	text[0] = '\0';
	json_object_foreach(json_object_get(d, "permissions"), key, v) {
		strlcat(text, text[0] != '\0' ? ", " : "", sizeof(text));
		strlcat(text, key, sizeof(text));
		strlcat(text, json_is_true(v) ? "=yes" : "=no", sizeof(text));
	}
	line("Permissions", text);
	jjoin(json_object_get(d, "caps"), text, sizeof(text));
	line("Caps", text);
	snprintf(text, sizeof(text), "%s, %s", flag(d, "paired") ? "paired" :
	    "not paired", flag(d, "connected") ? "connected" : "away");
	line("Status", text);
	printf("Commands\n");
	json_array_foreach(json_object_get(d, "commands"), i, v) {
		printf("  ");
		print_text(json_string_value(v) != NULL ?
		    json_string_value(v) : "?");
		putchar('\n');
	}
	if (json_array_size(json_object_get(d, "commands")) == 0)
		printf("  none\n");
}

int
cmd_nodes_describe(struct args *a)
{
	struct rpc	*r;
	const char	*id;
	json_t		*list, *res = NULL;

	if (!needed(a, OPT_NODE, "node <idOrNameOrIp>") ||
	    (r = rpc_open(a)) == NULL)
		return 1;
	if ((id = node_named(a, r, &list)) != NULL)
		res = rpc_call(r, "node.describe", json_pack("{s:s}",
		    "nodeId", id), false, rpc_timeout(a));
	rpc_close(r);
	json_decref(list);
	return print_answer(a, res, show_node);
}

static void
show_approved(json_t *d)
{
	json_t	*n = json_object_get(d, "node");

	printf("Approved node ");
	print_text(jtext(n, "nodeId", "?"));
	printf(", its token: ");
	print_text(jtext(n, "token", "?"));
	putchar('\n');
}

static void
show_rejected(json_t *d)
{
	printf("Rejected node ");
	print_text(jtext(d, "nodeId", "?"));
	printf(".\n");
}

static int
resolve(struct args *a, const char *method, void (*human)(json_t *))
{
	if (a->noperands != 1) {
		fprintf(stderr, "error: missing required argument "
		    "'requestId'\n");
		return 1;
	}
	return print_answer(a, rpc_once(a, method, json_pack("{s:s}",
	    "requestId", a->operand[0])), human);
}

int
cmd_nodes_approve(struct args *a)
{
	return resolve(a, "node.pair.approve", show_approved);
}

int
cmd_nodes_reject(struct args *a)
{
	return resolve(a, "node.pair.reject", show_rejected);
}

static void
show_renamed(json_t *d)
{
	printf("Node ");
	print_text(jtext(d, "nodeId", "?"));
	printf(" is now called ");
	print_text(jtext(d, "displayName", "?"));
	printf(".\n");
}

/* A node of the list of approvals, connected or not; ids of others are left to
 * the gateway to refuse. */
int
cmd_nodes_rename(struct args *a)
{
	struct rpc	*r;
	const char	*id = NULL;
	json_t		*list, *n, *res = NULL;
	size_t		 i, found = 0;

	if (!needed(a, OPT_NODE, "node <idOrNameOrIp>") ||
	    !needed(a, OPT_NAME, "name <displayName>") ||
	    (r = rpc_open(a)) == NULL)
		return 1;
	list = rpc_call(r, "node.pair.list", NULL, false, rpc_timeout(a));
	json_array_foreach(json_object_get(list, "paired"), i, n)
		if (matches(n, a->opt[OPT_NODE])) {
			id = jtext(n, "nodeId", NULL);
			found++;
		}
	if (list != NULL && found == 1)
		res = rpc_call(r, "node.rename", json_pack("{s:s, s:s}",
		    "nodeId", id, "displayName", a->opt[OPT_NAME]), false,
		    rpc_timeout(a));
	else if (list != NULL)
		say_nodes(found == 0 ? "unknown" : "ambiguous",
		    a->opt[OPT_NODE], found == 0 ? "known" : "matches",
		    json_object_get(list, "paired"), found > 0);
	rpc_close(r);
	json_decref(list);
	return print_answer(a, res, show_renamed);
}

/* --- asking --------------------------------------------------------------------------- */

/* What it answered is a document for people, too. */
static void
show_result(json_t *d)
{
	print_json(json_object_get(d, "payload") != NULL ?
	    json_object_get(d, "payload") : json_null());
}

int
cmd_nodes_invoke(struct args *a)
{
	int64_t		 ms = options_num(a, OPT_INVOKE_TIMEOUT, INVOKE_MS, 0,
			    86400000), wait;
	struct rpc	*r;
	const char	*id;
	json_error_t	 err;
	json_t		*params, *list, *res = NULL;
	char		 key[37];

	if (!needed(a, OPT_NODE, "node <idOrNameOrIp>") ||
	    !needed(a, OPT_COMMAND, "command <command>"))
		return 1;
	params = json_loads(a->opt[OPT_PARAMS] != NULL ? a->opt[OPT_PARAMS] :
	    "{}", JSON_DECODE_ANY, &err);
	if (params == NULL) {
		fprintf(stderr, "Error: --params is no JSON: %s (column %d)\n",
		    err.text, err.column);
		return 1;
	}
	if ((r = rpc_open(a)) == NULL) {
		json_decref(params);
		return 1;
	}
	uuid_v4(key);
	wait = rpc_timeout(a);
	if (wait < ms + 5000)
		wait = ms + 5000;
	if ((id = node_named(a, r, &list)) != NULL)
		res = rpc_call(r, "node.invoke", json_pack(
		    "{s:s, s:s, s:O, s:I, s:s}", "nodeId", id, "command",
		    a->opt[OPT_COMMAND], "params", params, "timeoutMs",
		    (json_int_t)ms, "idempotencyKey",
		    a->opt[OPT_IDEMPOTENCY_KEY] != NULL ?
		    a->opt[OPT_IDEMPOTENCY_KEY] : key), false, wait);
	rpc_close(r);
	json_decref(list);
	json_decref(params);
	return print_answer(a, res, show_result);
}
