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
#include "gatewayd/host/confile.h"
#include "gatewayd/host/confwatch.h"

static struct parcel	*cur, *next;
static struct proc	*reader;
static void		(*done_cb)(bool);
static bool		 finished;	/* CF_DONE was seen */
static bool		 ok;
static char		 problem[4096];
static int		 state_fd = -1;	/* of the running generation */
static int		 shown_fd = -1;	/* config.get, when not what runs */
static struct stat	 seen;
static struct m_cf_done	 result;	/* its text is gone */
static const char	*from;
static bool		 judged;	/* a change, not a generation */

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

bool
conf_busy(void)
{
	return reader != NULL;
}

static void
conf_keep(int *fd, int neu)
{
	if (*fd != -1)
		close(*fd);
	*fd = neu;
}

const struct stat *
conf_seen(void)
{
	return &seen;
}

const struct m_cf_done *
conf_result(void)
{
	return &result;
}

void
conf_from(const char *path)
{
	from = path;
}

void
conf_tell(void)
{
	struct m_sup_snapshot	 m = { 0 };
	struct proc		*r = proc_find(ROLE_ROUTER, "");
	int			 fd;

	if (shown_fd == -1 || r == NULL || r->ctl == NULL ||
	    r->state != PROC_ST_RUNNING || (fd = fcntl(shown_fd,
	    F_DUPFD_CLOEXEC, 16)) == -1)
		return;
	link_send_fds(r->ctl, MSG_SUP_SNAPSHOT, &m, 0, 0, &fd, 1);
}

void
conf_discard(void)
{
	results_clear();
	parcel_close(next);
	next = NULL;
}

void
conf_drop(void)
{
	int	 fd = results_text(CF_TEXT_SNAPSHOT);

	if (fd != -1)
		conf_keep(&shown_fd, fd);
	conf_discard();
	conf_tell();
}

void
conf_commit(void)
{
	struct parcel	*old = cur;

	cur = next;
	next = NULL;
	parcel_close(old);
	conf_keep(&state_fd, results_text(CF_TEXT_STATE));
	/* Running another text, the file is still shown as it is.  What was
	 * said of the file before is taken back. */
	if (from == NULL && shown_fd != -1) {
		conf_keep(&shown_fd, results_text(CF_TEXT_SNAPSHOT));
		conf_tell();
		conf_keep(&shown_fd, -1);
	}
	from = NULL;
	conf_discard();
}

static int
conf_begin(uint32_t flags, uint8_t verb, int params, void (*done)(bool))
{
	struct m_cf_start	 m;
	struct m_cf_wish	 w;
	const char		*path = from != NULL ? from : sup.paths.config;
	int			 fds[3];
	size_t			 n = 0;

	if (reader != NULL) {
		errno = EBUSY;
		return -1;
	}
	conf_discard();
	problem[0] = '\0';
	finished = ok = false;
	judged = (flags & CF_WRITE) != 0;
	memset(&result, 0, sizeof(result));
	result.restart_ms = UINT32_MAX;
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
	fds[n] = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fds[n] == -1 && errno != ENOENT && errno != ENOTDIR) {
		snprintf(problem, sizeof(problem), "%s: %s", path,
		    strerror(errno));
		proc_kill(reader, problem);
		return 0;
	}
	if (from == NULL)
		confile_seen(&seen, fds[n]);
	confwatch_begin(judged, from == NULL ? &seen : NULL);
	if (fds[n] != -1)
		n++;
	if ((fds[n] = environ_seal()) == -1)
		fatal("environment");
	n++;
	/* Of a descriptor that others read too, the place is shared. */
	if ((flags & CF_WATCHED) && (state_fd == -1 || lseek(state_fd, 0,
	    SEEK_SET) == -1 || (fds[n++] = dup(state_fd)) == -1))
		flags &= ~(uint32_t)CF_WATCHED;
	m.flags = flags;
	if (link_send_fds(reader->ctl, MSG_CF_START, &m, 0, 0, fds, n) == -1)
		log_warn("configuration reader");
	if (flags & CF_WRITE) {
		memset(&w, 0, sizeof(w));
		w.verb = verb;
		w.now_ms = wall_ms();
		w.pid = (uint32_t)getpid();
		if ((fds[0] = dup(params)) == -1 ||
		    link_send_fds(reader->ctl, MSG_CF_WISH, &w, 0, 0, fds,
		    1) == -1)
			log_warn("configuration reader");
	}
	return 0;
}

int
conf_run(uint32_t flags, void (*done)(bool))
{
	return conf_begin(flags, 0, -1, done);
}

int
conf_write(uint8_t verb, int params, void (*done)(bool))
{
	return conf_begin((sup.conf_flags & ~(uint32_t)CF_CHECK_ONLY) |
	    CF_WRITE, verb, params, done);
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
	if (v.severity == CF_ERROR && problem[0] == '\0')
		strlcpy(problem, text, sizeof(problem)); /* told at the end */
	else if (v.severity == CF_ERROR)
		log_errorx("%s", text);
	else
		log_warnx("%s", text);
	return MSG_OK;
}

enum msg_err
conf_message(struct proc *p, struct msg *m)
{
	struct m_cf_file_req	 req;
	struct m_cf_file	 file;
	struct m_cf_parcel	 pc;
	struct m_cf_text	 text;
	enum msg_err		 err;
	int			 fd;

	switch (m->h.type) {
	case MSG_CF_FILE_REQ:
		if ((err = get_cf_file_req(m, &req)) != MSG_OK)
			return err;
		memset(&file, 0, sizeof(file));
		file.path = req.path;
		fd = places_open_config(&sup.paths, req.path.p);
		file.err = fd == -1 ? (uint32_t)errno : 0;
		confwatch_note(judged, req.path.p, fd, file.err);
		link_send_fds(p->ctl, MSG_CF_FILE, &file, m->h.corr,
		    MSG_F_REPLY, &fd, fd != -1 ? 1 : 0);
		return MSG_OK;
	case MSG_CF_PROBLEM:
		return conf_on_problem(m);
	case MSG_CF_PARCEL:
		if ((err = get_cf_parcel(m, &pc)) != MSG_OK)
			return err;
		if (m->nfds != 1 || finished ||
		    results_add(pc.role, pc.instance, m->fds[0]) == -1)
			return MSG_MEANING;
		msg_take_fd(m, 0);
		return MSG_OK;
	case MSG_CF_TEXT:
		if ((err = get_cf_text(m, &text)) != MSG_OK)
			return err;
		if (m->nfds != 1 || text.kind >= CF_TEXT_MAX || finished)
			return MSG_MEANING;
		results_put(text.kind, msg_take_fd(m, 0));
		return MSG_OK;
	case MSG_CF_DONE:
		if ((err = get_cf_done(m, &result)) != MSG_OK)
			return err;
		finished = true;
		ok = result.ok != 0;
		if (result.paths.n > 0)
			log_info("a restart is needed for %s",
			    result.paths.p);
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
	if (ok && judged) {
		/* There is no generation: only what is to be written. */
	} else if (ok && (sup.conf_flags & CF_CHECK_ONLY) == 0) {
		fd = results_parcel(ROLE_PARENT, "");
		if (fd == -1 || (next = parcel_open(fd)) == NULL) {
			ok = false;
			strlcpy(problem, "the configuration reader gave no "
			    "usable index", sizeof(problem));
		}
	}
	proc_free(p);
	if (!ok && !judged)
		conf_drop();
	done_cb(ok);
}
