/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What store answers operators about devices, and what it tells the router. */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "common/log.h"
#include "common/methods.h"
#include "gatewayd/store/store.h"

#define NOW	1769688000000ull
#define PAIRER	(SCOPE_READ | SCOPE_PAIRING)

static char			 dir[] = "/tmp/gw-devices-XXXXXX";
static struct event_base	*base;
static struct link		*near, *far;
/* What came last, and the numbers of those that ended. */
static char			 text[16384];
static char			 ended[1024], event[1024];

static enum msg_err
far_message(struct link *l, struct msg *m, void *arg)
{
	struct m_rpc_res	 r;
	struct m_st_revoked	 v;
	struct m_st_event	 e;
	size_t			 n = strlen(ended);

	(void)l;
	(void)arg;
	if (get_rpc_res(m, &r) == MSG_OK && m->h.type == MSG_RPC_RES)
		snprintf(text, sizeof(text), "%.*s", (int)(r.ok ? r.result.n :
		    r.message.n), r.ok ? r.result.p : r.message.p);
	else if (m->h.type == MSG_ST_REVOKED && get_st_revoked(m, &v) == MSG_OK)
		snprintf(ended + n, sizeof(ended) - n, "%s/%u/%llu;",
		    v.device_id.p, v.role, (unsigned long long)v.before);
	else if (m->h.type == MSG_ST_EVENT && get_st_event(m, &e) == MSG_OK)
		snprintf(event, sizeof(event), "%s %.*s",
		    gw_event_name(e.event), (int)e.payload.n, e.payload.p);
	else
		fail_msg("message %x", m->h.type);
	return MSG_OK;
}

static void
gone(struct link *l, enum msg_err why, uint16_t type, void *arg)
{
	(void)l;
	(void)arg;
	fail_msg("link ended: %d, message %x", why, type);
}

static const struct link_ops ops = { far_message, gone, NULL };

/* The answer or the error's message to a method of devices. */
static const char *
ask(const char *method, const char *params, unsigned int scopes, uint64_t now)
{
	struct m_rpc_req	 q;
	int			 i;

	memset(&q, 0, sizeof(q));
	q.method = str_of(method);
	q.params = str_of(params);
	q.scopes = scopes;
	q.principal = STR_LIT("");
	text[0] = ended[0] = event[0] = '\0';
	assert_true(device_rpc(near, &q, link_corr(), now));
	for (i = 0; i < 6; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	return text;
}

static void
pending(const char *request, const char *device, const char *role,
    const char *scopes)
{
	assert_int_equal(db_run("INSERT INTO device_pending VALUES (?, ?, "
	    "'KEY', '', 'linux', 'cli', 'cli', ?, ?, '192.0.2.1', 0, 0, ?)",
	    "tttti", request, device, role, scopes, (int64_t)NOW), 0);
}

static int
setup(void **state)
{
	int	 sv[2];

	(void)state;
	log_setlevel(LOG_LEVEL_FATAL);
	assert_non_null(mkdtemp(dir));
	base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    sv), 0);
	near = link_new(base, sv[0], ROLE_STORE, ROLE_ROUTER, "", 1, &ops,
	    NULL);
	far = link_new(base, sv[1], ROLE_ROUTER, ROLE_STORE, "", 2, &ops,
	    NULL);
	link_setstate(near, LINK_RUN);
	link_setstate(far, LINK_RUN);
	return db_open(dir);
}

static int
teardown(void **state)
{
	static const char *const names[] = { "", "-wal", "-shm", "-journal" };
	char	 path[256];
	size_t	 i;

	(void)state;
	link_free(near);
	link_free(far);
	event_base_free(base);
	db_close();
	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/store.sqlite%s", dir,
		    names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static int
fresh(void **state)
{
	(void)state;
	db_run("DELETE FROM device", "");
	db_run("DELETE FROM device_token", "");
	db_run("DELETE FROM device_pending", "");
	return 0;
}

static void
test_list(void **state)
{
	char	 token[TOKEN_HEX + 1];

	(void)state;
	assert_string_equal(ask("device.pair.list", "{}", PAIRER, NOW),
	    "{\"pending\":[],\"paired\":[]}");
	pending("r1", "d1", "operator", "operator.read,operator.pairing");
	assert_string_equal(ask("device.pair.list", "{}", PAIRER, NOW),
	    "{\"pending\":[{\"requestId\":\"r1\",\"deviceId\":\"d1\","
	    "\"publicKey\":\"KEY\",\"platform\":\"linux\",\"clientId\":\"cli\","
	    "\"clientMode\":\"cli\",\"role\":\"operator\",\"roles\":["
	    "\"operator\"],\"scopes\":[\"operator.read\",\"operator.pairing\"],"
	    "\"remoteIp\":\"192.0.2.1\",\"silent\":false,\"isRepair\":false,"
	    "\"ts\":1769688000000}],\"paired\":[]}");
	/* one that is too old is gone, for every method */
	assert_string_equal(ask("device.pair.list", "{}", PAIRER,
	    NOW + DEVICE_PENDING_TTL_MS + 1), "{\"pending\":[],\"paired\":[]}");
	assert_string_equal(ask("device.pair.approve",
	    "{\"requestId\":\"r1\"}", PAIRER, NOW + DEVICE_PENDING_TTL_MS + 1),
	    "unknown requestId");
	assert_string_equal(event, "");
	ask("device.pair.approve", "{\"requestId\":\"r1\"}", PAIRER, NOW + 5);
	assert_string_equal(event, "device.pair.resolved {\"requestId\":"
	    "\"r1\",\"deviceId\":\"d1\",\"decision\":\"approved\",\"ts\":"
	    "1769688000005}");
	assert_int_equal(device_token_make(STR_LIT("d1"), "operator", "b,a,b",
	    false, NOW + 6, token), 0);
	assert_string_equal(ask("device.pair.list", "{}", PAIRER, NOW),
	    "{\"pending\":[],\"paired\":[{\"deviceId\":\"d1\",\"publicKey\":"
	    "\"KEY\",\"platform\":\"linux\",\"clientId\":\"cli\","
	    "\"clientMode\":\"cli\",\"role\":\"operator\",\"roles\":["
	    "\"operator\"],\"scopes\":[\"operator.read\",\"operator.pairing\"],"
	    "\"remoteIp\":\"192.0.2.1\",\"tokens\":[{\"role\":\"operator\","
	    "\"scopes\":[\"a\",\"b\"],\"createdAtMs\":1769688000006}],"
	    "\"createdAtMs\":1769688000005,\"approvedAtMs\":1769688000005}]}");
}

static void
test_T06_approve_within_the_caller(void **state)
{
	static const struct {
		const char	*scopes;
		unsigned int	 caller;
		bool		 ok;
	} rows[] = {
		{ "", PAIRER, true },
		{ "operator.read", PAIRER, true },
		{ "operator.read", SCOPE_PAIRING, false },
		{ "operator.read", SCOPE_PAIRING | SCOPE_WRITE, true },
		{ "operator.write", PAIRER, false },
		{ "operator.read,operator.admin", PAIRER, false },
		{ "operator.approvals", PAIRER, false },
		{ "unheard.of", PAIRER, false },
		{ "operator.read unheard.of", PAIRER, false },
		{ "operator.admin,unheard.of", SCOPE_ADMIN, true },
	};
	size_t	 i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fresh(NULL);
		pending("r", "d", "operator", rows[i].scopes);
		ask("device.pair.approve", "{\"requestId\":\"r\"}",
		    rows[i].caller, NOW);
		if (rows[i].ok != (strncmp(text, "{\"requestId\"", 12) == 0))
			fail_msg("row %zu: %s", i, text);
		if (!rows[i].ok)
			assert_string_equal(text,
			    "missing scope: operator.admin");
	}
}

static void
test_T06_cut_scope_is_no_other(void **state)
{
	char	 list[32] = "operator.read";

	(void)state;
	scopes_merge(list, sizeof(list), "operator.read,operator.adminish");
	assert_string_equal(list, "operator.read,operator.adminish");
	strlcpy(list, "operator.read12", sizeof(list));
	/* with the comma there is room for all but the last letter */
	scopes_merge(list, sizeof(list), "operator.adminish,x");
	assert_string_equal(list, "operator.read12,x");
}

static void
test_T07_told_again(void **state)
{
	char	 first[TOKEN_HEX + 1];
	int	 i;

	(void)state;
	pending("r", "d", "operator", "operator.read,operator.write");
	ask("device.pair.approve", "{\"requestId\":\"r\"}", SCOPE_ADMIN, NOW);
	/* no token yet: nothing to revoke, but one can be made */
	assert_string_equal(ask("device.token.revoke", "{\"deviceId\":\"d\","
	    "\"role\":\"operator\"}", SCOPE_ADMIN, NOW),
	    "unknown deviceId/role");
	assert_string_equal(ended, "");
	assert_int_equal(device_token_make(STR_LIT("d"), "operator",
	    "operator.read", false, NOW, first), 0);
	ask("device.token.rotate", "{\"deviceId\":\"d\",\"role\":"
	    "\"operator\"}", PAIRER, NOW + 10);
	assert_non_null(strstr(text, "\"scopes\":[\"operator.read\"],"
	    "\"rotatedAtMs\":1769688000010}"));
	assert_null(strstr(text, first));
	assert_string_equal(ended, "d/0/1769688000010;");
	/* scopes that are given stay; an older router's like hears nothing */
	ask("device.token.rotate", "{\"deviceId\":\"d\",\"role\":"
	    "\"operator\",\"scopes\":[\"operator.write\"]}", SCOPE_ADMIN,
	    NOW + 20);
	assert_non_null(strstr(text, "\"scopes\":[\"operator.write\"]"));
	ask("device.token.rotate", "{\"deviceId\":\"d\",\"role\":"
	    "\"operator\",\"scopes\":[\"operator.read\"]}", SCOPE_ADMIN,
	    NOW + 20);
	assert_non_null(strstr(text, "approved for"));
	assert_string_equal(ended, "");
	/* a router that comes anew is told of all that ended lately */
	device_sync(near, NOW + 1000);
	for (i = 0; i < 6; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_string_equal(ended, "d/0/1769688000020;");
	ended[0] = '\0';
	device_sync(near, NOW + 3700000);
	for (i = 0; i < 6; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_string_equal(ended, "");
}

static void
test_R15_no_disk(void **state)
{
	(void)state;
	pending("r", "d", "operator", "");
	assert_int_equal(db_run("PRAGMA query_only=ON", ""), 0);
	ask("device.pair.approve", "{\"requestId\":\"r\"}", SCOPE_ADMIN, NOW);
	assert_non_null(strstr(text, "store cannot be used"));
	assert_string_equal(event, "");
	assert_int_equal(db_run("PRAGMA query_only=OFF", ""), 0);
	ask("device.pair.approve", "{\"requestId\":\"r\"}", SCOPE_ADMIN, NOW);
	assert_non_null(strstr(text, "\"deviceId\":\"d\""));
	db_close();
	ask("device.pair.list", "{}", SCOPE_ADMIN, NOW);
	assert_non_null(strstr(text, "store cannot be used"));
	ask("device.pair.reject", "{\"requestId\":\"r\"}", SCOPE_ADMIN, NOW);
	assert_non_null(strstr(text, "store cannot be used"));
	assert_int_equal(db_open(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_list, fresh),
		cmocka_unit_test(test_T06_approve_within_the_caller),
		cmocka_unit_test(test_T06_cut_scope_is_no_other),
		cmocka_unit_test_setup(test_T07_told_again, fresh),
		cmocka_unit_test_setup(test_R15_no_disk, fresh),
	};

	umask(077);
	return cmocka_run_group_tests(tests, setup, teardown);
}
