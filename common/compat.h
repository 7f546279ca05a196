/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * First include of every file: what glibc 2.36 lacks of the interfaces that
 * this code is written to, and a ban on those that it must not use.
 */
#ifndef COMMON_COMPAT_H
#define COMMON_COMPAT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Copy or append with a bound; the result is the length that was wanted, so
 * `>= size` means truncation, which is an error and never a detail. */
size_t	 strlcpy(char *dst, const char *src, size_t size);
size_t	 strlcat(char *dst, const char *src, size_t size);

/* Zeroes n bytes of p in a way that is not optimised out, then frees p. */
void	 freezero(void *p, size_t n);

/* reallocarray that zeroes what is new and what is given up. */
void	*recallocarray(void *p, size_t oldn, size_t newn, size_t size);

/* Constant time over n bytes; 0 when equal. */
int	 timingsafe_memcmp(const void *a, const void *b, size_t n);

/* Sets or clears a descriptor flag; 0, or -1 with errno. */
int	 fd_nonblock(int fd);

/* Monotonic and wall-clock milliseconds. */
uint64_t mono_ms(void);
uint64_t wall_ms(void);

/* The banned: unbounded, locale-bound, not re-entrant or through a shell. */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#undef strtok
#undef gets
#undef atoi
#undef atol
#undef strncpy
#undef alloca
#define strcpy	banned_use_strlcpy
#define strcat	banned_use_strlcat
#define sprintf	banned_use_snprintf
#define vsprintf banned_use_vsnprintf
#define strtok	banned_use_str_functions
#define gets	banned_use_getline
#define atoi	banned_use_num_parse
#define atol	banned_use_num_parse
#define strncpy	banned_use_strlcpy
#define alloca	banned_use_malloc
#define system	banned_no_shell
#define popen	banned_no_shell
#define mktemp	banned_use_mkstemp
#define gmtime	banned_use_gmtime_r
#define localtime banned_use_localtime_r

#endif
