/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The insides of gatewayd-front. */
#ifndef GATEWAYD_FRONT_FRONT_H
#define GATEWAYD_FRONT_FRONT_H

#include <sys/queue.h>

#include "common/http_parse.h"
#include "common/stream.h"
#include "common/worker.h"
#include "common/ws.h"
#include "gatewayd/front/locality.h"
#include "gatewayd/front/routes.h"

/* --- configuration: conf.c ----------------------------------------------- */

struct front_conf {
	struct origin_policy origin;
	char		 base_path[128];	/* "" or "/x" */
	char		*assistant_name;	/* with a page that is not ours */
	char		*assistant_avatar;
	uint32_t	 handshake_ms;
	uint32_t	 preauth_bytes;		/* of one message */
	unsigned int	 max_conns;		/* relays included */
	struct route_conf routes;
	bool		 ui;			/* the page is served */
	bool		 canvas_live;		/* pages load again */
	uint16_t	 canvas_port;		/* 0: none of its own */
};
extern struct front_conf	front_conf;
/* What is served as index.html, csp NULL: the file as it is. */
extern struct foreign_page	front_foreign;

/* struct worker.configure and .commit */
int	 front_configure(const struct parcel *, bool reload, char *why,
	    size_t size);
void	 front_commit(void);
int	 front_setup(void);

/* How TLS comes in: NULL in gatewayd-front, which then never loads OpenSSL;
 * gatewayd-front-tls has one. */
struct front_tls {
	/* From PEM text: 0, or -1 with a reason.  Replaces the last one. */
	int	(*configure)(struct str cert, struct str key, char *why,
		    size_t size);
	int	(*start)(struct stream *);
};
extern const struct front_tls	*front_tls;

/* --- connections: conn.c ------------------------------------------------- */

enum conn_state {
	CONN_TLS,		/* handshake */
	CONN_HEAD,		/* a request head is awaited */
	CONN_CHALLENGED,	/* WebSocket: the connect frame is awaited */
	CONN_JUDGED,		/* store was asked */
	CONN_API,		/* a request that others answer: api.c */
	CONN_FETCHING,		/* canvas is asked; or its answer is sent */
	CONN_LIVE,		/* WebSocket of a page: live reload */
	CONN_LEAVING,		/* accepted; our last bytes are on their way */
	CONN_CLOSING,		/* we said our last word */
};

struct conn {
	TAILQ_ENTRY(conn)	 entry;		/* by age */
	uint64_t		 id, born_ms;
	enum conn_state		 state;
	struct stream		*s;
	struct event		*timer;
	struct locality		 from;
	size_t			 scan;
	unsigned int		 requests, controls;
	struct ws_reader	 ws;
	char			 nonce[37];
	char			*host, *proto;	/* of the upgrade */
	uint16_t		 port;		/* of its end */
	char			*user;		/* locality_user() */
	uint64_t		 whois_asked;	/* whois.c: corr, or 0 */
	bool			 whois;		/* tailscaled knows him */
	bool			 browser;	/* its upgrade had an Origin */
	char			*request_id;	/* of connect, JSON */
	uint64_t		 ticket;
	struct api		*api;		/* in CONN_API */
	bool			 live;		/* is counted: live.c */
	bool			 canvas_port;	/* came in by the canvas's own */
	struct canvas_req	*canvas;	/* CONN_FETCHING: canvas.c */
};

/* Takes fd. */
void	 conn_accepted(int fd, const struct sockaddr_storage *,
	    bool canvas_port);
struct conn *conn_find(uint64_t id);
/* Makes room by giving up who has waited longest: false when nobody has
 * waited long enough to be given up. */
bool	 conn_evict(void);
unsigned int conn_count(void);
unsigned int conn_count_of(const char *peer);
unsigned int conn_count_live(const char *peer);
/* After the answer is out: FIN, and the rest is thrown away. */
void	 conn_linger(struct conn *);
void	 conn_free(struct conn *);
void	 conn_timer(struct conn *, uint32_t ms);
/* Calls fn for everybody; it may free the one it is called for. */
void	 conn_each(void (*fn)(struct conn *));
/* Frees all of them (drain); WebSockets get a close 1012. */
void	 conn_free_all(void);

/* --- requests: http.c ---------------------------------------------------- */

/* A whole head is at the front of in; http_request() drains it. */
void	 http_request(struct conn *, const struct http_head *, size_t head_n,
	    struct evbuffer *in);
void	 http_refuse(struct conn *, unsigned int status, const char *text);
/* One answer is out and another request may come. */
void	 http_next(struct conn *);
/* Bytes that answer whoever is not even let in. */
size_t	 http_busy(char *buf, size_t size, uint32_t retry_s);

/* --- WebSocket up to the hand-over: upgrade.c ---------------------------- */

void	 upgrade_request(struct conn *, const struct http_head *);
/* Judges an upgrade by its headers and answers 101, or refuses it: false. */
bool	 upgrade_answer(struct conn *, const struct http_head *);
void	 upgrade_read(struct conn *, struct evbuffer *in);
/* All that was queued before the hand-over is sent. */
void	 upgrade_drained(struct conn *);
void	 upgrade_close(struct conn *, unsigned int code, const char *reason);
enum msg_err upgrade_auth_res(struct msg *);
/* Store or router went away while they were asked. */
void	 upgrade_lost(struct conn *);
/* A flood of refusals is one line in a while, with their number. */
void	 upgrade_log_refused(const struct conn *, const char *reason);

/* --- routes that other processes answer: api.c ---------------------------- */

/* A row of routes.def with the door SECRET; the head is drained later. */
void	 api_request(struct conn *, const struct http_ask *);
/* One with another door and no body: its agent is in the path. */
void	 api_open(struct conn *, const struct http_ask *);
void	 api_auth_res(struct conn *, const struct m_auth_res *);
void	 api_read(struct conn *, struct evbuffer *in);
void	 api_drained(struct conn *);
void	 api_timeout(struct conn *);
enum msg_err api_res(struct msg *);
/* Store says that it may ask. */
bool	 api_admitted(const struct conn *);
/* Store or router went away: ends the responses that now cannot come. */
void	 api_lost(struct conn *);
void	 api_stop(struct conn *);	/* we go */
/* Of a connection that is freed. */
void	 api_free(struct conn *);
void	 api_whois(struct conn *);	/* c->whois is judged */

/* --- Tailscale identities: whois.c ----------------------------------------- */

/* Asks about whom the request says it comes from; false: there is nothing to
 * ask.  While c->whois_asked is set nothing more of the connection is read;
 * what then goes on is the upgrade, or api_whois(). */
bool	 whois_ask(struct conn *, const struct http_head *);
void	 whois_peer(struct link *);
void	 whois_peer_gone(void);
enum msg_err whois_message(struct msg *);

/* --- links: main code in front.c ----------------------------------------- */

extern struct link	*front_router, *front_store;
/* The router says that who answers clients is there. */
extern bool	 front_ready;
/* front_tls is set before; the result of main(). */
int	 front_main(int argc, char *argv[]);

/* --- accepting: accept.c ------------------------------------------------- */

void	 accept_listener(int fd, const char *name);
void	 accept_stop(void);
/* Descriptors ran short: wait a moment. */
void	 accept_pause(void);

/* --- TLS clients after the hand-over: relay.c ---------------------------- */

/* Takes the stream and what it has unread; the other end of the pair is
 * returned for the router, -1 with errno (then nothing was taken). */
int	 relay_new(struct stream *);
unsigned int relay_count(void);

#endif
