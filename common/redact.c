/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/redact.h"
#include "common/text.h"

#define NAME_MAX_LEN	64

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

/* Short ones go whole; of long ones the ends stay, to tell them apart. */
static void
put_mask(struct dbuf *b, struct str s)
{
	size_t	 tail;

	if (s.n < 18) {
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

/* --- shapes: each returns the bytes it has dealt with, or 0 -------------------- */

static size_t
pem(struct dbuf *b, struct str s, size_t at)
{
	const char	*p, *end;
	size_t		 head;

	if (s.p[at] != '-' || !has(s, at, "-----BEGIN "))
		return 0;
	p = memmem(s.p + at, s.n - at, "PRIVATE KEY-----", 16);
	if (p == NULL || p - (s.p + at) > 48)
		return 0;
	head = (size_t)(p - s.p) + 16;
	dbuf_put(b, s.p + at, head - at);
	dbuf_puts(b, "\xe2\x80\xa6");
	end = memmem(s.p + head, s.n - head, "-----END ", 9);
	/* Without an end the key was cut: nothing of it may stay. */
	return end == NULL ? s.n - at : (size_t)(end - s.p) - at;
}

static size_t
prefixed(struct dbuf *b, struct str s, size_t at)
{
	static const struct {
		const char	*prefix;
		size_t		 min;	/* behind it */
	} known[] = {
		{ "sk-", 8 }, { "ghp_", 20 }, { "gho_", 20 }, { "ghs_", 20 },
		{ "github_pat_", 20 }, { "xoxb-", 10 }, { "xoxa-", 10 },
		{ "xoxp-", 10 }, { "xoxr-", 10 }, { "xoxs-", 10 },
		{ "xapp-", 10 }, { "gsk_", 10 }, { "AIza", 20 },
		{ "pplx-", 10 }, { "npm_", 10 }, { "xai-", 20 },
		{ "eyJ", 40 }, { "AKIA", 16 }, { "hf_", 20 },
	};
	size_t	 i, n;

	if (!boundary(s, at))
		return 0;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		n = strlen(known[i].prefix);
		if (n > s.n - at || memcmp(s.p + at, known[i].prefix, n) != 0)
			continue;
		n += run(s, at + n, is_name);
		if (n < strlen(known[i].prefix) + known[i].min)
			continue;
		put_mask(b, (struct str){ s.p + at, n });
		return n;
	}
	return 0;
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
static size_t
bot_token(struct dbuf *b, struct str s, size_t at)
{
	size_t	 n, k;

	if (!ascii_isdigit((unsigned char)s.p[at]) || (at > 0 &&
	    ascii_isdigit((unsigned char)s.p[at - 1])) || (!boundary(s, at) &&
	    !(at >= 3 && has(s, at - 3, "bot"))))
		return 0;
	n = run(s, at, is_digit);
	if (n < 6 || at + n >= s.n || s.p[at + n] != ':')
		return 0;
	k = run(s, at + n + 1, is_url_letter);
	if (k < 20)
		return 0;
	put_mask(b, (struct str){ s.p + at, n + 1 + k });
	return n + 1 + k;
}

static size_t
bearer(struct dbuf *b, struct str s, size_t at)
{
	size_t	 n = 6, k;

	if (!has(s, at, "bearer") || !boundary(s, at))
		return 0;
	while (at + n < s.n && s.p[at + n] == ' ')
		n++;
	k = run(s, at + n, is_token);
	if (n == 6 || k < 18)
		return 0;
	dbuf_put(b, s.p + at, n);
	put_mask(b, (struct str){ s.p + at + n, k });
	return n + k;
}

/* "://user:password@" */
static size_t
userinfo(struct dbuf *b, struct str s, size_t at)
{
	size_t	 i, colon = 0;

	if (s.p[at] != ':' || !has(s, at, "://"))
		return 0;
	for (i = at + 3; i < s.n && s.p[i] != '/' && s.p[i] != '"' &&
	    s.p[i] != '\'' && !ascii_isspace((unsigned char)s.p[i]); i++) {
		if (s.p[i] == ':' && colon == 0)
			colon = i;
		if (s.p[i] == '@' && colon > 0) {
			dbuf_put(b, s.p + at, colon + 1 - at);
			dbuf_puts(b, "***");
			return i - at;
		}
	}
	return 0;
}

static bool
ends(struct str s, const char *tail)
{
	size_t	 n = strlen(tail);

	return s.n >= n && ascii_ncasecmp(s.p + s.n - n, tail, n) == 0;
}

static bool
secret_name(struct str name)
{
	static const char *const tails[] = { "token", "secret", "password",
	    "passwd", "passphrase", "apikey", "api_key", "api-key",
	    "access_key", "accesskey", "private_key", "privatekey" };
	size_t	 i;

	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (ends(name, tails[i]))
			return true;
	return false;
}

static bool
env_name(struct str name)
{
	static const char *const tails[] = { "KEY", "TOKEN", "SECRET",
	    "PASSWORD", "PASSWD" };
	size_t	 i;

	for (i = 0; i < name.n; i++)
		if (!(name.p[i] >= 'A' && name.p[i] <= 'Z') &&
		    !ascii_isdigit((unsigned char)name.p[i]) &&
		    name.p[i] != '_')
			return false;
	for (i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (ends(name, tails[i]))
			return true;
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
 * escaped: the quote is written \". */
static size_t
value_end(struct str s, size_t at, char quote, bool escaped, bool header)
{
	for (; at < s.n; at++) {
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

/* NAME=value, name=value, "name": "value", Header: value, --name value */
static size_t
named(struct dbuf *b, struct str s, size_t at)
{
	struct str	 name;
	size_t		 i, end;
	bool		 flag, quoted, header = false, escaped = false;
	char		 sep, quote = 0;

	if (at > 0 && is_name((unsigned char)s.p[at - 1]))
		return 0;
	name = (struct str){ s.p + at, run(s, at, is_name) };
	if (name.n < 3)
		return 0;
	if (name.n > NAME_MAX_LEN) {
		/* Only its end tells what it names. */
		name.p += name.n - NAME_MAX_LEN;
		name.n = NAME_MAX_LEN;
	}
	i = (size_t)(name.p - s.p) + name.n;
	flag = name.n > 2 && name.p[0] == '-' && name.p[1] == '-';
	quoted = at > 0 && i < s.n && (s.p[i] == '"' || s.p[i] == '\'') &&
	    s.p[at - 1] == s.p[i];
	/* Inside a JSON text that was printed as a string: \"name\": */
	if (!quoted && at > 1 && i + 1 < s.n && s.p[i] == '\\' &&
	    s.p[i + 1] == '"' && s.p[at - 1] == '"') {
		quoted = true;
		i++;
	}
	i += quoted;
	while (i < s.n && s.p[i] == ' ')
		i++;
	if (i >= s.n)
		return 0;
	sep = s.p[i];
	if (sep == '=' || sep == ':') {
		i++;
		while (i < s.n && s.p[i] == ' ')
			i++;
	} else if (!flag || s.p[i - 1] != ' ')
		return 0;
	if (sep == ':' && !quoted && header_name(name))
		header = true;
	else if (sep == ':' && !quoted && !env_name(name))
		return 0;
	else if (!secret_name(name) && !env_name(name) && !header_name(name))
		return 0;
	if (i + 1 < s.n && s.p[i] == '\\' && s.p[i + 1] == '"') {
		escaped = true;
		i++;
	}
	if (i < s.n && (s.p[i] == '"' || s.p[i] == '\''))
		quote = s.p[i++];
	if (quoted && quote == 0)
		return 0;	/* a number, null: no secret */
	if (header && has(s, i, "bearer "))
		i += 7;
	else if (header && has(s, i, "basic "))
		i += 6;
	end = value_end(s, i, quote, escaped, header);
	if (end == i)
		return 0;
	dbuf_put(b, s.p + at, i - at);
	put_mask(b, (struct str){ s.p + i, end - i });
	return end - at;
}

bool
redact(const char *p, size_t n, struct dbuf *out)
{
	struct str	 s = { p, n };
	struct dbuf	 hold;
	size_t		 i = 0, from = 0, len;
	bool		 hit = false;

	/* A shape writes its mask before the text in front of it has been
	 * copied, so the mask goes aside first. */
	dbuf_init_secret(&hold, out->max);
	while (i < n) {
		if ((len = pem(&hold, s, i)) == 0 &&
		    (len = named(&hold, s, i)) == 0 &&
		    (len = bearer(&hold, s, i)) == 0 &&
		    (len = prefixed(&hold, s, i)) == 0 &&
		    (len = bot_token(&hold, s, i)) == 0 &&
		    (len = userinfo(&hold, s, i)) == 0) {
			i++;
			continue;
		}
		dbuf_put(out, p + from, i - from);
		dbuf_put(out, dbuf_str(&hold), hold.n);
		dbuf_reset(&hold);
		i += len;
		from = i;
		hit = true;
	}
	dbuf_put(out, p + from, n - from);
	dbuf_clear(&hold);
	return hit;
}
