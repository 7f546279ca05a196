/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool edit: reads the file, replaces (edit.c), and writes it back only if it
 * is still what was read.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "toold/edit.h"
#include "toold/toold.h"

struct edit_state {
	struct fileop	*op;
	char		 path[WPATH_MAX];
	struct dbuf	 old, text, diff;
	struct edit	 edits[EDIT_MAX];
	size_t		 nedits;
	struct edit_result res;
};

static void	 edit_read_cb(void *, const struct m_fw_res *, const char *);
static void	 edit_write_cb(void *, const struct m_fw_res *, const char *);

static void
edit_cleanup(struct call *c)
{
	struct edit_state	*s = c->state;

	fileop_forget(s->op);
	dbuf_clear(&s->old);
	dbuf_clear(&s->text);
	dbuf_clear(&s->diff);
	free(s);
}

static void
edit_explain(struct call *c, enum edit_err err)
{
	struct edit_state	*s = c->state;
	char			 which[32];

	which[0] = '\0';
	if (s->nedits > 1)
		snprintf(which, sizeof(which), "Edit %zu: ", s->res.which + 1);
	switch (err) {
	case EDIT_EMPTY:
		tcall_fail(c, "%soldText is empty. To create or replace a "
		    "whole file, use write.", which);
		return;
	case EDIT_NONE:
		tcall_fail(c, "%sCould not find oldText in %s. It must be "
		    "exactly as in the file, with all blanks and line breaks; "
		    "read the file first.", which, s->path);
		return;
	case EDIT_SEVERAL:
		tcall_fail(c, "%soldText is in %s %zu%s times. Give more lines "
		    "around it, so that it is there once.", which, s->path,
		    s->res.count, s->res.count >= 1000 ? " or more" : "");
		return;
	case EDIT_SAME:
		tcall_fail(c, "Nothing would change in %s: oldText and newText "
		    "lead to the same text.", s->path);
		return;
	case EDIT_OVERLAP:
		tcall_fail(c, "Two of the edits change the same passage of %s; "
		    "make them one.", s->path);
		return;
	case EDIT_TOO_LARGE:
		tcall_fail(c, "%s is too large to edit, or would become so "
		    "(8 MB).", s->path);
		return;
	case EDIT_OK:
	case EDIT_NOMEM:
	case EDIT_ERR_MAX:
		break;
	}
	tcall_fail(c, "Out of memory.");
}

static void
edit_read_cb(void *arg, const struct m_fw_res *res, const char *why)
{
	struct call		*c = arg;
	struct edit_state	*s = c->state;
	struct m_fw_op		 op;
	enum edit_err		 err;

	s->op = NULL;
	if (res == NULL || res->err != 0) {
		tcall_fail(c, "Could not read %s: %s.", s->path, res == NULL ?
		    why : fileop_strerror(res->err));
		return;
	}
	if (res->total > EDIT_FILE_MAX || res->n != res->total) {
		edit_explain(c, EDIT_TOO_LARGE);
		return;
	}
	if (dbuf_put(&s->old, res->data.p, res->data.n) == -1) {
		edit_explain(c, EDIT_NOMEM);
		return;
	}
	err = edit_apply((struct str){dbuf_str(&s->old), s->old.n}, s->edits,
	    s->nedits, &s->text, &s->diff, &s->res);
	if (err != EDIT_OK) {
		edit_explain(c, err);
		return;
	}
	memset(&op, 0, sizeof(op));
	op.verb = FILE_WRITE;
	op.path = str_of(s->path);
	op.offset = 1;		/* only if it still is what was read */
	op.data = (struct str){dbuf_str(&s->text), s->text.n};
	op.data2 = (struct str){dbuf_str(&s->old), s->old.n};
	if ((s->op = fileop_start(c->t, &op, edit_write_cb, c, &why)) == NULL)
		tcall_fail(c, "Could not write %s: %s.", s->path, why);
}

static void
edit_write_cb(void *arg, const struct m_fw_res *res, const char *why)
{
	struct call		*c = arg;
	struct edit_state	*s = c->state;
	struct dbuf		 text;

	s->op = NULL;
	if (res == NULL || res->err != 0) {
		tcall_fail(c, "Could not write %s: %s.", s->path, res == NULL ?
		    why : fileop_strerror(res->err));
		return;
	}
	dbuf_init(&text, WPATH_MAX + 256);
	dbuf_printf(&text, "Edited %s: %zu replacement%s, first changed line "
	    "%zu%s.", s->path, s->nedits, s->nedits == 1 ? "" : "s",
	    s->res.first_line, s->res.fuzzy ? " (matched after evening out "
	    "blanks, quotes or dashes)" : "");
	/* A diff that is too long is left out rather than cut in half. */
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n}, json_pack(
	    "{s:o, s:o, s:I, s:b}", "path", tresult_string(str_of(s->path)),
	    "diff", dbuf_err(&s->diff) ? json_string("(too long)") :
	    tresult_string((struct str){dbuf_str(&s->diff), s->diff.n}),
	    "firstChangedLine", (json_int_t)s->res.first_line,
	    "fuzzy", s->res.fuzzy));
	dbuf_clear(&text);
}

void
tool_edit(struct call *c)
{
	struct edit_state	*s;
	struct m_fw_op		 op;
	json_t			*list, *v;
	const char		*why;
	size_t			 i;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		tcall_fail(c, "Out of memory.");
		return;
	}
	dbuf_init(&s->old, EDIT_FILE_MAX);
	dbuf_init(&s->text, EDIT_FILE_MAX);
	dbuf_init(&s->diff, EDIT_DIFF_MAX);
	c->state = s;
	c->cleanup = edit_cleanup;
	list = json_object_get(c->args, "edits");
	if (list == NULL) {
		s->edits[0].old_text = tools_arg_str(c->args, "oldText");
		s->edits[0].new_text = tools_arg_str(c->args, "newText");
		s->nedits = 1;
	} else {
		json_array_foreach(list, i, v) {
			if (i == EDIT_MAX)
				break;
			s->edits[i].old_text = tools_arg_str(v, "oldText");
			s->edits[i].new_text = tools_arg_str(v, "newText");
			s->nedits++;
		}
	}
	if (!tool_path(c, s->path, sizeof(s->path)))
		return;
	memset(&op, 0, sizeof(op));
	op.verb = FILE_READ;
	op.path = str_of(s->path);
	op.limit = EDIT_FILE_MAX;
	if ((s->op = fileop_start(c->t, &op, edit_read_cb, c, &why)) == NULL)
		tcall_fail(c, "Could not read %s: %s.", s->path, why);
}
