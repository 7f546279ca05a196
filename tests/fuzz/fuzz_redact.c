/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Text for logs and for models: any bytes. */
#include "common/compat.h"

#include "common/redact.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbuf	 b;
	struct str	 text;
	int		 mode;
	char		*copy;

	if ((copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data, size);	/* so that a read beyond is seen */
	text = (struct str){ copy, size };
	for (mode = REDACT_LOG; mode <= REDACT_MODEL; mode++) {
		dbuf_init(&b, 3 * size + 64);
		if (redact_text(text, mode, &b) == -1 ||
		    (utf8_valid(copy, size) && !utf8_valid(dbuf_str(&b), b.n)))
			abort();
		dbuf_clear(&b);
	}
	if (redact_safe(text) > size)
		abort();
	free(copy);
	return 0;
}
