/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Questions about commands: shown to operators with operator.approvals,
 * answered once, by whoever is first.  A toold's question goes back to the
 * link it came from and repeats the digest it came with; whose command it is
 * is told by that link, never by the message (T25).  agentd is not on this
 * path.  A client may ask too (exec.approval.request); then only clients
 * hear of the answer.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define APPROVALS_MAX	512
#define APPROVALS_LINK	64		/* of one toold */
#define APPROVALS_CLIENT 16		/* of one client */
#define WAITERS_MAX	16
#define COMMAND_MAX	65536
#define TIMEOUT_MS	120000
#define TIMEOUT_MAX_MS	86400000
#define LATE_MS		5000		/* a toold that does not say the end */

struct approval {
	TAILQ_ENTRY(approval)	 entry;
	struct link		*from;		/* toold, or NULL */
	uint64_t		 client;	/* who asked, when from is NULL */
	uint64_t		 created_at, expires_at;
	bool			 always;
	struct payload		*payload;	/* of the event */
	struct pending		*waiter[WAITERS_MAX];
	size_t			 nwaiters;
	char			 digest[65];
	char			 id[65];
};
static TAILQ_HEAD(, approval) approvals = TAILQ_HEAD_INITIALIZER(approvals);
static size_t	 napprovals;

static struct approval *
approval_find(struct str id)
{
	struct approval	*a;

	TAILQ_FOREACH(a, &approvals, entry)
		if (str_eqs(id, a->id))
			return a;
	return NULL;
}

static size_t
approval_count(const struct link *from, uint64_t client)
{
	struct approval	*a;
	size_t		 n = 0;

	TAILQ_FOREACH(a, &approvals, entry)
		n += a->from == from && a->client == client;
	return n;
}

/* Ids are shown and typed. */
static bool
id_ok(struct str id)
{
	size_t	 i;

	for (i = 0; i < id.n; i++)
		if (!ascii_isalnum((unsigned char)id.p[i]) &&
		    strchr("-_.:", id.p[i]) == NULL)
			return false;
	return id.n > 0 && id.n <= 64;
}

static struct approval *
approval_new(struct str id)
{
	struct approval	*a;

	if (napprovals >= APPROVALS_MAX ||
	    (a = calloc(1, sizeof(*a))) == NULL)
		return NULL;
	str_copy(id, a->id, sizeof(a->id));
	TAILQ_INSERT_TAIL(&approvals, a, entry);
	napprovals++;
	return a;
}

/* Who waits is told; decision is "" when there is none. */
static void
approval_free(struct approval *a, const char *decision)
{
	struct pending	*p;
	struct client	*c;
	struct jw	*w;

	TAILQ_REMOVE(&approvals, a, entry);
	napprovals--;
	while (a->nwaiters > 0) {
		p = a->waiter[--a->nwaiters];
		if ((c = rt_client_find(p->client)) != NULL) {
			w = rt_answer_begin(c, (struct str){ p->id, p->id_n });
			jw_obj(w);
			jw_ks(w, "id", a->id);
			if (*decision != '\0')
				jw_ks(w, "decision", decision);
			else
				jw_knull(w, "decision");
			jw_kuint(w, "createdAtMs", a->created_at);
			jw_kuint(w, "expiresAtMs", a->expires_at);
			jw_obj_end(w);
			rt_answer_end(c);
		}
		rt_pending_free(p);
	}
	rt_payload_unref(a->payload);
	free(a);
}

static void
broadcast_resolved(const struct approval *a, const char *decision,
    const char *by)
{
	struct dbuf	 b;
	struct jw	 w;

	dbuf_init(&b, 4096);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "id", a->id);
	jw_ks(&w, "decision", decision);
	if (by != NULL)
		jw_ks(&w, "resolvedBy", by);
	else
		jw_knull(&w, "resolvedBy");
	jw_kuint(&w, "ts", wall_ms());
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		rt_broadcast(EVENT_EXEC_APPROVAL_RESOLVED, b.p, b.n, true,
		    SCOPE_APPROVALS);
	dbuf_clear(&b);
}

static void
broadcast_requested(const struct approval *a)
{
	rt_broadcast(EVENT_EXEC_APPROVAL_REQUESTED, a->payload->p,
	    a->payload->n, true, SCOPE_APPROVALS);
}

/* Nobody will run it any more; "deny" is the only word of the protocol that
 * makes every client take it off its list. */
static void
approval_withdraw(struct approval *a)
{
	broadcast_resolved(a, "deny", NULL);
	approval_free(a, "");
}

/* --- from toold ------------------------------------------------------------- */

static void
member(struct jw *w, const char *key, struct str s)
{
	if (s.n > 0)
		jw_kstr(w, key, s);
	else
		jw_knull(w, key);
}

static struct payload *
payload_of_req(const struct m_ap_req *v, const char *agent)
{
	struct payload	*p = NULL;
	struct dbuf	 b;
	struct jw	 w;

	/* A command of control bytes is six times as long when escaped. */
	dbuf_init(&b, RT_MAX_BUFFERED / 2);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_kstr(&w, "id", v->id);
	jw_kobj(&w, "request");
	jw_kstr(&w, "command", v->command);
	member(&w, "cwd", v->cwd);
	jw_ks(&w, "host", "sandbox");
	jw_kstr(&w, "security", v->security);
	jw_kstr(&w, "ask", v->ask);
	jw_ks(&w, "agentId", agent);
	member(&w, "resolvedPath", v->resolved_path);
	member(&w, "sessionKey", v->session_key);
	jw_obj_end(&w);
	jw_kuint(&w, "createdAtMs", v->created_at);
	jw_kuint(&w, "expiresAtMs", v->expires_at);
	/* Ours: what may be offered, and why it is asked. */
	jw_kbool(&w, "allowAlways", v->always);
	member(&w, "reason", v->reason);
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		p = rt_payload_of(b.p, b.n);
	dbuf_clear(&b);
	return p;
}

enum msg_err
rt_on_ap_req(struct link *l, struct msg *m)
{
	struct rt_agent		*agent = rt_agent_of_link(l);
	struct m_ap_req		 v;
	struct approval		*a;
	enum msg_err		 err;

	if ((err = get_ap_req(m, &v)) != MSG_OK)
		return err;
	if (!id_ok(v.id) || v.command.n == 0 || v.expires_at < v.created_at)
		return MSG_MEANING;
	/* Nobody may take another's question over, nor ask one twice. */
	if (approval_find(v.id) != NULL)
		return MSG_MEANING;
	if (agent == NULL)
		return MSG_OK;		/* of the next configuration */
	if (approval_count(l, 0) >= APPROVALS_LINK)
		return MSG_OK;		/* it will expire there */
	if ((a = approval_new(v.id)) == NULL) {
		log_warnx("%s: approval %s: too many questions",
		    link_name(l), v.id.p);
		return MSG_OK;
	}
	a->from = l;
	a->created_at = v.created_at;
	a->expires_at = v.expires_at;
	a->always = v.always;
	str_copy(v.digest, a->digest, sizeof(a->digest));
	if ((a->payload = payload_of_req(&v, agent->id)) == NULL) {
		approval_free(a, "");
		return MSG_OK;
	}
	broadcast_requested(a);
	return MSG_OK;
}

enum msg_err
rt_on_ap_expire(struct link *l, struct msg *m)
{
	struct m_ap_expire	 v;
	struct approval		*a;
	enum msg_err		 err;

	if ((err = get_ap_expire(m, &v)) != MSG_OK)
		return err;
	if ((a = approval_find(v.id)) == NULL)
		return MSG_OK;		/* decided meanwhile */
	if (a->from != l)
		return MSG_MEANING;
	/* At the time that clients were told nothing is said (spec 4.13). */
	if (v.end == AP_TIMED_OUT)
		approval_free(a, "");
	else
		approval_withdraw(a);
	return MSG_OK;
}

void
rt_approvals_link_gone(struct link *l)
{
	struct approval	*a, *next;

	for (a = TAILQ_FIRST(&approvals); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->from == l)
			approval_withdraw(a);
	}
}

void
rt_approvals_sweep(uint64_t now)
{
	struct approval	*a, *next;

	for (a = TAILQ_FIRST(&approvals); a != NULL; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->from != NULL) {
			if (now >= a->expires_at + LATE_MS)
				approval_free(a, "");
		} else if (now >= a->expires_at)
			approval_free(a, "");
		else if (rt_client_find(a->client) == NULL)
			approval_withdraw(a);	/* no reader is left */
	}
}

/* --- methods ------------------------------------------------------------------ */

static void
wait_for(struct request *r, struct approval *a)
{
	struct pending	*p;
	uint64_t	 now = wall_ms(), left;

	left = a->expires_at > now ? a->expires_at - now : 0;
	if (a->nwaiters == WAITERS_MAX || (p = rt_pending_new(PEND_DECISION,
	    NULL, r->client, r->id, (uint32_t)left + 2 * LATE_MS)) == NULL) {
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many requests wait for a decision");
		return;
	}
	p->method = r->method;
	p->approval = a;
	a->waiter[a->nwaiters++] = p;
}

/* The clock of the table ran out before ours: there is no decision. */
void
rt_decision_fail(struct pending *p)
{
	struct approval	*a = p->approval;
	struct client	*c;
	size_t		 i;

	for (i = 0; i < a->nwaiters; i++)
		if (a->waiter[i] == p) {
			a->waiter[i] = a->waiter[--a->nwaiters];
			break;
		}
	if ((c = rt_client_find(p->client)) != NULL)
		rt_answer_error(c, (struct str){ p->id, p->id_n },
		    "UNAVAILABLE", "no decision in time");
	rt_pending_free(p);
}

static void
put_value(struct jw *w, const char *key, const struct skim_val *v)
{
	if (v->kind == SKIM_STRING)
		jw_kraw(w, key, v->p, v->n);
	else
		jw_knull(w, key);
}

static struct payload *
payload_of_client(struct request *r, const struct approval *a)
{
	struct p_EXEC_APPROVAL_REQUEST	*q = &r->p.EXEC_APPROVAL_REQUEST;
	struct payload			*p = NULL;
	struct dbuf			 b;
	struct jw			 w;

	dbuf_init(&b, RT_MAX_BUFFERED / 2);
	jw_init(&w, &b);
	jw_obj(&w);
	jw_ks(&w, "id", a->id);
	jw_kobj(&w, "request");
	put_value(&w, "command", &q->command);
	put_value(&w, "cwd", &q->cwd);
	put_value(&w, "host", &q->host);
	put_value(&w, "security", &q->security);
	put_value(&w, "ask", &q->ask);
	put_value(&w, "agentId", &q->agentId);
	put_value(&w, "resolvedPath", &q->resolvedPath);
	put_value(&w, "sessionKey", &q->sessionKey);
	jw_obj_end(&w);
	jw_kuint(&w, "createdAtMs", a->created_at);
	jw_kuint(&w, "expiresAtMs", a->expires_at);
	jw_kbool(&w, "allowAlways", true);
	/* A client's words are not those of a toold, whoever it says it is. */
	jw_ks(&w, "requestedBy", r->client->principal);
	jw_obj_end(&w);
	if (!dbuf_err(&b))
		p = rt_payload_of(b.p, b.n);
	dbuf_clear(&b);
	return p;
}

void
rt_do_approval_request(struct request *r)
{
	struct p_EXEC_APPROVAL_REQUEST	*q = &r->p.EXEC_APPROVAL_REQUEST;
	struct approval			*a;
	char				 id[128];
	int64_t				 ms = TIMEOUT_MS;

	uuid_v4(id);
	if (q->id.kind == SKIM_STRING && (skim_unescape(&q->id, id,
	    sizeof(id)) == -1 || !id_ok(str_of(id)))) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", "invalid "
		    "exec.approval.request params: at /id: must be at most 64 "
		    "letters, digits and - _ . :");
		return;
	}
	if (q->command.n > COMMAND_MAX) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST", "invalid "
		    "exec.approval.request params: at /command: too long");
		return;
	}
	if (approval_find(str_of(id)) != NULL) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "approval id already pending");
		return;
	}
	if (q->timeoutMs.kind == SKIM_NUMBER)
		skim_int(&q->timeoutMs, &ms);
	if (ms > TIMEOUT_MAX_MS)
		ms = TIMEOUT_MAX_MS;
	if (approval_count(NULL, r->client->id) >= APPROVALS_CLIENT ||
	    (a = approval_new(str_of(id))) == NULL) {
		rt_answer_error(r->client, r->id, "UNAVAILABLE",
		    "too many questions wait for a decision");
		return;
	}
	a->client = r->client->id;
	a->created_at = wall_ms();
	a->expires_at = a->created_at + (uint64_t)ms;
	a->always = true;
	a->payload = payload_of_client(r, a);
	if (a->payload != NULL)
		wait_for(r, a);
	else
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "the request is too large");
	if (a->nwaiters == 0) {
		approval_free(a, "");
		return;
	}
	broadcast_requested(a);
}

/* The open one that a parameter names; NULL after the answer. */
static struct approval *
approval_of(struct request *r, const struct skim_val *v)
{
	struct approval	*a;
	char		 id[128];
	ssize_t		 n = skim_unescape(v, id, sizeof(id));

	a = n == -1 ? NULL : approval_find((struct str){ id, (size_t)n });
	if (a != NULL && wall_ms() < a->expires_at)
		return a;
	rt_answer_error(r->client, r->id, "INVALID_REQUEST",
	    "unknown approval id");
	return NULL;
}

void
rt_do_approval_resolve(struct request *r)
{
	static const char *const names[AP_VERDICT_MAX] = {
		[AP_ALLOW_ONCE] = "allow-once",
		[AP_ALLOW_ALWAYS] = "allow-always", [AP_DENY] = "deny" };
	struct m_ap_decision	 d;
	struct approval		*a;
	struct jw		*w;
	unsigned int		 verdict;

	for (verdict = 0; verdict < AP_VERDICT_MAX; verdict++)
		if (skim_is(&r->p.EXEC_APPROVAL_RESOLVE.decision,
		    names[verdict]))
			break;
	if (verdict == AP_VERDICT_MAX) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "invalid decision");
		return;
	}
	if ((a = approval_of(r, &r->p.EXEC_APPROVAL_RESOLVE.id)) == NULL)
		return;
	if (verdict == AP_ALLOW_ALWAYS && !a->always) {
		rt_answer_error(r->client, r->id, "INVALID_REQUEST",
		    "invalid decision: this command can be allowed once only");
		return;
	}
	if (a->from != NULL) {
		memset(&d, 0, sizeof(d));
		d.id = str_of(a->id);
		d.digest = str_of(a->digest);
		d.verdict = (uint8_t)verdict;
		d.resolved_by = str_of(r->client->principal);
		d.resolved_by.n = utf8_cut(d.resolved_by.p, d.resolved_by.n,
		    256);
		if (link_full(a->from) || send_ap_decision(a->from, &d,
		    link_corr(), 0) == -1) {
			rt_answer_error(r->client, r->id, "UNAVAILABLE",
			    "the decision could not be handed on; try again");
			return;
		}
	}
	if (a->from == NULL && verdict != AP_DENY)
		rt_node_run_decided(a->client, a->payload,
		    verdict == AP_ALLOW_ALWAYS);
	broadcast_resolved(a, names[verdict], r->client->principal);
	approval_free(a, names[verdict]);
	w = rt_answer_begin(r->client, r->id);
	jw_obj(w);
	jw_kbool(w, "ok", true);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

void
rt_do_approval_list(struct request *r)
{
	struct jw	*w = rt_answer_begin(r->client, r->id);
	struct approval	*a;
	uint64_t	 now = wall_ms();
	size_t		 total = 0;

	jw_obj(w);
	jw_karr(w, "approvals");
	TAILQ_FOREACH(a, &approvals, entry) {
		total += a->payload->n;
		if (now < a->expires_at && total < RT_MAX_BUFFERED / 2)
			jw_raw(w, a->payload->p, a->payload->n);
	}
	jw_arr_end(w);
	jw_obj_end(w);
	rt_answer_end(r->client);
}

void
rt_do_approval_wait(struct request *r)
{
	struct approval	*a;

	if ((a = approval_of(r, &r->p.EXEC_APPROVAL_WAIT.id)) != NULL)
		wait_for(r, a);
}
