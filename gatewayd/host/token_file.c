/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/text.h"
#include "gatewayd/host/token_file.h"

static int
token_file_make(const char *path, char *token)
{
	unsigned char	 raw[TOKEN_FILE_LEN / 2];
	int		 fd, saved;

	arc4random_buf(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), token);
	explicit_bzero(raw, sizeof(raw));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	if (fd == -1)
		return -1;
	if (write(fd, token, TOKEN_FILE_LEN) != TOKEN_FILE_LEN ||
	    fsync(fd) == -1) {
		saved = errno;
		close(fd);
		unlink(path);
		errno = saved;
		return -1;
	}
	return close(fd);
}

int
token_file_load(const char *path, bool make, char token[TOKEN_FILE_LEN + 1],
    char *why, size_t size)
{
	struct stat	 st;
	char		 text[TOKEN_FILE_LEN + 2];
	ssize_t		 n;
	int		 fd;

	token[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 && errno == ENOENT && make &&
	    token_file_make(path, token) == 0)
		return 0;
	if (fd == -1) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		token[0] = '\0';
		return -1;
	}
	n = read(fd, text, sizeof(text));
	if (fstat(fd, &st) == -1 || st.st_uid != geteuid() ||
	    (st.st_mode & 077) != 0 || n != TOKEN_FILE_LEN ||
	    strspn(text, "0123456789abcdef") < TOKEN_FILE_LEN) {
		snprintf(why, size, "%s: not a private file of yours with %d "
		    "hex digits; remove it and start the gateway again", path,
		    TOKEN_FILE_LEN);
		close(fd);
		return -1;
	}
	close(fd);
	memcpy(token, text, TOKEN_FILE_LEN);
	token[TOKEN_FILE_LEN] = '\0';
	return 0;
}
