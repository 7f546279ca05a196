/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Pages as text: extraction of HTML, encodings, types, limits. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "toold/fetch/charset.h"
#include "toold/fetch/page.h"

static struct page	 page;
static char		 why[256];

static enum fetch_status
make(struct str body, const char *type, enum fetch_form form, bool main_only)
{
	struct fetch_url	 u;
	struct page_source	 src = { 0 };
	const char		*bad;

	page_clear(&page);
	assert_int_equal(fetch_url_parse(STR_LIT("https://h.example/d/p?q"),
	    &u, &bad), 0);
	src.body = body;
	src.type = str_of(type);
	src.form = form;
	src.main_only = main_only;
	src.url = &u;
	return page_make(&page, &src, why, sizeof(why));
}

static void
got(const char *want)
{
	if (page.n != strlen(want) || memcmp(page.text, want, page.n) != 0)
		fail_msg("got:\n%.*s\nwant:\n%s", (int)page.n, page.text,
		    want);
	assert_int_equal(page.chars, utf8_count(page.text, page.n));
}

static void
md(const char *html, const char *want)
{
	assert_int_equal(make(str_of(html), "text/html; charset=utf-8",
	    FETCH_MARKDOWN, true), FETCH_OK);
	assert_int_equal(page.how, FETCH_READABLE);
	got(want);
}

static void
text(const char *html, const char *want)
{
	assert_int_equal(make(str_of(html), "text/html", FETCH_TEXT, true),
	    FETCH_OK);
	got(want);
}

static void
test_markdown(void **state)
{
	(void)state;
	md("", "");
	md("plain", "plain");
	md("a  b\n\tc&nbsp;d", "a b c d");
	md("<h1>One</h1><h3> Two </h3>three", "# One\n\n### Two\n\nthree");
	md("<h2></h2><p>x", "x");
	md("<p>a<p>b<div>c</div>d", "a\n\nb\n\nc\nd");
	md("a<br>b<br><br>c<br><br><br>d", "a\nb\n\nc\n\nd");
	md("a <b> b </b> c <i>d</i><em></em>", "a **b** c *d*");
	md("<b>bold<p>and more</b> not", "**bold\n\nand more**\n\n"
	    "not");
	md("<code>x y</code>", "`x y`");
	md("<pre>\n a\n\n  b\n</pre>c", "```\n a\n\n  b\n```\n\nc");
	md("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e",
	    "- a\n- b\n  - c\n- d\n\ne");
	md("<ol><li>a<li>b</ol>", "1. a\n2. b");
	md("<li>alone", "- alone");
	md("<blockquote><p>a<p>b</blockquote>c", "> a\n\n> b\n\nc");
	md("<dl><dt>a<dd>b<dt>c</dl>", "a\nb\nc");
	md("<table><tr><th>a<th>b<tr><td>1<td>2</table>",
	    "a | b\n1 | 2");
	md("a<hr>b", "a\n\n---\n\nb");
	md("<img src=x alt='A cat'> sits", "A cat sits");
}

static void
test_links(void **state)
{
	(void)state;
	md("<a href='/x'>a</a> <a href=y>b</a> <a href='?z'>c</a>",
	    "[a](https://h.example/x) [b](https://h.example/d/y) "
	    "[c](https://h.example/d/p?z)");
	md("<a href='http://i/a&amp;b'> a  b </a>c", "[a b](http://i/a&b) c");
	md("<base href='http://other/q/'><a href=x>a</a>",
	    "[a](http://other/q/x)");
	md("<a href='javascript:alert(1)'>a</a> <a href='#x'>b</a> "
	    "<a href=' data:x'>c</a> <a>d</a>", "a b c d");
	md("<a href=/x></a>y", "y");
	md("<a href=/x>a<a href=/y>b", "[a](https://h.example/x)"
	    "[b](https://h.example/y)");
	md("<a href=/x><h2>T</h2><p>text</p></a>",
	    "[T text](https://h.example/x)");
	md("<a href='/a) [b'>x</a>", "x");
	text("<a href='/x'>a</a><h2>b</h2><ul><li><b>c</b></ul><code>d</code>",
	    "a\n\nb\n\n- c\n\nd");
}

static void
test_hidden_is_left_out(void **state)
{
	(void)state;
	md("a<script>if (x < 1) document.write('<b>no</b>')</script>b", "ab");
	md("<style>p{}</style>a<!-- no --><!DOCTYPE x><?php no ?>b", "ab");
	md("<noscript>no</noscript><template>no</template><svg><title>no"
	    "</title><path/></svg>a<select><option>no</select>", "a");
	md("<p hidden>no<p>a<div style='Display : NONE'>no<div>no</div></div>"
	    "<span aria-hidden=true>no</span>b", "a\n\nb");
	md("<span style='opacity:0'>no</span><span style='opacity:0.5'>a"
	    "</span><i style=font-size:0>no</i>", "a");
	md("<textarea><b>no</textarea><button>no</button><input value=no>a",
	    "a");
	/* Pages hide themselves until a script has run. */
	md("<body style='visibility:hidden'>a", "a");
	/* Invisible characters: tags, direction, zero width. */
	md("a\xf3\xa0\x81\xa1\xf3\xa0\x81\xa2\xe2\x80\xae\xe2\x80\x8b"
	    "b&#xE0041;&shy;c\x01", "abc");
	md("&#8238;a", "a");
}

static void
test_main_part(void **state)
{
	static char	html[4096], words[300];

	(void)state;
	memset(words, 'w', sizeof(words) - 1);
	md("<nav>menu</nav><header>top</header><p>text<aside>side</aside>"
	    "<footer>foot</footer>", "text");
	md("<div role=navigation>menu</div>text", "text");
	snprintf(html, sizeof(html), "<div>other</div><main><h1>T</h1>%s"
	    "<nav>no</nav></main><div>more</div>", words);
	snprintf(html + 2048, 2048, "# T\n\n%s", words);
	md(html, html + 2048);
	snprintf(html, sizeof(html), "x<article><header>By me</header>%s"
	    "</article>y", words);
	snprintf(html + 2048, 2048, "By me\n%s", words);
	md(html, html + 2048);
	/* A main part with hardly anything in it is none. */
	md("<main>a</main><p>b", "a\n\nb");
	/* Nothing but a menu: better than nothing. */
	md("<nav>menu</nav>", "menu");
	assert_int_equal(make(STR_LIT("<nav>menu</nav>text"), "text/html",
	    FETCH_TEXT, false), FETCH_OK);
	got("menu\ntext");
}

static void
test_titles(void **state)
{
	char	html[1024];

	(void)state;
	md("<head><title> A &amp;\n <b>B</b> </title><title>C</title></head>x",
	    "x");
	assert_string_equal(page.title, "A & <b>B</b>");
	md("x", "x");
	assert_string_equal(page.title, "");
	memset(html, 'a', sizeof(html));
	memcpy(html, "<title>", 7);
	memcpy(html + sizeof(html) - 9, "</title>", 9);
	assert_int_equal(make(str_of(html), "text/html", FETCH_TEXT, true),
	    FETCH_OK);
	assert_int_equal(strlen(page.title), HTML_TITLE_MAX - 1);
}

static void
test_broken_markup(void **state)
{
	(void)state;
	md("a < b && c > d", "a < b && c > d");
	md("a <b", "a");
	md("<a href=\"x>never closed", "");
	md("x<!-- never closed", "x");
	md("<!-->a<!--->b<!---->c", "abc");
	md("<p title='>'>a", "a");
	md("<p title=a'b>c", "c");
	md("</p></div>a</b></table>", "a");
	md("<script>never closed", "");
	md("<title>never closed", "");
	md("<b><i>a</b>b</i>c", "***a***bc");
	md("<table><tr><td></table></td>a", "a");
	md("&#0;&#xd800;&#x110000;&#99999999999;",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	md("&#128;&amp&lt;b&gt;&copy;&nosuch;&;&#;&#x;&", "\xe2\x82\xac&<b>"
	    "\xc2\xa9&nosuch;&;&#;&#x;&");
	md("<P>a</P><DIV STYLE=DISPLAY:NONE>no</DIV><Custom-El>b", "a\n\nb");
}

/* As deep and as wide as a limit lets through, and no deeper. */
static void
test_depth_and_size(void **state)
{
	static const char *const	tags[] = { "<div>", "<b>", "<ul><li>",
	    "<blockquote>", "<a href=/x>", "<svg>", "<p hidden>", "<table><td>",
	    "</div>", "<!--x", "<title>", "&amp;", "<pre>\n", "<select>", "<" };
	struct dbuf			d;
	size_t				i, k;

	(void)state;
	for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		dbuf_init(&d, 4u << 20);
		for (k = 0; k < 100000; k++)
			dbuf_puts(&d, tags[i]);
		dbuf_puts(&d, "end");
		assert_false(dbuf_err(&d));
		assert_int_equal(make((struct str){ d.p, d.n }, "text/html",
		    FETCH_MARKDOWN, true), FETCH_OK);
		assert_true(page.n <= PAGE_TEXT_MAX);
		assert_true(utf8_valid(page.text, page.n));
		dbuf_clear(&d);
	}
	/* More comes out than went in: cut, and said so. */
	dbuf_init(&d, 4u << 20);
	for (k = 0; k < 40000; k++)
		dbuf_puts(&d, "<a href=/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa\xff\xff\xff\xff\xff>x</a> ");
	assert_int_equal(make((struct str){ d.p, d.n }, "text/html",
	    FETCH_MARKDOWN, false), FETCH_OK);
	assert_true(page.cut);
	assert_true(page.n <= PAGE_TEXT_MAX && page.n > PAGE_TEXT_MAX - 1024);
	dbuf_clear(&d);
}

static void
test_types(void **state)
{
	static const struct {
		const char		*type, *body;
		enum fetch_status	 st;
		enum fetch_how		 how;
	} cases[] = {
		{ "text/html", "<p>x", FETCH_OK, FETCH_READABLE },
		{ "application/xhtml+xml", "<p>x", FETCH_OK, FETCH_READABLE },
		{ "application/json", "{\"a\":1}", FETCH_OK, FETCH_JSON },
		{ "application/ld+json; x", "{}", FETCH_OK, FETCH_JSON },
		{ "text/plain", "<p>x", FETCH_OK, FETCH_RAW },
		{ "text/markdown", "# x", FETCH_OK, FETCH_RAW },
		{ "application/rss+xml", "<rss>", FETCH_OK, FETCH_RAW },
		{ "", "<!doctype html><p>x", FETCH_OK, FETCH_READABLE },
		{ "", "just text", FETCH_OK, FETCH_RAW },
		{ "application/octet-stream", "a\0b", FETCH_TYPE, 0 },
		{ "image/png", "x", FETCH_TYPE, 0 },
		{ "application/pdf", "%PDF", FETCH_TYPE, 0 },
		{ "texts", "x", FETCH_TYPE, 0 },
	};
	size_t	i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(make((struct str){ cases[i].body,
		    strlen(cases[i].body) + (cases[i].st == FETCH_TYPE ? 2 :
		    0) }, cases[i].type, FETCH_MARKDOWN, true), cases[i].st);
		if (cases[i].st == FETCH_OK)
			assert_int_equal(page.how, cases[i].how);
		else
			assert_non_null(strstr(why, "cannot be shown"));
		if (cases[i].st == FETCH_OK && cases[i].how != FETCH_READABLE)
			got(cases[i].body);
	}
}

static void
decoded(struct str bytes, const char *label, bool html, const char *want)
{
	struct dbuf	 d;
	char		 name[64] = "";

	dbuf_init(&d, 4096);
	if (charset_decode(bytes, str_of(label), html, &d, name,
	    sizeof(name)) == -1) {
		assert_null(want);
		assert_true(name[0] != '\0');
		assert_true(utf8_valid(name, strlen(name)));
	} else {
		assert_non_null(want);
		assert_string_equal(dbuf_str(&d), want);
		assert_true(utf8_valid(dbuf_str(&d), d.n));
	}
	dbuf_clear(&d);
}

static void
test_encodings(void **state)
{
	(void)state;
	decoded(STR_LIT("\xc3\xa4"), "utf-8", false, "\xc3\xa4");
	decoded(STR_LIT("\xc3\xa4"), "", false, "\xc3\xa4");
	decoded(STR_LIT("\xe4"), "", false, "\xc3\xa4");
	decoded(STR_LIT("\xe4"), "UTF-8", false, "\xef\xbf\xbd");
	decoded(STR_LIT("\xe4\x80"), "ISO-8859-1", false,
	    "\xc3\xa4\xe2\x82\xac");
	decoded(STR_LIT("\xcf\xf0\xe8"), "windows-1251", false,
	    "\xd0\x9f\xd1\x80\xd0\xb8");
	decoded(STR_LIT("\xf0\xd2\xc9"), "KOI8-R", false,
	    "\xd0\x9f\xd1\x80\xd0\xb8");
	decoded(STR_LIT("\xa4"), "iso-8859-15", false, "\xe2\x82\xac");
	decoded(STR_LIT("\xef\xbb\xbf\xc3\xa4"), "iso-8859-1", false,
	    "\xc3\xa4");
	decoded(STR_LIT("\xff\xfe" "a\0\x3d\xd8\x00\xde"), "", false,
	    "a\xf0\x9f\x98\x80");
	decoded(STR_LIT("\xfe\xff\0a\xd8\x3d"), "", false, "a\xef\xbf\xbd");
	decoded(STR_LIT("a\0b"), "utf-8", false, "a\xef\xbf\xbd" "b");
	decoded(STR_LIT("<meta charset=windows-1251>\xcf"), "", true,
	    "<meta charset=windows-1251>\xd0\x9f");
	decoded(STR_LIT("<meta http-equiv=Content-Type content='text/html; "
	    "charset=koi8-r'>\xf0"), "", true, "<meta http-equiv=Content-Type "
	    "content='text/html; charset=koi8-r'>\xd0\x9f");
	decoded(STR_LIT("\xb0\xa1"), "gbk", false, NULL);
	decoded(STR_LIT("\xb0\xa1"), "x\xff\xfe\n", false, NULL);
	/* Called wrongly, but valid. */
	decoded(STR_LIT("\xe5\xa5\xbd"), "gb2312", false, "\xe5\xa5\xbd");
	assert_true(str_eqs(charset_of_type(STR_LIT(
	    "text/html; charset=\"x\"; y")), "\"x\""));
	decoded(STR_LIT("\xe4"), "\"latin1\"", false, "\xc3\xa4");
	assert_int_equal(make(STR_LIT("\xb0\xa1\xb0"), "text/plain; "
	    "charset=gbk", FETCH_TEXT, true), FETCH_TYPE);
	assert_non_null(strstr(why, "gbk"));
}

/* What was cut in the middle of a character loses it whole. */
static void
test_cut_body(void **state)
{
	struct page_source	 src = { 0 };
	struct fetch_url	 u;
	const char		*bad;

	(void)state;
	page_clear(&page);
	fetch_url_parse(STR_LIT("http://h/"), &u, &bad);
	src.body = STR_LIT("gut \xe2\x82\xac \xe2\x82");
	src.type = STR_LIT("text/plain");
	src.cut = true;
	src.url = &u;
	assert_int_equal(page_make(&page, &src, why, sizeof(why)), FETCH_OK);
	assert_true(page.cut);
	got("gut \xe2\x82\xac");
}

static int
teardown(void **state)
{
	(void)state;
	page_clear(&page);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_hidden_is_left_out),
		cmocka_unit_test(test_main_part),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_broken_markup),
		cmocka_unit_test(test_depth_and_size),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_encodings),
		cmocka_unit_test(test_cut_body),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
