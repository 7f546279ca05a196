/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Changes of the configuration that wait for their turn. */
#ifndef GATEWAYD_HOST_WISHES_H
#define GATEWAYD_HOST_WISHES_H

#include <stdint.h>

struct wish {
	struct wish	*next;
	uint64_t	 corr;
	uint8_t		 verb;		/* enum cf_verb */
	int		 fd;		/* sealed parameters */
};

/* 0, or -1 when too many wait; then fd stays the caller's. */
int	 wishes_add(uint64_t corr, uint8_t verb, int fd);
struct wish *wishes_first(void);	/* NULL: none */
void	 wishes_done(void);		/* the first is forgotten */

#endif
