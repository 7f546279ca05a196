/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* canvasHost: whether and where canvas pages are served. */
#ifndef GATEWAYD_CONFIG_CANVAS_H
#define GATEWAYD_CONFIG_CANVAS_H

#include "gatewayd/config/config.h"

bool	 cf_canvas_on(const struct cf *);
bool	 cf_canvas_live(const struct cf *);
/* Its own port, which is never that of the gateway; 0: it has none. */
int64_t	 cf_canvas_port(const struct cf *);
/* canvasHost.root as an absolute path; NULL when it is not given. */
const char *cf_canvas_root(struct cf *);
/* Complains of a root that holds what is nobody's business. */
void	 cf_canvas_check(struct cf *);
/* The folder of the pages that come with the gateway. */
const char *cf_canvas_pages(struct cf *);

#endif
