/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * From a ticket to a client.  What a client may do comes from store alone, in
 * AUTH_TICKET; front can hand over a socket only for a ticket that store has
 * given, once.  The two links are not ordered between each other, so a
 * hand-over may wait a moment for its ticket.
 */
#include "common/compat.h"

#include <errno.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

#define TICKETS_MAX	4096
#define TICKET_MS	30000	/* front has that long to hand over */
#define WAITING_MAX	256
#define WAITING_MS	2000	/* a hand-over waits that long for its ticket */
#define BUCKETS		256

/* A message that is kept: a copy of its payload, decoded in place. */
struct ticket {
	TAILQ_ENTRY(ticket)	 entry;		/* by age */
	struct ticket		*next;		/* of the bucket */
	uint64_t		 number;
	uint64_t		 expires;
	struct m_auth_ticket	 t;
	struct msg		 m;
	uint8_t			 payload[];
};

struct handoff {
	TAILQ_ENTRY(handoff)	 entry;
	uint64_t		 expires;
	int			 fd;
	struct m_client_handoff	 h;
	struct msg		 m;
	uint8_t			 payload[];
};

static TAILQ_HEAD(, ticket) tickets = TAILQ_HEAD_INITIALIZER(tickets);
static TAILQ_HEAD(, handoff) handoffs = TAILQ_HEAD_INITIALIZER(handoffs);
static struct ticket	*buckets[BUCKETS];
static size_t		 ntickets, nhandoffs;

static void	 admit(struct ticket *, int fd, const struct m_client_handoff *);

static struct ticket *
ticket_find(uint64_t number)
{
	struct ticket	*t;

	for (t = buckets[number % BUCKETS]; t != NULL; t = t->next)
		if (t->number == number)
			return t;
	return NULL;
}

static void
ticket_free(struct ticket *t)
{
	struct ticket	**p;

	for (p = &buckets[t->number % BUCKETS]; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	TAILQ_REMOVE(&tickets, t, entry);
	ntickets--;
	freezero(t, sizeof(*t) + t->m.len);	/* holds a device token */
}

static void
handoff_free(struct handoff *h)
{
	TAILQ_REMOVE(&handoffs, h, entry);
	nhandoffs--;
	if (h->fd != -1)
		close(h->fd);
	free(h);
}

enum msg_err
rt_on_auth_ticket(struct link *l, struct msg *m)
{
	struct m_auth_ticket	 v;
	struct ticket		*t;
	struct handoff		*h, *next;
	enum msg_err		 err;

	(void)l;
	if ((err = get_auth_ticket(m, &v)) != MSG_OK)
		return err;
	if (ticket_find(v.ticket) != NULL)
		return MSG_MEANING;
	if (ntickets >= TICKETS_MAX)
		ticket_free(TAILQ_FIRST(&tickets));
	if ((t = calloc(1, sizeof(*t) + m->len)) == NULL)
		return MSG_NOMEM;
	memcpy(t->payload, m->payload, m->len);
	t->m.h = m->h;
	t->m.payload = t->payload;
	t->m.len = m->len;
	if ((err = get_auth_ticket(&t->m, &t->t)) != MSG_OK) {
		free(t);
		return err;
	}
	t->number = v.ticket;
	t->expires = mono_ms() + TICKET_MS;
	t->next = buckets[t->number % BUCKETS];
	buckets[t->number % BUCKETS] = t;
	TAILQ_INSERT_TAIL(&tickets, t, entry);
	ntickets++;
	for (h = TAILQ_FIRST(&handoffs); h != NULL; h = next) {
		next = TAILQ_NEXT(h, entry);
		if (h->h.ticket != t->number)
			continue;
		admit(t, h->fd, &h->h);
		h->fd = -1;
		handoff_free(h);
		break;
	}
	return MSG_OK;
}

enum msg_err
rt_on_client_handoff(struct link *l, struct msg *m)
{
	struct m_client_handoff	 v;
	struct skim_val		 id;
	struct handoff		*h;
	struct ticket		*t;
	enum msg_err		 err;

	(void)l;
	if ((err = get_client_handoff(m, &v)) != MSG_OK)
		return err;
	if (m->nfds != 1)
		return MSG_FD;
	/* front took the id from the client: it must be a string by now. */
	if (skim_text(v.request_id.p, v.request_id.n, &id) != SKIM_OK ||
	    id.kind != SKIM_STRING)
		return MSG_MEANING;
	if ((t = ticket_find(v.ticket)) != NULL) {
		admit(t, msg_take_fd(m, 0), &v);
		return MSG_OK;
	}
	if (nhandoffs >= WAITING_MAX)
		handoff_free(TAILQ_FIRST(&handoffs));
	if ((h = calloc(1, sizeof(*h) + m->len)) == NULL)
		return MSG_NOMEM;
	memcpy(h->payload, m->payload, m->len);
	h->m.h = m->h;
	h->m.h.flags = 0;
	h->m.payload = h->payload;
	h->m.len = m->len;
	h->m.nfds = 0;
	h->fd = msg_take_fd(m, 0);
	h->expires = mono_ms() + WAITING_MS;
	TAILQ_INSERT_TAIL(&handoffs, h, entry);
	nhandoffs++;
	if ((err = get_client_handoff(&h->m, &h->h)) != MSG_OK)
		handoff_free(h);
	return err;
}

void
rt_tickets_sweep(uint64_t now)
{
	struct ticket	*t;
	struct handoff	*h;

	while ((t = TAILQ_FIRST(&tickets)) != NULL && t->expires <= now)
		ticket_free(t);
	while ((h = TAILQ_FIRST(&handoffs)) != NULL && h->expires <= now) {
		log_warnx("front: hand-over with no ticket of store");
		handoff_free(h);
	}
}

/* The two meet: what was let in and has not come through yet. */
void
rt_tickets_revoked(struct str device_id, enum client_role role,
    uint64_t before)
{
	struct ticket	*t, *next;

	for (t = TAILQ_FIRST(&tickets); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		if (t->t.issued_at <= before && (device_id.n == 0 ?
		    t->t.shared != 0 : str_eq(t->t.device_id, device_id) &&
		    t->t.role == role))
			ticket_free(t);
	}
}

/* A copy that ends in NUL, cut to what a log line or an audit may show. */
static char *
dup_cut(struct str s, size_t max)
{
	s.n = utf8_cut(s.p, s.n, max);
	return str_dup(s);
}

/* Spends the ticket. */
static void
admit(struct ticket *t, int fd, const struct m_client_handoff *h)
{
	struct client	*c;
	struct str	 name = t->t.display_name.n > 0 ? t->t.display_name :
			    t->t.client_id;

	if (rt.stopping) {
		close(fd);
		ticket_free(t);
		return;
	}
	if ((c = rt_client_new(fd, DOOR_WS)) == NULL) {
		log_warnx("client: refused, %zu are connected",
		    rt_clients_count());
		ticket_free(t);
		return;
	}
	c->role = (enum client_role)t->t.role;
	c->scopes = c->role == CLIENT_OPERATOR ? scopes_parse(t->t.scopes) : 0;
	c->protocol = t->t.protocol;
	c->issued_at = t->t.issued_at;
	c->shared = t->t.shared != 0;
	c->principal = dup_cut(name, 200);
	if (t->t.device_id.n > 0)
		c->device_id = str_dup(t->t.device_id);
	if (c->principal == NULL ||
	    (t->t.device_id.n > 0 && c->device_id == NULL)) {
		rt_client_close(c, WS_CLOSE_ERROR, "");
		ticket_free(t);
		return;
	}
	rt_presence_connect(c, &t->t);
	if (c->role == CLIENT_NODE)
		rt_node_connect(c, &t->t);
	else
		rt_watch_caps(c, &t->t);
	rt_hello_write(c, h->request_id, &t->t, h);
	c->hello = true;
	ticket_free(t);
	rt_client_start(c, h->unread);
	rt_health_wish();
}

static void
write_auth(struct jw *w, const struct m_auth_ticket *t)
{
	struct str	 s = t->scopes;
	size_t		 i;

	jw_kobj(w, "auth");
	jw_kstr_opt(w, "deviceToken", t->device_token);
	jw_ks(w, "role", t->role == CLIENT_NODE ? "node" : "operator");
	jw_karr(w, "scopes");
	while (s.n > 0) {
		for (i = 0; i < s.n && s.p[i] != ',' && s.p[i] != ' '; i++)
			;
		if (i > 0)
			jw_str(w, (struct str){ s.p, i });
		if (i < s.n)
			i++;
		s.p += i;
		s.n -= i;
	}
	jw_arr_end(w);
	if (t->device_token.n > 0)
		jw_kuint(w, "issuedAtMs", t->issued_at);
	jw_obj_end(w);
}

static const char *
scheme_of(const struct m_client_handoff *h)
{
	return h->tls || str_eqs(str_trim(h->proto_header), "https") ?
	    "https" : "http";
}

/* Where this client can load the page: the way it came itself. */
static void
write_page(struct jw *w, const struct m_client_handoff *h)
{
	const char	*path = rt.cf->path_page;
	char		 url[1024];

	if (h->host.n == 0)
		return;
	snprintf(url, sizeof(url), "%s://%.*s%s%s", scheme_of(h),
	    (int)h->host.n, h->host.p, path, path[1] != '\0' ? "/" : "");
	jw_ks(w, "controlUiUrl", url);
}

/* Where this client can load canvas pages: the host that it came to, without
 * a path.  A name it made up is told to nobody else. */
static void
write_canvas(struct jw *w, const struct m_client_handoff *h)
{
	struct str	 host = h->host;
	const char	*end;
	char		 url[512];

	end = host.n > 0 && host.p[0] == '[' ? memchr(host.p, ']', host.n) :
	    NULL;
	if (end != NULL)
		end++;		/* brackets and all */
	else
		end = memchr(host.p, ':', host.n);
	if (end != NULL)
		host.n = (size_t)(end - host.p);
	if (host.n == 0)
		return;
	snprintf(url, sizeof(url), "%s://%.*s:%lld", scheme_of(h), (int)host.n, host.p, (long long)rt.cf->port);
	jw_ks(w, "canvasHostUrl", url);
}

/*
 * hello-ok (2.11).  Paths and defaults of sessions go to those who may read,
 * paths to administrators only: a low scope learns nothing of the host.
 */
void
rt_hello_write(struct client *c, struct str id, const struct m_auth_ticket *t,
    const struct m_client_handoff *h)
{
	const struct method	*m;
	struct jw		*w = rt_answer_begin(c, id);
	bool			 admin = c->scopes & SCOPE_ADMIN;
	bool			 reads = admin ||
				    c->scopes & (SCOPE_READ | SCOPE_WRITE);
	char			 key[ROUTE_KEY_MAX];
	unsigned int		 ev;
	size_t			 i;

	jw_obj(w);
	jw_ks(w, "type", "hello-ok");
	jw_kuint(w, "protocol", c->protocol);
	jw_kobj(w, "server");
	jw_ks(w, "version", GW_VERSION);
	if (c->protocol >= 4)
		jw_ks(w, "bootId", rt.boot_id);
	jw_ks(w, "connId", c->conn_id);
	jw_obj_end(w);
	jw_kobj(w, "features");
	jw_karr(w, "methods");
	for (i = 0; (m = method_at(i)) != NULL; i++)
		if (m->listed != LISTED_HIDDEN &&
		    method_spoken(m, c->protocol))
			jw_s(w, m->name);
	jw_arr_end(w);
	jw_karr(w, "events");
	for (ev = 0; ev < EVENT_MAX; ev++)
		if (event_spoken(ev, c->protocol))
			jw_s(w, gw_event_name(ev));
	jw_arr_end(w);
	if (c->protocol >= 4) {
		/* Contracts beside the methods; we have none of them. */
		jw_karr(w, "capabilities");
		jw_arr_end(w);
	}
	jw_obj_end(w);
	jw_kobj(w, "snapshot");
	jw_key(w, "presence");
	if (reads)
		rt_presence_write(w);
	else {
		jw_arr(w);
		jw_arr_end(w);
	}
	jw_key(w, "health");
	if (reads)
		rt_health_write(w);
	else {
		jw_obj(w);
		jw_obj_end(w);
	}
	jw_kobj(w, "stateVersion");
	jw_kuint(w, "presence", rt_version_presence);
	jw_kuint(w, "health", rt_version_health);
	jw_obj_end(w);
	jw_kuint(w, "uptimeMs", mono_ms() - rt.started_ms);
	if (admin) {
		jw_kstr_opt(w, "configPath", str_of(rt.cf->path_config));
		jw_kstr_opt(w, "stateDir", str_of(rt.cf->path_state));
	}
	if (reads) {
		jw_kobj(w, "sessionDefaults");
		jw_ks(w, "defaultAgentId", rt.cf->routes.default_agent);
		jw_ks(w, "mainKey", rt.cf->main_key);
		if (rt.cf->scope_global)
			strlcpy(key, "global", sizeof(key));
		else
			snprintf(key, sizeof(key), "agent:%s:%s",
			    rt.cf->routes.default_agent, rt.cf->main_key);
		jw_ks(w, "mainSessionKey", key);
		jw_ks(w, "scope", rt.cf->scope_global ? "global" :
		    "per-sender");
		jw_obj_end(w);
	}
	jw_obj_end(w);
	if (h != NULL && rt.cf->canvas && c->protocol < 4)
		write_canvas(w, h);
	if (h != NULL && rt.cf->path_page[0] != '\0' && c->protocol >= 4)
		write_page(w, h);
	if (t != NULL && (t->device_token.n > 0 || c->protocol >= 4))
		write_auth(w, t);
	jw_kobj(w, "policy");
	jw_kuint(w, "maxPayload", c->door == DOOR_WS ? RT_MAX_PAYLOAD :
	    RT_LINE_MAX);
	jw_kuint(w, "maxBufferedBytes", RT_MAX_BUFFERED);
	jw_kuint(w, "tickIntervalMs", RT_TICK_MS);
	if (c->protocol >= 4) {
		jw_kobj(w, "attachments");
		jw_kuint(w, "maxBytes", ATTACH_MAX_BYTES);
		jw_kuint(w, "maxImageBytes", ATTACH_MAX_BYTES);
		jw_obj_end(w);
	}
	jw_obj_end(w);
	jw_obj_end(w);
	rt_answer_end(c);
}
