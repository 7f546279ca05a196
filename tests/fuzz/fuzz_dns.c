/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* First byte: 0 answer to A, 1 answer to AAAA, 2 resolv.conf, 3 hosts. */

#include "common/compat.h"

#include "gatewayd/connect/resolv_conf.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	struct sockaddr_storage	ss[4];
	struct dns_answer	a;
	struct resolv_conf	c;
	struct str		text;
	enum dns_result		r;

	if (n-- == 0)
		return 0;
	text = (struct str){ (const char *)in + 1, n };
	switch (in[0] % 4) {
	case 0:
	case 1:
		r = dns_answer_parse(in + 1, n, 1, "api.example",
		    in[0] % 4 == 0 ? DNS_A : DNS_AAAA, &a);
		if (a.n > DNS_ADDRS_MAX || (r == DNS_OK) != (a.n > 0 &&
		    r != DNS_MALFORMED))
			abort();
		break;
	case 2:
		resolv_conf_parse(&c, text);
		if (c.nservers == 0 || c.nservers > RESOLV_SERVERS_MAX ||
		    c.nsearch > RESOLV_SEARCH_MAX || c.timeout_s == 0 ||
		    c.timeout_s > 30 || c.attempts == 0 || c.attempts > 5)
			abort();
		break;
	case 3:
		if (hosts_find(text, "box", ss, 4) > 4)
			abort();
		break;
	}
	return 0;
}
