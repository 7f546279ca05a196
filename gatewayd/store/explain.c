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
	const char	*code, *reason, *step;
	bool		 again = false;
	size_t		 i;

	if (q->protocol < 4 || v->verdict != VERDICT_REFUSED ||
	    v->details[0] != '\0')
		return;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(v->message, rows[i].text, strlen(rows[i].text)) ==
		    0)
			break;
	if (i == sizeof(rows) / sizeof(rows[0]))
		return;
	code = rows[i].code;
	reason = rows[i].reason;
	step = rows[i].step;
	if (v->token_tried) {
		code = "AUTH_DEVICE_TOKEN_MISMATCH";
		reason = "device_token_mismatch";
		step = "update_auth_credentials";
	} else if (v->token_untried) {
		again = true;
		step = "retry_with_device_token";
	}
	if (strcmp(step, "wait_then_retry") == 0)
		v->retry_s = v->penalty_s;
	if (step[0] != '\0')
		snprintf(v->details, sizeof(v->details), "{\"code\":\"%s\","
		    "\"authReason\":\"%s\",\"canRetryWithDeviceToken\":"
		    "%s,\"recommendedNextStep\":\"%s\"}", code, reason,
		    again ? "true" : "false", step);
	else if (reason[0] != '\0')
		snprintf(v->details, sizeof(v->details), "{\"code\":\"%s\","
		    "\"reason\":\"%s\"}", code, reason);
	else
		snprintf(v->details, sizeof(v->details), "{\"code\":\"%s\"}",
		    code);
}
