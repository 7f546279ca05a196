/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The configuration file and its copies on disk.  A reader at any moment, and
 * after any crash, finds either the old text or the new, whole.
 */
#ifndef GATEWAYD_HOST_CONFILE_H
#define GATEWAYD_HOST_CONFILE_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>

#define CONFILE_BACKUPS	5	/* .bak, .bak.1, ... .bak.4 */

/* What a path was when it was read; all zero: there was no file. */
void	 confile_seen(struct stat *, int fd);	/* fd -1: no file */
/* Is it something else by now? */
bool	 confile_changed(const char *path, const struct stat *seen);

/* Replaces path by the n bytes of p, mode 0600.  seen: refuse (ESTALE) when
 * the file is not what was seen, keep its owner, rotate backups; NULL: just
 * write.  0, or -1 with errno, and then the old file is untouched. */
int	 confile_write(const char *path, const struct stat *seen,
	    const void *p, size_t n);
/* The same with the bytes of sealed memory. */
int	 confile_write_fd(const char *path, const struct stat *seen, int fd);

/* Where the text of the last generation that ran is kept. */
const char *confile_good(const char *state);
/* The file itself, when the path is a link to it; real has PATH_MAX bytes. */
int	 confile_real(const char *path, char *real);

#endif
