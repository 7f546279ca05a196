/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Changes below the roots.  Whoever writes there decides how many folders
 * there are and how often they change, so both are bounded: what is beyond is
 * not watched, and many changes are one.  A watch says that something changed
 * and nothing else; what a link might make of a name on the way to inotify is
 * for that reason of no use to anybody.
 */
#include "common/compat.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/beneath.h"
#include "common/log.h"
#include "gatewayd/canvas/canvas.h"

#define WATCHES_MAX	1024
#define DEPTH_MAX	16
#define QUIET_MS	75	/* until a change is told */
#define LATEST_MS	1000	/* also when it never gets quiet */
#define EVENTS		(IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | \
			    IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | \
			    IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR | \
			    IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct watched {
	int	 wd;
	size_t	 root, depth;
	char	*path;			/* below the root, "" for itself */
};

static const struct tree	*tree;
static struct watched		 w[WATCHES_MAX];
static unsigned int		 nw;
static int			 fd = -1;
static struct event		*ev, *timer;
static void			(*changed_fn)(void);
static uint64_t			 first_ms;	/* change not told yet */
static bool			 said;

unsigned int
watch_count(void)
{
	return nw;
}

static void
too_many(const char *why)
{
	if (!said)
		log_warnx("canvas: live reload: %s: some folders are not "
		    "watched; a smaller canvasHost.root, or "
		    "canvasHost.liveReload=false", why);
	said = true;
}

static bool
is_ignored(const char *name)
{
	return name[0] == '.' || strcmp(name, "node_modules") == 0;
}

static struct watched *
watched_find(int wd)
{
	unsigned int	 i;

	for (i = 0; i < nw; i++)
		if (w[i].wd == wd)
			return &w[i];
	return NULL;
}

/* A folder and those in it. */
static void
watch_add(size_t root, const char *path, size_t depth)
{
	char		 full[PATH_MAX], below[PATH_MAX];
	struct dirent	*de;
	struct stat	 st;
	DIR		*d;
	int		 dir, at, wd;

	if (nw == WATCHES_MAX || depth > DEPTH_MAX) {
		too_many(depth > DEPTH_MAX ? "folders too deep" :
		    "too many folders");
		return;
	}
	if (snprintf(full, sizeof(full), "%s%s%s", tree->root[root].path,
	    path[0] != '\0' ? "/" : "", path) >= (int)sizeof(full))
		return;
	if ((wd = inotify_add_watch(fd, full, EVENTS)) == -1) {
		if (errno == ENOSPC || errno == ENOMEM)
			too_many("the system's limit (fs.inotify.max_user_"
			    "watches)");
		return;
	}
	if (watched_find(wd) == NULL) {
		if ((w[nw].path = strdup(path)) == NULL) {
			inotify_rm_watch(fd, wd);
			return;
		}
		w[nw].wd = wd;
		w[nw].root = root;
		w[nw].depth = depth;
		nw++;
	}
	/* Names are read through the containment that requests have. */
	if ((at = open(tree->root[root].path, O_PATH | O_DIRECTORY |
	    O_CLOEXEC | O_NOFOLLOW)) == -1)
		return;
	dir = beneath_open(at, path[0] != '\0' ? path : ".", O_RDONLY |
	    O_DIRECTORY, 0, false);
	close(at);
	if (dir == -1 || (d = fdopendir(dir)) == NULL) {
		if (dir != -1)
			close(dir);
		return;
	}
	while (nw < WATCHES_MAX && (de = readdir(d)) != NULL) {
		if (is_ignored(de->d_name) || (de->d_type != DT_DIR &&
		    (de->d_type != DT_UNKNOWN || fstatat(dirfd(d), de->d_name,
		    &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    !S_ISDIR(st.st_mode))))
			continue;
		if (snprintf(below, sizeof(below), "%s%s%s", path,
		    path[0] != '\0' ? "/" : "", de->d_name) <
		    (int)sizeof(below))
			watch_add(root, below, depth + 1);
	}
	if (nw == WATCHES_MAX)
		too_many("too many folders");
	closedir(d);
}

static void
watch_forget(struct watched *x)
{
	free(x->path);
	*x = w[--nw];
}

static void
changed(void)
{
	struct timeval	 tv = { 0, QUIET_MS * 1000 };
	uint64_t	 now = mono_ms();

	if (first_ms == 0)
		first_ms = now;
	if (now - first_ms < LATEST_MS)
		evtimer_add(timer, &tv);
}

static void
timer_cb(evutil_socket_t s, short what, void *arg)
{
	(void)s;
	(void)what;
	(void)arg;
	first_ms = 0;
	changed_fn();
}

static void
one_event(const struct inotify_event *e)
{
	struct watched	*x;
	char		 below[PATH_MAX];

	if (e->mask & IN_Q_OVERFLOW) {
		changed();
		return;
	}
	if ((x = watched_find(e->wd)) == NULL)
		return;
	if (e->mask & IN_IGNORED) {
		watch_forget(x);
		return;
	}
	if (e->mask & IN_MOVE_SELF) {
		/* It is elsewhere: whoever moved it tells with its name. */
		if (x->path[0] != '\0')
			inotify_rm_watch(fd, x->wd);
		changed();
		return;
	}
	if (e->len > 0 && is_ignored(e->name))
		return;
	if ((e->mask & IN_ISDIR) && (e->mask & (IN_CREATE | IN_MOVED_TO)) &&
	    snprintf(below, sizeof(below), "%s%s%s", x->path,
	    x->path[0] != '\0' ? "/" : "", e->name) < (int)sizeof(below))
		watch_add(x->root, below, x->depth + 1);
	changed();
}

static void
read_cb(evutil_socket_t s, short what, void *arg)
{
	static char	 buf[16384]
			    __attribute__((aligned(__alignof__(struct
			    inotify_event))));
	const struct inotify_event *e;
	ssize_t		 n;
	size_t		 at;

	(void)what;
	(void)arg;
	/* Once: a folder that never rests must not keep requests waiting. */
	if ((n = read(s, buf, sizeof(buf))) <= 0)
		return;
	for (at = 0; at + sizeof(*e) <= (size_t)n;
	    at += sizeof(*e) + e->len) {
		e = (const struct inotify_event *)(const void *)(buf + at);
		one_event(e);
	}
}

int
watch_start(struct event_base *base, const struct tree *t, void (*fn)(void))
{
	size_t	 i;

	tree = t;
	changed_fn = fn;
	if ((fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) == -1)
		return -1;
	timer = evtimer_new(base, timer_cb, NULL);
	ev = event_new(base, fd, EV_READ | EV_PERSIST, read_cb, NULL);
	if (timer == NULL || ev == NULL || event_add(ev, NULL) == -1) {
		watch_stop();
		errno = ENOMEM;
		return -1;
	}
	for (i = 0; i < t->n; i++)
		watch_add(i, "", 0);
	return 0;
}

void
watch_stop(void)
{
	if (ev != NULL)
		event_free(ev);
	if (timer != NULL)
		event_free(timer);
	if (fd != -1)
		close(fd);
	while (nw > 0)
		watch_forget(&w[nw - 1]);
	ev = timer = NULL;
	fd = -1;
	first_ms = 0;
}
