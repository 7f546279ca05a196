/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the router may ask of the supervisor for an administrator.  The router
 * has checked who asks; here only the verb and the name are looked at.
 */
#include "common/compat.h"

#include <unistd.h>

#include "common/log.h"
#include "common/text.h"
#include "gatewayd/gatewayd.h"
#include "gatewayd/host/procfs.h"

void
control_reply(uint64_t corr, enum sup_status st, const char *text)
{
	struct m_sup_res	 m;
	struct proc		*r = proc_find(ROLE_ROUTER, "");

	if (r == NULL || r->ctl == NULL)
		return;
	memset(&m, 0, sizeof(m));
	m.status = (uint8_t)st;
	m.text = str_of(text);
	send_sup_res(r->ctl, &m, corr, MSG_F_REPLY);
}

void
control_event(const struct proc *p, const char *reason)
{
	struct m_sup_event	 m;
	struct proc		*r = proc_find(ROLE_ROUTER, "");

	if (r == NULL || r->ctl == NULL || r == p ||
	    r->state != PROC_ST_RUNNING)
		return;
	memset(&m, 0, sizeof(m));
	m.name = str_of(p->name);
	m.state = (uint8_t)p->state;
	m.reason = str_of(reason);
	m.next_start_ms = p->next_start_ms;
	send_sup_event(r->ctl, &m, 0, 0);
}

static void
control_row(struct link *l, uint64_t corr, const struct proc *p)
{
	struct m_sup_proc	 m;

	memset(&m, 0, sizeof(m));
	m.name = str_of(p != NULL ? p->name : role_name(ROLE_PARENT));
	m.last_exit = str_of(p != NULL ? p->last_exit : "");
	if (p == NULL) {
		m.state = PROC_ST_RUNNING;
		m.pid = (uint32_t)getpid();
		m.uid = geteuid();
		m.detail = str_of(sup.cgroup.text);
	} else {
		m.state = (uint8_t)p->state;
		m.pid = p->pidfd != -1 ? (uint32_t)p->pid : 0;
		m.uid = sup.mode == SANDBOX_ROOT ? sup.ids.uid[p->role] :
		    geteuid();
		m.restarts = p->restarts;
		m.started_ms = p->started_ms;
		m.ready_ms = p->ready_ms;
		m.sandbox = p->ready.sandbox;
		m.failed = p->ready.failed;
		m.landlock_abi = p->ready.landlock_abi;
		m.syscalls = p->ready.syscalls;
		m.start_syscalls = p->ready.start_syscalls;
		/* Why it lacks something is more than how it does. */
		m.detail = str_of(p->stat_detail[0] != '\0' &&
		    p->ready.failed == 0 ? p->stat_detail : p->ready_detail);
	}
	if (m.pid != 0)
		m.pss_kib = procfs_pss_kib((pid_t)m.pid);
	send_sup_proc(l, &m, corr, MSG_F_REPLY | MSG_F_MORE);
}

static void
control_restart(struct m_sup_req *v, uint64_t corr)
{
	struct proc	*p;

	if (v->arg.n == 0) {
		control_reply(corr, SUP_OK, "restarting");
		shutdown_start(true);
		return;
	}
	if ((p = proc_by_name(v->arg.p)) == NULL ||
	    p->role == ROLE_CONFIG) {
		control_reply(corr, SUP_UNKNOWN, "no such process; `openclaw "
		    "gateway processes` lists them");
		return;
	}
	control_reply(corr, SUP_OK, "restarting");
	proc_stop(p, true);
}

static enum msg_err
control_on_req(struct proc *from, struct msg *m)
{
	struct m_sup_req	 v;
	struct m_proc_verbose	 verbose;
	struct proc		*p;
	unsigned int		 level;
	enum msg_err		 err;

	if ((err = get_sup_req(m, &v)) != MSG_OK)
		return err;
	switch ((enum sup_verb)v.verb) {
	case SUP_LIST:
		control_row(from->ctl, m->h.corr, NULL);
		TAILQ_FOREACH(p, &sup.procs, entry)
			if (p->role != ROLE_CONFIG)
				control_row(from->ctl, m->h.corr, p);
		control_reply(m->h.corr, SUP_OK,
		    sandbox_mode_name(sup.mode));
		return MSG_OK;
	case SUP_RESTART:
		log_info("restart of %s asked for", v.arg.n > 0 ? v.arg.p :
		    "everything");
		control_restart(&v, m->h.corr);
		return MSG_OK;
	case SUP_STOP:
		log_info("stop asked for");
		control_reply(m->h.corr, SUP_OK, "stopping");
		shutdown_start(false);
		return MSG_OK;
	case SUP_RELOAD:
		reload_start(m->h.corr, false);
		return MSG_OK;
	case SUP_VERBOSE:
		for (level = 0; level < LOG_LEVEL_MAX; level++)
			if (str_eqs(v.arg, log_level_name(level)))
				break;
		if (level == LOG_LEVEL_MAX) {
			control_reply(m->h.corr, SUP_UNKNOWN, "no such level; "
			    "fatal, error, warn, info, debug or trace");
			return MSG_OK;
		}
		log_setlevel(level);
		memset(&verbose, 0, sizeof(verbose));
		verbose.level = (uint8_t)level;
		TAILQ_FOREACH(p, &sup.procs, entry)
			if (p->state == PROC_ST_RUNNING && p->ctl != NULL)
				send_proc_verbose(p->ctl, &verbose, 0, 0);
		control_reply(m->h.corr, SUP_OK, log_level_name(level));
		return MSG_OK;
	case SUP_VERB_MAX:
		break;
	}
	control_reply(m->h.corr, SUP_UNKNOWN, "no such verb");
	return MSG_OK;
}

/* Who is at the other end; the descriptor goes back, nothing of it is read. */
static enum msg_err
control_on_peer(struct proc *from, struct msg *m)
{
	struct m_sup_peer	 v;
	struct m_sup_peer_res	 r;
	struct peer_id		 id = { (uid_t)-1, 0, PEER_STRANGER };
	char			 why[512] = "";
	enum msg_err		 err;
	int			 fd;

	if ((err = get_sup_peer(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1)
		return MSG_FD;
	fd = msg_take_fd(m, 0);
	if (peer_judge(&sup.peers, fd, &id) == -1)
		log_warn("control: who is it");
	if (id.right == PEER_STRANGER)
		peer_refusal(&sup.peers, &id, why, sizeof(why));
	memset(&r, 0, sizeof(r));
	r.uid = id.uid;
	r.pid = (uint32_t)id.pid;
	r.right = (uint8_t)id.right;
	r.reason = str_of(why);
	link_send_fds(from->ctl, MSG_SUP_PEER_RES, &r, m->h.corr, MSG_F_REPLY,
	    &fd, 1);
	return MSG_OK;
}

enum msg_err
control_message(struct proc *from, struct msg *m)
{
	/* Who may send these is in links.def: the router only. */
	switch (m->h.type) {
	case MSG_SUP_REQ:
		return control_on_req(from, m);
	case MSG_SUP_CONFIG_PUT:
	case MSG_SUP_SENTINEL:
		return configure_message(m);
	case MSG_SUP_PEER:
		return control_on_peer(from, m);
	default:
		return MSG_DIRECTION;
	}
}
