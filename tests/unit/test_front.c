/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The pure parts of gatewayd-front: connect frame, locality, penalties. */

#include "common/compat.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "gatewayd/front/connect_frame.h"
#include "gatewayd/front/locality.h"
#include "gatewayd/front/penalty.h"

#define CLIENT	"\"client\":{\"id\":\"cli\",\"version\":\"1\"," \
	"\"platform\":\"linux\",\"mode\":\"cli\"}"
#define FRAME(params) "{\"type\":\"req\",\"id\":\"7\",\"method\":\"connect\"," \
	"\"params\":{\"minProtocol\":3,\"maxProtocol\":3," CLIENT params "}}"

static char	text[CONNECT_FRAME_MAX + 16];

static bool
parse(struct connect_frame *cf, const char *s)
{
	assert_true(strlcpy(text, s, sizeof(text)) < sizeof(text));
	return connect_frame_parse(cf, text, strlen(text));
}

static void
test_connect_frame(void **state)
{
	struct connect_frame	cf;

	(void)state;
	assert_true(parse(&cf, FRAME(",\"scopes\":[\"operator.read\",\"x\"],"
	    "\"caps\":[],\"permissions\":{\"a\":true},"
	    "\"device\":{\"id\":\"d\",\"publicKey\":\"k\",\"signature\":\"s\","
	    "\"signedAt\":12,\"nonce\":\"n\"},"
	    "\"auth\":{\"token\":\"t\\u00e4\",\"password\":\"\"},"
	    "\"locale\":\"de\",\"userAgent\":\"u\"")));
	assert_true(str_eqs(cf.id, "\"7\""));
	assert_int_equal(cf.req.protocol, 3);
	assert_true(str_eqs(cf.req.client_id, "cli"));
	assert_true(str_eqs(cf.req.scopes, "operator.read,x"));
	assert_true(str_eqs(cf.req.token, "t\xc3\xa4"));
	assert_int_equal(cf.req.have_token, 1);
	assert_int_equal(cf.req.have_password, 1);
	assert_int_equal(cf.req.password.n, 0);
	assert_int_equal(cf.req.have_device, 1);
	assert_int_equal(cf.req.signed_at, 12);
	assert_true(str_eqs(cf.req.node,
	    "{\"caps\":[],\"permissions\":{\"a\":true}}"));
	connect_frame_clear(&cf);

	assert_true(parse(&cf, FRAME("")));
	assert_int_equal(cf.req.have_token, 0);
	assert_int_equal(cf.req.have_device, 0);
	assert_int_equal(cf.req.scopes.n, 0);
	assert_true(str_eqs(cf.req.node, "{}"));
	connect_frame_clear(&cf);

	/* Empty and missing scopes sign alike; one empty name is refused. */
	assert_true(parse(&cf, FRAME(",\"scopes\":[]")));
	assert_int_equal(cf.req.scopes.n, 0);
	connect_frame_clear(&cf);
	assert_false(parse(&cf, FRAME(",\"scopes\":[\"\"]")));
	connect_frame_clear(&cf);
}

static void
test_connect_frame_odd_text(void **state)
{
	struct connect_frame	cf;

	(void)state;
	/* A NUL and half a surrogate pair end at nobody's parser. */
	assert_true(parse(&cf, FRAME(",\"auth\":{\"token\":\"a\\u0000b\"},"
	    "\"caps\":[\"\\ud800\"]")));
	assert_true(str_eqs(cf.req.token, "a\xef\xbf\xbd" "b"));
	assert_true(str_eqs(cf.req.node, "{\"caps\":[\"\\ufffd\"]}"));
	connect_frame_clear(&cf);
	/* The last of equal keys counts, once for all who read it. */
	assert_true(parse(&cf, FRAME(",\"role\":\"node\","
	    "\"role\":\"operator\"")));
	assert_int_equal(cf.req.role, CLIENT_OPERATOR);
	connect_frame_clear(&cf);
}

static void
test_connect_frame_limits(void **state)
{
	struct connect_frame	 cf;
	struct dbuf		 b;

	(void)state;
	dbuf_init(&b, 1 << 20);
	dbuf_puts(&b, "{\"type\":\"req\",\"id\":\"");
	while (b.n < 2000)
		dbuf_putc(&b, 'x');
	dbuf_puts(&b, "\",\"method\":\"connect\"}");
	assert_false(parse(&cf, dbuf_str(&b)));
	assert_int_equal(cf.close_code, 1008);
	assert_int_equal(cf.answer.n, 0);
	connect_frame_clear(&cf);

	dbuf_reset(&b);
	dbuf_puts(&b, "{\"type\":\"req\",\"id\":\"7\",\"method\":\"connect\","
	    "\"params\":{\"minProtocol\":3,\"maxProtocol\":3," CLIENT
	    ",\"caps\":[");
	while (b.n < 20000)
		dbuf_puts(&b, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",");
	dbuf_puts(&b, "\"x\"]}}");
	assert_false(parse(&cf, dbuf_str(&b)));
	assert_int_equal(cf.close_code, 1008);
	assert_non_null(strstr(dbuf_str(&cf.answer), "too long"));
	connect_frame_clear(&cf);
	dbuf_clear(&b);
}

static void
judge(struct locality *l, const char *peer, const char *head,
    const struct origin_policy *op)
{
	static struct http_head	h;
	char			buf[1024];
	size_t			scan = 0;

	(void)snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\n%s\r\n", head);
	assert_true(http_request_parse(&h, buf, strlen(buf), &scan,
	    sizeof(buf)) > 0);
	locality_judge(l, &h, peer, op);
}

static void
test_T10_locality(void **state)
{
	char		*proxies[] = { (char *)(uintptr_t)"10.0.0.1" };
	struct origin_policy none = { 0 }, op = { .proxies = proxies,
	    .nproxies = 1 };
	struct locality	 l;
	struct sockaddr_storage ss = { .ss_family = AF_INET6 };
	char		 a[ADDR_TEXT];

	(void)state;
	inet_pton(AF_INET6, "::ffff:127.0.0.1",
	    (char *)&ss + 8);
	locality_addr(&ss, a);
	assert_string_equal(a, "127.0.0.1");
	judge(&l, "127.0.0.1", "Host: localhost\r\n", &none);
	assert_true(l.local);
	judge(&l, "127.5.5.5", "Host: localhost\r\n", &none);
	assert_true(l.local);
	judge(&l, "192.168.0.9", "Host: localhost\r\n", &none);
	assert_false(l.local);
	assert_string_equal(l.remote, "192.168.0.9");
	judge(&l, "127.0.0.1", "Host: 127.0.0.1.evil.example\r\n", &none);
	assert_false(l.local);
	judge(&l, "127.0.0.1", "Host: evilts.net\r\n", &none);
	assert_false(l.local);
	judge(&l, "127.0.0.1", "Host: .ts.net\r\n", &none);
	assert_false(l.local);
	judge(&l, "10.0.0.1", "Host: x\r\nX-Forwarded-For: 127.0.0.1\r\n",
	    &op);
	assert_false(l.local);
	assert_string_equal(l.client, "127.0.0.1");
	assert_string_equal(l.remote, "");
	judge(&l, "10.0.0.2", "Host: x\r\nX-Forwarded-For: 9.9.9.9\r\n", &op);
	assert_string_equal(l.client, "10.0.0.2");
	judge(&l, "10.0.0.1", "Host: x\r\nX-Forwarded-For: 9.9.9.9,,\r\n",
	    &op);
	assert_string_equal(l.client, "10.0.0.1");
}

static void
test_T17_penalties(void **state)
{
	char	buf[64];
	int	i;

	(void)state;
	assert_int_equal(penalty_left("1.2.3.4"), 0);
	assert_int_equal(penalty_add("1.2.3.4", 10), 0);
	assert_int_equal(penalty_add("2001:db8::1", 30), 0);
	assert_in_range(penalty_left("1.2.3.4"), 9, 10);
	assert_int_equal(penalty_left("1.2.3.5"), 0);
	/* A host has its whole /64. */
	assert_in_range(penalty_left("2001:db8::ffff:1"), 29, 30);
	assert_int_equal(penalty_left("2001:db8:0:1::1"), 0);
	assert_int_equal(penalty_add("nonsense", 1), -1);
	assert_int_equal(penalty_add("1.2.3.4/24", 1), -1);
	/* A longer one replaces a shorter, not the other way round. */
	assert_int_equal(penalty_add("1.2.3.4", 5), 0);
	assert_in_range(penalty_left("1.2.3.4"), 9, 10);
	/* Full: those that end first give way, the long ones stay. */
	for (i = 0; i < 2000; i++) {
		(void)snprintf(buf, sizeof(buf), "172.%d.%d.1", i / 250,
		    i % 250);
		assert_int_equal(penalty_add(buf, 60), 0);
	}
	assert_int_equal(penalty_left("1.2.3.4"), 0);
	assert_true(penalty_left("172.7.249.1") > 0);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_connect_frame),
		cmocka_unit_test(test_connect_frame_odd_text),
		cmocka_unit_test(test_connect_frame_limits),
		cmocka_unit_test(test_T10_locality),
		cmocka_unit_test(test_T17_penalties),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
