/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What must hold for any text: the pieces cover all that is visible, each fits
 * its limit, the tags of each piece are balanced.  The first byte chooses the
 * table form, the second the limit.
 */

#include "common/compat.h"

#include "channeld/markdown.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static size_t
visible(const char *p, size_t n)
{
	size_t	 i, sum = 0;

	for (i = 0; i < n; i++)
		sum += p[i] != ' ' && p[i] != '\t' && p[i] != '\n';
	return sum;
}

/* Every tag that opens closes, in order; no stray angle bracket. */
static void
check_html(const char *p)
{
	const char	*stack[32], *e;
	size_t		 depth = 0, n;

	for (; (p = strchr(p, '<')) != NULL; p = e + 1) {
		if ((e = strchr(p, '>')) == NULL)
			abort();
		if (p[1] != '/') {
			if (depth == 32)
				abort();
			stack[depth++] = p + 1;
			continue;
		}
		n = (size_t)(e - p - 2);
		if (depth == 0 || strncmp(stack[--depth], p + 2, n) != 0)
			abort();
	}
	if (depth != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct markdown_limit	 lim = { 16, UNIT_UTF16, false };
	struct markdown_doc	*doc;
	struct markdown_piece	 p = { 0 };
	struct dbuf		 b;
	size_t			 got = 0, last = 0;

	if (size < 2)
		return 0;
	lim.max += data[1];
	lim.paragraphs = (data[0] & 4) != 0;
	doc = markdown_parse((struct str){ (const char *)data + 2, size - 2 },
	    data[0] % 3);
	if (doc == NULL)
		return 0;
	dbuf_init(&b, 8 << 20);
	while (markdown_next(doc, &lim, &p)) {
		if (p.from < last || p.to <= p.from || p.to > doc->text.n ||
		    p.next < p.to)
			abort();
		last = p.to;
		got += visible(doc->text.p + p.from, p.to - p.from);
		if (!utf8_valid(doc->text.p + p.from, p.to - p.from))
			abort();
		if (markdown_units((struct str){ doc->text.p + p.from,
		    p.to - p.from }, UNIT_UTF16) > lim.max)
			abort();
		dbuf_reset(&b);
		if (markdown_render(doc, &p, &markdown_telegram, &b) == 0)
			check_html(dbuf_str(&b));
		dbuf_reset(&b);
		(void)markdown_render(doc, &p, &markdown_text, &b);
	}
	if (doc->text.n != 0 && got != visible(doc->text.p, doc->text.n))
		abort();
	dbuf_clear(&b);
	markdown_free(doc);
	return 0;
}
