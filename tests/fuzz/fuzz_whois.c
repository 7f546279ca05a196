/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* An answer of tailscaled: a name that is read is text within its bounds, and
 * the same as itself. */
#include "common/compat.h"

#include "gatewayd/whois/whois.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char	 login[LOGIN_MAX], *copy;

	/* Of its own, so that a read behind its end is seen. */
	if ((copy = malloc(n > 0 ? n : 1)) == NULL)
		return 0;
	if (n > 0)
		memcpy(copy, p, n);
	if (login_parse(copy, n, login) && (strlen(login) >= LOGIN_MAX ||
	    !utf8_valid(login, strlen(login)) ||
	    !login_same(str_of(login), str_of(login))))
		abort();
	free(copy);
	return 0;
}
