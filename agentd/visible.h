/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What people see of a model's text: <think> blocks and their relatives are
 * taken out, <final> is unwrapped; code spans and fences are left alone (spec
 * agent-runtime 11.2).  Works on a stream; what may become a tag waits.
 */
#ifndef AGENTD_VISIBLE_H
#define AGENTD_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/dbuf.h"

#define VISIBLE_HOLD	16

struct visible {
	char		 held[VISIBLE_HOLD];
	size_t		 nheld;
	unsigned int	 depth;		/* of hidden tags */
	unsigned int	 ticks;		/* run of backticks being read */
	unsigned int	 code;		/* backticks that opened a span */
};

void	 visible_put(struct visible *, struct dbuf *out, const char *, size_t);
void	 visible_end(struct visible *, struct dbuf *out);

#endif
