/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Between http_connector.c and http_client.c; others see http_client.h. */
#ifndef COMMON_HTTP_CONNECTOR_H
#define COMMON_HTTP_CONNECTOR_H

#include "common/http_client.h"

struct http_open;

/* fd, or -1 with an error and a reason.  Never before connector_open has
 * returned; once; the http_open is gone then. */
typedef void http_open_cb(int fd, enum http_error, const char *reason,
	    void *arg);

/* host: NULL, or kept by the caller until the end, and then it counts with
 * port instead of dest.  NULL: out of memory.  There is no time limit here:
 * cancel it. */
struct http_open *http_connector_open(struct http_connector *, uint32_t dest,
	    const char *host, uint16_t port, uint32_t timeout_ms,
	    http_open_cb *, void *arg);
void	 http_connector_cancel(struct http_open *);

#endif
