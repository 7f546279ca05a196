/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Pages of strangers: the first byte chooses form, type and encoding, the rest
 * is the body.  What comes out is text, bounded, and cannot end its marks. */
#include "common/compat.h"

#include "toold/external.h"
#include "toold/fetch/page.h"

#define END	"\n<<<END_EXTERNAL_UNTRUSTED_CONTENT id=\""

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
need(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const	types[] = { "text/html", "",
	    "text/html; charset=utf-8", "text/html; charset=windows-1251",
	    "text/html; charset=utf-16le", "application/json",
	    "text/plain; charset=x", "image/png" };
	struct page_source		 src = { 0 };
	struct page			 pg;
	struct fetch_url		 u, v;
	struct dbuf			 d;
	const char			*why, *end;
	char				 reason[256], text[FETCH_URL_MAX];
	char				 again[FETCH_URL_MAX];

	if (n == 0)
		return 0;
	need(fetch_url_parse(STR_LIT("https://h.example/a/b?c"), &u, &why) ==
	    0);
	src.body = (struct str){ (const char *)data + 1, n - 1 };
	src.type = str_of(types[data[0] & 7]);
	src.form = data[0] & 8 ? FETCH_TEXT : FETCH_MARKDOWN;
	src.main_only = (data[0] & 16) != 0;
	src.cut = (data[0] & 32) != 0;
	src.url = &u;
	if (page_make(&pg, &src, reason, sizeof(reason)) == FETCH_OK) {
		need(pg.n <= PAGE_TEXT_MAX && utf8_valid(pg.text, pg.n));
		need(utf8_valid(pg.title, strlen(pg.title)));
		need(pg.chars == utf8_count(pg.text, pg.n));
		dbuf_init(&d, pg.n + EXTERNAL_ROOM);
		need(external_wrap(&d, "Web Fetch",
		    (struct str){ pg.text, pg.n }, false) == 0);
		need(utf8_valid(dbuf_str(&d), d.n));
		end = memmem(dbuf_str(&d), d.n, END, sizeof(END) - 1);
		need(end != NULL && (size_t)(dbuf_str(&d) + d.n - end) < 60);
		dbuf_clear(&d);
	} else
		need(utf8_valid(reason, strlen(reason)));
	page_clear(&pg);
	/* The same bytes as an address. */
	if (fetch_url_resolve(&u, src.body, &v, &why) == 0) {
		fetch_url_text(&v, text);
		need(fetch_url_parse(str_of(text), &v, &why) == 0);
		fetch_url_text(&v, again);
		need(strcmp(text, again) == 0);
	}
	return 0;
}
