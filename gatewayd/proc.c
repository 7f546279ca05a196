/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The table of processes and the life of each: started, READY, pinged, ended,
 * started again after a while that grows.  A worker that breaks the protocol
 * is killed at once and waits longer than one that merely crashed.
 */
#include "common/compat.h"

#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/child_exit.h"
#include "common/log.h"
#include "gatewayd/gatewayd.h"

static enum msg_err	 proc_message(struct link *, struct msg *, void *);
static void		 proc_link_gone(struct link *, enum msg_err, uint16_t,
			    void *);
static void		 proc_timer_cb(evutil_socket_t, short, void *);
static void		 proc_ended_cb(evutil_socket_t, short, void *);
static void		 proc_ping_cb(evutil_socket_t, short, void *);

const struct link_ops	 proc_ctl_ops = { proc_message, proc_link_gone, NULL };

static struct event	*ping_timer;
static uint64_t		 ping_counter;

struct proc *
proc_new(enum role role, const char *instance)
{
	struct proc	*p;

	if ((p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->role = role;
	p->pidfd = p->parcel_fd = p->next_parcel_fd = p->stderr_fd = -1;
	if (strlcpy(p->instance, instance, sizeof(p->instance)) >=
	    sizeof(p->instance) ||
	    (p->timer = evtimer_new(sup.base, proc_timer_cb, p)) == NULL) {
		free(p);
		return NULL;
	}
	snprintf(p->name, sizeof(p->name), "%s%s%s", role_name(role),
	    instance[0] != '\0' ? "/" : "", instance);
	TAILQ_INSERT_TAIL(&sup.procs, p, entry);
	return p;
}

void
proc_free(struct proc *p)
{
	TAILQ_REMOVE(&sup.procs, p, entry);
	topology_leave(p);
	event_free(p->timer);
	places_clear(&p->mounts);
	if (p->parcel_fd != -1)
		close(p->parcel_fd);
	if (p->next_parcel_fd != -1)
		close(p->next_parcel_fd);
	if (p->stderr_fd != -1)
		close(p->stderr_fd);
	free(p);
}

struct proc *
proc_find(enum role role, const char *instance)
{
	struct proc	*p;

	TAILQ_FOREACH(p, &sup.procs, entry)
		if (p->role == role && strcmp(p->instance, instance) == 0)
			return p;
	return NULL;
}

struct proc *
proc_by_name(const char *name)
{
	struct proc	*p;

	TAILQ_FOREACH(p, &sup.procs, entry)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

void
proc_timer(struct proc *p, uint32_t ms)
{
	struct timeval	 tv = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(p->timer, &tv);
}

void
proc_setstate(struct proc *p, enum proc_state st, const char *reason)
{
	if (p->state == st)
		return;
	p->state = st;
	if (p->role != ROLE_CONFIG)
		control_event(p, reason);
}

static void
proc_backoff(struct proc *p, const char *why)
{
	uint32_t	 ms;

	ms = backoff_ended(&p->backoff, mono_ms(), p->ready_mono, p->violated);
	if (ms == BACKOFF_HELD) {
		log_errorx("%s: %s; failed too often, held: `openclaw gateway "
		    "restart --process %s` starts it again", p->name, why,
		    p->name);
		proc_setstate(p, PROC_ST_HELD, why);
		return;
	}
	p->next_start_ms = wall_ms() + ms;
	log_warnx("%s: %s; next start in %u ms", p->name, why, ms);
	proc_setstate(p, PROC_ST_BACKOFF, why);
	proc_timer(p, ms);
}

void
proc_start(struct proc *p)
{
	struct m_proc_start	 m;

	p->started_ms = wall_ms();
	p->ready_ms = p->ready_mono = p->next_start_ms = 0;
	p->pings_missed = 0;
	p->violated = p->stopping = p->restart_after = false;
	memset(&p->ready, 0, sizeof(p->ready));
	p->stat_detail[0] = '\0';
	proc_setstate(p, PROC_ST_STARTING, "");
	if (spawn_start(p) == -1) {
		snprintf(p->last_exit, sizeof(p->last_exit),
		    "could not be started: %s", strerror(errno));
		if (p->pidfd == -1) {
			proc_backoff(p, p->last_exit);
			return;
		}
		pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
	}
	p->pidev = event_new(sup.base, p->pidfd, EV_READ, proc_ended_cb, p);
	if (p->pidev == NULL || event_add(p->pidev, NULL) == -1)
		fatalx("%s: cannot watch its end", p->name);
	proc_timer(p, READY_TIMEOUT_S * 1000);
	if (p->ctl == NULL)
		return;
	topology_join(p);
	if (p->role == ROLE_CONFIG)
		return;
	listen_give(p);
	memset(&m, 0, sizeof(m));
	m.generation = sup.generation;
	send_proc_start(p->ctl, &m, 0, 0);	/* EPIPE: it has ended */
}

void
proc_stop(struct proc *p, bool restart_after)
{
	struct m_proc_quit	 m;

	p->restart_after = restart_after;
	if (p->pidfd == -1) {
		evtimer_del(p->timer);
		if (restart_after) {
			backoff_reset(&p->backoff);
			p->restarts++;
			proc_start(p);
		} else
			proc_setstate(p, PROC_ST_STOPPED, "");
		return;
	}
	if (p->stopping)
		return;
	p->stopping = true;
	proc_setstate(p, PROC_ST_DRAINING, "");
	proc_timer(p, KILL_AFTER_MS);
	memset(&m, 0, sizeof(m));
	if (p->ctl == NULL || send_proc_quit(p->ctl, &m, 0, 0) == -1)
		pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
}

void
proc_kill(struct proc *p, const char *why)
{
	if (p->pidfd == -1)
		return;
	log_warnx("%s: killed: %s", p->name, why);
	/* Not SIGTERM: a process that misbehaves is not ours any more. */
	pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
}

static void
proc_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct proc	*p = arg;

	switch (p->state) {
	case PROC_ST_STARTING:
		proc_kill(p, "not READY in time");
		break;
	case PROC_ST_DRAINING:
		proc_kill(p, "did not end in time");
		break;
	case PROC_ST_BACKOFF:
		p->restarts++;
		proc_start(p);
		break;
	case PROC_ST_STOPPED:
	case PROC_ST_RUNNING:
	case PROC_ST_HELD:
	case PROC_ST_MAX:
		break;
	}
}

/* --- the end of a process ------------------------------------------------ */

static void
proc_ended_cb(evutil_socket_t fd, short what, void *arg)
{
	struct proc	*p = arg;
	siginfo_t	 si;
	char		 path[4096];

	/* What it said last (READY, results) still counts. */
	if (p->ctl != NULL)
		link_finish(p->ctl);
	memset(&si, 0, sizeof(si));
	if (waitid(P_PIDFD, (id_t)p->pidfd, &si, WEXITED) == -1)
		log_warn("%s: waitid", p->name);
	event_free(p->pidev);
	p->pidev = NULL;
	close(p->pidfd);
	p->pidfd = -1;
	evtimer_del(p->timer);
	if (spawn_path(p->role, path, sizeof(path)) == -1)
		path[0] = '\0';
	child_exit_text(&si, p->ready_ms == 0 ? path : NULL, p->last_exit,
	    sizeof(p->last_exit));
	if (si.si_code != CLD_EXITED && si.si_status == SIGSYS)
		p->violated = true;
	link_free(p->ctl);
	p->ctl = NULL;
	topology_leave(p);
	if (p->stderr_fd != -1)
		close(p->stderr_fd);
	p->stderr_fd = -1;
	if (p->role == ROLE_CONFIG) {
		conf_gone(p);
		return;
	}
	reload_gone(p);
	if (sup.stopping || (p->stopping && !p->restart_after)) {
		proc_setstate(p, PROC_ST_STOPPED, p->last_exit);
		if (!p->wanted && !sup.stopping)
			proc_free(p);
		shutdown_gone();
	} else if (p->stopping) {
		p->restarts++;
		proc_start(p);
	} else
		proc_backoff(p, p->last_exit);
}

static void
proc_link_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct proc	*p = arg;
	char		 text[128];

	p->ctl = NULL;
	if (why == MSG_OK)
		return;		/* its pidfd tells the rest */
	p->violated = true;
	snprintf(text, sizeof(text), "message %04x to the parent: %s", type,
	    msg_err_name(why));
	proc_kill(p, text);
}

/* --- what a worker says --------------------------------------------------- */

static enum msg_err
proc_on_hello(struct proc *p, struct msg *m)
{
	struct m_proc_hello	 v;
	enum msg_err		 err;

	if ((err = get_proc_hello(m, &v)) != MSG_OK)
		return err;
	if (v.protocol != MSG_PROTOCOL || v.role != p->role ||
	    !str_eqs(v.instance, p->instance)) {
		log_errorx("%s: says it is %s of message protocol %u; is "
		    "everything in %s of one version?", p->name,
		    role_name(v.role), v.protocol, sup.libexec);
		return MSG_MEANING;
	}
	return MSG_OK;
}

static enum msg_err
proc_on_ready(struct proc *p, struct msg *m)
{
	enum msg_err	 err;

	if ((err = get_proc_ready(m, &p->ready)) != MSG_OK)
		return err;
	str_copy(p->ready.detail, p->ready_detail, sizeof(p->ready_detail));
	p->ready.detail = str_of(p->ready_detail);
	p->ready_ms = wall_ms();
	p->ready_mono = mono_ms();
	if (p->ctl != NULL)
		link_setstate(p->ctl, LINK_RUN);
	if (p->ready.failed != 0)
		log_warnx("%s: weaker than its profile: %s", p->name,
		    p->ready_detail);
	if (!p->stopping) {
		evtimer_del(p->timer);
		proc_setstate(p, PROC_ST_RUNNING, "");
		lines_ready(p);
	}
	return MSG_OK;
}

static enum msg_err
proc_on_badpeer(struct proc *p, struct msg *m)
{
	struct m_proc_badpeer	 v;
	struct proc		*bad;
	enum msg_err		 err;
	char			 why[768];

	if ((err = get_proc_badpeer(m, &v)) != MSG_OK)
		return err;
	if ((bad = topology_peer(p, v.endpoint)) == NULL)
		return MSG_OK;	/* it ended in the meantime */
	snprintf(why, sizeof(why), "%s saw message %04x: %s", p->name, v.type,
	    v.reason.p);
	bad->violated = true;
	proc_kill(bad, why);
	return MSG_OK;
}

/* Its owner alone can ask, for the one of its own instance. */
static enum msg_err
proc_on_want(const struct proc *by, struct msg *m)
{
	struct m_proc_want	 v;
	struct proc		*p;
	enum msg_err		 err;

	if ((err = get_proc_want(m, &v)) != MSG_OK)
		return err;
	if (!role_wanted(v.role))
		return MSG_MEANING;
	if ((p = proc_find(v.role, by->instance)) == NULL || !p->wanted ||
	    sup.stopping)
		return MSG_OK;	/* an older generation had it */
	if (v.on == 0 && (p->state == PROC_ST_RUNNING ||
	    p->state == PROC_ST_STARTING))
		proc_stop(p, false);
	else if (v.on != 0 && p->state == PROC_ST_DRAINING)
		p->restart_after = true;
	else if (v.on != 0 && p->state == PROC_ST_STOPPED)
		proc_start(p);
	return MSG_OK;
}

static enum msg_err
proc_message(struct link *l, struct msg *m, void *arg)
{
	struct proc		*p = arg;
	struct m_proc_pong	 pong;
	struct m_proc_stat_res	 st;
	struct m_proc_config_ack ack;
	struct m_proc_drained	 drained;
	enum msg_err		 err;

	switch (m->h.type) {
	case MSG_PROC_HELLO:
		return proc_on_hello(p, m);
	case MSG_PROC_READY:
		return proc_on_ready(p, m);
	case MSG_PROC_BADPEER:
		return proc_on_badpeer(p, m);
	case MSG_PROC_WANT:
		return proc_on_want(p, m);
	case MSG_PROC_PONG:
		if ((err = get_proc_pong(m, &pong)) != MSG_OK)
			return err;
		p->pings_missed = 0;
		return MSG_OK;
	case MSG_PROC_STAT_RES:
		if ((err = get_proc_stat_res(m, &st)) != MSG_OK)
			return err;
		/* What the logger cannot write has to be said elsewhere. */
		if (p->role == ROLE_LOG && st.detail.n > 0 &&
		    p->stat_detail[0] == '\0')
			log_errorx("%s: %s", p->name, st.detail.p);
		str_copy(st.detail, p->stat_detail, sizeof(p->stat_detail));
		return MSG_OK;
	case MSG_PROC_CONFIG_ACK:
		if ((err = get_proc_config_ack(m, &ack)) != MSG_OK)
			return err;
		if (ack.generation == sup.generation + 1)
			reload_ack(p, ack.ok != 0, ack.reason.p);
		return MSG_OK;
	case MSG_PROC_DRAINED:
		if ((err = get_proc_drained(m, &drained)) != MSG_OK)
			return err;
		shutdown_drained(p);
		return MSG_OK;
	case MSG_CF_FILE_REQ:
	case MSG_CF_PROBLEM:
	case MSG_CF_PARCEL:
	case MSG_CF_TEXT:
	case MSG_CF_DONE:
		return conf_message(p, m);
	default:
		return control_message(p, m);
	}
}

void
proc_init(void)
{
	static const struct timeval	 tv = { PING_INTERVAL_S, 0 };

	ping_timer = event_new(sup.base, -1, EV_PERSIST, proc_ping_cb, NULL);
	if (ping_timer == NULL || event_add(ping_timer, &tv) == -1)
		fatalx("ping timer");
}

static void
proc_ping_cb(evutil_socket_t fd, short what, void *arg)
{
	struct m_proc_ping	 ping;
	struct m_proc_stat	 st;
	struct proc		*p;

	memset(&ping, 0, sizeof(ping));
	memset(&st, 0, sizeof(st));
	ping.counter = ++ping_counter;
	TAILQ_FOREACH(p, &sup.procs, entry) {
		if (p->state != PROC_ST_RUNNING || p->ctl == NULL)
			continue;
		if (p->pings_missed++ >= PING_MISSED_MAX) {
			proc_kill(p, "hung: pings unanswered");
			continue;
		}
		send_proc_ping(p->ctl, &ping, ping.counter, 0);
		send_proc_stat(p->ctl, &st, ping.counter, 0);
	}
}
