/*
 * SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The gatewayd developers
 */

/*
 * One call of builtin/assistant as its flows see it: what the user wants (in
 * one sentence, or in a sentence and answers to our questions), which tool
 * results have come since, and the answer that is being made.
 */
#ifndef AGENTD_PROVIDERS_BUILTIN_DIALOG_H
#define AGENTD_PROVIDERS_BUILTIN_DIALOG_H

#include "agentd/providers/builtin.h"
#include "agentd/providers/builtin_understand.h"

#define DIALOG_RESULTS	64
#define DIALOG_TEXTS	8	/* sentences that make up one wish */

enum breply {
#define REPLY(n, en, zh)	R_##n,
#include "agentd/providers/builtin_replies.def"
#undef REPLY
	R_MAX
};

struct bresult {
	const char	*name;
	const json_t	*args;
	struct dbuf	 text;
	bool		 is_error;
	bool		 done;		/* its result has come */
};
struct dialog {
	const struct provider_model	*model;
	const struct provider_context	*ctx;
	const struct provider_options	*opts;
	struct bplan			*plan;
	struct dbuf	 out;		/* text of the answer so far */
	bool		 zh;
	bool		 first;		/* of this conversation */

	/* What is wanted. */
	struct understanding u;
	struct dbuf	 texts[DIALOG_TEXTS + 1];	/* slots point into them */
	size_t		 ntexts;
	enum banswer	 confirm;
	struct str	 content;	/* answer to "what shall I write" */
	struct str	 path;		/* answer to "what shall it be called" */
	bool		 again;		/* an answer that was none */

	/* What has been done for it. */
	struct bresult	 res[DIALOG_RESULTS];
	size_t		 nres;
};

const char *dialog_phrase(const struct dialog *, enum breply);
/* Appends a reply; NULL arguments are empty. */
void	 dialog_say(struct dialog *, enum breply, const char *, const char *,
	    const char *, const char *);
/* Ends the answer, as a statement or with a question that is open. */
void	 dialog_done(struct dialog *);
void	 dialog_ask(struct dialog *, const char *step);
/* Asks for a tool call (takes args).  False when the tool is not offered;
 * that has then been said, with by_hand as advice (may be NULL). */
bool	 dialog_call(struct dialog *, const char *tool, json_t *args,
	    const char *by_hand);
/* The n-th finished call of that tool since the user spoke, or NULL. */
struct bresult *dialog_result(struct dialog *, const char *tool, size_t n);
/* A tool's words as a fenced quotation: cut, neutralised (EP-15). */
void	 dialog_quote(const struct dialog *, struct str, size_t max_lines,
	    struct dbuf *);

/* Does what d->u.intent wants. */
void	 dialog_run(struct dialog *);

#endif
