/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Tools write and ls: one operation of the file worker each. */
#include "common/compat.h"

#include <inttypes.h>

#include "toold/toold.h"

#define LS_LIMIT	500

struct write_state {
	struct fileop	*op;
	char		 path[WPATH_MAX];
};

static void
write_cleanup(struct call *c)
{
	struct write_state	*s = c->state;

	fileop_forget(s->op);
	free(s);
}

/* Both are one operation on the path that they were given. */
static void
write_begin(struct call *c, struct m_fw_op *op, fileop_cb fn,
    const char *verb)
{
	struct write_state	*s;
	const char		*why;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		tcall_fail(c, "Out of memory.");
		return;
	}
	c->state = s;
	c->cleanup = write_cleanup;
	if (!tool_path(c, s->path, sizeof(s->path)))
		return;			/* the call has ended */
	op->path = str_of(s->path);
	if ((s->op = fileop_start(c->t, op, fn, c, &why)) == NULL)
		tcall_fail(c, "Could not %s %s: %s.", verb, s->path, why);
}

static bool
write_failed(struct call *c, const struct m_fw_res *res, const char *why,
    const char *verb)
{
	struct write_state	*s = c->state;

	s->op = NULL;
	if (res != NULL && res->err == 0)
		return false;
	tcall_fail(c, "Could not %s %s: %s.", verb, s->path,
	    res == NULL ? why : fileop_strerror(res->err));
	return true;
}

static void
write_cb(void *arg, const struct m_fw_res *res, const char *why)
{
	struct call		*c = arg;
	struct write_state	*s = c->state;
	char			 text[WPATH_MAX + 64];
	bool			 created;

	if (write_failed(c, res, why, "write"))
		return;
	created = str_eqs(res->text, "created");
	snprintf(text, sizeof(text), "Wrote %" PRIu64 " bytes to %s (%s).",
	    res->n, s->path, created ? "new file" : "replaced");
	tcall_done_text(c, str_of(text), json_pack("{s:o, s:I, s:b}", "path",
	    tresult_string(str_of(s->path)), "bytes", (json_int_t)res->n,
	    "created", created));
}

void
tool_write(struct call *c)
{
	struct m_fw_op	 op = { .verb = FILE_WRITE };

	op.data = tools_arg_str(c->args, "content");
	write_begin(c, &op, write_cb, "write");
}

static void
ls_cb(void *arg, const struct m_fw_res *res, const char *why)
{
	struct call		*c = arg;
	struct write_state	*s = c->state;
	struct dbuf		 text;

	if (write_failed(c, res, why, "list"))
		return;
	dbuf_init(&text, res->data.n + 256);
	dbuf_put(&text, res->data.p, res->data.n);
	if (res->total == 0)
		dbuf_puts(&text, "(the folder is empty)");
	else if (res->total > res->n)
		dbuf_printf(&text, "[%" PRIu64 " of %s%" PRIu64 " names; "
		    "give a higher limit for more]", res->n,
		    res->total > 10000 ? "more than " : "", res->total);
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n}, json_pack(
	    "{s:o, s:I, s:I}", "path", tresult_string(str_of(s->path)),
	    "shown", (json_int_t)res->n, "total", (json_int_t)res->total));
	dbuf_clear(&text);
}

void
tool_ls(struct call *c)
{
	struct m_fw_op	 op = { .verb = FILE_LIST };

	op.limit = (uint64_t)tools_arg_int(c->args, "limit", LS_LIMIT);
	write_begin(c, &op, ls_cb, "list");
}
