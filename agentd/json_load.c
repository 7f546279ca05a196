/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "agentd/json_load.h"

/*
 * jansson's own cap is 2048 levels.  Ours is lower, because whatever walks the
 * trees later recurses as well, and looked at before anything is allocated.
 */
json_t *
json_load_bounded(const char *p, size_t n, unsigned int max)
{
	json_error_t	 err;
	size_t		 i;
	unsigned int	 depth = 0;
	bool		 quoted = false;

	for (i = 0; i < n; i++) {
		if (quoted) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				quoted = false;
		} else if (p[i] == '"')
			quoted = true;
		else if (p[i] == '{' || p[i] == '[') {
			if (++depth > max)
				return NULL;
		} else if ((p[i] == '}' || p[i] == ']') && depth > 0)
			depth--;
	}
	return json_loadb(p, n, JSON_DECODE_ANY, &err);
}

const char *
json_text(const json_t *j, const char *key, const char *def)
{
	const char	*s = json_string_value(json_object_get(j, key));

	return s != NULL ? s : def;
}
