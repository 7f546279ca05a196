/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Links between workers.  The parent makes each pair and gives both ends away;
 * who may be joined is decided by links.def, and for instances by whose they
 * are.
 */
#include "common/compat.h"

#include <sys/socket.h>

#include <unistd.h>

#include "common/log.h"
#include "gatewayd/gatewayd.h"

struct joint {
	SLIST_ENTRY(joint)	 entry;
	struct proc		*a, *b;
	uint32_t		 at_a, at_b;	/* endpoint as that side sees */
};
static SLIST_HEAD(, joint)	 joints = SLIST_HEAD_INITIALIZER(joints);
static uint32_t			 last_endpoint = 1;

/* Are these two instances of linked roles each other's?  One agent has one
 * tool runner, one tool runner one jailer and one file worker; an agent has
 * only those credentials that the configuration gives it. */
static bool
topology_belong(const struct proc *a, const struct proc *b)
{
	const struct proc	*t;
	const char		*want;
	size_t			 i;

	if (!role_linked(a->role, b->role))
		return false;
	if (a->role > b->role) {	/* agents come before what is theirs */
		t = a;
		a = b;
		b = t;
	}
	if (a->role == ROLE_TOOL || (a->role == ROLE_AGENT &&
	    b->role == ROLE_TOOL))
		return strcmp(a->instance, b->instance) == 0;
	if (a->role != ROLE_AGENT || b->role != ROLE_MODEL ||
	    parcel_get(conf_index(), "proc.%zu.model.0", a->index) == NULL)
		return true;
	for (i = 0; (want = parcel_get(conf_index(), "proc.%zu.model.%zu",
	    a->index, i)) != NULL; i++)
		if (strcmp(want, b->instance) == 0)
			return true;
	return false;
}

static int
topology_give(struct proc *to, const struct proc *of, const char *instance,
    uint32_t endpoint, int fd)
{
	struct m_proc_peer	 m;

	memset(&m, 0, sizeof(m));
	m.role = (uint8_t)of->role;
	m.instance = str_of(instance);
	m.endpoint = endpoint;
	return link_send_fds(to->ctl, MSG_PROC_PEER, &m, 0, 0, &fd, 1);
}

static void
topology_pair(struct proc *a, struct proc *b)
{
	struct joint	*j;
	int		 sv[2];

	if ((j = calloc(1, sizeof(*j))) == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1) {
		log_warn("link %s - %s", a->name, b->name);
		free(j);
		return;
	}
	j->a = a;
	j->b = b;
	j->at_a = ++last_endpoint;
	j->at_b = ++last_endpoint;
	SLIST_INSERT_HEAD(&joints, j, entry);
	if (topology_give(a, b, b->instance, j->at_a, sv[0]) == -1 ||
	    topology_give(b, a, a->instance, j->at_b, sv[1]) == -1)
		/* One has just ended; that will be heard of. */
		log_debug("link %s - %s: not given", a->name, b->name);
}

/* Log lines of p go to the logger over a link of their own. */
static void
topology_log(struct proc *p, struct proc *logger)
{
	struct m_proc_listener	 ls;
	int			 sv[2], fd;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1) {
		log_warn("log link of %s", p->name);
		return;
	}
	if (topology_give(p, logger, "lines", ++last_endpoint, sv[0]) == -1 ||
	    topology_give(logger, p, p->instance, ++last_endpoint,
	    sv[1]) == -1)
		log_debug("log link of %s: not given", p->name);
	if (p->stderr_fd == -1 ||
	    (fd = dup(p->stderr_fd)) == -1)
		return;
	memset(&ls, 0, sizeof(ls));
	ls.kind = LISTENER_STDERR;
	ls.name = str_of(p->name);
	link_send_fds(logger->ctl, MSG_PROC_LISTENER, &ls, 0, 0, &fd, 1);
}

void
topology_join(struct proc *p)
{
	struct proc	*q, *logger = NULL;

	TAILQ_FOREACH(q, &sup.procs, entry) {
		if (q == p || q->ctl == NULL || q->stopping)
			continue;
		if (q->role == ROLE_LOG)
			logger = q;
		if (topology_belong(p, q))
			topology_pair(p, q);
	}
	if (p->role == ROLE_CONFIG)
		return;
	if (p->role != ROLE_LOG && logger != NULL)
		topology_log(p, logger);
	if (p->role == ROLE_LOG)
		TAILQ_FOREACH(q, &sup.procs, entry)
			if (q != p && q->ctl != NULL &&
			    q->role != ROLE_CONFIG)
				topology_log(q, p);
}

void
topology_leave(struct proc *p)
{
	struct joint	*j, *next;

	/* The other side sees the end of the link by itself. */
	for (j = SLIST_FIRST(&joints); j != NULL; j = next) {
		next = SLIST_NEXT(j, entry);
		if (j->a != p && j->b != p)
			continue;
		SLIST_REMOVE(&joints, j, joint, entry);
		free(j);
	}
}

struct proc *
topology_peer(const struct proc *p, uint32_t endpoint)
{
	struct joint	*j;

	SLIST_FOREACH(j, &joints, entry) {
		if (j->a == p && j->at_a == endpoint)
			return j->b;
		if (j->b == p && j->at_b == endpoint)
			return j->a;
	}
	return NULL;
}
