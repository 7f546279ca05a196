/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Accounts of chat channels that are to run: each becomes one channeld. */
#ifndef GATEWAYD_CONFIG_ACCOUNTS_H
#define GATEWAYD_CONFIG_ACCOUNTS_H

#include "gatewayd/config/config.h"
#include "gatewayd/config/url.h"

#define CF_ACCOUNTS_MAX	64

struct cf_account {
	const char	*kind;			/* "telegram" */
	char		 id[65];
	char		 instance[96];		/* "telegram:<id>" */
	const char	*label;
	struct json5	*merged;		/* channel's keys under its own */
	const char	*token;
	struct cf_url	 api;
	const char	*dir;			/* private folder */
};

/* Their number; complaints go to the list of problems. */
size_t	 cf_accounts(struct cf *, struct cf_account[CF_ACCOUNTS_MAX]);
void	 cf_account_parcel(struct cf *, const struct cf_account *,
	    struct parcel_writer *);

#endif
