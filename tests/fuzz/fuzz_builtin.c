/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* What a user says to the built-in helper, and scripts for the built-in model:
 * by the first byte the sentence matcher, the expressions, or the script
 * reader. */
#include "common/compat.h"

#include "agentd/providers/builtin_script.h"
#include "agentd/providers/builtin_understand.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct understanding	 u;
	struct bregex		*re;
	struct bscript		*s;
	struct str		 t = { (const char *)data + 1, size - 1 };
	char			 why[256];
	size_t			 i;

	if (size == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		builtin_understand(bmsg_own_words(t), &u);
		for (i = 0; i < u.m.n; i++)
			if (u.m.slot[i].v.p < t.p ||
			    u.m.slot[i].v.n > (size_t)(t.p + t.n -
			    u.m.slot[i].v.p))
				abort();
		builtin_yesno(t);
		builtin_ordinal(t);
		break;
	case 1:
		for (i = 0; i < t.n && t.p[i] != '\n'; i++)
			;
		re = bregex_new((struct str){ t.p, i });
		if (re != NULL)
			bregex_match(re, (struct str){ t.p + i, t.n - i });
		bregex_free(re);
		break;
	case 2:
		s = bscript_parse(t, why, sizeof(why));
		bscript_free(s);
		break;
	}
	return 0;
}
