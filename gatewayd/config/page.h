/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* gateway.controlUi: which page is served, where, and for whom it speaks. */
#ifndef GATEWAYD_CONFIG_PAGE_H
#define GATEWAYD_CONFIG_PAGE_H

#include "gatewayd/config/agents.h"

#define CF_PAGE_PATH	512

/* Where the page is, "/" or "/x"; false when there is none. */
bool	 cf_page_path(struct cf *, char *, size_t);
/* Front's keys below "ui."; the folder of the page, NULL when there is none.
 * The agent is the default one. */
const char *cf_page(struct cf *, const struct cf_agent *,
	    struct parcel_writer *);

/* Complains of a page that would show what is nobody's business, or that an
 * agent can write: it sees the login of who looks at it. */
void	 cf_page_check(struct cf *, const struct cf_agent *, size_t);
/* Complains of a folder with the state or the configuration in it, when files
 * of it are served to anybody: false. */
bool	 cf_open_folder(struct cf *, const char *key, const char *root);
/* Is path in the folder, or the folder itself? */
bool	 cf_is_below(const char *path, const char *dir);

#endif
