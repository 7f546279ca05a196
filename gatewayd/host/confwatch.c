/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

#include "common/compat.h"

#include <sys/inotify.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "gatewayd/host/confile.h"
#include "gatewayd/host/confwatch.h"

#define QUIET_MS	300	/* gateway.reload.debounceMs */
#define LOOK_MS		3000

static struct event	*watch, *timer;
static const char	*file;
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

/* Empties the queue; was the file meant? */
static bool
confwatch_read(int fd)
{
	_Alignas(struct inotify_event) char buf[8192];
	const struct inotify_event	*e;
	char				 real[PATH_MAX], *base;
	ssize_t				 n, i;
	bool				 ours = false;

	base = confile_real(file, real) == 0 ? basename(real) : NULL;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (i = 0; i + (ssize_t)sizeof(*e) <= n;
		    i += (ssize_t)(sizeof(*e) + e->len)) {
			e = (const struct inotify_event *)(const void *)
			    (buf + i);
			ours = ours || base == NULL || e->len == 0 ||
			    strcmp(e->name, base) == 0;
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
	char	 real[PATH_MAX];

	file = path;
	listener = settled;
	if ((timer = evtimer_new(base, confwatch_timer_cb, NULL)) == NULL)
		fatalx("configuration timer");
	confwatch_timer(quiet_ms);
	/* The folder, not the file: editors put a new file in its place. */
	if (confile_real(path, real) == -1 ||
	    (notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) == -1)
		return -1;
	if (inotify_add_watch(notify, dirname(real), IN_CLOSE_WRITE |
	    IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
	    IN_DELETE) == -1 || (watch = event_new(base, notify, EV_READ |
	    EV_PERSIST, confwatch_cb, NULL)) == NULL ||
	    event_add(watch, NULL) == -1) {
		close(notify);
		notify = -1;
		return -1;
	}
	return 0;
}
