/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A link: one SEQPACKET socket to one sibling process.  One datagram is one
 * message.  Before a handler runs, the link has checked from the tables that
 * the type is known and legal in this direction and state, that length and
 * descriptors are in bounds and that the sequence is whole.  Anything else is
 * a violation: the link is dropped and `gone` is called with its reason.
 *
 * Back-pressure: what the kernel does not take is queued here.  link_full() is
 * true from LINK_HIGH queued bytes on; then take nothing new for this link, drop
 * what may be dropped, grant no credit to who feeds it, and go on when
 * `drained` is called (below LINK_LOW).  No link is left unread meanwhile: what
 * else comes over it would wait too, and two that wait for each other wait for
 * ever.  At LINK_MAX link_send fails with ENOBUFS.
 */
#ifndef COMMON_LINK_H
#define COMMON_LINK_H

#include <event2/event.h>

#include "common/msg.h"

#define LINK_HIGH	(256u << 10)
#define LINK_LOW	(64u << 10)
#define LINK_MAX	(16u << 20)

struct link;

struct link_ops {
	/* Anything but MSG_OK is a violation (MSG_NOMEM: logged, dropped). */
	enum msg_err (*message)(struct link *, struct msg *, void *arg);
	/* The peer ended (why == MSG_OK) or misbehaved.  The link is freed
	 * after this returns; pending replies will not come. */
	void	(*gone)(struct link *, enum msg_err why, uint16_t type,
		    void *arg);
	void	(*drained)(struct link *, void *arg);	/* may be NULL */
};

/* Takes fd (made non-blocking).  NULL with errno. */
struct link *link_new(struct event_base *, int fd, enum role self,
	    enum role peer, const char *instance, uint32_t endpoint,
	    const struct link_ops *, void *arg);
/* Sends what can be sent at once, closes; no `gone`. Safe in a handler. */
void	 link_free(struct link *);
/* The peer's process has ended: handles all that it sent before, then `gone`
 * as ever.  Not inside a handler. */
void	 link_finish(struct link *);

enum role link_peer(const struct link *);
const char *link_instance(const struct link *);	/* of the peer */
uint32_t link_endpoint(const struct link *);
const char *link_name(const struct link *);	/* "channeld/telegram:main" */
void	 link_setstate(struct link *, enum link_state);
/* A place for the owner's per-peer data. */
void	 link_setdata(struct link *, void *);
void	*link_data(const struct link *);

/* Encodes and sends or queues.  flags: MSG_F_REPLY, MSG_F_MORE.  fds are
 * closed when sent, and also on failure.  0, or -1 with errno (ENOBUFS: queue
 * full; EPIPE: the link is closing; EINVAL, EMSGSIZE: see msg_encode). */
int	 link_send_fds(struct link *, uint16_t type, const void *value,
	    uint64_t corr, unsigned int flags, const int *fds, size_t nfds);
/* A number that no request of this process used yet; never 0. */
uint64_t link_corr(void);

bool	 link_full(const struct link *);
size_t	 link_queued(const struct link *);	/* bytes */
/* Tries once to write what is queued, without an event loop. */
void	 link_flush(struct link *);

struct link_stats {
	uint64_t msgs_in, msgs_out, bytes_in, bytes_out;
};
/* Sum over all links of this process, living and gone. */
void	 link_stats(struct link_stats *);

/* send_<name>(link, &value, corr, flags) for every message. */
#define MSG(num, NAME, name, max, fds, fields)				\
	static inline int send_##name(struct link *l,			\
	    const struct m_##name *v, uint64_t corr, unsigned int flags)	\
	{								\
		return link_send_fds(l, num, v, corr, flags, NULL, 0);	\
	}
#include "proto/messages.def"
#undef MSG

#endif
