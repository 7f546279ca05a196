/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Asks the jailer to run its probe in a jail (T35, T36) and hands the report
 * to whoever wanted it: the tool diagnose, or a client through the router.
 */
#include "common/compat.h"

#include "common/log.h"
#include "toold/toold.h"

#define SELFTEST_MS	35000	/* the jailer ends it after 30 s */
#define SELFTEST_LINES	200

struct selftest {
	LIST_ENTRY(selftest)	 entry;
	struct toold		*t;
	uint64_t		 corr;
	struct event		*timer;
	selftest_cb		 cb;		/* NULL: forgotten */
	void			*arg;
};

struct selftest_rpc {
	struct toold		*t;
	uint64_t		 corr;
};

static void
selftest_end(struct selftest *s, uint32_t tried, uint32_t escaped,
    json_t *report, const char *why)
{
	selftest_cb	 cb = s->cb;
	void		*arg = s->arg;

	LIST_REMOVE(s, entry);
	if (s->timer != NULL)
		event_free(s->timer);
	free(s);
	if (cb != NULL)
		cb(arg, tried, escaped, report, why);
	json_decref(report);
}

static void
selftest_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	selftest_end(arg, 0, 0, NULL, "the jailer did not answer");
}

struct selftest *
selftest_start(struct toold *t, selftest_cb cb, void *arg, const char **why)
{
	struct m_jl_selftest	 m;
	struct selftest		*s, *running = LIST_FIRST(&t->selftests);
	struct timeval		 tv = {SELFTEST_MS / 1000, 0};

	*why = t->no_jobs != NULL ? t->no_jobs : "the jail is not running";
	if (t->jailer == NULL || t->no_jobs != NULL)
		return NULL;
	*why = "out of memory";
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return NULL;
	s->t = t;
	/* The jailer runs one at a time; whoever comes later gets its result
	 * too. */
	s->corr = running != NULL ? running->corr : link_corr();
	s->cb = cb;
	s->arg = arg;
	s->timer = evtimer_new(t->base, selftest_timer_cb, s);
	memset(&m, 0, sizeof(m));
	if (s->timer == NULL || evtimer_add(s->timer, &tv) == -1 ||
	    (running == NULL &&
	    send_jl_selftest(t->jailer, &m, s->corr, 0) == -1)) {
		*why = "the jailer cannot be reached";
		if (s->timer != NULL)
			event_free(s->timer);
		free(s);
		return NULL;
	}
	LIST_INSERT_HEAD(&t->selftests, s, entry);
	return s;
}

void
selftest_forget(struct selftest *s)
{
	if (s != NULL)
		s->cb = NULL;
}

/* The report is JSON, or lines; both become an array. */
static json_t *
selftest_report(struct str text)
{
	json_t		*v, *list;
	const char	*p = text.p, *nl, *end = text.p + text.n;

	v = json_loadb(text.p, text.n, 0, NULL);
	if (json_is_array(v) || json_is_object(v))
		return v;
	json_decref(v);
	list = json_array();
	while (p < end && json_array_size(list) < SELFTEST_LINES) {
		nl = memchr(p, '\n', end - p);
		if (nl == NULL)
			nl = end;
		if (nl > p)
			json_array_append_new(list, tresult_string(
			    (struct str){p, (size_t)(nl - p)}));
		p = nl + 1;
	}
	return list;
}

enum msg_err
selftest_result(struct toold *t, struct msg *m)
{
	struct m_jl_selftest_res res;
	struct selftest		*s;
	json_t			*report;
	enum msg_err		 err;

	if ((err = get_jl_selftest_res(m, &res)) != MSG_OK)
		return err;
	if (res.passed > res.tried)
		return MSG_MEANING;
	report = selftest_report(res.report);
	do {			/* none at all: it came too late */
		LIST_FOREACH(s, &t->selftests, entry)
			if (s->corr == m->h.corr)
				break;
		if (s != NULL)
			selftest_end(s, res.tried, res.passed,
			    json_incref(report), NULL);
	} while (s != NULL);
	json_decref(report);
	return MSG_OK;
}

void
selftest_link_gone(struct toold *t)
{
	while (!LIST_EMPTY(&t->selftests))
		selftest_end(LIST_FIRST(&t->selftests), 0, 0, NULL,
		    "the jail was restarted");
}

static void
selftest_rpc_cb(void *arg, uint32_t tried, uint32_t escaped, json_t *report,
    const char *why)
{
	struct selftest_rpc	*r = arg;

	if (report == NULL)
		trpc_answer(r->t, r->corr, NULL, "UNAVAILABLE", why);
	else
		trpc_answer(r->t, r->corr, json_pack(
		    "{s:b, s:s, s:i, s:i, s:i, s:O}", "ok", tried > 0 &&
		    escaped == 0, "agentId", r->t->agent, "tried",
		    (int)tried, "passed", (int)(tried - escaped), "escaped",
		    (int)escaped, "lines", report), NULL, NULL);
	free(r);
}

void
selftest_rpc(struct toold *t, uint64_t corr)
{
	struct selftest_rpc	*r;
	const char		*why;

	if ((r = calloc(1, sizeof(*r))) == NULL) {
		trpc_answer(t, corr, NULL, "UNAVAILABLE", "out of memory");
		return;
	}
	r->t = t;
	r->corr = corr;
	if (selftest_start(t, selftest_rpc_cb, r, &why) == NULL) {
		trpc_answer(t, corr, NULL, "UNAVAILABLE", why);
		free(r);
	}
}
