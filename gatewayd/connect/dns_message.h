/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* DNS queries for addresses, and their answers (RFC 1035, 6891).  Pure. */
#ifndef GATEWAYD_CONNECT_DNS_MESSAGE_H
#define GATEWAYD_CONNECT_DNS_MESSAGE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_MAX	253
#define DNS_QUERY_MAX	300
#define DNS_UDP_MAX	1232	/* what we say we take, and fragments do not */
#define DNS_ADDRS_MAX	16

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_AAAA = 28 };

enum dns_result {
	DNS_OK,		/* addresses are there */
	DNS_NODATA,	/* the name exists without such an address */
	DNS_NXDOMAIN,
	DNS_FAILED,	/* the server says that it cannot */
	DNS_TRUNCATED,	/* ask again by TCP */
	DNS_NOT_OURS,	/* another id or question: forged or late; ignore */
	DNS_MALFORMED
};

struct dns_answer {
	size_t	n;
	uint8_t	addr[DNS_ADDRS_MAX][16];	/* 4 bytes used for A */
};

/* Bytes written; -1 when name is no host name. */
ssize_t	 dns_query_encode(uint8_t buf[DNS_QUERY_MAX], uint16_t id,
	    const char *name, enum dns_type);
enum dns_result dns_answer_parse(const uint8_t *, size_t, uint16_t id,
	    const char *name, enum dns_type, struct dns_answer *);

#endif
