/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See toold_rig.h. */
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

#include "tests/unit/toold_rig.h"

struct toold		 t;
struct children		 children;
char			 ws[96];
struct link		*agent, *jailer, *worker, *router;
unsigned int		 accepts, dones, outs;
uint8_t			 accept_status, done_error;
json_t			*done, *listed;
struct dbuf		 streamed;
json_t			*rpc;
char			 rpc_message[256];
unsigned int		 asked, expired, rpcs;
uint8_t			 expired_how;
struct asked_question	 question;
enum msg_err		 violation;
bool			 mute;

static struct event_base	*base;
static struct files		 files;
static struct dbuf		 ftext, fdata;
static char			 dir[64], spool[96];
static char			 done_id[129];

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
		res.report = STR_LIT("ok a\nok b\n");
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
	struct m_ap_expire	 e;
	struct m_ap_req		 q;
	struct m_rpc_res	 r;

	(void)l;
	(void)arg;
	if (m->h.type == MSG_AP_REQ) {
		assert_int_equal(get_ap_req(m, &q), MSG_OK);
		asked++;
		str_copy(q.id, question.id, sizeof(question.id));
		str_copy(q.digest, question.digest, sizeof(question.digest));
		str_copy(q.command, question.command,
		    sizeof(question.command));
		str_copy(q.resolved_path, question.path,
		    sizeof(question.path));
		str_copy(q.reason, question.reason, sizeof(question.reason));
		question.always = q.always;
		question.ms = q.expires_at - q.created_at;
		return MSG_OK;
	}
	if (m->h.type == MSG_AP_EXPIRE) {
		assert_int_equal(get_ap_expire(m, &e), MSG_OK);
		expired++;
		expired_how = e.end;
		return MSG_OK;
	}
	assert_int_equal(get_rpc_res(m, &r), MSG_OK);
	rpcs++;
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
void
join(enum role role)
{
	const struct link_ops	*ops = NULL;
	struct link		*l, **fake = NULL;
	int			 sv[2];

	switch (role) {
	case ROLE_AGENT:
		ops = &ops_agent;
		fake = &agent;
		break;
	case ROLE_JAILER:
		ops = &ops_jailer;
		fake = &jailer;
		break;
	case ROLE_FILES:
		ops = &ops_worker;
		fake = &worker;
		break;
	case ROLE_ROUTER:
		ops = &ops_router;
		fake = &router;
		break;
	default:
		fail();
	}
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
}

/* --- the harness --------------------------------------------------------- */

void
turn(void)
{
	struct timeval	 tv = {0, 2000};

	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
	reap();
}

void
start_as_is(const char *config)
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
	join(ROLE_AGENT);
	join(ROLE_JAILER);
	join(ROLE_FILES);
	join(ROLE_ROUTER);
	accepts = dones = outs = asked = expired = 0;
	dbuf_reset(&streamed);
	violation = MSG_OK;
	mute = false;
}

/* Commands run unasked unless the configuration says otherwise: what is asked
 * about is for the tests of approvals. */
void
start(const char *config)
{
	json_t	*c = json_loads(*config == '\0' ? "{}" : config, 0, NULL);
	json_t	*exec = json_object_get(c, "exec");
	char	*text;

	assert_non_null(c);
	if (exec == NULL) {
		exec = json_object();
		json_object_set_new(c, "exec", exec);
	}
	if (json_object_get(exec, "security") == NULL)
		json_object_set_new(exec, "security", json_string("full"));
	text = json_dumps(c, JSON_COMPACT);
	json_decref(c);
	start_as_is(text);
	free(text);
}

void
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

void
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

const char *
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

void
decide(const char *digest, enum ap_verdict verdict)
{
	struct m_ap_decision	 d;

	memset(&d, 0, sizeof(d));
	d.id = str_of(question.id);
	d.digest = str_of(digest != NULL ? digest : question.digest);
	d.verdict = (uint8_t)verdict;
	d.resolved_by = STR_LIT("the tester");
	assert_int_equal(send_ap_decision(router, &d, link_corr(), 0), 0);
}

void
ask_rpc(const char *method, unsigned int scopes, const char *params)
{
	struct m_rpc_req	 q;
	unsigned int		 before = rpcs;

	memset(&q, 0, sizeof(q));
	q.method = str_of(method);
	q.scopes = scopes;
	q.principal = STR_LIT("the tester");
	q.params = str_of(params);
	assert_int_equal(send_rpc_req(router, &q, link_corr(), 0), 0);
	UNTIL(rpcs > before);
}

void
cancel(const char *id)
{
	struct m_tl_cancel	 c;

	memset(&c, 0, sizeof(c));
	c.call_id = str_of(id);
	assert_int_equal(send_tl_cancel(agent, &c, link_corr(), 0), 0);
}

const char *
detail(const char *name)
{
	const char *s = json_string_value(json_object_get(json_object_get(done,
	    "details"), name));

	return s == NULL ? "" : s;
}

unsigned int
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

int
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

int
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
