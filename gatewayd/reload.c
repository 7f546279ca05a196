/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From an index to processes.  The first time the table is built and started;
 * later a new generation is compared with the running one: who changed gets
 * the new parcel and says whether it can live with it, and only when all have
 * agreed it is committed, to the router last, so that no route names a process
 * that is not ready.  Any refusal leaves the old generation as it is.
 */
#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/gatewayd.h"

#define ACK_TIMEOUT_S	15

static uint64_t		 reply_corr;	/* whom to tell; 0: nobody */
static uint64_t		 next_corr;	/* of the reload after this one */
static bool		 running, again, watching;
static unsigned int	 awaited;
static char		 refusal[768];
static struct event	*ack_timer;

static void	 reload_finish(void);

/* Marks wanted entries, makes new ones, notes changed parcels in next_*. */
static int
reload_compare(const struct parcel *ix, char *why, size_t size)
{
	struct places		 mounts;
	const char		*name, *inst, *hash;
	struct proc		*p;
	enum role		 role;
	size_t			 i;

	TAILQ_FOREACH(p, &sup.procs, entry) {
		p->was_wanted = p->wanted;
		p->wanted = false;
	}
	for (i = 0; (name = parcel_get(ix, "proc.%zu.role", i)) != NULL; i++) {
		role = role_by_name(name);
		inst = parcel_get(ix, "proc.%zu.instance", i);
		hash = parcel_get(ix, "proc.%zu.hash", i);
		if (role == ROLE_MAX || role == ROLE_PARENT ||
		    role == ROLE_CONFIG || inst == NULL) {
			snprintf(why, size, "index: process %zu: no such role",
			    i);
			return -1;
		}
		if (places_read(&mounts, &sup.paths, ix, i, why, size) == -1)
			return -1;
		if ((p = proc_find(role, inst)) == NULL) {
			if ((p = proc_new(role, inst)) == NULL) {
				snprintf(why, size, "%s/%s: cannot be made",
				    name, inst);
				places_clear(&mounts);
				return -1;
			}
			p->fresh = true;
			p->parcel_fd = results_parcel(role, inst);
			strlcpy(p->hash, hash != NULL ? hash : "",
			    sizeof(p->hash));
		} else
			/* A sandbox is for life: another one, another life.
			 * So it is for one that is still leaving. */
			p->anew = !places_same(&mounts, &p->mounts) ||
			    (!p->was_wanted && !role_wanted(role));
		if (strcmp(p->hash, hash != NULL ? hash : "") != 0 ||
		    p->anew) {
			if (p->next_parcel_fd != -1)
				close(p->next_parcel_fd);
			p->next_parcel_fd = results_parcel(role, inst);
			strlcpy(p->next_hash, hash != NULL ? hash : "",
			    sizeof(p->next_hash));
		}
		places_clear(&p->mounts);
		p->mounts = mounts;
		p->index = i;
		p->wanted = true;
	}
	return 0;
}

int
reload_first(char *why, size_t size)
{
	/* The logger first, then who is needed to answer a client. */
	static const enum role	 order[] = { ROLE_LOG, ROLE_STORE, ROLE_ROUTER,
		ROLE_FRONT, ROLE_AGENT, ROLE_CONNECT, ROLE_TOOL, ROLE_JAILER,
		ROLE_FILES, ROLE_MODEL, ROLE_CHAN, ROLE_WHOIS };
	struct proc		*p;
	size_t			 i;

	if (reload_compare(conf_next(), why, size) == -1)
		return -1;
	configure_good();
	conf_commit();
	sup.generation++;
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		TAILQ_FOREACH(p, &sup.procs, entry)
			if (p->role == order[i] && !role_wanted(p->role))
				proc_start(p);
	TAILQ_FOREACH(p, &sup.procs, entry)
		p->fresh = false;
	return 0;
}

static void
reload_say(enum sup_status st, const char *text)
{
	if (st == SUP_OK)
		log_info("reload: %s", text);
	else
		log_errorx("reload: %s", text);
	if (reply_corr != 0)
		control_reply(reply_corr, st, text);
	reply_corr = 0;
	running = false;
	reload_again();
	configure_next();
}

/* What was asked for meanwhile.  What it is for may have been written after
 * the file was read. */
void
reload_again(void)
{
	uint64_t	 corr = next_corr;

	if (!again)
		return;
	next_corr = 0;
	again = false;
	reload_start(corr, false);
}

/* The old generation stays: forget what was read. */
static void
reload_drop(const char *why)
{
	struct proc	*p, *nextp;

	for (p = TAILQ_FIRST(&sup.procs); p != NULL; p = nextp) {
		nextp = TAILQ_NEXT(p, entry);
		p->ack_awaited = p->anew = false;
		if (p->next_parcel_fd != -1)
			close(p->next_parcel_fd);
		p->next_parcel_fd = -1;
		p->wanted = p->was_wanted;
		if (p->fresh || (!p->wanted && p->pidfd == -1))
			proc_free(p);
	}
	conf_drop();
	reload_say(SUP_FAILED, why);
}

static void
reload_read_cb(bool ok)
{
	struct m_proc_config	 m;
	struct proc		*p;
	char			 why[768];
	bool			 restart;
	int			 fd;

	if (!ok) {
		reload_say(SUP_FAILED, conf_problem());
		return;
	}
	if (watching && conf_result()->reload != CF_RELOAD_HOT) {
		restart = conf_result()->reload == CF_RELOAD_RESTART;
		conf_drop();
		reload_say(SUP_OK, restart ? "the gateway starts anew" :
		    "gateway.reload.mode is off, the change waits");
		if (restart && !configure_restarts())
			shutdown_start(true);
		return;
	}
	if (reload_compare(conf_next(), why, sizeof(why)) == -1) {
		reload_drop(why);
		return;
	}
	awaited = 0;
	refusal[0] = '\0';
	memset(&m, 0, sizeof(m));
	m.generation = sup.generation + 1;
	TAILQ_FOREACH(p, &sup.procs, entry) {
		if (!p->wanted || p->next_parcel_fd == -1 ||
		    p->state != PROC_ST_RUNNING || p->ctl == NULL || p->anew)
			continue;
		if ((fd = dup(p->next_parcel_fd)) == -1 ||
		    link_send_fds(p->ctl, MSG_PROC_CONFIG, &m, 0, 0, &fd,
		    1) == -1) {
			log_warn("%s: new configuration", p->name);
			continue;
		}
		p->ack_awaited = true;
		awaited++;
	}
	if (awaited == 0)
		reload_finish();
	else {
		struct timeval	 tv = { ACK_TIMEOUT_S, 0 };

		evtimer_add(ack_timer, &tv);
	}
}

static void
reload_ack_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct proc	*p;

	TAILQ_FOREACH(p, &sup.procs, entry)
		if (p->ack_awaited) {
			snprintf(refusal, sizeof(refusal), "%s: no answer to "
			    "the new configuration", p->name);
			p->ack_awaited = false;
		}
	awaited = 0;
	reload_finish();
}

void
reload_ack(struct proc *p, bool ok, const char *reason)
{
	if (!running || !p->ack_awaited)
		return;
	p->ack_awaited = false;
	awaited--;
	if (!ok && strcmp(reason, "needs a restart") == 0)
		p->anew = true;
	else if (!ok && refusal[0] == '\0')
		snprintf(refusal, sizeof(refusal), "%s: %s", p->name, reason);
	if (awaited == 0)
		reload_finish();
}

void
reload_gone(struct proc *p)
{
	/* It will start with whatever is current then. */
	if (running && p->ack_awaited)
		reload_ack(p, true, "");
}

static void
reload_commit_one(struct proc *p)
{
	struct m_proc_config_commit	 m;

	if (p->next_parcel_fd != -1) {
		if (p->parcel_fd != -1)
			close(p->parcel_fd);
		p->parcel_fd = p->next_parcel_fd;
		p->next_parcel_fd = -1;
		strlcpy(p->hash, p->next_hash, sizeof(p->hash));
		memset(&m, 0, sizeof(m));
		m.generation = sup.generation;
		if (p->ctl != NULL && !p->anew && p->state == PROC_ST_RUNNING)
			send_proc_config_commit(p->ctl, &m, 0, 0);
	}
	/* Who sleeps until it is needed sleeps on. */
	if (p->anew && (p->state != PROC_ST_STOPPED || !role_wanted(p->role)))
		proc_stop(p, true);
	p->anew = false;
}

static void
reload_finish(void)
{
	struct proc	*p, *nextp;
	unsigned int	 changed = 0, started = 0, removed = 0;
	char		 text[160];

	evtimer_del(ack_timer);
	if (refusal[0] != '\0') {
		reload_drop(refusal);
		return;
	}
	sup.generation++;
	configure_good();
	conf_commit();
	listen_allow();
	for (p = TAILQ_FIRST(&sup.procs); p != NULL; p = nextp) {
		nextp = TAILQ_NEXT(p, entry);
		if (p->fresh) {
			p->fresh = false;
			if (!role_wanted(p->role))
				proc_start(p);
			started++;
		} else if (p->wanted && p->role != ROLE_ROUTER &&
		    (p->next_parcel_fd != -1 || p->anew)) {
			reload_commit_one(p);
			changed++;
		}
	}
	if ((p = proc_find(ROLE_ROUTER, "")) != NULL &&
	    (p->next_parcel_fd != -1 || p->anew)) {
		reload_commit_one(p);
		changed++;
	}
	for (p = TAILQ_FIRST(&sup.procs); p != NULL; p = nextp) {
		nextp = TAILQ_NEXT(p, entry);
		if (p->wanted || p->role == ROLE_CONFIG)
			continue;
		removed++;
		if (p->pidfd == -1)
			proc_free(p);
		else
			proc_stop(p, false);
	}
	TAILQ_FOREACH(p, &sup.procs, entry)
		if (p->state == PROC_ST_RUNNING)
			lines_ready(p);
	snprintf(text, sizeof(text), "generation %u: %u changed, %u started, "
	    "%u removed", sup.generation, changed, started, removed);
	reload_say(SUP_OK, text);
}

bool
reload_busy(void)
{
	return running;
}

void
reload_start(uint64_t corr, bool watched)
{
	if (ack_timer == NULL && (ack_timer = evtimer_new(sup.base,
	    reload_ack_timeout_cb, NULL)) == NULL)
		fatalx("reload timer");
	if (sup.stopping || ((running || conf_busy()) && corr != 0 &&
	    next_corr != 0)) {
		if (corr != 0)
			control_reply(corr, SUP_FAILED, sup.stopping ?
			    "the gateway is stopping" :
			    "a reload is already under way");
		return;
	}
	if (running || conf_busy()) {
		if (corr != 0)
			next_corr = corr;
		again = true;
		return;
	}
	running = true;
	watching = watched;
	reply_corr = corr;
	if (conf_run(sup.conf_flags | (watched ? CF_WATCHED : 0),
	    reload_read_cb) == -1)
		reload_say(SUP_FAILED, strerror(errno));
}
