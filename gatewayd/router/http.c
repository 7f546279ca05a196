/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * HTTP requests that front has let in: which agent and session they belong
 * to, and the way of the answer back.  Bodies pass unread; what is needed of
 * them front has taken out.
 */
#include "common/compat.h"

#include "common/http_error.h"
#include "common/log.h"
#include "common/session_key.h"
#include "gatewayd/router/router.h"

#define RELAYS_MAX	2048
#define BUCKETS		256

struct relay {
	LIST_ENTRY(relay)	 by_corr, by_front;
	uint64_t		 corr;		/* towards the agent */
	uint64_t		 front_corr;
	struct link		*agent;
	bool			 headed;	/* its first piece came */
	size_t			 window;	/* bytes that may come now */
};
static LIST_HEAD(relay_list, relay) by_corr[BUCKETS], by_front[BUCKETS];
static size_t	nrelays;

static struct relay *
relay_of_corr(uint64_t corr)
{
	struct relay	*y;

	LIST_FOREACH(y, &by_corr[corr % BUCKETS], by_corr)
		if (y->corr == corr)
			return y;
	return NULL;
}

static struct relay *
relay_of_front(uint64_t corr)
{
	struct relay	*y;

	LIST_FOREACH(y, &by_front[corr % BUCKETS], by_front)
		if (y->front_corr == corr)
			return y;
	return NULL;
}

static void
relay_free(struct relay *y)
{
	LIST_REMOVE(y, by_corr);
	LIST_REMOVE(y, by_front);
	nrelays--;
	free(y);
}

/* --- answers of our own ----------------------------------------------------- */

static void
answer(uint64_t corr, unsigned int status, const struct dbuf *b)
{
	struct m_http_res	 m = { 0 };

	m.status = (uint16_t)status;
	m.form = HTTP_JSON;
	m.end = HTTP_DONE;
	m.data = (struct str){ dbuf_str(b), b->n };
	if (dbuf_err(b) || send_http_res(rt.front, &m, corr, MSG_F_REPLY) ==
	    -1)
		log_warnx("http: an answer cannot be sent");
}

static void
answer_plain(uint64_t corr, unsigned int status, const char *text)
{
	struct m_http_res	 m = { 0 };

	m.status = (uint16_t)status;
	m.form = HTTP_TEXT;
	m.end = HTTP_DONE;
	m.data = str_of(text);
	if (send_http_res(rt.front, &m, corr, MSG_F_REPLY) == -1)
		log_warnx("http: an answer cannot be sent");
}

static void
refuse(uint64_t corr, unsigned int status, const char *type, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
static void
refuse(uint64_t corr, unsigned int status, const char *type, const char *code,
    const char *fmt, ...)
{
	struct dbuf	 b;
	va_list		 ap;

	dbuf_init(&b, HTTP_ERROR_BYTES);
	va_start(ap, fmt);
	http_error_put(&b, false, type, code, fmt, ap);
	va_end(ap);
	answer(corr, status, &b);
	dbuf_clear(&b);
}

/* The answer will not come, or not to its end. */
static void
cut(const struct relay *y, const char *why)
{
	struct m_http_res	 m = { 0 };

	m.end = HTTP_CUT;
	m.data = str_of(why);
	if (rt.front != NULL)
		(void)send_http_res(rt.front, &m, y->front_corr, MSG_F_REPLY);
}

/* --- whose is it? ------------------------------------------------------------ */

static struct rt_agent *
agent_default(void)
{
	struct rt_agent	*a = rt_agent_find(STR_LIT("main"));

	return a != NULL ? a : &rt.cf->agents[rt.cf->default_agent];
}

/* Of a model's name.  *named: it is one of ours, so it names an agent. */
static struct rt_agent *
agent_of_model(struct str model, bool *named)
{
	static const char *const prefixes[] = { "openclaw:", "openclaw/",
	    "agent:" };
	struct rt_agent	*a;
	size_t		 i, n;

	model = str_trim(model);
	*named = true;
	if (str_ieqs(model, "openclaw"))
		return agent_default();
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		n = strlen(prefixes[i]);
		if (model.n <= n || ascii_ncasecmp(model.p, prefixes[i], n) !=
		    0)
			continue;
		model.p += n;
		model.n -= n;
		a = rt_agent_find(model);
		return a == NULL && str_ieqs(model, "default") ?
		    agent_default() : a;
	}
	*named = false;
	return agent_default();
}

/* Sessions that only the gateway itself may begin. */
static bool
key_reserved(struct str key)
{
	static const char *const names[] = { "subagent:", "cron:", "acp:" };
	struct str	 agent, rest;
	char		 canon[SESSION_KEY_MAX + 1];
	size_t		 i;

	/* As the agent will understand it. */
	if (session_key_canon(key, "main", false, canon, sizeof(canon)) == 0 &&
	    session_key_split(str_of(canon), &agent, &rest))
		key = rest;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (key.n >= strlen(names[i]) && ascii_ncasecmp(key.p,
		    names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Its session in buf; the agent whose it is, or NULL after a refusal. */
static struct rt_agent *
place(uint64_t corr, const struct m_http_req *q, char *buf, size_t size)
{
	struct rt_agent	*a;
	struct str	 key = str_trim(q->session_key);
	const char	*prefix = q->route == HTTP_ROUTE_RESPONSES ?
			    "openresponses" : "openai";
	char		 uuid[37];
	bool		 named;
	int		 n;

	if (q->agent.n > 0) {
		if ((a = rt_agent_find(str_trim(q->agent))) == NULL)
			refuse(corr, 400, "invalid_request_error", NULL,
			    "unknown agent id \"%s\"", q->agent.p);
	} else if ((a = agent_of_model(q->model, &named)) == NULL)
		refuse(corr, 404, "invalid_request_error", "model_not_found",
		    "the model \"%s\" does not exist", q->model.p);
	if (a == NULL)
		return NULL;
	if (key.n > 0) {
		if (key_reserved(key)) {
			refuse(corr, 400, "invalid_request_error", NULL,
			    "the session key is of a kind that is kept for "
			    "the gateway's own sessions");
			return NULL;
		}
		/* A key that names an agent knows best. */
		if (route_key_agent(key).n > 0 && (a = rt_agent_of_key(key)) ==
		    NULL) {
			refuse(corr, 400, "invalid_request_error", NULL,
			    "unknown agent id \"%.*s\"",
			    (int)route_key_agent(key).n,
			    route_key_agent(key).p);
			return NULL;
		}
		n = snprintf(buf, size, "%.*s", (int)key.n, key.p);
	} else if (q->route == HTTP_ROUTE_TOOLS ||
	    q->route == HTTP_ROUTE_EMBEDDINGS)
		n = snprintf(buf, size, "main");
	else if (q->user.n > 0)
		n = snprintf(buf, size, "agent:%s:%s-user:%s", a->id, prefix,
		    q->user.p);
	else {
		uuid_v4(uuid);
		n = snprintf(buf, size, "agent:%s:%s:%s", a->id, prefix, uuid);
	}
	if (n < 0 || (size_t)n >= size) {
		refuse(corr, 400, "invalid_request_error", NULL,
		    "user: too long for a session key");
		return NULL;
	}
	return a;
}

/* --- requests ------------------------------------------------------------------ */

static void
model_write(struct jw *w, struct str id)
{
	jw_obj(w);
	jw_kstr(w, "id", id);
	jw_ks(w, "object", "model");
	jw_kuint(w, "created", 0);	/* as old as the configuration */
	jw_ks(w, "owned_by", "openclaw");
	jw_obj_end(w);
}

/* GET /v1/models and /v1/models/<model>: agents are the models here. */
static void
rt_http_models(uint64_t corr, const struct m_http_req *q)
{
	struct dbuf	 b;
	struct jw	 w;
	struct str	 id = { q->rest.p + 1, q->rest.n - 1 };
	char		 name[160];
	size_t		 i;
	bool		 named;

	dbuf_init(&b, 1u << 20);
	jw_init(&w, &b);
	if (q->rest.n > 1) {
		if (agent_of_model(id, &named) != NULL && named) {
			model_write(&w, id);
			answer(corr, 200, &b);
		} else
			refuse(corr, 404, "invalid_request_error",
			    "model_not_found", "the model \"%.256s\" does not "
			    "exist", id.p);
		dbuf_clear(&b);
		return;
	}
	jw_obj(&w);
	jw_ks(&w, "object", "list");
	jw_karr(&w, "data");
	model_write(&w, STR_LIT("openclaw"));
	model_write(&w, STR_LIT("openclaw/default"));
	for (i = 0; i < rt.cf->nagents; i++) {
		snprintf(name, sizeof(name), "openclaw/%s",
		    rt.cf->agents[i].id);
		model_write(&w, str_of(name));
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	answer(corr, 200, &b);
	dbuf_clear(&b);
}

static void
http_forward(uint64_t corr, struct m_http_req *q)
{
	struct rt_agent	*a;
	struct relay	*y;
	char		 key[513];

	if (q->route == HTTP_ROUTE_AVATAR) {
		if ((a = rt_agent_find(q->agent)) == NULL) {
			answer_plain(corr, 404, "Not Found");
			return;
		}
		strlcpy(key, "main", sizeof(key));
	} else if ((a = place(corr, q, key, sizeof(key))) == NULL)
		return;
	if (a->link == NULL || link_full(a->link)) {
		refuse(corr, 503, "unavailable", NULL, "agent \"%s\" %s; try "
		    "again", a->id, a->link == NULL ? "is not running" :
		    "is busy");
		return;
	}
	if (nrelays >= RELAYS_MAX || (y = calloc(1, sizeof(*y))) == NULL) {
		refuse(corr, 503, "unavailable", NULL,
		    "too many requests; try again");
		return;
	}
	q->agent = str_of(a->id);
	q->session_key = str_of(key);
	y->corr = link_corr();
	y->front_corr = corr;
	y->agent = a->link;
	y->window = HTTP_WINDOW;
	if (send_http_req(a->link, q, y->corr, 0) == -1) {
		log_warn("http: agent %s cannot be asked", a->id);
		refuse(corr, 503, "unavailable", NULL, "agent \"%s\" cannot "
		    "be asked; try again", a->id);
		free(y);
		return;
	}
	LIST_INSERT_HEAD(&by_corr[y->corr % BUCKETS], y, by_corr);
	LIST_INSERT_HEAD(&by_front[corr % BUCKETS], y, by_front);
	nrelays++;
}

static void
http_alien(uint64_t corr, const struct m_http_req *q)
{
	(void)q;
	refuse(corr, 404, "invalid_request_error", NULL, "Not Found");
}

enum msg_err
rt_on_http_req(struct msg *m)
{
	struct m_http_req	 q;
	enum msg_err		 err;

	if ((err = get_http_req(m, &q)) != MSG_OK)
		return err;
	if (q.route >= ROUTE_MAX || relay_of_front(m->h.corr) != NULL)
		return MSG_MEANING;
	if (rt.stopping) {
		refuse(m->h.corr, 503, "unavailable", NULL, "the gateway is "
		    "stopping; try again");
		return MSG_OK;
	}
	switch ((enum http_route)q.route) {
#define ROUTE(id, path, match, methods, owner, handler, door, body, key) \
	case HTTP_ROUTE_##id:						\
		HTTP_BY_##owner(handler);				\
		break;
#define HTTP_BY_FRONT(handler)	http_alien(m->h.corr, &q)
#define HTTP_BY_ROUTER(handler)	rt_http_##handler(m->h.corr, &q)
#define HTTP_BY_AGENT(handler)	http_forward(m->h.corr, &q)
#include "proto/routes.def"
#undef ROUTE
#undef HTTP_BY_FRONT
#undef HTTP_BY_ROUTER
#undef HTTP_BY_AGENT
	case ROUTE_MAX:
		break;
	}
	return MSG_OK;
}

/* --- what passes through ---------------------------------------------------------- */

enum msg_err
rt_on_http_res(struct link *l, struct msg *m)
{
	struct m_http_res	 v;
	struct relay		*y = relay_of_corr(m->h.corr);
	struct m_http_gone	 gone = { 0 };
	enum msg_err		 err;

	if ((err = get_http_res(m, &v)) != MSG_OK)
		return err;
	if (y == NULL)
		return MSG_OK;		/* given up meanwhile */
	/* What front would hold against us. */
	if (y->agent != l || (v.end != HTTP_CUT && (y->headed ?
	    v.status != 0 : v.status < 200)) || (v.end == HTTP_MORE &&
	    v.data.n > y->window))
		return MSG_MEANING;
	y->headed = true;
	if (v.end == HTTP_MORE)
		y->window -= v.data.n;
	if (rt.front != NULL && send_http_res(rt.front, &v, y->front_corr,
	    MSG_F_REPLY) == -1) {
		log_warn("http: an answer cannot be handed on");
		cut(y, "the answer was cut short");
		if (v.end == HTTP_MORE)
			(void)send_http_gone(l, &gone, y->corr, 0);
		v.end = HTTP_CUT;
	}
	if (v.end != HTTP_MORE)
		relay_free(y);
	return MSG_OK;
}

enum msg_err
rt_on_http_gone(struct msg *m)
{
	struct m_http_gone	 v;
	struct relay		*y = relay_of_front(m->h.corr);
	enum msg_err		 err;

	if ((err = get_http_gone(m, &v)) != MSG_OK)
		return err;
	if (y != NULL) {
		(void)send_http_gone(y->agent, &v, y->corr, 0);
		relay_free(y);
	}
	return MSG_OK;
}

enum msg_err
rt_on_http_credit(struct msg *m)
{
	struct m_http_credit	 v;
	struct relay		*y = relay_of_front(m->h.corr);
	enum msg_err		 err;

	if ((err = get_http_credit(m, &v)) != MSG_OK)
		return err;
	if (y != NULL) {
		if (v.bytes > HTTP_WINDOW - y->window)
			return MSG_MEANING;
		y->window += v.bytes;
		(void)send_http_credit(y->agent, &v, y->corr, 0);
	}
	return MSG_OK;
}

void
rt_http_link_gone(struct link *l)
{
	struct m_http_gone	 gone = { 0 };
	struct relay		*y, *next;
	size_t			 i;

	for (i = 0; i < BUCKETS && nrelays > 0; i++)
		for (y = LIST_FIRST(&by_corr[i]); y != NULL; y = next) {
			next = LIST_NEXT(y, by_corr);
			if (y->agent == l)
				cut(y, "the agent went away; whether the "
				    "request had an effect is not known");
			else if (link_peer(l) == ROLE_FRONT)
				(void)send_http_gone(y->agent, &gone, y->corr,
				    0);
			else
				continue;
			relay_free(y);
		}
}
