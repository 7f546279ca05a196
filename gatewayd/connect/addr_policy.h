/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Which addresses may be connected to (T48).  What counts is what is said of
 * the very address that connect(2) gets; names are judged besides, for those
 * who may name any.
 */
#ifndef GATEWAYD_CONNECT_ADDR_POLICY_H
#define GATEWAYD_CONNECT_ADDR_POLICY_H

#include <sys/socket.h>

#include <stdbool.h>

/* NULL when it may, else why not ("private address").  private: the
 * configuration names a destination of the own network, so those are open;
 * metadata services, multicast and "this host" stay closed. */
const char *addr_refused(const struct sockaddr *, bool private);
/* The same of a host name that a worker chose, before it is resolved: names
 * that mean this machine or this network, and what is no host name at all. */
const char *name_refused(const char *host);

#endif
