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

#include "common/dbuf.h"
#include "common/text.h"

#define REDACT_MASK	"[redacted]"

enum redact_mode {
	REDACT_LOG,	/* for operators: "***", or of secrets of 18
			 * characters and more the first 6 and last 4; every
			 * name that ends like a secret's, headers too */
	REDACT_MODEL	/* for models: REDACT_MASK, nothing kept; a program's
			 * text stays what it is */
};

/* Appends the text with secrets masked, at most three times as long: 0, or -1
 * when out is full.  Linear in the length of the text. */
int	 redact_text(struct str text, enum redact_mode mode, struct dbuf *out);
/* How much of the text can be passed on when more will come: the rest, at
 * most 4 KiB, may be the beginning of a secret. */
size_t	 redact_safe(struct str text);

#endif
