/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Which addresses may be connected to (T48).  It is asked about the very
 * address that connect(2) gets, never about a name.
 */
#ifndef GATEWAYD_CONNECT_ADDR_POLICY_H
#define GATEWAYD_CONNECT_ADDR_POLICY_H

#include <sys/socket.h>

#include <stdbool.h>

/* NULL when it may, else why not ("private address").  private: the
 * configuration names a destination of the own network, so those are open;
 * metadata services, multicast and "this host" stay closed. */
const char *addr_refused(const struct sockaddr *, bool private);

#endif
