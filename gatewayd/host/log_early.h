/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A log sink for a process that speaks before the logger exists: lines go to
 * standard error at once, and to `send` when it takes them; the first few that
 * it did not take are kept for log_early_flush().
 */
#ifndef GATEWAYD_HOST_LOG_EARLY_H
#define GATEWAYD_HOST_LOG_EARLY_H

#include "common/log.h"

/* send: 0, or -1 when there is nobody yet.  procname is kept. */
void	 log_early_init(const char *procname,
	    int (*send)(enum log_level, const char *text));
void	 log_early_flush(void);

#endif
