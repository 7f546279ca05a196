/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/html_elements.h"
#include "toold/fetch/html_page.h"
#include "toold/fetch/html_token.h"
#include "toold/fetch/html_write.h"

#define DEPTH_MAX	128	/* open elements; deeper ones count as none */
#define MAIN_MIN	250	/* bytes of text that make a main part one */
#define LINK_MAX	500	/* bytes of an address worth showing */

struct open {
	const struct html_elem	*el;
	struct str		 name;
	struct str		 href;		/* of a link */
	unsigned int		 number;	/* of the last item of a list */
	char			 mark[4];	/* around its text */
	bool			 marked;	/* it has been written */
	bool			 muted, scoped;
};

struct pass {
	struct html_page	*pg;
	struct html_writer	 w;
	struct fetch_url	 base;
	bool			 have_base;
	struct open		 stack[DEPTH_MAX];
	size_t			 depth, deeper;
	unsigned int		 mute, scope;
	unsigned int		 marks;		/* that wait for text */
	unsigned int		 pre;
	unsigned int		 want;		/* only text in such */
	bool			 chrome;	/* menus and such too */
	bool			 pre_start;	/* its first line end is none */
	struct str		 skip;		/* element that is left out */
	unsigned int		 skips;		/* how often it is open */
	bool			 titled;
};

static bool
pass_quiet(const struct pass *ps)
{
	return ps->mute > 0 || (ps->want != 0 && ps->scope == 0);
}

static bool
pass_markdown(const struct pass *ps)
{
	return ps->pg->form == FETCH_MARKDOWN;
}

/* --- text ------------------------------------------------------------------ */

/* What nobody sees, and what turns text around: orders hide there. */
static bool
char_invisible(const char *p, size_t n)
{
	uint32_t	cp;

	if (utf8_decode(p, n, &cp) == 0)
		return true;
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xad ||
	    cp == 0x034f || cp == 0x061c || cp == 0x180e || cp == 0x200b ||
	    cp == 0x200e || cp == 0x200f || (cp >= 0x202a && cp <= 0x202e) ||
	    (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
	    (cp >= 0xfff0 && cp <= 0xfffb) || (cp >= 0xe0000 && cp <= 0xe0fff);
}

static bool
char_blank(const char *p, size_t n)
{
	return n == 1 ? *p == ' ' || (*p >= '\t' && *p <= '\r') :
	    n == 2 && memcmp(p, "\xc2\xa0", 2) == 0;
}

/* Marks of elements that have been opened since the last text. */
static void
pass_marks(struct pass *ps)
{
	struct open	*o;
	size_t		 i;

	for (i = 0; i < ps->depth && ps->marks > 0; i++) {
		o = &ps->stack[i];
		if (o->mark[0] == '\0' || o->marked)
			continue;
		html_write(&ps->w, o->mark, strlen(o->mark));
		if (o->el->kind == KIND_PRE)
			ps->w.lines = 1;
		o->marked = true;
		ps->marks--;
	}
}

static void
pass_text(struct pass *ps, struct str s, bool raw)
{
	size_t	n, used;
	char	c[4];

	if (pass_quiet(ps))
		return;
	for (; s.n > 0; s.p += used, s.n -= used) {
		used = html_char(s, raw, c, &n);
		if (ps->pre > 0 && n == 1 && *c == '\n') {
			if (!ps->pre_start)
				ps->w.lines++;
		} else if (char_blank(c, n) && (ps->pre == 0 || n != 1 ||
		    (*c != ' ' && *c != '\t'))) {
			if (ps->pre == 0)
				html_write_blank(&ps->w);
		} else if (char_blank(c, n) || !char_invisible(c, n)) {
			if (ps->marks > 0)
				pass_marks(ps);
			html_write(&ps->w, c, n);
		}
		ps->pre_start = false;
	}
}

static void
pass_title(struct pass *ps, struct str s)
{
	size_t	n, used, at = 0;
	char	c[4];
	bool	blank = false;

	for (; s.n > 0; s.p += used, s.n -= used) {
		used = html_char(s, false, c, &n);
		if (char_blank(c, n))
			blank = at > 0;
		else if (!char_invisible(c, n)) {
			if (at + n + blank >= HTML_TITLE_MAX)
				break;
			if (blank)
				ps->pg->title[at++] = ' ';
			memcpy(ps->pg->title + at, c, n);
			at += n;
			blank = false;
		}
	}
	ps->pg->title[at] = '\0';
	ps->titled = at > 0;
}

/* --- elements -------------------------------------------------------------- */

/* A value with its references resolved, cut to the buffer. */
static struct str
attr_text(struct str v, char *buf, size_t size)
{
	size_t	n, used, at = 0;
	char	c[4];

	for (; v.n > 0; v.p += used, v.n -= used) {
		used = html_char(v, false, c, &n);
		if (at + n >= size)
			break;
		memcpy(buf + at, c, n);
		at += n;
	}
	buf[at] = '\0';
	return (struct str){ buf, at };
}

/* The end of a link: where it leads, when that is worth to be known. */
static void
link_end(struct pass *ps, const struct open *o)
{
	struct fetch_url	 u;
	char			 href[FETCH_URL_MAX], url[FETCH_URL_MAX];
	const char		*why;

	ps->w.flat = false;
	if (!o->marked)
		return;
	/* It was looked at when it began. */
	if (fetch_url_resolve(ps->have_base ? &ps->base : ps->pg->base,
	    attr_text(o->href, href, sizeof(href)), &u, &why) == -1)
		url[0] = '\0';
	else
		fetch_url_text(&u, url);
	html_write_tail(&ps->w, "](", 2);
	html_write_tail(&ps->w, url, strlen(url));
	html_write_tail(&ps->w, ")", 1);
}

static bool
link_usable(struct pass *ps, struct str href)
{
	struct fetch_url	 u;
	char			 buf[FETCH_URL_MAX], url[FETCH_URL_MAX];
	const char		*why;
	struct str		 s;

	s = str_trim(attr_text(href, buf, sizeof(buf)));
	if (s.n == 0 || s.p[0] == '#' || fetch_url_resolve(ps->have_base ?
	    &ps->base : ps->pg->base, s, &u, &why) == -1)
		return false;
	fetch_url_text(&u, url);
	/* A bracket would end it early. */
	return strlen(url) <= LINK_MAX && strpbrk(url, "()") == NULL;
}

static void
open_set_mark(struct pass *ps, struct open *o, const char *mark)
{
	if (!pass_markdown(ps) || ps->pre > 0 || pass_quiet(ps))
		return;
	(void)strlcpy(o->mark, mark, sizeof(o->mark));
	ps->marks++;
}

static void
pop(struct pass *ps)
{
	struct open	*o = &ps->stack[--ps->depth];
	bool		 quiet = pass_quiet(ps);
	struct html_writer *w = &ps->w;

	if (o->mark[0] != '\0' && !o->marked)
		ps->marks--;
	if (o->el->kind == KIND_A) {
		if (o->mark[0] != '\0')
			link_end(ps, o);
	} else if (o->el->kind == KIND_PRE) {
		ps->pre--;
		if (o->marked)
			html_write_tail(w, "\n```", 4);
	} else if (o->marked)
		html_write_tail(w, o->mark, strlen(o->mark));
	if (!quiet) {
		switch (o->el->kind) {
		case KIND_H:
		case KIND_LI:
			w->lead[0] = '\0';
			break;
		case KIND_UL:
		case KIND_OL:
			if (o->number != UINT32_MAX)
				w->lists--;
			break;
		case KIND_QUOTE:
			if (o->number != 0)
				w->quotes--;
			break;
		default:
			break;
		}
		if (o->el->flags & EL_BLOCK)
			html_write_break(w, (o->el->flags & EL_APART) ||
			    ((o->el->kind == KIND_UL || o->el->kind ==
			    KIND_OL) && w->lists == 0) ? 2 : 1);
	}
	ps->mute -= o->muted;
	ps->scope -= o->scoped;
}

static void
pop_to(struct pass *ps, size_t depth)
{
	while (ps->depth > depth)
		pop(ps);
}

/* Closes the innermost element of that kind that no stop is in front of. */
static void
close_kind(struct pass *ps, enum html_elem_kind kind,
    enum html_elem_kind stop, enum html_elem_kind stop2, bool block_stops)
{
	const struct html_elem	*el;
	size_t			 i;

	for (i = ps->depth; i > 0; i--) {
		el = ps->stack[i - 1].el;
		if (el->kind == kind) {
			pop_to(ps, i - 1);
			return;
		}
		if (el->kind == stop || el->kind == stop2 || (block_stops &&
		    (el->flags & EL_BLOCK)))
			return;
	}
}

/* What the start of this one ends although nobody said so. */
static void
close_implied(struct pass *ps, const struct html_elem *el)
{
	if (el->flags & EL_BLOCK)
		close_kind(ps, KIND_P, KIND_TD, KIND_TABLE, true);
	switch (el->kind) {
	case KIND_LI:
		close_kind(ps, KIND_LI, KIND_UL, KIND_OL, false);
		break;
	case KIND_DT:
		close_kind(ps, KIND_DT, KIND_DL, KIND_TABLE, false);
		break;
	case KIND_TR:
		close_kind(ps, KIND_TR, KIND_TABLE, KIND_TABLE, false);
		break;
	case KIND_TD:
		close_kind(ps, KIND_TD, KIND_TR, KIND_TABLE, false);
		break;
	case KIND_A:
		close_kind(ps, KIND_A, KIND_TD, KIND_TABLE, false);
		break;
	default:
		break;
	}
}

static bool
style_hides(struct str v)
{
	static const char *const	hides[] = { "display:none",
	    "visibility:hidden", "opacity:0;", "font-size:0;",
	    "font-size:0px" };
	char				s[256];
	size_t				i, n = 0;

	for (i = 0; i < v.n && n < sizeof(s) - 2; i++)
		if (!ascii_isspace((unsigned char)v.p[i]))
			s[n++] = (char)ascii_tolower((unsigned char)v.p[i]);
	s[n++] = ';';
	s[n] = '\0';
	for (i = 0; i < sizeof(hides) / sizeof(hides[0]); i++)
		if (strstr(s, hides[i]) != NULL)
			return true;
	return false;
}

static bool
role_is_chrome(struct str v)
{
	static const char *const	roles[] = { "navigation", "banner",
	    "contentinfo", "search", "complementary", "menu", "menubar",
	    "dialog", "alertdialog", "toolbar" };
	size_t				i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (str_ieqs(v, roles[i]))
			return true;
	return false;
}

/* What the attributes say of a new element. */
static void
open_attrs(struct pass *ps, struct open *o, struct str attrs)
{
	struct str	name, v;

	while (html_attr_next(&attrs, &name, &v)) {
		if (str_ieqs(name, "hidden") || (str_ieqs(name,
		    "aria-hidden") && str_ieqs(v, "true")) ||
		    (str_ieqs(name, "style") && style_hides(v)))
			o->muted = true;
		else if (str_ieqs(name, "role")) {
			if (!ps->chrome && role_is_chrome(v))
				o->muted = true;
			if ((ps->want & EL_MAIN) && str_ieqs(v, "main"))
				o->scoped = true;
		} else if (str_ieqs(name, "href") && o->href.p == NULL)
			o->href = v;
	}
	/* Pages hide all of themselves until a script has run. */
	if (str_ieqs(o->name, "body") || str_ieqs(o->name, "html"))
		o->muted = false;
	if ((o->el->flags & ps->want) != 0)
		o->scoped = true;
	if (!ps->chrome && ((o->el->flags & EL_CHROME) ||
	    (o->el->kind == KIND_HEADER && ps->want == 0)))
		o->muted = true;
}

static void
item_lead(struct pass *ps)
{
	struct open	*o;
	size_t		 i;

	for (i = ps->depth; i > 0; i--) {
		o = &ps->stack[i - 1];
		if (o->el->kind != KIND_UL && o->el->kind != KIND_OL)
			continue;
		if (o->el->kind == KIND_OL && o->number < UINT32_MAX - 1) {
			(void)snprintf(ps->w.lead, sizeof(ps->w.lead),
			    "%u. ", ++o->number);
			return;
		}
		break;
	}
	(void)strlcpy(ps->w.lead, "- ", sizeof(ps->w.lead));
}

/* What its start writes; o is on the stack. */
static void
open_effect(struct pass *ps, struct open *o)
{
	struct html_writer	*w = &ps->w;
	const struct html_elem	*el = o->el;

	if (el->flags & EL_BLOCK)
		html_write_break(w, (el->flags & EL_APART) ||
		    ((el->kind == KIND_UL || el->kind == KIND_OL) &&
		    w->lists == 0) ? 2 : 1);
	switch (el->kind) {
	case KIND_A:
		if (pass_markdown(ps) && ps->pre == 0 && o->href.p != NULL &&
		    link_usable(ps, o->href)) {
			open_set_mark(ps, o, "[");
			w->flat = true;
		}
		break;
	case KIND_BOLD:
		open_set_mark(ps, o, "**");
		break;
	case KIND_ITALIC:
		open_set_mark(ps, o, "*");
		break;
	case KIND_CODE:
		open_set_mark(ps, o, "`");
		break;
	case KIND_H:
		if (pass_markdown(ps) && !w->flat && w->lead[0] == '\0')
			(void)snprintf(w->lead, sizeof(w->lead), "%.*s ",
			    o->name.p[1] - '0', "######");
		break;
	case KIND_LI:
		if (!w->flat)
			item_lead(ps);
		break;
	case KIND_UL:
	case KIND_OL:
		if (w->lists < HTML_LISTS_MAX)
			w->lists++;
		else
			o->number = UINT32_MAX;	/* not counted */
		break;
	case KIND_QUOTE:
		if (pass_markdown(ps) && w->quotes < HTML_QUOTES_MAX) {
			w->quotes++;
			o->number = 1;
		}
		break;
	case KIND_TD:
		w->cell = w->begun && w->lines == 0;
		break;
	default:
		break;
	}
}

static void
push(struct pass *ps, const struct html_elem *el, const struct html_token *t)
{
	struct open	*o;

	if (ps->depth == DEPTH_MAX) {
		ps->deeper++;
		return;
	}
	o = &ps->stack[ps->depth];
	memset(o, 0, sizeof(*o));
	o->el = el;
	o->name = t->name;
	open_attrs(ps, o, t->attrs);
	ps->depth++;
	ps->mute += o->muted;
	ps->scope += o->scoped;
	if (!pass_quiet(ps))
		open_effect(ps, o);
	if (el->kind == KIND_PRE) {
		if (!pass_quiet(ps)) {
			open_set_mark(ps, o, "```");
			ps->pre_start = true;
		}
		ps->pre++;
	}
}

/* An element that has no end. */
static void
single(struct pass *ps, const struct html_elem *el, struct str attrs)
{
	struct fetch_url	 u;
	struct str		 name, v;
	const char		*why;
	char			 buf[FETCH_URL_MAX];

	if (el->kind == KIND_BASE && !ps->have_base) {
		while (html_attr_next(&attrs, &name, &v))
			if (str_ieqs(name, "href") &&
			    fetch_url_resolve(ps->pg->base, attr_text(v, buf,
			    sizeof(buf)), &u, &why) == 0) {
				ps->base = u;
				ps->have_base = true;
				break;
			}
	}
	if (pass_quiet(ps))
		return;
	if (el->kind == KIND_BR) {
		if (ps->pre > 0)
			ps->w.lines++;
		else
			html_write_newline(&ps->w);
	} else if (el->kind == KIND_HR) {
		html_write_break(&ps->w, 2);
		if (pass_markdown(ps) && !ps->w.flat) {
			html_write(&ps->w, "---", 3);
			html_write_break(&ps->w, 2);
		}
	} else if (el->kind == KIND_IMG) {
		while (html_attr_next(&attrs, &name, &v))
			if (str_ieqs(name, "alt")) {
				pass_text(ps, v, false);
				break;
			}
	}
}

static bool
self_closed(struct str attrs)
{
	attrs = str_trim(attrs);
	return attrs.n > 0 && attrs.p[attrs.n - 1] == '/';
}

static bool
name_eq(struct str a, struct str b)
{
	return a.n == b.n && ascii_ncasecmp(a.p, b.p, a.n) == 0;
}

static void
pass_start(struct pass *ps, const struct html_token *t)
{
	const struct html_elem	*el = html_elem_find(t->name);

	if (ps->skip.p != NULL) {
		if (name_eq(ps->skip, t->name) && !self_closed(t->attrs))
			ps->skips++;
		return;
	}
	if (el->flags & EL_VOID) {
		single(ps, el, t->attrs);
		return;
	}
	if (el->flags & EL_SKIP) {
		if (!self_closed(t->attrs) || el->kind == KIND_TITLE) {
			ps->skip = t->name;
			ps->skips = 1;
		}
		return;
	}
	close_implied(ps, el);
	push(ps, el, t);
}

static void
pass_end(struct pass *ps, const struct html_token *t)
{
	const struct html_elem	*el;
	const struct open	*o;
	size_t			 i;

	if (ps->skip.p != NULL) {
		if (name_eq(ps->skip, t->name) && --ps->skips == 0)
			ps->skip.p = NULL;
		return;
	}
	if (ps->deeper > 0) {
		ps->deeper--;
		return;
	}
	el = html_elem_find(t->name);
	for (i = ps->depth; i > 0; i--) {
		o = &ps->stack[i - 1];
		if (o->el == el && name_eq(o->name, t->name)) {
			pop_to(ps, i - 1);
			return;
		}
		/* A stray end in a cell does not end the table. */
		if ((o->el->kind == KIND_TD || o->el->kind == KIND_TABLE) &&
		    el->kind != KIND_TABLE && el->kind != KIND_TR &&
		    el->kind != KIND_TD && el->kind != KIND_OTHER)
			return;
	}
}

static void
pass_run(struct pass *ps, struct html_page *pg, struct str html,
    unsigned int want, bool chrome)
{
	struct html_lexer	l;
	struct html_token	t;

	memset(ps, 0, sizeof(*ps));
	ps->pg = pg;
	ps->want = want;
	ps->chrome = chrome;
	dbuf_reset(pg->out);
	html_writer_init(&ps->w, pg->out);
	html_lexer_init(&l, html);
	while (html_next(&l, &t)) {
		if (dbuf_err(pg->out))
			break;
		switch (t.kind) {
		case HTML_TEXT:
			if (ps->skip.p == NULL)
				pass_text(ps, t.text, t.raw);
			else if (!ps->titled && str_ieqs(ps->skip, "title"))
				pass_title(ps, t.text);
			break;
		case HTML_START:
			pass_start(ps, &t);
			break;
		case HTML_END:
			pass_end(ps, &t);
			break;
		}
	}
	pop_to(ps, 0);
}

bool
html_page_make(struct html_page *pg, struct str html)
{
	static const unsigned int	parts[] = { EL_MAIN, EL_ARTICLE };
	static struct pass		ps;	/* too large for the stack */
	size_t				i;

	pg->title[0] = '\0';
	for (i = 0; pg->main_only && i < 2; i++) {
		pass_run(&ps, pg, html, parts[i], false);
		if (pg->out->n >= MAIN_MIN)
			return !dbuf_err(pg->out);
	}
	if (pg->main_only) {
		pass_run(&ps, pg, html, 0, false);
		if (pg->out->n > 0)
			return !dbuf_err(pg->out);
	}
	pass_run(&ps, pg, html, 0, true);
	return !dbuf_err(pg->out);
}
