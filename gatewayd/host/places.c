/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <errno.h>
#include <libgen.h>

#include "common/beneath.h"
#include "common/sandbox.h"
#include "common/text.h"
#include "gatewayd/host/places.h"

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
		else if (str_eqs(s, "nolink"))
			*flags |= MNT_NOLINK;
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

int
places_read(struct places *pl, const struct paths *ps, const struct parcel *ix,
    size_t proc, char *why, size_t size)
{
	struct place	*p;
	const char	*path, *mode;

	for (pl->n = 0; (path = parcel_get(ix, "proc.%zu.mount.%zu.path", proc,
	    pl->n)) != NULL; pl->n++) {
		mode = parcel_get(ix, "proc.%zu.mount.%zu.mode", proc, pl->n);
		p = &pl->v[pl->n];
		if (pl->n == PLACES_MAX || mode == NULL ||
		    !places_mountable(path) ||
		    !places_mode(mode, &p->flags, &p->own, &p->make) ||
		    (p->own && !places_ours(ps, path))) {
			snprintf(why, size, "%s: no process may be given "
			    "this path", path);
			places_clear(pl);
			return -1;
		}
		if ((p->path = strdup(path)) == NULL) {
			snprintf(why, size, "out of memory");
			places_clear(pl);
			return -1;
		}
	}
	return 0;
}

void
places_clear(struct places *pl)
{
	while (pl->n > 0)
		free(pl->v[--pl->n].path);
}

bool
places_same(const struct places *a, const struct places *b)
{
	size_t	 i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++)
		if (a->v[i].flags != b->v[i].flags ||
		    a->v[i].own != b->v[i].own ||
		    a->v[i].make != b->v[i].make ||
		    strcmp(a->v[i].path, b->v[i].path) != 0)
			return false;
	return true;
}
