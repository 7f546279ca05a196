/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * JSON5 parser.  Its input may have been written by an admin client on the
 * network: text size, depth, key length and memory are bounded, and an error
 * names line and column.  Recursion is bounded by JSON5_DEPTH_MAX.
 */

#include "common/compat.h"

#include <inttypes.h>
#include <math.h>

#include "gatewayd/config/json5.h"

struct parser {
	struct json5_pool	*pool;
	struct json5_error	*err;
	const char		*p;
	size_t			 n, at;
	uint32_t		 line, col;
	uint16_t		 file;
	int			 depth;
	struct dbuf		 tok;	/* of the string being read */
};

static struct json5	*parse_value(struct parser *);

/* --- characters ---------------------------------------------------------- */

/* The code point at the cursor; *len 0 at the end.  The text is valid UTF-8,
 * json5_parse() saw to that. */
static uint32_t
peek(const struct parser *ps, size_t *len)
{
	uint32_t	 cp = 0;

	*len = ps->at < ps->n ?
	    utf8_decode(ps->p + ps->at, ps->n - ps->at, &cp) : 0;
	return *len > 0 ? cp : 0;
}

static bool
at(const struct parser *ps, char c)
{
	return ps->at < ps->n && ps->p[ps->at] == c;
}

/* U+2028 and U+2029 end a line in JSON5 too. */
static void
advance(struct parser *ps)
{
	size_t		 len;
	uint32_t	 cp = peek(ps, &len);

	ps->at += len;
	if (cp == '\n' || cp == 0x2028 || cp == 0x2029 ||
	    (cp == '\r' && !at(ps, '\n'))) {
		ps->line++;
		ps->col = 1;
	} else if (len > 0)
		ps->col++;
}

static void *
fail(struct parser *ps, const char *what)
{
	if (ps->err->text[0] == '\0') {
		ps->err->line = ps->line;
		ps->err->col = ps->col;
		snprintf(ps->err->text, sizeof(ps->err->text),
		    "JSON5: %s at %" PRIu32 ":%" PRIu32, what, ps->line,
		    ps->col);
	}
	return NULL;
}

static void *
fail_char(struct parser *ps)
{
	char		 what[48];
	size_t		 len;
	uint32_t	 cp = peek(ps, &len);

	if (len == 0)
		return fail(ps, "invalid end of input");
	if (cp < 0x20 || cp == 0x7f || (cp >= 0x80 && cp < 0xa0) ||
	    cp == 0x2028 || cp == 0x2029)
		snprintf(what, sizeof(what), "invalid character '\\u%04" PRIx32
		    "'", cp);
	else
		snprintf(what, sizeof(what), "invalid character '%.*s'",
		    (int)len, ps->p + ps->at);
	return fail(ps, what);
}

static bool
is_space(uint32_t cp)
{
	return (cp >= 9 && cp <= 13) || cp == ' ' || cp == 0xa0 ||
	    cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 ||
	    cp == 0x2029 || cp == 0x202f || cp == 0x205f || cp == 0x3000 ||
	    cp == 0xfeff;
}

static bool
is_idstart(uint32_t cp)
{
	if (cp < 0x80)
		return ascii_isalpha((int)cp) || cp == '$' || cp == '_';
	return cp >= 0xaa && !is_space(cp);
}

/* Blanks and comments; -1 for a comment that does not end. */
static int
skip(struct parser *ps)
{
	size_t		 len;
	uint32_t	 cp;

	for (;;) {
		cp = peek(ps, &len);
		if (len == 0)
			return 0;
		if (is_space(cp)) {
			advance(ps);
			continue;
		}
		if (cp != '/')
			return 0;
		if (ps->n - ps->at < 2) {
			advance(ps);
			fail_char(ps);
			return -1;
		}
		if (ps->p[ps->at + 1] == '/') {
			while ((cp = peek(ps, &len)), len > 0 && cp != '\n' &&
			    cp != '\r' && cp != 0x2028 && cp != 0x2029)
				advance(ps);
		} else if (ps->p[ps->at + 1] == '*') {
			advance(ps);
			advance(ps);
			for (;;) {
				if (ps->at >= ps->n) {
					fail_char(ps);
					return -1;
				}
				if (at(ps, '*') && ps->n - ps->at > 1 &&
				    ps->p[ps->at + 1] == '/')
					break;
				advance(ps);
			}
			advance(ps);
			advance(ps);
		} else {
			advance(ps);
			fail_char(ps);
			return -1;
		}
	}
}

/* --- strings ------------------------------------------------------------- */

static int
hex_digits(struct parser *ps, int n, uint32_t *v)
{
	int	 c;

	for (*v = 0; n > 0; n--) {
		c = ps->at < ps->n ? (unsigned char)ps->p[ps->at] : 0;
		if (!ascii_isxdigit(c)) {
			fail_char(ps);
			return -1;
		}
		*v = *v << 4 | (uint32_t)(c <= '9' ? c - '0' :
		    (c | 32) - 'a' + 10);
		advance(ps);
	}
	return 0;
}

static int
put_cp(struct parser *ps, uint32_t cp)
{
	char	 buf[4];
	size_t	 n;

	if (cp == 0 || (n = utf8_encode(cp, buf)) == 0) {
		fail(ps, cp == 0 ? "NUL character in a string" :
		    "lone surrogate in a string");
		return -1;
	}
	if (dbuf_put(&ps->tok, buf, n) == -1) {
		fail(ps, "out of memory");
		return -1;
	}
	return 0;
}

/* Behind "\u": joins a surrogate pair. */
static int
unicode_escape(struct parser *ps, uint32_t *cp)
{
	uint32_t	 lo;

	if (hex_digits(ps, 4, cp) == -1)
		return -1;
	if (*cp >= 0xd800 && *cp < 0xdc00 && ps->n - ps->at >= 6 &&
	    ps->p[ps->at] == '\\' && ps->p[ps->at + 1] == 'u') {
		advance(ps);
		advance(ps);
		if (hex_digits(ps, 4, &lo) == -1)
			return -1;
		if (lo < 0xdc00 || lo > 0xdfff) {
			fail(ps, "lone surrogate in a string");
			return -1;
		}
		*cp = 0x10000 + ((*cp - 0xd800) << 10) + (lo - 0xdc00);
	}
	return 0;
}

/* Behind the backslash. */
static int
escape(struct parser *ps)
{
	size_t		 len;
	uint32_t	 cp = peek(ps, &len);

	if (len == 0) {
		fail_char(ps);
		return -1;
	}
	switch (cp) {
	case 'b': cp = '\b'; break;
	case 'f': cp = '\f'; break;
	case 'n': cp = '\n'; break;
	case 'r': cp = '\r'; break;
	case 't': cp = '\t'; break;
	case 'v': cp = '\v'; break;
	case 'x':
		advance(ps);
		if (hex_digits(ps, 2, &cp) == -1)
			return -1;
		return put_cp(ps, cp);
	case 'u':
		advance(ps);
		if (unicode_escape(ps, &cp) == -1)
			return -1;
		return put_cp(ps, cp);
	case '\r':		/* a line that goes on, CRLF as one */
		advance(ps);
		if (at(ps, '\n'))
			advance(ps);
		return 0;
	case '\n': case 0x2028: case 0x2029:
		advance(ps);
		return 0;
	case '0':
		advance(ps);
		fail(ps, "NUL character in a string");
		return -1;
	case '1': case '2': case '3': case '4': case '5':
	case '6': case '7': case '8': case '9':
		fail_char(ps);
		return -1;
	default:
		break;
	}
	advance(ps);
	return put_cp(ps, cp);
}

/* Reads a quoted string into ps->tok. */
static int
parse_quoted(struct parser *ps)
{
	char	 quote = ps->p[ps->at];
	size_t	 len, start;

	dbuf_reset(&ps->tok);
	advance(ps);
	for (;;) {
		if (ps->at >= ps->n) {
			fail_char(ps);
			return -1;
		}
		if (at(ps, quote)) {
			advance(ps);
			return 0;
		}
		if (at(ps, '\\')) {
			advance(ps);
			if (escape(ps) == -1)
				return -1;
			continue;
		}
		if (at(ps, '\n') || at(ps, '\r') || at(ps, '\0')) {
			fail_char(ps);
			return -1;
		}
		start = ps->at;
		peek(ps, &len);
		advance(ps);
		if (dbuf_put(&ps->tok, ps->p + start, len) == -1) {
			fail(ps, "out of memory");
			return -1;
		}
	}
}

/* An unquoted key into ps->tok. */
static int
parse_ident(struct parser *ps)
{
	size_t		 len;
	uint32_t	 cp;
	bool		 first = true;

	dbuf_reset(&ps->tok);
	for (;; first = false) {
		cp = peek(ps, &len);
		if (len > 0 && cp == '\\') {
			advance(ps);
			if (!at(ps, 'u')) {
				fail_char(ps);
				return -1;
			}
			advance(ps);
			if (unicode_escape(ps, &cp) == -1)
				return -1;
			if (!is_idstart(cp) && (first || cp >= 0x80 ||
			    !ascii_isdigit((int)cp))) {
				fail(ps, "invalid identifier character");
				return -1;
			}
		} else if (len == 0 || !(is_idstart(cp) ||
		    (!first && cp < 0x80 && ascii_isdigit((int)cp)))) {
			if (!first)
				return 0;
			fail_char(ps);
			return -1;
		} else
			advance(ps);
		if (put_cp(ps, cp) == -1)
			return -1;
	}
}

/* --- numbers and words --------------------------------------------------- */

static bool
word(struct parser *ps, const char *w)
{
	size_t	 n = strlen(w), len;
	uint32_t cp;

	if (n > ps->n - ps->at || memcmp(ps->p + ps->at, w, n) != 0)
		return false;
	if (ps->at + n < ps->n) {
		len = utf8_decode(ps->p + ps->at + n, ps->n - ps->at - n, &cp);
		if (len > 0 && (is_idstart(cp) || (cp < 0x80 &&
		    ascii_isdigit((int)cp))))
			return false;
	}
	ps->at += n;
	ps->col += (uint32_t)n;
	return true;
}

static bool
digit(const struct parser *ps)
{
	return ps->at < ps->n && ascii_isdigit((unsigned char)ps->p[ps->at]);
}

static int
put_digits(struct parser *ps)
{
	if (!digit(ps)) {
		fail_char(ps);
		return -1;
	}
	while (digit(ps)) {
		dbuf_putc(&ps->tok, ps->p[ps->at]);
		advance(ps);
	}
	return 0;
}

static int
parse_hex(struct parser *ps, struct json5 *v, bool neg)
{
	double		 d = 0;
	uint64_t	 u = 0;
	bool		 over = false, any = false;
	int		 c;

	for (; ps->at < ps->n && ascii_isxdigit(
	    (unsigned char)ps->p[ps->at]); any = true) {
		c = (unsigned char)ps->p[ps->at];
		c = c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
		over = over || u >> 59 != 0;
		u = u << 4 | (uint64_t)c;
		d = d * 16 + c;
		advance(ps);
	}
	if (!any) {
		fail_char(ps);
		return -1;
	}
	v->num = neg ? -d : d;
	v->isint = !over;
	v->i = over ? 0 : neg ? -(int64_t)u : (int64_t)u;
	return 0;
}

static int
parse_number(struct parser *ps, struct json5 *v)
{
	struct str	 s;
	bool		 neg = false, whole = true, lead;

	if (at(ps, '-') || at(ps, '+')) {
		neg = at(ps, '-');
		advance(ps);
	}
	if (word(ps, "Infinity")) {
		v->num = neg ? -INFINITY : INFINITY;
		return 0;
	}
	if (word(ps, "NaN")) {
		v->num = NAN;
		return 0;
	}
	dbuf_reset(&ps->tok);
	if (neg)
		dbuf_putc(&ps->tok, '-');
	if (at(ps, '0')) {
		advance(ps);
		if (at(ps, 'x') || at(ps, 'X')) {
			advance(ps);
			return parse_hex(ps, v, neg);
		}
		if (digit(ps)) {
			fail_char(ps);
			return -1;
		}
		dbuf_putc(&ps->tok, '0');
	} else if (digit(ps))
		put_digits(ps);
	else if (!at(ps, '.')) {
		fail_char(ps);
		return -1;
	}
	if (at(ps, '.')) {
		lead = ps->tok.n > (neg ? 1 : 0);
		whole = false;
		advance(ps);
		dbuf_puts(&ps->tok, lead ? "." : "0.");
		/* "5." is a number, "." is none. */
		if ((digit(ps) || !lead) && put_digits(ps) == -1)
			return -1;
		dbuf_putc(&ps->tok, '0');
	}
	if (at(ps, 'e') || at(ps, 'E')) {
		whole = false;
		advance(ps);
		dbuf_putc(&ps->tok, 'e');
		if (at(ps, '-') || at(ps, '+')) {
			dbuf_putc(&ps->tok, ps->p[ps->at]);
			advance(ps);
		}
		if (put_digits(ps) == -1)
			return -1;
	}
	if (dbuf_err(&ps->tok)) {
		fail(ps, "out of memory");
		return -1;
	}
	/* No locale is ever set, so strtod() reads a point. */
	v->num = strtod(dbuf_str(&ps->tok), NULL);
	s = (struct str){ ps->tok.p, ps->tok.n };
	if (whole)
		v->isint = num_parse(s, INT64_MIN, INT64_MAX, &v->i) == 0;
	else if (v->num > -9007199254740992. && v->num < 9007199254740992.) {
		v->i = (int64_t)v->num;
		v->isint = (double)v->i == v->num;
	}
	return 0;
}

/* --- containers ---------------------------------------------------------- */

static int
cmp_members(const void *a, const void *b)
{
	const struct json5	*x = *(struct json5 *const *)a;
	const struct json5	*y = *(struct json5 *const *)b;
	size_t			 n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int			 c = n > 0 ? memcmp(x->key.p, y->key.p, n) : 0;

	if (c == 0 && x->key.n != y->key.n)
		c = x->key.n < y->key.n ? -1 : 1;
	if (c == 0)	/* by place, so that the last one is known */
		c = x->off < y->off ? -1 : x->off > y->off;
	return c;
}

/* Drops all but the last of members with equal keys.  Sorted once, because a
 * look-up per member would be quadratic in what a client sends. */
static int
drop_duplicates(struct parser *ps, struct json5 *o)
{
	struct json5	**v, *m, **pp;
	size_t		  i = 0, dups = 0;

	if (o->count < 2)
		return 0;
	if ((v = calloc(o->count, sizeof(*v))) == NULL) {
		fail(ps, "out of memory");
		return -1;
	}
	for (m = o->child; m != NULL; m = m->next)
		v[i++] = m;
	qsort(v, o->count, sizeof(*v), cmp_members);
	for (i = 1; i < o->count; i++) {
		if (!str_eq(v[i - 1]->key, v[i]->key))
			continue;
		json5_pool_dup(ps->pool, v[i - 1], v[i]);
		v[i - 1]->file = UINT16_MAX;	/* mark */
		dups++;
	}
	free(v);
	if (dups == 0)
		return 0;
	o->last = NULL;
	for (pp = &o->child; (m = *pp) != NULL;) {
		if (m->file == UINT16_MAX) {
			*pp = m->next;
			o->count--;
		} else {
			o->last = m;
			pp = &m->next;
		}
	}
	return 0;
}

static struct json5 *
parse_object(struct parser *ps, struct json5 *o)
{
	struct json5	*v;
	struct str	 key;
	uint32_t	 line, koff;

	advance(ps);
	for (;;) {
		if (skip(ps) == -1)
			return NULL;
		if (at(ps, '}'))
			break;
		line = ps->line;
		koff = (uint32_t)ps->at;
		if (at(ps, '"') || at(ps, '\'')) {
			if (parse_quoted(ps) == -1)
				return NULL;
		} else if (parse_ident(ps) == -1)
			return NULL;
		if (ps->tok.n > JSON5_KEY_MAX)
			return fail(ps, "key is too long");
		/* The value overwrites tok, so the key is kept as a node. */
		v = json5_new_str(ps->pool, (struct str){ dbuf_str(&ps->tok),
		    ps->tok.n }, NULL);
		if (v == NULL)
			return fail(ps, "document is too large");
		key = v->s;
		if (skip(ps) == -1)
			return NULL;
		if (!at(ps, ':'))
			return fail_char(ps);
		advance(ps);
		if ((v = parse_value(ps)) == NULL)
			return NULL;
		v->key = key;
		v->line = line;
		v->koff = koff;
		json5_push(o, v);
		if (skip(ps) == -1)
			return NULL;
		if (at(ps, ','))
			advance(ps);
		else if (!at(ps, '}'))
			return fail_char(ps);
	}
	advance(ps);
	return drop_duplicates(ps, o) == -1 ? NULL : o;
}

static struct json5 *
parse_array(struct parser *ps, struct json5 *o)
{
	struct json5	*v;

	advance(ps);
	for (;;) {
		if (skip(ps) == -1)
			return NULL;
		if (at(ps, ']'))
			break;
		if ((v = parse_value(ps)) == NULL)
			return NULL;
		json5_push(o, v);
		if (skip(ps) == -1)
			return NULL;
		if (at(ps, ','))
			advance(ps);
		else if (!at(ps, ']'))
			return fail_char(ps);
	}
	advance(ps);
	return o;
}

static struct json5 *
parse_value(struct parser *ps)
{
	struct json5	*v, *s;
	size_t		 len, start;
	uint32_t	 cp;

	if (skip(ps) == -1)
		return NULL;
	cp = peek(ps, &len);
	if (len == 0)
		return fail_char(ps);
	if ((v = json5_new(ps->pool, JSON5_NULL, NULL)) == NULL)
		return fail(ps, "document is too large");
	v->file = ps->file;
	v->line = ps->line;
	start = ps->at;
	if (cp == '{' || cp == '[') {
		if (++ps->depth > JSON5_DEPTH_MAX)
			return fail(ps, "nesting is too deep");
		v->type = cp == '{' ? JSON5_OBJECT : JSON5_ARRAY;
		if ((cp == '{' ? parse_object(ps, v) :
		    parse_array(ps, v)) == NULL)
			return NULL;
		ps->depth--;
	} else if (cp == '"' || cp == '\'') {
		if (parse_quoted(ps) == -1)
			return NULL;
		s = json5_new_str(ps->pool, (struct str){ dbuf_str(&ps->tok),
		    ps->tok.n }, NULL);
		if (s == NULL)
			return fail(ps, "document is too large");
		v->type = JSON5_STRING;
		v->s = s->s;
	} else if (word(ps, "true") || word(ps, "false")) {
		v->type = JSON5_BOOL;
		v->b = cp == 't';
	} else if (!word(ps, "null")) {
		if (!(cp == '-' || cp == '+' || cp == '.' || cp == 'I' ||
		    cp == 'N' || (cp >= '0' && cp <= '9')))
			return fail_char(ps);
		v->type = JSON5_NUMBER;
		if (parse_number(ps, v) == -1)
			return NULL;
	}
	v->off = (uint32_t)start;
	v->len = (uint32_t)(ps->at - start);
	return v;
}

struct json5 *
json5_parse(struct json5_pool *pool, uint16_t file, const char *p, size_t n,
    struct json5_error *err)
{
	struct parser	 ps = { .pool = pool, .err = err, .p = p, .n = n,
	    .line = 1, .col = 1, .file = file };
	struct json5	*v;
	size_t		 len;

	memset(err, 0, sizeof(*err));
	if (n > JSON5_TEXT_MAX)
		return fail(&ps, "document is too large");
	if (!utf8_valid(p, n)) {
		/* Find the place, for the message only. */
		for (peek(&ps, &len); len > 0; peek(&ps, &len))
			advance(&ps);
		return fail(&ps, "text is not valid UTF-8");
	}
	dbuf_init_secret(&ps.tok, JSON5_TEXT_MAX);
	if ((v = parse_value(&ps)) != NULL) {
		if (skip(&ps) == -1)
			v = NULL;
		else if (ps.at < ps.n)
			v = fail_char(&ps);
	}
	dbuf_clear(&ps.tok);
	return v;
}
