/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Cuts a transcript down to its last lines.  The old file stays under another
 * name; at no moment is there none under its own.
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/transcript.h"
#include "common/text.h"

#define CHUNK		65536
#define HEADER_MAX	65536

/*
 * Counts the lines that are not blank; *at is where the one with that number
 * begins (from 0), *first_end where the first of them ends.  -1 with errno.
 */
static int64_t
scan(int fd, int64_t number, int64_t *at, int64_t *first_end)
{
	char	 buf[CHUNK];
	int64_t	 pos = 0, start = 0, n = 0;
	ssize_t	 got, i;
	bool	 blank = true;

	*at = *first_end = -1;
	while ((got = pread(fd, buf, sizeof(buf), pos)) > 0) {
		for (i = 0; i < got; i++) {
			if (buf[i] == '\n') {
				if (!blank && *first_end == -1)
					*first_end = pos + i + 1;
				start = pos + i + 1;
				blank = true;
			} else if (blank && !ascii_isspace((unsigned char)
			    buf[i])) {
				blank = false;
				if (n++ == number)
					*at = start;
			}
		}
		pos += got;
	}
	if (*first_end == -1)
		*first_end = pos;
	return got == -1 ? -1 : n;
}

static int
copy(int from, int64_t at, int64_t end, int to)
{
	char	 buf[CHUNK];
	ssize_t	 got, put, done;
	size_t	 want;

	while (at < end) {
		want = end - at < (int64_t)sizeof(buf) ? (size_t)(end - at) :
		    sizeof(buf);
		if ((got = pread(from, buf, want, at)) <= 0) {
			if (got == 0)
				errno = EIO;
			return -1;
		}
		for (done = 0; done < got; done += put)
			if ((put = write(to, buf + done, (size_t)(got -
			    done))) == -1)
				return -1;
		at += got;
	}
	return 0;
}

/* A new file of the first `head` bytes and those from `at` on, on the disk. */
static int
write_copy(int dirfd, const char *name, int from, int64_t head, int64_t at,
    int64_t end)
{
	int	 fd, saved;

	fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	if (copy(from, 0, head, fd) == 0 && copy(from, at, end, fd) == 0 &&
	    fdatasync(fd) == 0)
		return close(fd);
	saved = errno;
	close(fd);
	unlinkat(dirfd, name, 0);
	errno = saved;
	return -1;
}

static bool
has_header(int fd, int64_t end)
{
	char	*p;
	json_t	*j = NULL;
	bool	 is = false;

	if (end <= 0 || end > HEADER_MAX || (p = malloc((size_t)end)) == NULL)
		return false;
	if (pread(fd, p, (size_t)end, 0) == end)
		j = transcript_parse_line(p, (size_t)end);
	free(p);
	if (j != NULL)
		is = strcmp(json_string_value(json_object_get(j, "type")),
		    "session") == 0;
	json_decref(j);
	return is;
}

int
transcript_cut(int dirfd, const char *name, const char *away, int64_t lines,
    int64_t *kept)
{
	struct stat	 st;
	char		 tmp[320];
	int64_t		 n, at, head, end;
	int		 fd, saved, ret = -1;

	if (snprintf(tmp, sizeof(tmp), "%s.tmp", name) >= (int)sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		goto out;
	}
	end = st.st_size;
	if ((n = scan(fd, -1, &at, &head)) == -1)
		goto out;
	*kept = n;
	if (n <= lines) {
		ret = 0;
		goto out;
	}
	/* A transcript without its first line is none: it counts as one. */
	if (!has_header(fd, head))
		head = 0;
	*kept = lines;
	if (scan(fd, n - lines + (head > 0), &at, &(int64_t){ 0 }) == -1)
		goto out;
	/* A copy under the other name first: a link would do, but agentd may
	 * not make any. */
	if (write_copy(dirfd, away, fd, 0, 0, end) == -1)
		goto out;
	if (write_copy(dirfd, tmp, fd, head, at == -1 ? end : at, end) == -1 ||
	    renameat(dirfd, tmp, dirfd, name) == -1) {
		saved = errno;
		unlinkat(dirfd, tmp, 0);
		unlinkat(dirfd, away, 0);
		errno = saved;
		goto out;
	}
	ret = 1;
out:
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}
