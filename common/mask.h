/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Takes out of a text what looks like a credential, by the shapes that are
 * known (spec/tools.md TL-15 b).  It is a net under the walls, not a wall: no
 * credential of ours is ever where a command could print it.
 */
#ifndef COMMON_MASK_H
#define COMMON_MASK_H

#include "common/dbuf.h"
#include "common/text.h"

#define MASK_TEXT	"[redacted]"

/* Appends text to out with credentials replaced by MASK_TEXT: 0, or -1 when
 * out is full.  Linear in the length of the text. */
int	 mask_text(struct str text, struct dbuf *out);
/* How much of the text can be passed on when more will come: the rest, at
 * most 4 KiB, may be the beginning of a credential (TL-16). */
size_t	 mask_safe(struct str text);

#endif
