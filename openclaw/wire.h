/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* One connection to a gateway: lines of JSON on the control socket, or
 * WebSocket messages.  Blocking, with a deadline for each wait. */
#ifndef OPENCLAW_WIRE_H
#define OPENCLAW_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;

#define WIRE_FRAME_MAX	(32u << 20)	/* history may be 6 MiB and JSON */

/* NULL with why; and errno. */
struct wire *wire_open_unix(const char *path, char *why, size_t);
struct wire *wire_open_url(const char *url, int timeout_ms, char *why, size_t);
void	 wire_close(struct wire *);
/* 0, or -1 with why. */
int	 wire_send(struct wire *, const char *text, size_t n, char *why, size_t);
/* The next frame, NUL-terminated and valid until the next call; NULL with why
 * ("" when deadline_ms, of mono_ms(), passed). */
const char *wire_recv(struct wire *, uint64_t deadline_ms, char *why, size_t);

#endif
