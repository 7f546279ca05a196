/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Who is at the other end: as far as one user can try; the groups are in
 * e2e/test_control.py. */
#include "common/compat.h"

#include <sys/socket.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <unistd.h>

#include "common/peer.h"
#include "common/text.h"

static void
test_specs(void **state)
{
	struct peer_policy	 p;
	char			 why[256];

	(void)state;
	assert_int_equal(peer_policy_load(&p, "12:34", why, sizeof(why)), 0);
	assert_int_equal(p.admin.gid, 12);
	assert_int_equal(p.reader.gid, 34);
	assert_int_equal(peer_policy_load(&p, "4294967294", why, sizeof(why)),
	    0);
	assert_true(p.reader.gid == PEER_NOGROUP);
	assert_int_equal(peer_policy_load(&p, "root", why, sizeof(why)), 0);
	assert_int_equal(p.admin.gid, 0);
	/* What failed leaves the policy that is in force. */
	assert_int_equal(peer_policy_load(&p, "4294967295", why, sizeof(why)),
	    -1);
	assert_int_equal(peer_policy_load(&p, "65534", why, sizeof(why)), -1);
	assert_non_null(strstr(why, "unknown groups"));
	assert_int_equal(peer_policy_load(&p, "12:", why, sizeof(why)), -1);
	assert_int_equal(peer_policy_load(&p, ":12", why, sizeof(why)), -1);
	assert_int_equal(peer_policy_load(&p, "-1", why, sizeof(why)), -1);
	assert_non_null(strstr(why, "/etc/group"));
	assert_int_equal(p.admin.gid, 0);
	if (geteuid() != 0) {
		assert_int_equal(peer_policy_load(&p, NULL, why, sizeof(why)),
		    0);
		assert_true(p.admin.gid == PEER_NOGROUP &&
		    p.reader.gid == PEER_NOGROUP);
	}
}

static void
test_judge(void **state)
{
	struct peer_policy	 p = { { PEER_NOGROUP, "" },
				    { PEER_NOGROUP, "" } };
	struct peer_id		 id;
	char			 text[512];
	int			 sv[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    sv), 0);
	assert_int_equal(peer_judge(&p, sv[0], &id), 0);
	assert_int_equal(id.right, PEER_ADMIN);
	assert_int_equal(id.uid, geteuid());
	assert_int_equal(id.pid, getpid());
	close(sv[0]);
	close(sv[1]);
	/* no local connection, no socket, nothing at all */
	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) != -1) {
		assert_true(peer_judge(&p, fd, &id) == -1 ||
		    id.right == PEER_STRANGER);
		close(fd);
	}
	assert_true((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) != -1);
	assert_int_equal(peer_judge(&p, fd, &id), -1);
	close(fd);
	assert_int_equal(peer_judge(&p, -1, &id), -1);
	id.uid = 4711;
	peer_refusal(&p, &id, text, sizeof(text));
	assert_non_null(strstr(text, "user 4711 may not"));
	strlcpy(p.reader.name, "eyes", sizeof(p.reader.name));
	p.reader.gid = 12;
	peer_refusal(&p, &id, text, sizeof(text));
	assert_non_null(strstr(text, "not in group eyes; "));
	strlcpy(p.admin.name, "hands", sizeof(p.admin.name));
	p.admin.gid = 13;
	peer_refusal(&p, &id, text, sizeof(text));
	assert_non_null(strstr(text, "not in group hands or eyes; "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
