/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Commands for nodes: from an operator's request to the node's result (spec
 * 4.11, 6.4).  A result counts once, from the connection that was asked, and
 * within the time that was given; when either side leaves, the other hears of
 * it.  Parameters and results are text of others: they are checked to be JSON
 * and go on as they are.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define INVOKES_MAX	1024
#define TIMEOUT_MS	30000
#define TIMEOUT_MAX_MS	86400000
#define NAME_BYTES	512		/* bytes of a node's id or a command */
#define ERROR_RAW	16384		/* of a node's error object */

struct invoke {
	TAILQ_ENTRY(invoke)	 entry;
	char			 id[37];
	uint64_t		 client;	/* who waits */
	uint64_t		 node;		/* the connection that was asked */
	const struct method	*method;
	char			*node_id, *command;
	struct event		 timer;
	size_t			 req_n;
	char			 req[];		/* raw JSON of the request id */
};
static TAILQ_HEAD(, invoke) invokes = TAILQ_HEAD_INITIALIZER(invokes);
static size_t	 ninvokes;

/* An answer may end the socket it goes to, and with it whatever that client
 * has in the table: so an entry leaves the table before it is answered. */
static void
invoke_take(struct invoke *i)
{
	TAILQ_REMOVE(&invokes, i, entry);
	ninvokes--;
	event_del(&i->timer);
}

static void
invoke_free(struct invoke *i)
{
	struct client	*c;

	if ((c = rt_client_find(i->client)) != NULL) {
		c->pending--;
		rt_client_settled(c);
	}
	free(i->node_id);
	free(i->command);
	free(i);
}

/* --- answers -------------------------------------------------------------------- */

static void
fail_raw(struct client *c, struct str id, const char *message,
    const char *details)
{
	rt_answer_error_full(c, id, (struct str){ "", 0 },
	    STR_LIT("UNAVAILABLE"), str_of(message), str_of(details));
}

static void
fail(struct client *c, struct str id, const char *code, const char *message)
{
	char	 details[256];

	snprintf(details, sizeof(details), "{\"nodeError\":{\"code\":\"%s\","
	    "\"message\":\"%s\"}}", code, message);
	fail_raw(c, id, message, details);
}

/* Of one that was taken. */
static void
invoke_fail(struct invoke *i, const char *code, const char *message)
{
	struct client	*c = rt_client_find(i->client);

	if (c != NULL)
		fail(c, (struct str){ i->req, i->req_n }, code, message);
	invoke_free(i);
}

/* Nobody waits for it any more.  Only later clients know that event. */
static void
call_off(const struct invoke *i)
{
	struct client	*node = rt_client_find(i->node);
	struct dbuf	 b;
	struct jw	 w;

	if (node == NULL || node->protocol < 4)
		return;
	dbuf_init(&b, 6 * NAME_BYTES + 128);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "invokeId", i->id);
	jw_ks(&w, "nodeId", i->node_id);
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		rt_event_one(node, "node.invoke.cancel", b.p, b.n);
	dbuf_clear(&b);
}

static void
timeout_cb(evutil_socket_t fd, short what, void *arg)
{
	struct invoke	*i = arg;

	(void)fd;
	(void)what;
	invoke_take(i);
	call_off(i);
	invoke_fail(i, "TIMEOUT", "node invoke timed out");
}

/* The first that one of the two has a part in; each turn looks anew, because
 * what is told to one client may end it. */
static struct invoke *
invoke_with(uint64_t node, uint64_t client)
{
	struct invoke	*i;

	TAILQ_FOREACH(i, &invokes, entry)
		if (node != 0 ? i->node == node : i->client == client)
			return i;
	return NULL;
}

void
rt_invokes_node_gone(const struct client *node)
{
	struct invoke	*i;
	struct client	*c;
	struct dbuf	 text;

	while ((i = invoke_with(node->id, 0)) != NULL) {
		invoke_take(i);
		dbuf_init(&text, NAME_BYTES + 64);
		dbuf_printf(&text, "Error: node disconnected (%s)",
		    i->command);
		if ((c = rt_client_find(i->client)) != NULL)
			fail_raw(c, (struct str){ i->req, i->req_n },
			    dbuf_str(&text), "");
		dbuf_clear(&text);
		invoke_free(i);
	}
}

void
rt_invokes_client_gone(const struct client *c)
{
	struct invoke	*i;

	while ((i = invoke_with(0, c->id)) != NULL) {
		invoke_take(i);
		call_off(i);
		invoke_free(i);
	}
}

/* --- asking ------------------------------------------------------------------------ */

/* A parameter's text, trimmed; empty when it is longer than any name. */
static struct str
name_of(const struct skim_val *v, char buf[NAME_BYTES + 1])
{
	ssize_t		 n = skim_unescape(v, buf, NAME_BYTES + 1);
	struct str	 s;

	s = str_trim((struct str){ buf, n > 0 ? (size_t)n : 0 });
	memmove(buf, s.p, s.n);
	buf[s.n] = '\0';
	return (struct str){ buf, s.n };
}

struct wish {
	const char		*node_id, *command;
	struct str		 params;	/* JSON, or empty: none */
	struct skim_val		 timeout, key;	/* as the client wrote them */
};

static bool
send_request(struct client *node, const char *id, const struct wish *q)
{
	struct dbuf	*b;
	struct jw	 w;

	/* Quoting doubles it at worst.  The node is not to be ended by what
	 * others send to it. */
	if (rt_client_backlog(node) + 2 * q->params.n + q->timeout.n +
	    q->key.n + 12 * NAME_BYTES > RT_OUT_HARD - 65536)
		return false;
	b = rt_client_begin(node);
	dbuf_puts(b, "{\"type\":\"event\",\"event\":\"node.invoke.request\","
	    "\"payload\":");
	jw_init(&w, b);
	jw_obj(&w);
	jw_ks(&w, "id", id);
	jw_ks(&w, "nodeId", q->node_id);
	jw_ks(&w, "command", q->command);
	if (q->params.n > 0)
		jw_kstr(&w, "paramsJSON", q->params);
	else
		jw_knull(&w, "paramsJSON");
	if (q->timeout.kind == SKIM_NUMBER)
		jw_kraw(&w, "timeoutMs", q->timeout.p, q->timeout.n);
	if (q->key.kind == SKIM_STRING)
		jw_kraw(&w, "idempotencyKey", q->key.p, q->key.n);
	jw_obj_end(&w);
	dbuf_putc(b, '}');
	rt_client_end(node);
	return !node->closing;
}

static struct invoke *
invoke_new(struct request *r, const struct wish *q, int64_t ms)
{
	struct invoke	*i;
	struct timeval	 tv = { (time_t)(ms / 1000),
			    (suseconds_t)(ms % 1000 * 1000) };

	if (ninvokes >= INVOKES_MAX ||
	    r->client->pending >= RT_PENDING_CLIENT ||
	    (i = calloc(1, sizeof(*i) + r->id.n)) == NULL)
		return NULL;
	i->node_id = strdup(q->node_id);
	i->command = strdup(q->command);
	if (i->node_id == NULL || i->command == NULL ||
	    evtimer_assign(&i->timer, rt.base, timeout_cb, i) == -1 ||
	    evtimer_add(&i->timer, &tv) == -1) {
		free(i->node_id);
		free(i->command);
		free(i);
		return NULL;
	}
	uuid_v4(i->id);
	i->method = r->method;
	i->client = r->client->id;
	i->req_n = r->id.n;
	memcpy(i->req, r->id.p, r->id.n);
	r->client->pending++;
	TAILQ_INSERT_TAIL(&invokes, i, entry);
	ninvokes++;
	return i;
}

/* Was it sent?  Who asked was told when it was not. */
static bool
invoke_start(struct request *r, struct client *node, const struct wish *q)
{
	struct invoke	*i;
	int64_t		 ms = TIMEOUT_MS;

	if (q->params.n > RT_PARAMS_MAX) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "the parameters of the command are too large");
		return false;
	}
	if (q->timeout.kind == SKIM_NUMBER)
		skim_int(&q->timeout, &ms);
	if (ms > TIMEOUT_MAX_MS)
		ms = TIMEOUT_MAX_MS;
	if ((i = invoke_new(r, q, ms)) == NULL) {
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many commands wait for nodes; try again");
		return false;
	}
	/* Not yet its own: when sending ends the node, it is told once. */
	if (send_request(node, i->id, q)) {
		i->node = node->id;
		return true;
	}
	invoke_take(i);
	invoke_fail(i, "UNAVAILABLE", "failed to send invoke to node");
	return false;
}

static const struct skim_val absent;

static void
refuse_command(struct request *r, const char *command, const char *why)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 6 * NAME_BYTES + 256);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "reason", why);
	jw_ks(&w, "command", command);
	jw_obj_end(&w);
	rt_answer_error_full(r->client, r->id, (struct str){ "", 0 },
	    STR_LIT("INVALID_REQUEST"), STR_LIT("node command not allowed"),
	    (struct str){ b.p, b.n });
	dbuf_clear(&b);
}

void
rt_do_node_invoke(struct request *r)
{
	struct p_NODE_INVOKE	*v = &r->p.NODE_INVOKE;
	struct client		*node;
	struct wish		 q;
	const char		*why;
	char			 id[NAME_BYTES + 1], command[NAME_BYTES + 1];

	q.node_id = name_of(&v->nodeId, id).p;
	q.command = name_of(&v->command, command).p;
	if ((id[0] == '\0' && v->nodeId.n < NAME_BYTES) ||
	    (command[0] == '\0' && v->command.n < NAME_BYTES)) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "nodeId and command required");
		return;
	}
	if ((node = rt_node_find(str_of(id))) == NULL) {
		fail_raw(r->client, r->id, "node not connected",
		    "{\"code\":\"NOT_CONNECTED\"}");
		return;
	}
	if ((why = rt_node_refusal(node, command)) != NULL) {
		refuse_command(r, command, why);
		return;
	}
	/* The rules of a node's commands are for administrators, by whatever
	 * method they are asked for. */
	if (strncmp(command, "system.execApprovals.", 21) == 0 &&
	    (r->client->scopes & SCOPE_ADMIN) == 0) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "missing scope: operator.admin");
		return;
	}
	if (strcmp(command, "system.run") == 0 &&
	    (why = rt_node_run_refusal(r->client, &v->params)) != NULL) {
		refuse_command(r, command, why);
		return;
	}
	q.params = (struct str){ v->params.p, v->params.n };
	q.timeout = v->timeoutMs;
	q.key = v->idempotencyKey;
	if (invoke_start(r, node, &q) && strcmp(command, "system.run") == 0)
		rt_node_run_sent(r->client, node, &v->params);
}

/* exec.approvals.node.*: no policy, since operator.admin is needed. */
static void
approvals(struct request *r, const struct skim_val *node_id,
    const char *command, struct str params)
{
	struct client	*node;
	struct wish	 q;
	char		 id[NAME_BYTES + 1];

	q.node_id = name_of(node_id, id).p;
	if (id[0] == '\0' && node_id->n < NAME_BYTES) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "nodeId required");
		return;
	}
	if ((node = rt_node_find(str_of(id))) == NULL) {
		fail(r->client, r->id, "NOT_CONNECTED", "node not connected");
		return;
	}
	q.command = command;
	q.params = params;
	q.timeout = q.key = absent;
	invoke_start(r, node, &q);
}

void
rt_do_node_approvals_get(struct request *r)
{
	approvals(r, &r->p.EXEC_APPROVALS_NODE_GET.nodeId,
	    "system.execApprovals.get", STR_LIT("{}"));
}

void
rt_do_node_approvals_set(struct request *r)
{
	struct p_EXEC_APPROVALS_NODE_SET	*v =
	    &r->p.EXEC_APPROVALS_NODE_SET;
	struct dbuf				 b;
	struct jw				 w;

	dbuf_init(&b, RT_MAX_PAYLOAD);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kraw(&w, "file", v->file.p, v->file.n);
	if (v->baseHash.kind == SKIM_STRING)
		jw_kraw(&w, "baseHash", v->baseHash.p, v->baseHash.n);
	jw_obj_end(&w);
	if (dbuf_err(&b))
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "out of memory; try again");
	else
		approvals(r, &v->nodeId, "system.execApprovals.set",
		    (struct str){ b.p, b.n });
	dbuf_clear(&b);
}

/* --- results ------------------------------------------------------------------------ */

/* What a result came to: payload as JSON, and text as the node wrote it. */
struct result {
	struct str	 payload, text;
	bool		 as_it_is;	/* text is no JSON: shown in an object */
	char		*copy;
};

static int
result_read(const struct p_NODE_INVOKE_RESULT *v, struct result *o)
{
	struct skim_val	 json;
	ssize_t		 n;

	memset(o, 0, sizeof(*o));
	if (v->payload.kind != SKIM_ABSENT)
		o->payload = (struct str){ v->payload.p, v->payload.n };
	else if (v->payloadJSON.kind != SKIM_ABSENT &&
	    v->payloadJSON.kind != SKIM_NULL &&
	    v->payloadJSON.kind != SKIM_STRING)
		o->payload = (struct str){ v->payloadJSON.p,
		    v->payloadJSON.n };
	if (v->payloadJSON.kind != SKIM_STRING)
		return 0;
	o->text = (struct str){ v->payloadJSON.p, v->payloadJSON.n };
	if (v->payloadJSON.n == 2)
		return 0;
	if ((o->copy = malloc(v->payloadJSON.n)) == NULL ||
	    (n = skim_unescape(&v->payloadJSON, o->copy,
	    v->payloadJSON.n)) == -1)
		return -1;
	o->payload = str_trim((struct str){ o->copy, (size_t)n });
	if (o->payload.n > 0 && skim_text(o->payload.p, o->payload.n,
	    &json) == SKIM_OK)
		skim_repair(o->copy + (o->payload.p - o->copy), o->payload.n);
	else {
		o->as_it_is = o->payload.n > 0;
		o->payload.n = 0;
	}
	return 0;
}

static void
answer_result(struct client *c, const struct invoke *i,
    const struct result *o)
{
	struct str	 id = { i->req, i->req_n };
	struct jw	*w;
	char		 text[96];

	if (o->payload.n + 2 * o->text.n + 65536 > RT_OUT_HARD -
	    rt_client_backlog(c)) {
		snprintf(text, sizeof(text), "the node's result is too large "
		    "(%zu bytes)", o->payload.n > o->text.n ? o->payload.n :
		    o->text.n);
		fail(c, id, "UNAVAILABLE", text);
		return;
	}
	w = rt_answer_begin(c, id);
	if (i->method->id == METHOD_NODE_INVOKE) {
		jw_obj(w);
		jw_kbool(w, "ok", true);
		jw_ks(w, "nodeId", i->node_id);
		jw_ks(w, "command", i->command);
		if (o->payload.n > 0)
			jw_kraw(w, "payload", o->payload.p, o->payload.n);
		if (o->as_it_is) {
			jw_kobj(w, "payload");
			jw_kraw(w, "payloadJSON", o->text.p, o->text.n);
			jw_obj_end(w);
		}
		if (o->text.n > 0)
			jw_kraw(w, "payloadJSON", o->text.p, o->text.n);
		else
			jw_knull(w, "payloadJSON");
		jw_obj_end(w);
	} else if (o->payload.n > 0)
		jw_raw(w, o->payload.p, o->payload.n);
	else
		jw_null(w);
	rt_answer_end(c);
}

static void
answer_failure(struct client *c, const struct invoke *i,
    const struct skim_val *error)
{
	struct skim_val	 v;
	struct dbuf	 b;
	struct jw	 w;
	char		 text[4097];

	strlcpy(text, "node invoke failed", sizeof(text));
	if (error->kind == SKIM_OBJECT && skim_get(error, "message", &v) &&
	    v.kind == SKIM_STRING && v.n > 2 &&
	    skim_unescape(&v, text, sizeof(text)) == -1)
		strlcpy(text, "node invoke failed; what it said is too long",
		    sizeof(text));
	dbuf_init(&b, ERROR_RAW + 64);
	jw_init(&w, &b);
	jw_obj(&w);
	if (error->kind == SKIM_OBJECT && error->n <= ERROR_RAW)
		jw_kraw(&w, "nodeError", error->p, error->n);
	else
		jw_knull(&w, "nodeError");
	jw_obj_end(&w);
	fail_raw(c, (struct str){ i->req, i->req_n }, text, dbuf_str(&b));
	dbuf_clear(&b);
}

/* The error member: an object of two texts.  NULL, or what is wrong. */
static const char *
error_wrong(const struct skim_val *error)
{
	struct skim_iter	 it;
	struct skim_val		 key, v;

	if (error->kind == SKIM_ABSENT || error->kind == SKIM_NULL)
		return NULL;
	if (error->kind != SKIM_OBJECT)
		return "at /error: must be object";
	skim_iter_init(&it, error);
	while (skim_next(&it, &key, &v)) {
		if (!skim_is(&key, "code") && !skim_is(&key, "message"))
			return "at /error: unexpected property";
		if (v.kind != SKIM_STRING && v.kind != SKIM_NULL)
			return skim_is(&key, "code") ?
			    "at /error/code: must be string" :
			    "at /error/message: must be string";
	}
	return NULL;
}

static struct invoke *
invoke_of(const struct client *node, const struct skim_val *id)
{
	struct invoke	*i;
	char		 buf[64];

	if (skim_unescape(id, buf, sizeof(buf)) == -1)
		return NULL;
	TAILQ_FOREACH(i, &invokes, entry)
		if (i->node == node->id && strcmp(i->id, buf) == 0)
			return i;
	return NULL;
}

void
rt_do_node_invoke_result(struct request *r)
{
	struct p_NODE_INVOKE_RESULT	*v = &r->p.NODE_INVOKE_RESULT;
	struct client			*c;
	struct invoke			*i;
	struct result			 o;
	const char			*why;
	char				 text[128];

	if ((why = error_wrong(&v->error)) != NULL) {
		snprintf(text, sizeof(text), "invalid node.invoke.result "
		    "params: %s", why);
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", text);
		return;
	}
	if (r->client->node == NULL ||
	    !skim_is(&v->nodeId, rt_node_id(r->client))) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "nodeId mismatch");
		return;
	}
	if ((i = invoke_of(r->client, &v->id)) == NULL) {
		log_debug("node %.16s: result of no command that waits",
		    rt_node_id(r->client));
		rt_answer_raw(r->client, r->id,
		    "{\"ok\":true,\"ignored\":true}", 26);
		return;
	}
	invoke_take(i);
	if ((c = rt_client_find(i->client)) != NULL) {
		if (v->ok.p[0] != 't')
			answer_failure(c, i, &v->error);
		else if (result_read(v, &o) == 0) {
			answer_result(c, i, &o);
			free(o.copy);
		} else {
			free(o.copy);
			fail(c, (struct str){ i->req, i->req_n },
			    "UNAVAILABLE", "the node's result does not fit");
		}
	}
	invoke_free(i);
	rt_answer_raw(r->client, r->id, "{\"ok\":true}", 11);
}
