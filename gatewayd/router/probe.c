/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * channels.status with probe: every account that runs asks its platform, all
 * at the same time, and the answer waits for the slowest of them but not
 * longer than the client wants to.
 */
#include "common/compat.h"

#include "gatewayd/router/router.h"

#define DEFAULT_MS	10000
#define LEAST_MS	1000
#define MOST_MS		120000
#define GRACE_MS	2000	/* the channel ends its probe itself */

struct probing {
	uint64_t	 client;
	size_t		 left;
	size_t		 id_n;
	char		 id[];		/* raw JSON */
};

static void
done(struct probing *g)
{
	struct client	*c;

	if (--g->left > 0)
		return;
	if ((c = rt_client_find(g->client)) != NULL) {
		rt_channels_status(c, (struct str){ g->id, g->id_n }, true);
		c->pending--;
		rt_client_settled(c);
	}
	free(g);
}

static void
note(struct rt_account *a, struct payload *p)
{
	if (a == NULL) {
		rt_payload_unref(p);
		return;
	}
	rt_payload_unref(a->probe);
	a->probe = p;
	a->probed_at = wall_ms();
}

static void
note_failure(struct rt_account *a, const char *why)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 8192);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kbool(&w, "ok", false);
	jw_knull(&w, "status");
	jw_ks(&w, "error", why);
	jw_obj_end(&w);
	note(a, dbuf_err(&b) ? NULL : rt_payload_of(b.p, b.n));
	dbuf_clear(&b);
}

/* By name: the configuration may have changed since. */
static struct rt_account *
account_of(const struct pending *p)
{
	const char	*colon = strchr(p->name, ':');

	return colon == NULL ? NULL : rt_account_find((struct str){ p->name,
	    (size_t)(colon - p->name) }, str_of(colon + 1));
}

static bool
ask(struct rt_account *a, struct probing *g, struct str params, uint32_t ms)
{
	struct m_rpc_req	 q;
	struct pending		*p;
	char			 name[160];

	if (link_full(a->link) || (p = rt_pending_new(PEND_PROBE, a->link,
	    NULL, (struct str){ "", 0 }, ms + GRACE_MS)) == NULL)
		return false;
	snprintf(name, sizeof(name), "%s:%s", a->kind, a->account);
	p->probing = g;
	memset(&q, 0, sizeof(q));
	q.method = STR_LIT("channels.status");
	q.params = params;
	if ((p->name = strdup(name)) == NULL || send_rpc_req(a->link, &q,
	    p->corr, 0) == -1) {
		rt_pending_free(p);
		return false;
	}
	return true;
}

void
rt_do_channels_status(struct request *r)
{
	const struct p_CHANNELS_STATUS *v = &r->p.CHANNELS_STATUS;
	struct probing	*g;
	char		 params[64];
	int64_t		 ms = DEFAULT_MS;
	size_t		 i;

	if (v->probe.kind != SKIM_BOOL || v->probe.p[0] != 't') {
		rt_channels_status(r->client, r->id, false);
		return;
	}
	if (v->timeoutMs.kind != SKIM_ABSENT)
		skim_int(&v->timeoutMs, &ms);
	ms = ms < LEAST_MS ? LEAST_MS : ms > MOST_MS ? MOST_MS : ms;
	if (r->client->pending >= RT_PENDING_CLIENT ||
	    (g = calloc(1, sizeof(*g) + r->id.n)) == NULL) {
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many requests; try again");
		return;
	}
	g->client = r->client->id;
	g->id_n = r->id.n;
	memcpy(g->id, r->id.p, r->id.n);
	r->client->pending++;
	snprintf(params, sizeof(params), "{\"probe\":true,\"timeoutMs\":%lld}",
	    (long long)ms);
	g->left = 1;	/* so that none of the accounts can be the last */
	for (i = 0; i < rt.cf->naccounts; i++) {
		if (rt.cf->accounts[i].link == NULL)
			note_failure(&rt.cf->accounts[i],
			    "the account is not running");
		else if (ask(&rt.cf->accounts[i], g, str_of(params),
		    (uint32_t)ms))
			g->left++;
		else
			note_failure(&rt.cf->accounts[i],
			    "the channel is busy; try again");
	}
	done(g);
}

void
rt_probe_res(struct pending *p, const struct m_rpc_res *v)
{
	struct probing	*g = p->probing;
	struct skim_val	 json;
	char		 why[256];

	if (v->ok && skim_text(v->result.p, v->result.n, &json) == SKIM_OK &&
	    json.kind == SKIM_OBJECT)
		note(account_of(p), rt_payload_of(json.p, json.n));
	else {
		snprintf(why, sizeof(why), "%.*s", (int)utf8_cut(v->message.p,
		    v->message.n, sizeof(why) - 1), v->message.p);
		note_failure(account_of(p), why);
	}
	rt_pending_free(p);
	done(g);
}

void
rt_probe_fail(struct pending *p, const char *why)
{
	struct probing	*g = p->probing;

	note_failure(account_of(p), why);
	rt_pending_free(p);
	done(g);
}
