/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/dbuf.h"
#include "common/json_write.h"
#include "common/sha256.h"
#include "gatewayd/front/foreign.h"

#define HTML_MAX	(16u << 20)
#define CSP_MAX		8192
#define SCRIPTS_MAX	64	/* inline ones that may run */

/* First place of an ASCII word, whatever its case, NULL when there is none. */
static const char *
find(const char *p, const char *end, const char *word)
{
	size_t	n = strlen(word);

	for (; (size_t)(end - p) >= n; p++)
		if (ascii_ncasecmp(p, word, n) == 0)
			return p;
	return NULL;
}

/* A JSON text as an element <script> can hold it. */
static void
put_value(struct dbuf *b, const char *name, const char *value)
{
	struct dbuf	 json;
	size_t		 i;

	dbuf_init(&json, CSP_MAX);
	json_quote(&json, value, strlen(value));
	(void)dbuf_printf(b, "window.%s=", name);
	for (i = 0; i < json.n; i++)
		if (strchr("<>&", json.p[i]) != NULL)
			(void)dbuf_printf(b, "\\u%04x",
			    (unsigned char)json.p[i]);
		else
			(void)dbuf_putc(b, json.p[i]);
	(void)dbuf_putc(b, ';');
	dbuf_clear(&json);
}

static void
put_html(struct dbuf *b, struct str index, const struct foreign_values *v)
{
	const char	*end = index.p + index.n, *at;

	at = find(index.p, end, "</head>");
	if (at == NULL)
		at = index.p;
	/* Who built the page may have set them. */
	if (find(index.p, end, "__OPENCLAW_ASSISTANT_NAME__") != NULL) {
		(void)dbuf_put(b, index.p, index.n);
		return;
	}
	(void)dbuf_put(b, index.p, (size_t)(at - index.p));
	(void)dbuf_puts(b, "<script>");
	put_value(b, "__OPENCLAW_CONTROL_UI_BASE_PATH__", v->base_path);
	put_value(b, "__OPENCLAW_ASSISTANT_NAME__", v->name);
	put_value(b, "__OPENCLAW_ASSISTANT_AVATAR__", v->avatar);
	(void)dbuf_puts(b, "</script>");
	(void)dbuf_put(b, at, (size_t)(end - at));
}

/*
 * What the page's own scripts are known by.  One that this finds elsewhere
 * than a browser does simply does not run.
 */
static void
put_hashes(struct dbuf *b, const char *p, const char *end)
{
	struct sha256	 s;
	const char	*to;
	uint8_t		 sum[SHA256_LEN];
	char		 text[BASE64_LEN(SHA256_LEN) + 1];
	unsigned int	 n = 0;

	while (n < SCRIPTS_MAX && (p = find(p, end, "<script")) != NULL &&
	    (p = find(p, end, ">")) != NULL &&
	    (to = find(++p, end, "</script")) != NULL) {
		if (to > p) {
			sha256_init(&s);
			sha256_update(&s, p, (size_t)(to - p));
			sha256_final(&s, sum);
			base64_encode(sum, sizeof(sum), text);
			(void)dbuf_printf(b, " 'sha256-%s'", text);
			n++;
		}
		p = to;
	}
}

int
foreign_make(struct foreign_page *pg, struct str index, const struct foreign_values *v)
{
	struct dbuf	 html, csp;

	memset(pg, 0, sizeof(*pg));
	dbuf_init(&html, HTML_MAX);
	dbuf_init(&csp, CSP_MAX);
	put_html(&html, index, v);
	if (!dbuf_err(&html)) {
		(void)dbuf_puts(&csp, "default-src 'none'; script-src 'self'");
		put_hashes(&csp, html.p, html.p + html.n);
		(void)dbuf_puts(&csp, "; style-src 'self' 'unsafe-inline'; "
		    "img-src 'self' data: blob:; font-src 'self' data:; "
		    "media-src 'self' data: blob:; connect-src 'self' data:; "
		    "worker-src 'self' blob:; manifest-src 'self'; "
		    "frame-src 'self'; base-uri 'none'; form-action 'none'; "
		    "frame-ancestors 'none'");
		asset_tag(pg->etag, html.p, html.n);
	}
	if (dbuf_err(&html) || dbuf_err(&csp)) {
		dbuf_clear(&html);
		dbuf_clear(&csp);
		return -1;
	}
	pg->html = dbuf_take(&html, &pg->n);
	pg->csp = dbuf_take(&csp, NULL);
	if (pg->html != NULL && pg->csp != NULL)
		return 0;
	foreign_clear(pg);
	return -1;
}

void
foreign_clear(struct foreign_page *pg)
{
	free(pg->html);
	free(pg->csp);
	memset(pg, 0, sizeof(*pg));
}
