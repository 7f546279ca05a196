/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * toold-fetch: reads public web pages for one agent.  It gets addresses from
 * toold and connected sockets from the process connect, which decides where it
 * may go; it cannot make a socket, sees no file but the authorities' roots, and
 * holds no secret.  What it reads is hostile, and it hands on text only.
 */
#include "common/compat.h"

#include "common/log.h"
#include "common/tls.h"
#include "common/worker.h"
#include "toold/fetch/fetch.h"

#define REDIRECTS_MAX	20
#define TIMEOUT_MAX_S	600
#define CACHE_MAX_S	86400
#define BYTES_MIN	1024
#define BYTES_MAX	10000000
#define AGENT		"Mozilla/5.0 (compatible; gatewayd)"

static struct fetch_config	 config, next;
static bool			 have_next;
static struct tls_config	*tls;
static char			 tls_why[256];
static struct http_connector	*connector;

static int
config_read(struct fetch_config *c, const struct parcel *p, char *why,
    size_t size)
{
	const char	*s;

	memset(c, 0, sizeof(*c));
	c->max_redirects = (unsigned int)parcel_get_num(p, 3, 0,
	    REDIRECTS_MAX, "maxRedirects");
	c->timeout_ms = (uint32_t)parcel_get_num(p, 30000, 1,
	    TIMEOUT_MAX_S * 1000, "timeout_ms");
	c->cache_ms = (uint32_t)parcel_get_num(p, 900000, 0,
	    CACHE_MAX_S * 1000, "cache_ms");
	c->max_bytes = (size_t)parcel_get_num(p, 2000000, BYTES_MIN,
	    BYTES_MAX, "maxBytes");
	c->main_only = parcel_get_bool(p, true, "readability");
	s = parcel_get(p, "userAgent");
	if (s == NULL || s[0] == '\0')
		s = AGENT;
	if (!http_value_ok(str_of(s)) ||
	    strlcpy(c->agent, s, sizeof(c->agent)) >= sizeof(c->agent)) {
		(void)snprintf(why, size, "userAgent: too long, or not a "
		    "header's value");
		return -1;
	}
	if ((s = parcel_get(p, "ca.file")) != NULL &&
	    strlcpy(c->ca_file, s, sizeof(c->ca_file)) >=
	    sizeof(c->ca_file)) {
		(void)snprintf(why, size, "ca.file: too long");
		return -1;
	}
	return 0;
}

static int
fetch_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	have_next = false;
	if (p == NULL) {
		(void)snprintf(why, size, "no parcel");
		return -1;
	}
	if (!reload)
		return config_read(&config, p, why, size);
	if (config_read(&next, p, why, size) == -1)
		return -1;
	if (strcmp(next.ca_file, config.ca_file) != 0) {
		(void)strlcpy(why, "needs a restart", size);
		return -1;
	}
	have_next = true;
	return 0;
}

static void
fetch_commit(void)
{
	if (have_next)
		config = next;
	have_next = false;
	/* What was kept was made by other rules. */
	fetch_cache_clear();
}

static int
fetch_setup(void)
{
	if ((connector = http_connector_new(worker_base())) == NULL)
		return -1;
	tls = tls_client_new(config.ca_file[0] == '\0' ? NULL :
	    config.ca_file, tls_why, sizeof(tls_why));
	if (tls == NULL)
		log_warnx("fetch: no https: %s", tls_why);
	fetch_calls_init(worker_base(), connector, &config, tls, tls_why);
	return 0;
}

static void
fetch_peer(struct link *l)
{
	if (link_peer(l) == ROLE_CONNECT)
		http_connector_set_link(connector, l);
}

static void
fetch_peer_gone(struct link *l)
{
	if (link_peer(l) == ROLE_CONNECT)
		http_connector_set_link(connector, NULL);
	else
		fetch_calls_gone(l);
}

static enum msg_err
fetch_message(struct link *l, struct msg *m)
{
	if (link_peer(l) == ROLE_CONNECT)
		return http_connector_message(connector, m);
	return fetch_calls_message(l, m);
}

static void
fetch_stop(void)
{
	fetch_calls_clear();
	fetch_cache_clear();
	http_connector_free(connector);
	tls_config_free(tls);
}

static void
fetch_stat(struct m_proc_stat_res *res, char *detail, size_t size)
{
	const struct fetch_stats	*s = fetch_stats();

	(void)res;
	(void)snprintf(detail, size, "%zu running, %llu pages asked for, "
	    "%llu failed, %llu from the cache, %zu kept", s->running,
	    (unsigned long long)s->calls, (unsigned long long)s->failed,
	    (unsigned long long)s->cached, fetch_cache_count());
}

static const struct worker fetch_worker = {
	WORKER_ROLE(FETCH),
	.configure = fetch_configure,
	.commit = fetch_commit,
	.setup = fetch_setup,
	.peer = fetch_peer,
	.peer_gone = fetch_peer_gone,
	.message = fetch_message,
	.stop = fetch_stop,
	.stat = fetch_stat,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &fetch_worker);
}
