/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gatewayd-log: links, what workers print on standard error, rates. */
#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include "common/json_skim.h"
#include "common/worker.h"
#include "gatewayd/log/logd.h"

#define STDERR_LINE_MAX	4096

struct source {
	uint64_t	 second;	/* of the count below */
	unsigned int	 lines;
	uint64_t	 dropped;
};

/* What a library or a sanitizer of a worker printed. */
struct printed {
	struct event	*ev;
	int		 fd;
	char		 name[257];
	struct dbuf	 buf;
};

static int
logd_configure(const struct parcel *pc, bool reload, char *why, size_t size)
{
	const char	*level = parcel_get(pc, "level");
	unsigned int	 i;

	for (i = 0; level != NULL && i < LOG_LEVEL_MAX; i++)
		if (strcmp(level, log_level_name(i)) == 0)
			log_setlevel(i);
	return 0;
}

/* The logger's own lines go where everybody's go. */
static void
logd_sink(enum log_level level, const char *text)
{
	file_write("log", level, str_of(text));
}

static int
logd_setup(void)
{
	const char	*dir = parcel_get(worker_parcel(), "dir");

	if (dir == NULL) {
		errno = EINVAL;
		return -1;
	}
	if (file_init(dir, parcel_get(worker_parcel(), "file")) == -1)
		return -1;
	log_setsink(logd_sink);
	return 0;
}

/* More lines than a disk should take of one process: count and say so. */
static bool
logd_rate(struct source *s, const char *name)
{
	uint64_t	 now = mono_ms() / 1000;
	char		 text[96];

	if (s->second != now) {
		if (s->dropped > 0) {
			snprintf(text, sizeof(text), "%llu lines of one "
			    "second left out", (unsigned long long)s->dropped);
			file_write(name, LOG_LEVEL_WARN, str_of(text));
		}
		s->second = now;
		s->lines = 0;
		s->dropped = 0;
	}
	if (s->lines >= LOGD_RATE) {
		s->dropped++;
		return false;
	}
	s->lines++;
	return true;
}

static void
logd_peer(struct link *l)
{
	link_setdata(l, calloc(1, sizeof(struct source)));
}

static void
logd_peer_gone(struct link *l)
{
	free(link_data(l));
	link_setdata(l, NULL);
}

static void
printed_flush(struct printed *p, bool all)
{
	char	*nl;
	size_t	 n;

	while ((nl = p->buf.n > 0 ? memchr(p->buf.p, '\n', p->buf.n) : NULL) !=
	    NULL || (p->buf.n > 0 && all)) {
		n = nl != NULL ? (size_t)(nl - p->buf.p) : p->buf.n;
		if (n > 0)
			file_write(p->name, LOG_LEVEL_WARN,
			    (struct str){ p->buf.p, n });
		dbuf_consume(&p->buf, n + (nl != NULL));
	}
}

static void
printed_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct printed	*p = arg;
	char		 buf[STDERR_LINE_MAX];
	ssize_t		 n;

	n = read(fd, buf, sizeof(buf));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		printed_flush(p, true);
		event_free(p->ev);
		close(p->fd);
		dbuf_clear(&p->buf);
		free(p);
		return;
	}
	/* A line without an end is one line when it is long enough. */
	if (dbuf_put(&p->buf, buf, (size_t)n) == -1) {
		p->buf.err = false;
		printed_flush(p, true);
		dbuf_put(&p->buf, buf, (size_t)n);
	}
	printed_flush(p, false);
}

static void
logd_listener(enum listener_kind kind, int fd, const char *name)
{
	struct printed	*p;

	if (kind != LISTENER_STDERR || (p = calloc(1, sizeof(*p))) == NULL) {
		close(fd);
		return;
	}
	p->fd = fd;
	strlcpy(p->name, name, sizeof(p->name));
	dbuf_init(&p->buf, 2 * STDERR_LINE_MAX);
	p->ev = event_new(worker_base(), fd, EV_READ | EV_PERSIST,
	    printed_read_cb, p);
	if (p->ev == NULL || event_add(p->ev, NULL) == -1) {
		close(fd);
		free(p);
	}
}

static void
logd_on_tail(struct link *l, const struct m_rpc_req *q, uint64_t corr)
{
	struct tail_args	 a = { false, 0, 500, 250000 };
	struct m_rpc_res	 res;
	struct skim_val		 root, v;
	struct dbuf		 out;
	int64_t			 num;
	char			 why[256] = "";

	if (skim_text(q->params.p, q->params.n, &root) == SKIM_OK &&
	    root.kind == SKIM_OBJECT) {
		if (skim_get(&root, "cursor", &v) && skim_int(&v, &num) &&
		    num >= 0) {
			a.cursor_given = true;
			a.cursor = (uint64_t)num;
		}
		if (skim_get(&root, "limit", &v) && skim_int(&v, &num) &&
		    num >= 1 && num <= 5000)
			a.limit = (uint64_t)num;
		if (skim_get(&root, "maxBytes", &v) && skim_int(&v, &num) &&
		    num >= 1 && num <= 1000000)
			a.max_bytes = (uint64_t)num;
	}
	memset(&res, 0, sizeof(res));
	dbuf_init(&out, 8u << 20);
	if (file_tail(&a, &out, why, sizeof(why)) == 0) {
		res.ok = 1;
		res.result = (struct str){ out.p, out.n };
	} else {
		res.code = STR_LIT("UNAVAILABLE");
		res.message = str_of(why);
	}
	send_rpc_res(l, &res, corr, MSG_F_REPLY);
	dbuf_clear(&out);
}

static enum msg_err
logd_message(struct link *l, struct msg *m)
{
	struct m_log_line	 line;
	struct m_rpc_req	 rpc;
	struct m_rpc_res	 res;
	struct source		*s = link_data(l);
	enum msg_err		 err;

	if (m->h.type == MSG_LOG_LINE) {
		if ((err = get_log_line(m, &line)) != MSG_OK)
			return err;
		if (line.level <= log_getlevel() &&
		    (s == NULL || logd_rate(s, link_name(l))))
			file_write(link_name(l), line.level, line.text);
		return MSG_OK;
	}
	if (m->h.type != MSG_RPC_REQ)
		return MSG_DIRECTION;
	if ((err = get_rpc_req(m, &rpc)) != MSG_OK)
		return err;
	if (str_eqs(rpc.method, "logs.tail")) {
		logd_on_tail(l, &rpc, m->h.corr);
		return MSG_OK;
	}
	memset(&res, 0, sizeof(res));
	res.code = STR_LIT("INVALID_REQUEST");
	res.message = STR_LIT("unknown method");
	send_rpc_res(l, &res, m->h.corr, MSG_F_REPLY);
	return MSG_OK;
}

static void
logd_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	res->drops = file_drops();
	if (res->drops > 0)
		snprintf(detail, size, "%llu lines lost",
		    (unsigned long long)res->drops);
}

int
main(int argc, char *argv[])
{
	static const struct worker	 w = {
		.role = ROLE_LOG,
		.configure = logd_configure,
		.setup = logd_setup,
		.listener = logd_listener,
		.peer = logd_peer,
		.peer_gone = logd_peer_gone,
		.message = logd_message,
		.stat = logd_stat,
	};

	return worker_main(argc, argv, &w);
}
