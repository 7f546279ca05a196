/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The first parser that sees a client's bytes.  It must hold for any input:
 * no recursion, no allocation, every read is behind a comparison with end.
 */
#include "common/compat.h"

#include "common/json_skim.h"

struct scan {
	const char	*p, *end;
	bool		 odd;
};

#define ONES	0x0101010101010101ULL
#define HIGHS	0x8080808080808080ULL

static enum skim_err scan_string(struct scan *, struct skim_val *);
static enum skim_err scan_escape(struct scan *);
static enum skim_err scan_utf8(struct scan *);
static enum skim_err scan_number(struct scan *);
static enum skim_err scan_word(struct scan *, const char *, size_t);
static enum skim_err scan_value(struct scan *, unsigned int depth,
    struct skim_val *);
static int hex4(const char *);

const char *
skim_err_name(enum skim_err e)
{
	static const char *const names[] = {
		[SKIM_OK] = "no error",
		[SKIM_SYNTAX] = "not JSON",
		[SKIM_UTF8] = "not UTF-8",
		[SKIM_DEPTH] = "nesting too deep",
		[SKIM_SHORT] = "ends early",
		[SKIM_TRAILING] = "text after the value",
	};

	return (unsigned int)e < SKIM_ERR_MAX ? names[e] : "?";
}

static inline bool
is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline void
scan_blanks(struct scan *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Bytes of x that a string scanner must look at: controls, '"', '\\', and
 * those beyond ASCII. */
static inline uint64_t
special_bytes(uint64_t x)
{
	uint64_t q = x ^ (ONES * '"'), b = x ^ (ONES * '\\');

	return ((x - ONES * 0x20) | (q - ONES) | (b - ONES) | x) & HIGHS;
}

enum skim_err
skim_text(const char *p, size_t n, struct skim_val *v)
{
	struct scan	 s = { p, p + n, false };
	struct skim_val	 dummy;
	enum skim_err	 err;

	if (v == NULL)
		v = &dummy;
	memset(v, 0, sizeof(*v));
	scan_blanks(&s);
	if ((err = scan_value(&s, 0, v)) != SKIM_OK)
		return err;
	scan_blanks(&s);
	return s.p == s.end ? SKIM_OK : SKIM_TRAILING;
}

enum skim_err
skim_frame(const char *p, size_t n, struct skim_frame *f)
{
	struct scan	 s = { p, p + n, false };
	struct skim_val	 key, val, *slot;
	enum skim_err	 err;

	memset(f, 0, sizeof(*f));
	scan_blanks(&s);
	if (s.p == s.end)
		return SKIM_SHORT;
	f->root.p = s.p;
	if (*s.p != '{') {
		err = scan_value(&s, 0, &f->root);
		goto tail;
	}
	f->root.kind = SKIM_OBJECT;
	s.p++;
	scan_blanks(&s);
	if (s.p < s.end && *s.p == '}') {
		s.p++;
		err = SKIM_OK;
		goto tail;
	}
	for (;;) {
		if (s.p == s.end)
			return SKIM_SHORT;
		if (*s.p != '"')
			return SKIM_SYNTAX;
		if ((err = scan_string(&s, &key)) != SKIM_OK)
			return err;
		scan_blanks(&s);
		if (s.p == s.end)
			return SKIM_SHORT;
		if (*s.p++ != ':')
			return SKIM_SYNTAX;
		scan_blanks(&s);
		if ((err = scan_value(&s, 1, &val)) != SKIM_OK)
			goto tail;
		slot = NULL;
		if (skim_is(&key, "type"))
			slot = &f->type;
		else if (skim_is(&key, "id"))
			slot = &f->id;
		else if (skim_is(&key, "method"))
			slot = &f->method;
		else if (skim_is(&key, "params"))
			slot = &f->params;
		if (slot != NULL)
			*slot = val;
		else
			f->other = true;
		scan_blanks(&s);
		if (s.p == s.end)
			return SKIM_SHORT;
		if (*s.p == '}') {
			s.p++;
			break;
		}
		if (*s.p++ != ',')
			return SKIM_SYNTAX;
		scan_blanks(&s);
	}
tail:
	f->odd = s.odd;
	if (err != SKIM_OK)
		return err;
	f->root.n = (size_t)(s.p - f->root.p);
	scan_blanks(&s);
	return s.p == s.end ? SKIM_OK : SKIM_TRAILING;
}

/*
 * One value and all below it.  The kind of each open container is a bit, so
 * the depth costs no memory.
 */
static enum skim_err
scan_value(struct scan *s, unsigned int base, struct skim_val *v)
{
	struct skim_val	 part;
	const char	*start = s->p;
	uint64_t	 objects = 0;
	unsigned int	 depth = base;
	enum skim_kind	 kind;
	enum skim_err	 err;

	part.escaped = false;
value:
	if (s->p == s->end)
		return SKIM_SHORT;
	err = SKIM_OK;
	switch (*s->p) {
	case '{':
	case '[':
		if (depth == SKIM_DEPTH_MAX)
			return SKIM_DEPTH;
		kind = *s->p == '{' ? SKIM_OBJECT : SKIM_ARRAY;
		objects = objects << 1 | (kind == SKIM_OBJECT);
		depth++;
		s->p++;
		scan_blanks(s);
		if (s->p == s->end)
			return SKIM_SHORT;
		if (*s->p == (kind == SKIM_OBJECT ? '}' : ']')) {
			s->p++;
			goto closed;
		}
		if (kind == SKIM_OBJECT)
			goto key;
		goto value;
	case '"':
		kind = SKIM_STRING;
		err = scan_string(s, &part);
		break;
	case 't':
		kind = SKIM_BOOL;
		err = scan_word(s, "true", 4);
		break;
	case 'f':
		kind = SKIM_BOOL;
		err = scan_word(s, "false", 5);
		break;
	case 'n':
		kind = SKIM_NULL;
		err = scan_word(s, "null", 4);
		break;
	default:
		kind = SKIM_NUMBER;
		err = scan_number(s);
		break;
	}
	if (err != SKIM_OK)
		return err;
	goto done;
closed:
	kind = objects & 1 ? SKIM_OBJECT : SKIM_ARRAY;
	objects >>= 1;
	depth--;
done:
	if (depth == base) {
		v->p = start;
		v->n = (size_t)(s->p - start);
		v->kind = kind;
		v->escaped = kind == SKIM_STRING && part.escaped;
		return SKIM_OK;
	}
	scan_blanks(s);
	if (s->p == s->end)
		return SKIM_SHORT;
	if (*s->p == (objects & 1 ? '}' : ']')) {
		s->p++;
		goto closed;
	}
	if (*s->p++ != ',')
		return SKIM_SYNTAX;
	scan_blanks(s);
	if (!(objects & 1))
		goto value;
key:
	if (s->p == s->end)
		return SKIM_SHORT;
	if (*s->p != '"')
		return SKIM_SYNTAX;
	if ((err = scan_string(s, &part)) != SKIM_OK)
		return err;
	scan_blanks(s);
	if (s->p == s->end)
		return SKIM_SHORT;
	if (*s->p++ != ':')
		return SKIM_SYNTAX;
	scan_blanks(s);
	goto value;
}

static enum skim_err
scan_string(struct scan *s, struct skim_val *v)
{
	uint64_t	 x;
	enum skim_err	 err;

	v->p = s->p++;
	v->kind = SKIM_STRING;
	v->escaped = false;
	for (;;) {
		while (s->end - s->p >= 8) {
			memcpy(&x, s->p, 8);
			if (special_bytes(x) != 0)
				break;
			s->p += 8;
		}
		while (s->p < s->end && (unsigned char)*s->p >= 0x20 &&
		    (unsigned char)*s->p < 0x80 && *s->p != '"' &&
		    *s->p != '\\')
			s->p++;
		if (s->p == s->end)
			return SKIM_SHORT;
		if (*s->p == '"') {
			s->p++;
			v->n = (size_t)(s->p - v->p);
			return SKIM_OK;
		}
		if (*s->p == '\\') {
			v->escaped = true;
			err = scan_escape(s);
		} else if ((unsigned char)*s->p < 0x20)
			return SKIM_SYNTAX;
		else
			err = scan_utf8(s);
		if (err != SKIM_OK)
			return err;
	}
}

static enum skim_err
scan_escape(struct scan *s)
{
	int	 hi, lo;

	if (s->end - s->p < 2)
		return SKIM_SHORT;
	switch (s->p[1]) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r':
	case 't':
		s->p += 2;
		return SKIM_OK;
	case 'u':
		break;
	default:
		return SKIM_SYNTAX;
	}
	if (s->end - s->p < 6)
		return SKIM_SHORT;
	if ((hi = hex4(s->p + 2)) == -1)
		return SKIM_SYNTAX;
	s->p += 6;
	if (hi == 0 || (hi >= 0xdc00 && hi < 0xe000))
		s->odd = true;
	if (hi < 0xd800 || hi >= 0xdc00)
		return SKIM_OK;
	if (s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' &&
	    (lo = hex4(s->p + 2)) >= 0xdc00 && lo < 0xe000)
		s->p += 6;
	else
		s->odd = true;
	return SKIM_OK;
}

static enum skim_err
scan_utf8(struct scan *s)
{
	const unsigned char	*p = (const unsigned char *)s->p;
	size_t			 left = (size_t)(s->end - s->p);

	/* Runs of the same kind are common: stay here for them. */
	while (left > 0 && p[0] >= 0x80) {
		if (p[0] < 0xc2)
			return SKIM_UTF8;
		if (p[0] < 0xe0) {
			if (left < 2 || (p[1] & 0xc0) != 0x80)
				return SKIM_UTF8;
			p += 2;
			left -= 2;
		} else if (p[0] < 0xf0) {
			if (left < 3 || (p[1] & 0xc0) != 0x80 ||
			    (p[2] & 0xc0) != 0x80 ||
			    (p[0] == 0xe0 && p[1] < 0xa0) ||
			    (p[0] == 0xed && p[1] >= 0xa0))
				return SKIM_UTF8;
			p += 3;
			left -= 3;
		} else {
			if (p[0] > 0xf4 || left < 4 ||
			    (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 ||
			    (p[3] & 0xc0) != 0x80 ||
			    (p[0] == 0xf0 && p[1] < 0x90) ||
			    (p[0] == 0xf4 && p[1] >= 0x90))
				return SKIM_UTF8;
			p += 4;
			left -= 4;
		}
	}
	s->p = (const char *)p;
	return SKIM_OK;
}

static enum skim_err
scan_number(struct scan *s)
{
	const char	*p = s->p, *end = s->end;

	if (p < end && *p == '-')
		p++;
	if (p == end)
		return SKIM_SHORT;
	if (*p == '0')
		p++;
	else if (is_digit(*p))
		while (p < end && is_digit(*p))
			p++;
	else
		return SKIM_SYNTAX;
	if (p < end && *p == '.') {
		p++;
		if (p == end)
			return SKIM_SHORT;
		if (!is_digit(*p))
			return SKIM_SYNTAX;
		while (p < end && is_digit(*p))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (p == end)
			return SKIM_SHORT;
		if (!is_digit(*p))
			return SKIM_SYNTAX;
		while (p < end && is_digit(*p))
			p++;
	}
	s->p = p;
	return SKIM_OK;
}

static enum skim_err
scan_word(struct scan *s, const char *word, size_t n)
{
	if ((size_t)(s->end - s->p) < n)
		return SKIM_SYNTAX;
	if (memcmp(s->p, word, n) != 0)
		return SKIM_SYNTAX;
	s->p += n;
	return SKIM_OK;
}

static int
hex4(const char *p)
{
	int	 i, v = 0, d;

	for (i = 0; i < 4; i++) {
		if (is_digit(p[i]))
			d = p[i] - '0';
		else if (p[i] >= 'a' && p[i] <= 'f')
			d = p[i] - 'a' + 10;
		else if (p[i] >= 'A' && p[i] <= 'F')
			d = p[i] - 'A' + 10;
		else
			return -1;
		v = v << 4 | d;
	}
	return v;
}

void
skim_repair(char *p, size_t n)
{
	char	*end = p + n;
	int	 hi, lo;

	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		if (end - p < 2)
			return;
		if (p[1] != 'u' || end - p < 6) {
			p += 2;
			continue;
		}
		hi = hex4(p + 2);
		if (hi >= 0xd800 && hi < 0xdc00 && end - p >= 12 &&
		    p[6] == '\\' && p[7] == 'u' &&
		    (lo = hex4(p + 8)) >= 0xdc00 && lo < 0xe000) {
			p += 12;
			continue;
		}
		if (hi == 0 || (hi >= 0xd800 && hi < 0xe000))
			memcpy(p + 2, "fffd", 4);
		p += 6;
	}
}

/*
 * Walking.  The text was checked, so these only look for borders; end is
 * compared all the same, so that a caller's mistake stays inside the text.
 */
static const char *
skip_string(const char *p, const char *end, bool *escaped)
{
	uint64_t	 x, q, b;

	*escaped = false;
	p++;
	for (;;) {
		while (end - p >= 8) {
			memcpy(&x, p, 8);
			q = x ^ (ONES * '"');
			b = x ^ (ONES * '\\');
			if (((((q - ONES) & ~q) | ((b - ONES) & ~b)) &
			    HIGHS) != 0)
				break;
			p += 8;
		}
		while (p < end && *p != '"' && *p != '\\')
			p++;
		if (p >= end)
			return end;
		if (*p == '"')
			return p + 1;
		*escaped = true;
		if ((p += 2) >= end)
			return end;
	}
}

static const char *
skip_value(const char *p, const char *end, struct skim_val *v)
{
	size_t	 depth = 0;
	bool	 escaped;

	v->p = p;
	v->escaped = false;
	if (p >= end) {
		v->kind = SKIM_ABSENT;
		v->n = 0;
		return end;
	}
	switch (*p) {
	case '"':
		v->kind = SKIM_STRING;
		p = skip_string(p, end, &v->escaped);
		break;
	case '{':
	case '[':
		v->kind = *p == '{' ? SKIM_OBJECT : SKIM_ARRAY;
		do {
			if (*p == '"') {
				p = skip_string(p, end, &escaped);
				continue;
			}
			if (*p == '{' || *p == '[')
				depth++;
			else if (*p == '}' || *p == ']')
				depth--;
			p++;
		} while (depth > 0 && p < end);
		break;
	default:
		v->kind = *p == 't' || *p == 'f' ? SKIM_BOOL :
		    *p == 'n' ? SKIM_NULL : SKIM_NUMBER;
		while (p < end && *p != ',' && *p != '}' && *p != ']' &&
		    !is_blank(*p))
			p++;
		break;
	}
	v->n = (size_t)(p - v->p);
	return p;
}

void
skim_iter_init(struct skim_iter *it, const struct skim_val *v)
{
	memset(it, 0, sizeof(*it));
	if (v->kind != SKIM_OBJECT && v->kind != SKIM_ARRAY)
		return;
	it->object = v->kind == SKIM_OBJECT;
	it->p = v->p + 1;
	it->end = v->p + v->n;
}

bool
skim_next(struct skim_iter *it, struct skim_val *key, struct skim_val *v)
{
	const char	*p = it->p, *end = it->end;
	struct skim_val	 k;

	if (p == NULL)
		return false;
	while (p < end && (is_blank(*p) || *p == ','))
		p++;
	if (p >= end || *p == '}' || *p == ']') {
		it->p = NULL;
		return false;
	}
	memset(&k, 0, sizeof(k));
	if (it->object) {
		if (*p != '"') {
			it->p = NULL;
			return false;
		}
		p = skip_value(p, end, &k);
		while (p < end && (is_blank(*p) || *p == ':'))
			p++;
	}
	it->p = skip_value(p, end, v);
	if (v->n == 0) {
		it->p = NULL;
		return false;
	}
	if (key != NULL)
		*key = k;
	return true;
}

bool
skim_get(const struct skim_val *object, const char *name, struct skim_val *v)
{
	struct skim_iter	 it;
	struct skim_val		 key, val;

	memset(v, 0, sizeof(*v));
	if (object->kind != SKIM_OBJECT)
		return false;
	skim_iter_init(&it, object);
	while (skim_next(&it, &key, &val))
		if (skim_is(&key, name))
			*v = val;
	return v->kind != SKIM_ABSENT;
}

bool
skim_is(const struct skim_val *v, const char *s)
{
	char	 buf[128];
	size_t	 n = strlen(s);

	if (v->kind != SKIM_STRING || v->n < 2)
		return false;
	if (!v->escaped)
		return v->n - 2 == n && memcmp(v->p + 1, s, n) == 0;
	if (n >= sizeof(buf) || v->n - 2 > 6 * n ||
	    skim_unescape(v, buf, sizeof(buf)) != (ssize_t)n)
		return false;
	return memcmp(buf, s, n) == 0;
}

struct str
skim_raw(const struct skim_val *v)
{
	if (v->kind != SKIM_STRING || v->n < 2)
		return (struct str){ "", 0 };
	return (struct str){ v->p + 1, v->n - 2 };
}

ssize_t
skim_unescape(const struct skim_val *v, char *buf, size_t size)
{
	struct str	 in = skim_raw(v);
	const char	*p = in.p, *end = in.p + in.n, *q;
	char		 u[4];
	size_t		 n = 0, run;
	int		 hi, lo;
	uint32_t	 cp;

	if (size == 0)
		return -1;
	while (p < end) {
		if ((q = memchr(p, '\\', (size_t)(end - p))) == NULL)
			q = end;
		run = (size_t)(q - p);
		if (run >= size - n)
			return -1;
		memcpy(buf + n, p, run);
		n += run;
		if ((p = q) == end)
			break;
		if (end - p < 2)
			return -1;
		run = 1;
		switch (p[1]) {
		case 'b': u[0] = '\b'; break;
		case 'f': u[0] = '\f'; break;
		case 'n': u[0] = '\n'; break;
		case 'r': u[0] = '\r'; break;
		case 't': u[0] = '\t'; break;
		case 'u':
			if (end - p < 6 || (hi = hex4(p + 2)) == -1)
				return -1;
			cp = (uint32_t)hi;
			if (hi >= 0xd800 && hi < 0xdc00 && end - p >= 12 &&
			    p[6] == '\\' && p[7] == 'u' &&
			    (lo = hex4(p + 8)) >= 0xdc00 && lo < 0xe000) {
				cp = 0x10000u + ((uint32_t)(hi - 0xd800) << 10) +
				    (uint32_t)(lo - 0xdc00);
				p += 6;
			} else if (hi == 0 || (hi >= 0xd800 && hi < 0xe000))
				cp = 0xfffd;
			run = utf8_encode(cp, u);
			p += 4;
			break;
		default:
			u[0] = p[1];
			break;
		}
		p += 2;
		if (run >= size - n)
			return -1;
		memcpy(buf + n, u, run);
		n += run;
	}
	buf[n] = '\0';
	return (ssize_t)n;
}

size_t
skim_chars(const struct skim_val *v)
{
	struct str	 in = skim_raw(v);
	size_t		 i = 0, n = 0;
	int		 hi, lo;

	if (!v->escaped)
		return utf8_count(in.p, in.n);
	while (i < in.n) {
		if (in.p[i] != '\\') {
			n += ((unsigned char)in.p[i] & 0xc0) != 0x80;
			i++;
			continue;
		}
		n++;
		if (i + 1 >= in.n || in.p[i + 1] != 'u') {
			i += 2;
			continue;
		}
		if (in.n - i >= 12 && (hi = hex4(in.p + i + 2)) >= 0xd800 &&
		    hi < 0xdc00 && in.p[i + 6] == '\\' &&
		    in.p[i + 7] == 'u' &&
		    (lo = hex4(in.p + i + 8)) >= 0xdc00 && lo < 0xe000)
			i += 12;
		else
			i += 6;
	}
	return n;
}

bool
skim_int(const struct skim_val *v, int64_t *out)
{
	char	 buf[128];
	double	 d;
	int64_t	 r = 0;
	size_t	 i = 0;
	bool	 neg;

	if (v->kind != SKIM_NUMBER || v->n == 0 || v->n >= sizeof(buf))
		return false;
	neg = v->p[0] == '-';
	if (v->n <= 17) {
		for (i = neg; i < v->n && is_digit(v->p[i]); i++)
			r = r * 10 + (v->p[i] - '0');
		if (i == v->n) {
			if (r > (int64_t)1 << 53)
				return false;
			*out = neg ? -r : r;
			return true;
		}
	}
	memcpy(buf, v->p, v->n);
	buf[v->n] = '\0';
	d = strtod(buf, NULL);
	if (!(d >= -9007199254740992.0 && d <= 9007199254740992.0))
		return false;
	r = (int64_t)d;
	if ((double)r != d)
		return false;
	*out = r;
	return true;
}
