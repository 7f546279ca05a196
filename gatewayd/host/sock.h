/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Listening sockets. */
#ifndef GATEWAYD_HOST_SOCK_H
#define GATEWAYD_HOST_SOCK_H

#include <stddef.h>
#include <stdint.h>

/* Both give a non-blocking close-on-exec descriptor, or -1 with errno and a
 * sentence for the operator in why.  host is an IPv4 or IPv6 address. */
int	 sock_listen_tcp(const char *host, uint16_t port, char *why, size_t);
/* Replaces what is there: call it only while holding the lock of its folder.
 * Mode 0600; peer_allow() lets more people in. */
int	 sock_listen_unix(const char *path, char *why, size_t);

#endif
