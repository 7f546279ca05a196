/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A credential for the life of a process: in memory that no other process can
 * read, not even root through /proc (memfd_secret(2)), or where the kernel has
 * none, in locked pages that are kept out of core files and of children.
 */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

#define SECRET_MAX	65536

struct secret {
	const char	*p;	/* NUL-terminated; NULL when unset */
	size_t		 n;
	size_t		 mapped;
	bool		 sealed;	/* memfd_secret was to be had */
};

/* Copies value in, read-only from then on; the caller zeroes its own copy.
 * What was there is cleared first.  0, or -1 with errno. */
int	 secret_set(struct secret *, struct str value);
void	 secret_clear(struct secret *);
/* Constant time. */
bool	 secret_eq(const struct secret *, struct str);

#endif
