/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * RFC 6455 framing for both sides, without extensions.  Reading: a frame that
 * is wholly in the input is unmasked in place and lent out, so a small message
 * is never copied and an idle connection holds no buffer; only a large or
 * fragmented one is gathered, growing with the bytes that came and never with
 * the length that was announced.  Writing: the header is separate from the
 * payload, so that one payload can be shared by many sockets.
 */
#ifndef COMMON_WS_H
#define COMMON_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/dbuf.h"
#include "common/text.h"

struct evbuffer;

enum ws_opcode {
	WS_OP_CONT = 0, WS_OP_TEXT = 1, WS_OP_BINARY = 2,
	WS_OP_CLOSE = 8, WS_OP_PING = 9, WS_OP_PONG = 10
};
#define WS_CLOSE_NORMAL		1000
#define WS_CLOSE_AWAY		1001
#define WS_CLOSE_PROTOCOL	1002
#define WS_CLOSE_NO_STATUS	1005	/* never sent */
#define WS_CLOSE_TEXT		1007
#define WS_CLOSE_POLICY		1008
#define WS_CLOSE_TOO_LARGE	1009
#define WS_CLOSE_ERROR		1011
#define WS_CLOSE_RESTART	1012
#define WS_CLOSE_TRY_LATER	1013
#define WS_CLOSE_CREDENTIAL	4001	/* it is not good any more */

#define WS_HEADER_MAX		14
#define WS_CONTROL_MAX		125
#define WS_REASON_MAX		123

/* Header of a frame: bytes written (2..14).  mask NULL: a server's frame. */
size_t	 ws_header_encode(uint8_t out[WS_HEADER_MAX], enum ws_opcode,
	    bool fin, uint64_t length, const uint8_t mask[4]);
/* XORs n bytes, of which the first is number offset of the payload. */
void	 ws_mask(void *p, size_t n, const uint8_t mask[4], size_t offset);

/* Whole frames into an evbuffer: 0 or -1.  The payload is copied; to share
 * one, add ws_header_encode() and evbuffer_add_reference() yourself.
 * client: mask it (random). */
int	 ws_send(struct evbuffer *, enum ws_opcode, const void *, size_t,
	    bool client);
/* reason is cut to 123 bytes at a character border; code 1005: empty. */
int	 ws_send_close(struct evbuffer *, unsigned int code,
	    const char *reason, bool client);

enum ws_event {
	WS_MORE,	/* wants more bytes */
	WS_MESSAGE,	/* text or binary: whole, and valid UTF-8 if text */
	WS_PING,	/* answer with WS_OP_PONG and the same data */
	WS_PONG,
	WS_CLOSE,	/* the peer closes: reader.close_code, data: reason */
	WS_ERROR	/* close with reader.close_code; read no further */
};

struct ws_reader {
	size_t		 max;		/* bytes of one message */
	bool		 server;	/* we are the server: peer must mask */
	bool		 binary_text;	/* binary must be UTF-8 as well */
	uint8_t		 opcode;	/* of the message being gathered */
	bool		 in_frame, fin, masked, gathered;
	uint8_t		 mask[4];
	uint64_t	 left;		/* of the frame being gathered */
	size_t		 offset;	/* in that frame */
	size_t		 lent;		/* bytes to drain at the next call */
	uint16_t	 close_code;
	enum ws_opcode	 message_opcode; /* of the last WS_MESSAGE */
	struct dbuf	 buf;
};

/* max may be changed between messages (reader.max). */
void	 ws_reader_init(struct ws_reader *, bool server, size_t max);
void	 ws_reader_clear(struct ws_reader *);
/*
 * Reads one event from the n bytes at p, which it may change (unmasking).
 * *used bytes are done with and must be removed before the next call, when
 * *data (valid until then) is no longer needed.  With WS_MORE, *used may be
 * less than n: keep the rest.
 */
enum ws_event ws_read(struct ws_reader *, uint8_t *p, size_t n, size_t *used,
	    struct str *data);
/* The same on an evbuffer: removes what is done with at the next call, so
 * *data lives until then.  Do not read the buffer otherwise meanwhile, or call
 * ws_reader_settle() first. */
enum ws_event ws_read_evbuffer(struct ws_reader *, struct evbuffer *,
	    struct str *data);
/* Removes what the last event lent, so that the buffer holds unread bytes
 * only (before a hand-over). */
void	 ws_reader_settle(struct ws_reader *, struct evbuffer *);

/* Sec-WebSocket-Accept of a key (as in the header): 28 characters and a NUL.
 * -1 when the key is not base64 of 16 bytes. */
int	 ws_accept_key(struct str key, char out[29]);
/* A client's random key: 24 characters and a NUL. */
void	 ws_client_key(char out[25]);
/* May a peer send this code? */
bool	 ws_close_code_ok(unsigned int);

#endif
