/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What a channel module makes of one raw event of its platform, and what the
 * gate decides on it.  Pure: filled from bytes, judged by the account's policy,
 * without any channel connected.
 */
#ifndef CHANNELD_CHAN_EVENT_H
#define CHANNELD_CHAN_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dbuf.h"
#include "common/text.h"
#include "proto/enums.h"

#define EVENT_ID_MAX	128
#define EVENT_KEY_MAX	320
#define EVENT_TEXT_MAX	32768	/* CH_INBOUND.text */

enum chan_what {
	WHAT_MESSAGE,
	WHAT_EDITED,
	WHAT_OTHER,		/* reactions, button presses, membership, ... */
};

struct chan_event {
	enum chan_what	 what;
	const char	*name;		/* the platform's word, static */
	const char	*unusable;	/* why no agent gets it; NULL: it may */
	/* id: the journal's key, from the platform's number and a hash over
	 * what identifies the content.  key: the same message under another
	 * number has the same. */
	char		 id[EVENT_ID_MAX + 1];
	char		 key[EVENT_KEY_MAX];
	enum chat_type	 chat_type;
	char		 chat[EVENT_ID_MAX + 1];
	char		 thread[EVENT_ID_MAX + 1];
	char		 sender[EVENT_ID_MAX + 1];	/* "" when nobody */
	char		 sender_name[257];
	char		 sender_username[EVENT_ID_MAX + 1];
	char		 msg_id[EVENT_ID_MAX + 1];
	char		 reply_to[EVENT_ID_MAX + 1];
	uint64_t	 ts_ms;
	bool		 is_bot;	/* another bot, or an anonymous post */
	bool		 is_self;
	bool		 command;
	bool		 mentioned;
	struct dbuf	 text;
};

void	 chan_event_init(struct chan_event *);
void	 chan_event_clear(struct chan_event *);

/* --- the gate --------------------------------------------------------------*/

enum dm_policy { DM_PAIRING, DM_ALLOWLIST, DM_OPEN, DM_DISABLED,
	DM_POLICY_MAX };
/* -1 when it is none of them. */
int	 dm_policy_parse(const char *);
const char *dm_policy_name(enum dm_policy);

struct gate {
	enum dm_policy	 dm;
	bool		 any;		/* allowFrom holds "*" */
	/* Is this immutable id in allowFrom or the pairing store? */
	bool		(*allowed)(const char *id, void *arg);
	void		*arg;
};

enum verdict_gate { GATE_PASS, GATE_DROP, GATE_PAIR };

/* The one way in, for every kind of event; reason is set unless it passes. */
enum verdict_gate gate_judge(const struct gate *, const struct chan_event *,
	    const char **reason);

#endif
