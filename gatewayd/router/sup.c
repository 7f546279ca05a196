/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Methods that the parent answers: gateway.* and sandbox.profiles. */
#include "common/compat.h"

#include "common/log.h"
#include "common/sandbox.h"
#include "common/sandbox_profiles.h"
#include "gatewayd/router/router.h"

#define ROWS_BYTES	(1u << 20)
#define SUP_MS		60000

bool rt_sup_restarting;

static void
watchers(const char *payload, size_t n)
{
	struct client	*c;

	/* Whoever waits for a verb of his sees what it does. */
	TAILQ_FOREACH(c, &rt_clients, entry)
		if (c->watching > 0 && !c->closing)
			rt_event_one(c, "process", payload, n);
}

void
rt_do_sup(struct request *r)
{
	struct m_sup_req	 q;
	struct pending		*p;
	char			 arg[256] = "";

	memset(&q, 0, sizeof(q));
	switch (r->method->id) {
	case METHOD_GATEWAY_STOP:
		q.verb = SUP_STOP;
		break;
	case METHOD_GATEWAY_RELOAD:
		q.verb = SUP_RELOAD;
		break;
	case METHOD_GATEWAY_RESTART:
		q.verb = SUP_RESTART;
		if (r->p.GATEWAY_RESTART.process.kind == SKIM_STRING &&
		    skim_unescape(&r->p.GATEWAY_RESTART.process, arg,
		    sizeof(arg)) == -1)
			goto bad;
		break;
	case METHOD_GATEWAY_VERBOSE:
		q.verb = SUP_VERBOSE;
		if (skim_unescape(&r->p.GATEWAY_VERBOSE.level, arg,
		    sizeof(arg)) == -1)
			goto bad;
		break;
	default:
		q.verb = SUP_LIST;
		break;
	}
	q.arg = str_of(arg);
	if (rt.ctl == NULL || (p = rt_pending_new(PEND_SUP, rt.ctl, r->client,
	    r->id, SUP_MS)) == NULL) {
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many requests; try again");
		return;
	}
	p->method = r->method;
	dbuf_init(&p->rows, ROWS_BYTES);
	if (send_sup_req(rt.ctl, &q, p->corr, 0) == -1) {
		rt_pending_free(p);
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "the supervisor does not answer");
		return;
	}
	if (q.verb != SUP_LIST) {
		p->watching = true;
		r->client->watching++;
	}
	if (q.verb == SUP_RESTART && arg[0] == '\0')
		rt_sup_restarting = true;
	return;
bad:
	rt_answer_error(r->client, r->id, "INVALID_REQUEST",
	    "no process of that name");
}

static void
write_facts(struct jw *w, const char *key, uint32_t bits)
{
	uint32_t	 b;

	jw_karr(w, key);
	for (b = 1; b != 0 && b < FACT_MAX; b <<= 1)
		if ((bits & b) && sandbox_fact_name(b) != NULL)
			jw_s(w, sandbox_fact_name(b));
	jw_arr_end(w);
}

static void
write_sets(struct jw *w, const char *key, uint32_t sets)
{
	uint32_t	 set;

	jw_karr(w, key);
	for (set = 1; set != 0; set <<= 1)
		if ((sets & set) && call_set_name(set) != NULL)
			jw_s(w, call_set_name(set));
	jw_arr_end(w);
}

static const struct sandbox_profile *
profile_of(struct str name)
{
	const struct sandbox_profile	*pr;
	unsigned int			 i;
	size_t				 n;

	for (n = 0; n < name.n && name.p[n] != '/'; n++)
		;
	name.n = n;
	for (i = 0; i < ROLE_MAX; i++)
		if ((pr = sandbox_profile_get(i)) != NULL &&
		    str_eqs(name, role_name(i)))
			return pr;
	return NULL;
}

static void
write_profile(struct jw *w, const struct m_sup_proc *v)
{
	const struct sandbox_profile	*pr = profile_of(v->name);

	jw_obj(w);
	jw_kstr(w, "name", v->name);
	if (pr != NULL) {
		jw_ks(w, "class", pr->class);
		jw_ks(w, "purpose", pr->text);
		write_sets(w, "calls", pr->sets);
		write_sets(w, "startCalls", pr->start);
	}
	jw_kuint(w, "uid", v->uid);
	jw_kuint(w, "syscalls", v->syscalls);
	jw_kuint(w, "startSyscalls", v->start_syscalls);
	jw_kuint(w, "landlockAbi", v->landlock_abi);
	write_facts(w, "active", v->sandbox);
	write_facts(w, "missing", v->failed);
	jw_kstr_opt(w, "detail", v->detail);
	jw_obj_end(w);
}

static void
write_process(struct jw *w, const struct m_sup_proc *v)
{
	jw_obj(w);
	jw_kstr(w, "name", v->name);
	jw_ks(w, "state", proc_state_name(v->state));
	jw_kuint(w, "pid", v->pid);
	jw_kuint(w, "uid", v->uid);
	jw_kuint(w, "restarts", v->restarts);
	jw_kuint(w, "startedAtMs", v->started_ms);
	jw_kuint(w, "readyAtMs", v->ready_ms);
	jw_kuint(w, "pssKiB", v->pss_kib);
	jw_kuint(w, "syscalls", v->syscalls);
	jw_kuint(w, "startSyscalls", v->start_syscalls);
	jw_kuint(w, "landlockAbi", v->landlock_abi);
	write_facts(w, "active", v->sandbox);
	write_facts(w, "missing", v->failed);
	jw_kstr_opt(w, "lastExit", v->last_exit);
	jw_kstr_opt(w, "detail", v->detail);
	jw_obj_end(w);
}

static enum msg_err
on_sup_proc(struct link *l, struct msg *m)
{
	struct m_sup_proc	 v;
	struct pending		*p;
	struct jw		 w;
	enum msg_err		 err;

	if ((err = get_sup_proc(m, &v)) != MSG_OK)
		return err;
	if ((p = rt_pending_find(m->h.corr, PEND_SUP, l)) == NULL)
		return MSG_OK;
	jw_init(&w, &p->rows);
	w.comma = p->nrows++ > 0;
	if (p->method->id == METHOD_SANDBOX_PROFILES)
		write_profile(&w, &v);
	else
		write_process(&w, &v);
	return MSG_OK;
}

static void
unwatch(struct pending *p, struct client *c)
{
	if (p->watching && c != NULL)
		c->watching--;
}

static enum msg_err
on_sup_res(struct link *l, struct msg *m)
{
	struct m_sup_res	 v;
	struct pending		*p;
	struct client		*c;
	struct str		 id, none = { "", 0 };
	struct jw		*w;
	enum msg_err		 err;

	if ((err = get_sup_res(m, &v)) != MSG_OK)
		return err;
	if ((p = rt_pending_find(m->h.corr, PEND_SUP, l)) == NULL)
		return MSG_OK;
	c = rt_client_find(p->client);
	unwatch(p, c);
	id = (struct str){ p->id, p->id_n };
	if (v.status != SUP_OK && p->method->id == METHOD_GATEWAY_RESTART)
		rt_sup_restarting = false;
	if (p->method->id == METHOD_SKILLS_UPDATE && p->rows.n > 0) {
		rt_sup_written(p, v.status == SUP_OK, v.text);
		goto done;
	}
	if (c == NULL)
		goto done;
	if (v.status != SUP_OK || dbuf_err(&p->rows)) {
		rt_answer_error_full(c, id, none, v.status == SUP_UNKNOWN ?
		    STR_LIT("INVALID_REQUEST") : STR_LIT("UNAVAILABLE"),
		    v.text.n > 0 ? v.text : STR_LIT("refused"), none);
		goto done;
	}
	w = rt_answer_begin(c, id);
	jw_obj(w);
	if (p->method->id == METHOD_GATEWAY_PROCESSES ||
	    p->method->id == METHOD_SANDBOX_PROFILES) {
		jw_key(w, p->method->id == METHOD_SANDBOX_PROFILES ?
		    "profiles" : "processes");
		dbuf_putc(w->b, '[');
		if (p->rows.n > 0)
			dbuf_put(w->b, p->rows.p, p->rows.n);
		dbuf_putc(w->b, ']');
		w->comma = true;
		jw_kstr_opt(w, "mode", v.text);
		if (p->method->id == METHOD_GATEWAY_PROCESSES)
			jw_kint(w, "port", rt.cf->port);
	} else {
		jw_kbool(w, "ok", true);
		jw_kstr_opt(w, "message", v.text);
	}
	jw_obj_end(w);
	rt_answer_end(c);
done:
	rt_pending_free(p);
	return MSG_OK;
}

static enum msg_err
on_sup_event(struct msg *m)
{
	struct m_sup_event	 v;
	struct dbuf		 b;
	struct jw		 w;
	enum msg_err		 err;

	if ((err = get_sup_event(m, &v)) != MSG_OK)
		return err;
	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "name", v.name);
	jw_ks(&w, "state", proc_state_name(v.state));
	jw_kstr_opt(&w, "reason", v.reason);
	if (v.next_start_ms > 0)
		jw_kuint(&w, "nextStartMs", v.next_start_ms);
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		watchers(b.p, b.n);
	dbuf_clear(&b);
	return MSG_OK;
}

enum msg_err
rt_on_sup(struct link *l, struct msg *m)
{
	switch (m->h.type) {
	case MSG_SUP_PROC:
		return on_sup_proc(l, m);
	case MSG_SUP_RES:
		return on_sup_res(l, m);
	case MSG_SUP_EVENT:
		return on_sup_event(m);
	case MSG_SUP_CONFIG_RES:
		return rt_on_sup_config_res(l, m);
	case MSG_SUP_SNAPSHOT:
		return rt_on_sup_snapshot(m);
	case MSG_SUP_SENTINEL:
		return rt_on_sup_sentinel(m);
	case MSG_SUP_PEER_RES:
		return rt_on_sup_peer_res(m);
	default:
		return MSG_DIRECTION;
	}
}

void
rt_sup_fail(struct pending *p, const char *why)
{
	struct client	*c = rt_client_find(p->client);

	unwatch(p, c);
	if (p->method->id == METHOD_GATEWAY_RESTART)
		rt_sup_restarting = false;
	if (c != NULL)
		rt_answer_error(c, (struct str){ p->id, p->id_n },
		    "UNAVAILABLE", why);
	rt_pending_free(p);
}
