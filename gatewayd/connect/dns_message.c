/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/text.h"
#include "gatewayd/connect/dns_message.h"

#define HEADER		12
#define TYPE_OPT	41
#define CLASS_IN	1
#define CHAIN_MAX	8	/* CNAMEs in a row */
#define JUMPS_MAX	16	/* compression pointers in one name */

static void
put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned int
get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

ssize_t
dns_query_encode(uint8_t buf[DNS_QUERY_MAX], uint16_t id, const char *name,
    enum dns_type type)
{
	uint8_t		*p = buf + HEADER, *label;
	const char	*s;
	size_t		 len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > DNS_NAME_MAX)
		return -1;
	memset(buf, 0, HEADER);
	put16(buf, id);
	buf[2] = 0x01;			/* recursion desired */
	put16(buf + 4, 1);
	put16(buf + 10, 1);
	label = p++;
	for (s = name; s < name + len; s++) {
		if (*s == '.') {
			if (p - label == 1)
				return -1;
			*label = (uint8_t)(p - label - 1);
			label = p++;
			continue;
		}
		if (!ascii_isalnum((unsigned char)*s) && *s != '-' &&
		    *s != '_')
			return -1;
		if (p - label > 63)
			return -1;
		*p++ = (uint8_t)ascii_tolower((unsigned char)*s);
	}
	if (p - label == 1)
		return -1;
	*label = (uint8_t)(p - label - 1);
	*p++ = 0;
	put16(p, type);
	put16(p + 2, CLASS_IN);
	p += 4;
	/* EDNS: root name, OPT, our datagram size, no flags, no data. */
	memset(p, 0, 11);
	put16(p + 1, TYPE_OPT);
	put16(p + 3, DNS_UDP_MAX);
	p += 11;
	return p - buf;
}

/*
 * The name at pos as lower-case text; returns where what follows it begins, 0
 * when it is malformed.  Pointers may only go back, so there is no loop.
 */
static size_t
name_get(const uint8_t *m, size_t n, size_t pos, char out[DNS_NAME_MAX + 1])
{
	size_t	next = 0, o = 0, to, i, len;
	int	jumps = 0;

	for (;;) {
		if (pos >= n)
			return 0;
		len = m[pos];
		if ((len & 0xc0) == 0xc0) {
			if (n - pos < 2)
				return 0;
			to = get16(m + pos) & 0x3fff;
			if (to >= pos || ++jumps > JUMPS_MAX)
				return 0;
			if (next == 0)
				next = pos + 2;
			pos = to;
			continue;
		}
		if (len > 63 || len + 1 > n - pos)
			return 0;
		pos++;
		if (len == 0)
			break;
		if (o + len + (o > 0) > DNS_NAME_MAX)
			return 0;
		if (o > 0)
			out[o++] = '.';
		for (i = 0; i < len; i++) {
			/* A dot inside a label would read as two labels. */
			if (m[pos + i] == '.' || m[pos + i] == '\0')
				return 0;
			out[o++] = (char)ascii_tolower(m[pos + i]);
		}
		pos += len;
	}
	out[o] = '\0';
	return next == 0 ? pos : next;
}

static bool
name_same(const char *a, const char *b)
{
	size_t	na = strlen(a), nb = strlen(b);

	if (na > 0 && a[na - 1] == '.')
		na--;
	if (nb > 0 && b[nb - 1] == '.')
		nb--;
	return na == nb && ascii_ncasecmp(a, b, na) == 0;
}

/* One pass over the answers for the addresses of owner; a CNAME of it
 * replaces it.  1: there was one, 0: none, -1: malformed. */
static int
answers_pass(const uint8_t *m, size_t n, size_t pos, unsigned int count,
    enum dns_type type, char owner[DNS_NAME_MAX + 1], struct dns_answer *a)
{
	char		name[DNS_NAME_MAX + 1], target[DNS_NAME_MAX + 1];
	size_t		len, want = type == DNS_A ? 4 : 16;
	unsigned int	rtype, i;
	bool		alias = false;

	for (i = 0; i < count; i++) {
		if ((pos = name_get(m, n, pos, name)) == 0 || n - pos < 10)
			return -1;
		rtype = get16(m + pos);
		len = get16(m + pos + 8);
		if (get16(m + pos + 2) != CLASS_IN)
			rtype = 0;
		pos += 10;
		if (len > n - pos)
			return -1;
		if (rtype == type && name_same(name, owner)) {
			if (len != want)
				return -1;
			if (a->n < DNS_ADDRS_MAX) {
				memset(a->addr[a->n], 0, 16);
				memcpy(a->addr[a->n++], m + pos, len);
			}
		} else if (rtype == DNS_CNAME && !alias &&
		    name_same(name, owner)) {
			if (name_get(m, n, pos, target) == 0)
				return -1;
			alias = true;
		}
		pos += len;
	}
	if (a->n == 0 && alias) {
		memcpy(owner, target, sizeof(target));
		return 1;
	}
	return 0;
}

enum dns_result
dns_answer_parse(const uint8_t *m, size_t n, uint16_t id, const char *name,
    enum dns_type type, struct dns_answer *a)
{
	char		owner[DNS_NAME_MAX + 1];
	size_t		pos;
	unsigned int	rcode, count;
	int		i, r = 1;

	memset(a, 0, sizeof(*a));
	memset(owner, 0, sizeof(owner));
	/* An answer to a standard query, with our id and our one question. */
	if (n < HEADER || get16(m) != id || (m[2] & 0xf8) != 0x80 ||
	    get16(m + 4) != 1)
		return DNS_NOT_OURS;
	if ((pos = name_get(m, n, HEADER, owner)) == 0 || n - pos < 4 ||
	    !name_same(owner, name) || get16(m + pos) != type ||
	    get16(m + pos + 2) != CLASS_IN)
		return DNS_NOT_OURS;
	pos += 4;
	if ((m[2] & 0x02) != 0)
		return DNS_TRUNCATED;
	rcode = m[3] & 0x0f;
	if (rcode == 3)
		return DNS_NXDOMAIN;
	if (rcode != 0)
		return DNS_FAILED;
	count = get16(m + 6);
	for (i = 0; i < CHAIN_MAX && r == 1; i++)
		if ((r = answers_pass(m, n, pos, count, type, owner, a)) == -1)
			return DNS_MALFORMED;
	return a->n > 0 ? DNS_OK : DNS_NODATA;
}
