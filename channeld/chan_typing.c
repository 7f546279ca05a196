/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * "Typing..." in a chat for as long as an agent works: platforms show it for
 * some seconds, so it is said again and again, but never for longer than two
 * minutes for one wish.  Best effort; nothing here is written down.
 */

#include "common/compat.h"

#include "channeld/chan.h"
#include "common/log.h"

#define CHATS_MAX	64
#define AGAIN_MS	5000
#define TTL_MS		120000

static struct typing {
	char		 chat[129], thread[129];
	uint64_t	 until_ms, next_ms;	/* 0: free */
}			 typing[CHATS_MAX];
static struct event	*timer;

static void	 timer_cb(evutil_socket_t, short, void *);

void
chan_typing_init(void)
{
	if ((timer = evtimer_new(worker_base(), timer_cb, NULL)) == NULL)
		fatalx("out of memory");
}

static struct typing *
find(const char *chat, const char *thread)
{
	size_t	 i;

	for (i = 0; i < CHATS_MAX; i++)
		if (typing[i].until_ms != 0 &&
		    strcmp(typing[i].chat, chat) == 0 &&
		    strcmp(typing[i].thread, thread) == 0)
			return &typing[i];
	return NULL;
}

void
chan_typing(const char *chat, const char *thread, bool on)
{
	static const struct timeval	 zero;
	struct typing			*t = find(chat, thread);
	size_t				 i;

	if (!on) {
		if (t != NULL)
			t->until_ms = 0;
		return;
	}
	for (i = 0; t == NULL && i < CHATS_MAX; i++)
		if (typing[i].until_ms == 0) {
			t = &typing[i];
			(void)strlcpy(t->chat, chat, sizeof(t->chat));
			(void)strlcpy(t->thread, thread, sizeof(t->thread));
			t->next_ms = 0;
		}
	if (t == NULL)
		return;		/* more chats than anybody watches */
	t->until_ms = mono_ms() + TTL_MS;
	evtimer_add(timer, &zero);
}

void
chan_typing_stop(void)
{
	size_t	 i;

	for (i = 0; i < CHATS_MAX; i++)
		typing[i].until_ms = 0;
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct timeval	 tv;
	uint64_t	 now = mono_ms(), at = UINT64_MAX;
	size_t		 i;

	(void)fd;
	(void)what;
	(void)arg;
	for (i = 0; i < CHATS_MAX; i++) {
		if (typing[i].until_ms == 0)
			continue;
		if (now >= typing[i].until_ms) {
			typing[i].until_ms = 0;
			continue;
		}
		if (now >= typing[i].next_ms) {
			typing[i].next_ms = now + AGAIN_MS;
			chan_conf()->kind->typing(typing[i].chat,
			    typing[i].thread);
		}
		if (typing[i].next_ms < at)
			at = typing[i].next_ms;
	}
	if (at == UINT64_MAX)
		return;
	tv.tv_sec = (time_t)((at - now) / 1000);
	tv.tv_usec = (suseconds_t)((at - now) % 1000 * 1000);
	evtimer_add(timer, &tv);
}
