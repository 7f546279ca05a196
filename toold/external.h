/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Text that strangers wrote, marked as such for the model (spec/tools.md 2.6):
 * between a begin and an end that carry a random number of this one wrap, with
 * whatever looks like such a mark taken out of the text.  Pure but for the
 * number.
 */
#ifndef TOOLD_EXTERNAL_H
#define TOOLD_EXTERNAL_H

#include "common/dbuf.h"
#include "common/text.h"

/* Bytes around a text; a mark in it takes no more room than it did before. */
#define EXTERNAL_ROOM	1024

/* Appends text, which is valid UTF-8, with marks around it.  source: "Web
 * Fetch".  notice: tell the model in front what that means. */
int	 external_wrap(struct dbuf *, const char *source, struct str text,
	    bool notice);

#endif
