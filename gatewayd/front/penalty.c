/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>

#include "common/text.h"
#include "gatewayd/front/penalty.h"

#define PENALTIES_MAX	512

struct penalty {
	uint8_t		addr[16];
	unsigned int	bits;
	uint64_t	until_ms;
};

static struct penalty	*table;
static size_t		 count;

/* IPv4 as its mapped form, so that one comparison serves both; the number of
 * bits that s itself may have, 0 when it is no address. */
static unsigned int
addr_get(const char *s, uint8_t out[16])
{
	if (inet_pton(AF_INET6, s, out) == 1)
		return 128;
	memset(out, 0, 10);
	out[10] = out[11] = 0xff;
	return inet_pton(AF_INET, s, out + 12) == 1 ? 32 : 0;
}

static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	return memcmp(a, b, bits / 8) == 0;
}

static void
table_expire(uint64_t now)
{
	size_t	i;

	for (i = 0; i < count;)
		if (table[i].until_ms <= now)
			table[i] = table[--count];
		else
			i++;
}

int
penalty_add(const char *addr, uint32_t seconds)
{
	struct penalty	 p, *slot = NULL;
	unsigned int	 width;
	uint64_t	 now = mono_ms();
	size_t		 i;

	if ((width = addr_get(addr, p.addr)) == 0)
		return -1;
	p.bits = width == 128 ? 64 : 128;
	p.until_ms = now + (uint64_t)seconds * 1000;
	if (table == NULL &&
	    (table = calloc(PENALTIES_MAX, sizeof(*table))) == NULL)
		return -1;
	table_expire(now);
	for (i = 0; i < count; i++)
		if (table[i].bits == p.bits &&
		    same_bits(table[i].addr, p.addr, p.bits)) {
			if (table[i].until_ms < p.until_ms)
				table[i].until_ms = p.until_ms;
			return 0;
		}
	if (count < PENALTIES_MAX)
		slot = &table[count++];
	else
		for (slot = table, i = 1; i < count; i++)
			if (table[i].until_ms < slot->until_ms)
				slot = &table[i];
	*slot = p;
	return 0;
}

uint32_t
penalty_left(const char *addr)
{
	uint8_t		a[16];
	uint64_t	now;
	size_t		i;

	if (count == 0 || addr_get(addr, a) == 0)
		return 0;
	now = mono_ms();
	for (i = 0; i < count; i++)
		if (table[i].until_ms > now &&
		    same_bits(table[i].addr, a, table[i].bits))
			return (uint32_t)((table[i].until_ms - now + 999) /
			    1000);
	return 0;
}
