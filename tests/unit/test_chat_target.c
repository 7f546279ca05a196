/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Where a message is to go, as people write it. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/chat_target.h"

static void
test_telegram(void **state)
{
	static const struct {
		const char *in, *chat, *thread; enum chat_type type;
	} good[] = {
		{ "42", "42", "", CHAT_DIRECT },
		{ " telegram:42 ", "42", "", CHAT_DIRECT },
		{ "TG:42", "42", "", CHAT_DIRECT },
		{ "telegram:tg:group:-100", "-100", "", CHAT_GROUP },
		{ "-1001234567890:topic:7", "-1001234567890", "7",
		    CHAT_GROUP },
		{ "-100:7", "-100", "7", CHAT_GROUP },
		{ "@A_room", "@A_room", "", CHAT_DIRECT },
		{ "@room:topic:3", "@room", "3", CHAT_DIRECT },
		{ "t.me/room", "@room", "", CHAT_DIRECT },
		{ "https://T.me/room", "@room", "", CHAT_DIRECT },
	};
	static const char *const bad[] = { "", " ", "room", "@", "@abc",
		"@a-b-c", "-", "--1", "4 2", "42:", "42:topic:", "42:topic:x",
		"42:topic:1:2", "t.me/", "t.me/a/b", "https://example.org/x",
		"12345678901234567890", "42\n", "4\302\262" };
	struct chat_target	 t;
	size_t			 i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(chat_target_parse("telegram",
		    str_of(good[i].in), &t), 0);
		assert_string_equal(t.chat, good[i].chat);
		assert_string_equal(t.thread, good[i].thread);
		assert_int_equal(t.type, good[i].type);
	}
	for (i = 0; i + 2 < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(chat_target_parse("telegram", str_of(bad[i]),
		    &t), -1);
	/* blanks around it are dropped */
	assert_int_equal(chat_target_parse("telegram", str_of(bad[i]), &t), 0);
	assert_int_equal(chat_target_parse("telegram", str_of(bad[i + 1]),
	    &t), -1);
	assert_int_equal(chat_target_parse("nowhere", STR_LIT("42"), &t), -1);
	assert_string_equal(chat_target_hint("telegram"), "<chatId>");
	assert_string_equal(chat_target_hint("nowhere"), "");
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_telegram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
