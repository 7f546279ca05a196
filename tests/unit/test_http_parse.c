/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "common/http_parse.h"

static struct http_head	 h;

static ssize_t
req(const char *s)
{
	size_t	scan = 0;

	return http_request_parse(&h, s, strlen(s), &scan, HTTP_HEAD_MAX);
}

static ssize_t
res(const char *s)
{
	size_t	scan = 0;

	return http_response_parse(&h, s, strlen(s), &scan, HTTP_HEAD_MAX,
	    false);
}

static void
test_request(void **state)
{
	static const char text[] =
	    "GET /a?b=c HTTP/1.1\r\nHost: localhost:18789\r\n"
	    "Upgrade: websocket\r\nConnection: keep-alive,  Upgrade\r\n"
	    "X-Empty:\r\nX-Pad: \t v v \t\r\n\r\nrest";

	(void)state;
	assert_int_equal(req(text), sizeof(text) - 1 - 4);
	assert_true(str_eqs(h.method, "GET"));
	assert_true(str_eqs(h.target, "/a?b=c"));
	assert_true(str_eqs(h.host, "localhost:18789"));
	assert_int_equal(h.minor, 1);
	assert_true(h.keep_alive);
	assert_true(h.upgrade);
	assert_int_equal(h.body, HTTP_BODY_NONE);
	assert_true(http_header_has(&h, "UPGRADE", "WebSocket"));
	assert_int_equal(http_header_get(&h, "x-empty").n, 0);
	assert_non_null(http_header_get(&h, "x-empty").p);
	assert_true(str_eqs(http_header_get(&h, "x-pad"), "v v"));
	assert_null(http_header_get(&h, "absent").p);
}

static void
test_request_in_pieces(void **state)
{
	static const char text[] =
	    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
	size_t	scan = 0, i;

	(void)state;
	for (i = 0; i < sizeof(text) - 2; i++)
		assert_int_equal(http_request_parse(&h, text, i, &scan, 8192),
		    0);
	assert_int_equal(http_request_parse(&h, text, sizeof(text) - 1, &scan,
	    8192), sizeof(text) - 1);
	assert_int_equal(h.body, HTTP_BODY_LENGTH);
	assert_int_equal(h.length, 3);
}

static void
test_request_refused(void **state)
{
	static const struct {
		const char	*text;
		enum http_bad	 bad;
	} t[] = {
		{ "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_BYTE },
		{ "GET / HTTP/1.1\nHost: x\n\n", HTTP_BAD_BYTE },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
		    HTTP_BAD_BYTE },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\001\r\n\r\n",
		    HTTP_BAD_BYTE },
		{ "\x16\x03\x01", HTTP_BAD_BYTE },
		{ "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_TARGET },
		{ "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", HTTP_BAD_LINE },
		{ "GET /\r\nHost: x\r\n\r\n", HTTP_BAD_LINE },
		{ "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_LINE },
		{ "GET /a\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
		    HTTP_BAD_TARGET },
		{ "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_TARGET },
		{ "GET / HTTP/2.0\r\nHost: x\r\n\r\n", HTTP_BAD_VERSION },
		{ "GET / http/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_LINE },
		{ "GET / HTTP/1.1\r\nHost : x\r\n\r\n", HTTP_BAD_HEADER },
		{ "GET / HTTP/1.1\r\n Host: x\r\n\r\n", HTTP_BAD_HEADER },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
		    HTTP_BAD_HEADER },
		{ "GET / HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", HTTP_BAD_HEADER },
		{ "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", HTTP_BAD_HEADER },
		{ "GET / HTTP/1.1\r\n\r\n", HTTP_BAD_HOST },
		{ "GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
		    HTTP_BAD_HOST },
		{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", HTTP_BAD_HOST },
		{ "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", HTTP_BAD_HOST },
		{ "GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP_BAD_HOST },
		{ "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", HTTP_BAD_HOST },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
		    "Content-Length: 1\r\n\r\n", HTTP_BAD_LENGTH },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
		    HTTP_BAD_LENGTH },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
		    HTTP_BAD_LENGTH },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		    HTTP_BAD_LENGTH },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n",
		    HTTP_BAD_LENGTH },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "
		    "18446744073709551617\r\n\r\n", HTTP_BAD_LENGTH },
		{ "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n", HTTP_BAD_CODING },
		{ "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
		    "Transfer-Encoding: chunked\r\n\r\n", HTTP_BAD_CODING },
		{ "POST / HTTP/1.1\r\nHost: x\r\n"
		    "Transfer-Encoding: gzip, chunked\r\n\r\n",
		    HTTP_BAD_CODING },
		{ "POST / HTTP/1.1\r\nHost: x\r\n"
		    "Transfer-Encoding: identity\r\n\r\n", HTTP_BAD_CODING },
		{ "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		    HTTP_BAD_CODING },
	};
	size_t	i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (req(t[i].text) != -1 || h.bad != t[i].bad)
			fail_msg("row %zu: %s", i, http_bad_name(h.bad));
	}
}

static void
test_T47_head_limits(void **state)
{
	char	buf[32768];
	size_t	n, scan = 0;
	int	i;

	(void)state;
	n = (size_t)snprintf(buf, sizeof(buf),
	    "GET / HTTP/1.1\r\nHost: x\r\nA: ");
	memset(buf + n, 'a', sizeof(buf) - n);
	assert_int_equal(http_request_parse(&h, buf, 16383, &scan, 16384), 0);
	assert_int_equal(http_request_parse(&h, buf, 16384, &scan, 16384), -1);
	assert_int_equal(h.bad, HTTP_BAD_TOO_LARGE);

	n = (size_t)snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\nHost: x\r\n");
	for (i = 0; i < HTTP_HEADERS_MAX; i++)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "A%d: b\r\n",
		    i);
	(void)snprintf(buf + n, sizeof(buf) - n, "\r\n");
	assert_int_equal(req(buf), -1);
	assert_int_equal(h.bad, HTTP_BAD_TOO_LARGE);

	n = (size_t)snprintf(buf, sizeof(buf), "GET /");
	memset(buf + n, 'a', HTTP_TARGET_MAX);
	n += HTTP_TARGET_MAX;
	(void)snprintf(buf + n, sizeof(buf) - n,
	    " HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_int_equal(req(buf), -1);
	assert_int_equal(h.bad, HTTP_BAD_TARGET);
}

static void
test_response(void **state)
{
	size_t	scan = 0;
	const char *s = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";

	(void)state;
	assert_int_equal(res("HTTP/1.1 200\r\n\r\n"), 16);
	assert_int_equal(h.status, 200);
	assert_int_equal(h.body, HTTP_BODY_CLOSE);
	assert_false(h.keep_alive);
	assert_true(res("HTTP/1.1 429 Too Many\r\n"
	    "Content-Length: 0\r\n\r\n") > 0);
	assert_int_equal(h.body, HTTP_BODY_NONE);
	assert_true(h.keep_alive);
	assert_true(res("HTTP/1.1 204 No Content\r\n\r\n") > 0);
	assert_int_equal(h.body, HTTP_BODY_NONE);
	assert_true(res("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	    "Connection: close\r\n\r\n") > 0);
	assert_int_equal(h.body, HTTP_BODY_CHUNKED);
	assert_false(h.keep_alive);
	assert_true(http_response_parse(&h, s, strlen(s), &scan, 4096,
	    true) > 0);
	assert_int_equal(h.body, HTTP_BODY_NONE);
	assert_int_equal(res("HTTP/1.1 99 x\r\n\r\n"), -1);
	assert_int_equal(res("HTTP/1.1 600 x\r\n\r\n"), -1);
	assert_int_equal(res("HTTP/1.1 2000 x\r\n\r\n"), -1);
	assert_int_equal(res("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"), -1);
	assert_int_equal(res("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	    "Content-Length: 6\r\n\r\n"), -1);
	assert_int_equal(res("ICY 200 OK\r\n\r\n"), -1);
}

static void
test_retry_after(void **state)
{
	(void)state;
	assert_true(res("HTTP/1.1 429 x\r\nRetry-After: 7\r\n\r\n") > 0);
	assert_int_equal(http_retry_after_ms(&h, 0, 60000), 7000);
	assert_int_equal(http_retry_after_ms(&h, 0, 5000), 5000);
	assert_true(res("HTTP/1.1 429 x\r\nretry-after-ms: 250\r\n"
	    "Retry-After: 7\r\n\r\n") > 0);
	assert_int_equal(http_retry_after_ms(&h, 0, 60000), 250);
	assert_true(res("HTTP/1.1 503 x\r\n"
	    "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n") > 0);
	assert_int_equal(http_retry_after_ms(&h, 784111775000ULL, 60000), 2000);
	assert_int_equal(http_retry_after_ms(&h, 784111778000ULL, 60000), 0);
	assert_true(res("HTTP/1.1 503 x\r\nRetry-After: soon\r\n\r\n") > 0);
	assert_int_equal(http_retry_after_ms(&h, 0, 60000), 0);
	assert_true(res("HTTP/1.1 503 x\r\nRetry-After: 99999999999999\r\n\r\n")
	    > 0);
	assert_int_equal(http_retry_after_ms(&h, 0, 60000), 0);
}

/* Feeds text in pieces of step bytes; the decoded body in out. */
static enum http_body_result
feed(enum http_body_kind kind, uint64_t length, const char *text, size_t n,
    size_t step, char *out, size_t *outn, size_t *taken)
{
	struct http_body	 b;
	struct http_head	 hh = { .body = kind, .length = length };
	enum http_body_result	 r = HTTP_BODY_MORE;
	struct str		 data;
	size_t			 i = 0, end = 0, used;

	http_body_init(&b, &hh);
	*outn = 0;
	while (r == HTTP_BODY_MORE && i < n) {
		if (i == end)
			end = i + step < n ? i + step : n;
		r = http_body_feed(&b, text + i, end - i, &used, &data);
		memcpy(out + *outn, data.p == NULL ? "" : data.p, data.n);
		*outn += data.n;
		i += used;
	}
	*taken = i;
	return r;
}

static void
test_chunked(void **state)
{
	static const char text[] = "5\r\nhello\r\n006;a=b\r\n world\r\n"
	    "0\r\nTrailer: x\r\n\r\nNEXT";
	char	out[256];
	size_t	n, taken, step;

	(void)state;
	for (step = 1; step < sizeof(text); step++) {
		assert_int_equal(feed(HTTP_BODY_CHUNKED, 0, text,
		    sizeof(text) - 1, step, out, &n, &taken), HTTP_BODY_DONE);
		assert_int_equal(n, 11);
		assert_memory_equal(out, "hello world", 11);
		assert_int_equal(taken, sizeof(text) - 1 - 4);
	}
}

static void
test_chunked_refused(void **state)
{
	static const char *const t[] = {
		"\r\n", "g\r\n", "5\nhello\r\n", "5\r\nhelloX", "5\r\nhello\n",
		"-1\r\n", " 5\r\n", "0x5\r\n", "5\r\nhello\r\n0\n\n",
		"fffffffffffffffff\r\n", "0\r\n folded\r\n\r\n",
		"5;\001\r\nhello\r\n", "0\r\nA: b\nC: d\r\n\r\n",
	};
	char	out[256];
	size_t	i, n, taken;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		if (feed(HTTP_BODY_CHUNKED, 0, t[i], strlen(t[i]), 64, out, &n,
		    &taken) != HTTP_BODY_BAD)
			fail_msg("row %zu", i);
}

static void
test_body_length(void **state)
{
	struct http_body	b;
	struct http_head	hh = { .body = HTTP_BODY_LENGTH, .length = 5 };
	struct str		data;
	char			out[16];
	size_t			n, taken, used;

	(void)state;
	assert_int_equal(feed(HTTP_BODY_LENGTH, 5, "helloNEXT", 9, 2, out, &n,
	    &taken), HTTP_BODY_DONE);
	assert_int_equal(taken, 5);
	http_body_init(&b, &hh);
	assert_int_equal(http_body_feed(&b, "hel", 3, &used, &data),
	    HTTP_BODY_MORE);
	assert_int_equal(feed(HTTP_BODY_CLOSE, 0, "abc", 3, 3, out, &n,
	    &taken), HTTP_BODY_MORE);
	assert_int_equal(n, 3);
}

static void
test_T09_path_one_normal_form(void **state)
{
	static const char *const bad[] = {
		"", "*", "x", "http://a/", "//", "//etc", "/a//b", "/.", "/..",
		"/../a", "/a/..", "/a/../b", "/a/./b", "/%2e%2e/", "/%2E%2e",
		"/a/%2e/b", "/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/a;b",
		"/a%3bb", "/%00", "/a%00.js", "/%c0%af", "/%c0%ae%c0%ae/",
		"/%e0%80%af", "/%ff", "/%ed%a0%80", "/%252e%252e/", "/%",
		"/%2", "/%zz", "/a%0ab", "/%7f", "/a%3fb", "/a%23b",
	};
	static const struct {
		const char *in, *out, *query;
	} good[] = {
		{ "/", "/", NULL },
		{ "/?", "/", "" },
		{ "/a/b.js?x=/../y", "/a/b.js", "x=/../y" },
		{ "/ui/", "/ui/", NULL },
		{ "/%61%2d%c3%a4", "/a-\xc3\xa4", NULL },
		{ "/...", "/...", NULL },
		{ "/.well-known/x", "/.well-known/x", NULL },
		{ "/a%20b", "/a b", NULL },
	};
	char		buf[128];
	struct str	q;
	size_t		i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (http_path_canon(str_of(bad[i]), buf, sizeof(buf), &q) != -1)
			fail_msg("%s taken as %s", bad[i], buf);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(http_path_canon(str_of(good[i].in), buf,
		    sizeof(buf), &q), 0);
		assert_string_equal(buf, good[i].out);
		if (good[i].query == NULL)
			assert_null(q.p);
		else
			assert_true(str_eqs(q, good[i].query));
	}
	assert_int_equal(http_path_canon(str_of("/abc"), buf, 5, &q), 0);
	assert_int_equal(http_path_canon(str_of("/abcd"), buf, 5, &q), -1);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_request_in_pieces),
		cmocka_unit_test(test_request_refused),
		cmocka_unit_test(test_T47_head_limits),
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_chunked),
		cmocka_unit_test(test_chunked_refused),
		cmocka_unit_test(test_body_length),
		cmocka_unit_test(test_T09_path_one_normal_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
