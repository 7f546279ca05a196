/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Messages between processes: numbers, structs, coding and permissions, all
 * made from messages.def, links.def and roles.def.  No I/O here; common/link.h
 * sends and receives.
 *
 * Every row of messages.def gives MSG_<NAME>, struct m_<name>, and
 *	enum msg_err get_<name>(struct msg *, struct m_<name> *)
 * Decoded STR fields are valid UTF-8 and NUL-terminated at p[n]; BLOB and BODY
 * are NUL-terminated too except a BODY that came as memfd.  All of them point
 * into the message and live until msg_clear().
 */
#ifndef COMMON_MSG_H
#define COMMON_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"
#include "proto/enums.h"

#define MSG_PROTOCOL	1	/* changes with an incompatible table */
#define MSG_HEADER	32
#define LINK_INLINE_MAX	65536	/* bytes of one datagram with its header */
#define MSG_FDS_MAX	8

enum role {
#define ROLE(n, NAME, name, prog, user, count) ROLE_##NAME = n,
#include "proto/roles.def"
#undef ROLE
	ROLE_MAX
};
const char *role_name(unsigned int);	/* "channeld"; "?" when unknown */
enum role role_by_name(const char *);	/* ROLE_MAX when unknown */
const char *role_program(unsigned int);	/* "gatewayd-front" */
const char *role_user(unsigned int);	/* "_gwfront" */
bool	 role_wanted(unsigned int);	/* runs only while PROC_WANT says so */
/* Does the topology of links.def join these two (in either order)? */
bool	 role_linked(unsigned int, unsigned int);

enum msg_type {
#define MSG(num, NAME, name, max, fds, fields) MSG_##NAME = num,
#include "proto/messages.def"
#undef MSG
};

enum msg_err {
	MSG_OK,
	MSG_TRUNCATED,	/* shorter than its fields, or than its header says */
	MSG_TRAILING,	/* bytes behind the last field */
	MSG_RANGE,	/* a number or a length out of its bounds */
	MSG_TEXT,	/* a STR that is not UTF-8, or holds a NUL */
	MSG_FD,		/* missing, surplus or wrong kind of descriptor */
	MSG_UNKNOWN,	/* no such type */
	MSG_DIRECTION,	/* not from this role to that one */
	MSG_STATE,	/* not now */
	MSG_SEQUENCE,	/* a gap in the link's count */
	MSG_TOO_LARGE,
	MSG_MEANING,	/* a handler refused its content */
	MSG_NOMEM,	/* our shortage, not the peer's fault */
	MSG_ERR_MAX
};
const char *msg_err_name(enum msg_err);

enum msg_flag { MSG_F_FDS = 1, MSG_F_MORE = 2, MSG_F_REPLY = 4 };

enum link_state { LINK_SETUP = 1, LINK_RUN = 2, LINK_DRAIN = 4 };

enum field_type { FIELD_END, FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64,
	FIELD_STR, FIELD_BLOB, FIELD_BODY };

struct msg_field {
	enum field_type	 type;
	const char	*name;
	size_t		 offset;	/* in struct m_<name> */
	uint64_t	 min, max;
};
struct msg_desc {
	uint16_t		 type;
	const char		*name;		/* "CH_INBOUND" */
	uint32_t		 max;		/* whole datagram */
	uint8_t			 fds;
	size_t			 size;		/* of struct m_<name> */
	const struct msg_field	*fields;
};
/* NULL when unknown. */
const struct msg_desc *msg_desc(uint16_t type);
/* Row i of the table, for tests and the manual; NULL behind the last. */
const struct msg_desc *msg_desc_at(size_t i);
/* Is this message legal from one role to the other in that state? MSG_OK,
 * MSG_DIRECTION or MSG_STATE. */
enum msg_err msg_allowed(uint16_t type, enum role from, enum role to,
	    enum link_state);

struct msg_header {
	uint32_t length;	/* whole datagram */
	uint16_t type;
	uint8_t	 version;
	uint8_t	 flags;
	uint32_t dst, src;	/* endpoints; src is set by the receiver */
	uint64_t corr;		/* joins a reply to its request */
	uint32_t seq;		/* counts per link and direction, from 1 */
};

/* A received message.  The payload belongs to whoever received it. */
struct msg {
	struct msg_header	 h;
	const uint8_t		*payload;
	size_t			 len;
	int			 fds[MSG_FDS_MAX + 2];
	size_t			 nfds;
	struct { const void *p; size_t n; } map[2];	/* of BODY memfds */
	size_t			 nmaps;
};

/* Header and payload of one datagram to be sent: writes at most size bytes to
 * buf and memfds for bodies to fds (room for 2).  Length, or -1 with errno
 * EMSGSIZE, EINVAL (a value out of its bounds) or that of memfd_create. */
ssize_t	 msg_encode(uint16_t type, const void *value, void *buf, size_t size,
	    int *body_fds, size_t *nbody_fds);
void	 msg_header_put(void *buf, const struct msg_header *);
enum msg_err msg_header_get(const void *buf, size_t, struct msg_header *);
/* Decodes into the struct of m->h.type; maps body memfds.  All or nothing. */
enum msg_err msg_decode(struct msg *m, void *value);
/* Gives descriptor i to the caller; -1 when there is none. */
int	 msg_take_fd(struct msg *, size_t i);
/* Unmaps and closes what was not taken. */
void	 msg_clear(struct msg *);

#define U8(n, lo, hi)	uint8_t n;
#define U16(n, lo, hi)	uint16_t n;
#define U32(n, lo, hi)	uint32_t n;
#define U64(n, lo, hi)	uint64_t n;
#define STR(n, lo, hi)	struct str n;
#define BLOB(n, hi)	struct str n;
#define BODY(n, hi)	struct str n;
#define MSG(num, NAME, name, max, fds, fields)				\
	struct m_##name { fields uint8_t end_; };			\
	static inline enum msg_err get_##name(struct msg *m,		\
	    struct m_##name *v)						\
	{								\
		if (m->h.type != MSG_##NAME)				\
			return MSG_UNKNOWN;				\
		return msg_decode(m, v);				\
	}
#include "proto/messages.def"
#undef MSG
#undef U8
#undef U16
#undef U32
#undef U64
#undef STR
#undef BLOB
#undef BODY

#endif
