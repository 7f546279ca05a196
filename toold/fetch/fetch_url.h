/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Addresses of pages: what a model or a page wrote, made into one form.  Pure.
 * A fragment is dropped, what may not stand in a request is %-encoded, dots in
 * paths are resolved; a name that is not ASCII is refused, for it may look
 * like another.
 */
#ifndef TOOLD_FETCH_FETCH_URL_H
#define TOOLD_FETCH_FETCH_URL_H

#include "common/text.h"
#include "common/url.h"

#define FETCH_TARGET_MAX	3072
#define FETCH_URL_MAX		4096	/* text, with the NUL */

struct fetch_url {
	struct url_origin	o;
	char			target[FETCH_TARGET_MAX];	/* "/path?query" */
};

/* 0, or -1 with what is wrong, to be read behind "the address". */
int	 fetch_url_parse(struct str, struct fetch_url *, const char **why);
/* What ref means in a document from base; -1 also for other schemes. */
int	 fetch_url_resolve(const struct fetch_url *base, struct str ref,
	    struct fetch_url *, const char **why);
void	 fetch_url_text(const struct fetch_url *, char buf[FETCH_URL_MAX]);

#endif
