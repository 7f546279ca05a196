/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The parcel as front_conf.  A reload may change limits, proxies and origins;
 * what was read before the lock-down (pages, certificate) needs a restart. */

#include "common/compat.h"

#include <sys/resource.h>

#include <errno.h>

#include "common/log.h"
#include "gatewayd/front/assets.h"
#include "gatewayd/front/foreign.h"
#include "gatewayd/front/front.h"

#define LIST_MAX	64
#define FDS_RESERVED	64	/* links, listeners, what is in flight */

struct front_conf	 front_conf;
struct foreign_page	 front_foreign;
const struct front_tls	*front_tls;

static struct front_conf next_conf;
static char		*ui_dir;
static bool		 restart_due;

static void
list_clear(char ***list, size_t *n)
{
	while (*n > 0)
		free((*list)[--*n]);
	free(*list);
	*list = NULL;
}

static void
conf_clear(struct front_conf *c)
{
	list_clear(&c->origin.proxies, &c->origin.nproxies);
	list_clear(&c->origin.origins, &c->origin.norigins);
	list_clear(&c->origin.required, &c->origin.nrequired);
	free(c->origin.user_header);
	free(c->assistant_name);
	free(c->assistant_avatar);
	memset(c, 0, sizeof(*c));
}

static int
list_load(const struct parcel *p, const char *key, char ***list, size_t *n)
{
	const char	*s;

	if ((*list = calloc(LIST_MAX, sizeof(**list))) == NULL)
		return -1;
	while (*n < LIST_MAX &&
	    (s = parcel_get(p, "%s.%zu", key, *n)) != NULL)
		if (((*list)[(*n)++] = strdup(s)) == NULL) {
			--*n;
			return -1;
		}
	return 0;
}

static int
text_load(const struct parcel *p, const char *key, char **text)
{
	const char	*s = parcel_get(p, "%s", key);

	return s != NULL && (*text = strdup(s)) == NULL ? -1 : 0;
}

/* "/x" of "x", "/x/"; "" of "/". */
static int
base_path_load(struct front_conf *c, const char *s, char *why, size_t size)
{
	size_t	n, i;

	if (s == NULL)
		return 0;
	while (*s == '/')
		s++;
	n = strlen(s);
	while (n > 0 && s[n - 1] == '/')
		n--;
	for (i = 0; i < n; i++)
		if (!ascii_isalnum((unsigned char)s[i]) &&
		    strchr("-._~/", s[i]) == NULL)
			break;
	if (i < n || n + 2 > sizeof(c->base_path)) {
		(void)snprintf(why, size, "base path of the page is malformed");
		return -1;
	}
	if (n > 0)
		(void)snprintf(c->base_path, sizeof(c->base_path), "/%.*s",
		    (int)n, s);
	return 0;
}

static int
conf_load(struct front_conf *c, const struct parcel *p, char *why, size_t size)
{
	struct rlimit	rl;
	int64_t		fds = 1024;

	conf_clear(c);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < INT32_MAX)
		fds = (int64_t)rl.rlim_cur;
	fds = fds > 2 * FDS_RESERVED ? fds - FDS_RESERVED : FDS_RESERVED;
	c->origin.tls = parcel_get_bool(p, false, "tls.enabled");
	c->handshake_ms = (uint32_t)parcel_get_num(p, 10000, 100, 600000,
	    "limit.handshake_ms");
	c->preauth_bytes = (uint32_t)parcel_get_num(p, 65536, 1024, 65536,
	    "limit.preauth_bytes");
	c->max_conns = (unsigned int)parcel_get_num(p, fds < 1024 ? fds : 1024,
	    1, fds, "limit.connections");
	routes_load(&c->routes, p);
	c->ui = parcel_get_bool(p, false, "ui.enabled");
	c->canvas_live = c->routes.on[HTTP_ROUTE_LIVE] && parcel_get_bool(p,
	    true, "canvas.liveReload");
	c->canvas_port = (uint16_t)parcel_get_num(p, 0, 0, 65535,
	    "canvas.port");
	if (base_path_load(c, parcel_get(p, "ui.basePath"), why, size) == -1)
		return -1;
	if (list_load(p, "trustedProxy", &c->origin.proxies,
	    &c->origin.nproxies) == -1 ||
	    list_load(p, "allowedOrigin", &c->origin.origins,
	    &c->origin.norigins) == -1 ||
	    list_load(p, "requiredHeader", &c->origin.required,
	    &c->origin.nrequired) == -1 ||
	    text_load(p, "userHeader", &c->origin.user_header) == -1 ||
	    text_load(p, "ui.assistantName", &c->assistant_name) == -1 ||
	    text_load(p, "ui.assistantAvatar", &c->assistant_avatar) == -1) {
		(void)snprintf(why, size, "out of memory");
		return -1;
	}
	return 0;
}

static int
tls_load(const struct parcel *p, char *why, size_t size)
{
	char	text[256];

	if (front_tls == NULL) {
		(void)snprintf(why, size, "this program has no TLS");
		return -1;
	}
	if (front_tls->configure(parcel_get_str(p, "tls.cert"),
	    parcel_get_str(p, "tls.key"), text, sizeof(text)) == -1) {
		(void)snprintf(why, size, "tls: %s", text);
		return -1;
	}
	return 0;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

int
front_configure(const struct parcel *p, bool reload, char *why, size_t size)
{
	const char	*dir;

	if (p == NULL) {
		(void)snprintf(why, size, "no parcel");
		return -1;
	}
	if (conf_load(&next_conf, p, why, size) == -1)
		return -1;
	dir = parcel_get(p, "ui.dir");
	restart_due = reload && (!same(dir, ui_dir) ||
	    next_conf.origin.tls != front_conf.origin.tls);
	if (restart_due)
		return 0;
	if (next_conf.origin.tls && tls_load(p, why, size) == -1)
		return -1;
	if (!reload) {
		if (dir != NULL && (ui_dir = strdup(dir)) == NULL) {
			(void)snprintf(why, size, "out of memory");
			return -1;
		}
		front_conf = next_conf;
		memset(&next_conf, 0, sizeof(next_conf));
	}
	return 0;
}

/* The index of a page that is not ours, for the configuration as it is now. */
static void
foreign_dress(void)
{
	struct foreign_values	 v = { front_conf.base_path,
				    front_conf.assistant_name,
				    front_conf.assistant_avatar };
	const struct asset	*index = asset_find("");

	foreign_clear(&front_foreign);
	if (v.name != NULL && v.avatar != NULL && index != NULL &&
	    foreign_make(&front_foreign, (struct str){ index->data, index->n },
	    &v) == -1)
		log_warnx("front: index.html in %s: out of memory", ui_dir);
}

void
front_commit(void)
{
	if (restart_due) {
		log_info("front: starting again for the new configuration");
		worker_exit(1);
		return;
	}
	conf_clear(&front_conf);
	front_conf = next_conf;
	memset(&next_conf, 0, sizeof(next_conf));
	foreign_dress();
}

int
front_setup(void)
{
	char	 why[1024];

	/* Without its page the gateway is still a gateway. */
	if (ui_dir != NULL && assets_load(ui_dir, why, sizeof(why)) == -1)
		log_warnx("front: %s; no page is served until that is mended "
		    "and the gateway starts again", why);
	foreign_dress();
	return 0;
}
