/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>

#include "common/session_key.h"

const char *
session_kind_name(enum session_kind k)
{
	switch (k) {
	case SESSION_DIRECT: return "direct";
	case SESSION_GROUP: return "group";
	case SESSION_GLOBAL: return "global";
	case SESSION_UNKNOWN: return "unknown";
	}
	return "unknown";
}

static bool
contains(struct str s, const char *part)
{
	size_t	 i, n = strlen(part);

	for (i = 0; i + n <= s.n; i++)
		if (memcmp(s.p + i, part, n) == 0)
			return true;
	return false;
}

void
agent_id_normalise(struct str raw, char out[AGENT_ID_MAX + 1])
{
	size_t	 i, n = 0;
	int	 c;

	raw = str_trim(raw);
	for (i = 0; i < raw.n && n < AGENT_ID_MAX; i++) {
		c = ascii_tolower((unsigned char)raw.p[i]);
		if (ascii_isalnum(c) || c == '_')
			out[n++] = (char)c;
		else if (n > 0 && out[n - 1] != '-')
			out[n++] = '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = '\0';
	if (n == 0)
		strlcpy(out, "main", AGENT_ID_MAX + 1);
}

/* Next non-empty part between colons. */
static bool
next_part(struct str *s, struct str *part)
{
	size_t	 i;

	while (s->n > 0 && s->p[0] == ':') {
		s->p++;
		s->n--;
	}
	if (s->n == 0)
		return false;
	for (i = 0; i < s->n && s->p[i] != ':'; i++)
		;
	part->p = s->p;
	part->n = i;
	s->p += i;
	s->n -= i;
	return true;
}

/* The parts of s that are not blank, joined by single colons; its length. */
static size_t
join_parts(struct str s, char *out, size_t size)
{
	struct str	 part;
	size_t		 n = 0;

	while (next_part(&s, &part)) {
		if ((part = str_trim(part)).n == 0)
			continue;
		if (part.n + 2 > size - n)
			break;
		if (n > 0)
			out[n++] = ':';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	out[n] = '\0';
	return n;
}

int
session_key_canon(struct str raw, const char *agent, bool global, char *out,
    size_t size)
{
	struct str	 s, part, id;
	char		 low[SESSION_KEY_MAX + 1], all[SESSION_KEY_MAX + 2];
	char		 rest[SESSION_KEY_MAX + 2];
	char		 norm[AGENT_ID_MAX + 1];
	size_t		 i;
	int		 len;

	raw = str_trim(raw);
	if (raw.n > SESSION_KEY_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (i = 0; i < raw.n; i++) {
		unsigned char c = (unsigned char)raw.p[i];

		if (c < 0x20 || c == 0x7f) {
			errno = EINVAL;
			return -1;
		}
		low[i] = (char)ascii_tolower(c);
	}
	low[i] = '\0';
	if (!utf8_valid(low, i) ||
	    join_parts((struct str){ low, i }, all, sizeof(all)) == 0) {
		errno = EINVAL;
		return -1;
	}
	if (strcmp(all, "global") == 0 || strcmp(all, "unknown") == 0) {
		len = snprintf(out, size, "%s", all);
		goto done;
	}
	s = str_of(all);
	if (next_part(&s, &part) && str_eqs(part, "agent") &&
	    next_part(&s, &id) &&
	    join_parts(s, rest, sizeof(rest)) > 0) {
		agent_id_normalise(id, norm);
		agent = norm;
	} else	/* Anything else belongs to this agent. */
		memcpy(rest, all, sizeof(rest));
	if (global && strcmp(rest, "main") == 0)
		len = snprintf(out, size, "global");
	else
		len = snprintf(out, size, "agent:%s:%s", agent, rest);
done:
	if (len < 0 || (size_t)len >= size || len > SESSION_KEY_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

bool
session_key_split(struct str key, struct str *agent, struct str *rest)
{
	struct str	 s = key, part;

	if (!next_part(&s, &part) || !str_eqs(part, "agent") ||
	    !next_part(&s, agent))
		return false;
	while (s.n > 0 && s.p[0] == ':') {
		s.p++;
		s.n--;
	}
	*rest = s;
	return s.n > 0;
}

enum session_kind
session_key_kind(struct str key)
{
	if (str_eqs(key, "global"))
		return SESSION_GLOBAL;
	if (str_eqs(key, "unknown"))
		return SESSION_UNKNOWN;
	if (contains(key, ":group:") || contains(key, ":channel:"))
		return SESSION_GROUP;
	return SESSION_DIRECT;
}

bool
session_key_is_thread(struct str key)
{
	return contains(key, ":thread:") || contains(key, ":topic:");
}
