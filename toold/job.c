/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Commands in the jail.  The jailer makes and kills them; here are their
 * pipes, their output, their clocks, and what is remembered of them.  A job
 * is named by a number towards the jailer and by a random id towards the
 * model, and it is visible to its own session only.
 */
#include "common/compat.h"

#include <sys/ioctl.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"
#include "common/redact.h"
#include "toold/toold.h"

#define JOB_READ	(64u << 10)	/* bytes per turn of the loop */
#define JOB_INPUT_MAX	(1u << 20)
#define JOB_TERM_MS	5000		/* from TERM to KILL after a time-out */
#define JOB_LOST_MS	5000		/* from KILL to giving it up */
#define JOB_LINGER_MS	500		/* for output behind the exit */
#define JOB_PTY_ROWS	30
#define JOB_PTY_COLS	120
#define JOB_ARGV_MAX	32768		/* JL_SPAWN.argv */

/* Limits of class X, spec/tools.md 8.3. */
#define JOB_MEMORY	((uint64_t)2 << 30)
#define JOB_PIDS	256
#define JOB_FILE	((uint64_t)1 << 30)

static void	 job_read_cb(evutil_socket_t, short, void *);
static void	 job_write_cb(evutil_socket_t, short, void *);
static void	 job_timeout_cb(evutil_socket_t, short, void *);
static void	 job_kill_cb(evutil_socket_t, short, void *);
static void	 job_linger_cb(evutil_socket_t, short, void *);
static void	 job_forget_cb(evutil_socket_t, short, void *);

static void
job_timer(struct job *j, struct event **ev, event_callback_fn cb, uint64_t ms)
{
	struct timeval	 tv = {(time_t)(ms / 1000), (ms % 1000) * 1000};

	if (*ev == NULL)
		*ev = evtimer_new(j->t->base, cb, j);
	if (*ev != NULL)
		evtimer_add(*ev, &tv);
}

static void
job_close(int *fd, struct event **ev)
{
	if (*ev != NULL)
		event_free(*ev);
	*ev = NULL;
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
job_free_event(struct event **ev)
{
	if (*ev != NULL)
		event_free(*ev);
	*ev = NULL;
}

static void
job_free(struct job *j)
{
	LIST_REMOVE(j, entry);
	j->t->njobs--;
	if (j->state != JOB_ENDED)
		j->t->nrunning--;
	if (j->out_fd == j->in_fd)	/* a terminal */
		j->in_fd = -1;
	job_close(&j->in_fd, &j->in_ev);
	job_close(&j->out_fd, &j->out_ev);
	job_close(&j->err_fd, &j->err_ev);
	job_free_event(&j->timeout_ev);
	job_free_event(&j->kill_ev);
	job_free_event(&j->linger_ev);
	job_free_event(&j->forget_ev);
	dbuf_clear(&j->in);
	dbuf_clear(&j->held[0]);
	dbuf_clear(&j->held[1]);
	output_clear(&j->out);
	free(j->session);
	free(j->command);
	free(j->name);
	free(j->cwd);
	free(j);
}

/* The oldest that has ended makes room; false when all run. */
static bool
job_evict(struct toold *t)
{
	struct job	*j, *oldest = NULL;

	LIST_FOREACH(j, &t->jobs, entry)
		if (j->state == JOB_ENDED && j->waiter == NULL &&
		    (oldest == NULL || j->end_ms < oldest->end_ms))
			oldest = j;
	if (oldest == NULL)
		return false;
	job_free(oldest);
	return true;
}

/* child[0..2] are for the job, ours are in j.  0, or -1 with errno. */
static int
job_pipes(struct job *j, bool input, int child[3])
{
	int	 p[2];

	if (pipe2(p, O_CLOEXEC) == -1)
		return -1;
	child[0] = p[0];
	if (input && fd_nonblock(p[1]) == 0)
		j->in_fd = p[1];
	else
		close(p[1]);	/* the job reads end of file */
	if (pipe2(p, O_CLOEXEC) == -1)
		return -1;
	j->out_fd = p[0];
	child[1] = p[1];
	if (pipe2(p, O_CLOEXEC) == -1)
		return -1;
	j->err_fd = p[0];
	child[2] = p[1];
	return fd_nonblock(j->out_fd) == -1 || fd_nonblock(j->err_fd) == -1 ?
	    -1 : 0;
}

static int
job_terminal(struct job *j, int child[3])
{
	struct winsize	 ws = {.ws_row = JOB_PTY_ROWS, .ws_col = JOB_PTY_COLS};
	int		 fd, zero = 0;

	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return -1;
	j->out_fd = j->in_fd = fd;
	if (ioctl(fd, TIOCSPTLCK, &zero) == -1 ||
	    ioctl(fd, TIOCSWINSZ, &ws) == -1)
		return -1;
	/* By descriptor: the name means nothing in another devpts. */
	child[0] = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (child[0] == -1)
		return -1;
	child[1] = fcntl(child[0], F_DUPFD_CLOEXEC, 3);
	child[2] = fcntl(child[0], F_DUPFD_CLOEXEC, 3);
	return child[1] == -1 || child[2] == -1 ? -1 : 0;
}

static int
job_events(struct job *j)
{
	struct event_base	*base = j->t->base;

	j->out_ev = event_new(base, j->out_fd, EV_READ | EV_PERSIST,
	    job_read_cb, j);
	if (j->out_ev == NULL || event_add(j->out_ev, NULL) == -1)
		return -1;
	if (j->err_fd != -1) {
		j->err_ev = event_new(base, j->err_fd, EV_READ | EV_PERSIST,
		    job_read_cb, j);
		if (j->err_ev == NULL || event_add(j->err_ev, NULL) == -1)
			return -1;
	}
	if (j->in_fd != -1) {
		j->in_ev = event_new(base, j->in_fd, EV_WRITE, job_write_cb,
		    j);
		if (j->in_ev == NULL)
			return -1;
	}
	return 0;
}

static int
job_spawn(struct job *j, const struct job_spec *spec, int child[3])
{
	struct m_jl_spawn	 m;
	struct dbuf		 argv;
	int			 rv;

	dbuf_init(&argv, JOB_ARGV_MAX);
	if (spec->argv.n > 0)
		dbuf_put(&argv, spec->argv.p, spec->argv.n);
	else {
		/* The one place where the model's text goes to a shell: one
		 * argument. */
		dbuf_put(&argv, "/bin/sh\0-c\0--", sizeof("/bin/sh\0-c\0--"));
		dbuf_put(&argv, spec->command.p, spec->command.n);
		dbuf_putc(&argv, '\0');
	}
	memset(&m, 0, sizeof(m));
	m.job = j->num;
	m.profile = STR_LIT("job");
	m.cwd = str_of(spec->cwd);
	m.argv = (struct str){dbuf_str(&argv), argv.n};
	m.env = spec->env;
	/* Our own clock is first; this one is for when we are gone. */
	if (spec->timeout_s > 0)
		m.timeout_ms = (spec->timeout_s + 30) * 1000;
	m.memory_bytes = JOB_MEMORY;
	m.pids = JOB_PIDS;
	m.file_bytes = JOB_FILE;
	m.pty = spec->pty;
	errno = E2BIG;
	rv = dbuf_err(&argv) ? -1 : link_send_fds(j->t->jailer, MSG_JL_SPAWN,
	    &m, link_corr(), 0, child, 3);
	if (!dbuf_err(&argv))
		child[0] = child[1] = child[2] = -1;	/* given away */
	dbuf_clear(&argv);
	return rv;
}

static void
job_id(char *id, size_t size)
{
	uint32_t	 r;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		fatal("getrandom");
	snprintf(id, size, "%08" PRIx32, r);
}

struct job *
tjob_start(struct toold *t, const struct job_spec *spec, const char **why)
{
	struct job	*j;
	char		 spill[64];
	int		 child[3] = {-1, -1, -1}, i;

	*why = "the jail is not running; try again in a moment";
	if (t->jailer == NULL)
		return NULL;
	*why = "too many commands are running; end one with process kill";
	if (t->nrunning >= TOOLD_RUNNING_MAX ||
	    (t->njobs >= TOOLD_JOBS_MAX && !job_evict(t)))
		return NULL;
	*why = "out of memory";
	if ((j = calloc(1, sizeof(*j))) == NULL)
		return NULL;
	j->t = t;
	j->in_fd = j->out_fd = j->err_fd = -1;
	if (++t->last_job == 0)
		t->last_job = 1;
	j->num = t->last_job;
	job_id(j->id, sizeof(j->id));
	j->start_ms = mono_ms();
	j->start_wall_ms = wall_ms();
	j->timeout_s = spec->timeout_s;
	j->pty = spec->pty;
	snprintf(spill, sizeof(spill), "job-%s.out", j->id);
	output_init(&j->out, t->policy.output_chars, t->spool_fd, spill,
	    TOOLD_SPILL_MAX);
	dbuf_init(&j->in, JOB_INPUT_MAX);
	dbuf_init(&j->held[0], 4 * JOB_READ);
	dbuf_init(&j->held[1], 4 * JOB_READ);
	text_clean_init(&j->clean[0], true);
	text_clean_init(&j->clean[1], true);
	LIST_INSERT_HEAD(&t->jobs, j, entry);
	t->njobs++;
	t->nrunning++;
	j->session = str_dup(spec->session);
	j->command = str_dup(spec->command);
	j->name = str_dup(spec->name);
	j->cwd = strdup(spec->cwd);
	if (j->session == NULL || j->command == NULL || j->name == NULL ||
	    j->cwd == NULL)
		goto fail;
	*why = spec->pty ? "no terminal can be made" : "no pipe can be made";
	if ((spec->pty ? job_terminal(j, child) :
	    job_pipes(j, spec->input, child)) == -1) {
		log_warn("job %s: %s", j->id, *why);
		goto fail;
	}
	*why = "out of memory";
	if (job_events(j) == -1)
		goto fail;
	*why = "the jail cannot be reached";
	if (job_spawn(j, spec, child) == -1) {
		log_warn("job %s: jl_spawn", j->id);
		goto fail;
	}
	if (spec->timeout_s > 0)
		job_timer(j, &j->timeout_ev, job_timeout_cb,
		    (uint64_t)spec->timeout_s * 1000);
	return j;
fail:
	for (i = 0; i < 3; i++)
		if (child[i] != -1)
			close(child[i]);
	job_free(j);
	return NULL;
}

struct job *
tjob_find(struct toold *t, struct str session, struct str id)
{
	struct job	*j;

	LIST_FOREACH(j, &t->jobs, entry)
		if (!j->forgotten && str_eqs(id, j->id) &&
		    str_eqs(session, j->session))
			return j;
	return NULL;
}

static void
job_drained(struct toold *t)
{
	if (t->draining && t->ncalls == 0 && t->nrunning == 0 &&
	    t->drained != NULL) {
		t->drained();
		t->drained = NULL;
	}
}

/* It has ended and all of its output is here. */
static void
job_finish(struct job *j)
{
	struct toold	*t = j->t;
	struct dbuf	 rest;

	if (j->state == JOB_ENDED)
		return;
	dbuf_init(&rest, 16);
	text_clean_end(&j->clean[0], &rest);
	text_clean_end(&j->clean[1], &rest);
	output_put(&j->out, dbuf_str(&rest), rest.n);
	dbuf_clear(&rest);
	if (j->out_fd == j->in_fd)
		j->in_fd = -1;
	job_close(&j->in_fd, &j->in_ev);
	job_close(&j->out_fd, &j->out_ev);
	job_close(&j->err_fd, &j->err_ev);
	dbuf_clear(&j->in);
	job_free_event(&j->timeout_ev);
	job_free_event(&j->kill_ev);
	job_free_event(&j->linger_ev);
	j->state = JOB_ENDED;
	j->end_ms = mono_ms();
	t->nrunning--;
	job_timer(j, &j->forget_ev, job_forget_cb, j->forgotten ? 0 :
	    t->policy.cleanup_ms);
	log_debug("job %s: ended, %" PRIu64 " ms, cpu %" PRIu64 " us, rss %"
	    PRIu64 " KiB, %" PRIu64 " bytes", j->id, tjob_runtime_ms(j),
	    j->cpu_us, j->rss_kib, j->raw_bytes);
	if (j->waiter != NULL)
		j->waiter_news(j);
	if (j->call != NULL)
		j->call_end(j);		/* may free it */
	job_drained(t);
}

static void
job_maybe_finish(struct job *j)
{
	if (!j->exited)
		return;
	if (j->out_fd == -1 && j->err_fd == -1)
		job_finish(j);
	else if (j->linger_ev == NULL)
		job_timer(j, &j->linger_ev, job_linger_cb, JOB_LINGER_MS);
}

static void
job_linger_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	job_finish(arg);
}

static void
job_forget_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tjob_forget(arg);
}

/* To whoever watches, whole lines as far as possible: half a credential has
 * no shape that could be known. */
static void
job_show(struct job *j, unsigned int stream, struct str text)
{
	struct dbuf	*held = &j->held[stream], shown;
	size_t		 n;

	if (dbuf_put(held, text.p, text.n) == -1) {
		dbuf_reset(held);
		return;
	}
	if ((n = redact_safe((struct str){held->p, held->n})) == 0)
		return;
	dbuf_init(&shown, 3 * n + 64);
	if (redact_text((struct str){held->p, n}, REDACT_MODEL, &shown) == 0)
		tcall_out(j->call, stream, dbuf_str(&shown), shown.n);
	dbuf_clear(&shown);
	dbuf_consume(held, n);
}

static void
job_read_cb(evutil_socket_t fd, short what, void *arg)
{
	static char	 buf[JOB_READ];
	struct job	*j = arg;
	struct dbuf	 text;
	ssize_t		 n;
	unsigned int	 stream = fd == j->err_fd ? 1 : 0;

	(void)what;
	n = read(fd, buf, sizeof(buf));
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		/* EIO is how a terminal says that nobody has it open. */
		if (stream == 1)
			job_close(&j->err_fd, &j->err_ev);
		else {
			if (j->in_fd == j->out_fd) {
				job_free_event(&j->in_ev);
				j->in_fd = -1;
			}
			job_close(&j->out_fd, &j->out_ev);
		}
		job_maybe_finish(j);
		return;
	}
	j->raw_bytes += n;
	dbuf_init(&text, 3 * JOB_READ + 16);
	text_clean_put(&j->clean[stream], buf, n, &text);
	if (text.n > 0) {
		output_put(&j->out, dbuf_str(&text), text.n);
		if (j->call != NULL)
			job_show(j, stream, (struct str){dbuf_str(&text),
			    text.n});
	}
	dbuf_clear(&text);
	if (j->waiter != NULL)
		j->waiter_news(j);
}

static void
job_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct job	*j = arg;
	ssize_t		 n;

	(void)fd;
	(void)what;
	if (j->in.n > 0) {
		n = write(j->in_fd, j->in.p, j->in.n);
		if (n == -1 && errno != EINTR && errno != EAGAIN) {
			dbuf_clear(&j->in);	/* it does not read any more */
			j->in_eof = true;
		} else if (n > 0)
			dbuf_consume(&j->in, n);
	}
	if (j->in.n > 0)
		event_add(j->in_ev, NULL);
	else if (j->in_eof && !j->pty)
		job_close(&j->in_fd, &j->in_ev);
}

int
tjob_input(struct job *j, const char *p, size_t n, bool eof)
{
	if (j->in_fd == -1 || j->in_eof || n > JOB_INPUT_MAX - j->in.n)
		return -1;
	if (n > 0 && dbuf_put(&j->in, p, n) == -1)
		return -1;
	if (eof && j->pty)
		dbuf_putc(&j->in, 0x04);
	else if (eof)
		j->in_eof = true;
	return event_add(j->in_ev, NULL);
}

static void
job_signal(struct job *j, int sig)
{
	struct m_jl_kill	 m;

	if (j->t->jailer == NULL || j->exited)
		return;
	memset(&m, 0, sizeof(m));
	m.job = j->num;
	m.signal = (uint8_t)sig;
	if (send_jl_kill(j->t->jailer, &m, link_corr(), 0) == -1)
		log_warn("job %s: jl_kill", j->id);
}

static void
job_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct job	*j = arg;

	(void)fd;
	(void)what;
	j->timed_out = true;
	tjob_end(j, JOB_TERM_MS);
}

static void
job_lost_cb(evutil_socket_t fd, short what, void *arg)
{
	struct job	*j = arg;

	(void)fd;
	(void)what;
	log_warnx("job %s: no end after it was killed", j->id);
	j->exited = true;
	j->how = JOB_KILLED;
	strlcpy(j->reason, "the jailer did not say that it ended",
	    sizeof(j->reason));
	job_finish(j);
}

static void
job_kill_cb(evutil_socket_t fd, short what, void *arg)
{
	struct job	*j = arg;

	(void)fd;
	(void)what;
	job_signal(j, SIGKILL);
	job_free_event(&j->kill_ev);
	job_timer(j, &j->kill_ev, job_lost_cb, JOB_LOST_MS);
}

void
tjob_end(struct job *j, uint32_t grace_ms)
{
	if (j->state == JOB_ENDED || j->exited ||
	    (j->kill_ev != NULL && grace_ms > 0))
		return;
	if (grace_ms == 0) {
		job_kill_cb(-1, 0, j);
		return;
	}
	job_signal(j, SIGTERM);
	job_timer(j, &j->kill_ev, job_kill_cb, grace_ms);
}

void
tjob_forget(struct job *j)
{
	if (j->waiter != NULL)
		return;		/* whoever waits gets its answer first */
	if (j->state == JOB_ENDED) {
		job_free(j);
		return;
	}
	/* Not before the jailer has said that nothing of it is left. */
	j->forgotten = true;
	j->call = NULL;
	tjob_end(j, 1000);
}

enum msg_err
tjob_started(struct toold *t, struct msg *m)
{
	struct m_jl_started	 in;
	struct job		*j;
	enum msg_err		 err;

	if ((err = get_jl_started(m, &in)) != MSG_OK)
		return err;
	LIST_FOREACH(j, &t->jobs, entry)
		if (j->num == in.job)
			break;
	if (j == NULL)
		return in.job > t->last_job ? MSG_MEANING : MSG_OK;
	if (j->state != JOB_STARTING)
		return MSG_MEANING;
	j->state = JOB_RUNNING;
	j->pid = in.pid;
	return MSG_OK;
}

enum msg_err
tjob_exit(struct toold *t, struct msg *m)
{
	struct m_jl_exit	 in;
	struct job		*j;
	enum msg_err		 err;

	if ((err = get_jl_exit(m, &in)) != MSG_OK)
		return err;
	if (in.how >= JOB_END_MAX)
		return MSG_MEANING;
	LIST_FOREACH(j, &t->jobs, entry)
		if (j->num == in.job)
			break;
	if (j == NULL)
		return in.job > t->last_job ? MSG_MEANING : MSG_OK;
	if (j->exited)
		return MSG_MEANING;
	j->exited = true;
	j->how = in.how;
	j->code = in.code;
	j->cpu_us = in.cpu_us;
	j->rss_kib = in.rss_kib;
	str_copy(in.reason, j->reason, sizeof(j->reason));
	job_maybe_finish(j);
	return MSG_OK;
}

void
tjob_link_gone(struct toold *t)
{
	struct job	*j;
	bool		 again = true;

	/* The jailer's pid namespace took them all along. */
	while (again) {
		again = false;
		LIST_FOREACH(j, &t->jobs, entry) {
			if (j->exited)
				continue;
			j->exited = true;
			j->how = JOB_FAILED;
			strlcpy(j->reason, "the jail was restarted",
			    sizeof(j->reason));
			job_maybe_finish(j);
			again = true;
			break;
		}
	}
}

void
tjob_free_all(struct toold *t)
{
	while (!LIST_EMPTY(&t->jobs))
		job_free(LIST_FIRST(&t->jobs));
}

bool
tjob_ok(const struct job *j)
{
	return j->state == JOB_ENDED && j->how == JOB_EXITED && j->code == 0 &&
	    !j->timed_out && !j->aborted;
}

uint64_t
tjob_runtime_ms(const struct job *j)
{
	return (j->state == JOB_ENDED ? j->end_ms : mono_ms()) - j->start_ms;
}

/* The jailer's own words, as an addition. */
static const char *
job_why(const struct job *j, char *buf, size_t size)
{
	if (j->reason[0] == '\0')
		return "";
	snprintf(buf, size, " (%s)", j->reason);
	return buf;
}

void
tjob_reason(const struct job *j, char *buf, size_t size)
{
	char	 why[sizeof(j->reason) + 4];

	if (j->timed_out) {
		snprintf(buf, size, "timed out after %u s and was ended",
		    j->timeout_s);
		return;
	}
	if (j->aborted) {
		snprintf(buf, size, "was aborted");
		return;
	}
	switch (j->how) {
	case JOB_EXITED:
		snprintf(buf, size, "exited with code %u%s", j->code,
		    job_why(j, why, sizeof(why)));
		return;
	case JOB_SIGNALED:
		snprintf(buf, size, "was ended by signal %u, %s%s", j->code,
		    sigdescr_np((int)j->code) == NULL ? "unknown" :
		    sigdescr_np((int)j->code), job_why(j, why, sizeof(why)));
		return;
	case JOB_TIMEOUT:
		snprintf(buf, size, "timed out and was ended");
		return;
	case JOB_KILLED:
		snprintf(buf, size, "was killed");
		return;
	case JOB_FAILED:
		snprintf(buf, size, "failed: %s", j->reason[0] == '\0' ?
		    "the jail gave no reason" : j->reason);
		return;
	case JOB_OOM:
		snprintf(buf, size, "used more memory than its limit of %"
		    PRIu64 " MB and was ended", JOB_MEMORY >> 20);
		return;
	case JOB_OOM_ABOVE:
		snprintf(buf, size, "was ended, as the gateway or its host "
		    "ran out of memory");
		return;
	case JOB_END_MAX:
		break;
	}
	snprintf(buf, size, "ended");
}
