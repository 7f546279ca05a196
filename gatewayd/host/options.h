/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#ifndef GATEWAYD_HOST_OPTIONS_H
#define GATEWAYD_HOST_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char	*config, *state, *libexec, *groups;
	uint32_t	 conf_flags;	/* enum cf_flag */
	int64_t		 uid_base;
	bool		 audit, user, weak;
	int		 offline;	/* enum cf_verb of -e, or -1 */
	int64_t		 bad_config;	/* exit status */
};

/* Ends the process when they are wrong, or ask for no more than a line.  -b
 * and -p go into the environment, where the configuration reader finds them;
 * -v is done here. */
void	 options_read(struct options *, int argc, char *argv[]);

#endif
