/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/json_load.h"
#include "agentd/transcript.h"
#include "common/dbuf.h"
#include "common/json_skim.h"
#include "common/json_write.h"
#include "common/text.h"

_Static_assert(TRANSCRIPT_DEPTH_MAX + 2 <= SKIM_DEPTH_MAX,
    "the router refuses a history that is nested deeper");

#define READ_CHUNK	(64u << 10)

struct transcript {
	int		 fd;
	int64_t		 size;
	int		 version;	/* of the header */
	bool		 read_only;
	bool		 dirty;
	bool		 known;		/* what is before `safe` survives */
	int64_t		 safe, offered;
	bool		 torn;		/* a failed line could not be undone */
	uint32_t	 next_id;
	char		 leaf[40];
};

/* Walks a file from its end, line by line. */
struct tail {
	int	 fd;
	int64_t	 pos;		/* of buf[0] in the file */
	char	*buf;
	size_t	 n, cap;
	bool	 skipping;	/* inside a line that is too long */
};

static int	 header_write(struct transcript *, const char *, const char *,
		    uint64_t);
static int	 header_check(struct transcript *);
static int	 repair_end(struct transcript *);
static int	 write_line(struct transcript *, struct dbuf *);
static int	 tail_line(struct tail *, const char **, size_t *);
static void	 tail_init(struct tail *, const struct transcript *);
static void	 tail_clear(struct tail *);
static bool	 find_leaf(json_t *, void *);
static bool	 valid_name(const char *);

struct transcript *
transcript_open(int dirfd, const char *name, const char *session_id,
    const char *cwd, uint64_t now_ms, bool *moved)
{
	struct transcript	*t;
	struct stat		 st;
	char			 away[320];
	int			 n, saved, tries;

	*moved = false;
	if (!valid_name(name)) {
		errno = EINVAL;
		return NULL;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	for (tries = 0; tries < 2; tries++) {
		t->fd = openat(dirfd, name, O_RDWR | O_CREAT | O_APPEND |
		    O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
		if (t->fd == -1 || fstat(t->fd, &st) == -1)
			goto fail;
		if (!S_ISREG(st.st_mode)) {
			errno = EINVAL;
			goto fail;
		}
		t->size = st.st_size;
		if (repair_end(t) == -1)
			goto fail;
		t->safe = t->offered = t->size;
		if (t->size == 0) {
			if (header_write(t, session_id, cwd, now_ms) == -1)
				goto fail;
			t->known = true;	/* all of it is new */
			break;
		}
		if (header_check(t) == 0)
			break;
		if (errno != EBADMSG)
			goto fail;
		/* Somebody else's file: keep it, begin anew. */
		n = snprintf(away, sizeof(away), "%s.corrupt-%llu", name,
		    (unsigned long long)now_ms);
		if (n < 0 || (size_t)n >= sizeof(away) ||
		    renameat(dirfd, name, dirfd, away) == -1)
			goto fail;
		*moved = true;
		close(t->fd);
		t->fd = -1;
	}
	if (t->fd == -1) {
		errno = EBADMSG;
		goto fail;
	}
	if (getrandom(&t->next_id, sizeof(t->next_id), 0) !=
	    sizeof(t->next_id))
		goto fail;
	if (transcript_walk(t, find_leaf, t) == -1)
		goto fail;
	return t;
fail:
	saved = errno;
	transcript_close(t);
	errno = saved;
	return NULL;
}

struct transcript *
transcript_open_read(int dirfd, const char *name)
{
	struct transcript	*t;
	struct stat		 st;
	int			 saved;

	if (!valid_name(name)) {
		errno = EINVAL;
		return NULL;
	}
	if ((t = calloc(1, sizeof(*t))) == NULL)
		return NULL;
	t->read_only = true;
	t->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK);
	if (t->fd == -1 || fstat(t->fd, &st) == -1)
		goto fail;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		goto fail;
	}
	t->size = st.st_size;
	if (header_check(t) == -1) {
		if (errno != EBADMSG)
			goto fail;
		t->size = 0;	/* counts as empty */
	}
	return t;
fail:
	saved = errno;
	transcript_close(t);
	errno = saved;
	return NULL;
}

void
transcript_close(struct transcript *t)
{
	if (t == NULL)
		return;
	if (t->fd != -1)
		close(t->fd);
	free(t);
}

int
transcript_append(struct transcript *t, const char *type,
    const json_t *fields, uint64_t now_ms, char id[9])
{
	struct dbuf	 b;
	char		 stamp[25], hex[9], *body;
	int		 saved, ret = -1;

	if (t->read_only) {
		errno = EROFS;
		return -1;
	}
	/* jansson grows its own buffer faster than a callback per token. */
	if ((body = json_dumps(fields, JSON_COMPACT)) == NULL) {
		errno = ENOMEM;
		return -1;
	}
	dbuf_init(&b, TRANSCRIPT_LINE_MAX);
	/* An odd step visits every number once, so ids do not repeat. */
	snprintf(hex, sizeof(hex), "%08x", t->next_id);
	iso_time(now_ms, stamp);
	dbuf_printf(&b, "{\"type\":\"%s\",\"id\":\"%s\",\"parentId\":", type,
	    hex);
	if (t->leaf[0] == '\0')
		dbuf_puts(&b, "null");
	else	/* an id of another program may hold anything */
		json_quote(&b, t->leaf, strlen(t->leaf));
	dbuf_printf(&b, ",\"timestamp\":\"%s\"", stamp);
	if (body[0] == '{' && body[1] != '}') {
		dbuf_putc(&b, ',');
		dbuf_puts(&b, body + 1);	/* with the closing brace */
	} else
		dbuf_putc(&b, '}');
	dbuf_putc(&b, '\n');
	if (write_line(t, &b) == -1)
		goto out;
	t->next_id += 0x9e3779b1u;
	strlcpy(t->leaf, hex, sizeof(t->leaf));
	if (id != NULL)
		memcpy(id, hex, sizeof(hex));
	ret = 0;
out:
	saved = errno;
	free(body);
	dbuf_clear(&b);
	errno = saved;
	return ret;
}

int
transcript_append_message(struct transcript *t, json_t *message,
    uint64_t now_ms, char id[9])
{
	json_t	*fields;
	int	 ret, saved;

	if ((fields = json_object()) == NULL ||
	    json_object_set_nocheck(fields, "message", message) == -1) {
		json_decref(fields);
		errno = ENOMEM;
		return -1;
	}
	ret = transcript_append(t, "message", fields, now_ms, id);
	saved = errno;
	json_decref(fields);
	errno = saved;
	return ret;
}

int
transcript_sync(struct transcript *t)
{
	if (!t->dirty)
		return 0;
	if (fdatasync(t->fd) == -1)
		return -1;
	t->dirty = false;
	t->known = true;
	t->safe = t->offered = t->size;
	return 0;
}

void
transcript_known(struct transcript *t)
{
	t->known = true;
	t->safe = t->offered = t->size;
}

bool
transcript_needs_sync(const struct transcript *t)
{
	return t->dirty && (!t->known || t->size - t->safe >
	    (int64_t)TRANSCRIPT_OFFER_MAX);
}

int
transcript_offer(struct transcript *t, char **p, size_t *n, int64_t *at)
{
	struct stat	 st;
	ssize_t		 r;

	*p = NULL;
	*n = (size_t)(t->size - t->offered);
	*at = t->offered;
	if (!t->dirty || *n == 0)
		return 0;
	if (fstat(t->fd, &st) == -1)
		return -1;
	if (st.st_size != t->size && !t->torn) {
		/* Somebody cut it or added to it: what was written since is at
		 * its end, wherever that is, and goes to the disk itself. */
		t->size = st.st_size;
		return transcript_sync(t);
	}
	if ((*p = malloc(*n)) == NULL)
		return -1;
	if ((r = pread(t->fd, *p, *n, *at)) != (ssize_t)*n) {
		if (r != -1)
			errno = EIO;
		free(*p);
		*p = NULL;
		return -1;
	}
	t->offered = t->size;
	return 1;
}

void
transcript_taken(struct transcript *t, bool taken)
{
	if (!taken) {
		t->offered = t->safe;
		return;
	}
	t->safe = t->offered;
	if (t->known && t->safe == t->size)
		t->dirty = false;
}

int
transcript_restore(int dirfd, const char *name, const char *p, size_t n,
    int64_t at)
{
	struct stat	 st;
	char		 buf[4096];
	size_t		 i, k, have;
	ssize_t		 r;
	bool		 same = true;
	int		 fd, saved, ret = -1;

	if (!valid_name(name) || at < 0 || n > (size_t)(INT64_MAX - at)) {
		errno = EINVAL;
		return -1;
	}
	fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
	    O_NONBLOCK | (at == 0 ? O_CREAT : 0), 0600);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		goto out;
	if (!S_ISREG(st.st_mode) || st.st_size < at) {
		errno = EBADMSG;	/* not the file it was */
		goto out;
	}
	have = (uint64_t)(st.st_size - at) < n ? (size_t)(st.st_size - at) : n;
	for (i = 0; i < have; i += (size_t)r) {
		r = pread(fd, buf, have - i < sizeof(buf) ? have - i :
		    sizeof(buf), at + (int64_t)i);
		if (r <= 0) {
			if (r == 0)
				errno = EIO;
			goto out;
		}
		/* Blocks that never came to the disk read as zeros. */
		for (k = 0; k < (size_t)r; k++) {
			if (buf[k] == p[i + k])
				continue;
			if (buf[k] != '\0') {
				errno = EBADMSG;
				goto out;
			}
			same = false;
		}
	}
	if (same && have == n) {
		ret = 0;
		goto out;
	}
	for (i = 0; i < n; i += (size_t)r)
		if ((r = pwrite(fd, p + i, n - i, at + (int64_t)i)) == -1)
			goto out;
	ret = 1;
out:
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

bool
transcript_dirty(const struct transcript *t)
{
	return t->dirty;
}

void
transcript_branch(struct transcript *t, const char *id)
{
	strlcpy(t->leaf, id, sizeof(t->leaf));
}

struct leaf_look {
	bool	 is_user;
	char	 parent[40];
};

static bool
look_at_leaf(json_t *e, void *arg)
{
	struct leaf_look	*l = arg;

	l->is_user = strcmp(json_text(e, "type", ""), "message") == 0 &&
	    strcmp(json_text(json_object_get(e, "message"), "role", ""),
	    "user") == 0;
	strlcpy(l->parent, json_text(e, "parentId", ""), sizeof(l->parent));
	return false;
}

bool
transcript_drop_user_leaf(struct transcript *t)
{
	struct leaf_look	 l = { .is_user = false };

	if (t->version < 2 || transcript_walk(t, look_at_leaf, &l) == -1 ||
	    !l.is_user)
		return false;
	transcript_branch(t, l.parent);
	return true;
}

int64_t
transcript_size(const struct transcript *t)
{
	return t->size;
}

json_t *
transcript_parse_line(const char *p, size_t n)
{
	json_t	*j;

	j = json_load_bounded(p, n, TRANSCRIPT_DEPTH_MAX);
	if (!json_is_object(j) || json_text(j, "type", NULL) == NULL) {
		json_decref(j);
		return NULL;
	}
	return j;
}

int
transcript_walk(const struct transcript *t, transcript_fn *fn, void *arg)
{
	struct tail	 tail;
	const char	*line, *id, *parent;
	json_t		*j;
	char		 want[40] = "";
	size_t		 n;
	bool		 go = true, first = true;
	int		 r = 0;

	tail_init(&tail, t);
	while (go && (r = tail_line(&tail, &line, &n)) == 1) {
		if ((j = transcript_parse_line(line, n)) == NULL)
			continue;
		if (strcmp(json_string_value(json_object_get(j, "type")),
		    "session") == 0) {
			json_decref(j);
			continue;
		}
		/* Version 1 knows no ids; there the order is the path. */
		id = json_string_value(json_object_get(j, "id"));
		if (t->version > 1 && (id == NULL ||
		    (!first && strcmp(id, want) != 0))) {
			json_decref(j);
			continue;
		}
		first = false;
		parent = json_string_value(json_object_get(j, "parentId"));
		/* What other programs put in without a parent (chat.inject)
		 * hangs below the line before it. */
		if (t->version > 1 && json_object_get(j, "parentId") ==
		    NULL)
			first = true;
		else if (t->version > 1 && (parent == NULL ||
		    strlcpy(want, parent, sizeof(want)) >= sizeof(want))) {
			fn(j, arg);
			json_decref(j);
			break;
		}
		go = fn(j, arg);
		json_decref(j);
	}
	tail_clear(&tail);
	return r == -1 ? -1 : 0;
}

struct context_walk {
	json_t		*reversed;
	size_t		 bytes, max;
	size_t		 count, limit;
	bool		 history;
	bool		 full;
	char		 stop_at[40];	/* first entry kept by a compaction */
	json_t		*summary;
	json_int_t	 tokens_before;
};

static size_t
json_size(const json_t *j)
{
	return json_dumpb(j, NULL, 0, JSON_COMPACT);
}

static size_t
images(const json_t *m, size_t *count)
{
	json_t		*content = json_object_get(m, "content"), *block, *data;
	const char	*type;
	size_t		 i, n = 0;

	*count = 0;
	json_array_foreach(content, i, block) {
		type = json_string_value(json_object_get(block, "type"));
		data = json_object_get(block, "data");
		if (type == NULL || strcmp(type, "image") != 0 ||
		    !json_is_string(data))
			continue;
		n += json_string_length(data);
		(*count)++;
	}
	return n;
}

size_t
transcript_images(const json_t *m)
{
	size_t	 count;

	return images(m, &count);
}

size_t
transcript_weight(const json_t *m)
{
	size_t	 count, n = images(m, &count);

	return json_size(m) - n + count * IMAGE_WEIGHT;
}

static bool
is_user(const json_t *m)
{
	const char	*role = json_string_value(json_object_get(m, "role"));

	return role != NULL && strcmp(role, "user") == 0;
}

/* The message an entry stands for, as a new reference, or NULL. */
static json_t *
entry_message(json_t *e)
{
	const char	*type, *role;
	json_t		*m;

	type = json_string_value(json_object_get(e, "type"));
	if (strcmp(type, "message") == 0) {
		m = json_object_get(e, "message");
		if (!json_is_object(m) || (role = json_string_value(
		    json_object_get(m, "role"))) == NULL)
			return NULL;
		if (strcmp(role, "hookMessage") == 0)
			json_object_set_new(m, "role", json_string("custom"));
		return json_incref(m);
	}
	if (strcmp(type, "custom_message") == 0)
		return json_pack("{s:s,s:O?,s:O?,s:O?}", "role", "custom",
		    "customType", json_object_get(e, "customType"),
		    "content", json_object_get(e, "content"),
		    "display", json_object_get(e, "display"));
	if (strcmp(type, "branch_summary") == 0)
		return json_pack("{s:s,s:O?,s:O?}", "role", "branchSummary",
		    "summary", json_object_get(e, "summary"),
		    "fromId", json_object_get(e, "fromId"));
	return NULL;
}

static bool
context_entry(json_t *e, void *arg)
{
	struct context_walk	*w = arg;
	const char		*type, *id, *kept;
	json_t			*m;
	size_t			 n;

	type = json_string_value(json_object_get(e, "type"));
	id = json_string_value(json_object_get(e, "id"));
	if (!w->history && strcmp(type, "compaction") == 0 &&
	    w->summary == NULL) {
		w->summary = json_incref(json_object_get(e, "summary"));
		w->tokens_before = json_integer_value(
		    json_object_get(e, "tokensBefore"));
		kept = json_string_value(
		    json_object_get(e, "firstKeptEntryId"));
		if (kept == NULL || strlcpy(w->stop_at, kept,
		    sizeof(w->stop_at)) >= sizeof(w->stop_at))
			return false;
		return true;
	}
	if ((m = entry_message(e)) != NULL) {
		n = w->history ? json_size(m) : transcript_weight(m);
		if (w->count > 0 && (n > w->max || w->bytes > w->max - n)) {
			w->full = true;
			json_decref(m);
			return false;
		}
		w->bytes += n;
		w->count++;
		json_array_append_new(w->reversed, m);
		if (w->count >= w->limit) {
			w->full = true;
			return false;
		}
	}
	return w->stop_at[0] == '\0' || id == NULL ||
	    strcmp(id, w->stop_at) != 0;
}

static json_t *
collect(const struct transcript *t, struct context_walk *w)
{
	json_t	*out;
	size_t	 i;

	w->reversed = json_array();
	if ((out = json_array()) == NULL || w->reversed == NULL ||
	    transcript_walk(t, context_entry, w) == -1) {
		json_decref(w->reversed);
		json_decref(w->summary);
		json_decref(out);
		return NULL;
	}
	i = json_array_size(w->reversed);
	/* What was cut must begin with a question, not in mid-turn. */
	if (w->full && !w->history)
		while (i > 0 && !is_user(json_array_get(w->reversed, i - 1))) {
			w->bytes -= transcript_weight(json_array_get(
			    w->reversed, i - 1));
			i--;
		}
	if (w->summary != NULL && !w->full)
		json_array_append_new(out, json_pack("{s:s,s:O,s:I}", "role",
		    "compactionSummary", "summary", w->summary,
		    "tokensBefore", w->tokens_before));
	while (i-- > 0)
		json_array_append(out, json_array_get(w->reversed, i));
	json_decref(w->reversed);
	json_decref(w->summary);
	return out;
}

json_t *
transcript_context(const struct transcript *t, size_t max_bytes,
    size_t *bytes)
{
	struct context_walk	 w = { .max = max_bytes, .limit = SIZE_MAX };
	json_t			*out;

	out = collect(t, &w);
	*bytes = w.bytes;
	return out;
}

json_t *
transcript_history(const struct transcript *t, size_t limit,
    size_t max_bytes)
{
	struct context_walk	 w = { .max = max_bytes, .limit = limit,
	    .history = true };

	return collect(t, &w);
}

static bool
valid_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
	    strchr(name, '/') == NULL && strlen(name) < 256;
}

static int
header_write(struct transcript *t, const char *session_id, const char *cwd,
    uint64_t now_ms)
{
	struct dbuf	 b;
	char		 stamp[25], *body;
	json_t		*j;
	int		 ret;

	iso_time(now_ms, stamp);
	j = json_pack("{s:s,s:i,s:s,s:s,s:s}", "type", "session", "version",
	    TRANSCRIPT_VERSION, "id", session_id, "timestamp", stamp, "cwd",
	    cwd);
	if (j == NULL || (body = json_dumps(j, JSON_COMPACT)) == NULL) {
		json_decref(j);
		errno = ENOMEM;
		return -1;
	}
	dbuf_init(&b, TRANSCRIPT_LINE_MAX);
	dbuf_puts(&b, body);
	dbuf_putc(&b, '\n');
	ret = write_line(t, &b);
	t->version = TRANSCRIPT_VERSION;
	json_decref(j);
	free(body);
	dbuf_clear(&b);
	return ret;
}

/* 0, or -1 with errno EBADMSG when line 1 is no header. */
static int
header_check(struct transcript *t)
{
	char		 buf[16384];
	const char	*nl;
	json_t		*j, *v;
	ssize_t		 n;
	int		 ret = -1;

	if ((n = pread(t->fd, buf, sizeof(buf), 0)) == -1)
		return -1;
	if ((nl = memchr(buf, '\n', (size_t)n)) == NULL ||
	    (j = transcript_parse_line(buf, (size_t)(nl - buf))) == NULL) {
		errno = EBADMSG;
		return -1;
	}
	v = json_object_get(j, "version");
	if (strcmp(json_string_value(json_object_get(j, "type")),
	    "session") == 0 && json_is_string(json_object_get(j, "id"))) {
		t->version = v == NULL ? 1 : (int)json_integer_value(v);
		ret = t->version < 1 ? -1 : 0;
	}
	json_decref(j);
	if (ret == -1)
		errno = EBADMSG;
	return ret;
}

/* Cuts off what follows the last line end: a write that a crash tore. */
static int
repair_end(struct transcript *t)
{
	char	 buf[4096];
	int64_t	 pos = t->size;
	ssize_t	 n;

	while (pos > 0) {
		int64_t	 from = pos > (int64_t)sizeof(buf) ?
			    pos - (int64_t)sizeof(buf) : 0;

		n = pread(t->fd, buf, (size_t)(pos - from), from);
		if (n != pos - from) {
			if (n >= 0)
				errno = EIO;
			return -1;
		}
		while (n > 0 && buf[n - 1] != '\n')
			n--;
		pos = from + n;
		if (n > 0)
			break;
	}
	if (pos != t->size) {
		if (ftruncate(t->fd, pos) == -1)
			return -1;
		t->size = pos;
	}
	t->torn = false;
	return 0;
}

static int
write_line(struct transcript *t, struct dbuf *b)
{
	ssize_t	 n;
	int	 saved;

	if (dbuf_err(b)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (t->torn && (ftruncate(t->fd, t->size) == -1))
		return -1;
	t->torn = false;
	do
		n = write(t->fd, b->p, b->n);
	while (n == -1 && errno == EINTR);
	if (n == (ssize_t)b->n) {
		t->size += n;
		t->dirty = true;
		return 0;
	}
	/* Part of a line is worse than none: the next one would join it. */
	saved = n == -1 ? errno : ENOSPC;
	if (n > 0 && ftruncate(t->fd, t->size) == -1)
		t->torn = true;
	errno = saved;
	return -1;
}

static bool
find_leaf(json_t *e, void *arg)
{
	struct transcript	*t = arg;
	const char		*id;
	uint64_t		 v;
	char			*end;

	id = json_string_value(json_object_get(e, "id"));
	if (id == NULL || strlcpy(t->leaf, id, sizeof(t->leaf)) >=
	    sizeof(t->leaf)) {
		t->leaf[0] = '\0';
		return false;
	}
	/* Go on from the last of our own ids, see transcript_append(). */
	v = strtoull(id, &end, 16);
	if (strlen(id) == 8 && *end == '\0')
		t->next_id = (uint32_t)v + 0x9e3779b1u;
	return false;
}

static void
tail_init(struct tail *r, const struct transcript *t)
{
	memset(r, 0, sizeof(*r));
	r->fd = t->fd;
	r->pos = t->size;
}

static void
tail_clear(struct tail *r)
{
	free(r->buf);
	r->buf = NULL;
}

/* The next line towards the beginning: 1, 0 at the beginning, -1 with errno
 * (the buffer is then gone). */
static int
tail_line(struct tail *r, const char **line, size_t *len)
{
	size_t	 i, end, want, scanned = 0;
	ssize_t	 got;
	char	*p;

	for (;;) {
		end = r->n;
		if (end > 0 && r->buf[end - 1] == '\n')
			end--;
		for (i = end - (scanned < end ? scanned : end); i > 0; i--)
			if (r->buf[i - 1] == '\n')
				break;
		if (i > 0 || (r->pos == 0 && r->n > 0)) {
			r->n = i;
			if (r->skipping) {
				/* This was the head of a giant. */
				r->skipping = false;
				scanned = 0;
				continue;
			}
			*line = r->buf + i;
			*len = end - i;
			return 1;
		}
		if (r->pos == 0)
			return 0;
		scanned = end;
		if (r->n > TRANSCRIPT_LINE_MAX) {
			r->n = 0;
			scanned = 0;
			r->skipping = true;
		}
		/* Double what is held, so that a long line costs its length. */
		want = r->n < READ_CHUNK ? READ_CHUNK : r->n;
		if ((int64_t)want > r->pos)
			want = (size_t)r->pos;
		if (r->n + want > r->cap) {
			if ((p = realloc(r->buf, r->n + want)) == NULL) {
				tail_clear(r);
				return -1;
			}
			r->buf = p;
			r->cap = r->n + want;
		}
		memmove(r->buf + want, r->buf, r->n);
		r->pos -= (int64_t)want;
		r->n += want;
		got = pread(r->fd, r->buf, want, r->pos);
		if (got != (ssize_t)want) {
			if (got >= 0)
				errno = EIO;
			tail_clear(r);
			return -1;
		}
	}
}
