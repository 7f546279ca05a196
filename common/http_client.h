/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * HTTP/1.1 client for processes that cannot make sockets: connected
 * descriptors come from the process `connect` (CN_OPEN, CN_FD).  Everything is
 * asynchronous; one request has exactly one `done`, never before
 * http_request_send() has returned.
 *
 *	connector = http_connector_new(base);
 *	worker.peer:	   if (link_peer(l) == ROLE_CONNECT)
 *				   http_connector_set_link(connector, l);
 *	worker.peer_gone:  ... http_connector_set_link(connector, NULL);
 *	worker.message:	   CN_FD, CN_ERR:
 *				   return http_connector_message(connector, m);
 *	client = http_client_new(base, connector, &config);
 *	rq = http_request_new(client, "POST", "/v1/messages", &ops, arg);
 *	http_request_header(rq, "content-type", "application/json");
 *	http_request_body(rq, p, n, free_cb, free_arg);
 *	http_request_send(rq);
 *
 * A request that could not be sent on a kept connection because the server had
 * just closed it is sent once more on a fresh one when no byte of an answer
 * had come and it is safe to (GET, HEAD).
 * Redirects are not followed: the answer is what the server said (T39).
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/http_parse.h"
#include "common/link.h"
#include "common/tls.h"

struct http_connector;
struct http_client;
struct http_request;

enum http_error {
	HTTP_OK,		/* the answer is whole, whatever its status */
	HTTP_E_CONNECT,		/* no connection: DNS, refused, ... */
	HTTP_E_POLICY,		/* no connection: it is not allowed */
	HTTP_E_PROXY,		/* the proxy did not open the tunnel */
	HTTP_E_TLS,
	HTTP_E_TIMEOUT,		/* connect, head or idle: see reason */
	HTTP_E_PROTOCOL,	/* the answer is not HTTP as we take it */
	HTTP_E_CLOSED,		/* cut short by the other side */
	HTTP_E_TOO_LARGE,	/* more body than max_body */
	HTTP_E_CANCELLED,	/* http_client_free */
	HTTP_E_NOMEM,
	HTTP_E_MAX
};
const char *http_error_name(enum http_error);

/* --- where descriptors come from ----------------------------------------- */

struct http_connector *http_connector_new(struct event_base *);
/* After every client that uses it. */
void	 http_connector_free(struct http_connector *);
/* The link to `connect`, NULL while it is gone.  What waits is asked again
 * when it comes back, within its time limit. */
void	 http_connector_set_link(struct http_connector *, struct link *);
/* CN_FD and CN_ERR.  Answers to what was given up are closed quietly. */
enum msg_err http_connector_message(struct http_connector *, struct msg *);
/* Tests: descriptors come from open(dest), a connected or connecting
 * non-blocking socket, or -1 with errno; no link is needed then. */
void	 http_connector_set_open(struct http_connector *,
	    int (*open)(uint32_t dest, void *arg), void *arg);

/* --- one destination ----------------------------------------------------- */

struct http_client_config {
	const char	*host;		/* for Host, SNI and the certificate */
	uint16_t	 port;
	uint32_t	 dest;		/* number for CN_OPEN */
	bool		 named;		/* ask for host and port instead */
	struct tls_config *tls;		/* NULL: plain; not owned */
	bool		 proxy;		/* dest is an HTTP proxy: CONNECT to
					 * host:port first (plain: likewise) */
	const char	*proxy_auth;	/* value of Proxy-Authorization, NULL */
	unsigned int	 max_conns;	/* at once; 0: 4 */
	unsigned int	 max_idle;	/* kept for reuse; 0: 2 */
	unsigned int	 max_waiting;	/* not on a connection; 0: 64 */
	uint32_t	 keep_ms;	/* idle connection; 0: 50 s */
	uint32_t	 connect_ms;	/* up to TLS included; 0: 15 s */
};

/* Copies what it needs.  NULL with errno. */
struct http_client *http_client_new(struct event_base *,
	    struct http_connector *, const struct http_client_config *);
/* Ends every request with HTTP_E_CANCELLED (done is called). Safe in a
 * callback. */
void	 http_client_free(struct http_client *);
/* Closes connections that are only kept. */
void	 http_client_drop_idle(struct http_client *);

/* --- one request --------------------------------------------------------- */

struct http_request_ops {
	/* Final status and headers (1xx are swallowed).  May be NULL. */
	void	(*head)(struct http_request *, const struct http_head *,
		    void *arg);
	/* A run of the body, decoded.  Never empty. */
	void	(*body)(struct http_request *, const void *, size_t,
		    void *arg);
	/* Over; reason is for the log, without secrets.  The request is freed
	 * after this returns. */
	void	(*done)(struct http_request *, enum http_error,
		    const char *reason, void *arg);
};

/* method: a token; path: with query, begins with '/'.  Host, Content-Length
 * and Connection are made here.  NULL with errno (EINVAL). */
struct http_request *http_request_new(struct http_client *,
	    const char *method, const char *path,
	    const struct http_request_ops *, void *arg);
/* 0, or -1 with EINVAL: not a header name or value, or one that is ours.
 * The memory of headers is zeroed when freed: they may hold a credential. */
int	 http_request_header(struct http_request *, const char *name,
	    const char *value);
/* p stays valid until free_cb(free_arg) is called; NULL free_cb: copied. */
int	 http_request_body(struct http_request *, const void *p, size_t n,
	    void (*free_cb)(void *), void *free_arg);
/* Time from sending (all written) to the head, and without any byte of the
 * body; 0 keeps the default of 120 s each.  Paused time does not count. */
void	 http_request_timeouts(struct http_request *, uint32_t head_ms,
	    uint32_t idle_ms);
/* Decoded bytes at most; default: 64 MiB, UINT64_MAX: any. */
void	 http_request_max_body(struct http_request *, uint64_t);
/* Starts it: 0, or -1 with errno (ENOBUFS: too many wait); then it is freed
 * without done. */
int	 http_request_send(struct http_request *);
/* Gives it up and frees it: no callback follows.  Also before _send and in its
 * own head and body callbacks. */
void	 http_request_cancel(struct http_request *);
/* Back-pressure: no body callback while paused.  Does not count. */
void	 http_request_pause(struct http_request *);
void	 http_request_resume(struct http_request *);
/* Of the answer, once head was called. */
unsigned int http_request_status(const struct http_request *);
uint32_t http_request_retry_after_ms(const struct http_request *);
/* Also in done: may any byte of it have left?  False means that the server
 * has surely not seen it, so that it can be sent again whatever it does. */
bool	 http_request_started(const struct http_request *);

#endif
