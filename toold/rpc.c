/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests of clients that this process answers, handed on by the router:
 * the approvals file, which is ours, and the jail's self-test.  The router
 * has checked the scope; it is checked here again, because a wrong table
 * there must not let an agent's helper widen what the agent may run.
 */
#include "common/compat.h"

#include <errno.h>

#include "common/log.h"
#include "toold/toold.h"

void
trpc_answer(struct toold *t, uint64_t corr, json_t *result, const char *code,
    const char *message)
{
	struct m_rpc_res	 res;
	char			*text = NULL;

	if (t->router == NULL) {
		json_decref(result);
		return;
	}
	memset(&res, 0, sizeof(res));
	if (result != NULL)
		text = json_dumps(result, JSON_COMPACT);
	res.ok = text != NULL;
	res.result = str_of(text);
	if (!res.ok) {
		res.code = str_of(code != NULL ? code : "UNAVAILABLE");
		res.message = str_of(message != NULL ? message :
		    "out of memory");
	}
	if (send_rpc_res(t->router, &res, corr, MSG_F_REPLY) == -1)
		log_warn("rpc_res");
	free(text);
	json_decref(result);
}

static void
refuse(struct toold *t, uint64_t corr, const char *message)
{
	trpc_answer(t, corr, NULL, "INVALID_REQUEST", message);
}

static void
rpc_snapshot(struct toold *t, uint64_t corr)
{
	char	 path[WPATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/" EXECLIST_NAME, t->spool);
	trpc_answer(t, corr, json_pack("{s:s, s:b, s:s, s:O, s:s}", "path",
	    path, "exists", t->execlist.exists, "hash", t->execlist.hash,
	    "file", t->execlist.root, "agentId", t->agent), NULL, NULL);
}

static void
rpc_get(struct toold *t, uint64_t corr)
{
	/* As the protocol has it: asking makes the file.  One that could not
	 * be understood stays as it is until somebody sets another. */
	if (!t->execlist.exists && execlist_store(&t->execlist, t->spool_fd,
	    json_incref(t->execlist.root)) == -1)
		log_warn("%s/" EXECLIST_NAME, t->spool);
	rpc_snapshot(t, corr);
}

static void
rpc_set(struct toold *t, uint64_t corr, const json_t *params,
    struct str principal)
{
	const char	*hash, *key;
	json_t		*file, *v, *root;
	char		*text, why[256], full[512];

	hash = json_string_value(json_object_get(params, "baseHash"));
	file = json_object_get(params, "file");
	if (hash == NULL || *hash == '\0') {
		refuse(t, corr, "exec approvals base hash required; re-run "
		    "exec.approvals.get and retry");
		return;
	}
	if (strcmp(hash, t->execlist.hash) != 0) {
		refuse(t, corr, "exec approvals changed since last load; "
		    "re-run exec.approvals.get and retry");
		return;
	}
	strlcpy(why, "is missing", sizeof(why));
	text = json_dumps(file, JSON_COMPACT | JSON_ENCODE_ANY);
	root = text == NULL ? NULL : execlist_parse(str_of(text), why,
	    sizeof(why));
	free(text);
	if (root == NULL) {
		snprintf(full, sizeof(full), "invalid exec.approvals.set "
		    "params: file: %s", why);
		refuse(t, corr, full);
		return;
	}
	/* Each agent has its own; what stands here for another would never
	 * be looked at. */
	json_object_foreach(json_object_get(root, "agents"), key, v) {
		if (strcmp(key, "*") == 0 || strcmp(key, t->agent) == 0)
			continue;
		snprintf(full, sizeof(full), "file: agents.%.64s: this is the "
		    "list of agent %.64s; set the other one's with its "
		    "agentId", key, t->agent);
		json_decref(root);
		refuse(t, corr, full);
		return;
	}
	if (execlist_store(&t->execlist, t->spool_fd, root) == -1) {
		snprintf(full, sizeof(full), "the list could not be written: "
		    "%s; nothing has changed", strerrordesc_np(errno));
		trpc_answer(t, corr, NULL, "UNAVAILABLE", full);
		return;
	}
	log_info("approvals: the list was replaced by %s",
	    principal.n > 0 ? principal.p : "?");
	rpc_snapshot(t, corr);
}

enum msg_err
trpc_request(struct toold *t, struct link *l, struct msg *m)
{
	struct m_rpc_req	 req;
	json_t			*params;
	enum msg_err		 err;

	(void)l;
	if ((err = get_rpc_req(m, &req)) != MSG_OK)
		return err;
	if (!str_eqs(req.method, "sandbox.selftest") &&
	    !str_eqs(req.method, "exec.approvals.get") &&
	    !str_eqs(req.method, "exec.approvals.set")) {
		refuse(t, m->h.corr, "unknown method");
		return MSG_OK;
	}
	if ((req.scopes & SCOPE_ADMIN) == 0) {
		refuse(t, m->h.corr, "missing scope: operator.admin");
		return MSG_OK;
	}
	if (str_eqs(req.method, "sandbox.selftest")) {
		selftest_rpc(t, m->h.corr);
		return MSG_OK;
	}
	if (str_eqs(req.method, "exec.approvals.get")) {
		rpc_get(t, m->h.corr);
		return MSG_OK;
	}
	/* The router skimmed it: its depth is bounded. */
	params = json_loadb(req.params.p, req.params.n, 0, NULL);
	rpc_set(t, m->h.corr, params, req.principal);
	json_decref(params);
	return MSG_OK;
}
