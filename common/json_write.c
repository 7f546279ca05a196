/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See the header; no state besides the comma, no failure besides the dbuf's. */
#include "common/compat.h"

#include "common/json_write.h"

static void
value(struct jw *w)
{
	if (w->comma)
		dbuf_putc(w->b, ',');
	w->comma = true;
}

void
jw_init(struct jw *w, struct dbuf *b)
{
	w->b = b;
	w->comma = false;
}

void
jw_obj(struct jw *w)
{
	value(w);
	dbuf_putc(w->b, '{');
	w->comma = false;
}

void
jw_obj_end(struct jw *w)
{
	dbuf_putc(w->b, '}');
	w->comma = true;
}

void
jw_arr(struct jw *w)
{
	value(w);
	dbuf_putc(w->b, '[');
	w->comma = false;
}

void
jw_arr_end(struct jw *w)
{
	dbuf_putc(w->b, ']');
	w->comma = true;
}

void
jw_key(struct jw *w, const char *key)
{
	char	 buf[64];
	size_t	 n = strlen(key), i = 0;

	if (n + 4 > sizeof(buf)) {
		jw_keystr(w, str_of(key));
		return;
	}
	if (w->comma)
		buf[i++] = ',';
	buf[i++] = '"';
	memcpy(buf + i, key, n);
	i += n;
	buf[i++] = '"';
	buf[i++] = ':';
	dbuf_put(w->b, buf, i);
	w->comma = false;
}

void
jw_keystr(struct jw *w, struct str key)
{
	value(w);
	json_quote(w->b, key.p, key.n);
	dbuf_putc(w->b, ':');
	w->comma = false;
}

void
jw_str(struct jw *w, struct str s)
{
	value(w);
	json_quote(w->b, s.p, s.n);
}

void
jw_s(struct jw *w, const char *s)
{
	jw_str(w, str_of(s));
}

char *
json_digits(uint64_t v, char *end)
{
	do
		*--end = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return end;
}

void
jw_int(struct jw *w, int64_t v)
{
	char	 buf[24], *end = buf + sizeof(buf), *p;

	value(w);
	p = json_digits(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, end);
	if (v < 0)
		*--p = '-';
	dbuf_put(w->b, p, (size_t)(end - p));
}

void
jw_uint(struct jw *w, uint64_t v)
{
	char	 buf[24], *end = buf + sizeof(buf), *p;

	value(w);
	p = json_digits(v, end);
	dbuf_put(w->b, p, (size_t)(end - p));
}

void
jw_bool(struct jw *w, bool v)
{
	value(w);
	dbuf_puts(w->b, v ? "true" : "false");
}

void
jw_null(struct jw *w)
{
	value(w);
	dbuf_put(w->b, "null", 4);
}

void
jw_raw(struct jw *w, const char *p, size_t n)
{
	value(w);
	dbuf_put(w->b, p, n);
}

void
jw_kobj(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_obj(w);
}

void
jw_karr(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_arr(w);
}

void
jw_kstr(struct jw *w, const char *key, struct str s)
{
	jw_key(w, key);
	jw_str(w, s);
}

void
jw_kstr_opt(struct jw *w, const char *key, struct str s)
{
	if (s.n > 0)
		jw_kstr(w, key, s);
}

void
jw_ks(struct jw *w, const char *key, const char *s)
{
	jw_key(w, key);
	jw_s(w, s);
}

void
jw_kint(struct jw *w, const char *key, int64_t v)
{
	jw_key(w, key);
	jw_int(w, v);
}

void
jw_kuint(struct jw *w, const char *key, uint64_t v)
{
	jw_key(w, key);
	jw_uint(w, v);
}

void
jw_kbool(struct jw *w, const char *key, bool v)
{
	jw_key(w, key);
	jw_bool(w, v);
}

void
jw_knull(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_null(w);
}

void
jw_kraw(struct jw *w, const char *key, const char *p, size_t n)
{
	jw_key(w, key);
	jw_raw(w, p, n);
}

/* DEL and the line separators U+2028/9 need no escape in JSON. */
void
json_quote(struct dbuf *b, const char *p, size_t n)
{
	static const char	 hex[] = "0123456789abcdef";
	char			 esc[6] = { '\\', 'u', '0', '0' };
	size_t			 i = 0, start = 0, len;
	unsigned char		 c;
	uint32_t		 cp;

	dbuf_putc(b, '"');
	while (i < n) {
		c = (unsigned char)p[i];
		if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
			i++;
			continue;
		}
		if (c >= 0x80 && (len = utf8_decode(p + i, n - i, &cp)) > 0) {
			i += len;
			continue;
		}
		dbuf_put(b, p + start, i - start);
		start = ++i;
		switch (c) {
		case '"':	dbuf_put(b, "\\\"", 2); break;
		case '\\':	dbuf_put(b, "\\\\", 2); break;
		case '\b':	dbuf_put(b, "\\b", 2); break;
		case '\f':	dbuf_put(b, "\\f", 2); break;
		case '\n':	dbuf_put(b, "\\n", 2); break;
		case '\r':	dbuf_put(b, "\\r", 2); break;
		case '\t':	dbuf_put(b, "\\t", 2); break;
		default:
			if (c >= 0x80) {
				dbuf_put(b, "\xef\xbf\xbd", 3);
				break;
			}
			esc[4] = hex[c >> 4];
			esc[5] = hex[c & 15];
			dbuf_put(b, esc, 6);
			break;
		}
	}
	dbuf_put(b, p + start, n - start);
	dbuf_putc(b, '"');
}
