/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* May this conversation be answered at all (spec sessions 21)? */
#include "common/compat.h"

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "agentd/levels.h"

/* Does that part of a rule, when it is there, name this? */
static bool
fits(const json_t *match, const char *part, struct str is)
{
	struct str	 want = str_trim(str_of(json_text(match, part, "")));
	size_t		 i;

	if (want.n == 0)
		return true;
	if (want.n != is.n)
		return false;
	for (i = 0; i < want.n; i++)
		if (ascii_tolower((unsigned char)want.p[i]) !=
		    ascii_tolower((unsigned char)is.p[i]))
			return false;
	return true;
}

static struct str
channel_of(struct session *s)
{
	struct str	 agent, rest;
	const char	*p = session_text(s, "channel", session_text(s,
			    "lastChannel", NULL)), *colon;

	if (p != NULL)
		return str_of(p);
	/* <channel>:group:<id> */
	if (!session_key_split(str_of(s->key), &agent, &rest) ||
	    session_key_kind(str_of(s->key)) != SESSION_GROUP ||
	    (colon = memchr(rest.p, ':', rest.n)) == NULL)
		return (struct str){ "", 0 };
	return (struct str){ rest.p, (size_t)(colon - rest.p) };
}

static struct str
chat_type_of(struct session *s)
{
	const char	*p = session_text(s, "chatType", NULL);

	if (p != NULL)
		return str_of(p);
	return str_of(strstr(s->key, ":group:") != NULL ? "group" :
	    strstr(s->key, ":channel:") != NULL ? "channel" : "");
}

bool
session_send_denied(struct session *s)
{
	json_t		*policy = config_at(cfg->root, "session.sendPolicy");
	json_t		*rules = json_object_get(policy, "rules"), *rule, *m;
	struct str	 prefix;
	const char	*word;
	bool		 allowed = false;
	size_t		 i;

	word = level_parse(LEVEL_SEND_POLICY, str_of(session_text(s,
	    "sendPolicy", "")));
	if (word != NULL)
		return strcmp(word, "deny") == 0;
	json_array_foreach(rules, i, rule) {
		m = json_object_get(rule, "match");
		prefix = str_trim(str_of(json_text(m, "keyPrefix", "")));
		if (!fits(m, "channel", channel_of(s)) ||
		    !fits(m, "chatType", chat_type_of(s)) ||
		    strlen(s->key) < prefix.n ||
		    ascii_ncasecmp(s->key, prefix.p, prefix.n) != 0)
			continue;
		/* Any that denies counts, whatever stands before it. */
		word = level_parse(LEVEL_SEND_POLICY, str_of(json_text(rule,
		    "action", "allow")));
		if (word != NULL && strcmp(word, "deny") == 0)
			return true;
		allowed = true;
	}
	if (allowed)
		return false;
	word = level_parse(LEVEL_SEND_POLICY, str_of(json_text(policy,
	    "default", "allow")));
	return word != NULL && strcmp(word, "deny") == 0;
}
