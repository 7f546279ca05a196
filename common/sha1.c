/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/sha1.h"

static uint32_t
rol(uint32_t x, unsigned int n)
{
	return (x << n) | (x >> (32 - n));
}

static void
sha1_block(struct sha1 *s, const uint8_t *p)
{
	uint32_t	 w[80], a, b, c, d, e, f, k, t;
	unsigned int	 i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)p[i * 4] << 24 | (uint32_t)p[i * 4 + 1] << 16 |
		    (uint32_t)p[i * 4 + 2] << 8 | p[i * 4 + 3];
	for (; i < 80; i++)
		w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	a = s->h[0];
	b = s->h[1];
	c = s->h[2];
	d = s->h[3];
	e = s->h[4];
	for (i = 0; i < 80; i++) {
		if (i < 20) {
			f = (b & c) | (~b & d);
			k = 0x5a827999;
		} else if (i < 40) {
			f = b ^ c ^ d;
			k = 0x6ed9eba1;
		} else if (i < 60) {
			f = (b & c) | (b & d) | (c & d);
			k = 0x8f1bbcdc;
		} else {
			f = b ^ c ^ d;
			k = 0xca62c1d6;
		}
		t = rol(a, 5) + f + e + k + w[i];
		e = d;
		d = c;
		c = rol(b, 30);
		b = a;
		a = t;
	}
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
}

void
sha1_init(struct sha1 *s)
{
	s->h[0] = 0x67452301;
	s->h[1] = 0xefcdab89;
	s->h[2] = 0x98badcfe;
	s->h[3] = 0x10325476;
	s->h[4] = 0xc3d2e1f0;
	s->n = 0;
}

void
sha1_update(struct sha1 *s, const void *data, size_t n)
{
	const uint8_t	*p = data;
	size_t		 have = s->n % 64, take;

	s->n += n;
	while (n > 0) {
		if (have == 0 && n >= 64) {
			sha1_block(s, p);
			p += 64;
			n -= 64;
			continue;
		}
		take = 64 - have < n ? 64 - have : n;
		memcpy(s->buf + have, p, take);
		have += take;
		p += take;
		n -= take;
		if (have == 64) {
			sha1_block(s, s->buf);
			have = 0;
		}
	}
}

void
sha1_final(struct sha1 *s, uint8_t out[SHA1_LEN])
{
	static const uint8_t	 pad[64] = { 0x80 };
	uint64_t		 bits = s->n * 8;
	uint8_t			 len[8];
	unsigned int		 i;

	for (i = 0; i < 8; i++)
		len[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha1_update(s, pad, 64 - (s->n + 8) % 64);
	sha1_update(s, len, 8);
	for (i = 0; i < SHA1_LEN; i++)
		out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}
