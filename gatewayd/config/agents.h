/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Agents of the configuration: ids, which is the default, their folders. */
#ifndef GATEWAYD_CONFIG_AGENTS_H
#define GATEWAYD_CONFIG_AGENTS_H

#include "gatewayd/config/config.h"

#define CF_AGENT_ID_MAX	64
#define CF_AGENTS_MAX	64

struct cf_agent {
	char			 id[CF_AGENT_ID_MAX + 1];
	const struct json5	*entry;		/* of agents.list; may be NULL */
	const char		*name;		/* NULL: none given */
	const char		*workspace;	/* absolute */
	const char		*dir;		/* <state>/agents/<id> */
	const char		*model;		/* of agents.list alone */
	bool			 isdefault;
};

/* Lower case, [a-z0-9_-], other runs become "-", cut; "main" when nothing is
 * left. */
void	 cf_agent_id(const char *, char id[CF_AGENT_ID_MAX + 1]);
/* The entry of agents.list with that id, or NULL. */
const struct json5 *cf_agent_find(const struct cf *, const char *id);
/* All agents, default first; their number (at least one), 0 out of memory. */
size_t	 cf_agents(struct cf *, struct cf_agent[CF_AGENTS_MAX]);

#endif
