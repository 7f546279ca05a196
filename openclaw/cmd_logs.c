/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw logs: the gateway's log through logs.tail. */
#include "common/compat.h"

#include <poll.h>
#include <unistd.h>

#include "common/text.h"
#include "openclaw/openclaw.h"

static void
log_ndjson(json_t *j)
{
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

static const char *
level_color(const char *level)
{
	return strcmp(level, "error") == 0 || strcmp(level, "fatal") == 0 ?
	    "\033[31m" : strcmp(level, "warn") == 0 ? "\033[33m" :
	    strcmp(level, "debug") == 0 || strcmp(level, "trace") == 0 ?
	    "\033[2m" : "";
}

static void
log_line_print(struct args *a, const char *raw, bool colors)
{
	json_t		*j = json_loads(raw, 0, NULL), *bind;
	const char	*time, *sub, *text;
	char		 level[16];
	size_t		 i;

	/* "0" is the JSON text of the line's bindings, "1" its message. */
	bind = json_loads(jtext(j, "0", ""), 0, NULL);
	time = jtext(j, "time", "");
	strlcpy(level, jtext(json_object_get(j, "_meta"), "logLevelName", ""),
	    sizeof(level));
	for (i = 0; level[i] != '\0'; i++)
		level[i] = (char)ascii_tolower((unsigned char)level[i]);
	sub = jtext(bind, "subsystem", "");
	text = jtext(j, "1", raw);
	if (a->opt[OPT_JSON] != NULL)
		log_ndjson(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type",
		    "log", "time", time, "level", level, "subsystem", sub,
		    "message", text, "raw", raw));
	else if (a->opt[OPT_PLAIN] != NULL) {
		print_text(raw);
		putchar('\n');
	} else {
		if (colors)
			fputs(level_color(level), stdout);
		print_text(time);
		printf(" %-5s ", level);
		print_text(sub);
		printf(": ");
		print_text(text);
		fputs(colors ? "\033[0m\n" : "\n", stdout);
	}
	json_decref(bind);
	json_decref(j);
}

static void
log_notice(struct args *a, const char *text)
{
	if (a->opt[OPT_JSON] != NULL)
		log_ndjson(json_pack("{s:s, s:s}", "type", "notice", "message",
		    text));
	else
		fprintf(stderr, "%s\n", text);
}

/* Waits; false when nobody reads standard output any more. */
static bool
log_pause(int64_t ms)
{
	struct pollfd	 pfd = { STDOUT_FILENO, 0, 0 };

	return poll(&pfd, 1, (int)ms) != 1;
}

/*
 * The next lines.  Who follows goes on when the gateway, or its log process,
 * is away for a while: once there was an answer, its end is not ours.
 */
static json_t *
log_ask(struct args *a, struct rpc **r, json_t *params, int64_t timeout,
    int64_t wait_ms, bool patient)
{
	json_t		*res, *err = NULL;
	const char	*code;
	bool		 told = false;

	if (!patient)
		return rpc_call(*r, "logs.tail", params, false, timeout);
	for (;;) {
		res = *r == NULL ? NULL : rpc_try(*r, "logs.tail",
		    json_incref(params), false, timeout, &err);
		if (res != NULL)
			break;
		code = jtext(err, "code", "CLOSED");
		if (strcmp(code, "CLOSED") != 0 && strcmp(code,
		    "UNAVAILABLE") != 0) {
			fprintf(stderr, "Error: %s\n", jtext(err, "message",
			    "?"));
			break;
		}
		if (!told)
			log_notice(a, "the gateway does not answer; waiting "
			    "until it does");
		told = true;
		json_decref(err);
		err = NULL;
		rpc_close(*r);
		*r = NULL;
		fflush(stdout);
		if (!log_pause(wait_ms))
			break;
		*r = rpc_open_again(a);
	}
	if (res != NULL && told)
		log_notice(a, "the gateway answers again");
	json_decref(err);
	json_decref(params);
	return res;
}

int
cmd_logs(struct args *a)
{
	struct rpc	*r;
	json_t		*params, *res, *v;
	int64_t		 limit = options_num(a, OPT_LIMIT, 200, 1, 5000);
	int64_t		 bytes = options_num(a, OPT_MAX_BYTES, 250000, 1,
			    1000000);
	int64_t		 wait_ms = options_num(a, OPT_INTERVAL, 1000, 50,
			    3600000);
	int64_t		 timeout = options_num(a, OPT_TIMEOUT, 10000, 1,
			    86400000);
	int64_t		 cursor = -1;
	bool		 colors = print_colors(a), first = true;
	size_t		 i;

	if ((r = rpc_open(a)) == NULL)
		return 1;
	do {
		params = json_pack("{s:I, s:I}", "limit", (json_int_t)limit,
		    "maxBytes", (json_int_t)bytes);
		if (cursor >= 0)
			json_object_set_new(params, "cursor",
			    json_integer(cursor));
		if ((res = log_ask(a, &r, params, timeout, wait_ms, !first &&
		    a->opt[OPT_FOLLOW] != NULL)) == NULL) {
			rpc_close(r);
			return log_pause(0) ? 1 : 0;
		}
		if (first && a->opt[OPT_JSON] != NULL)
			log_ndjson(json_pack("{s:s, s:s, s:I, s:I}", "type",
			    "meta", "file", jtext(res, "file", ""), "cursor",
			    (json_int_t)jnum(res, "cursor", 0), "size",
			    (json_int_t)jnum(res, "size", 0)));
		if (!first && json_is_true(json_object_get(res, "reset")))
			log_notice(a, "log was rotated; going on with the new "
			    "file");
		if (json_is_true(json_object_get(res, "truncated")))
			log_notice(a, "older lines left out (--max-bytes, "
			    "--limit)");
		json_array_foreach(json_object_get(res, "lines"), i, v)
			if (json_is_string(v))
				log_line_print(a, json_string_value(v),
				    colors);
		cursor = jnum(res, "cursor", 0);
		json_decref(res);
		first = false;
		if (fflush(stdout) == EOF)
			break;
		if (a->opt[OPT_FOLLOW] != NULL && !log_pause(wait_ms))
			break;
	} while (a->opt[OPT_FOLLOW] != NULL);
	rpc_close(r);
	return 0;
}
