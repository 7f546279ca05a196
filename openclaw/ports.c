/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <limits.h>
#include <unistd.h>

#include "common/text.h"
#include "openclaw/ports.h"

#define TCP_LISTEN	0x0a

/* "0100007F" or four such words, each as the machine stores it. */
static void
address_text(const char *hex, unsigned int port, char *buf, size_t size)
{
	char		 text[INET6_ADDRSTRLEN] = "?", word[9];
	uint32_t	 part[4];
	size_t		 i, n = strlen(hex) / 8;

	for (i = 0; i < n && i < 4; i++) {
		memcpy(word, hex + 8 * i, 8);
		word[8] = '\0';
		part[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	inet_ntop(n == 4 ? AF_INET6 : AF_INET, part, text, sizeof(text));
	snprintf(buf, size, n == 4 ? "[%s]:%u" : "%s:%u", text, port);
}

/* The process that has this socket, of those that may be looked into. */
static pid_t
socket_holder(unsigned long inode)
{
	char		 dir[64], path[PATH_MAX], want[64], got[64];
	struct dirent	*d, *e;
	DIR		*proc, *fds;
	pid_t		 pid = 0;
	int64_t		 n;
	ssize_t		 len;

	snprintf(want, sizeof(want), "socket:[%lu]", inode);
	if ((proc = opendir("/proc")) == NULL)
		return 0;
	while (pid == 0 && (d = readdir(proc)) != NULL) {
		if (num_parse(str_of(d->d_name), 1, INT32_MAX, &n) == -1)
			continue;
		snprintf(dir, sizeof(dir), "/proc/%lld/fd", (long long)n);
		if ((fds = opendir(dir)) == NULL)
			continue;
		while (pid == 0 && (e = readdir(fds)) != NULL) {
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			len = readlink(path, got, sizeof(got) - 1);
			if (len > 0) {
				got[len] = '\0';
				if (strcmp(got, want) == 0)
					pid = (pid_t)n;
			}
		}
		closedir(fds);
	}
	closedir(proc);
	return pid;
}

size_t
port_listeners(unsigned int port, struct port_listener *l, size_t max)
{
	static const char *const files[] = { "/proc/net/tcp",
		"/proc/net/tcp6" };
	char		 line[512], hex[33];
	unsigned int	 lport, state, uid;
	unsigned long	 inode;
	size_t		 i, n = 0;
	FILE		*f;

	for (i = 0; i < 2; i++) {
		if ((f = fopen(files[i], "re")) == NULL)
			continue;
		while (n < max && fgets(line, sizeof(line), f) != NULL) {
			if (sscanf(line, "%*d: %32[0-9A-Fa-f]:%x %*s %x %*s "
			    "%*s %*s %u %*s %lu", hex, &lport, &state, &uid,
			    &inode) != 5 || state != TCP_LISTEN ||
			    lport != port)
				continue;
			address_text(hex, port, l[n].address,
			    sizeof(l[n].address));
			l[n].uid = uid;
			l[n++].pid = socket_holder(inode);
		}
		fclose(f);
	}
	return n;
}
