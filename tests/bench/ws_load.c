/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * ws_load port token sockets seconds depth method [params]
 *
 * Connects so many WebSocket clients, keeps `depth` requests of each in
 * flight, and prints one JSON line: connects per second, requests per second,
 * and the latency at the median and the 99th percentile in microseconds.
 */
#include "common/compat.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/text.h"
#include "common/ws.h"

#define DEPTH_MAX	256
#define BUCKETS		200000	/* of one microsecond each */

struct conn {
	int		 fd;
	uint8_t		 in[65536];
	size_t		 n;
	uint64_t	 sent[DEPTH_MAX];
	size_t		 head, tail;
};

static uint8_t	 request[4096];
static size_t	 request_n;
static uint32_t	 histogram[BUCKETS];

static uint64_t
now_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
write_all(int fd, const void *p, size_t n)
{
	const char	*s = p;
	ssize_t		 r;

	while (n > 0) {
		if ((r = write(fd, s, n)) == -1)
			err(1, "write");
		s += r;
		n -= (size_t)r;
	}
}

static size_t
masked(uint8_t *out, const char *text)
{
	static const uint8_t	 mask[4] = { 9, 8, 7, 6 };
	size_t			 n = strlen(text), h;

	h = ws_header_encode(out, WS_OP_TEXT, true, n, mask);
	memcpy(out + h, text, n);
	ws_mask(out + h, n, mask, 0);
	return h + n;
}

/* Length of the first whole frame of the n bytes, 0 when there is none. */
static size_t
frame_length(const uint8_t *p, size_t n)
{
	size_t	 h = 2, len;

	if (n < 2)
		return 0;
	len = p[1] & 0x7f;
	if (len == 126) {
		if (n < 4)
			return 0;
		len = (size_t)p[2] << 8 | p[3];
		h = 4;
	} else if (len == 127) {
		if (n < 10)
			return 0;
		len = (size_t)p[6] << 24 | (size_t)p[7] << 16 |
		    (size_t)p[8] << 8 | p[9];
		h = 10;
	}
	return n < h + len ? 0 : h + len;
}

static bool
is_response(const uint8_t *p, size_t n)
{
	return memmem(p, n < 40 ? n : 40, "\"type\":\"res\"", 12) != NULL;
}

static void
client_open(struct conn *c, int port, const char *token)
{
	static const char	 upgrade[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1"
	    "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	struct sockaddr_in	 sin = { .sin_family = AF_INET };
	char			 text[1024];
	uint8_t			 out[1200];
	char			*end;
	size_t			 len;
	ssize_t			 r;
	int			 one = 1;
	bool			 joined = false, http = true;

	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 ||
	    connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	write_all(c->fd, upgrade, sizeof(upgrade) - 1);
	snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":\"c\",\"method\":"
	    "\"connect\",\"params\":{\"minProtocol\":3,\"maxProtocol\":3,"
	    "\"client\":{\"id\":\"test\",\"version\":\"1\",\"platform\":"
	    "\"linux\",\"mode\":\"cli\"},\"auth\":{\"token\":\"%s\"}}}",
	    token);
	while (!joined) {
		r = read(c->fd, c->in + c->n, sizeof(c->in) - c->n);
		if (r <= 0)
			errx(1, "closed before hello: %.*s", (int)c->n, c->in);
		c->n += (size_t)r;
		if (http) {
			if ((end = memmem(c->in, c->n, "\r\n\r\n", 4)) == NULL)
				continue;
			len = (size_t)((uint8_t *)end - c->in) + 4;
			c->n -= len;
			memmove(c->in, c->in + len, c->n);
			http = false;
			write_all(c->fd, out, masked(out, text));
		}
		while ((len = frame_length(c->in, c->n)) > 0) {
			if (is_response(c->in, len)) {
				if (memmem(c->in, len, "hello-ok", 8) == NULL)
					errx(1, "refused: %.*s", (int)len,
					    c->in);
				joined = true;
			}
			c->n -= len;
			memmove(c->in, c->in + len, c->n);
		}
	}
}

static void
ask(struct conn *c)
{
	c->sent[c->head++ % DEPTH_MAX] = now_us();
	write_all(c->fd, request, request_n);
}

static uint64_t
quantile(uint64_t total, double q)
{
	uint64_t	 want = (uint64_t)((double)total * q), sum = 0;
	size_t		 i;

	for (i = 0; i < BUCKETS; i++)
		if ((sum += histogram[i]) > want)
			return i;
	return BUCKETS;
}

int
main(int argc, char *argv[])
{
	struct epoll_event	 ev[256], e = { .events = EPOLLIN };
	struct conn		*conns;
	struct conn		*c;
	int64_t			 port, nconn, seconds, depth, k;
	uint64_t		 start, t, end, done = 0, opened;
	char			 text[3000];
	size_t			 len, pos;
	ssize_t			 r;
	int			 ep, i, n;

	if (argc < 7 || num_parse(str_of(argv[1]), 1, 65535, &port) == -1 ||
	    num_parse(str_of(argv[3]), 1, 100000, &nconn) == -1 ||
	    num_parse(str_of(argv[4]), 0, 3600, &seconds) == -1 ||
	    num_parse(str_of(argv[5]), 1, DEPTH_MAX, &depth) == -1)
		errx(2, "usage: ws_load port token sockets seconds depth "
		    "method [params]");
	snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":\"r\",\"method\":"
	    "\"%s\"%s%s}", argv[6], argc > 7 ? ",\"params\":" : "",
	    argc > 7 ? argv[7] : "");
	request_n = masked(request, text);
	if ((conns = calloc((size_t)nconn, sizeof(*conns))) == NULL ||
	    (ep = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "setup");
	start = now_us();
	for (k = 0; k < nconn; k++) {
		client_open(&conns[k], (int)port, argv[2]);
		fd_nonblock(conns[k].fd);
		e.data.ptr = &conns[k];
		epoll_ctl(ep, EPOLL_CTL_ADD, conns[k].fd, &e);
	}
	opened = now_us() - start;
	start = now_us();
	end = start + (uint64_t)seconds * 1000000;
	for (k = 0; k < nconn && seconds > 0; k++)
		for (i = 0; i < depth; i++)
			ask(&conns[k]);
	while ((t = now_us()) < end) {
		if ((n = epoll_wait(ep, ev, 256, 100)) == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			r = read(c->fd, c->in + c->n, sizeof(c->in) - c->n);
			if (r == -1 && errno == EAGAIN)
				continue;
			if (r <= 0)
				errx(1, "a client was closed");
			c->n += (size_t)r;
			t = now_us();
			for (pos = 0; (len = frame_length(c->in + pos,
			    c->n - pos)) > 0; pos += len) {
				if (!is_response(c->in + pos, len))
					continue;
				t -= c->sent[c->tail % DEPTH_MAX];
				histogram[t < BUCKETS ? t : BUCKETS - 1]++;
				t += c->sent[c->tail++ % DEPTH_MAX];
				done++;
				ask(c);
			}
			c->n -= pos;
			memmove(c->in, c->in + pos, c->n);
		}
	}
	t = now_us() - start;
	printf("{\"connects_per_s\":%.0f,\"requests_per_s\":%.0f,\"p50_us\":"
	    "%llu,\"p99_us\":%llu}\n", (double)nconn * 1e6 / (double)opened,
	    seconds > 0 ? (double)done * 1e6 / (double)t : 0.0,
	    (unsigned long long)quantile(done, 0.5),
	    (unsigned long long)quantile(done, 0.99));
	return 0;
}
