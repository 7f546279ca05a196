/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* exec-approvals.json, as an editor or a client may have left it: what is
 * taken is taken again when it is written, and can be asked. */
#include "common/compat.h"

#include "toold/execlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct execlist		 l;
	enum exec_security	 sec = EXEC_FULL;
	enum exec_ask		 ask = ASK_OFF;
	json_t			*again;
	char			*text, why[256] = "";

	memset(&l, 0, sizeof(l));
	l.root = execlist_parse((struct str){ (const char *)p, n }, why,
	    sizeof(why));
	if (l.root == NULL) {
		if (why[0] == '\0')
			abort();
		return 0;
	}
	text = json_dumps(l.root, JSON_COMPACT);
	again = text == NULL ? NULL : execlist_parse(str_of(text), why,
	    sizeof(why));
	if (again == NULL || !json_equal(again, l.root))
		abort();
	free(text);
	json_decref(again);
	execlist_policy(&l, "main", &sec, &ask);
	(void)execlist_fallback(&l, "main");
	(void)execlist_match(&l, "main", "/usr/bin/ls", "ls", false);
	(void)execlist_match(&l, "main", "/usr/bin/python3", "python3", true);
	if ((again = execlist_with(&l, "main", "/usr/bin/x")) != NULL) {
		json_decref(l.root);
		l.root = again;
		if (execlist_match(&l, "main", "/usr/bin/x", "x", true) ==
		    NULL)
			abort();
	}
	execlist_clear(&l);
	return 0;
}
