/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/memfd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U	/* Linux 6.3 */
#endif

#define MEMFD_SEALS \
	(F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

int
memfd_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS, MEMFD_SEALS);
}

int
memfd_sealed(const char *name, const void *p, size_t n)
{
	const char	*b = p;
	ssize_t		 w;
	size_t		 off = 0;
	int		 fd, saved;

	fd = memfd_create(name,
	    MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd == -1 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	while (off < n) {
		if ((w = write(fd, b + off, n - off)) == -1) {
			if (errno == EINTR)
				continue;
			goto fail;
		}
		off += (size_t)w;
	}
	if (memfd_seal(fd) == -1)
		goto fail;
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
memfd_map(int fd, size_t max, const void **p, size_t *n)
{
	struct stat	 st;
	void		*m;
	int		 seals;

	/* Whoever sent it could shrink an unsealed file under our feet. */
	if ((seals = fcntl(fd, F_GET_SEALS)) == -1 ||
	    (seals & MEMFD_SEALS) != MEMFD_SEALS ||
	    fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    st.st_size < 0 || (uint64_t)st.st_size > max) {
		errno = EBADMSG;
		return -1;
	}
	*n = (size_t)st.st_size;
	*p = NULL;
	if (*n == 0)
		return 0;
	m = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (m == MAP_FAILED)
		return -1;
	*p = m;
	return 0;
}

void
memfd_unmap(const void *p, size_t n)
{
	if (p != NULL)
		munmap((void *)(uintptr_t)p, n);
}
