/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Which commands a node of some platform may be sent (spec 6.3).  Pure.  The
 * platform is the node's own word: it can only narrow what the node is asked,
 * for it has to declare each command as well.
 */
#ifndef GATEWAYD_ROUTER_NODE_POLICY_H
#define GATEWAYD_ROUTER_NODE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

struct node_policy {
	char		**allow, **deny;	/* gateway.nodes.* */
	size_t		 nallow, ndeny;
};

bool	 node_policy_allows(const struct node_policy *, struct str platform,
	    struct str family, struct str command);
void	 node_policy_clear(struct node_policy *);

#endif
