/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Who may have a connection to where: tables from the parcel, requests from
 * links. */
#ifndef GATEWAYD_CONNECT_BROKER_H
#define GATEWAYD_CONNECT_BROKER_H

#include "common/link.h"
#include "common/parcel.h"
#include "gatewayd/connect/resolver.h"

struct broker;

struct broker *broker_new(struct event_base *, struct resolver *);
/* Reads the tables of a parcel; they count from broker_commit() on.  0, or -1
 * with a reason. */
int	 broker_load(struct broker *, const struct parcel *, char *why,
	    size_t size);
void	 broker_commit(struct broker *);
/* CN_OPEN of a worker. */
enum msg_err broker_open(struct broker *, struct link *, struct msg *);
/* That worker is gone, and with it what it asked for. */
void	 broker_forget(struct broker *, struct link *);

struct broker_stats {
	uint64_t	opened, failed, refused;
	unsigned int	pending;
	/* Names in a row that no server answered for. */
	unsigned int	unanswered;
};
const struct broker_stats *broker_stats(const struct broker *);

#endif
