/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See mask.h.  Pure; one pass, with bounded looks ahead and behind. */
#include "common/compat.h"

#include "common/mask.h"

#define MASK_NAME_MAX	64	/* bytes looked back for a name */
#define MASK_VALUE_MIN	4	/* shorter values tell nothing */
#define MASK_PEM_MAX	16384	/* bytes of a private key block */
#define MASK_HOLD	4096

/* Words that begin a credential; then at least min characters of its own. */
static const struct {
	const char	*prefix;
	size_t		 min;
} prefixes[] = {
	{ "sk-", 8 }, { "ghp_", 20 }, { "gho_", 20 }, { "ghs_", 20 },
	{ "ghu_", 20 }, { "ghr_", 20 }, { "github_pat_", 20 },
	{ "xoxb-", 8 }, { "xoxa-", 8 }, { "xoxp-", 8 }, { "xoxr-", 8 },
	{ "xoxs-", 8 }, { "xapp-", 8 }, { "gsk_", 8 }, { "pplx-", 8 },
	{ "npm_", 10 }, { "AIza", 20 }, { "AKIA", 16 }, { "ASIA", 16 },
	{ "glpat-", 16 }, { "hf_", 20 }, { "eyJ", 40 },
};

/* Ends of upper-case names whose value is a secret. */
static const char *const name_ends[] = { "KEY", "TOKEN", "SECRET", "PASSWORD",
	"PASSWD" };

static const char *const json_names[] = { "apiKey", "api_key", "token",
	"secret", "password", "passwd", "accessToken", "access_token",
	"refreshToken", "refresh_token", "clientSecret", "client_secret" };

static const char *const flags[] = { "--api-key", "--token", "--secret",
	"--password", "--passwd" };

static bool
mask_word(int c)
{
	return ascii_isalnum(c) || c == '_' || c == '-';
}

static size_t
mask_run(struct str t, size_t at, bool dots)
{
	size_t	 n = 0;

	while (at + n < t.n && (mask_word((unsigned char)t.p[at + n]) ||
	    (dots && t.p[at + n] != '\0' &&
	    strchr(".+/=~:", t.p[at + n]) != NULL)))
		n++;
	return n;
}

static bool
mask_at(struct str t, size_t at, const char *what)
{
	size_t	 n = strlen(what);

	return t.n - at >= n && memcmp(t.p + at, what, n) == 0;
}

/* The value behind a name and its sign: how long from *at on, which is moved
 * behind an opening quote; 0: none that counts. */
static size_t
mask_value(struct str t, size_t *at)
{
	char	 quote = 0;
	size_t	 n = 0;

	if (*at < t.n && (t.p[*at] == '"' || t.p[*at] == '\''))
		quote = t.p[(*at)++];
	/* A reference is not the value, nor is a mask.  Asked before the end
	 * is looked for: many of these in a row must not cost a square. */
	if (*at < t.n && (t.p[*at] == '$' || t.p[*at] == '<' ||
	    t.p[*at] == '*' || t.p[*at] == '-' || mask_at(t, *at, MASK_TEXT)))
		return 0;
	while (*at + n < t.n) {
		char c = t.p[*at + n];

		if (quote != 0 ? c == quote || c == '\n' :
		    (unsigned char)c <= ' ' || c == '"' || c == '\'' ||
		    c == ',' || c == ';' || c == '&' || c == '}' || c == ')')
			break;
		n++;
	}
	return n >= MASK_VALUE_MIN ? n : 0;
}

static size_t
mask_blanks(struct str t, size_t at)
{
	while (at < t.n && (t.p[at] == ' ' || t.p[at] == '\t'))
		at++;
	return at;
}

/* NAME=value or NAME: value with at on the sign. */
static bool
mask_assignment(struct str t, size_t at, size_t *from, size_t *len)
{
	size_t	 end = at, start, i, n;

	while (end > 0 && at - end < 4 && t.p[end - 1] == ' ')
		end--;
	start = end;
	while (start > 0 && end - start < MASK_NAME_MAX &&
	    ((t.p[start - 1] >= 'A' && t.p[start - 1] <= 'Z') ||
	    ascii_isdigit((unsigned char)t.p[start - 1]) ||
	    t.p[start - 1] == '_'))
		start--;
	for (i = 0; i < sizeof(name_ends) / sizeof(name_ends[0]); i++) {
		n = strlen(name_ends[i]);
		if (end - start >= n &&
		    memcmp(t.p + end - n, name_ends[i], n) == 0)
			break;
	}
	if (i == sizeof(name_ends) / sizeof(name_ends[0]))
		return false;
	*from = mask_blanks(t, at + 1);
	*len = mask_value(t, from);
	return *len > 0;
}

/* "name": "value" with at on the name's opening quote. */
static bool
mask_json(struct str t, size_t at, size_t *from, size_t *len)
{
	size_t	 i, p;

	for (i = 0; i < sizeof(json_names) / sizeof(json_names[0]); i++)
		if (mask_at(t, at + 1, json_names[i]) &&
		    mask_at(t, at + 1 + strlen(json_names[i]), "\""))
			break;
	if (i == sizeof(json_names) / sizeof(json_names[0]))
		return false;
	p = mask_blanks(t, at + strlen(json_names[i]) + 2);
	if (p >= t.n || t.p[p] != ':')
		return false;
	*from = mask_blanks(t, p + 1);
	if (*from >= t.n || t.p[*from] != '"')
		return false;
	*len = mask_value(t, from);
	return *len > 0;
}

static bool
mask_flag(struct str t, size_t at, size_t *from, size_t *len)
{
	size_t	 i, p;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (mask_at(t, at, flags[i]))
			break;
	if (i == sizeof(flags) / sizeof(flags[0]))
		return false;
	p = at + strlen(flags[i]);
	if (p >= t.n || (t.p[p] != ' ' && t.p[p] != '='))
		return false;
	*from = p + 1;
	*len = mask_value(t, from);
	return *len > 0;
}

static bool
mask_bearer(struct str t, size_t at, size_t *from, size_t *len)
{
	if (t.n - at < 7 || ascii_ncasecmp(t.p + at, "Bearer ", 7) != 0)
		return false;
	*from = at + 7;
	*len = mask_run(t, *from, true);
	return *len >= 18;
}

/* -----BEGIN ... PRIVATE KEY----- to its END line. */
static bool
mask_pem(struct str t, size_t at, size_t *from, size_t *len)
{
	const char	*end, *p = t.p + at;
	size_t		 n = t.n - at;

	if (!mask_at(t, at, "-----BEGIN "))
		return false;
	if (memmem(p, n < 64 ? n : 64, "PRIVATE KEY-----", 16) == NULL)
		return false;
	if (n > MASK_PEM_MAX)
		n = MASK_PEM_MAX;
	end = memmem(p, n, "-----END ", 9);
	if (end != NULL) {
		n = (size_t)(end - p) + 9;
		while (n < t.n - at && p[n] != '\n')
			n++;
	}
	*from = at;
	*len = n;
	return true;
}

/* A word that is a credential by its shape. */
static bool
mask_token(struct str t, size_t at, size_t *from, size_t *len)
{
	size_t	 i, n, digits;

	*from = at;
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		n = strlen(prefixes[i].prefix);
		if (!mask_at(t, at, prefixes[i].prefix))
			continue;
		*len = mask_run(t, at, prefixes[i].min == 40);
		return *len >= n + prefixes[i].min;
	}
	/* 123456:AA..., a bot's token */
	for (digits = 0; at + digits < t.n && digits < 20 &&
	    ascii_isdigit((unsigned char)t.p[at + digits]);)
		digits++;
	if (digits >= 6 && at + digits < t.n && t.p[at + digits] == ':') {
		n = mask_run(t, at + digits + 1, false);
		*len = digits + 1 + n;
		return n >= 20;
	}
	return false;
}

int
mask_text(struct str t, struct dbuf *out)
{
	size_t	 i, kept = 0, from, len;
	bool	 border = true, hit;
	char	 c;

	for (i = 0; i < t.n; i++) {
		c = t.p[i];
		hit = false;
		if (c == '=' || c == ':')
			hit = mask_assignment(t, i, &from, &len);
		else if (c == '"')
			hit = mask_json(t, i, &from, &len);
		else if (c == '-' && border)
			hit = mask_flag(t, i, &from, &len) ||
			    mask_pem(t, i, &from, &len);
		else if (border && mask_word((unsigned char)c))
			hit = mask_bearer(t, i, &from, &len) ||
			    mask_token(t, i, &from, &len);
		border = !mask_word((unsigned char)c);
		if (!hit || from < kept)
			continue;
		dbuf_put(out, t.p + kept, from - kept);
		if (dbuf_puts(out, MASK_TEXT) == -1)
			return -1;
		kept = from + len;
		i = kept - 1;
		border = true;
	}
	return dbuf_put(out, t.p + kept, t.n - kept);
}

size_t
mask_safe(struct str t)
{
	size_t	 n = t.n;

	while (n > 0 && t.n - n < MASK_HOLD && t.p[n - 1] != '\n')
		n--;
	/* A line without an end that is longer cannot be held back. */
	return t.n - n >= MASK_HOLD ? t.n : n;
}
