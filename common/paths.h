/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Where configuration, state and the control socket are (product.md 4); the
 * supervisor and openclaw(1) must agree on it.
 */
#ifndef COMMON_PATHS_H
#define COMMON_PATHS_H

#include <sys/types.h>

#include <stddef.h>

struct paths {
	char	 config[4096];		/* .../openclaw.json */
	char	 state[2048];
	char	 run[2100];
	char	 control[2200];		/* <run>/control.sock */
};

#define PATHS_SERVICE_STATE	"/var/lib/openclaw"
#define PATHS_SERVICE_CONFIG	"/etc/openclaw/openclaw.json"
#define PATHS_SERVICE_RUN	"/run/openclaw"

/* config and state as given, else OPENCLAW_CONFIG_PATH, OPENCLAW_STATE_DIR,
 * else the profile's (OPENCLAW_PROFILE: ~/.openclaw-<name>), else the
 * service's for root and ~/.openclaw for others.  Makes nothing.  0, or -1
 * with why. */
int	 paths_resolve(struct paths *, const char *config, const char *state,
	    char *why, size_t);
/* The folder of the workers' programs: as given, else beside the running
 * program, else where make install puts them.  0, or -1 with errno. */
int	 paths_libexec(const char *given, char *out, size_t);
/* The folder of the web chat that belongs to these workers: beside them when
 * installed, in the source tree of a build.  0, or -1 when there is none. */
int	 paths_webchat(const char *libexec, char *out, size_t);
/* mkdir -p; the last component gets mode 0700 and, when root calls, this
 * owner, and with a folder that was root's so do the files of root in it.
 * Never through a link at the end.  0, or -1 with errno. */
int	 paths_own(const char *path, uid_t, gid_t);

#endif
