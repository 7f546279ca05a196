/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Siblings of toold that end, come back, lie or ask: jailer, agent, file
 * worker, router; and what diagnose says of them.
 */
#include "common/compat.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/toold_rig.h"

static void
test_R10_jailer_dies(void **state)
{
	const char	*s;

	(void)state;
	start("");
	send_call("j1", "exec", "s", "{\"command\":\"sleep 60\"}");
	UNTIL(!LIST_EMPTY(&children));
	link_free(jailer);
	jailer = NULL;
	UNTIL(dones == 1);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "the jail was restarted");
	s = call("exec", "{\"command\":\"true\"}");
	HAS(s, "the jail is not running");
	HAS(call("write", "{\"path\":\"w\",\"content\":\"x\"}"), "Wrote");
	/* and comes back */
	join(ROLE_JAILER);
	assert_string_equal(call("exec", "{\"command\":\"echo again\"}"),
	    "again\n");
	assert_int_equal(t.nrunning, 0);
	stop();
}

static void
test_R10_agent_dies(void **state)
{
	(void)state;
	start("");
	send_call("x1", "exec", "s", "{\"command\":\"sleep 60\"}");
	call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	UNTIL(t.nrunning == 2);
	link_free(agent);
	agent = NULL;
	/* what it waited for ends, what it left running goes on */
	UNTIL(t.nrunning == 1 && t.ncalls == 0);
	join(ROLE_AGENT);
	HAS(call("process", "{\"action\":\"list\"}"), "running");
	stop();
}

static void
test_files_die(void **state)
{
	(void)state;
	start("");
	link_free(worker);
	worker = NULL;
	UNTIL(t.files == NULL);
	HAS(call("read", "{\"path\":\"a\"}"), "the file worker is not running");
	join(ROLE_FILES);
	call("ls", "{}");
	assert_int_equal(done_error, 0);
	stop();
}

static bool	 drained;

static void
drained_cb(void)
{
	drained = true;
}

static void
test_R10_drain(void **state)
{
	(void)state;
	start("");
	call("exec", "{\"command\":\"trap '' TERM; sleep 60; sleep 60\","
	    "\"background\":true}");
	send_call("d1", "exec", "s", "{\"command\":\"sleep 60\"}");
	UNTIL(t.nrunning == 2);
	drained = false;
	toold_drain(&t, drained_cb);
	UNTIL(drained);
	assert_int_equal(t.nrunning, 0);
	assert_int_equal(t.ncalls, 0);
	assert_true(LIST_EMPTY(&children));
	HAS(call("ls", "{}"), "being shut down");
	stop();
}

static void
test_same_id_twice(void **state)
{
	(void)state;
	start("");
	send_call("same", "exec", "s", "{\"command\":\"sleep 0.3; echo one\"}");
	send_call("same", "read", "s", "{\"path\":\"x\"}");
	UNTIL(dones == 2);
	assert_int_equal(accepts, 2);
	assert_int_equal(t.ncalls, 0);
	stop();
}

static void
test_hostile_jailer(void **state)
{
	struct m_jl_exit	 x = {.job = 4711};
	struct m_jl_started	 s = {.job = 4711, .pid = 1};

	(void)state;
	start("");
	send_jl_exit(jailer, &x, 0, 0);
	UNTIL(violation != MSG_OK);
	assert_int_equal(violation, MSG_MEANING);
	stop();
	start("");
	send_jl_started(jailer, &s, 0, 0);
	UNTIL(violation != MSG_OK);
	stop();
	/* one that says nothing at all */
	start("");
	mute = true;
	send_call("m", "exec", "s", "{\"command\":\"sleep 1\"}");
	UNTIL(!LIST_EMPTY(&children));
	cancel("m");
	UNTIL(dones == 1);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "aborted");
	UNTIL(t.nrunning == 0);
	stop();
}

static json_t *
row(const char *id)
{
	json_t	*v;
	size_t	 i;

	json_array_foreach(json_object_get(json_object_get(done, "details"),
	    "results"), i, v)
		if (strcmp(json_string_value(json_object_get(v, "id")), id) ==
		    0)
			return v;
	return NULL;
}

static const char *
level(const char *id)
{
	const char *s = json_string_value(json_object_get(row(id), "level"));

	return s == NULL ? "missing" : s;
}

static void
test_diagnose(void **state)
{
	json_t		*v;
	const char	*l;
	size_t		 i;

	(void)state;
	start("{\"deny\":[\"ls\"]}");
	call("diagnose", "{\"deep\":true}");
	assert_true(json_is_true(json_object_get(json_object_get(done,
	    "details"), "ok")));
	assert_string_equal(level("jail.run"), "ok");
	assert_string_equal(level("jail.workspace"), "ok");
	assert_string_equal(level("jail.selftest"), "ok");
	assert_string_equal(level("files.workspace"), "ok");
	assert_string_not_equal(level("state.disk.workspace"), "missing");
	assert_string_equal(level("agents.tools"), "info");
	call("diagnose", "{\"checks\":[\"jail\"]}");
	assert_null(row("files.workspace"));
	assert_non_null(row("jail.run"));
	stop();
	start("");
	link_free(jailer);
	link_free(worker);
	jailer = worker = NULL;
	UNTIL(t.jailer == NULL && t.files == NULL);
	call("diagnose", "{}");
	assert_false(json_is_true(json_object_get(json_object_get(done,
	    "details"), "ok")));
	assert_string_equal(level("jail.run"), "fail");
	assert_string_equal(level("files.workspace"), "fail");
	json_array_foreach(json_object_get(json_object_get(done, "details"),
	    "results"), i, v) {
		l = json_string_value(json_object_get(v, "level"));
		if (strcmp(l, "warn") == 0 || strcmp(l, "fail") == 0)
			assert_true(json_array_size(json_object_get(v,
			    "fixes")) > 0);
	}
	stop();
}

static void
test_selftest_rpc(void **state)
{
	struct m_rpc_req	 q;

	(void)state;
	start("");
	memset(&q, 0, sizeof(q));
	q.method = STR_LIT("sandbox.selftest");
	q.scopes = SCOPE_ADMIN;
	q.params = STR_LIT("{}");
	send_rpc_req(router, &q, link_corr(), 0);
	UNTIL(rpc != NULL);
	assert_true(json_is_true(json_object_get(rpc, "ok")));
	assert_int_equal(json_array_size(json_object_get(rpc, "lines")), 2);
	q.scopes = SCOPE_READ;
	rpc_message[0] = '\0';
	send_rpc_req(router, &q, link_corr(), 0);
	UNTIL(rpc_message[0] != '\0');
	HAS(rpc_message, "missing scope");
	q.method = STR_LIT("config.get");
	rpc_message[0] = '\0';
	send_rpc_req(router, &q, link_corr(), 0);
	UNTIL(rpc_message[0] != '\0');
	HAS(rpc_message, "unknown method");
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_R10_jailer_dies),
		cmocka_unit_test(test_R10_agent_dies),
		cmocka_unit_test(test_files_die),
		cmocka_unit_test(test_R10_drain),
		cmocka_unit_test(test_same_id_twice),
		cmocka_unit_test(test_hostile_jailer),
		cmocka_unit_test(test_diagnose),
		cmocka_unit_test(test_selftest_rpc),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
