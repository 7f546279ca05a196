/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* How every HTTP route says that it did not work: {"error":{message, type}},
 * the form that clients of OpenAI's interfaces raise for. */
#ifndef COMMON_HTTP_ERROR_H
#define COMMON_HTTP_ERROR_H

#include "common/dbuf.h"

#define HTTP_ERROR_BYTES	16384	/* for a text of HTTP_ERROR_TEXT */
#define HTTP_ERROR_TEXT		2048

/* Into an initialised buffer; code: NULL when there is none; with no_ok,
 * "ok":false stands before it. */
void	 http_error_put(struct dbuf *, bool no_ok, const char *type,
	    const char *code, const char *fmt, va_list)
	    __attribute__((format(printf, 5, 0)));
void	 http_error_puts(struct dbuf *, const char *type, const char *message);

#endif
