/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Sealed memory files: how a body over LINK_INLINE_MAX travels. */
#ifndef COMMON_MEMFD_H
#define COMMON_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

/* memfd with the n bytes of p, sealed against everything; fd or -1. */
int	 memfd_sealed(const char *name, const void *p, size_t n);
/* Seals an fd that memfd_create made with MFD_ALLOW_SEALING; 0 or -1. */
int	 memfd_seal(int fd);
/* Maps a fully sealed memfd of at most max bytes read-only: 0, or -1 with
 * errno EBADMSG when it is anything else.  *n may be 0, then *p is NULL. */
int	 memfd_map(int fd, size_t max, const void **p, size_t *n);
void	 memfd_unmap(const void *p, size_t n);

#endif
