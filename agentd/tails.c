/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The ends of transcripts in the journal.  A turn is done when its lines
 * survive a power failure.  Syncing one file per turn makes sixteen sessions
 * wait for sixteen flushes of the disk, one behind the other; so the lines go
 * into the transaction that is synced anyway, once for all of them, and the
 * files are synced when nobody waits.  After a crash what a file lacks is put
 * back from here.  Nothing but this module deletes these copies, and only when
 * the file is on the disk.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/disksync.h"
#include "common/log.h"

#define SETTLE_MS	5000	/* a conversation syncs its file so often */
#define SETTLE_ROWS	2000	/* with so many more, so much faster */
#define PAUSE_MS	100

static struct event	*settle_ev;
static size_t		 rows;		/* put since the start */
static char		 settle_name[256];	/* being synced ... */
static int64_t		 settle_last;	/* ... with copies up to this one */
static bool		 settling;

static void	 settle_cb(evutil_socket_t, short, void *);

static void
arm(uint32_t ms)
{
	struct timeval	 tv = { .tv_sec = ms / 1000,
			    .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (settle_ev == NULL && (settle_ev = evtimer_new(worker_base(),
	    settle_cb, NULL)) == NULL)
		return;		/* the copies stay */
	if (!event_pending(settle_ev, EV_TIMEOUT, NULL))
		event_add(settle_ev, &tv);
}

int
tails_put(struct session *s)
{
	char	 name[256], *p;
	int64_t	 at;
	size_t	 n;
	int	 r, saved;

	if (s->transcript == NULL)
		return 0;
	if ((r = transcript_offer(s->transcript, &p, &n, &at)) != 1)
		return r;
	session_file(s, name, sizeof(name));
	r = sessdb_put_tail(db, name, at, p, n);
	saved = errno;
	free(p);
	rows++;
	errno = saved;
	return r;
}

void
tails_committed(struct session *s, bool done)
{
	if (s->transcript == NULL)
		return;
	transcript_taken(s->transcript, done);
	if (rows > 0)
		arm(SETTLE_MS);
}

void
tails_opened(struct transcript *t, const char *name)
{
	/* Its end is here and so is, or was synced, all before. */
	if (db != NULL && sessdb_tail_end(db, name) == transcript_size(t))
		transcript_known(t);
}

/* -1 with errno; ENOENT and ELOOP: there is no such file to be synced. */
static int
open_file(const char *name)
{
	return openat(sessions_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK);
}

int
tails_forget(const char *name)
{
	if (db == NULL) {
		errno = EIO;
		return -1;
	}
	if (sessdb_begin(db) == 0 && sessdb_drop_tail(db, name, INT64_MAX) ==
	    0 && sessdb_commit(db) == 0)
		return 0;
	sessdb_rollback(db);
	return -1;
}

/* The file is on the disk: forgets its copies. */
static void
settled_cb(int err, void *arg)
{
	(void)arg;
	settling = false;
	if (err == 0 && sessdb_begin(db) == 0 &&
	    sessdb_drop_tail(db, settle_name, settle_last) == 0 &&
	    sessdb_commit(db) == 0) {
		arm(nactive == 0 ? 0 : PAUSE_MS / (1 + (uint32_t)(rows /
		    SETTLE_ROWS)));
		return;
	}
	if (err != 0)
		errno = err;
	log_warn("transcript %s: sync", settle_name);
	sessdb_rollback(db);
	arm(SETTLE_MS);
}

static void
settle_cb(evutil_socket_t ev_fd, short what, void *arg)
{
	int	 fd, r;

	(void)ev_fd;
	(void)what;
	(void)arg;
	if (settling)
		return;		/* its end goes on */
	if (db == NULL || sessions_fd == -1) {
		arm(PAUSE_MS);
		return;
	}
	if ((r = sessdb_tail_file(db, settle_name, sizeof(settle_name),
	    &settle_last)) == 0) {
		rows = 0;
		sessdb_tidy(db, true);	/* nothing was said for a while */
		return;
	}
	fd = r == 1 ? open_file(settle_name) : -1;
	if (fd == -1 && r == 1 && (errno == ENOENT || errno == ELOOP)) {
		settled_cb(0, NULL);
		return;
	}
	if (fd != -1 && disksync_start(fd, settled_cb, NULL) == 0)
		settling = true;
	else {
		log_warn("transcripts: sync");
		arm(SETTLE_MS);
	}
	if (fd != -1)
		close(fd);
}

struct put_back {
	const char	*name;
	size_t		 put;
	int		 err;		/* of one that can be put there later */
	bool		 warned;
};

/* Will that never be otherwise?  The file is gone, or not the one it was. */
static bool
for_good(int err)
{
	return err == ENOENT || err == ELOOP || err == EBADMSG ||
	    err == EINVAL || err == EISDIR || err == ENOTDIR || err == ENXIO;
}

static void
put_back(int64_t at, const char *p, size_t n, void *arg)
{
	struct put_back	*b = arg;

	if (b->err != 0)
		return;		/* no holes */
	switch (transcript_restore(sessions_fd, b->name, p, n, at)) {
	case 1:
		b->put++;
		break;
	case -1:
		if (!for_good(errno))
			b->err = errno;
		else if (errno != ENOENT && !b->warned) {
			b->warned = true;
			log_warn("transcript %s: cannot be completed",
			    b->name);
		}
		break;
	}
}

int
tails_recover(void)
{
	struct put_back	 b;
	char		 name[256];
	size_t		 files = 0;
	int64_t		 last;
	int		 fd, r, err = 0;

	if (sessdb_begin(db) == -1)
		return -1;
	while ((r = sessdb_tail_file(db, name, sizeof(name), &last)) == 1) {
		b = (struct put_back){ .name = name };
		r = sessdb_each_tail(db, name, put_back, &b);
		if (r == 0 && b.err != 0) {
			errno = b.err;
			r = -1;
		} else if (r == 0 && (fd = open_file(name)) != -1) {
			r = fdatasync(fd);
			err = errno;
			close(fd);
			errno = err;
		} else if (r == 0 && !for_good(errno))
			r = -1;
		if (r == -1 || (r = sessdb_drop_tail(db, name, last)) == -1)
			break;
		files += b.put > 0;
	}
	err = errno;
	/* Of what is complete the copies go, whatever became of the rest. */
	if (sessdb_commit(db) == -1) {
		err = errno;
		r = -1;
		sessdb_rollback(db);
	}
	if (files > 0)
		log_info("%zu transcripts completed after a crash", files);
	errno = err;
	return r;
}
