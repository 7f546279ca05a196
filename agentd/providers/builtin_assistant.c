/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * builtin/assistant: finds out what the user wants from the transcript alone
 * (EP-5) and has a flow of builtin_flows.c answer it.  An open question is
 * marked by the signature "b1:<flow>:<step>:<crc>" of the message that asked
 * it; its crc covers that text, so a changed or foreign message opens nothing.
 * Tool results are never read for meaning here (EP-15).
 */

#include "common/compat.h"

#include <inttypes.h>

#include "agentd/json_load.h"
#include "agentd/providers/builtin_dialog.h"
#include "agentd/providers/providers.h"

#define PACE_MS		15
#define SIGNATURE_MAX	96
#define QUOTE_BYTES	6000

static const struct {
	const char *en, *zh;
} replies[] = {
#define REPLY(n, en, zh)	{ en, zh },
#include "agentd/providers/builtin_replies.def"
#undef REPLY
};

/* --- saying ---------------------------------------------------------------- */

const char *
dialog_phrase(const struct dialog *d, enum breply r)
{
	return d->zh ? replies[r].zh : replies[r].en;
}

void
dialog_say(struct dialog *d, enum breply r, const char *a0, const char *a1,
    const char *a2, const char *a3)
{
	const char	*args[4] = { a0, a1, a2, a3 };
	const char	*p;

	for (p = dialog_phrase(d, r); *p != '\0'; p++) {
		if (p[0] == '{' && p[1] >= '0' && p[1] <= '3' && p[2] == '}') {
			if (args[p[1] - '0'] != NULL)
				dbuf_puts(&d->out, args[p[1] - '0']);
			p += 2;
		} else
			dbuf_putc(&d->out, *p);
	}
}

static uint32_t
signature_crc(const char *flow, const char *step, struct str text)
{
	uint32_t	 crc;

	crc = bcrc32(0, flow, strlen(flow) + 1);
	crc = bcrc32(crc, step, strlen(step) + 1);
	return bcrc32(crc, text.p, text.n);
}

static void
finish(struct dialog *d, const char *step)
{
	char		 sig[SIGNATURE_MAX];
	const char	*flow = bintent_id(d->u.intent);
	struct str	 text;

	if (d->first && d->u.intent != B_HELLO && d->u.intent != B_HELP &&
	    d->u.intent != B_WHO && d->u.intent != B_UNKNOWN) {
		dbuf_puts(&d->out, "\n\n");
		dialog_say(d, R_INTRO, NULL, NULL, NULL, NULL);
	}
	if (dbuf_err(&d->out)) {
		d->plan->err = true;
		return;
	}
	text.p = dbuf_str(&d->out);
	text.n = d->out.n;
	snprintf(sig, sizeof(sig), "b1:%s:%s:%08" PRIx32, flow, step,
	    signature_crc(flow, step, text));
	bplan_text(d->plan, text.p, sig);
}

void
dialog_done(struct dialog *d)
{
	finish(d, "done");
}

void
dialog_ask(struct dialog *d, const char *step)
{
	finish(d, step);
}

bool
dialog_call(struct dialog *d, const char *tool, json_t *args,
    const char *by_hand)
{
	struct dbuf	 hand;

	if (!btools_has(d->ctx->tools, tool)) {
		json_decref(args);
		dbuf_init(&hand, 8192);
		if (by_hand != NULL) {
			const char *p = strstr(dialog_phrase(d, R_BY_HAND),
			    "{0}");

			dbuf_put(&hand, dialog_phrase(d, R_BY_HAND),
			    (size_t)(p - dialog_phrase(d, R_BY_HAND)));
			dbuf_puts(&hand, by_hand);
			dbuf_puts(&hand, p + 3);
		}
		dialog_say(d, R_NO_TOOL, tool, dbuf_str(&hand), NULL, NULL);
		dbuf_clear(&hand);
		dialog_done(d);
		return false;
	}
	if (d->out.n > 0) {
		bplan_text(d->plan, dbuf_str(&d->out), NULL);
		dbuf_reset(&d->out);
	}
	bplan_call(d->plan, tool, args);
	return true;
}

struct bresult *
dialog_result(struct dialog *d, const char *tool, size_t n)
{
	size_t	 i;

	for (i = 0; i < d->nres; i++)
		if (d->res[i].done && strcmp(d->res[i].name, tool) == 0 &&
		    n-- == 0)
			return &d->res[i];
	return NULL;
}

void
dialog_quote(const struct dialog *d, struct str t, size_t max_lines,
    struct dbuf *out)
{
	const char	*nl;
	struct str	 line;
	size_t		 lines = 0, i, bytes = 0;

	(void)d;
	while (t.n > 0 && (t.p[t.n - 1] == '\n' || t.p[t.n - 1] == ' '))
		t.n--;
	dbuf_puts(out, "```\n");
	while (t.n > 0) {
		nl = memchr(t.p, '\n', t.n);
		line.p = t.p;
		line.n = nl == NULL ? t.n : (size_t)(nl - t.p);
		t.n -= line.n + (nl != NULL);
		t.p += line.n + (nl != NULL);
		if (lines++ >= max_lines || bytes > QUOTE_BYTES) {
			dbuf_puts(out, "…\n");
			break;
		}
		if (line.n > 1000)
			line.n = utf8_cut(line.p, line.n, 1000);
		bytes += line.n;
		if (str_prefix(str_trim(line), "MEDIA:"))
			continue;
		for (i = 0; i < line.n; i++) {
			if (i + 2 < line.n && memcmp(line.p + i, "```", 3) ==
			    0) {
				dbuf_puts(out, "'''");
				i += 2;
			} else if (i + 1 < line.n &&
			    memcmp(line.p + i, "[[", 2) == 0) {
				dbuf_puts(out, "[ [");
				i++;
			} else
				dbuf_putc(out, line.p[i]);
		}
		dbuf_putc(out, '\n');
	}
	dbuf_puts(out, "```");
}

/* --- finding out what is wanted -------------------------------------------- */

/* The signature of the message's last text block: flow and step, when it is
 * ours and fits the text. */
static bool
open_question(const json_t *msg, char *flow, size_t fsize, char *step,
    size_t ssize)
{
	const json_t	*content = json_object_get(msg, "content"), *b, *t;
	const char	*sig = NULL, *p, *q;
	struct str	 text = { NULL, 0 };
	char		 want[16];
	size_t		 i;

	if (strcmp(bmsg_role(msg), "assistant") != 0)
		return false;
	for (i = 0; i < json_array_size(content); i++) {
		b = json_array_get(content, i);
		if (strcmp(json_text(b, "type", ""), "text") != 0)
			continue;
		t = json_object_get(b, "text");
		sig = json_text(b, "textSignature", NULL);
		text.p = json_string_value(t);
		text.n = json_string_length(t);
	}
	if (sig == NULL || text.p == NULL || strncmp(sig, "b1:", 3) != 0)
		return false;
	p = sig + 3;
	if ((q = strchr(p, ':')) == NULL ||
	    str_copy((struct str){ p, (size_t)(q - p) }, flow, fsize) == -1)
		return false;
	p = q + 1;
	if ((q = strchr(p, ':')) == NULL ||
	    str_copy((struct str){ p, (size_t)(q - p) }, step, ssize) == -1)
		return false;
	snprintf(want, sizeof(want), "%08" PRIx32,
	    signature_crc(flow, step, text));
	return strcmp(want, q + 1) == 0;
}

static struct str
user_words(struct dialog *d, size_t at)
{
	struct dbuf	*t;

	if (d->ntexts > DIALOG_TEXTS)
		return (struct str){ "", 0 };
	t = &d->texts[d->ntexts++];
	dbuf_init(t, PROVIDER_BODY_MAX);
	if (bmsg_text(json_array_get(d->ctx->messages, at), t) == -1)
		return (struct str){ "", 0 };
	return bmsg_own_words((struct str){ dbuf_str(t), t->n });
}

static void
choose(struct dialog *d, int n, const enum bintent *list, size_t len)
{
	if (n < 1 || (size_t)n > len)
		return;
	d->u.intent = list[n - 1];
	d->u.nchoice = 0;
	d->u.score = 100;
	memset(&d->u.m, 0, sizeof(d->u.m));
}

/* An answer to the question `step` that the wish in *d left open.  False: it
 * is none, so it stands for itself. */
static bool
take_answer(struct dialog *d, const char *step, struct str words)
{
	static const enum bintent menu[] = { B_HELP, B_DEMO, B_LIST, B_TIME,
	    B_DIAG, B_SETUP_MODEL };
	struct understanding	 other;
	enum banswer		 yn;
	struct str		 bare;
	int			 n;

	d->again = false;
	yn = builtin_yesno(words);
	if (strcmp(step, "confirm") == 0) {
		if (yn == ANSWER_NONE) {
			builtin_understand(words, &other);
			if (other.intent != B_UNKNOWN)
				return false;
			d->again = true;
			return true;
		}
		d->confirm = yn;
	} else if (strcmp(step, "content") == 0) {
		if (yn == ANSWER_NO)
			d->confirm = ANSWER_NO;
		else
			d->content = btext_unquote(words);
	} else if (strcmp(step, "path") == 0) {
		if (yn == ANSWER_NO) {
			d->confirm = ANSWER_NO;
			return true;
		}
		bare = btext_unquote(words);
		builtin_understand(words, &other);
		if (bare.n == words.n && other.intent != B_UNKNOWN &&
		    !btext_ispath(words))
			return false;
		d->path = bare;
	} else if (strcmp(step, "menu") == 0 || strcmp(step, "choice") == 0) {
		if ((n = builtin_ordinal(words)) == 0)
			return false;
		if (step[0] == 'm')
			choose(d, n, menu, sizeof(menu) / sizeof(menu[0]));
		else
			choose(d, n, d->u.choice, d->u.nchoice);
	} else
		return false;
	return true;
}

/* Works out the wish behind the user's message at `at`, going back over our
 * own questions. */
static void
resolve(struct dialog *d, size_t at)
{
	size_t		 chain[DIALOG_TEXTS];
	char		 steps[DIALOG_TEXTS][16], flow[32];
	size_t		 n = 0, i;
	ssize_t		 before;
	struct str	 words;

	/* How far back does it go? */
	for (;;) {
		chain[n] = at;
		if (n + 1 == DIALOG_TEXTS || at == 0 ||
		    !open_question(json_array_get(d->ctx->messages, at - 1),
		    flow, sizeof(flow), steps[n], sizeof(steps[n])) ||
		    strcmp(steps[n], "done") == 0)
			break;
		if ((before = bmsg_last_user(d->ctx->messages, at)) == -1)
			break;
		at = (size_t)before;
		n++;
	}
	/* And forward again from the first sentence. */
	words = user_words(d, chain[n]);
	builtin_understand(words, &d->u);
	d->zh = d->u.zh;
	for (i = n; i-- > 0;) {
		words = user_words(d, chain[i]);
		if (take_answer(d, steps[i], words)) {
			if (btext_hascjk(words))
				d->zh = true;
			continue;
		}
		/* It was no answer, so it is a new wish. */
		d->confirm = ANSWER_NONE;
		d->content.p = d->path.p = NULL;
		d->again = false;
		builtin_understand(words, &d->u);
		d->zh = d->u.zh;
	}
}

/* The calls that have been made since the user spoke, with their results. */
static void
collect_results(struct dialog *d, size_t from)
{
	const json_t	*m, *content, *b;
	struct bresult	*r;
	const char	*id, *ids[DIALOG_RESULTS];
	size_t		 i, k;

	for (i = from; i < json_array_size(d->ctx->messages); i++) {
		m = json_array_get(d->ctx->messages, i);
		content = json_object_get(m, "content");
		if (strcmp(bmsg_role(m), "assistant") == 0) {
			for (k = 0; k < json_array_size(content); k++) {
				b = json_array_get(content, k);
				if (strcmp(json_text(b, "type", ""),
				    "toolCall") != 0 ||
				    d->nres == DIALOG_RESULTS)
					continue;
				ids[d->nres] = json_text(b, "id", "");
				r = &d->res[d->nres++];
				r->name = json_text(b, "name", "");
				r->args = json_object_get(b, "arguments");
				dbuf_init(&r->text, PROVIDER_BODY_MAX);
			}
		} else if (strcmp(bmsg_role(m), "toolResult") == 0) {
			id = json_text(m, "toolCallId", "");
			for (k = 0; k < d->nres; k++)
				if (!d->res[k].done &&
				    strcmp(ids[k], id) == 0)
					break;
			if (k == d->nres)
				continue;
			d->res[k].done = true;
			d->res[k].is_error = json_is_true(
			    json_object_get(m, "isError"));
			bmsg_text(m, &d->res[k].text);
		}
	}
}

/* Looks like a provider's or a bot's key (EP-10). */
static bool
has_secret(struct str t)
{
	static const char *const marks[] = { "sk-", "xoxb-", "ghp_", "gsk_",
	    "AIza", "xai-", NULL };
	size_t	 i, k, n, len;

	for (i = 0; marks[i] != NULL; i++) {
		len = strlen(marks[i]);
		for (k = 0; k + len < t.n; k++) {
			if (memcmp(t.p + k, marks[i], len) != 0 ||
			    (k > 0 && ascii_isalnum(t.p[k - 1])))
				continue;
			for (n = k + len; n < t.n && (ascii_isalnum(t.p[n]) ||
			    t.p[n] == '-' || t.p[n] == '_'); n++)
				;
			if (n - k - len >= 16)
				return true;
		}
	}
	return false;
}

static void
answer(struct dialog *d)
{
	struct str	 words;
	ssize_t		 at;
	size_t		 n = json_array_size(d->ctx->messages);

	if ((at = bmsg_last_user(d->ctx->messages, n)) == -1) {
		dialog_say(d, R_HELLO, NULL, NULL, NULL, NULL);
		dialog_done(d);
		return;
	}
	d->first = bmsg_last_user(d->ctx->messages, (size_t)at) == -1;
	resolve(d, (size_t)at);
	words = user_words(d, (size_t)at);
	if (memmem(words.p, words.n, "HEARTBEAT_OK", 12) != NULL) {
		bplan_text(d->plan, "HEARTBEAT_OK", NULL);
		return;
	}
	collect_results(d, (size_t)at + 1);
	if (has_secret(words)) {
		dialog_say(d, R_KEY_PASTED, NULL, NULL, NULL, NULL);
		dialog_done(d);
		return;
	}
	if (d->confirm == ANSWER_NO) {
		dialog_say(d, R_CANCELLED, NULL, NULL, NULL, NULL);
		dialog_done(d);
		return;
	}
	if (d->again) {
		dialog_say(d, R_YES_OR_NO, NULL, NULL, NULL, NULL);
		dialog_ask(d, "confirm");
		return;
	}
	dialog_run(d);
}

static void *
assistant_new(const struct provider_model *model,
    const struct provider_context *ctx, const struct provider_options *opts,
    struct pstream *ps)
{
	struct bplayer	*b;
	struct dialog	*d;
	size_t		 i;

	if ((d = calloc(1, sizeof(*d))) == NULL)
		return NULL;
	if ((b = bplayer_new(ctx, opts, ps, PACE_MS)) != NULL) {
		d->model = model;
		d->ctx = ctx;
		d->opts = opts;
		d->plan = &b->plan;
		dbuf_init(&d->out, PROVIDER_TEXT_MAX);
		answer(d);
		dbuf_clear(&d->out);
		for (i = 0; i < d->ntexts; i++)
			dbuf_clear(&d->texts[i]);
		for (i = 0; i < d->nres; i++)
			dbuf_clear(&d->res[i].text);
	}
	free(d);
	return b;
}

const struct provider provider_builtin_assistant = {
	.api = "builtin",
	.model = "assistant",
	.engine_new = assistant_new,
	.engine_step = bplayer_step,
	.engine_free = bplayer_free,
};
