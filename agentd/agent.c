/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Wires agentd to the worker runtime; see agentd.h for the parts, main.c for
 * main(). */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "agentd/http.h"
#include "common/log.h"

struct link	*router, *tools;
int		 state_fd = -1, sessions_fd = -1;
bool		 draining;

static struct config	*next_cfg;
static struct event	*drain_ev;
static uint64_t		 drain_until;

static int
agent_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	struct config	*c;

	if (p == NULL) {
		strlcpy(why, "no parcel", size);
		return -1;
	}
	if ((c = config_read(p, why, size)) == NULL)
		return -1;
	if (!reload) {
		cfg = c;
		return 0;
	}
	if (strcmp(c->state_dir, cfg->state_dir) != 0 ||
	    strcmp(c->agent_id, cfg->agent_id) != 0) {
		strlcpy(why, "the agent's folder changed; restart it", size);
		config_unref(c);
		return -1;
	}
	config_unref(next_cfg);
	next_cfg = c;
	return 0;
}

static void
agent_commit(void)
{
	if (next_cfg == NULL)
		return;
	config_unref(cfg);
	cfg = next_cfg;
	next_cfg = NULL;
	prompt_open();
	turn_schedule();
}

int
agent_open_folders(void)
{
	if (sessions_fd != -1)
		return 0;
	if (mkdir(cfg->state_dir, 0700) == -1 && errno != EEXIST &&
	    errno != EROFS)
		return -1;
	if (state_fd == -1)
		state_fd = open(cfg->state_dir, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC);
	if (state_fd == -1)
		return -1;
	if (mkdirat(state_fd, "sessions", 0700) == -1 && errno != EEXIST)
		return -1;
	sessions_fd = openat(state_fd, "sessions", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC | O_NOFOLLOW);
	return sessions_fd == -1 ? -1 : 0;
}

static int
agent_setup(void)
{
	signal(SIGXFSZ, SIG_IGN);	/* a full quota is an errno */
	tzset();
	if (agent_open_folders() == -1)
		log_warn("%s", cfg->state_dir);	/* turns are refused */
	prompt_open();
	return 0;
}

static void
agent_start(void)
{
	if (journal_open() == -1)
		fatal("journal");
}

static void
agent_peer(struct link *l)
{
	switch (link_peer(l)) {
	case ROLE_ROUTER:
		router = l;
		outbox_router(l);
		state_changed();
		break;
	case ROLE_TOOL:
		toolcall_peer(l);
		break;
	case ROLE_MODEL:
		model_peer(l);
		break;
	default:
		break;
	}
}

static void
agent_peer_gone(struct link *l)
{
	if (l == router) {
		router = NULL;
		rpc_router_gone();
		http_router_gone();
		announce_router_gone();
	}
	toolcall_peer_gone(l);
	model_peer_gone(l);
}

static void
agent_peer_drained(struct link *l)
{
	if (l == router) {
		model_router_drained();
		http_router_drained();
	}
}

static enum msg_err
agent_message(struct link *l, struct msg *m)
{
	switch (m->h.type) {
	case MSG_AG_TURN:
		return turn_message(l, m);
	case MSG_AG_RUN_ASK:
		return turn_asked(l, m);
	case MSG_AG_SYSTEM:
		return sysevent_message(l, m);
	case MSG_AG_WATCH:
		return announce_watch(m);
	case MSG_AG_DELIVER_ACK:
		return outbox_ack(l, m);
	case MSG_HTTP_REQ:
	case MSG_HTTP_GONE:
	case MSG_HTTP_CREDIT:
		return http_message(l, m);
	case MSG_RPC_REQ:
		return rpc_message(l, m);
	case MSG_TL_ACCEPT:
	case MSG_TL_OUT:
	case MSG_TL_DONE:
	case MSG_TL_LIST_RES:
		return toolcall_message(l, m);
	case MSG_MD_HEAD:
	case MSG_MD_DATA:
	case MSG_MD_END:
		return model_message(l, m);
	default:
		return MSG_UNKNOWN;
	}
}

/* Running turns may end; those that are still running at the deadline are
 * aborted in time for their end to be written.  Waiting ones stay in the
 * index and run after the next start. */
static void
drain_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timeval	 tv = { .tv_usec = 50000 };
	struct run	*run, *next;
	bool		 late = mono_ms() + 1000 >= drain_until;

	(void)fd;
	(void)what;
	(void)arg;
	for (run = LIST_FIRST(&runs); late && run != NULL; run = next) {
		next = LIST_NEXT(run, entry);
		run_abort(run, "shutdown");
	}
	if (LIST_EMPTY(&runs) || mono_ms() + 200 >= drain_until) {
		journal_flush();
		worker_drained();
		return;
	}
	event_add(drain_ev, &tv);
}

static void
agent_drain(uint32_t deadline_ms)
{
	draining = true;
	drain_until = mono_ms() + deadline_ms;
	if (drain_ev == NULL)
		drain_ev = evtimer_new(worker_base(), drain_cb, NULL);
	drain_cb(-1, 0, NULL);
}

static void
agent_stop(void)
{
	journal_flush();
	view_flush();
	journal_close();
}

static void
agent_stat(struct m_proc_stat_res *r, char *detail, size_t size)
{
	r->queued = turn_count_queued();
	snprintf(detail, size, "%u running, %zu waiting, %zu deliveries%s%s",
	    nactive, turn_count_queued(), outbox_count(),
	    journal_trouble()[0] != '\0' ? "; " : "", journal_trouble());
}

const struct worker agent_worker = {
	WORKER_ROLE(AGENT),
	.configure = agent_configure,
	.commit = agent_commit,
	.setup = agent_setup,
	.peer = agent_peer,
	.peer_gone = agent_peer_gone,
	.peer_drained = agent_peer_drained,
	.message = agent_message,
	.start = agent_start,
	.drain = agent_drain,
	.stop = agent_stop,
	.stat = agent_stat,
};
