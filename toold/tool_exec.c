/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool exec: a command is judged, perhaps asked about, and then run in the
 * jail; waited for as long as the call says, then left to the tool process.
 * Nothing of the answer comes from the call: it is judged again, from the
 * same arguments, right before it is started (T23, T24).
 */
#include "common/compat.h"

#include <inttypes.h>

#include "common/log.h"
#include "common/redact.h"
#include "toold/execjudge.h"
#include "toold/jobenv.h"
#include "toold/toold.h"

#define EXEC_ABORT_MS	1000	/* from TERM to KILL when it is aborted */
/* Long enough to hear that it could not start at all. */
#define EXEC_BACKGROUND_MS 50
#define EXEC_TAIL	2000	/* bytes of a status */
#define EXEC_DETAILS	16384	/* bytes of output repeated in details */
#define EXEC_NAME	60	/* bytes of a name made of the command */
#define EXEC_ARGV	65536	/* bytes, before they are judged too many */

struct exec_state {
	struct job		*job;		/* NULL: not started yet */
	struct event		*yield_ev;
	struct question		*question;	/* NULL: not asked, or answered */
	char			 question_id[37];
	char			 cwd[WPATH_MAX];
	struct dbuf		 env;
	struct execplan		*plan;
	enum exec_security	 security;
	enum exec_ask		 ask;
	bool			 pty, background, process;
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
	question_withdraw(s->question);
	execplan_free(s->plan);
	dbuf_clear(&s->env);
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

	if (s->job == NULL) {
		tcall_accept(c, TOOL_DENIED, STR_LIT("aborted"));
		tcall_fail(c, "exec was aborted; the command was not run.");
		return;
	}
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

static void
exec_in(const struct call *c, struct execjudge_in *in)
{
	struct exec_state	*s = c->state;

	memset(in, 0, sizeof(*in));
	in->command = tools_arg_str(c->args, "command");
	in->agent = c->t->agent;
	in->cwd = s->cwd;
	in->workspace = c->t->workspace;
	in->env = (struct str){dbuf_str(&s->env), s->env.n};
	in->env_call = json_object_get(c->args, "env");
	in->safe_bins = c->t->policy.safe_bins;
	in->list = &c->t->execlist;
}

/* It is not run; the text is for the model. */
static void
exec_deny(struct call *c, const char *status, const char *text)
{
	struct exec_state	*s = c->state;
	json_t			*d;

	/* The log gets no word of the command. */
	tcall_accept(c, TOOL_DENIED, str_of(status));
	d = json_pack("{s:s}", "status", status);
	if (s->question_id[0] != '\0')
		json_object_set_new(d, "approvalId",
		    json_string(s->question_id));
	tcall_fail_details(c, str_of(text), d);
}

/* Nothing is in the way any more. */
static void
exec_run(struct call *c)
{
	struct exec_state	*s = c->state;
	struct job_spec		 spec;
	struct dbuf		 argv;
	struct timeval		 tv;
	const char		*why;
	int64_t			 yield_ms;

	tcall_accept(c, TOOL_RUNNING, STR_LIT(""));
	memset(&spec, 0, sizeof(spec));
	spec.session = str_of(c->session);
	spec.command = tools_arg_str(c->args, "command");
	spec.name = exec_name(c);
	spec.cwd = s->cwd;
	spec.pty = s->pty;
	/* Otherwise programs that look at their input would wait for ever. */
	spec.input = s->background || spec.pty;
	spec.timeout_s = (uint32_t)tools_arg_int(c->args, "timeoutSeconds",
	    c->t->policy.timeout_s);
	if (!s->process && spec.timeout_s == 0)
		spec.timeout_s = c->t->policy.timeout_s;
	spec.env = (struct str){dbuf_str(&s->env), s->env.n};
	dbuf_init(&argv, EXEC_ARGV);
	if (execplan_argv(s->plan, &argv) == -1) {
		dbuf_clear(&argv);
		tcall_fail(c, "The command is too long.");
		return;
	}
	spec.argv = (struct str){dbuf_str(&argv), argv.n};
	s->job = tjob_start(c->t, &spec, &why);
	dbuf_clear(&argv);
	if (s->job == NULL) {
		tcall_fail(c, "The command was not started: %s.", why);
		return;
	}
	s->job->call = c;
	s->job->call_end = exec_ended;
	if (!s->process)
		return;		/* it ends, or runs into its time-out */
	yield_ms = s->background ? EXEC_BACKGROUND_MS :
	    tools_arg_int(c->args, "yieldMs", c->t->policy.yield_ms);
	tv.tv_sec = (time_t)(yield_ms / 1000);
	tv.tv_usec = (suseconds_t)(yield_ms % 1000 * 1000);
	s->yield_ev = evtimer_new(c->t->base, exec_yield_cb, c);
	if (s->yield_ev != NULL)
		evtimer_add(s->yield_ev, &tv);
}

/* When and for what each entry was used last; no credential goes there. */
static void
exec_note(struct call *c)
{
	struct exec_state	*s = c->state;
	struct str		 command = tools_arg_str(c->args, "command");
	struct dbuf		 text;
	size_t			 i;

	dbuf_init(&text, 8192);
	command.n = utf8_cut(command.p, command.n, 400);
	if (redact_text(command, REDACT_MODEL, &text) == -1)
		dbuf_reset(&text);
	for (i = 0; i < s->plan->line.nseg; i++)
		if (s->plan->entry[i] != NULL)
			execlist_note(&c->t->execlist, s->plan->entry[i],
			    s->plan->id[i].path, (struct str){dbuf_str(&text),
			    text.n}, wall_ms());
	dbuf_clear(&text);
}

/* The programs of the command join the list; on disk before it counts. */
static void
exec_grant(struct call *c, const char *by)
{
	struct exec_state	*s = c->state;
	struct toold		*t = c->t;
	json_t			*root;
	const char		*path;
	size_t			 i;

	for (i = 0; i < s->plan->line.nseg; i++) {
		path = s->plan->id[i].path;
		if (execlist_match(&t->execlist, t->agent, path,
		    s->plan->line.seg[i].argv[0], false) != NULL)
			continue;
		/* A file that was not understood is not written over. */
		if (t->execlist.broken || (root = execlist_with(&t->execlist,
		    t->agent, path)) == NULL || execlist_store(&t->execlist,
		    t->spool_fd, root) == -1) {
			log_warn("approvals: %s was allowed always by %s, but "
			    "the list could not be written; it was allowed "
			    "once", path, by);
			return;
		}
		log_info("approvals: %s is allowed from now on, by %s", path,
		    by);
	}
}

static void
exec_timed_out(struct call *c)
{
	struct exec_state	*s = c->state;
	enum exec_security	 f = execlist_fallback(&c->t->execlist,
				    c->t->agent);
	char			 text[256];

	if (f > s->security)
		f = s->security;
	if (f == EXEC_FULL || (f == EXEC_ALLOWLIST && s->plan->covered)) {
		log_info("call %s: nobody answered; askFallback \"%s\" lets "
		    "it run", c->id, toolpolicy_security_name(f));
		exec_run(c);
		return;
	}
	snprintf(text, sizeof(text), "Denied: no operator approved this "
	    "command within %u seconds. It was not run.",
	    (unsigned int)((c->t->policy.ask_ms + 999) / 1000));
	exec_deny(c, "approval-timeout", text);
}

static void
exec_answer_cb(void *arg, enum question_answer answer, const char *by)
{
	struct call		*c = arg;
	struct exec_state	*s = c->state;
	struct execjudge_in	 in;
	char			 text[512];

	s->question = NULL;
	if (answer == QUESTION_DENIED) {
		snprintf(text, sizeof(text), "Denied: %s refused this "
		    "command. It was not run. Do not look for another way; "
		    "ask what to do.", *by == '\0' ? "an operator" : by);
		exec_deny(c, "denied", text);
		return;
	}
	exec_in(c, &in);
	if (!execplan_same(s->plan, &in)) {
		log_warnx("call %s: a program changed while its approval was "
		    "awaited", c->id);
		exec_deny(c, "denied", "Denied: a program of this command "
		    "changed after an operator was asked about it. It was not "
		    "run.");
		return;
	}
	if (answer == QUESTION_TIMED_OUT) {
		exec_timed_out(c);
		return;
	}
	if (answer == QUESTION_ALWAYS)
		exec_grant(c, by);
	exec_run(c);
}

static void
exec_ask(struct call *c)
{
	struct exec_state	*s = c->state;
	struct question_spec	 q;
	const char		*why;
	char			 text[768], until[25];

	memset(&q, 0, sizeof(q));
	q.command = tools_arg_str(c->args, "command");
	if (!cmdline_visible(q.command) ||
	    !cmdline_visible(str_of(s->cwd))) {
		exec_deny(c, "denied", "Denied: this command needs an "
		    "operator's approval, and holds characters that cannot be "
		    "shown. It was not run.");
		return;
	}
	q.session = str_of(c->session);
	q.cwd = s->cwd;
	q.digest = s->plan->digest;
	q.path = s->plan->id[0].path;
	q.reason = s->plan->why;
	q.security = s->security;
	q.ask = s->ask;
	/* Where every use is asked about, "always" would promise too much. */
	q.always = s->plan->grantable && s->ask != ASK_ALWAYS &&
	    !c->t->execlist.broken;
	q.ms = c->t->policy.ask_ms;
	s->question = question_ask(c->t, &q, exec_answer_cb, c, &why);
	if (s->question == NULL) {
		snprintf(text, sizeof(text), "Denied: this command needs an "
		    "operator's approval, but %s. It was not run.", why);
		exec_deny(c, "denied", text);
		return;
	}
	strlcpy(s->question_id, question_id(s->question),
	    sizeof(s->question_id));
	log_info("call %s: asks for approval %s (%s)", c->id, s->question_id,
	    s->plan->why[0] == '\0' ? "every command is asked about" :
	    "not covered");
	tcall_accept(c, TOOL_WAITING, str_of(s->question_id));
	iso_time(question_expires(s->question), until);
	snprintf(text, sizeof(text), "Waiting for an operator's approval "
	    "(%.8s) until %.19s UTC.\n", s->question_id, until);
	tcall_out(c, 1, text, strlen(text));
}

static void
exec_decide(struct call *c)
{
	struct exec_state	*s = c->state;
	char			 text[768];

	if (s->ask == ASK_ALWAYS || (s->ask == ASK_ON_MISS &&
	    s->security == EXEC_ALLOWLIST && !s->plan->covered)) {
		exec_ask(c);
		return;
	}
	if (s->security == EXEC_ALLOWLIST && !s->plan->covered) {
		snprintf(text, sizeof(text), "Denied: the allow-list does not "
		    "cover this command: %s. It was not run.", s->plan->why);
		exec_deny(c, "denied", text);
		return;
	}
	if (s->security == EXEC_FULL) {
		/* Whatever it is; so a shell has it, as it came. */
		s->plan->direct = false;
	} else
		exec_note(c);
	exec_run(c);
}

void
tool_exec(struct call *c)
{
	struct exec_state	*s;
	struct execjudge_in	 in;
	char			 why[256];

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		tcall_accept(c, TOOL_DENIED, STR_LIT("out of memory"));
		tcall_fail(c, "Out of memory.");
		return;
	}
	dbuf_init(&s->env, JOBENV_MAX);
	c->state = s;
	c->cleanup = exec_cleanup;
	c->cancel = exec_cancel;
	if (!toolpolicy_exec(&c->t->policy, c->args, &s->security, &s->ask,
	    why, sizeof(why))) {
		exec_deny(c, "denied", why);
		return;
	}
	execlist_policy(&c->t->execlist, c->t->agent, &s->security, &s->ask);
	if (s->security == EXEC_DENY) {
		exec_deny(c, "denied", "Denied: running commands is switched "
		    "off (security \"deny\" in " EXECLIST_NAME ").");
		return;
	}
	s->process = toolpolicy_allows(&c->t->policy,
	    tools_get(TOOL_PROCESS), why, sizeof(why));
	s->background = s->process && tools_arg_bool(c->args, "background",
	    false);
	s->pty = tools_arg_bool(c->args, "pty", false);
	if (!exec_cwd(c, s->cwd, sizeof(s->cwd)) ||
	    !exec_env(c, &s->env, s->pty))
		return;
	exec_in(c, &in);
	if ((s->plan = execjudge(&in)) == NULL) {
		tcall_fail(c, "Out of memory.");
		return;
	}
	exec_decide(c);
}
