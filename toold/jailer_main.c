/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * toold-jailer: starts commands in jails, ends them, says how they ended.
 * Takes orders from one toold only, in four fixed messages; parses no JSON and
 * no output; has capabilities in its own user namespace and nowhere else.  It
 * is an ancestor of jobs, so its own filter is a deny-list that they inherit;
 * theirs is in jail_child.c.
 */
#include "common/compat.h"

#include <sys/mount.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/dbuf.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/worker.h"
#include "toold/jail.h"
#include "toold/jail_attempts.h"
#include "toold/jail_cgroup.h"

#define JOBS_MAX	64
#define GRACE_MS	5000		/* between TERM and KILL */
#define TEST_JOB	UINT32_MAX
#define TEST_MS		30000
#define REPORT_MAX	32768
#define TMP_BYTES	(256u << 20)

struct job {
	TAILQ_ENTRY(job)	 entry;
	uint32_t		 num;
	struct link		*link;		/* NULL: who asked has gone */
	uint64_t		 corr;
	struct jail_proc	 proc;
	struct jail_cgroup	 cg;
	struct event		*end_ev, *clock_ev;
	uint32_t		 pids;
	bool			 timed_out, killed;
	/* self-test only */
	int			 out_fd;
	struct event		*out_ev;
	struct dbuf		 out;
};

static struct jail		 jail;
static char			 workspace[4096];
static uint32_t			 controllers;
static TAILQ_HEAD(, job)	 jobs = TAILQ_HEAD_INITIALIZER(jobs);
static size_t			 njobs;
static uint32_t			 npids;	/* granted to the jobs that run */
static bool			 draining;
static struct event		*drain_ev;
static uint64_t			 started;

static int
jailer_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	const char *v;

	if (reload) {
		/* Its root was built for the workspace it had. */
		v = parcel_get(p, "workspace");
		if (v == NULL || strcmp(v, workspace) != 0) {
			strlcpy(why, "a new workspace needs a restart", size);
			return -1;
		}
	}
	if ((v = parcel_get(p, "workspace")) == NULL || v[0] != '/' ||
	    strlcpy(workspace, v, sizeof(workspace)) >= sizeof(workspace)) {
		strlcpy(why, "workspace: no absolute path", size);
		return -1;
	}
	jail_init(&jail);
	jail.tmp_bytes = (uint64_t)parcel_get_num(p, TMP_BYTES, 1 << 20,
	    (int64_t)1 << 40, "tmp_bytes");
	jail.rw[0] = workspace;
	jail.nrw = 1;
	return 0;
}

static int
jailer_setup(void)
{
	/* The supervisor mounts it when it has one to give. */
	jail.cgroup_fd = jail_cgroup_open(SANDBOX_CGROUP, &controllers);
	if (jail.cgroup_fd == -1) {
		if (errno != ENOENT)
			log_warn("cgroup: jobs are held by rlimits only");
		return 0;
	}
	/* Not fatal: rlimits are the fall-back, and status says which. */
	if (controllers == 0)
		log_warn("cgroup: no controllers");
	/* The descriptor is enough; jobs, which are born with this root, have
	 * neither. */
	if (umount2(SANDBOX_CGROUP, MNT_DETACH) == -1)
		return -1;
	if ((controllers & (CGROUP_MEMORY | CGROUP_PIDS)) ==
	    (CGROUP_MEMORY | CGROUP_PIDS))
		worker_fact(FACT_CGROUP);
	return 0;
}

/* --- the end of a job ----------------------------------------------------- */

static void
jailer_drained(void)
{
	if (draining && njobs == 0)
		worker_drained();
}

static void
job_free(struct job *j)
{
	TAILQ_REMOVE(&jobs, j, entry);
	njobs--;
	npids -= j->pids;
	if (j->end_ev != NULL)
		event_free(j->end_ev);
	if (j->clock_ev != NULL)
		event_free(j->clock_ev);
	if (j->out_ev != NULL)
		event_free(j->out_ev);
	if (j->out_fd != -1)
		close(j->out_fd);
	dbuf_clear(&j->out);
	jail_cgroup_end(&j->cg);
	free(j);
	jailer_drained();
}

static void
exit_send(struct link *l, uint64_t corr, uint32_t num, enum job_end how,
    const struct jail_result *res, const char *reason)
{
	struct m_jl_exit m;

	memset(&m, 0, sizeof(m));
	m.job = num;
	m.how = (uint8_t)how;
	if (res != NULL) {
		m.code = res->code;
		m.cpu_us = res->cpu_us;
		m.rss_kib = res->rss_kib;
	}
	m.reason = str_of(reason);
	if (send_jl_exit(l, &m, corr, MSG_F_REPLY) == -1)
		log_warn("job %u: jl_exit", num);
}

static void
selftest_send(struct job *j, const struct jail_result *res)
{
	struct m_jl_selftest_res m;
	struct str line, rest;
	uint64_t tried, worked;
	const char *p;
	size_t n;

	memset(&m, 0, sizeof(m));
	if (res->how == JAIL_FAILED)
		dbuf_printf(&j->out, "Bail out! %s: %s\n", res->step,
		    strerrordesc_np((int)res->code));
	/* Only a whole report counts: its last line has the sums. */
	tried = worked = 0;
	rest = str_trim((struct str){ dbuf_str(&j->out), j->out.n });
	for (n = rest.n; n > 0 && rest.p[n - 1] != '\n'; n--)
		;
	line = (struct str){ rest.p + n, rest.n - n };
	if (str_prefix(line, "tried ") &&
	    (p = memmem(line.p, line.n, " worked ", 8)) != NULL) {
		if (num_parse_u64((struct str){ line.p + 6,
		    (size_t)(p - line.p) - 6 }, 1000, &tried) == -1 ||
		    num_parse_u64((struct str){ p + 8,
		    line.n - (size_t)(p - line.p) - 8 }, 1000, &worked) == -1)
			tried = worked = 0;
	}
	m.tried = (uint32_t)tried;
	m.passed = (uint32_t)worked;
	m.report = (struct str){ dbuf_str(&j->out), j->out.n };
	if (send_jl_selftest_res(j->link, &m, j->corr, MSG_F_REPLY) == -1)
		log_warn("jl_selftest_res");
}

static void
selftest_drain(struct job *j)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(j->out_fd, buf, sizeof(buf))) > 0)
		dbuf_put(&j->out, buf, (size_t)n);
}

static void
job_end_cb(evutil_socket_t fd, short what, void *arg)
{
	struct jail_cgroup_use use;
	struct jail_result res;
	struct job *j = arg;
	char reason[512] = "";
	enum job_end how;

	(void)fd;
	(void)what;
	/* The event holds the descriptor that is about to be closed. */
	event_free(j->end_ev);
	j->end_ev = NULL;
	if (jail_collect(&j->proc, &res) == -1) {
		log_warn("job %u: wait", j->num);
		memset(&res, 0, sizeof(res));
		res.how = JAIL_FAILED;
		res.code = ECHILD;
		strlcpy(res.step, "wait", sizeof(res.step));
	}
	jail_cgroup_use(&j->cg, &use);
	/* Whoever hears of the end finds nothing left of it. */
	jail_cgroup_end(&j->cg);
	if (use.cpu_us > res.cpu_us)
		res.cpu_us = use.cpu_us;
	if (use.memory_peak / 1024 > res.rss_kib)
		res.rss_kib = use.memory_peak / 1024;
	if (res.how == JAIL_FAILED) {
		how = JOB_FAILED;
		snprintf(reason, sizeof(reason), "%s: %s", res.step,
		    strerrordesc_np((int)res.code));
	} else if (j->timed_out) {
		how = JOB_TIMEOUT;
		strlcpy(reason, "time limit", sizeof(reason));
	} else if (use.oom) {
		how = use.oom_above ? JOB_OOM_ABOVE : JOB_OOM;
		strlcpy(reason, use.oom_above ? "memory of the host" :
		    "memory limit", sizeof(reason));
	} else if (res.how == JAIL_SIGNALED) {
		how = j->killed ? JOB_KILLED : JOB_SIGNALED;
		if (res.code == SIGXCPU)
			strlcpy(reason, "processor time limit",
			    sizeof(reason));
		else if (res.code == SIGXFSZ)
			strlcpy(reason, "file size limit", sizeof(reason));
		else if (res.code == SIGSYS)
			strlcpy(reason, "forbidden system call",
			    sizeof(reason));
	} else
		how = JOB_EXITED;
	if (use.pids && reason[0] == '\0')
		strlcpy(reason, "process limit was reached", sizeof(reason));
	if (j->link != NULL) {
		if (j->num == TEST_JOB) {
			selftest_drain(j);
			selftest_send(j, &res);
		} else
			exit_send(j->link, j->corr, j->num, how, &res, reason);
	}
	job_free(j);
}

static void
job_kill(struct job *j)
{
	jail_cgroup_kill(&j->cg);
	if (jail_signal(&j->proc, SIGKILL) == -1 && errno != ESRCH)
		log_warn("job %u: kill", j->num);
}

static void
job_clock_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timeval tv = { GRACE_MS / 1000, GRACE_MS % 1000 * 1000 };
	struct job *j = arg;

	(void)fd;
	(void)what;
	if (j->timed_out) {
		job_kill(j);
		return;
	}
	j->timed_out = true;
	if (jail_signal(&j->proc, SIGTERM) == -1 ||
	    event_add(j->clock_ev, &tv) == -1)
		job_kill(j);
}

static void
job_out_cb(evutil_socket_t fd, short what, void *arg)
{
	struct job *j = arg;
	char buf[4096];
	ssize_t n;

	(void)what;
	if ((n = read(fd, buf, sizeof(buf))) > 0)
		dbuf_put(&j->out, buf, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		event_free(j->out_ev);
		j->out_ev = NULL;
	}
}

/* --- the start of a job --------------------------------------------------- */

static struct job *
job_new(struct link *l, uint32_t num, uint64_t corr)
{
	struct job *j;

	if ((j = calloc(1, sizeof(*j))) == NULL)
		return NULL;
	j->num = num;
	j->link = l;
	j->corr = corr;
	j->cg.fd = -1;
	j->out_fd = -1;
	dbuf_init(&j->out, REPORT_MAX);
	TAILQ_INSERT_TAIL(&jobs, j, entry);
	njobs++;
	return j;
}

/* 0, or -1 with a reason; the caller frees the job. */
static int
job_start(struct job *j, struct jail_job *spec, uint32_t timeout_ms,
    char *why, size_t size)
{
	struct timeval tv;

	spec->cgroup_fd = -1;
	if (jail.cgroup_fd != -1 && jail_cgroup_begin(&j->cg, jail.cgroup_fd,
	    j->num, spec->memory_bytes, spec->pids) == 0)
		spec->cgroup_fd = j->cg.fd;
	/* The limit on processes is the user's, whom all jobs share; so the
	 * others' grants come on top, and a reaper for each. */
	j->pids = spec->pids;
	npids += spec->pids;
	spec->pids = npids + (uint32_t)njobs;
	if (jail_spawn(&jail, spec, &j->proc) == -1 &&
	    spec->cgroup_fd != -1) {
		/* Delegated, but not to where this process is. */
		log_warn("cgroup: jobs are held by rlimits only");
		jail_cgroup_end(&j->cg);
		close(jail.cgroup_fd);
		jail.cgroup_fd = spec->cgroup_fd = -1;
		(void)jail_spawn(&jail, spec, &j->proc);
	}
	if (j->proc.pid == -1) {
		snprintf(why, size, "clone: %s", strerrordesc_np(errno));
		return -1;
	}
	j->end_ev = event_new(worker_base(), j->proc.pidfd, EV_READ,
	    job_end_cb, j);
	j->clock_ev = event_new(worker_base(), -1, 0, job_clock_cb, j);
	tv.tv_sec = timeout_ms / 1000;
	tv.tv_usec = timeout_ms % 1000 * 1000;
	if (j->end_ev == NULL || j->clock_ev == NULL ||
	    event_add(j->end_ev, NULL) == -1 ||
	    (timeout_ms > 0 && event_add(j->clock_ev, &tv) == -1)) {
		/* Without them nobody would notice its end. */
		struct jail_result res;

		if (j->end_ev != NULL)
			event_free(j->end_ev);
		j->end_ev = NULL;
		jail_signal(&j->proc, SIGKILL);
		jail_collect(&j->proc, &res);
		strlcpy(why, "out of memory", size);
		return -1;
	}
	started++;
	return 0;
}

/* A pipe, a terminal or a file; never a folder, from which paths start, nor a
 * socket, through which more descriptors come. */
static bool
fd_fits(int fd, bool pty)
{
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return false;
	if (pty)
		return S_ISCHR(st.st_mode) && isatty(fd);
	return S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode) ||
	    S_ISCHR(st.st_mode);
}

static bool
cwd_fits(const char *cwd)
{
	return cwd[0] == '/' && strstr(cwd, "/../") == NULL;
}

static enum msg_err
jailer_on_spawn(struct link *l, struct msg *m)
{
	static char *argv[JAIL_ARGS_MAX + 1], *envp[JAIL_ARGS_MAX + 1];
	struct jail_job spec;
	struct m_jl_started st;
	struct m_jl_spawn v;
	struct job *j, *other;
	enum msg_err err;
	const char *bad;
	char why[512] = "";
	ssize_t argc;
	size_t i;

	if ((err = get_jl_spawn(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 3)
		return MSG_FD;
	if (v.job == TEST_JOB)
		return MSG_MEANING;
	TAILQ_FOREACH(other, &jobs, entry)
		if (other->num == v.job)
			return MSG_MEANING;
	memset(&spec, 0, sizeof(spec));
	for (i = 0; i < 3; i++)
		spec.fd[i] = msg_take_fd(m, i);
	j = NULL;
	argc = jail_vector(v.argv.p, v.argv.n, argv, JAIL_ARGS_MAX);
	if (argc < 1 || argv[0][0] == '\0' ||
	    jail_vector(v.env.p, v.env.n, envp, JAIL_ARGS_MAX) == -1) {
		strlcpy(why, "argv, env: not a list of texts", sizeof(why));
		goto out;
	}
	spec.argv = argv;
	spec.envp = envp;
	spec.cwd = v.cwd.p;
	spec.pty = v.pty;
	spec.memory_bytes = v.memory_bytes;
	spec.file_bytes = v.file_bytes;
	spec.cpu_s = v.cpu_s;
	spec.pids = v.pids;
	if (!str_eqs(v.profile, "job"))
		strlcpy(why, "profile: there is only \"job\"", sizeof(why));
	else if (!cwd_fits(v.cwd.p))
		strlcpy(why, "cwd: not an absolute path", sizeof(why));
	else if ((bad = jail_env_refused(envp)) != NULL)
		snprintf(why, sizeof(why), "env: %.64s is never passed", bad);
	else if (!fd_fits(spec.fd[0], v.pty) || !fd_fits(spec.fd[1], v.pty) ||
	    !fd_fits(spec.fd[2], v.pty))
		strlcpy(why, "descriptors: not pipes, files or one terminal",
		    sizeof(why));
	else if (draining)
		strlcpy(why, "the jail is closing", sizeof(why));
	else if (njobs >= JOBS_MAX)
		strlcpy(why, "too many jobs", sizeof(why));
	else if ((bad = jail_ready()) != NULL)
		strlcpy(why, bad, sizeof(why));
	else if ((j = job_new(l, v.job, m->h.corr)) == NULL)
		strlcpy(why, "out of memory", sizeof(why));
	else
		(void)job_start(j, &spec, v.timeout_ms, why, sizeof(why));
out:
	for (i = 0; i < 3; i++)
		if (spec.fd[i] != -1)
			close(spec.fd[i]);
	if (why[0] != '\0') {
		if (j != NULL)
			job_free(j);
		exit_send(l, m->h.corr, v.job, JOB_FAILED, NULL, why);
		return MSG_OK;
	}
	memset(&st, 0, sizeof(st));
	st.job = v.job;
	st.pid = (uint32_t)j->proc.pid;
	send_jl_started(l, &st, m->h.corr, MSG_F_REPLY);
	return MSG_OK;
}

static enum msg_err
jailer_on_kill(struct msg *m)
{
	struct m_jl_kill v;
	struct job *j;
	enum msg_err err;

	if ((err = get_jl_kill(m, &v)) != MSG_OK)
		return err;
	TAILQ_FOREACH(j, &jobs, entry)
		if (j->num == v.job && j->num != TEST_JOB)
			break;
	if (j == NULL)
		return MSG_OK;	/* it has just ended */
	j->killed = true;
	if (v.signal == SIGKILL)
		job_kill(j);
	else
		(void)jail_signal(&j->proc, v.signal);
	return MSG_OK;
}

static enum msg_err
jailer_on_selftest(struct link *l, struct msg *m)
{
	static char *none[] = { NULL };
	struct jail_result res;
	struct m_jl_selftest v;
	struct jail_job spec;
	struct job *j;
	enum msg_err err;
	const char *bad;
	char why[512] = "";
	int p[2] = { -1, -1 };

	if ((err = get_jl_selftest(m, &v)) != MSG_OK)
		return err;
	TAILQ_FOREACH(j, &jobs, entry)
		if (j->num == TEST_JOB)
			return MSG_MEANING;	/* one at a time */
	memset(&spec, 0, sizeof(spec));
	spec.fd[0] = -1;
	if ((j = job_new(l, TEST_JOB, m->h.corr)) == NULL)
		return MSG_NOMEM;
	spec.run = jail_attempts_job;
	spec.argv = spec.envp = none;
	spec.cwd = "/tmp";
#ifndef GW_SANITIZED	/* their shadow is larger than any limit */
	spec.memory_bytes = 256u << 20;
#endif
	spec.file_bytes = 1 << 20;
	spec.cpu_s = TEST_MS / 1000;
	spec.pids = 16;
	if ((bad = jail_ready()) != NULL)
		strlcpy(why, bad, sizeof(why));
	else if ((spec.fd[0] = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    pipe2(p, O_CLOEXEC) == -1 || fd_nonblock(p[0]) == -1)
		snprintf(why, sizeof(why), "pipe: %s", strerrordesc_np(errno));
	else {
		spec.fd[1] = spec.fd[2] = p[1];
		j->out_fd = p[0];
		p[0] = -1;
		j->out_ev = event_new(worker_base(), j->out_fd,
		    EV_READ | EV_PERSIST, job_out_cb, j);
		if (j->out_ev == NULL || event_add(j->out_ev, NULL) == -1)
			strlcpy(why, "out of memory", sizeof(why));
		else
			(void)job_start(j, &spec, TEST_MS, why, sizeof(why));
	}
	if (spec.fd[0] != -1)
		close(spec.fd[0]);
	if (p[0] != -1)
		close(p[0]);
	if (p[1] != -1)
		close(p[1]);
	if (why[0] != '\0') {
		memset(&res, 0, sizeof(res));
		dbuf_reset(&j->out);
		dbuf_printf(&j->out, "Bail out! %s\n", why);
		selftest_send(j, &res);
		job_free(j);
	}
	return MSG_OK;
}

static enum msg_err
jailer_message(struct link *l, struct msg *m)
{
	switch (m->h.type) {
	case MSG_JL_SPAWN:
		return jailer_on_spawn(l, m);
	case MSG_JL_KILL:
		return jailer_on_kill(m);
	case MSG_JL_SELFTEST:
		return jailer_on_selftest(l, m);
	default:
		return MSG_DIRECTION;
	}
}

/* --- life ----------------------------------------------------------------- */

static void
jailer_peer_gone(struct link *l)
{
	struct job *j;

	/* Nobody reads their output any more. */
	TAILQ_FOREACH(j, &jobs, entry)
		if (j->link == l) {
			j->link = NULL;
			job_kill(j);
		}
}

static void
jailer_deadline_cb(evutil_socket_t fd, short what, void *arg)
{
	struct job *j;

	(void)fd;
	(void)what;
	(void)arg;
	TAILQ_FOREACH(j, &jobs, entry)
		job_kill(j);
}

static void
jailer_drain(uint32_t deadline_ms)
{
	struct timeval tv = { deadline_ms / 1000, deadline_ms % 1000 * 1000 };

	draining = true;
	drain_ev = event_new(worker_base(), -1, 0, jailer_deadline_cb, NULL);
	if (drain_ev == NULL || event_add(drain_ev, &tv) == -1)
		jailer_deadline_cb(-1, 0, NULL);
	jailer_drained();
}

static void
jailer_stop(void)
{
	struct job *j;

	TAILQ_FOREACH(j, &jobs, entry)
		job_kill(j);
}

static void
jailer_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	snprintf(detail, size, "%zu jobs, %llu started, limits by rlimits%s",
	    njobs, (unsigned long long)started, jail.cgroup_fd == -1 ?
	    " only" : controllers == 0 ? ", ended by cgroup" :
	    " and cgroups");
}

int
main(int argc, char *argv[])
{
	static const struct worker w = {
		WORKER_ROLE(JAILER),
		.configure = jailer_configure,
		.setup = jailer_setup,
		.peer_gone = jailer_peer_gone,
		.message = jailer_message,
		.drain = jailer_drain,
		.stop = jailer_stop,
		.stat = jailer_stat,
	};

	return worker_main(argc, argv, &w);
}
