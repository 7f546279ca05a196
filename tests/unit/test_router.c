/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The whole router in one process: its siblings are links whose other ends the
 * test holds, its clients are socket pairs.
 */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

/* --- siblings ------------------------------------------------------------------ */

struct got {
	struct got	*next;
	struct msg	 m;
	uint8_t		 payload[];
};

struct sibling {
	struct link	*near, *far;	/* router's end, ours */
	struct got	*first, **last;
	enum msg_err	 gone;		/* why the router dropped it */
	bool		 is_gone;
};

static struct event_base	*base;
static struct sibling		 front, store, logd, agent, work, chan, tool,
				 parent;
static struct got		*taken;

static enum msg_err
near_message(struct link *l, struct msg *m, void *arg)
{
	(void)arg;
	return link_peer(l) == ROLE_PARENT ? rt_worker.control(l, m) :
	    rt_worker.message(l, m);
}

static void
near_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct sibling	*s = arg;

	(void)type;
	s->is_gone = true;
	s->gone = why;
	s->near = NULL;
	if (link_peer(l) != ROLE_PARENT)
		rt_worker.peer_gone(l);
}

static enum msg_err
far_message(struct link *l, struct msg *m, void *arg)
{
	struct sibling	*s = arg;
	struct got	*g = calloc(1, sizeof(*g) + m->len);
	size_t		 i;

	(void)l;
	g->m = *m;
	memcpy(g->payload, m->payload, m->len);
	g->m.payload = g->payload;
	for (i = 0; i < m->nfds; i++)
		m->fds[i] = -1;		/* the copy has them */
	*s->last = g;
	s->last = &g->next;
	return MSG_OK;
}

static void
far_gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	struct sibling	*s = arg;

	(void)l;
	(void)why;
	(void)type;
	s->far = NULL;
}

static const struct link_ops near_ops = { near_message, near_gone, NULL };
static const struct link_ops far_ops = { far_message, far_gone, NULL };

static void
sibling_up(struct sibling *s, enum role role, const char *instance)
{
	int	 sv[2];

	memset(s, 0, sizeof(*s));
	s->last = &s->first;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    sv), 0);
	s->near = link_new(base, sv[0], ROLE_ROUTER, role, instance, 1,
	    &near_ops, s);
	s->far = link_new(base, sv[1], role, ROLE_ROUTER, "", 2, &far_ops, s);
	link_setstate(s->near, LINK_RUN);
	link_setstate(s->far, LINK_RUN);
	if (role != ROLE_PARENT)
		rt_worker.peer(s->near);
}

static void
pump(void)
{
	int	 i;

	for (i = 0; i < 6; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
wait_ms(int ms)
{
	uint64_t	 end = mono_ms() + (uint64_t)ms;

	while (mono_ms() < end) {
		usleep(2000);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	pump();
}

/* The next message of that type, or NULL; others before it are dropped. */
static struct msg *
take(struct sibling *s, uint16_t type)
{
	struct got	*g;

	pump();
	while ((g = s->first) != NULL) {
		if ((s->first = g->next) == NULL)
			s->last = &s->first;
		if (g->m.h.type == type) {
			if (taken != NULL) {
				msg_clear(&taken->m);
				free(taken);
			}
			taken = g;
			return &g->m;
		}
		msg_clear(&g->m);
		free(g);
	}
	return NULL;
}

static void
sibling_down(struct sibling *s)
{
	if (s->far != NULL)
		link_free(s->far);
	s->far = NULL;
	take(s, 0);	/* forget what it was sent */
}

static int
setup(void **state)
{
	struct parcel_writer	*w = parcel_writer_new();
	struct parcel		*p;
	char			 why[256] = "";

	(void)state;
	log_setlevel(LOG_LEVEL_ERROR);
	base = event_base_new();
	parcel_puts(w, "main", "agent.0.id");
	parcel_puts(w, "true", "agent.0.default");
	parcel_puts(w, "work", "agent.1.id");
	parcel_puts(w, "Work", "agent.1.name");
	parcel_puts(w, "telegram", "channel.0.kind");
	parcel_puts(w, "default", "channel.0.account");
	parcel_puts(w, "Telegram", "channel.0.label");
	parcel_puts(w, "telegram", "channel.1.kind");
	parcel_puts(w, "biz", "channel.1.account");
	parcel_puts(w, "work", "binding.0.agent");
	parcel_puts(w, "telegram", "binding.0.channel");
	parcel_puts(w, "biz", "binding.0.account");
	parcel_puts(w, "/secret/openclaw.json", "paths.config");
	parcel_puts(w, "/secret", "paths.state");
	parcel_puts(w, "{\"path\":\"/c\",\"exists\":true}", "json.config");
	parcel_puts(w, "[{\"id\":\"assistant\"}]", "json.models");
	p = parcel_open(parcel_writer_seal(w));
	assert_non_null(p);
	assert_int_equal(rt_worker.configure(p, false, why, sizeof(why)), 0);
	parcel_close(p);
	sibling_up(&parent, ROLE_PARENT, "");
	assert_int_equal(rt_start(base, parent.near), 0);
	sibling_up(&front, ROLE_FRONT, "");
	sibling_up(&store, ROLE_STORE, "");
	sibling_up(&logd, ROLE_LOG, "");
	sibling_up(&agent, ROLE_AGENT, "main");
	sibling_up(&work, ROLE_AGENT, "work");
	sibling_up(&tool, ROLE_TOOL, "main");
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	pump();
	return 0;
}

/* --- clients ------------------------------------------------------------------- */

static bool	want_presence;

struct peer {
	int		 fd;
	struct dbuf	 in;
	bool		 line;
};

static void
peer_read(struct peer *p)
{
	char	 buf[65536];
	ssize_t	 n;

	pump();
	while ((n = recv(p->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		dbuf_put(&p->in, buf, (size_t)n);
		pump();
	}
}

/* The next text frame or line; NULL when there is none. */
static const char *
frame(struct peer *p)
{
	static char	*text;
	uint8_t		*b;
	size_t		 n, h;
	char		*nl;

	peer_read(p);
again:
	if (p->line) {
		if (p->in.n == 0 || (nl = memchr(p->in.p, '\n',
		    p->in.n)) == NULL)
			return NULL;
		n = (size_t)(nl - p->in.p);
		free(text);
		text = strndup(p->in.p, n);
		dbuf_consume(&p->in, n + 1);
		return text;
	}
	b = (uint8_t *)p->in.p;
	if (p->in.n < 2)
		return NULL;
	assert_int_equal(b[1] & 0x80, 0);
	n = b[1];
	h = 2;
	if (n == 126) {
		n = (size_t)b[2] << 8 | b[3];
		h = 4;
	} else if (n == 127) {
		n = (size_t)b[6] << 24 | (size_t)b[7] << 16 |
		    (size_t)b[8] << 8 | b[9];
		h = 10;
	}
	if (p->in.n < h + n)
		return NULL;
	free(text);
	text = NULL;
	if (b[0] == 0x88) {
		text = malloc(n + 32);
		snprintf(text, n + 32, "close %u %.*s", n >= 2 ?
		    b[h] << 8 | b[h + 1] : 1005, n > 2 ? (int)n - 2 : 0,
		    (char *)b + h + 2);
	} else if (b[0] == 0x8a) {
		text = malloc(n + 32);
		snprintf(text, n + 32, "pong %.*s", (int)n, (char *)b + h);
	} else {
		assert_int_equal(b[0], 0x81);
		text = strndup((char *)b + h, n);
	}
	dbuf_consume(&p->in, h + n);
	if (strncmp(text, "{\"type\":\"event\",\"event\":\"health\"", 32) == 0)
		goto again;	/* when it comes is not of interest */
	if (!want_presence && strncmp(text,
	    "{\"type\":\"event\",\"event\":\"presence\"", 34) == 0)
		goto again;
	return text;
}

static bool
at_end(struct peer *p)
{
	char	 c;

	peer_read(p);
	return recv(p->fd, &c, 1, MSG_DONTWAIT) == 0;
}

static size_t
ws_frame(uint8_t *out, int first, const void *text, size_t n)
{
	static const uint8_t	 mask[4] = { 1, 2, 3, 4 };
	size_t			 h = 2;

	out[0] = (uint8_t)first;
	if (n < 126)
		out[1] = (uint8_t)(0x80 | n);
	else if (n < 65536) {
		out[1] = 0x80 | 126;
		out[2] = (uint8_t)(n >> 8);
		out[3] = (uint8_t)n;
		h = 4;
	} else {
		memset(out + 1, 0, 9);
		out[1] = 0x80 | 127;
		out[6] = (uint8_t)(n >> 24);
		out[7] = (uint8_t)(n >> 16);
		out[8] = (uint8_t)(n >> 8);
		out[9] = (uint8_t)n;
		h = 10;
	}
	memcpy(out + h, mask, 4);
	h += 4;
	memcpy(out + h, text, n);
	ws_mask(out + h, n, mask, 0);
	return h + n;
}

static void
send_all(int fd, const void *p, size_t n)
{
	const char	*s = p;
	ssize_t		 r;

	while (n > 0) {
		r = send(fd, s, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r == -1 && errno == EAGAIN) {
			pump();
			continue;
		}
		if (r <= 0)
			return;
		s += r;
		n -= (size_t)r;
	}
	pump();
}

static void
say(struct peer *p, const char *text)
{
	size_t	 n = strlen(text);
	uint8_t	*out;

	if (p->line) {
		send_all(p->fd, text, n);
		send_all(p->fd, "\n", 1);
		return;
	}
	out = malloc(n + 16);
	n = ws_frame(out, 0x81, text, n);
	send_all(p->fd, out, n);
	free(out);
}

static uint64_t	 last_ticket = 1000;

static struct m_auth_ticket
ticket(const char *scopes)
{
	struct m_auth_ticket	 t;

	memset(&t, 0, sizeof(t));
	t.ticket = ++last_ticket;
	t.protocol = 3;
	t.client_id = STR_LIT("test");
	t.client_mode = STR_LIT("ui");
	t.version = STR_LIT("1");
	t.platform = STR_LIT("linux");
	t.scopes = str_of(scopes);
	t.remote = STR_LIT("192.0.2.7");
	return t;
}

static void
hand_over(struct peer *p, uint64_t number, const char *unread, size_t n)
{
	struct m_client_handoff	 h;
	int			 sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	memset(p, 0, sizeof(*p));
	dbuf_init(&p->in, 64u << 20);
	p->fd = sv[0];
	memset(&h, 0, sizeof(h));
	h.ticket = number;
	h.request_id = STR_LIT("\"c\\\"1\"");
	h.unread = (struct str){ unread, n };
	assert_int_equal(link_send_fds(front.far, MSG_CLIENT_HANDOFF, &h, 0, 0,
	    &sv[1], 1), 0);
	pump();
}

static void
join(struct peer *p, const char *scopes)
{
	struct m_auth_ticket	 t = ticket(scopes);

	assert_int_equal(send_auth_ticket(store.far, &t, 0, 0), 0);
	pump();
	hand_over(p, t.ticket, NULL, 0);
	assert_non_null(strstr(frame(p), "\"type\":\"hello-ok\""));
}

static void
leave(struct peer *p)
{
	close(p->fd);
	dbuf_clear(&p->in);
	pump();
}

static void
expect(struct peer *p, const char *want)
{
	const char	*f = frame(p);

	if (f == NULL || strstr(f, want) == NULL)
		fail_msg("wanted %s\n   got %s", want, f);
}

#define ADMIN "operator.admin"

/* --- tests --------------------------------------------------------------------- */

static void
test_hello(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p;
	struct skim_frame	 f;
	struct skim_val		 payload, v, w;
	const char		*s;

	(void)state;
	t.device_id = STR_LIT("abcd");
	t.device_token = STR_LIT("0123");
	t.issued_at = 7;
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	s = frame(&p);
	assert_int_equal(skim_frame(s, strlen(s), &f), SKIM_OK);
	assert_true(skim_is(&f.id, "c\"1"));
	assert_true(skim_get(&f.root, "payload", &payload));
	assert_true(skim_get(&payload, "protocol", &v));
	assert_memory_equal(v.p, "3", v.n);
	assert_true(skim_get(&payload, "auth", &v));
	assert_true(skim_get(&v, "deviceToken", &w));
	assert_true(skim_is(&w, "0123"));
	assert_true(skim_get(&v, "issuedAtMs", &w));
	assert_true(skim_get(&payload, "policy", &v));
	assert_memory_equal(v.p, "{\"maxPayload\":524288,\"maxBufferedBytes\":"
	    "1572864,\"tickIntervalMs\":30000}", v.n);
	assert_true(skim_get(&payload, "snapshot", &v));
	assert_true(skim_get(&v, "sessionDefaults", &w));
	assert_memory_equal(w.p, "{\"defaultAgentId\":\"main\",\"mainKey\":"
	    "\"main\",\"mainSessionKey\":\"agent:main:main\",\"scope\":"
	    "\"per-sender\"}", w.n);
	assert_true(skim_get(&v, "configPath", &w));
	assert_non_null(strstr(s, "\"health\",\"status\",\"logs.tail\""));
	assert_null(strstr(s, "\"cron.list\""));
	assert_non_null(strstr(s, "\"connect.challenge\",\"agent\",\"chat\""));
	leave(&p);
}

static void
test_T15_low_scope_hello(void **state)
{
	struct m_auth_ticket	 t = ticket("");
	struct peer		 p;
	const char		*s;

	(void)state;
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	s = frame(&p);
	assert_null(strstr(s, "/secret"));
	assert_null(strstr(s, "192.0.2.7"));
	assert_non_null(strstr(s, "\"presence\":[]"));
	assert_non_null(strstr(s, "\"health\":{}"));
	leave(&p);
}

static void
test_T05_no_ticket_no_client(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p, q;

	(void)state;
	/* the hand-over may come first, and waits a moment */
	hand_over(&p, t.ticket, NULL, 0);
	assert_null(frame(&p));
	send_auth_ticket(store.far, &t, 0, 0);
	expect(&p, "hello-ok");
	/* a ticket is good once */
	hand_over(&q, t.ticket, NULL, 0);
	assert_null(frame(&q));
	rt_tickets_sweep(mono_ms() + 60000);
	assert_true(at_end(&q));
	leave(&q);
	/* and not for ever */
	t = ticket(ADMIN);
	send_auth_ticket(store.far, &t, 0, 0);
	pump();
	rt_tickets_sweep(mono_ms() + 60000);
	hand_over(&q, t.ticket, NULL, 0);
	assert_null(frame(&q));
	rt_tickets_sweep(mono_ms() + 60000);
	assert_true(at_end(&q));
	leave(&q);
	leave(&p);
}

static void
test_unread_bytes(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p;
	static const char	 text[] = "{\"type\":\"req\",\"id\":\"1\","
				    "\"method\":\"last-heartbeat\"}";
	uint8_t			 buf[256];
	size_t			 n;

	(void)state;
	n = ws_frame(buf, 0x81, text, sizeof(text) - 1);
	n += ws_frame(buf + n, 0x81, text, sizeof(text) - 1) - 5;
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, (char *)buf, n);
	expect(&p, "hello-ok");
	expect(&p, "{\"type\":\"res\",\"id\":\"1\",\"ok\":true,\"payload\":"
	    "null}");
	assert_null(frame(&p));
	send_all(p.fd, buf + n, 5);
	expect(&p, "null");
	leave(&p);
}

static void
test_local_methods(void **state)
{
	static const char *const t[][2] = {
		{ "health", "\"payload\":{\"ok\":true,\"ts\":" },
		{ "status", "\"defaultAgentId\":\"main\"" },
		{ "channels.status", "\"channelOrder\":[\"telegram\"]" },
		{ "config.get", "\"payload\":{\"path\":\"/c\",\"exists\":true}}" },
		{ "models.list", "{\"models\":[{\"id\":\"assistant\"}]}" },
		{ "agents.list", "\"payload\":{\"agents\":[]}}" },
		{ "system-presence", "\"mode\":\"gateway\"" },
		{ "last-heartbeat", "\"ok\":true,\"payload\":null}" },
	};
	struct skim_frame	 f;
	struct peer		 p;
	char			 buf[128];
	const char		*s;
	size_t			 i;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(buf, sizeof(buf), "{\"type\":\"req\",\"id\":\"x\","
		    "\"method\":\"%s\"}", t[i][0]);
		say(&p, buf);
		s = frame(&p);
		if (s == NULL || strstr(s, t[i][1]) == NULL)
			fail_msg("%s: %s", t[i][0], s);
		assert_int_equal(skim_frame(s, strlen(s), &f), SKIM_OK);
	}
	leave(&p);
}

static void
test_malformed(void **state)
{
	static const char *const t[][2] = {
		{ "not json", NULL },
		{ "{\"type\":\"req\"", NULL },
		{ "[]", "\"id\":\"invalid\",\"ok\":false,\"error\":{\"code\":"
		    "\"INVALID_REQUEST\",\"message\":\"invalid request frame: "
		    "must be object\"}" },
		{ "{\"id\":\"7\"}", "\"id\":\"7\",\"ok\":false" },
		{ "{\"id\":7,\"type\":\"req\",\"method\":\"health\"}",
		    "\"id\":7,\"ok\":false,\"error\":{\"code\":"
		    "\"INVALID_REQUEST\",\"message\":\"invalid request frame: "
		    "at /id: must be string\"}" },
		{ "{\"type\":\"event\",\"event\":\"x\"}", "invalid request "
		    "frame: at root: unexpected property 'event'" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"connect\"}",
		    "\"connect is only valid as the first request\"" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"no.such\"}",
		    "\"unknown method: no.such\"" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"cron.list\"}",
		    "\"unknown method: cron.list\"" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":"
		    "\"chat.history\"}", "\"invalid chat.history params: must "
		    "have required property 'sessionKey'\"" },
		{ "{\"type\":\"req\",\"id\":\"\\u0000\",\"method\":"
		    "\"last-heartbeat\"}", "\"id\":\"\\ufffd\",\"ok\":true" },
	};
	struct peer	 p;
	const char	*s;
	size_t		 i;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		say(&p, t[i][0]);
		s = frame(&p);
		if (t[i][1] == NULL ? s != NULL :
		    s == NULL || strstr(s, t[i][1]) == NULL)
			fail_msg("%s\n%s", t[i][0], s);
	}
	leave(&p);
}

static void
test_T47_hostile_frames(void **state)
{
	struct peer	 p, good;
	char		*big = malloc(600000);
	uint8_t		 head[16];

	(void)state;
	join(&good, ADMIN);
	join(&p, ADMIN);
	memset(big, '[', 100000);
	strlcpy(big, "{\"type\":\"req\",\"id\":\"d\",\"method\":\"health\","
	    "\"params\":", 600000);
	big[strlen(big)] = '[';
	big[100000] = '\0';
	say(&p, big);
	expect(&p, "\"id\":\"d\",\"ok\":false,\"error\":{\"code\":"
	    "\"INVALID_REQUEST\",\"message\":\"invalid request frame: nesting "
	    "too deep\"}");
	/* announced 100 MB: refused at the head */
	memcpy(head, "\x81\xff\0\0\0\0\x06\0\0\0\1\2\3\4", 14);
	send_all(p.fd, head, 14);
	expect(&p, "close 1009 ");
	wait_ms(5);
	leave(&p);

	join(&p, ADMIN);
	memset(big, 'x', 524289);
	big[524289] = '\0';
	say(&p, big);
	expect(&p, "close 1009 ");
	leave(&p);

	join(&p, ADMIN);
	say(&p, "{\"a\":\"\xff\"}");
	expect(&p, "close 1007 ");
	leave(&p);

	join(&p, ADMIN);
	send_all(p.fd, "\x81\x02hi", 4);	/* not masked */
	expect(&p, "close 1002 ");
	leave(&p);

	say(&good, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	while (strstr(frame(&good), "\"id\":\"1\",\"ok\":true") == NULL)
		;
	leave(&good);
	free(big);
}

static void
test_fragments_and_ping(void **state)
{
	static const char a[] = "{\"type\":\"req\",\"id\":\"1\",";
	static const char b[] = "\"method\":\"last-heartbeat\"}";
	struct peer	 p;
	uint8_t		 buf[256];
	size_t		 n, i;

	(void)state;
	join(&p, ADMIN);
	n = ws_frame(buf, 0x01, a, sizeof(a) - 1);
	n += ws_frame(buf + n, 0x89, "hi", 2);
	n += ws_frame(buf + n, 0x00, b, 5);
	n += ws_frame(buf + n, 0x80, b + 5, sizeof(b) - 6);
	for (i = 0; i < n; i++)
		send_all(p.fd, buf + i, 1);
	expect(&p, "pong hi");
	expect(&p, "\"id\":\"1\",\"ok\":true,\"payload\":null");
	/* binary is read as text */
	n = ws_frame(buf, 0x82, "{\"type\":\"req\",\"id\":\"2\",\"method\":"
	    "\"last-heartbeat\"}", 49);
	send_all(p.fd, buf, n);
	expect(&p, "\"id\":\"2\"");
	n = ws_frame(buf, 0x88, "\x03\xe8", 2);
	send_all(p.fd, buf, n);
	expect(&p, "close 1000");
	assert_true(at_end(&p));
	leave(&p);
}

static void
test_pipelined(void **state)
{
	struct peer	 p;
	struct dbuf	 b;
	uint8_t		 f[128];
	char		 t[96];
	int		 i;

	(void)state;
	join(&p, ADMIN);
	dbuf_init(&b, 1 << 20);
	for (i = 0; i < 2000; i++) {
		snprintf(t, sizeof(t), "{\"type\":\"req\",\"id\":\"%d\","
		    "\"method\":\"last-heartbeat\"}", i);
		dbuf_put(&b, f, ws_frame(f, 0x81, t, strlen(t)));
	}
	send_all(p.fd, b.p, b.n);
	for (i = 0; i < 2000; i++) {
		snprintf(t, sizeof(t), "\"id\":\"%d\"", i);
		expect(&p, t);
	}
	dbuf_clear(&b);
	leave(&p);
}

static void
test_R02_asks_but_does_not_read(void **state)
{
	struct peer	 p;
	struct dbuf	 b;
	uint8_t		 f[128];
	int		 i, n = 0;
	static const char t[] = "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"status\"}";

	(void)state;
	join(&p, ADMIN);
	dbuf_init(&b, 1 << 20);
	for (i = 0; i < 8000; i++)
		dbuf_put(&b, f, ws_frame(f, 0x81, t, sizeof(t) - 1));
	/* without reading: the router stops serving at its mark */
	for (i = 0; (size_t)i < b.n;) {
		ssize_t r = send(p.fd, b.p + i, b.n - (size_t)i,
		    MSG_DONTWAIT);
		pump();
		if (r > 0)
			i += (int)r;
		else if (++n > 50)
			break;
	}
	assert_true(rt_client_backlog(TAILQ_LAST(&rt_clients, client_list)) <
	    2 * RT_MAX_BUFFERED);
	/* and serves all of it when it is read */
	for (n = 0; n < 8000; n++) {
		if ((size_t)i < b.n) {
			ssize_t r = send(p.fd, b.p + i, b.n - (size_t)i,
			    MSG_DONTWAIT);
			if (r > 0)
				i += (int)r;
		}
		expect(&p, "\"id\":\"1\",\"ok\":true");
	}
	dbuf_clear(&b);
	leave(&p);
}

static void
test_T05_scopes(void **state)
{
	struct peer	 p;

	(void)state;
	join(&p, "operator.read");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"config.get\"}");
	expect(&p, "missing scope: operator.admin");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"nope\"}");
	expect(&p, "missing scope: operator.admin");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"chat.send\"}");
	expect(&p, "missing scope: operator.write");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"gateway.stop\"}");
	expect(&p, "missing scope: operator.admin");
	assert_null(take(&parent, MSG_SUP_REQ));
	leave(&p);
}

static void
turn_ack(struct sibling *s, uint64_t corr, struct str run, enum turn_status st,
    const char *code, const char *reason)
{
	struct m_ag_turn_ack	 a;

	memset(&a, 0, sizeof(a));
	a.run_id = run;
	a.status = (uint8_t)st;
	a.accepted_at = 42;
	a.code = str_of(code);
	a.reason = str_of(reason);
	assert_int_equal(send_ag_turn_ack(s->far, &a, corr, MSG_F_REPLY), 0);
	pump();
}

static void
run_end(struct sibling *s, const char *run, enum run_status st,
    const char *summary, const char *result)
{
	struct m_ag_run_end	 e;

	memset(&e, 0, sizeof(e));
	e.run_id = str_of(run);
	e.status = (uint8_t)st;
	e.summary = str_of(summary);
	e.result = str_of(result);
	assert_int_equal(send_ag_run_end(s->far, &e, 0, 0), 0);
	pump();
}

static void
test_agent_answers_twice(void **state)
{
	static const char req[] = "{\"type\":\"req\",\"id\":\"a1\",\"method\":"
	    "\"agent\",\"params\":{\"message\":\"h\\u00e9\\n\","
	    "\"idempotencyKey\":\"k1\",\"sessionKey\":\"main\",\"thinking\":"
	    "\"low\",\"timeout\":5}}";
	struct m_ag_turn	 t;
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, req);
	m = take(&agent, MSG_AG_TURN);
	assert_non_null(m);
	assert_int_equal(get_ag_turn(m, &t), MSG_OK);
	assert_true(str_eqs(t.run_id, "k1"));
	assert_true(str_eqs(t.session_key, "main"));
	assert_true(str_eqs(t.text, "h\xc3\xa9\n"));
	assert_true(str_eqs(t.dedupe_key, "agent:k1"));
	assert_true(str_eqs(t.options, "{\"thinking\":\"low\",\"timeout\":5}"));
	assert_int_equal(t.source, TURN_AGENT);
	assert_null(frame(&p));
	/* a repeat meanwhile is accepted and starts nothing */
	say(&p, req);
	expect(&p, "\"status\":\"accepted\"");
	assert_null(take(&agent, MSG_AG_TURN));
	turn_ack(&agent, m->h.corr, STR_LIT("k1"), TURN_ACCEPTED, "", "");
	expect(&p, "{\"type\":\"res\",\"id\":\"a1\",\"ok\":true,\"payload\":"
	    "{\"runId\":\"k1\",\"status\":\"accepted\",\"acceptedAt\":42}}");
	run_end(&agent, "k1", RUN_OK, "", "{\"payloads\":[]}");
	expect(&p, "{\"type\":\"res\",\"id\":\"a1\",\"ok\":true,\"payload\":"
	    "{\"runId\":\"k1\",\"status\":\"ok\",\"summary\":\"completed\","
	    "\"result\":{\"payloads\":[]}}}");
	/* afterwards only the last answer */
	say(&p, req);
	expect(&p, "\"status\":\"ok\",\"summary\":\"completed\"");
	assert_null(frame(&p));
	assert_null(take(&agent, MSG_AG_TURN));
	leave(&p);
	/* and after five minutes it is asked again; agentd still knows */
	rt_runs_sweep(mono_ms() + RT_CACHE_MS + 1);
	join(&p, ADMIN);
	say(&p, req);
	m = take(&agent, MSG_AG_TURN);
	assert_non_null(m);
	turn_ack(&agent, m->h.corr, STR_LIT("k1"), TURN_DUPLICATE, "done", "");
	assert_null(frame(&p));
	run_end(&agent, "k1", RUN_ERROR, "boom", "");
	expect(&p, "\"id\":\"a1\",\"ok\":false,\"payload\":{\"runId\":\"k1\","
	    "\"status\":\"error\",\"summary\":\"boom\"},\"error\":{\"code\":"
	    "\"UNAVAILABLE\",\"message\":\"boom\"}");
	leave(&p);
}

static void
test_agent_refusals(void **state)
{
	static const char *const t[][2] = {
		{ "\"agentId\":\"nope\"", "invalid agent params: unknown agent "
		    "id \\\"nope\\\"" },
		{ "\"agentId\":\"work\",\"sessionKey\":\"agent:main:x\"",
		    "agent \\\"work\\\" does not match session key agent "
		    "\\\"main\\\"" },
		{ "\"sessionKey\":\"agent:zzz:x\"", "unknown agent id" },
		{ "\"channel\":\"pigeon\"", "unknown channel: pigeon" },
		{ "\"attachments\":[{\"content\":\"AA==\"}]",
		    "attachments are not supported" },
	};
	struct peer	 p;
	char		 buf[512];
	size_t		 i;

	(void)state;
	join(&p, ADMIN);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(buf, sizeof(buf), "{\"type\":\"req\",\"id\":\"1\","
		    "\"method\":\"agent\",\"params\":{\"message\":\"m\","
		    "\"idempotencyKey\":\"r%zu\",%s}}", i, t[i][0]);
		say(&p, buf);
		expect(&p, t[i][1]);
	}
	assert_null(take(&agent, MSG_AG_TURN));
	/* the named agent gets it under its own main session */
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"agent\",\"params\":"
	    "{\"message\":\"m\",\"idempotencyKey\":\"w\",\"agentId\":"
	    "\"work\"}}");
	assert_non_null(take(&work, MSG_AG_TURN));
	leave(&p);
}

static void
test_chat_send(void **state)
{
	static const char req[] = "{\"type\":\"req\",\"id\":\"s\",\"method\":"
	    "\"chat.send\",\"params\":{\"message\":\"hi\",\"idempotencyKey\":"
	    "\"ck\",\"sessionKey\":\"agent:work:main\"}}";
	struct peer	 p;
	struct msg	*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\" \",\"idempotencyKey\":\"e\","
	    "\"sessionKey\":\"main\"}}");
	expect(&p, "message or attachment required");
	say(&p, req);
	m = take(&work, MSG_AG_TURN);
	assert_non_null(m);
	turn_ack(&work, m->h.corr, STR_LIT("ck"), TURN_QUEUED, "", "");
	expect(&p, "{\"runId\":\"ck\",\"status\":\"started\"}");
	say(&p, req);
	expect(&p, "{\"runId\":\"ck\",\"status\":\"in_flight\"}");
	run_end(&work, "ck", RUN_OK, "", "");
	assert_null(frame(&p));
	say(&p, req);
	expect(&p, "{\"runId\":\"ck\",\"status\":\"ok\"}");
	/* stop words: the agent's answer is the answer, and is not kept */
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"stop\",\"idempotencyKey\":\"st\","
	    "\"sessionKey\":\"main\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("st"), TURN_ACCEPTED, "RESULT",
	    "{\"ok\":true,\"aborted\":false,\"runIds\":[]}");
	expect(&p, "\"payload\":{\"ok\":true,\"aborted\":false,\"runIds\":"
	    "[]}}");
	/* refused */
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"x\",\"idempotencyKey\":\"rf\","
	    "\"sessionKey\":\"main\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("rf"), TURN_REFUSED,
	    "INVALID_REQUEST", "send blocked by session policy");
	expect(&p, "\"code\":\"INVALID_REQUEST\",\"message\":\"send blocked");
	leave(&p);
}

static void
ag_event(struct sibling *s, enum gw_event ev, bool droppable, const char *run,
    const char *payload, size_t n)
{
	struct m_ag_event	 e;

	memset(&e, 0, sizeof(e));
	e.event = (uint8_t)ev;
	e.droppable = droppable;
	e.run_id = str_of(run);
	e.payload = (struct str){ payload, n };
	assert_int_equal(send_ag_event(s->far, &e, 0, 0), 0);
	pump();
}

static void
test_fan_out(void **state)
{
	struct peer	 a, b, c;
	char		*big = malloc(30001);
	int		 i;

	(void)state;
	join(&a, ADMIN);
	join(&b, "operator.read");
	ag_event(&agent, EVENT_CHAT, true, "r1", "{\"n\":1}", 7);
	/* seq is per socket; health events took numbers before it or not */
	expect(&a, "\"payload\":{\"n\":1}}");
	expect(&b, "\"payload\":{\"n\":1}}");
	join(&c, ADMIN);
	wait_ms(50);
	frame(&c);
	/* a large payload is shared */
	memset(big, 'y', 30000);
	memcpy(big, "{\"t\":\"", 6);
	memcpy(big + 29998, "\"}", 3);
	for (i = 0; i < 3; i++)
		ag_event(&agent, EVENT_AGENT, false, "r1", big, 30000);
	for (i = 0; i < 3; i++) {
		expect(&a, big);
		expect(&b, big);
		expect(&c, big);
	}
	leave(&a);
	leave(&b);
	leave(&c);
	free(big);
}

static uint64_t
seq_of(const char *s)
{
	const char	*q = strstr(s, "\"seq\":");

	return q == NULL ? 0 : strtoull(q + 6, NULL, 10);
}

static void
test_seq(void **state)
{
	struct peer	 a;
	const char	*s;
	uint64_t	 last = 0, n;
	int		 i;

	(void)state;
	join(&a, ADMIN);
	wait_ms(30);
	for (i = 0; i < 20; i++)
		ag_event(&agent, EVENT_AGENT, false, "r", "{}", 2);
	for (i = 0; i < 20; i++) {
		assert_non_null(s = frame(&a));
		n = seq_of(s);
		/* health events, which frame() drops, may stand between */
		assert_true(n > last && n <= last + 4);
		last = n;
	}
	leave(&a);
}

static void
test_slow_consumer(void **state)
{
	struct peer	 slow, good;
	char		*big = malloc(1 << 16);
	uint64_t	 last = 0, n;
	const char	*s;
	bool		 gap = false;
	int		 i;

	(void)state;
	join(&slow, ADMIN);
	join(&good, ADMIN);
	memset(big, 'z', 60000);
	memcpy(big, "{\"t\":\"", 6);
	memcpy(big + 59998, "\"}", 2);
	for (i = 0; i < 60; i++) {
		ag_event(&agent, EVENT_CHAT, true, "r", big, 60000);
		expect(&good, "\"event\":\"chat\"");
	}
	assert_true(rt.drops > 0);
	/* what was left out took its number */
	while ((s = frame(&slow)) != NULL) {
		n = seq_of(s);
		assert_true(n > last);
		last = n;
	}
	ag_event(&agent, EVENT_CHAT, true, "r", "{}", 2);
	assert_non_null(s = frame(&slow));
	gap = seq_of(s) > last + 4;
	assert_true(gap);
	/* what may not be dropped ends it */
	for (i = 0; i < 60; i++) {
		ag_event(&agent, EVENT_CHAT, false, "r", big, 60000);
		expect(&good, "\"event\":\"chat\"");
	}
	while ((s = frame(&slow)) != NULL && strncmp(s, "close", 5) != 0)
		;
	assert_non_null(s);
	assert_string_equal(s, "close 1008 slow consumer");
	leave(&slow);
	leave(&good);
	free(big);
}

static void
test_T26_forged_events(void **state)
{
	static const struct { enum gw_event ev; const char *payload; } bad[] = {
		{ EVENT_CHAT, "{},\"event\":\"exec.approval.requested\"" },
		{ EVENT_CHAT, "" }, { EVENT_CHAT, "[]" },
		{ EVENT_CHAT, "{\"a\":\"\xff\"}" },
		{ EVENT_PRESENCE, "{}" }, { EVENT_SHUTDOWN, "{}" },
		{ EVENT_EXEC_APPROVAL_REQUESTED, "{}" },
	};
	struct peer	 p;
	struct msg	*m;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ag_event(&work, bad[i].ev, false, "r", bad[i].payload,
		    strlen(bad[i].payload));
		assert_true(work.is_gone);
		assert_int_equal(work.gone, MSG_MEANING);
		sibling_down(&work);
		sibling_up(&work, ROLE_AGENT, "work");
	}
	/* one agent may not speak of another's run */
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"s\",\"method\":\"chat.send\","
	    "\"params\":{\"message\":\"x\",\"idempotencyKey\":\"mine\","
	    "\"sessionKey\":\"main\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("mine"), TURN_ACCEPTED, "", "");
	expect(&p, "started");
	ag_event(&work, EVENT_CHAT, false, "mine", "{}", 2);
	assert_int_equal(work.gone, MSG_MEANING);
	sibling_down(&work);
	sibling_up(&work, ROLE_AGENT, "work");
	run_end(&work, "mine", RUN_OK, "", "");
	assert_int_equal(work.gone, MSG_MEANING);
	sibling_down(&work);
	sibling_up(&work, ROLE_AGENT, "work");
	assert_null(frame(&p));
	leave(&p);
}

static void
test_forwarded(void **state)
{
	struct m_rpc_req	 q;
	struct m_rpc_res	 r;
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"h\",\"method\":\"chat.history\","
	    "\"params\":{\"sessionKey\":\"agent:work:main\",\"limit\":3.0}}");
	m = take(&work, MSG_RPC_REQ);
	assert_non_null(m);
	assert_int_equal(get_rpc_req(m, &q), MSG_OK);
	assert_true(str_eqs(q.method, "chat.history"));
	assert_true(str_eqs(q.params, "{\"sessionKey\":\"agent:work:main\","
	    "\"limit\":3.0}"));
	assert_int_equal(q.scopes, SCOPE_ADMIN);
	memset(&r, 0, sizeof(r));
	r.ok = 1;
	r.result = STR_LIT("{\"messages\":[]}");
	/* somebody else's answer does not count */
	send_rpc_res(agent.far, &r, m->h.corr, MSG_F_REPLY);
	assert_null(frame(&p));
	send_rpc_res(work.far, &r, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"id\":\"h\",\"ok\":true,\"payload\":{\"messages\":[]}}");
	/* twice is once */
	send_rpc_res(work.far, &r, m->h.corr, MSG_F_REPLY);
	assert_null(frame(&p));

	say(&p, "{\"type\":\"req\",\"id\":\"l\",\"method\":\"logs.tail\"}");
	m = take(&logd, MSG_RPC_REQ);
	memset(&r, 0, sizeof(r));
	r.code = STR_LIT("UNAVAILABLE");
	r.message = STR_LIT("log read failed: x");
	r.details = STR_LIT("{\"a\":1}");
	send_rpc_res(logd.far, &r, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"ok\":false,\"error\":{\"code\":\"UNAVAILABLE\","
	    "\"message\":\"log read failed: x\",\"details\":{\"a\":1}}");

	say(&p, "{\"type\":\"req\",\"id\":\"h\",\"method\":\"chat.history\","
	    "\"params\":{\"sessionKey\":\"agent:none:main\"}}");
	expect(&p, "\"messages\":[]");
	say(&p, "{\"type\":\"req\",\"id\":\"p\",\"method\":\"pairing.list\"}");
	assert_non_null(take(&store, MSG_RPC_REQ));
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":"
	    "\"sandbox.selftest\"}");
	assert_non_null(take(&tool, MSG_RPC_REQ));
	leave(&p);
}

static void
test_all_agents_list(void **state)
{
	struct m_rpc_res	 r;
	struct peer		 p;
	struct msg		*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"l\",\"method\":\"sessions.list\","
	    "\"params\":{\"limit\":3}}");
	memset(&r, 0, sizeof(r));
	r.ok = 1;
	r.result = STR_LIT("{\"defaults\":{\"model\":\"m\"},\"sessions\":["
	    "{\"key\":\"a\",\"updatedAt\":30},{\"key\":\"b\",\"updatedAt\":10}"
	    "]}");
	m = take(&agent, MSG_RPC_REQ);
	send_rpc_res(agent.far, &r, m->h.corr, MSG_F_REPLY);
	assert_null(frame(&p));
	r.result = STR_LIT("{\"sessions\":[{\"key\":\"c\",\"updatedAt\":20},"
	    "{\"key\":\"d\",\"updatedAt\":null}]}");
	m = take(&work, MSG_RPC_REQ);
	send_rpc_res(work.far, &r, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"path\":\"(multiple)\",\"count\":3,\"defaults\":{"
	    "\"model\":\"m\"},\"sessions\":[{\"key\":\"a\",\"updatedAt\":30},"
	    "{\"key\":\"c\",\"updatedAt\":20},{\"key\":\"b\",\"updatedAt\":"
	    "10}]");
	say(&p, "{\"type\":\"req\",\"id\":\"v\",\"method\":"
	    "\"sessions.preview\",\"params\":{\"keys\":[\"main\","
	    "\"agent:work:main\"],\"limit\":2}}");
	memset(&r, 0, sizeof(r));
	r.ok = 1;
	r.result = STR_LIT("{\"previews\":[{\"key\":\"main\"}]}");
	m = take(&agent, MSG_RPC_REQ);
	send_rpc_res(agent.far, &r, m->h.corr, MSG_F_REPLY);
	sibling_down(&work);	/* its part stays empty */
	expect(&p, "\"previews\":[{\"key\":\"main\"}]");
	sibling_up(&work, ROLE_AGENT, "work");
	leave(&p);
}

static void
test_R14_agent_dies(void **state)
{
	struct peer	 p;
	struct msg	*m;

	(void)state;
	join(&p, ADMIN);
	say(&p, "{\"type\":\"req\",\"id\":\"r\",\"method\":\"agent\",\"params\":"
	    "{\"message\":\"m\",\"idempotencyKey\":\"live\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("live"), TURN_ACCEPTED, "", "");
	expect(&p, "accepted");
	say(&p, "{\"type\":\"req\",\"id\":\"h\",\"method\":\"chat.history\","
	    "\"params\":{\"sessionKey\":\"main\"}}");
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":\"chat.send\","
	    "\"params\":{\"sessionKey\":\"main\",\"message\":\"m\","
	    "\"idempotencyKey\":\"asked\"}}");
	sibling_down(&agent);
	expect(&p, "\"UNAVAILABLE\"");
	expect(&p, "\"UNAVAILABLE\"");
	assert_null(frame(&p));
	say(&p, "{\"type\":\"req\",\"id\":\"t\",\"method\":\"chat.send\","
	    "\"params\":{\"sessionKey\":\"main\",\"message\":\"m\","
	    "\"idempotencyKey\":\"asked\"}}");
	expect(&p, "the agent is not running");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	/* it comes back and reports the run that it was at */
	sibling_up(&agent, ROLE_AGENT, "main");
	run_end(&agent, "live", RUN_ERROR, "the turn was interrupted", "");
	expect(&p, "\"id\":\"r\",\"ok\":false");
	/* one that never comes back is given up */
	say(&p, "{\"type\":\"req\",\"id\":\"r\",\"method\":\"agent\",\"params\":"
	    "{\"message\":\"m\",\"idempotencyKey\":\"lost\"}}");
	m = take(&agent, MSG_AG_TURN);
	turn_ack(&agent, m->h.corr, STR_LIT("lost"), TURN_ACCEPTED, "", "");
	expect(&p, "accepted");
	sibling_down(&agent);
	rt_runs_sweep(mono_ms());
	assert_null(frame(&p));
	rt_runs_sweep(mono_ms() + 3600000);
	expect(&p, "the agent went away");
	sibling_up(&agent, ROLE_AGENT, "main");
	leave(&p);
}

/* --- channels ------------------------------------------------------------------- */

static struct m_ch_inbound
inbound(const char *event)
{
	struct m_ch_inbound	 v;

	memset(&v, 0, sizeof(v));
	v.event_id = str_of(event);
	v.chat = STR_LIT("123");
	v.sender = STR_LIT("123");
	v.msg_id = STR_LIT("9");
	v.text = STR_LIT("hello");
	return v;
}

static void
test_R07_inbound(void **state)
{
	static const struct {
		enum turn_status st; const char *code; enum inbound_status in;
	} acks[] = {
		{ TURN_ACCEPTED, "", INBOUND_ACCEPTED },
		{ TURN_QUEUED, "", INBOUND_ACCEPTED },
		{ TURN_DUPLICATE, "done", INBOUND_DUPLICATE },
		{ TURN_REFUSED, "INVALID_REQUEST", INBOUND_REFUSED },
		{ TURN_REFUSED, "UNAVAILABLE", INBOUND_RETRY },
	};
	struct m_ch_inbound	 v = inbound("e1");
	struct m_ch_inbound_ack	 a;
	struct m_ag_turn	 t;
	struct msg		*m;
	size_t			 i;
	int			 fds[2], *pass = fds;

	(void)state;
	for (i = 0; i < sizeof(acks) / sizeof(acks[0]); i++) {
		assert_int_equal(pipe(fds), 0);
		assert_int_equal(link_send_fds(chan.far, MSG_CH_INBOUND, &v,
		    77 + i, 0, pass, 1), 0);
		close(fds[1]);
		m = take(&agent, MSG_AG_TURN);
		assert_non_null(m);
		assert_int_equal(m->nfds, 1);
		assert_int_equal(get_ag_turn(m, &t), MSG_OK);
		assert_true(str_eqs(t.session_key, "agent:main:main"));
		assert_true(str_eqs(t.dedupe_key, "telegram:default:e1"));
		assert_int_equal(t.source, TURN_CHANNEL);
		assert_null(take(&chan, MSG_CH_INBOUND_ACK));
		turn_ack(&agent, m->h.corr, t.run_id, acks[i].st,
		    acks[i].code, "why");
		m = take(&chan, MSG_CH_INBOUND_ACK);
		assert_non_null(m);
		assert_int_equal(m->h.corr, 77 + i);
		assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
		assert_true(str_eqs(a.event_id, "e1"));
		assert_int_equal(a.status, acks[i].in);
	}
	/* the agent ends before it has committed */
	send_ch_inbound(chan.far, &v, 5, 0);
	assert_non_null(take(&agent, MSG_AG_TURN));
	sibling_down(&agent);
	m = take(&chan, MSG_CH_INBOUND_ACK);
	assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, INBOUND_RETRY);
	/* and is not there */
	send_ch_inbound(chan.far, &v, 6, 0);
	m = take(&chan, MSG_CH_INBOUND_ACK);
	assert_int_equal(get_ch_inbound_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, INBOUND_RETRY);
	sibling_up(&agent, ROLE_AGENT, "main");
}

static void
test_deliver(void **state)
{
	struct m_ag_deliver	 v;
	struct m_ag_deliver_ack	 a;
	struct m_ch_deliver	 d;
	struct m_ch_deliver_ack	 c;
	struct msg		*m;

	(void)state;
	memset(&v, 0, sizeof(v));
	v.delivery_id = STR_LIT("d1");
	v.channel = STR_LIT("telegram");
	v.chat = STR_LIT("123");
	v.text = STR_LIT("reply");
	send_ag_deliver(agent.far, &v, 31, 0);
	m = take(&chan, MSG_CH_DELIVER);
	assert_non_null(m);
	assert_int_equal(get_ch_deliver(m, &d), MSG_OK);
	assert_true(str_eqs(d.text, "reply"));
	memset(&c, 0, sizeof(c));
	c.delivery_id = STR_LIT("d1");
	c.status = DELIVERY_SENT;
	c.remote_ids = STR_LIT("[\"5\"]");
	send_ch_deliver_ack(chan.far, &c, m->h.corr, MSG_F_REPLY);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_non_null(m);
	assert_int_equal(m->h.corr, 31);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_SENT);
	assert_true(str_eqs(a.remote_ids, "[\"5\"]"));
	/* the channel ends with it */
	send_ag_deliver(agent.far, &v, 32, 0);
	assert_non_null(take(&chan, MSG_CH_DELIVER));
	sibling_down(&chan);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_RETRY);
	send_ag_deliver(agent.far, &v, 33, 0);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_RETRY);
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
}

static void
test_T45_deliver_elsewhere(void **state)
{
	struct m_ag_deliver	 v;
	struct m_ag_deliver_ack	 a;
	struct msg		*m;

	(void)state;
	memset(&v, 0, sizeof(v));
	v.delivery_id = STR_LIT("d1");
	v.channel = STR_LIT("telegram");
	v.account = STR_LIT("default");
	v.chat = STR_LIT("123");
	v.text = STR_LIT("x");
	send_ag_deliver(work.far, &v, 1, 0);	/* bound to biz only */
	m = take(&work, MSG_AG_DELIVER_ACK);
	assert_non_null(m);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_FAILED);
	assert_null(take(&chan, MSG_CH_DELIVER));
	v.account = STR_LIT("nowhere");
	send_ag_deliver(agent.far, &v, 1, 0);
	m = take(&agent, MSG_AG_DELIVER_ACK);
	assert_int_equal(get_ag_deliver_ack(m, &a), MSG_OK);
	assert_int_equal(a.status, DELIVERY_FAILED);
}

static void
test_pairing(void **state)
{
	struct m_ch_pair	 v;
	struct m_ch_pair_res	 r;
	struct m_st_pair	 q;
	struct m_st_pair_res	 s;
	struct m_st_allow	 al;
	struct m_st_sync	 sy;
	struct m_ch_allow	 ca;
	struct msg		*m;

	(void)state;
	/* a channel that comes up gets its list */
	sibling_down(&chan);
	take(&store, MSG_RPC_REQ);
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	m = take(&store, MSG_ST_SYNC);
	assert_non_null(m);
	assert_int_equal(get_st_sync(m, &sy), MSG_OK);
	assert_true(str_eqs(sy.channel, "telegram"));
	assert_true(str_eqs(sy.account, "default"));

	memset(&v, 0, sizeof(v));
	v.sender = STR_LIT("77");
	v.sender_name = STR_LIT("Eve");
	send_ch_pair(chan.far, &v, 9, 0);
	m = take(&store, MSG_ST_PAIR);
	assert_non_null(m);
	assert_int_equal(get_st_pair(m, &q), MSG_OK);
	assert_true(str_eqs(q.account, "default"));
	memset(&s, 0, sizeof(s));
	s.channel = q.channel;
	s.account = q.account;
	s.sender = q.sender;
	s.code = STR_LIT("ABCDEFGH");
	s.created = 1;
	send_st_pair_res(store.far, &s, m->h.corr, MSG_F_REPLY);
	m = take(&chan, MSG_CH_PAIR_RES);
	assert_non_null(m);
	assert_int_equal(m->h.corr, 9);
	assert_int_equal(get_ch_pair_res(m, &r), MSG_OK);
	assert_true(str_eqs(r.code, "ABCDEFGH"));
	assert_int_equal(r.created, 1);
	memset(&al, 0, sizeof(al));
	al.op = ALLOW_ADD;
	al.channel = STR_LIT("telegram");
	al.account = STR_LIT("default");
	al.sender = STR_LIT("77");
	send_st_allow(store.far, &al, 0, 0);
	m = take(&chan, MSG_CH_ALLOW);
	assert_non_null(m);
	assert_int_equal(get_ch_allow(m, &ca), MSG_OK);
	assert_true(str_eqs(ca.sender, "77"));
	/* store away: no code, not silence */
	sibling_down(&store);
	send_ch_pair(chan.far, &v, 10, 0);
	m = take(&chan, MSG_CH_PAIR_RES);
	assert_int_equal(get_ch_pair_res(m, &r), MSG_OK);
	assert_int_equal(r.code.n, 0);
	sibling_up(&store, ROLE_STORE, "");
	assert_non_null(take(&store, MSG_ST_SYNC));
}

static void
test_channel_state(void **state)
{
	struct m_ch_state	 v;
	struct peer		 p;

	(void)state;
	join(&p, ADMIN);
	memset(&v, 0, sizeof(v));
	v.state = CH_UP;
	v.snapshot = STR_LIT("{\"accountId\":\"lie\",\"mode\":\"polling\"}");
	send_ch_state(chan.far, &v, 0, 0);
	pump();
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"channels.status\"}");
	expect(&p, "\"channelAccounts\":{\"telegram\":[{\"accountId\":"
	    "\"default\",\"enabled\":true,\"configured\":true,\"running\":true,"
	    "\"connected\":true,\"state\":\"up\",\"mode\":\"polling\"},"
	    "{\"accountId\":\"biz\",\"enabled\":true,\"configured\":true,"
	    "\"running\":false,\"connected\":false,\"state\":\"down\"}]}");
	v.snapshot = STR_LIT("{\"a\":1},\"x\":{}");
	send_ch_state(chan.far, &v, 0, 0);
	pump();
	assert_int_equal(chan.gone, MSG_MEANING);
	sibling_down(&chan);
	sibling_up(&chan, ROLE_CHAN, "telegram:default");
	leave(&p);
}

/* --- control socket --------------------------------------------------------------- */

static struct sockaddr_un	 control_addr;

static void
control(struct peer *p)
{
	memset(p, 0, sizeof(*p));
	p->line = true;
	dbuf_init(&p->in, 16u << 20);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&control_addr,
	    sizeof(control_addr)), 0);
	pump();
}

static void
listen_at(enum listener_kind kind, char *dir)
{
	int	 fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(&control_addr, 0, sizeof(control_addr));
	control_addr.sun_family = AF_UNIX;
	snprintf(control_addr.sun_path, sizeof(control_addr.sun_path),
	    "%s/s%d", dir, (int)kind);
	assert_int_equal(bind(fd, (struct sockaddr *)&control_addr,
	    sizeof(control_addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	rt_worker.listener(kind, fd, "control");
}

static void
test_control(void **state)
{
	char			 dir[] = "/tmp/gw-router-XXXXXX";
	struct m_sup_req	 q;
	struct m_sup_proc	 row;
	struct m_sup_res	 res;
	struct m_sup_event	 ev;
	struct peer		 p, many[RT_CONTROL_UID + 1];
	struct msg		*m;
	char			*big;
	size_t			 i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	listen_at(LISTENER_CONTROL, dir);
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"config.get\"}");
	expect(&p, "{\"type\":\"res\",\"id\":\"1\",\"ok\":true,\"payload\":{"
	    "\"path\":\"/c\",\"exists\":true}}");
	/* no events before a connect */
	ag_event(&agent, EVENT_CHAT, false, "r", "{\"n\":1}", 7);
	assert_null(frame(&p));
	say(&p, "{\"type\":\"req\",\"id\":\"2\",\"method\":"
	    "\"gateway.processes\",\"params\":{}}");
	m = take(&parent, MSG_SUP_REQ);
	assert_int_equal(get_sup_req(m, &q), MSG_OK);
	assert_int_equal(q.verb, SUP_LIST);
	memset(&row, 0, sizeof(row));
	row.name = STR_LIT("router");
	row.state = PROC_ST_RUNNING;
	row.pid = 7;
	send_sup_proc(parent.far, &row, m->h.corr, 0);
	row.name = STR_LIT("channeld/telegram:default");
	send_sup_proc(parent.far, &row, m->h.corr, 0);
	memset(&res, 0, sizeof(res));
	send_sup_res(parent.far, &res, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"payload\":{\"processes\":[{\"name\":\"router\",\"state\":"
	    "\"running\",\"pid\":7");
	say(&p, "{\"type\":\"req\",\"id\":\"3\",\"method\":"
	    "\"gateway.restart\",\"params\":{\"process\":\"agentd/main\"}}");
	m = take(&parent, MSG_SUP_REQ);
	assert_int_equal(get_sup_req(m, &q), MSG_OK);
	assert_int_equal(q.verb, SUP_RESTART);
	assert_true(str_eqs(q.arg, "agentd/main"));
	memset(&ev, 0, sizeof(ev));
	ev.name = STR_LIT("agentd/main");
	ev.state = PROC_ST_DRAINING;
	send_sup_event(parent.far, &ev, 0, 0);
	expect(&p, "{\"type\":\"event\",\"event\":\"process\",\"payload\":{"
	    "\"name\":\"agentd/main\",\"state\":\"draining\"}}");
	res.status = SUP_UNKNOWN;
	res.text = STR_LIT("no such process");
	send_sup_res(parent.far, &res, m->h.corr, MSG_F_REPLY);
	expect(&p, "\"ok\":false,\"error\":{\"code\":\"INVALID_REQUEST\","
	    "\"message\":\"no such process\"}");
	send_sup_event(parent.far, &ev, 0, 0);
	assert_null(frame(&p));
	/* connect narrows and brings events */
	say(&p, "{\"type\":\"req\",\"id\":\"4\",\"method\":\"connect\","
	    "\"params\":{\"minProtocol\":3,\"maxProtocol\":3,\"client\":{"
	    "\"id\":\"cli\",\"version\":\"1\",\"platform\":\"l\",\"mode\":"
	    "\"cli\"},\"scopes\":[\"operator.read\"]}}");
	expect(&p, "hello-ok");
	ag_event(&agent, EVENT_CHAT, false, "r", "{\"n\":1}", 7);
	expect(&p, "{\"n\":1}");
	say(&p, "{\"type\":\"req\",\"id\":\"5\",\"method\":\"config.get\"}");
	expect(&p, "missing scope");
	say(&p, "{\"type\":\"req\",\"id\":\"6\",\"method\":\"connect\"}");
	expect(&p, "only valid as the first");
	/* bad input costs this connection */
	big = malloc(RT_MAX_PAYLOAD + 70000);
	memset(big, 'x', RT_MAX_PAYLOAD + 70000);
	send_all(p.fd, big, RT_MAX_PAYLOAD + 70000);
	free(big);
	assert_true(at_end(&p));
	leave(&p);
	/* half-closed: still answered */
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"7\",\"method\":"
	    "\"logs.tail\"}");
	shutdown(p.fd, SHUT_WR);
	assert_null(frame(&p));
	m = take(&logd, MSG_RPC_REQ);
	assert_non_null(m);
	{
		struct m_rpc_res r = { .ok = 1, .result = STR_LIT("{}") };

		send_rpc_res(logd.far, &r, m->h.corr, MSG_F_REPLY);
	}
	expect(&p, "\"id\":\"7\",\"ok\":true");
	assert_true(at_end(&p));
	leave(&p);
	/* so many for one user */
	for (i = 0; i < RT_CONTROL_UID + 1; i++)
		control(&many[i]);
	assert_false(at_end(&many[0]));
	assert_true(at_end(&many[RT_CONTROL_UID]));
	for (i = 0; i < RT_CONTROL_UID + 1; i++)
		leave(&many[i]);
	unlink(control_addr.sun_path);
	listen_at(LISTENER_CONTROL_RO, dir);
	control(&p);
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"config.get\"}");
	expect(&p, "missing scope: operator.admin");
	say(&p, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"health\"}");
	expect(&p, "\"ok\":true");
	leave(&p);
	unlink(control_addr.sun_path);
	rmdir(dir);
}

static void
test_T07_revoked(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct m_st_revoked	 r;
	struct peer		 p, q;

	(void)state;
	t.device_id = STR_LIT("dev1");
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	expect(&p, "hello-ok");
	join(&q, ADMIN);
	memset(&r, 0, sizeof(r));
	r.device_id = STR_LIT("dev1");
	send_st_revoked(store.far, &r, 0, 0);
	expect(&p, "close 1008 revoked");
	leave(&p);
	say(&q, "{\"type\":\"req\",\"id\":\"1\",\"method\":\"last-heartbeat\"}");
	expect(&q, "null");
	leave(&q);
}

static void
test_presence(void **state)
{
	struct m_auth_ticket	 t = ticket(ADMIN);
	struct peer		 p, q;
	const char		*s;
	int			 i;

	(void)state;
	join(&q, ADMIN);
	t.display_name = STR_LIT("Phone");
	t.instance_id = STR_LIT("INST");
	send_auth_ticket(store.far, &t, 0, 0);
	hand_over(&p, t.ticket, NULL, 0);
	expect(&p, "hello-ok");
	say(&q, "{\"type\":\"req\",\"id\":\"1\",\"method\":"
	    "\"system-presence\"}");
	expect(&q, "{\"host\":\"Phone\",\"ip\":\"192.0.2.7\",\"version\":\"1\","
	    "\"platform\":\"linux\",\"mode\":\"ui\",\"text\":\"Node: Phone · "
	    "mode ui\",\"roles\":[\"operator\"],\"scopes\":[\"operator.admin\"]"
	    ",\"instanceId\":\"INST\",\"reason\":\"connect\"");
	leave(&p);
	want_presence = true;
	wait_ms(150);
	for (i = 0; (s = frame(&q)) != NULL && strstr(s,
	    "\"event\":\"presence\"") == NULL && i < 10; i++)
		;
	assert_non_null(s);
	assert_non_null(strstr(s, "\"reason\":\"disconnect\""));
	assert_non_null(strstr(s, "\"stateVersion\":{\"presence\":"));
	want_presence = false;
	leave(&q);
}

static void
test_stop(void **state)
{
	struct peer	 p;

	(void)state;
	join(&p, ADMIN);
	rt_broadcast_shutdown(false);
	expect(&p, "\"event\":\"shutdown\",\"seq\":") ;
	rt_clients_close_all(WS_CLOSE_RESTART, "service restart");
	expect(&p, "close 1012 service restart");
	leave(&p);
	rt_pending_sweep(mono_ms() + 3600000);
	assert_int_equal(rt_pending_count(), 0);
	assert_int_equal(rt_clients_count(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hello),
		cmocka_unit_test(test_T15_low_scope_hello),
		cmocka_unit_test(test_T05_no_ticket_no_client),
		cmocka_unit_test(test_unread_bytes),
		cmocka_unit_test(test_local_methods),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_T47_hostile_frames),
		cmocka_unit_test(test_fragments_and_ping),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_R02_asks_but_does_not_read),
		cmocka_unit_test(test_T05_scopes),
		cmocka_unit_test(test_agent_answers_twice),
		cmocka_unit_test(test_agent_refusals),
		cmocka_unit_test(test_chat_send),
		cmocka_unit_test(test_fan_out),
		cmocka_unit_test(test_seq),
		cmocka_unit_test(test_slow_consumer),
		cmocka_unit_test(test_T26_forged_events),
		cmocka_unit_test(test_forwarded),
		cmocka_unit_test(test_all_agents_list),
		cmocka_unit_test(test_R14_agent_dies),
		cmocka_unit_test(test_R07_inbound),
		cmocka_unit_test(test_deliver),
		cmocka_unit_test(test_T45_deliver_elsewhere),
		cmocka_unit_test(test_pairing),
		cmocka_unit_test(test_channel_state),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_T07_revoked),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
