/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The insides of gatewayd-whois. */
#ifndef GATEWAYD_WHOIS_WHOIS_H
#define GATEWAYD_WHOIS_WHOIS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/text.h"

struct event_base;

#define LOGIN_MAX	257		/* with its NUL */
#define UID_UNKNOWN	((uid_t)65534)	/* of another user namespace */

/* --- owner.c: whose a socket is ------------------------------------------- */

/* The owner of the living, connected end at peer:port of a connection within
 * this host to its port `to`; peer: 127.0.0.1 or ::1.  0, or -1 with why. */
int	 owner_of(struct str peer, uint16_t port, uint16_t to, uid_t *uid,
	    const char **why);

/* --- login.c: the answer of tailscaled ------------------------------------ */

/* The login name in n bytes of JSON: false when there is none. */
bool	 login_parse(const char *p, size_t n, char login[LOGIN_MAX]);
/* Without outer blanks and upper case. */
bool	 login_same(struct str, struct str);

/* --- ask.c: tailscaled ---------------------------------------------------- */

struct ask;

/* login: who has that address; NULL when nobody has, or why not. */
typedef void ask_cb(const char *login, const char *why, void *arg);

/* Connected to tailscaled, whose user is *uid; NULL with errno. */
struct ask *ask_new(struct event_base *, const char *path, uid_t *uid);
/* Asks about an address: cb is called once, after ms at the latest, and not
 * before this returns; the ask is gone then.  0, or -1 with errno. */
int	 ask_start(struct ask *, const char *address, uint32_t ms, ask_cb *,
	    void *arg);
void	 ask_free(struct ask *);

#endif
