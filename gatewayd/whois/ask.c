/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One question to the local interface of tailscaled: HTTP over a Unix socket,
 * GET /localapi/v0/whois.  It is answered to every user of the host.  What
 * comes back is bounded in size and time, and held for no truth but the name.
 */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/dbuf.h"
#include "common/http_parse.h"
#include "common/stream.h"
#include "gatewayd/whois/whois.h"

#define ANSWER_MAX	(256u << 10)

struct ask {
	struct stream		*s;
	struct event		*timer;
	struct dbuf		 in;		/* as it came, then the body */
	size_t			 scan;
	bool			 headed;
	struct http_body	 reader;
	struct dbuf		 body;
	ask_cb			*cb;
	void			*arg;
};

void
ask_free(struct ask *a)
{
	if (a == NULL)
		return;
	stream_free(a->s);
	if (a->timer != NULL)
		event_free(a->timer);
	dbuf_clear(&a->in);
	dbuf_clear(&a->body);
	free(a);
}

static void
ask_end(struct ask *a, const char *login, const char *why)
{
	ask_cb	*cb = a->cb;
	void	*arg = a->arg;
	char	 name[LOGIN_MAX];

	if (login != NULL)
		(void)strlcpy(name, login, sizeof(name));
	ask_free(a);
	cb(login != NULL ? name : NULL, why, arg);
}

static void
ask_done(struct ask *a)
{
	char	 login[LOGIN_MAX];

	if (!dbuf_err(&a->body) &&
	    login_parse(dbuf_str(&a->body), a->body.n, login))
		ask_end(a, login, NULL);
	else
		ask_end(a, NULL, "tailscaled names nobody");
}

static bool
ask_head(struct ask *a)
{
	struct http_head	 h;
	ssize_t			 n;

	n = http_response_parse(&h, dbuf_str(&a->in), a->in.n, &a->scan,
	    HTTP_HEAD_MAX, false);
	if (n == 0)
		return false;
	if (n == -1) {
		ask_end(a, NULL, "tailscaled does not speak HTTP");
		return false;
	}
	if (h.status != 200) {
		ask_end(a, NULL, h.status == 404 ?
		    "tailscaled does not know the address" :
		    "tailscaled refuses to say");
		return false;
	}
	http_body_init(&a->reader, &h);
	a->headed = true;
	dbuf_consume(&a->in, (size_t)n);
	return true;
}

static void
ask_read_cb(struct stream *s, struct evbuffer *in, void *arg)
{
	enum http_body_result	 r = HTTP_BODY_MORE;
	struct ask		*a = arg;
	struct str		 data;
	size_t			 n = evbuffer_get_length(in), used;

	(void)s;
	if (n > ANSWER_MAX || dbuf_reserve(&a->in, n) == -1) {
		ask_end(a, NULL, "tailscaled says too much");
		return;
	}
	a->in.n += (size_t)evbuffer_remove(in, a->in.p + a->in.n, n);
	a->in.p[a->in.n] = '\0';
	if (!a->headed && !ask_head(a))
		return;
	while (r == HTTP_BODY_MORE && a->in.n > 0) {
		r = http_body_feed(&a->reader, a->in.p, a->in.n, &used, &data);
		if (r == HTTP_BODY_BAD ||
		    dbuf_put(&a->body, data.p, data.n) == -1) {
			ask_end(a, NULL, "the answer of tailscaled is no good");
			return;
		}
		dbuf_consume(&a->in, used);
	}
	if (r == HTTP_BODY_DONE || (a->reader.kind == HTTP_BODY_LENGTH &&
	    a->reader.left == 0))
		ask_done(a);
}

static void
ask_end_cb(struct stream *s, enum stream_end how, void *arg)
{
	struct ask	*a = arg;

	(void)s;
	if (how == STREAM_EOF && a->headed &&
	    a->reader.kind == HTTP_BODY_CLOSE)
		ask_done(a);
	else
		ask_end(a, NULL, "tailscaled broke off");
}

static void
ask_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ask_end(arg, NULL, "tailscaled does not answer");
}

static const struct stream_ops ask_ops = {
	.read = ask_read_cb,
	.end = ask_end_cb,
};

struct ask *
ask_new(struct event_base *base, const char *path, uid_t *uid)
{
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	struct ucred		 cred;
	socklen_t		 len = sizeof(cred);
	struct ask		*a;
	int			 fd, saved;

	if (strlcpy(un.sun_path, path, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return NULL;
	/* A local socket is connected at once, or not at all. */
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 ||
	    (a = calloc(1, sizeof(*a))) == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	dbuf_init(&a->in, ANSWER_MAX);
	dbuf_init(&a->body, ANSWER_MAX);
	*uid = cred.uid;
	a->s = stream_new(base, fd, &ask_ops, a);
	a->timer = evtimer_new(base, ask_timer_cb, a);
	if (a->s == NULL || a->timer == NULL) {
		ask_free(a);
		errno = ENOMEM;
		return NULL;
	}
	stream_set_marks(a->s, ANSWER_MAX, 0);
	return a;
}

int
ask_start(struct ask *a, const char *address, uint32_t ms, ask_cb *cb,
    void *arg)
{
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };
	bool		 six = strchr(address, ':') != NULL;
	char		 text[512];
	int		 n;

	/* With a port, as every version of it takes; any will do. */
	n = snprintf(text, sizeof(text),
	    "GET /localapi/v0/whois?addr=%s%s%s%%3A0 HTTP/1.1\r\n"
	    "Host: local-tailscaled.sock\r\nAccept: application/json\r\n"
	    "Connection: close\r\n\r\n", six ? "%5B" : "", address,
	    six ? "%5D" : "");
	if (n < 0 || (size_t)n >= sizeof(text)) {
		errno = EINVAL;
		return -1;
	}
	a->cb = cb;
	a->arg = arg;
	if (event_add(a->timer, &tv) == -1 ||
	    stream_write(a->s, text, (size_t)n) == -1) {
		errno = ENOMEM;
		return -1;
	}
	return 0;
}
