/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The head of a SKILL.md: what people write there, and what an attacker may. */
#include "common/compat.h"

#include <setjmp.h>
#include <cmocka.h>

#include "agentd/frontmatter.h"
#include "agentd/skills.h"
#include "common/dbuf.h"

static struct json5_pool	*pool;
static struct dbuf		 out;

/* The head as JSON, or "! reason". */
static const char *
parse(const char *text)
{
	struct json5	*o;
	const char	*why;

	dbuf_reset(&out);
	o = front_parse(pool, text, strlen(text), &why);
	if (o == NULL)
		dbuf_printf(&out, "! %s", why);
	else
		json5_write(&out, o, 0);
	return dbuf_str(&out);
}

static int
setup(void **state)
{
	(void)state;
	pool = json5_pool_new(64u << 20);
	dbuf_init(&out, 1u << 20);
	return pool == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	json5_pool_free(pool);
	dbuf_clear(&out);
	return 0;
}

static void
test_forms(void **state)
{
	/* The yaml package of npm makes the same of them, but for what it
	 * refuses: comments of JSON5, a colon in a plain text, a key twice. */
	static const struct { const char *in, *is; } t[] = {
		{ "---\nname: a\n---\n# text: no\n", "{\"name\":\"a\"}" },
		{ "---\r\nname: a\r\ndescription: b c\r\n---\r\n",
		    "{\"name\":\"a\",\"description\":\"b c\"}" },
		{ "---\rname: a\r---\r", "{\"name\":\"a\"}" },
		{ "\xef\xbb\xbf---\nname: a\n---", "{\"name\":\"a\"}" },
		{ "---\n# c\n\nname: a # c\nb: c#d\n---\n",
		    "{\"name\":\"a\",\"b\":\"c#d\"}" },
		{ "---\na: \"x \\\"y\\\" \\u20ac \\ud83d\\ude00\\n\" # c\n"
		    "b: 'it''s'\n---\n", "{\"a\":\"x \\\"y\\\" \xe2\x82\xac "
		    "\xf0\x9f\x98\x80\\n\",\"b\":\"it's\"}" },
		{ "---\na: \"one\n  two\n\n  three\"\n---\n",
		    "{\"a\":\"one two\\nthree\"}" },
		{ "---\na: one\n  two\n  three\nb: 1\n---\n",
		    "{\"a\":\"one two three\",\"b\":\"1\"}" },
		{ "---\na: >\n  one\n  two\n\n  three\nb: x\n---\n",
		    "{\"a\":\"one two\\nthree\\n\",\"b\":\"x\"}" },
		{ "---\na: >-\n  one\n  two\n---\n", "{\"a\":\"one two\"}" },
		{ "---\na: |\n  one\n    two\n\n  three\n---\n",
		    "{\"a\":\"one\\n  two\\n\\nthree\\n\"}" },
		{ "---\na: |+\n  one\n\nb: x\n---\n",
		    "{\"a\":\"one\\n\\n\",\"b\":\"x\"}" },
		{ "---\na: true\nb: False\nc: ~\nd:\ne: \"true\"\nf: 1.5\n"
		    "---\n", "{\"a\":true,\"b\":false,\"c\":null,\"d\":null,"
		    "\"e\":\"true\",\"f\":\"1.5\"}" },
		{ "---\na:\n  b:\n    c: d\n  e: f\ng: h\n---\n",
		    "{\"a\":{\"b\":{\"c\":\"d\"},\"e\":\"f\"},\"g\":\"h\"}" },
		{ "---\na:\n- x\n- y\nb:\n  - z\n---\n",
		    "{\"a\":[\"x\",\"y\"],\"b\":[\"z\"]}" },
		{ "---\na:\n  - k: v\n    l: w\n  - k: u\n---\n",
		    "{\"a\":[{\"k\":\"v\",\"l\":\"w\"},{\"k\":\"u\"}]}" },
		{ "---\na:\n  - - x\n    - y\n  - \"q: r\"\n---\n",
		    "{\"a\":[[\"x\",\"y\"],\"q: r\"]}" },
		{ "---\na: [gh, \"j q\", x-y]\nb: {c: d, \"e\": [f]}\n---\n",
		    "{\"a\":[\"gh\",\"j q\",\"x-y\"],\"b\":{\"c\":\"d\","
		    "\"e\":[\"f\"]}}" },
		{ "---\nm: {\"o\": {\"n\": 1, \"t\": true,},} # c\nz: 1\n"
		    "---\n", "{\"m\":{\"o\":{\"n\":1,\"t\":true}},\"z\":"
		    "\"1\"}" },
		{ "---\nm:\n  {\n    // c ] }\n    o: { a: ['x', \"y\"] },\n"
		    "  }\nz: 1\n---\n", "{\"m\":{\"o\":{\"a\":[\"x\",\"y\"]}}"
		    ",\"z\":\"1\"}" },
		{ "---\nd: Track orders. Triggers: order, reorder.\n---\n",
		    "{\"d\":\"Track orders. Triggers: order, reorder.\"}" },
		{ "---\nu: https://a.example/b#c\n---\n",
		    "{\"u\":\"https://a.example/b#c\"}" },
		{ "---\na: 1\na: 2\n---\n", "{\"a\":\"2\"}" },
		{ "---\n---\n", "{}" },
		{ "---\n\"k: 1\": v\n---\n", "{\"k: 1\":\"v\"}" },
		{ "---\na: \"x\\\n   y\"\nb: \"\\ud800z\"\n---\n",
		    "{\"a\":\"xy\",\"b\":\"\xef\xbf\xbdz\"}" },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(parse(t[i].in), t[i].is);
}

static void
test_T49_what_is_refused(void **state)
{
	static const struct { const char *in, *is; } t[] = {
		{ "", "! " },
		{ "# Title\n---\nname: a\n---\n", "! " },
		{ "--- x\nname: a\n---\n", "! " },
		{ "---\nname: a\n", "! no line of \"---\" ends it, or it is "
		    "too long" },
		{ "---\nname: \xff\n---\n", "! it is no UTF-8 text" },
		{ "---\nname\n---\n", "! a line is not \"key: value\"" },
		{ "---\n- a\n---\n", "! a line is not \"key: value\"" },
		{ "---\na: \"x\n---\n", "! a quoted text has no end" },
		{ "---\na: \"x\" y\n---\n", "! something stands behind a "
		    "quote or bracket" },
		{ "---\na: \"\\q\"\n---\n", "! an escape in a quoted text "
		    "means nothing" },
		{ "---\na: \"\\0\"\n---\n", "! an escape in a quoted text "
		    "means nothing" },
		{ "---\na: \"\\u12\"\n---\n", "! an escape in a quoted text "
		    "means nothing" },
		{ "---\na: [x, y\n---\n", "! a bracket has no end" },
		{ "---\na: [x y}\n---\n", "! a comma is missing between "
		    "brackets" },
		{ "---\na: {x}\n---\n", "! a value in braces has no key" },
		{ "---\na: [,]\n---\n", "! a value is missing" },
		{ "---\na: &x y\nb: *x\n---\n", "! anchors, aliases and tags "
		    "are not understood" },
		{ "---\na: !!str y\n---\n", "! anchors, aliases and tags are "
		    "not understood" },
		{ "---\na: |x\n  y\n---\n", "! what stands behind | or > is "
		    "not understood" },
		{ "---\na: \"b\"\n   c: d\n---\n", "! a line is indented "
		    "without need" },
		{ "---\n  a: b\nc: d\n---\n", "! a line is not \"key: "
		    "value\"" },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_string_equal(parse(t[i].in), t[i].is);
}

/* head, n times the middle, n times the other middle, tail */
static const char *
many(const char *head, const char *open, const char *close, size_t n,
    const char *tail)
{
	static struct dbuf	 b;
	size_t			 i;

	dbuf_clear(&b);
	dbuf_init(&b, 4u << 20);
	dbuf_puts(&b, head);
	for (i = 0; i < n; i++)
		dbuf_puts(&b, open);
	for (i = 0; i < n; i++)
		dbuf_puts(&b, close);
	dbuf_puts(&b, tail);
	parse(dbuf_str(&b));
	dbuf_clear(&b);
	return dbuf_str(&out);
}

static void
test_T49_limits(void **state)
{
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	assert_string_equal(many("---\na: ", "[", "]", 5000, "\n---\n"),
	    "! it is nested too deeply");
	assert_string_equal(many("---\na: ", "{a: ", "}", 5000, "\n---\n"),
	    "! it is nested too deeply");
	assert_string_equal(many("---\na:\n  ", "- ", "", 5000, "x\n---\n"),
	    "! it is nested too deeply");
	assert_string_equal(many("---\na: [", "x,", "", 30000, "]\n---\n"),
	    "! it has too many values");
	assert_string_equal(many("---\na:\n", "- x\n", "", 30000, "---\n"),
	    "! it has too many values");
	dbuf_init(&b, 1u << 20);
	dbuf_puts(&b, "---\n");
	for (i = 0; i < 300; i++)
		dbuf_printf(&b, "k%zu: v\n", i);
	dbuf_puts(&b, "---\n");
	assert_string_equal(parse(dbuf_str(&b)),
	    "! it has a key too long, or too many");
	dbuf_reset(&b);
	dbuf_puts(&b, "---\n");
	for (i = 0; i < 20; i++)
		dbuf_printf(&b, "%*sk:\n", (int)i, "");
	dbuf_puts(&b, "---\n");
	assert_string_equal(parse(dbuf_str(&b)), "! it is nested too deeply");
	dbuf_clear(&b);
}

/* --- a whole skill ---------------------------------------------------------- */

static struct skill	 sk;

static const char *
read_skill(const char *text)
{
	const char	*why = "";

	free(sk.install);
	memset(&sk, 0, sizeof(sk));
	sk.name = "folder";
	return skill_read(pool, &sk, text, strlen(text), &why) == 0 ? "" :
	    why;
}

static const char *
items(const struct json5 *list)
{
	dbuf_reset(&out);
	json5_write(&out, list, 0);
	return dbuf_str(&out);
}

static void
test_skill(void **state)
{
	(void)state;
	assert_string_equal(read_skill("---\nname: gh\ndescription: >\n"
	    "  Speak to\n  GitHub.\nhomepage: ' https://gh.example '\n"
	    "user-invocable: No\ndisable-model-invocation: \"yes\"\n"
	    "metadata: {\"openclaw\": {\"always\": true, \"emoji\": \"X\", "
	    "\"skillKey\": \"git-hub\", \"primaryEnv\": \"GH\", \"os\": "
	    "\"linux, darwin\", \"requires\": {\"bins\": [\"gh\", \" \", 7], "
	    "\"anyBins\": \"a,,b\", \"env\": [\"GH\"], \"config\": [\"x.y\"]},"
	    " \"install\": [{\"kind\": \"apt\"}, {\"type\": \" BREW\", "
	    "\"formula\": \"gh\", \"bins\": [\"gh\"]}, 5]}}\n---\n"), "");
	assert_string_equal(sk.name, "gh");
	assert_string_equal(sk.description, "Speak to GitHub.");
	assert_string_equal(sk.homepage, "https://gh.example");
	assert_string_equal(sk.key, "git-hub");
	assert_string_equal(sk.primary_env, "GH");
	assert_string_equal(sk.emoji, "X");
	assert_true(sk.always && !sk.for_people && !sk.for_model);
	assert_string_equal(items(sk.bins), "[\"gh\"]");
	assert_string_equal(items(sk.any_bins), "[\"a\",\"b\"]");
	assert_string_equal(items(sk.env), "[\"GH\"]");
	assert_string_equal(items(sk.config), "[\"x.y\"]");
	assert_string_equal(items(sk.os), "[\"linux\",\"darwin\"]");
	assert_int_equal(sk.ninstall, 1);
	assert_string_equal(sk.install[0].kind, "brew");
	assert_string_equal(sk.install[0].formula, "gh");
	assert_null(sk.install[0].id);

	/* in lines, under an older name; the folder's name when it has none */
	assert_string_equal(read_skill("---\ndescription: d\nmetadata:\n"
	    "  author: me\n  clawdbot:\n    requires:\n      bins: [a, b]\n"
	    "      platform: darwin\n    install:\n      - kind: node\n"
	    "        package: p\n---\n"), "");
	assert_string_equal(sk.name, "folder");
	assert_string_equal(sk.key, "folder");
	assert_true(!sk.always && sk.for_people && sk.for_model);
	assert_string_equal(items(sk.bins), "[\"a\",\"b\"]");
	assert_string_equal(items(sk.os), "[\"darwin\"]");
	assert_string_equal(sk.install[0].package, "p");
	assert_string_equal(read_skill("---\ndescription: d\n"
	    "metadata: '{\"openclaw\":{\"os\":[\"linux\"]}}'\n---\n"), "");
	assert_string_equal(items(sk.os), "[\"linux\"]");
	/* what is no object there says nothing */
	assert_string_equal(read_skill("---\ndescription: d\nmetadata: {a\n"
	    "---\n"), "a value in braces has no key");
	assert_string_equal(read_skill("---\ndescription: d\nmetadata: "
	    "[1]\n---\n"), "");
	assert_int_equal(sk.bins->count, 0);
}

static void
test_T49_skill_limits(void **state)
{
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	assert_string_equal(read_skill("no head"), "it has no front matter");
	assert_string_equal(read_skill("---\nname: a\n---\n"),
	    "its front matter has no description");
	assert_string_equal(read_skill("---\nname: a\ndescription: ' '\n---"),
	    "its front matter has no description");
	assert_string_equal(read_skill("---\nname: \"a\\e[2J\"\ndescription: "
	    "d\n---\n"), "its name is empty, too long, or no line of text");
	dbuf_init(&b, 1u << 20);
	dbuf_puts(&b, "---\ndescription: ");
	for (i = 0; i < 3000; i++)
		dbuf_puts(&b, "\xe2\x82\xac");
	dbuf_puts(&b, "\nmetadata: {openclaw: {requires: {bins: [");
	for (i = 0; i < 200; i++)
		dbuf_printf(&b, "\"b%zu\",", i);
	dbuf_puts(&b, "], env: [\"");
	for (i = 0; i < 300; i++)
		dbuf_putc(&b, 'E');
	dbuf_puts(&b, "\"]}}}\n---\n");
	assert_string_equal(read_skill(dbuf_str(&b)), "");
	assert_true(strlen(sk.description) <= SKILL_TEXT_MAX &&
	    strlen(sk.description) > SKILL_TEXT_MAX - 4 &&
	    utf8_valid(sk.description, strlen(sk.description)));
	assert_int_equal(sk.bins->count, SKILL_LIST_MAX);
	assert_int_equal(sk.env->count, 0);
	dbuf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_T49_what_is_refused),
		cmocka_unit_test(test_T49_limits),
		cmocka_unit_test(test_skill),
		cmocka_unit_test(test_T49_skill_limits),
	};
	int	 r;

	r = cmocka_run_group_tests(tests, setup, teardown);
	free(sk.install);
	return r;
}
