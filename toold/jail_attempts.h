/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Ways out of a jail, tried from within one.  The jailer runs them at start
 * inside a real job (T35); the jail probe of the tests runs them and more.
 */
#ifndef TOOLD_JAIL_ATTEMPTS_H
#define TOOLD_JAIL_ATTEMPTS_H

#include <stddef.h>

struct jail_attempt {
	const char	*name;
	/* 0: it worked, which is a hole; else refused, errno says how.  Runs
	 * in a child that may be ended for it. */
	int		(*try)(void);
};

/* Runs each in a child of its own, prints one line each on fd, and a summary
 * "tried N worked N" last.  The number that worked. */
size_t	 jail_attempts_run(int fd, const struct jail_attempt *, size_t n,
	    size_t first);
extern const struct jail_attempt jail_attempts[];
extern const size_t jail_nattempts;

/* For jail_job.run: all of the table to standard output; 0, or 1. */
int	 jail_attempts_job(void *);

#endif
