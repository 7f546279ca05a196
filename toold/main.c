/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * toold: judges the tool calls of one agent.  It may ask the jailer for a
 * command, the file worker for a file and the fetcher for a page, and write spill files to its own
 * folder.  It never executes anything, has no network, and cannot see the
 * workspace.  agentd, which digests hostile text, talks to it; so every
 * argument is hostile.
 */
#include "common/compat.h"

#include "common/log.h"
#include "common/sandbox.h"
#include "common/worker.h"
#include "toold/toold.h"

static struct toold	 toold = {.spool_fd = -1};

static int
main_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	return toold_configure(&toold, p, reload, why, size);
}

static void
main_commit(void)
{
	toold_commit(&toold);
}

static void
main_want_fetcher(bool on)
{
	struct m_proc_want	 m = { ROLE_FETCH, on };

	if (send_proc_want(worker_ctl(), &m, 0, 0) == -1)
		log_warn("proc_want");
}

static int
main_setup(void)
{
	toold.want_fetcher = main_want_fetcher;
	toold.base = worker_base();
	/* Nothing stands in for a jail: a command outside of one could do all
	 * that this user can. */
	if (worker_mode() == SANDBOX_NONE)
		toold.no_jobs = "no commands, as this host gives the gateway "
		    "no namespaces to jail them in";
	return toold_open(&toold);
}

static void
main_peer(struct link *l)
{
	toold_peer(&toold, l);
}

static void
main_peer_gone(struct link *l)
{
	toold_peer_gone(&toold, l);
}

static enum msg_err
main_message(struct link *l, struct msg *m)
{
	return toold_message(&toold, l, m);
}

static void
main_drain(uint32_t deadline_ms)
{
	(void)deadline_ms;	/* jobs are killed a second from now */
	toold_drain(&toold, worker_drained);
}

static void
main_stop(void)
{
	toold_close(&toold);
}

static void
main_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	snprintf(detail, size, "%zu calls, %zu commands running, %zu kept, "
	    "%llu calls so far, %llu refused", toold.ncalls, toold.nrunning,
	    toold.njobs - toold.nrunning,
	    (unsigned long long)toold.ncalls_total,
	    (unsigned long long)toold.ndenied);
}

static const struct worker main_worker = {
	WORKER_ROLE(TOOL),
	.configure = main_configure,
	.commit = main_commit,
	.setup = main_setup,
	.peer = main_peer,
	.peer_gone = main_peer_gone,
	.message = main_message,
	.drain = main_drain,
	.stop = main_stop,
	.stat = main_stat,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &main_worker);
}
