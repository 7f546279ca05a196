/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* Answers and failures of openai-completions (spec providers 4.2, 4.3). */
#ifndef AGENTD_PROVIDERS_OPENAI_STREAM_H
#define AGENTD_PROVIDERS_OPENAI_STREAM_H

#include "agentd/provider.h"

void	*openai_parser_new(const struct provider_model *, struct str headers,
	    struct pstream *);
void	 openai_parser_free(void *);
void	 openai_classify(unsigned int status, struct str headers,
	    struct str body, struct provider_error *);

#endif
