/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The pure parts of agentd: what people see of a model's text, what a channel
 * gets, commands, and the history that a model is told. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"

static void
test_visible(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "plain", "plain" },
		{ "a<think>hidden</think>b", "ab" },
		{ "a<THINKING>h<b>i</b></thinking>b", "ab" },
		{ "<antthinking>x</antthinking>y", "y" },
		{ "<thought>x", "" },
		{ "<final>answer</final>", "answer" },
		{ "1 < 2 and <b>bold</b>", "1 < 2 and <b>bold</b>" },
		{ "<<think>x</think>y", "<y" },
		{ "`<think>` is a tag", "`<think>` is a tag" },
		{ "```\n<think>\n```\n<think>no</think>yes",
		    "```\n<think>\n```\nyes" },
		{ "ends with <thi", "ends with <thi" },
		{ "caf\xc3\xa9 <think>\xc3\xa9</think>!", "caf\xc3\xa9 !" },
	};
	struct visible	 v;
	struct dbuf	 b;
	size_t		 i, k, step;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (step = 1; step < 8; step++) {
			memset(&v, 0, sizeof(v));
			dbuf_init(&b, 4096);
			for (k = 0; k < strlen(rows[i].in); k += step) {
				size_t n = strlen(rows[i].in) - k;

				visible_put(&v, &b, rows[i].in + k, n < step ?
				    n : step);
			}
			visible_end(&v, &b);
			assert_string_equal(dbuf_str(&b), rows[i].out);
			dbuf_clear(&b);
		}
}

static void
test_outbox_text(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "  hi \n", "hi" },
		{ "[[reply_to_current]] hi", "hi" },
		{ "hi [[reply_to:12]]", "hi" },
		{ "[[ not a tag ]]", "[[ not a tag ]]" },
		{ "NO_REPLY", NULL }, { "NO_REPLY.", NULL },
		{ "NO_REPLYING", "NO_REPLYING" },
		{ "done. NO_REPLY", NULL },
		{ "HEARTBEAT_OK", NULL }, { "HEARTBEAT_OK all well",
		    "all well" },
		{ "all well HEARTBEAT_OK", "all well" }, { "", NULL },
	};
	size_t	 i;
	char	*p;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p = outbox_text(rows[i].in);
		if (rows[i].out == NULL)
			assert_null(p);
		else
			assert_string_equal(p, rows[i].out);
		free(p);
	}
}

static void
test_commands(void **state)
{
	static const struct { const char *in; enum command want;
	    const char *rest; } rows[] = {
		{ "/new", COMMAND_RESET, "" },
		{ " /RESET  do it ", COMMAND_RESET, "do it" },
		{ "/new: x", COMMAND_RESET, "x" },
		{ "/newer", COMMAND_NONE, "/newer" },
		{ "/stop", COMMAND_STOP, "" },
		{ "/stop@my_bot", COMMAND_STOP, "" },
		{ "/stop now", COMMAND_NONE, "/stop now" },
		{ "/help", COMMAND_HELP, "" },
		{ "/status", COMMAND_STATUS, "" },
		{ "status", COMMAND_NONE, "status" },
		{ "", COMMAND_NONE, "" },
	};
	static struct config	 c;
	struct str		 rest;
	size_t			 i;

	(void)state;
	cfg = &c;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(command_parse(str_of(rows[i].in), &rest),
		    rows[i].want);
		assert_true(str_eqs(rest, rows[i].rest));
	}
	assert_true(turn_is_stop_word(str_of(" Esc\n")));
	assert_false(turn_is_stop_word(str_of("stop it")));
	cfg = NULL;
}

static json_t *
parse(const char *text)
{
	json_t	*j = json_load_bounded(text, strlen(text), 32);

	assert_non_null(j);
	return j;
}

static void
test_history_repair(void **state)
{
	json_t	*h = parse("["
	    "{\"role\":\"toolResult\",\"toolCallId\":\"orphan\"},"
	    "{\"role\":\"user\",\"content\":\"q\"},"
	    "{\"role\":\"assistant\",\"content\":["
	    "{\"type\":\"toolCall\",\"id\":\"a\",\"name\":\"x\"},"
	    "{\"type\":\"toolCall\",\"id\":\"b\",\"name\":\"y\"}]},"
	    "{\"role\":\"user\",\"content\":\"between\"},"
	    "{\"role\":\"toolResult\",\"toolCallId\":\"a\"},"
	    "{\"role\":\"toolResult\",\"toolCallId\":\"a\"}]");
	static const char *const roles[] = { "user", "assistant",
	    "toolResult", "toolResult", "user" };
	size_t	 i;

	(void)state;
	history_repair(h);
	assert_int_equal(json_array_size(h), 5);
	for (i = 0; i < 5; i++)
		assert_string_equal(json_text(json_array_get(h, i), "role",
		    ""), roles[i]);
	assert_string_equal(json_text(json_array_get(h, 2), "toolCallId",
	    ""), "a");
	assert_string_equal(json_text(json_array_get(h, 3), "toolCallId",
	    ""), "b");
	assert_true(json_is_true(json_object_get(json_array_get(h, 3),
	    "isError")));
	json_decref(h);
}

static void
test_history_convert(void **state)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "{\"role\":\"assistant\",\"stopReason\":\"error\"}", NULL },
		{ "{\"role\":\"assistant\",\"stopReason\":\"aborted\"}",
		    NULL },
		{ "{\"role\":\"toolResult\",\"details\":{\"x\":1}}",
		    "{\"role\":\"toolResult\"}" },
		{ "{\"role\":\"custom\",\"content\":\"n\"}",
		    "{\"role\":\"user\",\"content\":\"n\"}" },
		{ "{\"role\":\"bashExecution\",\"excludeFromContext\":true}",
		    NULL },
		{ "{\"role\":\"future\"}", NULL },
	};
	json_t	*in, *out, *want;
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		in = parse(rows[i].in);
		out = history_convert(in);
		if (rows[i].out == NULL)
			assert_null(out);
		else {
			want = parse(rows[i].out);
			assert_true(json_equal(out, want));
			json_decref(want);
		}
		json_decref(in);
		json_decref(out);
	}
}

static void
test_tool_cap(void **state)
{
	struct provider_model	 m = { .context_window = 200000 };

	(void)state;
	assert_int_equal(toolcall_cap(&m), 64000);
	m.context_window = 128000;
	assert_int_equal(toolcall_cap(&m), 32000);
	m.context_window = 32768;
	assert_int_equal(toolcall_cap(&m), 16000);
	m.context_window = 4096;
	assert_int_equal(toolcall_cap(&m), 4915);
}

static void
test_json_depth(void **state)
{
	(void)state;
	assert_null(json_load_bounded("[[[1]]]", 7, 2));
	json_decref(parse("[[\"[[[[[[[[\\\"[[\"]]"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_visible),
		cmocka_unit_test(test_outbox_text),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_history_repair),
		cmocka_unit_test(test_history_convert),
		cmocka_unit_test(test_tool_cap),
		cmocka_unit_test(test_json_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
