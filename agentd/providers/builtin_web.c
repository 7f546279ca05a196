/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Web pages of the built-in helper: the address that the user wrote goes to the
 * tool web_fetch, and what the page says is quoted, never obeyed (EP-15).
 */

#include "common/compat.h"

#include "agentd/providers/builtin_flows.h"

#define TAIL	"\n<<<END_EXTERNAL_UNTRUSTED_CONTENT "

bool
bflow_is_address(struct str s)
{
	return (s.n >= 7 && ascii_ncasecmp(s.p, "http://", 7) == 0) ||
	    (s.n >= 8 && ascii_ncasecmp(s.p, "https://", 8) == 0);
}

/* The first address in what the user said; p is NULL when there is none. */
static struct str
web_address(const struct dialog *d)
{
	struct str	 all = { dbuf_str(&d->texts[0]), d->texts[0].n }, u;
	size_t		 i, n;

	for (i = 0; i < all.n; i++) {
		u = (struct str){ all.p + i, all.n - i };
		if (bflow_is_address(u))
			break;
	}
	if (i >= all.n)
		return (struct str){ NULL, 0 };
	/* Up to a blank, a quote or the first letter of another script. */
	for (n = 0; n < u.n && u.p[n] > 0x20 && u.p[n] < 0x7f &&
	    strchr("\"'<>`", u.p[n]) == NULL; n++)
		;
	while (n > 0 && strchr(".,;:!?)]}", u.p[n - 1]) != NULL)
		n--;
	return (struct str){ u.p, n };
}

/* What stands between the marks of a stranger's text. */
static struct str
web_inside(const char *marked)
{
	const char	*start, *end, *next;

	if (marked == NULL || (start = strstr(marked, "\n---\n")) == NULL)
		return (struct str){ "", 0 };
	start += 5;
	end = start + strlen(start);
	/* Its own end is the last one. */
	for (next = strstr(start, TAIL); next != NULL;
	    next = strstr(next + 1, TAIL))
		end = next;
	return str_trim((struct str){ start, (size_t)(end - start) });
}

static void
web_show(struct dialog *d, const struct bresult *r)
{
	struct str	 t = bflow_result(r), title, text;
	struct dbuf	 all;
	json_t		*o;
	const char	*url;

	if ((o = json_loadb(t.p, t.n, 0, NULL)) == NULL ||
	    !json_is_object(o)) {
		bflow_end_quote(d, R_WEB_PAGE, "web_fetch", t, QUOTE_LINES);
		json_decref(o);
		return;
	}
	title = web_inside(json_text(o, "title", NULL));
	text = web_inside(json_text(o, "text", NULL));
	url = json_text(o, "finalUrl", "");
	dbuf_init(&all, title.n + text.n + 8);
	dbuf_put(&all, title.p, title.n);
	if (title.n > 0)
		dbuf_puts(&all, "\n\n");
	dbuf_put(&all, text.p, text.n);
	/* It is put between backticks. */
	if (strpbrk(url, "`\n") != NULL)
		url = "web_fetch";
	bflow_end_quote(d, R_WEB_PAGE, url, (struct str){ dbuf_str(&all),
	    all.n }, QUOTE_LINES);
	dbuf_clear(&all);
	json_decref(o);
}

void
bflow_web(struct dialog *d)
{
	struct str	 url = web_address(d);
	struct bresult	*r;

	if ((r = dialog_result(d, "web_fetch", 0)) != NULL) {
		if (r->is_error)
			bflow_end_failed(d, r);
		else
			web_show(d, r);
	} else if (!btools_has(d->ctx->tools, "web_fetch"))
		bflow_end(d, R_WEB);
	else if (url.p == NULL)
		bflow_end(d, R_WEB_NO_SEARCH);
	else
		dialog_call(d, "web_fetch", json_pack("{s:s%}", "url", url.p,
		    url.n), NULL);
}
