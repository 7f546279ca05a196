/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/inotify.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "gatewayd/host/confile.h"
#include "gatewayd/host/confwatch.h"

#define QUIET_MS	300	/* gateway.reload.debounceMs */
#define LOOK_MS		3000
#define NOTED_MAX	256	/* more are not watched */
#define FOLDER_EVENTS	(IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | \
			    IN_MOVED_FROM | IN_CREATE | IN_DELETE)

static struct noted {
	char		*path;
	struct stat	 seen;
}			 noted[NOTED_MAX];	/* the first: the main file */
static size_t		 nnoted = 1;
static struct event	*watch, *timer;
static void		(*listener)(void);
static uint32_t		 quiet_ms = QUIET_MS;
static int		 notify = -1;

static void
confwatch_timer(uint32_t ms)
{
	struct timeval	 tv = { ms / 1000, (ms % 1000) * 1000 };

	evtimer_add(timer, &tv);
}

static void
confwatch_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	if (notify == -1)
		confwatch_timer(LOOK_MS);
	listener();
}

void
confwatch_again(void)
{
	confwatch_timer(quiet_ms);
}

void
confwatch_quiet(uint32_t ms)
{
	quiet_ms = ms;
}

/* The folder, not the file: editors put a new file in its place. */
static int
confwatch_folder(const char *path)
{
	char	 real[PATH_MAX];

	return confile_real(path, real) == -1 || inotify_add_watch(notify,
	    dirname(real), FOLDER_EVENTS) == -1 ? -1 : 0;
}

void
confwatch_begin(bool judge, const struct stat *main)
{
	if (judge)
		return;
	while (nnoted > 1)
		free(noted[--nnoted].path);
	if (main != NULL)
		noted[0].seen = *main;
}

void
confwatch_note(bool judge, const char *path, int fd, uint32_t err)
{
	struct noted	*n = &noted[nnoted];

	if (judge || nnoted == NOTED_MAX || (n->path = strdup(path)) == NULL)
		return;
	confile_seen(&n->seen, fd);
	/* What may not be read has not changed by being there. */
	if (fd == -1 && err != ENOENT && stat(path, &n->seen) == -1)
		memset(&n->seen, 0, sizeof(n->seen));
	nnoted++;
	if (notify != -1)
		confwatch_folder(path);	/* which may not be there */
}

const char *
confwatch_changed(void)
{
	size_t	 i;

	for (i = 0; i < nnoted; i++)
		if (confile_changed(noted[i].path, &noted[i].seen))
			return noted[i].path;
	return NULL;
}

/* Has one of them that name?  Which folder is not asked: whether it did change
 * is looked at anyway. */
static bool
confwatch_named(const char *name)
{
	char	 real[PATH_MAX];
	size_t	 i;

	for (i = 0; i < nnoted; i++)
		if (confile_real(noted[i].path, real) == -1 ||
		    strcmp(basename(real), name) == 0)
			return true;
	return false;
}

/* Empties the queue; was one of the files meant? */
static bool
confwatch_read(int fd)
{
	_Alignas(struct inotify_event) char buf[8192];
	const struct inotify_event	*e;
	ssize_t				 n, i;
	bool				 ours = false;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (i = 0; i + (ssize_t)sizeof(*e) <= n;
		    i += (ssize_t)(sizeof(*e) + e->len)) {
			e = (const struct inotify_event *)(const void *)
			    (buf + i);
			ours = ours || e->len == 0 ||
			    confwatch_named(e->name);
		}
	return ours;
}

static void
confwatch_cb(evutil_socket_t fd, short what, void *arg)
{
	/* Every further write puts it off: a file is read when it has come
	 * to rest. */
	if (confwatch_read(fd))
		confwatch_timer(quiet_ms);
}

int
confwatch_start(struct event_base *base, const char *path,
    void (*settled)(void))
{
	size_t	 i;

	if ((noted[0].path = strdup(path)) == NULL)
		fatalx("configuration watch");
	listener = settled;
	if ((timer = evtimer_new(base, confwatch_timer_cb, NULL)) == NULL)
		fatalx("configuration timer");
	confwatch_timer(quiet_ms);
	if ((notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) == -1)
		return -1;
	if (confwatch_folder(path) == -1 || (watch = event_new(base, notify,
	    EV_READ | EV_PERSIST, confwatch_cb, NULL)) == NULL ||
	    event_add(watch, NULL) == -1) {
		close(notify);
		notify = -1;
		return -1;
	}
	for (i = 1; i < nnoted; i++)
		confwatch_folder(noted[i].path);
	return 0;
}
