/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <fcntl.h>

#include <errno.h>

size_t
strlcpy(char *dst, const char *src, size_t size)
{
	size_t	 n = strlen(src), c;

	if (size > 0) {
		c = n < size ? n : size - 1;
		memcpy(dst, src, c);
		dst[c] = '\0';
	}
	return n;
}

size_t
strlcat(char *dst, const char *src, size_t size)
{
	size_t	 n = strnlen(dst, size);

	if (n == size)
		return n + strlen(src);
	return n + strlcpy(dst + n, src, size - n);
}

void
freezero(void *p, size_t n)
{
	if (p == NULL)
		return;
	explicit_bzero(p, n);
	free(p);
}

void *
recallocarray(void *p, size_t oldn, size_t newn, size_t size)
{
	size_t	 oldsize, newsize;
	char	*q;

	if (__builtin_mul_overflow(newn, size, &newsize) ||
	    __builtin_mul_overflow(oldn, size, &oldsize)) {
		errno = ENOMEM;
		return NULL;
	}
	if ((q = calloc(newn > 0 ? newn : 1, size)) == NULL)
		return NULL;
	if (p != NULL) {
		memcpy(q, p, oldsize < newsize ? oldsize : newsize);
		freezero(p, oldsize);
	}
	return q;
}

int
timingsafe_memcmp(const void *a, const void *b, size_t n)
{
	const volatile unsigned char	*x = a, *y = b;
	unsigned char			 d = 0;
	size_t				 i;

	for (i = 0; i < n; i++)
		d |= x[i] ^ y[i];
	return d != 0;
}

int
fd_nonblock(int fd)
{
	int	 fl;

	if ((fl = fcntl(fd, F_GETFL)) == -1)
		return -1;
	return fl & O_NONBLOCK ? 0 : fcntl(fd, F_SETFL, fl | O_NONBLOCK);
}

static uint64_t
clock_ms(clockid_t id)
{
	struct timespec	 ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

uint64_t
wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

#ifdef GW_SANITIZED
/* Leaks are looked for where a test asks for it (the unit tests do): the
 * checker needs ptrace, which no process here can have. */
const char	*__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif
