/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Connects to one of several addresses (RFC 8305): the next one is tried when
 * one fails or has not answered for a moment; the first that is up wins.
 */
#ifndef GATEWAYD_CONNECT_DIAL_H
#define GATEWAYD_CONNECT_DIAL_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "proto/enums.h"

#define DIAL_ADDRS_MAX	8

struct dial;
struct event_base;

/* fd and the address it is connected to; or -1 with a kind and a reason.
 * Once; the dial is gone then. */
typedef void dial_cb(int fd, const char *address, enum cn_err,
	    const char *reason, void *arg);

/* Only addresses that addr_refused() lets pass are tried; never calls back
 * before it has returned.  NULL: out of memory. */
struct dial *dial_start(struct event_base *, const struct sockaddr_storage *,
	    size_t n, uint16_t port, bool private, uint32_t timeout_ms,
	    dial_cb *cb, void *arg);
void	 dial_cancel(struct dial *);

#endif
