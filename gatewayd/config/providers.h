/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Model providers that can be used: those of the configuration and those with
 * a key in the environment.  Each gets one modeld, the only process that ever
 * sees its credential.
 */
#ifndef GATEWAYD_CONFIG_PROVIDERS_H
#define GATEWAYD_CONFIG_PROVIDERS_H

#include "gatewayd/config/config.h"
#include "gatewayd/config/url.h"

#define CF_PROVIDERS_MAX	64

struct cf_provider {
	char			 id[65];
	char			 instance[96];	/* "<id>:default" */
	const char		*api;
	const struct json5	*entry;		/* models.providers.<id> or NULL */
	struct cf_url		 url;
	bool			 private;	/* may be on a private network */
	const char		*secret;	/* NULL: needs none */
	const char		*style;		/* "x-api-key", "bearer", "none" */
	bool			 usable;	/* a modeld is started for it */
};

/* All of them: their number.  Complaints go to the list of problems. */
size_t	 cf_providers(struct cf *, struct cf_provider[CF_PROVIDERS_MAX]);
const struct cf_provider *cf_provider_find(const struct cf_provider *,
	    size_t, struct str id);
/* Writes the parcel of its modeld; proxy and files included. */
void	 cf_provider_parcel(struct cf *, const struct cf_provider *,
	    struct parcel_writer *);
/* The destination that connect must know for it: of the proxy, if any. */
void	 cf_provider_dest(struct cf *, const struct cf_provider *,
	    const char **host, uint16_t *port, bool *private);
/* The list of models.list: of usable providers and of the built-in one. */
struct json5 *cf_models_json(struct cf *, const struct cf_provider *, size_t);
/* models.providers without any key: what agents may know. */
struct json5 *cf_providers_json(struct cf *, const struct cf_provider *,
	    size_t);
/* Context window of "provider/model"; 200000 when unknown. */
int64_t	 cf_model_window(const struct cf_provider *, size_t, const char *ref);
/* First model of the first usable provider, or builtin/assistant. */
const char *cf_model_default(const struct cf_provider *, size_t, char *,
	    size_t);

#endif
