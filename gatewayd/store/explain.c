/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A refused connect in the words that programs read: clients of protocol 4 are
 * told the reason as a code, older ones match on the message.  It says nothing
 * that the message does not say (T04).
 */
#include "common/compat.h"

#include "gatewayd/store/store.h"

static const struct {
	const char	*code, *reason, *step, *text;
} rows[] = {
#define REFUSED(code, reason, step, text)	{ code, reason, step, text },
#include "proto/protocol4.def"
};

void
auth_explain(const struct m_auth_req *q, struct auth_verdict *v)
{
	size_t	 i;

	if (q->protocol < 4 || v->verdict != VERDICT_REFUSED ||
	    v->details[0] != '\0')
		return;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(v->message, rows[i].text, strlen(rows[i].text)) ==
		    0)
			break;
	if (i == sizeof(rows) / sizeof(rows[0]))
		return;
	if (rows[i].step[0] != '\0')
		/* A device's token is tried by itself, never as the second. */
		snprintf(v->details, sizeof(v->details), "{\"code\":\"%s\","
		    "\"authReason\":\"%s\",\"canRetryWithDeviceToken\":"
		    "false,\"recommendedNextStep\":\"%s\"}", rows[i].code,
		    rows[i].reason, rows[i].step);
	else if (rows[i].reason[0] != '\0')
		snprintf(v->details, sizeof(v->details), "{\"code\":\"%s\","
		    "\"reason\":\"%s\"}", rows[i].code, rows[i].reason);
	else
		snprintf(v->details, sizeof(v->details), "{\"code\":\"%s\"}",
		    rows[i].code);
}
