/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The files of the page, read once before the lock-down.  A request names an
 * entry of this table, never a file.
 */
#ifndef GATEWAYD_FRONT_ASSETS_H
#define GATEWAYD_FRONT_ASSETS_H

#include <stddef.h>

#define ASSET_ETAG	48

struct asset {
	char		*name;		/* "app.js", "assets/app.js" */
	const char	*type;
	char		*data;
	size_t		 n;
	char		 etag[ASSET_ETAG]; /* with its quotes */
};

/* All files of a kind that a page is made of, below the folder too, but no
 * hidden ones and none behind a link: how many, or -1 with a reason, and then
 * there are none. */
int	 assets_load(const char *dir, char *why, size_t size);
/* NULL when there is none; "" is index.html. */
const struct asset *asset_find(const char *name);
void	 asset_tag(char etag[ASSET_ETAG], const void *, size_t);

#endif
