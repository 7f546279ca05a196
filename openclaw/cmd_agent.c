/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw agent: one message, one answer. */
#include "common/compat.h"

#include <signal.h>
#include <unistd.h>

#include "common/text.h"
#include "openclaw/openclaw.h"

/* Ctrl-C ends the waiting only, and whoever pressed it is to know. */
static void
interrupted(int sig)
{
	static const char	 text[] = "\nNot waiting any more. The turn goes "
		"on; its answer will be in the session.\n";
	ssize_t			 n = write(STDERR_FILENO, text,
				    sizeof(text) - 1);

	(void)n;
	signal(sig, SIG_DFL);
	raise(sig);
}

static bool
thinking_known(const char *level)
{
	static const char *const levels[] = { "off", "minimal", "low",
		"medium", "high", "xhigh" };
	size_t			 i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(level, levels[i]) == 0)
			return true;
	return false;
}

int
cmd_agent(struct args *a)
{
	struct approver	 approver;
	struct rpc	*r;
	json_t		*params, *res, *p, *payloads;
	char		 key[37];
	int64_t		 seconds = 600;
	size_t		 i;
	int		 status = 0;

	if (a->opt[OPT_MESSAGE] == NULL) {
		fprintf(stderr, "error: required option '-m, --message "
		    "<text>' not specified\n");
		return 1;
	}
	if (a->opt[OPT_TIMEOUT] != NULL && num_parse(str_of(
	    a->opt[OPT_TIMEOUT]), 1, 86400, &seconds) == -1) {
		fprintf(stderr, "Error: --timeout takes whole seconds from 1 "
		    "to 86400\n");
		return 1;
	}
	if (a->opt[OPT_THINKING] != NULL &&
	    !thinking_known(a->opt[OPT_THINKING])) {
		fprintf(stderr, "Error: --thinking takes off, minimal, low, "
		    "medium, high or xhigh\n");
		return 1;
	}
	uuid_v4(key);
	params = json_pack("{s:s, s:s, s:I}", "message", a->opt[OPT_MESSAGE],
	    "idempotencyKey", key, "timeout", (json_int_t)seconds);
	if (params == NULL) {
		fprintf(stderr, "Error: --message is not UTF-8 text\n");
		return 1;
	}
	if (a->opt[OPT_AGENT] != NULL)
		json_object_set_new(params, "agentId",
		    json_string(a->opt[OPT_AGENT]));
	if (a->opt[OPT_SESSION_ID] != NULL)
		json_object_set_new(params, "sessionId",
		    json_string(a->opt[OPT_SESSION_ID]));
	if (a->opt[OPT_SESSION_KEY] != NULL)
		json_object_set_new(params, "sessionKey",
		    json_string(a->opt[OPT_SESSION_KEY]));
	else if (a->opt[OPT_AGENT] == NULL && a->opt[OPT_SESSION_ID] == NULL &&
	    a->opt[OPT_TO] == NULL)
		json_object_set_new(params, "sessionKey", json_string("main"));
	if (a->opt[OPT_TO] != NULL)
		json_object_set_new(params, "to", json_string(a->opt[OPT_TO]));
	if (a->opt[OPT_THINKING] != NULL)
		json_object_set_new(params, "thinking",
		    json_string(a->opt[OPT_THINKING]));
	if (a->opt[OPT_DELIVER] != NULL)
		json_object_set_new(params, "deliver", json_true());
	/* --timeout is in seconds here, not the wire's milliseconds. */
	a->opt[OPT_TIMEOUT] = NULL;
	if ((r = rpc_open(a)) == NULL) {
		json_decref(params);
		return 1;
	}
	memset(&approver, 0, sizeof(approver));
	approver.args = a;
	approver.session = json_string_value(json_object_get(params,
	    "sessionKey"));
	approver.since_ms = wall_ms();
	/* A login that may not be asked still gets its answer. */
	(void)rpc_watch(r, a, approver_event, &approver);
	signal(SIGINT, interrupted);
	res = rpc_call(r, "agent", json_incref(params), true,
	    (seconds + 30) * 1000);
	signal(SIGINT, SIG_DFL);
	json_decref(params);
	rpc_close(r);
	if (res == NULL)
		return 1;
	if (a->opt[OPT_JSON] != NULL)
		print_json(res);
	else {
		payloads = json_object_get(json_object_get(res, "result"),
		    "payloads");
		json_array_foreach(payloads, i, p) {
			if (i > 0)
				putchar('\n');
			print_text(jtext(p, "text", ""));
			putchar('\n');
		}
		if (json_array_size(payloads) == 0)
			printf("(no answer: %s)\n", jtext(res, "summary",
			    jtext(res, "status", "?")));
	}
	if (strcmp(jtext(res, "status", "ok"), "ok") != 0)
		status = 1;
	json_decref(res);
	return status;
}
