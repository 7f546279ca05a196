/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One call of the Bot API.  The only place that puts the token into bytes: it
 * is part of the path, so no path, no request and no redirect is ever logged.
 */
#ifndef CHANNELD_TELEGRAM_API_H
#define CHANNELD_TELEGRAM_API_H

#include "channeld/chan.h"
#include "channeld/telegram.h"

struct telegram_call;

struct telegram_result {
	enum http_error		 err;		/* HTTP_OK: answer is set */
	struct telegram_answer	 answer;
	bool			 started;	/* it may have been seen */
	uint32_t		 retry_after_ms;
	char			 reason[320];	/* for people, no secret in it */
};
typedef void telegram_done_cb(const struct telegram_result *, void *arg);

/* Takes the body's memory.  done is called once, never from here; after
 * telegram_cancel not at all.  NULL: out of memory. */
struct telegram_call *telegram_call(const char *method, struct dbuf *body,
	    uint32_t timeout_ms, size_t max_answer, telegram_done_cb *done,
	    void *arg);
void	 telegram_cancel(struct telegram_call *);
const struct telegram_self *telegram_self(void);
void	 telegram_self_set(const struct telegram_self *);

#endif
