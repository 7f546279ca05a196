/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "gatewayd/host/sock.h"

#define SOCK_BACKLOG	1024

int
sock_listen_tcp(const char *host, uint16_t port, char *why, size_t size)
{
	struct sockaddr_storage	 ss;
	struct sockaddr_in	*in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6	*in6 = (struct sockaddr_in6 *)&ss;
	socklen_t		 len;
	int			 fd, on = 1, saved;
	bool			 v6;

	memset(&ss, 0, sizeof(ss));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		len = sizeof(*in);
	} else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		len = sizeof(*in6);
	} else {
		snprintf(why, size, "listen address %s: not an address", host);
		errno = EINVAL;
		return -1;
	}
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		goto fail;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) == -1 ||
	    listen(fd, SOCK_BACKLOG) == -1)
		goto fail;
	return fd;
fail:
	saved = errno;
	v6 = strchr(host, ':') != NULL;
	if (saved == EADDRINUSE)
		snprintf(why, size, "another gateway instance is already "
		    "listening on ws://%s%s%s:%u, or another program; end it, "
		    "or choose another port (gateway.port)", v6 ? "[" : "",
		    host, v6 ? "]" : "", port);
	else
		snprintf(why, size, "failed to bind gateway socket on "
		    "ws://%s%s%s:%u: %s", v6 ? "[" : "", host, v6 ? "]" : "",
		    port, strerror(saved));
	if (fd != -1)
		close(fd);
	errno = saved;
	return -1;
}

int
sock_listen_unix(const char *path, char *why, size_t size)
{
	struct sockaddr_un	 sun;
	int			 fd;

	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		snprintf(why, size, "%s: longer than the %zu bytes of a "
		    "socket's name; choose a shorter state directory", path,
		    sizeof(sun.sun_path) - 1);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		goto fail;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		goto fail;
	if (chmod(path, 0600) == -1 || listen(fd, 64) == -1)
		goto fail;
	return fd;
fail:
	snprintf(why, size, "%s: %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}
