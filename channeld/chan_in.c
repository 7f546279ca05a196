/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From the journal to the router.  A platform's batch is committed together
 * with its cursor; then the oldest unfinished event of every chat goes through
 * the gate and on its way, and the next of that chat follows when it is
 * finished: accepted by an agent, or refused.  Nothing of this is held in
 * memory only: after a crash, here or of the router, the journal says what is
 * unfinished, and receivers drop what they have seen.
 */

#include "common/compat.h"

#include <sys/queue.h>

#include <openssl/evp.h>

#include "channeld/chan.h"
#include "common/log.h"

#define FLIGHTS_MAX	64	/* chats that are served at once */
#define RESEND_MS	30000	/* no answer from a router that lives */
#define PAIR_TRIES	5	/* then a stranger's message is dropped */
#define ASKED_MAX	64	/* strangers remembered, */
#define ASKED_MS	60000	/* who are asked about once in that time */

enum wait_for { WAIT_ROUTER, WAIT_PAIR, WAIT_TIME };

struct flight {
	TAILQ_ENTRY(flight)	 entry;
	int64_t			 seq;
	char			 id[EVENT_ID_MAX + 1], chat[EVENT_ID_MAX + 1];
	char			 sender[EVENT_ID_MAX + 1];
	enum wait_for		 wait;
	uint64_t		 due_ms;	/* send it again then */
	struct chan_backoff	 backoff;
};

struct allow_op_item {
	enum allow_op	 op;
	char		 sender[EVENT_ID_MAX + 1];
};

static struct {
	TAILQ_HEAD(flight_list, flight)	 list;
}				 flights;
static size_t			 nflights;
static struct link		*router;
static struct event		*pump_ev, *tick_ev;
static bool			 gate_failed;
static struct {
	char		 sender[EVENT_ID_MAX + 1];
	uint64_t	 when_ms;
}				 asked[ASKED_MAX];
static size_t			 asked_next;
static struct allow_op_item	*ops;
static size_t			 nops, ops_cap;
static int64_t			 generation;
static bool			 listing;	/* between RESET and END */

static bool	 allowed(const char *, void *);
static void	 allow_flush(void);
static bool	 dispatch(const struct chan_row *, void *);
static void	 pump_cb(evutil_socket_t, short, void *);
static void	 tick_cb(evutil_socket_t, short, void *);

void
chan_in_init(void)
{
	struct timeval	 tv = { 1, 0 };

	TAILQ_INIT(&flights.list);
	pump_ev = evtimer_new(worker_base(), pump_cb, NULL);
	tick_ev = event_new(worker_base(), -1, EV_PERSIST, tick_cb, NULL);
	if (pump_ev == NULL || tick_ev == NULL)
		fatalx("out of memory");
	evtimer_add(tick_ev, &tv);
}

/* --- flights ------------------------------------------------------------ */

static struct flight *
flight_by_chat(const char *chat)
{
	struct flight	*f;

	TAILQ_FOREACH(f, &flights.list, entry)
		if (strcmp(f->chat, chat) == 0)
			return f;
	return NULL;
}

static void
flight_free(struct flight *f)
{
	TAILQ_REMOVE(&flights.list, f, entry);
	nflights--;
	free(f);
}

static void
pump_soon(void)
{
	static const struct timeval	 zero;

	evtimer_add(pump_ev, &zero);
}

/* Writes the outcome; the chat's next event is dispatched from the loop. */
static int
row_done(int64_t seq, const char *reason)
{
	if (chan_db_event_done(seq, reason) == -1) {
		chan_state_disk("event");
		return -1;
	}
	pump_soon();
	return 0;
}

/* --- strangers ---------------------------------------------------------- */

static bool
asked_lately(const char *sender)
{
	uint64_t	 now = mono_ms();
	size_t		 i;

	for (i = 0; i < ASKED_MAX; i++)
		if (asked[i].when_ms != 0 && now - asked[i].when_ms < ASKED_MS
		    && strcmp(asked[i].sender, sender) == 0)
			return true;
	i = asked_next++ % ASKED_MAX;
	(void)strlcpy(asked[i].sender, sender, sizeof(asked[i].sender));
	asked[i].when_ms = now;
	return false;
}

static void
asked_forget(const char *sender)
{
	size_t	 i;

	for (i = 0; i < ASKED_MAX; i++)
		if (strcmp(asked[i].sender, sender) == 0)
			asked[i].when_ms = 0;
}

static int
send_pair(const struct chan_event *ev)
{
	struct m_ch_pair	 m = { 0 };

	m.sender = str_of(ev->sender);
	m.sender_name = str_of(ev->sender_name);
	m.sender_username = str_of(ev->sender_username);
	return send_ch_pair(router, &m, 0, 0);
}

/* One notice for one code: the id of its delivery is made from both, and the
 * outbox takes an id only once. */
static int
notice(const struct flight *f, const char *code)
{
	unsigned char	 md[EVP_MAX_MD_SIZE] = { 0 };
	unsigned int	 n = 0;
	char		 id[129], hex[17], text[1024];

	(void)EVP_Digest(code, strlen(code), md, &n, EVP_sha256(), NULL);
	hex_encode(md, 8, hex);
	(void)snprintf(id, sizeof(id), "pair-%.64s-%s", f->sender, hex);
	(void)snprintf(text, sizeof(text), "OpenClaw: access not configured."
	    "\n\n%s%s\n\nPairing code: %s\n\nAsk the bot owner to approve "
	    "with:\nopenclaw pairing approve %s <code>",
	    chan_conf()->kind->id_line, f->sender, code,
	    chan_conf()->kind->name);
	return chan_out_notice(id, f->chat, text);
}

void
chan_in_paired(const struct m_ch_pair_res *m)
{
	struct flight	*f;

	TAILQ_FOREACH(f, &flights.list, entry)
		if (f->wait == WAIT_PAIR && str_eqs(m->sender, f->sender))
			break;
	if (f == NULL)
		return;		/* answered twice, or given up */
	/* No stranger any more: approved meanwhile, or the list came after the
	 * message.  It is judged again. */
	allow_flush();
	gate_failed = false;
	if (allowed(f->sender, (void *)(uintptr_t)chan_conf()) ||
	    gate_failed) {
		if (gate_failed)
			chan_state_disk("allow list");
		asked_forget(f->sender);
		flight_free(f);
		pump_soon();
		return;
	}
	if (chan_db_begin() == -1 ||
	    chan_db_event_done(f->seq, "sender is not paired") == -1 ||
	    (m->code.n != 0 && notice(f, m->code.p) == -1) ||
	    chan_db_commit() == -1) {
		asked_forget(f->sender);
		flight_free(f);
		chan_state_disk("pairing notice");
		return;
	}
	log_info("event %s: sender %s is not paired%s", f->id, f->sender,
	    m->code.n == 0 ? " and gets no code" :
	    m->created ? ", a code was made" : "");
	flight_free(f);
	chan_out_notice_go();
	pump_soon();
}

/* --- the gate ----------------------------------------------------------- */

static bool
allowed(const char *id, void *arg)
{
	const struct chan_conf	*c = arg;
	size_t			 i;
	int			 r;

	for (i = 0; i < c->nallow; i++)
		if (strcmp(c->allow[i], id) == 0)
			return true;
	if ((r = chan_db_allowed(id)) == -1)
		gate_failed = true;
	return r == 1;
}

static int
send_inbound(const char *id, const struct chan_event *ev)
{
	struct m_ch_inbound	 m = { 0 };

	m.event_id = str_of(id);
	m.kind = ev->command ? CH_KIND_COMMAND : CH_KIND_TEXT;
	m.chat_type = (uint8_t)ev->chat_type;
	m.chat = str_of(ev->chat);
	m.thread = str_of(ev->thread);
	m.sender = str_of(ev->sender);
	m.sender_name = str_of(ev->sender_name);
	m.sender_username = str_of(ev->sender_username);
	m.msg_id = str_of(ev->msg_id);
	m.reply_to = str_of(ev->reply_to);
	m.ts_ms = ev->ts_ms;
	m.mentioned = ev->mentioned;
	m.text = (struct str){ dbuf_str(&ev->text), ev->text.n };
	return send_ch_inbound(router, &m, 0, 0);
}

/* Judges and sends one row.  f is its flight when it was sent before. */
static void
row_send(const struct chan_row *r, struct flight *f)
{
	const struct chan_conf	*c = chan_conf();
	struct gate		 g = { c->dm, c->any, allowed,
				    (void *)(uintptr_t)c };
	struct chan_event	 ev;
	enum verdict_gate	 v;
	const char		*why;
	int			 err;

	if (c->kind->read((struct str){ r->raw.p, r->raw.n }, &ev) == -1) {
		why = "it cannot be read";
		goto refuse;
	}
	gate_failed = false;
	v = gate_judge(&g, &ev, &why);
	if (gate_failed) {
		chan_state_disk("allow list");
		chan_event_clear(&ev);
		return;
	}
	if (v == GATE_DROP || (v == GATE_PAIR && f == NULL &&
	    asked_lately(ev.sender)))
		goto refuse;
	if (f == NULL) {
		if ((f = calloc(1, sizeof(*f))) == NULL) {
			chan_event_clear(&ev);
			return;		/* the tick tries again */
		}
		f->seq = r->seq;
		(void)strlcpy(f->id, r->id, sizeof(f->id));
		(void)strlcpy(f->chat, r->chat, sizeof(f->chat));
		(void)strlcpy(f->sender, ev.sender, sizeof(f->sender));
		f->backoff = (struct chan_backoff){ 1000, 60000, 200, 0 };
		TAILQ_INSERT_TAIL(&flights.list, f, entry);
		nflights++;
	}
	f->wait = v == GATE_PAIR ? WAIT_PAIR : WAIT_ROUTER;
	f->due_ms = mono_ms() + RESEND_MS;
	err = v == GATE_PAIR ? send_pair(&ev) : send_inbound(r->id, &ev);
	if (err == -1) {
		log_warn("event %s", r->id);
		f->wait = WAIT_TIME;
		f->due_ms = mono_ms() + chan_backoff_next(&f->backoff);
	} else if (v == GATE_PASS)
		log_debug("event %s: to the router", r->id);
	chan_event_clear(&ev);
	return;
refuse:
	log_info("event %s: %s in chat %s refused: %s", r->id, ev.name, r->chat,
	    why);
	if (f != NULL)
		flight_free(f);
	(void)row_done(r->seq, why);
	chan_event_clear(&ev);
}

static bool
ready(void)
{
	return router != NULL && chan_db_is_open() && !chan_state_disk_bad() &&
	    !chan_draining();
}

static bool
dispatch(const struct chan_row *r, void *arg)
{
	struct flight	*again = arg, *f;

	if (!ready() || link_full(router))
		return false;
	f = flight_by_chat(r->chat);
	if (f != again || (f == NULL && nflights >= FLIGHTS_MAX))
		return true;	/* that chat has one on its way */
	if (f != NULL && f->seq != r->seq)
		return true;
	row_send(r, f);
	return true;
}

void
chan_in_pump(void)
{
	pump_soon();
}

static void
pump_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	allow_flush();
	if (ready() && chan_db_event_heads(NULL, dispatch, NULL) == -1)
		chan_state_disk("journal");
}

/* What got no answer goes out again. */
static void
tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct flight	*f, *next;
	uint64_t	 now = mono_ms();

	(void)fd;
	(void)what;
	(void)arg;
	for (f = TAILQ_FIRST(&flights.list); f != NULL && ready(); f = next) {
		next = TAILQ_NEXT(f, entry);
		if (now < f->due_ms)
			continue;
		if (f->wait == WAIT_PAIR && f->backoff.tries++ >= PAIR_TRIES) {
			log_warnx("event %s: nobody answers about sender %s",
			    f->id, f->sender);
			(void)row_done(f->seq, "nobody keeps pairing codes");
			flight_free(f);
			continue;
		}
		if (chan_db_event_heads(f->chat, dispatch, f) == -1) {
			chan_state_disk("journal");
			return;
		}
	}
}

/* --- the router --------------------------------------------------------- */

void
chan_in_router(struct link *l)
{
	struct flight	*f, *next;

	router = l;
	if (l != NULL) {
		pump_soon();
		return;
	}
	listing = false;	/* the end of that list will not come */
	/* What it had not answered is unfinished in the journal. */
	for (f = TAILQ_FIRST(&flights.list); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->wait == WAIT_PAIR)
			asked_forget(f->sender);
		flight_free(f);
	}
}

void
chan_in_ack(const struct m_ch_inbound_ack *m)
{
	struct flight	*f;
	uint32_t	 wait;

	TAILQ_FOREACH(f, &flights.list, entry)
		if (f->wait != WAIT_PAIR && str_eqs(m->event_id, f->id))
			break;
	if (f == NULL)
		return;		/* it was sent twice and answered twice */
	switch ((enum inbound_status)m->status) {
	case INBOUND_ACCEPTED:
	case INBOUND_DUPLICATE:
		(void)row_done(f->seq, NULL);
		flight_free(f);
		return;
	case INBOUND_REFUSED:
		chan_state_error("event %s was refused: %s", f->id,
		    m->reason.p);
		(void)row_done(f->seq, m->reason.n != 0 ? m->reason.p :
		    "refused");
		flight_free(f);
		return;
	case INBOUND_RETRY:
		break;
	}
	/* Kept for as long as it takes: it was accepted from the sender. */
	wait = chan_backoff_next(&f->backoff);
	if (f->backoff.tries == 8)
		chan_state_error("event %s waits: %s", f->id, m->reason.p);
	f->wait = WAIT_TIME;
	f->due_ms = mono_ms() + wait;
}

/* --- the allow list ----------------------------------------------------- */

static void
allow_push(enum allow_op op, const char *id)
{
	struct allow_op_item	*more;

	if (nops == ops_cap) {
		if ((more = reallocarray(ops, ops_cap + 64,
		    sizeof(*ops))) == NULL) {
			log_warn("allow list");
			return;
		}
		ops = more;
		ops_cap += 64;
	}
	ops[nops].op = op;
	(void)strlcpy(ops[nops++].sender, id, sizeof(ops[0].sender));
	pump_soon();
}

/* Collected and written in one transaction: after a start the router sends
 * the whole list.  What it did not name is removed when its end has come;
 * until then everything holds, so that whoever dies in the middle of a list,
 * router or store, locks nobody out. */
void
chan_in_allow(const struct m_ch_allow *m)
{
	char		 id[EVENT_ID_MAX + 1];

	if (m->op == ALLOW_RESET || m->op == ALLOW_END) {
		if (m->op == ALLOW_RESET || listing)
			allow_push((enum allow_op)m->op, "");
		listing = m->op == ALLOW_RESET;
		return;
	}
	if (!chan_conf()->kind->allow_id(m->sender, id, sizeof(id))) {
		log_warnx("allow list: an entry is no immutable id and gives "
		    "no right");
		return;
	}
	if (m->op == ALLOW_ADD || m->op == ALLOW_WELCOME)
		asked_forget(id);
	allow_push((enum allow_op)m->op, id);
}

/* The private chat with a sender has the sender's id. */
static int
welcome(const char *sender)
{
	char	 id[129];

	(void)snprintf(id, sizeof(id), "welcome-%.64s-%llx", sender,
	    (unsigned long long)wall_ms());
	return chan_out_notice(id, sender, "\xe2\x9c\x85 OpenClaw access "
	    "approved. Send a message to start chatting.");
}

/* Generations only count up, whatever the clock does: an entry of an older
 * one is one that the last RESET did not name again. */
static int
allow_write(const struct allow_op_item *op)
{
	char	 text[32] = "0";
	int64_t	 n = 0;

	if (op->op == ALLOW_RESET || generation == 0) {
		if (chan_db_cursor_get("allow.generation", text,
		    sizeof(text)) == -1)
			return -1;
		(void)num_parse(str_of(text), 0, INT64_MAX - 1, &n);
		generation = n + 1;
		(void)snprintf(text, sizeof(text), "%lld",
		    (long long)generation);
		if (chan_db_cursor_set("allow.generation", text) == -1)
			return -1;
	}
	if (op->op == ALLOW_RESET)
		return 0;
	if (op->op == ALLOW_END)
		return chan_db_allow_sweep(generation);
	if (chan_db_allow(op->op == ALLOW_WELCOME ? ALLOW_ADD : op->op,
	    op->sender, generation) == -1)
		return -1;
	return op->op == ALLOW_WELCOME ? welcome(op->sender) : 0;
}

static void
allow_flush(void)
{
	size_t	 i;

	if (nops == 0 || !chan_db_is_open() || chan_state_disk_bad())
		return;
	if (chan_db_begin() == -1)
		goto fail;
	for (i = 0; i < nops; i++)
		if (allow_write(&ops[i]) == -1)
			goto fail;
	if (chan_db_commit() == -1)
		goto fail;
	nops = 0;
	chan_out_notice_go();
	return;
fail:
	chan_state_disk("allow list");
}

/* --- the platform ------------------------------------------------------- */

bool
chan_in_full(void)
{
	return chan_db_events_waiting() >= CHAN_BACKLOG;
}

int
chan_in_batch(struct chan_batch_item *items, size_t n, const char *cursor,
    const char *value)
{
	static unsigned int	 batches;
	uint64_t		 now = wall_ms();
	size_t			 i, added = 0;
	bool			 fresh;

	if (!chan_db_is_open() || chan_state_disk_bad())
		return -1;
	if (chan_db_begin() == -1)
		goto fail;
	for (i = 0; i < n; i++) {
		if (chan_db_event_add(items[i].ev, items[i].raw, now,
		    &fresh) == -1)
			goto fail;
		added += fresh;
		if (!fresh)
			log_debug("event %s: seen before", items[i].ev->id);
	}
	if (chan_db_cursor_set(cursor, value) == -1 || chan_db_commit() == -1)
		goto fail;
	if (added != 0) {
		chan_state_inbound();
		pump_soon();
	}
	if (++batches % 64 == 0 &&
	    chan_db_prune(now, chan_conf()->kind->keep) == -1)
		chan_state_disk("old rows");
	return 0;
fail:
	chan_state_disk("event");
	return -1;
}
