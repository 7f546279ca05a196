/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The kernel's asynchronous I/O, of which only IOCB_CMD_FDSYNC is used.  A
 * thread would do as well, but it would need clone(2) in the filter and give
 * whoever takes this process over two threads to race the kernel with; these
 * calls can do nothing to a descriptor that the filter does not allow anyway.
 */
#include "common/compat.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <errno.h>
#include <linux/aio_abi.h>
#include <unistd.h>

#include "agentd/disksync.h"

struct slot {
	disksync_fn	*fn;		/* NULL: free */
	void		*arg;
	bool		 done;		/* waited for here */
	int		 err;
	struct iocb	 cb;
};

static struct slot	 slots[DISKSYNC_MAX];
static aio_context_t	 context;	/* 0: there is none */
static int		 done_fd = -1;
static struct event	*done_ev;

static void	 done_cb(evutil_socket_t, short, void *);

int
disksync_open(struct event_base *base)
{
	int	 saved;

	done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (done_fd == -1)
		return -1;
	done_ev = event_new(base, done_fd, EV_READ | EV_PERSIST, done_cb,
	    NULL);
	if (done_ev == NULL || event_add(done_ev, NULL) == -1) {
		saved = errno;
		disksync_close();
		errno = saved;
		return -1;
	}
	/* The number of requests of all processes has a limit. */
	if (syscall(SYS_io_setup, DISKSYNC_MAX, &context) == -1)
		context = 0;
	return 0;
}

void
disksync_close(void)
{
	if (context != 0)
		syscall(SYS_io_destroy, context);
	context = 0;
	if (done_ev != NULL)
		event_free(done_ev);
	done_ev = NULL;
	if (done_fd != -1)
		close(done_fd);
	done_fd = -1;
	memset(slots, 0, sizeof(slots));
}

static int
submit(struct slot *s, int fd)
{
	struct iocb	*list = &s->cb;

	if (context == 0)
		return -1;
	memset(&s->cb, 0, sizeof(s->cb));
	s->cb.aio_lio_opcode = IOCB_CMD_FDSYNC;
	s->cb.aio_fildes = (uint32_t)fd;
	s->cb.aio_flags = IOCB_FLAG_RESFD;
	s->cb.aio_resfd = (uint32_t)done_fd;
	s->cb.aio_data = (uint64_t)(s - slots);
	return syscall(SYS_io_submit, context, 1, &list) == 1 ? 0 : -1;
}

int
disksync_start(int fd, disksync_fn *fn, void *arg)
{
	struct slot	*s;
	size_t		 i;

	for (i = 0; i < DISKSYNC_MAX && slots[i].fn != NULL; i++)
		;
	if (i == DISKSYNC_MAX) {
		errno = EAGAIN;
		return -1;
	}
	s = &slots[i];
	s->fn = fn;
	s->arg = arg;
	s->done = false;
	if (submit(s, fd) == 0)
		return 0;
	s->err = fdatasync(fd) == -1 ? errno : 0;
	s->done = true;
	event_active(done_ev, EV_READ, 0);
	return 0;
}

/* The slot is free before it is told: what is told may start the next. */
static void
tell(struct slot *s, int err)
{
	disksync_fn	*fn = s->fn;
	void		*arg = s->arg;

	s->fn = NULL;
	if (fn != NULL)
		fn(err, arg);
}

static void
done_cb(evutil_socket_t fd, short what, void *arg)
{
	struct io_event	 ev[DISKSYNC_MAX];
	struct timespec	 now = { 0, 0 };
	uint64_t	 count;
	long		 i, n = 0;

	(void)what;
	(void)arg;
	if (read(fd, &count, sizeof(count)) == sizeof(count) && context != 0)
		n = syscall(SYS_io_getevents, context, 0, DISKSYNC_MAX, ev,
		    &now);
	for (i = 0; i < n; i++)
		if (ev[i].data < DISKSYNC_MAX)
			tell(&slots[ev[i].data], (int)-ev[i].res);
	for (i = 0; i < DISKSYNC_MAX; i++)
		if (slots[i].fn != NULL && slots[i].done) {
			slots[i].done = false;
			tell(&slots[i], slots[i].err);
		}
}
