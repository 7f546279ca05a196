/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Plays supervisor, agentd and router to a real toold, toold-files and
 * toold-jailer, each locked down as in service:
 *
 *	tools_driver [-b uid base] [-i] [-t json.tools] -s spool -w workspace
 *	    folder-of-programs
 *
 * Orders come one JSON object per line on standard input, events go one per
 * line to standard output.  Orders: call {id, tool, session, args}, cancel
 * {id}, list, rpc {method}, kill {role} (and start it again), fdcount,
 * drain.  End of input ends all three.
 */
#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/link.h"
#include "common/parcel.h"
#include "common/sandbox.h"
#include "common/worker.h"

struct child {
	enum role	 role;
	const char	*name;
	pid_t		 pid;
	int		 pidfd;
	bool		 ready;
	struct link	*ctl, *log;
};

static struct child children[] = {
	{ ROLE_JAILER, "jailer", -1, -1, false, NULL, NULL },
	{ ROLE_FILES, "files", -1, -1, false, NULL, NULL },
	{ ROLE_TOOL, "tool", -1, -1, false, NULL, NULL },
};
#define NCHILDREN	(sizeof(children) / sizeof(children[0]))
#define TOOL		(&children[2])

static struct event_base	*base;
static struct event		*orders_ev;
static struct link		*agent, *router;
static struct dbuf		 input;
static bool			 ended;
static enum sandbox_mode	 mode;
static struct sandbox_ids	 ids;
static const char		*workspace, *spool, *tools_json = "{}", *dir;
static bool			 idmap;
static int			 netns = -1;
static uint32_t			 endpoint = 10;

static void	 child_start(struct child *);

static void
emit(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(o);
}

static struct child *
child_of(const char *name)
{
	size_t	 i;

	for (i = 0; i < NCHILDREN; i++)
		if (name != NULL && strcmp(children[i].name, name) == 0)
			return &children[i];
	errx(1, "no such role");
}

/* --- what toold says ------------------------------------------------------- */

static enum msg_err
agent_message(struct link *l, struct msg *m, void *arg)
{
	struct m_tl_accept	 a;
	struct m_tl_out		 o;
	struct m_tl_done	 d;
	struct m_tl_list_res	 r;
	enum msg_err		 e;

	(void)l;
	(void)arg;
	switch (m->h.type) {
	case MSG_TL_ACCEPT:
		if ((e = get_tl_accept(m, &a)) == MSG_OK)
			emit(json_pack("{ss ss si ss}", "event", "accept",
			    "id", a.call_id.p, "status", (int)a.status,
			    "reason", a.reason.p));
		return e;
	case MSG_TL_OUT:
		if ((e = get_tl_out(m, &o)) == MSG_OK)
			emit(json_pack("{ss ss si ss%}", "event", "out", "id",
			    o.call_id.p, "stream", (int)o.stream, "text",
			    o.bytes.p, o.bytes.n));
		return e;
	case MSG_TL_DONE:
		if ((e = get_tl_done(m, &d)) == MSG_OK)
			emit(json_pack("{ss ss sb so}", "event", "done", "id",
			    d.call_id.p, "isError", (int)d.is_error, "result",
			    json_loadb(d.result.p, d.result.n, 0, NULL)));
		return e;
	case MSG_TL_LIST_RES:
		if ((e = get_tl_list_res(m, &r)) == MSG_OK)
			emit(json_pack("{ss so}", "event", "list", "tools",
			    json_loadb(r.tools.p, r.tools.n, 0, NULL)));
		return e;
	default:
		return MSG_DIRECTION;
	}
}

static enum msg_err
router_message(struct link *l, struct msg *m, void *arg)
{
	struct m_rpc_res	 r;
	enum msg_err		 e;

	(void)l;
	(void)arg;
	if ((e = get_rpc_res(m, &r)) == MSG_OK)
		emit(json_pack("{ss sb ss so}", "event", "rpc", "ok",
		    (int)r.ok, "message", r.message.p, "result", r.ok ?
		    json_loadb(r.result.p, r.result.n, 0, NULL) :
		    json_null()));
	return e;
}

static void
peer_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)type;
	(void)l;
	*(struct link **)arg = NULL;
	if (why != MSG_OK)
		emit(json_pack("{ss ss}", "event", "violation", "why",
		    msg_err_name(why)));
}

static const struct link_ops agent_ops = { agent_message, peer_gone, NULL };
static const struct link_ops router_ops = { router_message, peer_gone, NULL };

/* --- orders ---------------------------------------------------------------- */

static const char *
text(json_t *o, const char *key)
{
	const char	*s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

static void
order_call(json_t *o)
{
	struct m_tl_call	 c;
	json_t			*args = json_object_get(o, "args");
	char			*s;

	s = json_is_string(args) ? strdup(json_string_value(args)) :
	    json_dumps(args, JSON_COMPACT);
	memset(&c, 0, sizeof(c));
	c.call_id = str_of(text(o, "id"));
	c.tool = str_of(text(o, "tool"));
	c.run_id = STR_LIT("r");
	c.session_key = str_of(text(o, "session"));
	c.args = str_of(s);
	if (agent == NULL || send_tl_call(agent, &c, link_corr(), 0) == -1)
		warn("tl_call");
	free(s);
}

static int
fd_count(pid_t pid)
{
	char	 path[64];
	DIR	*d;
	int	 n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((d = opendir(path)) == NULL)
		return -1;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
order(json_t *o)
{
	struct m_tl_cancel	 c;
	struct m_tl_list	 l;
	struct m_rpc_req	 r;
	struct m_proc_drain	 d;
	struct child		*ch;
	const char		*op = text(o, "op");

	memset(&c, 0, sizeof(c));
	memset(&l, 0, sizeof(l));
	memset(&r, 0, sizeof(r));
	memset(&d, 0, sizeof(d));
	if (strcmp(op, "call") == 0)
		order_call(o);
	else if (strcmp(op, "cancel") == 0) {
		c.call_id = str_of(text(o, "id"));
		send_tl_cancel(agent, &c, 0, 0);
	} else if (strcmp(op, "list") == 0)
		send_tl_list(agent, &l, link_corr(), 0);
	else if (strcmp(op, "rpc") == 0) {
		r.method = str_of(text(o, "method"));
		r.scopes = SCOPE_ADMIN;
		r.params = STR_LIT("{}");
		send_rpc_req(router, &r, link_corr(), 0);
	} else if (strcmp(op, "kill") == 0) {
		ch = child_of(text(o, "role"));
		kill(ch->pid, SIGKILL);
	} else if (strcmp(op, "fdcount") == 0)
		emit(json_pack("{ss si si si}", "event", "fdcount", "jailer",
		    fd_count(children[0].pid), "files",
		    fd_count(children[1].pid), "tool", fd_count(TOOL->pid)));
	else if (strcmp(op, "drain") == 0) {
		d.deadline_ms = 5000;
		send_proc_drain(TOOL->ctl, &d, 0, 0);
		link_setstate(TOOL->ctl, LINK_DRAIN);
		link_setstate(agent, LINK_DRAIN);
	} else
		errx(1, "op %s", op);
}

static void
stdin_cb(evutil_socket_t fd, short what, void *arg)
{
	char		 buf[65536], *nl;
	json_error_t	 je;
	json_t		*o;
	ssize_t		 n;

	(void)what;
	(void)arg;
	if ((n = read(fd, buf, sizeof(buf))) <= 0) {
		event_base_loopbreak(base);
		ended = true;
		return;
	}
	dbuf_put(&input, buf, (size_t)n);
	while (input.n > 0 && (nl = memchr(input.p, '\n', input.n)) != NULL) {
		o = json_loadb(input.p, (size_t)(nl - input.p), 0, &je);
		if (o == NULL)
			errx(1, "order: %s", je.text);
		dbuf_consume(&input, (size_t)(nl - input.p) + 1);
		order(o);
		json_decref(o);
	}
}

/* --- the supervisor's part -------------------------------------------------- */

static void
peer_send(struct child *c, enum role role, int fd)
{
	struct m_proc_peer	 p;

	memset(&p, 0, sizeof(p));
	p.role = (uint8_t)role;
	p.instance = str_of(role == ROLE_ROUTER ? "" : "main");
	p.endpoint = ++endpoint;
	if (link_send_fds(c->ctl, MSG_PROC_PEER, &p, 0, 0, &fd, 1) == -1)
		err(1, "proc_peer");
}

static struct link *
peer_own(struct child *c, enum role role, const struct link_ops *ops,
    struct link **where)
{
	struct link	*l;
	int		 sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
	peer_send(c, role, sv[1]);
	l = link_new(base, sv[0], role, ROLE_TOOL, "main", 1, ops, where);
	if (l == NULL)
		err(1, "link");
	link_setstate(l, LINK_RUN);
	return l;
}

static void
peer_pair(struct child *a, struct child *b)
{
	int	 sv[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
	peer_send(a, b->role, sv[0]);
	peer_send(b, a->role, sv[1]);
}

static void
child_peers(struct child *c)
{
	if (c == TOOL) {
		peer_pair(TOOL, &children[0]);
		peer_pair(TOOL, &children[1]);
		if (agent != NULL)
			link_free(agent);
		if (router != NULL)
			link_free(router);
		agent = peer_own(c, ROLE_AGENT, &agent_ops, &agent);
		router = peer_own(c, ROLE_ROUTER, &router_ops, &router);
	} else if (TOOL->ready)
		peer_pair(TOOL, c);
}

static enum msg_err
ctl_message(struct link *l, struct msg *m, void *arg)
{
	struct child		*c = arg;
	struct m_proc_start	 start;
	struct m_proc_ready	 ready;
	enum msg_err		 e;

	switch (m->h.type) {
	case MSG_PROC_HELLO:
		/* toold is the last: its siblings are ready for their ends. */
		child_peers(c);
		memset(&start, 0, sizeof(start));
		start.generation = 1;
		send_proc_start(l, &start, 0, 0);
		return MSG_OK;
	case MSG_PROC_READY:
		if ((e = get_proc_ready(m, &ready)) != MSG_OK)
			return e;
		link_setstate(l, LINK_RUN);
		c->ready = true;
		emit(json_pack("{ss ss si si ss}", "event", "ready", "role",
		    c->name, "pid", (int)c->pid, "failed", (int)ready.failed,
		    "detail", ready.detail.p));
		if (c == TOOL) {
			event_add(orders_ev, NULL);
		} else if (!TOOL->ready && TOOL->pid == -1 &&
		    children[0].ready && children[1].ready)
			child_start(TOOL);
		return MSG_OK;
	case MSG_PROC_DRAINED:
		emit(json_pack("{ss}", "event", "drained"));
		return MSG_OK;
	case MSG_PROC_BADPEER:
		emit(json_pack("{ss ss}", "event", "badpeer", "by", c->name));
		return MSG_OK;
	default:
		return MSG_OK;
	}
}

static void
ctl_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct child	*c = arg;
	int		 status = 0;

	(void)l;
	(void)type;
	c->ctl = NULL;
	if (c->pid != -1)
		waitpid(c->pid, &status, 0);
	emit(json_pack("{ss ss si ss}", "event", "gone", "role", c->name,
	    "status", status, "why", msg_err_name(why)));
	c->pid = -1;
	close(c->pidfd);
	c->pidfd = -1;
	c->ready = false;
	if (!ended)
		child_start(c);
}

static enum msg_err
log_message(struct link *l, struct msg *m, void *arg)
{
	struct m_log_line	 v;
	enum msg_err		 e;

	(void)l;
	if ((e = get_log_line(m, &v)) == MSG_OK)
		fprintf(stderr, "%s: %.*s\n", ((struct child *)arg)->name,
		    (int)v.text.n, v.text.p);
	return e;
}

static void
log_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)l;
	(void)why;
	(void)type;
	(void)arg;
}

static int
child_parcel(void)
{
	struct parcel_writer	*w;
	int			 fd, high;

	if ((w = parcel_writer_new()) == NULL)
		err(1, "parcel");
	parcel_puts(w, "main", "agent.id");
	parcel_puts(w, workspace, "workspace");
	parcel_puts(w, spool, "spool.dir");
	parcel_puts(w, tools_json, "json.tools");
	parcel_puts(w, "UTC", "tz");
	parcel_put_num(w, 8 << 20, "tmp_bytes");
	if ((fd = parcel_writer_seal(w)) == -1)
		err(1, "parcel");
	high = fcntl(fd, F_DUPFD_CLOEXEC, 20);
	close(fd);
	return high;
}

static void
child_sandbox(struct child *c)
{
	static uint8_t		 blob[60000];
	struct m_proc_sandbox	 sb;
	struct sandbox_spec	 spec;
	ssize_t			 n;
	int			 fd = netns != -1 ? dup(netns) : -1;

	sandbox_spec_init(&spec, c->role, mode, 0, mode == SANDBOX_ROOT ?
	    &ids : NULL);
	if (sandbox_spec_mount(&spec, c == TOOL ? spool : workspace, MNT_RW |
	    (idmap && c != TOOL ? (uint32_t)MNT_IDMAP : 0)) == -1)
		err(1, "mount");
	if ((n = sandbox_spec_encode(&spec, blob, sizeof(blob))) == -1)
		err(1, "spec");
	memset(&sb, 0, sizeof(sb));
	sb.spec = (struct str){ (const char *)blob, (size_t)n };
	if (link_send_fds(c->ctl, MSG_PROC_SANDBOX, &sb, 0, 0, &fd,
	    fd != -1 ? 1 : 0) == -1)
		err(1, "proc_sandbox");
	sandbox_spec_clear(&spec);
}

static void
child_start(struct child *c)
{
	static const struct link_ops ctl_ops = { ctl_message, ctl_gone, NULL };
	static const struct link_ops log_ops = { log_message, log_gone, NULL };
	struct clone_args	 ca;
	char			 path[4096];
	char			*argv[] = { path, (char *)(uintptr_t)"-i",
				    (char *)(uintptr_t)"main", NULL };
	char			*envp[] = { NULL };
	int			 fds[6], i, sv[2], lv[2];
	uid_t			 uid = geteuid();
	gid_t			 gid = getegid();

	snprintf(path, sizeof(path), "%s/%s", dir, role_program(c->role));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lv) == -1)
		err(1, "socketpair");
	fds[0] = fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[2] = 2;
	fds[WORKER_FD_CTL] = fcntl(sv[1], F_DUPFD_CLOEXEC, 20);
	fds[WORKER_FD_LOG] = fcntl(lv[1], F_DUPFD_CLOEXEC, 20);
	fds[WORKER_FD_PARCEL] = child_parcel();
	memset(&ca, 0, sizeof(ca));
	ca.flags = sandbox_clone_flags(c->role, mode) | CLONE_PIDFD;
	ca.pidfd = (uint64_t)(uintptr_t)&c->pidfd;
	ca.exit_signal = SIGCHLD;
	c->pid = (pid_t)syscall(SYS_clone3, &ca, sizeof(ca));
	if (c->pid == -1)
		err(1, "clone3");
	if (c->pid == 0) {
		if (sandbox_child_prepare(mode, uid, gid) == -1)
			_exit(126);
		for (i = 0; i < 6; i++)
			dup2(fds[i], i);
		close_range(6, ~0U, 0);
		execve(path, argv, envp);
		_exit(127);
	}
	close(sv[1]);
	close(lv[1]);
	close(fds[0]);
	for (i = 3; i < 6; i++)
		close(fds[i]);
	c->ctl = link_new(base, sv[0], ROLE_PARENT, c->role, "main", 1,
	    &ctl_ops, c);
	c->log = link_new(base, lv[0], ROLE_LOG, c->role, "main", 2, &log_ops,
	    c);
	if (c->ctl == NULL || c->log == NULL)
		err(1, "link");
	child_sandbox(c);
}

static void
child_stop(struct child *c)
{
	struct m_proc_quit	 q;
	struct pollfd		 pfd = { c->pidfd, POLLIN, 0 };
	int			 status = 0;

	if (c->pid == -1)
		return;
	memset(&q, 0, sizeof(q));
	if (c->ctl != NULL) {
		send_proc_quit(c->ctl, &q, 0, 0);
		link_flush(c->ctl);
	}
	if (poll(&pfd, 1, 10000) != 1) {
		emit(json_pack("{ss ss}", "event", "stuck", "role", c->name));
		kill(c->pid, SIGKILL);
	}
	waitpid(c->pid, &status, 0);
	emit(json_pack("{ss ss si}", "event", "ended", "role", c->name,
	    "status", status));
}

int
main(int argc, char *argv[])
{
	char		 why[256];
	int64_t		 uid_base = 0;
	siginfo_t	 si;
	int		 opt;

	while ((opt = getopt(argc, argv, "b:is:t:w:")) != -1) {
		switch (opt) {
		case 'b':
			if (num_parse(str_of(optarg), 0, 1 << 30,
			    &uid_base) == -1)
				errx(2, "uid base");
			break;
		case 'i':
			idmap = true;
			break;
		case 's':
			spool = optarg;
			break;
		case 't':
			tools_json = optarg;
			break;
		case 'w':
			workspace = optarg;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc || workspace == NULL || spool == NULL)
		errx(2, "usage: tools_driver -s spool -w workspace programs");
	dir = argv[optind];
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		err(1, "subreaper");
	mode = sandbox_mode_probe(why, sizeof(why));
	if (sandbox_ids_load(&ids, uid_base) == -1)
		err(1, "ids");
	if (mode == SANDBOX_ROOT && (netns = sandbox_netns_new()) == -1)
		err(1, "netns");
	if ((base = event_base_new()) == NULL)
		errx(1, "event base");
	dbuf_init(&input, 32 << 20);
	orders_ev = event_new(base, 0, EV_READ | EV_PERSIST, stdin_cb, NULL);
	child_start(&children[0]);
	child_start(&children[1]);
	while (!ended)
		event_base_dispatch(base);
	child_stop(TOOL);
	child_stop(&children[0]);
	child_stop(&children[1]);
	memset(&si, 0, sizeof(si));
	/* Nothing may have come down to us. */
	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == 0)
		emit(json_pack("{ss}", "event", "orphan"));
	return 0;
}
