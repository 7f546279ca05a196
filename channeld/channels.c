/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* channels.def as a table. */

#include "common/compat.h"

#include "channeld/chan.h"

static const struct channel_kind channel_kinds[] = {
#define CHANNEL(name, id_line, def, max, unit, rich, keep)		\
	{ #name, id_line, def, max, unit, &rich, keep, name##_allow_id,	\
	    name##_configure, name##_read, name##_start, name##_stop,	\
	    name##_poll_check, name##_send, name##_typing,		\
	    name##_probe },
#include "channeld/channels.def"
#undef CHANNEL
};

const struct channel_kind *
channel_kind(const char *name)
{
	size_t	 i;

	for (i = 0; i < sizeof(channel_kinds) / sizeof(channel_kinds[0]); i++)
		if (strcmp(channel_kinds[i].name, name) == 0)
			return &channel_kinds[i];
	return NULL;
}
