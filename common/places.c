/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <libgen.h>

#include "common/beneath.h"
#include "common/places.h"
#include "common/sandbox.h"
#include "common/text.h"

bool
places_mountable(const char *path)
{
	static const char *const whole[] = {	/* not even inside them */
		"/proc", "/sys", "/dev", "/boot", NULL
	};
	static const char *const top[] = {	/* not these themselves */
		"", "/", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib64",
		"/var", "/var/lib", "/home", "/root", "/run", "/tmp", NULL
	};
	size_t	 i, n;

	n = strlen(path);
	if (path[0] != '/' || strstr(path, "/../") != NULL ||
	    (n >= 3 && strcmp(path + n - 3, "/..") == 0))
		return false;
	for (i = 0; whole[i] != NULL; i++) {
		n = strlen(whole[i]);
		if (strncmp(path, whole[i], n) == 0 &&
		    (path[n] == '/' || path[n] == '\0'))
			return false;
	}
	for (i = 0; top[i] != NULL; i++)
		if (strcmp(path, top[i]) == 0)
			return false;
	return true;
}

bool
places_ours(const struct paths *ps, const char *path)
{
	size_t	 n = strlen(ps->state);

	return (strncmp(path, ps->state, n) == 0 && path[n] == '/') ||
	    (strcmp(ps->state, PATHS_SERVICE_STATE) == 0 &&
	    strcmp(path, "/var/log/openclaw") == 0);
}

bool
places_mode(const char *mode, uint32_t *flags, bool *own, bool *make)
{
	struct str	 s;
	size_t		 n = strcspn(mode, ",");

	s = (struct str){ mode, n };
	*own = str_eqs(s, "own");
	*make = false;
	if (str_eqs(s, "ro"))
		*flags = MNT_RO;
	else if (*own || str_eqs(s, "rw"))
		*flags = MNT_RW;
	else
		return false;
	for (mode += n; *mode == ','; mode += n) {
		n = strcspn(++mode, ",");
		s = (struct str){ mode, n };
		if (str_eqs(s, "opt"))
			*flags |= MNT_OPT;
		else if (str_eqs(s, "idmap"))
			*flags |= MNT_IDMAP;
		else if (str_eqs(s, "make"))
			*make = true;
		else
			return false;
	}
	return true;
}

int
places_open_config(const struct paths *ps, const char *path)
{
	static const char *const	 of_state[] = { ".env", "gateway/tls/",
		"credentials/" };
	char				 dir[sizeof(ps->config)];
	size_t				 i, n = strlen(ps->state);
	int				 fd;

	strlcpy(dir, ps->config, sizeof(dir));
	fd = beneath_open_file(dirname(dir), path);
	if (fd != -1 || errno != EACCES || strncmp(path, ps->state, n) != 0 ||
	    path[n] != '/')
		return fd;
	for (i = 0; i < sizeof(of_state) / sizeof(of_state[0]); i++)
		if (strncmp(path + n + 1, of_state[i], strlen(of_state[i])) ==
		    0 && strstr(path, "/../") == NULL)
			return beneath_open_file(ps->state, path);
	errno = EACCES;
	return -1;
}
