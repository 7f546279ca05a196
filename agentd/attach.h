/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Attachments of agent and chat.send (spec gateway-protocol 4.3): base64 from
 * a client, of which images go to the model and the rest is left out.  What an
 * image is, is decided by its first bytes; nothing is decoded beyond them.
 */
#ifndef AGENTD_ATTACH_H
#define AGENTD_ATTACH_H

#include "common/dbuf.h"
#include "common/methods.h"
#include "common/text.h"

#define ATTACH_MAX		64	/* in one message */

/*
 * The array as the client wrote it, as blocks of a message in out ("" when
 * none is an image): 0, or -1 with the error for the client in why.  dropped
 * gets what the log should say of those that were left out, a line each.  max:
 * bytes of one, decoded.
 */
int	 attach_read(struct str json, size_t max, struct dbuf *out,
	    struct dbuf *dropped, char *why, size_t size);

#endif
