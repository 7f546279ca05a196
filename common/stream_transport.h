/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Between stream.c and a transport (tls.c); nobody else includes it. */
#ifndef COMMON_STREAM_TRANSPORT_H
#define COMMON_STREAM_TRANSPORT_H

#include <sys/types.h>

#include "common/stream.h"

enum stream_io {
	STREAM_IO_OK,		/* *n bytes */
	STREAM_IO_READ,		/* again when the socket is readable */
	STREAM_IO_WRITE,	/* again when it is writable */
	STREAM_IO_EOF,
	STREAM_IO_TRUNCATED,
	STREAM_IO_ERROR,	/* errno */
	STREAM_IO_FAILED,	/* the transport's own: reason is set */
};

struct stream_transport {
	/* NULL: open at once. */
	enum stream_io (*handshake)(void *, char *reason, size_t);
	enum stream_io (*read)(void *, int fd, void *, size_t, size_t *n,
			    char *reason, size_t);
	enum stream_io (*write)(void *, int fd, struct evbuffer *,
			    char *reason, size_t);
	/* Bytes that a read would give without the socket being readable. */
	bool	(*pending)(void *);
	void	(*shutdown)(void *);	/* say goodbye; best effort */
	void	(*free)(void *);
};

/* Replaces the plain transport; the stream frees ctx from now on. */
void	 stream_set_transport(struct stream *, const struct stream_transport *,
	    void *ctx);

#endif
