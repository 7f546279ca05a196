/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Sending.  Telegram has no key by which it would know a repeat, so what an
 * answer, or its absence, says about whether the message is there decides
 * everything; telegram_verdict() is that decision and nothing else.
 */

#include "common/compat.h"

#include <inttypes.h>

#include "channeld/telegram_api.h"
#include "common/log.h"

#define SEND_MS		30000
#define ACTION_MS	10000
#define AUTH_MS		60000

static void	 send_done(const struct telegram_result *, void *);
static void	 action_done(const struct telegram_result *, void *);

int
telegram_poll_check(struct str json, char *why, size_t size)
{
	struct telegram_vote	 v = { "1", "", json };
	struct dbuf		 body;
	int			 err;

	dbuf_init(&body, 1 << 20);
	err = telegram_build_vote(&body, &v, why, size);
	dbuf_clear(&body);
	return err;
}

void
telegram_send(struct chan_send *s)
{
	struct telegram_message	 m = { s->chat, s->thread, s->reply_to,
				    s->text, s->rich, s->no_preview };
	struct telegram_vote	 v = { s->chat, s->thread, s->text };
	struct dbuf		 body;
	char			 why[256];

	dbuf_init(&body, 1 << 20);
	if (s->poll)	/* it was good when it came */
		(void)telegram_build_vote(&body, &v, why, sizeof(why));
	else
		(void)telegram_build_message(&body, &m);
	s->call = telegram_call(s->poll ? "sendPoll" : "sendMessage", &body,
	    SEND_MS, 1 << 20, send_done, s);
	if (s->call == NULL)
		fatalx("out of memory");	/* the piece was marked, so a
						 * new process reports it */
}

static void
send_done(const struct telegram_result *r, void *arg)
{
	static struct chan_backoff	 wait = { 1000, 60000, 200, 0 };
	struct chan_send		*s = arg;
	const struct telegram_answer	*a = &r->answer;
	char				 remote[64];

	s->call = NULL;
	if (r->err != HTTP_OK) {
		if (r->started)
			chan_out_sent(s, SEND_UNKNOWN, NULL, 2000, r->reason);
		else
			chan_out_sent(s, SEND_LATER, NULL,
			    chan_backoff_next(&wait), r->reason);
		return;
	}
	switch (a->class) {
	case TELEGRAM_OK:
		wait.tries = 0;
		telegram_sent_id(a->result, s->poll, remote,
		    sizeof(remote));
		chan_out_sent(s, SEND_OK, remote, 0, "");
		return;
	case TELEGRAM_RATE:
		log_warnx("chat %s: %s", s->chat, r->reason);
		chan_out_sent(s, SEND_LATER, NULL, r->retry_after_ms != 0 ?
		    r->retry_after_ms : 1000, r->reason);
		return;
	case TELEGRAM_AUTH:
		chan_state_error("%s: %s", s->poll ? "sendPoll" :
		    "sendMessage", r->reason);
		chan_out_sent(s, SEND_LATER, NULL, AUTH_MS, r->reason);
		return;
	case TELEGRAM_CONFLICT:
		chan_out_sent(s, SEND_LATER, NULL, chan_backoff_next(&wait),
		    r->reason);
		return;
	case TELEGRAM_MARKUP:
		if (s->rich) {
			chan_out_sent(s, SEND_PLAIN, NULL, 0, r->reason);
			return;
		}
		break;
	case TELEGRAM_THREAD:
		if (s->thread[0] != '\0') {
			chan_out_sent(s, SEND_NO_THREAD, NULL, 0, r->reason);
			return;
		}
		break;
	case TELEGRAM_GONE:
		chan_out_sent(s, SEND_GONE, NULL, 0, r->reason);
		return;
	case TELEGRAM_SERVER:
	case TELEGRAM_GARBLED:
		chan_out_sent(s, SEND_UNKNOWN, NULL, r->retry_after_ms > 2000 ?
		    r->retry_after_ms : 2000, r->reason);
		return;
	case TELEGRAM_REFUSED:
	case TELEGRAM_CLASS_MAX:
		break;
	}
	chan_out_sent(s, SEND_FAILED, NULL, 0, r->reason);
}

/* --- typing ------------------------------------------------------------- */

static unsigned int	 actions;	/* on their way */

void
telegram_typing(const char *chat, const char *thread)
{
	struct dbuf	 body;

	if (actions >= 4 || chan_state_get() != CH_UP)
		return;
	dbuf_init(&body, 4096);
	if (telegram_build_action(&body, chat, thread, "typing") == -1) {
		dbuf_clear(&body);
		return;
	}
	if (telegram_call("sendChatAction", &body, ACTION_MS, 65536,
	    action_done, NULL) != NULL)
		actions++;
}

static void
action_done(const struct telegram_result *r, void *arg)
{
	(void)arg;
	actions--;
	if (r->err != HTTP_OK || r->answer.class != TELEGRAM_OK)
		log_debug("sendChatAction: %s", r->reason);
}
