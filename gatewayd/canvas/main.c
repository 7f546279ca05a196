/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * gatewayd-canvas: reads the folder of canvas pages for front, and tells it
 * when something there changed.  It runs only while somebody looks at a page.
 * It sees that folder and the pages that come with the gateway, both
 * read-only; it has no socket but its links and writes nothing.
 */
#include "common/compat.h"

#include "common/log.h"
#include "common/worker.h"
#include "gatewayd/canvas/canvas.h"

/* Behind "defer" it would come after what the page itself does. */
#define SCRIPT		"<script src=\"/__openclaw__/a2ui/bridge.js\""
#define SCRIPT_LIVE	SCRIPT " data-live></script>"
#define SCRIPT_PLAIN	SCRIPT "></script>"
#define INDEX		"canvas.html"	/* until there is a better one */

static struct tree	 trees[CV_TREE_MAX];
static struct link	*front;
static bool		 live, watching, told_moved;

static int
tree_add(struct tree *t, const char *path, bool nolink)
{
	if ((t->root[t->n].path = strdup(path)) == NULL)
		return -1;
	t->root[t->n++].nolink = nolink;
	return 0;
}

static int
canvas_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	const char	*s;
	size_t		 i;

	if (p == NULL) {
		(void)strlcpy(why, "no parcel", size);
		return -1;
	}
	/* The folders are mounted for a process: another one has others. */
	if (reload) {
		(void)strlcpy(why, "needs a restart", size);
		return -1;
	}
	live = parcel_get_bool(p, true, "liveReload");
	for (i = 0; i < TREE_ROOTS_MAX && (s = parcel_get(p, "root.%zu.path",
	    i)) != NULL; i++)
		if (tree_add(&trees[CV_CANVAS], s, parcel_get_bool(p, false,
		    "root.%zu.nolink", i)) == -1)
			goto nomem;
	if ((s = parcel_get(p, "pages.dir")) != NULL &&
	    tree_add(&trees[CV_A2UI], s, false) == -1)
		goto nomem;
	trees[CV_CANVAS].script = live ? SCRIPT_LIVE : "";
	trees[CV_CANVAS].pages = &trees[CV_A2UI];
	trees[CV_CANVAS].fallback = INDEX;
	trees[CV_A2UI].script = live ? SCRIPT_LIVE : SCRIPT_PLAIN;
	return 0;
nomem:
	(void)strlcpy(why, "out of memory", size);
	return -1;
}

static void
changed(void)
{
	struct m_cv_changed	 m = { 0 };

	if (front == NULL || link_full(front))
		return;
	m.moved = tree_moved(&trees[CV_CANVAS]) && !told_moved;
	told_moved = told_moved || m.moved;
	send_cv_changed(front, &m, 0, 0);
}

static void
canvas_start(void)
{
	if (!live || trees[CV_CANVAS].n == 0)
		return;
	if (watch_start(worker_base(), &trees[CV_CANVAS], changed) == -1)
		log_warn("canvas: live reload");
	else
		watching = true;
}

static void
canvas_peer(struct link *l)
{
	if (link_peer(l) == ROLE_FRONT)
		front = l;
}

static void
canvas_peer_gone(struct link *l)
{
	if (l == front)
		front = NULL;
}

static enum msg_err
canvas_message(struct link *l, struct msg *m)
{
	static char	 buf[TREE_DATA_MAX];
	struct m_cv_get	 q;
	struct m_cv_res	 r;
	enum msg_err	 err;

	if ((err = get_cv_get(m, &q)) != MSG_OK)
		return err;
	if (q.tree >= CV_TREE_MAX)
		return MSG_MEANING;
	/* Its place is that of another folder by now. */
	if (q.tree == CV_CANVAS && !told_moved &&
	    tree_moved(&trees[CV_CANVAS]))
		changed();
	tree_get(&trees[q.tree], &q, &r, buf);
	if (send_cv_res(l, &r, m->h.corr, MSG_F_REPLY) == -1)
		log_warn("canvas: answer");
	return MSG_OK;
}

static void
canvas_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	(void)res;
	if (watching)
		(void)snprintf(detail, size, "%u folders watched",
		    watch_count());
	else
		(void)strlcpy(detail, "nothing watched", size);
}

static const struct worker canvas = {
	WORKER_ROLE(CANVAS),
	.configure = canvas_configure,
	.start = canvas_start,
	.peer = canvas_peer,
	.peer_gone = canvas_peer_gone,
	.message = canvas_message,
	.stat = canvas_stat,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &canvas);
}
