/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From a chat to an agent and a session key (spec/sessions.md 2-4).  Pure: no
 * state besides the table.
 */
#ifndef GATEWAYD_ROUTER_ROUTE_H
#define GATEWAYD_ROUTER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"
#include "proto/enums.h"

#define ROUTE_KEY_MAX	512

enum route_dm_scope { DM_MAIN, DM_PEER, DM_CHANNEL_PEER, DM_ACCOUNT_PEER };
enum route_peer_kind { PEER_ANY, PEER_DM, PEER_GROUP, PEER_CHANNEL };

struct route_binding {
	const char		*agent, *channel, *account; /* may be "" */
	enum route_peer_kind	 peer_kind;
	const char		*peer;
};
struct route_identity {		/* session.identityLinks, flattened */
	const char		*name, *peer;
};
struct route_table {
	struct route_binding	*bindings;
	size_t			 nbindings;
	struct route_identity	*identities;
	size_t			 nidentities;
	enum route_dm_scope	 dm_scope;
	bool			 scope_global;
	const char		*default_agent;
	/* Is this id one of agents.list?  NULL: every id is. */
	bool			(*known)(struct str id);
};

struct route_from {
	struct str	 channel, account, chat, thread, sender;
	enum chat_type	 type;
};

/* The agent that a message from there belongs to; by tells the rule
 * ("binding.peer"), and may be NULL. */
const char *route_agent(const struct route_table *, const struct route_from *,
	    const char **by);
/* Its session key: 0, or -1 when it would be too long. */
int	 route_key(const struct route_table *, const struct route_from *,
	    const char *agent, char *key, size_t size);
/* May that agent write to that account?  It may where a message could come to
 * it from. */
bool	 route_may_deliver(const struct route_table *, const char *agent,
	    struct str channel, struct str account);
/* "x" of agent:x:..., empty when the key names no agent. */
struct str route_key_agent(struct str key);
int	 route_dm_scope_parse(const char *, enum route_dm_scope *);
void	 route_table_clear(struct route_table *);

#endif
