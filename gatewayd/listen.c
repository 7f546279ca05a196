/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Listening sockets: opened here, before anybody else runs, and given to front
 * (TCP) and router (control sockets).  Nothing is ever accepted here.
 */
#include "common/compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/gatewayd.h"
#include "gatewayd/host/sock.h"

#define LISTENERS_MAX	16

static struct {
	enum listener_kind	 kind;
	int			 fd;
	char			 name[256];	/* "127.0.0.1:18789" or path */
} listeners[LISTENERS_MAX];
static size_t	 nlisteners;
static char	 url[128];

int
listen_open(const struct parcel *ix, char *why, size_t size)
{
	const char	*kind, *host;
	uint16_t	 port;
	size_t		 i;
	int		 fd;
	bool		 optional;

	for (i = 0; (kind = parcel_get(ix, "listen.%zu.kind", i)) != NULL;
	    i++) {
		if (nlisteners == LISTENERS_MAX) {
			snprintf(why, size, "more than %d listeners",
			    LISTENERS_MAX);
			return -1;
		}
		optional = parcel_get_bool(ix, false, "listen.%zu.optional",
		    i);
		if (strcmp(kind, "public") == 0) {
			host = parcel_get(ix, "listen.%zu.host", i);
			port = (uint16_t)parcel_get_num(ix, 18789, 1, 65535,
			    "listen.%zu.port", i);
			if (host == NULL)
				host = "127.0.0.1";
			if ((fd = sock_listen_tcp(host, port, why, size)) == -1) {
				if (!optional)
					return -1;
				log_info("%s", why);
				continue;
			}
			snprintf(listeners[nlisteners].name,
			    sizeof(listeners[0].name), strchr(host, ':') ?
			    "[%s]:%u" : "%s:%u", host, port);
			listeners[nlisteners].kind = LISTENER_PUBLIC;
			/* "Any" is no address to open in a browser. */
			if (strcmp(host, "0.0.0.0") == 0)
				host = "127.0.0.1";
			if (url[0] == '\0')
				snprintf(url, sizeof(url), "%s://%s:%u/",
				    parcel_get_bool(ix, false,
				    "listen.%zu.tls", i) ? "https" : "http",
				    host, port);
		} else {
			host = parcel_get(ix, "listen.%zu.path", i);
			if (host == NULL)
				continue;
			listeners[nlisteners].kind = LISTENER_CONTROL;
			if ((fd = sock_listen_unix(host, why, size)) == -1)
				return -1;
			strlcpy(listeners[nlisteners].name, host,
			    sizeof(listeners[0].name));
		}
		listeners[nlisteners++].fd = fd;
	}
	listen_allow();
	return 0;
}

void
listen_allow(void)
{
	char	 why[512];
	size_t	 i;

	if (peer_policy_load(&sup.peers, sup.groups, why, sizeof(why)) == -1)
		log_warnx("%s", why);
	for (i = 0; i < nlisteners; i++)
		if (listeners[i].kind == LISTENER_CONTROL && peer_allow(
		    &sup.peers, listeners[i].name, why, sizeof(why)) == -1)
			log_warnx("%s", why);
}

void
listen_give(struct proc *p)
{
	struct m_proc_listener	 m;
	size_t			 i;
	int			 fd;

	for (i = 0; i < nlisteners; i++) {
		if (p->role != (listeners[i].kind == LISTENER_PUBLIC ?
		    ROLE_FRONT : ROLE_ROUTER))
			continue;
		if ((fd = fcntl(listeners[i].fd, F_DUPFD_CLOEXEC, 3)) == -1) {
			log_warn("%s: listener", p->name);
			continue;
		}
		memset(&m, 0, sizeof(m));
		m.kind = (uint8_t)listeners[i].kind;
		m.name = str_of(listeners[i].name);
		if (link_send_fds(p->ctl, MSG_PROC_LISTENER, &m, 0, 0, &fd,
		    1) == -1)
			log_debug("%s: listener %s: not given",
			    p->name, listeners[i].name);
	}
}

void
listen_close(void)
{
	size_t	 i;

	for (i = 0; i < nlisteners; i++) {
		close(listeners[i].fd);
		if (listeners[i].kind != LISTENER_PUBLIC)
			unlink(listeners[i].name);
	}
	nlisteners = 0;
	url[0] = '\0';
}

const char *
listen_url(void)
{
	return url;
}
