/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The token of a gateway that was given none: without one a newcomer could not
 * start, and with none the door would be open.
 */
#include "common/compat.h"

#include <stdio.h>
#include <stdlib.h>

#include "gatewayd/host/token_file.h"

static char	 token[TOKEN_FILE_LEN + 1];

const char *
gateway_token(void)
{
	return token;
}

int
gateway_token_load(const char *state, char *why, size_t size)
{
	static const char *const names[] = {
		"OPENCLAW_GATEWAY_TOKEN", "CLAWDBOT_GATEWAY_TOKEN",
		"OPENCLAW_GATEWAY_PASSWORD", "CLAWDBOT_GATEWAY_PASSWORD"
	};
	const char	*set;
	char		 path[4096];
	size_t		 i;

	snprintf(path, sizeof(path), "%s/" TOKEN_FILE_NAME, state);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((set = getenv(names[i])) == NULL)
			continue;
		/* After a restart it is there from the start before: still
		 * ours, and to be shown. */
		if (i > 0 || token_file_load(path, false, token, why,
		    size) == -1 || strlen(set) != strlen(token) ||
		    timingsafe_memcmp(set, token, strlen(token)) != 0)
			explicit_bzero(token, sizeof(token));
		return 0;
	}
	if (token_file_load(path, true, token, why, size) == -1)
		return -1;
	return setenv("OPENCLAW_GATEWAY_TOKEN", token, 1);
}
