/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/html_write.h"

void
html_writer_init(struct html_writer *w, struct dbuf *out)
{
	memset(w, 0, sizeof(*w));
	w->out = out;
}

static void
writer_line(struct html_writer *w)
{
	unsigned int	i, indent;

	for (i = 0; i < w->lines && w->begun; i++)
		dbuf_putc(w->out, '\n');
	for (i = 0; i < w->quotes; i++)
		dbuf_puts(w->out, "> ");
	indent = w->lists == 0 ? 0 : 2 * (w->lists - (w->lead[0] != '\0'));
	for (i = 0; i < indent; i++)
		dbuf_putc(w->out, ' ');
	dbuf_puts(w->out, w->lead);
	w->lead[0] = '\0';
}

void
html_write(struct html_writer *w, const char *p, size_t n)
{
	if (w->lines > 0 || !w->begun)
		writer_line(w);
	else if (w->cell)
		dbuf_puts(w->out, " | ");
	else if (w->blank)
		dbuf_putc(w->out, ' ');
	w->lines = 0;
	w->blank = w->cell = false;
	w->begun = true;
	dbuf_put(w->out, p, n);
}

void
html_write_tail(struct html_writer *w, const char *p, size_t n)
{
	dbuf_put(w->out, p, n);
}

void
html_write_blank(struct html_writer *w)
{
	w->blank = true;
}

void
html_write_break(struct html_writer *w, unsigned int lines)
{
	if (w->flat) {
		w->blank = true;
		return;
	}
	if (w->lines < lines)
		w->lines = lines;
	w->blank = w->cell = false;
}

void
html_write_newline(struct html_writer *w)
{
	html_write_break(w, w->lines == 0 ? 1 : 2);
}
