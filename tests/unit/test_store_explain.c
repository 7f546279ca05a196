/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The codes of refused logins.
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "gatewayd/store/store.h"

static void
explained(unsigned int protocol, const char *message, const char *want)
{
	struct m_auth_req	 q;
	struct auth_verdict	 v;

	memset(&q, 0, sizeof(q));
	memset(&v, 0, sizeof(v));
	v.verdict = VERDICT_REFUSED;
	strlcpy(v.message, message, sizeof(v.message));
	q.protocol = protocol;
	auth_explain(&q, &v);
	assert_string_equal(v.details, want);
}

/* By each row's own words, and by none for who does not read them. */
static void
test_T04_refusals_are_explained(void **state)
{
	static const struct {
		const char	*code, *reason, *step, *text;
	} rows[] = {
#define REFUSED(code, reason, step, text)	{ code, reason, step, text },
#include "proto/protocol4.def"
	};
	char	 want[256];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].step[0] != '\0')
			snprintf(want, sizeof(want), "{\"code\":\"%s\","
			    "\"authReason\":\"%s\","
			    "\"canRetryWithDeviceToken\":false,"
			    "\"recommendedNextStep\":\"%s\"}", rows[i].code,
			    rows[i].reason, rows[i].step);
		else if (rows[i].reason[0] != '\0')
			snprintf(want, sizeof(want), "{\"code\":\"%s\","
			    "\"reason\":\"%s\"}", rows[i].code,
			    rows[i].reason);
		else
			snprintf(want, sizeof(want), "{\"code\":\"%s\"}",
			    rows[i].code);
		explained(4, rows[i].text, want);
		explained(3, rows[i].text, "");
	}
	explained(4, "something else", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T04_refusals_are_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
