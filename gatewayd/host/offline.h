/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd -e: the configuration file without a running gateway.  The same
 * reader judges, the same writer writes, under the lock of the state folder, so
 * that no gateway begins in between.
 */
#ifndef GATEWAYD_HOST_OFFLINE_H
#define GATEWAYD_HOST_OFFLINE_H

/* Takes a verb of enum cf_verb by name, "show", "set" or "edit"; its
 * parameters, JSON, come on standard input and are not looked at.  Ends the
 * event loop with *status 0 and the payload on standard output, or 1 and
 * the error object; 78 when nobody judged, said on standard error. */
struct event_base;

int	 offline_verb(const char *name);	/* -1: no such one */
void	 offline_start(struct event_base *, int verb, int *status);

#endif
