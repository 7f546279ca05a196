/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * sessions.json of an older installation becomes our index, once (threats
 * R12).  Whatever happens on the way, nothing of it may be lost: what was read
 * is kept word for word beside it before the index changes, the index changes
 * in one transaction or not at all, and nobody writes to sessions.json before
 * that has come to the disk.  A failure is told to the caller, who tries again;
 * until then there is no index.  What stands in the file is hostile.
 */
#include "common/compat.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/json_load.h"
#include "common/json_skim.h"
#include "common/log.h"

#define STORE		"sessions.json"
#define KEPT		"sessions.json.imported"
#define TMP_NAME	"sessions.json.imported.tmp"
#define IMPORT_MAX	(256u << 20)
#define COPIES_MAX	100	/* that differ */
#define NOTES_MAX	20	/* lines about single entries */

struct import {
	char		*text;
	size_t		 n;
	char		 kept[64];	/* name of the copy */
	struct dbuf	 notes;
	size_t		 members, taken, left;
};

static int	 file_read(const char *, char **, size_t *);
static int	 file_write(const char *, const char *, size_t);
static int	 keep_text(struct import *);
static int	 keep_other(struct import *);
static int	 take_all(struct import *);
static int	 entry_take(struct import *, const struct skim_val *,
		    const struct skim_val *);
static int	 entry_leave(struct import *, const struct skim_val *,
		    const char *);
static void	 entry_rename(json_t *, const char *, const char *);
static void	 tell(struct import *, const char *);

int
import_sessions(void)
{
	struct import	 im;
	struct skim_val	 root;
	struct stat	 st;
	const char	*bad = NULL;
	enum skim_err	 err;
	int		 first, ret = -1, saved;

	memset(&im, 0, sizeof(im));
	dbuf_init(&im.notes, 65536);
	if (sessdb_begin(db) == -1)
		return -1;
	if ((first = sessdb_once(db, "import")) == -1)
		goto out;
	/* A file beside an index is our own, and never newer than that. */
	if (first == 0 || sessdb_count_sessions(db) > 0)
		goto commit;
	if (fstatat(sessions_fd, STORE, &st, AT_SYMLINK_NOFOLLOW) == -1) {
		if (errno != ENOENT)
			goto out;
	} else if (!S_ISREG(st.st_mode)) {
		bad = "no regular file";
		if (keep_other(&im) == -1)
			goto out;
	} else {
		if (file_read(STORE, &im.text, &im.n) == -1)
			goto out;
		if ((err = skim_text(im.text, im.n, &root)) != SKIM_OK)
			bad = skim_err_name(err);
		else if (root.kind != SKIM_OBJECT)
			bad = "no JSON object";
		if (im.n > 0 && keep_text(&im) == -1)
			goto out;
		if (bad == NULL) {
			/* What jansson refuses; the copy has it. */
			skim_repair(im.text, im.n);
			if (take_all(&im) == -1)
				goto out;
		}
	}
commit:
	if (sessdb_commit(db) == -1)
		goto out;
	/* The view may take the place of the file from now on. */
	if (im.taken > 0 && fdatasync(sessdb_wal_fd(db)) == -1)
		fatal("the journal cannot be brought to the disk");
	tell(&im, bad);
	ret = 0;
out:
	saved = errno;
	if (ret == -1)
		sessdb_rollback(db);
	free(im.text);
	dbuf_clear(&im.notes);
	errno = saved;
	return ret;
}

/* All of the file, with a NUL behind it. */
static int
file_read(const char *name, char **text, size_t *size)
{
	struct stat	 st;
	char		*p = NULL;
	size_t		 n = 0;
	ssize_t		 r;
	int		 fd, saved;

	fd = openat(sessions_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)IMPORT_MAX) {
		errno = S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		goto fail;
	}
	if ((p = malloc((size_t)st.st_size + 1)) == NULL)
		goto fail;
	/* One byte more than there should be, to see that it is the end. */
	while ((r = read(fd, p + n, (size_t)st.st_size + 1 - n)) != 0) {
		if (r == -1 && errno == EINTR)
			continue;
		if (r == -1)
			goto fail;
		if ((n += (size_t)r) > (size_t)st.st_size)
			break;
	}
	if (n != (size_t)st.st_size) {
		errno = EAGAIN;		/* somebody writes to it now */
		goto fail;
	}
	close(fd);
	p[n] = '\0';
	*text = p;
	*size = n;
	return 0;
fail:
	saved = errno;
	free(p);
	close(fd);
	errno = saved;
	return -1;
}

static int
file_write(const char *name, const char *p, size_t n)
{
	ssize_t	 r;
	int	 fd, saved;

	fd = openat(sessions_fd, TMP_NAME, O_WRONLY | O_CREAT | O_TRUNC |
	    O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	while (n > 0) {
		if ((r = write(fd, p, n)) == -1) {
			if (errno == EINTR)
				continue;
			goto fail;
		}
		p += r;
		n -= (size_t)r;
	}
	if (fsync(fd) == -1)
		goto fail;
	if (close(fd) == -1) {
		fd = -1;
		goto fail;
	}
	fd = -1;
	if (renameat(sessions_fd, TMP_NAME, sessions_fd, name) == -1 ||
	    fsync(sessions_fd) == -1)
		goto fail;
	return 0;
fail:
	saved = errno;
	if (fd != -1)
		close(fd);
	unlinkat(sessions_fd, TMP_NAME, 0);
	errno = saved;
	return -1;
}

/* The n-th name for what is kept; false when there are no more. */
static bool
kept_name(struct import *im, unsigned int n)
{
	if (n == 0)
		strlcpy(im->kept, KEPT, sizeof(im->kept));
	else
		snprintf(im->kept, sizeof(im->kept), KEPT ".%u", n);
	errno = EEXIST;
	return n < COPIES_MAX;
}

/* Under a name that is free, or that has the same text from an attempt that
 * came to nothing. */
static int
keep_text(struct import *im)
{
	char		*p;
	size_t		 n;
	unsigned int	 i;
	bool		 same;

	for (i = 0; kept_name(im, i); i++) {
		if (file_read(im->kept, &p, &n) == -1) {
			if (errno == ENOENT)
				return file_write(im->kept, im->text, im->n);
			if (errno == ENOMEM)
				return -1;
			continue;	/* whatever it is, it stays */
		}
		same = n == im->n && memcmp(p, im->text, n) == 0;
		free(p);
		if (same)
			return 0;
	}
	return -1;
}

static int
keep_other(struct import *im)
{
	struct stat	 st;
	unsigned int	 i;

	for (i = 0; kept_name(im, i); i++)
		if (fstatat(sessions_fd, im->kept, &st,
		    AT_SYMLINK_NOFOLLOW) == -1)
			return errno != ENOENT ? -1 : renameat(sessions_fd,
			    STORE, sessions_fd, im->kept);
	return -1;
}

static int
take_all(struct import *im)
{
	struct skim_iter	 it;
	struct skim_val		 root, key, val;

	/* Once more: repairing has moved the parts. */
	if (skim_text(im->text, im->n, &root) != SKIM_OK) {
		errno = EBADMSG;
		return -1;
	}
	skim_iter_init(&it, &root);
	while (skim_next(&it, &key, &val)) {
		im->members++;
		if (entry_take(im, &key, &val) == -1)
			return -1;
	}
	if (im->taken + im->left != im->members ||
	    sessdb_count_sessions(db) != (int64_t)im->taken) {
		errno = EIO;
		return -1;
	}
	return 0;
}

/* 0 also when it is left out, which is noted then. */
static int
entry_take(struct import *im, const struct skim_val *key,
    const struct skim_val *val)
{
	struct session	 s;
	json_t		*entry, *old;
	const char	*id;
	char		 raw[2 * SESSION_KEY_MAX], uuid[37], *text;
	bool		 newer = true;
	int		 ret, r;

	memset(&s, 0, sizeof(s));
	if (val->kind != SKIM_OBJECT)
		return entry_leave(im, key, "it is no object");
	if (skim_unescape(key, raw, sizeof(raw)) == -1)
		return entry_leave(im, key, "its key is too long");
	if (session_key_canon(str_of(raw), cfg->agent_id, cfg->scope_global,
	    s.key, sizeof(s.key)) == -1)
		return entry_leave(im, key, errno == ENAMETOOLONG ?
		    "its key is too long" : "its key is no session key");
	errno = 0;
	if ((entry = json_load_bounded(val->p, val->n, 64)) == NULL)
		return errno == ENOMEM ? -1 : entry_leave(im, key,
		    "a number in it is too large");
	s.entry = entry;
	id = json_text(entry, "sessionId", NULL);
	if (id == NULL && !json_is_null(json_object_get(entry, "sessionId")) &&
	    json_object_get(entry, "sessionId") != NULL)
		id = "/";
	if (id != NULL && (id[0] == '.' || strchr(id, '/') != NULL ||
	    strlen(id) > 200)) {
		ret = entry_leave(im, key, "its sessionId cannot be the name "
		    "of a transcript");
		goto out;
	}
	if (id == NULL || id[0] == '\0') {
		uuid_v4(uuid);
		session_set(&s, "sessionId", json_string(uuid));
	}
	entry_rename(entry, "provider", "channel");
	entry_rename(entry, "lastProvider", "lastChannel");
	entry_rename(entry, "room", "groupChannel");
	ret = -1;
	if ((r = sessdb_get_entry(db, s.key, &text)) == -1)
		goto out;
	if (r == 1) {
		old = json_load_bounded(text, strlen(text), 64);
		free(text);
		newer = json_number_value(json_object_get(entry,
		    "updatedAt")) >= json_number_value(json_object_get(old,
		    "updatedAt"));
		json_decref(old);
		entry_leave(im, key, newer ? "it takes the place of an older "
		    "entry of the same session" :
		    "another entry of the same session is newer");
		ret = 0;
	}
	if (newer) {
		ret = session_put(&s);
		im->taken += ret == 0 && r == 0;
	}
out:
	json_decref(entry);
	return ret;
}

static int
entry_leave(struct import *im, const struct skim_val *key, const char *why)
{
	char	 name[128];
	size_t	 i;

	im->left++;
	if (im->left > NOTES_MAX)
		return 0;
	if (skim_unescape(key, name, sizeof(name)) == -1) {
		snprintf(name, sizeof(name), "%.*s", (int)(key->n - 2 < 100 ?
		    key->n - 2 : 100), key->p + 1);
		name[utf8_cut(name, strlen(name), 100)] = '\0';
		strlcat(name, "...", sizeof(name));
	}
	for (i = 0; name[i] != '\0'; i++)
		if ((unsigned char)name[i] < 0x20)
			name[i] = ' ';
	dbuf_printf(&im->notes, "entry \"%s\": %s\n", name, why);
	return 0;
}

/* What older releases called it (spec sessions 5). */
static void
entry_rename(json_t *entry, const char *old, const char *new)
{
	json_t	*v = json_object_get(entry, old);

	if (!json_is_string(v) || json_object_get(entry, new) != NULL)
		return;
	json_object_set(entry, new, v);
	json_object_del(entry, old);
}

static void
tell(struct import *im, const char *bad)
{
	char	*line, *next;

	if (bad != NULL) {
		if (im->kept[0] == '\0')
			return;		/* empty */
		log_warnx(STORE ": %s; nothing is taken from it, it is kept "
		    "as %s", bad, im->kept);
		return;
	}
	if (im->members == 0)
		return;
	line = dbuf_err(&im->notes) ? NULL : im->notes.p;
	for (; line != NULL && *line != '\0'; line = next) {
		next = line + strcspn(line, "\n");
		if (*next != '\0')
			*next++ = '\0';
		log_warnx(STORE ": %s; see %s", line, im->kept);
	}
	if (im->left > NOTES_MAX)
		log_warnx(STORE ": the same of %zu more", im->left -
		    NOTES_MAX);
	log_info(STORE ": %zu of %zu sessions taken over; the file as it was: "
	    "%s", im->taken, im->members, im->kept);
}
