/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The orderly end: no new clients, tell those that are there, stop what
 * produces, let agents finish, then everybody else, the logger last.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/gatewayd.h"

#define STAGE_MS	2000	/* beyond a stage's own deadline */

/* Each stage drains together; the router only hears of it with the first
 * (it tells its clients) and switches on until its own turn. */
static const enum role	 stages[][5] = {
	{ ROLE_FRONT, ROLE_CHAN, ROLE_MAX, ROLE_MAX, ROLE_MAX },
	{ ROLE_AGENT, ROLE_MAX, ROLE_MAX, ROLE_MAX, ROLE_MAX },
	{ ROLE_TOOL, ROLE_MODEL, ROLE_MAX, ROLE_MAX, ROLE_MAX },
	{ ROLE_JAILER, ROLE_FILES, ROLE_FETCH, ROLE_CONNECT, ROLE_CANVAS },
	{ ROLE_STORE, ROLE_WHOIS, ROLE_MAX, ROLE_MAX, ROLE_MAX },
	{ ROLE_ROUTER, ROLE_MAX, ROLE_MAX, ROLE_MAX, ROLE_MAX },
	{ ROLE_LOG, ROLE_MAX, ROLE_MAX, ROLE_MAX, ROLE_MAX },
};
#define STAGES	(sizeof(stages) / sizeof(stages[0]))

static size_t		 stage;
static struct event	*timer;

static bool
in_stage(const struct proc *p, size_t s)
{
	size_t	 i;

	for (i = 0; i < 5; i++)
		if (stages[s][i] == p->role)
			return true;
	return false;
}

static void
shutdown_drain(struct proc *p)
{
	struct m_proc_drain	 m;

	memset(&m, 0, sizeof(m));
	m.deadline_ms = p->role == ROLE_AGENT ? DRAIN_DEADLINE_MS : 2000;
	if (p->state == PROC_ST_RUNNING && p->ctl != NULL &&
	    send_proc_drain(p->ctl, &m, 0, 0) == 0)
		link_setstate(p->ctl, LINK_DRAIN);
	else
		proc_stop(p, false);
}

static void
shutdown_next(void)
{
	struct timeval	 tv;
	struct proc	*p;
	bool		 any = false;
	uint32_t	 ms;

	for (; stage < STAGES; stage++) {
		TAILQ_FOREACH(p, &sup.procs, entry) {
			if (!in_stage(p, stage))
				continue;
			if (p->pidfd == -1) {
				evtimer_del(p->timer);
				p->state = PROC_ST_STOPPED;
				continue;
			}
			any = true;
			if (p->role != ROLE_ROUTER)
				shutdown_drain(p);
			else
				proc_stop(p, false);
		}
		if (any)
			break;
	}
	if (stage == STAGES) {
		event_base_loopbreak(sup.base);
		return;
	}
	ms = STAGE_MS + (stages[stage][0] == ROLE_AGENT ? DRAIN_DEADLINE_MS :
	    2000);
	tv.tv_sec = ms / 1000;
	tv.tv_usec = 0;
	evtimer_add(timer, &tv);
}

static void
shutdown_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct proc	*p;

	TAILQ_FOREACH(p, &sup.procs, entry)
		if (in_stage(p, stage) && p->pidfd != -1) {
			log_warnx("%s: not drained in time", p->name);
			proc_stop(p, false);
		}
}

void
shutdown_start(bool reexec)
{
	struct proc	*p;

	if (sup.stopping)
		return;
	log_info("%s", reexec ? "restarting" : "stopping");
	sup.stopping = true;
	sup.reexec = reexec;
	if ((timer = evtimer_new(sup.base, shutdown_timer_cb, NULL)) == NULL)
		fatalx("shutdown timer");
	if ((p = proc_find(ROLE_ROUTER, "")) != NULL)
		shutdown_drain(p);
	shutdown_next();
}

void
shutdown_drained(struct proc *p)
{
	if (sup.stopping && p->role != ROLE_ROUTER)
		proc_stop(p, false);
}

void
shutdown_gone(void)
{
	struct proc	*p;

	if (!sup.stopping || stage == STAGES)
		return;
	TAILQ_FOREACH(p, &sup.procs, entry)
		if (in_stage(p, stage) && p->pidfd != -1)
			return;
	evtimer_del(timer);
	stage++;
	shutdown_next();
}
