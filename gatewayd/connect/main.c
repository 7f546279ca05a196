/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-connect: resolves names, connects, and hands the socket over.  The
 * one worker in the host's network namespace.  It reads DNS answers and two
 * files of the system, never a byte of a connection; it cannot accept one, and
 * holds no secret.  channeld and modeld ask by CN_OPEN.
 */

#include "common/compat.h"

#include "common/log.h"
#include "common/worker.h"
#include "gatewayd/connect/broker.h"

#define UNANSWERED_MAX	5
#define FRESH_MS	300000	/* not again before */

static struct broker	*broker;
static uint64_t		 started_ms;

static int
connect_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	struct resolver	*rs;

	if (broker == NULL) {
		rs = resolver_new(worker_base(), "/etc/resolv.conf",
		    "/etc/hosts", 53);
		if (rs == NULL ||
		    (broker = broker_new(worker_base(), rs)) == NULL) {
			(void)snprintf(why, size, "out of memory");
			return -1;
		}
	}
	if (p == NULL) {
		(void)snprintf(why, size, "no parcel");
		return -1;
	}
	if (broker_load(broker, p, why, size) == -1)
		return -1;
	if (!reload)
		broker_commit(broker);
	return 0;
}

static void
connect_commit(void)
{
	broker_commit(broker);
}

static void
connect_peer_gone(struct link *l)
{
	broker_forget(broker, l);
}

/*
 * resolv.conf is in our root as the file that it was when we started; whoever
 * renames a new one into its place (DHCP, VPN) is not seen from here.  When
 * nobody answers any more, a new process looks again.  Sockets that were
 * handed over do not notice.
 */
static void
look_again(void)
{
	const struct broker_stats	*st = broker_stats(broker);

	if (st->unanswered < UNANSWERED_MAX || st->pending > 0 ||
	    mono_ms() - started_ms < FRESH_MS)
		return;
	log_info("connect: no name server answers: starting again to read "
	    "resolv.conf anew");
	worker_exit(1);
}

static enum msg_err
connect_message(struct link *l, struct msg *m)
{
	if (m->h.type != MSG_CN_OPEN)
		return MSG_DIRECTION;
	look_again();
	return broker_open(broker, l, m);
}

static void
connect_start(void)
{
	started_ms = mono_ms();
}

static void
connect_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	const struct broker_stats	*st = broker_stats(broker);

	(void)res;
	(void)snprintf(detail, size, "%llu opened, %llu failed, %llu refused, "
	    "%u pending", (unsigned long long)st->opened,
	    (unsigned long long)st->failed, (unsigned long long)st->refused,
	    st->pending);
}

static const struct worker connect_worker = {
	WORKER_ROLE(CONNECT),
	.configure = connect_configure,
	.commit = connect_commit,
	.peer_gone = connect_peer_gone,
	.message = connect_message,
	.start = connect_start,
	.stat = connect_stat,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &connect_worker);
}
