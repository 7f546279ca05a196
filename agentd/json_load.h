/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* JSON from outside this process, with a cap on its nesting. */
#ifndef AGENTD_JSON_LOAD_H
#define AGENTD_JSON_LOAD_H

#include <jansson.h>

#define JSON_LOAD_DEPTH		32	/* of arguments, results, options */

/* A new reference; NULL when it is no JSON value or nested deeper. */
json_t	*json_load_bounded(const char *, size_t, unsigned int depth);
/* Member of an object as text, or def. */
const char *json_text(const json_t *, const char *key, const char *def);

#endif
