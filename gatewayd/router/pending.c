/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Questions that wait for a sibling's answer: a bounded table by correlation
 * number.  An answer counts only when it comes from whom was asked.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

#define BUCKETS	4096	/* numbers are given in sequence: chains are short */

static TAILQ_HEAD(bucket, pending) buckets[BUCKETS];
static size_t	 npending;
static bool	 ready;

static void
fail(struct pending *p, const char *why)
{
	switch (p->kind) {
	case PEND_RPC:
	case PEND_SYSTEM:
		rt_rpc_fail(p, why);
		return;
	case PEND_TURN:
		rt_turn_fail(p, why);
		return;
	case PEND_INBOUND:
		rt_inbound_fail(p);
		return;
	case PEND_DELIVER:
		rt_deliver_fail(p);
		return;
	case PEND_PROBE:
		rt_probe_fail(p, why);
		return;
	case PEND_SEND:
		rt_send_fail(p);
		return;
	case PEND_PAIR:
		rt_pair_fail(p);
		return;
	case PEND_SUP:
		rt_sup_fail(p, why);
		return;
	case PEND_DECISION:
		rt_decision_fail(p);
		return;
	case PEND_SENTINEL:
		rt_sentinel_fail(p);
		return;
	}
}

struct pending *
rt_pending_new(enum pending_kind kind, struct link *to, struct client *c,
    struct str id, uint32_t ms)
{
	struct pending	*p;
	size_t		 i;

	if (!ready) {
		for (i = 0; i < BUCKETS; i++)
			TAILQ_INIT(&buckets[i]);
		ready = true;
	}
	if (npending >= RT_PENDING_MAX || id.n > RT_ID_MAX ||
	    (c != NULL && c->pending >= RT_PENDING_CLIENT))
		return NULL;
	if ((p = calloc(1, sizeof(*p) + id.n + 1)) == NULL)
		return NULL;
	p->kind = kind;
	p->to = to;
	p->corr = link_corr();
	p->deadline = mono_ms() + ms;
	p->id_n = id.n;
	if (id.n > 0)
		memcpy(p->id, id.p, id.n);
	if (c != NULL) {
		p->client = c->id;
		c->pending++;
	}
	TAILQ_INSERT_TAIL(&buckets[p->corr % BUCKETS], p, entry);
	npending++;
	return p;
}

struct pending *
rt_pending_find(uint64_t corr, enum pending_kind kind, const struct link *to)
{
	struct pending	*p;

	if (!ready)
		return NULL;
	TAILQ_FOREACH(p, &buckets[corr % BUCKETS], entry)
		if (p->corr == corr)
			return p->kind == kind && p->to == to ? p : NULL;
	return NULL;
}

void
rt_pending_free(struct pending *p)
{
	struct client	*c;

	TAILQ_REMOVE(&buckets[p->corr % BUCKETS], p, entry);
	npending--;
	if (p->client != 0 && (c = rt_client_find(p->client)) != NULL) {
		c->pending--;
		rt_client_settled(c);
	}
	dbuf_clear(&p->rows);
	free(p->name);
	free(p);
}

void
rt_pending_link_gone(struct link *l)
{
	struct pending	*p, *next;
	size_t		 i;

	for (i = 0; ready && i < BUCKETS; i++)
		for (p = TAILQ_FIRST(&buckets[i]); p != NULL; p = next) {
			next = TAILQ_NEXT(p, entry);
			if (p->from == l)
				p->from = NULL;
			if (p->to == l)
				fail(p, "the process that answers ended; "
				    "try again");
		}
}

void
rt_pending_sweep(uint64_t now)
{
	struct pending	*p, *next;
	size_t		 i;

	for (i = 0; ready && npending > 0 && i < BUCKETS; i++)
		for (p = TAILQ_FIRST(&buckets[i]); p != NULL; p = next) {
			next = TAILQ_NEXT(p, entry);
			if (p->deadline <= now)
				fail(p, "no answer in time");
		}
}

size_t
rt_pending_count(void)
{
	return npending;
}
