/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The Telegram Bot API as data: answers read, requests written, errors sorted.
 * Pure; channeld/telegram_poll.c and telegram_send.c do the talking.
 */
#ifndef CHANNELD_TELEGRAM_H
#define CHANNELD_TELEGRAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "channeld/chan_event.h"

#define TELEGRAM_BODY_MAX	(8u << 20)	/* bytes of any answer */
#define TELEGRAM_TEXT_MAX	4096		/* UTF-16 units of a message */
#define TELEGRAM_BATCH		100		/* getUpdates.limit */

/* What to do about an answer. */
enum telegram_class {
	TELEGRAM_OK,
	TELEGRAM_AUTH,		/* the token is bad: stop */
	TELEGRAM_CONFLICT,	/* another poller or a webhook */
	TELEGRAM_RATE,		/* wait retry_after_ms; nothing was done */
	TELEGRAM_MARKUP,	/* send it again as plain text */
	TELEGRAM_THREAD,	/* send it again without its thread */
	TELEGRAM_GONE,		/* blocked, kicked, no such chat: for good */
	TELEGRAM_REFUSED,	/* any other 4xx: for good */
	TELEGRAM_SERVER,	/* 5xx: may or may not have been done */
	TELEGRAM_GARBLED,	/* not an answer of the Bot API: likewise */
	TELEGRAM_CLASS_MAX
};
const char *telegram_class_name(enum telegram_class);

struct telegram_answer {
	enum telegram_class	 class;
	unsigned int		 code;
	uint32_t		 retry_after_ms;
	char			 migrated_to[32];	/* "" */
	char			 description[256];	/* printable */
	json_t			*result;	/* NULL unless OK; owned */
};

/* Never fails: what cannot be read is GARBLED (or SERVER by its status). */
void	 telegram_answer_read(struct telegram_answer *, unsigned int status,
	    struct str body);
void	 telegram_answer_clear(struct telegram_answer *);

/* Who we are. */
struct telegram_self {
	char	 id[32];	/* of the bot: the token's first half */
	char	 username[64];	/* without @; "" until getMe answered */
};

/* From getMe's result: 0, or -1 when it is not a bot. */
int	 telegram_self_read(struct telegram_self *, const json_t *result);

/* One element of getUpdates' result.  ev is initialised here.  0; -1 when it
 * has no usable update_id, then there is nothing to journal. */
int	 telegram_update_read(const json_t *update,
	    const struct telegram_self *, int64_t *update_id,
	    struct chan_event *ev);

/* Request bodies; -1 when out did not take it or text is not UTF-8. */
int	 telegram_build_updates(struct dbuf *out, int64_t offset,
	    unsigned int limit, unsigned int timeout_s);
struct telegram_message {
	const char	*chat, *thread, *reply_to;
	struct str	 text;
	bool		 html;
	bool		 no_preview;
};
int	 telegram_build_message(struct dbuf *out,
	    const struct telegram_message *);
/* A poll for people to vote on, from CH_DELIVER's JSON: 0, or -1 with why it
 * cannot be one here.  (telegram_poll.c is about getting updates.) */
struct telegram_vote {
	const char	*chat, *thread;
	struct str	 json;
};
int	 telegram_build_vote(struct dbuf *out, const struct telegram_vote *,
	    char *why, size_t size);
/* Of the message that was sent; with its poll's behind a colon for a vote. */
void	 telegram_sent_id(const json_t *result, bool vote, char *out,
	    size_t size);
int	 telegram_build_action(struct dbuf *out, const char *chat,
	    const char *thread, const char *action);

/* Does the text look like "123456:AA..."? Bot id to id (32 bytes). */
bool	 telegram_token_ok(struct str token, char *id);

#endif
