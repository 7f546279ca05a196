/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include "common/json_skim.h"
#include "gatewayd/whois/whois.h"

bool
login_parse(const char *p, size_t n, char login[LOGIN_MAX])
{
	struct skim_val	 root, user, name;

	login[0] = '\0';
	return skim_text(p, n, &root) == SKIM_OK && root.kind == SKIM_OBJECT &&
	    skim_get(&root, "UserProfile", &user) &&
	    user.kind == SKIM_OBJECT &&
	    skim_get(&user, "LoginName", &name) && name.kind == SKIM_STRING &&
	    skim_unescape(&name, login, LOGIN_MAX) > 0 &&
	    str_trim(str_of(login)).n > 0;
}

bool
login_same(struct str a, struct str b)
{
	a = str_trim(a);
	b = str_trim(b);
	return a.n > 0 && a.n == b.n && ascii_ncasecmp(a.p, b.p, a.n) == 0;
}
