/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See child_exit.h. */
#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include "common/child_exit.h"

void
child_exit_text(const siginfo_t *si, const char *program, char *buf,
    size_t size)
{
	int status = si->si_status;

	if (si->si_code != CLD_EXITED)
		snprintf(buf, size, "ended by signal %d (%s)%s", status,
		    strsignal(status), status == SIGSYS ?
		    ": a system call outside its profile" : "");
	else if (program == NULL || (status != CHILD_EXIT_EXEC &&
	    status != CHILD_EXIT_PREPARE))
		snprintf(buf, size, "exited with status %d", status);
	else if (status == CHILD_EXIT_PREPARE)
		snprintf(buf, size, "could not be started: its user namespace "
		    "or descriptors, before %.300s ran", program);
	else if (access(program, X_OK) == -1)
		snprintf(buf, size, "could not be started: %.300s: %s; are "
		    "all programs of this version in that folder (-l)?",
		    program, strerrordesc_np(errno));
	else
		snprintf(buf, size, "could not be started: %.300s: no program "
		    "for this machine, or a library of it is missing",
		    program);
}
