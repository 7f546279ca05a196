/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "agentd/attach.h"
#include "common/json_skim.h"

#define PNG	"iVBORw0KGgoAAAANSUhEUgAA"
#define JPEG	"/9j/4AAQSkZJRgABAQAAAQAB"
#define PDF	"JVBERi0xLjQKJcOkw7zDtsOf"
#define IMG(d, m) "{\"type\":\"image\",\"data\":\"" d "\",\"mimeType\":\"" m "\"}"

static struct dbuf	 out, dropped;
static char		 why[512];

static int
attach(struct str json)
{
	dbuf_clear(&out);
	dbuf_clear(&dropped);
	dbuf_init(&out, json.n + 8192);
	dbuf_init(&dropped, 65536);
	why[0] = '\0';
	return attach_read(json, ATTACH_MAX_BYTES, &out, &dropped, why, sizeof(why));
}

static void
test_what_is_taken(void **state)
{
	static const struct { const char *json, *out, *dropped; } t[] = {
		{ "[]", "", "" },
		{ "[{\"content\":\"" PNG "\"}]", "[" IMG(PNG, "image/png") "]",
		    "" },
		/* the bytes say what it is, whatever the client says */
		{ "[{\"content\":\"" PNG "\",\"mimeType\":\"image/jpeg\"}]",
		    "[" IMG(PNG, "image/png") "]", "" },
		{ "[{\"content\":\"data:image/png;base64," PNG "\"},"
		    "{\"content\":\" " JPEG "\\n\"}]", "[" IMG(PNG, "image/png")
		    "," IMG(JPEG, "image/jpeg") "]", "" },
		/* escaped slashes */
		{ "[{\"content\":\"\\/9j\\/4AAQSkZJRgABAQAAAQAB\"}]",
		    "[" IMG(JPEG, "image/jpeg") "]", "" },
		/* what no bytes tell is what the client says */
		{ "[{\"content\":\"QUJDREVG\",\"mimeType\":\"Image/PNG; x=1\"}]",
		    "[" IMG("QUJDREVG", "image/png") "]", "" },
		{ "[{\"content\":\"QUJDREVG\",\"mimeType\":\"image/x\"}]", "",
		    "attachment attachment-1: no image, left out\n" },
		{ "[{\"content\":\"" PDF "\",\"mimeType\":\"image/png\","
		    "\"fileName\":\"a\\u00e4.pdf\",\"type\":\"file\"}]", "",
		    "attachment a\xc3\xa4.pdf: application/pdf, left out\n" },
		{ "[{\"content\":\"Qk0AAAAAAAAAAAAA\",\"type\":\"image\"}]", "",
		    "attachment image: image/bmp, left out\n" },
		/* nothing to attach */
		{ "[1,null,{},{\"content\":\"\"},{\"content\":7},[\"x\"]]", "",
		    "" },
	};
	struct skim_val	 v;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (attach(str_of(t[i].json)) == -1)
			fail_msg("%s: %s", t[i].json, why);
		assert_string_equal(dbuf_str(&out), t[i].out);
		assert_string_equal(dbuf_str(&dropped), t[i].dropped);
		if (out.n > 0)
			assert_int_equal(skim_text(out.p, out.n, &v), SKIM_OK);
	}
}

static void
test_what_is_refused(void **state)
{
	static const struct { const char *json, *why; } t[] = {
		{ "[{\"content\":\"abc\"}]", "Error: attachment attachment-1: "
		    "invalid base64 content" },
		{ "[{\"content\":\"ab*d\",\"type\":\"image\"}]", "Error: "
		    "attachment image: invalid base64 content" },
		{ "[{},{\"content\":\"" PNG "\"},{\"content\":\"a=bc\"}]",
		    "Error: attachment attachment-2: invalid base64 content" },
		{ "[{\"content\":\"a===\"}]", "Error: attachment attachment-1: "
		    "invalid base64 content" },
		{ "[{\"content\":\"data:;base64,AAAA\"}]", "Error: attachment "
		    "attachment-1: invalid base64 content" },
		{ "[{\"content\":\"\\ud83d\\ude00\\u00e4\\u00e4\"}]", "Error: "
		    "attachment attachment-1: invalid base64 content" },
		{ "[{\"content\":\"   \"}]", "Error: attachment attachment-1: "
		    "exceeds size limit (0 > 5000000 bytes)" },
		{ "{}", "Error: attachments are no array" },
		{ "[", "Error: attachments are no array" },
	};
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (attach(str_of(t[i].json)) == 0)
			fail_msg("%s was taken", t[i].json);
		assert_string_equal(why, t[i].why);
	}
	/* the limit is one of decoded bytes */
	dbuf_init(&b, 8u << 20);
	dbuf_puts(&b, "[{\"fileName\":\"big\",\"content\":\"");
	dbuf_puts(&b, PNG);
	while (b.n < 30 + 4 * (ATTACH_MAX_BYTES / 3))
		dbuf_puts(&b, "AAAA");
	i = b.n;
	dbuf_puts(&b, "AAA=\"}]");		/* 5,000,000 or one more */
	if (attach((struct str){ b.p, b.n }) == -1)
		assert_string_equal(why, "Error: attachment big: exceeds size "
		    "limit (5000001 > 5000000 bytes)");
	b.n = i;
	dbuf_puts(&b, "AAAAAAAAAAAA\"}]");
	assert_int_equal(attach((struct str){ b.p, b.n }), -1);
	assert_non_null(strstr(why, "Error: attachment big: exceeds size "
	    "limit (50000"));
	dbuf_clear(&b);
	/* nor are there any number of them */
	dbuf_init(&b, 1u << 20);
	dbuf_putc(&b, '[');
	for (i = 0; i < ATTACH_MAX + 1; i++)
		dbuf_puts(&b, i == 0 ? "{\"content\":\"AAAA\"}" :
		    ",{\"content\":\"AAAA\"}");
	dbuf_putc(&b, ']');
	assert_int_equal(attach((struct str){ b.p, b.n }), -1);
	assert_string_equal(why, "Error: more than 64 attachments");
	dbuf_clear(&b);
	/* a name is cut, and never in the middle of a letter */
	dbuf_init(&b, 1u << 20);
	dbuf_puts(&b, "[{\"content\":\"x\",\"fileName\":\"a");
	for (i = 0; i < 600; i++)
		dbuf_puts(&b, "\xc3\xa4");
	dbuf_puts(&b, "\"}]");
	assert_int_equal(attach((struct str){ b.p, b.n }), -1);
	assert_true(utf8_valid(why, strlen(why)) && strlen(why) < 128);
	dbuf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
