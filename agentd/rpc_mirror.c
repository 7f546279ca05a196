/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A message that a client had sent to a chat (method send) is part of that
 * chat's conversation: it is put into the transcript, once.
 */
#include "common/compat.h"

#include <errno.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/rpc.h"
#include "agentd/transcript.h"

#define LOOK_BACK	50	/* messages in which a copy would be found */
#define LOOK_BYTES	(1u << 20)

int
rpc_transcript_put(struct session *s, json_t *m, char id[9])
{
	errno = EBUSY;		/* lines before it wait for the disk */
	if (json_array_size(s->unsaved) > 0 ||
	    session_load(s, 1u << 20) == -1 || transcript_append_message(
	    s->transcript, m, wall_ms(), id) == -1)
		return -1;
	announce_message(s, m, id);
	/* What a model reads at this moment must not change under it. */
	if (s->run != NULL)
		s->reload = true;
	else
		session_forget_history(s);
	return 0;
}

static bool
has_copy(struct session *s, const char *id)
{
	struct transcript	*t = session_read(s);
	json_t			*list, *m;
	size_t			 i;
	bool			 found = false;

	if (t == NULL)
		return false;
	list = transcript_history(t, LOOK_BACK, LOOK_BYTES);
	transcript_close(t);
	json_array_foreach(list, i, m)
		if (strcmp(json_text(m, "deliveryId", ""), id) == 0)
			found = true;
	json_decref(list);
	return found;
}

void
rpc_transcript_mirror(struct rpc *r)
{
	struct session	*s;
	struct dbuf	 b;
	json_t		*m;
	const char	*text, *id;
	char		 entry[9];

	if ((text = rpc_text(r, "text")) == NULL ||
	    (id = rpc_text(r, "id")) == NULL ||
	    (s = rpc_session(r, true)) == NULL)
		return;
	if (!has_copy(s, id)) {
		m = json_pack("{s:s,s:[{s:s,s:s}],s:s,s:s,s:s,s:{s:i,s:i,s:i,"
		    "s:i,s:i},s:s,s:I,s:s}", "role", "assistant", "content",
		    "type", "text", "text", text, "api", "openai-responses",
		    "provider", "openclaw", "model", "delivery-mirror",
		    "usage", "input", 0, "output", 0, "cacheRead", 0,
		    "cacheWrite", 0, "totalTokens", 0, "stopReason", "stop",
		    "timestamp", (json_int_t)wall_ms(), "deliveryId", id);
		if (m == NULL || rpc_transcript_put(s, m, entry) == -1) {
			json_decref(m);
			rpc_refuse_disk(r);
			return;
		}
		json_decref(m);
		session_dirty(s, true);
	}
	dbuf_init(&b, 64);
	dbuf_puts(&b, "{\"ok\":true}");
	rpc_answer(r, &b);
}
