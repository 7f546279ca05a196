/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * exec-approvals.json: which programs may run without a question, and how
 * strict this host wants to be, for one agent and for all ("*").  Read once,
 * kept as a tree, written whole: temporary name, fsync, rename, fsync of the
 * folder, and only then does a grant count.
 */
#ifndef TOOLD_EXECLIST_H
#define TOOLD_EXECLIST_H

#include <jansson.h>

#include "common/text.h"
#include "toold/toolpolicy.h"

#define EXECLIST_NAME	"exec-approvals.json"
#define EXECLIST_MAX	((size_t)1 << 20)	/* bytes of the file */
#define EXECLIST_ENTRIES 1000		/* of one list */
#define EXECLIST_PATTERN 1024		/* bytes */

struct execlist {
	json_t	*root;		/* checked; never NULL after _load */
	char	 hash[65];	/* of what can be edited */
	bool	 exists;	/* on disk */
	bool	 broken;	/* what is on disk was not understood */
	bool	 used;		/* a lastUsed is newer than the disk's */
};

/* A checked copy of a text: NULL with a reason in why. */
json_t	*execlist_parse(struct str, char *why, size_t);
/* Of the folder; a missing file gives the built-in list, one that cannot be
 * understood an empty one. */
void	 execlist_load(struct execlist *, int dir_fd, char *why, size_t);
void	 execlist_clear(struct execlist *);
/* Takes root.  On -1 (errno) nothing has changed, in memory or on disk. */
int	 execlist_store(struct execlist *, int dir_fd, json_t *root);

/* What the file says beside the configuration: the stricter one of both. */
void	 execlist_policy(const struct execlist *, const char *agent,
	    enum exec_security *, enum exec_ask *);
/* When nobody answered. */
enum exec_security execlist_fallback(const struct execlist *,
	    const char *agent);
/* The entry that covers the program at path, called as word; NULL: none.
 * exact: only one without wildcards counts. */
json_t	*execlist_match(const struct execlist *, const char *agent,
	    const char *path, const char *word, bool exact);
/* Notes the use of an entry. */
void	 execlist_note(struct execlist *, json_t *entry, const char *path,
	    struct str command, uint64_t now_ms);
/* A copy of the tree with path added to the agent's list; NULL: no memory,
 * or the list is full. */
json_t	*execlist_with(const struct execlist *, const char *agent,
	    const char *path);
/* "**" crosses slashes, "*" and "?" do not; nothing else is special. */
bool	 execlist_glob(const char *pattern, const char *path);

#endif
