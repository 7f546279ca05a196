/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/charset.h"
#include "toold/fetch/page.h"

#define SNIFF	512

enum kind { PAGE_HTML, PAGE_JSON, PAGE_TEXT, PAGE_OTHER };

static bool
ends_with(struct str s, const char *end)
{
	size_t	n = strlen(end);

	return s.n >= n && ascii_ncasecmp(s.p + s.n - n, end, n) == 0;
}

/* "text/html; charset=utf-8": text/html */
static struct str
type_bare(struct str type)
{
	size_t	i;

	for (i = 0; i < type.n && type.p[i] != ';'; i++)
		;
	return str_trim((struct str){ type.p, i });
}

static enum kind
kind_by_look(struct str b)
{
	size_t	i;

	b.n = b.n < SNIFF ? b.n : SNIFF;
	if (memchr(b.p, '\0', b.n) != NULL)
		return PAGE_OTHER;
	b = str_trim(b);
	for (i = 0; i + 5 <= b.n; i++)
		if (ascii_ncasecmp(b.p + i, "<html", 5) == 0 ||
		    ascii_ncasecmp(b.p + i, "<head", 5) == 0 ||
		    ascii_ncasecmp(b.p + i, "<body", 5) == 0 ||
		    ascii_ncasecmp(b.p + i, "<!doc", 5) == 0)
			return PAGE_HTML;
	return PAGE_TEXT;
}

static enum kind
kind_of(struct str type, struct str body)
{
	static const char *const	texts[] = { "application/xml",
	    "application/javascript", "application/ecmascript",
	    "application/x-javascript", "application/yaml",
	    "application/x-yaml", "application/toml", "application/sql",
	    "application/x-sh", "application/x-ndjson", "application/rtf",
	    "application/graphql", "message/rfc822" };
	size_t				i;

	if (type.n == 0 || str_ieqs(type, "application/octet-stream") ||
	    str_ieqs(type, "unknown/unknown"))
		return kind_by_look(body);
	if (str_ieqs(type, "text/html") ||
	    str_ieqs(type, "application/xhtml+xml"))
		return PAGE_HTML;
	if (str_ieqs(type, "application/json") ||
	    str_ieqs(type, "text/json") || ends_with(type, "+json"))
		return PAGE_JSON;
	if (ends_with(type, "+xml") || (type.n > 5 && ascii_ncasecmp(type.p,
	    "text/", 5) == 0))
		return PAGE_TEXT;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (str_ieqs(type, texts[i]))
			return PAGE_TEXT;
	return PAGE_OTHER;
}

/* A character that was cut in two is left out whole. */
static struct str
body_whole(struct str b)
{
	size_t	i;

	for (i = 0; i < 3 && b.n > 0 && (b.p[b.n - 1] & 0xc0) == 0x80; i++)
		b.n--;
	if (b.n > 0 && (b.p[b.n - 1] & 0xc0) == 0xc0)
		b.n--;
	return b;
}

/* What is said of the text, once it is all there. */
static enum fetch_status
page_take(struct page *pg, struct dbuf *out, char *why, size_t size)
{
	size_t	n = out->n;

	/* It is full: what there is is what there is. */
	if (out->err) {
		pg->cut = true;
		out->err = false;
	}
	while (n > 0 && ascii_isspace((unsigned char)out->p[n - 1]))
		n--;
	pg->text = dbuf_take(out, &pg->n);
	if (pg->text == NULL && (pg->text = calloc(1, 1)) == NULL) {
		(void)snprintf(why, size, "out of memory");
		return FETCH_BUSY;
	}
	pg->n = utf8_cut(pg->text, n, n);
	pg->chars = (uint32_t)utf8_count(pg->text, pg->n);
	return FETCH_OK;
}

enum fetch_status
page_make(struct page *pg, const struct page_source *src, char *why,
    size_t size)
{
	struct html_page	 hp;
	struct dbuf		 text, out;
	struct str		 type = type_bare(src->type), body = src->body;
	enum kind		 kind;
	enum fetch_status	 st;
	char			 name[64];

	memset(pg, 0, sizeof(*pg));
	pg->cut = src->cut;
	if ((kind = kind_of(type, body)) == PAGE_OTHER) {
		(void)snprintf(why, size, "the answer is of type %.*s, which "
		    "cannot be shown as text", (int)(type.n < 80 ? type.n :
		    80), type.n > 0 ? type.p : "");
		return FETCH_TYPE;
	}
	if (src->cut)
		body = body_whole(body);
	dbuf_init(&text, 3 * body.n + 16);
	if (charset_decode(body, charset_of_type(src->type),
	    kind == PAGE_HTML, &text, name, sizeof(name)) == -1) {
		(void)snprintf(why, size, "the answer is in the encoding "
		    "%s, which is not known here", name);
		dbuf_clear(&text);
		return FETCH_TYPE;
	}
	if (dbuf_err(&text)) {
		(void)snprintf(why, size, "out of memory");
		dbuf_clear(&text);
		return FETCH_BUSY;
	}
	dbuf_init(&out, PAGE_TEXT_MAX);
	if (kind == PAGE_HTML) {
		hp.form = src->form;
		hp.main_only = src->main_only;
		hp.base = src->url;
		hp.out = &out;
		html_page_make(&hp, (struct str){ dbuf_str(&text), text.n });
		(void)strlcpy(pg->title, hp.title, sizeof(pg->title));
		pg->how = FETCH_READABLE;
	} else {
		body = (struct str){ dbuf_str(&text), text.n };
		if (body.n > PAGE_TEXT_MAX) {
			body.n = utf8_cut(body.p, body.n, PAGE_TEXT_MAX);
			pg->cut = true;
		}
		dbuf_put(&out, body.p, body.n);
		pg->how = kind == PAGE_JSON ? FETCH_JSON : FETCH_RAW;
	}
	dbuf_clear(&text);
	st = page_take(pg, &out, why, size);
	dbuf_clear(&out);
	return st;
}

void
page_clear(struct page *pg)
{
	free(pg->text);
	pg->text = NULL;
	pg->n = 0;
}
