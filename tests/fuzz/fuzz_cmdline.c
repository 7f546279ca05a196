/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A command of a model is taken apart: no word may be longer than its source,
 * none is lost, and what is put together again from quoted words comes apart
 * into the same ones.
 */
#include "common/compat.h"

#include "toold/cmdline.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
same(const struct cmdline *a, const struct cmdline *b)
{
	size_t	 i, k;

	if (a->nseg != b->nseg || a->nwords != b->nwords)
		abort();
	for (i = 0; i < a->nseg; i++) {
		if (a->seg[i].op != b->seg[i].op ||
		    a->seg[i].argc != b->seg[i].argc || a->seg[i].argc == 0)
			abort();
		for (k = 0; k < a->seg[i].argc; k++)
			if (strcmp(a->seg[i].argv[k], b->seg[i].argv[k]) != 0)
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const ops[] = { "", "&&", "||", ";", "|" };
	static struct cmdline	 a, b;
	struct dbuf		 text;
	size_t			 i, k;

	(void)cmdline_visible((struct str){ (const char *)p, n });
	if (cmdline_parse(&a, (struct str){ (const char *)p, n }) !=
	    CMDLINE_OK)
		return 0;
	dbuf_init(&text, 8 * n + 64);
	for (i = 0; i < a.nseg; i++) {
		for (k = 0; k < a.seg[i].argc; k++) {
			cmdline_quote(&text, a.seg[i].argv[k]);
			dbuf_putc(&text, ' ');
		}
		dbuf_puts(&text, ops[a.seg[i].op]);
	}
	if (dbuf_err(&text) || cmdline_parse(&b, (struct str){ text.p,
	    text.n }) != CMDLINE_OK)
		abort();
	same(&a, &b);
	cmdline_clear(&a);
	cmdline_clear(&b);
	dbuf_clear(&text);
	return 0;
}
