/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Regular expressions of test scripts.  The text is walked once, with a set of
 * states (no backtracking), so a pattern costs at most its size per byte.
 * Literals, . [] [^] * + ? | () ^ $ \d \w \s \b, (?i) at the beginning.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_REGEX_H
#define AGENTD_PROVIDERS_BUILTIN_REGEX_H

#include <stdbool.h>

#include "common/text.h"

struct bregex;

/* NULL with errno: EINVAL (syntax), E2BIG (too large), ENOMEM. */
struct bregex *bregex_new(struct str pattern);
void	 bregex_free(struct bregex *);
/* Does it match anywhere in the text? */
bool	 bregex_match(const struct bregex *, struct str text);

#endif
