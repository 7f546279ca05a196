/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/ws.h"
#include "openclaw/wire.h"

struct wire {
	int			 fd;
	SSL_CTX			*ctx;
	SSL			*ssl;
	bool			 ws;
	struct ws_reader	 reader;
	struct dbuf		 in, frame;
	size_t			 taken;	/* of in, by the last frame */
};

static int
wire_wait(struct wire *w, short what, uint64_t deadline_ms)
{
	struct pollfd	 pfd = { w->fd, what, 0 };
	uint64_t	 now;
	int		 r;

	do {
		now = mono_ms();
		if (now >= deadline_ms)
			return 0;
		r = poll(&pfd, 1, deadline_ms - now > 1000000 ? 1000000 :
		    (int)(deadline_ms - now));
	} while (r == -1 && errno == EINTR);
	return r;
}

static ssize_t
wire_read_some(struct wire *w)
{
	ssize_t	 n;

	if (dbuf_reserve(&w->in, 65536) == -1)
		return -1;
	if (w->ssl != NULL)
		n = SSL_read(w->ssl, w->in.p + w->in.n, 65536);
	else
		n = recv(w->fd, w->in.p + w->in.n, 65536, 0);
	if (n > 0) {
		w->in.n += (size_t)n;
		w->in.p[w->in.n] = '\0';
	}
	return n;
}

static int
wire_write_all(struct wire *w, const void *p, size_t n)
{
	const char	*b = p;
	ssize_t		 r;

	while (n > 0) {
		if (w->ssl != NULL)
			r = SSL_write(w->ssl, b, n > 16384 ? 16384 : (int)n);
		else
			r = send(w->fd, b, n, MSG_NOSIGNAL);
		if (r <= 0) {
			if (r == -1 && errno == EINTR && w->ssl == NULL)
				continue;
			return -1;
		}
		b += r;
		n -= (size_t)r;
	}
	return 0;
}

static struct wire *
wire_new(void)
{
	struct wire	*w;

	if ((w = calloc(1, sizeof(*w))) == NULL)
		return NULL;
	w->fd = -1;
	dbuf_init_secret(&w->in, 2 * WIRE_FRAME_MAX);
	dbuf_init_secret(&w->frame, WIRE_FRAME_MAX);
	return w;
}

void
wire_close(struct wire *w)
{
	if (w == NULL)
		return;
	if (w->ssl != NULL)
		SSL_free(w->ssl);
	if (w->ctx != NULL)
		SSL_CTX_free(w->ctx);
	if (w->fd != -1)
		close(w->fd);
	if (w->ws)
		ws_reader_clear(&w->reader);
	dbuf_clear(&w->in);
	dbuf_clear(&w->frame);
	free(w);
}

struct wire *
wire_open_unix(const char *path, char *why, size_t size)
{
	struct sockaddr_un	 sun;
	struct wire		*w;
	int			 err;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		snprintf(why, size, "%s: name too long for a socket", path);
		errno = ENAMETOOLONG;
		return NULL;
	}
	if ((w = wire_new()) == NULL ||
	    (w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    connect(w->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		err = errno;
		snprintf(why, size, "%s", strerror(err));
		wire_close(w);
		errno = err;
		return NULL;
	}
	return w;
}

static int
wire_tls(struct wire *w, const char *host, char *why, size_t size)
{
	const char	*reason;
	long		 verdict;

	if ((w->ctx = SSL_CTX_new(TLS_client_method())) == NULL)
		goto fail;
	SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION);
	SSL_CTX_set_default_verify_paths(w->ctx);
	SSL_CTX_set_verify(w->ctx, SSL_VERIFY_PEER, NULL);
	if ((w->ssl = SSL_new(w->ctx)) == NULL ||
	    SSL_set_tlsext_host_name(w->ssl, host) != 1 ||
	    SSL_set1_host(w->ssl, host) != 1 ||
	    SSL_set_fd(w->ssl, w->fd) != 1 || SSL_connect(w->ssl) != 1)
		goto fail;
	return 0;
fail:
	verdict = w->ssl != NULL ? SSL_get_verify_result(w->ssl) : X509_V_OK;
	reason = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict) :
	    ERR_reason_error_string(ERR_get_error());
	snprintf(why, size, "TLS: %s", reason != NULL ? reason :
	    "the peer closed the connection");
	return -1;
}

static int
wire_upgrade(struct wire *w, const char *host, const char *port,
    const char *path, uint64_t deadline_ms, char *why, size_t size)
{
	struct dbuf	 req;
	char		 key[25], accept[29], *end;
	int		 r = -1;

	ws_client_key(key);
	if (ws_accept_key(str_of(key), accept) == -1)
		return -1;
	dbuf_init(&req, 8192);
	dbuf_printf(&req, "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
	    "User-Agent: openclaw/%s\r\n\r\n", path,
	    strchr(host, ':') != NULL ? "[" : "", host,
	    strchr(host, ':') != NULL ? "]" : "", port, key, GW_VERSION);
	if (dbuf_err(&req) || wire_write_all(w, req.p, req.n) == -1) {
		snprintf(why, size, "%s", strerror(errno));
		goto out;
	}
	while ((end = memmem(dbuf_str(&w->in), w->in.n, "\r\n\r\n", 4)) ==
	    NULL) {
		if (w->in.n > 16384 || wire_wait(w, POLLIN, deadline_ms) <=
		    0 || wire_read_some(w) <= 0) {
			snprintf(why, size, "no answer to the upgrade");
			goto out;
		}
	}
	*end = '\0';
	if (strncmp(w->in.p, "HTTP/1.1 101", 12) != 0 ||
	    strstr(w->in.p, accept) == NULL) {
		snprintf(why, size, "not a gateway: %.40s", w->in.p);
		goto out;
	}
	dbuf_consume(&w->in, (size_t)(end + 4 - w->in.p));
	ws_reader_init(&w->reader, false, WIRE_FRAME_MAX);
	w->ws = true;
	r = 0;
out:
	dbuf_clear(&req);
	return r;
}

struct wire *
wire_open_url(const char *url, int timeout_ms, char *why, size_t size)
{
	struct addrinfo	 hints, *ai = NULL, *a;
	struct wire	*w = NULL;
	char		 host[256], port[8], path[2048];
	const char	*p, *e;
	uint64_t	 deadline = mono_ms() + (uint64_t)timeout_ms;
	bool		 tls = strncmp(url, "wss://", 6) == 0;
	int		 err;

	if (!tls && strncmp(url, "ws://", 5) != 0) {
		snprintf(why, size, "%s: a gateway's URL begins with ws:// or "
		    "wss://", url);
		return NULL;
	}
	p = strchr(url, ':') + 3;
	strlcpy(port, tls ? "443" : "18789", sizeof(port));
	if (*p == '[' && (e = strchr(p, ']')) != NULL) {
		snprintf(host, sizeof(host), "%.*s", (int)(e - p - 1), p + 1);
		p = e + 1;
	} else {
		e = p + strcspn(p, ":/?#");
		snprintf(host, sizeof(host), "%.*s", (int)(e - p), p);
		p = e;
	}
	if (*p == ':') {
		e = p + 1 + strspn(p + 1, "0123456789");
		snprintf(port, sizeof(port), "%.*s", (int)(e - p - 1), p + 1);
		p = e;
	}
	if (strlcpy(path, *p == '/' ? p : "/", sizeof(path)) >=
	    sizeof(path) || strpbrk(path, " \r\n") != NULL) {
		snprintf(why, size, "%s: not a URL", url);
		return NULL;
	}
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if ((err = getaddrinfo(host, port, &hints, &ai)) != 0) {
		snprintf(why, size, "%s: %s", host, gai_strerror(err));
		return NULL;
	}
	if ((w = wire_new()) == NULL)
		goto fail;
	for (a = ai; a != NULL; a = a->ai_next) {
		w->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
		if (w->fd != -1 && connect(w->fd, a->ai_addr,
		    a->ai_addrlen) == 0)
			break;
		err = errno;
		if (w->fd != -1)
			close(w->fd);
		w->fd = -1;
	}
	if (w->fd == -1) {
		snprintf(why, size, "%s", strerror(err));
		goto fail;
	}
	if ((tls && wire_tls(w, host, why, size) == -1) ||
	    wire_upgrade(w, host, port, path, deadline, why, size) == -1)
		goto fail;
	freeaddrinfo(ai);
	return w;
fail:
	freeaddrinfo(ai);
	wire_close(w);
	return NULL;
}

int
wire_send(struct wire *w, const char *text, size_t n, char *why, size_t size)
{
	uint8_t		 head[WS_HEADER_MAX], mask[4];
	struct dbuf	 out;
	size_t		 h;
	int		 r;

	dbuf_init_secret(&out, WIRE_FRAME_MAX + 64);
	if (w->ws) {
		arc4random_buf(mask, sizeof(mask));
		h = ws_header_encode(head, WS_OP_TEXT, true, n, mask);
		dbuf_put(&out, head, h);
		dbuf_put(&out, text, n);
		if (!dbuf_err(&out))
			ws_mask(out.p + h, n, mask, 0);
	} else {
		dbuf_put(&out, text, n);
		dbuf_putc(&out, '\n');
	}
	r = dbuf_err(&out) ? -1 : wire_write_all(w, out.p, out.n);
	if (r == -1)
		snprintf(why, size, "%s", errno == EPIPE ||
		    errno == ECONNRESET ? "gateway closed the connection" :
		    strerror(errno));
	dbuf_clear(&out);
	return r;
}

/* 1 a frame is there, 0 more is needed, -1 closed. */
static int
wire_next(struct wire *w, const char **frame, char *why, size_t size)
{
	uint8_t		 pong[WS_HEADER_MAX + WS_CONTROL_MAX], mask[4];
	struct str	 data;
	char		*nl;
	size_t		 used, h;
	enum ws_event	 ev;

	dbuf_consume(&w->in, w->taken);
	w->taken = 0;
	if (!w->ws) {
		if (w->in.n == 0 || (nl = memchr(w->in.p, '\n', w->in.n)) ==
		    NULL)
			return 0;
		*nl = '\0';
		*frame = w->in.p;
		w->taken = (size_t)(nl - w->in.p) + 1;
		return 1;
	}
	for (;;) {
		ev = ws_read(&w->reader, (uint8_t *)w->in.p, w->in.n, &used,
		    &data);
		switch (ev) {
		case WS_MESSAGE:
			dbuf_reset(&w->frame);
			if (dbuf_put(&w->frame, data.p, data.n) == -1)
				return -1;
			dbuf_consume(&w->in, used);
			*frame = dbuf_str(&w->frame);
			return 1;
		case WS_PING:
			arc4random_buf(mask, sizeof(mask));
			h = ws_header_encode(pong, WS_OP_PONG, true, data.n,
			    mask);
			memcpy(pong + h, data.p, data.n);
			ws_mask(pong + h, data.n, mask, 0);
			wire_write_all(w, pong, h + data.n);
			break;
		case WS_PONG:
			break;
		case WS_CLOSE:
			snprintf(why, size, "gateway closed (%u%s%.*s)",
			    w->reader.close_code, data.n > 0 ? " " : "",
			    (int)data.n, data.n > 0 ? data.p : "");
			return -1;
		case WS_ERROR:
			snprintf(why, size, "the gateway broke the WebSocket "
			    "protocol");
			return -1;
		case WS_MORE:
			dbuf_consume(&w->in, used);
			return 0;
		}
		dbuf_consume(&w->in, used);
	}
}

const char *
wire_recv(struct wire *w, uint64_t deadline_ms, char *why, size_t size)
{
	const char	*frame;
	ssize_t		 n;
	int		 r;

	why[0] = '\0';
	for (;;) {
		if ((r = wire_next(w, &frame, why, size)) == 1)
			return frame;
		if (r == -1)
			return NULL;
		if (w->ssl == NULL || SSL_pending(w->ssl) == 0)
			if (wire_wait(w, POLLIN, deadline_ms) <= 0)
				return NULL;
		if ((n = wire_read_some(w)) <= 0) {
			snprintf(why, size, "gateway closed the connection");
			return NULL;
		}
	}
}
