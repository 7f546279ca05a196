/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The files of the web chat, read once before the lock-down.  A request names
 * an entry of this table, never a file.
 */
#ifndef GATEWAYD_FRONT_ASSETS_H
#define GATEWAYD_FRONT_ASSETS_H

#include <stddef.h>

struct asset {
	char		*name;		/* "app.js" */
	const char	*type;
	char		*data;
	size_t		 n;
	char		 etag[48];	/* with its quotes */
};

/* How many were read; -1 with errno when the folder cannot be. */
int	 assets_load(const char *dir);
/* NULL when there is none; "" is index.html. */
const struct asset *asset_find(const char *name);

#endif
