/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Session keys (spec sessions 2, gateway-protocol 4.1).  Clients write them as
 * they like; the store knows only the canonical, lower-case form.
 */
#ifndef COMMON_SESSION_KEY_H
#define COMMON_SESSION_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

#define SESSION_KEY_MAX		512	/* bytes, as AG_TURN has it */
#define AGENT_ID_MAX		64

enum session_kind { SESSION_DIRECT, SESSION_GROUP, SESSION_GLOBAL,
	SESSION_UNKNOWN };
const char *session_kind_name(enum session_kind);

/* Canonical form into out: 0, or -1 with errno EINVAL (empty, control
 * characters, not UTF-8) or ENAMETOOLONG.  global: session.scope is global, so
 * that the aliases of main mean "global". */
int	 session_key_canon(struct str raw, const char *agent, bool global,
	    char *out, size_t size);
/* "agent:<id>:<rest>" of a canonical key; false when it has another form. */
bool	 session_key_split(struct str key, struct str *agent,
	    struct str *rest);
enum session_kind session_key_kind(struct str key);
bool	 session_key_is_thread(struct str key);
/* Lower case, runs of other characters become one '-', edges trimmed, at most
 * 64; "main" when nothing is left. */
void	 agent_id_normalise(struct str raw, char out[AGENT_ID_MAX + 1]);

#endif
