/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The tables themselves, and writing of the fuzz corpus from them. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "common/msg.h"

static void
test_table_is_consistent(void **state)
{
	const struct msg_desc	*d;
	const struct msg_field	*f;
	unsigned int		 from, to;
	size_t			 i;
	bool			 someone;

	(void)state;
	for (i = 0; (d = msg_desc_at(i)) != NULL; i++) {
		assert_ptr_equal(msg_desc(d->type), d);
		assert_true(d->max >= MSG_HEADER && d->max <= LINK_INLINE_MAX);
		assert_true(d->fds <= MSG_FDS_MAX);
		for (f = d->fields; f->type != FIELD_END; f++)
			assert_true(f->min <= f->max && f->offset < d->size);
		assert_true(f->offset == d->size);
		/* Every message has a sender and a receiver. */
		someone = false;
		for (from = 0; from < ROLE_MAX; from++)
			for (to = 0; to < ROLE_MAX; to++)
				if (msg_allowed(d->type, from, to,
				    LINK_RUN) == MSG_OK ||
				    msg_allowed(d->type, from, to,
				    LINK_SETUP) == MSG_OK ||
				    msg_allowed(d->type, from, to,
				    LINK_DRAIN) == MSG_OK)
					someone = true;
		if (!someone)
			print_error("%s: nobody may send it\n", d->name);
		assert_true(someone);
	}
	assert_true(i > 60);
	assert_null(msg_desc(0));
	assert_null(msg_desc(0xffff));
}

static void
test_who_may_not_talk(void **state)
{
	(void)state;
	/* Not present, on purpose: processes.md section 3. */
	assert_false(role_linked(ROLE_CHAN, ROLE_AGENT));
	assert_false(role_linked(ROLE_AGENT, ROLE_CONNECT));
	assert_false(role_linked(ROLE_AGENT, ROLE_AGENT));
	assert_false(role_linked(ROLE_AGENT, ROLE_JAILER));
	assert_false(role_linked(ROLE_FRONT, ROLE_AGENT));
	assert_true(role_linked(ROLE_ROUTER, ROLE_AGENT));
	assert_true(role_linked(ROLE_AGENT, ROLE_ROUTER));
	/* Nobody but the parent speaks for the parent. */
	assert_int_equal(msg_allowed(MSG_PROC_QUIT, ROLE_ROUTER, ROLE_AGENT,
	    LINK_RUN), MSG_DIRECTION);
	assert_int_equal(msg_allowed(MSG_PROC_QUIT, ROLE_PARENT, ROLE_AGENT,
	    LINK_RUN), MSG_OK);
	assert_int_equal(msg_allowed(MSG_SUP_REQ, ROLE_FRONT, ROLE_PARENT,
	    LINK_RUN), MSG_DIRECTION);
	/* An agent cannot decide approvals. */
	assert_int_equal(msg_allowed(MSG_AP_DECISION, ROLE_AGENT, ROLE_TOOL,
	    LINK_RUN), MSG_DIRECTION);
	/* Scopes come from the store, never from front. */
	assert_int_equal(msg_allowed(MSG_AUTH_TICKET, ROLE_FRONT, ROLE_ROUTER,
	    LINK_RUN), MSG_DIRECTION);
}

static void
test_names(void **state)
{
	unsigned int	 r;

	(void)state;
	for (r = 0; r < ROLE_MAX; r++)
		assert_int_equal(role_by_name(role_name(r)), r);
	assert_int_equal(role_by_name("nobody"), ROLE_MAX);
	assert_string_equal(role_name(99), "?");
	for (r = 0; r < MSG_ERR_MAX; r++)
		assert_string_not_equal(msg_err_name(r), "?");
	assert_string_equal(gw_event_name(EVENT_EXEC_APPROVAL_RESOLVED),
	    "exec.approval.resolved");
	assert_string_equal(proc_state_name(PROC_ST_HELD), "held");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_table_is_consistent),
		cmocka_unit_test(test_who_may_not_talk),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
