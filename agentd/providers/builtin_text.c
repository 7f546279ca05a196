/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/providers/builtin_text.h"

#define MATCH_STEPS	20000	/* of one pattern against one text */
#define MATCH_DEPTH	400	/* nested calls */
#define WORD_MAX	32

struct cont {
	const char		*p;
	const char		*end;
	const struct cont	*next;
};
struct matcher {
	struct str		 text;
	struct btext_match	*out;
	int			 steps;
	int			 depth;
};

static bool	 match_at(struct matcher *, const char *, const char *,
		    const struct cont *, size_t);

uint32_t
btext_fold(uint32_t cp)
{
	if (cp >= 'A' && cp <= 'Z')
		return cp + 32;
	if (cp < 0x80)
		return cp;
	if (cp >= 0xff01 && cp <= 0xff5e)
		return btext_fold(cp - 0xfee0);
	if ((cp >= 0xc0 && cp <= 0xde) && cp != 0xd7)
		return cp + 32;
	switch (cp) {
	case 0x00a0:
	case 0x3000:
		return ' ';
	case 0x2018:
	case 0x2019:
	case 0x00b4:
		return '\'';
	case 0x201c:
	case 0x201d:
	case 0x300a:	/* book title marks */
	case 0x300b:
	case 0x300c:	/* corner brackets */
	case 0x300d:
	case 0x300e:
	case 0x300f:
		return '"';
	case 0x2010:
	case 0x2011:
	case 0x2012:
	case 0x2013:
	case 0x2014:
		return '-';
	case 0x3001:
		return ',';
	case 0x3002:
		return '.';
	}
	return cp;
}

bool
btext_iscjk(uint32_t cp)
{
	return (cp >= 0x3400 && cp <= 0x4dbf) ||
	    (cp >= 0x4e00 && cp <= 0x9fff) ||
	    (cp >= 0xf900 && cp <= 0xfaff) ||
	    (cp >= 0x20000 && cp <= 0x2ffff);
}

bool
btext_hascjk(struct str t)
{
	while (t.n > 0)
		if (btext_iscjk(btext_next(&t)))
			return true;
	return false;
}

uint32_t
btext_next(struct str *t)
{
	uint32_t	 cp;
	size_t		 n;

	if (t->n == 0)
		return 0;
	if ((n = utf8_decode(t->p, t->n, &cp)) == 0) {
		cp = (unsigned char)*t->p;
		n = 1;
	}
	t->p += n;
	t->n -= n;
	return btext_fold(cp);
}

int
btext_distance(struct str a, struct str b, int max)
{
	int	 d[3][WORD_MAX + 1];
	int	 best, cost, *cur, *prev, *before, *swap;
	size_t	 i, j;

	if (a.n > WORD_MAX || b.n > WORD_MAX)
		return max + 1;
	if ((a.n > b.n ? a.n - b.n : b.n - a.n) > (size_t)max)
		return max + 1;
	before = d[0];
	prev = d[1];
	cur = d[2];
	for (j = 0; j <= b.n; j++) {
		before[j] = (int)j;
		prev[j] = (int)j;
	}
	for (i = 1; i <= a.n; i++) {
		cur[0] = (int)i;
		best = cur[0];
		for (j = 1; j <= b.n; j++) {
			cost = a.p[i - 1] == b.p[j - 1] ? 0 : 1;
			cur[j] = prev[j - 1] + cost;
			if (prev[j] + 1 < cur[j])
				cur[j] = prev[j] + 1;
			if (cur[j - 1] + 1 < cur[j])
				cur[j] = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
			    a.p[i - 2] == b.p[j - 1] &&
			    before[j - 2] + 1 < cur[j])
				cur[j] = before[j - 2] + 1;
			if (cur[j] < best)
				best = cur[j];
		}
		if (best > max)
			return max + 1;
		swap = before;
		before = prev;
		prev = cur;
		cur = swap;
	}
	return prev[b.n] > max ? max + 1 : prev[b.n];
}

bool
btext_ispath(struct str s)
{
	static const char *const known[] = { "readme", "makefile", "license",
	    "dockerfile", "agents", "todo", "changelog", NULL };
	size_t	 i;

	if (s.n == 0 || s.n > 1024)
		return false;
	for (i = 0; known[i] != NULL; i++)
		if (str_ieqs(s, known[i]))
			return true;
	if (memchr(s.p, '/', s.n) != NULL || s.p[0] == '~')
		return true;
	/* A dot with something behind it: notes.txt, .env, but not "etc." */
	for (i = 0; i + 1 < s.n; i++)
		if (s.p[i] == '.' && s.p[i + 1] != '.')
			return true;
	return false;
}

struct str
btext_unquote(struct str s)
{
	static const struct { const char *open, *close; } pairs[] = {
		{ "\"", "\"" }, { "'", "'" }, { "`", "`" },
		{ "\xe2\x80\x9c", "\xe2\x80\x9d" },	/* curly */
		{ "\xe2\x80\x98", "\xe2\x80\x99" },
		{ "\xe3\x80\x8c", "\xe3\x80\x8d" },	/* corner brackets */
		{ "\xe3\x80\x8a", "\xe3\x80\x8b" },	/* title marks */
	};
	const char	*nl;
	size_t		 i, o, c;

	if (s.n >= 7 && memcmp(s.p, "```", 3) == 0 &&
	    memcmp(s.p + s.n - 3, "```", 3) == 0 &&
	    (nl = memchr(s.p, '\n', s.n)) != NULL && nl < s.p + s.n - 3) {
		s.n = (size_t)(s.p + s.n - 3 - (nl + 1));
		s.p = nl + 1;
		return s;
	}
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		o = strlen(pairs[i].open);
		c = strlen(pairs[i].close);
		if (s.n < o + c || memcmp(s.p, pairs[i].open, o) != 0 ||
		    memcmp(s.p + s.n - c, pairs[i].close, c) != 0)
			continue;
		/* "a" and "b" is not one quotation */
		if (o == 1 && memchr(s.p + 1, s.p[0], s.n - 2) != NULL)
			continue;
		s.p += o;
		s.n -= o + c;
		return s;
	}
	return s;
}

static uint32_t
cp_at(const struct matcher *m, size_t pos, size_t *len)
{
	struct str	 t = { m->text.p + pos, m->text.n - pos };
	size_t		 before = t.n;
	uint32_t	 cp;

	cp = btext_next(&t);
	*len = before - t.n;
	return cp;
}

static uint32_t
cp_before(const struct matcher *m, size_t pos)
{
	size_t	 i = pos, len;

	while (i > 0 && pos - i < 4) {
		i--;
		if (((unsigned char)m->text.p[i] & 0xc0) != 0x80)
			break;
	}
	return cp_at(m, i, &len);
}

static bool
is_blank(uint32_t cp)
{
	return cp == ' ' || cp == '\t' || cp == '\n' || cp == '\r';
}

static bool
is_loose(uint32_t cp)
{
	return is_blank(cp) || btext_iscjk(cp) || cp == ',' || cp == ':' ||
	    cp == '"' || cp == '\'' || cp == '`';
}

/* The end of the group that opens at p: the matching bracket, or NULL. */
static const char *
group_end(const char *p, const char *end)
{
	int	 depth = 0;

	for (; p < end; p++) {
		if (*p == '(' || *p == '[')
			depth++;
		else if ((*p == ')' || *p == ']') && --depth == 0)
			return p;
	}
	return NULL;
}

/* The end of the alternative that starts at p: a bar or the group's end. */
static const char *
alt_end(const char *p, const char *end)
{
	int	 depth = 0;

	for (; p < end; p++) {
		if (*p == '(' || *p == '[')
			depth++;
		else if (*p == ')' || *p == ']')
			depth--;
		else if (*p == '|' && depth == 0)
			return p;
	}
	return end;
}

static enum btext_slot
slot_kind(const char *p, size_t n)
{
	static const struct { const char *name; enum btext_slot kind; } k[] = {
		{ "path", SLOT_PATH }, { "name", SLOT_NAME },
		{ "word", SLOT_WORD }, { "num", SLOT_NUM },
		{ "part", SLOT_PART }, { "text", SLOT_TEXT },
		{ "cmd", SLOT_CMD },
	};
	size_t	 i;

	for (i = 0; i < sizeof(k) / sizeof(k[0]); i++)
		if (strlen(k[i].name) == n && memcmp(k[i].name, p, n) == 0)
			return k[i].kind;
	return SLOT_NONE;
}

static bool
slot_accepts(enum btext_slot kind, struct str v, bool quoted)
{
	size_t	 i;

	if (v.n == 0)
		return false;
	switch (kind) {
	case SLOT_PATH:
		return btext_ispath(v) && (quoted || v.n < 256);
	case SLOT_NUM:
		for (i = 0; i < v.n; i++)
			if (!ascii_isdigit(v.p[i]))
				return false;
		return v.n <= 9;
	case SLOT_WORD:
		for (i = 0; i < v.n; i++)
			if (!ascii_isalnum(v.p[i]) && v.p[i] != '-' &&
			    v.p[i] != '_' && v.p[i] != '.' && v.p[i] != ':')
				return false;
		return true;
	default:
		return true;
	}
}

/* Tries every length for a slot, shortest first. */
static bool
match_slot(struct matcher *m, enum btext_slot kind, const char *p,
    const char *end, const struct cont *c, size_t pos)
{
	struct btext_match	*o = m->out;
	struct str		 v, u;
	size_t			 at = pos, len, i = o->n;
	uint32_t		 cp, open = 0;
	bool			 quoted;

	if (i >= BTEXT_SLOTS)
		return false;
	if (kind == SLOT_TEXT || kind == SLOT_CMD) {
		v.p = m->text.p + pos;
		v.n = m->text.n - pos;
		v = str_trim(v);
		if (v.n == 0)
			return false;
		o->slot[i].kind = kind;
		o->slot[i].v = v;
		o->n = i + 1;
		if (match_at(m, p, end, c, m->text.n))
			return true;
		o->n = i;
		return false;
	}
	while (at < m->text.n) {
		cp = cp_at(m, at, &len);
		if (at == pos && (cp == '"' || cp == '\'' || cp == '`') &&
		    kind != SLOT_PART)
			open = cp;
		else if (open != 0 && cp == open)
			open = 0;
		else if (is_blank(cp) && open == 0 && kind != SLOT_PART)
			break;
		else if (cp == '\n' && kind != SLOT_PART)
			break;
		at += len;
		if (open != 0)
			continue;
		v.p = m->text.p + pos;
		v.n = at - pos;
		u = btext_unquote(v);
		quoted = u.n != v.n;
		if (!slot_accepts(kind, u, quoted))
			continue;
		o->slot[i].kind = kind;
		o->slot[i].v = u;
		o->n = i + 1;
		if (match_at(m, p, end, c, at))
			return true;
		o->n = i;
	}
	return false;
}

/* A blank of the pattern: skips what separates words, if anything does. */
static bool
match_blank(const struct matcher *m, size_t *pos)
{
	size_t		 at = *pos, len;
	uint32_t	 cp;
	bool		 moved = false, comma = false;

	while (at < m->text.n) {
		cp = cp_at(m, at, &len);
		if (cp == ',' && !comma)
			comma = true;
		else if (!is_blank(cp))
			break;
		at += len;
		moved = true;
	}
	if (!moved && at > 0 && at < m->text.n &&
	    !is_loose(cp_before(m, at)) && !is_loose(cp_at(m, at, &len)))
		return false;
	*pos = at;
	return true;
}

static bool
match_at(struct matcher *m, const char *p, const char *end,
    const struct cont *c, size_t pos)
{
	struct str	 lit;
	struct cont	 rest;
	const char	*close, *alt, *ae;
	size_t		 len;
	bool		 ok = false, optional;

	if (m->depth >= MATCH_DEPTH)
		return false;
	m->depth++;
	for (;;) {
		if (--m->steps < 0)
			break;
		if (p == end) {
			if (c == NULL) {
				ok = pos == m->text.n;
				break;
			}
			p = c->p;
			end = c->end;
			c = c->next;
			continue;
		}
		if (*p == ' ') {
			if (!match_blank(m, &pos))
				break;
			p++;
			continue;
		}
		if (*p == '(' || *p == '[') {
			optional = *p == '[';
			if ((close = group_end(p, end)) == NULL)
				break;
			rest.p = close + 1;
			rest.end = end;
			rest.next = c;
			for (alt = p + 1; !ok && alt <= close; alt = ae + 1) {
				ae = alt_end(alt, close);
				ok = match_at(m, alt, ae, &rest, pos);
			}
			if (ok || !optional)
				break;
			p = close + 1;
			continue;
		}
		if (*p == '{') {
			if ((close = memchr(p, '}', (size_t)(end - p))) == NULL)
				break;
			ok = match_slot(m, slot_kind(p + 1,
			    (size_t)(close - p - 1)), close + 1, end, c, pos);
			break;
		}
		if (pos >= m->text.n)
			break;
		lit.p = p;
		lit.n = (size_t)(end - p);
		if (btext_next(&lit) != cp_at(m, pos, &len))
			break;
		p = lit.p;
		pos += len;
	}
	m->depth--;
	return ok;
}

bool
btext_match(const char *pattern, struct str text, struct btext_match *out)
{
	struct matcher	 m;

	memset(out, 0, sizeof(*out));
	m.text = text;
	m.out = out;
	m.steps = MATCH_STEPS;
	m.depth = 0;
	return match_at(&m, pattern, pattern + strlen(pattern), NULL, 0);
}

bool
btext_takes_rest(const char *pattern)
{
	size_t	 n = strlen(pattern);

	return (n >= 6 && memcmp(pattern + n - 6, "{text}", 6) == 0) ||
	    (n >= 5 && memcmp(pattern + n - 5, "{cmd}", 5) == 0);
}
