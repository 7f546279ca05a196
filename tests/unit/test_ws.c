/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <event2/buffer.h>

#include "common/sha1.h"
#include "common/ws.h"

/* Appends a client's frame with any first byte. */
static size_t
frame(uint8_t *out, uint8_t first, const void *p, size_t n)
{
	static const uint8_t	mask[4] = { 0x12, 0x80, 0xff, 0x07 };
	size_t			len;

	len = ws_header_encode(out, WS_OP_TEXT, true, n, mask);
	out[0] = first;
	memcpy(out + len, p, n);
	ws_mask(out + len, n, mask, 0);
	return len + n;
}

static enum ws_event
read_one(struct ws_reader *r, const void *p, size_t n, struct str *data)
{
	static uint8_t	 copy[1 << 17];
	size_t		 used;

	memcpy(copy, p, n);
	return ws_read(r, copy, n, &used, data);
}

static void
test_sha1_and_accept_key(void **state)
{
	struct sha1	s;
	uint8_t		sum[SHA1_LEN];
	char		hex[41], key[29], ck[25];
	int		i;

	(void)state;
	sha1_init(&s);
	sha1_update(&s, "abc", 3);
	sha1_final(&s, sum);
	hex_encode(sum, sizeof(sum), hex);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	sha1_init(&s);
	for (i = 0; i < 1000000; i += 100)
		sha1_update(&s, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    100);
	sha1_final(&s, sum);
	hex_encode(sum, sizeof(sum), hex);
	assert_string_equal(hex, "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
	assert_int_equal(ws_accept_key(str_of("dGhlIHNhbXBsZSBub25jZQ=="), key),
	    0);
	assert_string_equal(key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	assert_int_equal(ws_accept_key(str_of("dGhlIHNhbXBsZQ=="), key), -1);
	assert_int_equal(ws_accept_key(str_of(""), key), -1);
	assert_int_equal(ws_accept_key(str_of("!!!!IHNhbXBsZSBub25jZQ=="), key),
	    -1);
	ws_client_key(ck);
	assert_int_equal(ws_accept_key(str_of(ck), key), 0);
}

static void
test_mask_offsets(void **state)
{
	static const uint8_t	mask[4] = { 1, 2, 3, 4 };
	uint8_t			a[37], b[37];
	size_t			i, cut;

	(void)state;
	for (cut = 0; cut <= sizeof(a); cut++) {
		for (i = 0; i < sizeof(a); i++)
			a[i] = b[i] = (uint8_t)(i * 7);
		ws_mask(a, cut, mask, 0);
		ws_mask(a + cut, sizeof(a) - cut, mask, cut);
		for (i = 0; i < sizeof(b); i++)
			b[i] ^= mask[i % 4];
		assert_memory_equal(a, b, sizeof(a));
	}
}

static void
test_round_trip_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 4096, 4097, 65535,
	    65536, 100000 };
	static const size_t steps[] = { 1, 2, 3, 100, 4096, 1 << 20 };
	struct evbuffer		*eb;
	struct ws_reader	 r;
	struct str		 data;
	enum ws_event		 ev;
	uint8_t			*msg, *wire;
	size_t			 i, j, k, n, got;

	(void)state;
	msg = malloc(100000);
	wire = malloc(300000);
	assert_non_null(msg);
	assert_non_null(wire);
	memset(msg, 'x', 100000);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		msg[0] = (uint8_t)('a' + i);
		for (j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
			if (steps[j] < 3 && sizes[i] > 5000)
				continue;
			n = frame(wire, 0x81, msg, sizes[i]);
			n += frame(wire + n, 0x82, msg, sizes[i]);
			n += frame(wire + n, 0x89, "pi", 2);
			ws_reader_init(&r, true, 100000);
			eb = evbuffer_new();
			got = 0;
			for (k = 0; k < n; k += steps[j]) {
				assert_int_equal(evbuffer_add(eb, wire + k,
				    n - k < steps[j] ? n - k : steps[j]), 0);
				while ((ev = ws_read_evbuffer(&r, eb,
				    &data)) != WS_MORE) {
					got++;
					if (got < 3) {
						assert_int_equal(ev,
						    WS_MESSAGE);
						assert_int_equal(data.n,
						    sizes[i]);
						assert_memory_equal(data.p,
						    msg, data.n);
						assert_int_equal(
						    r.message_opcode, got);
					} else {
						assert_int_equal(ev, WS_PING);
						assert_int_equal(data.n, 2);
					}
				}
			}
			assert_int_equal(got, 3);
			assert_int_equal(evbuffer_get_length(eb), 0);
			evbuffer_free(eb);
			ws_reader_clear(&r);
		}
	}
	free(msg);
	free(wire);
}

static void
test_client_side(void **state)
{
	struct evbuffer		*eb = evbuffer_new();
	struct ws_reader	 r;
	struct str		 data;

	(void)state;
	ws_reader_init(&r, false, 1000);
	assert_int_equal(ws_send(eb, WS_OP_TEXT, "hello", 5, false), 0);
	assert_int_equal(ws_send_close(eb, 1012, "service restart", false), 0);
	assert_int_equal(evbuffer_get_length(eb), 7 + 2 + 17);
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_MESSAGE);
	assert_true(str_eqs(data, "hello"));
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_CLOSE);
	assert_int_equal(r.close_code, 1012);
	assert_true(str_eqs(data, "service restart"));
	ws_reader_settle(&r, eb);
	/* A server that masks, and a client that does not, are refused. */
	assert_int_equal(ws_send(eb, WS_OP_TEXT, "x", 1, true), 0);
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_ERROR);
	assert_int_equal(r.close_code, 1002);
	ws_reader_clear(&r);
	ws_reader_init(&r, true, 1000);
	assert_int_equal(read_one(&r, "\x81\x01x", 3, &data), WS_ERROR);
	assert_int_equal(r.close_code, 1002);
	ws_reader_clear(&r);
	evbuffer_free(eb);
}

static void
test_fragments(void **state)
{
	struct evbuffer		*eb = evbuffer_new();
	struct ws_reader	 r;
	struct str		 data;
	uint8_t			 w[64];
	size_t			 n;

	(void)state;
	ws_reader_init(&r, true, 10);
	/* A character cut by the border, and a ping between the fragments. */
	n = frame(w, 0x01, "a\xc3", 2);
	assert_int_equal(evbuffer_add(eb, w, n), 0);
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_MORE);
	n = frame(w, 0x89, "", 0);
	n += frame(w + n, 0x00, "", 0);
	n += frame(w + n, 0x80, "\xa4" "b", 2);
	n += frame(w + n, 0x81, "next", 4);
	assert_int_equal(evbuffer_add(eb, w, n), 0);
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_PING);
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_MESSAGE);
	assert_true(str_eqs(data, "a\xc3\xa4" "b"));
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_MESSAGE);
	assert_true(str_eqs(data, "next"));
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_MORE);
	/* Together too large. */
	n = frame(w, 0x01, "123456", 6);
	n += frame(w + n, 0x80, "12345", 5);
	assert_int_equal(evbuffer_add(eb, w, n), 0);
	assert_int_equal(ws_read_evbuffer(&r, eb, &data), WS_ERROR);
	assert_int_equal(r.close_code, 1009);
	ws_reader_clear(&r);
	evbuffer_free(eb);
}

static void
test_refused(void **state)
{
	static const struct {
		const char	*p;
		size_t		 n;
		unsigned int	 code;
	} t[] = {
		{ "\xc1\x80", 2, 1002 },		/* RSV1 */
		{ "\xa1\x80", 2, 1002 },
		{ "\x83\x80", 2, 1002 },		/* opcodes */
		{ "\x8b\x80", 2, 1002 },
		{ "\x80\x80", 2, 1002 },		/* no beginning */
		{ "\x09\x80", 2, 1002 },		/* fragmented ping */
		{ "\x89\xfe", 2, 1002 },		/* long ping */
		{ "\x81\xfe\x00\x7d", 4, 1002 },	/* not the shortest */
		{ "\x81\xff\0\0\0\0\0\0\xff\xff", 10, 1002 },
		{ "\x81\xff\x80\0\0\0\0\x01\0\0", 10, 1002 },
		{ "\x81\xff\0\0\0\0\x06\x40\0\0", 10, 1009 },	/* 100 MB */
		{ "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10, 1009 },
		{ "\x88\x81\0\0\0\0\x03", 7, 1002 },	/* half a code */
		{ "\x88\x82\0\0\0\0\x03\xed", 8, 1002 },	/* 1005 */
		{ "\x88\x82\0\0\0\0\x03\xee", 8, 1002 },	/* 1006 */
		{ "\x88\x82\0\0\0\0\x03\xe7", 8, 1002 },	/* 999 */
		{ "\x88\x82\0\0\0\0\x13\x88", 8, 1002 },	/* 5000 */
		{ "\x88\x83\0\0\0\0\x03\xe8\xff", 9, 1007 },
		{ "\x81\x82\0\0\0\0\xc0\xaf", 8, 1007 },	/* overlong */
		{ "\x81\x83\0\0\0\0\xed\xa0\x80", 9, 1007 },	/* surrogate */
		{ "\x81\x81\0\0\0\0\xc3", 7, 1007 },
		{ "\x82\x81\0\0\0\0\xff", 7, 1007 },	/* binary_text */
	};
	struct ws_reader	r;
	struct str		data;
	size_t			i;

	(void)state;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ws_reader_init(&r, true, 65536);
		r.binary_text = true;
		if (read_one(&r, t[i].p, t[i].n, &data) != WS_ERROR ||
		    r.close_code != t[i].code)
			fail_msg("row %zu: %u", i, r.close_code);
		assert_null(r.buf.p);
		ws_reader_clear(&r);
	}
	/* A second message before the first has ended. */
	ws_reader_init(&r, true, 65536);
	assert_int_equal(read_one(&r, "\x01\x80\0\0\0\0\x01\x80\0\0\0\0", 12,
	    &data), WS_ERROR);
	assert_int_equal(r.close_code, 1002);
	ws_reader_clear(&r);
}

static void
test_T47_memory_follows_bytes(void **state)
{
	static const uint8_t	head[] = { 0x81, 0xff, 0, 0, 0, 0, 0x01, 0, 0,
	    0, 1, 2, 3, 4 };
	struct ws_reader	r;
	struct str		data;
	uint8_t			buf[1000] = { 0 };
	size_t			used;

	(void)state;
	ws_reader_init(&r, true, 25u << 20);
	memcpy(buf, head, sizeof(head));
	assert_int_equal(ws_read(&r, buf, sizeof(buf), &used, &data), WS_MORE);
	assert_int_equal(used, sizeof(buf));
	assert_in_range(r.buf.cap, 986, 8192);
	ws_reader_clear(&r);
}

static void
test_close_reason_cut(void **state)
{
	struct evbuffer	*eb = evbuffer_new();
	char		 reason[200];
	uint8_t		 w[256];
	size_t		 n;

	(void)state;
	memset(reason, 'a', sizeof(reason));
	memcpy(reason + 122, "\xc3\xa4", 2);
	reason[199] = '\0';
	assert_int_equal(ws_send_close(eb, 1008, reason, false), 0);
	n = (size_t)evbuffer_remove(eb, w, sizeof(w));
	assert_int_equal(n, 2 + 2 + 122);
	assert_int_equal(w[1], 124);
	assert_int_equal(ws_send_close(eb, 1005, "x", false), 0);
	assert_int_equal(evbuffer_get_length(eb), 2);
	evbuffer_free(eb);
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_sha1_and_accept_key),
		cmocka_unit_test(test_mask_offsets),
		cmocka_unit_test(test_round_trip_sizes),
		cmocka_unit_test(test_client_side),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_T47_memory_follows_bytes),
		cmocka_unit_test(test_close_reason_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
