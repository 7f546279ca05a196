/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What others read of the index: sessions.json beside the transcripts, in the
 * form older programs know (spec sessions 5), and the summary for the router's
 * health.  Both are rewritten at most once a second, and the file so seldom
 * that writing it takes two percent of the time at most, however many sessions
 * there are; it is written in steps, so that nobody waits for it.
 */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agentd/agentd.h"
#include "common/log.h"

#define VIEW_MS		1000
#define STATE_BURST	8	/* ends of turns that are told at once */
#define VIEW_SHARE	50	/* of the time it takes to write */
#define STEP_ROWS	256
#define TMP_NAME	"sessions.json.agentd.tmp"

static struct event	*view_ev, *state_ev;
static struct dbuf	 buf;
static int		 tmp_fd = -1;
static char		 after[SESSION_KEY_MAX + 1];
static bool		 changed, rows;
static uint64_t		 spent_us, last_ms;
static uint64_t		 state_ms;

static void	 view_cb(evutil_socket_t, short, void *);
static void	 state_cb(evutil_socket_t, short, void *);
static bool	 view_step(void);
static int	 write_out(void);

static uint64_t
now_us(void)
{
	struct timespec	 ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
arm(struct event **ev, event_callback_fn fn, uint64_t ms)
{
	struct timeval	 tv = { .tv_sec = (time_t)(ms / 1000),
			    .tv_usec = (suseconds_t)(ms % 1000 * 1000) };

	if (*ev == NULL && (*ev = evtimer_new(worker_base(), fn, NULL)) ==
	    NULL)
		return;
	if (!event_pending(*ev, EV_TIMEOUT, NULL))
		event_add(*ev, &tv);
}

void
view_changed(void)
{
	uint64_t	 now = mono_ms(), wait;

	changed = true;
	state_changed();
	if (tmp_fd != -1)
		return;		/* being written: again afterwards */
	wait = spent_us * VIEW_SHARE / 1000;
	if (wait < VIEW_MS)
		wait = VIEW_MS;
	arm(&view_ev, view_cb, last_ms == 0 || now - last_ms >= wait ? 0 :
	    wait - (now - last_ms));
}

void
view_flush(void)
{
	if (!changed && tmp_fd == -1)
		return;
	while (!view_step())
		;
}

static void
view_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (view_step()) {
		if (changed)
			view_changed();
	} else
		arm(&view_ev, view_cb, 0);
}

static bool
put_row(const struct sessdb_session *v, void *arg)
{
	int	*n = arg;

	dbuf_puts(&buf, rows ? ",\n  " : "\n  ");
	rows = true;
	json_quote(&buf, v->key, strlen(v->key));
	dbuf_puts(&buf, ": ");
	dbuf_puts(&buf, v->entry);
	strlcpy(after, v->key, sizeof(after));
	(*n)++;
	return true;
}

/* One step; true when the file is complete or given up. */
static bool
view_step(void)
{
	uint64_t	 t0 = now_us();
	int		 n = 0;

	if (db == NULL || sessions_fd == -1)
		return true;
	if (tmp_fd == -1) {
		tmp_fd = openat(sessions_fd, TMP_NAME, O_WRONLY | O_CREAT |
		    O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (tmp_fd == -1)
			goto fail;
		dbuf_init(&buf, 64u << 20);
		dbuf_putc(&buf, '{');
		after[0] = '\0';
		rows = false;
		changed = false;
		spent_us = 0;
	}
	if (sessdb_page_sessions(db, after, STEP_ROWS, put_row, &n) == -1)
		goto fail;
	if (n < STEP_ROWS)
		dbuf_puts(&buf, rows ? "\n}\n" : "}\n");
	if (write_out() == -1)
		goto fail;
	spent_us += now_us() - t0;
	if (n == STEP_ROWS)
		return false;
	if (close(tmp_fd) == -1) {
		tmp_fd = -1;
		goto fail;
	}
	tmp_fd = -1;
	if (renameat(sessions_fd, TMP_NAME, sessions_fd, "sessions.json") ==
	    -1)
		goto fail;
	dbuf_clear(&buf);
	last_ms = mono_ms();
	return true;
fail:
	log_warn("sessions.json");
	if (tmp_fd != -1)
		close(tmp_fd);
	tmp_fd = -1;
	dbuf_clear(&buf);
	unlinkat(sessions_fd, TMP_NAME, 0);
	/* The index is the truth; the next change tries again. */
	last_ms = mono_ms();
	return true;
}

static int
write_out(void)
{
	size_t	 done = 0;
	ssize_t	 n;

	if (dbuf_err(&buf)) {
		errno = ENOMEM;
		return -1;
	}
	while (done < buf.n) {
		if ((n = write(tmp_fd, buf.p + done, buf.n - done)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		done += (size_t)n;
	}
	dbuf_reset(&buf);
	return 0;
}

/* --- the summary for health ---------------------------------------------- */

void
state_changed(void)
{
	uint64_t	 now = mono_ms();

	arm(&state_ev, state_cb, state_ms == 0 || now - state_ms >= VIEW_MS ?
	    0 : VIEW_MS - (now - state_ms));
}

/*
 * A turn is about to be told as ended: whoever hears of it and then asks for
 * the health shall find it there.  With more turns than one a second, after a
 * few, it is told a little later.
 */
void
state_now(void)
{
	static unsigned int	 left = STATE_BURST;
	static uint64_t		 at;
	uint64_t		 now = mono_ms(), more = (now - at) / VIEW_MS;

	if (more > 0) {
		left = more < STATE_BURST - left ? left + (unsigned int)more :
		    STATE_BURST;
		at = now;
	}
	if (left == 0) {
		state_changed();
		return;
	}
	left--;
	if (state_ev != NULL)
		event_del(state_ev);
	state_cb(-1, 0, NULL);
}

/* null when there is no such value. */
static void
put_json(struct jw *w, const char *key, const json_t *v)
{
	char	*text;

	if (v == NULL || (text = json_dumps(v, JSON_COMPACT |
	    JSON_ENCODE_ANY)) == NULL) {
		jw_knull(w, key);
		return;
	}
	jw_kraw(w, key, text, strlen(text));
	free(text);
}

/* A row of status: what the index has of the session, and how full it is. */
static bool
put_recent(const struct sessdb_session *v, void *arg)
{
	static const char *const copied[] = { "key", "kind", "sessionId",
		"updatedAt", "thinkingLevel", "verboseLevel", "reasoningLevel",
		"elevatedLevel", "systemSent", "abortedLastRun",
		"inputTokens", "outputTokens" };
	struct jw	*w = arg;
	uint64_t	 now = wall_ms();
	int64_t		 total, window;
	json_t		*row, *f;
	size_t		 i;

	if (w->b->n > 20000)
		return false;	/* it must fit into one message */
	if ((row = json_loads(v->row, 0, NULL)) == NULL)
		return true;
	jw_obj(w);
	jw_ks(w, "agentId", cfg->agent_id);
	for (i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		if ((f = json_object_get(row, copied[i])) != NULL)
			put_json(w, copied[i], f);
	jw_kuint(w, "age", now > v->updated_at ? now - v->updated_at : 0);
	f = json_object_get(row, "totalTokens");
	total = json_is_integer(f) ? json_integer_value(f) : -1;
	put_json(w, "totalTokens", f);
	f = json_object_get(row, "contextTokens");
	window = json_is_integer(f) ? json_integer_value(f) : 0;
	put_json(w, "contextTokens", f);
	if (total >= 0 && window > 0 && window <= INT32_MAX) {
		jw_kint(w, "remainingTokens", total < window ? window - total :
		    0);
		jw_kint(w, "percentUsed", total / window >= 9 ? 999 :
		    (total * 100 + window / 2) / window);
	} else {
		jw_knull(w, "remainingTokens");
		jw_knull(w, "percentUsed");
	}
	put_json(w, "model", json_object_get(row, "model"));
	jw_karr(w, "flags");
	if (json_is_true(json_object_get(row, "systemSent")))
		jw_s(w, "system");
	if (json_is_true(json_object_get(row, "abortedLastRun")))
		jw_s(w, "aborted");
	jw_arr_end(w);
	jw_obj_end(w);
	json_decref(row);
	return true;
}

static void
state_cb(evutil_socket_t fd, short what, void *arg)
{
	struct sessdb_filter	 f = { .limit = 10 };
	struct m_ag_state	 m;
	struct dbuf		 b;
	struct jw		 w;
	struct run		*run;
	char			 path[4200];

	(void)fd;
	(void)what;
	(void)arg;
	state_ms = mono_ms();
	if (router == NULL || db == NULL || link_full(router))
		return;
	dbuf_init(&b, 32768);
	jw_init(&w, &b);
	jw_obj(&w);
	snprintf(path, sizeof(path), "%s/sessions/sessions.json",
	    cfg->state_dir);
	jw_ks(&w, "path", path);
	jw_kint(&w, "count", sessdb_count_sessions(db));
	jw_karr(&w, "recent");
	sessdb_each_session(db, &f, put_recent, &w);
	jw_arr_end(&w);
	sysevent_write(&w);
	if (journal_trouble()[0] != '\0')
		jw_ks(&w, "trouble", journal_trouble());
	jw_obj_end(&w);
	memset(&m, 0, sizeof(m));
	LIST_FOREACH(run, &runs, entry)
		m.running += run->state != RUN_ST_ENDING;
	m.queued = (uint32_t)turn_count_queued();
	m.sessions = (struct str){ dbuf_str(&b), b.n };
	if (!dbuf_err(&b))
		send_ag_state(router, &m, 0, 0);
	dbuf_clear(&b);
}
