/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * modeld, one per provider credential.  It talks to agents (MD_), to the
 * process connect (CN_), and over descriptors from there to one origin.  The
 * parcel with the credential is read once, moved into memory that no other
 * process can read, and closed; see modeld.h for what it may never do.
 */

#include "common/compat.h"

#include <errno.h>

#include "agentd/modeld.h"
#include "common/log.h"
#include "common/tls.h"
#include "common/worker.h"

#define MAX_CONNS	32	/* one call each at a time */
#define MAX_IDLE	4

static struct modeld_config	 config, next;
static bool			 have_next, draining;
static struct tls_config	*tls;
static struct http_connector	*connector;
static struct http_client	*client;
static struct event		*drain_timer;

static int
modeld_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	if (!reload)
		return modeld_config_read(&config, p, why, size);
	if (have_next)
		modeld_config_clear(&next);
	have_next = false;
	if (modeld_config_read(&next, p, why, size) == -1)
		return -1;
	if (!modeld_config_same_place(&config, &next)) {
		modeld_config_clear(&next);
		strlcpy(why, "needs a restart: the provider's address changed",
		    size);
		return -1;
	}
	have_next = true;
	return 0;
}

static void
modeld_commit(void)
{
	if (have_next) {
		modeld_config_clear(&config);
		config = next;
		memset(&next, 0, sizeof(next));
		have_next = false;
	}
	worker_parcel_forget();
}

static int
modeld_setup(void)
{
	struct http_client_config	 c;
	char				 why[256] = "";

	worker_parcel_forget();
	if (config.tls && (tls = tls_client_new(config.ca_file[0] == '\0' ?
	    NULL : config.ca_file, why, sizeof(why))) == NULL) {
		log_errorx("%s: %s", config.provider, why);
		errno = EINVAL;
		return -1;
	}
	if ((connector = http_connector_new(worker_base())) == NULL)
		return -1;
	memset(&c, 0, sizeof(c));
	c.host = config.host;
	c.port = config.port;
	c.tls = tls;
	c.proxy = config.proxy;
	c.max_conns = MAX_CONNS;
	c.max_idle = MAX_IDLE;
	if ((client = http_client_new(worker_base(), connector, &c)) == NULL)
		return -1;
	modeld_calls_init(&config, client);
	return 0;
}

static void
modeld_start(void)
{
	log_info("%s: %s://%s:%u%s%s", config.provider,
	    config.tls ? "https" : "http", config.host, config.port,
	    config.prefix, config.proxy ? " by proxy" : "");
	if (config.auth != AUTH_NONE && !config.secret.sealed)
		log_info("%s: no memfd_secret on this kernel, the credential "
		    "is in locked pages", config.provider);
}

static void
modeld_peer(struct link *l)
{
	if (link_peer(l) == ROLE_CONNECT)
		http_connector_set_link(connector, l);
}

static void
modeld_peer_gone(struct link *l)
{
	if (link_peer(l) == ROLE_CONNECT)
		http_connector_set_link(connector, NULL);
	else
		modeld_calls_gone(l);
}

static void
modeld_peer_drained(struct link *l)
{
	if (link_peer(l) == ROLE_AGENT)
		modeld_calls_drained(l);
}

static enum msg_err
modeld_message(struct link *l, struct msg *m)
{
	switch (link_peer(l)) {
	case ROLE_CONNECT:
		return http_connector_message(connector, m);
	case ROLE_AGENT:
		return modeld_calls_message(l, m);
	default:
		return MSG_DIRECTION;
	}
}

static void
drain_check(void)
{
	if (draining && modeld_calls_running() == 0)
		worker_drained();
}

static void
drain_timeout(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	worker_drained();
}

static void
modeld_drain(uint32_t deadline_ms)
{
	struct timeval	 tv = { deadline_ms / 1000,
			    (deadline_ms % 1000) * 1000 };

	draining = true;
	modeld_calls_on_end(drain_check);
	drain_timer = evtimer_new(worker_base(), drain_timeout, NULL);
	if (drain_timer != NULL)
		evtimer_add(drain_timer, &tv);
	drain_check();
}

static void
modeld_stop(void)
{
	if (drain_timer != NULL)
		event_free(drain_timer);
	http_client_free(client);
	http_connector_free(connector);
	tls_config_free(tls);
	modeld_config_clear(&config);
}

static void
modeld_stat(struct m_proc_stat_res *r, char *detail, size_t size)
{
	struct modeld_stats	 s;

	modeld_calls_stats(&s);
	r->drops = s.failed;
	snprintf(detail, size, "%s: %zu running, %llu calls, %llu failed, "
	    "last HTTP %u", config.provider, modeld_calls_running(),
	    (unsigned long long)s.calls, (unsigned long long)s.failed,
	    s.last_status);
}

static const struct worker	 worker = {
	WORKER_ROLE(MODEL),
	.configure = modeld_configure,
	.commit = modeld_commit,
	.setup = modeld_setup,
	.peer = modeld_peer,
	.peer_gone = modeld_peer_gone,
	.peer_drained = modeld_peer_drained,
	.message = modeld_message,
	.start = modeld_start,
	.drain = modeld_drain,
	.stop = modeld_stop,
	.stat = modeld_stat,
};

int
main(int argc, char *argv[])
{
	return worker_main(argc, argv, &worker);
}
