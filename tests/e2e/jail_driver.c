/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Plays the supervisor and the tool monitor to one toold-jailer, so that the
 * jail can be tested without the rest of the house:
 *
 *	jail_driver [-s] [-b uid base] [-c cgroup] [-i] -w workspace jailer
 *
 * Orders come one JSON object per line on standard input, events go one per
 * line to standard output.  Orders: spawn {job, argv, env, cwd, stdin, pty,
 * timeout_ms, memory, pids, file, cpu}, kill {job, signal}, selftest, drain,
 * bench {argv, n} (in the jail), bench_exec {argv, n} (outside, for
 * comparison).  End of input ends the jailer.
 */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "common/cgroup.h"
#include "common/dbuf.h"
#include "common/link.h"
#include "common/parcel.h"
#include "common/sandbox.h"
#include "tests/e2e/driver_rig.h"

#define OUT_MAX		(8u << 20)
#define JOBS_MAX	64

struct job {
	uint32_t	 num;
	bool		 used, exited;
	int		 fd[2];		/* of stdout and stderr; -1: closed */
	struct event	*ev[2];
	int		 in_fd;
	struct dbuf	 out[2];
	uint64_t	 start_us;
	struct m_jl_exit end;
	char		 reason[513];
	uint64_t	 end_us;
};

static struct rig_child		 jailer = { ROLE_JAILER, "jailer", -1, -1,
    false, NULL };
static struct link		*tool;
static struct job		 jobs[JOBS_MAX];
static struct { json_t *argv; int n, i; double *us; uint64_t t0; } bench;

extern char **environ;

static void	 bench_next(void);

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static json_t *
bytes_json(struct dbuf *b)
{
	json_t *s, *a;
	size_t i;

	if ((s = json_stringn(dbuf_str(b), b->n)) != NULL)
		return s;
	a = json_array();	/* not UTF-8: as numbers */
	for (i = 0; i < b->n; i++)
		json_array_append_new(a,
		    json_integer((unsigned char)b->p[i]));
	return a;
}

static void
job_maybe_done(struct job *j)
{
	static const char *const how[] = { "exited", "signaled", "timeout",
	    "killed", "failed", "oom", "oom-above" };

	if (!j->exited || j->fd[0] != -1 || j->fd[1] != -1)
		return;
	rig_emit(json_pack("{ss si ss si sI sI ss so so sI}", "event", "exit",
	    "job", (int)j->num, "how", how[j->end.how], "code",
	    (int)j->end.code, "cpu_us", (json_int_t)j->end.cpu_us, "rss_kib",
	    (json_int_t)j->end.rss_kib, "reason", j->reason, "out",
	    bytes_json(&j->out[0]), "err", bytes_json(&j->out[1]), "us",
	    (json_int_t)(j->end_us - j->start_us)));
	dbuf_clear(&j->out[0]);
	dbuf_clear(&j->out[1]);
	if (j->in_fd != -1)
		close(j->in_fd);
	j->used = false;
}

static void
out_cb(evutil_socket_t fd, short what, void *arg)
{
	static char buf[65536];
	struct job *j = arg;
	ssize_t n;
	int i = fd == j->fd[0] ? 0 : 1;

	(void)what;
	n = read(fd, buf, sizeof(buf));
	if (n > 0) {
		dbuf_put(&j->out[i], buf, (size_t)n);
		return;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	event_free(j->ev[i]);
	close(j->fd[i]);
	j->fd[i] = -1;
	job_maybe_done(j);
}

static struct job *
job_find(uint32_t num)
{
	size_t i;

	for (i = 0; i < JOBS_MAX; i++)
		if (jobs[i].used && jobs[i].num == num)
			return &jobs[i];
	return NULL;
}

/* --- orders --------------------------------------------------------------- */

static void
texts(struct dbuf *b, json_t *list, json_t *object)
{
	const char *k;
	json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		dbuf_put(b, json_string_value(v), json_string_length(v) + 1);
	json_object_foreach(object, k, v) {
		dbuf_printf(b, "%s=", k);
		dbuf_put(b, json_string_value(v), json_string_length(v) + 1);
	}
}

static json_int_t
num(json_t *o, const char *key, json_int_t def)
{
	json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

static void
spawn_send(json_t *o, uint32_t job, const int fds[3])
{
	struct m_jl_spawn m;
	struct dbuf argv, env;
	const char *cwd;

	dbuf_init(&argv, 1 << 20);
	dbuf_init(&env, 1 << 20);
	texts(&argv, json_object_get(o, "argv"), NULL);
	texts(&env, NULL, json_object_get(o, "env"));
	memset(&m, 0, sizeof(m));
	m.job = job;
	m.profile = STR_LIT("job");
	cwd = json_string_value(json_object_get(o, "cwd"));
	m.cwd = str_of(cwd != NULL ? cwd : "/tmp");
	m.argv = (struct str){ dbuf_str(&argv), argv.n };
	m.env = (struct str){ dbuf_str(&env), env.n };
	m.timeout_ms = (uint32_t)num(o, "timeout_ms", 60000);
	m.memory_bytes = (uint64_t)num(o, "memory", 1 << 30);
	m.pids = (uint32_t)num(o, "pids", 64);
	m.file_bytes = (uint64_t)num(o, "file", 64 << 20);
	m.cpu_s = (uint32_t)num(o, "cpu", 30);
	m.pty = json_is_true(json_object_get(o, "pty"));
	if (link_send_fds(tool, MSG_JL_SPAWN, &m, link_corr(), 0, fds, 3) ==
	    -1)
		err(1, "jl_spawn");
	dbuf_clear(&argv);
	dbuf_clear(&env);
}

static void
order_spawn(json_t *o)
{
	const char *text;
	struct job *j;
	int fds[3], in[2], p[2];
	size_t i, n;

	for (i = 0; i < JOBS_MAX && jobs[i].used; i++)
		;
	if (i == JOBS_MAX)
		errx(1, "too many jobs for the driver");
	j = &jobs[i];
	memset(j, 0, sizeof(*j));
	j->used = true;
	j->num = (uint32_t)num(o, "job", 1);
	j->in_fd = -1;
	j->fd[0] = j->fd[1] = -1;
	dbuf_init(&j->out[0], OUT_MAX);
	dbuf_init(&j->out[1], OUT_MAX);
	text = json_string_value(json_object_get(o, "stdin"));
	n = text != NULL ? strlen(text) : 0;
	if (json_is_true(json_object_get(o, "pty"))) {
		struct winsize ws = { 30, 120, 0, 0 };

		if (openpty(&p[0], &p[1], NULL, NULL, &ws) == -1)
			err(1, "openpty");
		j->fd[0] = p[0];
		fds[0] = p[1];
		fds[1] = dup(p[1]);
		fds[2] = dup(p[1]);
		if (n > 0 && write(p[0], text, n) != (ssize_t)n)
			err(1, "write");
	} else {
		if (pipe2(in, O_CLOEXEC) == -1)
			err(1, "pipe");
		if (n > 0 && write(in[1], text, n) != (ssize_t)n)
			err(1, "write");
		if (json_is_true(json_object_get(o, "hold_stdin")))
			j->in_fd = in[1];
		else
			close(in[1]);
		fds[0] = in[0];
		for (i = 0; i < 2; i++) {
			if (pipe2(p, O_CLOEXEC) == -1)
				err(1, "pipe");
			j->fd[i] = p[0];
			fds[1 + i] = p[1];
		}
	}
	for (i = 0; i < 2; i++)
		if (j->fd[i] != -1) {
			fd_nonblock(j->fd[i]);
			j->ev[i] = event_new(rig_base, j->fd[i],
			    EV_READ | EV_PERSIST, out_cb, j);
			event_add(j->ev[i], NULL);
		}
	/* a descriptor that no job may have */
	text = json_string_value(json_object_get(o, "stdin_path"));
	if (text != NULL) {
		close(fds[0]);
		if ((fds[0] = open(text, O_RDONLY | O_CLOEXEC)) == -1)
			err(1, "%s", text);
	}
	j->start_us = now_us();
	spawn_send(o, j->num, fds);
}

static void
order_kill(json_t *o)
{
	struct m_jl_kill m;

	memset(&m, 0, sizeof(m));
	m.job = (uint32_t)num(o, "job", 1);
	m.signal = (uint8_t)num(o, "signal", SIGKILL);
	send_jl_kill(tool, &m, 0, 0);
}

static int
cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
bench_report(const char *name, double *us, int n)
{
	qsort(us, (size_t)n, sizeof(*us), cmp);
	rig_emit(json_pack("{ss ss si sf sf sf}", "event", "bench", "name", name,
	    "n", n, "median_us", us[n / 2], "p90_us", us[n * 9 / 10],
	    "min_us", us[0]));
}

/* The same thing by another program, started as cheaply as can be. */
static void
order_bench_exec(json_t *o)
{
	json_t *list = json_object_get(o, "argv");
	char **argv;
	double *us;
	uint64_t t;
	size_t i;
	int k, n, status;
	pid_t pid;

	n = (int)num(o, "n", 100);
	argv = calloc(json_array_size(list) + 1, sizeof(*argv));
	us = calloc((size_t)n, sizeof(*us));
	if (argv == NULL || us == NULL)
		err(1, "calloc");
	for (i = 0; i < json_array_size(list); i++)
		argv[i] = (char *)(uintptr_t)json_string_value(
		    json_array_get(list, i));
	/* What another program leaves behind is not to be taken for ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	for (k = 0; k < n; k++) {
		t = now_us();
		if ((errno = posix_spawnp(&pid, argv[0], NULL, NULL, argv,
		    environ)) != 0)
			err(1, "%s", argv[0]);
		if (waitpid(pid, &status, 0) == -1 || status != 0)
			errx(1, "%s: status %d", argv[0], status);
		us[k] = (double)(now_us() - t);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	bench_report(argv[0], us, n);
	free(argv);
	free(us);
}

static void
bench_next(void)
{
	int fds[3];
	json_t *o;
	size_t i;

	if (bench.i == bench.n) {
		bench_report("jail", bench.us, bench.n);
		free(bench.us);
		json_decref(bench.argv);
		memset(&bench, 0, sizeof(bench));
		return;
	}
	for (i = 0; i < 3; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	o = json_pack("{sO}", "argv", bench.argv);
	bench.t0 = now_us();
	spawn_send(o, 1000000u + (uint32_t)bench.i, fds);
	json_decref(o);
}

static void
order(json_t *o)
{
	struct m_jl_selftest st;
	struct m_proc_drain dr;
	const char *op = json_string_value(json_object_get(o, "op"));

	if (op == NULL)
		errx(1, "an order without op");
	if (strcmp(op, "spawn") == 0)
		order_spawn(o);
	else if (strcmp(op, "kill") == 0)
		order_kill(o);
	else if (strcmp(op, "selftest") == 0) {
		memset(&st, 0, sizeof(st));
		send_jl_selftest(tool, &st, link_corr(), 0);
	} else if (strcmp(op, "drain") == 0) {
		memset(&dr, 0, sizeof(dr));
		dr.deadline_ms = (uint32_t)num(o, "deadline_ms", 5000);
		send_proc_drain(jailer.ctl, &dr, 0, 0);
		link_setstate(jailer.ctl, LINK_DRAIN);
		link_setstate(tool, LINK_DRAIN);
	} else if (strcmp(op, "bench") == 0) {
		bench.argv = json_incref(json_object_get(o, "argv"));
		bench.n = (int)num(o, "n", 100);
		bench.us = calloc((size_t)bench.n, sizeof(*bench.us));
		bench_next();
	} else if (strcmp(op, "bench_exec") == 0)
		order_bench_exec(o);
	else if (strcmp(op, "unlink_tool") == 0) {
		link_free(tool);	/* as if toold had died */
		tool = NULL;
	} else
		errx(1, "op %s", op);
}

/* --- what the jailer says -------------------------------------------------- */

static enum msg_err
tool_message(struct link *l, struct msg *m, void *arg)
{
	struct m_jl_started st;
	struct m_jl_exit ex;
	struct m_jl_selftest_res sr;
	struct job *j;
	enum msg_err e;

	(void)l;
	(void)arg;
	switch (m->h.type) {
	case MSG_JL_STARTED:
		if ((e = get_jl_started(m, &st)) != MSG_OK)
			return e;
		if (bench.argv == NULL)
			rig_emit(json_pack("{ss si si}", "event", "started", "job",
			    (int)st.job, "pid", (int)st.pid));
		return MSG_OK;
	case MSG_JL_EXIT:
		if ((e = get_jl_exit(m, &ex)) != MSG_OK)
			return e;
		if (ex.job >= 1000000u && bench.argv != NULL) {
			if (ex.how != JOB_EXITED || ex.code != 0)
				errx(1, "bench: %.*s", (int)ex.reason.n,
				    ex.reason.p);
			bench.us[bench.i++] = (double)(now_us() - bench.t0);
			bench_next();
			return MSG_OK;
		}
		if ((j = job_find(ex.job)) == NULL)
			return MSG_MEANING;
		j->end = ex;
		str_copy(ex.reason, j->reason, sizeof(j->reason));
		j->end_us = now_us();
		j->exited = true;
		/* A terminal gives no end of file while we hold its slave. */
		job_maybe_done(j);
		return MSG_OK;
	case MSG_JL_SELFTEST_RES:
		if ((e = get_jl_selftest_res(m, &sr)) != MSG_OK)
			return e;
		rig_emit(json_pack("{ss si si ss%}", "event", "selftest", "tried",
		    (int)sr.tried, "passed", (int)sr.passed, "report",
		    sr.report.p, sr.report.n));
		return MSG_OK;
	default:
		return MSG_DIRECTION;
	}
}

static void
gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)arg;
	if (l == tool)
		tool = NULL;
	if (l == jailer.ctl)
		jailer.ctl = NULL;
	rig_emit(json_pack("{ss ss ss si}", "event", "gone", "link", link_name(l),
	    "why", msg_err_name(why), "type", (int)type));
	event_base_loopbreak(rig_base);
	rig_ended = true;
}

static int	 tool_fd = -1;

static enum msg_err
ctl_message(struct link *l, struct msg *m, void *arg)
{
	static const struct link_ops ops = { tool_message, gone, NULL };
	struct m_proc_start start;
	struct m_proc_peer peer;
	struct m_proc_ready ready;
	enum msg_err e;
	json_t *facts, *failed;
	uint32_t bit;
	int sv[2];

	(void)arg;
	switch (m->h.type) {
	case MSG_PROC_HELLO:
		rig_pair(sv);
		memset(&peer, 0, sizeof(peer));
		peer.role = ROLE_TOOL;
		peer.instance = str_of("main");
		peer.endpoint = 7;
		link_send_fds(l, MSG_PROC_PEER, &peer, 0, 0, &sv[1], 1);
		tool_fd = sv[0];
		memset(&start, 0, sizeof(start));
		start.generation = 1;
		send_proc_start(l, &start, 0, 0);
		return MSG_OK;
	case MSG_PROC_READY:
		if ((e = get_proc_ready(m, &ready)) != MSG_OK)
			return e;
		link_setstate(l, LINK_RUN);
		tool = link_new(rig_base, tool_fd, ROLE_TOOL, ROLE_JAILER, "main",
		    7, &ops, NULL);
		link_setstate(tool, LINK_RUN);
		event_add(rig_orders, NULL);
		facts = json_array();
		failed = json_array();
		for (bit = 1; bit < FACT_MAX; bit <<= 1) {
			if (ready.sandbox & bit)
				json_array_append_new(facts,
				    json_string(sandbox_fact_name(bit)));
			if (ready.failed & bit)
				json_array_append_new(failed,
				    json_string(sandbox_fact_name(bit)));
		}
		rig_emit(json_pack("{ss so so si ss si}", "event", "ready",
		    "facts", facts, "failed", failed, "abi",
		    (int)ready.landlock_abi, "detail", ready.detail.p, "pid",
		    (int)jailer.pid));
		return MSG_OK;
	case MSG_PROC_DRAINED:
		rig_emit(json_pack("{ss}", "event", "drained"));
		return MSG_OK;
	default:
		return MSG_DIRECTION;
	}
}

/* --- start ------------------------------------------------------------------ */

static int
parcel_make(const char *workspace)
{
	struct parcel_writer *w;
	int fd;

	if ((w = parcel_writer_new()) == NULL)
		err(1, "parcel");
	parcel_puts(w, workspace, "workspace");
	parcel_put_num(w, 8 << 20, "tmp_bytes");
	if ((fd = parcel_writer_seal(w)) == -1)
		err(1, "parcel");
	return fd;
}

/* To the group "driver" beside the jailer's, where there is one: the jailer,
 * which was born in it, is to be alone there. */
static void
leave(const char *cgroup)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/../driver", cgroup);
	if ((fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return;
	if (cgroup_enter(fd) == -1)
		err(1, "%s", path);
	close(fd);
}

int
main(int argc, char *argv[])
{
	static const struct link_ops ops = { ctl_message, gone, NULL };
	struct sandbox_spec spec;
	const char *cgroup = NULL, *workspace = NULL;
	int64_t uid_base = 0;
	uint32_t flags = 0;
	bool idmap = false;
	int opt;

	while ((opt = getopt(argc, argv, "b:c:isw:")) != -1) {
		switch (opt) {
		case 'b':
			if (num_parse(str_of(optarg), 0, 1 << 30,
			    &uid_base) == -1)
				errx(2, "uid base");
			break;
		case 'c':
			cgroup = optarg;
			break;
		case 'i':
			idmap = true;
			break;
		case 's':
			flags |= SANDBOX_STRICT;
			break;
		case 'w':
			workspace = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || workspace == NULL)
		errx(2, "usage: jail_driver -w workspace jailer");
	rig_init(uid_base, order);
	rig_start(&jailer, argv[optind], parcel_make(workspace), &ops);
	sandbox_spec_init(&spec, ROLE_JAILER, rig_mode, flags,
	    rig_mode == SANDBOX_ROOT ? &rig_ids : NULL);
	if (sandbox_spec_mount(&spec, workspace, MNT_RW |
	    (idmap ? (uint32_t)MNT_IDMAP : 0)) == -1)
		err(1, "%s", workspace);
	if (cgroup != NULL && sandbox_spec_mount(&spec, cgroup, MNT_RW |
	    MNT_CGROUP) == -1)
		err(1, "%s", cgroup);
	if (cgroup != NULL)
		leave(cgroup);
	rig_confine(&jailer, &spec);
	rig_run();
	rig_quit(&jailer);
	/* The links go, then so does the jailer; if not, that is a finding. */
	if (tool != NULL)
		link_free(tool);
	if (jailer.ctl != NULL)
		link_free(jailer.ctl);
	rig_reap(&jailer);
	rig_no_orphans();
	return 0;
}
