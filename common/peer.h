/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Who is at the other end of a local socket, and what that gives: root and the
 * gateway's own user are administrators, members of two groups are
 * administrators or readers, everybody else is a stranger.  By the kernel's
 * word alone: no byte of the connection is read here.
 *
 * For the supervisor, the one process that sees users, groups and processes
 * under their own numbers: in a worker's namespaces all strangers would be
 * user 65534 and process 0.
 */
#ifndef COMMON_PEER_H
#define COMMON_PEER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "proto/enums.h"

#define PEER_NOGROUP	((gid_t)-1)

struct peer_group {
	gid_t	 gid;			/* PEER_NOGROUP: there is none */
	char	 name[33];
};

struct peer_policy {
	struct peer_group	 admin, reader;
};

struct peer_id {
	uid_t		 uid;
	pid_t		 pid;		/* 0: not of our pid namespace */
	enum peer_right	 right;
};

/*
 * spec: "group[:group]", of administrators and of readers, by name or number;
 * NULL: "openclaw" and "openclaw-read" where they exist and root asks, for
 * anybody else none.  Reads /etc/group only.  0, or -1 with why.
 */
int	 peer_policy_load(struct peer_policy *, const char *spec, char *why,
	    size_t);
/* 0, or -1 with errno when the kernel does not tell. */
int	 peer_judge(const struct peer_policy *, int fd, struct peer_id *);
/* A sentence for a stranger: why, and what to do about it. */
void	 peer_refusal(const struct peer_policy *, const struct peer_id *,
	    char *, size_t);
/* Lets the two groups knock at the socket path: mode 0660, the readers by an
 * access list; without groups 0600.  0, or -1 with why. */
int	 peer_allow(const struct peer_policy *, const char *path, char *why,
	    size_t);

#endif
