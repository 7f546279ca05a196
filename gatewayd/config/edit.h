/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Changes to a document as JSON merge patches (RFC 7396), to its tree and to
 * its text.  The text keeps its comments, its order and its way of writing
 * wherever the patch leaves it alone.
 */
#ifndef GATEWAYD_CONFIG_EDIT_H
#define GATEWAYD_CONFIG_EDIT_H

#include "gatewayd/config/json5.h"

/* A new tree; a may be NULL.  NULL: out of memory. */
struct json5 *edit_merge(struct json5_pool *, const struct json5 *a,
	    const struct json5 *patch);
/* Same value?  Order of members does not count.  When not, the path of the
 * first difference is put into path. */
bool	 edit_same(const struct json5 *, const struct json5 *,
	    struct dbuf *path);
/* src, which was parsed as doc, with the patch applied: 0, or -1 when out of
 * memory.  What cannot be done in place is written anew as plain JSON. */
int	 edit_text(struct json5_pool *, struct str src,
	    const struct json5 *doc, const struct json5 *patch,
	    struct dbuf *out);

#endif
