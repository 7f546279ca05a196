/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What a person would read of a web page, as Markdown or as text.  Scripts,
 * styles, forms' fields, hidden parts and invisible characters are left out,
 * and on demand menus, side columns and footers too.  There is no tree: one
 * pass over the tokens with a stack of open elements that has a limit.  Pure.
 */
#ifndef TOOLD_FETCH_HTML_PAGE_H
#define TOOLD_FETCH_HTML_PAGE_H

#include "common/dbuf.h"
#include "proto/enums.h"
#include "toold/fetch/fetch_url.h"

#define HTML_TITLE_MAX	256	/* bytes, with the NUL */

struct html_page {
	enum fetch_form		 form;
	bool			 main_only;
	const struct fetch_url	*base;	/* for links */
	struct dbuf		*out;	/* its limit is that of the page */
	char			 title[HTML_TITLE_MAX];
};

/* html is valid UTF-8; false when not all went into out. */
bool	 html_page_make(struct html_page *, struct str html);

#endif
