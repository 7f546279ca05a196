/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* /etc/resolv.conf and /etc/hosts, as far as a resolver of addresses needs
 * them.  Text in, structs out; what cannot be read is skipped. */
#ifndef GATEWAYD_CONNECT_RESOLV_CONF_H
#define GATEWAYD_CONNECT_RESOLV_CONF_H

#include <sys/socket.h>

#include "common/text.h"
#include "gatewayd/connect/dns_message.h"

#define RESOLV_SERVERS_MAX	3
#define RESOLV_SEARCH_MAX	6

struct resolv_conf {
	size_t			 nservers, nsearch;
	struct sockaddr_storage	 servers[RESOLV_SERVERS_MAX];
	char			 search[RESOLV_SEARCH_MAX][DNS_NAME_MAX + 1];
	unsigned int		 ndots, timeout_s, attempts;
};

/* Without a server: 127.0.0.1 and ::1, as resolv.conf(5) has it. */
void	 resolv_conf_parse(struct resolv_conf *, struct str text);
/* Addresses of name in a hosts file: how many were put into out. */
size_t	 hosts_find(struct str text, const char *name,
	    struct sockaddr_storage *out, size_t max);
/* An address literal (with a scope too): 0 or -1. */
int	 addr_parse(const char *, struct sockaddr_storage *);

#endif
