/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From the router to the platform.  A delivery is rendered and cut once, when
 * it comes, and its pieces are committed; after that they go out in order, one
 * at a time per chat, a few chats at once.  A piece is marked as being sent
 * before the first byte leaves.  When this process dies between that mark and
 * the platform's answer, or the answer is lost, the piece is `unknown`: it is
 * never sent again, because the platform could not tell the repeat, and the
 * agent is told.  A delivery id that comes again is answered from the table.
 */

#include "common/compat.h"

#include <sys/queue.h>

#include "channeld/chan.h"
#include "common/log.h"

#define DELIVERIES_MAX	1000	/* unfinished; more are not taken */
#define PIECES_MAX	1000	/* of one delivery */
#define FLYING_MAX	4	/* chats that are written to at once */

struct delivery {
	TAILQ_ENTRY(delivery)	 entry;
	struct lane		*lane;
	char			 id[129], thread[129], reply_to[129];
	unsigned int		 npieces, next;
	bool			 poll;
	uint64_t		 corr;		/* 0: nobody to tell now */
	bool			 plain;		/* the next piece, not rich */
	bool			 no_thread;
	bool			 flying;
	bool			 gone;		/* nothing of it will arrive */
	bool			 unsaved;	/* outcome of the next piece */
	enum piece_state	 outcome;
	char			 remote_id[64];
	char			 reason[257];	/* last failure */
	uint64_t		 not_before_ms;
	struct dbuf		 text;		/* of the piece that flies */
	struct chan_send	 send;
};

struct lane {
	LIST_ENTRY(lane)	 entry;
	char			 chat[129];
	TAILQ_HEAD(delivery_list, delivery)	 deliveries;
};

static struct {
	LIST_HEAD(lane_list, lane)	 list;
}				 lanes;
static unsigned int		 ndeliveries, nflying;
static struct link		*router;
static struct event		*timer;
static bool			 loaded, draining;

static void	 pump(void);
static void	 timer_cb(evutil_socket_t, short, void *);

void
chan_out_init(void)
{
	LIST_INIT(&lanes.list);
	if ((timer = evtimer_new(worker_base(), timer_cb, NULL)) == NULL)
		fatalx("out of memory");
}

unsigned int
chan_out_depth(void)
{
	return ndeliveries;
}

bool
chan_out_busy(void)
{
	return nflying != 0;
}

void
chan_out_drain(void)
{
	draining = true;
}

/* --- lanes -------------------------------------------------------------- */

static struct lane *
lane_get(const char *chat)
{
	struct lane	*l;

	LIST_FOREACH(l, &lanes.list, entry)
		if (strcmp(l->chat, chat) == 0)
			return l;
	if ((l = calloc(1, sizeof(*l))) == NULL)
		return NULL;
	(void)strlcpy(l->chat, chat, sizeof(l->chat));
	TAILQ_INIT(&l->deliveries);
	LIST_INSERT_HEAD(&lanes.list, l, entry);
	return l;
}

static struct delivery *
delivery_find(const char *id)
{
	struct lane	*l;
	struct delivery	*d;

	LIST_FOREACH(l, &lanes.list, entry)
		TAILQ_FOREACH(d, &l->deliveries, entry)
			if (strcmp(d->id, id) == 0)
				return d;
	return NULL;
}

static struct delivery *
delivery_add(const struct chan_out_row *r)
{
	struct delivery	*d;
	struct lane	*l;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	if ((l = lane_get(r->chat)) == NULL) {
		free(d);
		return NULL;
	}
	d->lane = l;
	(void)strlcpy(d->id, r->id, sizeof(d->id));
	(void)strlcpy(d->thread, r->thread, sizeof(d->thread));
	(void)strlcpy(d->reply_to, r->reply_to, sizeof(d->reply_to));
	d->npieces = r->npieces;
	d->next = r->next;
	d->poll = r->format == FORMAT_POLL;
	dbuf_init(&d->text, 1 << 20);
	TAILQ_INSERT_TAIL(&l->deliveries, d, entry);
	ndeliveries++;
	return d;
}

static void
delivery_free(struct delivery *d)
{
	struct lane	*l = d->lane;

	TAILQ_REMOVE(&l->deliveries, d, entry);
	ndeliveries--;
	dbuf_clear(&d->text);
	free(d);
	if (TAILQ_EMPTY(&l->deliveries)) {
		LIST_REMOVE(l, entry);
		free(l);
	}
}

/* --- the router --------------------------------------------------------- */

static void
ack(const char *id, uint64_t corr, enum delivery_status status,
    const char *ids, const char *reason)
{
	struct m_ch_deliver_ack	 m = { 0 };
	struct str		 s = str_of(ids);

	if (router == NULL || corr == 0)
		return;		/* it will ask again */
	m.delivery_id = str_of(id);
	m.status = (uint8_t)status;
	if (s.n > 2048) {	/* whole ids only */
		s.n = 2048;
		while (s.n > 0 && s.p[s.n] != ',')
			s.n--;
	}
	m.remote_ids = s;
	m.reason = str_of(reason);
	if (send_ch_deliver_ack(router, &m, corr, MSG_F_REPLY) == -1)
		log_warn("delivery %s: answer", id);
}

void
chan_out_router(struct link *l)
{
	struct lane	*ln;
	struct delivery	*d;

	router = l;
	if (l != NULL)
		return;
	LIST_FOREACH(ln, &lanes.list, entry)
		TAILQ_FOREACH(d, &ln->deliveries, entry)
			d->corr = 0;
}

/* --- taking a delivery -------------------------------------------------- */

/* Renders every piece into the table; the number of pieces, or -1 when the
 * database refused, -2 when there is no memory or it is too long. */
static int
plan_pieces(const char *id, const struct markdown_doc *doc)
{
	const struct chan_conf	*c = chan_conf();
	struct markdown_limit	 lim = { c->text_limit, c->kind->unit,
				    c->paragraphs };
	struct markdown_piece	 p = { 0 };
	struct dbuf		 rich, plain;
	struct str		 raw;
	int			 n = 0, err = 0;

	dbuf_init(&rich, 1 << 20);
	dbuf_init(&plain, 1 << 20);
	while (err == 0 && markdown_next(doc, &lim, &p)) {
		raw = (struct str){ doc->text.p + p.from, p.to - p.from };
		dbuf_reset(&rich);
		dbuf_reset(&plain);
		/* Without markup there is only one form. */
		if (doc->nspans != 0)
			(void)markdown_render(doc, &p, c->kind->rich, &rich);
		(void)markdown_render(doc, &p, &markdown_text, &plain);
		if (dbuf_err(&plain) || markdown_units((struct str){ plain.p,
		    plain.n }, c->kind->unit) > c->kind->text_max) {
			/* Very long links: what is shown must do. */
			dbuf_reset(&plain);
			(void)dbuf_put(&plain, raw.p, raw.n);
		}
		if (n == PIECES_MAX || dbuf_err(&rich) || dbuf_err(&plain))
			err = -2;
		else
			err = chan_db_piece_add(id, (unsigned int)n++,
			    (struct str){ rich.p, rich.n },
			    (struct str){ plain.p, plain.n });
	}
	dbuf_clear(&rich);
	dbuf_clear(&plain);
	return err != 0 ? err : n;
}

/* doc NULL: a poll, which is one piece. */
static int
plan(struct chan_out_row *r, const struct markdown_doc *doc, struct str text)
{
	int	 n;

	n = doc != NULL ? plan_pieces(r->id, doc) : chan_db_piece_add(r->id, 0,
	    (struct str){ "", 0 }, text) == -1 ? -1 : 1;
	if (n < 0)
		return n;
	r->npieces = (unsigned int)n;
	return chan_db_out_add(r, wall_ms());
}

static int
known(const char *id, uint64_t corr)
{
	struct chan_out_row	 r;
	struct delivery		*d;
	int			 found;

	if ((found = chan_db_out_get(id, &r)) != 1)
		return found;
	if (r.status != OUT_WORKING)
		ack(id, corr, r.status, dbuf_str(&r.remote_ids), r.reason);
	else if ((d = delivery_find(id)) != NULL)
		d->corr = corr;
	dbuf_clear(&r.remote_ids);
	return 1;
}

void
chan_out_deliver(const struct m_ch_deliver *m, uint64_t corr)
{
	const struct chan_conf	*c = chan_conf();
	struct markdown_doc	*doc = NULL;
	struct chan_out_row	 r = { .status = OUT_WORKING };
	struct delivery		*d;
	char			 why[256];
	int			 err;

	(void)strlcpy(r.id, m->delivery_id.p, sizeof(r.id));
	r.format = m->format;
	if (!loaded || chan_state_disk_bad()) {
		ack(r.id, corr, DELIVERY_RETRY, "",
		    "the journal cannot be written");
		return;
	}
	if ((err = known(r.id, corr)) == -1) {
		chan_state_disk("outbox");
		ack(r.id, corr, DELIVERY_RETRY, "", "the journal cannot be "
		    "read");
		return;
	}
	if (err == 1)
		return;
	if (ndeliveries >= DELIVERIES_MAX || draining) {
		ack(r.id, corr, DELIVERY_RETRY, "", draining ?
		    "this account is being stopped" : "the outbox is full");
		return;
	}
	(void)strlcpy(r.chat, m->chat.p, sizeof(r.chat));
	(void)strlcpy(r.thread, m->thread.p, sizeof(r.thread));
	if (c->reply != REPLY_OFF)
		(void)strlcpy(r.reply_to, m->reply_to.p, sizeof(r.reply_to));
	if (m->format == FORMAT_POLL && c->kind->poll_check(m->text, why,
	    sizeof(why)) == -1) {
		ack(r.id, corr, DELIVERY_FAILED, "", why);
		return;
	}
	if (m->format != FORMAT_POLL)
		doc = m->format == FORMAT_MARKDOWN ? markdown_parse(m->text,
		    c->tables) : markdown_plain(m->text);
	if (doc == NULL && m->format != FORMAT_POLL) {
		ack(r.id, corr, DELIVERY_RETRY, "", "out of memory");
		return;
	}
	err = chan_db_begin();
	if (err == 0)
		err = plan(&r, doc, m->text);
	markdown_free(doc);
	if (err == -2) {
		chan_db_rollback();
		ack(r.id, corr, DELIVERY_FAILED, "", "the text is too long");
		return;
	}
	if (err == -1 || chan_db_commit() == -1) {
		chan_state_disk("outbox");
		ack(r.id, corr, DELIVERY_RETRY, "",
		    "the journal cannot be written");
		return;
	}
	if ((d = delivery_add(&r)) == NULL)
		fatalx("out of memory");	/* it is in the table: a new
						 * process goes on with it */
	d->corr = corr;
	log_debug("delivery %s: %u messages to chat %s", d->id, d->npieces,
	    r.chat);
	pump();
}

/* --- our own notices ---------------------------------------------------- */

int
chan_out_notice(const char *id, const char *chat, const char *text)
{
	struct chan_out_row	 r = { .status = OUT_WORKING, .npieces = 1 };
	int			 found;

	(void)strlcpy(r.id, id, sizeof(r.id));
	(void)strlcpy(r.chat, chat, sizeof(r.chat));
	if ((found = chan_db_out_get(id, &r)) != 0) {
		if (found == 1)
			dbuf_clear(&r.remote_ids);
		return found == 1 ? 0 : -1;
	}
	if (chan_db_piece_add(id, 0, (struct str){ "", 0 },
	    str_of(text)) == -1)
		return -1;
	return chan_db_out_add(&r, wall_ms());
}

static void
load_row(const struct chan_out_row *r, void *arg)
{
	(void)arg;
	if (delivery_find(r->id) == NULL && delivery_add(r) == NULL)
		fatalx("out of memory");
}

void
chan_out_notice_go(void)
{
	if (chan_db_out_each(load_row, NULL) == -1)
		chan_state_disk("outbox");
	pump();
}

/* First thing after the database was opened. */
void
chan_out_load(void)
{
	unsigned int	 n;

	if (loaded) {
		pump();
		return;
	}
	if (chan_db_out_crashed(&n) == -1 ||
	    chan_db_out_each(load_row, NULL) == -1) {
		chan_state_disk("outbox");
		return;
	}
	if (n != 0)
		chan_state_error("%u message%s may or may not have been sent "
		    "when the last process ended", n, n == 1 ? "" : "s");
	loaded = true;
	pump();
}

/* --- outcomes ----------------------------------------------------------- */

struct verdict_out {
	enum delivery_status	 status;
	struct dbuf		 ids;
	const char		*reason;
};

/* All pieces have an outcome: the delivery's is made of theirs. */
static int
finish(const struct delivery *d, struct verdict_out *v)
{
	unsigned int	 n[PIECE_UNKNOWN + 1];

	if (chan_db_out_sum(d->id, n, &v->ids) == -1)
		return -1;
	v->status = n[PIECE_UNKNOWN] != 0 ? DELIVERY_UNKNOWN :
	    n[PIECE_FAILED] != 0 ? DELIVERY_FAILED : DELIVERY_SENT;
	v->reason = v->status == DELIVERY_SENT ? "" : d->reason;
	if (v->status == DELIVERY_UNKNOWN && v->reason[0] == '\0')
		v->reason = "the process ended while it was being sent";
	return chan_db_out_finish(d->id, v->status, dbuf_str(&v->ids),
	    v->reason, wall_ms());
}

/* Writes what became of the next piece, if that is not written yet, and of the
 * whole when it was the last; then d is gone and *over set.  False when the
 * disk refuses: d keeps what it knows and this is called again. */
static bool
settle(struct delivery *d, bool *over)
{
	struct verdict_out	 v = { 0 };
	unsigned int		 end = d->next;

	*over = false;
	dbuf_init(&v.ids, 1 << 20);
	if (chan_db_begin() == -1)
		goto fail;
	if (d->unsaved) {
		if (chan_db_piece_set(d->id, end, d->outcome,
		    d->outcome == PIECE_SENT ? d->remote_id : NULL) == -1)
			goto fail;
		end += d->outcome != PIECE_PLANNED;
		for (; d->gone && end < d->npieces; end++)
			if (chan_db_piece_set(d->id, end, PIECE_FAILED,
			    NULL) == -1)
				goto fail;
	}
	if (end == d->npieces && finish(d, &v) == -1)
		goto fail;
	if (chan_db_commit() == -1)
		goto fail;
	d->unsaved = false;
	if (end != d->next)
		d->plain = false;
	d->next = end;
	if (end == d->npieces) {
		if (v.status != DELIVERY_SENT)
			chan_state_error("delivery %s %s: %s", d->id,
			    v.status == DELIVERY_UNKNOWN ?
			    "may or may not have arrived" : "failed",
			    v.reason);
		ack(d->id, d->corr, v.status, dbuf_str(&v.ids), v.reason);
		delivery_free(d);
		*over = true;
	}
	dbuf_clear(&v.ids);
	return true;
fail:
	dbuf_clear(&v.ids);
	chan_state_disk("outbox");
	return false;
}

/* --- sending ------------------------------------------------------------ */

/* The mark first, then the bytes.  False when the disk refuses. */
static bool
start(struct delivery *d)
{
	struct dbuf	 rich, plain;
	bool		 use_rich;

	dbuf_init(&rich, 1 << 20);
	dbuf_init(&plain, 1 << 20);
	if (chan_db_piece_text(d->id, d->next, &rich, &plain) == -1 ||
	    chan_db_piece_set(d->id, d->next, PIECE_SENDING, NULL) == -1) {
		dbuf_clear(&rich);
		dbuf_clear(&plain);
		chan_state_disk("outbox");
		return false;
	}
	use_rich = rich.n != 0 && !d->plain;
	dbuf_clear(&d->text);
	d->text = use_rich ? rich : plain;
	dbuf_clear(use_rich ? &plain : &rich);
	d->send = (struct chan_send){ .chat = d->lane->chat,
	    .thread = d->no_thread ? "" : d->thread,
	    .reply_to = d->next == 0 || chan_conf()->reply == REPLY_ALL ?
	    d->reply_to : "",
	    .text = { dbuf_str(&d->text), d->text.n }, .rich = use_rich,
	    .poll = d->poll, .no_preview = chan_conf()->no_preview, .owner = d };
	d->flying = true;
	nflying++;
	chan_conf()->kind->send(&d->send);
	return true;
}

void
chan_out_sent(struct chan_send *send, enum send_result result,
    const char *remote_id, uint32_t wait_ms, const char *reason)
{
	struct delivery	*d = send->owner;
	bool		 over;

	d->flying = false;
	nflying--;
	dbuf_clear(&d->text);
	d->remote_id[0] = '\0';
	d->unsaved = true;
	d->outcome = PIECE_PLANNED;
	d->not_before_ms = wait_ms != 0 ? mono_ms() + wait_ms : 0;
	if (result != SEND_OK && result != SEND_LATER)
		(void)strlcpy(d->reason, reason, sizeof(d->reason));
	switch (result) {
	case SEND_OK:
		d->outcome = PIECE_SENT;
		(void)strlcpy(d->remote_id, remote_id, sizeof(d->remote_id));
		chan_state_outbound();
		break;
	case SEND_LATER:
		log_debug("delivery %s: again in %u ms: %s", d->id, wait_ms,
		    reason);
		break;
	case SEND_PLAIN:
		log_warnx("delivery %s: sent without markup: %s", d->id,
		    reason);
		d->plain = true;
		break;
	case SEND_NO_THREAD:
		d->no_thread = true;
		break;
	case SEND_GONE:
		d->gone = true;
		/* FALLTHROUGH */
	case SEND_FAILED:
		d->outcome = PIECE_FAILED;
		break;
	case SEND_UNKNOWN:
		d->outcome = PIECE_UNKNOWN;
		break;
	}
	if (settle(d, &over))
		pump();
}

/* The oldest delivery of a lane; false when the disk refuses. */
static bool
lane_pump(struct lane *l, uint64_t now, uint64_t *next_ms)
{
	struct delivery	*d = TAILQ_FIRST(&l->deliveries), *next;
	bool		 over = true;

	for (; d != NULL && over; d = next) {
		next = TAILQ_NEXT(d, entry);
		over = false;
		if (d->flying)
			return true;
		if ((d->unsaved || d->next == d->npieces) && !settle(d, &over))
			return false;
		if (over)
			continue;	/* d is gone; l too when it was last */
		if (d->not_before_ms > now) {
			if (d->not_before_ms < *next_ms)
				*next_ms = d->not_before_ms;
			return true;
		}
		return draining || nflying >= FLYING_MAX || start(d);
	}
	return true;
}

static void
pump(void)
{
	struct lane	*l, *next;
	struct timeval	 tv;
	uint64_t	 now = mono_ms(), at = UINT64_MAX;

	if (!loaded || chan_state_disk_bad())
		return;
	for (l = LIST_FIRST(&lanes.list); l != NULL; l = next) {
		next = LIST_NEXT(l, entry);
		if (!lane_pump(l, now, &at))
			return;
	}
	if (at != UINT64_MAX) {
		at = at > now ? at - now : 1;
		tv.tv_sec = (time_t)(at / 1000);
		tv.tv_usec = (suseconds_t)(at % 1000 * 1000);
		evtimer_add(timer, &tv);
	}
}

void
chan_out_pump(void)
{
	pump();
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	pump();
}
