/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/secret.h"

static void *
secret_map(size_t n, bool *sealed)
{
	void	*p = MAP_FAILED;
	int	 fd;

	*sealed = false;
#ifdef SYS_memfd_secret
	if ((fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC)) != -1) {
		if (ftruncate(fd, (off_t)n) == 0)
			p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fd, 0);
		close(fd);
		*sealed = p != MAP_FAILED;
	}
#endif
	if (p == MAP_FAILED) {
		p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		(void)madvise(p, n, MADV_WIPEONFORK);
	}
	/* Best effort: a small RLIMIT_MEMLOCK is no reason not to start. */
	(void)mlock(p, n);
	(void)madvise(p, n, MADV_DONTDUMP);
	return p;
}

int
secret_set(struct secret *s, struct str value)
{
	size_t	 page, n;
	char	*p;

	secret_clear(s);
	if (value.n > SECRET_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	page = (size_t)sysconf(_SC_PAGESIZE);
	n = (value.n + 1 + page - 1) / page * page;
	if ((p = secret_map(n, &s->sealed)) == NULL)
		return -1;
	if (value.n != 0)
		memcpy(p, value.p, value.n);
	p[value.n] = '\0';
	if (mprotect(p, n, PROT_READ) == -1) {
		explicit_bzero(p, n);
		(void)munmap(p, n);
		return -1;
	}
	s->p = p;
	s->n = value.n;
	s->mapped = n;
	return 0;
}

void
secret_clear(struct secret *s)
{
	char	*p;

	if (s->mapped != 0) {
		p = (char *)(uintptr_t)s->p;
		if (mprotect(p, s->mapped, PROT_READ | PROT_WRITE) == 0)
			explicit_bzero(p, s->mapped);
		(void)munmap(p, s->mapped);
	}
	memset(s, 0, sizeof(*s));
}

bool
secret_eq(const struct secret *s, struct str other)
{
	return s->p != NULL && s->n == other.n &&
	    timingsafe_memcmp(s->p, other.p, s->n) == 0;
}
