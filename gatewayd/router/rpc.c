/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Methods that another process answers: the parameters travel as they came
 * (judged and mended already), the result comes back as one JSON value, which
 * is checked, because it goes into a frame of ours.
 *
 * With several agents, sessions.list and sessions.preview ask each that is
 * concerned and join the answers here.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define GATHER_MAX	64	/* agents asked at once */
#define ROWS_MAX	20000	/* rows joined */

struct gather {
	uint64_t	 client;
	const struct method *method;
	size_t		 parts, left;
	int64_t		 limit;
	struct payload	*results[GATHER_MAX];
	size_t		 id_n;
	char		 id[];
};

static void	 gather_done(struct gather *);

static void
unavailable(struct client *c, struct str id, const char *why)
{
	rt_answer_error(c, id, "UNAVAILABLE", why);
}

/* Text of a string parameter: in place, or unescaped into buf. */
static struct str
param_text(const struct skim_val *v, char *buf, size_t size)
{
	ssize_t	 n;

	if (v->kind != SKIM_STRING)
		return (struct str){ "", 0 };
	if (!v->escaped)
		return skim_raw(v);
	if ((n = skim_unescape(v, buf, size)) == -1)
		return (struct str){ "", 0 };
	return (struct str){ buf, (size_t)n };
}

static int
ask(struct request *r, struct link *l, struct str params, uint32_t ms,
    struct gather *g, size_t part)
{
	struct m_rpc_req	 q;
	struct pending		*p;

	if (l == NULL)
		return -1;
	/* A joined request counts once for its client. */
	p = rt_pending_new(PEND_RPC, l, g == NULL ? r->client : NULL,
	    g == NULL ? r->id : (struct str){ "", 0 }, ms);
	if (p == NULL)
		return -1;
	p->method = r->method;
	p->gather = g;
	p->part = part;
	memset(&q, 0, sizeof(q));
	q.method = str_of(r->method->name);
	q.scopes = r->client->scopes;
	q.principal = str_of(r->client->principal);
	q.params = params;
	if (link_full(l) || send_rpc_req(l, &q, p->corr, 0) == -1) {
		rt_pending_free(p);
		return -1;
	}
	return 0;
}

static struct gather *
gather_new(struct request *r, size_t parts)
{
	struct gather	*g;

	if (r->client->pending >= RT_PENDING_CLIENT ||
	    (g = calloc(1, sizeof(*g) + r->id.n)) == NULL)
		return NULL;
	g->client = r->client->id;
	g->method = r->method;
	g->parts = g->left = parts;
	g->id_n = r->id.n;
	memcpy(g->id, r->id.p, r->id.n);
	r->client->pending++;
	return g;
}

/* sessions.list of all agents. */
static void
list_all(struct request *r, struct str params)
{
	struct gather	*g;
	size_t		 i, n = rt.cf->nagents;

	if (n > GATHER_MAX)
		n = GATHER_MAX;
	if ((g = gather_new(r, n)) == NULL) {
		unavailable(r->client, r->id, "too many requests");
		return;
	}
	g->limit = INT64_MAX;
	if (r->p.SESSIONS_LIST.limit.kind == SKIM_NUMBER)
		skim_int(&r->p.SESSIONS_LIST.limit, &g->limit);
	/* Asked in order; one that is not there counts as empty. */
	g->left++;
	for (i = 0; i < n; i++)
		if (ask(r, rt.cf->agents[i].link, params, RT_RPC_MS, g,
		    i) == -1)
			g->left--;
	if (--g->left == 0)
		gather_done(g);
}

static void
preview_params(struct request *r, const struct rt_agent *a, struct dbuf *b,
    size_t *keys)
{
	struct p_SESSIONS_PREVIEW	*p = &r->p.SESSIONS_PREVIEW;
	struct skim_iter		 it;
	struct skim_val			 v;
	struct jw			 w;
	char				 buf[ROUTE_KEY_MAX + 1];
	size_t				 n = 0;

	*keys = 0;
	dbuf_reset(b);
	jw_init(&w, b);
	jw_obj(&w);
	jw_karr(&w, "keys");
	skim_iter_init(&it, &p->keys);
	while (n++ < 64 && skim_next(&it, NULL, &v)) {
		if (rt_agent_of_key(param_text(&v, buf, sizeof(buf))) != a)
			continue;
		jw_raw(&w, v.p, v.n);
		(*keys)++;
	}
	jw_arr_end(&w);
	if (p->limit.kind == SKIM_NUMBER)
		jw_kraw(&w, "limit", p->limit.p, p->limit.n);
	if (p->maxChars.kind == SKIM_NUMBER)
		jw_kraw(&w, "maxChars", p->maxChars.p, p->maxChars.n);
	jw_obj_end(&w);
}

static void
preview_all(struct request *r)
{
	struct gather	*g;
	struct dbuf	 b;
	size_t		 i, keys, n = rt.cf->nagents;

	if (n > GATHER_MAX)
		n = GATHER_MAX;
	if ((g = gather_new(r, n)) == NULL) {
		unavailable(r->client, r->id, "too many requests");
		return;
	}
	dbuf_init(&b, RT_PARAMS_MAX);
	g->left++;
	for (i = 0; i < n; i++) {
		preview_params(r, &rt.cf->agents[i], &b, &keys);
		if (keys == 0 || dbuf_err(&b) || ask(r,
		    rt.cf->agents[i].link, (struct str){ b.p, b.n }, RT_RPC_MS,
		    g, i) == -1)
			g->left--;
	}
	dbuf_clear(&b);
	if (--g->left == 0)
		gather_done(g);
}

/* A session of an agent that does not exist has no history and no run. */
static void
no_agent(struct request *r, const struct skim_val *key)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);

	jw_obj(w);
	if (r->method->id == METHOD_CHAT_HISTORY) {
		jw_kraw(w, "sessionKey", key->p, key->n);
		jw_karr(w, "messages");
		jw_arr_end(w);
		jw_ks(w, "thinkingLevel", "off");
	} else {
		jw_kbool(w, "ok", true);
		jw_kbool(w, "aborted", false);
		jw_karr(w, "runIds");
		jw_arr_end(w);
	}
	jw_obj_end(w);
	rt_answer_end(r->client);
}

void
rt_do_forward(struct request *r)
{
	struct rt_agent	*a = &rt.cf->agents[rt.cf->default_agent];
	struct link	*l = NULL;
	struct str	 params = { "{}", 2 }, name;
	const struct skim_val *key = NULL, *id = NULL;
	char		 buf[ROUTE_KEY_MAX + 1], text[256];
	uint32_t	 ms = RT_RPC_MS;
	int64_t		 wait = 30000;

	if (r->params.kind == SKIM_OBJECT)
		params = (struct str){ r->params.p, r->params.n };
	if (params.n > RT_PARAMS_MAX) {
		snprintf(text, sizeof(text), "invalid %s params: must NOT "
		    "have more than %d bytes", r->method->name, RT_PARAMS_MAX);
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
		return;
	}
	switch (r->method->id) {
	case METHOD_CHAT_HISTORY:
		key = &r->p.CHAT_HISTORY.sessionKey;
		break;
	case METHOD_CHAT_ABORT:
		key = &r->p.CHAT_ABORT.sessionKey;
		break;
	case METHOD_AGENT_WAIT:
		if ((a = rt_run_agent(param_text(&r->p.AGENT_WAIT.runId, buf,
		    sizeof(buf)))) == NULL)
			a = &rt.cf->agents[rt.cf->default_agent];
		if (r->p.AGENT_WAIT.timeoutMs.kind == SKIM_NUMBER)
			skim_int(&r->p.AGENT_WAIT.timeoutMs, &wait);
		ms = (uint32_t)(wait > 86400000 ? 86400000 : wait) + 10000;
		break;
	case METHOD_SESSIONS_LIST:
		id = &r->p.SESSIONS_LIST.agentId;
		if (id->kind == SKIM_ABSENT && rt.cf->nagents > 1) {
			list_all(r, params);
			return;
		}
		break;
	case METHOD_SESSIONS_PREVIEW:
		if (rt.cf->nagents > 1) {
			preview_all(r);
			return;
		}
		break;
	case METHOD_SANDBOX_SELFTEST:
		id = &r->p.SANDBOX_SELFTEST.agentId;
		ms = 120000;
		break;
	default:
		break;
	}
	if (key != NULL && (a = rt_agent_of_key(param_text(key, buf,
	    sizeof(buf)))) == NULL) {
		no_agent(r, key);
		return;
	}
	if (id != NULL && id->kind == SKIM_STRING &&
	    (a = rt_agent_find(name = param_text(id, buf,
	    sizeof(buf)))) == NULL) {
		snprintf(text, sizeof(text), "invalid %s params: unknown agent "
		    "id \"%.*s\"", r->method->name,
		    (int)utf8_cut(name.p, name.n, 64), name.p);
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
		return;
	}
	switch (r->method->owner) {
	case OWNER_AGENT:
		l = a->link;
		break;
	case OWNER_TOOL:
		l = a->tool;
		break;
	case OWNER_STORE:
		l = rt.store;
		break;
	case OWNER_LOG:
		l = rt.log;
		break;
	case OWNER_FRONT:
	case OWNER_ROUTER:
	case OWNER_PARENT:
		break;
	}
	if (ask(r, l, params, ms, NULL, 0) == -1) {
		snprintf(text, sizeof(text), "%s: %s", r->method->name,
		    l == NULL ? "the process that answers is not running" :
		    "too many requests; try again");
		unavailable(r->client, r->id, text);
	}
}

/* --- answers ------------------------------------------------------------------ */

static void
gather_part(struct pending *p, const struct m_rpc_res *v)
{
	struct gather	*g = p->gather;

	if (v != NULL && v->ok && p->part < GATHER_MAX)
		g->results[p->part] = rt_payload_of(v->result.p, v->result.n);
	if (--g->left == 0)
		gather_done(g);
}

enum msg_err
rt_on_rpc_res(struct link *l, struct msg *m)
{
	struct m_rpc_res	 v;
	struct pending		*p;
	struct client		*c;
	struct skim_val		 json;
	struct str		 none = { "", 0 };
	enum msg_err		 err;

	if ((err = get_rpc_res(m, &v)) != MSG_OK)
		return err;
	if (v.ok ? skim_text(v.result.p, v.result.n, &json) != SKIM_OK :
	    (v.details.n > 0 && skim_text(v.details.p, v.details.n,
	    &json) != SKIM_OK))
		return MSG_MEANING;
	if ((p = rt_pending_find(m->h.corr, PEND_RPC, l)) == NULL)
		return MSG_OK;		/* too late */
	if (p->gather != NULL)
		gather_part(p, &v);
	else if ((c = rt_client_find(p->client)) != NULL) {
		if (v.ok)
			rt_answer_raw(c, (struct str){ p->id, p->id_n },
			    json.p, json.n);
		else
			rt_answer_error_full(c, (struct str){ p->id, p->id_n },
			    none, v.code.n > 0 ? v.code :
			    STR_LIT("UNAVAILABLE"), v.message, v.details);
	}
	rt_pending_free(p);
	return MSG_OK;
}

void
rt_rpc_fail(struct pending *p, const char *why)
{
	struct client	*c;
	char		 text[256];

	if (p->gather != NULL)
		gather_part(p, NULL);
	else if ((c = rt_client_find(p->client)) != NULL) {
		snprintf(text, sizeof(text), "%s: %s", p->method->name, why);
		unavailable(c, (struct str){ p->id, p->id_n }, text);
	}
	rt_pending_free(p);
}

/* --- several agents ----------------------------------------------------------- */

struct row {
	int64_t		 updated;
	size_t		 order;
	struct skim_val	 v;
};

static int
row_compare(const void *a, const void *b)
{
	const struct row	*x = a, *y = b;

	if (x->updated != y->updated)
		return x->updated > y->updated ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static size_t
gather_rows(const struct gather *g, const char *key, struct row **out)
{
	struct skim_val		 root, list, v, at;
	struct skim_iter	 it;
	struct row		*rows;
	size_t			 i, n = 0, cap = 64;

	if ((rows = calloc(cap, sizeof(*rows))) == NULL)
		return 0;
	for (i = 0; i < g->parts; i++) {
		if (g->results[i] == NULL || skim_text(g->results[i]->p,
		    g->results[i]->n, &root) != SKIM_OK ||
		    !skim_get(&root, key, &list))
			continue;
		skim_iter_init(&it, &list);
		while (n < ROWS_MAX && skim_next(&it, NULL, &v)) {
			if (n == cap) {
				struct row *more = reallocarray(rows, cap * 2,
				    sizeof(*rows));
				if (more == NULL)
					break;
				rows = more;
				cap *= 2;
			}
			rows[n].v = v;
			rows[n].order = n;
			rows[n].updated = INT64_MIN;
			if (skim_get(&v, "updatedAt", &at))
				skim_int(&at, &rows[n].updated);
			n++;
		}
	}
	*out = rows;
	return n;
}

static void
gather_write(struct gather *g, struct client *c)
{
	struct jw	*w;
	struct skim_val	 root, v;
	struct row	*rows = NULL;
	bool		 list = g->method->id == METHOD_SESSIONS_LIST;
	size_t		 i, n;

	n = gather_rows(g, list ? "sessions" : "previews", &rows);
	if (list && rows != NULL)
		qsort(rows, n, sizeof(*rows), row_compare);
	if (list && (uint64_t)g->limit < n)
		n = (size_t)g->limit;
	w = rt_answer_begin(c, (struct str){ g->id, g->id_n });
	jw_obj(w);
	jw_kuint(w, "ts", wall_ms());
	if (list) {
		jw_ks(w, "path", "(multiple)");
		jw_kuint(w, "count", n);
		jw_key(w, "defaults");
		for (i = 0; i < g->parts; i++)
			if (g->results[i] != NULL && skim_text(
			    g->results[i]->p, g->results[i]->n, &root) ==
			    SKIM_OK && skim_get(&root, "defaults", &v))
				break;
		if (i < g->parts)
			jw_raw(w, v.p, v.n);
		else {
			jw_obj(w);
			jw_obj_end(w);
		}
	}
	jw_karr(w, list ? "sessions" : "previews");
	for (i = 0; i < n; i++)
		jw_raw(w, rows[i].v.p, rows[i].v.n);
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
	free(rows);
}

static void
gather_done(struct gather *g)
{
	struct client	*c;
	size_t		 i;

	if ((c = rt_client_find(g->client)) != NULL) {
		gather_write(g, c);
		c->pending--;
		rt_client_settled(c);
	}
	for (i = 0; i < GATHER_MAX; i++)
		rt_payload_unref(g->results[i]);
	free(g);
}
