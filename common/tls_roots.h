/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Trusted roots, decoded when a chain first asks for them.  The file stays
 * mapped read-only, so its pages are the page cache's and no process pays for
 * 140 certificates of which it needs one.
 */
#ifndef COMMON_TLS_ROOTS_H
#define COMMON_TLS_ROOTS_H

#include <stddef.h>

#include <openssl/ossl_typ.h>

#include "common/text.h"

struct tls_roots;

/* NULL with a reason in why.  file NULL: where systems keep it. */
struct tls_roots *tls_roots_open(const char *file, char *why, size_t size);
struct tls_roots *tls_roots_copy(struct str pem, char *why, size_t size);
void	 tls_roots_free(struct tls_roots *);
/* This store finds issuers here from now on; 0 or -1. */
int	 tls_roots_attach(struct tls_roots *, X509_STORE *);

#endif
