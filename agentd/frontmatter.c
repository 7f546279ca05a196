/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * See frontmatter.h.  One pass over the lines; what is in brackets or quotes
 * is read byte by byte and may go on over lines.  Nothing is looked at twice
 * but for what stands in brackets, which is given to the parser of JSON5 first,
 * because that is what OpenClaw understands it as.
 */
#include "common/compat.h"

#include "agentd/frontmatter.h"

struct front {
	struct json5_pool	*pool;
	char			*lines;		/* a copy, ends mended */
	const char		*p, *end;	/* what is left of them */
	const char		*why;
	unsigned int		 nodes;
	struct dbuf		 text;		/* of the scalar being read */
};

/* One line without its end; indent counts blanks and tabs. */
struct line {
	const char	*p;
	size_t		 n, indent;
};

static struct json5 *read_block(struct front *, size_t, unsigned int);
static struct json5 *read_flow(struct front *, unsigned int);

static struct json5 *
fail(struct front *f, const char *why)
{
	if (f->why == NULL)
		f->why = why;
	return NULL;
}

static struct json5 *
node(struct front *f, enum json5_type type)
{
	struct json5	*v;

	if (++f->nodes > FRONT_NODES_MAX)
		return fail(f, "it has too many values");
	if ((v = json5_new(f->pool, type, NULL)) == NULL)
		return fail(f, "it needs too much memory");
	return v;
}

static struct json5 *
text_node(struct front *f, struct str s)
{
	struct json5	*v;

	if (++f->nodes > FRONT_NODES_MAX)
		return fail(f, "it has too many values");
	if ((v = json5_new_str(f->pool, s, NULL)) == NULL)
		return fail(f, "it needs too much memory");
	return v;
}

/* A text without quotes. */
static struct json5 *
plain_node(struct front *f, struct str s)
{
	struct json5	*v;

	s = str_trim(s);
	if (s.n == 0 || str_eqs(s, "~") || str_eqs(s, "null") ||
	    str_eqs(s, "Null") || str_eqs(s, "NULL"))
		return node(f, JSON5_NULL);
	if (!str_ieqs(s, "true") && !str_ieqs(s, "false"))
		return text_node(f, s);
	if ((v = node(f, JSON5_BOOL)) != NULL)
		v->b = str_ieqs(s, "true");
	return v;
}

/* --- lines ------------------------------------------------------------------ */

/* The line at f->p; false at the end. */
static bool
peek(const struct front *f, struct line *l)
{
	const char	*nl;

	if (f->p >= f->end)
		return false;
	nl = memchr(f->p, '\n', (size_t)(f->end - f->p));
	l->p = f->p;
	l->n = (size_t)((nl != NULL ? nl : f->end) - f->p);
	for (l->indent = 0; l->indent < l->n && (l->p[l->indent] == ' ' ||
	    l->p[l->indent] == '\t'); l->indent++)
		;
	l->p += l->indent;
	l->n -= l->indent;
	return true;
}

static void
skip_line(struct front *f)
{
	const char	*nl = memchr(f->p, '\n', (size_t)(f->end - f->p));

	f->p = nl != NULL ? nl + 1 : f->end;
}

/* The next line that says something. */
static bool
peek_word(struct front *f, struct line *l)
{
	for (; peek(f, l); skip_line(f))
		if (l->n > 0 && l->p[0] != '#')
			return true;
	return false;
}

static bool
is_item(const struct line *l)
{
	return l->n > 0 && l->p[0] == '-' && (l->n == 1 || l->p[1] == ' ' ||
	    l->p[1] == '\t');
}

/* Without the comment behind it. */
static struct str
uncomment(struct str s)
{
	size_t	 i;

	for (i = 0; i < s.n; i++)
		if (s.p[i] == '#' && (i == 0 || s.p[i - 1] == ' ' ||
		    s.p[i - 1] == '\t'))
			break;
	s.n = i;
	return str_trim(s);
}

/* Where the colon behind the key of this line is; 0: it has none. */
static size_t
key_end(const struct line *l)
{
	size_t	 i = 0;
	char	 q;

	if (l->n > 0 && (l->p[0] == '"' || l->p[0] == '\'')) {
		q = l->p[0];
		for (i = 1; i < l->n && l->p[i] != q; i++)
			if (l->p[i] == '\\' && q == '"')
				i++;
		i++;
	}
	for (; i < l->n; i++)
		if (l->p[i] == ':' && (i + 1 == l->n || l->p[i + 1] == ' ' ||
		    l->p[i + 1] == '\t'))
			return i;
	return 0;
}

/* --- texts ------------------------------------------------------------------ */

static int
hex(struct front *f, const char **p, int digits, uint32_t *out)
{
	uint32_t	 v = 0;
	int		 c;

	for (; digits > 0; digits--, (*p)++) {
		if (*p >= f->end || !ascii_isxdigit((unsigned char)**p))
			return -1;
		c = ascii_tolower((unsigned char)**p);
		v = v * 16 + (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = v;
	return 0;
}

/* What stands behind a backslash, p just behind it. */
static const char *
escape(struct front *f, const char *p)
{
	static const char	 from[] = "nrtbfave0 /\\\"", *at;
	static const char	 to[] = "\n\r\t\b\f\a\v\033\0 /\\\"";
	char			 out[4];
	uint32_t		 cp = 0, low;
	const char		*q;
	int			 c = (unsigned char)*p++;

	if (c == '\n') {
		while (p < f->end && (*p == ' ' || *p == '\t'))
			p++;
		return p;
	}
	if (c != 'x' && c != 'u' && c != 'U') {
		if (c == '\0' || (at = strchr(from, c)) == NULL)
			return NULL;
		cp = (unsigned char)to[at - from];
	} else if (hex(f, &p, c == 'x' ? 2 : c == 'u' ? 4 : 8, &cp) == -1)
		return NULL;
	if (cp >= 0xd800 && cp < 0xdc00 && f->end - p >= 6 && p[0] == '\\' &&
	    p[1] == 'u') {
		q = p + 2;
		if (hex(f, &q, 4, &low) == 0 && low >= 0xdc00 &&
		    low < 0xe000) {
			cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
			p = q;
		}
	}
	if (cp == 0)
		return NULL;	/* no text of ours holds one */
	if (utf8_encode(cp, out) == 0)
		dbuf_puts(&f->text, "\xef\xbf\xbd");
	else
		dbuf_put(&f->text, out, utf8_encode(cp, out));
	return p;
}

/* Line ends inside a text: one is a blank, more are one less. */
static const char *
fold(struct front *f, const char *p)
{
	size_t	 lines = 0;

	while (f->text.n > 0 && (f->text.p[f->text.n - 1] == ' ' ||
	    f->text.p[f->text.n - 1] == '\t'))
		f->text.p[--f->text.n] = '\0';
	for (; p < f->end && (*p == '\n' || *p == ' ' || *p == '\t'); p++)
		lines += *p == '\n';
	if (lines == 1)
		dbuf_putc(&f->text, ' ');
	for (; lines > 1; lines--)
		dbuf_putc(&f->text, '\n');
	return p;
}

/* A quoted text at f->p, which is left behind it. */
static struct json5 *
read_quoted(struct front *f)
{
	char		 q = *f->p;
	const char	*p = f->p + 1;

	dbuf_reset(&f->text);
	for (;;) {
		if (p >= f->end)
			return fail(f, "a quoted text has no end");
		if (*p == q && q == '\'' && p + 1 < f->end && p[1] == q) {
			dbuf_putc(&f->text, q);
			p += 2;
		} else if (*p == q)
			break;
		else if (*p == '\\' && q == '"') {
			if (p + 1 >= f->end || (p = escape(f, p + 1)) == NULL)
				return fail(f, "an escape in a quoted text "
				    "means nothing");
		} else if (*p == '\n')
			p = fold(f, p);
		else
			dbuf_putc(&f->text, *p++);
	}
	f->p = p + 1;
	if (dbuf_err(&f->text))
		return fail(f, "it needs too much memory");
	return text_node(f, (struct str){ dbuf_str(&f->text), f->text.n });
}

/* "|" and ">": the deeper lines as they are, or as paragraphs. */
static struct json5 *
read_literal(struct front *f, struct str head, size_t indent)
{
	struct line	 l;
	size_t		 depth = 0, i;
	bool		 folded = head.p[0] == '>', keep = false, strip = false;
	bool		 deep, was_deep = true;

	for (i = 1; i < head.n; i++) {
		if (head.p[i] == '+')
			keep = true;
		else if (head.p[i] == '-')
			strip = true;
		else if (head.p[i] >= '1' && head.p[i] <= '9' && depth == 0)
			depth = indent + (size_t)(head.p[i] - '0');
		else
			return fail(f, "what stands behind | or > is not "
			    "understood");
	}
	dbuf_reset(&f->text);
	for (; peek(f, &l); skip_line(f)) {
		if (l.n == 0) {
			dbuf_putc(&f->text, '\n');
			was_deep = true;
			continue;
		}
		if (l.indent <= indent)
			break;
		if (depth == 0)
			depth = l.indent;
		if (l.indent < depth)
			break;
		deep = l.indent > depth;
		/* The end of the line before this one becomes a blank. */
		if (folded && !deep && !was_deep && f->text.n > 0 &&
		    f->text.p[f->text.n - 1] == '\n')
			f->text.p[f->text.n - 1] = ' ';
		else if (folded && !deep && f->text.n > 1 && f->text.p[
		    f->text.n - 1] == '\n' && f->text.p[f->text.n - 2] == '\n')
			f->text.p[--f->text.n] = '\0';
		was_deep = deep;
		dbuf_put(&f->text, l.p - (l.indent - depth), l.n + (l.indent -
		    depth));
		dbuf_putc(&f->text, '\n');
	}
	while (!keep && f->text.n > 0 && f->text.p[f->text.n - 1] == '\n' &&
	    (strip || f->text.n == 1 || f->text.p[f->text.n - 2] == '\n'))
		f->text.p[--f->text.n] = '\0';
	if (dbuf_err(&f->text))
		return fail(f, "it needs too much memory");
	return text_node(f, (struct str){ dbuf_str(&f->text), f->text.n });
}

/* A text without quotes that begins in this line and may go on deeper. */
static struct json5 *
read_plain(struct front *f, struct str first, size_t indent)
{
	struct line	 l;
	size_t		 blank = 0;

	dbuf_reset(&f->text);
	first = uncomment(first);
	dbuf_put(&f->text, first.p, first.n);
	for (; peek(f, &l); skip_line(f)) {
		if (l.n == 0) {
			blank++;
			continue;
		}
		if (l.indent <= indent || l.p[0] == '#')
			break;
		first = uncomment((struct str){ l.p, l.n });
		if (blank == 0)
			dbuf_putc(&f->text, ' ');
		for (; blank > 0; blank--)
			dbuf_putc(&f->text, '\n');
		dbuf_put(&f->text, first.p, first.n);
	}
	if (dbuf_err(&f->text))
		return fail(f, "it needs too much memory");
	return plain_node(f, (struct str){ dbuf_str(&f->text), f->text.n });
}

/* --- brackets --------------------------------------------------------------- */

/* Blanks, line ends, and comments of YAML and of JSON5. */
static void
skip_blank(struct front *f)
{
	const char	*p = f->p;

	for (;;) {
		while (p < f->end && (*p == ' ' || *p == '\t' || *p == '\n'))
			p++;
		if (f->end - p >= 2 && p[0] == '/' && p[1] == '*') {
			for (p += 2; f->end - p >= 2 && (p[0] != '*' ||
			    p[1] != '/'); p++)
				;
			p = f->end - p >= 2 ? p + 2 : f->end;
		} else if (p < f->end && (*p == '#' || (*p == '/' &&
		    f->end - p >= 2 && p[1] == '/'))) {
			while (p < f->end && *p != '\n')
				p++;
		} else
			break;
	}
	f->p = p;
}

/* A text without quotes inside brackets; key: it ends at a colon. */
static struct str
flow_word(struct front *f, bool key)
{
	const char	*p = f->p;

	for (; p < f->end; p++) {
		if (strchr(",[]{}", *p) != NULL || *p == '\n')
			break;
		if (*p == ':' && (key || p + 1 == f->end || strchr(" \t\n,]}",
		    p[1]) != NULL))
			break;
		if (*p == '#' && p > f->p && (p[-1] == ' ' || p[-1] == '\t'))
			break;
	}
	return str_trim((struct str){ f->p, (size_t)(p - f->p) });
}

static int
flow_member(struct front *f, struct json5 *o, unsigned int depth)
{
	struct json5	*v;
	struct str	 key;

	if (*f->p == '"' || *f->p == '\'') {
		if ((v = read_quoted(f)) == NULL)
			return -1;
		key = v->s;
	} else {
		key = flow_word(f, true);
		f->p += key.n;
	}
	skip_blank(f);
	if (key.n == 0 || key.n > JSON5_KEY_MAX || f->p >= f->end ||
	    *f->p != ':') {
		fail(f, "a value in braces has no key");
		return -1;
	}
	f->p++;
	skip_blank(f);
	if (f->p < f->end && (*f->p == ',' || *f->p == '}'))
		v = node(f, JSON5_NULL);
	else
		v = read_flow(f, depth + 1);
	if (v == NULL)
		return -1;
	if (o->count >= 256 || json5_sets(f->pool, o, key, v) == -1) {
		fail(f, "it has too many values");
		return -1;
	}
	return 0;
}

/* What stands at f->p, in brackets or between them; f->p is left behind it. */
static struct json5 *
read_flow(struct front *f, unsigned int depth)
{
	struct json5	*o, *v;
	struct str	 s;
	char		 close;

	if (depth > FRONT_DEPTH_MAX)
		return fail(f, "it is nested too deeply");
	skip_blank(f);
	if (f->p >= f->end)
		return fail(f, "a bracket has no end");
	if (*f->p == '"' || *f->p == '\'')
		return read_quoted(f);
	if (*f->p != '{' && *f->p != '[') {
		s = flow_word(f, false);
		if (s.n == 0)
			return fail(f, "a value is missing");
		f->p += s.n;
		return plain_node(f, s);
	}
	close = *f->p == '{' ? '}' : ']';
	if ((o = node(f, close == '}' ? JSON5_OBJECT : JSON5_ARRAY)) == NULL)
		return NULL;
	for (f->p++;;) {
		skip_blank(f);
		if (f->p >= f->end)
			return fail(f, "a bracket has no end");
		if (*f->p == close) {
			f->p++;
			return o;
		}
		if (close == '}') {
			if (flow_member(f, o, depth) == -1)
				return NULL;
		} else if ((v = read_flow(f, depth + 1)) == NULL)
			return NULL;
		else
			json5_push(o, v);
		skip_blank(f);
		if (f->p < f->end && *f->p == ',')
			f->p++;
		else if (f->p < f->end && *f->p != close)
			return fail(f, "a comma is missing between brackets");
	}
}

/* Nothing but a comment may follow in the line. */
static int
end_line(struct front *f)
{
	struct line	 l;

	if (!peek(f, &l))
		return 0;
	if (l.n > 0 && l.p[0] != '#') {
		fail(f, "something stands behind a quote or bracket");
		return -1;
	}
	skip_line(f);
	return 0;
}

static struct json5 *
read_brackets(struct front *f, unsigned int depth)
{
	struct json5_error	 err;
	struct json5		*v, *w;
	const char		*from = f->p;

	if ((v = read_flow(f, depth)) == NULL)
		return NULL;
	w = json5_parse(f->pool, 0, from, (size_t)(f->p - from), &err);
	return end_line(f) == -1 ? NULL : w != NULL ? w : v;
}

/* --- blocks ----------------------------------------------------------------- */

/* The value that begins at s, in the line at f->p, of a key or item that
 * stands at indent. */
static struct json5 *
read_value(struct front *f, struct str s, size_t indent, bool item,
    unsigned int depth)
{
	struct json5	*v;
	struct line	 l;

	if (s.n == 0 || s.p[0] == '#') {
		skip_line(f);
		if (!peek_word(f, &l) || l.indent < indent ||
		    (l.indent == indent && (item || !is_item(&l))))
			return node(f, JSON5_NULL);
		return read_block(f, l.indent, depth + 1);
	}
	switch (s.p[0]) {
	case '{':
	case '[':
		f->p = s.p;
		return read_brackets(f, depth + 1);
	case '"':
	case '\'':
		f->p = s.p;
		v = read_quoted(f);
		return v == NULL || end_line(f) == -1 ? NULL : v;
	case '|':
	case '>':
		skip_line(f);
		return read_literal(f, uncomment(s), indent);
	case '&':
	case '*':
	case '!':
		return fail(f, "anchors, aliases and tags are not understood");
	default:
		skip_line(f);
		return read_plain(f, s, indent);
	}
}

static struct str
rest_of(const struct line *l, size_t from)
{
	return str_trim((struct str){ l->p + from, l->n - from });
}

static struct json5 *
read_map(struct front *f, size_t indent, unsigned int depth)
{
	struct json5	*o, *v;
	struct line	 l;
	struct str	 key;
	size_t		 colon;

	if ((o = node(f, JSON5_OBJECT)) == NULL)
		return NULL;
	while (peek_word(f, &l) && l.indent >= indent) {
		if (l.indent > indent)
			return fail(f, "a line is indented without need");
		if (is_item(&l) || (colon = key_end(&l)) == 0)
			return fail(f, "a line is not \"key: value\"");
		key = str_trim((struct str){ l.p, colon });
		if (key.n >= 2 && (key.p[0] == '"' || key.p[0] == '\'') &&
		    key.p[key.n - 1] == key.p[0])
			key = (struct str){ key.p + 1, key.n - 2 };
		if (key.n == 0 || key.n > JSON5_KEY_MAX || o->count >= 256)
			return fail(f, "it has a key too long, or too many");
		v = read_value(f, rest_of(&l, colon + 1), indent, false,
		    depth);
		if (v == NULL)
			return NULL;
		if (json5_sets(f->pool, o, key, v) == -1)
			return fail(f, "it needs too much memory");
	}
	return o;
}

static struct json5 *
read_list(struct front *f, size_t indent, unsigned int depth)
{
	struct json5	*o, *v;
	struct line	 l, in;
	struct str	 s;

	if ((o = node(f, JSON5_ARRAY)) == NULL)
		return NULL;
	while (peek_word(f, &l) && l.indent == indent && is_item(&l)) {
		s = rest_of(&l, 1);
		in = (struct line){ s.p, s.n, l.indent + (size_t)(s.p -
		    l.p) };
		if (s.n > 0 && strchr("{[|>#", s.p[0]) == NULL &&
		    (key_end(&in) > 0 || is_item(&in))) {
			/* A map or list begins behind the dash: as if it
			 * stood alone.  The lines are our own copy. */
			f->lines[l.p - f->lines] = ' ';
			v = read_block(f, in.indent, depth + 1);
		} else
			v = read_value(f, s, indent, true, depth);
		if (v == NULL)
			return NULL;
		json5_push(o, v);
	}
	return o;
}

/* What stands at this indent: a map, a list, or one text. */
static struct json5 *
read_block(struct front *f, size_t indent, unsigned int depth)
{
	struct line	 l;

	if (depth > FRONT_DEPTH_MAX)
		return fail(f, "it is nested too deeply");
	if (!peek_word(f, &l))
		return node(f, JSON5_NULL);
	if (is_item(&l))
		return read_list(f, indent, depth);
	if (strchr("{[", l.p[0]) == NULL && key_end(&l) > 0)
		return read_map(f, indent, depth);
	return read_value(f, (struct str){ l.p, l.n }, indent == 0 ? 0 :
	    indent - 1, false, depth);
}

/* --- the whole -------------------------------------------------------------- */

/* The lines between the two of "---": 0, or -1. */
static int
find_head(struct front *f, const char *text, size_t n)
{
	const char	*p, *end = text + n;

	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	if (end - text < 4 || memcmp(text, "---", 3) != 0 ||
	    (p = memchr(text, '\n', (size_t)(end - text))) == NULL ||
	    str_trim((struct str){ text + 3, (size_t)(p - text) - 3 }).n > 0)
		return -1;
	f->p = ++p;
	f->why = "no line of \"---\" ends it, or it is too long";
	for (; end - p >= 3; p++) {
		if (memcmp(p, "---", 3) == 0) {
			f->end = p;
			f->why = NULL;
			return 0;
		}
		if ((p = memchr(p, '\n', (size_t)(end - p))) == NULL)
			break;
	}
	return -1;
}

struct json5 *
front_parse(struct json5_pool *pool, const char *text, size_t n,
    const char **why)
{
	struct front	 f = { .pool = pool };
	struct json5	*o = NULL;
	struct dbuf	 lines;
	struct line	 l;
	size_t		 i;

	*why = "";
	dbuf_init(&lines, n + 1);
	dbuf_init(&f.text, n + 16);
	/* "\r\n" and "\r" end a line as well. */
	for (i = 0; i < n; i++)
		if (text[i] != '\r')
			dbuf_putc(&lines, text[i]);
		else if (i + 1 == n || text[i + 1] != '\n')
			dbuf_putc(&lines, '\n');
	f.lines = lines.p;
	if (lines.n > 0 && find_head(&f, lines.p, lines.n) == 0) {
		n = (size_t)(f.end - f.p);
		if (memchr(f.p, '\0', n) != NULL || !utf8_valid(f.p, n))
			fail(&f, "it is no UTF-8 text");
		else if ((o = read_map(&f, peek_word(&f, &l) ? l.indent : 0,
		    0)) != NULL && f.p < f.end)
			o = fail(&f, "a line is not \"key: value\"");
	}
	if (o == NULL && f.why != NULL)
		*why = f.why;
	dbuf_clear(&lines);
	dbuf_clear(&f.text);
	return o;
}

const char *
front_text(const struct json5 *o, const char *key, const char *dflt)
{
	const struct json5	*v = json5_get(o, key);

	if (v != NULL && v->type == JSON5_BOOL)
		return v->b ? "true" : "false";
	return v != NULL && v->type == JSON5_STRING ? v->s.p : dflt;
}

bool
front_bool(const struct json5 *o, const char *key, bool dflt)
{
	static const char *const	 words[] = { "true", "1", "yes", "on",
	    "false", "0", "no", "off" };
	struct str			 s;
	size_t				 i;

	s = str_trim(str_of(front_text(o, key, "")));
	for (i = 0; i < 8; i++)
		if (str_ieqs(s, words[i]))
			return i < 4;
	return dflt;
}
