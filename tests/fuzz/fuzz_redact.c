/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Log text: any bytes. */
#include "common/compat.h"

#include "common/redact.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbuf	 b;
	char		*copy;

	if ((copy = malloc(size)) == NULL)
		return 0;
	memcpy(copy, data, size);	/* so that a read beyond is seen */
	dbuf_init(&b, 4 * size + 64);
	redact(copy, size, &b);
	if (dbuf_err(&b))
		abort();
	dbuf_clear(&b);
	free(copy);
	return 0;
}
