/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The settings of a session that are words, with the words clients use for
 * them (spec gateway-protocol 4.6). */
#ifndef AGENTD_LEVELS_H
#define AGENTD_LEVELS_H

#include "common/text.h"

enum level_kind { LEVEL_THINKING, LEVEL_VERBOSE, LEVEL_REASONING, LEVEL_USAGE,
	LEVEL_ELEVATED, LEVEL_EXEC_HOST, LEVEL_EXEC_SECURITY, LEVEL_EXEC_ASK,
	LEVEL_SEND_POLICY, LEVEL_ACTIVATION };

/* The word as it is stored; NULL: none of that kind. */
const char *level_parse(enum level_kind, struct str);
/* Can this model think that much? */
bool	 level_has_xhigh(const char *provider, const char *model);
/* "a, b or c": those that can. */
const char *level_xhigh_models(void);

#endif
