/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See bindings.h. */
#include "common/compat.h"

#include "gatewayd/config/agents.h"
#include "gatewayd/config/bindings.h"

void
cf_bindings_put(const struct cf *cf, const char *first,
    struct parcel_writer *pw)
{
	const struct json5	*m = json5_get(cf->root, "bindings"), *match;
	const struct json5	*e;
	const char		*s;
	char			 id[CF_AGENT_ID_MAX + 1];
	size_t			 n = 0;

	for (m = m != NULL ? m->child : NULL; m != NULL; m = m->next) {
		match = json5_get(m, "match");
		e = cf_agent_find(cf, json5_text(m, "agentId", ""));
		cf_agent_id(json5_text(m, "agentId", ""), id);
		if (e == NULL && strcmp(id, first) != 0)
			strlcpy(id, first, sizeof(id));
		parcel_puts(pw, id, "binding.%zu.agent", n);
		parcel_puts(pw, json5_text(match, "channel", ""),
		    "binding.%zu.channel", n);
		if ((s = json5_text(match, "accountId", NULL)) != NULL)
			parcel_puts(pw, s, "binding.%zu.account", n);
		if ((s = json5_text(match, "peer.kind", NULL)) != NULL) {
			parcel_puts(pw, strcmp(s, "direct") == 0 ? "dm" : s,
			    "binding.%zu.peerKind", n);
			parcel_puts(pw, json5_text(match, "peer.id", ""),
			    "binding.%zu.peerId", n);
		}
		if ((s = json5_text(match, "guildId", NULL)) != NULL)
			parcel_puts(pw, s, "binding.%zu.guild", n);
		if ((s = json5_text(match, "teamId", NULL)) != NULL)
			parcel_puts(pw, s, "binding.%zu.team", n);
		n++;
	}
}

/* One person's peers, flattened; the order of the file is the order of
 * precedence. */
void
cf_identities_put(const struct cf *cf, struct parcel_writer *pw)
{
	const struct json5	*m = json5_path(cf->root,
				    "session.identityLinks"), *id;
	size_t			 n = 0;

	for (m = m != NULL && m->type == JSON5_OBJECT ? m->child : NULL;
	    m != NULL; m = m->next)
		for (id = m->child; id != NULL; id = id->next) {
			if (id->type != JSON5_STRING)
				continue;
			parcel_put(pw, m->key, "identityLink.%zu.name", n);
			parcel_put(pw, id->s, "identityLink.%zu.peer", n);
			n++;
		}
}
