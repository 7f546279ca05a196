/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Methods that another process answers: the parameters travel as they came
 * (judged and mended already), the result comes back as one JSON value, which
 * is checked, because it goes into a frame of ours.  Which agent is asked is
 * said by the parameters; methods that name none may ask all (gather.c).
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

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

int
rt_ask(struct request *r, struct link *l, struct str params, uint32_t ms,
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

/* The value of that parameter, NULL when the method has none or it is absent. */
static const struct skim_val *
value_of(const struct request *r, const char *name)
{
	int	 at = method_param_at(r->method, name);

	return at == -1 || r->p.v[at].kind == SKIM_ABSENT ? NULL : &r->p.v[at];
}

/*
 * The agent whom the parameters name.  One that does not exist has no sessions
 * and no runs: the default agent is asked instead, in whose store nothing of
 * that name is.  *named: they named one at all.
 */
static struct rt_agent *
agent_of(const struct request *r, bool *named)
{
	static const char *const keys[] = { "sessionKey", "key" };
	const struct skim_val	*v = NULL;
	struct rt_agent		*a = NULL;
	char			 buf[ROUTE_KEY_MAX + 1];
	size_t			 i;

	for (i = 0; v == NULL && i < sizeof(keys) / sizeof(keys[0]); i++)
		v = value_of(r, keys[i]);
	*named = true;
	if (v != NULL)
		a = rt_agent_of_key(param_text(v, buf, sizeof(buf)));
	else if ((v = value_of(r, "agentId")) != NULL)
		a = rt_agent_find(param_text(v, buf, sizeof(buf)));
	else if ((v = value_of(r, "runId")) != NULL)
		a = rt_run_agent(param_text(v, buf, sizeof(buf)));
	else
		*named = false;
	return a != NULL ? a : &rt.cf->agents[rt.cf->default_agent];
}

/* How long the answer may take. */
static uint32_t
patience(const struct request *r)
{
	const struct skim_val	*v;
	int64_t			 wait = 30000;

	if (r->method->id == METHOD_SANDBOX_SELFTEST)
		return 120000;
	if (r->method->id != METHOD_AGENT_WAIT)
		return RT_RPC_MS;
	if ((v = value_of(r, "timeoutMs")) != NULL)
		skim_int(v, &wait);
	return (uint32_t)(wait > 86400000 ? 86400000 : wait) + 10000;
}

/* Tools do not fall back: what is tested must be what was named. */
static bool
tool_exists(struct request *r)
{
	const struct skim_val	*v = value_of(r, "agentId");
	struct str		 name;
	char			 buf[256], text[256];

	if (r->method->owner != OWNER_TOOL || v == NULL || rt_agent_find(
	    name = param_text(v, buf, sizeof(buf))) != NULL)
		return true;
	snprintf(text, sizeof(text), "invalid %s params: unknown agent id "
	    "\"%.*s\"", r->method->name, (int)utf8_cut(name.p, name.n, 64),
	    name.p);
	rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
	return false;
}

void
rt_do_forward(struct request *r)
{
	struct rt_agent	*a;
	struct link	*l = NULL;
	struct str	 params = { "{}", 2 };
	char		 text[256];
	bool		 named;

	if (r->params.kind == SKIM_OBJECT)
		params = (struct str){ r->params.p, r->params.n };
	if (params.n > RT_PARAMS_MAX) {
		snprintf(text, sizeof(text), "invalid %s params: must NOT "
		    "have more than %d bytes", r->method->name, RT_PARAMS_MAX);
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
		return;
	}
	if (!tool_exists(r))
		return;
	a = agent_of(r, &named);
	switch (r->method->owner) {
	case OWNER_AGENTS:
		if (!named && rt.cf->nagents > 1) {
			rt_gather(r, params);
			return;
		}
		l = a->link;
		break;
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
	if (rt_ask(r, l, params, patience(r), NULL, 0) == -1) {
		snprintf(text, sizeof(text), "%s: %s", r->method->name,
		    l == NULL ? "the process that answers is not running" :
		    "too many requests; try again");
		unavailable(r->client, r->id, text);
	}
}

/* --- answers ------------------------------------------------------------------ */

enum msg_err
rt_on_rpc_res(struct link *l, struct msg *m)
{
	struct m_rpc_res	 v;
	struct pending		*p;
	struct client		*c;
	struct skim_val		 json, details;
	enum msg_err		 err;

	if ((err = get_rpc_res(m, &v)) != MSG_OK)
		return err;
	/* A failure may have a payload too. */
	if (((v.ok || v.result.n > 0) && skim_text(v.result.p, v.result.n,
	    &json) != SKIM_OK) || (!v.ok && v.details.n > 0 &&
	    skim_text(v.details.p, v.details.n, &details) != SKIM_OK))
		return MSG_MEANING;
	if ((p = rt_pending_find(m->h.corr, PEND_PROBE, l)) != NULL) {
		rt_probe_res(p, &v);
		return MSG_OK;
	}
	if ((p = rt_pending_find(m->h.corr, PEND_RPC, l)) == NULL)
		return MSG_OK;		/* too late */
	if (p->gather != NULL)
		rt_gather_part(p, &v);
	else if ((c = rt_client_find(p->client)) != NULL) {
		if (v.ok && (p->method->id == METHOD_NODE_LIST ||
		    p->method->id == METHOD_NODE_DESCRIBE))
			rt_nodes_answer(c, (struct str){ p->id, p->id_n },
			    p->method, &json);
		else if (v.ok)
			rt_answer_raw(c, (struct str){ p->id, p->id_n },
			    json.p, json.n);
		else
			rt_answer_error_full(c, (struct str){ p->id, p->id_n },
			    v.result, v.code.n > 0 ? v.code :
			    STR_LIT("UNAVAILABLE"), v.message, v.details);
	}
	/* What the router asked for itself has no method. */
	if (v.ok && p->gather == NULL && p->method != NULL)
		rt_watch_answered(p->method, &json);
	rt_pending_free(p);
	return MSG_OK;
}

void
rt_rpc_fail(struct pending *p, const char *why)
{
	struct client	*c;
	char		 text[256];

	if (p->gather != NULL)
		rt_gather_part(p, NULL);
	else if ((c = rt_client_find(p->client)) != NULL) {
		snprintf(text, sizeof(text), "%s: %s", p->method->name, why);
		unavailable(c, (struct str){ p->id, p->id_n }, text);
	}
	rt_pending_free(p);
}
