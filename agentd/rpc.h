/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * What the methods of the public protocol share: one request, its parameters
 * and its one answer.
 */
#ifndef AGENTD_RPC_H
#define AGENTD_RPC_H

#include "agentd/agentd.h"

#define RPC_RESULT_MAX	(8u << 20)

struct rpc {
	struct link	*link;
	uint64_t	 corr;
	const char	*method;
	json_t		*params;
};

/* Each sends the one answer; rpc_answer() clears the buffer. */
void	 rpc_answer(struct rpc *, struct dbuf *);
void	 rpc_send(struct rpc *, const struct m_rpc_res *);
void	 rpc_refuse(struct rpc *, const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* A parameter: false or NULL when it was refused.  What is above max is cut
 * down to it. */
/* UNAVAILABLE, by errno. */
void	 rpc_refuse_disk(struct rpc *);
/* false: the parameter agentId names another agent than this. */
bool	 rpc_own_agent(const struct rpc *);
bool	 rpc_integer(struct rpc *, const char *key, int64_t def, int64_t min,
	    int64_t max, int64_t *out);
const char *rpc_text(struct rpc *, const char *key);

/* rpc.c */
void	 rpc_agent_wait(struct rpc *);

/* rpc_chat.c */
void	 rpc_chat_history(struct rpc *);
void	 rpc_chat_abort(struct rpc *);
void	 rpc_chat_inject(struct rpc *);
/* A stored message as clients see it (new reference). */
json_t	*rpc_chat_view(json_t *message);

/* rpc_mirror.c: what the router asks by itself (no client can) */
void	 rpc_transcript_mirror(struct rpc *);
/* A message that no run writes: 0, or -1 with errno. */
int	 rpc_transcript_put(struct session *, json_t *message, char id[9]);

/* rpc_sessions.c */
void	 rpc_sessions_resolve(struct rpc *);
void	 rpc_sessions_reset(struct rpc *);
void	 rpc_sessions_delete(struct rpc *);
void	 rpc_sessions_compact(struct rpc *);
/* That of the parameter key; NULL when it was refused, or, without create,
 * when there is none. */
struct session *rpc_session(struct rpc *, bool create);
/* {ok, path, key, entry} */
void	 rpc_session_answer(struct rpc *, struct session *, bool with_path);
/* Nothing waits for them any more. */
void	 rpc_changes_gone(void);

/* rpc_patch.c */
void	 rpc_sessions_patch(struct rpc *);

/* rpc_usage.c, identity.c */
void	 rpc_usage_cost(struct rpc *);
void	 rpc_agent_identity_get(struct rpc *);

/* rpc_skills.c */
void	 rpc_skills_status(struct rpc *);
void	 rpc_skills_bins(struct rpc *);
void	 rpc_skills_install(struct rpc *);

/* rpc_list.c */
void	 rpc_sessions_list(struct rpc *);
void	 rpc_sessions_describe(struct rpc *);
void	 rpc_sessions_preview(struct rpc *);

#endif
