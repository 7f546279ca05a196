/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* A key that is accepted is canonical: it is its own canonical form. */
#include "common/compat.h"

#include "common/session_key.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char		 out[SESSION_KEY_MAX + 1], again[SESSION_KEY_MAX + 1];
	char		 id[AGENT_ID_MAX + 1];
	struct str	 raw = { (const char *)data, size }, agent, rest, s;
	bool		 global = size > 0 && (data[0] & 1);

	agent_id_normalise(raw, id);
	if (session_key_canon(raw, "main", global, out, sizeof(out)) == -1)
		return 0;
	if (!utf8_valid(out, strlen(out)))
		abort();
	if (session_key_canon(str_of(out), "main", global, again,
	    sizeof(again)) == -1 || strcmp(out, again) != 0)
		abort();
	s = str_of(out);
	(void)session_key_kind(s);
	(void)session_key_is_thread(s);
	if (session_key_split(s, &agent, &rest) && agent.n + rest.n > s.n)
		abort();
	return 0;
}
