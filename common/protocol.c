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
	BIT_READ = SCOPE_READ, BIT_WRITE = SCOPE_WRITE
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
