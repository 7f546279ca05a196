/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gatewayd: options, signals, start and end of the supervisor. */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "gatewayd/gatewayd.h"
#include "gatewayd/host/confile.h"
#include "gatewayd/host/house.h"
#include "gatewayd/host/log_early.h"
#include "gatewayd/host/notify.h"
#include "gatewayd/host/offline.h"
#include "gatewayd/host/options.h"
#include "gatewayd/host/terminal.h"
#include "gatewayd/host/token_file.h"
#include "gatewayd/host/users.h"

struct supervisor	 sup;

static bool		 announced;
static int		 bad_config;	/* exit status */

static void
signal_cb(evutil_socket_t sig, short what, void *arg)
{
	if (sig == SIGHUP && !terminal_gone())
		reload_start(0, false);
	else
		shutdown_start(false);
}

static void
signals_init(void)
{
	static const int	 sigs[] = { SIGHUP, SIGINT, SIGTERM };
	struct event		*ev;
	size_t			 i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		ev = evsignal_new(sup.base, sigs[i], signal_cb, NULL);
		if (ev == NULL || event_add(ev, NULL) == -1)
			fatalx("signal %d", sigs[i]);
	}
}

/* Said once everything that a client needs is READY. */
static void
announce_cb(evutil_socket_t fd, short what, void *arg)
{
	static const enum role	 needed[] = { ROLE_FRONT, ROLE_ROUTER,
		ROLE_STORE };
	struct timeval		 tv = { 0, 5000 };
	struct proc		*p;
	size_t			 i;

	if (announced || sup.stopping)
		return;
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		p = proc_find(needed[i], "");
		if (p == NULL || p->state != PROC_ST_RUNNING) {
			evtimer_add(*(struct event **)arg, &tv);
			return;
		}
	}
	announced = true;
	log_info("ready, generation %u, %s mode; %s", sup.generation,
	    sandbox_mode_name(sup.mode), sup.cgroup.text);
	/* The token only when the configuration does not name another. */
	terminal_address(listen_url(), parcel_get_bool(conf_index(), true,
	    "auth.env_token") ? gateway_token() : "", sup.paths.state);
	notify_ready();
}

static void	 first_cb(bool);

/* A file that does not start anything is told of, and what last ran is
 * started: nobody is locked out by a mistake in an editor. */
static bool
first_good(const char *why)
{
	static bool	 tried;

	if (tried || (sup.conf_flags & CF_CHECK_ONLY) ||
	    access(confile_good(sup.paths.state), R_OK) == -1)
		return false;
	tried = true;
	conf_drop();
	listen_close();
	log_errorx("%s; starting with the last configuration that did run, "
	    "%s", why, confile_good(sup.paths.state));
	conf_from(confile_good(sup.paths.state));
	return conf_run(sup.conf_flags, first_cb) == 0;
}

static void
first_cb(bool ok)
{
	static struct event	*ev;
	char			 why[5120];
	struct timeval		 tv = { 0, 0 };

	if (!ok) {
		snprintf(why, sizeof(why), "the configuration cannot be used: "
		    "%s", conf_problem());
		if (first_good(why))
			return;
		log_errorx("%s", why);
		sup.status = bad_config;
		event_base_loopbreak(sup.base);
		return;
	}
	if (sup.conf_flags & CF_CHECK_ONLY) {
		printf("%s: the configuration can be used\n",
		    sup.paths.config);
		event_base_loopbreak(sup.base);
		return;
	}
	if (listen_open(conf_next(), why, sizeof(why)) == -1) {
		if (first_good(why))
			return;
		log_errorx("Gateway failed to start: %s", why);
		sup.status = 1;
		event_base_loopbreak(sup.base);
		return;
	}
	if (reload_first(why, sizeof(why)) == -1) {
		log_errorx("%s", why);
		sup.status = bad_config;
		event_base_loopbreak(sup.base);
		return;
	}
	sup.started = true;
	configure_watch();
	if ((ev = evtimer_new(sup.base, announce_cb, &ev)) == NULL ||
	    evtimer_add(ev, &tv) == -1)
		fatalx("announce timer");
}

static void
sandbox_init(bool user, bool weak, int64_t uid_base)
{
	struct rlimit	 rl;
	char		 why[512], text[512];

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	sup.netns_fd = -1;
	sup.sandbox_flags |= weak ? 0 : SANDBOX_STRICT;
	sup.mode = sandbox_mode_probe(why, sizeof(why));
	if (sup.mode == SANDBOX_NONE && !weak)
		fatalx("no namespaces for workers: %s; allow them, or start "
		    "with -t to run weaker, see openclaw-security(7)", why);
	if (sup.mode == SANDBOX_ROOT) {
		/* -U by root: never root itself, not even in a namespace. */
		if (users_load(&sup.ids, user ? SANDBOX_IDS_SHARED :
		    uid_base) == -1)
			fatal("service users");
		if ((sup.netns_fd = sandbox_netns_new()) == -1)
			fatal("empty network namespace");
	}
	sup.cgroup.fd = sup.cgroup.jobs_fd = -1;
	if (sup.mode == SANDBOX_NONE)
		snprintf(sup.cgroup.text, sizeof(sup.cgroup.text),
		    "no commands can be run: %s", why);
	else if ((sup.conf_flags & CF_CHECK_ONLY) == 0)
		cgroup_tree_start(&sup.cgroup);
	if (sup.sandbox_flags & SANDBOX_AUDIT) {
		strlcpy(text, sup.cgroup.text, sizeof(text));
		snprintf(sup.cgroup.text, sizeof(sup.cgroup.text),
		    SANDBOX_AUDIT_TEXT "; %.300s", text);
		log_warnx("-A: " SANDBOX_AUDIT_TEXT);
	}
	/* Jobs whose parents died come to us and are reaped, not to init. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_DUMPABLE, 0);
}

int
main(int argc, char *argv[])
{
	struct options	 o;
	struct proc	*p;
	char		 why[1024], webchat[4096];

	TAILQ_INIT(&sup.procs);
	log_early_init("gatewayd", lines_send);
	options_read(&o, argc, argv);
	sup.conf_flags = o.conf_flags;
	bad_config = (int)o.bad_config;
	sup.sandbox_flags = o.audit ? SANDBOX_AUDIT : 0;
	sup.groups = o.groups;
	umask(077);
	environ_restore();
	sup.argv = argv;
	if (sup.groups != NULL && geteuid() != 0)
		fatalx("-g: only root can give its socket to a group");
	if (peer_policy_load(&sup.peers, sup.groups, why, sizeof(why)) == -1)
		fatalx("-g: %s", why);
	if (paths_resolve(&sup.paths, o.config, o.state, why,
	    sizeof(why)) == -1)
		fatalx("%s", why);
	if (house_enter(&sup.paths, sup.conf_flags & CF_CHECK_ONLY,
	    o.offline != -1 && o.offline != CF_SHOW, why, sizeof(why)) == -1)
		fatalx("%s", why);
	if (paths_libexec(o.libexec, sup.libexec, sizeof(sup.libexec)) == -1)
		fatal("folder of the workers");
	/* Where the page is, only the place of the programs tells. */
	if (paths_webchat(sup.libexec, webchat, sizeof(webchat)) == 0)
		setenv("GATEWAYD_UI_DIR", webchat, 0);
	sandbox_init(o.user, o.weak, o.uid_base);
	if ((sup.base = event_base_new()) == NULL)
		fatalx("event base");
	signals_init();
	if (sandbox_supervisor_lock() == -1)
		fatal("own sandbox");
	proc_init();
	configure_init(sup.base, &sup.paths, &sup.stopping);
	if (o.offline != -1)
		offline_start(sup.base, o.offline, &sup.status);
	else if (conf_run(sup.conf_flags, first_cb) == -1)
		fatal("configuration reader");
	environ_wipe();
	event_base_dispatch(sup.base);

	/* Whatever is left after an early failure. */
	TAILQ_FOREACH(p, &sup.procs, entry)
		if (p->pidfd != -1)
			proc_kill(p, "the supervisor ends");
	listen_close();
	cgroup_tree_close(&sup.cgroup);
	if (sup.reexec) {
		environ_keep();
		execv("/proc/self/exe", argv);
		fatal("start anew");
	}
	if ((sup.conf_flags & CF_CHECK_ONLY) == 0)
		log_info("ended");
	return sup.status;
}
