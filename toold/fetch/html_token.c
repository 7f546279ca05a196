/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "toold/fetch/html_token.h"

#define NAME_MAX_BYTES	12	/* of a character reference */

static const struct {
	const char	*name;
	uint32_t	 cp;
} references[] = {
	{ "AElig", 0xc6 }, { "Aacute", 0xc1 }, { "Acirc", 0xc2 },
	{ "Agrave", 0xc0 }, { "Alpha", 0x391 }, { "Aring", 0xc5 },
	{ "Atilde", 0xc3 }, { "Auml", 0xc4 }, { "Beta", 0x392 },
	{ "Ccedil", 0xc7 }, { "Dagger", 0x2021 }, { "Delta", 0x394 },
	{ "ETH", 0xd0 }, { "Eacute", 0xc9 }, { "Ecirc", 0xca },
	{ "Egrave", 0xc8 }, { "Euml", 0xcb }, { "Gamma", 0x393 },
	{ "Iacute", 0xcd }, { "Icirc", 0xce }, { "Igrave", 0xcc },
	{ "Iuml", 0xcf }, { "Lambda", 0x39b }, { "NewLine", 0xa },
	{ "Ntilde", 0xd1 }, { "OElig", 0x152 }, { "Oacute", 0xd3 },
	{ "Ocirc", 0xd4 }, { "Ograve", 0xd2 }, { "Omega", 0x3a9 },
	{ "Oslash", 0xd8 }, { "Otilde", 0xd5 }, { "Ouml", 0xd6 },
	{ "Phi", 0x3a6 }, { "Pi", 0x3a0 }, { "Prime", 0x2033 },
	{ "Psi", 0x3a8 }, { "Scaron", 0x160 }, { "Sigma", 0x3a3 },
	{ "THORN", 0xde }, { "Tab", 0x9 }, { "Theta", 0x398 },
	{ "Uacute", 0xda }, { "Ucirc", 0xdb }, { "Ugrave", 0xd9 },
	{ "Uuml", 0xdc }, { "Yacute", 0xdd }, { "Yuml", 0x178 },
	{ "aacute", 0xe1 }, { "acirc", 0xe2 }, { "acute", 0xb4 },
	{ "aelig", 0xe6 }, { "agrave", 0xe0 }, { "alpha", 0x3b1 },
	{ "amp", 0x26 }, { "and", 0x2227 }, { "ang", 0x2220 },
	{ "apos", 0x27 }, { "aring", 0xe5 }, { "ast", 0x2a },
	{ "asymp", 0x2248 }, { "atilde", 0xe3 }, { "auml", 0xe4 },
	{ "bdquo", 0x201e }, { "beta", 0x3b2 }, { "brvbar", 0xa6 },
	{ "bsol", 0x5c }, { "bull", 0x2022 }, { "cap", 0x2229 },
	{ "ccedil", 0xe7 }, { "cedil", 0xb8 }, { "cent", 0xa2 },
	{ "check", 0x2713 }, { "chi", 0x3c7 }, { "circ", 0x2c6 },
	{ "clubs", 0x2663 }, { "colon", 0x3a }, { "comma", 0x2c },
	{ "commat", 0x40 }, { "cong", 0x2245 }, { "copy", 0xa9 },
	{ "cup", 0x222a }, { "curren", 0xa4 }, { "dagger", 0x2020 },
	{ "darr", 0x2193 }, { "dash", 0x2010 }, { "deg", 0xb0 },
	{ "delta", 0x3b4 }, { "diams", 0x2666 }, { "divide", 0xf7 },
	{ "dollar", 0x24 }, { "eacute", 0xe9 }, { "ecirc", 0xea },
	{ "egrave", 0xe8 }, { "empty", 0x2205 }, { "emsp", 0x2003 },
	{ "ensp", 0x2002 }, { "epsilon", 0x3b5 }, { "equals", 0x3d },
	{ "equiv", 0x2261 }, { "eta", 0x3b7 }, { "eth", 0xf0 },
	{ "euml", 0xeb }, { "euro", 0x20ac }, { "excl", 0x21 },
	{ "exist", 0x2203 }, { "fnof", 0x192 }, { "forall", 0x2200 },
	{ "frac12", 0xbd }, { "frac14", 0xbc }, { "frac34", 0xbe },
	{ "frasl", 0x2044 }, { "gamma", 0x3b3 }, { "ge", 0x2265 },
	{ "grave", 0x60 }, { "gt", 0x3e }, { "hArr", 0x21d4 },
	{ "harr", 0x2194 }, { "hearts", 0x2665 }, { "hellip", 0x2026 },
	{ "hyphen", 0x2010 }, { "iacute", 0xed }, { "icirc", 0xee },
	{ "iexcl", 0xa1 }, { "igrave", 0xec }, { "infin", 0x221e },
	{ "int", 0x222b }, { "iota", 0x3b9 }, { "iquest", 0xbf },
	{ "isin", 0x2208 }, { "iuml", 0xef }, { "kappa", 0x3ba },
	{ "lambda", 0x3bb }, { "laquo", 0xab }, { "larr", 0x2190 },
	{ "lbrace", 0x7b }, { "lbrack", 0x5b }, { "lcub", 0x7b },
	{ "ldquo", 0x201c }, { "le", 0x2264 }, { "lowbar", 0x5f },
	{ "loz", 0x25ca }, { "lpar", 0x28 }, { "lsaquo", 0x2039 },
	{ "lsqb", 0x5b }, { "lsquo", 0x2018 }, { "lt", 0x3c },
	{ "macr", 0xaf }, { "mdash", 0x2014 }, { "micro", 0xb5 },
	{ "middot", 0xb7 }, { "minus", 0x2212 }, { "mu", 0x3bc },
	{ "nabla", 0x2207 }, { "nbsp", 0xa0 }, { "ndash", 0x2013 },
	{ "ne", 0x2260 }, { "ni", 0x220b }, { "not", 0xac },
	{ "ntilde", 0xf1 }, { "nu", 0x3bd }, { "num", 0x23 },
	{ "oacute", 0xf3 }, { "ocirc", 0xf4 }, { "oelig", 0x153 },
	{ "ograve", 0xf2 }, { "oline", 0x203e }, { "omega", 0x3c9 },
	{ "omicron", 0x3bf }, { "oplus", 0x2295 }, { "or", 0x2228 },
	{ "ordf", 0xaa }, { "ordm", 0xba }, { "oslash", 0xf8 },
	{ "otilde", 0xf5 }, { "otimes", 0x2297 }, { "ouml", 0xf6 },
	{ "para", 0xb6 }, { "part", 0x2202 }, { "percnt", 0x25 },
	{ "period", 0x2e }, { "permil", 0x2030 }, { "perp", 0x22a5 },
	{ "phi", 0x3c6 }, { "phone", 0x260e }, { "pi", 0x3c0 },
	{ "plus", 0x2b }, { "plusmn", 0xb1 }, { "pound", 0xa3 },
	{ "prime", 0x2032 }, { "prod", 0x220f }, { "prop", 0x221d },
	{ "psi", 0x3c8 }, { "quest", 0x3f }, { "quot", 0x22 },
	{ "rArr", 0x21d2 }, { "radic", 0x221a }, { "raquo", 0xbb },
	{ "rarr", 0x2192 }, { "rbrace", 0x7d }, { "rbrack", 0x5d },
	{ "rcub", 0x7d }, { "rdquo", 0x201d }, { "reg", 0xae },
	{ "rho", 0x3c1 }, { "rpar", 0x29 }, { "rsaquo", 0x203a },
	{ "rsqb", 0x5d }, { "rsquo", 0x2019 }, { "sbquo", 0x201a },
	{ "scaron", 0x161 }, { "sdot", 0x22c5 }, { "sect", 0xa7 },
	{ "semi", 0x3b }, { "shy", 0xad }, { "sigma", 0x3c3 },
	{ "sigmaf", 0x3c2 }, { "sim", 0x223c }, { "sol", 0x2f },
	{ "spades", 0x2660 }, { "star", 0x2606 }, { "sub", 0x2282 },
	{ "sube", 0x2286 }, { "sum", 0x2211 }, { "sup", 0x2283 },
	{ "sup1", 0xb9 }, { "sup2", 0xb2 }, { "sup3", 0xb3 },
	{ "supe", 0x2287 }, { "szlig", 0xdf }, { "tau", 0x3c4 },
	{ "there4", 0x2234 }, { "theta", 0x3b8 }, { "thinsp", 0x2009 },
	{ "thorn", 0xfe }, { "tilde", 0x2dc }, { "times", 0xd7 },
	{ "trade", 0x2122 }, { "uacute", 0xfa }, { "uarr", 0x2191 },
	{ "ucirc", 0xfb }, { "ugrave", 0xf9 }, { "uml", 0xa8 },
	{ "upsilon", 0x3c5 }, { "uuml", 0xfc }, { "verbar", 0x7c },
	{ "vert", 0x7c }, { "xi", 0x3be }, { "yacute", 0xfd },
	{ "yen", 0xa5 }, { "yuml", 0xff }, { "zeta", 0x3b6 },
	{ "zwj", 0x200d }, { "zwnj", 0x200c },
};

/* What 0x80 to 0x9f mean where somebody wrote them as numbers. */
static const uint16_t windows[32] = {
	0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
	0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178,
};

static bool
html_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

void
html_lexer_init(struct html_lexer *l, struct str all)
{
	memset(l, 0, sizeof(*l));
	l->all = all;
}

/* Where c is from i on, or the end. */
static size_t
html_find(const struct html_lexer *l, size_t i, char c)
{
	const char	*p;

	if (i >= l->all.n)
		return l->all.n;
	p = memchr(l->all.p + i, c, l->all.n - i);
	return p == NULL ? l->all.n : (size_t)(p - l->all.p);
}

static size_t
html_comment_end(const struct html_lexer *l, size_t i)
{
	const char	*p;

	/* "<!-->" and "<!--->" are whole. */
	if (l->all.n - i >= 5 && l->all.p[i + 4] == '>')
		return i + 5;
	if (l->all.n - i >= 6 && memcmp(l->all.p + i + 4, "->", 2) == 0)
		return i + 6;
	p = l->all.n - i < 7 ? NULL : memmem(l->all.p + i + 4,
	    l->all.n - i - 4, "-->", 3);
	return p == NULL ? l->all.n : (size_t)(p - l->all.p) + 3;
}

/* Is "</name" at i, and nothing more to the name? */
static bool
html_is_end(const struct html_lexer *l, size_t i, struct str name)
{
	size_t	e = i + 2 + name.n;

	return e <= l->all.n && l->all.p[i + 1] == '/' &&
	    ascii_ncasecmp(l->all.p + i + 2, name.p, name.n) == 0 &&
	    (e == l->all.n || html_space(l->all.p[e]) ||
	    l->all.p[e] == '>' || l->all.p[e] == '/');
}

/* The text of an element whose content is not markup. */
static bool
html_until(struct html_lexer *l, struct html_token *t)
{
	size_t	start = l->i, e = l->i;

	for (e = html_find(l, e, '<'); e < l->all.n &&
	    !html_is_end(l, e, l->until); e = html_find(l, e + 1, '<'))
		;
	t->raw = l->raw;
	l->until = (struct str){ NULL, 0 };
	l->i = e;
	t->kind = HTML_TEXT;
	t->text = (struct str){ l->all.p + start, e - start };
	return e > start;
}

/* Behind a start tag: what follows may be no markup. */
static void
html_special(struct html_lexer *l, struct str name)
{
	static const struct {
		const char	*name;
		bool		 raw;
	} special[] = {
		{ "script", true }, { "style", true }, { "xmp", true },
		{ "iframe", true }, { "noembed", true },
		{ "noframes", true }, { "title", false },
		{ "textarea", false },
	};
	size_t	i;

	for (i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (str_ieqs(name, special[i].name)) {
			l->until = name;
			l->raw = special[i].raw;
		}
}

/* From '<' with a letter or "</" with a letter; false when it never ends. */
static bool
html_tag(struct html_lexer *l, struct html_token *t)
{
	const char	*p = l->all.p;
	size_t		 n = l->all.n, i = l->i + 1, start;
	bool		 value = false;
	char		 quote;

	t->kind = HTML_START;
	if (p[i] == '/') {
		t->kind = HTML_END;
		i++;
	}
	for (start = i; i < n && !html_space(p[i]) && p[i] != '/' &&
	    p[i] != '>'; i++)
		;
	t->name = (struct str){ p + start, i - start };
	/* Quotes count where a value begins, and nowhere else. */
	for (start = i; i < n && p[i] != '>'; i++) {
		if (value && (p[i] == '"' || p[i] == '\'')) {
			quote = p[i];
			i = html_find(l, i + 1, quote);
			value = false;
			if (i == n)
				break;
		} else if (p[i] == '=')
			value = true;
		else if (!html_space(p[i]))
			value = false;
	}
	if (i >= n) {
		l->i = n;
		return false;
	}
	t->attrs = (struct str){ p + start, i - start };
	l->i = i + 1;
	if (t->kind == HTML_START)
		html_special(l, t->name);
	return true;
}

bool
html_next(struct html_lexer *l, struct html_token *t)
{
	const char	*p = l->all.p;
	size_t		 n = l->all.n, start, e;

	memset(t, 0, sizeof(*t));
	if (l->until.p != NULL && html_until(l, t))
		return true;
	while (l->i < n) {
		start = l->i;
		if (p[start] != '<') {
			e = html_find(l, start, '<');
		} else if (n - start > 1 &&
		    (ascii_isalpha((unsigned char)p[start + 1]) ||
		    (n - start > 2 && p[start + 1] == '/' &&
		    ascii_isalpha((unsigned char)p[start + 2])))) {
			return html_tag(l, t);
		} else if (n - start >= 4 && memcmp(p + start, "<!--", 4) ==
		    0) {
			l->i = html_comment_end(l, start);
			continue;
		} else if (n - start > 1 && strchr("!?/", p[start + 1]) !=
		    NULL && p[start + 1] != '\0') {
			e = html_find(l, start, '>');
			l->i = e < n ? e + 1 : n;
			continue;
		} else
			e = html_find(l, start + 1, '<');
		l->i = e;
		t->kind = HTML_TEXT;
		t->text = (struct str){ p + start, e - start };
		return true;
	}
	return false;
}

bool
html_attr_next(struct str *a, struct str *name, struct str *value)
{
	const char	*p = a->p;
	size_t		 n = a->n, i = 0, start;
	char		 quote;

	while (i < n && (html_space(p[i]) || p[i] == '/'))
		i++;
	if (i == n)
		return false;
	start = i++;	/* a '=' here belongs to the name */
	while (i < n && !html_space(p[i]) && p[i] != '=' && p[i] != '/')
		i++;
	*name = (struct str){ p + start, i - start };
	*value = (struct str){ "", 0 };
	while (i < n && html_space(p[i]))
		i++;
	if (i < n && p[i] == '=') {
		for (i++; i < n && html_space(p[i]); i++)
			;
		start = i;
		if (i < n && (p[i] == '"' || p[i] == '\'')) {
			quote = p[i];
			for (start = ++i; i < n && p[i] != quote; i++)
				;
			*value = (struct str){ p + start, i - start };
			i += i < n;
		} else {
			while (i < n && !html_space(p[i]))
				i++;
			*value = (struct str){ p + start, i - start };
		}
	}
	*a = (struct str){ p + i, n - i };
	return true;
}

/* --- character references -------------------------------------------------- */

static size_t
html_number(struct str s, uint32_t *cp)
{
	size_t		i = 2, start;
	unsigned int	base = 10;
	uint32_t	v = 0;
	int		c, d;

	if (i < s.n && (s.p[i] == 'x' || s.p[i] == 'X')) {
		base = 16;
		i++;
	}
	for (start = i; i < s.n; i++) {
		c = ascii_tolower((unsigned char)s.p[i]);
		d = ascii_isdigit(c) ? c - '0' : base == 16 && c >= 'a' &&
		    c <= 'f' ? c - 'a' + 10 : -1;
		if (d == -1)
			break;
		if (v <= 0x10ffff)
			v = v * base + (unsigned int)d;
	}
	if (i == start)
		return 0;
	if (i < s.n && s.p[i] == ';')
		i++;
	if (v >= 0x80 && v <= 0x9f)
		v = windows[v - 0x80];
	*cp = v == 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff) ?
	    0xfffd : v;
	return i;
}

static size_t
html_name(struct str s, uint32_t *cp)
{
	static const char *const	bare[] = { "amp", "lt", "gt", "quot",
	    "nbsp", "copy", "reg" };
	size_t				n, lo, hi, mid, i;
	char				name[NAME_MAX_BYTES + 1];
	int				r;

	for (n = 0; n < NAME_MAX_BYTES && n + 1 < s.n &&
	    ascii_isalnum((unsigned char)s.p[n + 1]); n++)
		name[n] = s.p[n + 1];
	name[n] = '\0';
	if (n > 0 && n + 1 < s.n && s.p[n + 1] == ';') {
		lo = 0;
		hi = sizeof(references) / sizeof(references[0]);
		while (lo < hi) {
			mid = lo + (hi - lo) / 2;
			r = strcmp(name, references[mid].name);
			if (r == 0) {
				*cp = references[mid].cp;
				return n + 2;
			}
			if (r < 0)
				hi = mid;
			else
				lo = mid + 1;
		}
		return 0;
	}
	/* Old pages leave the semicolon out. */
	for (i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
		if (strcmp(name, bare[i]) == 0) {
			static const uint32_t	is[] = { '&', '<', '>', '"',
			    0xa0, 0xa9, 0xae };

			*cp = is[i];
			return n + 1;
		}
	return 0;
}

size_t
html_char(struct str s, bool raw, char out[4], size_t *outn)
{
	uint32_t	cp;
	size_t		n = 0;

	if (s.p[0] == '&' && !raw && s.n > 2) {
		n = s.p[1] == '#' ? html_number(s, &cp) : html_name(s, &cp);
		if (n > 0) {
			*outn = utf8_encode(cp, out);
			return n;
		}
	}
	if ((n = utf8_decode(s.p, s.n, &cp)) == 0) {
		*outn = utf8_encode(0xfffd, out);
		return 1;
	}
	memcpy(out, s.p, n);
	*outn = n;
	return n;
}
