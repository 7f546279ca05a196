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

#include "agentd/json_load.h"
#include "agentd/providers/builtin_dialog.h"

#define QUOTE_LINES	40
#define PREVIEW_LINES	5

static const struct {
	enum bintent	 intent;
	const char	*command;
} commands[] = {
#define COMMAND(n, c)	{ B_##n, c },
#include "agentd/providers/builtin_commands.def"
#undef COMMAND
};

/* --- small parts ----------------------------------------------------------- */

static void
say0(struct dialog *d, enum breply r)
{
	dialog_say(d, r, NULL, NULL, NULL, NULL);
}

static void
end0(struct dialog *d, enum breply r)
{
	say0(d, r);
	dialog_done(d);
}

/* Says r with a quotation of the result as its last field and ends. */
static void
end_quote(struct dialog *d, enum breply r, const char *a0, struct str text,
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

static struct str
result_text(const struct bresult *r)
{
	return str_trim((struct str){ dbuf_str(&r->text), r->text.n });
}

static void
end_failed(struct dialog *d, const struct bresult *r)
{
	struct str	 t = result_text(r);

	if (memmem(t.p, t.n, "abort", 5) != NULL && t.n < 80)
		end0(d, R_ABORTED);
	else
		end_quote(d, R_FAILED, NULL, t, QUOTE_LINES);
}

static bool
text_has(struct str t, const char *what)
{
	size_t	 i, n = strlen(what);

	for (i = 0; i + n <= t.n; i++)
		if (ascii_ncasecmp(t.p + i, what, n) == 0)
			return true;
	return false;
}

/* Does this failure mean that there is no such file? */
static bool
is_missing(const struct bresult *r)
{
	struct str	 t = result_text(r);

	return r->is_error && (text_has(t, "no such file") ||
	    text_has(t, "not found") || text_has(t, "does not exist") ||
	    text_has(t, "not exist") || text_has(t, "ENOENT"));
}

/* A copy as C string in a buffer of the caller; "" when there is none. */
static const char *
cstr(struct str s, struct dbuf *b)
{
	dbuf_init(b, PROVIDER_BODY_MAX);
	if (s.p != NULL)
		dbuf_put(b, s.p, s.n);
	return dbuf_str(b);
}

static bool
path_usable(struct str p)
{
	return p.n > 0 && p.n <= 1024 && memchr(p.p, '\0', p.n) == NULL &&
	    memchr(p.p, '\n', p.n) == NULL;
}

/* One shell word, whatever is in it. */
static void
shell_quote(struct dbuf *out, struct str s, bool is_path)
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

static struct str
slot_path(const struct dialog *d, size_t i)
{
	struct str	 p;

	if (i == 0 && d->path.p != NULL)
		return d->path;
	p = understanding_slot(&d->u, SLOT_PATH, i);
	if (p.p == NULL)
		p = understanding_slot(&d->u, SLOT_NAME, i);
	return p;
}

static bool
call_exec(struct dialog *d, const char *command)
{
	return dialog_call(d, "exec", json_pack("{s:s}", "command", command),
	    command);
}

/* --- conversation ---------------------------------------------------------- */

static void
flow_unknown(struct dialog *d)
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
	say0(d, d->opts->configured ? R_MENU_CHOSEN : R_MENU);
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
		say0(d, R_STATUS_NO_TOOLS);
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
		call_exec(d, command);
		return;
	}
	t = result_text(r);
	if (r->is_error)
		end_failed(d, r);
	else if (d->u.intent == B_TIME && memchr(t.p, '\n', t.n) == NULL &&
	    t.n < 100) {
		dialog_say(d, R_TIME, cstr(t, &b), NULL, NULL, NULL);
		dbuf_clear(&b);
		dialog_done(d);
	} else {
		end_quote(d, R_SYS, bintent_label(d->u.intent, d->zh), t,
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
		flow_unknown(d);
		return;
	}
	c = cstr(cmd, &b);
	if ((r = dialog_result(d, "exec", 0)) != NULL) {
		t = result_text(r);
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
			end_quote(d, R_RUN_FAILED, dbuf_str(&q), t,
			    QUOTE_LINES);
		else if (t.n == 0) {
			dialog_say(d, R_RAN_QUIET, dbuf_str(&q), NULL, NULL,
			    NULL);
			dialog_done(d);
		} else
			end_quote(d, R_RAN, dbuf_str(&q), t, QUOTE_LINES);
		dbuf_clear(&q);
	} else if (!d->u.exact && d->confirm != ANSWER_YES) {
		dbuf_init(&q, 65536);
		dialog_quote(d, cmd, QUOTE_LINES, &q);
		dialog_say(d, R_ASK_RUN, dbuf_str(&q), NULL, NULL, NULL);
		dbuf_clear(&q);
		dialog_ask(d, "confirm");
	} else
		call_exec(d, c);
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
			end_failed(d, r);
		else
			end_quote(d, R_JOBS, NULL, result_text(r),
			    QUOTE_LINES);
		return;
	}
	args = json_pack("{s:s}", "action", d->u.intent == B_PROC_LIST ?
	    "list" : d->u.intent == B_PROC_LOG ? "log" : "kill");
	if (id.p != NULL) {
		json_object_set_new(args, "sessionId",
		    json_string(cstr(id, &b)));
		dbuf_clear(&b);
	}
	dialog_call(d, "process", args, NULL);
}

/* --- files ----------------------------------------------------------------- */

static void
flow_list(struct dialog *d)
{
	struct str	 p = slot_path(d, 0), t;
	struct bresult	*r;
	struct dbuf	 b, c;
	const char	*name;

	name = p.p == NULL ? dialog_phrase(d, R_WORKSPACE) : cstr(p, &b);
	if (p.p == NULL)
		dbuf_init(&b, 16);
	r = dialog_result(d, "ls", 0);
	if (r == NULL)
		r = dialog_result(d, "exec", 0);
	if (r != NULL) {
		t = result_text(r);
		if (r->is_error)
			end_failed(d, r);
		else if (t.n == 0 || (t.n < 80 && text_has(t, "empty"))) {
			dialog_say(d, R_EMPTY_FOLDER, name, NULL, NULL, NULL);
			dialog_done(d);
		} else
			end_quote(d, R_LISTED, name, t, 200);
	} else if (btools_has(d->ctx->tools, "ls")) {
		dialog_call(d, "ls", p.p == NULL ? json_object() :
		    json_pack("{s:s}", "path", name), NULL);
	} else {
		dbuf_init(&c, 8192);
		dbuf_puts(&c, "ls -lA");
		if (p.p != NULL) {
			dbuf_puts(&c, " -- ");
			shell_quote(&c, p, true);
		}
		call_exec(d, dbuf_str(&c));
		dbuf_clear(&c);
	}
	dbuf_clear(&b);
}

static void
flow_show(struct dialog *d)
{
	struct str	 p = slot_path(d, 0), a, z;
	struct bresult	*r;
	struct dbuf	 b;
	const char	*name;
	json_t		*args;
	int64_t		 from, to;

	if (p.p == NULL) {
		say0(d, R_ASK_PATH);
		dialog_ask(d, "path");
		return;
	}
	name = cstr(p, &b);
	if ((r = dialog_result(d, "read", 0)) != NULL) {
		if (is_missing(r)) {
			dialog_say(d, R_NO_FILE, name, NULL, NULL, NULL);
			dialog_done(d);
		} else if (r->is_error)
			end_failed(d, r);
		else if (result_text(r).n == 0) {
			dialog_say(d, R_EMPTY_FILE, name, NULL, NULL, NULL);
			dialog_done(d);
		} else
			end_quote(d, R_SHOWN, name, result_text(r), 200);
		dbuf_clear(&b);
		return;
	}
	args = json_pack("{s:s}", "path", name);
	a = understanding_slot(&d->u, SLOT_NUM, 0);
	z = understanding_slot(&d->u, SLOT_NUM, 1);
	if (a.p != NULL && z.p != NULL &&
	    num_parse(a, 1, 1000000000, &from) == 0 &&
	    num_parse(z, from, 1000000000, &to) == 0) {
		json_object_set_new(args, "offset", json_integer(from));
		json_object_set_new(args, "limit",
		    json_integer(to - from + 1));
	}
	dialog_call(d, "read", args, NULL);
	dbuf_clear(&b);
}

/* The text that is to be written: the slot, or the answer to our question. */
static struct str
make_content(const struct dialog *d)
{
	struct str	 t;

	if (d->content.p != NULL)
		return d->content;
	t = understanding_slot(&d->u, SLOT_TEXT, 0);
	if (t.p == NULL)
		t = understanding_slot(&d->u, SLOT_PART, 0);
	return t.p == NULL ? t : btext_unquote(t);
}

static void
call_write(struct dialog *d, const char *path, struct str content)
{
	dialog_call(d, "write", json_pack("{s:s,s:s%}", "path", path,
	    "content", content.p, content.n), NULL);
}

static void
ask_overwrite(struct dialog *d, const char *name, const struct bresult *r)
{
	struct dbuf	 q;

	if (r->is_error) {
		dialog_say(d, R_ASK_OVERWRITE_BIN, name,
		    dbuf_str(&r->text), NULL, NULL);
	} else if (result_text(r).n == 0) {
		dialog_say(d, R_ASK_OVERWRITE_BIN, name,
		    d->zh ? "空文件" : "it is empty", NULL, NULL);
	} else {
		dbuf_init(&q, 65536);
		dialog_quote(d, result_text(r), PREVIEW_LINES, &q);
		dialog_say(d, R_ASK_OVERWRITE, name, dbuf_str(&q), NULL,
		    NULL);
		dbuf_clear(&q);
	}
	dialog_ask(d, "confirm");
}

/* create: look whether it exists, ask before overwriting, write, say so. */
static void
flow_make(struct dialog *d)
{
	struct str	 p = slot_path(d, 0), content = make_content(d), own;
	struct bresult	*r;
	struct dbuf	 b;
	const char	*name;
	char		 bytes[24];

	if (p.p == NULL || !path_usable(p)) {
		say0(d, p.p == NULL ? R_ASK_PATH : R_BAD_PATH);
		dialog_ask(d, "path");
		return;
	}
	name = cstr(p, &b);
	own = (struct str){ dbuf_str(&d->texts[0]), d->texts[0].n };
	if (content.p == NULL && (text_has(own, " empty ") ||
	    text_has(own, "空的") || text_has(own, "空文件")))
		content = (struct str){ "", 0 };
	if (content.p == NULL) {
		dialog_say(d, R_ASK_CONTENT, name, NULL, NULL, NULL);
		dialog_ask(d, "content");
	} else if ((r = dialog_result(d, "write", 0)) != NULL) {
		if (r->is_error)
			end_failed(d, r);
		else {
			snprintf(bytes, sizeof(bytes), "%zu", content.n);
			dialog_say(d, R_WROTE, name, bytes, NULL, NULL);
			dialog_done(d);
		}
	} else if (d->confirm == ANSWER_YES) {
		call_write(d, name, content);
	} else if ((r = dialog_result(d, "read", 0)) == NULL) {
		/* Without a way to look, a yes stands for it. */
		if (!btools_has(d->ctx->tools, "read") &&
		    btools_has(d->ctx->tools, "write")) {
			dialog_say(d, R_ASK_OVERWRITE_BIN, name, "?", NULL,
			    NULL);
			dialog_ask(d, "confirm");
		} else
			dialog_call(d, "read", json_pack("{s:s,s:i}", "path",
			    name, "limit", PREVIEW_LINES), NULL);
	} else if (is_missing(r))
		call_write(d, name, content);
	else
		ask_overwrite(d, name, r);
	dbuf_clear(&b);
}

/* Number of places where a stands in t. */
static size_t
count_in(struct str t, struct str a)
{
	const char	*p;
	size_t		 n = 0;

	while (a.n > 0 && t.n >= a.n &&
	    (p = memmem(t.p, t.n, a.p, a.n)) != NULL) {
		n++;
		t.n -= (size_t)(p - t.p) + a.n;
		t.p = p + a.n;
	}
	return n;
}

/*
 * Adds a line at the end: an edit of the last lines, as many as make them
 * unique.  When what read showed was not all of the file, its notice is not in
 * the file, so the edit is refused and nothing is harmed.
 */
static void
append_line(struct dialog *d, const char *name, struct str line,
    const struct bresult *read, enum breply done, bool bullet)
{
	struct bresult	*r;
	struct str	 all, tail;
	struct dbuf	 b;
	const char	*p;

	r = dialog_result(d, "edit", 0);
	if (r == NULL)
		r = dialog_result(d, "write", 0);
	if (r != NULL) {
		if (r->is_error && strcmp(r->name, "edit") == 0)
			dialog_say(d, R_TOO_LONG_TO_APPEND, name, NULL, NULL,
			    NULL);
		else if (r->is_error) {
			end_failed(d, r);
			return;
		} else
			dialog_say(d, done, name, NULL, NULL, NULL);
		dialog_done(d);
		return;
	}
	dbuf_init(&b, PROVIDER_BODY_MAX);
	all = result_text(read);
	if (read->is_error && !is_missing(read)) {
		end_failed(d, read);
	} else if (read->is_error || all.n == 0) {
		dbuf_printf(&b, "%s%.*s\n", bullet ? "- " : "", (int)line.n,
		    line.p);
		call_write(d, name, (struct str){ dbuf_str(&b), b.n });
	} else {
		tail = all;
		for (p = all.p + all.n - 1; p >= all.p; p--) {
			if (p > all.p && p[-1] != '\n')
				continue;
			tail.p = p;
			tail.n = (size_t)(all.p + all.n - p);
			if (count_in(all, tail) == 1)
				break;
		}
		dbuf_printf(&b, "%.*s\n%s%.*s", (int)tail.n, tail.p,
		    bullet ? "- " : "", (int)line.n, line.p);
		dialog_call(d, "edit", json_pack("{s:s,s:s%,s:s%}", "path",
		    name, "oldText", tail.p, tail.n, "newText", dbuf_str(&b),
		    b.n), NULL);
	}
	dbuf_clear(&b);
}

static void
flow_append(struct dialog *d)
{
	struct str	 p = slot_path(d, 0), line = make_content(d);
	struct bresult	*r;
	struct dbuf	 b;
	const char	*name;

	if (p.p == NULL || !path_usable(p) || line.p == NULL) {
		flow_unknown(d);
		return;
	}
	name = cstr(p, &b);
	if ((r = dialog_result(d, "read", 0)) == NULL)
		dialog_call(d, "read", json_pack("{s:s}", "path", name), NULL);
	else
		append_line(d, name, line, r, R_APPENDED, false);
	dbuf_clear(&b);
}

/* The lines around the one place, with - and +, as a quotation. */
static void
say_diff(struct dialog *d, enum breply r, const char *name, struct str all,
    struct str a, struct str b)
{
	const char	*at = memmem(all.p, all.n, a.p, a.n), *from, *to;
	struct dbuf	 diff, q;

	if (at == NULL) {
		dialog_say(d, r, name, NULL, NULL, NULL);
		return;
	}
	for (from = at; from > all.p && from[-1] != '\n'; from--)
		;
	for (to = at + a.n; to < all.p + all.n && *to != '\n'; to++)
		;
	dbuf_init(&diff, PROVIDER_BODY_MAX);
	dbuf_init(&q, 65536);
	dbuf_printf(&diff, "- %.*s\n+ %.*s%.*s%.*s\n", (int)(to - from),
	    from, (int)(at - from), from, (int)b.n, b.p,
	    (int)(to - (at + a.n)), at + a.n);
	dialog_quote(d, (struct str){ dbuf_str(&diff), diff.n }, QUOTE_LINES,
	    &q);
	dialog_say(d, r, name, dbuf_str(&q), NULL, NULL);
	dbuf_clear(&q);
	dbuf_clear(&diff);
}

static void
flow_replace(struct dialog *d)
{
	struct str	 p = slot_path(d, 0), a, b, all;
	struct bresult	*r;
	struct dbuf	 nb, ab;
	const char	*name;
	char		 count[24];
	size_t		 n;

	a = understanding_slot(&d->u, SLOT_PART, 0);
	b = understanding_slot(&d->u, SLOT_PART, 1);
	if (b.p == NULL)
		b = understanding_slot(&d->u, SLOT_TEXT, 0);
	name = cstr(p, &nb);
	if (p.p == NULL || !path_usable(p) || a.p == NULL || b.p == NULL) {
		dialog_say(d, R_REPLACE_HOW, p.p == NULL ? "notes.txt" : name,
		    NULL, NULL, NULL);
		dialog_done(d);
		dbuf_clear(&nb);
		return;
	}
	a = btext_unquote(str_trim(a));
	b = btext_unquote(str_trim(b));
	if ((r = dialog_result(d, "edit", 0)) != NULL) {
		if (r->is_error)
			end_failed(d, r);
		else {
			r = dialog_result(d, "read", 0);
			all = r == NULL ? (struct str){ "", 0 } :
			    (struct str){ dbuf_str(&r->text), r->text.n };
			say_diff(d, R_REPLACED, name, all, a, b);
			dialog_done(d);
		}
	} else if ((r = dialog_result(d, "read", 0)) == NULL) {
		dialog_call(d, "read", json_pack("{s:s}", "path", name), NULL);
	} else if (is_missing(r)) {
		dialog_say(d, R_NO_FILE, name, NULL, NULL, NULL);
		dialog_done(d);
	} else if (r->is_error) {
		end_failed(d, r);
	} else {
		all = (struct str){ dbuf_str(&r->text), r->text.n };
		n = count_in(all, a);
		if (n != 1) {
			snprintf(count, sizeof(count), "%zu", n);
			dialog_say(d, n == 0 ? R_REPLACE_NONE : R_REPLACE_MANY,
			    name, cstr(a, &ab), count, NULL);
			dbuf_clear(&ab);
			dialog_done(d);
		} else {
			say_diff(d, R_REPLACE_DIFF, name, all, a, b);
			dialog_call(d, "edit", json_pack("{s:s,s:s%,s:s%}",
			    "path", name, "oldText", a.p, a.n, "newText",
			    b.p, b.n), NULL);
		}
	}
	dbuf_clear(&nb);
}

static void
flow_delete(struct dialog *d)
{
	struct str	 p = slot_path(d, 0);
	struct dbuf	 q;

	dbuf_init(&q, 8192);
	shell_quote(&q, p.p == NULL ? (struct str){ "…", 3 } : p, true);
	dialog_say(d, R_DELETE_HOW, dbuf_str(&q), NULL, NULL, NULL);
	dbuf_clear(&q);
	dialog_done(d);
}

/* find, grep and wc with the user's words as one argument. */
static void
flow_search(struct dialog *d)
{
	struct bresult	*r;
	struct str	 what, where, t;
	struct dbuf	 c;

	what = understanding_slot(&d->u, SLOT_TEXT, 0);
	if (what.p == NULL)
		what = understanding_slot(&d->u, SLOT_PART, 0);
	if (what.p == NULL)
		what = understanding_slot(&d->u, SLOT_WORD, 0);
	where = slot_path(d, 0);
	if (what.p == NULL)
		what = where;
	if (what.p == NULL || !path_usable(what)) {
		flow_unknown(d);
		return;
	}
	what = btext_unquote(what);
	if ((r = dialog_result(d, "exec", 0)) != NULL) {
		t = result_text(r);
		if (d->u.intent == B_COUNT && !r->is_error)
			end_quote(d, R_COUNTED, NULL, t, QUOTE_LINES);
		else if (t.n == 0 || (t.n < 200 && (text_has(t,
		    "no output") || text_has(t, "code 1"))))
			end0(d, R_FOUND_NOTHING);
		else if (r->is_error)
			end_failed(d, r);
		else
			end_quote(d, R_FOUND, NULL, t, QUOTE_LINES);
		return;
	}
	dbuf_init(&c, 16384);
	switch (d->u.intent) {
	case B_COUNT:
		dbuf_puts(&c, "wc -l -- ");
		shell_quote(&c, what, true);
		break;
	case B_GREP:
		dbuf_puts(&c, "grep -rnIF -e ");
		shell_quote(&c, what, false);
		dbuf_puts(&c, " -- ");
		if (where.p != NULL && where.p != what.p)
			shell_quote(&c, where, true);
		else
			dbuf_puts(&c, ".");
		break;
	default:
		dbuf_puts(&c, "find . -iname ");
		if (understanding_slot(&d->u, SLOT_WORD, 0).p != NULL) {
			struct dbuf	 g;

			dbuf_init(&g, 1024);
			dbuf_printf(&g, "*%.*s*", (int)what.n, what.p);
			shell_quote(&c, (struct str){ dbuf_str(&g), g.n },
			    false);
			dbuf_clear(&g);
		} else
			shell_quote(&c, what, false);
		break;
	}
	call_exec(d, dbuf_str(&c));
	dbuf_clear(&c);
}

/* --- notes ----------------------------------------------------------------- */

static void
flow_note(struct dialog *d)
{
	char		 when[25], path[40];
	struct bresult	*r;
	struct str	 text = make_content(d);

	iso_time(d->opts->now_ms, when);
	when[10] = '\0';
	snprintf(path, sizeof(path), "memory/%s.md", when);
	if ((r = dialog_result(d, "read", 0)) == NULL) {
		dialog_call(d, "read", json_pack("{s:s}", "path", path), NULL);
	} else if (d->u.intent == B_NOTE_ADD && text.p != NULL) {
		append_line(d, path, text, r, R_NOTED, true);
	} else if (is_missing(r) || (!r->is_error && result_text(r).n == 0)) {
		end0(d, R_NO_NOTES);
	} else if (r->is_error) {
		end_failed(d, r);
	} else
		end_quote(d, R_SHOWN, path, result_text(r), 200);
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
		say0(d, R_DEMO_START);
		if (execs == 0)
			dialog_call(d, "ls", json_object(), NULL);
		else
			call_exec(d, "ls -lA");
	} else if ((r = dialog_result(d, "read", 0)) == NULL) {
		/* Is it there from an earlier tour? */
		dialog_call(d, "read", json_pack("{s:s}", "path", DEMO_PATH),
		    NULL);
	} else if (!wrote && is_missing(r)) {
		dialog_say(d, R_DEMO_WRITE, DEMO_PATH, NULL, NULL, NULL);
		call_write(d, DEMO_PATH, hello);
	} else if (wrote && dialog_result(d, "read", 1) == NULL) {
		say0(d, R_DEMO_READ);
		dialog_call(d, "read", json_pack("{s:s}", "path", DEMO_PATH),
		    NULL);
	} else if (dialog_result(d, "exec", execs) == NULL) {
		if (!wrote)
			dialog_say(d, R_DEMO_KEEP, DEMO_PATH, NULL, NULL,
			    NULL);
		say0(d, R_DEMO_RUN);
		call_exec(d, DEMO_COMMAND);
	} else if ((r = dialog_result(d, "read", wrote ? 2 : 1)) == NULL) {
		say0(d, R_DEMO_OUTSIDE);
		dialog_call(d, "read", json_pack("{s:s}", "path",
		    "/etc/shadow"), NULL);
	} else {
		say0(d, r->is_error ? R_DEMO_DENIED : R_DEMO_NOT_DENIED);
		end_quote(d, R_DEMO_END, NULL,
		    result_text(dialog_result(d, "exec", execs)), 10);
	}
}

/* --- checks ---------------------------------------------------------------- */

struct check { bool ok; enum breply say, fix; char arg[160]; };

static int
level_rank(const char *level)
{
	if (strcmp(level, "fail") == 0)
		return 3;
	if (strcmp(level, "warn") == 0)
		return 2;
	if (strcmp(level, "skip") == 0)
		return 0;
	return 1;
}

/* The report of the tool diagnose: worst first, at most 12 lines. */
static void
end_diagnose(struct dialog *d, const struct bresult *r)
{
	json_t		*root, *list, *row, *fix;
	struct dbuf	 good;
	char		 total[24], bad[24];
	size_t		 i, nbad = 0, n, lines = 0;
	int		 rank;

	root = json_load_bounded(dbuf_str(&r->text), r->text.n,
	    JSON_LOAD_DEPTH);
	list = json_object_get(root, "results");
	if ((n = json_array_size(list)) == 0) {
		json_decref(root);
		end_quote(d, R_RESULT, NULL, result_text(r), QUOTE_LINES);
		return;
	}
	for (i = 0; i < n; i++)
		if (level_rank(json_text(json_array_get(list, i), "level",
		    "")) >= 2)
			nbad++;
	snprintf(total, sizeof(total), "%zu", n);
	snprintf(bad, sizeof(bad), "%zu", nbad);
	dialog_say(d, nbad == 0 ? R_DIAG_OK : R_DIAG_BAD, total, bad, NULL,
	    NULL);
	dbuf_puts(&d->out, "\n");
	for (rank = 3; rank >= 2; rank--)
		for (i = 0; i < n; i++) {
			row = json_array_get(list, i);
			if (level_rank(json_text(row, "level", "")) != rank)
				continue;
			if (++lines > 12)
				continue;
			dbuf_printf(&d->out, "\n- **%s** %s: %s",
			    json_text(row, "level", "?"),
			    json_text(row, "title", json_text(row, "id",
			    "?")), json_text(row, "detail", ""));
			fix = json_array_get(json_object_get(row, "fixes"),
			    0);
			if (fix != NULL) {
				dbuf_puts(&d->out, "\n");
				dialog_say(d, R_DIAG_FIX, json_text(fix,
				    "text", ""), NULL, NULL, NULL);
			}
		}
	if (lines > 12) {
		char	 more[24];

		snprintf(more, sizeof(more), "%zu", lines - 12);
		dbuf_puts(&d->out, "\n- ");
		dialog_say(d, R_DIAG_MORE, more, NULL, NULL, NULL);
	}
	dbuf_init(&good, 8192);
	for (i = 0; i < n; i++) {
		row = json_array_get(list, i);
		if (level_rank(json_text(row, "level", "")) == 1)
			dbuf_printf(&good, "%s%s", good.n == 0 ? "" : ", ",
			    json_text(row, "title", json_text(row, "id",
			    "?")));
	}
	if (good.n > 0) {
		dbuf_puts(&d->out, "\n\n");
		dialog_say(d, R_DIAG_GOOD, dbuf_str(&good), NULL, NULL, NULL);
	}
	dbuf_clear(&good);
	json_decref(root);
	dbuf_puts(&d->out, "\n\n");
	say0(d, R_DIAG_GATEWAY);
	dialog_done(d);
}

/* The last number before a per cent sign; -1 when there is none. */
static int
percent_in(struct str t)
{
	size_t	 i, k;
	int	 v = -1;

	for (i = 1; i < t.n; i++)
		if (t.p[i] == '%' && ascii_isdigit(t.p[i - 1])) {
			for (k = i; k > 0 && i - k < 3 &&
			    ascii_isdigit(t.p[k - 1]); k--)
				;
			for (v = 0; k < i; k++)
				v = v * 10 + (t.p[k] - '0');
		}
	return v;
}

/* Without the tool diagnose: fixed probes through exec and ls. */
static const char *const probes[] = { "uname -srm",
	"grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status", "df -P .",
	"ls -A" };

static void
end_probes(struct dialog *d)
{
	struct check	 c[8];
	struct bresult	*r;
	struct str	 t;
	size_t		 n = 0, i, bad = 0;
	char		 total[24], nbad[24];
	int		 used;

	memset(c, 0, sizeof(c));
	r = dialog_result(d, "exec", 0);
	t = result_text(r);
	c[n].ok = !r->is_error;
	c[n].say = r->is_error ? R_DIAG_RUNS_NOT : R_DIAG_RUNS;
	c[n].fix = R_DIAG_RUNS_FIX;
	t.n = utf8_cut(t.p, t.n, sizeof(c[n].arg) - 1);
	str_copy(t, c[n].arg, sizeof(c[n].arg));
	n++;
	if ((r = dialog_result(d, "exec", 1)) != NULL && !r->is_error) {
		t = result_text(r);
		c[n].ok = text_has(t, "NoNewPrivs:\t1") &&
		    text_has(t, "Seccomp:\t2");
		c[n].say = c[n].ok ? R_DIAG_SECCOMP : R_DIAG_SECCOMP_NOT;
		c[n].fix = R_DIAG_RUNS_FIX;
		n++;
	}
	if ((r = dialog_result(d, "exec", 2)) != NULL && !r->is_error &&
	    (used = percent_in(result_text(r))) >= 0) {
		c[n].ok = used < 90;
		c[n].say = c[n].ok ? R_DIAG_DISK : R_DIAG_DISK_FULL;
		c[n].fix = R_DIAG_DISK_FIX;
		snprintf(c[n].arg, sizeof(c[n].arg), "%d %%", used);
		n++;
	}
	if ((r = dialog_result(d, "exec", 3)) != NULL) {
		t = result_text(r);
		c[n].ok = !r->is_error;
		c[n].say = c[n].ok ? R_DIAG_FILES : R_DIAG_FILES_NOT;
		c[n].fix = R_DIAG_FILES_FIX;
		t.n = utf8_cut(t.p, t.n, sizeof(c[n].arg) - 1);
		if (!c[n].ok)
			str_copy(t, c[n].arg, sizeof(c[n].arg));
		n++;
	}
	for (i = 0; i < n; i++)
		bad += !c[i].ok;
	snprintf(total, sizeof(total), "%zu", n);
	snprintf(nbad, sizeof(nbad), "%zu", bad);
	dialog_say(d, bad == 0 ? R_DIAG_OK : R_DIAG_BAD, total, nbad, NULL,
	    NULL);
	dbuf_puts(&d->out, "\n");
	for (used = 0; used < 2; used++)
		for (i = 0; i < n; i++) {
			if (c[i].ok != (used == 1))
				continue;
			dbuf_printf(&d->out, "\n- **%s** ", c[i].ok ? "ok" :
			    "fail");
			dialog_say(d, c[i].say, c[i].arg, NULL, NULL, NULL);
			if (!c[i].ok) {
				dbuf_puts(&d->out, "\n");
				dialog_say(d, R_DIAG_FIX,
				    dialog_phrase(d, c[i].fix), NULL, NULL,
				    NULL);
			}
		}
	dbuf_puts(&d->out, "\n- **info** ");
	if (d->opts->configured)
		dialog_say(d, R_MODEL, d->model->provider, d->model->id, NULL,
		    NULL);
	else
		say0(d, R_DIAG_MODEL);
	dbuf_puts(&d->out, "\n\n");
	say0(d, R_DIAG_GATEWAY);
	dialog_done(d);
}

static void
flow_diagnose(struct dialog *d)
{
	struct bresult	*r;
	size_t		 i;
	bool		 jail = d->u.intent == B_DIAG_SANDBOX;

	if ((r = dialog_result(d, "diagnose", 0)) != NULL) {
		if (r->is_error)
			end_failed(d, r);
		else
			end_diagnose(d, r);
	} else if (btools_has(d->ctx->tools, "diagnose")) {
		dialog_call(d, "diagnose", jail ? json_pack("{s:[s],s:b}",
		    "checks", "jail", "deep", 1) : json_object(), NULL);
	} else if (dialog_result(d, "exec", 0) != NULL) {
		end_probes(d);
	} else {
		for (i = 0; i < sizeof(probes) / sizeof(probes[0]); i++)
			if (!call_exec(d, probes[i]))
				break;
	}
}

/* --- the table ------------------------------------------------------------- */

static void
flow_choose(struct dialog *d)
{
	size_t	 i;

	switch (d->u.intent) {
	case B_HELP:
		end0(d, R_HELP);
		return;
	case B_HELLO:
		end0(d, R_HELLO);
		return;
	case B_THANKS:
		end0(d, R_THANKS);
		return;
	case B_BYE:
		end0(d, R_BYE);
		return;
	case B_WHO:
		end0(d, R_WHO);
		return;
	case B_DEMO:
		flow_demo(d);
		return;
	case B_STATUS:
		flow_status(d);
		return;
	case B_DIAG:
	case B_DIAG_SANDBOX:
		flow_diagnose(d);
		return;
	case B_LIST:
		flow_list(d);
		return;
	case B_SHOW:
		flow_show(d);
		return;
	case B_MAKE:
		flow_make(d);
		return;
	case B_APPEND:
		flow_append(d);
		return;
	case B_REPLACE:
		flow_replace(d);
		return;
	case B_DELETE:
		flow_delete(d);
		return;
	case B_FIND:
	case B_GREP:
	case B_COUNT:
		flow_search(d);
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
		flow_note(d);
		return;
	case B_MODEL:
		flow_model(d);
		return;
	case B_SETUP_MODEL:
		end0(d, R_SETUP_MODEL);
		return;
	case B_SETUP_CHANNEL:
		end0(d, R_SETUP_CHANNEL);
		return;
	case B_SETUP_PAIR:
		end0(d, R_SETUP_PAIR);
		return;
	case B_REMIND:
		end0(d, R_REMIND);
		return;
	case B_WEB:
		end0(d, R_WEB);
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
		flow_unknown(d);
		return;
	}
}

void
dialog_run(struct dialog *d)
{
	flow_choose(d);
}
