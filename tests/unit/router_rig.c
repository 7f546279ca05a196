/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See router_rig.h. */
#include "common/compat.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "tests/unit/router_rig.h"

/* --- siblings ------------------------------------------------------------------ */

struct got {
	struct got	*next;
	struct msg	 m;
	uint8_t		 payload[];
};

struct sibling			 front, store, logd, agent, work, chan, tool,
				 parent;
bool				 want_presence;
static struct event_base	*base;
static struct got		*taken;
static uint64_t			 last_ticket = 1000;

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

void
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

void
pump(void)
{
	int	 i;

	for (i = 0; i < 6; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

void
wait_ms(int ms)
{
	uint64_t	 end = mono_ms() + (uint64_t)ms;

	while (mono_ms() < end) {
		usleep(2000);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	pump();
}

struct msg *
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

void
sibling_down(struct sibling *s)
{
	if (s->far != NULL)
		link_free(s->far);
	s->far = NULL;
	take(s, 0);	/* forget what it was sent */
}

int
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

const char *
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
	} else if (b[0] == 0x89) {
		text = strdup("ping");
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

bool
at_end(struct peer *p)
{
	char	 c;

	peer_read(p);
	return recv(p->fd, &c, 1, MSG_DONTWAIT) == 0;
}

size_t
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

void
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

void
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

struct m_auth_ticket
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

void
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

void
join(struct peer *p, const char *scopes)
{
	struct m_auth_ticket	 t = ticket(scopes);

	assert_int_equal(send_auth_ticket(store.far, &t, 0, 0), 0);
	pump();
	hand_over(p, t.ticket, NULL, 0);
	assert_non_null(strstr(frame(p), "\"type\":\"hello-ok\""));
}

void
join4(struct peer *p, const char *scopes, const char *caps)
{
	struct m_auth_ticket	 t = ticket(scopes);
	char			 node[256];

	snprintf(node, sizeof(node), "{\"caps\":%s}", caps);
	t.protocol = 4;
	t.node = str_of(node);
	assert_int_equal(send_auth_ticket(store.far, &t, 0, 0), 0);
	pump();
	hand_over(p, t.ticket, NULL, 0);
	assert_non_null(strstr(frame(p), "\"protocol\":4"));
}

void
leave(struct peer *p)
{
	close(p->fd);
	dbuf_clear(&p->in);
	pump();
}

void
expect(struct peer *p, const char *want)
{
	const char	*f = frame(p);

	if (f == NULL || strstr(f, want) == NULL)
		fail_msg("wanted %s\n   got %s", want, f);
}

/* --- what agents say ---------------------------------------------------------- */

void
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

void
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

void
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
