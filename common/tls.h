/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * TLS 1.2 and 1.3 by OpenSSL 3, as a transport of struct stream.  A program
 * that never names a function of this file does not load OpenSSL.
 */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

struct stream;
struct tls_config;

/*
 * Client: peers must show a certificate for the asked-for name that leads to
 * one of the PEM roots in ca_file (NULL: the system's).  The file is opened
 * here and mapped, and a root is decoded when a chain first needs it: a store
 * with all of them costs 2 MB per process.  NULL with a reason in why.
 */
struct tls_config *tls_client_new(const char *ca_file, char *why, size_t size);
/* The same with roots from memory (copied); for tests. */
struct tls_config *tls_client_new_pem(struct str roots, char *why, size_t);
/* Server: chain and key as PEM text (the caller zeroes its key). */
struct tls_config *tls_server_new(struct str cert, struct str key, char *why,
	    size_t size);
void	 tls_config_free(struct tls_config *);

/* Runs TLS over this stream from now on: as client with SNI and check of host
 * (a name or an address literal), ALPN http/1.1; as server with host NULL.
 * stream_ops.open is called when the handshake is through.  0 or -1. */
int	 tls_stream_start(struct stream *, struct tls_config *,
	    const char *host);

#endif
