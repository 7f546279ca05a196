/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Answers on their way to channels.  A row is in the index before it is first
 * offered, and stays until its end is known; after a restart of either side it
 * is offered again under the same id, by which channeld knows it (threats R07,
 * R08).  One delivery per chat is under way, so that order is kept.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "common/log.h"

#define RETRY_MIN_MS	1000
#define RETRY_MAX_MS	60000

struct item {
	TAILQ_ENTRY(item)	 entry;
	char			*id, *channel, *account, *chat, *thread;
	char			*reply_to, *text;
	int			 format;
};
struct dest {
	LIST_ENTRY(dest)	 entry;
	TAILQ_HEAD(, item)	 items;
	struct event		*timer;
	uint32_t		 delay_ms;
	bool			 in_flight;
};

static LIST_HEAD(, dest)	 dests = LIST_HEAD_INITIALIZER(dests);
static size_t			 nitems;

static void	 offer(struct dest *);
static void	 retry_cb(evutil_socket_t, short, void *);
static void	 item_free(struct item *);
static void	 load_one(const struct sessdb_delivery *, void *);
static void	 dest_free(struct dest *);

void
outbox_load(void)
{
	struct dest	*d;

	while ((d = LIST_FIRST(&dests)) != NULL)
		dest_free(d);
	if (sessdb_each_delivery(db, load_one, NULL) == -1)
		log_errorx("outbox: %s", sessdb_error(db));
	if (router != NULL)
		outbox_router(router);
}

void
outbox_add(const struct sessdb_delivery *d)
{
	load_one(d, NULL);
	if (router == NULL)
		return;
	/* It is the last of its chat; offered now unless others wait. */
	outbox_router(NULL);
}

/* A new router knows of nothing that was offered before; NULL: the same. */
void
outbox_router(struct link *l)
{
	struct dest	*d, *next;

	for (d = LIST_FIRST(&dests); d != NULL; d = next) {
		next = LIST_NEXT(d, entry);
		if (l != NULL) {
			d->in_flight = false;
			d->delay_ms = 0;
			event_del(d->timer);
		}
		if (!d->in_flight && !event_pending(d->timer, EV_TIMEOUT,
		    NULL))
			offer(d);
	}
}

enum msg_err
outbox_ack(struct link *l, struct msg *m)
{
	struct m_ag_deliver_ack	 a;
	struct sessdb_delivery	 notice;
	struct timeval		 tv;
	bool			 unsure = false;
	struct dest		*d;
	struct item		*it;
	enum msg_err		 err;

	(void)l;
	memset(&notice, 0, sizeof(notice));
	if ((err = get_ag_deliver_ack(m, &a)) != MSG_OK)
		return err;
	LIST_FOREACH(d, &dests, entry) {
		it = TAILQ_FIRST(&d->items);
		if (it != NULL && str_eqs(a.delivery_id, it->id))
			break;
	}
	if (d == NULL)
		return MSG_OK;		/* its end was told before */
	switch ((enum delivery_status)a.status) {
	case DELIVERY_RETRY:
		d->in_flight = false;
		d->delay_ms = d->delay_ms == 0 ? RETRY_MIN_MS :
		    d->delay_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS :
		    d->delay_ms * 2;
		tv.tv_sec = (time_t)(d->delay_ms / 1000);
		tv.tv_usec = (suseconds_t)(d->delay_ms % 1000 * 1000);
		event_add(d->timer, &tv);
		return MSG_OK;
	case DELIVERY_FAILED:
		log_warnx("delivery %s to %s: failed: %s", it->id,
		    it->channel, a.reason.p);
		break;
	case DELIVERY_UNKNOWN:
		log_warnx("delivery %s to %s: it is not known whether it "
		    "arrived: %s", it->id, it->channel, a.reason.p);
		unsure = true;
		break;
	case DELIVERY_SENT:
		break;
	}
	/* Sending it again could double it; silence could lose it. */
	notice.channel = it->channel;
	notice.account = it->account;
	notice.chat = it->chat;
	notice.thread = it->thread;
	notice.format = FORMAT_PLAIN;
	notice.text = "\xe2\x9a\xa0\xef\xb8\x8f My last message may not have "
	    "reached you. If it is missing, please ask me again.";
	notice.created_at = wall_ms();
	journal_drop_delivery(it->id, unsure ? &notice : NULL);
	TAILQ_REMOVE(&d->items, it, entry);
	item_free(it);
	d->in_flight = false;
	d->delay_ms = 0;
	if (TAILQ_EMPTY(&d->items))
		dest_free(d);
	else
		offer(d);
	return MSG_OK;
}

size_t
outbox_count(void)
{
	return nitems;
}

static bool
word_end(char c)
{
	return !ascii_isalnum((unsigned char)c) && c != '_';
}

char *
outbox_text(const char *text)
{
	struct dbuf	 b;
	struct str	 s;
	const char	*p, *end;
	char		*out;

	dbuf_init(&b, PROVIDER_TEXT_MAX * 3u);
	for (p = text; *p != '\0'; p++) {
		if (p[0] == '[' && p[1] == '[' &&
		    (ascii_ncasecmp(p + 2, "reply_to", 8) == 0 ||
		    ascii_ncasecmp(p + 2, "audio_as_voice", 14) == 0) &&
		    (end = strstr(p, "]]")) != NULL && end - p < 160) {
			p = end + 1;
			continue;
		}
		dbuf_putc(&b, *p);
	}
	s = str_trim((struct str){ dbuf_str(&b), b.n });
	if (str_prefix(s, "NO_REPLY") && (s.n == 8 || word_end(s.p[8])))
		s.n = 0;
	else if (s.n > 8 && memcmp(s.p + s.n - 8, "NO_REPLY", 8) == 0 &&
	    word_end(s.p[s.n - 9]))
		s.n = 0;
	if (str_prefix(s, "HEARTBEAT_OK") && (s.n == 12 ||
	    word_end(s.p[12])))
		s = str_trim((struct str){ s.p + 12, s.n - 12 });
	else if (s.n > 12 && memcmp(s.p + s.n - 12, "HEARTBEAT_OK", 12) == 0)
		s = str_trim((struct str){ s.p, s.n - 12 });
	out = s.n == 0 ? NULL : str_dup(s);
	dbuf_clear(&b);
	return out;
}

void
outbox_typing(struct run *run, bool on)
{
	const struct sessdb_turn *r = &run->turn->row;
	struct m_ag_typing	 m;

	if (router == NULL || r->source != TURN_CHANNEL ||
	    r->chat[0] == '\0' || link_full(router))
		return;
	memset(&m, 0, sizeof(m));
	m.channel = str_of(r->channel);
	m.account = str_of(r->account);
	m.chat = str_of(r->chat);
	m.thread = str_of(r->thread);
	m.on = on;
	send_ag_typing(router, &m, 0, 0);
}

static void
offer(struct dest *d)
{
	struct m_ag_deliver	 m;
	struct item		*it = TAILQ_FIRST(&d->items);
	struct timeval		 tv = { .tv_sec = RETRY_MIN_MS / 1000 };

	if (it == NULL || router == NULL)
		return;
	memset(&m, 0, sizeof(m));
	m.delivery_id = str_of(it->id);
	m.channel = str_of(it->channel);
	m.account = str_of(it->account);
	m.chat = str_of(it->chat);
	m.thread = str_of(it->thread);
	m.reply_to = str_of(it->reply_to);
	m.format = (uint8_t)it->format;
	m.text = str_of(it->text);
	if (link_full(router) || send_ag_deliver(router, &m, 0, 0) == -1)
		event_add(d->timer, &tv);
	else
		d->in_flight = true;
}

static void
retry_cb(evutil_socket_t fd, short what, void *arg)
{
	struct dest	*d = arg;

	(void)fd;
	(void)what;
	if (!d->in_flight)
		offer(d);
}

static void
load_one(const struct sessdb_delivery *v, void *arg)
{
	struct dest	*d;
	struct item	*it, *first;

	(void)arg;
	LIST_FOREACH(d, &dests, entry) {
		first = TAILQ_FIRST(&d->items);
		if (strcmp(first->chat, v->chat) == 0 &&
		    strcmp(first->channel, v->channel) == 0 &&
		    strcmp(first->account, v->account) == 0)
			break;
	}
	it = xcalloc(1, sizeof(*it));
	it->id = xstrdup(v->id);
	it->channel = xstrdup(v->channel);
	it->account = xstrdup(v->account);
	it->chat = xstrdup(v->chat);
	it->thread = xstrdup(v->thread);
	it->reply_to = xstrdup(v->reply_to);
	it->text = xstrdup(v->text);
	it->format = v->format;
	if (d == NULL) {
		d = xcalloc(1, sizeof(*d));
		TAILQ_INIT(&d->items);
		if ((d->timer = evtimer_new(worker_base(), retry_cb, d)) ==
		    NULL)
			fatalx("event");
		LIST_INSERT_HEAD(&dests, d, entry);
	}
	TAILQ_INSERT_TAIL(&d->items, it, entry);
	nitems++;
}

static void
dest_free(struct dest *d)
{
	struct item	*it;

	while ((it = TAILQ_FIRST(&d->items)) != NULL) {
		TAILQ_REMOVE(&d->items, it, entry);
		item_free(it);
	}
	LIST_REMOVE(d, entry);
	event_free(d->timer);
	free(d);
}

static void
item_free(struct item *it)
{
	nitems--;
	free(it->id);
	free(it->channel);
	free(it->account);
	free(it->chat);
	free(it->thread);
	free(it->reply_to);
	free(it->text);
	free(it);
}
