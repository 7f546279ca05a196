/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Runs gatewayd-config once per generation: gives it the configuration file,
 * the includes it asks for and the environment, and takes the sealed parcels
 * it makes.  Only the parcel for the supervisor itself is ever opened here.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/gatewayd.h"

#define PARCELS_MAX	512

static struct {
	enum role	 role;
	char		 instance[129];
	int		 fd;
} parcels[PARCELS_MAX];
static size_t		 nparcels;
static struct parcel	*cur, *next;
static struct proc	*reader;
static void		(*done_cb)(bool);
static bool		 finished;	/* CF_DONE was seen */
static bool		 ok;
static char		 problem[4096];

const struct parcel *
conf_index(void)
{
	return cur != NULL ? cur : next;
}

const struct parcel *
conf_next(void)
{
	return next;
}

const char *
conf_problem(void)
{
	return problem;
}

void
conf_discard(void)
{
	while (nparcels > 0)
		if (parcels[--nparcels].fd != -1)
			close(parcels[nparcels].fd);
	parcel_close(next);
	next = NULL;
}

void
conf_commit(void)
{
	struct parcel	*old = cur;

	cur = next;
	next = NULL;
	parcel_close(old);
	conf_discard();
}

int
conf_take(enum role role, const char *instance)
{
	size_t	 i;
	int	 fd;

	for (i = 0; i < nparcels; i++) {
		if (parcels[i].role != role || parcels[i].fd == -1 ||
		    strcmp(parcels[i].instance, instance) != 0)
			continue;
		/* High, so that spawn's dup2s cannot run over it. */
		fd = fcntl(parcels[i].fd, F_DUPFD_CLOEXEC, 16);
		close(parcels[i].fd);
		parcels[i].fd = -1;
		return fd;
	}
	return -1;
}

int
conf_run(uint32_t flags, void (*done)(bool))
{
	struct m_cf_start	 m;
	int			 fds[2];
	size_t			 n = 0;

	if (reader != NULL) {
		errno = EBUSY;
		return -1;
	}
	conf_discard();
	problem[0] = '\0';
	finished = ok = false;
	done_cb = done;
	if ((reader = proc_new(ROLE_CONFIG, "")) == NULL)
		return -1;
	proc_start(reader);
	if (reader->ctl == NULL) {
		snprintf(problem, sizeof(problem), "%s", reader->last_exit);
		return 0;	/* its end calls done */
	}
	memset(&m, 0, sizeof(m));
	m.path = str_of(sup.paths.config);
	m.state_dir = str_of(sup.paths.state);
	m.generation = sup.generation + 1;
	m.flags = flags;
	fds[n] = open(sup.paths.config, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fds[n] != -1)
		n++;
	else if (errno != ENOENT && errno != ENOTDIR) {
		snprintf(problem, sizeof(problem), "%s: %s", sup.paths.config,
		    strerror(errno));
		proc_kill(reader, problem);
		return 0;
	}
	if ((fds[n] = environ_seal()) == -1)
		fatal("environment");
	n++;
	if (link_send_fds(reader->ctl, MSG_CF_START, &m, 0, 0, fds, n) == -1)
		log_warn("configuration reader");
	return 0;
}

static enum msg_err
conf_on_problem(struct msg *m)
{
	struct m_cf_problem	 v;
	enum msg_err		 err;
	char			 text[8192], line[16];

	if ((err = get_cf_problem(m, &v)) != MSG_OK)
		return err;
	snprintf(line, sizeof(line), v.line > 0 ? ":%u: " : ": ", v.line);
	snprintf(text, sizeof(text), "%s%s%s%s%s", v.file.p,
	    v.file.n > 0 ? line : "", v.key.p, v.key.n > 0 ? ": " : "",
	    v.text.p);
	if (v.severity == CF_ERROR) {
		log_errorx("%s", text);
		if (problem[0] == '\0')
			strlcpy(problem, text, sizeof(problem));
	} else
		log_warnx("%s", text);
	return MSG_OK;
}

enum msg_err
conf_message(struct proc *p, struct msg *m)
{
	struct m_cf_file_req	 req;
	struct m_cf_file	 file;
	struct m_cf_parcel	 pc;
	struct m_cf_done	 done;
	enum msg_err		 err;
	size_t			 n;
	int			 fd;

	switch (m->h.type) {
	case MSG_CF_FILE_REQ:
		if ((err = get_cf_file_req(m, &req)) != MSG_OK)
			return err;
		memset(&file, 0, sizeof(file));
		file.path = req.path;
		fd = places_open_config(&sup.paths, req.path.p);
		file.err = fd == -1 ? (uint32_t)errno : 0;
		link_send_fds(p->ctl, MSG_CF_FILE, &file, m->h.corr,
		    MSG_F_REPLY, &fd, fd != -1 ? 1 : 0);
		return MSG_OK;
	case MSG_CF_PROBLEM:
		return conf_on_problem(m);
	case MSG_CF_PARCEL:
		if ((err = get_cf_parcel(m, &pc)) != MSG_OK)
			return err;
		if (m->nfds != 1 || nparcels == PARCELS_MAX || finished)
			return MSG_MEANING;
		n = nparcels++;
		parcels[n].role = pc.role;
		parcels[n].fd = msg_take_fd(m, 0);
		str_copy(pc.instance, parcels[n].instance,
		    sizeof(parcels[n].instance));
		return MSG_OK;
	case MSG_CF_DONE:
		if ((err = get_cf_done(m, &done)) != MSG_OK)
			return err;
		finished = true;
		ok = done.ok != 0;
		p->state = PROC_ST_DRAINING;	/* now it has only to end */
		return MSG_OK;
	default:
		return MSG_DIRECTION;
	}
}

void
conf_gone(struct proc *p)
{
	int	 fd;

	reader = NULL;
	if (!finished) {
		ok = false;
		if (problem[0] == '\0')
			snprintf(problem, sizeof(problem), "the configuration "
			    "reader %s", p->last_exit);
	}
	if (ok && (sup.conf_flags & CF_CHECK_ONLY) == 0) {
		fd = conf_take(ROLE_PARENT, "");
		if (fd == -1 || (next = parcel_open(fd)) == NULL) {
			ok = false;
			strlcpy(problem, "the configuration reader gave no "
			    "usable index", sizeof(problem));
		}
	}
	proc_free(p);
	if (!ok)
		conf_discard();
	done_cb(ok);
}
