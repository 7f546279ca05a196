/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/redact.h"
#include "common/text.h"

#define MASK_SHORT	18	/* below: nothing of it is shown */

static const struct {
	const char	*prefix;
	size_t		 least;		/* characters that must follow */
} vendors[] = {
	{ "sk-", 8 }, { "ghp_", 20 }, { "github_pat_", 20 }, { "xoxb-", 10 },
	{ "xoxa-", 10 }, { "xoxp-", 10 }, { "xoxr-", 10 }, { "xoxs-", 10 },
	{ "xapp-", 10 }, { "gsk_", 10 }, { "AIza", 20 }, { "pplx-", 10 },
	{ "npm_", 10 },
};
static const char *const fields[] = { "apikey", "token", "secret", "password",
	"passwd", "accesstoken", "refreshtoken" };
static const char *const endings[] = { "KEY", "TOKEN", "SECRET", "PASSWORD",
	"PASSWD" };
static const char *const flags[] = { "--api-key", "--token", "--secret",
	"--password", "--passwd" };

static bool
is_token(int c)
{
	return ascii_isalnum(c) || c == '_' || c == '-';
}

static bool
is_name(int c)
{
	return ascii_isalnum(c) || c == '_';
}

static size_t
run_of(const char *p, size_t n, bool (*in)(int))
{
	size_t	 i;

	for (i = 0; i < n && in((unsigned char)p[i]); i++)
		;
	return i;
}

static bool
is_bearer(int c)
{
	return is_token(c) || strchr("._~+/=", c) != NULL;
}

static bool
is_value(int c)
{
	return c > ' ' && strchr("\"'`,;<>{}[]()\\", c) == NULL;
}

static void
mask(struct dbuf *out, const char *p, size_t n)
{
	if (n < MASK_SHORT) {
		dbuf_puts(out, "***");
		return;
	}
	dbuf_put(out, p, utf8_cut(p, n, 6));
	dbuf_puts(out, "…");
	while (n >= 4 && ((unsigned char)p[n - 4] & 0xc0) == 0x80)
		n--;
	dbuf_put(out, p + n - 4, 4);
}

/* A key with a vendor's prefix at p: its length, 0 when there is none. */
static size_t
vendor_key(const char *p, size_t n)
{
	size_t	 i, len, rest;

	for (i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++) {
		len = strlen(vendors[i].prefix);
		if (n < len || memcmp(p, vendors[i].prefix, len) != 0)
			continue;
		rest = run_of(p + len, n - len, is_token);
		if (rest >= vendors[i].least)
			return len + rest;
	}
	return 0;
}

/* "123456:AA..." of a Telegram bot, also behind "bot" in a path. */
static size_t
bot_token(const char *p, size_t n)
{
	size_t	 d = 0, rest;

	while (d < n && ascii_isdigit((unsigned char)p[d]))
		d++;
	if (d < 6 || d >= n || p[d] != ':')
		return 0;
	rest = run_of(p + d + 1, n - d - 1, is_token);
	return rest >= 20 ? d + 1 + rest : 0;
}

/* Does the name of n bytes before a '=' or ':' call for its value? */
static bool
secret_name(const char *p, size_t n, bool quoted)
{
	size_t	 i, len;

	for (i = 0; quoted && i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i]) == n &&
		    ascii_ncasecmp(p, fields[i], n) == 0)
			return true;
	for (i = 0; i < n; i++)
		if (p[i] >= 'a' && p[i] <= 'z')
			return false;
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		len = strlen(endings[i]);
		if (n >= len && memcmp(p + n - len, endings[i], len) == 0)
			return true;
	}
	return false;
}

/* At a name: how much stands before its secret value, and the value's length;
 * false when it is no such name. */
static bool
named_secret(const char *p, size_t n, size_t name, bool quoted, size_t *before,
    size_t *value)
{
	size_t	 i = name;
	char	 q = 0;

	if (!secret_name(p, name, quoted))
		return false;
	if (quoted && i < n && (p[i] == '"' || p[i] == '\\'))
		i += p[i] == '\\' ? 2 : 1;
	while (i < n && p[i] == ' ')
		i++;
	if (i >= n || (p[i] != '=' && p[i] != ':'))
		return false;
	i++;
	while (i < n && (p[i] == ' ' || p[i] == '\\'))
		i++;
	if (i < n && (p[i] == '"' || p[i] == '\''))
		q = p[i++];
	*before = i;
	if (q != 0)
		for (*value = 0; i + *value < n && p[i + *value] != q &&
		    p[i + *value] != '\\' && p[i + *value] != '\n';
		    (*value)++)
			;
	else
		*value = run_of(p + i, n - i, is_value);
	return *value > 0;
}

static size_t
flag_secret(const char *p, size_t n, size_t *value)
{
	size_t	 i, len;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		len = strlen(flags[i]);
		if (n > len + 1 && memcmp(p, flags[i], len) == 0 &&
		    (p[len] == ' ' || p[len] == '=')) {
			*value = run_of(p + len + 1, n - len - 1, is_value);
			if (*value > 0)
				return len + 1;
		}
	}
	return 0;
}

/* A PEM private key: first and last line stay. */
static size_t
pem_key(const char *p, size_t n, struct dbuf *out)
{
	const char	*head, *tail, *end;

	if (n < 30 || memcmp(p, "-----BEGIN ", 11) != 0 ||
	    (head = memmem(p, n < 80 ? n : 80, "PRIVATE KEY-----", 16)) ==
	    NULL)
		return 0;
	head += 16;
	dbuf_put(out, p, (size_t)(head - p));
	dbuf_puts(out, "…");
	tail = memmem(head, n - (size_t)(head - p), "-----END ", 9);
	if (tail == NULL)
		return n;
	end = memmem(tail + 9, n - (size_t)(tail + 9 - p), "-----", 5);
	end = end != NULL ? end + 5 : p + n;
	dbuf_put(out, tail, (size_t)(end - tail));
	return (size_t)(end - p);
}

bool
redact(const char *p, size_t n, struct dbuf *out)
{
	size_t	 i = 0, len, before, value, name;
	bool	 hit = false, start, quoted;

	while (i < n) {
		/* Only where a word begins; the rest goes through as it is. */
		start = i == 0 || !is_token((unsigned char)p[i - 1]);
		if (p[i] == '-' && (len = pem_key(p + i, n - i, out)) > 0) {
			i += len;
			hit = true;
			continue;
		}
		if (start && p[i] == '-' &&
		    (before = flag_secret(p + i, n - i, &value)) > 0) {
			dbuf_put(out, p + i, before);
			mask(out, p + i + before, value);
			i += before + value;
			hit = true;
			continue;
		}
		if (start && ((len = vendor_key(p + i, n - i)) > 0 ||
		    (len = bot_token(p + i, n - i)) > 0)) {
			mask(out, p + i, len);
			i += len;
			hit = true;
			continue;
		}
		if (n - i > 3 && memcmp(p + i, "bot", 3) == 0 &&
		    (len = bot_token(p + i + 3, n - i - 3)) > 0) {
			dbuf_puts(out, "bot");
			mask(out, p + i + 3, len);
			i += 3 + len;
			hit = true;
			continue;
		}
		if (start && n - i > 7 &&
		    ascii_ncasecmp(p + i, "bearer ", 7) == 0 &&
		    (len = run_of(p + i + 7, n - i - 7, is_bearer)) >= 18) {
			dbuf_put(out, p + i, 7);
			mask(out, p + i + 7, len);
			i += 7 + len;
			hit = true;
			continue;
		}
		if (start && is_name((unsigned char)p[i])) {
			name = run_of(p + i, n - i, is_name);
			quoted = i > 0 && p[i - 1] == '"';
			if (named_secret(p + i, n - i, name, quoted, &before,
			    &value)) {
				dbuf_put(out, p + i, before);
				mask(out, p + i + before, value);
				i += before + value;
				hit = true;
				continue;
			}
		}
		dbuf_putc(out, p[i++]);
	}
	return hit;
}
