/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* A target that is taken names a chat, and itself again. */
#include "common/compat.h"

#include "common/chat_target.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str		 s = { (const char *)data, size };
	struct chat_target	 t, again;

	if (chat_target_parse("telegram", s, &t) == -1)
		return 0;
	if (t.chat[0] == '\0' || (t.type == CHAT_GROUP) != (t.chat[0] == '-'))
		abort();
	if (chat_target_parse("telegram", str_of(t.chat), &again) == -1 ||
	    strcmp(again.chat, t.chat) != 0 || again.type != t.type)
		abort();
	return 0;
}
