/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/session_key.h"

static void
test_canonical_forms(void **state)
{
	static const struct {
		const char	*raw;
		bool		 global;
		const char	*want;
	} rows[] = {
		{ "main", false, "agent:a1:main" },
		{ "  Main ", false, "agent:a1:main" },
		{ "main", true, "global" },
		{ "agent:a1:main", true, "global" },
		{ "agent:Other:MAIN", false, "agent:other:main" },
		{ "agent::x:::telegram:dm:5", false, "agent:x:telegram:dm:5" },
		{ "agent:x:telegram:dm:5::", false, "agent:x:telegram:dm:5" },
		{ "agent:x y:main", false, "agent:x-y:main" },
		{ "agent:x", false, "agent:a1:agent:x" },
		{ "cron:42", false, "agent:a1:cron:42" },
		{ "WhatsApp:group:120363@G.us", false,
		    "agent:a1:whatsapp:group:120363@g.us" },
		{ "global", false, "global" },
		{ "UNKNOWN", false, "unknown" },
		{ "+15551234", false, "agent:a1:+15551234" },
	};
	char	 out[SESSION_KEY_MAX + 1], again[SESSION_KEY_MAX + 1];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(session_key_canon(str_of(rows[i].raw), "a1",
		    rows[i].global, out, sizeof(out)), 0);
		assert_string_equal(out, rows[i].want);
		assert_int_equal(session_key_canon(str_of(out), "a1",
		    rows[i].global, again, sizeof(again)), 0);
		assert_string_equal(again, out);
	}
}

static void
test_refused(void **state)
{
	char	 out[SESSION_KEY_MAX + 1], big[600];

	(void)state;
	assert_int_equal(session_key_canon(str_of(" \t"), "a", false, out,
	    sizeof(out)), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(session_key_canon(str_of("a\nb"), "a", false, out,
	    sizeof(out)), -1);
	assert_int_equal(session_key_canon(str_of("\xff"), "a", false, out,
	    sizeof(out)), -1);
	memset(big, 'k', sizeof(big));
	assert_int_equal(session_key_canon((struct str){ big, sizeof(big) },
	    "a", false, out, sizeof(out)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	/* Fits as it is, but not with its prefix. */
	assert_int_equal(session_key_canon((struct str){ big, 510 }, "a",
	    false, out, sizeof(out)), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static void
test_parts(void **state)
{
	struct str	 agent, rest;

	(void)state;
	assert_true(session_key_split(str_of("agent:main:telegram:dm:1"),
	    &agent, &rest));
	assert_true(str_eqs(agent, "main"));
	assert_true(str_eqs(rest, "telegram:dm:1"));
	assert_false(session_key_split(str_of("global"), &agent, &rest));
	assert_int_equal(session_key_kind(str_of("agent:x:discord:channel:1")),
	    SESSION_GROUP);
	assert_int_equal(session_key_kind(str_of("agent:x:telegram:dm:1")),
	    SESSION_DIRECT);
}

static void
test_agent_id(void **state)
{
	char	 out[AGENT_ID_MAX + 1];

	(void)state;
	agent_id_normalise(str_of(" My Agent!! "), out);
	assert_string_equal(out, "my-agent");
	agent_id_normalise(str_of("---"), out);
	assert_string_equal(out, "main");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_forms),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_agent_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
