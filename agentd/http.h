/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Requests over HTTP that this agent answers (spec gateway-protocol 7.3 to
 * 7.5).  One call is one request until its answer is whole.  What a client
 * does not take waits here, within bounds, and holds up no run.
 */
#ifndef AGENTD_HTTP_H
#define AGENTD_HTTP_H

#include "agentd/agentd.h"

struct http_call;

/* How one interface words what happens to a turn. */
struct http_shape {
	void	(*start)(struct http_call *);	/* streams: it was accepted */
	void	(*delta)(struct http_call *, struct str);
	void	(*end)(struct http_call *, const struct run *,
		    struct str text);
	/* Once accepted; type as in an error object. */
	void	(*fail)(struct http_call *, unsigned int status,
		    const char *type, const char *message);
};

struct http_call {
	LIST_ENTRY(http_call)	 entry;
	uint64_t		 corr;
	enum http_route		 route;
	bool			 stream;	/* asked for */
	bool			 headed;	/* its first piece is out */
	bool			 over;		/* nothing more is written */
	bool			 slow;		/* text waits in held */
	struct dbuf		 out;		/* what is to be sent */
	size_t			 credit;
	struct dbuf		 held;

	/* a turn */
	const struct http_shape	*shape;
	struct turn		*turn;
	char			 id[64];	/* of the run too */
	char			 item[64];
	char			*model;		/* as it was asked for */
	uint64_t		 created;	/* seconds */
	bool			 said;		/* some text was passed on */
	bool			 usage;		/* is wanted in the stream */
	struct dbuf		 text;		/* all of it, where needed */

	/* a question to another process */
	struct link		*sub;
	uint64_t		 sub_corr;
	unsigned int		 sub_status;
	uint32_t		 sub_owed;
	char			 sub_id[32];
	struct dbuf		 got;
	struct event		*timer;
};

/* A turn in the words of agentd. */
struct http_turn {
	struct dbuf	 message, extra;
	json_t		*media;		/* attachments, or NULL */
	json_t		*tools;		/* of the client, or NULL */
	int64_t		 max_tokens;	/* 0: not said */
};

/* --- http.c ---------------------------------------------------------------- */

enum msg_err http_message(struct link *, struct msg *);
void	 http_router_gone(void);
void	 http_router_drained(void);
/* A whole answer, which ends the call and empties b. */
void	 http_json(struct http_call *, unsigned int status, struct dbuf *b);
/* The same of bytes as they are. */
void	 http_bytes(struct http_call *, unsigned int status, enum http_form,
	    struct str);
void	 http_error(struct http_call *, unsigned int status, const char *type,
	    const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 5, 6)));
/* Pieces of a stream; then its end, after which the call may be gone. */
void	 http_put(struct http_call *, const char *, size_t);
void	 http_event(struct http_call *, const char *event, struct dbuf *b);
void	 http_done(struct http_call *);
void	 http_cut(struct http_call *, const char *why);
/* Sends what may be sent; true when the call is at its end and gone. */
bool	 http_flush(struct http_call *);
struct http_call *http_call_find(const char *id);
struct http_call *http_call_of_sub(const struct link *, uint64_t corr);
/* The next of those that wait for that process. */
struct http_call *http_call_waiting(const struct link *);
void	 http_call_free(struct http_call *);

/* --- http_turn.c ------------------------------------------------------------ */

void	 http_turn_init(struct http_turn *);
void	 http_turn_clear(struct http_turn *);
/* One part of a conversation after the other: role of the interface. */
struct http_talk {
	json_t	*lines;		/* [{who, text, ask}] */
};
void	 http_talk_add(struct http_talk *, const char *who, struct str text,
	    bool ask);
/* The prompt: the last question, and what was before it. */
void	 http_talk_write(struct http_talk *, struct dbuf *message);
void	 http_turn_begin(struct http_call *, const struct m_http_req *,
	    struct http_turn *);
/* What turn.c and run.c tell. */
void	 http_turn_answered(const char *run_id, enum turn_status,
	    const char *code, const char *reason);
void	 http_turn_delta(struct run *, struct str delta, bool first);
void	 http_turn_ended(struct run *);
void	 http_turn_drained(struct http_call *);
/* The first call among them of a tool that the client has, or NULL; then the
 * run ends with it. */
json_t	*http_turn_clients(struct run *, json_t *content);
void	 http_turn_hand(struct run *, json_t *content, json_t *call);
/* What the model may call: a new reference. */
json_t	*http_turn_tools(struct run *);
void	 http_usage(const struct run *, uint64_t *in, uint64_t *out,
	    uint64_t *total);

/* --- one file for each interface ---------------------------------------------- */

#define ROUTE(id, path, match, methods, owner, handler, door, body, key) \
	HTTP_PROTO_##owner(handler)
#define HTTP_PROTO_FRONT(handler)
#define HTTP_PROTO_ROUTER(handler)
#define HTTP_PROTO_AGENT(handler)	\
	void http_##handler(struct http_call *, const struct m_http_req *, \
	    json_t *body);
#include "proto/routes.def"
#undef ROUTE
#undef HTTP_PROTO_FRONT
#undef HTTP_PROTO_ROUTER
#undef HTTP_PROTO_AGENT

/* http_chat.c: the member messages. */
void	 http_chat_read(const json_t *, struct http_turn *);
/* http_tools.c, http_embeddings.c: answers of other processes; false when the
 * message belongs to none of their calls. */
bool	 http_tools_message(struct link *, struct msg *);
bool	 http_embeddings_message(struct link *, struct msg *);
void	 http_sub_gone(struct link *);

#endif
