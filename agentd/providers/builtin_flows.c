/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the built-in helper does about each wish.  A flow is a function of the
 * wish and of the tool results that have come so far: it either asks for the
 * next tool call, puts a question, or says the last word.  It acts through
 * tool calls only (EP-4), overwrites nothing without a yes, and puts text of
 * the user into a command only as one quoted argument (EP-13) or, where the
 * user gave the command, verbatim.
 */

#include "common/compat.h"

#include <inttypes.h>

#include "agentd/providers/builtin_flows.h"

static const struct {
	enum bintent	 intent;
	const char	*command;
} commands[] = {
#define COMMAND(n, c)	{ B_##n, c },
#include "agentd/providers/builtin_commands.def"
#undef COMMAND
};

/* --- small parts ----------------------------------------------------------- */

void
bflow_say(struct dialog *d, enum breply r)
{
	dialog_say(d, r, NULL, NULL, NULL, NULL);
}

void
bflow_end(struct dialog *d, enum breply r)
{
	bflow_say(d, r);
	dialog_done(d);
}

/* Says r with a quotation of the result as its last field and ends. */
void
bflow_end_quote(struct dialog *d, enum breply r, const char *a0, struct str text,
    size_t lines)
{
	struct dbuf	 q;

	dbuf_init(&q, 65536);
	dialog_quote(d, text, lines, &q);
	if (a0 != NULL)
		dialog_say(d, r, a0, dbuf_str(&q), NULL, NULL);
	else
		dialog_say(d, r, dbuf_str(&q), NULL, NULL, NULL);
	dbuf_clear(&q);
	dialog_done(d);
}

struct str
bflow_result(const struct bresult *r)
{
	return str_trim((struct str){ dbuf_str(&r->text), r->text.n });
}

void
bflow_end_failed(struct dialog *d, const struct bresult *r)
{
	struct str	 t = bflow_result(r);

	if (memmem(t.p, t.n, "abort", 5) != NULL && t.n < 80)
		bflow_end(d, R_ABORTED);
	else
		bflow_end_quote(d, R_FAILED, NULL, t, QUOTE_LINES);
}

bool
bflow_has(struct str t, const char *what)
{
	size_t	 i, n = strlen(what);

	for (i = 0; i + n <= t.n; i++)
		if (ascii_ncasecmp(t.p + i, what, n) == 0)
			return true;
	return false;
}

/* Does this failure mean that there is no such file? */
bool
bflow_missing(const struct bresult *r)
{
	struct str	 t = bflow_result(r);

	return r->is_error && (bflow_has(t, "no such file") ||
	    bflow_has(t, "not found") || bflow_has(t, "does not exist") ||
	    bflow_has(t, "not exist") || bflow_has(t, "ENOENT"));
}

/* A copy as C string in a buffer of the caller; "" when there is none. */
const char *
bflow_cstr(struct str s, struct dbuf *b)
{
	dbuf_init(b, PROVIDER_BODY_MAX);
	if (s.p != NULL)
		dbuf_put(b, s.p, s.n);
	return dbuf_str(b);
}

bool
bflow_path_usable(struct str p)
{
	return p.n > 0 && p.n <= 1024 && memchr(p.p, '\0', p.n) == NULL &&
	    memchr(p.p, '\n', p.n) == NULL;
}

/* One shell word, whatever is in it. */
void
bflow_shell_quote(struct dbuf *out, struct str s, bool is_path)
{
	size_t	 i;

	dbuf_putc(out, '\'');
	if (is_path && s.n > 0 && s.p[0] == '-')
		dbuf_puts(out, "./");
	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '\'')
			dbuf_puts(out, "'\\''");
		else
			dbuf_putc(out, s.p[i]);
	}
	dbuf_putc(out, '\'');
}

struct str
bflow_path(const struct dialog *d, size_t i)
{
	struct str	 p;

	if (i == 0 && d->path.p != NULL)
		return d->path;
	p = understanding_slot(&d->u, SLOT_PATH, i);
	if (p.p == NULL)
		p = understanding_slot(&d->u, SLOT_NAME, i);
	return p;
}

bool
bflow_exec(struct dialog *d, const char *command)
{
	return dialog_call(d, "exec", json_pack("{s:s}", "command", command),
	    command);
}

/* --- conversation ---------------------------------------------------------- */

void
bflow_unknown(struct dialog *d)
{
	struct dbuf	 list;
	size_t		 i;

	if (d->u.nchoice > 0) {
		dbuf_init(&list, 4096);
		for (i = 0; i < d->u.nchoice; i++)
			dbuf_printf(&list, "%zu. %s\n", i + 1,
			    bintent_label(d->u.choice[i], d->zh));
		dialog_say(d, R_DID_YOU_MEAN, dbuf_str(&list), NULL, NULL,
		    NULL);
		dbuf_clear(&list);
		dialog_ask(d, "choice");
		return;
	}
	/* "No model is configured" is only said where it is true. */
	bflow_say(d, d->opts->configured ? R_MENU_CHOSEN : R_MENU);
	dialog_ask(d, "menu");
}

static void
flow_model(struct dialog *d)
{
	dialog_say(d, R_MODEL, d->model->provider, d->model->id, NULL, NULL);
	dialog_done(d);
}

static void
flow_status(struct dialog *d)
{
	char		 n[24], tokens[24];
	struct dbuf	 names;
	uint64_t	 sum = 0;
	size_t		 i, count = json_array_size(d->ctx->messages);

	for (i = 0; i < count; i++)
		sum += bmsg_tokens(json_array_get(d->ctx->messages, i));
	snprintf(n, sizeof(n), "%zu", count);
	snprintf(tokens, sizeof(tokens), "%" PRIu64, sum);
	dialog_say(d, R_STATUS, d->model->provider, d->model->id, n, tokens);
	dbuf_puts(&d->out, "\n\n");
	dbuf_init(&names, 65536);
	for (i = 0; i < json_array_size(d->ctx->tools); i++)
		dbuf_printf(&names, "%s`%s`", i == 0 ? "" : ", ",
		    json_text(json_array_get(d->ctx->tools, i), "name", "?"));
	if (i == 0)
		bflow_say(d, R_STATUS_NO_TOOLS);
	else
		dialog_say(d, R_STATUS_TOOLS, dbuf_str(&names), NULL, NULL,
		    NULL);
	dbuf_clear(&names);
	dialog_done(d);
}

/* --- the machine ----------------------------------------------------------- */

static void
flow_system(struct dialog *d, const char *command)
{
	struct bresult	*r;
	struct str	 t;
	struct dbuf	 b;

	if ((r = dialog_result(d, "exec", 0)) == NULL) {
		bflow_exec(d, command);
		return;
	}
	t = bflow_result(r);
	if (r->is_error)
		bflow_end_failed(d, r);
	else if (d->u.intent == B_TIME && memchr(t.p, '\n', t.n) == NULL &&
	    t.n < 100) {
		dialog_say(d, R_TIME, bflow_cstr(t, &b), NULL, NULL, NULL);
		dbuf_clear(&b);
		dialog_done(d);
	} else {
		bflow_end_quote(d, R_SYS, bintent_label(d->u.intent, d->zh), t,
		    QUOTE_LINES);
	}
}

static void
flow_run(struct dialog *d)
{
	struct str	 cmd = understanding_slot(&d->u, SLOT_CMD, 0), t;
	struct bresult	*r;
	struct dbuf	 b, q;
	const char	*c;

	if (cmd.p == NULL || memchr(cmd.p, '\0', cmd.n) != NULL) {
		bflow_unknown(d);
		return;
	}
	c = bflow_cstr(cmd, &b);
	if ((r = dialog_result(d, "exec", 0)) != NULL) {
		t = bflow_result(r);
		dbuf_init(&q, 4096);
		dbuf_put(&q, cmd.p, utf8_cut(cmd.p, cmd.n, 60));
		if (cmd.n > 60)
			dbuf_puts(&q, "…");
		if (memchr(q.p, '\n', q.n) != NULL ||
		    memchr(q.p, '`', q.n) != NULL) {
			dbuf_reset(&q);
			dbuf_puts(&q, "exec");
		}
		if (r->is_error)
			bflow_end_quote(d, R_RUN_FAILED, dbuf_str(&q), t,
			    QUOTE_LINES);
		else if (t.n == 0) {
			dialog_say(d, R_RAN_QUIET, dbuf_str(&q), NULL, NULL,
			    NULL);
			dialog_done(d);
		} else
			bflow_end_quote(d, R_RAN, dbuf_str(&q), t, QUOTE_LINES);
		dbuf_clear(&q);
	} else if (!d->u.exact && d->confirm != ANSWER_YES) {
		dbuf_init(&q, 65536);
		dialog_quote(d, cmd, QUOTE_LINES, &q);
		dialog_say(d, R_ASK_RUN, dbuf_str(&q), NULL, NULL, NULL);
		dbuf_clear(&q);
		dialog_ask(d, "confirm");
	} else
		bflow_exec(d, c);
	dbuf_clear(&b);
}

static void
flow_process(struct dialog *d)
{
	struct str	 id = understanding_slot(&d->u, SLOT_WORD, 0);
	struct bresult	*r;
	struct dbuf	 b;
	json_t		*args;

	if ((r = dialog_result(d, "process", 0)) != NULL) {
		if (r->is_error)
			bflow_end_failed(d, r);
		else
			bflow_end_quote(d, R_JOBS, NULL, bflow_result(r),
			    QUOTE_LINES);
		return;
	}
	args = json_pack("{s:s}", "action", d->u.intent == B_PROC_LIST ?
	    "list" : d->u.intent == B_PROC_LOG ? "log" : "kill");
	if (id.p != NULL) {
		json_object_set_new(args, "sessionId",
		    json_string(bflow_cstr(id, &b)));
		dbuf_clear(&b);
	}
	dialog_call(d, "process", args, NULL);
}

/* --- tour ------------------------------------------------------------------ */

#define DEMO_PATH	"demo/hello.txt"
#define DEMO_COMMAND	"date"

static void
flow_demo(struct dialog *d)
{
	struct bresult	*r;
	const char	*look = btools_has(d->ctx->tools, "ls") ? "ls" : "exec";
	struct str	 hello;
	size_t		 execs = look[0] == 'l' ? 0 : 1;
	bool		 wrote;

	hello.p = d->zh ? "这是内置助手写的。\n" :
	    "The built-in helper wrote this.\n";
	hello.n = strlen(hello.p);
	wrote = dialog_result(d, "write", 0) != NULL;
	if (dialog_result(d, look, 0) == NULL) {
		bflow_say(d, R_DEMO_START);
		if (execs == 0)
			dialog_call(d, "ls", json_object(), NULL);
		else
			bflow_exec(d, "ls -lA");
	} else if ((r = dialog_result(d, "read", 0)) == NULL) {
		/* Is it there from an earlier tour? */
		dialog_call(d, "read", json_pack("{s:s}", "path", DEMO_PATH),
		    NULL);
	} else if (!wrote && bflow_missing(r)) {
		dialog_say(d, R_DEMO_WRITE, DEMO_PATH, NULL, NULL, NULL);
		bflow_write(d, DEMO_PATH, hello);
	} else if (wrote && dialog_result(d, "read", 1) == NULL) {
		bflow_say(d, R_DEMO_READ);
		dialog_call(d, "read", json_pack("{s:s}", "path", DEMO_PATH),
		    NULL);
	} else if (dialog_result(d, "exec", execs) == NULL) {
		if (!wrote)
			dialog_say(d, R_DEMO_KEEP, DEMO_PATH, NULL, NULL,
			    NULL);
		bflow_say(d, R_DEMO_RUN);
		bflow_exec(d, DEMO_COMMAND);
	} else if ((r = dialog_result(d, "read", wrote ? 2 : 1)) == NULL) {
		bflow_say(d, R_DEMO_OUTSIDE);
		dialog_call(d, "read", json_pack("{s:s}", "path",
		    "/etc/shadow"), NULL);
	} else {
		bflow_say(d, r->is_error ? R_DEMO_DENIED : R_DEMO_NOT_DENIED);
		bflow_end_quote(d, R_DEMO_END, NULL,
		    bflow_result(dialog_result(d, "exec", execs)), 10);
	}
}

/* --- the table ------------------------------------------------------------- */

static void
flow_choose(struct dialog *d)
{
	size_t	 i;

	switch (d->u.intent) {
	case B_HELP:
		bflow_end(d, R_HELP);
		return;
	case B_HELLO:
		bflow_end(d, R_HELLO);
		return;
	case B_THANKS:
		bflow_end(d, R_THANKS);
		return;
	case B_BYE:
		bflow_end(d, R_BYE);
		return;
	case B_WHO:
		bflow_end(d, R_WHO);
		return;
	case B_DEMO:
		flow_demo(d);
		return;
	case B_STATUS:
		flow_status(d);
		return;
	case B_DIAG:
	case B_DIAG_SANDBOX:
		bflow_diagnose(d);
		return;
	case B_LIST:
		bflow_list(d);
		return;
	case B_SHOW:
		bflow_show(d);
		return;
	case B_MAKE:
		bflow_make(d);
		return;
	case B_APPEND:
		bflow_append(d);
		return;
	case B_REPLACE:
		bflow_replace(d);
		return;
	case B_DELETE:
		bflow_delete(d);
		return;
	case B_FIND:
	case B_GREP:
	case B_COUNT:
		bflow_search(d);
		return;
	case B_RUN:
		flow_run(d);
		return;
	case B_PROC_LIST:
	case B_PROC_LOG:
	case B_PROC_KILL:
		flow_process(d);
		return;
	case B_NOTE_ADD:
	case B_NOTE_LIST:
		bflow_note(d);
		return;
	case B_MODEL:
		flow_model(d);
		return;
	case B_SETUP_MODEL:
		bflow_end(d, R_SETUP_MODEL);
		return;
	case B_SETUP_CHANNEL:
		bflow_end(d, R_SETUP_CHANNEL);
		return;
	case B_SETUP_PAIR:
		bflow_end(d, R_SETUP_PAIR);
		return;
	case B_REMIND:
		bflow_end(d, R_REMIND);
		return;
	case B_WEB:
		bflow_web(d);
		return;
	case B_TIME:
	case B_DISK:
	case B_MEM:
	case B_UPTIME:
	case B_OS:
	case B_IP:
		for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (commands[i].intent == d->u.intent)
				flow_system(d, commands[i].command);
		return;
	case B_UNKNOWN:
	case B_MAX:
		bflow_unknown(d);
		return;
	}
}

void
dialog_run(struct dialog *d)
{
	flow_choose(d);
}
