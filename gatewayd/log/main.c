/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-log: writes what all others say into the log folder, and reads it
 * back for logs.tail.  It sees that folder and nothing else.  Who speaks is
 * known from the link, never from the text.  A line costs one write; nothing
 * is ever sent back to a speaker, so a slow disk slows nobody.
 */

#include "common/compat.h"

#include <sys/queue.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/json_skim.h"
#include "common/log.h"
#include "common/worker.h"
#include "gatewayd/log/file.h"
#include "gatewayd/log/line.h"

#define RESULT_MAX	8388608	/* of RPC_RES */
#define STDERR_LINE	1024

/* A worker's standard error: what libraries and sanitizers print. */
struct pipe {
	TAILQ_ENTRY(pipe)	 entry;
	struct event		*ev;
	int			 fd;
	char			 name[192];
	struct line_rate	 rate;
	char			 buf[STDERR_LINE];
	size_t			 n;
};

struct speaker {
	struct line_rate	 rate;
};

static struct {
	struct logfile	*file;
	char		 dir[4096], name[256];
	int		 level;		/* -1: silent */
	char		 hostname[128];
	TAILQ_HEAD(, pipe) pipes;
	uint64_t	 dropped;
} lg = { .level = LOG_LEVEL_INFO };

/* --- lines -------------------------------------------------------------------- */

static void
put_line(enum log_level level, const char *who, struct str text)
{
	static bool	 telling;
	struct dbuf	 b;
	char		 note[192];
	uint64_t	 lost;
	int		 why;

	/* More than the file's level, when an operator asked for it. */
	if (lg.file == NULL || ((int)level > lg.level &&
	    (lg.level < LOG_LEVEL_INFO || level > log_getlevel())))
		return;
	dbuf_init(&b, 32 * LOG_TEXT_MAX);
	line_format(&b, level, who, text, wall_ms(), lg.hostname);
	if (!dbuf_err(&b))
		logfile_write(lg.file, dbuf_str(&b), b.n);
	dbuf_clear(&b);
	/* There is room again: say once what is missing. */
	if (!telling && logfile_lost(lg.file, &why) > 0 &&
	    (lost = logfile_untold(lg.file, &why)) > 0) {
		telling = true;
		snprintf(note, sizeof(note), "%llu lines were lost: %s",
		    (unsigned long long)lost, strerror(why));
		put_line(LOG_LEVEL_WARN, "log", str_of(note));
		telling = false;
	}
}

static void
put_limited(struct line_rate *r, enum log_level level, const char *who,
    struct str text)
{
	char		 note[96];
	uint64_t	 dropped;

	if (!line_allowed(r, mono_ms())) {
		lg.dropped++;
		return;
	}
	if ((dropped = r->dropped) > 0) {
		r->dropped = 0;
		snprintf(note, sizeof(note), "%llu lines came too fast and "
		    "were dropped", (unsigned long long)dropped);
		put_line(LOG_LEVEL_WARN, who, str_of(note));
	}
	put_line(level, who, text);
}

static void
own_line(enum log_level level, const char *text)
{
	put_line(level, "log", str_of(text));
}

/* --- standard error of others ---------------------------------------------------- */

static void
pipe_flush(struct pipe *p)
{
	if (p->n > 0)
		put_limited(&p->rate, LOG_LEVEL_WARN, p->name,
		    (struct str){ p->buf, p->n });
	p->n = 0;
}

static void
pipe_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pipe	*p = arg;
	char		 buf[4096];
	ssize_t		 n, i;

	n = read(p->fd, buf, sizeof(buf));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	for (i = 0; i < n; i++) {
		if (buf[i] == '\n' || p->n == sizeof(p->buf))
			pipe_flush(p);
		if (buf[i] != '\n')
			p->buf[p->n++] = buf[i];
	}
	if (n > 0)
		return;
	pipe_flush(p);
	TAILQ_REMOVE(&lg.pipes, p, entry);
	event_free(p->ev);
	close(p->fd);
	free(p);
}

static void
log_listener(enum listener_kind kind, int fd, const char *name)
{
	struct pipe	*p;

	if (kind != LISTENER_STDERR || (p = calloc(1, sizeof(*p))) == NULL) {
		close(fd);
		return;
	}
	p->fd = fd;
	strlcpy(p->name, name, sizeof(p->name));
	if (fd_nonblock(fd) == -1 || (p->ev = event_new(worker_base(), fd,
	    EV_READ | EV_PERSIST, pipe_cb, p)) == NULL ||
	    event_add(p->ev, NULL) == -1) {
		if (p->ev != NULL)
			event_free(p->ev);
		close(fd);
		free(p);
		return;
	}
	TAILQ_INSERT_TAIL(&lg.pipes, p, entry);
}

/* --- logs.tail --------------------------------------------------------------------- */

/* An optional integer of the parameters in its range. */
static int
param_int(const struct skim_val *o, const char *key, int64_t min, int64_t max,
    int64_t *v)
{
	struct skim_val	 s;

	if (!skim_get(o, key, &s))
		return 0;
	return skim_int(&s, v) && *v >= min && *v <= max ? 0 : -1;
}

static enum msg_err
log_on_rpc(struct link *l, struct msg *m)
{
	struct m_rpc_req	 req;
	struct m_rpc_res	 res;
	struct skim_val		 params;
	struct logtail		 t;
	struct dbuf		 out;
	enum msg_err		 err;
	int64_t			 cursor = -1, limit = 500, bytes = 250000;
	char			 why[256] = "";

	if ((err = get_rpc_req(m, &req)) != MSG_OK)
		return err;
	memset(&res, 0, sizeof(res));
	dbuf_init(&out, RESULT_MAX);
	res.code = STR_LIT("INVALID_REQUEST");
	if (!str_eqs(req.method, "logs.tail"))
		snprintf(why, sizeof(why), "unknown method");
	else if (req.params.n > 0 && (skim_text(req.params.p, req.params.n,
	    &params) != SKIM_OK || params.kind != SKIM_OBJECT ||
	    param_int(&params, "cursor", 0, INT64_MAX, &cursor) == -1 ||
	    param_int(&params, "limit", 1, 5000, &limit) == -1 ||
	    param_int(&params, "maxBytes", 1, 1000000, &bytes) == -1))
		snprintf(why, sizeof(why), "invalid logs.tail params");
	else {
		t.cursor = cursor == -1 ? UINT64_MAX : (uint64_t)cursor;
		t.limit = (size_t)limit;
		t.max_bytes = (size_t)bytes;
		if (logfile_tail(lg.file, &t, &out) == -1) {
			res.code = STR_LIT("UNAVAILABLE");
			snprintf(why, sizeof(why), "log read failed: %s",
			    strerror(errno));
		}
	}
	if (why[0] == '\0') {
		res.ok = 1;
		res.code = STR_LIT("");
		res.result = (struct str){ dbuf_str(&out), out.n };
	}
	res.message = str_of(why);
	if (send_rpc_res(l, &res, m->h.corr, MSG_F_REPLY) == -1)
		log_warn("%s: answer to logs.tail", link_name(l));
	dbuf_clear(&out);
	return MSG_OK;
}

/* --- worker -------------------------------------------------------------------------- */

static enum msg_err
log_message(struct link *l, struct msg *m)
{
	struct m_log_line	 v;
	struct speaker		*s = link_data(l);
	enum msg_err		 err;

	if (m->h.type == MSG_RPC_REQ)
		return log_on_rpc(l, m);
	if (m->h.type != MSG_LOG_LINE)
		return MSG_DIRECTION;
	if ((err = get_log_line(m, &v)) != MSG_OK)
		return err;
	if (s != NULL)
		put_limited(&s->rate, v.level, link_name(l), v.text);
	return MSG_OK;
}

/* The supervisor's own lines. */
static enum msg_err
log_control(struct link *l, struct msg *m)
{
	struct m_log_line	 v;
	enum msg_err		 err;

	if (m->h.type != MSG_LOG_LINE)
		return MSG_DIRECTION;
	if ((err = get_log_line(m, &v)) != MSG_OK)
		return err;
	put_line(v.level, "gatewayd", v.text);
	return MSG_OK;
}

static void
log_peer(struct link *l)
{
	link_setdata(l, calloc(1, sizeof(struct speaker)));
}

static void
log_peer_gone(struct link *l)
{
	free(link_data(l));
	link_setdata(l, NULL);
}

static int
log_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	const char	*dir, *file, *slash;

	dir = parcel_get(p, "dir");
	file = parcel_get(p, "file");
	if (dir == NULL || dir[0] != '/' || strlen(dir) >= sizeof(lg.dir)) {
		strlcpy(why, "dir: no absolute path", size);
		return -1;
	}
	if (file != NULL && ((slash = strrchr(file, '/')) == NULL ||
	    slash[1] == '\0' || strlen(slash + 1) >= sizeof(lg.name))) {
		strlcpy(why, "file: no path of a file", size);
		return -1;
	}
	if (reload && (strcmp(dir, lg.dir) != 0 || strcmp(file != NULL ?
	    strrchr(file, '/') + 1 : "", lg.name) != 0)) {
		strlcpy(why, "another folder or file needs a restart", size);
		return -1;
	}
	if (!reload) {
		strlcpy(lg.dir, dir, sizeof(lg.dir));
		strlcpy(lg.name, file != NULL ? strrchr(file, '/') + 1 : "",
		    sizeof(lg.name));
	}
	return 0;
}

static void
log_commit(void)
{
	const char	*s = parcel_get(worker_parcel(), "level");
	int		 i;

	for (i = -1; i < LOG_LEVEL_MAX; i++)
		if (s != NULL && strcmp(s, i == -1 ? "silent" :
		    log_level_name((enum log_level)i)) == 0)
			lg.level = i;
}

static int
log_setup(void)
{
	log_commit();
	lg.file = logfile_open(lg.dir, lg.name[0] != '\0' ? lg.name : NULL);
	if (lg.file == NULL)
		return -1;
	log_setsink(own_line);
	return 0;
}

static void
log_stop(void)
{
	struct pipe	*p;

	/* Last words of those that ended before us. */
	TAILQ_FOREACH(p, &lg.pipes, entry)
		pipe_flush(p);
	log_setsink(NULL);
	logfile_close(lg.file);
	lg.file = NULL;
}

static void
log_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	uint64_t	 lost;
	int		 why;

	lost = logfile_lost(lg.file, &why);
	res->drops = lost + lg.dropped;
	/* The supervisor says aloud what is told here: trouble only. */
	if (lost > 0)
		snprintf(detail, size, "%llu lines lost: %s",
		    (unsigned long long)lost, strerror(why));
}

static const struct worker	 log_worker = {
	WORKER_ROLE(LOG),
	.configure = log_configure,
	.commit = log_commit,
	.setup = log_setup,
	.listener = log_listener,
	.peer = log_peer,
	.peer_gone = log_peer_gone,
	.message = log_message,
	.stop = log_stop,
	.stat = log_stat,
	.control = log_control,
};

int
main(int argc, char *argv[])
{
	TAILQ_INIT(&lg.pipes);
	/* While the host's files can still be seen. */
	tzset();
	if (gethostname(lg.hostname, sizeof(lg.hostname) - 1) == -1)
		strlcpy(lg.hostname, "localhost", sizeof(lg.hostname));
	return worker_main(argc, argv, &log_worker);
}
