/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What drivers share that play the supervisor to real workers: the house is
 * set up once, each child is started and locked down as in service, orders
 * come one JSON object per line on standard input, events go one per line to
 * standard output.
 */
#ifndef TESTS_E2E_DRIVER_RIG_H
#define TESTS_E2E_DRIVER_RIG_H

#include <event2/event.h>
#include <jansson.h>

#include "common/link.h"
#include "common/sandbox.h"

struct rig_child {
	enum role	 role;
	const char	*name;
	pid_t		 pid;		/* -1: does not run */
	int		 pidfd;
	bool		 ready;
	struct link	*ctl;
};

extern struct event_base	*rig_base;
extern struct event		*rig_orders;	/* to be added when ready */
extern enum sandbox_mode	 rig_mode;
extern struct sandbox_ids	 rig_ids;
extern bool			 rig_ended;	/* end of input, or of us */

/* order() is called for each line. */
void	 rig_init(int64_t uid_base, void (*order)(json_t *));
/* Runs until the end of input. */
void	 rig_run(void);
/* Prints and frees an event. */
void	 rig_emit(json_t *);
/* Starts program -i main with that parcel (closed); ops get the child. */
void	 rig_start(struct rig_child *, const char *program, int parcel,
	    const struct link_ops *ctl);
/* Sends what it is to be locked in, and clears it. */
void	 rig_confine(struct rig_child *, struct sandbox_spec *);
void	 rig_quit(struct rig_child *);
/* Waits for its end: "stuck" when it does not come, then "ended". */
void	 rig_reap(struct rig_child *);
/* Nothing may have come down to us. */
void	 rig_no_orphans(void);
/* The second end goes to somebody as peer. */
void	 rig_pair(int sv[2]);

#endif
