/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Any bytes as the answer to getUpdates: what passes the gate has valid text
 * and names that fit the message to the router.
 */

#include "common/compat.h"

#include "channeld/telegram.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
allow_all(const char *id, void *arg)
{
	(void)id;
	(void)arg;
	return true;
}

static void
check_str(const char *s, size_t min)
{
	if (strlen(s) < min || !utf8_valid(s, strlen(s)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct telegram_self self = { "99", "our_bot" };
	struct gate		 g = { DM_PAIRING, false, allow_all, NULL };
	struct telegram_answer	 a;
	struct chan_event		 ev;
	const json_t		*up;
	const char		*why;
	int64_t			 id;
	size_t			 i;

	telegram_answer_read(&a, size != 0 && data[0] == '<' ? 502 : 200,
	    (struct str){ (const char *)data, size });
	if (a.class == TELEGRAM_OK)
		json_array_foreach(a.result, i, up) {
			if (telegram_update_read(up, &self, &id, &ev) == 0) {
				check_str(ev.id, 3);
				check_str(ev.key, 3);
				check_str(ev.chat, 1);
				check_str(ev.sender_name, 0);
				check_str(ev.sender_username, 0);
				if (ev.text.n > EVENT_TEXT_MAX * 4 ||
				    !utf8_valid(dbuf_str(&ev.text),
				    ev.text.n))
					abort();
				if (gate_judge(&g, &ev, &why) == GATE_PASS &&
				    (ev.sender[0] == '\0' ||
				    ev.msg_id[0] == '\0' ||
				    ev.chat_type != CHAT_DIRECT ||
				    ev.text.n > EVENT_TEXT_MAX ||
				    memchr(dbuf_str(&ev.text), '\0',
				    ev.text.n) != NULL))
					abort();
			}
			chan_event_clear(&ev);
		}
	telegram_answer_clear(&a);
	return 0;
}
