/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Whole tool calls over real links: this program plays agentd, router, jailer
 * and file worker.  The jailer here has no jail; the real one is tested by
 * tests/e2e.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"
#include "toold/files.h"
#include "toold/toold.h"

#define WAIT_MS		15000

struct child {
	LIST_ENTRY(child)	 entry;
	uint32_t		 job;
	pid_t			 pid;
	bool			 killed;
};

static struct event_base	*base;
static struct toold		 t;
static struct files		 files;
static struct dbuf		 ftext, fdata;
static LIST_HEAD(, child)	 children;
static struct link		*agent, *jailer, *worker, *router;
static struct link		*t_agent, *t_jailer, *t_files, *t_router;
static char			 dir[64], ws[96], spool[96];

/* what agentd heard */
static unsigned int		 accepts, dones, outs;
static uint8_t			 accept_status, done_error;
static char			 done_id[129];
static json_t			*done;
static struct dbuf		 streamed;
static json_t			*listed;
/* what the router heard */
static json_t			*rpc;
static char			 rpc_message[256];
/* how the jailer behaves */
static bool			 mute;		/* says nothing about jobs */
static bool			 drained;
static const char		*selftest_report = "ok a\nok b\n";
static enum msg_err		 violation;

/* --- the fakes ----------------------------------------------------------- */

static enum msg_err
agent_message(struct link *l, struct msg *m, void *arg)
{
	struct m_tl_accept	 a;
	struct m_tl_out		 o;
	struct m_tl_done	 d;
	struct m_tl_list_res	 r;

	(void)l;
	(void)arg;
	switch (m->h.type) {
	case MSG_TL_ACCEPT:
		assert_int_equal(get_tl_accept(m, &a), MSG_OK);
		accepts++;
		accept_status = a.status;
		break;
	case MSG_TL_OUT:
		assert_int_equal(get_tl_out(m, &o), MSG_OK);
		outs++;
		dbuf_put(&streamed, o.bytes.p, o.bytes.n);
		break;
	case MSG_TL_DONE:
		assert_int_equal(get_tl_done(m, &d), MSG_OK);
		dones++;
		done_error = d.is_error;
		str_copy(d.call_id, done_id, sizeof(done_id));
		json_decref(done);
		done = json_loadb(d.result.p, d.result.n, 0, NULL);
		assert_non_null(done);
		break;
	case MSG_TL_LIST_RES:
		assert_int_equal(get_tl_list_res(m, &r), MSG_OK);
		json_decref(listed);
		listed = json_loadb(r.tools.p, r.tools.n, 0, NULL);
		break;
	default:
		fail();
	}
	return MSG_OK;
}

static void
child_spawn(const struct m_jl_spawn *s, struct msg *m)
{
	struct child	*c = calloc(1, sizeof(*c));
	struct m_jl_started started = {.job = s->job};
	char		*argv[16], *envp[64], cwd[2048];
	const char	*p;
	size_t		 n = 0, e = 0;
	int		 i;

	assert_non_null(c);
	for (p = s->argv.p; p < s->argv.p + s->argv.n && n < 15;
	    p += strlen(p) + 1)
		argv[n++] = (char *)(uintptr_t)p;
	argv[n] = NULL;
	for (p = s->env.p; p < s->env.p + s->env.n && e < 63;
	    p += strlen(p) + 1)
		envp[e++] = (char *)(uintptr_t)p;
	envp[e] = NULL;
	str_copy(s->cwd, cwd, sizeof(cwd));
	assert_int_equal(m->nfds, 3);
	c->job = s->job;
	if ((c->pid = fork()) == 0) {
		signal(SIGPIPE, SIG_DFL);
		if (s->pty)
			setsid();
		else
			setpgid(0, 0);
		for (i = 0; i < 3; i++)
			dup2(m->fds[i], i);
		closefrom(3);
		if (chdir(cwd) == -1)
			_exit(126);
		execve(argv[0], argv, envp);
		_exit(127);
	}
	started.pid = (uint32_t)c->pid;
	LIST_INSERT_HEAD(&children, c, entry);
	if (!mute)
		send_jl_started(jailer, &started, 0, MSG_F_REPLY);
}

static enum msg_err
jailer_message(struct link *l, struct msg *m, void *arg)
{
	struct m_jl_spawn	 s;
	struct m_jl_kill	 k;
	struct m_jl_selftest_res res = {.tried = 2};
	struct child		*c;

	(void)arg;
	switch (m->h.type) {
	case MSG_JL_SPAWN:
		assert_int_equal(get_jl_spawn(m, &s), MSG_OK);
		child_spawn(&s, m);
		break;
	case MSG_JL_KILL:
		assert_int_equal(get_jl_kill(m, &k), MSG_OK);
		LIST_FOREACH(c, &children, entry)
			if (c->job == k.job) {
				c->killed = k.signal == SIGKILL;
				kill(-c->pid, k.signal);
				kill(c->pid, k.signal);
			}
		break;
	case MSG_JL_SELFTEST:
		res.report = str_of(selftest_report);
		send_jl_selftest_res(l, &res, m->h.corr, MSG_F_REPLY);
		break;
	default:
		fail();
	}
	return MSG_OK;
}

/* Reaps, as SIGCHLD would have it. */
static void
reap(void)
{
	struct m_jl_exit	 x;
	struct child		*c, *next;
	int			 st;

	for (c = LIST_FIRST(&children); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		if (waitpid(c->pid, &st, WNOHANG) != c->pid)
			continue;
		kill(-c->pid, SIGKILL);	/* as the end of a pid namespace */
		memset(&x, 0, sizeof(x));
		x.job = c->job;
		x.how = c->killed ? JOB_KILLED : WIFEXITED(st) ? JOB_EXITED :
		    JOB_SIGNALED;
		x.code = WIFEXITED(st) ? WEXITSTATUS(st) : WTERMSIG(st);
		LIST_REMOVE(c, entry);
		free(c);
		if (jailer != NULL && !mute)
			send_jl_exit(jailer, &x, 0, 0);
	}
}

static enum msg_err
worker_message(struct link *l, struct msg *m, void *arg)
{
	struct m_fw_op	 op;
	struct m_fw_res	 res;

	(void)arg;
	assert_int_equal(get_fw_op(m, &op), MSG_OK);
	dbuf_reset(&ftext);
	dbuf_reset(&fdata);
	files_run(&files, &op, &res, &ftext, &fdata);
	assert_int_equal(send_fw_res(l, &res, m->h.corr, MSG_F_REPLY), 0);
	return MSG_OK;
}

static enum msg_err
router_message(struct link *l, struct msg *m, void *arg)
{
	struct m_rpc_res	 r;

	(void)l;
	(void)arg;
	assert_int_equal(get_rpc_res(m, &r), MSG_OK);
	json_decref(rpc);
	rpc = r.ok ? json_loadb(r.result.p, r.result.n, 0, NULL) : NULL;
	str_copy(r.message, rpc_message, sizeof(rpc_message));
	return MSG_OK;
}

static enum msg_err
toold_side(struct link *l, struct msg *m, void *arg)
{
	(void)arg;
	return toold_message(&t, l, m);
}

static void
toold_side_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)type;
	(void)arg;
	violation = why;
	toold_peer_gone(&t, l);
}

static void
fake_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)l;
	(void)why;
	(void)type;
	*(struct link **)arg = NULL;
}

static const struct link_ops ops_toold = { toold_side, toold_side_gone, NULL };
static const struct link_ops ops_agent = { agent_message, fake_gone, NULL };
static const struct link_ops ops_jailer = { jailer_message, fake_gone, NULL };
static const struct link_ops ops_worker = { worker_message, fake_gone, NULL };
static const struct link_ops ops_router = { router_message, fake_gone, NULL };

static struct link *
join(enum role role, const struct link_ops *ops, struct link **fake)
{
	struct link	*l;
	int		 sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    sv), 0);
	*fake = link_new(base, sv[0], role, ROLE_TOOL, "main", 1, ops, fake);
	l = link_new(base, sv[1], ROLE_TOOL, role, "main", 2, &ops_toold,
	    NULL);
	assert_non_null(*fake);
	assert_non_null(l);
	link_setstate(*fake, LINK_RUN);
	link_setstate(l, LINK_RUN);
	toold_peer(&t, l);
	return l;
}

/* --- the harness --------------------------------------------------------- */

/* Until the condition holds. */
#define UNTIL(cond) do {						\
	uint64_t end_ = mono_ms() + WAIT_MS;				\
	while (!(cond)) {						\
		assert_true(mono_ms() < end_);				\
		turn();							\
	}								\
} while (0)

static void
turn(void)
{
	struct timeval	 tv = {0, 2000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
	reap();
}

static void
start(const char *config)
{
	struct parcel_writer	*w = parcel_writer_new();
	struct parcel		*p;
	char			 why[256];

	memset(&t, 0, sizeof(t));
	t.base = base;
	parcel_puts(w, "main", "agent.id");
	parcel_puts(w, ws, "workspace");
	parcel_puts(w, spool, "spool.dir");
	parcel_puts(w, "UTC", "tz");
	parcel_puts(w, config, "json.tools");
	p = parcel_open(parcel_writer_seal(w));
	assert_non_null(p);
	assert_int_equal(toold_configure(&t, p, false, why, sizeof(why)), 0);
	parcel_close(p);
	assert_int_equal(toold_open(&t), 0);
	t_agent = join(ROLE_AGENT, &ops_agent, &agent);
	t_jailer = join(ROLE_JAILER, &ops_jailer, &jailer);
	t_files = join(ROLE_FILES, &ops_worker, &worker);
	t_router = join(ROLE_ROUTER, &ops_router, &router);
	accepts = dones = outs = 0;
	dbuf_reset(&streamed);
	violation = MSG_OK;
	mute = drained = false;
}

static void
stop(void)
{
	struct child	*c;

	toold_close(&t);
	while ((c = LIST_FIRST(&children)) != NULL) {
		kill(-c->pid, SIGKILL);
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		LIST_REMOVE(c, entry);
		free(c);
	}
	if (agent != NULL)
		link_free(agent);
	if (jailer != NULL)
		link_free(jailer);
	if (worker != NULL)
		link_free(worker);
	if (router != NULL)
		link_free(router);
	agent = jailer = worker = router = NULL;
	turn();
	turn();
}

static void
send_call(const char *id, const char *tool, const char *session,
    const char *args)
{
	struct m_tl_call	 c;

	memset(&c, 0, sizeof(c));
	c.call_id = str_of(id);
	c.tool = str_of(tool);
	c.run_id = STR_LIT("run");
	c.session_key = str_of(session);
	c.args = str_of(args);
	assert_int_equal(send_tl_call(agent, &c, link_corr(), 0), 0);
}

/* The text of the result. */
static const char *
call(const char *tool, const char *args)
{
	static unsigned int	 n;
	unsigned int		 before = dones;
	char			 id[32];
	const char		*s;

	snprintf(id, sizeof(id), "c%u", ++n);
	send_call(id, tool, "agent:main:main", args);
	UNTIL(dones > before);
	assert_string_equal(done_id, id);
	s = json_string_value(json_object_get(json_array_get(
	    json_object_get(done, "content"), 0), "text"));
	assert_non_null(s);
	assert_int_equal(json_is_true(json_object_get(done, "isError")),
	    done_error);
	return s;
}

static void
cancel(const char *id)
{
	struct m_tl_cancel	 c;

	memset(&c, 0, sizeof(c));
	c.call_id = str_of(id);
	assert_int_equal(send_tl_cancel(agent, &c, link_corr(), 0), 0);
}

static const char *
detail(const char *name)
{
	const char *s = json_string_value(json_object_get(json_object_get(done,
	    "details"), name));

	return s == NULL ? "" : s;
}

#define HAS(text, part) do {						\
	const char *t_ = (text);					\
	if (strstr(t_, part) == NULL)					\
		print_message("got: %s\n", t_);				\
	assert_non_null(strstr(t_, part));				\
} while (0)

/* Entries of the spool folder. */
static unsigned int
spooled(void)
{
	struct files	 f;
	struct m_fw_op	 op;
	struct m_fw_res	 res;

	memset(&op, 0, sizeof(op));
	op.verb = FILE_LIST;
	op.path = STR_LIT(".");
	op.limit = 100;
	assert_int_equal(files_open(&f, spool), 0);
	dbuf_reset(&ftext);
	dbuf_reset(&fdata);
	files_run(&f, &op, &res, &ftext, &fdata);
	files_close(&f);
	assert_int_equal(res.err, 0);
	return (unsigned int)res.total;
}

/* --- tests --------------------------------------------------------------- */

static void
test_file_tools(void **state)
{
	const char	*s;

	(void)state;
	start("");
	s = call("write", "{\"path\":\"notes/a.md\",\"content\":\"one\\ntwo\\n"
	    "three\\n\"}");
	assert_string_equal(s, "Wrote 14 bytes to notes/a.md (new file).");
	assert_int_equal(done_error, 0);
	assert_int_equal(accept_status, TOOL_RUNNING);
	assert_string_equal(call("read", "{\"path\":\"notes/a.md\"}"),
	    "one\ntwo\nthree\n");
	HAS(call("read", "{\"path\":\"notes/a.md\",\"offset\":2,\"limit\":1}"),
	    "two\n\n[Lines 2-2 of 3. Go on with offset=3.]");
	HAS(call("read", "{\"path\":\"notes/a.md\",\"offset\":9}"),
	    "offset 9 is past the end: notes/a.md has 3 lines.");
	assert_int_equal(done_error, 1);
	HAS(call("edit", "{\"path\":\"notes/a.md\",\"oldText\":\"two\","
	    "\"newText\":\"2\"}"), "Edited notes/a.md: 1 replacement, first "
	    "changed line 2.");
	assert_string_equal(detail("diff"),
	    "@@ -1 +1 @@\n one\n-two\n+2\n three\n");
	HAS(call("edit", "{\"path\":\"notes/a.md\",\"oldText\":\"nope\","
	    "\"newText\":\"2\"}"), "Could not find oldText in notes/a.md");
	assert_string_equal(call("read", "{\"path\":\"notes/a.md\"}"),
	    "one\n2\nthree\n");
	HAS(call("ls", "{}"), "notes/\n");
	HAS(call("ls", "{\"path\":\"nowhere\"}"),
	    "Could not list nowhere: no such file or folder.");
	HAS(call("read", "{\"path\":\"/etc/passwd\"}"),
	    "outside the workspace");
	HAS(call("read", "{\"path\":\"~/x\"}"), "not expanded");
	HAS(call("read", "{\"path\":\"a\",\"wat\":1}"),
	    "Note: read has no parameter \"wat\"; it was ignored.\n");
	HAS(call("read", "{}"), "  - path: is missing\n");
	assert_int_equal(accept_status, TOOL_DENIED);
	HAS(call("nosuch", "{}"), "Tool nosuch not found");
	stop();
}

static void
test_large_and_odd_files(void **state)
{
	char	 path[256];
	size_t	 i;
	FILE	*f;

	(void)state;
	start("");
	snprintf(path, sizeof(path), "%s/long.txt", ws);
	f = fopen(path, "w");
	for (i = 1; i <= 200000; i++)
		fprintf(f, "line number %zu\n", i);
	fclose(f);
	HAS(call("read", "{\"path\":\"long.txt\"}"), "[Lines 1-2000 of 200000,"
	    " the limit of 2000 lines was reached. Go on with offset=2001.]");
	HAS(call("read", "{\"path\":\"long.txt\",\"offset\":199999}"),
	    "line number 199999\nline number 200000\n\n"
	    "[Lines 199999-200000 of 200000; this is the end.]");
	snprintf(path, sizeof(path), "%s/bin", ws);
	f = fopen(path, "w");
	fwrite("\x7f" "ELF\0\0\0\0", 1, 8, f);
	fclose(f);
	HAS(call("read", "{\"path\":\"bin\"}"),
	    "bin is a binary file (8 bytes, ELF program)");
	snprintf(path, sizeof(path), "%s/i.png", ws);
	f = fopen(path, "w");
	fwrite("\x89PNG\r\n\x1a\n\0\0", 1, 10, f);
	fclose(f);
	HAS(call("read", "{\"path\":\"i.png\"}"), "Image of type image/png");
	assert_string_equal(json_string_value(json_object_get(json_array_get(
	    json_object_get(done, "content"), 1), "data")),
	    "iVBORw0KGgoAAA==");
	snprintf(path, sizeof(path), "%s/empty", ws);
	f = fopen(path, "w");
	fclose(f);
	assert_string_equal(call("read", "{\"path\":\"empty\"}"),
	    "(the file is empty)");
	stop();
}

static void
test_exec(void **state)
{
	char	 want[128];

	(void)state;
	start("");
	snprintf(want, sizeof(want), "hi\n%s\n", ws);
	assert_string_equal(call("exec", "{\"command\":\"echo hi; pwd\"}"),
	    want);
	assert_string_equal(detail("status"), "completed");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    done, "details"), "exitCode")), 0);
	assert_true(outs > 0);
	HAS(dbuf_str(&streamed), "hi\n");
	assert_string_equal(call("exec", "{\"command\":\"true\"}"),
	    "(no output)");
	assert_string_equal(call("exec", "{\"command\":\"echo out; echo err "
	    ">&2; exit 3\"}") + 8, "\nThe command exited with code 3.");
	assert_int_equal(done_error, 1);
	assert_string_equal(detail("status"), "failed");
	HAS(call("exec", "{\"command\":\"kill -9 $$\"}"),
	    "The command was ended by signal 9");
	/* input is at its end */
	assert_string_equal(call("exec", "{\"command\":\"cat; echo done\"}"),
	    "done\n");
	/* one argument, whatever it holds */
	HAS(call("exec", "{\"command\":\"-c 'echo x'; echo \\\"a'b\\\"\"}"),
	    "-c: not found\na'b\n");
	HAS(call("exec", "{\"command\":\"x\",\"workdir\":\"../..\"}"),
	    "workdir: the path is outside the workspace.");
	HAS(call("exec", "{\"command\":\"x\",\"env\":{\"LD_PRELOAD\":\"x\"}}"),
	    "env: LD_PRELOAD may not be set by a call.");
	assert_int_equal(t.njobs, 0);	/* nothing is remembered */
	stop();
}

static void
test_T20_environment(void **state)
{
	const char	*s;

	(void)state;
	setenv("TOOLD_TEST_CANARY", "leak", 1);
	start("{\"exec\":{\"pathPrepend\":[\"/opt/x\"]}}");
	s = call("exec", "{\"command\":\"env\",\"env\":{\"FOO\":\"a b\"}}");
	assert_null(strstr(s, "CANARY"));
	HAS(s, "FOO=a b\n");
	HAS(s, "PATH=/opt/x:/usr/local/bin:/usr/bin:/bin");
	HAS(s, "HOME=/tmp\n");
	HAS(s, "OPENCLAW_SHELL=exec\n");
	HAS(s, "TZ=UTC\n");
	stop();
}

static void
test_exec_long_output(void **state)
{
	const char	*s, *id;
	char		 args[128], sid[32];

	(void)state;
	start("{\"exec\":{\"maxOutputChars\":2000}}");
	s = call("exec", "{\"command\":\"seq 1 20000\"}");
	HAS(s, "1\n2\n3\n");
	HAS(s, "characters left out; process log with sessionId ");
	HAS(s, "\n19999\n20000\n");
	assert_true(strlen(s) < 2500);
	id = detail("sessionId");
	assert_int_equal(strlen(id), 8);
	strlcpy(sid, id, sizeof(sid));
	assert_int_equal(spooled(), 1);
	snprintf(args, sizeof(args), "{\"action\":\"log\",\"sessionId\":\"%s\""
	    ",\"offset\":10000,\"limit\":3}", sid);
	HAS(call("process", args), "10000\n10001\n10002\n"
	    "[lines 10000-10002 of 20000]\n[the command exited with code 0]");
	snprintf(args, sizeof(args), "{\"action\":\"remove\",\"sessionId\":"
	    "\"%s\"}", sid);
	HAS(call("process", args), "Forgot");
	assert_int_equal(spooled(), 0);
	assert_int_equal(t.njobs, 0);
	/* control bytes do not come through */
	assert_string_equal(call("exec", "{\"command\":\"printf "
	    "'\\\\033[31mred\\\\033[0m\\\\000\\\\377x'\"}"),
	    "red\xef\xbf\xbdx");
	stop();
}

static void
test_background(void **state)
{
	char	 args[256], sid[32];

	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"while read x; do echo got $x; done; "
	    "echo bye\",\"background\":true,\"title\":\"reader\"}"),
	    "still running");
	assert_string_equal(detail("status"), "running");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	HAS(call("process", "{\"action\":\"list\"}"), "reader");
	snprintf(args, sizeof(args), "{\"action\":\"write\",\"sessionId\":"
	    "\"%s\",\"data\":\"abc\\n\"}", sid);
	HAS(call("process", args), "Wrote 4 bytes");
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\",\"timeout\":10000}", sid);
	HAS(call("process", args), "got abc\n[still running");
	snprintf(args, sizeof(args), "{\"action\":\"write\",\"sessionId\":"
	    "\"%s\",\"data\":\"x\",\"eof\":true}", sid);
	HAS(call("process", args), "ended its input");
	UNTIL(t.nrunning == 0);
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\"}", sid);
	HAS(call("process", args), "bye\n[the command exited with code 0]");
	HAS(call("process", args), "(no new output)");
	snprintf(args, sizeof(args), "{\"action\":\"write\",\"sessionId\":"
	    "\"%s\",\"data\":\"x\"}", sid);
	HAS(call("process", args), "has ended; it takes no input");
	HAS(call("process", "{\"action\":\"clear\"}"),
	    "Forgot 1 finished command.");
	HAS(call("process", args), "There is no command");
	/* one that takes longer than the call wants to wait */
	HAS(call("exec", "{\"command\":\"echo a; sleep 60\",\"yieldMs\":100}"),
	    "Output so far:\na\n");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	snprintf(args, sizeof(args), "{\"action\":\"kill\",\"sessionId\":"
	    "\"%s\"}", sid);
	HAS(call("process", args), "Ended");
	UNTIL(t.nrunning == 0);
	assert_true(LIST_EMPTY(&children));
	stop();
}

static void
test_T38_credentials_are_masked(void **state)
{
	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"echo MY_API_KEY=abcdef; printf tail"
	    "\"}"), "MY_API_KEY=[redacted]\ntail");
	assert_null(strstr(detail("aggregated"), "abcdef"));
	assert_null(strstr(dbuf_str(&streamed), "abcdef"));
	HAS(dbuf_str(&streamed), "MY_API_KEY=[redacted]\n");
	call("write", "{\"path\":\"env\",\"content\":\"DB_PASSWORD=hunter22\\n"
	    "\"}");
	HAS(call("read", "{\"path\":\"env\"}"), "DB_PASSWORD=[redacted]\n");
	call("edit", "{\"path\":\"env\",\"oldText\":\"DB_\",\"newText\":"
	    "\"X_\"}");
	assert_int_equal(done_error, 0);
	assert_null(strstr(detail("diff"), "hunter22"));
	stop();
}

static void
test_sessions_are_apart(void **state)
{
	unsigned int	 before;
	char		 args[256], sid[32];

	(void)state;
	start("");
	call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	before = dones;
	send_call("other", "process", "agent:main:other",
	    "{\"action\":\"list\"}");
	UNTIL(dones > before);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "No commands");
	snprintf(args, sizeof(args), "{\"action\":\"kill\",\"sessionId\":"
	    "\"%s\"}", sid);
	before = dones;
	send_call("other2", "process", "agent:main:other", args);
	UNTIL(dones > before);
	assert_int_equal(done_error, 1);
	assert_int_equal(t.nrunning, 1);
	call("process", args);
	UNTIL(t.nrunning == 0);
	stop();
}

static void
test_timeout(void **state)
{
	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"echo a; sleep 60\","
	    "\"timeoutSeconds\":1}"),
	    "a\n\nThe command timed out after 1 s and was ended.");
	assert_int_equal(done_error, 1);
	assert_int_equal(t.njobs, 0);
	assert_true(LIST_EMPTY(&children));
	stop();
}

static void
test_abort(void **state)
{
	uint64_t	 at;

	(void)state;
	start("");
	/* one that does not listen to TERM */
	send_call("a1", "exec", "s",
	    "{\"command\":\"trap '' TERM; echo up; while :; do sleep 1; "
	    "done\"}");
	UNTIL(outs > 0);
	at = mono_ms();
	cancel("a1");
	cancel("a1");
	cancel("never-was");
	UNTIL(dones == 1);
	assert_true(mono_ms() - at < 5000);
	assert_int_equal(done_error, 1);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "was aborted");
	UNTIL(t.njobs == 0);
	assert_true(LIST_EMPTY(&children));
	/* a background command outlives the abort of a later call */
	call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	send_call("a2", "exec", "s", "{\"command\":\"sleep 60\"}");
	UNTIL(t.nrunning == 2);
	cancel("a2");
	UNTIL(t.nrunning == 1);
	stop();
}

static void
test_terminal(void **state)
{
	char	 args[256], sid[32];

	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"test -t 0 && test -t 1 && stty size; "
	    "echo $TERM\",\"pty\":true}"), "30 120\nxterm-256color\n");
	call("exec", "{\"command\":\"cat\",\"pty\":true,\"background\":true}");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	snprintf(args, sizeof(args), "{\"action\":\"send-keys\",\"sessionId\":"
	    "\"%s\",\"literal\":\"abc\",\"keys\":[\"Enter\"]}", sid);
	HAS(call("process", args), "Wrote 4 bytes");
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\",\"timeout\":5000}", sid);
	HAS(call("process", args), "abc\n");
	snprintf(args, sizeof(args), "{\"action\":\"send-keys\",\"sessionId\":"
	    "\"%s\",\"keys\":\"C-d\"}", sid);
	call("process", args);
	UNTIL(t.nrunning == 0);
	snprintf(args, sizeof(args), "{\"action\":\"send-keys\",\"sessionId\":"
	    "\"%s\",\"keys\":\"Hyper-Q\"}", sid);
	HAS(call("process", args), "there is no key");
	stop();
}

static void
test_policy(void **state)
{
	struct m_tl_list	 l = {0};
	size_t			 i;
	json_t			*v;

	(void)state;
	start("{\"deny\":[\"group:runtime\"]}");
	HAS(call("exec", "{\"command\":\"echo hi\"}"), "Denied: the tool exec "
	    "is not allowed here: tools.deny has \"group:runtime\".");
	assert_int_equal(accept_status, TOOL_DENIED);
	assert_int_equal(done_error, 1);
	send_tl_list(agent, &l, link_corr(), 0);
	UNTIL(listed != NULL);
	json_array_foreach(listed, i, v) {
		assert_string_not_equal(json_string_value(json_object_get(v,
		    "name")), "exec");
		assert_non_null(json_object_get(v, "parameters"));
	}
	assert_int_equal(json_array_size(listed), 5);
	stop();
	start("{\"exec\":{\"ask\":\"always\"}}");
	HAS(call("exec", "{\"command\":\"echo hi\"}"), "operator's approval");
	assert_int_equal(t.njobs, 0);
	stop();
	start("{\"exec\":{\"security\":\"deny\"}}");
	HAS(call("exec", "{\"command\":\"echo hi\"}"), "switched off");
	stop();
	start("{\"deny\":[\"process\"]}");
	/* nobody could look after it, so it is waited for */
	assert_string_equal(call("exec", "{\"command\":\"sleep 0.2; echo x\","
	    "\"background\":true,\"yieldMs\":10}"), "x\n");
	stop();
}

static void
test_reload(void **state)
{
	struct parcel_writer	*w = parcel_writer_new();
	struct parcel		*p;
	char			 why[256];

	(void)state;
	start("");
	parcel_puts(w, ws, "workspace");
	parcel_puts(w, "{\"deny\":[\"ls\"]}", "json.tools");
	p = parcel_open(parcel_writer_seal(w));
	assert_int_equal(toold_configure(&t, p, true, why, sizeof(why)), 0);
	call("ls", "{}");
	assert_int_equal(done_error, 0);	/* not before commit */
	json_decref(listed);
	listed = NULL;
	toold_commit(&t);
	UNTIL(listed != NULL);		/* told without having asked */
	assert_int_equal(json_array_size(listed), TOOL_ID_MAX - 1);
	call("ls", "{}");
	assert_int_equal(done_error, 1);
	parcel_close(p);
	w = parcel_writer_new();
	parcel_puts(w, "/elsewhere", "workspace");
	p = parcel_open(parcel_writer_seal(w));
	assert_int_equal(toold_configure(&t, p, true, why, sizeof(why)), -1);
	parcel_close(p);
	stop();
}

static void
test_R10_jailer_dies(void **state)
{
	const char	*s;

	(void)state;
	start("");
	send_call("j1", "exec", "s", "{\"command\":\"sleep 60\"}");
	UNTIL(!LIST_EMPTY(&children));
	link_free(jailer);
	jailer = NULL;
	UNTIL(dones == 1);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "the jail was restarted");
	s = call("exec", "{\"command\":\"true\"}");
	HAS(s, "the jail is not running");
	HAS(call("write", "{\"path\":\"w\",\"content\":\"x\"}"), "Wrote");
	/* and comes back */
	t_jailer = join(ROLE_JAILER, &ops_jailer, &jailer);
	assert_string_equal(call("exec", "{\"command\":\"echo again\"}"),
	    "again\n");
	assert_int_equal(t.nrunning, 0);
	stop();
}

static void
test_R10_agent_dies(void **state)
{
	(void)state;
	start("");
	send_call("x1", "exec", "s", "{\"command\":\"sleep 60\"}");
	call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	UNTIL(t.nrunning == 2);
	link_free(agent);
	agent = NULL;
	/* what it waited for ends, what it left running goes on */
	UNTIL(t.nrunning == 1 && t.ncalls == 0);
	t_agent = join(ROLE_AGENT, &ops_agent, &agent);
	HAS(call("process", "{\"action\":\"list\"}"), "running");
	stop();
}

static void
test_files_die(void **state)
{
	(void)state;
	start("");
	link_free(worker);
	worker = NULL;
	UNTIL(t.files == NULL);
	HAS(call("read", "{\"path\":\"a\"}"), "the file worker is not running");
	t_files = join(ROLE_FILES, &ops_worker, &worker);
	call("ls", "{}");
	assert_int_equal(done_error, 0);
	stop();
}

static void
drained_cb(void)
{
	drained = true;
}

static void
test_R10_drain(void **state)
{
	(void)state;
	start("");
	call("exec", "{\"command\":\"trap '' TERM; sleep 60; sleep 60\","
	    "\"background\":true}");
	send_call("d1", "exec", "s", "{\"command\":\"sleep 60\"}");
	UNTIL(t.nrunning == 2);
	toold_drain(&t, drained_cb);
	UNTIL(drained);
	assert_int_equal(t.nrunning, 0);
	assert_int_equal(t.ncalls, 0);
	assert_true(LIST_EMPTY(&children));
	HAS(call("ls", "{}"), "being shut down");
	stop();
}

static void
test_limits(void **state)
{
	char	 id[16];
	int	 i;

	(void)state;
	start("");
	for (i = 0; i < TOOLD_RUNNING_MAX; i++)
		call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	HAS(call("exec", "{\"command\":\"true\"}"), "too many commands");
	assert_int_equal(t.nrunning, TOOLD_RUNNING_MAX);
	stop();
	start("");
	/* finished ones make room for new ones */
	for (i = 0; i < TOOLD_JOBS_MAX + 5; i++)
		call("exec", "{\"command\":\"true\",\"background\":true,"
		    "\"title\":\"t\"}");
	assert_true(t.njobs <= TOOLD_JOBS_MAX);
	stop();
	start("");
	/* more calls at once than are taken; each has one answer */
	for (i = 0; i < TOOLD_CALLS_MAX + 10; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		send_call(id, "read", "s", "{\"path\":\"none\"}");
	}
	UNTIL(dones == TOOLD_CALLS_MAX + 10);
	assert_int_equal(accepts, TOOLD_CALLS_MAX + 10);
	assert_int_equal(t.ncalls, 0);
	stop();
}

static void
test_same_id_twice(void **state)
{
	(void)state;
	start("");
	send_call("same", "exec", "s", "{\"command\":\"sleep 0.3; echo one\"}");
	send_call("same", "read", "s", "{\"path\":\"x\"}");
	UNTIL(dones == 2);
	assert_int_equal(accepts, 2);
	assert_int_equal(t.ncalls, 0);
	stop();
}

static void
test_hostile_jailer(void **state)
{
	struct m_jl_exit	 x = {.job = 4711};
	struct m_jl_started	 s = {.job = 4711, .pid = 1};

	(void)state;
	start("");
	send_jl_exit(jailer, &x, 0, 0);
	UNTIL(violation != MSG_OK);
	assert_int_equal(violation, MSG_MEANING);
	stop();
	start("");
	send_jl_started(jailer, &s, 0, 0);
	UNTIL(violation != MSG_OK);
	stop();
	/* one that says nothing at all */
	start("");
	mute = true;
	send_call("m", "exec", "s", "{\"command\":\"sleep 1\"}");
	UNTIL(!LIST_EMPTY(&children));
	cancel("m");
	UNTIL(dones == 1);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "aborted");
	UNTIL(t.nrunning == 0);
	stop();
}

static json_t *
row(const char *id)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(json_object_get(json_object_get(done, "details"),
	    "results"), i, v)
		if (strcmp(json_string_value(json_object_get(v, "id")), id) ==
		    0)
			return v;
	return NULL;
}

static const char *
level(const char *id)
{
	const char *s = json_string_value(json_object_get(row(id), "level"));

	return s == NULL ? "missing" : s;
}

static void
test_diagnose(void **state)
{
	json_t		*v;
	const char	*l;
	size_t		 i;

	(void)state;
	start("{\"deny\":[\"ls\"]}");
	call("diagnose", "{\"deep\":true}");
	assert_true(json_is_true(json_object_get(json_object_get(done,
	    "details"), "ok")));
	assert_string_equal(level("jail.run"), "ok");
	assert_string_equal(level("jail.workspace"), "ok");
	assert_string_equal(level("jail.selftest"), "ok");
	assert_string_equal(level("files.workspace"), "ok");
	assert_string_not_equal(level("state.disk.workspace"), "missing");
	assert_string_equal(level("agents.tools"), "info");
	call("diagnose", "{\"checks\":[\"jail\"]}");
	assert_null(row("files.workspace"));
	assert_non_null(row("jail.run"));
	stop();
	start("");
	link_free(jailer);
	link_free(worker);
	jailer = worker = NULL;
	UNTIL(t.jailer == NULL && t.files == NULL);
	call("diagnose", "{}");
	assert_false(json_is_true(json_object_get(json_object_get(done,
	    "details"), "ok")));
	assert_string_equal(level("jail.run"), "fail");
	assert_string_equal(level("files.workspace"), "fail");
	json_array_foreach(json_object_get(json_object_get(done, "details"),
	    "results"), i, v) {
		l = json_string_value(json_object_get(v, "level"));
		if (strcmp(l, "warn") == 0 || strcmp(l, "fail") == 0)
			assert_true(json_array_size(json_object_get(v,
			    "fixes")) > 0);
	}
	stop();
}

static void
test_selftest_rpc(void **state)
{
	struct m_rpc_req	 q;

	(void)state;
	start("");
	memset(&q, 0, sizeof(q));
	q.method = STR_LIT("sandbox.selftest");
	q.scopes = SCOPE_ADMIN;
	q.params = STR_LIT("{}");
	send_rpc_req(router, &q, link_corr(), 0);
	UNTIL(rpc != NULL);
	assert_true(json_is_true(json_object_get(rpc, "ok")));
	assert_int_equal(json_array_size(json_object_get(rpc, "lines")), 2);
	q.scopes = SCOPE_READ;
	rpc_message[0] = '\0';
	send_rpc_req(router, &q, link_corr(), 0);
	UNTIL(rpc_message[0] != '\0');
	HAS(rpc_message, "missing scope");
	q.method = STR_LIT("config.get");
	rpc_message[0] = '\0';
	send_rpc_req(router, &q, link_corr(), 0);
	UNTIL(rpc_message[0] != '\0');
	HAS(rpc_message, "unknown method");
	stop();
}

static int
group_setup(void **state)
{
	(void)state;
	log_setlevel(LOG_LEVEL_FATAL);
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	strlcpy(dir, "/tmp/toold-calls-XXXXXX", sizeof(dir));
	if (base == NULL || mkdtemp(dir) == NULL)
		return -1;
	snprintf(ws, sizeof(ws), "%s/ws", dir);
	snprintf(spool, sizeof(spool), "%s/spool", dir);
	if (mkdir(ws, 0755) == -1 || mkdir(spool, 0700) == -1)
		return -1;
	dbuf_init(&ftext, 4096);
	dbuf_init(&fdata, FILES_DATA_MAX + 1);
	dbuf_init(&streamed, 4 << 20);
	return files_open(&files, ws);
}

static int
group_teardown(void **state)
{
	pid_t	 pid;

	(void)state;
	files_close(&files);
	dbuf_clear(&ftext);
	dbuf_clear(&fdata);
	dbuf_clear(&streamed);
	json_decref(done);
	json_decref(listed);
	json_decref(rpc);
	event_base_free(base);
	if ((pid = fork()) == 0) {
		execl("/bin/rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_tools),
		cmocka_unit_test(test_large_and_odd_files),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_T20_environment),
		cmocka_unit_test(test_exec_long_output),
		cmocka_unit_test(test_background),
		cmocka_unit_test(test_T38_credentials_are_masked),
		cmocka_unit_test(test_sessions_are_apart),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_R10_jailer_dies),
		cmocka_unit_test(test_R10_agent_dies),
		cmocka_unit_test(test_files_die),
		cmocka_unit_test(test_R10_drain),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_same_id_twice),
		cmocka_unit_test(test_hostile_jailer),
		cmocka_unit_test(test_diagnose),
		cmocka_unit_test(test_selftest_rpc),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
