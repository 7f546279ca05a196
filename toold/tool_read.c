/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool read: text by lines, images as images.  The file comes in pieces, so
 * that a large one neither fills memory nor holds up other calls.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "toold/text_window.h"
#include "toold/toold.h"

#define READ_PIECE	(256u << 10)
#define READ_SCAN_MAX	(64u << 20)	/* bytes looked at to count lines */
#define READ_IMAGE_MAX	(5u << 20)
#define READ_SNIFF	8192

struct read_state {
	struct fileop		*op;
	struct text_window	 win;
	char			 path[WPATH_MAX];
	uint64_t		 at, size;
	bool			 started;
	const char		*image;		/* MIME type */
};

static void	 read_cb(void *, const struct m_fw_res *, const char *);

bool
tool_path(struct call *c, char *buf, size_t size)
{
	struct str	 path = tools_arg_str(c->args, "path");
	enum wpath_err	 err;

	if (path.p == NULL)
		path = STR_LIT(".");
	err = wpath_resolve(path, c->t->workspace, buf, size);
	if (err == WPATH_OK)
		return true;
	tcall_fail(c, "%.*s: %s. The workspace is %s.",
	    (int)utf8_cut(path.p, path.n, 300), path.p, wpath_err_text(err),
	    c->t->workspace);
	return false;
}

static void
read_cleanup(struct call *c)
{
	struct read_state	*s = c->state;

	fileop_forget(s->op);
	text_window_clear(&s->win);
	free(s);
}

static void
read_next(struct call *c, uint64_t limit)
{
	struct read_state	*s = c->state;
	struct m_fw_op		 op;
	const char		*why;

	memset(&op, 0, sizeof(op));
	op.verb = FILE_READ;
	op.path = str_of(s->path);
	op.offset = s->at;
	op.limit = limit;
	if ((s->op = fileop_start(c->t, &op, read_cb, c, &why)) == NULL)
		tcall_fail(c, "Could not read %s: %s.", s->path, why);
}

static json_t *
read_details(struct read_state *s, uint64_t lines)
{
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:b}", "path",
	    tresult_string(str_of(s->path)), "size", (json_int_t)s->size,
	    "firstLine", (json_int_t)s->win.from, "lines",
	    (json_int_t)s->win.shown, "totalLines", (json_int_t)lines,
	    "truncated", s->win.end != TEXT_WINDOW_OPEN);
}

static void
read_finish(struct call *c, bool whole)
{
	struct read_state	*s = c->state;
	struct text_window	*w = &s->win;
	struct dbuf		 text;
	uint64_t		 lines, last;
	const char		*more = whole ? "" : "more than ";

	lines = text_window_finish(w);
	if (lines < w->from && !(lines == 0 && w->from == 1)) {
		tcall_fail(c, "offset %" PRIu64 " is past the end: %s has %s%"
		    PRIu64 " line%s.", w->from, s->path, more, lines,
		    lines == 1 ? "" : "s");
		return;
	}
	dbuf_init(&text, TEXT_WINDOW_BYTES + 1024);
	dbuf_put(&text, dbuf_str(&w->out), w->out.n);
	last = w->from + w->shown - 1;
	if (text.n > 0 && text.p[text.n - 1] != '\n' &&
	    w->end != TEXT_WINDOW_OPEN)
		dbuf_putc(&text, '\n');
	switch (w->end) {
	case TEXT_WINDOW_OPEN:
		if (lines == 0)
			dbuf_puts(&text, "(the file is empty)");
		else if (w->from > 1)
			dbuf_printf(&text, "\n[Lines %" PRIu64 "-%" PRIu64
			    " of %" PRIu64 "; this is the end.]", w->from,
			    last, lines);
		break;
	case TEXT_WINDOW_LONG:
		dbuf_printf(&text, "[Line %" PRIu64 " alone has %" PRIu64
		    " bytes, more than the limit of 50 KB. Show a part of it "
		    "with a command: sed -n '%" PRIu64 "p' FILE | "
		    "head -c 20000]", w->from, w->long_bytes, w->from);
		break;
	case TEXT_WINDOW_WANTED:
	case TEXT_WINDOW_FULL_LINES:
	case TEXT_WINDOW_FULL_BYTES:
		dbuf_printf(&text, "\n[Lines %" PRIu64 "-%" PRIu64 " of %s%"
		    PRIu64 "%s. Go on with offset=%" PRIu64 ".]", w->from,
		    last, more, lines, w->end == TEXT_WINDOW_WANTED ? "" :
		    w->end == TEXT_WINDOW_FULL_LINES ?
		    ", the limit of 2000 lines was reached" :
		    ", the limit of 50 KB was reached", last + 1);
		break;
	}
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n},
	    read_details(s, lines));
	dbuf_clear(&text);
}

/* The first piece tells what it is; true when the call goes on as text. */
static bool
read_sniff(struct call *c, const struct m_fw_res *res)
{
	struct read_state	*s = c->state;
	const char		*what;
	bool			 image;

	s->started = true;
	s->size = res->total;
	what = text_sniff(res->data.p, res->data.n < READ_SNIFF ? res->data.n :
	    READ_SNIFF, &image);
	if (what == NULL)
		return true;
	if (!image) {
		tcall_fail(c, "%s is a binary file (%" PRIu64 " bytes, %s) and "
		    "cannot be shown as text.", s->path, res->total, what);
		return false;
	}
	if (res->total > READ_IMAGE_MAX) {
		tcall_fail(c, "%s is an image of %" PRIu64 " bytes (%s); at "
		    "most 5 MB can be shown.", s->path, res->total, what);
		return false;
	}
	s->image = what;
	s->at = 0;
	read_next(c, READ_IMAGE_MAX);
	return false;
}

static void
read_cb(void *arg, const struct m_fw_res *res, const char *why)
{
	struct call		*c = arg;
	struct read_state	*s = c->state;
	json_t			*result;

	s->op = NULL;
	if (res == NULL) {
		tcall_fail(c, "Could not read %s: %s.", s->path, why);
		return;
	}
	if (res->err != 0) {
		tcall_fail(c, "Could not read %s: %s.", s->path,
		    fileop_strerror(res->err));
		return;
	}
	if (s->image != NULL) {
		result = tresult_image(s->image, res->data, json_pack(
		    "{s:o, s:s, s:I}", "path", tresult_string(str_of(s->path)),
		    "mimeType", s->image, "size", (json_int_t)res->total));
		tcall_done(c, result);
		return;
	}
	if (!s->started && !read_sniff(c, res))
		return;
	if (res->data.n > 0)
		text_window_put(&s->win, res->data.p, res->data.n);
	s->at += res->data.n;
	if (res->data.n == 0 || s->at >= res->total)
		read_finish(c, true);
	else if (s->at >= READ_SCAN_MAX && s->win.line >= s->win.from)
		read_finish(c, false);
	else if (s->at >= 16u * READ_SCAN_MAX)
		tcall_fail(c, "%s is too large to look for line %" PRIu64
		    "; use a command such as sed -n.", s->path, s->win.from);
	else
		read_next(c, READ_PIECE);
}

void
tool_read(struct call *c)
{
	struct read_state	*s;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		tcall_fail(c, "Out of memory.");
		return;
	}
	text_window_init(&s->win,
	    (uint64_t)tools_arg_int(c->args, "offset", 1),
	    (uint64_t)tools_arg_int(c->args, "limit", 0));
	c->state = s;
	c->cleanup = read_cleanup;
	if (tool_path(c, s->path, sizeof(s->path)))
		read_next(c, READ_PIECE);
}
