/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * send and poll: a client's message to a chat (spec 4.4), by the way that
 * answers of agents take.  The delivery id is made of the idempotency key, and
 * the channel's outbox knows every id that it has taken: whatever dies between
 * here and there, the same key never makes a second message.  Who asks is told
 * that it was sent, that it surely was not, or that this is not known; never a
 * guess.
 */
#include "common/compat.h"

#include <stdarg.h>

#include "common/chat_target.h"
#include "common/log.h"
#include "common/sha256.h"
#include "gatewayd/router/router.h"

#define KEY_MAX		256
#define SEND_MS		60000	/* then it is not known */
#define TEXT_MAX	262144	/* CH_DELIVER.text */
#define OPEN_MAX	1024
#define OPEN_BYTES	(16u << 20)
#define MIRROR_MS	30000

struct outgoing {
	TAILQ_ENTRY(outgoing)	 entry;		/* of open or done, by age */
	char			*key;		/* of the client */
	char			*kind, *account;
	char			*session;	/* that gets a copy, or NULL */
	char			 id[80];	/* of the delivery */
	struct chat_target	 to;
	char			*text;
	size_t			 text_n;
	bool			 poll, done, ok;
	bool			 offered;	/* the channel may have it */
	uint64_t		 since;		/* mono */
	struct pending		*pending;
	struct waiters		 waiters;
	struct payload		*result;	/* done and ok */
	char			*error;		/* done and not ok */
};
TAILQ_HEAD(outgoing_list, outgoing);

static struct outgoing_list	 opened = TAILQ_HEAD_INITIALIZER(opened);
static struct outgoing_list	 done = TAILQ_HEAD_INITIALIZER(done);
static size_t			 nopen, ndone, open_bytes;

static void	 offer(struct outgoing *);

static void
refuse(struct request *q, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void
refuse(struct request *q, const char *code, const char *fmt, ...)
{
	char	 text[768];
	va_list	 ap;

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	rt_answer_error(q->client, q->id, code, text);
}

/* --- the table ---------------------------------------------------------------- */

static struct outgoing *
outgoing_find(const char *key, bool poll)
{
	struct outgoing	*o;

	TAILQ_FOREACH(o, &opened, entry)
		if (o->poll == poll && strcmp(o->key, key) == 0)
			return o;
	TAILQ_FOREACH(o, &done, entry)
		if (o->poll == poll && strcmp(o->key, key) == 0)
			return o;
	return NULL;
}

static void
outgoing_text_free(struct outgoing *o)
{
	if (!o->done)
		open_bytes -= o->text_n;
	free(o->text);
	o->text = NULL;
	o->text_n = 0;
}

static void
outgoing_free(struct outgoing *o)
{
	rt_waiters_drop(&o->waiters);
	outgoing_text_free(o);
	if (o->done) {
		TAILQ_REMOVE(&done, o, entry);
		ndone--;
	} else {
		TAILQ_REMOVE(&opened, o, entry);
		nopen--;
	}
	rt_payload_unref(o->result);
	free(o->error);
	free(o->key);
	free(o->kind);
	free(o->account);
	free(o->session);
	free(o);
}

/* text is taken over in any case. */
static struct outgoing *
outgoing_new(const char *key, bool poll, const struct rt_account *a,
    const struct chat_target *to, const char *session, char *text, size_t n)
{
	struct outgoing	*o;
	char		 hash[65];

	if (nopen >= OPEN_MAX || open_bytes + n > OPEN_BYTES ||
	    (o = calloc(1, sizeof(*o))) == NULL) {
		free(text);
		return NULL;
	}
	STAILQ_INIT(&o->waiters);
	o->poll = poll;
	o->since = mono_ms();
	o->to = *to;
	o->text = text;
	o->text_n = n;
	o->key = strdup(key);
	o->kind = strdup(a->kind);
	o->account = strdup(a->account);
	o->session = session != NULL ? strdup(session) : NULL;
	sha256_hex(key, strlen(key), hash);
	snprintf(o->id, sizeof(o->id), "%s-%s", poll ? "poll" : "send", hash);
	TAILQ_INSERT_TAIL(&opened, o, entry);
	nopen++;
	open_bytes += n;
	if (o->key == NULL || o->kind == NULL || o->account == NULL ||
	    (session != NULL && o->session == NULL)) {
		outgoing_free(o);
		return NULL;
	}
	return o;
}

/* --- answers ------------------------------------------------------------------ */

static void
answer(const struct outgoing *o, struct client *c, struct str id)
{
	if (o->ok)
		rt_answer_raw(c, id, o->result->p, o->result->n);
	else
		rt_answer_error(c, id, "UNAVAILABLE", o->error);
}

static void
answer_all(struct outgoing *o, const char *error)
{
	struct waiter	*w;
	struct client	*c;
	struct str	 id;

	while ((w = rt_waiters_next(&o->waiters, &c, &id)) != NULL) {
		if (c != NULL && error != NULL)
			rt_answer_error(c, id, "UNAVAILABLE", error);
		else if (c != NULL)
			answer(o, c, id);
		rt_waiter_free(w, c);
	}
}

/* Its end is known: kept for repeats. */
static void
finish(struct outgoing *o)
{
	struct outgoing	*old;

	outgoing_text_free(o);
	TAILQ_REMOVE(&opened, o, entry);
	nopen--;
	o->done = true;
	o->since = mono_ms();
	TAILQ_INSERT_TAIL(&done, o, entry);
	ndone++;
	answer_all(o, NULL);
	while (ndone > RT_CACHE_MAX && (old = TAILQ_FIRST(&done)) != o)
		outgoing_free(old);
}

static void
fail(struct outgoing *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
fail(struct outgoing *o, const char *fmt, ...)
{
	char	 text[1024];
	va_list	 ap;

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	o->error = strdup(text);
	if (o->error == NULL) {
		answer_all(o, "out of memory");
		outgoing_free(o);
		return;
	}
	finish(o);
}

/* No end that could be kept: the same key asks the channel again. */
static void
forget(struct outgoing *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
forget(struct outgoing *o, const char *fmt, ...)
{
	char	 text[1024];
	va_list	 ap;

	va_start(ap, fmt);
	utf8_vfmt(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_all(o, text);
	outgoing_free(o);
}

static void
not_known(struct outgoing *o)
{
	forget(o, "it is not known yet whether the %s was sent by %s account "
	    "%s, which does not answer; repeat it with the same idempotencyKey "
	    "to learn it, which never sends twice", o->poll ? "poll" :
	    "message", o->kind, o->account);
}

/* --- the conversation gets a copy ------------------------------------------------ */

/* Nobody waits for this: the message is where it should be already. */
static void
mirror(const struct outgoing *o)
{
	struct m_rpc_req	 q;
	struct rt_agent		*a;
	struct pending		*p;
	struct dbuf		 b;
	struct jw		 w;

	if (o->session == NULL)
		return;
	a = rt_agent_of_key(str_of(o->session));
	if (a == NULL)
		a = &rt.cf->agents[rt.cf->default_agent];
	dbuf_init(&b, RT_PARAMS_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "key", o->session);
	jw_ks(&w, "id", o->id);
	jw_kstr(&w, "text", (struct str){ o->text, o->text_n });
	jw_obj_end(&w);
	memset(&q, 0, sizeof(q));
	q.method = STR_LIT("transcript.mirror");
	q.params = (struct str){ dbuf_str(&b), b.n };
	p = dbuf_err(&b) || a->link == NULL || link_full(a->link) ? NULL :
	    rt_pending_new(PEND_RPC, a->link, NULL, (struct str){ "", 0 },
	    MIRROR_MS);
	if (p == NULL || send_rpc_req(a->link, &q, p->corr, 0) == -1) {
		log_warnx("agent %s: does not take the copy of message %s",
		    a->id, o->id);
		if (p != NULL)
			rt_pending_free(p);
	}
	dbuf_clear(&b);
}

/* --- the channel ---------------------------------------------------------------- */

static void
offer(struct outgoing *o)
{
	struct rt_account	*a = rt_account_find(str_of(o->kind),
				    str_of(o->account));
	struct m_ch_deliver	 d;
	struct pending		*p = NULL;

	if (!o->offered && a != NULL && a->link != NULL &&
	    a->state == CH_AUTH_FAILED) {
		forget(o, "not sent: %s account %s cannot log in: %s", o->kind,
		    o->account, a->detail);
		return;
	}
	if (a != NULL && a->link != NULL && !link_full(a->link))
		p = rt_pending_new(PEND_SEND, a->link, NULL,
		    (struct str){ "", 0 }, SEND_MS);
	if (p == NULL) {
		/* What was never offered is surely not sent.  What was, waits
		 * for the channel: the next look is by the clock. */
		if (!o->offered)
			forget(o, "not sent: %s account %s %s", o->kind,
			    o->account, a == NULL ? "is not configured any "
			    "more" : a->link == NULL ? "is not running; see "
			    "`openclaw channels status`" : "is busy; try "
			    "again");
		return;
	}
	if ((p->name = strdup(o->id)) == NULL) {
		rt_pending_free(p);
		return;
	}
	p->deadline = o->since + SEND_MS;
	memset(&d, 0, sizeof(d));
	d.delivery_id = str_of(o->id);
	d.chat = str_of(o->to.chat);
	d.thread = str_of(o->to.thread);
	d.format = o->poll ? FORMAT_POLL : FORMAT_MARKDOWN;
	d.text = (struct str){ o->text, o->text_n };
	o->offered = true;
	o->pending = p;
	p->outgoing = o;
	if (send_ch_deliver(a->link, &d, p->corr, 0) == -1) {
		o->pending = NULL;	/* the link is ending */
		rt_pending_free(p);
	}
}

/* {runId, messageId, channel, chatId} or {runId, messageId, channel, pollId}:
 * the last message of those that it became. */
static void
sent(struct outgoing *o, struct str ids)
{
	struct dbuf	 b;
	struct jw	 w;
	const char	*p, *colon;

	for (p = ids.p + ids.n; p > ids.p && p[-1] != ','; p--)
		;
	ids = (struct str){ p, (size_t)(ids.p + ids.n - p) };
	colon = o->poll ? memchr(ids.p, ':', ids.n) : NULL;
	dbuf_init(&b, 8192);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "runId", o->key);
	jw_kstr(&w, "messageId", (struct str){ ids.p, colon != NULL ?
	    (size_t)(colon - ids.p) : ids.n });
	jw_ks(&w, "channel", o->kind);
	if (!o->poll)
		jw_ks(&w, "chatId", o->to.chat);
	else if (colon != NULL)
		jw_kstr(&w, "pollId", (struct str){ colon + 1,
		    (size_t)(ids.p + ids.n - colon - 1) });
	jw_obj_end(&w);
	o->result = dbuf_err(&b) ? NULL : rt_payload_of(b.p, b.n);
	dbuf_clear(&b);
	o->ok = o->result != NULL;
	mirror(o);
	if (o->ok)
		finish(o);
	else
		fail(o, "sent, but there is no memory to say more");
}

void
rt_send_ack(struct pending *p, const struct m_ch_deliver_ack *v)
{
	struct outgoing	*o = p->outgoing;
	struct str	 why = v->reason;

	o->pending = NULL;
	rt_pending_free(p);
	switch ((enum delivery_status)v->status) {
	case DELIVERY_SENT:
		sent(o, v->remote_ids);
		break;
	case DELIVERY_FAILED:
		fail(o, "Error: %.*s", (int)why.n, why.p);
		break;
	case DELIVERY_UNKNOWN:
		fail(o, "it is not known whether the %s arrived: %.*s",
		    o->poll ? "poll" : "message", (int)why.n, why.p);
		break;
	case DELIVERY_RETRY:
		/* It did not look whether it has the id already. */
		forget(o, "%s account %s does not take it now: %.*s; try again "
		    "with the same idempotencyKey", o->kind, o->account,
		    (int)why.n, why.p);
		break;
	}
}

/* The channel ended, or is silent. */
void
rt_send_fail(struct pending *p)
{
	struct outgoing	*o = p->outgoing;

	o->pending = NULL;
	rt_pending_free(p);
	if (mono_ms() >= o->since + SEND_MS)
		not_known(o);
}

void
rt_sends_sweep(uint64_t now)
{
	struct outgoing	*o, *next;

	while ((o = TAILQ_FIRST(&done)) != NULL && o->since + RT_CACHE_MS <=
	    now)
		outgoing_free(o);
	for (o = TAILQ_FIRST(&opened); o != NULL; o = next) {
		next = TAILQ_NEXT(o, entry);
		if (o->pending != NULL)
			continue;
		if (now >= o->since + SEND_MS)
			not_known(o);
		else
			offer(o);
	}
}

/* --- requests ------------------------------------------------------------------- */

/* What is configured, for a refusal. */
static const char *
configured(char *buf, size_t size)
{
	size_t	 i, k;

	buf[0] = '\0';
	for (i = 0; i < rt.cf->naccounts; i++) {
		for (k = 0; k < i; k++)
			if (strcmp(rt.cf->accounts[k].kind,
			    rt.cf->accounts[i].kind) == 0)
				break;
		if (k < i)
			continue;
		if (buf[0] != '\0')
			strlcat(buf, ", ", size);
		strlcat(buf, rt.cf->accounts[i].kind, size);
	}
	return buf[0] != '\0' ? buf : "none";
}

/* The account that the parameters mean; NULL: the client was told. */
static struct rt_account *
account_of(struct request *q, const struct skim_val *channel,
    const struct skim_val *account)
{
	struct rt_account	*a = NULL;
	struct str		 kind, name;
	char			 buf[2][128], list[256];
	const char		*what = q->method->id == METHOD_POLL ?
				    "poll channel" : "channel";
	size_t			 i, kinds = 0;

	if (rt_text_of(channel, buf[0], sizeof(buf[0])) == -1 ||
	    rt_text_of(account, buf[1], sizeof(buf[1])) == -1) {
		refuse(q, "INVALID_REQUEST", "invalid %s params: at /%s: must "
		    "NOT have more than 127 bytes", q->method->name,
		    buf[0][0] == '\0' && channel->n > 127 ? "channel" :
		    "accountId");
		return NULL;
	}
	kind = str_trim(str_of(buf[0]));
	name = str_trim(str_of(buf[1]));
	for (i = 0; i < rt.cf->naccounts; i++) {
		if (a != NULL && strcmp(a->kind,
		    rt.cf->accounts[i].kind) == 0)
			continue;
		if (kind.n == 0 || str_ieqs(kind, rt.cf->accounts[i].kind)) {
			a = &rt.cf->accounts[i];
			kinds++;
		}
	}
	if (kind.n == 0 && kinds != 1) {
		refuse(q, "INVALID_REQUEST", kinds == 0 ? "Channel is required "
		    "(no configured channels detected)." : "Channel is "
		    "required when multiple channels are configured: %s",
		    configured(list, sizeof(list)));
		return NULL;
	}
	if (a == NULL) {
		refuse(q, "INVALID_REQUEST", "unsupported %s: %.*s "
		    "(configured: %s)", what, (int)kind.n, kind.p,
		    configured(list, sizeof(list)));
		return NULL;
	}
	kind = str_of(a->kind);
	if (name.n > 0) {
		if ((a = rt_account_find(kind, name)) == NULL)
			refuse(q, "INVALID_REQUEST", "unknown account \"%.*s\" "
			    "of %s; see `openclaw channels status`",
			    (int)name.n, name.p, kind.p);
	} else if (rt_account_find(kind, STR_LIT("default")) != NULL)
		a = rt_account_find(kind, STR_LIT("default"));
	return a;
}

static int
target_of(struct request *q, const struct rt_account *a,
    const struct skim_val *to, struct chat_target *t)
{
	char	 text[256];

	if (rt_text_of(to, text, sizeof(text)) == 0 &&
	    chat_target_parse(a->kind, str_of(text), t) == 0)
		return 0;
	refuse(q, "INVALID_REQUEST", "Unknown target \"%.64s\" for %s. Hint: "
	    "%s", text[0] != '\0' ? text : "(too long)", a->label,
	    chat_target_hint(a->kind));
	return -1;
}

/* True when the key is known and the client was, or will be, answered. */
static bool
repeated(struct request *q, const char *key, bool poll)
{
	struct outgoing	*o = outgoing_find(key, poll);

	if (o == NULL)
		return false;
	if (o->done)
		answer(o, q->client, q->id);
	else if (!rt_waiters_add(&o->waiters, q))
		refuse(q, "UNAVAILABLE", "too many requests; try again");
	return true;
}

static int
key_of(struct request *q, const struct skim_val *v, char *key, size_t size)
{
	if (rt_text_of(v, key, size) == 0)
		return 0;
	refuse(q, "INVALID_REQUEST", "invalid %s params: at /idempotencyKey: "
	    "must NOT have more than %zu characters", q->method->name,
	    size - 1);
	return -1;
}

/* text is taken over. */
static void
take(struct request *q, const char *key, const struct rt_account *a,
    const struct chat_target *to, const char *session, char *text, size_t n)
{
	struct outgoing	*o;

	if (rt.stopping) {
		free(text);
		refuse(q, "UNAVAILABLE", "not sent: the gateway is stopping");
		return;
	}
	o = outgoing_new(key, q->method->id == METHOD_POLL, a, to, session,
	    text, n);
	if (o == NULL || !rt_waiters_add(&o->waiters, q)) {
		if (o != NULL)
			outgoing_free(o);
		refuse(q, "UNAVAILABLE", "not sent: too many messages wait; "
		    "try again");
		return;
	}
	offer(o);
}

static bool
any_media(const struct skim_val *url, const struct skim_val *urls)
{
	struct skim_iter	 it;
	struct skim_val		 v;

	if (url->kind == SKIM_STRING && url->n > 2)
		return true;
	if (urls->kind != SKIM_ARRAY)
		return false;
	skim_iter_init(&it, urls);
	return skim_next(&it, NULL, &v);
}

/* The session that gets the copy: that of the parameters, else the one that an
 * answer of this chat would go to. */
static int
session_of(struct request *q, const struct skim_val *v,
    const struct rt_account *acc, const struct chat_target *to, char *key,
    size_t size)
{
	struct route_from	 from;
	struct str		 s;

	if (rt_text_of(v, key, size) == -1) {
		refuse(q, "INVALID_REQUEST", "invalid send params: at "
		    "/sessionKey: must NOT have more than %zu characters",
		    size - 1);
		return -1;
	}
	s = str_trim(str_of(key));
	if (s.n > 0) {
		memmove(key, s.p, s.n);
		key[s.n] = '\0';
		for (; *key != '\0'; key++)
			*key = (char)ascii_tolower((unsigned char)*key);
		return 0;
	}
	memset(&from, 0, sizeof(from));
	from.channel = str_of(acc->kind);
	from.account = str_of(acc->account);
	from.chat = str_of(to->chat);
	from.thread = str_of(to->thread);
	from.sender = from.chat;
	from.type = to->type;
	if (route_key(&rt.cf->routes, &from, route_agent(&rt.cf->routes, &from,
	    NULL), key, size) == -1)
		key[0] = '\0';
	return 0;
}

void
rt_do_send(struct request *q)
{
	struct p_SEND		*v = &q->p.SEND;
	struct rt_account	*a;
	struct chat_target	 to;
	struct str		 s;
	char			 key[KEY_MAX + 1], session[ROUTE_KEY_MAX + 1];
	char			*text;
	ssize_t			 n;

	if (key_of(q, &v->idempotencyKey, key, sizeof(key)) == -1 ||
	    repeated(q, key, false) ||
	    (a = account_of(q, &v->channel, &v->accountId)) == NULL ||
	    target_of(q, a, &v->to, &to) == -1)
		return;
	if (any_media(&v->mediaUrl, &v->mediaUrls)) {
		refuse(q, "INVALID_REQUEST", "send: media cannot be sent to %s "
		    "yet; send the text without mediaUrl and mediaUrls",
		    a->kind);
		return;
	}
	if (session_of(q, &v->sessionKey, a, &to, session,
	    sizeof(session)) == -1)
		return;
	if (v->message.n > 6 * TEXT_MAX + 2 ||
	    (text = malloc(v->message.n)) == NULL) {
		refuse(q, "INVALID_REQUEST", "invalid send params: at "
		    "/message: must NOT have more than %d bytes", TEXT_MAX);
		return;
	}
	n = skim_unescape(&v->message, text, v->message.n);
	s = str_trim((struct str){ text, n < 0 ? 0 : (size_t)n });
	if (s.n == 0 || s.n > TEXT_MAX) {
		free(text);
		if (s.n == 0)
			refuse(q, "INVALID_REQUEST", "invalid send params: at "
			    "/message: must NOT have fewer than 1 characters");
		else
			refuse(q, "INVALID_REQUEST", "invalid send params: at "
			    "/message: must NOT have more than %d bytes",
			    TEXT_MAX);
		return;
	}
	memmove(text, s.p, s.n);
	text[s.n] = '\0';
	take(q, key, a, &to, session[0] != '\0' ? session : NULL, text, s.n);
}

/* A text parameter without the blanks around it, as JSON. */
static bool
put_trimmed(struct jw *w, const struct skim_val *v)
{
	char		 text[4096];
	struct str	 s;

	if (rt_text_of(v, text, sizeof(text)) == -1)
		return false;
	s = str_trim(str_of(text));
	jw_str(w, s);
	return s.n > 0;
}

void
rt_do_poll(struct request *q)
{
	struct p_POLL		*v = &q->p.POLL;
	struct rt_account	*a;
	struct chat_target	 to;
	struct skim_iter	 it;
	struct skim_val		 one;
	struct dbuf		 b;
	struct jw		 w;
	int64_t			 most = 1, options = 0;
	const char		*bad = NULL;
	char			 key[KEY_MAX + 1], *text;
	size_t			 n;

	if (key_of(q, &v->idempotencyKey, key, sizeof(key)) == -1 ||
	    repeated(q, key, true) ||
	    (a = account_of(q, &v->channel, &v->accountId)) == NULL ||
	    target_of(q, a, &v->to, &to) == -1)
		return;
	dbuf_init(&b, TEXT_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_key(&w, "question");
	if (!put_trimmed(&w, &v->question))
		bad = "Poll question is required, of at most 4095 bytes";
	jw_karr(&w, "options");
	skim_iter_init(&it, &v->options);
	while (bad == NULL && skim_next(&it, NULL, &one)) {
		options++;
		if (!put_trimmed(&w, &one))
			bad = "Poll options are texts of 1 to 4095 bytes";
	}
	jw_arr_end(&w);
	if (v->maxSelections.kind != SKIM_ABSENT)
		skim_int(&v->maxSelections, &most);
	if (bad == NULL && most > options)
		bad = "maxSelections cannot exceed option count";
	jw_kint(&w, "maxSelections", most);
	if (v->durationHours.kind != SKIM_ABSENT)
		jw_kraw(&w, "durationHours", v->durationHours.p,
		    v->durationHours.n);
	jw_obj_end(&w);
	if (bad != NULL) {
		dbuf_clear(&b);
		refuse(q, "INVALID_REQUEST", "%s", bad);
		return;
	}
	if ((text = dbuf_take(&b, &n)) == NULL) {
		refuse(q, "UNAVAILABLE", "not sent: out of memory");
		return;
	}
	take(q, key, a, &to, NULL, text, n);
}
