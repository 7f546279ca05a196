/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Asynchronous stub resolver: literals, hosts file, then the servers of
 * resolv.conf by UDP and, where an answer does not fit, TCP.
 *
 * Why ours: getaddrinfo(3) blocks, so it would need threads and clone(2) under
 * the filter, and it loads name-service modules that the private root does not
 * hold; evdns of libevent 2.1 has neither EDNS nor TCP, so a long answer is no
 * answer, and it brings an HTTP server along.  What is needed here is two
 * record types.
 */
#ifndef GATEWAYD_CONNECT_RESOLVER_H
#define GATEWAYD_CONNECT_RESOLVER_H

#include <sys/socket.h>

#include "gatewayd/connect/resolv_conf.h"

#define RESOLVE_MAX	(2 * DNS_ADDRS_MAX)

#define RESOLVE_NO_SERVER	"name servers do not answer"

struct event_base;
struct resolver;
struct resolve;

/* IPv6 and IPv4 in turns, ports unset; n == 0: reason says why.  Once, never
 * before resolve_start() has returned; the resolve is gone then. */
typedef void resolve_cb(const struct sockaddr_storage *, size_t n,
	    const char *reason, void *arg);

/* Both files are read again when they change.  dns_port: 53 but in tests. */
struct resolver *resolver_new(struct event_base *, const char *resolv_path,
	    const char *hosts_path, uint16_t dns_port);
void	 resolver_free(struct resolver *);	/* after every resolve */
struct resolve *resolve_start(struct resolver *, const char *name,
	    resolve_cb *cb, void *arg);
void	 resolve_cancel(struct resolve *);

#endif
