/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* An answer's body as text to read, by what the server says it is.  Pure. */
#ifndef TOOLD_FETCH_PAGE_H
#define TOOLD_FETCH_PAGE_H

#include "toold/fetch/html_page.h"

#define PAGE_TEXT_MAX	(4u << 20)	/* bytes, as FT_RES.text */

struct page_source {
	struct str		 body;
	struct str		 type;		/* Content-Type */
	bool			 cut;		/* there was more of it */
	enum fetch_form		 form;
	bool			 main_only;
	const struct fetch_url	*url;
};

struct page {
	char		*text;		/* valid UTF-8 without NUL */
	size_t		 n;
	uint32_t	 chars;
	bool		 cut;		/* not all of it is text here */
	enum fetch_how	 how;
	char		 title[HTML_TITLE_MAX];
};

/* FETCH_OK, or what is wrong with a reason in why. */
enum fetch_status page_make(struct page *, const struct page_source *,
	    char *why, size_t size);
void	 page_clear(struct page *);

#endif
