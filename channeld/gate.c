/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Who may talk to an agent through this account.  Every event of a platform
 * comes through gate_judge(), whatever its kind: a reaction or a button of a
 * stranger is a stranger's.  Only ids decide; names can be changed by whoever
 * bears them.  Where in doubt, no.
 */

#include "common/compat.h"

#include "channeld/chan_event.h"

static const char *const dm_names[DM_POLICY_MAX] = {
	[DM_PAIRING] = "pairing", [DM_ALLOWLIST] = "allowlist",
	[DM_OPEN] = "open", [DM_DISABLED] = "disabled",
};

void
chan_event_init(struct chan_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->what = WHAT_OTHER;
	ev->name = "unknown";
	dbuf_init(&ev->text, EVENT_TEXT_MAX * 4);
}

void
chan_event_clear(struct chan_event *ev)
{
	dbuf_clear(&ev->text);
}

int
dm_policy_parse(const char *s)
{
	int	 i;

	for (i = 0; s != NULL && i < DM_POLICY_MAX; i++)
		if (strcmp(s, dm_names[i]) == 0)
			return i;
	return -1;
}

const char *
dm_policy_name(enum dm_policy p)
{
	return p < DM_POLICY_MAX ? dm_names[p] : "?";
}

enum verdict_gate
gate_judge(const struct gate *g, const struct chan_event *ev,
    const char **reason)
{
	enum verdict_gate	 v = GATE_DROP;

	*reason = NULL;
	if (ev->is_self)
		*reason = "sent by this bot";
	else if (ev->is_bot)
		*reason = "sent by a bot or anonymously";
	else if (ev->chat_type != CHAT_DIRECT)
		*reason = "groups and channels are not enabled";
	else if (ev->sender[0] == '\0')
		*reason = "nobody sent it";
	else if (g->dm == DM_DISABLED)
		*reason = "dmPolicy is disabled";
	else if (g->dm == DM_OPEN && g->any)
		v = GATE_PASS;
	else if (g->allowed(ev->sender, g->arg))
		v = GATE_PASS;
	else if (g->dm == DM_OPEN)
		*reason = "dmPolicy open needs \"*\" in allowFrom";
	else if (g->dm != DM_PAIRING)
		*reason = "sender is not in allowFrom";
	else if (ev->what == WHAT_MESSAGE) {
		*reason = "sender is not paired";
		return GATE_PAIR;
	} else
		*reason = "sender is not paired";
	if (v != GATE_PASS)
		return v;
	if (ev->what != WHAT_MESSAGE || ev->unusable != NULL) {
		*reason = ev->unusable != NULL ? ev->unusable :
		    "this kind of event is not taken";
		return GATE_DROP;
	}
	return GATE_PASS;
}
