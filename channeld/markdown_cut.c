/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Where a text is cut so that each piece fits one message.  One walk over at
 * most a message's worth of text per piece; the last place of every rank seen
 * on the way is remembered, and the best rank whose place leaves the piece
 * reasonably full wins.
 */

#include "common/compat.h"

#include "channeld/markdown.h"

enum rank {
	RANK_HARD,		/* a code-point border */
	RANK_SPACE,
	RANK_SENTENCE,
	RANK_CODE_LINE,		/* a line end within a code block */
	RANK_LINE,
	RANK_PARAGRAPH,		/* also the edge of a code block */
	RANK_MAX
};

/* A place of that rank counts when the piece is this full, in percent. */
static const unsigned int enough[RANK_MAX] = {
	[RANK_HARD] = 0, [RANK_SPACE] = 25, [RANK_SENTENCE] = 33,
	[RANK_CODE_LINE] = 33, [RANK_LINE] = 33, [RANK_PARAGRAPH] = 33,
};

struct walk {
	const struct markdown_doc	*doc;
	const struct markdown_limit	*lim;
	size_t				 span;	/* next to open */
	size_t				 forbid; /* no cut before this */
	size_t				 pre;	/* end of the code block */
	size_t				 units;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static size_t
cp_units(uint32_t cp, size_t n, enum markdown_unit unit)
{
	switch (unit) {
	case UNIT_UTF16:
		return cp > 0xffff ? 2 : 1;
	case UNIT_CODEPOINT:
		return 1;
	case UNIT_BYTE:
		break;
	}
	return n;
}

/* Units of s, but no more than just over max. */
static size_t
count_units(struct str s, enum markdown_unit unit, size_t max)
{
	uint32_t	 cp = 0;
	size_t		 i, n, sum = 0;

	for (i = 0; i < s.n && sum <= max; i += n) {
		if ((n = utf8_decode(s.p + i, s.n - i, &cp)) == 0)
			n = 1;
		sum += cp_units(cp, n, unit);
	}
	return sum;
}

size_t
markdown_units(struct str s, enum markdown_unit unit)
{
	return count_units(s, unit, SIZE_MAX - 2);
}

/* What a link costs more when it is written out: " (url)". */
static size_t
link_units(const struct markdown_span *s, enum markdown_unit unit)
{
	if (s->kind != SPAN_LINK || s->arg == NULL)
		return 0;
	return markdown_units(str_of(s->arg), unit) + 3;
}

/* Marks that belong to the character before them. */
static bool
cp_joins(uint32_t cp)
{
	return (cp >= 0x300 && cp <= 0x36f) || (cp >= 0x20d0 && cp <= 0x20ff) ||
	    cp == 0x200d || (cp >= 0xfe00 && cp <= 0xfe0f) ||
	    (cp >= 0x1f3fb && cp <= 0x1f3ff) ||
	    (cp >= 0xe0020 && cp <= 0xe01ef);
}

/* Opens the spans that begin at pos: what may not be cut, what they cost. */
static void
walk_spans(struct walk *w, size_t pos, size_t from)
{
	const struct markdown_span	*s;
	size_t				 extra, len;

	for (; w->span < w->doc->nspans &&
	    w->doc->spans[w->span].from <= pos; w->span++) {
		s = &w->doc->spans[w->span];
		if (s->to <= from)
			continue;
		extra = link_units(s, w->lim->unit);
		if (extra <= w->lim->max / 2)
			w->units += extra;
		if (s->kind == SPAN_PRE) {
			w->pre = s->to;
			continue;
		}
		if (s->kind == SPAN_QUOTE || s->to <= w->forbid ||
		    s->from < from)
			continue;
		len = count_units((struct str){ w->doc->text.p + s->from,
		    s->to - s->from }, w->lim->unit, w->lim->max);
		if (len + extra <= w->lim->max)
			w->forbid = s->to;
	}
}

/* The rank of a cut between pos - 1 and pos. */
static enum rank
cut_rank(const struct walk *w, size_t pos)
{
	const char	*t = w->doc->text.p;

	if (pos < w->pre)
		return t[pos - 1] == '\n' ? RANK_CODE_LINE : RANK_HARD;
	if (t[pos - 1] == '\n')
		return pos > 1 && t[pos - 2] == '\n' ? RANK_PARAGRAPH :
		    RANK_LINE;
	if (t[pos - 1] == ' ' || t[pos - 1] == '\t') {
		if (pos > 1 && strchr(".!?", t[pos - 2]) != NULL)
			return RANK_SENTENCE;
		return RANK_SPACE;
	}
	/* The full stops of Chinese and Japanese have no space behind. */
	if (pos > 3 && (memcmp(t + pos - 3, "\xe3\x80\x82", 3) == 0 ||
	    memcmp(t + pos - 3, "\xef\xbc\x81", 3) == 0 ||
	    memcmp(t + pos - 3, "\xef\xbc\x9f", 3) == 0))
		return RANK_SENTENCE;
	return RANK_HARD;
}

/* Is pos inside a code block? */
static bool
in_pre(const struct markdown_doc *doc, size_t pos)
{
	size_t	 i;

	for (i = 0; i < doc->nspans && doc->spans[i].from <= pos; i++)
		if (doc->spans[i].kind == SPAN_PRE && pos < doc->spans[i].to)
			return true;
	return false;
}

static size_t
find_cut(const struct markdown_doc *doc, const struct markdown_limit *lim,
    size_t from)
{
	struct walk	 w = { .doc = doc, .lim = lim };
	size_t		 at[RANK_MAX] = { 0 }, fill[RANK_MAX] = { 0 };
	size_t		 pos, n = 1, u;
	uint32_t	 cp = 0, before = 0;
	enum rank	 r;

	for (pos = from; pos < doc->text.n; pos += n) {
		if ((n = utf8_decode(doc->text.p + pos, doc->text.n - pos,
		    &cp)) == 0)
			n = 1;
		/* Judge the place before its spans open: it is outside them. */
		if (pos > from && pos >= w.forbid && !cp_joins(cp) &&
		    before != 0x200d && (cp > 0x7f || !is_blank((char)cp) ||
		    (pos < w.pre && before == '\n'))) {
			r = cut_rank(&w, pos);
			at[r] = pos;
			fill[r] = w.units;
			if (lim->paragraphs && r == RANK_PARAGRAPH)
				return pos;
		}
		walk_spans(&w, pos, from);
		u = cp_units(cp, n, lim->unit);
		if (u > lim->max - (w.units > lim->max ? lim->max : w.units))
			break;
		w.units += u;
		before = cp;
	}
	if (pos >= doc->text.n)
		return doc->text.n;
	for (r = RANK_MAX; r-- > RANK_HARD;)
		if (at[r] != 0 && fill[r] * 100 >= lim->max * enough[r])
			return at[r];
	/* A word or a span that fills the rest, behind little text; nothing
	 * but joined marks for a whole message is cut where the walk ended. */
	for (r = RANK_MAX; r-- > RANK_HARD;)
		if (at[r] != 0)
			return at[r];
	return pos > from ? pos : from + n;
}

bool
markdown_next(const struct markdown_doc *doc, const struct markdown_limit *lim,
    struct markdown_piece *p)
{
	const char	*t = dbuf_str(&doc->text);
	size_t		 from, to;

	for (from = p->next; from < doc->text.n; from = p->next) {
		while (from < doc->text.n && is_blank(t[from]) &&
		    !in_pre(doc, from))
			from++;
		if (from == doc->text.n)
			break;
		to = p->next = find_cut(doc, lim, from);
		while (to > from && (t[to - 1] == '\n' ||
		    (is_blank(t[to - 1]) && !in_pre(doc, to - 1))))
			to--;
		if (to == from)
			continue;	/* empty lines of a code block */
		p->from = from;
		p->to = to;
		return true;
	}
	p->next = doc->text.n;
	return false;
}
