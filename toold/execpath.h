/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Which file a program's name leads to, and whether that file can be trusted
 * to stay what it is: only what the system's own folders hold, which jobs see
 * read-only (T22).  Also what kind of program it is: one that runs whatever
 * its arguments say is never covered by an allowance (T19).
 */
#ifndef TOOLD_EXECPATH_H
#define TOOLD_EXECPATH_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/sha256.h"

#define EXECPATH_MAX	1024

/* A file as it was found: enough to notice that it is another one now. */
struct execid {
	char		 path[EXECPATH_MAX];	/* no link in it */
	uint64_t	 dev, ino, size;
	int64_t		 mtime_ns, ctime_ns;
};

enum execkind {
	EXEC_PROGRAM,		/* does what it is for */
	EXEC_INTERPRETER,	/* does what a file or an argument says */
	EXEC_WRAPPER		/* runs another program, or many */
};

/* Resolves the first word of a command: NULL, or why not ("is in the
 * workspace").  workspace is where nothing can be trusted. */
const char *execpath_resolve(const char *word, const char *workspace,
	    struct execid *);
/* By the name of the file and by the name it was called by. */
enum execkind execpath_kind(const char *path);
/* Adds the identity, and the digest of the contents of a file that is not
 * too large; false when it cannot be read. */
bool	 execpath_digest(const struct execid *, struct sha256 *);

#endif
