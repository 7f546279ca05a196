/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */
#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/methods.h"

static const char *
judge(const char *method, const char *params)
{
	static struct dbuf	 err;
	struct skim_val		 v[METHOD_PARAMS_MAX], p = { 0 };
	const struct method	*m = method_find(str_of(method));
	int			 r;

	assert_non_null(m);
	if (params != NULL)
		assert_int_equal(skim_text(params, strlen(params), &p),
		    SKIM_OK);
	if (err.max == 0)
		dbuf_init(&err, METHOD_ERROR_MAX);
	dbuf_clear(&err);
	r = method_params(m, 3, &p, v, &err);
	assert_int_equal(r == 0, err.n == 0);
	return dbuf_str(&err);
}

static void
test_texts(void **state)
{
	static const struct { const char *m, *params, *text; } t[] = {
		{ "chat.history", "{\"sessionKey\":\"main\"}", "" },
		{ "chat.history", "{\"sessionKey\":\"main\",\"limit\":2.0}", "" },
		{ "chat.history", NULL,
		    "must have required property 'sessionKey'" },
		{ "chat.history", "{}",
		    "must have required property 'sessionKey'" },
		{ "chat.history", "[]", "must be object" },
		{ "chat.history", "null", "must be object" },
		{ "chat.history", "{\"sessionKey\":\"\"}", "at /sessionKey: "
		    "must NOT have fewer than 1 characters" },
		{ "chat.history", "{\"sessionKey\":7,\"limit\":\"x\"}",
		    "at /sessionKey: must be string; at /limit: must be "
		    "integer" },
		{ "chat.history", "{\"limit\":0,\"x\":1}", "at root: "
		    "unexpected property 'x'; must have required property "
		    "'sessionKey'; at /limit: must be >= 1" },
		{ "chat.history", "{\"sessionKey\":\"m\",\"limit\":1001}",
		    "at /limit: must be <= 1000" },
		{ "chat.history", "{\"sessionKey\":\"m\",\"limit\":1.5}",
		    "at /limit: must be integer" },
		{ "chat.history", "{\"session\\u004bey\":\"m\"}", "" },
		{ "chat.history", "{\"sessionKey\":null}",
		    "at /sessionKey: must be string" },
		{ "sessions.preview", "{\"keys\":[]}",
		    "at /keys: must NOT have fewer than 1 items" },
		{ "sessions.preview", "{\"keys\":[\"a\",1,\"\"]}",
		    "at /keys/1: must be string; at /keys/2: must NOT have "
		    "fewer than 1 characters" },
		{ "sessions.list", "{\"label\":\"0123456789012345678901234567"
		    "89012345678901234567890123456789012\\u20ac\"}", "" },
		{ "sessions.list", "{\"label\":\"0123456789012345678901234567"
		    "890123456789012345678901234567890123\\u20ac\"}",
		    "at /label: must NOT have more than 64 characters" },
		{ "config.get", "{\"a\":1,\"a\":2}",
		    "at root: unexpected property 'a'" },
		{ "config.get", NULL, "" },
		{ "health", "{\"probe\":\"x\",\"y\":1}", "" },
		{ "health", "7", "" },
		{ "status", "[]", "" },
		{ "agent", "{\"message\":\"x\",\"idempotencyKey\":\"k\","
		    "\"deliver\":1,\"attachments\":{}}", "at /deliver: must be "
		    "boolean; at /attachments: must be array" },
		{ "connect", "{\"minProtocol\":3,\"maxProtocol\":3,\"client\":"
		    "{\"id\":\"x\",\"version\":\"1\",\"platform\":\"l\","
		    "\"mode\":\"cli\"}}", "at /client/id: must be equal to "
		    "constant; at /client/id: must match a schema in anyOf" },
		{ "connect", "{\"minProtocol\":0,\"maxProtocol\":3,\"client\":"
		    "{\"id\":\"cli\",\"version\":\"1\",\"platform\":\"l\","
		    "\"mode\":\"cli\",\"z\":1},\"device\":{}}",
		    "at /minProtocol: must be >= 1; at /client: unexpected "
		    "property 'z'; at /device: must have required property "
		    "'id'; at /device: must have required property "
		    "'publicKey'; at /device: must have required property "
		    "'signature'; at /device: must have required property "
		    "'signedAt'" },
		{ "connect", "{\"minProtocol\":3,\"maxProtocol\":3,\"client\":"
		    "{\"id\":\"cli\",\"version\":\"1\",\"platform\":\"l\","
		    "\"mode\":\"cli\"},\"permissions\":{\"a\":true,\"b\":1},"
		    "\"scopes\":[\"operator.read\"]}",
		    "at /permissions/b: must be boolean" },
		{ "sessions.patch", "{\"key\":\"k\",\"label\":null,"
		    "\"sendPolicy\":null,\"responseUsage\":\"on\"}", "" },
		{ "sessions.patch", "{\"key\":\"k\",\"label\":7,"
		    "\"model\":\"\",\"sendPolicy\":\"maybe\"}", "at /label: "
		    "must be string; at /label: must be null; at /label: must "
		    "match a schema in anyOf; at /model: must NOT have fewer "
		    "than 1 characters; at /model: must be null; at /model: "
		    "must match a schema in anyOf; at /sendPolicy: must be "
		    "equal to constant; at /sendPolicy: must be null; at "
		    "/sendPolicy: must match a schema in anyOf" },
		{ "gateway.verbose", "{\"level\":\"loud\"}", "at /level: must "
		    "be equal to constant; at /level: must match a schema in "
		    "anyOf" },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (strcmp(judge(t[i].m, t[i].params), t[i].text) != 0)
			fail_msg("%s %s\n got: %s", t[i].m, t[i].params,
			    judge(t[i].m, t[i].params));
}

static void
test_many_failures_stay_short(void **state)
{
	struct dbuf	 b;
	int		 i;

	(void)state;
	dbuf_init(&b, 1 << 20);
	dbuf_putc(&b, '{');
	for (i = 0; i < 10000; i++)
		dbuf_printf(&b, "\"k%d\":1,", i);
	dbuf_puts(&b, "\"sessionKey\":\"main\"}");
	assert_true(strlen(judge("chat.history", dbuf_str(&b))) < 1024);
	dbuf_reset(&b);
	dbuf_puts(&b, "{\"");
	for (i = 0; i < 5000; i++)
		dbuf_puts(&b, "\xe2\x82\xac");
	dbuf_puts(&b, "\":1}");
	assert_true(strlen(judge("config.get", dbuf_str(&b))) < 128);
	assert_true(utf8_valid(judge("config.get", dbuf_str(&b)),
	    strlen(judge("config.get", dbuf_str(&b)))));
	dbuf_clear(&b);
}

static void
test_frame(void **state)
{
	static const struct { const char *f, *text; } t[] = {
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"x\"}", "" },
		{ "{\"type\":\"req\",\"id\":\"1\",\"method\":\"x\","
		    "\"params\":null}", "" },
		{ "{\"type\":\"req\",\"id\":\"1\"}",
		    "must have required property 'method'" },
		{ "{\"type\":\"res\",\"id\":1,\"method\":\"\",\"x\":1}",
		    "at root: unexpected property 'x'; at /type: must be equal "
		    "to constant; at /id: must be string; at /method: must NOT "
		    "have fewer than 1 characters" },
		{ "[]", "must be object" },
	};
	struct dbuf	 err;
	struct skim_val	 v;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		dbuf_init(&err, METHOD_ERROR_MAX);
		assert_int_equal(skim_text(t[i].f, strlen(t[i].f), &v),
		    SKIM_OK);
		method_frame(&v, &err);
		assert_string_equal(dbuf_str(&err), t[i].text);
		dbuf_clear(&err);
	}
}

static void
test_T05_order_of_authorisation(void **state)
{
	static const struct {
		const char	*m;
		enum client_role role;
		unsigned int	 scopes;
		const char	*text;
	} t[] = {
		{ "health", CLIENT_OPERATOR, SCOPE_READ, NULL },
		{ "health", CLIENT_OPERATOR, SCOPE_WRITE, NULL },
		{ "health", CLIENT_OPERATOR, SCOPE_ADMIN, NULL },
		{ "health", CLIENT_OPERATOR, 0, "missing scope: operator.read" },
		{ "health", CLIENT_OPERATOR, SCOPE_PAIRING,
		    "missing scope: operator.read" },
		{ "health", CLIENT_NODE, SCOPE_ADMIN, "unauthorized role: node" },
		{ "chat.send", CLIENT_OPERATOR, SCOPE_READ,
		    "missing scope: operator.write" },
		{ "config.get", CLIENT_OPERATOR, SCOPE_WRITE,
		    "missing scope: operator.admin" },
		{ "cron.list", CLIENT_OPERATOR, SCOPE_READ, NULL },
		{ "no.such", CLIENT_OPERATOR, SCOPE_READ,
		    "missing scope: operator.admin" },
		{ "no.such", CLIENT_OPERATOR, SCOPE_ADMIN, NULL },
		{ "no.such", CLIENT_NODE, 0, "unauthorized role: node" },
		{ "node.event", CLIENT_OPERATOR, SCOPE_ADMIN,
		    "unauthorized role: operator" },
		{ "node.event", CLIENT_NODE, 0, NULL },
		{ "exec.approval.resolve", CLIENT_OPERATOR, SCOPE_READ,
		    "missing scope: operator.approvals" },
		{ "device.pair.list", CLIENT_OPERATOR, SCOPE_READ,
		    "missing scope: operator.pairing" },
		{ "device.pair.list", CLIENT_OPERATOR, SCOPE_PAIRING, NULL },
		{ "gateway.stop", CLIENT_OPERATOR, SCOPE_WRITE,
		    "missing scope: operator.admin" },
	};
	const char	*r;
	size_t		 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		r = method_refusal(method_scope(method_find(
		    str_of(t[i].m)), 3, NULL), t[i].role, t[i].scopes);
		if (t[i].text == NULL ? r != NULL :
		    r == NULL || strcmp(r, t[i].text) != 0)
			fail_msg("row %zu %s: %s", i, t[i].m, r);
	}
}

static void
test_scopes(void **state)
{
	(void)state;
	assert_int_equal(scopes_parse(STR_LIT("operator.read,operator.admin")),
	    SCOPE_READ | SCOPE_ADMIN);
	assert_int_equal(scopes_parse(STR_LIT("operator.write operator.x")),
	    SCOPE_WRITE);
	assert_int_equal(scopes_parse(STR_LIT("")), 0);
	assert_int_equal(scopes_parse(STR_LIT("operator.administrator")), 0);
	assert_int_equal(scopes_parse(STR_LIT(",,operator.pairing,")),
	    SCOPE_PAIRING);
}

static void
test_table(void **state)
{
	const struct method	*m;
	size_t			 i, core = 0;

	(void)state;
	for (i = 0; (m = method_at(i)) != NULL; i++) {
		assert_ptr_equal(method_find(str_of(m->name)), m);
		if (m->id < METHOD_MAX)
			assert_ptr_equal(method_get(m->id), m);
		else
			assert_int_equal(m->listed, LISTED_HIDDEN);
		core += m->listed == LISTED_CORE;
	}
	assert_true(core >= 15);
	assert_null(method_find(STR_LIT("healt")));
	assert_null(method_find(STR_LIT("healthx")));
	assert_null(method_find(STR_LIT("")));
}

static void
test_protocol_choose(void **state)
{
	static const struct { int64_t least, most; uint32_t is; } t[] = {
		{ 3, 3, 3 }, { 1, 3, 3 }, { 3, 4, 4 }, { 1, 9, 4 },
		{ 2, INT64_MAX, 4 }, { 4, 4, 4 }, { 4, 7, 4 }, { 1, 1, 1 },
		{ 1, 2, 2 }, { 2, 2, 2 }, { 5, 5, 0 }, { 5, 9, 0 },
		{ 4, 3, 0 }, { 3, 1, 0 }, { INT64_MAX, INT64_MAX, 0 },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_int_equal(protocol_choose(t[i].least, t[i].most),
		    t[i].is);
}

/*
 * No parameter of any method names a place of the file system, a program or a
 * part of the configuration, so that none can widen what an agent reaches.
 * Whoever adds one adds it here, with the reason why it cannot.
 */
static void
test_T31_no_method_takes_a_place(void **state)
{
	static const char *const	 words[] = { "path", "dir", "file",
		"folder", "root", "workspace", "cwd", "home", "mount", "bind",
		"exec", "command", "argv", "env", "sandbox", "config", "patch",
		"tools", "allow", "policy", "host", "url" };
	static const struct { const char *m, *param; } taken[] = {
		/* what a node says of itself: shown, never used as a place */
		{ "connect", "pathEnv" }, { "connect", "commands" },
		/* words kept in a conversation's entry for clients to show;
		 * toold, which runs commands, never sees an entry */
		{ "sessions.patch", "execHost" },
		{ "sessions.patch", "execSecurity" },
		{ "sessions.patch", "execAsk" },
		{ "sessions.patch", "execNode" },
		/* allow or deny, of answers to that conversation */
		{ "sessions.patch", "sendPolicy" },
		/* a question to an operator: shown; nothing of it is run */
		{ "exec.approval.request", "command" },
		{ "exec.approval.request", "cwd" },
		{ "exec.approval.request", "host" },
		{ "exec.approval.request", "resolvedPath" },
		/* programs that run unasked, in the jail that they do not
		 * widen: what an operator with operator.admin decides */
		{ "exec.approvals.set", "file" },
		/* the same of a node, which judges them; and what a node is
		 * asked to do, by the names that it offers itself */
		{ "exec.approvals.node.set", "file" },
		{ "node.invoke", "command" },
		{ "node.pair.request", "commands" },
		/* where somebody says he is: shown */
		{ "system-event", "host" },
		/* variables for the jobs of one skill, which refuse the names
		 * that load code: what an operator with operator.admin gives */
		{ "skills.update", "env" },
		/* refused whatever they hold: media are not sent yet */
		{ "send", "mediaUrl" },
		{ "send", "mediaUrls" },
	};
	static const struct { const char *m, *param; bool strict; } params[] = {
#define P_STR(n, need, lo, hi)	 { M, #n, S },
#define P_STRS(n, need, lo, hi)	 { M, #n, S },
#define P_ARR(n, need, lo, hi)	 { M, #n, S },
#define P_INT(n, need, lo, hi)	 { M, #n, S },
#define P_BOOL(n, need)		 { M, #n, S },
#define P_BOOLS(n, need)	 { M, #n, S },
#define P_TEXTS(n, need)	 { M, #n, S },
#define P_ANY(n, need)		 { M, #n, S },
#define P_ENUM(n, need, list)	 { M, #n, S },
#define P_NSTR(n, need, lo, hi)	 { M, #n, S },
#define P_NENUM(n, need, list)	 { M, #n, S },
#define P_OBJ(n, need, schema)	 { M, #n, S },
#define M	NULL
#define S	true
#define SCHEMA(id, judging, params)	params
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params)	\
	{ name, "", JUDGING_##judging }, params
#define JUDGING_STRICT	true
#define JUDGING_LENIENT	false
#define JUDGING_IGNORED	false
#include "proto/methods.def"
#undef M
#undef S
#undef SCHEMA
#undef KNOWN
#undef METHOD
#undef P_STR
#undef P_STRS
#undef P_ARR
#undef P_INT
#undef P_BOOL
#undef P_BOOLS
#undef P_TEXTS
#undef P_ANY
#undef P_ENUM
#undef P_NSTR
#undef P_NENUM
#undef P_OBJ
	};
	static const char *const lenient[] = { "health", "status",
		"system-presence", "last-heartbeat", "usage.status",
		"usage.cost", "system-event", "set-heartbeats" };
	const char	*method = "(schemas)";
	char		 low[64];
	size_t		 i, k, n, seen = 0;
	bool		 known;

	(void)state;
	for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		if (params[i].m != NULL) {	/* the head of a method */
			method = params[i].m;
			known = params[i].strict;
			for (k = 0; k < sizeof(lenient) /
			    sizeof(lenient[0]); k++)
				known = known || strcmp(method,
				    lenient[k]) == 0;
			if (!known)
				fail_msg("%s takes parameters that its table "
				    "does not have", method);
			continue;
		}
		seen++;
		for (n = 0; params[i].param[n] != '\0' && n < 63; n++)
			low[n] = (char)ascii_tolower(
			    (unsigned char)params[i].param[n]);
		low[n] = '\0';
		for (k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
			if (strstr(low, words[k]) == NULL)
				continue;
			known = false;
			for (n = 0; n < sizeof(taken) / sizeof(taken[0]); n++)
				known = known || (strcmp(taken[n].m,
				    method) == 0 && strcmp(taken[n].param,
				    params[i].param) == 0);
			if (!known)
				fail_msg("%s takes %s", method,
				    params[i].param);
		}
	}
	assert_true(seen > 60);
	/* and what is not in the table is refused by name */
	assert_non_null(strstr(judge("agent", "{\"message\":\"m\","
	    "\"idempotencyKey\":\"k\",\"workspace\":\"/\"}"),
	    "unexpected property 'workspace'"));
	assert_non_null(strstr(judge("chat.send", "{\"sessionKey\":\"main\","
	    "\"message\":\"m\",\"idempotencyKey\":\"k\",\"cwd\":\"/\"}"),
	    "unexpected property 'cwd'"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_many_failures_stay_short),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_T05_order_of_authorisation),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_protocol_choose),
		cmocka_unit_test(test_T31_no_method_takes_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
