/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests of several clients, or several of one, that wait for the same
 * answer: a repeat joins what is under way instead of doing it again.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

struct waiter {
	STAILQ_ENTRY(waiter)	 entry;
	uint64_t		 client;
	size_t			 id_n;
	char			 id[];		/* raw JSON */
};

bool
rt_waiters_add(struct waiters *ws, struct request *q)
{
	struct waiter	*w;

	if (q->client->pending >= RT_PENDING_CLIENT ||
	    (w = malloc(sizeof(*w) + q->id.n)) == NULL)
		return false;
	w->client = q->client->id;
	w->id_n = q->id.n;
	memcpy(w->id, q->id.p, q->id.n);
	q->client->pending++;
	STAILQ_INSERT_TAIL(ws, w, entry);
	return true;
}

struct waiter *
rt_waiters_next(struct waiters *ws, struct client **c, struct str *id)
{
	struct waiter	*w = STAILQ_FIRST(ws);

	if (w == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(ws, entry);
	*c = rt_client_find(w->client);
	*id = (struct str){ w->id, w->id_n };
	return w;
}

void
rt_waiter_free(struct waiter *w, struct client *c)
{
	if (c != NULL) {
		c->pending--;
		rt_client_settled(c);
	}
	free(w);
}

void
rt_waiters_drop(struct waiters *ws)
{
	struct waiter	*w;
	struct client	*c;
	struct str	 id;

	while ((w = rt_waiters_next(ws, &c, &id)) != NULL)
		rt_waiter_free(w, c);
}
