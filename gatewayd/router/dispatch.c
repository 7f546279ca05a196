/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * A client's frame: skim, authorise, judge the parameters, hand over.  The
 * order is the protocol's (spec 1.6, 2.13): scope before the name is looked
 * up, the name before the parameters.
 */
#include "common/compat.h"

#include <inttypes.h>

#include "common/log.h"
#include "gatewayd/router/router.h"

int
rt_text_of(const struct skim_val *v, char *buf, size_t size)
{
	buf[0] = '\0';
	if (v->kind != SKIM_STRING)
		return 0;
	return skim_unescape(v, buf, size) == -1 ? -1 : 0;
}

static void
bad_frame(struct client *c, const struct skim_frame *f, const char *why)
{
	struct dbuf	 text, full;
	struct str	 id = STR_LIT("\"invalid\"");

	if (f->id.kind != SKIM_ABSENT && f->id.n > 0 && f->id.n <= RT_ID_MAX)
		id = (struct str){ f->id.p, f->id.n };
	dbuf_init(&text, METHOD_ERROR_MAX);
	if (why == NULL) {
		method_frame(&f->root, &text);
		why = dbuf_str(&text);
	}
	dbuf_init(&full, METHOD_ERROR_MAX + 64);
	dbuf_puts(&full, "invalid request frame: ");
	dbuf_puts(&full, why);
	rt_answer_error(c, id, "INVALID_REQUEST", dbuf_str(&full));
	dbuf_clear(&full);
	dbuf_clear(&text);
}

/* Verbs that change something leave a line that names who asked: those of the
 * host always, those of conversations when they come from the host. */
static void
audit(const struct client *c, const struct method *m)
{
	bool	 host = m->owner == OWNER_PARENT || m->scope == SCOPE_PAIRING ||
		    m->id == METHOD_EXEC_APPROVAL_RESOLVE ||
		    m->id == METHOD_EXEC_APPROVALS_NODE_SET ||
		    m->id == METHOD_NODE_INVOKE ||
		    m->id == METHOD_EXEC_APPROVALS_SET;

	if (m->id == METHOD_GATEWAY_PROCESSES ||
	    m->id == METHOD_SANDBOX_PROFILES || m->id == METHOD_PAIRING_LIST ||
	    m->id == METHOD_DEVICE_PAIR_LIST ||
	    m->id == METHOD_NODE_PAIR_LIST ||
	    m->id == METHOD_AGENT_WAIT ||
	    (!host && (c->door == DOOR_WS || m->scope != SCOPE_WRITE)))
		return;
	if (c->door == DOOR_WS)
		log_info("client %s: %s by %s", c->conn_id, m->name,
		    c->principal);
	else
		log_info("control: %s by uid %u, pid %u", m->name, c->uid,
		    c->pid);
}

static void
connect_again(struct request *r)
{
	rt_answer_error(r->client, r->id, "INVALID_REQUEST",
	    "connect is only valid as the first request");
}

static void (*const handlers[METHOD_MAX])(struct request *) = {
#define HANDLER_ROUTER(handler)	rt_do_##handler
#define HANDLER_FRONT(handler)	connect_again
#define HANDLER_PARENT(handler)	rt_do_sup
#define HANDLER_AGENT(handler)	rt_do_forward
#define HANDLER_AGENTS(handler)	rt_do_forward
#define HANDLER_STORE(handler)	rt_do_forward
#define HANDLER_LOG(handler)	rt_do_forward
#define HANDLER_TOOL(handler)	rt_do_forward
#define SCHEMA(id, judging, params)
#define KNOWN(name, scope)
#define METHOD(id, name, owner, handler, scope, judging, listed, params) \
	[METHOD_##id] = HANDLER_##owner(handler),
#include "proto/methods.def"
#undef METHOD
#undef KNOWN
#undef SCHEMA
};

static void
call(struct request *r)
{
	audit(r->client, r->method);
	handlers[r->method->id](r);
}

/* "missing scope: operator.x", which later clients read as a code. */
static void
refuse_right(struct request *r, const char *refusal)
{
	const char	*scope = strstr(refusal, "operator.");
	char		 details[128];

	if (r->client->protocol < 4 || scope == NULL ||
	    strncmp(refusal, "missing", 7) != 0) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", refusal);
		return;
	}
	snprintf(details, sizeof(details), "{\"code\":\"MISSING_SCOPE\","
	    "\"missingScope\":\"%s\",\"requiredScopes\":[\"%s\"]}", scope,
	    scope);
	rt_answer_error_full(r->client, r->id, (struct str){ "", 0 },
	    STR_LIT("FORBIDDEN"), str_of(refusal), str_of(details));
}

/* Who keeps calling what its role cannot is broken or tries doors. */
static void
count_strange(struct client *c, const char *refusal)
{
	if (refusal == NULL || strncmp(refusal, "unauthorized", 12) != 0)
		c->strange = 0;
	else if (++c->strange > RT_STRANGE_MAX && c->protocol >= 4) {
		log_warnx("client %s: calls again and again what its role "
		    "cannot", c->conn_id);
		rt_client_close(c, WS_CLOSE_POLICY,
		    "repeated unauthorized calls");
	}
}

static void
refuse_params(struct request *r, const struct dbuf *why)
{
	struct dbuf	 text;

	dbuf_init(&text, METHOD_ERROR_MAX + 128);
	dbuf_printf(&text, "invalid %s params: ", r->method->name);
	dbuf_put(&text, why->p, why->n);
	rt_answer_error(r->client, r->id, "INVALID_REQUEST", dbuf_str(&text));
	dbuf_clear(&text);
}

static void
refuse_unknown(struct request *r, struct str name)
{
	char	 text[256];

	snprintf(text, sizeof(text), "unknown method: %.*s",
	    (int)utf8_cut(name.p, name.n, 128), name.p);
	rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
}

void
rt_dispatch(struct client *c, char *text, size_t n)
{
	static struct request	 r;	/* large; one at a time */
	struct skim_frame	 f;
	struct dbuf		 why;
	struct str		 name;
	char			 buf[256];
	const char		*refusal;
	unsigned int		 need;
	enum skim_err		 err;
	ssize_t			 len;

	err = skim_frame(text, n, &f);
	if (err == SKIM_DEPTH) {
		bad_frame(c, &f, skim_err_name(err));
		return;
	}
	if (err != SKIM_OK) {
		log_debug("client %s: ignored %zu bytes: %s", c->conn_id, n,
		    skim_err_name(err));
		return;
	}
	if (f.odd) {
		skim_repair(text, n);
		skim_frame(text, n, &f);
	}
	if (!skim_is(&f.type, "req") || f.id.kind != SKIM_STRING ||
	    f.id.n == 2 || f.method.kind != SKIM_STRING || f.method.n == 2 ||
	    f.other) {
		bad_frame(c, &f, NULL);
		return;
	}
	if (f.id.n > RT_ID_MAX) {
		bad_frame(c, &f, "at /id: must NOT have more than 1000 "
		    "characters");
		return;
	}
	name = skim_raw(&f.method);
	if (f.method.escaped) {
		if ((len = skim_unescape(&f.method, buf, sizeof(buf))) == -1)
			len = (ssize_t)strlcpy(buf, "?", sizeof(buf));
		name = (struct str){ buf, (size_t)len };
	}
	r.client = c;
	r.id = (struct str){ f.id.p, f.id.n };
	r.params = f.params;
	/* null is as good as nothing, as it always was */
	if (r.params.kind == SKIM_NULL)
		memset(&r.params, 0, sizeof(r.params));
	r.method = method_find(name);
	if (r.method != NULL && r.method->id == METHOD_CONNECT) {
		if (c->door != DOOR_WS && !c->hello)
			rt_control_connect(c, &f);
		else
			call(&r);
		return;
	}
	if (r.method != NULL && !method_spoken(r.method, c->protocol))
		r.method = NULL;
	need = method_scope(r.method, c->protocol, &r.params);
	if ((refusal = method_refusal(need, c->role, c->scopes)) != NULL)
		refuse_right(&r, refusal);
	count_strange(c, refusal);
	if (refusal != NULL)
		return;
	if (r.method == NULL || r.method->id >= METHOD_MAX) {
		refuse_unknown(&r, name);
		return;
	}
	if (method_limited(r.method, c->protocol) && rt_budget_spent(&r))
		return;
	dbuf_init(&why, METHOD_ERROR_MAX);
	if (method_params(r.method, c->protocol, &r.params, r.p.v, &why) == -1)
		refuse_params(&r, &why);
	else
		call(&r);
	dbuf_clear(&why);
}
