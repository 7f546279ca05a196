/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Text on its way to a model: cleaning, windows, kept output, paths, keys. */
#include "common/compat.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/text.h"
#include "toold/jobenv.h"
#include "toold/keys.h"
#include "toold/output.h"
#include "toold/text_clean.h"
#include "toold/text_window.h"
#include "toold/wpath.h"

static void
clean_is(bool terminal, const char *in, size_t n, const char *want)
{
	struct text_clean	 c;
	struct dbuf		 out;
	size_t			 step, i;

	/* Whole, and cut at every place. */
	for (step = 1; step <= n; step++) {
		dbuf_init(&out, 4096);
		text_clean_init(&c, terminal);
		for (i = 0; i < n; i += step)
			text_clean_put(&c, in + i, n - i < step ? n - i : step,
			    &out);
		text_clean_end(&c, &out);
		assert_string_equal(dbuf_str(&out), want);
		assert_true(utf8_valid(dbuf_str(&out), out.n));
		dbuf_clear(&out);
	}
}
#define CLEAN(terminal, in, want) clean_is(terminal, in, sizeof(in) - 1, want)

static void
test_clean(void **state)
{
	(void)state;
	CLEAN(true, "plain\ttext\n", "plain\ttext\n");
	CLEAN(true, "a\r\nb\rc\n", "a\nb\nc\n");
	CLEAN(false, "a\r\nb\rc\n", "a\nbc\n");
	CLEAN(true, "\x1b[1;31mred\x1b[0m", "red");
	CLEAN(true, "\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy");
	CLEAN(true, "\x1b(Bz\x1b=w\x1b" "7v", "zwv");
	CLEAN(true, "nul\0bel\x07", "nulbel");
	CLEAN(true, "gr\xc3\xbc\xc3\x9f\x65", "gr\xc3\xbc\xc3\x9f\x65");
	CLEAN(true, "bad\xff\xc3(", "bad\xef\xbf\xbd\xef\xbf\xbd(");
	CLEAN(true, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd");
	CLEAN(true, "\xed\xa0\x80", "\xef\xbf\xbd");
	CLEAN(true, "cut\xf0\x9f\x98", "cut\xef\xbf\xbd");
	CLEAN(true, "c1\xc2\x9b" "31m", "c131m");
}

static void
test_clean_endless_escape(void **state)
{
	struct text_clean	 c;
	struct dbuf		 out;
	size_t			 i;

	(void)state;
	dbuf_init(&out, 65536);
	text_clean_init(&c, true);
	text_clean_put(&c, "\x1b]", 2, &out);
	for (i = 0; i < 10000; i++)
		text_clean_put(&c, "x", 1, &out);
	/* A title without an end does not swallow the rest. */
	assert_true(out.n > 5000);
	dbuf_clear(&out);
}

static void
test_window(void **state)
{
	struct text_window	 w;
	char			 line[64];
	size_t			 i;

	(void)state;
	text_window_init(&w, 1, 0);
	text_window_put(&w, "a\nb\nc", 5);
	assert_int_equal(text_window_finish(&w), 3);
	assert_string_equal(dbuf_str(&w.out), "a\nb\nc");
	assert_int_equal(w.end, TEXT_WINDOW_OPEN);
	text_window_clear(&w);

	text_window_init(&w, 2, 1);
	for (i = 0; i < 6; i++)		/* byte by byte */
		text_window_put(&w, &"a\nb\nc\n"[i], 1);
	assert_int_equal(text_window_finish(&w), 3);
	assert_string_equal(dbuf_str(&w.out), "b\n");
	assert_int_equal(w.end, TEXT_WINDOW_WANTED);
	text_window_clear(&w);

	/* exactly as many as there are */
	text_window_init(&w, 2, 2);
	text_window_put(&w, "a\nb\nc\n", 6);
	assert_int_equal(text_window_finish(&w), 3);
	assert_int_equal(w.end, TEXT_WINDOW_OPEN);
	text_window_clear(&w);

	text_window_init(&w, 1, 0);
	for (i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "%zu\n", i);
		text_window_put(&w, line, strlen(line));
	}
	assert_int_equal(text_window_finish(&w), 3000);
	assert_int_equal(w.shown, 2000);
	assert_int_equal(w.end, TEXT_WINDOW_FULL_LINES);
	text_window_clear(&w);

	text_window_init(&w, 1, 0);
	for (i = 0; i < 60000; i++)
		text_window_put(&w, "y", 1);
	text_window_put(&w, "\nz\n", 3);
	assert_int_equal(text_window_finish(&w), 2);
	assert_int_equal(w.shown, 0);
	assert_int_equal(w.end, TEXT_WINDOW_LONG);
	assert_int_equal(w.long_bytes, 60000);
	text_window_clear(&w);

	text_window_init(&w, 1, 0);
	for (i = 0; i < 1000; i++)
		text_window_put(&w, "0123456789012345678901234567890123456789"
		    "0123456789012345678\n", 60);
	text_window_finish(&w);
	assert_int_equal(w.end, TEXT_WINDOW_FULL_BYTES);
	assert_int_equal(w.shown, TEXT_WINDOW_BYTES / 60);
	text_window_clear(&w);

	text_window_init(&w, 1, 0);
	assert_int_equal(text_window_finish(&w), 0);
	text_window_clear(&w);
}

static void
test_sniff(void **state)
{
	bool	 image;

	(void)state;
	assert_null(text_sniff("hello\n", 6, &image));
	assert_null(text_sniff("", 0, &image));
	assert_null(text_sniff("BZh is a text", 13, &image));
	assert_string_equal(text_sniff("\x89PNG\r\n\x1a\n\0\0", 10, &image),
	    "image/png");
	assert_true(image);
	assert_string_equal(text_sniff("RIFF\0\0\0\0WEBPVP8 ", 16, &image),
	    "image/webp");
	assert_true(image);
	assert_string_equal(text_sniff("\x7f" "ELF\2\1\1\0", 8, &image),
	    "ELF program");
	assert_false(image);
	assert_string_equal(text_sniff("ab\0cd", 5, &image), "binary data");
}

static void
test_output_small(void **state)
{
	struct output	 o;
	struct dbuf	 d;
	uint64_t	 at = 0;

	(void)state;
	dbuf_init(&d, 65536);
	output_init(&o, 1000, -1, "x", 1 << 20);
	output_put(&o, "one\ntwo\n", 8);
	output_put(&o, "three", 5);
	output_text(&o, &d, NULL);
	assert_string_equal(dbuf_str(&d), "one\ntwo\nthree");
	assert_int_equal(output_line_count(&o), 3);
	assert_false(output_cut(&o));
	dbuf_reset(&d);
	output_since(&o, &at, 5, &d);
	output_since(&o, &at, 500, &d);
	assert_string_equal(dbuf_str(&d), "one\ntwo\nthree");
	assert_int_equal(at, 13);
	dbuf_reset(&d);
	assert_int_equal(output_lines(&o, 2, 5, 1000, &d), 2);
	assert_string_equal(dbuf_str(&d), "two\nthree");
	dbuf_reset(&d);
	output_tail(&o, 5, &d);
	assert_string_equal(dbuf_str(&d), "three");
	output_clear(&o);
	dbuf_clear(&d);
}

/* What was printed in all must come back, whatever is kept where. */
static void
output_big(int dir_fd, uint64_t spill_max, bool whole)
{
	struct output	 o;
	struct dbuf	 d;
	char		 line[32], want[64];
	uint64_t	 at = 0;
	size_t		 i;

	dbuf_init(&d, 8 << 20);
	output_init(&o, 1000, dir_fd, "job-test.out", spill_max);
	for (i = 1; i <= 50000; i++) {
		snprintf(line, sizeof(line), "line %zu\n", i);
		output_put(&o, line, strlen(line));
	}
	assert_true(output_cut(&o));
	assert_int_equal(output_line_count(&o), 50000);
	output_text(&o, &d, "hint");
	assert_true(d.n < 1200);
	assert_non_null(strstr(dbuf_str(&d), "line 1\nline 2\n"));
	assert_non_null(strstr(dbuf_str(&d), "characters left out; hint]"));
	assert_string_equal(dbuf_str(&d) + d.n - 11, "line 50000\n");
	if (whole) {
		dbuf_reset(&d);
		while (at < o.total)
			output_since(&o, &at, 30000, &d);
		assert_int_equal(d.n, o.total);
		for (i = 1; i <= 50000; i += 777) {
			dbuf_reset(&d);
			assert_int_equal(output_lines(&o, i, 1, 1000, &d), 1);
			snprintf(want, sizeof(want), "line %zu\n", i);
			assert_string_equal(dbuf_str(&d), want);
		}
	}
	dbuf_reset(&d);
	output_tail(&o, 100, &d);
	assert_true(d.n == 100);
	dbuf_reset(&d);
	/* A reader far behind is told what it missed and goes on. */
	at = 700;
	for (i = 0; at < o.total && i < 1000; i++)
		output_since(&o, &at, 30000, &d);
	assert_int_equal(at, o.total);
	assert_string_equal(dbuf_str(&d) + d.n - 11, "line 50000\n");
	output_clear(&o);
	dbuf_clear(&d);
}

static void
test_output_spill(void **state)
{
	char	 dir[] = "/tmp/toold-output-XXXXXX";
	int	 fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	output_big(fd, 64 << 20, true);
	output_big(fd, 5000, false);	/* the file is full */
	output_big(-1, 64 << 20, false);	/* there is no folder */
	close(fd);
	assert_int_equal(rmdir(dir), 0);	/* nothing left behind */
}

static void
path_is(const char *in, const char *want)
{
	char		 buf[WPATH_MAX];
	enum wpath_err	 err;

	err = wpath_resolve(str_of(in), "/srv/ws", buf, sizeof(buf));
	if (want == NULL)
		assert_int_not_equal(err, WPATH_OK);
	else {
		assert_int_equal(err, WPATH_OK);
		assert_string_equal(buf, want);
	}
}

static void
test_T30_paths(void **state)
{
	char	 buf[WPATH_MAX], longer[5000];

	(void)state;
	path_is("a", "a");
	path_is("./a//b/./c/", "a/b/c");
	path_is("a/../b", "b");
	path_is(".", ".");
	path_is("a/..", ".");
	path_is("/srv/ws", ".");
	path_is("/srv/ws/x/y", "x/y");
	path_is("/srv/ws/../ws2", NULL);
	path_is("/srv/wsx", NULL);
	path_is("/srv", NULL);
	path_is("/etc/passwd", NULL);
	path_is("..", NULL);
	path_is("a/../../b", NULL);
	path_is("../ws/a", NULL);
	path_is("~", NULL);
	path_is("~/x", NULL);
	path_is("~x", "~x");
	path_is("", NULL);
	path_is("a\nb", NULL);
	assert_int_equal(wpath_resolve((struct str){"a\0b", 3}, "/w", buf,
	    sizeof(buf)), WPATH_NUL);
	memset(longer, 'x', sizeof(longer));
	assert_int_equal(wpath_resolve((struct str){longer, 300}, "/w", buf,
	    sizeof(buf)), WPATH_TOO_LONG);
	assert_int_equal(wpath_resolve((struct str){longer, 5000}, "/w", buf,
	    sizeof(buf)), WPATH_TOO_LONG);
	assert_int_equal(wpath_resolve(STR_LIT("/etc"), "/", buf,
	    sizeof(buf)), WPATH_OK);
}

static void
test_T20_environment(void **state)
{
	static const char *const bad[] = { "LD_PRELOAD", "LD_LIBRARY_PATH",
		"PATH", "BASH_ENV", "ENV", "IFS", "PROMPT_COMMAND", "PS4",
		"GIT_SSH_COMMAND", "GIT_EXTERNAL_DIFF", "GIT_CONFIG_COUNT",
		"NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5OPT",
		"PERL5LIB", "RUBYOPT", "BASH_FUNC_x", "DYLD_INSERT_LIBRARIES",
		"HOME", "SHELLOPTS", "GLIBC_TUNABLES", "OPENCLAW_SHELL",
		"JAVA_TOOL_OPTIONS", "EDITOR", "A=B", "a b", "1x", "", "x\n",
		"SSH_ASKPASS", "LESSOPEN", "_" };
	static const char *const good[] = { "FOO", "foo_bar", "X1", "DEBUG",
		"NO_COLOR", "LANGUAGE", "CI", "_X", "PATHS", "LDX" };
	struct dbuf	 env;
	const char	*why;
	size_t		 i;

	(void)state;
	setenv("TOOLD_TEST_CANARY", "leak", 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(jobenv_name_ok(str_of(bad[i]), &why));
		assert_non_null(why);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(jobenv_name_ok(str_of(good[i]), &why));
	dbuf_init(&env, JOBENV_MAX);
	assert_int_equal(jobenv_base(&env, "/opt/bin", "Europe/Berlin", false),
	    0);
	jobenv_add(&env, STR_LIT("FOO"), STR_LIT("a b"));
	assert_int_equal(env.p[env.n - 1], '\0');
	assert_string_equal(env.p, "PATH=/opt/bin:/usr/local/bin:/usr/bin:"
	    "/bin:/usr/local/sbin:/usr/sbin:/sbin");
	assert_non_null(memmem(env.p, env.n, "\0TZ=Europe/Berlin\0", 18));
	assert_non_null(memmem(env.p, env.n, "\0FOO=a b\0", 9));
	assert_null(memmem(env.p, env.n, "CANARY", 6));
	assert_int_equal(jobenv_add(&env, STR_LIT("N"),
	    (struct str){"a\0b", 3}), -1);
	dbuf_clear(&env);
}

static void
key_is(const char *key, const char *want, size_t n)
{
	struct dbuf	 d;

	dbuf_init(&d, 64);
	if (want == NULL)
		assert_int_equal(keys_put(&d, str_of(key)), -1);
	else {
		assert_int_equal(keys_put(&d, str_of(key)), 0);
		assert_int_equal(d.n, n);
		assert_memory_equal(d.p, want, n);
	}
	dbuf_clear(&d);
}

static void
test_keys(void **state)
{
	(void)state;
	key_is("Enter", "\r", 1);
	key_is("C-c", "\x03", 1);
	key_is("Ctrl+C", "\x03", 1);
	key_is("ctrl-d", "\x04", 1);
	key_is("^[", "\x1b", 1);
	key_is("C-Space", "\0", 1);
	key_is("M-x", "\x1bx", 2);
	key_is("Alt+x", "\x1bx", 2);
	key_is("M-C-a", "\x1b\x01", 2);
	key_is("up", "\x1b[A", 3);
	key_is("F12", "\x1b[24~", 5);
	key_is("q", "q", 1);
	key_is("\xc3\xbc", "\xc3\xbc", 2);
	key_is("C-", NULL, 0);
	key_is("Nonsense", NULL, 0);
	key_is("", NULL, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_clean_endless_escape),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_sniff),
		cmocka_unit_test(test_output_small),
		cmocka_unit_test(test_output_spill),
		cmocka_unit_test(test_T30_paths),
		cmocka_unit_test(test_T20_environment),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
