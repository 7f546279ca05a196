/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The least recently used page goes first; both their number and their bytes
 * have a limit. */
#include "common/compat.h"

#include <sys/queue.h>

#include "toold/fetch/fetch.h"

#define CACHE_PAGES	100
#define CACHE_BYTES	(8u << 20)
#define CACHE_PAGE	(1u << 20)	/* larger ones are not kept */

struct entry {
	TAILQ_ENTRY(entry)	 entry;
	char			*url;
	enum fetch_form		 form;
	uint64_t		 until_ms;
	struct fetch_result	 r;
};

static TAILQ_HEAD(entries, entry) entries = TAILQ_HEAD_INITIALIZER(entries);
static size_t			 count, bytes;

static size_t
entry_bytes(const struct entry *e)
{
	return sizeof(*e) + strlen(e->url) + e->r.page.n;
}

static void
entry_free(struct entry *e)
{
	TAILQ_REMOVE(&entries, e, entry);
	count--;
	bytes -= entry_bytes(e);
	page_clear(&e->r.page);
	free(e->url);
	free(e);
}

static struct entry *
entry_find(const char *url, enum fetch_form form)
{
	struct entry	*e, *next;

	for (e = TAILQ_FIRST(&entries); e != NULL; e = next) {
		next = TAILQ_NEXT(e, entry);
		if (mono_ms() >= e->until_ms)
			entry_free(e);
		else if (e->form == form && strcmp(e->url, url) == 0)
			return e;
	}
	return NULL;
}

const struct fetch_result *
fetch_cache_get(const char *url, enum fetch_form form)
{
	struct entry	*e = entry_find(url, form);

	if (e == NULL)
		return NULL;
	TAILQ_REMOVE(&entries, e, entry);
	TAILQ_INSERT_HEAD(&entries, e, entry);
	return &e->r;
}

void
fetch_cache_put(const char *url, enum fetch_form form, struct fetch_result *r,
    uint32_t ttl_ms)
{
	struct entry	*e;

	if ((e = entry_find(url, form)) != NULL)
		entry_free(e);
	if (ttl_ms == 0 || r->page.n > CACHE_PAGE ||
	    (e = calloc(1, sizeof(*e))) == NULL ||
	    (e->url = strdup(url)) == NULL) {
		free(e);
		page_clear(&r->page);
		return;
	}
	e->form = form;
	e->until_ms = mono_ms() + ttl_ms;
	e->r = *r;
	r->page.text = NULL;
	TAILQ_INSERT_HEAD(&entries, e, entry);
	count++;
	bytes += entry_bytes(e);
	while (count > CACHE_PAGES || bytes > CACHE_BYTES)
		entry_free(TAILQ_LAST(&entries, entries));
}

void
fetch_cache_clear(void)
{
	struct entry	*e;

	while ((e = TAILQ_FIRST(&entries)) != NULL)
		entry_free(e);
}

size_t
fetch_cache_count(void)
{
	return count;
}
