/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* One datagram as a sibling could send it: header, permissions, fields. */
#include "common/compat.h"

#include "common/msg.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(16) char	 value[4096];
	static uint8_t			 back[LINK_INLINE_MAX];
	const struct msg_desc		*d;
	struct msg			 m = { .nfds = 0 };
	int				 fds[2];
	size_t				 nfds;
	ssize_t				 n;

	if (msg_header_get(data, size, &m.h) != MSG_OK ||
	    (d = msg_desc(m.h.type)) == NULL)
		return 0;
	if (d->size > sizeof(value))
		abort();
	m.payload = data + MSG_HEADER;
	m.len = size - MSG_HEADER;
	/* What decodes must encode to the same bytes. */
	if (msg_decode(&m, value) == MSG_OK && size <= d->max) {
		n = msg_encode(m.h.type, value, back, sizeof(back), fds,
		    &nfds);
		if (n != (ssize_t)size || nfds != 0 ||
		    memcmp(back + MSG_HEADER, m.payload, m.len) != 0)
			abort();
	}
	msg_clear(&m);
	return 0;
}
