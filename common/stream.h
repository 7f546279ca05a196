/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A byte stream over a connected non-blocking socket: plain, or TLS once
 * tls_stream_start() was called.  Reading stops while `in` holds more than its
 * high mark or while paused; writing is queued without a limit of its own, so
 * whoever feeds it looks at stream_queued() and waits for `drained`.
 */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct evbuffer;
struct stream;

enum stream_end {
	STREAM_EOF,		/* orderly: FIN, under TLS after close_notify */
	STREAM_TRUNCATED,	/* TLS: FIN without close_notify */
	STREAM_ERROR,		/* errno of the socket */
	STREAM_TLS,		/* handshake or record failed: stream_reason */
};

struct stream_ops {
	void	(*open)(struct stream *, void *);	/* TLS is up; or NULL */
	/* Bytes are in; take what can be used from in. */
	void	(*read)(struct stream *, struct evbuffer *in, void *);
	/* Less than the low mark is queued now; may be NULL. */
	void	(*drained)(struct stream *, void *);
	/* Nothing more will be read (and, but for EOF, written). The bytes
	 * that came before have been offered to read. Once. */
	void	(*end)(struct stream *, enum stream_end, void *);
};

/* Takes fd.  NULL with errno (fd is then closed). */
struct stream *stream_new(struct event_base *, int fd,
	    const struct stream_ops *, void *arg);
/* Closes; no callback follows.  Safe in a callback. */
void	 stream_free(struct stream *);
void	 stream_set_ops(struct stream *, const struct stream_ops *, void *);
void	 stream_set_marks(struct stream *, size_t read_high, size_t write_low);
struct evbuffer *stream_in(struct stream *);
/* Queue bytes here, then stream_flush(). */
struct evbuffer *stream_out(struct stream *);
void	 stream_flush(struct stream *);
int	 stream_write(struct stream *, const void *, size_t);	/* both */
size_t	 stream_queued(const struct stream *);
/* Does not count.  After a resume what is left in `in` is offered again; call
 * it also after taking from `in` outside of the read callback. */
void	 stream_pause(struct stream *);
void	 stream_resume(struct stream *);
/* Sends what is queued, then close_notify and FIN; end follows. */
void	 stream_shutdown(struct stream *);
int	 stream_fd(const struct stream *);
/* Takes the descriptor out of a plain stream with an empty output queue and
 * frees the stream; -1 when TLS is on.  Unread bytes: take stream_in first. */
int	 stream_release_fd(struct stream *);
/* Why it ended, for a log: "certificate has expired"; "" when unknown. */
const char *stream_reason(const struct stream *);

#endif
