/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See keys.h.  Pure. */
#include "common/compat.h"

#include "toold/keys.h"

static const struct {
	const char *name, *bytes;
} keys[] = {
	{ "Enter", "\r" }, { "Return", "\r" }, { "CR", "\r" },
	{ "LF", "\n" }, { "Tab", "\t" }, { "Escape", "\x1b" },
	{ "Esc", "\x1b" }, { "Space", " " }, { "Backspace", "\x7f" },
	{ "BSpace", "\x7f" }, { "Delete", "\x1b[3~" }, { "DC", "\x1b[3~" },
	{ "Insert", "\x1b[2~" }, { "IC", "\x1b[2~" }, { "Up", "\x1b[A" },
	{ "Down", "\x1b[B" }, { "Right", "\x1b[C" }, { "Left", "\x1b[D" },
	{ "Home", "\x1b[H" }, { "End", "\x1b[F" }, { "PageUp", "\x1b[5~" },
	{ "PgUp", "\x1b[5~" }, { "PPage", "\x1b[5~" },
	{ "PageDown", "\x1b[6~" }, { "PgDn", "\x1b[6~" },
	{ "NPage", "\x1b[6~" }, { "S-Tab", "\x1b[Z" }, { "BTab", "\x1b[Z" },
	{ "F1", "\x1bOP" }, { "F2", "\x1bOQ" }, { "F3", "\x1bOR" },
	{ "F4", "\x1bOS" }, { "F5", "\x1b[15~" }, { "F6", "\x1b[17~" },
	{ "F7", "\x1b[18~" }, { "F8", "\x1b[19~" }, { "F9", "\x1b[20~" },
	{ "F10", "\x1b[21~" }, { "F11", "\x1b[23~" }, { "F12", "\x1b[24~" },
};

static bool
keys_prefix(struct str k, char letter, const char *word)
{
	return (k.n > 2 && ascii_toupper((unsigned char)k.p[0]) == letter &&
	    k.p[1] == '-') || (k.n > strlen(word) &&
	    ascii_ncasecmp(k.p, word, strlen(word)) == 0);
}

static int
keys_control(struct dbuf *out, struct str k)
{
	int	 c;

	if (str_ieqs(k, "Space") || str_eqs(k, "@"))
		return dbuf_putc(out, '\0');
	if (k.n != 1)
		return -1;
	c = ascii_toupper((unsigned char)k.p[0]);
	if (c == '?')
		return dbuf_putc(out, 0x7f);
	if (c < '@' || c > '_')
		return -1;
	return dbuf_putc(out, (char)(c & 0x1f));
}

int
keys_put(struct dbuf *out, struct str k)
{
	uint32_t	 cp;
	size_t		 i, skip;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (str_ieqs(k, keys[i].name))
			return dbuf_puts(out, keys[i].bytes);
	if (keys_prefix(k, 'C', "Ctrl-") || keys_prefix(k, 'C', "Ctrl+")) {
		skip = k.p[1] == '-' ? 2 : 5;
		return keys_control(out, (struct str){k.p + skip, k.n - skip});
	}
	if (k.n == 2 && k.p[0] == '^')
		return keys_control(out, (struct str){k.p + 1, 1});
	if (keys_prefix(k, 'M', "Alt-") || keys_prefix(k, 'M', "Alt+")) {
		skip = k.p[1] == '-' ? 2 : 4;
		dbuf_putc(out, 0x1b);
		/* One level only: M-M-M-... is no key. */
		if (k.n - skip > 10)
			return -1;
		return keys_put(out, (struct str){k.p + skip, k.n - skip});
	}
	/* Any one character is its own key. */
	if (k.n > 0 && utf8_decode(k.p, k.n, &cp) == k.n)
		return dbuf_put(out, k.p, k.n);
	return -1;
}
