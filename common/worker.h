/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What every worker process shares: it is started by the supervisor with fixed
 * descriptors, locks itself down, gets its peers and its parcel, says READY,
 * answers pings, reloads, drains and quits.  A role fills in struct worker and
 * calls worker_main() from main(); it never sees a PROC_ message.
 *
 * Order at start: PROC_SANDBOX (namespaces, root, uid: first half of the
 * lock-down) -> HELLO -> peers and listeners -> configure() -> setup() ->
 * second half (Landlock, seccomp) -> READY -> peer() for each, start().
 * setup() is for what the final filter forbids: reading certificates, opening
 * a folder, linking in name service.
 */
#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H

#include "common/link.h"
#include "common/parcel.h"
#include "common/seccomp.h"

#define WORKER_FD_CTL		3
#define WORKER_FD_PARCEL	4	/* -1 when the role has none */
#define WORKER_FD_LOG		5
#define WORKER_FD_FIRST		6	/* first that is free */

/* PROC_LISTENER.kind */
enum listener_kind {
	LISTENER_PUBLIC,	/* TCP, to front */
	LISTENER_CONTROL,	/* Unix stream, to router */
	LISTENER_STDERR,	/* to log: what the worker `name` prints */
};

#define WORKER_ROLE(ID)	.role = ROLE_##ID, .made = &seccomp_of_##ID

struct worker {
	enum role role;			/* both by WORKER_ROLE() */
	const struct seccomp_made *made;
	/* Reads the parcel (kept open by the runtime until the next one is
	 * committed): 0, or -1 with a reason for the operator in why.  On a
	 * reload nothing may change yet; commit() does that. */
	int	(*configure)(const struct parcel *, bool reload, char *why,
		    size_t size);
	void	(*commit)(void);		/* the reload is accepted by all */
	int	(*setup)(void);			/* 0, or -1 with errno: fatal */
	void	(*listener)(enum listener_kind, int fd, const char *name);
	/* A sibling appeared (also after it was restarted); its messages go to
	 * message().  Keep per-peer data with link_setdata(). */
	void	(*peer)(struct link *);
	void	(*peer_gone)(struct link *);	/* freed after this returns */
	void	(*peer_drained)(struct link *);	/* see link.h; may be NULL */
	enum msg_err (*message)(struct link *, struct msg *);
	void	(*start)(void);			/* READY has been sent */
	/* Finish what runs, take nothing new; call worker_drained() when done,
	 * at the latest by the deadline.  NULL: drained at once. */
	void	(*drain)(uint32_t deadline_ms);
	void	(*stop)(void);			/* last words; no loop after */
	/* One line for `gateway processes`; "" by default. */
	void	(*stat)(struct m_proc_stat_res *, char *detail, size_t size);
	/* Further messages from the parent (router: SUP_, log: its lines). */
	enum msg_err (*control)(struct link *, struct msg *);
};

/* Never returns before the process ends; the result is the exit status.
 * `prog -V` prints name, version and message protocol; `prog -T` runs the
 * role's sandbox self-test (common/selftest.h) and exits 0 when all it must
 * not do failed. */
int	 worker_main(int argc, char *argv[], const struct worker *);

struct event_base *worker_base(void);
const char *worker_instance(void);	/* "telegram:main"; "" for one-only */
const struct parcel *worker_parcel(void);
/* Zeroes and closes the parcel, for roles that have taken a credential out of
 * it; to be called in setup() and commit(). */
void	 worker_parcel_forget(void);
struct link *worker_ctl(void);		/* to the parent */
void	 worker_drained(void);
/* How this process is held (sandbox.h). */
int	 worker_mode(void);
/* In setup(): one more enum sandbox_fact for READY. */
void	 worker_fact(uint32_t fact);
/* Ends this process: 0 is an orderly end, 1 asks for a restart. */
void	 worker_exit(int status);

#endif
