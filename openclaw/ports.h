/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Who listens on a port of this machine, as far as this user may know. */
#ifndef OPENCLAW_PORTS_H
#define OPENCLAW_PORTS_H

#include <sys/types.h>

#include <stddef.h>

struct port_listener {
	char	 address[64];		/* "127.0.0.1:18789" */
	uid_t	 uid;
	pid_t	 pid;			/* 0: somebody else's */
};

/* The number of them, at most n. */
size_t	 port_listeners(unsigned int port, struct port_listener *, size_t n);

#endif
