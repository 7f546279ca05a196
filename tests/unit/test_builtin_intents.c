/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agentd/providers/builtin_understand.h"
#include "common/dbuf.h"

static const struct {
	const char *phrase, *intent, *slots;
} cases[] = {
#define CASE(p, i, s)	{ p, i, s },
#include "tests/unit/builtin_cases.def"
};
static const char *const off[] = {
#define OFF(p)	p,
#include "tests/unit/builtin_cases.def"
};

static void
test_phrases(void **state)
{
	struct understanding	 u;
	struct dbuf		 slots;
	size_t			 i, k, bad = 0;

	(void)state;
	assert_true(sizeof(cases) / sizeof(cases[0]) >= 200);
	dbuf_init(&slots, 65536);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		builtin_understand(str_of(cases[i].phrase), &u);
		dbuf_reset(&slots);
		for (k = 0; k < u.m.n; k++) {
			if (k > 0)
				dbuf_putc(&slots, '|');
			dbuf_put(&slots, u.m.slot[k].v.p, u.m.slot[k].v.n);
		}
		if (strcmp(bintent_id(u.intent), cases[i].intent) != 0 ||
		    strcmp(dbuf_str(&slots), cases[i].slots) != 0) {
			print_error("\"%s\": %s (%d) [%s], wanted %s [%s]\n",
			    cases[i].phrase, bintent_id(u.intent), u.score,
			    dbuf_str(&slots), cases[i].intent, cases[i].slots);
			bad++;
		}
	}
	dbuf_clear(&slots);
	assert_int_equal(bad, 0);
}

static void
test_off_topic_goes_to_menu(void **state)
{
	struct understanding	 u;
	size_t			 i, bad = 0;

	(void)state;
	for (i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		builtin_understand(str_of(off[i]), &u);
		if (u.intent != B_UNKNOWN || u.nchoice != 0) {
			print_error("\"%s\": %s (%d), %zu choices (%s)\n",
			    off[i], bintent_id(u.intent), u.score, u.nchoice,
			    bintent_id(u.choice[0]));
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

static void
test_exact_commands(void **state)
{
	static const struct { const char *t; bool exact; } c[] = {
		{ "run: ls", true }, { "$ ls", true }, { "! ls", true },
		{ "run `ls`", true }, { "ls -la", false },
		{ "run ls", true }, { "please run: ls", false },
		{ "can you run ls", false }, { "运行：ls", true },
		{ "请运行 ls", false },
	};
	struct understanding	 u;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		builtin_understand(str_of(c[i].t), &u);
		if (u.exact != c[i].exact)
			fail_msg("\"%s\": exact %d", c[i].t, u.exact);
	}
}

static void
test_answers(void **state)
{
	(void)state;
	assert_int_equal(builtin_yesno(str_of("yes")), ANSWER_YES);
	assert_int_equal(builtin_yesno(str_of("Yes, please!")), ANSWER_YES);
	assert_int_equal(builtin_yesno(str_of("ok do it")), ANSWER_YES);
	assert_int_equal(builtin_yesno(str_of("好的")), ANSWER_YES);
	assert_int_equal(builtin_yesno(str_of("覆盖")), ANSWER_YES);
	assert_int_equal(builtin_yesno(str_of("no")), ANSWER_NO);
	assert_int_equal(builtin_yesno(str_of("No, thanks.")), ANSWER_NO);
	assert_int_equal(builtin_yesno(str_of("不要")), ANSWER_NO);
	assert_int_equal(builtin_yesno(str_of("算了吧")), ANSWER_NO);
	assert_int_equal(builtin_yesno(str_of("yesterday")), ANSWER_NONE);
	assert_int_equal(builtin_yesno(str_of("note")), ANSWER_NONE);
	assert_int_equal(builtin_yesno(str_of("")), ANSWER_NONE);
	assert_int_equal(builtin_yesno(str_of("yes and delete all files")),
	    ANSWER_NONE);
	assert_int_equal(builtin_ordinal(str_of("2")), 2);
	assert_int_equal(builtin_ordinal(str_of("the third one")), 3);
	assert_int_equal(builtin_ordinal(str_of("第一个")), 1);
	assert_int_equal(builtin_ordinal(str_of("22")), 0);
	assert_int_equal(builtin_ordinal(str_of("one day")), 0);
}

static void
test_distance(void **state)
{
	(void)state;
	assert_int_equal(btext_distance(STR_LIT("help"), STR_LIT("hlep"), 1),
	    1);
	assert_int_equal(btext_distance(STR_LIT("time"), STR_LIT("tim"), 1),
	    1);
	assert_int_equal(btext_distance(STR_LIT("time"), STR_LIT("dame"), 1),
	    2);
	assert_int_equal(btext_distance(STR_LIT(""), STR_LIT("a"), 1), 1);
}

/* Nothing an outsider can write may take long or go deep. */
static void
test_hostile_text(void **state)
{
	struct understanding	 u;
	struct dbuf		 d;
	size_t			 i;
	static const char *const unit[] = { "write ", "a ", "\"", "在", "to ",
	    "replace x by y in z.t ", "\xff\xfe", "((((", "。" };

	(void)state;
	for (i = 0; i < sizeof(unit) / sizeof(unit[0]); i++) {
		dbuf_init(&d, 1u << 20);
		while (d.n < 60000)
			dbuf_puts(&d, unit[i]);
		builtin_understand((struct str){ d.p, d.n }, &u);
		dbuf_clear(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phrases),
		cmocka_unit_test(test_off_topic_goes_to_menu),
		cmocka_unit_test(test_exact_commands),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_hostile_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
