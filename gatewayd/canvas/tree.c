/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From a path to bytes.  The peer is front, which reads from the network; the
 * folder is an agent's, who may change it at any time.  So nothing is kept
 * between two requests: a file is opened, described and read from one
 * descriptor, and its tag tells front when the next one is another file.
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/beneath.h"
#include "common/sha1.h"
#include "gatewayd/canvas/canvas.h"
#include "gatewayd/canvas/mime.h"

#define TRIES		16	/* EAGAIN: something was renamed meanwhile */
#define TAIL		65536	/* of a page, where its body ends */

static int
open_beneath(int dir, const char *path, int flags)
{
	int	 fd, tries = 0;

	do {
		fd = beneath_open(dir, path, flags, 0, false);
	} while (fd == -1 && (errno == EINTR ||
	    (errno == EAGAIN && ++tries < TRIES)));
	return fd;
}

/* The root that counts; -1 when there is none. */
static int
root_open(const struct tree *t)
{
	size_t	 i;
	int	 dir, fd, last = -1;

	for (i = 0; i < t->n; i++) {
		dir = open(t->root[i].path, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC | (t->root[i].nolink ? O_NOFOLLOW : 0));
		if (dir == -1)
			continue;
		if (last != -1)
			close(last);
		last = dir;
		fd = open_beneath(dir, "index.html", O_PATH);
		if (fd != -1) {
			close(fd);
			break;
		}
	}
	return last;
}

bool
tree_moved(const struct tree *t)
{
	struct stat	 st;
	size_t		 i;
	int		 fd;
	bool		 moved = false;

	for (i = 0; i < t->n && !moved; i++) {
		if ((fd = open(t->root[i].path, O_PATH | O_DIRECTORY |
		    O_CLOEXEC | O_NOFOLLOW)) == -1)
			continue;
		moved = fstat(fd, &st) == 0 && st.st_nlink == 0;
		close(fd);
	}
	return moved;
}

/* Is there a name in it that begins with a dot? */
static bool
has_hidden(const char *path)
{
	return path[0] == '.' || strstr(path, "/.") != NULL;
}

/* The file of a path, opened for reading; its type goes by its name. */
static enum cv_status
file_open(int root, const char *path, int *out, unsigned int *type)
{
	char		 name[2048];
	struct stat	 st;
	size_t		 n = strlen(path);
	bool		 folder = n == 0 || path[n - 1] == '/';
	int		 fd;

	if (n + sizeof("index.html") > sizeof(name) || has_hidden(path))
		return CV_NONE;
	/* O_NONBLOCK: a planted fifo must not make us wait. */
	if (!folder) {
		fd = open_beneath(root, path, O_RDONLY | O_NONBLOCK |
		    O_NOCTTY);
		if (fd == -1)
			return CV_NONE;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
			*out = fd;
			*type = mime_of(path);
			return CV_OK;
		}
		folder = S_ISDIR(st.st_mode);
		close(fd);
		return folder ? CV_FOLDER : CV_NONE;
	}
	(void)snprintf(name, sizeof(name), "%sindex.html", path);
	fd = open_beneath(root, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return CV_NO_INDEX;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		return CV_NO_INDEX;
	}
	*out = fd;
	*type = mime_of(name);
	return CV_OK;
}

/* Up to n bytes; how many, fewer only at the end of the file. */
static size_t
read_at(int fd, char *buf, size_t n, uint64_t offset)
{
	size_t	 had = 0;
	ssize_t	 r;

	while (had < n) {
		r = pread(fd, buf + had, n - had, (off_t)(offset + had));
		if (r == -1 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		had += (size_t)r;
	}
	return had;
}

/* Where the script goes: before the last </body>, or at the end. */
static uint64_t
script_place(int fd, uint64_t size)
{
	static char	 tail[TAIL];
	uint64_t	 from = size > TAIL ? size - TAIL : 0;
	size_t		 n = read_at(fd, tail, sizeof(tail), from);

	if (n < 7)
		return size;
	for (n -= 6; n-- > 0;)
		if (tail[n] == '<' && ascii_ncasecmp(tail + n, "</body>",
		    7) == 0)
			return from + n;
	return size;
}

/* Bytes offset.. of the file with the script in its place. */
static size_t
read_scripted(int fd, uint64_t size, struct str script, char *buf, size_t n,
    uint64_t offset)
{
	uint64_t	 at = script_place(fd, size);
	size_t		 had = 0, want;

	if (offset < at) {
		want = n < at - offset ? n : (size_t)(at - offset);
		if ((had = read_at(fd, buf, want, offset)) < want)
			return had;
		offset += had;
	}
	if (had < n && offset - at < script.n) {
		want = script.n - (size_t)(offset - at);
		if (want > n - had)
			want = n - had;
		memcpy(buf + had, script.p + (offset - at), want);
		had += want;
		offset += want;
	}
	/* Not past what was said to be its size, should it grow. */
	if (had < n && offset < size + script.n) {
		want = n - had;
		if (want > size + script.n - offset)
			want = (size_t)(size + script.n - offset);
		had += read_at(fd, buf + had, want, offset - script.n);
	}
	return had;
}

static uint64_t
tag_of(const struct stat *st, struct str script)
{
	struct sha1	 h;
	uint64_t	 v[7], tag = 0;
	uint8_t		 sum[SHA1_LEN];
	size_t		 i;

	v[0] = (uint64_t)st->st_dev;
	v[1] = (uint64_t)st->st_ino;
	v[2] = (uint64_t)st->st_size;
	v[3] = (uint64_t)st->st_mtim.tv_sec;
	v[4] = (uint64_t)st->st_mtim.tv_nsec;
	v[5] = (uint64_t)st->st_ctim.tv_sec;
	v[6] = (uint64_t)st->st_ctim.tv_nsec;
	sha1_init(&h);
	sha1_update(&h, v, sizeof(v));
	sha1_update(&h, script.p, script.n);
	sha1_final(&h, sum);
	for (i = 0; i < 8; i++)
		tag = tag << 8 | sum[i];
	return tag;
}

void
tree_get(const struct tree *t, const struct m_cv_get *q, struct m_cv_res *r,
    char *buf)
{
	struct stat	 st;
	struct str	 script;
	unsigned int	 type = 0;
	size_t		 n = q->limit;
	int		 root, fd = -1, saved;

	memset(r, 0, sizeof(*r));
	r->data = (struct str){ buf, 0 };
	if ((root = root_open(t)) == -1)
		r->status = CV_NO_TREE;
	else {
		r->status = (uint8_t)file_open(root, q->path.p, &fd, &type);
		close(root);
	}
	if ((r->status == CV_NO_INDEX || r->status == CV_NO_TREE) &&
	    q->path.n == 0 && t->pages != NULL &&
	    (root = root_open(t->pages)) != -1) {
		saved = r->status;
		r->status = (uint8_t)file_open(root, t->fallback, &fd, &type);
		if (r->status != CV_OK)
			r->status = (uint8_t)saved;
		close(root);
	}
	if (r->status != CV_OK)
		return;
	if (fstat(fd, &st) == -1 || st.st_size < 0) {
		close(fd);
		r->status = CV_NONE;
		return;
	}
	script = str_of(mime_is_html(type) && st.st_size > 0 ? t->script :
	    "");
	r->type = (uint8_t)type;
	r->size = (uint64_t)st.st_size + script.n;
	r->mtime_ms = (uint64_t)st.st_mtim.tv_sec * 1000 +
	    (uint64_t)st.st_mtim.tv_nsec / 1000000;
	r->tag = tag_of(&st, script);
	if (n > TREE_DATA_MAX)
		n = TREE_DATA_MAX;
	if (q->offset >= r->size)
		n = 0;
	else if (n > r->size - q->offset)
		n = (size_t)(r->size - q->offset);
	if (n > 0)
		r->data.n = read_scripted(fd, (uint64_t)st.st_size, script,
		    buf, n, q->offset);
	close(fd);
}
