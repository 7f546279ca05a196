/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The table of keys as the payload of config.schema: JSON Schema draft 7, and
 * hints for forms. */
#ifndef GATEWAYD_CONFIG_SCHEMA_H
#define GATEWAYD_CONFIG_SCHEMA_H

#include "common/dbuf.h"

/* 0, or -1 when the buffer is full. */
int	 schema_write(struct dbuf *, uint64_t now_ms);

#endif
