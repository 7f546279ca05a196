/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/worker.h"
#include "tests/e2e/driver_rig.h"

struct event_base	*rig_base;
struct event		*rig_orders;
enum sandbox_mode	 rig_mode;
struct sandbox_ids	 rig_ids;
bool			 rig_ended;

static void		(*take_order)(json_t *);
static struct dbuf	 input;
static int		 netns = -1;

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
		event_base_loopbreak(rig_base);
		rig_ended = true;
		return;
	}
	dbuf_put(&input, buf, (size_t)n);
	while (input.n > 0 && (nl = memchr(input.p, '\n', input.n)) != NULL) {
		o = json_loadb(input.p, (size_t)(nl - input.p), 0, &je);
		if (o == NULL)
			errx(1, "order: %s", je.text);
		dbuf_consume(&input, (size_t)(nl - input.p) + 1);
		take_order(o);
		json_decref(o);
	}
}

void
rig_init(int64_t uid_base, void (*order)(json_t *))
{
	char	 why[256];

	take_order = order;
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1)
		err(1, "subreaper");
	rig_mode = sandbox_mode_probe(why, sizeof(why));
	if (sandbox_ids_load(&rig_ids, uid_base) == -1)
		err(1, "ids");
	if (rig_mode == SANDBOX_ROOT && (netns = sandbox_netns_new()) == -1)
		err(1, "netns");
	dbuf_init(&input, 32 << 20);
	if ((rig_base = event_base_new()) == NULL || (rig_orders = event_new(
	    rig_base, 0, EV_READ | EV_PERSIST, stdin_cb, NULL)) == NULL)
		errx(1, "event base");
}

void
rig_run(void)
{
	while (!rig_ended)
		event_base_dispatch(rig_base);
}

void
rig_emit(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(o);
}

static enum msg_err
log_message(struct link *l, struct msg *m, void *arg)
{
	struct m_log_line	 v;
	enum msg_err		 e;

	(void)l;
	if ((e = get_log_line(m, &v)) == MSG_OK)
		fprintf(stderr, "%s: %.*s\n", ((struct rig_child *)arg)->name,
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

void
rig_pair(int sv[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == -1)
		err(1, "socketpair");
}

/* Above the numbers that the child's own are copied to. */
static int
high(int fd)
{
	int	 h = fcntl(fd, F_DUPFD_CLOEXEC, 20);

	if (h == -1)
		err(1, "dup");
	close(fd);
	return h;
}

void
rig_start(struct rig_child *c, const char *program, int parcel,
    const struct link_ops *ctl)
{
	static const struct link_ops log_ops = { log_message, log_gone, NULL };
	struct clone_args	 ca;
	char			*argv[] = { (char *)(uintptr_t)program,
				    (char *)(uintptr_t)"-i",
				    (char *)(uintptr_t)"main", NULL };
	char			*envp[] = { NULL };
	int			 fds[6], i, sv[2], lv[2];
	uid_t			 uid = geteuid();
	gid_t			 gid = getegid();

	rig_pair(sv);
	rig_pair(lv);
	fds[0] = fds[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[2] = 2;
	fds[WORKER_FD_CTL] = high(sv[1]);
	fds[WORKER_FD_LOG] = high(lv[1]);
	fds[WORKER_FD_PARCEL] = high(parcel);
	memset(&ca, 0, sizeof(ca));
	ca.flags = sandbox_clone_flags(c->role, rig_mode) | CLONE_PIDFD;
	ca.pidfd = (uint64_t)(uintptr_t)&c->pidfd;
	ca.exit_signal = SIGCHLD;
	c->pid = (pid_t)syscall(SYS_clone3, &ca, sizeof(ca));
	if (c->pid == -1)
		err(1, "clone3");
	if (c->pid == 0) {
		if (sandbox_child_prepare(rig_mode, uid, gid) == -1)
			_exit(126);
		for (i = 0; i < 6; i++)
			dup2(fds[i], i);
		close_range(6, ~0U, 0);
		execve(program, argv, envp);
		_exit(127);
	}
	close(fds[0]);
	for (i = 3; i < 6; i++)
		close(fds[i]);
	c->ready = false;
	c->ctl = link_new(rig_base, sv[0], ROLE_PARENT, c->role, "main", 1,
	    ctl, c);
	if (c->ctl == NULL || link_new(rig_base, lv[0], ROLE_LOG, c->role,
	    "main", 2, &log_ops, c) == NULL)
		err(1, "link");
}

void
rig_confine(struct rig_child *c, struct sandbox_spec *spec)
{
	static uint8_t		 blob[60000];
	struct m_proc_sandbox	 sb;
	ssize_t			 n;
	int			 fd = netns != -1 ? dup(netns) : -1;

	if ((n = sandbox_spec_encode(spec, blob, sizeof(blob))) == -1)
		err(1, "spec");
	memset(&sb, 0, sizeof(sb));
	sb.spec = (struct str){ (const char *)blob, (size_t)n };
	if (link_send_fds(c->ctl, MSG_PROC_SANDBOX, &sb, 0, 0, &fd,
	    fd != -1 ? 1 : 0) == -1)
		err(1, "proc_sandbox");
	sandbox_spec_clear(spec);
}

void
rig_quit(struct rig_child *c)
{
	struct m_proc_quit	 q;

	if (c->ctl == NULL)
		return;
	memset(&q, 0, sizeof(q));
	send_proc_quit(c->ctl, &q, 0, 0);
	link_flush(c->ctl);
}

void
rig_reap(struct rig_child *c)
{
	struct pollfd		 pfd = { c->pidfd, POLLIN, 0 };
	int			 status = 0;

	if (c->pid == -1)
		return;
	if (poll(&pfd, 1, 10000) != 1) {
		rig_emit(json_pack("{ss ss}", "event", "stuck", "role",
		    c->name));
		kill(c->pid, SIGKILL);
	}
	waitpid(c->pid, &status, 0);
	rig_emit(json_pack("{ss ss si}", "event", "ended", "role", c->name,
	    "status", status));
}

void
rig_no_orphans(void)
{
	siginfo_t	 si;

	memset(&si, 0, sizeof(si));
	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) == 0)
		rig_emit(json_pack("{ss}", "event", "orphan"));
}
