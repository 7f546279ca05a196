/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the supervisor lets others have of the file system, whoever asks: the
 * process that reads the configuration may have been taken over by its text.
 */
#ifndef GATEWAYD_HOST_PLACES_H
#define GATEWAYD_HOST_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/parcel.h"
#include "common/paths.h"

#define PLACES_MAX	16

struct place {
	char		*path;
	uint32_t	 flags;		/* enum sandbox_mount_flag */
	bool		 own;		/* made and chowned by us */
	bool		 make;		/* when missing, for the jobs' user */
};

/* What one process is given. */
struct places {
	struct place	 v[PLACES_MAX];
	size_t		 n;
};

/* Reads the mounts of proc.N of the index; -1 with why when one may not be
 * given, and nothing to clear. */
int	 places_read(struct places *, const struct paths *,
	    const struct parcel *index, size_t proc, char *why, size_t);
void	 places_clear(struct places *);
bool	 places_same(const struct places *, const struct places *);

/* Is this a path that a worker may ever be given? */
bool	 places_mountable(const char *path);
/* May its owner be changed?  Only below the state directory, and the log folder
 * of the service. */
bool	 places_ours(const struct paths *, const char *path);
/* A mode of the index: "own", "rw" or "ro", then ",opt", ",idmap", ",make",
 * ",nolink".
 * flags: enum sandbox_mount_flag.  False when it is none. */
bool	 places_mode(const char *mode, uint32_t *flags, bool *own, bool *make);
/* Opens a file for the reader of the configuration: below the configuration's
 * folder, neither by name nor by link outside it; of the state directory what
 * belongs to the configuration, and none of the conversations.  fd, or -1 with
 * errno. */
int	 places_open_config(const struct paths *, const char *path);

#endif
