/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Files and notes of the built-in helper: looks before it writes, overwrites
 * nothing without a yes, and puts the user's words into a command only as one
 * quoted argument (EP-13).
 */

#include "common/compat.h"

#include "agentd/providers/builtin_flows.h"

/* --- files ----------------------------------------------------------------- */

void
bflow_list(struct dialog *d)
{
	struct str	 p = bflow_path(d, 0), t;
	struct bresult	*r;
	struct dbuf	 b, c;
	const char	*name;

	name = p.p == NULL ? dialog_phrase(d, R_WORKSPACE) : bflow_cstr(p, &b);
	if (p.p == NULL)
		dbuf_init(&b, 16);
	r = dialog_result(d, "ls", 0);
	if (r == NULL)
		r = dialog_result(d, "exec", 0);
	if (r != NULL) {
		t = bflow_result(r);
		if (r->is_error)
			bflow_end_failed(d, r);
		else if (t.n == 0 || (t.n < 80 && bflow_has(t, "empty"))) {
			dialog_say(d, R_EMPTY_FOLDER, name, NULL, NULL, NULL);
			dialog_done(d);
		} else
			bflow_end_quote(d, R_LISTED, name, t, 200);
	} else if (btools_has(d->ctx->tools, "ls")) {
		dialog_call(d, "ls", p.p == NULL ? json_object() :
		    json_pack("{s:s}", "path", name), NULL);
	} else {
		dbuf_init(&c, 8192);
		dbuf_puts(&c, "ls -lA");
		if (p.p != NULL) {
			dbuf_puts(&c, " -- ");
			bflow_shell_quote(&c, p, true);
		}
		bflow_exec(d, dbuf_str(&c));
		dbuf_clear(&c);
	}
	dbuf_clear(&b);
}

void
bflow_show(struct dialog *d)
{
	struct str	 p = bflow_path(d, 0), a, z;
	struct bresult	*r;
	struct dbuf	 b;
	const char	*name;
	json_t		*args;
	int64_t		 from, to;

	if (p.p == NULL) {
		bflow_say(d, R_ASK_PATH);
		dialog_ask(d, "path");
		return;
	}
	if (bflow_is_address(p)) {
		bflow_web(d);
		return;
	}
	name = bflow_cstr(p, &b);
	if ((r = dialog_result(d, "read", 0)) != NULL) {
		if (bflow_missing(r)) {
			dialog_say(d, R_NO_FILE, name, NULL, NULL, NULL);
			dialog_done(d);
		} else if (r->is_error)
			bflow_end_failed(d, r);
		else if (bflow_result(r).n == 0) {
			dialog_say(d, R_EMPTY_FILE, name, NULL, NULL, NULL);
			dialog_done(d);
		} else
			bflow_end_quote(d, R_SHOWN, name, bflow_result(r), 200);
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

void
bflow_write(struct dialog *d, const char *path, struct str content)
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
	} else if (bflow_result(r).n == 0) {
		dialog_say(d, R_ASK_OVERWRITE_BIN, name,
		    d->zh ? "空文件" : "it is empty", NULL, NULL);
	} else {
		dbuf_init(&q, 65536);
		dialog_quote(d, bflow_result(r), PREVIEW_LINES, &q);
		dialog_say(d, R_ASK_OVERWRITE, name, dbuf_str(&q), NULL,
		    NULL);
		dbuf_clear(&q);
	}
	dialog_ask(d, "confirm");
}

/* create: look whether it exists, ask before overwriting, write, say so. */
void
bflow_make(struct dialog *d)
{
	struct str	 p = bflow_path(d, 0), content = make_content(d), own;
	struct bresult	*r;
	struct dbuf	 b;
	const char	*name;
	char		 bytes[24];

	if (p.p == NULL || !bflow_path_usable(p)) {
		bflow_say(d, p.p == NULL ? R_ASK_PATH : R_BAD_PATH);
		dialog_ask(d, "path");
		return;
	}
	name = bflow_cstr(p, &b);
	own = (struct str){ dbuf_str(&d->texts[0]), d->texts[0].n };
	if (content.p == NULL && (bflow_has(own, " empty ") ||
	    bflow_has(own, "空的") || bflow_has(own, "空文件")))
		content = (struct str){ "", 0 };
	if (content.p == NULL) {
		dialog_say(d, R_ASK_CONTENT, name, NULL, NULL, NULL);
		dialog_ask(d, "content");
	} else if ((r = dialog_result(d, "write", 0)) != NULL) {
		if (r->is_error)
			bflow_end_failed(d, r);
		else {
			snprintf(bytes, sizeof(bytes), "%zu", content.n);
			dialog_say(d, R_WROTE, name, bytes, NULL, NULL);
			dialog_done(d);
		}
	} else if (d->confirm == ANSWER_YES) {
		bflow_write(d, name, content);
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
	} else if (bflow_missing(r))
		bflow_write(d, name, content);
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
			bflow_end_failed(d, r);
			return;
		} else
			dialog_say(d, done, name, NULL, NULL, NULL);
		dialog_done(d);
		return;
	}
	dbuf_init(&b, PROVIDER_BODY_MAX);
	all = bflow_result(read);
	if (read->is_error && !bflow_missing(read)) {
		bflow_end_failed(d, read);
	} else if (read->is_error || all.n == 0) {
		dbuf_printf(&b, "%s%.*s\n", bullet ? "- " : "", (int)line.n,
		    line.p);
		bflow_write(d, name, (struct str){ dbuf_str(&b), b.n });
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

void
bflow_append(struct dialog *d)
{
	struct str	 p = bflow_path(d, 0), line = make_content(d);
	struct bresult	*r;
	struct dbuf	 b;
	const char	*name;

	if (p.p == NULL || !bflow_path_usable(p) || line.p == NULL) {
		bflow_unknown(d);
		return;
	}
	name = bflow_cstr(p, &b);
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

void
bflow_replace(struct dialog *d)
{
	struct str	 p = bflow_path(d, 0), a, b, all;
	struct bresult	*r;
	struct dbuf	 nb, ab;
	const char	*name;
	char		 count[24];
	size_t		 n;

	a = understanding_slot(&d->u, SLOT_PART, 0);
	b = understanding_slot(&d->u, SLOT_PART, 1);
	if (b.p == NULL)
		b = understanding_slot(&d->u, SLOT_TEXT, 0);
	name = bflow_cstr(p, &nb);
	if (p.p == NULL || !bflow_path_usable(p) || a.p == NULL || b.p == NULL) {
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
			bflow_end_failed(d, r);
		else {
			r = dialog_result(d, "read", 0);
			all = r == NULL ? (struct str){ "", 0 } :
			    (struct str){ dbuf_str(&r->text), r->text.n };
			say_diff(d, R_REPLACED, name, all, a, b);
			dialog_done(d);
		}
	} else if ((r = dialog_result(d, "read", 0)) == NULL) {
		dialog_call(d, "read", json_pack("{s:s}", "path", name), NULL);
	} else if (bflow_missing(r)) {
		dialog_say(d, R_NO_FILE, name, NULL, NULL, NULL);
		dialog_done(d);
	} else if (r->is_error) {
		bflow_end_failed(d, r);
	} else {
		all = (struct str){ dbuf_str(&r->text), r->text.n };
		n = count_in(all, a);
		if (n != 1) {
			snprintf(count, sizeof(count), "%zu", n);
			dialog_say(d, n == 0 ? R_REPLACE_NONE : R_REPLACE_MANY,
			    name, bflow_cstr(a, &ab), count, NULL);
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

void
bflow_delete(struct dialog *d)
{
	struct str	 p = bflow_path(d, 0);
	struct dbuf	 q;

	dbuf_init(&q, 8192);
	bflow_shell_quote(&q, p.p == NULL ? (struct str){ "…", 3 } : p, true);
	dialog_say(d, R_DELETE_HOW, dbuf_str(&q), NULL, NULL, NULL);
	dbuf_clear(&q);
	dialog_done(d);
}

/* find, grep and wc with the user's words as one argument. */
void
bflow_search(struct dialog *d)
{
	struct bresult	*r;
	struct str	 what, where, t;
	struct dbuf	 c;

	what = understanding_slot(&d->u, SLOT_TEXT, 0);
	if (what.p == NULL)
		what = understanding_slot(&d->u, SLOT_PART, 0);
	if (what.p == NULL)
		what = understanding_slot(&d->u, SLOT_WORD, 0);
	where = bflow_path(d, 0);
	if (what.p == NULL)
		what = where;
	if (what.p == NULL || !bflow_path_usable(what)) {
		bflow_unknown(d);
		return;
	}
	what = btext_unquote(what);
	if ((r = dialog_result(d, "exec", 0)) != NULL) {
		t = bflow_result(r);
		if (d->u.intent == B_COUNT && !r->is_error)
			bflow_end_quote(d, R_COUNTED, NULL, t, QUOTE_LINES);
		else if (t.n == 0 || (t.n < 200 && (bflow_has(t,
		    "no output") || bflow_has(t, "code 1"))))
			bflow_end(d, R_FOUND_NOTHING);
		else if (r->is_error)
			bflow_end_failed(d, r);
		else
			bflow_end_quote(d, R_FOUND, NULL, t, QUOTE_LINES);
		return;
	}
	dbuf_init(&c, 16384);
	switch (d->u.intent) {
	case B_COUNT:
		dbuf_puts(&c, "wc -l -- ");
		bflow_shell_quote(&c, what, true);
		break;
	case B_GREP:
		dbuf_puts(&c, "grep -rnIF -e ");
		bflow_shell_quote(&c, what, false);
		dbuf_puts(&c, " -- ");
		if (where.p != NULL && where.p != what.p)
			bflow_shell_quote(&c, where, true);
		else
			dbuf_puts(&c, ".");
		break;
	default:
		dbuf_puts(&c, "find . -iname ");
		if (understanding_slot(&d->u, SLOT_WORD, 0).p != NULL) {
			struct dbuf	 g;

			dbuf_init(&g, 1024);
			dbuf_printf(&g, "*%.*s*", (int)what.n, what.p);
			bflow_shell_quote(&c, (struct str){ dbuf_str(&g), g.n },
			    false);
			dbuf_clear(&g);
		} else
			bflow_shell_quote(&c, what, false);
		break;
	}
	bflow_exec(d, dbuf_str(&c));
	dbuf_clear(&c);
}

/* --- notes ----------------------------------------------------------------- */

void
bflow_note(struct dialog *d)
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
	} else if (bflow_missing(r) || (!r->is_error && bflow_result(r).n == 0)) {
		bflow_end(d, R_NO_NOTES);
	} else if (r->is_error) {
		bflow_end_failed(d, r);
	} else
		bflow_end_quote(d, R_SHOWN, path, bflow_result(r), 200);
}
