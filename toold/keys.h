/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Names of keys to the bytes that a terminal sends for them. */
#ifndef TOOLD_KEYS_H
#define TOOLD_KEYS_H

#include "common/dbuf.h"
#include "common/text.h"

/* "Enter", "C-c", "M-x", "S-Tab", "F5", "Up", or one character: 0, or -1
 * when there is no such key. */
int	 keys_put(struct dbuf *, struct str key);

#endif
