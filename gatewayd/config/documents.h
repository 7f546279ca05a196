/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The JSON documents that parcels carry; none of them holds a secret. */
#ifndef GATEWAYD_CONFIG_DOCUMENTS_H
#define GATEWAYD_CONFIG_DOCUMENTS_H

#include "gatewayd/config/agents.h"
#include "gatewayd/config/providers.h"

/* Payload of config.get (spec/gateway-protocol.md 4.7). */
struct json5 *cf_json_snapshot(struct cf *);
/* Payload of agents.list. */
struct json5 *cf_json_agents(struct cf *, const struct cf_agent *, size_t);
/* json.config of one agentd, which is one of all of them. */
struct json5 *cf_json_agent(struct cf *, const struct cf_agent *,
	    const struct cf_agent *all, size_t n, const struct cf_provider *,
	    size_t);
/* Tools of one agent: those of all, with its own over them. */
struct json5 *cf_json_tools(struct cf *, const struct cf_agent *);
/* agents.defaults with the entry of the agent over it, not redacted. */
struct json5 *cf_agent_merged(struct cf *, const struct cf_agent *);

#endif
