/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* A client's first frame: whatever is accepted can be sent to store, and
 * whatever is refused is answered in valid JSON. */

#include "common/compat.h"

#include "common/json_skim.h"
#include "gatewayd/front/connect_frame.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	static uint8_t		out[LINK_INLINE_MAX];
	struct connect_frame	cf;
	struct skim_val		v;
	char			*copy;
	int			fds[2];
	size_t			nfds = 0;

	if ((copy = malloc(n + 1)) == NULL)
		return 0;
	memcpy(copy, in, n);
	if (connect_frame_parse(&cf, copy, n)) {
		cf.req.conn = 1;
		cf.req.challenge = cf.req.remote = cf.req.host = str_of("");
		if (skim_text(cf.id.p, cf.id.n, &v) != SKIM_OK ||
		    v.kind != SKIM_STRING ||
		    skim_text(cf.req.node.p, cf.req.node.n, &v) != SKIM_OK)
			abort();
		if (msg_encode(MSG_AUTH_REQ, &cf.req, out, sizeof(out), fds,
		    &nfds) == -1)
			abort();
	} else {
		if (cf.close_code < 1000 || strlen(cf.close_reason) > 123 ||
		    !utf8_valid(cf.close_reason, strlen(cf.close_reason)))
			abort();
		if (cf.answer.n > 0 && (dbuf_err(&cf.answer) ||
		    skim_text(cf.answer.p, cf.answer.n, &v) != SKIM_OK))
			abort();
	}
	connect_frame_clear(&cf);
	free(copy);
	return 0;
}
