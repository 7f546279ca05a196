/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* SHA-1 (FIPS 180-4) where a protocol asks for it (Sec-WebSocket-Accept) and
 * for cache tags; not for anything that must resist forgery.  Ours, so that
 * front and router need not load OpenSSL for 20 bytes. */
#ifndef COMMON_SHA1_H
#define COMMON_SHA1_H

#include <stddef.h>
#include <stdint.h>

#define SHA1_LEN	20

struct sha1 {
	uint32_t h[5];
	uint64_t n;
	uint8_t	 buf[64];
};

void	 sha1_init(struct sha1 *);
void	 sha1_update(struct sha1 *, const void *, size_t);
void	 sha1_final(struct sha1 *, uint8_t out[SHA1_LEN]);

#endif
