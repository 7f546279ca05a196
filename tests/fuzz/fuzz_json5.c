/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Whatever parses must print as JSON, parse again and print the same: a value
 * that changes on the way would make the hash of a parcel lie.
 */

#include "common/compat.h"

#include "gatewayd/config/json5.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json5_pool	*pool;
	struct json5_error	 err;
	struct json5		*v, *w;
	struct dbuf		 a, b;

	if ((pool = json5_pool_new(8 << 20)) == NULL)
		return 0;
	dbuf_init(&a, 4 << 20);
	dbuf_init(&b, 4 << 20);
	v = json5_parse(pool, 0, (const char *)data, size, &err);
	if (v == NULL) {
		if (err.text[0] == '\0' || err.line == 0 ||
		    !utf8_valid(err.text, strlen(err.text)))
			abort();
	} else if (json5_write(&a, v, 0) == 0) {
		w = json5_parse(pool, 1, dbuf_str(&a), a.n, &err);
		if (w == NULL) {
			if (strstr(err.text, "too large") == NULL)
				abort();
		} else if (json5_write(&b, w, 0) == -1 || a.n != b.n ||
		    memcmp(a.p, b.p, a.n) != 0)
			abort();
	}
	dbuf_clear(&a);
	dbuf_clear(&b);
	json5_pool_free(pool);
	return 0;
}
