/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The environment of a job, built from nothing (T20): fixed names, then what
 * the call asked for, minus every name that steers the loader, a shell, an
 * interpreter or git.  Nothing of toold's own environment goes in.
 */
#ifndef TOOLD_JOBENV_H
#define TOOLD_JOBENV_H

#include "common/dbuf.h"
#include "common/text.h"

/* Where programs are looked for; execpath.c looks in the same places. */
#define JOBENV_PATH	"/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:" \
			"/usr/sbin:/sbin"
#define JOBENV_MAX	16384	/* bytes of the whole block (JL_SPAWN.env) */

/* May a call set this name?  The reason is for the model. */
bool	 jobenv_name_ok(struct str name, const char **why);
/* The fixed part.  path_prepend is "" or "dir:dir"; tz may be "". */
int	 jobenv_base(struct dbuf *, const char *path_prepend, const char *tz,
	    bool terminal);
/* Adds NAME=value and its NUL: 0, or -1 when it does not fit. */
int	 jobenv_add(struct dbuf *, struct str name, struct str value);

#endif
