/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The body of POST /v1/responses. */
#ifndef AGENTD_HTTP_RESPONSES_H
#define AGENTD_HTTP_RESPONSES_H

#include "agentd/http.h"

/* As a turn: 0, or -1 with "<path>: <text>" of what is wrong first. */
int	 http_responses_read(json_t *body, struct http_turn *, char *why,
	    size_t size);

#endif
