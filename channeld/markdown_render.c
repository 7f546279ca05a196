/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Pieces of a document in the markup of a channel.  A renderer is a table of
 * tags and up to three functions; a new channel is a new table.
 */

#include "common/compat.h"

#include "channeld/markdown.h"

#define NESTING	SPAN_KIND_MAX	/* none lies within its own kind */

int
markdown_render(const struct markdown_doc *doc,
    const struct markdown_piece *p, const struct markdown_renderer *r,
    struct dbuf *out)
{
	const struct markdown_span	*open[NESTING], *s;
	const char			*t = dbuf_str(&doc->text);
	size_t				 depth = 0, i = 0, pos, end, shown;

	for (pos = p->from;; pos = end) {
		for (; depth > 0 && open[depth - 1]->to <= pos; depth--) {
			s = open[depth - 1];
			shown = s->from > p->from ? s->from : p->from;
			if (r->close != NULL)
				r->close(out, s, (struct str){ t + shown,
				    pos - shown });
			else
				(void)dbuf_puts(out, r->tag[s->kind].close);
		}
		if (pos >= p->to)
			break;
		for (; i < doc->nspans && doc->spans[i].from <= pos; i++) {
			s = &doc->spans[i];
			if (s->to <= pos || depth == NESTING)
				continue;
			open[depth++] = s;
			if (r->open != NULL)
				r->open(out, s);
			else
				(void)dbuf_puts(out, r->tag[s->kind].open);
		}
		end = p->to;
		if (depth > 0 && open[depth - 1]->to < end)
			end = open[depth - 1]->to;
		if (i < doc->nspans && doc->spans[i].from < end)
			end = doc->spans[i].from;
		r->text(out, (struct str){ t + pos, end - pos });
	}
	while (depth-- > 0) {
		s = open[depth];
		shown = s->from > p->from ? s->from : p->from;
		if (r->close != NULL)
			r->close(out, s, (struct str){ t + shown,
			    p->to - shown });
		else
			(void)dbuf_puts(out, r->tag[s->kind].close);
	}
	return dbuf_err(out) ? -1 : 0;
}

/* --- Telegram ----------------------------------------------------------- */

void
markdown_html_escape(struct dbuf *out, struct str s)
{
	size_t	 i, from;

	for (i = from = 0; i < s.n; i++) {
		const char	*e;

		switch (s.p[i]) {
		case '&':
			e = "&amp;";
			break;
		case '<':
			e = "&lt;";
			break;
		case '>':
			e = "&gt;";
			break;
		case '"':
			e = "&quot;";
			break;
		default:
			continue;
		}
		(void)dbuf_put(out, s.p + from, i - from);
		(void)dbuf_puts(out, e);
		from = i + 1;
	}
	(void)dbuf_put(out, s.p + from, i - from);
}

static void
telegram_open(struct dbuf *out, const struct markdown_span *s)
{
	if (s->kind == SPAN_LINK) {
		(void)dbuf_puts(out, "<a href=\"");
		markdown_html_escape(out, str_of(s->arg));
		(void)dbuf_puts(out, "\">");
	} else if (s->kind == SPAN_PRE && s->arg != NULL) {
		(void)dbuf_puts(out, "<pre><code class=\"language-");
		markdown_html_escape(out, str_of(s->arg));
		(void)dbuf_puts(out, "\">");
	} else
		(void)dbuf_puts(out, markdown_telegram.tag[s->kind].open);
}

static void
telegram_close(struct dbuf *out, const struct markdown_span *s,
    struct str shown)
{
	(void)shown;
	if (s->kind == SPAN_PRE && s->arg != NULL)
		(void)dbuf_puts(out, "</code>");
	(void)dbuf_puts(out, markdown_telegram.tag[s->kind].close);
}

const struct markdown_renderer markdown_telegram = {
	.name = "telegram",
	.tag = {
		[SPAN_BOLD] = { "<b>", "</b>" },
		[SPAN_ITALIC] = { "<i>", "</i>" },
		[SPAN_STRIKE] = { "<s>", "</s>" },
		[SPAN_SPOILER] = { "<tg-spoiler>", "</tg-spoiler>" },
		[SPAN_CODE] = { "<code>", "</code>" },
		[SPAN_LINK] = { NULL, "</a>" },
		[SPAN_PRE] = { "<pre>", "</pre>" },
		[SPAN_QUOTE] = { "<blockquote>", "</blockquote>" },
	},
	.open = telegram_open,
	.close = telegram_close,
	.text = markdown_html_escape,
};

/* --- plain text --------------------------------------------------------- */

static void
plain_open(struct dbuf *out, const struct markdown_span *s)
{
	(void)out;
	(void)s;
}

/* A link is of no use unless its address is seen. */
static void
plain_close(struct dbuf *out, const struct markdown_span *s, struct str shown)
{
	if (s->kind != SPAN_LINK || str_eqs(shown, s->arg))
		return;
	(void)dbuf_puts(out, " (");
	(void)dbuf_puts(out, s->arg);
	(void)dbuf_puts(out, ")");
}

static void
plain_text(struct dbuf *out, struct str s)
{
	(void)dbuf_put(out, s.p, s.n);
}

const struct markdown_renderer markdown_text = {
	.name = "text",
	.open = plain_open,
	.close = plain_close,
	.text = plain_text,
};
