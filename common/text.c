/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/random.h>

#include <errno.h>

#include "common/text.h"

struct str
str_of(const char *s)
{
	return (struct str){ s, s != NULL ? strlen(s) : 0 };
}

bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
str_eqs(struct str a, const char *b)
{
	return str_eq(a, str_of(b));
}

bool
str_ieqs(struct str a, const char *b)
{
	return strlen(b) == a.n && ascii_ncasecmp(a.p, b, a.n) == 0;
}

bool
str_prefix(struct str a, const char *pre)
{
	size_t	 n = strlen(pre);

	return a.n >= n && memcmp(a.p, pre, n) == 0;
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && ascii_isspace(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && ascii_isspace(s.p[s.n - 1]))
		s.n--;
	return s;
}

int
str_copy(struct str s, char *buf, size_t size)
{
	if (s.n >= size || (s.n > 0 && memchr(s.p, '\0', s.n) != NULL)) {
		errno = EINVAL;
		return -1;
	}
	if (s.n > 0)
		memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	return 0;
}

char *
str_dup(struct str s)
{
	char	*p;

	if ((p = malloc(s.n + 1)) == NULL)
		return NULL;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

int
ascii_tolower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

int
ascii_toupper(int c)
{
	return c >= 'a' && c <= 'z' ? c - 32 : c;
}

bool
ascii_isdigit(int c)
{
	return c >= '0' && c <= '9';
}

bool
ascii_isalpha(int c)
{
	c = ascii_tolower(c);
	return c >= 'a' && c <= 'z';
}

bool
ascii_isalnum(int c)
{
	return ascii_isdigit(c) || ascii_isalpha(c);
}

bool
ascii_isspace(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool
ascii_isxdigit(int c)
{
	c = ascii_tolower(c);
	return ascii_isdigit(c) || (c >= 'a' && c <= 'f');
}

int
ascii_ncasecmp(const char *a, const char *b, size_t n)
{
	int	 x, y;

	for (; n > 0; n--, a++, b++) {
		x = ascii_tolower((unsigned char)*a);
		y = ascii_tolower((unsigned char)*b);
		if (x != y)
			return x - y;
		if (x == '\0')
			return 0;
	}
	return 0;
}

int
ascii_casecmp(const char *a, const char *b)
{
	return ascii_ncasecmp(a, b, SIZE_MAX);
}

int
num_parse_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t	 v = 0;
	size_t		 i;

	if (s.n == 0) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < s.n; i++) {
		if (!ascii_isdigit((unsigned char)s.p[i])) {
			errno = EINVAL;
			return -1;
		}
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v)) {
			errno = ERANGE;
			return -1;
		}
	}
	if (v > max) {
		errno = ERANGE;
		return -1;
	}
	*out = v;
	return 0;
}

int
num_parse(struct str s, int64_t min, int64_t max, int64_t *out)
{
	uint64_t	 u;
	int64_t		 v;
	bool		 neg = s.n > 0 && s.p[0] == '-';

	if (neg) {
		s.p++;
		s.n--;
	}
	if (num_parse_u64(s, (uint64_t)INT64_MAX, &u) == -1)
		return -1;
	v = neg ? -(int64_t)u : (int64_t)u;
	if (v < min || v > max) {
		errno = ERANGE;
		return -1;
	}
	*out = v;
	return 0;
}

struct num_unit {
	const char	*name;
	uint64_t	 factor;
};

static int
num_parse_unit(struct str s, uint64_t max, uint64_t *out,
    const struct num_unit *units)
{
	struct str	 num = s, unit;
	uint64_t	 v;
	size_t		 i;

	while (num.n > 0 && ascii_isalpha((unsigned char)num.p[num.n - 1]))
		num.n--;
	unit = (struct str){ s.p + num.n, s.n - num.n };
	if (num_parse_u64(num, UINT64_MAX, &v) == -1)
		return -1;
	if (unit.n > 0) {
		for (i = 0; units[i].name != NULL; i++)
			if (str_ieqs(unit, units[i].name))
				break;
		if (units[i].name == NULL) {
			errno = EINVAL;
			return -1;
		}
		if (__builtin_mul_overflow(v, units[i].factor, &v)) {
			errno = ERANGE;
			return -1;
		}
	}
	if (v > max) {
		errno = ERANGE;
		return -1;
	}
	*out = v;
	return 0;
}

int
num_parse_duration_ms(struct str s, uint64_t max, uint64_t *out)
{
	static const struct num_unit units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 }, { NULL, 0 }
	};

	return num_parse_unit(s, max, out, units);
}

size_t
utf8_decode(const char *s, size_t n, uint32_t *cp)
{
	const unsigned char	*p = (const unsigned char *)s;
	uint32_t		 c;

	if (n == 0)
		return 0;
	if (p[0] < 0x80) {
		*cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		if (n < 2 || (p[1] & 0xc0) != 0x80)
			return 0;
		*cp = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
		return 2;
	}
	if ((p[0] & 0xf0) == 0xe0) {
		if (n < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
			return 0;
		c = (uint32_t)(p[0] & 0x0f) << 12 |
		    (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
		if (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*cp = c;
		return 3;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		if (n < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
		    (p[3] & 0xc0) != 0x80)
			return 0;
		c = (uint32_t)(p[0] & 0x07) << 18 |
		    (uint32_t)(p[1] & 0x3f) << 12 |
		    (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
		if (c < 0x10000 || c > 0x10ffff)
			return 0;
		*cp = c;
		return 4;
	}
	return 0;
}

bool
utf8_valid(const char *s, size_t n)
{
	uint64_t	 word;
	uint32_t	 cp;
	size_t		 i = 0, len;

	while (i < n) {
		/* Eight bytes of ASCII at a time: most text is. */
		while (n - i >= 8) {
			memcpy(&word, s + i, 8);
			if (word & 0x8080808080808080ULL)
				break;
			i += 8;
		}
		if (i == n)
			break;
		if ((len = utf8_decode(s + i, n - i, &cp)) == 0)
			return false;
		i += len;
	}
	return true;
}

size_t
utf8_cut(const char *s, size_t n, size_t max)
{
	if (n <= max)
		return n;
	while (max > 0 && ((unsigned char)s[max] & 0xc0) == 0x80)
		max--;
	return max;
}

size_t
utf8_mend(char *s)
{
	size_t	 n = strlen(s), i = n;

	while (i > 0 && ((unsigned char)s[i - 1] & 0xc0) == 0x80)
		i--;
	if (i > 0 && (unsigned char)s[i - 1] >= 0xc0 &&
	    !utf8_valid(s + i - 1, n - (i - 1)))
		n = i - 1;
	s[n] = '\0';
	return n;
}

size_t
utf8_vfmt(char *buf, size_t size, const char *fmt, va_list ap)
{
	int	 r = vsnprintf(buf, size, fmt, ap);

	return r >= 0 && (size_t)r < size ? (size_t)r : utf8_mend(buf);
}

size_t
utf8_count(const char *s, size_t n)
{
	size_t	 i, c = 0;

	for (i = 0; i < n; i++)
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			c++;
	return c;
}

size_t
utf8_encode(uint32_t cp, char *b)
{
	if (cp < 0x80) {
		b[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		b[0] = (char)(0xc0 | cp >> 6);
		b[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		if (cp >= 0xd800 && cp <= 0xdfff)
			return 0;
		b[0] = (char)(0xe0 | cp >> 12);
		b[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		b[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	if (cp > 0x10ffff)
		return 0;
	b[0] = (char)(0xf0 | cp >> 18);
	b[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	b[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	b[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

void
hex_encode(const void *p, size_t n, char *out)
{
	static const char	 digits[] = "0123456789abcdef";
	const unsigned char	*b = p;
	size_t			 i;

	for (i = 0; i < n; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * n] = '\0';
}

static int
hex_value(int c)
{
	if (ascii_isdigit(c))
		return c - '0';
	c = ascii_tolower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ssize_t
hex_decode(struct str s, void *out, size_t size)
{
	unsigned char	*b = out;
	size_t		 i;
	int		 hi, lo;

	if (s.n % 2 != 0 || s.n / 2 > size) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < s.n / 2; i++) {
		hi = hex_value((unsigned char)s.p[2 * i]);
		lo = hex_value((unsigned char)s.p[2 * i + 1]);
		if (hi == -1 || lo == -1) {
			errno = EINVAL;
			return -1;
		}
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	return (ssize_t)(s.n / 2);
}

static void
base64_with(const void *p, size_t n, char *out, const char *abc, bool pad)
{
	const unsigned char	*b = p;
	uint32_t		 v;
	size_t			 i, o = 0, left;

	for (i = 0; i < n; i += 3) {
		left = n - i;
		v = (uint32_t)b[i] << 16;
		if (left > 1)
			v |= (uint32_t)b[i + 1] << 8;
		if (left > 2)
			v |= b[i + 2];
		out[o++] = abc[v >> 18 & 63];
		out[o++] = abc[v >> 12 & 63];
		if (left > 1)
			out[o++] = abc[v >> 6 & 63];
		else if (pad)
			out[o++] = '=';
		if (left > 2)
			out[o++] = abc[v & 63];
		else if (pad)
			out[o++] = '=';
	}
	out[o] = '\0';
}

void
base64_encode(const void *p, size_t n, char *out)
{
	base64_with(p, n, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

void
base64url_encode(const void *p, size_t n, char *out)
{
	base64_with(p, n, out, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

static int
base64_value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_isdigit(c))
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

ssize_t
base64_decode(struct str s, void *out, size_t size)
{
	unsigned char	*b = out;
	uint32_t	 v = 0;
	size_t		 i, o = 0, pad = 0;
	int		 bits = 0, d;

	while (s.n > 0 && pad < 2 && s.p[s.n - 1] == '=') {
		s.n--;
		pad++;
	}
	/* One character alone carries no byte; padding must complete four. */
	if (s.n % 4 == 1 || (pad > 0 && (s.n + pad) % 4 != 0)) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < s.n; i++) {
		if ((d = base64_value((unsigned char)s.p[i])) == -1) {
			errno = EINVAL;
			return -1;
		}
		v = v << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (o == size) {
				errno = EMSGSIZE;
				return -1;
			}
			b[o++] = (unsigned char)(v >> bits);
			v &= (1u << bits) - 1;
		}
	}
	if (v != 0) {	/* bits that no byte takes must be zero */
		errno = EINVAL;
		return -1;
	}
	return (ssize_t)o;
}

void
uuid_v4(char out[37])
{
	unsigned char	 b[16];
	char		 hex[33];

	arc4random_buf(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	hex_encode(b, sizeof(b), hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
	    hex + 16, hex + 20);
}

void
iso_time(uint64_t ms, char out[25])
{
	struct tm	 tm;
	time_t		 t = (time_t)(ms / 1000);
	char		 day[20];

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		strlcpy(out, "1970-01-01T00:00:00.000Z", 25);
		return;
	}
	snprintf(out, 25, "%s.%03uZ", day, (unsigned int)(ms % 1000));
}
