/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/* openclaw system: what happened, who is there, and heartbeats. */
#include "common/compat.h"

#include "openclaw/openclaw.h"

static void
show_event(json_t *doc)
{
	(void)doc;
	printf("The next turn of the main conversation is told.\n");
}

int
cmd_system_event(struct args *a)
{
	if (a->opt[OPT_TEXT] == NULL) {
		fprintf(stderr, "error: required option '--text <text>' not "
		    "specified\n");
		return 1;
	}
	if (a->opt[OPT_MODE] != NULL && strcmp(a->opt[OPT_MODE],
	    "next-heartbeat") != 0) {
		fprintf(stderr, "Error: --mode takes next-heartbeat; there is "
		    "nothing yet that could begin a turn now\n");
		return 1;
	}
	return print_answer(a, rpc_once(a, "system-event", json_pack("{s:s}",
	    "text", a->opt[OPT_TEXT])), show_event);
}

static void
show_heartbeat(json_t *doc)
{
	char	 age[32];

	if (!json_is_object(doc)) {
		printf("There was no heartbeat yet.\n");
		return;
	}
	print_text(jtext(doc, "status", "?"));
	printf(" %s", age_text((int64_t)wall_ms() - jnum(doc, "ts",
	    (int64_t)wall_ms()), age));
	if (jtext(doc, "reason", NULL) != NULL) {
		printf(": ");
		print_text(jtext(doc, "reason", ""));
	}
	if (jtext(doc, "preview", NULL) != NULL) {
		printf("\n");
		print_text(jtext(doc, "preview", ""));
	}
	printf("\n");
}

static void
show_switch(json_t *doc)
{
	printf("Heartbeats are %s until the gateway restarts.\n",
	    json_is_true(json_object_get(doc, "enabled")) ? "on" : "off");
}

int
cmd_system_heartbeat(struct args *a)
{
	const char	*what = a->noperands == 1 ? a->operand[0] : "";

	if (strcmp(what, "last") == 0)
		return print_answer(a, rpc_once(a, "last-heartbeat", NULL),
		    show_heartbeat);
	if (strcmp(what, "enable") != 0 && strcmp(what, "disable") != 0) {
		fprintf(stderr, "error: say `openclaw system heartbeat last`, "
		    "enable or disable\n");
		return 1;
	}
	return print_answer(a, rpc_once(a, "set-heartbeats", json_pack("{s:b}",
	    "enabled", strcmp(what, "enable") == 0)), show_switch);
}

static void
show_presence(json_t *list)
{
	static const char *const heads[] = { "Host", "Address", "Version",
		"Mode", "Reason", "Seen", "Text" };
	struct table	*t = table_new(heads, 7);
	char		 age[32];
	json_t		*p;
	size_t		 i;

	json_array_foreach(list, i, p) {
		table_row(t);
		table_add(t, 0, "%s", jtext(p, "host", ""));
		table_add(t, 1, "%s", jtext(p, "ip", ""));
		table_add(t, 2, "%s", jtext(p, "version", ""));
		table_add(t, 3, "%s", jtext(p, "mode", ""));
		table_add(t, 4, "%s", jtext(p, "reason", ""));
		table_add(t, 5, "%s", age_text((int64_t)wall_ms() - jnum(p,
		    "ts", (int64_t)wall_ms()), age));
		table_add(t, 6, "%s", jtext(p, "text", ""));
	}
	table_print(t);
}

int
cmd_system_presence(struct args *a)
{
	return print_answer(a, rpc_once(a, "system-presence", NULL),
	    show_presence);
}
