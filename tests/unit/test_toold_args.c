/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Arguments as models write them, schemas, and policy. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "toold/toolpolicy.h"
#include "toold/tools.h"

static struct dbuf	 errors, notes;

static json_t *
check(enum tool_id id, const char *text)
{
	dbuf_reset(&errors);
	dbuf_reset(&notes);
	return tools_args_check(tools_get(id), str_of(text), &errors, &notes);
}

static void
is(enum tool_id id, const char *in, const char *want)
{
	json_t	*got = check(id, in), *w;

	w = json_loads(want, 0, NULL);
	assert_non_null(w);
	if (got == NULL)
		print_message("%s\n", dbuf_str(&errors));
	assert_non_null(got);
	if (!json_equal(got, w)) {
		char *s = json_dumps(got, 0);

		print_message("%s\n", s);
		free(s);
	}
	assert_true(json_equal(got, w));
	json_decref(got);
	json_decref(w);
}

static void
fails(enum tool_id id, const char *in, const char *text)
{
	json_t	*got = check(id, in);

	assert_null(got);
	if (strstr(dbuf_str(&errors), text) == NULL)
		print_message("%s\n", dbuf_str(&errors));
	assert_non_null(strstr(dbuf_str(&errors), text));
}

static void
test_lenient(void **state)
{
	(void)state;
	is(TOOL_READ, "{\"path\":\" a.txt \",\"offset\":\"12\",\"limit\":3.0}",
	    "{\"path\":\"a.txt\",\"offset\":12,\"limit\":3}");
	is(TOOL_READ, "{\"file_path\":\"a\",\"offset\":0}",
	    "{\"path\":\"a\",\"offset\":1}");
	is(TOOL_READ, "{\"path\":\"a\",\"file_path\":\"b\",\"limit\":null}",
	    "{\"path\":\"a\"}");
	is(TOOL_EDIT,
	    "{\"file_path\":\"a\",\"old_string\":\" x \",\"new_string\":\"\"}",
	    "{\"path\":\"a\",\"oldText\":\" x \",\"newText\":\"\"}");
	is(TOOL_EDIT, "{\"path\":\"a\",\"edits\":[{\"oldText\":\"x\","
	    "\"newText\":\"y\"}]}", "{\"path\":\"a\",\"edits\":"
	    "[{\"oldText\":\"x\",\"newText\":\"y\"}]}");
	is(TOOL_WRITE, "{\"path\":5,\"content\":42}",
	    "{\"path\":\"5\",\"content\":\"42\"}");
	is(TOOL_EXEC, "{\"cmd\":\"ls\",\"yieldMs\":1,\"background\":\"true\","
	    "\"pty\":0,\"timeout\":\"5\",\"env\":{\"A\":1,\"B\":true}}",
	    "{\"command\":\"ls\",\"yieldMs\":10,\"background\":true,"
	    "\"pty\":false,\"timeoutSeconds\":5,"
	    "\"env\":{\"A\":\"1\",\"B\":\"true\"}}");
	is(TOOL_EXEC, "{\"command\":\"x\",\"env\":\"{\\\"A\\\":\\\"b\\\"}\"}",
	    "{\"command\":\"x\",\"env\":{\"A\":\"b\"}}");
	is(TOOL_PROCESS, "{\"action\":\"SEND-KEYS\",\"keys\":\"Enter\"}",
	    "{\"action\":\"send-keys\",\"keys\":[\"Enter\"]}");
	is(TOOL_DIAGNOSE, "", "{}");
	is(TOOL_DIAGNOSE, "{\"checks\":[\"jail\"]}",
	    "{\"checks\":[\"jail\"]}");
	/* commands are never trimmed or changed */
	is(TOOL_EXEC, "{\"command\":\" a \\n\"}", "{\"command\":\" a \\n\"}");
}

static void
test_complaints(void **state)
{
	json_t	*got;

	(void)state;
	fails(TOOL_READ, "{}", "  - path: is missing\n");
	fails(TOOL_READ, "{\"path\":[]}", "  - path: must be a text\n");
	fails(TOOL_READ, "{\"path\":\"\"}", "path: must not be empty");
	fails(TOOL_READ, "[1]", "not a JSON object");
	fails(TOOL_READ, "{\"path\"", "not a JSON object: ");
	fails(TOOL_READ, "{\"path\":\"a\\u0000b\"}", "not a JSON object");
	fails(TOOL_READ, "{\"path\":\"a\",\"path\":\"b\"}", "not a JSON object");
	fails(TOOL_EDIT, "{\"path\":\"a\",\"oldText\":\"x\"}",
	    "newText: is missing");
	fails(TOOL_PROCESS, "{\"action\":\"dance\"}",
	    "action: must be one of list|poll|");
	fails(TOOL_EXEC, "{\"command\":\"x\",\"env\":{\"A\":[]}}",
	    "env: the value of A must be a text");
	fails(TOOL_EXEC, "{\"command\":\"x\",\"yieldMs\":\"soon\"}",
	    "yieldMs: must be a number");
	/* all at once, with what was received */
	fails(TOOL_WRITE, "{\"path\":{},\"x\":1}", "  - path: must be a text\n"
	    "  - content: is missing\n");
	assert_non_null(strstr(dbuf_str(&errors), "Received arguments:\n{\n"));
	got = check(TOOL_READ, "{\"path\":\"a\",\"wat\":1}");
	assert_non_null(got);
	assert_string_equal(dbuf_str(&notes),
	    "Note: read has no parameter \"wat\"; it was ignored.\n");
	json_decref(got);
}

static void
test_T02_T24_refused_parameters(void **state)
{
	static const char *const names[] = { "gatewayUrl", "gatewayToken",
		"approved", "approvalId", "senderIsOwner" };
	char	 text[128];
	size_t	 i, tool;

	(void)state;
	/* of every tool, before anything else of them is looked at */
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (tool = 0; tool < TOOL_ID_MAX; tool++) {
			snprintf(text, sizeof(text), "{\"command\":\"x\","
			    "\"path\":\"a\",\"url\":\"http://a/\","
			    "\"%s\":\"ws://evil.example\"}", names[i]);
			fails((enum tool_id)tool, text, "is refused here");
		}
}

static void
test_schemas(void **state)
{
	static const char *const allowed[] = { "type", "properties",
		"required", "items", "enum", "description", "minimum",
		"maximum", "additionalProperties" };
	json_t		*s, *props, *p, *v;
	const char	*key, *k;
	size_t		 i, n;

	(void)state;
	for (i = 0; i < TOOL_ID_MAX; i++) {
		s = tools_schema(tools_get(i));
		assert_non_null(s);
		assert_string_equal(json_string_value(json_object_get(s,
		    "name")), tools_get(i)->name);
		props = json_object_get(json_object_get(s, "parameters"),
		    "properties");
		assert_true(json_object_size(props) > 0);
		json_object_foreach(props, key, p) {
			json_object_foreach(p, k, v) {
				for (n = 0; n < 9; n++)
					if (strcmp(k, allowed[n]) == 0)
						break;
				assert_true(n < 9);
			}
		}
		json_array_foreach(json_object_get(json_object_get(s,
		    "parameters"), "required"), n, v)
			assert_non_null(json_object_get(props,
			    json_string_value(v)));
		json_decref(s);
	}
	assert_ptr_equal(tools_find(STR_LIT(" Bash ")), tools_get(TOOL_EXEC));
	assert_null(tools_find(STR_LIT("../exec")));
	assert_null(tools_find(STR_LIT("")));
}

static bool
allowed(const char *config, enum tool_id id)
{
	struct toolpolicy	 p;
	char			 why[256];
	bool			 ok;

	assert_int_equal(toolpolicy_init(&p, str_of(config), why, sizeof(why)),
	    0);
	ok = toolpolicy_allows(&p, tools_get(id), why, sizeof(why));
	assert_true(ok || why[0] != '\0');
	toolpolicy_clear(&p);
	return ok;
}

static void
test_policy_lists(void **state)
{
	(void)state;
	assert_true(allowed("", TOOL_EXEC));
	assert_true(allowed("{}", TOOL_WRITE));
	assert_false(allowed("{\"deny\":[\"exec\"]}", TOOL_EXEC));
	assert_false(allowed("{\"deny\":[\"bash\"]}", TOOL_EXEC));
	assert_false(allowed("{\"deny\":[\"group:runtime\"]}", TOOL_PROCESS));
	assert_true(allowed("{\"deny\":[\"group:runtime\"]}", TOOL_READ));
	assert_false(allowed("{\"deny\":[\"*\"]}", TOOL_READ));
	assert_false(allowed("{\"deny\":[\"w*e\"]}", TOOL_WRITE));
	assert_false(allowed("{\"allow\":[\"read\"]}", TOOL_WRITE));
	assert_true(allowed("{\"allow\":[\"group:fs\"]}", TOOL_WRITE));
	/* deny wins */
	assert_false(allowed("{\"allow\":[\"*\"],\"deny\":[\"WRITE\"]}",
	    TOOL_WRITE));
	/* a list of tools that nobody here has strips nothing */
	assert_true(allowed("{\"allow\":[\"lobster\"]}", TOOL_READ));
	/* but one of tools that live elsewhere counts */
	assert_false(allowed("{\"allow\":[\"web_fetch\"]}", TOOL_READ));
	assert_false(allowed("{\"allow\":[\"group:web\"]}", TOOL_READ));
	assert_false(allowed("{\"profile\":\"minimal\"}", TOOL_EXEC));
	assert_true(allowed("{\"profile\":\"coding\"}", TOOL_EXEC));
	assert_false(allowed("{\"profile\":\"messaging\"}", TOOL_READ));
	assert_true(allowed("{\"profile\":\"messaging\",\"alsoAllow\":"
	    "[\"read\"]}", TOOL_READ));
	assert_true(allowed("{\"profile\":\"full\"}", TOOL_EXEC));
	assert_false(allowed("{\"sandbox\":{\"tools\":{\"deny\":[\"exec\"]}}}",
	    TOOL_EXEC));
}

static enum exec_security	 security;
static enum exec_ask		 ask;

static bool
may_run(const char *config, const char *args, const char *text)
{
	struct toolpolicy	 p;
	json_t			*a;
	char			 why[256] = "";
	bool			 ok;

	assert_int_equal(toolpolicy_init(&p, str_of(config), why, sizeof(why)),
	    0);
	a = json_loads(args, 0, NULL);
	assert_non_null(a);
	ok = toolpolicy_exec(&p, a, &security, &ask, why, sizeof(why));
	if (text != NULL)
		assert_non_null(strstr(why, text));
	json_decref(a);
	toolpolicy_clear(&p);
	return ok;
}

static void
strict(const char *config, const char *args, enum exec_security s,
    enum exec_ask a)
{
	assert_true(may_run(config, args, NULL));
	assert_int_equal(security, s);
	assert_int_equal(ask, a);
}

static void
test_policy_exec(void **state)
{
	(void)state;
	strict("", "{}", EXEC_ALLOWLIST, ASK_ON_MISS);
	strict("{\"exec\":{\"security\":\"full\"}}", "{}", EXEC_FULL,
	    ASK_ON_MISS);
	strict("{\"exec\":{\"ask\":\"off\"}}", "{}", EXEC_ALLOWLIST, ASK_OFF);
	strict("{\"exec\":{\"mode\":\"full\"}}", "{}", EXEC_FULL, ASK_OFF);
	strict("{\"exec\":{\"mode\":\"ask\"}}", "{}", EXEC_ALLOWLIST,
	    ASK_ON_MISS);
	strict("{\"exec\":{\"mode\":\"allowlist\"}}", "{}", EXEC_ALLOWLIST,
	    ASK_OFF);
	assert_false(may_run("{\"exec\":{\"security\":\"deny\"}}", "{}",
	    "switched off"));
	assert_false(may_run("{\"exec\":{\"mode\":\"deny\"}}", "{}", NULL));
}

/* A call can make it stricter and never laxer. */
static void
test_T24_T28_arguments_only_harden(void **state)
{
	(void)state;
	assert_false(may_run("", "{\"security\":\"deny\"}", "the call asked"));
	strict("{\"exec\":{\"security\":\"full\",\"ask\":\"off\"}}",
	    "{\"ask\":\"always\",\"security\":\"allowlist\"}", EXEC_ALLOWLIST,
	    ASK_ALWAYS);
	strict("", "{\"ask\":\"off\",\"security\":\"full\"}", EXEC_ALLOWLIST,
	    ASK_ON_MISS);
	assert_false(may_run("{\"exec\":{\"security\":\"deny\"}}",
	    "{\"security\":\"full\",\"ask\":\"off\"}", NULL));
	strict("{\"exec\":{\"ask\":\"always\"}}", "{\"ask\":\"off\"}",
	    EXEC_ALLOWLIST, ASK_ALWAYS);
}

static void
test_T28_no_way_out_of_the_jail_by_arguments(void **state)
{
	(void)state;
	assert_false(may_run("", "{\"elevated\":true}", "jail only"));
	assert_false(may_run("", "{\"host\":\"gateway\"}", "jail only"));
	assert_false(may_run("", "{\"host\":\"node\"}", "jail only"));
	assert_false(may_run("", "{\"node\":\"n1\"}", "jail only"));
	assert_true(may_run("", "{\"host\":\"sandbox\"}", NULL));
	assert_true(may_run("", "{\"host\":\"auto\"}", NULL));
	assert_true(may_run("{\"exec\":{\"host\":\"gateway\"}}", "{}", NULL));
}

static void
test_policy_config(void **state)
{
	struct toolpolicy	 p;
	char			 why[256];

	(void)state;
	assert_int_equal(toolpolicy_init(&p, STR_LIT("[]"), why, sizeof(why)),
	    -1);
	assert_int_equal(toolpolicy_init(&p, STR_LIT(
	    "{\"exec\":{\"pathPrepend\":[\"bin\"]}}"), why, sizeof(why)), -1);
	assert_int_equal(toolpolicy_init(&p, STR_LIT(
	    "{\"exec\":{\"pathPrepend\":[\"/a:/b\"]}}"), why, sizeof(why)),
	    -1);
	assert_int_equal(toolpolicy_init(&p, STR_LIT("{\"exec\":{\"pathPrepend"
	    "\":[\"/a\",\"/b\"],\"backgroundMs\":1,\"timeoutSec\":7}}"), why,
	    sizeof(why)), 0);
	assert_string_equal(p.path_prepend, "/a:/b");
	assert_int_equal(p.yield_ms, 10);
	assert_int_equal(p.timeout_s, 7);
	toolpolicy_clear(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lenient),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_T02_T24_refused_parameters),
		cmocka_unit_test(test_schemas),
		cmocka_unit_test(test_policy_lists),
		cmocka_unit_test(test_policy_exec),
		cmocka_unit_test(test_T24_T28_arguments_only_harden),
		cmocka_unit_test(test_T28_no_way_out_of_the_jail_by_arguments),
		cmocka_unit_test(test_policy_config),
	};
	int	 rv;

	dbuf_init(&errors, TOOLS_ERRORS_MAX);
	dbuf_init(&notes, 4096);
	rv = cmocka_run_group_tests(tests, NULL, NULL);
	dbuf_clear(&errors);
	dbuf_clear(&notes);
	return rv;
}
