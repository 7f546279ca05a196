/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * File, old and new text, parted by bytes 0xfe.  An accepted edit must have
 * put the new text in and kept what stands before and behind; the same bytes
 * also go through the cleaner, the window and the keeper of output.
 */
#include "common/compat.h"

#include "toold/edit.h"
#include "toold/output.h"
#include "toold/text_clean.h"
#include "toold/text_window.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
fuzz_text(const char *p, size_t n)
{
	struct text_clean	 c;
	struct text_window	 w;
	struct output		 o;
	struct dbuf		 clean, out;
	uint64_t		 at = 0;
	size_t			 i, step = n > 0 ? (uint8_t)p[0] % 31 + 1 : 1;
	bool			 image;

	dbuf_init(&clean, 3 * n + 16);
	text_clean_init(&c, n & 1);
	text_window_init(&w, n % 5, n % 3);
	for (i = 0; i < n; i += step) {
		text_clean_put(&c, p + i, n - i < step ? n - i : step, &clean);
		text_window_put(&w, p + i, n - i < step ? n - i : step);
	}
	text_clean_end(&c, &clean);
	text_window_finish(&w);
	if (!utf8_valid(dbuf_str(&clean), clean.n) ||
	    !utf8_valid(dbuf_str(&w.out), w.out.n))
		abort();
	text_window_clear(&w);
	text_sniff(p, n, &image);

	output_init(&o, 64, -1, "x", 1024);
	dbuf_init(&out, 1 << 20);
	for (i = 0; i < clean.n;) {
		size_t	 k = utf8_cut(clean.p + i, clean.n - i, step + 3);

		output_put(&o, clean.p + i, k);
		i += k;
	}
	output_text(&o, &out, NULL);
	while (at < o.total)
		output_since(&o, &at, step, &out);
	output_lines(&o, n % 7, n % 11, 100, &out);
	output_tail(&o, n % 100, &out);
	if (dbuf_err(&out))
		abort();
	dbuf_clear(&out);
	dbuf_clear(&clean);
	output_clear(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const char		*p = (const char *)bytes, *a, *b;
	struct dbuf		 text, diff;
	struct edit		 e;
	struct edit_result	 res;
	struct str		 file;

	fuzz_text(p, n);
	if (n == 0 || (a = memchr(p, 0xfe, n)) == NULL ||
	    (b = memchr(a + 1, 0xfe, n - (size_t)(a + 1 - p))) == NULL)
		return 0;
	file = (struct str){p, (size_t)(a - p)};
	e.old_text = (struct str){a + 1, (size_t)(b - a) - 1};
	e.new_text = (struct str){b + 1, n - (size_t)(b + 1 - p)};
	dbuf_init(&text, EDIT_FILE_MAX);
	dbuf_init(&diff, EDIT_DIFF_MAX);
	if (edit_apply(file, &e, 1, &text, &diff, &res) == EDIT_OK) {
		/* The first byte is before the match or in it. */
		if (res.first_line == 0 || diff.n == 0)
			abort();
		if (!res.fuzzy && memchr(file.p, '\r', file.n) == NULL &&
		    memchr(e.new_text.p, '\r', e.new_text.n) == NULL &&
		    memchr(e.old_text.p, '\r', e.old_text.n) == NULL &&
		    text.n != file.n - e.old_text.n + e.new_text.n)
			abort();
	}
	dbuf_clear(&text);
	dbuf_clear(&diff);
	return 0;
}
