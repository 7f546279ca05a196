/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * The fetcher without its process: requests of toold, connections by the
 * process connect, answers, and the pages it still knows.
 */
#ifndef TOOLD_FETCH_FETCH_H
#define TOOLD_FETCH_FETCH_H

#include <event2/event.h>

#include "common/http_client.h"
#include "toold/fetch/page.h"

#define FETCH_CALLS_MAX	16	/* at a time */

struct fetch_config {
	unsigned int	 max_redirects;
	uint32_t	 timeout_ms;	/* of all of a call */
	uint32_t	 cache_ms;	/* a page is kept; 0: none is */
	size_t		 max_bytes;	/* of an answer's body */
	bool		 main_only;
	char		 agent[256];	/* User-Agent */
	char		 ca_file[1024];	/* "": the system's */
};

/* A page and where it came from. */
struct fetch_result {
	struct page	 page;
	char		 url[FETCH_URL_MAX];
	char		 type[128];
	uint16_t	 http;
	uint64_t	 fetched_at;	/* wall clock */
};

/* fetch_cache.c: pages by the address that was asked for. */
void	 fetch_cache_put(const char *url, enum fetch_form,
	    struct fetch_result *, uint32_t ttl_ms);	/* takes the text */
const struct fetch_result *fetch_cache_get(const char *url, enum fetch_form);
void	 fetch_cache_clear(void);
size_t	 fetch_cache_count(void);

/* fetch_call.c.  config: read at each call.  tls: NULL when there is none,
 * and then tls_why says why. */
void	 fetch_calls_init(struct event_base *, struct http_connector *,
	    const struct fetch_config *, struct tls_config *tls,
	    const char *tls_why);
enum msg_err fetch_calls_message(struct link *, struct msg *);
void	 fetch_calls_gone(struct link *);
void	 fetch_calls_clear(void);

struct fetch_stats {
	uint64_t	calls, failed, cached;
	size_t		running;
};
const struct fetch_stats *fetch_stats(void);

#endif
