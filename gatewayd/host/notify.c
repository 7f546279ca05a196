/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See notify.h.  The protocol is one datagram, for which no library of the
 * service manager's is taken into the process that has every right. */
#include "common/compat.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/host/notify.h"

void
notify_ready(void)
{
	static const char	 text[] = "READY=1";
	struct sockaddr_un	 sun = { .sun_family = AF_UNIX };
	const char		*s = getenv(NOTIFY_VAR);
	size_t			 n;
	int			 fd;

	if (s == NULL || s[0] == '\0')
		return;
	n = strlen(s);
	if ((s[0] != '/' && s[0] != '@') || n >= sizeof(sun.sun_path)) {
		log_warnx("%s: not the address of a local socket; the service "
		    "manager is not told", NOTIFY_VAR);
		return;
	}
	memcpy(sun.sun_path, s, n);
	if (s[0] == '@')		/* an abstract name */
		sun.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0)) == -1 || sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL,
	    (struct sockaddr *)&sun, (socklen_t)(offsetof(struct sockaddr_un,
	    sun_path) + n)) == -1)
		log_warn("%s: %s: the service manager is not told", NOTIFY_VAR,
		    s);
	if (fd != -1)
		close(fd);
}
