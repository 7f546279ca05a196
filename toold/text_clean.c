/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See text_clean.h.  Pure: no I/O, no state but the caller's.  Every byte is
 * hostile; each state is bounded so that an escape sequence without an end
 * cannot swallow the rest of the output.
 */
#include "common/compat.h"

#include "common/text.h"
#include "toold/text_clean.h"

#define ESC_CSI_MAX	64	/* bytes of "ESC [ ..." before giving up */
#define ESC_STRING_MAX	4096	/* of an OSC or DCS string (titles, links) */

enum { ESC_NONE, ESC_START, ESC_CSI, ESC_STRING, ESC_STRING_END, ESC_ONE };

static const char replacement[] = "\xef\xbf\xbd";

void
text_clean_init(struct text_clean *c, bool terminal)
{
	memset(c, 0, sizeof(*c));
	c->terminal = terminal;
}

/* One byte of an escape sequence: true when it was used up. */
static bool
text_clean_escape(struct text_clean *c, unsigned char b)
{
	c->nesc++;
	switch (c->esc) {
	case ESC_START:
		if (b == '[')
			c->esc = ESC_CSI;
		else if (b == ']' || b == 'P' || b == 'X' || b == '^' ||
		    b == '_')
			c->esc = ESC_STRING;
		else if (b >= 0x20 && b <= 0x2f)
			c->esc = ESC_ONE;
		else {
			c->esc = ESC_NONE;
			return b >= 0x30 && b <= 0x7e;
		}
		return true;
	case ESC_CSI:
		if (b >= 0x40 && b <= 0x7e)
			c->esc = ESC_NONE;
		else if (b < 0x20 || b > 0x7e || c->nesc > ESC_CSI_MAX) {
			c->esc = ESC_NONE;
			return false;
		}
		return true;
	case ESC_STRING:
		if (b == 0x07)
			c->esc = ESC_NONE;
		else if (b == 0x1b)
			c->esc = ESC_STRING_END;
		else if (b == '\n' || c->nesc > ESC_STRING_MAX) {
			c->esc = ESC_NONE;
			return false;
		}
		return true;
	case ESC_STRING_END:
		c->esc = ESC_NONE;
		return b == '\\';
	case ESC_ONE:
		c->esc = ESC_NONE;
		return b >= 0x20 && b <= 0x7e;
	}
	c->esc = ESC_NONE;
	return false;
}

static int
text_clean_ascii(struct text_clean *c, unsigned char b, struct dbuf *out)
{
	/* On a terminal CR LF is one newline, and a lone CR (a progress line)
	 * is one too; in a file lines end at LF and nowhere else. */
	if (b == '\n' && c->cr) {
		c->cr = false;
		return 0;
	}
	c->cr = b == '\r' && c->terminal;
	if (b == 0x1b && c->terminal) {
		c->esc = ESC_START;
		c->nesc = 0;
		return 0;
	}
	if (c->cr)
		b = '\n';
	if ((b < 0x20 && b != '\t' && b != '\n') || b == 0x7f)
		return 0;
	return dbuf_putc(out, (char)b);
}

static uint8_t
text_clean_need(unsigned char b)
{
	if (b >= 0xc2 && b <= 0xdf)
		return 2;
	if (b >= 0xe0 && b <= 0xef)
		return 3;
	if (b >= 0xf0 && b <= 0xf4)
		return 4;
	return 0;
}

int
text_clean_put(struct text_clean *c, const void *bytes, size_t n,
    struct dbuf *out)
{
	const unsigned char	*p = bytes;
	uint32_t		 cp;
	size_t			 i;
	unsigned char		 b;

	for (i = 0; i < n; i++) {
		b = p[i];
		if (c->esc != ESC_NONE && text_clean_escape(c, b))
			continue;
		if (c->npart != 0) {
			if ((b & 0xc0) == 0x80) {
				c->part[c->npart++] = b;
				if (c->npart < c->need)
					continue;
				c->npart = 0;
				if (utf8_decode((const char *)c->part, c->need,
				    &cp) != c->need) {
					if (dbuf_puts(out, replacement) == -1)
						return -1;
				} else if (cp >= 0xa0 && dbuf_put(out, c->part,
				    c->need) == -1)
					return -1;
				continue;
			}
			c->npart = 0;
			if (dbuf_puts(out, replacement) == -1)
				return -1;
		}
		if (b < 0x80) {
			if (text_clean_ascii(c, b, out) == -1)
				return -1;
			continue;
		}
		c->cr = false;
		if ((c->need = text_clean_need(b)) == 0) {
			if (dbuf_puts(out, replacement) == -1)
				return -1;
			continue;
		}
		c->part[0] = b;
		c->npart = 1;
	}
	return dbuf_err(out) ? -1 : 0;
}

int
text_clean_end(struct text_clean *c, struct dbuf *out)
{
	bool cut = c->npart != 0;

	text_clean_init(c, c->terminal);
	return cut ? dbuf_puts(out, replacement) : 0;
}
