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

/* Room for the page of OpenClaw 2026.9.6: 775 files, 36 MB. */
#define ASSETS_MAX	2048
#define FILE_MAX	(8u << 20)
#define TOTAL_MAX	(64u << 20)
#define DEPTH_MAX	8
#define NAME_BYTES	512	/* with its folders */

static struct asset	*assets;
static size_t		 nassets, total;

static const char *
type_of(const char *name)
{
	static const struct { const char *ext, *type; } types[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".map", "application/json; charset=utf-8" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".jpeg", "image/jpeg" },
		{ ".gif", "image/gif" },
		{ ".webp", "image/webp" },
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

void
asset_tag(char etag[ASSET_ETAG], const void *data, size_t n)
{
	struct sha1	s;
	uint8_t		sum[SHA1_LEN];

	sha1_init(&s);
	sha1_update(&s, data, n);
	sha1_final(&s, sum);
	etag[0] = '"';
	hex_encode(sum, sizeof(sum), etag + 1);
	(void)strlcat(etag, "\"", ASSET_ETAG);
}

/* Takes a regular file into the table. */
static int
asset_load(int fd, const char *name, off_t size)
{
	struct asset	*v, *a;

	if (nassets == ASSETS_MAX) {
		errno = E2BIG;
		return -1;
	}
	if (size < 0 || size > (off_t)FILE_MAX ||
	    (size_t)size > TOTAL_MAX - total) {
		errno = EFBIG;
		return -1;
	}
	if ((v = reallocarray(assets, nassets + 1, sizeof(*v))) == NULL)
		return -1;
	assets = v;
	a = &assets[nassets];
	memset(a, 0, sizeof(*a));
	a->type = type_of(name);
	a->n = (size_t)size;
	if ((a->name = strdup(name)) == NULL ||
	    (a->data = file_read(fd, a->n)) == NULL) {
		free(a->name);
		return -1;
	}
	asset_tag(a->etag, a->data, a->n);
	total += a->n;
	nassets++;
	return 0;
}

static int	 folder_load(int, char *, unsigned int);

/* name: whole, below the first folder; last: what of it dir has. */
static int
entry_load(int dir, char *name, const char *last, unsigned int depth)
{
	struct stat	 st;
	int		 fd, r = 0, saved;

	fd = openat(dir, last, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return errno == ELOOP ? 0 : -1;
	if (fstat(fd, &st) == -1)
		r = -1;
	else if (S_ISDIR(st.st_mode)) {
		(void)strlcat(name, "/", NAME_BYTES);
		return folder_load(fd, name, depth + 1);
	} else if (S_ISREG(st.st_mode) && type_of(last) != NULL)
		r = asset_load(fd, name, st.st_size);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

/* Takes the descriptor.  name is that of the folder, with its slash; after an
 * error it is that of what could not be read. */
static int
folder_load(int fd, char *name, unsigned int depth)
{
	struct dirent	*de;
	DIR		*d;
	size_t		 n = strlen(name);
	int		 saved;

	if (depth > DEPTH_MAX || (d = fdopendir(fd)) == NULL) {
		saved = depth > DEPTH_MAX ? ENAMETOOLONG : errno;
		close(fd);
		errno = saved;
		return -1;
	}
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' || (de->d_type != DT_DIR &&
		    de->d_type != DT_UNKNOWN && type_of(de->d_name) == NULL))
			continue;
		if (n + strlen(de->d_name) + 2 > NAME_BYTES) {
			errno = ENAMETOOLONG;
			break;
		}
		(void)strlcpy(name + n, de->d_name, NAME_BYTES - n);
		if (entry_load(dirfd(d), name, de->d_name, depth) == -1)
			break;
	}
	saved = errno;
	closedir(d);
	if (de == NULL) {
		name[n] = '\0';
		return 0;
	}
	errno = saved;
	return -1;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct asset *)a)->name,
	    ((const struct asset *)b)->name);
}

int
assets_load(const char *path, char *why, size_t size)
{
	char	 name[NAME_BYTES] = "";
	int	 fd;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd != -1 && folder_load(fd, name, 0) == 0) {
		if (nassets > 0)
			qsort(assets, nassets, sizeof(*assets), by_name);
		return (int)nassets;
	}
	(void)snprintf(why, size, "%s%s%s: %s%s", path, name[0] != '\0' ?
	    "/" : "", name, strerror(errno), errno == EFBIG ? "; a file may "
	    "have 8 MiB, all of them 64 MiB" : errno == E2BIG ? "; 2048 files "
	    "are read at most" : "");
	while (nassets > 0) {
		nassets--;
		free(assets[nassets].name);
		free(assets[nassets].data);
	}
	free(assets);
	assets = NULL;
	total = 0;
	return -1;
}

const struct asset *
asset_find(const char *name)
{
	struct asset	 key = { .name = (char *)(uintptr_t)name };

	if (*name == '\0')
		key.name = (char *)(uintptr_t)"index.html";
	return nassets == 0 ? NULL : bsearch(&key, assets, nassets,
	    sizeof(*assets), by_name);
}
