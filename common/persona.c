/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/persona.h"

bool
persona_take(struct str s, size_t chars, char *out, size_t size)
{
	size_t	 n = 0;

	s = str_trim(s);
	if (!utf8_valid(s.p, s.n))
		return false;
	while (n < s.n && chars > 0) {
		n++;
		while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
			n++;
		chars--;
	}
	n = utf8_cut(s.p, n, size - 1);
	if (n > 0)	/* or p may be NULL */
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n > 0;
}

bool
persona_is_url(const char *s)
{
	return ascii_ncasecmp(s, "http://", 7) == 0 ||
	    ascii_ncasecmp(s, "https://", 8) == 0 ||
	    ascii_ncasecmp(s, "data:image/", 11) == 0;
}

bool
persona_is_file(const char *s)
{
	static const char *const ends[] = { ".png", ".jpg", ".jpeg", ".gif",
	    ".webp", ".svg", ".ico" };
	size_t	 i, n = strlen(s), k;

	if (persona_is_url(s))
		return false;
	if (strpbrk(s, "/\\") != NULL)
		return true;
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (n > (k = strlen(ends[i])) &&
		    ascii_casecmp(s + n - k, ends[i]) == 0)
			return true;
	return false;
}

void
persona_name(const struct str *s, size_t n, char out[PERSONA_NAME_SIZE])
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (persona_take(s[i], PERSONA_NAME_CHARS, out,
		    PERSONA_NAME_SIZE))
			return;
	(void)strlcpy(out, "Assistant", PERSONA_NAME_SIZE);
}

void
persona_avatar(const struct str *s, size_t n, char out[PERSONA_AVATAR_SIZE])
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (persona_take(s[i], PERSONA_AVATAR_CHARS, out,
		    PERSONA_AVATAR_SIZE) && (persona_is_url(out) ||
		    persona_is_file(out) || (strpbrk(out, " \t") == NULL &&
		    utf8_count(out, strlen(out)) <= 4)))
			return;
	(void)strlcpy(out, "A", PERSONA_AVATAR_SIZE);
}

void
persona_path(const char *base, const char *agent, char *buf, size_t size)
{
	size_t	n;

	while (*base == '/')
		base++;
	for (n = strlen(base); n > 0 && base[n - 1] == '/'; n--)
		;
	(void)snprintf(buf, size, "%s%.*s/avatar/%s", n > 0 ? "/" : "",
	    (int)n, base, agent);
}
