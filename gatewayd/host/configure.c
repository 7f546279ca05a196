/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The configuration file: who may change it, when a change is read, and what
 * stays when one cannot be used.  The text itself is never looked at here; it
 * goes to and comes from the configuration reader as sealed memory.
 */
#include "common/compat.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/gatewayd.h"
#include "gatewayd/host/confile.h"
#include "gatewayd/host/confwatch.h"
#include "gatewayd/host/sentinel.h"
#include "gatewayd/host/wishes.h"

static struct event_base	*base;
static const char		*file, *folder;	/* it, the state folder */
static const bool		*stopping;
static struct event		*restart_ev;

void
configure_init(struct event_base *b, const struct paths *ps, const bool *stop)
{
	base = b;
	file = ps->config;
	folder = ps->state;
	stopping = stop;
}

bool
configure_restarts(void)
{
	return evtimer_pending(restart_ev, NULL) != 0;
}

static void
configure_reply(uint64_t corr, bool ok, const char *text, int fd)
{
	struct m_sup_config_res	 m;
	struct proc		*r = proc_find(ROLE_ROUTER, "");

	memset(&m, 0, sizeof(m));
	m.ok = ok;
	m.text = str_of(text);
	if (r != NULL && r->ctl != NULL)
		link_send_fds(r->ctl, MSG_SUP_CONFIG_RES, &m, corr,
		    MSG_F_REPLY, &fd, fd != -1 ? 1 : 0);
	else if (fd != -1)
		close(fd);
}

static void
configure_restart_cb(evutil_socket_t fd, short what, void *arg)
{
	shutdown_start(true);
}

/* The file is written here and nowhere else. */
int
configure_store(char *why, size_t size)
{
	char	 path[PATH_MAX];
	int	 fd = results_text(CF_TEXT_FILE), r, saved;

	r = confile_write_fd(file, conf_seen(), fd);
	saved = errno;
	if (fd != -1)
		close(fd);
	if (r == -1) {
		snprintf(why, size, saved == ESTALE ? "config changed since "
		    "last load; re-run config.get and retry" :
		    "%s: cannot be written: %s", file,
		    strerror(saved));
		return -1;
	}
	if ((fd = results_text(CF_TEXT_SENTINEL)) != -1) {
		sentinel_path(folder, path, sizeof(path));
		if (confile_write_fd(path, NULL, fd) == -1)
			log_warn("%s", path);
		close(fd);
	}
	return 0;
}

static void
configure_put_cb(bool ok)
{
	struct wish	*p = wishes_first();
	char		 why[4608] = "";
	uint32_t	 ms = conf_result()->restart_ms;
	struct timeval	 tv = { ms / 1000, (ms % 1000) * 1000 };
	int		 fd = results_text(CF_TEXT_ANSWER);

	/* Of a reader that died behind it: not what came of it. */
	if (!ok && fd != -1 && conf_problem()[0] != '\0') {
		close(fd);
		fd = -1;
	}
	if (fd == -1 || (ok && configure_store(why, sizeof(why)) == -1)) {
		if (fd != -1)
			close(fd);
		fd = -1;
		ok = false;
		log_errorx("configuration: %s", why[0] != '\0' ? why :
		    conf_problem());
	}
	/* Whoever is answered sees it: config.get comes behind. */
	if (ok)
		conf_drop();
	else
		conf_discard();
	configure_reply(p->corr, ok, why[0] != '\0' ? why : conf_problem(),
	    fd);
	wishes_done();
	if (!ok)
		reload_again();
	else {
		log_info("configuration written");
		if (ms != UINT32_MAX)
			evtimer_add(restart_ev, &tv);
		reload_start(0, true);
	}
	configure_next();
}

void
configure_next(void)
{
	struct wish	*p = wishes_first();

	if (p != NULL && !*stopping && !conf_busy() && !reload_busy() &&
	    conf_write(p->verb, p->fd, configure_put_cb) == -1)
		fatal("configuration reader");
}

enum msg_err
configure_message(struct msg *m)
{
	struct m_sup_config_put	 v;
	enum msg_err		 err;

	if (m->h.type == MSG_SUP_SENTINEL) {
		sentinel_told();
		return m->nfds == 0 ? MSG_OK : MSG_FD;
	}
	if ((err = get_sup_config_put(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1 || v.verb >= CF_VERB_MAX)
		return MSG_MEANING;
	if (*stopping || wishes_add(m->h.corr, v.verb, m->fds[0]) == -1)
		configure_reply(m->h.corr, false, "the configuration cannot "
		    "be changed now; try again", -1);
	else
		msg_take_fd(m, 0);
	configure_next();
	return MSG_OK;
}

/* --- watching ------------------------------------------------------------- */

static void
configure_settled(void)
{
	const char	*path;

	if (conf_busy() || reload_busy())
		confwatch_again();
	else if ((path = confwatch_changed()) != NULL) {
		log_info("%s changed", path);
		reload_start(0, true);
	}
	confwatch_quiet((uint32_t)parcel_get_num(conf_index(), 300, 0, 60000,
	    "reload.debounceMs"));
}

void
configure_tell(void)
{
	struct m_sup_sentinel	 m = { 0 };
	struct proc		*r = proc_find(ROLE_ROUTER, "");
	int			 fd;

	conf_tell();
	if (r == NULL || r->ctl == NULL || r->state != PROC_ST_RUNNING ||
	    (fd = sentinel_text()) == -1)
		return;
	link_send_fds(r->ctl, MSG_SUP_SENTINEL, &m, 0, 0, &fd, 1);
}

void
configure_watch(void)
{
	/* What is written from now on is for the next start. */
	sentinel_open(folder);
	if ((restart_ev = evtimer_new(base, configure_restart_cb,
	    NULL)) == NULL)
		fatalx("restart timer");
	if (confwatch_start(base, file, configure_settled) == 0)
		return;
	if (errno == ENOENT)	/* a new host has no folder for it */
		log_info("%s: does not exist; it is looked for every few "
		    "seconds", file);
	else
		log_warn("%s: changes are looked for every few seconds", file);
}

/* --- the last good text --------------------------------------------------- */

void
configure_good(void)
{
	int	 fd = results_text(CF_TEXT_FILE);

	if (fd == -1)
		return;		/* there is no file: nothing to keep */
	if (confile_write_fd(confile_good(folder), NULL, fd) == -1)
		log_warn("%s", confile_good(folder));
	close(fd);
}
