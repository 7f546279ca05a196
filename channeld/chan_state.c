/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the outside is told of this account: CH_STATE with the row that
 * channels.status shows, at every change of state and at most every few
 * seconds for the rest.  Also the watch over the disk: while it refuses
 * writes, nothing is received or sent, so that nothing can be lost.
 */

#include "common/compat.h"

#include <stdarg.h>

#include "channeld/chan.h"
#include "common/log.h"

#define REPORT_MS	3000	/* least time between two reports of counters */
#define SNAPSHOT_MAX	8192	/* CH_STATE.snapshot */
#define ALLOW_SHOWN	50

static struct {
	struct link	*router;
	struct event	*report, *probe;
	enum ch_state	 state;
	char		 detail[256], last_error[256];
	char		 bot_id[32], bot_name[64];
	uint64_t	 started, connected, error, inbound, outbound;
	unsigned int	 attempts;
	bool		 disk_bad;
	struct chan_backoff probe_wait;
} st;

static void	 report_cb(evutil_socket_t, short, void *);
static void	 probe_cb(evutil_socket_t, short, void *);

static const char *const state_names[CH_STATE_MAX] = {
	"connecting", "up", "authentication failed", "rate limited", "down"
};

void
chan_state_init(void)
{
	st.report = evtimer_new(worker_base(), report_cb, NULL);
	st.probe = evtimer_new(worker_base(), probe_cb, NULL);
	if (st.report == NULL || st.probe == NULL)
		fatalx("out of memory");
	st.started = wall_ms();
	st.state = CH_CONNECTING;
	st.probe_wait = (struct chan_backoff){ 1000, 30000, 200, 0 };
}

/* --- the row of channels.status ----------------------------------------- */

static json_t *
time_or_null(uint64_t ms)
{
	return ms != 0 ? json_integer((json_int_t)ms) : json_null();
}

static json_t *
allow_shown(const struct chan_conf *c)
{
	json_t	*a = json_array();
	size_t	 i;

	if (c->any)
		(void)json_array_append_new(a, json_string("*"));
	for (i = 0; i < c->nallow && i < ALLOW_SHOWN; i++)
		(void)json_array_append_new(a, json_string(c->allow[i]));
	return a;
}

static char *
snapshot(void)
{
	const struct chan_conf	*c = chan_conf();
	int64_t			 waiting;
	json_t			*o;
	char			*text;

	waiting = chan_db_is_open() ? chan_db_events_waiting() : -1;
	o = json_pack("{ss sb sb sb sb si so so so so so so ss ss so ss si}",
	    "accountId", c->account, "enabled", 1, "configured", 1,
	    "running", st.state != CH_AUTH_FAILED && !chan_draining(),
	    "connected", st.state == CH_UP,
	    "reconnectAttempts", (int)st.attempts,
	    "lastConnectedAt", time_or_null(st.connected),
	    "lastError", st.last_error[0] != '\0' ?
	    json_string(st.last_error) : json_null(),
	    "lastStartAt", time_or_null(st.started),
	    "lastStopAt", json_null(),
	    "lastInboundAt", time_or_null(st.inbound),
	    "lastOutboundAt", time_or_null(st.outbound),
	    "mode", "polling", "dmPolicy", dm_policy_name(c->dm),
	    "allowFrom", allow_shown(c), "tokenSource", "config",
	    "outboxDepth", (int)chan_out_depth());
	if (o == NULL)
		return NULL;
	if (waiting >= 0)
		(void)json_object_set_new(o, "queueDepth",
		    json_integer(waiting));
	if (c->label[0] != '\0')
		(void)json_object_set_new(o, "name", json_string(c->label));
	if (st.bot_id[0] != '\0')
		(void)json_object_set_new(o, "bot", json_pack("{ss ss}",
		    "id", st.bot_id, "username", st.bot_name));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

static void
report(void)
{
	struct m_ch_state	 m = { 0 };
	char			*text;

	if (st.router == NULL || chan_conf() == NULL)
		return;
	if ((text = snapshot()) == NULL)
		return;
	m.state = (uint8_t)st.state;
	m.detail = str_of(st.detail);
	m.snapshot = str_of(strlen(text) <= SNAPSHOT_MAX ? text : "{}");
	if (send_ch_state(st.router, &m, 0, 0) == -1)
		log_warn("state report");
	free(text);
}

static void
report_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	report();
}

static void
report_soon(void)
{
	struct timeval	 tv = { REPORT_MS / 1000, 0 };

	if (!evtimer_pending(st.report, NULL))
		evtimer_add(st.report, &tv);
}

/* --- changes ------------------------------------------------------------ */

void
chan_state_router(struct link *l)
{
	st.router = l;
	report();
}

static void
set(enum ch_state state, const char *detail)
{
	if (state == st.state && strcmp(detail, st.detail) == 0)
		return;
	if (state != st.state)
		log_info("%s%s%s", state_names[state],
		    detail[0] != '\0' ? ": " : "", detail);
	st.state = state;
	(void)strlcpy(st.detail, detail, sizeof(st.detail));
	if (state == CH_UP) {
		st.connected = wall_ms();
		st.attempts = 0;
		st.last_error[0] = '\0';
	} else if (detail[0] != '\0')
		(void)strlcpy(st.last_error, detail, sizeof(st.last_error));
	report();
}

void
chan_state_set(enum ch_state state, const char *fmt, ...)
{
	char	 detail[256];
	va_list	 ap;

	/* The disk's trouble is not talked over by the network's. */
	if (st.disk_bad && state != CH_AUTH_FAILED)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	set(state, detail);
}

enum ch_state
chan_state_get(void)
{
	return st.state;
}

void
chan_state_error(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(st.last_error, sizeof(st.last_error), fmt, ap);
	va_end(ap);
	log_warnx("%s", st.last_error);
	report_soon();
}

void
chan_state_retrying(unsigned int attempts)
{
	st.attempts = attempts;
	report_soon();
}

void
chan_state_inbound(void)
{
	st.inbound = wall_ms();
	report_soon();
}

void
chan_state_outbound(void)
{
	st.outbound = wall_ms();
	report_soon();
}

void
chan_state_bot(const char *id, const char *username)
{
	(void)strlcpy(st.bot_id, id, sizeof(st.bot_id));
	(void)strlcpy(st.bot_name, username, sizeof(st.bot_name));
}

/* --- the disk ----------------------------------------------------------- */

bool
chan_state_disk_bad(void)
{
	return st.disk_bad;
}

static void
probe_later(void)
{
	uint32_t	 ms = chan_backoff_next(&st.probe_wait);
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(st.probe, &tv);
}

void
chan_state_disk(const char *what)
{
	char	 detail[256];

	(void)snprintf(detail, sizeof(detail), "journal: %s: %s", what,
	    chan_db_error());
	if (!st.disk_bad) {
		log_errorx("%s; receiving and sending stop until the disk "
		    "takes writes", detail);
		st.probe_wait.tries = 0;
	}
	st.disk_bad = true;
	set(CH_DOWN, detail);
	chan_conf()->kind->stop();
	if (!evtimer_pending(st.probe, NULL))
		probe_later();
}

static void
probe_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	/* Opened anew: after an I/O error SQLite may hold on to its failure,
	 * and a file that was replaced would stay unseen. */
	chan_db_close();
	if (chan_db_open(chan_conf()->state_dir) == -1) {
		probe_later();
		return;
	}
	log_info("journal: the disk takes writes again");
	st.disk_bad = false;
	set(CH_CONNECTING, "");
	chan_out_load();
	if (st.disk_bad || chan_draining())
		return;
	chan_conf()->kind->start();
	chan_in_pump();
	chan_out_pump();
}

uint32_t
chan_backoff_next(struct chan_backoff *b)
{
	uint64_t	 ms = b->first_ms;
	unsigned int	 i;

	for (i = 0; i < b->tries && ms < b->max_ms; i++)
		ms = ms * b->factor_pct / 100;
	if (ms > b->max_ms)
		ms = b->max_ms;
	b->tries++;
	return (uint32_t)(ms * (75 + arc4random_uniform(51)) / 100);
}
