/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What watchers of a conversation are told: each message as it is written, in
 * the form that chat.history shows it (event session.message of protocol 4).
 * Who misses one sees it there, so that none is worth more than a try.
 */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"
#include "agentd/transcript.h"
#include "common/log.h"

#define SMALL_MAX	(64u << 10)	/* of a message that is told whole */
#define PAYLOAD_MAX	(1u << 20)

static bool	 heard;

enum msg_err
announce_watch(struct msg *m)
{
	struct m_ag_watch	 v;
	enum msg_err		 err;

	if ((err = get_ag_watch(m, &v)) == MSG_OK)
		heard = v.on != 0;
	return err;
}

void
announce_router_gone(void)
{
	heard = false;		/* the next one says so itself */
}

/* Text of the message, to be freed; NULL: without memory. */
static char *
message_text(json_t *m)
{
	json_t	*view = rpc_chat_view(m), *small = NULL;
	char	*text = NULL;

	if (transcript_images(view) == 0)
		text = json_dumps(view, JSON_COMPACT);
	if (text == NULL || strlen(text) > SMALL_MAX) {
		free(text);
		small = event_copy(view);
		text = json_dumps(small, JSON_COMPACT);
	}
	json_decref(small);
	json_decref(view);
	return text;
}

void
announce_message(struct session *s, json_t *message, const char *id)
{
	struct m_ag_event	 ev;
	struct dbuf		 b;
	struct jw		 w;
	json_t			*at;
	char			 of[32], *text;

	if (!heard || router == NULL || link_full(router) ||
	    (text = message_text(message)) == NULL)
		return;
	dbuf_init(&b, PAYLOAD_MAX);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "sessionKey", s->key);
	jw_ks(&w, "agentId", cfg->agent_id);
	jw_ks(&w, "sessionId", session_id(s));
	at = json_object_get(s->entry, "updatedAt");
	if (json_is_integer(at))
		jw_kint(&w, "updatedAt", json_integer_value(at));
	jw_ks(&w, "messageId", id);
	if (s->run != NULL)
		jw_ks(&w, "runId", s->run->turn->row.run_id);
	jw_kraw(&w, "message", text, strlen(text));
	jw_obj_end(&w);
	free(text);
	/* It is no event of the run: another process may have that run. */
	snprintf(of, sizeof(of), "message-%s", id);
	memset(&ev, 0, sizeof(ev));
	ev.event = EVENT_SESSION_MESSAGE;
	ev.droppable = 1;
	ev.run_id = str_of(of);
	ev.session_key = str_of(s->key);
	ev.payload = (struct str){ dbuf_str(&b), b.n };
	/* One that is too long is read in the history alone. */
	if (!dbuf_err(&b) && send_ag_event(router, &ev, 0, 0) == -1)
		log_warn("session %s: event", s->key);
	dbuf_clear(&b);
}
