/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Media types of files that are served, by the end of their name.  Between
 * processes a type is a number of this table, so that no text of the one ends
 * up in a header of the other.
 */
#ifndef GATEWAYD_CANVAS_MIME_H
#define GATEWAYD_CANVAS_MIME_H

#include <stdbool.h>

/* Never fails: what is not known is bytes. */
unsigned int mime_of(const char *name);
/* "image/png"; NULL when there is no such number. */
const char *mime_type(unsigned int);
bool	 mime_is_html(unsigned int);

#endif
