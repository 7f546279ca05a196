/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What depends on the version that a connection negotiated, read from
 * protocol4.def: scopes that moved, and who hears of an event.
 */
#include "common/compat.h"

#include "common/methods.h"

enum {
	BIT_READ = SCOPE_READ, BIT_WRITE = SCOPE_WRITE, BIT_ADMIN = SCOPE_ADMIN
};

static const struct { const char *name; unsigned int scope; } moved[] = {
#define MOVED(method, scope)	{ method, BIT_##scope },
#include "proto/protocol4.def"
};

static const struct {
	const char	*name;
	unsigned int	 scope;
	const char	*keys[8];
} partly[] = {
#define PARTLY(method, scope, ...)	{ method, BIT_##scope, { __VA_ARGS__ } },
#include "proto/protocol4.def"
};

static const struct {
	const char	*name;
	unsigned int	 scope;
	const char	*key;
	const char	*words[6];
} raised[] = {
#define RAISED(method, scope, key, ...)	\
	{ method, BIT_##scope, key, { __VA_ARGS__ } },
#include "proto/protocol4.def"
};

static const char *const limited[] = {
#define LIMITED(method)			method,
#include "proto/protocol4.def"
};

static const unsigned int guards[EVENT_MAX] = {
#define GUARD(event, scopes)		[EVENT_##event] = scopes,
#include "proto/protocol4.def"
};

static const bool later[EVENT_MAX] = {
#define LATER(event)			[EVENT_##event] = true,
#include "proto/protocol4.def"
};

uint32_t
protocol_choose(int64_t least, int64_t most)
{
	if (least > most || least > 4)
		return 0;
	return most >= 4 ? 4 : (uint32_t)most;
}

/* Clients that never heard of more than 3 know one key. */
void
protocol_mismatch(int64_t least, int64_t most, char buf[PROTOCOL_MISMATCH_MAX])
{
	if (most < 4)
		strlcpy(buf, "{\"expectedProtocol\":3}", PROTOCOL_MISMATCH_MAX);
	else
		snprintf(buf, PROTOCOL_MISMATCH_MAX, "{\"code\":"
		    "\"PROTOCOL_MISMATCH\",\"clientMinProtocol\":%lld,"
		    "\"clientMaxProtocol\":%lld,\"expectedProtocol\":4,"
		    "\"minimumProbeProtocol\":3}", (long long)least,
		    (long long)most);
}

static bool
only_keys(const struct skim_val *params, const char *const *keys, size_t n)
{
	struct skim_iter	 it;
	struct skim_val		 key, v;
	size_t			 i;

	if (params->kind != SKIM_OBJECT)
		return false;
	skim_iter_init(&it, params);
	while (skim_next(&it, &key, &v)) {
		for (i = 0; i < n && keys[i] != NULL &&
		    !skim_is(&key, keys[i]); i++)
			;
		if (i == n || keys[i] == NULL)
			return false;
	}
	return true;
}

/* As agents read a command: "/new", "/new: x", "/new@bot x". */
static bool
begins_with(struct str text, const char *word)
{
	size_t	 n = strlen(word);

	text = str_trim(text);
	return text.n >= n && ascii_ncasecmp(text.p, word, n) == 0 &&
	    (text.n == n || text.p[n] == ':' || text.p[n] == '@' ||
	    ascii_isspace((unsigned char)text.p[n]));
}

static bool
has_word(const struct skim_val *v, const char *const *words, size_t n)
{
	struct str	 text = skim_raw(v);
	char		*buf = NULL;
	ssize_t		 len;
	size_t		 i;
	bool		 has = true;	/* what cannot be read may be one */

	if (v->kind != SKIM_STRING)
		return false;
	if (v->escaped) {
		if ((buf = malloc(v->n)) == NULL ||
		    (len = skim_unescape(v, buf, v->n)) == -1)
			goto out;
		text = (struct str){ buf, (size_t)len };
	}
	for (i = 0; i < n && words[i] != NULL; i++)
		if (begins_with(text, words[i]))
			goto out;
	has = false;
out:
	free(buf);
	return has;
}

/* A key that is there twice counts with both values. */
static bool
is_raised(const struct skim_val *params, size_t row)
{
	struct skim_iter	 it;
	struct skim_val		 key, v;

	if (params->kind != SKIM_OBJECT)
		return false;
	skim_iter_init(&it, params);
	while (skim_next(&it, &key, &v))
		if (skim_is(&key, raised[row].key) &&
		    has_word(&v, raised[row].words,
		    sizeof(raised[row].words) / sizeof(raised[row].words[0])))
			return true;
	return false;
}

bool
method_limited(const struct method *m, uint32_t protocol)
{
	size_t	 i;

	for (i = 0; i < sizeof(limited) / sizeof(limited[0]); i++)
		if (strcmp(limited[i], m->name) == 0)
			return protocol >= 4;
	return false;
}

unsigned int
method_scope(const struct method *m, uint32_t protocol,
    const struct skim_val *params)
{
	size_t	 i;

	if (m == NULL)
		return SCOPE_ADMIN;
	if (protocol < 4)
		return m->scope;
	for (i = 0; i < sizeof(moved) / sizeof(moved[0]); i++)
		if (strcmp(moved[i].name, m->name) == 0)
			return moved[i].scope;
	for (i = 0; i < sizeof(partly) / sizeof(partly[0]); i++)
		if (strcmp(partly[i].name, m->name) == 0 &&
		    only_keys(params, partly[i].keys,
		    sizeof(partly[i].keys) / sizeof(partly[i].keys[0])))
			return partly[i].scope;
	for (i = 0; i < sizeof(raised) / sizeof(raised[0]); i++)
		if (strcmp(raised[i].name, m->name) == 0 &&
		    is_raised(params, i))
			return raised[i].scope;
	return m->scope;
}

bool
method_spoken(const struct method *m, uint32_t protocol)
{
	return m->listed != LISTED_NEW || protocol >= 4;
}

bool
event_spoken(enum gw_event ev, uint32_t protocol)
{
	return !later[ev] || protocol >= 4;
}

unsigned int
event_guard(enum gw_event ev, uint32_t protocol)
{
	return protocol >= 4 ? guards[ev] : 0;
}
