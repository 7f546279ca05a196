/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * openclaw: the command line.  A client of the gateway protocol over the
 * control socket, or over a WebSocket when --url is given.  It never touches
 * the gateway's files but the configuration's path and the token file.
 */
#ifndef OPENCLAW_OPENCLAW_H
#define OPENCLAW_OPENCLAW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option {
#define OPTION(name, letter, ID, value, help, gateway) OPT_##ID,
#include "openclaw/options.def"
#undef OPTION
	OPT_MAX
};

struct args {
	const char	*opt[OPT_MAX];	/* value, "" for a switch, NULL: none */
	const char	*operand[8];
	size_t		 noperands;
	const char	*many[16];	/* of the option that is repeated */
	size_t		 nmany;
	char		**argv;
};

struct command {
	const char	*name;
	int		(*run)(struct args *);	/* exit status */
	const char	*options, *operands, *help;
};
extern const struct command commands[];

/* options.c: 0, or -1 after a message on standard error. */
int	 options_parse(struct args *, const struct command *, int argc,
	    char *argv[], int first);
void	 options_help(const struct command *);
/* Every option of it, "--json --url ", on standard output. */
void	 options_words(const struct command *);
/* The number of an option, def when it is not given; exits 1 on nonsense. */
int64_t	 options_num(const struct args *, enum option, int64_t def,
	    int64_t min, int64_t max);

/* rpc.c */
struct rpc;
/* Opens the local control socket, or --url; prints why it cannot, with the
 * target, and returns NULL. */
struct rpc *rpc_open(const struct args *);
/* The same, and says nothing when it is not there. */
struct rpc *rpc_open_again(const struct args *);
/* For config.get, config.set and config.edit: where no gateway runs, they are
 * done on the file. */
struct rpc *rpc_open_config(const struct args *);
bool	 rpc_is_offline(const struct rpc *);
void	 rpc_close(struct rpc *);
/* Sends a request (params is stolen, may be NULL) and waits; the payload is
 * the caller's (a JSON null when there is none), NULL after a message.
 * last: skip an answer whose status is "accepted". */
json_t	*rpc_call(struct rpc *, const char *method, json_t *params, bool last,
	    int64_t timeout_ms);
/* As rpc_call, quiet: the error object goes to *err. */
json_t	*rpc_try(struct rpc *, const char *method, json_t *params, bool last,
	    int64_t timeout_ms, json_t **err);
const char *rpc_target(const struct rpc *);
/* From now on events come too, to cb, while an answer is waited for; what it
 * returns is added to that wait, in ms.  0, or -1: there will be none. */
typedef int64_t (*rpc_event_cb)(void *arg, const char *name, json_t *payload);
int	 rpc_watch(struct rpc *, const struct args *, rpc_event_cb, void *arg);
int64_t	 rpc_timeout(const struct args *);	/* --timeout, in ms */
/* Open, one call, close. */
json_t	*rpc_once(const struct args *, const char *method, json_t *params);

/* print.c */
void	 print_json(json_t *);		/* 2 blanks, a newline */
/* The answer as --json wants it, or what it says to people; frees it.  Exit
 * status: 1 when there is none (NULL; the reason was said). */
int	 print_answer(const struct args *, json_t *, void (*human)(json_t *));
void	 print_text(const char *);	/* control bytes escaped */
void	 print_text_to(FILE *, const char *);
bool	 print_colors(const struct args *);
struct table;
struct table *table_new(const char *const *heads, size_t n);
void	 table_add(struct table *, size_t col, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
void	 table_row(struct table *);
void	 table_print(struct table *);	/* to the terminal's width; frees */
const char *age_text(int64_t ms, char buf[32]);	/* "5m ago" */
/* Text of a key, or def; number likewise. */
const char *jtext(json_t *, const char *key, const char *def);
/* A list of texts as "a, b", cut to size. */
void	 jjoin(json_t *list, char *buf, size_t size);
int64_t	 jnum(json_t *, const char *key, int64_t def);

/* cmd_approvals.c: asks on the terminal about the commands of one run, or
 * tells how they are approved; for rpc_watch(). */
struct approver {
	const struct args	*args;
	const char		*session;	/* of the run, or NULL: any */
	uint64_t		 since_ms;	/* wall clock */
};
int64_t	 approver_event(void *approver, const char *name, json_t *payload);

int	 cmd_approvals_list(struct args *);
int	 cmd_approvals_allow(struct args *);
int	 cmd_approvals_deny(struct args *);
int	 cmd_approvals_get(struct args *);
int	 cmd_approvals_set(struct args *);
int	 cmd_approvals_allowlist(struct args *);
int	 cmd_completion(struct args *);
int	 cmd_gateway_run(struct args *);
int	 cmd_gateway_status(struct args *);
int	 cmd_gateway_stop(struct args *);
int	 cmd_gateway_restart(struct args *);
int	 cmd_gateway_reload(struct args *);
int	 cmd_gateway_processes(struct args *);
int	 cmd_gateway_call(struct args *);
int	 cmd_health(struct args *);
int	 cmd_status(struct args *);
int	 cmd_agent(struct args *);
int	 cmd_sessions(struct args *);
int	 cmd_logs(struct args *);
int	 cmd_channels_status(struct args *);
int	 cmd_channels_logout(struct args *);
int	 cmd_system_event(struct args *);
int	 cmd_system_heartbeat(struct args *);
int	 cmd_system_presence(struct args *);
int	 cmd_message_send(struct args *);
int	 cmd_message_poll(struct args *);
int	 cmd_pairing_list(struct args *);
int	 cmd_pairing_approve(struct args *);
int	 cmd_devices_list(struct args *);
int	 cmd_devices_approve(struct args *);
int	 cmd_devices_reject(struct args *);
int	 cmd_devices_rotate(struct args *);
int	 cmd_devices_revoke(struct args *);
/* The id of the node that --node names, NULL after a message.  *list owns
 * it. */
const char *node_named(const struct args *, struct rpc *, json_t **list);
int	 cmd_nodes_status(struct args *);
int	 cmd_nodes_list(struct args *);
int	 cmd_nodes_describe(struct args *);
int	 cmd_nodes_pending(struct args *);
int	 cmd_nodes_approve(struct args *);
int	 cmd_nodes_reject(struct args *);
int	 cmd_nodes_rename(struct args *);
int	 cmd_nodes_invoke(struct args *);
int	 cmd_config_get(struct args *);
int	 cmd_config_set(struct args *);
int	 cmd_config_unset(struct args *);
int	 cmd_config_edit(struct args *);
int	 cmd_config_validate(struct args *);
int	 cmd_skills_list(struct args *);
int	 cmd_skills_info(struct args *);
int	 cmd_skills_check(struct args *);
int	 cmd_sandbox_profiles(struct args *);
int	 cmd_sandbox_selftest(struct args *);

#endif
