/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Eight bytes of size, then the value of a header.  A part is never beyond the
 * file, a date that is read is written the same way.
 */

#include "common/compat.h"

#include "common/http_range.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char	 tag[] = "\"0123456789abcdef\"";
	char			 date[HTTP_DATE_MAX], *copy;
	struct str		 v;
	uint64_t		 size = 0, first = UINT64_MAX, last = 0, t;
	size_t			 i;

	if (n < 8)
		return 0;
	for (i = 0; i < 8; i++)
		size = size << 8 | p[i];
	/* Of its own, so that a read behind its end is seen. */
	if ((copy = malloc(n - 8 + 1)) == NULL)
		return 0;
	memcpy(copy, p + 8, n - 8);
	v = (struct str){ copy, n - 8 };
	if (http_range_parse(v, size, &first, &last) == HTTP_RANGE_PART &&
	    (first > last || last >= size))
		abort();
	if (http_etag_listed(v, tag) && memmem(v.p, v.n, tag,
	    sizeof(tag) - 1) == NULL && memchr(v.p, '*', v.n) == NULL)
		abort();
	(void)http_if_range(v, tag, size);
	(void)http_not_modified_since(v, size);
	if (http_date_parse(v, &t) == 0) {
		http_date_text(t, date);
		if (!str_eqs(v, date))
			abort();
	}
	http_date_text(size, date);
	if (date[0] != '\0' && (http_date_parse(str_of(date), &t) == -1 ||
	    t != size))
		abort();
	free(copy);
	return 0;
}
