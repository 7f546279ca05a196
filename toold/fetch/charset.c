/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/charset.h"
#include "toold/fetch/charset_tables.h"
#include "toold/fetch/html_token.h"

#define HEAD_MAX	2048	/* bytes in which a page names its encoding */

static int
charset_find(struct str label)
{
	size_t	i;

	for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (str_ieqs(label, labels[i].label))
			return labels[i].enc;
	return ENC_NONE;
}

struct str
charset_of_type(struct str v)
{
	size_t	i;

	for (i = 0; i + 8 <= v.n; i++)
		if (ascii_ncasecmp(v.p + i, "charset=", 8) == 0)
			break;
	if (i + 8 > v.n)
		return (struct str){ NULL, 0 };
	v.p += i + 8;
	v.n -= i + 8;
	for (i = 0; i < v.n && v.p[i] != ';'; i++)
		;
	return str_trim((struct str){ v.p, i });
}

/* What the head of a page says of itself; p is NULL when nothing. */
static struct str
charset_meta(struct str html)
{
	struct html_lexer	l;
	struct html_token	t;
	struct str		name, v, found = { NULL, 0 };
	bool			typed, equiv;

	html.n = html.n < HEAD_MAX ? html.n : HEAD_MAX;
	html_lexer_init(&l, html);
	while (html_next(&l, &t)) {
		if (t.kind != HTML_START || !str_ieqs(t.name, "meta"))
			continue;
		typed = equiv = false;
		while (html_attr_next(&t.attrs, &name, &v)) {
			if (str_ieqs(name, "charset"))
				return str_trim(v);
			if (str_ieqs(name, "http-equiv"))
				equiv = str_ieqs(v, "content-type");
			else if (str_ieqs(name, "content")) {
				found = charset_of_type(v);
				typed = found.p != NULL;
			}
		}
		if (typed && equiv)
			return found;
	}
	return (struct str){ NULL, 0 };
}

static void
put_cp(struct dbuf *out, uint32_t cp)
{
	char	c[4];
	size_t	n = utf8_encode(cp, c);

	if (n == 0)
		n = utf8_encode(0xfffd, c);
	dbuf_put(out, c, n);
}

static void
decode_utf8(struct str s, struct dbuf *out)
{
	uint32_t	cp;
	size_t		i, n, start = 0;

	for (i = 0; i < s.n; i += n > 0 ? n : 1) {
		n = utf8_decode(s.p + i, s.n - i, &cp);
		if (n > 0 && cp != 0)
			continue;
		dbuf_put(out, s.p + start, i - start);
		put_cp(out, 0xfffd);
		start = i + (n > 0 ? n : 1);
	}
	if (start < s.n)
		dbuf_put(out, s.p + start, s.n - start);
}

static void
decode_utf16(struct str s, bool big, struct dbuf *out)
{
	uint32_t	u, high = 0;
	size_t		i;

	for (i = 0; i + 1 < s.n; i += 2) {
		u = (uint32_t)(unsigned char)s.p[i + !big] << 8 |
		    (unsigned char)s.p[i + big];
		if (high != 0 && u >= 0xdc00 && u <= 0xdfff) {
			put_cp(out, 0x10000 + ((high - 0xd800) << 10) +
			    (u - 0xdc00));
			high = 0;
			continue;
		}
		if (high != 0)
			put_cp(out, 0xfffd);
		high = u >= 0xd800 && u <= 0xdbff ? u : 0;
		if (high == 0)
			put_cp(out, u == 0 ? 0xfffd : u);
	}
	if (high != 0 || i < s.n)
		put_cp(out, 0xfffd);
}

static void
decode_table(struct str s, const uint16_t *table, struct dbuf *out)
{
	size_t	i;

	for (i = 0; i < s.n; i++)
		put_cp(out, s.p[i] == '\0' ? 0xfffd :
		    (unsigned char)s.p[i] < 0x80 ? (unsigned char)s.p[i] :
		    table[(unsigned char)s.p[i] - 0x80]);
}

static int
charset_mark(struct str *s)
{
	if (s->n >= 3 && memcmp(s->p, "\xef\xbb\xbf", 3) == 0) {
		*s = (struct str){ s->p + 3, s->n - 3 };
		return ENC_UTF8;
	}
	if (s->n < 2 || (memcmp(s->p, "\xff\xfe", 2) != 0 &&
	    memcmp(s->p, "\xfe\xff", 2) != 0))
		return ENC_NONE;
	*s = (struct str){ s->p + 2, s->n - 2 };
	return s->p[-1] == '\xfe' ? ENC_UTF16LE : ENC_UTF16BE;
}

int
charset_decode(struct str s, struct str label, bool html, struct dbuf *out,
    char *name, size_t size)
{
	size_t	i;
	int	enc;

	if ((enc = charset_mark(&s)) == ENC_NONE) {
		if (label.n == 0 && html) {
			label = charset_meta(s);
			/* Who reads this far reads no UTF-16. */
			if (label.n > 0 && ascii_ncasecmp(label.p, "utf-16",
			    label.n < 6 ? label.n : 6) == 0)
				label = STR_LIT("utf-8");
		}
		if (label.n > 1 && (label.p[0] == '"' || label.p[0] == '\''))
			label = (struct str){ label.p + 1, label.n - 2 };
		enc = label.n > 0 ? charset_find(label) : ENC_NONE;
	}
	/* Whatever it is called: what is valid is UTF-8, and hardly else. */
	if (enc == ENC_NONE && utf8_valid(s.p, s.n))
		enc = ENC_UTF8;
	if (enc == ENC_NONE && label.n > 0) {
		for (i = 0; i < label.n && i + 1 < size; i++)
			name[i] = label.p[i] > 0x20 && label.p[i] < 0x7f ?
			    label.p[i] : '?';
		name[i] = '\0';
		return -1;
	}
	if (enc == ENC_NONE)
		enc = charset_find(STR_LIT("windows-1252"));
	if (enc == ENC_UTF8)
		decode_utf8(s, out);
	else if (enc == ENC_UTF16LE || enc == ENC_UTF16BE)
		decode_utf16(s, enc == ENC_UTF16BE, out);
	else
		decode_table(s, upper[enc], out);
	return 0;
}
