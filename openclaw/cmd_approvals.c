/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * openclaw approvals: the questions that wait, their answers, and the list of
 * programs that are not asked about; and the question on the terminal of
 * `openclaw agent`.  Commands are text of strangers: what is printed of them
 * has no control characters.
 */
#include "common/compat.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "common/text.h"
#include "openclaw/openclaw.h"

/* --- the questions ---------------------------------------------------------- */

/* The one open question that an id, or at least 4 characters of its
 * beginning, names; a copy, or NULL after a message. */
static char *
whole_id(struct rpc *r, const char *given)
{
	json_t		*res, *v;
	const char	*id;
	char		*found = NULL;
	size_t		 i, n = strlen(given), hits = 0;

	if ((res = rpc_call(r, "exec.approval.list", NULL, false, 10000)) ==
	    NULL)
		return NULL;
	json_array_foreach(json_object_get(res, "approvals"), i, v) {
		id = jtext(v, "id", "");
		if (strcmp(id, given) == 0 || (n >= 4 &&
		    strncmp(id, given, n) == 0)) {
			hits++;
			free(found);
			found = strdup(id);
		}
	}
	json_decref(res);
	if (hits == 1)
		return found;
	free(found);
	if (hits == 0)
		fprintf(stderr, "Error: no command waits under the id %s; "
		    "`openclaw approvals list` shows those that do\n", given);
	else
		fprintf(stderr, "Error: %zu commands wait under ids that "
		    "begin with %s; give more of it\n", hits, given);
	return NULL;
}

static int
decide(struct args *a, const char *decision)
{
	struct rpc	*r;
	json_t		*res = NULL;
	char		*id = NULL;

	if (a->noperands != 1) {
		fprintf(stderr, "error: missing required argument 'id'\n");
		return 1;
	}
	if ((r = rpc_open(a)) == NULL)
		return 1;
	if ((id = whole_id(r, a->operand[0])) != NULL)
		res = rpc_call(r, "exec.approval.resolve", json_pack(
		    "{s:s, s:s}", "id", id, "decision", decision), false,
		    options_num(a, OPT_TIMEOUT, 10000, 1, 86400000));
	rpc_close(r);
	if (res == NULL) {
		free(id);
		return 1;
	}
	if (a->opt[OPT_JSON] != NULL)
		print_json(json_pack("{s:s, s:s}", "id", id, "decision",
		    decision));
	else
		printf("%s: %s\n", id, strcmp(decision, "deny") == 0 ?
		    "denied" : strcmp(decision, "allow-once") == 0 ?
		    "allowed once" : "allowed from now on");
	json_decref(res);
	free(id);
	return 0;
}

int
cmd_approvals_allow(struct args *a)
{
	return decide(a, a->opt[OPT_ALWAYS] != NULL ? "allow-always" :
	    "allow-once");
}

int
cmd_approvals_deny(struct args *a)
{
	return decide(a, "deny");
}

static int64_t
seconds_left(json_t *v)
{
	int64_t	 left = jnum(v, "expiresAtMs", 0) - (int64_t)wall_ms();

	return left > 0 ? (left + 999) / 1000 : 0;
}

int
cmd_approvals_list(struct args *a)
{
	json_t	*res, *list, *v, *q;
	size_t	 i;

	if ((res = rpc_once(a, "exec.approval.list", NULL)) == NULL)
		return 1;
	list = json_object_get(res, "approvals");
	if (a->opt[OPT_JSON] != NULL) {
		print_json(res);
		json_decref(res);
		return 0;
	}
	if (json_array_size(list) == 0)
		printf("No command waits for an answer.\n");
	json_array_foreach(list, i, v) {
		q = json_object_get(v, "request");
		if (i > 0)
			putchar('\n');
		print_text(jtext(v, "id", "?"));
		printf("  %" PRId64 " s left\n  agent    ", seconds_left(v));
		print_text(jtext(q, "agentId", "?"));
		printf("\n  folder   ");
		print_text(jtext(q, "cwd", "?"));
		printf("\n  because  ");
		print_text(jtext(v, "reason", "every command is asked about"));
		printf("\n  command  ");
		print_text(jtext(q, "command", "?"));
		putchar('\n');
	}
	json_decref(res);
	return 0;
}

/* --- the question on the terminal ------------------------------------------- */

/* Same conversation?  "main" stands for agent:<id>:main. */
static bool
same_session(const char *mine, const char *key)
{
	size_t	 n, k;

	if (mine == NULL || strcmp(mine, key) == 0)
		return true;
	n = strlen(mine);
	k = strlen(key);
	return k > n + 1 && key[k - n - 1] == ':' &&
	    ascii_casecmp(key + k - n, mine) == 0;
}

/* A line of standard input before the time is over: false when none came. */
static bool
read_answer(char *buf, size_t size, int64_t seconds)
{
	struct pollfd	 p = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t	 end = mono_ms() + (uint64_t)seconds * 1000, now;
	ssize_t		 n;
	int		 rv;

	for (;;) {
		now = mono_ms();
		if (now >= end)
			return false;
		rv = poll(&p, 1, (int)(end - now));
		if (rv == -1 && errno == EINTR)
			continue;
		if (rv <= 0)
			return false;
		/* A terminal gives whole lines. */
		n = read(STDIN_FILENO, buf, size - 1);
		if (n <= 0)
			return false;
		buf[n] = '\0';
		return true;
	}
}

static void
ask_terminal(const struct approver *ap, json_t *v, int64_t seconds)
{
	const char	*decision = NULL;
	struct args	 a = *ap->args;
	struct rpc	*r;
	json_t		*res = NULL, *err = NULL;
	char		 line[64];
	bool		 always = json_is_true(json_object_get(v,
			    "allowAlways"));

	while (decision == NULL) {
		fprintf(stderr, "  [y] once  %s[n] deny  (%" PRId64 " s): ",
		    always ? "[a] always  " : "", seconds);
		fflush(stderr);
		if (!read_answer(line, sizeof(line), seconds)) {
			fprintf(stderr, "\n  Not answered here.\n");
			return;
		}
		if (line[0] == 'y' || line[0] == 'Y')
			decision = "allow-once";
		else if ((line[0] == 'a' || line[0] == 'A') && always)
			decision = "allow-always";
		else if (line[0] == 'n' || line[0] == 'N')
			decision = "deny";
		seconds = seconds_left(v);
	}
	/* Another connection: this one waits for the run's answer. */
	if ((r = rpc_open(&a)) == NULL)
		return;
	res = rpc_try(r, "exec.approval.resolve", json_pack("{s:s, s:s}",
	    "id", jtext(v, "id", ""), "decision", decision), false, 10000,
	    &err);
	if (res == NULL)
		fprintf(stderr, "  Not taken: %s\n", jtext(err, "message",
		    "?"));
	json_decref(res);
	json_decref(err);
	rpc_close(r);
}

int64_t
approver_event(void *arg, const char *name, json_t *v)
{
	const struct approver	*ap = arg;
	json_t			*q = json_object_get(v, "request");
	int64_t			 seconds = seconds_left(v);

	if (strcmp(name, "exec.approval.requested") != 0 || seconds == 0 ||
	    !same_session(ap->session, jtext(q, "sessionKey", "")) ||
	    jnum(v, "createdAtMs", 0) + 1000 < (int64_t)ap->since_ms)
		return 0;
	fprintf(stderr, "\nThe agent ");
	print_text_to(stderr, jtext(q, "agentId", "?"));
	fprintf(stderr, " wants to run a command in ");
	print_text_to(stderr, jtext(q, "cwd", "?"));
	fprintf(stderr, ":\n\n  ");
	print_text_to(stderr, jtext(q, "command", "?"));
	fprintf(stderr, "\n\n");
	if (isatty(STDIN_FILENO) && isatty(STDERR_FILENO))
		ask_terminal(ap, v, seconds);
	else {
		fprintf(stderr, "It waits %" PRId64 " s for an answer: "
		    "`openclaw approvals allow ", seconds);
		print_text_to(stderr, jtext(v, "id", "?"));
		fprintf(stderr, "` or `deny`, or the web chat.\n");
	}
	/* The time of the run stands still meanwhile, and so does ours. */
	return seconds * 1000;
}

/* --- the list ----------------------------------------------------------------- */

/* Whose list it is, as parameters: an agent's, or that of a node; NULL after a
 * message. */
static json_t *
whose(const struct args *a, struct rpc *r)
{
	json_t		*p = json_object(), *list;
	const char	*id;

	if (a->opt[OPT_NODE] != NULL) {
		id = node_named(a, r, &list);
		if (id != NULL)
			json_object_set_new(p, "nodeId", json_string(id));
		json_decref(list);
		if (id == NULL) {
			json_decref(p);
			return NULL;
		}
	} else if (a->opt[OPT_AGENT] != NULL)
		json_object_set_new(p, "agentId",
		    json_string(a->opt[OPT_AGENT]));
	return p;
}

/* What is there now. */
static json_t *
fetch(const struct args *a, struct rpc *r)
{
	json_t	*p = whose(a, r);

	if (p == NULL)
		return NULL;
	return rpc_call(r, a->opt[OPT_NODE] != NULL ?
	    "exec.approvals.node.get" : "exec.approvals.get", p, false,
	    a->opt[OPT_NODE] != NULL ? 35000 : 10000);
}

/* Of the one that was asked about, in an answer. */
static const char *
agent_id(const struct args *a, json_t *now)
{
	return jtext(now, "agentId", a->opt[OPT_AGENT] != NULL ?
	    a->opt[OPT_AGENT] : "main");
}

static void
show_list(json_t *d)
{
	print_text(jtext(d, "path", "?"));
	if (json_object_get(d, "agentId") != NULL) {
		printf(" (agent ");
		print_text(jtext(d, "agentId", "?"));
		putchar(')');
	}
	putchar('\n');
	print_json(json_object_get(d, "file"));
}

int
cmd_approvals_get(struct args *a)
{
	struct rpc	*r;
	json_t		*res;

	if ((r = rpc_open(a)) == NULL)
		return 1;
	res = fetch(a, r);
	rpc_close(r);
	return print_answer(a, res, show_list);
}

/* Takes file, which is based on what the gateway has now. */
static int
store(struct rpc *r, struct args *a, json_t *file, const char *hash,
    const char *said)
{
	json_t	*p = whose(a, r), *res;
	bool	 node = a->opt[OPT_NODE] != NULL;

	if (p == NULL) {
		json_decref(file);
		return 1;
	}
	json_object_set_new(p, "file", file);
	if (hash[0] != '\0')
		json_object_set_new(p, "baseHash", json_string(hash));
	if ((res = rpc_call(r, node ? "exec.approvals.node.set" :
	    "exec.approvals.set", p, false, options_num(a, OPT_TIMEOUT, node ?
	    35000 : 10000, 1, 86400000))) == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL)
		print_json(res);
	else
		printf("%s\n", said);
	json_decref(res);
	return 0;
}

static json_t *
read_file(const struct args *a)
{
	json_error_t	 je;
	json_t		*file;
	const char	*path = a->opt[OPT_FILE_];

	if ((path == NULL) == (a->opt[OPT_STDIN] == NULL)) {
		fprintf(stderr, "Error: give --file or --stdin\n");
		return NULL;
	}
	file = path != NULL ? json_load_file(path, 0, &je) :
	    json_loadf(stdin, 0, &je);
	if (file == NULL)
		fprintf(stderr, "Error: %s: %s\n", path != NULL ? path :
		    "standard input", je.line > 0 ? "is not JSON" : je.text);
	return file;
}

/* A file of another host may speak of several agents; each has a list of its
 * own here. */
static void
only_agent(json_t *file, const char *agent)
{
	json_t		*agents = json_object_get(file, "agents"), *v;
	const char	*key;
	void		*tmp;

	json_object_foreach_safe(agents, tmp, key, v) {
		if (strcmp(key, "*") == 0 || strcmp(key, agent) == 0 ||
		    (strcmp(key, "default") == 0 &&
		    strcmp(agent, "main") == 0))
			continue;
		fprintf(stderr, "Note: agents.");
		print_text_to(stderr, key);
		fprintf(stderr, " is left out; set it with --agent\n");
		json_object_del(agents, key);
	}
}

int
cmd_approvals_set(struct args *a)
{
	struct rpc	*r;
	json_t		*file, *now;
	int		 status = 1;

	if ((file = read_file(a)) == NULL)
		return 1;
	if ((r = rpc_open(a)) == NULL) {
		json_decref(file);
		return 1;
	}
	if ((now = fetch(a, r)) != NULL) {
		if (a->opt[OPT_NODE] == NULL)
			only_agent(file, agent_id(a, now));
		status = store(r, a, json_incref(file), jtext(now, "hash",
		    ""), "The list was replaced.");
	}
	json_decref(now);
	json_decref(file);
	rpc_close(r);
	return status;
}

/* Changes list; NULL, or why not. */
static const char *
change(json_t *list, bool add, const char *pattern)
{
	json_t	*e;
	size_t	 i, n = 0;

	for (i = json_array_size(list); i-- > 0;) {
		e = json_array_get(list, i);
		if (strcmp(jtext(e, "pattern", ""), pattern) != 0)
			continue;
		if (add)
			return "is on the list already";
		json_array_remove(list, i);
		n++;
	}
	if (!add)
		return n > 0 ? NULL : "is not on the list";
	json_array_append_new(list, json_pack("{s:s}", "pattern", pattern));
	return NULL;
}

int
cmd_approvals_allowlist(struct args *a)
{
	struct rpc	*r;
	json_t		*now, *agents, *mine, *list, *all;
	const char	*agent, *why;
	bool		 add;
	int		 status = 1;

	if (a->noperands != 2 || (strcmp(a->operand[0], "add") != 0 &&
	    strcmp(a->operand[0], "remove") != 0)) {
		fprintf(stderr, "error: give add or remove, and a pattern\n");
		return 1;
	}
	add = strcmp(a->operand[0], "add") == 0;
	if ((r = rpc_open(a)) == NULL)
		return 1;
	if ((now = fetch(a, r)) == NULL)
		goto out;
	agent = agent_id(a, now);
	if (!json_is_object(json_object_get(json_object_get(now, "file"),
	    "agents")))
		json_object_set_new(json_object_get(now, "file"), "agents",
		    json_object());
	agents = json_object_get(json_object_get(now, "file"), "agents");
	if ((mine = json_object_get(agents, agent)) == NULL) {
		mine = json_object();
		json_object_set_new(agents, agent, mine);
	}
	if ((list = json_object_get(mine, "allowlist")) == NULL) {
		list = json_array();
		json_object_set_new(mine, "allowlist", list);
	}
	/* The built-in entries stand under "*". */
	all = json_object_get(json_object_get(agents, "*"), "allowlist");
	why = change(list, add, a->operand[1]);
	if (why != NULL && !add && all != NULL)
		why = change(all, false, a->operand[1]);
	if (why != NULL) {
		fprintf(stderr, "Error: ");
		print_text_to(stderr, a->operand[1]);
		fprintf(stderr, " %s; `openclaw approvals get` shows it\n",
		    why);
		goto out;
	}
	status = store(r, a, json_incref(json_object_get(now, "file")),
	    jtext(now, "hash", ""), add ? "Added." : "Removed.");
out:
	json_decref(now);
	rpc_close(r);
	return status;
}
