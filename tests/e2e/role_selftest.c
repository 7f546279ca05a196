/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The self-test of one profile, by name, without the program of that role:
 * role_selftest front.  With no name, the names.
 */
#include "common/compat.h"

#include "common/selftest.h"
#include "tests/seccomp_all.h"

int
main(int argc, char *argv[])
{
	unsigned int r;

	for (r = 1; r < ROLE_MAX; r++) {
		if (argc < 2)
			printf("%s\n", role_name(r));
		else if (strcmp(role_name(r), argv[1]) == 0)
			return selftest_main(seccomp_all[r]);
	}
	return argc < 2 ? 0 : 2;
}
