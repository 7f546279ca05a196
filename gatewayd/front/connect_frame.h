/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A client's first frame: checks 1 to 6 of spec 2.4.  Pure.  What depends on
 * credentials is judged by store.  No JSON tree is built: the skimmer has
 * checked the text, and values are copied out of it into one block.
 */
#ifndef GATEWAYD_FRONT_CONNECT_FRAME_H
#define GATEWAYD_FRONT_CONNECT_FRAME_H

#include "common/dbuf.h"
#include "common/link.h"

#define CONNECT_FRAME_MAX	65536
#define CONNECT_ID_MAX		1024	/* bytes of a request id, with quotes */

struct connect_frame {
	/* The request id as it stands in the frame, with its quotes. */
	struct str	 id;
	/* Filled but for conn, challenge, remote, local and host. */
	struct m_auth_req req;
	/* Not accepted: the answer, empty when there is none, and the close. */
	struct dbuf	 answer;
	unsigned int	 close_code;
	char		 close_reason[128];
	struct dbuf	 block;		/* behind all strings above; secret */
};

/* May mend the n bytes at p in place.  True: accepted. */
bool	 connect_frame_parse(struct connect_frame *, char *p, size_t n);
/* Zeroes what it holds. */
void	 connect_frame_clear(struct connect_frame *);
/* An error response into out: {"type":"res","id":...,"ok":false,...}.  details
 * is JSON or empty; retry_s: when to come again, 0 when that is not said. */
void	 connect_error(struct dbuf *out, struct str id, const char *code,
	    const char *message, struct str details, uint32_t retry_s);

#endif
