/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Takes the shapes of secrets out of text that people or files will see: keys
 * of known vendors, bearer tokens, bot tokens, private keys, and values behind
 * names such as API_KEY= or "token":.  The last line of defence; secrets are
 * kept out of messages in the first place.
 */
#ifndef COMMON_REDACT_H
#define COMMON_REDACT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/dbuf.h"

/* Appends n bytes of p with secrets masked ("***", or the first 6 and last 4
 * characters of those with 18 and more).  True when something was masked. */
bool	 redact(const char *p, size_t n, struct dbuf *out);

#endif
