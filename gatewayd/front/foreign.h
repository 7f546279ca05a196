/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A page that is not ours, OpenClaw's Control UI: its index gets the values
 * that the gateway of that page puts there, and its policy is what such a page
 * needs.  It may still load nothing from elsewhere, talk to nobody else, and
 * run no script that is not in its folder.
 */
#ifndef GATEWAYD_FRONT_FOREIGN_H
#define GATEWAYD_FRONT_FOREIGN_H

#include "common/text.h"
#include "gatewayd/front/assets.h"

struct foreign_values {
	const char	*base_path;	/* "" or "/x" */
	const char	*name;		/* of the assistant */
	const char	*avatar;
};

struct foreign_page {
	char		*html;
	size_t		 n;
	char		*csp;
	char		 etag[ASSET_ETAG];
};

/* From the text of index.html: 0, or -1 out of memory. */
int	 foreign_make(struct foreign_page *, struct str index, const struct foreign_values *);
void	 foreign_clear(struct foreign_page *);

#endif
