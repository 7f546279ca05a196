/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The insides of the HTTP client, for http_client.c and http_request.c. */
#ifndef COMMON_HTTP_REQUEST_H
#define COMMON_HTTP_REQUEST_H

#include <sys/queue.h>

#include "common/dbuf.h"
#include "common/http_connector.h"
#include "common/stream.h"

struct event;

struct http_request {
	TAILQ_ENTRY(http_request) entry;	/* while waiting */
	struct http_client	*client;
	struct http_conn	*conn;		/* while on one */
	const struct http_request_ops *ops;
	void			*arg;
	struct dbuf		 head;
	const void		*body_p;
	size_t			 body_n;
	void			(*body_free)(void *);
	void			*body_arg;
	uint32_t		 head_ms, idle_ms;
	uint64_t		 max_body, body_got;
	unsigned int		 status;
	uint32_t		 retry_after_ms;
	bool			 waiting, paused, idempotent, retried, to_head;
	bool			 has_body, over;
	bool			 started;	/* bytes of it may have left */
};

enum conn_state {
	CONN_OPENING,		/* a descriptor was asked for */
	CONN_TUNNEL,		/* CONNECT was sent to the proxy */
	CONN_TLS,
	CONN_IDLE,		/* these two are behind the others: see */
	CONN_BUSY,		/* conn_fail() */
};

struct http_conn {
	TAILQ_ENTRY(http_conn)	 entry;
	struct http_client	*client;
	struct http_open	*open;
	struct stream		*stream;
	struct event		*timer;
	struct http_request	*rq;
	enum conn_state		 state;
	int			 busy;		/* functions that stand on it */
	bool			 dead, reused, got_bytes, keep_alive;
	unsigned int		 interim;
	uint32_t		 keep_ms, limit_ms;
	uint64_t		 since_ms;	/* last sign of life */
	size_t			 queued, scan, head_n;
	struct http_body	 body;
};

struct http_client {
	struct event_base	*base;
	struct http_connector	*connector;
	struct tls_config	*tls;
	struct event		*timer;
	char			*host, *authority, *host_header, *proxy_auth;
	uint32_t		 dest;
	uint16_t		 port;
	bool			 proxy, named, dead;
	unsigned int		 max_conns, max_idle, max_waiting;
	uint32_t		 keep_ms, connect_ms;
	TAILQ_HEAD(, http_conn)	 conns;
	TAILQ_HEAD(, http_request) waiting;
	unsigned int		 nconns, nidle, nopening, nwaiting;
};

void	 http_client_kick(struct http_client *);
void	 http_client_later(struct http_client *);
void	 http_conn_give_up(struct http_conn *);

void	 http_request_wait(struct http_request *, bool first);
void	 http_request_unwait(struct http_request *);
/* Calls done and frees it; it is on no list any more. */
void	 http_request_done(struct http_request *, enum http_error,
	    const char *reason);

#endif
