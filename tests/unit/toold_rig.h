/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * Whole tool calls over real links: the rig plays agentd, router, jailer and
 * file worker.  The jailer here has no jail; the real one is tested by
 * tests/e2e.  One for each test_toold_*.c that makes calls.
 */
#ifndef TESTS_TOOLD_RIG_H
#define TESTS_TOOLD_RIG_H

#include "common/log.h"
#include "toold/files.h"
#include "toold/toold.h"

#define WAIT_MS		60000

/* A command that the jailer started. */
struct child {
	LIST_ENTRY(child)	 entry;
	uint32_t		 job;
	pid_t			 pid;
	bool			 killed;
};
LIST_HEAD(children, child);

extern struct toold	 t;
extern struct children	 children;
extern char		 ws[96];	/* the workspace */
/* Our ends; NULL when toold closed or the test freed them. */
extern struct link	*agent, *jailer, *worker, *router;
/* what agentd heard */
extern unsigned int	 accepts, dones, outs;
extern uint8_t		 accept_status, done_error;
extern json_t		*done, *listed;
extern struct dbuf	 streamed;
/* what the router heard */
extern json_t		*rpc;
extern char		 rpc_message[256];
extern unsigned int	 asked, expired, rpcs;
extern uint8_t		 expired_how;
struct asked_question {
	char		 id[65], digest[65], command[2048], path[1025];
	char		 reason[513];
	bool		 always;
	uint64_t	 ms;
};
extern struct asked_question question;
/* why toold dropped somebody */
extern enum msg_err	 violation;
/* the jailer says nothing about jobs */
extern bool		 mute;

/* Until the condition holds. */
#define UNTIL(cond) do {						\
	uint64_t end_ = mono_ms() + WAIT_MS;				\
	while (!(cond)) {						\
		assert_true(mono_ms() < end_);				\
		turn();							\
	}								\
} while (0)

#define HAS(text, part) do {						\
	const char *t_ = (text);					\
	if (strstr(t_, part) == NULL)					\
		print_message("got: %s\n", t_);				\
	assert_non_null(strstr(t_, part));				\
} while (0)

/* A new link between toold and the sibling of that role. */
void		 join(enum role role);
void		 turn(void);
/* Commands run unasked unless config says otherwise; _as_is adds nothing. */
void		 start(const char *config);
void		 start_as_is(const char *config);
void		 stop(void);
void		 send_call(const char *id, const char *tool,
		    const char *session, const char *args);
/* The text of the result. */
const char	*call(const char *tool, const char *args);
void		 cancel(const char *id);
/* Answers the last question; digest NULL: the one it came with. */
void		 decide(const char *digest, enum ap_verdict);
/* A client's request, until its answer: in rpc, or rpc_message. */
void		 ask_rpc(const char *method, unsigned int scopes,
		    const char *params);
/* That member of the details of the last result, or "". */
const char	*detail(const char *name);
/* Entries of the spool folder. */
unsigned int	 spooled(void);
int		 group_setup(void **state);
int		 group_teardown(void **state);

#endif
