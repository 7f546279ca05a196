/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "channeld/telegram.h"

static const struct telegram_self self = { "99", "our_bot" };

static int
read_update(const char *json, int64_t *id, struct chan_event *ev)
{
	json_t	*o;
	int	 r;

	o = json_loads(json, JSON_ALLOW_NUL, NULL);
	assert_non_null(o);
	r = telegram_update_read(o, &self, id, ev);
	json_decref(o);
	return r;
}

#define FROM	"\"from\":{\"id\":7,\"is_bot\":false,\"first_name\":\"An\"," \
		"\"last_name\":\"Na\",\"username\":\"anna\"}"
#define CHAT	"\"chat\":{\"id\":7,\"type\":\"private\"}"
#define MSG(x)	"{\"update_id\":5,\"message\":{\"message_id\":11," FROM "," \
		CHAT ",\"date\":1700000000," x "}}"

static void
expect_text(const char *json, const char *text)
{
	struct chan_event	 ev;
	int64_t		 id;

	assert_int_equal(read_update(json, &id, &ev), 0);
	assert_null(ev.unusable);
	assert_string_equal(dbuf_str(&ev.text), text);
	chan_event_clear(&ev);
}

static void
test_update(void **state)
{
	struct chan_event	 ev;
	int64_t		 id;

	(void)state;
	assert_int_equal(read_update(MSG("\"text\":\"hi\""), &id, &ev), 0);
	assert_int_equal(id, 5);
	assert_int_equal(ev.what, WHAT_MESSAGE);
	assert_string_equal(ev.name, "message");
	assert_int_equal(ev.chat_type, CHAT_DIRECT);
	assert_string_equal(ev.chat, "7");
	assert_string_equal(ev.sender, "7");
	assert_string_equal(ev.sender_name, "An Na");
	assert_string_equal(ev.sender_username, "anna");
	assert_string_equal(ev.msg_id, "11");
	assert_true(ev.ts_ms == UINT64_C(1700000000000));
	assert_false(ev.is_bot || ev.is_self || ev.command);
	assert_string_equal(ev.key, "99:message:7:11:0");
	assert_memory_equal(ev.id, "5-", 2);
	assert_int_equal(strlen(ev.id), 18);
	chan_event_clear(&ev);
}

static void
test_texts(void **state)
{
	struct chan_event	 ev;
	int64_t		 id;

	(void)state;
	expect_text(MSG("\"text\":\"a\\u0000b\""), "ab");
	expect_text(MSG("\"photo\":[]"), "<media:image>");
	expect_text(MSG("\"photo\":[],\"caption\":\"see\""),
	    "see\n<media:image>");
	expect_text(MSG("\"animation\":{},\"document\":{}"), "<media:video>");
	expect_text(MSG("\"location\":{\"latitude\":1.5,\"longitude\":-2,"
	    "\"horizontal_accuracy\":12.7}"),
	    "\xf0\x9f\x93\x8d 1.500000, -2.000000 \xc2\xb1" "12m");
	expect_text(MSG("\"venue\":{\"title\":\"Caf\",\"address\":\"St 1\","
	    "\"location\":{\"latitude\":1,\"longitude\":2}}"),
	    "\xf0\x9f\x93\x8d Caf \xe2\x80\x94 St 1 (1.000000, 2.000000)");
	expect_text(MSG("\"text\":\"yes\",\"reply_to_message\":{\"message_id\":3"
	    ",\"from\":{\"id\":8,\"first_name\":\"Bob\"},\"text\":\"ok?\"}"),
	    "yes\n\n[Replying to Bob id:3]\nok?\n[/Replying]");
	expect_text(MSG("\"text\":\"x\",\"forward_origin\":{\"type\":\"user\","
	    "\"date\":0,\"sender_user\":{\"id\":1,\"first_name\":\"Eve\"}}"),
	    "[Forwarded from Eve at 1970-01-01T00:00:00.000Z]\nx");
	/* offsets are UTF-16 units: the smiley is two of them */
	expect_text(MSG("\"text\":\"\\ud83d\\ude00 see here now\",\"entities\":"
	    "[{\"type\":\"text_link\",\"offset\":7,\"length\":4,"
	    "\"url\":\"https://e.org\"}]"),
	    "\xf0\x9f\x98\x80 see here (https://e.org) now");
	assert_int_equal(read_update(MSG("\"new_chat_title\":\"x\""), &id, &ev),
	    0);
	assert_string_equal(ev.unusable, "it holds no text");
	chan_event_clear(&ev);
}

static void
test_commands(void **state)
{
	struct chan_event	 ev;
	int64_t		 id;

#define CMD(t, n) MSG("\"text\":\"" t "\",\"entities\":[{\"type\":" \
	"\"bot_command\",\"offset\":0,\"length\":" n "}]")
	(void)state;
	assert_int_equal(read_update(CMD("/stop", "5"), &id, &ev), 0);
	assert_true(ev.command);
	assert_string_equal(dbuf_str(&ev.text), "/stop");
	chan_event_clear(&ev);
	assert_int_equal(read_update(CMD("/new@Our_Bot now", "12"), &id, &ev),
	    0);
	assert_true(ev.command);
	assert_string_equal(dbuf_str(&ev.text), "/new now");
	chan_event_clear(&ev);
	assert_int_equal(read_update(CMD("/new@other", "10"), &id, &ev), 0);
	assert_string_equal(ev.unusable, "a command for another bot");
	chan_event_clear(&ev);
	/* lengths that lie */
	assert_int_equal(read_update(CMD("/x", "128"), &id, &ev), 0);
	assert_false(ev.command);
	chan_event_clear(&ev);
}

static void
test_malformed(void **state)
{
	static const char *const bad[] = { "{}", "[]", "{\"update_id\":\"5\"}",
	    "{\"update_id\":-1}", "{\"update_id\":1.5}",
	    "{\"update_id\":9007199254740993}" };
	static const char *const odd[] = { "{\"update_id\":5}",
	    "{\"update_id\":5,\"message\":7}", "{\"update_id\":5,\"message\":[]}",
	    "{\"update_id\":5,\"message\":{}}",
	    "{\"update_id\":5,\"message\":{\"chat\":{},\"from\":[]}}",
	    "{\"update_id\":5,\"what_is_new\":{}}",
	    "{\"update_id\":5,\"message\":{\"message_id\":\"x\"," CHAT "," FROM
	    ",\"text\":\"a\"}}",
	    "{\"update_id\":5,\"message\":{\"message_id\":99999999999999999,"
	    CHAT "," FROM ",\"text\":\"a\"}}" };
	struct chan_event	 ev;
	int64_t		 id;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(read_update(bad[i], &id, &ev), -1);
		chan_event_clear(&ev);
	}
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(read_update(odd[i], &id, &ev), 0);
		assert_non_null(ev.unusable);
		assert_true(ev.id[0] != '\0' && ev.key[0] != '\0' &&
		    ev.chat[0] != '\0');
		chan_event_clear(&ev);
	}
}

/* --- the gate ----------------------------------------------------------- */

static bool
allow7(const char *id, void *arg)
{
	(void)arg;
	return strcmp(id, "7") == 0;
}

static enum verdict_gate
judge(const char *json, enum dm_policy dm, bool any)
{
	struct gate		 g = { dm, any, allow7, NULL };
	struct chan_event		 ev;
	const char		*why;
	enum verdict_gate	 v;
	int64_t			 id;

	assert_int_equal(read_update(json, &id, &ev), 0);
	v = gate_judge(&g, &ev, &why);
	assert_true((v == GATE_PASS) == (why == NULL));
	chan_event_clear(&ev);
	return v;
}

static void
test_T42_names_give_no_right(void **state)
{
	(void)state;
	assert_int_equal(judge("{\"update_id\":5,\"message\":{\"message_id\":1,"
	    "\"from\":{\"id\":8,\"first_name\":\"7\",\"username\":\"7\"},"
	    "\"chat\":{\"id\":8,\"type\":\"private\"},\"date\":1,\"text\":\"a\"}}",
	    DM_ALLOWLIST, false), GATE_DROP);
	/* nor does the chat's id: the sender's counts */
	assert_int_equal(judge("{\"update_id\":5,\"message\":{\"message_id\":1,"
	    "\"from\":{\"id\":8},\"chat\":{\"id\":7,\"type\":\"private\"},"
	    "\"date\":1,\"text\":\"a\"}}", DM_ALLOWLIST, false), GATE_DROP);
}

static void
test_T43_all_kinds_through_the_gate(void **state)
{
	static const char *const kinds[] = { "message", "edited_message",
	    "channel_post", "edited_channel_post", "business_message",
	    "edited_business_message", "deleted_business_messages",
	    "business_connection", "message_reaction", "message_reaction_count",
	    "inline_query", "chosen_inline_result", "callback_query",
	    "shipping_query", "pre_checkout_query", "purchased_paid_media",
	    "poll", "poll_answer", "my_chat_member", "chat_member",
	    "chat_join_request", "chat_boost", "removed_chat_boost",
	    "from_the_future" };
	static const struct {
		const char	*chat;
		bool		 direct;
	} chats[] = {
		{ "{\"id\":%d,\"type\":\"private\"}", true },
		{ "{\"id\":-%d,\"type\":\"group\"}", false },
		{ "{\"id\":-%d,\"type\":\"supergroup\"}", false },
		{ "{\"id\":-%d,\"type\":\"channel\"}", false },
		{ "{\"id\":-%d,\"type\":\"private2\"}", false },
	};
	char			 json[1024], chat[128];
	enum verdict_gate	 v, want;
	size_t			 k, c;
	int			 who, dm, any;

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
	for (c = 0; c < sizeof(chats) / sizeof(chats[0]); c++)
	for (who = 7; who <= 8; who++)		/* allowed, a stranger */
	for (dm = 0; dm < DM_POLICY_MAX; dm++)
	for (any = 0; any < 2; any++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(chat, sizeof(chat), chats[c].chat, who);
#pragma GCC diagnostic pop
		(void)snprintf(json, sizeof(json), "{\"update_id\":5,\"%s\":"
		    "{\"id\":\"1\",\"message_id\":1,\"date\":1,\"chat\":%s,"
		    "\"from\":{\"id\":%d,\"is_bot\":false},\"user\":{\"id\":%d},"
		    "\"text\":\"a\",\"data\":\"d\"}}", kinds[k], chat, who, who);
		v = judge(json, dm, any);
		want = GATE_DROP;
		if (k == 0 && chats[c].direct && dm != DM_DISABLED) {
			if (who == 7 || (dm == DM_OPEN && any))
				want = GATE_PASS;
			else if (dm == DM_PAIRING)
				want = GATE_PAIR;
		}
		assert_int_equal(v, want);
	}
}

/* An approval for private chat is none for a group that the person is in. */
static void
test_T44_pairing_gives_no_group_right(void **state)
{
	(void)state;
	assert_int_equal(judge("{\"update_id\":5,\"message\":{\"message_id\":1,"
	    FROM ",\"chat\":{\"id\":-100,\"type\":\"supergroup\"},\"date\":1,"
	    "\"text\":\"a\"}}", DM_OPEN, true), GATE_DROP);
}

static void
test_bots_and_self(void **state)
{
	static const char *const who[] = { "\"id\":7,\"is_bot\":true",
	    "\"id\":99", "\"id\":777000", "\"id\":1087968824" };
	char	 json[512];
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
		(void)snprintf(json, sizeof(json), "{\"update_id\":5,\"message\":"
		    "{\"message_id\":1,\"from\":{%s}," CHAT ",\"date\":1,"
		    "\"text\":\"a\"}}", who[i]);
		assert_int_equal(judge(json, DM_OPEN, true), GATE_DROP);
	}
	assert_int_equal(judge("{\"update_id\":5,\"message\":{\"message_id\":1,"
	    FROM "," CHAT ",\"sender_chat\":{\"id\":-5},\"date\":1,\"text\":"
	    "\"a\"}}", DM_OPEN, true), GATE_DROP);
}

/* The id holds a hash over the content: a reused number is another event, the
 * same message under another number has the same key. */
static void
test_T46_event_identity(void **state)
{
	struct chan_event	 a, b;
	int64_t		 id;

	(void)state;
	assert_int_equal(read_update(MSG("\"text\":\"x\""), &id, &a), 0);
	assert_int_equal(read_update("{\"update_id\":5,\"message\":{"
	    "\"message_id\":12," FROM "," CHAT ",\"date\":1700000001,"
	    "\"text\":\"x\"}}", &id, &b), 0);
	assert_string_not_equal(a.id, b.id);
	assert_string_not_equal(a.key, b.key);
	chan_event_clear(&b);
	assert_int_equal(read_update("{\"update_id\":6,\"message\":{"
	    "\"message_id\":11," FROM "," CHAT ",\"date\":1700000000,"
	    "\"text\":\"x\"}}", &id, &b), 0);
	assert_string_not_equal(a.id, b.id);
	assert_string_equal(a.key, b.key);
	chan_event_clear(&b);
	chan_event_clear(&a);
}

/* --- answers ------------------------------------------------------------ */

static void
expect_class(unsigned int status, const char *body, enum telegram_class want,
    uint32_t retry_ms)
{
	struct telegram_answer	 a;

	telegram_answer_read(&a, status, str_of(body));
	assert_int_equal(a.class, want);
	assert_int_equal(a.retry_after_ms, retry_ms);
	assert_true((a.result != NULL) == (want == TELEGRAM_OK));
	telegram_answer_clear(&a);
}

static void
test_answers(void **state)
{
#define ERR(code, text) "{\"ok\":false,\"error_code\":" code \
	",\"description\":\"" text "\"}"
	(void)state;
	expect_class(200, "{\"ok\":true,\"result\":true}", TELEGRAM_OK, 0);
	expect_class(401, ERR("401", "Unauthorized"), TELEGRAM_AUTH, 0);
	expect_class(404, ERR("404", "Not Found"), TELEGRAM_AUTH, 0);
	expect_class(403, ERR("403", "Forbidden: bot was blocked by the user"),
	    TELEGRAM_GONE, 0);
	expect_class(409, ERR("409", "Conflict: terminated by other getUpdates"
	    " request"), TELEGRAM_CONFLICT, 0);
	expect_class(429, "{\"ok\":false,\"error_code\":429,\"description\":"
	    "\"Too Many Requests: retry after 7\",\"parameters\":"
	    "{\"retry_after\":7}}", TELEGRAM_RATE, 7000);
	expect_class(429, "<html>", TELEGRAM_RATE, 0);
	expect_class(400, ERR("400", "Bad Request: can't parse entities: "
	    "Unsupported start tag"), TELEGRAM_MARKUP, 0);
	expect_class(400, ERR("400", "Bad Request: message thread not found"),
	    TELEGRAM_THREAD, 0);
	expect_class(400, ERR("400", "Bad Request: chat not found"),
	    TELEGRAM_GONE, 0);
	expect_class(400, ERR("400", "Bad Request: message is too long"),
	    TELEGRAM_REFUSED, 0);
	expect_class(500, ERR("500", "Internal Server Error"), TELEGRAM_SERVER,
	    0);
	expect_class(502, "<html>Bad Gateway</html>", TELEGRAM_SERVER, 0);
	expect_class(200, "", TELEGRAM_GARBLED, 0);
	expect_class(200, "[]", TELEGRAM_GARBLED, 0);
	expect_class(200, "{\"ok\":true}", TELEGRAM_GARBLED, 0);
	expect_class(200, "{\"ok\":false}", TELEGRAM_GARBLED, 0);
	expect_class(302, "", TELEGRAM_GARBLED, 0);
	expect_class(200, "{\"ok\":true,\"result\":tr", TELEGRAM_GARBLED, 0);
}

/* One bad text does not hold up the batch that it came in. */
static void
test_mended_batch(void **state)
{
	struct telegram_answer	 a;

	(void)state;
	telegram_answer_read(&a, 200, str_of("{\"ok\":true,\"result\":[\"a\xff"
	    "\",\"\\ud800x\",\"\\ude00\",\"\\ud83d\\ude00\",\"\\\\ud800\"]}"));
	assert_int_equal(a.class, TELEGRAM_OK);
	assert_string_equal(json_string_value(json_array_get(a.result, 0)),
	    "a\xef\xbf\xbd");
	assert_string_equal(json_string_value(json_array_get(a.result, 1)),
	    "\xef\xbf\xbdx");
	assert_string_equal(json_string_value(json_array_get(a.result, 2)),
	    "\xef\xbf\xbd");
	assert_string_equal(json_string_value(json_array_get(a.result, 3)),
	    "\xf0\x9f\x98\x80");
	assert_string_equal(json_string_value(json_array_get(a.result, 4)),
	    "\\ud800");
	telegram_answer_clear(&a);
}

static void
test_T47_depth(void **state)
{
	struct dbuf	 b;
	int		 i;

	(void)state;
	dbuf_init(&b, 1 << 20);
	for (i = 0; i < 100000; i++)
		(void)dbuf_putc(&b, '[');
	expect_class(200, dbuf_str(&b), TELEGRAM_GARBLED, 0);
	dbuf_clear(&b);
}

static void
test_requests(void **state)
{
	struct telegram_message	 m = { "-1001", "5", "12",
	    STR_LIT("a \"<b>\" \xf0\x9f\x98\x80"), true, true };
	struct dbuf		 b;

	(void)state;
	dbuf_init(&b, 4096);
	assert_int_equal(telegram_build_message(&b, &m), 0);
	assert_string_equal(dbuf_str(&b), "{\"chat_id\":-1001,\"text\":"
	    "\"a \\\"<b>\\\" \xf0\x9f\x98\x80\",\"parse_mode\":\"HTML\","
	    "\"message_thread_id\":5,\"reply_parameters\":{\"message_id\":12,"
	    "\"allow_sending_without_reply\":true},\"link_preview_options\":"
	    "{\"is_disabled\":true}}");
	dbuf_reset(&b);
	m = (struct telegram_message){ "7", "1", "", STR_LIT("x"), false,
	    false };
	assert_int_equal(telegram_build_message(&b, &m), 0);
	assert_string_equal(dbuf_str(&b), "{\"chat_id\":7,\"text\":\"x\"}");
	dbuf_reset(&b);
	assert_int_equal(telegram_build_updates(&b, 6, 100, 30), 0);
	assert_string_equal(dbuf_str(&b), "{\"offset\":6,\"limit\":100,"
	    "\"timeout\":30,\"allowed_updates\":[\"message\"]}");
	dbuf_reset(&b);
	assert_int_equal(telegram_build_action(&b, "7", "1", "typing"), 0);
	assert_string_equal(dbuf_str(&b), "{\"chat_id\":7,\"action\":\"typing\""
	    ",\"message_thread_id\":1}");
	dbuf_clear(&b);
}

static void
test_token(void **state)
{
	char	 id[32];

	(void)state;
	assert_true(telegram_token_ok(STR_LIT("123456:AAbb_-9"), id));
	assert_string_equal(id, "123456");
	assert_false(telegram_token_ok(STR_LIT("123456"), id));
	assert_false(telegram_token_ok(STR_LIT(":x"), id));
	assert_false(telegram_token_ok(STR_LIT("1:"), id));
	assert_false(telegram_token_ok(STR_LIT("1:a/b"), id));
	assert_false(telegram_token_ok(STR_LIT("1:a\r\nX: y"), id));
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_T42_names_give_no_right),
		cmocka_unit_test(test_T43_all_kinds_through_the_gate),
		cmocka_unit_test(test_T44_pairing_gives_no_group_right),
		cmocka_unit_test(test_bots_and_self),
		cmocka_unit_test(test_T46_event_identity),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_mended_batch),
		cmocka_unit_test(test_T47_depth),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
