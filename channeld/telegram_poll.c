/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Receiving by long polling.  Asking for updates from N on tells Telegram that
 * it may forget those below N, so N is only ever what the journal has
 * committed as its cursor, together with the updates themselves.
 */

#include "common/compat.h"

#include <inttypes.h>

#include "channeld/telegram_api.h"
#include "common/log.h"

#define ANSWER_S	15	/* on top of the time that news may take */
#define CALL_MS		30000
#define FULL_MS		1000	/* look again whether the backlog shrank */
#define AUTH_MS		300000	/* a bad token is tried again that rarely */
#define QUIET_MS	(UINT64_C(6) * 24 * 3600 * 1000)

enum poll_step { STEP_SELF, STEP_WEBHOOK, STEP_UPDATES };

static struct {
	bool			 on;
	enum poll_step		 step;
	struct telegram_call	*call;
	struct event		*timer;
	int64_t			 offset;
	uint64_t		 news_ms;	/* last batch, wall clock */
	unsigned int		 limit;
	struct chan_backoff	 retry, conflict;
	uint64_t		 well_since_ms;
} poll = {
	.limit = TELEGRAM_BATCH,
	.retry = { 1000, 60000, 200, 0 },
	.conflict = { 2000, 30000, 180, 0 },
};

static void	 step(void);
static void	 step_done(const struct telegram_result *, void *);

bool
telegram_allow_id(struct str s, char *id, size_t size)
{
	int64_t	 n;

	if (str_prefix(s, "telegram:"))
		s = (struct str){ s.p + 9, s.n - 9 };
	else if (str_prefix(s, "tg:"))
		s = (struct str){ s.p + 3, s.n - 3 };
	if (num_parse(s, 1, INT64_C(1) << 53, &n) == -1)
		return false;
	(void)snprintf(id, size, "%" PRId64, n);
	return true;
}

int
telegram_read(struct str raw, struct chan_event *ev)
{
	json_t	*o;
	int64_t	 id;
	int	 r;

	chan_event_init(ev);
	if ((o = json_loadb(raw.p, raw.n, JSON_ALLOW_NUL, NULL)) == NULL)
		return -1;
	r = telegram_update_read(o, telegram_self(), &id, ev);
	json_decref(o);
	return r;
}

/* --- what to do next ---------------------------------------------------- */

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	step();
}

static void
later(uint32_t ms)
{
	struct timeval	 tv = { ms / 1000, ms % 1000 * 1000 };

	evtimer_add(poll.timer, &tv);
}

/* Each bot has its own sequence. */
static const char *
cursor_name(void)
{
	static char	 name[64];

	(void)snprintf(name, sizeof(name), "telegram.offset.%s",
	    telegram_self()->id);
	return name;
}

/* "offset@wall time of the last batch" */
static void
cursor_load(void)
{
	char	 text[64] = "", *at;
	int64_t	 n;

	poll.offset = 0;
	poll.news_ms = 0;
	if (chan_db_cursor_get(cursor_name(), text, sizeof(text)) != 1 ||
	    (at = strchr(text, '@')) == NULL)
		return;		/* all that is unconfirmed comes, none is lost */
	*at = '\0';
	if (num_parse(str_of(text), 0, (INT64_C(1) << 53) + 1, &n) == 0)
		poll.offset = n;
	if (num_parse(str_of(at + 1), 0, INT64_MAX, &n) == 0)
		poll.news_ms = (uint64_t)n;
}

/* After a week without updates the next number is a random one, and an offset
 * above it would acknowledge what was never seen.  Zero acknowledges nothing,
 * and there is nothing left to acknowledge. */
static int64_t
offset_now(void)
{
	if (wall_ms() - poll.news_ms > QUIET_MS)
		return 0;
	return poll.offset;
}

static void
step(void)
{
	struct dbuf	 body;
	const char	*method = "getMe";
	uint32_t	 ms = CALL_MS;
	int		 err = 0;

	if (!poll.on || poll.call != NULL)
		return;
	dbuf_init(&body, 4096);
	switch (poll.step) {
	case STEP_SELF:
		err = dbuf_puts(&body, "{}");
		break;
	case STEP_WEBHOOK:
		method = "deleteWebhook";
		err = dbuf_puts(&body, "{\"drop_pending_updates\":false}");
		break;
	case STEP_UPDATES:
		if (chan_in_full()) {
			later(FULL_MS);
			return;
		}
		method = "getUpdates";
		ms = (chan_conf()->poll_s + ANSWER_S) * 1000;
		err = telegram_build_updates(&body, offset_now(), poll.limit,
		    chan_conf()->poll_s);
		break;
	}
	if (err == 0)
		poll.call = telegram_call(method, &body, ms,
		    TELEGRAM_BODY_MAX, step_done, NULL);
	dbuf_clear(&body);
	if (poll.call == NULL)
		later(FULL_MS);
}

void
telegram_start(void)
{
	if (poll.on)
		return;
	if (poll.timer == NULL && (poll.timer = evtimer_new(worker_base(),
	    timer_cb, NULL)) == NULL)
		fatalx("out of memory");
	poll.on = true;
	poll.step = STEP_SELF;
	cursor_load();
	step();
}

/* The answer that is on its way is not lost by this: its updates were not
 * acknowledged and come again. */
void
telegram_stop(void)
{
	poll.on = false;
	if (poll.timer != NULL)
		evtimer_del(poll.timer);
	telegram_cancel(poll.call);
	poll.call = NULL;
}

/* --- answers ------------------------------------------------------------ */

static const char *
step_name(void)
{
	return poll.step == STEP_SELF ? "getMe" :
	    poll.step == STEP_WEBHOOK ? "deleteWebhook" : "getUpdates";
}

static void
failed(const struct telegram_result *r)
{
	enum telegram_class	 class = r->answer.class;
	uint32_t		 ms;

	/* Sixty quiet seconds make the next failure a first one again. */
	if (poll.well_since_ms != 0 &&
	    mono_ms() - poll.well_since_ms >= 60000)
		poll.retry.tries = poll.conflict.tries = 0;
	poll.well_since_ms = 0;
	if (r->err != HTTP_OK) {
		if (r->err == HTTP_E_TOO_LARGE && poll.limit > 1)
			poll.limit /= 2;
		ms = chan_backoff_next(&poll.retry);
		chan_state_set(CH_CONNECTING, "%s: %s", step_name(),
		    r->reason);
	} else if (class == TELEGRAM_AUTH) {
		ms = AUTH_MS;
		poll.step = STEP_SELF;
		chan_state_set(CH_AUTH_FAILED, "the bot token is not "
		    "accepted: %s", r->reason);
	} else if (class == TELEGRAM_CONFLICT) {
		ms = chan_backoff_next(&poll.conflict);
		poll.step = STEP_WEBHOOK;
		chan_state_set(CH_DOWN, "another program polls with this "
		    "token, or a webhook is set: %s", r->reason);
	} else if (class == TELEGRAM_RATE) {
		ms = r->retry_after_ms != 0 ? r->retry_after_ms :
		    chan_backoff_next(&poll.retry);
		chan_state_set(CH_RATE_LIMITED, "%s: %s", step_name(),
		    r->reason);
	} else {
		ms = chan_backoff_next(&poll.retry);
		if (r->retry_after_ms > ms)
			ms = r->retry_after_ms;
		chan_state_set(CH_CONNECTING, "%s: %s", step_name(),
		    r->reason);
	}
	chan_state_retrying(poll.retry.tries + poll.conflict.tries);
	log_debug("%s: %s; again in %u ms", step_name(), r->reason, ms);
	later(ms);
}

static void
got_self(const json_t *result)
{
	struct telegram_self	 s = *telegram_self();
	char			 bot[32];

	(void)strlcpy(bot, s.id, sizeof(bot));
	if (telegram_self_read(&s, result) == -1 || strcmp(s.id, bot) != 0) {
		chan_state_set(CH_AUTH_FAILED, "getMe: the token is not that "
		    "of a bot");
		later(AUTH_MS);
		return;
	}
	telegram_self_set(&s);
	chan_state_bot(s.id, s.username);
	poll.step = STEP_WEBHOOK;
	step();
}

/* What was read of one batch, for the journal. */
struct batch {
	struct chan_event	 ev[TELEGRAM_BATCH];
	struct chan_batch_item	 item[TELEGRAM_BATCH];
	char			*raw[TELEGRAM_BATCH];
	size_t			 n;
	int64_t			 last;		/* highest number; -1: none */
};

static int
batch_read(struct batch *b, const json_t *updates)
{
	const json_t	*up;
	int64_t		 id;
	size_t		 i;

	b->last = -1;
	json_array_foreach(updates, i, up) {
		if (b->n == TELEGRAM_BATCH)
			break;	/* more than was asked for comes again */
		if (telegram_update_read(up, telegram_self(), &id,
		    &b->ev[b->n]) == -1) {
			chan_event_clear(&b->ev[b->n]);
			log_warnx("getUpdates: an update without a number");
			continue;
		}
		b->raw[b->n] = json_dumps(up, JSON_COMPACT);
		if (b->raw[b->n] == NULL) {
			chan_event_clear(&b->ev[b->n]);
			return -1;
		}
		b->item[b->n].ev = &b->ev[b->n];
		b->item[b->n].raw = str_of(b->raw[b->n]);
		b->n++;
		if (id > b->last)
			b->last = id;
	}
	return 0;
}

static void
batch_free(struct batch *b)
{
	size_t	 i;

	for (i = 0; i < b->n; i++) {
		chan_event_clear(&b->ev[i]);
		free(b->raw[i]);
	}
	free(b);
}

static void
got_updates(const json_t *result)
{
	struct batch	*b;
	char		 value[64];
	int64_t		 next;
	bool		 none;
	int		 err;

	if (!json_is_array(result) ||
	    (b = calloc(1, sizeof(*b))) == NULL) {
		later(chan_backoff_next(&poll.retry));
		return;
	}
	err = batch_read(b, result);
	if (err == 0 && b->n != 0) {
		/* After a week without updates the numbers start somewhere
		 * else, maybe lower: what the server gave is what counts. */
		next = b->last + 1;
		poll.news_ms = wall_ms();
		(void)snprintf(value, sizeof(value), "%" PRId64 "@%" PRIu64,
		    next, poll.news_ms);
		if ((err = chan_in_batch(b->item, b->n, cursor_name(),
		    value)) == 0)
			poll.offset = next;
		poll.limit = TELEGRAM_BATCH;
	} else if (err == -1)
		later(chan_backoff_next(&poll.retry));
	none = b->n == 0 && json_array_size(result) != 0;
	batch_free(b);
	/* When the disk refused, polling has been stopped by chan_state.  What
	 * has no numbers cannot be acknowledged and comes at once again. */
	if (err == 0 && none)
		later(chan_backoff_next(&poll.retry));
	else if (err == 0)
		step();
}

static void
step_done(const struct telegram_result *r, void *arg)
{
	(void)arg;
	poll.call = NULL;
	if (!poll.on)
		return;
	if (r->err != HTTP_OK || r->answer.class != TELEGRAM_OK) {
		failed(r);
		return;
	}
	if (poll.well_since_ms == 0)
		poll.well_since_ms = mono_ms();
	switch (poll.step) {
	case STEP_SELF:
		got_self(r->answer.result);
		return;
	case STEP_WEBHOOK:
		poll.step = STEP_UPDATES;
		chan_state_set(CH_UP, "%s", "");
		step();
		return;
	case STEP_UPDATES:
		chan_state_set(CH_UP, "%s", "");
		got_updates(r->answer.result);
		return;
	}
}
