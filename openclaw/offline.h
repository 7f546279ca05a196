/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#ifndef OPENCLAW_OFFLINE_H
#define OPENCLAW_OFFLINE_H

#include <jansson.h>
#include <stddef.h>

/* Where gatewayd(8) is; -1 without /proc. */
int	 offline_program(char *path, size_t);
/* config.get, config.set or config.edit (params are stolen) by gatewayd -e:
 * the payload, or NULL and the error object. */
json_t	*offline_try(const char *method, json_t *params, json_t **err);

#endif
