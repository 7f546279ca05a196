/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Tells when the configuration file, or one that it includes or names, may have
 * changed and has come to rest, however an editor writes it; and whether it is
 * another one than was read.
 */
#ifndef GATEWAYD_HOST_CONFWATCH_H
#define GATEWAYD_HOST_CONFWATCH_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stdint.h>

struct event_base;

/* A reader begins that is not only to judge a change: from now on what it asks
 * for counts.  main: the configuration file as it was opened for it; NULL: it
 * reads another text, the file stays as it was seen last. */
void	 confwatch_begin(bool judge, const struct stat *main);
/* It asked for this one, and got fd or, when it is -1, that error. */
void	 confwatch_note(bool judge, const char *path, int fd, uint32_t err);
/* The first file that is not as it was read; NULL: all are. */
const char *confwatch_changed(void);

/* settled() is called once soon, for what changed before.  -1: the kernel does
 * not tell of changes, and settled() is called every few seconds. */
int	 confwatch_start(struct event_base *, const char *path,
	    void (*settled)(void));
void	 confwatch_again(void);		/* call settled() once more */
/* How long it must be quiet, from now on. */
void	 confwatch_quiet(uint32_t ms);

#endif
