/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* SHA-256 (FIPS 180-4) for processes that do not link OpenSSL. */
#ifndef COMMON_SHA256_H
#define COMMON_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_LEN	32

struct sha256 {
	uint32_t h[8];
	uint64_t n;
	uint8_t	 buf[64];
};

void	 sha256_init(struct sha256 *);
void	 sha256_update(struct sha256 *, const void *, size_t);
/* Also zeroes the context. */
void	 sha256_final(struct sha256 *, uint8_t out[SHA256_LEN]);
/* 64 hexadecimal digits and a NUL. */
void	 sha256_hex(const void *, size_t, char out[65]);

#endif
