/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What can be taken apart without a shell, what cannot, and that a real shell
 * reads back exactly what was taken apart. */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "toold/cmdline.h"
#include "toold/execlist.h"
#include "toold/execpath.h"

/* Words separated by "|", segments by the operator in blanks. */
static const struct {
	const char	*command;
	const char	*words;		/* NULL: err */
	enum cmdline_err err;
} table[] = {
	{ "ls", "ls", 0 },
	{ " ls ", "ls", 0 },
	{ "ls\n", "ls", 0 },
	{ "ls -la /tmp", "ls|-la|/tmp", 0 },
	{ "ls\t-l", "ls|-l", 0 },
	{ "echo 'a b'", "echo|a b", 0 },
	{ "echo \"a b\"", "echo|a b", 0 },
	{ "echo a'b'\"c\"d", "echo|abcd", 0 },
	{ "echo ''", "echo|", 0 },
	{ "echo \"\" x", "echo||x", 0 },
	{ "echo \\$HOME", "echo|$HOME", 0 },
	{ "echo '$HOME'", "echo|$HOME", 0 },
	{ "echo \"\\$HOME\"", "echo|$HOME", 0 },
	{ "echo \"\\a\"", "echo|\\a", 0 },
	{ "echo '\\'", "echo|\\", 0 },
	{ "echo '`id`'", "echo|`id`", 0 },
	{ "echo '$(id)'", "echo|$(id)", 0 },
	{ "echo ';' '|' '&'", "echo|;|PIPE|&", 0 },
	{ "echo a\\ b", "echo|a b", 0 },
	{ "echo a\\;b", "echo|a;b", 0 },
	{ "echo '>' x", "echo|>|x", 0 },
	{ "echo '*'", "echo|*", 0 },
	{ "echo \"*\"", "echo|*", 0 },
	{ "echo \\*", "echo|*", 0 },
	{ "echo a#b", "echo|a#b", 0 },
	{ "echo '#'", "echo|#", 0 },
	{ "echo a=b", "echo|a=b", 0 },
	{ "echo --x=/y", "echo|--x=/y", 0 },
	{ "echo if", "echo|if", 0 },
	{ "'if'", "if", 0 },
	{ "echo !", "echo|!", 0 },
	{ "echo %d @x +y ,z :a ^b", "echo|%d|@x|+y|,z|:a|^b", 0 },
	{ "echo \xc3\xa4\xe4\xb8\xad", "echo|\xc3\xa4\xe4\xb8\xad", 0 },
	{ "a && b", "a && b", 0 },
	{ "a&&b", "a && b", 0 },
	{ "a || b", "a OR b", 0 },
	{ "a||b", "a OR b", 0 },
	{ "a ; b", "a ; b", 0 },
	{ "a;b", "a ; b", 0 },
	{ "a;", "a", 0 },
	{ "a ; ", "a", 0 },
	{ "a | b | c", "a PIPE b PIPE c", 0 },
	{ "a|b", "a PIPE b", 0 },
	{ "a x|b y && c z || d; e", "a|x PIPE b|y && c|z OR d ; e", 0 },
	{ "/usr/bin/ls", "/usr/bin/ls", 0 },
	{ "./run.sh now", "./run.sh|now", 0 },
	{ "", NULL, CMDLINE_EMPTY },
	{ "   ", NULL, CMDLINE_EMPTY },
	{ "\n", NULL, CMDLINE_EMPTY },
	{ "ls > x", NULL, CMDLINE_REDIRECT },
	{ "ls >x", NULL, CMDLINE_REDIRECT },
	{ "ls>x", NULL, CMDLINE_REDIRECT },
	{ "ls 2>/dev/null", NULL, CMDLINE_REDIRECT },
	{ "ls 2>&1", NULL, CMDLINE_REDIRECT },
	{ "ls >> x", NULL, CMDLINE_REDIRECT },
	{ "ls >| x", NULL, CMDLINE_REDIRECT },
	{ "cat < x", NULL, CMDLINE_REDIRECT },
	{ "cat <<E", NULL, CMDLINE_REDIRECT },
	{ "cat <<E\nrm\nE", NULL, CMDLINE_REDIRECT },
	{ "cat <<<x", NULL, CMDLINE_REDIRECT },
	{ "cat <(id)", NULL, CMDLINE_REDIRECT },
	{ "ls &> x", NULL, CMDLINE_REDIRECT },
	{ "echo $HOME", NULL, CMDLINE_EXPANSION },
	{ "echo \"$HOME\"", NULL, CMDLINE_EXPANSION },
	{ "echo ${x}", NULL, CMDLINE_EXPANSION },
	{ "echo $(id)", NULL, CMDLINE_EXPANSION },
	{ "echo \"$(id)\"", NULL, CMDLINE_EXPANSION },
	{ "echo `id`", NULL, CMDLINE_EXPANSION },
	{ "echo \"`id`\"", NULL, CMDLINE_EXPANSION },
	{ "echo $((1+1))", NULL, CMDLINE_EXPANSION },
	{ "echo $'a'", NULL, CMDLINE_EXPANSION },
	{ "echo $", NULL, CMDLINE_EXPANSION },
	{ "$x", NULL, CMDLINE_EXPANSION },
	{ "`id`", NULL, CMDLINE_EXPANSION },
	{ "(id)", NULL, CMDLINE_GROUP },
	{ "ls (", NULL, CMDLINE_GROUP },
	{ "f() ls", NULL, CMDLINE_GROUP },
	{ "{ ls; }", NULL, CMDLINE_GROUP },
	{ "echo {a,b}", NULL, CMDLINE_GROUP },
	{ "ls &", NULL, CMDLINE_BACKGROUND },
	{ "ls & id", NULL, CMDLINE_BACKGROUND },
	{ "ls&id", NULL, CMDLINE_BACKGROUND },
	{ "ls |& id", NULL, CMDLINE_BACKGROUND },
	{ "ls|&id", NULL, CMDLINE_BACKGROUND },
	{ "ls *", NULL, CMDLINE_PATTERN },
	{ "ls a?", NULL, CMDLINE_PATTERN },
	{ "ls [ab]", NULL, CMDLINE_PATTERN },
	{ "[ -f x ]", NULL, CMDLINE_PATTERN },
	{ "/bin/l?", NULL, CMDLINE_PATTERN },
	{ "ls ~", NULL, CMDLINE_HOME },
	{ "ls ~root", NULL, CMDLINE_HOME },
	{ "ls a:~", NULL, CMDLINE_HOME },
	{ "ls # x", NULL, CMDLINE_COMMENT },
	{ "# x", NULL, CMDLINE_COMMENT },
	{ "A=b ls", NULL, CMDLINE_ASSIGNMENT },
	{ "PATH=. ls", NULL, CMDLINE_ASSIGNMENT },
	{ "A=b", NULL, CMDLINE_ASSIGNMENT },
	{ "ls && A=b id", NULL, CMDLINE_ASSIGNMENT },
	{ "if true; then id; fi", NULL, CMDLINE_RESERVED },
	{ "while true; do id; done", NULL, CMDLINE_RESERVED },
	{ "for x in a; do id; done", NULL, CMDLINE_RESERVED },
	{ "! ls", NULL, CMDLINE_RESERVED },
	{ "time ls", NULL, CMDLINE_RESERVED },
	{ "ls; ! id", NULL, CMDLINE_RESERVED },
	{ "ls\nid", NULL, CMDLINE_LINES },
	{ "ls \\\nid", NULL, CMDLINE_LINES },
	{ "echo 'a\nb'", NULL, CMDLINE_LINES },
	{ "echo \"a\nb\"", NULL, CMDLINE_LINES },
	{ "echo \"a\\\nb\"", NULL, CMDLINE_LINES },
	{ "ls\rid", NULL, CMDLINE_CONTROL },
	{ "ls\x1b[2K", NULL, CMDLINE_CONTROL },
	{ "ls\x08\x08id", NULL, CMDLINE_CONTROL },
	{ "ls\x7f", NULL, CMDLINE_CONTROL },
	{ "ls\x0bid", NULL, CMDLINE_CONTROL },
	{ "echo 'a", NULL, CMDLINE_QUOTE },
	{ "echo \"a", NULL, CMDLINE_QUOTE },
	{ "echo \"a\\", NULL, CMDLINE_QUOTE },
	{ "echo a\\", NULL, CMDLINE_QUOTE },
	{ "echo '", NULL, CMDLINE_QUOTE },
	{ "| ls", NULL, CMDLINE_OPERATOR },
	{ "ls |", NULL, CMDLINE_OPERATOR },
	{ "ls &&", NULL, CMDLINE_OPERATOR },
	{ "ls ||", NULL, CMDLINE_OPERATOR },
	{ "ls | | id", NULL, CMDLINE_OPERATOR },
	{ "; ls", NULL, CMDLINE_OPERATOR },
	{ ";", NULL, CMDLINE_OPERATOR },
	{ "ls ;; id", NULL, CMDLINE_OPERATOR },
	{ "ls; ; id", NULL, CMDLINE_OPERATOR },
	{ "ls && && id", NULL, CMDLINE_OPERATOR },
	{ "ls ||| id", NULL, CMDLINE_OPERATOR },
	{ "''", NULL, CMDLINE_OPERATOR },
	{ "ls && ''", NULL, CMDLINE_OPERATOR },
};

static void
describe(const struct cmdline *c, char *buf, size_t size)
{
	static const char *const ops[] = { "", " && ", " OR ", " ; ",
	    " PIPE " };
	size_t	 i, k;

	buf[0] = '\0';
	for (i = 0; i < c->nseg; i++) {
		for (k = 0; k < c->seg[i].argc; k++) {
			if (k > 0)
				strlcat(buf, "|", size);
			strlcat(buf, strcmp(c->seg[i].argv[k], "|") == 0 ?
			    "PIPE" : c->seg[i].argv[k], size);
		}
		strlcat(buf, ops[c->seg[i].op], size);
	}
}

static void
test_T18_table(void **state)
{
	struct cmdline	 c;
	enum cmdline_err err;
	char		 buf[512];
	size_t		 i;

	(void)state;
	assert_true(sizeof(table) / sizeof(table[0]) > 100);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		err = cmdline_parse(&c, str_of(table[i].command));
		if (err != (table[i].words != NULL ? CMDLINE_OK :
		    table[i].err))
			print_message("%s: %s\n", table[i].command,
			    cmdline_err_text(err));
		assert_int_equal(err, table[i].words != NULL ? CMDLINE_OK :
		    table[i].err);
		if (err != CMDLINE_OK)
			continue;
		describe(&c, buf, sizeof(buf));
		assert_string_equal(buf, table[i].words);
		cmdline_clear(&c);
	}
	assert_int_equal(cmdline_parse(&c, (struct str){"ls\0id", 5}),
	    CMDLINE_CONTROL);
}

static void
test_limits(void **state)
{
	struct cmdline	 c;
	struct dbuf	 b;
	size_t		 i;

	(void)state;
	dbuf_init(&b, 1 << 16);
	dbuf_puts(&b, "x");
	for (i = 0; i < CMDLINE_WORDS_MAX - 1; i++)
		dbuf_puts(&b, " y");
	assert_int_equal(cmdline_parse(&c, (struct str){b.p, b.n}),
	    CMDLINE_OK);
	cmdline_clear(&c);
	dbuf_puts(&b, " y");
	assert_int_equal(cmdline_parse(&c, (struct str){b.p, b.n}),
	    CMDLINE_TOO_MANY);
	dbuf_reset(&b);
	for (i = 0; i <= CMDLINE_SEGMENTS_MAX; i++)
		dbuf_puts(&b, "x;");
	assert_int_equal(cmdline_parse(&c, (struct str){b.p, b.n}),
	    CMDLINE_TOO_MANY);
	dbuf_clear(&b);
}

/* What sh -c makes of a text, one argument per line of hexadecimal. */
static void
shell_words(const char *text, char *out, size_t size)
{
	int	 p[2];
	pid_t	 pid;
	ssize_t	 n;
	size_t	 have = 0;

	assert_int_equal(pipe(p), 0);
	if ((pid = fork()) == 0) {
		dup2(p[1], 1);
		close(p[0]);
		execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(127);
	}
	close(p[1]);
	while ((n = read(p[0], out + have, size - 1 - have)) > 0)
		have += (size_t)n;
	close(p[0]);
	out[have] = '\0';
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The text that joins several programs holds only quoted words; a shell must
 * take each for what it is (T18). */
static void
test_T18_quoted_words_come_back(void **state)
{
	static const char *const words[] = { "a", "", " ", "a b", "'", "''",
		"\"", "\\", "\\'", "$HOME", "`id`", "$(id)", "*", "~", "#x",
		"a;b", "&", "|", "<x", ">x", "(", "{a,b}", "!", "-n", "\t",
		"a'b'c", "'; id; '", "\xc3\xa4", "=", "A=b", "%s", "\\n" };
	struct dbuf	 b, want;
	char		 got[4096];
	size_t		 i;

	(void)state;
	dbuf_init(&b, 65536);
	dbuf_init(&want, 65536);
	dbuf_puts(&b, "printf '[%s]'");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		dbuf_putc(&b, ' ');
		cmdline_quote(&b, words[i]);
		dbuf_printf(&want, "[%s]", words[i]);
	}
	shell_words(dbuf_str(&b), got, sizeof(got));
	assert_string_equal(got, dbuf_str(&want));
	dbuf_clear(&b);
	dbuf_clear(&want);
}

/* Where a command can be taken apart, a shell must see the same words. */
static void
test_T18_same_words_as_a_shell(void **state)
{
	struct cmdline	 c;
	struct dbuf	 b, want;
	char		 got[4096];
	size_t		 i, k, n = 0;

	(void)state;
	dbuf_init(&b, 65536);
	dbuf_init(&want, 65536);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].words == NULL || strncmp(table[i].command,
		    "echo ", 5) != 0)
			continue;
		assert_int_equal(cmdline_parse(&c, str_of(table[i].command)),
		    CMDLINE_OK);
		assert_int_equal(c.nseg, 1);
		dbuf_reset(&b);
		dbuf_reset(&want);
		dbuf_printf(&b, "printf '[%%s]' %s", table[i].command + 5);
		for (k = 1; k < c.seg[0].argc; k++)
			dbuf_printf(&want, "[%s]", c.seg[0].argv[k]);
		shell_words(dbuf_str(&b), got, sizeof(got));
		assert_string_equal(got, dbuf_str(&want));
		cmdline_clear(&c);
		n++;
	}
	assert_true(n > 20);
	dbuf_clear(&b);
	dbuf_clear(&want);
}

/* What is shown to a human must be all there is (T23). */
static void
test_T23_what_cannot_be_shown(void **state)
{
	(void)state;
	assert_true(cmdline_visible(STR_LIT("rm -r x\n\ty")));
	assert_true(cmdline_visible(STR_LIT("echo \xc3\xa4 \xe4\xb8\xad")));
	assert_false(cmdline_visible(STR_LIT("ls \xe2\x80\xae" "di")));
	assert_false(cmdline_visible(STR_LIT("ls \xe2\x80\x8b" "x")));
	assert_false(cmdline_visible(STR_LIT("ls \xe2\x81\xa6x")));
	assert_false(cmdline_visible(STR_LIT("ls \xef\xbb\xbfx")));
	assert_false(cmdline_visible(STR_LIT("ls \xc2\xadx")));
	assert_false(cmdline_visible(STR_LIT("ls \xf3\xa0\x81\x81")));
	assert_false(cmdline_visible(STR_LIT("ls \x1b[1A")));
	assert_false(cmdline_visible(STR_LIT("ls \rid")));
	assert_false(cmdline_visible(STR_LIT("ls \xff")));
	assert_false(cmdline_visible(STR_LIT("ls \xc2\x9b" "1A")));
}

static void
test_globs(void **state)
{
	static const struct { const char *pat, *path; bool fits; } t[] = {
		{ "/usr/bin/ls", "/usr/bin/ls", true },
		{ "/usr/bin/ls", "/usr/bin/lsx", false },
		{ "/usr/bin/LS", "/usr/bin/ls", false },
		{ "/usr/bin/*", "/usr/bin/ls", true },
		{ "/usr/bin/*", "/usr/bin/x/ls", false },
		{ "/usr/bin/*", "/usr/bin/", true },
		{ "/usr/**", "/usr/bin/x/ls", true },
		{ "/usr/**/ls", "/usr/bin/x/ls", true },
		{ "/usr/**/ls", "/usr/bin/x/lsx", false },
		{ "/usr/bin/l?", "/usr/bin/ls", true },
		{ "/usr?bin/ls", "/usr/bin/ls", false },
		{ "/usr/*/ls", "/usr/bin/ls", true },
		{ "/usr/*/ls", "/usr/local/bin/ls", false },
		{ "**", "/usr/bin/ls", true },
		{ "*", "/usr/bin/ls", false },
		{ "/usr/**b*/l*s", "/usr/x/bin/list", false },
		{ "/usr/**b*/l*t", "/usr/x/bin/list", true },
		{ "", "", true },
		{ "", "x", false },
		{ "[a]", "a", false },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (execlist_glob(t[i].pat, t[i].path) != t[i].fits) {
			print_message("%s %s\n", t[i].pat, t[i].path);
			fail();
		}
}

static void
test_T19_kinds(void **state)
{
	static const struct { const char *path; enum execkind kind; } t[] = {
		{ "/usr/bin/ls", EXEC_PROGRAM },
		{ "/usr/bin/uname", EXEC_PROGRAM },
		{ "/usr/bin/base64", EXEC_PROGRAM },
		{ "/usr/bin/sha256sum", EXEC_PROGRAM },
		{ "env", EXEC_WRAPPER },
		{ "/bin/sh", EXEC_WRAPPER },
		{ "/bin/bash-static", EXEC_WRAPPER },
		{ "/bin/bash5", EXEC_WRAPPER },
		{ "/usr/bin/busybox", EXEC_WRAPPER },
		{ "/bin/toybox", EXEC_WRAPPER },
		{ "/usr/bin/coreutils", EXEC_WRAPPER },
		{ "/usr/bin/nice", EXEC_WRAPPER },
		{ "/usr/bin/timeout", EXEC_WRAPPER },
		{ "/usr/bin/xargs", EXEC_WRAPPER },
		{ "/usr/bin/find", EXEC_WRAPPER },
		{ "/usr/bin/script", EXEC_WRAPPER },
		{ "/usr/bin/setarch", EXEC_WRAPPER },
		{ "/usr/bin/linux64", EXEC_WRAPPER },
		{ "/usr/bin/vim.basic", EXEC_WRAPPER },
		{ "/usr/bin/sort", EXEC_WRAPPER },
		{ "/lib64/ld-linux-x86-64.so.2", EXEC_WRAPPER },
		{ "/usr/bin/python3", EXEC_INTERPRETER },
		{ "/usr/bin/python3.11", EXEC_INTERPRETER },
		{ "/usr/bin/perl5.36.0", EXEC_INTERPRETER },
		{ "/usr/bin/perl5.36-x86_64-linux-gnu", EXEC_INTERPRETER },
		{ "/usr/bin/mawk", EXEC_INTERPRETER },
		{ "/usr/bin/sed", EXEC_INTERPRETER },
		{ "/usr/bin/lua5.4", EXEC_INTERPRETER },
		{ "/usr/bin/node", EXEC_INTERPRETER },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (execpath_kind(t[i].path) != t[i].kind) {
			print_message("%s\n", t[i].path);
			fail();
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_T18_table),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_T18_quoted_words_come_back),
		cmocka_unit_test(test_T18_same_words_as_a_shell),
		cmocka_unit_test(test_T23_what_cannot_be_shown),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_T19_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
