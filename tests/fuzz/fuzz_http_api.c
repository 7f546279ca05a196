/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Bodies of /v1/responses and /v1/chat/completions as turns of an agent: what
 * comes out is UTF-8 without control bytes of ours, or a reason. */
#include "common/compat.h"

#include "agentd/http_responses.h"
#include "agentd/json_load.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct config	 c;
	struct http_turn	 t;
	char			 why[512];
	json_t			*body;
	size_t			 i;
	int			 ret;

	if (cfg == NULL) {
		c.root = json_object();
		cfg = &c;
	}
	for (i = 0; i < 2; i++) {
		body = json_load_bounded((const char *)p, n, 64);
		if (body == NULL)
			return 0;
		http_turn_init(&t);
		why[0] = '\0';
		ret = 0;
		if (i == 0) {
			ret = http_responses_read(body, &t, why, sizeof(why));
			if ((ret == -1) != (why[0] != '\0') ||
			    !utf8_valid(why, strlen(why)))
				abort();
		} else
			http_chat_read(json_object_get(body, "messages"), &t);
		if (ret == 0 && !dbuf_err(&t.message) && !dbuf_err(&t.extra) &&
		    (!utf8_valid(dbuf_str(&t.message), t.message.n) ||
		    !utf8_valid(dbuf_str(&t.extra), t.extra.n)))
			abort();
		http_turn_clear(&t);
		json_decref(body);
	}
	return 0;
}
