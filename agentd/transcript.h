/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Transcripts: JSON Lines, version 3 (spec sessions 8, agent-runtime 12).  The
 * file is only ever appended to, one write(2) per line, so a crash at any byte
 * leaves whole lines and at most one torn last line, which the next open cuts
 * off.  Readers walk from the end, so that the cost of a turn does not grow
 * with the length of the file.
 */
#ifndef AGENTD_TRANSCRIPT_H
#define AGENTD_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define TRANSCRIPT_VERSION	3
#define TRANSCRIPT_LINE_MAX	(48u << 20)	/* longer ones are skipped */
/* Of JSON in a line.  Less than the router takes, because a history holds the
 * messages of lines in two more levels, and what it does not take ends us. */
#define TRANSCRIPT_DEPTH_MAX	60

struct transcript;

/* Opens or makes dirfd/name.  A torn last line is cut off; a file without a
 * valid header is moved to <name>.corrupt-<ms> and a new one begun (*moved is
 * then true).  NULL with errno. */
struct transcript *transcript_open(int dirfd, const char *name,
	    const char *session_id, const char *cwd, uint64_t now_ms,
	    bool *moved);
/* The same for reading only; NULL with errno ENOENT when there is none. */
struct transcript *transcript_open_read(int dirfd, const char *name);
void	 transcript_close(struct transcript *);

/* Appends an entry of that type; fields (borrowed, an object) follow id,
 * parentId and timestamp.  The new id goes to id when that is not NULL.  0, or
 * -1 with errno; nothing of a failed line stays in the file. */
int	 transcript_append(struct transcript *, const char *type,
	    const json_t *fields, uint64_t now_ms, char id[9]);
/* A message entry. */
int	 transcript_append_message(struct transcript *, json_t *message,
	    uint64_t now_ms, char id[9]);
/* fdatasync if anything was appended since the last one. */
int	 transcript_sync(struct transcript *);
bool	 transcript_dirty(const struct transcript *);

/*
 * The other way to survive a power failure, for many transcripts at once: the
 * owner stores a copy of what is new in a place that it syncs anyway, and
 * puts it back after a crash.  That needs a beginning that is on the disk, or
 * a file that is all new: transcript_needs_sync() says that only transcript_sync() will do now, or
 * the owner says transcript_known() because it has the copy already.
 */
#define TRANSCRIPT_OFFER_MAX	(256u << 10)
void	 transcript_known(struct transcript *);
bool	 transcript_needs_sync(const struct transcript *);
/* 1: the bytes (free them) that are neither on the disk nor offered before
 * and where they stand; 0: none (any more: a file that others have changed is
 * synced); -1: errno. */
int	 transcript_offer(struct transcript *, char **p, size_t *n,
	    int64_t *at);
/* What was offered is safe now; or it is not. */
void	 transcript_taken(struct transcript *, bool taken);
/* Puts bytes back, with the file when they are its first: 1, or 0 when they
 * are all there, or -1 with errno, EBADMSG when the file is not the one they
 * belong to. */
int	 transcript_restore(int dirfd, const char *name, const char *p,
	    size_t n, int64_t at);
/* The next entry hangs below that one instead of below the leaf; "" for
 * none. */
void	 transcript_branch(struct transcript *, const char *id);
/* When the last entry is a user message, the next one takes its place (both
 * stay in the file): was it so? */
bool	 transcript_drop_user_leaf(struct transcript *);
int64_t	 transcript_size(const struct transcript *);

/* Entries on the path from the leaf to the root, newest first, until fn says
 * false.  Malformed lines are skipped.  0, or -1 with errno. */
typedef bool transcript_fn(json_t *entry, void *arg);
int	 transcript_walk(const struct transcript *, transcript_fn *, void *arg);

/* Messages for the model, oldest first: from the last compaction on, at most
 * about max_bytes of JSON (then beginning with a user message); *bytes gets
 * their size.  NULL with errno. */
json_t	*transcript_context(const struct transcript *, size_t max_bytes,
	    size_t *bytes);
/* The newest `limit` stored messages, oldest first, at most max_bytes of JSON
 * but at least one. */
json_t	*transcript_history(const struct transcript *, size_t limit,
	    size_t max_bytes);

/* transcript_cut.c: keeps its beginning line and as many of the last as make
 * `lines` in all; the whole file stays as `away`.  1, 0 when it has no more
 * than that, -1 with errno; *kept: lines that it has now. */
int	 transcript_cut(int dirfd, const char *name, const char *away,
	    int64_t lines, int64_t *kept);

/* Bytes of image data in a message, and its size for a model's window: JSON,
 * but an image counts as IMAGE_WEIGHT whatever its data. */
#define IMAGE_WEIGHT	4800
size_t	 transcript_images(const json_t *message);
size_t	 transcript_weight(const json_t *message);

/* One line as entry (a new reference), NULL when it is not an object with a
 * type within the limits. */
json_t	*transcript_parse_line(const char *, size_t);

#endif
