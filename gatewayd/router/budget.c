/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * How often a device changes what the whole gateway runs on: a program that
 * went wild must not keep everybody's processes restarting.  Counted by device
 * and method, so that to connect anew is no new budget; without a device, by
 * connection.  It protects nothing from an administrator who means it.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define BUDGET		30	/* calls */
#define BUDGET_MS	60000	/* in this time */
#define BUCKETS		256	/* the oldest gives way */

struct bucket {
	enum method_id	 method;
	char		 who[160];
	uint64_t	 since;		/* mono; 0: free */
	unsigned int	 calls;
};
static struct bucket	 buckets[BUCKETS];

static struct bucket *
bucket_of(const struct request *r, uint64_t now)
{
	const struct client	*c = r->client;
	struct bucket		*b, *oldest = &buckets[0];
	char			 who[sizeof(b->who)];

	/* A device's id is a hash: no connection is named like one. */
	snprintf(who, sizeof(who), "%s", c->device_id != NULL ? c->device_id :
	    c->conn_id);
	for (b = buckets; b < buckets + BUCKETS; b++) {
		if (b->since != 0 && b->method == r->method->id &&
		    strcmp(b->who, who) == 0)
			break;
		if (b->since < oldest->since)
			oldest = b;
	}
	if (b == buckets + BUCKETS) {
		b = oldest;
		b->since = 0;
		b->method = r->method->id;
		strlcpy(b->who, who, sizeof(b->who));
	}
	if (b->since == 0 || now - b->since >= BUDGET_MS) {
		b->since = now;
		b->calls = 0;
	}
	return b;
}

bool
rt_budget_spent(struct request *r)
{
	uint64_t	 now = mono_ms(), left;
	struct bucket	*b = bucket_of(r, now);
	char		 text[160], details[128];

	if (b->calls < BUDGET) {
		b->calls++;
		return false;
	}
	left = b->since + BUDGET_MS - now;
	log_info("client %s: %s too often, by %s", r->client->conn_id,
	    r->method->name, r->client->principal);
	snprintf(text, sizeof(text), "rate limit exceeded for %s; retry after "
	    "%llus", r->method->name, (unsigned long long)(left + 999) / 1000);
	snprintf(details, sizeof(details), "{\"method\":\"%s\",\"limit\":"
	    "\"%d per %ds\"}", r->method->name, BUDGET, BUDGET_MS / 1000);
	rt_answer_later(r->client, r->id, text, details, left);
	return true;
}
