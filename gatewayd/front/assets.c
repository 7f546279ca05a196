/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/sha1.h"
#include "common/text.h"
#include "gatewayd/front/assets.h"

#define ASSETS_MAX	64
#define FILE_MAX	(1u << 20)
#define TOTAL_MAX	(4u << 20)

static struct asset	*assets;
static size_t		 nassets, total;

static const char *
type_of(const char *name)
{
	static const struct { const char *ext, *type; } types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".ico", "image/x-icon" },
		{ ".webmanifest", "application/manifest+json" },
		{ ".json", "application/json; charset=utf-8" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".woff2", "font/woff2" },
	};
	const char	*dot = strrchr(name, '.');
	size_t		 i;

	for (i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i].ext) == 0)
			return types[i].type;
	return NULL;
}

static char *
file_read(int fd, size_t size)
{
	size_t	 n = 0;
	ssize_t	 r;
	char	*p;

	if ((p = malloc(size + 1)) == NULL)
		return NULL;
	while (n < size && (r = read(fd, p + n, size - n)) != 0) {
		if (r == -1 && errno != EINTR) {
			free(p);
			return NULL;
		}
		if (r > 0)
			n += (size_t)r;
	}
	if (n != size) {
		free(p);
		errno = EIO;
		return NULL;
	}
	return p;
}

static void
asset_tag(struct asset *a)
{
	struct sha1	s;
	uint8_t		sum[SHA1_LEN];

	sha1_init(&s);
	sha1_update(&s, a->data, a->n);
	sha1_final(&s, sum);
	a->etag[0] = '"';
	hex_encode(sum, sizeof(sum), a->etag + 1);
	(void)strlcat(a->etag, "\"", sizeof(a->etag));
}

static int
asset_load(int dir, const char *name)
{
	struct asset	*v, *a;
	struct stat	 st;
	int		 fd;

	if (name[0] == '.' || type_of(name) == NULL)
		return 0;
	if (nassets == ASSETS_MAX) {
		errno = E2BIG;
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return errno == ELOOP ? 0 : -1;
	if (fstat(fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return 0;
	}
	if (st.st_size < 0 || (size_t)st.st_size > FILE_MAX ||
	    (size_t)st.st_size > TOTAL_MAX - total) {
		errno = EFBIG;
		goto fail;
	}
	if ((v = reallocarray(assets, nassets + 1, sizeof(*v))) == NULL)
		goto fail;
	assets = v;
	a = &assets[nassets];
	memset(a, 0, sizeof(*a));
	a->type = type_of(name);
	a->n = (size_t)st.st_size;
	if ((a->name = strdup(name)) == NULL ||
	    (a->data = file_read(fd, a->n)) == NULL) {
		free(a->name);
		goto fail;
	}
	close(fd);
	asset_tag(a);
	total += a->n;
	nassets++;
	return 0;
fail:
	close(fd);
	return -1;
}

int
assets_load(const char *path)
{
	struct dirent	*de;
	DIR		*d;
	int		 saved;

	if ((d = opendir(path)) == NULL)
		return -1;
	while ((de = readdir(d)) != NULL) {
		if (asset_load(dirfd(d), de->d_name) == -1) {
			saved = errno;
			closedir(d);
			errno = saved;
			return -1;
		}
	}
	closedir(d);
	return (int)nassets;
}

const struct asset *
asset_find(const char *name)
{
	size_t	i;

	if (*name == '\0')
		name = "index.html";
	for (i = 0; i < nassets; i++)
		if (strcmp(assets[i].name, name) == 0)
			return &assets[i];
	return NULL;
}
