/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Tool calls from beginning to end: files, commands, policy, limits. */
#include "common/compat.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/toold_rig.h"

static void
test_file_tools(void **state)
{
	const char	*s;

	(void)state;
	start("");
	s = call("write", "{\"path\":\"notes/a.md\",\"content\":\"one\\ntwo\\n"
	    "three\\n\"}");
	assert_string_equal(s, "Wrote 14 bytes to notes/a.md (new file).");
	assert_int_equal(done_error, 0);
	assert_int_equal(accept_status, TOOL_RUNNING);
	assert_string_equal(call("read", "{\"path\":\"notes/a.md\"}"),
	    "one\ntwo\nthree\n");
	HAS(call("read", "{\"path\":\"notes/a.md\",\"offset\":2,\"limit\":1}"),
	    "two\n\n[Lines 2-2 of 3. Go on with offset=3.]");
	HAS(call("read", "{\"path\":\"notes/a.md\",\"offset\":9}"),
	    "offset 9 is past the end: notes/a.md has 3 lines.");
	assert_int_equal(done_error, 1);
	HAS(call("edit", "{\"path\":\"notes/a.md\",\"oldText\":\"two\","
	    "\"newText\":\"2\"}"), "Edited notes/a.md: 1 replacement, first "
	    "changed line 2.");
	assert_string_equal(detail("diff"),
	    "@@ -1 +1 @@\n one\n-two\n+2\n three\n");
	HAS(call("edit", "{\"path\":\"notes/a.md\",\"oldText\":\"nope\","
	    "\"newText\":\"2\"}"), "Could not find oldText in notes/a.md");
	assert_string_equal(call("read", "{\"path\":\"notes/a.md\"}"),
	    "one\n2\nthree\n");
	HAS(call("ls", "{}"), "notes/\n");
	HAS(call("ls", "{\"path\":\"nowhere\"}"),
	    "Could not list nowhere: no such file or folder.");
	HAS(call("read", "{\"path\":\"/etc/passwd\"}"),
	    "outside the workspace");
	HAS(call("read", "{\"path\":\"~/x\"}"), "not expanded");
	HAS(call("read", "{\"path\":\"a\",\"wat\":1}"),
	    "Note: read has no parameter \"wat\"; it was ignored.\n");
	HAS(call("read", "{}"), "  - path: is missing\n");
	assert_int_equal(accept_status, TOOL_DENIED);
	HAS(call("nosuch", "{}"), "Tool nosuch not found");
	stop();
}

static void
test_large_and_odd_files(void **state)
{
	char	 path[256];
	size_t	 i;
	FILE	*f;

	(void)state;
	start("");
	snprintf(path, sizeof(path), "%s/long.txt", ws);
	f = fopen(path, "w");
	for (i = 1; i <= 200000; i++)
		fprintf(f, "line number %zu\n", i);
	fclose(f);
	HAS(call("read", "{\"path\":\"long.txt\"}"), "[Lines 1-2000 of 200000,"
	    " the limit of 2000 lines was reached. Go on with offset=2001.]");
	HAS(call("read", "{\"path\":\"long.txt\",\"offset\":199999}"),
	    "line number 199999\nline number 200000\n\n"
	    "[Lines 199999-200000 of 200000; this is the end.]");
	snprintf(path, sizeof(path), "%s/bin", ws);
	f = fopen(path, "w");
	fwrite("\x7f" "ELF\0\0\0\0", 1, 8, f);
	fclose(f);
	HAS(call("read", "{\"path\":\"bin\"}"),
	    "bin is a binary file (8 bytes, ELF program)");
	snprintf(path, sizeof(path), "%s/i.png", ws);
	f = fopen(path, "w");
	fwrite("\x89PNG\r\n\x1a\n\0\0", 1, 10, f);
	fclose(f);
	HAS(call("read", "{\"path\":\"i.png\"}"), "Image of type image/png");
	assert_string_equal(json_string_value(json_object_get(json_array_get(
	    json_object_get(done, "content"), 1), "data")),
	    "iVBORw0KGgoAAA==");
	snprintf(path, sizeof(path), "%s/empty", ws);
	f = fopen(path, "w");
	fclose(f);
	assert_string_equal(call("read", "{\"path\":\"empty\"}"),
	    "(the file is empty)");
	stop();
}

static void
test_exec(void **state)
{
	char	 want[128];

	(void)state;
	start("");
	snprintf(want, sizeof(want), "hi\n%s\n", ws);
	assert_string_equal(call("exec", "{\"command\":\"echo hi; pwd\"}"),
	    want);
	assert_string_equal(detail("status"), "completed");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(
	    done, "details"), "exitCode")), 0);
	assert_true(outs > 0);
	HAS(dbuf_str(&streamed), "hi\n");
	assert_string_equal(call("exec", "{\"command\":\"true\"}"),
	    "(no output)");
	assert_string_equal(call("exec", "{\"command\":\"echo out; echo err "
	    ">&2; exit 3\"}") + 8, "\nThe command exited with code 3.");
	assert_int_equal(done_error, 1);
	assert_string_equal(detail("status"), "failed");
	HAS(call("exec", "{\"command\":\"kill -9 $$\"}"),
	    "The command was ended by signal 9");
	/* input is at its end */
	assert_string_equal(call("exec", "{\"command\":\"cat; echo done\"}"),
	    "done\n");
	/* one argument, whatever it holds */
	HAS(call("exec", "{\"command\":\"-c 'echo x'; echo \\\"a'b\\\"\"}"),
	    "-c: not found\na'b\n");
	HAS(call("exec", "{\"command\":\"x\",\"workdir\":\"../..\"}"),
	    "workdir: the path is outside the workspace.");
	HAS(call("exec", "{\"command\":\"x\",\"env\":{\"LD_PRELOAD\":\"x\"}}"),
	    "env: LD_PRELOAD may not be set by a call.");
	assert_int_equal(t.njobs, 0);	/* nothing is remembered */
	stop();
}

static void
test_T20_environment(void **state)
{
	const char	*s;

	(void)state;
	setenv("TOOLD_TEST_CANARY", "leak", 1);
	start("{\"exec\":{\"pathPrepend\":[\"/opt/x\"]}}");
	s = call("exec", "{\"command\":\"env\",\"env\":{\"FOO\":\"a b\"}}");
	assert_null(strstr(s, "CANARY"));
	HAS(s, "FOO=a b\n");
	HAS(s, "PATH=/opt/x:/usr/local/bin:/usr/bin:/bin");
	HAS(s, "HOME=/tmp\n");
	HAS(s, "OPENCLAW_SHELL=exec\n");
	HAS(s, "TZ=UTC\n");
	stop();
}

static void
test_exec_long_output(void **state)
{
	const char	*s, *id;
	char		 args[128], sid[32];

	(void)state;
	start("{\"exec\":{\"maxOutputChars\":2000}}");
	s = call("exec", "{\"command\":\"seq 1 20000\"}");
	HAS(s, "1\n2\n3\n");
	HAS(s, "characters left out; process log with sessionId ");
	HAS(s, "\n19999\n20000\n");
	assert_true(strlen(s) < 2500);
	id = detail("sessionId");
	assert_int_equal(strlen(id), 8);
	strlcpy(sid, id, sizeof(sid));
	assert_int_equal(spooled(), 1);
	snprintf(args, sizeof(args), "{\"action\":\"log\",\"sessionId\":\"%s\""
	    ",\"offset\":10000,\"limit\":3}", sid);
	HAS(call("process", args), "10000\n10001\n10002\n"
	    "[lines 10000-10002 of 20000]\n[the command exited with code 0]");
	snprintf(args, sizeof(args), "{\"action\":\"remove\",\"sessionId\":"
	    "\"%s\"}", sid);
	HAS(call("process", args), "Forgot");
	assert_int_equal(spooled(), 0);
	assert_int_equal(t.njobs, 0);
	/* control bytes do not come through */
	assert_string_equal(call("exec", "{\"command\":\"printf "
	    "'\\\\033[31mred\\\\033[0m\\\\000\\\\377x'\"}"),
	    "red\xef\xbf\xbdx");
	stop();
}

static void
test_background(void **state)
{
	const char	*said;
	char		 args[256], sid[32];
	bool		 early;

	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"while read x; do echo got $x; done; "
	    "echo bye\",\"background\":true,\"title\":\"reader\"}"),
	    "still running");
	assert_string_equal(detail("status"), "running");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	HAS(call("process", "{\"action\":\"list\"}"), "reader");
	snprintf(args, sizeof(args), "{\"action\":\"write\",\"sessionId\":"
	    "\"%s\",\"data\":\"abc\\n\"}", sid);
	HAS(call("process", args), "Wrote 4 bytes");
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\",\"timeout\":10000}", sid);
	HAS(call("process", args), "got abc\n[still running");
	snprintf(args, sizeof(args), "{\"action\":\"write\",\"sessionId\":"
	    "\"%s\",\"data\":\"x\",\"eof\":true}", sid);
	HAS(call("process", args), "ended its input");
	UNTIL(t.nrunning == 0);
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\"}", sid);
	HAS(call("process", args), "bye\n[the command exited with code 0]");
	HAS(call("process", args), "(no new output)");
	snprintf(args, sizeof(args), "{\"action\":\"write\",\"sessionId\":"
	    "\"%s\",\"data\":\"x\"}", sid);
	HAS(call("process", args), "has ended; it takes no input");
	HAS(call("process", "{\"action\":\"clear\"}"),
	    "Forgot 1 finished command.");
	HAS(call("process", args), "There is no command");
	/* one that takes longer than the call wants to wait */
	said = call("exec", "{\"command\":\"echo a; sleep 60\","
	    "\"yieldMs\":100}");
	HAS(said, "still running");
	early = strstr(said, "Output so far:\na\n") != NULL;
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\",\"timeout\":60000}", sid);
	if (!early)		/* a slow host */
		HAS(call("process", args), "a\n[still running");
	snprintf(args, sizeof(args), "{\"action\":\"kill\",\"sessionId\":"
	    "\"%s\"}", sid);
	HAS(call("process", args), "Ended");
	UNTIL(t.nrunning == 0);
	assert_true(LIST_EMPTY(&children));
	stop();
}

static void
test_T38_credentials_are_masked(void **state)
{
	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"echo MY_API_KEY=abcdef; printf tail"
	    "\"}"), "MY_API_KEY=[redacted]\ntail");
	assert_null(strstr(detail("aggregated"), "abcdef"));
	assert_null(strstr(dbuf_str(&streamed), "abcdef"));
	HAS(dbuf_str(&streamed), "MY_API_KEY=[redacted]\n");
	call("write", "{\"path\":\"env\",\"content\":\"DB_PASSWORD=hunter22\\n"
	    "\"}");
	HAS(call("read", "{\"path\":\"env\"}"), "DB_PASSWORD=[redacted]\n");
	call("edit", "{\"path\":\"env\",\"oldText\":\"DB_\",\"newText\":"
	    "\"X_\"}");
	assert_int_equal(done_error, 0);
	assert_null(strstr(detail("diff"), "hunter22"));
	stop();
}

static void
test_sessions_are_apart(void **state)
{
	unsigned int	 before;
	char		 args[256], sid[32];

	(void)state;
	start("");
	call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	before = dones;
	send_call("other", "process", "agent:main:other",
	    "{\"action\":\"list\"}");
	UNTIL(dones > before);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "No commands");
	snprintf(args, sizeof(args), "{\"action\":\"kill\",\"sessionId\":"
	    "\"%s\"}", sid);
	before = dones;
	send_call("other2", "process", "agent:main:other", args);
	UNTIL(dones > before);
	assert_int_equal(done_error, 1);
	assert_int_equal(t.nrunning, 1);
	call("process", args);
	UNTIL(t.nrunning == 0);
	stop();
}

static void
test_timeout(void **state)
{
	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"echo a; sleep 60\","
	    "\"timeoutSeconds\":4}"),
	    "a\n\nThe command timed out after 4 s and was ended.");
	assert_int_equal(done_error, 1);
	assert_int_equal(t.njobs, 0);
	assert_true(LIST_EMPTY(&children));
	stop();
}

static void
test_abort(void **state)
{
	(void)state;
	start("");
	/* one that does not listen to TERM */
	send_call("a1", "exec", "s",
	    "{\"command\":\"trap '' TERM; echo up; while :; do sleep 1; "
	    "done\"}");
	UNTIL(outs > 0);
	cancel("a1");
	cancel("a1");
	cancel("never-was");
	UNTIL(dones == 1);
	assert_int_equal(done_error, 1);
	HAS(json_string_value(json_object_get(json_array_get(json_object_get(
	    done, "content"), 0), "text")), "was aborted");
	UNTIL(t.njobs == 0);
	assert_true(LIST_EMPTY(&children));
	/* a background command outlives the abort of a later call */
	call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	send_call("a2", "exec", "s", "{\"command\":\"sleep 60\"}");
	UNTIL(t.nrunning == 2);
	cancel("a2");
	UNTIL(t.nrunning == 1);
	stop();
}

static void
test_terminal(void **state)
{
	char	 args[256], sid[32];

	(void)state;
	start("");
	HAS(call("exec", "{\"command\":\"test -t 0 && test -t 1 && stty size; "
	    "echo $TERM\",\"pty\":true}"), "30 120\nxterm-256color\n");
	call("exec", "{\"command\":\"cat\",\"pty\":true,\"background\":true}");
	strlcpy(sid, detail("sessionId"), sizeof(sid));
	snprintf(args, sizeof(args), "{\"action\":\"send-keys\",\"sessionId\":"
	    "\"%s\",\"literal\":\"abc\",\"keys\":[\"Enter\"]}", sid);
	HAS(call("process", args), "Wrote 4 bytes");
	snprintf(args, sizeof(args), "{\"action\":\"poll\",\"sessionId\":"
	    "\"%s\",\"timeout\":5000}", sid);
	HAS(call("process", args), "abc\n");
	snprintf(args, sizeof(args), "{\"action\":\"send-keys\",\"sessionId\":"
	    "\"%s\",\"keys\":\"C-d\"}", sid);
	call("process", args);
	UNTIL(t.nrunning == 0);
	snprintf(args, sizeof(args), "{\"action\":\"send-keys\",\"sessionId\":"
	    "\"%s\",\"keys\":\"Hyper-Q\"}", sid);
	HAS(call("process", args), "there is no key");
	stop();
}

static void
test_policy(void **state)
{
	struct m_tl_list	 l = {0};
	size_t			 i;
	json_t			*v;

	(void)state;
	start("{\"deny\":[\"group:runtime\"]}");
	HAS(call("exec", "{\"command\":\"echo hi\"}"), "Denied: the tool exec "
	    "is not allowed here: tools.deny has \"group:runtime\".");
	assert_int_equal(accept_status, TOOL_DENIED);
	assert_int_equal(done_error, 1);
	send_tl_list(agent, &l, link_corr(), 0);
	UNTIL(listed != NULL);
	json_array_foreach(listed, i, v) {
		assert_string_not_equal(json_string_value(json_object_get(v,
		    "name")), "exec");
		assert_non_null(json_object_get(v, "parameters"));
	}
	assert_int_equal(json_array_size(listed), 5);
	stop();
	start("{\"exec\":{\"security\":\"deny\"}}");
	HAS(call("exec", "{\"command\":\"echo hi\"}"), "switched off");
	stop();
	start("{\"deny\":[\"process\"]}");
	/* nobody could look after it, so it is waited for */
	assert_string_equal(call("exec", "{\"command\":\"sleep 0.2; echo x\","
	    "\"background\":true,\"yieldMs\":10}"), "x\n");
	stop();
}

static void
test_reload(void **state)
{
	struct parcel_writer	*w = parcel_writer_new();
	struct parcel		*p;
	char			 why[256];

	(void)state;
	start("");
	parcel_puts(w, ws, "workspace");
	parcel_puts(w, "{\"deny\":[\"ls\"]}", "json.tools");
	p = parcel_open(parcel_writer_seal(w));
	assert_int_equal(toold_configure(&t, p, true, why, sizeof(why)), 0);
	call("ls", "{}");
	assert_int_equal(done_error, 0);	/* not before commit */
	json_decref(listed);
	listed = NULL;
	toold_commit(&t);
	UNTIL(listed != NULL);		/* told without having asked */
	/* Without ls, and web_fetch was never switched on. */
	assert_int_equal(json_array_size(listed), TOOL_ID_MAX - 2);
	call("ls", "{}");
	assert_int_equal(done_error, 1);
	parcel_close(p);
	w = parcel_writer_new();
	parcel_puts(w, "/elsewhere", "workspace");
	p = parcel_open(parcel_writer_seal(w));
	assert_int_equal(toold_configure(&t, p, true, why, sizeof(why)), -1);
	parcel_close(p);
	stop();
}

static void
test_limits(void **state)
{
	char	 id[16];
	int	 i;

	(void)state;
	start("");
	for (i = 0; i < TOOLD_RUNNING_MAX; i++)
		call("exec", "{\"command\":\"sleep 60\",\"background\":true}");
	HAS(call("exec", "{\"command\":\"true\"}"), "too many commands");
	assert_int_equal(t.nrunning, TOOLD_RUNNING_MAX);
	stop();
	start("");
	/* finished ones make room for new ones */
	for (i = 0; i < TOOLD_JOBS_MAX + 5; i++)
		call("exec", "{\"command\":\"true\",\"background\":true,"
		    "\"title\":\"t\"}");
	assert_true(t.njobs <= TOOLD_JOBS_MAX);
	stop();
	start("");
	/* more calls at once than are taken; each has one answer */
	for (i = 0; i < TOOLD_CALLS_MAX + 10; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		send_call(id, "read", "s", "{\"path\":\"none\"}");
	}
	UNTIL(dones == TOOLD_CALLS_MAX + 10);
	assert_int_equal(accepts, TOOLD_CALLS_MAX + 10);
	assert_int_equal(t.ncalls, 0);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_tools),
		cmocka_unit_test(test_large_and_odd_files),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_T20_environment),
		cmocka_unit_test(test_exec_long_output),
		cmocka_unit_test(test_background),
		cmocka_unit_test(test_T38_credentials_are_masked),
		cmocka_unit_test(test_sessions_are_apart),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
