/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Methods of the public protocol that this agent answers (spec
 * gateway-protocol 4.3, 4.5, 4.6): their table, how parameters are read and
 * answers sent, and agent.wait.  The router has checked the parameters
 * against the method table; types are looked at again, because the router is
 * another process.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"
#include "common/log.h"

#define WAITERS_MAX	4096

struct waiter {
	LIST_ENTRY(waiter)	 entry;
	char			 run_id[257];
	uint64_t		 corr;
	struct event		*timer;
};
static LIST_HEAD(, waiter)	 waiters = LIST_HEAD_INITIALIZER(waiters);
static size_t			 nwaiters;

void
rpc_send(struct rpc *r, const struct m_rpc_res *m)
{
	if (send_rpc_res(r->link, m, r->corr, MSG_F_REPLY) == -1)
		log_warn("%s: answer", r->method);
}

void
rpc_answer(struct rpc *r, struct dbuf *b)
{
	struct m_rpc_res	 m;

	memset(&m, 0, sizeof(m));
	m.ok = !dbuf_err(b);
	if (m.ok)
		m.result = (struct str){ dbuf_str(b), b->n };
	else {
		m.code = STR_LIT("UNAVAILABLE");
		m.message = STR_LIT("the result is too large");
	}
	rpc_send(r, &m);
	dbuf_clear(b);
}

void
rpc_refuse(struct rpc *r, const char *code, const char *fmt, ...)
{
	struct m_rpc_res	 m;
	va_list			 ap;
	char			 text[1024];

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(&m, 0, sizeof(m));
	m.code = str_of(code);
	m.message = str_of(text);
	rpc_send(r, &m);
}

void
rpc_refuse_disk(struct rpc *r)
{
	rpc_refuse(r, "UNAVAILABLE", "the state folder cannot be written: %s",
	    strerror(errno));
}

bool
rpc_own_agent(const struct rpc *r)
{
	const char	*id = json_text(r->params, "agentId", NULL);
	char		 norm[AGENT_ID_MAX + 1];

	if (id == NULL)
		return true;
	agent_id_normalise(str_of(id), norm);
	return strcmp(norm, cfg->agent_id) == 0;
}

bool
rpc_integer(struct rpc *r, const char *key, int64_t def, int64_t min,
    int64_t max, int64_t *out)
{
	json_t	*v = json_object_get(r->params, key);

	*out = def;
	if (v == NULL)
		return true;
	if (!json_is_integer(v)) {
		rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: at /%s: "
		    "must be integer", r->method, key);
		return false;
	}
	*out = json_integer_value(v);
	if (*out < min) {
		rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: at /%s: "
		    "must be >= %lld", r->method, key, (long long)min);
		return false;
	}
	if (*out > max)
		*out = max;
	return true;
}

const char *
rpc_text(struct rpc *r, const char *key)
{
	const char	*s = json_string_value(json_object_get(r->params,
			    key));

	if (s == NULL)
		rpc_refuse(r, "INVALID_REQUEST", "invalid %s params: must have "
		    "required property '%s'", r->method, key);
	return s;
}

/* --- agent.wait ---------------------------------------------------------- */

static void
wait_answer(struct link *l, uint64_t corr, const char *run_id,
    const char *status, uint64_t started, uint64_t ended, const char *error)
{
	struct rpc	 r = { .link = l, .corr = corr,
	    .method = "agent.wait" };
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 65536);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "runId", run_id);
	jw_ks(&w, "status", status);
	if (started != 0)
		jw_kuint(&w, "startedAt", started);
	if (ended != 0)
		jw_kuint(&w, "endedAt", ended);
	if (error != NULL)
		jw_ks(&w, "error", error);
	jw_obj_end(&w);
	rpc_answer(&r, &b);
}

static void
waiter_free(struct waiter *w)
{
	LIST_REMOVE(w, entry);
	nwaiters--;
	event_free(w->timer);
	free(w);
}

static void
waiter_cb(evutil_socket_t fd, short what, void *arg)
{
	struct waiter	*w = arg;

	(void)fd;
	(void)what;
	if (router != NULL)
		wait_answer(router, w->corr, w->run_id, "timeout", 0, 0,
		    NULL);
	waiter_free(w);
}

void
rpc_run_ended(const char *run_id, enum run_status status,
    uint64_t started_at, uint64_t ended_at, const char *error)
{
	struct waiter	*w, *next;

	for (w = LIST_FIRST(&waiters); w != NULL; w = next) {
		next = LIST_NEXT(w, entry);
		if (strcmp(w->run_id, run_id) != 0)
			continue;
		if (router != NULL)
			wait_answer(router, w->corr, run_id, status ==
			    RUN_ERROR ? "error" : "ok", started_at, ended_at,
			    error);
		waiter_free(w);
	}
}

void
rpc_router_gone(void)
{
	struct waiter	*w;

	while ((w = LIST_FIRST(&waiters)) != NULL)
		waiter_free(w);
	rpc_changes_gone();
}

struct finished {
	bool	 done;
	int	 status;
	uint64_t started, ended;
	char	 error[1024];
};

static void
note_finished(const struct sessdb_turn *t, void *arg)
{
	struct finished	*f = arg;

	f->done = t->state == TURN_ST_DONE;
	f->status = t->status;
	f->started = t->started_at;
	f->ended = t->ended_at;
	strlcpy(f->error, t->summary, sizeof(f->error));
	utf8_mend(f->error);
}

void
rpc_agent_wait(struct rpc *r)
{
	struct finished	 f = { .done = false };
	struct waiter	*w;
	struct timeval	 tv;
	const char	*run_id;
	int64_t		 ms;

	if ((run_id = rpc_text(r, "runId")) == NULL ||
	    !rpc_integer(r, "timeoutMs", 30000, 0, 24ll * 3600 * 1000, &ms))
		return;
	if (db != NULL && run_find(run_id) == NULL &&
	    sessdb_find_run(db, run_id, note_finished, &f) == 1 && f.done &&
	    wall_ms() - f.ended < 10 * 60 * 1000) {
		wait_answer(r->link, r->corr, run_id, f.status == RUN_ERROR ?
		    "error" : "ok", f.started, f.ended, f.status ==
		    RUN_ERROR ? f.error : NULL);
		return;
	}
	if (ms == 0 || nwaiters >= WAITERS_MAX || strlen(run_id) > 256 ||
	    (w = calloc(1, sizeof(*w))) == NULL) {
		wait_answer(r->link, r->corr, run_id, "timeout", 0, 0, NULL);
		return;
	}
	strlcpy(w->run_id, run_id, sizeof(w->run_id));
	w->corr = r->corr;
	if ((w->timer = evtimer_new(worker_base(), waiter_cb, w)) == NULL) {
		free(w);
		rpc_refuse(r, "UNAVAILABLE", "out of memory");
		return;
	}
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	event_add(w->timer, &tv);
	LIST_INSERT_HEAD(&waiters, w, entry);
	nwaiters++;
}

/* --- dispatch ------------------------------------------------------------ */

static const struct {
	const char	*name;
	void		(*fn)(struct rpc *);
} methods[] = {
#define ROW_AGENT(name, handler)	{ name, rpc_##handler },
#define ROW_AGENTS(name, handler)	{ name, rpc_##handler },
#define ROW_FRONT(name, handler)
#define ROW_LOG(name, handler)
#define ROW_PARENT(name, handler)
#define ROW_ROUTER(name, handler)
#define ROW_STORE(name, handler)
#define ROW_TOOL(name, handler)
#define SCHEMA(id, judging, params)
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params) \
	ROW_##owner(name, handler)
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
	/* no methods of the protocol: only the router asks these */
	{ "transcript.mirror", rpc_transcript_mirror },
};

enum msg_err
rpc_message(struct link *l, struct msg *m)
{
	struct m_rpc_req	 q;
	struct rpc		 r = { .link = l, .corr = m->h.corr };
	enum msg_err		 err;
	size_t			 i;

	if ((err = get_rpc_req(m, &q)) != MSG_OK)
		return err;
	r.method = q.method.p;
	r.params = q.params.n == 0 ? json_object() :
	    json_load_bounded(q.params.p, q.params.n, 64);
	if (!json_is_object(r.params))
		rpc_refuse(&r, "INVALID_REQUEST", "invalid %s params: must be "
		    "object", r.method);
	else {
		for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
			if (str_eqs(q.method, methods[i].name))
				break;
		if (i < sizeof(methods) / sizeof(methods[0]))
			methods[i].fn(&r);
		else
			rpc_refuse(&r, "INVALID_REQUEST", "unknown method: %s",
			    r.method);
	}
	json_decref(r.params);
	return MSG_OK;
}
