/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Group commit.  What happens in one turn of the event loop, for all sessions,
 * is written in one transaction; only then is anybody told.  What a client
 * offered is promised against the death of this process, so it is told right
 * then.  What a channel offered (it forgets what we acknowledge) and the ends
 * of turns are told when the disk has them; they go through two lists:
 *
 *	written	committed, but no sync has begun since
 *	syncing	the sync that is under way covers them
 *
 * While one sync is under way, what is committed waits for the next, all
 * together; the event loop waits for none.  Ends are not even written until
 * that next sync can begin: after the death of this process nobody would tell
 * an end that the database has, so the time between the two is kept short.
 * What can be made again from the accepted turn (that it began, the row of its
 * session) waits with them: a busy gateway writes these once a turn, with its
 * end.  Before something that cannot be repeated they are written at once
 * (journal_began), and before the index of sessions is read (journal_sessions).
 * What cannot be written (disk full, read-only) stays here and is tried again,
 * except new turns, which are refused, so that whoever offered them keeps them
 * (threats R07, R15).  When a sync fails nobody knows what the disk has: this
 * process ends, and the next one reads it.
 */
#include "common/compat.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "agentd/disksync.h"
#include "common/log.h"

#define RETRY_MS	1000
#define LAZY_MS		20	/* what can be made again may be so old */
#define WARN_MS		60000
#define PRUNE_MS	60000
#define PRUNE_STEP_MS	50	/* until the next step of a long one */
#define RESULT_KEEP_MS	(10ull * 60 * 1000)
#define TURN_KEEP_MS	(7ull * 24 * 3600 * 1000)
#define TURN_KEEP_MAX	100000
#define NOTICES_MAX	3		/* that one answer may be missing */

struct drop {
	STAILQ_ENTRY(drop)	 entry;
	char			 id[129];
	char			*texts[5];	/* of the notice: channel, */
	struct sessdb_delivery	 notice;	/* account, ...; id "": none */
	char			 notice_id[sizeof("unsure1-") + 128];
};

struct sessdb	*db;

TAILQ_HEAD(run_queue, run);
TAILQ_HEAD(turn_queue, turn);
/* Who is to be told what. */
struct told {
	struct turn_queue	 in;
	struct run_queue	 done;
};
#define TOLD(t)	{ TAILQ_HEAD_INITIALIZER((t).in), \
		    TAILQ_HEAD_INITIALIZER((t).done) }

static struct turn_queue	 accepts = TAILQ_HEAD_INITIALIZER(accepts);
static struct turn_queue	 starts = TAILQ_HEAD_INITIALIZER(starts);
static struct run_queue		 ends = TAILQ_HEAD_INITIALIZER(ends);
static struct told		 written = TOLD(written);
static struct told		 syncing = TOLD(syncing);
static TAILQ_HEAD(, session)	 dirty = TAILQ_HEAD_INITIALIZER(dirty);
static STAILQ_HEAD(, drop)	 drops = STAILQ_HEAD_INITIALIZER(drops);
static struct event		*flush_ev, *prune_ev;
static char			 trouble[256];
static uint64_t			 warned_ms, lazy_ms;
static bool			 flushing, sync_runs;
/* What this flush leaves alone: all but accepts; starts and sessions. */
static bool			 hold, lazy;

static void	 drop_free(struct drop *);
static void	 flush_cb(evutil_socket_t, short, void *);
static void	 prune_cb(evutil_socket_t, short, void *);
/* FLUSH_ACCEPTS: a sync is under way; _DUE: what is not too young, too. */
enum flush_what { FLUSH_ACCEPTS, FLUSH_DUE, FLUSH_ALL };
static int	 flush(enum flush_what);
static int	 write_all(bool *began);
static void	 sessions_written(void);
static void	 tell(struct told *, int err);
static void	 sync_start(void);
static void	 schedule(uint32_t ms);
static void	 lazy_begins(void);
static void	 schedule_lazy(void);
static int	 db_open(void);

int
journal_open(void)
{
	struct timeval	 tv = { .tv_sec = PRUNE_MS / 1000 };

	flush_ev = evtimer_new(worker_base(), flush_cb, NULL);
	prune_ev = evtimer_new(worker_base(), prune_cb, NULL);
	if (flush_ev == NULL || prune_ev == NULL ||
	    disksync_open(worker_base()) == -1)
		return -1;
	event_add(prune_ev, &tv);
	if (db_open() == -1) {
		/* Not fatal: refuse turns, say why, and try again. */
		schedule(RETRY_MS);
		return 0;
	}
	return 0;
}

void
journal_close(void)
{
	journal_flush();
	sessdb_close(db);
	db = NULL;
}

void
journal_accept(struct turn *t)
{
	TAILQ_INSERT_TAIL(&accepts, t, journal);
	t->session->pins++;
	schedule(0);
}

void
journal_start(struct turn *t)
{
	lazy_begins();
	TAILQ_INSERT_TAIL(&starts, t, journal);
	t->in_starts = true;
	schedule_lazy();
}

/* Before a run does what cannot be repeated: is it known to have begun?  A
 * turn without that is simply run again after a crash. */
int
journal_began(struct turn *t)
{
	struct turn	*o;

	if (!t->in_starts)
		return 0;
	if (db == NULL || sessdb_begin(db) == -1)
		return -1;
	/* With the session, or a new one would not find the transcript. */
	TAILQ_FOREACH(o, &starts, journal)
		if (sessdb_start_turn(db, &o->row) == -1 ||
		    (!o->session->placed && session_put(o->session) == -1))
			goto fail;
	if (sessdb_commit(db) == -1)
		goto fail;
	while ((o = TAILQ_FIRST(&starts)) != NULL) {
		TAILQ_REMOVE(&starts, o, journal);
		o->in_starts = false;
		o->session->placed = true;
	}
	return 0;
fail:
	sessdb_rollback(db);
	return -1;
}

void
journal_end(struct run *run)
{
	/* A turn that began and ended in between needs one row only. */
	if (run->turn->in_starts) {
		TAILQ_REMOVE(&starts, run->turn, journal);
		run->turn->in_starts = false;
	}
	TAILQ_INSERT_TAIL(&ends, run, journal);
	run->session->pins++;
	schedule(0);
}

void
journal_forget(struct run *run)
{
	TAILQ_REMOVE(&ends, run, journal);
	run->session->pins--;
	run_discard(run);
}

void
journal_session(struct session *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	lazy_begins();
	TAILQ_INSERT_TAIL(&dirty, s, dirty_entry);
	schedule_lazy();
}

int
journal_sessions(void)
{
	struct session	*s;

	if (TAILQ_EMPTY(&dirty))
		return 0;
	if (db == NULL || sessdb_begin(db) == -1)
		return -1;
	TAILQ_FOREACH(s, &dirty, dirty_entry)
		if (session_put(s) == -1)
			goto fail;
	if (sessdb_commit(db) == 0) {
		sessions_written();
		return 0;
	}
fail:
	sessdb_rollback(db);
	return -1;
}

static void
sessions_written(void)
{
	struct session	*s;

	while ((s = TAILQ_FIRST(&dirty)) != NULL) {
		TAILQ_REMOVE(&dirty, s, dirty_entry);
		s->dirty = false;
		s->stored = s->placed = true;
		view_changed();
	}
}

void
journal_session_gone(struct session *s)
{
	if (s->dirty)
		TAILQ_REMOVE(&dirty, s, dirty_entry);
	s->dirty = false;
}

/* Of the delivery's id: however often its end is told, there is one notice.
 * One whose own end is not known is sent again, for nobody may be left without
 * a word; not for ever, as to a platform that breaks every connection. */
static bool
notice_name(const char *id, char *out, size_t size)
{
	unsigned long	 n;
	char		*end;

	if (strncmp(id, "unsure", 6) != 0)
		return snprintf(out, size, "unsure1-%s", id) < (int)size;
	n = strtoul(id + 6, &end, 10);
	return *end == '-' && n < NOTICES_MAX &&
	    snprintf(out, size, "unsure%lu%s", n + 1, end) < (int)size;
}

void
journal_drop_delivery(const char *id, const struct sessdb_delivery *notice)
{
	struct drop	*d = calloc(1, sizeof(*d));

	if (d == NULL)
		return;		/* it will be offered again after a restart */
	strlcpy(d->id, id, sizeof(d->id));
	if (notice != NULL) {
		d->notice = *notice;
		d->notice.channel = d->texts[0] = xstrdup(notice->channel);
		d->notice.account = d->texts[1] = xstrdup(notice->account);
		d->notice.chat = d->texts[2] = xstrdup(notice->chat);
		d->notice.thread = d->texts[3] = xstrdup(notice->thread);
		d->notice.text = d->texts[4] = xstrdup(notice->text);
		d->notice.reply_to = "";
		if (!notice_name(id, d->notice_id, sizeof(d->notice_id))) {
			drop_free(d);
			journal_drop_delivery(id, NULL);
			return;
		}
		d->notice.id = d->notice_id;
	}
	STAILQ_INSERT_TAIL(&drops, d, entry);
	schedule(0);
}

static void
drop_free(struct drop *d)
{
	size_t	 i;

	for (i = 0; i < sizeof(d->texts) / sizeof(d->texts[0]); i++)
		free(d->texts[i]);
	free(d);
}

/* Oldest first. */
static const struct turn_queue *const accepting[] = { &syncing.in,
	&written.in, &accepts };
#define NACCEPTING	(sizeof(accepting) / sizeof(accepting[0]))

struct turn *
journal_find_accepting(const char *dedupe_key)
{
	struct turn	*t;
	size_t		 i;

	for (i = 0; i < NACCEPTING; i++)
		TAILQ_FOREACH(t, accepting[i], journal)
			if (strcmp(t->row.dedupe_key, dedupe_key) == 0)
				return t;
	return NULL;
}

struct turn *
journal_next_accepting(const struct session *s, enum turn_source only)
{
	struct turn	*t;
	size_t		 i;

	for (i = 0; i < NACCEPTING; i++)
		TAILQ_FOREACH(t, accepting[i], journal)
			if (t->session == s && t->run == NULL &&
			    (only == TURN_SOURCE_MAX ||
			    t->row.source == (int)only))
				return t;
	return NULL;
}

struct turn *
journal_find_accepting_run(const char *run_id)
{
	struct turn	*t;
	size_t		 i;

	for (i = 0; i < NACCEPTING; i++)
		TAILQ_FOREACH(t, accepting[i], journal)
			if (t->run == NULL &&
			    strcmp(t->row.run_id, run_id) == 0)
				return t;
	return NULL;
}

/* Is there anything to be written? */
static bool
journal_busy(void)
{
	return !TAILQ_EMPTY(&accepts) || !STAILQ_EMPTY(&drops) ||
	    (!hold && !TAILQ_EMPTY(&ends)) ||
	    (!lazy && (!TAILQ_EMPTY(&starts) || !TAILQ_EMPTY(&dirty)));
}

/* A command is accepted and ended in one transaction: it is never to be found
 * waiting after a restart, as if it were a question. */
static bool
is_held(const struct turn *t)
{
	return hold && t->run != NULL;
}

static bool
told_empty(const struct told *t)
{
	return TAILQ_EMPTY(&t->in) && TAILQ_EMPTY(&t->done);
}

const char *
journal_trouble(void)
{
	return trouble;
}

int
journal_flush(void)
{
	int	 saved, ret = flush(FLUSH_ALL);

	/* Also when nobody waits to be told: rows of sessions, say. */
	if (db == NULL)
		return ret;
	saved = errno;
	if (fdatasync(sessdb_wal_fd(db)) == -1)
		fatal("the journal cannot be brought to the disk");
	/* The one that is under way may end when it likes. */
	tell(&syncing, 0);
	tell(&written, 0);
	errno = saved;
	return ret;
}

static void
synced_cb(int err, void *arg)
{
	(void)arg;
	sync_runs = false;
	if (err != 0) {
		errno = err;
		fatal("the journal cannot be brought to the disk");
	}
	tell(&syncing, 0);
	flush(FLUSH_DUE);
	sync_start();
	turn_schedule();
	session_shrink();
}

static void
sync_start(void)
{
	if (sync_runs || told_empty(&written))
		return;
	TAILQ_CONCAT(&syncing.in, &written.in, journal);
	TAILQ_CONCAT(&syncing.done, &written.done, journal);
	if (disksync_start(sessdb_wal_fd(db), synced_cb, NULL) == -1)
		fatal("the journal cannot be brought to the disk");
	sync_runs = true;
}

/* Telling people queues new work, but nothing that is in these lists. */
static void
tell(struct told *who, int err)
{
	struct turn	*t;
	struct run	*run;

	while ((t = TAILQ_FIRST(&who->in)) != NULL) {
		TAILQ_REMOVE(&who->in, t, journal);
		t->session->pins--;
		if (err == 0)
			turn_committed(t);
		else
			turn_refused(t, err);
	}
	while ((run = TAILQ_FIRST(&who->done)) != NULL) {
		TAILQ_REMOVE(&who->done, run, journal);
		run->session->pins--;
		run_committed(run);
	}
}

static int
flush(enum flush_what what)
{
	struct told		 now_told = TOLD(now_told);
	struct turn		*t, *next;
	struct run		*run;
	struct drop		*d;
	uint64_t		 now;
	bool			 began = false;
	int			 err, ret = 0;

	if (flushing)
		return 0;
	hold = what == FLUSH_ACCEPTS;
	lazy = hold || (what == FLUSH_DUE && TAILQ_EMPTY(&ends) &&
	    mono_ms() - lazy_ms < LAZY_MS);
	if (!journal_busy()) {
		hold = lazy = false;
		schedule_lazy();
		return 0;
	}
	flushing = true;
	if (db == NULL && db_open() == -1)
		err = errno;
	else if (write_all(&began) == 0)
		err = 0;
	else
		err = errno != 0 ? errno : EIO;
	if (!hold)
		TAILQ_FOREACH(run, &ends, journal)
			tails_committed(run->session, err == 0);
	/* Telling people queues new work: it starts from empty lists. */
	for (t = TAILQ_FIRST(&accepts); t != NULL; t = next) {
		next = TAILQ_NEXT(t, journal);
		if (is_held(t))
			continue;
		TAILQ_REMOVE(&accepts, t, journal);
		if (err == 0 && t->row.source == TURN_CHANNEL)
			TAILQ_INSERT_TAIL(&written.in, t, journal);
		else
			TAILQ_INSERT_TAIL(&now_told.in, t, journal);
	}
	if (err == 0) {
		trouble[0] = '\0';
		if (!hold)
			TAILQ_CONCAT(&written.done, &ends, journal);
		if (!lazy) {
			while ((t = TAILQ_FIRST(&starts)) != NULL) {
				TAILQ_REMOVE(&starts, t, journal);
				t->in_starts = false;
			}
			sessions_written();
		}
		while ((d = STAILQ_FIRST(&drops)) != NULL) {
			STAILQ_REMOVE_HEAD(&drops, entry);
			if (d->notice_id[0] != '\0')
				outbox_add(&d->notice);
			drop_free(d);
		}
	} else {
		if (db != NULL && began)
			sessdb_rollback(db);
		if (db != NULL)
			snprintf(trouble, sizeof(trouble), "the state folder "
			    "cannot be written: %s", strerror(err));
		now = mono_ms();
		if (warned_ms == 0 || now - warned_ms > WARN_MS) {
			warned_ms = now;
			log_errorx("%s; new turns are refused", trouble);
		}
		ret = -1;
		schedule(RETRY_MS);
	}
	flushing = hold = lazy = false;
	sync_start();
	tell(&now_told, err);
	turn_schedule();
	if (err == 0)
		sessdb_tidy(db, false);
	session_shrink();
	schedule_lazy();
	if (ret == -1)
		errno = err;
	return ret;
}

static int
write_all(bool *began)
{
	struct sessdb_delivery	 del;
	struct sessdb_usage	 spent;
	struct turn		*t;
	struct run		*run;
	struct session		*s;
	struct drop		*d;
	char			 day[11];

	memset(&spent, 0, sizeof(spent));
	errno = 0;
	if (!hold)
		TAILQ_FOREACH(run, &ends, journal)
			if (session_save(run->session) == -1)
				return -1;
	if (sessdb_begin(db) == -1)
		return -1;
	*began = true;
	TAILQ_FOREACH(t, &accepts, journal)
		if (!is_held(t) && (sessdb_put_turn(db, &t->row) == -1 ||
		    (t->media != NULL && sessdb_put_media(db, t->row.id,
		    t->media, t->media_n) == -1)))
			return -1;
	STAILQ_FOREACH(d, &drops, entry)
		if (sessdb_drop_delivery(db, d->id) == -1 ||
		    (d->notice_id[0] != '\0' &&
		    sessdb_put_delivery(db, &d->notice) == -1))
			return -1;
	if (!lazy) {
		TAILQ_FOREACH(t, &starts, journal)
			if (sessdb_start_turn(db, &t->row) == -1)
				return -1;
		TAILQ_FOREACH(s, &dirty, dirty_entry)
			if (session_put(s) == -1)
				return -1;
	}
	if (hold)
		return sessdb_commit(db);
	TAILQ_FOREACH(run, &ends, journal) {
		t = run->turn;
		t->row.started_at = run->started_at;
		t->row.ended_at = run->ended_at;
		t->row.status = (int)run->status;
		t->row.summary = run->failure;
		t->row.result = t->row.source == TURN_CHANNEL ? NULL :
		    run->result;
		if (run->delivery_id != NULL) {
			turn_delivery(run, &del);
			if (sessdb_put_delivery(db, &del) == -1)
				return -1;
		}
		usage_add(&spent, &run->spent);
		if (sessdb_end_turn(db, &t->row) == -1 || (t->has_media &&
		    sessdb_drop_media(db, t->row.id) == -1) ||
		    tails_put(run->session) == -1)
			return -1;
	}
	if (spent.total > 0) {
		usage_day(wall_ms(), day);
		spent.day = day;
		if (sessdb_add_usage(db, &spent) == -1)
			return -1;
	}
	return sessdb_commit(db);
}

static int
db_open(void)
{
	const char	*what = "the state folder cannot be written";
	char		 path[4200], why[512] = "";
	uint64_t	 now = mono_ms();
	int		 saved;

	snprintf(path, sizeof(path), "%s/agent.sqlite", cfg->state_dir);
	snprintf(why, sizeof(why), "%s", cfg->state_dir);
	if (agent_open_folders() == -1 ||
	    (db = sessdb_open(path, why, sizeof(why))) == NULL)
		goto fail;
	/* Or lines would be written where others belong. */
	if (tails_recover() == -1) {
		snprintf(why, sizeof(why), "%s/sessions: a transcript cannot "
		    "be completed", cfg->state_dir);
		goto fail;
	}
	/* No index without what it begins with. */
	if (import_sessions() == -1) {
		what = "sessions.json cannot be taken over";
		snprintf(why, sizeof(why), "%s/sessions/sessions.json cannot "
		    "be taken over", cfg->state_dir);
		goto fail;
	}
	trouble[0] = '\0';
	/* The file may be older than the last thing that was promised. */
	view_changed();
	outbox_load();
	turn_recover();
	return 0;
fail:
	saved = errno;
	sessdb_close(db);
	db = NULL;
	snprintf(trouble, sizeof(trouble), "%s: %s", what, strerror(saved));
	if (warned_ms == 0 || now - warned_ms > WARN_MS) {
		warned_ms = now;
		log_errorx("%s: %s; trying again every second", why,
		    strerror(saved));
	}
	errno = saved;
	return -1;
}

static void
schedule(uint32_t ms)
{
	struct timeval	 tv = { .tv_sec = ms / 1000,
			    .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (flush_ev != NULL && (ms == 0 ||
	    !event_pending(flush_ev, EV_TIMEOUT, NULL)))
		event_add(flush_ev, &tv);
}

/* The time of what is put into an empty list. */
static void
lazy_begins(void)
{
	if (TAILQ_EMPTY(&starts) && TAILQ_EMPTY(&dirty))
		lazy_ms = mono_ms();
}

static void
schedule_lazy(void)
{
	uint64_t	 age = mono_ms() - lazy_ms;

	/* The end of a sync writes what waits. */
	if (flush_ev == NULL || sync_runs || flushing || (TAILQ_EMPTY(&starts) &&
	    TAILQ_EMPTY(&dirty)) || event_pending(flush_ev, EV_TIMEOUT, NULL))
		return;
	schedule(age < LAZY_MS ? LAZY_MS - (uint32_t)age : 0);
}

static void
flush_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (db == NULL && !journal_busy()) {
		if (db_open() == -1)
			schedule(RETRY_MS);
		return;
	}
	flush(sync_runs ? FLUSH_ACCEPTS : FLUSH_DUE);
}

static void
prune_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timeval	 tv = { .tv_sec = PRUNE_MS / 1000 };
	uint64_t	 now = wall_ms();
	int		 r;

	(void)fd;
	(void)what;
	(void)arg;
	session_shrink();
	/* What a burst of turns took goes back to the system. */
	if (nactive == 0)
		malloc_trim(0);
	if (db != NULL && sessdb_begin(db) == 0) {
		r = sessdb_prune(db, now - RESULT_KEEP_MS, now - TURN_KEEP_MS,
		    TURN_KEEP_MAX);
		if (r == -1 || sessdb_commit(db) == -1)
			sessdb_rollback(db);
		else if (r == 1)
			tv = (struct timeval){ .tv_usec = PRUNE_STEP_MS *
			    1000 };
		else
			sessdb_tidy(db, nactive == 0);
	}
	event_add(prune_ev, &tv);
}
