/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Load for a gateway on this machine: many WebSocket clients in one process.
 *
 *	load PORT TOKEN MODE CLIENTS SECONDS [DEPTH | RATE]
 *
 * MODE: state (last-heartbeat, DEPTH in flight per client), config
 * (config.get, likewise), routed
 * (chat.history of an empty session, DEPTH in flight), turns (agent, one in
 * flight per client), latency (agent at RATE a second over all clients; time
 * from sending to the first agent event), idle (connect, say so, wait for the
 * end of standard input).  Prints one line of name=value pairs.  Only 127.0.0.1.
 */
#include "common/compat.h"

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "common/dbuf.h"
#include "common/text.h"
#include "common/ws.h"

enum mode { MODE_STATE, MODE_ROUTED, MODE_TURNS, MODE_LATENCY, MODE_IDLE,
	MODE_CONFIG };

struct client {
	int			 fd;
	struct ws_reader	 reader;
	struct dbuf		 in, out;
	bool			 up, ready;
	unsigned int		 flying;
};

#define TURNS_EACH	20	/* turns of one session */
#define RING	65536		/* sent times of latency mode, by number */

static struct client	*clients;
static size_t		 nclients, nready;
static enum mode	 mode;
static const char	*token;
static uint64_t		 sent, answered, failures, events;
static uint64_t		 ring[RING];
static uint32_t		*samples;
static size_t		 nsamples, cap_samples;

static uint64_t
now_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
put_frame(struct client *c, const char *text, size_t n)
{
	static const uint8_t	 mask[4] = { 0, 0, 0, 0 };
	uint8_t			 head[WS_HEADER_MAX];
	size_t			 h;

	h = ws_header_encode(head, WS_OP_TEXT, true, n, mask);
	dbuf_put(&c->out, head, h);
	dbuf_put(&c->out, text, n);
}

static void
flush_out(struct client *c)
{
	ssize_t	 n;

	while (c->out.n > 0) {
		n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL |
		    MSG_DONTWAIT);
		if (n <= 0)
			return;
		dbuf_consume(&c->out, (size_t)n);
	}
}

static void
request(struct client *c, size_t index)
{
	char	 text[512];
	int	 n;

	sent++;
	if (mode == MODE_STATE || mode == MODE_CONFIG)
		n = snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":"
		    "\"%llu\",\"method\":\"%s\"}", (unsigned long long)sent,
		    mode == MODE_STATE ? "last-heartbeat" : "config.get");
	else if (mode == MODE_ROUTED)
		n = snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":"
		    "\"%llu\",\"method\":\"chat.history\",\"params\":{"
		    "\"sessionKey\":\"none-%zu\",\"limit\":1}}",
		    (unsigned long long)sent, index);
	else
		n = snprintf(text, sizeof(text), "{\"type\":\"req\",\"id\":"
		    "\"%llu\",\"method\":\"agent\",\"params\":{\"message\":"
		    "\"hello\",\"sessionKey\":\"bench%d-%zu-%llu\","
		    "\"idempotencyKey\":\"b%d-%llu\"}}",
		    /* A conversation of some length, not one without end that
		     * the next run goes on with: the model is told all of it
		     * each time. */
		    (unsigned long long)sent, (int)getpid(),
		    mode == MODE_LATENCY ? (size_t)(sent % 32) : index,
		    (unsigned long long)(sent / ((mode == MODE_LATENCY ? 32 :
		    nclients) * TURNS_EACH)), (int)getpid(),
		    (unsigned long long)sent);
	if (mode == MODE_LATENCY)
		ring[sent % RING] = now_us();
	c->flying++;
	put_frame(c, text, (size_t)n);
}

static void
sample(uint64_t us)
{
	if (nsamples == cap_samples) {
		cap_samples = cap_samples > 0 ? cap_samples * 2 : 4096;
		samples = reallocarray(samples, cap_samples,
		    sizeof(*samples));
		if (samples == NULL)
			exit(1);
	}
	samples[nsamples++] = (uint32_t)us;
}

static void
on_message(struct client *c, size_t index, struct str m)
{
	const char	*p;
	uint64_t	 k;

	if (!c->ready) {
		char	 text[512];
		int	 n;

		if (m.n < 400 &&
		    memmem(m.p, m.n, "connect.challenge", 17) != NULL) {
			n = snprintf(text, sizeof(text), "{\"type\":\"req\","
			    "\"id\":\"c\",\"method\":\"connect\",\"params\":{"
			    "\"minProtocol\":3,\"maxProtocol\":3,\"client\":{"
			    "\"id\":\"test\",\"version\":\"1\",\"platform\":"
			    "\"linux\",\"mode\":\"cli\"},\"auth\":{\"token\":"
			    "\"%s\"}}}", token);
			put_frame(c, text, (size_t)n);
		} else if (memmem(m.p, m.n, "hello-ok", 8) != NULL) {
			c->ready = true;
			nready++;
		} else {
			fprintf(stderr, "load: refused: %.*s\n", (int)m.n,
			    m.p);
			exit(1);
		}
		return;
	}
	if (m.n > 15 && memcmp(m.p, "{\"type\":\"event\"", 15) == 0) {
		events++;
		/* Every client sees it; the first to does the sum. */
		if (mode == MODE_LATENCY && index == 0 &&
		    memmem(m.p, m.n, "\"lifecycle\"", 11) != NULL &&
		    memmem(m.p, m.n, "\"start\"", 7) != NULL &&
		    (p = memmem(m.p, m.n, "\"runId\":\"b", 10)) != NULL &&
		    (p = memchr(p + 10, '-', 20)) != NULL) {
			k = strtoull(p + 1, NULL, 10);
			if (ring[k % RING] != 0)
				sample(now_us() - ring[k % RING]);
			ring[k % RING] = 0;
		}
		return;
	}
	if (memmem(m.p, m.n, "\"status\":\"accepted\"", 19) != NULL)
		return;
	if (memmem(m.p, m.n, "\"ok\":true", 9) == NULL) {
		if (failures++ == 0)
			fprintf(stderr, "load: %.*s\n", m.n > 300 ? 300 :
			    (int)m.n, m.p);
	}
	answered++;
	if (c->flying > 0)
		c->flying--;
}

static void
on_input(struct client *c, size_t index)
{
	static char	 buf[1 << 18];
	struct str	 data;
	ssize_t		 n;
	size_t		 used, at = 0;
	char		*end;
	enum ws_event	 ev;

	n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		fprintf(stderr, "load: the gateway closed client %zu\n",
		    index);
		exit(1);
	}
	if (dbuf_put(&c->in, buf, (size_t)n) == -1)
		exit(1);
	if (!c->up) {
		end = memmem(c->in.p, c->in.n, "\r\n\r\n", 4);
		if (end == NULL)
			return;
		if (strncmp(c->in.p, "HTTP/1.1 101", 12) != 0) {
			fprintf(stderr, "load: %.60s\n", c->in.p);
			exit(1);
		}
		at = (size_t)(end + 4 - c->in.p);
		c->up = true;
	}
	for (;;) {
		ev = ws_read(&c->reader, (uint8_t *)c->in.p + at,
		    c->in.n - at, &used, &data);
		if (ev == WS_MESSAGE)
			on_message(c, index, data);
		else if (ev == WS_CLOSE || ev == WS_ERROR) {
			fprintf(stderr, "load: closed %u %.*s\n",
			    c->reader.close_code, (int)data.n,
			    data.n > 0 ? data.p : "");
			exit(1);
		}
		at += used;
		if (ev == WS_MORE)
			break;
	}
	dbuf_consume(&c->in, at);
}

static void
open_client(struct client *c, uint16_t port, int ep, size_t index)
{
	struct sockaddr_in	 sin;
	struct epoll_event	 ev = { .events = EPOLLIN,
				    .data.u64 = index };
	static const char	 upgrade[] = "GET / HTTP/1.1\r\n"
	    "Host: 127.0.0.1\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
	int			 on = 1;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons(port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1 || connect(c->fd, (struct sockaddr *)&sin,
	    sizeof(sin)) == -1) {
		perror("load: connect");
		exit(1);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ws_reader_init(&c->reader, false, 16 << 20);
	dbuf_init(&c->in, 32 << 20);
	dbuf_init(&c->out, 32 << 20);
	dbuf_put(&c->out, upgrade, sizeof(upgrade) - 1);
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
	flush_out(c);
}

static int
cmp(const void *a, const void *b)
{
	uint32_t	 x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char *argv[])
{
	static const char *const names[] = { "state", "routed", "turns",
		"latency", "idle", "config" };
	struct epoll_event	 evs[256];
	struct rlimit		 rl;
	uint64_t		 begin, stop, now, due = 0, first;
	int64_t			 port, num, seconds, depth = 16;
	size_t			 i;
	int			 ep, n, k, timeout;

	if (argc < 6 || num_parse(str_of(argv[1]), 1, 65535, &port) == -1 ||
	    num_parse(str_of(argv[4]), 1, 100000, &num) == -1 ||
	    num_parse(str_of(argv[5]), 1, 600, &seconds) == -1 ||
	    (argc > 6 && num_parse(str_of(argv[6]), 1, 1000000, &depth) ==
	    -1)) {
		fprintf(stderr, "usage: load port token mode clients seconds "
		    "[depth | rate]\n");
		return 2;
	}
	token = argv[2];
	for (i = 0; i < 6 && strcmp(names[i], argv[3]) != 0; i++)
		;
	if (i == 6)
		return 2;
	mode = (enum mode)i;
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	nclients = (size_t)num;
	if ((clients = calloc(nclients, sizeof(*clients))) == NULL)
		return 1;
	ep = epoll_create1(EPOLL_CLOEXEC);
	first = now_us();
	for (i = 0; i < nclients; i++) {
		open_client(&clients[i], (uint16_t)port, ep, i);
		/* Not more at once than a listener's queue takes. */
		while (i + 1 - nready > 64 || (i + 1 == nclients &&
		    nready < nclients)) {
			n = epoll_wait(ep, evs, 256, 10000);
			if (n <= 0) {
				fprintf(stderr, "load: %zu of %zu clients "
				    "connected\n", nready, nclients);
				return 1;
			}
			for (k = 0; k < n; k++) {
				on_input(&clients[evs[k].data.u64],
				    evs[k].data.u64);
				flush_out(&clients[evs[k].data.u64]);
			}
		}
	}
	if (mode == MODE_IDLE) {
		printf("connected=%zu connect_us=%llu\n", nready,
		    (unsigned long long)(now_us() - first));
		fflush(stdout);
		for (;;) {	/* answers to nothing; only drains events */
			struct pollfd	 in = { STDIN_FILENO, POLLIN, 0 };

			if (poll(&in, 1, 50) > 0)
				return 0;
			while ((n = epoll_wait(ep, evs, 256, 0)) > 0)
				for (k = 0; k < n; k++)
					on_input(&clients[evs[k].data.u64],
					    evs[k].data.u64);
		}
	}
	begin = now_us();
	stop = begin + (uint64_t)seconds * 1000000;
	while ((now = now_us()) < stop) {
		timeout = 100;
		if (mode == MODE_LATENCY) {
			while (due * 1000000 / (uint64_t)depth <=
			    now - begin) {
				i = due++ % nclients;
				request(&clients[i], i);
				flush_out(&clients[i]);
			}
			timeout = 0;
		} else
			for (i = 0; i < nclients; i++) {
				while (clients[i].flying < (mode == MODE_TURNS ?
				    1 : (unsigned int)depth))
					request(&clients[i], i);
				flush_out(&clients[i]);
			}
		n = epoll_wait(ep, evs, 256, timeout);
		for (k = 0; k < n; k++)
			on_input(&clients[evs[k].data.u64], evs[k].data.u64);
	}
	now = now_us() - begin;
	printf("answered=%llu failed=%llu events=%llu per_second=%llu",
	    (unsigned long long)answered, (unsigned long long)failures,
	    (unsigned long long)events,
	    (unsigned long long)(answered * 1000000 / now));
	if (nsamples > 0) {
		qsort(samples, nsamples, sizeof(*samples), cmp);
		printf(" samples=%zu p50_us=%u p99_us=%u", nsamples,
		    samples[nsamples / 2], samples[nsamples * 99 / 100]);
	}
	printf("\n");
	return 0;
}
