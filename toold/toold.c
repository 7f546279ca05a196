/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* The tool monitor without its process: see toold.h. */
#include "common/compat.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/folder.h"
#include "common/log.h"
#include "toold/toold.h"

#define STR_KEY(field, key, must)					\
	toold_key(t->field, sizeof(t->field), p, key, must, why, size)

static int
toold_key(char *buf, size_t bufsize, const struct parcel *p, const char *key,
    bool must, char *why, size_t size)
{
	const char	*s = parcel_get(p, "%s", key);

	if (s == NULL || *s == '\0') {
		buf[0] = '\0';
		if (must)
			snprintf(why, size, "%s: missing", key);
		return must ? -1 : 0;
	}
	if (strlcpy(buf, s, bufsize) >= bufsize) {
		snprintf(why, size, "%s: too long", key);
		return -1;
	}
	return 0;
}

int
toold_configure(struct toold *t, const struct parcel *p, bool reload,
    char *why, size_t size)
{
	const char	*s;

	if (reload) {
		/* Folders are fixed by the sandbox of this process. */
		s = parcel_get(p, "workspace");
		if (s == NULL || strcmp(s, t->workspace) != 0) {
			snprintf(why, size,
			    "workspace: changes with a restart");
			return -1;
		}
		if (t->reload)
			toolpolicy_clear(&t->next_policy);
		t->reload = false;
		if (toolpolicy_init(&t->next_policy,
		    parcel_get_str(p, "json.tools"), why, size) == -1)
			return -1;
		t->reload = true;
		return 0;
	}
	if (STR_KEY(agent, "agent.id", false) == -1 ||
	    STR_KEY(workspace, "workspace", true) == -1 ||
	    STR_KEY(spool, "spool.dir", false) == -1 ||
	    STR_KEY(tz, "tz", false) == -1)
		return -1;
	if (t->workspace[0] != '/') {
		snprintf(why, size, "workspace: not an absolute path");
		return -1;
	}
	tresult_mask(parcel_get_bool(p, true, "redact"));
	return toolpolicy_init(&t->policy, parcel_get_str(p, "json.tools"),
	    why, size);
}

void
toold_commit(struct toold *t)
{
	if (!t->reload)
		return;
	toolpolicy_clear(&t->policy);
	t->policy = t->next_policy;
	memset(&t->next_policy, 0, sizeof(t->next_policy));
	t->reload = false;
	if (t->agentd != NULL)
		tcall_send_list(t, t->agentd, 0);
}

int
toold_open(struct toold *t)
{
	char	 why[256];

	TAILQ_INIT(&t->fetchops);
	t->spool_fd = -1;
	if (t->spool[0] != '\0') {
		t->spool_fd = open(t->spool, O_RDONLY | O_DIRECTORY |
		    O_CLOEXEC);
		/* Without it long output loses its middle, no more. */
		if (t->spool_fd == -1)
			log_warn("spool folder %s", t->spool);
		else
			/* Of a process before this one: nobody can ask for
			 * them any more. */
			folder_sweep(t->spool_fd, "job-", 0);
	}
	execlist_load(&t->execlist, t->spool_fd, why, sizeof(why));
	if (t->execlist.broken)
		log_warnx("%s/" EXECLIST_NAME ": %s; until it is mended every "
		    "command needs an operator's approval", t->spool, why);
	return 0;
}

void
toold_peer(struct toold *t, struct link *l)
{
	switch (link_peer(l)) {
	case ROLE_JAILER:
		t->jailer = l;
		break;
	case ROLE_FILES:
		t->files = l;
		break;
	case ROLE_FETCH:
		fetchop_peer(t, l);
		break;
	case ROLE_ROUTER:
		t->router = l;
		question_router_up(t);
		break;
	case ROLE_AGENT:
		t->agentd = l;
		break;
	default:
		break;
	}
}

void
toold_peer_gone(struct toold *t, struct link *l)
{
	switch (link_peer(l)) {
	case ROLE_JAILER:
		if (t->jailer != l)
			break;
		t->jailer = NULL;
		tjob_link_gone(t);
		selftest_link_gone(t);
		break;
	case ROLE_FILES:
		if (t->files != l)
			break;
		t->files = NULL;
		fileop_link_gone(t);
		break;
	case ROLE_FETCH:
		fetchop_link_gone(t, l);
		break;
	case ROLE_ROUTER:
		if (t->router == l)
			t->router = NULL;
		break;
	case ROLE_AGENT:
		if (t->agentd == l)
			t->agentd = NULL;
		tcall_link_gone(t, l);
		break;
	default:
		break;
	}
}

enum msg_err
toold_message(struct toold *t, struct link *l, struct msg *m)
{
	switch (m->h.type) {
	case MSG_TL_CALL:
		return tcall_start(t, l, m);
	case MSG_TL_CANCEL:
		return tcall_cancel(t, l, m);
	case MSG_TL_LIST:
		return tcall_list(t, l, m);
	case MSG_JL_STARTED:
		return tjob_started(t, m);
	case MSG_JL_EXIT:
		return tjob_exit(t, m);
	case MSG_JL_SELFTEST_RES:
		return selftest_result(t, m);
	case MSG_FW_RES:
		return fileop_result(t, m);
	case MSG_FT_RES:
		return fetchop_result(t, m);
	case MSG_RPC_REQ:
		return trpc_request(t, l, m);
	case MSG_AP_DECISION:
		return question_decision(t, l, m);
	default:
		return MSG_UNKNOWN;
	}
}

void
toold_drain(struct toold *t, void (*drained)(void))
{
	struct job	*j;

	t->draining = true;
	t->drained = drained;
	tcall_cancel_all(t);
	LIST_FOREACH(j, &t->jobs, entry) {
		if (j->state == JOB_ENDED)
			continue;
		j->aborted = true;
		tjob_end(j, 1000);
	}
	if (t->ncalls == 0 && t->nrunning == 0 && t->drained != NULL) {
		t->drained();
		t->drained = NULL;
	}
}

void
toold_close(struct toold *t)
{
	struct call	*c;

	while ((c = LIST_FIRST(&t->calls)) != NULL) {
		c->link = NULL;
		tcall_fail(c, "The gateway is being stopped.");
	}
	fileop_link_gone(t);
	fetchop_clear(t);
	selftest_link_gone(t);
	tjob_free_all(t);
	/* When each entry was used last, as far as nothing wrote it before. */
	if (t->execlist.used && t->execlist.exists && !t->execlist.broken)
		(void)execlist_store(&t->execlist, t->spool_fd,
		    json_incref(t->execlist.root));
	execlist_clear(&t->execlist);
	toolpolicy_clear(&t->policy);
	if (t->reload)
		toolpolicy_clear(&t->next_policy);
	if (t->spool_fd != -1)
		close(t->spool_fd);
	t->spool_fd = -1;
}
