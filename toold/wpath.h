/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Names of files as a model writes them, made relative to the workspace by
 * text alone.  This is for clear answers; what holds the boundary is the file
 * worker's openat2() beneath the workspace (files.c), and the jail.
 */
#ifndef TOOLD_WPATH_H
#define TOOLD_WPATH_H

#include <stddef.h>

#include "common/text.h"

#define WPATH_MAX	4096	/* bytes of a path with its NUL */
#define WPATH_NAME_MAX	255

enum wpath_err {
	WPATH_OK,
	WPATH_EMPTY,
	WPATH_TOO_LONG,
	WPATH_NUL,
	WPATH_HOME,	/* begins with ~ */
	WPATH_OUTSIDE,	/* absolute elsewhere, or too many ".." */
	WPATH_ERR_MAX
};

/* Relative form without "." and ".." and double slashes; "." for the
 * workspace itself.  buf holds WPATH_MAX. */
enum wpath_err wpath_resolve(struct str path, const char *workspace,
	    char *buf, size_t size);
const char *wpath_err_text(enum wpath_err);

#endif
