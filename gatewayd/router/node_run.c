/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * system.run, the command that runs commands.  A node believes whoever says
 * that an operator approved, so nobody may say it through here who did not ask
 * one (T24): the same client, the same command and folder, a short while ago,
 * and once.  The environment is not part of the question and not covered.
 * And an agent believes what it is told of a run, so a node may only speak of
 * those it was sent, in the conversation that they were sent for (T26).
 */
#include "common/compat.h"

#include "common/log.h"
#include "gatewayd/router/router.h"

#define DECIDED_MAX	64
#define DECIDED_MS	300000		/* from the decision to the run */
#define COMMAND_MAX	65536		/* as exec.approval.request takes it */
#define CWD_MAX		4096

#define SENT_MAX	512
#define SENT_MS		86400000	/* a node may report for so long */
#define RUN_ID_BYTES	128
#define OUTPUT_MAX	8000		/* bytes of what an agent is told */
#define WORDS_MAX	2000		/* of a command, of a reason */
#define PAYLOAD_MAX	1048576

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
	static char		 word[COMMAND_MAX];
	char			*raw;
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

/* The decision that this run speaks of. */
static struct decided *
decided_find(const struct client *c, const struct skim_val *params,
    const struct skim_val *said)
{
	struct decided	*d, *next, *found = NULL;
	uint64_t	 now = mono_ms();
	char		*command = command_of(params);
	char		*cwd = text_of(params, "cwd", CWD_MAX);

	for (d = TAILQ_FIRST(&decisions); d != NULL && found == NULL;
	    d = next) {
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
		found = d;
	}
	free(command);
	free(cwd);
	return found;
}

/* Does it say that it was approved? */
static bool
claims(const struct skim_val *params, struct skim_val *said)
{
	struct skim_val	 approved;

	if (params->kind != SKIM_OBJECT)
		return false;
	skim_get(params, "approved", &approved);
	skim_get(params, "approvalDecision", said);
	return (approved.kind != SKIM_ABSENT && approved.kind != SKIM_NULL &&
	    (approved.kind != SKIM_BOOL || approved.p[0] != 'f')) ||
	    (said->kind != SKIM_ABSENT && said->kind != SKIM_NULL);
}

const char *
rt_node_run_refusal(const struct client *c, const struct skim_val *params)
{
	struct skim_val	 said;

	if (!claims(params, &said) || decided_find(c, params, &said) != NULL)
		return NULL;
	log_info("client %s: system.run: says that it was approved, and was "
	    "not", c->conn_id);
	return "approval required";
}

/* --- what nodes report ------------------------------------------------------------- */

struct sent {
	TAILQ_ENTRY(sent)	 entry;
	uint64_t		 until;		/* mono_ms */
	char			*node, *session;
	char			 run[RUN_ID_BYTES + 1];
};
static TAILQ_HEAD(sent_list, sent) runs = TAILQ_HEAD_INITIALIZER(runs);
static size_t	 nruns;

static void
sent_free(struct sent *s)
{
	TAILQ_REMOVE(&runs, s, entry);
	nruns--;
	free(s->node);
	free(s->session);
	free(s);
}

void
rt_node_run_sent(const struct client *c, const struct client *node,
    const struct skim_val *params)
{
	struct skim_val	 said;
	struct decided	*d;
	struct sent	*s;
	char		*run;

	if (claims(params, &said) && (d = decided_find(c, params, &said)) !=
	    NULL)
		decided_free(d);
	if (params->kind != SKIM_OBJECT ||
	    (run = text_of(params, "runId", RUN_ID_BYTES)) == NULL)
		return;
	if (run[0] == '\0' || (s = calloc(1, sizeof(*s))) == NULL) {
		free(run);
		return;
	}
	TAILQ_INSERT_TAIL(&runs, s, entry);
	nruns++;
	s->until = mono_ms() + SENT_MS;
	s->node = strdup(rt_node_id(node));
	s->session = text_of(params, "sessionKey", ROUTE_KEY_MAX);
	strlcpy(s->run, run, sizeof(s->run));
	free(run);
	if (s->node == NULL || s->session == NULL)
		sent_free(s);
	while (nruns > SENT_MAX)
		sent_free(TAILQ_FIRST(&runs));
}

static struct sent *
sent_find(const char *node, const char *run)
{
	struct sent	*s, *next;
	uint64_t	 now = mono_ms();

	for (s = TAILQ_FIRST(&runs); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (s->until <= now)
			sent_free(s);
		else if (strcmp(s->node, node) == 0 && strcmp(s->run, run) == 0)
			return s;
	}
	return NULL;
}

/* Text of others: no control bytes, and no line that begins as ours do. */
static void
put_foreign(struct dbuf *b, const char *lead, const char *text, size_t max,
    bool lines)
{
	size_t	 i, n = utf8_cut(text, strlen(text), max);
	bool	 start = true;

	if (n == 0)
		return;
	dbuf_puts(b, lead);
	for (i = 0; i < n; i++) {
		if (start && strncmp(text + i, "System:", 7) == 0)
			dbuf_puts(b, "> ");
		start = text[i] == '\n';
		if (start && lines)
			dbuf_putc(b, '\n');
		else if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			dbuf_putc(b, ' ');
		else
			dbuf_putc(b, text[i]);
	}
	if (text[n] != '\0')
		dbuf_puts(b, "\xe2\x80\xa6");
}

static char *
trimmed(const struct skim_val *payload, const char *key)
{
	char		*s = text_of(payload, key, PAYLOAD_MAX);
	struct str	 t;

	if (s == NULL)
		return strdup("");
	t = str_trim(str_of(s));
	memmove(s, t.p, t.n);
	s[t.n] = '\0';
	return s;
}

static void
write_report(struct dbuf *b, const struct sent *s, enum node_report kind,
    const struct skim_val *payload)
{
	static const char *const words[] = { [REPORT_STARTED] = "started",
	    [REPORT_FINISHED] = "finished", [REPORT_DENIED] = "denied" };
	struct skim_val	 v;
	int64_t		 code;
	char		*command = trimmed(payload, "command");
	char		*output = trimmed(payload, "output");
	char		*reason = trimmed(payload, "reason");

	dbuf_printf(b, "Exec %s (node=%s id=%s", words[kind], s->node, s->run);
	if (kind == REPORT_FINISHED) {
		if (skim_get(payload, "timedOut", &v) &&
		    v.kind == SKIM_BOOL && v.p[0] == 't')
			dbuf_puts(b, ", timeout");
		else if (skim_get(payload, "exitCode", &v) &&
		    v.kind == SKIM_NUMBER && skim_int(&v, &code))
			dbuf_printf(b, ", code %lld", (long long)code);
		else
			dbuf_puts(b, ", code ?");
	}
	if (kind == REPORT_DENIED && reason != NULL)
		put_foreign(b, ", ", reason, WORDS_MAX, false);
	dbuf_putc(b, ')');
	if (kind == REPORT_FINISHED && output != NULL)
		put_foreign(b, "\n", output, OUTPUT_MAX, true);
	else if (kind != REPORT_FINISHED && command != NULL)
		put_foreign(b, ": ", command, WORDS_MAX, false);
	free(command);
	free(output);
	free(reason);
}

void
rt_node_run_report(const struct client *node, enum node_report kind,
    const struct skim_val *payload)
{
	struct m_ag_system	 m;
	struct rt_agent		*a;
	struct dbuf		 b;
	struct sent		*s = NULL;
	char			*run = trimmed(payload, "runId");
	char			 own[ROUTE_KEY_MAX + 1], key[37];

	if (run != NULL && run[0] != '\0')
		s = sent_find(rt_node_id(node), run);
	free(run);
	if (s == NULL) {
		log_info("node %.16s: report of a run that it was not sent",
		    rt_node_id(node));
		return;
	}
	snprintf(own, sizeof(own), "node-%s", s->node);
	uuid_v4(key);
	dbuf_init(&b, 32000);
	write_report(&b, s, kind, payload);
	memset(&m, 0, sizeof(m));
	m.session_key = str_of(s->session[0] != '\0' ? s->session : own);
	m.dedupe_key = str_of(key);
	m.text = str_of(dbuf_str(&b));
	a = rt_agent_of_key(m.session_key);
	if (dbuf_err(&b) || a == NULL || a->link == NULL ||
	    link_full(a->link) ||
	    send_ag_system(a->link, &m, link_corr(), 0) == -1)
		log_warnx("node %.16s: report of run %s is lost: its agent "
		    "cannot be told", s->node, s->run);
	dbuf_clear(&b);
	if (kind != REPORT_STARTED)
		sent_free(s);		/* the last there is */
}
