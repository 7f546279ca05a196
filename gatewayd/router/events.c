/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Broadcasts (spec 1.4, 3.5, 5).  The payload is one reference-counted piece
 * for all; each socket gets its own short head with its own seq.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define PRESENCE_MS	100	/* many changes make one event */

uint64_t rt_version_presence = 1, rt_version_health = 1;

static struct event	*presence_ev;

/* Whom it is for. */
struct audience {
	enum gw_event		 ev;
	unsigned int		 guard;	/* scopes that it takes in any version */
	bool			 tool;	/* a tool's call, of EVENT_AGENT */
	bool			 quiet;	/* and it is not shown unasked */
	const struct rt_agent	*agent;	/* of EVENT_SESSION_MESSAGE */
	struct str		 key;
};

/* Has it asked for this, where that is needed? */
static bool
wants(const struct client *c, const struct audience *a)
{
	switch (a->ev) {
	case EVENT_AGENT:
		return !a->tool || (c->protocol >= 4 ? c->tool_events :
		    !a->quiet);
	case EVENT_SESSION_TOOL:	/* who has not got it as the other */
		return c->watches_sessions && !c->tool_events;
	case EVENT_SESSION_MESSAGE:
		return c->watches_sessions ||
		    rt_watches(c, a->agent, a->key);
	case EVENT_SESSIONS_CHANGED:
		return c->watches_sessions;
	default:
		return true;
	}
}

static bool
hears(const struct client *c, const struct audience *a)
{
	unsigned int	 guard = a->guard;

	if (!c->hello || c->closing || !event_spoken(a->ev, c->protocol) ||
	    !wants(c, a))
		return false;
	if (guard == 0)
		guard = event_guard(a->ev, c->protocol);
	return guard == 0 || (c->role == CLIENT_OPERATOR &&
	    (c->scopes & (guard | SCOPE_ADMIN)) != 0);
}

/* tail: payload and the end of the frame. */
static void
broadcast(const struct audience *a, struct payload *tail, bool droppable)
{
	char		 head[160], num[24], *p;
	size_t		 n, base;
	struct client	*c, *next;
	const char	*name = gw_event_name(a->ev);

	base = strlcpy(head, "{\"type\":\"event\",\"event\":\"", sizeof(head));
	base += strlcpy(head + base, name, sizeof(head) - base);
	base += strlcpy(head + base, "\",\"seq\":", sizeof(head) - base);
	for (c = TAILQ_FIRST(&rt_clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!hears(c, a))
			continue;
		c->seq++;
		if (rt_client_backlog(c) > RT_MAX_BUFFERED) {
			if (!droppable)
				rt_client_close(c, WS_CLOSE_POLICY,
				    "slow consumer");
			else
				rt.drops++;
			continue;
		}
		p = json_digits(c->seq, num + sizeof(num));
		n = (size_t)(num + sizeof(num) - p);
		memcpy(head + base, p, n);
		head[base + n] = ',';
		rt_client_send_shared(c, head, base + n + 1, tail);
	}
}

static struct payload *
tail_new(enum gw_event ev, const char *payload, size_t n)
{
	struct payload	*t;
	char		 versions[96];
	int		 v = 1;

	versions[0] = '}';
	if (ev == EVENT_PRESENCE || ev == EVENT_HEALTH)
		v = snprintf(versions, sizeof(versions),
		    ",\"stateVersion\":{\"presence\":%llu,\"health\":%llu}}",
		    (unsigned long long)rt_version_presence,
		    (unsigned long long)rt_version_health);
	if ((t = rt_payload_new(10 + n + (size_t)v)) == NULL)
		return NULL;
	memcpy(t->p, "\"payload\":", 10);
	memcpy(t->p + 10, payload, n);
	memcpy(t->p + 10 + n, versions, (size_t)v);
	return t;
}

static void
tell(const struct audience *a, const char *payload, size_t n, bool droppable)
{
	struct payload	*t;

	if (rt_clients_count() == 0)
		return;
	if ((t = tail_new(a->ev, payload, n)) == NULL) {
		log_warnx("event %s: no memory", gw_event_name(a->ev));
		return;
	}
	broadcast(a, t, droppable);
	rt_payload_unref(t);
}

void
rt_broadcast(enum gw_event ev, const char *payload, size_t n, bool droppable,
    unsigned int guard)
{
	const struct audience	 a = { .ev = ev, .guard = guard };

	tell(&a, payload, n, droppable);
}

void
rt_event_one(struct client *c, const char *name, const char *payload, size_t n)
{
	struct dbuf	*b = rt_client_begin(c);

	dbuf_puts(b, "{\"type\":\"event\",\"event\":\"");
	dbuf_puts(b, name);
	dbuf_puts(b, "\",\"payload\":");
	dbuf_put(b, payload, n);
	dbuf_putc(b, '}');
	rt_client_end(c);
}

void
rt_broadcast_shutdown(bool restart)
{
	static const char stop[] = "{\"reason\":\"gateway stopping\"}";
	static const char again[] = "{\"reason\":\"gateway restarting\","
	    "\"restartExpectedMs\":1500}";

	if (restart)
		rt_broadcast(EVENT_SHUTDOWN, again, sizeof(again) - 1, false,
		    0);
	else
		rt_broadcast(EVENT_SHUTDOWN, stop, sizeof(stop) - 1, false, 0);
}

static void
presence_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dbuf	 b;
	struct jw	 w;

	(void)fd;
	(void)what;
	(void)arg;
	dbuf_init(&b, RT_MAX_BUFFERED);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_key(&w, "presence");
	rt_presence_write(&w);
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		rt_broadcast(EVENT_PRESENCE, b.p, b.n, true, 0);
	dbuf_clear(&b);
}

/* Thousands of clients that leave together must not make thousands of events
 * for those that stay. */
void
rt_broadcast_presence_wish(void)
{
	struct timeval	 tv = { 0, PRESENCE_MS * 1000 };

	if (presence_ev == NULL && (presence_ev = event_new(rt.base, -1, 0,
	    presence_cb, NULL)) == NULL)
		return;
	if (!event_pending(presence_ev, EV_TIMEOUT, NULL))
		event_add(presence_ev, &tv);
}

void
rt_broadcast_health(void)
{
	struct dbuf	 b;
	struct jw	 w;

	rt_version_health++;
	if (rt_clients_count() == 0)
		return;
	dbuf_init(&b, RT_MAX_BUFFERED);
	jw_init(&w, &b);
	rt_health_write(&w);
	/* The next one says it all again, so a client that is busy with a
	 * large answer need not end for this one. */
	if (!dbuf_err(&b)) {
		rt_broadcast(EVENT_HEALTH, b.p, b.n, true, 0);
		rt_node_event_copy(EVENT_HEALTH, NULL, NULL, b.p, b.n);
	}
	dbuf_clear(&b);
}

/*
 * An agent reports on a run, or on a message of a conversation.  It may speak of
 * agent, chat, session.message, heartbeat and cron only, and not of a run that another agent was given: what a client may see
 * by scope must not be forged by a lesser process.  The payload is checked to
 * be one JSON value, so that it cannot reach out of its place in the frame.
 */
enum msg_err
rt_on_ag_event(struct link *l, struct msg *m)
{
	struct m_ag_event	 v;
	struct rt_agent		*owner, *self = rt_agent_of_link(l);
	struct audience		 a = { .agent = self };
	struct skim_val		 json, stream;
	enum msg_err		 err;

	if ((err = get_ag_event(m, &v)) != MSG_OK)
		return err;
	if (v.event != EVENT_AGENT && v.event != EVENT_CHAT &&
	    v.event != EVENT_SESSION_MESSAGE &&
	    v.event != EVENT_HEARTBEAT && v.event != EVENT_CRON)
		return MSG_MEANING;
	owner = rt_run_agent(v.run_id);
	if (owner != NULL && owner != self)
		return MSG_MEANING;
	if (skim_text(v.payload.p, v.payload.n, &json) != SKIM_OK ||
	    json.kind != SKIM_OBJECT)
		return MSG_MEANING;
	/* Of chat's events only a run's last must not be dropped. */
	if (v.event == EVENT_CHAT && !v.droppable)
		rt_run_chat_told(v.run_id);
	if (v.event == EVENT_HEARTBEAT && !rt_heartbeat_note(json.p, json.n))
		return MSG_OK;
	a.ev = (enum gw_event)v.event;
	a.key = v.session_key;
	a.tool = v.event == EVENT_AGENT &&
	    skim_get(&json, "stream", &stream) && skim_is(&stream, "tool");
	a.quiet = v.quiet;
	if (v.quiet && !a.tool)
		return MSG_MEANING;
	if (a.ev != EVENT_SESSION_MESSAGE || self != NULL)
		tell(&a, json.p, json.n, v.droppable);
	if (a.tool) {
		a.ev = EVENT_SESSION_TOOL;
		tell(&a, json.p, json.n, true);
	}
	if ((v.event == EVENT_AGENT && !v.quiet) || v.event == EVENT_CHAT)
		rt_node_event_copy((enum gw_event)v.event, self,
		    &v.session_key, json.p, json.n);
	if (v.event == EVENT_CHAT && !v.droppable)
		rt_watch_chat_ended(&json);
	return MSG_OK;
}

/* Devices and nodes that ask to be paired, and what became of them: store says what, who
 * is told is decided here. */
enum msg_err
rt_on_st_event(struct msg *m)
{
	struct m_st_event	 v;
	struct skim_val		 json;
	enum msg_err		 err;

	if ((err = get_st_event(m, &v)) != MSG_OK)
		return err;
	if ((v.event != EVENT_DEVICE_PAIR_REQUESTED &&
	    v.event != EVENT_DEVICE_PAIR_RESOLVED &&
	    v.event != EVENT_NODE_PAIR_REQUESTED &&
	    v.event != EVENT_NODE_PAIR_RESOLVED) ||
	    skim_text(v.payload.p, v.payload.n, &json) != SKIM_OK ||
	    json.kind != SKIM_OBJECT)
		return MSG_MEANING;
	rt_broadcast((enum gw_event)v.event, json.p, json.n, true,
	    SCOPE_PAIRING);
	return MSG_OK;
}
