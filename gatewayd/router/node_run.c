/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * system.run, the command that runs commands.  A node believes whoever says
 * that an operator approved, so nobody may say it through here who did not ask
 * one (T24): the same client, the same command and folder, a short while ago,
 * and once.  The environment is not part of the question and not covered.
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define DECIDED_MAX	64
#define DECIDED_MS	300000		/* from the decision to the run */
#define COMMAND_MAX	65536		/* as exec.approval.request takes it */
#define CWD_MAX		4096

struct decided {
	TAILQ_ENTRY(decided)	 entry;
	uint64_t		 until;		/* mono_ms */
	enum client_door	 door;
	uint32_t		 uid;
	bool			 always;
	char			*device, *principal, *command, *cwd;
};
static TAILQ_HEAD(decided_list, decided) decisions =
    TAILQ_HEAD_INITIALIZER(decisions);
static size_t	 ndecided;

static void
decided_free(struct decided *d)
{
	TAILQ_REMOVE(&decisions, d, entry);
	ndecided--;
	free(d->device);
	free(d->principal);
	free(d->command);
	free(d->cwd);
	free(d);
}

/* Text of a member, "" when there is none; NULL: it is no text, or too long. */
static char *
text_of(const struct skim_val *object, const char *key, size_t max)
{
	struct skim_val	 v;
	char		*s;

	if (!skim_get(object, key, &v) || v.kind == SKIM_NULL)
		return strdup("");
	if (v.kind != SKIM_STRING || v.n > 6 * max ||
	    (s = malloc(v.n)) == NULL)
		return NULL;
	if (skim_unescape(&v, s, v.n) == -1 || strlen(s) > max) {
		free(s);
		return NULL;
	}
	return s;
}

void
rt_node_run_decided(uint64_t client, const struct payload *asked, bool always)
{
	const struct client	*c = rt_client_find(client);
	struct skim_val		 root, request, host;
	struct decided		*d;

	root = (struct skim_val){ asked->p, asked->n, SKIM_OBJECT, false };
	if (c == NULL || !skim_get(&root, "request", &request) ||
	    !skim_get(&request, "host", &host) || !skim_is(&host, "node") ||
	    (d = calloc(1, sizeof(*d))) == NULL)
		return;
	TAILQ_INSERT_TAIL(&decisions, d, entry);
	ndecided++;
	d->until = mono_ms() + DECIDED_MS;
	d->door = c->door;
	d->uid = c->uid;
	d->always = always;
	d->device = strdup(c->device_id != NULL ? c->device_id : "");
	d->principal = strdup(c->principal);
	d->command = text_of(&request, "command", COMMAND_MAX);
	d->cwd = text_of(&request, "cwd", CWD_MAX);
	if (d->device == NULL || d->principal == NULL || d->command == NULL ||
	    d->cwd == NULL)
		decided_free(d);
	while (ndecided > DECIDED_MAX)
		decided_free(TAILQ_FIRST(&decisions));
}

/* Is every element of the array that of list, and the last one raw? */
static bool
wraps(const struct skim_val *argv, const char *const *list, const char *raw)
{
	struct skim_iter	 it;
	struct skim_val		 v;

	skim_iter_init(&it, argv);
	for (; *list != NULL; list++)
		if (!skim_next(&it, NULL, &v) || !skim_is(&v, *list))
			return false;
	return skim_next(&it, NULL, &v) && skim_is(&v, raw) &&
	    !skim_next(&it, NULL, &v);
}

/* What is run, as an operator was shown it: the shell's line, or the words
 * with blanks between them.  NULL: nothing that could have been shown. */
static char *
command_of(const struct skim_val *params)
{
	static const char *const sh[] = { "/bin/sh", "-lc", NULL };
	static const char *const cmd[] = { "cmd.exe", "/d", "/s", "/c", NULL };
	struct skim_iter	 it;
	struct skim_val		 argv, v;
	struct dbuf		 b;
	char			*raw, word[COMMAND_MAX];
	size_t			 n;

	if (!skim_get(params, "command", &argv) || argv.kind != SKIM_ARRAY ||
	    (raw = text_of(params, "rawCommand", COMMAND_MAX)) == NULL)
		return NULL;
	if (raw[0] != '\0') {
		if (wraps(&argv, sh, raw) || wraps(&argv, cmd, raw))
			return raw;
		free(raw);
		return NULL;
	}
	free(raw);
	dbuf_init(&b, COMMAND_MAX + 1);
	skim_iter_init(&it, &argv);
	for (n = 0; skim_next(&it, NULL, &v); n++) {
		if (v.kind != SKIM_STRING ||
		    skim_unescape(&v, word, sizeof(word)) == -1) {
			dbuf_clear(&b);
			return NULL;
		}
		if (n > 0)
			dbuf_putc(&b, ' ');
		dbuf_puts(&b, word);
	}
	raw = n > 0 ? dbuf_take(&b, NULL) : NULL;
	dbuf_clear(&b);
	return raw;
}

static bool
same_client(const struct decided *d, const struct client *c)
{
	return d->door == c->door && d->uid == c->uid &&
	    strcmp(d->device, c->device_id != NULL ? c->device_id : "") == 0 &&
	    strcmp(d->principal, c->principal) == 0;
}

/* Takes the decision that this run speaks of. */
static bool
decided_take(const struct client *c, const struct skim_val *params,
    const struct skim_val *said)
{
	struct decided	*d, *next;
	uint64_t	 now = mono_ms();
	char		*command = command_of(params);
	char		*cwd = text_of(params, "cwd", CWD_MAX);
	bool		 found = false;

	for (d = TAILQ_FIRST(&decisions); d != NULL && !found; d = next) {
		next = TAILQ_NEXT(d, entry);
		if (d->until <= now) {
			decided_free(d);
			continue;
		}
		if (command == NULL || cwd == NULL || !same_client(d, c) ||
		    strcmp(d->command, command) != 0 ||
		    strcmp(d->cwd, cwd) != 0 || (said->kind == SKIM_STRING &&
		    !skim_is(said, d->always ? "allow-always" : "allow-once")))
			continue;
		found = true;
		decided_free(d);
	}
	free(command);
	free(cwd);
	return found;
}

const char *
rt_node_run_refusal(const struct client *c, const struct skim_val *params)
{
	struct skim_val	 approved, said;

	if (params->kind != SKIM_OBJECT)
		return NULL;
	skim_get(params, "approved", &approved);
	skim_get(params, "approvalDecision", &said);
	if ((approved.kind == SKIM_ABSENT || approved.kind == SKIM_NULL ||
	    (approved.kind == SKIM_BOOL && approved.p[0] == 'f')) &&
	    (said.kind == SKIM_ABSENT || said.kind == SKIM_NULL))
		return NULL;
	if (decided_take(c, params, &said))
		return NULL;
	log_info("client %s: system.run: says that it was approved, and was "
	    "not", c->conn_id);
	return "approval required";
}
