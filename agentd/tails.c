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
#include "common/log.h"

#define SETTLE_MS	5000	/* a conversation syncs its file so often */
#define SETTLE_IDLE	8	/* files at once when nobody waits */
#define SETTLE_ROWS	2000	/* with more, one for each so many */
#define PAUSE_MS	100

static struct event	*settle_ev;
static size_t		 rows;		/* put since the start */

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

/* Syncs the file and forgets its copies: 0, or -1 to try again later. */
static int
settle(const char *name)
{
	int	 fd, r = 0;

	fd = openat(sessions_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NOCTTY | O_NONBLOCK);
	if (fd == -1 && errno != ENOENT && errno != ELOOP)
		return -1;
	if (fd != -1) {
		r = fdatasync(fd);
		close(fd);
	}
	return r == -1 ? -1 : sessdb_drop_tail(db, name);
}

static void
settle_cb(evutil_socket_t fd, short what, void *arg)
{
	char	 name[256];
	size_t	 i, n;
	int	 r = 0;

	(void)fd;
	(void)what;
	(void)arg;
	if (db == NULL || sessions_fd == -1 || journal_busy() ||
	    sessdb_begin(db, false) == -1) {
		arm(PAUSE_MS);
		return;
	}
	n = nactive == 0 ? SETTLE_IDLE : 1 + rows / SETTLE_ROWS;
	for (i = 0; i < n; i++)
		if ((r = sessdb_tail_file(db, name, sizeof(name))) != 1 ||
		    (r = settle(name)) == -1)
			break;
	if (r == -1) {
		log_warn("transcripts: sync");
		sessdb_rollback(db);
		arm(SETTLE_MS);
	} else if (sessdb_commit(db) == -1) {
		sessdb_rollback(db);
		arm(SETTLE_MS);
	} else if (r == 0)
		rows = 0;
	else
		arm(nactive == 0 ? 0 : PAUSE_MS);
}

struct put_back {
	const char	*name;
	size_t		 put, failed;
};

static void
put_back(int64_t at, const char *p, size_t n, void *arg)
{
	struct put_back	*b = arg;

	switch (transcript_restore(sessions_fd, b->name, p, n, at)) {
	case 1:
		b->put++;
		break;
	case -1:
		if (errno != ENOENT && b->failed++ == 0)
			log_warn("transcript %s: cannot be completed",
			    b->name);
		break;
	}
}

void
tails_recover(void)
{
	struct put_back	 b;
	char		 name[256];
	size_t		 files = 0;

	if (sessdb_begin(db, false) == -1)
		return;
	while (sessdb_tail_file(db, name, sizeof(name)) == 1) {
		b = (struct put_back){ .name = name };
		if (sessdb_each_tail(db, name, put_back, &b) == -1 ||
		    settle(name) == -1) {
			log_warn("transcript %s", name);
			break;
		}
		files += b.put > 0;
	}
	if (sessdb_commit(db) == -1)
		sessdb_rollback(db);
	if (files > 0)
		log_info("%zu transcripts completed after a crash", files);
}
