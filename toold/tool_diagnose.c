/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tool diagnose: what tool calls of this agent depend on, as far as it can be
 * seen from here.  It changes nothing.  Each row is one check; every warning
 * and failure names a remedy.  No secret and no message text is ever in it.
 */
#include "common/compat.h"

#include <sys/statvfs.h>

#include <inttypes.h>

#include "toold/toold.h"

#define DIAG_DISK_WARN	((uint64_t)500 << 20)
#define DIAG_SLOW_MS	500
#define DIAG_FRESH_MS	600000	/* a self-test is believed so long */

struct diag_state {
	json_t		*rows;
	json_t		*want;		/* ids and groups, NULL: all */
	uint64_t	 started_wall_ms;
	unsigned int	 pending;
	struct job	*job;
	struct fileop	*op;
	struct selftest	*test;
	uint64_t	 test_ms;
	bool		 failed;
};

/* The last result of the jail's probe, so that not every look at the state
 * starts it again. */
static struct {
	uint64_t	 at_ms;
	uint32_t	 tried, escaped;
} diag_last_test;

static void
diag_cleanup(struct call *c)
{
	struct diag_state	*s = c->state;

	json_decref(s->rows);
	fileop_forget(s->op);
	selftest_forget(s->test);
	if (s->job != NULL && s->job->call == c) {
		s->job->call = NULL;
		tjob_forget(s->job);
	}
	free(s);
}

/* Was this check, or its group, asked for? */
static bool
diag_wanted(const struct diag_state *s, const char *id)
{
	const char	*want;
	json_t		*v;
	size_t		 i, n;

	if (json_array_size(s->want) == 0)
		return true;
	json_array_foreach(s->want, i, v) {
		want = json_string_value(v);
		n = strlen(want);
		if (strcmp(want, "*") == 0 || strcmp(want, "all") == 0 ||
		    (strncmp(id, want, n) == 0 &&
		    (id[n] == '\0' || id[n] == '.')))
			return true;
	}
	return false;
}

static void
diag_row(struct diag_state *s, const char *id, const char *level,
    const char *title, const char *detail, json_t *data, const char *fix)
{
	const char	*dot = strchr(id, '.');
	json_t		*fixes = json_array();

	if (!diag_wanted(s, id)) {
		json_decref(data);
		json_decref(fixes);
		return;
	}
	if (strcmp(level, "fail") == 0)
		s->failed = true;
	if (fix != NULL)
		json_array_append_new(fixes, json_pack("{s:s, s:s}", "kind",
		    "manual", "text", fix));
	json_array_append_new(s->rows, json_pack(
	    "{s:s, s:o, s:s, s:s, s:o, s:o, s:o}", "id", id, "group",
	    json_stringn(id, dot == NULL ? strlen(id) : (size_t)(dot - id)),
	    "level", level, "title", title, "detail",
	    tresult_string(str_of(detail)), "data", data == NULL ?
	    json_object() : data, "fixes", fixes));
}

static void
diag_maybe_done(struct call *c)
{
	struct diag_state	*s = c->state;

	if (s->pending > 0)
		return;
	tcall_done(c, tresult_json(json_pack("{s:b, s:I, s:O}", "ok",
	    !s->failed, "startedAtMs", (json_int_t)s->started_wall_ms,
	    "results", s->rows), false));
}

static void
diag_selftest_row(struct diag_state *s, uint32_t tried, uint32_t escaped,
    json_t *report, const char *when)
{
	char	 detail[128];
	bool	 ok = tried > 0 && escaped == 0;

	if (tried == 0)
		snprintf(detail, sizeof(detail), "the test could not run");
	else
		snprintf(detail, sizeof(detail), "%u of %u attempts to get out "
		    "of the jail were stopped%s", tried - escaped, tried,
		    when);
	diag_row(s, "jail.selftest", ok ? "ok" : "fail",
	    "Escape attempts from the jail", detail, json_pack(
	    "{s:i, s:i, s:o}", "tried", (int)tried, "escaped", (int)escaped,
	    "report", report == NULL || ok ? json_array() :
	    json_incref(report)), ok ? NULL : "Do not let this agent run "
	    "commands (tools.deny: [\"group:runtime\"]) until \"openclaw "
	    "sandbox selftest\" passes; its lines name what failed.");
}

static void
diag_selftest_cb(void *arg, uint32_t tried, uint32_t escaped, json_t *report,
    const char *why)
{
	struct call		*c = arg;
	struct diag_state	*s = c->state;

	s->test = NULL;
	s->pending--;
	if (report == NULL)
		diag_row(s, "jail.selftest", "fail",
		    "Escape attempts from the jail", why, NULL,
		    "See \"openclaw logs\" for lines of the jailer, then "
		    "\"openclaw gateway restart\".");
	else {
		diag_last_test.at_ms = mono_ms();
		diag_last_test.tried = tried;
		diag_last_test.escaped = escaped;
		diag_selftest_row(s, tried, escaped, report, "");
	}
	diag_maybe_done(c);
}

static void
diag_selftest(struct call *c, bool deep)
{
	struct diag_state	*s = c->state;
	const char		*why;

	if (!diag_wanted(s, "jail.selftest"))
		return;
	if (!deep && diag_last_test.at_ms != 0 && json_array_size(s->want) ==
	    0 && mono_ms() - diag_last_test.at_ms < DIAG_FRESH_MS) {
		diag_selftest_row(s, diag_last_test.tried,
		    diag_last_test.escaped, NULL, " (some minutes ago)");
		return;
	}
	s->test = selftest_start(c->t, diag_selftest_cb, c, &why);
	if (s->test != NULL)
		s->pending++;
	else
		diag_row(s, "jail.selftest", "fail",
		    "Escape attempts from the jail", why, NULL,
		    "See \"openclaw gateway processes\": the jailer must be "
		    "running.");
}

/* The trial command has ended: facts that only a job can see. */
static void
diag_job_ended(struct job *j)
{
	struct call		*c = j->call;
	struct diag_state	*s = c->state;
	struct dbuf		 text;
	char			 detail[1024], reason[640];
	uint64_t		 ms = tjob_runtime_ms(j);
	bool			 ok = tjob_ok(j), writable;

	dbuf_init(&text, 1024);
	output_tail(&j->out, 512, &text);
	writable = strstr(dbuf_str(&text), "writable=yes") != NULL;
	tjob_reason(j, reason, sizeof(reason));
	if (ok)
		snprintf(detail, sizeof(detail), "a command started and ended "
		    "in %" PRIu64 " ms", ms);
	else
		snprintf(detail, sizeof(detail), "a trial command %s", reason);
	diag_row(s, "jail.run", !ok ? "fail" : ms > DIAG_SLOW_MS ? "warn" :
	    "ok", "Commands run in the jail", detail, json_pack("{s:I, s:o}",
	    "ms", (json_int_t)ms, "facts", tresult_string((struct str){
	    dbuf_str(&text), text.n})), !ok ?
	    "See \"openclaw logs\" for lines of the jailer and \"openclaw "
	    "sandbox profiles\" for what this kernel lacks." :
	    ms > DIAG_SLOW_MS ? "The machine is busy or short of memory; look "
	    "at its load." : NULL);
	if (ok)
		diag_row(s, "jail.workspace", writable ? "ok" : "fail",
		    "Commands can write the workspace", writable ?
		    "yes" : "the workspace is read-only for commands", NULL,
		    writable ? NULL : "Make the workspace folder writable for "
		    "the user that \"openclaw sandbox profiles\" names for "
		    "jobs.");
	dbuf_clear(&text);
	j->call = NULL;
	s->job = NULL;
	tjob_forget(j);
	s->pending--;
	diag_maybe_done(c);
}

static void
diag_job(struct call *c)
{
	static const char	 command[] = "test -w . && echo writable=yes; "
	    "echo uid=$(id -u) kernel=$(uname -r) net=$(ls /sys/class/net "
	    "2>/dev/null | wc -l)";
	struct diag_state	*s = c->state;
	struct job_spec		 spec;
	struct dbuf		 env;
	const char		*why;

	if (!diag_wanted(s, "jail.run") && !diag_wanted(s, "jail.workspace"))
		return;
	dbuf_init(&env, 4096);
	/* As the tool exec would have it, so that this shows what it gets. */
	dbuf_puts(&env, "PATH=/usr/bin:/bin");
	dbuf_putc(&env, '\0');
	memset(&spec, 0, sizeof(spec));
	spec.command = STR_LIT(command);
	spec.name = STR_LIT("diagnose");
	spec.session = str_of(c->session);
	spec.cwd = c->t->workspace;
	spec.env = (struct str){dbuf_str(&env), env.n};
	spec.timeout_s = 10;
	s->job = tjob_start(c->t, &spec, &why);
	dbuf_clear(&env);
	if (s->job == NULL) {
		diag_row(s, "jail.run", "fail", "Commands run in the jail",
		    why, NULL, "See \"openclaw gateway processes\": the jailer "
		    "must be running.");
		return;
	}
	s->job->call = c;
	s->job->call_end = diag_job_ended;
	s->pending++;
}

/* "free=123" of a FILE_STAT text. */
static bool
diag_field(struct str text, const char *name, uint64_t *out)
{
	const char	*p = text.p, *end = text.p + text.n, *sp;
	size_t		 len = strlen(name);

	while (p < end) {
		sp = memchr(p, ' ', end - p);
		if (sp == NULL)
			sp = end;
		if ((size_t)(sp - p) > len && memcmp(p, name, len) == 0 &&
		    p[len] == '=')
			return num_parse_u64((struct str){p + len + 1,
			    (size_t)(sp - p) - len - 1}, UINT64_MAX, out) == 0;
		p = sp + 1;
	}
	return false;
}

static void
diag_disk_row(struct diag_state *s, const char *id, const char *title,
    uint64_t bytes)
{
	char	 detail[64];

	snprintf(detail, sizeof(detail), "%" PRIu64 " MB free", bytes >> 20);
	diag_row(s, id, bytes < DIAG_DISK_WARN ? "warn" : "ok", title, detail,
	    json_pack("{s:I}", "freeBytes", (json_int_t)bytes),
	    bytes < DIAG_DISK_WARN ? "Free some space on that disk; below 500 "
	    "MB long output and large files may be refused." : NULL);
}

static void
diag_stat_cb(void *arg, const struct m_fw_res *res, const char *why)
{
	struct call		*c = arg;
	struct diag_state	*s = c->state;
	uint64_t		 bytes;

	s->op = NULL;
	s->pending--;
	if (res == NULL || res->err != 0)
		diag_row(s, "files.workspace", "fail",
		    "The file worker sees the workspace", res == NULL ? why :
		    fileop_strerror(res->err), NULL, "Check that the folder "
		    "agents.defaults.workspace exists and belongs to the user "
		    "of the gateway.");
	else {
		diag_row(s, "files.workspace", "ok",
		    "The file worker sees the workspace", c->t->workspace,
		    NULL, NULL);
		if (diag_field(res->text, "free", &bytes))
			diag_disk_row(s, "state.disk.workspace",
			    "Disk of the workspace", bytes);
	}
	diag_maybe_done(c);
}

static void
diag_files(struct call *c)
{
	struct diag_state	*s = c->state;
	struct m_fw_op		 op;
	const char		*why;

	memset(&op, 0, sizeof(op));
	op.verb = FILE_STAT;
	op.path = STR_LIT(".");
	if ((s->op = fileop_start(c->t, &op, diag_stat_cb, c, &why)) != NULL)
		s->pending++;
	else
		diag_row(s, "files.workspace", "fail",
		    "The file worker sees the workspace", why, NULL,
		    "See \"openclaw gateway processes\": files must be "
		    "running.");
}

/* What needs no other process. */
static void
diag_local(struct call *c)
{
	struct diag_state	*s = c->state;
	struct toold		*t = c->t;
	struct statvfs		 vfs;
	const struct tool	*tool;
	json_t			*offered = json_array();
	json_t			*removed = json_array();
	char			 detail[256], why[256];
	size_t			 i;

	snprintf(detail, sizeof(detail), "toold %s, messages version %d",
	    GW_VERSION, MSG_PROTOCOL);
	diag_row(s, "gateway.toold", "ok", "Tool monitor", detail, json_pack(
	    "{s:s, s:i, s:s}", "version", GW_VERSION, "protocol",
	    MSG_PROTOCOL, "agentId", t->agent), NULL);
	for (i = 0; i < TOOL_ID_MAX; i++) {
		tool = tools_get(i);
		if (toolpolicy_allows(&t->policy, tool, why, sizeof(why)))
			json_array_append_new(offered,
			    json_string(tool->name));
		else
			json_array_append_new(removed, json_pack("{s:s, s:o}",
			    "tool", tool->name, "by",
			    tresult_string(str_of(why))));
	}
	snprintf(detail, sizeof(detail), "%zu tools offered, %zu taken away",
	    json_array_size(offered), json_array_size(removed));
	diag_row(s, "agents.tools", json_array_size(removed) > 0 ? "info" :
	    "ok", "Tools left after policy", detail, json_pack("{s:o, s:o}",
	    "offered", offered, "removed", removed), NULL);
	snprintf(detail, sizeof(detail), "security %s, ask %s, in the jail, "
	    "without network", toolpolicy_security_name(t->policy.security),
	    toolpolicy_ask_name(t->policy.ask));
	diag_row(s, "exec.mode", t->policy.security == EXEC_DENY ? "info" :
	    "ok",
	    "How commands are judged", detail, json_pack("{s:s, s:s, s:i}",
	    "security", toolpolicy_security_name(t->policy.security), "ask",
	    toolpolicy_ask_name(t->policy.ask), "timeoutSec",
	    (int)t->policy.timeout_s), NULL);
	diag_row(s, "exec.approvals", t->execlist.broken ? "warn" : "ok",
	    "List of allowed programs", t->execlist.broken ? "could not be "
	    "understood; every command is asked about" :
	    t->execlist.exists ? "as set" : "the built-in one", NULL,
	    t->execlist.broken ? "Set a new one with openclaw approvals set, "
	    "or mend " EXECLIST_NAME " and restart this process." : NULL);
	snprintf(detail, sizeof(detail), "%zu running (at most %d), %zu kept "
	    "in all (at most %d)", t->nrunning, TOOLD_RUNNING_MAX, t->njobs,
	    TOOLD_JOBS_MAX);
	diag_row(s, "exec.jobs", t->nrunning >= TOOLD_RUNNING_MAX ? "warn" :
	    "ok", "Commands", detail, json_pack("{s:i, s:i}", "running",
	    (int)t->nrunning, "kept", (int)t->njobs),
	    t->nrunning >= TOOLD_RUNNING_MAX ? "End some with the tool "
	    "process, action kill." : NULL);
	if (t->spool_fd == -1)
		diag_row(s, "state.spool", "warn", "Spool folder",
		    "not there; long output loses its middle", NULL,
		    "Check owner and mode of the folder of this agent below "
		    "the state directory.");
	else if (fstatvfs(t->spool_fd, &vfs) == 0)
		diag_disk_row(s, "state.disk.spool", "Disk of the spool "
		    "folder", (uint64_t)vfs.f_bavail * vfs.f_frsize);
	diag_row(s, "jail.link", t->jailer != NULL ? "ok" : "fail", "Jailer",
	    t->jailer != NULL ? "connected" : "not connected", NULL,
	    t->jailer != NULL ? NULL : "See \"openclaw gateway processes\"; "
	    "it is started again by itself unless it failed too often.");
}

void
tool_diagnose(struct call *c)
{
	struct diag_state	*s;
	bool			 deep;

	if ((s = calloc(1, sizeof(*s))) == NULL) {
		tcall_fail(c, "Out of memory.");
		return;
	}
	s->rows = json_array();
	s->want = json_object_get(c->args, "checks");
	s->started_wall_ms = wall_ms();
	c->state = s;
	c->cleanup = diag_cleanup;
	deep = tools_arg_bool(c->args, "deep", false);
	s->pending = 1;		/* nothing may end the call below */
	diag_local(c);
	if (diag_wanted(s, "files.workspace") ||
	    diag_wanted(s, "state.disk.workspace"))
		diag_files(c);
	if (c->t->no_jobs != NULL)
		diag_row(s, "jail.run", "warn", "Commands run in the jail",
		    c->t->no_jobs, NULL, "Allow user namespaces on this host, "
		    "or start the gateway as root; see openclaw-security(7).");
	else {
		diag_job(c);
		diag_selftest(c, deep);
	}
	s->pending--;
	diag_maybe_done(c);
}
