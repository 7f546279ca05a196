/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Markdown into text and spans.  The bytes come from a model, so from whoever
 * talked to it: nothing here recurses, every list has a cap, and md4c, whose
 * output can be far larger than its input (a table of many columns and short
 * rows), runs against a budget; over it the text is shown as it was written.
 */

#include "common/compat.h"

#include <errno.h>
#include <md4c.h>

#include "channeld/markdown.h"

#define EVENTS_MAX	400000	/* md4c call-backs of one text */
#define LIST_DEPTH	16	/* a text with deeper lists stays as written */
#define TABLE_CELLS	4096
#define TABLE_BYTES	(128u << 10)
#define COLUMN_MAX	40	/* code points before a column stops growing */

struct list {
	bool		 ordered;
	unsigned int	 next;
};

struct table {
	struct dbuf	 text;		/* all cells */
	size_t		 end[TABLE_CELLS];
	size_t		 ncells, ncols, nhead;
};

struct parse {
	struct markdown_doc	*doc;
	enum markdown_tables	 tables;
	unsigned int		 events;
	unsigned int		 open[SPAN_KIND_MAX];	/* how deep */
	size_t			 need;		/* line ends before more text */
	size_t			 nlist;
	struct list		 list[LIST_DEPTH];
	bool			 item;		/* a bullet is due */
	char			 mark[16];
	size_t			 item_spans;	/* those opened before it */
	struct table		*table;
	struct dbuf		 href;		/* of the open link */
	size_t			 shown;		/* where its text began */
	bool			 plain_link;	/* not one that can be tapped */
};

static int	 enter_block(MD_BLOCKTYPE, void *, void *);
static int	 leave_block(MD_BLOCKTYPE, void *, void *);
static int	 enter_span(MD_SPANTYPE, void *, void *);
static int	 leave_span(MD_SPANTYPE, void *, void *);
static int	 text(MD_TEXTTYPE, const MD_CHAR *, MD_SIZE, void *);
static void	 doc_clean(struct dbuf *, struct str);
static struct markdown_doc *doc_new(void);
static void	 doc_spoilers(struct markdown_doc *);

static const MD_PARSER parser = {
	.flags = MD_FLAG_NOHTML | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
	    MD_FLAG_NOINDENTEDCODEBLOCKS,
	.enter_block = enter_block,
	.leave_block = leave_block,
	.enter_span = enter_span,
	.leave_span = leave_span,
	.text = text,
};

struct markdown_doc *
markdown_plain(struct str in)
{
	struct markdown_doc	*doc;

	if ((doc = doc_new()) == NULL)
		return NULL;
	doc_clean(&doc->text, in);
	if (dbuf_err(&doc->text)) {
		markdown_free(doc);
		return NULL;
	}
	return doc;
}

struct markdown_doc *
markdown_parse(struct str in, enum markdown_tables tables)
{
	struct parse	 ps;
	struct dbuf	 clean;
	MD_PARSER	 p;
	int		 err;

	memset(&ps, 0, sizeof(ps));
	dbuf_init(&clean, MARKDOWN_MAX_OUT);
	dbuf_init(&ps.href, MARKDOWN_MAX_HREF);
	doc_clean(&clean, in);
	if (dbuf_err(&clean) || (ps.doc = doc_new()) == NULL) {
		dbuf_clear(&clean);
		return NULL;
	}
	ps.tables = tables;
	p = parser;
	if (tables != TABLES_OFF)
		p.flags |= MD_FLAG_TABLES;
	err = md_parse(dbuf_str(&clean), (MD_SIZE)clean.n, &p, &ps);
	if (ps.table != NULL) {
		dbuf_clear(&ps.table->text);
		free(ps.table);
	}
	dbuf_clear(&ps.href);
	if (err != 0 || dbuf_err(&ps.doc->text)) {
		markdown_free(ps.doc);
		ps.doc = markdown_plain((struct str){ clean.p, clean.n });
	} else
		doc_spoilers(ps.doc);
	dbuf_clear(&clean);
	return ps.doc;
}

void
markdown_free(struct markdown_doc *doc)
{
	size_t	 i;

	if (doc == NULL)
		return;
	for (i = 0; i < doc->nspans; i++)
		free(doc->spans[i].arg);
	free(doc->spans);
	dbuf_clear(&doc->text);
	free(doc);
}

static struct markdown_doc *
doc_new(void)
{
	struct markdown_doc	*doc;

	if ((doc = calloc(1, sizeof(*doc))) != NULL)
		dbuf_init(&doc->text, MARKDOWN_MAX_OUT);
	return doc;
}

/* Valid UTF-8, LF line ends, no control bytes but tab and LF. */
static void
doc_clean(struct dbuf *out, struct str in)
{
	uint32_t	 cp;
	size_t		 i, n;

	if (in.n > MARKDOWN_MAX_IN)
		in.n = utf8_cut(in.p, in.n, MARKDOWN_MAX_IN);
	for (i = 0; i < in.n; i += n) {
		n = utf8_decode(in.p + i, in.n - i, &cp);
		if (n == 0) {
			n = 1;
			(void)dbuf_puts(out, "\xef\xbf\xbd");
		} else if (cp == '\r') {
			if (i + 1 >= in.n || in.p[i + 1] != '\n')
				(void)dbuf_putc(out, '\n');
		} else if (cp >= 0x20 ? cp != 0x7f : cp == '\n' || cp == '\t')
			(void)dbuf_put(out, in.p + i, n);
	}
}

/* --- spans -------------------------------------------------------------- */

#define UNSET	SIZE_MAX	/* opened, but no text yet */

static int
span_open(struct parse *ps, enum markdown_kind kind, const char *arg, size_t n)
{
	struct markdown_doc	*doc = ps->doc;
	struct markdown_span	*spans;
	char			*copy = NULL;
	size_t			 cap;

	if (ps->open[kind]++ != 0)
		return 0;
	if (n != 0 && (copy = str_dup((struct str){ arg, n })) == NULL)
		return -1;
	if (doc->nspans == doc->cap) {
		cap = doc->cap == 0 ? 16 : doc->cap * 2;
		if ((spans = reallocarray(doc->spans, cap,
		    sizeof(*spans))) == NULL) {
			free(copy);
			return -1;
		}
		doc->spans = spans;
		doc->cap = cap;
	}
	doc->spans[doc->nspans++] = (struct markdown_span){ .from = UNSET,
	    .to = UNSET, .kind = kind, .arg = copy };
	return 0;
}

static void
span_close(struct parse *ps, enum markdown_kind kind)
{
	struct markdown_doc	*doc = ps->doc;
	size_t			 i;

	if (ps->open[kind] == 0 || --ps->open[kind] != 0)
		return;
	for (i = doc->nspans; i-- > 0;)
		if (doc->spans[i].kind == kind && doc->spans[i].to == UNSET)
			break;
	if (i == SIZE_MAX)
		return;
	doc->spans[i].to = doc->text.n;
	/* What never got text is dropped; it is the last, as nothing that
	 * opened behind it can have got any. */
	if (doc->spans[i].from == UNSET || doc->spans[i].from ==
	    doc->spans[i].to) {
		free(doc->spans[i].arg);
		memmove(&doc->spans[i], &doc->spans[i + 1],
		    (doc->nspans - i - 1) * sizeof(doc->spans[0]));
		doc->nspans--;
	}
}

/* At the end of a block of text: md4c 0.4.8 may enter a span and never leave
 * it (a closing mark within a link's address). */
static void
spans_end(struct parse *ps)
{
	static const enum markdown_kind	 inline_kinds[] = { SPAN_CODE,
	    SPAN_LINK, SPAN_STRIKE, SPAN_ITALIC, SPAN_BOLD };
	size_t				 i;

	for (i = 0; i < sizeof(inline_kinds) / sizeof(inline_kinds[0]); i++)
		if (ps->open[inline_kinds[i]] != 0) {
			ps->open[inline_kinds[i]] = 1;
			span_close(ps, inline_kinds[i]);
		}
}

static void
spans_begin(struct parse *ps, size_t end)
{
	struct markdown_doc	*doc = ps->doc;
	size_t			 i;

	for (i = end; i-- > 0 && doc->spans[i].from == UNSET;)
		doc->spans[i].from = doc->text.n;
}

/* --- text --------------------------------------------------------------- */

static void
need(struct parse *ps, size_t lines)
{
	if (ps->doc->text.n != 0 && ps->need < lines)
		ps->need = lines;
}

static void
indent(struct parse *ps, size_t depth)
{
	while (depth-- > 0)
		(void)dbuf_puts(&ps->doc->text, "  ");
}

/* Everything that is due before text: line ends, bullet, starts of spans. */
static void
begin(struct parse *ps)
{
	struct markdown_doc	*doc = ps->doc;
	bool			 fresh;

	fresh = ps->need != 0 || doc->text.n == 0;
	for (; ps->need > 0; ps->need--)
		(void)dbuf_putc(&doc->text, '\n');
	if (ps->item) {
		spans_begin(ps, ps->item_spans);
		indent(ps, ps->nlist - 1);
		(void)dbuf_puts(&doc->text, ps->mark);
		ps->item = false;
	} else if (fresh && ps->nlist != 0 && ps->open[SPAN_PRE] == 0)
		indent(ps, ps->nlist);
	spans_begin(ps, doc->nspans);
}

static int
put(struct parse *ps, const char *p, size_t n)
{
	if (n == 0)
		return 0;
	if (ps->table != NULL)
		return dbuf_put(&ps->table->text, p, n);
	begin(ps);
	return dbuf_put(&ps->doc->text, p, n);
}

static int
put_break(struct parse *ps)
{
	if (ps->table != NULL)
		return dbuf_putc(&ps->table->text, ' ');
	need(ps, 1);
	return 0;
}

/* The entities that people write; the others stay as written. */
static size_t
entity_decode(struct str e, char out[4])
{
	static const struct {
		const char	*name;
		uint32_t	 cp;
	} named[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' },
		{ "&quot;", '"' }, { "&apos;", '\'' }, { "&nbsp;", 0xa0 },
		{ "&copy;", 0xa9 }, { "&reg;", 0xae }, { "&deg;", 0xb0 },
		{ "&plusmn;", 0xb1 }, { "&middot;", 0xb7 },
		{ "&times;", 0xd7 }, { "&divide;", 0xf7 },
		{ "&ndash;", 0x2013 }, { "&mdash;", 0x2014 },
		{ "&lsquo;", 0x2018 }, { "&rsquo;", 0x2019 },
		{ "&ldquo;", 0x201c }, { "&rdquo;", 0x201d },
		{ "&bull;", 0x2022 }, { "&hellip;", 0x2026 },
		{ "&euro;", 0x20ac }, { "&trade;", 0x2122 },
		{ "&larr;", 0x2190 }, { "&rarr;", 0x2192 },
		{ "&le;", 0x2264 }, { "&ge;", 0x2265 }, { "&ne;", 0x2260 },
	};
	uint64_t	 v = 0;
	size_t		 i;
	int		 base, d;

	if (e.n > 3 && e.p[1] == '#') {
		base = e.p[2] == 'x' || e.p[2] == 'X' ? 16 : 10;
		for (i = base == 16 ? 3 : 2; i < e.n - 1; i++) {
			d = ascii_tolower((unsigned char)e.p[i]);
			d = ascii_isdigit(d) ? d - '0' : d - 'a' + 10;
			if (d < 0 || d >= base || v > 0x10ffff)
				return 0;
			v = v * (uint64_t)base + (uint64_t)d;
		}
		if (v < 0x20 || v > 0x10ffff || (v >= 0x7f && v < 0xa0))
			v = 0xfffd;
		return utf8_encode((uint32_t)v, out);
	}
	for (i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (str_eqs(e, named[i].name))
			return utf8_encode(named[i].cp, out);
	return 0;
}

static int
text(MD_TEXTTYPE type, const MD_CHAR *p, MD_SIZE n, void *arg)
{
	struct parse	*ps = arg;
	char		 out[4];
	size_t		 len;

	if (++ps->events > EVENTS_MAX)
		return -1;
	switch (type) {
	case MD_TEXT_NULLCHAR:
		return put(ps, "\xef\xbf\xbd", 3);
	case MD_TEXT_BR:
	case MD_TEXT_SOFTBR:
		return put_break(ps);
	case MD_TEXT_ENTITY:
		len = entity_decode((struct str){ p, n }, out);
		return len != 0 ? put(ps, out, len) : put(ps, p, n);
	case MD_TEXT_NORMAL:
	case MD_TEXT_CODE:
	case MD_TEXT_HTML:
	case MD_TEXT_LATEXMATH:
		break;
	}
	return put(ps, p, n);
}

/* --- inline ------------------------------------------------------------- */

static bool
href_ok(struct str h)
{
	static const char *const schemes[] = { "http://", "https://", "tg://",
	    "mailto:", "tel:" };
	size_t	 i, n;

	for (i = 0; i < h.n; i++)
		if ((unsigned char)h.p[i] <= 0x20 || h.p[i] == 0x7f)
			return false;
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		n = strlen(schemes[i]);
		if (h.n > n && ascii_ncasecmp(h.p, schemes[i], n) == 0)
			return true;
	}
	return false;
}

static void
href_get(struct parse *ps, const MD_ATTRIBUTE *a)
{
	char	 out[4];
	size_t	 i, from, to, len;

	dbuf_reset(&ps->href);
	for (i = 0; a->text != NULL && a->substr_offsets[i] < a->size; i++) {
		from = a->substr_offsets[i];
		to = a->substr_offsets[i + 1];
		len = a->substr_types[i] == MD_TEXT_ENTITY ? entity_decode(
		    (struct str){ a->text + from, to - from }, out) : 0;
		if (len != 0)
			(void)dbuf_put(&ps->href, out, len);
		else
			(void)dbuf_put(&ps->href, a->text + from, to - from);
	}
	if (dbuf_err(&ps->href))	/* too long to be a link */
		dbuf_reset(&ps->href);
}

static int
link_enter(struct parse *ps, const MD_ATTRIBUTE *href)
{
	struct str	 h;

	if (ps->open[SPAN_LINK] != 0)	/* a picture within a link */
		return span_open(ps, SPAN_LINK, NULL, 0);
	href_get(ps, href);
	h = (struct str){ ps->href.p, ps->href.n };
	ps->plain_link = ps->table != NULL || !href_ok(h);
	ps->shown = ps->table != NULL ? ps->table->text.n : ps->doc->text.n;
	if (ps->plain_link) {
		ps->open[SPAN_LINK]++;
		return 0;
	}
	return span_open(ps, SPAN_LINK, h.p, h.n);
}

static int
link_leave(struct parse *ps)
{
	struct dbuf	*b;
	struct str	 h, shown;
	int		 err = 0;

	if (ps->open[SPAN_LINK] > 1) {
		ps->open[SPAN_LINK]--;
		return 0;
	}
	b = ps->table != NULL ? &ps->table->text : &ps->doc->text;
	h = (struct str){ ps->href.p, ps->href.n };
	shown = str_trim((struct str){ dbuf_str(b) + ps->shown,
	    b->n - ps->shown });
	if (shown.n == 0)
		err = put(ps, h.p, h.n);
	else if (ps->plain_link && h.n != 0 && !str_eq(shown, h)) {
		if (put(ps, " (", 2) == -1 || put(ps, h.p, h.n) == -1 ||
		    put(ps, ")", 1) == -1)
			err = -1;
	}
	if (ps->plain_link)
		ps->open[SPAN_LINK]--;
	else
		span_close(ps, SPAN_LINK);
	return err;
}

static int
span_kind(MD_SPANTYPE type)
{
	switch (type) {
	case MD_SPAN_EM:
	case MD_SPAN_U:
		return SPAN_ITALIC;
	case MD_SPAN_STRONG:
		return SPAN_BOLD;
	case MD_SPAN_DEL:
		return SPAN_STRIKE;
	case MD_SPAN_CODE:
	case MD_SPAN_LATEXMATH:
	case MD_SPAN_LATEXMATH_DISPLAY:
		return SPAN_CODE;
	case MD_SPAN_A:
	case MD_SPAN_IMG:
	case MD_SPAN_WIKILINK:
		break;
	}
	return SPAN_KIND_MAX;
}

static int
enter_span(MD_SPANTYPE type, void *detail, void *arg)
{
	struct parse	*ps = arg;
	int		 kind;

	if (++ps->events > EVENTS_MAX)
		return -1;
	if (type == MD_SPAN_A)
		return link_enter(ps, &((MD_SPAN_A_DETAIL *)detail)->href);
	if (type == MD_SPAN_IMG)
		return link_enter(ps, &((MD_SPAN_IMG_DETAIL *)detail)->src);
	kind = span_kind(type);
	if (kind == SPAN_KIND_MAX || ps->table != NULL)
		return 0;
	return span_open(ps, kind, NULL, 0);
}

static int
leave_span(MD_SPANTYPE type, void *detail, void *arg)
{
	struct parse	*ps = arg;
	int		 kind;

	(void)detail;
	if (type == MD_SPAN_A || type == MD_SPAN_IMG)
		return link_leave(ps);
	kind = span_kind(type);
	if (kind != SPAN_KIND_MAX && ps->table == NULL)
		span_close(ps, kind);
	return 0;
}

/* --- tables ------------------------------------------------------------- */

static struct str
table_cell(const struct table *t, size_t row, size_t col)
{
	size_t	 i, from;

	i = row * t->ncols + col;
	if (i >= t->ncells)
		return (struct str){ "", 0 };
	from = i == 0 ? 0 : t->end[i - 1];
	return str_trim((struct str){ dbuf_str(&t->text) + from,
	    t->end[i] - from });
}

static void
table_code(struct parse *ps, const struct table *t)
{
	struct str	 s;
	size_t		 width[64] = { 0 }, row, col, n, nrows;

	nrows = t->ncells / t->ncols;
	for (row = 0; row < nrows; row++)
		for (col = 0; col < t->ncols && col < 64; col++) {
			s = table_cell(t, row, col);
			n = utf8_count(s.p, s.n);
			n = n > COLUMN_MAX ? COLUMN_MAX : n;
			width[col] = n > width[col] ? n : width[col];
		}
	for (row = 0; row < nrows; row++) {
		for (col = 0; col < t->ncols; col++) {
			s = table_cell(t, row, col);
			(void)put(ps, col == 0 ? "| " : " ", col == 0 ? 2 : 1);
			(void)put(ps, s.p, s.n);
			n = utf8_count(s.p, s.n);
			for (; col < 64 && n < width[col]; n++)
				(void)put(ps, " ", 1);
			(void)put(ps, " |", 2);
		}
		if (row + 1 == t->nhead) {
			(void)put(ps, "\n|", 2);
			for (col = 0; col < t->ncols; col++) {
				for (n = 0; n < (col < 64 ? width[col] : 1) + 2;
				    n++)
					(void)put(ps, "-", 1);
				(void)put(ps, "|", 1);
			}
		}
		if (row + 1 < nrows)
			(void)put(ps, "\n", 1);
	}
}

static void
table_bullets(struct parse *ps, const struct table *t)
{
	struct str	 head, s;
	size_t		 row, col, nrows;

	nrows = t->ncells / t->ncols;
	for (row = t->nhead; row < nrows; row++) {
		need(ps, row == t->nhead ? 2 : 1);
		s = table_cell(t, row, 0);
		(void)span_open(ps, SPAN_BOLD, NULL, 0);
		(void)put(ps, s.p, s.n);
		span_close(ps, SPAN_BOLD);
		for (col = 1; col < t->ncols; col++) {
			head = table_cell(t, 0, col);
			s = table_cell(t, row, col);
			if (s.n == 0)
				continue;
			need(ps, 1);
			(void)put(ps, "\xe2\x80\xa2 ", 4);
			if (t->nhead != 0 && head.n != 0) {
				(void)put(ps, head.p, head.n);
				(void)put(ps, ": ", 2);
			}
			(void)put(ps, s.p, s.n);
		}
	}
}

static int
table_leave(struct parse *ps)
{
	struct table	*t = ps->table;
	int		 err = 0;

	ps->table = NULL;
	if (dbuf_err(&t->text))
		err = -1;
	else if (t->ncols != 0 && ps->tables == TABLES_BULLETS)
		table_bullets(ps, t);
	else if (t->ncols != 0) {
		err = span_open(ps, SPAN_PRE, NULL, 0);
		table_code(ps, t);
		span_close(ps, SPAN_PRE);
	}
	dbuf_clear(&t->text);
	free(t);
	need(ps, 2);
	return err;
}

/* --- blocks ------------------------------------------------------------- */

static void
item_enter(struct parse *ps, const MD_BLOCK_LI_DETAIL *d)
{
	struct list	*l;

	if (ps->item)		/* "- - x": the outer bullet stands alone */
		begin(ps);
	need(ps, 1);
	if (ps->nlist == 0)
		return;
	l = &ps->list[ps->nlist - 1];
	if (d->is_task)
		(void)strlcpy(ps->mark, d->task_mark == ' ' ?
		    "\xe2\x98\x90 " : "\xe2\x98\x91 ", sizeof(ps->mark));
	else if (l->ordered)
		(void)snprintf(ps->mark, sizeof(ps->mark), "%u. ", l->next);
	else
		(void)strlcpy(ps->mark, "\xe2\x80\xa2 ", sizeof(ps->mark));
	l->next++;
	ps->item = true;
	ps->item_spans = ps->doc->nspans;
}

/* The first word of a fence's info string, if it looks like a language. */
static int
code_enter(struct parse *ps, const MD_BLOCK_CODE_DETAIL *d)
{
	size_t	 i, n = d->lang.text == NULL ? 0 : d->lang.size;

	for (i = 0; i < n; i++)
		if (!ascii_isalnum((unsigned char)d->lang.text[i]) &&
		    strchr("+-_.#", d->lang.text[i]) == NULL)
			n = 0;
	if (n > 32)
		n = 0;
	if (ps->item)		/* keeps the fence below its bullet */
		begin(ps);
	need(ps, ps->nlist != 0 ? 1 : 2);
	return span_open(ps, SPAN_PRE, d->lang.text, n);
}

static void
code_leave(struct parse *ps)
{
	struct dbuf	*b = &ps->doc->text;

	if (b->n > 0 && b->p[b->n - 1] == '\n' && ps->doc->nspans > 0 &&
	    ps->doc->spans[ps->doc->nspans - 1].from < b->n)
		b->p[--b->n] = '\0';
	span_close(ps, SPAN_PRE);
	need(ps, ps->nlist != 0 ? 1 : 2);
}

static int
enter_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
	struct parse	*ps = arg;

	if (++ps->events > EVENTS_MAX)
		return -1;
	switch (type) {
	case MD_BLOCK_QUOTE:
		need(ps, ps->item ? 0 : 2);
		return span_open(ps, SPAN_QUOTE, NULL, 0);
	case MD_BLOCK_UL:
	case MD_BLOCK_OL:
		need(ps, ps->nlist == 0 ? 2 : 1);
		if (ps->item)
			begin(ps);
		if (ps->nlist == LIST_DEPTH)
			return -1;	/* shown as written */
		ps->list[ps->nlist].ordered = type == MD_BLOCK_OL;
		ps->list[ps->nlist++].next = type != MD_BLOCK_OL ? 0 :
		    ((MD_BLOCK_OL_DETAIL *)detail)->start;
		return 0;
	case MD_BLOCK_LI:
		item_enter(ps, detail);
		return 0;
	case MD_BLOCK_HR:
		need(ps, 2);
		if (put(ps, "\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94", 9) == -1)
			return -1;
		need(ps, 2);
		return 0;
	case MD_BLOCK_H:
		need(ps, ps->item ? 0 : 2);
		return span_open(ps, SPAN_BOLD, NULL, 0);
	case MD_BLOCK_CODE:
		return code_enter(ps, detail);
	case MD_BLOCK_P:
	case MD_BLOCK_HTML:
		need(ps, ps->item ? 0 : 2);
		return 0;
	case MD_BLOCK_TABLE:
		need(ps, 2);
		if ((ps->table = calloc(1, sizeof(*ps->table))) == NULL)
			return -1;
		dbuf_init(&ps->table->text, TABLE_BYTES);
		ps->table->ncols = ((MD_BLOCK_TABLE_DETAIL *)detail)->col_count;
		ps->table->nhead =
		    ((MD_BLOCK_TABLE_DETAIL *)detail)->head_row_count;
		return 0;
	case MD_BLOCK_DOC:
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
	case MD_BLOCK_TR:
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		break;
	}
	return 0;
}

static int
leave_block(MD_BLOCKTYPE type, void *detail, void *arg)
{
	struct parse	*ps = arg;

	(void)detail;
	switch (type) {
	case MD_BLOCK_QUOTE:
		span_close(ps, SPAN_QUOTE);
		need(ps, 2);
		break;
	case MD_BLOCK_UL:
	case MD_BLOCK_OL:
		ps->nlist--;
		need(ps, ps->nlist == 0 ? 2 : 1);
		break;
	case MD_BLOCK_LI:
		spans_end(ps);		/* a tight item has no paragraph */
		if (ps->item)		/* an empty item */
			begin(ps);
		break;
	case MD_BLOCK_CODE:
		code_leave(ps);
		break;
	case MD_BLOCK_H:
	case MD_BLOCK_P:
	case MD_BLOCK_HTML:
		spans_end(ps);
		need(ps, 2);
		break;
	case MD_BLOCK_TABLE:
		return table_leave(ps);
	case MD_BLOCK_TH:
	case MD_BLOCK_TD:
		spans_end(ps);
		if (ps->table == NULL || ps->table->ncells == TABLE_CELLS)
			return -1;	/* shown as written */
		ps->table->end[ps->table->ncells++] = ps->table->text.n;
		break;
	case MD_BLOCK_DOC:
	case MD_BLOCK_HR:
	case MD_BLOCK_THEAD:
	case MD_BLOCK_TBODY:
	case MD_BLOCK_TR:
		break;
	}
	return 0;
}

/* --- spoilers ----------------------------------------------------------- */

#define SPOILERS_MAX	64

/* Does any span begin, end or cover code in a way that a spoiler over
 * [from, to) would cross? */
static bool
spoiler_crosses(const struct markdown_doc *doc, size_t from, size_t to)
{
	const struct markdown_span	*s;
	size_t				 i;

	for (i = 0; i < doc->nspans; i++) {
		s = &doc->spans[i];
		if (s->to <= from || s->from >= to)
			continue;
		if (s->kind == SPAN_CODE || s->kind == SPAN_PRE)
			return true;
		if (!(s->from <= from && s->to >= to) &&
		    !(s->from >= from + 2 && s->to <= to - 2))
			return true;
	}
	return false;
}

/* Takes two bytes out of the text. */
static void
doc_remove2(struct markdown_doc *doc, size_t at)
{
	size_t	 i;

	memmove(doc->text.p + at, doc->text.p + at + 2, doc->text.n - at - 1);
	doc->text.n -= 2;
	for (i = 0; i < doc->nspans; i++) {
		if (doc->spans[i].from > at)
			doc->spans[i].from -= 2;
		if (doc->spans[i].to > at)
			doc->spans[i].to -= 2;
	}
}

/* ||text|| within one line becomes a spoiler, where it crosses no span. */
static void
doc_spoilers(struct markdown_doc *doc)
{
	struct markdown_span	*spans;
	const char		*p, *q, *eol;
	size_t			 a, b, i, n, pos;

	for (n = 0, pos = 0; n < SPOILERS_MAX && doc->text.n != 0; n++) {
		p = memmem(doc->text.p + pos, doc->text.n - pos, "||", 2);
		if (p == NULL)
			return;
		a = (size_t)(p - doc->text.p);
		eol = memchr(p, '\n', doc->text.n - a);
		q = memmem(p + 2, (eol == NULL ? doc->text.p + doc->text.n :
		    eol) - p - 2, "||", 2);
		b = q == NULL ? 0 : (size_t)(q - doc->text.p);
		if (q == NULL || b == a + 2 ||
		    spoiler_crosses(doc, a, b + 2)) {
			pos = a + 2;
			continue;
		}
		if (doc->nspans == doc->cap) {
			if ((spans = reallocarray(doc->spans, doc->cap + 16,
			    sizeof(*spans))) == NULL)
				return;
			doc->spans = spans;
			doc->cap += 16;
		}
		doc_remove2(doc, b);
		doc_remove2(doc, a);
		b -= 2;
		/* Behind all that open before it or enclose it. */
		for (i = doc->nspans; i > 0; i--)
			if (doc->spans[i - 1].from < a ||
			    (doc->spans[i - 1].from == a &&
			    doc->spans[i - 1].to > b))
				break;
		memmove(&doc->spans[i + 1], &doc->spans[i],
		    (doc->nspans - i) * sizeof(doc->spans[0]));
		doc->spans[i] = (struct markdown_span){ .from = a, .to = b,
		    .kind = SPAN_SPOILER };
		doc->nspans++;
		pos = b;
	}
}
