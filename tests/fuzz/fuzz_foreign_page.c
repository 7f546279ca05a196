/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One byte of length, the assistant's name and picture, then the text of an
 * index.html.  Nothing of the page is lost, no value ends the script that it
 * is in, and the policy is one header line with every source quoted.
 */
#include "common/compat.h"

#include "gatewayd/front/foreign.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
need(bool ok)
{
	if (!ok)
		abort();
}

/* The page, with one <script> somewhere that nothing in it ends. */
static bool
one_script_more(const struct foreign_page *pg, const char *html, size_t n)
{
	static const char	 open[] =
	    "<script>window.__OPENCLAW_CONTROL_UI_BASE_PATH__=\"/base\";";
	const char		*at;
	size_t			 i, more = pg->n - n;

	for (i = 0; i <= n; i++) {
		at = pg->html + i;
		if (memcmp(pg->html, html, i) == 0 && memcmp(at + more, html +
		    i, n - i) == 0 && more > sizeof(open) + 9 && memcmp(at,
		    open, sizeof(open) - 1) == 0 && memcmp(at + more - 9,
		    "</script>", 9) == 0 && memchr(at + 1, '<', more - 10) ==
		    NULL)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct foreign_page	 pg;
	struct foreign_values	 v = { "/base", NULL, NULL };
	char			*html, value[256];
	size_t			 k;

	if (n < 1 || (k = p[0]) > n - 1)
		return 0;
	memcpy(value, p + 1, k);
	value[k] = '\0';
	v.name = v.avatar = value;
	p += 1 + k;
	n -= 1 + k;
	/* Of its own, so that a read behind its end is seen. */
	if ((html = malloc(n + 1)) == NULL)
		return 0;
	memcpy(html, p, n);
	if (foreign_make(&pg, (struct str){ html, n }, &v) == 0) {
		need(pg.n >= n && strlen(pg.html) <= pg.n);
		need(pg.n == n ? memcmp(pg.html, html, n) == 0 :
		    one_script_more(&pg, html, n));
		need(strpbrk(pg.csp, "\r\n\"<>*") == NULL);
		need(strstr(pg.csp, "; frame-ancestors 'none'") != NULL);
		foreign_clear(&pg);
	}
	free(html);
	return 0;
}
