/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* How a process ended, in words. */
#ifndef COMMON_CHILD_EXIT_H
#define COMMON_CHILD_EXIT_H

#include <signal.h>
#include <stddef.h>

/* Exits of a child that never became its program; the second one is the
 * dynamic linker's, too. */
#define CHILD_EXIT_PREPARE	126
#define CHILD_EXIT_EXEC		127

/* si: of waitid(2).  program: the file that was to be run, when it has not
 * said yet that it does; the text then names it and asks the file system what
 * is wrong with it.  NULL: its statuses are its own. */
void	 child_exit_text(const siginfo_t *si, const char *program, char *,
	    size_t);

#endif
