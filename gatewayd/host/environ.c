/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* See environ.h. */
#include "common/compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/parcel.h"
#include "gatewayd/host/environ.h"
#include "gatewayd/host/notify.h"

#define RESTORE_VAR	"GATEWAYD_ENVIRON_FD"

extern char **environ;

static int	 sealed_fd = -1;

int
environ_seal(void)
{
	struct parcel_writer	*pw;
	const char		*eq;
	size_t			 i, n;

	if (sealed_fd != -1)
		return fcntl(sealed_fd, F_DUPFD_CLOEXEC, 3);
	if ((pw = parcel_writer_new()) == NULL)
		return -1;
	for (i = 0; environ != NULL && environ[i] != NULL; i++) {
		eq = strchr(environ[i], '=');
		if (eq == NULL || eq == environ[i] ||
		    eq - environ[i] >= PARCEL_KEY_MAX)
			continue;
		n = (size_t)(eq - environ[i]);
		parcel_puts(pw, eq + 1, "%.*s", (int)n, environ[i]);
	}
	if ((sealed_fd = parcel_writer_seal(pw)) == -1)
		return -1;
	return fcntl(sealed_fd, F_DUPFD_CLOEXEC, 3);
}

void
environ_wipe(void)
{
	size_t	 i;
	char	*eq;

	/* Only values: these are asked for later, and no secrets. */
	for (i = 0; environ != NULL && environ[i] != NULL; i++) {
		if ((eq = strchr(environ[i], '=')) == NULL ||
		    strncmp(environ[i], "TZ=", 3) == 0 ||
		    strncmp(environ[i], "HOME=", 5) == 0 ||
		    strncmp(environ[i], "PATH=", 5) == 0 ||
		    strncmp(environ[i], NOTIFY_VAR "=",
		    sizeof(NOTIFY_VAR)) == 0)
			continue;
		explicit_bzero(eq + 1, strlen(eq + 1));
	}
}

void
environ_keep(void)
{
	char	 num[16];

	/* The wiped texts are of no use to the next image; the parcel is. */
	if (sealed_fd == -1 || fcntl(sealed_fd, F_SETFD, 0) == -1)
		return;
	snprintf(num, sizeof(num), "%d", sealed_fd);
	setenv(RESTORE_VAR, num, 1);
}

void
environ_restore(void)
{
	struct parcel	*pc;
	struct str	 key, value;
	const char	*s = getenv(RESTORE_VAR);
	int64_t		 fd;
	size_t		 iter = 0;

	if (s == NULL || num_parse(str_of(s), 3, 1 << 20, &fd) == -1 ||
	    (pc = parcel_open((int)fd)) == NULL)
		return;
	clearenv();
	while (parcel_each(pc, &iter, &key, &value))
		if (strcmp(key.p, RESTORE_VAR) != 0)
			setenv(key.p, value.p, 1);
	parcel_close(pc);
}
