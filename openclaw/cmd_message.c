/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw message: something to a chat, past every agent. */
#include "common/compat.h"

#include "common/text.h"
#include "openclaw/openclaw.h"

#define WAIT_MS		70000	/* longer than the gateway waits */
#define POLL_MIN	2
#define POLL_MAX	12

static int
required(const char *letter, const char *name, const char *value)
{
	fprintf(stderr, "error: required option '%s--%s <%s>' not specified\n",
	    letter, name, value);
	return 1;
}

/* What both have; the key is made when none is given, so that a repeat after
 * "not known" can name it. */
static json_t *
begin(struct args *a, char key[37])
{
	json_t	*p = json_object();
	char	 to[512];

	if (a->opt[OPT_KEY] == NULL) {
		uuid_v4(key);
		a->opt[OPT_KEY] = key;
	}
	snprintf(to, sizeof(to), "%s%s%s", a->opt[OPT_TARGET],
	    a->opt[OPT_THREAD_ID] != NULL ? ":topic:" : "",
	    a->opt[OPT_THREAD_ID] != NULL ? a->opt[OPT_THREAD_ID] : "");
	json_object_set_new(p, "to", json_string(to));
	json_object_set_new(p, "idempotencyKey", json_string(a->opt[OPT_KEY]));
	if (a->opt[OPT_CHANNEL] != NULL)
		json_object_set_new(p, "channel",
		    json_string(a->opt[OPT_CHANNEL]));
	if (a->opt[OPT_ACCOUNT] != NULL)
		json_object_set_new(p, "accountId",
		    json_string(a->opt[OPT_ACCOUNT]));
	return p;
}

static void
show_sent(json_t *doc)
{
	json_t	*p = json_object_get(doc, "payload");
	json_t	*r = json_object_get(p, "result");

	if (json_is_true(json_object_get(doc, "dryRun")))
		printf("Not sent (dry run): %s to ", jtext(doc, "action", ""));
	else
		printf("Sent by ");
	print_text(jtext(doc, "channel", "?"));
	if (json_is_true(json_object_get(doc, "dryRun"))) {
		printf(" ");
		print_text(jtext(p, "to", ""));
	} else {
		printf(". Message ID: ");
		print_text(jtext(r, "messageId", "?"));
		if (json_object_get(r, "pollId") != NULL) {
			printf(", poll ID: ");
			print_text(jtext(r, "pollId", "?"));
		}
	}
	printf("\n");
}

/* Sends and shows what came of it; params is stolen. */
static int
run(struct args *a, const char *method, json_t *params)
{
	struct rpc	*r;
	json_t		*res = NULL, *doc, *err = NULL;
	const char	*to = jtext(params, "to", "");
	bool		 dry = a->opt[OPT_DRY_RUN] != NULL;

	if (!dry) {
		if ((r = rpc_open(a)) == NULL) {
			json_decref(params);
			return 1;
		}
		res = rpc_try(r, method, json_incref(params), false,
		    a->opt[OPT_TIMEOUT] != NULL ? rpc_timeout(a) : WAIT_MS,
		    &err);
		rpc_close(r);
		if (res == NULL) {
			fprintf(stderr, "Error: ");
			print_text_to(stderr, jtext(err, "message",
			    "no answer in time"));
			fprintf(stderr, "\n");
			/* No answer at all, or one that says so. */
			if (strcmp(jtext(err, "code", "CLOSED"), "CLOSED") ==
			    0 || strstr(jtext(err, "message", ""),
			    "idempotencyKey") != NULL)
				fprintf(stderr, "Repeat it with --key %s: "
				    "that never sends twice.\n",
				    a->opt[OPT_KEY]);
			json_decref(err);
			json_decref(params);
			return 1;
		}
	}
	doc = json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s, s:s, s:n}}",
	    "action", method, "channel", res != NULL ? jtext(res, "channel",
	    "?") : jtext(params, "channel", "the configured channel"),
	    "dryRun", dry, "handledBy", dry ? "dry-run" : "core", "payload",
	    "channel", res != NULL ? jtext(res, "channel", "?") :
	    jtext(params, "channel", ""), "to", to, "via", "gateway",
	    "mediaUrl");
	if (res != NULL)
		json_object_set_new(json_object_get(doc, "payload"), "result",
		    res);
	json_decref(params);
	return print_answer(a, doc, show_sent);
}

int
cmd_message_send(struct args *a)
{
	json_t	*p;
	char	 key[37];

	if (a->opt[OPT_TARGET] == NULL)
		return required("-t, ", "target", "dest");
	if (a->opt[OPT_MESSAGE] == NULL && a->opt[OPT_MEDIA] == NULL)
		return required("-m, ", "message", "text");
	p = begin(a, key);
	json_object_set_new(p, "message", json_string(
	    a->opt[OPT_MESSAGE] != NULL ? a->opt[OPT_MESSAGE] : " "));
	if (a->opt[OPT_MEDIA] != NULL)
		json_object_set_new(p, "mediaUrl",
		    json_string(a->opt[OPT_MEDIA]));
	if (json_object_get(p, "message") == NULL) {
		fprintf(stderr, "Error: --message is not UTF-8 text\n");
		json_decref(p);
		return 1;
	}
	return run(a, "send", p);
}

int
cmd_message_poll(struct args *a)
{
	json_t	*p, *options;
	char	 key[37];
	size_t	 i;

	if (a->opt[OPT_TARGET] == NULL)
		return required("-t, ", "target", "dest");
	if (a->opt[OPT_POLL_QUESTION] == NULL)
		return required("", "poll-question", "text");
	if (a->nmany < POLL_MIN || a->nmany > POLL_MAX) {
		fprintf(stderr, "Error: --poll-option must be given %d to %d "
		    "times, not %zu\n", POLL_MIN, POLL_MAX, a->nmany);
		return 1;
	}
	p = begin(a, key);
	options = json_array();
	for (i = 0; i < a->nmany; i++)
		json_array_append_new(options, json_string(a->many[i]));
	json_object_set_new(p, "question",
	    json_string(a->opt[OPT_POLL_QUESTION]));
	json_object_set_new(p, "options", options);
	if (a->opt[OPT_POLL_MULTI] != NULL)
		json_object_set_new(p, "maxSelections",
		    json_integer((json_int_t)a->nmany));
	if (a->opt[OPT_POLL_HOURS] != NULL)
		json_object_set_new(p, "durationHours", json_integer(
		    (json_int_t)options_num(a, OPT_POLL_HOURS, 1, 1, 8760)));
	return run(a, "poll", p);
}
