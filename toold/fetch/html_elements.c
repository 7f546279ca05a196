/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/html_elements.h"

/* In the order of their names. */
static const struct html_elem elements[] = {
	{ "a", KIND_A, 0 },
	{ "address", KIND_OTHER, EL_BLOCK },
	{ "applet", KIND_OTHER, EL_SKIP },
	{ "area", KIND_OTHER, EL_VOID },
	{ "article", KIND_OTHER, EL_BLOCK | EL_ARTICLE },
	{ "aside", KIND_OTHER, EL_BLOCK | EL_CHROME },
	{ "audio", KIND_OTHER, EL_SKIP },
	{ "b", KIND_BOLD, 0 },
	{ "base", KIND_BASE, EL_VOID },
	{ "blockquote", KIND_QUOTE, EL_BLOCK | EL_APART },
	{ "body", KIND_OTHER, EL_BLOCK },
	{ "br", KIND_BR, EL_VOID },
	{ "button", KIND_OTHER, EL_SKIP },
	{ "canvas", KIND_OTHER, EL_SKIP },
	{ "caption", KIND_OTHER, EL_BLOCK },
	{ "center", KIND_OTHER, EL_BLOCK },
	{ "code", KIND_CODE, 0 },
	{ "col", KIND_OTHER, EL_VOID },
	{ "datalist", KIND_OTHER, EL_SKIP },
	{ "dd", KIND_DT, EL_BLOCK },
	{ "details", KIND_OTHER, EL_BLOCK },
	{ "dialog", KIND_OTHER, EL_SKIP },
	{ "dir", KIND_UL, EL_BLOCK },
	{ "div", KIND_OTHER, EL_BLOCK },
	{ "dl", KIND_DL, EL_BLOCK },
	{ "dt", KIND_DT, EL_BLOCK },
	{ "em", KIND_ITALIC, 0 },
	{ "embed", KIND_OTHER, EL_SKIP | EL_VOID },
	{ "fieldset", KIND_OTHER, EL_BLOCK },
	{ "figcaption", KIND_OTHER, EL_BLOCK },
	{ "figure", KIND_OTHER, EL_BLOCK },
	{ "footer", KIND_OTHER, EL_BLOCK | EL_CHROME },
	{ "form", KIND_OTHER, EL_BLOCK },
	{ "frame", KIND_OTHER, EL_VOID },
	{ "frameset", KIND_OTHER, EL_BLOCK },
	{ "h1", KIND_H, EL_BLOCK | EL_APART },
	{ "h2", KIND_H, EL_BLOCK | EL_APART },
	{ "h3", KIND_H, EL_BLOCK | EL_APART },
	{ "h4", KIND_H, EL_BLOCK | EL_APART },
	{ "h5", KIND_H, EL_BLOCK | EL_APART },
	{ "h6", KIND_H, EL_BLOCK | EL_APART },
	{ "header", KIND_HEADER, EL_BLOCK },
	{ "hgroup", KIND_OTHER, EL_BLOCK },
	{ "hr", KIND_HR, EL_VOID },
	{ "html", KIND_OTHER, EL_BLOCK },
	{ "i", KIND_ITALIC, 0 },
	{ "iframe", KIND_OTHER, EL_SKIP },
	{ "img", KIND_IMG, EL_VOID },
	{ "input", KIND_OTHER, EL_VOID },
	{ "kbd", KIND_CODE, 0 },
	{ "legend", KIND_OTHER, EL_BLOCK },
	{ "li", KIND_LI, EL_BLOCK },
	{ "link", KIND_OTHER, EL_VOID },
	{ "listing", KIND_PRE, EL_BLOCK | EL_APART },
	{ "main", KIND_OTHER, EL_BLOCK | EL_MAIN },
	{ "map", KIND_OTHER, EL_SKIP },
	{ "menu", KIND_UL, EL_BLOCK },
	{ "menuitem", KIND_OTHER, EL_BLOCK },
	{ "meta", KIND_OTHER, EL_VOID },
	{ "meter", KIND_OTHER, EL_SKIP },
	{ "nav", KIND_OTHER, EL_BLOCK | EL_CHROME },
	{ "noembed", KIND_OTHER, EL_SKIP },
	{ "noframes", KIND_OTHER, EL_SKIP },
	{ "noscript", KIND_OTHER, EL_SKIP },
	{ "object", KIND_OTHER, EL_SKIP },
	{ "ol", KIND_OL, EL_BLOCK },
	{ "optgroup", KIND_OPTION, EL_SKIP },
	{ "option", KIND_OPTION, EL_SKIP },
	{ "p", KIND_P, EL_BLOCK | EL_APART },
	{ "param", KIND_OTHER, EL_VOID },
	{ "pre", KIND_PRE, EL_BLOCK | EL_APART },
	{ "progress", KIND_OTHER, EL_SKIP },
	{ "samp", KIND_CODE, 0 },
	{ "script", KIND_OTHER, EL_SKIP },
	{ "search", KIND_OTHER, EL_BLOCK },
	{ "section", KIND_OTHER, EL_BLOCK },
	{ "select", KIND_OTHER, EL_SKIP },
	{ "source", KIND_OTHER, EL_VOID },
	{ "strong", KIND_BOLD, 0 },
	{ "style", KIND_OTHER, EL_SKIP },
	{ "summary", KIND_OTHER, EL_BLOCK },
	{ "svg", KIND_OTHER, EL_SKIP },
	{ "table", KIND_TABLE, EL_BLOCK | EL_APART },
	{ "tbody", KIND_OTHER, EL_BLOCK },
	{ "td", KIND_TD, 0 },
	{ "template", KIND_OTHER, EL_SKIP },
	{ "textarea", KIND_OTHER, EL_SKIP },
	{ "tfoot", KIND_OTHER, EL_BLOCK },
	{ "th", KIND_TD, 0 },
	{ "thead", KIND_OTHER, EL_BLOCK },
	{ "title", KIND_TITLE, EL_SKIP },
	{ "tr", KIND_TR, EL_BLOCK },
	{ "track", KIND_OTHER, EL_VOID },
	{ "tt", KIND_CODE, 0 },
	{ "ul", KIND_UL, EL_BLOCK },
	{ "video", KIND_OTHER, EL_SKIP },
	{ "wbr", KIND_OTHER, EL_VOID },
	{ "xmp", KIND_PRE, EL_BLOCK | EL_APART },
};

static const struct html_elem unknown = { "", KIND_OTHER, 0 };

const struct html_elem *
html_elem_find(struct str name)
{
	size_t	lo = 0, hi = sizeof(elements) / sizeof(elements[0]), mid;
	char	low[16];
	int	r;

	if (name.n >= sizeof(low))
		return &unknown;
	for (mid = 0; mid < name.n; mid++)
		low[mid] = (char)ascii_tolower((unsigned char)name.p[mid]);
	low[name.n] = '\0';
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		r = strcmp(low, elements[mid].name);
		if (r == 0)
			return &elements[mid];
		if (r < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return &unknown;
}
