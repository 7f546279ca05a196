/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Attachments: whatever comes in, what comes out is JSON or nothing. */
#include "common/compat.h"

#include "agentd/attach.h"
#include "common/json_skim.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct dbuf	 out, dropped;
	struct skim_val	 v;
	char		 why[512] = "";

	dbuf_init(&out, n + 8192);
	dbuf_init(&dropped, 65536);
	if (attach_read((struct str){ (const char *)p, n },
	    ATTACH_MAX_BYTES, &out, &dropped, why, sizeof(why)) == -1) {
		if (why[0] == '\0')
			abort();
	} else if (out.n > 0 && (skim_text(out.p, out.n, &v) != SKIM_OK ||
	    v.kind != SKIM_ARRAY))
		abort();
	dbuf_clear(&out);
	dbuf_clear(&dropped);
	return 0;
}
