/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <event2/buffer.h>

#include "common/sha1.h"
#include "common/ws.h"

/* A frame up to this size waits in the input until it is whole; a larger one
 * is gathered as it comes, so that no input buffer is searched twice. */
#define WAIT_MAX	4096
/* Memory that a reader may keep between gathered messages. */
#define KEEP_MAX	16384

struct frame_head {
	uint64_t	length;
	size_t		size;		/* of the header itself */
	uint8_t		opcode, mask[4];
	bool		fin;
};

size_t
ws_header_encode(uint8_t out[WS_HEADER_MAX], enum ws_opcode op, bool fin,
    uint64_t length, const uint8_t mask[4])
{
	size_t	n = 2, i;

	out[0] = (uint8_t)((fin ? 0x80 : 0) | op);
	if (length < 126) {
		out[1] = (uint8_t)length;
	} else if (length <= UINT16_MAX) {
		out[1] = 126;
		out[2] = (uint8_t)(length >> 8);
		out[3] = (uint8_t)length;
		n = 4;
	} else {
		out[1] = 127;
		for (i = 0; i < 8; i++)
			out[2 + i] = (uint8_t)(length >> (56 - 8 * i));
		n = 10;
	}
	if (mask != NULL) {
		out[1] |= 0x80;
		memcpy(out + n, mask, 4);
		n += 4;
	}
	return n;
}

void
ws_mask(void *data, size_t n, const uint8_t mask[4], size_t offset)
{
	uint8_t		*p = data, m[8];
	uint64_t	 word, wide;
	size_t		 i;

	for (i = 0; i < 8; i++)
		m[i] = mask[(offset + i) & 3];
	memcpy(&wide, m, 8);
	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&word, p, 8);
		word ^= wide;
		memcpy(p, &word, 8);
	}
	for (i = 0; i < n; i++)
		p[i] ^= m[i];
}

int
ws_send(struct evbuffer *out, enum ws_opcode op, const void *p, size_t n,
    bool client)
{
	struct evbuffer_iovec	 iov;
	uint8_t			 head[WS_HEADER_MAX], mask[4];
	size_t			 len;

	if (client)
		arc4random_buf(mask, sizeof(mask));
	len = ws_header_encode(head, op, true, n, client ? mask : NULL);
	/* One reservation, so that a failure leaves no half frame. */
	if (n > SIZE_MAX / 2 ||
	    evbuffer_reserve_space(out, (ev_ssize_t)(len + n), &iov, 1) != 1)
		return -1;
	memcpy(iov.iov_base, head, len);
	if (n > 0)
		memcpy((uint8_t *)iov.iov_base + len, p, n);
	if (client)
		ws_mask((uint8_t *)iov.iov_base + len, n, mask, 0);
	iov.iov_len = len + n;
	return evbuffer_commit_space(out, &iov, 1);
}

int
ws_send_close(struct evbuffer *out, unsigned int code, const char *reason,
    bool client)
{
	uint8_t	buf[WS_CONTROL_MAX];
	size_t	n;

	if (code == WS_CLOSE_NO_STATUS)
		return ws_send(out, WS_OP_CLOSE, NULL, 0, client);
	buf[0] = (uint8_t)(code >> 8);
	buf[1] = (uint8_t)code;
	n = reason == NULL ? 0 : utf8_cut(reason, strlen(reason),
	    WS_REASON_MAX);
	if (n > 0)
		memcpy(buf + 2, reason, n);
	return ws_send(out, WS_OP_CLOSE, buf, n + 2, client);
}

bool
ws_close_code_ok(unsigned int code)
{
	return (code >= 1000 && code <= 1003) ||
	    (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void
ws_reader_init(struct ws_reader *r, bool server, size_t max)
{
	memset(r, 0, sizeof(*r));
	r->server = server;
	r->max = max;
	dbuf_init(&r->buf, max);
}

void
ws_reader_clear(struct ws_reader *r)
{
	dbuf_clear(&r->buf);
}

static enum ws_event
reader_error(struct ws_reader *r, uint16_t code)
{
	r->close_code = code;
	return WS_ERROR;
}

/* WS_MORE: incomplete (f->size 0) or whole; or WS_ERROR. */
static enum ws_event
head_parse(struct ws_reader *r, const uint8_t *p, size_t n,
    struct frame_head *f)
{
	size_t	need = 2, i;

	f->size = 0;
	if (n < 2)
		return WS_MORE;
	f->fin = (p[0] & 0x80) != 0;
	f->opcode = p[0] & 0x0f;
	/* No extension was agreed on, so the reserved bits mean nothing. */
	if ((p[0] & 0x70) != 0 || ((p[1] & 0x80) != 0) != r->server)
		return reader_error(r, WS_CLOSE_PROTOCOL);
	switch (f->opcode) {
	case WS_OP_CONT:
		if (r->opcode == 0)
			return reader_error(r, WS_CLOSE_PROTOCOL);
		break;
	case WS_OP_TEXT:
	case WS_OP_BINARY:
		if (r->opcode != 0)
			return reader_error(r, WS_CLOSE_PROTOCOL);
		break;
	case WS_OP_CLOSE:
	case WS_OP_PING:
	case WS_OP_PONG:
		if (!f->fin || (p[1] & 0x7f) > WS_CONTROL_MAX)
			return reader_error(r, WS_CLOSE_PROTOCOL);
		break;
	default:
		return reader_error(r, WS_CLOSE_PROTOCOL);
	}
	f->length = p[1] & 0x7f;
	if (f->length == 126)
		need = 4;
	else if (f->length == 127)
		need = 10;
	if (n < need)
		return WS_MORE;
	if (need > 2) {
		f->length = 0;
		for (i = 2; i < need; i++)
			f->length = f->length << 8 | p[i];
		/* The shortest form is the only one (RFC 6455, 5.2). */
		if (f->length < (need == 4 ? 126u : 65536u) ||
		    (f->length >> 63) != 0)
			return reader_error(r, WS_CLOSE_PROTOCOL);
	}
	/* Before anything is kept for it. */
	if (f->opcode < WS_OP_CLOSE && (r->buf.n > r->max ||
	    f->length > r->max - r->buf.n))
		return reader_error(r, WS_CLOSE_TOO_LARGE);
	if (r->server) {
		if (n < need + 4)
			return WS_MORE;
		memcpy(f->mask, p + need, 4);
		need += 4;
	}
	f->size = need;
	return WS_MORE;
}

static enum ws_event
control_event(struct ws_reader *r, const struct frame_head *f,
    struct str *data)
{
	const uint8_t	*p = (const uint8_t *)data->p;

	if (f->opcode == WS_OP_PING)
		return WS_PING;
	if (f->opcode == WS_OP_PONG)
		return WS_PONG;
	if (data->n == 0) {
		r->close_code = WS_CLOSE_NO_STATUS;
		return WS_CLOSE;
	}
	if (data->n == 1)
		return reader_error(r, WS_CLOSE_PROTOCOL);
	r->close_code = (uint16_t)(p[0] << 8 | p[1]);
	data->p += 2;
	data->n -= 2;
	if (!ws_close_code_ok(r->close_code))
		return reader_error(r, WS_CLOSE_PROTOCOL);
	if (!utf8_valid(data->p, data->n))
		return reader_error(r, WS_CLOSE_TEXT);
	return WS_CLOSE;
}

static enum ws_event
message_event(struct ws_reader *r, uint8_t opcode, struct str data)
{
	r->message_opcode = opcode == WS_OP_BINARY ? WS_OP_BINARY : WS_OP_TEXT;
	if ((opcode == WS_OP_TEXT || r->binary_text) &&
	    !utf8_valid(data.p, data.n))
		return reader_error(r, WS_CLOSE_TEXT);
	return WS_MESSAGE;
}

/* Appends what there is of the frame; -1 when out of memory. */
static int
gather(struct ws_reader *r, const uint8_t *p, size_t n)
{
	size_t	at = r->buf.n;

	if (n > 0 && dbuf_put(&r->buf, p, n) == -1)
		return -1;
	if (r->masked && n > 0)
		ws_mask(r->buf.p + at, n, r->mask, r->offset);
	r->offset += n;
	r->left -= n;
	return 0;
}

enum ws_event
ws_read(struct ws_reader *r, uint8_t *p, size_t n, size_t *used,
    struct str *data)
{
	struct frame_head	 f;
	enum ws_event		 ev;
	size_t			 pos = 0, take;
	uint8_t			 opcode;

	*used = 0;
	*data = (struct str){ "", 0 };
	if (r->gathered) {
		r->gathered = false;
		if (r->buf.cap > KEEP_MAX)
			dbuf_clear(&r->buf);
		else
			dbuf_reset(&r->buf);
	}
	for (;;) {
		if (!r->in_frame) {
			ev = head_parse(r, p + pos, n - pos, &f);
			if (ev == WS_ERROR)
				return ev;
			if (f.size == 0) {
				*used = pos;
				return WS_MORE;
			}
			take = n - pos - f.size;
			if (f.length <= take && (f.opcode >= WS_OP_CLOSE ||
			    (f.fin && f.opcode != WS_OP_CONT))) {
				pos += f.size;
				if (r->server)
					ws_mask(p + pos, (size_t)f.length,
					    f.mask, 0);
				data->p = (const char *)p + pos;
				data->n = (size_t)f.length;
				*used = pos + (size_t)f.length;
				if (f.opcode >= WS_OP_CLOSE)
					return control_event(r, &f, data);
				return message_event(r, f.opcode, *data);
			}
			if (f.opcode >= WS_OP_CLOSE ||
			    (f.length <= WAIT_MAX && f.length > take)) {
				*used = pos;
				return WS_MORE;
			}
			pos += f.size;
			if (f.opcode != WS_OP_CONT)
				r->opcode = f.opcode;
			r->buf.max = r->max;
			r->in_frame = true;
			r->fin = f.fin;
			r->masked = r->server;
			memcpy(r->mask, f.mask, 4);
			r->left = f.length;
			r->offset = 0;
		}
		take = n - pos < r->left ? n - pos : (size_t)r->left;
		if (gather(r, p + pos, take) == -1)
			return reader_error(r, WS_CLOSE_ERROR);
		pos += take;
		if (r->left > 0) {
			*used = pos;
			return WS_MORE;
		}
		r->in_frame = false;
		if (r->fin) {
			opcode = r->opcode;
			r->opcode = 0;
			r->gathered = true;
			*used = pos;
			data->p = dbuf_str(&r->buf);
			data->n = r->buf.n;
			return message_event(r, opcode, *data);
		}
	}
}

void
ws_reader_settle(struct ws_reader *r, struct evbuffer *in)
{
	if (r->lent > 0)
		evbuffer_drain(in, r->lent);
	r->lent = 0;
}

enum ws_event
ws_read_evbuffer(struct ws_reader *r, struct evbuffer *in, struct str *data)
{
	enum ws_event	 ev;
	uint8_t		*p, none[1] = { 0 };
	size_t		 n, want, used;

	ws_reader_settle(r, in);
	want = 0;
	for (;;) {
		n = evbuffer_get_contiguous_space(in);
		if (n < want)
			n = want;
		/* With nothing to read it still gives memory back. */
		p = n == 0 ? none : evbuffer_pullup(in, (ev_ssize_t)n);
		if (p == NULL)
			return reader_error(r, WS_CLOSE_ERROR);
		ev = ws_read(r, p, n, &used, data);
		if (ev != WS_MORE) {
			r->lent = used;
			return ev;
		}
		evbuffer_drain(in, used);
		if (used == n) {
			if (evbuffer_get_length(in) == 0)
				return WS_MORE;
			want = 0;
			continue;
		}
		/* A header or a small frame lies across two chunks. */
		n -= used;
		if (n == evbuffer_get_length(in))
			return WS_MORE;
		want = n * 2 > WAIT_MAX + WS_HEADER_MAX ? n * 2 :
		    WAIT_MAX + WS_HEADER_MAX;
		if (want > evbuffer_get_length(in))
			want = evbuffer_get_length(in);
	}
}

int
ws_accept_key(struct str key, char out[29])
{
	static const char	 guid[] =
	    "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	struct sha1		 s;
	uint8_t			 raw[18], sum[SHA1_LEN];

	if (key.n != 24 || base64_decode(key, raw, sizeof(raw)) != 16)
		return -1;
	sha1_init(&s);
	sha1_update(&s, key.p, key.n);
	sha1_update(&s, guid, sizeof(guid) - 1);
	sha1_final(&s, sum);
	base64_encode(sum, sizeof(sum), out);
	return 0;
}

void
ws_client_key(char out[25])
{
	uint8_t	raw[16];

	arc4random_buf(raw, sizeof(raw));
	base64_encode(raw, sizeof(raw), out);
}
