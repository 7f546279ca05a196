/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-front.  Most gateways listen on loopback without TLS, and loading
 * OpenSSL costs every process that names it; so this program does not, and
 * gives way to gatewayd-front-tls when its parcel asks for TLS.  That is
 * before the lock-down and before the first outside byte.
 */

#include "common/compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/front/front.h"

static bool
wants_tls(void)
{
	struct parcel	*p;
	bool		 tls;
	int		 fd;

	fd = fcntl(WORKER_FD_PARCEL, F_DUPFD_CLOEXEC, WORKER_FD_FIRST);
	if (fd == -1 || (p = parcel_open(fd)) == NULL)
		return false;	/* the worker finds the same and says so */
	tls = parcel_get_bool(p, false, "tls.enabled");
	parcel_close(p);
	return tls;
}

int
main(int argc, char *argv[])
{
	static char	path[4096];
	ssize_t		n;

	if (fcntl(WORKER_FD_CTL, F_GETFD) != -1 && wants_tls()) {
		n = readlink("/proc/self/exe", path, sizeof(path) - 5);
		if (n > 0) {
			memcpy(path + n, "-tls", 5);
			execv(path, argv);
		}
		fatal("%s", path);
	}
	return front_main(argc, argv);
}
