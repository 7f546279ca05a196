/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests to the fetcher.  It runs only while it is wanted: the first request
 * asks the supervisor for it, and when nobody has wanted a page for a while it
 * is told that it may go.  Every request gets one answer.
 */
#include "common/compat.h"

#include "common/log.h"
#include "toold/toold.h"

#define START_MS	30000	/* until it is there */
#define IDLE_MS		10000	/* besides what it keeps pages for */

struct fetchop {
	TAILQ_ENTRY(fetchop)	 entry;
	struct toold		*t;
	struct link		*link;		/* NULL: not sent yet */
	uint64_t		 corr;
	char			*url;
	enum fetch_form		 form;
	uint32_t		 max_chars;
	struct event		*timer;
	fetchop_cb		 cb;		/* NULL: forgotten */
	void			*arg;
};

static void
fetchop_free(struct fetchop *f)
{
	TAILQ_REMOVE(&f->t->fetchops, f, entry);
	f->t->nfetchops--;
	if (f->timer != NULL)
		event_free(f->timer);
	free(f->url);
	free(f);
}

static void
fetchop_end(struct fetchop *f, const struct m_ft_res *res, const char *why)
{
	fetchop_cb	 cb = f->cb;
	void		*arg = f->arg;

	fetchop_free(f);
	if (cb != NULL)
		cb(arg, res, why);
}

static void
fetchop_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fetchop_end(arg, NULL, "the fetcher did not start; `openclaw gateway "
	    "processes` says what is wrong with it");
}

/* --- its life -------------------------------------------------------------- */

static void
fetcher_idle_cb(evutil_socket_t fd, short what, void *arg)
{
	struct toold	*t = arg;

	(void)fd;
	(void)what;
	if (t->fetcher == NULL || t->nfetchops > 0)
		return;
	/* What comes from here on is for the next one. */
	t->fetcher = NULL;
	t->want_fetcher(false);
}

/* Nobody wants a page: how long may it stay? */
static void
fetcher_rest(struct toold *t)
{
	struct timeval	 tv;
	uint32_t	 ms = t->policy.fetch_cache_ms + IDLE_MS;

	if (t->want_fetcher == NULL || t->fetcher == NULL ||
	    t->nfetchops > 0)
		return;
	if (t->fetcher_idle == NULL && (t->fetcher_idle =
	    evtimer_new(t->base, fetcher_idle_cb, t)) == NULL)
		return;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	evtimer_add(t->fetcher_idle, &tv);
}

/* 0, or -1 when it cannot be sent. */
static int
fetchop_send(struct fetchop *f)
{
	struct m_ft_req	 m = { 0 };

	m.url = str_of(f->url);
	m.form = (uint8_t)f->form;
	m.max_chars = f->max_chars;
	f->link = f->t->fetcher;
	f->corr = link_corr();
	if (f->timer != NULL)
		evtimer_del(f->timer);
	return send_ft_req(f->link, &m, f->corr, 0);
}

void
fetchop_peer(struct toold *t, struct link *l)
{
	struct fetchop	*f, *next;

	t->fetcher = l;
	for (f = TAILQ_FIRST(&t->fetchops); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->link == NULL && fetchop_send(f) == -1)
			fetchop_end(f, NULL, "the fetcher cannot be reached");
	}
	fetcher_rest(t);
}

void
fetchop_link_gone(struct toold *t, struct link *l)
{
	struct fetchop	*f, *next;
	bool		 waiting = false;

	/* The next one may have come before this end was seen. */
	if (t->fetcher == l)
		t->fetcher = NULL;
	for (f = TAILQ_FIRST(&t->fetchops); f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->link == NULL)
			waiting = true;
		else if (f->link == l)
			fetchop_end(f, NULL, "the fetcher ended while it was "
			    "reading the page");
	}
	if (waiting && t->fetcher == NULL && t->want_fetcher != NULL)
		t->want_fetcher(true);
}

void
fetchop_clear(struct toold *t)
{
	struct fetchop	*f;

	while ((f = TAILQ_FIRST(&t->fetchops)) != NULL)
		fetchop_end(f, NULL, "the gateway is being stopped");
	if (t->fetcher_idle != NULL)
		event_free(t->fetcher_idle);
	t->fetcher_idle = NULL;
}

/* --- requests -------------------------------------------------------------- */

struct fetchop *
fetchop_start(struct toold *t, const char *url, enum fetch_form form,
    uint32_t max_chars, fetchop_cb cb, void *arg, const char **why)
{
	struct timeval	 tv = { START_MS / 1000, 0 };
	struct fetchop	*f;

	*why = "no fetcher can be had here";
	if (t->want_fetcher == NULL)
		return NULL;
	*why = "out of memory";
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	f->t = t;
	f->form = form;
	f->max_chars = max_chars;
	f->cb = cb;
	f->arg = arg;
	TAILQ_INSERT_TAIL(&t->fetchops, f, entry);
	t->nfetchops++;
	if ((f->url = strdup(url)) == NULL || (f->timer =
	    evtimer_new(t->base, fetchop_timer_cb, f)) == NULL) {
		fetchop_free(f);
		return NULL;
	}
	if (t->fetcher_idle != NULL)
		evtimer_del(t->fetcher_idle);
	if (t->fetcher == NULL) {
		evtimer_add(f->timer, &tv);
		t->want_fetcher(true);
	} else if (fetchop_send(f) == -1) {
		*why = "the fetcher cannot be reached";
		fetchop_free(f);
		return NULL;
	}
	return f;
}

void
fetchop_forget(struct fetchop *f)
{
	struct m_ft_cancel	 m = { 0 };
	struct toold		*t;

	if (f == NULL)
		return;
	t = f->t;
	f->cb = NULL;
	/* One that was sent is kept until its answer, so that it is known. */
	if (f->link == NULL)
		fetchop_free(f);
	else
		send_ft_cancel(f->link, &m, f->corr, 0);
	fetcher_rest(t);
}

enum msg_err
fetchop_result(struct toold *t, struct msg *m)
{
	struct m_ft_res	 res;
	struct fetchop	*f;
	enum msg_err	 err;

	if ((err = get_ft_res(m, &res)) != MSG_OK)
		return err;
	TAILQ_FOREACH(f, &t->fetchops, entry)
		if (f->link != NULL && f->corr == m->h.corr)
			break;
	if (f == NULL || res.status >= FETCH_STATUS_MAX)
		return MSG_MEANING;
	fetchop_end(f, &res, NULL);
	fetcher_rest(t);
	return MSG_OK;
}
