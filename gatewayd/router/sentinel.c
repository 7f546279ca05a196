/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the restart was for: told to the session of whoever asked for it, or to
 * the main one, and then to the parent, who forgets it (spec 8.4).  It is
 * offered until an agent has it on the disk.
 */
#include "common/compat.h"

#include "common/log.h"
#include "common/memfd.h"
#include "gatewayd/router/router.h"

#define FILE_MAX	(1u << 20)
#define TEXT_MAX	32768		/* AG_SYSTEM.text */

static char	*text;			/* NULL: nothing to tell */
static char	 session[ROUTE_KEY_MAX + 1], dedupe[64];
static bool	 asked, wake;		/* somebody asked for it there */

static void
finish(void)
{
	struct m_sup_sentinel	 m = { 0 };

	free(text);
	text = NULL;
	if (rt.ctl != NULL)
		send_sup_sentinel(rt.ctl, &m, 0, 0);
}

/* The payload of a file of version 1; -1: nothing that could be told. */
static int
read_file(const char *p, size_t n)
{
	struct skim_val	 root, v, payload;
	struct dbuf	 b;
	int64_t		 version = 0, ts = 0;

	if (skim_text(p, n, &root) != SKIM_OK || root.kind != SKIM_OBJECT ||
	    !skim_get(&root, "version", &v) || !skim_int(&v, &version) ||
	    version != 1 || !skim_get(&root, "payload", &payload) ||
	    payload.kind != SKIM_OBJECT)
		return -1;
	if (skim_get(&payload, "ts", &v))
		(void)skim_int(&v, &ts);
	snprintf(dedupe, sizeof(dedupe), "restart-%lld", (long long)ts);
	session[0] = '\0';
	if (skim_get(&payload, "sessionKey", &v) && v.kind == SKIM_STRING &&
	    skim_unescape(&v, session, sizeof(session)) == -1)
		session[0] = '\0';
	wake = session[0] != '\0';
	dbuf_init(&b, FILE_MAX + 64);
	dbuf_puts(&b, "GatewayRestart:\n");
	dbuf_put(&b, payload.p, payload.n);
	if (!dbuf_err(&b) && b.n > TEXT_MAX) {
		b.n = utf8_cut(b.p, b.n, TEXT_MAX - 4);
		dbuf_puts(&b, "\xe2\x80\xa6");
	}
	text = dbuf_err(&b) ? NULL : dbuf_take(&b, NULL);
	dbuf_clear(&b);
	return text != NULL ? 0 : -1;
}

enum msg_err
rt_on_sup_sentinel(struct msg *m)
{
	const void	*p;
	size_t		 n;
	int		 r;

	if (m->nfds != 1 || memfd_map(m->fds[0], FILE_MAX, &p, &n) == -1)
		return MSG_FD;
	if (text != NULL) {
		memfd_unmap(p, n);
		return MSG_OK;		/* we have it */
	}
	r = n > 0 ? read_file(p, n) : -1;
	memfd_unmap(p, n);
	if (r == -1) {
		log_warnx("restart-sentinel.json: not what a gateway writes; "
		    "it is removed");
		finish();
	} else
		rt_sentinel_try();
	return MSG_OK;
}

void
rt_sentinel_try(void)
{
	struct m_ag_system	 v;
	struct rt_agent		*a;
	struct pending		*p;

	if (text == NULL || asked || rt.stopping)
		return;
	if (session[0] == '\0' ||
	    (a = rt_agent_of_key(str_of(session))) == NULL) {
		strlcpy(session, rt.cf->main_key, sizeof(session));
		a = &rt.cf->agents[rt.cf->default_agent];
		wake = false;
	}
	if (a->link == NULL || link_full(a->link) ||
	    (p = rt_pending_new(PEND_SENTINEL, a->link, NULL,
	    (struct str){ "", 0 }, RT_RPC_MS)) == NULL)
		return;		/* the next sweep */
	memset(&v, 0, sizeof(v));
	v.session_key = str_of(session);
	v.dedupe_key = str_of(dedupe);
	v.wake = wake;
	v.text = str_of(text);
	if (send_ag_system(a->link, &v, p->corr, 0) == -1)
		rt_pending_free(p);
	else
		asked = true;
}

void
rt_sentinel_fail(struct pending *p)
{
	rt_pending_free(p);
	asked = false;
}

void
rt_sentinel_ack(struct pending *p, const struct m_ag_turn_ack *v)
{
	rt_sentinel_fail(p);
	if (text == NULL || (v->status == TURN_REFUSED &&
	    str_eqs(v->code, "UNAVAILABLE")))
		return;		/* again with the next sweep */
	if (v->status == TURN_REFUSED && strcmp(session,
	    rt.cf->main_key) != 0) {
		session[0] = '\0';
		return;
	}
	if (v->status == TURN_REFUSED)
		log_warnx("restart-sentinel.json: the agent takes it not: %s",
		    v->reason.p);
	finish();
}
