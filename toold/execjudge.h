/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Judges one command: what programs it would run, whether all of them are
 * allowed already, in which form it is run, and the digest that ties an
 * operator's answer to exactly this command (T18, T19, T23).
 */
#ifndef TOOLD_EXECJUDGE_H
#define TOOLD_EXECJUDGE_H

#include "toold/cmdline.h"
#include "toold/execlist.h"
#include "toold/execpath.h"

struct execjudge_in {
	struct str		 command;
	const char		*agent, *cwd, *workspace;
	struct str		 env;		/* NAME=value NUL ..., whole */
	const json_t		*env_call;	/* what the call adds, or NULL */
	const json_t		*safe_bins;	/* of the configuration, or NULL */
	const struct execlist	*list;
};

struct execplan {
	struct cmdline		 line;
	enum cmdline_err	 err;
	struct execid		 id[CMDLINE_SEGMENTS_MAX];
	/* lent, until the list changes */
	json_t			*entry[CMDLINE_SEGMENTS_MAX];
	bool			 direct;	/* every program is known: no
						 * shell sees the text */
	bool			 covered;	/* all of it is allowed */
	bool			 grantable;	/* allow-always has a meaning */
	char			 why[512];	/* why it is not covered */
	char			 digest[65];
};

/* NULL: out of memory.  Freed with execplan_free(). */
struct execplan *execjudge(const struct execjudge_in *);
void	 execplan_free(struct execplan *);
/* Is everything still what it was when the plan was made? */
bool	 execplan_same(const struct execplan *, const struct execjudge_in *);
/* The arguments of JL_SPAWN, each with its NUL: the program itself; or, for
 * several, /bin/sh with every word quoted and every program by its whole
 * path.  Nothing when it is not direct: a shell has to have the command as it
 * came.  0, or -1 when it is too long. */
int	 execplan_argv(const struct execplan *, struct dbuf *);
/* May a program of safeBins run with these arguments?  They filter their
 * input, and may name no file. */
bool	 execjudge_safe_bin(const char *name, char *const *argv, size_t argc);

#endif
