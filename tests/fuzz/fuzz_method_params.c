/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Any parameters for every method: an error text is short, valid UTF-8. */
#include "common/compat.h"

#include "common/methods.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct skim_val		 v[METHOD_PARAMS_MAX], p;
	const struct method	*m;
	struct dbuf		 err;
	size_t			 i;
	int			 r;

	if (skim_text((const char *)data, size, &p) != SKIM_OK)
		return 0;
	dbuf_init(&err, METHOD_ERROR_MAX * 4);
	for (i = 0; (m = method_at(i)) != NULL; i++) {
		if (m->params == NULL)
			continue;
		dbuf_reset(&err);
		r = method_params(m, 3, &p, v, &err);
		if ((r == 0) != (err.n == 0) || dbuf_err(&err) ||
		    !utf8_valid(dbuf_str(&err), err.n))
			abort();
	}
	dbuf_reset(&err);
	method_frame(&p, &err);
	dbuf_clear(&err);
	return 0;
}
