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

#include <sys/wait.h>

#include <dirent.h>
#include <err.h>
#include <signal.h>
#include <unistd.h>

#include "common/link.h"
#include "common/parcel.h"
#include "common/sandbox.h"
#include "tests/e2e/driver_rig.h"

static struct rig_child children[] = {
	{ ROLE_JAILER, "jailer", -1, -1, false, NULL },
	{ ROLE_FILES, "files", -1, -1, false, NULL },
	{ ROLE_TOOL, "tool", -1, -1, false, NULL },
};
#define NCHILDREN	(sizeof(children) / sizeof(children[0]))
#define TOOL		(&children[2])

static struct link		*agent, *router;
static const char		*workspace, *spool, *tools_json = "{}", *dir;
static bool			 idmap;
static uint32_t			 endpoint = 10;

static void	 child_start(struct rig_child *);

static struct rig_child *
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
			rig_emit(json_pack("{ss ss si ss}", "event", "accept",
			    "id", a.call_id.p, "status", (int)a.status,
			    "reason", a.reason.p));
		return e;
	case MSG_TL_OUT:
		if ((e = get_tl_out(m, &o)) == MSG_OK)
			rig_emit(json_pack("{ss ss si ss%}", "event", "out", "id",
			    o.call_id.p, "stream", (int)o.stream, "text",
			    o.bytes.p, o.bytes.n));
		return e;
	case MSG_TL_DONE:
		if ((e = get_tl_done(m, &d)) == MSG_OK)
			rig_emit(json_pack("{ss ss sb so}", "event", "done", "id",
			    d.call_id.p, "isError", (int)d.is_error, "result",
			    json_loadb(d.result.p, d.result.n, 0, NULL)));
		return e;
	case MSG_TL_LIST_RES:
		if ((e = get_tl_list_res(m, &r)) == MSG_OK)
			rig_emit(json_pack("{ss so}", "event", "list", "tools",
			    json_loadb(r.tools.p, r.tools.n, 0, NULL)));
		return e;
	default:
		return MSG_DIRECTION;
	}
}

static enum msg_err
router_message(struct link *l, struct msg *m, void *arg)
{
	struct m_ap_expire	 x;
	struct m_ap_req		 q;
	struct m_rpc_res	 r;
	enum msg_err		 e;

	(void)l;
	(void)arg;
	if (m->h.type == MSG_AP_REQ) {
		if ((e = get_ap_req(m, &q)) == MSG_OK)
			rig_emit(json_pack("{ss ss ss ss}", "event", "asked",
			    "id", q.id.p, "digest", q.digest.p, "command",
			    q.command.p));
		return e;
	}
	if (m->h.type == MSG_AP_EXPIRE)
		return get_ap_expire(m, &x);
	if ((e = get_rpc_res(m, &r)) == MSG_OK)
		rig_emit(json_pack("{ss sb ss so}", "event", "rpc", "ok",
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
		rig_emit(json_pack("{ss ss}", "event", "violation", "why",
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
	struct rig_child		*ch;
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
		rig_emit(json_pack("{ss si si si}", "event", "fdcount", "jailer",
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

/* --- the supervisor's part -------------------------------------------------- */

static void
peer_send(struct rig_child *c, enum role role, int fd)
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
peer_own(struct rig_child *c, enum role role, const struct link_ops *ops,
    struct link **where)
{
	struct link	*l;
	int		 sv[2];

	rig_pair(sv);
	peer_send(c, role, sv[1]);
	l = link_new(rig_base, sv[0], role, ROLE_TOOL, "main", 1, ops, where);
	if (l == NULL)
		err(1, "link");
	link_setstate(l, LINK_RUN);
	return l;
}

static void
peer_pair(struct rig_child *a, struct rig_child *b)
{
	int	 sv[2];

	rig_pair(sv);
	peer_send(a, b->role, sv[0]);
	peer_send(b, a->role, sv[1]);
}

static void
child_peers(struct rig_child *c)
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
	struct rig_child		*c = arg;
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
		rig_emit(json_pack("{ss ss si si ss}", "event", "ready", "role",
		    c->name, "pid", (int)c->pid, "failed", (int)ready.failed,
		    "detail", ready.detail.p));
		if (c == TOOL) {
			event_add(rig_orders, NULL);
		} else if (!TOOL->ready && TOOL->pid == -1 &&
		    children[0].ready && children[1].ready)
			child_start(TOOL);
		return MSG_OK;
	case MSG_PROC_DRAINED:
		rig_emit(json_pack("{ss}", "event", "drained"));
		return MSG_OK;
	case MSG_PROC_BADPEER:
		rig_emit(json_pack("{ss ss}", "event", "badpeer", "by", c->name));
		return MSG_OK;
	default:
		return MSG_OK;
	}
}

static void
ctl_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct rig_child	*c = arg;
	int		 status = 0;

	(void)l;
	(void)type;
	c->ctl = NULL;
	if (c->pid != -1)
		waitpid(c->pid, &status, 0);
	rig_emit(json_pack("{ss ss si ss}", "event", "gone", "role", c->name,
	    "status", status, "why", msg_err_name(why)));
	c->pid = -1;
	close(c->pidfd);
	c->pidfd = -1;
	c->ready = false;
	if (!rig_ended)
		child_start(c);
}

static int
child_parcel(void)
{
	struct parcel_writer	*w;
	int			 fd;

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
	return fd;
}

static void
child_start(struct rig_child *c)
{
	static const struct link_ops ops = { ctl_message, ctl_gone, NULL };
	struct sandbox_spec	 spec;
	char			 path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, role_program(c->role));
	rig_start(c, path, child_parcel(), &ops);
	sandbox_spec_init(&spec, c->role, rig_mode, 0, rig_mode ==
	    SANDBOX_ROOT ? &rig_ids : NULL);
	if (sandbox_spec_mount(&spec, c == TOOL ? spool : workspace, MNT_RW |
	    (idmap && c != TOOL ? (uint32_t)MNT_IDMAP : 0)) == -1)
		err(1, "mount");
	rig_confine(c, &spec);
}

int
main(int argc, char *argv[])
{
	int64_t		 uid_base = 0;
	size_t		 i;
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
	rig_init(uid_base, order);
	child_start(&children[0]);
	child_start(&children[1]);
	rig_run();
	for (i = NCHILDREN; i-- > 0; ) {
		rig_quit(&children[i]);
		rig_reap(&children[i]);
	}
	rig_no_orphans();
	return 0;
}
