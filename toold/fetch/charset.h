/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Text of the web as UTF-8.  Own tables of the encodings of one byte; iconv(3)
 * would load a module per encoding, and there is no file system here.  Pure.
 */
#ifndef TOOLD_FETCH_CHARSET_H
#define TOOLD_FETCH_CHARSET_H

#include "common/dbuf.h"
#include "common/text.h"

/* Appends the bytes as valid UTF-8; what is none becomes U+FFFD.  label: as
 * the server said, may be empty.  A mark at the beginning wins, then the label,
 * then, of HTML, what its head says.  0, or -1 and the name that is unknown in
 * name (of size bytes). */
int	 charset_decode(struct str bytes, struct str label, bool html,
	    struct dbuf *out, char *name, size_t size);

/* "text/html; charset=x": x; empty when it says none. */
struct str charset_of_type(struct str content_type);

#endif
