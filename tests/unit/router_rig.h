/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The whole router in one process: its siblings are links whose other ends the
 * test holds, its clients are socket pairs.  One for each test_router_*.c.
 */
#ifndef TESTS_ROUTER_RIG_H
#define TESTS_ROUTER_RIG_H

#include "common/log.h"
#include "gatewayd/router/router.h"

#define ADMIN	"operator.admin"

struct got;

struct sibling {
	struct link	*near, *far;	/* router's end, ours */
	struct got	*first, **last;
	enum msg_err	 gone;		/* why the router dropped it */
	bool		 is_gone;
};

/* A client, of a WebSocket or with a line for each frame. */
struct peer {
	int		 fd;
	struct dbuf	 in;
	bool		 line;
};

extern struct sibling	 front, store, logd, agent, work, chan, tool, parent;
extern bool		 want_presence;	/* frame() shows those events too */

void	sibling_up(struct sibling *s, enum role role, const char *instance);
void	pump(void);
void	wait_ms(int ms);
/* The next message of that type, or NULL; others before it are dropped. */
struct msg	*take(struct sibling *s, uint16_t type);
void	sibling_down(struct sibling *s);
/* Group set-up: two agents, two channels of which one runs. */
int	setup(void **state);
/* The next text frame or line; NULL when there is none. */
const char	*frame(struct peer *p);
bool	at_end(struct peer *p);
size_t	ws_frame(uint8_t *out, int first, const void *text, size_t n);
void	send_all(int fd, const void *p, size_t n);
void	say(struct peer *p, const char *text);
struct m_auth_ticket	ticket(const char *scopes);
void	hand_over(struct peer *p, uint64_t number, const char *unread,
	    size_t n);
void	join(struct peer *p, const char *scopes);
void	leave(struct peer *p);
void	expect(struct peer *p, const char *want);
void	turn_ack(struct sibling *s, uint64_t corr, struct str run,
	    enum turn_status st, const char *code, const char *reason);
void	run_end(struct sibling *s, const char *run, enum run_status st,
	    const char *summary, const char *result);
/* One of protocol 4; caps: JSON array. */
void	join4(struct peer *p, const char *scopes, const char *caps);
void	ag_event(struct sibling *s, enum gw_event ev, bool droppable,
	    const char *run, const char *payload, size_t n);

#endif
