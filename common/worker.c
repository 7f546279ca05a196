/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The life of a worker process; see worker.h.  The parent is the only peer
 * whose word is taken for granted here; siblings are hostile until proven
 * otherwise, and a violation of theirs is reported, never answered.
 */
#include "common/compat.h"

#include <sys/queue.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "common/selftest.h"
#include "common/worker.h"

struct peer {
	TAILQ_ENTRY(peer)	 entry;
	enum role		 role;
	char			 instance[129];
	uint32_t		 endpoint;
	int			 fd;		/* until start, then -1 */
	struct link		*link;
};

struct listener {
	TAILQ_ENTRY(listener)	 entry;
	enum listener_kind	 kind;
	int			 fd;
	char			 name[257];
};

static struct {
	const struct worker	*w;
	struct event_base	*base;
	char			 instance[129];
	char			 name[192];
	struct link		*ctl, *log;
	struct parcel		*parcel, *next;
	uint32_t		 next_generation;
	struct sandbox_spec	 spec;
	struct sandbox_report	 report;
	TAILQ_HEAD(, peer)	 peers;
	TAILQ_HEAD(, listener)	 listeners;
	bool			 has_parcel, locked, started, draining, drained, ending;
	int			 status;
	uint64_t		 log_drops;
} wk;

static enum msg_err	 worker_ctl_message(struct link *, struct msg *,
			    void *);
static void		 worker_ctl_gone(struct link *, enum msg_err, uint16_t,
			    void *);
static enum msg_err	 worker_peer_message(struct link *, struct msg *,
			    void *);
static void		 worker_peer_gone(struct link *, enum msg_err,
			    uint16_t, void *);
static void		 worker_peer_drained(struct link *, void *);
static void		 worker_peer_start(struct peer *);
static enum msg_err	 worker_log_message(struct link *, struct msg *,
			    void *);
static void		 worker_log_gone(struct link *, enum msg_err, uint16_t,
			    void *);

static const struct link_ops	 ctl_ops = {
	worker_ctl_message, worker_ctl_gone, NULL
};
static const struct link_ops	 peer_ops = {
	worker_peer_message, worker_peer_gone, worker_peer_drained
};
static const struct link_ops	 log_ops = {
	worker_log_message, worker_log_gone, NULL
};

struct event_base *
worker_base(void)
{
	return wk.base;
}

const char *
worker_instance(void)
{
	return wk.instance;
}

const struct parcel *
worker_parcel(void)
{
	return wk.parcel;
}

void
worker_parcel_forget(void)
{
	parcel_close(wk.parcel);
	wk.parcel = NULL;
}

struct link *
worker_ctl(void)
{
	return wk.ctl;
}

int
worker_mode(void)
{
	return wk.spec.mode;
}

void
worker_fact(uint32_t fact)
{
	wk.report.facts |= fact;
}

void
worker_exit(int status)
{
	wk.ending = true;
	wk.status = status;
	event_base_loopbreak(wk.base);
}

/* --- logging ------------------------------------------------------------ */

static void
worker_log_sink(enum log_level level, const char *text)
{
	static bool		 busy;	/* a failed send must not log */
	struct m_log_line	 m;

	if (wk.log == NULL || link_full(wk.log) || busy) {
		if (wk.log == NULL)
			dprintf(STDERR_FILENO, "%s: %s\n", wk.name, text);
		else
			wk.log_drops++;
		return;
	}
	busy = true;
	memset(&m, 0, sizeof(m));
	m.level = (uint8_t)level;
	m.text = str_of(text);
	if (send_log_line(wk.log, &m, 0, 0) == -1)
		wk.log_drops++;
	busy = false;
}

static enum msg_err
worker_log_message(struct link *l, struct msg *m, void *arg)
{
	return MSG_DIRECTION;	/* the logger says nothing on this link */
}

static void
worker_log_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	wk.log = NULL;
}

static void
worker_log_open(int fd)
{
	if (wk.log != NULL)
		link_free(wk.log);
	wk.log = link_new(wk.base, fd, wk.w->role, ROLE_LOG, "", 1, &log_ops,
	    NULL);
	if (wk.log == NULL)
		close(fd);
}

/* --- siblings ----------------------------------------------------------- */

static struct peer *
worker_peer_of(const struct link *l)
{
	struct peer	*p;

	TAILQ_FOREACH(p, &wk.peers, entry)
		if (p->link == l)
			return p;
	return NULL;
}

static void
worker_peer_free(struct peer *p)
{
	TAILQ_REMOVE(&wk.peers, p, entry);
	if (p->fd != -1)
		close(p->fd);
	free(p);
}

static void
worker_badpeer(const struct link *l, uint16_t type, const char *reason)
{
	struct m_proc_badpeer	 m;

	log_warnx("%s: violation by message %04x: %s", link_name(l), type,
	    reason);
	memset(&m, 0, sizeof(m));
	m.endpoint = link_endpoint(l);
	m.type = type;
	m.reason = str_of(reason);
	if (wk.ctl != NULL)
		send_proc_badpeer(wk.ctl, &m, 0, 0);
}

static enum msg_err
worker_peer_message(struct link *l, struct msg *m, void *arg)
{
	return wk.w->message != NULL ? wk.w->message(l, m) : MSG_DIRECTION;
}

/* The one before it, whose end has not been seen yet: a sibling that died and
 * came back while we were busy.  The new link waits, so that the role hears of
 * the end first and never takes it for that of the new one. */
static struct peer *
worker_peer_before(const struct peer *p)
{
	struct peer	*q;

	/* The logger has two links of the router, one for its lines and one
	 * for logs.tail, and keeps nothing of one sibling beside its links. */
	if (wk.w->role == ROLE_LOG)
		return NULL;
	for (q = TAILQ_FIRST(&wk.peers); q != NULL && q != p;
	    q = TAILQ_NEXT(q, entry))
		if (q->role == p->role && strcmp(q->instance, p->instance) ==
		    0)
			return q;
	return NULL;
}

static void
worker_peer_next(enum role role, const char *instance)
{
	struct peer	*p;

	TAILQ_FOREACH(p, &wk.peers, entry)
		if (p->role == role && strcmp(p->instance, instance) == 0) {
			if (p->link == NULL)
				worker_peer_start(p);
			return;
		}
}

static void
worker_peer_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct peer	*p = worker_peer_of(l);

	if (why != MSG_OK)
		worker_badpeer(l, type, msg_err_name(why));
	else
		log_debug("%s: link closed", link_name(l));
	if (wk.w->peer_gone != NULL)
		wk.w->peer_gone(l);
	if (p != NULL)
		worker_peer_free(p);
	worker_peer_next(link_peer(l), link_instance(l));
}

static void
worker_peer_drained(struct link *l, void *arg)
{
	if (wk.w->peer_drained != NULL)
		wk.w->peer_drained(l);
}

static void
worker_peer_start(struct peer *p)
{
	p->link = link_new(wk.base, p->fd, wk.w->role, p->role, p->instance,
	    p->endpoint, &peer_ops, NULL);
	if (p->link == NULL) {
		log_warn("link to %s/%s", role_name(p->role), p->instance);
		worker_peer_free(p);
		return;
	}
	p->fd = -1;
	link_setstate(p->link, wk.draining ? LINK_DRAIN : LINK_RUN);
	if (wk.w->peer != NULL)
		wk.w->peer(p->link);
}

/* --- what the parent says ----------------------------------------------- */

static enum msg_err
worker_on_sandbox(struct msg *m)
{
	struct m_proc_sandbox	 v;
	struct m_proc_hello	 hello;
	enum msg_err		 err;

	if ((err = get_proc_sandbox(m, &v)) != MSG_OK)
		return err;
	if (wk.locked)
		return MSG_STATE;
	if (sandbox_spec_decode(&wk.spec, v.spec.p, v.spec.n) == -1)
		return MSG_MEANING;
	if (sandbox_enter_early(&wk.spec, wk.w->made, msg_take_fd(m, 0),
	    WORKER_FD_CTL, &wk.report) == -1)
		fatal("sandbox: %s", wk.report.detail);
	wk.locked = true;
	memset(&hello, 0, sizeof(hello));
	hello.protocol = MSG_PROTOCOL;
	hello.build = str_of(GW_VERSION);
	hello.role = (uint8_t)wk.w->role;
	hello.instance = str_of(wk.instance);
	send_proc_hello(wk.ctl, &hello, 0, 0);
	return MSG_OK;
}

static enum msg_err
worker_on_peer(struct msg *m)
{
	struct m_proc_peer	 v;
	struct peer		*p;
	enum msg_err		 err;

	if ((err = get_proc_peer(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1)
		return MSG_FD;
	/* The router has two: one for its lines, one to ask for those of all. */
	if (v.role == ROLE_LOG && (wk.w->role != ROLE_ROUTER ||
	    str_eqs(v.instance, "lines"))) {
		worker_log_open(msg_take_fd(m, 0));
		return MSG_OK;
	}
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return MSG_NOMEM;
	p->role = v.role;
	p->endpoint = v.endpoint;
	str_copy(v.instance, p->instance, sizeof(p->instance));
	p->fd = msg_take_fd(m, 0);
	TAILQ_INSERT_TAIL(&wk.peers, p, entry);
	if (wk.started && worker_peer_before(p) == NULL)
		worker_peer_start(p);
	return MSG_OK;
}

static enum msg_err
worker_on_unpeer(struct msg *m)
{
	struct m_proc_unpeer	 v;
	struct peer		*p;
	enum role		 role;
	enum msg_err		 err;
	char			 instance[sizeof(p->instance)];

	if ((err = get_proc_unpeer(m, &v)) != MSG_OK)
		return err;
	TAILQ_FOREACH(p, &wk.peers, entry)
		if (p->endpoint == v.endpoint)
			break;
	if (p == NULL)
		return MSG_OK;
	if (p->link != NULL) {
		if (wk.w->peer_gone != NULL)
			wk.w->peer_gone(p->link);
		link_free(p->link);
	}
	role = p->role;
	(void)strlcpy(instance, p->instance, sizeof(instance));
	worker_peer_free(p);
	worker_peer_next(role, instance);
	return MSG_OK;
}

static enum msg_err
worker_on_listener(struct msg *m)
{
	struct m_proc_listener	 v;
	struct listener		*ls;
	enum msg_err		 err;

	if ((err = get_proc_listener(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1)
		return MSG_FD;
	if (wk.started) {
		if (wk.w->listener != NULL)
			wk.w->listener(v.kind, msg_take_fd(m, 0), v.name.p);
		return MSG_OK;
	}
	if ((ls = calloc(1, sizeof(*ls))) == NULL)
		return MSG_NOMEM;
	ls->kind = v.kind;
	str_copy(v.name, ls->name, sizeof(ls->name));
	ls->fd = msg_take_fd(m, 0);
	TAILQ_INSERT_TAIL(&wk.listeners, ls, entry);
	return MSG_OK;
}

static enum msg_err
worker_on_start(struct msg *m)
{
	struct m_proc_start	 v;
	struct m_proc_ready	 ready;
	struct listener		*ls;
	struct peer		*p, *next;
	enum msg_err		 err;
	char			 why[512] = "";

	if ((err = get_proc_start(m, &v)) != MSG_OK)
		return err;
	if (!wk.locked || wk.started)
		return MSG_STATE;
	if (wk.has_parcel &&
	    (wk.parcel = parcel_open(WORKER_FD_PARCEL)) == NULL)
		fatal("parcel");
	if (wk.w->configure != NULL &&
	    wk.w->configure(wk.parcel, false, why, sizeof(why)) == -1)
		fatalx("configuration: %s", why);
	if (wk.w->setup != NULL && wk.w->setup() == -1)
		fatal("set-up");
	if (sandbox_enter_late(&wk.spec, wk.w->made, &wk.report) == -1)
		fatal("sandbox: %s", wk.report.detail);
	wk.started = true;
	memset(&ready, 0, sizeof(ready));
	ready.sandbox = wk.report.facts;
	ready.failed = wk.report.failed;
	ready.landlock_abi = wk.report.landlock_abi;
	ready.syscalls = wk.report.syscalls;
	ready.start_syscalls = wk.report.start_syscalls;
	ready.detail = str_of(wk.report.detail);
	if (send_proc_ready(wk.ctl, &ready, 0, 0) == -1)
		fatal("ready");
	link_setstate(wk.ctl, LINK_RUN);
	while ((ls = TAILQ_FIRST(&wk.listeners)) != NULL) {
		TAILQ_REMOVE(&wk.listeners, ls, entry);
		if (wk.w->listener != NULL)
			wk.w->listener(ls->kind, ls->fd, ls->name);
		else
			close(ls->fd);
		free(ls);
	}
	for (p = TAILQ_FIRST(&wk.peers); p != NULL; p = next) {
		next = TAILQ_NEXT(p, entry);
		if (worker_peer_before(p) == NULL)
			worker_peer_start(p);
	}
	if (wk.w->start != NULL)
		wk.w->start();
	return MSG_OK;
}

static enum msg_err
worker_on_config(struct msg *m)
{
	struct m_proc_config		 v;
	struct m_proc_config_ack	 ack;
	enum msg_err			 err;
	char				 why[512] = "";

	if ((err = get_proc_config(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1)
		return MSG_FD;
	memset(&ack, 0, sizeof(ack));
	ack.generation = v.generation;
	parcel_close(wk.next);
	wk.next = parcel_open(msg_take_fd(m, 0));
	wk.next_generation = v.generation;
	if (wk.next == NULL)
		strlcpy(why, "parcel cannot be read", sizeof(why));
	else if (wk.w->configure == NULL)
		strlcpy(why, "needs a restart", sizeof(why));
	else if (wk.w->configure(wk.next, true, why, sizeof(why)) == 0)
		ack.ok = 1;
	if (!ack.ok) {
		parcel_close(wk.next);
		wk.next = NULL;
	}
	ack.reason = str_of(why);
	send_proc_config_ack(wk.ctl, &ack, m->h.corr, MSG_F_REPLY);
	return MSG_OK;
}

static enum msg_err
worker_on_commit(struct msg *m)
{
	struct m_proc_config_commit	 v;
	struct parcel			*old = wk.parcel;
	enum msg_err			 err;

	if ((err = get_proc_config_commit(m, &v)) != MSG_OK)
		return err;
	if (wk.next == NULL || v.generation != wk.next_generation)
		return MSG_OK;	/* refused before, or overtaken by a newer */
	wk.parcel = wk.next;
	wk.next = NULL;
	if (wk.w->commit != NULL)
		wk.w->commit();
	parcel_close(old);
	return MSG_OK;
}

void
worker_drained(void)
{
	struct m_proc_drained	 v;

	if (!wk.draining || wk.drained)
		return;
	wk.drained = true;
	memset(&v, 0, sizeof(v));
	send_proc_drained(wk.ctl, &v, 0, 0);
}

static enum msg_err
worker_on_drain(struct msg *m)
{
	struct m_proc_drain	 v;
	struct peer		*p;
	enum msg_err		 err;

	if ((err = get_proc_drain(m, &v)) != MSG_OK)
		return err;
	if (wk.draining)
		return MSG_OK;
	wk.draining = true;
	link_setstate(wk.ctl, LINK_DRAIN);
	TAILQ_FOREACH(p, &wk.peers, entry)
		if (p->link != NULL)
			link_setstate(p->link, LINK_DRAIN);
	if (wk.w->drain != NULL)
		wk.w->drain(v.deadline_ms);
	else
		worker_drained();
	return MSG_OK;
}

static enum msg_err
worker_on_stat(struct msg *m)
{
	struct m_proc_stat	 v;
	struct m_proc_stat_res	 res;
	struct link_stats	 st;
	struct peer		*p;
	enum msg_err		 err;
	char			 detail[512] = "";

	if ((err = get_proc_stat(m, &v)) != MSG_OK)
		return err;
	memset(&res, 0, sizeof(res));
	link_stats(&st);
	res.msgs_in = st.msgs_in;
	res.msgs_out = st.msgs_out;
	res.bytes_in = st.bytes_in;
	res.bytes_out = st.bytes_out;
	TAILQ_FOREACH(p, &wk.peers, entry)
		if (p->link != NULL)
			res.queued += link_queued(p->link);
	res.drops = wk.log_drops;
	if (wk.w->stat != NULL)
		wk.w->stat(&res, detail, sizeof(detail));
	res.detail = str_of(detail);
	send_proc_stat_res(wk.ctl, &res, m->h.corr, MSG_F_REPLY);
	return MSG_OK;
}

static enum msg_err
worker_ctl_message(struct link *l, struct msg *m, void *arg)
{
	struct m_proc_ping	 ping;
	struct m_proc_pong	 pong;
	struct m_proc_verbose	 verbose;
	struct m_proc_quit	 quit;
	enum msg_err		 err;

	/* Until it is locked down a worker does nothing else at all. */
	if (!wk.locked && m->h.type != MSG_PROC_SANDBOX)
		return MSG_STATE;
	switch (m->h.type) {
	case MSG_PROC_SANDBOX:
		return worker_on_sandbox(m);
	case MSG_PROC_PEER:
		return worker_on_peer(m);
	case MSG_PROC_UNPEER:
		return worker_on_unpeer(m);
	case MSG_PROC_LISTENER:
		return worker_on_listener(m);
	case MSG_PROC_START:
		return worker_on_start(m);
	case MSG_PROC_CONFIG:
		return worker_on_config(m);
	case MSG_PROC_CONFIG_COMMIT:
		return worker_on_commit(m);
	case MSG_PROC_DRAIN:
		return worker_on_drain(m);
	case MSG_PROC_STAT:
		return worker_on_stat(m);
	case MSG_PROC_PING:
		if ((err = get_proc_ping(m, &ping)) != MSG_OK)
			return err;
		memset(&pong, 0, sizeof(pong));
		pong.counter = ping.counter;
		send_proc_pong(l, &pong, m->h.corr, MSG_F_REPLY);
		return MSG_OK;
	case MSG_PROC_VERBOSE:
		if ((err = get_proc_verbose(m, &verbose)) != MSG_OK)
			return err;
		log_setlevel(verbose.level);
		return MSG_OK;
	case MSG_PROC_QUIT:
		if ((err = get_proc_quit(m, &quit)) != MSG_OK)
			return err;
		worker_exit(0);
		return MSG_OK;
	default:
		return wk.w->control != NULL ? wk.w->control(l, m) :
		    MSG_DIRECTION;
	}
}

static void
worker_ctl_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	wk.ctl = NULL;
	if (why != MSG_OK)
		log_warnx("parent: message %04x: %s", type, msg_err_name(why));
	/* No parent, no purpose: everything that must survive is on disk. */
	worker_exit(why == MSG_OK ? 0 : 1);
}

/* --- start and end ------------------------------------------------------ */

static void
worker_signals(void)
{
	struct sigaction	 sa;
	sigset_t		 none;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	/* The parent decides when a worker ends, not a terminal. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
worker_end(void)
{
	struct peer	*p;

	if (wk.w->stop != NULL && wk.started)
		wk.w->stop();
	TAILQ_FOREACH(p, &wk.peers, entry)
		if (p->link != NULL)
			link_flush(p->link);
	if (wk.log != NULL)
		link_flush(wk.log);
	if (wk.ctl != NULL)
		link_flush(wk.ctl);
}

int
worker_main(int argc, char *argv[], const struct worker *w)
{
	int	 opt;
	bool	 selftest = false, has_log;

	wk.w = w;
	TAILQ_INIT(&wk.peers);
	TAILQ_INIT(&wk.listeners);
	while ((opt = getopt(argc, argv, "i:TV")) != -1) {
		switch (opt) {
		case 'i':
			if (strlcpy(wk.instance, optarg,
			    sizeof(wk.instance)) >= sizeof(wk.instance))
				return 2;
			break;
		case 'T':
			selftest = true;
			break;
		case 'V':
			printf("%s %s (message protocol %d)\n",
			    role_program(w->role), GW_VERSION, MSG_PROTOCOL);
			return 0;
		default:
			dprintf(STDERR_FILENO, "%s: a worker of gatewayd(8); "
			    "only -V and -T are for people\n",
			    role_program(w->role));
			return 2;
		}
	}
	snprintf(wk.name, sizeof(wk.name), "%s%s%s", role_name(w->role),
	    wk.instance[0] != '\0' ? "/" : "", wk.instance);
	log_init(wk.name);
	if (selftest)
		return selftest_main(w->made);
	if (fcntl(WORKER_FD_CTL, F_GETFD) == -1) {
		dprintf(STDERR_FILENO, "%s: not started by gatewayd; see "
		    "gatewayd(8)\n", role_program(w->role));
		return 2;
	}
	worker_signals();
	/* Asked before anything else can take these numbers. */
	wk.has_parcel = fcntl(WORKER_FD_PARCEL, F_GETFD) != -1;
	has_log = fcntl(WORKER_FD_LOG, F_GETFD) != -1;
	if ((wk.base = event_base_new()) == NULL)
		fatalx("event base");
	if (w->role != ROLE_LOG) {
		/* The supervisor sends it as a peer; until then lines go to
		 * standard error, which the logger reads too. */
		if (has_log)
			worker_log_open(WORKER_FD_LOG);
		log_setsink(worker_log_sink);
	}
	wk.ctl = link_new(wk.base, WORKER_FD_CTL, w->role, ROLE_PARENT, "", 1,
	    &ctl_ops, NULL);
	if (wk.ctl == NULL)
		fatal("link to the parent");
	while (!wk.ending)
		if (event_base_dispatch(wk.base) == -1)
			break;
	worker_end();
	_exit(wk.status);
}
