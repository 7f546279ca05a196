/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool exec: a command in the jail, waited for as long as the call says, then
 * left to the tool process.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "toold/jobenv.h"
#include "toold/toold.h"

#define EXEC_ABORT_MS	1000	/* from TERM to KILL when it is aborted */
/* Long enough to hear that it could not start at all. */
#define EXEC_BACKGROUND_MS 50
#define EXEC_TAIL	2000	/* bytes of a status */
#define EXEC_DETAILS	16384	/* bytes of output repeated in details */
#define EXEC_NAME	60	/* bytes of a name made of the command */

struct exec_state {
	struct job	*job;
	struct event	*yield_ev;
};

static void	 exec_yield_cb(evutil_socket_t, short, void *);

static void
exec_cleanup(struct call *c)
{
	struct exec_state	*s = c->state;

	if (s->yield_ev != NULL)
		event_free(s->yield_ev);
	if (s->job != NULL && s->job->call == c) {
		/* The call ends before the job (aborted, or given up). */
		s->job->call = NULL;
		tjob_forget(s->job);
	}
	free(s);
}

/* The job goes on without the call. */
static void
exec_release(struct call *c, bool keep)
{
	struct exec_state	*s = c->state;
	struct job		*j = s->job;

	j->call = NULL;
	s->job = NULL;
	if (!keep)
		tjob_forget(j);
}

static json_t *
exec_details(const struct job *j, const char *status)
{
	struct dbuf	 text;
	json_t		*d;

	dbuf_init(&text, EXEC_DETAILS + 16);
	output_tail(&j->out, EXEC_DETAILS, &text);
	d = json_pack("{s:s, s:I, s:o, s:o, s:b}", "status", status,
	    "durationMs", (json_int_t)tjob_runtime_ms(j), "aggregated",
	    tresult_string((struct str){dbuf_str(&text), text.n}), "cwd",
	    tresult_string(str_of(j->cwd)), "truncated", output_cut(&j->out));
	dbuf_clear(&text);
	if (j->how == JOB_EXITED)
		json_object_set_new(d, "exitCode", json_integer(j->code));
	else if (j->how == JOB_SIGNALED)
		json_object_set_new(d, "exitSignal", json_integer(j->code));
	if (j->timed_out)
		json_object_set_new(d, "timedOut", json_true());
	json_object_set_new(d, "cpuMs", json_integer(
	    (json_int_t)(j->cpu_us / 1000)));
	json_object_set_new(d, "maxRssKiB", json_integer(
	    (json_int_t)j->rss_kib));
	return d;
}

/* The job ended while the call waited for it. */
static void
exec_ended(struct job *j)
{
	struct call	*c = j->call;
	struct dbuf	 text;
	json_t		*details;
	char		 reason[640], hint[128];
	bool		 ok = tjob_ok(j), keep = output_cut(&j->out);

	dbuf_init(&text, (size_t)1 << 20);
	snprintf(hint, sizeof(hint), "process log with sessionId %s shows "
	    "them", j->id);
	output_text(&j->out, &text, hint);
	if (text.n == 0 && ok)
		dbuf_puts(&text, "(no output)");
	details = exec_details(j, ok ? "completed" : "failed");
	if (keep)
		json_object_set_new(details, "sessionId", json_string(j->id));
	tjob_reason(j, reason, sizeof(reason));
	if (!ok) {
		while (text.n > 0 && text.p[text.n - 1] == '\n')
			text.n--;
		dbuf_printf(&text, "%sThe command %s.", text.n > 0 ? "\n\n" :
		    "", reason);
	}
	exec_release(c, keep);
	if (ok)
		tcall_done_text(c, (struct str){dbuf_str(&text), text.n},
		    details);
	else
		tcall_fail_details(c, (struct str){dbuf_str(&text), text.n},
		    details);
	dbuf_clear(&text);
}

/* The answer while it still runs. */
static void
exec_running(struct call *c)
{
	struct exec_state	*s = c->state;
	struct job		*j = s->job;
	struct dbuf		 text, tail;
	json_t			*details;

	j->background = true;
	dbuf_init(&tail, EXEC_TAIL + 16);
	output_tail(&j->out, EXEC_TAIL, &tail);
	dbuf_init(&text, EXEC_TAIL + 1024);
	dbuf_printf(&text, "The command is still running (sessionId %s, pid "
	    "%u). Use process with action poll, log, write or kill and this "
	    "sessionId.", j->id, j->pid);
	if (tail.n > 0)
		dbuf_printf(&text, "\n\nOutput so far%s:\n%s",
		    j->out.total > tail.n ? " (its end)" : "",
		    dbuf_str(&tail));
	details = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "status",
	    "running", "sessionId", j->id, "pid", (json_int_t)j->pid,
	    "startedAt", (json_int_t)j->start_wall_ms, "cwd",
	    tresult_string(str_of(j->cwd)), "tail",
	    tresult_string((struct str){dbuf_str(&tail), tail.n}));
	dbuf_clear(&tail);
	exec_release(c, true);
	tcall_done_text(c, (struct str){dbuf_str(&text), text.n}, details);
	dbuf_clear(&text);
}

static void
exec_yield_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	exec_running(arg);
}

static void
exec_cancel(struct call *c)
{
	struct exec_state	*s = c->state;

	if (s->yield_ev != NULL)
		evtimer_del(s->yield_ev);
	s->job->aborted = true;
	tjob_end(s->job, EXEC_ABORT_MS);
}

/* The folder as the jail sees it: the workspace is at the same place. */
static bool
exec_cwd(struct call *c, char *buf, size_t size)
{
	struct str	 dir = tools_arg_str(c->args, "workdir");
	char		 rel[WPATH_MAX];
	enum wpath_err	 err;
	int		 n;

	if (dir.n == 0)
		dir = STR_LIT(".");
	if ((err = wpath_resolve(dir, c->t->workspace, rel, sizeof(rel))) !=
	    WPATH_OK) {
		tcall_fail(c, "workdir: %s. The workspace is %s.",
		    wpath_err_text(err), c->t->workspace);
		return false;
	}
	n = snprintf(buf, size, "%s%s%s", c->t->workspace,
	    strcmp(rel, ".") == 0 ? "" : "/", strcmp(rel, ".") == 0 ? "" :
	    rel);
	if (n < 0 || (size_t)n >= size || n > 1024) {
		tcall_fail(c, "workdir: %s.", wpath_err_text(WPATH_TOO_LONG));
		return false;
	}
	return true;
}

static bool
exec_env(struct call *c, struct dbuf *env, bool pty)
{
	json_t		*map = json_object_get(c->args, "env"), *v;
	const char	*key, *why;

	jobenv_base(env, c->t->policy.path_prepend, c->t->tz, pty);
	json_object_foreach(map, key, v) {
		if (!jobenv_name_ok(str_of(key), &why)) {
			tcall_fail(c, "env: %.64s %s.", key, why);
			return false;
		}
		jobenv_add(env, str_of(key), (struct str){
		    json_string_value(v), json_string_length(v)});
	}
	if (dbuf_err(env)) {
		tcall_fail(c, "env: more than %u bytes in all.", JOBENV_MAX);
		return false;
	}
	return true;
}

/* What lists call it: its title, or the command's first line. */
static struct str
exec_name(struct call *c)
{
	struct str	 s = tools_arg_str(c->args, "title");
	const char	*nl;

	if (s.n == 0)
		s = str_trim(tools_arg_str(c->args, "command"));
	if (s.n > 0 && (nl = memchr(s.p, '\n', s.n)) != NULL)
		s.n = (size_t)(nl - s.p);
	s.n = utf8_cut(s.p, s.n, EXEC_NAME);
	return s;
}

void
tool_exec(struct call *c)
{
	struct exec_state	*s;
	struct job_spec		 spec;
	struct dbuf		 env;
	struct timeval		 tv;
	char			 cwd[WPATH_MAX], why_not[128];
	const char		*why;
	int64_t			 yield_ms;
	bool			 background, process;

	process = toolpolicy_allows(&c->t->policy, tools_get(TOOL_PROCESS),
	    why_not, sizeof(why_not));
	background = process && tools_arg_bool(c->args, "background", false);
	memset(&spec, 0, sizeof(spec));
	spec.session = str_of(c->session);
	spec.command = tools_arg_str(c->args, "command");
	spec.name = exec_name(c);
	spec.pty = tools_arg_bool(c->args, "pty", false);
	/* Otherwise programs that look at their input would wait for ever. */
	spec.input = background || spec.pty;
	spec.timeout_s = (uint32_t)tools_arg_int(c->args, "timeoutSeconds",
	    c->t->policy.timeout_s);
	if (!process && spec.timeout_s == 0)
		spec.timeout_s = c->t->policy.timeout_s;
	if (!exec_cwd(c, cwd, sizeof(cwd)))
		return;
	spec.cwd = cwd;
	dbuf_init(&env, JOBENV_MAX);
	if (!exec_env(c, &env, spec.pty)) {
		dbuf_clear(&env);
		return;
	}
	spec.env = (struct str){dbuf_str(&env), env.n};
	if ((s = calloc(1, sizeof(*s))) == NULL) {
		dbuf_clear(&env);
		tcall_fail(c, "Out of memory.");
		return;
	}
	c->state = s;
	c->cleanup = exec_cleanup;
	s->job = tjob_start(c->t, &spec, &why);
	dbuf_clear(&env);
	if (s->job == NULL) {
		tcall_fail(c, "The command was not started: %s.", why);
		return;
	}
	s->job->call = c;
	s->job->call_end = exec_ended;
	c->cancel = exec_cancel;
	if (!process)
		return;		/* it ends, or runs into its time-out */
	yield_ms = background ? EXEC_BACKGROUND_MS :
	    tools_arg_int(c->args, "yieldMs", c->t->policy.yield_ms);
	tv.tv_sec = (time_t)(yield_ms / 1000);
	tv.tv_usec = (suseconds_t)(yield_ms % 1000 * 1000);
	s->yield_ev = evtimer_new(c->t->base, exec_yield_cb, c);
	if (s->yield_ev != NULL)
		evtimer_add(s->yield_ev, &tv);
}
