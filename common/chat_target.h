/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Where a message is to go, as people and clients write it, one grammar for
 * each platform.  Pure. */
#ifndef COMMON_CHAT_TARGET_H
#define COMMON_CHAT_TARGET_H

#include "common/text.h"
#include "proto/enums.h"

struct chat_target {
	char		 chat[129], thread[129];
	enum chat_type	 type;
};

/* 0; -1 when the text names no chat of that platform (as in the configuration,
 * "telegram"). */
int	 chat_target_parse(const char *platform, struct str,
	    struct chat_target *);
/* "<chatId>", for the refusal. */
const char *chat_target_hint(const char *platform);

#endif
