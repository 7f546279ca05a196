/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The environment, as gatewayd-config will see it.  Secrets may be in it, so
 * the process's own copy is wiped once the parcel is sealed; the parcel itself
 * is kept unread for reloads.  Also the token of a gateway that was given
 * none: without one a newcomer could not start, and with none the door would
 * be open.
 */
#include "common/compat.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/token_file.h"
#include "gatewayd/gatewayd.h"

extern char **environ;

static char	 token[TOKEN_FILE_LEN + 1];
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

	/* Only values: TZ, HOME and PATH are asked for later. */
	for (i = 0; environ != NULL && environ[i] != NULL; i++) {
		if ((eq = strchr(environ[i], '=')) == NULL ||
		    strncmp(environ[i], "TZ=", 3) == 0 ||
		    strncmp(environ[i], "HOME=", 5) == 0 ||
		    strncmp(environ[i], "PATH=", 5) == 0)
			continue;
		explicit_bzero(eq + 1, strlen(eq + 1));
	}
}

#define RESTORE_VAR	"GATEWAYD_ENVIRON_FD"

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

const char *
environ_token(void)
{
	return token;
}

int
environ_token_load(char *why, size_t size)
{
	static const char *const names[] = {
		"OPENCLAW_GATEWAY_TOKEN", "CLAWDBOT_GATEWAY_TOKEN",
		"OPENCLAW_GATEWAY_PASSWORD", "CLAWDBOT_GATEWAY_PASSWORD"
	};
	char	 path[4096];
	size_t	 i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getenv(names[i]) != NULL)
			return 0;
	snprintf(path, sizeof(path), "%s/" TOKEN_FILE_NAME, sup.paths.state);
	if (token_file_load(path, true, token, why, size) == -1)
		return -1;
	return setenv("OPENCLAW_GATEWAY_TOKEN", token, 1);
}
