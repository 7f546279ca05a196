/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "channeld/markdown.h"

static const struct markdown_limit lim4000 = { 4000, UNIT_UTF16, false };

/* All pieces in a renderer's form, joined by "\n----\n". */
static char *
render_doc(struct markdown_doc *doc, const struct markdown_limit *lim,
    const struct markdown_renderer *r)
{
	struct markdown_piece	 p = { 0 };
	struct dbuf		 b;
	bool			 first = true;

	dbuf_init(&b, 8 << 20);
	while (markdown_next(doc, lim, &p)) {
		if (!first)
			(void)dbuf_puts(&b, "\n----\n");
		first = false;
		assert_int_equal(markdown_render(doc, &p, r, &b), 0);
	}
	markdown_free(doc);
	(void)dbuf_puts(&b, "");
	return dbuf_take(&b, NULL);
}

static void
expect(const char *in, const char *html, const char *plain)
{
	struct markdown_doc	*doc;
	char			*s;

	doc = markdown_parse(str_of(in), TABLES_CODE);
	assert_non_null(doc);
	s = render_doc(doc, &lim4000, &markdown_telegram);
	assert_string_equal(s, html);
	free(s);
	if (plain == NULL)
		return;
	doc = markdown_parse(str_of(in), TABLES_CODE);
	s = render_doc(doc, &lim4000, &markdown_text);
	assert_string_equal(s, plain);
	free(s);
}

static void
test_inline(void **state)
{
	(void)state;
	expect("hello", "hello", "hello");
	expect("**b** *i* ~~s~~ `c`", "<b>b</b> <i>i</i> <s>s</s> <code>c</code>",
	    "b i s c");
	expect("***x***", "<i><b>x</b></i>", "x");
	expect("a < b & c > \"d\"", "a &lt; b &amp; c &gt; &quot;d&quot;",
	    "a < b & c > \"d\"");
	expect("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;", NULL);
	expect("&lt;b&gt; &amp; &#65;&#x42; &nosuch;",
	    "&lt;b&gt; &amp; AB &amp;nosuch;", "<b> & AB &nosuch;");
	expect("**a **b** c**", "<b>a b c</b>", NULL);
	/* md4c enters the strong span and never leaves it */
	expect("***i* [t](http://e/?a**b)\n\nx", "<b><i>i</i> <a href="
	    "\"http://e/?a**b\">t</a></b>\n\nx", NULL);
	expect("||secret|| open", "<tg-spoiler>secret</tg-spoiler> open",
	    "secret open");
	expect("||a **b|| c**", "||a <b>b|| c</b>", NULL);
	expect("`||x||`", "<code>||x||</code>", NULL);
	expect("||**b** x||", "<tg-spoiler><b>b</b> x</tg-spoiler>", NULL);
	expect("**||b||**", "<tg-spoiler><b>b</b></tg-spoiler>", NULL);
}

static void
test_links(void **state)
{
	(void)state;
	expect("[t](https://e.org/?a=1&b=2)",
	    "<a href=\"https://e.org/?a=1&amp;b=2\">t</a>",
	    "t (https://e.org/?a=1&b=2)");
	expect("<https://e.org>", "<a href=\"https://e.org\">https://e.org</a>",
	    "https://e.org");
	expect("[x](javascript:alert(1))", "x (javascript:alert(1))", NULL);
	expect("[x](./a.md)", "x (./a.md)", "x (./a.md)");
	expect("[](https://e.org)", "<a href=\"https://e.org\">https://e.org</a>",
	    NULL);
	expect("![pic](https://e.org/p.png)",
	    "<a href=\"https://e.org/p.png\">pic</a>", NULL);
	expect("[![pic](https://e.org/p.png)](https://e.org)",
	    "<a href=\"https://e.org\">pic</a>", NULL);
	expect("[a](<https://e.org/\"\\>x>)", "<a href=\"https://e.org/&quot;&gt;x\">a</a>",
	    NULL);
}

static void
test_blocks(void **state)
{
	(void)state;
	expect("# H\n\ntext\nmore", "<b>H</b>\n\ntext\nmore", "H\n\ntext\nmore");
	expect("# a **b** c", "<b>a b c</b>", NULL);
	expect("- a\n- b\n  - c\n\nend", "\xe2\x80\xa2 a\n\xe2\x80\xa2 b\n"
	    "  \xe2\x80\xa2 c\n\nend", NULL);
	expect("3. x\n4. y", "3. x\n4. y", NULL);
	expect("- [x] done\n- [ ] todo", "\xe2\x98\x91 done\n\xe2\x98\x90 todo",
	    NULL);
	expect("> q **b**\n> r\n\nafter",
	    "<blockquote>q <b>b</b>\nr</blockquote>\n\nafter", NULL);
	expect("> a\n>> b", "<blockquote>a\n\nb</blockquote>", NULL);
	expect("> - a\n> - b", "<blockquote>\xe2\x80\xa2 a\n\xe2\x80\xa2 b"
	    "</blockquote>", NULL);
	expect("- **a**", "\xe2\x80\xa2 <b>a</b>", NULL);
	expect("```c\nint a;\n\nx < y\n```\nafter",
	    "<pre><code class=\"language-c\">int a;\n\nx &lt; y</code></pre>"
	    "\n\nafter", "int a;\n\nx < y\n\nafter");
	expect("```\n  a\n```", "<pre>  a</pre>", "  a");
	expect("```\"><b>\nx\n```", "<pre>x</pre>", NULL);
	expect("1. a\n   ```sh\n   ls\n   ```\n2. b", "1. a\n<pre><code class="
	    "\"language-sh\">ls</code></pre>\n2. b", NULL);
	expect("```\nopen", "<pre>open</pre>", NULL);
	expect("a\n\n---\n\nb", "a\n\n\xe2\x80\x94\xe2\x80\x94\xe2\x80\x94\n\nb",
	    NULL);
	expect("```\n```", "", "");
	expect("", "", "");
	expect(" \n\n ", "", "");
}

static void
test_tables(void **state)
{
	static const char	 in[] = "| a | b |\n|---|---|\n| 1 | **two** |\n";
	struct markdown_doc	*doc;
	char			*s;

	(void)state;
	expect(in, "<pre>| a | b   |\n|---|-----|\n| 1 | two |</pre>", NULL);
	doc = markdown_parse(str_of(in), TABLES_BULLETS);
	s = render_doc(doc, &lim4000, &markdown_telegram);
	assert_string_equal(s, "<b>1</b>\n\xe2\x80\xa2 b: two");
	free(s);
	doc = markdown_parse(str_of(in), TABLES_OFF);
	s = render_doc(doc, &lim4000, &markdown_telegram);
	assert_string_equal(s, "| a | b |\n|---|---|\n| 1 | <b>two</b> |");
	free(s);
}

/* A table's cells can be many more than its bytes. */
static void
test_table_bomb(void **state)
{
	struct markdown_doc	*doc;
	struct dbuf		 b;
	int			 i;

	(void)state;
	dbuf_init(&b, 1 << 20);
	for (i = 0; i < 20000; i++)
		(void)dbuf_puts(&b, "|a");
	(void)dbuf_puts(&b, "|\n");
	for (i = 0; i < 20000; i++)
		(void)dbuf_puts(&b, "|-");
	(void)dbuf_puts(&b, "|\n");
	for (i = 0; i < 20000; i++)
		(void)dbuf_puts(&b, "|b\n");
	doc = markdown_parse((struct str){ b.p, b.n }, TABLES_CODE);
	assert_non_null(doc);
	assert_int_equal(doc->nspans, 0);
	markdown_free(doc);
	dbuf_clear(&b);
}

static void
test_hostile_bytes(void **state)
{
	struct markdown_doc	*doc;
	char			*s;

	(void)state;
	doc = markdown_parse((struct str){ "a\xff\0\x01" "b\r\nc", 8 },
	    TABLES_CODE);
	s = render_doc(doc, &lim4000, &markdown_telegram);
	assert_string_equal(s, "a\xef\xbf\xbd" "b\nc");
	free(s);
}

/* --- cutting ------------------------------------------------------------ */

static void
test_cut_plain(void **state)
{
	struct markdown_limit	 lim = { 20, UNIT_UTF16, false };
	char			*s;

	(void)state;
	s = render_doc(markdown_plain(str_of("one two three four five six")),
	    &lim, &markdown_text);
	assert_string_equal(s, "one two three four\n----\nfive six");
	free(s);
	s = render_doc(markdown_plain(str_of("first para.\n\nsecond one here")),
	    &lim, &markdown_text);
	assert_string_equal(s, "first para.\n----\nsecond one here");
	free(s);
	/* exactly the limit, and one over it */
	s = render_doc(markdown_plain(str_of("aaaaaaaaaaaaaaaaaaaa")), &lim,
	    &markdown_text);
	assert_string_equal(s, "aaaaaaaaaaaaaaaaaaaa");
	free(s);
	s = render_doc(markdown_plain(str_of("aaaaaaaaaaaaaaaaaaaab")), &lim,
	    &markdown_text);
	assert_string_equal(s, "aaaaaaaaaaaaaaaaaaaa\n----\nb");
	free(s);
}

/* Characters of two UTF-16 units are never cut, nor those that join. */
static void
test_cut_utf16(void **state)
{
	struct markdown_limit	 lim = { 17, UNIT_UTF16, false };
	struct dbuf		 b;
	char			*s, *line, *save;
	int			 i;

	(void)state;
	dbuf_init(&b, 4096);
	for (i = 0; i < 40; i++)
		(void)dbuf_puts(&b, "\xf0\x9f\x98\x80");
	s = render_doc(markdown_plain((struct str){ b.p, b.n }), &lim,
	    &markdown_text);
	for (i = 0, line = strtok_r(s, "\n", &save); line != NULL;
	    line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '-')
			continue;
		assert_int_equal(strlen(line), 32);
		i++;
	}
	assert_int_equal(i, 5);
	free(s);
	dbuf_reset(&b);
	for (i = 0; i < 16; i++)
		(void)dbuf_puts(&b, "a");
	(void)dbuf_puts(&b, "e\xcc\x81!");	/* e and a combining acute */
	s = render_doc(markdown_plain((struct str){ b.p, b.n }), &lim,
	    &markdown_text);
	assert_string_equal(s, "aaaaaaaaaaaaaaaa\n----\ne\xcc\x81!");
	free(s);
	dbuf_clear(&b);
}

static void
test_cut_fence(void **state)
{
	struct markdown_limit	 lim = { 24, UNIT_UTF16, false };
	char			*s;

	(void)state;
	s = render_doc(markdown_parse(str_of("```py\nline one 1\n  line two 2\n"
	    "line three\n```"), TABLES_CODE), &lim, &markdown_telegram);
	assert_string_equal(s,
	    "<pre><code class=\"language-py\">line one 1\n  line two 2"
	    "</code></pre>\n----\n"
	    "<pre><code class=\"language-py\">line three</code></pre>");
	free(s);
	/* the fence moves whole to the next message when it fits there */
	s = render_doc(markdown_parse(str_of("Some words.\n\n```\na b c d e\n"
	    "f g h i j\n```"), TABLES_CODE), &lim, &markdown_telegram);
	assert_string_equal(s, "Some words.\n----\n<pre>a b c d e\nf g h i j"
	    "</pre>");
	free(s);
}

static void
test_cut_spans(void **state)
{
	struct markdown_limit	 lim = { 24, UNIT_UTF16, false };
	char			*s;

	(void)state;
	s = render_doc(markdown_parse(str_of("twelve chars **bold words here**"
	    " end"), TABLES_CODE), &lim, &markdown_telegram);
	assert_string_equal(s, "twelve chars\n----\n<b>bold words here</b> end");
	free(s);
	/* longer than a message: closed and opened again */
	s = render_doc(markdown_parse(str_of("**bold words that go on and on**"),
	    TABLES_CODE), &lim, &markdown_telegram);
	assert_string_equal(s, "<b>bold words that go on</b>\n----\n"
	    "<b>and on</b>");
	free(s);
	/* a link counts with its address, for the plain form */
	lim.max = 40;
	s = render_doc(markdown_parse(str_of("a few words then [x](https://e."
	    "org/) more of them"), TABLES_CODE), &lim, &markdown_text);
	assert_string_equal(s, "a few words then x (https://e.org/)\n----\n"
	    "more of them");
	free(s);
}

static void
test_cut_paragraphs(void **state)
{
	struct markdown_limit	 lim = { 4000, UNIT_UTF16, true };
	char			*s;

	(void)state;
	s = render_doc(markdown_parse(str_of("a\n\nb\nc\n\n```\nd\n\ne\n```"),
	    TABLES_CODE), &lim, &markdown_telegram);
	assert_string_equal(s, "a\n----\nb\nc\n----\n<pre>d\n\ne</pre>");
	free(s);
}

/* Nothing that was visible is lost, whatever the limit. */
static void
test_cut_complete(void **state)
{
	static const char	 in[] = "# Head\n\nA paragraph of some words, "
	    "*emphasis here* and `code`.\n\n- item one\n- item two\n\n```c\n"
	    "int main(void)\n{\n\treturn 0;\n}\n```\n\n> quoted text\n\nLast.";
	struct markdown_limit	 lim = { 0, UNIT_UTF16, false };
	struct markdown_doc	*doc;
	struct markdown_piece	 p;
	struct dbuf		 b;
	size_t			 i, n, want, got;

	(void)state;
	dbuf_init(&b, 4096);
	for (lim.max = 16; lim.max < 260; lim.max++) {
		doc = markdown_parse(str_of(in), TABLES_CODE);
		memset(&p, 0, sizeof(p));
		for (i = want = got = 0; i < doc->text.n; i++)
			want += !ascii_isspace((unsigned char)doc->text.p[i]);
		while (markdown_next(doc, &lim, &p)) {
			assert_true(p.to > p.from);
			n = markdown_units((struct str){ doc->text.p + p.from,
			    p.to - p.from }, UNIT_UTF16);
			assert_true(n <= lim.max);
			for (i = p.from; i < p.to; i++)
				got += !ascii_isspace(
				    (unsigned char)doc->text.p[i]);
			dbuf_reset(&b);
			assert_int_equal(markdown_render(doc, &p,
			    &markdown_telegram, &b), 0);
		}
		assert_int_equal(want, got);
		markdown_free(doc);
	}
	dbuf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest	 tests[] = {
		cmocka_unit_test(test_inline),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_table_bomb),
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_cut_plain),
		cmocka_unit_test(test_cut_utf16),
		cmocka_unit_test(test_cut_fence),
		cmocka_unit_test(test_cut_spans),
		cmocka_unit_test(test_cut_paragraphs),
		cmocka_unit_test(test_cut_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
