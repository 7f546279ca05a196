/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-config: reads the configuration once and ends.  Its input may have
 * been written over the network, so nothing of it is looked at before the
 * sandbox is closed: then it can read, write, pass descriptors on fd 3 and
 * exit.  Files come from the parent, opened, on request; parcels go back as
 * sealed memory.  It holds every secret for some milliseconds and writes none
 * anywhere else.
 *
 * The loop is synchronous: one datagram, one answer, no event library.
 *
 * -K prints the list of keys for openclaw.json(5).
 */

#include "common/compat.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memfd.h"
#include "common/sandbox.h"
#include "common/selftest.h"
#include "common/worker.h"
#include "gatewayd/config/config.h"
#include "gatewayd/config/documents.h"
#include "gatewayd/config/manual.h"
#include "gatewayd/config/write.h"

static uint32_t	 out_seq, in_seq;

/* --- link -------------------------------------------------------------------------- */

static void
send_msg(uint16_t type, const void *value, uint64_t corr, const int *fds,
    size_t nfds)
{
	static uint8_t		 buf[LINK_INLINE_MAX];
	union {
		struct cmsghdr	 hdr;
		char		 space[CMSG_SPACE(4 * sizeof(int))];
	} ctl;
	struct msg_header	 h = { 0 };
	struct msghdr		 mh = { 0 };
	struct iovec		 iov;
	int			 body[2];
	size_t			 nbody;
	ssize_t			 n, w;

	if ((n = msg_encode(type, value, buf, sizeof(buf), body, &nbody)) ==
	    -1)
		fatal("message %04x", type);
	h.length = (uint32_t)n;
	h.type = type;
	h.version = MSG_PROTOCOL;
	h.flags = nfds > 0 ? MSG_F_FDS : 0;
	h.corr = corr;
	h.seq = ++out_seq;
	msg_header_put(buf, &h);
	iov.iov_base = buf;
	iov.iov_len = (size_t)n;
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (nfds > 0) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = &ctl;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		ctl.hdr.cmsg_level = SOL_SOCKET;
		ctl.hdr.cmsg_type = SCM_RIGHTS;
		ctl.hdr.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&ctl.hdr), fds, nfds * sizeof(int));
	}
	while ((w = sendmsg(WORKER_FD_CTL, &mh, MSG_NOSIGNAL)) == -1 &&
	    errno == EINTR)
		;
	if (w == -1)
		_exit(1);	/* the parent is gone: nobody to tell */
	explicit_bzero(buf, (size_t)n);
}

/* Blocks for one message of this type; anything else ends the process. */
static void
recv_msg(uint16_t type, struct msg *m)
{
	static uint8_t		 buf[LINK_INLINE_MAX];
	union {
		struct cmsghdr	 hdr;
		char		 space[CMSG_SPACE((MSG_FDS_MAX + 2) *
				    sizeof(int))];
	} ctl;
	struct cmsghdr		*c;
	struct msghdr		 mh = { 0 };
	struct iovec		 iov = { buf, sizeof(buf) };
	enum msg_err		 err;
	ssize_t			 n;
	size_t			 nfds;

	memset(m, 0, sizeof(*m));
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	mh.msg_control = &ctl;
	mh.msg_controllen = sizeof(ctl);
	while ((n = recvmsg(WORKER_FD_CTL, &mh, MSG_CMSG_CLOEXEC)) == -1 &&
	    errno == EINTR)
		;
	if (n <= 0)
		_exit(1);
	for (c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (nfds > MSG_FDS_MAX + 2 - m->nfds)
			fatalx("parent: too many descriptors");
		memcpy(m->fds + m->nfds, CMSG_DATA(c), nfds * sizeof(int));
		m->nfds += nfds;
	}
	if ((err = msg_header_get(buf, (size_t)n, &m->h)) != MSG_OK)
		fatalx("parent: header: %s", msg_err_name(err));
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || m->h.seq != ++in_seq)
		fatalx("parent: broken link");
	m->payload = buf + MSG_HEADER;
	m->len = (size_t)n - MSG_HEADER;
	if (m->h.type == MSG_PROC_QUIT)
		_exit(0);
	if (m->h.type != type || msg_allowed(type, ROLE_PARENT, ROLE_CONFIG,
	    LINK_SETUP) != MSG_OK)
		fatalx("parent: message %04x instead of %04x", m->h.type,
		    type);
}

/* --- files --------------------------------------------------------------------------- */

/* Whole of fd, which is closed: 0 or an errno. */
static int
read_fd(int fd, char **text, size_t *n)
{
	struct stat	 st;
	struct dbuf	 b;
	ssize_t		 r;
	int		 e = 0;

	dbuf_init_secret(&b, JSON5_TEXT_MAX + 1);
	if (fstat(fd, &st) == -1)
		e = errno;
	else if (!S_ISREG(st.st_mode))
		e = EINVAL;
	else if (st.st_size > JSON5_TEXT_MAX)
		e = EFBIG;
	while (e == 0) {
		if (dbuf_reserve(&b, 65536) == -1) {
			e = EFBIG;
			break;
		}
		if ((r = read(fd, b.p + b.n, 65536)) == 0)
			break;
		if (r == -1 && errno != EINTR)
			e = errno;
		else if (r > 0)
			b.n += (size_t)r;
	}
	close(fd);
	if (e == 0 && (b.p == NULL || (b.p[b.n] = '\0',
	    *text = dbuf_take(&b, n)) == NULL))
		e = ENOMEM;
	dbuf_clear(&b);
	return e;
}

static int
file_cb(void *arg, const char *path, char **text, size_t *n)
{
	static uint64_t		 corr;
	struct m_cf_file_req	 req;
	struct m_cf_file	 res;
	struct msg		 m;
	enum msg_err		 err;
	int			 fd, e;

	memset(&req, 0, sizeof(req));
	req.path = str_of(path);
	if (req.path.n == 0 || req.path.n > 4096)
		return ENAMETOOLONG;
	send_msg(MSG_CF_FILE_REQ, &req, ++corr, NULL, 0);
	recv_msg(MSG_CF_FILE, &m);
	if ((err = get_cf_file(&m, &res)) != MSG_OK)
		fatalx("parent: CF_FILE: %s", msg_err_name(err));
	e = (int)res.err;
	fd = m.nfds > 0 ? msg_take_fd(&m, 0) : -1;
	msg_clear(&m);
	if (e != 0 || fd == -1) {
		if (fd != -1)
			close(fd);
		return e != 0 ? e : ENOENT;
	}
	return read_fd(fd, text, n);
}

/* --- results --------------------------------------------------------------------------- */

static int
parcel_cb(void *arg, enum role role, const char *instance,
    struct parcel_writer *pw)
{
	struct m_cf_parcel	 m;
	const unsigned int	*flags = arg;
	int			 fd;

	if ((fd = parcel_writer_seal(pw)) == -1)
		return -1;
	if ((*flags & (CF_CHECK_ONLY | CF_WRITE)) == 0) {
		memset(&m, 0, sizeof(m));
		m.role = (uint8_t)role;
		m.instance = str_of(instance);
		send_msg(MSG_CF_PARCEL, &m, 0, &fd, 1);
	}
	close(fd);
	return 0;
}

static void
send_text(enum cf_text kind, const struct dbuf *b)
{
	struct m_cf_text	 m = { .kind = (uint8_t)kind };
	int			 fd;

	if (dbuf_err(b))
		return;		/* too large: better none than a part */
	if ((fd = memfd_sealed("config", dbuf_str(b), b->n)) == -1)
		fatal("text");
	send_msg(MSG_CF_TEXT, &m, 0, &fd, 1);
	close(fd);
}

static void
send_tree(enum cf_text kind, const struct json5 *v)
{
	struct dbuf	 b;

	dbuf_init_secret(&b, 4 * JSON5_TEXT_MAX);
	if (v != NULL && json5_write(&b, v, 0) == 0)
		send_text(kind, &b);
	dbuf_clear(&b);
}

/* Control characters out, length within the field. */
static struct str
field(const char *s, size_t max, char *buf)
{
	size_t	 i, n = utf8_cut(s, strlen(s), max);

	for (i = 0; i < n; i++)
		buf[i] = (unsigned char)s[i] < 0x20 && s[i] != '\n' ? '?' :
		    s[i];
	return (struct str){ buf, n };
}

static void
send_problems(const struct cf *cf)
{
	static char		 file[4096], key[1024], text[2048];
	struct m_cf_problem	 m;
	struct dbuf		 more;
	size_t			 i;

	for (i = 0; i < cf->nproblems; i++) {
		memset(&m, 0, sizeof(m));
		m.severity = (uint8_t)cf->problems[i].severity;
		m.file = field(cf_file_name(cf, cf->problems[i].file),
		    sizeof(file), file);
		m.line = cf->problems[i].line;
		m.key = field(cf->problems[i].key, sizeof(key), key);
		m.text = field(cf->problems[i].text, sizeof(text), text);
		if (m.text.n == 0)
			m.text = STR_LIT("?");
		send_msg(MSG_CF_PROBLEM, &m, 0, NULL, 0);
	}
	if (cf->nerrors + cf->nwarnings > cf->nproblems) {
		dbuf_init(&more, 256);
		dbuf_printf(&more, "%zu further problems are not shown",
		    cf->nerrors + cf->nwarnings - cf->nproblems);
		memset(&m, 0, sizeof(m));
		m.severity = CF_WARNING;
		m.text = (struct str){ dbuf_str(&more), more.n };
		send_msg(MSG_CF_PROBLEM, &m, 0, NULL, 0);
		dbuf_clear(&more);
	}
}

/* --- life ------------------------------------------------------------------------------- */

static void
lock_down(void)
{
	static struct sandbox_spec	 spec;
	struct sandbox_report		 report;
	struct m_proc_sandbox		 v;
	struct m_proc_hello		 hello;
	struct msg			 m;
	enum msg_err			 err;
	int				 netns;

	recv_msg(MSG_PROC_SANDBOX, &m);
	if ((err = get_proc_sandbox(&m, &v)) != MSG_OK)
		fatalx("parent: PROC_SANDBOX: %s", msg_err_name(err));
	memset(&report, 0, sizeof(report));
	if (sandbox_spec_decode(&spec, v.spec.p, v.spec.n) == -1)
		fatal("sandbox specification");
	netns = m.nfds > 0 ? msg_take_fd(&m, 0) : -1;
	msg_clear(&m);
	if (sandbox_enter_early(&spec, &seccomp_of_CONFIG, netns, WORKER_FD_CTL,
	    &report) == -1 || sandbox_enter_late(&spec,
	    &seccomp_of_CONFIG,
	    &report) == -1)
		fatal("sandbox: %s", report.detail);
	memset(&hello, 0, sizeof(hello));
	hello.protocol = MSG_PROTOCOL;
	hello.build = str_of(GW_VERSION);
	hello.role = ROLE_CONFIG;
	send_msg(MSG_PROC_HELLO, &hello, 0, NULL, 0);
}

/* A change to judge; it follows CF_START. */
static void
recv_wish(struct cf_wish *wish)
{
	struct m_cf_wish	 w;
	struct msg		 m;
	enum msg_err		 err;
	const void		*p;

	recv_msg(MSG_CF_WISH, &m);
	if ((err = get_cf_wish(&m, &w)) != MSG_OK || m.nfds != 1 ||
	    w.verb > CF_SHOW)
		fatalx("parent: CF_WISH: %s", msg_err_name(err));
	if (memfd_map(m.fds[0], 2 * JSON5_TEXT_MAX, &p, &wish->n) == -1)
		fatal("parent: CF_WISH");
	msg_clear(&m);
	wish->verb = w.verb;
	wish->params = p;
	wish->now_ms = w.now_ms;
	wish->pid = w.pid;
}

/* The supervisor writes what is found good. */
static void
judge(struct cf *cf, const struct cf_wish *wish, struct m_cf_done *done)
{
	static struct cf	 fresh;
	struct cf_verdict	 v;

	if (wish->verb == CF_SHOW) {
		cf_collect_secrets(cf);
		send_tree(CF_TEXT_ANSWER, cf_json_snapshot(cf));
		done->ok = cf->pool != NULL;
		return;
	}
	fresh.path = cf->path;
	fresh.state_dir = cf->state_dir;
	fresh.flags = cf->flags;
	fresh.env = cf->env;
	fresh.read_file = cf->read_file;
	fresh.put_parcel = cf->put_parcel;
	fresh.arg = cf->arg;
	cf_verdict_init(&v);
	done->ok = cf_write(cf, &fresh, wish, &v) == 0;
	done->restart_ms = v.restart_ms;
	if (done->ok) {
		send_text(CF_TEXT_FILE, &v.text);
		if (v.sentinel.n > 0)
			send_text(CF_TEXT_SENTINEL, &v.sentinel);
		send_tree(CF_TEXT_SNAPSHOT, cf_json_snapshot(&fresh));
	}
	send_text(CF_TEXT_ANSWER, &v.answer);
	cf_verdict_clear(&v);
	cf_free(&fresh);
}

/* What the supervisor keeps of a run, unread. */
static void
send_texts(struct cf *cf, bool ok, const char *text, size_t n)
{
	struct dbuf	 b;

	if (cf->pool == NULL)
		return;
	cf_collect_secrets(cf);
	send_tree(CF_TEXT_SNAPSHOT, cf_json_snapshot(cf));
	if (!ok)
		return;
	send_tree(CF_TEXT_STATE, cf->root);
	if (text == NULL)
		return;
	dbuf_init_secret(&b, JSON5_TEXT_MAX);
	if (dbuf_put(&b, text, n) == 0)
		send_text(CF_TEXT_FILE, &b);
	dbuf_clear(&b);
}

int
main(int argc, char *argv[])
{
	static struct cf	 cf;
	static struct json5	 place;	/* the file as such */
	struct m_cf_start	 start;
	struct m_cf_done	 done;
	struct msg		 m;
	struct dbuf		 keys;
	enum msg_err		 err;
	static char		 paths[1024];
	char			*text = NULL, *before = NULL, *path, *state;
	size_t			 n = 0, before_n = 0;
	unsigned int		 watched;
	struct cf_wish		 wish;
	int			 env_fd, file_fd, e;

	log_init("config");
	if (argc > 1 && strcmp(argv[1], "-V") == 0) {
		printf("gatewayd-config %s (message protocol %d)\n",
		    GW_VERSION, MSG_PROTOCOL);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "-K") == 0) {
		dbuf_init(&keys, 1u << 20);
		if (cf_manual(&keys) == -1 ||
		    fwrite(keys.p, 1, keys.n, stdout) != keys.n)
			return 1;
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (argc > 1 && strcmp(argv[1], "-T") == 0)
		return selftest_main(&seccomp_of_CONFIG);
	lock_down();

	recv_msg(MSG_CF_START, &m);
	if ((err = get_cf_start(&m, &start)) != MSG_OK || m.nfds < 1 ||
	    m.nfds > 3)
		fatalx("parent: CF_START: %s", msg_err_name(err));
	/* The next message reuses the buffer these stand in. */
	path = str_dup(start.path);
	state = str_dup(start.state_dir);
	if (path == NULL || state == NULL)
		fatal("start");
	cf.path = path;
	cf.state_dir = state;
	cf.flags = start.flags;
	cf.read_file = file_cb;
	cf.put_parcel = parcel_cb;
	cf.arg = &cf.flags;
	watched = (start.flags & CF_WATCHED) != 0;
	if (m.nfds < 1u + watched)
		fatalx("parent: CF_START: descriptors");
	if (watched && read_fd(msg_take_fd(&m, m.nfds - 1), &before,
	    &before_n) == 0)
		cf.before = (struct str){ before, before_n };
	env_fd = msg_take_fd(&m, m.nfds - 1u - watched);
	if ((cf.env = parcel_open(env_fd)) == NULL)
		fatal("environment");
	memset(&done, 0, sizeof(done));
	done.restart_ms = UINT32_MAX;
	file_fd = m.nfds == 2u + watched ? msg_take_fd(&m, 0) : -1;
	msg_clear(&m);
	memset(&wish, 0, sizeof(wish));
	if (cf.flags & CF_WRITE)
		recv_wish(&wish);
	if (file_fd != -1 && (e = read_fd(file_fd, &text, &n)) != 0) {
		cf.nfiles = 1;
		cf.files[0] = strdup(path);
		cf_error(&cf, &place, "", "%s", strerror(e));
	} else
		done.ok = cf_run(&cf, text, n) == 0 && cf.nerrors == 0;
	if (cf.flags & CF_WRITE)
		judge(&cf, &wish, &done);
	else {
		done.reload = (uint8_t)cf.reload;
		done.paths = field(dbuf_str(&cf.restart_paths), sizeof(paths),
		    paths);
		send_problems(&cf);
		if ((cf.flags & CF_CHECK_ONLY) == 0)
			send_texts(&cf, done.ok, text, n);
	}
	send_msg(MSG_CF_DONE, &done, 0, NULL, 0);
	/* All secrets are zeroed, then the memory goes with the process. */
	freezero(text, n);
	freezero(before, before_n);
	cf_free(&cf);
	free(path);
	free(state);
	return 0;
}
