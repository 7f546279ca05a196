/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/sanitize.h"
#include "common/text.h"

#define REPLACEMENT	"\xef\xbf\xbd"

/* Bytes that the lead byte announces; 1 for ASCII and for what is no lead. */
static size_t
sequence_length(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 1;
}

static int
put_run(struct dbuf *out, const char *p, size_t n)
{
	return n == 0 ? 0 : dbuf_put(out, p, n);
}

static bool
is_dropped(unsigned char c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* Could the n bytes at p still become one code point? */
static bool
may_grow(const char *p, size_t n)
{
	static const char	 tail[3] = { '\x80', '\xbf', '\x90' };
	char			 buf[4];
	uint32_t		 cp;
	size_t			 want, i, k;

	want = sequence_length((unsigned char)p[0]);
	if (n >= want || want == 1)
		return false;
	for (i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return false;
	/* Second bytes are restricted after e0, ed, f0 and f4: try some. */
	memcpy(buf, p, n);
	for (k = 0; k < sizeof(tail); k++) {
		for (i = n; i < want; i++)
			buf[i] = i == n ? tail[k] : '\x80';
		if (utf8_decode(buf, want, &cp) == want)
			return true;
	}
	return false;
}

int
sanitize_put(struct sanitize *s, struct dbuf *out, const char *p, size_t n)
{
	uint32_t	 cp;
	size_t		 i, run, len;

	while (s->nheld > 0 && n > 0) {
		s->held[s->nheld++] = *p++;
		n--;
		len = utf8_decode(s->held, s->nheld, &cp);
		if (len == s->nheld) {
			dbuf_put(out, s->held, len);
			s->nheld = 0;
		} else if (!may_grow(s->held, s->nheld)) {
			/* The last byte may begin something new. */
			s->nheld = 0;
			dbuf_puts(out, REPLACEMENT);
			p--;
			n++;
		}
	}
	for (i = run = 0; i < n; ) {
		unsigned char c = (unsigned char)p[i];

		if (c < 0x80 && !is_dropped(c)) {
			i++;
			continue;
		}
		if (c < 0x80) {
			put_run(out, p + run, i - run);
			run = ++i;
			continue;
		}
		if ((len = utf8_decode(p + i, n - i, &cp)) > 0) {
			i += len;
			continue;
		}
		put_run(out, p + run, i - run);
		if (n - i < 4 && may_grow(p + i, n - i)) {
			memcpy(s->held, p + i, n - i);
			s->nheld = n - i;
			run = i = n;
			break;
		}
		dbuf_puts(out, REPLACEMENT);
		run = ++i;
	}
	put_run(out, p + run, i - run);
	return dbuf_err(out) ? -1 : 0;
}

int
sanitize_end(struct sanitize *s, struct dbuf *out)
{
	if (s->nheld > 0)
		dbuf_puts(out, REPLACEMENT);
	s->nheld = 0;
	return dbuf_err(out) ? -1 : 0;
}

json_t *
sanitize_json(const char *p, size_t n)
{
	struct sanitize	 s = { .nheld = 0 };
	struct dbuf	 b;
	json_t		*j = NULL;

	/* The common case: nothing to repair. */
	if (utf8_valid(p, n)) {
		size_t i;

		for (i = 0; i < n && !is_dropped((unsigned char)p[i]); i++)
			;
		if (i == n)
			return json_stringn_nocheck(p, n);
	}
	if (n > SIZE_MAX / 4)
		return NULL;
	dbuf_init(&b, n * 3 + 8);
	sanitize_put(&s, &b, p, n);
	if (sanitize_end(&s, &b) == 0)
		j = json_stringn_nocheck(dbuf_str(&b), b.n);
	dbuf_clear(&b);
	return j;
}
