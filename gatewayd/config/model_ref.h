/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Models as the configuration names them, and as "provider/model". */
#ifndef GATEWAYD_CONFIG_MODEL_REF_H
#define GATEWAYD_CONFIG_MODEL_REF_H

#include "gatewayd/config/agents.h"
#include "gatewayd/config/providers.h"

struct cf_models {
	struct cf			*cf;
	const struct cf_provider	*providers;
	size_t				 nproviders;
};

/* An alias of agents.defaults.models as what it stands for; a bare id gets
 * the provider that R1 assumes.  s, buf, or text of the configuration. */
const char *cf_model_ref(const struct cf_models *, const char *s, char *buf,
	    size_t size);
/* That which an agent asks first. */
const char *cf_model_primary(const struct cf_models *,
	    const struct cf_agent *, char *buf, size_t size);
/* Complains when nobody could be asked for it. */
void	 cf_model_check(const struct cf_models *, const struct json5 *at,
	    const char *ref);

#endif
