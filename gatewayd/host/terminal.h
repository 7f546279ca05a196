/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * SIGHUP has two meanings: an operator wants the configuration read again, or
 * the terminal that a foreground gateway was started on is closed.
 */
#ifndef GATEWAYD_HOST_TERMINAL_H
#define GATEWAYD_HOST_TERMINAL_H

#include <stdbool.h>

void	 terminal_init(void);	/* before SIGHUP is caught */
bool	 terminal_gone(void);	/* there was one, and it is closed */
/* Says where to go.  A token ("": none of ours) is shown to a person, and not
 * to a file or a log; there it is said where it stands. */
void	 terminal_address(const char *url, const char *token,
	    const char *state);

#endif
