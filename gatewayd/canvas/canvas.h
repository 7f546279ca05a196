/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The insides of gatewayd-canvas. */
#ifndef GATEWAYD_CANVAS_CANVAS_H
#define GATEWAYD_CANVAS_CANVAS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/msg.h"

struct event_base;

/* --- files: tree.c -------------------------------------------------------- */

#define TREE_ROOTS_MAX	2
#define TREE_DATA_MAX	61440	/* CV_RES.data */

/* A folder that is served.  Of several roots the first that has an index
 * counts, or else the last one. */
struct tree_root {
	char	*path;		/* absolute */
	bool	 nolink;	/* is a folder itself, or is not there */
};
struct tree {
	struct tree_root root[TREE_ROOTS_MAX];
	size_t		 n;
	/* Pages get a script: "" or an element, before the body's end. */
	const char	*script;
	/* Shown when there is no index: of another tree, or NULL. */
	const struct tree *pages;
	const char	*fallback;
};

/*
 * Looks a path up and reads from it: fills in everything but data, whose bytes
 * go to buf (size TREE_DATA_MAX).  Never anything but a regular file below the
 * root that no link leads to; no name that begins with a dot.
 */
void	 tree_get(const struct tree *, const struct m_cv_get *,
	    struct m_cv_res *, char *buf);
/* Was a root removed or moved away?  Then its path is that of another. */
bool	 tree_moved(const struct tree *);

/* --- changes: watch.c ----------------------------------------------------- */

/* fn is called when something has changed and then nothing for a moment.  0, or
 * -1 with errno: it will not be called. */
int	 watch_start(struct event_base *, const struct tree *,
	    void (*fn)(void));
void	 watch_stop(void);
/* Watched folders, for the operator. */
unsigned int watch_count(void);

#endif
