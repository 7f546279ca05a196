/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The canvas: pages of a folder that another process reads, their live reload.
 * That process runs while somebody looks at a page or has just done so.
 */
#ifndef GATEWAYD_FRONT_CANVAS_H
#define GATEWAYD_FRONT_CANVAS_H

#include "gatewayd/front/front.h"

#define CANVAS_LIVE	"/__openclaw__/ws"

/* --- pages: canvas.c ------------------------------------------------------- */

/* Its own port has these routes, and answers anything else here. */
bool	 canvas_has(const struct http_ask *);
void	 canvas_other(struct conn *, const struct http_ask *);
void	 canvas_peer(struct link *);
void	 canvas_peer_gone(struct link *);
enum msg_err canvas_message(struct link *, struct msg *);
/* What the connection waits for has no end: its deadline; it takes more; it is
 * gone. */
void	 canvas_late(struct conn *);
void	 canvas_drained(struct conn *);
void	 canvas_forget(struct conn *);
/* The process is wanted, for who looks at a page. */
void	 canvas_wanted(void);
/* Nobody looks at a page any more. */
void	 canvas_rest(void);

/* --- live reload: live.c ---------------------------------------------------- */

/* An upgrade to CANVAS_LIVE. */
void	 live_request(struct conn *, const struct http_head *);
void	 live_read(struct conn *, struct evbuffer *in);
void	 live_timer(struct conn *);
void	 live_gone(struct conn *);
void	 live_reload(void);
unsigned int live_count(void);

#endif
