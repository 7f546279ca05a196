/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#ifndef COMMON_FOLDER_H
#define COMMON_FOLDER_H

/* Removes what is right below a folder and has a name that begins so, but
 * nothing hidden: files, or with AT_REMOVEDIR empty folders.  The rest stays,
 * and so does what cannot be removed. */
void	 folder_sweep(int dir_fd, const char *prefix, int flags);

#endif
