/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Does the bot answer now?  getMe with the account's own token and network,
 * then getWebhookInfo, of which a failure is no failure of the bot.
 */

#include "common/compat.h"

#include "channeld/telegram_api.h"

#define ANSWER_MAX	65536

struct probe {
	chan_probe_cb	*done;
	void		*arg;
	uint64_t	 began, until;	/* mono */
	json_t		*result;
};

static void	 webhook_done(const struct telegram_result *, void *);

static void
finish(struct probe *p)
{
	json_object_set_new(p->result, "elapsedMs", json_integer(
	    (json_int_t)(mono_ms() - p->began)));
	p->done(p->result, p->arg);
	json_decref(p->result);
	free(p);
}

static int
call(struct probe *p, const char *method, telegram_done_cb *done)
{
	struct dbuf	 body;
	uint64_t	 now = mono_ms();

	dbuf_init(&body, 16);
	(void)dbuf_puts(&body, "{}");
	return telegram_call(method, &body, p->until > now ?
	    (uint32_t)(p->until - now) : 1, ANSWER_MAX, done, p) == NULL ? -1 :
	    0;
}

/* A truth value of the answer, or null. */
static json_t *
flag(const json_t *o, const char *key)
{
	json_t	*v = json_object_get(o, key);

	return json_is_boolean(v) ? json_incref(v) : json_null();
}

static void
me_done(const struct telegram_result *r, void *arg)
{
	struct probe	*p = arg;
	const json_t	*me = r->answer.result;
	json_t		*id = json_object_get(me, "id");
	json_t		*name = json_object_get(me, "username");

	if (r->err != HTTP_OK || r->answer.class != TELEGRAM_OK) {
		json_object_set_new(p->result, "error", json_string(r->reason));
		if (r->err == HTTP_OK)
			json_object_set_new(p->result, "status",
			    json_integer((json_int_t)r->answer.code));
		finish(p);
		return;
	}
	json_object_set_new(p->result, "ok", json_true());
	json_object_set_new(p->result, "bot", json_pack("{s:o,s:o,s:o,s:o,"
	    "s:o}", "id", json_is_integer(id) ? json_incref(id) : json_null(),
	    "username", json_is_string(name) ? json_incref(name) : json_null(),
	    "canJoinGroups", flag(me, "can_join_groups"),
	    "canReadAllGroupMessages", flag(me,
	    "can_read_all_group_messages"), "supportsInlineQueries", flag(me,
	    "supports_inline_queries")));
	if (call(p, "getWebhookInfo", webhook_done) == -1)
		finish(p);
}

static void
webhook_done(const struct telegram_result *r, void *arg)
{
	struct probe	*p = arg;
	json_t		*url;

	if (r->err == HTTP_OK && r->answer.class == TELEGRAM_OK) {
		url = json_object_get(r->answer.result, "url");
		json_object_set_new(p->result, "webhook", json_pack("{s:o,"
		    "s:o}", "url", json_is_string(url) ? json_incref(url) :
		    json_null(), "hasCustomCert", flag(r->answer.result,
		    "has_custom_certificate")));
	}
	finish(p);
}

int
telegram_probe(uint32_t ms, chan_probe_cb *done, void *arg)
{
	struct probe	*p = calloc(1, sizeof(*p));

	if (p == NULL)
		return -1;
	p->done = done;
	p->arg = arg;
	p->began = mono_ms();
	p->until = p->began + ms;
	p->result = json_pack("{s:b,s:n,s:n}", "ok", 0, "status", "error");
	if (p->result == NULL || call(p, "getMe", me_done) == -1) {
		json_decref(p->result);
		free(p);
		return -1;
	}
	return 0;
}
