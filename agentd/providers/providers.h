/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The adapters that exist: one row here and one file each.  The order is that
 * of the search, see provider_find().
 */
#ifndef AGENTD_PROVIDERS_PROVIDERS_H
#define AGENTD_PROVIDERS_PROVIDERS_H

#include "agentd/provider.h"

#define PROVIDERS(ROW)				\
	ROW(provider_anthropic_messages)	\
	ROW(provider_openai_completions)	\
	ROW(provider_builtin_assistant)		\
	ROW(provider_builtin_echo)		\
	ROW(provider_builtin_script)

#define PROVIDER_DECLARE(name)	extern const struct provider name;
PROVIDERS(PROVIDER_DECLARE)
#undef PROVIDER_DECLARE

#endif
