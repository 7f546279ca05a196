/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Questions to an operator, over the link to the router and past agentd, whose
 * hostile text they are about (T25).  A question ends once: by a decision that
 * repeats its digest, by its clock, or because nobody wants the command any
 * more.  It lives here, so a router that dies loses nothing: the next one is
 * asked again.
 */
#include "common/compat.h"

#include "common/log.h"
#include "toold/toold.h"

struct question {
	LIST_ENTRY(question)	 entry;
	struct toold		*t;
	char			 id[37];
	char			 digest[65];
	uint64_t		 created_at, expires_at;
	bool			 always;
	char			*command, *cwd, *session, *path, *reason;
	const char		*security, *ask;
	struct event		*timer;
	question_cb		 cb;
	void			*arg;
};

static void
question_free(struct question *q)
{
	LIST_REMOVE(q, entry);
	q->t->nquestions--;
	if (q->timer != NULL)
		event_free(q->timer);
	free(q->command);
	free(q->cwd);
	free(q->session);
	free(q->path);
	free(q->reason);
	free(q);
}

static void
question_send(struct question *q)
{
	struct m_ap_req	 m;

	/* Nobody to ask now; whoever joins is asked. */
	if (q->t->router == NULL)
		return;
	memset(&m, 0, sizeof(m));
	m.id = str_of(q->id);
	m.digest = str_of(q->digest);
	m.created_at = q->created_at;
	m.expires_at = q->expires_at;
	m.always = q->always;
	m.security = str_of(q->security);
	m.ask = str_of(q->ask);
	m.cwd = str_of(q->cwd);
	m.resolved_path = str_of(q->path);
	m.session_key = str_of(q->session);
	m.reason = str_of(q->reason);
	m.command = str_of(q->command);
	if (send_ap_req(q->t->router, &m, link_corr(), 0) == -1)
		log_warn("ap_req");
}

static void
question_tell_end(const struct question *q, enum ap_end end)
{
	struct m_ap_expire	 m;

	if (q->t->router == NULL)
		return;
	memset(&m, 0, sizeof(m));
	m.id = str_of(q->id);
	m.end = (uint8_t)end;
	if (send_ap_expire(q->t->router, &m, link_corr(), 0) == -1)
		log_warn("ap_expire");
}

/* The answer; the question is gone before anything follows from it. */
static void
question_end(struct question *q, enum question_answer answer, struct str by)
{
	question_cb	 cb = q->cb;
	void		*arg = q->arg;
	char		 name[257];

	str_copy(by, name, sizeof(name));
	question_free(q);
	cb(arg, answer, name);
}

static void
question_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct question	*q = arg;

	(void)fd;
	(void)what;
	question_tell_end(q, AP_TIMED_OUT);
	question_end(q, QUESTION_TIMED_OUT, STR_LIT(""));
}

struct question *
question_ask(struct toold *t, const struct question_spec *spec,
    question_cb cb, void *arg, const char **why)
{
	struct question	*q;
	struct timeval	 tv = {spec->ms / 1000, spec->ms % 1000 * 1000};

	*why = "too many commands wait for approval";
	if (t->nquestions >= TOOLD_QUESTIONS_MAX)
		return NULL;
	*why = "out of memory";
	if ((q = calloc(1, sizeof(*q))) == NULL)
		return NULL;
	LIST_INSERT_HEAD(&t->questions, q, entry);
	t->nquestions++;
	q->t = t;
	uuid_v4(q->id);
	strlcpy(q->digest, spec->digest, sizeof(q->digest));
	q->created_at = wall_ms();
	q->expires_at = q->created_at + spec->ms;
	q->always = spec->always;
	q->security = toolpolicy_security_name(spec->security);
	q->ask = toolpolicy_ask_name(spec->ask);
	q->command = str_dup(spec->command);
	q->cwd = strdup(spec->cwd);
	q->session = str_dup(spec->session);
	q->path = strdup(spec->path);
	q->reason = strdup(spec->reason);
	q->cb = cb;
	q->arg = arg;
	q->timer = evtimer_new(t->base, question_timer_cb, q);
	if (q->command == NULL || q->cwd == NULL || q->session == NULL ||
	    q->path == NULL || q->reason == NULL || q->timer == NULL ||
	    evtimer_add(q->timer, &tv) == -1) {
		question_free(q);
		return NULL;
	}
	question_send(q);
	return q;
}

const char *
question_id(const struct question *q)
{
	return q->id;
}

uint64_t
question_expires(const struct question *q)
{
	return q->expires_at;
}

void
question_withdraw(struct question *q)
{
	if (q == NULL)
		return;
	question_tell_end(q, AP_WITHDRAWN);
	question_free(q);
}

void
question_router_up(struct toold *t)
{
	struct question	*q;

	LIST_FOREACH(q, &t->questions, entry)
		question_send(q);
}

enum msg_err
question_decision(struct toold *t, struct link *l, struct msg *m)
{
	struct m_ap_decision	 d;
	struct question		*q;
	enum msg_err		 err;

	if ((err = get_ap_decision(m, &d)) != MSG_OK)
		return err;
	if (d.verdict >= AP_VERDICT_MAX || l != t->router)
		return MSG_MEANING;
	LIST_FOREACH(q, &t->questions, entry)
		if (str_eqs(d.id, q->id))
			break;
	/* It ended while the answer was on its way. */
	if (q == NULL)
		return MSG_OK;
	/* An answer to something else that was asked under this id. */
	if (!str_eqs(d.digest, q->digest))
		return MSG_MEANING;
	if (d.verdict == AP_ALLOW_ALWAYS && !q->always)
		d.verdict = AP_ALLOW_ONCE;
	log_info("approval %s: %s by %s", q->id, d.verdict == AP_DENY ?
	    "denied" : d.verdict == AP_ALLOW_ONCE ? "allowed once" :
	    "allowed always", d.resolved_by.n > 0 ? d.resolved_by.p : "?");
	question_end(q, d.verdict == AP_DENY ? QUESTION_DENIED : d.verdict ==
	    AP_ALLOW_ONCE ? QUESTION_ONCE : QUESTION_ALWAYS, d.resolved_by);
	return MSG_OK;
}
