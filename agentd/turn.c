/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Turns from AG_TURN until they run: commands, the queue of each session, and
 * what becomes of them when the process ended in between.  A turn is
 * acknowledged when the journal has it and never before.
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/agentd.h"
#include "agentd/attach.h"
#include "agentd/http.h"
#include "agentd/json_load.h"
#include "common/log.h"

#define QUEUE_MAX	100		/* waiting turns of one session */
#define QUEUE_BYTES	(64u << 20)	/* of all turns that are not done */
#define STALE		"stale"		/* among the options: ours, no client's */

static struct session_list	 ready = TAILQ_HEAD_INITIALIZER(ready);
static size_t			 nqueued, held_bytes;
static int64_t			 last_id = -1;

static struct turn *turn_new(const struct sessdb_turn *);
static void	 turn_enqueue(struct turn *);
static void	 turn_begin(struct turn *);
static void	 turn_unqueue(struct turn *);
static bool	 handle_command(struct turn *);
static void	 recover_one(struct turn *);

static bool
take_key(const struct sessdb_session *v, void *arg)
{
	strlcpy(arg, v->key, SESSION_KEY_MAX + 1);
	return false;
}

/* The key of the session with that id, when there is one. */
static void
session_of_id(const char *id, char key[SESSION_KEY_MAX + 1])
{
	struct sessdb_filter	 f = { .id = id, .limit = 1, .global = true,
				    .unknown = true };

	if (str_trim(str_of(id)).n > 0)
		session_each(&f, take_key, key);
}

static void
note(struct session *s, const char *field, const char *value)
{
	struct str	 v = str_trim(str_of(value));

	if (v.n > 0)
		session_set(s, field, json_stringn(v.p, v.n));
}

static uint64_t
updated_at(const struct session *s)
{
	return (uint64_t)json_integer_value(json_object_get(s->entry,
	    "updatedAt"));
}

/* What `agent` says of its session is stored with the turn, so that it can be
 * seen once the turn was accepted (spec gateway-protocol 4.3).  The session is
 * no older than the turn from then on. */
static void
note_agent(struct turn *t)
{
	static const struct { const char *option, *field; } groups[] = {
		{ "groupId", "groupId" }, { "groupChannel", "groupChannel" },
		{ "groupSpace", "space" },
	};
	struct session	*s = t->session, *parent = NULL;
	const char	*p;
	char		 key[SESSION_KEY_MAX + 1];
	size_t		 i;

	note(s, "label", turn_option(t, "label", NULL));
	note(s, "spawnedBy", turn_option(t, "spawnedBy", NULL));
	if (session_text(s, "channel", NULL) == NULL)
		note(s, "channel", turn_option(t, "channel", NULL));
	if ((p = session_text(s, "spawnedBy", NULL)) != NULL &&
	    session_key_canon(str_of(p), cfg->agent_id, cfg->scope_global,
	    key, sizeof(key)) == 0)
		parent = session_existing(key);
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		p = turn_option(t, groups[i].option, "");
		/* A helper is in the group of whom it helps. */
		if (str_trim(str_of(p)).n == 0 && parent != NULL &&
		    session_text(s, groups[i].field, NULL) == NULL)
			p = session_text(parent, groups[i].field, "");
		note(s, groups[i].field, p);
	}
	session_dirty(s, true);
	if (updated_at(s) < t->row.accepted_at)
		session_set(s, "updatedAt", json_integer((json_int_t)
		    t->row.accepted_at));
}

/* It begins its session anew, also when another process runs it. */
static bool
set_stale(struct turn *t)
{
	char	*p;

	if (t->options == NULL)
		t->options = json_object();
	if (json_object_set_new(t->options, STALE, json_true()) == -1 ||
	    (p = json_dumps(t->options, JSON_COMPACT)) == NULL)
		return false;
	free((char *)t->row.options);
	t->row.options = p;
	t->stale = true;
	return true;
}

/* Its attachments as blocks of a message; -1: it was refused. */
static int
read_media(struct link *l, uint64_t corr, const struct m_ag_turn *in,
    size_t max, struct dbuf *media)
{
	struct dbuf	 dropped;
	char		 why[512] = "";
	const char	*p, *nl;

	dbuf_init(media, in->media.n + 8192);
	if (in->media.n == 0)
		return 0;
	dbuf_init(&dropped, 65536);
	if (attach_read(in->media, max, media, &dropped, why,
	    sizeof(why)) == 0 &&
	    media->n == 0 && str_trim(in->text).n == 0)
		strlcpy(why, "message or attachment required", sizeof(why));
	for (p = dbuf_str(&dropped); (nl = strchr(p, '\n')) != NULL;
	    p = nl + 1)
		log_warnx("run %s: %.*s", in->run_id.p, (int)(nl - p), p);
	dbuf_clear(&dropped);
	if (why[0] == '\0')
		return 0;
	dbuf_clear(media);
	turn_ack(l, corr, in->run_id.p, TURN_REFUSED, 0, "INVALID_REQUEST", why);
	return -1;
}

enum msg_err
turn_message(struct link *l, struct msg *m)
{
	struct m_ag_turn	 in;
	enum msg_err		 err;

	if ((err = get_ag_turn(m, &in)) != MSG_OK)
		return err;
	return turn_offer(l, m->h.corr, &in, NULL);
}

enum msg_err
turn_offer(struct link *l, uint64_t corr, const struct m_ag_turn *turn,
    struct http_call *http)
{
	struct m_ag_turn	 in = *turn;
	struct sessdb_turn	 row;
	struct session		*s;
	struct turn		*t;
	struct str		 agent, rest;
	struct dbuf		 media;
	json_t			*options = NULL;
	char			 key[SESSION_KEY_MAX + 1], *answer;
	int			 r;

	if (in.source >= TURN_SOURCE_MAX || in.chat_type >= CHAT_TYPE_MAX)
		return MSG_RANGE;
	if (session_key_canon(in.session_key, cfg->agent_id,
	    cfg->scope_global, key, sizeof(key)) == -1) {
		turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0, "INVALID_REQUEST",
		    "invalid session key");
		return MSG_OK;
	}
	if (session_key_split(str_of(key), &agent, &rest) &&
	    !str_eqs(agent, cfg->agent_id)) {
		turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0, "INVALID_REQUEST",
		    "the session belongs to another agent");
		return MSG_OK;
	}
	if (in.options.n > 0 && ((options = json_load_bounded(in.options.p,
	    in.options.n, JSON_LOAD_DEPTH)) == NULL ||
	    !json_is_object(options))) {
		json_decref(options);
		return MSG_MEANING;
	}
	if (!utf8_valid(in.text.p, in.text.n) || (in.text.n > 0 &&
	    memchr(in.text.p, '\0', in.text.n) != NULL)) {
		json_decref(options);
		return MSG_TEXT;
	}
	if (db != NULL && in.source == TURN_AGENT)
		session_of_id(json_text(options, "sessionId", ""), key);
	if (db == NULL || draining) {
		turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0, "UNAVAILABLE",
		    draining ? "the agent is shutting down" :
		    journal_trouble());
		json_decref(options);
		return MSG_OK;
	}
	if ((r = turn_seen(l, corr, &in)) != 0 ||
	    (s = session_get(key)) == NULL) {
		if (r != 1)
			turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0,
			    "UNAVAILABLE", strerror(errno));
		json_decref(options);
		return MSG_OK;
	}
	/* What comes over HTTP has kept the limits of its route. */
	if (read_media(l, corr, &in, http != NULL ? SIZE_MAX :
	    ATTACH_MAX_BYTES, &media) == -1) {
		json_decref(options);
		return MSG_OK;
	}
	/* Commands are answered all the same, but those of the web chat: there
	 * the protocol refuses before it looks. */
	if (session_send_denied(s) && (in.source != TURN_CHANNEL ||
	    command_parse(in.text, &rest) == COMMAND_NONE)) {
		turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0, "INVALID_REQUEST",
		    "send blocked by session policy");
		dbuf_clear(&media);
		json_decref(options);
		return MSG_OK;
	}
	/* A stop word of the web chat makes no turn. */
	if (in.source == TURN_CHAT && turn_is_stop_word(in.text)) {
		answer = rpc_abort_session(s, "stop", TURN_SOURCE_MAX,
		    NULL);
		turn_ack(l, corr, in.run_id.p, TURN_ACCEPTED, wall_ms(), "RESULT",
		    answer);
		free(answer);
		dbuf_clear(&media);
		json_decref(options);
		return MSG_OK;
	}
	/* pins: those that are on their way into the queue. */
	if (s->nturns + s->pins >= QUEUE_MAX || held_bytes > QUEUE_BYTES) {
		turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0, "UNAVAILABLE",
		    "too many messages are waiting");
		dbuf_clear(&media);
		json_decref(options);
		return MSG_OK;
	}
	if (last_id == -1)
		last_id = sessdb_max_turn(db);
	memset(&row, 0, sizeof(row));
	row.id = ++last_id;
	row.state = TURN_ST_QUEUED;
	row.dedupe_key = in.dedupe_key.p;
	row.run_id = in.run_id.p;
	row.session_key = key;
	row.raw_key = in.session_key.p;
	row.source = in.source;
	row.chat_type = in.chat_type;
	row.channel = in.channel.p;
	row.account = in.account.p;
	row.chat = in.chat.p;
	row.thread = in.thread.p;
	row.sender = in.sender.p;
	row.sender_name = in.sender_name.p;
	row.msg_id = in.msg_id.p;
	row.ts_ms = in.ts_ms;
	row.accepted_at = wall_ms();
	if (row.accepted_at == updated_at(s))
		row.accepted_at++;	/* see note_again() */
	if ((answer = str_dup(in.text)) == NULL) {
		dbuf_clear(&media);
		json_decref(options);
		return MSG_NOMEM;
	}
	row.text = answer;
	row.options = in.options.n > 0 ? in.options.p : "";
	t = turn_new(&row);
	free(answer);
	if (t == NULL) {
		dbuf_clear(&media);
		json_decref(options);
		return MSG_NOMEM;
	}
	t->options = options;
	t->corr = corr;
	t->asker = l != NULL ? link_endpoint(l) : 0;
	t->ack_due = true;
	t->session = s;
	if ((t->http = http) != NULL)
		http->turn = t;
	if (in.source == TURN_AGENT) {
		/* Being mentioned makes it fresh: was it stale before? */
		if (s->run == NULL && session_stale(s, t->row.channel,
		    t->row.chat_type, wall_ms()) && !set_stale(t)) {
			turn_ack(l, corr, in.run_id.p, TURN_REFUSED, 0,
			    "UNAVAILABLE", strerror(ENOMEM));
			dbuf_clear(&media);
			turn_free(t);
			return MSG_OK;
		}
		note_agent(t);
	}
	if (media.n > 0) {
		t->media = dbuf_take(&media, &t->media_n);
		t->has_media = true;
		t->held += t->media_n;
		held_bytes += t->media_n;
	}
	/* In this order: a stop ends what came before it, not itself. */
	handle_command(t);
	journal_accept(t);
	return MSG_OK;
}

/* Is there still somebody to tell?  Each router counts its requests from one,
 * so an answer for the last would be taken for an answer to this. */
static bool
ack_wanted(const struct turn *t)
{
	return t->ack_due && (t->http != NULL || (router != NULL &&
	    link_endpoint(router) == t->asker));
}

void
turn_committed(struct turn *t)
{
	bool	 waits;

	waits = t->run == NULL && (t->session->run != NULL ||
	    t->session->nturns > 0 || nactive >= cfg->max_concurrent);
	if (ack_wanted(t))
		turn_ack(t->asker != 0 ? router : NULL, t->corr, t->row.run_id,
		    waits ? TURN_QUEUED : TURN_ACCEPTED, t->row.accepted_at, "", "");
	t->ack_due = false;
	if (t->run == NULL)	/* else a command; its end follows */
		turn_enqueue(t);
}

void
turn_refused(struct turn *t, int err)
{
	char	 why[256];

	if (ack_wanted(t)) {
		snprintf(why, sizeof(why), "%s", journal_trouble()[0] != '\0' ?
		    journal_trouble() : strerror(err));
		turn_ack(t->asker != 0 ? router : NULL, t->corr, t->row.run_id,
		    TURN_REFUSED, 0,
		    "UNAVAILABLE", why);
	}
	if (t->run != NULL)
		journal_forget(t->run);
	turn_free(t);
}

void
turn_free(struct turn *t)
{
	struct sessdb_turn	*r = &t->row;
	const char		*owned[] = { r->dedupe_key, r->run_id,
				    r->session_key, r->raw_key, r->channel,
				    r->account, r->chat, r->thread, r->sender,
				    r->sender_name, r->msg_id, r->options,
				    r->text, r->session_id, r->user_entry };
	size_t			 i;

	if (t->http != NULL)
		t->http->turn = NULL;
	if (t->queued)
		turn_unqueue(t);
	held_bytes -= t->held;
	for (i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free((char *)owned[i]);
	json_decref(t->options);
	free(t->media);
	free(t);
}

void
turn_schedule(void)
{
	struct session	*s;

	while (!draining && nactive < cfg->max_concurrent &&
	    (s = TAILQ_FIRST(&ready)) != NULL) {
		TAILQ_REMOVE(&ready, s, ready);
		s->in_ready = false;
		if (s->run == NULL && !TAILQ_EMPTY(&s->turns))
			turn_begin(TAILQ_FIRST(&s->turns));
		turn_session_idle(s);
	}
}

void
turn_session_idle(struct session *s)
{
	if (s->run == NULL && !TAILQ_EMPTY(&s->turns) && !s->in_ready) {
		TAILQ_INSERT_TAIL(&ready, s, ready);
		s->in_ready = true;
	}
}

void
turn_drop_queued(struct session *s, enum turn_source only,
    const char *stop_reason, json_t *run_ids)
{
	struct turn	*t, *next;

	while ((t = journal_next_accepting(s, only)) != NULL) {
		json_array_append_new(run_ids, json_string(t->row.run_id));
		run_drop(t, stop_reason);
	}
	for (t = TAILQ_FIRST(&s->turns); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		if (only != TURN_SOURCE_MAX && t->row.source != (int)only)
			continue;
		turn_unqueue(t);
		json_array_append_new(run_ids, json_string(t->row.run_id));
		run_drop(t, stop_reason);
	}
}

void
turn_session_gone(struct session *s)
{
	if (s->in_ready)
		TAILQ_REMOVE(&ready, s, ready);
	s->in_ready = false;
}

void
turn_drop_one(struct turn *t, const char *stop_reason)
{
	if (t->queued)
		turn_unqueue(t);
	run_drop(t, stop_reason);
}

struct turn *
turn_find_queued(const char *run_id)
{
	struct session	*s;
	struct turn	*t;

	for (s = session_first(); s != NULL; s = session_next(s))
		TAILQ_FOREACH(t, &s->turns, entry)
			if (strcmp(t->row.run_id, run_id) == 0)
				return t;
	return journal_find_accepting_run(run_id);
}

size_t
turn_count_queued(void)
{
	return nqueued;
}

bool
turn_is_stop_word(struct str text)
{
	static const char *const words[] = { "/stop", "stop", "esc", "abort",
	    "wait", "exit", "interrupt" };
	size_t	 i;

	text = str_trim(text);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_ieqs(text, words[i]))
			return true;
	return false;
}

const char *
turn_option(const struct turn *t, const char *key, const char *def)
{
	return json_text(t->options, key, def);
}

static const char *
reply_option(const struct turn *t, const char *first, const char *second)
{
	const char	*p = turn_option(t, first, "");

	return p[0] != '\0' ? p : turn_option(t, second, "");
}

void
turn_plan_delivery(struct run *run)
{
	struct turn		*t = run->turn;
	const struct sessdb_turn *r = &t->row;
	json_t			*route, *text;
	struct dbuf		 b;
	const char		*to[4] = { r->channel, r->account, r->chat,
				    r->thread };
	size_t			 i;
	char			*p;

	if (r->source != TURN_CHANNEL) {
		if (!json_is_true(json_object_get(t->options, "deliver")) ||
		    r->source != TURN_AGENT)
			return;
		route = json_object_get(run->session->entry,
		    "deliveryContext");
		/* Where the answer shall go, else where the message is said
		 * to come from, else where the session was last. */
		to[0] = reply_option(t, "replyChannel", "channel");
		if (to[0][0] == '\0' || ascii_casecmp(to[0], "last") == 0)
			to[0] = json_text(route, "channel", "");
		if (ascii_casecmp(to[0], "webchat") == 0)
			return;
		to[1] = reply_option(t, "replyAccountId", "accountId");
		to[2] = reply_option(t, "replyTo", "to");
		to[3] = reply_option(t, "threadId", "threadId");
		/* The rest of a route belongs to its channel. */
		if (ascii_casecmp(to[0], json_text(route, "channel", "")) ==
		    0) {
			if (to[3][0] == '\0' && to[2][0] == '\0')
				to[3] = json_text(route, "threadId", "");
			if (to[1][0] == '\0')
				to[1] = json_text(route, "accountId", "");
			if (to[2][0] == '\0')
				to[2] = json_text(route, "to", "");
		}
	}
	if (to[0][0] == '\0' || to[2][0] == '\0')
		return;
	dbuf_init(&b, RESULT_TEXT_MAX);
	if (run->status == RUN_OK)
		json_array_foreach(run->texts, i, text) {
			p = outbox_text(json_string_value(text));
			if (p != NULL && b.n > 0)
				dbuf_puts(&b, "\n\n");
			if (p != NULL)
				dbuf_puts(&b, p);
			free(p);
		}
	else if (run->notice != NULL)
		dbuf_puts(&b, run->notice);
	else if (run->status == RUN_ERROR && r->chat_type == CHAT_DIRECT)
		dbuf_printf(&b, "\xe2\x9a\xa0\xef\xb8\x8f Agent failed before "
		    "reply: %s", run->failure != NULL ? run->failure :
		    "failed");
	else if (run->status == RUN_ERROR)
		dbuf_puts(&b, "\xe2\x9a\xa0\xef\xb8\x8f Something went wrong "
		    "while answering.");
	if (b.n > 0 && !dbuf_err(&b)) {
		if (b.n > DELIVERY_TEXT_MAX)
			b.n = utf8_cut(b.p, b.n, DELIVERY_TEXT_MAX - 8);
		run->delivery_text = str_dup((struct str){ b.p, b.n });
		run->delivery_id = calloc(1, 37);
		for (i = 0; i < 4; i++)
			run->delivery_to[i] = xstrdup(to[i]);
		if (run->delivery_id != NULL)
			uuid_v4(run->delivery_id);
	}
	dbuf_clear(&b);
}

void
turn_delivery(struct run *run, struct sessdb_delivery *d)
{
	memset(d, 0, sizeof(*d));
	d->id = run->delivery_id;
	d->channel = run->delivery_to[0];
	d->account = run->delivery_to[1];
	d->chat = run->delivery_to[2];
	d->thread = run->delivery_to[3];
	d->reply_to = run->last_text != NULL && strstr(run->last_text,
	    "[[reply_to_current]]") != NULL ? run->turn->row.msg_id : "";
	d->format = FORMAT_MARKDOWN;
	d->text = run->delivery_text;
	d->created_at = run->ended_at;
}

TAILQ_HEAD(recovered, turn);

static void
note_open(const struct sessdb_turn *row, void *arg)
{
	struct recovered	*list = arg;
	struct turn		*t = turn_new(row);

	if (t != NULL)
		TAILQ_INSERT_TAIL(list, t, journal);
}

/* A row that is no older than the turn has what the turn said, or what somebody
 * said since; one that is not written yet has what turns before this one said.
 */
static void
note_again(struct turn *t)
{
	if (t->session->dirty || updated_at(t->session) < t->row.accepted_at)
		note_agent(t);
}

void
turn_recover(void)
{
	struct recovered	 list = TAILQ_HEAD_INITIALIZER(list);
	struct turn		*t, *next;

	if (sessdb_each_open_turn(db, note_open, &list) == -1)
		log_errorx("open turns: %s", sessdb_error(db));
	/* All of these before what runs writes rows of its own. */
	for (t = TAILQ_FIRST(&list); t != NULL; t = next) {
		next = TAILQ_NEXT(t, journal);
		if ((t->session = session_get(t->row.session_key)) == NULL) {
			log_warn("turn %s", t->row.run_id);
			TAILQ_REMOVE(&list, t, journal);
			turn_free(t);
			continue;
		}
		if (t->row.options[0] != '\0')
			t->options = json_load_bounded(t->row.options,
			    strlen(t->row.options), JSON_LOAD_DEPTH);
		t->stale = json_is_true(json_object_get(t->options, STALE));
		if (t->row.source == TURN_AGENT)
			note_again(t);
	}
	while ((t = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, t, journal);
		t->has_media = true;	/* or not: it is dropped in any case */
		if (t->row.state == TURN_ST_QUEUED) {
			if (sessdb_get_media(db, t->row.id, &t->media,
			    &t->media_n) == -1)
				log_warnx("run %s: its attachments: %s",
				    t->row.run_id, sessdb_error(db));
			t->held += t->media_n;
			held_bytes += t->media_n;
			turn_enqueue(t);
		} else
			recover_one(t);
	}
	turn_schedule();
}

static struct turn *
turn_new(const struct sessdb_turn *row)
{
	struct turn	*t;

	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->row = *row;
	t->row.summary = t->row.result = NULL;
	t->row.dedupe_key = xstrdup(row->dedupe_key);
	t->row.run_id = xstrdup(row->run_id);
	t->row.session_key = xstrdup(row->session_key);
	t->row.raw_key = xstrdup(row->raw_key);
	t->row.channel = xstrdup(row->channel);
	t->row.account = xstrdup(row->account);
	t->row.chat = xstrdup(row->chat);
	t->row.thread = xstrdup(row->thread);
	t->row.sender = xstrdup(row->sender);
	t->row.sender_name = xstrdup(row->sender_name);
	t->row.msg_id = xstrdup(row->msg_id);
	t->row.session_id = xstrdup(row->session_id != NULL ?
	    row->session_id : "");
	t->row.user_entry = xstrdup(row->user_entry != NULL ?
	    row->user_entry : "");
	t->row.options = strdup(row->options);
	t->row.text = strdup(row->text);
	if (t->row.options == NULL || t->row.text == NULL) {
		turn_free(t);
		return NULL;
	}
	t->held = strlen(t->row.text) + strlen(t->row.options);
	held_bytes += t->held;
	return t;
}

static void
turn_enqueue(struct turn *t)
{
	TAILQ_INSERT_TAIL(&t->session->turns, t, entry);
	t->session->nturns++;
	t->queued = true;
	nqueued++;
	turn_session_idle(t->session);
	state_changed();
}

static void
turn_unqueue(struct turn *t)
{
	TAILQ_REMOVE(&t->session->turns, t, entry);
	t->session->nturns--;
	t->queued = false;
	nqueued--;
}

static void
turn_begin(struct turn *t)
{
	struct session	*s = t->session;
	struct str	 rest;
	char		 notice[512], *p;

	turn_unqueue(t);
	if (command_parse(str_of(t->row.text), &rest) == COMMAND_RESET) {
		session_reset(s);
		if (rest.n == 0) {
			snprintf(notice, sizeof(notice), "\xe2\x9c\x85 New "
			    "session started \xc2\xb7 model: %s",
			    cfg->candidates[0]);
			run_inject(t, notice);
			return;
		}
		if ((p = str_dup(rest)) != NULL) {
			free((char *)t->row.text);
			t->row.text = p;
		}
	}
	run_start(t);
}

/* Commands that do not wait for their turn. */
static bool
handle_command(struct turn *t)
{
	struct str	 rest;
	char		*answer;
	unsigned int	 n;

	switch (command_parse(str_of(t->row.text), &rest)) {
	case COMMAND_STOP:
		break;
	case COMMAND_STATUS:
		answer = command_status(t->session);
		run_inject(t, answer);
		free(answer);
		return true;
	case COMMAND_HELP:
		answer = command_help();
		run_inject(t, answer);
		free(answer);
		return true;
	case COMMAND_RESET:
		return false;		/* in its turn */
	case COMMAND_NONE:
		if (t->row.source != TURN_CHANNEL ||
		    !turn_is_stop_word(str_of(t->row.text)))
			return false;
		break;
	}
	free(rpc_abort_session(t->session, "stop", TURN_SOURCE_MAX, &n));
	run_inject(t, n > 0 ? "\xe2\x9a\x99\xef\xb8\x8f Agent was aborted." :
	    "\xe2\x9a\x99\xef\xb8\x8f Nothing was running.");
	return true;
}

void
turn_ack(struct link *l, uint64_t corr, const char *run_id,
    enum turn_status status, uint64_t at, const char *code,
    const char *reason)
{
	struct m_ag_turn_ack	 m;

	if (l == NULL) {
		http_turn_answered(run_id, status, code, reason);
		return;
	}
	memset(&m, 0, sizeof(m));
	m.run_id = str_of(run_id);
	m.status = (uint8_t)status;
	m.accepted_at = at;
	m.code = str_of(code);
	m.reason = str_of(reason);
	m.reason.n = utf8_cut(reason, m.reason.n, 1024);
	if (send_ag_turn_ack(l, &m, corr, MSG_F_REPLY) == -1)
		log_warn("run %s: acknowledgement", run_id);
}

struct recovery {
	const char	*user_entry;
	bool		 found, any;
	json_t		*last;		/* newest message */
	json_t		*calls;		/* of the newest assistant message */
	json_t		*results;	/* ids of the results behind it */
};

static bool
recover_entry(json_t *e, void *arg)
{
	struct recovery	*r = arg;
	json_t		*m;
	const char	*role;

	if (strcmp(json_text(e, "id", ""), r->user_entry) == 0) {
		r->found = true;
		return false;
	}
	m = json_object_get(e, "message");
	role = json_text(m, "role", "");
	if (m != NULL && r->last == NULL)
		r->last = json_incref(m);
	if (r->calls == NULL && strcmp(role, "toolResult") == 0)
		json_object_set_new(r->results, json_text(m, "toolCallId",
		    ""), json_true());
	if (r->calls == NULL && strcmp(role, "assistant") == 0)
		r->calls = json_incref(json_object_get(m, "content"));
	return true;
}

/* The process ended in the middle of this turn: finish the transcript, then
 * deliver the answer if it was there already, else say so, once. */
static void
recover_one(struct turn *t)
{
	struct recovery	 r = { .user_entry = t->row.user_entry };
	struct session	*s = t->session;
	struct visible	 v = { .nheld = 0 };
	struct dbuf	 text;
	json_t		*block, *m, *content, *fields;
	const char	*stop = "";
	size_t		 i;

	dbuf_init(&text, RESULT_TEXT_MAX);
	r.results = json_object();
	if (t->row.user_entry[0] != '\0' && strcmp(t->row.session_id,
	    session_id(s)) == 0 && session_load(s, 1u << 20) == 0)
		transcript_walk(s->transcript, recover_entry, &r);
	if (r.found && r.last != NULL && strcmp(json_text(r.last, "role", ""),
	    "assistant") == 0)
		stop = json_text(r.last, "stopReason", "");
	content = json_object_get(r.last, "content");
	if (strcmp(stop, "stop") == 0 || strcmp(stop, "length") == 0) {
		json_array_foreach(content, i, block)
			if (strcmp(json_text(block, "type", ""), "text") == 0)
				visible_put(&v, &text, json_text(block,
				    "text", ""), strlen(json_text(block,
				    "text", "")));
		visible_end(&v, &text);
		log_info("run %s: was answered before the restart",
		    t->row.run_id);
		run_interrupted(t, dbuf_str(&text));
		goto out;
	}
	log_warnx("run %s: interrupted by the restart", t->row.run_id);
	if (r.found && strcmp(stop, "error") != 0 &&
	    strcmp(stop, "aborted") != 0) {
		json_array_foreach(r.calls, i, block) {
			if (strcmp(json_text(block, "type", ""), "toolCall") !=
			    0 || json_object_get(r.results, json_text(block,
			    "id", "")) != NULL)
				continue;
			fields = json_pack("{s:[{s:s,s:s}],s:{},s:b}",
			    "content", "type", "text", "text", "Interrupted "
			    "by a restart; whether the call had an effect is "
			    "not known.", "details", "isError", 1);
			m = toolcall_message_of(json_text(block, "id", ""),
			    json_text(block, "name", ""), fields);
			if (m != NULL)
				session_append(s, m, true, NULL);
			json_decref(fields);
			json_decref(m);
		}
		run_write_failure(s, "error", "interrupted by a restart of "
		    "the gateway");
	}
	run_interrupted(t, NULL);
out:
	json_decref(r.last);
	json_decref(r.calls);
	json_decref(r.results);
	dbuf_clear(&text);
}
