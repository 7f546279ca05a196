/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See redact.h.  Pure; one pass, with bounded looks ahead and behind. */
#include "common/compat.h"

#include "common/redact.h"
#include "common/text.h"

#define NAME_MAX_LEN	64
#define PEM_MAX		16384	/* bytes of a private key block */
#define MODEL_MIN	4	/* shorter values tell nothing */
#define HOLD		4096

/* What is to be masked: [from, to); whole: not even its ends stay. */
struct span {
	size_t	 from, to;
	bool	 whole;
};

/* --- characters --------------------------------------------------------------- */

static bool
is_name(int c)
{
	return ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
}

/* What keys and tokens are made of. */
static bool
is_token(int c)
{
	return ascii_isalnum(c) || c == '_' || c == '-' || c == '.' ||
	    c == '+' || c == '/' || c == '=' || c == '~';
}

static bool
has(struct str s, size_t at, const char *word)
{
	size_t	 n = strlen(word);

	return n <= s.n - at && ascii_ncasecmp(s.p + at, word, n) == 0;
}

static bool
boundary(struct str s, size_t at)
{
	return at == 0 || (!ascii_isalnum((unsigned char)s.p[at - 1]) &&
	    s.p[at - 1] != '_');
}

static size_t
run(struct str s, size_t at, bool (*is)(int))
{
	size_t	 n = 0;

	while (at + n < s.n && is((unsigned char)s.p[at + n]))
		n++;
	return n;
}

static bool
found(struct span *v, size_t from, size_t n, bool whole)
{
	v->from = from;
	v->to = from + n;
	v->whole = whole;
	return true;
}

/* A log keeps the ends of long ones, to tell them apart; a model gets
 * nothing of any. */
static void
put_mask(struct dbuf *b, struct str s, enum redact_mode mode, bool whole)
{
	size_t	 tail;

	if (mode == REDACT_MODEL) {
		dbuf_puts(b, REDACT_MASK);
		return;
	}
	if (whole || s.n < 18) {
		dbuf_puts(b, "***");
		return;
	}
	tail = s.n - 4;
	while (tail < s.n && ((unsigned char)s.p[tail] & 0xc0) == 0x80)
		tail++;
	dbuf_put(b, s.p, utf8_cut(s.p, s.n, 6));
	dbuf_puts(b, "\xe2\x80\xa6");
	dbuf_put(b, s.p + tail, s.n - tail);
}

/* --- shapes: each says whether one begins at `at`, and what to mask of it ------ */

static bool
pem(struct str s, size_t at, enum redact_mode mode, struct span *v)
{
	const char	*p = s.p + at, *head, *end;
	size_t		 n = s.n - at;

	if (*p != '-' || !has(s, at, "-----BEGIN "))
		return false;
	head = memmem(p, n < 64 ? n : 64, "PRIVATE KEY-----", 16);
	if (head == NULL)
		return false;
	head += 16;
	if (n > PEM_MAX)
		n = PEM_MAX;
	/* Without an end the key was cut: nothing of it may stay. */
	end = memmem(head, n - (size_t)(head - p), "-----END ", 9);
	if (mode == REDACT_LOG) {
		if (end == NULL)
			end = p + n;
		return found(v, (size_t)(head - s.p), (size_t)(end - head),
		    true);
	}
	if (end != NULL) {
		n = (size_t)(end - p);
		while (n < s.n - at && p[n] != '\n')
			n++;
	}
	return found(v, at, n, true);
}

static bool
prefixed(struct str s, size_t at, struct span *v)
{
	static const struct {
		const char	*prefix;
		size_t		 min;	/* behind it */
	} known[] = {
		{ "sk-", 8 }, { "ghp_", 20 }, { "gho_", 20 }, { "ghs_", 20 },
		{ "ghu_", 20 }, { "ghr_", 20 }, { "github_pat_", 20 },
		{ "xoxb-", 8 }, { "xoxa-", 8 }, { "xoxp-", 8 },
		{ "xoxr-", 8 }, { "xoxs-", 8 }, { "xapp-", 8 },
		{ "gsk_", 8 }, { "AIza", 20 }, { "pplx-", 8 },
		{ "npm_", 10 }, { "xai-", 20 }, { "glpat-", 16 },
		{ "eyJ", 40 }, { "AKIA", 16 }, { "ASIA", 16 }, { "hf_", 20 },
	};
	size_t	 i, n;

	/* task-sk-... is a word like others */
	if (!boundary(s, at) || (at > 0 && s.p[at - 1] == '-'))
		return false;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		n = strlen(known[i].prefix);
		if (n > s.n - at || memcmp(s.p + at, known[i].prefix, n) != 0)
			continue;
		n += run(s, at + n, is_name);
		return n >= strlen(known[i].prefix) + known[i].min &&
		    found(v, at, n, false);
	}
	return false;
}

static bool
is_digit(int c)
{
	return ascii_isdigit(c);
}

static bool
is_url_letter(int c)
{
	return ascii_isalnum(c) || c == '_' || c == '-';
}

/* 123456:AbC... of Telegram, also behind "bot" in an address. */
static bool
bot_token(struct str s, size_t at, struct span *v)
{
	size_t	 n, k;

	if (!ascii_isdigit((unsigned char)s.p[at]) || (at > 0 &&
	    ascii_isdigit((unsigned char)s.p[at - 1])) || (!boundary(s, at) &&
	    !(at >= 3 && has(s, at - 3, "bot"))))
		return false;
	n = run(s, at, is_digit);
	if (n < 6 || at + n >= s.n || s.p[at + n] != ':')
		return false;
	k = run(s, at + n + 1, is_url_letter);
	return k >= 20 && found(v, at, n + 1 + k, false);
}

static bool
bearer(struct str s, size_t at, struct span *v)
{
	size_t	 n = 6, k;

	if (!has(s, at, "bearer") || !boundary(s, at))
		return false;
	while (at + n < s.n && s.p[at + n] == ' ')
		n++;
	k = run(s, at + n, is_token);
	return n > 6 && k >= 18 && found(v, at + n, k, false);
}

/* "://user:password@" */
static bool
userinfo(struct str s, size_t at, struct span *v)
{
	size_t	 i, colon = 0;

	if (s.p[at] != ':' || !has(s, at, "://"))
		return false;
	for (i = at + 3; i < s.n && s.p[i] != '/' && s.p[i] != '"' &&
	    s.p[i] != '\'' && !ascii_isspace((unsigned char)s.p[i]); i++) {
		if (s.p[i] == ':' && colon == 0)
			colon = i;
		if (s.p[i] == '@' && colon > 0)
			return i > colon + 1 &&
			    found(v, colon + 1, i - colon - 1, true);
	}
	return false;
}

static bool
ends(struct str s, const char *tail)
{
	size_t	 n = strlen(tail);

	return s.n >= n && ascii_ncasecmp(s.p + s.n - n, tail, n) == 0;
}

/* Ends of names in a log.  For a model it is the whole name: "nextPageToken"
 * is what it has to work with. */
static bool
secret_name(struct str name, enum redact_mode mode)
{
	static const char *const names[] = { "token", "secret", "password",
	    "passwd", "passphrase", "apikey", "api_key", "api-key",
	    "access_key", "accesskey", "private_key", "privatekey",
	    "accesstoken", "access_token", "refreshtoken", "refresh_token",
	    "clientsecret", "client_secret" };
	size_t	 i;

	while (name.n > 0 && name.p[0] == '-') {
		name.p++;
		name.n--;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (mode == REDACT_LOG ? ends(name, names[i]) :
		    str_ieqs(name, names[i]))
			return true;
	return false;
}

/* NAME_KEY, also behind env. or -D */
static bool
env_name(struct str name)
{
	static const char *const tails[] = { "KEY", "TOKEN", "SECRET",
	    "PASSWORD", "PASSWD" };
	size_t	 i, n;

	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		n = strlen(tails[i]);
		if (name.n >= n &&
		    memcmp(name.p + name.n - n, tails[i], n) == 0)
			return true;
	}
	return false;
}

static bool
header_name(struct str name)
{
	static const char *const names[] = { "authorization",
	    "proxy-authorization", "x-api-key", "x-goog-api-key", "api-key",
	    "cookie", "set-cookie", "x-openclaw-token" };
	size_t	 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_ieqs(name, names[i]))
			return true;
	return false;
}

/* Where the value ends that begins at `at` behind that quote (0: none);
 * escaped: the quote is written \".  For a model a line ends every value: in
 * a program's text a quote need not have its fellow. */
static size_t
value_end(struct str s, size_t at, char quote, bool escaped, bool header,
    enum redact_mode mode)
{
	for (; at < s.n; at++) {
		if (s.p[at] == '\n' && mode == REDACT_MODEL)
			break;
		if (escaped && s.p[at] == '\\' && at + 1 < s.n &&
		    s.p[at + 1] == quote)
			break;
		if (escaped)
			continue;
		if (quote != 0 ? s.p[at] == quote && s.p[at - 1] != '\\' :
		    s.p[at] == '\n' || s.p[at] == '\r')
			break;
		if (quote == 0 && !header && (ascii_isspace(
		    (unsigned char)s.p[at]) || strchr(",;&\"'}])<>",
		    s.p[at]) != NULL))
			break;
	}
	return at;
}

/* Whether a name with that sign behind it has a secret for its value. */
static bool
names_secret(struct str name, char sep, bool quoted, bool flag,
    enum redact_mode mode)
{
	if (env_name(name))
		return true;
	if (mode == REDACT_MODEL)
		/* token = next() in a program is not one */
		return (flag || (quoted && sep == ':')) &&
		    secret_name(name, mode);
	if (sep == ':' && !quoted)
		return header_name(name);
	return secret_name(name, mode) || header_name(name);
}

/* $OTHER, <your key>, another flag, a mask */
static bool
is_reference(struct str s, size_t at)
{
	return at < s.n && (s.p[at] == '$' || s.p[at] == '<' ||
	    s.p[at] == '*' || s.p[at] == '-' || has(s, at, REDACT_MASK));
}

static size_t
blanks(struct str s, size_t at)
{
	while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'))
		at++;
	return at;
}

/* NAME=value, name=value, "name": "value", Header: value, --name value */
static bool
named(struct str s, size_t at, enum redact_mode mode, struct span *v)
{
	struct str	 name;
	size_t		 i, end;
	bool		 flag, quoted, header, escaped = false;
	char		 sep, quote = 0;

	if (at > 0 && is_name((unsigned char)s.p[at - 1]))
		return false;
	name = (struct str){ s.p + at, run(s, at, is_name) };
	if (name.n < 3)
		return false;
	if (name.n > NAME_MAX_LEN) {
		/* Only its end tells what it names. */
		name.p += name.n - NAME_MAX_LEN;
		name.n = NAME_MAX_LEN;
	}
	i = (size_t)(name.p - s.p) + name.n;
	flag = name.p[0] == '-' && name.p[1] == '-';
	quoted = at > 0 && i < s.n && (s.p[i] == '"' || s.p[i] == '\'') &&
	    s.p[at - 1] == s.p[i];
	/* Inside a JSON text that was printed as a string: \"name\": */
	if (!quoted && at > 1 && i + 1 < s.n && s.p[i] == '\\' &&
	    s.p[i + 1] == '"' && s.p[at - 1] == '"') {
		quoted = true;
		i++;
	}
	i = blanks(s, i + quoted);
	if (i >= s.n)
		return false;
	sep = s.p[i];
	if (sep == '=' || sep == ':')
		i = blanks(s, i + 1);
	else if (!flag || s.p[i - 1] != ' ')
		return false;
	if (!names_secret(name, sep, quoted, flag, mode))
		return false;
	header = mode == REDACT_LOG && sep == ':' && !quoted &&
	    header_name(name);
	if (i + 1 < s.n && s.p[i] == '\\' && s.p[i + 1] == '"') {
		escaped = true;
		i++;
	}
	if (i < s.n && (s.p[i] == '"' || s.p[i] == '\''))
		quote = s.p[i++];
	if (quoted && quote == 0)
		return false;	/* a number, null: no secret */
	if (header && has(s, i, "bearer "))
		i += 7;
	else if (header && has(s, i, "basic "))
		i += 6;
	/* Asked before the end is looked for: many in a row must not cost a
	 * square. */
	if (mode == REDACT_MODEL && is_reference(s, i))
		return false;
	end = value_end(s, i, quote, escaped, header, mode);
	return end > i && found(v, i, end - i, false);
}

/* --- the text ------------------------------------------------------------------ */

int
redact_text(struct str s, enum redact_mode mode, struct dbuf *out)
{
	struct span	 v;
	size_t		 i = 0, kept = 0;
	unsigned char	 c;

	while (i < s.n) {
		c = (unsigned char)s.p[i];
		/* What a shape can begin with. */
		if ((!is_name(c) && c != ':') || (!pem(s, i, mode, &v) &&
		    !named(s, i, mode, &v) && !bearer(s, i, &v) &&
		    !prefixed(s, i, &v) && !bot_token(s, i, &v) &&
		    !userinfo(s, i, &v)) || (mode == REDACT_MODEL &&
		    v.to - v.from < MODEL_MIN)) {
			i++;
			continue;
		}
		dbuf_put(out, s.p + kept, v.from - kept);
		put_mask(out, (struct str){ s.p + v.from, v.to - v.from },
		    mode, v.whole);
		i = kept = v.to;
	}
	dbuf_put(out, s.p + kept, s.n - kept);
	return dbuf_err(out) ? -1 : 0;
}

size_t
redact_safe(struct str t)
{
	size_t	 n = t.n;

	while (n > 0 && t.n - n < HOLD && t.p[n - 1] != '\n')
		n--;
	/* A line without an end that is longer cannot be held back. */
	return t.n - n >= HOLD ? t.n : n;
}
