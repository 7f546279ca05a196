/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Which commands run, which are asked about, what an answer is worth, and the
 * file that remembers. */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/toold_rig.h"
#include "toold/execjudge.h"

/* A call that waits for an answer. */
static void
wait_for_question(const char *id, const char *args)
{
	unsigned int	 before = asked;

	send_call(id, "exec", "agent:main:main", args);
	UNTIL(asked > before);
	UNTIL(accept_status == TOOL_WAITING);
}

static const char *
result(unsigned int before)
{
	UNTIL(dones > before);
	return json_string_value(json_object_get(json_array_get(
	    json_object_get(done, "content"), 0), "text"));
}

/* Of a command, without running it: "runs", "asks" or "asks, once". */
static const char *
verdict(const char *command, const char *env)
{
	static char		 text[600];
	struct execjudge_in	 in;
	struct execplan		*p;
	json_t			*vars = env == NULL ? NULL : json_loads(env, 0,
				    NULL);

	memset(&in, 0, sizeof(in));
	in.command = str_of(command);
	in.agent = "main";
	in.cwd = ws;
	in.workspace = ws;
	in.env = STR_LIT("A=b");
	in.env_call = vars;
	in.list = &t.execlist;
	p = execjudge(&in);
	assert_non_null(p);
	assert_int_equal(strlen(p->digest), 64);
	snprintf(text, sizeof(text), "%s", p->covered ? "runs" :
	    p->grantable ? "asks" : "asks, once");
	assert_true(p->covered || p->why[0] != '\0');
	execplan_free(p);
	json_decref(vars);
	return text;
}

static void
load(const char *json)
{
	char	 why[256];
	json_t	*root = execlist_parse(str_of(json), why, sizeof(why));

	assert_non_null(root);
	json_decref(t.execlist.root);
	t.execlist.root = root;
}

static void
test_default_list(void **state)
{
	(void)state;
	start_as_is("");
	assert_false(t.execlist.exists);
	assert_string_equal(verdict("uname -a", NULL), "runs");
	assert_string_equal(verdict("/usr/bin/uname -a", NULL), "runs");
	assert_string_equal(verdict("/bin/uname -a", NULL), "runs");
	assert_string_equal(verdict("ls -l | head -3 && date; wc -l x", NULL),
	    "runs");
	assert_string_equal(verdict("touch x", NULL), "asks");
	assert_string_equal(verdict("ls; touch x", NULL), "asks");
	assert_string_equal(verdict("ls | tee x", NULL), "asks");
	assert_string_equal(verdict("nosuchprogram", NULL), "asks, once");
	assert_string_equal(verdict("./ls", NULL), "asks, once");
	assert_string_equal(verdict("cd x && ls", NULL), "asks, once");
	assert_string_equal(call("exec", "{\"command\":\"echo hi there\"}"),
	    "hi there\n");
	assert_int_equal(asked, 0);
	assert_int_equal(accept_status, TOOL_RUNNING);
	/* no shell is in between: this is one argument */
	assert_string_equal(call("exec", "{\"command\":\"echo '$HOME;id'\"}"),
	    "$HOME;id\n");
	assert_string_equal(call("exec",
	    "{\"command\":\"printf 'a\\\\nb\\\\n' | tail -n 1; echo c\"}"),
	    "b\nc\n");
	assert_int_equal(asked, 0);
	stop();
}

/* Whatever a shell would make more of than words is asked about. */
static void
test_T18_metasyntax_is_asked_about(void **state)
{
	static const char *const bad[] = { "ls > x", "ls >/dev/null",
		"ls 2>&1", "cat < x", "cat <<E", "ls $(touch x)",
		"ls `touch x`", "ls \"$(touch x)\"", "ls $HOME", "ls & touch x",
		"ls\ntouch x", "ls \\\ntouch", "(touch x)", "{ touch x; }",
		"ls *", "ls ~", "! ls", "if ls; then touch x; fi", "A=b ls",
		"PATH=. ls", "ls |& touch x", "ls '", "ls # x", "ls\rid",
		"eval ls", "exec ls", ". x", "source x", "command ls",
		"builtin echo", "alias ls=touch", "trap ls EXIT" };
	size_t	 i;

	(void)state;
	start_as_is("");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(verdict(bad[i], NULL), "asks, once") != 0) {
			print_message("%s: %s\n", bad[i], verdict(bad[i],
			    NULL));
			fail();
		}
	stop();
}

/* What runs another program never inherits that program's allowance, nor has
 * one of its own, whatever the list says. */
static void
test_T19_wrappers(void **state)
{
	static const char *const bad[] = { "env ls", "sh -c ls", "sh ls",
		"bash -c ls", "dash -c ls", "nice ls", "timeout 5 ls",
		"nohup ls", "setsid ls", "xargs ls", "stdbuf -o0 ls",
		"find . -exec ls ;", "find .", "env -S 'ls'", "ls | xargs ls",
		"ls | sh", "/usr/bin/env ls", "/bin/sh -c ls", "time ls",
		"script -c ls", "busybox ls", "toybox ls", "setarch -R ls",
		"linux64 ls", "ionice ls", "chrt 1 ls", "flock x ls",
		"sort --compress-program=touch x", "unshare ls",
		"/lib64/ld-linux-x86-64.so.2 /bin/ls",
		"/usr/lib64/ld-linux-x86-64.so.2 /bin/ls" };
	size_t	 i;

	(void)state;
	start_as_is("");
	load("{\"version\":1,\"agents\":{\"*\":{\"allowlist\":["
	    "{\"pattern\":\"/**\"},{\"pattern\":\"**\"},"
	    "{\"pattern\":\"/usr/bin/env\"},{\"pattern\":\"/usr/bin/dash\"},"
	    "{\"pattern\":\"env\"},{\"pattern\":\"sh\"}]}}}");
	assert_string_equal(verdict("ls", NULL), "runs");
	assert_string_equal(verdict("touch x", NULL), "runs");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(verdict(bad[i], NULL), "asks, once") != 0) {
			print_message("%s: %s\n", bad[i], verdict(bad[i],
			    NULL));
			fail();
		}
	/* an interpreter: named whole, and with a file first; never by a
	 * pattern, never with code of the call */
	assert_string_equal(verdict("sed s/a/b/ x", NULL), "asks, once");
	load("{\"version\":1,\"agents\":{\"main\":{\"allowlist\":["
	    "{\"pattern\":\"/usr/bin/sed\"}]}}}");
	assert_string_equal(verdict("sed s/a/b/ x", NULL), "runs");
	assert_string_equal(verdict("sed -e s/a/b/ x", NULL), "asks, once");
	assert_string_equal(verdict("sed", NULL), "asks, once");
	stop();
}

static void
test_T20_environment_of_allowed_commands(void **state)
{
	(void)state;
	start_as_is("");
	assert_string_equal(verdict("ls", "{\"LANG\":\"C\",\"TZ\":\"UTC\"}"),
	    "runs");
	assert_string_equal(verdict("ls", "{\"GREP_OPTIONS\":\"-f x\"}"),
	    "asks, once");
	assert_string_equal(verdict("ls", "{\"LS_COLORS\":\"x\"}"),
	    "asks, once");
	HAS(call("exec", "{\"command\":\"ls\",\"env\":{\"LD_PRELOAD\":"
	    "\"x\"}}"), "LD_PRELOAD may not be set by a call");
	assert_int_equal(asked, 0);
	stop();
}

static void
test_safe_bins(void **state)
{
	static const struct { const char *argv[5]; bool ok; } rows[] = {
		{ { "head", "-n", "5" }, true },
		{ { "head", "-5" }, true },
		{ { "head", "x" }, false },
		{ { "head", "-n", "5", "x" }, false },
		{ { "cut", "-d", "/", "-f1" }, true },
		{ { "cut", "-f1", "a/b" }, false },
		{ { "tr", "a-z", "A-Z" }, true },
		{ { "tr", "a", "b", "c" }, false },
		{ { "tr", "/", "x" }, false },
		{ { "wc", "-l", "-" }, true },
		{ { "wc", "--files0-from=x" }, false },
		{ { "wc", "--files=x" }, false },
		{ { "wc", "--", "x" }, false },
		{ { "uniq", "in", "out" }, false },
		{ { "other", "-x" }, true },
		{ { "other", "-x/y" }, false },
		{ { "other", "--f=/y" }, false },
		{ { "other", "y" }, false },
	};
	size_t	 i, n;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (n = 0; n < 5 && rows[i].argv[n] != NULL; n++)
			;
		if (execjudge_safe_bin(rows[i].argv[0], (char *const *)
		    (uintptr_t)rows[i].argv, n) != rows[i].ok) {
			print_message("row %zu: %s\n", i, rows[i].argv[1]);
			fail();
		}
	}
	start_as_is("");
	load("{\"version\":1}");
	assert_string_equal(verdict("head -n 3", NULL), "runs");
	assert_string_equal(verdict("head -n 3 x", NULL), "asks");
	assert_string_equal(verdict("ls", NULL), "asks");
	stop();
}

static void
test_answers(void **state)
{
	unsigned int	 before;

	(void)state;
	start_as_is("");
	wait_for_question("a1", "{\"command\":\"touch made; echo made\"}");
	assert_string_equal(question.command, "touch made; echo made");
	assert_string_equal(question.path, "/usr/bin/touch");
	HAS(question.reason, "/usr/bin/touch is not on the allow-list");
	assert_true(question.always);
	assert_int_equal(question.ms, 120000);
	HAS(dbuf_str(&streamed), "Waiting for an operator's approval");
	before = dones;
	decide(NULL, AP_ALLOW_ONCE);
	assert_string_equal(result(before), "made\n");
	assert_int_equal(accept_status, TOOL_RUNNING);
	/* once was once */
	wait_for_question("a2", "{\"command\":\"touch made\"}");
	before = dones;
	decide(NULL, AP_DENY);
	HAS(result(before), "Denied: the tester refused this command");
	assert_int_equal(accept_status, TOOL_DENIED);
	assert_int_equal(done_error, 1);
	assert_string_equal(detail("status"), "denied");
	assert_string_equal(detail("approvalId"), question.id);
	/* always, and it is on disk before it counts */
	wait_for_question("a3", "{\"command\":\"touch made\"}");
	before = dones;
	decide(NULL, AP_ALLOW_ALWAYS);
	assert_string_equal(result(before), "(no output)");
	assert_true(t.execlist.exists);
	before = asked;
	assert_string_equal(call("exec", "{\"command\":\"touch other\"}"),
	    "(no output)");
	assert_int_equal(asked, before);
	stop();
	/* a new process knows it */
	start_as_is("");
	assert_string_equal(call("exec", "{\"command\":\"touch third\"}"),
	    "(no output)");
	assert_string_equal(call("exec", "{\"command\":\"uname\"}"),
	    "Linux\n");
	assert_int_equal(asked, 0);
	unlinkat(t.spool_fd, EXECLIST_NAME, 0);
	t.execlist.used = false;
	stop();
}

/* An answer counts for the command it was given for, and once. */
static void
test_T23_digest(void **state)
{
	unsigned int	 before;
	char		 first[65], id[65];

	(void)state;
	start_as_is("");
	wait_for_question("d1", "{\"command\":\"touch one\"}");
	strlcpy(first, question.digest, sizeof(first));
	strlcpy(id, question.id, sizeof(id));
	wait_for_question("d2", "{\"command\":\"touch two\"}");
	assert_string_not_equal(question.digest, first);
	/* the other's digest: the router speaks of something else */
	before = dones;
	decide(first, AP_ALLOW_ONCE);
	UNTIL(violation != MSG_OK);
	assert_int_equal(violation, MSG_MEANING);
	UNTIL(t.router == NULL);
	assert_int_equal(dones, before);
	assert_int_equal(t.njobs, 0);
	/* a new router is asked both again, under their names */
	if (router != NULL) {
		link_free(router);
		router = NULL;
	}
	before = asked;
	join(ROLE_ROUTER);
	UNTIL(asked == before + 2);
	before = dones;
	decide(NULL, AP_DENY);
	result(before);
	/* again: nobody waits for it any more, nothing happens */
	decide(NULL, AP_ALLOW_ONCE);
	before = dones;
	cancel(strcmp(question.id, id) == 0 ? "d2" : "d1");
	result(before);
	assert_int_equal(t.njobs, 0);
	assert_int_equal(t.nquestions, 0);
	stop();
}

/* The same words in another folder, with other variables, are another
 * command. */
static void
test_T23_what_the_digest_covers(void **state)
{
	struct execjudge_in	 in;
	struct execplan		*p;

	(void)state;
	start_as_is("");
	memset(&in, 0, sizeof(in));
	in.command = STR_LIT("touch x");
	in.agent = "main";
	in.cwd = ws;
	in.workspace = ws;
	in.env = (struct str){"A=b\0", 4};
	in.list = &t.execlist;
	p = execjudge(&in);
	assert_true(execplan_same(p, &in));
	in.cwd = "/elsewhere";
	assert_false(execplan_same(p, &in));
	in.cwd = ws;
	in.env = (struct str){"A=c\0", 4};
	assert_false(execplan_same(p, &in));
	in.env = (struct str){"A=b\0", 4};
	in.agent = "other";
	assert_false(execplan_same(p, &in));
	in.agent = "main";
	in.command = STR_LIT("touch  x");
	assert_false(execplan_same(p, &in));
	in.command = STR_LIT("touch x");
	assert_true(execplan_same(p, &in));
	execplan_free(p);
	/* what cannot be shown is not asked */
	HAS(call("exec", "{\"command\":\"touch \\u202exe\"}"),
	    "characters that cannot be shown");
	assert_int_equal(asked, 0);
	stop();
}

static bool
put(const char *path, const char *text)
{
	ssize_t	 n = (ssize_t)strlen(text);
	int	 fd = open(path, O_WRONLY);
	bool	 ok = fd != -1 && write(fd, text, (size_t)n) == n;

	if (fd != -1)
		close(fd);
	return ok;
}

static bool
map_root(void)
{
	char	 uid[64], gid[64];

	snprintf(uid, sizeof(uid), "0 %d 1", (int)getuid());
	snprintf(gid, sizeof(gid), "0 %d 1", (int)getgid());
	if (unshare(CLONE_NEWNS) == 0)
		return true;
	/* The group as well: nobody makes a file for one without a number. */
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	    put("/proc/self/setgroups", "deny") &&
	    put("/proc/self/uid_map", uid) && put("/proc/self/gid_map", gid);
}

static void
put_program(const char *path, const char *text)
{
	char	 tmp[128];
	int	 fd;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd == -1 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)
	    || fchmod(fd, 0755) == -1 || close(fd) == -1 ||
	    rename(tmp, path) == -1)
		_exit(12);
}

/* In a mount namespace of its own, with a /usr/local/bin that can be changed
 * without changing the host's.  Exit status 0: all is well; 77: not here. */
static void
swapped_child(void)
{
	static const char	 path[] = "/usr/local/bin/gwtool";
	struct execjudge_in	 in;
	struct execplan		*p;

	if (!map_root() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)
	    == -1 || mount("tmpfs", "/usr/local/bin", "tmpfs", 0, "mode=755")
	    == -1)
		_exit(77);
	memset(&in, 0, sizeof(in));
	in.command = STR_LIT("gwtool --now");
	in.agent = "main";
	in.cwd = ws;
	in.workspace = ws;
	in.list = &t.execlist;
	put_program(path, "#!/bin/sh\ntrue\n");
	p = execjudge(&in);
	if (p == NULL || strcmp(p->id[0].path, path) != 0 || !p->grantable ||
	    !execplan_same(p, &in))
		_exit(1);
	/* another file of that name, as long as the first */
	put_program(path, "#!/bin/sh\nfail\n");
	if (execplan_same(p, &in))
		_exit(2);
	execplan_free(p);
	/* the same file, written over in place */
	p = execjudge(&in);
	if (truncate(path, 0) == -1 || execplan_same(p, &in))
		_exit(3);
	execplan_free(p);
	/* writable by others: not to be trusted at all (T22) */
	p = execjudge(&in);
	if (chmod(path, 0777) == -1 || execplan_same(p, &in))
		_exit(4);
	execplan_free(p);
	p = execjudge(&in);
	if (p->grantable || strstr(p->why, "changed by others") == NULL)
		_exit(5);
	execplan_free(p);
	/* a link out of the system's folders */
	if (unlink(path) == -1 || symlink("/tmp/gwtool", path) == -1)
		_exit(6);
	p = execjudge(&in);
	if (p->grantable || p->id[0].path[0] != '\0')
		_exit(7);
	execplan_free(p);
	/* a link to a shell is a shell (T19) */
	if (unlink(path) == -1 || symlink("/bin/sh", path) == -1)
		_exit(8);
	p = execjudge(&in);
	if (p->grantable || p->direct)
		_exit(9);
	_exit(0);
}

static void
test_T23_program_swapped(void **state)
{
	pid_t	 pid;
	int	 st;

	(void)state;
	start_as_is("");
	if ((pid = fork()) == 0)
		swapped_child();
	assert_int_equal(waitpid(pid, &st, 0), pid);
	stop();
	assert_true(WIFEXITED(st));
	if (WEXITSTATUS(st) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void
test_expiry_and_fallback(void **state)
{
	unsigned int	 before;

	(void)state;
	start_as_is("{\"exec\":{\"askTimeoutSec\":1}}");
	before = dones;
	wait_for_question("e1", "{\"command\":\"touch late\"}");
	HAS(result(before), "no operator approved this command within 1 "
	    "seconds");
	assert_string_equal(detail("status"), "approval-timeout");
	UNTIL(expired == 1);
	assert_int_equal(expired_how, AP_TIMED_OUT);
	/* too late */
	decide(NULL, AP_ALLOW_ONCE);
	/* a list that says so lets it run after all */
	load("{\"version\":1,\"defaults\":{\"askFallback\":\"allowlist\"}}");
	before = dones;
	wait_for_question("e2", "{\"command\":\"touch late\"}");
	HAS(result(before), "no operator approved");
	/* never more than the policy: full is cut to allowlist */
	load("{\"version\":1,\"defaults\":{\"askFallback\":\"full\"}}");
	before = dones;
	wait_for_question("e3", "{\"command\":\"touch late\"}");
	HAS(result(before), "no operator approved");
	load("{\"version\":1,\"defaults\":{\"askFallback\":\"full\"},"
	    "\"agents\":{\"main\":{\"ask\":\"always\"}}}");
	t.policy.security = EXEC_FULL;
	before = dones;
	wait_for_question("e4", "{\"command\":\"touch late\"}");
	assert_false(question.always);
	assert_string_equal(result(before), "(no output)");
	assert_int_equal(t.nquestions, 0);
	stop();
}

static void
test_file_makes_stricter(void **state)
{
	(void)state;
	start("");		/* security full */
	load("{\"version\":1,\"defaults\":{\"security\":\"deny\"}}");
	HAS(call("exec", "{\"command\":\"echo hi\"}"), "switched off (security"
	    " \"deny\" in exec-approvals.json)");
	assert_int_equal(accept_status, TOOL_DENIED);
	load("{\"version\":1,\"defaults\":{\"security\":\"deny\"},\"agents\":"
	    "{\"main\":{\"security\":\"allowlist\",\"ask\":\"off\"}}}");
	/* and so the list counts, which is empty */
	wait_for_question("f1", "{\"command\":\"echo hi\"}");
	stop();
}

static void
test_ask_off(void **state)
{
	(void)state;
	start_as_is("{\"exec\":{\"ask\":\"off\"}}");
	assert_string_equal(call("exec", "{\"command\":\"echo hi\"}"), "hi\n");
	HAS(call("exec", "{\"command\":\"touch x\"}"), "Denied: the allow-list"
	    " does not cover this command: /usr/bin/touch is not on");
	HAS(call("exec", "{\"command\":\"echo $HOME\"}"), "it uses $");
	assert_int_equal(asked, 0);
	stop();
}

static void
test_call_ends_while_asked(void **state)
{
	unsigned int	 before;

	(void)state;
	start_as_is("");
	before = dones;
	wait_for_question("g1", "{\"command\":\"touch x\"}");
	cancel("g1");
	HAS(result(before), "aborted; the command was not run");
	UNTIL(expired == 1);
	assert_int_equal(expired_how, AP_WITHDRAWN);
	decide(NULL, AP_ALLOW_ONCE);
	/* agentd dies */
	wait_for_question("g2", "{\"command\":\"touch x\"}");
	link_free(agent);
	agent = NULL;
	UNTIL(expired == 2);
	decide(NULL, AP_ALLOW_ONCE);
	assert_int_equal(t.nquestions, 0);
	/* order: the answer was read before this one */
	ask_rpc("exec.approvals.get", SCOPE_ADMIN, "{}");
	assert_int_equal(t.njobs, 0);
	unlinkat(t.spool_fd, EXECLIST_NAME, 0);
	stop();
}

/* agentd, and a router's message for somebody else, decide nothing. */
static void
test_T25_wrong_approver(void **state)
{
	struct m_ap_decision	 d;

	(void)state;
	start_as_is("");
	wait_for_question("w1", "{\"command\":\"touch x\"}");
	memset(&d, 0, sizeof(d));
	d.id = str_of(question.id);
	d.digest = str_of(question.digest);
	d.verdict = AP_ALLOW_ONCE;
	/* not on that link at all: its own code refuses to send it */
	assert_int_equal(send_ap_decision(agent, &d, link_corr(), 0), -1);
	/* another id is nobody's */
	d.id = STR_LIT("00000000-0000-4000-8000-000000000000");
	assert_int_equal(send_ap_decision(router, &d, link_corr(), 0), 0);
	ask_rpc("exec.approvals.get", SCOPE_ADMIN, "{}");
	assert_int_equal(t.nquestions, 1);
	assert_int_equal(t.njobs, 0);
	/* nor can a lesser client read or change the list */
	ask_rpc("exec.approvals.get", SCOPE_READ | SCOPE_APPROVALS, "{}");
	assert_null(rpc);
	assert_string_equal(rpc_message, "missing scope: operator.admin");
	ask_rpc("exec.approvals.set", SCOPE_WRITE, "{}");
	assert_string_equal(rpc_message, "missing scope: operator.admin");
	unlinkat(t.spool_fd, EXECLIST_NAME, 0);
	stop();
}

/* What only the host may say is no parameter of the tool. */
static void
test_T24_the_call_cannot_approve_itself(void **state)
{
	static const char *const names[] = { "approved", "approvalDecision",
		"approvalId", "resolvedBy" };
	char	 args[128];
	size_t	 i;

	(void)state;
	start_as_is("");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(args, sizeof(args), "{\"command\":\"touch x\","
		    "\"%s\":\"allow-always\"}", names[i]);
		call("exec", args);
		assert_int_equal(done_error, 1);
		assert_int_equal(accept_status, TOOL_DENIED);
	}
	assert_int_equal(asked, 0);
	assert_int_equal(t.njobs, 0);
	stop();
}

static void
test_many_questions(void **state)
{
	char	 id[16];
	int	 i;

	(void)state;
	start_as_is("");
	for (i = 0; i < TOOLD_QUESTIONS_MAX; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		send_call(id, "exec", "agent:main:main",
		    "{\"command\":\"touch x\"}");
	}
	UNTIL(asked == TOOLD_QUESTIONS_MAX);
	HAS(call("exec", "{\"command\":\"touch x\"}"),
	    "too many commands wait for approval");
	stop();
	assert_int_equal(t.nquestions, 0);
}

static void
test_rpc(void **state)
{
	const char	*hash;
	char		 params[512];

	(void)state;
	start_as_is("");
	ask_rpc("exec.approvals.get", SCOPE_ADMIN, "{}");
	assert_non_null(rpc);
	assert_true(json_is_true(json_object_get(rpc, "exists")));
	hash = json_string_value(json_object_get(rpc, "hash"));
	HAS(json_string_value(json_object_get(rpc, "path")), "/spool/exec-"
	    "approvals.json");
	ask_rpc("exec.approvals.set", SCOPE_ADMIN, "{\"file\":{\"version\":1}"
	    "}");
	HAS(rpc_message, "base hash required");
	ask_rpc("exec.approvals.set", SCOPE_ADMIN, "{\"file\":{\"version\":1},"
	    "\"baseHash\":\"00\"}");
	HAS(rpc_message, "changed since last load");
	ask_rpc("exec.approvals.get", SCOPE_ADMIN, "{}");
	hash = json_string_value(json_object_get(rpc, "hash"));
	snprintf(params, sizeof(params), "{\"file\":{\"version\":1,\"agents\":"
	    "{\"work\":{}}},\"baseHash\":\"%s\"}", hash);
	ask_rpc("exec.approvals.set", SCOPE_ADMIN, params);
	HAS(rpc_message, "agents.work: this is the list of agent main");
	snprintf(params, sizeof(params), "{\"file\":{\"version\":1,\"agents\":"
	    "{\"default\":{\"allowlist\":[{\"pattern\":\"/usr/bin/touch\"}]}}"
	    "},\"baseHash\":\"%s\"}", t.execlist.hash);
	ask_rpc("exec.approvals.set", SCOPE_ADMIN, params);
	assert_non_null(rpc);
	assert_string_equal(verdict("touch x", NULL), "runs");
	assert_string_equal(verdict("ls", NULL), "asks");
	/* use is noted, and does not count as a change */
	strlcpy(params, t.execlist.hash, sizeof(params));
	assert_string_equal(call("exec", "{\"command\":\"touch x\"}"),
	    "(no output)");
	ask_rpc("exec.approvals.get", SCOPE_ADMIN, "{}");
	assert_string_equal(json_string_value(json_object_get(rpc, "hash")),
	    params);
	assert_true(t.execlist.used);
	stop();
	start_as_is("");
	assert_false(t.execlist.broken);
	assert_string_equal(verdict("touch x", NULL), "runs");
	assert_non_null(json_object_get(json_array_get(json_object_get(
	    json_object_get(json_object_get(t.execlist.root, "agents"),
	    "main"), "allowlist"), 0), "lastUsedAt"));
	unlinkat(t.spool_fd, EXECLIST_NAME, 0);
	stop();
}

static void
test_broken_file(void **state)
{
	int	 fd;

	(void)state;
	start_as_is("");
	fd = openat(t.spool_fd, EXECLIST_NAME, O_WRONLY | O_CREAT, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, "{\"version\":1,", 13), 13);
	close(fd);
	stop();
	start("");		/* even so */
	assert_true(t.execlist.broken);
	wait_for_question("b1", "{\"command\":\"echo hi\"}");
	assert_false(question.always);
	unlinkat(t.spool_fd, EXECLIST_NAME, 0);
	stop();
}

static void
test_bad_files(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"version\":2}",
		"{\"version\":1,\"x\":1}", "{\"version\":1,\"defaults\":[]}",
		"{\"version\":1,\"defaults\":{\"security\":\"maybe\"}}",
		"{\"version\":1,\"defaults\":{\"ask\":\"full\"}}",
		"{\"version\":1,\"defaults\":{\"askFallback\":true}}",
		"{\"version\":1,\"defaults\":{\"autoAllowSkills\":1}}",
		"{\"version\":1,\"defaults\":{\"allowlist\":[]}}",
		"{\"version\":1,\"agents\":[]}",
		"{\"version\":1,\"agents\":{\"a\":[]}}",
		"{\"version\":1,\"agents\":{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":{}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":{}}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[1]}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[{}]}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[{\"pattern\""
		    ":\"\"}]}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[{\"pattern\""
		    ":\"/a\\nb\"}]}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[{\"pattern\""
		    ":\"/*****************x\"}]}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[{\"pattern\""
		    ":\"/a\",\"more\":1}]}}}",
		"{\"version\":1,\"agents\":{\"a\":{\"allowlist\":[{\"pattern\""
		    ":\"/a\",\"lastUsedAt\":\"now\"}]}}}" };
	char	 why[256];
	json_t	*root;
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		if ((root = execlist_parse(str_of(bad[i]), why,
		    sizeof(why))) != NULL || why[0] == '\0') {
			print_message("%s\n", bad[i]);
			fail();
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_list),
		cmocka_unit_test(test_T18_metasyntax_is_asked_about),
		cmocka_unit_test(test_T19_wrappers),
		cmocka_unit_test(test_T20_environment_of_allowed_commands),
		cmocka_unit_test(test_safe_bins),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_T23_digest),
		cmocka_unit_test(test_T23_what_the_digest_covers),
		cmocka_unit_test(test_T23_program_swapped),
		cmocka_unit_test(test_expiry_and_fallback),
		cmocka_unit_test(test_file_makes_stricter),
		cmocka_unit_test(test_ask_off),
		cmocka_unit_test(test_call_ends_while_asked),
		cmocka_unit_test(test_T25_wrong_approver),
		cmocka_unit_test(test_T24_the_call_cannot_approve_itself),
		cmocka_unit_test(test_many_questions),
		cmocka_unit_test(test_rpc),
		cmocka_unit_test(test_broken_file),
		cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
